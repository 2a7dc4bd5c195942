//! What is counted while a kernel runs: numbers for each instruction of its program, from which [`Counters`] are made afterwards.
//!
//! A dispatched instruction costs two or three additions in a table. Classes, pipes, flops and special functions follow from the text
//! ([`Work`]), and only what addresses decide is noted as an event.

use crate::counters::{Counters, InFlight};
use crate::lanes::{FULL, LANES};
use crate::program::{Program, Work};

/// What is noted of an instruction besides its executions.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    GlobalLoadBytes,
    GlobalLoadSectors,
    GlobalStoreBytes,
    GlobalStoreSectors,
    SharedWavefronts,
    SharedConflicts,
    LocalLoadBytes,
    LocalStoreBytes,
    AsyncBytes,
    DivergentBranches,
    Waits,
}

const EVENTS: usize = Event::Waits as usize + 1;

/// Executions of an instruction, lanes that executed it, and lanes that came to it and whose guard was false.
type Executed = [u64; 3];

/// The counts of each instruction of a program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    executed: Vec<Executed>,
    events: Vec<[u64; EVENTS]>,
    pub in_flight: InFlight,
}

impl Tally {
    pub fn new(program: &Program) -> Self {
        // Arrays of integers come zeroed from the system, page by page where they are touched.
        let count = program.insts.len();
        Self { executed: vec![[0; 3]; count], events: vec![[0; EVENTS]; count], in_flight: InFlight::default() }
    }

    /// An instruction was executed by the lanes of `mask`, of those that came to it.
    #[inline(always)]
    pub fn execute(&mut self, pc: u32, came: u32, mask: u32) {
        let executed = &mut self.executed[pc as usize];
        executed[0] += 1;
        executed[1] += lanes(mask);
        if mask != came {
            executed[2] += lanes(came & !mask);
        }
    }

    #[inline(always)]
    pub fn note(&mut self, pc: u32, events: &[(Event, u64)]) {
        let row = &mut self.events[pc as usize];
        for (event, count) in events {
            row[*event as usize] += count;
        }
    }

    /// Warp-instructions, those included that only prepare others.
    pub fn span(&self) -> u64 {
        self.executed.iter().map(|executed| executed[0]).sum()
    }

    /// Whether an instruction was executed.
    pub fn is_executed(&self, pc: usize) -> bool {
        self.executed[pc][0] != 0
    }

    /// The instructions that some lane has executed.
    pub fn executed_at(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.executed).filter(|(_, executed)| executed[1] != 0).map(|(pc, _)| pc)
    }

    /// Adds the counts of an instruction.
    pub fn add_to(&self, pc: usize, work: &Work, counters: &mut Counters) {
        let [warps, threads, off] = self.executed[pc];
        let of = |event: Event| self.events[pc][event as usize];
        if work.counts {
            counters.warp_instructions[work.class as usize] += warps;
            counters.thread_instructions[work.class as usize] += threads;
            counters.pipe_warp_instructions[work.pipe as usize] += warps;
            counters.pipe_thread_instructions[work.pipe as usize] += threads;
            counters.predicated_off += off;
            counters.special_functions += u64::from(work.special_functions) * threads;
            // All lanes of a warp execute a product, or none.
            let flops = u64::from(work.flops) * (threads / LANES as u64);
            counters.tensor_flops_by_type[work.tensor_type as usize] += flops;
            counters.tensor_flops += flops;
        }
        counters.global_load_bytes += of(Event::GlobalLoadBytes);
        counters.global_load_sectors += of(Event::GlobalLoadSectors);
        counters.global_store_bytes += of(Event::GlobalStoreBytes);
        counters.global_store_sectors += of(Event::GlobalStoreSectors);
        counters.shared_wavefronts += of(Event::SharedWavefronts);
        counters.shared_conflicts += of(Event::SharedConflicts);
        counters.local_load_bytes += of(Event::LocalLoadBytes);
        counters.local_store_bytes += of(Event::LocalStoreBytes);
        counters.async_bytes += of(Event::AsyncBytes);
        counters.divergent_branches += of(Event::DivergentBranches);
        counters.waits[work.wait as usize] += of(Event::Waits);
    }

    /// The counts of the whole program.
    pub fn total(&self, program: &Program) -> Counters {
        let mut counters = Counters { in_flight: self.in_flight, ..Counters::default() };
        for (pc, site) in program.sites.iter().enumerate().filter(|(pc, _)| self.is_executed(*pc)) {
            self.add_to(pc, &site.work, &mut counters);
        }
        counters
    }

    /// Adds what another worker, or another block, has counted.
    pub fn add(&mut self, other: Self) {
        if self.executed.is_empty() {
            *self = other;
            return;
        }
        self.in_flight += &other.in_flight;
        let rows = self.executed.iter_mut().zip(&mut self.events).zip(other.executed.iter().zip(&other.events));
        for ((executed, events), (more, more_events)) in rows.filter(|(_, (more, _))| more[0] != 0) {
            executed.iter_mut().zip(more).for_each(|(count, more)| *count += more);
            events.iter_mut().zip(more_events).for_each(|(count, more)| *count += more);
        }
    }
}

/// How many lanes a mask has. Counting bits takes a dozen instructions on the baseline of x86-64.
#[inline(always)]
fn lanes(mask: u32) -> u64 {
    match mask {
        FULL => LANES as u64,
        0 => 0,
        mask => mask.count_ones().into(),
    }
}

/// The bytes that a block's asynchronous copies have in flight, over its clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    bytes: u64,
    since: u64,
    /// The peak and the sum over time.
    pub peak: u64,
    pub area: u64,
}

impl Meter {
    /// A copy of so many bytes is issued.
    pub fn issue(&mut self, clock: u64, bytes: u64) {
        self.advance(clock);
        self.bytes += bytes;
        self.peak = self.peak.max(self.bytes);
    }

    /// It has been waited for, or has arrived.
    pub fn complete(&mut self, clock: u64, bytes: u64) {
        self.advance(clock);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The clock of one block of a cluster stops and that of another goes on.
    pub fn hand_over(&mut self, from: u64, to: u64) {
        self.advance(from);
        self.since = to;
    }

    /// Another block begins. A faulty one may have left copies behind.
    pub fn restart(&mut self) {
        (self.bytes, self.since) = (0, 0);
    }

    fn advance(&mut self, clock: u64) {
        self.area += self.bytes * clock.saturating_sub(self.since);
        self.since = clock;
    }
}
