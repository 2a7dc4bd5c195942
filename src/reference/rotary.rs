//! Rotary position embedding on the CPU: pairs of elements turned by angles.

/// By what pairs are turned. Elements beyond the pairs stay.
#[derive(Clone, Copy, Debug)]
pub enum Angles<'a> {
    /// The angle of a token and a pair is `positions[token] * frequencies[pair]`.
    Turning {
        /// One for each token.
        positions: &'a [i64],
        /// Radians for each position, one for each pair.
        frequencies: &'a [f64],
        /// What cosines and sines are multiplied by.
        factor: f64,
    },
    /// `[tokens, pairs]` numbers that stand for cosines and sines.
    Tables {
        /// One for each token and pair.
        cosines: &'a [f64],
        /// As many.
        sines: &'a [f64],
        /// Pairs of a head.
        pairs: usize,
    },
}

impl Angles<'_> {
    fn pairs(&self) -> usize {
        match self {
            Self::Turning { frequencies, .. } => frequencies.len(),
            Self::Tables { pairs, .. } => *pairs,
        }
    }

    /// Cosine and sine, times the factor. The angle is exact to f64: the product's rounding error is made up for.
    fn cosine_and_sine(&self, token: usize, pair: usize) -> (f64, f64) {
        match *self {
            Self::Turning { positions, frequencies, factor } => {
                let (position, frequency) = (positions[token] as f64, frequencies[pair]);
                let angle = position * frequency;
                let rest = position.mul_add(frequency, -angle);
                let (sine, cosine) = angle.sin_cos();
                (factor * rest.mul_add(-sine, cosine), factor * rest.mul_add(cosine, sine))
            }
            Self::Tables { cosines, sines, pairs } => (cosines[token * pairs + pair], sines[token * pairs + pair]),
        }
    }
}

/// What is turned, and how: `[tokens, heads, head_dim]`.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// Elements of a head.
    pub head_dim: usize,
    /// Heads of a token.
    pub heads: usize,
    /// By what.
    pub angles: Angles<'a>,
    /// Whether a pair is `(2i, 2i + 1)`; else it is `(i, i + pairs)`.
    pub interleaved: bool,
    /// Whether to turn back, as gradients are.
    pub inverse: bool,
}

impl Rotation<'_> {
    /// Calls `turn(x, y, cosine, sine)` for each pair of each head by their places in the tensor.
    fn for_each_pair(&self, tensor: usize, mut turn: impl FnMut(usize, usize, f64, f64)) {
        let pairs = self.angles.pairs();
        for token in 0..tensor / (self.heads * self.head_dim) {
            for pair in 0..pairs {
                let (cosine, sine) = self.angles.cosine_and_sine(token, pair);
                let sine = if self.inverse { -sine } else { sine };
                let (x, y) = if self.interleaved { (2 * pair, 2 * pair + 1) } else { (pair, pair + pairs) };
                for head in 0..self.heads {
                    let start = (token * self.heads + head) * self.head_dim;
                    turn(start + x, start + y, cosine, sine);
                }
            }
        }
    }

    /// `x' = x cosine - y sine`, `y' = x sine + y cosine` for each pair.
    pub fn apply(&self, tensor: &[f64]) -> Vec<f64> {
        let mut result = tensor.to_vec();
        self.for_each_pair(tensor.len(), |x, y, cosine, sine| {
            result[x] = tensor[x] * cosine - tensor[y] * sine;
            result[y] = tensor[x] * sine + tensor[y] * cosine;
        });
        result
    }
}

/// As an unfused framework computes that has its angles right: tables of cosines and sines in f32, products in f32, the result stored in
/// the element type.
pub mod naive {
    use super::Rotation;
    use crate::element::Float;
    use crate::reference::{single, stored};

    /// The rotation of a tensor.
    pub fn apply<T: Float>(rotation: &Rotation<'_>, tensor: &[T]) -> Vec<T> {
        let mut result = tensor.to_vec();
        rotation.for_each_pair(tensor.len(), |x, y, cosine, sine| {
            let (cosine, sine, a, b) = (cosine as f32, sine as f32, single(tensor[x]), single(tensor[y]));
            result[x] = stored(a * cosine - b * sine);
            result[y] = stored(a * sine + b * cosine);
        });
        result
    }
}
