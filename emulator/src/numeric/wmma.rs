//! `wmma`: which element of a matrix each register holds. The ISA leaves that open; here fragments are those of `mma`, tile by tile, so a
//! product is a handful of these.

// As in `mma`: plain loops stay within the caller's instruction set.
#![allow(clippy::needless_range_loop)]

use super::convert::f32_to_f16;
use super::mma::{self, F16, IntegerMode, Lanes, Operand};
use super::{Perturbation, Rounding};

/// The three matrices of a product, and their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// Which matrix a fragment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    A,
    B,
    /// Accumulators, before and after.
    Accumulators,
}

impl Shape {
    /// Elements of a part.
    pub(crate) fn elements(&self, part: Part) -> usize {
        match part {
            Part::A => self.m * self.k,
            Part::B => self.k * self.n,
            Part::Accumulators => self.m * self.n,
        }
    }

    /// Row and column of element `i` of a lane, where a register holds `pack` elements.
    pub(crate) fn place(&self, part: Part, pack: usize, lane: usize, i: usize) -> (usize, usize) {
        let (group, thread) = (lane / 4, lane % 4);
        let (register, inside) = (i / pack, pack * thread + i % pack);
        // Tiles of eight rows of `a`, or columns of `b`, and of this depth.
        let depth = 4 * pack;
        let deep = self.k / depth;
        match part {
            Part::A if self.m == 8 => (group, register * depth + inside),
            Part::A => {
                let (block, tile) = (register / (2 * deep), register % (2 * deep));
                (16 * block + 8 * (tile % 2) + group, tile / 2 * depth + inside)
            }
            Part::B => (register % deep * depth + inside, register / deep * 8 + group),
            // Pairs of columns, and of rows eight apart where there are as many.
            Part::Accumulators if self.m == 8 => (group, i / 2 * 8 + 2 * thread + i % 2),
            Part::Accumulators => {
                let (tile, row) = (i / 4, 8 * (i / 2 % 2) + group);
                let (below, beside) = if self.m == 32 { (16 * tile, 0) } else { (0, 8 * tile) };
                (below + row, beside + 2 * thread + i % 2)
            }
        }
    }
}

/// The type of `a` and `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F16,
    Bf16,
    Tf32,
    Integer(IntegerMode),
}

/// `d = a * b + c`, on fragments without copies. Accumulators are f32 or s32, one in a register.
#[inline(always)]
pub(crate) fn multiply(shape: Shape, kind: Kind, a: &[Lanes], b: &[Lanes], c: &[Lanes], p: Perturbation) -> Vec<Lanes> {
    const NONE: Lanes = [0; 32];
    let mut d = vec![NONE; c.len()];
    let (blocks, tiles) = (shape.m.div_ceil(16), shape.n / 8);
    let is_low = shape.m == 8;
    for block in 0..blocks {
        for tile in 0..tiles {
            // With eight rows the lower half of a tile is zeros, and its sums are dropped.
            let sums = if is_low { 2 * tile } else { 4 * (block + tile) };
            let start = if is_low {
                [&c[sums], &c[sums + 1], &NONE, &NONE]
            } else {
                [&c[sums], &c[sums + 1], &c[sums + 2], &c[sums + 3]]
            };
            let mut out = [NONE; 4];
            if let Kind::Integer(mode) = kind {
                let a = if is_low { [&a[0], &NONE] } else { [&a[2 * block], &a[2 * block + 1]] };
                mma::m16n8k16_i8(&mut out, a, [&b[tile]], start, mode);
            } else {
                let first = 4 * block;
                let a = if is_low {
                    [&a[0], &NONE, &a[1], &NONE]
                } else {
                    [&a[first], &a[first + 1], &a[first + 2], &a[first + 3]]
                };
                let b = [&b[2 * tile], &b[2 * tile + 1]];
                match kind {
                    Kind::F16 => mma::m16n8k16_f16(&mut out, a, b, start, p),
                    Kind::Bf16 => mma::m16n8k16_bf16(&mut out, a, b, start, p),
                    _ => mma::m16n8k8_tf32(&mut out, a, b, start, p),
                }
            }
            let kept = if is_low { 2 } else { 4 };
            d[sums..sums + kept].copy_from_slice(&out[..kept]);
        }
    }
    d
}

/// f16 accumulators, two in a register, as f32.
pub(crate) fn widen(registers: &[Lanes]) -> Vec<Lanes> {
    let half = |register: &Lanes, read: fn(u32) -> f32| register.map(|pair| read(pair).to_bits());
    registers.iter().flat_map(|register| [half(register, F16::low), half(register, F16::high)]).collect()
}

/// The way back, rounded to nearest.
pub(crate) fn narrow(registers: &[Lanes]) -> Vec<Lanes> {
    let half = |bits: u32| u32::from(f32_to_f16(f32::from_bits(bits), Rounding::NearestEven));
    let pair = |pair: &[Lanes; 2]| std::array::from_fn(|lane| half(pair[0][lane]) | half(pair[1][lane]) << 16);
    registers.as_chunks::<2>().0.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_one_place() {
        for (m, n) in [(16, 16), (8, 32), (32, 8)] {
            for (k, pack) in [(16, 2), (16, 4), (8, 1)] {
                let shape = Shape { m, n, k };
                if k == 8 && m != 16 {
                    continue;
                }
                for (part, pack) in [(Part::A, pack), (Part::B, pack), (Part::Accumulators, 1), (Part::Accumulators, 2)]
                {
                    let (rows, columns) = match part {
                        Part::A => (m, k),
                        Part::B => (k, n),
                        Part::Accumulators => (m, n),
                    };
                    let mut seen = vec![0; rows * columns];
                    for lane in 0..32 {
                        for i in 0..shape.elements(part) / 32 {
                            let (row, column) = shape.place(part, pack, lane, i);
                            assert!(row < rows && column < columns, "{shape:?} {part:?} {lane} {i}: {row} {column}");
                            seen[row * columns + column] += 1;
                        }
                    }
                    assert!(seen.iter().all(|count| *count == 1), "{shape:?} {part:?} {pack}");
                }
            }
        }
    }
}
