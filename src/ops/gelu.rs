//! GELU, the smooth gate of transformers' feed-forward layers, with an optional bias in the same pass.
//!
//! # Formula
//! Two different functions, up to 4.7e-4 apart; a model needs the one that it was trained with.
//! - [`Form::Erf`]: `gelu(x) = x Phi(x)`, with `Phi(x) = (1 + erf(x / sqrt 2)) / 2` the normal distribution function.
//! - [`Form::Tanh`]: `gelu(x) = x/2 (1 + tanh u)`, `u = sqrt(2/pi) (x + 0.044715 x^3)`.
//!
//! [`forward`] computes `output = gelu(input + bias)`; [`backward`] computes `grad_input = grad_output * gelu'(input + bias)`
//! and `grad_bias`, the sum of `grad_input` over all rows. (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.)
//!
//! # Shapes and layout
//! `input`, `output` and their gradients have one shape of up to five dimensions with at least one element; `bias` and
//! `grad_bias` are vectors as long as its last dimension. Elements along the last dimension lie side by side; the leading
//! dimensions together must be rows at one distance (not negative, and for outputs no shorter than a row). Any such address
//! will do that is a multiple of the element's size. A row with a bias or at a distance has at most 2^31 elements. Outputs
//! overlap no other tensor, so nothing is done in place.
//!
//! # Types
//! f32, f16 and bf16, the same for all tensors of a call. Arithmetic is in f32; `input + bias` is not rounded to the element type.
//!
//! # Accuracy
//! The error is at most twice that of the plain f32 computation plus two units in the last place of the largest result
//! (docs/numerics.md). Unlike the textbook's formulas these do not lose their digits where `x` is far below zero: the relative error
//! stays under 1e-5 until the result is too small for a f32. `gelu(-inf)` is NaN, as `-inf * 0` is and as PyTorch has it. The bounds
//! are derived in `kernels/gelu/NOTES.md`.
//!
//! # Determinism
//! The same input gives the same bits, on every device and under any schedule. `grad_bias` is added up in f32 in two stages whose
//! order depends on the shape and the element type alone.
//!
//! # Speed
//! Bound by memory: one read and one write of every element forward, two reads and one write backward, 16 bytes at a time where the
//! tensors lie alike relative to 16-byte boundaries. `grad_bias` adds less than 0.6 % of traffic from 8192 rows on. Unmeasured
//! on a GPU; instruction counts are in `kernels/gelu/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::gelu::{self, Form};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let x = device.upload(&[-1.0_f32, 0.0, 1.0, 2.0])?;
//! let mut y = device.alloc::<f32>(4)?;
//! gelu::forward(&device, gelu::Forward { input: x.view([4])?, bias: None, output: y.view_mut([4])? }, Form::Tanh)?;
//! for (y, expected) in device.download(&y)?.into_iter().zip([-0.158_808, 0.0, 0.841_192, 1.954_598]) {
//!     assert!((y - expected).abs() < 1e-6);
//! }
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{BackwardPlan, ForwardPlan, backward_workspace_bytes, plan_backward, plan_forward};

use crate::device::{Args, Device};
use crate::element::Float;
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

const FORWARD: &str = "gelu::forward";
const BACKWARD: &str = "gelu::backward";

/// Which of the two functions that go by the name of GELU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `x Phi(x)`.
    Erf,
    /// The approximation by tanh, for models that were trained with it.
    Tanh,
}

impl Form {
    /// Both forms.
    pub const ALL: [Self; 2] = [Self::Erf, Self::Tanh];

    /// The name, as it stands in kernel names and bench ids.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erf => "erf",
            Self::Tanh => "tanh",
        }
    }
}

/// The tensors of a forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// Which function.
    pub form: Form,
    /// `[.., width]`, read.
    pub input: TensorDesc,
    /// `[width]`, read: added to every row of `input` first.
    pub bias: Option<TensorDesc>,
    /// `[.., width]`, written.
    pub output: TensorDesc,
}

/// The tensors of a backward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackwardDesc {
    /// Which function.
    pub form: Form,
    /// `[.., width]`, read: the gradient of the forward's output.
    pub grad_output: TensorDesc,
    /// `[.., width]`, read: the forward's input.
    pub input: TensorDesc,
    /// `[width]`, read: the forward's bias.
    pub bias: Option<TensorDesc>,
    /// `[.., width]`, written.
    pub grad_input: TensorDesc,
    /// `[width]`, written: the sum of `grad_input`, not rounded, over the rows.
    pub grad_bias: Option<TensorDesc>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16; needed with `grad_bias` alone.
    pub workspace: Option<TensorDesc>,
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float> {
    /// `[.., width]`.
    pub input: View<'a, D, T>,
    /// `[width]`: added to every row of `input` first.
    pub bias: Option<View<'a, D, T>>,
    /// `[.., width]`, written.
    pub output: ViewMut<'a, D, T>,
}

/// The tensors of [`backward`].
#[derive(Debug)]
pub struct Backward<'a, D: Device, T: Float> {
    /// `[.., width]`: the gradient of the forward's output.
    pub grad_output: View<'a, D, T>,
    /// `[.., width]`: the forward's input.
    pub input: View<'a, D, T>,
    /// `[width]`: the forward's bias.
    pub bias: Option<View<'a, D, T>>,
    /// `[.., width]`, written.
    pub grad_input: ViewMut<'a, D, T>,
    /// `[width]`, written.
    pub grad_bias: Option<ViewMut<'a, D, T>>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16; needed with `grad_bias` alone.
    pub workspace: Option<ViewMut<'a, D, u8>>,
}

/// `output = gelu(input + bias)`. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float>(device: &D, mut tensors: Forward<'_, D, T>, form: Form) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let desc = ForwardDesc {
        form,
        input: args.read("input", &tensors.input)?,
        bias: args.read_optional("bias", tensors.bias.as_ref())?,
        output: args.write("output", &mut tensors.output)?,
    };
    let plan = plan_forward(&desc, crate::Queue::caps(&args))?;
    // SAFETY: the plan has checked the shapes, and that the output overlaps no input; views lie inside their buffers, which
    // `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}

/// `grad_input = grad_output * gelu'(input + bias)`, and `grad_bias`. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_backward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn backward<D: Device, T: Float>(device: &D, mut tensors: Backward<'_, D, T>, form: Form) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let desc = BackwardDesc {
        form,
        grad_output: args.read("grad_output", &tensors.grad_output)?,
        input: args.read("input", &tensors.input)?,
        bias: args.read_optional("bias", tensors.bias.as_ref())?,
        grad_input: args.write("grad_input", &mut tensors.grad_input)?,
        grad_bias: args.write_optional("grad_bias", tensors.grad_bias.as_mut())?,
        workspace: args.write_optional("workspace", tensors.workspace.as_mut())?,
    };
    let plan = plan_backward(&desc, crate::Queue::caps(&args))?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued.
    unsafe { plan.launch(&args) }
}
