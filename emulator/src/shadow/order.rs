//! Who knows of whose accesses: vector clocks of warps, and what single threads know beyond that.

use std::collections::HashMap;

use super::{Ordering, lanes};

/// Named barriers of a block.
const BARRIERS: usize = 16;

/// A thread's number in its block: 32 times its warp, and its lane.
type Thread = u16;

fn thread(warp: usize, lane: usize) -> Thread {
    (warp * 32 + lane) as Thread
}

/// Up to when somebody can tell of accesses. Times are numbers of accesses; one is ordered if its time is at most the one known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// Of all threads of each warp.
    warps: Vec<u32>,
    /// Of single threads, later than of all of their warp; in ascending order.
    threads: Vec<(Thread, u32)>,
}

impl Clock {
    pub(super) fn new(warps: usize) -> Self {
        Self { warps: vec![0; warps], threads: Vec::new() }
    }

    /// Adds what another can tell.
    pub(super) fn join(&mut self, other: &Self) {
        for (into, from) in self.warps.iter_mut().zip(&other.warps) {
            *into = (*into).max(*from);
        }
        for (thread, time) in &other.threads {
            self.tell(*thread, *time);
        }
        self.tidy();
    }

    fn tell(&mut self, thread: Thread, time: u32) {
        match self.threads.binary_search_by_key(&thread, |(thread, _)| *thread) {
            Ok(at) => self.threads[at].1 = self.threads[at].1.max(time),
            Err(at) => self.threads.insert(at, (thread, time)),
        }
    }

    /// Threads that make a whole warp are told of as one.
    fn tidy(&mut self) {
        if self.threads.len() >= 32 {
            for (warp, known) in self.warps.iter_mut().enumerate() {
                let from = |lane: usize| self.threads.partition_point(|(other, _)| *other < thread(warp, lane));
                let all = &self.threads[from(0)..from(32)];
                if let (32, Some(least)) = (all.len(), all.iter().map(|(_, time)| *time).min()) {
                    *known = (*known).max(least);
                }
            }
        }
        let warps = &self.warps;
        self.threads.retain(|(thread, time)| *time > warps[usize::from(*thread) / 32]);
    }

    /// Up to when it tells of a thread.
    fn of(&self, warp: usize, lane: usize) -> u32 {
        let at = self.threads.binary_search_by_key(&thread(warp, lane), |(thread, _)| *thread);
        at.map_or(self.warps[warp], |at| self.threads[at].1.max(self.warps[warp]))
    }
}

/// One clock for each lane of a warp.
type PerLane = Option<Box<[Clock; 32]>>;

/// What has been ordered so far.
pub(super) struct Order {
    warps: usize,
    /// `known[w * warps + v]`: up to when all lanes of warp `w` know the accesses of all lanes of warp `v`.
    known: Vec<u32>,
    /// The least of each warp's row: what is not younger needs no look at its author.
    floor: Vec<u32>,
    /// What all lanes of a warp know of single threads, beyond its row.
    beyond: Vec<Vec<(Thread, u32)>>,
    /// What single lanes have acquired that the others of their warp do not know, and of lanes that met without the others.
    lanes: Vec<PerLane>,
    /// What the threads that have arrived at each barrier know.
    barriers: Vec<Clock>,
    /// What each thread knew at its last fence.
    fenced: Vec<PerLane>,
    /// What each thread has seen by strong reads, and knows from its next fence on.
    seen: Vec<PerLane>,
    /// What a strong read of an address tells.
    published: HashMap<u64, Clock>,
}

fn per_lane(clocks: &mut PerLane, warps: usize) -> &mut [Clock; 32] {
    clocks.get_or_insert_with(|| Box::new(std::array::from_fn(|_| Clock::new(warps))))
}

impl Order {
    pub(super) fn new(warps: usize) -> Self {
        Self {
            warps,
            known: vec![0; warps * warps],
            floor: vec![0; warps],
            beyond: vec![Vec::new(); warps],
            lanes: vec![None; warps],
            barriers: vec![Clock::new(warps); BARRIERS],
            fenced: vec![None; warps],
            seen: vec![None; warps],
            published: HashMap::new(),
        }
    }

    /// Everything up to now is ordered before everything from now on.
    pub(super) fn restart(&mut self, now: u32) {
        self.known.fill(now);
        self.floor.fill(now);
        self.beyond.iter_mut().for_each(Vec::clear);
        for clocks in [&mut self.lanes, &mut self.fenced, &mut self.seen] {
            clocks.fill(None);
        }
        self.barriers.fill(Clock::new(self.warps));
        self.published.clear();
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
        Clock { warps, threads: self.beyond[warp].clone() }
    }

    fn set_common(&mut self, warp: usize, clock: Clock) {
        self.row(warp).copy_from_slice(&clock.warps);
        self.floor[warp] = clock.warps.iter().copied().min().unwrap_or(0);
        self.beyond[warp] = clock.threads;
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
    fn telling_all(&self, warp: usize, now: u32) -> Clock {
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

    pub(super) fn barrier_complete(&mut self, id: usize, waiting: u32, now: u32) {
        let Some(barrier) = self.barriers.get_mut(id) else { return };
        let clock = std::mem::replace(barrier, Clock::new(self.warps));
        for warp in (0..self.warps).filter(|warp| waiting >> warp & 1 == 1) {
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

    /// Lanes execute a fence of block scope or wider.
    pub(super) fn fence(&mut self, warp: usize, mask: u32, now: u32) {
        let warps = self.warps;
        if let Some(mut seen) = self.seen[warp].take() {
            for lane in lanes(mask) {
                let clock = std::mem::replace(&mut seen[lane], Clock::new(warps));
                self.learn(warp, 1 << lane, &clock);
            }
            self.seen[warp] = Some(seen);
        }
        for lane in lanes(mask) {
            let clock = self.telling(warp, lane, now);
            per_lane(&mut self.fenced[warp], warps)[lane] = clock;
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
            self.fenced[warp].as_ref().map(|fenced| fenced[lane].clone())
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
            let seen = per_lane(&mut self.seen[warp], self.warps);
            lanes(mask).for_each(|lane| seen[lane].join(clock));
        }
    }
}
