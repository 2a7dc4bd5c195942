//! Values of every size and sign, each size judged apart, exact and perturbed; every value of 16 bits; NaN and infinities.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::activation::Function;
use warpsmith::reference::activation as reference;
use warpsmith::{Device, EmulatedDevice};

use crate::common::data::Rng;
use crate::common::devices::{Body, on_one_model, perturbed};
use crate::problem::{Case, Every, Kind, Problem, Real};

/// Values of one sign and one exponent in each row, so that no large value hides the error of a small one. From 64 on, results are zero or the
/// value itself to all digits, or on their way to zero below what the special-function unit holds.
fn by_size<T: Real>(count: usize) -> (usize, Vec<T>) {
    let mut rng = Rng::new(1);
    let mut rows = Vec::new();
    for exponent in -12..6 {
        for sign in [-1.0, 1.0] {
            let size = 2_f64.powi(exponent);
            rows.extend((0..count).map(|_| T::from_f64(sign * rng.uniform(size, 2.0 * size))));
        }
    }
    (rows.len() / count, rows)
}

fn check_by_size<D: Device, T: Real>(device: &D, name: &str, count: usize) {
    let (rows, input) = by_size::<T>(count);
    for function in Function::ALL {
        for kind in [Kind::Plain, Kind::Packed] {
            let problem = Problem::<T>::new(function, kind, rows, count);
            // A gradient of one: what is judged is the derivative.
            let grad_output = vec![T::from_f64(1.0); rows * count];
            Problem { input: input.clone(), grad_output, ..problem }.check(device, name);
        }
    }
}

struct Sizes;

impl Case for Sizes {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        check_by_size::<D, T>(device, name, 96);
    }
}

#[test]
fn values_of_every_size() {
    on_one_model(&Every(Sizes));
}

#[test]
fn functions_as_bad_as_they_may_be_pass_the_rule() {
    perturbed(DeviceModel::Sm80).for_each(|(name, device)| {
        check_by_size::<_, f32>(&device, &name, 48);
        check_by_size::<_, bf16>(&device, &name, 48);
    });
}

/// All bf16 and f16 values from -9 to 30 (below, exponentials are too small for f32) give the nearest value, or its neighbour: the error is under one unit in the last place. (Where a derivative
/// crosses zero its own digits are fewer, so values are judged, not derivatives.)
#[test]
fn every_value_of_sixteen_bits() {
    fn check<T: Real>(device: &EmulatedDevice, all: impl Iterator<Item = T>, ulps: f64) {
        let input: Vec<T> = all.filter(|x| (-9.0..=30.0).contains(&x.to_f64())).collect();
        for function in Function::ALL {
            let problem = Problem::<T>::with_input(function, Kind::Plain, input.clone());
            for (x, got) in input.iter().zip(problem.forward(device)) {
                let exact = reference::value(function, x.to_f64());
                let ulp = crate::common::compare::ulp(T::DTYPE, exact);
                let error = (got.to_f64() - exact).abs() / ulp;
                assert!(error < ulps, "{function:?}({x:?}) is {got:?}, not {exact:e}: {error} ulp");
            }
        }
    }
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    check(&device, (0..=u16::MAX).map(bf16::from_bits), 0.51);
    check(&device, (0..=u16::MAX).map(f16::from_bits), 0.54);
}

/// What limits give: NaN stays, and at infinities and the largest numbers the class is the oracle's.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let largest = if T::from_f64(1e30).to_f64().is_finite() { 3e38 } else { 60_000.0 };
        let values =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, largest, -largest, 1e3, -1e3, 90.0, -200.0, 17.0];
        let input: Vec<T> = values.map(T::from_f64).to_vec();
        for function in Function::ALL {
            let problem = Problem::<T>::with_input(function, Kind::Plain, input.clone());
            let problem = Problem { grad_output: vec![T::from_f64(1.0); input.len()], ..problem };
            let (output, gradients) = (problem.forward(device), problem.backward(device));
            for (i, x) in input.iter().enumerate() {
                let x = x.to_f64();
                for (what, got, oracle) in [
                    ("value", output[i], reference::value(function, x)),
                    ("derivative", gradients.input[i], reference::derivative(function, x)),
                ] {
                    let oracle = T::from_f64(oracle).to_f64();
                    let (got, name) = (got.to_f64(), format!("{name}: {what} of {function:?}({x:e}) {}", T::DTYPE));
                    assert_eq!(
                        (got.is_nan(), got.is_infinite()),
                        (oracle.is_nan(), oracle.is_infinite()),
                        "{name} is {got}, not {oracle}"
                    );
                    if oracle.is_finite() {
                        assert!((got - oracle).abs() <= 1e-6 + oracle.abs() * 1e-2, "{name} is {got}, not {oracle}");
                    }
                }
            }
        }
    }
}

#[test]
fn nan_infinities_and_the_largest_numbers() {
    on_one_model(&Every(Special));
}

/// No input but those of one place decides about that place.
struct Apart;

impl Body for Apart {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let mut problem = Problem::<f32>::new(Function::Silu, Kind::Gated, 3, 20);
        problem.up[25] = f32::NAN;
        let (output, gradients) = (problem.forward(device), problem.backward(device));
        let bad = |values: &[f32]| (0..values.len()).filter(|&i| values[i].is_nan()).collect::<Vec<_>>();
        assert_eq!((bad(&output), bad(&gradients.input), bad(&gradients.up)), (vec![25], vec![25], vec![]), "{name}");
    }
}

#[test]
fn nan_stays_in_its_place() {
    on_one_model(&Apart);
}
