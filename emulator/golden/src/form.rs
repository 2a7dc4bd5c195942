//! What is recorded: instructions, what surrounds them, what they are given, and how near the emulator has to come.

use crate::input::Kind;
use crate::tile::Tile;

/// One instruction, or the few that make one visible.
#[derive(Clone, Debug)]
pub struct Form {
    /// The text that takes the place of the asterisk in the kernel around it.
    pub code: String,
    /// The compute capability that it needs, times ten.
    pub needs: u32,
    /// What it runs in.
    pub shape: Shape,
    /// What the emulator's results are held to.
    pub check: Check,
}

/// The kernel around a form (`kernels/`), and its input.
#[derive(Clone, Debug)]
pub enum Shape {
    /// `lanes.cu`: so many threads with up to three words each, and the bytes of a result.
    Lanes([Kind; 3], usize, usize),
    /// `warp.cu`: so many warps whose lanes have 16 words.
    Warp(Vec<(usize, Kind)>, usize),
    /// `group.cu`: one warpgroup, elements in shared memory and so many bytes of accumulators a thread.
    Group(Kind, usize),
    /// `tile.cu`: one box of a tensor.
    Tile(Tile),
}

/// How far the emulator's exact result may be from a GPU's.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Not at all: the ISA leaves nothing open.
    Exact,
    /// A documented bound of an approximate function: the mathematical result's neighbourhood, where the rounding of either side comes on top.
    Near(Format, Bound),
    /// A sum of so many products in any order and with cut addends. The bits of a word that are signs are given for each input word: without
    /// them the same instruction gives the sum of the magnitudes, and the bound is a part of that.
    Sum(Format, f64, Vec<(usize, u32)>),
}

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Format {
    F16,
    Bf16,
    F32,
    F64,
}

/// A distance from the mathematical result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// As a part of the result.
    pub relative: f64,
    /// Whatever the result.
    pub absolute: f64,
}

/// A bound that is a part of the result.
pub const fn relative(relative: f64) -> Bound {
    Bound { relative, absolute: 0.0 }
}

/// A bound that does not depend on the result.
pub const fn absolute(absolute: f64) -> Bound {
    Bound { relative: 0.0, absolute }
}

impl Format {
    /// Bytes of a value.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The value of these bits.
    pub fn value(self, bits: u64) -> f64 {
        match self {
            Self::F64 => f64::from_bits(bits),
            Self::F32 => f64::from(f32::from_bits(bits as u32)),
            Self::Bf16 => f64::from(f32::from_bits((bits as u32) << 16)),
            Self::F16 => {
                let (exponent, fraction) = ((bits >> 10 & 31) as i32, (bits & 0x3ff) as f64);
                let size = match exponent {
                    0 => fraction * 2f64.powi(-24),
                    31 if fraction == 0.0 => f64::INFINITY,
                    31 => f64::NAN,
                    _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
                };
                if bits & 0x8000 == 0 { size } else { -size }
            }
        }
    }

    /// The distance from a value to its neighbour.
    pub fn unit(self, value: f64) -> f64 {
        let (digits, least) = match self {
            Self::F16 => (10, -14),
            Self::Bf16 => (7, -126),
            Self::F32 => (23, -126),
            Self::F64 => (52, -1022),
        };
        let exponent = (value.abs().to_bits() >> 52) as i32 - 1023;
        2f64.powi(exponent.max(least) - digits)
    }

    /// The least normal number.
    pub fn least_normal(self) -> f64 {
        match self {
            Self::F16 => 2f64.powi(-14),
            Self::Bf16 | Self::F32 => 2f64.powi(-126),
            Self::F64 => f64::MIN_POSITIVE,
        }
    }
}

impl Form {
    /// What a file calls it: its text, or the comment with which that begins.
    pub fn name(&self) -> String {
        match self.code.split_once('\n') {
            Some((title, _)) if title.starts_with("// ") => title.trim_start_matches("// ").to_owned(),
            _ => self.code.clone(),
        }
    }

    /// The bytes of one case's result: a thread's, but of a box the whole.
    pub fn result_bytes(&self) -> usize {
        match &self.shape {
            Shape::Lanes(_, _, bytes) | Shape::Group(_, bytes) => *bytes,
            Shape::Warp(..) => 32,
            Shape::Tile(_) => Tile::OUTPUT,
        }
    }

    /// How many cases there are.
    pub fn cases(&self) -> usize {
        match &self.shape {
            Shape::Lanes(_, threads, _) => *threads,
            Shape::Warp(_, warps) => 32 * warps,
            Shape::Group(..) => 128,
            Shape::Tile(_) => 1,
        }
    }
}
