//! Arithmetic of `.f32` and `.f64`. Halves are in [`super::half`].

use super::decoder::Decoder;
use super::half;
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::Instruction;
use crate::counters::Class;
use crate::lanes::R32;
use crate::numeric::Rounding::{self, NearestEven};
use crate::numeric::arith::{self, Minmax, TestProperty};
use crate::numeric::convert::{ftz, saturate, saturate_f64};

type Result<T = ()> = std::result::Result<T, String>;

/// Whether the type of an instruction is a floating-point one.
pub(crate) fn is_float(m: &Modifiers<'_>) -> bool {
    m.has_type(|ty| !ty.is_integer() && ty != Type::Pred)
}

/// The modifiers that floating-point arithmetic shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub rounding: Rounding,
    pub flush: bool,
    pub saturate: bool,
    pub relu: bool,
    pub minmax: Minmax,
}

impl Mode {
    fn take(m: &mut Modifiers<'_>, opcode: &str) -> Self {
        let rounding = m.rounding().unwrap_or(NearestEven);
        let flush = m.take("ftz");
        // `.noftz` says what is the default.
        m.take("noftz");
        let selects = matches!(opcode, "min" | "max");
        let nan = selects && m.take("NaN");
        let xorsign_abs = selects && m.take("xorsign") && m.take("abs");
        let relu = opcode == "fma" && m.take("relu");
        Self { rounding, flush, saturate: m.take("sat"), relu, minmax: Minmax { nan, xorsign_abs } }
    }
}

pub(crate) fn arithmetic(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Float;
    let opcode = match instruction.opcode.as_str() {
        // From sm_20 on the two are the same.
        "mad" => "fma",
        opcode => opcode,
    };
    let mode = Mode::take(m, opcode);
    match m.ty()? {
        Type::F32 => single(decoder, instruction, opcode, mode),
        Type::F64 => double(decoder, instruction, opcode, mode),
        ty @ (Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2) => {
            half::arithmetic(decoder, instruction, opcode, ty, mode)
        }
        _ => Err("this type".to_owned()),
    }
}

fn single(decoder: &mut Decoder<'_>, instruction: &Instruction, opcode: &str, mode: Mode) -> Result {
    let [to, from @ ..] = instruction.operands.as_slice() else { return Err("a destination is missing".to_owned()) };
    let d = decoder.dest32(to, Type::F32)?;
    let sources = from.iter().map(|operand| decoder.source32(operand, Type::F32)).collect::<Result<Vec<_>>>()?;
    let rounding = mode.rounding;
    match (opcode, sources.as_slice(), rounding) {
        ("add", &[a, b], NearestEven) => binary(decoder, d, [a, b], mode, |a, b| arith::add(a, b, NearestEven)),
        ("add", &[a, b], _) => binary_rare(decoder, d, [a, b], mode, move |a, b| arith::add(a, b, rounding)),
        ("sub", &[a, b], NearestEven) => binary(decoder, d, [a, b], mode, |a, b| arith::sub(a, b, NearestEven)),
        ("sub", &[a, b], _) => binary_rare(decoder, d, [a, b], mode, move |a, b| arith::sub(a, b, rounding)),
        ("mul", &[a, b], NearestEven) => binary(decoder, d, [a, b], mode, |a, b| arith::mul(a, b, NearestEven)),
        ("mul", &[a, b], _) => binary_rare(decoder, d, [a, b], mode, move |a, b| arith::mul(a, b, rounding)),
        ("div", &[a, b], NearestEven) => binary(decoder, d, [a, b], mode, |a, b| arith::div(a, b, NearestEven)),
        ("div", &[a, b], _) => binary_rare(decoder, d, [a, b], mode, move |a, b| arith::div(a, b, rounding)),
        ("min", &[a, b], _) => binary(decoder, d, [a, b], mode, move |a, b| arith::min(a, b, mode.minmax)),
        ("max", &[a, b], _) => binary(decoder, d, [a, b], mode, move |a, b| arith::max(a, b, mode.minmax)),
        ("fma", &[a, b, c], NearestEven) => {
            ternary(decoder, d, [a, b, c], mode, |a, b, c| arith::fma(a, b, c, NearestEven));
        }
        // The exponential of CUDA's library rounds one step down, so that too is worth a loop of its own.
        ("fma", &[a, b, c], Rounding::Down) => {
            ternary(decoder, d, [a, b, c], mode, |a, b, c| arith::fma(a, b, c, Rounding::Down));
        }
        ("fma", &[a, b, c], _) => {
            let Mode { flush, saturate: sat, .. } = mode;
            let operand = move |x: u32| if flush { ftz(f32::from_bits(x)) } else { f32::from_bits(x) };
            decoder.rare3(d, (a, b, c), move |a, b, c| {
                finish(arith::fma(operand(a), operand(b), operand(c), rounding), flush, sat)
            });
        }
        ("abs", &[a], _) => unary(decoder, d, a, mode, f32::abs),
        ("neg", &[a], _) => unary(decoder, d, a, mode, |a| -a),
        (_, found, _) => return Err(format!("this type, with {} operands", found.len() + 1)),
    }
    Ok(())
}

/// Wraps a function of numbers in `.ftz` and `.sat`.
fn unary(decoder: &mut Decoder<'_>, d: R32, a: R32, mode: Mode, f: impl Fn(f32) -> f32 + Send + Sync + 'static) {
    let (flush, sat) = (mode.flush, mode.saturate);
    if !flush && !sat {
        decoder.map1(
            d,
            a,
            #[inline(always)]
            move |a| f(f32::from_bits(a)).to_bits(),
        );
        return;
    }
    let operand = move |x: u32| if flush { ftz(f32::from_bits(x)) } else { f32::from_bits(x) };
    decoder.map1(
        d,
        a,
        #[inline(always)]
        move |a| finish(f(operand(a)), flush, sat),
    );
}

fn binary(
    decoder: &mut Decoder<'_>,
    d: R32,
    [a, b]: [R32; 2],
    mode: Mode,
    f: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
) {
    let (flush, sat) = (mode.flush, mode.saturate);
    if !flush && !sat {
        decoder.map2(
            d,
            a,
            b,
            #[inline(always)]
            move |a, b| f(f32::from_bits(a), f32::from_bits(b)).to_bits(),
        );
        return;
    }
    let operand = move |x: u32| if flush { ftz(f32::from_bits(x)) } else { f32::from_bits(x) };
    decoder.map2(
        d,
        a,
        b,
        #[inline(always)]
        move |a, b| finish(f(operand(a), operand(b)), flush, sat),
    );
}

/// [`binary`] for the directed roundings.
fn binary_rare(
    decoder: &mut Decoder<'_>,
    d: R32,
    [a, b]: [R32; 2],
    mode: Mode,
    f: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
) {
    let (flush, sat) = (mode.flush, mode.saturate);
    let operand = move |x: u32| if flush { ftz(f32::from_bits(x)) } else { f32::from_bits(x) };
    decoder.rare2(d, a, b, move |a, b| finish(f(operand(a), operand(b)), flush, sat));
}

fn ternary(
    decoder: &mut Decoder<'_>,
    d: R32,
    [a, b, c]: [R32; 3],
    mode: Mode,
    f: impl Fn(f32, f32, f32) -> f32 + Send + Sync + 'static,
) {
    let (flush, sat) = (mode.flush, mode.saturate);
    if !flush && !sat {
        decoder.map3(
            d,
            (a, b, c),
            #[inline(always)]
            move |a, b, c| f(f32::from_bits(a), f32::from_bits(b), f32::from_bits(c)).to_bits(),
        );
        return;
    }
    let operand = move |x: u32| if flush { ftz(f32::from_bits(x)) } else { f32::from_bits(x) };
    decoder.map3(
        d,
        (a, b, c),
        #[inline(always)]
        move |a, b, c| finish(f(operand(a), operand(b), operand(c)), flush, sat),
    );
}

#[inline(always)]
fn finish(x: f32, flush: bool, sat: bool) -> u32 {
    let x = if flush { ftz(x) } else { x };
    (if sat { saturate(x) } else { x }).to_bits()
}

fn double(decoder: &mut Decoder<'_>, instruction: &Instruction, opcode: &str, mode: Mode) -> Result {
    let [to, from @ ..] = instruction.operands.as_slice() else { return Err("a destination is missing".to_owned()) };
    let d = decoder.dest64(to)?;
    let sources = from.iter().map(|operand| decoder.source64(operand, Type::F64)).collect::<Result<Vec<_>>>()?;
    let (rounding, sat) = (mode.rounding, mode.saturate);
    let finish = move |x: f64| if sat { saturate_f64(x) } else { x };
    match (opcode, sources.as_slice()) {
        ("abs", &[a]) => decoder.rare1(d, a, |a| a & !(1 << 63)),
        ("neg", &[a]) => decoder.rare1(d, a, |a| a ^ (1 << 63)),
        ("fma", &[a, b, c]) => decoder.rare3(
            d,
            (a, b, c),
            #[inline(always)]
            move |a, b, c| {
                finish(arith::fma_f64(f64::from_bits(a), f64::from_bits(b), f64::from_bits(c), rounding)).to_bits()
            },
        ),
        (_, &[a, b]) => {
            let f: fn(f64, f64, Rounding) -> f64 = match opcode {
                "add" => arith::add_f64,
                "sub" => arith::sub_f64,
                "mul" => arith::mul_f64,
                "div" => arith::div_f64,
                "min" => |a, b, _| arith::min_f64(a, b),
                "max" => |a, b, _| arith::max_f64(a, b),
                _ => return Err("this type".to_owned()),
            };
            decoder.rare2(
                d,
                a,
                b,
                #[inline(always)]
                move |a, b| finish(f(f64::from_bits(a), f64::from_bits(b), rounding)).to_bits(),
            );
        }
        (_, found) => return Err(format!("{} operands", found.len() + 1)),
    }
    Ok(())
}

/// `copysign` and `testp`.
pub(crate) fn sign(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Float;
    if instruction.opcode == "copysign" {
        let ty = m.ty()?;
        let [to, a, b] = operands(instruction)?;
        if ty == Type::F64 {
            let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
            let sign = 1u64 << 63;
            decoder.rare2(d, a, b, move |a: u64, b: u64| a & sign | b & !sign);
        } else {
            let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
            let sign = 1u32 << 31;
            decoder.rare2(d, a, b, move |a: u32, b: u32| a & sign | b & !sign);
        }
        return Ok(());
    }
    let property = m.take_map(|name| {
        Some(match name {
            "finite" => TestProperty::Finite,
            "infinite" => TestProperty::Infinite,
            "number" => TestProperty::Number,
            "notanumber" => TestProperty::NotANumber,
            "normal" => TestProperty::Normal,
            "subnormal" => TestProperty::Subnormal,
            _ => return None,
        })
    });
    let property = property.ok_or("a property is missing")?;
    let ty = m.ty()?;
    let [to, a] = operands(instruction)?;
    let d = decoder.dest_pred(to)?;
    if ty == Type::F64 {
        let a = decoder.source64(a, ty)?;
        decoder.rare1(d, a, move |a| arith::testp_f64(property, f64::from_bits(a)));
    } else {
        let a = decoder.source32(a, ty)?;
        decoder.rare1(d, a, move |a| arith::testp(property, f32::from_bits(a)));
    }
    Ok(())
}
