//! Failures of the driver, one at a time: each comes back as a typed error, and no kernel runs that should not.

use ptx_emulator_driver_harness::{Call, emulated, fail, forgive, record};
use warpsmith::ops::gelu;
use warpsmith::{Buffer, CudaDevice, Device, Error, Queue, Result};

use crate::launchers;

fn launched(calls: &[Call]) -> bool {
    calls.iter().any(|call| call.name == "cuLaunchKernelEx")
}

#[test]
fn an_old_driver_is_too_old() {
    emulated("failures::an_old_driver_is_too_old", &[("PTX_EMULATOR_DRIVER_VERSION", "11080")], || {
        let error = CudaDevice::new(0).map(drop);
        assert_eq!(error, Err(Error::DriverTooOld { version: 11080, required: 12000 }));
    });
}

#[test]
fn a_driver_without_a_device_is_an_error() {
    emulated("failures::a_driver_without_a_device_is_an_error", &[("PTX_EMULATOR_DEVICES", "0")], || {
        let error = CudaDevice::new(0).map(drop).unwrap_err();
        assert!(matches!(error, Error::Driver { code: 100, .. }), "{error:?}");
    });
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    emulated("failures::a_device_that_is_not_there_is_an_error", &[], || {
        let error = CudaDevice::new(1).map(drop).unwrap_err();
        assert!(matches!(error, Error::Driver { code: 101, .. }), "{error:?}");
    });
}

/// Every image is refused: the error names the kernel, the device and the driver's last word.
#[test]
fn images_that_the_driver_refuses() {
    emulated("failures::images_that_the_driver_refuses", &[("PTX_EMULATOR_MODEL", "sm_86")], || {
        let device = CudaDevice::new(0).unwrap();
        for code in [209, 218, 222] {
            let mut launcher = launchers::gelu_forward(&device).unwrap();
            fail("cuLibraryLoadData", 0, code);
            let (result, calls) = record(&mut launcher.call);
            let capability = device.caps().compute_capability;
            match result {
                Err(Error::NoKernelImage { kernel, device, refused, .. }) => {
                    assert!(kernel.starts_with("gelu_fwd"), "{kernel}");
                    assert_eq!((device, refused), (capability, Some(code)));
                }
                other => panic!("{other:?}"),
            }
            assert!(!launched(&calls), "{calls:#?}");
            forgive("cuLibraryLoadData");
        }
        (launchers::gelu_forward(&device).unwrap().call)().unwrap();
    });
}

/// Any other failure of a load is the driver's, not a refusal.
#[test]
fn a_load_that_runs_out_of_memory() {
    emulated("failures::a_load_that_runs_out_of_memory", &[("PTX_EMULATOR_FAIL", "cuLibraryLoadData:1=2")], || {
        let device = CudaDevice::new(0).unwrap();
        let mut launcher = launchers::gelu_forward(&device).unwrap();
        let (result, calls) = record(&mut launcher.call);
        assert_eq!(result, Err(Error::Driver { op: "cuLibraryLoadData", code: 2 }));
        assert!(!launched(&calls), "{calls:#?}");
        // Nothing half-loaded stays behind.
        (launcher.call)().unwrap();
    });
}

/// A wait for an earlier use of a tensor fails inside cudarc, which keeps it for later: no kernel may run on such an argument.
#[test]
fn a_failed_wait_stops_the_launch() {
    emulated("failures::a_failed_wait_stops_the_launch", &[], || {
        let device = CudaDevice::new(0).unwrap();
        for mut launcher in launchers::all(&device).unwrap() {
            (launcher.call)().unwrap();
            for wait in 1..=launcher.reads + 2 * launcher.writes {
                fail("cuStreamWaitEvent", wait as u32, 999);
                let (result, calls) = record(&mut launcher.call);
                let failed = matches!(result, Err(Error::Driver { code: 999, .. }));
                assert!(failed, "{} wait {wait}: {result:?}", launcher.name);
                assert!(!launched(&calls), "{} wait {wait}: {calls:#?}", launcher.name);
                (launcher.call)().unwrap();
            }
        }
    });
}

/// The launch itself fails: the error names it, and the next launch works.
#[test]
fn a_failed_launch_is_named() {
    emulated("failures::a_failed_launch_is_named", &[], || {
        let device = CudaDevice::new(0).unwrap();
        for mut launcher in launchers::all(&device).unwrap() {
            for kernel in 1..=launcher.kernels {
                fail("cuLaunchKernelEx", kernel as u32, 701);
                let result = (launcher.call)();
                assert_eq!(result, Err(Error::Driver { op: "cuLaunchKernelEx", code: 701 }), "{}", launcher.name);
                (launcher.call)().unwrap();
            }
        }
    });
}

/// An event that cannot be recorded after a launch leaves later uses without anything to wait for: the next launch says so.
#[test]
fn a_failed_record_comes_out_at_the_next_launch() {
    emulated("failures::a_failed_record_comes_out_at_the_next_launch", &[], || {
        let device = CudaDevice::new(0).unwrap();
        let mut launcher = launchers::gelu_forward(&device).unwrap();
        (launcher.call)().unwrap();
        fail("cuEventRecord", 1, 999);
        (launcher.call)().unwrap();
        let (result, calls) = record(&mut launcher.call);
        assert!(matches!(result, Err(Error::Driver { code: 999, .. })), "{result:?}");
        assert!(!launched(&calls), "{calls:#?}");
        (launcher.call)().unwrap();
    });
}

#[test]
fn memory_of_another_device_is_a_mismatch() {
    emulated("failures::memory_of_another_device_is_a_mismatch", &[("PTX_EMULATOR_DEVICES", "2")], || {
        let devices = [0, 1].map(|ordinal| CudaDevice::new(ordinal).unwrap());
        let [x, mut y] = [0, 1].map(|device: usize| devices[device].upload(&[1.0_f32; 4]).unwrap());
        let mut call = |device: usize| -> Result<()> {
            let tensors = gelu::Forward { input: x.view([4])?, bias: None, output: y.view_mut([4])? };
            gelu::forward(&devices[device], tensors, gelu::Form::Tanh)
        };
        let (results, calls) = record(|| [call(0), call(1)]);
        let mismatch = |argument| Err(Error::DeviceMismatch { op: "gelu::forward", argument });
        assert_eq!(results, [mismatch("output"), mismatch("input")]);
        assert!(!launched(&calls), "{calls:#?}");
        assert_eq!(devices[1].download(&y).unwrap(), [1.0; 4]);
    });
}

/// The same kernel on two devices of different kinds: each gets what runs on it.
#[test]
fn two_devices_work_side_by_side() {
    emulated("failures::two_devices_work_side_by_side", &[("PTX_EMULATOR_MODEL", "sm_80,sm_120")], || {
        for ordinal in [0, 1, 0] {
            let device = CudaDevice::new(ordinal).unwrap();
            let x = device.upload(&[1.0_f32; 4]).unwrap();
            let mut y = device.upload(&[0.0_f32; 4]).unwrap();
            let tensors = gelu::Forward { input: x.view([4]).unwrap(), bias: None, output: y.view_mut([4]).unwrap() };
            gelu::forward(&device, tensors, gelu::Form::Erf).unwrap();
            // x Phi(x) at 1.
            assert!((device.download(&y).unwrap()[3] - 0.841_344_7).abs() < 1e-6);
        }
    });
}

#[test]
fn memory_that_is_not_there_is_an_error() {
    emulated("failures::memory_that_is_not_there_is_an_error", &[], || {
        let device = CudaDevice::new(0).unwrap();
        fail("cuMemAllocAsync", 1, 2);
        let error = device.alloc::<f32>(4).map(drop).unwrap_err();
        assert!(matches!(error, Error::Driver { code: 2, .. }), "{error:?}");
        device.alloc::<f32>(4).unwrap();
    });
}

/// A kernel that fails ends the context: what follows is an error too, and no panic, even where slices are dropped.
#[test]
fn a_fault_is_an_error_from_then_on() {
    emulated("failures::a_fault_is_an_error_from_then_on", &[("PTX_EMULATOR_FAIL", "cuMemFreeAsync:*=700")], || {
        let device = CudaDevice::new(0).unwrap();
        drop(device.alloc::<f32>(4).unwrap());
        let error = device.synchronize().unwrap_err();
        assert!(matches!(error, Error::Driver { code: 700, .. }), "{error:?}");
    });
}
