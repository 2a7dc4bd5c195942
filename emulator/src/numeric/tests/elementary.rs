//! 2^x and log2 against another implementation.

use crate::numeric::elementary::{exp2, log2};

fn ulps(got: f64, expected: f64) -> f64 {
    (got - expected).abs() / (f64::from_bits(expected.abs().to_bits() + 1) - expected.abs())
}

#[test]
fn exp2_is_good_to_two_units_and_exact_at_integers() {
    for i in -150_000..130_000 {
        let x = f64::from(i) / 1000.0 + 1e-4;
        assert!(ulps(exp2(x), libm::exp2(x)) <= 2.0, "{x}");
    }
    for n in -149..=127 {
        assert_eq!(exp2(f64::from(n)), 2f64.powi(n));
    }
}

#[test]
fn log2_is_good_to_four_units_and_exact_at_powers() {
    for i in 1..300_000 {
        let x = f64::from(i) / 100_000.0 + 1e-7;
        assert!(ulps(log2(x), libm::log2(x)) <= 4.0, "{x} {} {}", log2(x), libm::log2(x));
    }
    for n in -149..=127 {
        assert_eq!(log2(2f64.powi(n)), f64::from(n));
    }
}
