//! Rounding of wider floating-point values to narrower formats, each once.
//!
//! A value that has no exact `f32` or `f64` reaches here rounded *to odd*: cut off towards zero, with the last kept bit set if
//! anything was lost. Such a value rounds to any format that is at least two bits narrower as the exact one would, whatever the
//! rounding, so double rounding cannot happen.

use super::{NAN_F32, Rounding};

/// A binary interchange format by its field widths; the bias is that of IEEE 754, the top exponent holds infinity and NaN.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    pub exponent_bits: u32,
    pub mantissa_bits: u32,
}

/// IEEE binary16.
pub(crate) const F16: Format = Format { exponent_bits: 5, mantissa_bits: 10 };
/// The top half of an `f32`.
pub(crate) const BF16: Format = Format { exponent_bits: 8, mantissa_bits: 7 };
/// TensorFloat-32: an `f32` with 10 bits of mantissa.
pub(crate) const TF32: Format = Format { exponent_bits: 8, mantissa_bits: 10 };
/// The 8-bit format with infinities.
pub(crate) const E5M2: Format = Format { exponent_bits: 5, mantissa_bits: 2 };

impl Format {
    /// Positive infinity.
    #[inline(always)]
    pub(crate) const fn infinity(self) -> u32 {
        ((1 << self.exponent_bits) - 1) << self.mantissa_bits
    }

    /// The sign bit.
    #[inline(always)]
    pub(crate) const fn sign(self) -> u32 {
        1 << (self.exponent_bits + self.mantissa_bits)
    }
}

/// The magnitude of a finite `f32` (bits without the sign) rounded to `format` with an unbounded top exponent: the result may
/// reach or pass the bits of infinity, and the caller decides what an overflow becomes.
#[inline(always)]
pub(crate) fn round_magnitude(magnitude: u32, negative: bool, format: Format, rounding: Rounding) -> u32 {
    let dropped = 23 - format.mantissa_bits;
    // How far the exponent fields differ: the least f32 exponent field that is normal in the narrow format, less one.
    let offset = 127 - ((1 << (format.exponent_bits - 1)) - 1);
    let exponent = (magnitude >> 23) as i32;
    let hidden = u32::from(exponent != 0) << 23;
    let significand = magnitude & 0x7f_ffff | hidden;
    // Subnormal results lose more bits; past 26 everything is below half of the least one, which 26 still tells from a tie.
    let extra = (offset + 1 - exponent.max(1)).clamp(0, 26 - dropped as i32);
    let shift = dropped + extra as u32;
    let kept = significand >> shift;
    let half = significand >> (shift - 1) & 1 != 0;
    let rest = significand & ((1 << (shift - 1)) - 1) != 0;
    let up = rounding.away(negative, kept & 1 != 0, half, rest);
    // The hidden bit of a normal result adds one to the exponent field, and so does a carry out of the mantissa.
    let field = (exponent.max(1) - offset - 1).max(0) as u32;
    (field << format.mantissa_bits) + kept + u32::from(up)
}

/// An `f32` rounded to `format`; a NaN becomes all ones without the sign, as the canonical NaNs of the 16-bit formats are.
#[inline(always)]
pub(crate) fn f32_to(x: f32, format: Format, rounding: Rounding) -> u32 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let negative = bits >> 31 != 0;
    let infinity = format.infinity();
    let rounded = round_magnitude(magnitude, negative, format, rounding);
    let limit = if rounding.overflows(negative) { infinity } else { infinity - 1 };
    let finite = if rounded >= infinity { limit } else { rounded };
    let value = if magnitude >= 0x7f80_0000 { infinity } else { finite };
    let signed = if negative { value | format.sign() } else { value };
    if magnitude > 0x7f80_0000 { format.sign() - 1 } else { signed }
}

/// An `f32` rounded to binary16, ties to even: the common case, without variable shifts.
#[inline(always)]
pub(crate) fn f32_to_f16_nearest(x: f32) -> u16 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    // Below 2^-14 the result is subnormal: adding 0.5 makes the addition round at 2^-24, the unit of such a result.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let normal = magnitude.wrapping_sub(112 << 23).wrapping_add(0xfff + (magnitude >> 13 & 1)) >> 13;
    let finite = if magnitude < 113 << 23 { subnormal } else { normal };
    // 65520 is the tie between the largest value and the next, which is infinity.
    let bounded = if magnitude >= 65520f32.to_bits() { 0x7c00 } else { finite };
    let value = bounded | bits >> 16 & 0x8000;
    (if magnitude > 0x7f80_0000 { 0x7fff } else { value }) as u16
}

/// An `f32` rounded to bfloat16, ties to even.
#[inline(always)]
pub(crate) fn f32_to_bf16_nearest(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fff } else { rounded }) as u16
}

/// An `f64` rounded to `f32`. A NaN becomes the canonical one.
#[inline(always)]
pub(crate) fn f64_to_f32(x: f64, rounding: Rounding) -> f32 {
    let nearest = x as f32;
    let back = f64::from(nearest);
    let bits = nearest.to_bits();
    let magnitude_grew = back.abs() > x.abs();
    let magnitude_fell = back.abs() < x.abs();
    let negative = x.is_sign_negative();
    let adjusted = match rounding {
        Rounding::NearestEven => bits,
        Rounding::NearestAway => {
            // A tie that went to the even neighbour below goes to the one above; the tie's distance is exact in f64.
            let above = f64::from(f32::from_bits(bits.wrapping_add(1)));
            let tie = magnitude_fell && (x - back).abs() == (above - x).abs();
            bits.wrapping_add(u32::from(tie))
        }
        Rounding::Zero => bits.wrapping_sub(u32::from(magnitude_grew)),
        Rounding::Down if negative => bits.wrapping_add(u32::from(magnitude_fell)),
        Rounding::Up if !negative => bits.wrapping_add(u32::from(magnitude_fell)),
        Rounding::Down | Rounding::Up => bits.wrapping_sub(u32::from(magnitude_grew)),
    };
    f32::from_bits(if x.is_nan() { NAN_F32.to_bits() } else { adjusted })
}

/// An `f64` rounded to odd as an `f32`: never to infinity, never a non-zero value to zero.
#[inline(always)]
pub(crate) fn f64_to_f32_odd(x: f64) -> f32 {
    let cut = f64_to_f32(x, Rounding::Zero);
    f32::from_bits(cut.to_bits() | u32::from(!x.is_nan() && f64::from(cut) != x))
}

/// `sum` and the exact `error` of its rounding as one `f64` rounded to odd.
#[inline(always)]
pub(crate) fn odd(sum: f64, error: f64) -> f64 {
    let bits = sum.to_bits();
    let inexact = error != 0.0 && sum.is_finite();
    // An error of the other sign means that the sum's magnitude is too large: one step towards zero is the cut.
    let too_large = inexact && (error.is_sign_negative() != sum.is_sign_negative());
    f64::from_bits(bits.wrapping_sub(u64::from(too_large)) | u64::from(inexact))
}
