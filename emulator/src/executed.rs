//! Which instructions of a kernel have been executed since it was loaded, and on what layouts of shared memory.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use crate::program::{Op, Program, Warpgroup};
use crate::tensor_map::Swizzle;

/// Some thread has executed it.
pub(crate) const EXECUTED: u16 = 1;

/// It was executed with this swizzle: of a tensor map, or of the first or second matrix of a product.
pub(crate) fn swizzled(operand: usize, swizzle: Swizzle) -> u16 {
    2 << (4 * operand) << swizzle as u16
}

/// One set of marks an instruction.
pub(crate) struct Executed(Box<[AtomicU16]>);

impl Executed {
    pub fn new(instructions: usize) -> Self {
        Self((0..instructions).map(|_| AtomicU16::new(0)).collect())
    }

    pub fn note(&self, pc: u32, marks: u16) {
        let known = &self.0[pc as usize];
        if known.load(Relaxed) & marks != marks {
            known.fetch_or(marks, Relaxed);
        }
    }
}

/// The forms of the executed instructions. See [`crate::Kernel::executed`].
pub(crate) fn forms(program: &Program) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for ((inst, site), marks) in program.insts.iter().zip(&program.sites).zip(&program.executed.0) {
        let marks = marks.load(Relaxed);
        if marks == 0 {
            continue;
        }
        let opcode = site.text.split_whitespace().find(|word| !word.starts_with('@')).unwrap_or_default();
        let opcode = opcode.trim_end_matches(';');
        let swizzles = |operand: usize| Swizzle::ALL.into_iter().filter(move |s| marks & swizzled(operand, *s) != 0);
        match &inst.op {
            Op::Warpgroup(op) if matches!(op.as_ref(), Warpgroup::Multiply(_)) => {
                let Warpgroup::Multiply(wgmma) = op.as_ref() else { continue };
                let major = |across: bool| if across { "mn" } else { "k" };
                for b in swizzles(1) {
                    let b = format!("b={}/{b}", major(wgmma.b.across));
                    match wgmma.a {
                        None => drop(forms.insert(format!("{opcode} a=registers {b}"))),
                        Some(a) => forms.extend(swizzles(0).map(|s| format!("{opcode} a={}/{s} {b}", major(a.across)))),
                    }
                }
            }
            _ if marks & !EXECUTED != 0 => {
                forms.extend(swizzles(0).map(|swizzle| format!("{opcode} swizzle={swizzle}")))
            }
            _ => drop(forms.insert(opcode.to_owned())),
        }
    }
    // The closing brace of a text is an exit that nobody wrote.
    forms.remove("}");
    forms
}
