//! The references themselves: the oracle against results by hand and against differences, naive against the oracle.

use approx::assert_abs_diff_eq;
use half::bf16;
use warpsmith::reference::rms_norm as reference;

use crate::common::data::{Rng, widen};

/// 1, 7, 5, 5 has a mean square of 25.
#[test]
fn a_row_by_hand() {
    let x = [1.0, 7.0, 5.0, 5.0];
    let got = reference::forward(&x, Some(&[1.0, 2.0, 3.0, 0.0]), 1.0, 4, 0.0);
    assert_abs_diff_eq!(got.rstd[0], 0.2, epsilon = 1e-16);
    for (got, expected) in got.output.iter().zip([0.4, 4.2, 4.0, 1.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-15);
    }
    // An offset means nothing without a weight. 25 + 11 is 6 squared.
    let got = reference::forward(&x, None, 1.0, 4, 11.0);
    assert_abs_diff_eq!(got.output[1], 7.0 / 6.0, epsilon = 1e-15);
}

/// The gradients of a weighted sum of the outputs, by differences in every input.
#[test]
fn gradients_are_the_limits_of_differences() {
    const WIDTH: usize = 5;
    const EPSILON: f64 = 1e-3;
    let mut rng = Rng::new(3);
    let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.normal()).collect() };
    let (x, dy, weight, past) = (draw(15), draw(15), draw(WIDTH), draw(15));
    // `past` weighs x itself, as what follows a residual stream does.
    let loss = |x: &[f64], weight: &[f64]| -> f64 {
        let output = reference::forward(x, Some(weight), 1.0, WIDTH, EPSILON).output;
        output.iter().zip(&dy).chain(x.iter().zip(&past)).map(|(a, b)| a * b).sum()
    };
    let slope = |values: &[f64], i: usize, loss: &dyn Fn(&[f64]) -> f64| {
        let h = 1e-5;
        let at = |shift: f64| {
            let mut moved = values.to_vec();
            moved[i] += shift;
            loss(&moved)
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    let gradients = reference::backward(&dy, &x, Some(&weight), 1.0, Some(&past), (WIDTH, EPSILON));
    for i in 0..15 {
        assert_abs_diff_eq!(gradients.input[i], slope(&x, i, &|x| loss(x, &weight)), epsilon = 1e-8);
    }
    for i in 0..WIDTH {
        assert_abs_diff_eq!(gradients.weight[i], slope(&weight, i, &|w| loss(&x, w)), epsilon = 1e-8);
    }
}

/// Naive errs by what f32 loses and not by more, in both passes.
#[test]
fn naive_is_the_oracle_in_f32() {
    const WIDTH: usize = 64;
    let mut rng = Rng::new(4);
    let (x, dy): (Vec<f32>, Vec<f32>) = (rng.normals(4 * WIDTH, 0.5, 2.0), rng.normals(4 * WIDTH, 0.0, 1.0));
    let weight: Vec<f32> = rng.normals(WIDTH, 1.0, 0.5);
    let close = |got: &[f32], oracle: &[f64]| {
        for (got, oracle) in got.iter().zip(oracle) {
            assert_abs_diff_eq!(f64::from(*got), *oracle, epsilon = 1e-5);
        }
    };
    let (wide_x, wide_dy, wide_weight) = (widen(&x), widen(&dy), widen(&weight));
    let naive = reference::naive::forward(&x, Some(&weight), (1.0, true), WIDTH, 1e-5);
    let oracle = reference::forward(&wide_x, Some(&wide_weight), 1.0, WIDTH, f64::from(1e-5_f32));
    close(&naive.output, &oracle.output);
    close(&naive.rstd, &oracle.rstd);
    let naive = reference::naive::backward(&dy, &x, (Some(&weight), 1.0), &naive.rstd, Some(&dy), WIDTH);
    let epsilon = f64::from(1e-5_f32);
    let oracle = reference::backward(&wide_dy, &wide_x, Some(&wide_weight), 1.0, Some(&wide_dy), (WIDTH, epsilon));
    close(&naive.input, &oracle.input);
    close(&naive.weight, &oracle.weight);
}

/// 1 and 3 have an rstd of 1 / sqrt 5. 3 / sqrt 5 = 1.34164 is 1.34375 in bf16, and times 130 that is 174.4 or 174.7, in steps of one.
#[test]
fn naive_rounds_where_it_is_told_to() {
    let (x, weight) = ([1.0, 3.0].map(bf16::from_f64), [1.0, 130.0].map(bf16::from_f64));
    let of = |rounds| reference::naive::forward(&x, Some(&weight), (0.0, rounds), 2, 0.0).output[1].to_f64();
    assert_eq!((of(false), of(true)), (174.0, 175.0));
}
