//! Twenty steps and more, in which every bit of parameters, masters and states is that of the reference.

use warpsmith::Device;
use warpsmith::ops::lion::{Lion, States};

use crate::common::data::Rng;
use crate::common::devices::{on_every_device, on_one_model};
use crate::common::optimizers::{Case, Every, EveryNarrow, assert_same};
use crate::problem::{Parameter, Real, problem};

const STEPS: usize = 20;

/// Independent normal gradients, and gradients over eight decades inside every block, whose codes are of every decade of the map.
struct Independent(States);

impl Case for Independent {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let wide = |rng: &mut Rng, _: usize, _: usize| rng.normal() * 10f64.powf(rng.uniform(-7.0, 1.0));
        let list =
            vec![Parameter::new(1, 1024, STEPS, |rng, _, _| 0.01 * rng.normal()), Parameter::new(2, 700, STEPS, wide)];
        problem::<T, G>(self.0, list).check(device, name);
    }
}

#[test]
fn twenty_steps() {
    on_every_device(&Every(Independent(States::Floats)));
    on_every_device(&EveryNarrow(Independent(States::Codes)));
}

/// What the formula has corners for, one in each block: a block of zeros, zeros of both signs, gradients that are not finite, moments that
/// over- and underflow, signs that turn with every step; scales, one that overflows, and skipped steps, which count for nothing.
struct Corners(States);

impl Case for Corners {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let gradient = |rng: &mut Rng, step: usize, element: usize| match (element / 256, element % 16) {
            (0, _) => 0.0,
            (1, 0..8) => -0.0,
            (1, _) => 0.0,
            (2, 2) if step % 3 == 1 => f64::NAN,
            (2, 3) if step % 4 == 2 => f64::INFINITY,
            (2, 4) if step % 5 == 3 => f64::NEG_INFINITY,
            (3, _) => 1e-40 * rng.normal(),
            (4, 7) => [1.0, -1.0][step % 2] * rng.normal(),
            (5, 8) => 1e4 * rng.normal(),
            (6, _) if step > 2 => 0.0,
            _ => rng.normal(),
        };
        let mut parameter = Parameter::new(4, 7 * 256 + 77, 8, gradient);
        parameter.values[9] = T::from_f32(f32::INFINITY);
        parameter.values[10] = T::from_f32(f32::NAN);
        // All end, with a gradient at first and none later, so that its absmax is that of what fills the block.
        let fading = Parameter::new(6, 3, 8, |rng, step, _| if step == 0 { rng.normal() } else { 0.0 });
        let mut problem = problem::<T, G>(self.0, vec![parameter, fading]);
        for (step, scale) in [0.5, 1.0 / 1024.0, 1.0, 3.0, 1e20, 3e38, 1.0, f32::NAN].into_iter().enumerate() {
            problem.scalars[step].1 = scale;
            problem.scalars[step].2 = step == 2 || step == 3;
        }
        problem.check(device, name);
    }
}

#[test]
fn corners_of_the_formula() {
    on_one_model(&Every(Corners(States::Floats)));
    on_one_model(&EveryNarrow(Corners(States::Codes)));
}

/// One object through all steps.
struct Steady(States);

impl Case for Steady {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let mut problem = problem::<T, G>(self.0, vec![Parameter::new(8, 520, 1, |rng, _, _| rng.normal())]);
        problem.parameters[0].gradients = vec![problem.parameters[0].gradients[0].clone(); STEPS];
        problem.scalars = (0..STEPS).map(|step| (1e-3 * step as f32, 1.0, step % 6 == 5)).collect();
        let (mut held, gradients) = (problem.hold(device), problem.gradients(device, 0));
        let mut optimizer =
            Lion::new(device, &mut held.tensors(&gradients), &[0.1], problem.options).expect("an optimizer");
        for (step, expected) in problem.expected().iter().enumerate() {
            problem.make_step(device, &mut optimizer, &mut held.tensors(&gradients), step);
            let checkpoint = optimizer.checkpoint(device).expect("checkpoint");
            assert_same(&format!("{name}, step {step}"), &held.outcome(device, checkpoint), expected);
        }
    }
}

#[test]
fn one_object_through_all_steps() {
    on_one_model(&Every(Steady(States::Floats)));
    on_one_model(&EveryNarrow(Steady(States::Codes)));
}
