//! What a caller may choose about a run: the device that is played, the order of events, the errors that hardware may make.

/// A device whose limits the emulator plays. The names are NVIDIA compute capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceModel {
    /// Compute capability 8.0 (A100).
    Sm80,
    /// Compute capability 8.6 (GeForce RTX 30, A10, A40).
    Sm86,
    /// Compute capability 8.9 (GeForce RTX 40, L4, L40).
    Sm89,
    /// Compute capability 9.0 (H100, H200).
    Sm90,
    /// Compute capability 12.0 (GeForce RTX 50, RTX PRO 6000).
    Sm120,
}

impl DeviceModel {
    /// Every model, oldest first.
    pub const ALL: [Self; 5] = [Self::Sm80, Self::Sm86, Self::Sm89, Self::Sm90, Self::Sm120];

    /// Major and minor compute capability.
    pub const fn compute_capability(self) -> (u32, u32) {
        match self {
            Self::Sm80 => (8, 0),
            Self::Sm86 => (8, 6),
            Self::Sm89 => (8, 9),
            Self::Sm90 => (9, 0),
            Self::Sm120 => (12, 0),
        }
    }

    /// Most shared memory, static and dynamic together, that one block may opt in to, in bytes
    /// (CUDA C++ Programming Guide, table "Technical Specifications per Compute Capability").
    pub const fn shared_memory_per_block_optin(self) -> u32 {
        match self {
            Self::Sm80 => 163 * 1024,
            Self::Sm86 | Self::Sm89 | Self::Sm120 => 99 * 1024,
            Self::Sm90 => 227 * 1024,
        }
    }

    /// Shared memory of one multiprocessor, in bytes. One KiB of it goes to the system for each resident block.
    pub const fn shared_memory_per_multiprocessor(self) -> u32 {
        match self {
            Self::Sm80 => 164 * 1024,
            Self::Sm86 | Self::Sm89 | Self::Sm120 => 100 * 1024,
            Self::Sm90 => 228 * 1024,
        }
    }

    /// Multiprocessors of the model's best-known card (A100, RTX 3090, RTX 4090, H100 SXM, RTX 5090).
    pub const fn multiprocessors(self) -> u32 {
        match self {
            Self::Sm80 => 108,
            Self::Sm86 => 82,
            Self::Sm89 => 128,
            Self::Sm90 => 132,
            Self::Sm120 => 170,
        }
    }
}

/// The order in which the warps of a block take their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Schedule {
    /// Each warp in turn, a few instructions at a time.
    #[default]
    RoundRobin,
    /// A warp drawn at random from the seed, for a random number of instructions.
    Random,
    /// One warp runs until it must wait, then another: shows a missing barrier that fair orders hide.
    Greedy,
}

/// When the data of an asynchronous copy arrives, between its issue and the wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Asynchrony {
    /// At the issue; of a `wgmma`, at that by the last of its four warps.
    Eager,
    /// At the wait, the last moment that the model allows.
    #[default]
    Late,
    /// At a moment drawn from the seed.
    Random,
}

/// How approximate functions and tensor-core sums are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Approximation {
    /// Correctly rounded results.
    #[default]
    Exact,
    /// Off by up to the documented bound, as drawn from the seed: hardware may be as bad, so a test has to pass.
    Perturbed,
}

/// Checks that cost time. Bounds and alignment are always checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checks {
    /// Data races on shared and global memory, by happens-before.
    pub races: bool,
    /// Reads of shared memory, local memory or registers that nothing has written.
    pub uninitialised: bool,
    /// Reads of global memory that neither the host nor a kernel has written since its allocation.
    pub uninitialised_global: bool,
    /// Stores to shared memory of the value that is there already, by another warp or instruction than the one that put it there. They are races in
    /// the PTX memory model and change nothing; Triton's code relies on that.
    pub equal_stores: bool,
}

impl Checks {
    /// Every check.
    pub const ALL: Self = Self { races: true, uninitialised: true, uninitialised_global: true, equal_stores: true };
    /// Bounds and alignment alone.
    pub const NONE: Self =
        Self { races: false, uninitialised: false, uninitialised_global: false, equal_stores: false };
}

impl Default for Checks {
    fn default() -> Self {
        Self::ALL
    }
}

/// How many blocks run at once, and from which end of the grid. CUDA promises neither, so a kernel may rely on neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Residency {
    /// Blocks that may wait for one another at the same time.
    pub resident_blocks: usize,
    /// Start with the last block of the grid.
    pub reversed: bool,
}

impl Default for Residency {
    fn default() -> Self {
        Self { resident_blocks: 16, reversed: false }
    }
}

/// Everything that a run depends on besides the kernel and its data: the same configuration gives the same result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The device whose limits hold.
    pub model: DeviceModel,
    /// The order of warps.
    pub schedule: Schedule,
    /// The completion of asynchronous copies.
    pub asynchrony: Asynchrony,
    /// The rounding of approximate functions and tensor-core sums.
    pub approximation: Approximation,
    /// The checks that cost time.
    pub checks: Checks,
    /// Resident blocks and their order.
    pub residency: Residency,
    /// Seeds every random choice.
    pub seed: u64,
    /// Operating-system threads over which independent blocks are spread; 0 means one per core.
    pub workers: usize,
    /// Executed warp-instructions after which a launch counts as hung.
    pub instruction_limit: u64,
}

impl Config {
    /// The default configuration for a model: round-robin, late copies, exact results, every check, seed 0.
    pub fn new(model: DeviceModel) -> Self {
        Self {
            model,
            schedule: Schedule::default(),
            asynchrony: Asynchrony::default(),
            approximation: Approximation::default(),
            checks: Checks::default(),
            residency: Residency::default(),
            seed: 0,
            workers: 0,
            instruction_limit: 20_000_000_000,
        }
    }
}
