//! Cross-entropy on the CPU: losses of rows of logits, and the gradient of the logits.

use crate::ops::cross_entropy::{Options, Reduction};

/// What a call is about, apart from the logits.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The class of each row, `[rows]`.
    pub targets: &'a [i64],
    /// The weight of each class, `[V]`; ones without it.
    pub weight: Option<&'a [f32]>,
    /// What the gradient is multiplied by: one number, or one for each row where there is no reduction.
    pub grad_loss: &'a [f32],
}

/// The results: what an element type `T` stores, and everything else in `S`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward<T, S> {
    /// `[1]`, or `[rows]` where there is no reduction.
    pub loss: Vec<S>,
    /// `[rows]`, 0 for ignored rows.
    pub lse: Vec<S>,
    /// The gradient of the logits, `[rows, V]`.
    pub gradient: Vec<T>,
}

impl<'a> Labels<'a> {
    /// The weight of class `class`.
    fn weight(&self, class: usize) -> f64 {
        self.weight.map_or(1.0, |weight| f64::from(weight[class]))
    }

    /// How many rows count, and the sum of their targets' weights: what a mean divides by.
    fn totals(&self, options: &Options) -> (f64, f64) {
        let kept = self.targets.iter().filter(|&&target| target != options.ignore_index);
        kept.fold((0.0, 0.0), |(rows, weights), &target| (rows + 1.0, weights + self.weight(target as usize)))
    }
}

/// For each row `lse = log(sum of exp(l))` of the softcapped logits `l`, and
/// `ce = (1 - s) * w[t] * (lse - l[t]) + s / V * sum of w[j] * (lse - l[j])`; the loss is `sum of ce / W + z * sum of lse^2 / N`. The
/// gradient with respect to `l[j]` is
/// `(((1 - s) * w[t] + s / V * sum of w) * p[j] - (1 - s) * w[t] * [j = t] - s / V * w[j]) / W + 2 * z * lse * p[j] / N` with
/// `p[j] = exp(l[j] - lse)`, and with respect to the logit it is multiplied by `1 - (l[j] / c)^2`.
pub fn forward(logits: &[f64], labels: &Labels<'_>, options: &Options, width: usize) -> Forward<f64, f64> {
    let (smoothing, z) = (f64::from(options.label_smoothing), f64::from(options.z_loss));
    let softcap = options.softcap.map(f64::from);
    let (kept, kept_weight) = if options.reduction == Reduction::Mean { labels.totals(options) } else { (1.0, 1.0) };
    let weights: f64 = (0..width).map(|class| labels.weight(class)).sum();
    let (mut losses, mut lses, mut gradient) = (Vec::new(), Vec::new(), Vec::with_capacity(logits.len()));
    for (row, (x, &target)) in logits.chunks_exact(width).zip(labels.targets).enumerate() {
        if target == options.ignore_index {
            losses.push(0.0);
            lses.push(0.0);
            gradient.extend(std::iter::repeat_n(0.0, width));
            continue;
        }
        let target = target as usize;
        let l: Vec<f64> = x.iter().map(|x| softcap.map_or(*x, |c| c * (x / c).tanh())).collect();
        // A finite floor, so that a logit of minus infinity is an exponential of zero.
        let max = l.iter().copied().fold(f64::MIN, f64::max);
        // The target is kept apart, so that a sure row keeps its digits: log(1 + x) and p - 1 = -x / (1 + x).
        let exponential = |l: f64| (l - max).exp();
        let others: f64 = l.iter().enumerate().filter(|&(j, _)| j != target).map(|(_, &l)| exponential(l)).sum();
        let sum = others + exponential(l[target]);
        let log_sum = if l[target] == max { others.ln_1p() } else { sum.ln() };
        let lse = max + log_sum;
        let surprise = |j: usize| (max - l[j]) + log_sum;

        let own = (1.0 - smoothing) * labels.weight(target);
        let each = smoothing / width as f64;
        let spread: f64 =
            if smoothing > 0.0 { (0..width).map(|j| labels.weight(j) * surprise(j)).sum::<f64>() * each } else { 0.0 };
        let penalty = if z > 0.0 { z * lse * lse } else { 0.0 };
        losses.push((own * surprise(target) + spread) / kept_weight + penalty / kept);
        lses.push(lse);

        let grad_loss = f64::from(labels.grad_loss[row.min(labels.grad_loss.len() - 1)]);
        gradient.extend((0..width).map(|j| {
            let p = exponential(l[j]) / sum;
            let miss = if j == target { -others / sum } else { p };
            let ce = own * miss + each * (weights * p - labels.weight(j));
            let slope = softcap.map_or(1.0, |c| 1.0 - (l[j] / c).powi(2));
            grad_loss * slope * (ce / kept_weight + if z > 0.0 { 2.0 * z * lse * p / kept } else { 0.0 })
        }));
    }
    if options.reduction != Reduction::None {
        let sum: f64 = losses.iter().sum();
        losses = vec![if kept == 0.0 { f64::NAN } else { sum }];
    }
    Forward { loss: losses, lse: lses, gradient }
}

/// As an unfused framework computes, the logits converted to f32: `log_softmax`, the loss from it, and the gradients of both in turn;
/// rounded to the element type where the gradient is stored.
pub mod naive {
    use super::{Forward, Labels};
    use crate::element::Float;
    use crate::ops::cross_entropy::{Options, Reduction};
    use crate::reference::{pairwise_sum, single, stored};

    /// The losses and the gradient.
    pub fn forward<T: Float>(logits: &[T], labels: &Labels<'_>, options: &Options, width: usize) -> Forward<T, f32> {
        let Options { label_smoothing: smoothing, z_loss: z, softcap, .. } = *options;
        let weight = |class: usize| labels.weight.map_or(1.0, |weight| weight[class]);
        let (kept, kept_weight) = if options.reduction == Reduction::Mean {
            let kept = labels.targets.iter().filter(|&&target| target != options.ignore_index);
            let weights: Vec<f32> = kept.map(|&target| weight(target as usize)).collect();
            (weights.len() as f32, pairwise_sum(&weights))
        } else {
            (1.0, 1.0)
        };
        let (mut losses, mut penalties, mut lses) = (Vec::new(), Vec::new(), Vec::new());
        let mut gradient = Vec::with_capacity(logits.len());
        for (row, (x, &target)) in logits.chunks_exact(width).zip(labels.targets).enumerate() {
            if target == options.ignore_index {
                losses.push(0.0);
                penalties.push(0.0);
                lses.push(0.0);
                gradient.extend(std::iter::repeat_n(stored::<T>(0.0), width));
                continue;
            }
            let target = target as usize;
            let tanh: Vec<f32> = x.iter().map(|&x| softcap.map_or(0.0, |c| (single(x) / c).tanh())).collect();
            let l: Vec<f32> = x.iter().zip(&tanh).map(|(&x, tanh)| softcap.map_or(single(x), |c| c * tanh)).collect();
            let max = l.iter().copied().fold(f32::MIN, f32::max);
            let exponentials: Vec<f32> = l.iter().map(|l| (l - max).exp()).collect();
            let log_sum = pairwise_sum(&exponentials).ln();
            let lse = max + log_sum;
            let log_p: Vec<f32> = l.iter().map(|l| (l - max) - log_sum).collect();

            let each = smoothing / width as f32;
            let mut loss = -(1.0 - smoothing) * weight(target) * log_p[target];
            if smoothing > 0.0 {
                let terms: Vec<f32> = log_p.iter().enumerate().map(|(j, log_p)| weight(j) * log_p).collect();
                loss -= each * pairwise_sum(&terms);
            }
            losses.push(loss);
            penalties.push(if z > 0.0 { z * lse * lse } else { 0.0 });
            lses.push(lse);

            let grad_loss = labels.grad_loss[row.min(labels.grad_loss.len() - 1)];
            let scale = grad_loss / kept_weight;
            // The gradient of log_softmax's output, which is sparse but for the smoothing.
            let of_log_p = |j: usize| {
                let hot = if j == target { (1.0 - smoothing) * weight(target) } else { 0.0 };
                -(hot + each * weight(j)) * scale
            };
            let terms: Vec<f32> = (0..width).map(of_log_p).collect();
            let total = pairwise_sum(&terms);
            let of_lse = if z > 0.0 { 2.0 * z * lse * (grad_loss / kept) } else { 0.0 };
            gradient.extend((0..width).map(|j| {
                let p = log_p[j].exp();
                let g = (terms[j] - p * total) + p * of_lse;
                stored::<T>(if softcap.is_some() { g * (1.0 - tanh[j] * tanh[j]) } else { g })
            }));
        }
        let loss = match options.reduction {
            Reduction::None => losses.iter().zip(&penalties).map(|(loss, penalty)| loss + penalty).collect(),
            _ => vec![pairwise_sum(&losses) / kept_weight + pairwise_sum(&penalties) / kept],
        };
        Forward { loss, lse: lses, gradient }
    }
}
