//! Functions that exist, so that programs which look them up get an answer, and refuse: memory that host and device share, and memory of other APIs.
//! The device attributes say the same.

use std::ffi::c_void;

use crate::abi::{CuResult, DevicePtr, Handle};
use crate::entry::entry;
use crate::error::CudaError;

fn refuse(name: &'static str) -> CuResult {
    entry(name, &[], |_| Err::<(), _>(CudaError::NOT_SUPPORTED))
}

/// `cuMemAllocManaged`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocManaged(_address: *mut DevicePtr, _bytes: usize, _flags: u32) -> CuResult {
    refuse("cuMemAllocManaged")
}

/// `CUmemLocation`.
#[repr(C)]
pub struct Location {
    kind: u32,
    id: i32,
}

/// `cuMemPrefetchAsync_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPrefetchAsync_v2(
    _address: DevicePtr,
    _bytes: usize,
    _location: Location,
    _flags: u32,
    _stream: Handle,
) -> CuResult {
    refuse("cuMemPrefetchAsync_v2")
}

/// `cuMemAdvise_v2`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAdvise_v2(
    _address: DevicePtr,
    _bytes: usize,
    _advice: u32,
    _location: Location,
) -> CuResult {
    refuse("cuMemAdvise_v2")
}

/// `cuStreamAttachMemAsync`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamAttachMemAsync(
    _stream: Handle,
    _address: DevicePtr,
    _bytes: usize,
    _flags: u32,
) -> CuResult {
    refuse("cuStreamAttachMemAsync")
}

/// `cuImportExternalMemory`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuImportExternalMemory(_memory: *mut Handle, _description: *const c_void) -> CuResult {
    refuse("cuImportExternalMemory")
}

/// `cuExternalMemoryGetMappedBuffer`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuExternalMemoryGetMappedBuffer(
    _address: *mut DevicePtr,
    _memory: Handle,
    _description: *const c_void,
) -> CuResult {
    refuse("cuExternalMemoryGetMappedBuffer")
}

/// `cuDestroyExternalMemory`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDestroyExternalMemory(_memory: Handle) -> CuResult {
    refuse("cuDestroyExternalMemory")
}

/// `cuProfilerStart`: there is no profiler to start.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuProfilerStart() -> CuResult {
    entry("cuProfilerStart", &[], |driver| driver.current().map(|_| ()))
}

/// `cuProfilerStop`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuProfilerStop() -> CuResult {
    entry("cuProfilerStop", &[], |driver| driver.current().map(|_| ()))
}
