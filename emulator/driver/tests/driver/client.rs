//! Unmodified cudarc over the emulated driver.

use crate::common::{code, kernel, module};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUresult as Code};
use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg};
use ptx_emulator_driver_harness::{emulated, fail, record};

fn one_block(threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (1, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

#[test]
fn a_device_is_its_model() {
    emulated("client::a_device_is_its_model", &[("PTX_EMULATOR_MODEL", "sm_86,sm_90")], || {
        assert_eq!(CudaContext::device_count().unwrap(), 2);
        let contexts = [0, 1].map(|ordinal| CudaContext::new(ordinal).unwrap());
        let capability = contexts.each_ref().map(|context| context.compute_capability().unwrap());
        assert_eq!(capability, [(8, 6), (9, 0)]);
        let opt_in = Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared = contexts.each_ref().map(|context| context.attribute(opt_in).unwrap());
        assert_eq!(shared, [99 << 10, 227 << 10]);
        let threads = Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR;
        assert_eq!(contexts.each_ref().map(|context| context.attribute(threads).unwrap()), [1536, 2048]);
        assert!(contexts[1].name().unwrap().contains("emulator"));
        assert_ne!(contexts[0].uuid().unwrap().bytes, contexts[1].uuid().unwrap().bytes);
        assert_eq!(code(CudaContext::new(2)), Code::CUDA_ERROR_INVALID_DEVICE);
    });
}

#[test]
fn memory_is_counted_and_copied() {
    emulated("client::memory_is_counted_and_copied", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let (before, total) = context.mem_get_info().unwrap();
        assert_eq!(total, context.total_mem().unwrap());
        let numbers: Vec<u32> = (0..1000).collect();
        let device = stream.clone_htod(&numbers).unwrap();
        assert_eq!(context.mem_get_info().unwrap().0, before - 4000);
        let mut copy = stream.alloc_zeros::<u32>(1000).unwrap();
        assert_eq!(stream.clone_dtoh(&copy).unwrap(), [0; 1000]);
        stream.memcpy_dtod(&device.slice(10..20), &mut copy.slice_mut(500..510)).unwrap();
        let back = stream.clone_dtoh(&copy).unwrap();
        assert_eq!(back[498..512], [0, 0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0, 0]);
        drop((device, copy));
        assert_eq!(context.mem_get_info().unwrap().0, before);
        assert_eq!(code(stream.null::<u32>()), Code::CUDA_ERROR_INVALID_VALUE);
        // SAFETY: nothing reads the memory; there is not as much.
        assert_eq!(code(unsafe { stream.alloc::<u8>(total + 1) }), Code::CUDA_ERROR_OUT_OF_MEMORY);
    });
}

#[test]
fn pinned_memory_goes_both_ways() {
    emulated("client::pinned_memory_goes_both_ways", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        // SAFETY: written before it is read.
        let mut host = unsafe { context.alloc_pinned::<u64>(64) }.unwrap();
        host.as_mut_slice().unwrap().copy_from_slice(&[7; 64]);
        let device = stream.clone_htod(&host).unwrap();
        assert_eq!(stream.clone_dtoh(&device).unwrap(), [7; 64]);
    });
}

#[test]
fn memory_goes_between_devices_by_peer_copies_alone() {
    emulated("client::memory_goes_between_devices_by_peer_copies_alone", &[("PTX_EMULATOR_DEVICES", "2")], || {
        let contexts = [0, 1].map(|ordinal| CudaContext::new(ordinal).unwrap());
        let streams = contexts.each_ref().map(|context| context.new_stream().unwrap());
        let source = streams[0].clone_htod(&[1u32, 2, 3]).unwrap();
        let mut target = streams[1].alloc_zeros::<u32>(3).unwrap();
        streams[1].memcpy_dtod(&source, &mut target).unwrap();
        assert_eq!(streams[1].clone_dtoh(&target).unwrap(), [1, 2, 3]);
        let add_step = kernel(&contexts[1], "add_step");
        // A kernel of device 1 cannot reach device 0, and a function of device 1 is not launched in a stream of device 0.
        // SAFETY: the kernel stays inside the slice.
        let foreign = unsafe { streams[0].launch_builder(&add_step).arg(&source).arg(&1u32).launch(one_block(3)) };
        assert_eq!(code(foreign), Code::CUDA_ERROR_INVALID_HANDLE);
        // SAFETY: the emulator checks every access.
        let fault = unsafe { streams[1].launch_builder(&add_step).arg(&source).arg(&1u32).launch(one_block(3)) };
        assert_eq!(code(fault), Code::CUDA_ERROR_ILLEGAL_ADDRESS);
        assert_eq!(streams[0].clone_dtoh(&source).unwrap(), [1, 2, 3]);
    });
}

#[test]
fn a_kernel_runs() {
    emulated("client::a_kernel_runs", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let add_step = kernel(&context, "add_step");
        let mut data = stream.clone_htod(&(0..64).collect::<Vec<u32>>()).unwrap();
        // SAFETY: 60 threads stay inside 64 elements.
        unsafe { stream.launch_builder(&add_step).arg(&mut data).arg(&100u32).launch(one_block(60)) }.unwrap();
        let expected: Vec<u32> = (0..64).map(|index| if index < 60 { index + 100 } else { index }).collect();
        assert_eq!(stream.clone_dtoh(&data).unwrap(), expected);
        // SAFETY: as above.
        let events = unsafe {
            let mut launch = stream.launch_builder(&add_step);
            launch.arg(&mut data).arg(&1u32).record_kernel_launch(sys::CUevent_flags::CU_EVENT_DEFAULT);
            launch.launch_cooperative(one_block(1))
        };
        let (start, end) = events.unwrap().unwrap();
        assert!(start.elapsed_ms(&end).unwrap() > 0.0);
        assert_eq!(stream.clone_dtoh(&data).unwrap()[..2], [101, 101]);
    });
}

#[test]
fn a_fault_ends_the_context() {
    emulated("client::a_fault_ends_the_context", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let stray = kernel(&context, "stray");
        let data = stream.alloc_zeros::<u32>(4).unwrap();
        // SAFETY: the emulator checks every access.
        let fault = unsafe { stream.launch_builder(&stray).arg(&data).arg(&16u64).launch(one_block(1)) };
        assert_eq!(code(fault), Code::CUDA_ERROR_ILLEGAL_ADDRESS);
        assert_eq!(code(stream.synchronize()), Code::CUDA_ERROR_ILLEGAL_ADDRESS);
        assert_eq!(code(stream.clone_dtoh(&data)), Code::CUDA_ERROR_ILLEGAL_ADDRESS);
    });
}

#[test]
fn a_misaligned_access_has_its_own_code() {
    emulated("client::a_misaligned_access_has_its_own_code", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let stray = kernel(&context, "stray");
        let data = stream.alloc_zeros::<u32>(4).unwrap();
        // SAFETY: the emulator checks every access.
        let fault = unsafe { stream.launch_builder(&stray).arg(&data).arg(&2u64).launch(one_block(1)) };
        assert_eq!(code(fault), Code::CUDA_ERROR_MISALIGNED_ADDRESS);
    });
}

#[test]
fn launches_are_checked() {
    emulated("client::launches_are_checked", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let dynamic = kernel(&context, "dynamic");
        let data = stream.alloc_zeros::<u32>(1).unwrap();
        let launch = |threads, shared| {
            let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: shared };
            // SAFETY: the emulator checks every access.
            code(unsafe { stream.launch_builder(&dynamic).arg(&data).launch(shape) })
        };
        let limit = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // More than 48 KiB is for those who ask, and more than the model has for nobody.
        assert_eq!(launch(1, 65536), Code::CUDA_ERROR_INVALID_VALUE);
        assert_eq!(code(dynamic.set_attribute(limit, (163 << 10) + 1)), Code::CUDA_ERROR_INVALID_VALUE);
        dynamic.set_attribute(limit, 163 << 10).unwrap();
        assert_eq!(launch(1, 65536), Code::CUDA_SUCCESS);
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [7]);
        assert_eq!(launch(1, (163 << 10) + 16), Code::CUDA_ERROR_INVALID_VALUE);
        // `.maxntid 64`
        assert_eq!(dynamic.max_threads_per_block().unwrap(), 64);
        assert_eq!(launch(65, 65536), Code::CUDA_ERROR_INVALID_VALUE);
        assert_eq!(launch(0, 65536), Code::CUDA_ERROR_INVALID_VALUE);
        // 164 KiB hold two blocks of 64 + 1 KiB.
        assert_eq!(dynamic.occupancy_max_active_blocks_per_multiprocessor(64, 65536, None).unwrap(), 2);
        // 2048 threads hold 32 blocks of 64, and no more block slots are there.
        assert_eq!(dynamic.occupancy_max_active_blocks_per_multiprocessor(64, 0, None).unwrap(), 32);
    });
}

#[test]
fn injected_failures_come_back_from_their_call() {
    let environment = [("PTX_EMULATOR_FAIL", "cuEventCreate:2=2")];
    emulated("client::injected_failures_come_back_from_their_call", &environment, || {
        let context = CudaContext::new(0).unwrap();
        context.new_event(None).unwrap();
        assert_eq!(code(context.new_event(None)), Code::CUDA_ERROR_OUT_OF_MEMORY);
        context.new_event(None).unwrap();
        fail("cuStreamCreate", 1, 999);
        let (streams, calls) = record(|| [context.new_stream(), context.new_stream()].map(code));
        assert_eq!(streams, [Code::CUDA_ERROR_UNKNOWN, Code::CUDA_SUCCESS]);
        let creations: Vec<_> = calls.iter().filter(|call| call.name == "cuStreamCreate").collect();
        assert_eq!(
            creations.iter().map(|call| (call.code, call.injected)).collect::<Vec<_>>(),
            [(999, true), (0, false)]
        );
    });
}

#[test]
fn the_record_has_the_calls_in_order() {
    emulated("client::the_record_has_the_calls_in_order", &[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let second = context.new_stream().unwrap();
        let add_step = kernel(&context, "add_step");
        let mut data = stream.clone_htod(&[0u32; 32]).unwrap();
        // SAFETY: 32 threads stay inside 32 elements.
        let launch =
            |data: &mut _| unsafe { second.launch_builder(&add_step).arg(data).arg(&1u32).launch(one_block(32)) };
        let (_, calls) = record(|| launch(&mut data).unwrap());
        let names: Vec<_> =
            calls.iter().map(|call| call.name.as_str()).filter(|name| *name != "cuCtxGetCurrent").collect();
        assert_eq!(names, ["cuStreamWaitEvent", "cuStreamWaitEvent", "cuLaunchKernel", "cuEventRecord"]);
        let launch = calls.iter().find(|call| call.name == "cuLaunchKernel").unwrap();
        assert_eq!((launch.argument("block_x"), launch.argument("stream")), (32, second.cu_stream() as u64));
    });
}

#[test]
fn functions_of_a_module_outlive_no_unload() {
    emulated("client::functions_of_a_module_outlive_no_unload", &[], || {
        let context = CudaContext::new(0).unwrap();
        let owner = module(&context);
        let function = owner.load_function("add_step").unwrap().cu_function();
        assert_eq!(code(owner.load_function("missing")), Code::CUDA_ERROR_NOT_FOUND);
        assert_eq!(owner.load_function("add_step").unwrap().cu_function(), function);
        drop(owner);
        let mut value = 0;
        let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK;
        // SAFETY: `value` can be written; the driver looks handles up and does not follow them.
        let gone = unsafe { sys::cuFuncGetAttribute(&mut value, attribute, function) };
        assert_eq!(gone, Code::CUDA_ERROR_INVALID_HANDLE);
    });
}

#[test]
fn the_record_in_a_file_has_the_text_of_a_fault() {
    let path = std::env::temp_dir().join(format!("ptx-emulator-driver-{}.txt", std::process::id()));
    let file = path.to_str().unwrap();
    emulated("client::the_record_in_a_file_has_the_text_of_a_fault", &[("PTX_EMULATOR_RECORD", file)], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let stray = kernel(&context, "stray");
        let data = stream.alloc_zeros::<u32>(4).unwrap();
        // SAFETY: the emulator checks every access.
        let fault = unsafe { stream.launch_builder(&stray).arg(&data).arg(&16u64).launch(one_block(1)) };
        assert_eq!(code(fault), Code::CUDA_ERROR_ILLEGAL_ADDRESS);
        let record = std::fs::read_to_string(std::env::var("PTX_EMULATOR_RECORD").unwrap()).unwrap();
        let lines: Vec<_> = record.lines().collect();
        assert_eq!(lines.iter().filter(|line| **line == "cuInit(flags=0) = 0").count(), 1, "{record}");
        let launch =
            lines.iter().position(|line| line.starts_with("cuLaunchKernel(") && line.ends_with(" = 700")).unwrap();
        let text: Vec<_> = lines[..launch].iter().rev().take_while(|line| line.starts_with('!')).collect();
        assert!(text.iter().any(|line| line.contains("stray") && line.contains("out of bounds")), "{record}");
    });
    let _ = std::fs::remove_file(path);
}

#[test]
fn executed_forms_stand_in_a_file_once_a_kernel() {
    let path = std::env::temp_dir().join(format!("ptx-emulator-driver-forms-{}.txt", std::process::id()));
    let file = path.to_str().unwrap();
    emulated("client::executed_forms_stand_in_a_file_once_a_kernel", &[("PTX_EMULATOR_FORMS", file)], || {
        let context = CudaContext::new(0).unwrap();
        let add_step = kernel(&context, "add_step");
        let stream = context.new_stream().unwrap();
        let data = stream.alloc_zeros::<u32>(32).unwrap();
        for _ in 0..2 {
            // SAFETY: 32 threads stay inside 32 elements.
            unsafe { stream.launch_builder(&add_step).arg(&data).arg(&1u32).launch(one_block(32)) }.unwrap();
        }
        let forms = std::fs::read_to_string(std::env::var("PTX_EMULATOR_FORMS").unwrap()).unwrap();
        let lines: Vec<_> = forms.lines().collect();
        assert_eq!(lines[..2], ["add_step\tadd.s32", "add_step\tadd.s64"]);
        assert_eq!((lines.len(), lines.last()), (10, Some(&"add_step\tst.global.u32")));
    });
    let _ = std::fs::remove_file(path);
}

#[test]
fn the_counts_of_launches_are_written_to_a_file() {
    let path = std::env::temp_dir().join(format!("ptx-emulator-driver-profile-{}.txt", std::process::id()));
    let file = path.to_str().unwrap();
    emulated("client::the_counts_of_launches_are_written_to_a_file", &[("PTX_EMULATOR_PROFILE", file)], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let add_step = kernel(&context, "add_step");
        let data = stream.alloc_zeros::<u32>(32).unwrap();
        for _ in 0..2 {
            // SAFETY: 32 threads stay inside 32 elements.
            unsafe { stream.launch_builder(&add_step).arg(&data).arg(&1u32).launch(one_block(32)) }.unwrap();
        }
        stream.synchronize().unwrap();
        let profile = std::fs::read_to_string(std::env::var("PTX_EMULATOR_PROFILE").unwrap()).unwrap();
        assert_eq!(profile.matches("add_step: grid 1x1x1, blocks of 32x1x1 threads\n").count(), 2, "{profile}");
        assert!(profile.contains("  loads                      128               4      100.0 %\n"), "{profile}");
    });
    let _ = std::fs::remove_file(path);
}

#[test]
fn threads_share_a_context() {
    emulated("client::threads_share_a_context", &[], || {
        let context = CudaContext::new(0).unwrap();
        let add_step = kernel(&context, "add_step");
        let stream = context.new_stream().unwrap();
        let data = stream.alloc_zeros::<u32>(32).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        // SAFETY: 32 threads stay inside 32 elements. The streams' launches run one at a time.
                        unsafe { stream.launch_builder(&add_step).arg(&data).arg(&1u32).launch(one_block(32)) }
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [100; 32]);
    });
}

#[test]
fn a_context_of_its_own_ends_with_its_owner() {
    emulated("client::a_context_of_its_own_ends_with_its_owner", &[], || {
        let primary = CudaContext::new(0).unwrap();
        let own = CudaContext::new_non_primary(0, 0).unwrap();
        assert_ne!(primary.cu_ctx(), own.cu_ctx());
        let slice = own.default_stream().clone_htod(&[1u32; 4]).unwrap();
        let handle = own.cu_ctx();
        drop((slice, own));
        // SAFETY: the driver looks handles up and does not follow them.
        let gone = unsafe { sys::cuCtxSetCurrent(handle) };
        assert_eq!(gone, Code::CUDA_ERROR_INVALID_CONTEXT);
        primary.bind_to_thread().unwrap();
        // A primary context lives as long as somebody retains it, and comes back new.
        let handle = primary.cu_ctx();
        let second = CudaContext::new(0).unwrap();
        assert_eq!(second.cu_ctx(), handle);
        drop((primary, second));
        assert_ne!(CudaContext::new(0).unwrap().cu_ctx(), handle);
    });
}
