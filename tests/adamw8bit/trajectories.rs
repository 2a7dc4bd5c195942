//! Twenty steps and more, in which every bit of parameters and states is that of the reference.

use warpsmith::Device;

use crate::common::devices::{on_every_device, on_one_model};
use crate::common::guard::Guarded;
use crate::problem::{Case, Every, Parameter, Problem, Real, assert_same, outcome, tensors};
use warpsmith::ops::adamw8bit::AdamW8bit;

const STEPS: usize = 20;

/// Independent normal gradients, as late in a training run.
struct Independent;

impl Case for Independent {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let parameter = |seed, count| Parameter::new(seed, count, STEPS, |rng, _, _| 0.01 * rng.normal());
        Problem::<T>::new(vec![parameter(1, 2048), parameter(2, 700).without_decay()]).check(device, name);
    }
}

#[test]
fn independent_gradients() {
    on_every_device(&Every(Independent));
}

/// Gradients over eight decades inside every block, whose codes are of every decade of the maps.
struct WideRange;

impl Case for WideRange {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let gradient = |rng: &mut crate::common::data::Rng, _, _| {
            let size = 10f64.powf(rng.uniform(-7.0, 1.0));
            if rng.unit() < 0.5 { -size } else { size }
        };
        Problem::<T>::new(vec![Parameter::new(3, 1536, STEPS, gradient)]).check(device, name);
    }
}

#[test]
fn gradients_of_every_size() {
    on_one_model(&Every(WideRange));
}

/// What the formula has corners for, one in each block: a block of zeros; zeros of both signs; NaN and infinities; a square that overflows;
/// squares that underflow; signs that turn with every step; one large element; and an end that fills no block.
struct Edges;

impl Case for Edges {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let gradient = |rng: &mut crate::common::data::Rng, step: usize, element: usize| {
            let normal = rng.normal();
            let sign = if step.is_multiple_of(2) { 1.0 } else { -1.0 };
            match (element / 256, element % 7) {
                (0, _) => 0.0,
                (1, 0..4) => -0.0,
                (1, _) => 0.0,
                (2, 0) if step % 3 == 1 => f64::NAN,
                (2, 1) if step % 4 == 2 => f64::INFINITY,
                (2, 2) if step % 5 == 3 => f64::NEG_INFINITY,
                (3, 0) if step == 9 => 1e25,
                (4, _) => 1e-24 * normal,
                (5, _) => sign * normal,
                (6, 0) => 1e4 * normal,
                (7, _) if step < 5 => 0.0,
                _ => normal,
            }
        };
        Problem::<T>::new(vec![Parameter::new(4, 8 * 256 + 77, STEPS, gradient)]).check(device, name);
        // A parameter that is all end; one whose end has no gradient at all, so that its absmax is that of what fills the block.
        let single = Parameter::new(5, 1, STEPS, |rng, _, _| rng.normal());
        let fading = Parameter::new(6, 3, STEPS, |rng, step, _| if step == 0 { rng.normal() } else { 0.0 });
        Problem::<T>::new(vec![single, fading]).check(device, name);
    }
}

#[test]
fn corners_of_the_formula() {
    on_every_device(&Every(Edges));
}

/// Gradient scales, a scale that overflows, and skipped steps, which count for nothing.
struct Scaled;

impl Case for Scaled {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let mut problem = Problem::<T>::new(vec![Parameter::new(7, 600, 8, |rng, _, _| rng.normal())]);
        for (step, scale) in [0.5, 1.0 / 1024.0, 1.0, 3.0, 1e20, 1e38, 1.0, f32::NAN].into_iter().enumerate() {
            problem.scalars[step].1 = scale;
            problem.scalars[step].2 = step == 2 || step == 3;
        }
        problem.check(device, name);
    }
}

#[test]
fn scales_and_skipped_steps() {
    on_one_model(&Every(Scaled));
}

/// One object through all steps: the step count stays on the device.
struct Steady;

impl Case for Steady {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let mut problem = Problem::<T>::new(vec![Parameter::new(8, 520, 1, |rng, _, _| rng.normal())]);
        problem.parameters[0].gradients = vec![problem.parameters[0].gradients[0].clone(); STEPS];
        problem.scalars = (0..STEPS).map(|step| (1e-3 * step as f32, 1.0, step % 6 == 5)).collect();
        let parameter = &problem.parameters[0];
        let place = crate::common::guard::Place::vector(parameter.values.len());
        let mut held = [Guarded::input(device, place, &parameter.values)];
        let gradients = [Guarded::input(device, place, &parameter.gradients[0])];
        let mut optimizer =
            AdamW8bit::new(device, &mut tensors(&mut held, &gradients), &[parameter.weight_decay], problem.options)
                .expect("an optimizer");
        for (step, expected) in problem.expected().iter().enumerate() {
            problem.make_step(device, &mut optimizer, &mut tensors(&mut held, &gradients), step);
            let checkpoint = optimizer.checkpoint(device).expect("checkpoint");
            assert_same(&format!("{name}, step {step}"), &outcome(device, &held, checkpoint), expected);
        }
    }
}

#[test]
fn one_object_through_all_steps() {
    on_one_model(&Every(Steady));
}
