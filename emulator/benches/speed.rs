//! Warp-instructions per second on a reduction, a tensor-core product, an attention forward, products of a warpgroup and a pipeline of tensor copies, with
//! and without the detector.
//!
//! `cargo bench -p ptx-emulator` prints criterion's times and a table (`-- --table` the table alone): means over half a second of one core's time, also as a
//! ratio to a fixed scalar loop in the same process, since the host's speed is not known.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use ptx_emulator::{Checks, Config, DeviceModel, Emulator, Kernel, Launch, Module, Swizzle, TensorElement, TensorMap};

/// A kernel with its data, ready to be launched again and again.
struct Case {
    name: &'static str,
    device: Emulator,
    kernel: Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    params: Vec<u8>,
}

impl Case {
    fn new(name: &'static str, ptx: &str, kernel: &str, grid: [u32; 3], block: [u32; 3]) -> Self {
        let model = if ptx.contains(".target sm_90a") { DeviceModel::Sm90 } else { DeviceModel::Sm80 };
        let config = Config { workers: 1, ..Config::new(model) };
        let kernel = Module::load(ptx).expect("the PTX loads").kernel(kernel).expect("the kernel exists");
        Self { name, device: Emulator::new(config), kernel, grid, block, params: Vec::new() }
    }

    /// Adds the address of `bytes` bytes, which hold `pattern` in every 4.
    fn buffer(mut self, bytes: u64, pattern: u32) -> Self {
        let address = self.device.alloc(bytes, "buffer").expect("memory");
        self.device.fill(address, bytes, pattern, 4).expect("in bounds");
        self.params.extend(address.to_le_bytes());
        self
    }

    /// Adds a tensor map of a bf16 matrix of 64 columns in boxes of 64 rows.
    fn matrix(mut self, rows: u64) -> Self {
        let address = self.device.alloc(rows * 128, "matrix").expect("memory");
        self.device.fill(address, rows * 128, 0x3f80_3f80, 4).expect("in bounds");
        let map = TensorMap::dense(TensorElement::Bf16, address, &[64, rows], &[64, 64]).swizzled(Swizzle::B128);
        self.params.extend(map.encode().expect("a map"));
        self
    }

    fn int(mut self, value: i32) -> Self {
        self.params.extend(value.to_le_bytes());
        self
    }

    fn float(mut self, value: f32) -> Self {
        self.params.extend(value.to_le_bytes());
        self
    }

    /// Warp-instructions of one launch.
    fn run(&self, checks: Checks) -> u64 {
        let config = Config { checks, ..self.device.config().clone() };
        let launch = Launch {
            kernel: &self.kernel,
            grid: self.grid,
            block: self.block,
            dynamic_shared: 0,
            params: &self.params,
            config: Some(&config),
        };
        self.device.launch(&launch).expect("no fault").total_warp_instructions()
    }
}

fn cases() -> Vec<Case> {
    let one = 0x3f80_0000;
    let reduction =
        Case::new("row_sum", include_str!("../tests/ptx/reductions.ptx"), "row_sum", [64, 1, 1], [256, 1, 1]);
    let product = Case::new("gemm_bf16", include_str!("../tests/ptx/gemm.ptx"), "gemm_bf16", [4, 4, 1], [128, 1, 1]);
    let attention =
        Case::new("attention_bf16", include_str!("../tests/ptx/attention.ptx"), "attention", [4, 2, 1], [128, 1, 1]);
    let warpgroup =
        Case::new("wgmma_bf16", include_str!("../tests/ptx/wgmma.ptx"), "two_products", [1, 1, 1], [128, 1, 1]);
    let pipeline = Case::new("tma_pipeline", include_str!("../tests/ptx/pipeline.ptx"), "right", [1, 1, 1], [96, 1, 1]);
    let (rows, width, size, length) = (64u64, 8192u64, 256u64, 512u64);
    let tensor = 2 * length * 64 * 2;
    vec![
        reduction.buffer(rows * width * 4, one).buffer(rows * 4, 0).int(width as i32),
        product
            .buffer(size * size * 2, 0x3f80_3f80)
            .buffer(size * size * 2, 0x3f80_3f80)
            .buffer(size * size * 4, 0)
            .int(size as i32)
            .int(size as i32)
            .int(size as i32),
        attention
            .buffer(tensor, 0x3f80_3e80)
            .buffer(tensor, 0x3e80_3f80)
            .buffer(tensor, 0x3f80_bf80)
            .buffer(tensor, 0)
            .int(length as i32)
            .int(length as i32)
            .float(0.125),
        warpgroup
            .buffer(64 * 64 * 2, 0x3f80_3f80)
            .buffer(4 * length * 64 * 2, 0x3f80_bf80)
            .buffer(4 * length * 64 * 2, 0x3f80_3f80)
            .buffer(64 * 64 * 4, 0)
            .int(4 * length as i32),
        pipeline.matrix(4 * 4096).buffer(256, 0).int(4 * 64),
    ]
}

/// A million steps of xorshift64, which no compiler shortens: six dependent operations each.
fn scalar_loop() -> u64 {
    let step = |x: u64| {
        let x = x ^ x << 13;
        let x = x ^ x >> 7;
        x ^ x << 17
    };
    (0..1_000_000u64).fold(black_box(1), |x, _| step(x))
}

/// Time that this thread has had on a core, so that neighbours do not count; elsewhere than on Linux, time by the clock.
fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = spent.and_then(|text| text.split(' ').next()?.parse().ok());
    spent.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// The mean over half a second, since the account of a thread's time is kept in steps of some milliseconds.
fn mean(mut f: impl FnMut()) -> Duration {
    const ENOUGH: Duration = Duration::from_millis(500);
    f();
    let start = now();
    for runs in 1.. {
        f();
        let spent = now() - start;
        if spent >= ENOUGH {
            return spent / runs;
        }
    }
    Duration::ZERO
}

fn main() {
    let cases = cases();
    let modes = [("plain", Checks::NONE), ("checked", Checks::ALL)];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted =
        |id: &str| arguments.iter().filter(|word| !word.starts_with('-')).all(|word| id.contains(word.as_str()));
    if !arguments.iter().any(|word| word == "--table") {
        measure(&cases, &modes);
    }
    let scalar = mean(|| {
        black_box(scalar_loop());
    });
    println!("scalar loop: {:.2} ns a step", scalar.as_secs_f64() * 1e3);
    for case in &cases {
        for (mode, checks) in modes.into_iter().filter(|(mode, _)| wanted(&format!("{}/{mode}", case.name))) {
            let instructions = case.run(checks);
            let time = mean(|| {
                black_box(case.run(checks));
            });
            let each = time.as_secs_f64() * 1e9 / instructions as f64;
            println!(
                "{}/{mode}: {instructions} warp-instructions, {:.1} M/s, {:.1} scalar steps each",
                case.name,
                1e3 / each,
                each / (scalar.as_secs_f64() * 1e3)
            );
        }
    }
}

/// Criterion's part.
fn measure(cases: &[Case], modes: &[(&str, Checks)]) {
    let mut criterion = Criterion::default().configure_from_args();
    for case in cases {
        for (mode, checks) in modes {
            let mut group = criterion.benchmark_group("emulator");
            group.throughput(Throughput::Elements(case.run(*checks)));
            group.bench_function(format!("{}/{mode}", case.name), |bencher| bencher.iter(|| case.run(*checks)));
        }
    }
    criterion.final_summary();
}
