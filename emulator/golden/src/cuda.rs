//! The first GPU that the CUDA driver shows, or what a drop-in driver shows as one.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::sys::{self, CUtensorMap};
use cudarc::driver::{CudaContext, CudaStream, DevicePtr, DeviceRepr, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use libloading::Library;

use crate::job::{Device, Job};
use crate::tile::Tile;

/// A device of the CUDA driver.
#[derive(Debug)]
pub struct Cuda {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    capability: (u32, u32),
}

/// A tensor map as a kernel takes it.
#[repr(C, align(64))]
struct Map(CUtensorMap);

// SAFETY: a map is 128 plain bytes at a multiple of 64, as the kernel declares its parameter.
unsafe impl DeviceRepr for Map {}

fn said(error: DriverError) -> String {
    error.to_string()
}

impl Cuda {
    /// The first device.
    ///
    /// # Errors
    /// No driver, or no device.
    pub fn new() -> Result<Self, String> {
        // Without a driver cudarc panics, so one is looked for first.
        // SAFETY: a CUDA driver's initialisers do nothing before `cuInit`.
        unsafe { Library::new("libcuda.so.1") }.map_err(|error| format!("no CUDA driver: {error}"))?;
        let context = CudaContext::new(0).map_err(said)?;
        let (major, minor) = context.compute_capability().map_err(said)?;
        let stream = context.default_stream();
        Ok(Self { context, stream, capability: (major as u32, minor as u32) })
    }

    /// What a file says of its origin.
    ///
    /// # Errors
    /// The driver's.
    pub fn about(&self) -> Result<Vec<(String, String)>, String> {
        let mut version = 0;
        // SAFETY: the number can be written.
        unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(said)?;
        let kernel = std::fs::read_to_string("/proc/driver/nvidia/version").unwrap_or_default();
        let kernel = kernel.lines().next().unwrap_or("no NVIDIA kernel module");
        Ok(vec![
            ("card".to_owned(), self.context.name().map_err(said)?),
            ("driver".to_owned(), kernel.split_whitespace().collect::<Vec<_>>().join(" ")),
            ("cuda".to_owned(), format!("{}.{}", version / 1000, version % 1000 / 10)),
        ])
    }
}

impl Device for Cuda {
    fn capability(&self) -> (u32, u32) {
        self.capability
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<u8>, String> {
        let module = self.context.load_module(Ptx::from_src(&job.ptx)).map_err(said)?;
        let kernel = module.load_function("golden").map_err(said)?;
        let input = self.stream.clone_htod(&job.input).map_err(said)?;
        let output = self.stream.alloc_zeros::<u8>(job.output).map_err(said)?;
        let map = match job.tile {
            Some(tile) => {
                let address = tile.address(input.device_ptr(&self.stream).0, output.device_ptr(&self.stream).0);
                Some(encode(tile, address)?)
            }
            None => None,
        };
        let config = LaunchConfig { grid_dim: (job.blocks, 1, 1), block_dim: (job.threads, 1, 1), shared_mem_bytes: 0 };
        let mut launch = self.stream.launch_builder(&kernel);
        launch.arg(&input).arg(&output);
        if let Some(map) = &map {
            launch.arg(map);
        }
        // SAFETY: the kernel takes two addresses, and a map where there is one. Each thread reads and writes its own bytes of the two
        // allocations, which have them for all threads of this launch (`Form::job`).
        unsafe { launch.launch(config) }.map_err(said)?;
        self.stream.clone_dtoh(&output).map_err(said)
    }
}

fn encode(tile: &Tile, address: u64) -> Result<Map, String> {
    let map = tile.map(address);
    let interleave = sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE;
    let promotion = sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_NONE;
    // SAFETY: a map is bytes, and all zeros are some.
    let mut encoded = Map(unsafe { std::mem::zeroed() });
    // SAFETY: the discriminants of the three types are those of the driver's (`TensorElement`, `Swizzle`, `OutOfBoundsFill`), all of which cudarc
    // names; the lists have an element for each of the tensor's dimensions, the strides one less; the map can be written.
    let code = unsafe {
        sys::cuTensorMapEncodeTiled(
            &mut encoded.0,
            std::mem::transmute::<u32, sys::CUtensorMapDataType>(map.element as u32),
            map.dims.len() as u32,
            address as *mut c_void,
            map.dims.as_ptr(),
            map.strides.as_ptr(),
            map.box_dims.as_ptr(),
            map.element_strides.as_ptr(),
            interleave,
            std::mem::transmute::<u32, sys::CUtensorMapSwizzle>(map.swizzle as u32),
            promotion,
            std::mem::transmute::<u32, sys::CUtensorMapFloatOOBfill>(map.fill as u32),
        )
    };
    code.result().map_err(said)?;
    Ok(encoded)
}
