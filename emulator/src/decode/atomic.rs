//! `atom` and `red`.

use super::decoder::Decoder;
use super::memory::{Address, address};
use super::moves::space;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::access::{Element, misaligned};
use crate::exec::atomic::{Memory, update};
use crate::lanes::{R32, R64, Slot, lanes_of};
use crate::memory::Space;
use crate::numeric::Rounding::NearestEven;
use crate::numeric::arith::{self, Minmax};
use crate::numeric::convert::ftz;
use crate::numeric::half16::{self, Bf16, F16, packed};
use crate::shadow::Ordering;

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn atomic(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Atomic;
    let order = m.take_any(&["relaxed", "acquire", "release", "acq_rel"]);
    let scope = m.take_any(&["cta", "cluster", "gpu", "sys"]);
    let ordering = Ordering {
        acquire: matches!(order, Some("acquire" | "acq_rel")),
        release: matches!(order, Some("release" | "acq_rel")),
        wide: !matches!(scope, Some("cta" | "cluster")),
    };
    let space = m.take_map(space).unwrap_or(Space::Generic);
    let has_policy = m.take("L2::cache_hint");
    let elements = m.take_any(&["v2", "v4", "v8"]).map_or(1, |vector| usize::from(vector.as_bytes()[1] - b'0'));
    m.take("noftz");
    let operation = m.take_any(&["add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"]);
    let operation = operation.ok_or("an operation is missing")?;
    m.take("noftz");
    let ty = m.ty()?;
    let (to, rest) = match (instruction.opcode.as_str(), instruction.operands.as_slice()) {
        ("atom", [to, rest @ ..]) => (Some(to), rest),
        (_, rest) => (None, rest),
    };
    let rest = if has_policy { &rest[..rest.len().saturating_sub(1)] } else { rest };
    let [at, values @ ..] = rest else { return Err("an address is missing".to_owned()) };
    if !matches!(values.len(), 1 | 2) || (operation == "cas") != (values.len() == 2) {
        return Err(format!("{} operands", instruction.operands.len()));
    }
    let (address, space) = address(decoder, at, space)?;
    if !matches!(space, Space::Global | Space::Shared | Space::Cluster | Space::Generic) {
        return Err("a space other than .global and .shared".to_owned());
    }
    decoder.communicates |= !matches!(space, Space::Shared | Space::Cluster);
    let memory = Memory { space, ordering };
    if elements != 1 {
        if space == Space::Shared {
            return Err("a vector in .shared".to_owned());
        }
        return vector(decoder, memory, address, (operation, ty, elements), (to, &values[0]));
    }
    if ty.is_wide() {
        let d = match to {
            Some(to) => decoder.dest64(to)?,
            None => decoder.temporary64(),
        };
        let b = decoder.source64(&values[0], ty)?;
        let c = values.get(1).map_or(Ok(b), |value| decoder.source64(value, ty))?;
        let f = wide(operation, ty)?;
        emit::<R64, 8>(decoder, memory, address, (d, b, c), [f, f]);
        return Ok(());
    }
    let d = match to {
        Some(to) => decoder.dest32(to, ty)?,
        None => decoder.temporary32(),
    };
    let b = decoder.source32(&values[0], ty)?;
    let c = values.get(1).map_or(Ok(b), |value| decoder.source32(value, ty))?;
    let shared = narrow(operation, ty)?;
    let f = [shared, if (operation, ty) == ("add", Type::F32) { add_flushed } else { shared }];
    match ty.bits() {
        16 => emit::<R32, 2>(decoder, memory, address, (d, b, c), f),
        _ => emit::<R32, 4>(decoder, memory, address, (d, b, c), f),
    }
    Ok(())
}

/// A vector of sums, minima or maxima: each element is an operation of its own.
fn vector(
    decoder: &mut Decoder<'_>,
    memory: Memory,
    address: Address,
    (operation, ty, elements): (&str, Type, usize),
    (to, from): (Option<&Operand>, &Operand),
) -> Result {
    let f: fn(u64, u64, u64) -> u64 = match (operation, ty, elements) {
        ("add", Type::F32, 2 | 4) => add_flushed,
        ("add", Type::F16 | Type::Bf16, _) | ("add", Type::F16x2 | Type::Bf16x2, 2 | 4) => narrow(operation, ty)?,
        ("min" | "max", Type::F16 | Type::Bf16, _) | ("min" | "max", Type::F16x2 | Type::Bf16x2, 2 | 4) => {
            extreme(operation == "min", ty)
        }
        _ => return Err(format!("`.{operation}` of {elements} elements of this type")),
    };
    let parts = |operand: &Operand| match operand {
        Operand::Vector(parts) if parts.len() == elements => Ok(parts.clone()),
        _ => Err(format!("a vector of {elements} registers is needed")),
    };
    let from = parts(from)?.iter().map(|part| decoder.source32(part, ty)).collect::<Result<Vec<R32>>>()?;
    let to = match to {
        Some(to) => parts(to)?.iter().map(|part| decoder.dest32(part, ty)).collect::<Result<Vec<R32>>>()?,
        None => Vec::new(),
    };
    let bytes = ty.bits() as usize / 8;
    decoder.simple(move |warp, env, mask| {
        let first = address.lanes(warp);
        let size = (bytes * elements) as u64;
        let fits = lanes_of(mask).filter(|lane| first[*lane].is_multiple_of(size)).fold(0, |m, lane| m | 1 << lane);
        for lane in lanes_of(mask & !fits) {
            misaligned(warp, env, lane, Space::Global, first[lane], size);
        }
        for (i, from) in from.iter().enumerate() {
            let addresses = first.map(|at| at.wrapping_add((i * bytes) as u64));
            let values = from.load(warp);
            let apply = |_, lane: usize, old| f(old, values[lane].into(), 0);
            let old = match bytes {
                2 => update::<2>(warp, env, fits, memory, &addresses, &apply),
                _ => update::<4>(warp, env, fits, memory, &addresses, &apply),
            };
            if let Some(to) = to.get(i) {
                to.store(warp, mask, old.map(|bits| bits as u32));
            }
        }
    });
    Ok(())
}

/// The smaller or the larger of two numbers.
fn extreme(least: bool, ty: Type) -> fn(u64, u64, u64) -> u64 {
    const PLAIN: Minmax = Minmax { nan: false, xorsign_abs: false };
    match (ty, least) {
        (Type::F16, true) => |a, b, _| half16::min::<F16>(a as u16, b as u16, PLAIN).into(),
        (Type::F16, false) => |a, b, _| half16::max::<F16>(a as u16, b as u16, PLAIN).into(),
        (Type::Bf16, true) => |a, b, _| half16::min::<Bf16>(a as u16, b as u16, PLAIN).into(),
        (Type::Bf16, false) => |a, b, _| half16::max::<Bf16>(a as u16, b as u16, PLAIN).into(),
        (Type::F16x2, true) => |a, b, _| packed(a as u32, b as u32, |a, b| half16::min::<F16>(a, b, PLAIN)).into(),
        (Type::F16x2, false) => |a, b, _| packed(a as u32, b as u32, |a, b| half16::max::<F16>(a, b, PLAIN)).into(),
        (_, true) => |a, b, _| packed(a as u32, b as u32, |a, b| half16::min::<Bf16>(a, b, PLAIN)).into(),
        (_, false) => |a, b, _| packed(a as u32, b as u32, |a, b| half16::max::<Bf16>(a, b, PLAIN)).into(),
    }
}

/// `add.f32` on global memory, which flushes subnormal operands and results; on shared memory it does not (PTX ISA, "atom").
fn add_flushed(a: u64, b: u64, _: u64) -> u64 {
    let [a, b] = [a, b].map(|x| ftz(f32::from_bits(x as u32)));
    ftz(arith::add(a, b, NearestEven)).to_bits().into()
}

/// The new value for the old one and the operands, on the bits of the type.
pub(super) fn narrow(operation: &str, ty: Type) -> Result<fn(u64, u64, u64) -> u64> {
    let f: fn(u64, u64, u64) -> u64 = match (operation, ty) {
        ("add", Type::Unsigned(32) | Type::Signed(32)) => |a, b, _| u64::from((a as u32).wrapping_add(b as u32)),
        ("add", Type::F32) => {
            |a, b, _| u64::from(arith::add(f32::from_bits(a as u32), f32::from_bits(b as u32), NearestEven).to_bits())
        }
        ("add", Type::F16) => |a, b, _| u64::from(half16::add::<F16>(a as u16, b as u16)),
        ("add", Type::Bf16) => |a, b, _| u64::from(half16::add::<Bf16>(a as u16, b as u16)),
        ("add", Type::F16x2) => |a, b, _| u64::from(packed(a as u32, b as u32, half16::add::<F16>)),
        ("add", Type::Bf16x2) => |a, b, _| u64::from(packed(a as u32, b as u32, half16::add::<Bf16>)),
        ("min", Type::Unsigned(32)) => |a, b, _| a.min(b),
        ("max", Type::Unsigned(32)) => |a, b, _| a.max(b),
        ("min", Type::Signed(32)) => |a, b, _| u64::from((a as i32).min(b as i32) as u32),
        ("max", Type::Signed(32)) => |a, b, _| u64::from((a as i32).max(b as i32) as u32),
        ("and", Type::Bits(32)) => |a, b, _| a & b,
        ("or", Type::Bits(32)) => |a, b, _| a | b,
        ("xor", Type::Bits(32)) => |a, b, _| a ^ b,
        ("exch", Type::Bits(32)) => |_, b, _| b,
        ("cas", Type::Bits(32)) => |a, b, c| if a == b { c } else { a },
        ("cas", Type::Bits(16)) => |a, b, c| if a == b & 0xffff { c & 0xffff } else { a },
        ("inc", Type::Unsigned(32)) => |a, b, _| if a >= b { 0 } else { a + 1 },
        ("dec", Type::Unsigned(32)) => |a, b, _| if a == 0 || a > b { b } else { a - 1 },
        _ => return Err(format!("`.{operation}` with this type")),
    };
    Ok(f)
}

pub(super) fn wide(operation: &str, ty: Type) -> Result<fn(u64, u64, u64) -> u64> {
    let f: fn(u64, u64, u64) -> u64 = match (operation, ty) {
        ("add", Type::Unsigned(64) | Type::Signed(64)) => |a, b, _| a.wrapping_add(b),
        ("add", Type::F64) => |a, b, _| arith::add_f64(f64::from_bits(a), f64::from_bits(b), NearestEven).to_bits(),
        ("min", Type::Unsigned(64)) => |a, b, _| a.min(b),
        ("max", Type::Unsigned(64)) => |a, b, _| a.max(b),
        ("min", Type::Signed(64)) => |a, b, _| (a as i64).min(b as i64) as u64,
        ("max", Type::Signed(64)) => |a, b, _| (a as i64).max(b as i64) as u64,
        ("and", Type::Bits(64)) => |a, b, _| a & b,
        ("or", Type::Bits(64)) => |a, b, _| a | b,
        ("xor", Type::Bits(64)) => |a, b, _| a ^ b,
        ("exch", Type::Bits(64)) => |_, b, _| b,
        ("cas", Type::Bits(64)) => |a, b, c| if a == b { c } else { a },
        _ => return Err(format!("`.{operation}` with this type")),
    };
    Ok(f)
}

/// `f`: the operation on shared memory and on global memory.
fn emit<S: Element, const W: usize>(
    decoder: &mut Decoder<'_>,
    memory: Memory,
    address: Address,
    (d, b, c): (S, S, S),
    [shared, global]: [fn(u64, u64, u64) -> u64; 2],
) {
    decoder.simple(move |warp, env, mask| {
        let addresses = address.lanes(warp);
        let (b, c) = (b.load(warp).map(S::to_bits), c.load(warp).map(S::to_bits));
        let old = update::<W>(warp, env, mask, memory, &addresses, &|space, lane, old| {
            (if space == Space::Shared { shared } else { global })(old, b[lane], c[lane])
        });
        d.store(warp, mask, old.map(S::from_bits));
    });
}
