//! What a launch costs the host: time of our own, on top of the driver calls that it makes, and allocations.
//!
//! Runs over the emulated driver with the kernels' execution switched off, so that what is left is the host's work. The driver calls of one launch are
//! recorded, and the same calls are made bare as the baseline, in turn with the launches. The benchmark fails when our own share reaches 2 microseconds, or when a launch
//! allocates. The times are this computer's, and say nothing about a GPU.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::Criterion;
use half::bf16;
use ptx_emulator_driver_harness::{Call, execute_launches, record, require};
use warpsmith::cudarc::driver::sys;
use warpsmith::ops::gelu::{self, Form};
use warpsmith::ops::layer_norm;
use warpsmith::ops::rms_norm::{self, Casting};
use warpsmith::ops::rotary::{self, Frequencies, Operand, Pairing, Positions, Scaling};
use warpsmith::{Buffer, CudaDevice, Device, Result};

/// The bound on our own share of a launch.
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

/// Measures a launcher against its own driver calls.
fn measure(criterion: &mut Criterion, id: &str, mut launch: impl FnMut() -> Result<()>) {
    // The first launch loads the kernel.
    launch().expect("the launch works");
    let (result, calls) = record(&mut launch);
    result.expect("the launch works");
    let bare: Vec<_> = calls.iter().map(Bare::of).collect();
    let mut params = [0; 64];

    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let (mut whole, mut baseline) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    let reserved = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..ROUNDS {
        whole.push(time(|| black_box(launch()).expect("the launch works")));
        baseline.push(time(|| bare.iter().for_each(|call| call.make(&mut params))));
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - reserved;
    assert!(reserved > before, "allocations are counted");
    assert_eq!(allocations, 0, "{id} allocates");

    let own = median(whole.iter().zip(&baseline).map(|(whole, bare)| whole.saturating_sub(*bare)).collect());
    let (whole, baseline) = (median(whole), median(baseline));
    println!(
        "launch/{id}: {whole:?}, of which {} driver calls {baseline:?} and our own {own:?}; 0 allocations in {} launches",
        bare.len(),
        ROUNDS as u32 * BATCH,
    );
    // An unoptimised build has another cost, which nobody asked for.
    assert!(cfg!(debug_assertions) || own < BOUND, "{id}: {own:?} of our own for a launch, and {BOUND:?} is the bound");

    criterion.bench_function(&format!("launch/{id}/whole"), |bencher| bencher.iter(|| black_box(launch()).is_ok()));
    criterion.bench_function(&format!("launch/{id}/driver_calls"), |bencher| {
        bencher.iter(|| bare.iter().for_each(|call| call.make(&mut params)));
    });
}

fn gelu_forward(criterion: &mut Criterion, device: &CudaDevice) -> Result<()> {
    let x = device.upload(&[bf16::ONE; 4096])?;
    let mut y = device.alloc::<bf16>(4096)?;
    measure(criterion, "gelu/forward", || {
        let tensors = gelu::Forward { input: x.view([4, 1024])?, bias: None, output: y.view_mut([4, 1024])? };
        gelu::forward(device, tensors, Form::Tanh)
    });
    Ok(())
}

fn gelu_backward(criterion: &mut Criterion, device: &CudaDevice) -> Result<()> {
    let (dy, x) = (device.upload(&[bf16::ONE; 4096])?, device.upload(&[bf16::ONE; 4096])?);
    let mut dx = device.alloc::<bf16>(4096)?;
    measure(criterion, "gelu/backward", || {
        let tensors = gelu::Backward {
            grad_output: dy.view([4, 1024])?,
            input: x.view([4, 1024])?,
            bias: None,
            grad_input: dx.view_mut([4, 1024])?,
            grad_bias: None,
            workspace: None,
        };
        gelu::backward(device, tensors, Form::Tanh)
    });
    Ok(())
}

fn layer_norm_forward(criterion: &mut Criterion, device: &CudaDevice) -> Result<()> {
    let (x, weight, bias) =
        (device.upload(&[bf16::ONE; 4096])?, device.alloc::<bf16>(1024)?, device.alloc::<bf16>(1024)?);
    let (mut y, mut mean, mut rstd) = (device.alloc::<bf16>(4096)?, device.alloc::<f32>(4)?, device.alloc::<f32>(4)?);
    measure(criterion, "layer_norm/forward", || {
        let statistics = layer_norm::Statistics { mean: mean.view_mut([4])?, rstd: rstd.view_mut([4])? };
        let tensors = layer_norm::Forward {
            input: x.view([4, 1024])?,
            residual: None,
            weight: Some(weight.view([1024])?),
            bias: Some(bias.view([1024])?),
            output: y.view_mut([4, 1024])?,
            statistics: Some(statistics),
        };
        layer_norm::forward(device, tensors, 1e-5)
    });
    Ok(())
}

/// Two kernels: the widest of the launches.
fn layer_norm_backward(criterion: &mut Criterion, device: &CudaDevice) -> Result<()> {
    let (dy, x, weight) =
        (device.upload(&[bf16::ONE; 4096])?, device.alloc::<bf16>(4096)?, device.alloc::<bf16>(1024)?);
    let (mean, rstd) = (device.alloc::<f32>(4)?, device.alloc::<f32>(4)?);
    let (mut dx, mut dw, mut db) =
        (device.alloc::<bf16>(4096)?, device.alloc::<bf16>(1024)?, device.alloc::<bf16>(1024)?);
    let bytes = layer_norm::backward_workspace_bytes([4, 1024]);
    let mut workspace = device.alloc::<u8>(bytes)?;
    measure(criterion, "layer_norm/backward", || {
        let tensors = layer_norm::Backward {
            grad_output: dy.view([4, 1024])?,
            input: x.view([4, 1024])?,
            weight: Some(weight.view([1024])?),
            statistics: layer_norm::Statistics { mean: mean.view([4])?, rstd: rstd.view([4])? },
            grad_sum: None,
            grad_input: dx.view_mut([4, 1024])?,
            grad_weight: Some(dw.view_mut([1024])?),
            grad_bias: Some(db.view_mut([1024])?),
            workspace: Some(workspace.view_mut([bytes])?),
        };
        layer_norm::backward(device, tensors)
    });
    Ok(())
}

fn rms_norm_backward(criterion: &mut Criterion, device: &CudaDevice) -> Result<()> {
    let (dy, x, weight) =
        (device.upload(&[bf16::ONE; 4096])?, device.alloc::<bf16>(4096)?, device.alloc::<bf16>(1024)?);
    let (rstd, mut dx, mut dw) = (device.alloc::<f32>(4)?, device.alloc::<bf16>(4096)?, device.alloc::<bf16>(1024)?);
    let bytes = rms_norm::backward_workspace_bytes([4, 1024]);
    let mut workspace = device.alloc::<u8>(bytes)?;
    measure(criterion, "rms_norm/backward", || {
        let tensors = rms_norm::Backward {
            grad_output: dy.view([4, 1024])?,
            input: x.view([4, 1024])?,
            weight: Some(weight.view([1024])?),
            rstd: rstd.view([4])?,
            grad_sum: None,
            grad_input: dx.view_mut([4, 1024])?,
            grad_weight: Some(dw.view_mut([1024])?),
            workspace: Some(workspace.view_mut([bytes])?),
        };
        rms_norm::backward(device, tensors, Casting::Llama)
    });
    Ok(())
}

/// The largest parameters of all kernels: the frequencies are among them.
fn rotary_forward(criterion: &mut Criterion, device: &CudaDevice) -> Result<()> {
    let (mut q, mut k) = (device.upload(&[bf16::ONE; 4096])?, device.upload(&[bf16::ONE; 1024])?);
    let frequencies = Frequencies::new(64, 10_000.0, Scaling::None)?;
    measure(criterion, "rotary/forward", || {
        let tensors = rotary::Rotate {
            queries: Operand::InPlace(q.view_mut([2, 8, 4, 64])?),
            keys: Some(Operand::InPlace(k.view_mut([2, 8, 1, 64])?)),
            positions: Positions::From(0),
        };
        rotary::forward(device, tensors, &frequencies, Pairing::Half)
    });
    Ok(())
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
    for bench in
        [gelu_forward, gelu_backward, layer_norm_forward, layer_norm_backward, rms_norm_backward, rotary_forward]
    {
        bench(&mut criterion, &device).expect("buffers and views");
    }
    criterion.final_summary();
}
