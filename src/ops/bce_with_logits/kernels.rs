//! The kernels of binary cross-entropy with logits, and which of them serves an element type.

use crate::abi::{BceWithLogitsCountParams, BceWithLogitsFwdParams, BceWithLogitsReduceParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/bce_with_logits_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/bce_with_logits_sums.rs"));
}

/// Losses and gradients.
pub(super) static FORWARD: ByType<Kernel<BceWithLogitsFwdParams>> = ByType {
    f32: Kernel::new(&image::BCE_WITH_LOGITS_FWD, "bce_with_logits_fwd_f32"),
    f16: Kernel::new(&image::BCE_WITH_LOGITS_FWD, "bce_with_logits_fwd_f16"),
    bf16: Kernel::new(&image::BCE_WITH_LOGITS_FWD, "bce_with_logits_fwd_bf16"),
};
/// What a mean is divided by.
pub(super) static COUNT: Kernel<BceWithLogitsCountParams> =
    Kernel::new(&image::BCE_WITH_LOGITS_SUMS, "bce_with_logits_count");
/// The sum of the blocks' losses.
pub(super) static REDUCE: Kernel<BceWithLogitsReduceParams> =
    Kernel::new(&image::BCE_WITH_LOGITS_SUMS, "bce_with_logits_reduce");
