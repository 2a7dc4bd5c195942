//! What a profiler would count.

use std::ops::AddAssign;

/// The classes of instruction that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// Integer and logical operations, moves and comparisons.
    Integer,
    /// Floating-point arithmetic.
    Float,
    /// `cvt`.
    Conversion,
    /// Approximate functions: reciprocals, roots, exponentials and the like.
    SpecialFunction,
    /// `mma`, `wmma.mma`, `wgmma.mma_async`.
    Tensor,
    /// Loads from global memory.
    GlobalLoad,
    /// Stores to global memory.
    GlobalStore,
    /// Loads from shared memory, `ldmatrix` included.
    SharedLoad,
    /// Stores to shared memory.
    SharedStore,
    /// Loads and stores of local memory.
    Local,
    /// Loads of parameters.
    Param,
    /// Atomic operations.
    Atomic,
    /// Shuffles, votes, matches and reductions over a warp.
    Shuffle,
    /// Barriers and fences.
    Barrier,
    /// Branches, calls, exits.
    Control,
    /// `cp.async` and its groups, bulk and tensor copies.
    AsyncCopy,
}

impl Class {
    /// How many classes there are.
    pub const COUNT: usize = Self::ALL.len();
    /// Every class, in the order of its index.
    pub const ALL: [Self; 16] = [
        Self::Integer,
        Self::Float,
        Self::Conversion,
        Self::SpecialFunction,
        Self::Tensor,
        Self::GlobalLoad,
        Self::GlobalStore,
        Self::SharedLoad,
        Self::SharedStore,
        Self::Local,
        Self::Param,
        Self::Atomic,
        Self::Shuffle,
        Self::Barrier,
        Self::Control,
        Self::AsyncCopy,
    ];

    /// A word or two for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer, moves",
            Self::Float => "float",
            Self::Conversion => "conversion",
            Self::SpecialFunction => "special function",
            Self::Tensor => "tensor",
            Self::GlobalLoad => "global load",
            Self::GlobalStore => "global store",
            Self::SharedLoad => "shared load",
            Self::SharedStore => "shared store",
            Self::Local => "local",
            Self::Param => "parameter",
            Self::Atomic => "atomic",
            Self::Shuffle => "shuffle, vote",
            Self::Barrier => "barrier, fence",
            Self::Control => "control",
            Self::AsyncCopy => "async copy",
        }
    }
}

/// The pipe of a multiprocessor that executes what a PTX instruction asks for, as NVIDIA's Nsight Compute documentation
/// ("Pipelines") and the CUDA C++ Programming Guide ("Arithmetic Instructions") describe the pipes of compute capability 8.0 to 9.0.
///
/// PTX is not machine code. ptxas folds moves and parameters into other instructions, puts work of a whole warp on the uniform
/// datapath, turns shifts and additions into multiply-adds and back, and expands divisions into many instructions: a count of
/// pipes is of the text that it is given, one PTX instruction to one pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Pipe {
    /// Arithmetic-logic unit: logic, shifts, integer additions, comparisons, minima, selections, moves, votes, narrowing of floats.
    Alu,
    /// Fused multiply-add: f32 arithmetic, integer multiplication, dot products of bytes.
    Fma,
    /// f16 and bf16 arithmetic, f16 to f32: a pipe of its own in 8.0 and 9.0, part of [`Pipe::Fma`] in 8.6, 8.9 and 12.0.
    Half,
    /// f64 arithmetic and comparisons.
    Double,
    /// Transcendental functions and conversions between integers and floats; by their rates also `popc`, `clz`, `bfind`, `brev`.
    Xu,
    /// Load-store unit: loads, stores, atomics, `cp.async`, `ldmatrix`, `mbarrier`, memory fences, shuffles. `match`, `redux` and
    /// `movmatrix` are counted here with the shuffles.
    Lsu,
    /// Tensor cores.
    Tensor,
    /// Address divergence unit: barriers of blocks and clusters, loads of parameters from constant memory.
    Adu,
    /// Convergence barrier unit: branches, calls, exits, `bar.warp.sync`.
    Cbu,
    /// Tensor memory accelerator: bulk and tensor copies.
    Tma,
}

impl Pipe {
    /// How many pipes there are.
    pub const COUNT: usize = Self::ALL.len();
    /// Every pipe, in the order of its index.
    pub const ALL: [Self; 10] = [
        Self::Alu,
        Self::Fma,
        Self::Half,
        Self::Double,
        Self::Xu,
        Self::Lsu,
        Self::Tensor,
        Self::Adu,
        Self::Cbu,
        Self::Tma,
    ];

    /// A word or two for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alu => "ALU (integer)",
            Self::Fma => "FMA (f32)",
            Self::Half => "FP16",
            Self::Double => "FP64",
            Self::Xu => "XU (special)",
            Self::Lsu => "LSU (memory)",
            Self::Tensor => "tensor",
            Self::Adu => "ADU (barrier)",
            Self::Cbu => "CBU (branch)",
            Self::Tma => "TMA (bulk)",
        }
    }
}

/// The type of the factors of a tensor-core product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TensorType {
    /// f16.
    F16,
    /// bf16.
    Bf16,
    /// tf32.
    Tf32,
    /// f64.
    F64,
    /// 8-bit floats: e4m3, e5m2.
    F8,
    /// 8-bit integers.
    I8,
}

impl TensorType {
    /// How many types there are.
    pub const COUNT: usize = Self::ALL.len();
    /// Every type, in the order of its index.
    pub const ALL: [Self; 6] = [Self::F16, Self::Bf16, Self::Tf32, Self::F64, Self::F8, Self::I8];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Tf32 => "tf32",
            Self::F64 => "f64",
            Self::F8 => "f8",
            Self::I8 => "i8",
        }
    }
}

/// What a warp waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WaitKind {
    /// A barrier of the block: `bar`, `barrier`, but for arrivals.
    Barrier,
    /// A phase of an `mbarrier` object; polls in vain are not counted.
    Mbarrier,
    /// `cp.async.wait_group`, `cp.async.wait_all`.
    Copy,
    /// `cp.async.bulk.wait_group`.
    Bulk,
    /// `wgmma.wait_group`.
    Warpgroup,
    /// `barrier.cluster.wait`.
    Cluster,
}

impl WaitKind {
    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();
    /// Every kind, in the order of its index.
    pub const ALL: [Self; 6] = [Self::Barrier, Self::Mbarrier, Self::Copy, Self::Bulk, Self::Warpgroup, Self::Cluster];

    /// A word for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Barrier => "barrier",
            Self::Mbarrier => "mbarrier",
            Self::Copy => "cp.async",
            Self::Bulk => "bulk",
            Self::Warpgroup => "wgmma",
            Self::Cluster => "cluster",
        }
    }
}

/// Bytes of asynchronous copies on their way, in a block or the blocks of a cluster: of `cp.async` and of copies to global memory from
/// the issue to the wait for them, of copies that complete on an `mbarrier` object from the issue to their arrival, which is when
/// [`crate::Config::asynchrony`] has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// The most at a time.
    pub peak: u64,
    /// Sum over the executed warp-instructions, and how many these are.
    pub(crate) area: u64,
    pub(crate) span: u64,
}

impl InFlight {
    /// The mean over a block's or cluster's executed warp-instructions.
    pub fn mean(&self) -> f64 {
        self.area as f64 / self.span.max(1) as f64
    }
}

impl AddAssign<&Self> for InFlight {
    fn add_assign(&mut self, other: &Self) {
        self.peak = self.peak.max(other.peak);
        self.area += other.area;
        self.span += other.span;
    }
}

/// Counts of one launch, of several added up, or of some instructions of a launch ([`crate::Profile`]).
///
/// Everything is counted in the PTX text: registers that ptxas spills to local memory, for instance, are not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Executed warp-instructions by [`Class`], those whose guard was false in every lane included.
    pub warp_instructions: [u64; Class::COUNT],
    /// Executed thread-instructions by [`Class`]: lanes whose guard was true.
    pub thread_instructions: [u64; Class::COUNT],
    /// Executed warp-instructions by [`Pipe`].
    pub pipe_warp_instructions: [u64; Pipe::COUNT],
    /// Executed thread-instructions by [`Pipe`].
    pub pipe_thread_instructions: [u64; Pipe::COUNT],
    /// Lanes that came to an instruction and whose guard was false, those that did not take a branch included.
    pub predicated_off: u64,
    /// Branches that some of a warp's lanes took and others did not.
    pub divergent_branches: u64,
    /// Bytes that threads asked of global memory.
    pub global_load_bytes: u64,
    /// 32-byte sectors that these loads touch, counted for each warp-instruction.
    pub global_load_sectors: u64,
    /// Bytes that threads stored to global memory, atomics and reductions included.
    pub global_store_bytes: u64,
    /// 32-byte sectors that these stores touch, counted for each warp-instruction.
    pub global_store_sectors: u64,
    /// Passes through shared memory: 128 bytes each, no two words of one bank. Bulk copies and the operands of `wgmma` are not counted.
    pub shared_wavefronts: u64,
    /// Passes beyond those that the bytes alone would need.
    pub shared_conflicts: u64,
    /// Bytes that threads loaded from local memory, which is where `.param` variables of calls lie, too.
    pub local_load_bytes: u64,
    /// Bytes that threads stored to local memory.
    pub local_store_bytes: u64,
    /// Bytes that asynchronous copies were asked to write, zeros included; once for each block that a copy is multicast to.
    pub async_bytes: u64,
    /// Those bytes on their way. Not known of single instructions.
    pub in_flight: InFlight,
    /// Results of special functions: of each lane, two of packed operands. Divisions, roots and reciprocals of all roundings count one.
    pub special_functions: u64,
    /// Multiplications and additions of tensor cores by [`TensorType`].
    pub tensor_flops_by_type: [u64; TensorType::COUNT],
    /// The same of all types.
    pub tensor_flops: u64,
    /// How often warps waited, by [`WaitKind`]: whether or not what they waited for had come already.
    pub waits: [u64; WaitKind::COUNT],
}

impl Counters {
    /// All executed warp-instructions.
    pub fn total_warp_instructions(&self) -> u64 {
        self.warp_instructions.iter().sum()
    }

    /// All executed thread-instructions.
    pub fn total_thread_instructions(&self) -> u64 {
        self.thread_instructions.iter().sum()
    }

    /// Lanes that came to a warp-instruction, on average: 32 without divergence.
    pub fn mean_active_lanes(&self) -> f64 {
        let lanes = self.total_thread_instructions() + self.predicated_off;
        lanes as f64 / self.total_warp_instructions().max(1) as f64
    }

    /// Bytes asked for as a share of the bytes of the sectors that were touched; `None` without loads. Lanes that read the same bytes
    /// can make it more than 1.
    pub fn load_efficiency(&self) -> Option<f64> {
        efficiency(self.global_load_bytes, self.global_load_sectors)
    }

    /// The same of stores.
    pub fn store_efficiency(&self) -> Option<f64> {
        efficiency(self.global_store_bytes, self.global_store_sectors)
    }
}

fn efficiency(bytes: u64, sectors: u64) -> Option<f64> {
    (sectors != 0).then(|| bytes as f64 / (32 * sectors) as f64)
}

impl AddAssign<&Self> for Counters {
    fn add_assign(&mut self, other: &Self) {
        add(&mut self.warp_instructions, &other.warp_instructions);
        add(&mut self.thread_instructions, &other.thread_instructions);
        add(&mut self.pipe_warp_instructions, &other.pipe_warp_instructions);
        add(&mut self.pipe_thread_instructions, &other.pipe_thread_instructions);
        self.predicated_off += other.predicated_off;
        self.divergent_branches += other.divergent_branches;
        self.global_load_bytes += other.global_load_bytes;
        self.global_load_sectors += other.global_load_sectors;
        self.global_store_bytes += other.global_store_bytes;
        self.global_store_sectors += other.global_store_sectors;
        self.shared_wavefronts += other.shared_wavefronts;
        self.shared_conflicts += other.shared_conflicts;
        self.local_load_bytes += other.local_load_bytes;
        self.local_store_bytes += other.local_store_bytes;
        self.async_bytes += other.async_bytes;
        self.in_flight += &other.in_flight;
        self.special_functions += other.special_functions;
        add(&mut self.tensor_flops_by_type, &other.tensor_flops_by_type);
        self.tensor_flops += other.tensor_flops;
        add(&mut self.waits, &other.waits);
    }
}

fn add<const N: usize>(to: &mut [u64; N], from: &[u64; N]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_their_indices() {
        assert!(Class::ALL.iter().enumerate().all(|(at, class)| *class as usize == at));
        assert!(Pipe::ALL.iter().enumerate().all(|(at, pipe)| *pipe as usize == at));
        assert!(TensorType::ALL.iter().enumerate().all(|(at, ty)| *ty as usize == at));
        assert!(WaitKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
    }
}
