//! The driver API where cudarc's safe layer does not go: images, handles, unknown arguments.

use std::ffi::{CStr, CString, c_void};
use std::ptr::{null, null_mut};

use crate::common::KERNELS;
use cudarc::driver::sys::{self, CUresult as Code};
use cudarc::driver::{CudaContext, DriverError};
use ptx_emulator_driver_harness::{Call, emulated, record};

/// Loads an image as a library and gives the code; unloads it again.
fn load(image: &[u8]) -> Code {
    let mut library = null_mut();
    // SAFETY: `library` can be written, the image is a binary or ends with a NUL, and there are no options.
    let code = unsafe {
        let data = image.as_ptr().cast();
        sys::cuLibraryLoadData(&mut library, data, null_mut(), null_mut(), 0, null_mut(), null_mut(), 0)
    };
    if code == Code::CUDA_SUCCESS {
        // SAFETY: the library was loaded and is unloaded once.
        assert_eq!(unsafe { sys::cuLibraryUnload(library) }, Code::CUDA_SUCCESS);
    }
    code
}

fn text(ptx: &str) -> Vec<u8> {
    CString::new(ptx).unwrap().into_bytes_with_nul()
}

#[test]
fn images_are_refused_as_by_hardware() {
    emulated("api::images_are_refused_as_by_hardware", &[("PTX_EMULATOR_MODEL", "sm_86")], || {
        let _context = CudaContext::new(0).unwrap();
        assert_eq!(load(&text(KERNELS)), Code::CUDA_SUCCESS);
        assert_eq!(load(b"\x7fELF\x02\x01\x01\x33 and so on"), Code::CUDA_ERROR_NO_BINARY_FOR_GPU);
        assert_eq!(load(&0xba55_ed50_u32.to_le_bytes()), Code::CUDA_ERROR_NO_BINARY_FOR_GPU);
        for target in ["sm_89", "sm_90a", "sm_80a"] {
            let other = KERNELS.replace(".target sm_80", &format!(".target {target}"));
            assert_eq!(load(&text(&other)), Code::CUDA_ERROR_NO_BINARY_FOR_GPU, "{target}");
        }
        // Driver 12.8 knows PTX 8.7.
        assert_eq!(load(&text(&KERNELS.replace(".version 8.0", ".version 8.7"))), Code::CUDA_SUCCESS);
        let newer = KERNELS.replace(".version 8.0", ".version 8.8");
        assert_eq!(load(&text(&newer)), Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
        assert_eq!(load(&text("no PTX at all")), Code::CUDA_ERROR_INVALID_PTX);
        assert_eq!(load(&text(&KERNELS.replace("ret;", "retreat;"))), Code::CUDA_ERROR_INVALID_PTX);
    });
}

#[test]
fn an_old_driver_knows_old_ptx_alone() {
    emulated("api::an_old_driver_knows_old_ptx_alone", &[("PTX_EMULATOR_DRIVER_VERSION", "11040")], || {
        let _context = CudaContext::new(0).unwrap();
        let mut version = 0;
        // SAFETY: `version` can be written.
        unsafe { sys::cuDriverGetVersion(&mut version) }.result().unwrap();
        assert_eq!(version, 11040);
        assert_eq!(load(&text(KERNELS)), Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
        assert_eq!(load(&text(&KERNELS.replace(".version 8.0", ".version 7.4"))), Code::CUDA_SUCCESS);
    });
}

#[test]
fn the_error_log_names_the_line() {
    emulated("api::the_error_log_names_the_line", &[], || {
        let _context = CudaContext::new(0).unwrap();
        let wrong = text(&KERNELS.replacen("st.global.u32", "st.globe.u32", 1));
        let mut log = [0u8; 256];
        let mut options =
            [sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER, sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), log.len() as *mut c_void];
        let mut module = null_mut();
        // SAFETY: `module` can be written, the image ends with a NUL, two options are given with their values, and the log is as large as it says.
        let code = unsafe {
            let data = wrong.as_ptr().cast();
            sys::cuModuleLoadDataEx(&mut module, data, 2, options.as_mut_ptr(), values.as_mut_ptr())
        };
        assert_eq!(code, Code::CUDA_ERROR_INVALID_PTX);
        let line = KERNELS.lines().position(|line| line.contains("st.global.u32")).unwrap() + 1;
        let log = CStr::from_bytes_until_nul(&log).unwrap().to_str().unwrap();
        assert!(log.contains(&line.to_string()) && log.contains("st.globe.u32"), "{log}");
    });
}

#[test]
fn unknown_handles_are_errors() {
    emulated("api::unknown_handles_are_errors", &[], || {
        let context = CudaContext::new(0).unwrap();
        let invalid = Code::CUDA_ERROR_INVALID_HANDLE;
        let live = context.new_event(None).unwrap().cu_event();
        // The event above is destroyed by now; the others never were.
        for handle in [live as usize, 3, usize::MAX, 0x7e00_0000_0000_0001] {
            let mut value = 0i32;
            let mut status = sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS;
            // SAFETY: every result pointer can be written, and handles are looked up, never followed.
            unsafe {
                assert_eq!(sys::cuEventRecord(handle as _, null_mut()), invalid);
                assert_eq!(sys::cuEventDestroy_v2(handle as _), invalid);
                assert_eq!(sys::cuStreamSynchronize(handle as _), invalid);
                assert_eq!(sys::cuStreamWaitEvent(null_mut(), handle as _, 0), invalid);
                assert_eq!(sys::cuStreamIsCapturing(handle as _, &mut status), invalid);
                assert_eq!(sys::cuStreamDestroy_v2(handle as _), invalid);
                assert_eq!(sys::cuModuleUnload(handle as _), invalid);
                assert_eq!(sys::cuLibraryUnload(handle as _), invalid);
                assert_eq!(sys::cuFuncGetAttribute(&mut value, attribute, handle as _), invalid);
                assert_eq!(
                    sys::cuLaunchKernel(handle as _, 1, 1, 1, 1, 1, 1, 0, null_mut(), null_mut(), null_mut()),
                    invalid
                );
                assert_eq!(sys::cuCtxSetCurrent(handle as _), Code::CUDA_ERROR_INVALID_CONTEXT);
                assert_eq!(sys::cuGraphLaunch(handle as _, null_mut()), Code::CUDA_ERROR_INVALID_VALUE);
                assert_eq!(sys::cuMemFree_v2(handle as u64), Code::CUDA_ERROR_INVALID_VALUE);
                assert_eq!(sys::cuMemsetD8_v2(handle as u64, 0, 1), Code::CUDA_ERROR_INVALID_VALUE);
                assert_eq!(sys::cuMemFreeHost(handle as _), Code::CUDA_ERROR_INVALID_VALUE);
            }
        }
        // SAFETY: a null result pointer is allowed.
        assert_eq!(unsafe { sys::cuEventCreate(null_mut(), 0) }, Code::CUDA_ERROR_INVALID_VALUE);
    });
}

#[test]
fn nothing_works_before_init_or_without_a_context() {
    emulated("api::nothing_works_before_init_or_without_a_context", &[], || {
        let (mut count, mut version, mut event) = (0, 0, null_mut());
        // SAFETY: every result pointer can be written.
        unsafe {
            assert_eq!(sys::cuDeviceGetCount(&mut count), Code::CUDA_ERROR_NOT_INITIALIZED);
            assert_eq!(sys::cuDriverGetVersion(&mut version), Code::CUDA_SUCCESS);
            assert_eq!(sys::cuInit(0), Code::CUDA_SUCCESS);
            assert_eq!(sys::cuEventCreate(&mut event, 0), Code::CUDA_ERROR_INVALID_CONTEXT);
        }
        assert_eq!(version, 12080);
    });
}

#[test]
fn settings_that_make_no_sense_fail_the_start() {
    emulated("api::settings_that_make_no_sense_fail_the_start", &[("PTX_EMULATOR_MODEL", "sm_70")], || {
        // SAFETY: takes no pointer.
        assert_eq!(unsafe { sys::cuInit(0) }, Code::CUDA_ERROR_INVALID_VALUE);
    });
}

#[test]
fn no_device_is_an_error() {
    emulated("api::no_device_is_an_error", &[("PTX_EMULATOR_DEVICES", "0")], || {
        // SAFETY: takes no pointer.
        assert_eq!(unsafe { sys::cuInit(0) }, Code::CUDA_ERROR_NO_DEVICE);
    });
}

#[test]
fn errors_have_the_names_of_the_header() {
    emulated("api::errors_have_the_names_of_the_header", &[], || {
        for code in [
            Code::CUDA_SUCCESS,
            Code::CUDA_ERROR_INVALID_VALUE,
            Code::CUDA_ERROR_NO_BINARY_FOR_GPU,
            Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
            Code::CUDA_ERROR_ILLEGAL_ADDRESS,
            Code::CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
            Code::CUDA_ERROR_UNKNOWN,
        ] {
            assert_eq!(DriverError(code).error_name().unwrap().to_str().unwrap(), format!("{code:?}"));
            assert!(!DriverError(code).error_string().unwrap().is_empty());
        }
    });
}

#[test]
fn addresses_tell_where_they_are() {
    emulated("api::addresses_tell_where_they_are", &[("PTX_EMULATOR_DEVICES", "2")], || {
        use sys::CUpointer_attribute as Attribute;
        let contexts = [0, 1].map(|ordinal| CudaContext::new(ordinal).unwrap());
        let (mut address, mut ordinal, mut owner, mut size) = (0, -1, null_mut::<sys::CUctx_st>(), 0usize);
        // SAFETY: every result pointer can be written with its attribute's type.
        unsafe {
            sys::cuMemAlloc_v2(&mut address, 1000).result().unwrap();
            let attribute = Attribute::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL;
            sys::cuPointerGetAttribute((&raw mut ordinal).cast(), attribute, address + 999).result().unwrap();
            let attribute = Attribute::CU_POINTER_ATTRIBUTE_CONTEXT;
            sys::cuPointerGetAttribute((&raw mut owner).cast(), attribute, address).result().unwrap();
            let attribute = Attribute::CU_POINTER_ATTRIBUTE_RANGE_SIZE;
            sys::cuPointerGetAttribute((&raw mut size).cast(), attribute, address + 8).result().unwrap();
            assert_eq!(
                sys::cuPointerGetAttribute((&raw mut size).cast(), attribute, address + 1000),
                Code::CUDA_ERROR_INVALID_VALUE
            );
            // Freed from the other device's context, as unified addressing has it.
            contexts[0].bind_to_thread().unwrap();
            sys::cuMemFree_v2(address).result().unwrap();
            assert_eq!(sys::cuMemFree_v2(address), Code::CUDA_ERROR_INVALID_VALUE);
        }
        assert_eq!((ordinal, owner, size), (1, contexts[1].cu_ctx(), 1000));
    });
}

#[test]
fn functions_are_found_by_their_plain_names() {
    emulated("api::functions_are_found_by_their_plain_names", &[("PTX_EMULATOR_DRIVER_VERSION", "11080")], || {
        let find = |name: &CStr| {
            let (mut function, mut status) =
                (null_mut(), sys::CUdriverProcAddressQueryResult::CU_GET_PROC_ADDRESS_SUCCESS);
            // SAFETY: the name ends with a NUL, and both results can be written.
            let code = unsafe { sys::cuGetProcAddress_v2(name.as_ptr(), &mut function, 12080, 0, &mut status) };
            (code, function, status as u32)
        };
        let (code, function, status) = find(c"cuDriverGetVersion");
        assert_eq!((code, status), (Code::CUDA_SUCCESS, 0));
        // SAFETY: this is the function's type.
        let get_version: unsafe extern "C" fn(*mut i32) -> Code = unsafe { std::mem::transmute(function) };
        let mut version = 0;
        // SAFETY: `version` can be written.
        assert_eq!((unsafe { get_version(&mut version) }, version), (Code::CUDA_SUCCESS, 11080));
        let (code, function, status) = find(c"cuLibraryLoadData");
        assert_eq!((code, function, status), (Code::CUDA_ERROR_NOT_FOUND, null_mut(), 2));
        assert_eq!(find(c"cuNoSuchThing").2, 1);
    });
}

#[test]
fn kernels_of_a_library_launch_without_a_function() {
    emulated("api::kernels_of_a_library_launch_without_a_function", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let data = stream.clone_htod(&[1u32; 8]).unwrap();
        let image = text(KERNELS);
        let (mut library, mut kernel, mut function) = (null_mut(), null_mut(), null_mut());
        // SAFETY: every result pointer can be written, the image and the name end with a NUL, there are no options.
        unsafe {
            let data = image.as_ptr().cast();
            sys::cuLibraryLoadData(&mut library, data, null_mut(), null_mut(), 0, null_mut(), null_mut(), 0)
                .result()
                .unwrap();
            sys::cuLibraryGetKernel(&mut kernel, library, c"add_step".as_ptr()).result().unwrap();
            sys::cuKernelGetFunction(&mut function, kernel).result().unwrap();
        }
        let (address, step) = (cu_address(&data, &stream), 4u32);
        let mut params: [*mut c_void; 2] =
            [(&raw const address).cast_mut().cast(), (&raw const step).cast_mut().cast()];
        let mut attribute = sys::CUlaunchAttribute {
            id: sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
            pad: [0; 4],
            value: sys::CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 },
        };
        let config = sys::CUlaunchConfig {
            gridDimX: 1,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: 8,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 16,
            hStream: stream.cu_stream(),
            attrs: &mut attribute,
            numAttrs: 1,
        };
        for handle in [kernel.cast(), function] {
            // SAFETY: the configuration has one attribute, and there is a pointer for each of the two parameters.
            let launch = || unsafe { sys::cuLaunchKernelEx(&config, handle, params.as_mut_ptr(), null_mut()) };
            let (code, calls): (_, Vec<Call>) = record(launch);
            assert_eq!(code, Code::CUDA_SUCCESS);
            let arguments = ["grid_x", "block_x", "block_y", "shared", "stream"].map(|name| calls[0].argument(name));
            assert_eq!(arguments, [1, 8, 1, 16, stream.cu_stream() as u64]);
        }
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [9; 8]);
        // A cluster is refused, not ignored, by a device that has none.
        attribute.id = sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
        attribute.value.clusterDim = sys::CUlaunchAttributeValue_union__bindgen_ty_1 { x: 2, y: 1, z: 1 };
        let config = sys::CUlaunchConfig { gridDimX: 2, attrs: &mut attribute, ..config };
        // SAFETY: as above.
        let cluster = unsafe { sys::cuLaunchKernelEx(&config, function, params.as_mut_ptr(), null_mut()) };
        assert_eq!(cluster, Code::CUDA_ERROR_INVALID_CLUSTER_SIZE);
        // A packed buffer does as well as an array of pointers.
        let mut packed = [0u8; 12];
        packed[..8].copy_from_slice(&address.to_le_bytes());
        packed[8..].copy_from_slice(&step.to_le_bytes());
        let mut length = packed.len();
        let mut extra: [*mut c_void; 5] =
            [1 as _, packed.as_mut_ptr().cast(), 2 as _, (&raw mut length).cast(), null::<c_void>().cast_mut()];
        // SAFETY: the buffer holds as many bytes as it says, and the array ends with its mark.
        let launched =
            unsafe { sys::cuLaunchKernel(function, 1, 1, 1, 8, 1, 1, 0, null_mut(), null_mut(), extra.as_mut_ptr()) };
        assert_eq!(launched, Code::CUDA_SUCCESS);
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [13; 8]);
        // SAFETY: the library was loaded and is unloaded once.
        unsafe { sys::cuLibraryUnload(library) }.result().unwrap();
        // SAFETY: as above.
        let gone = unsafe { sys::cuLaunchKernelEx(&config, function, params.as_mut_ptr(), null_mut()) };
        assert_eq!(gone, Code::CUDA_ERROR_INVALID_HANDLE);
    });
}

#[test]
fn pools_and_limits_remember_what_they_are_told() {
    emulated("api::pools_and_limits_remember_what_they_are_told", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let (mut pool, mut again, mut address, mut threshold) = (null_mut(), null_mut(), 0, 7u64);
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: every pointer can be read and written with its attribute's type.
        unsafe {
            sys::cuDeviceGetDefaultMemPool(&mut pool, 0).result().unwrap();
            sys::cuDeviceGetMemPool(&mut again, 0).result().unwrap();
            assert_eq!(pool, again);
            sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut threshold).cast()).result().unwrap();
            assert_eq!(threshold, 0);
            threshold = u64::MAX;
            sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut threshold).cast()).result().unwrap();
            threshold = 0;
            sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut threshold).cast()).result().unwrap();
            assert_eq!(threshold, u64::MAX);
            sys::cuMemAllocFromPoolAsync(&mut address, 64, pool, stream.cu_stream()).result().unwrap();
            sys::cuMemFreeAsync(address, stream.cu_stream()).result().unwrap();
            assert_eq!(sys::cuMemPoolDestroy(pool), Code::CUDA_ERROR_INVALID_VALUE);
        }
        context.set_limit(sys::CUlimit::CU_LIMIT_STACK_SIZE, 4096).unwrap();
        assert_eq!(context.get_limit(sys::CUlimit::CU_LIMIT_STACK_SIZE).unwrap(), 4096);
    });
}

fn cu_address(data: &cudarc::driver::CudaSlice<u32>, stream: &cudarc::driver::CudaStream) -> u64 {
    use cudarc::driver::DevicePtr;
    data.device_ptr(stream).0
}
