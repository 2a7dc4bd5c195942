//! `cvt`: between floating-point formats, between integers, and across.
//!
//! Rules of the PTX ISA, section "cvt". Floating point to integer: out-of-range values clamp to the destination's range without
//! `.sat`; a NaN gives 0 when the source is `.f32` or `.f16` and the destination at most 32 bits wide, otherwise the
//! destination's top bit alone. `.relu` turns a negative result into 0; `.satfinite` turns an infinity or overflow into the
//! largest finite value of its sign; both keep NaN canonical.

use super::narrow::{self, BF16, E5M2, F16, Format, TF32};
use super::{NAN_F32, NAN_F64, Rounding};

/// What is done to a converted value beyond rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clamp {
    /// `.relu`: a negative result becomes +0.
    pub relu: bool,
    /// `.satfinite`: an infinite result becomes the largest finite one.
    pub satfinite: bool,
}

impl Clamp {
    /// Rounding alone.
    pub(crate) const NONE: Self = Self { relu: false, satfinite: false };

    #[inline(always)]
    fn apply(self, bits: u32, format: Format) -> u32 {
        let magnitude = bits & (format.sign() - 1);
        let infinite = self.satfinite && magnitude == format.infinity();
        let bounded = bits - u32::from(infinite);
        if self.relu && bits & format.sign() != 0 { 0 } else { bounded }
    }
}

/// `.ftz` on a value: a subnormal becomes a zero of its sign.
#[inline(always)]
pub(crate) fn ftz(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits })
}

/// `.sat` on a value: clamped to [0, 1], and NaN becomes +0.
#[inline(always)]
pub(crate) fn saturate(x: f32) -> f32 {
    let low = if x > 0.0 { x } else { 0.0 };
    if low < 1.0 { low } else { 1.0 }
}

/// `.sat` on an `f64`.
#[inline(always)]
pub(crate) fn saturate_f64(x: f64) -> f64 {
    let low = if x > 0.0 { x } else { 0.0 };
    if low < 1.0 { low } else { 1.0 }
}

/// A NaN made canonical, other values as they are. The choice is between integers: between floats the compiler may take one NaN for
/// another, and drop the choice.
#[inline(always)]
pub(crate) fn canonical(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { NAN_F32.to_bits() } else { bits })
}

/// As [`canonical`].
#[inline(always)]
pub(crate) fn canonical_f64(x: f64) -> f64 {
    let bits = x.to_bits();
    f64::from_bits(if bits & (u64::MAX >> 1) > 0x7ff0 << 48 { NAN_F64.to_bits() } else { bits })
}

/// `cvt.f32.f16`, exact.
#[inline(always)]
pub(crate) fn f16_to_f32(x: u16) -> f32 {
    let x = u32::from(x);
    let magnitude = x & 0x7fff;
    // A subnormal is its integer times 2^-24; a normal value moves up by the difference of the biases, 112.
    let subnormal = (magnitude as f32 * f32::from_bits((127 - 24) << 23)).to_bits();
    let normal = (magnitude << 13) + (112 << 23);
    let finite = if magnitude < 0x400 { subnormal } else { normal };
    let value = if magnitude >= 0x7c00 { 0x7f80_0000 } else { finite };
    let signed = value | (x & 0x8000) << 16;
    f32::from_bits(if magnitude > 0x7c00 { NAN_F32.to_bits() } else { signed })
}

/// `cvt.f32.bf16`, exact.
#[inline(always)]
pub(crate) fn bf16_to_f32(x: u16) -> f32 {
    canonical(f32::from_bits(u32::from(x) << 16))
}

/// `cvt.f64.f32`, exact.
#[inline(always)]
pub(crate) fn f32_to_f64(x: f32) -> f64 {
    canonical_f64(f64::from(x))
}

/// `cvt.f16.f32`.
#[inline(always)]
pub(crate) fn f32_to_f16(x: f32, rounding: Rounding) -> u16 {
    match rounding {
        Rounding::NearestEven => narrow::f32_to_f16_nearest(x),
        _ => narrow::f32_to(x, F16, rounding) as u16,
    }
}

/// `cvt.bf16.f32`.
#[inline(always)]
pub(crate) fn f32_to_bf16(x: f32, rounding: Rounding) -> u16 {
    match rounding {
        Rounding::NearestEven => narrow::f32_to_bf16_nearest(x),
        _ => narrow::f32_to(x, BF16, rounding) as u16,
    }
}

/// `cvt.f16.f32` with `.relu` or `.satfinite`.
#[inline(always)]
pub(crate) fn f32_to_f16_clamped(x: f32, rounding: Rounding, clamp: Clamp) -> u16 {
    clamp.apply(u32::from(f32_to_f16(x, rounding)), F16) as u16
}

/// `cvt.bf16.f32` with `.relu` or `.satfinite`.
#[inline(always)]
pub(crate) fn f32_to_bf16_clamped(x: f32, rounding: Rounding, clamp: Clamp) -> u16 {
    clamp.apply(u32::from(f32_to_bf16(x, rounding)), BF16) as u16
}

/// `cvt.tf32.f32`: an `f32` whose 13 low bits are zero.
#[inline(always)]
pub(crate) fn f32_to_tf32(x: f32, rounding: Rounding, clamp: Clamp) -> f32 {
    let bits = clamp.apply(narrow::f32_to(x, TF32, rounding), TF32) << 13;
    canonical(f32::from_bits(bits))
}

/// `cvt.rn.satfinite.e5m2x2.f32`, one of the two.
#[inline(always)]
pub(crate) fn f32_to_e5m2(x: f32, relu: bool) -> u8 {
    let clamp = Clamp { relu, satfinite: true };
    clamp.apply(narrow::f32_to(x, E5M2, Rounding::NearestEven), E5M2) as u8
}

/// `cvt.rn.satfinite.e4m3x2.f32`, one of the two. The format has no infinity: 0x7e is 448, the largest value, 0x7f is NaN.
#[inline(always)]
pub(crate) fn f32_to_e4m3(x: f32, relu: bool) -> u8 {
    const E4M3: Format = Format { exponent_bits: 4, mantissa_bits: 3 };
    let magnitude = x.to_bits() & 0x7fff_ffff;
    let negative = x.is_sign_negative();
    let rounded = narrow::round_magnitude(magnitude, negative, E4M3, Rounding::NearestEven).min(0x7e);
    let signed = rounded | u32::from(negative) << 7;
    let value = if relu && negative { 0 } else { signed };
    (if magnitude > 0x7f80_0000 { 0x7f } else { value }) as u8
}

/// `cvt.rn.f16x2.e5m2x2`, one of the two, exact: the format is the top half of an f16.
#[inline(always)]
pub(crate) fn e5m2_to_f16(x: u8) -> u16 {
    if x & 0x7f > 0x7c { 0x7fff } else { u16::from(x) << 8 }
}

/// `cvt.rn.f16x2.e4m3x2`, one of the two, exact.
#[inline(always)]
pub(crate) fn e4m3_to_f16(x: u8) -> u16 {
    let magnitude = u32::from(x & 0x7f);
    // Placed in an f16's fields the value is 2^8 too small, subnormals included, and the product is exact.
    let value = f16_to_f32((magnitude << 7) as u16) * 256.0;
    let signed = narrow::f32_to_f16_nearest(value) | u16::from(x & 0x80) << 8;
    if magnitude == 0x7f { 0x7fff } else { signed }
}

/// `cvt.f32.f64`.
#[inline(always)]
pub(crate) fn f64_to_f32(x: f64, rounding: Rounding) -> f32 {
    narrow::f64_to_f32(x, rounding)
}

/// `cvt.f16.f64`.
#[inline(always)]
pub(crate) fn f64_to_f16(x: f64, rounding: Rounding) -> u16 {
    f32_to_f16(narrow::f64_to_f32_odd(x), rounding)
}

/// `cvt.bf16.f64`.
#[inline(always)]
pub(crate) fn f64_to_bf16(x: f64, rounding: Rounding) -> u16 {
    f32_to_bf16(narrow::f64_to_f32_odd(x), rounding)
}

/// `cvt.rni.f32.f32` and its kind: an `f32` rounded to an integral value.
#[inline(always)]
pub(crate) fn round_f32(x: f32, rounding: Rounding) -> f32 {
    canonical(match rounding {
        Rounding::NearestEven => x.round_ties_even(),
        Rounding::NearestAway => x.round(),
        Rounding::Zero => x.trunc(),
        Rounding::Down => x.floor(),
        Rounding::Up => x.ceil(),
    })
}

/// `cvt.rni.f64.f64` and its kind.
#[inline(always)]
pub(crate) fn round_f64(x: f64, rounding: Rounding) -> f64 {
    canonical_f64(match rounding {
        Rounding::NearestEven => x.round_ties_even(),
        Rounding::NearestAway => x.round(),
        Rounding::Zero => x.trunc(),
        Rounding::Down => x.floor(),
        Rounding::Up => x.ceil(),
    })
}

/// `cvt.s32.f32`.
#[inline(always)]
pub(crate) fn f32_to_i32(x: f32, rounding: Rounding) -> i32 {
    round_f32(x, rounding) as i32
}

/// `cvt.u32.f32`.
#[inline(always)]
pub(crate) fn f32_to_u32(x: f32, rounding: Rounding) -> u32 {
    round_f32(x, rounding) as u32
}

/// `cvt.s64.f32`.
#[inline(always)]
pub(crate) fn f32_to_i64(x: f32, rounding: Rounding) -> i64 {
    if x.is_nan() { i64::MIN } else { round_f32(x, rounding) as i64 }
}

/// `cvt.u64.f32`.
#[inline(always)]
pub(crate) fn f32_to_u64(x: f32, rounding: Rounding) -> u64 {
    if x.is_nan() { 1 << 63 } else { round_f32(x, rounding) as u64 }
}

/// `cvt.s32.f64`.
#[inline(always)]
pub(crate) fn f64_to_i32(x: f64, rounding: Rounding) -> i32 {
    if x.is_nan() { i32::MIN } else { round_f64(x, rounding) as i32 }
}

/// `cvt.u32.f64`.
#[inline(always)]
pub(crate) fn f64_to_u32(x: f64, rounding: Rounding) -> u32 {
    if x.is_nan() { 1 << 31 } else { round_f64(x, rounding) as u32 }
}

/// `cvt.s64.f64`.
#[inline(always)]
pub(crate) fn f64_to_i64(x: f64, rounding: Rounding) -> i64 {
    if x.is_nan() { i64::MIN } else { round_f64(x, rounding) as i64 }
}

/// `cvt.u64.f64`.
#[inline(always)]
pub(crate) fn f64_to_u64(x: f64, rounding: Rounding) -> u64 {
    if x.is_nan() { 1 << 63 } else { round_f64(x, rounding) as u64 }
}

/// The error of a 64-bit integer's conversion to the nearest `f64`: below 1024, so exact.
#[inline(always)]
fn integer_odd(nearest: f64, exact: i128) -> f64 {
    narrow::odd(nearest, (exact - nearest as i128) as f64)
}

/// `cvt.f32.s32`.
#[inline(always)]
pub(crate) fn i32_to_f32(x: i32, rounding: Rounding) -> f32 {
    match rounding {
        Rounding::NearestEven => x as f32,
        _ => narrow::f64_to_f32(f64::from(x), rounding),
    }
}

/// `cvt.f32.u32`.
#[inline(always)]
pub(crate) fn u32_to_f32(x: u32, rounding: Rounding) -> f32 {
    match rounding {
        Rounding::NearestEven => x as f32,
        _ => narrow::f64_to_f32(f64::from(x), rounding),
    }
}

/// `cvt.f32.s64`.
#[inline(always)]
pub(crate) fn i64_to_f32(x: i64, rounding: Rounding) -> f32 {
    match rounding {
        Rounding::NearestEven => x as f32,
        _ => narrow::f64_to_f32(integer_odd(x as f64, i128::from(x)), rounding),
    }
}

/// `cvt.f32.u64`.
#[inline(always)]
pub(crate) fn u64_to_f32(x: u64, rounding: Rounding) -> f32 {
    match rounding {
        Rounding::NearestEven => x as f32,
        _ => narrow::f64_to_f32(integer_odd(x as f64, i128::from(x)), rounding),
    }
}

/// `cvt.f64.s64`; 32-bit integers are exact whatever the rounding.
#[inline(always)]
pub(crate) fn i64_to_f64(x: i64, rounding: Rounding) -> f64 {
    step_f64(x as f64, i128::from(x), rounding)
}

/// `cvt.f64.u64`.
#[inline(always)]
pub(crate) fn u64_to_f64(x: u64, rounding: Rounding) -> f64 {
    step_f64(x as f64, i128::from(x), rounding)
}

/// An integer's `nearest` value moved to the neighbour that `rounding` asks for.
#[inline(always)]
fn step_f64(nearest: f64, exact: i128, rounding: Rounding) -> f64 {
    let error = exact - nearest as i128;
    match rounding {
        Rounding::NearestEven | Rounding::NearestAway => nearest,
        Rounding::Down if error < 0 => nearest.next_down(),
        Rounding::Up if error > 0 => nearest.next_up(),
        Rounding::Zero if error < 0 && exact > 0 => nearest.next_down(),
        Rounding::Zero if error > 0 && exact < 0 => nearest.next_up(),
        _ => nearest,
    }
}

/// `cvt.f16.s64` and from every narrower integer.
#[inline(always)]
pub(crate) fn i64_to_f16(x: i64, rounding: Rounding) -> u16 {
    f64_to_f16(integer_odd(x as f64, i128::from(x)), rounding)
}

/// `cvt.f16.u64`.
#[inline(always)]
pub(crate) fn u64_to_f16(x: u64, rounding: Rounding) -> u16 {
    f64_to_f16(integer_odd(x as f64, i128::from(x)), rounding)
}

/// `cvt.bf16.s64` and from every narrower integer.
#[inline(always)]
pub(crate) fn i64_to_bf16(x: i64, rounding: Rounding) -> u16 {
    f64_to_bf16(integer_odd(x as f64, i128::from(x)), rounding)
}

/// `cvt.bf16.u64`.
#[inline(always)]
pub(crate) fn u64_to_bf16(x: u64, rounding: Rounding) -> u16 {
    f64_to_bf16(integer_odd(x as f64, i128::from(x)), rounding)
}

/// A signed integer clamped to the signed range of `bits` bits: `cvt.sat` and narrow float-to-integer results.
#[inline(always)]
pub(crate) fn clamp_to_signed(x: i64, bits: u32) -> i64 {
    let limit = i64::MAX >> (64 - bits);
    x.clamp(!limit, limit)
}

/// A signed integer clamped to the unsigned range of `bits` bits.
#[inline(always)]
pub(crate) fn clamp_to_unsigned(x: i64, bits: u32) -> u64 {
    (x.max(0) as u64).min(u64::MAX >> (64 - bits))
}

/// An unsigned integer clamped to the signed range of `bits` bits.
#[inline(always)]
pub(crate) fn clamp_unsigned_to_signed(x: u64, bits: u32) -> i64 {
    x.min(i64::MAX as u64 >> (64 - bits)) as i64
}

/// An unsigned integer clamped to the unsigned range of `bits` bits.
#[inline(always)]
pub(crate) fn clamp_unsigned_to_unsigned(x: u64, bits: u32) -> u64 {
    x.min(u64::MAX >> (64 - bits))
}
