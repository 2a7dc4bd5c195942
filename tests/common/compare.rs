//! The one rule by which a result counts as right (docs/numerics.md).
//!
//! The error of a kernel may be at most twice the error of `naive`, the plain computation in the op's own precision, plus two units
//! in the last place of the largest |reference|. It is asked of each row by its largest error, and of the whole tensor by its root
//! mean square, which a single bad naive element cannot loosen. NaN and infinities must stand where the oracle has them.

use std::fmt;

use warpsmith::{DType, Float};

/// How many times the naive error a kernel may have.
pub const FACTOR: f64 = 2.0;

/// Distance between neighbouring values of a type at a magnitude; below the normal range, the distance of its subnormals.
pub fn ulp(dtype: DType, magnitude: f64) -> f64 {
    let (digits, least_exponent) = match dtype {
        DType::F32 => (24, -126),
        DType::F16 => (11, -14),
        DType::Bf16 => (8, -126),
        other => panic!("{other} has no units in the last place"),
    };
    // The exponent field of a f64; zero and the subnormals of f64 lie far below every least exponent.
    let exponent = ((magnitude.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    2f64.powi(exponent.max(least_exponent) - (digits - 1))
}

/// What even a perfect kernel is granted: two units in the last place of the largest |reference| of a row.
pub fn tiny(dtype: DType, largest: f64) -> f64 {
    2.0 * ulp(dtype, largest)
}

/// A result and what it is judged by, row-major `[rows, cols]`.
pub struct Comparison<'a, T> {
    /// What is compared, for the report.
    pub name: &'a str,
    /// Length of a row.
    pub cols: usize,
    /// What the kernel gave.
    pub got: &'a [T],
    /// The truth, in f64.
    pub oracle: &'a [f64],
    /// The plain computation in the op's own precision.
    pub naive: &'a [T],
}

/// Where and how a result broke the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// What was compared.
    pub name: String,
    /// Which part of the rule was broken.
    pub rule: Rule,
    /// The worst element of the row, or of the tensor.
    pub row: usize,
    /// Its column.
    pub col: usize,
    /// What the kernel gave there.
    pub got: f64,
    /// What is true there.
    pub oracle: f64,
    /// What the naive computation gave there.
    pub naive: f64,
    /// The error that was judged.
    pub error: f64,
    /// The most that it may be.
    pub bound: f64,
}

/// The parts of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// NaN where the oracle has NaN, an infinity of the same sign where it has one, a number elsewhere.
    Class,
    /// Largest error of a row.
    Row,
    /// Root mean square error of the tensor.
    Tensor,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rule, row, col, got, oracle, naive, error, bound } = self;
        write!(
            f,
            "{name}: {rule:?} rule broken, worst at [{row}, {col}]: got {got:e}, reference {oracle:e}, naive {naive:e}; \
             error {error:.3e}, bound {bound:.3e}"
        )
    }
}

/// What is left of the bounds: the largest error over its bound, by rows and for the tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// Worst row.
    pub row: f64,
    /// The tensor.
    pub tensor: f64,
}

impl<T: Float> Comparison<'_, T> {
    /// Applies the rule with [`FACTOR`]; the worst ratios when it holds.
    pub fn check(&self) -> Result<Margin, Mismatch> {
        self.check_with(FACTOR)
    }

    /// Applies the rule and panics with the report when it is broken.
    pub fn assert(&self) -> Margin {
        self.check().unwrap_or_else(|mismatch| panic!("{mismatch}"))
    }

    /// Applies the rule with a factor of the family's own.
    pub fn check_with(&self, factor: f64) -> Result<Margin, Mismatch> {
        self.check_granting(factor, |_| 0.0)
    }

    /// The same, granting each row some more: what is lost where large terms cancel, by an analysis of the op.
    pub fn check_granting(&self, factor: f64, granted: impl Fn(usize) -> f64) -> Result<Margin, Mismatch> {
        let count = self.got.len();
        assert!(
            self.cols > 0 && count > 0 && count.is_multiple_of(self.cols),
            "{}: {count} elements in rows of {}",
            self.name,
            self.cols
        );
        assert!(
            self.oracle.len() == count && self.naive.len() == count,
            "{}: the references have other lengths",
            self.name
        );
        if let Some(index) = (0..count).find(|&i| class(self.got[i]) != class(T::from_f64(self.oracle[i]))) {
            return Err(self.mismatch(Rule::Class, index, f64::NAN, f64::NAN));
        }
        let mut margin = Margin { row: 0.0, tensor: 0.0 };
        let (mut got_squares, mut naive_squares, mut tiny_squares) = (0.0, 0.0, 0.0);
        let mut worst = (0, -1.0);
        for start in (0..count).step_by(self.cols) {
            let row = start..start + self.cols;
            let largest = row.clone().map(|i| self.oracle[i].abs()).filter(|v| v.is_finite()).fold(0.0, f64::max);
            let naive_error = row.clone().map(|i| self.naive_error(i)).fold(0.0, f64::max);
            // Not `fold(f64::max)`, which would drop a NaN: the last largest by total order, in which NaN is above all numbers.
            let (index, error) = row
                .clone()
                .map(|i| (i, self.error(i)))
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .expect("a row has at least one element");
            let tiny = tiny(T::DTYPE, largest) + granted(start / self.cols);
            let bound = factor * naive_error + tiny;
            if !within(error, bound) {
                return Err(self.mismatch(Rule::Row, index, error, bound));
            }
            margin.row = margin.row.max(error / bound);
            if error > worst.1 {
                worst = (index, error);
            }
            for i in row {
                got_squares += self.error(i).powi(2);
                naive_squares += self.naive_error(i).powi(2);
                tiny_squares += tiny * tiny;
            }
        }
        let root_mean = |squares: f64| (squares / count as f64).sqrt();
        let (error, bound) = (root_mean(got_squares), factor * root_mean(naive_squares) + root_mean(tiny_squares));
        if !within(error, bound) {
            return Err(self.mismatch(Rule::Tensor, worst.0, error, bound));
        }
        margin.tensor = error / bound;
        Ok(margin)
    }

    /// |got - oracle|; equal infinities and NaN, whose positions were compared before, count as no error.
    fn error(&self, i: usize) -> f64 {
        if self.oracle[i].is_finite() && self.got[i].to_f64().is_finite() {
            (self.got[i].to_f64() - self.oracle[i]).abs()
        } else {
            0.0
        }
    }

    /// |naive - oracle|. Where naive overflows or is NaN while the oracle is a number, it grants nothing.
    fn naive_error(&self, i: usize) -> f64 {
        let error = (self.naive[i].to_f64() - self.oracle[i]).abs();
        if error.is_finite() { error } else { 0.0 }
    }

    fn mismatch(&self, rule: Rule, index: usize, error: f64, bound: f64) -> Mismatch {
        Mismatch {
            name: self.name.to_owned(),
            rule,
            row: index / self.cols,
            col: index % self.cols,
            got: self.got[index].to_f64(),
            oracle: self.oracle[index],
            naive: self.naive[index].to_f64(),
            error,
            bound,
        }
    }
}

/// Whether an error is known to be within its bound: a NaN on either side is not.
fn within(error: f64, bound: f64) -> bool {
    error <= bound
}

#[derive(PartialEq, Eq)]
enum Class {
    Number,
    NotANumber,
    PlusInfinity,
    MinusInfinity,
}

fn class<T: Float>(value: T) -> Class {
    let value = value.to_f64();
    if value.is_nan() {
        Class::NotANumber
    } else if value == f64::INFINITY {
        Class::PlusInfinity
    } else if value == f64::NEG_INFINITY {
        Class::MinusInfinity
    } else {
        Class::Number
    }
}

/// Panics with the first coordinate at which two results of the same shape `[rows, cols]` differ in any bit.
pub fn assert_bits_equal<T: Float>(name: &str, cols: usize, got: &[T], expected: &[T]) {
    assert_eq!(got.len(), expected.len(), "{name}: lengths differ");
    // Widening to f64 keeps every bit that matters: sign, value, infinities; and NaN is compared as NaN.
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    if let Some(i) = (0..got.len()).find(|&i| !same(got[i].to_f64(), expected[i].to_f64())) {
        panic!("{name}: bits differ at [{}, {}]: got {:?}, expected {:?}", i / cols, i % cols, got[i], expected[i]);
    }
}
