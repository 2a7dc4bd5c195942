//! Bit-equal results under every regime of the emulator.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::{Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{Body, on_one_model, regimes};
use crate::problem::{Problem, Real, Sizes, sizes};

/// Several tiles of queries, several steps, masked and whole; heads that share keys.
fn problems<T: Real>() -> Vec<Problem<T>> {
    let causal = |queries, keys, head_dim| Sizes { causal: true, heads: 2, ..sizes(queries, keys, head_dim) };
    let all = [causal(140, 140, 64), sizes(30, 150, 128), causal(40, 99, 128)];
    all.into_iter().map(|sizes| Problem::new(sizes, sizes.queries as u64)).collect()
}

fn assert_same<D: Device, T: Real>(device: &D, name: &str, problem: &Problem<T>, expected: &(Vec<T>, Vec<f32>)) {
    let got = problem.forward(device);
    assert_bits_equal(&format!("{name}: o"), problem.sizes.head_dim, &got.o, &expected.0);
    assert_bits_equal(&format!("{name}: lse"), problem.sizes.queries, &got.lse, &expected.1);
}

fn results<D: Device, T: Real>(device: &D, problem: &Problem<T>) -> (Vec<T>, Vec<f32>) {
    let got = problem.forward(device);
    (got.o, got.lse)
}

fn same_in_every_regime<T: Real>(model: DeviceModel) {
    let problems = problems::<T>();
    let expected: Vec<_> = problems.iter().map(|problem| results(&EmulatedDevice::new(model), problem)).collect();
    for (regime, device) in regimes(model) {
        for (problem, expected) in problems.iter().zip(&expected) {
            assert_same(&device, &regime, problem, expected);
        }
    }
}

#[test]
fn every_regime_gives_the_same_bits() {
    same_in_every_regime::<bf16>(DeviceModel::Sm80);
    same_in_every_regime::<f16>(DeviceModel::Sm86);
}

/// A second run on the same device, GPU included.
struct Twice;

impl Body for Twice {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for problem in problems::<f16>() {
            assert_same(device, name, &problem, &results(device, &problem));
        }
    }
}

#[test]
fn a_second_run_gives_the_same_bits() {
    on_one_model(&Twice);
}
