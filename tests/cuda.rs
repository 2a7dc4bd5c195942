//! What is particular to CUDA: memory of other crates, contexts, captured streams, raw streams, images that the driver
//! refuses. Runs on a GPU, or over the drop-in driver; without either each test says that it did not run.

mod common;
mod scale;

use std::sync::Arc;

use common::devices::cuda;
use scale::{IMAGE, ONE_BLOCK, PTX, SCALE, SM_75, SM_80, ScaleParams, scale_by};
use warpsmith::cudarc::driver::sys::{self, CUgraphInstantiate_flags, CUstreamCaptureMode, CUstreamCaptureStatus};
use warpsmith::cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DeviceSlice, SyncOnDrop, result};
use warpsmith::device::{Image, Kernel, PtxImage};
use warpsmith::ops::gelu::{self, Form};
use warpsmith::{Buffer, CudaDevice, DType, Device, Error, Queue, View, ViewMut, raw};

/// `y = 2 * x`, of at most 128 elements.
fn double(
    device: &CudaDevice,
    kernel: &'static Kernel<ScaleParams>,
    x: View<'_, CudaDevice, f32>,
    y: ViewMut<'_, CudaDevice, f32>,
) -> warpsmith::Result<()> {
    scale_by(device, kernel, ONE_BLOCK, x, y, 2.0)
}

/// The primary context of the GPU, where there is one.
fn context() -> Option<Arc<CudaContext>> {
    cuda().map(|device| device.stream().context().clone())
}

/// A new stream of a context, tracked by events or not, and its device.
fn device(context: &Arc<CudaContext>, tracked: bool) -> CudaDevice {
    if !tracked {
        // SAFETY: the tests order their uses of buffers themselves: they use one stream.
        unsafe { context.disable_event_tracking() };
    }
    CudaDevice::from_stream(context.new_stream().expect("a new stream")).expect("a device")
}

fn begin(stream: &CudaStream) {
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).expect("a capture begins");
}

fn end(stream: &Arc<CudaStream>) -> warpsmith::cudarc::driver::CudaGraph {
    stream.end_capture(CUgraphInstantiate_flags(0)).expect("the capture is valid").expect("a graph")
}

/// A context of its own on a GPU that is known to be there.
fn another_context() -> Arc<CudaContext> {
    CudaContext::new_non_primary(0, 0).expect("another context")
}

/// A context of its own, so that turning off its event tracking concerns no other test.
fn own_context() -> Option<Arc<CudaContext>> {
    context().map(|_| another_context())
}

#[test]
fn memory_of_other_crates_is_borrowed() -> warpsmith::Result<()> {
    /// Another crate's memory: it has a CUDA slice somewhere inside.
    struct Foreign {
        storage: CudaSlice<f32>,
    }

    impl DeviceSlice<f32> for Foreign {
        fn len(&self) -> usize {
            self.storage.len()
        }

        fn stream(&self) -> &Arc<CudaStream> {
            self.storage.stream()
        }
    }

    impl DevicePtr<f32> for Foreign {
        fn device_ptr<'a>(&'a self, stream: &'a CudaStream) -> (sys::CUdeviceptr, SyncOnDrop<'a>) {
            self.storage.device_ptr(stream)
        }
    }

    let Some(context) = context() else { return Ok(()) };
    let device = device(&context, true);
    let foreign = Foreign { storage: device.upload(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])? };
    let mut target = device.upload(&[0.0_f32; 8])?;
    double(&device, &SCALE, View::over(&foreign, [6])?, ViewMut::over(&mut target.slice_mut(1..7), [2, 3])?)?;
    assert_eq!(device.download(&target)?, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 0.0]);
    double(&device, &SCALE, View::over_strided(&foreign, 4, [2], [1])?, target.strided_mut(0, [2], [1])?)?;
    assert_eq!(device.download(&target)?[..3], [10.0, 12.0, 4.0]);
    Ok(())
}

#[test]
fn another_context_is_a_mismatch() -> warpsmith::Result<()> {
    let Some(here) = context() else { return Ok(()) };
    let (here, there) = (device(&here, true), device(&another_context(), true));
    let x = here.upload(&[1.0_f32; 4])?;
    let mut y = here.upload(&[7.0_f32; 4])?;
    let foreign = there.upload(&[1.0_f32; 4])?;
    let mut foreign_target = there.upload(&[7.0_f32; 4])?;
    let mismatch = |argument| Err(Error::DeviceMismatch { op: "scale", argument });
    assert_eq!(double(&here, &SCALE, foreign.view([4])?, y.view_mut([4])?), mismatch("x"));
    assert_eq!(double(&here, &SCALE, x.view([4])?, foreign_target.view_mut([4])?), mismatch("y"));
    assert_eq!(here.download(&foreign), Err(Error::DeviceMismatch { op: "download", argument: "buffer" }));
    let written = here.write(&mut foreign_target, &[0.0; 4]);
    assert_eq!(written, Err(Error::DeviceMismatch { op: "write", argument: "buffer" }));
    assert_eq!((here.download(&y)?, there.download(&foreign_target)?), (vec![7.0; 4], vec![7.0; 4]));
    Ok(())
}

/// Kernels belong to the process: the second context needs no loading of its own to run one.
#[test]
fn one_kernel_runs_in_two_contexts() -> warpsmith::Result<()> {
    let Some(first) = context() else { return Ok(()) };
    for context in [first, another_context()] {
        let device = device(&context, true);
        let x = device.upload(&[1.5_f32; 4])?;
        let mut y = device.alloc(4)?;
        double(&device, &SCALE, x.view([4])?, y.view_mut([4])?)?;
        assert_eq!(device.download(&y)?, [3.0; 4]);
    }
    Ok(())
}

#[test]
fn a_launch_can_be_captured_and_replayed() -> warpsmith::Result<()> {
    let Some(context) = own_context() else { return Ok(()) };
    let device = device(&context, false);
    let mut x = device.upload(&[1.0_f32; 4])?;
    let mut y = device.upload(&[0.0_f32; 4])?;
    device.preload(&SCALE)?;
    begin(device.stream());
    double(&device, &SCALE, x.view([4])?, y.view_mut([4])?)?;
    let graph = end(device.stream());
    assert_eq!(device.download(&y)?, [0.0; 4], "captured, and not run");
    for value in [1.0_f32, 10.0, -3.0] {
        device.stream().memcpy_htod(&[value; 4], &mut x).expect("an upload");
        graph.launch().expect("a replay");
        assert_eq!(device.download(&y)?, [2.0 * value; 4]);
    }
    Ok(())
}

#[test]
fn tracked_buffers_cannot_be_captured_but_raw_launches_can() -> warpsmith::Result<()> {
    let Some(context) = own_context() else { return Ok(()) };
    let device = device(&context, true);
    let x = device.upload(&[1.0_f32; 4])?;
    let mut y = device.upload(&[0.0_f32; 4])?;
    let address = |slice: &CudaSlice<f32>| slice.device_ptr(device.stream()).0;
    let params = ScaleParams { x: address(&x), y: address(&y), count: 4, factor: 2.0 };
    device.preload(&SCALE)?;
    device.synchronize()?;
    // SAFETY: the stream lives as long as `device`.
    let raw = unsafe { raw::Stream::borrow(device.stream().cu_stream().cast())? };

    begin(device.stream());
    let typed = double(&device, &SCALE, x.view([4])?, y.view_mut([4])?);
    assert_eq!(typed, Err(Error::CaptureNeedsUntracked { op: "scale" }));
    // SAFETY: both buffers have 4 elements and outlive the replay.
    unsafe { raw.launch(&SCALE, &ONE_BLOCK, &params) }?;
    let graph = end(device.stream());
    graph.launch().expect("a replay");
    assert_eq!(device.download(&y)?, [2.0; 4]);
    Ok(())
}

#[test]
fn nothing_is_loaded_during_a_capture() -> warpsmith::Result<()> {
    static LATE_IMAGE: Image = Image { name: "late", ptx: IMAGE.ptx, cubins: &[] };
    static LATE: Kernel<ScaleParams> = Kernel::new(&LATE_IMAGE, "scale");
    let Some(context) = own_context() else { return Ok(()) };
    let device = device(&context, false);
    let x = device.upload(&[1.0_f32; 4])?;
    let mut y = device.upload(&[0.0_f32; 4])?;
    begin(device.stream());
    let launched = double(&device, &LATE, x.view([4])?, y.view_mut([4])?);
    assert_eq!(launched, Err(Error::NotPreloaded { kernel: "scale" }));
    let status = device.stream().capture_status().expect("a status");
    assert_eq!(status, CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE, "the capture goes on");
    device.stream().end_capture(CUgraphInstantiate_flags(0)).expect("the capture is valid");
    double(&device, &LATE, x.view([4])?, y.view_mut([4])?)?;
    assert_eq!(device.download(&y)?, [2.0; 4]);
    Ok(())
}

/// GELU's backward pass with a bias has two kernels. A capture has both of them, or an error and neither.
#[test]
fn an_operation_of_two_kernels_is_captured_whole_or_not_at_all() -> warpsmith::Result<()> {
    let Some(context) = own_context() else { return Ok(()) };
    let device = device(&context, false);
    let (rows, width) = (6, 40);
    let x: Vec<f32> = (0..rows * width).map(|i| (i as f32 - 100.0) / 50.0).collect();
    let input = device.upload(&x)?;
    let mut grad_input = device.upload(&vec![7.0_f32; rows * width])?;
    let mut grad_bias = device.upload(&vec![7.0_f32; width])?;
    let mut workspace = device.alloc::<u8>(gelu::backward_workspace_bytes([rows, width], DType::F32))?;
    let bias = device.upload(&vec![0.5_f32; width])?;
    let mut backward = |grad_input: &mut CudaSlice<f32>, grad_bias: Option<&mut CudaSlice<f32>>| {
        let bytes = workspace.len();
        let tensors = gelu::Backward {
            grad_output: input.view([rows, width])?,
            input: input.view([rows, width])?,
            bias: Some(bias.view([width])?),
            grad_input: grad_input.view_mut([rows, width])?,
            grad_bias: grad_bias.map(|grad_bias| grad_bias.view_mut([width])).transpose()?,
            workspace: Some(workspace.view_mut([bytes])?),
        };
        gelu::backward(&device, tensors, Form::Erf)
    };

    // Without the bias's gradient it is one kernel, which is loaded from now on.
    backward(&mut grad_input, None)?;
    device.stream().memcpy_htod(&vec![7.0; rows * width], &mut grad_input).expect("an upload");
    begin(device.stream());
    let captured = backward(&mut grad_input, Some(&mut grad_bias));
    assert!(matches!(captured, Err(Error::NotPreloaded { .. })), "{captured:?}");
    end(device.stream()).launch().expect("a replay of nothing");
    let untouched = |slice| device.download(slice).map(|values| values.iter().all(|&value| value == 7.0));
    assert!(untouched(&grad_input)? && untouched(&grad_bias)?, "half of the operation was captured");

    backward(&mut grad_input, Some(&mut grad_bias))?;
    let expected = (device.download(&grad_input)?, device.download(&grad_bias)?);
    assert!(expected.0.iter().chain(&expected.1).all(|&value| value != 7.0), "the operation writes everything");
    device.stream().memcpy_htod(&vec![7.0; rows * width], &mut grad_input).expect("an upload");
    device.stream().memcpy_htod(&vec![7.0; width], &mut grad_bias).expect("an upload");
    begin(device.stream());
    backward(&mut grad_input, Some(&mut grad_bias))?;
    end(device.stream()).launch().expect("a replay");
    assert_eq!((device.download(&grad_input)?, device.download(&grad_bias)?), expected);
    Ok(())
}

#[test]
fn a_raw_stream_leaves_the_host_its_context() -> warpsmith::Result<()> {
    let Some(of_stream) = own_context() else { return Ok(()) };
    let of_host = another_context();
    let device = device(&of_stream, false);
    let (x, y) = (device.upload(&[1.5_f32; 4])?, device.upload(&[0.0_f32; 4])?);
    let address = |slice: &CudaSlice<f32>| slice.device_ptr(device.stream()).0;
    let params = ScaleParams { x: address(&x), y: address(&y), count: 4, factor: 2.0 };

    of_host.bind_to_thread().expect("the host's context is current");
    // SAFETY: the stream lives as long as `device`.
    let stream = unsafe { raw::Stream::borrow(device.stream().cu_stream().cast())? };
    assert_eq!(stream.caps(), device.caps());
    stream.preload(&SCALE)?;
    // SAFETY: both buffers have 4 elements and outlive the launch.
    unsafe { stream.launch(&SCALE, &ONE_BLOCK, &params) }?;
    assert_eq!(result::ctx::get_current().expect("a current context"), Some(of_host.cu_ctx()));
    assert_eq!(device.download(&y)?, [3.0; 4]);

    // The null handle is the default stream of whatever context is current.
    of_stream.bind_to_thread().expect("the stream's context is current");
    // SAFETY: the context lives to the end of the test.
    let default = unsafe { raw::Stream::borrow(std::ptr::null_mut())? };
    of_host.bind_to_thread().expect("the host's context is current");
    // SAFETY: as above; the buffers belong to the context that was current when the stream was borrowed.
    unsafe { default.launch(&SCALE, &ONE_BLOCK, &ScaleParams { factor: 4.0, ..params }) }?;
    of_stream.synchronize().expect("the default stream has run");
    assert_eq!(device.download(&y)?, [6.0; 4]);
    Ok(())
}

#[test]
fn a_refused_image_gives_way_to_the_next() -> warpsmith::Result<()> {
    /// PTX of a version that no driver knows.
    const FUTURE: &str = ".version 99.0\n.target sm_80\n.address_size 64\n";
    static NEXT_IMAGE: Image = Image {
        name: "next",
        ptx: &[PtxImage { arch: SM_80, text: FUTURE }, PtxImage { arch: SM_75, text: PTX }],
        cubins: &[],
    };
    static NEXT: Kernel<ScaleParams> = Kernel::new(&NEXT_IMAGE, "scale");
    static FUTURE_IMAGE: Image = Image { name: "future", ptx: &[PtxImage { arch: SM_80, text: FUTURE }], cubins: &[] };
    static NONE: Kernel<ScaleParams> = Kernel::new(&FUTURE_IMAGE, "scale");

    let Some(context) = context() else { return Ok(()) };
    let device = device(&context, true);
    let x = device.upload(&[1.5_f32; 4])?;
    let mut y = device.alloc(4)?;
    double(&device, &NEXT, x.view([4])?, y.view_mut([4])?)?;
    assert_eq!(device.download(&y)?, [3.0; 4]);
    let capability = device.caps().compute_capability;
    let unsupported = Some(sys::CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION as i32);
    let none = Error::NoKernelImage { kernel: "scale", device: capability, built: vec![SM_80], refused: unsupported };
    assert_eq!(device.preload(&NONE), Err(none));
    Ok(())
}

#[test]
fn a_large_block_of_shared_memory_is_asked_for() -> warpsmith::Result<()> {
    let Some(context) = context() else { return Ok(()) };
    let device = device(&context, true);
    let x = device.upload(&[1.5_f32; 4])?;
    let y = device.upload(&[0.0_f32; 4])?;
    let address = |slice: &CudaSlice<f32>| slice.device_ptr(device.stream()).0;
    let params = ScaleParams { x: address(&x), y: address(&y), count: 4, factor: 2.0 };
    let limit = device.caps().shared_memory_per_block;
    // Below 48 KiB nothing has to be asked for; then more each time, and less again.
    for bytes in [0, 48 * 1024, 64 * 1024, limit, 1024] {
        // SAFETY: both buffers have 4 elements and outlive the launch.
        unsafe { device.launch(&SCALE, &ONE_BLOCK.with_dynamic_shared(bytes), &params) }?;
    }
    device.synchronize()?;
    // SAFETY: as above.
    let refused = unsafe { device.launch(&SCALE, &ONE_BLOCK.with_dynamic_shared(limit + 1), &params) };
    assert!(matches!(refused, Err(Error::LaunchLimit { kernel: "scale", .. })), "{refused:?}");
    assert_eq!(device.download(&y)?, [3.0; 4]);
    Ok(())
}

#[test]
fn a_gpu_that_is_not_there_is_the_drivers_error() {
    if context().is_some() {
        let code = sys::CUresult::CUDA_ERROR_INVALID_DEVICE as i32;
        assert_eq!(CudaDevice::new(1000).map(drop), Err(Error::Driver { op: "CudaContext::new", code }));
    }
}
