//! Bulk copies without tensor maps.

use crate::common::{Case, case, init, orders, wait};
use ptx_emulator::{Asynchrony, Config, DeviceModel, FaultKind, Pipe, WaitKind};

const LOAD: &str = "@p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s], [in], 256, [bars];\n";
const EXPECT: &str = "@p mbarrier.arrive.expect_tx.shared.b64 _, [bars], 256;\n";
/// Every one of 64 threads stores its word of what came.
const SHOW: &str = "shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nld.shared.u32 d, [a];\nmul.wide.u32 A, t, 4;\n\
                    add.u64 A, A, out;\nst.global.u32 [A], d;\n";
/// Every one of 64 threads writes a word of shared memory.
const FILL: &str = "setp.eq.u32 p, t, 0;\nshl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nadd.u32 d, t, 7;\nst.shared.u32 [a], d;\n";
const FENCE: &str = "fence.proxy.async.shared::cta;\n";
const STORE: &str = "@p cp.async.bulk.global.shared::cta.bulk_group [out], [s], 256;\n@p cp.async.bulk.commit_group;\n";
const WAIT: &str = "@p cp.async.bulk.wait_group.read 0;\n";

fn of(body: &str) -> Case<'static> {
    Case { output: 64, ..case(64, body) }
}

#[test]
fn loads_arrive_with_their_phase() {
    let body = [&init("bars", 1), EXPECT, LOAD, &wait("bars", "0"), SHOW].concat();
    of(&body).gives(&(0..64).collect::<Vec<u32>>());
    for config in orders() {
        let (_, counters) = of(&body).run(&config).unwrap();
        assert_eq!((counters.global_load_bytes, counters.global_load_sectors), (256, 8));
        assert_eq!((counters.async_bytes, counters.in_flight.peak), (256, 256));
        assert_eq!(counters.pipe_thread_instructions[Pipe::Tma as usize], 1);
        // Two warps see the phase end, whatever they asked before.
        assert_eq!(counters.waits[WaitKind::Mbarrier as usize], 2);
    }
    // The second warp, which comes to the barrier last, waits already when the first one has issued the copy and executes three more.
    let late = Config { asynchrony: Asynchrony::Late, ..Config::new(DeviceModel::Sm90) };
    let body = [&init("bars", 1), EXPECT, LOAD, &"add.u32 e0, t, 1;\n".repeat(3), &wait("bars", "0"), SHOW].concat();
    let (_, counters) = of(&body).run(&late).unwrap();
    assert_eq!(counters.in_flight.mean(), (256 * 3) as f64 / counters.total_warp_instructions() as f64);
    let (_, counters) = of(&body).run(&Config { asynchrony: Asynchrony::Eager, ..late }).unwrap();
    assert_eq!((counters.in_flight.peak, counters.in_flight.mean()), (256, 0.0));
    // With hints, and after a prefetch.
    let hints = "cp.async.bulk.prefetch.L2.global [in], 256;\ncreatepolicy.fractional.L2::evict_first.b64 B, 1.0;\n\
                 @p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [s], [in], 256, [bars], B;\n";
    of(&[&init("bars", 1), EXPECT, hints, &wait("bars", "0"), SHOW].concat()).gives(&(0..64).collect::<Vec<u32>>());
}

#[test]
fn mistakes_with_loads() {
    let (start, wait) = (init("bars", 1), wait("bars", "0"));
    let in_flight = |kind: &FaultKind| matches!(kind, FaultKind::InFlight { .. });
    // No wait; a wait for the phase before, which never ends once the bytes are there; a wait by another thread alone.
    of(&[&start, EXPECT, LOAD, "bar.sync 0;\n", SHOW].concat()).faults(in_flight);
    of(&[&start, EXPECT, LOAD, "bar.sync 0;\n", &crate::common::wait("bars", "1"), SHOW].concat())
        .faults(|kind| in_flight(kind) || matches!(kind, FaultKind::Deadlock { .. }));
    let by_one = format!("@!p bra ON;\n{wait}ON:\n");
    of(&[&start, EXPECT, LOAD, &by_one, SHOW].concat())
        .faults(|kind| in_flight(kind) || matches!(kind, FaultKind::Uninitialised { .. }));
    of(&[&start, EXPECT, LOAD, &by_one, "bar.sync 0;\n", SHOW].concat()).gives(&(0..64).collect::<Vec<u32>>());
    // No expectation: the phase completes without the bytes, or, where they come first, never.
    let arrive = "@p mbarrier.arrive.shared.b64 _, [bars];\n";
    of(&[&start, arrive, LOAD, &wait, SHOW].concat()).faults(in_flight);
    of(&[&start, LOAD, arrive, &wait, SHOW].concat())
        .faults(|kind| in_flight(kind) || matches!(kind, FaultKind::Deadlock { .. }));
    // Too few bytes expected, or too many.
    let wrong = |bytes: u32| format!("@p mbarrier.arrive.expect_tx.shared.b64 _, [bars], {bytes};\n");
    for bytes in [240, 272] {
        of(&[&start, &wrong(bytes), LOAD, &wait, SHOW].concat())
            .faults(|kind| matches!(kind, FaultKind::Deadlock { .. }));
    }
    // An object that another warp does not know of yet. With a barrier no fence is needed.
    let init = "setp.eq.u32 p, t, 0;\n@p mbarrier.init.shared.b64 [bars], 1;\n";
    of(&[init, "bar.sync 0;\n", EXPECT, LOAD, &wait, SHOW].concat()).gives(&(0..64).collect::<Vec<u32>>());
    let known = [init, "fence.mbarrier_init.release.cluster;\nbar.sync 0;\n", EXPECT, LOAD, &wait, SHOW].concat();
    of(&known).gives(&(0..64).collect::<Vec<u32>>());
    let by_another = "setp.eq.u32 p, t, 32;\n";
    of(&[init, by_another, EXPECT, LOAD, &wait].concat())
        .faults(|kind| matches!(kind, FaultKind::Race { .. } | FaultKind::Mbarrier { .. }));
    // The block ends while bytes are on their way.
    let late = orders().into_iter().find(|config| config.asynchrony == ptx_emulator::Asynchrony::Late).unwrap();
    let error = of(&[&start, EXPECT, LOAD].concat()).run(&late).unwrap_err().to_string();
    assert!(error.contains("still in flight"), "{error}");
    // Over what threads have read or written without an order.
    let over = [&start, FILL, EXPECT, LOAD, &wait, "bar.sync 0;\n", SHOW].concat();
    of(&over).faults(|kind| in_flight(kind) || matches!(kind, FaultKind::Race { .. } | FaultKind::Proxy { .. }));
    let over = [&start, FILL, FENCE, "bar.sync 0;\n", EXPECT, LOAD, &wait, SHOW].concat();
    of(&over).gives(&(0..64).collect::<Vec<u32>>());
    // What was read before needs an order alone, and no fence.
    let read = "ld.shared.u32 e0, [a];\n";
    let after = [&start, FILL, FENCE, "bar.sync 0;\n", read, "bar.sync 0;\n", EXPECT, LOAD, &wait, SHOW].concat();
    of(&after).gives(&(0..64).collect::<Vec<u32>>());
    let before = [&start, FILL, FENCE, "bar.sync 0;\n", read, EXPECT, LOAD, &wait, SHOW].concat();
    of(&before).faults(|kind| in_flight(kind) || matches!(kind, FaultKind::Race { .. }));
}

#[test]
fn stores_read_what_threads_made_visible() {
    let expected: Vec<u32> = (7..71).collect();
    of(&[FILL, FENCE, "bar.sync 0;\n", STORE, WAIT].concat()).gives(&expected);
    for config in orders() {
        let (_, counters) = of(&[FILL, FENCE, "bar.sync 0;\n", STORE, WAIT].concat()).run(&config).unwrap();
        assert_eq!((counters.async_bytes, counters.in_flight.peak, counters.global_store_bytes), (256, 256, 256));
        assert_eq!(counters.waits[WaitKind::Bulk as usize], 1);
    }
    // The fence may lie anywhere on the way: with the thread that issues, too.
    of(&[FILL, "bar.sync 0;\n", FENCE, STORE, WAIT].concat()).gives(&expected);
    of(&[FILL, "bar.sync 0;\n", STORE, WAIT].concat()).faults(|kind| matches!(kind, FaultKind::Proxy { .. }));
    // A fence between the proxies orders no threads, and one before the write is of no use.
    of(&[FILL, FENCE, STORE, WAIT].concat()).faults(|kind| {
        matches!(kind, FaultKind::Race { .. } | FaultKind::Uninitialised { .. } | FaultKind::InFlight { .. })
    });
    of(&[FENCE, FILL, "bar.sync 0;\n", STORE, WAIT].concat()).faults(|kind| matches!(kind, FaultKind::Proxy { .. }));
    let global = "fence.proxy.async.global;\n";
    of(&[FILL, global, "bar.sync 0;\n", STORE, WAIT].concat()).faults(|kind| matches!(kind, FaultKind::Proxy { .. }));
}

#[test]
fn stores_have_to_be_waited_for() {
    let again = "bar.sync 0;\nst.shared.u32 [a], d;\n";
    let in_flight = |kind: &FaultKind| matches!(kind, FaultKind::InFlight { .. });
    of(&[FILL, FENCE, "bar.sync 0;\n", STORE, WAIT, again].concat()).gives(&(7..71).collect::<Vec<u32>>());
    of(&[FILL, FENCE, "bar.sync 0;\n", STORE, again, WAIT].concat()).faults(in_flight);
    // The wait of the thread that issued is known to others by a barrier alone.
    of(&[FILL, FENCE, "bar.sync 0;\n", STORE, WAIT, "st.shared.u32 [a], d;\n"].concat())
        .faults(|kind| in_flight(kind) || matches!(kind, FaultKind::Race { .. }));
    of(&[FILL, FENCE, "bar.sync 0;\n", STORE].concat()).faults(in_flight);
    // A group that is not committed is not waited for; neither is the newest one with wait_group 1.
    let uncommitted = STORE.split_inclusive('\n').next().unwrap();
    of(&[FILL, FENCE, "bar.sync 0;\n", uncommitted, WAIT].concat()).faults(in_flight);
    of(&[FILL, FENCE, "bar.sync 0;\n", STORE, "@p cp.async.bulk.wait_group.read 1;\n"].concat()).faults(in_flight);
    // Global memory has it all after the wait without .read.
    let body = [
        FILL,
        FENCE,
        "bar.sync 0;\n@!p bra END;\n",
        &STORE.replace("@p ", ""),
        "cp.async.bulk.wait_group 0;\nld.global.u32 d, [out+252];\nadd.u32 d, d, 1;\nst.global.u32 [out+252], d;\nEND:",
    ];
    let mut expected: Vec<u32> = (7..71).collect();
    expected[63] += 1;
    of(&body.concat()).gives(&expected);
}

#[test]
fn reductions() {
    let store = |operation: &str| {
        let issue = format!("cp.reduce.async.bulk.global.shared::cta.bulk_group.{operation} [out], [s], 256;\n");
        [
            FILL,
            "st.global.u32 [E], e0;\n",
            FENCE,
            "bar.sync 0;\n@!p bra END;\n",
            &issue,
            "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\nEND:",
        ]
        .concat()
    };
    let start = |value: u32| format!("mul.wide.u32 E, t, 4;\nadd.u64 E, E, out;\nmov.u32 e0, {value};\n");
    of(&(start(1000) + &store("add.u32"))).gives(&(1007..1071).collect::<Vec<u32>>());
    of(&(start(20) + &store("max.s32"))).gives(&(7..71).map(|x: u32| x.max(20)).collect::<Vec<_>>());
    of(&(start(5) + &store("xor.b32"))).gives(&(7..71).map(|x: u32| x ^ 5).collect::<Vec<_>>());
    let float = store("add.f32").replace("st.shared.u32 [a], d;", "cvt.rn.f32.u32 d, d;\nst.shared.u32 [a], d;");
    let sums = (7..71u8).map(|x| (f32::from(x) + 0.5).to_bits()).collect::<Vec<_>>();
    of(&(start(0.5f32.to_bits()) + &float)).gives(&sums);
    // Pairs of bf16: 1.0 + 0 above, 0 + the smallest numbers below.
    of(&(start(0x3f80_0000) + &store("add.noftz.bf16")))
        .gives(&(7..71).map(|x: u32| 0x3f80_0000 + x).collect::<Vec<_>>());
}

#[test]
fn copies_must_be_aligned_and_inside() {
    let start = init("bars", 1);
    let load = |to: &str, from: &str, size: u32| {
        let copy = format!(
            "mov.u32 b, s;\n@p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes {to}, {from}, {size}, [bars];\n"
        );
        of(&[&start, EXPECT, copy.as_str()].concat())
    };
    load("[b]", "[in+8]", 256)
        .faults(|kind| matches!(kind, FaultKind::Misaligned { space: "global", required: 16, .. }));
    load("[b+8]", "[in]", 256)
        .faults(|kind| matches!(kind, FaultKind::Misaligned { space: "shared", required: 16, .. }));
    load("[b]", "[in+16368]", 32)
        .faults(|kind| matches!(kind, FaultKind::OutOfBounds { space: "global", bytes: 32, .. }));
    load("[b+32752]", "[in]", 4096).faults(|kind| matches!(kind, FaultKind::OutOfBounds { space: "shared", .. }));
    let size = "mov.u32 e0, 24;\n@p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s], [in], e0, [bars];\n";
    of(&[&start, size].concat()).says("24 bytes, which is not a multiple of 16");
}

#[test]
fn copies_off_the_128_byte_lines_are_looked_at_too() {
    // The words before the copy's first one have the same author.
    let store = STORE.replace("[s], 256", "[s+16], 224");
    let expected: Vec<u32> = (11..67).chain([u32::MAX; 8]).collect();
    of(&[FILL, FENCE, "bar.sync 0;\n", &store, WAIT].concat()).gives(&expected);
    of(&[FILL, "bar.sync 0;\n", &store, WAIT].concat()).faults(|kind| matches!(kind, FaultKind::Proxy { .. }));
    // Halves of words, of which one lane's are not fenced.
    let halves = FILL
        .replace("shl.b32 a, t, 2", "shl.b32 a, t, 1")
        .replace("st.shared.u32 [a], d", "cvt.u16.u32 h, d;\nst.shared.u16 [a], h");
    let store = STORE.replace("256", "128");
    let expected: Vec<u32> = (0..32).map(|at| (2 * at + 7) | ((2 * at + 8) << 16)).chain([u32::MAX; 32]).collect();
    of(&[&halves, FENCE, "bar.sync 0;\n", &store, WAIT].concat()).gives(&expected);
    let but_one = "setp.eq.u32 q, t, 37;\n@!q fence.proxy.async.shared::cta;\n";
    of(&[&halves, but_one, "bar.sync 0;\n", &store, WAIT].concat())
        .faults(|kind| matches!(kind, FaultKind::Proxy { address: 72, .. }));
}
