//! The GELU kernels, and which of them serve a form and an element type.

use super::Form;
use crate::abi::{GeluBwdGeneralParams, GeluBwdParams, GeluBwdReduceParams, GeluFwdGeneralParams, GeluFwdParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/gelu_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/gelu_bwd.rs"));
}

/// The forward kernels of one form and element type.
pub(super) struct Forward {
    /// For tensors without gaps and without a bias.
    pub(super) plain: Kernel<GeluFwdParams>,
    /// For rows at any distance, and a bias.
    pub(super) general: Kernel<GeluFwdGeneralParams>,
}

/// The backward kernels of one form and element type.
pub(super) struct Backward {
    /// For tensors without gaps and without a bias.
    pub(super) plain: Kernel<GeluBwdParams>,
    /// For rows at any distance, a bias and its gradient.
    pub(super) general: Kernel<GeluBwdGeneralParams>,
    /// The second stage of the bias's gradient.
    pub(super) reduce: Kernel<GeluBwdReduceParams>,
}

impl Forward {
    const fn new(plain: &'static str, general: &'static str) -> Self {
        Self { plain: Kernel::new(&image::GELU_FWD, plain), general: Kernel::new(&image::GELU_FWD, general) }
    }
}

impl Backward {
    const fn new(plain: &'static str, general: &'static str, reduce: &'static str) -> Self {
        Self {
            plain: Kernel::new(&image::GELU_BWD, plain),
            general: Kernel::new(&image::GELU_BWD, general),
            reduce: Kernel::new(&image::GELU_BWD, reduce),
        }
    }
}

/// The forward kernels of a form, by element type.
pub(super) const fn forward(form: Form) -> &'static ByType<Forward> {
    match form {
        Form::Erf => &FORWARD_ERF,
        Form::Tanh => &FORWARD_TANH,
    }
}

/// The backward kernels of a form, by element type.
pub(super) const fn backward(form: Form) -> &'static ByType<Backward> {
    match form {
        Form::Erf => &BACKWARD_ERF,
        Form::Tanh => &BACKWARD_TANH,
    }
}

static FORWARD_ERF: ByType<Forward> = ByType {
    f32: Forward::new("gelu_fwd_erf_f32", "gelu_fwd_erf_f32_general"),
    f16: Forward::new("gelu_fwd_erf_f16", "gelu_fwd_erf_f16_general"),
    bf16: Forward::new("gelu_fwd_erf_bf16", "gelu_fwd_erf_bf16_general"),
};
static FORWARD_TANH: ByType<Forward> = ByType {
    f32: Forward::new("gelu_fwd_tanh_f32", "gelu_fwd_tanh_f32_general"),
    f16: Forward::new("gelu_fwd_tanh_f16", "gelu_fwd_tanh_f16_general"),
    bf16: Forward::new("gelu_fwd_tanh_bf16", "gelu_fwd_tanh_bf16_general"),
};
static BACKWARD_ERF: ByType<Backward> = ByType {
    f32: Backward::new("gelu_bwd_erf_f32", "gelu_bwd_erf_f32_general", "gelu_bwd_f32_reduce"),
    f16: Backward::new("gelu_bwd_erf_f16", "gelu_bwd_erf_f16_general", "gelu_bwd_f16_reduce"),
    bf16: Backward::new("gelu_bwd_erf_bf16", "gelu_bwd_erf_bf16_general", "gelu_bwd_bf16_reduce"),
};
static BACKWARD_TANH: ByType<Backward> = ByType {
    f32: Backward::new("gelu_bwd_tanh_f32", "gelu_bwd_tanh_f32_general", "gelu_bwd_f32_reduce"),
    f16: Backward::new("gelu_bwd_tanh_f16", "gelu_bwd_tanh_f16_general", "gelu_bwd_f16_reduce"),
    bf16: Backward::new("gelu_bwd_tanh_bf16", "gelu_bwd_tanh_bf16_general", "gelu_bwd_bf16_reduce"),
};
