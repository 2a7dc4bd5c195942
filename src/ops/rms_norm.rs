//! RMS norm over the last dimension, forward and backward, with an optional residual in the same pass.
//!
//! # Formula
//! For each row, `x = input (+ residual)`, `rstd = 1 / sqrt(mean(x^2) + epsilon)`, and `output = x * rstd * weight`. (Zhang and
//! Sennrich, "Root Mean Square Layer Normalization", 2019.)
//!
//! Backward, with `xhat = x * rstd` and `g = grad_output * weight`:
//! `grad_input = rstd * (g - xhat * mean(g * xhat)) (+ grad_sum)`; over all rows, `grad_weight = sum(grad_output * xhat)`.
//!
//! # Casting
//! Models in 16 bits differ in where they round, and a model needs the one that it was trained with ([`Casting`], by the names that
//! Liger-Kernel gives them):
//!
//! | casting | output | who computes so |
//! |---|---|---|
//! | [`Casting::None`] | `T(x * rstd * weight)` | PyTorch's `rms_norm`, and [`layer_norm`](super::layer_norm) |
//! | [`Casting::Llama`] | `T(T(x * rstd) * weight)` | Llama and its kin in Hugging Face's Transformers |
//! | [`Casting::Gemma`] | `T(x * rstd * (1 + weight))` | Gemma, whose stored weight is a difference from one |
//!
//! `T(..)` rounds to the element type; everything else is f32. Backward the roundings count as the identity, and `weight` is
//! `1 + weight` for Gemma. Without a weight the output is `T(x * rstd)` in all of them.
//!
//! # The residual
//! With a [`Residual`], the sum of input and residual is rounded to the element type, written to `sum`, and *that* is what is
//! normalised: the result is the same as that of an addition which stores its sum and a norm which reads it. The next block adds
//! its own result to `sum`, so in the backward pass a second gradient reaches it there; given as `grad_sum` it is added to
//! `grad_input` in the same pass. `grad_input` is the gradient of `input` and of `residual`.
//!
//! # Shapes and layout
//! `input`, `residual`, `sum`, `output` and their gradients have one shape `[.., width]` of up to five dimensions, `width` from 1 to
//! 65,536, up to 2^32 - 1 rows; `rstd` has that shape without the last dimension; `weight` and its gradient are `[width]`. Elements
//! along the last dimension lie side by side, and the leading dimensions together must be rows at one distance, each tensor at its own
//! (not negative, and for outputs no shorter than a row). Vectors and `rstd` have no gaps. Any address will do that is a multiple of
//! the element's size; rows that start at multiples of 16 bytes are fastest. Outputs overlap no other tensor.
//!
//! # Types
//! f32, f16 and bf16, the same for all tensors of a call but `rstd`, which is f32.
//!
//! # Accuracy
//! Arithmetic in f32, one rounding at the end and the one that the casting asks for. Squares are added up in f32, so elements above 1.8e19
//! (bf16 and f32 hold larger ones) give an `rstd` of zero, as they do in PyTorch. The error is at most twice that of the plain f32
//! computation plus two units in the last place of the row's largest result (docs/numerics.md).
//!
//! # Determinism
//! The same input gives the same bits on the same device model under any schedule. `grad_weight` is added up in two stages; the number of
//! groups of rows in the first depends on the shape and on the compute capability, never on the number of multiprocessors.
//!
//! # Speed
//! Bound by memory: forward reads and writes each element once, backward reads two and writes one. Rows of up to 32 KiB (backward: of up
//! to 16 KiB on devices with less than 128 KiB of shared memory for a block) take one pass; wider ones and those off 16-byte boundaries are
//! kept in registers and shared memory as far as they fit, and read twice by the backward pass, once for each of its gradients.
//! Unmeasured on a GPU; instruction counts are in `kernels/rms_norm/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::rms_norm::{self, Casting};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let x = device.upload(&[1.0_f32, 7.0, 1.0, 7.0, 3.0, 3.0, 3.0, -3.0])?;
//! let weight = device.upload(&[1.0_f32, 2.0, 5.0, 10.0])?;
//! let mut y = device.alloc::<f32>(8)?;
//! let tensors = rms_norm::Forward {
//!     input: x.view([2, 4])?,
//!     residual: None,
//!     weight: Some(weight.view([4])?),
//!     output: y.view_mut([2, 4])?,
//!     rstd: None,
//! };
//! rms_norm::forward(&device, tensors, 0.0, Casting::None)?;
//! for (y, expected) in device.download(&y)?.into_iter().zip([0.2, 2.8, 1.0, 14.0, 1.0, 2.0, 5.0, -10.0]) {
//!     assert!((y - expected).abs() < 1e-5);
//! }
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{BackwardPlan, ForwardPlan, backward_workspace_bytes, plan_backward, plan_forward};

use crate::device::{Args, Device, Queue};
use crate::element::Float;
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

const FORWARD: &str = "rms_norm::forward";
const BACKWARD: &str = "rms_norm::backward";

/// The widest row.
pub const MAX_WIDTH: usize = super::rows::MAX_WIDTH;

/// Where a model in 16 bits rounds, and what its weight means. For f32 `None` and `Llama` are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Casting {
    /// One rounding, at the end.
    None,
    /// The normalised value is rounded before it meets the weight.
    Llama,
    /// One rounding, at the end; one is added to the weight.
    Gemma,
}

impl Casting {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Llama, Self::Gemma];

    /// What is added to the weight.
    pub(crate) const fn offset(self) -> f32 {
        match self {
            Self::None | Self::Llama => 0.0,
            Self::Gemma => 1.0,
        }
    }
}

/// A residual as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidualDesc {
    /// `[.., width]`, read.
    pub residual: TensorDesc,
    /// `[.., width]`, written: input and residual, rounded to the element type.
    pub sum: TensorDesc,
}

/// A forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// `[.., width]`, read.
    pub input: TensorDesc,
    /// Added to `input` before the norm.
    pub residual: Option<ResidualDesc>,
    /// `[width]`, read.
    pub weight: Option<TensorDesc>,
    /// `[.., width]`, written.
    pub output: TensorDesc,
    /// `[..]` in f32, written, for the backward pass.
    pub rstd: Option<TensorDesc>,
    /// Added to the mean of the squares: finite, not negative.
    pub epsilon: f32,
    /// Where the model rounds.
    pub casting: Casting,
}

/// A backward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackwardDesc {
    /// `[.., width]`, read: the gradient of the forward's output.
    pub grad_output: TensorDesc,
    /// `[.., width]`, read: what the forward normalised, that is its input, or its `sum` where it had a residual.
    pub input: TensorDesc,
    /// `[width]`, read: the forward's weight.
    pub weight: Option<TensorDesc>,
    /// `[..]` in f32, read: what the forward wrote.
    pub rstd: TensorDesc,
    /// `[.., width]`, read: a gradient that reaches `input` past the norm, added to `grad_input`.
    pub grad_sum: Option<TensorDesc>,
    /// `[.., width]`, written.
    pub grad_input: TensorDesc,
    /// `[width]`, written.
    pub grad_weight: Option<TensorDesc>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16; needed with `grad_weight` alone.
    pub workspace: Option<TensorDesc>,
    /// The forward's casting.
    pub casting: Casting,
}

/// A residual that [`forward`] adds to its input.
#[derive(Debug)]
pub struct Residual<'a, D: Device, T: Float> {
    /// `[.., width]`.
    pub residual: View<'a, D, T>,
    /// `[.., width]`, written: input and residual, rounded to the element type.
    pub sum: ViewMut<'a, D, T>,
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float> {
    /// `[.., width]`.
    pub input: View<'a, D, T>,
    /// Added to `input` before the norm.
    pub residual: Option<Residual<'a, D, T>>,
    /// `[width]`.
    pub weight: Option<View<'a, D, T>>,
    /// `[.., width]`, written.
    pub output: ViewMut<'a, D, T>,
    /// `[..]`, written, for [`backward`]: `1 / sqrt(mean(x^2) + epsilon)`.
    pub rstd: Option<ViewMut<'a, D, f32>>,
}

/// The tensors of [`backward`].
#[derive(Debug)]
pub struct Backward<'a, D: Device, T: Float> {
    /// `[.., width]`: the gradient of the forward's output.
    pub grad_output: View<'a, D, T>,
    /// `[.., width]`: what the forward normalised, that is its input, or its `sum` where it had a residual.
    pub input: View<'a, D, T>,
    /// `[width]`: the forward's weight.
    pub weight: Option<View<'a, D, T>>,
    /// `[..]`: what the forward wrote.
    pub rstd: View<'a, D, f32>,
    /// `[.., width]`: a gradient that reaches `input` past the norm, added to `grad_input`.
    pub grad_sum: Option<View<'a, D, T>>,
    /// `[.., width]`, written.
    pub grad_input: ViewMut<'a, D, T>,
    /// `[width]`, written.
    pub grad_weight: Option<ViewMut<'a, D, T>>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16; needed with `grad_weight` alone.
    pub workspace: Option<ViewMut<'a, D, u8>>,
}

/// Normalises each row of `input`, or of its sum with a residual. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float>(
    device: &D,
    mut tensors: Forward<'_, D, T>,
    epsilon: f32,
    casting: Casting,
) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let residual = match &mut tensors.residual {
        Some(Residual { residual, sum }) => {
            Some(ResidualDesc { residual: args.read("residual", residual)?, sum: args.write("sum", sum)? })
        }
        None => None,
    };
    let desc = ForwardDesc {
        input: args.read("input", &tensors.input)?,
        residual,
        weight: args.read_optional("weight", tensors.weight.as_ref())?,
        output: args.write("output", &mut tensors.output)?,
        rstd: args.write_optional("rstd", tensors.rstd.as_mut())?,
        epsilon,
        casting,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}

/// The gradients of [`forward`]. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_backward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn backward<D: Device, T: Float>(device: &D, mut tensors: Backward<'_, D, T>, casting: Casting) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let desc = BackwardDesc {
        grad_output: args.read("grad_output", &tensors.grad_output)?,
        input: args.read("input", &tensors.input)?,
        weight: args.read_optional("weight", tensors.weight.as_ref())?,
        rstd: args.read("rstd", &tensors.rstd)?,
        grad_sum: args.read_optional("grad_sum", tensors.grad_sum.as_ref())?,
        grad_input: args.write("grad_input", &mut tensors.grad_input)?,
        grad_weight: args.write_optional("grad_weight", tensors.grad_weight.as_mut())?,
        workspace: args.write_optional("workspace", tensors.workspace.as_mut())?,
        casting,
    };
    let plan = plan_backward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued.
    unsafe { plan.launch(&args) }
}
