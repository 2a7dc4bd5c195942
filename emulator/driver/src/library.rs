//! Modules, which belong to a context, and libraries, which belong to none; the kernels and functions in them.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use ptx_emulator::Kernel;

use crate::abi::{CuResult, DevicePtr, Handle, put};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::image::{self, ErrorLog, Image};
use crate::state::{Driver, State};

/// A module.
pub struct Module {
    /// Its context.
    pub context: Handle,
    image: Arc<Image>,
}

/// A library.
pub struct Library {
    image: Arc<Image>,
}

/// A kernel of a module or a library, with what was set for it.
pub struct KernelCode {
    /// Its name, as C wants it.
    pub name: CString,
    /// The code.
    pub kernel: Kernel,
    /// Its image.
    pub image: Arc<Image>,
    /// The module or library that it belongs to.
    pub owner: Handle,
    /// For each device, the dynamic shared memory that it has been allowed beyond the default.
    pub dynamic_shared: Vec<AtomicU32>,
}

impl KernelCode {
    fn find(driver: &Driver, image: &Arc<Image>, owner: Handle, name: &CStr) -> Outcome<Arc<Self>> {
        let kernel = name.to_str().ok().and_then(|name| image.module.kernel(name)).ok_or(CudaError::NOT_FOUND)?;
        let dynamic_shared =
            driver.settings.devices.iter().map(|_| AtomicU32::new(crate::device::DEFAULT_SHARED)).collect();
        Ok(Arc::new(Self { name: name.to_owned(), kernel, image: Arc::clone(image), owner, dynamic_shared }))
    }
}

/// A kernel in a context: what is launched.
pub struct Function {
    /// The context.
    pub context: Handle,
    /// The kernel.
    pub code: Arc<KernelCode>,
}

impl State {
    /// What a launch or an attribute query means by a function handle, which may be a kernel's too.
    pub fn function(&self, handle: Handle) -> Outcome<(Arc<KernelCode>, Option<Handle>)> {
        match self.functions.get(handle) {
            Ok(function) => Ok((Arc::clone(&function.code), Some(function.context))),
            Err(_) => self.kernels.get(handle).map(|code| (Arc::clone(code), None)),
        }
    }
}

/// `cuModuleLoadData`.
///
/// # Safety
/// `module` is null or valid for a write; `data` is null or an image: text with a closing NUL, or a binary.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, data: *const c_void) -> CuResult {
    entry("cuModuleLoadData", &[], |driver| {
        // SAFETY: no options; `module` and `data` as in this function's contract.
        unsafe { load_module(driver, module, data, &ErrorLog::find(std::ptr::null(), std::ptr::null(), 0)) }
    })
}

/// `cuModuleLoadDataEx`: of the options, the error log is honoured.
///
/// # Safety
/// As `cuModuleLoadData`; `options` and `values` are null or hold `count` elements, and an error log among them is as large as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Handle,
    data: *const c_void,
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
) -> CuResult {
    entry("cuModuleLoadDataEx", &[("options", count.into())], |driver| {
        // SAFETY: as in this function's contract.
        unsafe { load_module(driver, module, data, &ErrorLog::find(options, values, count)) }
    })
}

/// `cuModuleLoadFatBinary`: refuses fat binaries, as every image that is not PTX text.
///
/// # Safety
/// As `cuModuleLoadData`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadFatBinary(module: *mut Handle, data: *const c_void) -> CuResult {
    entry("cuModuleLoadFatBinary", &[], |driver| {
        // SAFETY: no options; `module` and `data` as in this function's contract.
        unsafe { load_module(driver, module, data, &ErrorLog::find(std::ptr::null(), std::ptr::null(), 0)) }
    })
}

/// `cuModuleLoad`.
///
/// # Safety
/// `module` is null or valid for a write; `path` is null or text with a closing NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoad(module: *mut Handle, path: *const c_char) -> CuResult {
    entry("cuModuleLoad", &[], |driver| {
        // SAFETY: `path` as in this function's contract.
        let data = unsafe { read_file(path)? };
        // SAFETY: no options; the data ends with a NUL; `module` as in this function's contract.
        unsafe {
            load_module(driver, module, data.as_ptr().cast(), &ErrorLog::find(std::ptr::null(), std::ptr::null(), 0))
        }
    })
}

/// # Safety
/// As `cuModuleLoadData`, and the log as [`ErrorLog::write`].
unsafe fn load_module(driver: &Driver, module: *mut Handle, data: *const c_void, log: &ErrorLog) -> Outcome<Handle> {
    let context = driver.current()?;
    driver.lock().forbid_unsafe()?;
    if module.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: as in this function's contract.
    let image = unsafe { image::load(driver, data, log)? };
    fits(driver, &image, context.device)?;
    let handle = driver.lock().modules.insert(Module { context: context.handle, image: Arc::new(image) });
    // SAFETY: `module` as in this function's contract.
    unsafe { put(module, handle) }
}

/// Refuses an image whose target the device cannot run.
fn fits(driver: &Driver, image: &Image, device: usize) -> Outcome {
    let model = driver.settings.devices[device].model;
    if image.runs_on(model) {
        return Ok(());
    }
    let (major, minor) = model.compute_capability();
    driver
        .record
        .note(&format!("image refused: its target {} does not run on sm_{major}{minor}", image.module.target()));
    Err(CudaError::NO_BINARY_FOR_GPU)
}

/// # Safety
/// `path` is null or text with a closing NUL.
unsafe fn read_file(path: *const c_char) -> Outcome<Vec<u8>> {
    // SAFETY: `path` as in this function's contract.
    let path = unsafe { text(path)? };
    let mut data = std::fs::read(Path::new(path.to_str().map_err(|_| CudaError::FILE_NOT_FOUND)?))
        .map_err(|_| CudaError::FILE_NOT_FOUND)?;
    data.push(0);
    Ok(data)
}

/// # Safety
/// `text` is null or text with a closing NUL, which lives as long as the result is used.
unsafe fn text<'a>(text: *const c_char) -> Outcome<&'a CStr> {
    if text.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: not null, and so text with a closing NUL by this function's contract.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// `cuModuleUnload`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(module: Handle) -> CuResult {
    entry("cuModuleUnload", &[("module", module as u64)], |driver| {
        let mut state = driver.lock();
        state.forbid_unsafe()?;
        state.modules.remove(module)?;
        state.functions.retain(|function| function.code.owner != module);
        Ok(())
    })
}

/// `cuModuleGetFunction`: the same handle at every call.
///
/// # Safety
/// `function` is null or valid for a write; `name` is null or text with a closing NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char) -> CuResult {
    entry("cuModuleGetFunction", &[("module", module as u64)], |driver| {
        // SAFETY: `name` as in this function's contract.
        let name = unsafe { text(name)? };
        let mut state = driver.lock();
        let owner = state.modules.get(module)?;
        let (context, image) = (owner.context, Arc::clone(&owner.image));
        let known = state.functions.find(|function| function.code.owner == module && *function.code.name == *name);
        let handle = match known {
            Some(handle) => handle,
            None => {
                let code = KernelCode::find(driver, &image, module, name)?;
                state.functions.insert(Function { context, code })
            }
        };
        // SAFETY: `function` as in this function's contract.
        unsafe { put(function, handle) }
    })
}

/// `cuModuleGetGlobal_v2`: the emulator places a module's variables itself and tells no addresses.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetGlobal_v2(
    _address: *mut DevicePtr,
    _bytes: *mut usize,
    module: Handle,
    _name: *const c_char,
) -> CuResult {
    entry("cuModuleGetGlobal_v2", &[("module", module as u64)], |driver| {
        driver.lock().modules.get(module)?;
        Err::<(), _>(CudaError::NOT_SUPPORTED)
    })
}

/// `cuLibraryLoadData`: needs no context. Of the options, the error log is honoured. Fails when no device can run the image.
///
/// # Safety
/// `library` is null or valid for a write; `data` is null or an image: text with a closing NUL, or a binary; each pair of arrays is null or holds its
/// count of elements, and an error log among them is as large as it says.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // The driver API's own signature.
pub unsafe extern "C" fn cuLibraryLoadData(
    library: *mut Handle,
    data: *const c_void,
    jit_options: *const u32,
    jit_values: *const *mut c_void,
    jit_count: u32,
    _library_options: *const u32,
    _library_values: *const *mut c_void,
    library_count: u32,
) -> CuResult {
    let arguments = [("jit_options", jit_count.into()), ("library_options", library_count.into())];
    entry("cuLibraryLoadData", &arguments, |driver| {
        // SAFETY: as in this function's contract.
        unsafe { load_library(driver, library, data, &ErrorLog::find(jit_options, jit_values, jit_count)) }
    })
}

/// `cuLibraryLoadFromFile`.
///
/// # Safety
/// As `cuLibraryLoadData`; `path` is null or text with a closing NUL.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // The driver API's own signature.
pub unsafe extern "C" fn cuLibraryLoadFromFile(
    library: *mut Handle,
    path: *const c_char,
    jit_options: *const u32,
    jit_values: *const *mut c_void,
    jit_count: u32,
    _library_options: *const u32,
    _library_values: *const *mut c_void,
    library_count: u32,
) -> CuResult {
    let arguments = [("jit_options", jit_count.into()), ("library_options", library_count.into())];
    entry("cuLibraryLoadFromFile", &arguments, |driver| {
        // SAFETY: `path` as in this function's contract.
        let data = unsafe { read_file(path)? };
        // SAFETY: the data ends with a NUL; the rest as in this function's contract.
        unsafe {
            load_library(driver, library, data.as_ptr().cast(), &ErrorLog::find(jit_options, jit_values, jit_count))
        }
    })
}

/// # Safety
/// As `cuLibraryLoadData`, and the log as [`ErrorLog::write`].
unsafe fn load_library(driver: &Driver, library: *mut Handle, data: *const c_void, log: &ErrorLog) -> Outcome<Handle> {
    driver.lock().forbid_unsafe()?;
    if library.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: as in this function's contract.
    let image = unsafe { image::load(driver, data, log)? };
    let devices = driver.settings.devices.iter();
    if !devices.clone().any(|config| image.runs_on(config.model)) {
        return fits(driver, &image, 0).map(|()| 0);
    }
    let handle = driver.lock().libraries.insert(Library { image: Arc::new(image) });
    // SAFETY: `library` as in this function's contract.
    unsafe { put(library, handle) }
}

/// `cuLibraryUnload`: its kernels and their functions go with it.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryUnload(library: Handle) -> CuResult {
    entry("cuLibraryUnload", &[("library", library as u64)], |driver| {
        let mut state = driver.lock();
        state.forbid_unsafe()?;
        state.libraries.remove(library)?;
        state.kernels.retain(|code| code.owner != library);
        state.functions.retain(|function| function.code.owner != library);
        Ok(())
    })
}

/// `cuLibraryGetKernel`: the same handle at every call.
///
/// # Safety
/// `kernel` is null or valid for a write; `name` is null or text with a closing NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetKernel(kernel: *mut Handle, library: Handle, name: *const c_char) -> CuResult {
    entry("cuLibraryGetKernel", &[("library", library as u64)], |driver| {
        // SAFETY: `name` as in this function's contract.
        let name = unsafe { text(name)? };
        let mut state = driver.lock();
        let image = Arc::clone(&state.libraries.get(library)?.image);
        let handle = match state.kernels.find(|code| code.owner == library && *code.name == *name) {
            Some(handle) => handle,
            None => state.kernels.insert(KernelCode::find(driver, &image, library, name)?),
        };
        // SAFETY: `kernel` as in this function's contract.
        unsafe { put(kernel, handle) }
    })
}

/// `cuLibraryGetKernelCount`.
///
/// # Safety
/// `count` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetKernelCount(count: *mut u32, library: Handle) -> CuResult {
    entry("cuLibraryGetKernelCount", &[("library", library as u64)], |driver| {
        let kernels = driver.lock().libraries.get(library)?.image.module.kernels().count();
        // SAFETY: `count` as in this function's contract.
        unsafe { put(count, kernels as u32) }
    })
}

/// `cuLibraryGetModule`: a module of the library in the current context.
///
/// # Safety
/// `module` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetModule(module: *mut Handle, library: Handle) -> CuResult {
    entry("cuLibraryGetModule", &[("library", library as u64)], |driver| {
        let context = driver.current()?;
        let image = Arc::clone(&driver.lock().libraries.get(library)?.image);
        fits(driver, &image, context.device)?;
        let mut state = driver.lock();
        let known = state.modules.find(|module| module.context == context.handle && Arc::ptr_eq(&module.image, &image));
        let handle = known.unwrap_or_else(|| state.modules.insert(Module { context: context.handle, image }));
        // SAFETY: `module` as in this function's contract.
        unsafe { put(module, handle) }
    })
}

/// `cuKernelGetFunction`: the kernel in the current context, the same handle at every call; fails when the context's device cannot run the image.
///
/// # Safety
/// `function` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetFunction(function: *mut Handle, kernel: Handle) -> CuResult {
    entry("cuKernelGetFunction", &[("kernel", kernel as u64)], |driver| {
        let context = driver.current()?;
        let code = Arc::clone(driver.lock().kernels.get(kernel)?);
        fits(driver, &code.image, context.device)?;
        let mut state = driver.lock();
        let known = state.functions.find(|one| one.context == context.handle && Arc::ptr_eq(&one.code, &code));
        let handle = known.unwrap_or_else(|| state.functions.insert(Function { context: context.handle, code }));
        // SAFETY: `function` as in this function's contract.
        unsafe { put(function, handle) }
    })
}
