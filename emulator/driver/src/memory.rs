//! Device memory and page-locked host memory.

use std::alloc::Layout;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::abi::{CuResult, DevicePtr, Handle, STREAM_LEGACY, put, put_if_wanted};
use crate::device::card;
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::state::Driver;

/// A block of page-locked host memory.
pub struct HostBlock {
    /// Its size.
    pub layout: Layout,
    /// The context that was current when it was allocated.
    pub context: Handle,
}

/// `cuMemAlloc_v2`.
///
/// # Safety
/// `address` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut DevicePtr, bytes: usize) -> CuResult {
    entry("cuMemAlloc_v2", &[("bytes", bytes as u64)], |driver| {
        driver.lock().forbid_unsafe()?;
        // SAFETY: `address` as in this function's contract.
        unsafe { allocate(driver, address, bytes, STREAM_LEGACY) }
    })
}

/// `cuMemAllocAsync`. Allocation inside a graph is not modelled: it is refused for a capturing stream.
///
/// # Safety
/// `address` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(address: *mut DevicePtr, bytes: usize, stream: Handle) -> CuResult {
    entry("cuMemAllocAsync", &[("bytes", bytes as u64), ("stream", stream as u64)], |driver| {
        // SAFETY: `address` as in this function's contract.
        unsafe { allocate(driver, address, bytes, stream) }
    })
}

/// Allocates in the context of a stream.
///
/// # Safety
/// `address` is null or valid for a write.
pub unsafe fn allocate(driver: &Driver, address: *mut DevicePtr, bytes: usize, stream: Handle) -> Outcome<DevicePtr> {
    let context = {
        let mut state = driver.lock();
        let (key, context) = state.stream(stream)?;
        state.forbid_capture(key)?;
        context
    };
    if address.is_null() || bytes == 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let bytes = bytes as u64;
    let memory = card(context.emulator.config().model).memory_bytes();
    if context.used.load(Ordering::Relaxed).saturating_add(bytes) > memory {
        return Err(CudaError::OUT_OF_MEMORY);
    }
    let allocated = context.emulator.alloc(bytes, "device memory").map_err(|error| {
        driver.record.remark(&error.to_string());
        CudaError::OUT_OF_MEMORY
    })?;
    context.used.fetch_add(bytes, Ordering::Relaxed);
    // SAFETY: `address` as in this function's contract.
    unsafe { put(address, allocated) }
}

/// `cuMemFree_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(address: DevicePtr) -> CuResult {
    entry("cuMemFree_v2", &[("address", address)], |driver| {
        driver.lock().forbid_unsafe()?;
        release(driver, address, STREAM_LEGACY)
    })
}

/// `cuMemFreeAsync`; refused for a capturing stream, as allocation is.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeAsync(address: DevicePtr, stream: Handle) -> CuResult {
    entry("cuMemFreeAsync", &[("address", address), ("stream", stream as u64)], |driver| {
        release(driver, address, stream)
    })
}

fn release(driver: &Driver, address: DevicePtr, stream: Handle) -> Outcome {
    let owner = {
        let mut state = driver.lock();
        let (key, _) = state.stream(stream)?;
        state.forbid_capture(key)?;
        state.owner(address).ok_or(CudaError::INVALID_VALUE)?
    };
    let (_, bytes) = owner.emulator.allocation(address).ok_or(CudaError::INVALID_VALUE)?;
    owner.emulator.free(address).map_err(|error| {
        driver.record.remark(&error.to_string());
        CudaError::INVALID_VALUE
    })?;
    owner.used.fetch_sub(bytes, Ordering::Relaxed);
    Ok(())
}

/// `cuMemGetInfo_v2`.
///
/// # Safety
/// `free` and `total` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> CuResult {
    entry("cuMemGetInfo_v2", &[], |driver| {
        let context = driver.current()?;
        let memory = card(context.emulator.config().model).memory_bytes();
        let left = memory.saturating_sub(context.used.load(Ordering::Relaxed));
        // SAFETY: `free` and `total` as in this function's contract.
        unsafe { put(free, left as usize).and_then(|_| put(total, memory as usize)) }
    })
}

/// `cuMemGetAddressRange_v2`.
///
/// # Safety
/// `base` and `size` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetAddressRange_v2(
    base: *mut DevicePtr,
    size: *mut usize,
    address: DevicePtr,
) -> CuResult {
    entry("cuMemGetAddressRange_v2", &[("address", address)], |driver| {
        let owner = driver.lock().owner(address).ok_or(CudaError::NOT_FOUND)?;
        let (start, bytes) = owner.emulator.allocation(address).ok_or(CudaError::NOT_FOUND)?;
        // SAFETY: `base` and `size` as in this function's contract.
        unsafe {
            put_if_wanted(base, start);
            put_if_wanted(size, bytes as usize);
        }
        Ok(())
    })
}

/// `cuMemHostAlloc`: ordinary memory, which kernels cannot reach.
///
/// # Safety
/// `memory` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(memory: *mut *mut c_void, bytes: usize, flags: u32) -> CuResult {
    entry("cuMemHostAlloc", &[("bytes", bytes as u64), ("flags", flags.into())], |driver| {
        let mut state = driver.lock();
        let context = state.current()?.handle;
        state.forbid_unsafe()?;
        let layout = Layout::from_size_align(bytes, PAGE).map_err(|_| CudaError::INVALID_VALUE)?;
        if memory.is_null() || bytes == 0 || flags > 7 {
            return Err(CudaError::INVALID_VALUE);
        }
        // SAFETY: the layout's size is not 0.
        let block = unsafe { std::alloc::alloc(layout) };
        if block.is_null() {
            return Err(CudaError::OUT_OF_MEMORY);
        }
        state.host.insert(block as usize, HostBlock { layout, context });
        // SAFETY: `memory` as in this function's contract.
        unsafe { put(memory, block.cast()) }.map(|block| block as usize)
    })
}

/// Page-locked memory starts at a page.
const PAGE: usize = 4096;

/// `cuMemFreeHost`.
///
/// # Safety
/// Nobody uses the memory any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(memory: *mut c_void) -> CuResult {
    entry("cuMemFreeHost", &[("memory", memory as u64)], |driver| {
        let mut state = driver.lock();
        state.forbid_unsafe()?;
        let block = state.host.remove(&(memory as usize)).ok_or(CudaError::INVALID_VALUE)?;
        // SAFETY: the block was allocated by `cuMemHostAlloc` with this layout and has just left the table, so it is freed once.
        unsafe { std::alloc::dealloc(memory.cast(), block.layout) };
        Ok(())
    })
}
