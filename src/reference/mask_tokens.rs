//! Token masking on the CPU, bit for bit.

use crate::error::Result;
use crate::ops::mask_tokens::{Options, thresholds};
use crate::reference::philox;

/// What becomes of the tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The masked tokens.
    pub output: Vec<i64>,
    /// The token where it was chosen, elsewhere `ignore_index`.
    pub labels: Vec<i64>,
}

/// Chooses tokens and masks them with the words of the call that begins at block `offset` of a seed; `special` is zeros without it.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for a probability or share outside of 0 to 1.
pub fn forward(
    seed: u64,
    offset: u64,
    tokens: &[i64],
    special: Option<&[u8]>,
    options: &Options<'_>,
) -> Result<Forward> {
    let [chosen, masked, randomised] = thresholds(options)?;
    let (mut output, mut labels) = (tokens.to_vec(), vec![options.ignore_index; tokens.len()]);
    for (i, &token) in tokens.iter().enumerate() {
        let block = |redraw| philox::block(seed, offset.wrapping_add(i as u64 / 2), redraw);
        let place = 2 * (i % 2);
        let word = u64::from(block(0)[place]);
        let is_special = options.special_tokens.contains(&token) || special.is_some_and(|special| special[i] != 0);
        if is_special || word >= chosen {
            continue;
        }
        labels[i] = token;
        if word < masked {
            output[i] = options.mask_token;
        } else if word < randomised {
            output[i] = random_token(options.vocabulary as u64, (0..).map(|redraw| block(redraw)[place + 1]));
        }
    }
    Ok(Forward { output, labels })
}

/// The first word that favours no token, as a token: of the 2^32 words, each token has `2^32 / vocabulary`, rounded down, and the rest is redrawn.
fn random_token(vocabulary: u64, words: impl Iterator<Item = u32>) -> i64 {
    let products = words.map(|word| u64::from(word) * vocabulary);
    let mut even = products.filter(|product| product % (1 << 32) >= (1 << 32) % vocabulary);
    even.next().map_or(0, |product| (product >> 32) as i64)
}
