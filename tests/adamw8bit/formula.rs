//! The reference against a transcription of the formula in f64, which shares nothing with it: each step from the states before it.

use warpsmith::ops::adamw8bit::{Checkpoint, Options, State};

use crate::common::data::Rng;
use crate::problem::{Outcome, Parameter, Problem};

/// A relative rounding error of f32.
const EPS: f64 = 1.0 / (1u64 << 24) as f64;

/// The maps by their closed form, whose values are within two roundings of those in f32.
fn signed_value(code: u8) -> f64 {
    let steps = i32::from(code) - 127;
    match steps {
        0 => 0.0,
        128 => 1.0,
        _ => {
            let (size, decade) = (steps.unsigned_abs(), steps.unsigned_abs().ilog2());
            let part = (f64::from(size - (1 << decade)) + 0.5) / f64::from(1 << decade);
            f64::from(steps.signum()) * 10f64.powi(decade as i32 - 6) * (0.1 + 0.9 * part)
        }
    }
}

fn unsigned_value(code: u8) -> f64 {
    match code {
        0 => 0.0,
        255 => 1.0,
        _ => {
            let place = u32::from(code) + 1;
            let decade = place.ilog2();
            let part = (f64::from(place - (1 << decade)) + 0.5) / f64::from(1 << decade);
            10f64.powi(decade as i32 - 7) * (0.1 + 0.9 * part)
        }
    }
}

/// A number and how far f32 may be from it.
#[derive(Clone, Copy)]
struct Number {
    value: f64,
    error: f64,
}

struct Step<'a> {
    options: Options,
    learning_rate: f64,
    weight_decay: f64,
    corrections: [f64; 2],
    before: &'a State,
}

impl Step<'_> {
    /// Both new moments of an element. Their values have two roundings from the map and one from each of four operations, and a sum errs
    /// relative to its larger part.
    fn moments(&self, code1: u8, code2: u8, block: usize, gradient: f64) -> [Number; 2] {
        let mix = |beta: f32, value: f64, absmax: f32, new: f64| {
            let (kept, added) = (f64::from(beta) * value * f64::from(absmax), (1.0 - f64::from(beta)) * new);
            Number { value: kept + added, error: 8.0 * EPS * (kept.abs() + added.abs()) + 1e-44 }
        };
        [
            mix(self.options.beta1, signed_value(code1), self.before.absmax1[block], gradient),
            mix(self.options.beta2, unsigned_value(code2), self.before.absmax2[block], gradient * gradient),
        ]
    }

    fn parameter(&self, old: f64, [first, second]: [Number; 2]) -> Number {
        let [correction1, correction2] = self.corrections;
        let denominator = (second.value / correction2).sqrt() + f64::from(self.options.epsilon);
        let rate = self.learning_rate / correction1 / denominator;
        let keep = 1.0 - self.learning_rate * self.weight_decay;
        let error = rate * first.error + 16.0 * EPS * (rate * first.value).abs() + 4.0 * EPS * old.abs();
        Number { value: (old - rate * first.value) * keep, error }
    }
}

/// The codes that a moment may have: the nearest, or one as near as the error allows, with the moment's sign.
fn assert_code(name: &str, code: u8, value: fn(u8) -> f64, moment: Number, absmax: f64) {
    let (x, error) = (moment.value / absmax, moment.error / absmax + 4.0 * EPS);
    let distance = |code: u8| (x - value(code)).abs();
    let same_sign = |code: &u8| value(*code) == 0.0 && x >= 0.0 || value(*code) * x > 0.0;
    let nearest = (0..=255).filter(same_sign).map(distance).fold(f64::INFINITY, f64::min);
    assert!(same_sign(&code) || x.abs() < error, "{name}: code {code} for {x:e} has the other sign");
    assert!(distance(code) <= nearest + 2.0 * error, "{name}: code {code} ({:e}) for {x:e}", value(code));
}

fn assert_step(problem: &Problem<f32>, step: usize, before: &Outcome<f32>, after: &Outcome<f32>) {
    let t = step as i32 + 1;
    let correction = |beta: f32| 1.0 - f64::from(beta).powi(t);
    for (i, parameter) in problem.parameters.iter().enumerate() {
        let formula = Step {
            options: problem.options,
            learning_rate: problem.scalars[step].0.into(),
            weight_decay: parameter.weight_decay.into(),
            corrections: [correction(problem.options.beta1), correction(problem.options.beta2)],
            before: &before.checkpoint.states[i],
        };
        let state = &after.checkpoint.states[i];
        let moments = |e: usize| {
            let (code1, code2) = (formula.before.state1[e], formula.before.state2[e]);
            formula.moments(code1, code2, e / 256, parameter.gradients[step][e].into())
        };
        for block in 0..state.absmax1.len() {
            let elements = block * 256..parameter.values.len().min(block * 256 + 256);
            let largest = |which: usize| {
                elements.clone().map(|e| moments(e)[which]).max_by(|a, b| a.value.abs().total_cmp(&b.value.abs()))
            };
            for (which, got) in [state.absmax1[block], state.absmax2[block]].into_iter().enumerate() {
                let largest = largest(which).expect("a block has elements");
                let difference = (f64::from(got) - largest.value.abs()).abs();
                assert!(difference <= largest.error, "step {step}, absmax{} {got:e}", which + 1);
            }
            for e in elements {
                let name = format!("step {step}, element {e} of parameter {i}");
                let [first, second] = moments(e);
                let new = formula.parameter(before.values[i][e].into(), [first, second]);
                let got = f64::from(after.values[i][e]);
                assert!((got - new.value).abs() <= new.error, "{name}: {got:e}, {:e} by the formula", new.value);
                assert_code(&name, state.state1[e], signed_value, first, state.absmax1[block].into());
                assert_code(&name, state.state2[e], unsigned_value, second, state.absmax2[block].into());
            }
        }
    }
}

#[test]
fn every_step_follows_the_formula() {
    let normal = |rng: &mut Rng, _: usize, _: usize| 0.01 * rng.normal();
    let turning = |rng: &mut Rng, step: usize, _: usize| [1.0, -1.0][step % 2] * 10f64.powf(rng.uniform(-4.0, 0.0));
    let list = vec![Parameter::new(1, 600, 20, normal), Parameter::new(2, 512, 20, turning).without_decay()];
    let problem = Problem::<f32>::new(list);
    let states = problem.parameters.iter().map(|parameter| State::new(parameter.values.len())).collect();
    let values = problem.parameters.iter().map(|parameter| parameter.values.clone()).collect();
    let mut before = Outcome { values, checkpoint: Checkpoint { steps: 0, states } };
    for (step, after) in problem.expected().into_iter().enumerate() {
        assert_step(&problem, step, &before, &after);
        before = after;
    }
}
