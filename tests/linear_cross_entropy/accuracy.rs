//! Every output against the references.

use warpsmith::ops::cross_entropy::Reduction;

use crate::problem::{Case, Multiplies, Problem, Real, everywhere};

struct Plain;

impl Case for Plain {
    fn run<D: Multiplies, T: Real>(&self, device: &D, name: &str) {
        // A last chunk that is full and one that is not; a vocabulary of whole vectors and one that is not.
        Problem::<T>::new([24, 40, 96], 8).check(device, name);
        Problem::<T>::new([21, 33, 101], 8).check(device, name);
    }
}

#[test]
fn the_mean_and_its_gradients() {
    everywhere(&Plain);
}

struct Optional;

impl Case for Optional {
    fn run<D: Multiplies, T: Real>(&self, device: &D, name: &str) {
        let all = |shape| Problem::<T>::new(shape, 8).with_all();
        all([21, 40, 101]).check(device, name);
        all([45, 32, 67]).check(device, name);
        Problem { gap: 3, ..all([13, 32, 67]) }.check(device, name);
        for reduction in [Reduction::None, Reduction::Sum] {
            all([13, 32, 67]).reduced(reduction).check(device, name);
        }
        Problem { wants_gradients: false, ..all([13, 32, 67]) }.check(device, name);
    }
}

#[test]
fn everything_that_is_optional() {
    everywhere(&Optional);
}

struct Added;

impl Case for Added {
    fn run<D: Multiplies, T: Real>(&self, device: &D, name: &str) {
        let mut problem = Problem { before: 0.75, ..Problem::<T>::new([13, 32, 67], 4).with_all() };
        problem.options.accumulate = true;
        problem.check(device, name);
    }
}

#[test]
fn gradients_of_weight_and_bias_are_added_if_that_is_wanted() {
    everywhere(&Added);
}
