//! Clipping of gradients by their common norm, in f64.

use crate::ops::grad_clip::Rule;

/// What a norm gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// `sqrt(sum g^2) / scale`.
    pub norm: f64,
    /// `min(1, max_norm / (norm + 1e-6)) / scale`; 0 where something is not finite.
    pub factor: f64,
    /// How many elements are not finite, at least 1 where the norm as a f32 is not.
    pub found_inf: usize,
}

/// The norm of all elements of all gradients.
pub fn norm(gradients: &[Vec<f64>], scale: f64, max_norm: f64) -> Norm {
    let squares: f64 = gradients.iter().flatten().map(|g| g * g).sum();
    let norm = squares.sqrt() / scale;
    let not_finite = gradients.iter().flatten().filter(|g| !g.is_finite()).count();
    let found_inf = not_finite.max(usize::from(!(norm as f32).is_finite()));
    let factor = if found_inf > 0 { 0.0 } else { (max_norm / (norm + 1e-6)).min(1.0) / scale };
    Norm { norm, factor, found_inf }
}

/// The loss scale and the count of good steps for the next step.
pub fn next_scale((scale, good_steps): (f32, f32), found_inf: bool, rule: &Rule) -> (f32, f32) {
    if found_inf {
        return (scale * rule.backoff, 0.0);
    }
    if good_steps + 1.0 < rule.interval as f32 {
        return (scale, good_steps + 1.0);
    }
    let grown = scale * rule.growth;
    (if grown.is_finite() { grown } else { scale }, 0.0)
}
