//! `cp.async.bulk`, `cp.reduce.async.bulk`, `st.async`, and what belongs to tensor maps.

use super::atomic;
use super::decoder::Decoder;
use super::memory::{Address, address};
use super::moves::{operands, space};
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::bulk::{self, Flight, Outside, Reduction, Source};
use crate::exec::{Env, Warp};
use crate::executed::swizzled;
use crate::fault::FaultKind;
use crate::lanes::{R32, Slot, lanes_of};
use crate::memory::Space;
use crate::shadow::Issuer;
use crate::tensor_map::{TensorElement, TensorMap};

type Result<T = ()> = std::result::Result<T, String>;

/// The instructions that begin with `cp.async.bulk` or `cp.reduce.async.bulk`, all of which is taken.
pub(crate) fn bulk(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    m: &mut Modifiers<'_>,
    reduces: bool,
) -> Result {
    decoder.class = Class::AsyncCopy;
    match m.take_any(&["commit_group", "wait_group", "prefetch"]) {
        Some("commit_group") => {
            decoder.simple(|warp, _, mask| warp.bulk.commit(mask));
            return Ok(());
        }
        Some("wait_group") => {
            let reads_alone = m.take("read");
            let [Operand::Integer(newest)] = operands(instruction)? else {
                return Err("a constant number of groups is missing".to_owned());
            };
            let newest = *newest as u32;
            decoder.simple(move |warp, env, mask| bulk::wait(warp, env, mask, newest, reads_alone));
            return Ok(());
        }
        Some(_) => return prefetch(decoder, instruction, m),
        None => {}
    }
    let tensor = m.take("tensor");
    let rank = if tensor { Some(dimensions(m)?) } else { None };
    let to_space = m.take_map(space).ok_or("the destination's space is missing")?;
    let from_space = m.take_map(space).ok_or("the source's space is missing")?;
    let operation = if reduces { Some(operation(m)?) } else { None };
    m.take("tile");
    let has_groups = m.take("bulk_group");
    let has_barrier = m.take("mbarrier::complete_tx::bytes");
    let multicast = m.take("multicast::cluster");
    let hints = usize::from(m.take("L2::cache_hint"));
    let noftz = m.take("noftz");
    let ty = if reduces && !tensor { Some(m.ty()?) } else { None };
    if noftz && !matches!(ty, Some(Type::F16 | Type::Bf16)) {
        return Err("`.noftz` for this type".to_owned());
    }
    let ops = instruction.operands.as_slice();
    let ops = &ops[..ops.len().saturating_sub(hints)];
    match (to_space, from_space) {
        (Space::Shared | Space::Cluster, Space::Global | Space::Shared) if has_barrier && !has_groups => {
            let reduction = match (operation, ty) {
                (Some(operation), Some(ty)) => Some(reduction(operation, ty)?),
                (Some(_), None) => return Err("a reduction of a tensor in shared memory".to_owned()),
                _ => None,
            };
            load(decoder, (ops, rank), (to_space, from_space), multicast, reduction)
        }
        (Space::Global, Space::Shared) if has_groups && !has_barrier && !multicast => {
            store(decoder, (ops, rank), operation, ty)
        }
        _ => Err("this way, or this way of completion".to_owned()),
    }
}

fn dimensions(m: &mut Modifiers<'_>) -> Result<usize> {
    let name = m.take_any(&["1d", "2d", "3d", "4d", "5d"]).ok_or("a number of dimensions is missing")?;
    Ok(usize::from(name.as_bytes()[0] - b'0'))
}

fn operation(m: &mut Modifiers<'_>) -> Result<&'static str> {
    let known = ["add", "min", "max", "inc", "dec", "and", "or", "xor"];
    let name = m.take_any(&known).ok_or("an operation is missing")?;
    known.into_iter().find(|known| *known == name).ok_or_else(|| "an operation is missing".to_owned())
}

/// The function of a reduction on elements of a type.
fn reduction(operation: &str, ty: Type) -> Result<Reduction> {
    let f = if ty.is_wide() { atomic::wide(operation, ty)? } else { atomic::narrow(operation, ty)? };
    Ok((f, ty.bits() / 8))
}

/// The same for the elements of a tensor.
fn reduction_of(operation: &str, element: TensorElement) -> Result<Reduction> {
    let is_bitwise = matches!(operation, "and" | "or" | "xor");
    let ty = match element {
        TensorElement::U32 | TensorElement::I32 if is_bitwise => Type::Bits(32),
        TensorElement::U64 | TensorElement::I64 if is_bitwise => Type::Bits(64),
        TensorElement::U32 => Type::Unsigned(32),
        TensorElement::I32 => Type::Signed(32),
        TensorElement::U64 => Type::Unsigned(64),
        TensorElement::I64 => Type::Signed(64),
        TensorElement::F16 => Type::F16,
        TensorElement::Bf16 => Type::Bf16,
        TensorElement::F32 => Type::F32,
        TensorElement::F64 => Type::F64,
        _ => return Err(format!("`.{operation}` on elements of type {element:?}")),
    };
    reduction(operation, ty)
}

/// A place in global memory as operands give it.
#[derive(Clone)]
enum Place {
    Plain(Address),
    Tensor { map: Address, space: Space, coordinates: Vec<R32> },
}

impl Place {
    fn decode(decoder: &mut Decoder<'_>, operand: &Operand, rank: Option<usize>) -> Result<Self> {
        let Some(rank) = rank else { return Ok(Self::Plain(address(decoder, operand, Space::Global)?.0)) };
        let Operand::Tensor { base, coordinates } = operand else { return Err("coordinates are missing".to_owned()) };
        if coordinates.len() != rank {
            return Err(format!("{} coordinates for {rank} dimensions", coordinates.len()));
        }
        let (map, space) = address(decoder, base, Space::Generic)?;
        let coordinates =
            coordinates.iter().map(|at| decoder.source32(at, Type::Signed(32))).collect::<Result<Vec<_>>>()?;
        Ok(Self::Tensor { map, space, coordinates })
    }

    /// Where it is for a lane, and how many bytes of shared memory a copy of a box takes and moves. `None` after a fault.
    fn find(&self, warp: &Warp, env: &mut Env<'_>, lane: usize, size: u32) -> Option<(Outside, u32, u32)> {
        match self {
            Self::Plain(address) => {
                let address = address.lanes(warp)[lane];
                if !address.is_multiple_of(16) {
                    crate::exec::access::misaligned(warp, env, lane, Space::Global, address, 16);
                    return None;
                }
                Some((Outside::Plain { address }, size, size))
            }
            Self::Tensor { map, space, coordinates } => {
                let address = map.lanes(warp)[lane];
                let map: Box<TensorMap> =
                    bulk::tensor_map(warp, env, lane, (*space, address), Some(coordinates.len()))?;
                let mut origin = [0; 5];
                for (to, at) in origin.iter_mut().zip(coordinates) {
                    *to = at.lane(warp, lane) as i32;
                }
                env.context.program.executed.note(env.pc, swizzled(0, map.swizzle));
                let (size, bytes) = (map.footprint(), map.box_bytes());
                Some((Outside::Tensor { map, origin }, size, bytes))
            }
        }
    }
}

/// The alignment of a copy's part of shared memory.
fn alignment(place: Option<usize>) -> u64 {
    if place.is_some() { 128 } else { 16 }
}

/// A constant 0 for copies whose size the tensor map gives.
fn size_operand(decoder: &mut Decoder<'_>, operand: Option<&Operand>) -> Result<R32> {
    decoder.source32(operand.unwrap_or(&Operand::Integer(0)), Type::Unsigned(32))
}

/// Whether a plain copy's size is one.
fn check_size(warp: &Warp, env: &mut Env<'_>, lane: usize, size: u32) -> bool {
    let is_fine = size.is_multiple_of(16);
    if !is_fine {
        let what = format!("a bulk copy of {size} bytes, which is not a multiple of 16");
        env.fault(warp, lane, FaultKind::Invalid { what });
    }
    is_fine
}

/// To shared memory: `[to], [from], size, [object]{, blocks}`, or `[to], [map, {coordinates}], [object]{, blocks}`.
fn load(
    decoder: &mut Decoder<'_>,
    (ops, rank): (&[Operand], Option<usize>),
    (to_space, from_space): (Space, Space),
    multicast: bool,
    reduction: Option<Reduction>,
) -> Result {
    let (ops, blocks) = match ops {
        [ops @ .., blocks] if multicast => (ops, Some(decoder.source32(blocks, Type::Unsigned(16))?)),
        ops => (ops, None),
    };
    let (to, from, size, object) = match (ops, rank) {
        ([to, from, size, object], None) => (to, from, Some(size), object),
        ([to, from, object], Some(_)) => (to, from, None, object),
        (found, _) => return Err(format!("{} operands", found.len())),
    };
    let is_inside = from_space == Space::Shared;
    let (to, to_space) = address(decoder, to, to_space)?;
    let (object, object_space) = address(decoder, object, to_space)?;
    let size = size_operand(decoder, size)?;
    let inner = if is_inside { Some(address(decoder, from, Space::Shared)?.0) } else { None };
    let place = if is_inside { None } else { Some(Place::decode(decoder, from, rank)?) };
    decoder.simple(move |warp, env, mask| {
        let (to, objects, sizes) = (to.lanes(warp), object.lanes(warp), size.load(warp));
        for lane in lanes_of(mask) {
            // The size of a box is its map's.
            let is_sized = rank.is_none();
            if is_sized && (!check_size(warp, env, lane, sizes[lane]) || sizes[lane] == 0) {
                continue;
            }
            let (source, size, bytes) = match (&place, inner) {
                (Some(place), _) => match place.find(warp, env, lane, sizes[lane]) {
                    Some((outside, size, bytes)) => (Source::Global(outside), size, bytes),
                    None => continue,
                },
                (None, Some(inner)) => {
                    let from = (Space::Shared, inner.lanes(warp)[lane]);
                    let Some((rank, offset)) = env.locate(warp, lane, from, (sizes[lane].into(), 16)) else { continue };
                    (Source::Shared { rank, offset }, sizes[lane], sizes[lane])
                }
                (None, None) => continue,
            };
            let to = env.locate(warp, lane, (to_space, to[lane]), (size.into(), alignment(rank)));
            let object = env.locate(warp, lane, (object_space, objects[lane]), (8, 8));
            let (Some((to, offset)), Some((with, barrier))) = (to, object) else { continue };
            let ranks = match blocks {
                Some(blocks) => {
                    let mask = blocks.lane(warp, lane) & 0xffff;
                    let ranks: Vec<u32> = (0..16).filter(|rank| mask >> rank & 1 == 1).collect();
                    if !ranks.iter().all(|rank| env.is_there(warp, lane, *rank)) {
                        continue;
                    }
                    ranks
                }
                None if to != with => {
                    let what = format!("a copy to block {to} of the cluster with an mbarrier object of block {with}");
                    env.fault(warp, lane, FaultKind::Invalid { what });
                    continue;
                }
                None => vec![to],
            };
            if ranks.is_empty() {
                continue;
            }
            let issuer = Issuer { party: warp.party, lane: lane as u32, pc: env.pc };
            bulk::fly(warp, env, Flight { issuer, source, to: ranks, offset, size, barrier, bytes, reduction });
        }
    });
    Ok(())
}

/// To global memory: `[to], [from], size`, or `[map, {coordinates}], [from]`.
fn store(
    decoder: &mut Decoder<'_>,
    (ops, rank): (&[Operand], Option<usize>),
    operation: Option<&'static str>,
    ty: Option<Type>,
) -> Result {
    let (to, from, size) = match (ops, rank) {
        ([to, from, size], None) => (to, from, Some(size)),
        ([to, from], Some(_)) => (to, from, None),
        (found, _) => return Err(format!("{} operands", found.len())),
    };
    let plain = match (operation, ty) {
        (Some(operation), Some(ty)) => Some(reduction(operation, ty)?),
        _ => None,
    };
    // Sums of floating-point numbers depend on the order of blocks.
    decoder.communicates |= operation.is_some();
    let place = Place::decode(decoder, to, rank)?;
    let (from, _) = address(decoder, from, Space::Shared)?;
    let size = size_operand(decoder, size)?;
    decoder.simple(move |warp, env, mask| {
        let (from, sizes) = (from.lanes(warp), size.load(warp));
        for lane in lanes_of(mask) {
            if rank.is_none() && (!check_size(warp, env, lane, sizes[lane]) || sizes[lane] == 0) {
                continue;
            }
            let Some((outside, size, _)) = place.find(warp, env, lane, sizes[lane]) else { continue };
            let reduction = match (operation, &outside) {
                (Some(operation), Outside::Tensor { map, .. }) => match reduction_of(operation, map.element) {
                    Ok(reduction) => Some(reduction),
                    Err(what) => {
                        env.fault(warp, lane, FaultKind::Invalid { what });
                        continue;
                    }
                },
                _ => plain,
            };
            let at = env.locate(warp, lane, (Space::Shared, from[lane]), (size.into(), alignment(rank)));
            let Some((_, offset)) = at else { continue };
            let issuer = Issuer { party: warp.party, lane: lane as u32, pc: env.pc };
            bulk::store(warp, env, issuer, (offset, size), outside, reduction);
        }
    });
    Ok(())
}

/// `cp.async.bulk.prefetch`: nothing moves, but the place has to exist.
fn prefetch(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let rank = if m.take("tensor") { Some(dimensions(m)?) } else { None };
    m.take("L2");
    m.take_map(space).ok_or("the source's space is missing")?;
    m.take("tile");
    m.take("L2::cache_hint");
    let [from, ..] = instruction.operands.as_slice() else { return Err("an address is missing".to_owned()) };
    let place = Place::decode(decoder, from, rank)?;
    decoder.simple(move |warp, env, mask| {
        for lane in lanes_of(mask) {
            place.find(warp, env, lane, 0);
        }
    });
    Ok(())
}

/// `prefetch{.space}.tensormap [map]`.
pub(crate) fn prefetch_map(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let space = m.take_map(space).unwrap_or(Space::Generic);
    m.take("tensormap");
    let [from] = operands(instruction)?;
    let (from, space) = address(decoder, from, space)?;
    decoder.simple(move |warp, env, mask| {
        let from = from.lanes(warp);
        for lane in lanes_of(mask) {
            bulk::tensor_map(warp, env, lane, (space, from[lane]), None);
        }
    });
    Ok(())
}

/// `st.async{.weak}.shared::cluster.mbarrier::complete_tx::bytes{.vec}.type [to], value, [object]`.
pub(crate) fn store_async(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::AsyncCopy;
    m.take("async");
    m.take("weak");
    let space = m.take_map(space).unwrap_or(Space::Generic);
    if !m.take("mbarrier::complete_tx::bytes") {
        return Err("a way of completion is missing".to_owned());
    }
    let count = m.take_any(&["v2", "v4"]).map_or(1, |vector| usize::from(vector.as_bytes()[1] - b'0'));
    let ty = m.ty()?;
    let [to, value, object] = operands(instruction)?;
    let (to, space) = address(decoder, to, space)?;
    let (object, object_space) = address(decoder, object, space)?;
    let parts = match value {
        Operand::Vector(parts) => parts.clone(),
        value => vec![value.clone()],
    };
    let width = (ty.bits() / 8) as usize;
    if parts.len() != count || width < 4 || width * count > 16 {
        return Err(format!("{} values of {} bits", parts.len(), ty.bits()));
    }
    let narrow = if width == 4 {
        parts.iter().map(|part| decoder.source32(part, ty)).collect::<Result<Vec<_>>>()?
    } else {
        Vec::new()
    };
    let wide = if width == 8 {
        parts.iter().map(|part| decoder.source64(part, ty)).collect::<Result<Vec<_>>>()?
    } else {
        Vec::new()
    };
    decoder.simple(move |warp, env, mask| {
        let (to, objects) = (to.lanes(warp), object.lanes(warp));
        for lane in lanes_of(mask) {
            let size = (width * count) as u32;
            let place = env.locate(warp, lane, (space, to[lane]), (size.into(), size.into()));
            let object = env.locate(warp, lane, (object_space, objects[lane]), (8, 8));
            let (Some((to, offset)), Some((with, barrier))) = (place, object) else { continue };
            if to != with {
                let what = format!("a store to block {to} of the cluster with an mbarrier object of block {with}");
                env.fault(warp, lane, FaultKind::Invalid { what });
                continue;
            }
            let mut bytes = [0; 16];
            let values = narrow.iter().map(|part| u64::from(part.lane(warp, lane)));
            let values = values.chain(wide.iter().map(|part| part.lane(warp, lane)));
            for (to, value) in bytes.chunks_exact_mut(width).zip(values) {
                to.copy_from_slice(&value.to_le_bytes()[..width]);
            }
            let issuer = Issuer { party: warp.party, lane: lane as u32, pc: env.pc };
            let (source, to) = (Source::Value(bytes), vec![to]);
            bulk::fly(warp, env, Flight { issuer, source, to, offset, size, barrier, bytes: size, reduction: None });
        }
    });
    Ok(())
}
