//! Asynchronous copies from global to shared memory (`cp.async`).
//!
//! A copy is pending from its issue to the wait for it, whatever the moment at which the bytes move: at the issue, at the wait,
//! or at a random turn of the warp between them.

use super::access::shared_lanes;
use super::{Env, Warp, observe};
use crate::config::Asynchrony;
use crate::lanes::{LANES, lanes_of};
use crate::memory::Space;

/// One `cp.async` of a warp.
struct Copy {
    /// Lanes that have not waited for it yet.
    pending: u32,
    /// Lanes whose bytes have not moved yet.
    unmoved: u32,
    to: [u64; LANES],
    from: [u64; LANES],
    /// Bytes written, the last `size - source` of them zeros.
    size: u8,
    source: [u8; LANES],
    /// The commit group of each lane's copy.
    group: [u32; LANES],
}

/// The copies of a warp that are in flight, oldest first.
#[derive(Default)]
pub(crate) struct Copies {
    list: Vec<Copy>,
    /// Groups that each lane has committed.
    committed: [u32; LANES],
}

impl Copies {
    pub fn clear(&mut self) {
        self.list.clear();
        self.committed = [0; LANES];
    }

    /// `cp.async.commit_group`.
    pub fn commit(&mut self, mask: u32) {
        for lane in lanes_of(mask) {
            self.committed[lane] += 1;
        }
    }

    /// Whether any copy is in flight.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Issues a copy of `size` bytes (4, 8 or 16) a lane, of which the first `source[lane]` are read.
pub(crate) fn issue(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    to: [u64; LANES],
    from: [u64; LANES],
    size: u8,
    source: [u8; LANES],
) {
    let mut lanes = shared_lanes(warp, env, mask, &to, usize::from(size));
    for lane in lanes_of(lanes) {
        let (address, bytes) = (from[lane], u64::from(size));
        if source[lane] != 0 && env.region(address, u64::from(source[lane])).is_none() {
            super::access::out_of_bounds(warp, env, lane, Space::Global, address, u64::from(source[lane]));
            lanes &= !(1 << lane);
        } else if address % bytes != 0 {
            super::access::misaligned(warp, env, lane, Space::Global, address, bytes);
            lanes &= !(1 << lane);
        }
    }
    observe::copy_issued(warp, env, lanes, &to, &from, &source, size);
    let mut copy = Copy { pending: lanes, unmoved: lanes, to, from, size, source, group: warp.copies.committed };
    let now = match env.context.config.asynchrony {
        Asynchrony::Eager => true,
        Asynchrony::Late => false,
        Asynchrony::Random => env.random.one_in(2),
    };
    if now {
        move_bytes(env, &mut copy, lanes);
    }
    warp.copies.list.push(copy);
}

/// `cp.async.wait_group`: completes all but the `newest` latest groups of each lane. Bytes of no group stay in flight.
pub(crate) fn wait(warp: &mut Warp, env: &mut Env<'_>, mask: u32, newest: u32) {
    let committed = warp.copies.committed;
    complete(warp, env, |copy| {
        lanes_of(mask & copy.pending)
            .filter(|lane| copy.group[*lane].saturating_add(newest) < committed[*lane])
            .fold(0, |mask, lane| mask | 1 << lane)
    });
}

/// `cp.async.wait_all`, and the end of a thread.
pub(crate) fn wait_all(warp: &mut Warp, env: &mut Env<'_>, mask: u32) {
    warp.copies.commit(mask);
    complete(warp, env, |copy| mask & copy.pending);
}

fn complete(warp: &mut Warp, env: &mut Env<'_>, done: impl Fn(&Copy) -> u32) {
    let mut list = std::mem::take(&mut warp.copies.list);
    for copy in &mut list {
        let lanes = done(copy);
        if lanes != 0 {
            let late = lanes & copy.unmoved;
            move_bytes(env, copy, late);
            copy.pending &= !lanes;
            observe::copy_completed(warp, env, lanes, &copy.to, u32::from(copy.size));
        }
    }
    list.retain(|copy| copy.pending != 0);
    warp.copies.list = list;
}

/// Lets some copies arrive at a random moment.
pub(crate) fn drift(warp: &mut Warp, env: &mut Env<'_>) {
    for copy in &mut warp.copies.list {
        if copy.unmoved != 0 && env.random.one_in(4) {
            let lanes = copy.unmoved;
            move_bytes(env, copy, lanes);
        }
    }
}

fn move_bytes(env: &mut Env<'_>, copy: &mut Copy, lanes: u32) {
    copy.unmoved &= !lanes;
    let size = usize::from(copy.size);
    for lane in lanes_of(lanes) {
        let source = usize::from(copy.source[lane]);
        let mut bytes = [0; 16];
        if let Some(region) = (source != 0).then(|| env.region(copy.from[lane], source as u64)).flatten() {
            let offset = (copy.from[lane] - region.base) as usize;
            for (at, byte) in bytes[..source].iter_mut().enumerate() {
                // SAFETY: the region holds `source` bytes from the lane's address on.
                *byte = unsafe { region.place().load::<1>(offset + at) } as u8;
            }
        }
        env.shared[copy.to[lane] as usize..][..size].copy_from_slice(&bytes[..size]);
    }
}
