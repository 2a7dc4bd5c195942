//! Memory pools: they hand out a context's memory and keep nothing back. Their attributes are remembered.

use std::collections::HashMap;
use std::ffi::c_void;

use crate::abi::{CuResult, Device, DevicePtr, Handle, put};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::memory::allocate;
use crate::state::{Driver, State};

/// A memory pool.
pub struct Pool {
    /// The device.
    device: usize,
    /// Whether it is the pool that its device came with.
    is_default: bool,
    attributes: HashMap<u32, u64>,
}

impl State {
    /// The pool that a device came with.
    fn default_pool(&mut self, device: usize) -> Handle {
        let known = self.pools.find(|pool| pool.is_default && pool.device == device);
        known.unwrap_or_else(|| self.pools.insert(Pool { device, is_default: true, attributes: HashMap::new() }))
    }
}

/// `cuDeviceGetDefaultMemPool`.
///
/// # Safety
/// `pool` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetDefaultMemPool(pool: *mut Handle, device: Device) -> CuResult {
    entry("cuDeviceGetDefaultMemPool", &[("device", device as u64)], |driver| {
        driver.device(device)?;
        // SAFETY: `pool` as in this function's contract.
        unsafe { put(pool, driver.lock().default_pool(device as usize)) }
    })
}

/// `cuDeviceGetMemPool`.
///
/// # Safety
/// `pool` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetMemPool(pool: *mut Handle, device: Device) -> CuResult {
    entry("cuDeviceGetMemPool", &[("device", device as u64)], |driver| {
        driver.device(device)?;
        let mut state = driver.lock();
        let current = match state.current_pools.get(&(device as usize)) {
            Some(pool) => *pool,
            None => state.default_pool(device as usize),
        };
        // SAFETY: `pool` as in this function's contract.
        unsafe { put(pool, current) }
    })
}

/// `cuDeviceSetMemPool`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceSetMemPool(device: Device, pool: Handle) -> CuResult {
    entry("cuDeviceSetMemPool", &[("device", device as u64), ("pool", pool as u64)], |driver| {
        driver.device(device)?;
        let mut state = driver.lock();
        if state.pools.get(pool)?.device != device as usize {
            return Err(CudaError::INVALID_VALUE);
        }
        state.current_pools.insert(device as usize, pool);
        Ok(())
    })
}

/// The start of `CUmemPoolProps`: kinds of allocation, handle and location, then the device.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PoolProps {
    allocation: u32,
    handles: u32,
    location: u32,
    device: i32,
}

/// `CU_MEM_LOCATION_TYPE_DEVICE`.
const LOCATION_DEVICE: u32 = 1;

/// `cuMemPoolCreate`: on a device, and for this process alone.
///
/// # Safety
/// `pool` is null or valid for a write; `props` is null or valid for a read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolCreate(pool: *mut Handle, props: *const PoolProps) -> CuResult {
    entry("cuMemPoolCreate", &[], |driver| {
        // SAFETY: `props` as in this function's contract.
        let props = unsafe { props.as_ref() }.ok_or(CudaError::INVALID_VALUE)?;
        driver.device(props.device)?;
        if props.location != LOCATION_DEVICE || props.handles != 0 {
            return Err(CudaError::NOT_SUPPORTED);
        }
        let own = Pool { device: props.device as usize, is_default: false, attributes: HashMap::new() };
        let handle = driver.lock().pools.insert(own);
        // SAFETY: `pool` as in this function's contract.
        unsafe { put(pool, handle) }
    })
}

/// `cuMemPoolDestroy`; a device's default pool stays.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolDestroy(pool: Handle) -> CuResult {
    entry("cuMemPoolDestroy", &[("pool", pool as u64)], |driver| {
        let mut state = driver.lock();
        if state.pools.get(pool)?.is_default {
            return Err(CudaError::INVALID_VALUE);
        }
        state.current_pools.retain(|_, current| *current != pool);
        state.pools.remove(pool).map(|_| ())
    })
}

/// `cuMemPoolTrimTo`: nothing is kept, so nothing is given back.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolTrimTo(pool: Handle, bytes: usize) -> CuResult {
    let arguments = [("pool", pool as u64), ("bytes", bytes as u64)];
    entry("cuMemPoolTrimTo", &arguments, |driver| driver.lock().pools.get(pool).map(|_| ()))
}

/// Whether an attribute is a C `int`; the others are 64 bits wide.
fn is_narrow(attribute: u32) -> Outcome<bool> {
    match attribute {
        1..=3 => Ok(true),
        4..=8 => Ok(false),
        _ => Err(CudaError::INVALID_VALUE),
    }
}

/// `cuMemPoolGetAttribute`.
///
/// # Safety
/// `value` is null or valid for a write of the attribute's type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolGetAttribute(pool: Handle, attribute: u32, value: *mut c_void) -> CuResult {
    entry("cuMemPoolGetAttribute", &[("pool", pool as u64), ("attribute", attribute.into())], |driver| {
        let known = driver.lock().pools.get(pool)?.attributes.get(&attribute).copied();
        let narrow = is_narrow(attribute)?;
        // Memory may be reused as soon as it is free; nothing is held beyond that.
        let current = known.unwrap_or(narrow.into());
        // SAFETY: `value` as in this function's contract.
        unsafe { if narrow { put(value.cast(), current as i32).map(|_| current) } else { put(value.cast(), current) } }
    })
}

/// `cuMemPoolSetAttribute`.
///
/// # Safety
/// `value` is null or valid for a read of the attribute's type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolSetAttribute(pool: Handle, attribute: u32, value: *const c_void) -> CuResult {
    entry("cuMemPoolSetAttribute", &[("pool", pool as u64), ("attribute", attribute.into())], |driver| {
        if value.is_null() {
            return Err(CudaError::INVALID_VALUE);
        }
        // SAFETY: `value` is not null, and as in this function's contract.
        let new = unsafe {
            if is_narrow(attribute)? { value.cast::<i32>().read() as u64 } else { value.cast::<u64>().read() }
        };
        driver.lock().pools.get_mut(pool)?.attributes.insert(attribute, new);
        Ok(())
    })
}

/// `cuMemAllocFromPoolAsync`.
///
/// # Safety
/// `address` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocFromPoolAsync(
    address: *mut DevicePtr,
    bytes: usize,
    pool: Handle,
    stream: Handle,
) -> CuResult {
    let arguments = [("bytes", bytes as u64), ("pool", pool as u64), ("stream", stream as u64)];
    entry("cuMemAllocFromPoolAsync", &arguments, |driver| {
        of_stream(driver, pool, stream)?;
        // SAFETY: `address` as in this function's contract.
        unsafe { allocate(driver, address, bytes, stream) }
    })
}

/// Refuses a pool of another device than the stream's.
fn of_stream(driver: &Driver, pool: Handle, stream: Handle) -> Outcome {
    let mut state = driver.lock();
    let (_, context) = state.stream(stream)?;
    if state.pools.get(pool)?.device == context.device { Ok(()) } else { Err(CudaError::NOT_SUPPORTED) }
}
