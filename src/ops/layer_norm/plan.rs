//! From a description of the tensors to launches: checks, the choice of the kernel, the way that work is shared. Pure.

use super::kernels::{Backward, Forward};
use super::{BACKWARD, BackwardDesc, FORWARD, ForwardDesc, MAX_WIDTH, ResidualDesc, StatisticsDesc};
use crate::abi::{
    LAYER_NORM_BWD_STAGES, LAYER_NORM_BWD_THREADS, LAYER_NORM_COLUMNS_THREADS, LAYER_NORM_FWD_THREADS,
    LAYER_NORM_GENERAL_THREADS, LAYER_NORM_REDUCE_COLUMNS, LAYER_NORM_REDUCE_THREADS, LAYER_NORM_VECTORS,
    LayerNormBwdParams, LayerNormBwdReduceParams, LayerNormFwdParams,
};
use crate::check::{Arg, Rows, disjoint};
use crate::device::{Caps, ComputeCapability, Launch, LaunchShape, Queue};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::{Shape, TensorDesc};

/// Bytes of the widest access.
const VECTOR: u32 = 16;
const WARP: u32 = 32;
/// Threads of a block whose teams are a warp or less.
const SMALL_TEAM_BLOCK: u32 = 256;
/// Threads of a plain forward kernel that a multiprocessor holds at once, by their registers.
const FWD_RESIDENT_THREADS: u32 = 512;
/// Bytes of the smallest contiguous piece that is worth a row of its own threads: a cache line.
const LINE: u32 = 128;
/// The most groups of rows of the backward pass.
const MAX_GROUPS: u64 = 128;
/// What the kernels with rows in dynamic shared memory have there besides, for sums over the warps of a block, rounded up.
const STATIC_SHARED: u32 = 1024;
/// Dynamic shared memory of the plain backward kernel: two tensors' vectors for each thread and stage.
const BWD_SHARED: u32 = LAYER_NORM_BWD_STAGES * 2 * LAYER_NORM_VECTORS * LAYER_NORM_BWD_THREADS * VECTOR;
const MAX_GRID: u64 = i32::MAX as u64;

/// A forward pass that has been checked, ready to be launched any number of times.
#[derive(Clone, Copy, Debug)]
pub struct ForwardPlan(Launch<LayerNormFwdParams>);

/// A backward pass that has been checked, ready to be launched any number of times.
#[derive(Clone, Copy, Debug)]
pub struct BackwardPlan {
    rows: Launch<LayerNormBwdParams>,
    columns: Option<Launch<LayerNormBwdParams>>,
    reduce: Option<Launch<LayerNormBwdReduceParams>>,
}

impl ForwardPlan {
    /// Queues the launch.
    ///
    /// # Safety
    /// The memory that the description named is alive until the launch has run, and nothing else touches it in a
    /// conflicting way meanwhile.
    ///
    /// # Errors
    /// Those of loading and launching a kernel.
    pub unsafe fn launch(&self, queue: &impl Queue) -> Result<()> {
        // SAFETY: the plan keeps the kernel inside the tensors, whose memory is the caller's promise.
        unsafe { self.0.queue(queue) }
    }

    /// Loads the kernel ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        queue.preload(self.0.kernel)
    }

    /// The kernel that was chosen.
    pub fn kernel(&self) -> &'static str {
        self.0.kernel.name()
    }
}

impl BackwardPlan {
    /// Queues the launches.
    ///
    /// # Safety
    /// The memory that the description named is alive until the launches have run, and nothing else touches it in a
    /// conflicting way meanwhile.
    ///
    /// # Errors
    /// Those of loading and launching a kernel.
    pub unsafe fn launch(&self, queue: &impl Queue) -> Result<()> {
        // Where one of the kernels cannot be loaded, none of them is queued.
        self.preload(queue)?;
        // SAFETY: the plan keeps the kernels inside the tensors, whose memory is the caller's promise; the stream runs them in
        // this order, so that the partial sums are there when they are read.
        unsafe {
            self.rows.queue(queue)?;
            self.columns.iter().try_for_each(|launch| launch.queue(queue))?;
            self.reduce.iter().try_for_each(|launch| launch.queue(queue))
        }
    }

    /// Loads the kernels ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        queue.preload(self.rows.kernel)?;
        self.columns.iter().try_for_each(|launch| queue.preload(launch.kernel))?;
        self.reduce.iter().try_for_each(|launch| queue.preload(launch.kernel))
    }

    /// The kernel that was chosen for the rows.
    pub fn kernel(&self) -> &'static str {
        self.rows.kernel.name()
    }
}

/// Checks a forward pass and decides how it runs.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] the element type or the epsilon.
pub fn plan_forward(desc: &ForwardDesc, caps: &Caps) -> Result<ForwardPlan> {
    let check = Checks::of(FORWARD, &desc.input)?;
    let kernels = Forward::of(check.dtype).ok_or_else(|| unsupported(FORWARD, check.dtype))?;
    if !(desc.epsilon.is_finite() && desc.epsilon >= 0.0) {
        let what = format!("an epsilon of {}", desc.epsilon);
        return Err(Error::Unsupported { op: FORWARD, what, supported: "finite ones that are not negative" });
    }
    let (residual, sum) = match &desc.residual {
        Some(ResidualDesc { residual, sum }) => {
            (Some(check.matrix("residual", residual)?), Some(check.matrix("sum", sum)?))
        }
        None => (None, None),
    };
    let weight = desc.weight.as_ref().map(|tensor| check.column_vector("weight", tensor)).transpose()?;
    let bias = desc.bias.as_ref().map(|tensor| check.column_vector("bias", tensor)).transpose()?;
    let output = check.matrix("output", &desc.output)?;
    let statistics = desc.statistics.as_ref().map(|statistics| check.statistics(statistics)).transpose()?;

    let input = check.input;
    let inputs = [input.arg, residual.unwrap_or(input).arg, weight.unwrap_or(input.arg), bias.unwrap_or(input.arg)];
    let mut outputs = [output.arg; 4];
    let mut count = 1;
    for output in sum.map(|sum| sum.arg).into_iter().chain(statistics.into_iter().flatten()) {
        outputs[count] = output;
        count += 1;
    }
    disjoint(&outputs[..count], &inputs)?;

    let matrices = [Some(input), residual, sum, Some(output)];
    let aligned = starts_on_vectors(&matrices, &[weight, bias]);
    let mut params = LayerNormFwdParams {
        input: desc.input.address,
        residual: matrix_address(residual),
        weight: address(weight),
        bias: address(bias),
        output: desc.output.address,
        sum: matrix_address(sum),
        mean: address(statistics.map(|[mean, _]| mean)),
        rstd: address(statistics.map(|[_, rstd]| rstd)),
        input_stride: input.rows.stride,
        residual_stride: stride(residual),
        output_stride: output.rows.stride,
        sum_stride: stride(sum),
        rows: check.rows as i64,
        width: check.width,
        threads_per_row: 0,
        inverse_width: 1.0 / check.width as f32,
        epsilon: desc.epsilon,
        shared_vectors: 0,
        reserved: 0,
    };
    let (kernel, shape) = match check.whole_vectors(aligned) {
        Some(vectors) if vectors <= LAYER_NORM_FWD_THREADS * LAYER_NORM_VECTORS => {
            let teams = Teams::of_row(vectors, LAYER_NORM_FWD_THREADS);
            params.threads_per_row = teams.threads;
            // Blocks keep weight and bias in registers and walk over the rows, so there are as many as run at once.
            let resident = caps.multiprocessors * (FWD_RESIDENT_THREADS / teams.block);
            (&kernels.plain, LaunchShape::linear(teams.blocks(check.rows).min(resident.max(1)), teams.block))
        }
        _ => {
            let vectors = check.cut_vectors();
            let teams = Teams::of_row(vectors, LAYER_NORM_GENERAL_THREADS);
            params.threads_per_row = teams.threads;
            params.shared_vectors = shared_vectors(vectors, &teams, 1, caps);
            (&kernels.general, teams.general_shape(check.rows, params.shared_vectors))
        }
    };
    Ok(ForwardPlan(Launch { kernel, shape, params }))
}

/// Checks a backward pass and decides how it runs.
///
/// # Errors
/// Those of [`plan_forward`], and [`Error::WorkspaceTooSmall`].
pub fn plan_backward(desc: &BackwardDesc, caps: &Caps) -> Result<BackwardPlan> {
    let check = Checks::of(BACKWARD, &desc.input)?;
    let kernels = Backward::of(check.dtype).ok_or_else(|| unsupported(BACKWARD, check.dtype))?;
    let input = check.input;
    let grad_output = check.matrix("grad_output", &desc.grad_output)?;
    let weight = desc.weight.as_ref().map(|tensor| check.column_vector("weight", tensor)).transpose()?;
    let [mean, rstd] = check.statistics(&desc.statistics)?;
    let grad_sum = desc.grad_sum.as_ref().map(|tensor| check.matrix("grad_sum", tensor)).transpose()?;
    let grad_input = check.matrix("grad_input", &desc.grad_input)?;
    let grad_weight = desc.grad_weight.as_ref().map(|tensor| check.column_vector("grad_weight", tensor)).transpose()?;
    let grad_bias = desc.grad_bias.as_ref().map(|tensor| check.column_vector("grad_bias", tensor)).transpose()?;
    let partials = match grad_weight.or(grad_bias) {
        Some(_) => Some(workspace(desc.workspace.as_ref(), partial_bytes(check.rows, check.width))?),
        None => None,
    };

    let inputs = [grad_output.arg, input.arg, weight.unwrap_or(input.arg), mean, rstd, grad_sum.unwrap_or(input).arg];
    let mut outputs = [grad_input.arg; 4];
    let mut count = 1;
    for output in [grad_weight, grad_bias, partials].into_iter().flatten() {
        outputs[count] = output;
        count += 1;
    }
    disjoint(&outputs[..count], &inputs)?;

    let mut params = LayerNormBwdParams {
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
        rows_per_group: 0,
        width: check.width,
        threads_per_row: 0,
        inverse_width: 1.0 / check.width as f32,
        shared_vectors: 0,
    };
    let matrices = [Some(input), Some(grad_output), grad_sum, Some(grad_input)];
    let aligned = starts_on_vectors(&matrices, &[weight]);
    let (rows, columns, groups) = match check.whole_vectors(aligned) {
        Some(vectors)
            if vectors <= LAYER_NORM_BWD_THREADS * LAYER_NORM_VECTORS
                && BWD_SHARED + STATIC_SHARED <= caps.shared_memory_per_block =>
        {
            let teams = Teams::cut(Teams::least_threads(vectors), LAYER_NORM_BWD_THREADS);
            let groups = Groups::of(check.rows, &teams, resident_groups(caps.compute_capability));
            params.threads_per_row = teams.threads;
            params.rows_per_group = groups.rows as i64;
            let shape = LaunchShape::linear(groups.count, teams.block).with_dynamic_shared(BWD_SHARED);
            (Launch { kernel: &kernels.plain, shape, params }, None, groups.count)
        }
        _ => {
            let vectors = check.cut_vectors();
            let row_teams = Teams::of_row(vectors, LAYER_NORM_GENERAL_THREADS);
            let column_teams = Teams::cut(
                check.width.div_ceil(check.lanes()).next_power_of_two().min(LAYER_NORM_COLUMNS_THREADS),
                LAYER_NORM_COLUMNS_THREADS,
            );
            let groups = Groups::of(check.rows, &column_teams, MAX_GROUPS);
            params.rows_per_group = groups.rows as i64;
            params.threads_per_row = row_teams.threads;
            params.shared_vectors = shared_vectors(vectors, &row_teams, 2, caps);
            let rows = Launch {
                kernel: &kernels.dx,
                shape: row_teams.general_shape(check.rows, 2 * params.shared_vectors),
                params,
            };
            params.threads_per_row = column_teams.threads;
            let tiles = check.width.div_ceil(column_teams.threads * check.lanes());
            let shape = LaunchShape { grid: [groups.count, tiles, 1], ..LaunchShape::linear(1, column_teams.block) };
            let columns = partials.map(|_| Launch { kernel: &kernels.columns, shape, params });
            (rows, columns, groups.count)
        }
    };
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
    Ok(BackwardPlan { rows, columns, reduce })
}

/// Bytes of workspace that a backward pass with `grad_weight` or `grad_bias` needs for an input of this shape.
pub fn backward_workspace_bytes(shape: impl Into<Shape>) -> usize {
    let shape = shape.into();
    let width = shape.last().map_or(1, |&width| u32::try_from(width).unwrap_or(u32::MAX));
    let rows = shape.iter().rev().skip(1).fold(1_u64, |rows, &n| rows.saturating_mul(n as u64));
    usize::try_from(partial_bytes(rows, width)).unwrap_or(usize::MAX)
}

/// Bytes of the partial sums of weight and bias, for the most groups that any device makes of so many rows.
fn partial_bytes(rows: u64, width: u32) -> u64 {
    2 * rows.min(MAX_GROUPS) * u64::from(width) * size_of::<f32>() as u64
}

/// Groups of rows in the plain backward kernel, whose blocks fill a multiprocessor each: not more than the smallest card of note
/// of a compute capability has, or the last ones would run alone. Only the capability counts, so cards of one give the same bits.
const fn resident_groups(capability: ComputeCapability) -> u64 {
    match (capability.major, capability.minor) {
        // A100 has 108 multiprocessors, RTX 3090 and A40 have 82 and 84.
        (8, 0) => 104,
        (8, 6) => 80,
        _ => MAX_GROUPS,
    }
}

/// A tensor of rows with its name.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    arg: Arg<'a>,
    rows: Rows,
}

/// What all tensors of a call have to agree on, after the input was checked.
struct Checks<'a> {
    op: &'static str,
    input: Matrix<'a>,
    shape: Shape,
    dtype: DType,
    rows: u64,
    width: u32,
}

impl<'a> Checks<'a> {
    fn of(op: &'static str, input: &'a TensorDesc) -> Result<Self> {
        let TensorDesc { shape, dtype, .. } = *input;
        let arg = Arg::new(op, "input", input).sound()?;
        let rows = arg.rows()?;
        let range = |what, limit, got| Err(Error::IndexRange { op, argument: "input", what, limit, got });
        if rows.width > MAX_WIDTH as u64 {
            return range("the width", MAX_WIDTH as u64, rows.width);
        }
        if rows.rows as u64 > u32::MAX.into() {
            return range("the number of rows", u32::MAX.into(), rows.rows as u64);
        }
        let input = Matrix { arg, rows };
        Ok(Self { op, input, shape, dtype, rows: rows.rows as u64, width: rows.width as u32 })
    }

    /// A tensor of the shape and type of the input.
    fn matrix(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Matrix<'a>> {
        let arg = Arg::new(self.op, name, tensor).sound()?.dtype(self.dtype)?.shape(self.shape)?;
        Ok(Matrix { arg, rows: arg.rows()? })
    }

    /// A tensor with one element for each column.
    fn column_vector(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Arg<'a>> {
        Arg::new(self.op, name, tensor).sound()?.dtype(self.dtype)?.shape([self.width as usize])?.contiguous()
    }

    /// Mean and rstd: one f32 for each row.
    fn statistics(&self, statistics: &'a StatisticsDesc) -> Result<[Arg<'a>; 2]> {
        let leading = &self.shape[..self.shape.len().saturating_sub(1)];
        let of = |name, tensor| {
            let shape = Shape::try_from(leading)?;
            Arg::new(self.op, name, tensor).sound()?.dtype(DType::F32)?.shape(shape)?.contiguous()
        };
        Ok([of("mean", &statistics.mean)?, of("rstd", &statistics.rstd)?])
    }

    fn lanes(&self) -> u32 {
        VECTOR / self.dtype.size() as u32
    }

    /// The vectors of a row, where each row of each tensor is made of whole ones.
    fn whole_vectors(&self, aligned: bool) -> Option<u32> {
        (aligned && self.width.is_multiple_of(self.lanes())).then(|| self.width / self.lanes())
    }

    /// The most vectors that a row is cut into, wherever it starts.
    fn cut_vectors(&self) -> u32 {
        (self.width + self.lanes() - 1).div_ceil(self.lanes())
    }
}

/// How the threads of a block are dealt out to rows.
struct Teams {
    threads: u32,
    block: u32,
    count: u32,
}

impl Teams {
    fn cut(threads: u32, block: u32) -> Self {
        Self { threads, block, count: block / threads }
    }

    /// A power of two of threads for a row of so many vectors: as few as hold it in their registers, but not so few that they
    /// read less than a cache line at once.
    fn least_threads(vectors: u32) -> u32 {
        let threads = vectors.div_ceil(LAYER_NORM_VECTORS).next_power_of_two();
        threads.max(vectors.next_power_of_two().min(LINE / VECTOR))
    }

    /// Up to a warp for a row, with several rows in a block; or whole warps up to `most` threads, a block for a row.
    fn of_row(vectors: u32, most: u32) -> Self {
        let threads = Self::least_threads(vectors);
        if threads <= WARP {
            return Self::cut(threads, SMALL_TEAM_BLOCK);
        }
        let threads = vectors.div_ceil(LAYER_NORM_VECTORS).next_multiple_of(WARP).min(most);
        Self::cut(threads, threads)
    }

    /// Blocks that give each row a team of its own, as far as a grid goes.
    fn blocks(&self, rows: u64) -> u32 {
        rows.div_ceil(self.count.into()).min(MAX_GRID) as u32
    }

    fn general_shape(&self, rows: u64, shared_vectors: u32) -> LaunchShape {
        let shared = shared_vectors * self.block * VECTOR;
        LaunchShape::linear(self.blocks(rows), self.block).with_dynamic_shared(shared)
    }
}

/// Groups of neighbouring rows, one for each block that sums over rows.
struct Groups {
    rows: u64,
    count: u32,
}

impl Groups {
    /// At most `most` groups, of as many rows as keep all teams of a block busy.
    fn of(rows: u64, teams: &Teams, most: u64) -> Self {
        let in_group = rows.div_ceil(most).next_multiple_of(teams.count.into());
        Self { rows: in_group, count: rows.div_ceil(in_group) as u32 }
    }
}

/// Vectors of each of `tensors` rows that a thread keeps in shared memory, after those in its registers.
fn shared_vectors(vectors: u32, teams: &Teams, tensors: u32, caps: &Caps) -> u32 {
    let beyond = vectors.div_ceil(teams.threads).saturating_sub(LAYER_NORM_VECTORS);
    beyond.min(caps.shared_memory_per_block.saturating_sub(STATIC_SHARED) / (tensors * teams.block * VECTOR))
}

/// Whether every row of every matrix begins at a multiple of 16 bytes, and so do the vectors.
fn starts_on_vectors(matrices: &[Option<Matrix<'_>>], vectors: &[Option<Arg<'_>>]) -> bool {
    let vector = u64::from(VECTOR);
    let on_vector = |tensor: &TensorDesc| tensor.address.is_multiple_of(vector);
    matrices.iter().flatten().all(|Matrix { arg, rows }| {
        let step = rows.stride as u64 * arg.tensor.dtype.size() as u64;
        on_vector(arg.tensor) && (rows.rows == 1 || step.is_multiple_of(vector))
    }) && vectors.iter().flatten().all(|arg| on_vector(arg.tensor))
}

fn workspace(tensor: Option<&TensorDesc>, required: u64) -> Result<Arg<'_>> {
    let tensor = tensor.ok_or(Error::WorkspaceTooSmall { op: BACKWARD, required, got: 0 })?;
    Arg::new(BACKWARD, "workspace", tensor).sound()?.dtype(DType::U8)?.workspace(required)
}

fn unsupported(op: &'static str, dtype: DType) -> Error {
    Error::Unsupported { op, what: format!("a tensor of {dtype}"), supported: "f32, f16 and bf16" }
}

/// The address of an optional tensor as kernels take it: 0 where there is none.
fn address(tensor: Option<Arg<'_>>) -> u64 {
    tensor.map_or(0, |tensor| tensor.tensor.address)
}

fn matrix_address(matrix: Option<Matrix<'_>>) -> u64 {
    address(matrix.map(|matrix| matrix.arg))
}

fn stride(matrix: Option<Matrix<'_>>) -> i64 {
    matrix.map_or(0, |matrix| matrix.rows.stride)
}
