//! `mma.sync`: fragments to matrices, the product, and back.
//!
//! Layouts are those of the PTX ISA, "Matrix Fragments for mma.m16n8k*", where lane `l` has group `l / 4` and thread-in-group
//! `l % 4`. An accumulator register holds one element of rows `group` and `group + 8`; here a row of eight keeps its even columns
//! first and its odd columns after, which is how two registers hold it, so that neither side has to be interleaved.
//!
//! Exact results: `d = fma(a[15], b[15], ... fma(a[0], b[0], c))` in f32, one rounding per step, k ascending. Perturbed results
//! sum as tensor cores do: see [`perturbed`].

// The loops below are plain and their bounds constant: closures handed to the standard library's array functions are not
// always inlined, and then miss the caller's instruction set.
#![allow(clippy::needless_range_loop)]

use super::convert::{canonical, f32_to_f16};
use super::{Perturbation, Rounding, narrow};

pub(super) type Lanes = [u32; 32];
/// A register's values, of one half of its lanes or of all of them.
pub(super) type Plane = [f32; 32];
/// A row of 8 accumulators, the columns in the order 0, 2, 4, 6, 1, 3, 5, 7.
pub(super) type Row = [f32; 8];

/// How operands are packed: `PACK` values of `a` in a lane, so that a register holds `4 * PACK` of the `K` columns.
const fn plane_of(k: usize, pack: usize) -> (usize, usize) {
    let (register, rest) = (k / (4 * pack), k % (4 * pack));
    (register * pack + rest % pack, rest / pack)
}

/// A 16-bit format as tensor cores read it. A NaN stays one; the result is made canonical at the end.
pub(super) trait Operand {
    /// The value of the low 16 bits.
    fn low(pair: u32) -> f32;
    /// The value of the high 16 bits.
    fn high(pair: u32) -> f32;
}

pub(super) struct Bf16;

impl Operand for Bf16 {
    #[inline(always)]
    fn low(pair: u32) -> f32 {
        f32::from_bits(pair << 16)
    }

    #[inline(always)]
    fn high(pair: u32) -> f32 {
        f32::from_bits(pair & 0xffff_0000)
    }
}

pub(super) struct F16;

impl Operand for F16 {
    #[inline(always)]
    fn low(pair: u32) -> f32 {
        // In the fields of an f32 the value is 2^112 too small, subnormals included, and the product is exact.
        let magnitude = f32::from_bits((pair & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
        let top = if pair & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(magnitude.to_bits() | top | (pair & 0x8000) << 16)
    }

    #[inline(always)]
    fn high(pair: u32) -> f32 {
        Self::low(pair >> 16)
    }
}

/// The planes of registers that hold two values in a lane: low halves, then high halves, of each.
#[inline(always)]
fn planes<T: Operand, const R: usize, const P: usize>(registers: [&Lanes; R]) -> [Plane; P] {
    let mut planes = [[0.0; 32]; P];
    for r in 0..R {
        for lane in 0..32 {
            planes[2 * r][lane] = T::low(registers[r][lane]);
            planes[2 * r + 1][lane] = T::high(registers[r][lane]);
        }
    }
    planes
}

/// The value of a tf32 operand, whose 13 low bits are not read.
#[inline(always)]
pub(super) fn tf32(bits: u32) -> f32 {
    f32::from_bits(bits & 0xffff_e000)
}

/// The planes of tf32 registers.
#[inline(always)]
fn planes_tf32<const R: usize>(registers: [&Lanes; R]) -> [Plane; R] {
    let mut planes = [[0.0; 32]; R];
    for r in 0..R {
        for lane in 0..32 {
            planes[r][lane] = tf32(registers[r][lane]);
        }
    }
    planes
}

/// The words of one thread-in-group of a register of `b`, whose column `n` stands in lane `4 * n + thread`.
#[inline(always)]
fn words_of_b(register: &Lanes, thread: usize) -> [u32; 8] {
    let lane = |column: usize| register[4 * column + thread];
    [lane(0), lane(2), lane(4), lane(6), lane(1), lane(3), lane(5), lane(7)]
}

/// `b` row by row, from registers that hold two values in a lane.
#[inline(always)]
fn rows_of_b<T: Operand, const R: usize, const K: usize>(registers: [&Lanes; R]) -> [Row; K] {
    let mut rows = [[0.0; 8]; K];
    for r in 0..R {
        for thread in 0..4 {
            let words = words_of_b(registers[r], thread);
            for i in 0..8 {
                rows[8 * r + 2 * thread][i] = T::low(words[i]);
                rows[8 * r + 2 * thread + 1][i] = T::high(words[i]);
            }
        }
    }
    rows
}

/// A tf32 `b` row by row.
#[inline(always)]
fn rows_of_b_tf32<const R: usize, const K: usize>(registers: [&Lanes; R]) -> [Row; K] {
    let mut rows = [[0.0; 8]; K];
    for r in 0..R {
        for thread in 0..4 {
            let words = words_of_b(registers[r], thread);
            for i in 0..8 {
                rows[4 * r + thread][i] = tf32(words[i]);
            }
        }
    }
    rows
}

/// Eight rows of accumulators plus `a * b`, from the planes of those rows of `a`.
#[inline(always)]
fn product<const K: usize, const PACK: usize, const P: usize>(
    mut rows: [Row; 8],
    a: &[Plane; P],
    b: &[Row; K],
) -> [Row; 8] {
    for k in 0..K {
        let (plane, thread) = plane_of(k, PACK);
        for group in 0..8 {
            let factor = a[plane][4 * group + thread];
            for i in 0..8 {
                rows[group][i] = factor.mul_add(b[k][i], rows[group][i]);
            }
        }
    }
    rows
}

/// A row summed as tensor cores were seen to sum (Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores",
/// 2021): exact products in blocks of 4, 8 or 16, forwards or backwards; the addends of a block, the running sum among them, are
/// aligned to the largest, cut off after 23 or 24 bits below its leading bit, added exactly, and the sum is cut to 24 bits.
///
/// With `m` the largest magnitude among the products and partial sums of an element, the error is below `(K + 2 * K / block) *
/// m * 2^-22`. Elements whose f32 sum is not finite keep it.
///
/// Of 8-bit operands Hopper keeps 14 bits of each addend (DeepSeek-V3 Technical Report, 2024, section 3.5.2): `bits` is 13 there, else 23, and the
/// bound has 2^-12 in place of 2^-22.
#[inline(always)]
fn sum_row<const K: usize>(start: &Row, a: &[f32; K], b: &[Row; K], bits: u32, p: Perturbation) -> Row {
    const OPERATION: u32 = 20;
    let choice = p.bits(OPERATION);
    let block = (4usize << (choice % 3)).min(K);
    let (backwards, extra_bit) = (choice >> 8 & 1 != 0, (choice >> 9 & 1) as u32);
    let scale = (1u64 << (bits + extra_bit)) as f64;
    let mut sum = [0.0; 8];
    for i in 0..8 {
        sum[i] = f64::from(start[i]);
    }
    for step in 0..K / block {
        let first = block * if backwards { K / block - 1 - step } else { step };
        let mut largest = [0.0; 8];
        for i in 0..8 {
            largest[i] = sum[i].abs();
        }
        for k in first..first + block {
            for i in 0..8 {
                let magnitude = (f64::from(a[k]) * f64::from(b[k][i])).abs();
                largest[i] = if magnitude > largest[i] { magnitude } else { largest[i] };
            }
        }
        let (mut unit, mut per_unit, mut units) = ([0.0; 8], [0.0; 8], [0.0; 8]);
        for i in 0..8 {
            // The power of two at or below the largest addend; a block of zeros adds nothing whatever its unit.
            unit[i] = f64::from_bits((largest[i].to_bits() & 0x7ff0_0000_0000_0000).max(0x0400_0000_0000_0000)) / scale;
            per_unit[i] = 1.0 / unit[i];
            units[i] = cut(sum[i] * per_unit[i]);
        }
        for k in first..first + block {
            for i in 0..8 {
                units[i] += cut(f64::from(a[k]) * f64::from(b[k][i]) * per_unit[i]);
            }
        }
        for i in 0..8 {
            // Fewer than 30 bits of units: 24 of them stay.
            let bits = (units[i] * unit[i]).to_bits();
            sum[i] = f64::from_bits(bits & !((1 << 29) - 1));
        }
    }
    let mut row = [0.0; 8];
    for i in 0..8 {
        row[i] = narrow::f64_to_f32(sum[i], Rounding::Zero);
    }
    row
}

/// A number below 2^30 without its fraction.
#[inline(always)]
fn cut(x: f64) -> f64 {
    // Adding and subtracting this number rounds to an integer; one that grew is one too far from zero.
    const TO_INTEGER: f64 = (3u64 << 51) as f64;
    let nearest = (x + TO_INTEGER) - TO_INTEGER;
    let step = if nearest.abs() > x.abs() { 1f64.copysign(x) } else { 0.0 };
    nearest - step
}

/// Eight rows of accumulators from two registers, even columns and odd columns.
#[inline(always)]
fn load(c: [&Lanes; 2]) -> [Row; 8] {
    let mut rows = [[0.0; 8]; 8];
    for group in 0..8 {
        for i in 0..4 {
            rows[group][i] = f32::from_bits(c[0][4 * group + i]);
            rows[group][i + 4] = f32::from_bits(c[1][4 * group + i]);
        }
    }
    rows
}

#[inline(always)]
fn store(d: [&mut Lanes; 2], rows: &[Row; 8]) {
    for group in 0..8 {
        for i in 0..4 {
            d[0][4 * group + i] = rows[group][i].to_bits();
            d[1][4 * group + i] = rows[group][i + 4].to_bits();
        }
    }
}

/// Eight rows of accumulators in two registers, times `a` and `b`, and back.
#[inline(always)]
pub(super) fn multiply<const K: usize, const PACK: usize, const P: usize>(
    d: [&mut Lanes; 2],
    a: &[Plane; P],
    b: &[Row; K],
    c: [&Lanes; 2],
    p: Perturbation,
) {
    if !p.is_exact() {
        return multiply_perturbed::<K, PACK, P>(d, a, b, c, p);
    }
    let rows = product::<K, PACK, P>(load(c), a, b);
    let mut nan = false;
    for row in &rows {
        for x in row {
            nan |= x.is_nan();
        }
    }
    let [even, odd] = d;
    store([even, odd], &rows);
    if nan {
        make_canonical([even, odd]);
    }
}

#[cold]
#[inline(never)]
fn make_canonical(d: [&mut Lanes; 2]) {
    for bits in d.into_iter().flatten() {
        *bits = canonical(f32::from_bits(*bits)).to_bits();
    }
}

/// The same, summed as tensor cores sum: see [`sum_row`]. Not inlined: it would crowd the exact path out of its registers.
#[cold]
#[inline(never)]
fn multiply_perturbed<const K: usize, const PACK: usize, const P: usize>(
    d: [&mut Lanes; 2],
    a: &[Plane; P],
    b: &[Row; K],
    c: [&Lanes; 2],
    p: Perturbation,
) {
    let start = load(c);
    let mut rows = product::<K, PACK, P>(start, a, b);
    for group in 0..8 {
        let mut factors = [0.0; K];
        for k in 0..K {
            let (plane, thread) = plane_of(k, PACK);
            factors[k] = a[plane][4 * group + thread];
        }
        let sums = sum_row(&start[group], &factors, b, if PACK == 4 { 13 } else { 23 }, p);
        for i in 0..8 {
            let exact = canonical(rows[group][i]);
            rows[group][i] = if exact.is_finite() { sums[i] } else { exact };
        }
    }
    store(d, &rows);
}

/// The same with `f16` accumulators, even and odd columns in the halves of one register: summed in f32 and rounded once.
#[inline(always)]
pub(super) fn multiply_f16<const K: usize, const PACK: usize, const P: usize>(
    d: &mut Lanes,
    a: &[Plane; P],
    b: &[Row; K],
    c: &Lanes,
    p: Perturbation,
) {
    let (mut even, mut odd) = ([0; 32], [0; 32]);
    for lane in 0..32 {
        even[lane] = F16::low(c[lane]).to_bits();
        odd[lane] = F16::high(c[lane]).to_bits();
    }
    let (start_even, start_odd) = (even, odd);
    multiply::<K, PACK, P>([&mut even, &mut odd], a, b, [&start_even, &start_odd], p);
    for lane in 0..32 {
        let [low, high] = [even, odd].map(|plane| f32_to_f16(f32::from_bits(plane[lane]), Rounding::NearestEven));
        d[lane] = u32::from(low) | u32::from(high) << 16;
    }
}

/// `mma.m16n8k16.f32.bf16.bf16.f32`.
#[inline(always)]
pub(crate) fn m16n8k16_bf16(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], p: Perturbation) {
    let rows = rows_of_b::<Bf16, 2, 16>(b);
    let [d0, d1, d2, d3] = d;
    multiply::<16, 2, 4>([d0, d1], &planes::<Bf16, 2, 4>([a[0], a[2]]), &rows, [c[0], c[1]], p);
    multiply::<16, 2, 4>([d2, d3], &planes::<Bf16, 2, 4>([a[1], a[3]]), &rows, [c[2], c[3]], p);
}

/// `mma.m16n8k16.f32.f16.f16.f32`.
#[inline(always)]
pub(crate) fn m16n8k16_f16(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], p: Perturbation) {
    let rows = rows_of_b::<F16, 2, 16>(b);
    let [d0, d1, d2, d3] = d;
    multiply::<16, 2, 4>([d0, d1], &planes::<F16, 2, 4>([a[0], a[2]]), &rows, [c[0], c[1]], p);
    multiply::<16, 2, 4>([d2, d3], &planes::<F16, 2, 4>([a[1], a[3]]), &rows, [c[2], c[3]], p);
}

/// `mma.m16n8k16.f16.f16.f16.f16`.
#[inline(always)]
pub(crate) fn m16n8k16_f16_f16(d: &mut [Lanes; 2], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 2], p: Perturbation) {
    let rows = rows_of_b::<F16, 2, 16>(b);
    multiply_f16::<16, 2, 4>(&mut d[0], &planes::<F16, 2, 4>([a[0], a[2]]), &rows, c[0], p);
    multiply_f16::<16, 2, 4>(&mut d[1], &planes::<F16, 2, 4>([a[1], a[3]]), &rows, c[1], p);
}

/// `mma.m16n8k8.f32.bf16.bf16.f32`.
#[inline(always)]
pub(crate) fn m16n8k8_bf16(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], p: Perturbation) {
    let rows = rows_of_b::<Bf16, 1, 8>(b);
    let [d0, d1, d2, d3] = d;
    multiply::<8, 2, 2>([d0, d1], &planes::<Bf16, 1, 2>([a[0]]), &rows, [c[0], c[1]], p);
    multiply::<8, 2, 2>([d2, d3], &planes::<Bf16, 1, 2>([a[1]]), &rows, [c[2], c[3]], p);
}

/// `mma.m16n8k8.f32.f16.f16.f32`.
#[inline(always)]
pub(crate) fn m16n8k8_f16(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], p: Perturbation) {
    let rows = rows_of_b::<F16, 1, 8>(b);
    let [d0, d1, d2, d3] = d;
    multiply::<8, 2, 2>([d0, d1], &planes::<F16, 1, 2>([a[0]]), &rows, [c[0], c[1]], p);
    multiply::<8, 2, 2>([d2, d3], &planes::<F16, 1, 2>([a[1]]), &rows, [c[2], c[3]], p);
}

/// `mma.m16n8k8.f16.f16.f16.f16`.
#[inline(always)]
pub(crate) fn m16n8k8_f16_f16(d: &mut [Lanes; 2], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 2], p: Perturbation) {
    let rows = rows_of_b::<F16, 1, 8>(b);
    multiply_f16::<8, 2, 2>(&mut d[0], &planes::<F16, 1, 2>([a[0]]), &rows, c[0], p);
    multiply_f16::<8, 2, 2>(&mut d[1], &planes::<F16, 1, 2>([a[1]]), &rows, c[1], p);
}

/// `mma.m16n8k8.f32.tf32.tf32.f32`.
#[inline(always)]
pub(crate) fn m16n8k8_tf32(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], p: Perturbation) {
    let rows = rows_of_b_tf32::<2, 8>(b);
    let [d0, d1, d2, d3] = d;
    multiply::<8, 1, 2>([d0, d1], &planes_tf32([a[0], a[2]]), &rows, [c[0], c[1]], p);
    multiply::<8, 1, 2>([d2, d3], &planes_tf32([a[1], a[3]]), &rows, [c[2], c[3]], p);
}

/// `mma.m16n8k4.f32.tf32.tf32.f32`.
#[inline(always)]
pub(crate) fn m16n8k4_tf32(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], p: Perturbation) {
    let rows = rows_of_b_tf32::<1, 4>(b);
    let [d0, d1, d2, d3] = d;
    multiply::<4, 1, 1>([d0, d1], &planes_tf32([a[0]]), &rows, [c[0], c[1]], p);
    multiply::<4, 1, 1>([d2, d3], &planes_tf32([a[1]]), &rows, [c[2], c[3]], p);
}

/// An 8-bit format as tensor cores read it.
#[inline(always)]
pub(super) fn float8(byte: u8, e4m3: bool) -> f32 {
    F16::low(if e4m3 { u32::from(super::convert::e4m3_to_f16(byte)) } else { u32::from(byte) << 8 })
}

/// The operands of an 8-bit `mma`: the planes of both halves of `a`, and `b` row by row. `e4m3` says which of them are, else they are e5m2.
#[inline(always)]
fn operands_f8(a: [&Lanes; 4], b: [&Lanes; 2], e4m3: [bool; 2]) -> ([[Plane; 8]; 2], [Row; 32]) {
    let (mut planes, mut rows) = ([[[0.0; 32]; 8]; 2], [[0.0; 8]; 32]);
    for r in 0..2 {
        for i in 0..4 {
            for lane in 0..32 {
                planes[0][4 * r + i][lane] = float8((a[2 * r][lane] >> (8 * i)) as u8, e4m3[0]);
                planes[1][4 * r + i][lane] = float8((a[2 * r + 1][lane] >> (8 * i)) as u8, e4m3[0]);
            }
            for thread in 0..4 {
                let words = words_of_b(b[r], thread);
                for n in 0..8 {
                    rows[16 * r + 4 * thread + i][n] = float8((words[n] >> (8 * i)) as u8, e4m3[1]);
                }
            }
        }
    }
    (planes, rows)
}

/// `mma.m16n8k32.f32` of e4m3 or e5m2.
#[inline(always)]
pub(crate) fn m16n8k32_f8(
    d: &mut [Lanes; 4],
    a: [&Lanes; 4],
    b: [&Lanes; 2],
    c: [&Lanes; 4],
    e4m3: [bool; 2],
    p: Perturbation,
) {
    let (planes, rows) = operands_f8(a, b, e4m3);
    let [d0, d1, d2, d3] = d;
    multiply::<32, 4, 8>([d0, d1], &planes[0], &rows, [c[0], c[1]], p);
    multiply::<32, 4, 8>([d2, d3], &planes[1], &rows, [c[2], c[3]], p);
}

/// `mma.m16n8k32.f16` of e4m3 or e5m2.
#[inline(always)]
pub(crate) fn m16n8k32_f8_f16(
    d: &mut [Lanes; 2],
    a: [&Lanes; 4],
    b: [&Lanes; 2],
    c: [&Lanes; 2],
    e4m3: [bool; 2],
    p: Perturbation,
) {
    let (planes, rows) = operands_f8(a, b, e4m3);
    multiply_f16::<32, 4, 8>(&mut d[0], &planes[0], &rows, c[0], p);
    multiply_f16::<32, 4, 8>(&mut d[1], &planes[1], &rows, c[1], p);
}

/// How an integer `mma` reads its bytes and ends its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IntegerMode {
    /// `.s8`, not `.u8`, for `a`.
    pub a_signed: bool,
    /// `.s8`, not `.u8`, for `b`.
    pub b_signed: bool,
    /// `.satfinite`: clamp to the range of s32 instead of wrapping.
    pub satfinite: bool,
}

/// A byte of a word as a number.
#[inline(always)]
pub(super) fn byte(word: u32, i: usize, signed: bool) -> i32 {
    let byte = (word >> (8 * i)) as u8;
    if signed { i32::from(byte as i8) } else { i32::from(byte) }
}

/// An integer `b` row by row, from registers that hold four bytes in a lane.
#[inline(always)]
fn rows_of_b_i8<const R: usize, const K: usize>(registers: [&Lanes; R], signed: bool) -> [[i32; 8]; K] {
    let mut rows = [[0; 8]; K];
    for r in 0..R {
        for thread in 0..4 {
            let words = words_of_b(registers[r], thread);
            for i in 0..4 {
                for n in 0..8 {
                    rows[16 * r + 4 * thread + i][n] = byte(words[n], i, signed);
                }
            }
        }
    }
    rows
}

/// Eight rows of accumulators in two registers, plus the integer product, whose sum of at most 32 products fits an i32.
#[inline(always)]
pub(super) fn multiply_i8<const R: usize, const K: usize>(
    d: [&mut Lanes; 2],
    a: [&Lanes; R],
    b: &[[i32; 8]; K],
    c: [&Lanes; 2],
    mode: IntegerMode,
) {
    for group in 0..8 {
        let mut sum = [0i32; 8];
        for r in 0..R {
            for thread in 0..4 {
                for i in 0..4 {
                    let factor = byte(a[r][4 * group + thread], i, mode.a_signed);
                    for n in 0..8 {
                        sum[n] += factor * b[16 * r + 4 * thread + i][n];
                    }
                }
            }
        }
        for i in 0..8 {
            let (register, lane) = (i / 4, 4 * group + i % 4);
            let start = c[register][lane] as i32;
            let end = if mode.satfinite { start.saturating_add(sum[i]) } else { start.wrapping_add(sum[i]) };
            d[register][lane] = end as u32;
        }
    }
}

/// `mma.m16n8k32.s32` of s8 or u8.
#[inline(always)]
pub(crate) fn m16n8k32_i8(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], mode: IntegerMode) {
    let rows = rows_of_b_i8::<2, 32>(b, mode.b_signed);
    let [d0, d1, d2, d3] = d;
    multiply_i8([d0, d1], [a[0], a[2]], &rows, [c[0], c[1]], mode);
    multiply_i8([d2, d3], [a[1], a[3]], &rows, [c[2], c[3]], mode);
}

/// `mma.m16n8k16.s32` of s8 or u8.
#[inline(always)]
pub(crate) fn m16n8k16_i8(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], mode: IntegerMode) {
    let rows = rows_of_b_i8::<1, 16>(b, mode.b_signed);
    let [d0, d1, d2, d3] = d;
    multiply_i8([d0, d1], [a[0]], &rows, [c[0], c[1]], mode);
    multiply_i8([d2, d3], [a[1]], &rows, [c[2], c[3]], mode);
}
