//! Arbitrary input: the parser, the decoder and launches may refuse it, and may not panic, hang, or take memory without end.
//!
//! Texts are those of compilers and of this crate's tests with tokens moved, lost, doubled and replaced, numbers made huge, brackets opened thousands of times,
//! and plain noise; what loads is launched with few instructions to spend. A failure is shrunk to the fewest changes.
//!
//! `PTX_EMULATOR_FUZZ=1000000` tries so many, `PTX_EMULATOR_FUZZ_SEED=2` others:
//! `PTX_EMULATOR_FUZZ=1000000 cargo test --release -p ptx-emulator --test fuzz -- --nocapture`

mod text;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use ptx_emulator::{
    Approximation, Asynchrony, Checks, Config, DeviceModel, Emulator, Launch, Module, Residency, Schedule, mutate,
};
use text::{Base, Corpus};

/// Inputs that are tried by default.
const INPUTS: u32 = 12_000;
/// The most memory that any input may hold at once.
const MEMORY: usize = 512 << 20;
/// The longest that any input may take, on a machine with other work.
const TIME: Duration = Duration::from_secs(20);
/// Warp-instructions of a launch.
const INSTRUCTIONS: u64 = 2000;

/// Counts the bytes that are held. What is larger than any input may hold is refused as a whole, but for zeros, which take memory only where they are touched:
/// a kernel may have a variable of gigabytes.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    if bytes <= MEMORY {
        MOST.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        if layout.size() > MEMORY {
            MOST.store(usize::MAX / 2, Relaxed);
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if layout.size() <= MEMORY {
            HELD.fetch_sub(layout.size(), Relaxed);
        }
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How a kernel is launched.
#[derive(Clone, Debug)]
struct Setting {
    seed: u64,
    grid: u32,
    block: u32,
    shared: u32,
    cluster: Option<u32>,
}

impl Setting {
    fn config(&self) -> Config {
        let bit = |at: u32| self.seed >> at & 1 != 0;
        let pick = |at: u32, count: usize| (self.seed >> at) as usize % count;
        Config {
            schedule: [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy][pick(0, 3)],
            asynchrony: [Asynchrony::Eager, Asynchrony::Late, Asynchrony::Random][pick(4, 3)],
            approximation: if bit(8) { Approximation::Perturbed } else { Approximation::Exact },
            checks: [Checks::ALL, Checks::ALL, Checks::NONE][pick(9, 3)],
            residency: Residency { resident_blocks: 1 + pick(12, 4), reversed: bit(14) },
            seed: self.seed,
            workers: 1,
            instruction_limit: INSTRUCTIONS,
            ..Config::new(DeviceModel::ALL[[3, 3, 3, 0, 4][pick(16, 5)]])
        }
    }
}

/// Loads a text in every way, and launches what it has. Gives the number of kernels that loaded and of launches that ended well.
fn try_text(text: &str, setting: &Setting) -> (u32, u32) {
    let strict = Module::load(text);
    let lenient = Module::load_lenient(text);
    if let (Ok(_), Err(error)) = (&strict, &lenient) {
        panic!("refused by the lenient loader alone: {error}");
    }
    if let Ok(sites) = mutate::sites(text) {
        sites.iter().take(2).for_each(|site| drop(site.apply(text, 0)));
    }
    let Ok(module) = lenient else { return (0, 0) };
    module.refused().for_each(|(name, error)| drop(format!("{name}: {error}")));
    let device = Emulator::new(setting.config());
    let Ok(data) = device.alloc(4096, "data") else { return (0, 0) };
    let (mut kernels, mut good) = (0, 0);
    for kernel in module.kernels().take(3) {
        kernels += 1;
        // Addresses of the allocation, and numbers that are none.
        let words = (0..kernel.param_bytes().div_ceil(8)).map(|at| match (mix(setting.seed, at) % 4, at) {
            (0, 2..) => mix(setting.seed, at + 100),
            _ => data + u64::from(at % 4) * 1024,
        });
        let mut params: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        params.truncate(kernel.param_bytes() as usize);
        let block = kernel.required_threads().unwrap_or([setting.block, 1, 1]);
        let launch = Launch {
            kernel: &kernel,
            grid: [setting.grid, 1, 1],
            block,
            dynamic_shared: setting.shared,
            params: &params,
            config: None,
        };
        let outcome = match setting.cluster {
            Some(blocks) => device.launch_cluster(&launch, [blocks, 1, 1]),
            None => device.launch(&launch),
        };
        match outcome {
            Ok(_) => good += 1,
            Err(error) => drop(error.to_string()),
        }
    }
    (kernels, good)
}

fn mix(seed: u64, at: u32) -> u64 {
    let x = (seed ^ u64::from(at) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 1
}

fn setting() -> impl Strategy<Value = Setting> {
    let block = prop::sample::select(vec![1u32, 31, 32, 33, 64, 128, 256]);
    let shared = prop::sample::select(vec![0u32, 16, 1024, 60_000, 300_000, u32::MAX]);
    (any::<u64>(), 1u32..4, block, shared, prop::option::weighted(0.2, 0u32..4))
        .prop_map(|(seed, grid, block, shared, cluster)| Setting { seed, grid, block, shared, cluster })
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn no_input_panics_hangs_or_takes_memory_without_end() {
    let inputs = number("PTX_EMULATOR_FUZZ").map_or(INPUTS, |count| count as u32);
    let seed = number("PTX_EMULATOR_FUZZ_SEED").unwrap_or(1);
    let corpus = Corpus::new();
    let step = (any::<u8>(), any::<u32>(), any::<u32>());
    let base = prop_oneof![
        2 => (0..corpus.kernels()).prop_map(Base::Compiled),
        12 => prop::collection::vec(0..corpus.instructions(), 1..7).prop_map(Base::Made),
        1 => ".{0,200}".prop_map(Base::Raw),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Base::Raw(String::from_utf8_lossy(&bytes).into_owned())),
    ];
    // Unchanged code runs furthest.
    let steps = prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(step, 1..5)];
    let input = (base, steps, setting());

    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let runs = Runs { cases: inputs, failure_persistence: None, max_shrink_iters: 5000, ..Runs::default() };
    let mut runner = TestRunner::new_with_rng(runs, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let [tried, loaded, kernels, good, most] = [const { Cell::new(0u64) }; 5];
    let slowest = Cell::new(Duration::ZERO);
    let start = Instant::now();
    let outcome = runner.run(&input, |(base, steps, setting)| {
        let text = corpus.text(&base, &steps);
        let (begin, held) = (Instant::now(), HELD.load(Relaxed));
        MOST.store(held, Relaxed);
        let (of_text, ended) = try_text(&text, &setting);
        let (spent, taken) = (begin.elapsed(), MOST.load(Relaxed).saturating_sub(held));
        if spent > TIME || taken > MEMORY {
            return Err(TestCaseError::fail(format!("{spent:?} and {taken} bytes for a text of {}", text.len())));
        }
        tried.set(tried.get() + 1);
        loaded.set(loaded.get() + u64::from(of_text > 0));
        kernels.set(kernels.get() + u64::from(of_text));
        good.set(good.get() + u64::from(ended));
        most.set(most.get().max(taken as u64));
        slowest.set(slowest.get().max(spent));
        Ok(())
    });
    if let Err(TestError::Fail(why, (base, steps, setting))) = &outcome {
        panic!("seed {seed}: {why}\n{setting:?}\n{}", corpus.text(base, steps));
    }
    outcome.expect("no input is rejected");
    println!(
        "{} inputs of seed {seed} in {:.1} s: {} with kernels that loaded, {} kernels launched, {} of them to their end; at most {:.3} s and {} KiB for one",
        tried.get(),
        start.elapsed().as_secs_f64(),
        loaded.get(),
        kernels.get(),
        good.get(),
        slowest.get().as_secs_f64(),
        most.get() >> 10
    );
    // What is tried has to reach past the parser.
    assert!(loaded.get() * 5 > tried.get() && good.get() * 40 > tried.get());
}
