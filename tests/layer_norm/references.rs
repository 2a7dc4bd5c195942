//! The references themselves: the oracle against results by hand and against differences, naive against the oracle.

use approx::assert_abs_diff_eq;
use warpsmith::reference::layer_norm as reference;

use crate::common::data::Rng;

/// 1, 2, 3, 4 has mean 5/2 and variance 5/4.
#[test]
fn a_row_by_hand() {
    let (weight, bias) = ([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 1.0]);
    let got = reference::forward(&[1.0, 2.0, 3.0, 4.0], Some(&weight), Some(&bias), 4, 0.75);
    assert_eq!(got.mean, [2.5]);
    // 1 / sqrt(5/4 + 3/4).
    let rstd = 0.5_f64.sqrt();
    assert_abs_diff_eq!(got.rstd[0], rstd, epsilon = 1e-15);
    for (got, expected) in got.output.iter().zip([-1.5 * rstd, -rstd, 1.5 * rstd + 1.0, 6.0 * rstd + 1.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-14);
    }
}

/// The gradients of a weighted sum of the outputs, by differences in every input.
#[test]
fn gradients_are_the_limits_of_differences() {
    const WIDTH: usize = 5;
    let mut rng = Rng::new(3);
    let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.normal()).collect() };
    let (x, dy, weight, bias, past) = (draw(15), draw(15), draw(WIDTH), draw(WIDTH), draw(15));
    // `past` weighs x itself, as what follows a residual stream does.
    let loss = |x: &[f64], weight: &[f64], bias: &[f64]| -> f64 {
        let output = reference::forward(x, Some(weight), Some(bias), WIDTH, 1e-3).output;
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
    let gradients = reference::backward(&dy, &x, Some(&weight), Some(&past), WIDTH, 1e-3);
    for i in 0..15 {
        assert_abs_diff_eq!(gradients.input[i], slope(&x, i, &|x| loss(x, &weight, &bias)), epsilon = 1e-8);
    }
    for i in 0..WIDTH {
        assert_abs_diff_eq!(gradients.weight[i], slope(&weight, i, &|w| loss(&x, w, &bias)), epsilon = 1e-8);
        assert_abs_diff_eq!(gradients.bias[i], slope(&bias, i, &|b| loss(&x, &weight, b)), epsilon = 1e-8);
    }
}

/// Naive errs by what f32 loses and not by more, in both passes.
#[test]
fn naive_is_the_oracle_in_f32() {
    const WIDTH: usize = 64;
    let mut rng = Rng::new(4);
    let (x, dy): (Vec<f32>, Vec<f32>) = (rng.normals(4 * WIDTH, 0.5, 2.0), rng.normals(4 * WIDTH, 0.0, 1.0));
    let weight: Vec<f32> = rng.normals(WIDTH, 1.0, 0.5);
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().copied().map(f64::from).collect() };
    let close = |got: &[f32], oracle: &[f64]| {
        for (got, oracle) in got.iter().zip(oracle) {
            assert_abs_diff_eq!(f64::from(*got), *oracle, epsilon = 5e-6);
        }
    };
    let naive = reference::naive::forward(&x, Some(&weight), None, WIDTH, 1e-5);
    let oracle = reference::forward(&wide(&x), Some(&wide(&weight)), None, WIDTH, f64::from(1e-5_f32));
    close(&naive.output, &oracle.output);
    close(&naive.mean, &oracle.mean);
    close(&naive.rstd, &oracle.rstd);
    let naive = reference::naive::backward(&dy, &x, Some(&weight), (&naive.mean, &naive.rstd), Some(&dy), WIDTH);
    let oracle =
        reference::backward(&wide(&dy), &wide(&x), Some(&wide(&weight)), Some(&wide(&dy)), WIDTH, f64::from(1e-5_f32));
    close(&naive.input, &oracle.input);
    close(&naive.weight, &oracle.weight);
    close(&naive.bias, &oracle.bias);
}
