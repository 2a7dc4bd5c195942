//! Approximate functions: exact results against another implementation, perturbed ones against their bounds.

use super::Random;
use crate::numeric::Perturbation;
use crate::numeric::Rounding::NearestEven;
use crate::numeric::approx::*;
use crate::numeric::convert::{bf16_to_f32, f16_to_f32, f64_to_bf16, f64_to_f16};

const EXACT: Perturbation = Perturbation::EXACT;

/// Errors of a function over inputs, in units of its bound: exact results must be the nearest, perturbed ones within the bound
/// but close to it somewhere.
fn check(
    inputs: impl Iterator<Item = f32> + Clone,
    f: impl Fn(f32, Perturbation) -> f32,
    truth: impl Fn(f64) -> f64,
    bound: impl Fn(f64, f64) -> f64,
) {
    let mut worst = 0.0f64;
    let mut count = 0;
    for x in inputs.clone() {
        let expected = truth(x.into());
        if (expected as f32).is_normal() {
            assert_eq!(f(x, EXACT), expected as f32, "{x:e}");
            count += 1;
        }
    }
    for seed in 0..3 {
        for x in inputs.clone() {
            let expected = truth(x.into());
            let got = f(x, Perturbation::seeded(seed));
            if (expected as f32).is_normal() && got.is_normal() {
                let error = (f64::from(got) - expected).abs() / bound(x.into(), expected);
                assert!(error <= 1.0, "{x:e}: {got:e} is {error} bounds off");
                worst = worst.max(error);
            }
        }
    }
    assert!(count > 1000, "{count} inputs");
    assert!(worst > 0.8, "errs by at most {worst} of its bound");
}

/// Floats spread evenly over a range of bit patterns, hence of exponents.
fn spread(from: f32, to: f32) -> impl Iterator<Item = f32> + Clone {
    let (from, to) = (from.to_bits(), to.to_bits());
    (0..40_000u32).map(move |i| f32::from_bits(from + (u64::from(to - from) * u64::from(i) / 40_000) as u32))
}

fn both_signs(values: impl Iterator<Item = f32> + Clone) -> impl Iterator<Item = f32> + Clone {
    values.clone().chain(values.map(|x| -x))
}

fn relative(bound: f64) -> impl Fn(f64, f64) -> f64 {
    move |_, y| y.abs() * bound
}

/// The distance between neighbouring f32 at a value.
fn unit(y: f64) -> f64 {
    2f64.powi((y.abs().log2().floor() as i32).max(-126) - 23)
}

#[test]
fn powers_of_two() {
    check(both_signs(spread(1e-6, 125.0)), |x, p| ex2(x, true, p), libm::exp2, relative(2f64.powi(-22)));
}

#[test]
fn logarithms() {
    let bound = |x: f64, y: f64| 2f64.powi(-22) * if x > 0.5 && x < 2.0 { 1.0 } else { y.abs() };
    check(spread(1e-37, 1e38), |x, p| lg2(x, false, p), libm::log2, bound);
    check(spread(0.5, 2.0), |x, p| lg2(x, false, p), libm::log2, bound);
}

#[test]
fn reciprocals_and_roots() {
    check(both_signs(spread(1e-37, 1e37)), |x, p| rcp(x, false, p), |x| 1.0 / x, |_, y| unit(y));
    check(spread(1e-37, 1e38), |x, p| rsqrt(x, false, p), |x| 1.0 / x.sqrt(), relative(2f64.powf(-22.9)));
    check(spread(1e-37, 1e38), |x, p| sqrt(x, true, p), f64::sqrt, relative(2f64.powi(-23)));
}

#[test]
fn quotients() {
    let bound = |_: f64, y: f64| 2.0 * unit(y);
    check(both_signs(spread(1e-30, 1e30)), |x, p| div(3.7, x, false, p), |x| f64::from(3.7f32) / x, bound);
    check(both_signs(spread(1e-30, 1e30)), |x, p| div_full(x, 0.3, false, p), |x| x / f64::from(0.3f32), bound);
}

#[test]
fn circular_functions() {
    let near = |_: f64, _: f64| 2f64.powf(-20.5);
    let far = |_: f64, _: f64| 2f64.powf(-14.7);
    check(both_signs(spread(1e-3, 6.25)), |x, p| sin(x, false, p), libm::sin, near);
    check(both_signs(spread(1e-3, 6.25)), |x, p| cos(x, false, p), libm::cos, near);
    check(spread(6.3, 314.0), |x, p| sin(x, true, p), libm::sin, far);
    check(spread(6.3, 314.0), |x, p| cos(x, true, p), libm::cos, far);
}

#[test]
fn hyperbolic_tangent() {
    check(both_signs(spread(1e-30, 20.0)), tanh, libm::tanh, relative(2f64.powi(-11)));
}

/// Every value of a 16-bit format: exact results are the nearest, perturbed ones within `bound`, and close to it somewhere.
fn check_half(
    f: impl Fn(u16, Perturbation) -> u16,
    truth: impl Fn(f64) -> f64,
    widen: impl Fn(u16) -> f32,
    narrow: impl Fn(f64) -> u16,
    bound: impl Fn(f64) -> f64,
) {
    let mut worst = 0.0f64;
    for bits in 0..=u16::MAX {
        let x = f64::from(widen(bits));
        let expected = truth(x);
        let nearest = narrow(expected);
        if x.is_nan() {
            assert_eq!(f(bits, EXACT), 0x7fff);
            continue;
        }
        // Below the smallest normal value a rounding takes more than the bound.
        if f64::from(widen(nearest)).abs() >= 2f64.powi(-14) && widen(nearest).is_finite() {
            assert_eq!(f(bits, EXACT), nearest, "{bits:#x}");
            let got = f64::from(widen(f(bits, Perturbation::seeded(9))));
            let error = (got - expected).abs() / bound(expected);
            assert!(error <= 1.0, "{bits:#x}: {error} bounds off");
            worst = worst.max(error);
        }
    }
    assert!(worst > 0.8, "errs by at most {worst} of its bound");
}

#[test]
fn sixteen_bit_functions() {
    let to_f16 = |x| f64_to_f16(x, NearestEven);
    let to_bf16 = |x| f64_to_bf16(x, NearestEven);
    check_half(ex2_f16, libm::exp2, f16_to_f32, to_f16, |y| y * 2f64.powf(-9.9));
    check_half(ex2_bf16, libm::exp2, bf16_to_f32, to_bf16, |y| y * 2f64.powi(-7));
    check_half(tanh_f16, libm::tanh, f16_to_f32, to_f16, |_| 2f64.powf(-10.987));
    check_half(tanh_bf16, libm::tanh, bf16_to_f32, to_bf16, |_| 2f64.powi(-8));
}

#[test]
fn special_values_never_err() {
    const INF: f32 = f32::INFINITY;
    let subnormal = f32::from_bits(0x0040_0000);
    for p in [EXACT, Perturbation::seeded(1), Perturbation::seeded(2)] {
        for (got, expected) in [
            (ex2(-INF, true, p), 0.0),
            (ex2(INF, true, p), INF),
            (ex2(-0.0, true, p), 1.0),
            (ex2(-subnormal, false, p), 1.0),
            (ex2(-127.5, true, p), 0.0),
            (ex2(200.0, false, p), INF),
            (lg2(-0.0, false, p), -INF),
            (lg2(subnormal, true, p), -INF),
            (lg2(-subnormal, true, p), -INF),
            (lg2(INF, false, p), INF),
            (rcp(-INF, false, p), -0.0),
            (rcp(-0.0, false, p), -INF),
            (rcp(-subnormal, true, p), -INF),
            (rcp(f32::MAX, true, p), 0.0),
            (rsqrt(INF, false, p), 0.0),
            (rsqrt(-0.0, false, p), -INF),
            (rsqrt(-subnormal, true, p), -INF),
            (sqrt(INF, false, p), INF),
            (sqrt(-0.0, false, p), -0.0),
            (sqrt(-subnormal, true, p), -0.0),
            (sin(-0.0, false, p), -0.0),
            (sin(-subnormal, true, p), -0.0),
            (cos(-0.0, false, p), 1.0),
            (tanh(-INF, p), -1.0),
            (tanh(-0.0, p), -0.0),
            (div(1.0, 2f32.powi(126) * 1.5, false, p), 0.0),
            (div(-1.0, 2f32.powi(126) * 1.5, false, p), -0.0),
            (div(1.0, INF, false, p), 0.0),
            (div(1.0, -0.0, false, p), -INF),
            (div_full(0.0, -2.0, false, p), -0.0),
            (div_full(subnormal, 1.0, true, p), 0.0),
        ] {
            assert_eq!(got.to_bits(), expected.to_bits(), "{got:e} {expected:e}");
        }
        for nan in [
            ex2(f32::NAN, true, p),
            lg2(-1.0, false, p),
            lg2(-INF, false, p),
            rcp(f32::NAN, false, p),
            rsqrt(-1.0, false, p),
            sqrt(-1.0, true, p),
            sin(INF, false, p),
            cos(-INF, false, p),
            tanh(f32::NAN, p),
            div(INF, 2f32.powi(126) * 1.5, false, p),
            div(0.0, 0.0, false, p),
            div_full(INF, INF, false, p),
        ] {
            assert_eq!(nan.to_bits(), 0x7fff_ffff);
        }
        assert_eq!((ex2_f16(0x8000, p), ex2_f16(0xfc00, p), ex2_f16(0x7c00, p)), (0x3c00, 0, 0x7c00));
        assert_eq!((ex2_bf16(0x0001, p), ex2_bf16(0xff80, p)), (0x3f80, 0));
        assert_eq!((tanh_f16(0x8000, p), tanh_f16(0xfc00, p), tanh_bf16(0x7f80, p)), (0x8000, 0xbc00, 0x3f80));
    }
}

#[test]
fn an_error_depends_on_the_input_alone() {
    let mut random = Random(4);
    let p = Perturbation::seeded(11);
    let mut changed = 0;
    for _ in 0..10_000 {
        let x = random.moderate(5);
        assert_eq!(ex2(x, true, p).to_bits(), ex2(x, true, p).to_bits());
        changed += u32::from(ex2(x, true, p) != ex2(x, true, EXACT));
    }
    assert!(changed > 5_000, "{changed}");
}

#[test]
fn double_precision_seeds_keep_the_high_word() {
    let mut random = Random(5);
    for _ in 0..10_000 {
        let x = random.moderate_double(500).abs();
        let operand = f64::from_bits(x.to_bits() & 0xffff_ffff_0000_0000);
        for p in [EXACT, Perturbation::seeded(3)] {
            for (got, expected) in [(rcp_f64(x, p), 1.0 / operand), (rsqrt_high_word(x, p), 1.0 / operand.sqrt())] {
                assert_eq!(got.to_bits() as u32, 0);
                assert!(((got - expected) / expected).abs() < 1.5 * 2f64.powi(-20), "{x:e}");
            }
        }
    }
    assert_eq!(rcp_f64(-0.0, EXACT), f64::NEG_INFINITY);
    assert_eq!(rcp_f64(f64::INFINITY, EXACT), 0.0);
    assert_eq!(rcp_f64(f64::from_bits(5 << 40), EXACT), f64::INFINITY);
    assert_eq!(rsqrt_high_word(-1.0, EXACT).to_bits(), 0xfff8 << 48);
    assert_eq!((rsqrt_f64(4.0), rsqrt_f64(-0.0), rsqrt_f64(f64::INFINITY)), (0.5, f64::NEG_INFINITY, 0.0));
    assert_eq!(rsqrt_f64(-1.0).to_bits(), 0xfff8 << 48);
    assert_eq!(rcp_f64(f64::NAN, EXACT).to_bits(), 0xfff8 << 48);
}
