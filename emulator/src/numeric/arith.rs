//! Arithmetic of `.f32` and `.f64` under every rounding.
//!
//! A directed `.f32` result is the exact one rounded to odd in f64 and then once to f32; directed `.f64` results go through
//! [`exact`]. `.ftz` and `.sat` are [`convert::ftz`](super::convert::ftz) on operands and result and
//! [`convert::saturate`](super::convert::saturate) on the result.

use super::convert::{canonical, canonical_f64};
use super::{NAN_F32, Rounding, exact, narrow};

/// The exact error of `sum`, the rounded sum of `a` and `b` (Knuth's TwoSum).
#[inline(always)]
fn sum_error(a: f64, b: f64, sum: f64) -> f64 {
    let b_part = sum - a;
    let a_part = sum - b_part;
    (a - a_part) + (b - b_part)
}

/// `a * b + c` rounded to odd: the product of two f32 is exact in f64.
#[inline(always)]
pub(crate) fn fma_odd(a: f32, b: f32, c: f32) -> f64 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    narrow::odd(sum, sum_error(product, c, sum))
}

/// `a + b` rounded to odd.
#[inline(always)]
pub(crate) fn add_odd(a: f32, b: f32) -> f64 {
    let (a, b) = (f64::from(a), f64::from(b));
    let sum = a + b;
    narrow::odd(sum, sum_error(a, b, sum))
}

/// The sign of an exact zero sum: `.rm` makes it negative unless both addends are +0; the others follow the hardware's nearest.
#[inline(always)]
fn zero_sum(result: f32, exact: f64, both_positive: bool, rounding: Rounding) -> f32 {
    if rounding == Rounding::Down && exact == 0.0 && !both_positive { -0.0 } else { result }
}

/// `add.f32`.
#[inline(always)]
pub(crate) fn add(a: f32, b: f32, rounding: Rounding) -> f32 {
    if rounding == Rounding::NearestEven {
        return canonical(a + b);
    }
    let sum = add_odd(a, b);
    let both_positive = a.is_sign_positive() && b.is_sign_positive();
    zero_sum(narrow::f64_to_f32(sum, rounding), sum, both_positive, rounding)
}

/// `sub.f32`.
#[inline(always)]
pub(crate) fn sub(a: f32, b: f32, rounding: Rounding) -> f32 {
    add(a, -b, rounding)
}

/// `mul.f32`.
#[inline(always)]
pub(crate) fn mul(a: f32, b: f32, rounding: Rounding) -> f32 {
    match rounding {
        Rounding::NearestEven => canonical(a * b),
        _ => narrow::f64_to_f32(f64::from(a) * f64::from(b), rounding),
    }
}

/// `fma.f32`.
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32, rounding: Rounding) -> f32 {
    if rounding == Rounding::NearestEven {
        return canonical(a.mul_add(b, c));
    }
    let sum = fma_odd(a, b, c);
    let both_positive = a.is_sign_positive() == b.is_sign_positive() && c.is_sign_positive();
    zero_sum(narrow::f64_to_f32(sum, rounding), sum, both_positive, rounding)
}

/// `div.f32` with a rounding: the quotient in f64, odd by the sign of its exact remainder.
#[inline(always)]
pub(crate) fn div(a: f32, b: f32, rounding: Rounding) -> f32 {
    if rounding == Rounding::NearestEven {
        return canonical(a / b);
    }
    let (a, b) = (f64::from(a), f64::from(b));
    let quotient = a / b;
    let remainder = (-quotient).mul_add(b, a);
    let finite = quotient.is_finite() && b.is_finite();
    let error = if finite { remainder * b.signum() } else { 0.0 };
    narrow::f64_to_f32(narrow::odd(quotient, error), rounding)
}

/// `rcp.f32` with a rounding.
#[inline(always)]
pub(crate) fn rcp(a: f32, rounding: Rounding) -> f32 {
    div(1.0, a, rounding)
}

/// `sqrt.f32` with a rounding.
#[inline(always)]
pub(crate) fn sqrt(a: f32, rounding: Rounding) -> f32 {
    if rounding == Rounding::NearestEven {
        return canonical(a.sqrt());
    }
    let a = f64::from(a);
    let root = a.sqrt();
    let error = if root.is_finite() { (-root).mul_add(root, a) } else { 0.0 };
    narrow::f64_to_f32(narrow::odd(root, error), rounding)
}

/// `add.f64`.
#[inline(always)]
pub(crate) fn add_f64(a: f64, b: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::NearestEven => canonical_f64(a + b),
        _ => exact::add(a, b, rounding),
    }
}

/// `sub.f64`.
#[inline(always)]
pub(crate) fn sub_f64(a: f64, b: f64, rounding: Rounding) -> f64 {
    add_f64(a, -b, rounding)
}

/// `mul.f64`.
#[inline(always)]
pub(crate) fn mul_f64(a: f64, b: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::NearestEven => canonical_f64(a * b),
        _ => exact::mul(a, b, rounding),
    }
}

/// `fma.f64`.
#[inline(always)]
pub(crate) fn fma_f64(a: f64, b: f64, c: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::NearestEven => canonical_f64(a.mul_add(b, c)),
        _ => exact::fma(a, b, c, rounding),
    }
}

/// `div.f64`.
#[inline(always)]
pub(crate) fn div_f64(a: f64, b: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::NearestEven => canonical_f64(a / b),
        _ => exact::div(a, b, rounding),
    }
}

/// `rcp.f64` with a rounding.
#[inline(always)]
pub(crate) fn rcp_f64(a: f64, rounding: Rounding) -> f64 {
    div_f64(1.0, a, rounding)
}

/// `sqrt.f64`.
#[inline(always)]
pub(crate) fn sqrt_f64(a: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::NearestEven => canonical_f64(a.sqrt()),
        _ => exact::sqrt(a, rounding),
    }
}

/// The modifiers of `min` and `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Minmax {
    /// `.NaN`: a NaN operand makes the result NaN; without it the other operand is the result.
    pub nan: bool,
    /// `.xorsign.abs`: compare magnitudes, and sign the result with the exclusive or of the signs.
    pub xorsign_abs: bool,
}

/// A key that orders all values but NaN as the ISA does, -0 below +0.
#[inline(always)]
fn order(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

#[inline(always)]
fn select(a: f32, b: f32, mode: Minmax, first: impl Fn(f32, f32) -> bool) -> f32 {
    let sign = (a.to_bits() ^ b.to_bits()) & 0x8000_0000;
    let (a, b) = if mode.xorsign_abs { (a.abs(), b.abs()) } else { (a, b) };
    let ordered = if first(a, b) { a } else { b };
    let number = if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else {
        ordered
    };
    let signed = if mode.xorsign_abs { f32::from_bits(number.to_bits() | sign) } else { number };
    let is_nan = if mode.nan { a.is_nan() | b.is_nan() } else { a.is_nan() & b.is_nan() };
    f32::from_bits(if is_nan { NAN_F32.to_bits() } else { signed.to_bits() })
}

/// `min.f32`.
#[inline(always)]
pub(crate) fn min(a: f32, b: f32, mode: Minmax) -> f32 {
    select(a, b, mode, |a, b| order(a) < order(b))
}

/// `max.f32`.
#[inline(always)]
pub(crate) fn max(a: f32, b: f32, mode: Minmax) -> f32 {
    select(a, b, mode, |a, b| order(a) > order(b))
}

#[inline(always)]
fn order_f64(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// `min.f64`: a NaN operand gives the other one.
#[inline(always)]
pub(crate) fn min_f64(a: f64, b: f64) -> f64 {
    let ordered = if order_f64(a) < order_f64(b) { a } else { b };
    canonical_f64(if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else {
        ordered
    })
}

/// `max.f64`.
#[inline(always)]
pub(crate) fn max_f64(a: f64, b: f64) -> f64 {
    let ordered = if order_f64(a) > order_f64(b) { a } else { b };
    canonical_f64(if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else {
        ordered
    })
}

/// What `testp` asks of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TestProperty {
    /// Neither infinite nor NaN.
    Finite,
    /// Infinite.
    Infinite,
    /// Not NaN.
    Number,
    /// NaN.
    NotANumber,
    /// Finite and not subnormal: the ISA counts both zeros as normal.
    Normal,
    /// Subnormal.
    Subnormal,
}

/// `testp.f32`.
#[inline(always)]
pub(crate) fn testp(property: TestProperty, x: f32) -> bool {
    match property {
        TestProperty::Finite => x.is_finite(),
        TestProperty::Infinite => x.is_infinite(),
        TestProperty::Number => !x.is_nan(),
        TestProperty::NotANumber => x.is_nan(),
        TestProperty::Normal => x.is_normal() || x == 0.0,
        TestProperty::Subnormal => x.is_subnormal(),
    }
}

/// `testp.f64`.
#[inline(always)]
pub(crate) fn testp_f64(property: TestProperty, x: f64) -> bool {
    match property {
        TestProperty::Finite => x.is_finite(),
        TestProperty::Infinite => x.is_infinite(),
        TestProperty::Number => !x.is_nan(),
        TestProperty::NotANumber => x.is_nan(),
        TestProperty::Normal => x.is_normal() || x == 0.0,
        TestProperty::Subnormal => x.is_subnormal(),
    }
}
