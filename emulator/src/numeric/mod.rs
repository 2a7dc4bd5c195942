//! What instructions compute: pure functions over scalars and over lane arrays, from the text of the PTX ISA.
//!
//! Nothing here holds state, and every function gives the same bits on every instruction set: no contraction, no
//! reassociation, no platform mathematics library, and a NaN result is always the canonical one. Functions that a lane loop
//! calls are `#[inline(always)]`, so that they are compiled under the caller's instruction set.

pub(crate) mod approx;
pub(crate) mod arith;
pub(crate) mod convert;
mod elementary;
pub(crate) mod exact;
pub(crate) mod half16;
pub(crate) mod integer;
pub(crate) mod ldmatrix;
pub(crate) mod mma;
pub(crate) mod mma_f64;
pub(crate) mod narrow;
mod perturb;
#[cfg(test)]
mod tests;
pub(crate) mod video;
pub(crate) mod wgmma;
pub(crate) mod wmma;

pub(crate) use perturb::Perturbation;

/// The NaN that `.f32` instructions return (PTX ISA, "Single-precision NaN").
pub(crate) const NAN_F32: f32 = f32::from_bits(0x7fff_ffff);
/// The NaN that `.f64` instructions return. The ISA leaves the payload open; this is CUDA's own constant for it.
pub(crate) const NAN_F64: f64 = f64::from_bits(0xfff8_0000_0000_0000);

/// A rounding modifier, of a floating-point result or of a conversion to an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rounding {
    /// `.rn`, `.rni`: to nearest, ties to even.
    NearestEven,
    /// `.rna`: to nearest, ties away from zero.
    NearestAway,
    /// `.rz`, `.rzi`: towards zero.
    Zero,
    /// `.rm`, `.rmi`: towards minus infinity.
    Down,
    /// `.rp`, `.rpi`: towards plus infinity.
    Up,
}

impl Rounding {
    /// Whether a magnitude that was cut off has to grow by one unit: `odd` is its last kept bit, `half` the first lost bit,
    /// `rest` whether a later lost bit is set.
    #[inline(always)]
    pub(crate) fn away(self, negative: bool, odd: bool, half: bool, rest: bool) -> bool {
        match self {
            Self::NearestEven => half & (rest | odd),
            Self::NearestAway => half,
            Self::Zero => false,
            Self::Down => negative & (half | rest),
            Self::Up => !negative & (half | rest),
        }
    }

    /// Whether a value too large for a format becomes infinite, or else its largest finite value.
    #[inline(always)]
    pub(crate) fn overflows(self, negative: bool) -> bool {
        match self {
            Self::NearestEven | Self::NearestAway => true,
            Self::Zero => false,
            Self::Down => negative,
            Self::Up => !negative,
        }
    }
}
