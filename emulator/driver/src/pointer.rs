//! What is known of an address.

use std::ffi::c_void;

use crate::abi::{CuResult, DevicePtr, Handle, put};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::state::Driver;

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
