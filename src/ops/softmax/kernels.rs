//! The softmax kernels, and which of them serves an element type.

use crate::abi::{SoftmaxBwdParams, SoftmaxFwdParams};
use crate::device::Kernel;
use crate::element::DType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/softmax_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/softmax_bwd.rs"));
}

/// The forward kernel of an element type, where there is one.
pub(super) const fn forward(dtype: DType) -> Option<&'static Kernel<SoftmaxFwdParams>> {
    match dtype {
        DType::F32 => Some(&SOFTMAX_FWD_F32),
        DType::F16 => Some(&SOFTMAX_FWD_F16),
        DType::Bf16 => Some(&SOFTMAX_FWD_BF16),
        _ => None,
    }
}

/// The backward kernel of an element type, where there is one.
pub(super) const fn backward(dtype: DType) -> Option<&'static Kernel<SoftmaxBwdParams>> {
    match dtype {
        DType::F32 => Some(&SOFTMAX_BWD_F32),
        DType::F16 => Some(&SOFTMAX_BWD_F16),
        DType::Bf16 => Some(&SOFTMAX_BWD_BF16),
        _ => None,
    }
}

static SOFTMAX_FWD_F32: Kernel<SoftmaxFwdParams> = Kernel::new(&image::SOFTMAX_FWD, "softmax_fwd_f32");
static SOFTMAX_FWD_F16: Kernel<SoftmaxFwdParams> = Kernel::new(&image::SOFTMAX_FWD, "softmax_fwd_f16");
static SOFTMAX_FWD_BF16: Kernel<SoftmaxFwdParams> = Kernel::new(&image::SOFTMAX_FWD, "softmax_fwd_bf16");
static SOFTMAX_BWD_F32: Kernel<SoftmaxBwdParams> = Kernel::new(&image::SOFTMAX_BWD, "softmax_bwd_f32");
static SOFTMAX_BWD_F16: Kernel<SoftmaxBwdParams> = Kernel::new(&image::SOFTMAX_BWD, "softmax_bwd_f16");
static SOFTMAX_BWD_BF16: Kernel<SoftmaxBwdParams> = Kernel::new(&image::SOFTMAX_BWD, "softmax_bwd_bf16");
