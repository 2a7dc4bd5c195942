//! Who knows of whose accesses: vector clocks of warps, and the order of lanes inside a warp.

use std::collections::HashMap;

use super::Ordering;

/// Named barriers of a block.
const BARRIERS: usize = 16;

/// What has been ordered so far. Times are numbers of accesses; an access is ordered if its time is at most the one known.
pub(super) struct Order {
    warps: usize,
    /// `known[w * warps + v]`: up to when warp `w` knows the accesses of warp `v`. The diagonal is what all lanes of `w` know
    /// of each other.
    known: Vec<u32>,
    /// The least of each warp's row: what is not younger needs no look at its author.
    floor: Vec<u32>,
    /// Where some lanes of a warp met without the others: `lanes[w][l][m]` is up to when lane `l` knows lane `m`.
    lanes: Vec<Option<Box<[[u32; 32]; 32]>>>,
    /// What the warps that have arrived at each barrier know.
    barriers: Vec<Vec<u32>>,
    /// What each warp knew at its last fence.
    fenced: Vec<Vec<u32>>,
    /// What each warp has seen by strong reads, and knows from its next fence on.
    seen: Vec<Vec<u32>>,
    /// What a strong read of an address tells.
    published: HashMap<u64, Vec<u32>>,
}

fn join(into: &mut [u32], from: &[u32]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = (*into).max(*from);
    }
}

impl Order {
    pub(super) fn new(warps: usize) -> Self {
        Self {
            warps,
            known: vec![0; warps * warps],
            floor: vec![0; warps],
            lanes: vec![None; warps],
            barriers: vec![vec![0; warps]; BARRIERS],
            fenced: vec![vec![0; warps]; warps],
            seen: vec![vec![0; warps]; warps],
            published: HashMap::new(),
        }
    }

    /// Everything up to now is ordered before everything from now on.
    pub(super) fn restart(&mut self, now: u32) {
        self.known.fill(now);
        self.floor.fill(now);
        self.lanes.fill(None);
        self.barriers.iter_mut().chain(&mut self.fenced).chain(&mut self.seen).for_each(|clock| clock.fill(0));
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

    /// Up to when accesses by `other` are ordered before the next one by any lane of `warp`.
    #[inline(always)]
    pub(super) fn known(&self, warp: usize, other: usize) -> u32 {
        self.known[warp * self.warps + other]
    }

    /// Up to when accesses by another lane of the warp are ordered before this lane's next one.
    pub(super) fn known_lane(&self, warp: usize, lane: usize, other: usize) -> u32 {
        let all = self.known(warp, warp);
        self.lanes[warp].as_ref().map_or(all, |lanes| all.max(lanes[lane][other]))
    }

    fn row(&mut self, warp: usize) -> &mut [u32] {
        &mut self.known[warp * self.warps..(warp + 1) * self.warps]
    }

    fn update_floor(&mut self, warp: usize) {
        self.floor[warp] = self.row(warp).iter().copied().min().unwrap_or(0);
    }

    /// What a warp can tell of at this moment: its own accesses up to now, and those that it knows.
    fn telling(&mut self, warp: usize, now: u32) -> Vec<u32> {
        let mut clock = self.row(warp).to_vec();
        clock[warp] = now;
        clock
    }

    /// Learns, but not about its own lanes.
    fn learn(&mut self, warp: usize, clock: &[u32]) {
        let own = self.known(warp, warp);
        let row = self.row(warp);
        join(row, clock);
        row[warp] = own;
        self.update_floor(warp);
    }

    pub(super) fn barrier_arrive(&mut self, id: usize, warp: usize, now: u32) {
        let clock = self.telling(warp, now);
        if let Some(barrier) = self.barriers.get_mut(id) {
            join(barrier, &clock);
        }
    }

    pub(super) fn barrier_complete(&mut self, id: usize, waiting: u32, now: u32) {
        let Some(barrier) = self.barriers.get_mut(id) else { return };
        let clock = std::mem::replace(barrier, vec![0; self.warps]);
        for warp in (0..self.warps).filter(|warp| waiting >> warp & 1 == 1) {
            let row = self.row(warp);
            join(row, &clock);
            // The lanes of a warp that waits have met, too.
            row[warp] = now;
            self.lanes[warp] = None;
            self.update_floor(warp);
        }
    }

    pub(super) fn warp_sync(&mut self, warp: usize, mask: u32, now: u32) {
        if mask == u32::MAX {
            self.row(warp)[warp] = now;
            self.lanes[warp] = None;
            self.update_floor(warp);
            return;
        }
        let lanes = self.lanes[warp].get_or_insert_with(|| Box::new([[0; 32]; 32]));
        let members = || (0..32).filter(|lane| mask >> lane & 1 == 1);
        let mut met = [0; 32];
        for lane in members() {
            join(&mut met, &lanes[lane]);
        }
        for lane in members() {
            met[lane] = now;
        }
        for lane in members() {
            lanes[lane] = met;
        }
    }

    /// A fence of block scope or wider.
    pub(super) fn fence(&mut self, warp: usize, now: u32) {
        let seen = std::mem::take(&mut self.seen[warp]);
        self.learn(warp, &seen);
        self.seen[warp] = vec![0; self.warps];
        self.fenced[warp] = self.telling(warp, now);
    }

    /// A strong write: publishes what the warp knew at its last fence, or now if it releases. Only an atomic operation keeps
    /// what the address told before.
    pub(super) fn publish(&mut self, warp: usize, address: u64, ordering: Ordering, atomic: bool, now: u32) {
        let clock = if ordering.release { self.telling(warp, now) } else { self.fenced[warp].clone() };
        let published = self.published.entry(address).or_insert_with(|| vec![0; clock.len()]);
        if atomic {
            join(published, &clock);
        } else {
            *published = clock;
        }
    }

    /// A strong read: what the address tells is known now if it acquires, else from the next fence on.
    pub(super) fn observe(&mut self, warp: usize, address: u64, ordering: Ordering) {
        let Some(clock) = self.published.get(&address) else { return };
        if ordering.acquire {
            let clock = clock.clone();
            self.learn(warp, &clock);
        } else {
            join(&mut self.seen[warp], clock);
        }
    }
}
