//! Integer instructions on bits, bytes and short dot products.

use super::decoder::Decoder;
use super::integer::{binary_rare, unary};
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::numeric::integer as numeric;
use crate::numeric::video::{Operation, Video, video as numeric_video};

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn bits(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
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
            binary_rare(
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
            binary_rare(decoder, m.ty()?, operands(instruction)?, move |a, b| numeric::bmsk(a, b, clamp), |a, _| a)
        }
        "fns" => ternary(decoder, instruction, m, |mask, base, offset| numeric::fns(mask, base, offset as i32)),
        other => Err(format!("unknown instruction `{other}`")),
    }
}

/// `vadd4 d, a, b, c` and its like.
pub(crate) fn video(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let (name, parts) = instruction.opcode.split_at(instruction.opcode.len() - 1);
    let operation = match name {
        "vadd" => Operation::Add,
        "vsub" => Operation::Subtract,
        "vavrg" => Operation::Average,
        "vabsdiff" => Operation::Difference,
        "vmin" => Operation::Minimum,
        _ => Operation::Maximum,
    };
    let mut signs = [false; 3];
    for sign in &mut signs {
        *sign = match m.ty()? {
            Type::Signed(32) => true,
            Type::Unsigned(32) => false,
            ty => return Err(format!("a type of {} bits", ty.bits())),
        };
    }
    let (saturate, accumulate) = (m.take("sat"), m.take("add"));
    let how = Video { operation, bits: if parts == "4" { 8 } else { 16 }, signs, saturate, accumulate };
    let [to, a, b, c] = operands(instruction)?;
    let ty = Type::Bits(32);
    let d = decoder.dest32(to, ty)?;
    let abc = (decoder.source32(a, ty)?, decoder.source32(b, ty)?, decoder.source32(c, ty)?);
    decoder.rare3(d, abc, move |a, b, c| numeric_video(a, b, c, how));
    Ok(())
}

/// `add`, `min`, `max` on two half words.
pub(crate) fn packed(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let signed = m.take_any(&["u16x2", "s16x2"]) == Some("s16x2");
    let relu = m.take("relu");
    let operation = match instruction.opcode.as_str() {
        "add" => Operation::Add,
        "min" => Operation::Minimum,
        _ => Operation::Maximum,
    };
    if relu && (!signed || operation == Operation::Add) {
        return Err("unknown modifier `.relu`".to_owned());
    }
    let how = Video { operation, bits: 16, signs: [signed; 3], saturate: false, accumulate: false };
    let rectify = Video { operation: Operation::Maximum, ..how };
    let combine = move |a, b| {
        let result = numeric_video(a, b, 0, how);
        if relu { numeric_video(result, 0, 0, rectify) } else { result }
    };
    binary_rare(decoder, Type::Bits(32), operands(instruction)?, combine, |a, _| a)
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
            ("popc", _) => decoder.rare1(d, a, u64::count_ones),
            ("clz", _) => decoder.rare1(d, a, u64::leading_zeros),
            (_, true) => decoder.rare1(d, a, move |x| numeric::bfind_s64(x, amount)),
            (_, false) => decoder.rare1(d, a, move |x| numeric::bfind_u64(x, amount)),
        }
    } else {
        let a = decoder.source32(a, ty)?;
        match (opcode, ty.is_signed()) {
            ("popc", _) => decoder.rare1(d, a, u32::count_ones),
            ("clz", _) => decoder.rare1(d, a, u32::leading_zeros),
            (_, true) => decoder.rare1(d, a, move |x| numeric::bfind_s32(x, amount)),
            (_, false) => decoder.rare1(d, a, move |x| numeric::bfind_u32(x, amount)),
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
            true => decoder.rare3(d, (a, pos, len), numeric::bfe_s64),
            false => decoder.rare3(d, (a, pos, len), numeric::bfe_u64),
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
        return binary_rare(decoder, ty, operands(instruction)?, multiply, |a, _| a);
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
