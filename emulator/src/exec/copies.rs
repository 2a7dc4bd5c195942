//! Asynchronous copies from global to shared memory (`cp.async`).
//!
//! A copy is pending from its issue to the wait for it, whatever the moment at which the bytes move: at the issue, at the wait,
//! or at a random turn of the warp between them.

use super::access::{each_region, shared_lanes};
use super::mbarrier::{self, Change};
use super::{Env, Warp, observe};
use crate::config::Asynchrony;
use crate::fault::FaultKind;
use crate::lanes::{LANES, lanes_of};
use crate::memory::Space;
use crate::shadow::{Act, Issuer};

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
    /// Its place in the order of issue.
    number: u64,
}

/// One lane's `cp.async.mbarrier.arrive`, which arrives when all its copies before are complete.
struct Arrival {
    lane: usize,
    /// The offset of the `mbarrier` object.
    address: u32,
    /// Copies with a lower number come before it.
    end: u64,
    pc: u32,
}

/// The copies of a warp that are in flight, oldest first.
#[derive(Default)]
pub(crate) struct Copies {
    list: Vec<Copy>,
    /// Groups that each lane has committed.
    committed: [u32; LANES],
    arrivals: Vec<Arrival>,
    issued: u64,
}

impl Copies {
    pub fn clear(&mut self) {
        self.list.clear();
        self.arrivals.clear();
        self.committed = [0; LANES];
    }

    /// `cp.async.commit_group`.
    pub fn commit(&mut self, mask: u32) {
        for lane in lanes_of(mask) {
            self.committed[lane] += 1;
        }
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.arrivals.is_empty()
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
    let whole = lanes_of(lanes).filter(|lane| source[*lane] == size).fold(0, |mask, lane| mask | 1 << lane);
    each_region(warp, env, (whole, &from, size.into()), &mut |warp, env, region, lanes| {
        observe::global(warp, env, region, (lanes, &from, size.into()), Act::Load);
    });
    for lane in lanes_of(lanes & !whole) {
        let range = from[lane]..from[lane] + u64::from(source[lane]);
        if let Some(region) = (source[lane] != 0).then(|| env.region(range.start, source[lane].into())).flatten() {
            observe::global_range(warp, env, &region, (lane, range), Act::Load);
        }
    }
    let (group, number) = (warp.copies.committed, warp.copies.issued);
    warp.copies.issued += 1;
    let mut copy = Copy { pending: lanes, unmoved: lanes, to, from, size, source, group, number };
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
    observe::waited(env);
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
    for at in (0..warp.copies.arrivals.len()).rev() {
        if env.random.one_in(4) {
            let arrival = warp.copies.arrivals.swap_remove(at);
            arrive(warp, env, &arrival);
        }
    }
}

/// `cp.async.mbarrier.arrive`: lanes arrive at these objects when their copies so far are complete. `awaits` says that the phase
/// is to wait for one arrival more than it would otherwise.
pub(crate) fn arrive_later(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    (space, addresses): (Space, &[u64; LANES]),
    awaits: bool,
) {
    if awaits {
        mbarrier::change(warp, env, mask, (space, addresses), &|_| Change::Await, false);
    }
    for lane in lanes_of(mask) {
        let Some((_, address)) = env.locate(warp, lane, (space, addresses[lane]), (8, 8)) else { continue };
        observe::mbarrier_use(warp, env, 1 << lane, address);
        let arrival = Arrival { lane, address, end: warp.copies.issued, pc: env.pc };
        if env.context.config.asynchrony == Asynchrony::Eager {
            arrive(warp, env, &arrival);
        } else {
            warp.copies.arrivals.push(arrival);
        }
    }
}

/// Completes all copies that an arrival waits for. False if there is none.
pub(crate) fn complete_all(warp: &mut Warp, env: &mut Env<'_>) -> bool {
    let arrivals = std::mem::take(&mut warp.copies.arrivals);
    arrivals.iter().for_each(|arrival| arrive(warp, env, arrival));
    !arrivals.is_empty()
}

fn arrive(warp: &mut Warp, env: &mut Env<'_>, arrival: &Arrival) {
    let Arrival { lane, address, end, pc } = *arrival;
    let issuer = Issuer { party: warp.party, lane: lane as u32, pc };
    let mut list = std::mem::take(&mut warp.copies.list);
    for copy in list.iter_mut().filter(|copy| copy.number < end && copy.pending >> lane & 1 == 1) {
        let late = copy.unmoved & 1 << lane;
        move_bytes(env, copy, late);
        copy.pending &= !(1 << lane);
        observe::completed(env, copy.size.into());
        let to = copy.to[lane] as u32;
        observe::bulk_write_completed(env, issuer, to..to + u32::from(copy.size), address);
    }
    list.retain(|copy| copy.pending != 0);
    warp.copies.list = list;
    if let Err(what) = mbarrier::apply(env, address, Change::Arrive { count: 1, bytes: 0 }) {
        env.fault_of(issuer, FaultKind::Mbarrier { address: address.into(), what });
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
