//! What a cluster tells other clusters of the grid through global memory, and learns from them (PTX ISA, "Memory Consistency Model":
//! release and acquire patterns, whose scopes have to include each other's threads).

use std::collections::HashMap;
use std::sync::Arc;

use super::cells::Writer;
use super::clock::{Clock, Outside, join_outside};
use super::order::{Order, per_lane};
use super::{Ordering, lanes};

/// What a strong read of an address in global memory tells.
#[derive(Default)]
pub(super) struct Told {
    /// To everybody, and within the cluster with this number alone.
    wide: Outside,
    narrow: Option<(u32, Outside)>,
}

impl Order {
    /// What a thread knows, its own cluster's clock among those of the others.
    fn in_common_terms(&self, team: u32, clock: &Clock) -> Outside {
        let own = Clock { warps: clock.warps.clone(), threads: clock.threads.clone(), ..Clock::default() };
        let mut all = clock.outside.as_ref().map_or_else(Vec::new, |all| all.to_vec());
        match all.binary_search_by_key(&team, |(team, _)| *team) {
            Ok(at) => all[at].1 = Arc::new(own),
            Err(at) => all.insert(at, (team, Arc::new(own))),
        }
        Some(Arc::new(all))
    }

    /// What was told, in the words of a cluster's own clock.
    fn in_own_terms(&self, team: u32, told: &Outside, own_alone: bool) -> Option<Clock> {
        let all = told.as_ref()?;
        let own = all.binary_search_by_key(&team, |(team, _)| *team).ok().map(|at| &all[at].1);
        let mut clock = own.map_or_else(|| Clock::new(self.warps()), |own| Clock::clone(own));
        if !own_alone {
            clock.outside.clone_from(told);
        }
        Some(clock)
    }

    /// Whether an access by a thread of another cluster is ordered before the next one by a lane.
    pub(super) fn is_ordered_outside(
        &self,
        (warp, lane): (usize, usize),
        team: u32,
        (who, time): (Writer, u32),
    ) -> bool {
        let (other, by) = who.place();
        let knows = |outside: &Outside| {
            outside.as_ref().is_some_and(|all| {
                all.binary_search_by_key(&team, |(team, _)| *team).is_ok_and(|at| time <= all[at].1.of(other, by))
            })
        };
        knows(&self.outside[warp]) || self.own(warp, lane).is_some_and(|own| knows(&own.outside))
    }
}

/// What all addresses tell.
#[derive(Default)]
pub(super) struct Board {
    told: HashMap<u64, Told>,
}

impl Board {
    pub(super) fn clear(&mut self) {
        self.told.clear();
    }

    /// Lanes of a warp read an address strongly.
    pub(super) fn observe(
        &self,
        order: &mut Order,
        (team, warp, mask): (u32, usize, u32),
        address: u64,
        ordering: Ordering,
    ) {
        let Some(told) = self.told.get(&address) else { return };
        let narrow = told.narrow.as_ref().filter(|(other, _)| *other == team).map(|(_, clock)| clock);
        for (told, is_wide) in narrow.map(|told| (told, false)).into_iter().chain([(&told.wide, true)]) {
            let Some(all) = told else { continue };
            // Those who spin hear the same again and again.
            let is_known = order.heard[warp].as_ref().is_some_and(|heard| Arc::ptr_eq(heard, all));
            if is_known && ordering.acquire {
                continue;
            }
            let reaches = ordering.wide || !is_wide;
            let Some(clock) = order.in_own_terms(team, told, !reaches) else { continue };
            if ordering.acquire {
                order.learn(warp, mask, &clock);
                if mask == u32::MAX && reaches {
                    order.heard[warp].clone_from(told);
                }
                continue;
            }
            let warps = order.warps();
            let seen = per_lane(&mut order.seen[usize::from(is_wide && reaches)][warp], warps);
            lanes(mask).for_each(|lane| seen[lane].join(&clock));
            if is_wide
                && reaches
                && let Some(own) = order.in_own_terms(team, told, true)
            {
                // What was told within the cluster needs no wide fence.
                let seen = per_lane(&mut order.seen[0][warp], warps);
                lanes(mask).for_each(|lane| seen[lane].join(&own));
            }
        }
    }

    /// A thread writes to an address strongly. Only an atomic operation keeps what was told before.
    pub(super) fn publish(
        &mut self,
        order: &Order,
        (team, warp, lane): (u32, usize, usize),
        address: u64,
        (ordering, atomic): (Ordering, bool),
        now: u32,
    ) {
        let fenced = |scope: usize| order.fenced[scope][warp].as_ref().map(|fenced| &fenced[lane]);
        let tell = |clock: &Clock| order.in_common_terms(team, clock);
        let (narrow, wide) = if ordering.release {
            let told = tell(&order.telling(warp, lane, now));
            if ordering.wide { (None, told) } else { (told, None) }
        } else {
            let wide = fenced(1).filter(|_| ordering.wide).and_then(tell);
            (fenced(0).and_then(tell), wide)
        };
        if narrow.is_none() && wide.is_none() {
            if !atomic {
                self.told.remove(&address);
            }
            return;
        }
        let told = self.told.entry(address).or_default();
        if !atomic {
            *told = Told::default();
        }
        join_outside(&mut told.wide, &wide);
        if narrow.is_some() {
            match &mut told.narrow {
                Some((other, known)) if *other == team => join_outside(known, &narrow),
                other => *other = Some((team, narrow)),
            }
        }
    }
}
