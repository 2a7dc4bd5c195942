//! The references themselves: the oracle against published values and its own definition, naive against the oracle.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use warpsmith::ops::gelu::Form;
use warpsmith::reference::gelu as reference;

/// Phi(1), Phi(2) and Phi(-3) from tables of the normal distribution.
#[test]
fn erf_form_is_x_times_the_normal_distribution() {
    for (x, phi) in [
        (0.0, 0.5),
        (1.0, 0.841_344_746_068_542_9),
        (2.0, 0.977_249_868_051_820_8),
        (-3.0, 0.001_349_898_031_630_094_5),
    ] {
        assert_relative_eq!(reference::value(Form::Erf, x), x * phi, max_relative = 1e-14);
    }
}

/// The formula with tanh as it is printed, where it keeps its digits.
#[test]
fn tanh_form_is_the_printed_formula() {
    for x in [-2.0, -0.3, 0.0, 0.7, 1.0, 3.0_f64] {
        let printed = 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
        assert_relative_eq!(reference::value(Form::Tanh, x), printed, max_relative = 1e-13);
    }
}

/// The largest difference of the two forms: 4.73e-4, at 2.70.
#[test]
fn the_forms_are_two_functions() {
    let difference = |x: f64| (reference::value(Form::Erf, x) - reference::value(Form::Tanh, x)).abs();
    assert_abs_diff_eq!(difference(2.70), 4.73e-4, epsilon = 1e-6);
    assert!((0..600).all(|i| difference(f64::from(i) * 0.01) <= 4.735e-4));
}

#[test]
fn derivatives_are_the_limits_of_differences() {
    for form in Form::ALL {
        for x in [-6.0, -2.3, -0.75, 0.0, 0.4, 1.9, 5.0] {
            let h = 1e-5;
            let difference = (reference::value(form, x + h) - reference::value(form, x - h)) / (2.0 * h);
            assert_abs_diff_eq!(reference::derivative(form, x), difference, epsilon = 1e-9);
        }
    }
}

#[test]
fn bias_goes_to_columns_and_its_gradient_sums_rows() {
    let (input, bias, ones) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.5, -0.5, 1.0], [1.0; 6]);
    let output = reference::forward(Form::Erf, &input, Some(&bias));
    assert_eq!(output[4], reference::value(Form::Erf, 4.5));
    let gradients = reference::backward(Form::Erf, &ones, &input, Some(&bias), 3);
    assert_eq!(gradients.input[5], reference::derivative(Form::Erf, 7.0));
    let by_column = |column: usize| gradients.input[column] + gradients.input[column + 3];
    assert_eq!(gradients.bias, [by_column(0), by_column(1), by_column(2)]);
}

/// f32 has 24 digits, and the printed formulas are fine near zero.
#[test]
fn naive_is_as_good_as_its_precision() {
    for form in Form::ALL {
        let x: Vec<f32> = (-100..=100).map(|i| i as f32 * 0.01).collect();
        for (got, x) in reference::naive::forward(form, &x, None).into_iter().zip(x) {
            assert_abs_diff_eq!(f64::from(got), reference::value(form, x.into()), epsilon = 1e-7);
        }
    }
}
