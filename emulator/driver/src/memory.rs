//! Device memory, page-locked host memory, copies and fills.

use std::alloc::Layout;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::abi::{CuResult, DevicePtr, Handle, STREAM_LEGACY, put, put_if_wanted};
use crate::device::card;
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::operation::Operation;
use crate::state::Driver;

/// A block of page-locked host memory.
pub struct HostBlock {
    layout: Layout,
    context: Handle,
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

/// `cuMemcpyHtoDAsync_v2`.
///
/// # Safety
/// `from` is null or valid for `bytes` reads: now, or, under capture, at each launch of the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: DevicePtr,
    from: *const c_void,
    bytes: usize,
    stream: Handle,
) -> CuResult {
    let arguments = [("to", to), ("bytes", bytes as u64), ("stream", stream as u64)];
    entry("cuMemcpyHtoDAsync_v2", &arguments, |driver| upload(driver, to, from as usize, bytes, stream))
}

/// `cuMemcpyHtoD_v2`.
///
/// # Safety
/// `from` is null or valid for `bytes` reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoD_v2(to: DevicePtr, from: *const c_void, bytes: usize) -> CuResult {
    entry("cuMemcpyHtoD_v2", &[("to", to), ("bytes", bytes as u64)], |driver| {
        driver.lock().forbid_unsafe()?;
        upload(driver, to, from as usize, bytes, STREAM_LEGACY)
    })
}

fn upload(driver: &Driver, to: DevicePtr, from: usize, bytes: usize, stream: Handle) -> Outcome {
    if from == 0 && bytes > 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    driver.submit(stream, Operation::Upload { to, from, bytes })
}

/// `cuMemcpyDtoHAsync_v2`.
///
/// # Safety
/// `to` is null or valid for `bytes` writes: now, or, under capture, at each launch of the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: DevicePtr,
    bytes: usize,
    stream: Handle,
) -> CuResult {
    let arguments = [("from", from), ("bytes", bytes as u64), ("stream", stream as u64)];
    entry("cuMemcpyDtoHAsync_v2", &arguments, |driver| download(driver, to as usize, from, bytes, stream))
}

/// `cuMemcpyDtoH_v2`.
///
/// # Safety
/// `to` is null or valid for `bytes` writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2(to: *mut c_void, from: DevicePtr, bytes: usize) -> CuResult {
    entry("cuMemcpyDtoH_v2", &[("from", from), ("bytes", bytes as u64)], |driver| {
        driver.lock().forbid_unsafe()?;
        download(driver, to as usize, from, bytes, STREAM_LEGACY)
    })
}

fn download(driver: &Driver, to: usize, from: DevicePtr, bytes: usize, stream: Handle) -> Outcome {
    if to == 0 && bytes > 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    driver.submit(stream, Operation::Download { to, from, bytes })
}

/// `cuMemcpyDtoDAsync_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoDAsync_v2(
    to: DevicePtr,
    from: DevicePtr,
    bytes: usize,
    stream: Handle,
) -> CuResult {
    let arguments = [("to", to), ("from", from), ("bytes", bytes as u64), ("stream", stream as u64)];
    entry("cuMemcpyDtoDAsync_v2", &arguments, |driver| driver.submit(stream, Operation::Copy { to, from, bytes }))
}

/// `cuMemcpyDtoD_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoD_v2(to: DevicePtr, from: DevicePtr, bytes: usize) -> CuResult {
    entry("cuMemcpyDtoD_v2", &[("to", to), ("from", from), ("bytes", bytes as u64)], |driver| {
        driver.lock().forbid_unsafe()?;
        driver.submit(STREAM_LEGACY, Operation::Copy { to, from, bytes })
    })
}

/// `cuMemcpyPeerAsync`: addresses are unified, so the contexts are checked and otherwise not needed.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyPeerAsync(
    to: DevicePtr,
    to_context: Handle,
    from: DevicePtr,
    from_context: Handle,
    bytes: usize,
    stream: Handle,
) -> CuResult {
    let arguments = [("to", to), ("from", from), ("bytes", bytes as u64), ("stream", stream as u64)];
    entry("cuMemcpyPeerAsync", &arguments, |driver| {
        for context in [to_context, from_context] {
            driver.lock().contexts.get(context).map_err(|_| CudaError::INVALID_CONTEXT)?.check()?;
        }
        driver.submit(stream, Operation::Copy { to, from, bytes })
    })
}

/// `cuMemsetD8Async`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async(to: DevicePtr, value: u8, count: usize, stream: Handle) -> CuResult {
    fill("cuMemsetD8Async", to, value.into(), 1, count, Some(stream))
}

/// `cuMemsetD16Async`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16Async(to: DevicePtr, value: u16, count: usize, stream: Handle) -> CuResult {
    fill("cuMemsetD16Async", to, value.into(), 2, count, Some(stream))
}

/// `cuMemsetD32Async`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32Async(to: DevicePtr, value: u32, count: usize, stream: Handle) -> CuResult {
    fill("cuMemsetD32Async", to, value, 4, count, Some(stream))
}

/// `cuMemsetD8_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8_v2(to: DevicePtr, value: u8, count: usize) -> CuResult {
    fill("cuMemsetD8_v2", to, value.into(), 1, count, None)
}

/// `cuMemsetD16_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16_v2(to: DevicePtr, value: u16, count: usize) -> CuResult {
    fill("cuMemsetD16_v2", to, value.into(), 2, count, None)
}

/// `cuMemsetD32_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32_v2(to: DevicePtr, value: u32, count: usize) -> CuResult {
    fill("cuMemsetD32_v2", to, value, 4, count, None)
}

fn fill(name: &'static str, to: DevicePtr, pattern: u32, width: u32, count: usize, stream: Option<Handle>) -> CuResult {
    let queue = stream.unwrap_or(STREAM_LEGACY);
    let arguments = [("to", to), ("value", pattern.into()), ("count", count as u64), ("stream", queue as u64)];
    entry(name, &arguments, |driver| {
        if !to.is_multiple_of(width.into()) {
            return Err(CudaError::INVALID_VALUE);
        }
        if stream.is_none() {
            driver.lock().forbid_unsafe()?;
        }
        if count == 0 {
            return driver.lock().stream(queue).map(|_| ());
        }
        driver.submit(queue, Operation::Fill { to, pattern, width, count })
    })
}

/// `CUpointer_attribute`, those that are answered.
mod pointer_attribute {
    pub const CONTEXT: u32 = 1;
    pub const MEMORY_TYPE: u32 = 2;
    pub const DEVICE_POINTER: u32 = 3;
    pub const HOST_POINTER: u32 = 4;
    pub const IS_MANAGED: u32 = 8;
    pub const DEVICE_ORDINAL: u32 = 9;
    pub const RANGE_START_ADDR: u32 = 11;
    pub const RANGE_SIZE: u32 = 12;
    pub const MAPPED: u32 = 13;
}

/// What is known of an address.
struct Pointed {
    context: Handle,
    device: i32,
    start: u64,
    size: u64,
    is_host: bool,
}

impl Pointed {
    fn find(driver: &Driver, address: u64) -> Outcome<Self> {
        let state = driver.lock();
        if let Some(owner) = state.owner(address) {
            let (start, size) = owner.emulator.allocation(address).ok_or(CudaError::INVALID_VALUE)?;
            return Ok(Self { context: owner.handle, device: owner.device as i32, start, size, is_host: false });
        }
        let block = state
            .host
            .iter()
            .find(|(start, block)| (**start..**start + block.layout.size()).contains(&(address as usize)));
        let (start, block) = block.ok_or(CudaError::INVALID_VALUE)?;
        let device = state.contexts.get(block.context)?.device as i32;
        Ok(Self {
            context: block.context,
            device,
            start: *start as u64,
            size: block.layout.size() as u64,
            is_host: true,
        })
    }

    /// # Safety
    /// `out` is null or valid for a write of the attribute's type.
    unsafe fn answer(&self, out: *mut c_void, attribute: u32, address: u64) -> Outcome {
        // SAFETY: `out` as in this function's contract; every attribute is written with the type that the driver API gives it.
        unsafe {
            match attribute {
                pointer_attribute::CONTEXT => put(out.cast(), self.context).map(|_| ()),
                // `CU_MEMORYTYPE_HOST` or `CU_MEMORYTYPE_DEVICE`.
                pointer_attribute::MEMORY_TYPE => put(out.cast::<u32>(), if self.is_host { 1 } else { 2 }).map(|_| ()),
                pointer_attribute::DEVICE_POINTER if !self.is_host => put(out.cast(), address).map(|_| ()),
                pointer_attribute::HOST_POINTER if self.is_host => put(out.cast(), address).map(|_| ()),
                pointer_attribute::IS_MANAGED => put(out.cast::<u8>(), 0).map(|_| ()),
                pointer_attribute::DEVICE_ORDINAL => put(out.cast(), self.device).map(|_| ()),
                pointer_attribute::RANGE_START_ADDR => put(out.cast(), self.start).map(|_| ()),
                pointer_attribute::RANGE_SIZE => put(out.cast(), self.size as usize).map(|_| ()),
                pointer_attribute::MAPPED => put(out.cast::<u8>(), 1).map(|_| ()),
                _ => Err(CudaError::INVALID_VALUE),
            }
        }
    }
}

/// `cuPointerGetAttribute`.
///
/// # Safety
/// `out` is null or valid for a write of the attribute's type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuPointerGetAttribute(out: *mut c_void, attribute: u32, address: DevicePtr) -> CuResult {
    entry("cuPointerGetAttribute", &[("attribute", attribute.into()), ("address", address)], |driver| {
        let pointed = Pointed::find(driver, address)?;
        // SAFETY: `out` as in this function's contract.
        unsafe { pointed.answer(out, attribute, address) }
    })
}

/// `cuPointerGetAttributes`: what is unknown of an address is left as it was, and the call succeeds, as the API has it.
///
/// # Safety
/// `attributes` and `out` are null or hold `count` elements, and each `out` is null or valid for a write of its attribute's type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuPointerGetAttributes(
    count: u32,
    attributes: *const u32,
    out: *const *mut c_void,
    address: DevicePtr,
) -> CuResult {
    entry("cuPointerGetAttributes", &[("count", count.into()), ("address", address)], |driver| {
        if count == 0 || attributes.is_null() || out.is_null() {
            return Err(CudaError::INVALID_VALUE);
        }
        let Ok(pointed) = Pointed::find(driver, address) else { return Ok(()) };
        for index in 0..count as usize {
            // SAFETY: both arrays hold `count` elements, and each target is as in this function's contract.
            let _ = unsafe { pointed.answer(*out.add(index), *attributes.add(index), address) };
        }
        Ok(())
    })
}
