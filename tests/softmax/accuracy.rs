//! Outputs and gradients within the rule, bit-equal under every regime.

use half::bf16;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::softmax::Options;
use warpsmith::{Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{on_every_device, on_one_model, perturbed, regimes};
use crate::problem::{Case, Every, Mask, Problem, Real};

/// Rows of part of a warp, a warp, several warps, a block; with every kind of mask, in place and not.
struct Widths;

impl Case for Widths {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (matrices, queries, width) in
            [(2, 5, 1), (3, 7, 7), (2, 9, 24), (2, 6, 50), (3, 4, 256), (1, 5, 1000), (2, 2, 1031), (1, 2, 4099)]
        {
            let problem = Problem::<T>::new(matrices, queries, width);
            problem.check(device, name);
            let in_place = Problem { in_place: true, ..problem.clone() };
            in_place.clone().kept([1, queries]).check(device, name);
            in_place.added([matrices, 1]).check(device, name);
            problem.clone().kept([matrices, queries]).check(device, name);
            problem.clone().added([1, 1]).check(device, name);
            problem.clone().logarithm().check(device, name);
            problem.clone().kept([matrices, 1]).logarithm().check(device, name);
            Problem { in_place: true, ..problem.added([1, queries]).logarithm() }.check(device, name);
        }
    }
}

#[test]
fn every_width_and_mask() {
    on_one_model(&Every(Widths));
}

/// Rows beyond the registers of a block: in shared memory as far as the model has some, streamed beyond.
struct Long;

impl Case for Long {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        Problem { in_place: true, ..Problem::<T>::new(1, 1, 8192 * lanes) }.check(device, name);
        Problem { shifts: [1, 0, 2], ..Problem::<T>::new(1, 1, 4000 * lanes + 3) }.kept([1, 1]).check(device, name);
        Problem { shifts: [1, 0, 2], ..Problem::<T>::new(1, 1, 4000 * lanes + 3) }.logarithm().check(device, name);
    }
}

#[test]
fn rows_beyond_the_registers() {
    on_every_device(&Every(Long));
}

/// Rows off the boundaries, alike and not.
struct Layouts;

impl Case for Layouts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for shifts in [[1, 1, 1], [1, 2, 2], [3, 0, 1], [0, 5, 0], [2, 2, 7]] {
            Problem { shifts, ..Problem::<T>::new(2, 3, 333) }.check(device, name);
            Problem { shifts, ..Problem::<T>::new(2, 3, 336) }.added([2, 3]).check(device, name);
        }
    }
}

#[test]
fn every_layout() {
    on_one_model(&Every(Layouts));
}

/// Diagonals at, before and beyond the corners, and rows in which nothing counts.
struct Diagonals;

impl Case for Diagonals {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for diagonal in [0, -2, 3, 40, i64::from(i32::MIN)] {
            let options = Options { scale: -0.5, causal: Some(diagonal), logarithm: diagonal == -2 };
            Problem { options, ..Problem::<T>::new(2, 6, 40) }.check(device, name);
        }
        let mut nothing = Problem::<T>::new(1, 4, 70).kept([1, 4]);
        if let Some(Mask::Keep(_, bytes)) = &mut nothing.mask {
            bytes[70..140].fill(0);
        }
        nothing.check(device, name);
        assert!(nothing.forward(device)[70..140].iter().all(|y| y.to_f64() == 0.0), "{name}");
    }
}

#[test]
fn every_diagonal() {
    on_one_model(&Every(Diagonals));
}

#[test]
fn every_regime_gives_the_same_bits() {
    let problems = [(3, 9, 24), (2, 5, 500), (1, 3, 2056), (1, 1, 40_001)]
        .map(|(matrices, queries, width)| Problem::<bf16>::new(matrices, queries, width).kept([1, queries]));
    let run = |device: &EmulatedDevice, problem: &Problem<bf16>| {
        let output = problem.forward(device);
        (problem.backward(device, &output), output)
    };
    let expected = problems.each_ref().map(|problem| run(&EmulatedDevice::new(DeviceModel::Sm86), problem));
    for (regime, device) in regimes(DeviceModel::Sm86) {
        for (problem, expected) in problems.iter().zip(&expected) {
            let got = run(&device, problem);
            assert_bits_equal(&format!("{regime}: gradient"), problem.width, &got.0, &expected.0);
            assert_bits_equal(&format!("{regime}: output"), problem.width, &got.1, &expected.1);
        }
    }
}

/// Approximate functions off by their documented bounds.
#[test]
fn perturbed_functions() {
    for (name, device) in perturbed(DeviceModel::Sm80) {
        Problem::<f32>::new(2, 6, 515).check(&device, &name);
        Problem::<bf16>::new(2, 6, 515).added([1, 6]).check(&device, &name);
        Problem::<f32>::new(2, 6, 515).logarithm().check(&device, &name);
    }
}
