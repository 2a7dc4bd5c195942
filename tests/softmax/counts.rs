//! Traffic to global memory, counted exactly, against the floor of the formula.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;

use crate::problem::{Problem, Real};

/// Forward one read and one write of every element, backward two reads and one write, in whole sectors.
fn floor_of<T: Real>(rows: usize, width: usize) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<T>::new(1, rows, width);
    let bytes = (rows * width * size_of::<T>()) as u64;
    let output = problem.forward(&device);
    let counters = device.take_counters();
    assert_eq!((counters.global_load_bytes, counters.global_store_bytes), (bytes, bytes), "{counters:?}");
    assert_eq!(32 * (counters.global_load_sectors + counters.global_store_sectors), 2 * bytes, "{counters:?}");
    problem.backward(&device, &output);
    let counters = device.take_counters();
    assert_eq!((counters.global_load_bytes, counters.global_store_bytes), (2 * bytes, bytes), "{counters:?}");
}

#[test]
fn rows_are_read_once_and_written_once() {
    for width in [1024, 4096, 32_768] {
        floor_of::<f32>(3, width.min(24_576));
        floor_of::<bf16>(3, width);
    }
}

/// Executed thread-instructions of the PTX for each byte of as many rows again: what was reached, and a little.
#[test]
fn instructions_for_each_byte() {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let run = |rows| {
        let problem = Problem::<bf16>::new(1, rows, 8192);
        let output = problem.forward(&device);
        let forward = device.take_counters().total_warp_instructions();
        problem.backward(&device, &output);
        [forward, device.take_counters().total_warp_instructions()]
    };
    let (two, four) = (run(2), run(4));
    for (pass, (arrays, limit)) in [(2, 9.0), (3, 4.5)].into_iter().enumerate() {
        let each = (four[pass] - two[pass]) as f64 * 32.0 / (arrays * 2 * 8192 * 2) as f64;
        println!("pass {pass}: {each:.2} thread-instructions per byte");
        assert!(each < limit, "pass {pass}: {each}");
    }
}
