//! From a description of the tensors to launches: checks, the choice of the kernel, the way that work is shared. Pure.

use super::kernels::ROWS;
use super::pass::{MAX_ROWS, Needs, Pass, check_options, optional_vector, targets, teams, unsupported, workspace};
use super::{ForwardDesc, MAX_WIDTH, OP, Reduction};
use crate::abi::{CrossEntropyFwdParams, CrossEntropyReduceParams, CrossEntropyTotalsParams};
use crate::check::{Arg, Rows, address, disjoint_present};
use crate::device::{Caps, Launch, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::{Shape, TensorDesc};

/// A pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<(
    Option<Launch<CrossEntropyTotalsParams>>,
    Launch<CrossEntropyFwdParams>,
    Option<Launch<CrossEntropyReduceParams>>,
)>;

/// Checks a pass and decides how it runs.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`],
/// [`Error::IndexRange`] and [`Error::WorkspaceTooSmall`] name the argument; [`Error::Unsupported`] an element type, an option, or a
/// call without any result.
pub fn plan_forward(desc: &ForwardDesc, caps: &Caps) -> Result<ForwardPlan> {
    let TensorDesc { shape, dtype, .. } = desc.logits;
    let logits = Arg::new(OP, "logits", &desc.logits).sound()?;
    let logits_rows = logits.rows()?;
    check_extents(logits_rows)?;
    let kernel = ROWS.of(OP, dtype)?;
    check_options(OP, &desc.options)?;

    let leading = Shape::try_from(&shape[..shape.len().saturating_sub(1)])?;
    let target_type = desc.targets.dtype;
    let of_loss = if desc.options.reduction == Reduction::None { leading } else { [1].into() };
    let targets = targets(OP, &desc.targets, leading)?;
    let f32_vector = |name, tensor, shape| optional_vector(OP, name, tensor, DType::F32, shape);
    let weight = f32_vector("weight", desc.weight.as_ref(), [logits_rows.width as usize].into())?;
    let grad_loss = f32_vector("grad_loss", desc.grad_loss.as_ref(), of_loss)?;
    let loss = f32_vector("loss", desc.loss.as_ref(), of_loss)?;
    let lse = f32_vector("lse", desc.lse.as_ref(), leading)?;
    let kept = f32_vector("totals", desc.totals.as_ref(), [2].into())?;
    let gradient = match &desc.grad_logits {
        Some(tensor) => {
            let arg = Arg::new(OP, "grad_logits", tensor).sound()?.dtype(dtype)?.shape(shape)?;
            Some((arg, arg.rows()?))
        }
        None => None,
    };
    if loss.or(lse).is_none() && gradient.is_none() {
        return Err(unsupported(OP, "a call without any result".into(), "`loss`, `lse` or `grad_logits`"));
    }

    let needs = Needs::of(&desc.options, loss.is_some(), weight.is_some() || kept.is_some());
    let required = needs.bytes(logits_rows.rows as u64);
    let workspace = if required > 0 { Some(workspace(OP, desc.workspace.as_ref(), required)?) } else { None };

    let in_place = desc.grad_logits == Some(desc.logits);
    let gradient_arg = gradient.map(|(gradient, _)| gradient);
    disjoint_present(
        &[gradient_arg, loss, lse, kept, workspace],
        &[(!in_place).then_some(logits), Some(targets), weight, grad_loss],
    )?;

    let pass = Pass {
        logits: (desc.logits.address, logits_rows.stride),
        gradient: (address(gradient_arg), gradient.map_or(0, |(_, rows)| rows.stride)),
        targets: desc.targets.address,
        target_type,
        weight: address(weight),
        grad_loss: address(grad_loss),
        loss: address(loss),
        lse: address(lse),
        kept: address(kept),
        workspace: address(workspace),
        rows: logits_rows.rows,
        width: logits_rows.width as u32,
        options: desc.options,
    };
    Ok(Plan::new((pass.totals(), pass.rows(kernel, &teams(dtype, pass.width, caps)), pass.reduce())))
}

/// Bytes of workspace that a pass over logits of this shape needs at most: for the mean and the sum, a f32 for each row and 16 bytes;
/// without a reduction, 16 bytes, and those only with class weights or `totals`.
pub fn workspace_bytes(logits: impl Into<Shape>, reduction: Reduction) -> usize {
    let rows = logits.into().iter().rev().skip(1).fold(1_u64, |rows, &n| rows.saturating_mul(n as u64));
    let needs = Needs { totals: true, losses: reduction != Reduction::None };
    usize::try_from(needs.bytes(rows)).unwrap_or(usize::MAX)
}

fn check_extents(rows: Rows) -> Result<()> {
    let limits =
        [("the number of classes", rows.width, MAX_WIDTH as u64), ("the number of rows", rows.rows as u64, MAX_ROWS)];
    match limits.into_iter().find(|&(_, got, limit)| got > limit) {
        Some((what, got, limit)) => Err(Error::IndexRange { op: OP, argument: "logits", what, limit, got }),
        None => Ok(()),
    }
}
