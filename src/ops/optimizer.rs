//! What the optimizers have in common: the list of parameters, the scalars of a step, states, and the object over them.
//!
//! # The optimizer is an object
//! [`Optimizer::new`] checks the list once, allocates the states, and puts everybody's addresses into a table on the device.
//! [`Optimizer::step`] then takes the same tensors, in the same order and place, and queues the same few kernels, however long the list is.
//! The step count is on the device, and so are learning rate, gradient scale and `found_inf`: a captured step can be replayed, and each
//! replay counts on and reads the scalars anew.
//!
//! # Shapes and layout
//! Parameters, gradients and masters have any shape and no gaps, at any address that is a multiple of the element's size; multiples of 16
//! bytes are fastest, and results do not depend on it.
//!
//! # Types
//! Parameters are f32, f16 or bf16, one type for all of an object; gradients have that type, or, with states in f32, all are f32. Parameters of
//! 16 bits may have a *master* in f32, which is what the optimizer updates; the parameter is the master rounded.

mod front;
mod list;
mod plan;
mod states;

pub(super) use front::sealed;
pub use front::{Described, Entry, Optimizer, Rule};
pub use plan::{Plan, StepPlan};
pub use states::{Checkpoint, Moment, State};

pub(super) use list::{Form, finite, rate};
pub(super) use list::{List, chunks, table};
pub(super) use plan::{progress, random_blocks};

use crate::abi::{OPTIMIZER_CORRECT_MOMENTS, OPTIMIZER_CORRECT_NOTHING, OPTIMIZER_CORRECT_RATE};
use crate::device::Device;
use crate::element::Float;
use crate::view::{TensorDesc, View, ViewMut};

/// Elements that a warp has at a time; with states of 8 bits, those that share an absmax.
pub const BLOCK: usize = crate::abi::OPTIMIZER_BLOCK as usize;

/// How moments are kept from step to step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum States {
    /// In f32.
    #[default]
    Floats,
    /// As codes of 8 bits, in blocks of [`BLOCK`] that share an absmax.
    Codes,
}

/// What the bias correction is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Correction {
    /// Nothing.
    Nothing,
    /// Both moments.
    Moments,
    /// The learning rate, and so weight decay, too.
    Rate,
}

impl Correction {
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Nothing => OPTIMIZER_CORRECT_NOTHING,
            Self::Moments => OPTIMIZER_CORRECT_MOMENTS,
            Self::Rate => OPTIMIZER_CORRECT_RATE,
        }
    }
}

/// A moment of a parameter as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MomentDesc {
    /// As many f32 as the parameter has elements, read and written.
    Floats(TensorDesc),
    /// Codes of 8 bits, read and written.
    Codes {
        /// As many bytes as the parameter has elements: of the first moment codes of the signed map, of the second of the unsigned one.
        codes: TensorDesc,
        /// One f32 for each [`BLOCK`].
        absmax: TensorDesc,
    },
}

/// One parameter as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterDesc {
    /// Read and written; with a master written alone.
    pub parameter: TensorDesc,
    /// As many elements as `parameter`, read.
    pub gradient: TensorDesc,
    /// As many f32, read and written.
    pub master: Option<TensorDesc>,
    /// The first moment.
    pub first: MomentDesc,
    /// The second moment, where the optimizer has one.
    pub second: Option<MomentDesc>,
    /// 0 for none; finite, not negative.
    pub weight_decay: f32,
}

/// A list of parameters as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Desc<'a, O> {
    /// At least one.
    pub parameters: &'a [ParameterDesc],
    /// Bytes at a multiple of 16, which hold what the operation's `table` gives before the first launch.
    pub table: TensorDesc,
    /// Bytes at a multiple of 16, which hold what the operation's `progress` gives before the first launch.
    pub progress: TensorDesc,
    /// For all parameters.
    pub options: O,
}

/// The scalars of a step as plain data: one f32 each, read when the step runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalarsDesc {
    /// The learning rate.
    pub learning_rate: TensorDesc,
    /// What gradients are multiplied by; 1 without it.
    pub gradient_scale: Option<TensorDesc>,
    /// Not 0 where the step is to change nothing, neither parameters nor states nor the step count.
    pub found_inf: Option<TensorDesc>,
}

/// The scalars of a step: one f32 each, read when the step runs.
#[derive(Debug)]
pub struct Scalars<'a, D: Device> {
    /// The learning rate.
    pub learning_rate: View<'a, D, f32>,
    /// What gradients are multiplied by, such as a clipping factor over a loss scale; 1 without it.
    pub gradient_scale: Option<View<'a, D, f32>>,
    /// Not 0 where the step is to change nothing, neither parameters nor states nor the step count.
    pub found_inf: Option<View<'a, D, f32>>,
}

impl<D: Device> Clone for Scalars<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Device> Copy for Scalars<'_, D> {}

/// One parameter, its gradient, and its master.
#[derive(Debug)]
pub struct Tensors<'a, D: Device, T: Float, G: Float = T> {
    /// Updated.
    pub parameter: ViewMut<'a, D, T>,
    /// Of the same number of elements.
    pub gradient: View<'a, D, G>,
    /// The parameter in f32, where it has a type of 16 bits: updated, and then rounded into `parameter`.
    pub master: Option<ViewMut<'a, D, f32>>,
}
