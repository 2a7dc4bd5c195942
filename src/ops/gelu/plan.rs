//! From a description of the tensors to launches: checks, the choice of the kernel, the way that work is shared. Pure.

use super::{BACKWARD, BackwardDesc, FORWARD, ForwardDesc, kernels};
use crate::abi::{
    GELU_THREADS, GELU_VECTORS, GeluBwdGeneralParams, GeluBwdParams, GeluBwdReduceParams, GeluFwdGeneralParams,
    GeluFwdParams, GeluTiles,
};
use crate::check::{Arg, Rows, address, disjoint_present};
use crate::device::{Caps, Launch, LaunchShape, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::tiles::{MAX_WIDTH, THREADS, Tiling, lanes};
use crate::view::{Shape, TensorDesc};

/// 16-byte vectors of a block of a plain kernel.
const BLOCK_VECTORS: u64 = THREADS * GELU_VECTORS as u64;
/// Blocks along the first dimension of a grid.
const MAX_GRID_X: u64 = i32::MAX as u64;
/// Columns that one block of the reduce kernel adds up, and its threads (`ColumnSum` in common/columns.cuh).
const REDUCE_COLUMNS: u32 = 32;
const REDUCE_THREADS: u32 = 256;
/// Rows of a block from which on the partial sums of the bias's gradient are less than 0.6 % of the traffic.
const ROWS_PER_PARTIAL: u64 = 256;
/// Blocks of rows that a shorter tensor is cut into all the same, so that there is work for a whole device.
const ROW_BLOCKS: u64 = 32;

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<(Option<Launch<GeluFwdParams>>, Option<Launch<GeluFwdGeneralParams>>)>;

/// A backward pass that has been checked, ready to be launched any number of times.
pub type BackwardPlan =
    Plan<(Option<Launch<GeluBwdParams>>, Option<Launch<GeluBwdGeneralParams>>, Option<Launch<GeluBwdReduceParams>>)>;

/// Checks a forward pass and decides how it runs. GELU runs alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] the element type.
pub fn plan_forward(desc: &ForwardDesc, _caps: &Caps) -> Result<ForwardPlan> {
    let TensorDesc { shape, dtype, .. } = desc.input;
    let input = Arg::new(FORWARD, "input", &desc.input).sound()?;
    let kernels = kernels::forward(desc.form).of(FORWARD, dtype)?;
    let output = Arg::new(FORWARD, "output", &desc.output).sound()?.dtype(dtype)?.shape(shape)?;
    let (rows, output_rows) = (input.rows()?, output.rows()?);
    let bias = column_vector(FORWARD, "bias", desc.bias.as_ref(), rows.width, dtype)?;
    disjoint_present(&[Some(output)], &[Some(input), bias])?;

    if bias.is_none() && rows.is_contiguous() && output_rows.is_contiguous() {
        let flat = Flat::of(input, &[input, output])?;
        let params = GeluFwdParams {
            input: desc.input.address,
            output: desc.output.address,
            count: flat.count,
            head: flat.head,
            vectors: flat.vectors,
        };
        return Ok(Plan::new((Some(Launch { kernel: &kernels.plain, shape: flat.shape, params }), None)));
    }
    let tiling = Tiling::of(rows, dtype);
    let vectorised = starts_on_vectors(input, rows) && starts_on_vectors(output, output_rows);
    let tiles = tiling.tiles(input, tiling.short_blocks(), vectorised)?;
    let params = GeluFwdGeneralParams {
        input: desc.input.address,
        bias: address(bias),
        output: desc.output.address,
        input_stride: rows.stride,
        output_stride: output_rows.stride,
        tiles,
    };
    let shape = tiling.shape(tiles.rows_per_block as u64);
    Ok(Plan::new((None, Some(Launch { kernel: &kernels.general, shape, params }))))
}

/// Checks a backward pass and decides how it runs. GELU runs alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// Those of [`plan_forward`], and [`Error::WorkspaceTooSmall`].
pub fn plan_backward(desc: &BackwardDesc, _caps: &Caps) -> Result<BackwardPlan> {
    let TensorDesc { shape, dtype, .. } = desc.input;
    let input = Arg::new(BACKWARD, "input", &desc.input).sound()?;
    let kernels = kernels::backward(desc.form).of(BACKWARD, dtype)?;
    let grad_output = Arg::new(BACKWARD, "grad_output", &desc.grad_output).sound()?.dtype(dtype)?.shape(shape)?;
    let grad_input = Arg::new(BACKWARD, "grad_input", &desc.grad_input).sound()?.dtype(dtype)?.shape(shape)?;
    let (rows, grad_output_rows, grad_input_rows) = (input.rows()?, grad_output.rows()?, grad_input.rows()?);
    let bias = column_vector(BACKWARD, "bias", desc.bias.as_ref(), rows.width, dtype)?;
    let grad_bias = column_vector(BACKWARD, "grad_bias", desc.grad_bias.as_ref(), rows.width, dtype)?;
    let tiling = Tiling::of(rows, dtype);
    let partials = match grad_bias {
        Some(_) => Some(workspace(desc.workspace.as_ref(), tiling.partial_bytes())?),
        None => None,
    };
    disjoint_present(&[Some(grad_input), grad_bias, partials], &[Some(grad_output), Some(input), bias])?;

    let all_rows = [(grad_output, grad_output_rows), (input, rows), (grad_input, grad_input_rows)];
    if bias.is_none() && grad_bias.is_none() && all_rows.iter().all(|(_, rows)| rows.is_contiguous()) {
        let flat = Flat::of(input, &[grad_output, input, grad_input])?;
        let params = GeluBwdParams {
            grad_output: desc.grad_output.address,
            input: desc.input.address,
            grad_input: desc.grad_input.address,
            count: flat.count,
            head: flat.head,
            vectors: flat.vectors,
        };
        return Ok(Plan::new((Some(Launch { kernel: &kernels.plain, shape: flat.shape, params }), None, None)));
    }
    let rows_per_block = if grad_bias.is_some() { tiling.summing_blocks() } else { tiling.short_blocks() };
    let vectorised = all_rows.iter().all(|&(tensor, rows)| starts_on_vectors(tensor, rows));
    let tiles = tiling.tiles(input, rows_per_block, vectorised)?;
    let params = GeluBwdGeneralParams {
        grad_output: desc.grad_output.address,
        input: desc.input.address,
        bias: address(bias),
        grad_input: desc.grad_input.address,
        partials: address(partials),
        grad_output_stride: grad_output_rows.stride,
        input_stride: rows.stride,
        grad_input_stride: grad_input_rows.stride,
        tiles,
    };
    let shape = tiling.shape(tiles.rows_per_block as u64);
    let main = Launch { kernel: &kernels.general, shape, params };
    let reduce = grad_bias.map(|grad_bias| Launch {
        kernel: &kernels.reduce,
        shape: LaunchShape::linear(tiles.width.div_ceil(REDUCE_COLUMNS), REDUCE_THREADS),
        params: GeluBwdReduceParams {
            partials: params.partials,
            grad_bias: grad_bias.tensor.address,
            row_blocks: shape.grid[1],
            width: tiles.width,
        },
    });
    Ok(Plan::new((None, Some(main), reduce)))
}

/// Bytes of workspace that a backward pass with `grad_bias` needs for an input of this shape and element type.
pub fn backward_workspace_bytes(shape: impl Into<Shape>, dtype: DType) -> usize {
    let shape = shape.into();
    let width = shape.last().map_or(1, |&width| width as u64);
    let rows = shape.iter().rev().skip(1).fold(1_u64, |rows, &n| rows.saturating_mul(n as u64));
    if rows == 0 || width == 0 {
        return 0;
    }
    let bytes = Tiling::of(Rows { rows: rows as i64, width, stride: 0 }, dtype).partial_bytes();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A tensor with one element for each column, if there is one.
fn column_vector<'a>(
    op: &'static str,
    name: &'static str,
    tensor: Option<&'a TensorDesc>,
    width: u64,
    dtype: DType,
) -> Result<Option<Arg<'a>>> {
    let check = |tensor| Arg::new(op, name, tensor).sound()?.dtype(dtype)?.shape([width as usize])?.contiguous();
    tensor.map(check).transpose()
}

fn workspace(tensor: Option<&TensorDesc>, required: u64) -> Result<Arg<'_>> {
    let tensor = tensor.ok_or(Error::WorkspaceTooSmall { op: BACKWARD, required, got: 0 })?;
    Arg::new(BACKWARD, "workspace", tensor).sound()?.dtype(DType::U8)?.workspace(required)
}

/// Whether every row begins at a multiple of 16 bytes.
fn starts_on_vectors(tensor: Arg<'_>, rows: Rows) -> bool {
    let lanes = lanes(tensor.tensor.dtype) as i64;
    tensor.tensor.address.is_multiple_of(16) && (rows.rows == 1 || rows.stride % lanes == 0)
}

/// How a plain kernel goes over tensors without gaps: a head up to the first 16-byte boundary, vectors, the rest.
struct Flat {
    count: u64,
    head: u64,
    vectors: u64,
    shape: LaunchShape,
}

impl Flat {
    /// For tensors of the shape and the element type of `input`.
    fn of(input: Arg<'_>, tensors: &[Arg<'_>]) -> Result<Self> {
        let TensorDesc { address, shape, dtype, .. } = *input.tensor;
        let (count, lanes) = (shape.elements() as u64, lanes(dtype));
        let misalignment = address % 16;
        let (head, vectors) = if tensors.iter().all(|other| other.tensor.address % 16 == misalignment) {
            let head = ((16 - misalignment) % 16 / dtype.size() as u64).min(count);
            (head, (count - head) / lanes)
        } else {
            (0, 0)
        };
        let limit = MAX_GRID_X * BLOCK_VECTORS * lanes;
        input.elements_at_most(limit)?;
        // Elements outside of vectors are shared by all threads in turns: as many blocks as vectors would need will do.
        let blocks = count.div_ceil(BLOCK_VECTORS * lanes);
        Ok(Self { count, head, vectors, shape: LaunchShape::linear(blocks as u32, GELU_THREADS) })
    }
}

impl Tiling {
    /// Rows of a block where each writes partial sums.
    fn summing_blocks(&self) -> u64 {
        let least = self.rows_per_pass;
        self.within_grid(self.rows.div_ceil(ROW_BLOCKS).clamp(least, ROWS_PER_PARTIAL.max(least)))
    }

    fn partial_bytes(&self) -> u64 {
        let blocks = self.rows.div_ceil(self.summing_blocks());
        blocks.saturating_mul(self.width).saturating_mul(size_of::<f32>() as u64)
    }

    fn tiles(&self, input: Arg<'_>, rows_per_block: u64, vectorised: bool) -> Result<GeluTiles> {
        let columns = input.tensor.shape.len().saturating_sub(1);
        input.extent_at_most(columns, "the number of elements in a row", MAX_WIDTH)?;
        Ok(GeluTiles {
            rows: self.rows as i64,
            rows_per_block: rows_per_block as i64,
            width: self.width as u32,
            threads_per_row: self.threads_per_row as u32,
            vectorised: vectorised.into(),
            reserved: 0,
        })
    }
}
