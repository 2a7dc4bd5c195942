//! Launchers under stream capture.

use std::sync::Arc;

use ptx_emulator_driver_harness::{emulated, record};
use warpsmith::cudarc::driver::CudaStream;
use warpsmith::cudarc::driver::sys::{CUgraphInstantiate_flags as Flags, CUstreamCaptureMode as Mode};
use warpsmith::ops::gelu;
use warpsmith::{Buffer, CudaDevice, Device, Error};

use crate::launchers;

fn begin(stream: &Arc<CudaStream>) {
    stream.begin_capture(Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).unwrap();
}

/// A device whose buffers carry no events, as capture needs it.
fn untracked() -> CudaDevice {
    let device = CudaDevice::new(0).unwrap();
    // SAFETY: the tests use one stream.
    unsafe { device.stream().context().disable_event_tracking() };
    device
}

/// Capture sees the kernels and nothing else of every launcher, and runs none of them.
#[test]
fn every_launcher_can_be_captured() {
    emulated("graphs::every_launcher_can_be_captured", &[], || {
        let device = untracked();
        for mut launcher in launchers::all(&device).unwrap() {
            (launcher.call)().unwrap();
            begin(device.stream());
            let (result, calls) = record(&mut launcher.call);
            result.unwrap();
            let queued = calls.iter().filter(|call| call.name == "cuLaunchKernelEx").count();
            assert_eq!(queued, launcher.kernels, "{}: {calls:#?}", launcher.name);
            let graph = device.stream().end_capture(Flags(0)).unwrap().unwrap();
            graph.launch().unwrap();
            device.synchronize().unwrap();
        }
    });
}

/// A replay reads what the device memory holds then, not what it held at the capture.
#[test]
fn a_replay_reads_what_has_changed() {
    emulated("graphs::a_replay_reads_what_has_changed", &[], || {
        let device = untracked();
        let mut x = device.upload(&[0.0_f32; 4]).unwrap();
        let mut y = device.upload(&[7.0_f32; 4]).unwrap();
        let mut launch = |x: &<CudaDevice as Device>::Buffer<f32>| {
            let tensors = gelu::Forward { input: x.view([4])?, bias: None, output: y.view_mut([4])? };
            gelu::forward(&device, tensors, gelu::Form::Erf)
        };
        launch(&x).unwrap();
        begin(device.stream());
        launch(&x).unwrap();
        let graph = device.stream().end_capture(Flags(0)).unwrap().unwrap();
        // x Phi(x) at -1, 1 and 2.
        for (value, expected) in [(-1.0_f32, -0.158_655_25), (1.0, 0.841_344_7), (2.0, 1.954_499_7)] {
            device.stream().memcpy_htod(&[value; 4], &mut x).unwrap();
            graph.launch().unwrap();
            for y in device.download(&y).unwrap() {
                assert!((y - expected).abs() < 1e-6, "gelu({value}) = {y}");
            }
        }
    });
}

/// Buffers with events cannot be captured: the launch says so before anything is queued, and the capture goes on.
#[test]
fn tracked_buffers_are_refused_under_capture() {
    emulated("graphs::tracked_buffers_are_refused_under_capture", &[], || {
        let device = CudaDevice::new(0).unwrap();
        let mut launcher = launchers::gelu_forward(&device).unwrap();
        (launcher.call)().unwrap();
        begin(device.stream());
        let (result, calls) = record(&mut launcher.call);
        assert_eq!(result, Err(Error::CaptureNeedsUntracked { op: "gelu::forward" }));
        assert!(
            !calls.iter().any(|call| call.name == "cuStreamWaitEvent" || call.name == "cuLaunchKernelEx"),
            "{calls:#?}"
        );
        device.stream().end_capture(Flags(0)).unwrap();
        (launcher.call)().unwrap();
    });
}
