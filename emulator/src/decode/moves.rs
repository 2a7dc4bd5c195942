//! `mov`, `cvta`, `isspacep`.

use super::decoder::Decoder;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::exec::cluster::split;
use crate::lanes::Slot;
use crate::memory::Space;

/// The operands of an instruction that takes exactly `N`.
pub(crate) fn operands<const N: usize>(instruction: &Instruction) -> Result<&[Operand; N], String> {
    let found = instruction.operands.as_slice();
    found.try_into().map_err(|_| format!("{} operands where {N} are needed", found.len()))
}

pub(crate) fn mov(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result<(), String> {
    let ty = m.ty()?;
    let [to, from] = operands(instruction)?;
    match (to, from) {
        (Operand::Vector(parts), from) => unpack(decoder, ty, parts, from),
        (to, Operand::Vector(parts)) => pack(decoder, ty, to, parts),
        _ if ty == Type::Pred => {
            let (d, a) = (decoder.dest_pred(to)?, decoder.source_pred(from)?);
            decoder.map1(d, a, |x: bool| x);
            Ok(())
        }
        _ if ty.is_wide() => {
            let (d, a) = (decoder.dest64(to)?, decoder.source64(from, ty)?);
            decoder.map1(d, a, |x: u64| x);
            Ok(())
        }
        _ => {
            let (d, a) = (decoder.dest32(to, ty)?, decoder.source32(from, ty)?);
            decoder.map1(d, a, |x: u32| x);
            Ok(())
        }
    }
}

/// `mov.b64 {lo, hi}, x` and its like.
fn unpack(decoder: &mut Decoder<'_>, ty: Type, parts: &[Operand], from: &Operand) -> Result<(), String> {
    let bits = ty.bits() / parts.len() as u32;
    let part = Type::Bits(bits);
    match (ty.bits(), parts.len()) {
        (64, 2) => {
            let a = decoder.source64(from, ty)?;
            let (lo, hi) = (decoder.dest32(&parts[0], part)?, decoder.dest32(&parts[1], part)?);
            decoder.map1(lo, a, |x| x as u32);
            decoder.map1(hi, a, |x| (x >> 32) as u32);
        }
        (64, 4) => {
            let a = decoder.source64(from, ty)?;
            for (at, to) in parts.iter().enumerate() {
                let d = decoder.dest32(to, part)?;
                decoder.map1(d, a, move |x| (x >> (16 * at) & 0xffff) as u32);
            }
        }
        (32, 2 | 4) | (16, 2) => {
            let a = decoder.source32(from, ty)?;
            for (at, to) in parts.iter().enumerate() {
                let d = decoder.dest32(to, part)?;
                let shift = bits * at as u32;
                decoder.map1(d, a, move |x: u32| x >> shift & (u32::MAX >> (32 - bits)));
            }
        }
        (bits, parts) => return Err(format!("{bits} bits into {parts} parts")),
    }
    Ok(())
}

/// `mov.b64 x, {lo, hi}` and its like.
fn pack(decoder: &mut Decoder<'_>, ty: Type, to: &Operand, parts: &[Operand]) -> Result<(), String> {
    let bits = ty.bits() / parts.len() as u32;
    let part = Type::Bits(bits);
    let mut sources = Vec::new();
    for operand in parts {
        sources.push(decoder.source32(operand, part)?);
    }
    match (ty.bits(), sources.as_slice()) {
        (64, &[lo, hi]) => {
            let d = decoder.dest64(to)?;
            decoder.map2(d, lo, hi, |lo: u32, hi: u32| u64::from(lo) | u64::from(hi) << 32);
        }
        (64, &[a, b, c, e]) => {
            let d = decoder.dest64(to)?;
            decoder.map4(d, (a, b, c, e), |a: u32, b: u32, c: u32, e: u32| {
                u64::from(a & 0xffff | b << 16) | u64::from(c & 0xffff | e << 16) << 32
            });
        }
        (32, &[lo, hi]) => {
            let d = decoder.dest32(to, ty)?;
            decoder.map2(d, lo, hi, |lo: u32, hi: u32| lo & 0xffff | hi << 16);
        }
        (32, &[a, b, c, e]) => {
            let d = decoder.dest32(to, ty)?;
            decoder.map4(d, (a, b, c, e), |a: u32, b: u32, c: u32, e: u32| {
                u32::from_le_bytes([a as u8, b as u8, c as u8, e as u8])
            });
        }
        (16, &[lo, hi]) => {
            let d = decoder.dest32(to, ty)?;
            decoder.map2(d, lo, hi, |lo: u32, hi: u32| lo & 0xff | (hi & 0xff) << 8);
        }
        (bits, parts) => return Err(format!("{} parts into {bits} bits", parts.len())),
    }
    Ok(())
}

/// The state space that a modifier names.
pub(crate) fn space(name: &str) -> Option<Space> {
    match name {
        "global" | "const" => Some(Space::Global),
        "shared" | "shared::cta" => Some(Space::Shared),
        "shared::cluster" => Some(Space::Cluster),
        "local" => Some(Space::Local),
        "param" | "param::entry" | "param::func" => Some(Space::Param),
        _ => None,
    }
}

pub(crate) fn cvta(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result<(), String> {
    let from_generic = m.take("to");
    let window = m.take_map(space).ok_or("a state space is missing")?.window();
    let ty = m.ty()?;
    let [to, from] = operands(instruction)?;
    let (d, a) = (decoder.dest64(to)?, decoder.source64(from, ty)?);
    if from_generic {
        decoder.map1(d, a, move |x| x.wrapping_sub(window));
    } else {
        decoder.map1(d, a, move |x| x.wrapping_add(window));
    }
    Ok(())
}

pub(crate) fn isspacep(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    m: &mut Modifiers<'_>,
) -> Result<(), String> {
    let space = m.take_map(space).ok_or("a state space is missing")?;
    let [to, from] = operands(instruction)?;
    let (d, a) = (decoder.dest_pred(to)?, decoder.source64(from, Type::Unsigned(64))?);
    if space == Space::Shared {
        // The window of the block's own memory: addresses there may name it as a member of the cluster.
        decoder.simple(move |warp, env, mask| {
            let is_own = |x: u64| {
                Space::of(x) == space && split(x.wrapping_sub(space.window())).0.is_none_or(|rank| rank == env.rank)
            };
            let values = a.load(warp).map(is_own);
            d.store(warp, mask, values);
        });
    } else {
        let space = if space == Space::Cluster { Space::Shared } else { space };
        decoder.map1(d, a, move |x| Space::of(x) == space);
    }
    Ok(())
}
