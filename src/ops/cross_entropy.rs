//! Cross-entropy of logits and target classes, with the gradient of the logits in the same pass.
//!
//! # Formula
//! For each row of `V` logits `x` with target `t`, `l = x`, or `l = c * tanh(x / c)` with a softcap `c`;
//! `lse = log(sum(exp(l)))`, and with label smoothing `s`, class weights `w` (ones without them) and a z-loss factor `z`
//!
//! `ce = (1 - s) * w[t] * (lse - l[t]) + s / V * sum(w[j] * (lse - l[j]))`,
//!
//! `loss = sum(ce) / W + z * sum(lse^2) / N`, both sums over the rows whose target is not `ignore_index`.
//!
//! For [`Reduction::Mean`] `W` is the sum of `w[t]` over these rows and `N` their number, otherwise both are 1; for [`Reduction::None`]
//! each row has a loss of its own, 0 where it is ignored. Cross-entropy, smoothing, weights and `ignore_index` are those of PyTorch's
//! `cross_entropy`; the z-loss is that of Chowdhery et al., "PaLM" (2022), with the divisor of Liger; the softcap that of Gemma 2 (2024).
//!
//! The gradient of the loss with respect to `x`, multiplied by `grad_loss`, is written in the same pass, each element rounded once.
//! An ignored row has a gradient of zero.
//!
//! # Sentence pairs
//! The loss of BERT's next-sentence prediction and of ALBERT's sentence order is this one over two classes: `[batch, 2]` logits of a linear layer over the first token of each
//! sequence, and a target of 0 or 1 for each (in BERT 0 says that the second sentence follows the first).
//!
//! # The gradient, now or later
//! Most training loops know what the gradient of the loss will be before they compute it: 1, a loss scale, 1 over the number of
//! accumulated batches. They call [`forward`] once. A host with automatic differentiation learns it later: it calls [`forward`] for
//! the loss, and again with `grad_loss` and without `loss` for the gradient, which again reads the logits once and writes once.
//! With [`Logits::InPlace`] the gradient takes the place of the logits, the largest tensor of a language model.
//!
//! # Shapes and layout
//! `logits` and `gradient` are `[.., V]` of up to five dimensions, `V` from 1 to 2^24, up to 2^31 - 1 rows; `targets` and `lse` are
//! `[..]`; `loss` and `grad_loss` are `[1]`, or `[..]` for [`Reduction::None`]; `weight` is `[V]`; `totals` is `[2]`. Logits along the
//! last dimension lie side by side, and the leading dimensions together must be rows at one distance; everything else has no gaps. Any
//! address will do that is a multiple of the element's size; rows that start at multiples of 16 bytes are fastest. Outputs overlap no
//! other tensor, but that the gradient may be the logits themselves.
//!
//! # Types
//! Logits and gradient in f32, f16 or bf16; targets in i32 or i64; everything else in f32.
//!
//! # Targets that are no class
//! A target outside of `0..V` that is not `ignore_index` makes the loss and the gradient of its row NaN. Nothing is read outside of the
//! tensors. A mean over no rows at all is NaN, as 0 / 0 is.
//!
//! # Accuracy
//! Arithmetic in f32 relative to the row's maximum. The target is kept out of the sum of exponentials, so a loss near 0 and a gradient of
//! the target near 0 keep their digits, where `p - 1` would round to 0. The error is at most twice that of the plain f32 computation plus
//! two units in the last place (docs/numerics.md).
//!
//! # Determinism
//! The same input gives the same bits on the same device model under any schedule. Sums over a row and over rows have a fixed order;
//! the count of kept rows and the sum of their weights stay on the device.
//!
//! # Speed
//! Bound by memory: a row is read once and written once while it fits a block's registers and shared memory (on compute capability 9.0
//! 129,000 elements of 16 bits); of longer rows, what does not fit is read again. Ignored rows are not read. Unmeasured on a GPU; counts
//! are in `kernels/cross_entropy/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::cross_entropy::{self, Logits, Options, Reduction, workspace_bytes};
//! use warpsmith::{Buffer, Device, EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let mut logits = device.upload(&[0.0_f32, 0.0, 3.0, 3.0, 1.0, 2.0])?;
//! let targets = device.upload(&[1_i32, 0, -100])?;
//! let mut loss = device.alloc::<f32>(1)?;
//! let bytes = workspace_bytes([3, 2], Reduction::Mean);
//! let mut workspace = device.alloc::<u8>(bytes)?;
//! let tensors = cross_entropy::Forward {
//!     logits: Logits::InPlace(logits.view_mut([3, 2])?),
//!     targets: targets.view([3])?,
//!     weight: None,
//!     loss: Some(loss.view_mut([1])?),
//!     lse: None,
//!     totals: None,
//!     grad_loss: None,
//!     workspace: Some(workspace.view_mut([bytes])?),
//! };
//! cross_entropy::forward(&device, tensors, &Options::default())?;
//! // Two classes that are equally probable, in both rows that count.
//! assert!((device.download(&loss)?[0] - 2_f32.ln()).abs() < 1e-6);
//! assert_eq!(device.download(&logits)?, [0.25, -0.25, -0.25, 0.25, 0.0, 0.0]);
//! # Ok(())
//! # }
//! ```

pub(in crate::ops) mod kernels;
pub(in crate::ops) mod pass;
mod plan;

pub use plan::{ForwardPlan, plan_forward, workspace_bytes};

use crate::device::{Args, Device, Queue};
use crate::element::{Float, Index};
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

const OP: &str = "cross_entropy::forward";

/// The most classes.
pub const MAX_WIDTH: usize = 1 << 24;

/// What becomes of the losses of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// They are the result.
    None,
    /// They are added up.
    Sum,
    /// They are added up and divided: cross-entropies by the sum of their targets' weights, z-losses by the number of rows.
    Mean,
}

impl Reduction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Sum, Self::Mean];
}

/// What there is to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// What becomes of the losses of the rows; the mean by default.
    pub reduction: Reduction,
    /// The target of rows that do not count; -100 by default.
    pub ignore_index: i64,
    /// The share of the target's probability that is spread over all classes, 0 to 1; 0 by default.
    pub label_smoothing: f32,
    /// The factor of the squared `lse`: finite, not negative; 0 by default.
    pub z_loss: f32,
    /// The bound that logits are squeezed into: finite, above zero; none by default.
    pub softcap: Option<f32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { reduction: Reduction::Mean, ignore_index: -100, label_smoothing: 0.0, z_loss: 0.0, softcap: None }
    }
}

/// A pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// `[.., V]`, read.
    pub logits: TensorDesc,
    /// `[..]` in i32 or i64, read.
    pub targets: TensorDesc,
    /// `[V]` in f32, read: the weight of each class; ones without it.
    pub weight: Option<TensorDesc>,
    /// `[1]` in f32, or `[..]` for [`Reduction::None`], read: what the gradient is multiplied by; 1 without it.
    pub grad_loss: Option<TensorDesc>,
    /// `[.., V]`, written: the gradient; may be equal to `logits`.
    pub grad_logits: Option<TensorDesc>,
    /// `[1]` in f32, or `[..]` for [`Reduction::None`], written.
    pub loss: Option<TensorDesc>,
    /// `[..]` in f32, written: the logarithm of each row's sum of exponentials; 0 for ignored rows, which are not read.
    pub lse: Option<TensorDesc>,
    /// `[2]` in f32, written: how many rows count, and the sum of their targets' weights.
    pub totals: Option<TensorDesc>,
    /// Scratch memory of [`workspace_bytes`], at a multiple of 16.
    pub workspace: Option<TensorDesc>,
    /// Everything else.
    pub options: Options,
}

/// The logits and where their gradient goes.
#[derive(Debug)]
pub enum Logits<'a, D: Device, T: Float> {
    /// The logits stay.
    Apart {
        /// `[.., V]`.
        logits: View<'a, D, T>,
        /// `[.., V]`, written; not computed without it.
        gradient: Option<ViewMut<'a, D, T>>,
    },
    /// `[.., V]`: the gradient takes the place of the logits.
    InPlace(ViewMut<'a, D, T>),
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float, I: Index> {
    /// `[.., V]`, and their gradient.
    pub logits: Logits<'a, D, T>,
    /// `[..]`: the class of each row, or `ignore_index`.
    pub targets: View<'a, D, I>,
    /// `[V]`: the weight of each class; ones without it.
    pub weight: Option<View<'a, D, f32>>,
    /// `[1]`, or `[..]` for [`Reduction::None`], written.
    pub loss: Option<ViewMut<'a, D, f32>>,
    /// `[..]`, written: the logarithm of each row's sum of exponentials; 0 for ignored rows, which are not read.
    pub lse: Option<ViewMut<'a, D, f32>>,
    /// `[2]`, written: how many rows count, and the sum of their targets' weights.
    pub totals: Option<ViewMut<'a, D, f32>>,
    /// `[1]`, or `[..]` for [`Reduction::None`]: what the gradient is multiplied by; 1 without it.
    pub grad_loss: Option<View<'a, D, f32>>,
    /// Scratch memory of [`workspace_bytes`], at a multiple of 16. Without a reduction, class weights and `totals` none is needed.
    pub workspace: Option<ViewMut<'a, D, u8>>,
}

/// The loss and the gradient of the logits, each where it is asked for. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float, I: Index>(
    device: &D,
    mut tensors: Forward<'_, D, T, I>,
    options: &Options,
) -> Result<()> {
    let mut args = Args::new(device, OP)?;
    let (logits, grad_logits) = match &mut tensors.logits {
        Logits::Apart { logits, gradient } => {
            (args.read("logits", logits)?, args.write_optional("grad_logits", gradient.as_mut())?)
        }
        Logits::InPlace(logits) => {
            let logits = args.write("logits", logits)?;
            (logits, Some(logits))
        }
    };
    let desc = ForwardDesc {
        logits,
        targets: args.read("targets", &tensors.targets)?,
        weight: args.read_optional("weight", tensors.weight.as_ref())?,
        grad_loss: args.read_optional("grad_loss", tensors.grad_loss.as_ref())?,
        grad_logits,
        loss: args.write_optional("loss", tensors.loss.as_mut())?,
        lse: args.write_optional("lse", tensors.lse.as_mut())?,
        totals: args.write_optional("totals", tensors.totals.as_mut())?,
        workspace: args.write_optional("workspace", tensors.workspace.as_mut())?,
        options: *options,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued.
    unsafe { plan.launch(&args) }
}
