//! From a description of the tensors to launches: checks, the choice of the kernel, the way that work is shared. Pure.

use super::{BACKWARD, BackwardDesc, FORWARD, ForwardDesc, ResidualDesc, StatisticsDesc, kernels};
use crate::abi::{
    LAYER_NORM_BWD_STAGES, LAYER_NORM_BWD_THREADS, LAYER_NORM_COLUMNS_THREADS, LAYER_NORM_FWD_THREADS,
    LAYER_NORM_GENERAL_THREADS, LAYER_NORM_REDUCE_COLUMNS, LAYER_NORM_REDUCE_THREADS, LAYER_NORM_VECTORS,
    LayerNormBwdParams, LayerNormBwdReduceParams, LayerNormFwdParams,
};
use crate::check::{Arg, address, disjoint_present};
use crate::device::{Caps, ComputeCapability, Launch, LaunchShape, Plan};
use crate::error::Result;
use crate::ops::norms::{BackwardLaunches, BackwardSizes, ForwardSizes, RowSplit, extents};
use crate::ops::rows::{Checks, arg, matrix_address, starts_on_vectors, stride};
use crate::view::Shape;

/// The most groups of rows of the backward pass.
const MAX_GROUPS: u64 = 128;
const FORWARD_SIZES: ForwardSizes =
    ForwardSizes { vectors: LAYER_NORM_VECTORS, plain: LAYER_NORM_FWD_THREADS, general: LAYER_NORM_GENERAL_THREADS };
const BACKWARD_SIZES: BackwardSizes = BackwardSizes {
    vectors: LAYER_NORM_VECTORS,
    stages: LAYER_NORM_BWD_STAGES,
    plain: &[LAYER_NORM_BWD_THREADS],
    groups: resident_groups,
    general: LAYER_NORM_GENERAL_THREADS,
    columns: LAYER_NORM_COLUMNS_THREADS,
    column_groups: MAX_GROUPS,
};

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<LayerNormFwdParams>>;

/// A backward pass that has been checked, ready to be launched any number of times.
pub type BackwardPlan =
    Plan<(Launch<LayerNormBwdParams>, Option<Launch<LayerNormBwdParams>>, Option<Launch<LayerNormBwdReduceParams>>)>;

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
    let bias = desc.bias.as_ref().map(|tensor| check.column_vector("bias", tensor)).transpose()?;
    let output = check.matrix("output", &desc.output)?;
    let statistics = desc.statistics.as_ref().map(|tensors| statistics(&check, tensors)).transpose()?;

    let input = check.input;
    let [mean, rstd] = statistics.map_or([None, None], |[mean, rstd]| [Some(mean), Some(rstd)]);
    disjoint_present(&[Some(output.arg), arg(sum), mean, rstd], &[Some(input.arg), arg(residual), weight, bias])?;

    let matrices = [Some(input), residual, sum, Some(output)];
    let aligned = starts_on_vectors(&matrices, &[weight, bias]);
    let params = |split: RowSplit| LayerNormFwdParams {
        input: desc.input.address,
        residual: matrix_address(residual),
        weight: address(weight),
        bias: address(bias),
        output: desc.output.address,
        sum: matrix_address(sum),
        mean: address(mean),
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
        shared_vectors: split.shared_vectors,
        reserved: 0,
    };
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
    let [mean, rstd] = statistics(&check, &desc.statistics)?;
    let grad_sum = desc.grad_sum.as_ref().map(|tensor| check.matrix("grad_sum", tensor)).transpose()?;
    let grad_input = check.matrix("grad_input", &desc.grad_input)?;
    let grad_weight = desc.grad_weight.as_ref().map(|tensor| check.column_vector("grad_weight", tensor)).transpose()?;
    let grad_bias = desc.grad_bias.as_ref().map(|tensor| check.column_vector("grad_bias", tensor)).transpose()?;
    let partials = match grad_weight.or(grad_bias) {
        Some(_) => Some(check.workspace(desc.workspace.as_ref(), partial_bytes(check.rows, check.width))?),
        None => None,
    };

    disjoint_present(
        &[Some(grad_input.arg), grad_weight, grad_bias, partials],
        &[Some(grad_output.arg), Some(input.arg), weight, Some(mean), Some(rstd), arg(grad_sum)],
    )?;

    let params = |split: RowSplit| LayerNormBwdParams {
        grad_output: desc.grad_output.address,
        input: desc.input.address,
        weight: address(weight),
        mean: address(Some(mean)),
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
        shared_vectors: split.shared_vectors,
    };
    let matrices = [Some(input), Some(grad_output), grad_sum, Some(grad_input)];
    let aligned = starts_on_vectors(&matrices, &[weight]);
    let BackwardLaunches { rows, columns, groups } =
        kernels.launches(&check, aligned, partials.is_some(), &BACKWARD_SIZES, caps, params);
    let blocks = check.width.div_ceil(LAYER_NORM_REDUCE_COLUMNS);
    let reduce = partials.map(|partials| Launch {
        kernel: &kernels.reduce,
        shape: LaunchShape { grid: [blocks, 2, 1], ..LaunchShape::linear(1, LAYER_NORM_REDUCE_THREADS) },
        params: LayerNormBwdReduceParams {
            partials: address(Some(partials)),
            grad_weight: address(grad_weight),
            grad_bias: address(grad_bias),
            width: check.width,
            row_groups: groups,
        },
    });
    Ok(Plan::new((rows, columns, reduce)))
}

/// Bytes of workspace that a backward pass with `grad_weight` or `grad_bias` needs for an input of this shape.
pub fn backward_workspace_bytes(shape: impl Into<Shape>) -> usize {
    let (rows, width) = extents(shape.into());
    usize::try_from(partial_bytes(rows, width)).unwrap_or(usize::MAX)
}

/// Bytes of the partial sums of weight and bias, for the most groups that any device makes of so many rows.
fn partial_bytes(rows: u64, width: u32) -> u64 {
    2 * rows.min(MAX_GROUPS) * u64::from(width) * size_of::<f32>() as u64
}

/// Groups of rows in the plain backward kernel, whose blocks fill a multiprocessor each: not more than the smallest card of note
/// of a compute capability has, or the last ones would run alone. Only the capability counts, so cards of one give the same bits.
const fn resident_groups(capability: ComputeCapability, _block: u32) -> u64 {
    match (capability.major, capability.minor) {
        // A100 has 108 multiprocessors, RTX 3090 and A40 have 82 and 84.
        (8, 0) => 104,
        (8, 6) => 80,
        _ => MAX_GROUPS,
    }
}

/// Mean and rstd: one f32 for each row.
fn statistics<'a>(check: &Checks<'a>, statistics: &'a StatisticsDesc) -> Result<[Arg<'a>; 2]> {
    Ok([check.row_vector("mean", &statistics.mean)?, check.row_vector("rstd", &statistics.rstd)?])
}
