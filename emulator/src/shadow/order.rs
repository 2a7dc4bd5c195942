//! Who knows of whose accesses: vector clocks of warps, and what single threads know beyond that.

use std::collections::HashMap;

use super::clock::{Clock, Outside, Thread, thread};
use super::phases::{Column, Fences, Phases};
use super::{Ordering, lanes};

/// Named barriers of a block.
pub(super) const BARRIERS: usize = 16;

/// One clock for each lane of a warp.
pub(super) type PerLane = Option<Box<[Clock; 32]>>;

/// What has been ordered so far, in a block or in all blocks of a cluster: its warps are those of all of them.
#[derive(Default)]
pub(super) struct Order {
    warps: usize,
    /// `known[w * warps + v]`: up to when all lanes of warp `w` know the accesses of all lanes of warp `v`.
    known: Vec<u32>,
    /// The least of each warp's row: what is not younger needs no look at its author.
    floor: Vec<u32>,
    /// What all lanes of a warp know of single threads, beyond its row.
    pub(super) beyond: Vec<Vec<(Thread, u32)>>,
    /// What single lanes have acquired that the others of their warp do not know, and of lanes that met without the others.
    pub(super) lanes: Vec<PerLane>,
    /// What all lanes of a warp know of the completion of bulk copies, and what is visible to the asynchronous proxy.
    pub(super) copies: Vec<Vec<u32>>,
    pub(super) proxied: Vec<Vec<u32>>,
    /// What all lanes of a warp know of other clusters, and what they have all learnt last.
    pub(super) outside: Vec<Outside>,
    pub(super) heard: Vec<Outside>,
    /// What the threads that have arrived at each barrier know.
    barriers: Vec<Clock>,
    /// What each thread knew at its last fence: of any scope, and of one beyond the cluster.
    pub(super) fenced: [Vec<PerLane>; 2],
    /// What each thread has seen by strong reads, and knows from its next fence of any scope, or of one beyond the cluster, on.
    pub(super) seen: [Vec<PerLane>; 2],
    /// What a strong read of an address tells.
    published: HashMap<u64, Clock>,
    /// What `mbarrier` objects tell.
    pub(super) phases: HashMap<u64, Phases>,
    pub(super) columns: Vec<Column>,
    /// The fences between proxies of each warp; empty as long as there was none.
    pub(super) fences: Vec<Fences>,
}

pub(super) fn per_lane(clocks: &mut PerLane, warps: usize) -> &mut [Clock; 32] {
    clocks.get_or_insert_with(|| Box::new(std::array::from_fn(|_| Clock::new(warps))))
}

impl Order {
    /// For all warps of a number of blocks.
    pub(super) fn new(warps: usize, blocks: usize) -> Self {
        Self {
            warps,
            known: vec![0; warps * warps],
            floor: vec![0; warps],
            beyond: vec![Vec::new(); warps],
            lanes: vec![None; warps],
            copies: vec![Vec::new(); warps],
            proxied: vec![Vec::new(); warps],
            barriers: vec![Clock::new(warps); BARRIERS * blocks],
            outside: vec![None; warps],
            heard: vec![None; warps],
            fenced: [const { Vec::new() }; 2].map(|_: Vec<PerLane>| vec![None; warps]),
            seen: [const { Vec::new() }; 2].map(|_: Vec<PerLane>| vec![None; warps]),
            ..Self::default()
        }
    }

    /// Everything up to now is ordered before everything from now on.
    pub(super) fn restart(&mut self, now: u32) {
        self.known.fill(now);
        self.floor.fill(now);
        self.beyond.iter_mut().for_each(Vec::clear);
        self.copies.iter_mut().chain(&mut self.proxied).for_each(Vec::clear);
        self.outside.fill(None);
        self.heard.fill(None);
        for clocks in std::iter::once(&mut self.lanes).chain(&mut self.fenced).chain(&mut self.seen) {
            clocks.fill(None);
        }
        self.barriers.fill(Clock::new(self.warps));
        self.published.clear();
        self.phases.clear();
        self.columns.clear();
        self.fences.clear();
    }

    pub(super) fn warps(&self) -> usize {
        self.warps
    }

    /// Up to when everything by anyone is ordered before this warp's next access.
    #[inline(always)]
    pub(super) fn floor(&self, warp: usize) -> u32 {
        self.floor[warp]
    }

    /// Up to when everything by anyone is ordered before everything that is to come.
    pub(super) fn settled(&self) -> u32 {
        self.floor.iter().copied().min().unwrap_or(0)
    }

    /// Up to when accesses by any lane of `other` are ordered before the next one by any lane of `warp`.
    #[inline(always)]
    pub(super) fn known(&self, warp: usize, other: usize) -> u32 {
        self.known[warp * self.warps + other]
    }

    /// Up to when accesses by one thread are ordered before another's next one.
    #[inline]
    pub(super) fn known_thread(&self, (warp, lane): (usize, usize), (other, by): (usize, usize)) -> u32 {
        let all = self.known(warp, other);
        if self.beyond[warp].is_empty() && self.lanes[warp].is_none() {
            return all;
        }
        let beyond = self.beyond[warp].binary_search_by_key(&thread(other, by), |(thread, _)| *thread);
        let beyond = beyond.map_or(0, |at| self.beyond[warp][at].1);
        let own = self.lanes[warp].as_ref().map_or(0, |lanes| lanes[lane].of(other, by));
        all.max(beyond).max(own)
    }

    fn row(&mut self, warp: usize) -> &mut [u32] {
        &mut self.known[warp * self.warps..(warp + 1) * self.warps]
    }

    /// What all lanes of a warp know.
    fn common(&self, warp: usize) -> Clock {
        let warps = self.known[warp * self.warps..(warp + 1) * self.warps].to_vec();
        Clock {
            warps,
            threads: self.beyond[warp].clone(),
            copies: self.copies[warp].clone(),
            proxied: self.proxied[warp].clone(),
            outside: self.outside[warp].clone(),
        }
    }

    fn set_common(&mut self, warp: usize, clock: Clock) {
        self.row(warp).copy_from_slice(&clock.warps);
        self.beyond[warp] = clock.threads;
        self.copies[warp] = clock.copies;
        self.proxied[warp] = clock.proxied;
        self.outside[warp] = clock.outside;
        self.update_floor(warp);
    }

    pub(super) fn update_floor(&mut self, warp: usize) {
        let least = self.row(warp).iter().copied().min().unwrap_or(0);
        let known = |at: usize| self.copies[warp].get(at).copied().unwrap_or(0);
        let unknown = self.columns.iter().enumerate().filter(|(at, column)| known(*at) < column.latest);
        self.floor[warp] = unknown.map(|(at, _)| known(at)).min().map_or(least, |copies| copies.min(least));
    }

    /// What this lane knows that the others of its warp may not.
    pub(super) fn own(&self, warp: usize, lane: usize) -> Option<&Clock> {
        self.lanes[warp].as_ref().map(|lanes| &lanes[lane])
    }

    /// What a lane knows of a thread alone, not of its warp as a whole.
    pub(super) fn known_alone(&self, (warp, lane): (usize, usize), (other, by): (usize, usize)) -> u32 {
        let beyond = self.beyond[warp].binary_search_by_key(&thread(other, by), |(thread, _)| *thread);
        let beyond = beyond.map_or(0, |at| self.beyond[warp][at].1);
        beyond.max(self.own(warp, lane).map_or(0, |own| own.of_thread(other, by)))
    }

    /// What one thread can tell of at this moment: its own accesses up to now, and those that it knows.
    pub(super) fn telling(&self, warp: usize, lane: usize, now: u32) -> Clock {
        let mut clock = self.common(warp);
        clock.tell(thread(warp, lane), now);
        if let Some(lanes) = &self.lanes[warp] {
            clock.join(&lanes[lane]);
        }
        clock
    }

    /// What all threads of a warp can tell of together.
    pub(super) fn telling_all(&self, warp: usize, now: u32) -> Clock {
        let mut clock = self.common(warp);
        for lane in self.lanes[warp].iter().flat_map(|lanes| lanes.iter()) {
            clock.join(lane);
        }
        clock.warps[warp] = now;
        clock.tidy();
        clock
    }

    /// The lanes of a warp acquire what a clock tells.
    pub(super) fn learn(&mut self, warp: usize, mask: u32, clock: &Clock) {
        if mask == u32::MAX {
            let mut common = self.common(warp);
            common.join(clock);
            self.set_common(warp, common);
            return;
        }
        let warps = self.warps;
        let own = per_lane(&mut self.lanes[warp], warps);
        lanes(mask).for_each(|lane| own[lane].join(clock));
    }

    pub(super) fn barrier_arrive(&mut self, id: usize, warp: usize, now: u32) {
        let clock = self.telling_all(warp, now);
        if let Some(barrier) = self.barriers.get_mut(id) {
            barrier.join(&clock);
        }
    }

    /// Of the warps from `first` on, those of the mask have waited.
    pub(super) fn barrier_complete(&mut self, id: usize, first: usize, waiting: u32, now: u32) {
        let Some(barrier) = self.barriers.get_mut(id) else { return };
        let clock = std::mem::replace(barrier, Clock::new(self.warps));
        for warp in lanes(waiting).map(|index| first + index) {
            // The lanes of a warp that waits have met, too.
            let mut common = self.telling_all(warp, now);
            common.join(&clock);
            self.set_common(warp, common);
            self.lanes[warp] = None;
        }
    }

    pub(super) fn warp_sync(&mut self, warp: usize, mask: u32, now: u32) {
        if mask == u32::MAX {
            let common = self.telling_all(warp, now);
            self.set_common(warp, common);
            self.lanes[warp] = None;
            return;
        }
        let warps = self.warps;
        let own = per_lane(&mut self.lanes[warp], warps);
        let mut met = Clock::new(warps);
        for lane in lanes(mask) {
            met.join(&own[lane]);
            met.tell(thread(warp, lane), now);
        }
        lanes(mask).for_each(|lane| own[lane] = met.clone());
    }

    /// Lanes execute a fence; `wide` says that its scope goes beyond the cluster.
    pub(super) fn fence(&mut self, warp: usize, mask: u32, wide: bool, now: u32) {
        let warps = self.warps;
        for scope in 0..=usize::from(wide) {
            if let Some(mut seen) = self.seen[scope][warp].take() {
                for lane in lanes(mask) {
                    let clock = std::mem::replace(&mut seen[lane], Clock::new(warps));
                    self.learn(warp, 1 << lane, &clock);
                }
                self.seen[scope][warp] = Some(seen);
            }
        }
        for lane in lanes(mask) {
            let clock = self.telling(warp, lane, now);
            for scope in 0..=usize::from(wide) {
                per_lane(&mut self.fenced[scope][warp], warps)[lane] = clock.clone();
            }
        }
    }

    /// A strong write by a thread: publishes what the thread knew at its last fence, or now if it releases. Only an atomic
    /// operation keeps what the address told before.
    pub(super) fn publish(
        &mut self,
        (warp, lane): (usize, usize),
        address: u64,
        ordering: Ordering,
        atomic: bool,
        now: u32,
    ) {
        let clock = if ordering.release {
            Some(self.telling(warp, lane, now))
        } else {
            self.fenced[0][warp].as_ref().map(|fenced| fenced[lane].clone())
        };
        match (clock, self.published.get_mut(&address)) {
            (Some(clock), Some(published)) if atomic => published.join(&clock),
            (Some(clock), Some(published)) => *published = clock,
            (Some(clock), None) => drop(self.published.insert(address, clock)),
            (None, Some(_)) if !atomic => drop(self.published.remove(&address)),
            (None, _) => {}
        }
    }

    /// Lanes read an address strongly: what it tells is known now if they acquire, else from their next fence on.
    pub(super) fn observe(&mut self, warp: usize, mask: u32, address: u64, ordering: Ordering) {
        let Some(clock) = self.published.get(&address) else { return };
        if ordering.acquire {
            let clock = clock.clone();
            self.learn(warp, mask, &clock);
        } else {
            let seen = per_lane(&mut self.seen[0][warp], self.warps);
            lanes(mask).for_each(|lane| seen[lane].join(clock));
        }
    }
}
