//! Embedding: rows of tables, looked up by ids and added; and the gradients of the tables, without floating-point atomics.
//!
//! # Formula
//! `output[b, i] = token[ids[b, i]] (+ position[..]) (+ segment[segment_ids[b, i]])`, where the position is `offset + i`
//! ([`Positions::Counted`]) or given by ids. The gradient of a table's row is the sum of the gradients of the output rows that took it.
//!
//! # Shapes and layout
//! Tables and their gradients are `[rows, D]`, `output` and `grad_output` `[.., L, D]` of up to five dimensions, ids `[.., L]`. Up to
//! 2^31 - 1 rows of up to 2^24 elements (gradients of counted positions: 524,280 positions). Elements of a row lie side by side, rows at
//! one distance, each tensor at its own; ids have no gaps. Any address will do that is a multiple of the element's size; rows made of
//! whole 16-byte vectors go by vectors, all others by elements. Outputs overlap no other tensor.
//!
//! # Types
//! f32, f16 and bf16, the same for all tables and outputs of a call; ids in i32 or i64, the same for all of a call.
//!
//! # Ids that are no row
//! An id outside of its table gives an output row of NaN, and adds nothing to the gradient. Nothing is read or written outside of the
//! tensors.
//!
//! # Padding and accumulation
//! [`Options::padding_index`] names a row of the table whose gradient is zero, as in PyTorch; forward it is a row like all others.
//! With [`Options::accumulate`] the gradient is added to what is there, as for weights that the output layer shares (Press and Wolf,
//! "Using the Output Embedding to Improve Language Models", 2017); rows that no id names are then neither read nor written.
//!
//! # Accuracy
//! Sums in f32, rounded once, so that the error is at most twice that of the plain f32 computation plus two units in the last place
//! (docs/numerics.md).
//!
//! # Determinism
//! The same input gives the same bits on every device under any schedule. Rows are put into buckets by integer atomics, whose order does
//! not matter: a bucket is added up in ascending order of its rows, in a nesting that depends on the shape alone.
//!
//! # Speed
//! Bound by memory: each output row is written once; each gradient row is read once for each table. Without `accumulate` the whole
//! gradient of a table is written. Unmeasured on a GPU; counts are in `kernels/embedding/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::embedding::{self, Lookup, Options, Positions};
//! use warpsmith::{Buffer, Device, EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let table = device.upload(&[0.0_f32, 0.5, 1.0, 1.5, 2.0, 2.5])?;
//! let positions = device.upload(&[10.0_f32, 10.0, 20.0, 20.0])?;
//! let ids = device.upload(&[2_i32, 0])?;
//! let mut output = device.alloc::<f32>(4)?;
//! let tensors = embedding::Forward {
//!     token: Lookup { table: table.view([3, 2])?, ids: ids.view([2])? },
//!     position: Some(Positions::Counted { table: positions.view([2, 2])?, offset: 0 }),
//!     segment: None,
//!     output: output.view_mut([2, 2])?,
//! };
//! embedding::forward(&device, tensors)?;
//! assert_eq!(device.download(&output)?, [12.0, 12.5, 20.0, 20.5]);
//!
//! // The gradient of the table, for a gradient of the output that is the output itself.
//! let mut grad_table = device.alloc::<f32>(6)?;
//! let bytes = embedding::backward_workspace_bytes([2], [3, 2]);
//! let mut workspace = device.alloc::<u8>(bytes)?;
//! let tensors = embedding::Backward {
//!     grad_output: output.view([2, 2])?,
//!     ids: ids.view([2])?,
//!     grad_table: grad_table.view_mut([3, 2])?,
//!     workspace: workspace.view_mut([bytes])?,
//! };
//! embedding::backward(&device, tensors, &Options::default())?;
//! assert_eq!(device.download(&grad_table)?, [20.0, 20.5, 0.0, 0.0, 12.0, 12.5]);
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{
    BackwardPlan, ForwardPlan, PositionsBackwardPlan, backward_workspace_bytes, plan_backward, plan_backward_positions,
    plan_forward,
};

use crate::device::{Args, Device, Queue};
use crate::element::{Float, Index};
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

const FORWARD: &str = "embedding::forward";
const BACKWARD: &str = "embedding::backward";
const POSITIONS: &str = "embedding::backward_positions";

/// A table and the ids of the rows that are taken from it, as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookupDesc {
    /// `[rows, D]`, read.
    pub table: TensorDesc,
    /// `[.., L]` in i32 or i64, read.
    pub ids: TensorDesc,
}

/// Positions as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PositionsDesc {
    /// Position `offset + i` for the i-th row of each sequence.
    Counted {
        /// `[rows, D]`, read.
        table: TensorDesc,
        /// The first position.
        offset: i64,
    },
    /// By ids.
    Given(LookupDesc),
}

/// A forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// What is looked up first.
    pub token: LookupDesc,
    /// Added to it.
    pub position: Option<PositionsDesc>,
    /// Added last.
    pub segment: Option<LookupDesc>,
    /// `[.., L, D]`, written.
    pub output: TensorDesc,
}

/// How the gradient of a table is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The row of the table that gets no gradient; none by default.
    pub padding_index: Option<i64>,
    /// Whether the gradient is added to what is there, in place of replacing it.
    pub accumulate: bool,
}

/// The gradient of a table as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackwardDesc {
    /// `[.., D]`, read: the gradient of the forward's output.
    pub grad_output: TensorDesc,
    /// `[..]` in i32 or i64, read: the ids that were looked up.
    pub ids: TensorDesc,
    /// `[rows, D]`, written.
    pub grad_table: TensorDesc,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16.
    pub workspace: Option<TensorDesc>,
    /// Everything else.
    pub options: Options,
}

/// The gradient of a table of counted positions as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PositionsBackwardDesc {
    /// `[.., L, D]`, read: the gradient of the forward's output.
    pub grad_output: TensorDesc,
    /// `[rows, D]`, written.
    pub grad_table: TensorDesc,
    /// The first position.
    pub offset: i64,
    /// Whether the gradient is added to what is there, in place of replacing it.
    pub accumulate: bool,
}

/// A table and the ids of the rows that are taken from it.
#[derive(Debug)]
pub struct Lookup<'a, D: Device, T: Float, I: Index> {
    /// `[rows, D]`.
    pub table: View<'a, D, T>,
    /// `[.., L]`.
    pub ids: View<'a, D, I>,
}

// By hand, since a derived copy would ask for one of the device.
impl<D: Device, T: Float, I: Index> Clone for Lookup<'_, D, T, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Device, T: Float, I: Index> Copy for Lookup<'_, D, T, I> {}

/// Where positions come from.
#[derive(Debug)]
pub enum Positions<'a, D: Device, T: Float, I: Index> {
    /// Position `offset + i` for the i-th row of each sequence.
    Counted {
        /// `[rows, D]`.
        table: View<'a, D, T>,
        /// The first position: of a later part of a sequence, how much came before.
        offset: i64,
    },
    /// By ids.
    Given(Lookup<'a, D, T, I>),
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float, I: Index> {
    /// What is looked up first.
    pub token: Lookup<'a, D, T, I>,
    /// Added to it.
    pub position: Option<Positions<'a, D, T, I>>,
    /// Added last.
    pub segment: Option<Lookup<'a, D, T, I>>,
    /// `[.., L, D]`, written.
    pub output: ViewMut<'a, D, T>,
}

/// The tensors of [`backward`].
#[derive(Debug)]
pub struct Backward<'a, D: Device, T: Float, I: Index> {
    /// `[.., D]`: the gradient of the forward's output.
    pub grad_output: View<'a, D, T>,
    /// `[..]`: the ids that were looked up.
    pub ids: View<'a, D, I>,
    /// `[rows, D]`, written.
    pub grad_table: ViewMut<'a, D, T>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16.
    pub workspace: ViewMut<'a, D, u8>,
}

/// The tensors of [`backward_positions`].
#[derive(Debug)]
pub struct PositionsBackward<'a, D: Device, T: Float> {
    /// `[.., L, D]`: the gradient of the forward's output.
    pub grad_output: View<'a, D, T>,
    /// `[rows, D]`, written.
    pub grad_table: ViewMut<'a, D, T>,
}

/// Looks up rows and adds them. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float, I: Index>(device: &D, mut tensors: Forward<'_, D, T, I>) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let token = LookupDesc {
        table: args.read("token", &tensors.token.table)?,
        ids: args.read("token_ids", &tensors.token.ids)?,
    };
    let position = match &tensors.position {
        Some(Positions::Counted { table, offset }) => {
            Some(PositionsDesc::Counted { table: args.read("position", table)?, offset: *offset })
        }
        Some(Positions::Given(Lookup { table, ids })) => Some(PositionsDesc::Given(LookupDesc {
            table: args.read("position", table)?,
            ids: args.read("position_ids", ids)?,
        })),
        None => None,
    };
    let segment = match &tensors.segment {
        Some(Lookup { table, ids }) => {
            Some(LookupDesc { table: args.read("segment", table)?, ids: args.read("segment_ids", ids)? })
        }
        None => None,
    };
    let output = args.write("output", &mut tensors.output)?;
    let plan = plan_forward(&ForwardDesc { token, position, segment, output }, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}

/// The gradient of a table that was looked up by ids, in five to eight launches. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_backward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn backward<D: Device, T: Float, I: Index>(
    device: &D,
    mut tensors: Backward<'_, D, T, I>,
    options: &Options,
) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let desc = BackwardDesc {
        grad_output: args.read("grad_output", &tensors.grad_output)?,
        ids: args.read("ids", &tensors.ids)?,
        grad_table: args.write("grad_table", &mut tensors.grad_table)?,
        workspace: Some(args.write("workspace", &mut tensors.workspace)?),
        options: *options,
    };
    let plan = plan_backward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued.
    unsafe { plan.launch(&args) }
}

/// The gradient of the table of [`Positions::Counted`], in one launch; with `accumulate` it is added to what is there.
///
/// # Errors
/// Those of [`plan_backward_positions`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn backward_positions<D: Device, T: Float>(
    device: &D,
    mut tensors: PositionsBackward<'_, D, T>,
    offset: i64,
    accumulate: bool,
) -> Result<()> {
    let mut args = Args::new(device, POSITIONS)?;
    let desc = PositionsBackwardDesc {
        grad_output: args.read("grad_output", &tensors.grad_output)?,
        grad_table: args.write("grad_table", &mut tensors.grad_table)?,
        offset,
        accumulate,
    };
    let plan = plan_backward_positions(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}
