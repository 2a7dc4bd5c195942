//! Approximate functions: correctly rounded, or off by up to their documented bound.
//!
//! Bounds and special values are those of the PTX ISA, section of each instruction. A bound holds from the exact result to the
//! returned one, so the drawn error leaves room for the rounding to `f32`. Results that the ISA's tables of special values fix,
//! such as 2^0 = 1, do not err. `.ftz` flushes a subnormal operand and a subnormal result to a zero of its sign.

use super::convert::{canonical, canonical_f64, ftz};
use super::half16::{self, Half};
use super::{NAN_F32, Perturbation, elementary, narrow};

/// Tells operations apart where errors are drawn.
mod operation {
    pub const EX2: u32 = 1;
    pub const LG2: u32 = 2;
    pub const RCP: u32 = 3;
    pub const RSQRT: u32 = 4;
    pub const SQRT: u32 = 5;
    pub const SIN: u32 = 6;
    pub const COS: u32 = 7;
    pub const TANH: u32 = 8;
    pub const DIV: u32 = 9;
    pub const EX2_HALF: u32 = 10;
    pub const TANH_HALF: u32 = 11;
}

/// 2^-24: the most by which rounding to `f32` moves a normal result, relatively; a little more, for the product of two errors.
const ROUNDING: f64 = 1.0001 / (1u64 << 24) as f64;

/// A documented bound less what the last rounding may take of it.
const fn bound(power: f64, rounding: f64) -> f64 {
    power - rounding
}

/// `exact` with a relative error of up to `bound`.
#[inline(always)]
fn relative(exact: f64, bound: f64, p: Perturbation, operation: u32, input: u64) -> f64 {
    exact * (1.0 + bound * p.draw(operation, input))
}

/// `exact` with an error of up to `units` units in the last place of an `f32`, its rounding to `f32` included.
#[inline(always)]
fn ulps(exact: f64, units: f64, p: Perturbation, operation: u32, input: u64) -> f64 {
    // The power of two at or below the result, times 2^-23; below the normal range the unit is constant.
    let power = f64::from_bits(exact.to_bits() & 0x7ff0_0000_0000_0000);
    let unit = (power / (1u64 << 23) as f64).max(f64::from(f32::from_bits(1)));
    let error = (units - 0.5001) * unit * p.draw(operation, input);
    if exact.is_finite() { exact + error } else { exact }
}

#[inline(always)]
fn flush(x: f32, enabled: bool) -> f32 {
    if enabled { ftz(x) } else { x }
}

/// Rounds to `f32`, canonical NaN included.
#[inline(always)]
fn round(x: f64) -> f32 {
    canonical(x as f32)
}

/// `ex2.approx.f32`: 2^x. Relative error at most 2^-22, and none for whole numbers: CUDA's `tanh` and `erf` of `double` take their exact
/// powers of two from it.
#[inline(always)]
pub(crate) fn ex2(x: f32, ftz: bool, p: Perturbation) -> f32 {
    let x = flush(x, ftz);
    // Beyond these every result is 0 or infinite.
    let bounded = f64::from(x).clamp(-200.0, 200.0);
    let y = elementary::exp2(bounded);
    let zero_or_subnormal = x.abs() < f32::MIN_POSITIVE;
    let is_whole = bounded == bounded.trunc();
    let error = if is_whole { 0.0 } else { bound(1.0 / (1u64 << 22) as f64, ROUNDING) };
    let y = if zero_or_subnormal { 1.0 } else { relative(y, error, p, operation::EX2, x.to_bits().into()) };
    canonical(if x.is_nan() { x } else { flush(y as f32, ftz) })
}

/// `lg2.approx.f32`: log2(x). Absolute error at most 2^-22 for x between 1/2 and 2, relative error at most 2^-22 elsewhere.
#[inline(always)]
pub(crate) fn lg2(x: f32, ftz: bool, p: Perturbation) -> f32 {
    let x = flush(x, ftz);
    let y = elementary::log2(f64::from(x));
    let magnitude = if x > 0.5 && x < 2.0 { 1.0 } else { y };
    let error = bound(1.0 / (1u64 << 22) as f64, ROUNDING);
    let erring = y + magnitude * (error * p.draw(operation::LG2, x.to_bits().into()));
    let result = flush(erring as f32, ftz);
    if x > 0.0 && x < f32::INFINITY {
        result
    } else if x == 0.0 {
        f32::NEG_INFINITY
    } else if x > 0.0 {
        f32::INFINITY
    } else {
        NAN_F32
    }
}

/// `rcp.approx.f32`: 1 / x. Error at most 1 unit in the last place.
#[inline(always)]
pub(crate) fn rcp(x: f32, ftz: bool, p: Perturbation) -> f32 {
    let x = flush(x, ftz);
    let exact = 1.0 / f64::from(x);
    let y = ulps(exact, 1.0, p, operation::RCP, x.to_bits().into());
    flush(round(if x.is_infinite() { exact } else { y }), ftz)
}

/// `rsqrt.approx.f32`: 1 / sqrt(x). Relative error at most 2^-22.9.
#[inline(always)]
pub(crate) fn rsqrt(x: f32, ftz: bool, p: Perturbation) -> f32 {
    const BOUND: f64 = bound(1.277_653e-7, ROUNDING);
    let x = flush(x, ftz);
    // The reciprocal root of -0 is -inf, as its root is -0.
    let exact = 1.0 / f64::from(x).sqrt();
    let y = relative(exact, BOUND, p, operation::RSQRT, x.to_bits().into());
    flush(round(if exact.is_infinite() { exact } else { y }), ftz)
}

/// `sqrt.approx.f32`. Relative error at most 2^-23.
#[inline(always)]
pub(crate) fn sqrt(x: f32, ftz: bool, p: Perturbation) -> f32 {
    let x = flush(x, ftz);
    let exact = f64::from(x).sqrt();
    let error = bound(1.0 / (1u64 << 23) as f64, ROUNDING);
    let y = relative(exact, error, p, operation::SQRT, x.to_bits().into());
    flush(round(if exact.is_infinite() { exact } else { y }), ftz)
}

/// The bound of sine and cosine: absolute error at most 2^-20.5 within two turns, 2^-14.7 further out.
#[inline(always)]
fn circular_bound(x: f32) -> f64 {
    let near = x.abs() <= 2.0 * std::f32::consts::PI;
    if near { bound(6.743_496e-7, ROUNDING) } else { bound(3.757_154e-5, ROUNDING) }
}

/// `sin.approx.f32`. Absolute error at most 2^-20.5 on [-2 pi, 2 pi] and 2^-14.7 on [-100 pi, 100 pi]; the ISA says nothing of
/// larger arguments, and the latter is kept there.
#[inline(always)]
pub(crate) fn sin(x: f32, ftz: bool, p: Perturbation) -> f32 {
    let x = flush(x, ftz);
    let exact = libm::sin(f64::from(x));
    let error = circular_bound(x) * p.draw(operation::SIN, x.to_bits().into());
    // A zero keeps its sign, which an added zero error would lose.
    flush(round(if x == 0.0 || p.is_exact() { exact } else { exact + error }), ftz)
}

/// `cos.approx.f32`. Bounds as for [`sin`].
#[inline(always)]
pub(crate) fn cos(x: f32, ftz: bool, p: Perturbation) -> f32 {
    let x = flush(x, ftz);
    let exact = libm::cos(f64::from(x));
    let error = circular_bound(x) * p.draw(operation::COS, x.to_bits().into());
    flush(round(if x == 0.0 { exact } else { exact + error }), ftz)
}

/// `tanh.approx.f32`. Relative error at most 2^-11; subnormal operands are kept.
#[inline(always)]
pub(crate) fn tanh(x: f32, p: Perturbation) -> f32 {
    let exact = libm::tanh(f64::from(x));
    let error = bound(1.0 / 2048.0, ROUNDING);
    let y = relative(exact, error, p, operation::TANH, x.to_bits().into());
    round(if x.is_infinite() { exact } else { y })
}

/// `div.approx.f32`: a / b. Error at most 2 units in the last place for |b| from 2^-126 to 2^126; a larger finite |b| gives 0, or
/// NaN for an infinite a.
#[inline(always)]
pub(crate) fn div(a: f32, b: f32, ftz: bool, p: Perturbation) -> f32 {
    const LIMIT: f32 = f32::from_bits((126 + 127) << 23);
    let (a, b) = (flush(a, ftz), flush(b, ftz));
    let huge = b.abs() > LIMIT && b.is_finite();
    let quotient = div_full(a, b, ftz, p);
    // What the reciprocal of a huge divisor flushes to, times the dividend.
    let flushed = canonical(a * 0f32.copysign(b));
    if huge { flushed } else { quotient }
}

/// `div.full.f32`: a / b. Error at most 2 units in the last place.
#[inline(always)]
pub(crate) fn div_full(a: f32, b: f32, ftz: bool, p: Perturbation) -> f32 {
    let (a, b) = (flush(a, ftz), flush(b, ftz));
    let exact = f64::from(a) / f64::from(b);
    let input = u64::from(a.to_bits()) << 32 | u64::from(b.to_bits());
    let y = ulps(exact, 2.0, p, operation::DIV, input);
    let special = exact == 0.0 || !a.is_finite() || !b.is_finite();
    flush(round(if special { exact } else { y }), ftz)
}

/// `ex2.approx.f16`. Relative error at most 2^-9.9.
#[inline(always)]
pub(crate) fn ex2_f16(x: u16, p: Perturbation) -> u16 {
    // Rounding to f16 may take 2^-11 of it.
    const BOUND: f64 = bound(1.046_653e-3, 1.001 / 2048.0);
    half_function::<half16::F16>(x, elementary_ex2, BOUND, operation::EX2_HALF, p)
}

/// `ex2.approx.ftz.bf16`. Relative error at most 2^-7.
#[inline(always)]
pub(crate) fn ex2_bf16(x: u16, p: Perturbation) -> u16 {
    const BOUND: f64 = bound(1.0 / 128.0, 1.01 / 256.0);
    let y = half_function::<half16::Bf16>(flush_bf16(x), elementary_ex2, BOUND, operation::EX2_HALF, p);
    flush_bf16(y)
}

/// `tanh.approx.f16`. Absolute error at most 2^-10.987.
#[inline(always)]
pub(crate) fn tanh_f16(x: u16, p: Perturbation) -> u16 {
    // Results lie within [-1, 1], where rounding to f16 moves by at most 2^-12, and a relative error is no larger an absolute one.
    const BOUND: f64 = bound(4.927_009e-4, 1.001 / 4096.0);
    half_function::<half16::F16>(x, libm::tanh, BOUND, operation::TANH_HALF, p)
}

/// `tanh.approx.bf16`. Absolute error at most 2^-8.
#[inline(always)]
pub(crate) fn tanh_bf16(x: u16, p: Perturbation) -> u16 {
    const BOUND: f64 = bound(1.0 / 256.0, 1.01 / 512.0);
    half_function::<half16::Bf16>(x, libm::tanh, BOUND, operation::TANH_HALF, p)
}

#[inline(always)]
fn elementary_ex2(x: f64) -> f64 {
    elementary::exp2(x.clamp(-400.0, 400.0))
}

#[inline(always)]
fn flush_bf16(x: u16) -> u16 {
    if x & 0x7f80 == 0 { x & 0x8000 } else { x }
}

/// A function of a 16-bit value, with a relative error of up to `bound`. Zeros and infinities do not err.
#[inline(always)]
fn half_function<H: Half>(x: u16, f: impl Fn(f64) -> f64, bound: f64, operation: u32, p: Perturbation) -> u16 {
    let value = f64::from(H::widen(x));
    let exact = f(value);
    let y = relative(exact, bound, p, operation, x.into());
    let fixed = value == 0.0 || value.is_infinite();
    let result = H::narrow(narrow::f64_to_f32_odd(if fixed { exact } else { y }));
    if value.is_nan() { 0x7fff } else { result }
}

/// The high word of an `f64`, the low one zero, subnormals flushed: all that `.approx.ftz.f64` reads and writes.
#[inline(always)]
fn high_word(x: f64) -> f64 {
    let bits = x.to_bits() & 0xffff_ffff_0000_0000;
    let exponent = bits & 0x7ff0_0000_0000_0000;
    f64::from_bits(if exponent == 0 { bits & 1 << 63 } else { bits })
}

/// `rcp.approx.ftz.f64`: 1 / x from and to the high word, 20 bits of mantissa. The ISA states no bound; one unit of that word is
/// drawn.
#[inline(always)]
pub(crate) fn rcp_f64(x: f64, p: Perturbation) -> f64 {
    let x = if x.is_nan() { x } else { high_word(x) };
    high_word_result(1.0 / x, x, operation::RCP, p)
}

/// `rsqrt.approx.f64`, which `rsqrt(double)` of CUDA C++ becomes with a documented error of 1 unit in the last place. It is not
/// perturbed: two roundings leave no more than that.
#[inline(always)]
pub(crate) fn rsqrt_f64(x: f64) -> f64 {
    canonical_f64(1.0 / x.sqrt())
}

/// `rsqrt.approx.ftz.f64`: 1 / sqrt(x) from and to the high word, as [`rcp_f64`].
#[inline(always)]
pub(crate) fn rsqrt_high_word(x: f64, p: Perturbation) -> f64 {
    let x = if x.is_nan() { x } else { high_word(x) };
    high_word_result(1.0 / x.sqrt(), x, operation::RSQRT, p)
}

#[inline(always)]
fn high_word_result(y: f64, x: f64, operation: u32, p: Perturbation) -> f64 {
    let erring = relative(y, 1.0 / (1u64 << 21) as f64, p, operation, x.to_bits());
    canonical_f64(if y.is_finite() { high_word(erring) } else { y })
}
