//! The race detector from outside: kernels with one mistake each, and the faults that name both sides; the same kernels without the
//! mistake, and no fault.

use ptx_emulator::{
    Asynchrony, Checks, Config, DeviceModel, Emulator, FaultKind, Faults, Launch, LaunchError, Module, Schedule,
};

/// Declarations of every kernel here: %r1 is the thread's number, %r2 its word's address in the array `s`, %r3 the address of the
/// word of the thread 32 further (or back), %rd1 the global buffer, %rd2 the thread's 16 bytes in it.
const HEAD: &str = ".version 7.0
.target sm_80
.address_size 64
.file 1 \"kernel.cu\"
.visible .entry k(.param .u64 buffer) {
.reg .pred %p<4>; .reg .b32 %r<16>; .reg .b64 %rd<8>;
.shared .align 16 .b8 s[2048];
mov.u32 %r1, %tid.x;
shl.b32 %r2, %r1, 2;
mov.u32 %r4, s;
add.s32 %r2, %r2, %r4;
xor.b32 %r3, %r1, 32;
shl.b32 %r3, %r3, 2;
add.s32 %r3, %r3, %r4;
ld.param.u64 %rd1, [buffer];
mul.wide.u32 %rd2, %r1, 16;
add.s64 %rd2, %rd1, %rd2;
shl.b32 %r5, %r1, 4;
add.s32 %r5, %r5, %r4;
";

/// Runs the body in a block, under every schedule, and gives the faults of each.
fn run(threads: u32, body: &str) -> Vec<Option<Faults>> {
    let module = Module::load(&format!("{HEAD}{body}\nret;\n}}\n")).unwrap_or_else(|error| panic!("{error}"));
    let kernel = module.kernel("k").unwrap();
    let orders = [
        (Schedule::RoundRobin, Asynchrony::Late),
        (Schedule::Greedy, Asynchrony::Eager),
        (Schedule::Random, Asynchrony::Random),
    ];
    orders
        .into_iter()
        .map(|(schedule, asynchrony)| {
            let emulator = Emulator::new(Config { schedule, asynchrony, ..Config::new(DeviceModel::Sm80) });
            let buffer = emulator.alloc(4096, "buffer").unwrap();
            emulator.fill(buffer, 4096, 7, 4).unwrap();
            let params = buffer.to_le_bytes();
            let launch = Launch {
                kernel: &kernel,
                grid: [1; 3],
                block: [threads, 1, 1],
                dynamic_shared: 0,
                params: &params,
                config: None,
            };
            match emulator.launch(&launch) {
                Ok(_) => None,
                Err(LaunchError::Faults(faults)) => Some(faults),
                Err(refused) => panic!("{refused}"),
            }
        })
        .collect()
}

#[track_caller]
fn assert_clean(threads: u32, body: &str) {
    for faults in run(threads, body) {
        assert!(faults.is_none(), "{}", faults.unwrap());
    }
}

/// Every schedule finds the hazard, at the one line or, where the other side came first, at the other.
#[track_caller]
fn assert_race(threads: u32, body: &str, lines: (u32, u32), hazards: [&str; 2]) {
    for faults in run(threads, body) {
        let faults = faults.expect("a race");
        let fault = &faults.faults[0];
        let FaultKind::Race { hazard, earlier, .. } = &fault.kind else { panic!("{fault}") };
        let line = |location: &ptx_emulator::Location| location.source.as_ref().map_or(0, |source| source.line);
        let found = (line(&earlier.location), line(&fault.location));
        let swapped = (lines.1, lines.0);
        assert!(
            (found == lines && *hazard == hazards[0]) || (found == swapped && *hazard == hazards[1]),
            "{fault}: {found:?}"
        );
        assert_ne!(fault.thread, earlier.thread, "{fault}");
    }
}

const STORE: &str = ".loc 1 10 1\nst.shared.b32 [%r2], %r1;\n";
const LOAD: &str = ".loc 1 12 1\nld.shared.b32 %r6, [%r3];\n";
const STORE_AGAIN: &str = ".loc 1 14 1\nst.shared.b32 [%r2], %r6;\n";
const BARRIER: &str = ".loc 1 11 1\nbar.sync 0;\n";

#[test]
fn a_missing_barrier_between_a_store_and_a_load() {
    assert_clean(64, &[STORE, BARRIER, LOAD].concat());
    let body = [STORE, LOAD].concat();
    // The load may come first, to a word that nothing has written.
    for faults in run(64, &body) {
        let faults = faults.unwrap();
        let is_known = |kind: &FaultKind| {
            matches!(kind, FaultKind::Race { .. } | FaultKind::Uninitialised { space: "shared", .. })
        };
        assert!(faults.faults.iter().all(|fault| is_known(&fault.kind)), "{faults}");
    }
    let initialised = [STORE, BARRIER, STORE, LOAD].concat();
    assert_race(64, &initialised, (10, 12), ["read after write", "write after read"]);
}

#[test]
fn a_missing_barrier_between_a_load_and_a_store() {
    assert_clean(64, &[STORE, BARRIER, LOAD, BARRIER, STORE_AGAIN].concat());
    let body = [STORE, BARRIER, LOAD, STORE_AGAIN].concat();
    assert_race(64, &body, (12, 14), ["write after read", "read after write"]);
}

#[test]
fn a_report_names_both_lines() {
    let faults = run(64, &[STORE, BARRIER, STORE, LOAD].concat()).remove(1).unwrap();
    let text = faults.to_string();
    for part in
        ["kernel.cu:10", "kernel.cu:12", "read after write", "ld.shared.b32 %r6, [%r3]", "st.shared.b32 [%r2], %r1"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn named_barriers_order_those_who_take_part() {
    // Warp 0 produces and arrives; warp 1 waits.
    let producer_consumer = |wait: &str| {
        format!(
            "setp.ge.u32 %p1, %r1, 32;\n@%p1 bra CONSUMER;\n{STORE}bar.arrive 1, 64;\nbra END;\nCONSUMER:\n{wait}\n{LOAD}END:\n"
        )
    };
    assert_clean(64, &producer_consumer("bar.sync 1, 64;"));
    // The consumer waits at a barrier that has nothing to do with the producer.
    let faults = run(64, &producer_consumer("bar.sync 2, 32;"));
    assert!(faults.into_iter().all(|faults| faults.is_some()));
}

#[test]
fn lanes_of_a_warp_need_a_warp_barrier() {
    let exchange = |barrier: &str| {
        format!(
            "{STORE}{barrier}\nxor.b32 %r7, %r1, 1;\nshl.b32 %r7, %r7, 2;\nadd.s32 %r7, %r7, %r4;\n.loc 1 12 1\nld.shared.b32 %r6, [%r7];\n"
        )
    };
    assert_clean(32, &exchange("bar.warp.sync 0xffffffff;"));
    assert_race(32, &exchange(""), (10, 12), ["read after write", "write after read"]);
    // A shuffle brings the lanes together, but orders no memory.
    let shuffle = "shfl.sync.bfly.b32 %r8, %r1, 1, 31, -1;";
    assert_race(32, &exchange(shuffle), (10, 12), ["read after write", "write after read"]);
}

#[test]
fn half_warps_that_meet_apart_do_not_meet_each_other() {
    // The lower lanes name the lower half, the upper lanes the upper; then each reads a word of its own half, or of the other.
    let halves = |distance: u32| {
        format!(
            "{STORE}setp.lt.u32 %p1, %r1, 16;\nselp.b32 %r9, 0xffff, 0xffff0000, %p1;\nbar.warp.sync %r9;\n\
             xor.b32 %r7, %r1, {distance};\nshl.b32 %r7, %r7, 2;\nadd.s32 %r7, %r7, %r4;\n.loc 1 12 1\nld.shared.b32 %r6, [%r7];\n"
        )
    };
    assert_clean(32, &halves(8));
    assert_race(32, &halves(16), (10, 12), ["read after write", "write after read"]);
}

#[test]
fn copies_need_their_wait_and_a_barrier() {
    const ISSUE: &str = ".loc 1 20 1\ncp.async.cg.shared.global [%r5], [%rd2], 16;\ncp.async.commit_group;\n";
    const WAIT: &str = "cp.async.wait_group 0;\n";
    // Each thread reads 16 bytes that a thread of the other warp has copied.
    const READ: &str = ".loc 1 22 1\nxor.b32 %r7, %r5, 512;\nld.shared.b32 %r6, [%r7];\n";
    // 64 threads copy 1024 bytes, from the array's start on.
    assert_clean(64, &[ISSUE, WAIT, BARRIER, READ].concat());
    for (body, what) in [([ISSUE, BARRIER, READ].concat(), "in flight"), ([ISSUE, WAIT, READ].concat(), "a race")] {
        for faults in run(64, &body) {
            let faults = faults.expect(what);
            let fault = &faults.faults[0];
            match &fault.kind {
                FaultKind::InFlight { copy, .. } => {
                    assert_eq!(copy.location.source.as_ref().unwrap().line, 20, "{fault}")
                }
                FaultKind::Race { .. } | FaultKind::Uninitialised { .. } => assert_eq!(what, "a race", "{fault}"),
                _ => panic!("{fault}"),
            }
        }
    }
    // The copy into what the other warp still reads.
    let reuse = [STORE, BARRIER, LOAD, ISSUE, WAIT].concat();
    assert!(run(64, &reuse).into_iter().all(|faults| faults.is_some()));
    assert_clean(64, &[STORE, BARRIER, LOAD, BARRIER, ISSUE, WAIT].concat());
}

#[test]
fn atomics_race_with_plain_accesses_alone() {
    const ZERO: &str = "setp.ne.u32 %p1, %r1, 0;\n@%p1 bra GO;\nst.shared.b32 [%r4], 0;\nGO:\n";
    const ADD: &str = ".loc 1 10 1\natom.shared.add.u32 %r6, [%r4], 1;\n";
    const READ: &str = ".loc 1 12 1\nld.shared.b32 %r6, [%r4];\n";
    assert_clean(64, &[ZERO, BARRIER, ADD, ADD, BARRIER, READ].concat());
    assert!(run(64, &[ZERO, BARRIER, ADD, READ].concat()).into_iter().all(|faults| faults.is_some()));
}

#[test]
fn uninitialised_words_are_named() {
    for faults in run(32, LOAD) {
        let faults = faults.unwrap();
        assert_eq!(faults.faults.len(), 1, "one for all lanes: {faults}");
        assert_eq!((faults.total, faults.faults[0].thread), (32, [0, 0, 0]));
        assert_eq!(faults.faults[0].kind, FaultKind::Uninitialised { space: "shared", address: 128, nearest: None });
    }
}

#[test]
fn checks_can_be_switched_off() {
    let module = Module::load(&format!("{HEAD}{LOAD}{STORE}ret;\n}}\n")).unwrap();
    let kernel = module.kernel("k").unwrap();
    let emulator = Emulator::new(Config { checks: Checks::NONE, ..Config::new(DeviceModel::Sm80) });
    let launch =
        Launch { kernel: &kernel, grid: [1; 3], block: [64, 1, 1], dynamic_shared: 0, params: &[0; 8], config: None };
    emulator.launch(&launch).unwrap();
}

#[test]
fn a_thread_releases_its_own_accesses_and_those_it_met() {
    // Each lane of warp 0 stores; its lane 0 sets a flag that lane 0 of warp 1 waits for; then all lanes of warp 1 load.
    let message = |before: &str, after: &str| {
        format!(
            "mov.u32 %r8, s;\nadd.u32 %r8, %r8, 1024;\nsetp.eq.u32 %p3, %r1, 0;\n@%p3 st.shared.u32 [%r8], 0;\nbar.sync 0;\n\
             and.b32 %r7, %r1, 31;\nsetp.ne.u32 %p2, %r7, 0;\nsetp.ge.u32 %p1, %r1, 32;\n@%p1 bra READ;\n{STORE}{before}\n@%p2 bra END;\n\
             fence.acq_rel.cta;\nst.relaxed.cta.shared.u32 [%r8], 1;\nbra END;\nREAD:\n@%p2 bra JOIN;\n\
             SPIN:\nld.relaxed.cta.shared.u32 %r9, [%r8];\nsetp.eq.u32 %p3, %r9, 0;\n@%p3 bra SPIN;\nfence.acq_rel.cta;\nJOIN:\n{after}\n{LOAD}END:\n"
        )
    };
    const MEET: &str = "bar.warp.sync -1;";
    assert_clean(64, &message(MEET, MEET));
    for (before, after) in [("", MEET), (MEET, ""), ("", "")] {
        assert!(run(64, &message(before, after)).into_iter().all(|faults| faults.is_some()), "{before} {after}");
    }
}

#[test]
fn rows_of_matrices_belong_to_the_lanes_that_receive_them() {
    // Lane l writes row l and gives its address.
    let body = |barrier: &str| {
        format!(
            "st.shared.v4.b32 [%r5], {{%r1, %r1, %r1, %r1}};\n{barrier}\nldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%r6, %r7, %r8, %r9}}, [%r5];\n"
        )
    };
    assert_clean(32, &body("bar.warp.sync -1;"));
    assert!(run(32, &body("")).into_iter().all(|faults| faults.is_some()));
}

/// Two warps store to the words of one of them: `value` is the thread's.
fn stores_of_two_warps(value: &str, checks: Checks) -> Option<Faults> {
    let body = format!(
        "{value}\nand.b32 %r6, %r1, 31;\nshl.b32 %r6, %r6, 2;\nadd.s32 %r6, %r6, %r4;\nst.shared.u32 [%r6], %r7;\n"
    );
    let module = Module::load(&format!("{HEAD}{body}\nret;\n}}\n")).unwrap_or_else(|error| panic!("{error}"));
    let kernel = module.kernel("k").unwrap();
    let emulator = Emulator::new(Config { checks, ..Config::new(DeviceModel::Sm80) });
    let buffer = emulator.alloc(4096, "buffer").unwrap();
    let params = buffer.to_le_bytes();
    let launch =
        Launch { kernel: &kernel, grid: [1; 3], block: [64, 1, 1], dynamic_shared: 0, params: &params, config: None };
    match emulator.launch(&launch) {
        Ok(_) => None,
        Err(LaunchError::Faults(faults)) => Some(faults),
        Err(refused) => panic!("{refused}"),
    }
}

#[test]
fn equal_stores_of_two_warps_are_a_race_where_they_are_wanted() {
    let lenient = Checks { equal_stores: false, ..Checks::ALL };
    let same = "and.b32 %r7, %r1, 31;";
    let faults = stores_of_two_warps(same, Checks::ALL).expect("a race");
    assert!(matches!(&faults.faults[0].kind, FaultKind::Race { hazard: "write after write", .. }), "{faults}");
    assert_eq!(stores_of_two_warps(same, lenient), None);
    // Values of which one word differs are a race all the same, there and nowhere else.
    let one_differs = "and.b32 %r7, %r1, 31;\nsetp.eq.u32 %p1, %r1, 40;\n@%p1 add.u32 %r7, %r7, 1;";
    let faults = stores_of_two_warps(one_differs, lenient).expect("a race");
    assert_eq!((faults.total, faults.faults[0].thread), (1, [40, 0, 0]));
}

#[test]
fn lanes_of_one_store_race_with_different_values_even_if_one_is_there_already() {
    let lenient = Checks { equal_stores: false, ..Checks::ALL };
    // Both lanes of a pair store to one word, which holds the value of one of them.
    let body = "mov.u32 %r7, 5;\nst.shared.u32 [%r4], %r7;\nbar.sync 0;\nand.b32 %r7, %r1, 1;\nadd.u32 %r7, %r7, 5;\n\
                setp.lt.u32 %p1, %r1, 2;\n@%p1 st.shared.u32 [%r4], %r7;\nmov.u32 %r7, 0;\nadd.s32 %r4, %r4, 256;";
    assert!(stores_of_two_warps(body, lenient).is_some());
}

#[test]
fn a_deadlock_names_every_warp_with_what_it_waits_for_and_where() {
    // Two warps meet at two barriers in opposite order; a third one has nothing to do with it.
    let body = "setp.ge.u32 %p2, %r1, 64;\n@%p2 bra END;\nsetp.ge.u32 %p1, %r1, 32;\n@%p1 bra OTHER;\n.loc 1 30 1\nbar.sync 1, 64;\n\
                bar.sync 2, 64;\nbra END;\nOTHER:\n.loc 1 40 1\nbar.sync 2, 64;\nbar.sync 1, 64;\nEND:\n.loc 1 50 1\nbar.sync 3;";
    for faults in run(96, body) {
        let faults = faults.expect("a deadlock");
        let fault = &faults.faults[0];
        let FaultKind::Deadlock { waiting } = &fault.kind else { panic!("{fault}") };
        let expected = [
            "warp 0, lanes 0xffffffff, at barrier 1, where 32 of 64 threads are: kernel.cu:30 (bar.sync 1, 64)",
            "warp 1, lanes 0xffffffff, at barrier 2, where 32 of 64 threads are: kernel.cu:40 (bar.sync 2, 64)",
            "warp 2, lanes 0xffffffff, at barrier 3, where 32 of 96 threads are: kernel.cu:50 (bar.sync 3)",
        ];
        assert_eq!(waiting, &expected);
        assert!(
            fault
                .to_string()
                .starts_with("k: block [0, 0, 0], thread [0, 0, 0], kernel.cu:30 (bar.sync 1, 64): deadlock: warp 0")
        );
    }
    // The same order on both sides.
    assert_clean(96, &body.replace("bar.sync 2, 64;\nbar.sync 1, 64;", "bar.sync 1, 64;\nbar.sync 2, 64;"));
}
