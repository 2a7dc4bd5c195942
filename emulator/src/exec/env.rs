//! What a block shares among its warps: shared memory, the launch, faults and counters.

use std::cell::RefCell;
use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::rc::Rc;

use super::cluster::{Cluster, Part};
use super::mbarrier::Mbarriers;
use super::{Warp, wgmma};
use crate::config::{Checks, Config};
use crate::fault::{Access, Fault, FaultKind, Location, SourceLine};
use crate::memory::{Region, View};
use crate::numeric::Perturbation;
use crate::program::Program;
use crate::random::Random;
use crate::shadow::{Conflict, Earlier, Issuer, SharedShadow, World};
use crate::tally::{Event, Tally};

/// What all blocks of a launch share, read only.
pub(crate) struct Context<'a> {
    pub program: &'a Program,
    pub view: View,
    pub params: &'a [u8],
    pub config: &'a Config,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    /// Blocks of a cluster along each axis.
    pub cluster: [u32; 3],
    /// The launch or the kernel named a size of clusters.
    pub is_cluster: bool,
    pub dynamic_shared: u32,
    pub shared_bytes: u32,
    /// Addresses of the module's variables.
    pub variables: &'a [u64],
    pub perturbation: Perturbation,
}

impl Context<'_> {
    /// `blockIdx` of the first block of the cluster with a number in the grid.
    pub fn first_block(&self, number: u64) -> [u32; 3] {
        let [x, y] = [0, 1].map(|axis| u64::from(self.grid[axis] / self.cluster[axis]));
        let place = [number % x, number / x % y, number / x / y];
        std::array::from_fn(|axis| place[axis] as u32 * self.cluster[axis])
    }

    /// `threadIdx` of a lane.
    fn thread(&self, warp: u32, lane: u32) -> [u32; 3] {
        let [x, y, _] = self.block;
        let thread = warp * 32 + lane;
        [thread % x, thread / x % y, thread / x / y]
    }

    /// Warps of a block.
    fn warps(&self) -> u32 {
        self.block.iter().product::<u32>().div_ceil(32)
    }

    /// One side of a conflict, in the cluster that begins with a block.
    pub fn access(&self, first: [u32; 3], (party, lane, pc): (u32, u32, u32)) -> Access {
        let (rank, warp) = (party / self.warps(), party % self.warps());
        let local = local(rank, self.cluster);
        let block = std::array::from_fn(|axis| first[axis] + local[axis]);
        Access { block, thread: self.thread(warp, lane), location: location(self.program, pc) }
    }
}

/// What the instructions of a block act on, besides their warp's registers.
pub(crate) struct Env<'a> {
    pub context: &'a Context<'a>,
    /// `blockIdx`.
    pub block: [u32; 3],
    pub shared: Vec<u8>,
    /// The block's number in its cluster.
    pub rank: u32,
    pub cluster: Cluster,
    pub mbarriers: Mbarriers,
    /// The instruction in execution.
    pub pc: u32,
    /// Warp-instructions that the block has executed: its clock.
    pub clock: u64,
    pub tally: Tally,
    pub faults: FaultLog,
    pub random: Random,
    /// The detector, unless it is off, and its part that all blocks of the worker share.
    pub shadow: Option<SharedShadow>,
    pub world: Option<Rc<RefCell<World>>>,
    /// What the detector found in the access in hand; empty between instructions.
    pub conflicts: Vec<Conflict>,
    /// The product of a warpgroup in hand.
    pub wgmma: wgmma::Product,
    /// The allocation that the last global access hit.
    hot: usize,
}

impl<'a> Env<'a> {
    /// The block with a rank in its cluster.
    pub fn new(context: &'a Context<'a>, rank: u32, world: Option<Rc<RefCell<World>>>) -> Self {
        let checks = context.config.checks;
        let threads: u32 = context.block.iter().product();
        let blocks: u32 = context.cluster.iter().product();
        let mut cluster = Cluster::default();
        cluster.parts.resize_with(blocks as usize, Part::default);
        Self {
            context,
            rank,
            cluster,
            mbarriers: Mbarriers::default(),
            block: [0; 3],
            shared: vec![0xff; context.shared_bytes as usize],
            pc: 0,
            clock: 0,
            tally: Tally::new(context.program),
            faults: FaultLog::default(),
            random: Random::new(0, 0),
            shadow: (checks != Checks::NONE)
                .then(|| SharedShadow::new(context.shared_bytes, threads.div_ceil(32), (rank, blocks), checks)),
            world,
            conflicts: Vec::new(),
            wgmma: wgmma::Product::default(),
            hot: 0,
        }
    }

    /// Notes events of the instruction in execution.
    #[inline(always)]
    pub fn note(&mut self, events: &[(Event, u64)]) {
        self.tally.note(self.pc, events);
    }

    /// Makes everything but the counts ready for a block of the cluster with a number.
    pub fn restart(&mut self, block: [u32; 3], number: u64, team: u32) {
        self.block = block;
        self.shared.fill(0xff);
        self.mbarriers.clear();
        self.clock = 0;
        self.random = Random::new(self.context.config.seed, number);
        if let Some(shadow) = &mut self.shadow {
            shadow.restart(team);
        }
    }

    /// The allocation that holds `bytes` at `address`.
    #[inline(always)]
    pub fn region(&mut self, address: u64, bytes: u64) -> Option<Region<'a>> {
        let context = self.context;
        if let Some(region) = context.view.region(self.hot).filter(|region| region.holds(address, bytes)) {
            return Some(region);
        }
        self.hot = context.view.below(address)?;
        context.view.region(self.hot).filter(|region| region.holds(address, bytes))
    }

    /// `threadIdx` of a lane.
    pub fn thread(&self, warp: u32, lane: u32) -> [u32; 3] {
        self.context.thread(warp, lane)
    }

    /// Records a fault of a lane at the instruction in execution.
    #[cold]
    #[inline(never)]
    pub fn fault(&mut self, warp: &Warp, lane: usize, kind: FaultKind) {
        self.fault_at(self.pc, warp.index, lane as u32, kind);
    }

    /// Records a fault of a lane at some instruction.
    #[cold]
    #[inline(never)]
    pub fn fault_at(&mut self, pc: u32, warp: u32, lane: u32, kind: FaultKind) {
        let earlier = match &kind {
            FaultKind::Race { earlier, .. } | FaultKind::Proxy { earlier, .. } => earlier.location.ptx_line,
            FaultKind::InFlight { copy, .. } => copy.location.ptx_line,
            _ => 0,
        };
        self.faults.total += 1;
        if self.faults.seen.insert((pc, discriminant(&kind), earlier)) && self.faults.first.len() < FaultLog::LISTED {
            let fault = Fault {
                kernel: self.context.program.name.clone(),
                block: self.block,
                thread: self.thread(warp, lane),
                location: location(self.context.program, pc),
                kind,
            };
            self.faults.first.push(fault);
        }
    }

    /// Records a fault of a copy at its issue, by a block of this cluster.
    #[cold]
    #[inline(never)]
    pub fn fault_of(&mut self, issuer: Issuer, kind: FaultKind) {
        let warps = self.context.warps();
        self.fault_at(issuer.pc, issuer.party % warps, issuer.lane, kind);
    }

    /// One side of a conflict: a lane of a warp of the cluster, by number.
    pub fn access(&self, party: u32, lane: u32, pc: u32) -> Access {
        let mine = local(self.rank, self.context.cluster);
        self.context.access(std::array::from_fn(|axis| self.block[axis] - mine[axis]), (party, lane, pc))
    }

    /// The same in any cluster of the grid.
    pub fn access_of(&self, earlier: Earlier) -> Access {
        let Earlier { team, warp, lane, pc } = earlier;
        match team {
            None => self.access(warp, lane, pc),
            Some(team) => self.context.access(self.context.first_block(team.into()), (warp, lane, pc)),
        }
    }
}

/// Where in its cluster the block with a rank lies.
pub(crate) fn local(rank: u32, [x, y, _]: [u32; 3]) -> [u32; 3] {
    [rank % x, rank / x % y, rank / x / y]
}

/// Where an instruction stands.
pub(crate) fn location(program: &Program, pc: u32) -> Location {
    let site = &program.sites[pc as usize];
    let mut lines = site.source.iter().map(|source| SourceLine {
        file: program.files.iter().find(|(n, _)| *n == source.file).map_or_else(String::new, |(_, name)| name.clone()),
        line: source.line,
    });
    let source = lines.next();
    Location { ptx_line: site.line, instruction: site.text.to_string(), source, inlined_at: lines.collect() }
}

/// The faults of a block.
#[derive(Default)]
pub(crate) struct FaultLog {
    /// One of each kind at each instruction (and, for races, each earlier instruction), the first in time.
    pub first: Vec<Fault>,
    pub total: u64,
    seen: HashSet<(u32, Discriminant<FaultKind>, u32)>,
    /// Pairs of instructions, the later one first, and whether the earlier one is a copy in flight.
    conflicts: HashSet<((u32, u32), bool)>,
}

impl FaultLog {
    /// Counts a conflict between two instructions, and says whether one of its kind has been seen.
    pub fn is_known(&mut self, pair: (u32, u32), in_flight: bool) -> bool {
        let known = !self.conflicts.insert((pair, in_flight));
        self.total += u64::from(known);
        known
    }

    /// How many faults a launch lists.
    pub const LISTED: usize = 100;
}
