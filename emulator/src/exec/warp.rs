//! The state of a warp: registers as lane arrays, and its lanes in groups that share a program counter.

use crate::lanes::{LANES, Lanes, lanes_of};
use crate::program::{Program, Register};

/// Instructions that one group may run while others are ready, before another gets a turn. Lanes that spin on a value that a
/// sister lane will write need this, since their program counter is the lowest.
const PATIENCE: u32 = 2000;
/// What an access that can be part of such a spin costs of it.
const STRONG: u32 = 100;

/// Why a group does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It goes on.
    Ready,
    /// A `.sync` instruction waits for lanes that are elsewhere.
    Collective,
    /// A barrier of the block, by number.
    Barrier(u8),
    /// Other warps have to issue what their warpgroup does together, or to give registers back.
    Warpgroup,
    /// The phase of an `mbarrier` object. The instruction runs again when some phase is complete.
    Mbarrier,
    /// `barrier.cluster.wait`, likewise.
    Cluster,
}

impl Wait {
    /// Whether it waits for what lanes of the same warp need not bring about.
    pub fn is_outward(self) -> bool {
        matches!(self, Self::Barrier(_) | Self::Mbarrier | Self::Cluster)
    }
}

/// Lanes with the same program counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub pc: u32,
    pub mask: u32,
    pub wait: Wait,
    /// The next `.sync` instruction runs without the lanes that it lacks: the fault has been reported.
    pub forced: bool,
}

/// A warp of a block.
pub(crate) struct Warp {
    /// Number within the block.
    pub index: u32,
    /// Number within the cluster.
    pub party: u32,
    pub r32: Vec<Lanes<u32>>,
    pub r64: Vec<Lanes<u64>>,
    pub preds: Vec<u32>,
    /// Lanes that have not exited.
    pub live: u32,
    pub groups: Vec<Group>,
    /// The running group, an index into `groups`.
    pub current: usize,
    /// For each tracked register, the lanes that have written it.
    pub written: Vec<u32>,
    /// For each register that `wgmma` uses, how.
    pub guards: Vec<super::wgmma::Guard>,
    /// Return addresses, innermost last, of each lane.
    pub returns: Vec<[u32; LANES]>,
    /// How many of `returns` each lane has.
    pub depth: [u8; LANES],
    pub local: super::Local,
    pub copies: super::Copies,
    pub bulk: super::bulk::BulkGroups,
    /// Lanes that have arrived at the cluster's barrier and not waited yet, and the phase in which they did.
    pub cluster_arrived: u32,
    pub cluster_phase: [u32; LANES],
    patience: u32,
    turn: usize,
    /// The lowest program counter at which the running group meets another.
    meeting: u32,
}

impl Warp {
    /// A warp with `threads` lanes (1 to 32) and registers for a program.
    pub fn new(program: &Program, index: u32, threads: u32) -> Self {
        let live = u32::MAX >> (LANES as u32 - threads);
        let mut warp = Self {
            index,
            party: index,
            r32: vec![Lanes([0; LANES]); program.r32 as usize],
            r64: vec![Lanes([0; LANES]); program.r64 as usize],
            preds: vec![0; program.preds as usize],
            live,
            groups: Vec::with_capacity(4),
            current: 0,
            written: vec![0; program.tracked.len()],
            guards: vec![super::wgmma::Guard::FRESH; program.guarded.len()],
            returns: Vec::new(),
            depth: [0; LANES],
            local: super::Local::new(program.local_bytes),
            copies: super::Copies::default(),
            bulk: super::bulk::BulkGroups::default(),
            cluster_arrived: 0,
            cluster_phase: [0; LANES],
            patience: PATIENCE,
            turn: 0,
            meeting: u32::MAX,
        };
        warp.restart(program, threads);
        warp
    }

    /// Makes the warp ready for another block. Registers that may be read before they are written are poisoned.
    pub fn restart(&mut self, program: &Program, threads: u32) {
        self.live = u32::MAX >> (LANES as u32 - threads);
        self.groups.clear();
        self.groups.push(Group { pc: program.entry, mask: self.live, wait: Wait::Ready, forced: false });
        self.current = 0;
        self.returns.clear();
        self.depth = [0; LANES];
        (self.patience, self.turn) = (PATIENCE, 0);
        for (register, written) in program.tracked.iter().zip(&mut self.written) {
            *written = 0;
            match *register {
                Register::R32(slot) => self.r32[slot.0 as usize] = Lanes([u32::MAX; LANES]),
                Register::R64(slot) => self.r64[slot.0 as usize] = Lanes([u64::MAX; LANES]),
                Register::Pred(slot) => self.preds[slot.0 as usize] = u32::MAX,
            }
        }
        self.guards.fill(super::wgmma::Guard::FRESH);
        self.local.restart();
        self.copies.clear();
        self.bulk.clear();
        self.cluster_arrived = 0;
    }

    /// Whether some group can go on.
    pub fn is_ready(&self) -> bool {
        self.groups.get(self.current).is_some_and(|group| group.wait == Wait::Ready)
    }

    /// The running group.
    #[inline(always)]
    pub fn group(&self) -> Group {
        self.groups[self.current]
    }

    /// The running group goes on at `pc`.
    #[inline(always)]
    pub fn go_to(&mut self, pc: u32) {
        self.groups[self.current].pc = pc;
        if self.groups.len() > 1 {
            self.patience = self.patience.saturating_sub(1);
            if pc >= self.meeting || self.patience == 0 {
                self.settle();
            }
        }
    }

    /// The running group may be spinning: it makes way sooner for others, if there are some.
    pub fn hurry(&mut self) {
        if self.groups.len() > 1 {
            self.patience = self.patience.saturating_sub(STRONG);
        }
    }

    /// The lanes of `taken` go to `target`, the rest of the group to `next`.
    pub fn branch(&mut self, taken: u32, target: u32, next: u32) {
        let group = &mut self.groups[self.current];
        if taken == group.mask {
            self.go_to(target);
        } else if taken == 0 {
            self.go_to(next);
        } else {
            group.mask &= !taken;
            group.pc = next;
            self.groups.push(Group { pc: target, mask: taken, wait: Wait::Ready, forced: false });
            self.settle();
        }
    }

    /// The lanes of each way go to its target, the rest of the group to `next`.
    pub fn scatter(&mut self, ways: &[(u32, u32)], next: u32) {
        let group = &mut self.groups[self.current];
        group.pc = next;
        for (target, mask) in ways {
            self.groups[self.current].mask &= !mask;
            self.groups.push(Group { pc: *target, mask: *mask, wait: Wait::Ready, forced: false });
        }
        self.settle();
    }

    /// The running group waits, at its program counter.
    pub fn wait(&mut self, wait: Wait) {
        self.groups[self.current].wait = wait;
        self.settle();
    }

    /// Groups that wait at `barrier` go on behind it.
    pub fn release(&mut self, barrier: u8) {
        for group in &mut self.groups {
            if group.wait == Wait::Barrier(barrier) {
                group.wait = Wait::Ready;
                group.pc += 1;
            }
        }
        self.settle();
    }

    /// Groups that wait for `what` look again.
    pub fn wake(&mut self, what: Wait) -> bool {
        let mut waits = false;
        for group in self.groups.iter_mut().filter(|group| group.wait == what) {
            (group.wait, waits) = (Wait::Ready, true);
        }
        if waits {
            self.settle();
        }
        waits
    }

    /// Lanes leave for good.
    pub fn exit(&mut self, lanes: u32) {
        self.live &= !lanes;
        for group in &mut self.groups {
            group.mask &= !lanes;
        }
        self.settle();
    }

    /// Merges groups that meet and picks the one that runs: the ready one with the lowest program counter, so that lanes
    /// that are behind catch up. A group that is never caught up with gets a turn when patience ends.
    pub fn settle(&mut self) {
        self.merge();
        let ready = self.groups.iter().filter(|group| group.wait == Wait::Ready).count();
        if ready <= 1 {
            (self.patience, self.turn) = (PATIENCE, 0);
        } else if self.patience == 0 {
            (self.patience, self.turn) = (PATIENCE, self.turn + 1);
        }
        let rank = if ready == 0 { 0 } else { self.turn % ready };
        let pc = |at: &usize| self.groups[*at].pc;
        let mut chosen = (0..self.groups.len()).filter(|at| self.groups[*at].wait == Wait::Ready).min_by_key(pc);
        for _ in 0..rank {
            let above = |at: &usize| {
                self.groups[*at].wait == Wait::Ready && chosen.is_some_and(|chosen| pc(at) > self.groups[chosen].pc)
            };
            chosen = (0..self.groups.len()).filter(above).min_by_key(pc).or(chosen);
        }
        self.current = chosen.unwrap_or(0);
        let others =
            self.groups.iter().enumerate().filter(|(at, group)| *at != self.current && !group.wait.is_outward());
        // A group that was let ahead may meet any other, so it is looked after at every instruction.
        self.meeting = if rank == 0 { others.map(|(_, group)| group.pc).min().unwrap_or(u32::MAX) } else { 0 };
    }

    fn merge(&mut self) {
        self.groups.retain(|group| group.mask != 0);
        let mut at = 0;
        while at < self.groups.len() {
            let one = self.groups[at];
            let meets = |other: &Group| other.pc == one.pc && !one.wait.is_outward() && !other.wait.is_outward();
            if let Some(other) = (at + 1..self.groups.len()).find(|other| meets(&self.groups[*other])) {
                let joined = self.groups.swap_remove(other);
                let group = &mut self.groups[at];
                group.mask |= joined.mask;
                group.wait = Wait::Ready;
                group.forced &= joined.forced;
            } else {
                at += 1;
            }
        }
    }

    /// Pushes a return address for lanes.
    pub fn enter(&mut self, lanes: u32, back: u32) {
        for lane in lanes_of(lanes) {
            let depth = usize::from(self.depth[lane]);
            if depth == self.returns.len() {
                self.returns.push([0; LANES]);
            }
            self.returns[depth][lane] = back;
            self.depth[lane] += 1;
        }
    }

    /// Lanes of the running group return to their callers; callers in different places split the group.
    pub fn leave(&mut self, lanes: u32, next: u32) {
        let mut rest = lanes;
        self.groups[self.current].mask &= !lanes;
        self.groups[self.current].pc = next;
        for lane in lanes_of(lanes) {
            self.depth[lane] -= 1;
        }
        while rest != 0 {
            let back = |lane: usize| self.returns[usize::from(self.depth[lane])][lane];
            let pc = back(rest.trailing_zeros() as usize);
            let mask = lanes_of(rest).filter(|lane| back(*lane) == pc).fold(0, |mask, lane| mask | 1 << lane);
            self.groups.push(Group { pc, mask, wait: Wait::Ready, forced: false });
            rest &= !mask;
        }
        self.settle();
    }
}
