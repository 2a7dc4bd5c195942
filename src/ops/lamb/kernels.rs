//! The kernels, and which of them serves an element type.

use crate::abi::{LambParams, LambRatesParams, OptimizerAdvanceParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/lamb_step.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/lamb_step8.rs"));
}

/// Counts the step and derives its scalars.
pub(super) static ADVANCE: Kernel<OptimizerAdvanceParams> = Kernel::new(&image::LAMB_STEP, "lamb_step_advance_f64");

/// Derives what the updates of each parameter are multiplied by.
pub(super) static RATES: Kernel<LambRatesParams> = Kernel::new(&image::LAMB_STEP, "lamb_step_rates_f64");

/// Both passes over a list.
pub(super) struct Passes {
    /// Sums of squares.
    pub(super) norms: Kernel<LambParams>,
    /// New parameters.
    pub(super) apply: Kernel<LambParams>,
}

/// With moments in f32.
pub(super) static STEP: ByType<Passes> = ByType {
    f32: Passes {
        norms: Kernel::new(&image::LAMB_STEP, "lamb_step_norms_f32"),
        apply: Kernel::new(&image::LAMB_STEP, "lamb_step_apply_f32"),
    },
    f16: Passes {
        norms: Kernel::new(&image::LAMB_STEP, "lamb_step_norms_f16"),
        apply: Kernel::new(&image::LAMB_STEP, "lamb_step_apply_f16"),
    },
    bf16: Passes {
        norms: Kernel::new(&image::LAMB_STEP, "lamb_step_norms_bf16"),
        apply: Kernel::new(&image::LAMB_STEP, "lamb_step_apply_bf16"),
    },
};

/// With moments of 8 bits.
pub(super) static STEP8: ByType<Passes> = ByType {
    f32: Passes {
        norms: Kernel::new(&image::LAMB_STEP8, "lamb_step8_norms_f32"),
        apply: Kernel::new(&image::LAMB_STEP8, "lamb_step8_apply_f32"),
    },
    f16: Passes {
        norms: Kernel::new(&image::LAMB_STEP8, "lamb_step8_norms_f16"),
        apply: Kernel::new(&image::LAMB_STEP8, "lamb_step8_apply_f16"),
    },
    bf16: Passes {
        norms: Kernel::new(&image::LAMB_STEP8, "lamb_step8_norms_bf16"),
        apply: Kernel::new(&image::LAMB_STEP8, "lamb_step8_apply_bf16"),
    },
};
