//! What `mbarrier` objects, asynchronous copies and fences between proxies tell.

use super::clock::{Clock, Thread, join, thread};
use super::order::Order;

/// What the arrivals at one `mbarrier` object know.
pub(super) struct Phases {
    /// Of the phase that is not complete yet.
    collecting: Clock,
    /// Of all complete phases. A later arrival changes the object that an earlier one has released, so it goes on telling.
    released: Clock,
    /// Who initialised it, and when.
    init: Option<(Thread, u32)>,
    /// The column of copies that complete here.
    column: Option<usize>,
}

impl Phases {
    fn new(warps: usize) -> Self {
        Self { collecting: Clock::new(warps), released: Clock::new(warps), init: None, column: None }
    }
}

/// Copies that complete on one `mbarrier` object. Their writes have the column as their author.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// The last completion.
    pub(super) latest: u32,
    /// Who issued that copy.
    pub(super) issuer: Thread,
}

/// One fence of some lanes of a warp.
#[derive(Clone, Copy)]
struct Fence {
    time: u32,
    lanes: u32,
}

/// The latest fences between proxies of a warp.
#[derive(Clone, Default)]
pub(super) struct Fences {
    list: Vec<Fence>,
    /// The last one that is not listed any more.
    forgotten: u32,
}

/// How many fences of a warp are remembered. An access before a forgotten one counts as covered by it.
const FENCES: usize = 16;

impl Order {
    /// `fence.proxy.async`.
    pub(super) fn proxy_fence(&mut self, warp: usize, lanes: u32, now: u32) {
        if self.fences.is_empty() {
            self.fences = vec![Fences::default(); self.warps()];
        }
        let fences = &mut self.fences[warp];
        if fences.list.len() == FENCES {
            fences.forgotten = fences.list.remove(0).time;
        }
        fences.list.push(Fence { time: now, lanes });
        // What others have told so far is visible from here on. Of threads that are known by themselves no more than that is
        // kept: whether an access is in order at all is another question.
        let mut told: Vec<u32> = (0..self.warps()).map(|other| self.known(warp, other)).collect();
        let own: Vec<&Clock> = super::lanes(lanes).filter_map(|lane| self.own(warp, lane)).collect();
        own.iter().for_each(|clock| join(&mut told, &clock.warps));
        for (thread, time) in own.iter().flat_map(|clock| &clock.threads).chain(&self.beyond[warp]) {
            // Of its own warp's lanes, the list of fences tells.
            let other = *thread as usize / 32;
            if other != warp {
                told[other] = told[other].max(*time);
            }
        }
        join(&mut self.proxied[warp], &told);
    }

    /// Up to when the accesses of a warp have been made visible to what any lane of another one does through the asynchronous
    /// proxy: at least, since fences of some of its lanes alone are left out.
    pub(super) fn visible_up_to(&self, warp: usize, other: usize) -> u32 {
        let known = self.known(warp, other);
        let fences = self.fences.get(other).map_or(&[][..], |fences| &fences.list);
        let last = fences.iter().rev().find(|fence| fence.lanes == u32::MAX && fence.time <= known);
        let told = self.proxied[warp].get(other).copied().unwrap_or(0);
        last.map_or(told, |fence| told.max(fence.time))
    }

    /// Whether an access of this time by a thread is visible to what this lane does through the asynchronous proxy, provided
    /// that it is ordered before: a fence between the proxies lies on the way.
    pub(super) fn is_visible(&self, by: (usize, usize), author: (usize, usize), time: u32) -> bool {
        let clocks = [Some(&self.proxied[by.0]), self.own(by.0, by.1).map(|own| &own.proxied)];
        if clocks.into_iter().flatten().any(|proxied| proxied.get(author.0).is_some_and(|known| time <= *known)) {
            return true;
        }
        let Some(fences) = self.fences.get(author.0) else { return false };
        let end = if by == author { u32::MAX } else { self.known_thread(by, author) };
        let covers = |fence: &Fence| fence.lanes >> author.1 & 1 == 1 && (time..=end).contains(&fence.time);
        time <= fences.forgotten || fences.list.iter().any(covers)
    }

    /// An `mbarrier` object comes into being.
    pub(super) fn phases_start(&mut self, key: u64, by: (usize, usize), now: u32) {
        let warps = self.warps();
        let phases = self.phases.entry(key).or_insert_with(|| Phases::new(warps));
        phases.init = Some((thread(by.0, by.1), now));
    }

    /// Whether all lanes of a warp know of an object's initialisation.
    pub(super) fn is_init_common(&self, key: u64, warp: usize) -> bool {
        let init = self.phases.get(&key).and_then(|phases| phases.init);
        init.is_none_or(|(author, time)| time <= self.known(warp, (author >> 5) as usize))
    }

    /// Who initialised an object, if that is not ordered before what this lane does.
    pub(super) fn unordered_init(&self, key: u64, by: (usize, usize)) -> Option<Thread> {
        let (author, time) = self.phases.get(&key)?.init?;
        let other = ((author >> 5) as usize, (author & 31) as usize);
        (by != other && time > self.known_thread(by, other)).then_some(author)
    }

    /// Lanes of a warp arrive and release.
    pub(super) fn phases_arrive(&mut self, key: u64, warp: usize, lanes: u32, is_whole: bool, now: u32) {
        let warps = self.warps();
        let clock = if is_whole {
            self.telling_all(warp, now)
        } else {
            super::lanes(lanes).fold(Clock::new(warps), |mut clock, lane| {
                clock.join(&self.telling(warp, lane, now));
                clock
            })
        };
        self.phases.entry(key).or_insert_with(|| Phases::new(warps)).collecting.join(&clock);
    }

    /// A phase is complete.
    pub(super) fn phases_complete(&mut self, key: u64) {
        let warps = self.warps();
        let phases = self.phases.entry(key).or_insert_with(|| Phases::new(warps));
        let collected = std::mem::replace(&mut phases.collecting, Clock::new(warps));
        phases.released.join(&collected);
    }

    /// Lanes of a warp see that the last phase is complete.
    pub(super) fn phases_observe(&mut self, key: u64, warp: usize, lanes: u32, is_whole: bool) {
        let Some(phases) = self.phases.get_mut(&key) else { return };
        let clock = std::mem::take(&mut phases.released);
        self.learn(warp, if is_whole { u32::MAX } else { lanes }, &clock);
        if let Some(phases) = self.phases.get_mut(&key) {
            phases.released = clock;
        }
    }

    /// The column of an object's copies.
    pub(super) fn column(&mut self, key: u64) -> usize {
        let (next, warps) = (self.columns.len(), self.warps());
        let phases = self.phases.entry(key).or_insert_with(|| Phases::new(warps));
        let column = *phases.column.get_or_insert(next);
        if column == next {
            self.columns.push(Column { latest: 0, issuer: 0 });
        }
        column
    }

    /// A copy is complete: those who see the phase complete know of it.
    pub(super) fn copy_complete(&mut self, key: u64, issuer: Thread, now: u32) -> usize {
        let column = self.column(key);
        let before = std::mem::replace(&mut self.columns[column], Column { latest: now, issuer }).latest;
        for warp in 0..self.warps() {
            let copies = &mut self.copies[warp];
            if copies.len() <= column {
                copies.resize(column + 1, 0);
            }
            // Who knew all knows all but this one.
            if copies[column] >= before {
                copies[column] = now - 1;
            }
            self.update_floor(warp);
        }
        let mut told = vec![0; column + 1];
        told[column] = now;
        if let Some(phases) = self.phases.get_mut(&key) {
            join(&mut phases.collecting.copies, &told);
        }
        column
    }

    /// Whether the completion of a copy is known to a lane.
    pub(super) fn knows_copy(&self, (warp, lane): (usize, usize), column: usize, time: u32) -> bool {
        let knows = |copies: &Vec<u32>| copies.get(column).is_some_and(|known| time <= *known);
        knows(&self.copies[warp]) || self.own(warp, lane).is_some_and(|own| knows(&own.copies))
    }
}
