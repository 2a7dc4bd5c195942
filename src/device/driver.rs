//! The driver calls for which cudarc has no safe function: the probe before its first use, loading kernels, launching
//! them with attributes.

use std::ffi::{CString, c_int, c_uint, c_void};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use cudarc::driver::sys;

use super::{Caps, Image, Kernel, LaunchShape, Params};
use crate::error::{Error, Result};

/// CUDA 12.0, the first with `cuLibraryLoadData`.
const REQUIRED_VERSION: i32 = 12_000;

/// Where the driver is looked for, in cudarc's order, so that the library found here is the one that cudarc uses.
const NAMES: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so", "libcuda.so.1"] };

/// Dynamic shared memory that a launch gets without asking.
const DYNAMIC_SHARED_WITHOUT_ASKING: u32 = 48 * 1024;

/// Whether there is a driver that will do. Comes before every use of cudarc, which panics where there is no driver and
/// where a function is missing from it.
pub(crate) fn probe() -> Result<()> {
    static SUFFICES: OnceLock<()> = OnceLock::new();
    if SUFFICES.get().is_none() {
        let version = version()?;
        if version < REQUIRED_VERSION {
            return Err(Error::DriverTooOld { version, required: REQUIRED_VERSION });
        }
        SUFFICES.get_or_init(|| ());
    }
    Ok(())
}

/// The CUDA version that the driver supports.
fn version() -> Result<i32> {
    let unavailable = Error::DriverUnavailable { tried: NAMES };
    // SAFETY: the driver's library has no initialisers that ask anything of the process that loads it.
    let Some(library) = NAMES.iter().find_map(|name| unsafe { libloading::Library::new(*name) }.ok()) else {
        return Err(unavailable);
    };
    // SAFETY: `cuDriverGetVersion` has had this signature since CUDA 2.2.
    let symbol = unsafe { library.get::<unsafe extern "C" fn(*mut c_int) -> c_uint>(b"cuDriverGetVersion\0") };
    let Ok(driver_get_version) = symbol else {
        return Err(unavailable);
    };
    let mut version = 0;
    // SAFETY: the pointer is valid for one `int`. The function needs no `cuInit`.
    let code = unsafe { driver_get_version(&mut version) };
    // The driver stays loaded for the life of the process: cudarc will use it, and it does not like to be unloaded.
    std::mem::forget(library);
    match code {
        0 => Ok(version),
        code if code == sys::CUresult::CUDA_ERROR_STUB_LIBRARY as c_uint => Err(unavailable),
        code => Err(Error::Driver { op: "cuDriverGetVersion", code: code as i32 }),
    }
}

/// Turns a driver's answer into a result.
pub(crate) fn check(op: &'static str, result: sys::CUresult) -> Result<()> {
    if result == sys::CUresult::CUDA_SUCCESS { Ok(()) } else { Err(Error::Driver { op, code: result as i32 }) }
}

/// Where a launch goes: a stream, and the device that it belongs to. The stream's context is current in the calling
/// thread while one of these is used.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub device: sys::CUdevice,
    pub stream: sys::CUstream,
    pub caps: &'a Caps,
}

/// What the driver gave for a kernel, once for each device.
pub(crate) struct Loaded(RwLock<Vec<Entry>>);

#[derive(Clone, Copy)]
struct Entry {
    device: sys::CUdevice,
    kernel: Handle<sys::CUkernel>,
    /// Dynamic shared memory that may be asked for.
    dynamic_shared: u32,
}

/// A handle of the driver that every thread may use and that is never destroyed.
#[derive(Clone, Copy)]
struct Handle<T>(T);

// SAFETY: libraries and kernels belong to the process, not to a thread or a context, and the driver guards them.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Handle<T> {}

impl Loaded {
    pub(super) const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    fn find(&self, device: sys::CUdevice) -> Option<Entry> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.iter().find(|entry| entry.device == device).copied()
    }

    fn update(&self, new: Entry) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match entries.iter_mut().find(|entry| entry.device == new.device) {
            Some(entry) => *entry = new,
            None => entries.push(new),
        }
    }
}

impl Target<'_> {
    /// Loads a kernel, if it is not loaded yet.
    pub(crate) fn preload<P: Params>(&self, kernel: &Kernel<P>) -> Result<()> {
        self.entry(kernel).map(drop)
    }

    /// Queues a kernel.
    ///
    /// # Safety
    /// As for [`super::Queue::launch`].
    pub(crate) unsafe fn launch<P: Params>(&self, kernel: &Kernel<P>, shape: &LaunchShape, params: &P) -> Result<()> {
        shape.check(kernel.name(), self.caps)?;
        let mut entry = self.entry(kernel)?;
        if shape.dynamic_shared > entry.dynamic_shared {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the kernel handle is valid on every device, and `check` bounded the size.
            let result = unsafe {
                sys::cuKernelSetAttribute(attribute, shape.dynamic_shared as c_int, entry.kernel.0, self.device)
            };
            check("cuKernelSetAttribute", result)?;
            entry.dynamic_shared = shape.dynamic_shared;
            kernel.loaded.update(entry);
        }

        let (mut attributes, count) = attributes(shape);
        let config = sys::CUlaunchConfig {
            gridDimX: shape.grid[0],
            gridDimY: shape.grid[1],
            gridDimZ: shape.grid[2],
            blockDimX: shape.block[0],
            blockDimY: shape.block[1],
            blockDimZ: shape.block[2],
            sharedMemBytes: shape.dynamic_shared,
            hStream: self.stream,
            attrs: attributes.as_mut_ptr(),
            numAttrs: count,
        };
        let mut arguments = [ptr::from_ref(params).cast_mut().cast::<c_void>()];
        // SAFETY: a `CUkernel` may stand for a `CUfunction` here. The driver copies the attributes and the one argument,
        // which has the kernel's layout by `Params`, before it returns. The rest is the caller's promise.
        let result =
            unsafe { sys::cuLaunchKernelEx(&config, entry.kernel.0.cast(), arguments.as_mut_ptr(), ptr::null_mut()) };
        check("cuLaunchKernelEx", result)
    }

    /// Whether work on the stream is being recorded into a graph.
    pub(crate) fn is_capturing(&self) -> Result<bool> {
        let mut status = sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
        // SAFETY: the stream is alive and the pointer is valid.
        check("cuStreamIsCapturing", unsafe { sys::cuStreamIsCapturing(self.stream, &mut status) })?;
        Ok(status != sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE)
    }

    fn entry<P: Params>(&self, kernel: &Kernel<P>) -> Result<Entry> {
        if let Some(entry) = kernel.loaded.find(self.device) {
            return Ok(entry);
        }
        if kernel.image().is_stub() {
            return Err(Error::KernelsNotBuilt { kernel: kernel.name() });
        }
        if self.is_capturing()? {
            return Err(Error::NotPreloaded { kernel: kernel.name() });
        }
        let handle = load(kernel.image(), kernel.name(), self)?;
        let entry = Entry { device: self.device, kernel: handle, dynamic_shared: DYNAMIC_SHARED_WITHOUT_ASKING };
        kernel.loaded.update(entry);
        Ok(entry)
    }
}

/// The launch attributes of a shape, and how many there are.
fn attributes(shape: &LaunchShape) -> ([sys::CUlaunchAttribute; 3], c_uint) {
    use sys::CUlaunchAttributeID as Id;
    let value = || sys::CUlaunchAttributeValue { pad: [0; 64] };
    let mut attributes =
        [sys::CUlaunchAttribute { id: Id::CU_LAUNCH_ATTRIBUTE_IGNORE, pad: [0; 4], value: value() }; 3];
    let mut count = 0;
    let mut push = |id, value| {
        attributes[count] = sys::CUlaunchAttribute { id, pad: [0; 4], value };
        count += 1;
    };
    if let Some([x, y, z]) = shape.cluster {
        let mut dims = value();
        dims.clusterDim.x = x;
        dims.clusterDim.y = y;
        dims.clusterDim.z = z;
        push(Id::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, dims);
    }
    if shape.dependent {
        let mut allowed = value();
        allowed.programmaticStreamSerializationAllowed = 1;
        push(Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, allowed);
    }
    if shape.cooperative {
        let mut cooperative = value();
        cooperative.cooperative = 1;
        push(Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE, cooperative);
    }
    (attributes, count as c_uint)
}

/// A kernel from the best image that the driver takes: fitting machine code first, then PTX.
fn load(image: &'static Image, name: &'static str, target: &Target<'_>) -> Result<Handle<sys::CUkernel>> {
    /// Libraries by device and address of the image; kernels of one image share one.
    static LIBRARIES: Mutex<Vec<(sys::CUdevice, usize, Handle<sys::CUlibrary>)>> = Mutex::new(Vec::new());

    // Nothing that a name of a kernel can hold fails here; the driver would not find such a kernel either.
    let not_found = Error::Driver { op: "cuLibraryGetKernel", code: sys::CUresult::CUDA_ERROR_NOT_FOUND as i32 };
    let symbol = CString::new(name).map_err(|_| not_found)?;

    let mut libraries = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
    let place = (target.device, ptr::from_ref(image).addr());
    let known = libraries.iter().find(|&&(device, image, _)| (device, image) == place);
    if let Some(&(_, _, library)) = known {
        return kernel_of(library.0, &symbol).map(Handle);
    }

    let capability = target.caps.compute_capability;
    let cubins = image.cubins_for(capability).into_iter().map(|cubin| cubin.bytes.to_vec());
    let ptx = image.ptx_for(capability).into_iter().map(|ptx| [ptx.text.as_bytes(), b"\0"].concat());
    let mut refused = None;
    for code in cubins.chain(ptx) {
        match load_library(&code, &symbol) {
            Ok((library, kernel)) => {
                libraries.push((place.0, place.1, Handle(library)));
                return Ok(Handle(kernel));
            }
            Err(Error::Driver { code, .. }) if is_refusal(code) => refused = Some(code),
            Err(error) => return Err(error),
        }
    }
    Err(Error::NoKernelImage { kernel: name, device: capability, built: image.architectures(), refused })
}

/// Whether the driver says that it cannot take an image but may take another one.
fn is_refusal(code: i32) -> bool {
    use sys::CUresult as R;
    [R::CUDA_ERROR_NO_BINARY_FOR_GPU, R::CUDA_ERROR_UNSUPPORTED_PTX_VERSION, R::CUDA_ERROR_INVALID_PTX]
        .into_iter()
        .any(|refusal| refusal as i32 == code)
}

/// Loads one image and makes sure that the current context can run the kernel.
fn load_library(code: &[u8], symbol: &CString) -> Result<(sys::CUlibrary, sys::CUkernel)> {
    let mut library = ptr::null_mut();
    // SAFETY: `code` is an ELF file or NUL-terminated PTX, which the driver copies; there are no options.
    let result = unsafe {
        let (none, code) = (ptr::null_mut(), code.as_ptr().cast());
        sys::cuLibraryLoadData(&mut library, code, ptr::null_mut(), none, 0, ptr::null_mut(), none, 0)
    };
    check("cuLibraryLoadData", result)?;
    let loaded = kernel_of(library, symbol).map(|kernel| (library, kernel));
    if loaded.is_err() {
        // SAFETY: the library was loaded above and nothing refers to it. What its unloading says changes nothing.
        let _ = unsafe { sys::cuLibraryUnload(library) };
    }
    loaded
}

/// A kernel of a library. Loading is lazy in the driver: only asking for the context's own function shows whether the
/// image runs there.
fn kernel_of(library: sys::CUlibrary, symbol: &CString) -> Result<sys::CUkernel> {
    let mut kernel = ptr::null_mut();
    // SAFETY: the library is loaded and the name is NUL-terminated.
    check("cuLibraryGetKernel", unsafe { sys::cuLibraryGetKernel(&mut kernel, library, symbol.as_ptr()) })?;
    let mut function = ptr::null_mut();
    // SAFETY: the kernel is valid and a context is current.
    check("cuKernelGetFunction", unsafe { sys::cuKernelGetFunction(&mut function, kernel) })?;
    Ok(kernel)
}
