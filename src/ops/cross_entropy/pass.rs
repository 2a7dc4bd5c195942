//! What a pass over logits and one over chunks of them share: the checks of everything but the logits, and the launches.

use std::f64::consts::LOG2_E;

use super::kernels::{REDUCE, TOTALS};
use super::{Options, Reduction};
use crate::abi::{
    CROSS_ENTROPY_SUM_THREADS, CROSS_ENTROPY_THREADS, CROSS_ENTROPY_VECTORS, CrossEntropyFwdParams,
    CrossEntropyReduceParams, CrossEntropyTotalsParams,
};
use crate::check::Arg;
use crate::device::{Caps, Kernel, Launch, LaunchShape};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::resident::{Bounds, Resident};
use crate::view::{Shape, TensorDesc};

/// What the kernel keeps on chip.
const BOUNDS: Bounds = Bounds { vectors: CROSS_ENTROPY_VECTORS, threads: CROSS_ENTROPY_THREADS, arrays: 1 };
/// Bytes of the totals at the start of the workspace.
const TOTALS_BYTES: u64 = 16;
/// The most rows.
pub(in crate::ops) const MAX_ROWS: u64 = i32::MAX as u64;

/// What a pass keeps in its workspace: the totals, then a loss for each row.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Needs {
    pub totals: bool,
    pub losses: bool,
}

impl Needs {
    /// `totals`: whether they are asked for, whatever the reduction.
    pub(in crate::ops) fn of(options: &Options, loss: bool, totals: bool) -> Self {
        let reduction = options.reduction;
        Self { totals: totals || reduction == Reduction::Mean, losses: loss && reduction != Reduction::None }
    }

    /// Bytes of workspace.
    pub(in crate::ops) fn bytes(self, rows: u64) -> u64 {
        match self {
            Self { losses: true, .. } => rows.saturating_mul(size_of::<f32>() as u64).saturating_add(TOTALS_BYTES),
            Self { totals: true, .. } => TOTALS_BYTES,
            _ => 0,
        }
    }
}

/// How rows are dealt out to threads.
pub(in crate::ops) fn teams(dtype: DType, width: u32, caps: &Caps) -> Resident {
    Resident::of(width, dtype, &BOUNDS, caps)
}

/// A pass that has been checked, as plain numbers; an address is 0 where there is no tensor.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Pass {
    /// Address and distance of rows.
    pub logits: (u64, i64),
    pub gradient: (u64, i64),
    pub targets: u64,
    pub target_type: DType,
    pub weight: u64,
    pub grad_loss: u64,
    pub loss: u64,
    pub lse: u64,
    pub kept: u64,
    pub workspace: u64,
    pub rows: i64,
    pub width: u32,
    pub options: Options,
}

impl Pass {
    fn is_mean(&self) -> bool {
        self.options.reduction == Reduction::Mean
    }

    fn needs(&self) -> Needs {
        Needs::of(&self.options, self.loss != 0, self.weight != 0 || self.kept != 0)
    }

    /// What a mean is divided by.
    pub(in crate::ops) fn totals(&self) -> Option<Launch<CrossEntropyTotalsParams>> {
        self.needs().totals.then(|| Launch {
            kernel: &TOTALS,
            shape: LaunchShape::linear(1, CROSS_ENTROPY_SUM_THREADS),
            params: CrossEntropyTotalsParams {
                targets: self.targets,
                weight: self.weight,
                totals: self.workspace,
                kept: self.kept,
                rows: self.rows,
                ignore_index: self.options.ignore_index,
                width: self.width,
                target_bytes: self.target_type.size() as u32,
            },
        })
    }

    /// All rows.
    pub(in crate::ops) fn rows(
        &self,
        kernel: &'static Kernel<CrossEntropyFwdParams>,
        teams: &Resident,
    ) -> Launch<CrossEntropyFwdParams> {
        let Options { reduction, ignore_index, label_smoothing, z_loss, softcap } = self.options;
        let rate = softcap.map_or(0.0, |softcap| 2.0 * LOG2_E / f64::from(softcap));
        let params = CrossEntropyFwdParams {
            logits: self.logits.0,
            targets: self.targets,
            weight: self.weight,
            totals: if self.is_mean() || self.weight != 0 { self.workspace } else { 0 },
            grad_loss: self.grad_loss,
            grad_logits: self.gradient.0,
            losses: if self.needs().losses { self.workspace + TOTALS_BYTES } else { self.loss },
            lse: self.lse,
            logits_stride: self.logits.1,
            grad_logits_stride: self.gradient.1,
            grad_loss_stride: (reduction == Reduction::None).into(),
            rows: self.rows,
            ignore_index,
            width: self.width,
            target_bytes: self.target_type.size() as u32,
            threads_per_row: teams.threads,
            batches: teams.batches,
            shared_vectors: teams.shared_vectors,
            mean: self.is_mean().into(),
            smoothing: label_smoothing,
            smoothing_each: (f64::from(label_smoothing) / f64::from(self.width)) as f32,
            z_loss,
            softcap: softcap.unwrap_or(0.0),
            softcap_rate: rate as f32,
            softcap_rate_rest: (rate - f64::from(rate as f32)) as f32,
        };
        Launch { kernel, shape: teams.shape(self.rows as u64), params }
    }

    /// The sum of the rows' losses.
    pub(in crate::ops) fn reduce(&self) -> Option<Launch<CrossEntropyReduceParams>> {
        self.needs().losses.then(|| Launch {
            kernel: &REDUCE,
            shape: LaunchShape::linear(1, CROSS_ENTROPY_SUM_THREADS),
            params: CrossEntropyReduceParams {
                losses: self.workspace + TOTALS_BYTES,
                totals: if self.is_mean() { self.workspace } else { 0 },
                loss: self.loss,
                rows: self.rows,
            },
        })
    }
}

/// Of the launch of all rows that of some: `rows` from `first` on. Their logits lie where those of the first rows do.
pub(in crate::ops) fn chunk(
    all: &Launch<CrossEntropyFwdParams>,
    teams: &Resident,
    first: i64,
    rows: i64,
) -> Launch<CrossEntropyFwdParams> {
    let later = |address: u64, bytes: i64| if address == 0 { 0 } else { address + (first * bytes) as u64 };
    let f32_bytes = size_of::<f32>() as i64;
    let params = CrossEntropyFwdParams {
        targets: later(all.params.targets, all.params.target_bytes.into()),
        grad_loss: later(all.params.grad_loss, all.params.grad_loss_stride * f32_bytes),
        losses: later(all.params.losses, f32_bytes),
        lse: later(all.params.lse, f32_bytes),
        rows,
        ..all.params
    };
    Launch { kernel: all.kernel, shape: teams.shape(rows as u64), params }
}

/// A class for each row.
pub(in crate::ops) fn targets<'a>(op: &'static str, tensor: &'a TensorDesc, shape: Shape) -> Result<Arg<'a>> {
    if !matches!(tensor.dtype, DType::I32 | DType::I64) {
        return Err(unsupported(op, format!("`targets` of {}", tensor.dtype), "i32 and i64"));
    }
    vector(op, "targets", tensor, tensor.dtype, shape)
}

/// Options that mean something.
pub(in crate::ops) fn check_options(op: &'static str, options: &Options) -> Result<()> {
    let Options { label_smoothing, z_loss, softcap, .. } = *options;
    if !(0.0..=1.0).contains(&label_smoothing) {
        return Err(unsupported(op, format!("a label smoothing of {label_smoothing}"), "0 to 1"));
    }
    if !(z_loss >= 0.0 && z_loss.is_finite()) {
        return Err(unsupported(op, format!("a z-loss factor of {z_loss}"), "finite ones that are not negative"));
    }
    match softcap {
        Some(softcap) if !(softcap.is_normal() && softcap > 0.0) => {
            Err(unsupported(op, format!("a softcap of {softcap}"), "finite ones above zero"))
        }
        _ => Ok(()),
    }
}

/// What there is no kernel for.
pub(in crate::ops) fn unsupported(op: &'static str, what: String, supported: &'static str) -> Error {
    Error::Unsupported { op, what, supported }
}

/// A tensor of one dimension fewer than the logits, or of one, without gaps.
pub(in crate::ops) fn vector<'a>(
    op: &'static str,
    name: &'static str,
    tensor: &'a TensorDesc,
    dtype: DType,
    shape: Shape,
) -> Result<Arg<'a>> {
    Arg::new(op, name, tensor).sound()?.dtype(dtype)?.shape(shape)?.contiguous()
}

/// The same, if there is one.
pub(in crate::ops) fn optional_vector<'a>(
    op: &'static str,
    name: &'static str,
    tensor: Option<&'a TensorDesc>,
    dtype: DType,
    shape: Shape,
) -> Result<Option<Arg<'a>>> {
    tensor.map(|tensor| vector(op, name, tensor, dtype, shape)).transpose()
}

/// The workspace that is needed.
pub(in crate::ops) fn workspace<'a>(
    op: &'static str,
    tensor: Option<&'a TensorDesc>,
    required: u64,
) -> Result<Arg<'a>> {
    let tensor = tensor.ok_or(Error::WorkspaceTooSmall { op, required, got: 0 })?;
    Arg::new(op, "workspace", tensor).sound()?.dtype(DType::U8)?.workspace(required)
}
