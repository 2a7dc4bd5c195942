//! Fused attention: scores, softmax and values in one pass, without a matrix of scores in memory.
//!
//! # Formula
//! `S = scale * Q K^T`, `P = softmax(S)` over the keys that a query attends to, `O = P V`, `LSE = log(sum(exp(S)))`. (Vaswani et
//! al., "Attention Is All You Need", 2017, equation 1; the fused recurrence is that of Dao, "FlashAttention-2", 2023, algorithm 1.)
//!
//! Backward, from `O` and `LSE` as the forward wrote them: `P = exp(S - LSE)`, `delta = rowsum(dO * O)`, `dS = P * (dO V^T - delta)`, and
//! `dQ = scale * dS K`, `dK = scale * dS^T Q`, `dV = P^T dO`; over the queries of all heads that share a key-value head, where there
//! are several. (Dao et al., "FlashAttention", 2022, appendix B.2.)
//!
//! # Shapes and layout
//! `q`, `o` are `[batch, queries, heads, head_dim]`, `k`, `v` are `[batch, keys, kv_heads, head_dim]`, `lse` is
//! `[batch, heads, queries]` without gaps. `heads` is a multiple of `kv_heads`; query head `h` uses key-value head
//! `h / (heads / kv_heads)`. Strides are free but for the last dimension, which is contiguous, so the parts of a packed QKV and
//! tensors stored as `[batch, heads, length, head_dim]` need no copy; addresses and strides are multiples of 16 bytes.
//! With [`Options::causal`], query `i` attends to keys `0..=i + keys - queries`: aligned at the bottom right. A query without keys
//! gives 0 and a log-sum-exp of -infinity, and has a gradient of 0. Gradients have the shapes of their tensors, with strides of
//! their own. Outputs overlap no other tensor.
//!
//! # Types
//! bf16 and f16, the same for all tensors of a call but `lse`, which is f32; head dimensions 64 and 128. Scores, softmax and sums are
//! in f32; probabilities are rounded to the element type before they meet `v`.
//!
//! # Accuracy
//! The error of `o` is at most twice that of an unfused computation that stores scores, probabilities and outputs in the element type,
//! that of `lse` twice that of a computation in f32, each plus two units in the last place of the row's largest result
//! (docs/numerics.md). Scores may be of any size that f32 holds. A NaN or an infinity in `q` or `k` acts through the scores that it is part of. One in `v`
//! acts wherever its probability is not masked, and a probability of 0 makes NaN of an infinity; with a causal mask it may also
//! make NaN of up to 127 queries before the first that attends to its key, as it does of all of them where P V is computed in full.
//!
//! Gradients err at most three times as much as unfused code does that stores P, dP and dS too, plus two units in the last place of the row's largest,
//! plus what the rounding of `o` moves them by, which shows where gradients cancel (docs/numerics.md).
//!
//! # Determinism
//! The same inputs, build and device model give the same bits under any schedule. No sum depends on timing: blocks add to `dQ` in the order of their
//! keys, each waiting for its turn.
//!
//! # Speed
//! Bound by tensor cores. `q`, `o` and `lse` move once, `k` and `v` once for each 128 queries of a head, from the L2 cache as a rule. Backward
//! computes five products where the forward has two, reads `q` and `grad_o` once for each 128 keys, and for each of them reads and writes an f32
//! sum of `dQ`, which is most of the workspace. Unmeasured on a GPU; instruction counts are in `kernels/attention/NOTES.md`.
//!
//! # Example
//! ```
//! use half::bf16;
//! use warpsmith::ops::attention::{self, Options};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! // What one matrix product writes for 3 positions and 2 heads: [batch, length, 3, heads, head_dim].
//! let qkv = device.upload(&vec![bf16::ONE; 3 * 3 * 2 * 64])?;
//! let part = |i: usize| qkv.strided(i * 128, [1, 3, 2, 64], [3 * 384, 384, 64, 1]);
//! let mut o = device.alloc::<bf16>(3 * 2 * 64)?;
//! let mut lse = device.alloc::<f32>(2 * 3)?;
//! let tensors = attention::Forward {
//!     q: part(0)?,
//!     k: part(1)?,
//!     v: part(2)?,
//!     o: o.view_mut([1, 3, 2, 64])?,
//!     lse: Some(lse.view_mut([1, 2, 3])?),
//! };
//! attention::forward(&device, tensors, Options { causal: true, scale: None })?;
//! // Every score is 64 / sqrt(64) = 8; position i attends to i + 1 keys.
//! assert!(device.download(&o)?.iter().all(|o| *o == bf16::ONE));
//! let expected = [8.0, 8.0 + 2_f32.ln(), 8.0 + 3_f32.ln()];
//! assert!(device.download(&lse)?.iter().zip(expected.iter().cycle()).all(|(got, lse)| (got - lse).abs() < 1e-5));
//! # Ok(())
//! # }
//! ```

mod backward;
mod forward;

pub use backward::{Backward, BackwardDesc, BackwardPlan, backward, backward_workspace_bytes, plan_backward};
pub use forward::{Forward, ForwardDesc, ForwardPlan, forward, plan_forward};

use crate::abi::AttentionTensor;
use crate::check::Arg;
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::TensorDesc;

/// Addresses and strides are multiples of this many bytes.
const ALIGNMENT: u64 = 16;
/// Positions are 32-bit, with room for a tile past the end and for differences.
const MAX_LENGTH: u64 = 1 << 29;
/// Heads and batch entries are dimensions of the grid.
const MAX_GRID: u64 = 65_535;

/// What both directions of an attention have to agree on. The default attends to every key, with the usual scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// Query i attends to keys 0 to i + keys - queries alone.
    pub causal: bool,
    /// Factor of the scores, positive and finite; 1/sqrt(head_dim) without it.
    pub scale: Option<f32>,
}

impl Options {
    /// The factor, and its product with log2(e), by which kernels multiply.
    fn scale(&self, op: &'static str, head_dim: usize) -> Result<(f32, f32)> {
        let scale = self.scale.unwrap_or(1.0 / (head_dim as f32).sqrt());
        let log2 = scale * std::f32::consts::LOG2_E;
        if log2 > 0.0 && log2.is_finite() {
            Ok((scale, log2))
        } else {
            Err(Error::Unsupported { op, what: format!("a scale of {scale}"), supported: "positive finite scales" })
        }
    }
}

/// The sizes and the type that all tensors of a call share, after `q` and `k` were checked.
struct Problem {
    op: &'static str,
    dtype: DType,
    batch: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

impl Problem {
    fn of(op: &'static str, q: &TensorDesc, k: &TensorDesc) -> Result<Self> {
        let (q, k) = (Arg::new(op, "q", q).sound()?.rank(4)?, Arg::new(op, "k", k).sound()?.rank(4)?);
        let [batch, queries, heads, head_dim] = dims(q);
        let [_, keys, kv_heads, _] = dims(k);
        let problem = Self { op, dtype: q.tensor.dtype, batch, queries, keys, heads, kv_heads, head_dim };
        if !matches!((problem.dtype, head_dim), (DType::Bf16 | DType::F16, 64 | 128)) {
            return Err(problem.unsupported());
        }
        k.shape([batch, keys, kv_heads, head_dim])?;
        if !heads.is_multiple_of(kv_heads) {
            let expected = format!("a number of heads that divides the {heads} of `q`");
            return Err(Error::Shape { op, argument: "k", expected, got: k.tensor.shape });
        }
        for arg in [q, k] {
            arg.extent_at_most(0, "the batch", MAX_GRID)?.extent_at_most(1, "the length", MAX_LENGTH)?;
        }
        q.extent_at_most(2, "the number of heads", MAX_GRID)?;
        Ok(problem)
    }

    fn unsupported(&self) -> Error {
        let Self { op, dtype, head_dim, .. } = *self;
        let what = format!("{dtype} with a head dimension of {head_dim}");
        Error::Unsupported { op, what, supported: "bf16 and f16 with head dimensions 64 and 128" }
    }

    /// A tensor of the shape and type of `q`.
    fn queries<'a>(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Arg<'a>> {
        self.positions(name, tensor, [self.batch, self.queries, self.heads, self.head_dim])
    }

    /// A tensor of the shape and type of `k`.
    fn keys<'a>(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Arg<'a>> {
        self.positions(name, tensor, [self.batch, self.keys, self.kv_heads, self.head_dim])
    }

    fn positions<'a>(&self, name: &'static str, tensor: &'a TensorDesc, shape: [usize; 4]) -> Result<Arg<'a>> {
        let arg = Arg::new(self.op, name, tensor).sound()?.dtype(self.dtype)?.shape(shape)?.unit_inner_stride()?;
        arg.aligned(ALIGNMENT)?.strides_aligned(ALIGNMENT)?.reachable()
    }

    /// A f32 for each row of scores.
    fn rows<'a>(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Arg<'a>> {
        let shape = [self.batch, self.heads, self.queries];
        Arg::new(self.op, name, tensor).sound()?.dtype(DType::F32)?.shape(shape)?.contiguous()
    }

    /// The keys that query 0 attends to, if there were enough; negative where the first queries have none.
    fn diagonal(&self, options: &Options) -> i32 {
        let keys = self.keys as i32;
        if options.causal { keys - self.queries as i32 + 1 } else { keys }
    }

    /// Query heads for each key-value head.
    fn group(&self) -> u32 {
        (self.heads / self.kv_heads) as u32
    }
}

/// The extents of a tensor of four dimensions.
fn dims(arg: Arg<'_>) -> [usize; 4] {
    std::array::from_fn(|i| arg.tensor.shape[i])
}

/// Where the kernels find a checked tensor. The stride of a dimension of one element is never used, and may be anything.
fn tensor(arg: Arg<'_>) -> AttentionTensor {
    let TensorDesc { address, shape, strides, .. } = arg.tensor;
    let stride = |i: usize| if shape[i] > 1 { strides[i] } else { 0 };
    AttentionTensor { address: *address, batch_stride: stride(0), row_stride: stride(1), head_stride: stride(2) }
}
