//! Initialisation, version and devices.

use std::ffi::c_char;

use ptx_emulator::{Config, DeviceModel};

use crate::abi::{CuResult, Device, Uuid, put};
use crate::entry::{anytime, entry};
use crate::error::{CudaError, Outcome};

/// What the emulator does not need to know of a model, but programs ask for. The numbers are of the card that [`DeviceModel::multiprocessors`] names,
/// from NVIDIA's data sheets and the CUDA C++ Programming Guide's table of technical specifications.
pub struct Card {
    pub name: &'static str,
    pub threads_per_multiprocessor: i32,
    pub blocks_per_multiprocessor: i32,
    /// KiB.
    pub l2_cache: i32,
    /// kHz.
    pub clock: i32,
    /// kHz.
    pub memory_clock: i32,
    /// Bits.
    pub bus_width: i32,
    /// GiB.
    pub memory: u64,
}

/// The card that plays a model.
pub fn card(model: DeviceModel) -> Card {
    let (name, threads_per_multiprocessor, blocks_per_multiprocessor, l2_cache, clock, memory_clock, bus_width, memory) =
        match model {
            DeviceModel::Sm80 => ("A100-SXM4-80GB", 2048, 32, 40 << 10, 1_410_000, 1_593_000, 5120, 80),
            DeviceModel::Sm86 => ("GeForce RTX 3090", 1536, 16, 6 << 10, 1_695_000, 9_751_000, 384, 24),
            DeviceModel::Sm89 => ("GeForce RTX 4090", 1536, 24, 72 << 10, 2_520_000, 10_501_000, 384, 24),
            DeviceModel::Sm90 => ("H100 SXM", 2048, 32, 50 << 10, 1_980_000, 2_619_000, 5120, 80),
            DeviceModel::Sm120 => ("GeForce RTX 5090", 1536, 24, 96 << 10, 2_407_000, 14_001_000, 512, 32),
            // A model that this table does not know yet gets the smallest limits of those that it does.
            _ => ("unknown card", 1536, 16, 6 << 10, 1_000_000, 1_000_000, 384, 24),
        };
    Card {
        name,
        threads_per_multiprocessor,
        blocks_per_multiprocessor,
        l2_cache,
        clock,
        memory_clock,
        bus_width,
        memory,
    }
}

impl Card {
    /// Device memory in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory << 30
    }
}

/// `cuInit`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuInit(flags: u32) -> CuResult {
    anytime("cuInit", &[("flags", flags.into())], |driver| {
        if flags != 0 {
            return Err(CudaError::INVALID_VALUE);
        }
        driver.init()
    })
}

/// `cuDriverGetVersion`.
///
/// # Safety
/// `version` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut i32) -> CuResult {
    // SAFETY: `version` as in this function's contract.
    anytime("cuDriverGetVersion", &[], |driver| unsafe { put(version, driver.settings.version) })
}

/// `cuDeviceGetCount`.
///
/// # Safety
/// `count` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut i32) -> CuResult {
    // SAFETY: `count` as in this function's contract.
    entry("cuDeviceGetCount", &[], |driver| unsafe { put(count, driver.settings.devices.len() as i32) })
}

/// `cuDeviceGet`.
///
/// # Safety
/// `device` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut Device, ordinal: i32) -> CuResult {
    entry("cuDeviceGet", &[("ordinal", ordinal as u64)], |driver| {
        driver.device(ordinal)?;
        // SAFETY: `device` as in this function's contract.
        unsafe { put(device, ordinal) }
    })
}

/// `cuDeviceGetName`: says that it is emulated, so that no measurement is taken for a GPU's.
///
/// # Safety
/// `name` is null or valid for `length` writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, length: i32, device: Device) -> CuResult {
    entry("cuDeviceGetName", &[("device", device as u64)], |driver| {
        let config = driver.device(device)?;
        let length = usize::try_from(length).ok().filter(|length| *length > 0 && !name.is_null());
        let length = length.ok_or(CudaError::INVALID_VALUE)?;
        let (major, minor) = config.model.compute_capability();
        let text = format!("PTX emulator as {} (sm_{major}{minor})", card(config.model).name);
        let kept = text.len().min(length - 1);
        // SAFETY: `name` is not null and valid for `length` writes; `kept + 1` is at most `length`, and `kept` at most the text's length.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), name, kept);
            name.add(kept).write(0);
        }
        Ok(())
    })
}

/// `cuDeviceGetUuid_v2`: "PTX-EMULATOR", the model's compute capability, the ordinal.
///
/// # Safety
/// `uuid` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: *mut Uuid, device: Device) -> CuResult {
    entry("cuDeviceGetUuid_v2", &[("device", device as u64)], |driver| {
        let (major, minor) = driver.device(device)?.model.compute_capability();
        let mut bytes = *b"PTX-EMULATOR\0\0\0\0";
        bytes[12..].copy_from_slice(&[major as u8, minor as u8, 0, device as u8]);
        // SAFETY: `uuid` as in this function's contract.
        unsafe { put(uuid, Uuid { bytes }) }.map(|_| ())
    })
}

/// `cuDeviceGetUuid`, the same.
///
/// # Safety
/// `uuid` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid(uuid: *mut Uuid, device: Device) -> CuResult {
    // SAFETY: `uuid` as in this function's contract.
    unsafe { cuDeviceGetUuid_v2(uuid, device) }
}

/// `cuDeviceTotalMem_v2`.
///
/// # Safety
/// `bytes` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: Device) -> CuResult {
    entry("cuDeviceTotalMem_v2", &[("device", device as u64)], |driver| {
        let memory = card(driver.device(device)?.model).memory_bytes();
        // SAFETY: `bytes` as in this function's contract.
        unsafe { put(bytes, memory as usize) }
    })
}

/// `cuDeviceComputeCapability`.
///
/// # Safety
/// `major` and `minor` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceComputeCapability(major: *mut i32, minor: *mut i32, device: Device) -> CuResult {
    entry("cuDeviceComputeCapability", &[("device", device as u64)], |driver| {
        let capability = driver.device(device)?.model.compute_capability();
        // SAFETY: `major` and `minor` as in this function's contract.
        unsafe { put(major, capability.0 as i32).and_then(|_| put(minor, capability.1 as i32)) }
    })
}

/// `cuDeviceGetAttribute`: an attribute that says nothing about kernels (textures, graphics, inter-process handles ...) is 0, as for a device without that ability.
///
/// # Safety
/// `value` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut i32, attribute: u32, device: Device) -> CuResult {
    entry("cuDeviceGetAttribute", &[("attribute", attribute.into()), ("device", device as u64)], |driver| {
        let answer = attribute_of(driver.device(device)?, attribute, device)?;
        // SAFETY: `value` as in this function's contract.
        unsafe { put(value, answer) }
    })
}

/// The number of `CUdevice_attribute`s up to CUDA 13.4.
const ATTRIBUTES: u32 = 162;

fn attribute_of(config: &Config, attribute: u32, device: Device) -> Outcome<i32> {
    let model = config.model;
    let card = card(model);
    let (major, minor) = model.compute_capability();
    Ok(match attribute {
        1 => 1024,                                             // MAX_THREADS_PER_BLOCK
        2 | 3 => 1024,                                         // MAX_BLOCK_DIM_X, _Y
        4 => 64,                                               // MAX_BLOCK_DIM_Z
        5 => i32::MAX,                                         // MAX_GRID_DIM_X
        6 | 7 => 65535,                                        // MAX_GRID_DIM_Y, _Z
        8 => DEFAULT_SHARED as i32,                            // MAX_SHARED_MEMORY_PER_BLOCK
        9 => 64 << 10,                                         // TOTAL_CONSTANT_MEMORY
        10 => 32,                                              // WARP_SIZE
        11 => i32::MAX,                                        // MAX_PITCH
        12 | 82 => 65536,                                      // MAX_REGISTERS_PER_BLOCK, _PER_MULTIPROCESSOR
        13 => card.clock,                                      // CLOCK_RATE
        14 => 512,                                             // TEXTURE_ALIGNMENT
        16 => model.multiprocessors() as i32,                  // MULTIPROCESSOR_COUNT
        33 => device + 1,                                      // PCI_BUS_ID
        36 => card.memory_clock,                               // MEMORY_CLOCK_RATE
        37 => card.bus_width,                                  // GLOBAL_MEMORY_BUS_WIDTH
        38 => card.l2_cache << 10,                             // L2_CACHE_SIZE
        39 => card.threads_per_multiprocessor,                 // MAX_THREADS_PER_MULTIPROCESSOR
        31 | 41 | 78 => 1,  // CONCURRENT_KERNELS, UNIFIED_ADDRESSING, STREAM_PRIORITIES_SUPPORTED
        79 | 80 => 1,       // GLOBAL_L1_CACHE_SUPPORTED, LOCAL_L1_CACHE_SUPPORTED
        95 | 115 => 1,      // COOPERATIVE_LAUNCH, MEMORY_POOLS_SUPPORTED
        75 => major as i32, // COMPUTE_CAPABILITY_MAJOR
        76 => minor as i32, // COMPUTE_CAPABILITY_MINOR
        81 => model.shared_memory_per_multiprocessor() as i32, // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
        87 if minor == 0 && major < 12 => 2, // SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO
        87 => 64,           // SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO
        97 => model.shared_memory_per_block_optin() as i32, // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
        106 => card.blocks_per_multiprocessor, // MAX_BLOCKS_PER_MULTIPROCESSOR
        111 => RESERVED_SHARED as i32, // RESERVED_SHARED_MEMORY_PER_BLOCK
        known if known < ATTRIBUTES && known > 0 => 0,
        _ => return Err(CudaError::INVALID_VALUE),
    })
}

/// Shared memory that a block may have without opting in, in bytes.
pub const DEFAULT_SHARED: u32 = 48 << 10;
/// Shared memory that the system takes for each resident block, in bytes.
pub const RESERVED_SHARED: u32 = 1 << 10;
