//! The references themselves, by hand and against differences.

use approx::assert_abs_diff_eq;
use warpsmith::reference::softmax::{backward, forward, log_backward, log_forward, naive};

use crate::common::data::Rng;

#[test]
fn rows_by_hand() {
    let none = f64::NEG_INFINITY;
    let got = forward(&[2f64.ln(), 0.0, 0.0, 7.0, none, 7.0, none, none, none], 3);
    for (got, expected) in got.iter().zip([0.5, 0.25, 0.25, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-15);
    }
    assert_eq!(backward(&[0.5, 0.25, 0.25], &[1.0, 2.0, 0.0], 3, 2.0), [0.0, 0.5, -0.5]);
}

#[test]
fn logarithms_by_hand() {
    let none = f64::NEG_INFINITY;
    let got = log_forward(&[2f64.ln(), 0.0, 0.0, 7.0, none, 7.0], 3);
    let (half, quarter) = (0.5f64.ln(), 0.25f64.ln());
    for (got, expected) in got.iter().zip([half, quarter, quarter, half, none, half]) {
        assert!((got - expected).abs() < 1e-15 || *got == expected, "{got} {expected}");
    }
    assert_eq!(log_forward(&[none, none], 2), [none, none]);
    let gradient = log_backward(&[half, quarter, quarter, none, 0.0, none], &[1.0, 2.0, 1.0, 0.0, 3.0, 0.0], 3, 2.0);
    for (got, expected) in gradient.iter().zip([-2.0, 2.0, 0.0, 0.0, 0.0, 0.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-15);
    }
}

#[test]
fn gradients_are_the_limits_of_differences() {
    let mut rng = Rng::new(3);
    let mut draw = || -> Vec<f64> { (0..10).map(|_| rng.normal()).collect() };
    let (x, g, scale) = (draw(), draw(), 0.7);
    type Pair = (fn(&[f64], usize) -> Vec<f64>, fn(&[f64], &[f64], usize, f64) -> Vec<f64>);
    let pairs: [Pair; 2] = [(forward, backward), (log_forward, log_backward)];
    for (forward, backward) in pairs {
        let loss = |x: &[f64]| -> f64 {
            let l: Vec<f64> = x.iter().map(|x| scale * x).collect();
            forward(&l, 5).iter().zip(&g).map(|(y, g)| y * g).sum()
        };
        let l: Vec<f64> = x.iter().map(|x| scale * x).collect();
        let gradient = backward(&forward(&l, 5), &g, 5, scale);
        for i in 0..x.len() {
            let at = |shift: f64| {
                let mut moved = x.clone();
                moved[i] += shift;
                loss(&moved)
            };
            assert_abs_diff_eq!(gradient[i], (at(1e-5) - at(-1e-5)) / 2e-5, epsilon = 1e-9);
        }
    }
}

#[test]
fn naive_is_the_oracle_in_f32() {
    let mut rng = Rng::new(4);
    let (l, g): (Vec<f32>, Vec<f32>) = (rng.normals(64, 0.0, 2.0), rng.normals(64, 0.0, 1.0));
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().copied().map(f64::from).collect() };
    let (output, logs): (Vec<f32>, Vec<f32>) = (naive::forward(&l, 16), naive::log_forward(&l, 16));
    let log_gradient = naive::log_backward(&logs, &g, 16, 0.5);
    for (got, oracle) in logs.iter().zip(log_forward(&wide(&l), 16)) {
        assert_abs_diff_eq!(f64::from(*got), oracle, epsilon = 2e-6);
    }
    for (got, oracle) in log_gradient.iter().zip(log_backward(&wide(&logs), &wide(&g), 16, 0.5)) {
        assert_abs_diff_eq!(f64::from(*got), oracle, epsilon = 2e-6);
    }
    let gradient = naive::backward(&output, &g, 16, 0.5);
    for (got, oracle) in output.iter().zip(forward(&wide(&l), 16)) {
        assert_abs_diff_eq!(f64::from(*got), oracle, epsilon = 1e-6);
    }
    for (got, oracle) in gradient.iter().zip(backward(&wide(&output), &wide(&g), 16, 0.5)) {
        assert_abs_diff_eq!(f64::from(*got), oracle, epsilon = 1e-6);
    }
}
