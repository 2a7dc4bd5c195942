//! What is noted of each memory access: the profiler's counters and the shadow of shared memory.

use super::{Env, Warp};
use crate::fault::FaultKind;
use crate::lanes::{LANES, Slot, lanes_of};
use crate::memory::Space;
use crate::program::Members;
use crate::shadow::{Hazard, Ordering, Strong, WarpAccess};
use crate::traffic;

#[inline(never)]
pub(crate) fn global_load(env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], size: u64) {
    env.counters.global_load_bytes += size * u64::from(mask.count_ones());
    env.counters.global_load_sectors += u64::from(traffic::sectors(mask, addresses, size));
}

#[inline(never)]
pub(crate) fn global_store(env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], size: u64) {
    env.counters.global_store_bytes += size * u64::from(mask.count_ones());
    env.counters.global_store_sectors += u64::from(traffic::sectors(mask, addresses, size));
}

/// Passes through shared memory.
#[inline(never)]
fn shared(env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], bytes: u32) {
    let passes = traffic::wavefronts(mask, addresses, bytes.into());
    env.counters.shared_wavefronts += u64::from(passes.total);
    env.counters.shared_conflicts += u64::from(passes.conflicts);
}

#[inline(never)]
pub(crate) fn shared_load(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], bytes: u32) {
    load(warp, env, mask, addresses, bytes, false);
}

/// `ldmatrix`: the lanes of the mask give addresses of rows.
#[inline(never)]
pub(crate) fn shared_rows_load(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES]) {
    load(warp, env, mask, addresses, 16, true);
}

#[inline(always)]
fn load(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], bytes: u32, by_rows: bool) {
    shared(env, mask, addresses, bytes);
    if let Some(shadow) = &mut env.shadow {
        let access = WarpAccess { warp: warp.index, pc: env.pc, mask, addresses, bytes, by_rows };
        shadow.load(access, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env);
        }
    }
}

/// `stmatrix`. Rows that overlap are written by several lanes or in any order, whatever their values.
pub(crate) fn shared_rows_store(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES]) {
    shared(env, mask, addresses, 16);
    if let Some(shadow) = &mut env.shadow {
        let access = WarpAccess { warp: warp.index, pc: env.pc, mask, addresses, bytes: 16, by_rows: true };
        shadow.store(access, |_, _| false, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env);
        }
    }
}

/// `equal` says whether two lanes store the same value.
#[inline(always)]
pub(crate) fn shared_store(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    bytes: u32,
    equal: impl Fn(usize, usize) -> bool,
) {
    shared(env, mask, addresses, bytes);
    if let Some(shadow) = &mut env.shadow {
        let access = WarpAccess { warp: warp.index, pc: env.pc, mask, addresses, bytes, by_rows: false };
        shadow.store(access, equal, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env);
        }
    }
}

/// An access that other such accesses do not race with: atomic, volatile or with a memory order.
pub(crate) fn shared_strong(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    bytes: u32,
    (kind, ordering): (Strong, Ordering),
) {
    shared(env, mask, addresses, bytes);
    if let Some(shadow) = &mut env.shadow {
        let access = WarpAccess { warp: warp.index, pc: env.pc, mask, addresses, bytes, by_rows: false };
        shadow.strong(access, kind, ordering, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env);
        }
    }
}

/// A product of a warpgroup that will read these bytes (first, count) is issued by a warp.
pub(crate) fn async_read(_: &Warp, _: &mut Env<'_>, _: &[(u32, u32)]) {}

/// A warp has waited for a product that read these bytes.
pub(crate) fn async_read_done(_: &Warp, _: &mut Env<'_>, _: &[(u32, u32)]) {}

/// A fence of the block or wider.
pub(crate) fn fence(warp: &Warp, env: &mut Env<'_>, mask: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.fence(warp.index, mask);
    }
}

/// Lanes have met at `bar.warp.sync`.
pub(crate) fn warp_sync(warp: &Warp, env: &mut Env<'_>, lanes: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.warp_sync(warp.index, if lanes == warp.live { u32::MAX } else { lanes });
    }
}

/// Lanes have executed one `bar.warp.sync`: those that name the same members have met.
pub(crate) fn warp_barrier(warp: &Warp, env: &mut Env<'_>, mask: u32, members: Members) {
    let Members::Mask(register) = members else { return warp_sync(warp, env, mask) };
    let named = register.load(warp);
    let mut rest = mask;
    while rest != 0 {
        let value = named[rest.trailing_zeros() as usize];
        let met = lanes_of(rest).filter(|lane| named[*lane] == value).fold(0, |met, lane| met | 1 << lane);
        warp_sync(warp, env, met);
        rest &= !met;
    }
}

/// A warp has come to a barrier of its block.
pub(crate) fn barrier_arrive(warp: &Warp, env: &mut Env<'_>, id: usize) {
    if let Some(shadow) = &mut env.shadow {
        shadow.barrier_arrive(id as u32, warp.index);
    }
}

/// A barrier lets the warps that wait go on.
pub(crate) fn barrier_complete(env: &mut Env<'_>, id: usize, waiting: u32) {
    env.counters.waits += u64::from(waiting.count_ones());
    if let Some(shadow) = &mut env.shadow {
        shadow.barrier_complete(id as u32, waiting);
    }
}

/// Turns what the shadow found into faults.
#[cold]
#[inline(never)]
fn report(warp: &Warp, env: &mut Env<'_>) {
    for conflict in std::mem::take(&mut env.conflicts) {
        let address = conflict.address;
        let lane = conflict.lane as usize;
        let Some(earlier) = conflict.earlier else {
            env.fault(warp, lane, FaultKind::Uninitialised { space: Space::Shared.name(), address });
            continue;
        };
        // A pair of instructions that is known needs no words.
        if env.faults.is_known((env.pc, earlier.pc), conflict.hazard == Hazard::InFlight) {
            continue;
        }
        let access = Box::new(env.access(earlier.warp, earlier.lane, earlier.pc));
        let kind = match conflict.hazard {
            Hazard::InFlight => FaultKind::InFlight { address, copy: access },
            hazard => FaultKind::Race { address, hazard: hazard.name(), earlier: access },
        };
        env.fault(warp, lane, kind);
    }
}

/// A `cp.async` of `size` bytes a lane, of which `source[lane]` are read.
pub(crate) fn copy_issued(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    to: &[u64; LANES],
    from: &[u64; LANES],
    source: &[u8; LANES],
    size: u8,
) {
    shared(env, mask, to, u32::from(size));
    if let Some(shadow) = &mut env.shadow {
        let access =
            WarpAccess { warp: warp.index, pc: env.pc, mask, addresses: to, bytes: u32::from(size), by_rows: false };
        shadow.copy_issued(access, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env);
        }
    }
    let reading = crate::lanes::lanes_of(mask).filter(|lane| source[*lane] != 0).fold(0, |mask, lane| mask | 1 << lane);
    let bytes: u64 = crate::lanes::lanes_of(reading).map(|lane| u64::from(source[lane])).sum();
    env.counters.global_load_bytes += bytes;
    env.counters.global_load_sectors += u64::from(traffic::sectors(reading, from, u64::from(size)));
}

/// The lanes have waited for a copy.
pub(crate) fn copy_completed(warp: &Warp, env: &mut Env<'_>, mask: u32, to: &[u64; LANES], size: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.copy_completed(warp.index, mask, to, size);
    }
}
