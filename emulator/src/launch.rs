//! Launches: checks against the model's limits, and blocks over threads of the host.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use crate::config::{Approximation, Checks, Config, DeviceModel};
use crate::exec::{Context, FaultLog};
use crate::fault::{Access, Fault, FaultKind, Faults};
use crate::memory::{MemoryError, Space, View};
use crate::module::Kernel;
use crate::numeric::Perturbation;
use crate::sched::{Cluster, Progress};
use crate::shadow::{World, clashes};
use crate::tally::Tally;

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
    /// Clusters that the model has not, that do not fill the grid, or that the kernel does not require.
    #[error("clusters of {cluster:?} blocks: {what}")]
    Cluster {
        /// Blocks of a cluster along each axis.
        cluster: [u32; 3],
        /// What is wrong with them.
        what: String,
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
pub(crate) fn check(launch: &Launch<'_>, cluster: Option<[u32; 3]>, config: &Config) -> Result<(), LaunchError> {
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
    let required = program.required_cluster;
    let Some(cluster) = cluster.or(required) else { return Ok(()) };
    let blocks: u64 = cluster.iter().map(|n| u64::from(*n)).product();
    let what = if config.model.compute_capability().0 < 9 {
        "the model has none".to_owned()
    } else if !(1..=MAX_CLUSTER).contains(&blocks) {
        format!("1 to {MAX_CLUSTER} are allowed")
    } else if launch.grid.iter().zip(cluster).any(|(grid, cluster)| grid % cluster != 0) {
        format!("a grid of {:?} is no multiple of that", launch.grid)
    } else if let Some(required) = required.filter(|required| *required != cluster) {
        format!("the kernel requires {required:?}")
    } else {
        return Ok(());
    };
    Err(LaunchError::Cluster { cluster, what })
}

/// The most blocks of a cluster, with the attribute for sizes that are not portable.
const MAX_CLUSTER: u64 = 16;

/// What one worker brings back: the faults of each faulty block, by position in the order of dispatch.
#[derive(Default)]
struct Report {
    tally: Tally,
    faults: Vec<(u64, FaultLog)>,
    world: Option<World>,
}

/// Runs a checked launch.
pub(crate) fn run(
    launch: &Launch<'_>,
    cluster: Option<[u32; 3]>,
    config: &Config,
    view: View,
    variables: &[u64],
) -> Result<Tally, LaunchError> {
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
        cluster: cluster.or(program.required_cluster).unwrap_or([1; 3]),
        is_cluster: cluster.or(program.required_cluster).is_some(),
        dynamic_shared: launch.dynamic_shared,
        shared_bytes: program.static_shared + launch.dynamic_shared,
        variables,
        perturbation,
    };
    let clusters: [u64; 3] = std::array::from_fn(|axis| u64::from(launch.grid[axis] / context.cluster[axis]));
    let queue = Queue {
        context: &context,
        next: AtomicU64::new(0),
        clusters,
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
    let workers = (workers as u64).min(clusters.iter().product());
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
    let mut tally = Tally::default();
    let (mut faults, mut worlds) = (Vec::new(), Vec::new());
    for report in reports {
        tally.add(report.tally);
        faults.extend(report.faults);
        worlds.extend(report.world);
    }
    faults.sort_by_key(|(position, _)| *position);
    if config.checks.races {
        faults.extend(between_blocks(&context, worlds).map(|log| (u64::MAX, log)));
    }
    if faults.is_empty() { Ok(tally) } else { Err(summary(faults).into()) }
}

/// The races between blocks that cannot influence each other.
fn between_blocks(context: &Context<'_>, worlds: Vec<World>) -> Option<FaultLog> {
    let (found, total) = clashes(worlds);
    let mut log = FaultLog::default();
    log.total = total;
    for clash in found.into_iter().take(FaultLog::LISTED) {
        let [earlier, later] = [clash.earlier, clash.later].map(|side| {
            context.access(context.first_block(side.team.unwrap_or(0).into()), (side.warp, side.lane, side.pc))
        });
        let kind = FaultKind::Race {
            space: Space::Global.name(),
            address: clash.address,
            nearest: context.view.nearest(clash.address),
            hazard: clash.hazard.name(),
            earlier: Box::new(earlier),
        };
        let Access { block, thread, location } = later;
        log.first.push(Fault { kernel: context.program.name.clone(), block, thread, location, kind });
    }
    (total != 0).then_some(log)
}

/// The first faults in the order of blocks, one of each kind at each instruction.
fn summary(logs: Vec<(u64, FaultLog)>) -> Faults {
    let total = logs.iter().map(|(_, log)| log.total).sum();
    let mut faults: Vec<Fault> = Vec::new();
    let earlier = |kind: &FaultKind| match kind {
        FaultKind::Race { earlier: access, .. }
        | FaultKind::Proxy { earlier: access, .. }
        | FaultKind::InFlight { copy: access, .. } => access.location.ptx_line,
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

/// The clusters of a launch that no worker has taken yet; without clusters, its blocks.
struct Queue<'a> {
    context: &'a Context<'a>,
    /// The next one in the order of dispatch.
    next: AtomicU64,
    /// How many there are along each axis.
    clusters: [u64; 3],
    /// Warp-instructions of all blocks so far.
    executed: AtomicU64,
    hung: AtomicBool,
}

impl<'a> Queue<'a> {
    /// Runs blocks until none is left.
    fn work(&self) -> Report {
        let residency = self.context.config.residency;
        // Without communication nothing tells whether blocks run in turn or one by one, so they run one by one.
        let blocks: u32 = self.context.cluster.iter().product();
        let residents = if self.context.program.communicates { residency.resident_blocks / blocks as usize } else { 1 };
        let mut report = Report::default();
        let is_checked = self.context.config.checks != Checks::NONE;
        let world = is_checked.then(|| Rc::new(RefCell::new(World::new(self.context.program.communicates))));
        let mut resident: Vec<(u64, Cluster<'a>)> = Vec::new();
        let mut spare: Vec<Cluster<'a>> = Vec::new();
        loop {
            while resident.len() < residents.max(1) {
                let Some(position) = self.take() else { break };
                let number = if residency.reversed { self.count() - 1 - position } else { position };
                let mut cluster = spare.pop().unwrap_or_else(|| Cluster::new(self.context, &world));
                cluster.restart(number, &|index| self.number(index));
                resident.push((position, cluster));
            }
            if resident.is_empty() {
                break;
            }
            let mut at = 0;
            while at < resident.len() {
                let (position, cluster) = &mut resident[at];
                let before = cluster.clock();
                let progress = cluster.run(SLICE);
                let hung = self.charge(cluster, before);
                if matches!(progress, Progress::Done | Progress::Aborted) || hung {
                    for block in &mut cluster.blocks {
                        let log = std::mem::take(&mut block.env.faults);
                        if log.total != 0 {
                            report.faults.push((*position * u64::from(blocks) + u64::from(block.env.rank), log));
                        }
                    }
                    spare.push(resident.remove(at).1);
                } else {
                    at += 1;
                }
            }
        }
        spare.iter_mut().for_each(|cluster| report.tally.add(cluster.take_tally()));
        drop(spare);
        report.world = world.and_then(Rc::into_inner).map(RefCell::into_inner);
        report
    }

    fn take(&self) -> Option<u64> {
        (!self.hung.load(Relaxed)).then(|| self.next.fetch_add(1, Relaxed)).filter(|position| *position < self.count())
    }

    fn count(&self) -> u64 {
        self.clusters.iter().product()
    }

    /// A block's number in the grid.
    fn number(&self, index: [u32; 3]) -> u64 {
        let ([x, y, _], index) = (self.context.grid.map(u64::from), index.map(u64::from));
        index[0] + x * (index[1] + y * index[2])
    }

    /// Adds what a cluster has executed to the account. True when that is too much: the first to find out reports it.
    fn charge(&self, cluster: &mut Cluster<'a>, before: u64) -> bool {
        let spent = cluster.clock() - before;
        let limit = self.context.config.instruction_limit;
        if self.executed.fetch_add(spent, Relaxed) + spent <= limit {
            return false;
        }
        if !self.hung.swap(true, Relaxed) {
            let block = cluster.last();
            let pc = block.env.pc;
            block.env.fault_at(pc, 0, 0, FaultKind::InstructionLimit { limit });
        }
        true
    }
}
