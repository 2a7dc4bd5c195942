//! A launch makes no allocation on the host: neither the plan, nor the arguments, nor the call of the driver.

mod common;
mod scale;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::devices::cuda;
use scale::{ONE_BLOCK, PTX, SCALE, ScaleParams, scale};
use warpsmith::cudarc::driver::{CudaSlice, DevicePtr};
use warpsmith::device::{Params, Queue};
use warpsmith::emulator::{Config, DeviceModel, Emulator, Launch, Module};
use warpsmith::ops::activation::{self, Function};
use warpsmith::ops::adamw8bit::{self, AdamW8bit, ParameterDesc, Scalars, ScalarsDesc, Tensors};
use warpsmith::ops::bce_with_logits;
use warpsmith::ops::cross_entropy::{self, Reduction};
use warpsmith::ops::dropout;
use warpsmith::ops::embedding;
use warpsmith::ops::gelu::{self, Form};
use warpsmith::ops::linear_cross_entropy;
use warpsmith::ops::mask_tokens;
use warpsmith::ops::rms_norm::{self, Casting};
use warpsmith::ops::rotary::{self, Frequencies, Pairing, Scaling};
use warpsmith::ops::softmax;
use warpsmith::ops::{attention, layer_norm};
use warpsmith::{Buffer, CudaDevice, DType, Device, EmulatedDevice, Error, Shape, Strides, TensorDesc, raw};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What this thread allocates in `run`.
fn allocations<R>(run: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATIONS.get();
    let result = run();
    (ALLOCATIONS.get() - before, result)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| vec![1_u8; 3].len()), (1, 3));
    assert_eq!(allocations(|| 1 + 2), (0, 3));
}

/// The emulator allocates while it runs a kernel. The launcher adds nothing to what a bare launch allocates.
#[test]
fn a_launch_on_the_emulator_allocates_what_the_emulator_does() -> warpsmith::Result<()> {
    let config = Config { workers: 1, ..Config::new(DeviceModel::Sm80) };
    let emulator = Emulator::new(config.clone());
    let (x, y) = (emulator.alloc(400, "x").expect("400 bytes"), emulator.alloc(400, "y").expect("400 bytes"));
    emulator.write(x, &[0; 400]).expect("400 bytes");
    let module = Module::load(PTX).expect("the text is sound");
    let kernel = module.kernel("scale").expect("it has the kernel");
    let params = ScaleParams { x, y, count: 100, factor: 2.0 };
    let (grid, block) = (ONE_BLOCK.grid, ONE_BLOCK.block);
    let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: params.as_bytes(), config: None };
    let bare = || allocations(|| emulator.launch(&launch).expect("the kernel is sound")).0;

    let device = EmulatedDevice::builder(DeviceModel::Sm80).workers(1).build();
    let x = device.upload(&[1.0_f32; 100])?;
    let mut y = device.alloc(100)?;
    device.preload(&SCALE)?;
    let mut ours = || -> warpsmith::Result<usize> {
        let (count, result) = allocations(|| scale(&device, x.view([100])?, y.view_mut([100])?, 2.0));
        result.map(|()| count)
    };

    // The first launches may fill caches.
    bare();
    ours()?;
    assert_eq!(ours()?, bare());
    Ok(())
}

/// The driver has an allocator of its own, so here nothing at all is allowed.
#[test]
fn a_launch_on_a_gpu_allocates_nothing() -> warpsmith::Result<()> {
    let Some(device) = cuda() else { return Ok(()) };
    let x = device.upload(&[1.0_f32; 100])?;
    let mut y = device.alloc(100)?;
    device.preload(&SCALE)?;
    // The first call of each driver function in a process makes cudarc look it up.
    scale(&device, x.view([100])?, y.view_mut([100])?, 1.0)?;
    for _ in 0..3 {
        let (count, result) = allocations(|| scale(&device, x.view([100])?, y.view_mut([100])?, 2.0));
        result?;
        assert_eq!(count, 0);
    }
    assert_eq!(device.download(&y)?, [2.0; 100]);

    let address = |slice: &CudaSlice<f32>| slice.device_ptr(device.stream()).0;
    // Making a device from a stream and a raw stream from its handle are cheap too: hosts do both for every call.
    let stream = device.stream();
    let (count, again) = allocations(|| CudaDevice::from_stream(stream.clone()));
    assert_eq!((count, again?.caps()), (0, device.caps()));
    let params = ScaleParams { x: address(&x), y: address(&y), count: 100, factor: 3.0 };
    for first in [true, false] {
        let (count, result) = allocations(|| -> warpsmith::Result<()> {
            // SAFETY: the stream lives as long as `device`, the buffers have 100 elements and outlive the launch.
            unsafe { raw::Stream::borrow(stream.cu_stream().cast())?.launch(&SCALE, &ONE_BLOCK, &params) }
        });
        result?;
        assert!(first || count == 0, "{count} allocations");
    }
    assert_eq!(device.download(&y)?, [3.0; 100]);
    Ok(())
}

fn matrix(place: u64, pitch: i64) -> TensorDesc {
    let (shape, strides) = (Shape::from([8, 100]), Strides::from([pitch, 1]));
    TensorDesc { address: place << 20, shape, strides, dtype: DType::Bf16 }
}

fn vector(place: u64, len: usize, dtype: DType) -> TensorDesc {
    TensorDesc::contiguous(place << 20, [len], dtype)
}

/// Plans with and without gaps, with and without everything that is optional.
#[test]
fn a_gelu_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let columns = |place| vector(place, 100, DType::Bf16);
    let bytes = gelu::backward_workspace_bytes([8, 100], DType::Bf16);
    for (pitch, all) in [(100, false), (128, false), (128, true)] {
        let forward = gelu::ForwardDesc {
            form: Form::Tanh,
            input: matrix(1, pitch),
            bias: all.then(|| columns(2)),
            output: matrix(3, pitch),
        };
        let backward = gelu::BackwardDesc {
            form: Form::Erf,
            grad_output: matrix(1, pitch),
            input: matrix(2, pitch),
            bias: all.then(|| columns(3)),
            grad_input: matrix(4, pitch),
            grad_bias: all.then(|| columns(5)),
            workspace: all.then(|| vector(6, bytes, DType::U8)),
        };
        let (count, plan) = allocations(|| gelu::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}, all {all}");
        let (count, plan) = allocations(|| gelu::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}, all {all}");
    }
}

#[test]
fn a_layer_norm_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let columns = |place| vector(place, 100, DType::Bf16);
    let rows = |place| vector(place, 8, DType::F32);
    let bytes = layer_norm::backward_workspace_bytes([8, 100]);
    for (pitch, all) in [(100, false), (128, false), (128, true)] {
        let statistics = layer_norm::StatisticsDesc { mean: rows(1), rstd: rows(2) };
        let forward = layer_norm::ForwardDesc {
            input: matrix(3, pitch),
            residual: all.then(|| layer_norm::ResidualDesc { residual: matrix(4, pitch), sum: matrix(5, pitch) }),
            weight: all.then(|| columns(6)),
            bias: all.then(|| columns(7)),
            output: matrix(8, pitch),
            statistics: all.then_some(statistics),
            epsilon: 1e-5,
        };
        let backward = layer_norm::BackwardDesc {
            grad_output: matrix(3, pitch),
            input: matrix(4, pitch),
            weight: all.then(|| columns(5)),
            statistics,
            grad_sum: all.then(|| matrix(6, pitch)),
            grad_input: matrix(7, pitch),
            grad_weight: all.then(|| columns(8)),
            grad_bias: all.then(|| columns(9)),
            workspace: all.then(|| vector(10, bytes, DType::U8)),
        };
        let (count, plan) = allocations(|| layer_norm::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}, all {all}");
        let (count, plan) = allocations(|| layer_norm::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}, all {all}");
    }
}

#[test]
fn an_rms_norm_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let columns = |place| vector(place, 100, DType::Bf16);
    let rstd = vector(1, 8, DType::F32);
    let bytes = rms_norm::backward_workspace_bytes([8, 100]);
    for (pitch, all) in [(100, false), (128, false), (128, true)] {
        let forward = rms_norm::ForwardDesc {
            input: matrix(3, pitch),
            residual: all.then(|| rms_norm::ResidualDesc { residual: matrix(4, pitch), sum: matrix(5, pitch) }),
            weight: all.then(|| columns(6)),
            output: matrix(8, pitch),
            rstd: all.then_some(rstd),
            epsilon: 1e-5,
            casting: Casting::Llama,
        };
        let backward = rms_norm::BackwardDesc {
            grad_output: matrix(3, pitch),
            input: matrix(4, pitch),
            weight: all.then(|| columns(5)),
            rstd,
            grad_sum: all.then(|| matrix(6, pitch)),
            grad_input: matrix(7, pitch),
            grad_weight: all.then(|| columns(8)),
            workspace: all.then(|| vector(10, bytes, DType::U8)),
            casting: Casting::Llama,
        };
        let (count, plan) = allocations(|| rms_norm::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}, all {all}");
        let (count, plan) = allocations(|| rms_norm::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}, all {all}");
    }
}

#[test]
fn a_cross_entropy_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let rows = |place| vector(place, 8, DType::F32);
    for (pitch, reduction, all) in
        [(100, Reduction::Mean, false), (128, Reduction::Sum, true), (128, Reduction::None, true)]
    {
        let of_loss = |place| if reduction == Reduction::None { rows(place) } else { vector(place, 1, DType::F32) };
        let bytes = cross_entropy::workspace_bytes([8, 100], reduction);
        let desc = cross_entropy::ForwardDesc {
            logits: matrix(1, pitch),
            targets: vector(2, 8, DType::I64),
            weight: all.then(|| vector(3, 100, DType::F32)),
            grad_loss: all.then(|| of_loss(4)),
            grad_logits: Some(matrix(if all { 1 } else { 5 }, pitch)),
            loss: Some(of_loss(6)),
            lse: all.then(|| rows(7)),
            totals: all.then(|| vector(8, 2, DType::F32)),
            workspace: Some(vector(9, bytes, DType::U8)),
            options: cross_entropy::Options { reduction, ..Default::default() },
        };
        let (count, plan) = allocations(|| cross_entropy::plan_forward(&desc, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}, {reduction:?}, all {all}");
    }
}

#[test]
fn an_attention_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let tensor = |place: u64, length, heads| TensorDesc::contiguous(place << 20, [2, length, heads, 128], DType::Bf16);
    for all in [false, true] {
        let options = attention::Options { causal: all, scale: all.then_some(0.5) };
        let lse = TensorDesc::contiguous(5 << 20, [2, 4, 30], DType::F32);
        let forward = attention::ForwardDesc {
            q: tensor(1, 30, 4),
            k: tensor(2, 50, 2),
            v: tensor(3, 50, 2),
            o: tensor(4, 30, 4),
            lse: all.then_some(lse),
            options,
        };
        let bytes = attention::backward_workspace_bytes([2, 30, 4, 128]);
        let backward = attention::BackwardDesc {
            q: forward.q,
            k: forward.k,
            v: forward.v,
            o: forward.o,
            lse,
            grad_o: tensor(6, 30, 4),
            grad_q: tensor(7, 30, 4),
            grad_k: tensor(8, 50, 2),
            grad_v: tensor(9, 50, 2),
            workspace: TensorDesc::contiguous(10 << 20, [bytes], DType::U8),
            options,
        };
        let (count, plan) = allocations(|| attention::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "all {all}");
        let (count, plan) = allocations(|| attention::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "all {all}");
    }
}

/// The plan of a list is made once; that of a step allocates nothing.
#[test]
fn a_step_of_a_planned_list_allocates_nothing() -> warpsmith::Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let parameters = [1, 2, 3].map(|place| ParameterDesc {
        parameter: matrix(8 * place, 100),
        gradient: matrix(8 * place + 1, 100),
        state1: vector(8 * place + 2, 800, DType::U8),
        state2: vector(8 * place + 3, 800, DType::U8),
        absmax1: vector(8 * place + 4, 4, DType::F32),
        absmax2: vector(8 * place + 5, 4, DType::F32),
        weight_decay: 0.1,
    });
    let desc = adamw8bit::Desc {
        parameters: &parameters,
        table: vector(1, adamw8bit::table(&parameters)?.len(), DType::U8),
        progress: vector(2, adamw8bit::progress_bytes(), DType::U8),
        options: adamw8bit::Options::default(),
    };
    let plan = adamw8bit::plan(&desc, device.caps())?;
    let scalar = |place| vector(place, 1, DType::F32);
    for all in [false, true] {
        let (gradient_scale, found_inf) = (all.then(|| scalar(4)), all.then(|| scalar(5)));
        let scalars = ScalarsDesc { learning_rate: scalar(3), gradient_scale, found_inf };
        let (count, step) = allocations(|| plan.step(&scalars));
        assert_eq!((count, step.err()), (0, None), "all {all}");
    }
    Ok(())
}

/// An optimizer's step over more tensors than one operation takes otherwise.
#[test]
fn a_step_of_a_long_list_on_a_gpu_allocates_nothing() -> warpsmith::Result<()> {
    let Some(device) = cuda() else { return Ok(()) };
    let mut weights: Vec<_> = (0..40).map(|_| device.upload(&[1.0_f32; 300])).collect::<Result<_, _>>()?;
    let (gradient, learning_rate) = (device.upload(&[1.0_f32; 300])?, device.upload(&[0.1_f32])?);
    let views = weights
        .iter_mut()
        .map(|weight| Ok(Tensors { parameter: weight.view_mut([300])?, gradient: gradient.view([300])? }));
    let mut tensors = views.collect::<warpsmith::Result<Vec<_>>>()?;
    let mut optimizer = AdamW8bit::new(&device, &mut tensors, &[0.0; 40], Default::default())?;
    let scalars = Scalars { learning_rate: learning_rate.view([1])?, gradient_scale: None, found_inf: None };
    let mut run = || allocations(|| optimizer.step(&device, &mut tensors, scalars));
    // The first time loads the kernels.
    let (count, result) = run();
    result?;
    assert!(count > 0);
    for _ in 0..3 {
        let (count, result) = run();
        result?;
        assert_eq!(count, 0);
    }
    Ok(())
}

#[test]
fn an_activation_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    for (pitch, gated) in [(100, false), (200, true)] {
        let forward = activation::ForwardDesc {
            function: Function::Silu,
            input: matrix(1, pitch),
            up: gated.then(|| matrix(2, pitch)),
            output: matrix(1, pitch),
        };
        let backward = activation::BackwardDesc {
            function: Function::Silu,
            grad_output: matrix(3, pitch),
            input: matrix(1, pitch),
            grad_input: matrix(1, pitch),
            gate: gated.then(|| activation::GateDesc { up: matrix(2, pitch), grad_up: matrix(4, pitch) }),
        };
        let (count, plan) = allocations(|| activation::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
        let (count, plan) = allocations(|| activation::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
    }
}

#[test]
fn a_dropout_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let random = warpsmith::random::RandomDesc { state: vector(5, 2, DType::I64), offset: 6 };
    for (pitch, all) in [(100, false), (200, true)] {
        let residual = all.then(|| matrix(2, pitch));
        let (input, output) = (matrix(1, pitch), matrix(3, pitch));
        let forward = dropout::ForwardDesc { input, residual, output, random, probability: 0.5 };
        let backward = dropout::BackwardDesc { grad_output: input, grad_input: input, random, probability: 0.5 };
        let (count, plan) = allocations(|| dropout::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
        let (count, plan) = allocations(|| dropout::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
    }
}

#[test]
fn a_masking_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let tokens = |place| vector(place, 800, DType::I64);
    let options = mask_tokens::Options { special_tokens: &[101, 102], ..mask_tokens::Options::new(103, 30_522) };
    for all in [false, true] {
        let desc = mask_tokens::ForwardDesc {
            input: tokens(1),
            special: all.then(|| vector(2, 800, DType::U8)),
            output: tokens(if all { 1 } else { 3 }),
            labels: tokens(4),
            random: warpsmith::random::RandomDesc { state: vector(5, 2, DType::I64), offset: 6 },
            options: &options,
        };
        let (count, plan) = allocations(|| mask_tokens::plan_forward(&desc, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "all {all}");
    }
}

#[test]
fn a_linear_cross_entropy_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    for (reduction, all) in [(Reduction::Mean, false), (Reduction::None, true)] {
        let of_loss = |place| vector(place, if reduction == Reduction::None { 8 } else { 1 }, DType::F32);
        let bf16 = |place: u64, shape: [usize; 2]| TensorDesc::contiguous(place << 20, shape, DType::Bf16);
        let options = linear_cross_entropy::Options {
            loss: cross_entropy::Options { reduction, ..Default::default() },
            chunk_rows: all.then_some(3),
            accumulate: all,
        };
        let bytes = linear_cross_entropy::workspace_bytes([8, 100], 50, DType::Bf16, &options);
        let desc = linear_cross_entropy::ForwardDesc {
            hidden: matrix(1, 128),
            weight: bf16(2, [50, 100]),
            bias: all.then(|| linear_cross_entropy::BiasDesc {
                bias: vector(3, 50, DType::Bf16),
                ones: vector(4, 3, DType::Bf16),
                grad_bias: Some(vector(5, 50, DType::F32)),
            }),
            targets: vector(6, 8, DType::I64),
            class_weight: all.then(|| vector(7, 50, DType::F32)),
            grad_loss: all.then(|| of_loss(8)),
            grad_hidden: Some(matrix(9, 100)),
            grad_weight: Some(TensorDesc::contiguous(10 << 20, [50, 100], DType::F32)),
            loss: Some(of_loss(11)),
            lse: all.then(|| vector(12, 8, DType::F32)),
            totals: all.then(|| vector(13, 2, DType::F32)),
            workspace: vector(14, bytes, DType::U8),
            options,
        };
        let (count, plan) = allocations(|| linear_cross_entropy::plan_forward(&desc, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "{reduction:?}");
    }
}

#[test]
fn a_bce_plan_allocates_nothing() {
    use bce_with_logits::Reduction;
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    for (reduction, all) in [(Reduction::Mean, false), (Reduction::Sum, true), (Reduction::None, true)] {
        let of_loss = |place| vector(place, if reduction == Reduction::None { 800 } else { 1 }, DType::F32);
        let bytes = bce_with_logits::workspace_bytes(800, DType::Bf16, reduction);
        let desc = bce_with_logits::ForwardDesc {
            logits: vector(1, 800, DType::Bf16),
            targets: vector(2, 800, if all { DType::I64 } else { DType::Bf16 }),
            mask: all.then(|| vector(3, 800, DType::U8)),
            grad_loss: all.then(|| of_loss(4)),
            grad_logits: Some(vector(if all { 1 } else { 5 }, 800, DType::Bf16)),
            loss: Some(of_loss(6)),
            workspace: Some(vector(7, bytes.max(1), DType::U8)),
            options: bce_with_logits::Options { reduction, ..Default::default() },
        };
        let (count, plan) = allocations(|| bce_with_logits::plan_forward(&desc, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "{reduction:?}");
    }
}

#[test]
fn a_rotary_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let frequencies = Frequencies::new(64, 10_000.0, Scaling::None).expect("frequencies");
    let tensor = |place: u64| TensorDesc::contiguous(place << 20, [2, 5, 4, 80], DType::Bf16);
    let operand = |input, output| rotary::OperandDesc { input: tensor(input), output: tensor(output) };
    for (output, keys) in [(1, None), (2, Some(operand(3, 4)))] {
        let desc = rotary::RotateDesc {
            queries: operand(1, output),
            keys,
            positions: rotary::PositionsDesc::Each(vector(5, 5, DType::I32)),
            angles: rotary::AnglesDesc::Frequencies(&frequencies),
            pairing: Pairing::Half,
        };
        let (count, plan) = allocations(|| rotary::plan(&desc, rotary::Direction::Forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "keys: {}", keys.is_some());
    }
}

#[test]
fn an_embedding_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let table = |place: u64| TensorDesc::contiguous(place << 20, [30, 100], DType::Bf16);
    let lookup = |place: u64| embedding::LookupDesc { table: table(place), ids: vector(place + 1, 8, DType::I32) };
    let bytes = embedding::backward_workspace_bytes([8], [30, 100]);
    for pitch in [100, 128] {
        let forward = embedding::ForwardDesc {
            token: lookup(1),
            position: Some(embedding::PositionsDesc::Given(lookup(3))),
            segment: Some(lookup(5)),
            output: matrix(7, pitch),
        };
        let backward = embedding::BackwardDesc {
            grad_output: matrix(1, pitch),
            ids: vector(2, 8, DType::I64),
            grad_table: table(3),
            workspace: Some(vector(4, bytes, DType::U8)),
            options: embedding::Options::default(),
        };
        let positions = embedding::PositionsBackwardDesc {
            grad_output: matrix(1, pitch),
            grad_table: table(2),
            offset: 0,
            accumulate: true,
        };
        let (count, plan) = allocations(|| embedding::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
        let (count, plan) = allocations(|| embedding::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
        let (count, plan) = allocations(|| embedding::plan_backward_positions(&positions, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
    }
}

#[test]
fn a_softmax_plan_allocates_nothing() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    for (pitch, output) in [(100, 1), (128, 2)] {
        let forward = softmax::ForwardDesc {
            input: matrix(1, pitch),
            mask: Some(softmax::MaskDesc::Keep(TensorDesc::contiguous(3 << 20, [1, 100], DType::U8))),
            output: matrix(output, pitch),
            options: softmax::Options { scale: 0.5, causal: Some(0), logarithm: false },
        };
        let backward = softmax::BackwardDesc {
            output: matrix(3, pitch),
            grad_output: matrix(1, pitch),
            grad_input: matrix(output, pitch),
            options: softmax::Options::default(),
        };
        let (count, plan) = allocations(|| softmax::plan_forward(&forward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
        let (count, plan) = allocations(|| softmax::plan_backward(&backward, device.caps()));
        assert_eq!((count, plan.err()), (0, None), "pitch {pitch}");
    }
}

/// The whole of an operation, from views to the last launch, on the driver.
#[test]
fn an_operation_on_a_gpu_allocates_nothing() -> warpsmith::Result<()> {
    let Some(device) = cuda() else { return Ok(()) };
    let (x, bias) = (device.upload(&[1.0_f32; 800])?, device.upload(&[-1.0_f32; 100])?);
    let (mut y, mut grad_bias) = (device.alloc::<f32>(800)?, device.alloc::<f32>(100)?);
    let mut workspace = device.alloc::<u8>(gelu::backward_workspace_bytes([8, 100], DType::F32))?;
    let bytes = workspace.len();
    let mut run = || -> warpsmith::Result<usize> {
        let (input, bias) = (x.view([8, 100])?, Some(bias.view([100])?));
        let forward = gelu::Forward { input, bias, output: y.view_mut([8, 100])? };
        let (forward, result) = allocations(|| gelu::forward(&device, forward, Form::Erf));
        result?;
        let backward = gelu::Backward {
            grad_output: input,
            input,
            bias,
            grad_input: y.view_mut([8, 100])?,
            grad_bias: Some(grad_bias.view_mut([100])?),
            workspace: Some(workspace.view_mut([bytes])?),
        };
        let (backward, result) = allocations(|| gelu::backward(&device, backward, Form::Erf));
        result.map(|()| forward + backward)
    };
    // The first time loads the kernels.
    assert!(run()? > 0);
    assert_eq!(run()?, 0);
    Ok(())
}

/// An error costs an allocation at most for its text, and none where it has no text.
#[test]
fn a_mismatch_is_found_without_allocating() -> warpsmith::Result<()> {
    let (here, there) = (EmulatedDevice::new(DeviceModel::Sm80), EmulatedDevice::new(DeviceModel::Sm80));
    let (x, mut y) = (there.upload(&[1.0_f32; 4])?, here.alloc(4)?);
    let (x, y) = (x.view([4])?, y.view_mut([4])?);
    let (count, result) = allocations(|| scale(&here, x, y, 2.0));
    assert_eq!((count, result), (0, Err(Error::DeviceMismatch { op: "scale", argument: "x" })));
    Ok(())
}
