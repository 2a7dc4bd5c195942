//! Clusters: addresses in other blocks' shared memory, their barrier. Also what prepares or ends a whole grid.

use super::decoder::Decoder;
use super::moves::{operands, space};
use super::types::{Modifiers, Type};
use crate::ast::Instruction;
use crate::counters::Class;
use crate::exec::cluster::{mapped, split};
use crate::fault::FaultKind;
use crate::lanes::{LANES, Slot, lanes_of};
use crate::memory::Space;
use crate::program::Op;

type Result<T = ()> = std::result::Result<T, String>;

/// `mapa`: the address of the same place in the shared memory of the block with a rank.
pub(crate) fn mapa(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let is_generic = m.take_map(space).is_none();
    let ty = m.ty()?;
    let [to, from, rank] = operands(instruction)?;
    let window = if is_generic { Space::Shared.window() } else { 0 };
    let rank = decoder.source32(rank, Type::Unsigned(32))?;
    let map = move |env: &mut crate::exec::Env<'_>, warp: &crate::exec::Warp, mask: u32, from: [u64; LANES]| {
        let ranks = rank.load(warp);
        let mut mapped_to = from;
        for lane in lanes_of(mask) {
            let (rank, blocks) = (ranks[lane], env.cluster_blocks());
            let (_, offset) = split(from[lane].wrapping_sub(window));
            if rank >= blocks {
                let what = format!("rank {rank} in a cluster of {blocks} blocks");
                env.fault(warp, lane, FaultKind::Invalid { what });
            } else if offset > u64::from(env.context.shared_bytes) {
                let what = format!("{:#x}, which is no address in shared memory", from[lane]);
                env.fault(warp, lane, FaultKind::Invalid { what });
            } else {
                mapped_to[lane] = u64::from(mapped(rank, offset as u32)) + window;
            }
        }
        mapped_to
    };
    if ty.is_wide() {
        let (d, a) = (decoder.dest64(to)?, decoder.source64(from, ty)?);
        decoder.simple(move |warp, env, mask| {
            let addresses = map(env, warp, mask, a.load(warp));
            d.store(warp, mask, addresses);
        });
    } else {
        let (d, a) = (decoder.dest32(to, ty)?, decoder.source32(from, ty)?);
        decoder.simple(move |warp, env, mask| {
            let addresses = map(env, warp, mask, a.load(warp).map(u64::from));
            d.store(warp, mask, addresses.map(|address| address as u32));
        });
    }
    Ok(())
}

/// `getctarank`: the rank of the block in whose shared memory an address lies.
pub(crate) fn getctarank(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let window = if m.take_map(space).is_none() { Space::Shared.window() } else { 0 };
    let ty = m.ty()?;
    let [to, from] = operands(instruction)?;
    let d = decoder.dest32(to, Type::Unsigned(32))?;
    let rank = move |own: u32, address: u64| split(address.wrapping_sub(window)).0.unwrap_or(own);
    if ty.is_wide() {
        let a = decoder.source64(from, ty)?;
        decoder.simple(move |warp, env, mask| {
            let ranks = a.load(warp).map(|address| rank(env.rank, address));
            d.store(warp, mask, ranks);
        });
    } else {
        let a = decoder.source32(from, ty)?;
        decoder.simple(move |warp, env, mask| {
            let ranks = a.load(warp).map(|address| rank(env.rank, address.into()));
            d.store(warp, mask, ranks);
        });
    }
    Ok(())
}

/// `barrier.cluster`.
pub(crate) fn barrier(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Barrier;
    let is_arrival = m.take_any(&["arrive", "wait"]).ok_or("one of .arrive, .wait is missing")? == "arrive";
    let order = m.take_any(if is_arrival { &["release", "relaxed"] } else { &["acquire"] });
    let aligned = m.take("aligned");
    let [] = operands(instruction)?;
    decoder.push(if is_arrival {
        Op::ClusterArrive { releases: order != Some("relaxed"), aligned }
    } else {
        Op::ClusterWait { acquires: true, aligned }
    });
    Ok(())
}

/// `griddepcontrol`: grids run one after another, so what the ones before wrote is there.
pub(crate) fn griddepcontrol(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Control;
    m.take_any(&["launch_dependents", "wait"]).ok_or("one of .launch_dependents, .wait is missing")?;
    let [] = operands(instruction)?;
    decoder.simple(|_, _, _| {});
    Ok(())
}

/// `createpolicy`: a cache hint, which means nothing here.
pub(crate) fn createpolicy(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    m.take_any(&["fractional", "range", "cvt"]).ok_or("a kind of policy is missing")?;
    m.take("global");
    while m.take_prefix("L2").is_some() {}
    m.ty()?;
    let Some(to) = instruction.operands.first() else { return Err("a destination is missing".to_owned()) };
    let d = decoder.dest64(to)?;
    decoder.simple(move |warp, _, mask| d.store(warp, mask, [0; LANES]));
    Ok(())
}
