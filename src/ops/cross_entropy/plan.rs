//! From a description of the tensors to launches: checks, the choice of the kernel, the way that work is shared. Pure.

use std::f64::consts::LOG2_E;

use super::kernels::{REDUCE, ROWS, TOTALS};
use super::{ForwardDesc, MAX_WIDTH, OP, Options, Reduction};
use crate::abi::{
    CROSS_ENTROPY_SUM_THREADS, CROSS_ENTROPY_THREADS, CROSS_ENTROPY_VECTORS, CrossEntropyFwdParams,
    CrossEntropyReduceParams, CrossEntropyTotalsParams,
};
use crate::check::{Arg, Rows, address, disjoint_present};
use crate::device::{Caps, Launch, LaunchShape, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::resident::{Bounds, Resident};
use crate::view::{Shape, TensorDesc};

/// What the kernel keeps on chip.
const BOUNDS: Bounds = Bounds { vectors: CROSS_ENTROPY_VECTORS, threads: CROSS_ENTROPY_THREADS, arrays: 1 };
/// Bytes of the totals at the start of the workspace.
const TOTALS_BYTES: u64 = 16;
const MAX_ROWS: u64 = i32::MAX as u64;

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
    check_options(&desc.options)?;
    let width = logits_rows.width as u32;

    let leading = Shape::try_from(&shape[..shape.len().saturating_sub(1)])?;
    let target_type = desc.targets.dtype;
    if !matches!(target_type, DType::I32 | DType::I64) {
        return Err(unsupported(format!("`targets` of {target_type}"), "i32 and i64"));
    }
    let mean = desc.options.reduction == Reduction::Mean;
    let reduced = desc.options.reduction != Reduction::None;
    let of_loss = if reduced { Shape::from([1]) } else { leading };
    let targets = vector("targets", &desc.targets, target_type, leading)?;
    let f32_vector = |name, tensor, shape| optional_vector(name, tensor, DType::F32, shape);
    let weight = f32_vector("weight", desc.weight.as_ref(), [width as usize].into())?;
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
        return Err(unsupported("a call without any result".into(), "`loss`, `lse` or `grad_logits`"));
    }

    let needs_totals = mean || weight.is_some() || kept.is_some();
    let needs_losses = reduced && loss.is_some();
    let required = match (needs_losses, needs_totals) {
        (true, _) => bytes(logits_rows.rows as u64),
        (false, true) => TOTALS_BYTES,
        (false, false) => 0,
    };
    let workspace = if required > 0 { Some(workspace(desc.workspace.as_ref(), required)?) } else { None };

    let in_place = desc.grad_logits == Some(desc.logits);
    let gradient_arg = gradient.map(|(gradient, _)| gradient);
    disjoint_present(
        &[gradient_arg, loss, lse, kept, workspace],
        &[(!in_place).then_some(logits), Some(targets), weight, grad_loss],
    )?;

    let totals = address(workspace);
    let losses = if needs_losses { totals + TOTALS_BYTES } else { address(loss) };
    let teams = Resident::of(width, dtype, &BOUNDS, caps);
    let rows = logits_rows.rows;
    let target_bytes = target_type.size() as u32;
    let rate = desc.options.softcap.map_or(0.0, |softcap| 2.0 * LOG2_E / f64::from(softcap));
    let params = CrossEntropyFwdParams {
        logits: desc.logits.address,
        targets: desc.targets.address,
        weight: address(weight),
        totals: if mean || weight.is_some() { totals } else { 0 },
        grad_loss: address(grad_loss),
        grad_logits: address(gradient_arg),
        losses,
        lse: address(lse),
        logits_stride: logits_rows.stride,
        grad_logits_stride: gradient.map_or(0, |(_, rows)| rows.stride),
        grad_loss_stride: (!reduced).into(),
        rows,
        ignore_index: desc.options.ignore_index,
        width,
        target_bytes,
        threads_per_row: teams.threads,
        batches: teams.batches,
        shared_vectors: teams.shared_vectors,
        mean: mean.into(),
        smoothing: desc.options.label_smoothing,
        smoothing_each: (f64::from(desc.options.label_smoothing) / f64::from(width)) as f32,
        z_loss: desc.options.z_loss,
        softcap: desc.options.softcap.unwrap_or(0.0),
        softcap_rate: rate as f32,
        softcap_rate_rest: (rate - f64::from(rate as f32)) as f32,
    };
    Ok(Plan::new((
        needs_totals.then(|| Launch {
            kernel: &TOTALS,
            shape: LaunchShape::linear(1, CROSS_ENTROPY_SUM_THREADS),
            params: CrossEntropyTotalsParams {
                targets: params.targets,
                weight: params.weight,
                totals,
                kept: address(kept),
                rows,
                ignore_index: params.ignore_index,
                width,
                target_bytes,
            },
        }),
        Launch { kernel, shape: teams.shape(rows as u64), params },
        needs_losses.then(|| Launch {
            kernel: &REDUCE,
            shape: LaunchShape::linear(1, CROSS_ENTROPY_SUM_THREADS),
            params: CrossEntropyReduceParams {
                losses,
                totals: if mean { totals } else { 0 },
                loss: address(loss),
                rows,
            },
        }),
    )))
}

/// Bytes of workspace that a pass over logits of this shape needs at most: for the mean and the sum, a f32 for each row and 16 bytes;
/// without a reduction, 16 bytes, and those only with class weights or `totals`.
pub fn workspace_bytes(logits: impl Into<Shape>, reduction: Reduction) -> usize {
    let rows = logits.into().iter().rev().skip(1).fold(1_u64, |rows, &n| rows.saturating_mul(n as u64));
    let bytes = if reduction == Reduction::None { TOTALS_BYTES } else { bytes(rows) };
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn bytes(rows: u64) -> u64 {
    rows.saturating_mul(size_of::<f32>() as u64).saturating_add(TOTALS_BYTES)
}

fn check_extents(rows: Rows) -> Result<()> {
    let limits =
        [("the number of classes", rows.width, MAX_WIDTH as u64), ("the number of rows", rows.rows as u64, MAX_ROWS)];
    match limits.into_iter().find(|&(_, got, limit)| got > limit) {
        Some((what, got, limit)) => Err(Error::IndexRange { op: OP, argument: "logits", what, limit, got }),
        None => Ok(()),
    }
}

fn check_options(options: &Options) -> Result<()> {
    let Options { label_smoothing, z_loss, softcap, .. } = *options;
    if !(0.0..=1.0).contains(&label_smoothing) {
        return Err(unsupported(format!("a label smoothing of {label_smoothing}"), "0 to 1"));
    }
    if !(z_loss >= 0.0 && z_loss.is_finite()) {
        return Err(unsupported(format!("a z-loss factor of {z_loss}"), "finite ones that are not negative"));
    }
    match softcap {
        Some(softcap) if !(softcap.is_normal() && softcap > 0.0) => {
            Err(unsupported(format!("a softcap of {softcap}"), "finite ones above zero"))
        }
        _ => Ok(()),
    }
}

fn unsupported(what: String, supported: &'static str) -> Error {
    Error::Unsupported { op: OP, what, supported }
}

/// A tensor of one dimension fewer than the logits, or of one, without gaps.
fn vector<'a>(name: &'static str, tensor: &'a TensorDesc, dtype: DType, shape: Shape) -> Result<Arg<'a>> {
    Arg::new(OP, name, tensor).sound()?.dtype(dtype)?.shape(shape)?.contiguous()
}

fn optional_vector<'a>(
    name: &'static str,
    tensor: Option<&'a TensorDesc>,
    dtype: DType,
    shape: Shape,
) -> Result<Option<Arg<'a>>> {
    tensor.map(|tensor| vector(name, tensor, dtype, shape)).transpose()
}

fn workspace(tensor: Option<&TensorDesc>, required: u64) -> Result<Arg<'_>> {
    let tensor = tensor.ok_or(Error::WorkspaceTooSmall { op: OP, required, got: 0 })?;
    Arg::new(OP, "workspace", tensor).sound()?.dtype(DType::U8)?.workspace(required)
}
