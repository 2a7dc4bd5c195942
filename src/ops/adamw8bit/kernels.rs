//! The kernels, and which of them serves an element type.

use super::OP;
use crate::abi::{AdamW8bitParams, OptimizerAdvanceParams};
use crate::device::Kernel;
use crate::element::DType;
use crate::error::{Error, Result};

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/adamw8bit_step.rs"));
}

/// Counts the step and derives its scalars.
pub(super) static ADVANCE: Kernel<OptimizerAdvanceParams> =
    Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_advance_f64");

static STEP_F32: Kernel<AdamW8bitParams> = Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_f32");
static STEP_F16: Kernel<AdamW8bitParams> = Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_f16");
static STEP_BF16: Kernel<AdamW8bitParams> = Kernel::new(&image::ADAMW8BIT_STEP, "adamw8bit_step_bf16");

/// The kernel that updates parameters of an element type.
pub(super) fn step(dtype: DType) -> Result<&'static Kernel<AdamW8bitParams>> {
    match dtype {
        DType::F32 => Ok(&STEP_F32),
        DType::F16 => Ok(&STEP_F16),
        DType::Bf16 => Ok(&STEP_BF16),
        _ => Err(Error::Unsupported { op: OP, what: format!("element type {dtype}"), supported: "f32, f16, bf16" }),
    }
}
