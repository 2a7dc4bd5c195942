//! The RMS norm kernels, and which of them serve an element type.

use crate::abi::{RmsNormBwdParams, RmsNormBwdReduceParams, RmsNormFwdParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

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
}

/// Forward, by element type.
pub(super) static FORWARD: ByType<Forward> = ByType {
    f32: Forward::new("rms_norm_fwd_f32", "rms_norm_fwd_f32_general"),
    f16: Forward::new("rms_norm_fwd_f16", "rms_norm_fwd_f16_general"),
    bf16: Forward::new("rms_norm_fwd_bf16", "rms_norm_fwd_bf16_general"),
};
/// Backward, by element type.
pub(super) static BACKWARD: ByType<Backward> = ByType {
    f32: Backward::new(
        "rms_norm_bwd_f32",
        "rms_norm_bwd_f32_dx",
        "rms_norm_bwd_f32_columns",
        "rms_norm_bwd_f32_reduce",
    ),
    f16: Backward::new(
        "rms_norm_bwd_f16",
        "rms_norm_bwd_f16_dx",
        "rms_norm_bwd_f16_columns",
        "rms_norm_bwd_f16_reduce",
    ),
    bf16: Backward::new(
        "rms_norm_bwd_bf16",
        "rms_norm_bwd_bf16_dx",
        "rms_norm_bwd_bf16_columns",
        "rms_norm_bwd_bf16_reduce",
    ),
};
