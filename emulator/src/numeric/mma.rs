//! `mma.sync`: fragments to matrices, the product, and back.
//!
//! Layouts are those of the PTX ISA, "Matrix Fragments for mma.m16n8k*", where lane `l` has group `l / 4` and thread-in-group
//! `l % 4`. An accumulator register holds one element of rows `group` and `group + 8`; here a row of eight keeps its even columns
//! first and its odd columns after, which is how two registers hold it, so that neither side has to be interleaved.
//!
//! Exact results: `d = fma(a[15], b[15], ... fma(a[0], b[0], c))` in f32, one rounding per step, k ascending. Perturbed results
//! sum as tensor cores do: see [`perturbed`].

use super::convert::{bf16_to_f32, canonical, f16_to_f32, f32_to_f16};
use super::{Perturbation, Rounding, narrow};

type Lanes = [u32; 32];
/// `K` rows of `b`, the columns of each in the order 0, 2, 4, 6, 1, 3, 5, 7.
type Columns<const K: usize> = [[f32; 8]; K];

/// A row of 8 accumulators in the same order of columns.
type Row = [f32; 8];

/// Rows 0 to 7 or 8 to 15 of `a` from registers that hold 8 columns each, two in a lane.
#[inline(always)]
fn unpack_a<const K: usize, const R: usize>(registers: [&Lanes; R], widen: impl Fn(u16) -> f32) -> [[f32; K]; 8] {
    let mut rows = [[0.0; K]; 8];
    for (group, row) in rows.iter_mut().enumerate() {
        for (r, register) in registers.iter().enumerate() {
            for thread in 0..4 {
                let pair = register[4 * group + thread];
                row[8 * r + 2 * thread] = widen(pair as u16);
                row[8 * r + 2 * thread + 1] = widen((pair >> 16) as u16);
            }
        }
    }
    rows
}

/// The lane that holds, for thread-in-group `thread`, the column that stands at `position`.
#[inline(always)]
const fn column_lane(position: usize, thread: usize) -> usize {
    let column = if position < 4 { 2 * position } else { 2 * (position - 4) + 1 };
    4 * column + thread
}

/// `b` from registers that hold 8 rows each, two in a lane.
#[inline(always)]
fn unpack_b<const K: usize, const R: usize>(registers: [&Lanes; R], widen: impl Fn(u16) -> f32) -> Columns<K> {
    let mut rows = [[0.0; 8]; K];
    for (r, register) in registers.iter().enumerate() {
        for thread in 0..4 {
            let pairs: [u32; 8] = std::array::from_fn(|position| register[column_lane(position, thread)]);
            for (position, pair) in pairs.into_iter().enumerate() {
                rows[8 * r + 2 * thread][position] = widen(pair as u16);
                rows[8 * r + 2 * thread + 1][position] = widen((pair >> 16) as u16);
            }
        }
    }
    rows
}

/// One row of accumulators: from two registers, even columns and odd columns.
#[inline(always)]
fn load_row(even: &Lanes, odd: &Lanes, group: usize) -> Row {
    std::array::from_fn(|i| {
        let register = if i < 4 { even } else { odd };
        f32::from_bits(register[4 * group + i % 4])
    })
}

#[inline(always)]
fn store_row(even: &mut Lanes, odd: &mut Lanes, group: usize, row: Row) {
    for i in 0..4 {
        even[4 * group + i] = canonical(row[i]).to_bits();
        odd[4 * group + i] = canonical(row[i + 4]).to_bits();
    }
}

/// `row + a * b` for one row of `a`.
#[inline(always)]
fn product<const K: usize>(a: &[f32; K], b: &Columns<K>, row: Row, p: Perturbation) -> Row {
    let mut sum = row;
    for k in 0..K {
        for i in 0..8 {
            sum[i] = a[k].mul_add(b[k][i], sum[i]);
        }
    }
    if p.is_exact() { sum } else { perturbed(a, b, row, sum, p) }
}

/// A row summed as tensor cores were seen to sum (Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores",
/// 2021): exact products in blocks of 4, 8 or 16, forwards or backwards; the addends of a block, the running sum among them, are
/// aligned to the largest, cut off after 23 or 24 bits below its leading bit, added exactly, and the sum is cut to 24 bits.
///
/// With `m` the largest magnitude among the products and partial sums of an element, the error is below `(K + 2 * K / block) *
/// m * 2^-22`. Rows whose f32 sum is not finite keep it.
#[inline(never)]
fn perturbed<const K: usize>(a: &[f32; K], b: &Columns<K>, row: Row, exact: Row, p: Perturbation) -> Row {
    const OPERATION: u32 = 20;
    let choice = p.bits(OPERATION);
    let block = (4usize << (choice % 3)).min(K);
    let (backwards, extra_bit) = (choice >> 8 & 1 != 0, choice >> 9 & 1 != 0);
    let scale = if extra_bit { (1u64 << 24) as f64 } else { (1u64 << 23) as f64 };
    let mut result = exact;
    for i in 0..8 {
        if !exact[i].is_finite() {
            continue;
        }
        let mut sum = f64::from(row[i]);
        for step in 0..K / block {
            let first = block * if backwards { K / block - 1 - step } else { step };
            let products = (first..first + block).map(|k| f64::from(a[k]) * f64::from(b[k][i]));
            let largest = products.clone().fold(sum.abs(), |m, x| m.max(x.abs()));
            // The power of two at or below the largest addend; nothing to add where that is zero.
            let power = f64::from_bits(largest.to_bits() & 0x7ff0_0000_0000_0000);
            if power == 0.0 {
                continue;
            }
            let unit = power / scale;
            let units = products.fold((sum / unit).trunc(), |s, x| s + (x / unit).trunc());
            sum = f64::from(narrow::f64_to_f32(units * unit, Rounding::Zero));
        }
        result[i] = sum as f32;
    }
    result
}

/// Both halves of the rows, from `a` already unpacked.
#[inline(always)]
fn multiply<const K: usize>(
    d: &mut [Lanes; 4],
    a: [[[f32; K]; 8]; 2],
    b: &Columns<K>,
    c: [&Lanes; 4],
    p: Perturbation,
) {
    let [d0, d1, d2, d3] = d;
    for group in 0..8 {
        store_row(d0, d1, group, product(&a[0][group], b, load_row(c[0], c[1], group), p));
        store_row(d2, d3, group, product(&a[1][group], b, load_row(c[2], c[3], group), p));
    }
}

/// The same with `f16` accumulators: summed in f32 and rounded once.
#[inline(always)]
fn multiply_f16<const K: usize>(
    d: &mut [Lanes; 2],
    a: [[[f32; K]; 8]; 2],
    b: &Columns<K>,
    c: [&Lanes; 2],
    p: Perturbation,
) {
    for half in 0..2 {
        for group in 0..8 {
            let start: Row = std::array::from_fn(|i| {
                let pair = c[half][4 * group + i % 4];
                f16_to_f32((if i < 4 { pair } else { pair >> 16 }) as u16)
            });
            let row = product(&a[half][group], b, start, p);
            for i in 0..4 {
                let [low, high] = [row[i], row[i + 4]].map(|x| u32::from(f32_to_f16(x, Rounding::NearestEven)));
                d[half][4 * group + i] = low | high << 16;
            }
        }
    }
}

/// `mma.m16n8k16.f32.bf16.bf16.f32`.
#[inline(always)]
pub(crate) fn m16n8k16_bf16(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], p: Perturbation) {
    let rows = [unpack_a([a[0], a[2]], bf16_to_f32), unpack_a([a[1], a[3]], bf16_to_f32)];
    multiply::<16>(d, rows, &unpack_b(b, bf16_to_f32), c, p);
}

/// `mma.m16n8k16.f32.f16.f16.f32`.
#[inline(always)]
pub(crate) fn m16n8k16_f16(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], p: Perturbation) {
    let rows = [unpack_a([a[0], a[2]], f16_to_f32), unpack_a([a[1], a[3]], f16_to_f32)];
    multiply::<16>(d, rows, &unpack_b(b, f16_to_f32), c, p);
}

/// `mma.m16n8k16.f16.f16.f16.f16`.
#[inline(always)]
pub(crate) fn m16n8k16_f16_f16(d: &mut [Lanes; 2], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 2], p: Perturbation) {
    let rows = [unpack_a([a[0], a[2]], f16_to_f32), unpack_a([a[1], a[3]], f16_to_f32)];
    multiply_f16::<16>(d, rows, &unpack_b(b, f16_to_f32), c, p);
}

/// `mma.m16n8k8.f32.bf16.bf16.f32`.
#[inline(always)]
pub(crate) fn m16n8k8_bf16(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], p: Perturbation) {
    let rows = [unpack_a([a[0]], bf16_to_f32), unpack_a([a[1]], bf16_to_f32)];
    multiply::<8>(d, rows, &unpack_b(b, bf16_to_f32), c, p);
}

/// `mma.m16n8k8.f32.f16.f16.f32`.
#[inline(always)]
pub(crate) fn m16n8k8_f16(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], p: Perturbation) {
    let rows = [unpack_a([a[0]], f16_to_f32), unpack_a([a[1]], f16_to_f32)];
    multiply::<8>(d, rows, &unpack_b(b, f16_to_f32), c, p);
}

/// `mma.m16n8k8.f16.f16.f16.f16`.
#[inline(always)]
pub(crate) fn m16n8k8_f16_f16(d: &mut [Lanes; 2], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 2], p: Perturbation) {
    let rows = [unpack_a([a[0]], f16_to_f32), unpack_a([a[1]], f16_to_f32)];
    multiply_f16::<8>(d, rows, &unpack_b(b, f16_to_f32), c, p);
}

/// The value of a tf32 operand: its 13 low bits are not read.
#[inline(always)]
fn tf32(bits: u32) -> f32 {
    canonical(f32::from_bits(bits & 0xffff_e000))
}

/// Rows of a tf32 `a` from registers that hold 4 columns each.
#[inline(always)]
fn unpack_a_tf32<const K: usize, const R: usize>(registers: [&Lanes; R]) -> [[f32; K]; 8] {
    std::array::from_fn(|group| std::array::from_fn(|k| tf32(registers[k / 4][4 * group + k % 4])))
}

/// A tf32 `b` from registers that hold 4 rows each.
#[inline(always)]
fn unpack_b_tf32<const K: usize, const R: usize>(registers: [&Lanes; R]) -> Columns<K> {
    std::array::from_fn(|k| std::array::from_fn(|position| tf32(registers[k / 4][column_lane(position, k % 4)])))
}

/// `mma.m16n8k8.f32.tf32.tf32.f32`.
#[inline(always)]
pub(crate) fn m16n8k8_tf32(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], p: Perturbation) {
    let rows = [unpack_a_tf32([a[0], a[2]]), unpack_a_tf32([a[1], a[3]])];
    multiply::<8>(d, rows, &unpack_b_tf32(b), c, p);
}

/// `mma.m16n8k4.f32.tf32.tf32.f32`.
#[inline(always)]
pub(crate) fn m16n8k4_tf32(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], p: Perturbation) {
    let rows = [unpack_a_tf32([a[0]]), unpack_a_tf32([a[1]])];
    multiply::<4>(d, rows, &unpack_b_tf32(b), c, p);
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

/// Integer products of registers that hold 16 columns of `a`, or rows of `b`, each: four bytes in a lane.
#[inline(always)]
fn multiply_i8<const R: usize>(
    d: &mut [Lanes; 4],
    a: [[&Lanes; R]; 2],
    b: [&Lanes; R],
    c: [&Lanes; 4],
    mode: IntegerMode,
) {
    let byte = |word: u32, i: usize, signed: bool| {
        let byte = (word >> (8 * i)) as u8;
        if signed { i64::from(byte as i8) } else { i64::from(byte) }
    };
    for half in 0..2 {
        for group in 0..8 {
            for column in 0..8 {
                let (register, lane) = (2 * half + column % 2, 4 * group + column / 2);
                let mut sum = i64::from(c[register][lane] as i32);
                for r in 0..R {
                    for thread in 0..4 {
                        let (x, y) = (a[half][r][4 * group + thread], b[r][4 * column + thread]);
                        for i in 0..4 {
                            sum += byte(x, i, mode.a_signed) * byte(y, i, mode.b_signed);
                        }
                    }
                }
                let clamped = sum.clamp(i32::MIN.into(), i32::MAX.into());
                d[register][lane] = (if mode.satfinite { clamped } else { sum }) as u32;
            }
        }
    }
}

/// `mma.m16n8k32.s32` of s8 or u8.
#[inline(always)]
pub(crate) fn m16n8k32_i8(d: &mut [Lanes; 4], a: [&Lanes; 4], b: [&Lanes; 2], c: [&Lanes; 4], mode: IntegerMode) {
    multiply_i8(d, [[a[0], a[2]], [a[1], a[3]]], b, c, mode);
}

/// `mma.m16n8k16.s32` of s8 or u8.
#[inline(always)]
pub(crate) fn m16n8k16_i8(d: &mut [Lanes; 4], a: [&Lanes; 2], b: [&Lanes; 1], c: [&Lanes; 4], mode: IntegerMode) {
    multiply_i8(d, [[a[0]], [a[1]]], b, c, mode);
}
