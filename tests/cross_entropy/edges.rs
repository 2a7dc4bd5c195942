//! Rows at the edges of what there is: sure ones, masked ones, ones that hold infinities, targets that are no class.

use half::bf16;
use warpsmith::Device;
use warpsmith::ops::cross_entropy::{Options, Reduction};

use crate::common::devices::{Body, on_one_model};
use crate::problem::{Case, Every, Problem, Real};

/// Rows of [`WIDTH`] with their own logits, each with a loss of its own.
fn rows<T: Real>(width: usize, rows: usize, logit: impl Fn(usize, usize) -> f64) -> Problem<T> {
    let logits = (0..rows * width).map(|i| T::from_f64(logit(i / width, i % width))).collect();
    let mut problem = Problem { logits, ..Problem::new(rows, width, 1) }.reduced(Reduction::None);
    problem.targets = (0..rows).map(|row| (row % width) as i64).collect();
    problem
}

/// The target 5, 10, .. 80 above the rest, each row a problem of its own so that no other loss hides its error: the loss goes down to
/// 1e-33 and the gradient of the target with it.
struct Sure;

impl Case for Sure {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for step in 1..=16 {
            let problem =
                rows::<T>(100, 1, |row, class| if class == row { 5.0 * f64::from(step) } else { -0.01 * class as f64 });
            problem.check(device, name);
            let loss = problem.run(device).loss[0];
            assert!(loss > 0.0 && loss < 1.0, "{name}: {loss} at {step}");
        }
    }
}

#[test]
fn sure_rows_keep_their_digits() {
    on_one_model(&Every(Sure));
}

/// Logits of minus infinity, elsewhere and at the target, in whole vectors and in all but one element; infinities and NaN.
struct Infinite;

impl Case for Infinite {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for width in [70, 1000] {
            let low = f64::NEG_INFINITY;
            rows::<T>(width, 9, |row, class| match row {
                0 => {
                    if class % 3 == 1 {
                        low
                    } else {
                        0.5
                    }
                }
                1 => {
                    if class == 1 {
                        low
                    } else {
                        1.0
                    }
                }
                2 => {
                    if class == 2 {
                        3.0
                    } else {
                        low
                    }
                }
                3 => low,
                4 => {
                    if class == 7 {
                        f64::NAN
                    } else {
                        1.0
                    }
                }
                5 => {
                    if class == 5 {
                        f64::NAN
                    } else {
                        1.0
                    }
                }
                6 => {
                    if class == 9 {
                        f64::INFINITY
                    } else {
                        1.0
                    }
                }
                7 => {
                    if class < 64 {
                        low
                    } else {
                        -60000.0
                    }
                }
                _ => 60000.0 - class as f64,
            })
            .check(device, name);
        }
    }
}

#[test]
fn infinities_and_nan_stay_where_they_belong() {
    on_one_model(&Every(Infinite));
}

/// A target that is no class makes its row NaN, in loss and gradient, and reads nothing outside; other rows are as they were.
struct NoClass;

impl Body for NoClass {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (wide, targets) in
            [(false, [-1, 20, i32::MAX.into(), i32::MIN.into()]), (true, [20, -7, i64::MAX, i64::MIN])]
        {
            for weighted in [false, true] {
                let mut problem = Problem::<bf16>::new(6, 20, 4).reduced(Reduction::None);
                problem.wide_targets = wide;
                problem.weight = weighted.then(|| vec![1.5; 20]);
                let good = problem.run(device);
                problem.targets[..2].copy_from_slice(&targets[..2]);
                problem.targets[4..].copy_from_slice(&targets[2..]);
                let bad = problem.run(device);
                for row in 0..6 {
                    let gradient = |written: &[bf16]| written[row * 20..][..20].to_vec();
                    if row == 2 || row == 3 {
                        assert_eq!(bad.loss[row].to_bits(), good.loss[row].to_bits(), "{name}: row {row}");
                        assert_eq!(gradient(&bad.gradient), gradient(&good.gradient), "{name}: row {row}");
                    } else {
                        assert!(bad.loss[row].is_nan(), "{name}: {targets:?}, row {row}");
                        assert!(gradient(&bad.gradient).iter().all(|g| g.is_nan()), "{name}: {targets:?}, row {row}");
                    }
                }
                problem.options.reduction = Reduction::Mean;
                problem.grad_loss = None;
                assert!(problem.run(device).loss[0].is_nan(), "{name}: {targets:?}");
            }
        }
    }
}

#[test]
fn targets_that_are_no_class() {
    on_one_model(&NoClass);
}

/// Without a row that counts the mean is NaN, as 0 / 0; the sum is 0, and so are all gradients.
struct NoRows;

impl Case for NoRows {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for reduction in Reduction::ALL {
            let options = Options { reduction, label_smoothing: 0.1, z_loss: 0.1, ..Options::default() };
            let problem = Problem::<T> { targets: vec![-100; 5], options, ..Problem::new(5, 40, 2) };
            problem.check(device, name);
            let written = problem.run(device);
            assert_eq!(written.loss[0].is_nan(), reduction == Reduction::Mean, "{name}: {reduction:?}");
            assert!(written.gradient.iter().all(|g| g.to_f64() == 0.0), "{name}: {reduction:?}");
        }
    }
}

#[test]
fn nothing_but_ignored_rows() {
    on_one_model(&Every(NoRows));
}
