//! Traffic to global memory, counted exactly; executed instructions against the issue slots.

use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;

use crate::problem::{Id, Problem};

const COUNT: usize = 1 << 17;

/// One read and two writes of each id in whole sectors, and two sectors of seed and offset a warp; ids of a kind that BERT's tokenizer never chooses.
fn check<I: Id>(limit: f64) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    Problem::new(COUNT).run::<_, I>(&device);
    let counters = device.take_counters();
    let bytes = (COUNT * size_of::<I>()) as u64;
    assert_eq!([counters.global_store_bytes, counters.global_store_sectors * 32], [2 * bytes; 2]);
    let warps = COUNT as u64 / (8 * 32);
    assert_eq!(counters.global_load_sectors * 32, bytes + 2 * 32 * warps);
    let all = 32 * (counters.global_load_sectors + counters.global_store_sectors);
    assert!(all as f64 <= 1.03 * (3 * bytes) as f64, "{all}");
    let each = counters.total_warp_instructions() as f64 * 32.0 / (3 * bytes) as f64;
    println!("{}: {each:.2} thread-instructions per byte", I::DTYPE);
    assert!(each < limit, "{each}");
}

#[test]
fn ids_are_read_once_and_written_twice() {
    check::<i32>(9.9);
    check::<i64>(6.6);
}
