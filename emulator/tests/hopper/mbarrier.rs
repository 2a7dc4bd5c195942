//! `mbarrier` objects: phases, counts, states, and what they order.

use crate::common::{Case, case, init, wait};
use ptx_emulator::FaultKind;

/// A body of one thread that stores words.
fn words(body: &str, expected: &[u32]) {
    Case { output: expected.len(), ..case(1, body) }.gives(expected);
}

/// Stores a predicate.
fn store(pred: &str, at: usize) -> String {
    format!("selp.u32 a, 1, 0, {pred};\nst.global.u32 [out+{}], a;\n", 4 * at)
}

#[test]
fn phases_alternate() {
    // Threads of two warps hand words to one another through an object, twice.
    let object = "bars";
    let body = format!(
        "{}shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nxor.b32 d, a, 128;\nst.shared.u32 [a], t;\n\
         mbarrier.arrive.shared.b64 _, [{object}];\n{}ld.shared.u32 e0, [d];\n\
         mbarrier.arrive.shared.b64 _, [{object}];\n{}add.u32 e0, e0, 100;\nst.shared.u32 [a], e0;\n\
         mbarrier.arrive.release.cta.shared::cta.b64 _, [{object}];\n{}ld.shared.u32 e1, [d];\n\
         mul.wide.u32 A, t, 4;\nadd.u64 A, A, out;\nst.global.u32 [A], e1;",
        init(object, 64),
        wait(object, "0"),
        wait(object, "1"),
        wait(object, "0"),
    );
    // The neighbour holds 100 more than what I wrote first.
    let expected: Vec<u32> = (0..64).map(|thread| thread + 100).collect();
    Case { output: 64, ..case(64, &body) }.gives(&expected);
}

#[test]
fn a_missing_wait_is_a_race() {
    let body = format!(
        "{}shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nxor.b32 d, a, 128;\nst.shared.u32 [a], t;\nbar.sync 0;\n\
         st.shared.u32 [a], t;\nmbarrier.arrive.shared.b64 _, [bars];\nld.shared.u32 e0, [d];",
        init("bars", 64)
    );
    case(64, &body).faults(|kind| matches!(kind, FaultKind::Race { .. }));
    // A relaxed arrival releases nothing.
    let relaxed = format!(
        "{}shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nxor.b32 d, a, 128;\nst.shared.u32 [a], t;\n\
         mbarrier.arrive.relaxed.cta.shared::cta.b64 _, [bars];\n{}ld.shared.u32 e0, [d];",
        init("bars", 64),
        wait("bars", "0")
    );
    case(64, &relaxed).faults(|kind| matches!(kind, FaultKind::Race { .. }));
}

#[test]
fn an_arrival_releases_its_thread_alone() {
    // All lanes of warp 0 store, one of them arrives; warp 1 waits and loads.
    let body = |meet: &str| {
        format!(
            "{}setp.ge.u32 q, t, 32;\nand.b32 b, t, 31;\nshl.b32 a, b, 2;\nmov.u32 d, s;\nadd.u32 a, a, d;\n@q bra LOADS;\n\
             st.shared.u32 [a], t;\n{meet}setp.eq.u32 p, t, 0;\n@p mbarrier.arrive.shared.b64 _, [bars];\nbra END;\n\
             LOADS:\n{}ld.shared.u32 e0, [a];\nEND:",
            init("bars", 1),
            wait("bars", "0")
        )
    };
    case(64, &body("bar.warp.sync -1;\n")).gives(&[]);
    case(64, &body("")).faults(|kind| matches!(kind, FaultKind::Race { hazard: "read after write", .. }));
}

#[test]
fn a_wait_acquires_for_its_thread_alone() {
    let body = |meet: &str| {
        format!(
            "{}setp.ge.u32 q, t, 32;\nand.b32 b, t, 31;\nshl.b32 a, b, 2;\nmov.u32 d, s;\nadd.u32 a, a, d;\n@q bra LOADS;\n\
             st.shared.u32 [a], t;\nmbarrier.arrive.shared.b64 _, [bars];\nbra END;\n\
             LOADS:\nsetp.ne.u32 p, t, 32;\n@p bra MEET;\n{}MEET:\n{meet}ld.shared.u32 e0, [a];\nEND:",
            init("bars", 32),
            wait("bars", "0")
        )
    };
    case(64, &body("bar.warp.sync -1;\n")).gives(&[]);
    case(64, &body("")).faults(|kind| matches!(kind, FaultKind::Race { .. } | FaultKind::Uninitialised { .. }));
}

#[test]
fn states_and_pending_counts() {
    let mut body = String::from(
        "mbarrier.init.shared.b64 [bars], 3;\nmbarrier.arrive.shared.b64 A, [bars];\nmbarrier.pending_count.b64 a, A;\n\
         st.global.u32 [out], a;\nmbarrier.test_wait.shared.b64 p, [bars], A;\n",
    );
    body += &store("p", 1);
    body += "mbarrier.arrive.shared.b64 B, [bars], 2;\nmbarrier.pending_count.b64 a, B;\nst.global.u32 [out+8], a;\n\
             mbarrier.test_wait.shared.b64 p, [bars], A;\n";
    body += &store("p", 3);
    body += "mbarrier.try_wait.shared.b64 p, [bars], B, 10;\n";
    body += &store("p", 4);
    // The first state lacks 3 arrivals, the second 2; the phase of both is complete after the second.
    words(&body, &[3, 0, 2, 1, 1]);
}

#[test]
fn parities() {
    let mut body = String::from("mbarrier.init.shared.b64 [bars], 1;\n");
    for at in 0..3 {
        body +=
            "mbarrier.test_wait.parity.shared.b64 p, [bars], 0;\nmbarrier.test_wait.parity.shared.b64 q, [bars], 1;\n";
        body += &store("p", 2 * at);
        body += &store("q", 2 * at + 1);
        body += "mbarrier.arrive.shared.b64 _, [bars];\n";
    }
    // Before the first completion the phase "before" counts as complete: that of parity 1.
    words(&body, &[0, 1, 1, 0, 0, 1]);
}

#[test]
fn bytes_complete_a_phase() {
    let test = "mbarrier.test_wait.parity.shared.b64 p, [bars], 0;\n";
    let mut body = format!(
        "mbarrier.init.shared.b64 [bars], 1;\nmbarrier.expect_tx.relaxed.cta.shared.b64 [bars], 48;\n\
         mbarrier.arrive.expect_tx.shared.b64 _, [bars], 16;\n{test}"
    );
    body += &store("p", 0);
    body += &format!("mbarrier.complete_tx.shared.b64 [bars], 60;\n{test}");
    body += &store("p", 1);
    body += &format!("mbarrier.complete_tx.shared.b64 [bars], 4;\n{test}");
    body += &store("p", 2);
    // Bytes may come before they are expected.
    body += "mbarrier.complete_tx.shared.b64 [bars], 32;\nmbarrier.arrive.expect_tx.shared.b64 _, [bars], 32;\n\
             mbarrier.test_wait.parity.shared.b64 p, [bars], 1;\n";
    body += &store("p", 3);
    words(&body, &[0, 0, 1, 1]);
}

#[test]
fn dropped_arrivals_are_not_waited_for_again() {
    let mut body = String::from(
        "mbarrier.init.shared.b64 [bars], 3;\nmbarrier.arrive_drop.shared.b64 _, [bars], 1;\nmbarrier.arrive.shared.b64 _, [bars], 2;\n\
         mbarrier.arrive.noComplete.shared.b64 A, [bars], 1;\nmbarrier.pending_count.b64 a, A;\nst.global.u32 [out], a;\n\
         mbarrier.arrive.shared.b64 _, [bars];\nmbarrier.test_wait.parity.shared.b64 p, [bars], 1;\n",
    );
    body += &store("p", 1);
    words(&body, &[2, 1]);
}

#[test]
fn wrong_uses() {
    let says = |body: &str, what: &str| case(1, body).says(what);
    let init = "mbarrier.init.shared.b64 [bars], 1;\n";
    says("mbarrier.arrive.shared.b64 _, [bars];", "no mbarrier object");
    says("mbarrier.test_wait.parity.shared.b64 p, [bars], 0;", "no mbarrier object");
    says(&format!("{init}mbarrier.arrive.shared.b64 _, [bars], 2;"), "2 arrivals where the phase lacks 1 of 1");
    says(
        &format!("{init}mbarrier.arrive.expect_tx.shared.b64 _, [bars], 16;\nmbarrier.arrive.shared.b64 _, [bars];"),
        "1 arrivals where the phase lacks 0 of 1",
    );
    says(&format!("{init}{init}"), "initialised again");
    says(
        &format!("{init}mbarrier.inval.shared.b64 [bars];\nmbarrier.arrive.shared.b64 _, [bars];"),
        "no mbarrier object",
    );
    says("mov.u32 a, 0;\nmbarrier.init.shared.b64 [bars], a;", "0 arrivals");
    says("mov.u32 a, 1048576;\nmbarrier.init.shared.b64 [bars], a;", "1048576 arrivals");
    says("mov.u32 a, bars;\nmbarrier.init.shared.b64 [a+4], 1;", "not a multiple of 8");
    says(&format!("{init}mbarrier.expect_tx.relaxed.cta.shared.b64 [bars], 1048576;"), "1048576 bytes to wait for");
    says(&format!("{init}mbarrier.arrive.noComplete.shared.b64 A, [bars], 1;"), "completes the phase");
    says(
        &format!(
            "{init}mbarrier.arrive.shared.b64 A, [bars];\nmbarrier.arrive.shared.b64 _, [bars];\nmbarrier.test_wait.shared.b64 p, [bars], A;"
        ),
        "neither the current nor the last phase",
    );
    says(&format!("{init}ld.shared.u32 a, [bars];"), "an ordinary access");
    says(&format!("{init}mov.u32 a, 0;\nst.shared.u32 [bars+4], a;"), "an ordinary access");
    // The memory of a dead object is ordinary memory.
    let reuse = "mbarrier.inval.shared.b64 [bars];\nmov.u32 a, 5;\nst.shared.u32 [bars], a;\nld.shared.u32 b, [bars];\nst.global.u32 [out], b;";
    words(&format!("{init}{reuse}"), &[5]);
}

#[test]
fn use_before_the_initialisation_is_known() {
    let body = "setp.eq.u32 p, t, 0;\n@p mbarrier.init.shared.b64 [bars], 64;\nmbarrier.arrive.shared.b64 _, [bars];";
    case(64, body).faults(|kind| {
        matches!(kind, FaultKind::Race { .. })
            || matches!(kind, FaultKind::Mbarrier { what, .. } if what.starts_with("no mbarrier"))
    });
}

#[test]
fn a_phase_that_cannot_complete_is_a_deadlock() {
    let body = format!("{}{}", init("bars", 65), wait("bars", "0"));
    let fault = case(64, &body).faults(|kind| matches!(kind, FaultKind::Deadlock { .. }));
    let FaultKind::Deadlock { waiting } = &fault.kind else { panic!("{fault}") };
    assert_eq!(waiting.len(), 2, "{fault}");
    assert!(waiting[1].contains("warp 1") && waiting[1].contains("mbarrier.try_wait"), "{fault}");
}

#[test]
fn polls_end_too() {
    // One thread polls with test_wait, which never suspends, for a copy that is late.
    let body = format!(
        "{}@!p bra END;\nmov.u32 a, s;\nmbarrier.arrive.expect_tx.shared.b64 _, [bars], 16;\n\
         cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [a], [in], 16, [bars];\n\
         POLL: mbarrier.test_wait.parity.shared.b64 q, [bars], 0;\n@!q bra POLL;\nld.shared.u32 b, [a+12];\nst.global.u32 [out], b;\nEND:",
        init("bars", 1)
    );
    Case { output: 1, ..case(32, &body) }.gives(&[3]);
}

#[test]
fn copies_of_threads_arrive() {
    // cp.async of every thread; the words of another warp are there when the phase is complete.
    let body = |arrive: &str, count| {
        format!(
            "{}shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nxor.b32 d, a, 128;\nmul.wide.u32 A, t, 4;\nadd.u64 B, in, A;\n\
             cp.async.ca.shared.global [a], [B], 4;\n{arrive}{}ld.shared.u32 e0, [d];\nadd.u64 A, A, out;\nst.global.u32 [A], e0;",
            init("bars", count),
            wait("bars", "0")
        )
    };
    let expected: Vec<u32> = (0..64).map(|thread| thread ^ 32).collect();
    let of = |body: String| Case { output: 64, ..case(64, &body) };
    of(body("cp.async.mbarrier.arrive.noinc.shared.b64 [bars];\n", 64)).gives(&expected);
    // Without .noinc the phase waits for one arrival more, and the thread arrives itself.
    of(body("cp.async.mbarrier.arrive.shared.b64 [bars];\nmbarrier.arrive.shared.b64 _, [bars];\n", 64))
        .gives(&expected);
    // Without either the copies are in flight.
    of(body("mbarrier.arrive.shared.b64 _, [bars];\n", 64)).faults(|kind| matches!(kind, FaultKind::InFlight { .. }));
}
