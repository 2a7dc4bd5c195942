//! An NVIDIA GPU, by cudarc.

use std::sync::Arc;

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DriverError, SyncOnDrop};

use super::{Buffer, Caps, ComputeCapability, Device, Kernel, LaunchShape, Params, Queue, driver, sealed};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::view::{Layout, Shape, Strides, View, ViewMut};

/// An NVIDIA GPU and the stream on which everything is queued.
///
/// Buffers are cudarc's [`CudaSlice`]s. Views borrow any [`DevicePtr`], the slices of another crate on cudarc (candle)
/// included: see [`View::over`].
#[derive(Clone, Debug)]
pub struct CudaDevice {
    stream: Arc<CudaStream>,
    caps: Caps,
}

impl CudaDevice {
    /// The GPU `ordinal` with its primary context and a new stream.
    ///
    /// # Errors
    /// [`Error::DriverUnavailable`], [`Error::DriverTooOld`]; [`Error::Driver`] with code 100 where there is a driver but
    /// no GPU, with 101 where there is no GPU of this number.
    pub fn new(ordinal: usize) -> Result<Self> {
        driver::probe()?;
        let context = CudaContext::new(ordinal).map_err(failed("CudaContext::new"))?;
        Self::from_stream(context.new_stream().map_err(failed("cuStreamCreate"))?)
    }

    /// The device of a stream that exists already: launches are queued on it. Cheap, and kernels that are loaded on the
    /// GPU stay loaded, so that this can be called for every operation. (cudarc's per-thread stream is another stream in each
    /// thread that uses the device.)
    ///
    /// # Errors
    /// [`Error::DriverTooOld`], [`Error::Driver`].
    pub fn from_stream(stream: Arc<CudaStream>) -> Result<Self> {
        driver::probe()?;
        let caps = caps(|attribute| stream.context().attribute(attribute).map_err(failed("cuDeviceGetAttribute")))?;
        Ok(Self { stream, caps })
    }

    /// The stream.
    pub fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    fn target(&self) -> Result<driver::Target<'_>> {
        let context = self.stream.context();
        context.bind_to_thread().map_err(failed("cuCtxSetCurrent"))?;
        Ok(driver::Target { device: context.cu_device(), stream: self.stream.cu_stream(), caps: &self.caps })
    }

    fn owns(&self, stream: &CudaStream) -> bool {
        stream.context() == self.stream.context()
    }
}

/// What plans have to know, from the driver's answers.
pub(crate) fn caps(attribute: impl Fn(Attribute) -> Result<i32>) -> Result<Caps> {
    let number = |name| attribute(name).map(i32::unsigned_abs);
    Ok(Caps {
        compute_capability: ComputeCapability {
            major: number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            minor: number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        },
        shared_memory_per_block: number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
        multiprocessors: number(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
    })
}

/// A cudarc error as ours. Its own `Display` would call the driver.
fn failed(op: &'static str) -> impl Fn(DriverError) -> Error {
    move |error| Error::Driver { op, code: error.0 as i32 }
}

impl sealed::Sealed for CudaDevice {}

impl Queue for CudaDevice {
    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn preload<P: Params>(&self, kernel: &'static Kernel<P>) -> Result<()> {
        self.target()?.preload(kernel)
    }

    unsafe fn launch<P: Params>(&self, kernel: &'static Kernel<P>, shape: &LaunchShape, params: &P) -> Result<()> {
        // SAFETY: the caller's promise is the same; `target` has made the context current.
        unsafe { self.target()?.launch(kernel, shape, params) }
    }
}

impl Device for CudaDevice {
    type Buffer<T: Element> = CudaSlice<T>;

    fn alloc<T: Element>(&self, len: usize) -> Result<CudaSlice<T>> {
        super::check_len::<T>(len)?;
        // SAFETY: every bit pattern is a value of an `Element`.
        unsafe { self.stream.alloc(len) }.map_err(failed("cuMemAlloc"))
    }

    fn upload<T: Element>(&self, data: &[T]) -> Result<CudaSlice<T>> {
        super::check_len::<T>(data.len())?;
        self.stream.clone_htod(data).map_err(failed("cuMemcpyHtoDAsync"))
    }

    fn write<T: Element>(&self, buffer: &mut CudaSlice<T>, data: &[T]) -> Result<()> {
        if !self.owns(buffer.stream()) {
            return Err(Error::DeviceMismatch { op: "write", argument: "buffer" });
        }
        super::check_write(buffer, data)?;
        self.stream.memcpy_htod(data, buffer).map_err(failed("cuMemcpyHtoDAsync"))
    }

    fn download<T: Element>(&self, buffer: &CudaSlice<T>) -> Result<Vec<T>> {
        if !self.owns(buffer.stream()) {
            return Err(Error::DeviceMismatch { op: "download", argument: "buffer" });
        }
        let data = self.stream.clone_dtoh(buffer).map_err(failed("cuMemcpyDtoHAsync"))?;
        self.synchronize()?;
        Ok(data)
    }

    fn synchronize(&self) -> Result<()> {
        self.stream.synchronize().map_err(failed("cuStreamSynchronize"))
    }
}

impl sealed::Memory for CudaDevice {
    type Source<T: Element> = dyn DevicePtr<T>;
    type Target<T: Element> = dyn DevicePtrMut<T>;
    type Guard<'a> = SyncOnDrop<'a>;

    fn before_arguments(&self, op: &'static str) -> Result<()> {
        let tracked = self.stream.context().is_managing_stream_synchronization();
        if tracked && self.target()?.is_capturing()? { Err(Error::CaptureNeedsUntracked { op }) } else { Ok(()) }
    }

    fn address<'a, T: Element>(&'a self, memory: &'a (dyn DevicePtr<T> + 'static)) -> Option<(u64, SyncOnDrop<'a>)> {
        self.owns(memory.stream()).then(|| memory.device_ptr(&self.stream))
    }

    fn address_mut<'a, T: Element>(
        &'a self,
        memory: &'a mut (dyn DevicePtrMut<T> + 'static),
    ) -> Option<(u64, SyncOnDrop<'a>)> {
        self.owns(memory.stream()).then(|| memory.device_ptr_mut(&self.stream))
    }

    fn after_arguments(&self) -> Result<()> {
        self.stream.context().check_err().map_err(failed("a wait for an earlier use of an argument"))
    }
}

impl<T: Element> sealed::Sealed for CudaSlice<T> {}

impl<T: Element> Buffer<T> for CudaSlice<T> {
    type Device = CudaDevice;

    fn len(&self) -> usize {
        CudaSlice::len(self)
    }

    fn view(&self, shape: impl Into<Shape>) -> Result<View<'_, CudaDevice, T>> {
        View::over(self, shape)
    }

    fn view_mut(&mut self, shape: impl Into<Shape>) -> Result<ViewMut<'_, CudaDevice, T>> {
        ViewMut::over(self, shape)
    }

    fn strided(
        &self,
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<View<'_, CudaDevice, T>> {
        View::over_strided(self, offset, shape, strides)
    }

    fn strided_mut(
        &mut self,
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<ViewMut<'_, CudaDevice, T>> {
        ViewMut::over_strided(self, offset, shape, strides)
    }
}

impl<'a, T: Element> View<'a, CudaDevice, T> {
    /// The whole of any cudarc memory as a tensor without gaps. The shape must have exactly as many elements.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn over(memory: &'a (dyn DevicePtr<T> + 'a), shape: impl Into<Shape>) -> Result<Self> {
        Ok(Self { memory: unbounded(memory), layout: Layout::whole(memory.len(), shape.into())? })
    }

    /// A part of any cudarc memory.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Stride`].
    pub fn over_strided(
        memory: &'a (dyn DevicePtr<T> + 'a),
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<Self> {
        Ok(Self {
            memory: unbounded(memory),
            layout: Layout::strided(memory.len(), offset, shape.into(), strides.into())?,
        })
    }
}

impl<'a, T: Element> ViewMut<'a, CudaDevice, T> {
    /// The whole of any cudarc memory as a tensor without gaps that can be written.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn over(memory: &'a mut (dyn DevicePtrMut<T> + 'a), shape: impl Into<Shape>) -> Result<Self> {
        let layout = Layout::whole(memory.len(), shape.into())?;
        Ok(Self { memory: unbounded_mut(memory), layout })
    }

    /// A part of any cudarc memory that can be written.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Stride`].
    pub fn over_strided(
        memory: &'a mut (dyn DevicePtrMut<T> + 'a),
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<Self> {
        let layout = Layout::strided(memory.len(), offset, shape.into(), strides.into())?;
        Ok(Self { memory: unbounded_mut(memory), layout })
    }
}

/// Forgets that the memory's own type may hold borrows (a cudarc view does).
fn unbounded<'a, T: Element>(memory: &'a (dyn DevicePtr<T> + 'a)) -> &'a (dyn DevicePtr<T> + 'static) {
    // SAFETY: the reference itself still ends with `'a`, no method of the trait asks for `'static`, and views give it to
    // nobody else.
    unsafe { std::mem::transmute(memory) }
}

/// The same for memory that can be written.
fn unbounded_mut<'a, T: Element>(
    memory: &'a mut (dyn DevicePtrMut<T> + 'a),
) -> &'a mut (dyn DevicePtrMut<T> + 'static) {
    // SAFETY: as above; nothing can be put in the place of the memory, whose size is unknown.
    unsafe { std::mem::transmute(memory) }
}
