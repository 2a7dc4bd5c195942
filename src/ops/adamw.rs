//! AdamW with 32-bit states for a whole list of parameters, with f32 masters or stochastic rounding for parameters of 16 bits.
//!
//! # Formula
//! For each element, with the moments `s1`, `s2` of earlier steps and `g` the gradient times `gradient_scale`:
//! - `s1 = beta1 s1 + (1 - beta1) g` and `s2 = beta2 s2 + (1 - beta2) g^2`;
//! - `p = p (1 - lr weight_decay) - lr / (1 - beta1^t) * s1 / (sqrt(s2 / (1 - beta2^t)) + epsilon)`.
//!
//! This is PyTorch's AdamW, and that of apex and DeepSpeed, which write the decay into the sum. (Kingma and Ba, "Adam", 2014; Loshchilov and
//! Hutter, "Decoupled Weight Decay Regularization", 2017.) [`Decay`] has the other places: bitsandbytes decays after the update, and Adam with
//! a squared penalty adds `weight_decay p` to the gradient. Without `bias_correction` the two divisors are 1, as in the original BERT code.
//!
//! # Masters and rounding
//! A parameter of 16 bits with a master: the master, in f32, is updated, and the parameter is the master rounded to nearest. Without: the
//! parameter is updated in f32 and rounded, to nearest or, for bf16, by chance ([`Rounding::Stochastic`]): to one of the two neighbours, so
//! that the mean is the exact value. Small updates then are not lost. The random numbers are Philox4x32-10 of the seed; step `t` has blocks
//! `t n .. (t + 1) n` for `n = 32 * ` the list's blocks of 256 elements, of which each block of elements has 32: elements `4 l ..` and `128 + 4 l ..`
//! of a block take the eight half words of its block `l`, low halves first.
//!
//! # The object, shapes, types
//! As [`optimizer`] says. A gradient that is not finite spreads into its moments and its parameter, as in PyTorch;
//! `found_inf` is there to skip such steps.
//!
//! # Accuracy and determinism
//! Every operation is rounded by itself to the nearest f32 without flushing to zero, and which ones are fused is laid down: the same input gives
//! the same bits on every device, at any address and under any schedule, and `reference::adamw` gives them too. Step count and bias corrections
//! are in f64.
//!
//! # Speed
//! 28 bytes of traffic an element of f32, 22 of a 2-byte type, 28 with a master. Unmeasured on a GPU; counts are in `kernels/adamw/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::adamw::{AdamW, Options, Scalars, Tensors};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let (mut weight, gradient) = (device.upload(&[1.0_f32, 2.0])?, device.upload(&[0.5_f32, -0.5])?);
//! let mut tensors = [Tensors { parameter: weight.view_mut([2])?, gradient: gradient.view([2])?, master: None }];
//! let mut optimizer = AdamW::new(&device, &mut tensors, &[0.0], Options::default())?;
//!
//! let learning_rate = device.upload(&[0.1_f32])?;
//! let scalars = Scalars { learning_rate: learning_rate.view([1])?, gradient_scale: None, found_inf: None };
//! optimizer.step(&device, &mut tensors, scalars)?;
//! // The first step moves every parameter by the learning rate, against the sign of its gradient.
//! assert!(device.download(&weight)?.iter().zip([0.9, 2.1]).all(|(w, expected)| (w - expected).abs() < 1e-6));
//! # Ok(())
//! # }
//! ```

mod kernels;

pub use super::optimizer::{
    Checkpoint, Desc, Moment, MomentDesc, ParameterDesc, Scalars, ScalarsDesc, State, States, Tensors,
};

use super::optimizer::{self, Correction, Form, List, Optimizer, finite, rate};
use crate::abi::{
    ADAMW_DECAY_AFTER, ADAMW_DECAY_BEFORE, ADAMW_DECAY_GRADIENT, AdamWParams, OptimizerAdvanceParams, OptimizerProgress,
};
use crate::device::{Caps, Launch, LaunchShape, Params};
use crate::element::DType;
use crate::error::{Error, Result};

const OP: &str = "adamw";

/// Where weight decay comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decay {
    /// `p = p (1 - lr weight_decay)` before the update: PyTorch, torchao; the same as apex's and DeepSpeed's sum.
    #[default]
    Before,
    /// The same after the update: bitsandbytes.
    After,
    /// `g = g + weight_decay p`: Adam with a squared penalty, as PyTorch's Adam and apex without `adam_w_mode`.
    Gradient,
}

/// How a new parameter of 16 bits without a master is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even.
    #[default]
    Nearest,
    /// To one of its two neighbours by chance, so that the mean is exact. For bf16 without masters.
    Stochastic {
        /// Of the random numbers.
        seed: u64,
    },
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
    /// Whether moments are divided by `1 - beta^t`.
    pub bias_correction: bool,
    /// Where weight decay comes in.
    pub decay: Decay,
    /// How parameters of 16 bits are rounded.
    pub rounding: Rounding,
}

impl Default for Options {
    fn default() -> Self {
        let (decay, rounding) = (Decay::default(), Rounding::default());
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, bias_correction: true, decay, rounding }
    }
}

/// AdamW as a [`Rule`](optimizer::Rule).
#[derive(Clone, Copy, Debug)]
pub struct Rule;

/// The optimizer of one list of parameters.
pub type AdamW<D> = Optimizer<D, Rule>;

/// A list that has been checked, and how its kernels are launched.
pub type Plan = optimizer::Plan<Launch<AdamWParams>>;

/// What the memory of `table` holds before the first launch: everybody's addresses, and who does what.
///
/// # Errors
/// Those of [`plan`] that concern the parameters.
pub fn table(parameters: &[ParameterDesc]) -> Result<Vec<u8>> {
    optimizer::table(&FORM, parameters)
}

/// Bytes of the progress record.
pub const fn progress_bytes() -> usize {
    size_of::<OptimizerProgress>()
}

/// The progress record after so many steps: what the memory of `progress` holds before the first launch.
pub fn progress(steps: u64, parameters: &[ParameterDesc], options: &Options) -> Vec<u8> {
    let seed = match options.rounding {
        Rounding::Nearest => 0,
        Rounding::Stochastic { seed } => seed,
    };
    let blocks = options.random_blocks(parameters);
    optimizer::progress(steps, [options.beta1, options.beta2], seed, blocks).as_bytes().to_vec()
}

/// Checks a list of parameters and decides how it is launched. Every device runs the same kernels, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Unsupported`] for an empty list, an element type without a kernel and options out of their range; [`Error::Entry`]
/// names the parameter for which [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`],
/// [`Error::Aliasing`] or [`Error::IndexRange`] names the tensor, or that has a master which cannot be; [`Error::WorkspaceTooSmall`] for a
/// table or a progress record that is.
pub fn plan(desc: &Desc<'_, Options>, _caps: &Caps) -> Result<Plan> {
    let Options { beta1, beta2, epsilon, bias_correction, decay, rounding } = desc.options;
    rate(OP, "beta1", beta1)?;
    rate(OP, "beta2", beta2)?;
    finite(OP, "epsilon", epsilon)?;
    let list = List::new(&FORM, desc, progress_bytes() as u64)?;
    let has_masters = desc.parameters.iter().any(|parameter| parameter.master.is_some());
    let stochastic = rounding != Rounding::Nearest;
    if stochastic && (list.dtype != DType::Bf16 || has_masters) {
        let (what, supported) = ("stochastic rounding".into(), "parameters in bf16 without masters");
        return Err(Error::Unsupported { op: OP, what, supported });
    }
    let advance = OptimizerAdvanceParams {
        progress: desc.progress.address,
        random_blocks: desc.options.random_blocks(desc.parameters),
        beta1,
        beta2,
        epsilon,
        correction: if bias_correction { Correction::Moments } else { Correction::Nothing }.code(),
        ..OptimizerAdvanceParams::default()
    };
    let update = AdamWParams {
        list: list.for_kernels(),
        beta1,
        beta2,
        rest1: 1.0 - beta1,
        rest2: 1.0 - beta2,
        decay: match decay {
            Decay::Before => ADAMW_DECAY_BEFORE,
            Decay::After => ADAMW_DECAY_AFTER,
            Decay::Gradient => ADAMW_DECAY_GRADIENT,
        },
        stochastic: stochastic.into(),
    };
    Ok(Plan {
        advance: Launch { kernel: &kernels::ADVANCE, shape: LaunchShape::linear(1, 1), params: advance },
        update: Launch { kernel: kernels::STEP.of(OP, list.dtype)?, shape: list.shape(), params: update },
        list,
    })
}

const FORM: Form = Form { op: OP, moments: 2, states: States::Floats };

impl Options {
    fn random_blocks(&self, parameters: &[ParameterDesc]) -> u64 {
        if self.rounding == Rounding::Nearest { 0 } else { optimizer::random_blocks(parameters) }
    }
}

impl optimizer::sealed::Sealed for Rule {}

impl optimizer::Rule for Rule {
    const OP: &'static str = OP;
    type Options = Options;
    type Update = Launch<AdamWParams>;

    #[allow(private_interfaces)]
    fn form(_: &Options) -> Form {
        FORM
    }

    fn table(parameters: &[ParameterDesc], _: &Options) -> Result<Vec<u8>> {
        table(parameters)
    }

    fn progress(steps: u64, parameters: &[ParameterDesc], options: &Options) -> Vec<u8> {
        progress(steps, parameters, options)
    }

    fn plan(desc: &Desc<'_, Options>, caps: &Caps) -> Result<Plan> {
        plan(desc, caps)
    }
}
