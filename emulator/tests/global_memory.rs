//! The detector on global memory, from outside: races between blocks and within one, and reads of what nothing has written. Each
//! mistake is found under every order of blocks and warps and on any number of worker threads; its correct twin is silent.

use ptx_emulator::{
    Checks, Config, DeviceModel, Emulator, Fault, FaultKind, Faults, Launch, LaunchError, Module, Residency, Schedule,
};

/// %r1 is the thread's number in its block, %r2 the block's, %r3 the thread's in the grid; %rd1 a buffer of 16 KiB, %rd2 the thread's
/// word in it by %r3, %rd3 the word 8 KiB further, %rd4 a word for flags at 4 KiB; %p1 holds in block 0, %p2 in thread 0 of a block.
const HEAD: &str = ".version 8.7
.target sm_90
.address_size 64
.file 1 \"kernel.cu\"
.visible .entry k(.param .u64 buffer) {
.reg .pred %p<6>; .reg .b32 %r<16>; .reg .b64 %rd<8>;
.shared .align 16 .b8 s[2048];
mov.u32 %r1, %tid.x;
mov.u32 %r2, %ctaid.x;
mov.u32 %r4, %ntid.x;
mad.lo.u32 %r3, %r2, %r4, %r1;
ld.param.u64 %rd1, [buffer];
mul.wide.u32 %rd2, %r3, 4;
add.s64 %rd2, %rd1, %rd2;
add.s64 %rd3, %rd2, 8192;
add.s64 %rd4, %rd1, 4096;
setp.eq.u32 %p1, %r2, 0;
setp.eq.u32 %p2, %r1, 0;
";

const SIZE: u64 = 16 << 10;

fn module(body: &str) -> Module {
    Module::load(&format!("{HEAD}{body}\nret;\n}}\n")).unwrap_or_else(|error| panic!("{error}\n{body}"))
}

fn launch(emulator: &Emulator, module: &Module, buffer: u64, (grid, block): (u32, u32)) -> Option<Faults> {
    let (kernel, params) = (module.kernel("k").unwrap(), buffer.to_le_bytes());
    let (grid, block) = ([grid, 1, 1], [block, 1, 1]);
    let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None };
    match emulator.launch(&launch) {
        Ok(_) => None,
        Err(LaunchError::Faults(faults)) => Some(faults),
        Err(refused) => panic!("{refused}"),
    }
}

fn configs() -> Vec<Config> {
    let mut configs = Vec::new();
    for (schedule, reversed, workers) in [
        (Schedule::RoundRobin, false, 1),
        (Schedule::RoundRobin, true, 1),
        (Schedule::Greedy, false, 2),
        (Schedule::Greedy, true, 3),
        (Schedule::Random, false, 4),
        (Schedule::Random, true, 1),
    ] {
        for seed in 0..3 {
            let residency = Residency { reversed, ..Residency::default() };
            configs.push(Config { schedule, residency, workers, seed, ..Config::new(DeviceModel::Sm90) });
        }
    }
    configs
}

fn run(shape: (u32, u32), body: &str) -> Vec<Option<Faults>> {
    let module = module(body);
    let run = |config| {
        let emulator = Emulator::new(config);
        let buffer = emulator.alloc(SIZE, "buffer").unwrap();
        emulator.fill(buffer, SIZE, 0, 4).unwrap();
        launch(&emulator, &module, buffer, shape)
    };
    configs().into_iter().map(run).collect()
}

#[track_caller]
fn assert_clean(shape: (u32, u32), body: &str) {
    for faults in run(shape, body) {
        assert!(faults.is_none(), "{}\n{body}", faults.unwrap());
    }
}

/// The lines and blocks of a race on global memory, the earlier side first.
fn sides(fault: &Fault) -> Option<[(u32, u32); 2]> {
    let FaultKind::Race { space: "global", nearest: Some(nearest), earlier, .. } = &fault.kind else { return None };
    assert!(nearest.contains("`buffer`"), "{nearest}");
    let line = |location: &ptx_emulator::Location| location.source.as_ref().map_or(0, |source| source.line);
    Some([(line(&earlier.location), earlier.block[0]), (line(&fault.location), fault.block[0])])
}

/// Every order of events finds a race between the two lines.
#[track_caller]
fn assert_race(shape: (u32, u32), body: &str, lines: [u32; 2]) {
    for faults in run(shape, body) {
        let faults = faults.unwrap_or_else(|| panic!("no race in\n{body}"));
        let found = faults
            .faults
            .iter()
            .filter_map(sides)
            .any(|[(one, _), (two, _)]| [one, two] == lines || [two, one] == lines);
        assert!(found, "{faults}\n{body}");
    }
}

#[test]
fn blocks_that_write_words_of_their_own() {
    for ty in ["u32", "u16", "u8"] {
        let bytes: u32 = ty[1..].parse::<u32>().unwrap() / 8;
        let own = format!("mul.wide.u32 %rd5, %r3, {bytes};\nadd.s64 %rd5, %rd1, %rd5;\ncvt.u16.u32 %rs1, %r3;\n");
        let value = if ty == "u32" { "%r3" } else { "%rs1" };
        let body = format!(".reg .b16 %rs<2>;\n{own}st.global.{ty} [%rd5], {value};\nld.global.{ty} {value}, [%rd5];");
        assert_clean((9, 33), &body);
    }
}

#[test]
fn blocks_that_write_the_same_word() {
    let body = ".loc 1 10 1\nst.global.u32 [%rd1], %r2;";
    assert_race((9, 1), body, [10, 10]);
    // Equal values, too.
    assert_race((2, 1), ".loc 1 10 1\nst.global.u32 [%rd1], 7;", [10, 10]);
    // Atomic operations do not race with one another.
    assert_clean((9, 64), "red.global.add.u32 [%rd1], 1;");
}

#[test]
fn one_block_reads_what_another_writes() {
    let body = "@!%p1 bra READ;\n.loc 1 10 1\nst.global.u32 [%rd1], 7;\nbra END;\nREAD:\n.loc 1 12 1\nld.global.u32 %r5, [%rd1];\nEND:";
    assert_race((2, 1), body, [10, 12]);
    // A reader in a third block, far from the writer, and half a word.
    let body = "setp.eq.u32 %p3, %r2, 6;\n.reg .b16 %rs<2>;\n@%p1 st.global.u32 [%rd1], 7;\n.loc 1 12 1\n@%p3 ld.global.u16 %rs1, [%rd1+2];\n";
    assert_race((7, 32), body, [0, 12]);
    assert_clean((7, 32), &body.replace("%rd1+2", "%rd1+4"));
}

#[test]
fn a_word_that_the_next_block_still_has_to_read() {
    // x[i] = x[i + 1]: within a block a barrier orders the two, at its end nothing does.
    let shifted = ".loc 1 10 1\nld.global.u32 %r5, [%rd2+4];\nbar.sync 0;\n.loc 1 12 1\nst.global.u32 [%rd2], %r5;";
    assert_clean((1, 64), shifted);
    assert_race((3, 64), shifted, [10, 12]);
    assert_race((1, 64), &shifted.replace("bar.sync 0;", ""), [10, 12]);
    // In place.
    assert_clean((3, 64), &shifted.replace("%rd2+4", "%rd2"));
}

#[test]
fn threads_of_a_block_need_a_barrier() {
    let exchange = |barrier: &str, distance: u32| {
        format!(
            "xor.b32 %r5, %r3, {distance};\nmul.wide.u32 %rd5, %r5, 4;\nadd.s64 %rd5, %rd1, %rd5;\n.loc 1 10 1\nst.global.u32 [%rd2], %r3;\n\
             {barrier}\n.loc 1 12 1\nld.global.u32 %r6, [%rd5];"
        )
    };
    assert_clean((3, 128), &exchange("bar.sync 0;", 64));
    assert_clean((3, 128), &exchange("bar.warp.sync -1;", 1));
    assert_race((3, 128), &exchange("", 64), [10, 12]);
    assert_race((3, 128), &exchange("bar.warp.sync -1;", 64), [10, 12]);
    assert_race((3, 128), &exchange("", 1), [10, 12]);
}

#[test]
fn copies_read_when_they_are_issued() {
    let copy = "mov.u32 %r5, s;\n.loc 1 12 1\ncp.async.ca.shared.global [%r5], [%rd1], 4;\ncp.async.wait_all;\n";
    let body = format!("@%p1 bra WRITE;\n{copy}bra END;\nWRITE:\n.loc 1 10 1\nst.global.u32 [%rd1], 7;\nEND:");
    assert_race((2, 1), &body, [10, 12]);
    assert_clean((2, 1), &body.replace("st.global.u32 [%rd1], 7", "st.global.u32 [%rd1+4], 7"));
}

/// Every thread of block 0 writes a word, a barrier, thread 0 sends a message with `send`; thread 0 of block 1 polls with `poll` until the
/// message is there, does `after`, a barrier, and every thread reads a word.
fn message(send: &str, poll: &str, after: &str, barriers: [&str; 2]) -> String {
    let [before, behind] = barriers;
    format!(
        "@!%p1 bra READ;\n.loc 1 10 1\nst.global.u32 [%rd2], %r1;\n{before}\n@!%p2 bra END;\n{send}\nbra END;\n\
         READ:\n@!%p2 bra GO;\nPOLL:\n{poll}\nsetp.eq.u32 %p3, %r5, 0;\n@%p3 bra POLL;\n{after}\nGO:\n{behind}\n\
         xor.b32 %r6, %r1, 63;\nmul.wide.u32 %rd5, %r6, 4;\nadd.s64 %rd5, %rd1, %rd5;\n.loc 1 12 1\nld.global.u32 %r7, [%rd5];\nEND:"
    )
}

const BARRIERS: [&str; 2] = ["bar.sync 0;"; 2];

#[test]
fn messages_between_blocks() {
    let sends = [
        "st.release.gpu.global.u32 [%rd4], 1;",
        "st.release.sys.global.u32 [%rd4], 1;",
        "fence.acq_rel.gpu;\nst.relaxed.gpu.global.u32 [%rd4], 1;",
        "membar.gl;\nst.volatile.global.u32 [%rd4], 1;",
        "membar.sys;\nred.global.add.u32 [%rd4], 1;",
        "atom.release.gpu.global.exch.b32 %r8, [%rd4], 1;",
        "atom.acq_rel.gpu.global.add.u32 %r8, [%rd4], 1;",
        "fence.sc.gpu;\natom.global.cas.b32 %r8, [%rd4], 0, 1;",
    ];
    let polls = [
        ("ld.acquire.gpu.global.u32 %r5, [%rd4];", ""),
        ("ld.acquire.sys.global.u32 %r5, [%rd4];", ""),
        ("ld.relaxed.gpu.global.u32 %r5, [%rd4];", "fence.acq_rel.gpu;"),
        ("ld.volatile.global.u32 %r5, [%rd4];", "membar.gl;"),
        ("atom.acquire.gpu.global.or.b32 %r5, [%rd4], 0;", ""),
        ("atom.global.or.b32 %r5, [%rd4], 0;", "fence.acq_rel.gpu;"),
    ];
    for (at, send) in sends.into_iter().enumerate() {
        for (poll, after) in polls.into_iter().skip(at % 3).step_by(3) {
            assert_clean((2, 64), &message(send, poll, after, BARRIERS));
        }
    }
}

#[test]
fn messages_that_order_nothing() {
    let (send, poll) = ("st.release.gpu.global.u32 [%rd4], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd4];");
    for wrong in [
        // Nothing releases, or only within the block.
        "st.relaxed.gpu.global.u32 [%rd4], 1;",
        "st.volatile.global.u32 [%rd4], 1;",
        "red.global.add.u32 [%rd4], 1;",
        "st.release.cta.global.u32 [%rd4], 1;",
        "membar.cta;\nst.volatile.global.u32 [%rd4], 1;",
        "fence.acq_rel.cta;\nst.relaxed.gpu.global.u32 [%rd4], 1;",
        "fence.acq_rel.gpu;\nst.relaxed.cta.global.u32 [%rd4], 1;",
        // The fence comes too late.
        "st.relaxed.gpu.global.u32 [%rd4], 1;\nfence.acq_rel.gpu;",
    ] {
        assert_race((2, 64), &message(wrong, poll, "", BARRIERS), [10, 12]);
    }
    for (wrong, after) in [
        ("ld.relaxed.gpu.global.u32 %r5, [%rd4];", ""),
        ("ld.volatile.global.u32 %r5, [%rd4];", ""),
        ("atom.global.or.b32 %r5, [%rd4], 0;", ""),
        ("ld.acquire.cta.global.u32 %r5, [%rd4];", ""),
        ("ld.relaxed.gpu.global.u32 %r5, [%rd4];", "membar.cta;"),
    ] {
        assert_race((2, 64), &message(send, wrong, after, BARRIERS), [10, 12]);
    }
    // The other threads of either block have no part in it.
    assert_race((2, 64), &message(send, poll, "", ["", "bar.sync 0;"]), [10, 12]);
    assert_race((2, 64), &message(send, poll, "", ["bar.sync 0;", ""]), [10, 12]);
    // A flag that is an ordinary word.
    assert_race(
        (2, 64),
        &message(
            ".loc 1 20 1\nst.global.u32 [%rd4], 1;",
            ".loc 1 21 1\nld.volatile.global.u32 %r5, [%rd4];",
            "",
            BARRIERS,
        ),
        [20, 21],
    );
}

/// Each block in turn adds to a word, passing the turn on.
fn turns(wait: &str, pass: &str) -> String {
    format!(
        "POLL:\n{wait}\nsetp.ne.u32 %p3, %r5, %r2;\n@%p3 bra POLL;\n.loc 1 10 1\nld.global.u32 %r6, [%rd1];\nadd.u32 %r6, %r6, 1;\n\
         .loc 1 12 1\nst.global.u32 [%rd1], %r6;\nadd.u32 %r7, %r2, 1;\n{pass}"
    )
}

#[test]
fn turns_pass_from_block_to_block() {
    let (wait, pass) = ("ld.acquire.gpu.global.u32 %r5, [%rd4];", "st.release.gpu.global.u32 [%rd4], %r7;");
    assert_clean((12, 1), &turns(wait, pass));
    let relaxed = "st.relaxed.gpu.global.u32 [%rd4], %r7;";
    assert_race((12, 1), &turns(wait, relaxed), [10, 12]);
    assert_race((12, 1), &turns("ld.relaxed.gpu.global.u32 %r5, [%rd4];", pass), [10, 12]);
    // A fence on the way of every block makes up for it.
    assert_clean((12, 1), &turns(wait, &format!("fence.acq_rel.gpu;\n{relaxed}")));
}

#[test]
fn spin_locks() {
    let locked = |lock: &str, unlock: &str| {
        format!(
            "TRY:\n{lock}\nsetp.ne.u32 %p3, %r5, 0;\n@%p3 bra TRY;\n.loc 1 10 1\nld.global.u32 %r6, [%rd1];\nadd.u32 %r6, %r6, 1;\n\
             .loc 1 12 1\nst.global.u32 [%rd1], %r6;\n{unlock}"
        )
    };
    let (lock, unlock) =
        ("atom.acquire.gpu.global.cas.b32 %r5, [%rd4], 0, 1;", "atom.release.gpu.global.exch.b32 %r7, [%rd4], 0;");
    assert_clean((8, 1), &locked(lock, unlock));
    let fenced = ("atom.global.cas.b32 %r5, [%rd4], 0, 1;", "atom.global.exch.b32 %r7, [%rd4], 0;");
    assert_clean((8, 1), &locked(&format!("{}\nmembar.gl;", fenced.0), &format!("membar.gl;\n{}", fenced.1)));
    assert_race((8, 1), &locked(fenced.0, fenced.1), [10, 12]);
}

/// The last block to take a ticket adds up what all have written, and gives the tickets back.
fn last_block(before: &str, after: &str, reset: &str) -> String {
    format!(
        ".loc 1 10 1\nst.global.u32 [%rd2], %r3;\nbar.sync 0;\n@!%p2 bra WAIT;\n{before}\natom.global.add.u32 %r5, [%rd4], 1;\n{after}\n\
         st.shared.u32 [s], %r5;\nWAIT:\nbar.sync 0;\nld.shared.u32 %r5, [s];\nmov.u32 %r6, %nctaid.x;\nsub.u32 %r6, %r6, 1;\n\
         setp.ne.u32 %p3, %r5, %r6;\n@%p3 bra END;\nmov.u32 %r7, 0;\nmov.u64 %rd5, %rd1;\nSUM:\n.loc 1 12 1\nld.global.u32 %r8, [%rd5];\n\
         add.s64 %rd5, %rd5, 256;\nadd.u32 %r7, %r7, 1;\nsetp.le.u32 %p4, %r7, %r6;\n@%p4 bra SUM;\n{reset}\nEND:"
    )
}

#[test]
fn tickets_and_the_last_block() {
    let fence = "fence.acq_rel.gpu;";
    assert_clean((6, 64), &last_block(fence, fence, ""));
    assert_race((6, 64), &last_block("", fence, ""), [10, 12]);
    assert_race((6, 64), &last_block(fence, "", ""), [10, 12]);
    // Who has seen all tickets may write over them, and nobody else.
    let reset = ".loc 1 20 1\n@%p2 st.global.u32 [%rd4], 0;";
    assert_clean((6, 64), &last_block(fence, fence, reset));
    let by_all = last_block(fence, fence, "")
        .replace("bar.sync 0;\n@!%p2", ".loc 1 20 1\n@%p1 st.global.u32 [%rd4], 0;\nbar.sync 0;\n@!%p2");
    assert!(run((6, 64), &by_all).into_iter().all(|faults| faults.is_some()));
}

#[test]
fn what_a_third_block_knows_through_the_second() {
    // Block 0 tells block 1, block 1 tells block 2, which reads what block 0 wrote.
    let body = |acquire: &str| {
        format!(
            "setp.eq.u32 %p3, %r2, 1;\n@%p1 bra FIRST;\n@%p3 bra SECOND;\nTHIRD:\nld.acquire.gpu.global.u32 %r5, [%rd4+4];\nsetp.eq.u32 %p4, %r5, 0;\n\
             @%p4 bra THIRD;\n.loc 1 12 1\nld.global.u32 %r6, [%rd1];\nbra END;\nSECOND:\n{acquire}\nsetp.eq.u32 %p4, %r5, 0;\n@%p4 bra SECOND;\n\
             st.release.gpu.global.u32 [%rd4+4], 1;\nbra END;\nFIRST:\n.loc 1 10 1\nst.global.u32 [%rd1], 7;\nst.release.gpu.global.u32 [%rd4], 1;\nEND:"
        )
    };
    assert_clean((3, 1), &body("ld.acquire.gpu.global.u32 %r5, [%rd4];"));
    assert_race((3, 1), &body("ld.relaxed.gpu.global.u32 %r5, [%rd4];"), [10, 12]);
}

#[test]
fn messages_within_a_block_need_no_wider_scope() {
    // Warp 0 tells warp 1.
    let body = |send: &str, poll: &str| {
        format!(
            "setp.ge.u32 %p3, %r1, 32;\n@%p3 bra POLL;\n.loc 1 10 1\nst.global.u32 [%rd2], %r1;\nbar.warp.sync -1;\n{send}\nbra END;\nPOLL:\n{poll}\n\
             setp.eq.u32 %p4, %r5, 0;\n@%p4 bra POLL;\n.loc 1 12 1\nld.global.u32 %r6, [%rd2+-128];\nEND:"
        )
    };
    let acquire = "ld.acquire.cta.global.u32 %r5, [%rd4];";
    assert_clean((1, 64), &body("@%p2 st.release.cta.global.u32 [%rd4], 1;", acquire));
    assert_race((1, 64), &body("@%p2 st.relaxed.cta.global.u32 [%rd4], 1;", acquire), [10, 12]);
    assert_clean((1, 64), &body("@%p2 st.release.gpu.global.u32 [%rd4], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd4];"));
}

#[test]
fn faults_do_not_depend_on_workers_or_the_order_of_blocks() {
    // A block has one of ten rows of words: some blocks write theirs, the others read the next one.
    let body = "rem.u32 %r5, %r2, 10;\nmad.lo.u32 %r6, %r5, 32, %r1;\nmul.wide.u32 %rd5, %r6, 4;\nadd.s64 %rd5, %rd1, %rd5;\n\
                rem.u32 %r6, %r2, 3;\nsetp.eq.u32 %p3, %r6, 0;\n.loc 1 10 1\n@%p3 st.global.u32 [%rd5], %r3;\n.loc 1 12 1\n\
                @!%p3 ld.global.u32 %r7, [%rd5+128];";
    let module = module(body);
    let faults = |workers: usize, reversed: bool| {
        let residency = Residency { reversed, ..Residency::default() };
        let emulator = Emulator::new(Config { workers, residency, ..Config::new(DeviceModel::Sm90) });
        let buffer = emulator.alloc(SIZE, "buffer").unwrap();
        emulator.fill(buffer, SIZE, 0, 4).unwrap();
        let faults = launch(&emulator, &module, buffer, (37, 32)).expect("races");
        let texts: Vec<_> = faults.faults.iter().map(|fault| (fault.block, fault.thread, sides(fault))).collect();
        (faults.total, texts)
    };
    let first = faults(1, false);
    assert!(first.1.len() >= 2, "{first:?}");
    for workers in [1, 2, 3, 8] {
        assert_eq!(faults(workers, false), first);
        assert_eq!(faults(workers, true), first);
    }
}

#[test]
fn launches_are_ordered() {
    let (emulator, module) = (
        Emulator::new(Config::new(DeviceModel::Sm90)),
        module("ld.global.u32 %r5, [%rd1];\n@%p1 st.global.u32 [%rd1], %r5;"),
    );
    let buffer = emulator.alloc(SIZE, "buffer").unwrap();
    emulator.write(buffer, &[0; 4]).unwrap();
    for _ in 0..3 {
        assert!(launch(&emulator, &module, buffer, (1, 1)).is_none());
    }
}

#[test]
fn reads_of_what_nothing_has_written() {
    let load = module(".loc 1 10 1\nld.global.u32 %r5, [%rd2];");
    let store = module("st.global.u32 [%rd2], %r1;");
    let both = module("st.global.u32 [%rd2], %r1;\nld.global.u32 %r5, [%rd2];");
    let device = |checks| Emulator::new(Config { checks, ..Config::new(DeviceModel::Sm90) });
    let emulator = device(Checks::ALL);
    let fresh = || emulator.alloc(SIZE, "fresh").unwrap();
    let faults = launch(&emulator, &load, fresh(), (2, 32)).expect("a fault");
    assert_eq!(faults.total, 64);
    let fault = &faults.faults[0];
    let FaultKind::Uninitialised { space: "global", nearest: Some(nearest), .. } = &fault.kind else {
        panic!("{fault}")
    };
    assert!(nearest.contains("byte 0 of `fresh`") && fault.to_string().contains("kernel.cu:10"), "{fault}");
    // Written by the host, filled, copied, written by a kernel before or by the thread itself.
    let clean = |buffer: u64, module: &Module| assert!(launch(&emulator, module, buffer, (2, 32)).is_none());
    let [written, filled, copied, stored] = [fresh(), fresh(), fresh(), fresh()];
    emulator.write(written, &[0; 256]).unwrap();
    clean(written, &load);
    emulator.fill(filled, SIZE, 0, 4).unwrap();
    clean(filled, &load);
    emulator.copy(copied, filled, 256).unwrap();
    clean(copied, &load);
    clean(stored, &store);
    clean(stored, &load);
    clean(fresh(), &both);
    // One byte is missing; and a copy of what nothing has written is no better.
    let holed = fresh();
    emulator.write(holed, &[0; 130]).unwrap();
    emulator.write(holed + 131, &[0; 125]).unwrap();
    assert_eq!(launch(&emulator, &load, holed, (2, 32)).expect("a fault").total, 1);
    emulator.copy(copied, holed, 256).unwrap();
    assert_eq!(launch(&emulator, &load, copied, (2, 32)).expect("a fault").total, 1);
    // Atomic operations and copies read, too.
    for body in ["red.global.add.u32 [%rd2], 1;", "mov.u32 %r5, s;\ncp.async.ca.shared.global [%r5], [%rd2], 4, 2;"] {
        assert!(launch(&emulator, &module(body), fresh(), (1, 1)).is_some(), "{body}");
    }
    let off = device(Checks { uninitialised_global: false, ..Checks::ALL });
    assert!(launch(&off, &load, off.alloc(SIZE, "fresh").unwrap(), (2, 32)).is_none());
}
