//! Attributes of functions and kernels, and occupancy.

use std::ffi::c_char;
use std::sync::atomic::Ordering;

use ptx_emulator::DeviceModel;

use crate::abi::{CuResult, Device, Handle, LaunchConfig, function_attribute, put};
use crate::device::{RESERVED_SHARED, card};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::library::KernelCode;
use crate::state::Driver;

/// `cuFuncGetAttribute`.
///
/// # Safety
/// `value` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetAttribute(value: *mut i32, attribute: u32, function: Handle) -> CuResult {
    let arguments = [("attribute", attribute.into()), ("function", function as u64)];
    entry("cuFuncGetAttribute", &arguments, |driver| {
        let (code, device) = in_context(driver, function)?;
        // SAFETY: `value` as in this function's contract.
        unsafe { put(value, attribute_of(driver, &code, device, attribute)?) }
    })
}

/// `cuFuncSetAttribute`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetAttribute(function: Handle, attribute: u32, value: i32) -> CuResult {
    let arguments = [("function", function as u64), ("attribute", attribute.into()), ("value", value as u64)];
    entry("cuFuncSetAttribute", &arguments, |driver| {
        let (code, device) = in_context(driver, function)?;
        set_attribute(driver, &code, device, attribute, value)
    })
}

/// `cuKernelGetAttribute`.
///
/// # Safety
/// `value` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetAttribute(
    value: *mut i32,
    attribute: u32,
    kernel: Handle,
    device: Device,
) -> CuResult {
    let arguments = [("attribute", attribute.into()), ("kernel", kernel as u64), ("device", device as u64)];
    entry("cuKernelGetAttribute", &arguments, |driver| {
        driver.device(device)?;
        let code = driver.lock().kernels.get(kernel)?.clone();
        // SAFETY: `value` as in this function's contract.
        unsafe { put(value, attribute_of(driver, &code, device as usize, attribute)?) }
    })
}

/// `cuKernelSetAttribute`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelSetAttribute(attribute: u32, value: i32, kernel: Handle, device: Device) -> CuResult {
    let arguments = [
        ("attribute", attribute.into()),
        ("value", value as u64),
        ("kernel", kernel as u64),
        ("device", device as u64),
    ];
    entry("cuKernelSetAttribute", &arguments, |driver| {
        driver.device(device)?;
        let code = driver.lock().kernels.get(kernel)?.clone();
        set_attribute(driver, &code, device as usize, attribute, value)
    })
}

/// `cuFuncSetCacheConfig`: a preference, which changes nothing here.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetCacheConfig(function: Handle, config: u32) -> CuResult {
    let arguments = [("function", function as u64), ("config", config.into())];
    entry("cuFuncSetCacheConfig", &arguments, |driver| {
        in_context(driver, function)?;
        if config > 3 { Err(CudaError::INVALID_VALUE) } else { Ok(()) }
    })
}

/// `cuFuncGetName`: valid until the function's module or library is unloaded.
///
/// # Safety
/// `name` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetName(name: *mut *const c_char, function: Handle) -> CuResult {
    entry("cuFuncGetName", &[("function", function as u64)], |driver| {
        let (code, _) = driver.lock().function(function)?;
        // SAFETY: `name` as in this function's contract.
        unsafe { put(name, code.name.as_ptr()) }.map(|_| ())
    })
}

/// `cuKernelGetName`: valid until the kernel's library is unloaded.
///
/// # Safety
/// `name` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetName(name: *mut *const c_char, kernel: Handle) -> CuResult {
    entry("cuKernelGetName", &[("kernel", kernel as u64)], |driver| {
        let state = driver.lock();
        // SAFETY: `name` as in this function's contract.
        unsafe { put(name, state.kernels.get(kernel)?.name.as_ptr()) }.map(|_| ())
    })
}

/// A function and the device of its context; a kernel counts as a function of the current context.
fn in_context(driver: &Driver, function: Handle) -> Outcome<(std::sync::Arc<KernelCode>, usize)> {
    let state = driver.lock();
    let (code, context) = state.function(function)?;
    let context = match context {
        Some(context) => state.contexts.get(context)?.clone(),
        None => state.current()?,
    };
    context.check()?;
    Ok((code, context.device))
}

fn attribute_of(driver: &Driver, code: &KernelCode, device: usize, attribute: u32) -> Outcome<i32> {
    let kernel = &code.kernel;
    Ok(match attribute {
        function_attribute::MAX_THREADS_PER_BLOCK => max_threads(code) as i32,
        function_attribute::SHARED_SIZE_BYTES => kernel.static_shared() as i32,
        function_attribute::LOCAL_SIZE_BYTES => kernel.local_bytes() as i32,
        function_attribute::PTX_VERSION => code.image.version,
        function_attribute::BINARY_VERSION => {
            let (major, minor) = driver.settings.devices[device].model.compute_capability();
            (10 * major + minor) as i32
        }
        function_attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES => code.dynamic_shared[device].load(Ordering::Relaxed) as i32,
        function_attribute::PREFERRED_SHARED_MEMORY_CARVEOUT => -1,
        // Unknown without ptxas (registers), or without meaning here.
        function_attribute::CONST_SIZE_BYTES | function_attribute::NUM_REGS | function_attribute::CACHE_MODE_CA => 0,
        function_attribute::CLUSTER_SIZE_MUST_BE_SET..=function_attribute::CLUSTER_SCHEDULING_POLICY_PREFERENCE => 0,
        _ => return Err(CudaError::INVALID_VALUE),
    })
}

fn set_attribute(driver: &Driver, code: &KernelCode, device: usize, attribute: u32, value: i32) -> Outcome {
    match attribute {
        function_attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES => {
            let limit = driver.settings.devices[device].model.shared_memory_per_block_optin();
            let room = limit.saturating_sub(code.kernel.static_shared());
            let bytes = u32::try_from(value).ok().filter(|bytes| *bytes <= room).ok_or(CudaError::INVALID_VALUE)?;
            code.dynamic_shared[device].store(bytes, Ordering::Relaxed);
            Ok(())
        }
        function_attribute::PREFERRED_SHARED_MEMORY_CARVEOUT if (-1..=100).contains(&value) => Ok(()),
        _ => Err(CudaError::INVALID_VALUE),
    }
}

/// The most threads that a block of this kernel may have.
pub fn max_threads(code: &KernelCode) -> u32 {
    let stated = code.kernel.required_threads().or(code.kernel.max_threads());
    stated.map_or(1024, |threads| threads.iter().product::<u32>().min(1024))
}

/// Blocks of a kernel that one multiprocessor holds: by threads, block slots and shared memory. Registers, which only ptxas knows, are left out, so
/// hardware may hold fewer.
pub fn blocks_per_multiprocessor(model: DeviceModel, code: &KernelCode, threads: u32, dynamic_shared: u64) -> u32 {
    let card = card(model);
    if threads == 0 || threads > max_threads(code) {
        return 0;
    }
    let warps = threads.div_ceil(32);
    let by_threads = card.threads_per_multiprocessor as u32 / 32 / warps;
    let shared = u64::from(code.kernel.static_shared()) + dynamic_shared + u64::from(RESERVED_SHARED);
    // Shared memory is given out in units of 128 bytes.
    let by_shared = u64::from(model.shared_memory_per_multiprocessor()) / shared.next_multiple_of(128);
    by_threads.min(card.blocks_per_multiprocessor as u32).min(by_shared as u32)
}

/// `cuOccupancyMaxActiveBlocksPerMultiprocessor`.
///
/// # Safety
/// `blocks` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    blocks: *mut i32,
    function: Handle,
    threads: i32,
    dynamic_shared: usize,
) -> CuResult {
    // SAFETY: `blocks` as in this function's contract.
    unsafe { cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, dynamic_shared, 0) }
}

/// `cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags`: the flag, about caching, changes nothing here.
///
/// # Safety
/// `blocks` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    blocks: *mut i32,
    function: Handle,
    threads: i32,
    dynamic_shared: usize,
    flags: u32,
) -> CuResult {
    let arguments =
        [("function", function as u64), ("threads", threads as u64), ("dynamic_shared", dynamic_shared as u64)];
    entry("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", &arguments, |driver| {
        let (code, device) = in_context(driver, function)?;
        let threads = u32::try_from(threads).ok().filter(|threads| *threads > 0 && flags <= 1);
        let threads = threads.ok_or(CudaError::INVALID_VALUE)?;
        let model = driver.settings.devices[device].model;
        let active = blocks_per_multiprocessor(model, &code, threads, dynamic_shared as u64);
        // SAFETY: `blocks` as in this function's contract.
        unsafe { put(blocks, active as i32) }
    })
}

/// `cuOccupancyAvailableDynamicSMemPerBlock`: what is left for each of `blocks` blocks on a multiprocessor.
///
/// # Safety
/// `bytes` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyAvailableDynamicSMemPerBlock(
    bytes: *mut usize,
    function: Handle,
    blocks: i32,
    threads: i32,
) -> CuResult {
    let arguments = [("function", function as u64), ("blocks", blocks as u64), ("threads", threads as u64)];
    entry("cuOccupancyAvailableDynamicSMemPerBlock", &arguments, |driver| {
        let (code, device) = in_context(driver, function)?;
        let model = driver.settings.devices[device].model;
        let blocks = u32::try_from(blocks).ok().filter(|blocks| *blocks > 0).ok_or(CudaError::INVALID_VALUE)?;
        let threads = u32::try_from(threads).map_err(|_| CudaError::INVALID_VALUE)?;
        if blocks > blocks_per_multiprocessor(model, &code, threads, 0) {
            return Err(CudaError::INVALID_VALUE);
        }
        let share = model.shared_memory_per_multiprocessor() / blocks / 128 * 128;
        let free = share.saturating_sub(RESERVED_SHARED).min(model.shared_memory_per_block_optin());
        // SAFETY: `bytes` as in this function's contract.
        unsafe { put(bytes, free.saturating_sub(code.kernel.static_shared()) as usize) }
    })
}

/// `CUoccupancyB2DSize`.
type SharedOfBlock = unsafe extern "C" fn(i32) -> usize;

/// `cuOccupancyMaxPotentialBlockSize`.
///
/// # Safety
/// `min_grid` and `block` are null or valid for a write; `shared_of_block` may be called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxPotentialBlockSize(
    min_grid: *mut i32,
    block: *mut i32,
    function: Handle,
    shared_of_block: Option<SharedOfBlock>,
    dynamic_shared: usize,
    limit: i32,
) -> CuResult {
    // SAFETY: as in this function's contract.
    unsafe {
        cuOccupancyMaxPotentialBlockSizeWithFlags(min_grid, block, function, shared_of_block, dynamic_shared, limit, 0)
    }
}

/// `cuOccupancyMaxPotentialBlockSizeWithFlags`: the block size with the most resident threads, the largest of equal ones.
///
/// # Safety
/// `min_grid` and `block` are null or valid for a write; `shared_of_block` may be called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxPotentialBlockSizeWithFlags(
    min_grid: *mut i32,
    block: *mut i32,
    function: Handle,
    shared_of_block: Option<SharedOfBlock>,
    dynamic_shared: usize,
    limit: i32,
    flags: u32,
) -> CuResult {
    let arguments = [("function", function as u64), ("dynamic_shared", dynamic_shared as u64), ("limit", limit as u64)];
    entry("cuOccupancyMaxPotentialBlockSizeWithFlags", &arguments, |driver| {
        let (code, device) = in_context(driver, function)?;
        let limit = u32::try_from(limit).ok().filter(|_| flags <= 1).ok_or(CudaError::INVALID_VALUE)?;
        let model = driver.settings.devices[device].model;
        let most = if limit == 0 { max_threads(&code) } else { limit.min(max_threads(&code)) };
        let resident = |threads: u32| {
            // SAFETY: `shared_of_block` as in this function's contract.
            let shared = shared_of_block.map_or(dynamic_shared, |shared| unsafe { shared(threads as i32) });
            blocks_per_multiprocessor(model, &code, threads, shared as u64)
        };
        let sizes = (1..=most.div_ceil(32)).map(|warps| (32 * warps).min(most));
        let best = sizes.max_by_key(|threads| resident(*threads) * threads).ok_or(CudaError::INVALID_VALUE)?;
        let grid = resident(best) * model.multiprocessors();
        // SAFETY: `min_grid` and `block` as in this function's contract.
        unsafe { put(min_grid, grid as i32).and_then(|_| put(block, best as i32)) }
    })
}

/// `cuOccupancyMaxActiveClusters`: clusters are not modelled.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveClusters(
    _clusters: *mut i32,
    function: Handle,
    _config: *const LaunchConfig,
) -> CuResult {
    entry("cuOccupancyMaxActiveClusters", &[("function", function as u64)], |driver| {
        in_context(driver, function)?;
        Err::<(), _>(CudaError::NOT_SUPPORTED)
    })
}

/// `cuOccupancyMaxPotentialClusterSize`: clusters are not modelled.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxPotentialClusterSize(
    _size: *mut i32,
    function: Handle,
    _config: *const LaunchConfig,
) -> CuResult {
    entry("cuOccupancyMaxPotentialClusterSize", &[("function", function as u64)], |driver| {
        in_context(driver, function)?;
        Err::<(), _>(CudaError::NOT_SUPPORTED)
    })
}
