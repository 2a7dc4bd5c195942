//! The kernels, and which of them serves an element type.

use crate::abi::{LionParams, OptimizerAdvanceParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/lion_step.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/lion_step8.rs"));
}

/// Counts the step.
pub(super) static ADVANCE: Kernel<OptimizerAdvanceParams> = Kernel::new(&image::LION_STEP, "lion_step_advance_f64");

/// Updates parameters with moments in f32.
pub(super) static STEP: ByType<Kernel<LionParams>> = ByType {
    f32: Kernel::new(&image::LION_STEP, "lion_step_f32"),
    f16: Kernel::new(&image::LION_STEP, "lion_step_f16"),
    bf16: Kernel::new(&image::LION_STEP, "lion_step_bf16"),
};

/// Updates parameters with moments of 8 bits.
pub(super) static STEP8: ByType<Kernel<LionParams>> = ByType {
    f32: Kernel::new(&image::LION_STEP8, "lion_step8_f32"),
    f16: Kernel::new(&image::LION_STEP8, "lion_step8_f16"),
    bf16: Kernel::new(&image::LION_STEP8, "lion_step8_bf16"),
};
