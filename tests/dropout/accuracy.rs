//! Values, at every probability and at the limits of the element types.

use warpsmith::Device;

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{on_every_device, on_one_model};
use crate::problem::{Case, Every, Problem, Real, Target};

/// Probabilities of every kind, everywhere that the output can go: none and all, those of which f32 and the words have no exact value, and the
/// least that there are on either side.
struct Probabilities;

impl Case for Probabilities {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for probability in [0.0, 0.1, 0.5, 0.9, 1.0, 1e-12, 1.0 - f32::EPSILON / 2.0] {
            for target in Target::ALL {
                let problem = Problem::<T>::new(9, 136, target);
                let problem = Problem { probability, ..problem };
                // What the largest scale overflows in f16 is left out: an infinity is right there, and has no error.
                if probability < 0.99 || probability == 1.0 || size_of::<T>() == 4 {
                    problem.check(device, name);
                }
            }
        }
    }
}

#[test]
fn any_probability() {
    on_every_device(&Every(Probabilities));
}

/// What is dropped leaves no trace, whatever it was; what is kept stays NaN or infinite. With nothing to drop every bit stays, with everything
/// to drop none.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0].map(T::from_f64);
        for target in [Target::Apart, Target::Onto] {
            let mut problem = Problem::<T>::new(1, 96, target);
            problem.input = (0..96).map(|i| values[i % 6]).collect();
            problem.residual = vec![T::from_f64(2.0); 96];
            let (mask, output) = (problem.mask(), problem.forward(device));
            let dropped = if target == Target::Onto { 2.0 } else { 0.0 };
            for i in 0..96 {
                let (x, got) = (problem.input[i].to_f64(), output[i].to_f64());
                if mask[i] {
                    assert_eq!(
                        (x.is_nan(), x.is_infinite()),
                        (got.is_nan(), got.is_infinite()),
                        "{name}: {x} to {got}"
                    );
                } else {
                    assert_eq!(got.to_bits(), f64::to_bits(dropped), "{name}: {x} was dropped");
                }
            }
            assert!(mask.iter().any(|kept| *kept) && mask.iter().any(|kept| !kept));
        }
        let all = Problem::<T>::new(1, 96, Target::InPlace);
        let all = Problem { input: (0..96).map(|i| values[i % 6]).collect(), probability: 0.0, ..all };
        assert_bits_equal(&format!("{name}: nothing is dropped"), 96, &all.forward(device), &all.input);
        let none = Problem { probability: 1.0, ..all };
        let zeros = vec![T::from_f64(0.0); 96];
        assert_bits_equal(&format!("{name}: everything is dropped"), 96, &none.backward(device), &zeros);
    }
}

#[test]
fn nan_infinities_and_signs_of_zero() {
    on_one_model(&Every(Special));
}
