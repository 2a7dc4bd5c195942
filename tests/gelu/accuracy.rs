//! The error of every value that can be tried: all of f16 and bf16, and f32 exponent by exponent.
//!
//! A row of a comparison holds the values of one sign and exponent, so that a bound relative to the row's largest result is one
//! relative to the result.

use half::{bf16, f16};
use warpsmith::ops::gelu::Form;
use warpsmith::reference::gelu as reference;
use warpsmith::{DType, Device};

use crate::common::data::Rng;
use crate::common::devices::{Body, on_every_device, on_one_model, perturbed};
use crate::problem::{Case, Every, Problem, Real};
use warpsmith::emulator::DeviceModel;

/// Every bit pattern of a 16-bit type, NaN and infinities included, and its rows by exponent.
struct Exhaustive;

impl Exhaustive {
    fn every_value<D: Device, T: Real>(device: &D, name: &str, form: Form, values: Vec<T>, per_exponent: usize) {
        let mut problem = Problem::with_input(form, values.len(), values, 3);
        problem.judge_output(name, per_exponent, &problem.forward(device));
        // The gradient of the output is 1, so that each row is judged by the derivative itself.
        problem.grad_output.fill(T::from_f64(1.0));
        problem.judge_gradients(name, per_exponent, &problem.backward(device));
    }
}

impl Body for Exhaustive {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for form in Form::ALL {
            Self::every_value(device, name, form, (0..=u16::MAX).map(bf16::from_bits).collect(), 1 << 7);
            Self::every_value(device, name, form, (0..=u16::MAX).map(f16::from_bits).collect(), 1 << 10);
        }
    }
}

#[test]
fn every_16_bit_value() {
    on_one_model(&Exhaustive);
}

#[test]
fn every_16_bit_value_with_functions_as_bad_as_they_may_be() {
    perturbed(DeviceModel::Sm80).take(2).for_each(|(name, device)| Exhaustive.run(&device, &name));
}

/// Values per exponent of f32.
const SAMPLES: usize = 512;

/// f32 values with random digits, `SAMPLES` of each sign and of each exponent in a range.
fn by_exponent(exponents: std::ops::Range<i32>, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let rows = exponents.flat_map(|exponent| [2f64.powi(exponent), -(2f64.powi(exponent))]);
    rows.flat_map(|scale| (0..SAMPLES).map(|_| (scale * rng.uniform(1.0, 2.0)) as f32).collect::<Vec<_>>()).collect()
}

struct Single;

impl Body for Single {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for form in Form::ALL {
            // Subnormals, where x is large enough to overflow its square, and all between.
            let values = by_exponent(-149..128, 11);
            let mut problem = Problem::with_input(form, values.len(), values, 4);
            problem.judge_output(name, SAMPLES, &problem.forward(device));
            problem.grad_output.fill(1.0);
            problem.judge_gradients(name, SAMPLES, &problem.backward(device));
        }
    }
}

#[test]
fn every_exponent_of_f32() {
    on_one_model(&Single);
}

#[test]
fn every_exponent_of_f32_with_functions_as_bad_as_they_may_be() {
    perturbed(DeviceModel::Sm80).for_each(|(name, device)| Single.run(&device, &name));
}

/// The largest relative error of a f32 result over a range of inputs, and that of the textbook's formula.
fn relative_errors<D: Device>(device: &D, form: Form, low: f64, high: f64) -> (f64, f64) {
    let problem = Problem::<f32>::with_input(form, 4096, Rng::new(8).uniforms(4096, low, high), 5);
    let got = problem.forward(device);
    let naive = reference::naive::forward(form, &problem.input, None);
    let worst = |results: &[f32]| {
        let errors = results.iter().zip(&problem.input).map(|(result, x)| {
            let truth = reference::value(form, (*x).into());
            ((f64::from(*result) - truth) / truth).abs()
        });
        errors.fold(0.0, f64::max)
    };
    (worst(&got), worst(&naive))
}

/// Below -5 the textbook's formula has no digit left; these kernels keep theirs. The bounds are derived in kernels/gelu/NOTES.md.
struct Tail;

impl Body for Tail {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (form, low, bound) in [(Form::Erf, -12.5, 2e-6), (Form::Tanh, -9.5, 1.5e-5)] {
            let (kernel, naive) = relative_errors(device, form, low, -5.5);
            assert!(kernel <= bound, "{name}: {form:?}: relative error {kernel:e}");
            assert!(naive > 0.5, "{name}: {form:?}: the textbook's formula does well here: {naive:e}");
        }
    }
}

#[test]
fn the_negative_tail_keeps_its_digits() {
    on_every_device(&Tail);
    perturbed(DeviceModel::Sm80).for_each(|(name, device)| Tail.run(&device, &name));
}

/// Zeros keep their sign, infinities and NaN come where the formula has them.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str, form: Form) {
        let large = if T::DTYPE == DType::F16 { 60_000.0 } else { 3e38 };
        let specials = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, large, -large];
        let input: Vec<T> = specials.map(T::from_f64).to_vec();
        let mut problem = Problem::with_input(form, 7, input, 1);
        let output: Vec<f64> = problem.forward(device).into_iter().map(T::to_f64).collect();
        let name = format!("{name}, {form:?}, {}: {output:?}", T::DTYPE);
        assert!(output[0] == 0.0 && output[0].is_sign_positive(), "{name}");
        assert!(output[1] == 0.0 && output[1].is_sign_negative(), "{name}");
        assert_eq!(output[2], f64::INFINITY, "{name}");
        // -inf * 0.
        assert!(output[3].is_nan() && output[4].is_nan(), "{name}");
        assert_eq!(output[5], problem.input[5].to_f64(), "{name}");
        assert_eq!(output[6], 0.0, "{name}");

        problem.grad_output.fill(T::from_f64(1.0));
        let slopes: Vec<f64> = problem.backward(device).input.into_iter().map(T::to_f64).collect();
        let name = format!("{name}, slopes {slopes:?}");
        assert_eq!((slopes[0], slopes[1]), (0.5, 0.5), "{name}");
        // inf * 0.
        assert!(slopes[2].is_nan() && slopes[3].is_nan() && slopes[4].is_nan(), "{name}");
        assert_eq!((slopes[5], slopes[6]), (1.0, 0.0), "{name}");
    }
}

#[test]
fn special_values() {
    on_every_device(&Every(Special));
}
