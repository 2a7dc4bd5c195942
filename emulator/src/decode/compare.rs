//! `setp`, `set`, `selp`, `slct`.

use super::decoder::Decoder;
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::lanes::Pred;
use crate::numeric::convert::{bf16_to_f32, f16_to_f32, ftz};

type Result<T = ()> = std::result::Result<T, String>;

/// Which outcomes of a comparison give true.
#[derive(Clone, Copy, Debug)]
struct Relation {
    less: bool,
    equal: bool,
    greater: bool,
    unordered: bool,
    /// `lo`, `ls`, `hi`, `hs`: the numbers are unsigned whatever the type says.
    unsigned: bool,
}

impl Relation {
    fn parse(name: &str) -> Option<Self> {
        let of = |less, equal, greater, unordered, unsigned| Some(Self { less, equal, greater, unordered, unsigned });
        match name {
            "eq" => of(false, true, false, false, false),
            "ne" => of(true, false, true, false, false),
            "lt" => of(true, false, false, false, false),
            "le" => of(true, true, false, false, false),
            "gt" => of(false, false, true, false, false),
            "ge" => of(false, true, true, false, false),
            "lo" => of(true, false, false, false, true),
            "ls" => of(true, true, false, false, true),
            "hi" => of(false, false, true, false, true),
            "hs" => of(false, true, true, false, true),
            "equ" => of(false, true, false, true, false),
            "neu" => of(true, false, true, true, false),
            "ltu" => of(true, false, false, true, false),
            "leu" => of(true, true, false, true, false),
            "gtu" => of(false, false, true, true, false),
            "geu" => of(false, true, true, true, false),
            "num" => of(true, true, true, false, false),
            "nan" => of(false, false, false, true, false),
            _ => None,
        }
    }

    /// The relation between two ordered numbers.
    #[inline(always)]
    fn integers<T: Ord>(self, a: T, b: T) -> bool {
        self.less & (a < b) | self.equal & (a == b) | self.greater & (a > b)
    }

    /// The relation between two floating-point numbers.
    #[inline(always)]
    fn floats<T: PartialOrd + Copy>(self, a: T, b: T) -> bool {
        #[allow(clippy::eq_op)] // True of NaN alone.
        let unordered = (a != a) | (b != b);
        self.less & (a < b) | self.equal & (a == b) | self.greater & (a > b) | self.unordered & unordered
    }
}

/// How the outcome is combined with a predicate.
#[derive(Clone, Copy, Debug)]
enum Combine {
    And,
    Or,
    Xor,
}

impl Combine {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "and" => Some(Self::And),
            "or" => Some(Self::Or),
            "xor" => Some(Self::Xor),
            _ => None,
        }
    }

    fn apply(self, a: u32, b: u32) -> u32 {
        match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
        }
    }
}

pub(crate) fn compare(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    match instruction.opcode.as_str() {
        "setp" => setp(decoder, instruction, m),
        "set" => set(decoder, instruction, m),
        "selp" => selp(decoder, instruction, m),
        _ => slct(decoder, instruction, m),
    }
}

/// The outcome of a comparison as a predicate.
fn outcome(
    decoder: &mut Decoder<'_>,
    to: Pred,
    relation: Relation,
    flush: bool,
    ty: Type,
    a: &Operand,
    b: &Operand,
) -> Result {
    let signed = ty.is_signed() && !relation.unsigned;
    if ty.is_wide() {
        let (a, b) = (decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        match ty {
            Type::F64 => decoder.rare2(
                to,
                a,
                b,
                #[inline(always)]
                move |a, b| relation.floats(f64::from_bits(a), f64::from_bits(b)),
            ),
            _ if signed => decoder.map2(
                to,
                a,
                b,
                #[inline(always)]
                move |a, b| relation.integers(a as i64, b as i64),
            ),
            _ => decoder.map2(
                to,
                a,
                b,
                #[inline(always)]
                move |a: u64, b: u64| relation.integers(a, b),
            ),
        }
        return Ok(());
    }
    let (a, b) = (decoder.source32(a, ty)?, decoder.source32(b, ty)?);
    match ty {
        Type::F32 if flush => decoder.map2(
            to,
            a,
            b,
            #[inline(always)]
            move |a, b| relation.floats(ftz(f32::from_bits(a)), ftz(f32::from_bits(b))),
        ),
        Type::F32 => decoder.map2(
            to,
            a,
            b,
            #[inline(always)]
            move |a, b| relation.floats(f32::from_bits(a), f32::from_bits(b)),
        ),
        // The flush of a half: f16 subnormals are normal f32 numbers, so they are compared after their own flush.
        Type::F16 => decoder.rare2(
            to,
            a,
            b,
            #[inline(always)]
            move |a, b| relation.floats(half(a as u16, flush), half(b as u16, flush)),
        ),
        Type::Bf16 => decoder.rare2(
            to,
            a,
            b,
            #[inline(always)]
            move |a, b| relation.floats(bf16_to_f32(a as u16), bf16_to_f32(b as u16)),
        ),
        _ if ty.bits() == 16 && signed => {
            decoder.rare2(
                to,
                a,
                b,
                #[inline(always)]
                move |a, b| relation.integers(a as i16, b as i16),
            );
        }
        _ if ty.bits() == 16 => decoder.rare2(
            to,
            a,
            b,
            #[inline(always)]
            move |a, b| relation.integers(a as u16, b as u16),
        ),
        _ if signed => decoder.map2(
            to,
            a,
            b,
            #[inline(always)]
            move |a, b| relation.integers(a as i32, b as i32),
        ),
        _ => decoder.map2(
            to,
            a,
            b,
            #[inline(always)]
            move |a: u32, b: u32| relation.integers(a, b),
        ),
    }
    Ok(())
}

#[inline(always)]
fn half(bits: u16, flush: bool) -> f32 {
    let subnormal = bits & 0x7c00 == 0;
    f16_to_f32(if flush && subnormal { bits & 0x8000 } else { bits })
}

struct Comparison {
    relation: Relation,
    combine: Option<Combine>,
    flush: bool,
}

fn comparison(m: &mut Modifiers<'_>) -> Result<Comparison> {
    let relation = m.take_map(Relation::parse).ok_or("a comparison is missing")?;
    Ok(Comparison { relation, combine: m.take_map(Combine::parse), flush: m.take("ftz") })
}

fn setp(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let Comparison { relation, combine, flush } = comparison(m)?;
    let ty = m.ty()?;
    let (to, a, b, c) = match (instruction.operands.as_slice(), combine) {
        ([to, a, b], None) => (to, a, b, None),
        ([to, a, b, c], Some(combine)) => (to, a, b, Some((combine, decoder.source_pred(c)?))),
        (found, _) => return Err(format!("{} operands", found.len())),
    };
    let is_packed = matches!(ty, Type::F16x2 | Type::Bf16x2);
    let (first, second) = match to {
        Operand::Pair(first, second) => (first.as_ref(), Some(second.as_ref())),
        _ if is_packed => return Err("two destinations are needed".to_owned()),
        to => (to, None),
    };
    let d = decoder.dest_pred(first)?;
    if c.is_none() && second.is_none() {
        return outcome(decoder, d, relation, flush, ty, a, b);
    }
    // Packed numbers give the outcome of each half, others the outcome and its opposite.
    let (low, high) = if is_packed {
        halves(decoder, ty, relation, flush, a, b)?
    } else {
        let bits = decoder.temporary_pred();
        outcome(decoder, bits, relation, flush, ty, a, b)?;
        (bits, bits)
    };
    let Some(second) = second else {
        merge(decoder, d, low, c, false);
        return Ok(());
    };
    // Both at once at the end: a destination may be the predicate that is combined, or the guard.
    let q = decoder.dest_pred(second)?;
    let held = [decoder.temporary_pred(), decoder.temporary_pred()];
    merge(decoder, held[0], low, c, false);
    merge(decoder, held[1], high, c, !is_packed);
    decoder.simple(move |warp, _, mask| {
        let values = held.map(|held| warp.preds[held.0 as usize]);
        for (to, value) in [d, q].into_iter().zip(values) {
            let old = &mut warp.preds[to.0 as usize];
            *old = *old & !mask | value & mask;
        }
    });
    Ok(())
}

/// `d = (bits or not bits) combined with c`.
fn merge(decoder: &mut Decoder<'_>, d: Pred, bits: Pred, c: Option<(Combine, Pred)>, inverted: bool) {
    decoder.simple(move |warp, _, mask| {
        let bits = warp.preds[bits.0 as usize] ^ if inverted { u32::MAX } else { 0 };
        let bits = c.map_or(bits, |(combine, c)| combine.apply(bits, warp.preds[c.0 as usize]));
        let old = &mut warp.preds[d.0 as usize];
        *old = *old & !mask | bits & mask;
    });
}

/// The outcomes for the two halves of packed numbers.
fn halves(
    decoder: &mut Decoder<'_>,
    ty: Type,
    relation: Relation,
    flush: bool,
    a: &Operand,
    b: &Operand,
) -> Result<(Pred, Pred)> {
    let (a, b) = (decoder.source32(a, ty)?, decoder.source32(b, ty)?);
    let (low, high) = (decoder.temporary_pred(), decoder.temporary_pred());
    let is_bf16 = ty == Type::Bf16x2;
    for (to, shift) in [(low, 0), (high, 16)] {
        decoder.rare2(
            to,
            a,
            b,
            #[inline(always)]
            move |a: u32, b: u32| {
                let (a, b) = ((a >> shift) as u16, (b >> shift) as u16);
                match is_bf16 {
                    true => relation.floats(bf16_to_f32(a), bf16_to_f32(b)),
                    false => relation.floats(half(a, flush), half(b, flush)),
                }
            },
        );
    }
    Ok((low, high))
}

/// `set`: true is all ones, or 1.0 for a floating-point destination.
fn set(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let Comparison { relation, combine, flush } = comparison(m)?;
    let (to_ty, ty) = (m.ty()?, m.ty()?);
    let (to, a, b, c) = match (instruction.operands.as_slice(), combine) {
        ([to, a, b], None) => (to, a, b, None),
        ([to, a, b, c], Some(combine)) => (to, a, b, Some((combine, decoder.source_pred(c)?))),
        (found, _) => return Err(format!("{} operands", found.len())),
    };
    let d = decoder.dest32(to, to_ty)?;
    if matches!(ty, Type::F16x2 | Type::Bf16x2) {
        let (low, high) = halves(decoder, ty, relation, flush, a, b)?;
        for bits in [low, high] {
            merge(decoder, bits, bits, c, false);
        }
        let one: u32 = match to_ty {
            Type::F16x2 => 0x3c00,
            Type::Bf16x2 => 0x3f80,
            _ => 0xffff,
        };
        decoder.map2(d, low, high, move |low: bool, high: bool| {
            (if low { one } else { 0 }) | (if high { one << 16 } else { 0 })
        });
        return Ok(());
    }
    let bits = decoder.temporary_pred();
    outcome(decoder, bits, relation, flush, ty, a, b)?;
    if c.is_some() {
        merge(decoder, bits, bits, c, false);
    }
    let one = match to_ty {
        Type::F32 => 1f32.to_bits(),
        Type::F16 => 0x3c00,
        Type::Bf16 => 0x3f80,
        ty if ty.is_integer() => u32::MAX,
        _ => return Err("this destination type".to_owned()),
    };
    decoder.map1(d, bits, move |x: bool| if x { one } else { 0 });
    Ok(())
}

fn selp(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let ty = m.ty()?;
    let [to, a, b, p] = operands(instruction)?;
    let p = decoder.source_pred(p)?;
    if ty.is_wide() {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        decoder.map3(d, (a, b, p), |a: u64, b: u64, p: bool| if p { a } else { b });
    } else {
        let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
        decoder.map3(d, (a, b, p), |a: u32, b: u32, p: bool| if p { a } else { b });
    }
    Ok(())
}

/// `slct.type.s32 d, a, b, c`: a where c is not negative.
fn slct(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let flush = m.take("ftz");
    let (ty, selector) = (m.ty()?, m.ty()?);
    let [to, a, b, c] = operands(instruction)?;
    let c = decoder.source32(c, selector)?;
    let p = decoder.temporary_pred();
    match selector {
        Type::F32 if flush => decoder.rare1(p, c, |x| ftz(f32::from_bits(x)) >= 0.0),
        Type::F32 => decoder.rare1(p, c, |x| f32::from_bits(x) >= 0.0),
        _ => decoder.rare1(p, c, |x| x as i32 >= 0),
    }
    if ty.is_wide() {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        decoder.rare3(d, (a, b, p), |a: u64, b: u64, p: bool| if p { a } else { b });
    } else {
        let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
        decoder.rare3(d, (a, b, p), |a: u32, b: u32, p: bool| if p { a } else { b });
    }
    Ok(())
}
