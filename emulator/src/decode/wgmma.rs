//! `wgmma` and `setmaxnreg`: instructions of a warpgroup.

use super::decoder::Decoder;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::{Env, Warp, wgmma as exec};
use crate::lanes::R32;
use crate::numeric::wgmma::{Element, Form};
use crate::program::{Matrix, Op, Register, Warpgroup, Wgmma};

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn wgmma(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Barrier;
    let what = m.take_any(&["fence", "commit_group", "wait_group", "mma_async"]).ok_or("an operation is missing")?;
    if !(m.take("sync") && m.take("aligned")) {
        return Err(format!("`wgmma.{what}` needs .sync.aligned"));
    }
    let op = match (what, instruction.operands.as_slice()) {
        ("fence", []) => Warpgroup::Fence,
        ("commit_group", []) => Warpgroup::Commit,
        ("wait_group", [Operand::Integer(newest)]) => {
            Warpgroup::Wait(u32::try_from(*newest).map_err(|_| format!("{newest} groups"))?)
        }
        ("mma_async", operands) => return multiply(decoder, operands, m),
        (what, found) => return Err(format!("`wgmma.{what}` with {} operands", found.len())),
    };
    decoder.push(Op::Warpgroup(Box::new(op)));
    Ok(())
}

fn element(name: &str) -> Option<Element> {
    Some(match name {
        "f16" => Element::F16,
        "bf16" => Element::Bf16,
        "tf32" => Element::Tf32,
        "e4m3" => Element::E4m3,
        "e5m2" => Element::E5m2,
        "s8" => Element::S8,
        "u8" => Element::U8,
        _ => return None,
    })
}

/// The shape and types of a product.
fn form(m: &mut Modifiers<'_>) -> Result<Form> {
    let shape = m.take_prefix("m64n").ok_or("the shape is missing or unknown")?;
    let (n, k) = shape[4..].split_once('k').ok_or("the shape is unknown")?;
    let (n, k): (usize, usize) = n.parse().ok().zip(k.parse().ok()).ok_or("the shape is unknown")?;
    let satfinite = m.take("satfinite");
    let to = m.ty()?;
    let (a, b) = m.take_map(element).zip(m.take_map(element)).ok_or("operand types are missing or unknown")?;
    let is_float8 = |element| matches!(element, Element::E4m3 | Element::E5m2);
    let fits = match (to, a) {
        (Type::Signed(32), a) => a.is_integer() && b.is_integer(),
        (Type::F32, a) => (a == b && !a.is_integer()) || (is_float8(a) && is_float8(b)),
        (Type::F16, Element::F16) => b == Element::F16,
        (Type::F16, a) => is_float8(a) && is_float8(b),
        _ => false,
    };
    let form = Form { a, b, n, half: to == Type::F16, negate_a: false, negate_b: false, satfinite };
    let has_columns = (8..=256).contains(&n) && (n % 16 == 0 || n == 8 || n == 24 || n % 8 == 0 && !a.is_integer());
    if !fits || !has_columns || k != form.k() || satfinite && !a.is_integer() {
        return Err(format!("`.{shape}` with these types"));
    }
    Ok(form)
}

fn multiply(decoder: &mut Decoder<'_>, operands: &[Operand], m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Tensor;
    let mut form = form(m)?;
    let [Operand::Vector(d), a, b, accumulate, constants @ ..] = operands else {
        return Err(format!("{} operands", operands.len()));
    };
    let in_registers = matches!(a, Operand::Vector(_));
    // Signs of both, then orders of those in shared memory.
    let constants = constants.iter().map(|operand| match operand {
        Operand::Integer(value) => Ok(*value),
        other => Err(format!("`{other:?}` where a constant is needed")),
    });
    let constants = constants.collect::<Result<Vec<i64>>>()?;
    let can_turn = matches!(form.a, Element::F16 | Element::Bf16);
    let (signs, orders) = match (form.a.is_integer(), can_turn, constants.as_slice()) {
        (true, _, []) => ([1, 1], [0, 0]),
        (false, true, &[a, b, order]) if in_registers => ([a, b], [0, order]),
        (false, true, &[a, b, of_a, of_b]) if !in_registers => ([a, b], [of_a, of_b]),
        (false, false, &[a, b]) => ([a, b], [0, 0]),
        (_, _, found) => return Err(format!("{} constants", found.len())),
    };
    if signs.iter().any(|sign| !matches!(sign, 1 | -1)) || orders.iter().any(|order| !matches!(order, 0 | 1)) {
        return Err("a constant that is not allowed".to_owned());
    }
    (form.negate_a, form.negate_b) = (signs[0] == -1, signs[1] == -1);
    if d.len() != form.registers() {
        return Err(format!("{} accumulators where {} are needed", d.len(), form.registers()));
    }
    let d: Box<[R32]> = d.iter().map(|part| exact(decoder, part)).collect::<Result<_>>()?;
    let (a, registers) = match a {
        Operand::Vector(parts) => {
            let parts: Vec<R32> = parts.iter().map(|part| exact(decoder, part)).collect::<Result<_>>()?;
            let parts: [R32; 4] = parts.try_into().map_err(|_| "a fragment of 4 registers is needed".to_owned())?;
            (None, Some(parts))
        }
        a => (Some(Matrix { descriptor: decoder.source64(a, Type::Bits(64))?, across: orders[0] == 1 }), None),
    };
    let b = Matrix { descriptor: decoder.source64(b, Type::Bits(64))?, across: orders[1] == 1 };
    let accumulate = decoder.source_pred(accumulate)?;
    // A warp has 16 of the 64 rows.
    decoder.flops = (2 * 16 * form.n * form.k()) as u32;
    let action = decoder.isa.compile(
        #[inline(always)]
        move |warp: &mut Warp, env: &mut Env<'_>, _: u32| exec::multiply(warp, env, &form, &d, registers),
    );
    let wgmma = Wgmma {
        form,
        a,
        b,
        accumulate,
        action,
        accumulators: Vec::new(),
        fragments: Vec::new(),
        uninitialised: Vec::new(),
    };
    decoder.push(Op::Warpgroup(Box::new(Warpgroup::Multiply(wgmma))));
    Ok(())
}

/// A register that stays in use after the instruction, so it has to have the right width by itself.
fn exact(decoder: &Decoder<'_>, operand: &Operand) -> Result<R32> {
    match operand {
        Operand::Register(id) => match decoder.registers[*id as usize] {
            Register::R32(slot) => Ok(slot),
            _ => Err("a register of another size than 32 bits".to_owned()),
        },
        other => Err(format!("`{other:?}` where a register is needed")),
    }
}

/// `setmaxnreg.{inc,dec}.sync.aligned.u32 count`.
pub(crate) fn set_registers(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Control;
    let more = m.take_any(&["inc", "dec"]).ok_or("one of .inc, .dec is missing")? == "inc";
    if !(m.take("sync") && m.take("aligned") && m.take("u32")) {
        return Err("only .sync.aligned.u32 is supported".to_owned());
    }
    match instruction.operands.as_slice() {
        [Operand::Integer(count @ 24..=256)] if count % 8 == 0 => {
            decoder.push(Op::Warpgroup(Box::new(Warpgroup::Registers { count: *count as u32, more })));
            Ok(())
        }
        _ => Err("a number of registers from 24 to 256, a multiple of 8, is needed".to_owned()),
    }
}
