//! The driver API's types as they cross the C boundary. Enumerations arrive as plain integers, since a caller may send any value.

use std::ffi::c_void;

use crate::error::{CudaError, Outcome};

/// A context, stream, event, module, function, graph ...: a number that is looked up, never an address that is followed.
pub type Handle = usize;
/// `CUdeviceptr`.
pub type DevicePtr = u64;
/// `CUdevice`: the ordinal.
pub type Device = i32;
/// `CUresult`.
pub type CuResult = i32;
/// `CUhostFn`.
pub type HostFunction = unsafe extern "C" fn(*mut c_void);

/// `CU_STREAM_LEGACY`, the same stream as the null handle.
pub const STREAM_LEGACY: Handle = 1;
/// `CU_STREAM_PER_THREAD`.
pub const STREAM_PER_THREAD: Handle = 2;

/// `CU_STREAM_NON_BLOCKING`.
pub const STREAM_NON_BLOCKING: u32 = 1;
/// `CU_EVENT_DISABLE_TIMING`.
pub const EVENT_DISABLE_TIMING: u32 = 2;

/// `CUuuid`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Uuid {
    pub bytes: [u8; 16],
}

/// `CUlaunchAttribute`: 64 bytes of value behind its number.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LaunchAttribute {
    pub id: u32,
    pub pad: [u8; 4],
    pub value: [u32; 16],
    // The union holds pointers, so it is aligned as one.
    align: [u64; 0],
}

/// `CUlaunchAttributeID`, those that mean something here.
pub mod launch_attribute {
    pub const COOPERATIVE: u32 = 2;
    pub const CLUSTER_DIMENSION: u32 = 4;
}

/// `CUlaunchConfig`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LaunchConfig {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub stream: Handle,
    pub attributes: *const LaunchAttribute,
    pub attribute_count: u32,
}

/// `CUfunction_attribute`.
pub mod function_attribute {
    pub const MAX_THREADS_PER_BLOCK: u32 = 0;
    pub const SHARED_SIZE_BYTES: u32 = 1;
    pub const CONST_SIZE_BYTES: u32 = 2;
    pub const LOCAL_SIZE_BYTES: u32 = 3;
    pub const NUM_REGS: u32 = 4;
    pub const PTX_VERSION: u32 = 5;
    pub const BINARY_VERSION: u32 = 6;
    pub const CACHE_MODE_CA: u32 = 7;
    pub const MAX_DYNAMIC_SHARED_SIZE_BYTES: u32 = 8;
    pub const PREFERRED_SHARED_MEMORY_CARVEOUT: u32 = 9;
    pub const CLUSTER_SIZE_MUST_BE_SET: u32 = 10;
    pub const CLUSTER_SCHEDULING_POLICY_PREFERENCE: u32 = 15;
}

/// Writes a result where the caller asked for it, and hands it on for the record.
///
/// # Safety
/// `out` is null or valid for a write of a `T`.
pub unsafe fn put<T: Copy>(out: *mut T, value: T) -> Outcome<T> {
    if out.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: not null, and so valid for a write by this function's contract.
    unsafe { out.write(value) };
    Ok(value)
}

/// Writes an optional result: a null pointer means that the caller does not want it.
///
/// # Safety
/// `out` is null or valid for a write of a `T`.
pub unsafe fn put_if_wanted<T: Copy>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not null, and so valid for a write by this function's contract.
        unsafe { out.write(value) };
    }
}
