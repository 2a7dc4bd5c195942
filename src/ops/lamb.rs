//! LAMB with 32-bit or 8-bit states for a whole list of parameters, with a trust ratio for each.
//!
//! # Formula
//! For each element, with the moments `s1`, `s2` of earlier steps and `g` the gradient times `gradient_scale`:
//! - `s1 = beta1 s1 + (1 - beta1) g` and `s2 = beta2 s2 + (1 - beta2) g^2`;
//! - `u = s1 / (1 - beta1^t) / (sqrt(s2 / (1 - beta2^t)) + epsilon) + weight_decay p`;
//! - for each parameter `ratio = clamp(|p| / |u|, least, most)`, of the norms over all its elements, and 1 where one of them is 0;
//! - `p = p - lr ratio u`.
//!
//! (You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2019.) [`Options::apex`] and [`Options::deepspeed`] have the
//! conventions of those two; each can be chosen by itself. A parameter without weight decay has the ratio 1, as in apex, but where
//! [`Trust::always`] is set (NVLAMB, DeepSpeed).
//!
//! # Clipping
//! With `max_grad_norm`, [`Lamb::step_clipped`](Optimizer::step_clipped) takes the norm of all gradients on the device, after `gradient_scale`, as
//! [`grad_clip`](super::grad_clip) leaves it, and multiplies gradients by `max_grad_norm / norm` where the norm is larger, as apex does.
//!
//! # States
//! [`States::Floats`]: moments in f32, with masters and wide gradients as [`optimizer`] says; a gradient that is not finite spreads.
//! [`States::Codes`]: moments as in [`adamw8bit`](super::adamw8bit); `u` is made from the new moments before they become codes; a gradient that is
//! infinite or NaN sets its moments to 0, leaves its parameter, and has no part in `|u|`. (bitsandbytes' LAMB8bit has no trust ratio.)
//!
//! # Accuracy and determinism
//! Every operation is rounded by itself without flushing to zero, and which ones are fused is laid down. Squares are added in f32 over 8 elements of a
//! thread and in f64 from there on, in an order that depends on the list alone. So the same input gives the same bits on every device, at any address and
//! under any schedule, and `reference::lamb` gives them too.
//!
//! # Speed
//! Four launches for any list. 40 bytes of traffic an element of f32, 32 of a 2-byte type; with codes 26.13 and 16.13. Unmeasured on a GPU; counts
//! are in `kernels/lamb/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::lamb::{Lamb, Options, Scalars, Tensors};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let (mut weight, gradient) = (device.upload(&[3.0_f32, 4.0])?, device.upload(&[0.5_f32, -0.5])?);
//! let mut tensors = [Tensors { parameter: weight.view_mut([2])?, gradient: gradient.view([2])?, master: None }];
//! let mut options = Options::default();
//! options.trust.always = true;
//! let mut optimizer = Lamb::new(&device, &mut tensors, &[0.0], options)?;
//!
//! let learning_rate = device.upload(&[0.1_f32])?;
//! let scalars = Scalars { learning_rate: learning_rate.view([1])?, gradient_scale: None, found_inf: None };
//! optimizer.step(&device, &mut tensors, scalars)?;
//! // The first update is the gradient's sign, so that |u| = sqrt(2), and |p| = 5.
//! let moved = 0.1 * 5.0 / 2.0_f32.sqrt();
//! assert!(device.download(&weight)?.iter().zip([3.0 - moved, 4.0 + moved]).all(|(w, expected)| (w - expected).abs() < 1e-5));
//! # Ok(())
//! # }
//! ```

mod kernels;

pub use super::optimizer::{
    Checkpoint, Desc, Moment, MomentDesc, ParameterDesc, Scalars, ScalarsDesc, State, States, Tensors,
};

use super::optimizer::{self, Correction, Form, List, Optimizer, finite, rate};
use crate::abi::{
    LambParams, LambPartial, LambRatesParams, OPTIMIZER_WARPS, OptimizerAdvanceParams, OptimizerProgress,
};
use crate::device::{Caps, Device, Launch, LaunchShape, Params};
use crate::error::{Error, Result};
use crate::view::View;

const OP: &str = "lamb";

/// What the bias correction of the moments is applied to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BiasCorrection {
    /// Both moments: apex, the paper.
    #[default]
    Moments,
    /// The learning rate, `lr sqrt(1 - beta2^t) / (1 - beta1^t)`, and so weight decay, too: DeepSpeed.
    Rate,
    /// Nothing.
    Off,
}

/// Where weight decay comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decay {
    /// `weight_decay p` is part of the update: the paper, DeepSpeed, apex with `adam_w_mode`.
    #[default]
    Update,
    /// It is part of the gradient: apex without.
    Gradient,
}

/// The trust ratio of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trust {
    /// Whether parameters without weight decay have one, too.
    pub always: bool,
    /// The least one: finite, not negative.
    pub least: f32,
    /// The largest one: at least `least`, infinity for no limit.
    pub most: f32,
}

/// What all parameters share for good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Decay rate of the first moment: from 0 to below 1.
    pub beta1: f32,
    /// Decay rate of the second moment: from 0 to below 1.
    pub beta2: f32,
    /// Added to the root of the second moment: finite, not negative.
    pub epsilon: f32,
    /// What the bias correction is applied to.
    pub bias_correction: BiasCorrection,
    /// Whether the first moment takes `1 - beta1` of the gradient, or all of it.
    pub grad_averaging: bool,
    /// Where weight decay comes in.
    pub decay: Decay,
    /// The trust ratio.
    pub trust: Trust,
    /// The largest norm of all gradients: finite, above 0. Steps then need the norm.
    pub max_grad_norm: Option<f32>,
    /// How moments are kept.
    pub states: States,
}

impl Options {
    /// The defaults of apex's `FusedLAMB` (6424da3), without its clipping to a norm of 1.
    pub const fn apex() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            bias_correction: BiasCorrection::Moments,
            grad_averaging: true,
            decay: Decay::Update,
            trust: Trust { always: false, least: 0.0, most: f32::INFINITY },
            max_grad_norm: None,
            states: States::Floats,
        }
    }

    /// The defaults of DeepSpeed's `FusedLamb`.
    pub const fn deepspeed() -> Self {
        Self {
            epsilon: 1e-8,
            bias_correction: BiasCorrection::Rate,
            trust: Trust { always: true, least: 0.01, most: 10.0 },
            ..Self::apex()
        }
    }

    fn check(&self) -> Result<()> {
        rate(OP, "beta1", self.beta1)?;
        rate(OP, "beta2", self.beta2)?;
        finite(OP, "epsilon", self.epsilon)?;
        finite(OP, "least trust ratio", self.trust.least)?;
        let unsupported = |what, supported| Err(Error::Unsupported { op: OP, what, supported });
        if self.trust.most.is_nan() || self.trust.most < self.trust.least {
            return unsupported(format!("largest trust ratio {}", self.trust.most), "at least the least one");
        }
        match self.max_grad_norm {
            Some(norm) if !(norm > 0.0 && norm.is_finite()) => {
                unsupported(format!("max_grad_norm {norm}"), "finite numbers above 0")
            }
            _ => Ok(()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::apex()
    }
}

/// LAMB as a [`Rule`](optimizer::Rule).
#[derive(Clone, Copy, Debug)]
pub struct Rule;

/// The optimizer of one list of parameters.
pub type Lamb<D> = Optimizer<D, Rule>;

/// The launches after the one that counts the step: sums of squares, trust ratios, new parameters.
pub type Update = (Launch<LambParams>, Launch<LambRatesParams>, Launch<LambParams>);

/// A list that has been checked, and how its kernels are launched.
pub type Plan = optimizer::Plan<Update>;

const fn form(options: &Options) -> Form {
    Form { op: OP, moments: 2, states: options.states }
}

/// What the memory of `table` holds before the first launch: the tables of the code maps where states are codes, everybody's addresses, and who
/// does what.
///
/// # Errors
/// Those of [`plan`] that concern the parameters.
pub fn table(parameters: &[ParameterDesc], options: &Options) -> Result<Vec<u8>> {
    optimizer::table(&form(options), parameters)
}

/// Bytes before the partial sums: the progress record and the rates.
fn bytes_before_partials(parameters: &[ParameterDesc]) -> usize {
    size_of::<OptimizerProgress>() + (parameters.len() * size_of::<f32>()).next_multiple_of(16)
}

/// Bytes of the progress record, and of what a step's launches leave for one another.
pub fn progress_bytes(parameters: &[ParameterDesc]) -> usize {
    bytes_before_partials(parameters) + optimizer::chunks(parameters) as usize * size_of::<LambPartial>()
}

/// The progress record after so many steps: what the memory of `progress` holds before the first launch.
pub fn progress(steps: u64, parameters: &[ParameterDesc], options: &Options) -> Vec<u8> {
    let mut bytes = optimizer::progress(steps, [options.beta1, options.beta2], 0, 0).as_bytes().to_vec();
    bytes.resize(progress_bytes(parameters), 0);
    bytes
}

/// Checks a list of parameters and decides how it is launched. Every device runs the same kernels, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Unsupported`] for an empty list, an element type without a kernel and options out of their range; [`Error::Entry`]
/// names the parameter for which [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`],
/// [`Error::Aliasing`] or [`Error::IndexRange`] names the tensor, or that has a master or moments which cannot be;
/// [`Error::WorkspaceTooSmall`] for a table or a progress record that is.
pub fn plan(desc: &Desc<'_, Options>, _caps: &Caps) -> Result<Plan> {
    let options = &desc.options;
    options.check()?;
    let list = List::new(&form(options), desc, progress_bytes(desc.parameters) as u64)?;
    let progress = desc.progress.address;
    let rates = progress + size_of::<OptimizerProgress>() as u64;
    let partials = progress + bytes_before_partials(desc.parameters) as u64;
    let correction = match options.bias_correction {
        BiasCorrection::Moments => Correction::Moments,
        BiasCorrection::Rate => Correction::Rate,
        BiasCorrection::Off => Correction::Nothing,
    };
    let Options { beta1, beta2, epsilon, trust, .. } = *options;
    let advance = OptimizerAdvanceParams {
        progress,
        beta1,
        beta2,
        epsilon,
        max_norm: options.max_grad_norm.unwrap_or(0.0),
        correction: correction.code(),
        ..OptimizerAdvanceParams::default()
    };
    let pass = LambParams {
        list: list.for_kernels(),
        partials,
        rates,
        beta1,
        beta2,
        rest1: if options.grad_averaging { 1.0 - beta1 } else { 1.0 },
        rest2: 1.0 - beta2,
        onto_gradient: (options.decay == Decay::Gradient).into(),
        reserved: 0,
    };
    let tensors = pass.list.tensors;
    let of_list = LambRatesParams {
        progress,
        tensors,
        partials,
        rates,
        least: trust.least,
        most: trust.most,
        always: trust.always.into(),
        reserved: 0,
    };
    let passes = match options.states {
        States::Floats => kernels::STEP.of(OP, list.dtype)?,
        States::Codes => kernels::STEP8.of(OP, list.dtype)?,
    };
    // One thread block for each parameter, and there are no more of those than chunks.
    let of_parameters = LaunchShape::linear(desc.parameters.len() as u32, 32 * OPTIMIZER_WARPS);
    Ok(Plan {
        advance: Launch { kernel: &kernels::ADVANCE, shape: LaunchShape::linear(1, 1), params: advance },
        update: (
            Launch { kernel: &passes.norms, shape: list.shape(), params: pass },
            Launch { kernel: &kernels::RATES, shape: of_parameters, params: of_list },
            Launch { kernel: &passes.apply, shape: list.shape(), params: pass },
        ),
        list,
    })
}

impl<D: Device> Optimizer<D, Rule> {
    /// Makes a step with gradients clipped by their norm: `gradient_norm` is one f32, the norm of all gradients after `gradient_scale`, as
    /// [`grad_clip`](super::grad_clip) leaves it.
    ///
    /// # Errors
    /// Those of [`Optimizer::step`]; [`Error::Unsupported`] without `max_grad_norm`.
    pub fn step_clipped<E: optimizer::Entry<D>>(
        &mut self,
        device: &D,
        tensors: &mut [E],
        scalars: Scalars<'_, D>,
        gradient_norm: View<'_, D, f32>,
    ) -> Result<()> {
        self.step_with(device, tensors, scalars, Some(gradient_norm))
    }
}

impl optimizer::sealed::Sealed for Rule {}

impl optimizer::Rule for Rule {
    const OP: &'static str = OP;
    type Options = Options;
    type Update = Update;

    #[allow(private_interfaces)]
    fn form(options: &Options) -> Form {
        form(options)
    }

    fn table(parameters: &[ParameterDesc], options: &Options) -> Result<Vec<u8>> {
        table(parameters, options)
    }

    fn progress(steps: u64, parameters: &[ParameterDesc], options: &Options) -> Vec<u8> {
        progress(steps, parameters, options)
    }

    fn plan(desc: &Desc<'_, Options>, caps: &Caps) -> Result<Plan> {
        plan(desc, caps)
    }
}
