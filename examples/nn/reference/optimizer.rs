//! Clipping and optimizers by the references.

use warpsmith::ops::adamw8bit::{Options, State};
use warpsmith::reference::adamw8bit::Progress;
use warpsmith::reference::{adamw8bit, grad_clip, widen};

use crate::nn::Outcome;
use crate::nn::launchers::optimizer::{of_adamw8bit, to_adamw8bit};
use crate::nn::optimizer::{BETAS, Kind, List, Recipe, Saved};

/// An optimizer over a list.
pub struct Optimizer {
    rule: Rule,
    max_norm: f32,
}

/// What makes the step.
enum Rule {
    /// Whose arithmetic the crate's reference has bit for bit.
    AdamW8bit { options: Options, progress: Progress, states: Vec<State> },
}

impl Optimizer {
    /// Starts, or goes on where another one stood.
    pub fn new(recipe: &Recipe, list: &mut List<'_, Vec<f32>>, saved: Option<&Saved>) -> Outcome<Self> {
        let rule = match recipe.kind {
            Kind::AdamW8bit => {
                let options = Options { beta1: BETAS[0], beta2: BETAS[1], epsilon: 1e-8 };
                let mut progress = Progress::default();
                let states = match saved {
                    None => list.parameters.iter().map(|parameter| State::new(parameter.len())).collect(),
                    Some(saved) => {
                        while progress.steps < saved.steps {
                            progress.advance(&options, 0.0, 1.0);
                        }
                        to_adamw8bit(saved)?.states
                    }
                };
                Rule::AdamW8bit { options, progress, states }
            }
        };
        Ok(Self { rule, max_norm: recipe.max_norm })
    }

    /// Clips and makes a step; one whose gradients are not finite is skipped.
    pub fn step(&mut self, list: &mut List<'_, Vec<f32>>, learning_rate: f32) {
        let gradients: Vec<Vec<f64>> = list.gradients.iter().map(|gradient| widen(gradient)).collect();
        let norm = grad_clip::norm(&gradients, 1.0, self.max_norm.into());
        if norm.found_inf > 0 {
            return;
        }
        let tensors = list.parameters.iter_mut().zip(&list.gradients).zip(&list.decays);
        match &mut self.rule {
            Rule::AdamW8bit { options, progress, states } => {
                let scalars = progress.advance(options, learning_rate, norm.factor as f32);
                for (((parameter, gradient), &decay), state) in tensors.zip(states) {
                    adamw8bit::step(parameter.as_mut_slice(), gradient.as_slice(), state, decay, options, &scalars);
                }
            }
        }
    }

    /// Steps and states.
    pub fn saved(&self) -> Saved {
        match &self.rule {
            Rule::AdamW8bit { progress, states, .. } => {
                let checkpoint =
                    warpsmith::ops::adamw8bit::Checkpoint { steps: progress.steps, states: states.clone() };
                of_adamw8bit(checkpoint)
            }
        }
    }
}
