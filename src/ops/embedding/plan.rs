//! From a description of the tensors to launches: checks, the choice of the kernels, the way that work is shared. Pure.

use super::kernels::{self, ALLOCATE, CLEAR, COUNT, FILL};
use super::{
    BACKWARD, BackwardDesc, FORWARD, ForwardDesc, LookupDesc, POSITIONS, PositionsBackwardDesc, PositionsDesc,
};
use crate::abi::{
    EMBEDDING_FEW, EMBEDDING_MANY, EMBEDDING_QUEUE_BLOCKS, EMBEDDING_SPLITS, EMBEDDING_THREADS, EmbeddingBwdParams,
    EmbeddingFwdParams, EmbeddingLookup, EmbeddingPositionsParams,
};
use crate::check::{Arg, Rows, address, disjoint, disjoint_present};
use crate::device::{Caps, Kernel, Launch, LaunchShape, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::rows::VECTOR;
use crate::view::{Shape, TensorDesc};

const WARP: u32 = 32;
/// Warps of a block.
const WARPS: u32 = EMBEDDING_THREADS / WARP;
/// Bytes of the header of the workspace.
const HEADER: u64 = 16;
const MAX_ROWS: u64 = i32::MAX as u64;
/// Blocks along the second dimension of a grid.
const MAX_GRID_Y: u64 = 65_535;
/// Elements of a row; the tiles of 32 vectors of a wider one would not fit the kernels' 32-bit counts of elements.
const MAX_WIDTH: u64 = 1 << 24;

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<EmbeddingFwdParams>>;

/// The gradient of a table, checked, ready to be launched any number of times.
pub type BackwardPlan = Plan<[Option<Launch<EmbeddingBwdParams>>; 8]>;

/// The gradient of a table of counted positions, checked, ready to be launched any number of times.
pub type PositionsBackwardPlan = Plan<Launch<EmbeddingPositionsParams>>;

/// Checks a forward pass and decides how it runs. Embeddings run alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] an element type.
pub fn plan_forward(desc: &ForwardDesc, _caps: &Caps) -> Result<ForwardPlan> {
    let check = Checks::of(FORWARD, "output", &desc.output)?;
    let kernel = kernels::FORWARD.of(FORWARD, check.dtype)?;
    let id_type = id_type(FORWARD, "token_ids", &desc.token.ids)?;
    let token = check.lookup(["token", "token_ids"], &desc.token, id_type)?;
    let (position, offset) = match &desc.position {
        Some(PositionsDesc::Counted { table, offset }) => (Some((check.table("position", table)?, None)), *offset),
        Some(PositionsDesc::Given(lookup)) => {
            let (table, ids) = check.lookup(["position", "position_ids"], lookup, id_type)?;
            (Some((table, Some(ids))), 0)
        }
        None => (None, 0),
    };
    let segment =
        desc.segment.as_ref().map(|lookup| check.lookup(["segment", "segment_ids"], lookup, id_type)).transpose()?;

    let output = check.main;
    let (token_table, token_ids) = token;
    let position_table = position.map(|(table, _)| table);
    let position_ids = position.and_then(|(_, ids)| ids);
    let segment_table = segment.map(|(table, _)| table);
    let segment_ids = segment.map(|(_, ids)| ids);
    let tables = [token_table, position_table.unwrap_or(token_table), segment_table.unwrap_or(token_table)];
    let [a, b, c] = tables;
    disjoint_present(
        &[Some(output.arg)],
        &[Some(a.arg), Some(b.arg), Some(c.arg), Some(token_ids), position_ids, segment_ids],
    )?;

    let lookup = |table: Option<Table<'_>>, ids| EmbeddingLookup {
        table: address(table.map(|table| table.arg)),
        ids: address(ids),
        stride: table.map_or(0, |table| table.rows.stride),
        rows: table.map_or(0, |table| table.rows.rows),
    };
    let threads = check.chunks().next_power_of_two().min(WARP);
    let params = EmbeddingFwdParams {
        token: lookup(Some(token_table), Some(token_ids)),
        position: lookup(position_table, position_ids),
        segment: lookup(segment_table, segment_ids),
        output: desc.output.address,
        output_stride: output.rows.stride,
        outputs: output.rows.rows,
        length: check.length(),
        offset,
        width: check.width,
        id_bytes: id_type.size() as u32,
        threads_per_row: threads,
        vectorised: check.vectorised(&[output, a, b, c]).into(),
    };
    let blocks = (params.outputs as u64).div_ceil((EMBEDDING_THREADS / threads).into());
    let shape = LaunchShape::linear(blocks as u32, EMBEDDING_THREADS);
    Ok(Plan::new(Launch { kernel, shape, params }))
}

/// Checks the gradient of a table and decides how it runs.
///
/// # Errors
/// Those of [`plan_forward`], and [`Error::WorkspaceTooSmall`].
pub fn plan_backward(desc: &BackwardDesc, _caps: &Caps) -> Result<BackwardPlan> {
    let check = Checks::of(BACKWARD, "grad_output", &desc.grad_output)?;
    let kernels = kernels::BACKWARD.of(BACKWARD, check.dtype)?;
    let id_type = id_type(BACKWARD, "ids", &desc.ids)?;
    let ids = check.ids("ids", &desc.ids, id_type)?;
    let grad_table = check.table("grad_table", &desc.grad_table)?;
    let (rows, table_rows) = (check.main.rows.rows as u64, grad_table.rows.rows as u64);
    let layout = Layout::of(rows, table_rows, check.chunks() * check.lanes());
    let workspace = desc.workspace.as_ref();
    let workspace = workspace.ok_or(Error::WorkspaceTooSmall { op: BACKWARD, required: layout.bytes, got: 0 })?;
    let workspace = Arg::new(BACKWARD, "workspace", workspace).sound()?.dtype(DType::U8)?.workspace(layout.bytes)?;
    disjoint(&[grad_table.arg, workspace], &[check.main.arg, ids])?;

    let base = workspace.tensor.address;
    let params = EmbeddingBwdParams {
        grad_output: desc.grad_output.address,
        ids: desc.ids.address,
        grad_table: desc.grad_table.address,
        header: base,
        counts: base + HEADER,
        ends: base + layout.ends,
        buckets: base + layout.buckets,
        many: base + layout.many,
        split: base + layout.split,
        partials: base + layout.partials,
        grad_output_stride: check.main.rows.stride,
        grad_table_stride: grad_table.rows.stride,
        rows: rows as i64,
        table_rows: table_rows as i64,
        padding_index: desc.options.padding_index.unwrap_or(-1),
        rows_per_split: layout.rows_per_split as i64,
        width: check.width,
        id_bytes: id_type.size() as u32,
        splits: layout.splits,
        accumulate: desc.options.accumulate.into(),
        vectorised: check.vectorised(&[check.main, grad_table]).into(),
        splitting: 0,
    };
    let launch = |kernel: &'static Kernel<EmbeddingBwdParams>, grid, threads| Launch {
        kernel,
        shape: LaunchShape { grid, ..LaunchShape::linear(1, threads) },
        params,
    };
    let of_rows = |kernel| launch(kernel, [rows.div_ceil(EMBEDDING_THREADS.into()) as u32, 1, 1], EMBEDDING_THREADS);
    let of_table =
        |kernel, each: u32| launch(kernel, [table_rows.div_ceil(each.into()) as u32, 1, 1], EMBEDDING_THREADS);
    let tiles = check.chunks().div_ceil(WARP);
    let queue = layout.many_entries.min(EMBEDDING_QUEUE_BLOCKS.into()) as u32;
    let many = (queue > 0).then(|| launch(&kernels.many, [tiles, queue, 1], EMBEDDING_THREADS));
    let queue = layout.split_entries.min(EMBEDDING_QUEUE_BLOCKS.into()) as u32;
    let split = (queue > 0).then(|| {
        let mut split = launch(&kernels.many, [tiles, queue, layout.splits], EMBEDDING_THREADS);
        split.params.splitting = 1;
        split
    });
    let join = (queue > 0).then(|| launch(&kernels.join, [tiles, layout.split_entries as u32, 1], WARP));
    Ok(Plan::new([
        Some(of_table(&CLEAR, EMBEDDING_THREADS)),
        Some(of_rows(&COUNT)),
        Some(of_table(&ALLOCATE, EMBEDDING_THREADS)),
        Some(of_rows(&FILL)),
        Some(of_table(&kernels.few, WARPS)),
        many,
        split,
        join,
    ]))
}

/// Checks the gradient of a table of counted positions and decides how it runs.
///
/// # Errors
/// Those of [`plan_forward`].
pub fn plan_backward_positions(desc: &PositionsBackwardDesc, _caps: &Caps) -> Result<PositionsBackwardPlan> {
    let check = Checks::of(POSITIONS, "grad_output", &desc.grad_output)?;
    let kernels = kernels::BACKWARD.of(POSITIONS, check.dtype)?;
    let grad_table = check.table("grad_table", &desc.grad_table)?;
    disjoint(&[grad_table.arg], &[check.main.arg])?;
    let table_rows = grad_table.rows.rows as u64;
    let limit = MAX_GRID_Y * u64::from(WARPS);
    if table_rows > limit {
        let what = "the number of positions";
        return Err(Error::IndexRange { op: POSITIONS, argument: "grad_table", what, limit, got: table_rows });
    }
    let params = EmbeddingPositionsParams {
        grad_output: desc.grad_output.address,
        grad_table: desc.grad_table.address,
        grad_output_stride: check.main.rows.stride,
        grad_table_stride: grad_table.rows.stride,
        batch: check.main.rows.rows / check.length(),
        length: check.length(),
        table_rows: table_rows as i64,
        offset: desc.offset,
        width: check.width,
        accumulate: desc.accumulate.into(),
        vectorised: check.vectorised(&[check.main, grad_table]).into(),
        reserved: 0,
    };
    let grid = [check.chunks().div_ceil(WARP), table_rows.div_ceil(WARPS.into()) as u32, 1];
    let shape = LaunchShape { grid, ..LaunchShape::linear(1, EMBEDDING_THREADS) };
    Ok(Plan::new(Launch { kernel: &kernels.positions, shape, params }))
}

/// Bytes of workspace that the gradient of a table of shape `table` needs for ids of shape `ids`: 8 for each table row and 4 for each id,
/// and with more than 8192 ids up to a f32 row for each 8192 squared. Any element type needs as much.
pub fn backward_workspace_bytes(ids: impl Into<Shape>, table: impl Into<Shape>) -> usize {
    let (ids, table) = (ids.into().elements() as u64, table.into());
    let table_rows = table.first().map_or(0, |&rows| rows as u64);
    let width = table.last().map_or(0, |&width| u32::try_from(width).unwrap_or(u32::MAX));
    // Rows of partial sums end with whole vectors: 8 elements for the types of 16 bits.
    usize::try_from(Layout::of(ids, table_rows, width.next_multiple_of(8)).bytes).unwrap_or(usize::MAX)
}

/// Where in the workspace what lies, in bytes, and how table rows that very many rows name are split.
struct Layout {
    ends: u64,
    buckets: u64,
    many: u64,
    split: u64,
    partials: u64,
    bytes: u64,
    many_entries: u64,
    split_entries: u64,
    splits: u32,
    rows_per_split: u64,
}

impl Layout {
    fn of(rows: u64, table_rows: u64, padded_width: u32) -> Self {
        let words = |count: u64| count.saturating_mul(4);
        let many_entries = rows / u64::from(EMBEDDING_FEW + 1);
        let split_entries = rows / u64::from(EMBEDDING_MANY + 1);
        let rows_per_split =
            rows.div_ceil(EMBEDDING_SPLITS.into()).max(EMBEDDING_MANY.into()).next_multiple_of(WARP.into());
        let splits = rows.div_ceil(rows_per_split).max(1);
        let ends = HEADER + words(table_rows);
        let buckets = ends.saturating_add(words(table_rows));
        let many = buckets.saturating_add(words(rows));
        let split = many.saturating_add(words(many_entries));
        let partials = split.saturating_add(words(split_entries)).saturating_add(15) / 16 * 16;
        let bytes = partials.saturating_add(words((split_entries * splits).saturating_mul(padded_width.into())));
        Self {
            ends,
            buckets,
            many,
            split,
            partials,
            bytes,
            many_entries,
            split_entries,
            splits: splits as u32,
            rows_per_split,
        }
    }
}

/// A tensor of rows.
#[derive(Clone, Copy)]
struct Table<'a> {
    arg: Arg<'a>,
    rows: Rows,
}

/// What all tensors of a call have to agree on, after the one with a row for each id was checked.
struct Checks<'a> {
    op: &'static str,
    main: Table<'a>,
    shape: Shape,
    dtype: DType,
    width: u32,
}

impl<'a> Checks<'a> {
    fn of(op: &'static str, name: &'static str, tensor: &'a TensorDesc) -> Result<Self> {
        let TensorDesc { shape, dtype, .. } = *tensor;
        let arg = Arg::new(op, name, tensor).sound()?;
        let main = Table { arg, rows: arg.rows()? };
        in_range(op, name, "the width", main.rows.width, MAX_WIDTH)?;
        in_range(op, name, "the number of rows", main.rows.rows as u64, MAX_ROWS)?;
        Ok(Self { op, main, shape, dtype, width: main.rows.width as u32 })
    }

    fn table(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Table<'a>> {
        let arg = Arg::new(self.op, name, tensor).sound()?.dtype(self.dtype)?;
        let rows = tensor.shape.first().copied().unwrap_or(1);
        let arg = arg.shape([rows, self.width as usize])?;
        in_range(self.op, name, "the number of rows", rows as u64, MAX_ROWS)?;
        Ok(Table { arg, rows: arg.rows()? })
    }

    fn ids(&self, name: &'static str, tensor: &'a TensorDesc, dtype: DType) -> Result<Arg<'a>> {
        let shape = Shape::try_from(&self.shape[..self.shape.len().saturating_sub(1)])?;
        Arg::new(self.op, name, tensor).sound()?.dtype(dtype)?.shape(shape)?.contiguous()
    }

    fn lookup(&self, names: [&'static str; 2], lookup: &'a LookupDesc, dtype: DType) -> Result<(Table<'a>, Arg<'a>)> {
        Ok((self.table(names[0], &lookup.table)?, self.ids(names[1], &lookup.ids, dtype)?))
    }

    fn lanes(&self) -> u32 {
        VECTOR / self.dtype.size() as u32
    }

    /// Vectors of a row, the last one perhaps in part.
    fn chunks(&self) -> u32 {
        self.width.div_ceil(self.lanes())
    }

    /// Rows of a sequence.
    fn length(&self) -> i64 {
        self.shape.iter().rev().nth(1).map_or(1, |&length| length as i64)
    }

    /// Whether every row of these is made of whole vectors.
    fn vectorised(&self, tables: &[Table<'_>]) -> bool {
        let step = |rows: &Rows| rows.rows == 1 || (rows.stride as u64).is_multiple_of(self.lanes().into());
        let whole = |Table { arg, rows }: &Table<'_>| arg.tensor.address.is_multiple_of(VECTOR.into()) && step(rows);
        self.width.is_multiple_of(self.lanes()) && tables.iter().all(whole)
    }
}

fn in_range(op: &'static str, argument: &'static str, what: &'static str, got: u64, limit: u64) -> Result<()> {
    if got <= limit { Ok(()) } else { Err(Error::IndexRange { op, argument, what, limit, got }) }
}

/// The type of ids, which those of all tables share.
fn id_type(op: &'static str, name: &'static str, ids: &TensorDesc) -> Result<DType> {
    match ids.dtype {
        dtype @ (DType::I32 | DType::I64) => Ok(dtype),
        other => Err(Error::Unsupported { op, what: format!("`{name}` of {other}"), supported: "i32 and i64" }),
    }
}
