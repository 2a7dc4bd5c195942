//! Binary cross-entropy with logits on the CPU.

use crate::ops::bce_with_logits::{Options, Reduction};

/// What the logits are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// One for each logit, `None` where it does not count; NaN is one that makes no sense.
    pub targets: &'a [Option<f32>],
    /// One number, or one for each logit where there is no reduction.
    pub grad_loss: &'a [f32],
}

/// The results: what an element type `T` stores, and the losses in `S`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward<T, S> {
    /// One, or one for each logit where there is no reduction.
    pub loss: Vec<S>,
    /// The gradient of the logits.
    pub gradient: Vec<T>,
}

impl Labels<'_> {
    fn divisor(&self, options: &Options) -> f64 {
        let kept = self.targets.iter().flatten().count();
        if options.reduction == Reduction::Mean { kept as f64 } else { 1.0 }
    }

    fn grad_loss(&self, i: usize) -> f32 {
        self.grad_loss[i.min(self.grad_loss.len() - 1)]
    }
}

/// `(1 - y) * softplus(x) + c * y * softplus(-x)` and `(1 - y) * sigmoid(x) - c * y * sigmoid(-x)`, both over the number of elements that count for
/// a mean; a factor of 0 takes out what it weighs.
pub fn forward(logits: &[f64], labels: &Labels<'_>, options: &Options) -> Forward<f64, f64> {
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let sigmoid = |x: f64| if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) };
    let divisor = labels.divisor(options);
    let term = |factor: f64, value: f64| if factor == 0.0 { 0.0 } else { factor * value };
    let (mut losses, mut gradient) = (Vec::new(), Vec::new());
    for (i, (&x, target)) in logits.iter().zip(labels.targets).enumerate() {
        let Some(y) = target.map(f64::from) else {
            losses.push(0.0);
            gradient.push(0.0);
            continue;
        };
        let positive = f64::from(options.pos_weight) * y;
        let loss = term(1.0 - y, softplus(x)) + term(positive, softplus(-x));
        // `max` drops a NaN.
        losses.push(if x.is_nan() { x } else { loss });
        gradient.push(f64::from(labels.grad_loss(i)) * ((1.0 - y) * sigmoid(x) - positive * sigmoid(-x)) / divisor);
    }
    if options.reduction != Reduction::None {
        losses = vec![losses.iter().sum::<f64>() / divisor];
    }
    Forward { loss: losses, gradient }
}

/// As PyTorch computes, the logits converted to f32: `(1 - y) x + l (log1p(exp(-|x|)) + max(-x, 0))` with `l = 1 + (c - 1) y`, and
/// `((1 - y) - l (1 - sigmoid(x)))` stored in the element type.
pub mod naive {
    use super::{Forward, Labels};
    use crate::element::Float;
    use crate::ops::bce_with_logits::{Options, Reduction};
    use crate::reference::{pairwise_sum, single, stored};

    /// The losses and the gradient.
    pub fn forward<T: Float>(logits: &[T], labels: &Labels<'_>, options: &Options) -> Forward<T, f32> {
        let divisor = labels.divisor(options) as f32;
        let (mut losses, mut gradient) = (Vec::new(), Vec::new());
        for (i, (&x, target)) in logits.iter().zip(labels.targets).enumerate() {
            let (Some(y), x) = (*target, single(x)) else {
                losses.push(0.0);
                gradient.push(stored(0.0));
                continue;
            };
            let log_weight = 1.0 + (options.pos_weight - 1.0) * y;
            losses.push((1.0 - y) * x + log_weight * ((-x.abs()).exp().ln_1p() + (-x).max(0.0)));
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            let slope = (1.0 - y) - log_weight * (1.0 - sigmoid);
            gradient.push(stored(labels.grad_loss(i) * slope / divisor));
        }
        if options.reduction != Reduction::None {
            losses = vec![pairwise_sum(&losses) / divisor];
        }
        Forward { loss: losses, gradient }
    }
}
