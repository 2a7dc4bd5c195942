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
use crate::ops::rows::{
    Checks, Groups, STATIC_SHARED, Teams, VECTOR, arg, matrix_address, shared_vectors, starts_on_vectors, stride,
};
use crate::view::Shape;

/// Threads of a plain forward kernel that a multiprocessor holds at once, by their registers.
const FWD_RESIDENT_THREADS: u32 = 512;
/// Threads of a plain backward kernel for rows that they can hold. A multiprocessor has room for two such blocks, or for one of
/// `RMS_NORM_BWD_THREADS`.
const BWD_NARROW_THREADS: u32 = 256;
/// The most groups of rows of the backward pass.
const MAX_GROUPS: u64 = 256;
/// The same where a block sums a tile of the columns.
const MAX_COLUMN_GROUPS: u64 = 128;

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

    let mut params = RmsNormFwdParams {
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
        threads_per_row: 0,
        inverse_width: 1.0 / check.width as f32,
        epsilon,
        weight_offset: weight_offset(desc.casting, weight),
        rounds_normalised: (desc.casting == Casting::Llama).into(),
        shared_vectors: 0,
        reserved: 0,
    };
    let aligned = starts_on_vectors(&[Some(input), residual, sum, Some(output)], &[weight]);
    let (kernel, shape) = match check.whole_vectors(aligned) {
        Some(vectors) if vectors <= RMS_NORM_FWD_THREADS * RMS_NORM_VECTORS => {
            let teams = Teams::of_row(vectors, RMS_NORM_VECTORS, RMS_NORM_FWD_THREADS);
            params.threads_per_row = teams.threads;
            // Blocks keep the weight in registers and walk over the rows, so there are as many as run at once.
            let resident = caps.multiprocessors * (FWD_RESIDENT_THREADS / teams.block);
            (&kernels.plain, LaunchShape::linear(teams.blocks(check.rows).min(resident.max(1)), teams.block))
        }
        _ => {
            let vectors = check.cut_vectors();
            let teams = Teams::of_row(vectors, RMS_NORM_VECTORS, RMS_NORM_GENERAL_THREADS);
            params.threads_per_row = teams.threads;
            params.shared_vectors = shared_vectors(vectors, RMS_NORM_VECTORS, &teams, 1, caps);
            (&kernels.general, teams.general_shape(check.rows, params.shared_vectors))
        }
    };
    Ok(Plan::new(Launch { kernel, shape, params }))
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

    let mut params = RmsNormBwdParams {
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
        rows_per_group: 0,
        width: check.width,
        threads_per_row: 0,
        inverse_width: 1.0 / check.width as f32,
        weight_offset: weight_offset(desc.casting, weight),
        shared_vectors: 0,
        reserved: 0,
    };
    let aligned = starts_on_vectors(&[Some(input), Some(grad_output), grad_sum, Some(grad_input)], &[weight]);
    let plain =
        check.whole_vectors(aligned).and_then(|vectors| plain_block(vectors, caps).map(|block| (vectors, block)));
    let (rows, columns, groups) = if let Some((vectors, block)) = plain {
        let teams = Teams::cut(Teams::least_threads(vectors, RMS_NORM_VECTORS), block);
        let groups = Groups::of(check.rows, &teams, resident_groups(caps.compute_capability, block));
        params.threads_per_row = teams.threads;
        params.rows_per_group = groups.rows as i64;
        let shape = LaunchShape::linear(groups.count, teams.block).with_dynamic_shared(plain_shared(block));
        (Launch { kernel: &kernels.plain, shape, params }, None, groups.count)
    } else {
        let vectors = check.cut_vectors();
        let row_teams = Teams::of_row(vectors, RMS_NORM_VECTORS, RMS_NORM_GENERAL_THREADS);
        let column_teams = Teams::cut(
            check.width.div_ceil(check.lanes()).next_power_of_two().min(RMS_NORM_COLUMNS_THREADS),
            RMS_NORM_COLUMNS_THREADS,
        );
        let groups = Groups::of(check.rows, &column_teams, MAX_COLUMN_GROUPS);
        params.rows_per_group = groups.rows as i64;
        params.threads_per_row = row_teams.threads;
        params.shared_vectors = shared_vectors(vectors, RMS_NORM_VECTORS, &row_teams, 2, caps);
        let shape = row_teams.general_shape(check.rows, 2 * params.shared_vectors);
        let rows = Launch { kernel: &kernels.dx, shape, params };
        params.threads_per_row = column_teams.threads;
        let tiles = check.width.div_ceil(column_teams.threads * check.lanes());
        let shape = LaunchShape { grid: [groups.count, tiles, 1], ..LaunchShape::linear(1, column_teams.block) };
        let columns = partials.map(|_| Launch { kernel: &kernels.columns, shape, params });
        (rows, columns, groups.count)
    };
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
    let shape = shape.into();
    let width = shape.last().map_or(1, |&width| u32::try_from(width).unwrap_or(u32::MAX));
    let rows = shape.iter().rev().skip(1).fold(1_u64, |rows, &n| rows.saturating_mul(n as u64));
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

/// Dynamic shared memory of the plain backward kernel: two tensors' vectors for each thread and stage.
const fn plain_shared(block: u32) -> u32 {
    RMS_NORM_BWD_STAGES * 2 * RMS_NORM_VECTORS * block * VECTOR
}

/// Threads of a block of the plain backward kernel for rows of so many vectors, where it can take them.
fn plain_block(vectors: u32, caps: &Caps) -> Option<u32> {
    let block =
        if vectors <= BWD_NARROW_THREADS * RMS_NORM_VECTORS { BWD_NARROW_THREADS } else { RMS_NORM_BWD_THREADS };
    let fits = plain_shared(block) + STATIC_SHARED <= caps.shared_memory_per_block;
    (vectors <= block * RMS_NORM_VECTORS && fits).then_some(block)
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
