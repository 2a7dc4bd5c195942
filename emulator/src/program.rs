//! A kernel as the scheduler runs it.

use crate::ast::SourceRef;
use crate::counters::{Class, Pipe, TensorType, WaitKind};
use crate::decode::Address;
use crate::executed::Executed;
use crate::isa::Action;
use crate::lanes::{Pred, R32, R64};
use crate::memory::Space;
use crate::numeric::wgmma::Form;

/// A decoded kernel: its own instructions and those of the functions that it calls.
pub(crate) struct Program {
    pub name: String,
    pub params: Vec<Param>,
    pub param_bytes: u32,
    pub max_threads: Option<[u32; 3]>,
    pub required_threads: Option<[u32; 3]>,
    /// `.maxnreg`.
    pub max_registers: Option<u32>,
    /// `.minnctapersm`, or 0.
    pub min_blocks: u32,
    /// `.reqnctapercluster`.
    pub required_cluster: Option<[u32; 3]>,
    /// Bytes of the statically sized shared variables; dynamic shared memory starts at the next multiple of its alignment.
    pub static_shared: u32,
    /// Local memory of each thread, `.param` variables of calls included.
    pub local_bytes: u32,
    pub insts: Vec<Inst>,
    /// Where each instruction stands; parallel to `insts`.
    pub sites: Vec<Site>,
    /// First instruction of the kernel itself; callees lie before it, so that lanes inside them come first.
    pub entry: u32,
    pub r32: u32,
    pub r64: u32,
    pub preds: u32,
    pub constants: Vec<Constant>,
    /// How many registers may be read before they are written. They have a poison value, and a mask in [`crate::exec::Warp`].
    pub tracked: Vec<Register>,
    /// The names of the registers that `wgmma` uses while the program goes on. See [`crate::exec::wgmma::Guard`].
    pub guarded: Vec<Box<str>>,
    /// Whether blocks can influence each other (atomics, volatile or scoped accesses to global memory): then they share one worker.
    pub communicates: bool,
    pub executed: Executed,
    pub files: std::sync::Arc<[(u32, String)]>,
}

/// A kernel parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelParam {
    /// Byte offset in the packed parameters.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// Alignment in bytes.
    pub align: u32,
}

pub(crate) use KernelParam as Param;

/// A register of any file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Register {
    R32(R32),
    R64(R64),
    Pred(Pred),
}

/// A broadcast or special register, which is set before a block starts and never written by an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Constant {
    pub register: Register,
    pub value: Value,
}

/// What a constant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// These bits in every lane.
    Bits(u64),
    /// The address of a module variable, and an offset from it.
    Variable(usize, i64),
    Special(Special),
}

/// A predefined register that does not change while a block runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Special {
    Tid(usize),
    Ntid(usize),
    Ctaid(usize),
    Nctaid(usize),
    Lane,
    Warp,
    Warps,
    Multiprocessor,
    Multiprocessors,
    LaneMask(LaneMask),
    DynamicShared,
    TotalShared,
    /// The cluster's place in the grid of clusters, and clusters along an axis.
    ClusterId(usize),
    Clusters(usize),
    /// The block's place in its cluster, and blocks of a cluster along an axis.
    ClusterCtaid(usize),
    ClusterBlocks(usize),
    ClusterRank,
    ClusterSize,
    IsCluster,
}

/// How `%lanemask_*` compares with the lane's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LaneMask {
    Equal,
    LessEqual,
    Less,
    GreaterEqual,
    Greater,
}

/// One instruction.
pub(crate) struct Inst {
    pub op: Op,
    /// Lanes whose guard bit, after `flip`, is set execute. Without a guard it is a constant.
    pub guard: Pred,
    pub flip: u32,
    /// Registers of `Program::tracked` that it touches.
    pub tracked: Option<Box<Tracked>>,
}

/// What an instruction does with registers that may be uninitialised, as indices into [`Program::tracked`].
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    pub reads: Vec<u32>,
    /// The guard, which lanes read that do not execute.
    pub guard: Option<u32>,
    pub writes: Vec<u32>,
    /// Registers of [`Program::guarded`], if the instruction is no `wgmma`.
    pub touches: Vec<u32>,
    /// A copy: what it writes is as initialised as what it reads, and reading is no fault yet.
    pub copies: bool,
}

/// The kinds of instruction that the scheduler tells apart.
pub(crate) enum Op {
    /// Touches registers and memory and goes on with the next instruction.
    Plain(Action),
    /// The same for a `.sync` instruction, which needs its lanes together.
    Collective(Members, Action, Option<Box<Exchange>>),
    /// `bar.warp.sync`.
    WarpBarrier(Members),
    Branch(u32),
    BranchIndexed(R32, Box<[u32]>),
    Call(u32),
    /// The function with the address that is in the register, of those with these addresses and first instructions.
    CallIndirect(R64, Box<[(u64, u32)]>),
    /// `ret` in a function. In a kernel it is an exit.
    Return,
    Exit,
    Barrier(Box<Barrier>),
    Warpgroup(Box<Warpgroup>),
    MbarrierWait(Box<MbarrierWait>),
    /// `barrier.cluster.arrive`.
    ClusterArrive {
        releases: bool,
        aligned: bool,
    },
    /// `barrier.cluster.wait`.
    ClusterWait {
        acquires: bool,
        aligned: bool,
    },
    Trap,
}

/// An instruction of four warps together.
pub(crate) enum Warpgroup {
    /// `wgmma.fence`.
    Fence,
    /// `wgmma.mma_async`.
    Multiply(Wgmma),
    /// `wgmma.commit_group`.
    Commit,
    /// `wgmma.wait_group`: at most so many groups stay in flight.
    Wait(u32),
    /// `setmaxnreg`: `more` for `.inc`.
    Registers { count: u32, more: bool },
}

/// `wgmma.mma_async`.
pub(crate) struct Wgmma {
    pub form: Form,
    /// Missing if `a` is in registers.
    pub a: Option<Matrix>,
    pub b: Matrix,
    /// `scale-d`.
    pub accumulate: Pred,
    /// What it does to one warp, with the operands of `Env::wgmma`.
    pub action: Action,
    /// Its accumulators and its registers of `a`, in [`Program::guarded`].
    pub accumulators: Vec<u32>,
    pub fragments: Vec<u32>,
    /// Accumulators in [`Program::tracked`], which it reads if it accumulates.
    pub uninitialised: Vec<u32>,
}

/// A matrix in shared memory.
#[derive(Clone, Copy)]
pub(crate) struct Matrix {
    pub descriptor: R64,
    /// Rows of `a`, columns of `b` are contiguous, rather than the depth.
    pub across: bool,
}

/// `mbarrier.test_wait` and `mbarrier.try_wait`.
pub(crate) struct MbarrierWait {
    pub result: Pred,
    pub space: Space,
    pub address: Address,
    pub phase: WaitFor,
    pub acquires: bool,
    /// `try_wait`.
    pub waits: bool,
}

/// Where a wait has its phase from.
#[derive(Clone, Copy)]
pub(crate) enum WaitFor {
    State(R64),
    Parity(R32),
}

/// An instruction whose lanes may stand at several places in the text, as long as all execute the same.
pub(crate) struct Exchange {
    /// Opcode and modifiers.
    pub form: Box<str>,
    /// The registers that it reads, its member mask among them, and those that it writes.
    pub sources: Box<[Register]>,
    pub results: Box<[Register]>,
}

/// Which lanes a `.sync` instruction names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Members {
    /// `.aligned` without a mask: every lane that has not exited.
    All,
    /// The same where no lane may have exited or be missing from the warp.
    Whole,
    Mask(R32),
}

/// `bar` and `barrier`.
pub(crate) struct Barrier {
    pub action: BarrierAction,
    pub id: R32,
    /// Participating threads, a multiple of 32; all threads of the block if missing.
    pub threads: Option<R32>,
    /// All lanes of the warp have to come together.
    pub aligned: bool,
}

/// What arriving at a barrier means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BarrierAction {
    Sync,
    Arrive,
    /// `.red.popc`: how many threads gave true.
    Count(R32, Pred),
    /// `.red.and`.
    And(Pred, Pred),
    /// `.red.or`.
    Or(Pred, Pred),
}

impl BarrierAction {
    /// Whether it is a `.red`.
    pub fn reduces(self) -> bool {
        !matches!(self, Self::Sync | Self::Arrive)
    }
}

/// Where an instruction stands in the text.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub line: u32,
    pub text: Box<str>,
    pub source: Box<[SourceRef]>,
    pub work: Work,
}

/// What one execution of an instruction amounts to, as far as its text says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub class: Class,
    pub pipe: Pipe,
    /// Results of special functions in each lane.
    pub special_functions: u8,
    /// Multiplications and additions of one warp's tensor cores, and on which type.
    pub flops: u32,
    pub tensor_type: TensorType,
    /// What it waits for, if it waits.
    pub wait: WaitKind,
    /// It stands for its instruction, and is none of the steps that prepare or complete it.
    pub counts: bool,
}
