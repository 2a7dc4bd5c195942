//! Fused attention: scores, softmax and values in one pass, without a matrix of scores in memory.
//!
//! # Formula
//! `S = scale * Q K^T`, `P = softmax(S)` over the keys that a query attends to, `O = P V`, `LSE = log(sum(exp(S)))` (Vaswani et al.
//! 2017, equation 1; the fused recurrence is that of FlashAttention-2, Dao 2023, algorithm 1).
//!
//! # Shapes and layout
//! `q`, `o` are `[batch, queries, heads, head_dim]`, `k`, `v` are `[batch, keys, kv_heads, head_dim]`, `lse` is `[batch, heads, queries]` without gaps.
//! `heads` is a multiple of `kv_heads`; query head `h` uses key-value head `h / (heads / kv_heads)`. Strides are free but for the last
//! dimension, which is contiguous; addresses and strides are multiples of 16 bytes, or the launch is [`Error::Misaligned`].
//! With [`Mask::Causal`], query `i` attends to keys `0..=i + keys - queries`: aligned at the bottom right. A query without keys gives 0 and
//! a log-sum-exp of -infinity.
//!
//! # Types
//! bf16 and f16, head dimensions 64 and 128; scores, softmax and sums in f32; `lse` in f32.
//!
//! # Determinism
//! The same inputs, build and device model give the same bits under any schedule.

use crate::abi::{AttentionBwdParams, AttentionFwdParams, AttentionTensor};
use crate::check::{Arg, disjoint};
use crate::device::{Caps, Kernel, Launch, LaunchShape, Queue};
use crate::{Args, DType, Device, Error, Float, Result, TensorDesc, View, ViewMut};

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/attention_fwd.rs"));
}

static ATTENTION_FWD_BF16_64: Kernel<AttentionFwdParams> = Kernel::new(&image::ATTENTION_FWD, "attention_fwd_bf16_64");
static ATTENTION_FWD_BF16_128: Kernel<AttentionFwdParams> =
    Kernel::new(&image::ATTENTION_FWD, "attention_fwd_bf16_128");
static ATTENTION_FWD_F16_64: Kernel<AttentionFwdParams> = Kernel::new(&image::ATTENTION_FWD, "attention_fwd_f16_64");
static ATTENTION_FWD_F16_128: Kernel<AttentionFwdParams> = Kernel::new(&image::ATTENTION_FWD, "attention_fwd_f16_128");

const FORWARD: &str = "attention::forward";
const THREADS: u32 = 128;
/// Queries of a block, keys of a step: `M` and `N` of `attention_fwd.cu`.
const TILE_QUERIES: usize = 128;
const TILE_KEYS: usize = 64;
/// 32-bit indices of queries and keys, with room for a tile past the end.
const LENGTH_LIMIT: u64 = 1 << 29;

/// Which keys a query attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Mask {
    /// All of them.
    #[default]
    Full,
    /// Query i attends to keys 0 to i + keys - queries.
    Causal,
}

/// A forward problem as plain data.
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
    /// `[batch, heads, queries]` f32, written.
    pub lse: TensorDesc,
    /// Factor of the scores; 1/sqrt(head_dim) where there is none.
    pub scale: Option<f32>,
    /// Which keys a query attends to.
    pub mask: Mask,
}

/// A checked forward problem.
#[derive(Clone, Copy, Debug)]
pub struct ForwardPlan {
    main: Launch<AttentionFwdParams>,
}

/// The address and strides of a checked tensor.
fn tensor(arg: Arg<'_>) -> Result<AttentionTensor> {
    const BYTES: u64 = 16;
    let TensorDesc { address, strides, shape, dtype } = *arg.tensor;
    for (&stride, &extent) in strides.iter().zip(shape.iter()).take(3) {
        let bytes = stride.unsigned_abs() * dtype.size() as u64;
        if extent > 1 && !bytes.is_multiple_of(BYTES) {
            return Err(Error::Misaligned {
                op: arg.op,
                argument: arg.name,
                address: address + bytes,
                required: BYTES,
            });
        }
    }
    Ok(AttentionTensor { address, batch_stride: strides[0], row_stride: strides[1], head_stride: strides[2] })
}

/// Checks a forward problem and chooses its kernel.
///
/// # Errors
/// One of the typed errors, naming the argument that is wrong.
pub fn plan_forward(desc: &ForwardDesc, caps: &Caps) -> Result<ForwardPlan> {
    let q = Arg::new(FORWARD, "q", &desc.q).sound()?.rank(4)?.unit_inner_stride()?.aligned(16)?;
    let [batch, queries, heads, head_dim] = [desc.q.shape[0], desc.q.shape[1], desc.q.shape[2], desc.q.shape[3]];
    let dtype = desc.q.dtype;
    let k = Arg::new(FORWARD, "k", &desc.k).sound()?.rank(4)?.dtype(dtype)?.unit_inner_stride()?.aligned(16)?;
    let [keys, kv_heads] = [desc.k.shape[1], desc.k.shape[2]];
    let k = k.shape([batch, keys, kv_heads, head_dim])?;
    let v =
        Arg::new(FORWARD, "v", &desc.v).sound()?.dtype(dtype)?.shape(desc.k.shape)?.unit_inner_stride()?.aligned(16)?;
    let o =
        Arg::new(FORWARD, "o", &desc.o).sound()?.dtype(dtype)?.shape(desc.q.shape)?.unit_inner_stride()?.aligned(16)?;
    let lse =
        Arg::new(FORWARD, "lse", &desc.lse).sound()?.dtype(DType::F32)?.shape([batch, heads, queries])?.contiguous()?;
    for arg in [q, k] {
        arg.extent_at_most(1, "the length", LENGTH_LIMIT)?.extent_at_most(0, "the batch", 65_535)?;
    }
    let q = q.extent_at_most(2, "the number of heads", 65_535)?;
    if heads % kv_heads != 0 {
        return Err(Error::Shape {
            op: FORWARD,
            argument: "k",
            expected: format!("a number of heads that divides the {heads} of `q`"),
            got: desc.k.shape,
        });
    }
    disjoint(&[o, lse], &[q, k, v])?;

    let kernel = match (dtype, head_dim) {
        (DType::Bf16, 64) => &ATTENTION_FWD_BF16_64,
        (DType::Bf16, 128) => &ATTENTION_FWD_BF16_128,
        (DType::F16, 64) => &ATTENTION_FWD_F16_64,
        (DType::F16, 128) => &ATTENTION_FWD_F16_128,
        _ => {
            return Err(Error::Unsupported {
                op: FORWARD,
                what: format!("{dtype} with head dimension {head_dim}"),
                supported: "bf16 and f16 with head dimensions 64 and 128",
            });
        }
    };
    let scale = desc.scale.unwrap_or(1.0 / (head_dim as f32).sqrt());
    if !(scale.is_finite() && scale > 0.0) {
        return Err(Error::Unsupported {
            op: FORWARD,
            what: format!("scale {scale}"),
            supported: "a positive finite scale",
        });
    }
    let shared = (TILE_QUERIES + 2 * TILE_KEYS) * head_dim * dtype.size();
    debug_assert!(shared as u64 <= u64::from(caps.shared_memory_per_block));
    let shape = LaunchShape {
        grid: [queries.div_ceil(TILE_QUERIES) as u32, heads as u32, batch as u32],
        ..LaunchShape::linear(1, THREADS)
    }
    .with_dynamic_shared(shared as u32);
    let params = AttentionFwdParams {
        q: tensor(q)?,
        k: tensor(k)?,
        v: tensor(v)?,
        o: tensor(o)?,
        lse: desc.lse.address,
        queries: queries as u32,
        keys: keys as u32,
        heads: heads as u32,
        group: (heads / kv_heads) as u32,
        scale_log2: scale * std::f32::consts::LOG2_E,
        causal: u32::from(desc.mask == Mask::Causal),
    };
    Ok(ForwardPlan { main: Launch { kernel, shape, params } })
}

impl ForwardPlan {
    /// Queues the kernel.
    ///
    /// # Safety
    /// The memory that the description names is alive until the launch has run, and nothing else touches it in a conflicting way
    /// meanwhile.
    ///
    /// # Errors
    /// Those of a launch: no fitting image, a driver error, or a fault that the emulator found.
    pub unsafe fn launch(&self, queue: &impl Queue) -> Result<()> {
        // SAFETY: the plan keeps the kernel inside the tensors it checked, and the caller keeps those.
        unsafe { self.main.queue(queue) }
    }
}

/// The tensors of a forward call.
pub struct Forward<'a, D: Device, T: Float> {
    /// `[batch, queries, heads, head_dim]`.
    pub q: View<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`.
    pub k: View<'a, D, T>,
    /// `[batch, keys, kv_heads, head_dim]`.
    pub v: View<'a, D, T>,
    /// `[batch, queries, heads, head_dim]`, written.
    pub o: ViewMut<'a, D, T>,
    /// `[batch, heads, queries]`, written.
    pub lse: ViewMut<'a, D, f32>,
    /// Factor of the scores; 1/sqrt(head_dim) where there is none.
    pub scale: Option<f32>,
    /// Which keys a query attends to.
    pub mask: Mask,
}

/// `o = softmax(scale * q k^T) v`, and the log-sum-exp of each row.
///
/// # Errors
/// A typed error that names the argument that is wrong; then no output was touched.
pub fn forward<D: Device, T: Float>(device: &D, mut io: Forward<'_, D, T>) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let desc = ForwardDesc {
        q: args.read("q", &io.q)?,
        k: args.read("k", &io.k)?,
        v: args.read("v", &io.v)?,
        o: args.write("o", &mut io.o)?,
        lse: args.write("lse", &mut io.lse)?,
        scale: io.scale,
        mask: io.mask,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan checked shapes and aliasing, views lie inside their buffers, `args` borrows them until the launch is queued.
    unsafe { plan.launch(&args) }
}

const BACKWARD: &str = "attention::backward";
static ATTENTION_BWD_BF16_64: Kernel<AttentionBwdParams> = Kernel::new(&bwd::ATTENTION_BWD, "attention_bwd_bf16_64");
static ATTENTION_BWD_BF16_128: Kernel<AttentionBwdParams> = Kernel::new(&bwd::ATTENTION_BWD, "attention_bwd_bf16_128");
static ATTENTION_BWD_DELTA_BF16_64: Kernel<AttentionBwdParams> =
    Kernel::new(&bwd::ATTENTION_BWD, "attention_bwd_delta_bf16_64");
static ATTENTION_BWD_DELTA_BF16_128: Kernel<AttentionBwdParams> =
    Kernel::new(&bwd::ATTENTION_BWD, "attention_bwd_delta_bf16_128");

mod bwd {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/attention_bwd.rs"));
}

/// The tensors of a backward call.
pub struct Backward<'a, D: Device, T: Float> {
    pub q: View<'a, D, T>,
    pub k: View<'a, D, T>,
    pub v: View<'a, D, T>,
    pub o: View<'a, D, T>,
    pub lse: View<'a, D, f32>,
    pub grad_o: View<'a, D, T>,
    pub grad_q: ViewMut<'a, D, T>,
    pub grad_k: ViewMut<'a, D, T>,
    pub grad_v: ViewMut<'a, D, T>,
    pub workspace: ViewMut<'a, D, u8>,
    pub scale: Option<f32>,
    pub mask: Mask,
}

struct Sizes {
    delta: u64,
    partial: u64,
    turns: u64,
}

fn sizes(batch: u64, queries: u64, heads: u64, head_dim: u64, warps: u64) -> Sizes {
    let blocks = batch * heads * queries.div_ceil(64);
    let round = |bytes: u64| bytes.next_multiple_of(256);
    Sizes {
        delta: round(batch * heads * queries * 4),
        partial: round(blocks * 64 * head_dim * 4),
        turns: round((1 + blocks * warps) * 4),
    }
}

pub fn backward_workspace_bytes(batch: u64, queries: u64, heads: u64, head_dim: u64) -> u64 {
    let s = sizes(batch, queries, heads, head_dim, 8);
    s.delta + s.partial + s.turns
}

pub fn backward<D: Device, T: Float>(device: &D, mut io: Backward<'_, D, T>) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let q = args.read("q", &io.q)?;
    let k = args.read("k", &io.k)?;
    let v = args.read("v", &io.v)?;
    let o = args.read("o", &io.o)?;
    let lse = args.read("lse", &io.lse)?;
    let grad_o = args.read("grad_o", &io.grad_o)?;
    let grad_q = args.write("grad_q", &mut io.grad_q)?;
    let grad_k = args.write("grad_k", &mut io.grad_k)?;
    let grad_v = args.write("grad_v", &mut io.grad_v)?;
    let workspace = args.write("workspace", &mut io.workspace)?;
    let [batch, queries, heads, head_dim] = [q.shape[0], q.shape[1], q.shape[2], q.shape[3]];
    let [keys, kv_heads] = [k.shape[1], k.shape[2]];
    let s = sizes(batch as u64, queries as u64, heads as u64, head_dim as u64, 8);
    let scale = io.scale.unwrap_or(1.0 / (head_dim as f32).sqrt());
    let t = |d: &TensorDesc| tensor(Arg::new(BACKWARD, "x", d));
    let params = AttentionBwdParams {
        q: t(&q)?,
        k: t(&k)?,
        v: t(&v)?,
        o: t(&o)?,
        grad_o: t(&grad_o)?,
        grad_q: t(&grad_q)?,
        grad_k: t(&grad_k)?,
        grad_v: t(&grad_v)?,
        lse: lse.address,
        delta: workspace.address,
        partial_grad_q: workspace.address + s.delta,
        turns: workspace.address + s.delta + s.partial,
        batch: batch as u32,
        queries: queries as u32,
        keys: keys as u32,
        heads: heads as u32,
        group: (heads / kv_heads) as u32,
        turn_count: (1 + batch * heads * queries.div_ceil(64) * 8) as u32,
        scale,
        scale_log2: scale * std::f32::consts::LOG2_E,
        causal: u32::from(io.mask == Mask::Causal),
        reserved: 0,
    };
    let (delta, main) = if head_dim == 64 {
        (&ATTENTION_BWD_DELTA_BF16_64, &ATTENTION_BWD_BF16_64)
    } else {
        (&ATTENTION_BWD_DELTA_BF16_128, &ATTENTION_BWD_BF16_128)
    };
    let rows_per_block = 256 / (head_dim / 8);
    let shape = LaunchShape {
        grid: [queries.div_ceil(rows_per_block) as u32, heads as u32, batch as u32],
        ..LaunchShape::linear(1, 256)
    };
    let n = 128;
    let shared = 2 * n * head_dim * 2 + 4 * 64 * head_dim * 2 + n * 64 * 2 + 4 * 64 * 4 + 128;
    // SAFETY: draft
    unsafe {
        Launch { kernel: delta, shape, params }.queue(&args)?;
        let blocks = keys.div_ceil(n) * batch * kv_heads;
        Launch {
            kernel: main,
            shape: LaunchShape::linear(blocks as u32, 256).with_dynamic_shared(shared as u32),
            params,
        }
        .queue(&args)
    }
}
