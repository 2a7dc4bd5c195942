//! The counts of a launch, instruction by instruction and line by line.

use std::collections::HashMap;

use crate::counters::{Class, Counters, Pipe};
use crate::exec::location;
use crate::fault::{Location, SourceLine};
use crate::launch::Launch;
use crate::module::Kernel;
use crate::report::Report;
use crate::tally::Tally;

/// What was counted in a launch: [`crate::Emulator::profile`].
#[derive(Clone, Debug)]
pub struct Profile {
    kernel: Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    tally: Tally,
}

/// To which line an instruction of inlined functions belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribution {
    /// The line that it was written at, in whatever function.
    Innermost,
    /// The line of the kernel that the outermost call stands at.
    Outermost,
}

/// The counts of one instruction of the PTX text.
#[derive(Clone, Debug)]
pub struct InstructionProfile {
    /// Where it stands.
    pub location: Location,
    /// Its class.
    pub class: Class,
    /// Its pipe.
    pub pipe: Pipe,
    /// Its counts.
    pub counters: Counters,
}

/// The counts of all instructions of one line of a source file.
#[derive(Clone, Debug)]
pub struct LineProfile {
    /// The line; `None` for instructions without one, as in PTX that was made without `-lineinfo`.
    pub line: Option<SourceLine>,
    /// The sum of their counts.
    pub counters: Counters,
}

impl Profile {
    pub(crate) fn new(launch: &Launch<'_>, tally: Tally) -> Self {
        Self { kernel: launch.kernel.clone(), grid: launch.grid, block: launch.block, tally }
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Blocks along each axis.
    pub fn grid(&self) -> [u32; 3] {
        self.grid
    }

    /// Threads of a block along each axis.
    pub fn block(&self) -> [u32; 3] {
        self.block
    }

    /// The counts of the whole launch, the same that [`crate::Emulator::launch`] gives.
    pub fn counters(&self) -> Counters {
        self.tally.total(&self.kernel.program)
    }

    /// The instructions that were executed, in the order of the text.
    pub fn instructions(&self) -> Vec<InstructionProfile> {
        let program = &self.kernel.program;
        let mut found: Vec<InstructionProfile> = Vec::new();
        let mut last = None;
        for (pc, site) in program.sites.iter().enumerate().filter(|(pc, _)| self.tally.is_executed(*pc)) {
            // An instruction may have become several operations, of which the last but for conversions of results counts.
            if last != Some(site.line) {
                last = Some(site.line);
                found.push(InstructionProfile {
                    location: location(program, pc as u32),
                    class: site.work.class,
                    pipe: site.work.pipe,
                    counters: Counters::default(),
                });
            }
            if let Some(instruction) = found.last_mut() {
                self.tally.add_to(pc, &site.work, &mut instruction.counters);
                if site.work.counts {
                    (instruction.class, instruction.pipe) = (site.work.class, site.work.pipe);
                }
            }
        }
        found
    }

    /// The executed lines, those with most warp-instructions first.
    pub fn lines(&self, attribution: Attribution) -> Vec<LineProfile> {
        let program = &self.kernel.program;
        let mut sums: HashMap<_, Counters> = HashMap::new();
        for (pc, site) in program.sites.iter().enumerate().filter(|(pc, _)| self.tally.is_executed(*pc)) {
            let source = match attribution {
                Attribution::Innermost => site.source.first(),
                Attribution::Outermost => site.source.last(),
            };
            let counters = sums.entry(source.map(|source| (source.file, source.line))).or_default();
            self.tally.add_to(pc, &site.work, counters);
        }
        let mut lines: Vec<_> = sums.into_iter().collect();
        lines.sort_by_key(|(source, counters)| (u64::MAX - counters.total_warp_instructions(), *source));
        let named = |(number, line): (u32, u32)| {
            let file = program.files.iter().find(|(known, _)| *known == number);
            SourceLine { file: file.map_or_else(String::new, |(_, name)| name.clone()), line }
        };
        lines.into_iter().map(|(source, counters)| LineProfile { line: source.map(named), counters }).collect()
    }

    /// A table of it, to be printed.
    pub fn report(&self) -> Report<'_> {
        Report::new(self)
    }
}
