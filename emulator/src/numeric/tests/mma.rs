//! `mma` against a triple loop over matrices, placed in registers by the formulas of the PTX ISA.

use super::Random;
use crate::numeric::Perturbation;
use crate::numeric::Rounding::NearestEven;
use crate::numeric::convert::*;
use crate::numeric::mma::*;

type Lanes = [u32; 32];

/// Element `i` of a lane's `a` of 16 bits: row and column ("Matrix fragments for mma.m16n8k16 with floating point type").
fn a_16(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = (lane >> 2, lane % 4);
    let row = if i < 2 || (4..6).contains(&i) { group } else { group + 8 };
    let column = thread * 2 + (i & 1) + if i < 4 { 0 } else { 8 };
    (row, column)
}

fn b_16(lane: usize, i: usize) -> (usize, usize) {
    ((lane % 4) * 2 + (i & 1) + if i < 2 { 0 } else { 8 }, lane >> 2)
}

/// The accumulator of every m16n8 shape.
fn c_32(lane: usize, i: usize) -> (usize, usize) {
    (if i < 2 { lane >> 2 } else { (lane >> 2) + 8 }, (lane % 4) * 2 + (i & 1))
}

/// tf32 of m16n8k8, and of m16n8k4 for i below 2.
fn a_tf32(lane: usize, i: usize) -> (usize, usize) {
    let row = if i == 0 || i == 2 { lane >> 2 } else { (lane >> 2) + 8 };
    (row, if i < 2 { lane % 4 } else { (lane % 4) + 4 })
}

fn b_tf32(lane: usize, i: usize) -> (usize, usize) {
    (if i == 0 { lane % 4 } else { (lane % 4) + 4 }, lane >> 2)
}

/// Bytes of m16n8k32, and of m16n8k16 for i below 8 of `a` and 4 of `b`.
fn a_8(lane: usize, i: usize) -> (usize, usize) {
    let row = if i < 4 || (8..12).contains(&i) { lane >> 2 } else { (lane >> 2) + 8 };
    (row, (lane % 4) * 4 + (i & 3) + if i < 8 { 0 } else { 16 })
}

fn b_8(lane: usize, i: usize) -> (usize, usize) {
    ((lane % 4) * 4 + (i & 3) + if i < 4 { 0 } else { 16 }, lane >> 2)
}

/// Registers of `per` elements each, from the bits of each element.
fn registers<const R: usize>(
    per: usize,
    place: fn(usize, usize) -> (usize, usize),
    bits: impl Fn(usize, usize) -> u32,
) -> [Lanes; R] {
    std::array::from_fn(|r| {
        std::array::from_fn(|lane| {
            let part = |i| {
                let (row, column) = place(lane, r * per + i);
                bits(row, column) << (i * 32 / per)
            };
            (0..per).map(part).fold(0, |word, part| word | part)
        })
    })
}

/// Random matrices of a type, as exact values and as bits: `a[row][k]`, `b[k][column]`.
struct Operands {
    a: Vec<Vec<f32>>,
    b: Vec<Vec<f32>>,
    c: Vec<Vec<f32>>,
}

impl Operands {
    fn new(
        k: usize,
        random: &mut Random,
        value: impl Fn(&mut Random) -> f32,
        start: impl Fn(&mut Random) -> f32,
    ) -> Self {
        let mut matrix = |rows: usize, columns: usize, f: &dyn Fn(&mut Random) -> f32| -> Vec<Vec<f32>> {
            (0..rows).map(|_| (0..columns).map(|_| f(random)).collect()).collect()
        };
        Self { a: matrix(16, k, &value), b: matrix(k, 8, &value), c: matrix(16, 8, &start) }
    }

    /// The documented order: one fused step for each k, ascending.
    fn expected(&self, row: usize, column: usize) -> f32 {
        (0..self.b.len()).fold(self.c[row][column], |sum, k| self.a[row][k].mul_add(self.b[k][column], sum))
    }

    fn exact(&self, row: usize, column: usize) -> f64 {
        (0..self.b.len()).map(|k| f64::from(self.a[row][k]) * f64::from(self.b[k][column])).sum::<f64>()
            + f64::from(self.c[row][column])
    }

    fn magnitude(&self, row: usize, column: usize) -> f64 {
        (0..self.b.len()).map(|k| f64::from(self.a[row][k] * self.b[k][column]).abs()).sum::<f64>()
            + f64::from(self.c[row][column].abs())
    }
}

fn refs<const N: usize>(registers: &[Lanes; N]) -> [&Lanes; N] {
    std::array::from_fn(|i| &registers[i])
}

/// Every shape and type with f32 accumulators, on one set of operands.
fn run(kind: Kind, o: &Operands, p: Perturbation) -> [Lanes; 4] {
    let c = registers::<4>(1, c_32, |row, column| o.c[row][column].to_bits());
    let f16 = |x: f32| u32::from(f32_to_f16(x, NearestEven));
    let bf16 = |x: f32| u32::from(f32_to_bf16(x, NearestEven));
    let mut d = [[0xdead_beef; 32]; 4];
    match kind {
        Kind::Bf16K16 => {
            let a = registers::<4>(2, a_16, |row, k| bf16(o.a[row][k]));
            let b = registers::<2>(2, b_16, |k, column| bf16(o.b[k][column]));
            m16n8k16_bf16(&mut d, refs(&a), refs(&b), refs(&c), p);
        }
        Kind::F16K16 => {
            let a = registers::<4>(2, a_16, |row, k| f16(o.a[row][k]));
            let b = registers::<2>(2, b_16, |k, column| f16(o.b[k][column]));
            m16n8k16_f16(&mut d, refs(&a), refs(&b), refs(&c), p);
        }
        Kind::Bf16K8 => {
            let a = registers::<2>(2, a_16, |row, k| bf16(o.a[row][k]));
            let b = registers::<1>(2, b_16, |k, column| bf16(o.b[k][column]));
            m16n8k8_bf16(&mut d, refs(&a), refs(&b), refs(&c), p);
        }
        Kind::F16K8 => {
            let a = registers::<2>(2, a_16, |row, k| f16(o.a[row][k]));
            let b = registers::<1>(2, b_16, |k, column| f16(o.b[k][column]));
            m16n8k8_f16(&mut d, refs(&a), refs(&b), refs(&c), p);
        }
        Kind::Tf32K8 => {
            // The low bits are not read: ones there change nothing.
            let a = registers::<4>(1, a_tf32, |row, k| o.a[row][k].to_bits() | 0x1fff);
            let b = registers::<2>(1, b_tf32, |k, column| o.b[k][column].to_bits() | 0x1fff);
            m16n8k8_tf32(&mut d, refs(&a), refs(&b), refs(&c), p);
        }
        Kind::Tf32K4 => {
            let a = registers::<2>(1, a_tf32, |row, k| o.a[row][k].to_bits() | 0x1fff);
            let b = registers::<1>(1, b_tf32, |k, column| o.b[k][column].to_bits() | 0x1fff);
            m16n8k4_tf32(&mut d, refs(&a), refs(&b), refs(&c), p);
        }
    }
    d
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Bf16K16,
    F16K16,
    Bf16K8,
    F16K8,
    Tf32K8,
    Tf32K4,
}

const KINDS: [Kind; 6] = [Kind::Bf16K16, Kind::F16K16, Kind::Bf16K8, Kind::F16K8, Kind::Tf32K8, Kind::Tf32K4];

impl Kind {
    fn k(self) -> usize {
        match self {
            Self::Bf16K16 | Self::F16K16 => 16,
            Self::Bf16K8 | Self::F16K8 | Self::Tf32K8 => 8,
            Self::Tf32K4 => 4,
        }
    }

    /// A value rounded to the type of the operands.
    fn round(self, x: f32) -> f32 {
        match self {
            Self::Bf16K16 | Self::Bf16K8 => bf16_to_f32(f32_to_bf16(x, NearestEven)),
            Self::F16K16 | Self::F16K8 => f16_to_f32(f32_to_f16(x, NearestEven)),
            Self::Tf32K8 | Self::Tf32K4 => f32::from_bits(x.to_bits() & 0xffff_e000),
        }
    }
}

#[test]
fn exact_products_follow_the_documented_order() {
    let mut random = Random(1);
    for kind in KINDS {
        for _ in 0..20 {
            let o = Operands::new(kind.k(), &mut random, |r| kind.round(r.dense(4)), |r| r.dense(6));
            let d = run(kind, &o, Perturbation::EXACT);
            for lane in 0..32 {
                for (i, register) in d.iter().enumerate() {
                    let (row, column) = c_32(lane, i);
                    assert_eq!(f32::from_bits(register[lane]), o.expected(row, column), "{kind:?} {row} {column}");
                }
            }
        }
    }
}

#[test]
fn subnormal_infinite_and_nan_operands() {
    let mut random = Random(2);
    for kind in KINDS {
        let mut o = Operands::new(kind.k(), &mut random, |r| kind.round(r.moderate(4)), |_| 0.0);
        o.a[3][1] = f32::INFINITY;
        o.b[1][5] = kind.round(-1.0);
        o.a[12][0] = f32::NAN;
        o.a[7].fill(0.0);
        // The least subnormal f16, or a small normal value: exact in each of the types.
        o.a[7][2] = 2f32.powi(-24);
        o.b[2][0] = kind.round(1024.0);
        for p in [Perturbation::EXACT, Perturbation::seeded(5)] {
            let d = run(kind, &o, p);
            for lane in 0..32 {
                for (i, register) in d.iter().enumerate() {
                    let (row, column) = c_32(lane, i);
                    let got = f32::from_bits(register[lane]);
                    if row == 12 {
                        assert_eq!(register[lane], 0x7fff_ffff, "{kind:?}");
                    } else if row == 3 && column == 5 {
                        assert_eq!(got, f32::NEG_INFINITY, "{kind:?}");
                    } else if row == 7 && column == 0 {
                        assert_eq!(got, 2f32.powi(-14), "{kind:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn perturbed_sums_stay_within_their_bound_and_differ() {
    let mut random = Random(3);
    for kind in KINDS {
        let (mut worst, mut changed) = (0.0f64, 0);
        for seed in 0..24 {
            let o = Operands::new(kind.k(), &mut random, |r| kind.round(r.dense(3)), |r| r.dense(5));
            let d = run(kind, &o, Perturbation::seeded(seed));
            for lane in 0..32 {
                for (i, register) in d.iter().enumerate() {
                    let (row, column) = c_32(lane, i);
                    let got = f64::from(f32::from_bits(register[lane]));
                    let k = kind.k() as f64;
                    // Blocks of at least 4; partial sums and products stay below the sum of magnitudes.
                    let bound = (k + 2.0 * k / 4.0) * o.magnitude(row, column) * 2f64.powi(-22);
                    let error = (got - o.exact(row, column)).abs() / bound;
                    assert!(error <= 1.0, "{kind:?} {error}");
                    worst = worst.max(error);
                    changed += usize::from(got != f64::from(o.expected(row, column)));
                }
            }
        }
        assert!(changed > 24 * 128 / 4, "{kind:?}: {changed} elements differ");
        assert!(worst > 0.02, "{kind:?}: {worst}");
    }
}

#[test]
fn f16_accumulators_are_rounded_once() {
    let mut random = Random(4);
    let f16 = |x: f32| f32_to_f16(x, NearestEven);
    for _ in 0..50 {
        let value = |r: &mut Random| f16_to_f32(f16(r.dense(3)));
        let o = Operands::new(16, &mut random, value, value);
        let c = registers::<2>(2, c_32, |row, column| f16(o.c[row][column]).into());
        let a = registers::<4>(2, a_16, |row, k| f16(o.a[row][k]).into());
        let b = registers::<2>(2, b_16, |k, column| f16(o.b[k][column]).into());
        let mut d = [[0; 32]; 2];
        m16n8k16_f16_f16(&mut d, refs(&a), refs(&b), refs(&c), Perturbation::EXACT);
        let expected = registers::<2>(2, c_32, |row, column| f16(o.expected(row, column)).into());
        assert_eq!(d, expected);
        let half = Operands { a: o.a.clone(), b: o.b[..8].to_vec(), c: o.c };
        m16n8k8_f16_f16(&mut d, [&a[0], &a[1]], [&b[0]], refs(&c), Perturbation::EXACT);
        let expected = registers::<2>(2, c_32, |row, column| f16(half.expected(row, column)).into());
        assert_eq!(d, expected);
    }
}

#[test]
fn integer_products_wrap_or_saturate() {
    let mut random = Random(5);
    for case in 0..64 {
        let (a_signed, b_signed, satfinite) = (case & 1 != 0, case & 2 != 0, case & 4 != 0);
        let mut byte = |signed: bool| {
            let raw = random.word() as u8;
            if signed { i64::from(raw as i8) } else { i64::from(raw) }
        };
        let a: Vec<Vec<i64>> = (0..16).map(|_| (0..32).map(|_| byte(a_signed)).collect()).collect();
        let b: Vec<Vec<i64>> = (0..32).map(|_| (0..8).map(|_| byte(b_signed)).collect()).collect();
        // Half of the accumulators stand near the end of the range.
        let c = registers::<4>(1, c_32, |row, column| if (row + column) % 2 == 0 { i32::MAX as u32 - 5 } else { 100 });
        let expected = |k: usize| {
            registers::<4>(1, c_32, |row, column| {
                let start = if (row + column) % 2 == 0 { i64::from(i32::MAX) - 5 } else { 100 };
                let sum = (0..k).map(|i| a[row][i] * b[i][column]).sum::<i64>() + start;
                (if satfinite { sum.clamp(i32::MIN.into(), i32::MAX.into()) } else { sum }) as u32
            })
        };
        let mode = IntegerMode { a_signed, b_signed, satfinite };
        let wide_a = registers::<4>(4, a_8, |row, k| a[row][k] as u8 as u32);
        let wide_b = registers::<2>(4, b_8, |k, column| b[k][column] as u8 as u32);
        let mut d = [[0; 32]; 4];
        m16n8k32_i8(&mut d, refs(&wide_a), refs(&wide_b), refs(&c), mode);
        assert_eq!(d, expected(32));
        m16n8k16_i8(&mut d, [&wide_a[0], &wide_a[1]], [&wide_b[0]], refs(&c), mode);
        assert_eq!(d, expected(16));
    }
}
