//! The cross-entropy kernels, and which of them serves an element type.

use crate::abi::{CrossEntropyFwdParams, CrossEntropyReduceParams, CrossEntropyTotalsParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/cross_entropy_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/cross_entropy_sums.rs"));
}

/// Takes rows.
pub(in crate::ops) static ROWS: ByType<Kernel<CrossEntropyFwdParams>> = ByType {
    f32: Kernel::new(&image::CROSS_ENTROPY_FWD, "cross_entropy_fwd_f32"),
    f16: Kernel::new(&image::CROSS_ENTROPY_FWD, "cross_entropy_fwd_f16"),
    bf16: Kernel::new(&image::CROSS_ENTROPY_FWD, "cross_entropy_fwd_bf16"),
};
/// What a mean is divided by.
pub(super) static TOTALS: Kernel<CrossEntropyTotalsParams> =
    Kernel::new(&image::CROSS_ENTROPY_SUMS, "cross_entropy_totals");
/// The sum of the rows' losses.
pub(super) static REDUCE: Kernel<CrossEntropyReduceParams> =
    Kernel::new(&image::CROSS_ENTROPY_SUMS, "cross_entropy_reduce");
