//! Bulk copies (`cp.async.bulk`, `cp.reduce.async.bulk`, and both with `.tensor`).
//!
//! Copies to shared memory complete on an `mbarrier` object and are the cluster's; they arrive at the issue, at a random moment, or when
//! nothing else can go on. Copies to global memory belong to bulk groups of their thread: they read shared memory at the latest at
//! the wait with `.read`, and write at the latest at the wait without it.

use super::mbarrier::{Change, apply};
use super::{Env, Warp, observe};
use crate::config::Asynchrony;
use crate::fault::FaultKind;
use crate::lanes::{LANES, lanes_of};
use crate::memory::Space;
use crate::shadow::{Act, Issuer, Ordering, Strong};
use crate::tensor_map::{Row, TENSOR_MAP_BYTES, TensorMap};
use std::ops::Range;

/// A place in global memory that a copy reads or writes.
#[derive(Clone, Debug)]
pub(crate) enum Outside {
    /// Bytes in a row.
    Plain { address: u64 },
    /// A box of a tensor.
    Tensor { map: Box<TensorMap>, origin: [i32; 5] },
}

/// Where a copy to shared memory comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Global(Outside),
    /// The shared memory of a block of the cluster.
    Shared {
        rank: u32,
        offset: u32,
    },
    /// `st.async`: the bytes themselves.
    Value([u8; 16]),
}

/// The function that a reduction applies to the bits of the old and the new element, and their bytes.
pub(crate) type Reduction = (fn(u64, u64, u64) -> u64, u32);

/// A copy to shared memory.
pub(crate) struct Flight {
    pub issuer: Issuer,
    pub source: Source,
    /// The ranks of the blocks that get it, each at the same offset.
    pub to: Vec<u32>,
    pub offset: u32,
    /// Bytes from the first to the last that is written.
    pub size: u32,
    /// The offset of the `mbarrier` object, and what it is told.
    pub barrier: u32,
    pub bytes: u32,
    pub reduction: Option<Reduction>,
}

impl Flight {
    /// Bytes that it writes, in all blocks together.
    fn all_bytes(&self) -> u64 {
        u64::from(self.bytes) * self.to.len() as u64
    }
}

/// A copy to global memory.
pub(crate) struct Store {
    pub issuer: Issuer,
    pub offset: u32,
    pub size: u32,
    pub to: Outside,
    pub reduction: Option<Reduction>,
    /// Bytes that it writes.
    bytes: u64,
    /// The bulk group of the lane.
    group: u32,
    /// What has been read.
    data: Option<Vec<u8>>,
    is_written: bool,
    /// The thread has waited for the read.
    is_read: bool,
}

/// The copies to global memory of a warp.
#[derive(Default)]
pub(crate) struct BulkGroups {
    list: Vec<Store>,
    committed: [u32; LANES],
}

impl BulkGroups {
    pub fn clear(&mut self) {
        self.list.clear();
        self.committed = [0; LANES];
    }

    pub fn commit(&mut self, mask: u32) {
        lanes_of(mask).for_each(|lane| self.committed[lane] += 1);
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// The tensor map at a generic address, if it can be used with so many coordinates.
pub(crate) fn tensor_map(
    warp: &Warp,
    env: &mut Env<'_>,
    lane: usize,
    (space, address): (Space, u64),
    rank: Option<usize>,
) -> Option<Box<TensorMap>> {
    let (space, offset) = match space {
        Space::Generic => (Space::of(address), address.wrapping_sub(Space::of(address).window())),
        space => (space, address),
    };
    let mut bytes = [0; TENSOR_MAP_BYTES];
    let size = TENSOR_MAP_BYTES as u64;
    let refusal = match space {
        Space::Local | Space::Shared => Some(format!("a tensor map in {} memory", space.name())),
        _ if !offset.is_multiple_of(64) => Some(format!("a tensor map at {offset:#x}, not a multiple of 64")),
        _ => None,
    };
    if let Some(what) = refusal {
        env.fault(warp, lane, FaultKind::Invalid { what });
        return None;
    }
    let found = match space {
        Space::Param => {
            let params = env.context.params.get(offset as usize..).and_then(|params| params.first_chunk());
            params.map(|params| bytes = *params)
        }
        _ => env.region(offset, size).map(|region| {
            let at = (offset - region.base) as usize;
            for (step, byte) in bytes.iter_mut().enumerate() {
                // SAFETY: the region holds the 128 bytes.
                *byte = unsafe { region.place().load::<1>(at + step) } as u8;
            }
        }),
    };
    if found.is_none() {
        super::access::out_of_bounds(warp, env, lane, space, offset, size);
        return None;
    }
    let what = match TensorMap::decode(&bytes) {
        Some(map) if rank.is_none_or(|rank| rank == map.rank()) => return Some(Box::new(map)),
        Some(map) => format!("a tensor map of {} dimensions for a copy of {}", map.rank(), rank.unwrap_or(0)),
        None => format!("no tensor map at {} address {offset:#x}", space.name()),
    };
    env.fault(warp, lane, FaultKind::Invalid { what });
    None
}

/// Issues a copy to shared memory.
pub(crate) fn fly(warp: &Warp, env: &mut Env<'_>, flight: Flight) {
    let lane = flight.issuer.lane as usize;
    let range = flight.offset..flight.offset + flight.size;
    for rank in &flight.to {
        env.visit(*rank, |env| {
            observe::mbarrier_use(warp, env, 1 << lane, flight.barrier);
            observe::bulk_write_issued(warp, env, flight.issuer, range.clone());
        });
    }
    if let Source::Shared { rank, offset } = flight.source {
        let range = offset..offset + flight.size;
        env.visit(rank, |env| observe::bulk_read_issued(warp, env, flight.issuer, range));
    }
    if let Source::Global(outside) = &flight.source
        && check(warp, env, lane, outside, flight.size, Act::Load).is_none()
    {
        return;
    }
    observe::issued(env, flight.all_bytes());
    let is_now = match env.context.config.asynchrony {
        Asynchrony::Eager => true,
        Asynchrony::Late => false,
        Asynchrony::Random => env.random.one_in(2),
    };
    if is_now {
        land(env, flight);
    } else {
        env.cluster.flights.push(flight);
    }
}

/// Lets one copy of those in flight arrive. False if there is none.
pub(crate) fn land_one(env: &mut Env<'_>) -> bool {
    if env.cluster.flights.is_empty() {
        return false;
    }
    // Copies overtake one another.
    let at = env.random.below(env.cluster.flights.len() as u32);
    let flight = env.cluster.flights.swap_remove(at as usize);
    land(env, flight);
    true
}

fn land(env: &mut Env<'_>, flight: Flight) {
    (env.cluster.polls, env.cluster.arrived) = (0, env.clock);
    observe::completed(env, flight.all_bytes());
    let Flight { issuer, source, to, offset, size, barrier, bytes, reduction } = flight;
    let (from, until) = (offset as usize, (offset + size) as usize);
    let data = match &source {
        Source::Shared { rank, offset } => {
            let range = *offset..*offset + size;
            env.visit(*rank, |env| {
                observe::bulk_read_completed(env, issuer, range.clone());
                env.shared[range.start as usize..range.end as usize].to_vec()
            })
        }
        Source::Value(value) => value[..size as usize].to_vec(),
        Source::Global(outside) => {
            // Bytes between the rows of a box stay what they are.
            let mut data = env.visit(to[0], |env| env.shared[from..until].to_vec());
            fetch(env, outside, offset, &mut data);
            data
        }
    };
    for rank in to {
        if env.cluster.parts[rank as usize].exited {
            let what = format!("a copy to block {rank} of the cluster arrives after the block has exited");
            env.fault_of(issuer, FaultKind::Invalid { what });
            continue;
        }
        env.visit(rank, |env| {
            match reduction {
                Some((f, width)) => {
                    let width = width as usize;
                    let elements = env.shared[from..until].chunks_exact_mut(width).zip(data.chunks_exact(width));
                    for (old, new) in elements {
                        let value = f(bits(old), bits(new), 0);
                        old.copy_from_slice(&value.to_le_bytes()[..width]);
                    }
                }
                None => env.shared[from..until].copy_from_slice(&data),
            }
            observe::bulk_write_completed(env, issuer, offset..offset + size, barrier);
            if let Err(what) = apply(env, barrier, Change::Complete { bytes }) {
                env.fault_of(issuer, FaultKind::Mbarrier { address: barrier.into(), what });
            }
        });
    }
}

/// Issues a copy of shared memory to global memory.
pub(crate) fn store(
    warp: &mut Warp,
    env: &mut Env<'_>,
    issuer: Issuer,
    (offset, size): (u32, u32),
    to: Outside,
    reduction: Option<Reduction>,
) {
    let lane = issuer.lane as usize;
    const RELAXED: Ordering = Ordering { acquire: false, release: false, wide: true };
    let act = if reduction.is_some() { Act::Strong(Strong::Atomic, RELAXED) } else { Act::Store(&|_, _| false) };
    let Some(bytes) = check(warp, env, lane, &to, size, act) else { return };
    observe::issued(env, bytes);
    observe::bulk_read_issued(warp, env, issuer, offset..offset + size);
    let group = warp.bulk.committed[lane];
    let mut store =
        Store { issuer, offset, size, to, reduction, bytes, group, data: None, is_written: false, is_read: false };
    let is_now = match env.context.config.asynchrony {
        Asynchrony::Eager => true,
        Asynchrony::Late => false,
        Asynchrony::Random => env.random.one_in(2),
    };
    if is_now {
        write(env, &mut store);
    }
    warp.bulk.list.push(store);
}

/// `cp.async.bulk.wait_group`: all but the `newest` latest groups of each lane are complete, or with `.read` have been read.
pub(crate) fn wait(warp: &mut Warp, env: &mut Env<'_>, mask: u32, newest: u32, reads_alone: bool) {
    observe::waited(env);
    let committed = warp.bulk.committed;
    let mut list = std::mem::take(&mut warp.bulk.list);
    for store in &mut list {
        let lane = store.issuer.lane as usize;
        if mask >> lane & 1 == 0 || store.group.saturating_add(newest) >= committed[lane] {
            continue;
        }
        finish(env, store, reads_alone);
    }
    list.retain(|store| !(store.is_read && store.is_written));
    warp.bulk.list = list;
}

/// Threads exit. What they have not waited for would be read from memory that may be somebody else's.
pub(crate) fn exit(warp: &mut Warp, env: &mut Env<'_>, mask: u32) {
    let mut list = std::mem::take(&mut warp.bulk.list);
    for store in list.iter_mut().filter(|store| mask >> store.issuer.lane & 1 == 1) {
        if !store.is_read {
            in_flight(warp, env, mask, store.issuer, store.offset);
        }
        finish(env, store, false);
    }
    list.retain(|store| mask >> store.issuer.lane & 1 == 0);
    warp.bulk.list = list;
}

/// The block's last thread exits: no copy may be on its way to it any more, or from it.
pub(crate) fn exit_block(warp: &Warp, env: &mut Env<'_>, mask: u32) {
    let flights = std::mem::take(&mut env.cluster.flights);
    let rank = env.rank;
    for mut flight in flights {
        let is_source = matches!(flight.source, Source::Shared { rank: from, .. } if from == rank);
        if is_source || flight.to.contains(&rank) {
            in_flight(warp, env, mask, flight.issuer, flight.offset);
        }
        flight.to.retain(|to| *to != rank);
        if !is_source && !flight.to.is_empty() {
            env.cluster.flights.push(flight);
        }
    }
}

/// Lanes exit while a copy is in flight.
fn in_flight(warp: &Warp, env: &mut Env<'_>, lanes: u32, issuer: Issuer, offset: u32) {
    let copy = Box::new(env.access(issuer.party, issuer.lane, issuer.pc));
    env.fault(warp, lanes.trailing_zeros() as usize % LANES, FaultKind::InFlight { address: offset.into(), copy });
}

/// Lets some copies to global memory happen at a random moment.
pub(crate) fn drift(warp: &mut Warp, env: &mut Env<'_>) {
    for store in &mut warp.bulk.list {
        if !store.is_written && env.random.one_in(4) {
            if env.random.one_in(2) { read(env, store) } else { write(env, store) }
        }
    }
}

fn finish(env: &mut Env<'_>, store: &mut Store, reads_alone: bool) {
    read(env, store);
    if !store.is_read {
        observe::bulk_read_completed(env, store.issuer, store.offset..store.offset + store.size);
        store.is_read = true;
    }
    if !reads_alone {
        write(env, store);
    }
    if store.is_written {
        observe::completed(env, store.bytes);
    }
}

fn read(env: &Env<'_>, store: &mut Store) {
    if store.data.is_none() {
        store.data = Some(env.shared[store.offset as usize..(store.offset + store.size) as usize].to_vec());
    }
}

fn write(env: &mut Env<'_>, store: &mut Store) {
    read(env, store);
    if let Some(data) = store.data.as_mut().filter(|_| !store.is_written) {
        put(env, &store.to, (store.offset, data), store.reduction);
        store.is_written = true;
    }
}

/// The rows of a copy.
fn rows(outside: &Outside, size: u32) -> Vec<Row> {
    match outside {
        Outside::Plain { address } => vec![Row { shared: 0, bytes: size, inside: 0..size, global: *address }],
        Outside::Tensor { map, origin } => map.rows(*origin).collect(),
    }
}

/// How many bytes of global memory a copy accesses, if all of them exist; else that is reported. Counts the traffic. For the
/// detector, the accesses are the issuing thread's at the issue.
fn check(warp: &Warp, env: &mut Env<'_>, lane: usize, outside: &Outside, size: u32, act: Act<'_>) -> Option<u64> {
    let mut all = 0;
    // Rows that follow one another are one for the detector.
    let mut range = 0..0;
    for row in rows(outside, size) {
        let bytes = u64::from(row.inside.end - row.inside.start);
        if bytes == 0 {
            continue;
        }
        match env.region(row.global, bytes) {
            None => super::access::out_of_bounds(warp, env, lane, Space::Global, row.global, bytes),
            Some(region) if act.writes() && region.read_only => {
                env.fault(warp, lane, FaultKind::ReadOnly { address: row.global });
            }
            Some(_) => {
                let sectors = (row.global + bytes - 1) / 32 - row.global / 32 + 1;
                observe::bulk_global(env, bytes, sectors, act.writes());
                if range.end != row.global {
                    detect(warp, env, lane, range.clone(), act);
                    range.start = row.global;
                }
                range.end = row.global + bytes;
                all += bytes;
                continue;
            }
        }
        return None;
    }
    detect(warp, env, lane, range, act);
    Some(all)
}

fn detect(warp: &Warp, env: &mut Env<'_>, lane: usize, range: Range<u64>, act: Act<'_>) {
    if let Some(region) = (!range.is_empty()).then(|| env.region(range.start, range.end - range.start)).flatten() {
        observe::global_range(warp, env, &region, (lane, range), act);
    }
}

/// Reads global memory into the image of a copy's part of shared memory, which starts at `offset`.
fn fetch(env: &mut Env<'_>, outside: &Outside, offset: u32, image: &mut [u8]) {
    let mut line = Vec::new();
    for row in rows(outside, image.len() as u32) {
        line.clear();
        line.resize(row.bytes as usize, 0);
        if let Outside::Tensor { map, .. } = outside
            && map.filler() != 0
        {
            let width = map.element.bytes() as usize;
            line.chunks_exact_mut(width).for_each(|to| to.copy_from_slice(&map.filler().to_le_bytes()[..width]));
        }
        let inside = &mut line[row.inside.start as usize..row.inside.end as usize];
        if !inside.is_empty()
            && let Some(region) = env.region(row.global, inside.len() as u64)
        {
            let start = (row.global - region.base) as usize;
            let place = region.place();
            // SAFETY: the region holds the bytes, and starts at a multiple of 8, so a multiple of 8 in it is one in memory.
            unsafe {
                if start.is_multiple_of(8) && inside.len().is_multiple_of(8) {
                    for (at, word) in inside.chunks_exact_mut(8).enumerate() {
                        word.copy_from_slice(&place.load::<8>(start + 8 * at).to_le_bytes());
                    }
                } else {
                    inside.iter_mut().enumerate().for_each(|(at, byte)| *byte = place.load::<1>(start + at) as u8);
                }
            }
        }
        for (at, chunk) in line.chunks(16).enumerate() {
            let to = position(outside, offset, row.shared + 16 * at as u32);
            image[to..to + chunk.len()].copy_from_slice(chunk);
        }
    }
}

/// Writes the image of a part of shared memory to global memory.
fn put(env: &mut Env<'_>, outside: &Outside, (offset, image): (u32, &[u8]), reduction: Option<Reduction>) {
    for row in rows(outside, image.len() as u32) {
        let mut line = Vec::with_capacity(row.bytes as usize);
        for at in (0..row.bytes).step_by(16) {
            let from = position(outside, offset, row.shared + at);
            line.extend_from_slice(&image[from..from + 16.min(row.bytes - at) as usize]);
        }
        let inside = &line[row.inside.start as usize..row.inside.end as usize];
        let Some(region) = (!inside.is_empty()).then(|| env.region(row.global, inside.len() as u64)).flatten() else {
            continue;
        };
        let (start, place) = ((row.global - region.base) as usize, region.place());
        let width = reduction.map_or(1, |(_, width)| width as usize);
        for (at, element) in inside.chunks_exact(width).enumerate() {
            let (at, new) = (start + at * width, bits(element));
            // SAFETY: the region holds the row; elements of a reduction start at multiples of their size, as addresses,
            // strides and coordinates of a tensor do, and plain copies at multiples of 16.
            unsafe {
                match reduction {
                    None => place.store::<1>(at, new),
                    Some((f, 2)) => drop(place.update::<2>(at, |old| f(old, new, 0))),
                    Some((f, 4)) => drop(place.update::<4>(at, |old| f(old, new, 0))),
                    Some((f, _)) => drop(place.update::<8>(at, |old| f(old, new, 0))),
                }
            }
        }
    }
}

/// Where in the image of a copy's part of shared memory a chunk lies.
fn position(outside: &Outside, offset: u32, chunk: u32) -> usize {
    match outside {
        Outside::Plain { .. } => chunk as usize,
        Outside::Tensor { map, .. } => (map.swizzle.apply(offset + chunk) - offset) as usize,
    }
}

fn bits(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}
