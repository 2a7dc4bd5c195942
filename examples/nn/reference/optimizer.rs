//! Clipping and optimizers by the references, which have the kernels' arithmetic bit for bit.

use warpsmith::ops::optimizer::{Checkpoint, Moment, State, States};
use warpsmith::ops::{adamw, adamw8bit as eight};
use warpsmith::reference::adamw::{self as reference, Values};
use warpsmith::reference::optimizer::Progress;
use warpsmith::reference::{adamw8bit, grad_clip, widen};

use crate::nn::Outcome;
use crate::nn::launchers::optimizer::{adamw_options, of_adamw8bit, of_checkpoint, to_adamw8bit, to_checkpoint};
use crate::nn::optimizer::{BETAS, Kind, List, Recipe, Saved};

/// An optimizer over a list.
pub struct Optimizer {
    rule: Rule,
    max_norm: f32,
}

/// What makes the step.
enum Rule {
    AdamW8bit { options: eight::Options, progress: adamw8bit::Progress, states: Vec<eight::State> },
    AdamW { options: adamw::Options, progress: Progress, states: Vec<State> },
}

impl Optimizer {
    /// Starts, or goes on where another one stood.
    pub fn new(recipe: &Recipe, list: &mut List<'_, Vec<f32>>, saved: Option<&Saved>) -> Outcome<Self> {
        let lengths = list.parameters.iter().map(|parameter| parameter.len());
        let steps = saved.map_or(0, |saved| saved.steps);
        let rule = match recipe.kind {
            Kind::AdamW8bit => {
                let options = eight::Options { beta1: BETAS[0], beta2: BETAS[1], epsilon: 1e-8 };
                let states = match saved {
                    None => lengths.map(eight::State::new).collect(),
                    Some(saved) => to_adamw8bit(saved)?.states,
                };
                let mut progress = adamw8bit::Progress::default();
                while progress.steps < steps {
                    progress.advance(&options, 0.0, 1.0);
                }
                Rule::AdamW8bit { options, progress, states }
            }
            Kind::AdamW => {
                let (options, moment) = (adamw_options(), |len| Moment::new(len, States::Floats));
                let states = match saved {
                    None => lengths.map(|len| State { first: moment(len), second: Some(moment(len)) }).collect(),
                    Some(saved) => to_checkpoint(saved)?.states,
                };
                let mut progress = Progress::default();
                while progress.steps < steps {
                    reference::advance(&mut progress, &options, 0.0, 1.0);
                }
                Rule::AdamW { options, progress, states }
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
        let factor = norm.factor as f32;
        let tensors = list.parameters.iter_mut().zip(&list.gradients).zip(&list.decays);
        match &mut self.rule {
            Rule::AdamW8bit { options, progress, states } => {
                let scalars = progress.advance(options, learning_rate, factor);
                for (((parameter, gradient), &decay), state) in tensors.zip(states) {
                    adamw8bit::step(parameter.as_mut_slice(), gradient.as_slice(), state, decay, options, &scalars);
                }
            }
            Rule::AdamW { options, progress, states } => {
                let scalars = reference::advance(progress, options, learning_rate, factor);
                for (((parameter, gradient), &decay), state) in tensors.zip(states) {
                    let State { first: Moment::Floats(first), second: Some(Moment::Floats(second)) } = state else {
                        unreachable!("states in f32 were made or restored")
                    };
                    let (parameter, master) = (parameter.as_mut_slice(), None);
                    let values = Values { parameter, master, first, second, blocks_before: 0, random_offset: 0 };
                    reference::step(values, gradient.as_slice(), decay, options, &scalars);
                }
            }
        }
    }

    /// Steps and states.
    pub fn saved(&self) -> Saved {
        match &self.rule {
            Rule::AdamW8bit { progress, states, .. } => {
                of_adamw8bit(eight::Checkpoint { steps: progress.steps, states: states.clone() })
            }
            Rule::AdamW { progress, states, .. } => {
                of_checkpoint(Checkpoint { steps: progress.steps, states: states.clone() })
            }
        }
    }
}
