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
    /// `mma`.
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
    /// `cp.async` and its groups.
    AsyncCopy,
}

impl Class {
    /// How many classes there are.
    pub const COUNT: usize = Self::AsyncCopy as usize + 1;
}

/// Counts of one launch, or of several added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Executed warp-instructions by [`Class`], those whose guard was false in every lane included.
    pub warp_instructions: [u64; Class::COUNT],
    /// Executed thread-instructions by [`Class`]: lanes whose guard was true.
    pub thread_instructions: [u64; Class::COUNT],
    /// Bytes that threads asked of global memory.
    pub global_load_bytes: u64,
    /// 32-byte sectors that these loads touch, counted for each warp-instruction.
    pub global_load_sectors: u64,
    /// Bytes that threads stored to global memory.
    pub global_store_bytes: u64,
    /// 32-byte sectors that these stores touch, counted for each warp-instruction.
    pub global_store_sectors: u64,
    /// Passes through shared memory: 128 bytes each, no two words of one bank.
    pub shared_wavefronts: u64,
    /// Passes beyond those that the bytes alone would need.
    pub shared_conflicts: u64,
    /// Multiplications and additions of `mma`.
    pub tensor_flops: u64,
    /// Times that a warp had to wait at a barrier of its block.
    pub waits: u64,
}

impl Counters {
    /// All executed warp-instructions.
    pub fn total_warp_instructions(&self) -> u64 {
        self.warp_instructions.iter().sum()
    }
}

impl AddAssign<&Self> for Counters {
    fn add_assign(&mut self, other: &Self) {
        for class in 0..Class::COUNT {
            self.warp_instructions[class] += other.warp_instructions[class];
            self.thread_instructions[class] += other.thread_instructions[class];
        }
        self.global_load_bytes += other.global_load_bytes;
        self.global_load_sectors += other.global_load_sectors;
        self.global_store_bytes += other.global_store_bytes;
        self.global_store_sectors += other.global_store_sectors;
        self.shared_wavefronts += other.shared_wavefronts;
        self.shared_conflicts += other.shared_conflicts;
        self.tensor_flops += other.tensor_flops;
        self.waits += other.waits;
    }
}
