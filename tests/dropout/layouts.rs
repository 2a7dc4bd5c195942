//! Every shape and layout gives the elements the same words, and touches nothing else.

use warpsmith::emulator::DeviceModel;
use warpsmith::{Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{on_one_model, regimes};
use crate::problem::{Case, Every, Problem, Real, Target};

/// Shapes of one element up to several tiles and blocks; whole vectors and not; rows that are folded and rows that are not.
struct Shapes;

impl Case for Shapes {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let shapes = [(1, 1), (1, 7), (1, 515), (3, 24), (8, 33), (5, 264), (7, 12), (2, 20_000), (64, 300), (131, 64)];
        for (i, (rows, width)) in shapes.into_iter().enumerate() {
            Problem::<T>::new(rows, width, Target::ALL[i % 4]).check(device, name);
        }
    }
}

#[test]
fn any_shape() {
    on_one_model(&Every(Shapes));
}

/// Rows at a distance and off boundaries; widths in which no row but the first begins with a block of words.
struct Layouts;

impl Case for Layouts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for (gaps, shifts) in
            [([lanes, 0], [0, 0]), ([0, 2 * lanes], [0, lanes]), ([1, 0], [0, 0]), ([0, 0], [1, 0]), ([3, 1], [1, 1])]
        {
            for target in Target::ALL {
                for (rows, width) in [(5, 40), (19, 3), (6, 4 * lanes - 1)] {
                    Problem { gaps, shifts, ..Problem::<T>::new(rows, width, target) }.check(device, name);
                }
            }
        }
        // Rows begin at multiples of 16 bytes, and not at multiples of four elements of the whole.
        let problem = Problem::<T>::new(9, 8 * lanes + 1, Target::Sum);
        Problem { gaps: [lanes - 1; 2], ..problem }.check(device, name);
    }
}

#[test]
fn any_layout() {
    on_one_model(&Every(Layouts));
}

/// The order of blocks and warps has no part in it.
#[test]
fn every_regime_gives_the_same_bits() {
    let problem = Problem::<half::bf16>::new(130, 264, Target::Onto);
    let expected = problem.forward(&EmulatedDevice::new(DeviceModel::Sm80));
    for (regime, device) in regimes(DeviceModel::Sm80) {
        assert_bits_equal(&regime, problem.width, &problem.forward(&device), &expected);
    }
}
