//! How element-wise kernels share `[rows, width]` among blocks (kernels/common/tiles.cuh).

use crate::check::{Arg, Rows, disjoint};
use crate::device::LaunchShape;
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::TensorDesc;

/// Threads of a block, and of a row of them at most.
pub(super) const THREADS: u64 = 256;
const MAX_THREADS_PER_ROW: u64 = 32;
const MAX_GRID_Y: u64 = 65_535;
/// Times that a block without partial sums goes over its threads' rows.
const SHORT_BLOCK_PASSES: u64 = 8;
/// The longest row that tensors without gaps are cut into.
const FOLD: u64 = 4096;
/// Elements of a row, which kernels count in 32 bits.
pub(super) const MAX_WIDTH: u64 = 1 << 31;

/// Elements in 16 bytes.
pub(super) const fn lanes(dtype: DType) -> u64 {
    16 / dtype.size() as u64
}

/// How a kernel cuts `[rows, width]` into tiles. Depends on the shape and the element type alone.
pub(super) struct Tiling {
    pub(super) rows: u64,
    pub(super) width: u64,
    pub(super) threads_per_row: u64,
    pub(super) rows_per_pass: u64,
    pub(super) tile_width: u64,
}

impl Tiling {
    pub(super) fn of(rows: Rows, dtype: DType) -> Self {
        let lanes = lanes(dtype);
        let threads_per_row = rows.width.div_ceil(lanes).next_power_of_two().min(MAX_THREADS_PER_ROW);
        Self {
            rows: rows.rows as u64,
            width: rows.width,
            threads_per_row,
            rows_per_pass: THREADS / threads_per_row,
            tile_width: threads_per_row * lanes,
        }
    }

    /// Rows of a block where blocks need not be few.
    pub(super) fn short_blocks(&self) -> u64 {
        self.within_grid(SHORT_BLOCK_PASSES * self.rows_per_pass)
    }

    /// At least so many rows that the grid can hold the blocks, in whole passes.
    pub(super) fn within_grid(&self, rows: u64) -> u64 {
        rows.max(self.rows.div_ceil(MAX_GRID_Y)).next_multiple_of(self.rows_per_pass)
    }

    /// The blocks for so many rows of a block.
    pub(super) fn shape(&self, rows_per_block: u64) -> LaunchShape {
        let across = self.width.div_ceil(self.tile_width) as u32;
        let down = self.rows.div_ceil(rows_per_block) as u32;
        LaunchShape { grid: [across, down, 1], ..LaunchShape::linear(1, THREADS as u32) }
    }
}

/// A tensor with its rows.
#[derive(Clone, Copy)]
pub(super) struct Tensor<'a> {
    pub(super) arg: Arg<'a>,
    rows: Rows,
}

impl<'a> Tensor<'a> {
    /// The tensor whose shape and type the others have to have.
    pub(super) fn first(op: &'static str, name: &'static str, tensor: &'a TensorDesc) -> Result<Self> {
        let arg = Arg::new(op, name, tensor).sound()?;
        Ok(Self { arg, rows: arg.rows()? })
    }

    /// Another tensor of the same shape and type.
    pub(super) fn like(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Self> {
        let TensorDesc { shape, dtype, .. } = *self.arg.tensor;
        let arg = Arg::new(self.arg.op, name, tensor).sound()?.dtype(dtype)?.shape(shape)?;
        Ok(Self { arg, rows: arg.rows()? })
    }
}

/// Each output is exactly the memory of one of the inputs or apart from it, and apart from the other outputs. A thread reads an element of
/// every input before it writes that of any output.
pub(super) fn apart_or_in_place(outputs: &[Tensor<'_>], inputs: &[Tensor<'_>]) -> Result<()> {
    for (i, output) in outputs.iter().enumerate() {
        disjoint(&[output.arg], &[])?;
        outputs[..i].iter().try_for_each(|earlier| disjoint(&[output.arg], &[earlier.arg]))?;
        let others = inputs.iter().filter(|input| input.arg.tensor != output.arg.tensor);
        others.into_iter().try_for_each(|input| disjoint(&[output.arg], &[input.arg]))?;
    }
    Ok(())
}

/// How a kernel walks over the tensors of a call.
pub(super) struct Walk {
    pub(super) tiling: Tiling,
    pub(super) rows_per_block: u64,
    /// Whether every row of every tensor begins at a multiple of 16 bytes.
    pub(super) vectorised: bool,
    /// Whether all tensors are taken as rows of another length, which nothing lies between.
    folded: bool,
}

impl Walk {
    pub(super) fn over(tensors: &[Tensor<'_>]) -> Result<Self> {
        let Tensor { arg, mut rows } = tensors[0];
        let dtype = arg.tensor.dtype;
        let lanes = lanes(dtype);
        // Without gaps, rows can be of any length that divides the whole: of whole vectors, and not so long that each thread has only one.
        let count = rows.rows as u64 * rows.width;
        let length = FOLD.min(1 << count.trailing_zeros());
        let better = length >= FOLD / 8 || (length >= lanes && !rows.width.is_multiple_of(lanes));
        let folded = better && tensors.iter().all(|tensor| tensor.rows.is_contiguous());
        if folded {
            rows = Rows { rows: (count / length) as i64, width: length, stride: length as i64 };
        }
        if rows.width > MAX_WIDTH {
            let what = "the number of elements in a row";
            return Err(Error::IndexRange { op: arg.op, argument: arg.name, what, limit: MAX_WIDTH, got: rows.width });
        }
        let tiling = Tiling::of(rows, dtype);
        let rows_per_block = tiling.short_blocks();
        let vectorised = tensors.iter().all(|Tensor { arg, rows: own }| {
            let stride = if folded { rows.stride } else { own.stride };
            arg.tensor.address.is_multiple_of(16) && (rows.rows == 1 || (stride as u64).is_multiple_of(lanes))
        });
        Ok(Self { tiling, rows_per_block, vectorised, folded })
    }

    /// The row stride of one of the tensors.
    pub(super) fn stride(&self, tensor: Tensor<'_>) -> i64 {
        if self.folded { self.tiling.width as i64 } else { tensor.rows.stride }
    }
}
