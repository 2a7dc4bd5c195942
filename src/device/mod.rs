//! Where kernels run.
//!
//! [`CudaDevice`] is an NVIDIA GPU through its driver; [`EmulatedDevice`] (feature `emulator`) runs the same PTX on the
//! CPU. Programs are written once, `fn train<D: Device>(device: &D)`, and choose in one `match`; nothing here ever falls
//! back from one to the other.
//!
//! # What a launch promises
//! - It is queued on the device's stream and returns at once. It allocates nothing on the device, and on success nothing
//!   on the host; it never waits for the device.
//! - A kernel is loaded by its first launch, unless [`Queue::preload`] did it before. During the capture of a stream
//!   nothing is loaded: there a kernel that was not preloaded is [`Error::NotPreloaded`].
//! - Every check comes first: where an error is returned, no output was touched. (A fault that the emulator finds while a
//!   kernel runs is the exception: it comes after the writes that went before it.)

pub(crate) mod cuda;
pub(crate) mod driver;
#[cfg(feature = "emulator")]
mod emulated;
mod image;
mod kernel;
mod plan;

pub use cuda::CudaDevice;
#[cfg(feature = "emulator")]
pub use emulated::{EmulatedBuffer, EmulatedDevice, EmulatedDeviceBuilder, LoadedKernel};
pub use image::{ComputeCapability, CubinImage, Image, ImageArch, PtxImage};
pub use kernel::{Kernel, Launch, LaunchShape, Params};
pub use plan::{Launches, Plan};

use crate::element::Element;
use crate::error::{Error, Result};
use crate::view::{Shape, Strides, TensorDesc, View, ViewMut};

/// What a plan has to know about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Its compute capability.
    pub compute_capability: ComputeCapability,
    /// Most shared memory that one block may opt in to, in bytes.
    pub shared_memory_per_block: u32,
    /// Its multiprocessors. Never part of how work is split, or results would differ between cards.
    pub multiprocessors: u32,
}

impl Caps {
    /// Whether kernels compiled for an architecture run here.
    pub const fn runs(&self, arch: ImageArch) -> bool {
        arch.ptx_runs_on(self.compute_capability)
    }
}

/// Something that kernels can be queued on: a device, the arguments of an operation on it, a host's own stream. Sealed.
pub trait Queue: sealed::Sealed {
    /// What the device underneath can do.
    fn caps(&self) -> &Caps;

    /// Loads a kernel ahead of its first launch.
    ///
    /// # Errors
    /// [`Error::KernelsNotBuilt`], [`Error::NoKernelImage`], [`Error::ImageRefused`], [`Error::NotPreloaded`] during the
    /// capture of a stream, [`Error::Driver`].
    fn preload<P: Params>(&self, kernel: &'static Kernel<P>) -> Result<()>;

    /// Queues a kernel.
    ///
    /// # Safety
    /// For these parameters and this shape the kernel stays inside memory that is alive until the launch has run, and
    /// that nothing else touches in a conflicting way meanwhile.
    ///
    /// # Errors
    /// Those of [`Queue::preload`], [`Error::LaunchLimit`], [`Error::Driver`]; on the emulated device
    /// [`Error::LaunchRefused`], [`Error::Unsupported`] for clusters, and [`Error::Fault`].
    unsafe fn launch<P: Params>(&self, kernel: &'static Kernel<P>, shape: &LaunchShape, params: &P) -> Result<()>;
}

/// A device with memory of its own. Sealed; cheap to clone.
pub trait Device: Queue + sealed::Memory + Clone + Send + Sync + 'static {
    /// `len` elements of device memory, freed when dropped. The type carries the device, so that a program cannot mix
    /// memory of two kinds of device.
    type Buffer<T: Element>: Buffer<T, Device = Self>;

    /// Memory with unspecified contents.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for no elements and for more than `isize::MAX` bytes; [`Error::Driver`] or [`Error::Memory`]
    /// where the device has not that much. [`Device::upload`] has the same.
    fn alloc<T: Element>(&self, len: usize) -> Result<Self::Buffer<T>>;

    /// Memory with a copy of `data`.
    fn upload<T: Element>(&self, data: &[T]) -> Result<Self::Buffer<T>>;

    /// Copies `data` over the contents of a buffer of the same length, after everything that was queued before.
    ///
    /// # Errors
    /// [`Error::Shape`] for another length; [`Error::DeviceMismatch`] for a buffer of another device or context;
    /// [`Error::Driver`].
    fn write<T: Element>(&self, buffer: &mut Self::Buffer<T>, data: &[T]) -> Result<()>;

    /// The contents of a buffer, after everything that was queued before.
    ///
    /// # Errors
    /// [`Error::DeviceMismatch`] for a buffer of another device or context; [`Error::Driver`], also for a kernel that
    /// failed earlier.
    fn download<T: Element>(&self, buffer: &Self::Buffer<T>) -> Result<Vec<T>>;

    /// Waits for everything that was queued.
    ///
    /// # Errors
    /// [`Error::Driver`], also for a kernel that failed earlier.
    fn synchronize(&self) -> Result<()>;
}

/// Device memory that views can borrow. Sealed.
pub trait Buffer<T: Element>: sealed::Sealed + Sized + Send + Sync + 'static {
    /// The device that the memory belongs to.
    type Device: Device;

    /// The number of elements.
    fn len(&self) -> usize;

    /// Whether there are no elements.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole buffer as a tensor without gaps. The shape must have exactly as many elements.
    ///
    /// # Errors
    /// [`Error::Shape`].
    fn view(&self, shape: impl Into<Shape>) -> Result<View<'_, Self::Device, T>>;

    /// The whole buffer as a tensor without gaps that can be written.
    ///
    /// # Errors
    /// [`Error::Shape`].
    fn view_mut(&mut self, shape: impl Into<Shape>) -> Result<ViewMut<'_, Self::Device, T>>;

    /// A part of the buffer: the element at `offset` is the first, and the strides, in elements, may leave gaps or go
    /// backwards.
    ///
    /// # Errors
    /// [`Error::Shape`] for a part that is not inside the buffer, [`Error::Stride`] for a stride too many or too few.
    fn strided(
        &self,
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<View<'_, Self::Device, T>>;

    /// A part of the buffer that can be written.
    ///
    /// # Errors
    /// As [`Buffer::strided`].
    fn strided_mut(
        &mut self,
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<ViewMut<'_, Self::Device, T>>;
}

/// The arguments of one operation: turns views into addresses, and keeps the borrows and cudarc's event guards until
/// the last launch of the operation is queued.
///
/// Addresses travel inside a parameter structure, where cudarc cannot see them. So each view is registered here first
/// (the stream then waits for earlier uses on other streams), launches go through here (they first check that no such
/// wait failed), and dropping this records the use for later ones.
pub struct Args<'a, D: Device> {
    device: &'a D,
    op: &'static str,
    guards: [Option<D::Guard<'a>>; MAX_ARGS],
    len: usize,
    /// Further ones, for operations on lists.
    room: Option<Vec<D::Guard<'a>>>,
}

/// The most tensors that one operation takes, but for operations on lists.
const MAX_ARGS: usize = 24;

/// Room for the guards of a list of any length. An object that operates on lists keeps it from call to call, so that only the first
/// call allocates.
pub(crate) struct Room<D: Device>(Vec<D::Guard<'static>>);

impl<D: Device> Default for Room<D> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The allocation of a vector of guards, for guards of another lifetime: collecting in place keeps it.
fn emptied<'b, D: Device>(mut guards: Vec<D::Guard<'_>>) -> Vec<D::Guard<'b>> {
    guards.clear();
    guards.into_iter().map_while(|_| None).collect()
}

impl<'a, D: Device> Args<'a, D> {
    /// No arguments yet, for the operation `op`, such as "layer_norm::forward".
    ///
    /// # Errors
    /// [`Error::CaptureNeedsUntracked`].
    pub fn new(device: &'a D, op: &'static str) -> Result<Self> {
        device.before_arguments(op)?;
        Ok(Self { device, op, guards: std::array::from_fn(|_| None), len: 0, room: None })
    }

    /// No arguments yet, and room for any number of them.
    pub(crate) fn with_room(device: &'a D, op: &'static str, room: Room<D>) -> Result<Self> {
        Ok(Self { room: Some(emptied::<D>(room.0)), ..Self::new(device, op)? })
    }

    /// The room again, after the last launch is queued.
    pub(crate) fn into_room(self) -> Room<D> {
        let Self { guards, room, .. } = self;
        drop(guards);
        Room(emptied::<D>(room.unwrap_or_default()))
    }

    /// Registers a tensor that is read.
    ///
    /// # Errors
    /// [`Error::DeviceMismatch`].
    pub fn read<T: Element>(&mut self, argument: &'static str, view: &'a View<'_, D, T>) -> Result<TensorDesc> {
        let (base, guard) = self.device.address(view.memory).ok_or(Error::DeviceMismatch { op: self.op, argument })?;
        self.keep(guard)?;
        Ok(view.layout.describe::<T>(base))
    }

    /// Registers a tensor that is read, if there is one.
    ///
    /// # Errors
    /// [`Error::DeviceMismatch`].
    pub fn read_optional<T: Element>(
        &mut self,
        argument: &'static str,
        view: Option<&'a View<'_, D, T>>,
    ) -> Result<Option<TensorDesc>> {
        view.map(|view| self.read(argument, view)).transpose()
    }

    /// Registers a tensor that is written.
    ///
    /// # Errors
    /// [`Error::DeviceMismatch`].
    pub fn write<T: Element>(&mut self, argument: &'static str, view: &'a mut ViewMut<'_, D, T>) -> Result<TensorDesc> {
        let layout = view.layout;
        let (base, guard) =
            self.device.address_mut(view.memory).ok_or(Error::DeviceMismatch { op: self.op, argument })?;
        self.keep(guard)?;
        Ok(layout.describe::<T>(base))
    }

    /// Registers a tensor that is written, if there is one.
    ///
    /// # Errors
    /// [`Error::DeviceMismatch`].
    pub fn write_optional<T: Element>(
        &mut self,
        argument: &'static str,
        view: Option<&'a mut ViewMut<'_, D, T>>,
    ) -> Result<Option<TensorDesc>> {
        view.map(|view| self.write(argument, view)).transpose()
    }

    fn keep(&mut self, guard: D::Guard<'a>) -> Result<()> {
        if let Some(room) = &mut self.room {
            room.push(guard);
            return Ok(());
        }
        let slot = self.guards.get_mut(self.len).ok_or_else(|| Error::Unsupported {
            op: self.op,
            what: format!("more than {MAX_ARGS} tensors"),
            supported: "up to 24 tensors",
        })?;
        *slot = Some(guard);
        self.len += 1;
        Ok(())
    }
}

impl<D: Device> sealed::Sealed for Args<'_, D> {}

impl<D: Device> Queue for Args<'_, D> {
    fn caps(&self) -> &Caps {
        self.device.caps()
    }

    fn preload<P: Params>(&self, kernel: &'static Kernel<P>) -> Result<()> {
        self.device.preload(kernel)
    }

    unsafe fn launch<P: Params>(&self, kernel: &'static Kernel<P>, shape: &LaunchShape, params: &P) -> Result<()> {
        self.device.after_arguments()?;
        // SAFETY: the caller's promise is the same.
        unsafe { self.device.launch(kernel, shape, params) }
    }
}

/// Whether a buffer of so many elements can be made at all.
fn check_len<T: Element>(len: usize) -> Result<()> {
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes > 0 && isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Error::Unsupported {
            op: "alloc",
            what: format!("a buffer of {len} elements"),
            supported: "at least one element, at most isize::MAX bytes",
        }),
    }
}

/// Whether what a host writes is as long as the buffer.
fn check_write<T: Element>(buffer: &impl Buffer<T>, data: &[T]) -> Result<()> {
    if data.len() == buffer.len() {
        return Ok(());
    }
    let expected = format!("the {} elements of the buffer", buffer.len());
    Err(Error::Shape { op: "write", argument: "data", expected, got: [data.len()].into() })
}

pub(crate) mod sealed {
    use super::{Element, Result};

    pub trait Sealed {}

    /// How views borrow a device's memory, and how [`super::Args`] gets at its addresses.
    pub trait Memory {
        /// What a view borrows. Without a lifetime of its own, so that a view of a long borrow can stand for a shorter one.
        type Source<T: Element>: ?Sized + 'static;
        /// What a mutable view borrows.
        type Target<T: Element>: ?Sized + 'static;
        /// Dropped when the launches that use an address are queued.
        type Guard<'a>
        where
            Self: 'a;

        /// Before any address is asked for.
        fn before_arguments(&self, op: &'static str) -> Result<()>;
        /// The address of memory that is read; `None` where it belongs to another device.
        fn address<'a, T: Element>(&'a self, memory: &'a Self::Source<T>) -> Option<(u64, Self::Guard<'a>)>;
        /// The address of memory that is written; `None` where it belongs to another device.
        fn address_mut<'a, T: Element>(&'a self, memory: &'a mut Self::Target<T>) -> Option<(u64, Self::Guard<'a>)>;
        /// Whether all that asking for addresses has queued went well.
        fn after_arguments(&self) -> Result<()>;
    }
}
