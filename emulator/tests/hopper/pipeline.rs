//! A pipeline as nvcc 13 compiles it (`tests/ptx/pipeline.cu`): a producer warp with tensor maps, full and empty `mbarrier` objects,
//! consumers, a bulk store. Right under every order; each planted mistake is found under every order, at its line.

use crate::common::orders;
use ptx_emulator::{
    Config, Counters, Emulator, FaultKind, Faults, Launch, LaunchError, Module, Swizzle, TensorElement, TensorMap,
};

const PTX: &str = include_str!("../ptx/pipeline.ptx");
const COLUMNS: usize = 64;

/// Runs a kernel on a matrix of small integers: the sums, or what is wrong.
fn run(kernel: &str, rows: usize, config: &Config) -> Result<(Vec<f32>, Counters), LaunchError> {
    let kernel = Module::load(PTX).unwrap_or_else(|error| panic!("{error}")).kernel(kernel).unwrap();
    let device = Emulator::new(Config { instruction_limit: 4_000_000, ..config.clone() });
    let values: Vec<u8> = (0..rows * COLUMNS).flat_map(|at| bf16(value(at)).to_le_bytes()).collect();
    let from = device.alloc(values.len() as u64, "x").unwrap();
    device.write(from, &values).unwrap();
    let to = device.alloc(4 * COLUMNS as u64, "sums").unwrap();
    let map = TensorMap::dense(TensorElement::Bf16, from, &[COLUMNS as u64, rows as u64], &[64, 64]);
    let mut params = map.swizzled(Swizzle::B128).encode().unwrap().to_vec();
    params.extend(to.to_le_bytes());
    params.extend((rows.div_ceil(64) as i32).to_le_bytes());
    let (grid, block) = ([1; 3], [96, 1, 1]);
    let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None };
    let counters = device.launch(&launch)?;
    let mut sums = vec![0; 4 * COLUMNS];
    device.read(to, &mut sums).unwrap();
    Ok((sums.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect(), counters))
}

fn value(at: usize) -> i32 {
    (at * 37 % 101) as i32 - 50
}

fn bf16(value: i32) -> u16 {
    // Integers up to 256 are exact.
    ((value as f32).to_bits() >> 16) as u16
}

#[test]
fn the_right_one_is_right_in_every_order() {
    // One box, as many as stages, many, and a last one that is half outside.
    for rows in [64, 128, 576, 416] {
        let sum = |column: usize| (0..rows).map(|row| value(row * COLUMNS + column)).sum::<i32>() as f32;
        let expected: Vec<f32> = (0..COLUMNS).map(sum).collect();
        for config in orders() {
            let (sums, counters) = run("right", rows, &config).unwrap_or_else(|error| panic!("{config:?}: {error}"));
            assert_eq!(sums, expected, "{rows} rows, {config:?}");
            assert_eq!(counters.global_load_bytes, (rows * COLUMNS * 2) as u64);
            assert_eq!(counters.global_store_bytes, 256);
        }
    }
}

/// The faults of a kernel with a mistake, in every order.
fn faults(kernel: &str) -> Vec<Faults> {
    let find = |config: &Config| match run(kernel, 576, config) {
        Err(LaunchError::Faults(faults)) => faults,
        other => panic!("{kernel}, {config:?}: {other:?}"),
    };
    orders().iter().map(find).collect()
}

/// Every order gives a fault of this kind first.
fn first(kernel: &str, is_expected: impl Fn(&FaultKind) -> bool) {
    for faults in faults(kernel) {
        let fault = &faults.faults[0];
        assert!(is_expected(&fault.kind), "{kernel}: {fault}");
        let line = fault.location.source.as_ref().map(|source| source.file.as_str());
        assert_eq!(line, Some("pipeline.cu"), "{fault}");
    }
}

fn in_flight(kind: &FaultKind) -> bool {
    matches!(kind, FaultKind::InFlight { .. })
}

#[test]
fn bytes_that_nobody_expects() {
    // The phase is complete at once, or, where the bytes come first, never.
    first("no_expect", |kind| {
        in_flight(kind) || matches!(kind, FaultKind::Deadlock { .. } | FaultKind::Mbarrier { .. })
    });
}

#[test]
fn stages_that_are_not_full() {
    let early = |kind: &FaultKind| {
        in_flight(kind) || matches!(kind, FaultKind::Uninitialised { space: "shared", .. } | FaultKind::Mbarrier { .. })
    };
    first("no_full_wait", early);
    // Where the copy came first, the phase that is waited for never completes.
    first("wrong_parity", |kind| early(kind) || matches!(kind, FaultKind::Deadlock { .. }));
}

#[test]
fn stages_that_are_not_empty() {
    let too_early = |kind: &FaultKind| {
        in_flight(kind)
            || matches!(kind, FaultKind::Race { hazard: "write after read", .. } | FaultKind::Mbarrier { .. })
    };
    first("no_empty_wait", too_early);
    first("early_arrival", |kind| {
        too_early(kind) || matches!(kind, FaultKind::Race { hazard: "read after write" | "write after read", .. })
    });
    first("no_arrival", |kind| matches!(kind, FaultKind::Deadlock { .. }));
}

#[test]
fn a_fence_between_the_proxies() {
    first("no_store_fence", |kind| matches!(kind, FaultKind::Proxy { .. }));
}

#[test]
fn memory_that_is_read_after_the_end() {
    first("no_store_wait", in_flight);
}
