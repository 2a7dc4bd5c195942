//! What the operations on rows share: the checks of their tensors, and how threads and blocks are dealt out to rows.

use crate::check::{Arg, Rows, address};
use crate::device::{Caps, LaunchShape};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::{Shape, TensorDesc};

/// Bytes of the widest access.
pub(super) const VECTOR: u32 = 16;
/// The widest row.
pub(super) const MAX_WIDTH: usize = 65_536;
/// What kernels with rows in dynamic shared memory have there besides, for sums over the warps of a block, rounded up.
pub(super) const STATIC_SHARED: u32 = 1024;
const WARP: u32 = 32;
/// Threads of a block whose teams are a warp or less.
const SMALL_TEAM_BLOCK: u32 = 256;
/// Bytes of the smallest contiguous piece that is worth a row of its own threads: a cache line.
const LINE: u32 = 128;
const MAX_GRID: u64 = i32::MAX as u64;

/// A tensor of rows with its name.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) arg: Arg<'a>,
    pub(super) rows: Rows,
}

/// What all tensors of a call have to agree on, after the input was checked.
pub(super) struct Checks<'a> {
    pub(super) op: &'static str,
    pub(super) input: Matrix<'a>,
    pub(super) shape: Shape,
    pub(super) dtype: DType,
    pub(super) rows: u64,
    pub(super) width: u32,
}

impl<'a> Checks<'a> {
    pub(super) fn of(op: &'static str, input: &'a TensorDesc) -> Result<Self> {
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
    pub(super) fn matrix(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Matrix<'a>> {
        let arg = Arg::new(self.op, name, tensor).sound()?.dtype(self.dtype)?.shape(self.shape)?;
        Ok(Matrix { arg, rows: arg.rows()? })
    }

    /// A tensor with one element for each column.
    pub(super) fn column_vector(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Arg<'a>> {
        Arg::new(self.op, name, tensor).sound()?.dtype(self.dtype)?.shape([self.width as usize])?.contiguous()
    }

    /// A tensor with one f32 for each row.
    pub(super) fn row_vector(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Arg<'a>> {
        let shape = Shape::try_from(&self.shape[..self.shape.len().saturating_sub(1)])?;
        Arg::new(self.op, name, tensor).sound()?.dtype(DType::F32)?.shape(shape)?.contiguous()
    }

    /// A scratch tensor of at least so many bytes.
    pub(super) fn workspace(&self, tensor: Option<&'a TensorDesc>, required: u64) -> Result<Arg<'a>> {
        let tensor = tensor.ok_or(Error::WorkspaceTooSmall { op: self.op, required, got: 0 })?;
        Arg::new(self.op, "workspace", tensor).sound()?.dtype(DType::U8)?.workspace(required)
    }

    /// What is added to a variance: finite, not negative.
    pub(super) fn epsilon(&self, epsilon: f32) -> Result<f32> {
        if epsilon.is_finite() && epsilon >= 0.0 {
            return Ok(epsilon);
        }
        let what = format!("an epsilon of {epsilon}");
        Err(Error::Unsupported { op: self.op, what, supported: "finite ones that are not negative" })
    }

    pub(super) fn lanes(&self) -> u32 {
        VECTOR / self.dtype.size() as u32
    }

    /// The vectors of a row, where each row of each tensor is made of whole ones.
    pub(super) fn whole_vectors(&self, aligned: bool) -> Option<u32> {
        (aligned && self.width.is_multiple_of(self.lanes())).then(|| self.width / self.lanes())
    }

    /// The most vectors that a row is cut into, wherever it starts.
    pub(super) fn cut_vectors(&self) -> u32 {
        (self.width + self.lanes() - 1).div_ceil(self.lanes())
    }
}

/// How the threads of a block are dealt out to rows.
pub(super) struct Teams {
    pub(super) threads: u32,
    pub(super) block: u32,
    pub(super) count: u32,
}

impl Teams {
    pub(super) fn cut(threads: u32, block: u32) -> Self {
        Self { threads, block, count: block / threads }
    }

    /// A power of two of threads for a row of so many vectors: as few as hold it in their registers, but not so few that they
    /// read less than a cache line at once. A thread holds `each` vectors.
    pub(super) fn least_threads(vectors: u32, each: u32) -> u32 {
        let threads = vectors.div_ceil(each).next_power_of_two();
        threads.max(vectors.next_power_of_two().min(LINE / VECTOR))
    }

    /// Up to a warp for a row, with several rows in a block; or whole warps up to `most` threads, a block for a row.
    pub(super) fn of_row(vectors: u32, each: u32, most: u32) -> Self {
        let threads = Self::least_threads(vectors, each);
        if threads <= WARP {
            return Self::cut(threads, SMALL_TEAM_BLOCK);
        }
        let threads = vectors.div_ceil(each).next_multiple_of(WARP).min(most);
        Self::cut(threads, threads)
    }

    /// Blocks that give each row a team of its own, as far as a grid goes.
    pub(super) fn blocks(&self, rows: u64) -> u32 {
        rows.div_ceil(self.count.into()).min(MAX_GRID) as u32
    }

    pub(super) fn general_shape(&self, rows: u64, shared_vectors: u32) -> LaunchShape {
        let shared = shared_vectors * self.block * VECTOR;
        LaunchShape::linear(self.blocks(rows), self.block).with_dynamic_shared(shared)
    }
}

/// Groups of neighbouring rows, one for each block that sums over rows.
pub(super) struct Groups {
    pub(super) rows: u64,
    pub(super) count: u32,
}

impl Groups {
    /// At most `most` groups, of as many rows as keep all teams of a block busy.
    pub(super) fn of(rows: u64, teams: &Teams, most: u64) -> Self {
        let in_group = rows.div_ceil(most).next_multiple_of(teams.count.into());
        Self { rows: in_group, count: rows.div_ceil(in_group) as u32 }
    }
}

/// Vectors of each of `tensors` rows that a thread keeps in shared memory, after `each` in its registers.
pub(super) fn shared_vectors(vectors: u32, each: u32, teams: &Teams, tensors: u32, caps: &Caps) -> u32 {
    let beyond = vectors.div_ceil(teams.threads).saturating_sub(each);
    beyond.min(caps.shared_memory_per_block.saturating_sub(STATIC_SHARED) / (tensors * teams.block * VECTOR))
}

/// Whether every row of every matrix begins at a multiple of 16 bytes, and so do the vectors.
pub(super) fn starts_on_vectors(matrices: &[Option<Matrix<'_>>], vectors: &[Option<Arg<'_>>]) -> bool {
    let vector = u64::from(VECTOR);
    let on_vector = |tensor: &TensorDesc| tensor.address.is_multiple_of(vector);
    matrices.iter().flatten().all(|Matrix { arg, rows }| {
        let step = rows.stride as u64 * arg.tensor.dtype.size() as u64;
        on_vector(arg.tensor) && (rows.rows == 1 || step.is_multiple_of(vector))
    }) && vectors.iter().flatten().all(|arg| on_vector(arg.tensor))
}

pub(super) fn arg(matrix: Option<Matrix<'_>>) -> Option<Arg<'_>> {
    matrix.map(|matrix| matrix.arg)
}

pub(super) fn matrix_address(matrix: Option<Matrix<'_>>) -> u64 {
    address(arg(matrix))
}

pub(super) fn stride(matrix: Option<Matrix<'_>>) -> i64 {
    matrix.map_or(0, |matrix| matrix.rows.stride)
}
