//! Traffic to global memory, counted exactly, against the floor of the formula; executed instructions against the issue slots.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::{Counters, DeviceModel};
use warpsmith::ops::cross_entropy::{Options, Reduction};

use crate::problem::{Problem, Real};

/// Executed thread-instructions of the PTX for each byte that has to move: what was reached, and a little. ptxas leaves about 0.6 of
/// them; what it makes of the kernel is in kernels/cross_entropy/NOTES.md.
const LIMIT: f64 = 8.5;
/// The same with a softcap.
const LIMIT_CAPPED: f64 = 20.5;

/// A problem of which only the shape matters, without ignored rows.
fn shaped<T: Real>(rows: usize, width: usize, in_place: bool) -> Problem<T> {
    let one = Problem::<T>::new(1, width, 1);
    let (logits, targets) = (one.logits.repeat(rows), vec![width as i64 / 2; rows]);
    Problem { logits, targets, in_place, ..Problem::new(rows, width, 1) }.reduced(Reduction::Sum)
}

fn capped<T: Real>(problem: Problem<T>) -> Problem<T> {
    Problem { options: Options { softcap: Some(30.0), ..problem.options }, ..problem }
}

fn run<T: Real>(device: &EmulatedDevice, problem: &Problem<T>) -> Counters {
    problem.run(device);
    device.take_counters()
}

/// One read and one write of every logit, in whole sectors. The rest is a few bytes a row.
fn one_read_and_one_write<T: Real>(device: &EmulatedDevice, rows: usize, width: usize) {
    let problem = shaped::<T>(rows, width, width.is_multiple_of(3));
    let bytes = (problem.logits.len() * size_of::<T>()) as u64;
    let counters = run(device, &problem);
    let name = format!("{} of width {width}: {counters:?}", T::DTYPE);
    // Row losses and lse, kept rows and their weights (twice), the loss.
    assert_eq!(counters.global_store_bytes, bytes + 8 * rows as u64 + 16 + 8 + 4, "{name}");
    let sectors = 32 * (counters.global_load_sectors + counters.global_store_sectors);
    assert!(sectors as f64 <= 1.03 * 2.0 * bytes as f64, "{name}: {}", sectors as f64 / (2.0 * bytes as f64));
}

#[test]
fn logits_are_read_once_and_written_once() {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    for width in [4096, 32_000, 50_304] {
        one_read_and_one_write::<f32>(&device, 4, width);
        one_read_and_one_write::<bf16>(&device, 4, width);
    }
    // Llama 3: the widest row of 16 bits that stays on the chip.
    one_read_and_one_write::<bf16>(&device, 1, 128_256);
}

/// What does not stay on the chip is read twice, and nothing else.
#[test]
fn the_rest_of_a_long_row_is_read_again() {
    let bytes = (1 << 18) * 2;
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let counters = run(&device, &shaped::<bf16>(1, 1 << 18, true));
    let share = counters.global_load_bytes as f64 / bytes as f64;
    println!("262,144 classes on compute capability 9.0: {share:.3} reads of the logits");
    // 224 KiB of shared memory and 28 KiB of registers hold 252 of 512 KiB; whole batches are read again.
    assert!((1.5..1.56).contains(&share), "{share}");
}

/// Ignored rows are written and not read.
#[test]
fn ignored_rows_are_not_read() {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<bf16> { targets: vec![-100; 8], ..shaped(8, 4096, true) };
    let counters = run(&device, &problem);
    assert!(counters.global_load_bytes < 8 * 4096, "{counters:?}");
    assert!(counters.global_store_bytes >= 8 * 4096 * 2, "{counters:?}");
}

/// Executed instructions, as the PTX has them, for each byte of as many rows again: what blocks do once is left out.
#[test]
fn instructions_for_each_byte() {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    for width in [8192, 50_304] {
        let count = |rows| run(&device, &shaped::<bf16>(rows, width, true)).total_warp_instructions();
        let each = (count(4) - count(2)) as f64 * 32.0 / (2 * 2 * width * 2) as f64;
        println!("width {width}: {each:.2} thread-instructions per byte");
        assert!(each < LIMIT, "width {width}: {each}");
    }
    let count = |rows| run(&device, &capped(shaped::<bf16>(rows, 8192, true)));
    let each = (count(4).total_warp_instructions() - count(2).total_warp_instructions()) as f64 / (2 * 8192 / 8) as f64;
    println!("softcap: {each:.2} thread-instructions per byte");
    assert!(each < LIMIT_CAPPED, "{each}");
}
