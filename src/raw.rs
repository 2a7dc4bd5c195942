//! Launches for hosts that own their memory: addresses as `u64`, strides as `i64`, a stream as a raw handle.
//!
//! A host fills the `Desc` of an operation with [`TensorDesc`](crate::TensorDesc)s, plans it for [`Stream::caps`], and
//! queues the plan on the [`Stream`]: the way that the typed functions go themselves.
//!
//! ```no_run
//! use std::ffi::c_void;
//! use warpsmith::ops::gelu::{self, Form};
//! use warpsmith::{DType, Queue, Result, TensorDesc, raw};
//!
//! /// # Safety
//! /// `stream` is a live CUDA stream; `x` and `y` are `n` bf16 numbers each in its device's memory, `y` not used elsewhere.
//! unsafe fn gelu_bf16(stream: *mut c_void, x: u64, y: u64, n: usize) -> Result<()> {
//!     // SAFETY: the caller says that the stream is alive.
//!     let stream = unsafe { raw::Stream::borrow(stream)? };
//!     let (input, output) = (TensorDesc::contiguous(x, [n], DType::Bf16), TensorDesc::contiguous(y, [n], DType::Bf16));
//!     let desc = gelu::ForwardDesc { form: Form::Tanh, input, bias: None, output };
//!     // SAFETY: the caller's promise about `x` and `y`; the plan has checked the rest.
//!     unsafe { gelu::plan_forward(&desc, stream.caps())?.launch(&stream) }
//! }
//! ```

use std::ffi::c_void;
use std::ptr;

use cudarc::driver::sys;

use crate::device::{Caps, Kernel, LaunchShape, Params, Queue, cuda, driver, sealed};
use crate::error::Result;

/// A CUDA stream that belongs to the host. Dropping this does nothing to it.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    stream: sys::CUstream,
    context: sys::CUcontext,
    device: sys::CUdevice,
    caps: Caps,
}

// SAFETY: the driver guards its handles, and the context is made current around each use in whatever thread that is.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// Borrows a `CUstream` (or `cudaStream_t`). The null handle and the two special ones mean the default streams of the
    /// context that is current in this thread. Cheap enough to be called for every operation.
    ///
    /// # Safety
    /// The stream, and with it its context, stays alive while this or a copy of it is used.
    ///
    /// # Errors
    /// [`Error::DriverUnavailable`](crate::Error::DriverUnavailable), [`Error::DriverTooOld`](crate::Error::DriverTooOld);
    /// [`Error::Driver`](crate::Error::Driver) with code 201 where no context is current and the handle names none.
    pub unsafe fn borrow(handle: *mut c_void) -> Result<Self> {
        driver::probe()?;
        let stream = handle.cast();
        let mut context = ptr::null_mut();
        // SAFETY: the caller says that the stream is alive.
        driver::check("cuStreamGetCtx", unsafe { sys::cuStreamGetCtx(stream, &mut context) })?;
        let _current = Current::push(context)?;
        let mut device = 0;
        // SAFETY: a context is current.
        driver::check("cuCtxGetDevice", unsafe { sys::cuCtxGetDevice(&mut device) })?;
        let caps = cuda::caps(|attribute| {
            let mut value = 0;
            // SAFETY: the device is valid.
            let result = unsafe { sys::cuDeviceGetAttribute(&mut value, attribute, device) };
            driver::check("cuDeviceGetAttribute", result).map(|()| value)
        })?;
        Ok(Self { stream, context, device, caps })
    }

    fn target(&self) -> driver::Target<'_> {
        driver::Target { device: self.device, stream: self.stream, caps: &self.caps }
    }
}

impl sealed::Sealed for Stream {}

impl Queue for Stream {
    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn preload<P: Params>(&self, kernel: &'static Kernel<P>) -> Result<()> {
        let _current = Current::push(self.context)?;
        self.target().preload(kernel)
    }

    unsafe fn launch<P: Params>(&self, kernel: &'static Kernel<P>, shape: &LaunchShape, params: &P) -> Result<()> {
        let _current = Current::push(self.context)?;
        // SAFETY: the caller's promise is the same; the stream's context is current.
        unsafe { self.target().launch(kernel, shape, params) }
    }
}

/// Makes a context current in this thread, and the host's own one again when dropped.
struct Current;

impl Current {
    fn push(context: sys::CUcontext) -> Result<Self> {
        // SAFETY: the context is alive as long as its stream, which `Stream::borrow` was promised.
        driver::check("cuCtxPushCurrent", unsafe { sys::cuCtxPushCurrent_v2(context) })?;
        Ok(Self)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let mut context = ptr::null_mut();
        // SAFETY: `push` put a context on this thread's stack. Popping fails only where the driver is shutting down.
        let _ = unsafe { sys::cuCtxPopCurrent_v2(&mut context) };
    }
}
