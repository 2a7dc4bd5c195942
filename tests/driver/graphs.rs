//! Launchers under stream capture.

use std::sync::Arc;

use ptx_emulator_driver_harness::{emulated, record};
use warpsmith::cudarc::driver::CudaStream;
use warpsmith::cudarc::driver::sys::{CUgraphInstantiate_flags as Flags, CUstreamCaptureMode as Mode};
use warpsmith::ops::adamw8bit::{AdamW8bit, Options, Scalars, Tensors};
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

/// A replayed step of an optimizer counts on, and reads the learning rate that is there then: the same bits as steps that are queued.
#[test]
fn a_replayed_step_counts_on() {
    emulated("graphs::a_replayed_step_counts_on", &[], || {
        let device = untracked();
        let rates = [0.1_f32, 0.05, 0.2, 0.01];
        let gradient = device.upload(&[0.5_f32; 300]).unwrap();
        let run = |captured: bool| {
            let mut weight = device.upload(&[1.0_f32; 300]).unwrap();
            let mut rate = device.upload(&rates[..1]).unwrap();
            let tensors =
                &mut [Tensors { parameter: weight.view_mut([300]).unwrap(), gradient: gradient.view([300]).unwrap() }];
            let mut optimizer = AdamW8bit::new(&device, tensors, &[0.1], Options::default()).unwrap();
            optimizer.preload(&device).unwrap();
            let mut step = |rate: &<CudaDevice as Device>::Buffer<f32>| {
                let scalars = Scalars { learning_rate: rate.view([1]).unwrap(), gradient_scale: None, found_inf: None };
                optimizer.step(&device, tensors, scalars).unwrap();
            };
            let graph = captured.then(|| {
                begin(device.stream());
                step(&rate);
                device.stream().end_capture(Flags(0)).unwrap().unwrap()
            });
            for value in rates {
                device.stream().memcpy_htod(&[value], &mut rate).unwrap();
                match &graph {
                    Some(graph) => graph.launch().unwrap(),
                    None => step(&rate),
                }
            }
            let checkpoint = optimizer.checkpoint(&device).unwrap();
            assert_eq!(checkpoint.steps, 4);
            (device.download(&weight).unwrap(), checkpoint)
        };
        assert!(run(true) == run(false));
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
