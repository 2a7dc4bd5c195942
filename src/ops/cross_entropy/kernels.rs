//! The cross-entropy kernels, and which of them serves an element type.

use crate::abi::{CrossEntropyFwdParams, CrossEntropyReduceParams, CrossEntropyTotalsParams};
use crate::device::Kernel;
use crate::element::DType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/cross_entropy_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/cross_entropy_sums.rs"));
}

/// The kernel that takes rows of an element type, where there is one.
pub(super) const fn rows(dtype: DType) -> Option<&'static Kernel<CrossEntropyFwdParams>> {
    match dtype {
        DType::F32 => Some(&CROSS_ENTROPY_FWD_F32),
        DType::F16 => Some(&CROSS_ENTROPY_FWD_F16),
        DType::Bf16 => Some(&CROSS_ENTROPY_FWD_BF16),
        _ => None,
    }
}

static CROSS_ENTROPY_FWD_F32: Kernel<CrossEntropyFwdParams> =
    Kernel::new(&image::CROSS_ENTROPY_FWD, "cross_entropy_fwd_f32");
static CROSS_ENTROPY_FWD_F16: Kernel<CrossEntropyFwdParams> =
    Kernel::new(&image::CROSS_ENTROPY_FWD, "cross_entropy_fwd_f16");
static CROSS_ENTROPY_FWD_BF16: Kernel<CrossEntropyFwdParams> =
    Kernel::new(&image::CROSS_ENTROPY_FWD, "cross_entropy_fwd_bf16");
/// What a mean is divided by.
pub(super) static TOTALS: Kernel<CrossEntropyTotalsParams> =
    Kernel::new(&image::CROSS_ENTROPY_SUMS, "cross_entropy_totals");
/// The sum of the rows' losses.
pub(super) static REDUCE: Kernel<CrossEntropyReduceParams> =
    Kernel::new(&image::CROSS_ENTROPY_SUMS, "cross_entropy_reduce");
