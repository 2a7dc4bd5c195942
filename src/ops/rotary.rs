//! Rotary position embedding of queries and keys, forward and backward, in place or not.
//!
//! # Formula
//! Each head's first `d` elements are `d / 2` pairs, and pair i of the token at position p is turned by the angle `a = p f[i]`:
//! `x' = c (x cos a - y sin a)`, `y' = c (x sin a + y cos a)`. [`Frequencies`] hold `f` and the factor `c`, which is 1 but for YaRN.
//! Elements from `d` on stay as they are. (Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.)
//!
//! Cosines and sines of your own, which need not be those of an angle, come as [`Tables`] in their place: `c cos a` and `c sin a` are what the tables have
//! for pair i, at the token's position or for the token itself. So do Transformers' models, vLLM and ONNX.
//!
//! [`Pairing`] says what a pair is: `(i, i + d / 2)` as in GPT-NeoX and Transformers' Llama, or the neighbours `(2i, 2i + 1)` as in RoFormer,
//! GPT-J and Meta's Llama.
//!
//! The backward pass turns the gradient by `-a` (with tables: by the same cosines and the negative sines), times `c` again: [`backward`] takes the gradients of the forward's results and gives those
//! of its arguments.
//!
//! # Shapes and layout
//! Queries `[batch, length, heads, head_dim]` and keys `[batch, length, key_heads, head_dim]`, at most 2^31 tokens of 2^20 heads of 2^16
//! elements. The elements of a head lie side by side; the other strides are free, so parts of a packed projection and
//! `[batch, heads, length, head_dim]` tensors need no copy. An [`Operand`] is rotated in place, or from one tensor into another that
//! overlaps no tensor of the call. Heads that start at multiples of 16 bytes, with `d / 2` and `head_dim - d` whole vectors (8
//! elements of 16 bits), are fastest.
//!
//! Tables are `[positions, pairs]`, looked up by position, or `[batch, length, pairs]`, with a row for each token, whose positions then count for nothing
//! (`batch` may be 1 for all). Their last dimension lies side by side, the other strides are free: the first half of the `[batch, length, head_dim]` that
//! Transformers has, and both halves of vLLM's cache of cosines and sines, need no copy.
//!
//! # Positions
//! A first position, from which the tokens of each batch count on, or a tensor `[length]` or `[batch, length]` of i32 or i64, any
//! strides. Any value will do, negative ones too; with tables a position that they do not have makes its token's rotated elements NaN.
//!
//! # Types
//! f32, f16 and bf16, the same for queries and keys; tables in that type or in f32.
//!
//! # Accuracy
//! Angles are exact integers: frequencies are kept in 2^-64 of a full turn, and the product with a position is taken modulo a turn. So an angle at
//! position p errs by p 2^-65 of a turn, 4e-10 rad at 2^31, where the usual f32 product errs by 2e-3 at 127,000 already. Sine and cosine are good
//! to 1e-7. The error of a result is at most twice that of a computation in f32 with exact angles plus two units in the last place of
//! the head's largest element (docs/numerics.md).
//!
//! # Determinism
//! The same input gives the same bits on every device and under any schedule.
//!
//! # Speed
//! Bound by memory: each element is read and written once, both tensors in one launch, nothing is read for sines and cosines, or a row of each table for a
//! token. Unmeasured on a
//! GPU; instruction counts are in `kernels/rotary/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::rotary::{self, Frequencies, Operand, Pairing, Positions, Scaling};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let frequencies = Frequencies::new(2, 10_000.0, Scaling::None)?; // one pair, one radian a position
//! let mut q = device.upload(&[1.0_f32, 0.0, 0.0, 2.0])?; // two tokens of one head
//! let tensors = rotary::Rotate {
//!     queries: Operand::InPlace(q.view_mut([1, 2, 1, 2])?),
//!     keys: None,
//!     positions: Positions::From(1),
//! };
//! rotary::forward(&device, tensors, &frequencies, Pairing::Half)?;
//! let expected = [1.0_f32.cos(), 1.0_f32.sin(), -2.0 * 2.0_f32.sin(), 2.0 * 2.0_f32.cos()];
//! for (q, expected) in device.download(&q)?.into_iter().zip(expected) {
//!     assert!((q - expected).abs() < 1e-6);
//! }
//! # Ok(())
//! # }
//! ```

mod frequencies;
mod kernels;
mod plan;

pub use frequencies::{Frequencies, MAX_PAIRS, Scaling};
pub use plan::{RotatePlan, plan};

use crate::device::{Args, Device, Queue};
use crate::element::Float;
use crate::error::Result;
use crate::view::{TensorDesc, View, ViewMut};

/// Which elements of a head are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// Element i of the first half and of the second half.
    Half,
    /// Elements 2i and 2i + 1.
    Interleaved,
}

impl Pairing {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Half, Self::Interleaved];
}

/// Which way is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// By the angles.
    Forward,
    /// Back, as gradients are.
    Backward,
}

impl Direction {
    const fn op(self) -> &'static str {
        match self {
            Self::Forward => "rotary::forward",
            Self::Backward => "rotary::backward",
        }
    }
}

/// A tensor that is rotated as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperandDesc {
    /// `[batch, length, heads, head_dim]`, read.
    pub input: TensorDesc,
    /// The same shape, written: `input` itself, or memory apart from all other tensors.
    pub output: TensorDesc,
}

/// Positions as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PositionsDesc {
    /// That of the first token of each batch.
    From(i64),
    /// `[length]` or `[batch, length]` of i32 or i64, read.
    Each(TensorDesc),
}

/// By what pairs are turned, as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a description is made once for a call, and holds larger ones itself")]
pub enum AnglesDesc<'a> {
    /// Positions times these.
    Frequencies(&'a Frequencies),
    /// Numbers of the element type or f32, read.
    Tables {
        /// `[positions, pairs]`, `[batch, length, pairs]` or `[1, length, pairs]`.
        cosines: TensorDesc,
        /// The same shape and type.
        sines: TensorDesc,
    },
}

/// A rotation as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RotateDesc<'a> {
    /// `[batch, length, heads, head_dim]`; their gradient in the backward pass.
    pub queries: OperandDesc,
    /// `[batch, length, key_heads, head_dim]`; their gradient in the backward pass.
    pub keys: Option<OperandDesc>,
    /// Where the tokens stand.
    pub positions: PositionsDesc,
    /// By what the pairs are turned.
    pub angles: AnglesDesc<'a>,
    /// Which elements are a pair.
    pub pairing: Pairing,
}

/// A tensor that is rotated, `[batch, length, heads, head_dim]`.
#[derive(Debug)]
pub enum Operand<'a, D: Device, T: Float> {
    /// In its own memory.
    InPlace(ViewMut<'a, D, T>),
    /// Into other memory.
    Into {
        /// Read.
        input: View<'a, D, T>,
        /// Written, of the same shape.
        output: ViewMut<'a, D, T>,
    },
}

/// Where tokens stand.
#[derive(Clone, Copy, Debug)]
pub enum Positions<'a, D: Device> {
    /// The position of the first token of each batch; the others follow.
    From(i64),
    /// `[length]` or `[batch, length]`.
    I32(View<'a, D, i32>),
    /// `[length]` or `[batch, length]`.
    I64(View<'a, D, i64>),
}

/// Cosines and sines by position or by token.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a, D: Device, C: Float> {
    /// `[positions, pairs]`, `[batch, length, pairs]` or `[1, length, pairs]`.
    pub cosines: View<'a, D, C>,
    /// The same shape.
    pub sines: View<'a, D, C>,
}

/// By what the pairs are turned: [`Frequencies`] or [`Tables`]. Sealed.
pub trait Angles<D: Device>: sealed::Angles<D> {}
impl<D: Device, A: sealed::Angles<D>> Angles<D> for A {}

mod sealed {
    use super::{AnglesDesc, Args, Device, Float, Frequencies, Result, Tables};

    pub trait Angles<D: Device> {
        fn describe<'a>(&'a self, args: &mut Args<'a, D>) -> Result<AnglesDesc<'a>>;
    }

    impl<D: Device> Angles<D> for Frequencies {
        fn describe<'a>(&'a self, _: &mut Args<'a, D>) -> Result<AnglesDesc<'a>> {
            Ok(AnglesDesc::Frequencies(self))
        }
    }

    impl<D: Device, C: Float> Angles<D> for Tables<'_, D, C> {
        fn describe<'a>(&'a self, args: &mut Args<'a, D>) -> Result<AnglesDesc<'a>> {
            let (cosines, sines) = (args.read("cosines", &self.cosines)?, args.read("sines", &self.sines)?);
            Ok(AnglesDesc::Tables { cosines, sines })
        }
    }
}

/// The tensors of [`forward`], or their gradients for [`backward`].
#[derive(Debug)]
pub struct Rotate<'a, D: Device, T: Float> {
    /// `[batch, length, heads, head_dim]`.
    pub queries: Operand<'a, D, T>,
    /// `[batch, length, key_heads, head_dim]`.
    pub keys: Option<Operand<'a, D, T>>,
    /// Where the tokens stand.
    pub positions: Positions<'a, D>,
}

/// Turns queries and keys by their positions. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan()`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, T: Float>(
    device: &D,
    tensors: Rotate<'_, D, T>,
    angles: &impl Angles<D>,
    pairing: Pairing,
) -> Result<()> {
    rotate(device, tensors, angles, pairing, Direction::Forward)
}

/// Turns the gradients of [`forward`]'s results back into those of its arguments. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan()`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn backward<D: Device, T: Float>(
    device: &D,
    gradients: Rotate<'_, D, T>,
    angles: &impl Angles<D>,
    pairing: Pairing,
) -> Result<()> {
    rotate(device, gradients, angles, pairing, Direction::Backward)
}

fn rotate<D: Device, T: Float>(
    device: &D,
    mut tensors: Rotate<'_, D, T>,
    angles: &impl Angles<D>,
    pairing: Pairing,
    direction: Direction,
) -> Result<()> {
    let mut args = Args::new(device, direction.op())?;
    let queries = describe(&mut args, ["queries", "queries_out"], &mut tensors.queries)?;
    let keys = match &mut tensors.keys {
        Some(keys) => Some(describe(&mut args, ["keys", "keys_out"], keys)?),
        None => None,
    };
    let positions = match &tensors.positions {
        Positions::From(first) => PositionsDesc::From(*first),
        Positions::I32(view) => PositionsDesc::Each(args.read("positions", view)?),
        Positions::I64(view) => PositionsDesc::Each(args.read("positions", view)?),
    };
    let angles = angles.describe(&mut args)?;
    let plan = plan(&RotateDesc { queries, keys, positions, angles, pairing }, direction, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that an output is its input or overlaps no other tensor; views lie inside their buffers,
    // which `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}

fn describe<'a, D: Device, T: Float>(
    args: &mut Args<'a, D>,
    [name, out]: [&'static str; 2],
    operand: &'a mut Operand<'_, D, T>,
) -> Result<OperandDesc> {
    Ok(match operand {
        Operand::InPlace(view) => {
            let tensor = args.write(name, view)?;
            OperandDesc { input: tensor, output: tensor }
        }
        Operand::Into { input, output } => {
            OperandDesc { input: args.read(name, input)?, output: args.write(out, output)? }
        }
    })
}
