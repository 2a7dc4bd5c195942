//! AdamW with 8-bit states for a whole list of parameters: 2 bytes of state a parameter where 32-bit states take 8.
//!
//! # Formula
//! For each element, with the moments `s1`, `s2` of earlier steps and the gradient `g` times `gradient_scale`:
//! - `s1 = beta1 s1 + (1 - beta1) g` and `s2 = beta2 s2 + (1 - beta2) g^2`;
//! - `p = p - lr / (1 - beta1^t) * s1 / (sqrt(s2 / (1 - beta2^t)) + epsilon)`, rounded to the element type;
//! - `p = p (1 - lr weight_decay)`, rounded again: decay comes after the update.
//!
//! Between steps the moments are codes of 8 bits, in blocks of 256 elements that share one `absmax`: `s = map[code] * absmax`, and the code
//! is that of the value nearest to `s / absmax`, of two equally near the even one; the first moment's code keeps its sign. Element by
//! element, a gradient that is infinite or NaN sets the moments to 0 and leaves the parameter. This is bitsandbytes' AdamW8bit as its CUDA
//! kernel computes it. (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2021; Loshchilov and Hutter, "Decoupled
//! Weight Decay Regularization", 2017.) A second moment that overflows (`g^2` beyond 3.4e38) makes its block's parameters NaN one step
//! later, as it does there; `found_inf` is there to skip such steps.
//!
//! # The optimizer is an object
//! [`AdamW8bit::new`] checks the list once, allocates the states, and puts everybody's addresses into a table on the device.
//! [`AdamW8bit::step`] then takes the same tensors, in the same order and place, and queues two kernels, however long the list is. The step
//! count is on the device, and so are learning rate, gradient scale and `found_inf`: a captured step can be replayed, and each
//! replay counts on and reads the scalars anew.
//!
//! # Shapes and layout
//! Parameters and gradients have any shape and no gaps, at any address that is a multiple of the element's size; multiples of 16 bytes
//! are fastest. The states of a [`Checkpoint`] are those of bitsandbytes: one code an element, `ceil(elements / 256)` absmax.
//!
//! # Types
//! f32, f16 and bf16, one for all parameters and gradients of an object. Arithmetic is in f32, step count and bias corrections in f64.
//!
//! # Accuracy and determinism
//! Every operation is rounded by itself to the nearest f32 without flushing to zero, and which ones are fused is laid down: the same input gives
//! the same bits on every device and under any schedule, and `reference::adamw8bit` gives them too.
//!
//! # Speed
//! 10.06 bytes of traffic an element of 2 bytes, 16.06 of f32. Unmeasured on a GPU; instruction counts are in `kernels/adamw8bit/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::adamw8bit::{AdamW8bit, Options, Scalars, Tensors};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let (mut weight, gradient) = (device.upload(&[1.0_f32, 2.0])?, device.upload(&[0.5_f32, -0.5])?);
//! let mut tensors = [Tensors { parameter: weight.view_mut([2])?, gradient: gradient.view([2])? }];
//! let mut optimizer = AdamW8bit::new(&device, &mut tensors, &[0.0], Options::default())?;
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
mod states;

pub use super::codes::{CODES, Map, signed_map, unsigned_map};
pub use super::optimizer::{Scalars, ScalarsDesc};
pub use states::{Checkpoint, State};

use super::optimizer::{self, Correction, Described, Entry, Form, List, MomentDesc, Optimizer, States, finite, rate};
use crate::abi::{AdamW8bitParams, OptimizerAdvanceParams, OptimizerProgress};
use crate::device::{Args, Caps, Device, Launch, LaunchShape, Params};
use crate::element::Float;
#[allow(unused_imports)] // Of the documentation.
use crate::error::Error;
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

const OP: &str = "adamw8bit";

/// Elements that share an absmax.
pub const BLOCK: usize = optimizer::BLOCK;

/// What all parameters share for good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Decay rate of the first moment: from 0 to below 1.
    pub beta1: f32,
    /// Decay rate of the second moment: from 0 to below 1.
    pub beta2: f32,
    /// Added to the root of the second moment: finite, not negative.
    pub epsilon: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// One parameter as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterDesc {
    /// Read and written.
    pub parameter: TensorDesc,
    /// As many elements as `parameter`, read.
    pub gradient: TensorDesc,
    /// As many bytes as `parameter` has elements, read and written: codes of [`signed_map`].
    pub state1: TensorDesc,
    /// As many bytes, read and written: codes of [`unsigned_map`].
    pub state2: TensorDesc,
    /// One f32 for each [`BLOCK`], read and written.
    pub absmax1: TensorDesc,
    /// One f32 for each [`BLOCK`], read and written.
    pub absmax2: TensorDesc,
    /// 0 for none; finite, not negative.
    pub weight_decay: f32,
}

/// A list of parameters as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Desc<'a> {
    /// At least one.
    pub parameters: &'a [ParameterDesc],
    /// Bytes at a multiple of 16, which hold what [`table`] gives before the first launch.
    pub table: TensorDesc,
    /// [`progress_bytes`] at a multiple of 16, which hold [`progress`] before the first launch.
    pub progress: TensorDesc,
    /// For all parameters.
    pub options: Options,
}

/// One parameter and its gradient.
#[derive(Debug)]
pub struct Tensors<'a, D: Device, T: Float> {
    /// Updated.
    pub parameter: ViewMut<'a, D, T>,
    /// Of the same number of elements.
    pub gradient: View<'a, D, T>,
}

/// A list that has been checked, and how its kernels are launched.
pub type Plan = optimizer::Plan<Launch<AdamW8bitParams>>;

const FORM: Form = Form { op: OP, moments: 2, states: States::Codes };

impl ParameterDesc {
    fn shared(&self) -> optimizer::ParameterDesc {
        optimizer::ParameterDesc {
            parameter: self.parameter,
            gradient: self.gradient,
            master: None,
            first: MomentDesc::Codes { codes: self.state1, absmax: self.absmax1 },
            second: Some(MomentDesc::Codes { codes: self.state2, absmax: self.absmax2 }),
            weight_decay: self.weight_decay,
        }
    }
}

fn shared(parameters: &[ParameterDesc]) -> Vec<optimizer::ParameterDesc> {
    parameters.iter().map(ParameterDesc::shared).collect()
}

/// What the memory of `table` holds before the first launch: the tables of the code maps, everybody's addresses, and who does what.
///
/// # Errors
/// Those of [`plan`] that concern the parameters.
pub fn table(parameters: &[ParameterDesc]) -> Result<Vec<u8>> {
    optimizer::table(&FORM, &shared(parameters))
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
/// [`Error::Aliasing`] or [`Error::IndexRange`] names the tensor; [`Error::WorkspaceTooSmall`] for a table or a progress record that is.
pub fn plan(desc: &Desc<'_>, caps: &Caps) -> Result<Plan> {
    let Desc { parameters, table, progress, options } = *desc;
    plan_shared(&optimizer::Desc { parameters: &shared(parameters), table, progress, options }, caps)
}

fn plan_shared(desc: &optimizer::Desc<'_, Options>, _caps: &Caps) -> Result<Plan> {
    let Options { beta1, beta2, epsilon } = desc.options;
    rate(OP, "beta1", beta1)?;
    rate(OP, "beta2", beta2)?;
    finite(OP, "epsilon", epsilon)?;
    let list = List::new(&FORM, desc, progress_bytes() as u64)?;
    let advance = OptimizerAdvanceParams {
        progress: desc.progress.address,
        beta1,
        beta2,
        epsilon,
        correction: Correction::Moments.code(),
        ..OptimizerAdvanceParams::default()
    };
    let update = AdamW8bitParams { list: list.for_kernels(), beta1, beta2, rest1: 1.0 - beta1, rest2: 1.0 - beta2 };
    Ok(Plan {
        advance: Launch { kernel: &kernels::ADVANCE, shape: LaunchShape::linear(1, 1), params: advance },
        update: Launch { kernel: kernels::STEP.of(OP, list.dtype)?, shape: list.shape(), params: update },
        list,
    })
}

/// 8-bit AdamW as a [`Rule`](optimizer::Rule).
#[derive(Clone, Copy, Debug)]
pub struct Rule;

impl optimizer::sealed::Sealed for Rule {}

impl optimizer::Rule for Rule {
    const OP: &'static str = OP;
    type Options = Options;
    type Update = Launch<AdamW8bitParams>;

    #[allow(private_interfaces)]
    fn form(_: &Options) -> Form {
        FORM
    }

    fn table(parameters: &[optimizer::ParameterDesc], _: &Options) -> Result<Vec<u8>> {
        optimizer::table(&FORM, parameters)
    }

    fn progress(steps: u64, _: &[optimizer::ParameterDesc], options: &Options) -> Vec<u8> {
        progress(steps, options)
    }

    fn plan(desc: &optimizer::Desc<'_, Options>, caps: &Caps) -> Result<Plan> {
        plan_shared(desc, caps)
    }
}

impl<D: Device, T: Float> optimizer::sealed::Sealed for Tensors<'_, D, T> {}

impl<D: Device, T: Float> Entry<D> for Tensors<'_, D, T> {
    fn elements(&self) -> usize {
        self.parameter.shape().elements()
    }

    fn describe<'a>(&'a mut self, args: &mut Args<'a, D>) -> Result<Described> {
        let parameter = args.write("parameter", &mut self.parameter)?;
        Ok(Described { parameter, gradient: args.read("gradient", &self.gradient)?, master: None })
    }
}

/// The optimizer of one list of parameters. See the [module](self) for everything else.
pub struct AdamW8bit<D: Device>(Optimizer<D, Rule>);

impl<D: Device> AdamW8bit<D> {
    /// An optimizer before its first step. `weight_decays` has one entry for each parameter, 0 for none.
    ///
    /// # Errors
    /// [`Error::Count`] for `weight_decays`; those of [`plan`]; [`Error::DeviceMismatch`], inside [`Error::Entry`]; those of memory.
    pub fn new<T: Float>(
        device: &D,
        tensors: &mut [Tensors<'_, D, T>],
        weight_decays: &[f32],
        options: Options,
    ) -> Result<Self> {
        Optimizer::new(device, tensors, weight_decays, options).map(Self)
    }

    /// An optimizer that goes on where another one stood: the next step gives the same bits.
    ///
    /// # Errors
    /// Those of [`AdamW8bit::new`]; [`Error::Count`] where the checkpoint has another number of parameters, or, inside
    /// [`Error::Entry`], states of another length.
    pub fn restore<T: Float>(
        device: &D,
        tensors: &mut [Tensors<'_, D, T>],
        weight_decays: &[f32],
        options: Options,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        Optimizer::restore(device, tensors, weight_decays, options, &checkpoint.shared()).map(Self)
    }

    /// Makes a step: queues two kernels. `tensors` are those of [`AdamW8bit::new`], in the same order and the same place.
    ///
    /// # Errors
    /// Those of [`Optimizer::step`].
    pub fn step<T: Float>(
        &mut self,
        device: &D,
        tensors: &mut [Tensors<'_, D, T>],
        scalars: Scalars<'_, D>,
    ) -> Result<()> {
        self.0.step(device, tensors, scalars)
    }

    /// Loads the kernels ahead of the first step, as before the capture of a stream.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, device: &D) -> Result<()> {
        self.0.preload(device)
    }

    /// The steps made and the states, after everything that was queued before.
    ///
    /// # Errors
    /// Those of [`Device::download`].
    pub fn checkpoint(&self, device: &D) -> Result<Checkpoint> {
        self.0.checkpoint(device).map(Checkpoint::from_shared)
    }

    /// Bytes of device memory that the states take.
    pub fn state_bytes(&self) -> usize {
        self.0.state_bytes()
    }
}

impl<D: Device> std::fmt::Debug for AdamW8bit<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
