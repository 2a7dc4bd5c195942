//! The state spaces: global memory is the device's, shared memory a block's, local memory a thread's.
//!
//! Generic addresses: each window below lies in a 4 GiB range of its own. Its low 32 bits are not zero, so that a kernel that
//! truncates a generic address without `cvta.to.shared` is out of bounds. Global allocations lie above 1 TiB.

mod global;
mod written;

pub use global::MemoryError;
pub(crate) use global::{Global, Region, View};

/// Where a window begins in its range: beyond the size of any such space.
const WINDOW_START: u64 = 1 << 30;
/// First generic address of shared memory.
pub(crate) const SHARED_WINDOW: u64 = 1 << 32 | WINDOW_START;
/// First generic address of the thread's local memory.
pub(crate) const LOCAL_WINDOW: u64 = 2 << 32 | WINDOW_START;
/// First generic address of the kernel's parameters.
pub(crate) const PARAM_WINDOW: u64 = 3 << 32 | WINDOW_START;

/// Addresses of `.shared::cluster` above this bit name a block of the cluster, by its rank plus one; those below are the block's own.
pub(crate) const CLUSTER_SHIFT: u32 = 24;

/// A state space that loads and stores can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Space {
    /// The address says which.
    Generic,
    /// Global and constant memory.
    Global,
    /// The block's shared memory.
    Shared,
    /// The shared memory of all blocks of the cluster.
    Cluster,
    /// The thread's own memory, also the `.param` variables of functions.
    Local,
    /// The kernel's parameters.
    Param,
}

impl Space {
    /// The name that faults use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Global => "global",
            Self::Shared | Self::Cluster => "shared",
            Self::Local => "local",
            Self::Param => "param",
        }
    }

    /// What to add to an address of this space to make it generic.
    pub fn window(self) -> u64 {
        match self {
            Self::Generic | Self::Global => 0,
            Self::Shared | Self::Cluster => SHARED_WINDOW,
            Self::Local => LOCAL_WINDOW,
            Self::Param => PARAM_WINDOW,
        }
    }

    /// The space of a generic address.
    pub fn of(address: u64) -> Self {
        match address >> 32 {
            1 => Self::Shared,
            2 => Self::Local,
            3 => Self::Param,
            _ => Self::Global,
        }
    }
}
