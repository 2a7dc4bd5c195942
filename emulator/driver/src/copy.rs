//! Copies between host and devices, and fills.

use std::ffi::c_void;

use crate::abi::{CuResult, DevicePtr, Handle, STREAM_LEGACY};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::operation::Operation;
use crate::state::Driver;

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
