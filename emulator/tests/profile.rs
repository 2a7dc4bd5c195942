//! Counts by line, on a kernel as nvcc compiles it and on a chain of inlined calls written by hand.

use ptx_emulator::{
    Attribution, Class, Config, Counters, DeviceModel, Emulator, Launch, Module, Profile, SourceLine, WaitKind,
};

const ROWS: u64 = 3;
const WIDTH: u64 = 1000;

/// `row_sum` of `tests/ptx/reductions.cu`, in blocks of 256 threads, and what a plain launch counts.
fn row_sums(workers: usize) -> (Profile, Counters) {
    let module = Module::load(include_str!("ptx/reductions.ptx")).unwrap();
    let kernel = module.kernel("row_sum").unwrap();
    let device = Emulator::new(Config { workers, ..Config::new(DeviceModel::Sm80) });
    let mut params = Vec::new();
    for bytes in [4 * ROWS * WIDTH, 4 * ROWS] {
        let address = device.alloc(bytes, "tensor").unwrap();
        device.fill(address, bytes, 0x3f80_0000, 4).unwrap();
        params.extend(address.to_le_bytes());
    }
    params.extend((WIDTH as u32).to_le_bytes());
    let (grid, block) = ([ROWS as u32, 1, 1], [256, 1, 1]);
    let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None };
    (device.profile(&launch, None).unwrap(), device.launch(&launch).unwrap())
}

/// The counts of the lines for which a condition holds.
fn sum(profile: &Profile, attribution: Attribution, holds: impl Fn(&SourceLine) -> bool) -> Counters {
    let mut all = Counters::default();
    let lines = profile.lines(attribution);
    let lines = lines.iter().filter(|line| line.line.as_ref().is_some_and(&holds));
    lines.for_each(|line| all += &line.counters);
    all
}

#[test]
fn lines_of_a_compiled_kernel() {
    let (profile, plain) = row_sums(1);
    assert_eq!(profile.counters(), plain);
    assert_eq!((profile.kernel().name(), profile.grid(), profile.block()), ("row_sum", [3, 1, 1], [256, 1, 1]));
    let shuffles = |counters: &Counters| counters.warp_instructions[Class::Shuffle as usize];
    let line = |number: u32| {
        sum(&profile, Attribution::Outermost, |line| line.file.ends_with("reductions.cu") && line.line == number)
    };
    // Line 5 loads, line 6 has five shuffles by each of eight warps and line 11 five by the first one.
    assert_eq!((line(5).global_load_bytes, line(6).global_load_bytes), (4 * ROWS * WIDTH, 0));
    assert_eq!((shuffles(&line(6)), shuffles(&line(11))), (ROWS * 5 * 8, ROWS * 5));
    assert_eq!(line(8).waits[WaitKind::Barrier as usize], ROWS * 8);
    assert_eq!(line(12).global_store_bytes, 4 * ROWS);
    assert_eq!(line(7).shared_wavefronts, ROWS * 8);
    // All of them are written in a header, in one function.
    let header = sum(&profile, Attribution::Innermost, |line| line.file == "sm_30_intrinsics.hpp" && line.line == 449);
    assert_eq!(shuffles(&header), ROWS * 5 * 9);
    let own = sum(&profile, Attribution::Innermost, |line| line.file.ends_with("reductions.cu"));
    assert_eq!(shuffles(&own), 0);
}

#[test]
fn lines_and_instructions_add_up() {
    let (profile, plain) = row_sums(0);
    assert_eq!(profile.counters(), plain);
    // What is in flight is known of the whole alone.
    let plain = Counters { in_flight: Default::default(), ..plain };
    for attribution in [Attribution::Innermost, Attribution::Outermost] {
        let mut all = Counters::default();
        let lines = profile.lines(attribution);
        lines.iter().for_each(|line| all += &line.counters);
        assert_eq!(all, plain, "{attribution:?}");
        assert!(lines.is_sorted_by_key(|line| u64::MAX - line.counters.total_warp_instructions()));
    }
    let mut all = Counters::default();
    let instructions = profile.instructions();
    instructions.iter().for_each(|instruction| all += &instruction.counters);
    assert_eq!(all, plain);
    for instruction in &instructions {
        let of_class = instruction.counters.warp_instructions[instruction.class as usize];
        let of_pipe = instruction.counters.pipe_warp_instructions[instruction.pipe as usize];
        let executed = instruction.counters.total_warp_instructions();
        assert_eq!((of_class, of_pipe), (executed, executed), "{}", instruction.location);
    }
}

#[test]
fn chains_of_inlined_calls() {
    // Line 30 of the kernel calls a function, whose line 20 calls another one, of line 10; and line 31 calls that, too.
    let ptx = ".version 7.4\n.target sm_80\n.address_size 64\n.visible .entry k() {\n.reg .b32 %r<4>;\n\
        .loc 1 30 1\nmov.u32 %r0, %tid.x;\n\
        .loc 2 20 5, function_name INFO, inlined_at 1 30 5\nadd.u32 %r1, %r0, 1;\nadd.u32 %r1, %r1, 1;\n\
        .loc 2 10 1, function_name INFO, inlined_at 2 20 5\nmul.lo.u32 %r2, %r1, %r1;\n\
        .loc 2 10 1, function_name INFO, inlined_at 1 31 5\nmul.lo.u32 %r2, %r2, %r1;\n\
        .loc 1 32 1\nret;\n}\n.file 1 \"kernel.cu\"\n.file 2 \"common.cuh\"\n\
        .section .debug_str {\nINFO:\n.b8 102, 0\n}\n";
    let kernel = Module::load(ptx).unwrap().kernel("k").unwrap();
    let device = Emulator::new(Config::new(DeviceModel::Sm80));
    let (grid, block) = ([1, 1, 1], [64, 1, 1]);
    let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &[], config: None };
    let profile = device.profile(&launch, None).unwrap();
    let counts = |attribution| {
        let lines = profile.lines(attribution).into_iter().map(|line| {
            let place = line.line.unwrap();
            (format!("{}:{}", place.file, place.line), line.counters.total_warp_instructions())
        });
        let mut lines: Vec<_> = lines.collect();
        lines.sort();
        lines
    };
    let named = |lines: &[(&str, u64)]| lines.iter().map(|(name, n)| (name.to_string(), *n)).collect::<Vec<_>>();
    assert_eq!(
        counts(Attribution::Innermost),
        named(&[("common.cuh:10", 4), ("common.cuh:20", 4), ("kernel.cu:30", 2), ("kernel.cu:32", 2)])
    );
    assert_eq!(counts(Attribution::Outermost), named(&[("kernel.cu:30", 8), ("kernel.cu:31", 2), ("kernel.cu:32", 2)]));
}

#[test]
fn a_report_reads_like_a_profilers() {
    let (profile, _) = row_sums(1);
    let source = |line: &SourceLine| {
        let text = include_str!("ptx/reductions.cu").lines().nth(line.line as usize - 1)?;
        line.file.ends_with("reductions.cu").then(|| text.to_owned())
    };
    let floor = 4 * (ROWS * WIDTH + ROWS);
    let report = profile.report().floor(floor).hottest(3, Attribution::Outermost).source(&source).to_string();
    for part in [
        "row_sum: grid 3x1x1, blocks of 256x1x1 threads\n",
        "  loads                   12,000             375      100.0 %\n",
        "  stores                      12               3       12.5 %\n",
        "  floor                   12,012                     1.00 over\n",
        "  waits of warps: barrier 24\n",
        "  the 3 hottest of ",
        "      for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(~0u, sum, o);\n",
    ] {
        assert!(report.contains(part), "{part:?} is missing in\n{report}");
    }
}
