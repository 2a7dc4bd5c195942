//! The race detector: of a block's shared memory, and of global memory within a block (here) and between blocks ([`world`]).
//!
//! A happens-before detector in the manner of FastTrack: for each word the last plain write, for each word and warp the last
//! read, and for each warp what it knows of every other. All accesses of a block are numbered in the order in which
//! the emulator runs them; that number is the clock. An earlier access of another warp is ordered if a barrier (or a
//! release and an acquire) has told of its number. Lanes of one warp are ordered by `bar.warp.sync` and by the barriers of
//! the block alone: shuffles, votes, `ldmatrix` and `mma` order nothing, although they run in lockstep.
//!
//! * The destination of a `cp.async` is in flight from its issue to the wait of the thread that issued it. After the wait it
//!   counts as written by that thread at that moment, so other threads still need a barrier.
//! * Strong accesses (atomic, volatile, relaxed, acquire, release) do not race with one another, but with plain ones they do.
//!   A fence before a strong write and one after a strong read of the same address order what lies around them. Each thread
//!   releases and acquires for itself: of its sister lanes it tells up to where they last met.
//! * Two lanes of one store instruction may write the same value to one address, not different ones. Equal values stored by
//!   different instructions or warps are a race like any other, which is not reported without `Checks::equal_stores`.
//! * `ldmatrix` and `stmatrix` count as accesses by the four lanes whose registers a row goes to or comes from, a word each,
//!   with `.trans` too; not by the lane that gives the row's address.
//! * Bulk copies, `mbarrier` objects and the asynchronous proxy: see [`bulk`].
//! * The word is the unit as long as accesses cover whole words, the byte elsewhere, so neighbours never raise an alarm.

mod bulk;
mod cells;
mod clock;
mod examine;
mod global;
mod memory;
mod order;
mod outside;
mod phases;
mod quick;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_threads;
mod world;

use crate::config::Checks;
pub(crate) use bulk::Issuer;
use cells::{IN_FLIGHT, LAST, Track, Writer};
use examine::Party;
pub(crate) use global::Act;
use global::Pages;
use memory::{Cells, Moment};
use order::Order;
pub(crate) use world::{World, clashes};

/// What is wrong with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hazard {
    ReadAfterWrite,
    WriteAfterRead,
    WriteAfterWrite,
    /// The bytes belong to an asynchronous copy that has not been waited for.
    InFlight,
    /// Nothing has written what is read.
    Uninitialised,
    /// The bytes belong to an `mbarrier` object.
    Object,
    /// A thread has written what the asynchronous proxy accesses, and no fence between the proxies has made that visible.
    Proxy,
}

impl Hazard {
    /// For reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadAfterWrite => "read after write",
            Self::WriteAfterRead => "write after read",
            Self::WriteAfterWrite => "write after write",
            Self::InFlight => "in flight",
            Self::Uninitialised => "uninitialised",
            Self::Object => "a part of an mbarrier object",
            Self::Proxy => "no fence between the proxies",
        }
    }
}

/// The earlier side of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Earlier {
    /// The cluster of the grid, by number, if it is another one.
    pub team: Option<u32>,
    pub warp: u32,
    pub lane: u32,
    pub pc: u32,
}

/// One lane's conflict; its first one where an access has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conflict {
    /// The later lane, of the warp that was given.
    pub lane: u32,
    /// The byte.
    pub address: u64,
    pub hazard: Hazard,
    /// Who was there before; `None` for an uninitialised read.
    pub earlier: Option<Earlier>,
}

/// Whose accesses the lanes of a [`WarpAccess`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authors {
    /// Each lane's its own.
    Lanes,
    /// Each is a row of 16 bytes of an 8x8 matrix, and its four words are accessed by lanes of their own.
    Rows,
    /// All are this lane's, which has issued a bulk copy.
    One(u32),
}

/// One instruction of one warp. Addresses are byte offsets in the block's shared memory or addresses in global memory, in bounds
/// and multiples of the size.
#[derive(Clone, Copy)]
pub(crate) struct WarpAccess<'a> {
    pub warp: u32,
    pub pc: u32,
    /// The lanes that access.
    pub mask: u32,
    pub addresses: &'a [u64; 32],
    /// Bytes of one lane's access: 1, 2, 4, 8, 16 or, in global memory, 32.
    pub bytes: u32,
    pub authors: Authors,
}

impl WarpAccess<'_> {
    /// Who accesses a word of a lane's access.
    #[inline(always)]
    fn author(&self, lane: u32, word: u32) -> Writer {
        let lane = match self.authors {
            Authors::Lanes => lane,
            Authors::Rows => 4 * (lane % 8) + word,
            Authors::One(lane) => lane,
        };
        Writer::new(self.warp, lane, self.pc)
    }
}

/// Semantics of a strong access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ordering {
    pub acquire: bool,
    pub release: bool,
    /// The scope goes beyond the cluster: `.gpu` or `.sys`. It matters in global memory.
    pub wide: bool,
}

/// What a strong access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strong {
    /// `ld.volatile`, `ld.relaxed`, `ld.acquire`.
    Load,
    /// `st.volatile`, `st.relaxed`, `st.release`.
    Store,
    /// `atom`, `red`.
    Atomic,
}

/// The detector of one resident block.
pub(crate) struct SharedShadow {
    checks: Checks,
    /// The block's number in its cluster, and the number of warps of each block.
    rank: u32,
    warps: usize,
    /// Some bulk copy has read shared memory since the block's start.
    has_bulk_reads: bool,
    /// The number of the last access. It and the order are common to a cluster: the block in hand has them.
    now: u32,
    order: Order,
    cells: Cells,
    /// Global memory as the cluster uses it; like the order, with the block in hand.
    pages: Pages,
    /// The cluster's number in the grid, and the clock as it started.
    team: u32,
    began: u32,
}

fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |lane| mask >> lane & 1 == 1)
}

/// The lanes that stand for all: where all read the same address, two of them, since only that much is remembered.
#[inline(always)]
fn readers(access: WarpAccess<'_>) -> u32 {
    let WarpAccess { mask, addresses, .. } = access;
    let (first, last) = (mask.trailing_zeros() & 31, 31 - mask.leading_zeros().min(31));
    let (low, high) = (addresses[first as usize], addresses[last as usize]);
    if access.authors != Authors::Lanes {
        return mask;
    }
    let is_one = || addresses.iter().zip(0..).fold(true, |one, (at, lane)| one & (*at == low || mask >> lane & 1 == 0));
    if low == high && is_one() { mask & (1 << first | 1 << last) } else { mask }
}

impl SharedShadow {
    /// For `bytes` of shared memory and `warps` warps of the block with a rank in a cluster of `blocks`.
    pub(crate) fn new(bytes: u32, warps: u32, (rank, blocks): (u32, u32), checks: Checks) -> Self {
        let (warps, blocks) = (warps.max(1) as usize, blocks.max(1) as usize);
        let cells = Cells::new(bytes.div_ceil(16) as usize * 4);
        let (order, pages) = (Order::new(warps * blocks, blocks), Pages::default());
        let mut shadow =
            Self { checks, rank, warps, has_bulk_reads: false, now: 0, order, cells, pages, team: 0, began: 0 };
        shadow.restart(0);
        shadow
    }

    /// Makes it ready for another block, of the cluster with this number: nothing is written, and everything earlier is ordered.
    pub(crate) fn restart(&mut self, team: u32) {
        // The clock goes on from block to block, so that no time needs to be cleared but those of writes, until it is half
        // run down: then everything starts again. In a cluster it is not this block's alone.
        let is_new = self.now == 0 || self.now > LAST / 2 || self.has_bulk_reads || self.order.warps() > self.warps;
        if is_new {
            self.now = cells::WRITTEN;
            self.cells.forget();
        }
        self.pages.restart(is_new);
        self.cells.words.write.time.fill(cells::UNWRITTEN);
        self.has_bulk_reads = false;
        self.team = team;
        self.began = self.now;
        self.order.restart(self.now);
    }

    /// The clock and the order go from the block that has them to another one of the cluster.
    pub(crate) fn hand_over(&mut self, to: &mut Self) {
        std::mem::swap(&mut self.now, &mut to.now);
        std::mem::swap(&mut self.order, &mut to.order);
        std::mem::swap(&mut self.pages, &mut to.pages);
    }

    fn tick(&mut self) -> u32 {
        self.now = (self.now + 1).min(LAST);
        self.now
    }

    /// A plain load, `ldmatrix` included.
    #[inline(always)]
    pub(crate) fn load(&mut self, access: WarpAccess<'_>, conflicts: &mut Vec<Conflict>) {
        self.tick();
        self.cells.load(Moment { order: &self.order, now: self.now, checks: self.checks }, access, conflicts);
    }

    /// A plain store. `same` says whether two lanes that address the same bytes store the same value; it is asked for no
    /// other lanes.
    #[inline(always)]
    pub(crate) fn store(
        &mut self,
        access: WarpAccess<'_>,
        same: impl Fn(usize, usize) -> bool,
        conflicts: &mut Vec<Conflict>,
    ) {
        self.tick();
        self.cells.store(Moment { order: &self.order, now: self.now, checks: self.checks }, access, same, conflicts);
    }

    /// A strong access.
    pub(crate) fn strong(
        &mut self,
        access: WarpAccess<'_>,
        kind: Strong,
        ordering: Ordering,
        conflicts: &mut Vec<Conflict>,
    ) {
        let now = self.tick();
        let warp = access.warp as usize;
        if kind != Strong::Store {
            let mut rest = access.mask;
            while rest != 0 {
                let address = access.addresses[rest.trailing_zeros() as usize];
                let same =
                    lanes(rest).filter(|lane| access.addresses[*lane] == address).fold(0, |m, lane| m | 1 << lane);
                self.order.observe(warp, same, self.key(address), ordering);
                rest &= !same;
            }
        }
        let at = Moment { order: &self.order, now, checks: self.checks };
        self.cells.examine(at, access, Party::Strong(kind), &|_, _| true, conflicts);
        if kind != Strong::Load {
            let atomic = kind == Strong::Atomic;
            for lane in lanes(access.mask) {
                let key = self.key(access.addresses[lane]);
                self.order.publish((warp, lane), key, ordering, atomic, now);
            }
        }
    }

    /// The destinations of `cp.async`: they conflict as a store does, and are in flight from now on.
    pub(crate) fn copy_issued(&mut self, access: WarpAccess<'_>, conflicts: &mut Vec<Conflict>) {
        let now = self.tick();
        self.cells.copy(Moment { order: &self.order, now, checks: self.checks }, access, conflicts);
    }

    /// The wait of the thread that issued the copies: it has written their destinations now.
    pub(crate) fn copy_completed(&mut self, warp: u32, mask: u32, addresses: &[u64; 32], bytes: u32) {
        let now = self.tick();
        self.cells.words.write.latest = now;
        for lane in lanes(mask) {
            let first = (addresses[lane] >> 2) as usize;
            let cells = first..first + (bytes as usize).div_ceil(4);
            let Track { time, who, .. } = &mut self.cells.words.write;
            let (Some(times), Some(authors)) = (time.get_mut(cells.clone()), who.get_mut(cells)) else { return };
            for (time, author) in times.iter_mut().zip(authors) {
                // Only its own copy: a faulty kernel may have issued another one to the same place.
                let by = Writer(*author);
                if *time == IN_FLIGHT && (by.warp(), by.lane()) == (warp, lane as u32) {
                    (*time, *author) = (now, by.by_copy().0);
                }
            }
        }
    }

    /// A warp arrives at a barrier of the block, to wait or not.
    pub(crate) fn barrier_arrive(&mut self, id: u32, warp: u32) {
        self.order.barrier_arrive(self.barrier(id), warp as usize, self.now);
    }

    fn barrier(&self, id: u32) -> usize {
        order::BARRIERS * self.rank as usize + id as usize
    }

    /// The barrier completes: those of the block's warps that wait there know what all know that arrived.
    pub(crate) fn barrier_complete(&mut self, id: u32, waiting: u32) {
        let first = self.warps * self.rank as usize;
        self.order.barrier_complete(self.barrier(id), first, waiting, self.now);
    }

    /// `bar.warp.sync`: the lanes of the mask have met.
    pub(crate) fn warp_sync(&mut self, warp: u32, mask: u32) {
        self.order.warp_sync(warp as usize, mask, self.now);
    }

    /// `membar` or `fence` that acquires and releases; `wide` if the scope goes beyond the cluster.
    pub(crate) fn fence(&mut self, warp: u32, mask: u32, wide: bool) {
        self.order.fence(warp as usize, mask, wide, self.now);
    }
}
