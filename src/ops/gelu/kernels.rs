//! The GELU kernels, and which of them serve a form and an element type.

use super::Form;
use crate::abi::{GeluBwdGeneralParams, GeluBwdParams, GeluBwdReduceParams, GeluFwdGeneralParams, GeluFwdParams};
use crate::device::Kernel;
use crate::element::DType;

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

    /// The kernels for a form and an element type, where there are some.
    pub(super) const fn of(form: Form, dtype: DType) -> Option<&'static Self> {
        match (form, dtype) {
            (Form::Erf, DType::F32) => Some(&GELU_FWD_ERF_F32),
            (Form::Erf, DType::F16) => Some(&GELU_FWD_ERF_F16),
            (Form::Erf, DType::Bf16) => Some(&GELU_FWD_ERF_BF16),
            (Form::Tanh, DType::F32) => Some(&GELU_FWD_TANH_F32),
            (Form::Tanh, DType::F16) => Some(&GELU_FWD_TANH_F16),
            (Form::Tanh, DType::Bf16) => Some(&GELU_FWD_TANH_BF16),
            _ => None,
        }
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

    /// The kernels for a form and an element type, where there are some.
    pub(super) const fn of(form: Form, dtype: DType) -> Option<&'static Self> {
        match (form, dtype) {
            (Form::Erf, DType::F32) => Some(&GELU_BWD_ERF_F32),
            (Form::Erf, DType::F16) => Some(&GELU_BWD_ERF_F16),
            (Form::Erf, DType::Bf16) => Some(&GELU_BWD_ERF_BF16),
            (Form::Tanh, DType::F32) => Some(&GELU_BWD_TANH_F32),
            (Form::Tanh, DType::F16) => Some(&GELU_BWD_TANH_F16),
            (Form::Tanh, DType::Bf16) => Some(&GELU_BWD_TANH_BF16),
            _ => None,
        }
    }
}

static GELU_FWD_ERF_F32: Forward = Forward::new("gelu_fwd_erf_f32", "gelu_fwd_erf_f32_general");
static GELU_FWD_ERF_F16: Forward = Forward::new("gelu_fwd_erf_f16", "gelu_fwd_erf_f16_general");
static GELU_FWD_ERF_BF16: Forward = Forward::new("gelu_fwd_erf_bf16", "gelu_fwd_erf_bf16_general");
static GELU_FWD_TANH_F32: Forward = Forward::new("gelu_fwd_tanh_f32", "gelu_fwd_tanh_f32_general");
static GELU_FWD_TANH_F16: Forward = Forward::new("gelu_fwd_tanh_f16", "gelu_fwd_tanh_f16_general");
static GELU_FWD_TANH_BF16: Forward = Forward::new("gelu_fwd_tanh_bf16", "gelu_fwd_tanh_bf16_general");

static GELU_BWD_ERF_F32: Backward =
    Backward::new("gelu_bwd_erf_f32", "gelu_bwd_erf_f32_general", "gelu_bwd_f32_reduce");
static GELU_BWD_ERF_F16: Backward =
    Backward::new("gelu_bwd_erf_f16", "gelu_bwd_erf_f16_general", "gelu_bwd_f16_reduce");
static GELU_BWD_ERF_BF16: Backward =
    Backward::new("gelu_bwd_erf_bf16", "gelu_bwd_erf_bf16_general", "gelu_bwd_bf16_reduce");
static GELU_BWD_TANH_F32: Backward =
    Backward::new("gelu_bwd_tanh_f32", "gelu_bwd_tanh_f32_general", "gelu_bwd_f32_reduce");
static GELU_BWD_TANH_F16: Backward =
    Backward::new("gelu_bwd_tanh_f16", "gelu_bwd_tanh_f16_general", "gelu_bwd_f16_reduce");
static GELU_BWD_TANH_BF16: Backward =
    Backward::new("gelu_bwd_tanh_bf16", "gelu_bwd_tanh_bf16_general", "gelu_bwd_bf16_reduce");
