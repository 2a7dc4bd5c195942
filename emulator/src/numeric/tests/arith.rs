//! Arithmetic: f32 against integers, f64 against the host's own directed rounding.

use super::{ROUNDINGS, Random};
use crate::numeric::Rounding::{self, Down, NearestEven, Up, Zero};
use crate::numeric::arith::*;
use crate::numeric::convert::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use crate::numeric::exact::oracle;
use crate::numeric::half16::{self, Bf16, F16, Half};

#[test]
fn f32_under_every_rounding_agrees_with_integers() {
    let mut random = Random(1);
    let mut checked = 0;
    for i in 0..300_000 {
        // Near exponents make cancellation and ties, any exponents make overflow and subnormal results.
        let (a, b, c) = if i % 2 == 0 {
            (random.moderate(13), random.moderate(13), random.moderate(26))
        } else {
            (random.float(), random.float(), random.float())
        };
        for rounding in ROUNDINGS {
            for (got, expected) in [
                (fma(a, b, c, rounding), oracle::fma(a, b, c, rounding)),
                (add(a, b, rounding), oracle::fma(a, 1.0, b, rounding)),
                (sub(a, b, rounding), oracle::fma(a, 1.0, -b, rounding)),
                (div(a, b, rounding), oracle::div(a, b, rounding)),
                (rcp(a, rounding), oracle::div(1.0, a, rounding)),
                (sqrt(a, rounding), oracle::sqrt(a, rounding)),
            ] {
                if let Some(expected) = expected {
                    assert_eq!(got.to_bits(), expected.to_bits(), "{a:e} {b:e} {c:e} {rounding:?}");
                    checked += 1;
                }
            }
            let product = f64::from(a) * f64::from(b);
            if product.is_finite() && product != 0.0 {
                let expected = oracle::round_f32(product, rounding);
                assert_eq!(mul(a, b, rounding).to_bits(), expected.to_bits(), "{a:e} {b:e} {rounding:?}");
            }
        }
    }
    assert!(checked > 5_000_000, "{checked}");
}

#[test]
fn signs_of_exact_zeros() {
    for rounding in ROUNDINGS {
        let cancelled = if rounding == Down { 0x8000_0000 } else { 0 };
        assert_eq!(add(1.5, -1.5, rounding).to_bits(), cancelled);
        assert_eq!(add(0.0, -0.0, rounding).to_bits(), cancelled);
        assert_eq!(add(0.0, 0.0, rounding).to_bits(), 0);
        assert_eq!(add(-0.0, -0.0, rounding).to_bits(), 0x8000_0000);
        assert_eq!(fma(2.0, 3.0, -6.0, rounding).to_bits(), cancelled);
        assert_eq!(fma(-0.0, 1.0, -0.0, rounding).to_bits(), 0x8000_0000);
        assert_eq!(mul(-0.0, 1.0, rounding).to_bits(), 0x8000_0000);
        let cancelled = if rounding == Down { 1 << 63 } else { 0 };
        assert_eq!(add_f64(1.5, -1.5, rounding).to_bits(), cancelled);
        assert_eq!(add_f64(0.0, -0.0, rounding).to_bits(), cancelled);
        assert_eq!(mul_f64(-0.0, 1.0, rounding).to_bits(), 1 << 63);
        assert_eq!(sqrt_f64(-0.0, rounding).to_bits(), 1 << 63);
    }
}

#[test]
fn overflow_and_special_values() {
    assert_eq!(add(f32::MAX, f32::MAX, Zero), f32::MAX);
    assert_eq!(add(-f32::MAX, -f32::MAX, Down), f32::NEG_INFINITY);
    assert_eq!(mul(f32::MIN_POSITIVE, f32::MIN_POSITIVE, Up).to_bits(), 1);
    assert_eq!(mul(f32::MIN_POSITIVE, f32::MIN_POSITIVE, Zero).to_bits(), 0);
    for rounding in ROUNDINGS {
        for nan in [
            add(f32::INFINITY, f32::NEG_INFINITY, rounding),
            mul(0.0, f32::INFINITY, rounding),
            fma(f32::INFINITY, 1.0, f32::NEG_INFINITY, rounding),
            fma(f32::from_bits(0xffc0_1234), 1.0, 1.0, rounding),
            div(0.0, 0.0, rounding),
            div(f32::INFINITY, f32::INFINITY, rounding),
            sqrt(-1.0, rounding),
        ] {
            assert_eq!(nan.to_bits(), 0x7fff_ffff);
        }
        assert_eq!(div(1.0, -0.0, rounding), f32::NEG_INFINITY);
        assert_eq!(div(1.0, f32::NEG_INFINITY, rounding).to_bits(), 0x8000_0000);
        assert_eq!(div(f32::INFINITY, 2.0, rounding), f32::INFINITY);
        assert_eq!(sqrt(f32::INFINITY, rounding), f32::INFINITY);
        assert_eq!(sqrt(-0.0, rounding).to_bits(), 0x8000_0000);
        assert_eq!(div_f64(1.0, 0.0, rounding), f64::INFINITY);
        assert_eq!(fma_f64(f64::INFINITY, 0.0, 1.0, rounding).to_bits(), 0xfff8 << 48);
        assert_eq!(sqrt_f64(-1.0, rounding).to_bits(), 0xfff8 << 48);
    }
}

/// The host's arithmetic under another rounding of its control register.
#[cfg(target_arch = "x86_64")]
mod host {
    use super::Rounding;
    use std::arch::asm;

    fn control(rounding: Rounding) -> u32 {
        let field = match rounding {
            Rounding::NearestEven | Rounding::NearestAway => 0,
            Rounding::Down => 1,
            Rounding::Up => 2,
            Rounding::Zero => 3,
        };
        0x1f80 | field << 13
    }

    macro_rules! operation {
        ($name:ident, $instruction:literal) => {
            pub fn $name(a: f64, b: f64, rounding: Rounding) -> f64 {
                let (wanted, mut saved, mut result) = (control(rounding), 0u32, a);
                // SAFETY: the control register is restored before the block ends, and the addresses are those of locals.
                unsafe {
                    asm!("stmxcsr [{saved}]", "ldmxcsr [{wanted}]", concat!($instruction, " {result}, {b}"),
                        "ldmxcsr [{saved}]", saved = in(reg) &mut saved, wanted = in(reg) &wanted,
                        result = inout(xmm_reg) result, b = in(xmm_reg) b);
                }
                result
            }
        };
    }
    operation!(add, "addsd");
    operation!(mul, "mulsd");
    operation!(div, "divsd");
    operation!(sqrt_of_second, "sqrtsd");

    /// `a * b + c`, where the host has the instruction.
    pub fn fma(a: f64, b: f64, c: f64, rounding: Rounding) -> Option<f64> {
        if !is_x86_feature_detected!("fma") {
            return None;
        }
        let (wanted, mut saved, mut result) = (control(rounding), 0u32, a);
        // SAFETY: as above, and the instruction was just found to exist.
        unsafe {
            asm!("stmxcsr [{saved}]", "ldmxcsr [{wanted}]", "vfmadd213sd {result}, {b}, {c}", "ldmxcsr [{saved}]",
                saved = in(reg) &mut saved, wanted = in(reg) &wanted, result = inout(xmm_reg) result,
                b = in(xmm_reg) b, c = in(xmm_reg) c);
        }
        Some(result)
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn f64_under_every_rounding_agrees_with_the_host() {
    let mut random = Random(2);
    let same = |got: f64, expected: f64, what: &str| {
        assert!(
            got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(),
            "{what}: {got:e} {expected:e}"
        );
    };
    for i in 0..300_000 {
        let (a, b, c) = if i % 2 == 0 {
            (random.moderate_double(30), random.moderate_double(30), random.moderate_double(60))
        } else {
            (random.double(), random.double(), random.double())
        };
        for rounding in ROUNDINGS {
            let what = format!("{a:e} {b:e} {c:e} {rounding:?}");
            same(crate::numeric::exact::add(a, b, rounding), host::add(a, b, rounding), &what);
            same(add_f64(a, b, rounding), host::add(a, b, rounding), &what);
            same(crate::numeric::exact::mul(a, b, rounding), host::mul(a, b, rounding), &what);
            same(crate::numeric::exact::div(a, b, rounding), host::div(a, b, rounding), &what);
            same(rcp_f64(a, rounding), host::div(1.0, a, rounding), &what);
            same(crate::numeric::exact::sqrt(a, rounding), host::sqrt_of_second(0.0, a, rounding), &what);
            if let Some(expected) = host::fma(a, b, c, rounding) {
                same(crate::numeric::exact::fma(a, b, c, rounding), expected, &what);
            }
        }
    }
}

/// Every value of a format with a few others, near and far, against f64.
fn check_half<H: Half>(round: impl Fn(f64) -> u16, widen: impl Fn(u16) -> f32) {
    let mut random = Random(3);
    for a in 0..=u16::MAX {
        for _ in 0..4 {
            let near = |r: &mut Random, x: u16| {
                x.wrapping_add((r.word() % 64) as u16).wrapping_sub(32) ^ (r.word() & 0x8000) as u16
            };
            let (b, c) = (random.word() as u16, random.word() as u16);
            let near_a = near(&mut random, a);
            for (b, c) in [(b, c), (near_a, b)] {
                let (x, y, z) = (f64::from(widen(a)), f64::from(widen(b)), f64::from(widen(c)));
                let pairs =
                    [(half16::mul::<H>(a, b), x * y), (half16::add::<H>(a, b), x + y), (half16::sub::<H>(a, b), x - y)];
                for (got, exact) in pairs {
                    assert_eq!(got, round(exact), "{a:#x} {b:#x}");
                }
                let (product, sum) = (x * y, x * y + z);
                // A sum that is exact can be checked; the others are left to `fma_rounds_once`.
                if sum - product == z && sum - z == product {
                    assert_eq!(half16::fma::<H>(a, b, c), round(sum), "{a:#x} {b:#x} {c:#x}");
                }
            }
        }
    }
}

#[test]
fn half_precision_rounds_once() {
    // Products are exact in f64, and so are sums unless their exponents are over 40 apart; then the result is the larger operand
    // in either precision.
    check_half::<F16>(|x| crate::numeric::convert::f64_to_f16(x, NearestEven), f16_to_f32);
    check_half::<Bf16>(|x| crate::numeric::convert::f64_to_bf16(x, NearestEven), bf16_to_f32);
}

#[test]
fn fma_rounds_once() {
    let tie_a = f32_to_f16(1.0 + 1.0 / 32.0, NearestEven);
    let tie_b = f32_to_f16(1.0 + 1.0 / 64.0, NearestEven);
    // The product 1 + 1/32 + 1/64 + 1/2048 lies in the middle of two f16; one is even.
    let product = (1.0 + 1.0 / 32.0) * (1.0 + 1.0 / 64.0);
    let (below, above) = (f32_to_f16(product, Down), f32_to_f16(product, Up));
    assert_eq!(above, below + 1);
    let tiny = 0x0001;
    assert_eq!(half16::fma::<F16>(tie_a, tie_b, 0), below + below % 2);
    assert_eq!(half16::fma::<F16>(tie_a, tie_b, tiny), above);
    assert_eq!(half16::fma::<F16>(tie_a, tie_b, tiny | 0x8000), below);
    // The same in bf16, where the addend is 2^-133 and no f64 holds the sum.
    let (a, b) = (f32_to_bf16(1.0 + 1.0 / 16.0, NearestEven), f32_to_bf16(1.0 + 1.0 / 16.0, NearestEven));
    let product = (1.0 + 1.0 / 16.0) * (1.0 + 1.0 / 16.0);
    let (below, above) = (f32_to_bf16(product, Down), f32_to_bf16(product, Up));
    assert_eq!(half16::fma::<Bf16>(a, b, 0), below + below % 2);
    assert_eq!(half16::fma::<Bf16>(a, b, tiny), above);
    assert_eq!(half16::fma::<Bf16>(a, b, tiny | 0x8000), below);
    assert_eq!(half16::fma::<F16>(0x7c00, 0, 0x3c00), 0x7fff);
    assert_eq!(half16::fma::<F16>(0x7bff, 0x4000, 0xfc00), 0xfc00);
}

#[test]
fn minimum_and_maximum() {
    let plain = Minmax::default();
    let strict = Minmax { nan: true, xorsign_abs: false };
    let xorsign = Minmax { nan: false, xorsign_abs: true };
    assert_eq!((min(-0.0, 0.0, plain).to_bits(), min(0.0, -0.0, plain).to_bits()), (0x8000_0000, 0x8000_0000));
    assert_eq!((max(-0.0, 0.0, plain).to_bits(), max(0.0, -0.0, plain).to_bits()), (0, 0));
    assert_eq!((min(f32::NAN, 1.0, plain), max(1.0, f32::NAN, plain)), (1.0, 1.0));
    assert_eq!(min(f32::NAN, -f32::NAN, plain).to_bits(), 0x7fff_ffff);
    assert_eq!(min(f32::NAN, 1.0, strict).to_bits(), 0x7fff_ffff);
    assert_eq!((min(-3.0, 2.0, plain), max(-3.0, 2.0, plain)), (-3.0, 2.0));
    assert_eq!((min(f32::NEG_INFINITY, -3.0, plain), max(-2.0, -3.0, plain)), (f32::NEG_INFINITY, -2.0));
    // Magnitudes 3 and 2, signs - and +.
    assert_eq!((min(-3.0, 2.0, xorsign), max(-3.0, 2.0, xorsign), max(-3.0, -2.0, xorsign)), (-2.0, -3.0, 3.0));
    assert_eq!((min_f64(-0.0, 0.0).to_bits(), max_f64(-0.0, 0.0).to_bits()), (1 << 63, 0));
    assert_eq!((min_f64(f64::NAN, 1.0), max_f64(1.0, f64::NAN), min_f64(-3.0, 2.0)), (1.0, 1.0, -3.0));
    assert_eq!(half16::max::<Bf16>(0x7fff, 0x3f80, plain), 0x3f80);
    assert_eq!(half16::max::<Bf16>(0x7fc1, 0x3f80, strict), 0x7fff);
    assert_eq!(half16::min::<F16>(0x8000, 0, plain), 0x8000);
}

#[test]
fn small_helpers() {
    assert_eq!((half16::relu(0x8001), half16::relu(0x7fff), half16::relu(0x3c00)), (0, 0x7fff, 0x3c00));
    assert_eq!((half16::saturate::<F16>(0x4000), half16::saturate::<F16>(0x7fff)), (0x3c00, 0));
    assert_eq!((half16::ftz_f16(0x83ff), half16::ftz_f16(0x0400)), (0x8000, 0x0400));
    assert_eq!(half16::packed(0x0002_0001, 0x0020_0010, |a, b| a | b), 0x0022_0011);
    assert_eq!(half16::packed3(0x0002_0001, 0x0020_0010, 0x0200_0100, |a, b, c| a | b | c), 0x0222_0111);
    let subnormal = f32::from_bits(1);
    for (property, expected) in [
        (TestProperty::Finite, [true, true, true, false, false]),
        (TestProperty::Infinite, [false, false, false, true, false]),
        (TestProperty::Number, [true, true, true, true, false]),
        (TestProperty::NotANumber, [false, false, false, false, true]),
        (TestProperty::Normal, [true, true, false, false, false]),
        (TestProperty::Subnormal, [false, false, true, false, false]),
    ] {
        assert_eq!([1.0, -0.0, subnormal, f32::INFINITY, f32::NAN].map(|x| testp(property, x)), expected);
        let subnormal = f64::from_bits(1);
        assert_eq!([1.0, -0.0, subnormal, f64::INFINITY, f64::NAN].map(|x| testp_f64(property, x)), expected);
    }
}
