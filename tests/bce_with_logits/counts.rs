//! Traffic to global memory, counted exactly; executed instructions against the issue slots.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::bce_with_logits::Reduction;

use crate::problem::{Kind, Problem, Real};

const COUNT: usize = 1 << 18;

/// A sum reads logits and targets once, and writes the gradient once; the rest is one number a block.
fn check<T: Real>(kind: Kind, limit: f64) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<T> { in_place: true, ..Problem::new(COUNT, kind).reduced(Reduction::Sum) };
    Problem { grad_loss: None, ..problem }.run(&device);
    let counters = device.take_counters();
    let target = match kind {
        Kind::I32 => 4,
        Kind::I64 => 8,
        Kind::Soft => size_of::<T>(),
    };
    let (logits, targets) = ((COUNT * size_of::<T>()) as u64, (COUNT * target) as u64);
    let blocks = logits / 16 / 256;
    assert_eq!(counters.global_load_bytes, logits + targets + 4 * blocks, "{kind:?}");
    assert_eq!(counters.global_store_bytes, logits + 4 * blocks + 4, "{kind:?}");
    let bytes = 2 * logits + targets;
    let all = counters.global_load_bytes + counters.global_store_bytes;
    assert!(all as f64 <= 1.03 * bytes as f64, "{all} of {bytes}");
    let each = counters.total_warp_instructions() as f64 * 32.0 / bytes as f64;
    println!("{} with {kind:?}: {each:.2} thread-instructions per byte", T::DTYPE);
    assert!(each < limit, "{each}");
}

#[test]
fn everything_is_read_or_written_once() {
    check::<f32>(Kind::I64, 8.8);
    check::<f32>(Kind::Soft, 10.8);
    check::<bf16>(Kind::I32, 15.2);
    check::<bf16>(Kind::I64, 10.4);
    check::<bf16>(Kind::Soft, 19.2);
}
