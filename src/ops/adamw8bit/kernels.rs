//! The kernels, and which of them serves an element type.

use crate::abi::{AdamW8bitParams, OptimizerAdvanceParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/adamw8bit_step.rs"));
}

/// Counts the step and derives its scalars.
pub(super) static ADVANCE: Kernel<OptimizerAdvanceParams> =
    Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_advance_f64");

/// Updates parameters.
pub(super) static STEP: ByType<Kernel<AdamW8bitParams>> = ByType {
    f32: Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_f32"),
    f16: Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_f16"),
    bf16: Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_bf16"),
};
