//! Clusters: their registers, their shared memory, their barrier.

use crate::common::{Case, case, init, orders, wait};
use ptx_emulator::{Config, DeviceModel, FaultKind, LaunchError};

/// Clusters of two blocks of 32 threads, four blocks in all; each thread stores `d` at its place.
fn pairs(body: &str) -> Case<'static> {
    let body =
        format!("{body}\nmad.lo.u32 a, c, 32, t;\nmul.wide.u32 A, a, 4;\nadd.u64 A, A, out;\nst.global.u32 [A], d;\n");
    Case { grid: 4, cluster: Some(2), output: 128, ..case(32, &body) }
}

const SYNC: &str = "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n";
/// The own word in `a`, the other block's in `b` (and, generic, in `B`), and its rank in `e0`.
const PLACES: &str = "mov.u32 e0, %cluster_ctarank;\nxor.b32 e0, e0, 1;\nshl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\n\
                      mapa.shared::cluster.u32 b, a, e0;\ncvt.u64.u32 B, a;\ncvta.shared.u64 B, B;\nmapa.u64 B, B, e0;\n\
                      mad.lo.u32 d, c, 100, t;\n";

/// What a thread of the other block of the pair has: 100 times its block, and its number.
fn others() -> Vec<u32> {
    (0..128).map(|at| ((at / 32) ^ 1) * 100 + at % 32).collect()
}

#[test]
fn registers() {
    let value = |register: &str| {
        let body = format!("mov.u32 d, %{register};");
        pairs(&body).run(&orders()[0]).unwrap().0.chunks(32).map(|block| block[7]).collect::<Vec<u32>>()
    };
    assert_eq!(value("ctaid.x"), [0, 1, 2, 3]);
    assert_eq!(value("clusterid.x"), [0, 0, 1, 1]);
    assert_eq!(value("nclusterid.x"), [2; 4]);
    assert_eq!(value("cluster_ctaid.x"), [0, 1, 0, 1]);
    assert_eq!(value("cluster_nctaid.x"), [2; 4]);
    assert_eq!(value("cluster_nctaid.y"), [1; 4]);
    assert_eq!(value("cluster_ctarank"), [0, 1, 0, 1]);
    assert_eq!(value("cluster_nctarank"), [2; 4]);
    let explicit = |cluster| {
        let case = Case { cluster, ..pairs("mov.pred p, %is_explicit_cluster;\nselp.u32 d, 1, 0, p;") };
        case.run(&orders()[0]).unwrap().0[0]
    };
    assert_eq!((explicit(Some(1)), explicit(None)), (1, 0));
}

#[test]
fn addresses() {
    let body = "mov.u32 e0, %cluster_ctarank;\nmov.u32 a, s;\nmapa.shared::cluster.u32 b, a, 1;\ngetctarank.shared::cluster.u32 e1, b;\n\
                getctarank.shared::cluster.u32 e2, a;\nsub.u32 e2, e2, e0;\nmov.u64 A, s;\ncvta.shared.u64 A, A;\nmapa.u64 B, A, 0;\ngetctarank.u64 e3, B;\n\
                isspacep.shared::cluster p, B;\nselp.u32 e4, 1, 0, p;\nisspacep.shared p, B;\nselp.u32 e5, 1, 0, p;\nisspacep.global p, B;\nselp.u32 e6, 1, 0, p;\n\
                mad.lo.u32 d, e1, 10, e2;\nmad.lo.u32 d, d, 10, e3;\nmad.lo.u32 d, d, 10, e4;\nmad.lo.u32 d, d, 10, e5;\nmad.lo.u32 d, d, 10, e6;";
    let expected: Vec<u32> = (0..128).map(|at| if at / 32 % 2 == 0 { 100_110 } else { 100_100 }).collect();
    pairs(body).gives(&expected);
    pairs("mov.u32 a, s;\nmapa.shared::cluster.u32 b, a, 2;").says("rank 2 in a cluster of 2");
}

#[test]
fn blocks_read_one_another() {
    let start = [PLACES, "st.shared.u32 [a], d;\n"].concat();
    for load in ["ld.shared::cluster.u32 d, [b];\n", "ld.u32 d, [B];\n"] {
        pairs(&[&start, SYNC, load, SYNC].concat()).gives(&others());
        pairs(&[&start, load, SYNC].concat())
            .faults(|kind| matches!(kind, FaultKind::Race { .. } | FaultKind::Uninitialised { .. }));
        // The other block may be gone, and its memory with it.
        let gone = pairs(&[&start, SYNC, load].concat());
        let found = orders().iter().filter(|config| gone.run(config).is_err()).count();
        assert!(found > 0, "no order has a block exit early");
    }
    let unreleased = SYNC.replace("arrive", "arrive.relaxed");
    pairs(&[&start, &unreleased, "ld.shared::cluster.u32 d, [b];\n", SYNC].concat())
        .faults(|kind| matches!(kind, FaultKind::Race { .. }));
}

#[test]
fn a_report_names_the_other_block() {
    let start =
        [PLACES, "st.shared.u32 [a], d;\nbarrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.aligned;\n"];
    let fault = pairs(&[&start.concat(), "ld.shared::cluster.u32 d, [b];\n", SYNC].concat())
        .faults(|kind| matches!(kind, FaultKind::Race { .. }));
    let FaultKind::Race { earlier, .. } = &fault.kind else { panic!("{fault}") };
    assert_eq!(earlier.block[0], fault.block[0] ^ 1, "{fault}");
    assert_eq!(earlier.thread, fault.thread, "{fault}");
}

#[test]
fn blocks_write_and_count_at_one_another() {
    let store = "st.shared::cluster.u32 [b], d;\n";
    pairs(&[PLACES, store, SYNC, "ld.shared.u32 d, [a];\n"].concat()).gives(&others());
    let add = "mov.u32 d, 0;\nst.shared.u32 [a], d;\nREPLACE atom.shared::cluster.add.u32 d, [b], t;\nred.shared::cluster.add.u32 [b], 1;\n";
    let body = [PLACES, &add.replace("REPLACE ", SYNC), SYNC, "ld.shared.u32 d, [a];\n"].concat();
    pairs(&body).gives(&(0..128).map(|at| at % 32 + 1).collect::<Vec<u32>>());
}

#[test]
fn arrivals_at_another_blocks_object() {
    // Each block's object waits for the 32 threads of the other block, which have written here before.
    let start = [PLACES, &init("bars", 32), "fence.mbarrier_init.release.cluster;\n", SYNC].concat();
    let arrive = "mov.u32 e1, bars;\nmapa.shared::cluster.u32 e1, e1, e0;\nst.shared::cluster.u32 [b], d;\n\
                  mbarrier.arrive.release.cluster.shared::cluster.b64 _, [e1];\n";
    let acquire = wait("bars", "0")
        .replace("try_wait.parity", "try_wait.parity.acquire.cluster")
        .replace("shared.b64", "shared::cta.b64");
    pairs(&[&start, arrive, &acquire, "ld.shared.u32 d, [a];\n", SYNC].concat()).gives(&others());
    let early = pairs(&[&start, arrive, "ld.shared.u32 d, [a];\n", SYNC].concat());
    early.faults(|kind| matches!(kind, FaultKind::Race { .. } | FaultKind::Uninitialised { .. }));
    // Without a word to the cluster that the object is there.
    let unknown = [PLACES, &init("bars", 32), arrive].concat();
    pairs(&unknown)
        .faults(|kind| matches!(kind, FaultKind::Race { .. } | FaultKind::Mbarrier { .. } | FaultKind::Invalid { .. }));
}

#[test]
fn stores_with_bytes() {
    // st.async: 4 bytes from each of 32 threads of the other block.
    let start = [
        PLACES,
        &init("bars", 1),
        "@p mbarrier.arrive.expect_tx.shared.b64 _, [bars], 128;\nmov.u32 e1, bars;\nmapa.shared::cluster.u32 e1, e1, e0;\n",
        SYNC,
        "st.async.shared::cluster.mbarrier::complete_tx::bytes.u32 [b], d, [e1];\n",
    ]
    .concat();
    pairs(&[&start, &wait("bars", "0"), "ld.shared.u32 d, [a];\n", SYNC].concat()).gives(&others());
    pairs(&[&start, "ld.shared.u32 d, [a];\n", SYNC].concat()).faults(|kind| {
        matches!(kind, FaultKind::InFlight { .. } | FaultKind::Uninitialised { .. } | FaultKind::Race { .. })
    });
}

#[test]
fn copies_to_many_blocks() {
    // Block 0 of each pair loads for both; each block expects its own bytes.
    let load = |blocks: u32| {
        format!(
            "{}@p mbarrier.arrive.expect_tx.shared.b64 _, [bars], 128;\n{SYNC}mov.u32 e0, %cluster_ctarank;\nsetp.eq.and.u32 p, e0, 0, p;\n\
             mov.u16 h, {blocks};\n@p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [s], [in+64], 128, [bars], h;\n\
             {}shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nld.shared.u32 d, [a];\n{SYNC}",
            init("bars", 1),
            wait("bars", "0")
        )
    };
    pairs(&load(3)).gives(&(0..128).map(|at| at % 32 + 16).collect::<Vec<u32>>());
    // Read once and written to two blocks, by each of two clusters.
    for config in orders() {
        let (_, counters) = pairs(&load(3)).run(&config).unwrap();
        assert_eq!(
            (counters.global_load_bytes, counters.async_bytes, counters.in_flight.peak),
            (2 * 128, 4 * 128, 256)
        );
    }
    pairs(&load(1)).faults(|kind| matches!(kind, FaultKind::Deadlock { .. }));
    pairs(&load(7)).says("block 2 of a cluster of 2");
}

#[test]
fn copies_between_blocks() {
    let body = |fence: &str| {
        [
            PLACES,
            "mov.u32 e2, s;\nadd.u32 e2, e2, 1024;\nmapa.shared::cluster.u32 e2, e2, e0;\nst.shared.u32 [a], d;\n",
            fence,
            &init("bars", 1).replace("fence.proxy.async;\n", "fence.mbarrier_init.release.cluster;\n"),
            "@p mbarrier.arrive.expect_tx.shared.b64 _, [bars], 128;\nmov.u32 e1, bars;\nmapa.shared::cluster.u32 e1, e1, e0;\n",
            SYNC,
            "@p cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [e2], [s], 128, [e1];\n",
            &wait("bars", "0"),
            "ld.shared.u32 d, [a+1024];\n",
            SYNC,
        ]
        .concat()
    };
    pairs(&body("fence.proxy.async.shared::cta;\n")).gives(&others());
    pairs(&body("")).faults(|kind| matches!(kind, FaultKind::Proxy { .. }));
    let with_own = body("fence.proxy.async;\n").replace("mapa.shared::cluster.u32 e1, e1, e0;\n", "");
    pairs(&with_own).says("with an mbarrier object of block");
}

#[test]
fn the_barrier_takes_turns() {
    pairs("barrier.cluster.arrive.aligned;\nbarrier.cluster.arrive.aligned;\n").says("a second arrival");
    pairs("barrier.cluster.wait.aligned;\n").says("without an arrival before it");
    // Threads that have exited are not waited for; work between arrival and wait is allowed.
    let body = "setp.eq.u32 q, c, 1;\n@q exit;\nbarrier.cluster.arrive.release.aligned;\nadd.u32 d, t, 1;\nbarrier.cluster.wait.acquire.aligned;\n";
    let expected: Vec<u32> = (0..128).map(|at| if at / 32 == 1 { u32::MAX } else { at % 32 + 1 }).collect();
    pairs(body).gives(&expected);
    // Half a warp cannot come to the .aligned form.
    let split = "setp.lt.u32 q, t, 16;\n@q barrier.cluster.arrive.aligned;\n@!q barrier.cluster.arrive.aligned;\nbarrier.cluster.wait;\n";
    pairs(split).faults(|kind| matches!(kind, FaultKind::Divergence { .. }));
    pairs(&split.replace(".aligned", "").replace("wait;", "wait;\nmov.u32 d, 3;")).gives(&[3; 128]);
}

#[test]
fn launches() {
    let refused = |case: Case<'_>, model: DeviceModel, words: &str| {
        match case.run(&Config::new(model)) {
            Err(error @ (LaunchError::Cluster { .. } | LaunchError::Target { .. })) => {
                assert!(error.to_string().contains(words), "{error}");
            }
            other => panic!("{other:?}"),
        };
    };
    refused(Case { cluster: Some(3), ..pairs("") }, DeviceModel::Sm90, "no multiple");
    refused(Case { cluster: Some(32), grid: 32, ..pairs("") }, DeviceModel::Sm90, "1 to 16 are allowed");
    refused(Case { cluster: Some(0), ..pairs("") }, DeviceModel::Sm90, "1 to 16 are allowed");
    refused(pairs(""), DeviceModel::Sm80, "sm_90a");
}

#[test]
fn grids_that_depend_on_one_another() {
    pairs("griddepcontrol.wait;\nmov.u32 d, 1;\ngriddepcontrol.launch_dependents;\n").gives(&[1; 128]);
}
