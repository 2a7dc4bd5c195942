//! Inputs: pure functions of a form, so that a file need not hold them.

use crate::form::{Form, Shape};
use crate::tile::Tile;

/// What a word of input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    None,
    /// The number of the case.
    Index,
    /// Any 32 bits, the edges of the integers among them.
    Word,
    /// Any 64 bits, the edges of the integers among them.
    Long,
    /// A distance or a position in a word: 0 to 71 and a few large ones.
    Count,
    /// An `f32`: the special values, then any exponent.
    F32,
    /// An `f32` at, just below and just above the middle between neighbours of each shorter format.
    Tie,
    /// An `f32` of a size at which functions are neither 0 nor infinite.
    Middle,
    /// Like `F32`, but near minus the product of the two words before it, every other time.
    Cancelling,
    /// An `f64`: the special values, then any exponent.
    F64,
    /// An `f64` at, just below and just above the middle between neighbours of each shorter format.
    Tie64,
    /// Any two 16-bit values.
    Halves,
    /// Two `f16` between 2^-4 and 2^4 in size.
    F16x2,
    /// Two `bf16` between 2^-4 and 2^4 in size.
    Bf16x2,
    /// An `f32` between 2^-4 and 2^4 in size, of tf32's precision.
    Tf32,
    /// An `f32` between 2^-4 and 2^4 in size.
    Float,
    /// An `f64` between 2^-4 and 2^4 in size.
    Double,
    /// Four `e4m3` between 2^-3 and 2^3 in size.
    E4m3x4,
    /// Four `e5m2` between 2^-3 and 2^3 in size.
    E5m2x4,
    /// Whole numbers from -3 to 3 as elements of these bits with so many of mantissa; without mantissa, as integers.
    Small(u32, u32),
    /// A number below 32.
    Lane,
    /// One of four values, so that lanes often agree.
    Few,
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }
}

const WORDS: [u32; 12] = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const FLOATS: [u32; 24] = [
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x807f_ffff,
    0x0080_0000,
    0x8080_0000,
    0x3f00_0000,
    0x3f7f_ffff,
    0x3f80_0000,
    0xbf80_0000,
    0x3f80_0001,
    0x4000_0000,
    0x4b00_0001,
    0x4f00_0000,
    0xcf00_0001,
    0x5f80_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0001,
    0xffa0_0000,
];
const DOUBLES: [u64; 16] = [
    0,
    1 << 63,
    1,
    0x800f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x36a0_0000_0000_0000,
    0x3810_0000_0000_0001,
    0x3fe0_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0001,
    0x41e0_0000_0000_0000,
    0x47ef_ffff_f000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0001,
];

impl Kind {
    /// The values that every combination of words takes before random ones do.
    fn special(self, at: usize) -> Option<u64> {
        match self {
            Self::Word => WORDS.get(at).map(|word| u64::from(*word)),
            Self::Long => WORDS.get(at / 2).map(|word| u64::from(*word) << (32 * (at % 2))),
            Self::F32 => FLOATS.get(at).map(|word| u64::from(*word)),
            Self::F64 => DOUBLES.get(at).copied(),
            Self::Count => (at < 8).then(|| [0, 1, 15, 16, 31, 32, 33, 64][at]),
            _ => None,
        }
    }

    fn specials(self) -> usize {
        (0..).take_while(|at| self.special(*at).is_some()).count().max(1)
    }

    /// Any value; `index` counts the cases.
    fn draw(self, random: &mut Random, index: usize) -> u64 {
        let bits = random.next();
        // A number of 2^-reach to 2^reach in size in a format of so many bits of exponent's bias and of mantissa.
        let mut sized = |reach: u64, bias: u64, mantissa: u32, sign: u32| {
            let bits = random.next();
            let exponent = bias - reach + (bits >> 40) % (2 * reach);
            (bits >> 63) << sign | exponent << mantissa | bits & ((1 << mantissa) - 1)
        };
        let word = bits & 0xffff_ffff;
        match self {
            Self::None => 0,
            Self::Index => index as u64,
            Self::Word | Self::Long | Self::Halves if bits >> 62 == 0 => bits >> (bits >> 56 & 63),
            Self::Word | Self::F32 | Self::Halves | Self::Cancelling => word,
            Self::Long | Self::F64 => bits,
            Self::Count => {
                if bits >> 61 == 0 {
                    word
                } else {
                    bits % 72
                }
            }
            Self::Tie => {
                let (kept, pattern) = (bits >> 32 & 31, bits >> 40 & 3);
                let half = (1u64 << kept) >> 1;
                // Exponents near those of the short formats most of the time.
                let exponent = if bits >> 60 < 12 { 127 - 28 + (bits >> 44) % 60 } else { bits >> 44 & 255 };
                let rest = bits & 0x7f_ffff & !((1 << kept.min(23)) - 1);
                let low = [0, half, half.saturating_sub(1), half + 1][pattern as usize] & 0x7f_ffff;
                (bits >> 31 & 1) << 31 | exponent << 23 | rest | low
            }
            Self::Middle => sized(12, 127, 23, 31),
            Self::Tie64 => {
                let kept = 1 + bits % 52;
                let pattern = [0, 1 << (kept - 1), (1 << (kept - 1)) - 1, (1 << (kept - 1)) + 1];
                let next = random.next();
                let exponent = if next >> 60 < 12 { 1023 - 160 + (next >> 20) % 320 } else { next >> 20 & 2047 };
                let rest = bits & ((1 << 52) - 1) & !((1 << kept) - 1);
                (next & 1) << 63 | exponent << 52 | rest | pattern[(next >> 8 & 3) as usize]
            }
            Self::F16x2 => sized(4, 15, 10, 15) | sized(4, 15, 10, 15) << 16,
            Self::Bf16x2 => sized(4, 127, 7, 15) | sized(4, 127, 7, 15) << 16,
            Self::Tf32 => sized(4, 127, 23, 31) & !0x1fff,
            Self::Float => sized(4, 127, 23, 31),
            Self::Double => sized(4, 1023, 52, 63),
            Self::E4m3x4 => (0..4).fold(0, |word, at| word | sized(3, 7, 3, 7) << (8 * at)),
            Self::E5m2x4 => (0..4).fold(0, |word, at| word | sized(3, 15, 2, 7) << (8 * at)),
            Self::Small(size, mantissa) => (0..32 / size).fold(0, |word, at| {
                let number = random.below(7) as i32 - 3;
                word | small(number, size, mantissa) << (size * at)
            }),
            Self::Lane => bits % 32,
            Self::Few => 0x1234_5678 + bits % 4,
        }
    }
}

/// A whole number from -3 to 3 as an element.
fn small(number: i32, bits: u32, mantissa: u32) -> u64 {
    if mantissa == 0 {
        return number as u64 & ((1 << bits) - 1);
    }
    let size = number.unsigned_abs();
    let Some(exponent) = size.checked_ilog2() else { return 0 };
    let bias = (1u64 << (bits.min(32) - mantissa - 2)) - 1;
    let fraction = u64::from(size) << mantissa >> exponent & ((1 << mantissa) - 1);
    u64::from(number < 0) << (bits - 1) | (u64::from(exponent) + bias) << mantissa | fraction
}

/// The bytes that a form's kernel reads.
pub fn input(form: &Form) -> Vec<u8> {
    let mut random = Random(digest(form.code.as_bytes()));
    match &form.shape {
        Shape::Lanes(kinds, threads, _) => lanes(*kinds, *threads, &mut random),
        Shape::Warp(words, warps) => {
            let mut list = Vec::new();
            for lane in 0..32 * warps {
                let first = list.len();
                for (count, kind) in words {
                    for _ in 0..*count {
                        let bits = kind.draw(&mut random, lane);
                        list.push(bits as u32);
                        if *kind == Kind::Double {
                            list.push((bits >> 32) as u32);
                        }
                    }
                }
                list.resize(first + 16, 0);
            }
            list.iter().flat_map(|word| word.to_le_bytes()).collect()
        }
        Shape::Group(kind, _) => {
            (0..(16384 + 2048) / 4).flat_map(|at| (kind.draw(&mut random, at) as u32).to_le_bytes()).collect()
        }
        // Finite numbers, whatever they are taken for.
        Shape::Tile(_) => {
            (0..Tile::INPUT / 4).flat_map(|at| (Kind::Bf16x2.draw(&mut random, at) as u32).to_le_bytes()).collect()
        }
    }
}

/// Every combination of special values first, then random ones.
fn lanes(kinds: [Kind; 3], threads: usize, random: &mut Random) -> Vec<u8> {
    let counts = kinds.map(Kind::specials);
    let combinations: usize = counts.iter().product();
    // A third of the cases at most: more are spread over the combinations.
    let special = combinations.min(threads / 3);
    let mut bytes = Vec::with_capacity(24 * threads);
    for thread in 0..threads {
        let at = if thread < special { Some(thread * combinations / special) } else { None };
        let mut rest = at.unwrap_or(0);
        let mut words = [0; 3];
        for (word, kind) in words.iter_mut().zip(kinds) {
            let special = at.and_then(|_| kind.special(rest % kind.specials()));
            rest /= kind.specials();
            *word = special.unwrap_or_else(|| kind.draw(random, thread));
        }
        if kinds[2] == Kind::Cancelling && thread % 2 == 0 {
            let [a, b] = [words[0], words[1]].map(|word| f32::from_bits(word as u32));
            let near = (-(a * b)).to_bits() as u64;
            words[2] = near.wrapping_add(random.next() % 5).wrapping_sub(2) & 0xffff_ffff;
        }
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes
}

/// FNV-1a of 64 bits.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
