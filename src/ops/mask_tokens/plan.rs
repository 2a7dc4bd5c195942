//! From a description of the tensors to a launch. Pure.

use super::kernels::{FWD_I32, FWD_I64};
use super::{ForwardDesc, MAX_SPECIAL, OP, Options};
use crate::abi::{MASK_TOKENS_EACH, MASK_TOKENS_THREADS, MaskTokensFwdParams};
use crate::check::{Arg, address, disjoint_or_in_place, disjoint_present};
use crate::device::{Caps, Launch, LaunchShape, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::random::words_below;

/// Tokens of a block.
const TOKENS: u64 = (MASK_TOKENS_THREADS * MASK_TOKENS_EACH) as u64;
/// Blocks are along the first dimension of a grid.
const MAX_TOKENS: u64 = i32::MAX as u64 * TOKENS;

/// A masking that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<MaskTokensFwdParams>>;

/// Checks a masking and decides how it runs. It runs alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] the type of the ids or an option.
pub fn plan_forward(desc: &ForwardDesc<'_>, _caps: &Caps) -> Result<ForwardPlan> {
    let (shape, dtype) = (desc.input.shape, desc.input.dtype);
    let input = Arg::new(OP, "input", &desc.input).sound()?.contiguous()?;
    let kernel = match dtype {
        DType::I32 => &FWD_I32,
        DType::I64 => &FWD_I64,
        other => return Err(unsupported(format!("tokens of {other}"), "i32 and i64")),
    };
    let like = |name, tensor| Arg::new(OP, name, tensor).sound()?.dtype(dtype)?.shape(shape)?.contiguous();
    let (output, labels) = (like("output", &desc.output)?, like("labels", &desc.labels)?);
    let special = match &desc.special {
        Some(tensor) => Some(Arg::new(OP, "special", tensor).sound()?.dtype(DType::U8)?.shape(shape)?.contiguous()?),
        None => None,
    };
    let state = desc.random.check(OP)?;
    let count = shape.elements() as u64;
    if count > MAX_TOKENS {
        let what = "the number of tokens";
        return Err(Error::IndexRange { op: OP, argument: "input", what, limit: MAX_TOKENS, got: count });
    }
    disjoint_or_in_place(&[(output, input)], &[])?;
    disjoint_present(&[Some(output)], &[special, Some(state)])?;
    disjoint_present(&[Some(labels)], &[Some(input), Some(output), special, Some(state)])?;

    let options = desc.options;
    let [chosen, masked, randomised] = thresholds(options)?;
    check_ids(options, dtype)?;
    let vocabulary = match u32::try_from(options.vocabulary) {
        Ok(vocabulary) if vocabulary > 0 && vocabulary <= i32::MAX as u32 => vocabulary,
        _ => return Err(unsupported(format!("a vocabulary of {}", options.vocabulary), "1 to 2^31 - 1 tokens")),
    };
    let mut special_ids = [options.special_tokens.first().copied().unwrap_or_default(); MAX_SPECIAL];
    special_ids[..options.special_tokens.len()].copy_from_slice(options.special_tokens);
    let params = MaskTokensFwdParams {
        input: desc.input.address,
        special: address(special),
        output: desc.output.address,
        labels: desc.labels.address,
        state: state.tensor.address,
        random_offset: desc.random.offset,
        count,
        chosen,
        masked,
        randomised,
        mask_token: options.mask_token,
        ignore_index: options.ignore_index,
        special_ids,
        has_special_ids: (!options.special_tokens.is_empty()).into(),
        vocabulary,
        rejected: vocabulary.wrapping_neg() % vocabulary,
        vectorised: [input, output, labels].iter().all(|ids| ids.tensor.address.is_multiple_of(16)).into(),
    };
    let shape = LaunchShape::linear(count.div_ceil(TOKENS) as u32, MASK_TOKENS_THREADS);
    Ok(Plan::new(Launch { kernel, shape, params }))
}

/// How many words choose a token, mask it, or mask it or put a random one in its place.
pub(crate) fn thresholds(options: &Options<'_>) -> Result<[u64; 3]> {
    let Options { probability, mask_share, random_share, .. } = *options;
    for (what, value) in [
        ("a probability", probability),
        ("a share of masks", mask_share),
        ("a share of random tokens", random_share),
        ("masks and random tokens with a share together", mask_share + random_share),
    ] {
        if !(0.0..=1.0).contains(&value) {
            return Err(unsupported(format!("{what} of {value}"), "0 to 1"));
        }
    }
    let [probability, mask_share, random_share] = [probability, mask_share, random_share].map(f64::from);
    let replaced = (mask_share + random_share).min(1.0);
    Ok([1.0, mask_share, replaced].map(|share| words_below(probability * share)))
}

/// The ids that options name exist in the type of the tokens.
fn check_ids(options: &Options<'_>, dtype: DType) -> Result<()> {
    if options.special_tokens.len() > MAX_SPECIAL {
        let what = format!("{} special tokens", options.special_tokens.len());
        return Err(unsupported(what, "up to 8; more by the tensor `special`"));
    }
    let ids = options.special_tokens.iter().chain([&options.mask_token, &options.ignore_index]);
    match ids.into_iter().find(|&&id| dtype == DType::I32 && i32::try_from(id).is_err()) {
        Some(id) => Err(unsupported(format!("the id {id} among tokens of i32"), "ids that i32 holds")),
        None => Ok(()),
    }
}

fn unsupported(what: String, supported: &'static str) -> Error {
    Error::Unsupported { op: OP, what, supported }
}
