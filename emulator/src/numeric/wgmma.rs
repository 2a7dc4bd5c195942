//! `wgmma`: where a matrix lies in shared memory, and one warp's quarter of a warpgroup's product.
//!
//! Whatever the type, an instruction takes 32 bytes of each row of `a` and of each column of `b`. Fragments are those of `mma`
//! (PTX ISA, "Register Fragments" of `wgmma.mma_async`), so a row's 32 bytes are 8 words, of which thread-in-group `t` holds word `t` in
//! registers 0 and 1 and word `t + 4` in registers 2 and 3.

// As in `mma`: plain loops stay within the caller's instruction set.
#![allow(clippy::needless_range_loop)]

use super::Perturbation;
use super::mma::{self, Bf16, F16, IntegerMode, Lanes, Operand, Row, byte, multiply, multiply_f16, multiply_i8};
use crate::tensor_map::Swizzle;

/// Bytes of a row of `a` or a column of `b`.
pub(crate) const DEPTH: usize = 32;

/// What an instruction takes of a matrix: its rows (columns, for `b`), one behind the other.
pub(crate) type Lines = Vec<[u8; DEPTH]>;

/// A matrix descriptor (PTX ISA, "Matrix Descriptor Format").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Shared address of the first element.
    start: u32,
    /// "Leading dimension byte offset" and "stride dimension byte offset".
    leading: u32,
    stride: u32,
    /// The number modulo 8 of the 128-byte line at which the swizzle's pattern begins.
    base: u32,
    /// 16-byte chunks in a line of the swizzle atom: 1 without swizzle, 2, 4 or 8.
    chunks: u32,
}

impl Descriptor {
    pub(crate) fn decode(bits: u64) -> Self {
        let field = |at: u32| ((bits >> at) as u32 & 0x3fff) << 4;
        let chunks = [1, 8, 4, 2][(bits >> 62) as usize];
        Self { start: field(0), leading: field(16), stride: field(32), base: (bits >> 49) as u32 & 7, chunks }
    }

    /// The swizzle that the descriptor names.
    pub(crate) fn swizzle(&self) -> Swizzle {
        Swizzle::ALL[self.chunks.ilog2() as usize]
    }

    /// Where chunk 0 or 1 of a line lies, for a matrix whose depth is contiguous ("K-major").
    ///
    /// Eight lines make an atom; `stride` leads from atom to atom. Without swizzle an atom is one chunk deep, and `leading` leads
    /// to the next.
    pub(crate) fn along(&self, line: usize, chunk: usize) -> u32 {
        let (line, chunk) = (line as u32, chunk as u32);
        let next = if self.chunks == 1 { self.leading } else { 16 };
        let offset = line % 8 * 16 * self.chunks + (line / 8).wrapping_mul(self.stride) + chunk * next;
        self.swizzled(self.start.wrapping_add(offset))
    }

    /// Where the chunk lies that holds depth `k` of eight lines, for a matrix of 16-bit elements whose lines are contiguous
    /// ("MN-major"). `chunk` counts chunks of eight lines.
    ///
    /// An atom is eight deep and as many chunks wide as the swizzle says. `leading` leads to the next atom across, `stride` to the
    /// next one in depth; without swizzle it is the other way round.
    pub(crate) fn across(&self, chunk: usize, k: usize) -> u32 {
        let (chunk, k, width) = (chunk as u32, k as u32, self.chunks);
        let (aside, down) = if width == 1 { (self.stride, self.leading) } else { (self.leading, self.stride) };
        let (atom, inside) = (chunk / width, chunk % width);
        let offset = inside * 16 + atom.wrapping_mul(aside) + k % 8 * 16 * width + (k / 8).wrapping_mul(down);
        self.swizzled(self.start.wrapping_add(offset))
    }

    /// Bits 4 to 6 of an address are exchanged by the number of its 128-byte line, counted from the pattern's beginning.
    fn swizzled(&self, address: u32) -> u32 {
        address ^ ((address >> 7).wrapping_sub(self.base) & (self.chunks - 1)) << 4
    }
}

/// The type of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F16,
    Bf16,
    Tf32,
    E4m3,
    E5m2,
    S8,
    U8,
}

impl Element {
    /// Elements in a word.
    pub(crate) fn pack(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::Tf32 => 1,
            _ => 4,
        }
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Self::S8 | Self::U8)
    }

    /// An element of a word as a number.
    #[inline(always)]
    fn read(self, word: u32, i: usize) -> f32 {
        let byte = (word >> (8 * i)) as u8;
        match self {
            Self::F16 if i == 0 => F16::low(word),
            Self::F16 => F16::high(word),
            Self::Bf16 if i == 0 => Bf16::low(word),
            Self::Bf16 => Bf16::high(word),
            Self::Tf32 => mma::tf32(word),
            Self::E4m3 | Self::E5m2 => mma::float8(byte, self == Self::E4m3),
            Self::S8 | Self::U8 => 0.0,
        }
    }
}

/// What a `wgmma.mma_async` computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub a: Element,
    pub b: Element,
    /// Columns of the product.
    pub n: usize,
    /// The accumulators are f16, two in a register.
    pub half: bool,
    pub negate_a: bool,
    pub negate_b: bool,
    pub satfinite: bool,
}

impl Form {
    /// Elements of 32 bytes.
    pub(crate) fn k(&self) -> usize {
        DEPTH / 4 * self.a.pack()
    }

    /// Accumulator registers of a thread.
    pub(crate) fn registers(&self) -> usize {
        if self.half { self.n / 4 } else { self.n / 2 }
    }
}

/// A word of 32 bytes.
#[inline(always)]
fn word(line: &[u8; DEPTH], at: usize) -> u32 {
    u32::from_le_bytes([line[4 * at], line[4 * at + 1], line[4 * at + 2], line[4 * at + 3]])
}

/// The registers of `a` of one warp, from its 16 rows.
#[inline(always)]
pub(crate) fn fragment(rows: &[[u8; DEPTH]]) -> [Lanes; 4] {
    let mut registers = [[0; 32]; 4];
    for (r, register) in registers.iter_mut().enumerate() {
        for (lane, value) in register.iter_mut().enumerate() {
            *value = word(&rows[lane / 4 + 8 * (r % 2)], 4 * (r / 2) + lane % 4);
        }
    }
    registers
}

/// The bits of eight columns of `b` at each depth, in the order that `mma` wants: 0, 2, 4, 6, 1, 3, 5, 7. Floating-point elements become
/// f32, integers i32.
#[inline(always)]
fn spread<const K: usize>(lines: &[[u8; DEPTH]], element: Element, negate: bool) -> [[u32; 8]; K] {
    let pack = 4 * K / DEPTH;
    let sign = u32::from(negate) << 31;
    let mut rows = [[0; 8]; K];
    for w in 0..8 {
        for i in 0..8 {
            let bits = word(&lines[2 * (i % 4) + i / 4], w);
            for part in 0..pack {
                rows[w * pack + part][i] = match element {
                    Element::S8 | Element::U8 => byte(bits, part, element == Element::S8) as u32,
                    _ => element.read(bits, part).to_bits() ^ sign,
                };
            }
        }
    }
    rows
}

/// One warp's 16 rows of `d = a * b + d`. `d` holds the accumulators, register by register; `a` is the warp's fragment, `b` the columns.
#[inline(always)]
pub(crate) fn multiply_quarter(form: &Form, d: &mut [Lanes], a: &[Lanes; 4], b: &[[u8; DEPTH]], p: Perturbation) {
    match form.a {
        Element::F16 => floats::<16, 2, 4>(form, Element::F16, d, a, b, p),
        Element::Bf16 => floats::<16, 2, 4>(form, Element::Bf16, d, a, b, p),
        Element::Tf32 => floats::<8, 1, 2>(form, Element::Tf32, d, a, b, p),
        Element::E4m3 | Element::E5m2 => floats::<32, 4, 8>(form, form.b, d, a, b, p),
        Element::S8 | Element::U8 => integers(form, d, a, b),
    }
}

#[inline(always)]
fn floats<const K: usize, const PACK: usize, const P: usize>(
    form: &Form,
    element: Element,
    d: &mut [Lanes],
    a: &[Lanes; 4],
    b: &[[u8; DEPTH]],
    p: Perturbation,
) {
    let sign = u32::from(form.negate_a) << 31;
    let mut planes = [[[0.0; 32]; P]; 2];
    for half in 0..2 {
        for plane in 0..P {
            let register = &a[half + plane / PACK * 2];
            for lane in 0..32 {
                let value = form.a.read(register[lane], plane % PACK);
                planes[half][plane][lane] = f32::from_bits(value.to_bits() ^ sign);
            }
        }
    }
    let [upper, lower] = &planes;
    for (block, lines) in b.chunks_exact(8).enumerate() {
        let bits = spread::<K>(lines, element, form.negate_b);
        let mut rows: [Row; K] = [[0.0; 8]; K];
        for k in 0..K {
            for i in 0..8 {
                rows[k][i] = f32::from_bits(bits[k][i]);
            }
        }
        if form.half {
            for (half, a) in [upper, lower].into_iter().enumerate() {
                let register = &mut d[2 * block + half];
                let start = *register;
                multiply_f16::<K, PACK, P>(register, a, &rows, &start, p);
            }
        } else if let [d0, d1, d2, d3] = &mut d[4 * block..4 * block + 4] {
            let start = [*d0, *d1, *d2, *d3];
            multiply::<K, PACK, P>([d0, d1], upper, &rows, [&start[0], &start[1]], p);
            multiply::<K, PACK, P>([d2, d3], lower, &rows, [&start[2], &start[3]], p);
        }
    }
}

#[inline(always)]
fn integers(form: &Form, d: &mut [Lanes], a: &[Lanes; 4], b: &[[u8; DEPTH]]) {
    let [a_signed, b_signed] = [form.a, form.b].map(|element| element == Element::S8);
    let mode = IntegerMode { a_signed, b_signed, satfinite: form.satfinite };
    for (block, lines) in b.chunks_exact(8).enumerate() {
        let rows = spread::<32>(lines, form.b, false).map(|row| row.map(|bits| bits as i32));
        if let [d0, d1, d2, d3] = &mut d[4 * block..4 * block + 4] {
            let start = [*d0, *d1, *d2, *d3];
            multiply_i8([d0, d1], [&a[0], &a[2]], &rows, [&start[0], &start[1]], mode);
            multiply_i8([d2, d3], [&a[1], &a[3]], &rows, [&start[2], &start[3]], mode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A descriptor from its fields in bytes.
    fn descriptor(start: u64, leading: u64, stride: u64, base: u64, mode: u64) -> Descriptor {
        Descriptor::decode(start >> 4 | leading >> 4 << 16 | stride >> 4 << 32 | base << 49 | mode << 62)
    }

    #[test]
    fn fields() {
        let bits = 0x4002_0040_0001_0080;
        let expected = Descriptor { start: 0x800, leading: 16, stride: 0x400, base: 1, chunks: 8 };
        assert_eq!(Descriptor::decode(bits), expected);
        assert_eq!([0u64, 1, 2, 3].map(|mode| Descriptor::decode(mode << 62).chunks), [1, 8, 4, 2]);
    }

    #[test]
    fn depth_contiguous() {
        // Without swizzle: core matrices of 8 lines of 16 bytes, `leading` apart in depth, `stride` apart across.
        let none = descriptor(0x100, 128, 256, 0, 0);
        assert_eq!(
            [(0, 0), (1, 0), (7, 1), (8, 0), (17, 1)].map(|(l, c)| none.along(l, c)),
            [0x100, 0x110, 0x100 + 0x70 + 128, 0x200, 0x300 + 0x10 + 128]
        );
        // 128-byte swizzle: line r of an atom is 128 bytes, its chunk c at c ^ r.
        let wide = descriptor(0x400, 16, 1024, 0, 1);
        assert_eq!(
            [(0, 0), (1, 0), (1, 1), (5, 1), (8, 0)].map(|(l, c)| wide.along(l, c)),
            [0x400, 0x480 + 0x10, 0x480, 0x400 + 5 * 128 + (1 ^ 5) * 16, 0x800]
        );
        // The second 32 bytes of the depth: the start moves, the pattern does not.
        let later = descriptor(0x420, 16, 1024, 0, 1);
        assert_eq!([(0, 0), (3, 1)].map(|(l, c)| later.along(l, c)), [0x420, 0x400 + 3 * 128]);
        // 64 bytes: two lines in 128 bytes, exchanged by the number of those.
        let middle = descriptor(0, 16, 512, 0, 2);
        assert_eq!([(0, 1), (2, 0), (3, 1), (6, 0)].map(|(l, c)| middle.along(l, c)), [16, 128 + 16, 192, 384 + 48]);
        // 32 bytes: four lines in 128 bytes.
        let narrow = descriptor(0, 16, 256, 0, 3);
        assert_eq!([(3, 1), (4, 0), (7, 1)].map(|(l, c)| narrow.along(l, c)), [112, 128 + 16, 224]);
    }

    #[test]
    fn lines_contiguous() {
        // Without swizzle `stride` leads to the next eight lines and `leading` to the next eight of the depth.
        let none = descriptor(0, 0x800, 128, 0, 0);
        assert_eq!([(0, 3), (1, 0), (2, 9)].map(|(c, k)| none.across(c, k)), [48, 128, 256 + 0x800 + 16]);
        // 128-byte swizzle: 64 lines in 128 bytes; `leading` to the next 64, `stride` to the next eight of the depth.
        let wide = descriptor(0, 0x2000, 0x400, 0, 1);
        assert_eq!(
            [(3, 0), (3, 2), (9, 1), (0, 15)].map(|(c, k)| wide.across(c, k)),
            [48, 256 + 16, 0x2000 + 128, 0x400 + 7 * 128 + 7 * 16]
        );
        let middle = descriptor(0, 0x1000, 0x200, 0, 2);
        assert_eq!([(1, 2), (5, 5)].map(|(c, k)| middle.across(c, k)), [128, 0x1000 + 320 + (1 ^ 2) * 16]);
    }

    #[test]
    fn a_pattern_that_begins_off_its_boundary() {
        // The atom begins at line 3 of 8: base offset (0x180 >> 7) & 7 = 3, and line r from there has its chunks at c ^ r.
        let off = descriptor(0x180, 16, 1024, 3, 1);
        assert_eq!(
            [(0, 0), (1, 0), (6, 1)].map(|(l, c)| off.along(l, c)),
            [0x180, 0x200 + 16, 0x180 + 6 * 128 + (1 ^ 6) * 16]
        );
    }
}
