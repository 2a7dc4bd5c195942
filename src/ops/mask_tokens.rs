//! Token masking for masked language modelling: inputs and labels from tokens, on the device.
//!
//! # Formula
//! Each token is chosen with a probability, 0.15 by default, unless it is special. The label of a chosen token is the token, that of all others
//! `ignore_index`, as [`cross_entropy`](super::cross_entropy) takes them. Of the chosen tokens a share of 0.8 becomes the mask, a share of 0.1 a token
//! drawn evenly from the vocabulary, special ones and the token itself among them, and the rest stays what it was. (Devlin et al., "BERT", 2019;
//! probabilities, shares and labels are those of Transformers' `DataCollatorForLanguageModeling`, which draws one random number for each decision where this
//! draws one for all.)
//!
//! # Random numbers
//! Token `i`, counted row by row, has words `w = 2 (i % 2)` and `w + 1` of block `i / 2` of its call ([`random`](crate::random) defines blocks and
//! offsets). With `t(q) = round(q * 2^32)` it is chosen where word `w` is below `t(probability)`; it becomes the mask where that word is also below
//! `t(probability * mask_share)`, else a random token where it is below `t(probability * (mask_share + random_share))`. The random token is the high half of
//! word `w + 1` times the vocabulary, unless the low half is below `2^32` modulo the vocabulary: then word `w + 1` of redraw 1, 2, .. of the block is
//! taken, so that every token is exactly as probable as any other. A call over `n` tokens uses `blocks(2 n)` blocks. So the result depends on seed, offset and the
//! place alone, and [`reference::mask_tokens`](crate::reference::mask_tokens) reproduces it.
//!
//! # What is never chosen
//! Tokens with one of up to eight ids, [`Options::special_tokens`]; and tokens with a byte that is not zero in `special`, the `special_tokens_mask` of
//! tokenizers. Both may be given.
//!
//! # Shapes and layout
//! All tensors have one shape, any, and no gaps, at any address that is a multiple of the element's size; multiples of 16 bytes are fastest. The output
//! may be exactly the memory of the input ([`Tokens::InPlace`]); otherwise outputs overlap no other tensor.
//!
//! # Types
//! Tokens, output and labels in i32 or i64, the same for all three; `special` in u8.
//!
//! # Determinism
//! The same tokens, seed and offset give the same result, on every device and under any schedule.
//!
//! # Speed
//! Bound by memory: each id is read once, and two are written, 16 bytes at a time. Unmeasured on a GPU; instruction counts are in
//! `kernels/mask_tokens/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::mask_tokens::{self, Options, Tokens};
//! use warpsmith::random::{self, Random};
//! use warpsmith::{Buffer, Device, EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let mut tokens = device.upload(&[101_i32, 7, 8, 9, 10, 11, 102, 0])?;
//! let mut labels = device.alloc::<i32>(8)?;
//! let state = device.upload(&random::state(42, 0))?;
//! let tensors = mask_tokens::Forward {
//!     tokens: Tokens::InPlace(tokens.view_mut([2, 4])?),
//!     special: None,
//!     labels: labels.view_mut([2, 4])?,
//!     random: Random { state: state.view([2])?, offset: 0 },
//! };
//! let options = Options { special_tokens: &[0, 101, 102], ..Options::new(103, 30_522) };
//! mask_tokens::forward(&device, tensors, &Options { probability: 1.0, mask_share: 1.0, random_share: 0.0, ..options })?;
//! assert_eq!(device.download(&tokens)?, [101, 103, 103, 103, 103, 103, 102, 0]);
//! assert_eq!(device.download(&labels)?, [-100, 7, 8, 9, 10, 11, -100, -100]);
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub(crate) use plan::thresholds;
pub use plan::{ForwardPlan, plan_forward};

use crate::abi::MASK_TOKENS_MAX_SPECIAL;
use crate::device::{Args, Device, Queue};
use crate::element::Index;
use crate::error::Result;
use crate::random::{Random, RandomDesc};
use crate::view::{TensorDesc, View, ViewMut};

const OP: &str = "mask_tokens::forward";

/// The most ids that are never chosen by [`Options::special_tokens`].
pub const MAX_SPECIAL: usize = MASK_TOKENS_MAX_SPECIAL as usize;

/// What there is to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options<'a> {
    /// Of choosing a token, 0 to 1; 0.15 by default.
    pub probability: f32,
    /// The share of chosen tokens that become the mask; 0.8 by default.
    pub mask_share: f32,
    /// The share of chosen tokens that become random ones; 0.1 by default. Both shares together are at most 1.
    pub random_share: f32,
    /// The mask.
    pub mask_token: i64,
    /// Random tokens are below this; from 1 to 2^31 - 1.
    pub vocabulary: usize,
    /// Ids that are never chosen, up to [`MAX_SPECIAL`]; none by default.
    pub special_tokens: &'a [i64],
    /// The label of tokens that are not chosen; -100 by default.
    pub ignore_index: i64,
}

impl Options<'_> {
    /// The defaults, with this mask and vocabulary.
    pub const fn new(mask_token: i64, vocabulary: usize) -> Self {
        let (probability, mask_share, random_share) = (0.15, 0.8, 0.1);
        Self { probability, mask_share, random_share, mask_token, vocabulary, special_tokens: &[], ignore_index: -100 }
    }
}

/// A masking as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc<'a> {
    /// Read, in i32 or i64.
    pub input: TensorDesc,
    /// Read, in u8: not zero where a token is never chosen.
    pub special: Option<TensorDesc>,
    /// Written: `input`, or memory apart.
    pub output: TensorDesc,
    /// Written.
    pub labels: TensorDesc,
    /// Where the random numbers begin.
    pub random: RandomDesc,
    /// Everything else.
    pub options: &'a Options<'a>,
}

/// The tokens and where the masked ones go.
#[derive(Debug)]
pub enum Tokens<'a, D: Device, I: Index> {
    /// The tokens stay.
    Apart {
        /// Read.
        input: View<'a, D, I>,
        /// Written.
        output: ViewMut<'a, D, I>,
    },
    /// The masked ones take their place.
    InPlace(ViewMut<'a, D, I>),
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, I: Index> {
    /// The tokens and where the masked ones go.
    pub tokens: Tokens<'a, D, I>,
    /// Not zero where a token is never chosen.
    pub special: Option<View<'a, D, u8>>,
    /// Written: the token where it is chosen, elsewhere `ignore_index`.
    pub labels: ViewMut<'a, D, I>,
    /// Where the random numbers begin.
    pub random: Random<'a, D>,
}

/// Masks tokens and writes labels. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`](crate::Error::DeviceMismatch), and those of a launch.
pub fn forward<D: Device, I: Index>(device: &D, mut tensors: Forward<'_, D, I>, options: &Options<'_>) -> Result<()> {
    let mut args = Args::new(device, OP)?;
    let (input, output) = match &mut tensors.tokens {
        Tokens::Apart { input, output } => (args.read("input", input)?, args.write("output", output)?),
        Tokens::InPlace(tokens) => {
            let tokens = args.write("input", tokens)?;
            (tokens, tokens)
        }
    };
    let desc = ForwardDesc {
        input,
        special: args.read_optional("special", tensors.special.as_ref())?,
        output,
        labels: args.write("labels", &mut tensors.labels)?,
        random: tensors.random.describe(&mut args)?,
        options,
    };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor but the input that it is; views lie inside their buffers,
    // which `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}
