//! What the optimizers' references have in common: the scalars of a step.

use crate::ops::optimizer::Correction;

/// Where an optimizer stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps made.
    pub steps: u64,
    /// `beta1^steps`, by one multiplication a step.
    pub power1: f64,
    /// `beta2^steps`.
    pub power2: f64,
}

/// What all elements of a step share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalars {
    /// What a moment's quotient is multiplied by: `-lr sqrt(1 - beta2^t) / (1 - beta1^t)`.
    pub step_size: f32,
    /// The same without the learning rate.
    pub moment_scale: f32,
    /// `epsilon sqrt(1 - beta2^t)`.
    pub epsilon: f32,
    /// The learning rate.
    pub learning_rate: f32,
    /// What gradients are multiplied by.
    pub gradient_scale: f32,
}

impl Default for Progress {
    fn default() -> Self {
        Self { steps: 0, power1: 1.0, power2: 1.0 }
    }
}

impl Progress {
    /// Counts a step and derives its scalars: in f64, each rounded once.
    pub(crate) fn advance(
        &mut self,
        [beta1, beta2]: [f32; 2],
        epsilon: f32,
        correction: Correction,
        learning_rate: f32,
        gradient_scale: f32,
    ) -> Scalars {
        self.steps += 1;
        self.power1 *= f64::from(beta1);
        self.power2 *= f64::from(beta2);
        let (correction1, correction2) = match correction {
            Correction::Nothing => (1.0, 1.0),
            Correction::Moments | Correction::Rate => (1.0 - self.power1, (1.0 - self.power2).sqrt()),
        };
        let step_size = -f64::from(learning_rate) * correction2 / correction1;
        let of_rate = correction == Correction::Rate;
        Scalars {
            step_size: step_size as f32,
            moment_scale: if of_rate { 1.0 } else { (correction2 / correction1) as f32 },
            epsilon: if of_rate { epsilon } else { (f64::from(epsilon) * correction2) as f32 },
            learning_rate: if of_rate { -step_size as f32 } else { learning_rate },
            gradient_scale,
        }
    }
}
