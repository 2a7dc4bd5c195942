//! `cuGetProcAddress`: functions by the names that the header gives them, without version suffixes.

use std::ffi::{CStr, c_char, c_void};

use crate::abi::{CuResult, put, put_if_wanted};
use crate::entry::anytime;
use crate::error::{CudaError, Outcome};
use crate::{
    context, copy, device, error, event, function, graph, launch, library, memory, pointer, pool, stream, tensor,
    unsupported,
};

/// `CUdriverProcAddressQueryResult`.
const SUCCESS: u32 = 0;
const SYMBOL_NOT_FOUND: u32 = 1;
const VERSION_NOT_SUFFICIENT: u32 = 2;

/// `cuGetProcAddress_v2`: the newest form of a function that `version` knows. The flags choose what a null stream means, which is the legacy stream here.
///
/// # Safety
/// `symbol` is null or text with a closing NUL; `function` and `status` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetProcAddress_v2(
    symbol: *const c_char,
    function: *mut *const c_void,
    version: i32,
    flags: u64,
    status: *mut u32,
) -> CuResult {
    anytime("cuGetProcAddress_v2", &[("version", version as u64), ("flags", flags)], |driver| {
        // SAFETY: all three as in this function's contract.
        unsafe { find(symbol, function, version.min(driver.settings.version), status) }
    })
}

/// `cuGetProcAddress`, without the status.
///
/// # Safety
/// As `cuGetProcAddress_v2`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetProcAddress(
    symbol: *const c_char,
    function: *mut *const c_void,
    version: i32,
    flags: u64,
) -> CuResult {
    // SAFETY: as in this function's contract.
    unsafe { cuGetProcAddress_v2(symbol, function, version, flags, std::ptr::null_mut()) }
}

/// # Safety
/// As `cuGetProcAddress_v2`.
unsafe fn find(symbol: *const c_char, function: *mut *const c_void, version: i32, status: *mut u32) -> Outcome {
    if symbol.is_null() {
        return Err(CudaError::INVALID_VALUE);
    }
    // SAFETY: not null, and so text with a closing NUL by this function's contract.
    let symbol = unsafe { CStr::from_ptr(symbol) }.to_str().map_err(|_| CudaError::NOT_FOUND)?;
    let table = table();
    let mut forms = table.iter().filter(|(name, _, _)| *name == symbol).peekable();
    let known = forms.peek().is_some();
    let form = forms.find(|(_, since, _)| *since <= version);
    let (address, result) = match form {
        Some((_, _, address)) => (*address, SUCCESS),
        None if known => (std::ptr::null(), VERSION_NOT_SUFFICIENT),
        None => (std::ptr::null(), SYMBOL_NOT_FOUND),
    };
    // SAFETY: `function` and `status` as in this function's contract.
    unsafe {
        put(function, address)?;
        put_if_wanted(status, result);
    }
    if result == SUCCESS { Ok(()) } else { Err(CudaError::NOT_FOUND) }
}

/// Name, first CUDA version that has this form, address; of one name the newest form first.
fn table() -> [(&'static str, i32, *const c_void); 141] {
    [
        ("cuCtxCreate", 12050, context::cuCtxCreate_v4 as *const c_void),
        ("cuCtxCreate", 11040, context::cuCtxCreate_v3 as *const c_void),
        ("cuCtxCreate", 0, context::cuCtxCreate_v2 as *const c_void),
        ("cuCtxDestroy", 0, context::cuCtxDestroy_v2 as *const c_void),
        ("cuCtxGetApiVersion", 0, context::cuCtxGetApiVersion as *const c_void),
        ("cuCtxGetCacheConfig", 0, context::cuCtxGetCacheConfig as *const c_void),
        ("cuCtxGetCurrent", 0, context::cuCtxGetCurrent as *const c_void),
        ("cuCtxGetDevice", 0, context::cuCtxGetDevice as *const c_void),
        ("cuCtxGetFlags", 0, context::cuCtxGetFlags as *const c_void),
        ("cuCtxGetId", 0, context::cuCtxGetId as *const c_void),
        ("cuCtxGetLimit", 0, context::cuCtxGetLimit as *const c_void),
        ("cuCtxGetStreamPriorityRange", 0, context::cuCtxGetStreamPriorityRange as *const c_void),
        ("cuCtxPopCurrent", 0, context::cuCtxPopCurrent_v2 as *const c_void),
        ("cuCtxPushCurrent", 0, context::cuCtxPushCurrent_v2 as *const c_void),
        ("cuCtxSetCacheConfig", 0, context::cuCtxSetCacheConfig as *const c_void),
        ("cuCtxSetCurrent", 0, context::cuCtxSetCurrent as *const c_void),
        ("cuCtxSetFlags", 0, context::cuCtxSetFlags as *const c_void),
        ("cuCtxSetLimit", 0, context::cuCtxSetLimit as *const c_void),
        ("cuCtxSynchronize", 0, context::cuCtxSynchronize as *const c_void),
        ("cuDestroyExternalMemory", 0, unsupported::cuDestroyExternalMemory as *const c_void),
        ("cuDeviceComputeCapability", 0, device::cuDeviceComputeCapability as *const c_void),
        ("cuDeviceGet", 0, device::cuDeviceGet as *const c_void),
        ("cuDeviceGetAttribute", 0, device::cuDeviceGetAttribute as *const c_void),
        ("cuDeviceGetCount", 0, device::cuDeviceGetCount as *const c_void),
        ("cuDeviceGetDefaultMemPool", 0, pool::cuDeviceGetDefaultMemPool as *const c_void),
        ("cuDeviceGetMemPool", 0, pool::cuDeviceGetMemPool as *const c_void),
        ("cuDeviceGetName", 0, device::cuDeviceGetName as *const c_void),
        ("cuDeviceGetUuid", 0, device::cuDeviceGetUuid_v2 as *const c_void),
        ("cuDevicePrimaryCtxGetState", 0, context::cuDevicePrimaryCtxGetState as *const c_void),
        ("cuDevicePrimaryCtxRelease", 0, context::cuDevicePrimaryCtxRelease_v2 as *const c_void),
        ("cuDevicePrimaryCtxReset", 0, context::cuDevicePrimaryCtxReset_v2 as *const c_void),
        ("cuDevicePrimaryCtxRetain", 0, context::cuDevicePrimaryCtxRetain as *const c_void),
        ("cuDevicePrimaryCtxSetFlags", 0, context::cuDevicePrimaryCtxSetFlags_v2 as *const c_void),
        ("cuDeviceSetMemPool", 0, pool::cuDeviceSetMemPool as *const c_void),
        ("cuDeviceTotalMem", 0, device::cuDeviceTotalMem_v2 as *const c_void),
        ("cuDriverGetVersion", 0, device::cuDriverGetVersion as *const c_void),
        ("cuEventCreate", 0, event::cuEventCreate as *const c_void),
        ("cuEventDestroy", 0, event::cuEventDestroy_v2 as *const c_void),
        ("cuEventElapsedTime", 12080, event::cuEventElapsedTime_v2 as *const c_void),
        ("cuEventElapsedTime", 0, event::cuEventElapsedTime as *const c_void),
        ("cuEventQuery", 0, event::cuEventQuery as *const c_void),
        ("cuEventRecord", 0, event::cuEventRecord as *const c_void),
        ("cuEventRecordWithFlags", 0, event::cuEventRecordWithFlags as *const c_void),
        ("cuEventSynchronize", 0, event::cuEventSynchronize as *const c_void),
        ("cuExternalMemoryGetMappedBuffer", 0, unsupported::cuExternalMemoryGetMappedBuffer as *const c_void),
        ("cuFuncGetAttribute", 0, function::cuFuncGetAttribute as *const c_void),
        ("cuFuncGetName", 0, function::cuFuncGetName as *const c_void),
        ("cuFuncSetAttribute", 0, function::cuFuncSetAttribute as *const c_void),
        ("cuFuncSetCacheConfig", 0, function::cuFuncSetCacheConfig as *const c_void),
        ("cuGetErrorName", 0, error::cuGetErrorName as *const c_void),
        ("cuGetErrorString", 0, error::cuGetErrorString as *const c_void),
        ("cuGetProcAddress", 0, cuGetProcAddress_v2 as *const c_void),
        ("cuGraphDestroy", 0, graph::cuGraphDestroy as *const c_void),
        ("cuGraphExecDestroy", 0, graph::cuGraphExecDestroy as *const c_void),
        ("cuGraphGetNodes", 0, graph::cuGraphGetNodes as *const c_void),
        ("cuGraphInstantiate", 0, graph::cuGraphInstantiate_v2 as *const c_void),
        ("cuGraphInstantiateWithFlags", 0, graph::cuGraphInstantiateWithFlags as *const c_void),
        ("cuGraphLaunch", 0, graph::cuGraphLaunch as *const c_void),
        ("cuGraphUpload", 0, graph::cuGraphUpload as *const c_void),
        ("cuImportExternalMemory", 0, unsupported::cuImportExternalMemory as *const c_void),
        ("cuInit", 0, device::cuInit as *const c_void),
        ("cuKernelGetAttribute", 12000, function::cuKernelGetAttribute as *const c_void),
        ("cuKernelGetFunction", 12000, library::cuKernelGetFunction as *const c_void),
        ("cuKernelGetName", 12000, function::cuKernelGetName as *const c_void),
        ("cuKernelSetAttribute", 12000, function::cuKernelSetAttribute as *const c_void),
        ("cuLaunchCooperativeKernel", 0, launch::cuLaunchCooperativeKernel as *const c_void),
        ("cuLaunchHostFunc", 0, stream::cuLaunchHostFunc as *const c_void),
        ("cuLaunchKernel", 0, launch::cuLaunchKernel as *const c_void),
        ("cuLaunchKernelEx", 11060, launch::cuLaunchKernelEx as *const c_void),
        ("cuLibraryGetKernel", 12000, library::cuLibraryGetKernel as *const c_void),
        ("cuLibraryGetKernelCount", 12000, library::cuLibraryGetKernelCount as *const c_void),
        ("cuLibraryGetModule", 12000, library::cuLibraryGetModule as *const c_void),
        ("cuLibraryLoadData", 12000, library::cuLibraryLoadData as *const c_void),
        ("cuLibraryLoadFromFile", 12000, library::cuLibraryLoadFromFile as *const c_void),
        ("cuLibraryUnload", 12000, library::cuLibraryUnload as *const c_void),
        ("cuMemAdvise", 0, unsupported::cuMemAdvise_v2 as *const c_void),
        ("cuMemAlloc", 0, memory::cuMemAlloc_v2 as *const c_void),
        ("cuMemAllocAsync", 0, memory::cuMemAllocAsync as *const c_void),
        ("cuMemAllocFromPoolAsync", 0, pool::cuMemAllocFromPoolAsync as *const c_void),
        ("cuMemAllocManaged", 0, unsupported::cuMemAllocManaged as *const c_void),
        ("cuMemFree", 0, memory::cuMemFree_v2 as *const c_void),
        ("cuMemFreeAsync", 0, memory::cuMemFreeAsync as *const c_void),
        ("cuMemFreeHost", 0, memory::cuMemFreeHost as *const c_void),
        ("cuMemGetAddressRange", 0, memory::cuMemGetAddressRange_v2 as *const c_void),
        ("cuMemGetInfo", 0, memory::cuMemGetInfo_v2 as *const c_void),
        ("cuMemHostAlloc", 0, memory::cuMemHostAlloc as *const c_void),
        ("cuMemPoolCreate", 0, pool::cuMemPoolCreate as *const c_void),
        ("cuMemPoolDestroy", 0, pool::cuMemPoolDestroy as *const c_void),
        ("cuMemPoolGetAttribute", 0, pool::cuMemPoolGetAttribute as *const c_void),
        ("cuMemPoolSetAttribute", 0, pool::cuMemPoolSetAttribute as *const c_void),
        ("cuMemPoolTrimTo", 0, pool::cuMemPoolTrimTo as *const c_void),
        ("cuMemPrefetchAsync", 0, unsupported::cuMemPrefetchAsync_v2 as *const c_void),
        ("cuMemcpyDtoD", 0, copy::cuMemcpyDtoD_v2 as *const c_void),
        ("cuMemcpyDtoDAsync", 0, copy::cuMemcpyDtoDAsync_v2 as *const c_void),
        ("cuMemcpyDtoH", 0, copy::cuMemcpyDtoH_v2 as *const c_void),
        ("cuMemcpyDtoHAsync", 0, copy::cuMemcpyDtoHAsync_v2 as *const c_void),
        ("cuMemcpyHtoD", 0, copy::cuMemcpyHtoD_v2 as *const c_void),
        ("cuMemcpyHtoDAsync", 0, copy::cuMemcpyHtoDAsync_v2 as *const c_void),
        ("cuMemcpyPeerAsync", 0, copy::cuMemcpyPeerAsync as *const c_void),
        ("cuMemsetD16", 0, copy::cuMemsetD16_v2 as *const c_void),
        ("cuMemsetD16Async", 0, copy::cuMemsetD16Async as *const c_void),
        ("cuMemsetD32", 0, copy::cuMemsetD32_v2 as *const c_void),
        ("cuMemsetD32Async", 0, copy::cuMemsetD32Async as *const c_void),
        ("cuMemsetD8", 0, copy::cuMemsetD8_v2 as *const c_void),
        ("cuMemsetD8Async", 0, copy::cuMemsetD8Async as *const c_void),
        ("cuModuleGetFunction", 0, library::cuModuleGetFunction as *const c_void),
        ("cuModuleGetGlobal", 0, library::cuModuleGetGlobal_v2 as *const c_void),
        ("cuModuleLoad", 0, library::cuModuleLoad as *const c_void),
        ("cuModuleLoadData", 0, library::cuModuleLoadData as *const c_void),
        ("cuModuleLoadDataEx", 0, library::cuModuleLoadDataEx as *const c_void),
        ("cuModuleLoadFatBinary", 0, library::cuModuleLoadFatBinary as *const c_void),
        ("cuModuleUnload", 0, library::cuModuleUnload as *const c_void),
        (
            "cuOccupancyAvailableDynamicSMemPerBlock",
            0,
            function::cuOccupancyAvailableDynamicSMemPerBlock as *const c_void,
        ),
        (
            "cuOccupancyMaxActiveBlocksPerMultiprocessor",
            0,
            function::cuOccupancyMaxActiveBlocksPerMultiprocessor as *const c_void,
        ),
        (
            "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags",
            0,
            function::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags as *const c_void,
        ),
        ("cuOccupancyMaxActiveClusters", 0, function::cuOccupancyMaxActiveClusters as *const c_void),
        ("cuOccupancyMaxPotentialBlockSize", 0, function::cuOccupancyMaxPotentialBlockSize as *const c_void),
        (
            "cuOccupancyMaxPotentialBlockSizeWithFlags",
            0,
            function::cuOccupancyMaxPotentialBlockSizeWithFlags as *const c_void,
        ),
        ("cuOccupancyMaxPotentialClusterSize", 0, function::cuOccupancyMaxPotentialClusterSize as *const c_void),
        ("cuPointerGetAttribute", 0, pointer::cuPointerGetAttribute as *const c_void),
        ("cuPointerGetAttributes", 0, pointer::cuPointerGetAttributes as *const c_void),
        ("cuProfilerStart", 0, unsupported::cuProfilerStart as *const c_void),
        ("cuProfilerStop", 0, unsupported::cuProfilerStop as *const c_void),
        ("cuStreamAttachMemAsync", 0, unsupported::cuStreamAttachMemAsync as *const c_void),
        ("cuStreamBeginCapture", 0, stream::cuStreamBeginCapture_v2 as *const c_void),
        ("cuStreamCreate", 0, stream::cuStreamCreate as *const c_void),
        ("cuStreamCreateWithPriority", 0, stream::cuStreamCreateWithPriority as *const c_void),
        ("cuStreamDestroy", 0, stream::cuStreamDestroy_v2 as *const c_void),
        ("cuStreamEndCapture", 0, stream::cuStreamEndCapture as *const c_void),
        ("cuStreamGetCaptureInfo", 0, stream::cuStreamGetCaptureInfo_v2 as *const c_void),
        ("cuStreamGetCtx", 0, stream::cuStreamGetCtx as *const c_void),
        ("cuStreamGetDevice", 0, stream::cuStreamGetDevice as *const c_void),
        ("cuStreamGetFlags", 0, stream::cuStreamGetFlags as *const c_void),
        ("cuStreamGetId", 0, stream::cuStreamGetId as *const c_void),
        ("cuStreamGetPriority", 0, stream::cuStreamGetPriority as *const c_void),
        ("cuStreamIsCapturing", 0, stream::cuStreamIsCapturing as *const c_void),
        ("cuStreamQuery", 0, stream::cuStreamQuery as *const c_void),
        ("cuStreamSynchronize", 0, stream::cuStreamSynchronize as *const c_void),
        ("cuStreamWaitEvent", 0, stream::cuStreamWaitEvent as *const c_void),
        ("cuTensorMapEncodeTiled", 12000, tensor::cuTensorMapEncodeTiled as *const c_void),
        ("cuThreadExchangeStreamCaptureMode", 0, stream::cuThreadExchangeStreamCaptureMode as *const c_void),
    ]
}
