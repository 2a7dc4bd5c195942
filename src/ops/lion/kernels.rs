//! The kernels, and which of them serves an element type.

use super::OP;
use crate::abi::{LionParams, OptimizerAdvanceParams};
use crate::device::Kernel;
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::optimizer::States;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/lion_step.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/lion_step8.rs"));
}

/// Counts the step.
pub(super) static ADVANCE: Kernel<OptimizerAdvanceParams> = Kernel::new(&image::LION_STEP, "lion_step_advance_f64");

static STEP_F32: Kernel<LionParams> = Kernel::new(&image::LION_STEP, "lion_step_f32");
static STEP_F16: Kernel<LionParams> = Kernel::new(&image::LION_STEP, "lion_step_f16");
static STEP_BF16: Kernel<LionParams> = Kernel::new(&image::LION_STEP, "lion_step_bf16");
static STEP8_F32: Kernel<LionParams> = Kernel::new(&image::LION_STEP8, "lion_step8_f32");
static STEP8_F16: Kernel<LionParams> = Kernel::new(&image::LION_STEP8, "lion_step8_f16");
static STEP8_BF16: Kernel<LionParams> = Kernel::new(&image::LION_STEP8, "lion_step8_bf16");

/// The kernel that updates parameters of an element type.
pub(super) fn step(dtype: DType, states: States) -> Result<&'static Kernel<LionParams>> {
    match (dtype, states) {
        (DType::F32, States::Floats) => Ok(&STEP_F32),
        (DType::F16, States::Floats) => Ok(&STEP_F16),
        (DType::Bf16, States::Floats) => Ok(&STEP_BF16),
        (DType::F32, States::Codes) => Ok(&STEP8_F32),
        (DType::F16, States::Codes) => Ok(&STEP8_F16),
        (DType::Bf16, States::Codes) => Ok(&STEP8_BF16),
        _ => Err(Error::Unsupported { op: OP, what: format!("element type {dtype}"), supported: "f32, f16, bf16" }),
    }
}
