//! Integer and logical instructions.

use super::decoder::{Decoder, lanes};
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::lanes::{Pred, R32, R64, Slot};
use crate::numeric::integer as numeric;

type Result<T = ()> = std::result::Result<T, String>;

/// A 16-bit value as 32 bits.
#[inline(always)]
pub(crate) fn extend(x: u32, signed: bool) -> u32 {
    if signed { x as u16 as i16 as u32 } else { x & 0xffff }
}

/// `d = f(a)` for a type of 16, 32 or 64 bits.
pub(crate) fn unary(
    decoder: &mut Decoder<'_>,
    ty: Type,
    [to, a]: &[Operand; 2],
    narrow: impl Fn(u32) -> u32 + Send + Sync + 'static,
    wide: impl Fn(u64) -> u64 + Send + Sync + 'static,
) -> Result {
    if ty.is_wide() {
        let (d, a) = (decoder.dest64(to)?, decoder.source64(a, ty)?);
        decoder.map1(d, a, wide);
        return Ok(());
    }
    let (d, a) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?);
    let signed = ty.is_signed();
    match ty.bits() {
        16 => decoder.rare1(d, a, move |x| narrow(extend(x, signed))),
        _ => decoder.map1(d, a, narrow),
    }
    Ok(())
}

/// `d = f(a, b)` for a type of 16, 32 or 64 bits. Values of 16 bits come extended.
pub(crate) fn binary(
    decoder: &mut Decoder<'_>,
    ty: Type,
    [to, a, b]: &[Operand; 3],
    narrow: impl Fn(u32, u32) -> u32 + Send + Sync + 'static,
    wide: impl Fn(u64, u64) -> u64 + Send + Sync + 'static,
) -> Result {
    if ty.is_wide() {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        decoder.map2(d, a, b, wide);
        return Ok(());
    }
    let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
    let signed = ty.is_signed();
    match ty.bits() {
        16 => decoder.rare2(d, a, b, move |x, y| narrow(extend(x, signed), extend(y, signed))),
        _ => decoder.map2(d, a, b, narrow),
    }
    Ok(())
}

/// [`binary`] for rare instructions.
pub(crate) fn binary_rare(
    decoder: &mut Decoder<'_>,
    ty: Type,
    [to, a, b]: &[Operand; 3],
    narrow: impl Fn(u32, u32) -> u32 + Send + Sync + 'static,
    wide: impl Fn(u64, u64) -> u64 + Send + Sync + 'static,
) -> Result {
    if ty.is_wide() {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        decoder.rare2(d, a, b, wide);
        return Ok(());
    }
    let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
    let (short, signed) = (ty.bits() == 16, ty.is_signed());
    let value = move |x: u32| if short { extend(x, signed) } else { x };
    decoder.rare2(d, a, b, move |a, b| narrow(value(a), value(b)));
    Ok(())
}

/// Logic on predicates or numbers.
fn logic(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    m: &mut Modifiers<'_>,
    narrow: impl Fn(u32, u32) -> u32 + Send + Sync + 'static,
    wide: impl Fn(u64, u64) -> u64 + Send + Sync + 'static,
) -> Result {
    let ty = m.ty()?;
    let [to, a, b] = operands(instruction)?;
    if ty != Type::Pred {
        return binary(decoder, ty, &[to.clone(), a.clone(), b.clone()], narrow, wide);
    }
    let (d, a, b) = (decoder.dest_pred(to)?, decoder.source_pred(a)?, decoder.source_pred(b)?);
    decoder.simple(move |warp, _, mask| {
        let bits = narrow(warp.preds[a.0 as usize], warp.preds[b.0 as usize]);
        let old = &mut warp.preds[d.0 as usize];
        *old = *old & !mask | bits & mask;
    });
    Ok(())
}

pub(crate) fn integer(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    match instruction.opcode.as_str() {
        "add" | "min" | "max" if m.has("u16x2") || m.has("s16x2") => super::bits::packed(decoder, instruction, m),
        "add" | "sub" | "addc" | "subc" => add(decoder, instruction, m),
        "mul" | "mad" | "madc" => multiply(decoder, instruction, m),
        "and" => logic(decoder, instruction, m, |a, b| a & b, |a, b| a & b),
        "or" => logic(decoder, instruction, m, |a, b| a | b, |a, b| a | b),
        "xor" => logic(decoder, instruction, m, |a, b| a ^ b, |a, b| a ^ b),
        "not" => not(decoder, instruction, m),
        "cnot" => unary(decoder, m.ty()?, operands(instruction)?, |x| u32::from(x == 0), |x| u64::from(x == 0)),
        "shl" | "shr" | "shf" => shift(decoder, instruction, m),
        "min" | "max" | "div" | "rem" | "abs" | "neg" => by_sign(decoder, instruction, m),
        _ => super::bits::bits(decoder, instruction, m),
    }
}

fn add(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let is_sub = instruction.opcode.starts_with("sub");
    let carry_in = instruction.opcode.ends_with('c');
    let carry_out = m.take("cc");
    let saturate = m.take("sat");
    let ty = m.ty()?;
    let ops = operands(instruction)?;
    if saturate {
        if ty != Type::Signed(32) {
            return Err("unknown modifier `.sat`".to_owned());
        }
        let sat = move |a: u32, b: u32| {
            let (a, b) = (a as i32, b as i32);
            (if is_sub { a.saturating_sub(b) } else { a.saturating_add(b) }) as u32
        };
        return binary_rare(decoder, ty, ops, sat, |a, _| a);
    }
    if !carry_in && !carry_out {
        return match is_sub {
            false => binary(decoder, ty, ops, u32::wrapping_add, u64::wrapping_add),
            true => binary(decoder, ty, ops, u32::wrapping_sub, u64::wrapping_sub),
        };
    }
    let [to, a, b] = ops;
    if ty.is_wide() {
        let slots = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        let add = if is_sub { u64::overflowing_sub } else { u64::overflowing_add };
        add_carry(decoder, slots, carry_in, carry_out, add);
    } else {
        let slots = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
        let add = if is_sub { u32::overflowing_sub } else { u32::overflowing_add };
        add_carry(decoder, slots, carry_in, carry_out, add);
    }
    Ok(())
}

/// `d, CC.CF = f(a, b, CC.CF)`.
fn with_carry<S: Slot>(
    decoder: &mut Decoder<'_>,
    (d, a, b): (S, S, S),
    carry_in: bool,
    carry_out: bool,
    f: impl Fn(S::Value, S::Value, bool) -> (S::Value, bool) + Send + Sync + 'static,
) {
    let flag: Pred = decoder.carry();
    decoder.simple(move |warp, _, mask| {
        let (a, b, c) = (a.load(warp), b.load(warp), flag.load(warp));
        let results = lanes(|lane| f(a[lane], b[lane], carry_in && c[lane]));
        d.store(warp, mask, results.map(|(value, _)| value));
        if carry_out {
            flag.store(warp, mask, results.map(|(_, carry)| carry));
        }
    });
}

/// The full product of two 32-bit values.
#[inline(always)]
fn product(a: u32, b: u32, signed: bool) -> u64 {
    if signed { (i64::from(a as i32) * i64::from(b as i32)) as u64 } else { u64::from(a) * u64::from(b) }
}

fn multiply(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let part = m.take_any(&["lo", "hi", "wide"]).ok_or("one of .lo, .hi, .wide is missing")?;
    let carry_out = m.take("cc");
    let carry_in = instruction.opcode == "madc";
    let saturate = m.take("sat");
    let ty = m.ty()?;
    let (bits, signed) = (ty.bits(), ty.is_signed());
    let (to, a, b, c) = match instruction.operands.as_slice() {
        [to, a, b] if instruction.opcode == "mul" => (to, a, b, None),
        [to, a, b, c] if instruction.opcode != "mul" => (to, a, b, Some(c)),
        found => return Err(format!("{} operands", found.len())),
    };
    if part == "wide" {
        return multiply_wide(decoder, ty, to, (a, b), c);
    }
    let high = part == "hi";
    let carries = carry_in || carry_out;
    if bits == 64 {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        let c = c.map(|c| decoder.source64(c, ty)).transpose()?;
        match (c, high) {
            (None, false) => decoder.map2(d, a, b, u64::wrapping_mul),
            (None, true) => decoder.rare2(d, a, b, move |a, b| multiply_high(a, b, signed)),
            (Some(c), false) if !carries => {
                decoder.map3(d, (a, b, c), |a: u64, b: u64, c: u64| a.wrapping_mul(b).wrapping_add(c));
            }
            (Some(c), _) => {
                let t = decoder.temporary64();
                let part = move |a: u64, b| if high { multiply_high(a, b, signed) } else { a.wrapping_mul(b) };
                decoder.rare2(t, a, b, part);
                add_carry(decoder, (d, t, c), carry_in, carry_out, u64::overflowing_add);
            }
        }
        return Ok(());
    }
    let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
    let c = c.map(|c| decoder.source32(c, ty)).transpose()?;
    if saturate && !(high && ty == Type::Signed(32) && c.is_some()) {
        return Err("unknown modifier `.sat`".to_owned());
    }
    match (c, high) {
        (None, false) => decoder.map2(d, a, b, u32::wrapping_mul),
        (None, true) if bits == 32 && signed => decoder.map2(d, a, b, |a, b| (product(a, b, true) >> 32) as u32),
        (None, true) if bits == 32 => decoder.map2(d, a, b, |a, b| (product(a, b, false) >> 32) as u32),
        (None, true) => decoder.rare2(d, a, b, move |a, b| extend(a, signed).wrapping_mul(extend(b, signed)) >> 16),
        (Some(c), false) if !carries => {
            decoder.map3(d, (a, b, c), |a: u32, b: u32, c: u32| a.wrapping_mul(b).wrapping_add(c));
        }
        (Some(c), true) if saturate => {
            decoder.rare3(d, (a, b, c), |a, b, c| ((product(a, b, true) >> 32) as i32).saturating_add(c as i32) as u32)
        }
        (Some(c), _) => {
            let t = decoder.temporary32();
            let part = move |a: u32, b: u32| match (high, bits) {
                (false, _) => a.wrapping_mul(b),
                (true, 16) => extend(a, signed).wrapping_mul(extend(b, signed)) >> 16,
                (true, _) => (product(a, b, signed) >> 32) as u32,
            };
            decoder.rare2(t, a, b, part);
            add_carry(decoder, (d, t, c), carry_in, carry_out, u32::overflowing_add);
        }
    }
    Ok(())
}

/// The upper half of a 128-bit product.
fn multiply_high(a: u64, b: u64, signed: bool) -> u64 {
    if signed { numeric::mulhi_s64(a, b) } else { numeric::mulhi_u64(a, b) }
}

/// An addition or subtraction that says whether it overflowed.
type Overflowing<T> = fn(T, T) -> (T, bool);

/// `d, CC.CF = a + b + CC.CF`, or with a subtraction the borrow.
fn add_carry<S: Slot>(
    decoder: &mut Decoder<'_>,
    slots: (S, S, S),
    carry_in: bool,
    carry_out: bool,
    add: Overflowing<S::Value>,
) where
    S::Value: From<bool>,
{
    with_carry(decoder, slots, carry_in, carry_out, move |a, b, c| {
        let (sum, one) = add(a, b);
        let (sum, two) = add(sum, c.into());
        (sum, one | two)
    });
}

fn multiply_wide(
    decoder: &mut Decoder<'_>,
    ty: Type,
    to: &Operand,
    ab: (&Operand, &Operand),
    c: Option<&Operand>,
) -> Result {
    let signed = ty.is_signed();
    let (a, b) = (decoder.source32(ab.0, ty)?, decoder.source32(ab.1, ty)?);
    if ty.bits() == 16 {
        let d: R32 = decoder.dest32(to, if signed { Type::Signed(32) } else { Type::Unsigned(32) })?;
        let c = c.map(|c| decoder.source32(c, Type::Bits(32))).transpose()?.unwrap_or(decoder.constant32(0));
        decoder
            .rare3(d, (a, b, c), move |a, b, c: u32| extend(a, signed).wrapping_mul(extend(b, signed)).wrapping_add(c));
        return Ok(());
    }
    let d: R64 = decoder.dest64(to)?;
    match (c, signed) {
        (None, true) => decoder.map2(d, a, b, |a, b| product(a, b, true)),
        (None, false) => decoder.map2(d, a, b, |a, b| product(a, b, false)),
        (Some(c), _) => {
            let c = decoder.source64(c, Type::Bits(64))?;
            decoder.map3(
                d,
                (a, b, c),
                #[inline(always)]
                move |a, b, c: u64| product(a, b, signed).wrapping_add(c),
            );
        }
    }
    Ok(())
}

fn not(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let ty = m.ty()?;
    let ops = operands(instruction)?;
    if ty != Type::Pred {
        return unary(decoder, ty, ops, |x| !x, |x| !x);
    }
    let (d, a) = (decoder.dest_pred(&ops[0])?, decoder.source_pred(&ops[1])?);
    decoder.simple(move |warp, _, mask| {
        let bits = !warp.preds[a.0 as usize];
        let old = &mut warp.preds[d.0 as usize];
        *old = *old & !mask | bits & mask;
    });
    Ok(())
}

/// Shifts. Amounts beyond the width shift everything out; they are always 32-bit numbers.
fn shift(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    if instruction.opcode == "shf" {
        let left = m.take_any(&["l", "r"]).ok_or("one of .l, .r is missing")? == "l";
        let clamp = m.take_any(&["clamp", "wrap"]).ok_or("one of .clamp, .wrap is missing")? == "clamp";
        let ty = m.ty()?;
        let [to, a, b, c] = operands(instruction)?;
        let d = decoder.dest32(to, ty)?;
        let abc = (decoder.source32(a, ty)?, decoder.source32(b, ty)?, decoder.source32(c, ty)?);
        if left {
            decoder.map3(
                d,
                abc,
                #[inline(always)]
                move |a, b, c| numeric::shf_l(a, b, c, clamp),
            );
        } else {
            decoder.map3(
                d,
                abc,
                #[inline(always)]
                move |a, b, c| numeric::shf_r(a, b, c, clamp),
            );
        }
        return Ok(());
    }
    let ty = m.ty()?;
    let [to, a, by] = operands(instruction)?;
    let by = decoder.source32(by, Type::Unsigned(32))?;
    let left = instruction.opcode == "shl";
    if ty.is_wide() {
        let (d, a) = (decoder.dest64(to)?, decoder.source64(a, ty)?);
        match (left, ty.is_signed()) {
            (true, _) => decoder.map2(d, a, by, |a: u64, by: u32| if by < 64 { a << by } else { 0 }),
            (false, true) => decoder.map2(d, a, by, |a: u64, by: u32| (a as i64 >> by.min(63)) as u64),
            (false, false) => decoder.map2(d, a, by, |a: u64, by: u32| if by < 64 { a >> by } else { 0 }),
        }
        return Ok(());
    }
    let (d, a) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?);
    let short = ty.bits() == 16;
    match (left, ty.is_signed()) {
        // A 16-bit result past bit 15 is cut off by whoever reads it.
        (true, _) => decoder.map2(d, a, by, |a: u32, by: u32| if by < 32 { a << by } else { 0 }),
        (false, true) if short => decoder.rare2(d, a, by, |a: u32, by: u32| (i32::from(a as i16) >> by.min(31)) as u32),
        (false, false) if short => {
            decoder.rare2(d, a, by, |a: u32, by: u32| if by < 32 { (a & 0xffff) >> by } else { 0 })
        }
        (false, true) => decoder.map2(d, a, by, |a: u32, by: u32| (a as i32 >> by.min(31)) as u32),
        (false, false) => decoder.map2(d, a, by, |a: u32, by: u32| if by < 32 { a >> by } else { 0 }),
    }
    Ok(())
}

/// Operations that depend on the sign of the type. Dividing by zero gives all ones, and the dividend as remainder.
fn by_sign(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let relu = m.take("relu");
    let ty = m.ty()?;
    if relu {
        let least = match instruction.opcode.as_str() {
            "min" => true,
            "max" => false,
            _ => return Err("unknown modifier `.relu`".to_owned()),
        };
        if ty != Type::Signed(32) {
            return Err("`.relu` with this type".to_owned());
        }
        let pick = move |a: i32, b: i32| if least { a.min(b) } else { a.max(b) };
        let rectified = move |a: u32, b: u32| pick(a as i32, b as i32).max(0) as u32;
        return binary_rare(decoder, ty, operands(instruction)?, rectified, |a, _| a);
    }
    match (instruction.opcode.as_str(), ty.is_signed()) {
        ("abs", _) => {
            let ops = operands(instruction)?;
            unary(decoder, ty, ops, |x| (x as i32).wrapping_abs() as u32, |x| (x as i64).wrapping_abs() as u64)
        }
        ("neg", _) => unary(decoder, ty, operands(instruction)?, u32::wrapping_neg, u64::wrapping_neg),
        (opcode, signed) => {
            let ops = operands(instruction)?;
            match (opcode, signed) {
                ("min", false) => binary(decoder, ty, ops, |a, b| a.min(b), |a, b| a.min(b)),
                ("max", false) => binary(decoder, ty, ops, |a, b| a.max(b), |a, b| a.max(b)),
                ("min", true) => binary(
                    decoder,
                    ty,
                    ops,
                    |a, b| (a as i32).min(b as i32) as u32,
                    |a, b| (a as i64).min(b as i64) as u64,
                ),
                ("max", true) => binary(
                    decoder,
                    ty,
                    ops,
                    |a, b| (a as i32).max(b as i32) as u32,
                    |a, b| (a as i64).max(b as i64) as u64,
                ),
                ("div", false) => binary_rare(
                    decoder,
                    ty,
                    ops,
                    |a, b| a.checked_div(b).unwrap_or(u32::MAX),
                    |a, b| a.checked_div(b).unwrap_or(u64::MAX),
                ),
                ("div", true) => binary_rare(
                    decoder,
                    ty,
                    ops,
                    |a, b| if b == 0 { u32::MAX } else { (a as i32).wrapping_div(b as i32) as u32 },
                    |a, b| if b == 0 { u64::MAX } else { (a as i64).wrapping_div(b as i64) as u64 },
                ),
                (_, false) => binary_rare(
                    decoder,
                    ty,
                    ops,
                    |a, b| a.checked_rem(b).unwrap_or(a),
                    |a, b| a.checked_rem(b).unwrap_or(a),
                ),
                (_, true) => binary_rare(
                    decoder,
                    ty,
                    ops,
                    |a, b| if b == 0 { a } else { (a as i32).wrapping_rem(b as i32) as u32 },
                    |a, b| if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 },
                ),
            }
        }
    }
}
