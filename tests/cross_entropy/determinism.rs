//! Bit-equal results under every regime of the emulator.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;

use crate::common::compare::assert_bits_equal;
use crate::common::devices::regimes;
use crate::problem::{Problem, Real};

/// Teams of a part of a warp, of a warp, of several; rows in registers, in shared memory, streamed.
fn problems<T: Real>() -> Vec<Problem<T>> {
    let sizes = [(75, 24), (20, 500), (5, 2056), (2, 30_001), (1, 70_000)];
    let problem = |(rows, width)| {
        let mut problem = Problem::<T>::new(rows, width, width as u64).with_all();
        problem.in_place = width > 1000;
        problem
    };
    sizes.into_iter().map(problem).collect()
}

fn same_in_every_regime<T: Real>(model: DeviceModel) {
    let problems = problems::<T>();
    let expected: Vec<_> = problems.iter().map(|problem| problem.run(&EmulatedDevice::new(model))).collect();
    for (regime, device) in regimes(model) {
        for (problem, expected) in problems.iter().zip(&expected) {
            let got = problem.run(&device);
            assert_bits_equal(&format!("{regime}: gradient"), problem.width, &got.gradient, &expected.gradient);
            assert_bits_equal(&format!("{regime}: loss"), 1, &got.loss, &expected.loss);
            assert_bits_equal(&format!("{regime}: lse"), 1, &got.lse, &expected.lse);
            assert_bits_equal(&format!("{regime}: totals"), 1, &got.totals, &expected.totals);
        }
    }
}

#[test]
fn every_regime_gives_the_same_bits() {
    same_in_every_regime::<bf16>(DeviceModel::Sm86);
}
