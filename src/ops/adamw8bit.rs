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

mod codes;
mod kernels;
mod plan;
mod states;
mod tables;

pub use codes::{CODES, Map, signed_map, unsigned_map};
pub use plan::{Plan, StepPlan, plan, progress, progress_bytes, table};
pub use states::{Checkpoint, State};

pub use super::optimizer::{Scalars, ScalarsDesc};

use states::Arena;

use crate::device::{Args, Buffer, Device, Room};
use crate::element::Float;
use crate::error::{Error, Result};
use crate::view::{TensorDesc, View, ViewMut};

const OP: &str = "adamw8bit";

/// Elements that share an absmax.
pub const BLOCK: usize = crate::abi::ADAMW8BIT_BLOCK as usize;

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

/// The optimizer of one list of parameters. See the [module](self) for everything else.
pub struct AdamW8bit<D: Device> {
    plan: Plan,
    arena: Arena,
    table: D::Buffer<u8>,
    progress: D::Buffer<u8>,
    /// `state1` of every parameter, then `state2`, each from a multiple of [`BLOCK`] on.
    codes: D::Buffer<u8>,
    /// `absmax1` of every parameter, then `absmax2`.
    absmax: D::Buffer<f32>,
    room: Room<D>,
}

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
        let states = tensors.iter().map(|tensors| State::new(tensors.parameter.shape().elements())).collect();
        Self::restore(device, tensors, weight_decays, options, &Checkpoint { steps: 0, states })
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
        let count = |argument, got| match got == tensors.len() {
            true => Ok(()),
            false => Err(Error::Count { op: OP, argument, expected: tensors.len(), got }),
        };
        count("weight_decays", weight_decays.len())?;
        count("checkpoint.states", checkpoint.states.len())?;
        if tensors.is_empty() {
            return Err(plan::empty_list());
        }
        let arena = Arena::of(tensors.iter().map(|tensors| tensors.parameter.shape().elements()));
        let (codes, absmax) = arena.fill(&checkpoint.states)?;
        let (mut codes, mut absmax) = (device.upload(&codes)?, device.upload(&absmax)?);
        let mut progress = device.upload(&progress(checkpoint.steps, &options))?;
        let (parameters, of_progress) = {
            let (codes_len, absmax_len) = (codes.len(), absmax.len());
            let (mut codes, mut absmax) = (codes.view_mut([codes_len])?, absmax.view_mut([absmax_len])?);
            let mut progress = progress.view_mut([progress_bytes()])?;
            let mut args = Args::with_room(device, OP, Room::default())?;
            let (codes, absmax) = (args.write("states", &mut codes)?, args.write("absmax", &mut absmax)?);
            let mut parameters = Vec::with_capacity(tensors.len());
            for (index, (tensors, &weight_decay)) in tensors.iter_mut().zip(weight_decays).enumerate() {
                let [parameter, gradient] = tensors.describe(&mut args, index)?;
                let [state1, state2, absmax1, absmax2] = arena.states(index, codes.address, absmax.address);
                parameters.push(ParameterDesc { parameter, gradient, state1, state2, absmax1, absmax2, weight_decay });
            }
            (parameters, args.write("progress", &mut progress)?)
        };
        let table = device.upload(&table(&parameters)?)?;
        let of_table = {
            let table = table.view([table.len()])?;
            Args::new(device, OP)?.read("table", &table)?
        };
        let desc = Desc { parameters: &parameters, table: of_table, progress: of_progress, options };
        let plan = plan(&desc, device.caps())?;
        Ok(Self { plan, arena, table, progress, codes, absmax, room: Room::default() })
    }

    /// Makes a step: queues two kernels. `tensors` are those of [`AdamW8bit::new`], in the same order and the same place.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of tensors; inside [`Error::Entry`], [`Error::Moved`], [`Error::Shape`], [`Error::Stride`],
    /// [`Error::DType`] and [`Error::DeviceMismatch`] name the tensor that is not what it was; those of [`Plan::step`] for the scalars; and
    /// those of a launch.
    pub fn step<T: Float>(
        &mut self,
        device: &D,
        tensors: &mut [Tensors<'_, D, T>],
        scalars: Scalars<'_, D>,
    ) -> Result<()> {
        let expected = self.plan.parameters();
        if tensors.len() != expected {
            return Err(Error::Count { op: OP, argument: "tensors", expected, got: tensors.len() });
        }
        let (codes, absmax, table) = (self.codes.len(), self.absmax.len(), self.table.len());
        let table = self.table.view([table])?;
        let mut own = (
            self.codes.view_mut([codes])?,
            self.absmax.view_mut([absmax])?,
            self.progress.view_mut([progress_bytes()])?,
        );
        let mut args = Args::with_room(device, OP, std::mem::take(&mut self.room))?;
        args.read("table", &table)?;
        args.write("states", &mut own.0)?;
        args.write("absmax", &mut own.1)?;
        args.write("progress", &mut own.2)?;
        for (index, tensors) in tensors.iter_mut().enumerate() {
            let [parameter, gradient] = tensors.describe(&mut args, index)?;
            self.plan.check_place(index, &parameter, &gradient).map_err(|error| error.of_entry(index))?;
        }
        let scalars = ScalarsDesc {
            learning_rate: args.read("learning_rate", &scalars.learning_rate)?,
            gradient_scale: args.read_optional("gradient_scale", scalars.gradient_scale.as_ref())?,
            found_inf: args.read_optional("found_inf", scalars.found_inf.as_ref())?,
        };
        // SAFETY: the plan has checked the list, and every tensor is still where it was; views lie inside their buffers, which `args`
        // keeps borrowed until the launches are queued. The table and the progress record were uploaded when this was made.
        unsafe { self.plan.step(&scalars)?.launch(&args)? };
        self.room = args.into_room();
        Ok(())
    }

    /// Loads the kernels ahead of the first step, as before the capture of a stream.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, device: &D) -> Result<()> {
        self.plan.preload(device)
    }

    /// The steps made and the states, after everything that was queued before.
    ///
    /// # Errors
    /// Those of [`Device::download`].
    pub fn checkpoint(&self, device: &D) -> Result<Checkpoint> {
        let progress = device.download(&self.progress)?;
        let (codes, absmax) = (device.download(&self.codes)?, device.download(&self.absmax)?);
        Ok(Checkpoint { steps: plan::steps(&progress), states: self.arena.split(&codes, &absmax) })
    }

    /// Bytes of device memory that the states take.
    pub fn state_bytes(&self) -> usize {
        self.codes.len() + self.absmax.len() * size_of::<f32>()
    }
}

impl<D: Device> std::fmt::Debug for AdamW8bit<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AdamW8bit({} parameters, {} bytes of states)", self.plan.parameters(), self.state_bytes())
    }
}

impl<D: Device, T: Float> Tensors<'_, D, T> {
    /// Both as plain data, once they are registered.
    fn describe<'a>(&'a mut self, args: &mut Args<'a, D>, index: usize) -> Result<[TensorDesc; 2]> {
        let parameter = args.write("parameter", &mut self.parameter).map_err(|error| error.of_entry(index))?;
        let gradient = args.read("gradient", &self.gradient).map_err(|error| error.of_entry(index))?;
        Ok([parameter, gradient])
    }
}
