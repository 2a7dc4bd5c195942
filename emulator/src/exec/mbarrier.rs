//! `mbarrier` objects: counts of arrivals and of bytes, phase by phase (PTX ISA, "mbarrier").
//!
//! The 8 bytes in shared memory are opaque, so the state lies beside them, by address.

use std::collections::HashMap;

use super::{Env, Warp, observe};
use crate::fault::FaultKind;
use crate::lanes::{LANES, lanes_of};
use crate::memory::Space;

/// The most arrivals or bytes that a phase can wait for.
pub(crate) const LIMIT: i64 = (1 << 20) - 1;

/// One object.
#[derive(Clone, Copy, Debug)]
struct Mbarrier {
    /// Arrivals of each phase.
    expected: u32,
    /// Arrivals that the current phase lacks.
    pending: u32,
    /// Bytes that it lacks; below zero where they came before they were expected.
    bytes: i64,
    /// Complete phases.
    phase: u64,
}

/// The objects of a block.
#[derive(Default)]
pub(crate) struct Mbarriers {
    table: HashMap<u32, Mbarrier>,
    /// A phase is complete that waiting warps have not looked at.
    pub woken: bool,
}

impl Mbarriers {
    pub fn clear(&mut self) {
        self.table.clear();
        self.woken = false;
    }
}

/// A change of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Arrivals, after the phase expects so many bytes more.
    Arrive {
        count: u32,
        bytes: u32,
    },
    /// The same, and the later phases expect so many arrivals less.
    Drop {
        count: u32,
        bytes: u32,
    },
    /// Arrivals that may not complete the phase.
    ArriveWithin {
        count: u32,
        drop: bool,
    },
    Expect {
        bytes: u32,
    },
    Complete {
        bytes: u32,
    },
    /// One arrival more in this phase alone: `cp.async.mbarrier.arrive` without `.noinc`.
    Await,
}

/// What a wait asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The one in which this state was given.
    State(u64),
    /// The latest one of this parity.
    Parity(u32),
}

/// The state that an arrival gives: the phase, and the arrivals that it lacked before.
fn state(object: Mbarrier) -> u64 {
    object.phase << 20 | u64::from(object.pending)
}

/// `mbarrier.pending_count`.
pub(crate) fn pending(state: u64) -> u32 {
    (state & LIMIT as u64) as u32
}

impl Mbarrier {
    fn change(&mut self, change: Change) -> Result<(), String> {
        let (count, bytes, drop) = match change {
            Change::Arrive { count, bytes } => (count, i64::from(bytes), false),
            Change::Drop { count, bytes } => (count, i64::from(bytes), true),
            Change::ArriveWithin { count, drop } => (count, 0, drop),
            Change::Expect { bytes } => (0, i64::from(bytes), false),
            Change::Complete { bytes } => (0, -i64::from(bytes), false),
            Change::Await => {
                if i64::from(self.pending) == LIMIT {
                    return Err(format!("more than {LIMIT} arrivals to wait for"));
                }
                self.pending += 1;
                return Ok(());
            }
        };
        self.bytes += bytes;
        if self.bytes.abs() > LIMIT {
            return Err(format!("{} bytes to wait for; the limit is {LIMIT}", self.bytes));
        }
        if count > self.pending {
            let lacks = self.pending;
            return Err(format!("{count} arrivals where the phase lacks {lacks} of {}", self.expected));
        }
        if drop {
            self.expected -= count.min(self.expected);
        }
        self.pending -= count;
        if matches!(change, Change::ArriveWithin { .. }) && self.pending == 0 && self.bytes == 0 {
            return Err("an arrival with .noComplete completes the phase".to_owned());
        }
        Ok(())
    }

    /// Begins the next phase if this one is complete.
    fn advance(&mut self) -> bool {
        let is_complete = self.pending == 0 && self.bytes == 0;
        if is_complete {
            self.pending = self.expected;
            self.phase += 1;
        }
        is_complete
    }

    fn is_past(&self, phase: Phase) -> Result<bool, String> {
        match phase {
            Phase::Parity(parity) => Ok(self.phase & 1 != u64::from(parity)),
            Phase::State(state) => match self.phase.checked_sub(state >> 20) {
                Some(0) => Ok(false),
                Some(1) => Ok(true),
                _ => Err("a state of neither the current nor the last phase".to_owned()),
            },
        }
    }
}

fn fault(warp: &Warp, env: &mut Env<'_>, lane: usize, address: u32, what: String) {
    env.fault(warp, lane, FaultKind::Mbarrier { address: address.into(), what });
}

/// The places of the lanes' objects, those that can be used.
fn places(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    space: Space,
    addresses: &[u64; LANES],
) -> [Option<(u32, u32)>; LANES] {
    let mut places = [None; LANES];
    for lane in lanes_of(mask) {
        places[lane] = env.locate(warp, lane, (space, addresses[lane]), (8, 8));
    }
    places
}

/// Calls `f` for the lanes of each object.
fn each(places: &[Option<(u32, u32)>; LANES], mut f: impl FnMut(u32, u32, u32)) {
    let mut rest = u32::MAX;
    while rest != 0 {
        let first = places[rest.trailing_zeros() as usize];
        let lanes = lanes_of(rest).filter(|lane| places[*lane] == first).fold(0, |lanes, lane| lanes | 1 << lane);
        rest &= !lanes;
        if let Some((rank, address)) = first {
            f(rank, address, lanes);
        }
    }
}

/// `mbarrier.init`.
pub(crate) fn init(warp: &Warp, env: &mut Env<'_>, mask: u32, to: (Space, &[u64; LANES]), counts: &[u32; LANES]) {
    for lane in lanes_of(mask) {
        let Some((_, address)) = env.locate(warp, lane, (to.0, to.1[lane]), (8, 8)) else { continue };
        let count = counts[lane];
        if !(1..=LIMIT).contains(&count.into()) {
            fault(warp, env, lane, address, format!("{count} arrivals; 1 to {LIMIT} are allowed"));
            continue;
        }
        if env.mbarriers.table.contains_key(&address) {
            fault(warp, env, lane, address, "initialised again without mbarrier.inval".to_owned());
        }
        observe::mbarrier_init(warp, env, lane, address);
        env.mbarriers.table.insert(address, Mbarrier { expected: count, pending: count, bytes: 0, phase: 0 });
    }
}

/// `mbarrier.inval`.
pub(crate) fn inval(warp: &Warp, env: &mut Env<'_>, mask: u32, to: (Space, &[u64; LANES])) {
    for lane in lanes_of(mask) {
        let Some((_, address)) = env.locate(warp, lane, (to.0, to.1[lane]), (8, 8)) else { continue };
        if env.mbarriers.table.remove(&address).is_none() {
            fault(warp, env, lane, address, "no mbarrier object".to_owned());
            continue;
        }
        observe::mbarrier_inval(warp, env, lane, address);
    }
}

/// Changes the object of each lane, with release semantics if `releases`. Returns the states before.
pub(crate) fn change(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    (space, addresses): (Space, &[u64; LANES]),
    changes: &dyn Fn(usize) -> Change,
    releases: bool,
) -> [u64; LANES] {
    let places = places(warp, env, mask, space, addresses);
    let mut states = [0; LANES];
    each(&places, |rank, address, lanes| {
        env.visit(rank, |env| {
            if releases {
                observe::mbarrier_arrive(warp, env, lanes, address);
            }
            observe::mbarrier_use(warp, env, lanes, address);
            for lane in lanes_of(lanes) {
                match apply(env, address, changes(lane)) {
                    Ok(state) => states[lane] = state,
                    Err(what) => fault(warp, env, lane, address, what),
                }
            }
        });
    });
    states
}

/// Changes an object of the block in hand. Returns its state before.
pub(crate) fn apply(env: &mut Env<'_>, address: u32, change: Change) -> Result<u64, String> {
    let Some(object) = env.mbarriers.table.get_mut(&address) else { return Err("no mbarrier object".to_owned()) };
    let before = state(*object);
    object.change(change)?;
    if object.advance() {
        env.mbarriers.woken = true;
        env.cluster.progress += 1;
        observe::mbarrier_complete(env, address);
    }
    Ok(before)
}

/// Which lanes' phases are past: they acquire what was released there.
pub(crate) fn test(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    (space, addresses): (Space, &[u64; LANES]),
    phases: &dyn Fn(usize) -> Phase,
    acquires: bool,
) -> u32 {
    let places = places(warp, env, mask, space, addresses);
    let mut past = 0;
    each(&places, |rank, address, lanes| {
        env.visit(rank, |env| {
            let mut seen = 0;
            observe::mbarrier_use(warp, env, lanes, address);
            for lane in lanes_of(lanes) {
                let object = env.mbarriers.table.get(&address).ok_or("no mbarrier object".to_owned());
                match object.and_then(|object| object.is_past(phases(lane))) {
                    Ok(is_past) => seen |= u32::from(is_past) << lane,
                    // A wait that cannot succeed would never end.
                    Err(what) => {
                        fault(warp, env, lane, address, what);
                        past |= 1 << lane;
                    }
                }
            }
            if acquires && seen != 0 {
                observe::mbarrier_observe(warp, env, seen, address);
            }
            past |= seen;
        });
    });
    past
}
