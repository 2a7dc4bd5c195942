//! One kernel, its one argument, and the shape of a launch.

use std::marker::PhantomData;

use super::{Caps, Image, Queue, driver};
use crate::error::{Error, Result};

/// A kernel's one argument, passed by value.
///
/// # Safety
/// The type is `#[repr(C)]`, laid out as the kernel's parameter structure, and has no padding: every byte of it is
/// initialised.
pub unsafe trait Params: Copy + Send + Sync + 'static {
    /// The bytes that the kernel sees.
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: the implementor promises that no byte is padding; the slice lives as long as the borrow of `self`.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
}

/// A kernel of an embedded image: a name, and the type of its one argument. Lives in a `static`, where it also keeps
/// what the driver gave for it.
pub struct Kernel<P> {
    image: &'static Image,
    name: &'static str,
    pub(super) loaded: driver::Loaded,
    params: PhantomData<fn(&P)>,
}

impl<P: Params> Kernel<P> {
    /// The kernel `name`, an `extern "C"` symbol, of `image`.
    pub const fn new(image: &'static Image, name: &'static str) -> Self {
        Self { image, name, loaded: driver::Loaded::new(), params: PhantomData }
    }

    /// The symbol.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The image that holds the kernel.
    pub const fn image(&self) -> &'static Image {
        self.image
    }
}

impl<P> std::fmt::Debug for Kernel<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernel({})", self.name)
    }
}

/// How a kernel is spread over the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchShape {
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z.
    pub block: [u32; 3],
    /// Blocks of a cluster along x, y and z. Needs compute capability 9.0.
    pub cluster: Option<[u32; 3]>,
    /// Dynamic shared memory of a block, in bytes.
    pub dynamic_shared: u32,
    /// The kernel may start before the one ahead of it in the stream has finished, and waits for it by
    /// `griddepcontrol.wait`. Needs compute capability 9.0.
    pub dependent: bool,
    /// All blocks are resident at once, so that they may wait for one another.
    pub cooperative: bool,
}

impl LaunchShape {
    /// `blocks` blocks of `threads` threads, both along x, and nothing else.
    pub const fn linear(blocks: u32, threads: u32) -> Self {
        Self {
            grid: [blocks, 1, 1],
            block: [threads, 1, 1],
            cluster: None,
            dynamic_shared: 0,
            dependent: false,
            cooperative: false,
        }
    }

    /// The same with `bytes` of dynamic shared memory.
    pub const fn with_dynamic_shared(self, bytes: u32) -> Self {
        Self { dynamic_shared: bytes, ..self }
    }

    /// Whether a device can run this at all. Static shared memory is not known here: the device itself adds it.
    pub(super) fn check(&self, kernel: &'static str, caps: &Caps) -> Result<()> {
        let product = |[x, y, z]: [u32; 3]| u64::from(x) * u64::from(y) * u64::from(z);
        let hopper = caps.compute_capability.major >= 9;
        let limits = [
            ("the number of threads in a block", product(self.block), 1024),
            ("the number of threads along z", self.block[2].into(), 64),
            ("the number of blocks along x", self.grid[0].into(), i32::MAX as u64),
            ("the number of blocks along y", self.grid[1].into(), 65_535),
            ("the number of blocks along z", self.grid[2].into(), 65_535),
            (
                "the number of bytes of dynamic shared memory",
                self.dynamic_shared.into(),
                caps.shared_memory_per_block.into(),
            ),
            ("the number of blocks in a cluster", self.cluster.map_or(1, product), if hopper { 8 } else { 1 }),
            ("the number of dependent launches", self.dependent.into(), hopper.into()),
        ];
        match limits.into_iter().find(|&(_, got, limit)| got > limit) {
            Some((what, got, limit)) => Err(Error::LaunchLimit { kernel, what, limit, got }),
            None => Ok(()),
        }
    }
}

/// One launch, ready to be queued: the kernel, its shape, its argument. Plans are made of these.
#[derive(Clone, Copy, Debug)]
pub struct Launch<P: 'static> {
    /// The kernel.
    pub kernel: &'static Kernel<P>,
    /// Its grid and blocks.
    pub shape: LaunchShape,
    /// Its argument.
    pub params: P,
}

impl<P: Params> Launch<P> {
    /// Loads the kernel ahead of its first launch, as before the capture of a stream.
    ///
    /// # Errors
    /// [`Error::KernelsNotBuilt`], [`Error::NoKernelImage`], [`Error::ImageRefused`], [`Error::NotPreloaded`] during a
    /// capture, [`Error::Driver`].
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        queue.preload(self.kernel)
    }

    /// Queues the launch.
    ///
    /// # Safety
    /// For these parameters and this shape the kernel stays inside memory that is alive until the launch has run, and
    /// that nothing else touches in a conflicting way meanwhile.
    pub unsafe fn queue(&self, queue: &impl Queue) -> Result<()> {
        // SAFETY: the caller's promise is the one that `launch` asks for.
        unsafe { queue.launch(self.kernel, &self.shape, &self.params) }
    }
}
