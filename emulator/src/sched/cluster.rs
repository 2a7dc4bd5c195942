//! The blocks of a cluster in motion, which take turns on one worker, and what happens when none of them can go on. A launch without
//! clusters has clusters of one block.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Block, Progress};
use crate::config::Schedule;
use crate::counters::InFlight;
use crate::exec::{Context, Wait, bulk, copies};
use crate::executed::EXECUTED;
use crate::lanes::lanes_of;
use crate::shadow::World;
use crate::tally::Tally;

/// About how many instructions of one block come before those of another one.
const TURN: u32 = 256;

/// How often in a row waits may end in vain (`mbarrier.try_wait` has a time limit) before it counts as a deadlock: where blocks can
/// only be helped by their own cluster, and elsewhere.
const PATIENCE: [u32; 2] = [16, 1 << 12];

/// A cluster. The block that runs holds what they share.
pub(crate) struct Cluster<'a> {
    pub blocks: Vec<Block<'a>>,
    holder: usize,
    is_done: Vec<bool>,
    /// Waits that ended in vain, and what progress had been made before.
    timeouts: u32,
    progress: u64,
}

impl<'a> Cluster<'a> {
    /// A cluster of the launch, not started yet. Those of a worker share what the detector knows of global memory.
    pub fn new(context: &'a Context<'a>, world: &Option<Rc<RefCell<World>>>) -> Self {
        let count: u32 = context.cluster.iter().product();
        let mut blocks: Vec<_> = (0..count).map(|rank| Block::new(context, rank, world.clone())).collect();
        if let Some((first, others)) = blocks.split_first_mut() {
            for block in others {
                let rank = block.env.rank;
                block.env.put_away(&mut first.env.cluster.parts[rank as usize]);
            }
        }
        Self { blocks, holder: 0, is_done: vec![false; count as usize], timeouts: 0, progress: 0 }
    }

    /// Starts its blocks as the cluster with this number. `number` tells of a block's `blockIdx` its number in the grid.
    pub fn restart(&mut self, cluster: u64, number: &dyn Fn([u32; 3]) -> u64) {
        let first = self.blocks[0].env.context.first_block(cluster);
        if let Some(world) = &self.blocks[0].env.world {
            world.borrow_mut().restart();
        }
        for rank in 0..self.blocks.len() {
            self.hand_over(rank);
            let block = &mut self.blocks[rank];
            let local = crate::exec::local(rank as u32, block.env.context.cluster);
            let index = std::array::from_fn(|axis| first[axis] + local[axis]);
            block.restart(index, number(index), cluster.min(1 << 30) as u32);
        }
        let shared = &mut self.blocks[self.holder].env.cluster;
        shared.restart();
        let context = self.blocks[0].env.context;
        let threads: u32 = context.block.iter().product();
        self.blocks[self.holder].env.cluster.barrier.live = threads * self.blocks.len() as u32;
        self.is_done.fill(false);
        (self.timeouts, self.progress) = (0, 0);
    }

    /// Warp-instructions that its blocks have executed.
    pub fn clock(&self) -> u64 {
        self.blocks.iter().map(|block| block.env.clock).sum()
    }

    /// What its blocks have counted.
    pub fn take_tally(&mut self) -> Tally {
        let mut tally = Tally::default();
        self.blocks.iter_mut().for_each(|block| tally.add(std::mem::take(&mut block.env.tally)));
        let env = &self.blocks[self.holder].env;
        tally.executed_at().for_each(|pc| env.context.program.executed.note(pc, EXECUTED));
        let meter = &env.cluster.meter;
        tally.in_flight = InFlight { peak: meter.peak, area: meter.area, span: tally.span() };
        tally
    }

    /// The block that ran last.
    pub fn last(&mut self) -> &mut Block<'a> {
        &mut self.blocks[self.holder]
    }

    /// What the blocks share goes to the one with this rank.
    fn hand_over(&mut self, rank: usize) {
        if rank == self.holder {
            return;
        }
        let from = &mut self.blocks[self.holder].env;
        let mut shared = std::mem::take(&mut from.cluster);
        let stopped = from.clock;
        from.put_away(&mut shared.parts[self.holder]);
        let to = &mut self.blocks[rank].env;
        shared.meter.hand_over(stopped, to.clock);
        to.put_away(&mut shared.parts[rank]);
        if let (Some(from), Some(to)) = (&mut shared.parts[self.holder].shadow, &mut to.shadow) {
            from.hand_over(to);
        }
        to.cluster = shared;
        self.holder = rank;
    }

    /// Runs about `budget` warp-instructions.
    pub fn run(&mut self, budget: u64) -> Progress {
        let end = self.clock() + budget;
        let blocks = self.blocks.len();
        while self.clock() < end {
            let mut is_stalled = true;
            for turn in 0..blocks {
                let env = &mut self.blocks[self.holder].env;
                let (rank, turn) = match env.context.config.schedule {
                    _ if blocks == 1 => (0, budget),
                    Schedule::RoundRobin => (turn, TURN.into()),
                    _ => (env.random.below(blocks as u32) as usize, 1 + u64::from(env.random.below(2 * TURN))),
                };
                if self.is_done[rank] {
                    continue;
                }
                self.hand_over(rank);
                let before = self.blocks[rank].env.clock;
                let progress = self.blocks[rank].run(turn);
                is_stalled &= self.blocks[rank].env.clock == before;
                match progress {
                    Progress::Running | Progress::Stalled => {}
                    Progress::Done => {
                        self.is_done[rank] = true;
                        is_stalled = false;
                    }
                    Progress::Aborted => return Progress::Aborted,
                }
            }
            if self.is_done.iter().all(|done| *done) {
                return Progress::Done;
            }
            // A random choice may have missed the one that can go on.
            if is_stalled && !self.any_ready() {
                match self.unblock() {
                    Progress::Running => {}
                    other => return other,
                }
            }
        }
        Progress::Running
    }

    fn any_ready(&mut self) -> bool {
        (0..self.blocks.len()).any(|rank| {
            !self.is_done[rank] && {
                self.hand_over(rank);
                self.blocks[rank].wake_phases();
                self.blocks[rank].ready != 0
            }
        })
    }

    fn alive(&self) -> impl Iterator<Item = usize> + use<> {
        let done = self.is_done.clone();
        (0..done.len()).filter(move |rank| !done[*rank])
    }

    /// Nobody can go on: copies arrive, else waits with a time limit end, else lanes that others wait for are given up, else it is a
    /// deadlock.
    fn unblock(&mut self) -> Progress {
        let env = &mut self.blocks[self.holder].env;
        if bulk::land_one(env) {
            return Progress::Running;
        }
        let communicates = env.context.program.communicates;
        for rank in self.alive() {
            self.hand_over(rank);
            let block = &mut self.blocks[rank];
            if block.warps.iter_mut().any(|warp| copies::complete_all(warp, &mut block.env)) {
                return Progress::Running;
            }
        }
        let progress = self.blocks[self.holder].env.cluster.progress;
        if progress != self.progress {
            (self.timeouts, self.progress) = (0, progress);
        }
        self.timeouts += 1;
        if self.timeouts <= PATIENCE[usize::from(communicates)] {
            let mut waits = false;
            for rank in self.alive() {
                waits |= self.blocks[rank].time_out();
            }
            if waits {
                return Progress::Running;
            }
        }
        for rank in self.alive() {
            self.hand_over(rank);
            if self.blocks[rank].settle_any() {
                return Progress::Running;
            }
        }
        for rank in self.alive() {
            self.hand_over(rank);
            self.blocks[rank].deadlock();
        }
        Progress::Aborted
    }
}

impl Block<'_> {
    /// Warps that wait for what has happened look again.
    pub(super) fn wake_phases(&mut self) {
        if std::mem::take(&mut self.env.mbarriers.woken) {
            self.wake_all(Wait::Mbarrier);
        }
        let phase = self.env.cluster.barrier.phase;
        if self.phase != phase {
            self.phase = phase;
            self.wake_all(Wait::Cluster);
        }
    }

    fn wake_all(&mut self, what: Wait) {
        for index in lanes_of(self.alive) {
            if self.warps[index].wake(what) {
                self.ready |= 1 << index;
            }
        }
    }

    /// Waits for phases of `mbarrier` objects end in vain. False if there is none.
    fn time_out(&mut self) -> bool {
        let mut waits = false;
        for index in lanes_of(self.alive) {
            let warp = &mut self.warps[index];
            for group in warp.groups.iter_mut().filter(|group| group.wait == Wait::Mbarrier) {
                group.forced = true;
            }
            if warp.wake(Wait::Mbarrier) {
                self.ready |= 1 << index;
                waits = true;
            }
        }
        waits
    }

    /// Copies that are due by now, since somebody polls or since time has passed.
    pub(super) fn hurry(&mut self) {
        /// Polls in vain, and instructions, after which a copy arrives.
        const POLLS: u32 = 256;
        const AGE: u64 = 1 << 15;
        let env = &mut self.env;
        if env.cluster.polls > POLLS || env.clock - env.cluster.arrived.min(env.clock) > AGE {
            (env.cluster.polls, env.cluster.arrived) = (0, env.clock);
            if !bulk::land_one(env) {
                for warp in &mut self.warps {
                    copies::complete_all(warp, env);
                }
            }
        }
    }
}
