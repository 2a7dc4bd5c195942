//! How element-wise kernels share `[rows, width]` among blocks (kernels/common/tiles.cuh).

use crate::check::Rows;
use crate::device::LaunchShape;
use crate::element::DType;

/// Threads of a block, and of a row of them at most.
pub(super) const THREADS: u64 = 256;
const MAX_THREADS_PER_ROW: u64 = 32;
const MAX_GRID_Y: u64 = 65_535;
/// Times that a block without partial sums goes over its threads' rows.
const SHORT_BLOCK_PASSES: u64 = 8;
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
