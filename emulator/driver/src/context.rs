//! Contexts: the primary ones of the devices, others, and which is current on a thread.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::abi::{CuResult, Device, Handle, put, put_if_wanted};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::state::{Driver, with_stack};

/// `cuDevicePrimaryCtxRetain`: makes the context at the first call.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: Device) -> CuResult {
    entry("cuDevicePrimaryCtxRetain", &[("device", device as u64)], |driver| {
        let config = driver.device(device)?;
        if context.is_null() {
            return Err(CudaError::INVALID_VALUE);
        }
        let mut state = driver.lock();
        let flags = state.primaries[device as usize].flags;
        let handle = match state.primaries[device as usize].context {
            Some(handle) => handle,
            None => state.create_context(device as usize, config, true, flags).handle,
        };
        let primary = &mut state.primaries[device as usize];
        primary.context = Some(handle);
        primary.retained += 1;
        // SAFETY: `context` as in this function's contract.
        unsafe { put(context, handle) }
    })
}

/// `cuDevicePrimaryCtxRelease_v2`: the last release destroys the context, a faulted one too.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(device: Device) -> CuResult {
    entry("cuDevicePrimaryCtxRelease_v2", &[("device", device as u64)], |driver| {
        driver.device(device)?;
        let mut state = driver.lock();
        let primary = &mut state.primaries[device as usize];
        primary.retained = primary.retained.checked_sub(1).ok_or(CudaError::INVALID_CONTEXT)?;
        if primary.retained > 0 {
            return Ok(());
        }
        let handle = primary.context.take().ok_or(CudaError::INVALID_CONTEXT)?;
        state.destroy_context(handle)
    })
}

/// `cuDevicePrimaryCtxReset_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxReset_v2(device: Device) -> CuResult {
    entry("cuDevicePrimaryCtxReset_v2", &[("device", device as u64)], |driver| {
        driver.device(device)?;
        let mut state = driver.lock();
        let primary = &mut state.primaries[device as usize];
        primary.retained = 0;
        primary.context.take().map_or(Ok(()), |handle| state.destroy_context(handle))
    })
}

/// `cuDevicePrimaryCtxSetFlags_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxSetFlags_v2(device: Device, flags: u32) -> CuResult {
    entry("cuDevicePrimaryCtxSetFlags_v2", &[("device", device as u64), ("flags", flags.into())], |driver| {
        driver.device(device)?;
        driver.lock().primaries[device as usize].flags = flags;
        Ok(())
    })
}

/// `cuDevicePrimaryCtxGetState`.
///
/// # Safety
/// `flags` and `active` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxGetState(device: Device, flags: *mut u32, active: *mut i32) -> CuResult {
    entry("cuDevicePrimaryCtxGetState", &[("device", device as u64)], |driver| {
        driver.device(device)?;
        let state = driver.lock();
        let primary = &state.primaries[device as usize];
        // SAFETY: `flags` and `active` as in this function's contract.
        unsafe { put(flags, primary.flags).and_then(|_| put(active, primary.context.is_some().into())) }
    })
}

/// `cuCtxCreate_v2`: a context of its own address space, which becomes current.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v2(context: *mut Handle, flags: u32, device: Device) -> CuResult {
    entry("cuCtxCreate_v2", &[("flags", flags.into()), ("device", device as u64)], |driver| {
        // SAFETY: `context` as in this function's contract.
        unsafe { create(driver, context, flags, device) }
    })
}

/// `cuCtxCreate_v3`; an execution affinity is not modelled.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v3(
    context: *mut Handle,
    affinities: *mut c_void,
    affinity_count: i32,
    flags: u32,
    device: Device,
) -> CuResult {
    let arguments = [("affinities", affinity_count as u64), ("flags", flags.into()), ("device", device as u64)];
    entry("cuCtxCreate_v3", &arguments, |driver| {
        if !affinities.is_null() && affinity_count != 0 {
            return Err(CudaError::NOT_SUPPORTED);
        }
        // SAFETY: `context` as in this function's contract.
        unsafe { create(driver, context, flags, device) }
    })
}

/// `cuCtxCreate_v4`; creation parameters (execution affinity, sharing with graphics) are not modelled.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v4(
    context: *mut Handle,
    params: *mut c_void,
    flags: u32,
    device: Device,
) -> CuResult {
    entry("cuCtxCreate_v4", &[("flags", flags.into()), ("device", device as u64)], |driver| {
        if !params.is_null() {
            return Err(CudaError::NOT_SUPPORTED);
        }
        // SAFETY: `context` as in this function's contract.
        unsafe { create(driver, context, flags, device) }
    })
}

/// # Safety
/// `context` is null or valid for a write.
unsafe fn create(driver: &Driver, context: *mut Handle, flags: u32, device: Device) -> Outcome<Handle> {
    let config = driver.device(device)?;
    if context.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    let handle = driver.lock().create_context(device as usize, config, false, flags).handle;
    with_stack(|stack| stack.push(handle));
    // SAFETY: `context` as in this function's contract.
    unsafe { put(context, handle) }
}

/// `cuCtxDestroy_v2`; a primary context is not its business.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxDestroy_v2(context: Handle) -> CuResult {
    entry("cuCtxDestroy_v2", &[("context", context as u64)], |driver| {
        let mut state = driver.lock();
        if state.contexts.get(context).map_err(|_| CudaError::INVALID_CONTEXT)?.primary {
            return Err(CudaError::INVALID_CONTEXT);
        }
        with_stack(|stack| stack.pop_if(|top| *top == context));
        state.destroy_context(context)
    })
}

/// `cuCtxSetCurrent`: null leaves the thread without a context.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCurrent(context: Handle) -> CuResult {
    entry("cuCtxSetCurrent", &[("context", context as u64)], |driver| {
        if context != 0 {
            driver.lock().contexts.get(context).map_err(|_| CudaError::INVALID_CONTEXT)?;
        }
        with_stack(|stack| {
            stack.pop();
            stack.extend((context != 0).then_some(context));
        });
        Ok(())
    })
}

/// `cuCtxGetCurrent`: null when there is none.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> CuResult {
    entry("cuCtxGetCurrent", &[], |_| {
        let current = with_stack(|stack| stack.last().copied().unwrap_or(0));
        // SAFETY: `context` as in this function's contract.
        unsafe { put(context, current) }
    })
}

/// `cuCtxPushCurrent_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPushCurrent_v2(context: Handle) -> CuResult {
    entry("cuCtxPushCurrent_v2", &[("context", context as u64)], |driver| {
        driver.lock().contexts.get(context).map_err(|_| CudaError::INVALID_CONTEXT)?;
        with_stack(|stack| stack.push(context));
        Ok(())
    })
}

/// `cuCtxPopCurrent_v2`.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPopCurrent_v2(context: *mut Handle) -> CuResult {
    entry("cuCtxPopCurrent_v2", &[], |_| {
        let popped = with_stack(Vec::pop).ok_or(CudaError::INVALID_CONTEXT)?;
        // SAFETY: `context` as in this function's contract.
        unsafe { put_if_wanted(context, popped) };
        Ok(popped)
    })
}

/// `cuCtxGetDevice`.
///
/// # Safety
/// `device` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice(device: *mut Device) -> CuResult {
    // SAFETY: `device` as in this function's contract.
    entry("cuCtxGetDevice", &[], |driver| unsafe { put(device, driver.current()?.device as Device) })
}

/// `cuCtxGetId`: the handle's number, which no other context ever has.
///
/// # Safety
/// `id` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetId(context: Handle, id: *mut u64) -> CuResult {
    entry("cuCtxGetId", &[("context", context as u64)], |driver| {
        let handle = match context {
            0 => driver.current()?.handle,
            handle => driver.lock().contexts.get(handle).map_err(|_| CudaError::INVALID_CONTEXT)?.handle,
        };
        // SAFETY: `id` as in this function's contract.
        unsafe { put(id, handle as u64) }
    })
}

/// `cuCtxGetApiVersion`.
///
/// # Safety
/// `version` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetApiVersion(context: Handle, version: *mut u32) -> CuResult {
    entry("cuCtxGetApiVersion", &[("context", context as u64)], |driver| {
        match context {
            0 => driver.current().map(|_| ())?,
            handle => driver.lock().contexts.get(handle).map(|_| ()).map_err(|_| CudaError::INVALID_CONTEXT)?,
        }
        // The version of the context interface since CUDA 3.2.
        // SAFETY: `version` as in this function's contract.
        unsafe { put(version, 3020) }
    })
}

/// `cuCtxGetFlags`.
///
/// # Safety
/// `flags` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetFlags(flags: *mut u32) -> CuResult {
    entry("cuCtxGetFlags", &[], |driver| {
        let current = driver.current()?.flags.load(Ordering::Relaxed);
        // SAFETY: `flags` as in this function's contract.
        unsafe { put(flags, current) }
    })
}

/// `cuCtxSetFlags`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetFlags(flags: u32) -> CuResult {
    entry("cuCtxSetFlags", &[("flags", flags.into())], |driver| {
        driver.current()?.flags.store(flags, Ordering::Relaxed);
        Ok(())
    })
}

/// `cuCtxGetStreamPriorityRange`: from 0, the least urgent, to -5, as on recent GPUs.
///
/// # Safety
/// `least` and `greatest` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetStreamPriorityRange(least: *mut i32, greatest: *mut i32) -> CuResult {
    entry("cuCtxGetStreamPriorityRange", &[], |driver| {
        driver.current()?;
        // SAFETY: `least` and `greatest` as in this function's contract.
        unsafe {
            put_if_wanted(least, 0);
            put_if_wanted(greatest, GREATEST_PRIORITY);
        }
        Ok(())
    })
}

/// The most urgent stream priority.
pub const GREATEST_PRIORITY: i32 = -5;

/// `cuCtxSynchronize`: everything has already run. Fails while a stream of the context is capturing.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> CuResult {
    entry("cuCtxSynchronize", &[], |driver| {
        let context = driver.current()?;
        let mut state = driver.lock();
        state.forbid_capture_in(context.handle)?;
        state.forbid_unsafe()
    })
}

/// `cuCtxGetLimit`: what `cuCtxSetLimit` was given last, 0 before.
///
/// # Safety
/// `value` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetLimit(value: *mut usize, limit: u32) -> CuResult {
    entry("cuCtxGetLimit", &[("limit", limit.into())], |driver| {
        let context = driver.current()?;
        let slot = context.limits.get(limit as usize).ok_or(CudaError::UNSUPPORTED_LIMIT)?;
        // SAFETY: `value` as in this function's contract.
        unsafe { put(value, slot.load(Ordering::Relaxed)) }
    })
}

/// `cuCtxSetLimit`: remembered, and without effect: stacks, heaps and caches are as large as they need to be.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetLimit(limit: u32, value: usize) -> CuResult {
    entry("cuCtxSetLimit", &[("limit", limit.into()), ("value", value as u64)], |driver| {
        let context = driver.current()?;
        context.limits.get(limit as usize).ok_or(CudaError::UNSUPPORTED_LIMIT)?.store(value, Ordering::Relaxed);
        Ok(())
    })
}

/// `cuCtxGetCacheConfig`: no preference.
///
/// # Safety
/// `config` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCacheConfig(config: *mut u32) -> CuResult {
    entry("cuCtxGetCacheConfig", &[], |driver| {
        driver.current()?;
        // SAFETY: `config` as in this function's contract.
        unsafe { put(config, 0) }
    })
}

/// `cuCtxSetCacheConfig`: a preference, which changes nothing here.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCacheConfig(config: u32) -> CuResult {
    entry("cuCtxSetCacheConfig", &[("config", config.into())], |driver| {
        driver.current()?;
        if config > 3 { Err(CudaError::INVALID_VALUE) } else { Ok(()) }
    })
}
