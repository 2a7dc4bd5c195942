//! From a checked list to launches: one that counts the step, and those that update. Pure.

use super::list::{List, all_blocks};
use super::{ParameterDesc, ScalarsDesc};
use crate::abi::{OptimizerAdvanceParams, OptimizerProgress};
use crate::check::Arg;
use crate::device::{Launch, Params, Queue};
use crate::element::DType;
use crate::error::Result;
use crate::view::TensorDesc;

/// The launches that update a list, in their order.
pub trait Launches: Copy {
    /// Loads the kernels ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    fn preload(&self, queue: &impl Queue) -> Result<()>;

    /// Queues the launches.
    ///
    /// # Safety
    /// That of [`Launch::queue`], for each.
    ///
    /// # Errors
    /// Those of loading and launching a kernel.
    unsafe fn queue(&self, queue: &impl Queue) -> Result<()>;
}

impl<P: Params> Launches for Launch<P> {
    fn preload(&self, queue: &impl Queue) -> Result<()> {
        Launch::preload(self, queue)
    }

    unsafe fn queue(&self, queue: &impl Queue) -> Result<()> {
        // SAFETY: the caller's promise is the same.
        unsafe { Launch::queue(self, queue) }
    }
}

/// A list of parameters that has been checked, and how its kernels are launched.
#[derive(Clone, Debug)]
pub struct Plan<U> {
    pub(in crate::ops) list: List,
    pub(in crate::ops) advance: Launch<OptimizerAdvanceParams>,
    pub(in crate::ops) update: U,
}

/// A step that has been checked, ready to be launched any number of times.
#[derive(Clone, Copy, Debug)]
pub struct StepPlan<U> {
    pub(in crate::ops) advance: Launch<OptimizerAdvanceParams>,
    update: U,
}

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

impl<U: Launches> Plan<U> {
    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.list.len()
    }

    /// Loads the kernels ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        self.advance.preload(queue)?;
        self.update.preload(queue)
    }

    /// Checks the scalars of a step.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape), [`Error::DType`](crate::Error::DType), [`Error::Null`](crate::Error::Null) and
    /// [`Error::Misaligned`](crate::Error::Misaligned) name the scalar.
    pub fn step(&self, scalars: &ScalarsDesc) -> Result<StepPlan<U>> {
        let optional = |name, tensor: &Option<TensorDesc>| {
            tensor.as_ref().map_or(Ok(0), |tensor| scalar(self.list.op, name, tensor))
        };
        let mut advance = self.advance;
        advance.params.learning_rate = scalar(self.list.op, "learning_rate", &scalars.learning_rate)?;
        advance.params.gradient_scale = optional("gradient_scale", &scalars.gradient_scale)?;
        advance.params.found_inf = optional("found_inf", &scalars.found_inf)?;
        Ok(StepPlan { advance, update: self.update })
    }
}

/// The address of one f32.
pub(in crate::ops) fn scalar(op: &'static str, name: &'static str, tensor: &TensorDesc) -> Result<u64> {
    let arg = Arg::new(op, name, tensor).sound()?.dtype(DType::F32)?;
    if tensor.shape.elements() == 1 { Ok(tensor.address) } else { arg.shape([1]).map(|_| tensor.address) }
}

impl<U: Launches> StepPlan<U> {
    /// Queues the launches: as many for any list.
    ///
    /// # Safety
    /// The memory that the descriptions named is alive until the launches have run, the table and the progress record hold what
    /// the operation's `table` and `progress` gave, and nothing else touches any of it in a conflicting way meanwhile.
    ///
    /// # Errors
    /// Those of loading and launching a kernel.
    pub unsafe fn launch(&self, queue: &impl Queue) -> Result<()> {
        // Where a later kernel cannot be loaded, the first must not have run.
        self.preload(queue)?;
        // SAFETY: the plan keeps the kernels inside the tensors, whose memory is the caller's promise; the stream runs them in this order,
        // so that each finds what the one before it derived.
        unsafe {
            self.advance.queue(queue)?;
            self.update.queue(queue)
        }
    }

    /// Loads the kernels ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        self.advance.preload(queue)?;
        self.update.preload(queue)
    }
}
