//! Clipping and optimizers by the references, which have the kernels' arithmetic bit for bit.

use warpsmith::ops::optimizer::{BLOCK, Checkpoint, Moment, State, States};
use warpsmith::ops::{adamw, adamw8bit as eight, lamb, lion};
use warpsmith::reference::adamw::Values;
use warpsmith::reference::optimizer::{Progress, Scalars};
use warpsmith::reference::{self, adamw8bit, grad_clip, widen};

use crate::nn::Outcome;
use crate::nn::launchers::optimizer::{
    adamw_options, lamb_options, lion_options, of_adamw8bit, of_checkpoint, to_adamw8bit, to_checkpoint,
};
use crate::nn::optimizer::{BETAS, Kind, List, Recipe, Saved};

/// An optimizer over a list.
pub struct Optimizer {
    rule: Rule,
    max_norm: f32,
}

/// What makes the step.
enum Rule {
    AdamW8bit { options: eight::Options, progress: adamw8bit::Progress, states: Vec<eight::State> },
    Other { options: Options, progress: Progress, states: Vec<State> },
}

/// Those of the optimizers whose states have one form.
enum Options {
    AdamW(adamw::Options),
    Lamb(lamb::Options),
    Lion(lion::Options),
}

impl Options {
    /// Of a kind, where its states have that form.
    fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::AdamW8bit => return None,
            Kind::AdamW => Self::AdamW(adamw_options()),
            Kind::Lamb => Self::Lamb(lamb_options(States::Floats)),
            Kind::Lamb8bit => Self::Lamb(lamb_options(States::Codes)),
            Kind::Lion => Self::Lion(lion_options(States::Floats)),
            Kind::Lion8bit => Self::Lion(lion_options(States::Codes)),
        })
    }

    /// The states of a parameter before the first step.
    fn fresh(&self, len: usize) -> State {
        let (moments, states) = match self {
            Self::AdamW(_) => (2, States::Floats),
            Self::Lamb(options) => (2, options.states),
            Self::Lion(options) => (1, options.states),
        };
        let moment = || Moment::new(len, states);
        State { first: moment(), second: (moments == 2).then(moment) }
    }

    fn advance(&self, progress: &mut Progress, learning_rate: f32, factor: f32) -> Scalars {
        match self {
            Self::AdamW(options) => reference::adamw::advance(progress, options, learning_rate, factor),
            // Gradients are clipped by the factor already.
            Self::Lamb(options) => reference::lamb::advance(progress, options, learning_rate, factor, 0.0),
            Self::Lion(options) => reference::lion::advance(progress, options, learning_rate, factor),
        }
    }
}

impl Optimizer {
    /// Starts, or goes on where another one stood.
    pub fn new(recipe: &Recipe, list: &mut List<'_, Vec<f32>>, saved: Option<&Saved>) -> Outcome<Self> {
        let lengths = list.parameters.iter().map(|parameter| parameter.len());
        let steps = saved.map_or(0, |saved| saved.steps);
        let rule = match Options::of(recipe.kind) {
            None => {
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
            Some(options) => {
                let states = match saved {
                    None => lengths.map(|len| options.fresh(len)).collect(),
                    Some(saved) => to_checkpoint(saved)?.states,
                };
                let mut progress = Progress::default();
                while progress.steps < steps {
                    options.advance(&mut progress, 0.0, 1.0);
                }
                Rule::Other { options, progress, states }
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
        let blocks = list.parameters.iter().map(|parameter| parameter.len().div_ceil(BLOCK) as u64).sum();
        let tensors = list.parameters.iter_mut().zip(&list.gradients).zip(&list.decays);
        match &mut self.rule {
            Rule::AdamW8bit { options, progress, states } => {
                let scalars = progress.advance(options, learning_rate, factor);
                for (((parameter, gradient), &decay), state) in tensors.zip(states) {
                    adamw8bit::step(parameter.as_mut_slice(), gradient.as_slice(), state, decay, options, &scalars);
                }
            }
            Rule::Other { options, progress, states } => {
                let with = options.advance(progress, learning_rate, factor);
                for (((parameter, gradient), &decay), state) in tensors.zip(states) {
                    step(options, parameter, gradient, decay, state, (&with, blocks));
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
            Rule::Other { progress, states, .. } => {
                of_checkpoint(Checkpoint { steps: progress.steps, states: states.clone() })
            }
        }
    }
}

/// A step of one parameter of a list of so many blocks.
fn step(
    options: &Options,
    parameter: &mut [f32],
    gradient: &[f32],
    decay: f32,
    state: &mut State,
    (with, blocks): (&Scalars, u64),
) {
    match options {
        Options::AdamW(options) => {
            let State { first: Moment::Floats(first), second: Some(Moment::Floats(second)) } = state else {
                unreachable!("states in f32 were made or restored")
            };
            let values = Values { parameter, master: None, first, second, blocks_before: 0, random_offset: 0 };
            reference::adamw::step(values, gradient, decay, options, with);
        }
        Options::Lamb(options) => reference::lamb::step(parameter, gradient, state, decay, options, with, blocks),
        Options::Lion(options) => {
            reference::lion::step(parameter, gradient, &mut state.first, decay, options, with);
        }
    }
}
