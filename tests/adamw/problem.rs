//! AdamW's problems: what it computes by its reference.

use warpsmith::ops::adamw::{Options, Rule, States};
use warpsmith::reference::adamw as reference;
use warpsmith::reference::optimizer::{Progress, Scalars};

use crate::common::optimizers::{self, Subject, Values};

pub use crate::common::optimizers::{Parameter, Real, floats};

/// A list of parameters, and the scalars of each step.
pub type Problem<T, G> = optimizers::Problem<Rule, T, G>;

impl Subject for Rule {
    fn options() -> Options {
        Options::default()
    }

    fn states(_: &Options) -> (usize, States) {
        (2, States::Floats)
    }

    fn advance(progress: &mut Progress, options: &Options, learning_rate: f32, scale: f32) -> Scalars {
        reference::advance(progress, options, learning_rate, scale)
    }

    fn step<T: Real, G: Real>(values: Values<'_, T, G>, options: &Options, scalars: &Scalars) {
        let Values { parameter, master, gradient, state, weight_decay, blocks, steps } = values;
        let [first, second] = floats(state);
        let random_offset = 32 * blocks[1] * steps;
        let values = reference::Values { parameter, master, first, second, blocks_before: blocks[0], random_offset };
        reference::step(values, gradient, weight_decay, options, scalars);
    }
}
