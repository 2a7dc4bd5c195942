//! The references themselves: the oracle against known values and against differences, naive against the oracle.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use warpsmith::ops::activation::Function;
use warpsmith::reference::activation as reference;

use crate::common::data::{Rng, widen};

#[test]
fn known_values() {
    // sigmoid(ln 3) = 3/4, and sigmoid(-ln 3) = 1/4.
    let ln_3 = 3_f64.ln();
    assert_relative_eq!(reference::value(Function::Silu, ln_3), 0.75 * ln_3, max_relative = 1e-15);
    assert_relative_eq!(reference::value(Function::Silu, -ln_3), -0.25 * ln_3, max_relative = 1e-15);
    assert_relative_eq!(reference::value(Function::QuickGelu, ln_3 / 1.702), 0.75 * ln_3 / 1.702, max_relative = 1e-15);
    assert_eq!([-2.0, 3.0].map(|x| reference::value(Function::Relu, x)), [0.0, 3.0]);
    assert_eq!([-2.0, 3.0].map(|x| reference::value(Function::ReluSquared, x)), [0.0, 9.0]);
    assert_relative_eq!(reference::value(Function::GeluErf, 1.0), 0.841_344_746_068_542_9, max_relative = 1e-14);
    assert_abs_diff_eq!(reference::value(Function::GeluTanh, 1.0), 0.841_191_990_608_307, epsilon = 1e-12);
    assert_eq!(reference::forward(Function::Relu, &[2.0, -1.0], Some(&[5.0, 7.0])), [10.0, 0.0]);
}

/// The gradients of a weighted sum of the outputs, by differences in every input.
#[test]
fn gradients_are_the_limits_of_differences() {
    let mut rng = Rng::new(3);
    let mut draw = || -> Vec<f64> { (0..8).map(|_| 2.0 * rng.normal()).collect() };
    let (input, up, dy) = (draw(), draw(), draw());
    let h = 1e-5;
    for function in Function::ALL {
        let loss = |input: &[f64], up: &[f64]| -> f64 {
            reference::forward(function, input, Some(up)).iter().zip(&dy).map(|(y, dy)| y * dy).sum()
        };
        let gradients = reference::backward(function, &dy, &input, Some(&up));
        let plain = reference::backward(function, &dy, &input, None);
        assert!(plain.up.is_empty());
        for i in 0..8 {
            let moved = |values: &[f64], shift: f64| {
                let mut values = values.to_vec();
                values[i] += shift;
                values
            };
            let by_input = (loss(&moved(&input, h), &up) - loss(&moved(&input, -h), &up)) / (2.0 * h);
            let by_up = (loss(&input, &moved(&up, h)) - loss(&input, &moved(&up, -h))) / (2.0 * h);
            assert_abs_diff_eq!(gradients.input[i], by_input, epsilon = 1e-7);
            assert_abs_diff_eq!(gradients.up[i], by_up, epsilon = 1e-7);
            assert_relative_eq!(plain.input[i] * up[i], gradients.input[i], max_relative = 1e-14);
        }
    }
}

#[test]
fn naive_is_the_oracle_in_f32() {
    let mut rng = Rng::new(4);
    let mut draw = || -> Vec<f32> { rng.normals(64, 0.0, 1.5) };
    let (input, up, dy) = (draw(), draw(), draw());
    let (wide_input, wide_up, wide_dy) = (widen(&input), widen(&up), widen(&dy));
    for function in Function::ALL {
        let close = |got: &[f32], oracle: &[f64]| {
            for (got, oracle) in got.iter().zip(oracle) {
                assert_abs_diff_eq!(f64::from(*got), *oracle, epsilon = 1e-5);
            }
        };
        let oracle = reference::forward(function, &wide_input, Some(&wide_up));
        close(&reference::naive::forward(function, &input, Some(&up)), &oracle);
        let oracle = reference::backward(function, &wide_dy, &wide_input, Some(&wide_up));
        let naive = reference::naive::backward(function, &dy, &input, Some(&up));
        close(&naive.input, &oracle.input);
        close(&naive.up, &oracle.up);
    }
}
