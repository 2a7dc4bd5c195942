//! Random numbers: what dropout, token masking and stochastic rounding draw from.
//!
//! # Definition
//! A seed of 64 bits has 2^64 *blocks* of four 32-bit words: block `c` is Philox4x32-10 with the seed as key and the counter
//! `(low word of c, high word of c, 0, 0)`, as [`reference::philox::block`](crate::reference::philox::block) computes it on the CPU, bit for bit.
//! Each operation says which word decides about which element. That depends on seed, offset and the element's place in the tensor alone: not
//! on strides, launch shape, device or element type.
//!
//! # Seed and offset
//! Both lie on the device, in a tensor of two i64 ([`state`]), so that a captured graph can be replayed with others. A call begins at block
//! `state offset + own offset`, modulo 2^64; its own offset is plain data, which keeps the calls of one step apart. Each operation documents
//! how many blocks a call uses ([`blocks`] of the words that it needs): the next call has to begin that much later, and the next step after all
//! calls of this one. Blocks that overlap give the same words again: that is how a backward pass finds the mask of its forward.
//!
//! # Probabilities
//! A probability `p` is a threshold of `round(p * 2^32)` words out of 2^32, at least one and not all for `p` between 0 and 1; at 0 and 1 it is exact.

use crate::check::Arg;
use crate::device::{Args, Device};
use crate::element::DType;
use crate::error::Result;
use crate::view::{TensorDesc, View};

/// Where the random numbers of a call begin, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomDesc {
    /// `[2]` in i64, read: the bits of seed and offset.
    pub state: TensorDesc,
    /// Added to the state's offset, modulo 2^64.
    pub offset: u64,
}

/// Where the random numbers of a call begin.
#[derive(Clone, Copy, Debug)]
pub struct Random<'a, D: Device> {
    /// `[2]`: the bits of seed and offset, as [`state`] gives them.
    pub state: View<'a, D, i64>,
    /// Added to the state's offset, modulo 2^64.
    pub offset: u64,
}

impl RandomDesc {
    /// The state, checked.
    pub(crate) fn check<'a>(&'a self, op: &'static str) -> Result<Arg<'a>> {
        Arg::new(op, "state", &self.state).sound()?.dtype(DType::I64)?.shape([2])?.contiguous()
    }
}

impl<'a, D: Device> Random<'a, D> {
    /// Registers the state, which is read.
    pub(crate) fn describe(&'a self, args: &mut Args<'a, D>) -> Result<RandomDesc> {
        Ok(RandomDesc { state: args.read("state", &self.state)?, offset: self.offset })
    }
}

/// What the memory of a state holds: the bits of a seed and of an offset.
pub const fn state(seed: u64, offset: u64) -> [i64; 2] {
    [seed.cast_signed(), offset.cast_signed()]
}

/// Blocks that hold so many words.
pub const fn blocks(words: u64) -> u64 {
    words.div_ceil(4)
}

/// How many of the 2^32 words decide for what has this probability: those below this.
pub(crate) fn words_below(probability: f64) -> u64 {
    let words = (probability * 2f64.powi(32)).round() as u64;
    if probability > 0.0 && probability < 1.0 { words.clamp(1, u32::MAX.into()) } else { words }
}
