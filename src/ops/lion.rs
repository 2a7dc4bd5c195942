//! Lion with 32-bit or 8-bit states for a whole list of parameters.
//!
//! # Formula
//! For each element, with the moment `s` of earlier steps and `g` the gradient times `gradient_scale`:
//! - `p = p (1 - lr weight_decay) - lr sign(beta1 s + (1 - beta1) g)`, rounded once;
//! - `s = beta2 s + (1 - beta2) g`.
//!
//! The sign of 0 and of NaN is 0. (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.) bitsandbytes has the same order.
//!
//! # States
//! [`States::Floats`]: the moment in f32, with masters and wide gradients as [`optimizer`] says; a gradient that is not finite spreads into its
//! moment. [`States::Codes`]: bitsandbytes' Lion8bit. The moment is a code of the signed map in blocks of 256 elements that share one `absmax`, the
//! code that of the value nearest to `s / absmax`, of two equally near the even one, with the sign of `s`; a gradient that is infinite or NaN sets its moment to
//! 0 and leaves its parameter. bitsandbytes rounds the parameter to its type after the decay and `lr` to that type, too; here the
//! sum is rounded once, and the states are the same.
//!
//! # Accuracy and determinism
//! Every operation is rounded by itself to the nearest f32 without flushing to zero, and which ones are fused is laid down: the same input gives
//! the same bits on every device, at any address and under any schedule, and `reference::lion` gives them too.
//!
//! # Speed
//! 20 bytes of traffic an element of f32, 14 of a 2-byte type; with codes 14.03 and 8.03. Unmeasured on a GPU; counts are in
//! `kernels/lion/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::lion::{Lion, Options, Scalars, States, Tensors};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let (mut weight, gradient) = (device.upload(&[1.0_f32, 2.0])?, device.upload(&[0.5_f32, -1e-6])?);
//! let mut tensors = [Tensors { parameter: weight.view_mut([2])?, gradient: gradient.view([2])?, master: None }];
//! let options = Options { states: States::Codes, ..Options::default() };
//! let mut optimizer = Lion::new(&device, &mut tensors, &[0.0], options)?;
//!
//! let learning_rate = device.upload(&[0.25_f32])?;
//! let scalars = Scalars { learning_rate: learning_rate.view([1])?, gradient_scale: None, found_inf: None };
//! optimizer.step(&device, &mut tensors, scalars)?;
//! assert_eq!(device.download(&weight)?, [0.75, 2.25]);
//! # Ok(())
//! # }
//! ```

mod kernels;

pub use super::optimizer::{
    Checkpoint, Desc, Moment, MomentDesc, ParameterDesc, Scalars, ScalarsDesc, State, States, Tensors,
};

use super::optimizer::{self, Correction, Form, List, Optimizer, rate};
use crate::abi::{LionParams, OptimizerAdvanceParams, OptimizerProgress};
use crate::device::{Caps, Launch, LaunchShape, Params};
#[allow(unused_imports)] // Of the documentation.
use crate::error::Error;
use crate::error::Result;

const OP: &str = "lion";

/// What all parameters share for good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The moment's part of the direction: from 0 to below 1.
    pub beta1: f32,
    /// Decay rate of the moment: from 0 to below 1.
    pub beta2: f32,
    /// How moments are kept.
    pub states: States,
}

impl Default for Options {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, states: States::Floats }
    }
}

/// Lion as a [`Rule`](optimizer::Rule).
#[derive(Clone, Copy, Debug)]
pub struct Rule;

/// The optimizer of one list of parameters.
pub type Lion<D> = Optimizer<D, Rule>;

/// A list that has been checked, and how its kernels are launched.
pub type Plan = optimizer::Plan<Launch<LionParams>>;

const fn form(options: &Options) -> Form {
    Form { op: OP, moments: 1, states: options.states }
}

/// What the memory of `table` holds before the first launch: the tables of the code maps where states are codes, everybody's addresses, and who
/// does what.
///
/// # Errors
/// Those of [`plan`] that concern the parameters.
pub fn table(parameters: &[ParameterDesc], options: &Options) -> Result<Vec<u8>> {
    optimizer::table(&form(options), parameters)
}

/// Bytes of the progress record.
pub const fn progress_bytes() -> usize {
    size_of::<OptimizerProgress>()
}

/// The progress record after so many steps: what the memory of `progress` holds before the first launch.
pub fn progress(steps: u64, options: &Options) -> Vec<u8> {
    optimizer::progress(steps, [options.beta1, options.beta2], 0, 0).as_bytes().to_vec()
}

/// Checks a list of parameters and decides how it is launched. Every device runs the same kernels, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Unsupported`] for an empty list, an element type without a kernel and options out of their range; [`Error::Entry`]
/// names the parameter for which [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`],
/// [`Error::Aliasing`] or [`Error::IndexRange`] names the tensor, or that has a master or moments which cannot be;
/// [`Error::WorkspaceTooSmall`] for a table or a progress record that is.
pub fn plan(desc: &Desc<'_, Options>, _caps: &Caps) -> Result<Plan> {
    let Options { beta1, beta2, states } = desc.options;
    rate(OP, "beta1", beta1)?;
    rate(OP, "beta2", beta2)?;
    let list = List::new(&form(&desc.options), desc, progress_bytes() as u64)?;
    let advance = OptimizerAdvanceParams {
        progress: desc.progress.address,
        beta1,
        beta2,
        correction: Correction::Nothing.code(),
        ..OptimizerAdvanceParams::default()
    };
    let update = LionParams { list: list.for_kernels(), beta1, beta2, rest1: 1.0 - beta1, rest2: 1.0 - beta2 };
    let kernels = match states {
        States::Floats => &kernels::STEP,
        States::Codes => &kernels::STEP8,
    };
    Ok(Plan {
        advance: Launch { kernel: &self::kernels::ADVANCE, shape: LaunchShape::linear(1, 1), params: advance },
        update: Launch { kernel: kernels.of(OP, list.dtype)?, shape: list.shape(), params: update },
        list,
    })
}

impl optimizer::sealed::Sealed for Rule {}

impl optimizer::Rule for Rule {
    const OP: &'static str = OP;
    type Options = Options;
    type Update = Launch<LionParams>;

    #[allow(private_interfaces)]
    fn form(options: &Options) -> Form {
        form(options)
    }

    fn table(parameters: &[ParameterDesc], options: &Options) -> Result<Vec<u8>> {
        table(parameters, options)
    }

    fn progress(steps: u64, _: &[ParameterDesc], options: &Options) -> Vec<u8> {
        progress(steps, options)
    }

    fn plan(desc: &Desc<'_, Options>, caps: &Caps) -> Result<Plan> {
        plan(desc, caps)
    }
}
