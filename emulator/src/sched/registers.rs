//! Registers that are set before a block starts, and those that an instruction reads before anything wrote them.

use crate::exec::{Env, Warp, wgmma};
use crate::fault::FaultKind;
use crate::lanes::{FULL, LANES, Slot, lanes_of};
use crate::program::{LaneMask, Register, Special, Tracked};

/// Gives every lane of a register its value.
pub(super) fn set_register(warp: &mut Warp, register: Register, value: impl Fn(u32) -> u64) {
    let values: [u64; LANES] = std::array::from_fn(|lane| value(lane as u32));
    match register {
        Register::R32(slot) => slot.store(warp, FULL, values.map(|value| value as u32)),
        Register::R64(slot) => slot.store(warp, FULL, values),
        Register::Pred(slot) => slot.store(warp, FULL, values.map(|value| value & 1 != 0)),
    }
}

/// The lanes of a register of any file.
pub(super) fn get_register(warp: &Warp, register: Register) -> [u64; LANES] {
    match register {
        Register::R32(slot) => slot.load(warp).map(u64::from),
        Register::R64(slot) => slot.load(warp),
        Register::Pred(slot) => slot.load(warp).map(u64::from),
    }
}

/// Replaces some lanes of a register of any file.
pub(super) fn put_register(warp: &mut Warp, register: Register, mask: u32, values: &[u64; LANES]) {
    match register {
        Register::R32(slot) => slot.store(warp, mask, values.map(|value| value as u32)),
        Register::R64(slot) => slot.store(warp, mask, *values),
        Register::Pred(slot) => slot.store(warp, mask, values.map(|value| value != 0)),
    }
}

/// Gives a register the value of a predefined one, in the block with this number.
pub(super) fn set_special(warp: &mut Warp, env: &Env<'_>, register: Register, special: Special, number: u64) {
    let context = env.context;
    let index = warp.index;
    let threads: u32 = context.block.iter().product();
    set_register(warp, register, |lane| {
        let value = match special {
            Special::Tid(axis) => env.thread(index, lane)[axis],
            Special::Ntid(axis) => context.block[axis],
            Special::Ctaid(axis) => env.block[axis],
            Special::Nctaid(axis) => context.grid[axis],
            Special::Lane => lane,
            Special::Warp => index,
            Special::Warps => threads.div_ceil(LANES as u32),
            Special::Multiprocessor => (number % u64::from(context.config.model.multiprocessors())) as u32,
            Special::Multiprocessors => context.config.model.multiprocessors(),
            Special::LaneMask(LaneMask::Equal) => 1 << lane,
            Special::LaneMask(LaneMask::LessEqual) => u32::MAX >> (31 - lane),
            Special::LaneMask(LaneMask::Less) => (1 << lane) - 1,
            Special::LaneMask(LaneMask::GreaterEqual) => u32::MAX << lane,
            Special::LaneMask(LaneMask::Greater) => u32::MAX << lane & !(1 << lane),
            Special::DynamicShared => context.dynamic_shared,
            Special::TotalShared => context.shared_bytes,
            Special::ClusterId(axis) => env.block[axis] / context.cluster[axis],
            Special::Clusters(axis) => context.grid[axis] / context.cluster[axis],
            Special::ClusterCtaid(axis) => crate::exec::local(env.rank, context.cluster)[axis],
            Special::ClusterBlocks(axis) => context.cluster[axis],
            Special::ClusterRank => env.rank,
            Special::ClusterSize => context.cluster.iter().product(),
            Special::IsCluster => u32::from(context.is_cluster),
        };
        u64::from(value)
    });
}

fn report_unwritten(warp: &Warp, env: &mut Env<'_>, register: u32, readers: u32) {
    for lane in lanes_of(readers & !warp.written[register as usize]) {
        let address = u64::from(register);
        env.fault(warp, lane, FaultKind::Uninitialised { space: "register", address, nearest: None });
    }
}

/// Reports reads of registers by a whole warp that nothing has written.
pub(super) fn report_reads(warp: &Warp, env: &mut Env<'_>, registers: &[u32]) {
    if env.context.config.checks.uninitialised {
        registers.iter().for_each(|register| report_unwritten(warp, env, *register, FULL));
    }
}

/// Reports reads of registers that nothing has written, and notes what is written. Every lane of the group reads the
/// guard, those of `mask` execute.
pub(super) fn check_registers(warp: &mut Warp, env: &mut Env<'_>, tracked: &Tracked, group: u32, mask: u32) {
    if mask != 0 && !tracked.touches.is_empty() {
        wgmma::guard_touch(warp, env, &tracked.touches, mask);
    }
    if !env.context.config.checks.uninitialised {
        return;
    }
    if let Some(guard) = tracked.guard {
        report_unwritten(warp, env, guard, group);
    }
    let sure = tracked.reads.iter().fold(FULL, |sure, register| sure & warp.written[*register as usize]);
    if !tracked.copies && mask & !sure != 0 {
        for register in &tracked.reads {
            report_unwritten(warp, env, *register, mask);
        }
    }
    let written = if tracked.copies { sure } else { FULL };
    for register in &tracked.writes {
        let lanes = &mut warp.written[*register as usize];
        *lanes = *lanes & !mask | written & mask;
    }
}
