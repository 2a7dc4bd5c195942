//! Exact `f64` arithmetic in integers, for the roundings that the host's arithmetic does not offer.

use super::convert::canonical_f64;
use super::{NAN_F64, Rounding};

/// A positive magnitude `significand * 2^exponent`, plus something below one unit of it where `sticky`, with a sign.
/// The significand's top bit is bit 125: a sum has room for its carry, and 53 bits leave room for their rounding.
#[derive(Clone, Copy)]
struct Magnitude {
    negative: bool,
    significand: u128,
    exponent: i32,
    sticky: bool,
}

const TOP: u32 = 125;

/// A finite `f64` as sign, integer and exponent.
fn decompose(x: f64) -> (bool, u64, i32) {
    let bits = x.to_bits();
    let field = (bits >> 52 & 0x7ff) as i32;
    let hidden = u64::from(field != 0) << 52;
    (bits >> 63 != 0, bits & ((1 << 52) - 1) | hidden, field.max(1) - 1075)
}

fn zero(negative: bool) -> f64 {
    if negative { -0.0 } else { 0.0 }
}

impl Magnitude {
    /// From a non-zero significand below 2^126.
    fn new(negative: bool, significand: u128, exponent: i32, sticky: bool) -> Self {
        let shift = significand.leading_zeros() - (127 - TOP);
        Self { negative, significand: significand << shift, exponent: exponent - shift as i32, sticky }
    }

    /// The same value with its significand `by` bits lower.
    fn shifted_right(self, by: u32) -> Self {
        let lost = if by > TOP { self.significand } else { self.significand & ((1 << by) - 1) };
        Self {
            significand: self.significand.checked_shr(by).unwrap_or(0),
            exponent: self.exponent + by as i32,
            sticky: self.sticky | (lost != 0),
            ..self
        }
    }

    /// The sum, `None` where it is exactly zero.
    fn plus(self, other: Self) -> Option<Self> {
        let (large, small) = if (self.exponent, self.significand) >= (other.exponent, other.significand) {
            (self, other)
        } else {
            (other, self)
        };
        let small = small.shifted_right((large.exponent - small.exponent) as u32);
        let significand = if large.negative == small.negative {
            large.significand + small.significand
        } else {
            // What lies below the smaller one's units takes one more unit from the difference and leaves a part of it.
            large.significand - small.significand - u128::from(small.sticky)
        };
        if significand == 0 {
            return None;
        }
        if significand >> (TOP + 1) != 0 {
            let carried = Self { significand, sticky: large.sticky | small.sticky, ..large }.shifted_right(1);
            return Some(carried);
        }
        Some(Self::new(large.negative, significand, large.exponent, large.sticky | small.sticky))
    }

    /// Rounded to `precision` bits or a multiple of 2^`least_exponent`, as an integer and its exponent.
    fn round(self, precision: u32, least_exponent: i32, rounding: Rounding) -> (u64, i32) {
        let drop = ((TOP + 1 - precision) as i32).max(least_exponent - self.exponent);
        // Beyond the top bit everything is below half a unit, which TOP + 2 bits tell as well as more would.
        let by = drop.min(TOP as i32 + 2) as u32;
        let kept = (self.significand >> by) as u64;
        let half = self.significand >> (by - 1) & 1 != 0;
        let rest = self.sticky || self.significand & ((1 << (by - 1)) - 1) != 0;
        let up = rounding.away(self.negative, kept & 1 != 0, half, rest);
        (kept + u64::from(up), self.exponent + drop)
    }

    fn to_f64(self, rounding: Rounding) -> f64 {
        let (kept, exponent) = self.round(53, -1074, rounding);
        const INFINITY: u64 = 0x7ff << 52;
        // The hidden bit of a normal value adds one to the field, and so does a carry.
        let field = (exponent + 1074) as u64;
        let magnitude = if field >= 0x7ff { INFINITY } else { (field << 52) + kept };
        let limit = if rounding.overflows(self.negative) { INFINITY } else { INFINITY - 1 };
        let bounded = if magnitude >= INFINITY { limit } else { magnitude };
        f64::from_bits(bounded | u64::from(self.negative) << 63)
    }
}

/// `a * b + c`, rounded once.
pub(crate) fn fma(a: f64, b: f64, c: f64, rounding: Rounding) -> f64 {
    if !(a.is_finite() && b.is_finite() && c.is_finite()) {
        return canonical_f64(a.mul_add(b, c));
    }
    let ((a_negative, a, a_exponent), (b_negative, b, b_exponent)) = (decompose(a), decompose(b));
    let (c_negative, c_significand, c_exponent) = decompose(c);
    let negative = a_negative != b_negative;
    let product = u128::from(a) * u128::from(b);
    let addend = || Magnitude::new(c_negative, c_significand.into(), c_exponent, false);
    let sum = match (product != 0, c_significand != 0) {
        (false, false) if negative == c_negative => return zero(negative),
        (false, false) => None,
        (false, true) => Some(addend()),
        (true, false) => Some(Magnitude::new(negative, product, a_exponent + b_exponent, false)),
        (true, true) => Magnitude::new(negative, product, a_exponent + b_exponent, false).plus(addend()),
    };
    sum.map_or_else(|| zero(rounding == Rounding::Down), |sum| sum.to_f64(rounding))
}

/// `a + b`, rounded once.
pub(crate) fn add(a: f64, b: f64, rounding: Rounding) -> f64 {
    fma(a, 1.0, b, rounding)
}

/// `a * b`, rounded once.
pub(crate) fn mul(a: f64, b: f64, rounding: Rounding) -> f64 {
    fma(a, b, zero(a.is_sign_negative() != b.is_sign_negative()), rounding)
}

/// `a / b`, rounded once.
pub(crate) fn div(a: f64, b: f64, rounding: Rounding) -> f64 {
    if !(a.is_finite() && b.is_finite()) || a == 0.0 || b == 0.0 {
        return canonical_f64(a / b);
    }
    let ((a_negative, a, a_exponent), (b_negative, b, b_exponent)) = (decompose(a), decompose(b));
    // At least 73 bits of quotient: the dividend has 126, the divisor at most 53.
    let dividend = Magnitude::new(false, a.into(), a_exponent, false);
    let quotient = dividend.significand / u128::from(b);
    let sticky = !dividend.significand.is_multiple_of(u128::from(b));
    let exponent = dividend.exponent - b_exponent;
    Magnitude::new(a_negative != b_negative, quotient, exponent, sticky).to_f64(rounding)
}

/// The square root, rounded once.
pub(crate) fn sqrt(a: f64, rounding: Rounding) -> f64 {
    if a.is_nan() || a < 0.0 {
        return NAN_F64;
    }
    if a == 0.0 || a.is_infinite() {
        return a;
    }
    let (_, significand, exponent) = decompose(a);
    let value = Magnitude::new(false, significand.into(), exponent, false);
    // An even exponent has an integral half; the significand keeps at least 125 bits, its root 63.
    let value = if value.exponent & 1 != 0 { value.shifted_right(1) } else { value };
    let root = value.significand.isqrt();
    let sticky = root * root != value.significand;
    Magnitude::new(false, root, value.exponent / 2, sticky).to_f64(rounding)
}

#[cfg(test)]
pub(crate) mod oracle {
    //! The same integers rounded to `f32`: an oracle for arithmetic that takes another way.
    use super::*;

    fn to_f32(value: Magnitude, rounding: Rounding) -> f32 {
        let (kept, exponent) = value.round(24, -149, rounding);
        const INFINITY: u64 = 0xff << 23;
        let field = (exponent + 149) as u64;
        let magnitude = if field >= 0xff { INFINITY } else { (field << 23) + kept };
        let limit = if rounding.overflows(value.negative) { INFINITY } else { INFINITY - 1 };
        f32::from_bits(magnitude.min(limit) as u32 | u32::from(value.negative) << 31)
    }

    fn finite(x: f32) -> Option<Magnitude> {
        let (negative, significand, exponent) = decompose(x.into());
        (x.is_finite() && x != 0.0).then(|| Magnitude::new(negative, significand.into(), exponent, false))
    }

    /// `a * b + c` for finite non-zero operands with a non-zero sum.
    pub(crate) fn fma(a: f32, b: f32, c: f32, rounding: Rounding) -> Option<f32> {
        let product = f64::from(a) * f64::from(b);
        let (negative, significand, exponent) = decompose(product);
        let product = (product.is_finite() && product != 0.0)
            .then(|| Magnitude::new(negative, significand.into(), exponent, false))?;
        Some(to_f32(product.plus(finite(c)?)?, rounding))
    }

    /// The value of an `f64` other than zero.
    pub(crate) fn round_f32(x: f64, rounding: Rounding) -> f32 {
        let (negative, significand, exponent) = decompose(x);
        to_f32(Magnitude::new(negative, significand.into(), exponent, false), rounding)
    }

    /// `a / b` for finite non-zero operands.
    pub(crate) fn div(a: f32, b: f32, rounding: Rounding) -> Option<f32> {
        let (a, b) = (finite(a)?, finite(b)?);
        let divisor = b.significand >> 60;
        let sticky = !a.significand.is_multiple_of(divisor);
        let quotient = a.significand / divisor;
        let exponent = a.exponent - b.exponent - 60;
        Some(to_f32(Magnitude::new(a.negative != b.negative, quotient, exponent, sticky), rounding))
    }

    /// The root of a finite positive value.
    pub(crate) fn sqrt(a: f32, rounding: Rounding) -> Option<f32> {
        let a = finite(a).filter(|a| !a.negative)?;
        let a = if a.exponent & 1 != 0 { a.shifted_right(1) } else { a };
        let root = a.significand.isqrt();
        Some(to_f32(Magnitude::new(false, root, a.exponent / 2, root * root != a.significand), rounding))
    }
}
