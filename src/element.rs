//! The types of one element: what a buffer may hold, and what an operation may be computed in.

use cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use half::{bf16, f16};

/// The type of one element, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
    /// A byte, as in a workspace.
    U8,
    /// A signed integer of 32 bits, as an index.
    I32,
    /// A signed integer of 64 bits, as an index.
    I64,
}

impl DType {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::U8 => 1,
        }
    }

    /// The name, as it stands in kernel names and bench ids.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a buffer may hold: plain numbers for which every bit pattern is a value. Sealed.
pub trait Element:
    sealed::Sealed + DeviceRepr + ValidAsZeroBits + Copy + Default + PartialEq + Send + Sync + 'static
{
    /// The type as plain data.
    const DTYPE: DType;
}

/// What kernels take as indices, such as token ids and positions: [`i32`] and [`i64`]. Sealed.
pub trait Index: Element + std::fmt::Debug {}

/// What a kernel computes with: [`f32`], [`half::f16`] and [`bf16`]. Sealed.
pub trait Float: Element + std::fmt::Debug {
    /// The nearest value to an f32, ties to even.
    fn from_f32(value: f32) -> Self;
    /// The value, which an f32 holds exactly.
    fn to_f32(self) -> f32;

    /// The nearest value to an f64, ties to even, rounded once.
    fn from_f64(value: f64) -> Self {
        Self::from_f32(round_to_odd(value))
    }

    /// The value, which an f64 holds exactly.
    fn to_f64(self) -> f64 {
        f64::from(self.to_f32())
    }
}

/// An f32 next to the value whose last bit says whether anything was lost. It rounds to f16 and bf16 as the f64 itself
/// would: rounding to nearest twice can be off by one (Boldo and Melquiond, "When double rounding is odd", 2005).
fn round_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let back = f64::from(nearest);
    if back == value || value.is_nan() {
        return nearest;
    }
    let towards_zero = nearest.to_bits() - u32::from(back.abs() > value.abs());
    f32::from_bits(towards_zero | 1)
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
}

impl Element for f16 {
    const DTYPE: DType = DType::F16;
}

impl Element for bf16 {
    const DTYPE: DType = DType::Bf16;
}

impl Element for u8 {
    const DTYPE: DType = DType::U8;
}

impl Element for i32 {
    const DTYPE: DType = DType::I32;
}

impl Element for i64 {
    const DTYPE: DType = DType::I64;
}

impl Index for i32 {}
impl Index for i64 {}

impl Float for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }

    fn to_f32(self) -> f32 {
        self
    }

    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Float for f16 {
    fn from_f32(value: f32) -> Self {
        f16::from_f32(value)
    }

    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
}

impl Float for bf16 {
    fn from_f32(value: f32) -> Self {
        bf16::from_f32(value)
    }

    fn to_f32(self) -> f32 {
        bf16::to_f32(self)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
    impl Sealed for u8 {}
    impl Sealed for i32 {}
    impl Sealed for i64 {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values beside the midpoint of two neighbours, nearer than an f32 can tell: 1 + 2^-8 is the midpoint of the bf16
    /// values 1 and 1 + 2^-7, and 1 + 2^-11 that of the f16 values 1 and 1 + 2^-10.
    #[test]
    fn f64_is_rounded_once() {
        let hair = 2f64.powi(-40);
        let (bf16_midpoint, f16_midpoint) = (1.0 + 2f64.powi(-8), 1.0 + 2f64.powi(-11));
        assert_eq!(<bf16 as Float>::from_f64(bf16_midpoint).to_bits(), 0x3f80);
        assert_eq!(<bf16 as Float>::from_f64(bf16_midpoint + hair).to_bits(), 0x3f81);
        assert_eq!(<bf16 as Float>::from_f64(-bf16_midpoint - hair).to_bits(), 0xbf81);
        assert_eq!(<bf16 as Float>::from_f64(bf16_midpoint - hair).to_bits(), 0x3f80);
        assert_eq!(<f16 as Float>::from_f64(f16_midpoint).to_bits(), 0x3c00);
        assert_eq!(<f16 as Float>::from_f64(f16_midpoint + hair).to_bits(), 0x3c01);
        assert_eq!(<f16 as Float>::from_f64(f16_midpoint - hair).to_bits(), 0x3c00);
    }

    #[test]
    fn f64_beyond_the_range_becomes_infinite_and_nan_stays() {
        assert_eq!(<bf16 as Float>::from_f64(1e300), bf16::INFINITY);
        assert_eq!(<f16 as Float>::from_f64(-1e300), f16::NEG_INFINITY);
        assert_eq!(<f16 as Float>::from_f64(65519.0), f16::MAX);
        assert_eq!(<f16 as Float>::from_f64(65520.0), f16::INFINITY);
        assert!(<bf16 as Float>::from_f64(f64::NAN).is_nan());
        assert_eq!(<bf16 as Float>::from_f64(-0.0).to_bits(), 0x8000);
        assert_eq!(<f16 as Float>::from_f64(1e-300).to_bits(), 0);
    }
}
