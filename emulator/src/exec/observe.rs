//! What is noted of each memory access: the profiler's counters and the shadow of shared memory.

use super::{Env, Warp};
use crate::fault::FaultKind;
use crate::lanes::{LANES, Slot, lanes_of};
use crate::memory::{Region, Space};
use crate::program::Members;
use crate::shadow::{Act, Authors, Hazard, Issuer, Ordering, Strong, WarpAccess};
use crate::tally::Event;
use crate::traffic;
use std::ops::Range;

#[inline(never)]
pub(crate) fn global_load(env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], size: u64) {
    let sectors = traffic::sectors(mask, addresses, size);
    let bytes = size * u64::from(mask.count_ones());
    env.note(&[(Event::GlobalLoadBytes, bytes), (Event::GlobalLoadSectors, sectors.into())]);
}

#[inline(never)]
pub(crate) fn global_store(env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], size: u64) {
    let sectors = traffic::sectors(mask, addresses, size);
    let bytes = size * u64::from(mask.count_ones());
    env.note(&[(Event::GlobalStoreBytes, bytes), (Event::GlobalStoreSectors, sectors.into())]);
}

/// Passes through shared memory.
#[inline(never)]
fn shared(env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], bytes: u32) {
    let passes = traffic::wavefronts(mask, addresses, bytes.into());
    env.note(&[(Event::SharedWavefronts, passes.total.into()), (Event::SharedConflicts, passes.conflicts.into())]);
}

#[inline(never)]
pub(crate) fn shared_load(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], bytes: u32) {
    load(warp, env, mask, addresses, bytes, Authors::Lanes);
}

/// `ldmatrix`: the lanes of the mask give addresses of rows.
#[inline(never)]
pub(crate) fn shared_rows_load(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES]) {
    load(warp, env, mask, addresses, 16, Authors::Rows);
}

#[inline(always)]
fn load(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], bytes: u32, authors: Authors) {
    shared(env, mask, addresses, bytes);
    if let Some(shadow) = &mut env.shadow {
        let access = WarpAccess { warp: warp.party, pc: env.pc, mask, addresses, bytes, authors };
        shadow.load(access, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env, Space::Shared);
        }
    }
}

/// `stmatrix`. Rows that overlap are written by several lanes or in any order, whatever their values.
pub(crate) fn shared_rows_store(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES]) {
    shared(env, mask, addresses, 16);
    if let Some(shadow) = &mut env.shadow {
        let access = WarpAccess { warp: warp.party, pc: env.pc, mask, addresses, bytes: 16, authors: Authors::Rows };
        shadow.store(access, |_, _| false, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env, Space::Shared);
        }
    }
}

/// `equal` says whether two lanes store the same value, `held` whether these bytes are what a lane stores. Memory is still as it was before.
#[inline(always)]
pub(crate) fn shared_store(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    bytes: u32,
    equal: impl Fn(usize, usize) -> bool,
    held: impl Fn(usize, &[u8]) -> bool,
) {
    shared(env, mask, addresses, bytes);
    if let Some(shadow) = &mut env.shadow {
        let access = WarpAccess { warp: warp.party, pc: env.pc, mask, addresses, bytes, authors: Authors::Lanes };
        shadow.store(access, equal, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            if !env.context.config.checks.equal_stores {
                let (party, pc, memory) = (warp.party, env.pc, &env.shared);
                env.conflicts.retain(|conflict| {
                    let lane = conflict.lane as usize;
                    // Of another lane of this instruction, memory does not hold the value yet.
                    let is_earlier = conflict.earlier.is_some_and(|earlier| (earlier.warp, earlier.pc) != (party, pc));
                    let is_write = conflict.hazard == Hazard::WriteAfterWrite;
                    !(is_write && is_earlier && held(lane, &memory[addresses[lane] as usize..][..bytes as usize]))
                });
            }
            report(warp, env, Space::Shared);
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
        let access = WarpAccess { warp: warp.party, pc: env.pc, mask, addresses, bytes, authors: Authors::Lanes };
        shadow.strong(access, kind, ordering, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env, Space::Shared);
        }
    }
}

/// A product of a warpgroup that will read these bytes (first, count) is issued by a warp.
pub(crate) fn async_read(warp: &Warp, env: &mut Env<'_>, ranges: &[(u32, u32)]) {
    let by = issuer(warp, env, 0);
    let ranges = inside(env, ranges);
    if let Some(shadow) = &mut env.shadow {
        shadow.bulk_read_issued(by, &ranges, &mut env.conflicts);
        report_all(warp, env);
    }
}

/// One of four warps from the first on has waited for products that read these bytes, of which some are still `pending` for others.
pub(crate) fn async_read_done(first: &Warp, env: &mut Env<'_>, ranges: &[(u32, u32)], pending: &[(u32, u32)]) {
    let (ranges, pending) = (inside(env, ranges), inside(env, pending));
    if let Some(shadow) = &mut env.shadow {
        shadow.joint_read_completed(first.party..first.party + 4, &ranges, &pending);
    }
}

/// What of some bytes (first, count) exists: the rest is reported by those who read it.
fn inside(env: &Env<'_>, ranges: &[(u32, u32)]) -> Vec<Range<u32>> {
    let end = env.shared.len() as u32;
    ranges.iter().map(|(first, count)| (*first).min(end)..first.saturating_add(*count).min(end)).collect()
}

/// A fence of the block or wider; `wide` says beyond the cluster.
pub(crate) fn fence(warp: &Warp, env: &mut Env<'_>, mask: u32, wide: bool) {
    if let Some(shadow) = &mut env.shadow {
        shadow.fence(warp.party, mask, wide);
    }
}

/// Lanes have met at `bar.warp.sync`.
pub(crate) fn warp_sync(warp: &Warp, env: &mut Env<'_>, lanes: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.warp_sync(warp.party, if lanes == warp.live { u32::MAX } else { lanes });
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
        shadow.barrier_arrive(id as u32, warp.party);
    }
}

/// A barrier lets the warps that wait go on.
pub(crate) fn barrier_complete(env: &mut Env<'_>, id: usize, waiting: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.barrier_complete(id as u32, waiting);
    }
}

/// Turns what the shadow found into faults.
#[cold]
#[inline(never)]
fn report(warp: &Warp, env: &mut Env<'_>, space: Space) {
    for conflict in std::mem::take(&mut env.conflicts) {
        let address = conflict.address;
        let lane = conflict.lane as usize;
        let nearest = if space == Space::Global { env.context.view.nearest(address) } else { None };
        let space = space.name();
        let Some(earlier) = conflict.earlier else {
            env.fault(warp, lane, FaultKind::Uninitialised { space, address, nearest });
            continue;
        };
        // A pair of instructions that is known needs no words.
        if env.faults.is_known((env.pc, earlier.pc), conflict.hazard == Hazard::InFlight) {
            continue;
        }
        let access = Box::new(env.access_of(earlier));
        let kind = match conflict.hazard {
            Hazard::InFlight => FaultKind::InFlight { address, copy: access },
            Hazard::Proxy => FaultKind::Proxy { address, earlier: access },
            Hazard::Object => {
                let what = format!("an ordinary access to the object that was initialised by {access}");
                FaultKind::Mbarrier { address, what }
            }
            hazard => FaultKind::Race { space, address, nearest, hazard: hazard.name(), earlier: access },
        };
        env.fault(warp, lane, kind);
    }
}

/// An access to global memory, for the detector: lanes whose bytes lie in one allocation.
#[inline(always)]
pub(crate) fn global(
    warp: &Warp,
    env: &mut Env<'_>,
    region: &Region<'_>,
    (mask, addresses, bytes): (u32, &[u64; LANES], u64),
    act: Act<'_>,
) {
    if env.shadow.is_some() && mask != 0 {
        detect(warp, env, region, (mask, addresses, bytes, Authors::Lanes), act);
    }
}

#[inline(never)]
fn detect(
    warp: &Warp,
    env: &mut Env<'_>,
    region: &Region<'_>,
    (mask, addresses, bytes, authors): (u32, &[u64; LANES], u64, Authors),
    act: Act<'_>,
) {
    let (Some(shadow), Some(world)) = (&mut env.shadow, &env.world) else { return };
    let mut unwritten = 0;
    if !region.is_whole() {
        if act.reads() && env.context.config.checks.uninitialised_global {
            // Where blocks run side by side, only what a block has written itself counts: the same on any number of workers.
            let communicates = env.context.program.communicates;
            let is_written = |byte: u64| {
                region.was_written(byte, 1)
                    || if communicates { region.is_written(byte) } else { shadow.has_written(byte) }
            };
            let is_fresh = |lane: &usize| {
                let first = addresses[*lane];
                !region.was_written(first, bytes) && !(first..first + bytes).all(is_written)
            };
            unwritten = lanes_of(mask).filter(is_fresh).fold(0, |lanes, lane| lanes | 1 << lane);
        }
        if act.writes() {
            lanes_of(mask).for_each(|lane| region.mark_written(addresses[lane], bytes));
        }
    }
    if !region.read_only {
        let access = WarpAccess { warp: warp.party, pc: env.pc, mask, addresses, bytes: bytes as u32, authors };
        shadow.global(&mut world.borrow_mut(), access, act, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env, Space::Global);
        }
    }
    if unwritten != 0 {
        report_unwritten(warp, env, (unwritten, addresses), authors);
    }
}

#[cold]
fn report_unwritten(warp: &Warp, env: &mut Env<'_>, (lanes, addresses): (u32, &[u64; LANES]), authors: Authors) {
    for lane in lanes_of(lanes) {
        let address = addresses[lane];
        let nearest = env.context.view.nearest(address);
        let lane = if let Authors::One(lane) = authors { lane as usize } else { lane };
        env.fault(warp, lane, FaultKind::Uninitialised { space: Space::Global.name(), address, nearest });
    }
}

/// A lane's access to a range of bytes of one allocation, in pieces.
pub(crate) fn global_range(
    warp: &Warp,
    env: &mut Env<'_>,
    region: &Region<'_>,
    (lane, range): (usize, Range<u64>),
    act: Act<'_>,
) {
    if env.shadow.is_none() {
        return;
    }
    let mut at = range.start;
    while at < range.end {
        let (largest, aligned) = (1 << (range.end - at).ilog2().min(4), 1 << at.trailing_zeros().min(4));
        let bytes = u64::min(largest, aligned);
        let count = if bytes == 16 { ((range.end - at) / 16).min(LANES as u64) } else { 1 };
        let addresses = std::array::from_fn(|piece| at + piece as u64 * bytes);
        let mask = u32::MAX >> (LANES as u64 - count);
        detect(warp, env, region, (mask, &addresses, bytes, Authors::One(lane as u32)), act);
        at += count * bytes;
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
        let access = WarpAccess {
            warp: warp.party,
            pc: env.pc,
            mask,
            addresses: to,
            bytes: u32::from(size),
            authors: Authors::Lanes,
        };
        shadow.copy_issued(access, &mut env.conflicts);
        if !env.conflicts.is_empty() {
            report(warp, env, Space::Shared);
        }
    }
    let reading = crate::lanes::lanes_of(mask).filter(|lane| source[*lane] != 0).fold(0, |mask, lane| mask | 1 << lane);
    let bytes: u64 = crate::lanes::lanes_of(reading).map(|lane| u64::from(source[lane])).sum();
    let sectors = traffic::sectors(reading, from, size.into());
    env.note(&[(Event::GlobalLoadBytes, bytes), (Event::GlobalLoadSectors, sectors.into())]);
    issued(env, u64::from(size) * u64::from(mask.count_ones()));
}

/// The lanes have waited for a copy.
pub(crate) fn copy_completed(warp: &Warp, env: &mut Env<'_>, mask: u32, to: &[u64; LANES], size: u32) {
    completed(env, u64::from(size) * u64::from(mask.count_ones()));
    if let Some(shadow) = &mut env.shadow {
        shadow.copy_completed(warp.party, mask, to, size);
    }
}

fn issuer(warp: &Warp, env: &Env<'_>, lane: usize) -> Issuer {
    Issuer { party: warp.party, lane: lane as u32, pc: env.pc }
}

pub(crate) fn mbarrier_init(warp: &Warp, env: &mut Env<'_>, lane: usize, address: u32) {
    let by = issuer(warp, env, lane);
    if let Some(shadow) = &mut env.shadow {
        shadow.mbarrier_init(by, address.into(), &mut env.conflicts);
        report_all(warp, env);
    }
}

pub(crate) fn mbarrier_inval(warp: &Warp, env: &mut Env<'_>, lane: usize, address: u32) {
    let by = issuer(warp, env, lane);
    if let Some(shadow) = &mut env.shadow {
        shadow.mbarrier_inval(by, address.into());
    }
}

/// Lanes use an object, or copies that they issue will.
pub(crate) fn mbarrier_use(warp: &Warp, env: &mut Env<'_>, lanes: u32, address: u32) {
    let by = issuer(warp, env, 0);
    if let Some(shadow) = &mut env.shadow {
        shadow.mbarrier_use(by, lanes, address.into(), &mut env.conflicts);
        report_all(warp, env);
    }
}

/// Lanes arrive and release what they did.
pub(crate) fn mbarrier_arrive(warp: &Warp, env: &mut Env<'_>, lanes: u32, address: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.mbarrier_arrive(warp.party, lanes, lanes == warp.live, address.into());
    }
}

pub(crate) fn mbarrier_complete(env: &mut Env<'_>, address: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.mbarrier_complete(address.into());
    }
}

/// Lanes have seen a phase complete and acquire what was released there.
pub(crate) fn mbarrier_observe(warp: &Warp, env: &mut Env<'_>, lanes: u32, address: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.mbarrier_observe(warp.party, lanes, lanes == warp.live, address.into());
    }
}

/// `fence.proxy.async`.
pub(crate) fn proxy_fence(warp: &Warp, env: &mut Env<'_>, lanes: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.proxy_fence(warp.party, lanes);
    }
}

/// Lanes come to the cluster's barrier.
pub(crate) fn cluster_arrive(warp: &Warp, env: &mut Env<'_>, lanes: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.cluster_arrive(warp.party, lanes, lanes == warp.live);
    }
}

pub(crate) fn cluster_complete(env: &mut Env<'_>) {
    if let Some(shadow) = &mut env.shadow {
        shadow.cluster_complete();
    }
}

/// Lanes leave the cluster's barrier.
pub(crate) fn cluster_observe(warp: &Warp, env: &mut Env<'_>, lanes: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.cluster_observe(warp.party, lanes, lanes == warp.live);
    }
}

/// A bulk copy will write these bytes of the block in hand.
pub(crate) fn bulk_write_issued(warp: &Warp, env: &mut Env<'_>, by: Issuer, range: Range<u32>) {
    if let Some(shadow) = &mut env.shadow {
        shadow.bulk_write_issued(by, range, &mut env.conflicts);
        report_all(warp, env);
    }
}

/// It has written them, and told the `mbarrier` object.
pub(crate) fn bulk_write_completed(env: &mut Env<'_>, by: Issuer, range: Range<u32>, barrier: u32) {
    if let Some(shadow) = &mut env.shadow {
        shadow.bulk_write_completed(by, range, barrier.into());
    }
}

/// Something reads these bytes of the block in hand through the asynchronous proxy, until `bulk_read_completed`.
pub(crate) fn bulk_read_issued(warp: &Warp, env: &mut Env<'_>, by: Issuer, range: Range<u32>) {
    if let Some(shadow) = &mut env.shadow {
        shadow.bulk_read_issued(by, &[range], &mut env.conflicts);
        report_all(warp, env);
    }
}

pub(crate) fn bulk_read_completed(env: &mut Env<'_>, by: Issuer, range: Range<u32>) {
    if let Some(shadow) = &mut env.shadow {
        shadow.bulk_read_completed(by, range);
    }
}

fn report_all(warp: &Warp, env: &mut Env<'_>) {
    if !env.conflicts.is_empty() {
        report(warp, env, Space::Shared);
    }
}

/// The traffic of a bulk copy's row.
pub(crate) fn bulk_global(env: &mut Env<'_>, bytes: u64, sectors: u64, writes: bool) {
    env.note(&if writes {
        [(Event::GlobalStoreBytes, bytes), (Event::GlobalStoreSectors, sectors)]
    } else {
        [(Event::GlobalLoadBytes, bytes), (Event::GlobalLoadSectors, sectors)]
    });
}

/// An asynchronous copy will write so many bytes.
pub(crate) fn issued(env: &mut Env<'_>, bytes: u64) {
    env.note(&[(Event::AsyncBytes, bytes)]);
    env.cluster.meter.issue(env.clock, bytes);
}

/// It is over.
pub(crate) fn completed(env: &mut Env<'_>, bytes: u64) {
    env.cluster.meter.complete(env.clock, bytes);
}

/// A warp waits, or would have had to.
pub(crate) fn waited(env: &mut Env<'_>) {
    env.note(&[(Event::Waits, 1)]);
}

/// Some lanes of a group take a branch and others do not.
pub(crate) fn diverged(env: &mut Env<'_>) {
    env.note(&[(Event::DivergentBranches, 1)]);
}

/// Lanes access local memory.
pub(crate) fn local(env: &mut Env<'_>, mask: u32, size: usize, writes: bool) {
    let event = if writes { Event::LocalStoreBytes } else { Event::LocalLoadBytes };
    env.note(&[(event, size as u64 * u64::from(mask.count_ones()))]);
}
