//! The kernels, and which of them serves an element type.

use crate::abi::{GradClipFinishParams, GradClipNormParams, GradClipValueParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/grad_clip_step.rs"));
}

/// Adds the partial sums and derives the scalars.
pub(super) static FINISH: Kernel<GradClipFinishParams> =
    Kernel::new(&image::GRAD_CLIP_STEP, "grad_clip_step_finish_f64");

/// The kernels of one element type.
pub(super) struct Kernels {
    /// Sums of squares.
    pub(super) norm: Kernel<GradClipNormParams>,
    /// Clamps.
    pub(super) value: Kernel<GradClipValueParams>,
}

impl Kernels {
    const fn new(norm: &'static str, value: &'static str) -> Self {
        Self { norm: Kernel::new(&image::GRAD_CLIP_STEP, norm), value: Kernel::new(&image::GRAD_CLIP_STEP, value) }
    }
}

/// By element type.
pub(super) static KERNELS: ByType<Kernels> = ByType {
    f32: Kernels::new("grad_clip_step_norm_f32", "grad_clip_step_value_f32"),
    f16: Kernels::new("grad_clip_step_norm_f16", "grad_clip_step_value_f16"),
    bf16: Kernels::new("grad_clip_step_norm_bf16", "grad_clip_step_value_bf16"),
};
