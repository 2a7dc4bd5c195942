//! The backward pass: its description, the plan, and the typed front.

use super::{Options, Problem, tensor};
use crate::abi::{
    ATTENTION_BWD_KEYS, ATTENTION_BWD_PREPARE_THREADS, ATTENTION_BWD_SHARED_64, ATTENTION_BWD_SHARED_128,
    ATTENTION_BWD_SHARED_128_COMPACT, AttentionBwdParams,
};
use crate::check::{Arg, disjoint};
use crate::device::{Args, Caps, Device, Kernel, Launch, LaunchShape, Plan, Queue};
use crate::element::{DType, Float};
use crate::error::{Error, Result};
use crate::view::{Shape, TensorDesc, View, ViewMut};

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/attention_bwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/attention_bwd_prepare.rs"));
}

const BACKWARD: &str = "attention::backward";
const WARP: u32 = 32;
const MAX_BLOCKS: u64 = i32::MAX as u64;

/// The main kernel for one element type and head dimension, and how it cuts its work.
struct Form {
    kernel: Kernel<AttentionBwdParams>,
    /// Queries of a step.
    queries: u32,
    warps: u32,
    /// Bytes of dynamic shared memory.
    shared: u32,
}

impl Form {
    const fn new(name: &'static str, queries: u32, warps: u32, shared: u32) -> Self {
        Self { kernel: Kernel::new(&image::ATTENTION_BWD, name), queries, warps, shared }
    }
}

static ATTENTION_BWD_BF16_64: Form = Form::new("attention_bwd_bf16_64", 32, 4, ATTENTION_BWD_SHARED_64);
static ATTENTION_BWD_BF16_128: Form = Form::new("attention_bwd_bf16_128", 64, 8, ATTENTION_BWD_SHARED_128);
static ATTENTION_BWD_BF16_128_COMPACT: Form =
    Form::new("attention_bwd_bf16_128_compact", 32, 8, ATTENTION_BWD_SHARED_128_COMPACT);
static ATTENTION_BWD_F16_64: Form = Form::new("attention_bwd_f16_64", 32, 4, ATTENTION_BWD_SHARED_64);
static ATTENTION_BWD_F16_128: Form = Form::new("attention_bwd_f16_128", 64, 8, ATTENTION_BWD_SHARED_128);
static ATTENTION_BWD_F16_128_COMPACT: Form =
    Form::new("attention_bwd_f16_128_compact", 32, 8, ATTENTION_BWD_SHARED_128_COMPACT);

static ATTENTION_BWD_PREPARE_BF16_64: Kernel<AttentionBwdParams> =
    Kernel::new(&image::ATTENTION_BWD_PREPARE, "attention_bwd_prepare_bf16_64");
static ATTENTION_BWD_PREPARE_BF16_128: Kernel<AttentionBwdParams> =
    Kernel::new(&image::ATTENTION_BWD_PREPARE, "attention_bwd_prepare_bf16_128");
static ATTENTION_BWD_PREPARE_F16_64: Kernel<AttentionBwdParams> =
    Kernel::new(&image::ATTENTION_BWD_PREPARE, "attention_bwd_prepare_f16_64");
static ATTENTION_BWD_PREPARE_F16_128: Kernel<AttentionBwdParams> =
    Kernel::new(&image::ATTENTION_BWD_PREPARE, "attention_bwd_prepare_f16_128");

/// The kernels for an element type, a head dimension, and the shared memory of a block: the form that asks for more of it comes first.
fn kernels(dtype: DType, head_dim: usize, shared: u32) -> Option<(&'static Kernel<AttentionBwdParams>, &'static Form)> {
    let (prepare, forms): (_, &[&Form]) = match (dtype, head_dim) {
        (DType::Bf16, 64) => (&ATTENTION_BWD_PREPARE_BF16_64, &[&ATTENTION_BWD_BF16_64]),
        (DType::Bf16, 128) => {
            (&ATTENTION_BWD_PREPARE_BF16_128, &[&ATTENTION_BWD_BF16_128, &ATTENTION_BWD_BF16_128_COMPACT])
        }
        (DType::F16, 64) => (&ATTENTION_BWD_PREPARE_F16_64, &[&ATTENTION_BWD_F16_64]),
        (DType::F16, 128) => {
            (&ATTENTION_BWD_PREPARE_F16_128, &[&ATTENTION_BWD_F16_128, &ATTENTION_BWD_F16_128_COMPACT])
        }
        _ => return None,
    };
    Some((prepare, forms.iter().find(|form| form.shared <= shared)?))
}

/// A backward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackwardDesc {
    /// `[batch, queries, heads, head_dim]`, read.
    pub q: TensorDesc,
    /// `[batch, keys, kv_heads, head_dim]`, read.
    pub k: TensorDesc,
    /// `[batch, keys, kv_heads, head_dim]`, read.
    pub v: TensorDesc,
    /// `[batch, queries, heads, head_dim]`, read: what the forward wrote.
    pub o: TensorDesc,
    /// `[batch, heads, queries]` in f32, read: what the forward wrote.
    pub lse: TensorDesc,
    /// `[batch, queries, heads, head_dim]`, read: the gradient of `o`.
    pub grad_o: TensorDesc,
    /// `[batch, queries, heads, head_dim]`, written.
    pub grad_q: TensorDesc,
    /// `[batch, keys, kv_heads, head_dim]`, written.
    pub grad_k: TensorDesc,
    /// `[batch, keys, kv_heads, head_dim]`, written.
    pub grad_v: TensorDesc,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16.
    pub workspace: TensorDesc,
    /// Those of the forward.
    pub options: Options,
}

/// A backward pass that has been checked, ready to be launched any number of times.
pub type BackwardPlan = Plan<[Launch<AttentionBwdParams>; 2]>;

/// Checks a backward pass and decides how it runs.
///
/// # Errors
/// Those of [`plan_forward`](super::plan_forward), and [`Error::WorkspaceTooSmall`].
pub fn plan_backward(desc: &BackwardDesc, caps: &Caps) -> Result<BackwardPlan> {
    let problem = Problem::of(BACKWARD, &desc.q, &desc.k)?;
    let (q, k, v) = (problem.queries("q", &desc.q)?, problem.keys("k", &desc.k)?, problem.keys("v", &desc.v)?);
    let (o, lse) = (problem.queries("o", &desc.o)?, problem.rows("lse", &desc.lse)?);
    let grad_o = problem.queries("grad_o", &desc.grad_o)?;
    let grad_q = problem.queries("grad_q", &desc.grad_q)?;
    let (grad_k, grad_v) = (problem.keys("grad_k", &desc.grad_k)?, problem.keys("grad_v", &desc.grad_v)?);
    let (scale, scale_log2) = desc.options.scale(BACKWARD, problem.head_dim)?;
    let parts = Workspace::of(problem.batch, problem.queries, problem.heads, problem.head_dim);
    let blocks = (problem.keys.div_ceil(ATTENTION_BWD_KEYS as usize) * problem.batch) as u64 * problem.kv_heads as u64;
    for (argument, what, limit, got) in [
        ("q", "the number of rows of all heads", 4 * u64::from(u32::MAX), parts.rows),
        ("k", "the number of blocks of keys of all heads", MAX_BLOCKS, blocks),
    ] {
        if got > limit {
            return Err(Error::IndexRange { op: BACKWARD, argument, what, limit, got });
        }
    }
    let workspace = Arg::new(BACKWARD, "workspace", &desc.workspace).sound()?.dtype(DType::U8)?;
    let workspace = workspace.workspace(parts.bytes())?;
    disjoint(&[grad_q, grad_k, grad_v, workspace], &[q, k, v, o, lse, grad_o])?;

    let kernels = kernels(problem.dtype, problem.head_dim, caps.shared_memory_per_block);
    let (prepare, form) = kernels.ok_or_else(|| problem.unsupported())?;
    let queries = problem.queries as u32;
    let params = AttentionBwdParams {
        q: tensor(q),
        k: tensor(k),
        v: tensor(v),
        o: tensor(o),
        grad_o: tensor(grad_o),
        grad_q: tensor(grad_q),
        grad_k: tensor(grad_k),
        grad_v: tensor(grad_v),
        lse: desc.lse.address,
        grad_q_sums: desc.workspace.address,
        statistics: desc.workspace.address + parts.sums(),
        turns: desc.workspace.address + parts.sums() + parts.statistics(),
        batch: problem.batch as u32,
        queries,
        keys: problem.keys as u32,
        heads: problem.heads as u32,
        group: problem.group(),
        query_blocks: queries.div_ceil(form.queries),
        block_queries: form.queries,
        warps: form.warps,
        diagonal: problem.diagonal(&desc.options),
        scale,
        scale_log2,
        reserved: 0,
    };
    let lanes = (problem.head_dim * problem.dtype.size()) as u32 / 16;
    let queries_of_block = ATTENTION_BWD_PREPARE_THREADS / lanes;
    let grid =
        [queries.next_multiple_of(form.queries).div_ceil(queries_of_block), problem.heads as u32, problem.batch as u32];
    let shape = LaunchShape { grid, ..LaunchShape::linear(1, ATTENTION_BWD_PREPARE_THREADS) };
    let prepare = Launch { kernel: prepare, shape, params };
    let shape = LaunchShape::linear(blocks as u32, form.warps * WARP).with_dynamic_shared(form.shared);
    Ok(Plan::new([prepare, Launch { kernel: &form.kernel, shape, params }]))
}

/// Bytes of workspace that a backward pass needs for queries of this shape.
pub fn backward_workspace_bytes(q: impl Into<Shape>) -> usize {
    let q = q.into();
    let extent = |axis: usize| q.get(axis).copied().unwrap_or(1);
    let bytes = Workspace::of(extent(0), extent(1), extent(2), extent(3)).bytes();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// How a workspace is shared out: f32 sums of grad_q, statistics of the queries, turns. Large enough for every form.
struct Workspace {
    /// Queries of all heads, each head's a multiple of the queries of a step.
    rows: u64,
    head_dim: u64,
}

impl Workspace {
    /// The most queries of a step.
    const STEP: u64 = 64;

    fn of(batch: usize, queries: usize, heads: usize, head_dim: usize) -> Self {
        let queries = (queries as u64).div_ceil(Self::STEP).saturating_mul(Self::STEP);
        Self { rows: (batch as u64).saturating_mul(heads as u64).saturating_mul(queries), head_dim: head_dim as u64 }
    }

    fn sums(&self) -> u64 {
        self.rows.saturating_mul(self.head_dim).saturating_mul(4)
    }

    /// Three floats for each query.
    fn statistics(&self) -> u64 {
        self.rows.saturating_mul(12)
    }

    /// Counters of 4 bytes: one, and for each 32 queries one for each of at most 8 warps.
    fn turns(&self) -> u64 {
        self.rows.saturating_add(4)
    }

    fn bytes(&self) -> u64 {
        self.sums().saturating_add(self.statistics()).saturating_add(self.turns())
    }
}

/// The tensors of [`backward`].
#[derive(Debug)]
pub struct Backward<'a, D: Device, T: Float> {
    /// `[batch, queries, heads, head_dim]`.
    pub q: View<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`.
    pub k: View<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`.
    pub v: View<'a, D, T>,
    /// `[batch, queries, heads, head_dim]`: what [`forward`](super::forward) wrote.
    pub o: View<'a, D, T>,
    /// `[batch, heads, queries]`: what [`forward`](super::forward) wrote.
    pub lse: View<'a, D, f32>,
    /// `[batch, queries, heads, head_dim]`: the gradient of `o`.
    pub grad_o: View<'a, D, T>,
    /// `[batch, queries, heads, head_dim]`, written.
    pub grad_q: ViewMut<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`, written.
    pub grad_k: ViewMut<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`, written.
    pub grad_v: ViewMut<'a, D, T>,
    /// Scratch memory of [`backward_workspace_bytes`], at a multiple of 16.
    pub workspace: ViewMut<'a, D, u8>,
}

/// The gradients of [`forward`](super::forward). See the [module](super) for everything else.
///
/// # Errors
/// Those of [`plan_backward`], [`Error::DeviceMismatch`], and those of a launch.
pub fn backward<D: Device, T: Float>(device: &D, mut tensors: Backward<'_, D, T>, options: Options) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let desc = BackwardDesc {
        q: args.read("q", &tensors.q)?,
        k: args.read("k", &tensors.k)?,
        v: args.read("v", &tensors.v)?,
        o: args.read("o", &tensors.o)?,
        lse: args.read("lse", &tensors.lse)?,
        grad_o: args.read("grad_o", &tensors.grad_o)?,
        grad_q: args.write("grad_q", &mut tensors.grad_q)?,
        grad_k: args.write("grad_k", &mut tensors.grad_k)?,
        grad_v: args.write("grad_v", &mut tensors.grad_v)?,
        workspace: args.write("workspace", &mut tensors.workspace)?,
        options,
    };
    let plan = plan_backward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launches are queued.
    unsafe { plan.launch(&args) }
}
