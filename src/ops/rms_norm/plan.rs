//! From a description of the tensors to launches: checks, the choice of the kernel, the way that work is shared. Pure.

use super::{BACKWARD, BackwardDesc, Casting, FORWARD, ForwardDesc, ResidualDesc, kernels};
use crate::abi::{
    RMS_NORM_BWD_STAGES, RMS_NORM_BWD_THREADS, RMS_NORM_COLUMNS_THREADS, RMS_NORM_FWD_THREADS,
    RMS_NORM_GENERAL_THREADS, RMS_NORM_REDUCE_COLUMNS, RMS_NORM_REDUCE_THREADS, RMS_NORM_VECTORS, RmsNormBwdParams,
    RmsNormBwdReduceParams, RmsNormFwdParams,
};
use crate::check::{Arg, address, disjoint_present};
use crate::device::{Caps, ComputeCapability, Launch, LaunchShape, Plan};
use crate::error::Result;
use crate::ops::norms::{BackwardLaunches, BackwardSizes, ForwardSizes, RowSplit, extents};
use crate::ops::rows::{Checks, arg, matrix_address, starts_on_vectors, stride};
use crate::view::Shape;

/// Threads of a plain backward kernel for rows that they can hold. A multiprocessor has room for two such blocks, or for one of
/// `RMS_NORM_BWD_THREADS`.
const BWD_NARROW_THREADS: u32 = 256;
/// The most groups of rows of the backward pass.
const MAX_GROUPS: u64 = 256;
/// The same where a block sums a tile of the columns.
const MAX_COLUMN_GROUPS: u64 = 128;

const FORWARD_SIZES: ForwardSizes =
    ForwardSizes { vectors: RMS_NORM_VECTORS, plain: RMS_NORM_FWD_THREADS, general: RMS_NORM_GENERAL_THREADS };
const BACKWARD_SIZES: BackwardSizes = BackwardSizes {
    vectors: RMS_NORM_VECTORS,
    stages: RMS_NORM_BWD_STAGES,
    plain: &[BWD_NARROW_THREADS, RMS_NORM_BWD_THREADS],
    groups: resident_groups,
    general: RMS_NORM_GENERAL_THREADS,
    columns: RMS_NORM_COLUMNS_THREADS,
    column_groups: MAX_COLUMN_GROUPS,
};

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<RmsNormFwdParams>>;

/// A backward pass that has been checked, ready to be launched any number of times.
pub type BackwardPlan =
    Plan<(Launch<RmsNormBwdParams>, Option<Launch<RmsNormBwdParams>>, Option<Launch<RmsNormBwdReduceParams>>)>;

/// Checks a forward pass and decides how it runs.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape), [`Error::Stride`](crate::Error::Stride), [`Error::DType`](crate::Error::DType),
/// [`Error::Null`](crate::Error::Null), [`Error::Misaligned`](crate::Error::Misaligned),
/// [`Error::Aliasing`](crate::Error::Aliasing) and [`Error::IndexRange`](crate::Error::IndexRange) name the argument;
/// [`Error::Unsupported`](crate::Error::Unsupported) the element type or the epsilon.
pub fn plan_forward(desc: &ForwardDesc, caps: &Caps) -> Result<ForwardPlan> {
    let check = Checks::of(FORWARD, &desc.input)?;
    let kernels = kernels::FORWARD.of(FORWARD, check.dtype)?;
    let epsilon = check.epsilon(desc.epsilon)?;
    let (residual, sum) = match &desc.residual {
        Some(ResidualDesc { residual, sum }) => {
            (Some(check.matrix("residual", residual)?), Some(check.matrix("sum", sum)?))
        }
        None => (None, None),
    };
    let weight = desc.weight.as_ref().map(|tensor| check.column_vector("weight", tensor)).transpose()?;
    let output = check.matrix("output", &desc.output)?;
    let rstd = desc.rstd.as_ref().map(|tensor| check.row_vector("rstd", tensor)).transpose()?;

    let input = check.input;
    disjoint_present(&[Some(output.arg), arg(sum), rstd], &[Some(input.arg), arg(residual), weight])?;

    let params = |split: RowSplit| RmsNormFwdParams {
        input: desc.input.address,
        residual: matrix_address(residual),
        weight: address(weight),
        output: desc.output.address,
        sum: matrix_address(sum),
        rstd: address(rstd),
        input_stride: input.rows.stride,
        residual_stride: stride(residual),
        output_stride: output.rows.stride,
        sum_stride: stride(sum),
        rows: check.rows as i64,
        width: check.width,
        threads_per_row: split.threads_per_row,
        inverse_width: 1.0 / check.width as f32,
        epsilon,
        weight_offset: weight_offset(desc.casting, weight),
        rounds_normalised: (desc.casting == Casting::Llama).into(),
        shared_vectors: split.shared_vectors,
        reserved: 0,
    };
    let aligned = starts_on_vectors(&[Some(input), residual, sum, Some(output)], &[weight]);
    Ok(Plan::new(kernels.launch(&check, aligned, &FORWARD_SIZES, caps, params)))
}

/// Checks a backward pass and decides how it runs.
///
/// # Errors
/// Those of [`plan_forward`], and [`Error::WorkspaceTooSmall`](crate::Error::WorkspaceTooSmall).
pub fn plan_backward(desc: &BackwardDesc, caps: &Caps) -> Result<BackwardPlan> {
    let check = Checks::of(BACKWARD, &desc.input)?;
    let kernels = kernels::BACKWARD.of(BACKWARD, check.dtype)?;
    let input = check.input;
    let grad_output = check.matrix("grad_output", &desc.grad_output)?;
    let weight = desc.weight.as_ref().map(|tensor| check.column_vector("weight", tensor)).transpose()?;
    let rstd = check.row_vector("rstd", &desc.rstd)?;
    let grad_sum = desc.grad_sum.as_ref().map(|tensor| check.matrix("grad_sum", tensor)).transpose()?;
    let grad_input = check.matrix("grad_input", &desc.grad_input)?;
    let grad_weight = desc.grad_weight.as_ref().map(|tensor| check.column_vector("grad_weight", tensor)).transpose()?;
    let partials = match grad_weight {
        Some(_) => Some(check.workspace(desc.workspace.as_ref(), partial_bytes(check.rows, check.width))?),
        None => None,
    };

    disjoint_present(
        &[Some(grad_input.arg), grad_weight, partials],
        &[Some(grad_output.arg), Some(input.arg), weight, Some(rstd), arg(grad_sum)],
    )?;

    let params = |split: RowSplit| RmsNormBwdParams {
        grad_output: desc.grad_output.address,
        input: desc.input.address,
        weight: address(weight),
        rstd: address(Some(rstd)),
        grad_sum: matrix_address(grad_sum),
        grad_input: desc.grad_input.address,
        partials: address(partials),
        grad_output_stride: grad_output.rows.stride,
        input_stride: input.rows.stride,
        grad_sum_stride: stride(grad_sum),
        grad_input_stride: grad_input.rows.stride,
        rows: check.rows as i64,
        rows_per_group: split.rows_per_group,
        width: check.width,
        threads_per_row: split.threads_per_row,
        inverse_width: 1.0 / check.width as f32,
        weight_offset: weight_offset(desc.casting, weight),
        shared_vectors: split.shared_vectors,
        reserved: 0,
    };
    let aligned = starts_on_vectors(&[Some(input), Some(grad_output), grad_sum, Some(grad_input)], &[weight]);
    let BackwardLaunches { rows, columns, groups } =
        kernels.launches(&check, aligned, partials.is_some(), &BACKWARD_SIZES, caps, params);
    let reduce = grad_weight.map(|grad_weight| Launch {
        kernel: &kernels.reduce,
        shape: LaunchShape::linear(check.width.div_ceil(RMS_NORM_REDUCE_COLUMNS), RMS_NORM_REDUCE_THREADS),
        params: RmsNormBwdReduceParams {
            partials: address(partials),
            grad_weight: address(Some(grad_weight)),
            width: check.width,
            row_groups: groups,
        },
    });
    Ok(Plan::new((rows, columns, reduce)))
}

/// Bytes of workspace that a backward pass with `grad_weight` needs for an input of this shape.
pub fn backward_workspace_bytes(shape: impl Into<Shape>) -> usize {
    let (rows, width) = extents(shape.into());
    usize::try_from(partial_bytes(rows, width)).unwrap_or(usize::MAX)
}

/// Bytes of the partial sums of the weight, for the most groups that any device makes of so many rows.
fn partial_bytes(rows: u64, width: u32) -> u64 {
    rows.min(MAX_GROUPS) * u64::from(width) * size_of::<f32>() as u64
}

/// What the casting adds to a weight, where there is one.
fn weight_offset(casting: Casting, weight: Option<Arg<'_>>) -> f32 {
    weight.map_or(0.0, |_| casting.offset())
}

/// Groups of rows in the plain backward kernel: not more than there is room for blocks on the smallest card of note of a compute
/// capability, or the last ones would run alone. Only the capability counts, so cards of one give the same bits.
const fn resident_groups(capability: ComputeCapability, block: u32) -> u64 {
    let narrow = block == BWD_NARROW_THREADS;
    match (capability.major, capability.minor) {
        // A100 has 108 multiprocessors, RTX 3090 and A40 have 82 and 84.
        (8, 0) => {
            if narrow {
                208
            } else {
                104
            }
        }
        (8, 6) => 80,
        // A multiprocessor's shared memory has room for one block.
        (8, _) | (12, _) => 128,
        _ => {
            if narrow {
                MAX_GROUPS
            } else {
                128
            }
        }
    }
}
