//! The kernels, and which of them serves an element type.

use crate::abi::{AdamW8bitAdvanceParams, AdamW8bitParams};
use crate::device::Kernel;
use crate::element::DType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/adamw8bit_step.rs"));
}

/// Counts the step and derives its scalars.
pub(super) static ADVANCE: Kernel<AdamW8bitAdvanceParams> =
    Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_advance_f64");

static STEP_F32: Kernel<AdamW8bitParams> = Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_f32");
static STEP_F16: Kernel<AdamW8bitParams> = Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_f16");
static STEP_BF16: Kernel<AdamW8bitParams> = Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_bf16");

/// The kernel that updates parameters of an element type, where there is one.
pub(super) const fn step(dtype: DType) -> Option<&'static Kernel<AdamW8bitParams>> {
    match dtype {
        DType::F32 => Some(&STEP_F32),
        DType::F16 => Some(&STEP_F16),
        DType::Bf16 => Some(&STEP_BF16),
        _ => None,
    }
}
