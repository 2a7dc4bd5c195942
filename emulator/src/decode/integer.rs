//! Integer and logical instructions.

use super::decoder::Decoder;
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::lanes::{Pred, R32, R64, Slot};
use crate::numeric::integer as numeric;

type Result<T = ()> = std::result::Result<T, String>;

/// A 16-bit value as 32 bits.
#[inline(always)]
fn extend(x: u32, signed: bool) -> u32 {
    if signed { x as u16 as i16 as u32 } else { x & 0xffff }
}

/// `d = f(a)` for a type of 16, 32 or 64 bits.
fn unary(
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
        16 => decoder.map1(
            d,
            a,
            #[inline(always)]
            move |x| narrow(extend(x, signed)),
        ),
        _ => decoder.map1(d, a, narrow),
    }
    Ok(())
}

/// `d = f(a, b)` for a type of 16, 32 or 64 bits. Values of 16 bits come extended.
fn binary(
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
        16 => decoder.map2(
            d,
            a,
            b,
            #[inline(always)]
            move |x, y| narrow(extend(x, signed), extend(y, signed)),
        ),
        _ => decoder.map2(d, a, b, narrow),
    }
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
    decoder.plain(move |warp, _, mask| {
        let bits = narrow(warp.preds[a.0 as usize], warp.preds[b.0 as usize]);
        let old = &mut warp.preds[d.0 as usize];
        *old = *old & !mask | bits & mask;
    });
    Ok(())
}

pub(crate) fn integer(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    match instruction.opcode.as_str() {
        "add" | "sub" | "addc" | "subc" => add(decoder, instruction, m),
        "mul" | "mad" | "madc" => multiply(decoder, instruction, m),
        "and" => logic(decoder, instruction, m, |a, b| a & b, |a, b| a & b),
        "or" => logic(decoder, instruction, m, |a, b| a | b, |a, b| a | b),
        "xor" => logic(decoder, instruction, m, |a, b| a ^ b, |a, b| a ^ b),
        "not" => not(decoder, instruction, m),
        "cnot" => unary(decoder, m.ty()?, operands(instruction)?, |x| u32::from(x == 0), |x| u64::from(x == 0)),
        "shl" | "shr" | "shf" => shift(decoder, instruction, m),
        "min" | "max" | "div" | "rem" | "abs" | "neg" => by_sign(decoder, instruction, m),
        _ => bits(decoder, instruction, m),
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
        return binary(decoder, ty, ops, sat, |a, _| a);
    }
    if !carry_in && !carry_out {
        return match is_sub {
            false => binary(decoder, ty, ops, u32::wrapping_add, u64::wrapping_add),
            true => binary(decoder, ty, ops, u32::wrapping_sub, u64::wrapping_sub),
        };
    }
    let [to, a, b] = ops;
    if ty.is_wide() {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        with_carry(decoder, (d, a, b), carry_in, carry_out, move |a, b, c| {
            let (sum, one) = if is_sub { a.overflowing_sub(b) } else { a.overflowing_add(b) };
            let (sum, two) = if is_sub { sum.overflowing_sub(c.into()) } else { sum.overflowing_add(c.into()) };
            (sum, one | two)
        });
    } else {
        let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
        with_carry(decoder, (d, a, b), carry_in, carry_out, move |a, b, c| {
            let (sum, one) = if is_sub { a.overflowing_sub(b) } else { a.overflowing_add(b) };
            let (sum, two) = if is_sub { sum.overflowing_sub(c.into()) } else { sum.overflowing_add(c.into()) };
            (sum, one | two)
        });
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
    decoder.plain(
        #[inline(always)]
        move |warp, _, mask| {
            let (a, b, c) = (a.load(warp), b.load(warp), flag.load(warp));
            let results = super::decoder::lanes(|lane| f(a[lane], b[lane], carry_in && c[lane]));
            d.store(warp, mask, results.map(|(value, _)| value));
            if carry_out {
                flag.store(warp, mask, results.map(|(_, carry)| carry));
            }
        },
    );
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
    if bits == 64 {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        let multiply = move |a: u64, b: u64| match (high, signed) {
            (false, _) => a.wrapping_mul(b),
            (true, true) => numeric::mulhi_s64(a, b),
            (true, false) => numeric::mulhi_u64(a, b),
        };
        let Some(c) = c else {
            if high {
                decoder.map2(d, a, b, multiply);
            } else {
                decoder.map2(d, a, b, u64::wrapping_mul);
            }
            return Ok(());
        };
        let c = decoder.source64(c, ty)?;
        if !carry_in && !carry_out {
            decoder.map3(
                d,
                (a, b, c),
                #[inline(always)]
                move |a, b, c| multiply(a, b).wrapping_add(c),
            );
            return Ok(());
        }
        let t = decoder.temporary64();
        decoder.map2(t, a, b, multiply);
        with_carry(decoder, (d, t, c), carry_in, carry_out, |a, b, c| {
            let (sum, one) = a.overflowing_add(b);
            let (sum, two) = sum.overflowing_add(c.into());
            (sum, one | two)
        });
        return Ok(());
    }
    let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
    let multiply = move |a: u32, b: u32| match (bits, high) {
        (_, false) => a.wrapping_mul(b),
        (16, true) => extend(a, signed).wrapping_mul(extend(b, signed)) >> 16,
        (_, true) => (product(a, b, signed) >> 32) as u32,
    };
    let Some(c) = c else {
        if high {
            decoder.map2(d, a, b, multiply);
        } else {
            decoder.map2(d, a, b, u32::wrapping_mul);
        }
        return Ok(());
    };
    let c = decoder.source32(c, ty)?;
    if saturate {
        if !(high && ty == Type::Signed(32)) {
            return Err("unknown modifier `.sat`".to_owned());
        }
        decoder.map3(d, (a, b, c), |a, b, c| ((product(a, b, true) >> 32) as i32).saturating_add(c as i32) as u32);
    } else if carry_in || carry_out {
        let t = decoder.temporary32();
        decoder.map2(t, a, b, multiply);
        with_carry(decoder, (d, t, c), carry_in, carry_out, |a, b, c| {
            let (sum, one) = a.overflowing_add(b);
            let (sum, two) = sum.overflowing_add(c.into());
            (sum, one | two)
        });
    } else if high {
        decoder.map3(
            d,
            (a, b, c),
            #[inline(always)]
            move |a, b, c| multiply(a, b).wrapping_add(c),
        );
    } else {
        decoder.map3(d, (a, b, c), |a: u32, b: u32, c: u32| a.wrapping_mul(b).wrapping_add(c));
    }
    Ok(())
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
        decoder.map3(
            d,
            (a, b, c),
            #[inline(always)]
            move |a, b, c| extend(a, signed).wrapping_mul(extend(b, signed)).wrapping_add(c),
        );
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
    decoder.plain(move |warp, _, mask| {
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
        (false, true) if short => decoder.map2(d, a, by, |a: u32, by: u32| (i32::from(a as i16) >> by.min(31)) as u32),
        (false, false) if short => {
            decoder.map2(d, a, by, |a: u32, by: u32| if by < 32 { (a & 0xffff) >> by } else { 0 })
        }
        (false, true) => decoder.map2(d, a, by, |a: u32, by: u32| (a as i32 >> by.min(31)) as u32),
        (false, false) => decoder.map2(d, a, by, |a: u32, by: u32| if by < 32 { a >> by } else { 0 }),
    }
    Ok(())
}

/// Operations that depend on the sign of the type. Dividing by zero gives all ones, and the dividend as remainder.
fn by_sign(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let ty = m.ty()?;
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
                ("div", false) => binary(
                    decoder,
                    ty,
                    ops,
                    |a, b| a.checked_div(b).unwrap_or(u32::MAX),
                    |a, b| a.checked_div(b).unwrap_or(u64::MAX),
                ),
                ("div", true) => binary(
                    decoder,
                    ty,
                    ops,
                    |a, b| if b == 0 { u32::MAX } else { (a as i32).wrapping_div(b as i32) as u32 },
                    |a, b| if b == 0 { u64::MAX } else { (a as i64).wrapping_div(b as i64) as u64 },
                ),
                (_, false) => {
                    binary(decoder, ty, ops, |a, b| a.checked_rem(b).unwrap_or(a), |a, b| a.checked_rem(b).unwrap_or(a))
                }
                (_, true) => binary(
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

fn bits(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    match instruction.opcode.as_str() {
        "popc" | "clz" | "bfind" => count(decoder, instruction, m),
        "brev" => unary(decoder, m.ty()?, operands(instruction)?, u32::reverse_bits, u64::reverse_bits),
        "bfe" => bfe(decoder, instruction, m),
        "bfi" => bfi(decoder, instruction, m),
        "mul24" | "mad24" => mul24(decoder, instruction, m),
        "sad" => sad(decoder, instruction, m),
        "prmt" => {
            let mode = m.take_map(prmt_mode).unwrap_or(numeric::PrmtMode::Index);
            ternary(decoder, instruction, m, move |a, b, c| numeric::prmt(a, b, c, mode))
        }
        "lop3" => {
            let ty = m.ty()?;
            let [to, a, b, c, table] = operands(instruction)?;
            let Operand::Integer(table) = table else {
                return Err("the table of lop3 has to be a constant".to_owned());
            };
            let table = *table as u8;
            let d = decoder.dest32(to, ty)?;
            let abc = (decoder.source32(a, ty)?, decoder.source32(b, ty)?, decoder.source32(c, ty)?);
            decoder.map3(
                d,
                abc,
                #[inline(always)]
                move |a, b, c| numeric::lop3(a, b, c, table),
            );
            Ok(())
        }
        "dp4a" => {
            let (a, b) = (m.ty()?.is_signed(), m.ty()?.is_signed());
            dot(decoder, instruction, move |x, y, z| numeric::dp4a(x, y, z, a, b))
        }
        "dp2a" => {
            let high = m.take_any(&["lo", "hi"]).ok_or("one of .lo, .hi is missing")? == "hi";
            let (a, b) = (m.ty()?.is_signed(), m.ty()?.is_signed());
            dot(decoder, instruction, move |x, y, z| numeric::dp2a(x, y, z, a, b, high))
        }
        "szext" => {
            let clamp = m.take_any(&["clamp", "wrap"]).ok_or("one of .clamp, .wrap is missing")? == "clamp";
            let ty = m.ty()?;
            let signed = ty.is_signed();
            binary(
                decoder,
                ty,
                operands(instruction)?,
                move |a, b| {
                    if signed { numeric::szext_s32(a, b, clamp) } else { numeric::szext_u32(a, b, clamp) }
                },
                |a, _| a,
            )
        }
        "bmsk" => {
            let clamp = m.take_any(&["clamp", "wrap"]).ok_or("one of .clamp, .wrap is missing")? == "clamp";
            binary(decoder, m.ty()?, operands(instruction)?, move |a, b| numeric::bmsk(a, b, clamp), |a, _| a)
        }
        "fns" => ternary(decoder, instruction, m, |mask, base, offset| numeric::fns(mask, base, offset as i32)),
        other => Err(format!("unknown instruction `{other}`")),
    }
}

/// `d = f(a, b, c)` on 32 bits.
fn ternary(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    m: &mut Modifiers<'_>,
    f: impl Fn(u32, u32, u32) -> u32 + Send + Sync + 'static,
) -> Result {
    let ty = m.ty()?;
    if ty.bits() != 32 {
        return Err(format!("a type of {} bits", ty.bits()));
    }
    dot(decoder, instruction, f)
}

fn dot(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    f: impl Fn(u32, u32, u32) -> u32 + Send + Sync + 'static,
) -> Result {
    let [to, a, b, c] = operands(instruction)?;
    let ty = Type::Bits(32);
    let d = decoder.dest32(to, ty)?;
    let abc = (decoder.source32(a, ty)?, decoder.source32(b, ty)?, decoder.source32(c, ty)?);
    decoder.map3(d, abc, f);
    Ok(())
}

fn prmt_mode(name: &str) -> Option<numeric::PrmtMode> {
    Some(match name {
        "f4e" => numeric::PrmtMode::Forward4,
        "b4e" => numeric::PrmtMode::Backward4,
        "rc8" => numeric::PrmtMode::Replicate8,
        "ecl" => numeric::PrmtMode::EdgeClampLeft,
        "ecr" => numeric::PrmtMode::EdgeClampRight,
        "rc16" => numeric::PrmtMode::Replicate16,
        _ => return None,
    })
}

/// Counts: the result has 32 bits whatever the source.
fn count(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let amount = m.take("shiftamt");
    let ty = m.ty()?;
    let [to, a] = operands(instruction)?;
    let d = decoder.dest32(to, Type::Unsigned(32))?;
    let opcode = instruction.opcode.as_str();
    if ty.is_wide() {
        let a = decoder.source64(a, ty)?;
        match (opcode, ty.is_signed()) {
            ("popc", _) => decoder.map1(d, a, u64::count_ones),
            ("clz", _) => decoder.map1(d, a, u64::leading_zeros),
            (_, true) => decoder.map1(d, a, move |x| numeric::bfind_s64(x, amount)),
            (_, false) => decoder.map1(d, a, move |x| numeric::bfind_u64(x, amount)),
        }
    } else {
        let a = decoder.source32(a, ty)?;
        match (opcode, ty.is_signed()) {
            ("popc", _) => decoder.map1(d, a, u32::count_ones),
            ("clz", _) => decoder.map1(d, a, u32::leading_zeros),
            (_, true) => decoder.map1(d, a, move |x| numeric::bfind_s32(x, amount)),
            (_, false) => decoder.map1(d, a, move |x| numeric::bfind_u32(x, amount)),
        }
    }
    Ok(())
}

fn bfe(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let ty = m.ty()?;
    let [to, a, pos, len] = operands(instruction)?;
    let (pos, len) = (decoder.source32(pos, Type::Unsigned(32))?, decoder.source32(len, Type::Unsigned(32))?);
    if ty.is_wide() {
        let (d, a) = (decoder.dest64(to)?, decoder.source64(a, ty)?);
        match ty.is_signed() {
            true => decoder.map3(d, (a, pos, len), numeric::bfe_s64),
            false => decoder.map3(d, (a, pos, len), numeric::bfe_u64),
        }
    } else {
        let (d, a) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?);
        match ty.is_signed() {
            true => decoder.map3(d, (a, pos, len), numeric::bfe_s32),
            false => decoder.map3(d, (a, pos, len), numeric::bfe_u32),
        }
    }
    Ok(())
}

fn bfi(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let ty = m.ty()?;
    let [to, a, b, pos, len] = operands(instruction)?;
    let (pos, len) = (decoder.source32(pos, Type::Unsigned(32))?, decoder.source32(len, Type::Unsigned(32))?);
    if ty.is_wide() {
        let (d, a, b) = (decoder.dest64(to)?, decoder.source64(a, ty)?, decoder.source64(b, ty)?);
        decoder.map4(d, (a, b, pos, len), numeric::bfi_b64);
    } else {
        let (d, a, b) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?, decoder.source32(b, ty)?);
        decoder.map4(d, (a, b, pos, len), numeric::bfi_b32);
    }
    Ok(())
}

fn mul24(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let high = m.take_any(&["lo", "hi"]).ok_or("one of .lo, .hi is missing")? == "hi";
    let ty = m.ty()?;
    let signed = ty.is_signed();
    let multiply =
        move |a: u32, b: u32| if signed { numeric::mul24_s32(a, b, high) } else { numeric::mul24_u32(a, b, high) };
    if instruction.opcode == "mul24" {
        return binary(decoder, ty, operands(instruction)?, multiply, |a, _| a);
    }
    dot(decoder, instruction, move |a, b, c| multiply(a, b).wrapping_add(c))
}

fn sad(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    match m.ty()? {
        Type::Signed(32) => dot(decoder, instruction, numeric::sad_s32),
        Type::Unsigned(32) => dot(decoder, instruction, numeric::sad_u32),
        ty => Err(format!("a type of {} bits", ty.bits())),
    }
}
