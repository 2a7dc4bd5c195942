//! The softmax kernels, and which of them serves an element type.

use crate::abi::{SoftmaxBwdParams, SoftmaxFwdParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/softmax_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/softmax_bwd.rs"));
}

/// Forward.
pub(super) static FORWARD: ByType<Kernel<SoftmaxFwdParams>> = ByType {
    f32: Kernel::new(&image::SOFTMAX_FWD, "softmax_fwd_f32"),
    f16: Kernel::new(&image::SOFTMAX_FWD, "softmax_fwd_f16"),
    bf16: Kernel::new(&image::SOFTMAX_FWD, "softmax_fwd_bf16"),
};
/// Backward.
pub(super) static BACKWARD: ByType<Kernel<SoftmaxBwdParams>> = ByType {
    f32: Kernel::new(&image::SOFTMAX_BWD, "softmax_bwd_f32"),
    f16: Kernel::new(&image::SOFTMAX_BWD, "softmax_bwd_f16"),
    bf16: Kernel::new(&image::SOFTMAX_BWD, "softmax_bwd_bf16"),
};
