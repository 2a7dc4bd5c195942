//! Dropout, alone or fused with a residual addition, forward and backward; the mask is never stored.
//!
//! # Formula
//! `output = residual + keep * input / (1 - p)`, without a residual `output = keep * input / (1 - p)`; `keep` is 0 with probability `p`,
//! else 1 (Srivastava et al., "Dropout", 2014, in the form that scales while training). Backward `grad_input = keep * grad_output / (1 - p)`, with `keep`
//! made again; the gradient of the residual is `grad_output` itself.
//!
//! # Random numbers
//! Element `i`, counted row by row over the shape, is dropped where word `i % 4` of block `i / 4` of its call is below `round(p * 2^32)`
//! ([`random`](crate::random) defines blocks and offsets). A call over `n` elements uses `blocks(n)` blocks, `n / 4` rounded up. So the mask
//! depends on seed, offset and `i` alone: f32 and bf16 tensors of any strides get the same, and
//! [`reference::dropout::mask`](crate::reference::dropout::mask) reproduces it on the CPU. The mask itself, where one is wanted, is the forward
//! over ones.
//!
//! With `p = 0` every element is kept as it is, with `p = 1` every one is dropped; no random numbers are made for either.
//!
//! # Shapes and layout
//! All tensors have one shape of up to five dimensions. Elements along the last dimension lie side by side; the leading dimensions
//! together must be rows at one distance (not negative, and for outputs no shorter than a row), of at most 2^31 elements where there are
//! gaps. Any address will do that is a multiple of the element's size; rows that start at multiples of 16 bytes, in a tensor without gaps or with a
//! width that is a multiple of four, are fastest.
//!
//! # In place
//! The output may be exactly the memory of the input or of the residual: [`forward_in_place`], [`forward_onto`] and [`backward_in_place`]. Otherwise
//! outputs overlap no other tensor.
//!
//! # Types
//! f32, f16 and bf16, the same for all tensors of a call. Arithmetic is in f32 with one rounding at the end.
//!
//! # Accuracy
//! The bits are those of `fma(input, scale, residual)`, or `input * scale`, in f32 with `scale = 1 / (1 - p)` rounded from f64, rounded to the element
//! type. A dropped element gives the residual, or +0, also where it is NaN or infinite.
//!
//! # Determinism
//! The same input, seed and offset give the same bits, on every device and under any schedule.
//!
//! # Speed
//! Bound by memory: each tensor is read or written once, 16 bytes at a time. Unmeasured on a GPU; instruction counts are in
//! `kernels/dropout/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::dropout;
//! use warpsmith::random::{self, Random};
//! use warpsmith::{Buffer, Device, EmulatedDevice, emulator::DeviceModel, reference};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let (seed, step) = (42, 0);
//! let state = device.upload(&random::state(seed, step))?;
//! let branch = device.upload(&[1.0_f32; 8])?;
//! let mut stream = device.upload(&[10.0_f32; 8])?;
//! let random = Random { state: state.view([2])?, offset: 100 };
//! dropout::forward_onto(&device, branch.view([2, 4])?, stream.view_mut([2, 4])?, random, 0.5)?;
//! let mask = reference::dropout::mask(seed, step + 100, 0.5, 8);
//! let expected: Vec<f32> = mask.iter().map(|&kept| if kept { 12.0 } else { 10.0 }).collect();
//! assert_eq!(device.download(&stream)?, expected);
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{Plan, plan_backward, plan_forward};

use crate::device::{Args, Device, Queue};
use crate::element::Float;
use crate::error::Result;
use crate::random::{Random, RandomDesc};
use crate::view::{TensorDesc, View, ViewMut};

const FORWARD: &str = "dropout::forward";
const BACKWARD: &str = "dropout::backward";

/// A forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// Read: what is dropped or kept.
    pub input: TensorDesc,
    /// Read: what the result is added to.
    pub residual: Option<TensorDesc>,
    /// Written: an input's memory, or memory apart.
    pub output: TensorDesc,
    /// Where the random numbers begin.
    pub random: RandomDesc,
    /// Of dropping an element, 0 to 1.
    pub probability: f32,
}

/// A backward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackwardDesc {
    /// Read: the gradient of the forward's output.
    pub grad_output: TensorDesc,
    /// Written: the memory of `grad_output`, or memory apart.
    pub grad_input: TensorDesc,
    /// As in the forward.
    pub random: RandomDesc,
    /// As in the forward.
    pub probability: f32,
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float> {
    /// Read.
    pub input: View<'a, D, T>,
    /// Read: what the result is added to.
    pub residual: Option<View<'a, D, T>>,
    /// Written.
    pub output: ViewMut<'a, D, T>,
}

/// Drops elements of `input`, and adds the rest to the residual. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float>(
    device: &D,
    mut tensors: Forward<'_, D, T>,
    random: Random<'_, D>,
    probability: f32,
) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let desc = ForwardDesc {
        input: args.read("input", &tensors.input)?,
        residual: args.read_optional("residual", tensors.residual.as_ref())?,
        output: args.write("output", &mut tensors.output)?,
        random: random.describe(&mut args)?,
        probability,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that the output overlaps no other tensor; views lie inside their buffers, which `args`
    // keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}

/// Drops elements of a tensor where it stands. See the [module](self) for everything else.
///
/// # Errors
/// As [`forward`].
pub fn forward_in_place<D: Device, T: Float>(
    device: &D,
    mut tensor: ViewMut<'_, D, T>,
    random: Random<'_, D>,
    probability: f32,
) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let input = args.write("input", &mut tensor)?;
    let random = random.describe(&mut args)?;
    let plan = plan_forward(&ForwardDesc { input, residual: None, output: input, random, probability }, args.caps())?;
    // SAFETY: as in `forward`; the output is the input.
    unsafe { plan.launch(&args) }
}

/// Adds what is kept of `input` to a residual stream where that stands. See the [module](self) for everything else.
///
/// # Errors
/// As [`forward`].
pub fn forward_onto<D: Device, T: Float>(
    device: &D,
    input: View<'_, D, T>,
    mut residual: ViewMut<'_, D, T>,
    random: Random<'_, D>,
    probability: f32,
) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let input = args.read("input", &input)?;
    let residual = args.write("residual", &mut residual)?;
    let random = random.describe(&mut args)?;
    let desc = ForwardDesc { input, residual: Some(residual), output: residual, random, probability };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: as in `forward`; the output is the residual.
    unsafe { plan.launch(&args) }
}

/// The gradient of the input of [`forward`], with the forward's state, offset and probability. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_backward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn backward<D: Device, T: Float>(
    device: &D,
    grad_output: View<'_, D, T>,
    mut grad_input: ViewMut<'_, D, T>,
    random: Random<'_, D>,
    probability: f32,
) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let desc = BackwardDesc {
        grad_output: args.read("grad_output", &grad_output)?,
        grad_input: args.write("grad_input", &mut grad_input)?,
        random: random.describe(&mut args)?,
        probability,
    };
    let plan = plan_backward(&desc, args.caps())?;
    // SAFETY: as in `forward`.
    unsafe { plan.launch(&args) }
}

/// The same in the memory of `grad_output`. See the [module](self) for everything else.
///
/// # Errors
/// As [`backward`].
pub fn backward_in_place<D: Device, T: Float>(
    device: &D,
    mut gradient: ViewMut<'_, D, T>,
    random: Random<'_, D>,
    probability: f32,
) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let gradient = args.write("grad_output", &mut gradient)?;
    let random = random.describe(&mut args)?;
    let desc = BackwardDesc { grad_output: gradient, grad_input: gradient, random, probability };
    let plan = plan_backward(&desc, args.caps())?;
    // SAFETY: as in `forward`; the output is the input.
    unsafe { plan.launch(&args) }
}
