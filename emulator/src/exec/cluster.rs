//! The blocks of a cluster: each can reach the shared memory of all. The block that runs holds its own memory in its [`Env`] and that of
//! the others here.

use super::bulk::Flight;
use super::mbarrier::Mbarriers;
use super::{Env, Warp};
use crate::fault::FaultKind;
use crate::lanes::{LANES, lanes_of};
use crate::memory::{CLUSTER_SHIFT, Space};
use crate::shadow::SharedShadow;
use crate::tally::Meter;

/// What a block shows to the others of its cluster.
#[derive(Default)]
pub(crate) struct Part {
    pub shared: Vec<u8>,
    pub shadow: Option<SharedShadow>,
    pub mbarriers: Mbarriers,
    /// Every thread of the block has exited: its memory is gone.
    pub exited: bool,
}

/// The cluster as the block that runs sees it.
#[derive(Default)]
pub(crate) struct Cluster {
    /// By rank; the running block's own is empty.
    pub parts: Vec<Part>,
    /// Copies that complete on an `mbarrier` object.
    pub flights: Vec<Flight>,
    pub barrier: ClusterBarrier,
    /// Polls of `mbarrier` objects in vain since the last copy arrived.
    pub polls: u32,
    /// When the last copy arrived, by the block's clock.
    pub arrived: u64,
    /// Bytes in flight.
    pub meter: Meter,
    /// Grows with whatever may let a waiting warp go on.
    pub progress: u64,
}

impl Cluster {
    pub fn restart(&mut self) {
        self.flights.clear();
        self.meter.restart();
        self.barrier = ClusterBarrier::default();
        self.parts.iter_mut().for_each(|part| part.exited = false);
        (self.polls, self.arrived, self.progress) = (0, 0, 0);
    }
}

/// `barrier.cluster`.
#[derive(Default)]
pub(crate) struct ClusterBarrier {
    /// Threads that have arrived in this phase.
    pub arrived: u32,
    /// Threads of the cluster that have not exited.
    pub live: u32,
    pub phase: u32,
}

impl ClusterBarrier {
    /// Ends the phase when all have arrived.
    pub fn settle(&mut self) -> bool {
        let is_complete = self.arrived != 0 && self.arrived >= self.live;
        if is_complete {
            self.arrived = 0;
            self.phase += 1;
        }
        is_complete
    }
}

/// Where in its space a shared address lies: the block's rank, if it names one, and the offset there.
pub(crate) fn split(address: u64) -> (Option<u32>, u64) {
    let tag = address >> CLUSTER_SHIFT;
    if tag == 0 {
        (None, address)
    } else {
        (Some(u32::try_from(tag - 1).unwrap_or(u32::MAX)), address & ((1 << CLUSTER_SHIFT) - 1))
    }
}

/// The address of an offset in the shared memory of the block with a rank.
pub(crate) fn mapped(rank: u32, offset: u32) -> u32 {
    (rank + 1) << CLUSTER_SHIFT | offset
}

impl Env<'_> {
    /// Blocks of the cluster.
    pub fn cluster_blocks(&self) -> u32 {
        self.cluster.parts.len() as u32
    }

    /// Does something with the shared memory of the block with a rank in place of the own one.
    pub fn visit<R>(&mut self, rank: u32, f: impl FnOnce(&mut Self) -> R) -> R {
        if rank == self.rank {
            return f(self);
        }
        self.exchange(rank);
        let result = f(self);
        self.exchange(rank);
        result
    }

    fn exchange(&mut self, rank: u32) {
        let mut part = std::mem::take(&mut self.cluster.parts[rank as usize]);
        if let (Some(mine), Some(theirs)) = (&mut self.shadow, &mut part.shadow) {
            mine.hand_over(theirs);
        }
        self.put_away(&mut part);
        self.cluster.parts[rank as usize] = part;
    }

    /// Exchanges the memory in hand with a part.
    pub fn put_away(&mut self, part: &mut Part) {
        std::mem::swap(&mut self.shared, &mut part.shared);
        std::mem::swap(&mut self.mbarriers, &mut part.mbarriers);
        std::mem::swap(&mut self.shadow, &mut part.shadow);
    }

    /// Whether the block with a rank exists and still has its memory; else that is reported.
    pub fn is_there(&mut self, warp: &Warp, lane: usize, rank: u32) -> bool {
        let blocks = self.cluster_blocks();
        let what = match self.cluster.parts.get(rank as usize) {
            None => format!("shared memory of block {rank} of a cluster of {blocks}"),
            Some(part) if part.exited => format!("shared memory of block {rank} of the cluster, which has exited"),
            Some(_) => return true,
        };
        self.fault(warp, lane, FaultKind::Invalid { what });
        false
    }

    /// The block and the offset that an address in shared memory names, `bytes` bytes in bounds and aligned to `align`; else
    /// that is reported.
    pub fn locate(
        &mut self,
        warp: &Warp,
        lane: usize,
        (space, address): (Space, u64),
        (bytes, align): (u64, u64),
    ) -> Option<(u32, u32)> {
        let offset = match space {
            Space::Generic if Space::of(address) == Space::Shared => address - Space::Shared.window(),
            Space::Generic => {
                let what = format!("the generic address {address:#x}, which is not in shared memory");
                self.fault(warp, lane, FaultKind::Invalid { what });
                return None;
            }
            _ => address,
        };
        let (rank, offset) = if space == Space::Shared { (None, offset) } else { split(offset) };
        let rank = rank.unwrap_or(self.rank);
        if !self.is_there(warp, lane, rank) {
            return None;
        }
        let size = self.context.shared_bytes.into();
        if offset.checked_add(bytes).is_none_or(|end| end > size) {
            super::access::out_of_bounds(warp, self, lane, Space::Shared, offset, bytes);
        } else if !offset.is_multiple_of(align) {
            super::access::misaligned(warp, self, lane, Space::Shared, offset, align);
        } else {
            return Some((rank, offset as u32));
        }
        None
    }
}

/// What to do with some lanes' offsets in the memory in hand.
type AtHome<'f> = &'f mut dyn FnMut(&mut Warp, &mut Env<'_>, u32, &[u64; LANES]);

/// Calls `f` for the lanes of each block whose shared memory they address, at home there, with offsets.
pub(crate) fn each_block(warp: &mut Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], f: AtHome<'_>) {
    if lanes_of(mask).all(|lane| addresses[lane] >> CLUSTER_SHIFT == 0) {
        return f(warp, env, mask, addresses);
    }
    let places = addresses.map(split);
    let mut rest = mask;
    while rest != 0 {
        let first = rest.trailing_zeros() as usize;
        let named = places[first].0;
        let lanes = lanes_of(rest).filter(|lane| places[*lane].0 == named).fold(0, |lanes, lane| lanes | 1 << lane);
        rest &= !lanes;
        let rank = named.unwrap_or(env.rank);
        if env.is_there(warp, first, rank) {
            let offsets = places.map(|(_, offset)| offset);
            env.visit(rank, |env| f(warp, env, lanes, &offsets));
        }
    }
}
