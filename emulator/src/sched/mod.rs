//! A block in motion: which warp runs next, and what the instructions do that touch more than their own lanes' state.

mod barrier;
mod cluster;
mod convergence;
mod phase;
mod registers;
mod warpgroup;

use std::cell::RefCell;
use std::rc::Rc;

use crate::config::{Asynchrony, Schedule};
use crate::exec::{Context, Env, Warp, bulk, copies, observe};
use crate::fault::FaultKind;
use crate::lanes::{Slot, lanes_of};
use crate::program::{Inst, Op, Special, Value};
use crate::shadow::World;
use barrier::{Arrivals, BARRIERS};
pub(crate) use cluster::Cluster;
use registers::{check_registers, set_register, set_special};
use warpgroup::{Group, Registers};

/// Most instructions of a warp's turn.
const TURN: u32 = 64;
/// Turns that a greedy schedule gives one warp in a row. One that spins on what another warp will write needs an end to that.
const GREED: u32 = 256;

/// What a turn of a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    /// No warp can go on.
    Stalled,
    /// Every thread has exited.
    Done,
    /// It was given up after a fault that ends it.
    Aborted,
}

/// Why a warp stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Its turn is over.
    Turn,
    /// It waits or has exited.
    Blocked,
    /// The block is given up.
    Abort,
}

/// What became of an instruction.
enum Step {
    Done,
    /// It waits for lanes that are elsewhere, and has not been executed.
    Waits,
    /// The block is given up.
    Abort,
}

/// A block and its warps.
pub(crate) struct Block<'a> {
    pub env: Env<'a>,
    warps: Vec<Warp>,
    /// Warps that can run.
    ready: u32,
    /// Warps with threads that have not exited.
    alive: u32,
    last: u32,
    /// Turns in a row that the last warp had.
    streak: u32,
    barriers: [Arrivals; BARRIERS],
    warpgroups: Vec<Group>,
    registers: Registers,
    /// The phase of the cluster's barrier that the warps have seen.
    phase: u32,
}

impl<'a> Block<'a> {
    /// A block of the launch with a rank in its cluster, not started yet.
    pub fn new(context: &'a Context<'a>, rank: u32, world: Option<Rc<RefCell<World>>>) -> Self {
        let threads: u32 = context.block.iter().product();
        let env = Env::new(context, rank, world);
        let mut warps: Vec<_> =
            (0..threads.div_ceil(32)).map(|w| Warp::new(context.program, w, (threads - w * 32).min(32))).collect();
        let first = rank * warps.len() as u32;
        warps.iter_mut().for_each(|warp| warp.party = first + warp.index);
        let mut block = Self {
            env,
            warps,
            ready: 0,
            alive: 0,
            last: 0,
            streak: 0,
            barriers: [Arrivals::default(); BARRIERS],
            warpgroups: Vec::new(),
            registers: Registers::default(),
            phase: 0,
        };
        block.set_constants();
        block
    }

    /// Starts the block with this `blockIdx` and number, of the cluster with a number.
    pub fn restart(&mut self, index: [u32; 3], number: u64, team: u32) {
        let context = self.env.context;
        self.env.restart(index, number, team);
        let threads: u32 = context.block.iter().product();
        for warp in &mut self.warps {
            warp.restart(context.program, (threads - warp.index * 32).min(32));
        }
        self.ready = u32::MAX >> (32 - self.warps.len());
        self.alive = self.ready;
        self.last = self.warps.len() as u32 - 1;
        self.streak = 0;
        self.barriers = [Arrivals::default(); BARRIERS];
        self.warpgroups.clear();
        self.warpgroups.resize_with(self.warps.len().div_ceil(4), Group::default);
        self.registers = Registers::new(context, self.warps.len());
        self.phase = 0;
        for constant in &context.program.constants {
            if let Value::Special(special @ (Special::Ctaid(_) | Special::ClusterId(_) | Special::Multiprocessor)) =
                constant.value
            {
                for warp in &mut self.warps {
                    set_special(warp, &self.env, constant.register, special, number);
                }
            }
        }
    }

    fn set_constants(&mut self) {
        for constant in &self.env.context.program.constants {
            for warp in &mut self.warps {
                match constant.value {
                    Value::Bits(bits) => set_register(warp, constant.register, |_| bits),
                    Value::Variable(number, offset) => {
                        let address = self.env.context.variables[number].wrapping_add_signed(offset);
                        set_register(warp, constant.register, |_| address);
                    }
                    Value::Special(special) => set_special(warp, &self.env, constant.register, special, 0),
                }
            }
        }
    }

    /// Runs about `budget` warp-instructions.
    pub fn run(&mut self, budget: u64) -> Progress {
        let end = self.env.clock + budget;
        while self.env.clock < end {
            if self.alive == 0 {
                return Progress::Done;
            }
            self.wake_phases();
            if self.ready == 0 {
                return Progress::Stalled;
            }
            let (index, turn) = self.next_turn();
            match self.run_warp(index, turn) {
                Stop::Turn => {}
                Stop::Blocked => {
                    self.ready &= !(1 << index);
                    self.settle_warp(index);
                }
                Stop::Abort => return Progress::Aborted,
            }
            if !self.env.cluster.flights.is_empty() || self.env.cluster.polls != 0 {
                self.hurry();
            }
        }
        Progress::Running
    }

    /// The warp that runs next, and for how many instructions.
    fn next_turn(&mut self) -> (u32, u32) {
        let after = |last: u32, ready: u32| {
            let higher = ready & (u32::MAX << 1).wrapping_shl(last);
            if last < 31 && higher != 0 { higher.trailing_zeros() } else { ready.trailing_zeros() }
        };
        let (warp, turn) = match self.env.context.config.schedule {
            Schedule::RoundRobin => (after(self.last, self.ready), TURN),
            Schedule::Random => (self.random_warp(), 1 + self.env.random.below(TURN)),
            Schedule::Greedy if self.ready >> self.last & 1 != 0 && self.streak < GREED => (self.last, TURN),
            Schedule::Greedy => (self.random_warp(), TURN),
        };
        self.streak = if warp == self.last { self.streak + 1 } else { 0 };
        self.last = warp;
        (warp, turn)
    }

    fn random_warp(&mut self) -> u32 {
        let nth = self.env.random.below(self.ready.count_ones());
        lanes_of(self.ready).nth(nth as usize).unwrap_or(0) as u32
    }

    /// Runs a warp until its turn is over or it has to wait.
    fn run_warp(&mut self, index: u32, turn: u32) -> Stop {
        let program = self.env.context.program;
        if self.env.context.config.asynchrony == Asynchrony::Random {
            self.drift_copies(index);
        }
        for _ in 0..turn {
            let warp = &mut self.warps[index as usize];
            let group = warp.group();
            let pc = group.pc;
            let inst = &program.insts[pc as usize];
            let mask = group.mask & (warp.preds[inst.guard.0 as usize] ^ inst.flip);
            self.env.pc = pc;
            self.env.clock += 1;
            if let Some(tracked) = &inst.tracked {
                check_registers(warp, &mut self.env, tracked, group.mask, mask);
            }
            if let Op::Plain(action) = &inst.op {
                if mask != 0 {
                    action(warp, &mut self.env, mask);
                }
                warp.go_to(pc + 1);
                self.env.tally.execute(pc, group.mask, mask);
                continue;
            }
            match self.step(index, inst, mask) {
                Step::Done => self.env.tally.execute(pc, group.mask, mask),
                Step::Waits => self.env.clock -= 1,
                Step::Abort => return Stop::Abort,
            }
            if !self.warps[index as usize].is_ready() {
                return Stop::Blocked;
            }
        }
        Stop::Turn
    }

    /// Executes an instruction that is more than an action on its own lanes.
    fn step(&mut self, index: u32, inst: &Inst, mask: u32) -> Step {
        let warp = &mut self.warps[index as usize];
        let pc = self.env.pc;
        match &inst.op {
            Op::Plain(action) => {
                action(warp, &mut self.env, mask);
                warp.go_to(pc + 1);
            }
            Op::Branch(target) => {
                if mask != 0 && mask != warp.group().mask {
                    observe::diverged(&mut self.env);
                }
                warp.branch(mask, *target, pc + 1);
            }
            Op::BranchIndexed(register, targets) => {
                let index = register.load(warp);
                let target = |lane: usize| targets.get(index[lane] as usize).copied();
                let what = |lane: usize| format!("branch index {} of {} targets", index[lane], targets.len());
                scatter(warp, &mut self.env, mask, target, what);
            }
            Op::CallIndirect(register, targets) => {
                let address = register.load(warp);
                let target = |lane: usize| targets.iter().find(|known| known.0 == address[lane]).map(|known| known.1);
                let what =
                    |lane: usize| format!("a call of {:#x}, which is no function that it may reach", address[lane]);
                warp.enter(
                    lanes_of(mask).filter(|lane| target(*lane).is_some()).fold(0, |m, lane| m | 1 << lane),
                    pc + 1,
                );
                scatter(warp, &mut self.env, mask, target, what);
            }
            Op::Call(target) => {
                warp.enter(mask, pc + 1);
                warp.branch(mask, *target, pc + 1);
            }
            Op::Return => warp.leave(mask, pc + 1),
            Op::Exit => self.exit(index, mask),
            Op::Trap => {
                if mask == 0 {
                    warp.go_to(pc + 1);
                } else {
                    self.env.fault(warp, mask.trailing_zeros() as usize, FaultKind::Trap);
                    return Step::Abort;
                }
            }
            Op::Collective(members, action, _) => {
                if mask != 0 {
                    if !convergence::together(warp, &mut self.env, *members, mask) {
                        return Step::Waits;
                    }
                    action(warp, &mut self.env, mask);
                }
                warp.go_to(pc + 1);
            }
            Op::WarpBarrier(members) => {
                if mask != 0 {
                    if !convergence::together(warp, &mut self.env, *members, mask) {
                        return Step::Waits;
                    }
                    observe::warp_barrier(warp, &mut self.env, mask, *members);
                }
                warp.go_to(pc + 1);
            }
            Op::Barrier(barrier) => return self.barrier(index, barrier, mask),
            Op::Warpgroup(op) => return self.warpgroup(index, op, mask),
            Op::MbarrierWait(wait) => return self.mbarrier_wait(index, wait, mask),
            Op::ClusterArrive { releases, aligned } => return self.cluster_arrive(index, (*releases, *aligned), mask),
            Op::ClusterWait { acquires, aligned } => return self.cluster_wait(index, (*acquires, *aligned), mask),
        }
        Step::Done
    }

    /// Lets copies arrive at a random moment.
    fn drift_copies(&mut self, index: u32) {
        let (warp, env) = (&mut self.warps[index as usize], &mut self.env);
        if !warp.copies.is_empty() {
            copies::drift(warp, env);
        }
        if !warp.bulk.is_empty() {
            bulk::drift(warp, env);
        }
        if !env.cluster.flights.is_empty() && env.random.one_in(4) {
            bulk::land_one(env);
        }
    }

    fn exit(&mut self, index: u32, mask: u32) {
        let warp = &mut self.warps[index as usize];
        copies::wait_all(warp, &mut self.env, mask);
        if !warp.bulk.is_empty() {
            bulk::exit(warp, &mut self.env, mask);
        }
        self.leave_cluster(index, mask);
        let warp = &mut self.warps[index as usize];
        let pc = self.env.pc;
        if warp.group().mask != mask {
            warp.go_to(pc + 1);
        }
        warp.exit(mask);
        if warp.live == 0 {
            self.alive &= !(1 << index);
            if self.alive == 0 {
                bulk::exit_block(&self.warps[index as usize], &mut self.env, mask);
                let rank = self.env.rank as usize;
                self.env.cluster.parts[rank].exited = true;
            }
            for id in 0..BARRIERS {
                self.complete(id);
            }
        }
    }
}

/// Each lane goes to the target of its own. One without a target is reported as `what` says, and goes on.
fn scatter(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    target: impl Fn(usize) -> Option<u32>,
    what: impl Fn(usize) -> String,
) {
    let mut rest = mask;
    let mut ways = Vec::new();
    while rest != 0 {
        let first = target(rest.trailing_zeros() as usize);
        let taken = lanes_of(rest).filter(|lane| target(*lane) == first).fold(0, |m, lane| m | 1 << lane);
        match first {
            Some(target) => ways.push((target, taken)),
            None => lanes_of(taken).for_each(|lane| env.fault(warp, lane, FaultKind::Invalid { what: what(lane) })),
        }
        rest &= !taken;
    }
    if ways.len() > 1 {
        observe::diverged(env);
    }
    warp.scatter(&ways, env.pc + 1);
}
