//! Rotary position embedding on the CPU: pairs of elements turned by angles.

/// What is turned, and by how much. `[tokens, heads, head_dim]` is turned by `positions[token] * frequencies[pair]`.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// Elements of a head.
    pub head_dim: usize,
    /// Heads of a token.
    pub heads: usize,
    /// One for each token.
    pub positions: &'a [i64],
    /// Radians for each position, one for each pair; the elements beyond the pairs stay.
    pub frequencies: &'a [f64],
    /// What turned elements are multiplied by.
    pub factor: f64,
    /// Whether a pair is `(2i, 2i + 1)`; else it is `(i, i + pairs)`.
    pub interleaved: bool,
    /// Whether to turn back, as gradients are.
    pub inverse: bool,
}

impl Rotation<'_> {
    /// Calls `turn(x, y, cosine, sine)` for each pair of each head by their places in the tensor. The angle is exact to f64: the product's rounding
    /// error is made up for.
    fn for_each_pair(&self, mut turn: impl FnMut(usize, usize, f64, f64)) {
        for (token, &position) in self.positions.iter().enumerate() {
            for (pair, frequency) in self.frequencies.iter().enumerate() {
                let position = position as f64;
                let angle = position * frequency;
                let rest = position.mul_add(*frequency, -angle);
                let (sine, cosine) = angle.sin_cos();
                let (sine, cosine) = (rest.mul_add(cosine, sine), rest.mul_add(-sine, cosine));
                let sine = if self.inverse { -sine } else { sine };
                let (x, y) = match self.interleaved {
                    true => (2 * pair, 2 * pair + 1),
                    false => (pair, pair + self.frequencies.len()),
                };
                for head in 0..self.heads {
                    let start = (token * self.heads + head) * self.head_dim;
                    turn(start + x, start + y, cosine, sine);
                }
            }
        }
    }

    /// `x' = factor * (x cos a - y sin a)`, `y' = factor * (x sin a + y cos a)` for each pair.
    pub fn apply(&self, tensor: &[f64]) -> Vec<f64> {
        let mut result = tensor.to_vec();
        self.for_each_pair(|x, y, cosine, sine| {
            result[x] = self.factor * (tensor[x] * cosine - tensor[y] * sine);
            result[y] = self.factor * (tensor[x] * sine + tensor[y] * cosine);
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
        rotation.for_each_pair(|x, y, cosine, sine| {
            let table = |value: f64| (rotation.factor * value) as f32;
            let (cosine, sine, a, b) = (table(cosine), table(sine), single(tensor[x]), single(tensor[y]));
            result[x] = stored(a * cosine - b * sine);
            result[y] = stored(a * sine + b * cosine);
        });
        result
    }
}
