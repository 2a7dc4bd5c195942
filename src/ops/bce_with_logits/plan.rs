//! From a description of the tensors to launches. Pure.

use super::kernels::{COUNT, FORWARD, REDUCE};
use super::{ForwardDesc, OP, Reduction};
use crate::abi::{
    BCE_WITH_LOGITS_I32, BCE_WITH_LOGITS_I64, BCE_WITH_LOGITS_MAX_BLOCKS, BCE_WITH_LOGITS_SOFT,
    BCE_WITH_LOGITS_THREADS, BceWithLogitsCountParams, BceWithLogitsFwdParams, BceWithLogitsReduceParams,
    BceWithLogitsTargets,
};
use crate::check::{Arg, address, disjoint_present};
use crate::device::{Caps, Launch, LaunchShape, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::tiles::lanes;
use crate::view::TensorDesc;

/// Elements, which kernels count in 32 bits.
const MAX_ELEMENTS: u64 = i32::MAX as u64;

/// A pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<(
    Option<Launch<BceWithLogitsCountParams>>,
    Launch<BceWithLogitsFwdParams>,
    Option<Launch<BceWithLogitsReduceParams>>,
)>;

/// Checks a pass and decides how it runs. It runs alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`],
/// [`Error::IndexRange`] and [`Error::WorkspaceTooSmall`] name the argument; [`Error::Unsupported`] an element type, an option, or a call
/// without any result.
pub fn plan_forward(desc: &ForwardDesc, _caps: &Caps) -> Result<ForwardPlan> {
    let TensorDesc { shape, dtype, .. } = desc.logits;
    let logits = Arg::new(OP, "logits", &desc.logits).sound()?.contiguous()?;
    let kernel = FORWARD.of(OP, dtype)?;
    let count = shape.elements() as u64;
    if count > MAX_ELEMENTS {
        let what = "the number of elements";
        return Err(Error::IndexRange { op: OP, argument: "logits", what, limit: MAX_ELEMENTS, got: count });
    }
    if !(desc.options.pos_weight >= 0.0 && desc.options.pos_weight.is_finite()) {
        let what = format!("a weight of positive targets of {}", desc.options.pos_weight);
        return Err(Error::Unsupported { op: OP, what, supported: "finite ones that are not negative" });
    }
    let kind = match desc.targets.dtype {
        DType::I32 => BCE_WITH_LOGITS_I32,
        DType::I64 => BCE_WITH_LOGITS_I64,
        _ => BCE_WITH_LOGITS_SOFT,
    };
    let like = |name, tensor, dtype| Arg::new(OP, name, tensor).sound()?.dtype(dtype)?.shape(shape)?.contiguous();
    let targets =
        like("targets", &desc.targets, if kind == BCE_WITH_LOGITS_SOFT { dtype } else { desc.targets.dtype })?;
    let mask = desc.mask.as_ref().map(|tensor| like("mask", tensor, DType::U8)).transpose()?;
    let gradient = desc.grad_logits.as_ref().map(|tensor| like("grad_logits", tensor, dtype)).transpose()?;
    let mean = desc.options.reduction == Reduction::Mean;
    let reduced = desc.options.reduction != Reduction::None;
    let of_loss = |name, tensor| {
        let shape = if reduced { [1].into() } else { shape };
        Arg::new(OP, name, tensor).sound()?.dtype(DType::F32)?.shape(shape)?.contiguous()
    };
    let grad_loss = desc.grad_loss.as_ref().map(|tensor| of_loss("grad_loss", tensor)).transpose()?;
    let loss = desc.loss.as_ref().map(|tensor| of_loss("loss", tensor)).transpose()?;
    if loss.is_none() && gradient.is_none() {
        let what = "a call without any result".into();
        return Err(Error::Unsupported { op: OP, what, supported: "`loss` or `grad_logits`" });
    }
    let blocks = blocks(count, dtype);
    let needs_partials = reduced && loss.is_some();
    let required = u64::from(blocks) * 4 * (u64::from(mean) + u64::from(needs_partials));
    let workspace = if required > 0 { Some(workspace(desc.workspace.as_ref(), required)?) } else { None };
    let in_place = desc.grad_logits == Some(desc.logits);
    disjoint_present(&[gradient, loss, workspace], &[(!in_place).then_some(logits), Some(targets), mask, grad_loss])?;

    let scratch = address(workspace);
    let counts = if mean { scratch } else { 0 };
    let partials = scratch + u64::from(mean) * u64::from(blocks) * 4;
    let losses = if reduced { 0 } else { address(loss) };
    let all = [Some(logits), Some(targets), gradient, if reduced { None } else { loss }];
    let targets = BceWithLogitsTargets {
        targets: desc.targets.address,
        mask: address(mask),
        ignore_index: desc.options.ignore_index,
        count,
        kind,
        vectorised: all.iter().flatten().all(|tensor| tensor.tensor.address.is_multiple_of(16)).into(),
    };
    let shape = LaunchShape::linear(blocks, BCE_WITH_LOGITS_THREADS);
    let count = mean.then_some(Launch { kernel: &COUNT, shape, params: BceWithLogitsCountParams { targets, counts } });
    let params = BceWithLogitsFwdParams {
        targets,
        logits: desc.logits.address,
        counts,
        grad_loss: address(grad_loss),
        grad_logits: address(gradient),
        losses,
        partials: if needs_partials { partials } else { 0 },
        grad_loss_stride: (!reduced).into(),
        pos_weight: desc.options.pos_weight,
    };
    let reduce = needs_partials.then_some(Launch {
        kernel: &REDUCE,
        shape: LaunchShape::linear(1, BCE_WITH_LOGITS_THREADS),
        params: BceWithLogitsReduceParams { partials, counts, loss: address(loss), blocks, reserved: 0 },
    });
    Ok(Plan::new((count, Launch { kernel, shape, params }, reduce)))
}

/// Bytes of workspace that a pass over so many elements needs at most: for the mean 8 for each of up to 1024 blocks, for the sum 4, without a reduction none.
pub fn workspace_bytes(elements: usize, dtype: DType, reduction: Reduction) -> usize {
    let sums = match reduction {
        Reduction::Mean => 2,
        Reduction::Sum => 1,
        Reduction::None => 0,
    };
    4 * sums * blocks(elements as u64, dtype) as usize
}

/// Blocks, which depend on the number of elements and their type alone.
fn blocks(elements: u64, dtype: DType) -> u32 {
    let vectors = elements.div_ceil(u64::from(BCE_WITH_LOGITS_THREADS) * lanes(dtype));
    vectors.min(BCE_WITH_LOGITS_MAX_BLOCKS.into()) as u32
}

fn workspace(tensor: Option<&TensorDesc>, required: u64) -> Result<Arg<'_>> {
    let tensor = tensor.ok_or(Error::WorkspaceTooSmall { op: OP, required, got: 0 })?;
    Arg::new(OP, "workspace", tensor).sound()?.dtype(DType::U8)?.workspace(required)
}
