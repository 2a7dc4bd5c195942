//! The forward pass: its description, the plan, and the typed front.

use super::{Options, Problem, tensor};
use crate::abi::{
    ATTENTION_FWD_COMPACT_KEYS, ATTENTION_FWD_KEYS, ATTENTION_FWD_QUERIES, ATTENTION_FWD_THREADS, AttentionFwdParams,
};
use crate::check::{address, disjoint_present};
use crate::device::{Args, Caps, Device, Kernel, Launch, LaunchShape, Plan, Queue};
use crate::element::{DType, Float};
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/attention_fwd.rs"));
}

static ATTENTION_FWD_BF16_64: Kernel<AttentionFwdParams> = kernel("attention_fwd_bf16_64");
static ATTENTION_FWD_BF16_128: Kernel<AttentionFwdParams> = kernel("attention_fwd_bf16_128");
static ATTENTION_FWD_BF16_128_COMPACT: Kernel<AttentionFwdParams> = kernel("attention_fwd_bf16_128_compact");
static ATTENTION_FWD_F16_64: Kernel<AttentionFwdParams> = kernel("attention_fwd_f16_64");
static ATTENTION_FWD_F16_128: Kernel<AttentionFwdParams> = kernel("attention_fwd_f16_128");
static ATTENTION_FWD_F16_128_COMPACT: Kernel<AttentionFwdParams> = kernel("attention_fwd_f16_128_compact");

const fn kernel(name: &'static str) -> Kernel<AttentionFwdParams> {
    Kernel::new(&image::ATTENTION_FWD, name)
}

const FORWARD: &str = "attention::forward";
/// Shared memory that every block takes beside its own. A multiprocessor has as much as one block may have, and this.
const RESERVED_SHARED: u32 = 1024;

/// A forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// `[batch, queries, heads, head_dim]`, read.
    pub q: TensorDesc,
    /// `[batch, keys, kv_heads, head_dim]`, read.
    pub k: TensorDesc,
    /// `[batch, keys, kv_heads, head_dim]`, read.
    pub v: TensorDesc,
    /// `[batch, queries, heads, head_dim]`, written.
    pub o: TensorDesc,
    /// `[batch, heads, queries]` in f32, written: the log-sum-exp of each row of scores, for the backward pass.
    pub lse: Option<TensorDesc>,
    /// Mask and scale.
    pub options: Options,
}

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<AttentionFwdParams>>;

/// Checks a forward pass and decides how it runs.
///
/// # Errors
/// [`Unsupported`](crate::Error::Unsupported) for element types, head dimensions and scales that have no kernel;
/// [`Shape`](crate::Error::Shape), [`DType`](crate::Error::DType), [`Stride`](crate::Error::Stride),
/// [`Misaligned`](crate::Error::Misaligned), [`IndexRange`](crate::Error::IndexRange), [`Null`](crate::Error::Null) and
/// [`Aliasing`](crate::Error::Aliasing), each naming the argument.
pub fn plan_forward(desc: &ForwardDesc, caps: &Caps) -> Result<ForwardPlan> {
    let problem = Problem::of(FORWARD, &desc.q, &desc.k)?;
    let (q, k) = (problem.queries("q", &desc.q)?, problem.keys("k", &desc.k)?);
    let (v, o) = (problem.keys("v", &desc.v)?, problem.queries("o", &desc.o)?);
    let lse = desc.lse.as_ref().map(|lse| problem.rows("lse", lse)).transpose()?;
    disjoint_present(&[Some(o), lse], &[Some(q), Some(k), Some(v)])?;
    let (_, scale_log2) = desc.options.scale(FORWARD, problem.head_dim)?;

    // Tiles of queries, keys and values. The kernels are made for two blocks on a multiprocessor.
    let shared = |keys: u32| (ATTENTION_FWD_QUERIES + 2 * keys) * (problem.head_dim * problem.dtype.size()) as u32;
    let compact = 2 * shared(ATTENTION_FWD_KEYS) + RESERVED_SHARED > caps.shared_memory_per_block;
    let (kernel, keys) = match (problem.dtype, problem.head_dim, compact) {
        (DType::Bf16, 64, _) => (&ATTENTION_FWD_BF16_64, ATTENTION_FWD_KEYS),
        (DType::Bf16, 128, false) => (&ATTENTION_FWD_BF16_128, ATTENTION_FWD_KEYS),
        (DType::Bf16, 128, true) => (&ATTENTION_FWD_BF16_128_COMPACT, ATTENTION_FWD_COMPACT_KEYS),
        (DType::F16, 64, _) => (&ATTENTION_FWD_F16_64, ATTENTION_FWD_KEYS),
        (DType::F16, 128, false) => (&ATTENTION_FWD_F16_128, ATTENTION_FWD_KEYS),
        (DType::F16, 128, true) => (&ATTENTION_FWD_F16_128_COMPACT, ATTENTION_FWD_COMPACT_KEYS),
        _ => return Err(problem.unsupported()),
    };
    let tiles = problem.queries.div_ceil(ATTENTION_FWD_QUERIES as usize);
    let grid = [tiles as u32, problem.heads as u32, problem.batch as u32];
    let shape = LaunchShape { grid, ..LaunchShape::linear(1, ATTENTION_FWD_THREADS) }.with_dynamic_shared(shared(keys));
    let params = AttentionFwdParams {
        q: tensor(q),
        k: tensor(k),
        v: tensor(v),
        o: tensor(o),
        lse: address(lse),
        queries: problem.queries as u32,
        keys: problem.keys as u32,
        heads: problem.heads as u32,
        group: problem.group(),
        scale_log2,
        diagonal: problem.diagonal(&desc.options),
    };
    Ok(Plan::new(Launch { kernel, shape, params }))
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float> {
    /// `[batch, queries, heads, head_dim]`.
    pub q: View<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`.
    pub k: View<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`.
    pub v: View<'a, D, T>,
    /// `[batch, queries, heads, head_dim]`, written.
    pub o: ViewMut<'a, D, T>,
    /// `[batch, heads, queries]`, written: the log-sum-exp of each row of scores, for the backward pass.
    pub lse: Option<ViewMut<'a, D, f32>>,
}

/// `o = softmax(scale * q k^T) v`, and the log-sum-exp of each row. See the [module](super) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float>(device: &D, mut tensors: Forward<'_, D, T>, options: Options) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let desc = ForwardDesc {
        q: args.read("q", &tensors.q)?,
        k: args.read("k", &tensors.k)?,
        v: args.read("v", &tensors.v)?,
        o: args.write("o", &mut tensors.o)?,
        lse: args.write_optional("lse", tensors.lse.as_mut())?,
        options,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor; views lie inside their buffers, which
    // `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}
