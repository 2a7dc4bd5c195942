//! The barriers of a block (`bar`, `barrier`).

use super::{Block, Step, convergence};
use crate::exec::{Wait, observe};
use crate::fault::FaultKind;
use crate::lanes::{LANES, Slot, lanes_of};
use crate::program::{Barrier, BarrierAction, Members, Op};

/// Named barriers of a block.
pub(super) const BARRIERS: usize = 16;

/// Arrivals at one barrier.
#[derive(Clone, Copy, Default)]
pub(super) struct Arrivals {
    /// Threads, counted by whole warps.
    threads: u32,
    /// Threads that the barrier waits for; 0 for all of the block.
    expected: u32,
    /// Warps that have arrived, and those of them that wait.
    arrived: u32,
    waiting: u32,
    /// The arrivals are those of `.red`.
    reduces: bool,
    /// Threads of `.red` that gave true, and all that took part.
    votes: u32,
    voters: u32,
}

impl Block<'_> {
    /// A warp comes to a barrier of the block.
    pub(super) fn barrier(&mut self, index: u32, barrier: &Barrier, mask: u32) -> Step {
        let warp = &mut self.warps[index as usize];
        let pc = self.env.pc;
        if mask == 0 {
            warp.go_to(pc + 1);
            return Step::Done;
        }
        if !convergence::together(warp, &mut self.env, Members::All, mask) {
            return Step::Waits;
        }
        let lane = mask.trailing_zeros() as usize;
        let ids = barrier.id.load(warp);
        let counts = barrier.threads.map_or([0; LANES], |threads| threads.load(warp));
        let (id, count) = (ids[lane] as usize, counts[lane]);
        let differs = lanes_of(mask).any(|other| (ids[other], counts[other]) != (ids[lane], count));
        // All threads by number are all threads.
        let threads = if count == self.warps.len() as u32 * LANES as u32 { 0 } else { count };
        let refusal = if differs {
            Some("lanes of one warp give different barriers or numbers of threads".to_owned())
        } else if barrier.action == BarrierAction::Arrive && count == 0 {
            Some(format!("barrier {id}, whose arrival needs a number of threads"))
        } else {
            self.refusal(id, threads, barrier, index)
        };
        if let Some(what) = refusal {
            let warp = &self.warps[index as usize];
            self.env.fault(warp, lane, FaultKind::Invalid { what });
            return Step::Abort;
        }
        let warp = &mut self.warps[index as usize];
        observe::barrier_arrive(warp, &mut self.env, id);
        let arrivals = &mut self.barriers[id];
        arrivals.threads += LANES as u32;
        arrivals.expected = threads;
        arrivals.arrived |= 1 << index;
        arrivals.reduces = barrier.action.reduces();
        match barrier.action {
            BarrierAction::Arrive => warp.go_to(pc + 1),
            BarrierAction::Sync => warp.wait(Wait::Barrier(id as u8)),
            BarrierAction::Count(_, vote) | BarrierAction::And(_, vote) | BarrierAction::Or(_, vote) => {
                arrivals.votes += (warp.preds[vote.0 as usize] & mask).count_ones();
                arrivals.voters += mask.count_ones();
                warp.wait(Wait::Barrier(id as u8));
            }
        }
        if barrier.action != BarrierAction::Arrive {
            arrivals.waiting |= 1 << index;
            observe::waited(&mut self.env);
        }
        self.complete(id);
        Step::Done
    }

    /// Why a warp may not come to a barrier in this way.
    fn refusal(&self, id: usize, threads: u32, barrier: &Barrier, index: u32) -> Option<String> {
        let Some(arrivals) = self.barriers.get(id) else {
            return Some(format!("barrier {id}; a block has {BARRIERS}"));
        };
        if !threads.is_multiple_of(LANES as u32) {
            return Some(format!("barrier {id} for {threads} threads, which is not a multiple of {LANES}"));
        }
        if arrivals.arrived >> index & 1 != 0 {
            return Some(format!("barrier {id}, where the warp has arrived already and others are missing"));
        }
        if arrivals.threads != 0 && arrivals.reduces != barrier.action.reduces() {
            return Some(format!("barrier {id} with a reduction by some warps only"));
        }
        if arrivals.threads != 0 && arrivals.expected != threads {
            let words = |threads| if threads == 0 { "all".to_owned() } else { format!("{threads}") };
            return Some(format!(
                "barrier {id} for {} threads, while others wait there for {}",
                words(threads),
                words(arrivals.expected)
            ));
        }
        None
    }

    /// Who has come to a barrier, in words.
    pub(super) fn arrivals(&self, id: usize) -> String {
        let Arrivals { threads, expected, .. } = self.barriers[id];
        let all = self.alive.count_ones() * LANES as u32;
        format!("where {threads} of {} threads are", if expected == 0 { all } else { expected })
    }

    /// Releases a barrier that has all its threads. One for all threads waits for warps that have not exited.
    pub(super) fn complete(&mut self, id: usize) {
        let arrivals = self.barriers[id];
        let lacks = match arrivals.expected {
            0 => self.alive & !arrivals.arrived != 0,
            expected => arrivals.threads < expected,
        };
        if arrivals.threads == 0 || lacks {
            return;
        }
        self.barriers[id] = Arrivals::default();
        self.env.cluster.progress += 1;
        observe::barrier_complete(&mut self.env, id, arrivals.waiting);
        for index in lanes_of(arrivals.waiting) {
            self.deliver(index, id as u8, arrivals);
            self.warps[index].release(id as u8);
            self.ready |= 1 << index;
        }
    }

    /// Gives the groups of a warp that wait at a `.red` barrier its result.
    fn deliver(&mut self, index: usize, id: u8, arrivals: Arrivals) {
        let warp = &mut self.warps[index];
        for group in warp.groups.clone() {
            let inst = &self.env.context.program.insts[group.pc as usize];
            let (Wait::Barrier(waits), Op::Barrier(barrier)) = (group.wait, &inst.op) else { continue };
            if waits != id {
                continue;
            }
            match barrier.action {
                BarrierAction::Count(to, _) => to.store(warp, group.mask, [arrivals.votes; LANES]),
                BarrierAction::And(to, _) => to.store(warp, group.mask, [arrivals.votes == arrivals.voters; LANES]),
                BarrierAction::Or(to, _) => to.store(warp, group.mask, [arrivals.votes != 0; LANES]),
                BarrierAction::Sync | BarrierAction::Arrive => {}
            }
        }
    }
}
