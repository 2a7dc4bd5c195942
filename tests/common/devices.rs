//! The devices that a test runs on: every model of the emulator, and a GPU where this machine has one.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use warpsmith::emulator::{Approximation, Asynchrony, DeviceModel, Residency, Schedule};
use warpsmith::{CudaDevice, Device, EmulatedDevice, Error};

/// A test that is written once for all devices.
pub trait Body {
    /// Runs on one device; `name` says which, for reports.
    fn run<D: Device>(&self, device: &D, name: &str);
}

/// Runs a test on every emulated model, and on the GPU.
pub fn on_every_device(body: &impl Body) {
    run(body, &DeviceModel::ALL);
}

/// Runs a test on one emulated model, the oldest, and on the GPU: for what does not depend on a model's limits.
pub fn on_one_model(body: &impl Body) {
    run(body, &DeviceModel::ALL[..1]);
}

fn run(body: &impl Body, models: &[DeviceModel]) {
    if wanted() != "cuda" {
        models.iter().for_each(|model| body.run(&EmulatedDevice::new(*model), &format!("{model:?}")));
    }
    if let Some(device) = cuda() {
        body.run(&device, "CUDA");
    }
}

/// `WARPSMITH_DEVICE` restricts the devices: `cuda` to the GPU, which must then be there, `emulated` to the emulator. The drop-in
/// driver is a CUDA device of the emulator, so it counts as both.
fn wanted() -> String {
    std::env::var("WARPSMITH_DEVICE").unwrap_or_default()
}

/// The GPU, or the drop-in driver's, for a case that needs one. Where there is none, the case is counted as not run.
pub fn cuda() -> Option<CudaDevice> {
    let wanted = wanted();
    if wanted == "emulated" && std::env::var_os("WARPSMITH_EMULATED_DRIVER").is_none() {
        count_not_run();
        return None;
    }
    match CudaDevice::new(0) {
        Ok(device) => Some(device),
        // 100 is CUDA_ERROR_NO_DEVICE: a driver without a card.
        Err(Error::DriverUnavailable { .. } | Error::Driver { code: 100, .. }) if wanted != "cuda" => {
            count_not_run();
            None
        }
        Err(error) => panic!("no CUDA device can be used: {error}"),
    }
}

/// CUDA cases that were not run. The count is printed when the process ends.
static NOT_RUN: AtomicUsize = AtomicUsize::new(0);

fn count_not_run() {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        unsafe extern "C" {
            fn atexit(function: extern "C" fn()) -> std::ffi::c_int;
        }
        // SAFETY: C's `atexit`; the function takes nothing, returns, and touches only a static and standard error.
        unsafe { atexit(report_not_run) };
    });
    NOT_RUN.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn report_not_run() {
    // Not `eprintln!`, which the test harness captures.
    let count = NOT_RUN.load(Ordering::Relaxed);
    let _ = writeln!(std::io::stderr(), "{count} CUDA cases not run: no CUDA device");
}

/// One model under twelve regimes: each schedule with four seeds, copies early, late and at random, one worker and several, blocks
/// from either end, one at a time and many. A result must be bit-equal under all of them. None where only the GPU is
/// asked for.
pub fn regimes(model: DeviceModel) -> impl Iterator<Item = (String, EmulatedDevice)> {
    let schedules = [
        (Schedule::RoundRobin, Asynchrony::Late),
        (Schedule::Random, Asynchrony::Random),
        (Schedule::Greedy, Asynchrony::Eager),
    ];
    schedules.into_iter().filter(|_| wanted() != "cuda").flat_map(move |(schedule, asynchrony)| {
        (0..4).map(move |seed: u64| {
            let residency = Residency { resident_blocks: [16, 1][seed as usize / 2], reversed: seed % 2 == 1 };
            let device = EmulatedDevice::builder(model)
                .schedule(schedule)
                .asynchrony(asynchrony)
                .residency(residency)
                .workers(1 + seed as usize)
                .seed(seed)
                .build();
            (format!("{model:?}, {schedule:?}, {asynchrony:?}, {residency:?}, seed {seed}"), device)
        })
    })
}

/// One model whose approximate functions err as much as the PTX ISA allows, with four seeds. None where only the GPU is asked for.
pub fn perturbed(model: DeviceModel) -> impl Iterator<Item = (String, EmulatedDevice)> {
    (0..4).filter(|_| wanted() != "cuda").map(move |seed| {
        let device = EmulatedDevice::builder(model).approximation(Approximation::Perturbed).seed(seed).build();
        (format!("{model:?}, perturbed, seed {seed}"), device)
    })
}
