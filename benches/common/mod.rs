//! What the benches of every operation share: a workload, timed where this machine can run it.
//!
//! On a GPU each launch is timed by events around it, with the L2 cache flushed before, on normal random data (zeros run faster), and
//! the median is reported as bytes per second and as a share of the card's memory bandwidth, or as operations per second of the tensor cores. Without a GPU a small size runs on the
//! emulator, for what it is worth: that the bench works.

mod workload;

use std::cell::RefCell;
use std::time::Duration;

use criterion::Criterion;
use warpsmith::cudarc::driver::{CudaSlice, sys};
use warpsmith::emulator::DeviceModel;
use warpsmith::{CudaDevice, EmulatedDevice, Error};
pub use workload::Workload;

/// Times a workload at these shapes on the GPU, or at one small shape on the emulator. `WARPSMITH_DEVICE` may ask for either.
pub fn run(criterion: &mut Criterion, workload: &impl Workload, shapes: &[[usize; 2]]) {
    match Gpu::find() {
        Some(gpu) => shapes.iter().for_each(|&shape| gpu.run(criterion, workload, shape)),
        None => run_emulated(criterion, workload),
    }
}

/// Few and short samples: a launch's time hardly varies, and the emulator's means nothing.
pub fn settings() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .without_plots()
        .configure_from_args()
}

fn id(workload: &impl Workload, [rows, width]: [usize; 2]) -> String {
    format!("{}/{rows}x{width}", workload.name())
}

fn run_emulated<W: Workload>(criterion: &mut Criterion, workload: &W) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let id = id(workload, W::EMULATED_SHAPE);
    println!("{id}: no GPU here; the emulator runs a small size, and its times mean nothing for a GPU");
    let mut launch = workload.prepare(&device, W::EMULATED_SHAPE);
    criterion.bench_function(&id, |bencher| bencher.iter(&mut launch));
}

/// A GPU with what timing on it needs.
struct Gpu {
    device: CudaDevice,
    name: String,
    /// Bytes per second, from the memory clock and the bus width.
    bandwidth: f64,
    /// Dense 16-bit operations of the tensor cores per second, from the clock and the number of multiprocessors, where the compute
    /// capability alone tells.
    tensor_rate: Option<f64>,
    /// Larger than any L2 cache.
    flushed: RefCell<CudaSlice<u8>>,
}

const FLUSH_BYTES: usize = 256 << 20;

impl Gpu {
    fn find() -> Option<Self> {
        let wanted = std::env::var("WARPSMITH_DEVICE").unwrap_or_default();
        // The drop-in driver is the emulator, too.
        if wanted == "emulated" || std::env::var_os("WARPSMITH_EMULATED_DRIVER").is_some() {
            return None;
        }
        let device = match CudaDevice::new(0) {
            Ok(device) => device,
            // 100 is CUDA_ERROR_NO_DEVICE: a driver without a card.
            Err(Error::DriverUnavailable { .. } | Error::Driver { code: 100, .. }) if wanted != "cuda" => return None,
            Err(error) => panic!("no CUDA device can be used: {error}"),
        };
        let context = device.stream().context();
        let attribute = |attribute| f64::from(context.attribute(attribute).expect("a device attribute"));
        let clock = 1e3 * attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
        let bus = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH) / 8.0;
        let shader_clock = 1e3 * attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
        let multiprocessors = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        let major = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
        let minor = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
        // Operations per clock and multiprocessor: the whitepapers of A100 and H100. Those of 8.6 and 8.9 differ from card to card.
        let per_clock = match (major as u32, minor as u32) {
            (8, 0) => Some(2048.0),
            (9, 0) => Some(4096.0),
            _ => None,
        };
        let tensor_rate = per_clock.map(|operations| operations * multiprocessors * shader_clock);
        let name = context.name().expect("the device's name");
        let flushed = RefCell::new(device.stream().alloc_zeros(FLUSH_BYTES).expect("memory to flush the cache"));
        // Memory moves data at both edges of its clock.
        Some(Self { device, name, bandwidth: 2.0 * clock * bus, tensor_rate, flushed })
    }

    fn run(&self, criterion: &mut Criterion, workload: &impl Workload, shape: [usize; 2]) {
        let (id, bytes) = (id(workload, shape), workload.bytes(shape));
        let mut launch = workload.prepare(&self.device, shape);
        let times = RefCell::new(Vec::new());
        criterion.bench_function(&id, |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| self.time(&mut launch, &times)).sum());
        });
        let mut times = times.into_inner();
        times.sort_unstable();
        let seconds = times[times.len() / 2].as_secs_f64();
        let (unit, rate, roofline) = match workload.flops(shape) {
            Some(flops) => ("TFLOP/s", flops / seconds, self.tensor_rate),
            None => ("TB/s", bytes as f64 / seconds, Some(self.bandwidth)),
        };
        let share = roofline.map_or_else(String::new, |roofline| {
            format!("{:.1} % of the roofline ({:.3} {unit}), ", 100.0 * rate / roofline, 1e-12 * roofline)
        });
        println!("{id}: median {:.1} us, {:.3} {unit}, {share}{}", 1e6 * seconds, 1e-12 * rate, self.name);
    }

    /// One launch with a cold L2 cache, timed by events on the stream.
    fn time(&self, launch: &mut impl FnMut(), times: &RefCell<Vec<Duration>>) -> Duration {
        let stream = self.device.stream();
        stream.memset_zeros(&mut *self.flushed.borrow_mut()).expect("flush");
        let event = || stream.record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT)).expect("an event");
        let start = event();
        launch();
        let milliseconds = start.elapsed_ms(&event()).expect("elapsed time");
        let time = Duration::from_secs_f64(1e-3 * f64::from(milliseconds));
        times.borrow_mut().push(time);
        time
    }
}
