//! The driver calls of a launch, in order.

use ptx_emulator_driver_harness::{Call, emulated, record};
use warpsmith::{CudaDevice, Result};

use crate::launchers;

/// The calls by which cudarc makes a context current; they order nothing.
const BOOKKEEPING: [&str; 2] = ["cuCtxGetCurrent", "cuCtxSetCurrent"];

/// The second launch of every launcher, for the first one may load: its name, what it reads and writes, its kernels, its calls.
fn second_launches(check: impl Fn(&launchers::Launcher, &[Call], &CudaDevice)) -> Result<()> {
    let device = CudaDevice::new(0)?;
    for mut launcher in launchers::all(&device)? {
        (launcher.call)()?;
        let (result, calls) = record(&mut launcher.call);
        result?;
        let calls: Vec<_> = calls.into_iter().filter(|call| !BOOKKEEPING.contains(&call.name.as_str())).collect();
        check(&launcher, &calls, &device);
    }
    Ok(())
}

fn places(calls: &[Call], name: &str) -> Vec<usize> {
    calls.iter().enumerate().filter(|(_, call)| call.name == name).map(|(place, _)| place).collect()
}

/// Waits for earlier uses of every tensor come first, then the kernels, then the events that later uses wait for.
#[test]
fn waits_come_before_the_kernels_and_records_after() {
    emulated("order::waits_come_before_the_kernels_and_records_after", &[], || {
        let checked = second_launches(|launcher, calls, device| {
            let [waits, kernels, records] =
                ["cuStreamWaitEvent", "cuLaunchKernelEx", "cuEventRecord"].map(|name| places(calls, name));
            let name = launcher.name;
            // A read waits for the last write; a write waits for the last read too.
            assert_eq!(waits.len(), launcher.reads + 2 * launcher.writes, "{name}: {calls:#?}");
            assert_eq!(kernels.len(), launcher.kernels, "{name}: {calls:#?}");
            assert_eq!(records.len(), launcher.reads + launcher.writes, "{name}: {calls:#?}");
            assert!(waits.last() < kernels.first(), "{name}: {calls:#?}");
            assert!(kernels.last() < records.first(), "{name}: {calls:#?}");
            let stream = device.stream().cu_stream() as u64;
            for place in [waits, kernels, records].concat() {
                assert_eq!(calls[place].argument("stream"), stream, "{name}: {:?}", calls[place]);
            }
        });
        checked.unwrap();
    });
}

/// What a launcher may call of the driver is a short list, without anything that allocates, waits or loads.
#[test]
fn nothing_is_allocated_awaited_or_loaded() {
    emulated("order::nothing_is_allocated_awaited_or_loaded", &[], || {
        let checked = second_launches(|launcher, calls, _| {
            let allowed = ["cuStreamIsCapturing", "cuStreamWaitEvent", "cuLaunchKernelEx", "cuEventRecord"];
            let others: Vec<_> = calls.iter().filter(|call| !allowed.contains(&call.name.as_str())).collect();
            assert!(others.is_empty(), "{}: {others:#?}", launcher.name);
        });
        checked.unwrap();
    });
}

/// The first launch loads what it needs, and allocates and waits for nothing either.
#[test]
fn the_first_launch_loads_and_no_more() {
    emulated("order::the_first_launch_loads_and_no_more", &[], || {
        let device = CudaDevice::new(0).unwrap();
        let mut launcher = launchers::gelu_forward(&device).unwrap();
        let (result, calls) = record(&mut launcher.call);
        result.unwrap();
        assert!(!places(&calls, "cuLibraryLoadData").is_empty(), "{calls:#?}");
        let forbidden = ["cuMem", "cuStreamSynchronize", "cuCtxSynchronize", "cuEventSynchronize", "cuModule"];
        let others: Vec<_> =
            calls.iter().filter(|call| forbidden.iter().any(|name| call.name.starts_with(name))).collect();
        assert!(others.is_empty(), "{others:#?}");
    });
}
