//! The last linear layer of a language model and the cross-entropy of its logits, without ever holding all logits.
//!
//! # Formula
//! `logits = hidden weight^T + bias`, and the loss of [`cross_entropy`] with all its [`Options`](cross_entropy::Options); with `G` the
//! gradient of the loss with respect to the logits, multiplied by `grad_loss`,
//!
//! `grad_hidden = G weight`, `grad_weight = G^T hidden`, `grad_bias = sum of G over the rows`.
//!
//! Rows go in chunks through one small tensor of logits: a product fills it, the kernel of `cross_entropy` puts the gradient in its place,
//! and products take the three gradients from it. The idea and the rule for the size of a chunk, [`chunk_rows`], are those of Liger
//! (Hsu et al., "Liger Kernel", 2024).
//!
//! # Products
//! Matrix products are the caller's: a closure is told each [`MatMul`] by addresses, in order, and queues it where `forward` queues its
//! kernels, with cuBLASLt for example; on the emulated device `MatMul::on_emulator` computes it. Its `output += a b` is the `beta = 1` of a
//! BLAS. A bias is a product of its own, of a column of ones and the bias, as is its gradient: no kernel is needed for them.
//!
//! # A mean
//! Rows and weights are counted over all targets before the first chunk, so a mean is that of all rows, and gradients need no correction
//! afterwards. The losses of all rows are added up at the end, as `cross_entropy` does it: the loss has the same bits as without chunks,
//! if the products give a row of logits the same bits.
//!
//! # Shapes and layout
//! `hidden` and `grad_hidden` are `[N, D]`, `weight` and `grad_weight` `[V, D]`, all of them rows at one distance whose elements lie side
//! by side; `bias`, `grad_bias` and `class_weight` are `[V]`, `targets` and `lse` `[N]`; `loss` and `grad_loss` are `[1]`, or `[N]` for
//! [`Reduction::None`]; `totals` is `[2]`, `ones` `[chunk rows]`; none of these has gaps. `N` up to 2^31 - 1, `V` up to 2^24. Outputs
//! overlap no other tensor.
//!
//! # Types
//! `hidden`, `weight`, `bias`, `ones`, `grad_hidden` and the logits of a chunk in one of f32, f16 and bf16; targets in i32 or i64; everything
//! else in f32. `grad_weight` and `grad_bias` are sums over chunks, so they are f32 whatever the weights are: Liger adds up in the weights'
//! type unless told otherwise, which in bf16 loses whole chunks.
//!
//! # Memory
//! [`workspace_bytes`]: one chunk of logits, rows padded to 16 bytes, and 4 bytes for each row. Llama 3 (`V` = 128,256, `D` = 4,096) with
//! 8,192 tokens has chunks of 256 rows: 66 MB in place of 2.1 GB of bf16 logits.
//!
//! # Accuracy
//! That of the products and of `cross_entropy`. Logits and their gradient are rounded to the element type as without chunks; `grad_weight`
//! and `grad_bias` are rounded to f32 once a chunk. In f16 the gradient of a mean over many rows is small: pass a loss scale as `grad_loss`.
//!
//! # Determinism
//! As deterministic as the products. The sums over chunks have the order of the rows; there are no atomics.
//!
//! # Speed
//! The logits of a chunk are written, read and written, and read once for each gradient; from a chunk's size that fits L2 most of it
//! stays there. `weight` and `grad_weight` pass through memory once a chunk, so smaller chunks cost bandwidth. Unmeasured on a GPU.
//!
//! # Example
//! ```
//! use warpsmith::ops::linear_cross_entropy::{self, Forward, Options, workspace_bytes};
//! use warpsmith::{Buffer, DType, Device, EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let hidden = device.upload(&[1.0_f32, 0.0, 0.0, 1.0])?;
//! let weight = device.upload(&[0.0_f32; 6])?;
//! let targets = device.upload(&[2_i32, 0])?;
//! let (mut loss, mut grad_weight) = (device.alloc::<f32>(1)?, device.alloc::<f32>(6)?);
//! let options = Options { chunk_rows: Some(1), ..Options::default() };
//! let bytes = workspace_bytes([2, 2], 3, DType::F32, &options);
//! let mut workspace = device.alloc::<u8>(bytes)?;
//! let tensors = Forward {
//!     hidden: hidden.view([2, 2])?,
//!     weight: weight.view([3, 2])?,
//!     bias: None,
//!     targets: targets.view([2])?,
//!     class_weight: None,
//!     grad_loss: None,
//!     grad_hidden: None,
//!     grad_weight: Some(grad_weight.view_mut([3, 2])?),
//!     loss: Some(loss.view_mut([1])?),
//!     lse: None,
//!     totals: None,
//!     workspace: workspace.view_mut([bytes])?,
//! };
//! linear_cross_entropy::forward(&device, tensors, &options, |product| product.on_emulator(&device))?;
//! // Three classes that are equally probable.
//! assert!((device.download(&loss)?[0] - 3_f32.ln()).abs() < 1e-6);
//! assert!((device.download(&grad_weight)?[4] - -1.0 / 3.0).abs() < 1e-6);
//! # Ok(())
//! # }
//! ```

mod plan;
mod product;

pub use plan::{ForwardPlan, chunk_rows, plan_forward, workspace_bytes};
pub use product::{MatMul, Operand};

use super::cross_entropy;
use crate::device::{Args, Device, Queue};
use crate::element::{Float, Index};
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

#[cfg(doc)]
use super::cross_entropy::Reduction;

const OP: &str = "linear_cross_entropy::forward";

/// What there is to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// Those of the loss.
    pub loss: cross_entropy::Options,
    /// Rows of a chunk, at least one; by default [`chunk_rows`].
    pub chunk_rows: Option<usize>,
    /// The gradients of weight and bias are added to what is there; by default they are overwritten.
    pub accumulate: bool,
}

/// The bias as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BiasDesc {
    /// `[V]`, read.
    pub bias: TensorDesc,
    /// `[chunk rows]` of the same type, read: ones.
    pub ones: TensorDesc,
    /// `[V]` in f32, written.
    pub grad_bias: Option<TensorDesc>,
}

/// A pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// `[N, D]`, read.
    pub hidden: TensorDesc,
    /// `[V, D]`, read.
    pub weight: TensorDesc,
    /// Added to each row of logits.
    pub bias: Option<BiasDesc>,
    /// `[N]` in i32 or i64, read.
    pub targets: TensorDesc,
    /// `[V]` in f32, read: the weight of each class; ones without it.
    pub class_weight: Option<TensorDesc>,
    /// `[1]` in f32, or `[N]` for [`Reduction::None`], read: what the gradient is multiplied by; 1 without it.
    pub grad_loss: Option<TensorDesc>,
    /// `[N, D]`, written.
    pub grad_hidden: Option<TensorDesc>,
    /// `[V, D]` in f32, written.
    pub grad_weight: Option<TensorDesc>,
    /// `[1]` in f32, or `[N]` for [`Reduction::None`], written.
    pub loss: Option<TensorDesc>,
    /// `[N]` in f32, written: the logarithm of each row's sum of exponentials; 0 for ignored rows.
    pub lse: Option<TensorDesc>,
    /// `[2]` in f32, written: how many rows count, and the sum of their targets' weights.
    pub totals: Option<TensorDesc>,
    /// Scratch memory of [`workspace_bytes`], at a multiple of 16.
    pub workspace: TensorDesc,
    /// Everything else.
    pub options: Options,
}

/// The bias and its gradient.
#[derive(Debug)]
pub struct Bias<'a, D: Device, T: Float> {
    /// `[V]`.
    pub bias: View<'a, D, T>,
    /// `[chunk rows]`, all of them 1: the other factor of the bias's products.
    pub ones: View<'a, D, T>,
    /// `[V]`, written; not computed without it.
    pub grad_bias: Option<ViewMut<'a, D, f32>>,
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float, I: Index> {
    /// `[N, D]`.
    pub hidden: View<'a, D, T>,
    /// `[V, D]`.
    pub weight: View<'a, D, T>,
    /// Added to each row of logits.
    pub bias: Option<Bias<'a, D, T>>,
    /// `[N]`: the class of each row, or `ignore_index`.
    pub targets: View<'a, D, I>,
    /// `[V]`: the weight of each class; ones without it.
    pub class_weight: Option<View<'a, D, f32>>,
    /// `[1]`, or `[N]` for [`Reduction::None`]: what the gradient is multiplied by; 1 without it.
    pub grad_loss: Option<View<'a, D, f32>>,
    /// `[N, D]`, written; not computed without it.
    pub grad_hidden: Option<ViewMut<'a, D, T>>,
    /// `[V, D]`, written; not computed without it.
    pub grad_weight: Option<ViewMut<'a, D, f32>>,
    /// `[1]`, or `[N]` for [`Reduction::None`], written.
    pub loss: Option<ViewMut<'a, D, f32>>,
    /// `[N]`, written: the logarithm of each row's sum of exponentials; 0 for ignored rows.
    pub lse: Option<ViewMut<'a, D, f32>>,
    /// `[2]`, written: how many rows count, and the sum of their targets' weights.
    pub totals: Option<ViewMut<'a, D, f32>>,
    /// Scratch memory of [`workspace_bytes`], at a multiple of 16.
    pub workspace: ViewMut<'a, D, u8>,
}

/// The loss and the gradients, each where it is asked for. `multiply` queues a product on the device's stream, and is called up to five
/// times a chunk. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), those of a launch, and those of `multiply`, after
/// which the outputs hold nothing of use.
pub fn forward<D: Device, T: Float, I: Index>(
    device: &D,
    mut tensors: Forward<'_, D, T, I>,
    options: &Options,
    multiply: impl FnMut(&MatMul) -> Result<()>,
) -> Result<()> {
    let mut args = Args::new(device, OP)?;
    let bias = match &mut tensors.bias {
        Some(bias) => Some(BiasDesc {
            bias: args.read("bias", &bias.bias)?,
            ones: args.read("ones", &bias.ones)?,
            grad_bias: args.write_optional("grad_bias", bias.grad_bias.as_mut())?,
        }),
        None => None,
    };
    let desc = ForwardDesc {
        hidden: args.read("hidden", &tensors.hidden)?,
        weight: args.read("weight", &tensors.weight)?,
        bias,
        targets: args.read("targets", &tensors.targets)?,
        class_weight: args.read_optional("class_weight", tensors.class_weight.as_ref())?,
        grad_loss: args.read_optional("grad_loss", tensors.grad_loss.as_ref())?,
        grad_hidden: args.write_optional("grad_hidden", tensors.grad_hidden.as_mut())?,
        grad_weight: args.write_optional("grad_weight", tensors.grad_weight.as_mut())?,
        loss: args.write_optional("loss", tensors.loss.as_mut())?,
        lse: args.write_optional("lse", tensors.lse.as_mut())?,
        totals: args.write_optional("totals", tensors.totals.as_mut())?,
        workspace: args.write("workspace", &mut tensors.workspace)?,
        options: *options,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued. Products that are not computed leave memory of any contents, which the
    // kernels may read.
    unsafe { plan.launch(&args, multiply) }
}
