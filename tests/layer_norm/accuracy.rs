//! Rows whose mean is far larger than their deviation, rows without a deviation, values at the ends of the range, NaN and infinities.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::reference::layer_norm as reference;
use warpsmith::{DType, Device, EmulatedDevice};

use crate::common::data::widen;
use crate::common::devices::{Body, on_every_device, on_one_model, perturbed};
use crate::problem::{Case, Every, Problem, Real};

/// Means of 1e3 and 1e4 deviations: E[x^2] - E[x]^2 would have no digit left. Plain rows, rows off any boundary, wide rows.
struct LargeMeans;

impl Case for LargeMeans {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for mean in [1e3, -1e4] {
            for (rows, width) in [(5, 1024), (3, 257), (1, 20_000)] {
                Problem::<T>::new(rows, width, 9).about(mean, 1.0).check(device, &format!("{name}, mean {mean:e}"));
            }
        }
    }
}

#[test]
fn means_far_larger_than_the_deviation() {
    on_every_device(&Every(LargeMeans));
}

/// The rule grants a kernel twice the error of the plain f32 computation, which here is a thousand times what these kernels make of it.
#[test]
fn a_large_mean_costs_no_digits_of_the_output() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    for width in [1024, 257] {
        let problem = Problem::<f32> { weight: None, bias: None, ..Problem::new(4, width, 1) }.about(1e4, 1.0);
        let oracle = reference::forward(&widen(&problem.input), None, None, width, problem.epsilon.into());
        let worst = |output: &[f32]| {
            output.iter().zip(&oracle.output).map(|(got, oracle)| (f64::from(*got) - oracle).abs()).fold(0.0, f64::max)
        };
        let kernel = worst(&problem.forward(&device).output);
        let naive = worst(&reference::naive::forward(&problem.input, None, None, width, problem.epsilon).output);
        assert!(kernel < 1e-6, "width {width}: {kernel:e}");
        assert!(naive > 2e-5, "width {width}: the plain computation does well here: {naive:e}");
    }
}

/// Rows of one value: the variance is zero but for rounding, and the output is the bias.
struct Constant;

impl Case for Constant {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (width, value) in [(1, 3.0), (96, 0.1), (1000, 1234.5), (257, -0.7)] {
            let problem = Problem::<T>::new(2, width, 1);
            let problem = Problem { input: vec![T::from_f64(value); 2 * width], ..problem };
            let output = problem.forward(device).output;
            let bias = problem.bias.as_ref().unwrap();
            for (i, got) in output.iter().enumerate() {
                let (got, bias) = (got.to_f64(), bias[i % width].to_f64());
                assert!((got - bias).abs() < 1e-3, "{name}: width {width}, [{i}] is {got}, the bias {bias}");
            }
            problem.check(device, name);
        }
    }
}

#[test]
fn rows_of_one_value() {
    on_one_model(&Every(Constant));
}

/// Deviations from far below one to near the end of the type's range. With an epsilon of zero rows can be scaled at will.
struct Scales;

impl Case for Scales {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let scales: &[f64] = if T::DTYPE == DType::F16 { &[1e-4, 1e3] } else { &[1e-15, 1e-4, 1e6, 1e17] };
        for &scale in scales {
            for width in [96, 101] {
                let problem = Problem::<T>::new(3, width, 1).about(0.5 * scale, scale);
                Problem { epsilon: 0.0, ..problem }.check(device, &format!("{name}, deviation {scale:e}"));
            }
        }
    }
}

#[test]
fn any_scale() {
    on_one_model(&Every(Scales));
}

/// A NaN or an infinity makes NaN of its row, and touches no other row.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for width in [40, 13, 3000] {
            for special in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut problem = Problem::<T>::new(5, width, 1);
                let clean = problem.forward(device);
                problem.input[2 * width + width / 2] = T::from_f64(special);
                let got = problem.forward(device);
                for row in 0..5 {
                    let range = row * width..(row + 1) * width;
                    let name = format!("{name}, {special} in {} of width {width}, row {row}", T::DTYPE);
                    if row == 2 {
                        assert!(got.output[range].iter().all(|value| value.to_f64().is_nan()), "{name}");
                        assert!(got.rstd[row].is_nan(), "{name}: {}", got.rstd[row]);
                    } else {
                        assert!(got.output[range.clone()] == clean.output[range], "{name}");
                    }
                }
                let x = widen(&problem.input);
                let oracle = reference::forward(&x, None, None, width, f64::from(problem.epsilon));
                let statistics: Vec<f32> = oracle.mean.iter().map(|mean| *mean as f32).collect();
                let rstd: Vec<f32> = oracle.rstd.iter().map(|rstd| *rstd as f32).collect();
                let gradients = problem.backward(device, &problem.input, &statistics, &rstd);
                for (i, value) in gradients.input.iter().enumerate() {
                    assert_eq!(value.to_f64().is_nan(), i / width == 2, "{name}: grad_input[{i}] is {value:?}");
                }
                assert!(gradients.weight.iter().all(|value| value.to_f64().is_nan()), "{name}: grad_weight");
                assert!(gradients.bias.iter().all(|value| !value.to_f64().is_nan()), "{name}: grad_bias");
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
            for (rows, width) in [(9, 64), (5, 257), (2, 3000)] {
                Problem::<f32>::new(rows, width, 5).with_residual().check(device, name);
                Problem::<f16>::new(rows, width, 5).with_residual().check(device, name);
                Problem::<bf16>::new(rows, width, 5).with_residual().check(device, name);
            }
        }
    }
    perturbed(DeviceModel::Sm80).for_each(|(name, device)| Sizes.run(&device, &name));
}
