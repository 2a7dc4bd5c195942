//! Castings, rows of zeros, values at the ends of the range, NaN and infinities.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::rms_norm::Casting;
use warpsmith::reference::rms_norm as reference;
use warpsmith::{DType, Device};

use crate::common::data::widen;
use crate::common::devices::{Body, on_one_model, perturbed};
use crate::problem::{Case, Every, Problem, Real};

/// Each casting rounds where its model does: the bits are those of the same roundings in f64, but for a few elements which f32 rounds to
/// the neighbour. (The general rule cannot tell castings without an offset apart: it grants what either rounds.)
struct Castings;

impl Case for Castings {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        if T::DTYPE == DType::F32 {
            return;
        }
        for (width, shift) in [(512, 0), (509, 1)] {
            let problem = Problem::<T>::new(16, width, 3);
            let problem = problem.clone().placed(crate::common::guard::Place::matrix(16, width).shifted(shift));
            let (x, weight) = (widen(&problem.input), widen(problem.weight.as_ref().unwrap()));
            let xhat = reference::forward(&x, None, 0.0, width, f64::from(problem.epsilon)).output;
            let round = |value: f64| T::from_f64(value).to_f64();
            let expected = |casting: Casting| -> Vec<f64> {
                let of = |(i, &xhat): (usize, &f64)| match casting {
                    Casting::None => round(xhat * weight[i % width]),
                    Casting::Llama => round(round(xhat) * weight[i % width]),
                    Casting::Gemma => round(xhat * (1.0 + weight[i % width])),
                };
                xhat.iter().enumerate().map(of).collect()
            };
            for casting in Casting::ALL {
                let got = widen(&Problem { casting, ..problem.clone() }.forward(device).output);
                let unlike = |expected: &[f64]| got.iter().zip(expected).filter(|(a, b)| a != b).count();
                let wrong = unlike(&expected(casting));
                assert!(wrong * 500 < got.len(), "{name}: {wrong} of {} bits of {casting:?} differ", got.len());
                let others = Casting::ALL.into_iter().filter(|&other| other != casting);
                let least = others.map(|other| unlike(&expected(other))).min().unwrap();
                assert!(least * 10 > got.len(), "{name}: {casting:?} differs from the others in {least} elements");
            }
        }
    }
}

#[test]
fn each_casting_rounds_where_its_model_does() {
    on_one_model(&Every(Castings));
}

/// A row of zeros stays zero: its rstd is 1 / sqrt(epsilon).
struct Zeros;

impl Case for Zeros {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for width in [1, 96, 257] {
            let problem = Problem::<T>::new(2, width, 1);
            let problem = Problem { input: vec![T::from_f64(0.0); 2 * width], epsilon: 1.0 / 64.0, ..problem };
            let written = problem.forward(device);
            assert!(written.output.iter().all(|y| y.to_f64() == 0.0), "{name}");
            assert_eq!(written.rstd, [8.0; 2], "{name}");
            problem.check(device, name);
        }
    }
}

#[test]
fn rows_of_zeros() {
    on_one_model(&Every(Zeros));
}

/// Sizes from far below one to near the end of what squares of f32 hold. With an epsilon of zero rows can be scaled at will.
struct Scales;

impl Case for Scales {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let scales: &[f64] = if T::DTYPE == DType::F16 { &[1e-3, 1e3] } else { &[1e-15, 1e-4, 1e6, 1e17] };
        for &scale in scales {
            for width in [96, 101] {
                let problem = Problem::<T>::new(3, width, 1);
                let input = problem.input.iter().map(|x| T::from_f64(scale * x.to_f64())).collect();
                Problem { input, epsilon: 0.0, ..problem }.check(device, &format!("{name}, size {scale:e}"));
            }
        }
    }
}

#[test]
fn any_scale() {
    on_one_model(&Every(Scales));
}

/// A NaN makes NaN of its row and an infinity zeros with one NaN; neither touches another row.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for width in [40, 13, 3000] {
            for special in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut problem = Problem::<T>::new(5, width, 1);
                let clean = problem.forward(device);
                let place = 2 * width + width / 2;
                problem.input[place] = T::from_f64(special);
                let got = problem.forward(device);
                for (i, (value, clean)) in got.output.iter().zip(&clean.output).enumerate() {
                    let (value, name) = (value.to_f64(), format!("{name}, {special}, width {width}, [{i}]"));
                    match i / width == 2 {
                        true if special.is_nan() || i == place => assert!(value.is_nan(), "{name} is {value}"),
                        true => assert_eq!(value, 0.0, "{name}"),
                        false => assert_eq!(value, clean.to_f64(), "{name}"),
                    }
                }
                // The weight's gradient sees it in the columns where the row is not a number, and in no other row's gradient.
                let gradients = problem.backward(device, &problem.input, &got.rstd);
                for (i, value) in gradients.input.iter().enumerate() {
                    let bad = i / width == 2;
                    assert!(bad || !value.to_f64().is_nan(), "{name}: grad_input[{i}] is {value:?}");
                }
                assert!(gradients.weight[width / 2].to_f64().is_nan(), "{name}: grad_weight");
                let others = gradients.weight.iter().enumerate().filter(|&(column, _)| column != width / 2);
                let bad = others.filter(|(_, value)| value.to_f64().is_nan()).count();
                assert_eq!(bad, if special.is_nan() { width - 1 } else { 0 }, "{name}: grad_weight");
            }
        }
    }
}

#[test]
fn nan_and_infinities_stay_in_their_row() {
    on_one_model(&Every(Special));
}

#[test]
fn functions_as_bad_as_they_may_be_pass_the_rule() {
    struct Sizes;
    impl Body for Sizes {
        fn run<D: Device>(&self, device: &D, name: &str) {
            for (rows, width) in [(9, 64), (5, 257)] {
                Problem::<f32>::new(rows, width, 5).with_residual().check(device, name);
                Problem::<f16>::new(rows, width, 5).with_residual().check(device, name);
                Problem::<bf16>::new(rows, width, 5).with_residual().check(device, name);
            }
        }
    }
    perturbed(DeviceModel::Sm80).for_each(|(name, device)| Sizes.run(&device, &name));
}
