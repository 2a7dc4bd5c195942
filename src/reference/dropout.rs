//! Dropout on the CPU: the mask bit for bit, and the formula.

use crate::random::words_below;
use crate::reference::philox;

/// Which of `count` elements are kept by the call that begins at block `offset` of a seed: those whose word, number `i % 4` of block `i / 4`, is not
/// below the threshold of the probability of dropping.
pub fn mask(seed: u64, offset: u64, probability: f32, count: usize) -> Vec<bool> {
    let dropped = words_below(probability.into());
    let word = |i: usize| philox::block(seed, offset.wrapping_add(i as u64 / 4), 0)[i % 4];
    (0..count).map(|i| u64::from(word(i)) >= dropped).collect()
}

/// `residual + keep * input / (1 - p)`; the gradient of the input is the same of the output's, without a residual.
pub fn forward(mask: &[bool], probability: f32, input: &[f64], residual: Option<&[f64]>) -> Vec<f64> {
    let kept = |i: usize| if mask[i] { input[i] / (1.0 - f64::from(probability)) } else { 0.0 };
    (0..input.len()).map(|i| residual.map_or(0.0, |residual| residual[i]) + kept(i)).collect()
}

/// As an unfused framework computes: what is kept is stored, then the sum.
pub mod naive {
    use crate::element::Float;
    use crate::reference::{single, stored};

    /// [`super::forward`] in f32, each tensor stored.
    pub fn forward<T: Float>(mask: &[bool], probability: f32, input: &[T], residual: Option<&[T]>) -> Vec<T> {
        let scale = 1.0 / (1.0 - probability);
        let kept = |i: usize| stored::<T>(if mask[i] { single(input[i]) * scale } else { 0.0 });
        let sum = |i: usize, residual: &[T]| stored(single(residual[i]) + single(kept(i)));
        (0..input.len()).map(|i| residual.map_or_else(|| kept(i), |residual| sum(i, residual))).collect()
    }
}
