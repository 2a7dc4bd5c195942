//! Twenty steps and more, in which every bit of parameters, masters and states is that of the reference.

use half::bf16;
use warpsmith::ops::adamw::{AdamW, Decay, Rounding};
use warpsmith::{Device, Element as _};

use crate::common::data::Rng;
use crate::common::devices::{on_every_device, on_one_model};
use crate::common::optimizers::{Case, Every, assert_same};
use crate::problem::{Parameter, Problem, Real};

const STEPS: usize = 20;

/// Independent normal gradients.
struct Independent;

impl Case for Independent {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let parameter = |seed, count| Parameter::new(seed, count, STEPS, |rng, _, _| 0.01 * rng.normal());
        let list = vec![parameter(1, 1024).with_master(), parameter(2, 700).without_decay()];
        Problem::<T, G>::new(list).check(device, name);
    }
}

#[test]
fn independent_gradients() {
    on_every_device(&Every(Independent));
}

/// Every place of the decay, with bias correction and without.
struct Conventions;

impl Case for Conventions {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        for decay in [Decay::Before, Decay::After, Decay::Gradient] {
            for bias_correction in [true, false] {
                let parameter = Parameter::new(3, 300, 4, |rng, _, _| rng.normal());
                let mut problem = Problem::<T, G>::new(vec![parameter.clone().with_master(), parameter]);
                (problem.options.decay, problem.options.bias_correction) = (decay, bias_correction);
                problem.check(device, name);
            }
        }
    }
}

#[test]
fn every_convention() {
    on_one_model(&Every(Conventions));
}

/// What the formula has corners for: zeros of both signs, gradients that are not finite, squares that over- and underflow, signs that turn
/// with every step; scales, one that overflows, and skipped steps, which count for nothing.
struct Corners;

impl Case for Corners {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let gradient = |rng: &mut Rng, step: usize, element: usize| match element % 16 {
            0 => 0.0,
            1 => -0.0,
            2 if step % 3 == 1 => f64::NAN,
            3 if step % 4 == 2 => f64::INFINITY,
            4 if step % 5 == 3 => f64::NEG_INFINITY,
            5 if step == 4 => 1e25,
            6 => 1e-24 * rng.normal(),
            7 => [1.0, -1.0][step % 2] * rng.normal(),
            8 => 1e4 * rng.normal(),
            _ => rng.normal(),
        };
        let mut parameter = Parameter::new(4, 600, 8, gradient);
        parameter.values[9] = T::from_f32(f32::INFINITY);
        parameter.values[10] = T::from_f32(f32::NAN);
        parameter.values[11] = T::from_f32(-0.0);
        let mut problem = Problem::<T, G>::new(vec![parameter]);
        for (step, scale) in [0.5, 1.0 / 1024.0, 1.0, 3.0, 1e20, 1e38, 1.0, 2.0].into_iter().enumerate() {
            problem.scalars[step].1 = scale;
            problem.scalars[step].2 = step == 2 || step == 3;
        }
        problem.check(device, name);
    }
}

#[test]
fn corners_of_the_formula() {
    on_one_model(&Every(Corners));
}

/// One object through all steps: step count and random numbers go on, on the device.
struct Steady;

impl Case for Steady {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let mut problem = Problem::<T, G>::new(vec![Parameter::new(8, 520, 1, |rng, _, _| rng.normal())]);
        problem.parameters[0].gradients = vec![problem.parameters[0].gradients[0].clone(); STEPS];
        problem.scalars = (0..STEPS).map(|step| (1e-3 * step as f32, 1.0, step % 6 == 5)).collect();
        if T::DTYPE == bf16::DTYPE {
            problem.options.rounding = Rounding::Stochastic { seed: 1 << 40 | 5 };
        }
        let mut held = problem.hold(device);
        let gradients = problem.gradients(device, 0);
        let mut optimizer =
            AdamW::new(device, &mut held.tensors(&gradients), &[0.1], problem.options).expect("an optimizer");
        for (step, expected) in problem.expected().iter().enumerate() {
            problem.make_step(device, &mut optimizer, &mut held.tensors(&gradients), step);
            let checkpoint = optimizer.checkpoint(device).expect("checkpoint");
            assert_same(&format!("{name}, step {step}"), &held.outcome(device, checkpoint), expected);
        }
    }
}

#[test]
fn one_object_through_all_steps() {
    on_one_model(&Every(Steady));
}
