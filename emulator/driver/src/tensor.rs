//! Tensor maps: the driver's function over the emulator's encoding.

use std::ffi::c_void;

use ptx_emulator::{OutOfBoundsFill, Swizzle, TENSOR_MAP_BYTES, TensorElement, TensorMap};

use crate::abi::CuResult;
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::state::Driver;

/// `cuTensorMapEncodeTiled`. Interleaved layouts, packed elements of 4 and 6 bits and swizzles of atoms other than 16 bytes are refused.
///
/// # Safety
/// `map` is null or valid for a write of 128 bytes; the arrays are null or have `rank` elements, `strides` one less.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // The driver API's own signature.
pub unsafe extern "C" fn cuTensorMapEncodeTiled(
    map: *mut [u8; TENSOR_MAP_BYTES],
    element: u32,
    rank: u32,
    address: *const c_void,
    dims: *const u64,
    strides: *const u64,
    box_dims: *const u32,
    element_strides: *const u32,
    interleave: u32,
    swizzle: u32,
    l2_promotion: u32,
    fill: u32,
) -> CuResult {
    let arguments = [
        ("element", u64::from(element)),
        ("rank", u64::from(rank)),
        ("address", address as u64),
        ("interleave", u64::from(interleave)),
        ("swizzle", u64::from(swizzle)),
        ("fill", u64::from(fill)),
    ];
    entry("cuTensorMapEncodeTiled", &arguments, |driver| {
        let is_null = map.is_null() || dims.is_null() || box_dims.is_null() || element_strides.is_null();
        let lacks_strides = rank > 1 && strides.is_null();
        if is_null || lacks_strides || !(1..=5).contains(&rank) || interleave > 2 || l2_promotion > 3 || fill > 1 {
            return Err(CudaError::INVALID_VALUE);
        }
        if interleave != 0 {
            driver.record.remark("interleaved layouts are not modelled");
            return Err(CudaError::NOT_SUPPORTED);
        }
        let rank = rank as usize;
        let element = TensorElement::ALL.get(element as usize).copied().ok_or(CudaError::INVALID_VALUE)?;
        let swizzle = Swizzle::ALL.get(swizzle as usize).copied().ok_or(CudaError::INVALID_VALUE)?;
        // SAFETY: not null, as just seen, and so as many elements by this function's contract.
        let tensor = unsafe {
            TensorMap {
                element,
                address: address as u64,
                dims: list(dims, rank),
                strides: if rank > 1 { list(strides, rank - 1) } else { Vec::new() },
                box_dims: list(box_dims, rank),
                element_strides: list(element_strides, rank),
                swizzle,
                fill: if fill == 0 { OutOfBoundsFill::Zero } else { OutOfBoundsFill::NaN },
            }
        };
        let encoded = encode(driver, &tensor, map.addr())?;
        // SAFETY: not null, and so valid for a write of 128 bytes by this function's contract.
        unsafe { map.write(encoded) };
        Ok(())
    })
}

fn encode(driver: &Driver, tensor: &TensorMap, at: usize) -> Outcome<[u8; TENSOR_MAP_BYTES]> {
    let refused = |what: &str| {
        driver.record.remark(what);
        CudaError::INVALID_VALUE
    };
    if !at.is_multiple_of(64) {
        return Err(refused(&format!("a tensor map at {at:#x}, which is not a multiple of 64")));
    }
    tensor.encode().map_err(|error| refused(&format!("tensor map: {error}")))
}

/// # Safety
/// The array has this many elements.
unsafe fn list<T: Copy>(array: *const T, count: usize) -> Vec<T> {
    // SAFETY: by this function's contract.
    (0..count).map(|at| unsafe { array.add(at).read() }).collect()
}
