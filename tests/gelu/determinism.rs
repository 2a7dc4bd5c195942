//! Bit-equal results under every regime of the emulator, and on every model.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::gelu::Form;
use warpsmith::{Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{Body, on_one_model, perturbed, regimes};
use crate::problem::{Problem, Real};

/// Wide enough for two column tiles, tall enough for several row blocks, with the last of each not full.
fn problems<T: Real>(form: Form) -> [Problem<T>; 2] {
    [Problem::new(form, 333, 300, 21).with_bias(), Problem::new(form, 1, 9001, 22)]
}

fn results<D: Device, T: Real>(device: &D, problem: &Problem<T>) -> [(&'static str, Vec<T>); 3] {
    let gradients = problem.backward(device);
    [("output", problem.forward(device)), ("grad_input", gradients.input), ("grad_bias", gradients.bias)]
}

fn same_on<T: Real>(form: Form, devices: impl Iterator<Item = (String, EmulatedDevice)>) {
    let problems = problems::<T>(form);
    let expected = problems.each_ref().map(|problem| results(&EmulatedDevice::new(DeviceModel::Sm80), problem));
    for (regime, device) in devices {
        for (problem, expected) in problems.iter().zip(&expected) {
            for ((what, got), (_, expected)) in results(&device, problem).iter().zip(expected) {
                assert_bits_equal(&format!("{regime}: {form:?}, {what}"), problem.width, got, expected);
            }
        }
    }
}

#[test]
fn every_regime_gives_the_same_bits() {
    same_on::<bf16>(Form::Erf, regimes(DeviceModel::Sm80));
    same_on::<f32>(Form::Tanh, regimes(DeviceModel::Sm80));
}

#[test]
fn every_model_gives_the_same_bits() {
    let models = || DeviceModel::ALL.into_iter().map(|model| (format!("{model:?}"), EmulatedDevice::new(model)));
    same_on::<f16>(Form::Erf, models());
    same_on::<bf16>(Form::Tanh, models());
    same_on::<f32>(Form::Erf, models());
}

/// A second run on the same device, GPU included.
struct Twice;

impl Body for Twice {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for problem in problems::<f32>(Form::Erf) {
            for ((what, got), (_, expected)) in results(device, &problem).iter().zip(&results(device, &problem)) {
                assert_bits_equal(&format!("{name}: {what}"), problem.width, got, expected);
            }
        }
    }
}

#[test]
fn a_second_run_gives_the_same_bits() {
    on_one_model(&Twice);
}

#[test]
fn functions_as_bad_as_they_may_be_pass_the_rule() {
    for (name, device) in perturbed(DeviceModel::Sm80) {
        for form in Form::ALL {
            problems::<f32>(form).iter().for_each(|problem| problem.check(&device, &name));
            problems::<f16>(form).iter().for_each(|problem| problem.check(&device, &name));
            problems::<bf16>(form).iter().for_each(|problem| problem.check(&device, &name));
        }
    }
}
