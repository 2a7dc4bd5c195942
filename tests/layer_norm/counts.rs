//! Traffic to global memory, counted exactly, against the floor of the formula; executed instructions against the issue slots.

use half::{bf16, f16};
use warpsmith::emulator::{Counters, DeviceModel};
use warpsmith::{Device, EmulatedDevice};

use crate::problem::{Problem, Real};

/// Bytes of the sectors that launches touched.
fn sectors(counters: &Counters) -> u64 {
    32 * (counters.global_load_sectors + counters.global_store_sectors)
}

/// What a H100 can issue for each byte of its memory's speed (132 * 4 * 32 lanes * 1.83 GHz / 3.35 TB/s), and the shares of it that
/// the passes may take.
const THREAD_INSTRUCTIONS_PER_BYTE: f64 = 9.2;

/// A problem of which only the shape matters.
fn shaped<T: Real>(rows: usize, width: usize) -> Problem<T> {
    Problem { weight: None, bias: None, ..Problem::new(rows, width, 1) }
}

/// Without weight and bias: one read and one write of every element, in whole sectors, and the statistics.
fn forward_of<T: Real>(width: usize) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = shaped::<T>(96, width);
    let bytes = (problem.input.len() * size_of::<T>()) as u64;
    let statistics = 2 * 96 * size_of::<f32>() as u64;
    problem.forward(&device);
    let counters = device.take_counters();
    let name = format!("{} of width {width}: {counters:?}", T::DTYPE);
    assert_eq!(counters.global_load_bytes, bytes, "{name}");
    assert_eq!(counters.global_store_bytes, bytes + statistics, "{name}");
    assert!(sectors(&counters) as f64 <= 1.03 * (2 * bytes + statistics) as f64, "{name}");

    // With a residual, two of each.
    problem.with_residual().forward(&device);
    let counters = device.take_counters();
    assert_eq!(counters.global_load_bytes, 2 * bytes, "{name}");
    assert_eq!(counters.global_store_bytes, 2 * bytes + statistics, "{name}");
}

#[test]
fn forward_reads_once_and_writes_once() {
    for width in [768, 1024, 4096] {
        forward_of::<f32>(width);
        forward_of::<f16>(width);
        forward_of::<bf16>(width);
    }
    // Beyond the registers of the plain kernel, and beyond those of the general one: still on chip.
    forward_of::<bf16>(12_288);
    forward_of::<bf16>(32_768);
}

/// Weight and bias are read once by each block, of which there are as many as run at once.
#[test]
fn weight_and_bias_are_read_once_by_each_block() {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<bf16>::new(96, 1024, 1);
    let (bytes, row) = (96 * 2048, 2048);
    problem.forward(&device);
    // Eight rows a block.
    assert_eq!(device.take_counters().global_load_bytes, bytes + 12 * 2 * row);
    // At most two blocks of 256 threads for each of the 132 multiprocessors: for the problem of the bench, 16,384 rows of 1,024 columns,
    // 264 times two rows, 1.6 % of what is read and written.
    assert!(264.0 * 2.0 / (2.0 * 16_384.0) < 0.03);
}

/// Bytes that a plain backward pass moves, `on_chip` those that it asks for again while L1 has them: `(total, on_chip)`.
fn backward_bytes(rows: u64, width: u64, size: u64, weight: bool) -> (u64, u64) {
    // 128 groups of as many rows as the teams of a block; a warp for a row of 1,024 16-bit elements.
    let teams = 256 / (width * size / 16 / 4);
    let groups = rows.div_ceil(rows.div_ceil(128).next_multiple_of(teams));
    let partials = 2 * groups * width * 4;
    let matrices = 3 * rows * width * size;
    let vectors = 2 * width * size + if weight { 256 * groups * 64 } else { 0 };
    // Each warp of a row's team asks for a sector of mean and one of rstd, which eight rows share.
    let statistics = rows * 64 * (width * size / 16 / 4).div_ceil(32);
    (matrices + 2 * partials + vectors + statistics, statistics - 8 * rows)
}

/// Backward: two reads and one write of every element, the partial sums once each way.
#[test]
fn backward_reads_twice_and_writes_once() {
    for weight in [false, true] {
        let device = EmulatedDevice::new(DeviceModel::Sm90);
        let problem = Problem::<bf16>::new(768, 1024, 1);
        let problem = Problem { weight: problem.weight.filter(|_| weight), ..problem };
        let statistics = vec![0.5; 768];
        problem.backward(&device, &problem.input, &statistics, &statistics);
        let (expected, _) = backward_bytes(768, 1024, 2, weight);
        assert_eq!(sectors(&device.take_counters()), expected, "weight: {weight}");
    }
    // For the problem of the bench that is within 3 % of the floor: matrices, statistics, vectors.
    let (bytes, on_chip) = backward_bytes(16_384, 1024, 2, true);
    let floor = 16_384 * (3 * 2048 + 8) + 3 * 2048;
    let excess = (bytes - on_chip) as f64 / floor as f64 - 1.0;
    assert!(excess < 0.03, "{excess}");
}

/// Rows that are not made of whole vectors: the head and the tail of a row share a sector with its neighbours, no more.
#[test]
fn peeled_rows_waste_less_than_two_sectors() {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem { wants_statistics: false, ..shaped::<bf16>(64, 4099) };
    let bytes = (problem.input.len() * 2) as u64;
    problem.forward(&device);
    let counters = device.take_counters();
    assert_eq!((counters.global_load_bytes, counters.global_store_bytes), (bytes, bytes));
    // Elements of head and tail go one by one: up to 14 accesses a row in each direction, each a sector.
    let excess = sectors(&counters) - 2 * bytes;
    assert!(excess <= 2 * 64 * 15 * 32, "{excess}");
}

/// Executed instructions, as the PTX has them, leave the memory in charge: under 46 % of the issue slots forward, 29 % backward.
#[test]
fn instructions_leave_memory_in_charge() {
    for (rows, width) in [(256, 1024), (64, 4096)] {
        let device = EmulatedDevice::new(DeviceModel::Sm90);
        let problem = Problem::<bf16>::new(rows, width, 1);
        let bytes = (problem.input.len() * 2) as f64;
        problem.forward(&device);
        let forward = device.take_counters().total_warp_instructions() as f64 * 32.0 / (2.0 * bytes);
        let statistics = vec![0.5; rows];
        let problem = Problem { wants_grad_weight: false, wants_grad_bias: false, ..problem };
        problem.backward(&device, &problem.input, &statistics, &statistics);
        let backward = device.take_counters().total_warp_instructions() as f64 * 32.0 / (3.0 * bytes);
        println!("width {width}: {forward:.2} thread-instructions per byte forward, {backward:.2} backward");
        assert!(forward < 0.46 * THREAD_INSTRUCTIONS_PER_BYTE, "width {width}: {forward} forward");
        assert!(backward < 0.29 * THREAD_INSTRUCTIONS_PER_BYTE, "width {width}: {backward} backward");
    }
}
