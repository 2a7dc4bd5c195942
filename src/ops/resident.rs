//! How rows that stay on chip between two passes are dealt out to threads (kernels/common/resident.cuh).

use super::rows::{STATIC_SHARED, VECTOR};
use crate::device::{Caps, LaunchShape};
use crate::element::DType;

const WARP: u32 = 32;
/// Threads of a block whose teams are a warp or less.
const SMALL_TEAM_BLOCK: u32 = 256;
/// Bytes of the smallest contiguous piece that is worth a row of its own threads: a cache line.
const LINE: u32 = 128;

/// The bounds of a kernel.
pub(super) struct Bounds {
    /// 16-byte vectors of each row that a thread holds in registers.
    pub(super) vectors: u32,
    /// Most threads of a block.
    pub(super) threads: u32,
    /// Rows that stay on chip together.
    pub(super) arrays: u32,
}

/// How the threads of a block are dealt out to rows, and a row to a team's threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident {
    pub(super) threads: u32,
    pub(super) block: u32,
    pub(super) batches: u32,
    pub(super) shared_vectors: u32,
    arrays: u32,
}

impl Resident {
    /// Up to a warp for a row, with several rows in a block, or a block for a row: as few threads as hold the row in their registers, but
    /// not so few that they read less than a cache line at once.
    pub(super) fn of(width: u32, dtype: DType, bounds: &Bounds, caps: &Caps) -> Self {
        let &Bounds { vectors: held, threads: most, arrays } = bounds;
        let lanes = VECTOR / dtype.size() as u32;
        let vectors = width.div_ceil(lanes);
        let small = vectors.div_ceil(held).max(vectors.min(LINE / VECTOR));
        // One thread for each element outside of whole vectors.
        let small = small.max(2 * (lanes - 1)).next_power_of_two();
        if small <= WARP {
            return Self { threads: small, block: SMALL_TEAM_BLOCK, batches: 1, shared_vectors: 0, arrays };
        }
        let threads = vectors.div_ceil(held).next_multiple_of(WARP).min(most);
        let each = vectors.div_ceil(threads);
        let room = caps.shared_memory_per_block.saturating_sub(STATIC_SHARED) / (arrays * threads * VECTOR);
        let shared_vectors = each.saturating_sub(held).min(room);
        let batches = (each - shared_vectors).div_ceil(held);
        Self { threads, block: threads, batches, shared_vectors, arrays }
    }

    /// A team for each row.
    pub(super) fn shape(&self, rows: u64) -> LaunchShape {
        let blocks = rows.div_ceil((self.block / self.threads).into());
        let shared = self.arrays * self.shared_vectors * self.block * VECTOR;
        LaunchShape::linear(blocks as u32, self.block).with_dynamic_shared(shared)
    }
}
