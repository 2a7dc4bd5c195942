//! Arithmetic of `.f16` and `.bf16`, rounded once.

use super::arith::Minmax;
use super::convert::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use super::{Rounding, arith, narrow};

/// A 16-bit floating-point format; values are bits.
pub(crate) trait Half {
    /// The exact value.
    fn widen(x: u16) -> f32;
    /// The nearest value, ties to even.
    fn narrow(x: f32) -> u16;
}

/// IEEE binary16.
pub(crate) struct F16;
/// The top half of an `f32`.
pub(crate) struct Bf16;

impl Half for F16 {
    #[inline(always)]
    fn widen(x: u16) -> f32 {
        f16_to_f32(x)
    }

    #[inline(always)]
    fn narrow(x: f32) -> u16 {
        f32_to_f16(x, Rounding::NearestEven)
    }
}

impl Half for Bf16 {
    #[inline(always)]
    fn widen(x: u16) -> f32 {
        bf16_to_f32(x)
    }

    #[inline(always)]
    fn narrow(x: f32) -> u16 {
        f32_to_bf16(x, Rounding::NearestEven)
    }
}

/// `fma.rn`: the exact product and sum rounded to odd in f64, then in f32, then to the format, which is exact rounding.
#[inline(always)]
pub(crate) fn fma<H: Half>(a: u16, b: u16, c: u16) -> u16 {
    let exact = arith::fma_odd(H::widen(a), H::widen(b), H::widen(c));
    H::narrow(narrow::f64_to_f32_odd(exact))
}

/// `add`.
#[inline(always)]
pub(crate) fn add<H: Half>(a: u16, b: u16) -> u16 {
    let exact = arith::add_odd(H::widen(a), H::widen(b));
    H::narrow(narrow::f64_to_f32_odd(exact))
}

/// `sub`.
#[inline(always)]
pub(crate) fn sub<H: Half>(a: u16, b: u16) -> u16 {
    let exact = arith::add_odd(H::widen(a), -H::widen(b));
    H::narrow(narrow::f64_to_f32_odd(exact))
}

/// `mul`.
#[inline(always)]
pub(crate) fn mul<H: Half>(a: u16, b: u16) -> u16 {
    H::narrow(narrow::f64_to_f32_odd(f64::from(H::widen(a)) * f64::from(H::widen(b))))
}

/// `min`; the ISA's rules for zeros and NaN are those of `.f32`.
#[inline(always)]
pub(crate) fn min<H: Half>(a: u16, b: u16, mode: Minmax) -> u16 {
    H::narrow(arith::min(H::widen(a), H::widen(b), mode))
}

/// `max`.
#[inline(always)]
pub(crate) fn max<H: Half>(a: u16, b: u16, mode: Minmax) -> u16 {
    H::narrow(arith::max(H::widen(a), H::widen(b), mode))
}

/// `.relu` on a result: a negative value or -0 becomes +0; NaN is canonical already.
#[inline(always)]
pub(crate) fn relu(x: u16) -> u16 {
    if x & 0x8000 != 0 { 0 } else { x }
}

/// `.sat` on a result: clamped to [0, 1], and NaN becomes +0.
#[inline(always)]
pub(crate) fn saturate<H: Half>(x: u16) -> u16 {
    H::narrow(super::convert::saturate(H::widen(x)))
}

/// `.ftz` on an f16: a subnormal becomes a zero of its sign.
#[inline(always)]
pub(crate) fn ftz_f16(x: u16) -> u16 {
    if x & 0x7c00 == 0 { x & 0x8000 } else { x }
}

/// A packed operation: `f` on the low halves and on the high halves.
#[inline(always)]
pub(crate) fn packed(a: u32, b: u32, f: impl Fn(u16, u16) -> u16) -> u32 {
    u32::from(f(a as u16, b as u16)) | u32::from(f((a >> 16) as u16, (b >> 16) as u16)) << 16
}

/// A packed operation of three operands.
#[inline(always)]
pub(crate) fn packed3(a: u32, b: u32, c: u32, f: impl Fn(u16, u16, u16) -> u16) -> u32 {
    let high = f((a >> 16) as u16, (b >> 16) as u16, (c >> 16) as u16);
    u32::from(f(a as u16, b as u16, c as u16)) | u32::from(high) << 16
}
