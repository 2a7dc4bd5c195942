//! The RMS norm kernels, and which of them serve an element type.

use crate::abi::{RmsNormBwdParams, RmsNormBwdReduceParams, RmsNormFwdParams};
use crate::device::Kernel;
use crate::element::DType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_fwd_general.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_bwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_bwd_general.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_bwd_reduce.rs"));
}

/// The forward kernels of one element type.
pub(super) struct Forward {
    /// For rows that start at multiples of 16 bytes and fit the registers of a block.
    pub(super) plain: Kernel<RmsNormFwdParams>,
    /// For all others.
    pub(super) general: Kernel<RmsNormFwdParams>,
}

/// The backward kernels of one element type.
pub(super) struct Backward {
    /// For rows that start at multiples of 16 bytes and whose columns fit the registers of a block.
    pub(super) plain: Kernel<RmsNormBwdParams>,
    /// For all others: the gradient of the input.
    pub(super) dx: Kernel<RmsNormBwdParams>,
    /// For all others: the first stage of the gradient of the weight.
    pub(super) columns: Kernel<RmsNormBwdParams>,
    /// The second stage.
    pub(super) reduce: Kernel<RmsNormBwdReduceParams>,
}

impl Forward {
    const fn new(plain: &'static str, general: &'static str) -> Self {
        Self {
            plain: Kernel::new(&image::RMS_NORM_FWD, plain),
            general: Kernel::new(&image::RMS_NORM_FWD_GENERAL, general),
        }
    }

    /// The kernels for an element type, where there are some.
    pub(super) const fn of(dtype: DType) -> Option<&'static Self> {
        match dtype {
            DType::F32 => Some(&RMS_NORM_FWD_F32),
            DType::F16 => Some(&RMS_NORM_FWD_F16),
            DType::Bf16 => Some(&RMS_NORM_FWD_BF16),
            _ => None,
        }
    }
}

impl Backward {
    const fn new(plain: &'static str, dx: &'static str, columns: &'static str, reduce: &'static str) -> Self {
        Self {
            plain: Kernel::new(&image::RMS_NORM_BWD, plain),
            dx: Kernel::new(&image::RMS_NORM_BWD_GENERAL, dx),
            columns: Kernel::new(&image::RMS_NORM_BWD_GENERAL, columns),
            reduce: Kernel::new(&image::RMS_NORM_BWD_REDUCE, reduce),
        }
    }

    /// The kernels for an element type, where there are some.
    pub(super) const fn of(dtype: DType) -> Option<&'static Self> {
        match dtype {
            DType::F32 => Some(&RMS_NORM_BWD_F32),
            DType::F16 => Some(&RMS_NORM_BWD_F16),
            DType::Bf16 => Some(&RMS_NORM_BWD_BF16),
            _ => None,
        }
    }
}

static RMS_NORM_FWD_F32: Forward = Forward::new("rms_norm_fwd_f32", "rms_norm_fwd_f32_general");
static RMS_NORM_FWD_F16: Forward = Forward::new("rms_norm_fwd_f16", "rms_norm_fwd_f16_general");
static RMS_NORM_FWD_BF16: Forward = Forward::new("rms_norm_fwd_bf16", "rms_norm_fwd_bf16_general");

static RMS_NORM_BWD_F32: Backward =
    Backward::new("rms_norm_bwd_f32", "rms_norm_bwd_f32_dx", "rms_norm_bwd_f32_columns", "rms_norm_bwd_f32_reduce");
static RMS_NORM_BWD_F16: Backward =
    Backward::new("rms_norm_bwd_f16", "rms_norm_bwd_f16_dx", "rms_norm_bwd_f16_columns", "rms_norm_bwd_f16_reduce");
static RMS_NORM_BWD_BF16: Backward =
    Backward::new("rms_norm_bwd_bf16", "rms_norm_bwd_bf16_dx", "rms_norm_bwd_bf16_columns", "rms_norm_bwd_bf16_reduce");
