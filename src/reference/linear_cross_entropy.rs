//! A linear layer and the cross-entropy of its logits on the CPU, all logits at once.

use super::cross_entropy::{self, Labels};
use crate::ops::cross_entropy::Options;

/// The layer: rows of `hidden` `[N, D]`, `weight` `[V, D]`, `bias` `[V]`.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a, T> {
    /// `[N, D]`.
    pub hidden: &'a [T],
    /// `[V, D]`.
    pub weight: &'a [T],
    /// `[V]`.
    pub bias: Option<&'a [T]>,
    /// `D`.
    pub depth: usize,
}

/// The results: what an element type `T` stores, and everything else in `S`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward<T, S> {
    /// `[1]`, or `[N]` where there is no reduction.
    pub loss: Vec<S>,
    /// `[N]`, 0 for ignored rows.
    pub lse: Vec<S>,
    /// `[N, D]`.
    pub grad_hidden: Vec<T>,
    /// `[V, D]`.
    pub grad_weight: Vec<S>,
    /// `[V]`.
    pub grad_bias: Vec<S>,
}

/// `logits[i, v] = sum over d of hidden[i, d] weight[v, d] + bias[v]`; from the gradient `G` of [`cross_entropy::forward`]
/// `grad_hidden[i, d] = sum over v of G[i, v] weight[v, d]`, `grad_weight[v, d] = sum over i of G[i, v] hidden[i, d]` and
/// `grad_bias[v] = sum over i of G[i, v]`.
pub fn forward(layer: &Layer<'_, f64>, labels: &Labels<'_>, options: &Options) -> Forward<f64, f64> {
    let &Layer { hidden, weight, bias, depth } = layer;
    let classes = weight.len() / depth;
    let mut logits = Vec::with_capacity(labels.targets.len() * classes);
    for hidden in hidden.chunks_exact(depth) {
        let products =
            weight.chunks_exact(depth).map(|weight| hidden.iter().zip(weight).map(|(h, w)| h * w).sum::<f64>());
        logits.extend(products.enumerate().map(|(class, sum)| sum + bias.map_or(0.0, |bias| bias[class])));
    }
    let cross_entropy::Forward { loss, lse, gradient } = cross_entropy::forward(&logits, labels, options, classes);
    let (mut grad_hidden, mut grad_weight) = (vec![0.0; hidden.len()], vec![0.0; weight.len()]);
    let mut grad_bias = vec![0.0; classes];
    for (row, gradient) in gradient.chunks_exact(classes).enumerate() {
        for (class, g) in gradient.iter().enumerate() {
            grad_bias[class] += g;
            for d in 0..depth {
                grad_hidden[row * depth + d] += g * weight[class * depth + d];
                grad_weight[class * depth + d] += g * hidden[row * depth + d];
            }
        }
    }
    Forward { loss, lse, grad_hidden, grad_weight, grad_bias }
}

/// As an unfused framework computes: logits rounded to the element type, their gradient by
/// [`cross_entropy::naive`], and products with sums in f32, of which that for `hidden` is rounded to the
/// element type.
pub mod naive {
    use super::{Forward, Labels, Layer, cross_entropy};
    use crate::element::Float;
    use crate::ops::cross_entropy::Options;
    use crate::reference::{pairwise_sum, single, stored};

    /// The sum of the products of two lists.
    fn dot(count: usize, term: impl Fn(usize) -> f32) -> f32 {
        pairwise_sum(&(0..count).map(term).collect::<Vec<_>>())
    }

    /// The losses and the gradients.
    pub fn forward<T: Float>(layer: &Layer<'_, T>, labels: &Labels<'_>, options: &Options) -> Forward<T, f32> {
        let (rows, depth, classes) = (labels.targets.len(), layer.depth, layer.weight.len() / layer.depth);
        let hidden = |row: usize, d: usize| single(layer.hidden[row * depth + d]);
        let weight = |class: usize, d: usize| single(layer.weight[class * depth + d]);
        let bias = |class: usize| layer.bias.map_or(0.0, |bias| single(bias[class]));
        let logit = |i: usize| {
            let (row, class) = (i / classes, i % classes);
            stored(dot(depth, |d| hidden(row, d) * weight(class, d)) + bias(class))
        };
        let logits: Vec<T> = (0..rows * classes).map(logit).collect();
        let cross_entropy::Forward { loss, lse, gradient } =
            cross_entropy::naive::forward(&logits, labels, options, classes);
        let g = |row: usize, class: usize| single(gradient[row * classes + class]);
        let of_hidden = |i: usize| stored(dot(classes, |class| g(i / depth, class) * weight(class, i % depth)));
        let of_weight = |i: usize| dot(rows, |row| g(row, i / depth) * hidden(row, i % depth));
        Forward {
            loss,
            lse,
            grad_hidden: (0..rows * depth).map(of_hidden).collect(),
            grad_weight: (0..classes * depth).map(of_weight).collect(),
            grad_bias: (0..classes).map(|class| dot(rows, |row| g(row, class))).collect(),
        }
    }
}
