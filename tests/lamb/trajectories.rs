//! Twenty steps and more, in which every bit of parameters, masters and states is that of the reference.

use warpsmith::ops::lamb::{BiasCorrection, Decay, Lamb, Options, Scalars, States};
use warpsmith::reference::lamb as reference;
use warpsmith::{Buffer, Device};

use crate::common::compare::assert_bits_equal;
use crate::common::data::Rng;
use crate::common::devices::{Body, on_every_device, on_one_model};
use crate::common::optimizers::{Case, Every, EveryNarrow};
use crate::problem::{Parameter, Real, problem};

const STEPS: usize = 20;

/// Independent normal gradients, and gradients over eight decades inside every block.
struct Independent(States);

impl Case for Independent {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let wide = |rng: &mut Rng, _: usize, _: usize| rng.normal() * 10f64.powf(rng.uniform(-7.0, 1.0));
        let normal = Parameter::new(1, 1024, STEPS, |rng, _, _| 0.01 * rng.normal());
        let list =
            vec![normal, Parameter::new(2, 700, STEPS, wide), Parameter::new(3, 300, STEPS, wide).without_decay()];
        problem::<T, G>(self.0, list).check(device, name);
    }
}

#[test]
fn twenty_steps() {
    on_every_device(&Every(Independent(States::Floats)));
    on_every_device(&EveryNarrow(Independent(States::Codes)));
}

/// Every bias correction, place of the decay and rule of the trust ratio, clamps that bind on either side, and a gradient that is not averaged.
struct Conventions(States);

impl Case for Conventions {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        for (i, bias_correction) in
            [BiasCorrection::Moments, BiasCorrection::Rate, BiasCorrection::Off].into_iter().enumerate()
        {
            for decay in [Decay::Update, Decay::Gradient] {
                let parameter = Parameter::new(3, 300, 3, |rng, _, _| rng.normal());
                let without = Parameter::new(4, 290, 3, |rng, _, _| rng.normal()).without_decay();
                let mut problem = problem::<T, G>(self.0, vec![parameter, without]);
                problem.options = Options { bias_correction, decay, ..problem.options };
                problem.options.trust.always = i == 1;
                (problem.options.trust.least, problem.options.trust.most) = [(0.0, 0.3), (0.9, 10.0), (0.0, 10.0)][i];
                problem.options.grad_averaging = i != 2;
                problem.check(device, name);
            }
        }
    }
}

#[test]
fn every_convention() {
    on_one_model(&Every(Conventions(States::Floats)));
    on_one_model(&EveryNarrow(Conventions(States::Codes)));
}

/// Norms of zero, gradients that are not finite, squares that over- and underflow, scales, and skipped steps, which count for nothing.
struct Corners(States);

impl Case for Corners {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let corners = |rng: &mut Rng, step: usize, element: usize| match (element / 256, element % 16) {
            (0, _) => 0.0,
            (1, 0..8) => -0.0,
            (2, 2) if step % 3 == 1 => f64::NAN,
            (2, 3) if step % 4 == 2 => f64::INFINITY,
            (3, _) => 1e-40 * rng.normal(),
            (4, 7) => [1.0, -1.0][step % 2] * rng.normal(),
            (4, 1) if step == 4 => 1e25,
            _ => rng.normal(),
        };
        let normal = |rng: &mut Rng, _: usize, _: usize| rng.normal();
        // A parameter of zeros; no gradient and no decay; 0 / 0 behind the end where epsilon is 0.
        let mut zeros = Parameter::new(5, 100, 8, normal);
        zeros.values = vec![T::from_f32(0.0); 100];
        let still = Parameter::new(6, 70, 8, |_, _, _| 0.0).without_decay();
        let list = vec![Parameter::new(4, 5 * 256 + 77, 8, corners), zeros, still, Parameter::new(7, 90, 8, normal)];
        let mut problem = problem::<T, G>(self.0, list);
        problem.options.trust.always = true;
        for (step, scale) in [0.5, 1.0 / 1024.0, 1.0, 3.0, 1e10, 1.0, 1.0, 2.0].into_iter().enumerate() {
            problem.scalars[step].1 = scale;
            problem.scalars[step].2 = step == 2 || step == 3;
        }
        problem.check(device, name);
        problem.parameters = vec![problem.parameters[3].clone()];
        problem.options.epsilon = 0.0;
        problem.check(device, name);
    }
}

#[test]
fn corners_of_the_formula() {
    on_one_model(&Every(Corners(States::Floats)));
    on_one_model(&EveryNarrow(Corners(States::Codes)));
}

/// Gradients clipped by their norm, above the limit and below it.
struct Clipped;

impl Body for Clipped {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let problem = problem::<f32, f32>(States::Floats, vec![Parameter::new(8, 520, 1, |rng, _, _| rng.normal())]);
        let options = Options { max_grad_norm: Some(1.5), ..problem.options };
        for norm in [0.5_f32, 1.5, 20.0, f32::INFINITY] {
            let mut start = problem.start();
            let scalars = reference::advance(&mut Default::default(), &options, 0.01, 1.0, norm);
            let (values, state) = (&mut start.values[0], &mut start.checkpoint.states[0]);
            let gradient = &problem.parameters[0].gradients[0];
            reference::step(values, gradient, state, 0.1, &options, &scalars, 3);

            let (mut held, gradients) = (problem.hold(device), problem.gradients(device, 0));
            let mut tensors = held.tensors(&gradients);
            let mut optimizer = Lamb::new(device, &mut tensors, &[0.1], options).expect("an optimizer");
            let [rate, norm] = [0.01, norm].map(|value| device.upload(&[value]).expect("upload"));
            let scalars =
                Scalars { learning_rate: rate.view([1]).expect("a view"), gradient_scale: None, found_inf: None };
            optimizer.step_clipped(device, &mut tensors, scalars, norm.view([1]).expect("a view")).expect("a step");
            let checkpoint = optimizer.checkpoint(device).expect("checkpoint");
            assert_bits_equal(name, 520, &held.outcome(device, checkpoint).values[0], &start.values[0]);
        }
    }
}

#[test]
fn gradients_are_clipped_by_their_norm() {
    on_every_device(&Clipped);
}
