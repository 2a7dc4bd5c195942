//! Stream capture and graphs, through unmodified cudarc and through the driver API itself.

use std::sync::Arc;

use crate::common::{code, kernel};
use cudarc::driver::sys::{self, CUgraphInstantiate_flags as Flags, CUresult as Code, CUstreamCaptureMode as Mode};
use cudarc::driver::{CudaContext, CudaStream, LaunchConfig, PushKernelArg};
use ptx_emulator_driver_harness::{emulated, record};

const ONE_BLOCK: LaunchConfig = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (4, 1, 1), shared_mem_bytes: 0 };
const LOCAL: Mode = Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;

/// A context whose slices carry no events, and a stream of it.
fn untracked() -> (Arc<CudaContext>, Arc<CudaStream>) {
    let context = CudaContext::new(0).unwrap();
    // SAFETY: the streams of these tests wait for one another where they have to.
    unsafe { context.disable_event_tracking() };
    let stream = context.new_stream().unwrap();
    (context, stream)
}

#[test]
fn what_is_captured_runs_at_each_launch_and_not_before() {
    emulated("capture::what_is_captured_runs_at_each_launch_and_not_before", &[], || {
        let (context, stream) = untracked();
        let add_step = kernel(&context, "add_step");
        let mut data = stream.clone_htod(&[1u32, 2, 3, 4]).unwrap();
        let step = stream.clone_htod(&[10u32; 4]).unwrap();
        let mut copy = stream.alloc_zeros::<u32>(4).unwrap();
        stream.begin_capture(LOCAL).unwrap();
        // SAFETY: four threads stay inside four elements.
        unsafe { stream.launch_builder(&add_step).arg(&mut data).arg(&5u32).launch(ONE_BLOCK) }.unwrap();
        stream.memcpy_dtod(&data, &mut copy).unwrap();
        stream.memcpy_dtod(&step, &mut data.slice_mut(..)).unwrap();
        assert_eq!(stream.capture_status().unwrap(), sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE);
        let graph = stream.end_capture(Flags(0)).unwrap().unwrap();
        assert_eq!(stream.capture_status().unwrap(), sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE);
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [1, 2, 3, 4], "capture ran a kernel");
        graph.upload().unwrap();
        graph.launch().unwrap();
        assert_eq!(stream.clone_dtoh(&copy).unwrap(), [6, 7, 8, 9]);
        graph.launch().unwrap();
        assert_eq!(stream.clone_dtoh(&copy).unwrap(), [15; 4], "the second launch starts from what the first left");
        let mut nodes = 0;
        // SAFETY: no nodes are asked for, and `nodes` can be written.
        let asked = unsafe { sys::cuGraphGetNodes(graph.cu_graph(), std::ptr::null_mut(), &mut nodes) };
        assert_eq!((asked, nodes), (Code::CUDA_SUCCESS, 3));
    });
}

#[test]
fn the_flags_of_an_instance_are_checked() {
    emulated("capture::the_flags_of_an_instance_are_checked", &[], || {
        let (_context, stream) = untracked();
        let both =
            Flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | Flags::CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH;
        stream.begin_capture(LOCAL).unwrap();
        assert_eq!(code(stream.end_capture(both)), Code::CUDA_ERROR_INVALID_VALUE);
        stream.begin_capture(LOCAL).unwrap();
        stream.end_capture(Flags(0)).unwrap().unwrap().launch().unwrap();
    });
}

#[test]
fn a_fork_that_is_joined_is_part_of_the_graph() {
    emulated("capture::a_fork_that_is_joined_is_part_of_the_graph", &[], || {
        let (context, stream) = untracked();
        let side = context.new_stream().unwrap();
        let add_step = kernel(&context, "add_step");
        let mut data = stream.clone_htod(&[0u32; 4]).unwrap();
        stream.begin_capture(LOCAL).unwrap();
        side.join(&stream).unwrap();
        // SAFETY: four threads stay inside four elements.
        unsafe { side.launch_builder(&add_step).arg(&mut data).arg(&3u32).launch(ONE_BLOCK) }.unwrap();
        stream.join(&side).unwrap();
        let graph = stream.end_capture(Flags(0)).unwrap().unwrap();
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [0; 4]);
        graph.launch().unwrap();
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [3; 4]);
    });
}

#[test]
fn a_fork_that_is_not_joined_is_an_error() {
    emulated("capture::a_fork_that_is_not_joined_is_an_error", &[], || {
        let (context, stream) = untracked();
        let side = context.new_stream().unwrap();
        let mut data = stream.clone_htod(&[1u32; 4]).unwrap();
        stream.begin_capture(LOCAL).unwrap();
        side.join(&stream).unwrap();
        side.memset_zeros(&mut data).unwrap();
        assert_eq!(code(side.end_capture(Flags(0))), Code::CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
        assert_eq!(code(stream.end_capture(Flags(0))), Code::CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
        // Both streams run again.
        side.memset_zeros(&mut data).unwrap();
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [0; 4]);
    });
}

#[test]
fn what_may_not_happen_during_a_capture_invalidates_it() {
    emulated("capture::what_may_not_happen_during_a_capture_invalidates_it", &[], || {
        let (context, stream) = untracked();
        let other = context.new_stream().unwrap();
        let outside = other.record_event(None).unwrap();
        let data = stream.clone_htod(&[1u32; 4]).unwrap();
        type Offence<'a> = (&'a str, Code, &'a dyn Fn() -> Code);
        let offences: &[Offence] = &[
            ("waiting for its stream", Code::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, &|| code(stream.synchronize())),
            ("waiting for its context", Code::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, &|| code(context.synchronize())),
            ("waiting for another stream", Code::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, &|| code(other.synchronize())),
            ("allocating", Code::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, &|| code(stream.alloc_zeros::<u32>(1))),
            ("waiting for outside work", Code::CUDA_ERROR_STREAM_CAPTURE_ISOLATION, &|| code(stream.wait(&outside))),
            ("loading a module", Code::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, &|| {
                code(context.load_module(cudarc::nvrtc::Ptx::from_src(crate::common::KERNELS)))
            }),
        ];
        for (what, expected, offence) in offences {
            stream.begin_capture(LOCAL).unwrap();
            assert_eq!(offence(), *expected, "{what}");
            let ended = code(stream.end_capture(Flags(0)));
            assert_eq!(ended, Code::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "{what}");
        }
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [1; 4]);
    });
}

#[test]
fn the_legacy_stream_and_blocking_captures_exclude_each_other() {
    emulated("capture::the_legacy_stream_and_blocking_captures_exclude_each_other", &[], || {
        let (context, _) = untracked();
        let legacy = context.default_stream();
        assert_eq!(code(legacy.begin_capture(LOCAL)), Code::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        let mut data = legacy.clone_htod(&[1u32; 4]).unwrap();
        let mut blocking = std::ptr::null_mut();
        // SAFETY: `blocking` can be written.
        let created = unsafe { sys::cuStreamCreate(&mut blocking, 0) };
        assert_eq!(created, Code::CUDA_SUCCESS);
        // SAFETY: the stream was created in this context, and nothing destroys it.
        let blocking = unsafe { context.wrap_borrowed_stream(blocking) };
        blocking.begin_capture(LOCAL).unwrap();
        assert_eq!(code(legacy.memset_zeros(&mut data)), Code::CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
        assert_eq!(code(blocking.end_capture(Flags(0))), Code::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        assert_eq!(legacy.clone_dtoh(&data).unwrap(), [1; 4]);
        // The per-thread stream does not block, so it may be captured beside the legacy one.
        let own = context.per_thread_stream();
        own.begin_capture(LOCAL).unwrap();
        own.memset_zeros(&mut data).unwrap();
        assert_eq!(legacy.clone_dtoh(&data).unwrap(), [1; 4]);
        own.end_capture(Flags(0)).unwrap().unwrap().launch().unwrap();
        assert_eq!(legacy.clone_dtoh(&data).unwrap(), [0; 4]);
    });
}

#[test]
fn a_launch_of_a_graph_is_one_call() {
    emulated("capture::a_launch_of_a_graph_is_one_call", &[], || {
        let (context, stream) = untracked();
        let add_step = kernel(&context, "add_step");
        let mut data = stream.clone_htod(&[0u32; 4]).unwrap();
        stream.begin_capture(LOCAL).unwrap();
        for _ in 0..3 {
            // SAFETY: four threads stay inside four elements.
            unsafe { stream.launch_builder(&add_step).arg(&mut data).arg(&1u32).launch(ONE_BLOCK) }.unwrap();
        }
        let graph = stream.end_capture(Flags(0)).unwrap().unwrap();
        let (_, calls) = record(|| graph.launch().unwrap());
        let names: Vec<_> =
            calls.iter().map(|call| call.name.as_str()).filter(|name| *name != "cuCtxGetCurrent").collect();
        assert_eq!(names, ["cuGraphLaunch"]);
        assert_eq!(stream.clone_dtoh(&data).unwrap(), [3; 4]);
    });
}
