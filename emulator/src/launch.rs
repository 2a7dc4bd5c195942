//! Launches: checks against the model's limits, and blocks over threads of the host.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use crate::config::{Approximation, Config, DeviceModel};
use crate::counters::Counters;
use crate::exec::{Context, FaultLog};
use crate::fault::{Fault, FaultKind, Faults};
use crate::memory::{MemoryError, View};
use crate::module::Kernel;
use crate::numeric::Perturbation;
use crate::sched::{Block, Progress};

/// Warp-instructions that a block runs before another resident block gets its turn.
const SLICE: u64 = 2048;

/// What to launch.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Blocks along each axis.
    pub grid: [u32; 3],
    /// Threads of a block along each axis.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// The parameters at their offsets ([`Kernel::params`]).
    pub params: &'a [u8],
    /// Replaces the device's configuration for this launch.
    pub config: Option<&'a Config>,
}

/// Why a launch failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A dimension is zero or beyond the limit of the model.
    #[error("{what} of {got:?}; the limit is {limit:?}")]
    Dimensions {
        /// "a grid" or "a block".
        what: &'static str,
        /// What was asked for.
        got: [u32; 3],
        /// The most along each axis.
        limit: [u32; 3],
    },
    /// More threads in a block than the model or the kernel's `.maxntid` allows.
    #[error("{got} threads in a block; the limit is {limit}")]
    TooManyThreads {
        /// Threads asked for.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// The block differs from the kernel's `.reqntid`.
    #[error("a block of {got:?}; the kernel requires {required:?}")]
    RequiredThreads {
        /// The block asked for.
        got: [u32; 3],
        /// The block that the kernel requires.
        required: [u32; 3],
    },
    /// More shared memory than a block can have on the model.
    #[error("{got} bytes of shared memory in a block; the limit is {limit}")]
    SharedMemory {
        /// Static and dynamic bytes together.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// The parameters have the wrong size.
    #[error("{got} bytes of parameters; the kernel takes {expected}")]
    Parameters {
        /// Bytes given.
        got: usize,
        /// Bytes expected.
        expected: u32,
    },
    /// PTX for a device that the model is not.
    #[error("PTX for {target} on a device of compute capability {}.{}", capability.0, capability.1)]
    Target {
        /// `.target` of the module.
        target: String,
        /// Compute capability of the model.
        capability: (u32, u32),
    },
    /// The module's variables found no place.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The kernel did something wrong. Memory holds what it had written until then.
    #[error(transparent)]
    Faults(#[from] Faults),
}

/// Whether PTX for `target` ("sm_80", "sm_90a", "sm_100f") runs on a model. A target with a letter is for its own compute
/// capability; one without is for that and all later ones.
pub(crate) fn runs_on(target: &str, model: DeviceModel) -> bool {
    let Some(number) = target.strip_prefix("sm_") else { return false };
    let digits = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let Ok(version) = digits.parse::<u32>() else { return false };
    let (major, minor) = model.compute_capability();
    let own = major * 10 + minor;
    match &number[digits.len()..] {
        "" => version <= own,
        "f" => version <= own && version / 10 == major,
        _ => version == own,
    }
}

/// Checks a launch against the limits of the model and of the kernel (CUDA C++ Programming Guide, table "Technical
/// Specifications per Compute Capability").
pub(crate) fn check(launch: &Launch<'_>, config: &Config) -> Result<(), LaunchError> {
    let (program, block) = (&launch.kernel.program, launch.block);
    let within = |what, got: [u32; 3], limit: [u32; 3]| {
        let fits = got.iter().zip(limit).all(|(got, limit)| (1..=limit).contains(got));
        if fits { Ok(()) } else { Err(LaunchError::Dimensions { what, got, limit }) }
    };
    let target = &launch.kernel.shared.target;
    if !runs_on(target, config.model) {
        return Err(LaunchError::Target { target: target.clone(), capability: config.model.compute_capability() });
    }
    within("a grid", launch.grid, [i32::MAX as u32, 65_535, 65_535])?;
    within("a block", block, [1024, 1024, 64])?;
    let threads: u64 = block.iter().map(|n| u64::from(*n)).product();
    let limit = program.max_threads.map_or(1024, |max| max.iter().map(|n| u64::from(*n)).product::<u64>().min(1024));
    if threads > limit {
        return Err(LaunchError::TooManyThreads { got: threads, limit });
    }
    if let Some(required) = program.required_threads.filter(|required| *required != block) {
        return Err(LaunchError::RequiredThreads { got: block, required });
    }
    let got = u64::from(program.static_shared) + u64::from(launch.dynamic_shared);
    let limit = u64::from(config.model.shared_memory_per_block_optin());
    if got > limit {
        return Err(LaunchError::SharedMemory { got, limit });
    }
    if launch.params.len() != program.param_bytes as usize {
        return Err(LaunchError::Parameters { got: launch.params.len(), expected: program.param_bytes });
    }
    Ok(())
}

/// What one worker brings back: the faults of each faulty block, by position in the order of dispatch.
#[derive(Default)]
struct Report {
    counters: Counters,
    faults: Vec<(u64, FaultLog)>,
}

/// Runs a checked launch.
pub(crate) fn run(
    launch: &Launch<'_>,
    config: &Config,
    view: View,
    variables: &[u64],
) -> Result<Counters, LaunchError> {
    let program = &launch.kernel.program;
    let perturbation = match config.approximation {
        Approximation::Exact => Perturbation::EXACT,
        Approximation::Perturbed => Perturbation::seeded(config.seed),
    };
    let context = Context {
        program,
        view,
        params: launch.params,
        config,
        grid: launch.grid,
        block: launch.block,
        dynamic_shared: launch.dynamic_shared,
        shared_bytes: program.static_shared + launch.dynamic_shared,
        variables,
        perturbation,
    };
    let blocks: u64 = launch.grid.iter().map(|n| u64::from(*n)).product();
    let queue = Queue {
        context: &context,
        next: AtomicU64::new(0),
        blocks,
        executed: AtomicU64::new(0),
        hung: AtomicBool::new(false),
    };
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    // Blocks that can influence each other share a worker, so that the result does not depend on the number of workers.
    let workers = match config.workers {
        _ if program.communicates => 1,
        0 => cores(),
        workers => workers,
    };
    let workers = (workers as u64).min(blocks);
    let reports: Vec<Report> = if workers == 1 {
        vec![queue.work()]
    } else {
        thread::scope(|scope| {
            let handles: Vec<_> = (0..workers).map(|_| scope.spawn(|| queue.work())).collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    };
    let mut counters = Counters::default();
    let mut faults = Vec::new();
    for report in reports {
        counters += &report.counters;
        faults.extend(report.faults);
    }
    faults.sort_by_key(|(position, _)| *position);
    if faults.is_empty() { Ok(counters) } else { Err(summary(faults).into()) }
}

/// The first faults in the order of blocks, one of each kind at each instruction.
fn summary(logs: Vec<(u64, FaultLog)>) -> Faults {
    let total = logs.iter().map(|(_, log)| log.total).sum();
    let mut faults: Vec<Fault> = Vec::new();
    let earlier = |kind: &FaultKind| match kind {
        FaultKind::Race { earlier: access, .. } | FaultKind::InFlight { copy: access, .. } => access.location.ptx_line,
        _ => 0,
    };
    let same = |one: &Fault, two: &Fault| {
        one.location.ptx_line == two.location.ptx_line
            && std::mem::discriminant(&one.kind) == std::mem::discriminant(&two.kind)
            && earlier(&one.kind) == earlier(&two.kind)
    };
    for fault in logs.into_iter().flat_map(|(_, log)| log.first) {
        if faults.len() < FaultLog::LISTED && !faults.iter().any(|known| same(known, &fault)) {
            faults.push(fault);
        }
    }
    Faults { faults, total }
}

/// The blocks of a launch that no worker has taken yet.
struct Queue<'a> {
    context: &'a Context<'a>,
    /// The next block in the order of dispatch.
    next: AtomicU64,
    blocks: u64,
    /// Warp-instructions of all blocks so far.
    executed: AtomicU64,
    hung: AtomicBool,
}

impl<'a> Queue<'a> {
    /// Runs blocks until none is left.
    fn work(&self) -> Report {
        let residency = self.context.config.residency;
        // Without communication nothing tells whether blocks run in turn or one by one, so they run one by one.
        let residents = if self.context.program.communicates { residency.resident_blocks.max(1) } else { 1 };
        let mut report = Report::default();
        let mut resident: Vec<(u64, Block<'a>)> = Vec::new();
        let mut spare: Vec<Block<'a>> = Vec::new();
        loop {
            while resident.len() < residents {
                let Some(position) = self.take() else { break };
                let number = if residency.reversed { self.blocks - 1 - position } else { position };
                let mut block = spare.pop().unwrap_or_else(|| Block::new(self.context));
                block.restart(self.index(number), number);
                resident.push((position, block));
            }
            if resident.is_empty() {
                break;
            }
            let mut at = 0;
            while at < resident.len() {
                let (position, block) = &mut resident[at];
                let before = block.env.clock;
                let progress = block.run(SLICE);
                let hung = self.charge(block, before);
                if progress == Progress::Done || hung {
                    let log = std::mem::take(&mut block.env.faults);
                    if log.total != 0 {
                        report.faults.push((*position, log));
                    }
                    spare.push(resident.remove(at).1);
                } else {
                    at += 1;
                }
            }
        }
        for block in &mut spare {
            block.count();
            report.counters += &block.env.counters;
        }
        report
    }

    fn take(&self) -> Option<u64> {
        (!self.hung.load(Relaxed)).then(|| self.next.fetch_add(1, Relaxed)).filter(|position| *position < self.blocks)
    }

    /// `blockIdx` of a block.
    fn index(&self, number: u64) -> [u32; 3] {
        let [x, y, _] = self.context.grid.map(u64::from);
        [number % x, number / x % y, number / x / y].map(|n| n as u32)
    }

    /// Adds what a block has executed to the account. True when that is too much: the first to find out reports it.
    fn charge(&self, block: &mut Block<'a>, before: u64) -> bool {
        let spent = block.env.clock - before;
        let limit = self.context.config.instruction_limit;
        if self.executed.fetch_add(spent, Relaxed) + spent <= limit {
            return false;
        }
        if !self.hung.swap(true, Relaxed) {
            let pc = block.env.pc;
            block.env.fault_at(pc, 0, 0, FaultKind::InstructionLimit { limit });
        }
        true
    }
}
