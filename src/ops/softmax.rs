//! Softmax over the last dimension or its logarithm, plain and masked, forward and backward, for those who do not fuse it.
//!
//! # Formula
//! For each row `l = scale * input (+ mask)`, minus infinity where the mask or the diagonal says so, and
//! `output = exp(l) / sum(exp(l))`. Backward, `grad_input = scale * output * (grad_output - sum(grad_output * output))`.
//!
//! With [`Options::logarithm`] `output = l - log(sum(exp(l)))`, and backward `grad_input = scale * (grad_output - exp(output) *
//! sum(grad_output))`, as PyTorch's `log_softmax`.
//!
//! # Masks
//! [`Mask::Keep`] has bytes: an element counts where its byte is not 0. [`Mask::Add`] has numbers of the element type that are added
//! after the scale. With [`Options::causal`] column `j` of row `i` of each matrix counts where `j <= i + diagonal`: 0 for the usual square,
//! keys minus queries where the last row sees all keys. Both may be given. A row in which nothing counts becomes zeros, where PyTorch
//! gives NaN. Masked elements have an output of 0 (a logarithm of minus infinity) and a gradient of 0: the backward pass needs no mask. Masks get no gradient.
//!
//! # Shapes and layout
//! `input`, `output` and their gradients have one shape `[.., width]` of up to five dimensions, `width` from 1 to 2^24, up to
//! 2^31 - 1 rows. Elements along the last dimension lie side by side, and the leading dimensions together must be rows at one distance,
//! each tensor at its own. A mask has that shape too, but may have one element along any leading dimension, for which it is repeated;
//! its leading strides are free. Any address will do that is a multiple of the element's size; rows that start at multiples of 16 bytes
//! are fastest. `output` may be `input` itself, and `grad_input` may be `grad_output` itself; otherwise outputs overlap no other tensor.
//!
//! # Types
//! f32, f16 and bf16, the same for all tensors of a call but masks of bytes.
//!
//! # Accuracy
//! Arithmetic in f32 relative to the row's maximum, one rounding at the end. The error is at most twice that of the plain f32
//! computation plus two units in the last place of the row's largest result (docs/numerics.md).
//!
//! # Determinism
//! The same input gives the same bits on the same device model under any schedule.
//!
//! # Speed
//! Bound by memory: each row is read once and written once while it fits a block's registers and shared memory; of longer rows, what does
//! not fit is read again. A mask is read twice. Unmeasured on a GPU; counts are in `kernels/softmax/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::softmax::{self, Backward, Forward, Io, Options};
//! use warpsmith::{Buffer, Device, EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let mut x = device.upload(&[5.0_f32, 9.0, 1.0, 1.0])?;
//! let tensors = Forward { io: Io::InPlace(x.view_mut([2, 2])?), mask: None };
//! softmax::forward(&device, tensors, &Options { causal: Some(0), ..Options::default() })?;
//! assert_eq!(device.download(&x)?, [1.0, 0.0, 0.5, 0.5]);
//!
//! let mut dx = device.upload(&[3.0_f32, 4.0, 1.0, 2.0])?;
//! let tensors = Backward { output: x.view([2, 2])?, io: Io::InPlace(dx.view_mut([2, 2])?) };
//! softmax::backward(&device, tensors, &Options::default())?;
//! assert_eq!(device.download(&dx)?, [0.0, 0.0, -0.25, 0.25]);
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{BackwardPlan, ForwardPlan, plan_backward, plan_forward};

use crate::device::{Args, Device, Queue};
use crate::element::Float;
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

const FORWARD: &str = "softmax::forward";
const BACKWARD: &str = "softmax::backward";

/// The widest row.
pub const MAX_WIDTH: usize = 1 << 24;

/// What there is to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// What the input is multiplied by: finite; 1 by default.
    pub scale: f32,
    /// Column `j` of row `i` counts where `j <= i + diagonal`; every column by default.
    pub causal: Option<i64>,
    /// Whether the logarithm is the result; not by default.
    pub logarithm: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { scale: 1.0, causal: None, logarithm: false }
    }
}

/// A mask as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaskDesc {
    /// Bytes: an element counts where its byte is not 0.
    Keep(TensorDesc),
    /// Numbers of the element type, which are added.
    Add(TensorDesc),
}

/// A forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// `[.., width]`, read.
    pub input: TensorDesc,
    /// `[.., width]` with ones along dimensions in which it repeats, read.
    pub mask: Option<MaskDesc>,
    /// `[.., width]`, written; may be equal to `input`.
    pub output: TensorDesc,
    /// Everything else.
    pub options: Options,
}

/// A backward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackwardDesc {
    /// `[.., width]`, read: the forward's output.
    pub output: TensorDesc,
    /// `[.., width]`, read: its gradient.
    pub grad_output: TensorDesc,
    /// `[.., width]`, written; may be equal to `grad_output`.
    pub grad_input: TensorDesc,
    /// Those of the forward; the diagonal decides nothing.
    pub options: Options,
}

/// A tensor that is read and one that is written, or one that is both.
#[derive(Debug)]
pub enum Io<'a, D: Device, T: Float> {
    /// What is read stays.
    Apart {
        /// `[.., width]`: the input, or the gradient of the output.
        from: View<'a, D, T>,
        /// `[.., width]`, written: the output, or the gradient of the input.
        to: ViewMut<'a, D, T>,
    },
    /// `[.., width]`: what is written takes the place of what is read.
    InPlace(ViewMut<'a, D, T>),
}

/// A mask.
#[derive(Debug)]
pub enum Mask<'a, D: Device, T: Float> {
    /// Bytes: an element counts where its byte is not 0.
    Keep(View<'a, D, u8>),
    /// Numbers that are added.
    Add(View<'a, D, T>),
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float> {
    /// Input and output.
    pub io: Io<'a, D, T>,
    /// `[.., width]` with ones along dimensions in which it repeats.
    pub mask: Option<Mask<'a, D, T>>,
}

/// The tensors of [`backward`].
#[derive(Debug)]
pub struct Backward<'a, D: Device, T: Float> {
    /// `[.., width]`: the forward's output.
    pub output: View<'a, D, T>,
    /// The gradients of output and input.
    pub io: Io<'a, D, T>,
}

/// Registers both tensors; they are the same where one takes the other's place.
fn register<'a, D: Device, T: Float>(
    args: &mut Args<'a, D>,
    io: &'a mut Io<'_, D, T>,
    [from_name, to_name]: [&'static str; 2],
) -> Result<(TensorDesc, TensorDesc)> {
    match io {
        Io::Apart { from, to } => Ok((args.read(from_name, from)?, args.write(to_name, to)?)),
        Io::InPlace(both) => args.write(to_name, both).map(|both| (both, both)),
    }
}

/// Makes each row positive with a sum of 1. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float>(device: &D, mut tensors: Forward<'_, D, T>, options: &Options) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let (input, output) = register(&mut args, &mut tensors.io, ["input", "output"])?;
    let mask = match &tensors.mask {
        Some(Mask::Keep(mask)) => Some(MaskDesc::Keep(args.read("mask", mask)?)),
        Some(Mask::Add(mask)) => Some(MaskDesc::Add(args.read("mask", mask)?)),
        None => None,
    };
    let plan = plan_forward(&ForwardDesc { input, mask, output, options: *options }, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}

/// The gradient of [`forward`]'s input, for the same options. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_backward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn backward<D: Device, T: Float>(device: &D, mut tensors: Backward<'_, D, T>, options: &Options) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let output = args.read("output", &tensors.output)?;
    let (grad_output, grad_input) = register(&mut args, &mut tensors.io, ["grad_output", "grad_input"])?;
    let plan = plan_backward(&BackwardDesc { output, grad_output, grad_input, options: *options }, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}
