//! `.sync` instructions: the lanes that they name have to come together, and what happens when some cannot.

use super::Block;
use crate::exec::{Env, Group, Wait, Warp, observe};
use crate::fault::FaultKind;
use crate::lanes::{FULL, LANES, Slot, lanes_of};
use crate::program::{Members, Op};

/// Whether the instruction can execute now for the lanes of `mask`. If not, the group waits for the others.
#[inline(always)]
pub(super) fn together(warp: &mut Warp, env: &mut Env<'_>, members: Members, mask: u32) -> bool {
    let needed = match members {
        Members::All => FULL,
        Members::Mask(register) => {
            let named = register.load(warp);
            if named == [FULL; LANES] { FULL } else { named_by(warp, env, mask, &named) }
        }
    };
    let missing = needed & warp.live & !mask;
    missing == 0 || gather(warp, env, missing)
}

/// The lanes that a mask register names for the executing lanes. Each of these has to name itself.
#[inline(never)]
fn named_by(warp: &Warp, env: &mut Env<'_>, mask: u32, named: &[u32; LANES]) -> u32 {
    for lane in lanes_of(mask) {
        if named[lane] >> lane & 1 == 0 {
            let what = format!("lane {lane} executes with the member mask {:#x}, which does not name it", named[lane]);
            env.fault(warp, lane, FaultKind::Invalid { what });
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
        let at_barrier = warp.groups.iter().any(|group| matches!(group.wait, Wait::Barrier(_)));
        if warp.live != 0 && !at_barrier {
            self.settle_collective(index);
        }
    }

    /// No warp can go on. True if one can, once the lanes that it waits for are given up; else it is a deadlock.
    pub(super) fn unblock(&mut self) -> bool {
        for index in lanes_of(self.alive) {
            if self.settle_collective(index as u32) {
                return true;
            }
        }
        let waiting: Vec<String> = lanes_of(self.alive).flat_map(|index| self.waits(index)).collect();
        let Some(warp) = lanes_of(self.alive).next().map(|index| &self.warps[index]) else { return false };
        self.env.pc = warp.groups[0].pc;
        let lane = warp.groups[0].mask.trailing_zeros() as usize;
        self.env.fault(warp, lane, FaultKind::Deadlock { waiting });
        false
    }

    /// One line for each group of a warp: where it waits.
    fn waits(&self, index: usize) -> Vec<String> {
        let line = |group: &Group| {
            let location = crate::exec::location(self.env.context.program, group.pc);
            format!("warp {index}, lanes {:#010x}: {location}", group.mask)
        };
        self.warps[index].groups.iter().map(line).collect()
    }

    /// Lets the groups of a warp that wait for lanes go on: `bar.warp.sync` at different places is one barrier; anything else
    /// is reported.
    fn settle_collective(&mut self, index: u32) -> bool {
        let warp = &mut self.warps[index as usize];
        let program = self.env.context.program;
        let waiting = |group: &Group| group.wait == Wait::Collective;
        let named = |warp: &Warp, group: &Group| match &program.insts[group.pc as usize].op {
            Op::WarpBarrier(Members::Mask(register)) => Some(register.load(warp)[group.mask.trailing_zeros() as usize]),
            _ => None,
        };
        for group in warp.groups.iter().filter(|group| waiting(group)) {
            let Some(members) = named(warp, group) else { continue };
            let same = |other: &&Group| waiting(other) && named(warp, other) == Some(members);
            let present = warp.groups.iter().filter(same).fold(0, |mask, group| mask | group.mask);
            if members & warp.live & !present == 0 {
                for group in &mut warp.groups {
                    if group.mask & present != 0 {
                        (group.wait, group.pc) = (Wait::Ready, group.pc + 1);
                    }
                }
                observe::warp_sync(warp, &mut self.env, present);
                warp.settle();
                self.ready |= 1 << index;
                return true;
            }
        }
        let Some(lowest) =
            (0..warp.groups.len()).filter(|at| waiting(&warp.groups[*at])).min_by_key(|at| warp.groups[*at].pc)
        else {
            return false;
        };
        let group = warp.groups[lowest];
        self.env.pc = group.pc;
        let elsewhere = warp.live & !group.mask;
        let what = format!("lanes {:#010x} wait for lanes among {elsewhere:#010x}, which cannot come", group.mask);
        self.env.fault(warp, group.mask.trailing_zeros() as usize, FaultKind::Divergence { what });
        let group = &mut warp.groups[lowest];
        (group.wait, group.forced) = (Wait::Ready, true);
        warp.settle();
        self.ready |= 1 << index;
        true
    }
}
