//! Approximate functions, and roots and reciprocals with a rounding.

use super::decoder::{Decoder, lanes};
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::Instruction;
use crate::counters::Class;
use crate::exec::{Env, Warp};
use crate::lanes::{R32, R64, Slot, lanes_of};
use crate::numeric::convert::ftz;
use crate::numeric::{Perturbation, Rounding, approx, arith};

type Result<T = ()> = std::result::Result<T, String>;

/// A function of one lane that errs as a perturbation says, behind a pointer.
type Perturbed<T> = Box<dyn Fn(T, Perturbation) -> T + Send + Sync>;

/// `d = f(a)`, off by what the launch's perturbation says. Exact results, the usual case, have a loop of their own.
fn approximate<S: Slot>(
    decoder: &mut Decoder<'_>,
    d: S,
    a: S,
    f: impl Fn(S::Value, Perturbation) -> S::Value + Copy + Send + Sync + 'static,
) {
    let perturbed: Perturbed<S::Value> = Box::new(f);
    decoder.plain(
        #[inline(always)]
        move |warp, env, mask| {
            if env.context.perturbation.is_exact() {
                let a = a.load(warp);
                d.store(warp, mask, lanes(|lane| f(a[lane], Perturbation::EXACT)));
            } else {
                call_lanes(warp, env, mask, (d, a), &perturbed);
            }
        },
    );
}

/// [`approximate`] for functions that are rare.
fn approximate_rare<S: Slot>(
    decoder: &mut Decoder<'_>,
    d: S,
    a: S,
    f: impl Fn(S::Value, Perturbation) -> S::Value + Send + Sync + 'static,
) {
    let f: Perturbed<S::Value> = Box::new(f);
    decoder.simple(move |warp, env, mask| call_lanes(warp, env, mask, (d, a), &f));
}

#[inline(never)]
fn call_lanes<S: Slot>(warp: &mut Warp, env: &Env<'_>, mask: u32, (d, a): (S, S), f: &Perturbed<S::Value>) {
    let mut out = a.load(warp);
    for lane in lanes_of(mask) {
        out[lane] = f(out[lane], env.context.perturbation);
    }
    d.store(warp, mask, out);
}

/// The same for numbers.
fn approximate32(
    decoder: &mut Decoder<'_>,
    d: R32,
    a: R32,
    f: impl Fn(f32, Perturbation) -> f32 + Copy + Send + Sync + 'static,
) {
    approximate(
        decoder,
        d,
        a,
        #[inline(always)]
        move |x, p| f(f32::from_bits(x), p).to_bits(),
    );
}

pub(crate) fn special(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::SpecialFunction;
    if instruction.opcode == "div" {
        return divide(decoder, instruction, m);
    }
    let opcode = instruction.opcode.as_str();
    let approximates = m.take("approx");
    let rounding = if approximates { None } else { m.rounding() };
    let flush = m.take("ftz");
    let ty = m.ty()?;
    let [to, a] = operands(instruction)?;
    if ty == Type::F64 {
        let (d, a) = (decoder.dest64(to)?, decoder.source64(a, ty)?);
        return double(decoder, (opcode, rounding, flush), d, a);
    }
    let (d, a) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?);
    match (opcode, ty, rounding) {
        ("rcp", Type::F32, Some(rounding)) => rounded(decoder, d, a, flush, rounding, arith::rcp),
        ("sqrt", Type::F32, Some(rounding)) => rounded(decoder, d, a, flush, rounding, arith::sqrt),
        ("ex2", Type::F32, None) => approximate32(
            decoder,
            d,
            a,
            #[inline(always)]
            move |x, p| approx::ex2(x, flush, p),
        ),
        ("lg2", Type::F32, None) => approximate32(
            decoder,
            d,
            a,
            #[inline(always)]
            move |x, p| approx::lg2(x, flush, p),
        ),
        ("rcp", Type::F32, None) => approximate32(
            decoder,
            d,
            a,
            #[inline(always)]
            move |x, p| approx::rcp(x, flush, p),
        ),
        ("rsqrt", Type::F32, None) => approximate32(
            decoder,
            d,
            a,
            #[inline(always)]
            move |x, p| approx::rsqrt(x, flush, p),
        ),
        ("sqrt", Type::F32, None) => approximate32(
            decoder,
            d,
            a,
            #[inline(always)]
            move |x, p| approx::sqrt(x, flush, p),
        ),
        ("sin", Type::F32, None) => {
            approximate_rare(decoder, d, a, move |x, p| approx::sin(f32::from_bits(x), flush, p).to_bits())
        }
        ("cos", Type::F32, None) => {
            approximate_rare(decoder, d, a, move |x, p| approx::cos(f32::from_bits(x), flush, p).to_bits())
        }
        // By its name alone the function would be compiled for the baseline, behind a call.
        #[allow(clippy::redundant_closure)]
        ("tanh", Type::F32, None) => approximate32(
            decoder,
            d,
            a,
            #[inline(always)]
            |x, p| approx::tanh(x, p),
        ),
        ("ex2", Type::F16 | Type::F16x2, None) => halves(decoder, d, a, approx::ex2_f16),
        ("ex2", Type::Bf16 | Type::Bf16x2, None) => halves(decoder, d, a, approx::ex2_bf16),
        ("tanh", Type::F16 | Type::F16x2, None) => halves(decoder, d, a, approx::tanh_f16),
        ("tanh", Type::Bf16 | Type::Bf16x2, None) => halves(decoder, d, a, approx::tanh_bf16),
        _ => return Err("this type and rounding".to_owned()),
    }
    Ok(())
}

fn rounded(decoder: &mut Decoder<'_>, d: R32, a: R32, flush: bool, rounding: Rounding, f: fn(f32, Rounding) -> f32) {
    decoder.rare1(d, a, move |x| {
        let x = f32::from_bits(x);
        let y = f(if flush { ftz(x) } else { x }, rounding);
        (if flush { ftz(y) } else { y }).to_bits()
    });
}

fn halves(decoder: &mut Decoder<'_>, d: R32, a: R32, f: impl Fn(u16, Perturbation) -> u16 + Send + Sync + 'static) {
    approximate_rare(
        decoder,
        d,
        a,
        #[inline(always)]
        move |x: u32, p| u32::from(f(x as u16, p)) | u32::from(f((x >> 16) as u16, p)) << 16,
    );
}

fn double(decoder: &mut Decoder<'_>, form: (&str, Option<Rounding>, bool), d: R64, a: R64) -> Result {
    match form {
        ("rcp", Some(rounding), false) => {
            decoder.rare1(d, a, move |x| arith::rcp_f64(f64::from_bits(x), rounding).to_bits())
        }
        ("sqrt", Some(rounding), false) => {
            decoder.rare1(d, a, move |x| arith::sqrt_f64(f64::from_bits(x), rounding).to_bits())
        }
        ("rcp", None, true) => approximate_rare(decoder, d, a, |x, p| approx::rcp_f64(f64::from_bits(x), p).to_bits()),
        ("rsqrt", None, true) => {
            approximate_rare(decoder, d, a, |x, p| approx::rsqrt_high_word(f64::from_bits(x), p).to_bits())
        }
        ("rsqrt", None, false) => decoder.rare1(d, a, |x| approx::rsqrt_f64(f64::from_bits(x)).to_bits()),
        _ => return Err("this type and rounding".to_owned()),
    }
    Ok(())
}

/// `div.approx` and `div.full`.
fn divide(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let full = m.take_any(&["approx", "full"]) == Some("full");
    let flush = m.take("ftz");
    if m.ty()? != Type::F32 {
        return Err("this type".to_owned());
    }
    let [to, a, b] = operands(instruction)?;
    let d = decoder.dest32(to, Type::F32)?;
    let (a, b) = (decoder.source32(a, Type::F32)?, decoder.source32(b, Type::F32)?);
    decoder.plain(
        #[inline(always)]
        move |warp, env, mask| {
            let (a, b) = (a.load(warp).map(f32::from_bits), b.load(warp).map(f32::from_bits));
            let p = env.context.perturbation;
            let out = if full {
                lanes(|lane| approx::div_full(a[lane], b[lane], flush, p).to_bits())
            } else {
                lanes(|lane| approx::div(a[lane], b[lane], flush, p).to_bits())
            };
            d.store(warp, mask, out);
        },
    );
    Ok(())
}
