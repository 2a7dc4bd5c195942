//! Kernels as nvcc 13 compiles them for sm_80, against the same computation in Rust.

use crate::common::{Params, config, download_f32, download_u32, run, upload, upload_f32, values};
use ptx_emulator::{Approximation, Config, Emulator, Residency, Schedule};

const PTX: &str = include_str!("../ptx/reductions.ptx");

/// Schedules, seeds, residency and numbers of workers that a right kernel does not notice.
fn configs() -> Vec<Config> {
    let mut configs = Vec::new();
    for (seed, schedule) in
        [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy, Schedule::Random].into_iter().enumerate()
    {
        for (workers, resident_blocks, reversed) in [(1, 1, false), (3, 4, true)] {
            let residency = Residency { resident_blocks, reversed };
            configs.push(Config { schedule, seed: seed as u64, workers, residency, ..config() });
        }
    }
    configs
}

#[test]
fn row_sums() {
    let (rows, n) = (5, 1000);
    let x = values(rows * n);
    let mut sums = Vec::new();
    for config in configs() {
        let device = Emulator::new(config);
        let (from, to) = (upload_f32(&device, &x, "x"), device.alloc(rows as u64 * 4, "y").unwrap());
        let params = Params::default().address(from).address(to).int(n as i32);
        let counters = run(&device, PTX, "row_sum", (rows as u32, 256, 0), &params).unwrap();
        // Each element is read once, as whole sectors: a row of 4,000 bytes is 125 of them.
        assert_eq!(counters.global_load_bytes, 4 * (rows * n) as u64);
        assert_eq!(counters.global_load_sectors, 125 * rows as u64);
        assert_eq!(counters.global_store_bytes, 4 * rows as u64);
        sums.push(download_f32(&device, to, rows));
    }
    for row in 0..rows {
        let exact: f64 = x[row * n..][..n].iter().map(|x| f64::from(*x)).sum();
        assert!((f64::from(sums[0][row]) - exact).abs() < 1e-4, "row {row}: {} for {exact}", sums[0][row]);
    }
    assert!(sums.iter().all(|other| *other == sums[0]));
}

#[test]
fn softmax_with_dynamic_shared_memory() {
    let (rows, n) = (3, 777);
    let x: Vec<f32> = values(rows * n).iter().map(|x| 8.0 * x).collect();
    for config in configs() {
        let device = Emulator::new(config);
        let (from, to) = (upload_f32(&device, &x, "x"), device.alloc((rows * n) as u64 * 4, "y").unwrap());
        let params = Params::default().address(from).address(to).int(n as i32);
        run(&device, PTX, "softmax", (rows as u32, 128, n as u32 * 4), &params).unwrap();
        let y = download_f32(&device, to, rows * n);
        for row in 0..rows {
            let x = &x[row * n..][..n];
            let most = x.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = x.iter().map(|x| f64::from(x - most).exp()).sum();
            for (i, x) in x.iter().enumerate() {
                let exact = f64::from(x - most).exp() / sum;
                // The kernel's exponential is good to about 2^-22, and there are few roundings after it.
                assert!((f64::from(y[row * n + i]) - exact).abs() <= 1e-6 * exact, "row {row}, column {i}");
            }
        }
    }
}

#[test]
fn the_last_block_adds_up() {
    let n = 10_000;
    let x = values(n);
    let mut results = Vec::new();
    for config in configs() {
        let device = Emulator::new(config);
        let from = upload_f32(&device, &x, "x");
        let (partial, to) = (device.alloc(12 * 4, "partial").unwrap(), device.alloc(4, "y").unwrap());
        let params = Params::default().address(from).address(partial).address(to).int(n as i32);
        run(&device, PTX, "total", (12, 256, 0), &params).unwrap();
        results.push(download_f32(&device, to, 1)[0]);
    }
    let exact: f64 = x.iter().map(|x| f64::from(*x)).sum();
    assert!((f64::from(results[0]) - exact).abs() < 1e-3, "{} for {exact}", results[0]);
    assert!(results.iter().all(|other| *other == results[0]));
}

#[test]
fn loops_that_lanes_leave_one_by_one() {
    let n = 500;
    let x: Vec<u32> = (1..=n).collect();
    let expected: Vec<u32> = x
        .iter()
        .map(|start| {
            let (mut v, mut steps) = (*start, 0);
            while v != 1 {
                v = if v.is_multiple_of(2) { v / 2 } else { 3 * v + 1 };
                steps += 1;
            }
            steps
        })
        .collect();
    let longest: Vec<u32> = expected.chunks(32).map(|warp| *warp.iter().max().unwrap()).collect();
    let device = Emulator::new(config());
    let (from, to) = (upload(&device, &x, |x| x, "x"), device.alloc(u64::from(n) * 4, "steps").unwrap());
    let params = Params::default().address(from).address(to).int(n as i32);
    let counters = run(&device, PTX, "collatz", (n.div_ceil(128), 128, 0), &params).unwrap();
    assert_eq!(download_u32(&device, to, n as usize), expected);
    // Lanes that took different ways meet again in each round: a warp needs few instructions for each round of its longest
    // lane (10 is the number of instructions of a round with both ways), not for the sum over its lanes.
    let rounds: u32 = longest.iter().sum();
    assert!(
        counters.total_warp_instructions() < u64::from(12 * rounds + 16 * 30),
        "{}",
        counters.total_warp_instructions()
    );
}

#[test]
fn calls_local_arrays_and_a_struct_argument() {
    let (n, scale) = (100, 0.75f32);
    let x = values(n);
    for approximation in [Approximation::Exact, Approximation::Perturbed] {
        let device = Emulator::new(Config { approximation, ..config() });
        let (from, to) = (upload_f32(&device, &x, "x"), device.alloc(n as u64 * 4, "y").unwrap());
        let params = Params::default().address(from).address(to).int(n as i32).float(scale);
        run(&device, PTX, "calls", (2, 64, 0), &params).unwrap();
        for (i, y) in download_f32(&device, to, n).into_iter().enumerate() {
            let x = f64::from(x[i]);
            let exact = (x * (i & 7) as f64).exp() * f64::from(scale) + n as f64 + x.tanh() + (x.abs() + 1.0).ln();
            assert!((f64::from(y) - exact).abs() < 2e-6 * exact.abs(), "{i}: {y} for {exact}");
        }
    }
}
