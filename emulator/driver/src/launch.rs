//! Kernel launches: checked as the driver checks them, then queued.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::abi::{CuResult, Handle, LaunchAttribute, LaunchConfig, launch_attribute};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::function::{blocks_per_multiprocessor, max_threads};
use crate::library::KernelCode;
use crate::operation::{KernelLaunch, Operation};
use crate::state::{Context, Driver};

/// `cuLaunchKernel`.
///
/// # Safety
/// `params` is null or an array with a valid pointer for each parameter of the kernel; `extra` is null or an array of the form that the driver API
/// gives, whose buffer holds as many bytes as it says.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // The driver API's own signature.
pub unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared_bytes: u32,
    stream: Handle,
    params: *const *const c_void,
    extra: *const *const c_void,
) -> CuResult {
    let shape = Shape {
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
        cooperative: false,
        cluster: None,
    };
    // SAFETY: `params` and `extra` as in this function's contract.
    entry("cuLaunchKernel", &shape.arguments(function, stream), |driver| unsafe {
        launch(driver, function, &shape, stream, params, extra)
    })
}

/// `cuLaunchCooperativeKernel`: all blocks are resident at once, or the launch is refused.
///
/// # Safety
/// As `cuLaunchKernel`.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // The driver API's own signature.
pub unsafe extern "C" fn cuLaunchCooperativeKernel(
    function: Handle,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared_bytes: u32,
    stream: Handle,
    params: *const *const c_void,
) -> CuResult {
    let shape = Shape {
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
        cooperative: true,
        cluster: None,
    };
    // SAFETY: `params` as in this function's contract.
    entry("cuLaunchCooperativeKernel", &shape.arguments(function, stream), |driver| unsafe {
        launch(driver, function, &shape, stream, params, std::ptr::null())
    })
}

/// `cuLaunchKernelEx`: of the attributes, `COOPERATIVE` and `CLUSTER_DIMENSION` count; programmatic stream serialisation and the others, which allow
/// an overlap, are met by running in order.
///
/// # Safety
/// `config` is null or valid for a read, and its attributes are null or hold their count of elements; the rest as `cuLaunchKernel`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernelEx(
    config: *const LaunchConfig,
    function: Handle,
    params: *const *const c_void,
    extra: *const *const c_void,
) -> CuResult {
    // SAFETY: `config` as in this function's contract.
    let config = unsafe { config.as_ref() };
    // SAFETY: the attributes as in this function's contract.
    let shape = config.map(|config| unsafe { Shape::of_config(config) }).unwrap_or_default();
    let stream = config.map_or(0, |config| config.stream);
    entry("cuLaunchKernelEx", &shape.arguments(function, stream), |driver| {
        if config.is_none() {
            return Err(CudaError::INVALID_VALUE);
        }
        // SAFETY: `params` and `extra` as in this function's contract.
        unsafe { launch(driver, function, &shape, stream, params, extra) }
    })
}

/// The shape of a launch.
#[derive(Default)]
struct Shape {
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u32,
    cooperative: bool,
    cluster: Option<[u32; 3]>,
}

impl Shape {
    /// # Safety
    /// The attributes are null or hold their count of elements.
    unsafe fn of_config(config: &LaunchConfig) -> Self {
        let LaunchConfig { grid, block, shared_bytes, .. } = *config;
        let mut shape = Self { grid, block, shared_bytes, cooperative: false, cluster: None };
        let attributes: &[LaunchAttribute] = if config.attributes.is_null() {
            &[]
        } else {
            // SAFETY: not null, and so this many elements by this function's contract.
            unsafe { std::slice::from_raw_parts(config.attributes, config.attribute_count as usize) }
        };
        for attribute in attributes {
            match attribute.id {
                launch_attribute::COOPERATIVE => shape.cooperative = attribute.value[0] != 0,
                launch_attribute::CLUSTER_DIMENSION => {
                    let [x, y, z, ..] = attribute.value;
                    shape.cluster = Some([x, y, z]);
                }
                _ => {}
            }
        }
        shape
    }

    fn arguments(&self, function: Handle, stream: Handle) -> [(&'static str, u64); 10] {
        let [grid, block] = [self.grid, self.block].map(|extents| extents.map(u64::from));
        [
            ("function", function as u64),
            ("grid_x", grid[0]),
            ("grid_y", grid[1]),
            ("grid_z", grid[2]),
            ("block_x", block[0]),
            ("block_y", block[1]),
            ("block_z", block[2]),
            ("shared", self.shared_bytes.into()),
            ("stream", stream as u64),
            ("cooperative", self.cooperative.into()),
        ]
    }

    /// The driver's own checks; the emulator checks the model's limits again.
    fn check(&self, driver: &Driver, code: &KernelCode, context: &Context) -> Outcome {
        let model = driver.settings.devices[context.device].model;
        let threads = self.block.iter().map(|extent| u64::from(*extent)).product::<u64>();
        let in_limits =
            self.grid.iter().zip([i32::MAX as u32, 65535, 65535]).all(|(extent, limit)| (1..=limit).contains(extent))
                && self.block.iter().zip([1024, 1024, 64]).all(|(extent, limit)| (1..=limit).contains(extent))
                && threads <= u64::from(max_threads(code))
                && code.kernel.required_threads().is_none_or(|required| required == self.block)
                && self.shared_bytes <= code.dynamic_shared[context.device].load(Ordering::Relaxed)
                && code.kernel.static_shared() + self.shared_bytes <= model.shared_memory_per_block_optin();
        if !in_limits {
            return Err(CudaError::INVALID_VALUE);
        }
        let blocks = self.grid.iter().map(|extent| u64::from(*extent)).product::<u64>();
        let resident = blocks_per_multiprocessor(model, code, threads as u32, self.shared_bytes.into());
        if self.cooperative && blocks > u64::from(resident) * u64::from(model.multiprocessors()) {
            return Err(CudaError::COOPERATIVE_LAUNCH_TOO_LARGE);
        }
        Ok(())
    }
}

/// # Safety
/// `params` and `extra` as in `cuLaunchKernel`'s contract.
unsafe fn launch(
    driver: &Driver,
    function: Handle,
    shape: &Shape,
    stream: Handle,
    params: *const *const c_void,
    extra: *const *const c_void,
) -> Outcome {
    let (code, context) = {
        let mut state = driver.lock();
        let (code, owner) = state.function(function)?;
        let (_, context) = state.stream(stream)?;
        if owner.is_some_and(|owner| owner != context.handle) {
            return Err(CudaError::INVALID_HANDLE);
        }
        (code, context)
    };
    if !code.image.runs_on(context.emulator.config().model) {
        return Err(CudaError::NO_BINARY_FOR_GPU);
    }
    shape.check(driver, &code, &context)?;
    // SAFETY: as in this function's contract.
    let params = unsafe { packed(&code, params, extra)? };
    let Shape { grid, block, shared_bytes: dynamic_shared, cooperative, cluster } = *shape;
    driver.submit(
        stream,
        Operation::Launch(Box::new(KernelLaunch { code, grid, block, dynamic_shared, cluster, cooperative, params })),
    )
}

/// `CU_LAUNCH_PARAM_BUFFER_POINTER`, `CU_LAUNCH_PARAM_BUFFER_SIZE`.
const BUFFER_POINTER: usize = 1;
const BUFFER_SIZE: usize = 2;

/// The parameters' bytes at their offsets.
///
/// # Safety
/// As `cuLaunchKernel`.
unsafe fn packed(code: &KernelCode, params: *const *const c_void, extra: *const *const c_void) -> Outcome<Vec<u8>> {
    let mut bytes = vec![0; code.kernel.param_bytes() as usize];
    if !extra.is_null() {
        let mut data = std::ptr::null::<u8>();
        let mut length = 0;
        for pair in 0.. {
            // SAFETY: the array goes on, in pairs, until its end mark, by this function's contract.
            let (key, value) = unsafe { (extra.add(2 * pair).read() as usize, extra.add(2 * pair + 1)) };
            match key {
                // SAFETY: a pair has a value.
                BUFFER_POINTER => data = unsafe { value.read() }.cast(),
                // SAFETY: a pair has a value, and the size's is a pointer to it.
                BUFFER_SIZE => length = unsafe { value.read().cast::<usize>().read() },
                0 => break,
                _ => return Err(CudaError::INVALID_VALUE),
            }
        }
        if data.is_null() || length != bytes.len() || !params.is_null() {
            return Err(CudaError::INVALID_VALUE);
        }
        // SAFETY: the buffer holds as many bytes as it says, which is as many as `bytes` has.
        unsafe { std::ptr::copy_nonoverlapping(data, bytes.as_mut_ptr(), length) };
        return Ok(bytes);
    }
    for (index, param) in code.kernel.params().iter().enumerate() {
        if params.is_null() {
            return Err(CudaError::INVALID_VALUE);
        }
        // SAFETY: the array has a pointer for each parameter by this function's contract.
        let value = unsafe { params.add(index).read() }.cast::<u8>();
        if value.is_null() {
            return Err(CudaError::INVALID_VALUE);
        }
        let target = &mut bytes[param.offset as usize..][..param.size as usize];
        // SAFETY: the pointer is valid for the parameter's size by this function's contract; `target` has that size and is ours.
        unsafe { std::ptr::copy_nonoverlapping(value, target.as_mut_ptr(), target.len()) };
    }
    Ok(bytes)
}
