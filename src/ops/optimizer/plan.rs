//! From a checked list to launches: one that counts the step, and those that update. Pure.

use super::list::{List, all_blocks};
use super::{ParameterDesc, ScalarsDesc};
use crate::abi::{OptimizerAdvanceParams, OptimizerProgress};
use crate::check::Arg;
use crate::device::{Launch, Launches, Queue};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::TensorDesc;

/// A list of parameters that has been checked, and how its kernels are launched.
#[derive(Clone, Debug)]
pub struct Plan<U> {
    pub(in crate::ops) list: List,
    pub(in crate::ops) advance: Launch<OptimizerAdvanceParams>,
    pub(in crate::ops) update: U,
}

/// A step that has been checked, ready to be launched any number of times: a launch that counts it, and those that update.
///
/// Before it is launched the table and the progress record have to hold what the operation's `table` and `progress` gave.
pub type StepPlan<U> = crate::device::Plan<(Launch<OptimizerAdvanceParams>, U)>;

/// Blocks of random numbers that a step uses: one for each 8 elements.
pub(in crate::ops) fn random_blocks(parameters: &[ParameterDesc]) -> u64 {
    32 * all_blocks(parameters)
}

/// The progress record after so many steps.
pub(in crate::ops) fn progress(steps: u64, betas: [f32; 2], seed: u64, random_blocks: u64) -> OptimizerProgress {
    let offset = steps.wrapping_mul(random_blocks);
    let mut progress =
        OptimizerProgress { steps, power1: 1.0, power2: 1.0, seed, offset, ..OptimizerProgress::default() };
    // As the kernel does it, so that a run that was interrupted goes on with the same bits.
    for _ in 0..steps {
        progress.power1 *= f64::from(betas[0]);
        progress.power2 *= f64::from(betas[1]);
    }
    progress
}

/// The steps that a progress record has counted.
pub(super) fn steps(progress: &[u8]) -> u64 {
    progress.first_chunk().map_or(0, |steps| u64::from_le_bytes(*steps))
}

impl<U: Launches + Copy> Plan<U> {
    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.list.len()
    }

    /// Loads the kernels ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        StepPlan::new((self.advance, self.update)).preload(queue)
    }

    /// Checks the scalars of a step.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::DType`], [`Error::Null`] and
    /// [`Error::Misaligned`] name the scalar;
    /// [`Error::Unsupported`] where the options limit the norm of the gradients, which [`Plan::step_clipped`] takes.
    pub fn step(&self, scalars: &ScalarsDesc) -> Result<StepPlan<U>> {
        self.step_with(scalars, None)
    }

    /// Checks the scalars of a step whose gradients are clipped: `gradient_norm` is one f32, the norm of all gradients after `gradient_scale`.
    ///
    /// # Errors
    /// Those of [`Plan::step`] for its scalars and the norm; [`Error::Unsupported`] where the options do not limit it.
    pub fn step_clipped(&self, scalars: &ScalarsDesc, gradient_norm: &TensorDesc) -> Result<StepPlan<U>> {
        self.step_with(scalars, Some(gradient_norm))
    }

    pub(super) fn step_with(&self, scalars: &ScalarsDesc, gradient_norm: Option<&TensorDesc>) -> Result<StepPlan<U>> {
        let wanted = self.advance.params.max_norm > 0.0;
        if wanted != gradient_norm.is_some() {
            let what = if wanted { "max_grad_norm without the norm" } else { "a norm without max_grad_norm" };
            return Err(Error::Unsupported { op: self.list.op, what: what.into(), supported: "both or neither" });
        }
        let optional = |name, tensor: &Option<TensorDesc>| {
            tensor.as_ref().map_or(Ok(0), |tensor| scalar(self.list.op, name, tensor))
        };
        let mut advance = self.advance;
        advance.params.learning_rate = scalar(self.list.op, "learning_rate", &scalars.learning_rate)?;
        advance.params.gradient_scale = optional("gradient_scale", &scalars.gradient_scale)?;
        advance.params.found_inf = optional("found_inf", &scalars.found_inf)?;
        advance.params.gradient_norm = optional("gradient_norm", &gradient_norm.copied())?;
        Ok(StepPlan::new((advance, self.update)))
    }
}

/// The address of one f32.
pub(in crate::ops) fn scalar(op: &'static str, name: &'static str, tensor: &TensorDesc) -> Result<u64> {
    let arg = Arg::new(op, name, tensor).sound()?.dtype(DType::F32)?;
    if tensor.shape.elements() == 1 { Ok(tensor.address) } else { arg.shape([1]).map(|_| tensor.address) }
}
