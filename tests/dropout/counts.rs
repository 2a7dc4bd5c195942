//! Traffic to global memory, counted exactly; executed instructions against the issue slots.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;

use crate::problem::{Problem, Real, Target};

const ROWS: usize = 1024;
const WIDTH: usize = 512;

/// One read of each input and one write of the output in whole sectors, and two sectors of seed and offset a warp.
fn traffic_of<T: Real>(target: Target) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<T>::new(ROWS, WIDTH, target);
    let bytes = (ROWS * WIDTH * size_of::<T>()) as u64;
    let inputs = if target == Target::Sum { 2 } else { 1 };
    problem.forward(&device);
    let counters = device.take_counters();
    assert_eq!(counters.global_store_bytes, bytes, "{target:?}");
    assert_eq!(counters.global_store_sectors * 32, bytes, "{target:?}");
    let vectors = bytes / 16;
    let warps = vectors / 8 / 32;
    assert_eq!(counters.global_load_sectors * 32, inputs * bytes + 2 * 32 * warps, "{target:?}");
    let all = 32 * (counters.global_load_sectors + counters.global_store_sectors);
    assert!(all as f64 <= 1.03 * ((inputs + 1) * bytes) as f64, "{target:?}: {all}");
}

#[test]
fn each_tensor_is_read_or_written_once() {
    for target in [Target::Apart, Target::Sum] {
        traffic_of::<f32>(target);
        traffic_of::<bf16>(target);
    }
}

/// Executed thread-instructions of the PTX for each byte that has to move. ptxas makes one instruction of the two or three that are a product of 32 bits with
/// 64 of the result; 9.2 a byte would fill the issue slots of a H100 at 3.35 TB/s. These are what was reached, and a little.
#[test]
fn instructions_for_each_byte() {
    fn check<T: Real>(limit: [f64; 2]) {
        let device = EmulatedDevice::new(DeviceModel::Sm86);
        for (target, limit) in [Target::Apart, Target::Sum].into_iter().zip(limit) {
            let problem = Problem::<T>::new(ROWS, WIDTH, target);
            let tensors = if target == Target::Sum { 3 } else { 2 };
            problem.forward(&device);
            let executed = device.take_counters().total_warp_instructions() as f64;
            let each = executed * 32.0 / (tensors * ROWS * WIDTH * size_of::<T>()) as f64;
            println!("{target:?} {}: {each:.2} thread-instructions per byte", T::DTYPE);
            assert!(each < limit, "{target:?}: {each}");
        }
    }
    check::<f32>([5.8, 4.1]);
    check::<bf16>([9.9, 7.6]);
}
