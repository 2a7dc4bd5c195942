//! How fast each pair turns, and what stretches a model to longer texts than it was trained on. Pure Rust, in f64.

use std::f64::consts::TAU;

use crate::abi::ROTARY_PAIRS;
use crate::error::{Error, Result};

const OP: &str = "rotary::Frequencies";

/// The most pairs of a head that can be rotated.
pub const MAX_PAIRS: usize = ROTARY_PAIRS as usize;

/// How a model is stretched to positions beyond those that it was trained on. `d` is the number of rotated elements, `f[i]` the plain
/// frequency `base^(-2i/d)` of pair i.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// Position interpolation: `f[i] / factor`. (Chen et al., "Extending Context Window of Large Language Models via Positional
    /// Interpolation", 2023.)
    Linear {
        /// How much longer texts may be.
        factor: f64,
    },
    /// NTK-aware: the base times `factor^(d / (d - 2))`, which slows the slowest pair by `factor` and leaves the fastest. (bloc97, 2023.)
    Ntk {
        /// How much longer texts may be.
        factor: f64,
    },
    /// NTK-aware by the length at hand: from `trained` positions on the base times `(factor * length / trained - factor + 1)^(d / (d - 2))`.
    /// (emozilla, 2023; Transformers' `dynamic`.)
    DynamicNtk {
        /// How much longer texts may be.
        factor: f64,
        /// Positions that the model was trained on.
        trained: u32,
        /// Positions of the text at hand.
        length: u32,
    },
    /// NTK-by-parts with a temperature: pairs that turn more than `fast` times over the trained positions keep their frequency, those
    /// that turn less than `slow` times have it divided by `factor`, and a ramp over their numbers leads from one to the other. Rotated
    /// elements are multiplied by `0.1 ln(factor) + 1`. (Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models",
    /// 2023; the ends of the ramp are whole pairs as in Transformers' `yarn`.)
    Yarn {
        /// How much longer texts may be.
        factor: f64,
        /// Positions that the model was trained on.
        trained: u32,
        /// Turns of the fastest pair that is still changed: 32 in the paper.
        fast: f64,
        /// Turns of the slowest pair that is not fully interpolated: 1 in the paper.
        slow: f64,
    },
    /// Llama 3.1's: by wavelength `2 pi / f[i]`, up to `trained / high` as it is, from `trained / low` on divided by `factor`, and between them
    /// the mean of both, weighted by the share of the way in `trained / wavelength`.
    Llama3 {
        /// How much longer texts may be: 8 in the model.
        factor: f64,
        /// Positions that the model was trained on: 8,192.
        trained: u32,
        /// 1 in the model.
        low: f64,
        /// 4 in the model.
        high: f64,
    },
}

/// The frequencies of all pairs and the factor of what is rotated, as kernels take them. Made once for a model; 1 KiB, on the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frequencies {
    /// In 2^-64 of a full turn for each position.
    turns: [u64; MAX_PAIRS],
    pairs: usize,
    factor: f32,
}

impl Frequencies {
    /// Those of a model that rotates the first `rotated` elements of each head: `base^(-2i/rotated)` for pair i, scaled.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a number of elements that is odd, below 2 or above twice [`MAX_PAIRS`], a base that is not above one, and
    /// a scaling whose numbers make no sense.
    pub fn new(rotated: usize, base: f64, scaling: Scaling) -> Result<Self> {
        let supported = "an even number from 2 to 256";
        if !rotated.is_multiple_of(2) || rotated == 0 || rotated > 2 * MAX_PAIRS {
            return Err(Error::Unsupported { op: OP, what: format!("{rotated} rotated elements"), supported });
        }
        if !(base.is_finite() && base > 1.0) {
            return Err(Error::Unsupported {
                op: OP,
                what: format!("a base of {base}"),
                supported: "finite ones above 1",
            });
        }
        if !scaling.makes_sense(rotated) {
            let supported = "factors from 1 on, trained positions, fast above slow, high above low, at least four elements with NTK";
            return Err(Error::Unsupported { op: OP, what: format!("{scaling:?}"), supported });
        }
        let mut inverse = [0.0; MAX_PAIRS];
        scaling.frequencies(rotated, base, &mut inverse[..rotated / 2]);
        Self::from_inverse(&inverse[..rotated / 2], scaling.attention_factor())
    }

    /// Frequencies of your own, in radians for each position (what Transformers calls `inv_freq`), and the factor by which what is rotated
    /// is multiplied (1 in most models).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for no frequency or more than [`MAX_PAIRS`], for one that is negative or not below a full turn, and for a factor
    /// that is not finite.
    pub fn from_inverse(frequencies: &[f64], attention_factor: f64) -> Result<Self> {
        let supported = "1 to 128 frequencies from 0 to below 2 pi, and a finite factor";
        let factor = attention_factor as f32;
        if frequencies.is_empty() || frequencies.len() > MAX_PAIRS || !factor.is_finite() {
            let what = format!("{} frequencies and a factor of {attention_factor}", frequencies.len());
            return Err(Error::Unsupported { op: OP, what, supported });
        }
        if let Some(frequency) = frequencies.iter().find(|frequency| !(0.0..TAU).contains(*frequency)) {
            return Err(Error::Unsupported { op: OP, what: format!("a frequency of {frequency}"), supported });
        }
        let mut turns = [0; MAX_PAIRS];
        turns.iter_mut().zip(frequencies).for_each(|(turn, &frequency)| *turn = turns_of(frequency));
        Ok(Self { turns, pairs: frequencies.len(), factor })
    }

    /// Pairs that are rotated.
    pub const fn pairs(&self) -> usize {
        self.pairs
    }

    /// What rotated elements are multiplied by.
    pub const fn attention_factor(&self) -> f32 {
        self.factor
    }

    /// How far each pair turns from one position to the next, in 2^-64 of a full turn.
    pub fn turns(&self) -> &[u64] {
        &self.turns[..self.pairs]
    }

    /// The same with zeros up to [`MAX_PAIRS`], as kernels take them.
    pub(crate) fn by_thirty_two(&self) -> [[u64; 32]; MAX_PAIRS / 32] {
        std::array::from_fn(|row| std::array::from_fn(|column| self.turns[32 * row + column]))
    }
}

/// Radians in 2^-64 of a turn, to nearest. A product in f64 would be off by 2^-53 of itself, which the positions multiply; the product's
/// rest and that of 1 / (2 pi) make it good to 2^-64.
fn turns_of(radians: f64) -> u64 {
    const PER_RADIAN: f64 = 0.159_154_943_091_895_35;
    const PER_RADIAN_REST: f64 = -9.839_338_337_591_243e-18;
    const WHOLE: f64 = 18_446_744_073_709_551_616.0;
    let product = radians * PER_RADIAN;
    let rest = radians.mul_add(PER_RADIAN, -product) + radians * PER_RADIAN_REST;
    // Below one turn; the first product has at most 53 bits, so the cast is exact but for a fraction of the last place.
    let units = product * WHOLE;
    let fraction = units - units.floor() + rest * WHOLE;
    (units as u64).wrapping_add_signed(fraction.round() as i64)
}

impl Scaling {
    fn makes_sense(&self, rotated: usize) -> bool {
        let long = |factor: f64| factor.is_finite() && factor >= 1.0;
        let apart = |small: f64, large: f64| small > 0.0 && small < large && large.is_finite();
        match *self {
            Self::None => true,
            Self::Linear { factor } => long(factor),
            Self::Ntk { factor } => long(factor) && rotated > 2,
            Self::DynamicNtk { factor, trained, .. } => long(factor) && trained > 0 && rotated > 2,
            Self::Yarn { factor, trained, fast, slow } => long(factor) && trained > 0 && apart(slow, fast),
            Self::Llama3 { factor, trained, low, high } => long(factor) && trained > 0 && apart(low, high),
        }
    }

    fn attention_factor(&self) -> f64 {
        match *self {
            Self::Yarn { factor, .. } => 0.1 * factor.ln() + 1.0,
            _ => 1.0,
        }
    }

    fn frequencies(&self, rotated: usize, base: f64, frequencies: &mut [f64]) {
        let d = rotated as f64;
        let base = match *self {
            Self::Ntk { factor } => base * factor.powf(d / (d - 2.0)),
            Self::DynamicNtk { factor, trained, length } => {
                let stretch = factor * f64::from(length.max(trained)) / f64::from(trained) - factor + 1.0;
                base * stretch.powf(d / (d - 2.0))
            }
            _ => base,
        };
        for (i, frequency) in frequencies.iter_mut().enumerate() {
            let plain = base.powf(-2.0 * i as f64 / d);
            *frequency = match *self {
                Self::None | Self::Ntk { .. } | Self::DynamicNtk { .. } => plain,
                Self::Linear { factor } => plain / factor,
                Self::Yarn { factor, trained, fast, slow } => {
                    // The pair that turns so many times over the trained positions.
                    let pair = |turns: f64| d * (f64::from(trained) / (turns * TAU)).ln() / (2.0 * base.ln());
                    let first = pair(fast).floor().max(0.0);
                    let last = pair(slow).ceil().min(d - 1.0);
                    let last = if first == last { last + 0.001 } else { last };
                    let interpolated = ((i as f64 - first) / (last - first)).clamp(0.0, 1.0);
                    plain / factor * interpolated + plain * (1.0 - interpolated)
                }
                Self::Llama3 { factor, trained, low, high } => {
                    let turns = f64::from(trained) * plain / TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    plain / factor * (1.0 - kept) + plain * kept
                }
            };
        }
    }
}
