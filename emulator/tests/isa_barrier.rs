//! Barriers (PTX ISA, `bar`, `barrier`, `bar.warp.sync`, `membar`, `fence`).

mod common;
use common::*;
use ptx_emulator::{FaultKind, LaunchError, Schedule};

const SCHEDULES: [Schedule; 3] = [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy];

/// Runs a body over 128 threads under every schedule; lane addresses are prepared in `out`, the thread's number is `t0`.
fn threads(body: &str) -> Vec<Vec<u32>> {
    let body = format!("mov.u32 t0, %tid.x;\nmul.wide.u32 T0, t0, 4;\nadd.u64 out, out, T0;\n{body}");
    let run_under = |schedule| {
        let mut setup = Setup::block(128);
        setup.config.schedule = schedule;
        run(&body, &setup, &[0], 128)
    };
    SCHEDULES.into_iter().map(run_under).collect()
}

const REVERSE: &str = ".shared .b32 s[128];\nshl.b32 t1, t0, 2;\nmov.u32 t2, s;\nadd.u32 t3, t2, t1;\nst.shared.u32 [t3], t0;\n\
                       WAIT\nsub.u32 t4, 508, t1;\nadd.u32 t4, t4, t2;\nld.shared.u32 d, [t4];\nst.global.u32 [out], d;";

#[test]
fn every_spelling_of_a_full_barrier_orders_shared_memory() {
    for wait in [
        "bar.sync 0;",
        "barrier.sync 0;",
        "barrier.sync.aligned 3;",
        "bar.sync 5, 128;",
        "bar.cta.sync 1;",
        "mov.u32 t5, 7;\nbar.sync t5;",
    ] {
        for output in threads(&REVERSE.replace("WAIT", wait)) {
            assert_eq!(output, (0..128).rev().collect::<Vec<u32>>(), "{wait}");
        }
    }
}

#[test]
fn a_barrier_for_one_warp_leaves_a_race() {
    let body = REVERSE.replace("WAIT", "bar.warp.sync 0xffffffff;");
    let ptx = module("", &format!("mov.u32 t0, %tid.x;\nmul.wide.u32 T0, t0, 4;\nadd.u64 out, out, T0;\n{body}"));
    match launch(&ptx, &Setup::block(128), &[0], 128) {
        Err(LaunchError::Faults(faults)) => {
            assert!(
                faults
                    .faults
                    .iter()
                    .all(|f| matches!(f.kind, FaultKind::Race { .. } | FaultKind::Uninitialised { .. })),
                "{faults:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn warp_barriers_order_the_lanes_of_a_warp() {
    // Within a warp: lane l reads what lane 31 - l wrote.
    let body = ".shared .b32 s[128];\nshl.b32 t1, t0, 2;\nmov.u32 t2, s;\nadd.u32 t3, t2, t1;\nst.shared.u32 [t3], t0;\nbar.warp.sync -1;\n\
                xor.b32 t4, t0, 31;\nshl.b32 t4, t4, 2;\nadd.u32 t4, t4, t2;\nld.shared.u32 d, [t4];\nst.global.u32 [out], d;";
    for output in threads(body) {
        assert_eq!(output, (0..128).map(|t| t ^ 31).collect::<Vec<u32>>());
    }
}

#[test]
fn producers_arrive_and_consumers_wait() {
    // The first two warps fill and arrive at barrier 1; the last two wait there, for all 128 threads.
    let body = ".shared .b32 s[64];\nsetp.lt.u32 p, t0, 64;\nmov.u32 t2, s;\nand.b32 t1, t0, 63;\nshl.b32 t1, t1, 2;\nadd.u32 t3, t2, t1;\n\
                @!p bra consume;\nmul.lo.u32 d, t0, 3;\nst.shared.u32 [t3], d;\nbar.arrive 1, 128;\nbra done;\n\
                consume:\nbar.sync 1, 128;\nld.shared.u32 d, [t3];\ndone:\nst.global.u32 [out], d;";
    for output in threads(body) {
        assert_eq!(output, (0..128).map(|t| 3 * (t % 64)).collect::<Vec<u32>>());
    }
}

#[test]
fn reductions_over_a_barrier() {
    let body = "setp.lt.u32 q, t0, 50;\nbar.red.popc.u32 d, 0, q;\nbar.red.and.pred p, 0, q;\nselp.u32 t1, 1000, 0, p;\nadd.u32 d, d, t1;\n\
                bar.red.or.pred p, 0, q;\nselp.u32 t1, 2000, 0, p;\nadd.u32 d, d, t1;\nbarrier.cta.red.popc.aligned.u32 t1, 2, !q;\n\
                mad.lo.u32 d, t1, 10000, d;\nst.global.u32 [out], d;";
    for output in threads(body) {
        assert_eq!(output, vec![780_000 + 2050; 128]);
    }
}

#[test]
fn named_barriers_are_independent_and_reusable() {
    // Each pair of warps meets ten times at a barrier of its own and counts up together.
    let body = ".shared .b32 s[2];\nshr.u32 t1, t0, 6;\nadd.u32 t2, t1, 1;\nmov.u32 t3, s;\nshl.b32 t4, t1, 2;\nadd.u32 t3, t3, t4;\n\
                and.b32 t5, t0, 63;\nsetp.eq.u32 p, t5, 0;\n@p st.shared.u32 [t3], 0;\nmov.u32 t6, 0;\nloop:\nbar.sync t2, 64;\n\
                @p ld.shared.u32 t7, [t3];\n@p add.u32 t7, t7, 1;\n@p st.shared.u32 [t3], t7;\nbar.sync t2, 64;\nadd.u32 t6, t6, 1;\nsetp.lt.u32 q, t6, 10;\n\
                @q bra loop;\nld.shared.u32 d, [t3];\nst.global.u32 [out], d;";
    for output in threads(body) {
        assert_eq!(output, vec![10; 128]);
    }
}

#[test]
fn fences_are_accepted() {
    let body = "membar.cta;\nmembar.gl;\nmembar.sys;\nfence.sc.cta;\nfence.acq_rel.gpu;\nfence.acq_rel.sys;\nst.global.u32 [out], t0;";
    for output in threads(body) {
        assert_eq!(output, (0..128).collect::<Vec<u32>>());
    }
}

#[test]
fn a_barrier_that_nobody_else_reaches_is_reported() {
    let body = "mov.u32 t0, %tid.x;\nsetp.lt.u32 p, t0, 32;\n@p bar.sync 0;\n@!p bar.sync 1;\n";
    match launch(&module("", body), &Setup::block(64), &[0], 1) {
        Err(LaunchError::Faults(faults)) => {
            assert!(matches!(faults.faults[0].kind, FaultKind::Deadlock { .. }), "{faults:?}")
        }
        other => panic!("{other:?}"),
    }
}

/// What is wrong with a body over 64 threads, whose thread is `t0`.
fn wrong(body: &str) -> String {
    match launch(&module("", &format!("mov.u32 t0, %tid.x;\n{body}")), &Setup::block(64), &[0], 1) {
        Err(LaunchError::Faults(faults)) => match &faults.faults[0].kind {
            FaultKind::Invalid { what } => what.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn wrong_arrivals_are_reported() {
    let halves = "setp.lt.u32 p, t0, 32;\n";
    let mixed = wrong(&format!("{halves}setp.lt.u32 q, t0, 9;\n@p bar.sync 1;\n@!p bar.red.popc.u32 d, 1, q;"));
    assert!(mixed.contains("reduction"), "{mixed}");
    let twice = wrong(&format!(
        "{halves}@p bar.arrive 1, 64;\n@p bar.arrive 1, 64;\n@p bra end;\nbar.sync 2, 32;\nbar.sync 1;\nend:"
    ));
    assert!(twice.contains("arrived already"), "{twice}");
    let numbers = wrong("and.b32 t1, t0, 1;\nbar.sync t1;");
    assert!(numbers.contains("different"), "{numbers}");
    let counts = wrong("and.b32 t1, t0, 1;\nmad.lo.u32 t1, t1, 32, 32;\nbar.sync 1, t1;");
    assert!(counts.contains("different"), "{counts}");
    let none = wrong("mov.u32 t1, 0;\nbar.arrive 1, t1;");
    assert!(none.contains("needs a number of threads"), "{none}");
}

#[test]
fn all_threads_can_be_written_in_three_ways() {
    // By no number, by 0 and by their number, in one phase; the last warp exits, and nobody waits for it.
    let body = "shr.u32 t1, t0, 5;\nmov.u32 d, 7;\nsetp.eq.u32 p, t1, 0;\n@p bar.sync 0;\nsetp.eq.u32 p, t1, 1;\nmov.u32 t2, 0;\n@p bar.sync 0, t2;\n\
                setp.eq.u32 p, t1, 2;\n@p bar.sync 0, 128;\nst.global.u32 [out], d;";
    for output in threads(body) {
        assert_eq!(output, vec![7; 128]);
    }
}

#[test]
fn lanes_may_arrive_at_different_places_without_aligned() {
    // The odd lanes of the first two warps arrive at one place, the even ones at another; the last two warps wait.
    let body = ".shared .b32 s[64];\nsetp.lt.u32 p, t0, 64;\nmov.u32 t2, s;\nand.b32 t1, t0, 63;\nshl.b32 t1, t1, 2;\nadd.u32 t3, t2, t1;\n\
                @!p bra consume;\nmul.lo.u32 d, t0, 3;\nst.shared.u32 [t3], d;\nand.b32 t4, t0, 1;\nsetp.eq.u32 q, t4, 0;\n@q bra even;\n\
                barrier.arrive 1, 128;\nbra done;\neven:\nbarrier.arrive 1, 128;\nbra done;\n\
                consume:\nbarrier.sync 1, 128;\nld.shared.u32 d, [t3];\ndone:\nst.global.u32 [out], d;";
    for output in threads(body) {
        assert_eq!(output, (0..128).map(|t| 3 * (t % 64)).collect::<Vec<u32>>());
    }
}

#[test]
fn a_number_of_threads_is_not_lowered_by_exits() {
    // PTX ISA, "exit": exiting threads release barriers for all threads. One for 64 of 128 waits for 64.
    let body = "mov.u32 t0, %tid.x;\nsetp.ge.u32 p, t0, 32;\n@p exit;\nbar.sync COUNT;\n";
    let run = |count: &str| launch(&module("", &body.replace("COUNT", count)), &Setup::block(128), &[0], 1);
    assert!(run("1").is_ok() && run("1, 128").is_ok() && run("1, 32").is_ok());
    match run("1, 64") {
        Err(LaunchError::Faults(faults)) => assert!(matches!(faults.faults[0].kind, FaultKind::Deadlock { .. })),
        other => panic!("{other:?}"),
    }
}
