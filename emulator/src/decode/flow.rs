//! Control flow and liveness of a function: which registers can share a place, and which may be read before they are written.

use super::pool::{File, Pool};
use crate::ast::{Function, Instruction, Operand, RegisterId};
use crate::program::Register;

/// Opcodes whose first operand is not a destination.
const NO_DESTINATION: [&str; 22] = [
    "st",
    "red",
    "bra",
    "brx",
    "bar",
    "barrier",
    "membar",
    "fence",
    "prefetch",
    "prefetchu",
    "cp",
    "ret",
    "exit",
    "trap",
    "brkpt",
    "nanosleep",
    "discard",
    "applypriority",
    "stmatrix",
    "pmevent",
    "call",
    "griddepcontrol",
];

/// Calls `f` for every register that the instruction touches; `true` where it writes it.
pub(crate) fn visit(instruction: &Instruction, mut f: impl FnMut(RegisterId, bool)) {
    if let Some(guard) = instruction.guard {
        f(guard.register, false);
    }
    visit_operands(instruction, f);
}

/// [`visit`] without the guard.
pub(crate) fn visit_operands(instruction: &Instruction, mut f: impl FnMut(RegisterId, bool)) {
    let is_call = instruction.opcode == "call";
    let reduces =
        matches!(instruction.opcode.as_str(), "bar" | "barrier") && instruction.modifiers.iter().any(|m| m == "red");
    let has_destination = reduces || !NO_DESTINATION.contains(&instruction.opcode.as_str());
    let has_returns = is_call && matches!(instruction.operands.first(), Some(Operand::List(_)));
    for (at, operand) in instruction.operands.iter().enumerate() {
        let writes = at == 0 && (has_destination || has_returns);
        if writes && instruction.opcode == "wgmma" {
            operand_registers(operand, false, &mut f);
        }
        operand_registers(operand, writes, &mut f);
    }
}

/// Calls `f` for the registers that a `wgmma.mma_async` uses until the wait for it: with true for accumulators, false for the rest.
pub(crate) fn visit_asynchronous(instruction: &Instruction, mut f: impl FnMut(RegisterId, bool)) {
    if instruction.opcode != "wgmma" {
        return;
    }
    for (at, operand) in instruction.operands.iter().take(2).enumerate() {
        if matches!(operand, Operand::Vector(_)) {
            operand_registers(operand, false, &mut |id, _| f(id, at == 0));
        }
    }
}

fn operand_registers(operand: &Operand, writes: bool, f: &mut impl FnMut(RegisterId, bool)) {
    match operand {
        Operand::Register(id) | Operand::NotRegister(id) => f(*id, writes),
        Operand::Address { base, .. } => operand_registers(base, false, f),
        Operand::Vector(parts) | Operand::List(parts) => {
            parts.iter().for_each(|part| operand_registers(part, writes, f))
        }
        Operand::Pair(first, second) => {
            operand_registers(first, writes, f);
            operand_registers(second, writes, f);
        }
        Operand::Tensor { base, coordinates } => {
            operand_registers(base, false, f);
            coordinates.iter().for_each(|part| operand_registers(part, false, f));
        }
        Operand::Integer(_) | Operand::Float32(_) | Operand::Float64(_) | Operand::Special(_) => {}
        Operand::Symbol(_) | Operand::Label(_) | Operand::Sink => {}
    }
}

/// A set of registers.
#[derive(Clone, PartialEq)]
struct Set(Vec<u64>);

impl Set {
    fn new(registers: usize) -> Self {
        Self(vec![0; registers.div_ceil(64)])
    }

    fn insert(&mut self, id: RegisterId) {
        self.0[id as usize / 64] |= 1 << (id % 64);
    }

    fn contains(&self, id: RegisterId) -> bool {
        self.0[id as usize / 64] >> (id % 64) & 1 != 0
    }

    fn iter(&self) -> impl Iterator<Item = RegisterId> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let bits = *bits;
            (0..64).filter(move |bit| bits >> bit & 1 != 0).map(move |bit| (word * 64 + bit) as RegisterId)
        })
    }
}

/// A run of instructions that is entered at its start alone.
struct Block {
    start: usize,
    end: usize,
    next: Vec<usize>,
    /// Read before any certain write.
    reads: Set,
    /// Certainly written.
    writes: Set,
    live_in: Set,
    live_out: Set,
}

/// Where registers go, and which of them need watching.
pub(crate) struct Layout {
    /// The place of each register of the function.
    pub registers: Vec<Register>,
    /// Registers that may be read before they are written, and those that are copied from them.
    pub unsure: Vec<RegisterId>,
    /// Registers that a `wgmma.mma_async` uses until the wait for it, in ascending order.
    pub asynchronous: Vec<RegisterId>,
}

/// Gives every register a place. Registers of the same file whose lives do not overlap share one: each lane follows the
/// function's own control flow, and a lane's place is written for that lane alone.
pub(crate) fn layout(function: &Function, pool: &mut Pool) -> Result<Layout, (u32, String)> {
    let count = function.registers.len();
    let blocks = liveness(function);
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; count];
    let mut touch = |id: RegisterId, at: usize| {
        let life = lives[id as usize].get_or_insert((at, at));
        *life = (life.0.min(at), life.1.max(at));
    };
    for block in &blocks {
        block.live_in.iter().for_each(|id| touch(id, block.start));
        block.live_out.iter().for_each(|id| touch(id, block.end - 1));
        for at in block.start..block.end {
            visit(&function.body[at], |id, _| touch(id, at));
        }
    }
    let entry = blocks.first().map(|block| block.live_in.clone()).unwrap_or_else(|| Set::new(count));
    let unsure = unsure(function, &entry);
    let mut asynchronous = Vec::new();
    function.body.iter().for_each(|instruction| visit_asynchronous(instruction, |id, _| asynchronous.push(id)));
    asynchronous.sort_unstable();
    asynchronous.dedup();

    let mut order: Vec<RegisterId> = (0..count as RegisterId).filter(|id| lives[*id as usize].is_some()).collect();
    order.sort_by_key(|id| lives[*id as usize]);
    let mut registers = Vec::with_capacity(count);
    for register in &function.registers {
        let file = File::of(&register.ty).ok_or_else(|| {
            (function.line, format!("registers of type .{} are not supported ({})", register.ty, register.name))
        })?;
        registers.push(file);
    }
    let files = registers;
    let mut placed: Vec<Option<Register>> = vec![None; count];
    let mut busy: [Vec<(usize, Register)>; 3] = Default::default();
    let mut free: [Vec<Register>; 3] = Default::default();
    for id in order {
        let Some((start, end)) = lives[id as usize] else { continue };
        let file = files[id as usize];
        let (busy, free) = (&mut busy[file as usize], &mut free[file as usize]);
        busy.retain(|(last, register)| {
            let lives_on = *last >= start;
            if !lives_on {
                free.push(*register);
            }
            lives_on
        });
        // A watched register keeps its place for itself, so that its mask of written lanes means one register only. One that
        // is used asynchronously lives longer than the text shows.
        let watched = unsure.binary_search(&id).is_ok() || asynchronous.binary_search(&id).is_ok();
        let register = if watched { pool.fresh(file) } else { free.pop().unwrap_or_else(|| pool.fresh(file)) };
        if !watched {
            busy.push((end, register));
        }
        placed[id as usize] = Some(register);
    }
    // A register that nothing touches needs no place, but an index has to stand there.
    let registers =
        placed.iter().zip(&files).map(|(place, file)| place.unwrap_or_else(|| pool.temporary(*file))).collect();
    pool.next_instruction();
    Ok(Layout { registers, unsure, asynchronous })
}

/// Registers live at the entry, and the destinations of copies from them, in ascending order.
fn unsure(function: &Function, entry: &Set) -> Vec<RegisterId> {
    let mut set = entry.clone();
    loop {
        let before = set.clone();
        for instruction in function.body.iter().filter(|instruction| instruction.opcode == "mov") {
            let mut reads_unsure = false;
            visit(instruction, |id, writes| reads_unsure |= !writes && set.contains(id));
            if reads_unsure {
                visit(instruction, |id, writes| {
                    if writes {
                        set.insert(id);
                    }
                });
            }
        }
        if set == before {
            return set.iter().collect();
        }
    }
}

fn liveness(function: &Function) -> Vec<Block> {
    let mut blocks = blocks(function);
    let count = function.registers.len();
    for block in &mut blocks {
        for instruction in &function.body[block.start..block.end] {
            let (mut reads, mut writes) = (Vec::new(), Vec::new());
            visit(instruction, |id, write| if write { writes.push(id) } else { reads.push(id) });
            for id in reads {
                if !block.writes.contains(id) {
                    block.reads.insert(id);
                }
            }
            if instruction.guard.is_none() {
                writes.into_iter().for_each(|id| block.writes.insert(id));
            }
        }
    }
    let mut changed = true;
    while changed {
        changed = false;
        for at in (0..blocks.len()).rev() {
            let mut out = Set::new(count);
            for next in blocks[at].next.clone() {
                out.0.iter_mut().zip(&blocks[next].live_in.0).for_each(|(word, more)| *word |= more);
            }
            let block = &mut blocks[at];
            let words = out.0.iter().zip(&block.reads.0).zip(&block.writes.0);
            let live_in = Set(words.map(|((out, reads), writes)| reads | out & !writes).collect());
            changed |= live_in != block.live_in;
            block.live_in = live_in;
            block.live_out = out;
        }
    }
    blocks
}

fn blocks(function: &Function) -> Vec<Block> {
    let body = &function.body;
    let count = function.registers.len();
    let mut starts = vec![false; body.len() + 1];
    starts[0] = true;
    for (at, instruction) in body.iter().enumerate() {
        targets(instruction, |label| starts[label] = true);
        if ends_block(instruction) {
            starts[at + 1] = true;
        }
    }
    let edges: Vec<usize> = (0..body.len()).filter(|at| starts[*at]).collect();
    let block_of = |at: usize| edges.partition_point(|start| *start <= at) - 1;
    let mut blocks = Vec::with_capacity(edges.len());
    for (number, start) in edges.iter().enumerate() {
        let end = edges.get(number + 1).copied().unwrap_or(body.len());
        let last = &body[end - 1];
        let mut next = Vec::new();
        targets(last, |label| {
            if label < body.len() {
                next.push(block_of(label));
            }
        });
        let falls = last.guard.is_some() || !matches!(last.opcode.as_str(), "bra" | "brx" | "ret" | "exit" | "trap");
        if falls && end < body.len() {
            next.push(number + 1);
        }
        let set = || Set::new(count);
        blocks.push(Block { start: *start, end, next, reads: set(), writes: set(), live_in: set(), live_out: set() });
    }
    blocks
}

fn ends_block(instruction: &Instruction) -> bool {
    matches!(instruction.opcode.as_str(), "bra" | "brx" | "ret" | "exit" | "trap")
}

fn targets(instruction: &Instruction, mut f: impl FnMut(usize)) {
    for operand in &instruction.operands {
        match operand {
            Operand::Label(label) => f(*label),
            Operand::List(labels) => labels.iter().for_each(|label| {
                if let Operand::Label(label) = label {
                    f(*label);
                }
            }),
            _ => {}
        }
    }
}
