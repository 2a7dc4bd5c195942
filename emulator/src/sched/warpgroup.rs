//! Instructions of four warps together: `wgmma` and `setmaxnreg`.
//!
//! A product is one operation of its warpgroup. It can be carried out when all four warps have issued it, and it is by the
//! time that the first of them passes a wait for it; a warp that waits earlier waits for the others, since the tensor cores finish a
//! product for all of them or for none.

use std::collections::VecDeque;

use super::{Block, Step, convergence};
use crate::config::Asynchrony;
use crate::exec::{Env, Wait, Warp, observe, wgmma};
use crate::executed::swizzled;
use crate::fault::FaultKind;
use crate::lanes::{FULL, LANES, Slot};
use crate::numeric::wgmma::Descriptor;
use crate::program::{Matrix, Members, Op, Warpgroup, Wgmma};

/// Warps of a group.
const WARPS: usize = 4;
/// Registers of a multiprocessor, and the most of a thread.
const REGISTERS: u32 = 65_536;
const MOST: u32 = 255;

/// A product that some warp of the group has issued.
struct Product {
    pc: u32,
    /// Warps that have issued it.
    arrived: u32,
    /// Descriptors of `a` and `b`, and whether to add to the accumulators.
    a: u64,
    b: u64,
    accumulate: bool,
    /// The bytes of shared memory that it reads.
    ranges: Vec<(u32, u32)>,
}

/// The products of one warpgroup.
#[derive(Default)]
pub(super) struct Group {
    /// Those that not every warp has waited for, oldest first.
    products: VecDeque<Product>,
    /// The number of the first of them, and of the first that has not been carried out.
    first: u64,
    done: u64,
    /// The number of the first that none of the warps has waited for: it may still read shared memory.
    read: u64,
    /// Products that each warp has issued, and waited for.
    issued: [u64; WARPS],
    waited: [u64; WARPS],
    /// How many each warp had issued at each of its latest commits.
    commits: [VecDeque<u64>; WARPS],
}

/// Registers of the block and of its warps, in registers a thread.
#[derive(Default)]
pub(super) struct Registers {
    /// `None` where the compiler was not told of a limit: then `setmaxnreg` has no effect.
    owned: Option<Vec<u32>>,
    /// Given back by warps and not taken by others.
    free: u32,
}

impl Registers {
    /// As a block starts: what `.maxnreg` says, or an equal share of the registers for `.maxntid` threads in `.minnctapersm` blocks.
    pub(super) fn new(block: &super::Context<'_>, warps: usize) -> Self {
        let program = block.program;
        let threads = program.required_threads.or(program.max_threads);
        let share = threads.map(|threads| {
            let threads = threads.iter().product::<u32>().max(1).next_multiple_of(128) * program.min_blocks.max(1);
            (REGISTERS / threads).min(MOST + 1) / 8 * 8
        });
        Self { owned: program.max_registers.or(share).map(|share| vec![share; warps]), free: 0 }
    }
}

/// The one value of a register that has to be the same in all lanes.
fn uniform<T: PartialEq + Copy>(values: [T; LANES]) -> Option<T> {
    values.iter().all(|value| *value == values[0]).then_some(values[0])
}

impl Block<'_> {
    /// A warp executes an instruction of its group.
    pub(super) fn warpgroup(&mut self, index: u32, op: &Warpgroup, mask: u32) -> Step {
        let pc = self.env.pc;
        let warp = &mut self.warps[index as usize];
        if mask != 0 {
            if !convergence::together(warp, &mut self.env, Members::Whole, mask) {
                return Step::Waits;
            }
            let refused = match op {
                Warpgroup::Fence => {
                    wgmma::guard_fence(warp);
                    Ok(())
                }
                Warpgroup::Commit => {
                    let group = &mut self.warpgroups[index as usize / WARPS];
                    let slot = index as usize % WARPS;
                    group.commits[slot].push_back(group.issued[slot]);
                    Ok(())
                }
                Warpgroup::Multiply(wgmma) => self.issue(index, wgmma),
                Warpgroup::Wait(newest) => {
                    if !self.wait(index, *newest as usize) {
                        return Step::Waits;
                    }
                    observe::waited(&mut self.env);
                    Ok(())
                }
                Warpgroup::Registers { count, more } => match self.set_registers(index, *count, *more) {
                    Ok(true) => Ok(()),
                    Ok(false) => return Step::Waits,
                    Err(what) => Err(what),
                },
            };
            if let Err(kind) = refused {
                self.env.fault(&self.warps[index as usize], mask.trailing_zeros() as usize, kind);
                return Step::Abort;
            }
            self.drift(index as usize / WARPS);
        }
        self.warps[index as usize].go_to(pc + 1);
        Step::Done
    }

    /// A warp issues a product.
    fn issue(&mut self, index: u32, wgmma: &Wgmma) -> Result<(), FaultKind> {
        let (number, slot) = (index as usize / WARPS, index as usize % WARPS);
        if self.warps.len() < (number + 1) * WARPS {
            let what = format!("warp {index} has no whole warpgroup: the block has {} warps", self.warps.len());
            return Err(FaultKind::Invalid { what });
        }
        let warp = &mut self.warps[index as usize];
        let differs =
            |what: &str| FaultKind::Divergence { what: format!("{what} of a product differs within its warpgroup") };
        let descriptor = |matrix: Matrix| uniform(matrix.descriptor.load(warp)).ok_or(differs("a descriptor"));
        let (a, b) = (wgmma.a.map_or(Ok(0), descriptor)?, descriptor(wgmma.b)?);
        let accumulate = uniform(wgmma.accumulate.load(warp)).ok_or(differs("scale-d"))?;
        let layout = |operand, bits| swizzled(operand, Descriptor::decode(bits).swizzle());
        let marks = wgmma.a.map_or(0, |_| layout(0, a)) | layout(1, b);
        self.env.context.program.executed.note(self.env.pc, marks);
        wgmma::guard_issue(warp, &mut self.env, wgmma);
        if accumulate {
            super::registers::report_reads(warp, &mut self.env, &wgmma.uninitialised);
        }
        let group = &mut self.warpgroups[number];
        let at = (group.issued[slot] - group.first) as usize;
        if at == group.products.len() {
            let of = |matrix: Matrix, bits, lines| wgmma::chunks(Descriptor::decode(bits), lines, matrix.across);
            let mut chunks = of(wgmma.b, b, wgmma.form.n);
            chunks.extend(wgmma.a.iter().flat_map(|matrix| of(*matrix, a, 64)));
            let ranges = wgmma::ranges(chunks);
            group.products.push_back(Product { pc: self.env.pc, arrived: 0, a, b, accumulate, ranges });
        }
        let product = &mut group.products[at];
        if product.pc != self.env.pc {
            let other = crate::exec::location(self.env.context.program, product.pc);
            let what = format!("the warps of a warpgroup execute different instructions, another one {other}");
            return Err(FaultKind::Divergence { what });
        }
        if (product.a, product.b, product.accumulate) != (a, b, accumulate) {
            return Err(differs("a descriptor or scale-d"));
        }
        product.arrived |= 1 << slot;
        observe::async_read(warp, &mut self.env, &product.ranges);
        let is_complete = product.arrived == 0b1111;
        group.issued[slot] += 1;
        if is_complete {
            if self.env.context.config.asynchrony == Asynchrony::Eager {
                let end = self.issued_by_all(number);
                self.carry_out(number, end);
            }
            self.wake(number);
        }
        Ok(())
    }

    /// The end of the products of a group that all its warps have issued.
    fn issued_by_all(&self, number: usize) -> u64 {
        let group = &self.warpgroups[number];
        let whole = group.products.iter().take_while(|product| product.arrived == 0b1111).count();
        group.first + whole as u64
    }

    /// Lets a group's products be carried out at a random moment.
    fn drift(&mut self, number: usize) {
        let is_random = self.env.context.config.asynchrony == Asynchrony::Random;
        if is_random && self.warpgroups.get(number).is_some_and(|group| !group.products.is_empty()) {
            let end = self.issued_by_all(number);
            if end > self.warpgroups[number].done && self.env.random.one_in(2) {
                self.carry_out(number, end);
            }
        }
    }

    /// Carries out products up to a number, in the order of their issue.
    fn carry_out(&mut self, number: usize, end: u64) {
        let program = self.env.context.program;
        let pc = self.env.pc;
        let group = &mut self.warpgroups[number];
        let warps = &mut self.warps[number * WARPS..][..WARPS];
        while group.done < end {
            let product = &group.products[(group.done - group.first) as usize];
            group.done += 1;
            let Op::Warpgroup(op) = &program.insts[product.pc as usize].op else { continue };
            let Warpgroup::Multiply(wgmma) = op.as_ref() else { continue };
            self.env.pc = product.pc;
            wgmma::fetch_operands(&warps[0], &mut self.env, wgmma, (product.a, product.b));
            self.env.wgmma.accumulate = product.accumulate;
            for (slot, warp) in warps.iter_mut().enumerate() {
                self.env.wgmma.slot = slot;
                (wgmma.action)(warp, &mut self.env, FULL);
            }
        }
        self.env.pc = pc;
    }

    /// `wgmma.wait_group`: false if other warps of the group still have to issue what this one waits for.
    fn wait(&mut self, index: u32, newest: usize) -> bool {
        let (number, slot) = (index as usize / WARPS, index as usize % WARPS);
        let commits = &self.warpgroups[number].commits[slot];
        let Some(end) = commits.len().checked_sub(newest + 1).and_then(|at| commits.get(at).copied()) else {
            return true;
        };
        if end > self.issued_by_all(number) {
            self.warps[index as usize].wait(Wait::Warpgroup);
            return false;
        }
        self.carry_out(number, end);
        let group = &mut self.warpgroups[number];
        let keep = group.commits[slot].len() - newest;
        group.commits[slot].drain(..keep);
        let warp = &mut self.warps[index as usize];
        for at in group.waited[slot]..end {
            release(warp, &self.env, &group.products[(at - group.first) as usize]);
        }
        if end > group.read {
            let of = |from: u64, to: u64| {
                let range = (from - group.first) as usize..(to - group.first) as usize;
                group.products.range(range).flat_map(|product| product.ranges.iter().copied()).collect::<Vec<_>>()
            };
            let (ended, pending) = (of(group.read, end), of(end, group.first + group.products.len() as u64));
            observe::async_read_done(&self.warps[number * WARPS], &mut self.env, &ended, &pending);
            group.read = end;
        }
        group.waited[slot] = group.waited[slot].max(end);
        let all = group.waited.iter().copied().min().unwrap_or(0);
        group.products.drain(..(all - group.first) as usize);
        group.first = all;
        true
    }

    /// `setmaxnreg`: false if the registers are not there yet.
    fn set_registers(&mut self, index: u32, count: u32, more: bool) -> Result<bool, FaultKind> {
        let Some(owned) = self.registers.owned.as_mut().map(|owned| &mut owned[index as usize]) else {
            return Ok(true);
        };
        if more && *owned > count || !more && *owned < count {
            let change = if more { "raise" } else { "lower" };
            let what = format!("registers of a thread to {change} to {count}, which are {owned}");
            return Err(FaultKind::Invalid { what });
        }
        if more {
            if self.registers.free < count - *owned {
                self.warps[index as usize].wait(Wait::Warpgroup);
                return Ok(false);
            }
            self.registers.free -= count - *owned;
        } else {
            self.registers.free += *owned - count;
        }
        *owned = count;
        (0..self.warps.len().div_ceil(WARPS)).for_each(|number| self.wake(number));
        Ok(true)
    }

    /// Warps of a group that wait for the others look again.
    fn wake(&mut self, number: usize) {
        for (index, warp) in self.warps.iter_mut().enumerate().skip(number * WARPS).take(WARPS) {
            if warp.groups.iter().any(|group| group.wait == Wait::Warpgroup) {
                warp.groups
                    .iter_mut()
                    .filter(|group| group.wait == Wait::Warpgroup)
                    .for_each(|group| group.wait = Wait::Ready);
                warp.settle();
                self.ready |= 1 << index;
            }
        }
    }
}

/// A warp has waited for a product: its registers are free.
fn release(warp: &mut Warp, env: &Env<'_>, product: &Product) {
    let Op::Warpgroup(op) = &env.context.program.insts[product.pc as usize].op else { return };
    if let Warpgroup::Multiply(wgmma) = op.as_ref() {
        wgmma::guard_wait(warp, wgmma);
    }
}
