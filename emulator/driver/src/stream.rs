//! Streams. They order nothing here, since every operation has run when its call returns; they matter for capture.

use crate::abi::{CuResult, Device, Handle, STREAM_NON_BLOCKING, put, put_if_wanted};
use crate::capture::Status;
use crate::context::GREATEST_PRIORITY;
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::state::Driver;

/// A stream.
pub struct Stream {
    /// Its context.
    pub context: Handle,
    /// `CU_STREAM_NON_BLOCKING` or 0.
    pub flags: u32,
    /// 0 to [`GREATEST_PRIORITY`].
    pub priority: i32,
    /// The capture that it takes part in.
    pub capture: Option<Handle>,
}

/// `cuStreamCreate`.
///
/// # Safety
/// `stream` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, flags: u32) -> CuResult {
    // SAFETY: `stream` as in this function's contract.
    entry("cuStreamCreate", &[("flags", flags.into())], |driver| unsafe { create(driver, stream, flags, 0) })
}

/// `cuStreamCreateWithPriority`: a priority outside the range is clamped.
///
/// # Safety
/// `stream` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreateWithPriority(stream: *mut Handle, flags: u32, priority: i32) -> CuResult {
    let arguments = [("flags", flags.into()), ("priority", priority as u64)];
    // SAFETY: `stream` as in this function's contract.
    entry("cuStreamCreateWithPriority", &arguments, |driver| unsafe { create(driver, stream, flags, priority) })
}

/// # Safety
/// `stream` is null or valid for a write.
unsafe fn create(driver: &Driver, stream: *mut Handle, flags: u32, priority: i32) -> Outcome<Handle> {
    if stream.is_null() || flags & !STREAM_NON_BLOCKING != 0 {
        return Err(CudaError::INVALID_VALUE);
    }
    let mut state = driver.lock();
    let context = state.current()?.handle;
    let priority = priority.clamp(GREATEST_PRIORITY, 0);
    let handle = state.streams.insert(Stream { context, flags, priority, capture: None });
    // SAFETY: `stream` as in this function's contract.
    unsafe { put(stream, handle) }
}

/// `cuStreamDestroy_v2`; the default streams cannot be destroyed. A capture in the stream ends with it.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamDestroy_v2(stream: Handle) -> CuResult {
    entry("cuStreamDestroy_v2", &[("stream", stream as u64)], |driver| {
        let mut state = driver.lock();
        let is_default = state.contexts.values().any(|context| context.legacy == stream);
        if is_default {
            return Err(CudaError::INVALID_HANDLE);
        }
        if let Some(capture) = state.streams.get(stream)?.capture {
            state.drop_capture(capture);
        }
        state.streams.remove(stream).map(|_| ())
    })
}

/// `cuStreamSynchronize`: everything has already run. Fails for a capturing stream.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(stream: Handle) -> CuResult {
    entry("cuStreamSynchronize", &[("stream", stream as u64)], |driver| settle(driver, stream))
}

/// `cuStreamQuery`: everything has already run. Fails for a capturing stream.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamQuery(stream: Handle) -> CuResult {
    entry("cuStreamQuery", &[("stream", stream as u64)], |driver| settle(driver, stream))
}

fn settle(driver: &Driver, stream: Handle) -> Outcome {
    let mut state = driver.lock();
    let (key, _) = state.stream(stream)?;
    state.forbid_capture(key)?;
    state.forbid_implicit(key)?;
    state.forbid_unsafe()
}

/// `cuStreamWaitEvent`: nothing to wait for, except under capture, where it is a dependency.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: u32) -> CuResult {
    let arguments = [("stream", stream as u64), ("event", event as u64), ("flags", flags.into())];
    entry("cuStreamWaitEvent", &arguments, |driver| {
        // `CU_EVENT_WAIT_EXTERNAL`, a wait node for an event outside the graph, is not modelled.
        if flags != 0 {
            return Err(CudaError::INVALID_VALUE);
        }
        let mut state = driver.lock();
        let (key, _) = state.stream(stream)?;
        state.forbid_implicit(key)?;
        state.wait_event(key, event)
    })
}

/// `cuStreamGetCtx`.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCtx(stream: Handle, context: *mut Handle) -> CuResult {
    entry("cuStreamGetCtx", &[("stream", stream as u64)], |driver| {
        let (_, owner) = driver.lock().stream(stream)?;
        // SAFETY: `context` as in this function's contract.
        unsafe { put(context, owner.handle) }
    })
}

/// `cuStreamGetDevice`.
///
/// # Safety
/// `device` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetDevice(stream: Handle, device: *mut Device) -> CuResult {
    entry("cuStreamGetDevice", &[("stream", stream as u64)], |driver| {
        let (_, owner) = driver.lock().stream(stream)?;
        // SAFETY: `device` as in this function's contract.
        unsafe { put(device, owner.device as Device) }
    })
}

/// `cuStreamGetFlags`.
///
/// # Safety
/// `flags` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetFlags(stream: Handle, flags: *mut u32) -> CuResult {
    entry("cuStreamGetFlags", &[("stream", stream as u64)], |driver| {
        let mut state = driver.lock();
        let (key, _) = state.stream(stream)?;
        // SAFETY: `flags` as in this function's contract.
        unsafe { put(flags, state.streams.get(key)?.flags) }
    })
}

/// `cuStreamGetPriority`.
///
/// # Safety
/// `priority` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetPriority(stream: Handle, priority: *mut i32) -> CuResult {
    entry("cuStreamGetPriority", &[("stream", stream as u64)], |driver| {
        let mut state = driver.lock();
        let (key, _) = state.stream(stream)?;
        // SAFETY: `priority` as in this function's contract.
        unsafe { put(priority, state.streams.get(key)?.priority) }
    })
}

/// `cuStreamGetId`: a number that no other stream ever has.
///
/// # Safety
/// `id` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetId(stream: Handle, id: *mut u64) -> CuResult {
    entry("cuStreamGetId", &[("stream", stream as u64)], |driver| {
        let (key, _) = driver.lock().stream(stream)?;
        // SAFETY: `id` as in this function's contract.
        unsafe { put(id, key as u64) }
    })
}

/// `cuStreamBeginCapture_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBeginCapture_v2(stream: Handle, mode: u32) -> CuResult {
    let arguments = [("stream", stream as u64), ("mode", mode.into())];
    entry("cuStreamBeginCapture_v2", &arguments, |driver| driver.lock().begin_capture(stream, mode))
}

/// `cuStreamEndCapture`: null and an error when something invalidated the capture.
///
/// # Safety
/// `graph` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture(stream: Handle, graph: *mut Handle) -> CuResult {
    entry("cuStreamEndCapture", &[("stream", stream as u64)], |driver| {
        let ended = driver.lock().end_capture(stream);
        // SAFETY: `graph` as in this function's contract.
        unsafe { put(graph, *ended.as_ref().unwrap_or(&0))? };
        ended
    })
}

/// `cuStreamIsCapturing`.
///
/// # Safety
/// `status` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamIsCapturing(stream: Handle, status: *mut u32) -> CuResult {
    entry("cuStreamIsCapturing", &[("stream", stream as u64)], |driver| {
        let mut state = driver.lock();
        let (key, _) = state.stream(stream)?;
        state.forbid_implicit(key)?;
        // SAFETY: `status` as in this function's contract.
        unsafe { put(status, state.capture_status(key)?.0 as u32) }
    })
}

/// `cuStreamGetCaptureInfo_v2`: the status and the capture's number. The graph under construction is not exposed: its pointers come back null.
///
/// # Safety
/// Every pointer is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v2(
    stream: Handle,
    status: *mut u32,
    id: *mut u64,
    graph: *mut Handle,
    dependencies: *mut *const Handle,
    dependency_count: *mut usize,
) -> CuResult {
    entry("cuStreamGetCaptureInfo_v2", &[("stream", stream as u64)], |driver| {
        let mut state = driver.lock();
        let (key, _) = state.stream(stream)?;
        state.forbid_implicit(key)?;
        let (now, capture) = state.capture_status(key)?;
        // SAFETY: all pointers as in this function's contract.
        unsafe {
            put(status, now as u32)?;
            if now == Status::Active {
                put_if_wanted(id, capture as u64);
            }
            put_if_wanted(graph, 0);
            put_if_wanted(dependencies, std::ptr::null());
            put_if_wanted(dependency_count, 0);
        }
        Ok(now as u32)
    })
}

/// `cuThreadExchangeStreamCaptureMode`.
///
/// # Safety
/// `mode` is null or valid for a read and a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuThreadExchangeStreamCaptureMode(mode: *mut u32) -> CuResult {
    entry("cuThreadExchangeStreamCaptureMode", &[], |_| {
        if mode.is_null() {
            return Err(CudaError::INVALID_VALUE);
        }
        // SAFETY: `mode` is not null, and as in this function's contract.
        let new = unsafe { mode.read() };
        let old = crate::capture::exchange_mode(new)?;
        // SAFETY: as above.
        unsafe { put(mode, old) }
    })
}

/// `cuLaunchHostFunc`: calls the function at once, or, under capture, at each launch of the graph.
///
/// # Safety
/// `function` may be called with `data`, once, or, under capture, at each launch of the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchHostFunc(
    stream: Handle,
    function: Option<crate::abi::HostFunction>,
    data: *mut std::ffi::c_void,
) -> CuResult {
    entry("cuLaunchHostFunc", &[("stream", stream as u64)], |driver| {
        let function = function.ok_or(CudaError::INVALID_VALUE)?;
        driver.submit(stream, crate::operation::Operation::Host { function, data: data as usize })
    })
}
