//! Events: a recorded one has happened, since everything before it has run.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::abi::{CuResult, EVENT_DISABLE_TIMING, Handle, put};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::state::Driver;

/// An event.
pub struct Event {
    /// Its context.
    pub context: Handle,
    /// `CU_EVENT_...`.
    pub flags: u32,
    /// Its last record.
    pub last: Last,
}

/// The last record of an event.
pub enum Last {
    /// None yet: waiting for it waits for nothing.
    Never,
    /// In a stream that ran.
    Ran(Instant),
    /// In a stream under capture: a place in the graph, after these of its operations.
    Captured { capture: Handle, after: BTreeSet<usize> },
}

/// `cuEventCreate`.
///
/// # Safety
/// `event` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut Handle, flags: u32) -> CuResult {
    entry("cuEventCreate", &[("flags", flags.into())], |driver| {
        // An event for other processes (4) must keep no time, and cannot be shared here anyway.
        if event.is_null() || flags > 3 {
            return Err(CudaError::INVALID_VALUE);
        }
        let mut state = driver.lock();
        let context = state.current()?.handle;
        let handle = state.events.insert(Event { context, flags, last: Last::Never });
        // SAFETY: `event` as in this function's contract.
        unsafe { put(event, handle) }
    })
}

/// `cuEventDestroy_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(event: Handle) -> CuResult {
    entry("cuEventDestroy_v2", &[("event", event as u64)], |driver| driver.lock().events.remove(event).map(|_| ()))
}

/// `cuEventRecord`: event and stream have to be of one context.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> CuResult {
    let arguments = [("event", event as u64), ("stream", stream as u64)];
    entry("cuEventRecord", &arguments, |driver| driver.lock().record_event(event, stream))
}

/// `cuEventRecordWithFlags`; `CU_EVENT_RECORD_EXTERNAL` is not modelled.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecordWithFlags(event: Handle, stream: Handle, flags: u32) -> CuResult {
    let arguments = [("event", event as u64), ("stream", stream as u64), ("flags", flags.into())];
    entry("cuEventRecordWithFlags", &arguments, |driver| {
        if flags != 0 {
            return Err(CudaError::INVALID_VALUE);
        }
        driver.lock().record_event(event, stream)
    })
}

/// `cuEventQuery`: always ready. Fails for an event that was recorded under capture.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventQuery(event: Handle) -> CuResult {
    entry("cuEventQuery", &[("event", event as u64)], |driver| settle(driver, event))
}

/// `cuEventSynchronize`: has happened. Fails for an event that was recorded under capture.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(event: Handle) -> CuResult {
    entry("cuEventSynchronize", &[("event", event as u64)], |driver| settle(driver, event))
}

fn settle(driver: &Driver, event: Handle) -> Outcome {
    let mut state = driver.lock();
    let event = state.events.get(event)?;
    state.contexts.get(event.context)?.check()?;
    if matches!(event.last, Last::Captured { .. }) {
        return Err(CudaError::CAPTURED_EVENT);
    }
    state.forbid_unsafe()
}

/// `cuEventElapsedTime`: milliseconds of this computer's time between the two records, which says nothing about a GPU.
///
/// # Safety
/// `milliseconds` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle) -> CuResult {
    // SAFETY: `milliseconds` as in this function's contract.
    unsafe { elapsed("cuEventElapsedTime", milliseconds, start, end) }
}

/// `cuEventElapsedTime_v2`, the same.
///
/// # Safety
/// `milliseconds` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime_v2(milliseconds: *mut f32, start: Handle, end: Handle) -> CuResult {
    // SAFETY: `milliseconds` as in this function's contract.
    unsafe { elapsed("cuEventElapsedTime_v2", milliseconds, start, end) }
}

/// # Safety
/// `milliseconds` is null or valid for a write.
unsafe fn elapsed(name: &'static str, milliseconds: *mut f32, start: Handle, end: Handle) -> CuResult {
    entry(name, &[("start", start as u64), ("end", end as u64)], |driver| {
        let state = driver.lock();
        let instant = |event| -> Outcome<Instant> {
            let event = state.events.get(event)?;
            state.contexts.get(event.context)?.check()?;
            match event.last {
                Last::Ran(at) if event.flags & EVENT_DISABLE_TIMING == 0 => Ok(at),
                Last::Captured { .. } => Err(CudaError::CAPTURED_EVENT),
                Last::Ran(_) | Last::Never => Err(CudaError::INVALID_HANDLE),
            }
        };
        let (start, end) = (instant(start)?, instant(end)?);
        let forward = end.saturating_duration_since(start).as_secs_f64();
        let backward = start.saturating_duration_since(end).as_secs_f64();
        // SAFETY: `milliseconds` as in this function's contract.
        unsafe { put(milliseconds, ((forward - backward) * 1e3) as f32) }.map(|_| ())
    })
}
