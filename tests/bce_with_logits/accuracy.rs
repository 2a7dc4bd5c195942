//! Losses and gradients within the rule.

use half::bf16;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::bce_with_logits::{Options, Reduction};
use warpsmith::{Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{on_every_device, on_one_model, perturbed, regimes};
use crate::problem::{Case, Every, Kind, Problem, Real};

const KINDS: [Kind; 3] = [Kind::I32, Kind::I64, Kind::Soft];

/// One element up to more than all threads have at once, in every reduction and kind of targets.
struct Sizes;

impl Case for Sizes {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (i, count) in [1, 3, 8, 77, 1000, 4096, 20_001].into_iter().enumerate() {
            let problem = Problem::<T>::new(count, KINDS[i % 3]).reduced(Reduction::ALL[i % 3]);
            problem.check(device, name);
            let all = Problem::<T>::new(count, KINDS[(i + 1) % 3]).with_all();
            Problem { in_place: true, ..all }.check(device, name);
        }
    }
}

#[test]
fn any_size() {
    on_every_device(&Every(Sizes));
}

/// More vectors than threads of all blocks: each goes round more than once.
#[test]
fn more_than_all_threads() {
    struct Many;
    impl Case for Many {
        fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
            if size_of::<T>() == 4 {
                Problem::<T>::new((1 << 20) + 4099, Kind::I32).check(device, name);
            }
        }
    }
    on_one_model(&Every(Many));
}

/// Every option, and tensors off boundaries.
struct EveryOption;

impl Case for EveryOption {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for kind in KINDS {
            for reduction in Reduction::ALL {
                for shifts in [[0; 4], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]] {
                    let problem = Problem { shifts, ..Problem::<T>::new(203, kind).reduced(reduction) };
                    Problem { wants_loss: false, ..problem.clone() }.check(device, name);
                    Problem { wants_gradient: false, ..problem.clone() }.check(device, name);
                    problem.with_all().check(device, name);
                }
            }
        }
        let problem = Problem::<T>::new(100, Kind::I64);
        let options = Options { ignore_index: 1, pos_weight: 0.0, ..problem.options };
        let targets = problem.targets.iter().map(|&y| if y < 0.0 { 0.0 } else { y }).collect();
        Problem { options, targets, ..problem }.check(device, name);
    }
}

#[test]
fn every_option() {
    on_one_model(&Every(EveryOption));
}

/// Logits of one size each, right and wrong: losses and gradients of sure elements keep their digits.
struct Sure;

impl Case for Sure {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for size in [0.0, 1e-3, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 70.0] {
            for (sign, target) in [(1.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (-1.0, 0.0)] {
                let logits = (0..24).map(|i| T::from_f64(sign * size * (1.0 + f64::from(i) / 100.0))).collect();
                let problem = Problem::<T>::new(24, Kind::I32).reduced(Reduction::None);
                let problem = Problem { logits, targets: vec![target; 24], grad_loss: None, ..problem };
                problem.check(device, name);
                let loss = problem.run(device).0;
                assert!(loss.iter().all(|loss| *loss > 0.0), "{name}: {size} {sign} {target}: {loss:?}");
            }
        }
    }
}

#[test]
fn sure_elements_keep_their_digits() {
    on_one_model(&Every(Sure));
}

/// NaN, infinities, targets that make no sense: each in its place alone, and none where the element does not count.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, 60_000.0, -60_000.0, 0.0];
        for kind in [Kind::I32, Kind::I64] {
            let problem = Problem::<T>::new(56, kind).reduced(Reduction::None);
            let logits = (0..56).map(|i| T::from_f64(values[i % 7])).collect();
            let targets: Vec<f32> = (0..56).map(|i| [0.0, 1.0, -100.0, 2.0, -1.0, 1.0, 0.0, 1.0][i / 7]).collect();
            let problem = Problem { logits, targets, grad_loss: None, ..problem };
            problem.check(device, name);
            let (loss, gradient) = problem.run(device);
            for i in 0..56 {
                let bad = !matches!(problem.targets[i], 0.0 | 1.0 | -100.0);
                let nan = bad || (i % 7 == 0 && i / 7 != 2);
                assert_eq!((loss[i].is_nan(), gradient[i].to_f64().is_nan()), (nan, nan), "{name}: {i}");
            }
        }
    }
}

#[test]
fn infinities_and_nan_stay_where_they_belong() {
    on_one_model(&Every(Special));
}

/// Nothing that counts: a mean of NaN, a sum of zero, and gradients of zero.
struct Nothing;

impl Case for Nothing {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let problem = Problem { targets: vec![-100.0; 40], ..Problem::<T>::new(40, Kind::I32) };
        let (loss, gradient) = problem.run(device);
        assert!(loss[0].is_nan() && gradient.iter().all(|g| g.to_f64() == 0.0), "{name}: {loss:?}");
        let (loss, gradient) = problem.reduced(Reduction::Sum).run(device);
        assert!(loss[0] == 0.0 && gradient.iter().all(|g| g.to_f64() == 0.0), "{name}: {loss:?}");
    }
}

#[test]
fn nothing_that_counts() {
    on_one_model(&Every(Nothing));
}

/// Not the losses of sure elements: they are next to `exp(-|x|)`, and the two units by which the exponential may be off are all that the rule grants.
#[test]
fn perturbed_functions() {
    for (name, device) in perturbed(DeviceModel::Sm80) {
        Problem::<f32>::new(5000, Kind::I32).check(&device, &name);
        Problem::<f32>::new(500, Kind::Soft).reduced(Reduction::None).check(&device, &name);
        Problem::<bf16>::new(5000, Kind::I64).with_all().check(&device, &name);
    }
}

#[test]
fn every_regime_gives_the_same_bits() {
    let problem = Problem::<bf16>::new(20_001, Kind::I64).with_all();
    let (loss, gradient) = problem.run(&EmulatedDevice::new(DeviceModel::Sm80));
    for (regime, device) in regimes(DeviceModel::Sm80) {
        let got = problem.run(&device);
        assert_bits_equal(&regime, 1, &got.0, &loss);
        assert_bits_equal(&regime, 1, &got.1, &gradient);
    }
}
