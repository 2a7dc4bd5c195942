//! Atomic operations, lane by lane.

use super::access::{each_region, one_space, out_of_bounds, shared_lanes, word};
use super::cluster::each_block;
use super::{Env, Warp, observe};
use crate::fault::FaultKind;
use crate::lanes::{LANES, lanes_of};
use crate::memory::Space;
use crate::shadow::{Act, Ordering, Strong};

/// Where an atomic operation acts, and what it orders.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub space: Space,
    pub ordering: Ordering,
}

/// Replaces `W` bytes at each lane's address by `f(space, lane, old)`, one lane after the other. Returns the old values.
pub(crate) fn update<const W: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    memory: Memory,
    addresses: &[u64; LANES],
    f: &dyn Fn(Space, usize, u64) -> u64,
) -> [u64; LANES] {
    let mut old = [u64::MAX; LANES];
    let mut rest = mask;
    warp.hurry();
    while rest != 0 {
        let (space, lanes, offsets) = one_space(&mut rest, memory.space, addresses);
        match space {
            Space::Shared => {
                let f = |lane, old| f(space, lane, old);
                update_shared::<W>(warp, env, lanes, memory.ordering, &offsets, &f, &mut old);
            }
            Space::Cluster => each_block(warp, env, lanes, &offsets, &mut |warp, env, lanes, offsets| {
                let f = |lane, old| f(Space::Shared, lane, old);
                update_shared::<W>(warp, env, lanes, memory.ordering, offsets, &f, &mut old);
            }),
            Space::Global => {
                let f = |lane, old| f(space, lane, old);
                update_global::<W>(warp, env, lanes, memory.ordering, &offsets, &f, &mut old);
            }
            space => {
                for lane in lanes_of(lanes) {
                    out_of_bounds(warp, env, lane, space, offsets[lane], W as u64);
                }
            }
        }
    }
    old
}

fn update_shared<const W: usize>(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    ordering: Ordering,
    addresses: &[u64; LANES],
    f: &dyn Fn(usize, u64) -> u64,
    old: &mut [u64; LANES],
) {
    let lanes = shared_lanes(warp, env, mask, addresses, W);
    observe::shared_strong(warp, env, lanes, addresses, W as u32, (Strong::Atomic, ordering));
    for lane in lanes_of(lanes) {
        let bytes = &mut env.shared[addresses[lane] as usize..][..W];
        old[lane] = word::<W>(bytes);
        bytes.copy_from_slice(&f(lane, old[lane]).to_le_bytes()[..W]);
    }
}

fn update_global<const W: usize>(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    ordering: Ordering,
    addresses: &[u64; LANES],
    f: &dyn Fn(usize, u64) -> u64,
    old: &mut [u64; LANES],
) {
    observe::global_store(env, mask, addresses, W as u64);
    each_region(warp, env, (mask, addresses, W as u64), &mut |warp, env, region, lanes| {
        if region.read_only {
            for lane in lanes_of(lanes) {
                env.fault(warp, lane, FaultKind::ReadOnly { address: addresses[lane] });
            }
            return;
        }
        observe::global(warp, env, region, (lanes, addresses, W as u64), Act::Strong(Strong::Atomic, ordering));
        for lane in lanes_of(lanes) {
            let offset = (addresses[lane] - region.base) as usize;
            // SAFETY: the region holds `W` bytes at the address, which is a multiple of `W`.
            old[lane] = unsafe { region.place().update::<W>(offset, |value| f(lane, value)) };
        }
    });
}
