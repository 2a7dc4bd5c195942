//! What a launch costs the host: time of our own, on top of the driver calls that it makes, and allocations.
//!
//! Runs over the emulated driver with the kernels' execution switched off, so that what is left is the host's work. The driver calls of one launch are
//! recorded, and the same calls are made bare as the baseline, in turn with the launches. The benchmark fails when our own share reaches 2 microseconds for each kernel, or when a
//! launch allocates. The times are this computer's, and say nothing about a GPU.

#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "common/workload.rs"]
mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;

#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/activation.rs"]
mod activation;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/adamw8bit.rs"]
mod adamw8bit;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/attention.rs"]
mod attention;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/cross_entropy.rs"]
mod cross_entropy;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/dropout.rs"]
mod dropout;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/embedding.rs"]
mod embedding;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/gelu.rs"]
mod gelu;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/grad_clip.rs"]
mod grad_clip;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/layer_norm.rs"]
mod layer_norm;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/rms_norm.rs"]
mod rms_norm;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/rotary.rs"]
mod rotary;
#[allow(dead_code)] // Bytes and operations are for the other benches.
#[path = "workloads/softmax.rs"]
mod softmax;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::Workload;
use criterion::Criterion;
use half::bf16;
use ptx_emulator_driver_harness::{Call, execute_launches, record, require};
use warpsmith::CudaDevice;
use warpsmith::cudarc::driver::sys;
use warpsmith::ops::activation::Function;
use warpsmith::ops::cross_entropy::Options;
use warpsmith::ops::gelu::Form;
use warpsmith::ops::rotary::Pairing;

/// The bound on our own share of the launch of a kernel.
const BOUND: Duration = Duration::from_micros(2);
/// Launches timed together, and how often: enough for a stable median.
const BATCH: u32 = 200;
const ROUNDS: usize = 101;

/// Counts the allocations of this program. The emulated driver is a library with an allocator of its own, which is not counted.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: all work is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A driver call without anything around it.
enum Bare {
    CurrentContext,
    IsCapturing(sys::CUstream),
    Wait(sys::CUstream, sys::CUevent),
    Record(sys::CUevent, sys::CUstream),
    Launch(sys::CUfunction, sys::CUlaunchConfig),
}

impl Bare {
    fn of(call: &Call) -> Self {
        let handle = |name| call.argument(name) as usize;
        match call.name.as_str() {
            "cuCtxGetCurrent" => Self::CurrentContext,
            "cuStreamIsCapturing" => Self::IsCapturing(handle("stream") as _),
            "cuStreamWaitEvent" => Self::Wait(handle("stream") as _, handle("event") as _),
            "cuEventRecord" => Self::Record(handle("event") as _, handle("stream") as _),
            "cuLaunchKernelEx" => {
                let number = |name| call.argument(name) as u32;
                let config = sys::CUlaunchConfig {
                    gridDimX: number("grid_x"),
                    gridDimY: number("grid_y"),
                    gridDimZ: number("grid_z"),
                    blockDimX: number("block_x"),
                    blockDimY: number("block_y"),
                    blockDimZ: number("block_z"),
                    sharedMemBytes: number("shared"),
                    hStream: handle("stream") as _,
                    attrs: ptr::null_mut(),
                    numAttrs: 0,
                };
                Self::Launch(handle("function") as _, config)
            }
            other => panic!("a launch calls {other}"),
        }
    }

    fn make(&self, params: &mut [u64; 64]) {
        let mut argument = [params.as_mut_ptr().cast::<c_void>()];
        // SAFETY: the handles are those of a launch that worked, and their owners are alive; result pointers can be written; the one argument is larger
        // than any parameter structure, and no kernel runs on its contents.
        let result = unsafe {
            match self {
                Self::CurrentContext => sys::cuCtxGetCurrent(&mut ptr::null_mut()),
                Self::IsCapturing(stream) => {
                    let mut status = sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
                    sys::cuStreamIsCapturing(*stream, &mut status)
                }
                Self::Wait(stream, event) => sys::cuStreamWaitEvent(*stream, *event, 0),
                Self::Record(event, stream) => sys::cuEventRecord(*event, *stream),
                Self::Launch(function, config) => {
                    sys::cuLaunchKernelEx(config, *function, argument.as_mut_ptr(), ptr::null_mut())
                }
            }
        };
        assert_eq!(result, sys::CUresult::CUDA_SUCCESS);
    }
}

/// The time of one of `BATCH` calls.
fn time(mut call: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..BATCH).for_each(|_| call());
    start.elapsed() / BATCH
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

struct Bench<'a> {
    criterion: &'a mut Criterion,
    device: &'a CudaDevice,
    /// The length of lists, for operations over them; each launch makes one.
    list: Option<usize>,
}

impl Bench<'_> {
    /// Measures a launcher against its own driver calls.
    fn measure<W: Workload>(&mut self, workload: &W) {
        let shape = self.list.map_or(W::EMULATED_SHAPE, |len| [len, 256]);
        let (id, mut launch) = (workload.name(), workload.prepare(self.device, shape));
        // The first launch loads the kernel.
        launch();
        let ((), calls) = record(&mut launch);
        let bare: Vec<_> = calls.iter().map(Bare::of).collect();
        let mut params = [0; 64];

        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let (mut whole, mut baseline) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
        let reserved = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..ROUNDS {
            whole.push(time(&mut launch));
            baseline.push(time(|| bare.iter().for_each(|call| call.make(&mut params))));
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - reserved;
        let launches = u64::from(BATCH) * ROUNDS as u64;
        assert!(reserved > before, "allocations are counted");
        assert_eq!(allocations, if self.list.is_some() { launches } else { 0 }, "{id} allocates");

        let own = median(whole.iter().zip(&baseline).map(|(whole, bare)| whole.saturating_sub(*bare)).collect());
        let (whole, baseline, count) = (median(whole), median(baseline), bare.len());
        let kernels = bare.iter().filter(|call| matches!(call, Bare::Launch(..))).count() as u32;
        println!(
            "launch/{id}: {whole:?}, of which {count} driver calls {baseline:?} and our own {own:?}; {allocations} allocations in {launches} launches"
        );
        // An unoptimised build has another cost, which nobody asked for.
        assert!(
            cfg!(debug_assertions) || own < BOUND * kernels,
            "{id}: {own:?} of our own for {kernels} kernels, and {BOUND:?} for each is the bound"
        );

        self.criterion.bench_function(&format!("launch/{id}/whole"), |bencher| bencher.iter(&mut launch));
        self.criterion.bench_function(&format!("launch/{id}/driver_calls"), |bencher| {
            bencher.iter(|| bare.iter().for_each(|call| call.make(&mut params)));
        });
    }
}

/// Every operation in bf16. Those over lists make a new one for each launch: the workload's one allocation.
fn every_operation(criterion: &mut Criterion, device: &CudaDevice) {
    let element = PhantomData::<bf16>;
    let (backward, residual, bias) = (true, true, true);
    let mut bench = Bench { criterion, device, list: None };
    for backward in [!backward, backward] {
        bench.measure(&activation::Gated { function: Function::Silu, backward, element });
    }
    bench.measure(&attention::Forward { causal: true, batch_and_heads: Some((1, 2)), element });
    bench.measure(&attention::Backward { causal: true, batch_and_heads: Some((1, 2)), element });
    bench.measure(&cross_entropy::Fused { options: Options::default(), name: "fused", element });
    bench.measure(&dropout::Dropout { residual, element });
    bench.measure(&embedding::Forward { vocabulary: 50_304, element });
    bench.measure(&embedding::Backward { vocabulary: 50_304, element });
    bench.measure(&gelu::Forward { form: Form::Tanh, bias: !bias, element });
    bench.measure(&gelu::Backward { form: Form::Tanh, bias, element });
    bench.measure(&layer_norm::Forward { residual, element });
    bench.measure(&layer_norm::Backward { residual, element });
    bench.measure(&rms_norm::Forward { residual, element });
    bench.measure(&rms_norm::Backward { residual, element });
    // The largest parameters of all kernels: the frequencies are among them.
    bench.measure(&rotary::Rotary { pairing: Pairing::Half, element });
    bench.measure(&softmax::Forward(element));
    bench.measure(&softmax::Backward(element));
    bench.list = Some(2);
    bench.measure(&adamw8bit::Step(element));
    for by_value in [false, true] {
        bench.measure(&grad_clip::Clip { by_value, element });
    }
}

fn main() {
    if !require(&[]) {
        println!("launch: not measured, for there is no emulated driver");
        return;
    }
    execute_launches(false);
    let (warm_up, measurement) = (Duration::from_millis(300), Duration::from_secs(1));
    let criterion = Criterion::default().sample_size(20).warm_up_time(warm_up).measurement_time(measurement);
    let mut criterion = criterion.configure_from_args();
    let device = CudaDevice::new(0).expect("the emulated driver has a device");
    every_operation(&mut criterion, &device);
    criterion.final_summary();
}
