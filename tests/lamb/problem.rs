//! LAMB's problems: what it computes by its reference.

use warpsmith::ops::lamb::{Options, Rule, States};
use warpsmith::reference::lamb as reference;
use warpsmith::reference::optimizer::{Progress, Scalars};

use crate::common::optimizers::{self, Subject, Values};

pub use crate::common::optimizers::{Parameter, Real};

/// A list of parameters, and the scalars of each step.
pub type Problem<T, G> = optimizers::Problem<Rule, T, G>;

/// With states of this kind.
pub fn problem<T: Real, G: Real>(states: States, parameters: Vec<Parameter<T, G>>) -> Problem<T, G> {
    let mut problem = Problem::new(parameters);
    problem.options.states = states;
    problem
}

impl Subject for Rule {
    fn options() -> Options {
        Options::default()
    }

    fn states(options: &Options) -> (usize, States) {
        (2, options.states)
    }

    fn advance(progress: &mut Progress, options: &Options, learning_rate: f32, scale: f32) -> Scalars {
        reference::advance(progress, options, learning_rate, scale, 0.0)
    }

    fn step<T: Real, G: Real>(values: Values<'_, T, G>, options: &Options, scalars: &Scalars) {
        let Values { parameter, master, gradient, state, weight_decay, blocks, .. } = values;
        match master {
            None => reference::step(parameter, gradient, state, weight_decay, options, scalars, blocks[1]),
            Some(master) => {
                reference::step(master, gradient, state, weight_decay, options, scalars, blocks[1]);
                parameter.iter_mut().zip(master).for_each(|(p, master)| *p = T::from_f32(*master));
            }
        }
    }
}
