//! Tests against formulas and machines that share nothing with the code under test.

mod approx;
mod arith;
mod convert;
mod elementary;
mod integer;
mod mma;

use super::Rounding;

const ROUNDINGS: [Rounding; 4] = [Rounding::NearestEven, Rounding::Zero, Rounding::Down, Rounding::Up];

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn word(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// A float of any exponent and sign, often with few mantissa bits, so that ties and exact results occur.
    fn float(&mut self) -> f32 {
        let keep = self.word() % 24;
        f32::from_bits(self.word() & (u32::MAX << keep))
    }

    /// A float whose exponent lies within `spread` of zero.
    fn moderate(&mut self, spread: u32) -> f32 {
        let exponent = 127 - spread + self.word() % (2 * spread + 1);
        f32::from_bits(self.float().to_bits() & 0x807f_ffff | exponent << 23)
    }

    /// The same with every mantissa bit random.
    fn dense(&mut self, spread: u32) -> f32 {
        let exponent = 127 - spread + self.word() % (2 * spread + 1);
        f32::from_bits(self.word() & 0x807f_ffff | exponent << 23)
    }

    fn double(&mut self) -> f64 {
        let keep = self.word() % 53;
        f64::from_bits(self.bits() & (u64::MAX << keep))
    }

    /// A double whose exponent lies within `spread` of zero.
    fn moderate_double(&mut self, spread: u64) -> f64 {
        let exponent = 1023 - spread + self.bits() % (2 * spread + 1);
        f64::from_bits(self.double().to_bits() & 0x800f_ffff_ffff_ffff | exponent << 52)
    }
}
