//! What somebody knows of everybody's accesses.

use std::sync::Arc;

/// A thread's number in its cluster: 32 times its warp, and its lane.
pub(super) type Thread = u32;

pub(super) fn thread(warp: usize, lane: usize) -> Thread {
    (warp * 32 + lane) as Thread
}

/// What is known of other clusters of the grid, by their numbers, in ascending order. Shared as long as nobody learns more.
pub(super) type Outside = Option<Arc<Vec<(u32, Arc<Clock>)>>>;

/// Up to when somebody can tell of accesses. Times are numbers of accesses; one is ordered if its time is at most the one known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// Of all threads of each warp.
    pub(super) warps: Vec<u32>,
    /// Of single threads, later than of all of their warp; in ascending order.
    pub(super) threads: Vec<(Thread, u32)>,
    /// For each column of bulk copies, of their completions; what is missing counts as 0.
    pub(super) copies: Vec<u32>,
    /// Up to when the accesses of each warp have been made visible to the asynchronous proxy by a fence on the way here;
    /// likewise.
    pub(super) proxied: Vec<u32>,
    /// Of the threads of other clusters, by clocks of theirs. One of the own cluster may be among them, and is worth nothing.
    pub(super) outside: Outside,
}

/// Takes the later of each pair of times.
pub(super) fn join(into: &mut Vec<u32>, from: &[u32]) {
    if into.len() < from.len() {
        into.resize(from.len(), 0);
    }
    for (into, from) in into.iter_mut().zip(from) {
        *into = (*into).max(*from);
    }
}

/// Whether everything in the second list is in the first.
fn covers(all: &[(u32, Arc<Clock>)], some: &[(u32, Arc<Clock>)]) -> bool {
    let mut rest = all.iter();
    some.iter().all(|(team, clock)| {
        rest.find(|(other, _)| other >= team)
            .is_some_and(|(other, known)| other == team && (Arc::ptr_eq(known, clock) || known.covers(clock)))
    })
}

/// Adds what is known of other clusters.
pub(super) fn join_outside(into: &mut Outside, from: &Outside) {
    let Some(new) = from else { return };
    let Some(old) = into else {
        into.clone_from(from);
        return;
    };
    if Arc::ptr_eq(old, new) || covers(old, new) {
        return;
    }
    if covers(new, old) {
        into.clone_from(from);
        return;
    }
    let mut joined = Vec::with_capacity(old.len() + new.len());
    let (mut ours, mut theirs) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let next = match (ours.peek(), theirs.peek()) {
            (Some(a), Some(b)) if a.0 == b.0 => {
                let (team, mut clock) = (a.0, a.1.clone());
                if !Arc::ptr_eq(&clock, &b.1) {
                    Arc::make_mut(&mut clock).join(&b.1);
                }
                ours.next();
                theirs.next();
                joined.push((team, clock));
                continue;
            }
            (Some(a), Some(b)) => {
                if a.0 < b.0 {
                    ours.next()
                } else {
                    theirs.next()
                }
            }
            (Some(_), None) => ours.next(),
            (None, _) => theirs.next(),
        };
        let Some(next) = next else { break };
        joined.push(next.clone());
    }
    *into = Some(Arc::new(joined));
}

impl Clock {
    /// Whether it tells of all threads what another one does. Of copies and proxies nothing is asked.
    fn covers(&self, other: &Self) -> bool {
        let of = |warp: usize| self.warps.get(warp).copied().unwrap_or(0);
        other.warps.iter().enumerate().all(|(warp, time)| *time <= of(warp))
            && other.threads.iter().all(|(thread, time)| *time <= self.of(*thread as usize / 32, *thread as usize % 32))
    }

    pub(super) fn new(warps: usize) -> Self {
        Self { warps: vec![0; warps], ..Self::default() }
    }

    /// Adds what another can tell.
    pub(super) fn join(&mut self, other: &Self) {
        for (into, from) in self.warps.iter_mut().zip(&other.warps) {
            *into = (*into).max(*from);
        }
        join(&mut self.copies, &other.copies);
        join(&mut self.proxied, &other.proxied);
        join_outside(&mut self.outside, &other.outside);
        for (thread, time) in &other.threads {
            self.tell(*thread, *time);
        }
        self.tidy();
    }

    pub(super) fn tell(&mut self, thread: Thread, time: u32) {
        match self.threads.binary_search_by_key(&thread, |(thread, _)| *thread) {
            Ok(at) => self.threads[at].1 = self.threads[at].1.max(time),
            Err(at) => self.threads.insert(at, (thread, time)),
        }
    }

    /// Threads that make a whole warp are told of as one.
    pub(super) fn tidy(&mut self) {
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
        self.threads.retain(|(thread, time)| *time > warps[*thread as usize / 32]);
    }

    /// Up to when it tells of a thread.
    pub(super) fn of(&self, warp: usize, lane: usize) -> u32 {
        self.of_thread(warp, lane).max(self.warps[warp])
    }

    /// Up to when it tells of a thread by itself, beyond its warp.
    pub(super) fn of_thread(&self, warp: usize, lane: usize) -> u32 {
        let at = self.threads.binary_search_by_key(&thread(warp, lane), |(thread, _)| *thread);
        at.map_or(0, |at| self.threads[at].1)
    }
}
