//! The references themselves: the oracle against results by hand and against differences, naive against the oracle.

use approx::assert_abs_diff_eq;
use warpsmith::ops::cross_entropy::{Options, Reduction};
use warpsmith::reference::cross_entropy::{self as reference, Labels};

use crate::common::data::Rng;

/// Probabilities of 1/2, 1/4 and 1/4 by logits of ln 2, 0, 0.
#[test]
fn a_row_by_hand() {
    let ln = |x: f64| x.ln();
    let logits = [ln(2.0), 0.0, 0.0];
    let labels = |targets| Labels { targets, weight: None, grad_loss: &[1.0] };
    let plain = reference::forward(&logits, &labels(&[1]), &Options::default(), 3);
    assert_abs_diff_eq!(plain.loss[0], ln(4.0), epsilon = 1e-15);
    assert_abs_diff_eq!(plain.lse[0], ln(4.0), epsilon = 1e-15);
    assert_eq!(plain.gradient.len(), 3);
    for (got, expected) in plain.gradient.iter().zip([0.5, -0.75, 0.25]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-15);
    }
    // Half of the target's share spread over the three classes: 1/6, 4/6, 1/6; the loss is the cross-entropy with those.
    let options = Options { label_smoothing: 0.5, ..Options::default() };
    let smoothed = reference::forward(&logits, &labels(&[1]), &options, 3);
    let expected = (ln(2.0) + 4.0 * ln(4.0) + ln(4.0)) / 6.0;
    assert_abs_diff_eq!(smoothed.loss[0], expected, epsilon = 1e-15);
    for (got, expected) in smoothed.gradient.iter().zip([0.5 - 1.0 / 6.0, 0.25 - 4.0 / 6.0, 0.25 - 1.0 / 6.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-15);
    }
    // The square of lse, and its slope 2 lse p.
    let options = Options { z_loss: 0.25, ..Options::default() };
    let squared = reference::forward(&logits, &labels(&[1]), &options, 3);
    assert_abs_diff_eq!(squared.loss[0], ln(4.0) + 0.25 * ln(4.0) * ln(4.0), epsilon = 1e-15);
    assert_abs_diff_eq!(squared.gradient[0], 0.5 + 0.5 * ln(4.0) * 0.5, epsilon = 1e-15);
}

/// Two rows that count with weights 1 and 3, one that does not: the mean divides by 4.
#[test]
fn a_weighted_mean_by_hand() {
    let logits = [0.0, 0.0, 0.0, 0.0, 9.0, 9.0];
    let labels = Labels { targets: &[0, 1, -100], weight: Some(&[1.0, 3.0]), grad_loss: &[1.0] };
    let mean = reference::forward(&logits, &labels, &Options::default(), 2);
    assert_abs_diff_eq!(mean.loss[0], 2f64.ln(), epsilon = 1e-15);
    for (got, expected) in mean.gradient.iter().zip([-0.125, 0.125, 0.375, -0.375, 0.0, 0.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-15);
    }
    let options = Options { reduction: Reduction::None, ..Options::default() };
    let none = reference::forward(&logits, &labels, &options, 2);
    for (got, expected) in none.loss.iter().zip([2f64.ln(), 3.0 * 2f64.ln(), 0.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-15);
    }
}

const WIDTH: usize = 6;
const TARGETS: [i64; 4] = [2, -100, 0, 5];

fn every_option() -> impl Iterator<Item = Options> {
    let all = Options { label_smoothing: 0.2, z_loss: 0.05, softcap: Some(2.0), ..Options::default() };
    Reduction::ALL.into_iter().flat_map(move |reduction| {
        let all = Options { reduction, ..all };
        [Options { softcap: None, ..all }, Options { label_smoothing: 0.0, ..all }, Options { z_loss: 0.0, ..all }, all]
    })
}

/// The gradient of the losses' weighted sum, by differences in every logit.
#[test]
fn gradients_are_the_limits_of_differences() {
    let mut rng = Rng::new(3);
    let logits: Vec<f64> = (0..TARGETS.len() * WIDTH).map(|_| rng.normal()).collect();
    let weight: Vec<f32> = rng.uniforms(WIDTH, 0.5, 2.0);
    for options in every_option() {
        let count = if options.reduction == Reduction::None { TARGETS.len() } else { 1 };
        let grad_loss: Vec<f32> = rng.uniforms(count, 0.5, 2.0);
        let labels = Labels { targets: &TARGETS, weight: Some(&weight), grad_loss: &grad_loss };
        let loss = |logits: &[f64]| -> f64 {
            let losses = reference::forward(logits, &labels, &options, WIDTH).loss;
            losses.iter().zip(&grad_loss).map(|(loss, slope)| loss * f64::from(*slope)).sum()
        };
        let gradient = reference::forward(&logits, &labels, &options, WIDTH).gradient;
        for i in 0..logits.len() {
            let at = |shift: f64| {
                let mut moved = logits.clone();
                moved[i] += shift;
                loss(&moved)
            };
            assert_abs_diff_eq!(gradient[i], (at(1e-5) - at(-1e-5)) / 2e-5, epsilon = 1e-8);
        }
    }
}

/// Naive errs by what f32 loses and not by more.
#[test]
fn naive_is_the_oracle_in_f32() {
    let mut rng = Rng::new(4);
    let logits: Vec<f32> = rng.normals(TARGETS.len() * WIDTH, 0.5, 2.0);
    let wide: Vec<f64> = logits.iter().copied().map(f64::from).collect();
    let weight: Vec<f32> = rng.uniforms(WIDTH, 0.5, 2.0);
    let labels = Labels { targets: &TARGETS, weight: Some(&weight), grad_loss: &[1.5] };
    for options in every_option() {
        let naive = reference::naive::forward(&logits, &labels, &options, WIDTH);
        let oracle = reference::forward(&wide, &labels, &options, WIDTH);
        assert_eq!(naive.loss.len(), oracle.loss.len());
        let pairs = naive.loss.iter().zip(&oracle.loss).chain(naive.lse.iter().zip(&oracle.lse));
        for (naive, oracle) in pairs.chain(naive.gradient.iter().zip(&oracle.gradient)) {
            assert_abs_diff_eq!(f64::from(*naive), *oracle, epsilon = 2e-6);
        }
    }
}
