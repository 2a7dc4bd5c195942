//! Bit-equal results under every regime of the emulator.

use half::bf16;
use warpsmith::emulator::DeviceModel;
use warpsmith::{Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{Body, on_one_model, regimes};
use crate::problem::{Problem, Real};

/// Teams of a part of a warp, of a warp, of several and of a block; without whole vectors; wider than registers.
fn problems<T: Real>() -> Vec<Problem<T>> {
    let sizes = [(75, 24), (90, 520), (9, 2056), (3, 6000), (2, 12_000), (21, 257), (150, 9), (1, 20_001)];
    sizes.into_iter().map(|(rows, width)| Problem::new(rows, width, width as u64).with_residual()).collect()
}

/// Everything that both passes write, as rows of one length.
fn results<D: Device, T: Real>(device: &D, problem: &Problem<T>) -> [(&'static str, Vec<T>); 4] {
    let written = problem.forward(device);
    let gradients = problem.backward(device, &written.sum, &written.rstd);
    [
        ("output", written.output),
        ("sum", written.sum),
        ("grad_input", gradients.input),
        ("grad_weight", gradients.weight),
    ]
}

#[test]
fn every_regime_gives_the_same_bits() {
    let model = DeviceModel::Sm80;
    let problems = problems::<bf16>();
    let expected: Vec<_> = problems.iter().map(|problem| results(&EmulatedDevice::new(model), problem)).collect();
    for (regime, device) in regimes(model) {
        for (problem, expected) in problems.iter().zip(&expected) {
            for ((what, got), (_, expected)) in results(&device, problem).iter().zip(expected) {
                assert_bits_equal(&format!("{regime}: {what}"), problem.width, got, expected);
            }
        }
    }
}

/// A second run on the same device, GPU included.
struct Twice;

impl Body for Twice {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for problem in problems::<f32>() {
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
