//! Lion's problems: what it computes by its reference.

use warpsmith::ops::lion::{Options, Rule, States};
use warpsmith::reference::lion as reference;
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
        (1, options.states)
    }

    fn advance(progress: &mut Progress, options: &Options, learning_rate: f32, scale: f32) -> Scalars {
        reference::advance(progress, options, learning_rate, scale)
    }

    fn step<T: Real, G: Real>(values: Values<'_, T, G>, options: &Options, scalars: &Scalars) {
        let Values { parameter, master, gradient, state, weight_decay, .. } = values;
        let moment = &mut state.first;
        match master {
            None => reference::step(parameter, gradient, moment, weight_decay, options, scalars),
            Some(master) => {
                reference::step(master, gradient, moment, weight_decay, options, scalars);
                parameter.iter_mut().zip(master).for_each(|(p, master)| *p = T::from_f32(*master));
            }
        }
    }
}
