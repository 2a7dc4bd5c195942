//! Gradients of the same bits under every regime of the emulator: with many blocks that wait for their turns, with one that has to
//! find its turn come, and from either end of the grid.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::reference::attention::Backward;
use warpsmith::{Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{Body, on_one_model, regimes};
use crate::gradients::Gradients;
use crate::problem::{Real, Sizes, sizes};

/// Three key blocks of one head that meet in every block of queries; heads of a group; both head dimensions.
fn problems<T: Real>() -> Vec<Gradients<T>> {
    let group = Sizes { heads: 4, kv_heads: 2, causal: true, ..sizes(70, 260, 64) };
    let all = [sizes(40, 300, 64), group, Sizes { heads: 2, kv_heads: 1, causal: true, ..sizes(140, 140, 128) }];
    all.into_iter().map(|sizes| Gradients::new(sizes, sizes.queries as u64)).collect()
}

fn assert_same<T: Real>(name: &str, head_dim: usize, got: &Backward<T>, expected: &Backward<T>) {
    let gradients = [("dQ", &got.dq, &expected.dq), ("dK", &got.dk, &expected.dk), ("dV", &got.dv, &expected.dv)];
    for (what, got, expected) in gradients {
        assert_bits_equal(&format!("{name}: {what}"), head_dim, got, expected);
    }
}

fn same_in_every_regime<T: Real>(model: DeviceModel) {
    let problems = problems::<T>();
    let device = EmulatedDevice::new(model);
    let forward: Vec<_> = problems.iter().map(|gradients| gradients.problem.forward(&device)).collect();
    let run = |device: &EmulatedDevice| -> Vec<Backward<T>> {
        problems.iter().zip(&forward).map(|(gradients, forward)| gradients.backward(device, forward)).collect()
    };
    let expected = run(&device);
    for (regime, device) in regimes(model) {
        for ((gradients, got), expected) in problems.iter().zip(run(&device)).zip(&expected) {
            assert_same(&regime, gradients.problem.sizes.head_dim, &got, expected);
        }
    }
}

#[test]
fn every_regime_gives_the_same_gradients() {
    same_in_every_regime::<bf16>(DeviceModel::Sm80);
    same_in_every_regime::<f16>(DeviceModel::Sm86);
}

/// A second run on the same device, GPU included.
struct Twice;

impl Body for Twice {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for gradients in problems::<f16>() {
            assert_same(name, gradients.problem.sizes.head_dim, &gradients.run(device), &gradients.run(device));
        }
    }
}

#[test]
fn a_second_run_gives_the_same_gradients() {
    on_one_model(&Twice);
}
