//! `ld`, `st` and hints about memory.

use super::decoder::{Decoder, Symbol, lanes};
use super::moves::space;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::Warp;
use crate::exec::access::{self, Element, Shape};
use crate::isa::Action;
use crate::lanes::{LANES, R32, R64, Slot};
use crate::memory::Space;
use crate::program::{Op, Register};
use crate::shadow::Ordering;

type Result<T = ()> = std::result::Result<T, String>;

/// An address operand: a register and a constant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    base: Base,
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
enum Base {
    /// Addresses wrap at 32 bits.
    Narrow(R32),
    Wide(R64),
}

impl Address {
    /// The address of each lane.
    #[inline(never)]
    pub fn lanes(self, warp: &Warp) -> [u64; LANES] {
        let offset = self.offset;
        match self.base {
            Base::Narrow(slot) => {
                let base = slot.load(warp);
                lanes(|lane| u64::from(base[lane].wrapping_add(offset as u32)))
            }
            Base::Wide(slot) => {
                let base = slot.load(warp);
                lanes(|lane| base[lane].wrapping_add(offset))
            }
        }
    }
}

/// The address in an operand, and the space that it really lies in: `.param` variables of functions are local.
pub(crate) fn address(decoder: &mut Decoder<'_>, operand: &Operand, space: Space) -> Result<(Address, Space)> {
    let (base, offset) = match operand {
        Operand::Address { base, offset } => (base.as_ref(), *offset as u64),
        operand => (operand, 0),
    };
    match base {
        Operand::Register(id) => {
            let base = match decoder.registers[*id as usize] {
                Register::R64(slot) => Base::Wide(slot),
                Register::R32(slot) => Base::Narrow(slot),
                Register::Pred(_) => return Err("a predicate as an address".to_owned()),
            };
            let in_function = space == Space::Param && !decoder.function.is_entry;
            Ok((Address { base, offset }, if in_function { Space::Local } else { space }))
        }
        Operand::Symbol(name) => {
            let symbol = decoder.symbol(name)?;
            let base = Base::Wide(decoder.source64(base, Type::Bits(64))?);
            let actual = match symbol {
                Symbol::Shared(_) => Space::Shared,
                Symbol::Local(_) => Space::Local,
                Symbol::Param(_) => Space::Param,
                Symbol::Variable(_) => Space::Global,
                Symbol::Function(_) => return Err(format!("the function `{name}` as memory")),
            };
            // `.param` variables of functions and calls are local.
            let fits = matches!((space, actual), (Space::Generic, _) | (Space::Param, Space::Local))
                || matches!((space, actual), (Space::Cluster, Space::Shared))
                || space == actual;
            if !fits {
                return Err(format!("`{name}`, which lies in .{}, as an address in .{}", actual.name(), space.name()));
            }
            Ok((Address { base, offset }, actual))
        }
        Operand::Integer(_) => {
            let base = Base::Wide(decoder.source64(base, Type::Bits(64))?);
            Ok((Address { base, offset }, space))
        }
        other => Err(format!("`{other:?}` as an address")),
    }
}

/// The qualifiers of a memory access.
struct Access {
    space: Space,
    elements: usize,
    ty: Type,
    /// Volatile, or with a memory order.
    strong: Option<Ordering>,
}

/// Where and how a memory instruction accesses.
#[derive(Clone, Copy)]
struct Place {
    space: Space,
    address: Address,
    strong: Option<Ordering>,
}

fn access(decoder: &mut Decoder<'_>, m: &mut Modifiers<'_>) -> Result<Access> {
    let order = m.take_any(&["weak", "volatile", "relaxed", "acquire", "release", "mmio"]);
    let scope = m.take_any(&["cta", "cluster", "gpu", "sys"]);
    let space = m.take_map(space).unwrap_or(Space::Generic);
    m.take("nc");
    let fetches_again = m.take_any(&["ca", "cg", "cs", "lu", "cv", "wb", "wt"]) == Some("cv");
    while m.take_prefix("L1::").is_some() || m.take_prefix("L2::").is_some() {}
    let elements = match m.take_any(&["v2", "v4", "v8"]) {
        Some("v2") => 2,
        Some("v4") => 4,
        Some(_) => 8,
        None => 1,
    };
    // Volatile accesses have the scope of the system.
    let wide = !matches!(scope, Some("cta" | "cluster"));
    let strong = (!matches!(order, None | Some("weak"))).then(|| Ordering {
        acquire: order == Some("acquire"),
        release: order == Some("release"),
        wide,
    });
    let beyond_block = scope != Some("cta") && matches!(space, Space::Global | Space::Generic);
    decoder.communicates |= (strong.is_some() || fetches_again) && beyond_block;
    Ok(Access { space, elements, ty: m.ty()?, strong })
}

/// The parts of a vector operand, or the operand itself.
fn parts(operand: &Operand, count: usize) -> Result<&[Operand]> {
    let parts = match operand {
        Operand::Vector(parts) => parts.as_slice(),
        operand => std::slice::from_ref(operand),
    };
    if parts.len() == count { Ok(parts) } else { Err(format!("{} registers where {count} are needed", parts.len())) }
}

pub(crate) fn load(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let Access { space, elements, ty, strong } = access(decoder, m)?;
    let [to, from, ..] = instruction.operands.as_slice() else { return Err("two operands are needed".to_owned()) };
    let (address, space) = address(decoder, from, space)?;
    decoder.class = match space {
        Space::Global | Space::Generic => Class::GlobalLoad,
        Space::Shared | Space::Cluster => Class::SharedLoad,
        Space::Local => Class::Local,
        Space::Param => Class::Param,
    };
    let place = Place { space, address, strong };
    let parts = parts(to, elements)?;
    if ty.is_wide() {
        let to = parts.iter().map(|part| decoder.dest64(part)).collect::<Result<Vec<_>>>()?;
        return match *to.as_slice() {
            [a] => load_as::<R64, 8, 1>(decoder, place, None, [a]),
            [a, b] => load_as::<R64, 8, 2>(decoder, place, None, [a, b]),
            [a, b, c, d] => load_as::<R64, 8, 4>(decoder, place, None, [a, b, c, d]),
            _ => Err("this vector length".to_owned()),
        };
    }
    let to = parts.iter().map(|part| decoder.dest32(part, ty)).collect::<Result<Vec<_>>>()?;
    let sign = (ty.is_signed() && ty.bits() < 32).then_some(32 - ty.bits());
    match (ty.bits(), to.as_slice()) {
        (8, &[a]) => load_as::<R32, 1, 1>(decoder, place, sign, [a]),
        (8, &[a, b]) => load_as::<R32, 1, 2>(decoder, place, sign, [a, b]),
        (8, &[a, b, c, d]) => load_as::<R32, 1, 4>(decoder, place, sign, [a, b, c, d]),
        (16, &[a]) => load_as::<R32, 2, 1>(decoder, place, sign, [a]),
        (16, &[a, b]) => load_as::<R32, 2, 2>(decoder, place, sign, [a, b]),
        (16, &[a, b, c, d]) => load_as::<R32, 2, 4>(decoder, place, sign, [a, b, c, d]),
        (32, &[a]) => load_as::<R32, 4, 1>(decoder, place, None, [a]),
        (32, &[a, b]) => load_as::<R32, 4, 2>(decoder, place, None, [a, b]),
        (32, &[a, b, c, d]) => load_as::<R32, 4, 4>(decoder, place, None, [a, b, c, d]),
        (32, &[a, b, c, d, e, f, g, h]) => load_as::<R32, 4, 8>(decoder, place, None, [a, b, c, d, e, f, g, h]),
        (bits, _) => Err(format!("{} elements of {bits} bits", to.len())),
    }
}

/// Loads and, where `sign` says by how much to shift, extends the sign. The two spaces that matter have code of their own.
fn load_as<D: Element, const W: usize, const N: usize>(
    decoder: &mut Decoder<'_>,
    Place { space, address, strong }: Place,
    sign: Option<u32>,
    to: [D; N],
) -> Result {
    let action: Action = match space {
        Space::Global if strong.is_none() => Box::new(move |warp, env, mask| {
            let addresses = address.lanes(warp);
            let mut values = [[D::from_bits(u64::MAX); LANES]; N];
            access::load_global::<D, W, N>(warp, env, mask, &addresses, &mut values);
            finish(warp, mask, values, sign, to);
        }),
        Space::Shared if strong.is_none() => Box::new(move |warp, env, mask| {
            let addresses = address.lanes(warp);
            let mut values = [[D::from_bits(u64::MAX); LANES]; N];
            access::load_shared::<D, W, N>(warp, env, mask, &addresses, &mut values);
            finish(warp, mask, values, sign, to);
        }),
        _ => Box::new(move |warp, env, mask| {
            let addresses = address.lanes(warp);
            let elements = access::load(warp, env, mask, space, &addresses, Shape { count: N, bytes: W, strong });
            let values = std::array::from_fn(|n| elements[n].map(D::from_bits));
            finish(warp, mask, values, sign, to);
        }),
    };
    decoder.push(Op::Plain(action));
    Ok(())
}

#[inline(never)]
fn finish<D: Element, const N: usize>(
    warp: &mut Warp,
    mask: u32,
    mut values: [[D::Value; LANES]; N],
    sign: Option<u32>,
    to: [D; N],
) {
    if let Some(shift) = sign {
        let extend = |x| D::from_bits(((D::to_bits(x) as i32) << shift >> shift) as u32 as u64);
        values = values.map(|value| value.map(extend));
    }
    for (to, value) in to.into_iter().zip(values) {
        to.store(warp, mask, value);
    }
}

pub(crate) fn store(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let Access { space, elements, ty, strong } = access(decoder, m)?;
    let [to, from, ..] = instruction.operands.as_slice() else { return Err("two operands are needed".to_owned()) };
    let (address, space) = address(decoder, to, space)?;
    decoder.class = match space {
        Space::Global | Space::Generic => Class::GlobalStore,
        Space::Shared | Space::Cluster => Class::SharedStore,
        Space::Local => Class::Local,
        Space::Param => Class::Param,
    };
    let place = Place { space, address, strong };
    let parts = parts(from, elements)?;
    if ty.is_wide() {
        let from = parts.iter().map(|part| decoder.source64(part, ty)).collect::<Result<Vec<_>>>()?;
        return match *from.as_slice() {
            [a] => store_as::<R64, 8, 1>(decoder, place, [a]),
            [a, b] => store_as::<R64, 8, 2>(decoder, place, [a, b]),
            [a, b, c, d] => store_as::<R64, 8, 4>(decoder, place, [a, b, c, d]),
            _ => Err("this vector length".to_owned()),
        };
    }
    let from = parts.iter().map(|part| decoder.source32(part, ty)).collect::<Result<Vec<_>>>()?;
    match (ty.bits(), from.as_slice()) {
        (8, &[a]) => store_as::<R32, 1, 1>(decoder, place, [a]),
        (8, &[a, b]) => store_as::<R32, 1, 2>(decoder, place, [a, b]),
        (8, &[a, b, c, d]) => store_as::<R32, 1, 4>(decoder, place, [a, b, c, d]),
        (16, &[a]) => store_as::<R32, 2, 1>(decoder, place, [a]),
        (16, &[a, b]) => store_as::<R32, 2, 2>(decoder, place, [a, b]),
        (16, &[a, b, c, d]) => store_as::<R32, 2, 4>(decoder, place, [a, b, c, d]),
        (32, &[a]) => store_as::<R32, 4, 1>(decoder, place, [a]),
        (32, &[a, b]) => store_as::<R32, 4, 2>(decoder, place, [a, b]),
        (32, &[a, b, c, d]) => store_as::<R32, 4, 4>(decoder, place, [a, b, c, d]),
        (32, &[a, b, c, d, e, f, g, h]) => store_as::<R32, 4, 8>(decoder, place, [a, b, c, d, e, f, g, h]),
        (bits, _) => Err(format!("{} elements of {bits} bits", from.len())),
    }
}

fn store_as<S: Element, const W: usize, const N: usize>(
    decoder: &mut Decoder<'_>,
    Place { space, address, strong }: Place,
    from: [S; N],
) -> Result {
    let action: Action = match space {
        Space::Global if strong.is_none() => Box::new(move |warp, env, mask| {
            let (addresses, values) = (address.lanes(warp), from.map(|slot| slot.load(warp)));
            access::store_global::<S, W, N>(warp, env, mask, &addresses, &values);
        }),
        Space::Shared if strong.is_none() => Box::new(move |warp, env, mask| {
            let (addresses, values) = (address.lanes(warp), from.map(|slot| slot.load(warp)));
            access::store_shared::<S, W, N>(warp, env, mask, &addresses, &values);
        }),
        _ => Box::new(move |warp, env, mask| {
            let addresses = address.lanes(warp);
            let mut elements = [[0; LANES]; 8];
            for (element, slot) in elements.iter_mut().zip(from) {
                *element = slot.load(warp).map(S::to_bits);
            }
            access::store(warp, env, mask, space, &addresses, (Shape { count: N, bytes: W, strong }, &elements));
        }),
    };
    decoder.push(Op::Plain(action));
    Ok(())
}

/// Prefetches and cache hints: nothing to do, but their form is checked.
pub(crate) fn hint(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    m.take_map(space);
    m.take_any(&["L1", "L2"]);
    while m.take_prefix("L2::").is_some() {}
    let Some(operand) = instruction.operands.first() else { return Err("an address is missing".to_owned()) };
    address(decoder, operand, Space::Generic)?;
    decoder.class = Class::Integer;
    decoder.simple(|_, _, _| {});
    Ok(())
}
