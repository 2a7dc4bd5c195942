//! What a kernel did wrong, as values: kernel, block, thread, both source lines.

use std::fmt;

/// A line of a source file, from a `.loc` directive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceLine {
    /// The file, as `.file` names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Where an instruction stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The line of the PTX text, from 1.
    pub ptx_line: u32,
    /// The instruction as it is written there.
    pub instruction: String,
    /// The `.cu` or `.cuh` line it came from, where the PTX was made with `-lineinfo`.
    pub source: Option<SourceLine>,
    /// The line that called the function around it, where that was inlined; the outermost call last.
    pub inlined_at: Vec<SourceLine>,
}

/// One side of a conflict: who, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// `blockIdx`.
    pub block: [u32; 3],
    /// `threadIdx`.
    pub thread: [u32; 3],
    /// The accessing instruction.
    pub location: Location,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// An access outside every allocation, or across the end of one.
    OutOfBounds {
        /// "global", "shared", "local", "param" or "const".
        space: &'static str,
        /// The first byte accessed.
        address: u64,
        /// Bytes accessed.
        bytes: u32,
        /// The nearest allocation at or below the address, and where the access lies in it.
        nearest: Option<String>,
    },
    /// An address that is not a multiple of the access size.
    Misaligned {
        /// "global", "shared", "local", "param" or "const".
        space: &'static str,
        /// The first byte accessed.
        address: u64,
        /// The alignment that the instruction requires.
        required: u32,
    },
    /// A write to memory that the kernel may only read.
    ReadOnly {
        /// The first byte accessed.
        address: u64,
    },
    /// Two accesses to the same bytes of shared or global memory, at least one a write, that nothing orders.
    Race {
        /// "global" or "shared".
        space: &'static str,
        /// Byte offset in shared memory, or address in global memory.
        address: u64,
        /// Where in its allocation an address in global memory lies.
        nearest: Option<String>,
        /// "read after write", "write after read" or "write after write".
        hazard: &'static str,
        /// The earlier access.
        earlier: Box<Access>,
    },
    /// An access to what an asynchronous copy writes, or a write to what it reads, before the copy has been waited for.
    InFlight {
        /// Byte offset in shared memory.
        address: u64,
        /// The copy.
        copy: Box<Access>,
    },
    /// A register of a `wgmma.mma_async` was touched before the wait for it.
    RegisterInFlight {
        /// The register's name.
        register: String,
        /// The latest `wgmma.mma_async` that uses it.
        product: Box<Access>,
    },
    /// A `wgmma.mma_async` without a `wgmma.fence` after the last access to one of its registers by another kind of instruction.
    Unfenced {
        /// The register's name.
        register: String,
    },
    /// An asynchronous copy of bytes that a thread wrote, where no `fence.proxy.async` lies between the two.
    Proxy {
        /// Byte offset in shared memory.
        address: u64,
        /// The write.
        earlier: Box<Access>,
    },
    /// A wrong use of an `mbarrier` object, or an ordinary access to one.
    Mbarrier {
        /// Byte offset in shared memory.
        address: u64,
        /// What is wrong.
        what: String,
    },
    /// A read of something that nothing has written.
    Uninitialised {
        /// "shared", "local", "global" or "register".
        space: &'static str,
        /// Byte offset, address in global memory, or the register's number.
        address: u64,
        /// Where in its allocation an address in global memory lies.
        nearest: Option<String>,
    },
    /// A barrier or a `.sync` instruction that some of the threads it names cannot reach, or reach in a wrong way.
    Divergence {
        /// What was expected and what came.
        what: String,
    },
    /// No warp can go on.
    Deadlock {
        /// One line for each group of lanes of each warp: its lanes, what it waits for, and where.
        waiting: Vec<String>,
    },
    /// An operand that the instruction does not allow.
    Invalid {
        /// What is wrong.
        what: String,
    },
    /// `trap` or a failed assertion in the kernel.
    Trap,
    /// More instructions than [`crate::Config::instruction_limit`] allows.
    InstructionLimit {
        /// The limit.
        limit: u64,
    },
}

/// A fault of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The kernel.
    pub kernel: String,
    /// `blockIdx`.
    pub block: [u32; 3],
    /// `threadIdx` of the first thread that is affected.
    pub thread: [u32; 3],
    /// The instruction.
    pub location: Location,
    /// What went wrong.
    pub kind: FaultKind,
}

/// The faults of one launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The first faults, in the order of their blocks; never empty. Faults of the same kind at the same instruction count once.
    pub faults: Vec<Fault>,
    /// All faults, those not listed included.
    pub total: u64,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{source}")?,
            None => write!(f, "PTX line {}", self.ptx_line)?,
        }
        for call in &self.inlined_at {
            write!(f, ", called from {call}")?;
        }
        write!(f, " ({})", self.instruction)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {:?}, thread {:?} at {}", self.block, self.thread, self.location)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds { space, address, bytes, nearest } => {
                write!(f, "{bytes} bytes of {space} memory at {address:#x} are out of bounds")?;
                nearest.as_ref().map_or(Ok(()), |nearest| write!(f, " ({nearest})"))
            }
            Self::Misaligned { space, address, required } => {
                write!(f, "{space} address {address:#x} is not a multiple of {required}")
            }
            Self::ReadOnly { address } => write!(f, "write to read-only memory at {address:#x}"),
            Self::Race { space, address, nearest, hazard, earlier } => match nearest {
                Some(nearest) => write!(f, "race on {nearest}: {hazard}, the earlier access by {earlier}"),
                None => write!(f, "race on {space} byte {address}: {hazard}, the earlier access by {earlier}"),
            },
            Self::InFlight { address, copy } => {
                write!(f, "shared byte {address} belongs to an asynchronous copy still in flight, issued by {copy}")
            }
            Self::RegisterInFlight { register, product } => {
                write!(f, "register {register} is used by a product still in flight, issued by {product}")
            }
            Self::Unfenced { register } => {
                write!(f, "no wgmma.fence between the last access to register {register} and this product")
            }
            Self::Proxy { address, earlier } => write!(
                f,
                "shared byte {address} is used by an asynchronous copy without fence.proxy.async after the write by {earlier}"
            ),
            Self::Mbarrier { address, what } => write!(f, "mbarrier at shared byte {address}: {what}"),
            Self::Uninitialised { space, address, nearest } => match nearest {
                Some(nearest) => write!(f, "read of {nearest}, which nothing has written"),
                None => write!(f, "read of uninitialised {space} {address}"),
            },
            Self::Divergence { what } => write!(f, "divergence: {what}"),
            Self::Deadlock { waiting } => write!(f, "deadlock: {}", waiting.join("; ")),
            Self::Invalid { what } => write!(f, "invalid operand: {what}"),
            Self::Trap => write!(f, "trap"),
            Self::InstructionLimit { limit } => write!(f, "more than {limit} warp-instructions: hung?"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, block, thread, location, kind } = self;
        write!(f, "{kernel}: block {block:?}, thread {thread:?}, {location}: {kind}")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fault{}", self.total, if self.total == 1 { "" } else { "s" })?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}
