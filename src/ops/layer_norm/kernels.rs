//! The layer norm kernels, and which of them serve an element type.

use crate::abi::{LayerNormBwdParams, LayerNormBwdReduceParams, LayerNormFwdParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/layer_norm_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/layer_norm_fwd_general.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/layer_norm_bwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/layer_norm_bwd_general.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/layer_norm_bwd_reduce.rs"));
}

/// The forward kernels of one element type.
pub(super) struct Forward {
    /// For rows that start at multiples of 16 bytes and fit the registers of a block.
    pub(super) plain: Kernel<LayerNormFwdParams>,
    /// For all others.
    pub(super) general: Kernel<LayerNormFwdParams>,
}

/// The backward kernels of one element type.
pub(super) struct Backward {
    /// For rows that start at multiples of 16 bytes and fit the registers of a block.
    pub(super) plain: Kernel<LayerNormBwdParams>,
    /// For all others: the gradient of the input.
    pub(super) dx: Kernel<LayerNormBwdParams>,
    /// For all others: the first stage of the gradients of weight and bias.
    pub(super) columns: Kernel<LayerNormBwdParams>,
    /// The second stage.
    pub(super) reduce: Kernel<LayerNormBwdReduceParams>,
}

impl Forward {
    const fn new(plain: &'static str, general: &'static str) -> Self {
        Self {
            plain: Kernel::new(&image::LAYER_NORM_FWD, plain),
            general: Kernel::new(&image::LAYER_NORM_FWD_GENERAL, general),
        }
    }
}

impl Backward {
    const fn new(plain: &'static str, dx: &'static str, columns: &'static str, reduce: &'static str) -> Self {
        Self {
            plain: Kernel::new(&image::LAYER_NORM_BWD, plain),
            dx: Kernel::new(&image::LAYER_NORM_BWD_GENERAL, dx),
            columns: Kernel::new(&image::LAYER_NORM_BWD_GENERAL, columns),
            reduce: Kernel::new(&image::LAYER_NORM_BWD_REDUCE, reduce),
        }
    }
}

/// Forward, by element type.
pub(super) static FORWARD: ByType<Forward> = ByType {
    f32: Forward::new("layer_norm_fwd_f32", "layer_norm_fwd_f32_general"),
    f16: Forward::new("layer_norm_fwd_f16", "layer_norm_fwd_f16_general"),
    bf16: Forward::new("layer_norm_fwd_bf16", "layer_norm_fwd_bf16_general"),
};
/// Backward, by element type.
pub(super) static BACKWARD: ByType<Backward> = ByType {
    f32: Backward::new(
        "layer_norm_bwd_f32",
        "layer_norm_bwd_f32_dx",
        "layer_norm_bwd_f32_columns",
        "layer_norm_bwd_f32_reduce",
    ),
    f16: Backward::new(
        "layer_norm_bwd_f16",
        "layer_norm_bwd_f16_dx",
        "layer_norm_bwd_f16_columns",
        "layer_norm_bwd_f16_reduce",
    ),
    bf16: Backward::new(
        "layer_norm_bwd_bf16",
        "layer_norm_bwd_bf16_dx",
        "layer_norm_bwd_bf16_columns",
        "layer_norm_bwd_bf16_reduce",
    ),
};
