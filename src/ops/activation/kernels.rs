//! The activation kernels, and which of them serve an element type.

use crate::abi::{ActivationBwdParams, ActivationFwdParams};
use crate::device::Kernel;
use crate::element::DType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/activation_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/activation_bwd.rs"));
}

/// The forward kernel of an element type, where there is one.
pub(super) const fn forward(dtype: DType) -> Option<&'static Kernel<ActivationFwdParams>> {
    match dtype {
        DType::F32 => Some(&FWD_F32),
        DType::F16 => Some(&FWD_F16),
        DType::Bf16 => Some(&FWD_BF16),
        _ => None,
    }
}

/// The backward kernel of an element type, where there is one.
pub(super) const fn backward(dtype: DType) -> Option<&'static Kernel<ActivationBwdParams>> {
    match dtype {
        DType::F32 => Some(&BWD_F32),
        DType::F16 => Some(&BWD_F16),
        DType::Bf16 => Some(&BWD_BF16),
        _ => None,
    }
}

static FWD_F32: Kernel<ActivationFwdParams> = Kernel::new(&image::ACTIVATION_FWD, "activation_fwd_f32");
static FWD_F16: Kernel<ActivationFwdParams> = Kernel::new(&image::ACTIVATION_FWD, "activation_fwd_f16");
static FWD_BF16: Kernel<ActivationFwdParams> = Kernel::new(&image::ACTIVATION_FWD, "activation_fwd_bf16");

static BWD_F32: Kernel<ActivationBwdParams> = Kernel::new(&image::ACTIVATION_BWD, "activation_bwd_f32");
static BWD_F16: Kernel<ActivationBwdParams> = Kernel::new(&image::ACTIVATION_BWD, "activation_bwd_f16");
static BWD_BF16: Kernel<ActivationBwdParams> = Kernel::new(&image::ACTIVATION_BWD, "activation_bwd_bf16");
