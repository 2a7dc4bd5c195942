//! Waits for phases: of `mbarrier` objects, and of the cluster's barrier.

use super::{Block, Step, convergence};
use crate::exec::{Wait, mbarrier, observe};
use crate::fault::FaultKind;
use crate::lanes::{Slot, lanes_of};
use crate::program::{MbarrierWait, Members, WaitFor};

impl Block<'_> {
    /// `mbarrier.test_wait` and `mbarrier.try_wait`. The latter waits until some lane's phase is complete, or its time is over.
    pub(super) fn mbarrier_wait(&mut self, index: u32, wait: &MbarrierWait, mask: u32) -> Step {
        let warp = &mut self.warps[index as usize];
        let pc = self.env.pc;
        if mask != 0 {
            let addresses = wait.address.lanes(warp);
            let (states, parities) = match wait.phase {
                WaitFor::State(state) => (state.load(warp), [0; 32]),
                WaitFor::Parity(parity) => ([0; 32], parity.load(warp)),
            };
            let phase = |lane: usize| match wait.phase {
                WaitFor::State(_) => mbarrier::Phase::State(states[lane]),
                WaitFor::Parity(_) => mbarrier::Phase::Parity(parities[lane] & 1),
            };
            let place = (wait.space, &addresses);
            let past = mbarrier::test(warp, &mut self.env, mask, place, &phase, wait.acquires);
            let is_over = std::mem::take(&mut warp.groups[warp.current].forced);
            if wait.waits && past == 0 && !is_over {
                warp.wait(Wait::Mbarrier);
                return Step::Waits;
            }
            self.env.cluster.polls += u32::from(past != mask);
            if past != 0 {
                observe::waited(&mut self.env);
            }
            wait.result.store(warp, mask, std::array::from_fn(|lane| past >> lane & 1 == 1));
        }
        warp.go_to(pc + 1);
        Step::Done
    }

    /// `barrier.cluster.arrive`.
    pub(super) fn cluster_arrive(&mut self, index: u32, (releases, aligned): (bool, bool), mask: u32) -> Step {
        let warp = &mut self.warps[index as usize];
        let pc = self.env.pc;
        if aligned && mask != 0 && !convergence::together(warp, &mut self.env, Members::All, mask) {
            return Step::Waits;
        }
        let twice = mask & warp.cluster_arrived;
        if twice != 0 {
            let what = "a second arrival at the cluster's barrier without a wait between the two".to_owned();
            self.env.fault(warp, twice.trailing_zeros() as usize, FaultKind::Invalid { what });
            return Step::Abort;
        }
        if mask != 0 {
            if releases {
                observe::cluster_arrive(warp, &mut self.env, mask);
            }
            warp.cluster_arrived |= mask;
            let barrier = &mut self.env.cluster.barrier;
            lanes_of(mask).for_each(|lane| warp.cluster_phase[lane] = barrier.phase);
            barrier.arrived += mask.count_ones();
            self.settle_cluster();
        }
        self.warps[index as usize].go_to(pc + 1);
        Step::Done
    }

    /// `barrier.cluster.wait`.
    pub(super) fn cluster_wait(&mut self, index: u32, (acquires, aligned): (bool, bool), mask: u32) -> Step {
        let warp = &mut self.warps[index as usize];
        let pc = self.env.pc;
        if aligned && mask != 0 && !convergence::together(warp, &mut self.env, Members::All, mask) {
            return Step::Waits;
        }
        let missing = mask & !warp.cluster_arrived;
        if missing != 0 {
            let what = "a wait at the cluster's barrier without an arrival before it".to_owned();
            self.env.fault(warp, missing.trailing_zeros() as usize, FaultKind::Invalid { what });
            return Step::Abort;
        }
        let phase = self.env.cluster.barrier.phase;
        if lanes_of(mask).any(|lane| warp.cluster_phase[lane] == phase) {
            warp.wait(Wait::Cluster);
            return Step::Waits;
        }
        if mask != 0 {
            observe::waited(&mut self.env);
            warp.cluster_arrived &= !mask;
            if acquires {
                observe::cluster_observe(warp, &mut self.env, mask);
            }
        }
        warp.go_to(pc + 1);
        Step::Done
    }

    /// Lanes exit: the cluster's barrier does not wait for them any more.
    pub(super) fn leave_cluster(&mut self, index: u32, mask: u32) {
        let warp = &mut self.warps[index as usize];
        let barrier = &mut self.env.cluster.barrier;
        let is_counted =
            |lane: &usize| warp.cluster_arrived >> lane & 1 == 1 && warp.cluster_phase[*lane] == barrier.phase;
        let counted = lanes_of(mask).filter(is_counted).count() as u32;
        barrier.live -= mask.count_ones();
        barrier.arrived -= counted;
        warp.cluster_arrived &= !mask;
        self.settle_cluster();
    }

    fn settle_cluster(&mut self) {
        if self.env.cluster.barrier.settle() {
            self.env.cluster.progress += 1;
            observe::cluster_complete(&mut self.env);
        }
    }
}
