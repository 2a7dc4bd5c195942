//! Losses and gradients within the rule, for every kind of row and every option.

use half::{bf16, f16};
use warpsmith::Device;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::cross_entropy::{Options, Reduction};

use crate::common::data::Rng;
use crate::common::devices::{on_every_device, on_one_model, perturbed};
use crate::common::guard::Place;
use crate::problem::{Case, Every, Problem, Real};

/// Rows of part of a warp, a warp, several warps, a block; of whole vectors, of odd lengths, of one class.
struct Widths;

impl Case for Widths {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (rows, width) in
            [(40, 1), (70, 2), (37, 7), (20, 24), (33, 50), (9, 256), (7, 250), (5, 1000), (4, 1031), (3, 4099)]
        {
            Problem::<T>::new(rows, width, width as u64).check(device, name);
            let mut all = Problem::<T>::new(rows, width, !(width as u64)).with_all();
            all.in_place = width % 2 == 1;
            all.check(device, name);
        }
    }
}

#[test]
fn every_width() {
    on_one_model(&Every(Widths));
}

/// Rows beyond the registers of a block: in shared memory as far as the model has some, streamed beyond.
struct Long;

impl Case for Long {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for width in [8192 * lanes, 3000 * lanes + 3] {
            let mut problem = Problem::<T>::new(1, width, width as u64);
            problem.in_place = true;
            problem.check(device, name);
        }
    }
}

#[test]
fn rows_beyond_the_registers() {
    on_every_device(&Every(Long));
}

/// 262,144 classes: most of a row is read again.
#[test]
fn a_quarter_of_a_million_classes() {
    struct Widest;
    impl crate::common::devices::Body for Widest {
        fn run<D: Device>(&self, device: &D, name: &str) {
            let mut problem = Problem::<bf16>::new(1, 1 << 18, 3);
            problem.check(device, name);
            problem.in_place = true;
            problem.with_all().check(device, name);
        }
    }
    on_one_model(&Widest);
}

/// Each option alone and with weights, in every reduction.
struct EachOption;

impl Case for EachOption {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let plain = Options::default();
        for reduction in Reduction::ALL {
            for options in [
                plain,
                Options { label_smoothing: 0.1, ..plain },
                Options { label_smoothing: 1.0, ..plain },
                Options { z_loss: 1e-2, ..plain },
                Options { softcap: Some(3.0), ..plain },
                Options { ignore_index: 7, ..plain },
            ] {
                let problem = Problem::<T> { options, ..Problem::new(13, 203, 5) };
                let targets =
                    problem.targets.iter().map(|&target| if target == -100 { options.ignore_index } else { target });
                let problem = Problem { targets: targets.collect(), ..problem }.reduced(reduction);
                problem.check(device, name);
                let weight = Some((0..203).map(|class| 0.5 + class as f32 / 128.0).collect());
                Problem { weight, wide_targets: true, ..problem }.check(device, name);
            }
        }
    }
}

#[test]
fn every_option() {
    on_one_model(&Every(EachOption));
}

/// Softcaps that do almost nothing, that bend, and that leave little of a logit, from tiny to huge.
struct Softcaps;

impl Case for Softcaps {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (softcap, deviation) in [(30.0, 2.0), (30.0, 20.0), (30.0, 300.0), (50.0, 30.0), (4096.0, 3.0), (0.25, 2.0)]
        {
            let options = Options { softcap: Some(softcap), ..Options::default() };
            for (rows, width) in [(24, 40), (5, 1200)] {
                let logits = Rng::new(width as u64).normals(rows * width, 0.0, deviation);
                Problem::<T> { logits, options, ..Problem::new(rows, width, 9) }.check(device, name);
            }
        }
    }
}

#[test]
fn every_softcap() {
    on_one_model(&Every(Softcaps));
    for (name, device) in perturbed(DeviceModel::Sm80) {
        Softcaps.run::<_, f16>(&device, &name);
    }
}

/// Logits and gradient at distances and off boundaries, alike and not; class weights on a boundary.
struct Layouts;

impl Case for Layouts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        let place = Place::matrix(6, 333);
        let places = [
            (place.with_gap(3), place.with_gap(3)),
            (place.shifted(1), place.shifted(1 + lanes)),
            (place.with_gap(lanes - 1).shifted(1), place),
            (place.with_gap(8 * lanes + 3), place.with_gap(1).shifted(lanes - 1)),
        ];
        for (logits_place, gradient_place) in places {
            let problem = Problem::<T> { logits_place, gradient_place, ..Problem::new(6, 333, 8) };
            problem.check(device, name);
            problem.with_all().check(device, name);
        }
    }
}

#[test]
fn every_layout() {
    on_one_model(&Every(Layouts));
}

/// Many short rows: the sums over rows go over their threads more than once, with and without a rest.
#[test]
fn many_rows() {
    struct Many;
    impl Case for Many {
        fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
            Problem::<T>::new(9001, 5, 1).check(device, name);
            let mut weighted = Problem::<T>::new(4096, 6, 2).with_all();
            weighted.wants_gradient = false;
            weighted.check(device, name);
        }
    }
    on_one_model(&Every(Many));
}

/// The loss first, the gradient by a second call: the same bits as in one.
#[test]
fn loss_and_gradient_apart() {
    struct Apart;
    impl Case for Apart {
        fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
            for problem in [Problem::<T>::new(11, 300, 9), Problem::new(11, 300, 9).with_all()] {
                let both = problem.run(device);
                let loss = Problem { wants_gradient: false, ..problem.clone() }.run(device).loss;
                let gradient = Problem { wants_loss: false, in_place: true, ..problem }.run(device).gradient;
                assert_eq!(both.loss[0].to_bits(), loss[0].to_bits(), "{name}");
                crate::common::compare::assert_bits_equal(name, 300, &gradient, &both.gradient);
            }
        }
    }
    on_one_model(&Every(Apart));
}

/// Approximate functions off by their documented bounds.
#[test]
fn perturbed_functions() {
    for (name, device) in perturbed(DeviceModel::Sm80) {
        Problem::<f32>::new(12, 515, 6).check(&device, &name);
        Problem::<f32>::new(12, 515, 6).with_all().check(&device, &name);
        Problem::<f16>::new(6, 3000, 7).with_all().check(&device, &name);
        Problem::<bf16>::new(6, 3000, 8).check(&device, &name);
    }
}
