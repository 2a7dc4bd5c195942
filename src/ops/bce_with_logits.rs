//! Binary cross-entropy of logits, with their gradient in the same pass: the loss of replaced-token detection, and of any yes-or-no question.
//!
//! # Formula
//! For a logit `x` with target `y`, and `c` the weight of positive targets:
//!
//! `loss = (1 - y) * softplus(x) + c * y * softplus(-x)`, `softplus(x) = log(1 + exp(x))`,
//!
//! added up for [`Reduction::Sum`], and divided by the number of elements that count for [`Reduction::Mean`]; for [`Reduction::None`] each element has a loss
//! of its own. The gradient, `(1 - y) * sigmoid(x) - c * y * sigmoid(-x)` over the same number, is multiplied by `grad_loss`. This is PyTorch's
//! `binary_cross_entropy_with_logits` with one `pos_weight`, and ELECTRA's discriminator loss (Clark et al., 2020) where padding does not count.
//!
//! # What counts
//! Targets are integers, 0 or 1, or `ignore_index`, -100 by default, where an element does not count; anything else gives a loss and a gradient of NaN. Or they are
//! probabilities of the logits' type, which all count. Elements whose byte in `mask` is 0, as padding in an attention mask, do not count either. An element that does not count has
//! a loss and a gradient of zero. A mean over none at all is NaN.
//!
//! # Shapes and layout
//! All tensors have one shape, any, of at most 2^31 - 1 elements and without gaps, at any address that is a multiple of the element's size; multiples of 16
//! bytes are fastest. `loss` and `grad_loss` are `[1]`, or of that shape for [`Reduction::None`]. Outputs overlap no other tensor, but that the gradient may be the logits
//! themselves ([`Logits::InPlace`]).
//!
//! # Types
//! Logits and gradient in f32, f16 or bf16; targets in i32, i64 or the logits' type; `mask` in u8; everything else in f32.
//!
//! # Accuracy
//! Arithmetic in f32. Nothing cancels: losses and gradients of sure elements keep their digits down to 2^-126. The error is at most twice that of the plain
//! f32 computation plus two units in the last place (docs/numerics.md).
//!
//! # Determinism
//! The same input gives the same bits, on every device and under any schedule: sums have an order that the number of elements and their type fix.
//!
//! # Speed
//! Each tensor is read or written once; for a mean the targets are read once before. Unmeasured on a GPU; counts are in `kernels/bce_with_logits/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::bce_with_logits::{self, Logits, Options, Reduction, workspace_bytes};
//! use warpsmith::{Buffer, DType, Device, EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let mut logits = device.upload(&[0.0_f32, 0.0, 5.0])?;
//! let replaced = device.upload(&[1_i64, 0, -100])?;
//! let mut loss = device.alloc::<f32>(1)?;
//! let bytes = workspace_bytes(3, DType::F32, Reduction::Mean);
//! let mut workspace = device.alloc::<u8>(bytes)?;
//! let tensors = bce_with_logits::Forward {
//!     logits: Logits::InPlace(logits.view_mut([3])?),
//!     targets: replaced.view([3])?,
//!     mask: None,
//!     loss: Some(loss.view_mut([1])?),
//!     grad_loss: None,
//!     workspace: Some(workspace.view_mut([bytes])?),
//! };
//! bce_with_logits::forward(&device, tensors, &Options::default())?;
//! assert!((device.download(&loss)?[0] - 2_f32.ln()).abs() < 1e-6);
//! assert_eq!(device.download(&logits)?, [-0.25, 0.25, 0.0]);
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{ForwardPlan, plan_forward, workspace_bytes};

use crate::device::{Args, Device, Queue};
use crate::element::{Element, Float};
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

const OP: &str = "bce_with_logits::forward";

/// What becomes of the losses of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// They are the result.
    None,
    /// They are added up.
    Sum,
    /// They are added up and divided by the number of elements that count.
    Mean,
}

impl Reduction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Sum, Self::Mean];
}

/// What there is to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// What becomes of the losses of the elements; the mean by default.
    pub reduction: Reduction,
    /// The integer target of elements that do not count; -100 by default.
    pub ignore_index: i64,
    /// What the loss of positive targets is multiplied by: finite, not negative; 1 by default.
    pub pos_weight: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { reduction: Reduction::Mean, ignore_index: -100, pos_weight: 1.0 }
    }
}

/// A pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// Read.
    pub logits: TensorDesc,
    /// Read, in i32, i64 or the logits' type.
    pub targets: TensorDesc,
    /// Read, in u8: 0 where an element does not count.
    pub mask: Option<TensorDesc>,
    /// `[1]` in f32, or of the logits' shape for [`Reduction::None`], read: what the gradient is multiplied by; 1 without it.
    pub grad_loss: Option<TensorDesc>,
    /// Written: the gradient; may be equal to `logits`.
    pub grad_logits: Option<TensorDesc>,
    /// `[1]` in f32, or of the logits' shape for [`Reduction::None`], written.
    pub loss: Option<TensorDesc>,
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
        /// Read.
        logits: View<'a, D, T>,
        /// Written; not computed without it.
        gradient: Option<ViewMut<'a, D, T>>,
    },
    /// The gradient takes the place of the logits.
    InPlace(ViewMut<'a, D, T>),
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float, Y: Element> {
    /// The logits, and their gradient.
    pub logits: Logits<'a, D, T>,
    /// In i32, i64 or the logits' type.
    pub targets: View<'a, D, Y>,
    /// 0 where an element does not count.
    pub mask: Option<View<'a, D, u8>>,
    /// `[1]`, or of the logits' shape for [`Reduction::None`], written.
    pub loss: Option<ViewMut<'a, D, f32>>,
    /// `[1]`, or of the logits' shape for [`Reduction::None`]: what the gradient is multiplied by; 1 without it.
    pub grad_loss: Option<View<'a, D, f32>>,
    /// Scratch memory of [`workspace_bytes`], at a multiple of 16; without a reduction none is needed.
    pub workspace: Option<ViewMut<'a, D, u8>>,
}

/// The loss and the gradient of the logits, each where it is asked for. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float, Y: Element>(
    device: &D,
    mut tensors: Forward<'_, D, T, Y>,
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
        mask: args.read_optional("mask", tensors.mask.as_ref())?,
        grad_loss: args.read_optional("grad_loss", tensors.grad_loss.as_ref())?,
        grad_logits,
        loss: args.write_optional("loss", tensors.loss.as_mut())?,
        workspace: args.write_optional("workspace", tensors.workspace.as_mut())?,
        options: *options,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor but the logits that it is; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued.
    unsafe { plan.launch(&args) }
}
