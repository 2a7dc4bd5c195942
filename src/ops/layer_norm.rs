//! Layer norm over the last dimension, forward and backward, with an optional residual in the same pass.
//!
//! # Formula
//! For each row, `x = input (+ residual)`, and
//! `output = (x - mean) * rstd * weight + bias`, with `mean` and the population variance of the row and
//! `rstd = 1 / sqrt(variance + epsilon)`. (Ba, Kiros and Hinton, "Layer Normalization", 2016.)
//!
//! Backward, with `xhat = (x - mean) * rstd` and `g = grad_output * weight`:
//! `grad_input = rstd * (g - mean(g) - xhat * mean(g * xhat)) (+ grad_sum)`; over all rows,
//! `grad_weight = sum(grad_output * xhat)` and `grad_bias = sum(grad_output)`.
//!
//! # The residual
//! With a [`Residual`], the sum of input and residual is rounded to the element type, written to `sum`, and *that* is what is
//! normalised: the result is the same as that of an addition which stores its sum and a norm which reads it. The next block adds
//! its own result to `sum`, so in the backward pass a second gradient reaches it there; given as `grad_sum` it is added to
//! `grad_input` in the same pass. `grad_input` is the gradient of `input` and of `residual`.
//!
//! # Shapes and layout
//! `input`, `residual`, `sum`, `output` and their gradients have one shape `[.., width]` of up to five dimensions, `width` from 1 to
//! 65,536, up to 2^32 - 1 rows; `mean` and `rstd` have that shape without the last dimension; `weight`, `bias` and their gradients
//! are `[width]`. Elements along the last dimension lie side by side, and the leading dimensions together must be rows at one
//! distance, each tensor at its own (not negative, and for outputs no shorter than a row). Vectors and statistics have no gaps. Any
//! address will do that is a multiple of the element's size; rows that start at multiples of 16 bytes are fastest. Outputs overlap
//! no other tensor.
//!
//! # Types
//! f32, f16 and bf16, the same for all tensors of a call but `mean` and `rstd`, which are f32.
//!
//! # Accuracy
//! Arithmetic in f32, one rounding at the end. The variance is taken in two passes over a row that stays on chip, and the rounding
//! error of the first pass's mean is corrected in the second, so a mean thousands of times the deviation costs no digits of
//! `output` and `rstd` (it does cost digits of `xhat` in the backward pass, which has the mean as a f32). The error is at most twice
//! that of the plain f32 computation plus two units in the last place of the row's largest result (docs/numerics.md).
//!
//! # Determinism
//! The same input gives the same bits on the same device model under any schedule. `grad_weight` and `grad_bias` are added up in two
//! stages; the number of groups of rows in the first depends on the shape and on the compute capability, never on the number of
//! multiprocessors.
//!
//! # Speed
//! Bound by memory: forward reads and writes each element once, backward reads two and writes one. A row is kept in registers, wider
//! ones in shared memory too, up to what the device has (`kernels/layer_norm/NOTES.md` has the table); what does not fit is read
//! again. Unmeasured on a GPU; instruction counts are in the same place.
//!
//! # Example
//! ```
//! use warpsmith::ops::layer_norm::{self, Statistics};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let x = device.upload(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 5.0, 7.0, 7.0])?;
//! let weight = device.upload(&[1.0_f32, 1.0, 2.0, 2.0])?;
//! let mut y = device.alloc::<f32>(8)?;
//! let (mut mean, mut rstd) = (device.alloc::<f32>(2)?, device.alloc::<f32>(2)?);
//! let tensors = layer_norm::Forward {
//!     input: x.view([2, 4])?,
//!     residual: None,
//!     weight: Some(weight.view([4])?),
//!     bias: None,
//!     output: y.view_mut([2, 4])?,
//!     statistics: Some(Statistics { mean: mean.view_mut([2])?, rstd: rstd.view_mut([2])? }),
//! };
//! layer_norm::forward(&device, tensors, 0.0)?;
//! assert_eq!(device.download(&mean)?, [2.5, 6.0]);
//! assert_eq!(device.download(&rstd)?[1], 1.0);
//! assert_eq!(device.download(&y)?[4..], [-1.0, -1.0, 2.0, 2.0]);
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

const FORWARD: &str = "layer_norm::forward";
const BACKWARD: &str = "layer_norm::backward";

/// The widest row.
pub const MAX_WIDTH: usize = super::rows::MAX_WIDTH;

/// A residual as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidualDesc {
    /// `[.., width]`, read.
    pub residual: TensorDesc,
    /// `[.., width]`, written: input and residual, rounded to the element type.
    pub sum: TensorDesc,
}

/// The statistics of all rows as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatisticsDesc {
    /// `[..]` in f32.
    pub mean: TensorDesc,
    /// `[..]` in f32: `1 / sqrt(variance + epsilon)`.
    pub rstd: TensorDesc,
}

/// A forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// `[.., width]`, read.
    pub input: TensorDesc,
    /// Added to `input` before the norm.
    pub residual: Option<ResidualDesc>,
    /// `[width]`, read; ones without it.
    pub weight: Option<TensorDesc>,
    /// `[width]`, read; zeros without it.
    pub bias: Option<TensorDesc>,
    /// `[.., width]`, written.
    pub output: TensorDesc,
    /// Written, for the backward pass.
    pub statistics: Option<StatisticsDesc>,
    /// Added to the variance: finite, not negative.
    pub epsilon: f32,
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
    /// Read: what the forward wrote.
    pub statistics: StatisticsDesc,
    /// `[.., width]`, read: a gradient that reaches `input` past the norm, added to `grad_input`.
    pub grad_sum: Option<TensorDesc>,
    /// `[.., width]`, written.
    pub grad_input: TensorDesc,
    /// `[width]`, written.
    pub grad_weight: Option<TensorDesc>,
    /// `[width]`, written.
    pub grad_bias: Option<TensorDesc>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16; needed with `grad_weight` or `grad_bias` alone.
    pub workspace: Option<TensorDesc>,
}

/// A residual that [`forward`] adds to its input.
#[derive(Debug)]
pub struct Residual<'a, D: Device, T: Float> {
    /// `[.., width]`.
    pub residual: View<'a, D, T>,
    /// `[.., width]`, written: input and residual, rounded to the element type.
    pub sum: ViewMut<'a, D, T>,
}

/// The statistics of all rows, written by [`forward`] as `ViewMut` and read by [`backward`] as `View`.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<V> {
    /// `[..]` in f32.
    pub mean: V,
    /// `[..]` in f32: `1 / sqrt(variance + epsilon)`.
    pub rstd: V,
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float> {
    /// `[.., width]`.
    pub input: View<'a, D, T>,
    /// Added to `input` before the norm.
    pub residual: Option<Residual<'a, D, T>>,
    /// `[width]`; ones without it.
    pub weight: Option<View<'a, D, T>>,
    /// `[width]`; zeros without it.
    pub bias: Option<View<'a, D, T>>,
    /// `[.., width]`, written.
    pub output: ViewMut<'a, D, T>,
    /// Written, for [`backward`].
    pub statistics: Option<Statistics<ViewMut<'a, D, f32>>>,
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
    /// What the forward wrote.
    pub statistics: Statistics<View<'a, D, f32>>,
    /// `[.., width]`: a gradient that reaches `input` past the norm, added to `grad_input`.
    pub grad_sum: Option<View<'a, D, T>>,
    /// `[.., width]`, written.
    pub grad_input: ViewMut<'a, D, T>,
    /// `[width]`, written.
    pub grad_weight: Option<ViewMut<'a, D, T>>,
    /// `[width]`, written.
    pub grad_bias: Option<ViewMut<'a, D, T>>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16; needed with `grad_weight` or `grad_bias` alone.
    pub workspace: Option<ViewMut<'a, D, u8>>,
}

/// Normalises each row of `input`, or of its sum with a residual. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float>(device: &D, mut tensors: Forward<'_, D, T>, epsilon: f32) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let residual = match &mut tensors.residual {
        Some(Residual { residual, sum }) => {
            Some(ResidualDesc { residual: args.read("residual", residual)?, sum: args.write("sum", sum)? })
        }
        None => None,
    };
    let statistics = match &mut tensors.statistics {
        Some(Statistics { mean, rstd }) => {
            Some(StatisticsDesc { mean: args.write("mean", mean)?, rstd: args.write("rstd", rstd)? })
        }
        None => None,
    };
    let desc = ForwardDesc {
        input: args.read("input", &tensors.input)?,
        residual,
        weight: args.read_optional("weight", tensors.weight.as_ref())?,
        bias: args.read_optional("bias", tensors.bias.as_ref())?,
        output: args.write("output", &mut tensors.output)?,
        statistics,
        epsilon,
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
pub fn backward<D: Device, T: Float>(device: &D, mut tensors: Backward<'_, D, T>) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let desc = BackwardDesc {
        grad_output: args.read("grad_output", &tensors.grad_output)?,
        input: args.read("input", &tensors.input)?,
        weight: args.read_optional("weight", tensors.weight.as_ref())?,
        statistics: StatisticsDesc {
            mean: args.read("mean", &tensors.statistics.mean)?,
            rstd: args.read("rstd", &tensors.statistics.rstd)?,
        },
        grad_sum: args.read_optional("grad_sum", tensors.grad_sum.as_ref())?,
        grad_input: args.write("grad_input", &mut tensors.grad_input)?,
        grad_weight: args.write_optional("grad_weight", tensors.grad_weight.as_mut())?,
        grad_bias: args.write_optional("grad_bias", tensors.grad_bias.as_mut())?,
        workspace: args.write_optional("workspace", tensors.workspace.as_mut())?,
    };
    let plan = plan_backward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued.
    unsafe { plan.launch(&args) }
}
