//! What layer norm and RMS norm share: which of their kernels take a call, and how rows are dealt out to blocks.

use super::rows::{Checks, Groups, STATIC_SHARED, Teams, VECTOR, shared_vectors};
use crate::device::{Caps, ComputeCapability, Kernel, Launch, LaunchShape, Params};
use crate::view::Shape;

/// Threads of a plain forward kernel that a multiprocessor holds at once, by their registers.
const RESIDENT_THREADS: u32 = 512;

/// The forward kernels of one element type.
pub(super) struct Forward<P: 'static> {
    /// For rows that start at multiples of 16 bytes and fit the registers of a block.
    pub(super) plain: Kernel<P>,
    /// For all others.
    pub(super) general: Kernel<P>,
}

/// The backward kernels of one element type.
pub(super) struct Backward<P: 'static, R: 'static> {
    /// For rows that start at multiples of 16 bytes and whose columns fit the registers of a block.
    pub(super) plain: Kernel<P>,
    /// For all others: the gradient of the input.
    pub(super) dx: Kernel<P>,
    /// For all others: the first stage of the gradients of weight and bias.
    pub(super) columns: Kernel<P>,
    /// The second stage.
    pub(super) reduce: Kernel<R>,
}

/// What forward kernels are made for.
pub(super) struct ForwardSizes {
    /// 16-byte vectors of a row that a thread holds in registers.
    pub(super) vectors: u32,
    /// Most threads of a block of the plain kernel.
    pub(super) plain: u32,
    /// Most threads of a block of the general kernel.
    pub(super) general: u32,
}

/// What decides how a row is read.
#[derive(Clone, Copy)]
pub(super) struct RowSplit {
    pub(super) threads_per_row: u32,
    pub(super) rows_per_group: i64,
    pub(super) shared_vectors: u32,
}

impl<P: Params> Forward<P> {
    /// The launch: `params` makes the argument from how rows are split.
    pub(super) fn launch(
        &'static self,
        check: &Checks<'_>,
        aligned: bool,
        sizes: &ForwardSizes,
        caps: &Caps,
        params: impl FnOnce(RowSplit) -> P,
    ) -> Launch<P> {
        let split = |teams: &Teams, shared_vectors| RowSplit {
            threads_per_row: teams.threads,
            rows_per_group: 0,
            shared_vectors,
        };
        match check.whole_vectors(aligned) {
            Some(vectors) if vectors <= sizes.plain * sizes.vectors => {
                let teams = Teams::of_row(vectors, sizes.vectors, sizes.plain);
                // Blocks keep weight and bias in registers and walk over the rows, so there are as many as run at once.
                let resident = caps.multiprocessors * (RESIDENT_THREADS / teams.block);
                let shape = LaunchShape::linear(teams.blocks(check.rows).min(resident.max(1)), teams.block);
                Launch { kernel: &self.plain, shape, params: params(split(&teams, 0)) }
            }
            _ => {
                let vectors = check.cut_vectors();
                let teams = Teams::of_row(vectors, sizes.vectors, sizes.general);
                let shared_vectors = shared_vectors(vectors, sizes.vectors, &teams, 1, caps);
                let shape = teams.general_shape(check.rows, shared_vectors);
                Launch { kernel: &self.general, shape, params: params(split(&teams, shared_vectors)) }
            }
        }
    }
}

/// What backward kernels are made for.
pub(super) struct BackwardSizes {
    /// 16-byte vectors of a row that a thread holds in registers.
    pub(super) vectors: u32,
    /// Stages of two rows each in the shared memory of the plain kernel.
    pub(super) stages: u32,
    /// Threads of a block of the plain kernel, the fewest first.
    pub(super) plain: &'static [u32],
    /// The most groups of rows of the plain kernel for such a block.
    pub(super) groups: fn(ComputeCapability, u32) -> u64,
    /// Most threads of a block of the general kernel.
    pub(super) general: u32,
    /// Threads of a block of the column kernel.
    pub(super) columns: u32,
    /// The most groups of rows of the column kernel.
    pub(super) column_groups: u64,
}

/// The launches of a backward pass but for the reduction over its groups of rows.
pub(super) struct BackwardLaunches<P: 'static> {
    pub(super) rows: Launch<P>,
    pub(super) columns: Option<Launch<P>>,
    pub(super) groups: u32,
}

impl BackwardSizes {
    /// Dynamic shared memory of the plain kernel: two tensors' vectors for each thread and stage.
    const fn shared(&self, block: u32) -> u32 {
        self.stages * 2 * self.vectors * block * VECTOR
    }

    /// Threads of a block of the plain kernel for rows of so many vectors, where it can take them.
    fn plain_block(&self, vectors: u32, caps: &Caps) -> Option<u32> {
        let block = *self.plain.iter().find(|&&block| vectors <= block * self.vectors)?;
        (self.shared(block) + STATIC_SHARED <= caps.shared_memory_per_block).then_some(block)
    }
}

impl<P: Params, R: Params> Backward<P, R> {
    /// The launches: `params` makes their arguments from how rows are split. `sums` says whether anything is added up over the rows.
    pub(super) fn launches(
        &'static self,
        check: &Checks<'_>,
        aligned: bool,
        sums: bool,
        sizes: &BackwardSizes,
        caps: &Caps,
        params: impl Fn(RowSplit) -> P,
    ) -> BackwardLaunches<P> {
        let plain = check
            .whole_vectors(aligned)
            .and_then(|vectors| sizes.plain_block(vectors, caps).map(|block| (vectors, block)));
        if let Some((vectors, block)) = plain {
            let teams = Teams::cut(Teams::least_threads(vectors, sizes.vectors), block);
            let groups = Groups::of(check.rows, &teams, (sizes.groups)(caps.compute_capability, block));
            let shape = LaunchShape::linear(groups.count, teams.block).with_dynamic_shared(sizes.shared(block));
            let rows_per_group = groups.rows as i64;
            let params = params(RowSplit { threads_per_row: teams.threads, rows_per_group, shared_vectors: 0 });
            let rows = Launch { kernel: &self.plain, shape, params };
            return BackwardLaunches { rows, columns: None, groups: groups.count };
        }
        let vectors = check.cut_vectors();
        let row_teams = Teams::of_row(vectors, sizes.vectors, sizes.general);
        let wanted = check.width.div_ceil(check.lanes()).next_power_of_two();
        let column_teams = Teams::cut(wanted.min(sizes.columns), sizes.columns);
        let groups = Groups::of(check.rows, &column_teams, sizes.column_groups);
        let shared_vectors = shared_vectors(vectors, sizes.vectors, &row_teams, 2, caps);
        let split = |teams: &Teams| {
            params(RowSplit { threads_per_row: teams.threads, rows_per_group: groups.rows as i64, shared_vectors })
        };
        let shape = row_teams.general_shape(check.rows, 2 * shared_vectors);
        let rows = Launch { kernel: &self.dx, shape, params: split(&row_teams) };
        let tiles = check.width.div_ceil(column_teams.threads * check.lanes());
        let shape = LaunchShape { grid: [groups.count, tiles, 1], ..LaunchShape::linear(1, column_teams.block) };
        let columns = sums.then(|| Launch { kernel: &self.columns, shape, params: split(&column_teams) });
        BackwardLaunches { rows, columns, groups: groups.count }
    }
}

/// Rows and width of a shape, as far as they can be counted.
pub(super) fn extents(shape: Shape) -> (u64, u32) {
    let width = shape.last().map_or(1, |&width| u32::try_from(width).unwrap_or(u32::MAX));
    (shape.iter().rev().skip(1).fold(1_u64, |rows, &n| rows.saturating_mul(n as u64)), width)
}
