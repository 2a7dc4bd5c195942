//! `.sync` instructions: the lanes that they name have to come together, and what happens when some cannot.

use super::Block;
use super::registers::{get_register, put_register};
use crate::exec::{Env, Group, Wait, Warp, observe};
use crate::fault::FaultKind;
use crate::lanes::{FULL, LANES, Slot, lanes_of};
use crate::program::{BarrierAction, Members, Op, Program, Register};

/// Whether the instruction can execute now for the lanes of `mask`. If not, the group waits for the others.
#[inline(always)]
pub(super) fn together(warp: &mut Warp, env: &mut Env<'_>, members: Members, mask: u32) -> bool {
    let needed = match members {
        Members::All => FULL,
        Members::Whole => {
            if warp.live != FULL {
                let what = format!("the whole warp is needed, but only the lanes {:#010x} are there", warp.live);
                env.fault(warp, mask.trailing_zeros() as usize, FaultKind::Divergence { what });
            }
            FULL
        }
        Members::Mask(register) => {
            let named = register.load(warp);
            if named == [FULL; LANES] { FULL } else { named_by(warp, env, mask, &named) }
        }
    };
    let missing = needed & warp.live & !mask;
    missing == 0 || gather(warp, env, missing)
}

/// The lanes that a mask register names for the executing lanes. Each of these has to name itself, and lanes that name one
/// another have to do so with the same mask.
#[inline(never)]
fn named_by(warp: &Warp, env: &mut Env<'_>, mask: u32, named: &[u32; LANES]) -> u32 {
    for lane in lanes_of(mask) {
        if named[lane] >> lane & 1 == 0 {
            let what = format!("lane {lane} executes with the member mask {:#x}, which does not name it", named[lane]);
            env.fault(warp, lane, FaultKind::Invalid { what });
        } else if let Some(other) = lanes_of(mask & named[lane]).find(|other| named[*other] != named[lane]) {
            let (mine, theirs) = (named[lane], named[other]);
            let what = format!("lane {lane} names lane {other} with the member mask {mine:#x}, which has {theirs:#x}");
            env.fault(warp, lane, FaultKind::Divergence { what });
        }
    }
    lanes_of(mask).fold(0, |needed, lane| needed | named[lane])
}

#[inline(never)]
fn gather(warp: &mut Warp, env: &mut Env<'_>, missing: u32) -> bool {
    let group = &mut warp.groups[warp.current];
    if group.forced {
        group.forced = false;
        return true;
    }
    if missing & group.mask != 0 {
        // They are here, but their guard is false: they will not come.
        let (lane, absent) = (group.mask.trailing_zeros() as usize, missing & group.mask);
        let what = format!("lanes {absent:#010x} are named, but their guard is false");
        env.fault(warp, lane, FaultKind::Divergence { what });
        return true;
    }
    warp.wait(Wait::Collective);
    false
}

impl Block<'_> {
    /// A warp cannot go on. If that is because its lanes wait for one another, that is settled here.
    pub(super) fn settle_warp(&mut self, index: u32) {
        let warp = &self.warps[index as usize];
        let at_barrier = warp.groups.iter().any(|group| group.wait.is_outward());
        if warp.live != 0 && !at_barrier {
            self.settle_collective(index);
        }
    }

    /// No warp can go on. True if one can, once the lanes that it waits for are given up.
    pub(super) fn settle_any(&mut self) -> bool {
        lanes_of(self.alive).any(|index| self.settle_collective(index as u32))
    }

    /// Reports where every warp waits.
    pub(super) fn deadlock(&mut self) {
        let waiting: Vec<String> = lanes_of(self.alive).flat_map(|index| self.waits(index)).collect();
        let Some(warp) = lanes_of(self.alive).next().map(|index| &self.warps[index]) else { return };
        self.env.pc = warp.groups[0].pc;
        let lane = warp.groups[0].mask.trailing_zeros() as usize;
        self.env.fault(warp, lane, FaultKind::Deadlock { waiting });
    }

    /// One line for each group of a warp: for what it waits, and where.
    fn waits(&self, index: usize) -> Vec<String> {
        let line = |group: &Group| {
            let location = crate::exec::location(self.env.context.program, group.pc);
            let what = match group.wait {
                Wait::Ready => "ready".to_owned(),
                Wait::Collective => "for lanes of its warp".to_owned(),
                Wait::Barrier(id) => format!("at barrier {id}, {}", self.arrivals(id.into())),
                Wait::Warpgroup => "for its warpgroup".to_owned(),
                Wait::Mbarrier => "for the phase of an mbarrier object".to_owned(),
                Wait::Cluster => "at the cluster's barrier".to_owned(),
            };
            format!("warp {index}, lanes {:#010x}, {what}: {location}", group.mask)
        };
        self.warps[index].groups.iter().map(line).collect()
    }

    /// Lets a group of a warp that waits for lanes go on, if there is one. It waits for nobody any more when those lanes have
    /// exited. Lanes that wait at different places of the same warp-wide barrier are together too. Else the lanes that are
    /// missing cannot come, which is reported.
    fn settle_collective(&mut self, index: u32) -> bool {
        let program = self.env.context.program;
        let warp = &mut self.warps[index as usize];
        let waiting: Vec<usize> =
            (0..warp.groups.len()).filter(|at| warp.groups[*at].wait == Wait::Collective).collect();
        let Some(&lowest) = waiting.iter().min_by_key(|at| warp.groups[**at].pc) else { return false };
        self.ready |= 1 << index;
        if let Some(&at) = waiting.iter().find(|at| missing(warp, program, warp.groups[**at]) == 0) {
            warp.groups[at].wait = Wait::Ready;
        } else if let Some((kind, lanes)) =
            waiting.iter().find_map(|at| spread(warp, program, warp.groups[*at], &waiting))
        {
            match kind {
                Meeting::Exchange(..) => self.exchange(index, lanes),
                _ => meet(warp, kind, lanes),
            }
            let warp = &mut self.warps[index as usize];
            if matches!(kind, Meeting::Warp(_)) {
                observe::warp_sync(warp, &mut self.env, lanes);
            }
        } else {
            let group = &mut warp.groups[lowest];
            (group.wait, group.forced) = (Wait::Ready, true);
            let (pc, mask) = (group.pc, group.mask);
            let absent = missing(warp, program, warp.groups[lowest]);
            let what = format!("lanes {mask:#010x} wait for lanes {absent:#010x}, which cannot come");
            self.env.pc = pc;
            self.env.fault(warp, mask.trailing_zeros() as usize, FaultKind::Divergence { what });
        }
        self.warps[index as usize].settle();
        true
    }

    /// Groups of a warp execute the same exchange at different places, with registers of their own: the first one's instruction
    /// does it for all.
    fn exchange(&mut self, index: u32, lanes: u32) {
        let program = self.env.context.program;
        let warp = &mut self.warps[index as usize];
        let groups: Vec<Group> = warp.groups.iter().filter(|group| group.mask & lanes != 0).copied().collect();
        let of = |group: &Group| match &program.insts[group.pc as usize].op {
            Op::Collective(_, action, Some(exchange)) => Some((action, exchange)),
            _ => None,
        };
        let Some((action, first)) = groups.first().and_then(of) else { return };
        let touched: Vec<Register> = first.sources.iter().chain(&first.results).copied().collect();
        let before: Vec<_> = touched.iter().map(|register| get_register(warp, *register)).collect();
        for group in &groups[1..] {
            let Some((_, other)) = of(group) else { continue };
            for (to, from) in first.sources.iter().zip(&other.sources) {
                let values = get_register(warp, *from);
                put_register(warp, *to, group.mask, &values);
            }
        }
        self.env.pc = groups[0].pc;
        action(warp, &mut self.env, lanes);
        let results: Vec<_> = first.results.iter().map(|register| get_register(warp, *register)).collect();
        for (register, values) in touched.iter().zip(&before) {
            put_register(warp, *register, !groups[0].mask, values);
        }
        for group in &groups {
            let Some((_, other)) = of(group) else { continue };
            for (to, values) in other.results.iter().zip(&results) {
                put_register(warp, *to, group.mask, values);
            }
        }
        for group in warp.groups.iter_mut().filter(|group| group.mask & lanes != 0) {
            (group.wait, group.pc) = (Wait::Ready, group.pc + 1);
        }
        groups.iter().for_each(|group| self.env.tally.execute(group.pc, group.mask, group.mask));
    }
}

/// Where lanes can be together without standing at the same instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting<'a> {
    /// `bar.warp.sync` with this mask.
    Warp(u32),
    /// `shfl.sync`, `vote.sync` and the like: mask, opcode and modifiers.
    Exchange(u32, &'a str),
    /// `barrier.sync` or `barrier.arrive` without `.aligned`, by number.
    Block(u8, BarrierAction),
}

/// The lanes that a waiting group still lacks.
fn missing(warp: &Warp, program: &Program, group: Group) -> u32 {
    let needed = match &program.insts[group.pc as usize].op {
        Op::Collective(Members::Mask(register), ..) | Op::WarpBarrier(Members::Mask(register)) => {
            let named = register.load(warp);
            lanes_of(group.mask).fold(0, |needed, lane| needed | named[lane])
        }
        _ => FULL,
    };
    needed & warp.live & !group.mask
}

fn meeting<'a>(warp: &Warp, program: &'a Program, group: Group) -> Option<Meeting<'a>> {
    let lane = group.mask.trailing_zeros() as usize;
    let inst = &program.insts[group.pc as usize];
    match &inst.op {
        Op::WarpBarrier(Members::Mask(register)) => Some(Meeting::Warp(register.lane(warp, lane))),
        // Lanes whose guard is false would have to leave the group first.
        Op::Collective(Members::Mask(register), _, Some(exchange))
            if group.mask & !(warp.preds[inst.guard.0 as usize] ^ inst.flip) == 0 =>
        {
            Some(Meeting::Exchange(register.lane(warp, lane), &exchange.form))
        }
        Op::Barrier(barrier) if !barrier.aligned && !barrier.action.reduces() => {
            u8::try_from(barrier.id.lane(warp, lane)).ok().map(|id| Meeting::Block(id, barrier.action))
        }
        _ => None,
    }
}

/// The lanes that wait at the same meeting as a group, if nobody is missing from it.
fn spread<'a>(warp: &Warp, program: &'a Program, group: Group, waiting: &[usize]) -> Option<(Meeting<'a>, u32)> {
    let kind = meeting(warp, program, group)?;
    let here = waiting.iter().map(|at| warp.groups[*at]).filter(|other| meeting(warp, program, *other) == Some(kind));
    let present = here.fold(0, |lanes, other| lanes | other.mask);
    let needed = match kind {
        Meeting::Warp(members) | Meeting::Exchange(members, _) => members,
        Meeting::Block(..) => FULL,
    };
    (needed & warp.live & !present == 0).then_some((kind, present))
}

/// The groups of these lanes have met. At a barrier of the block one of them arrives for all.
fn meet(warp: &mut Warp, kind: Meeting<'_>, lanes: u32) {
    let mut first = true;
    for group in warp.groups.iter_mut().filter(|group| group.mask & lanes != 0) {
        match kind {
            Meeting::Block(..) if first => (group.wait, group.forced) = (Wait::Ready, true),
            Meeting::Block(id, BarrierAction::Sync) => group.wait = Wait::Barrier(id),
            _ => (group.wait, group.pc) = (Wait::Ready, group.pc + 1),
        }
        first = false;
    }
}
