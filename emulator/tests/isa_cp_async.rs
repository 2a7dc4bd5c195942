//! Asynchronous copies (PTX ISA, `cp.async`, `cp.async.commit_group`, `cp.async.wait_group`, `cp.async.wait_all`).

mod common;
use common::*;
use ptx_emulator::{Asynchrony, FaultKind, LaunchError};

const MOMENTS: [Asynchrony; 3] = [Asynchrony::Eager, Asynchrony::Late, Asynchrony::Random];

/// Runs a body in one warp, with the lane in `t0`, under each moment of completion.
fn everywhere(body: &str, input: &[u32], words: usize) -> Vec<Vec<u32>> {
    let ptx = warp_body(body);
    let run_at = |asynchrony| {
        let mut setup = Setup::block(32);
        (setup.config.asynchrony, setup.config.seed) = (asynchrony, 3);
        launch(&ptx, &setup, input, words).unwrap_or_else(|error| panic!("{error}\n{ptx}"))
    };
    MOMENTS.into_iter().map(run_at).collect()
}

fn warp_body(body: &str) -> String {
    module("", &format!(".shared .align 16 .b8 s[1024];\nmov.u32 t0, %tid.x;\nmov.u32 t1, s;\n{body}"))
}

#[test]
fn each_size_copies_its_bytes() {
    // Lane l copies 16, 8 and 4 bytes from input + 16 l to three regions of its own.
    let body = "mul.wide.u32 T0, t0, 16;\nadd.u64 T1, in, T0;\nshl.b32 t2, t0, 4;\nadd.u32 t3, t1, t2;\ncp.async.cg.shared.global [t3], [T1], 16;\n\
                shl.b32 t2, t0, 3;\nadd.u32 t4, t1, t2;\ncp.async.ca.shared.global [t4+512], [T1+8], 8;\n\
                shl.b32 t2, t0, 2;\nadd.u32 t5, t1, t2;\ncp.async.ca.shared.global.L2::128B [t5+768], [T1+12], 4;\n\
                cp.async.wait_all;\nld.shared.v4.u32 {a, b, c, e}, [t3];\nld.shared.v2.u32 {d, f}, [t4+512];\nld.shared.u32 t6, [t5+768];\n\
                mul.wide.u32 T0, t0, 28;\nadd.u64 out, out, T0;\nst.global.u32 [out], a;\nst.global.u32 [out+4], b;\nst.global.u32 [out+8], c;\n\
                st.global.u32 [out+12], e;\nst.global.u32 [out+16], d;\nst.global.u32 [out+20], f;\nst.global.u32 [out+24], t6;";
    let input: Vec<u32> = (0..128).collect();
    for output in everywhere(body, &input, 7 * 32) {
        for (lane, words) in output.chunks_exact(7).enumerate() {
            let first = 4 * lane as u32;
            assert_eq!(words, [first, first + 1, first + 2, first + 3, first + 2, first + 3, first + 3]);
        }
    }
}

#[test]
fn missing_source_bytes_become_zero() {
    // Sources of 0, 4, 8, 12 and 16 bytes: lane l takes 4 * min(l, 4). A source size of 0 reads nothing, whatever its address.
    let body = "min.u32 t2, t0, 4;\nshl.b32 t2, t2, 2;\nmov.u64 T1, in;\nsetp.eq.u32 p, t0, 0;\n@p mov.u64 T1, 16;\nshl.b32 t3, t0, 4;\nadd.u32 t3, t1, t3;\n\
                cp.async.cg.shared.global [t3], [T1], 16, t2;\ncp.async.commit_group;\ncp.async.wait_group 0;\nld.shared.v4.u32 {a, b, c, e}, [t3];\n\
                mul.wide.u32 T0, t0, 16;\nadd.u64 out, out, T0;\nst.global.v4.u32 [out], {a, b, c, e};";
    for output in everywhere(body, &[5, 6, 7, 8], 128) {
        for (lane, words) in output.chunks_exact(4).enumerate() {
            let expected: Vec<u32> = (0..4).map(|i| if i < lane.min(4) { 5 + i as u32 } else { 0 }).collect();
            assert_eq!(words, expected, "lane {lane}");
        }
    }
}

#[test]
fn ignored_sources_become_zero() {
    let body = "shl.b32 t3, t0, 2;\nadd.u32 t3, t1, t3;\nmul.wide.u32 T0, t0, 4;\nadd.u64 T1, in, T0;\nadd.u64 out, out, T0;\n\
                setp.ge.u32 p, t0, 8;\ncp.async.ca.shared.global [t3], [T1], 4, p;\ncp.async.wait_all;\nld.shared.u32 d, [t3];\nst.global.u32 [out], d;";
    let input: Vec<u32> = (1..33).collect();
    for output in everywhere(body, &input, 32) {
        assert_eq!(output, (1..33).map(|x| if x <= 8 { x } else { 0 }).collect::<Vec<u32>>());
    }
}

#[test]
fn groups_complete_in_order() {
    // Three groups; waiting until one is pending makes the first two visible, and the last after waiting for none.
    let body = "shl.b32 t3, t0, 2;\nadd.u32 t3, t1, t3;\nmul.wide.u32 T0, t0, 4;\nadd.u64 T1, in, T0;\nadd.u64 out, out, T0;\n\
                cp.async.ca.shared.global [t3], [T1], 4;\ncp.async.commit_group;\ncp.async.ca.shared.global [t3+128], [T1+128], 4;\ncp.async.commit_group;\n\
                cp.async.ca.shared.global [t3+256], [T1+256], 4;\ncp.async.commit_group;\ncp.async.wait_group 1;\nld.shared.u32 a, [t3];\nld.shared.u32 b, [t3+128];\n\
                cp.async.wait_group 0;\nld.shared.u32 c, [t3+256];\nadd.u32 d, a, b;\nadd.u32 d, d, c;\nst.global.u32 [out], d;";
    let input: Vec<u32> = (0..96).collect();
    for output in everywhere(body, &input, 32) {
        assert_eq!(output, (0..32).map(|lane| 3 * lane + 96).collect::<Vec<u32>>());
    }
}

#[test]
fn an_empty_group_counts() {
    // After two more, empty, groups a wait for "at most two pending" covers the copy.
    let body = "shl.b32 t3, t0, 2;\nadd.u32 t3, t1, t3;\nmul.wide.u32 T0, t0, 4;\nadd.u64 T1, in, T0;\nadd.u64 out, out, T0;\n\
                cp.async.ca.shared.global [t3], [T1], 4;\ncp.async.commit_group;\ncp.async.commit_group;\ncp.async.commit_group;\ncp.async.wait_group 2;\n\
                ld.shared.u32 d, [t3];\nst.global.u32 [out], d;";
    let input: Vec<u32> = (7..39).collect();
    for output in everywhere(body, &input, 32) {
        assert_eq!(output, input);
    }
}

/// The first fault of a body that reads its copy in a wrong way.
fn fault(body: &str) -> FaultKind {
    match launch(&warp_body(body), &Setup::block(32), &[0; 64], 32) {
        Err(LaunchError::Faults(faults)) => faults.faults[0].kind.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reading_too_early_is_reported() {
    let copy = "shl.b32 t3, t0, 2;\nadd.u32 t3, t1, t3;\nmul.wide.u32 T0, t0, 4;\nadd.u64 T1, in, T0;\nadd.u64 out, out, T0;\n\
                cp.async.ca.shared.global [t3], [T1], 4;\n";
    let read = "ld.shared.u32 d, [t3];\nst.global.u32 [out], d;";
    for wait in
        ["", "cp.async.commit_group;\n", "cp.async.commit_group;\ncp.async.wait_group 1;\n", "cp.async.wait_group 0;\n"]
    {
        let kind = fault(&format!("{copy}{wait}{read}"));
        assert!(matches!(kind, FaultKind::InFlight { .. }), "{wait}: {kind:?}");
    }
    // A thread's wait covers its own copies: another lane's word needs a barrier too.
    let neighbour = "cp.async.wait_all;\nxor.b32 t4, t0, 1;\nshl.b32 t4, t4, 2;\nadd.u32 t4, t1, t4;\nld.shared.u32 d, [t4];\nst.global.u32 [out], d;";
    let kind = fault(&format!("{copy}{neighbour}"));
    assert!(matches!(kind, FaultKind::InFlight { .. } | FaultKind::Race { .. }), "{kind:?}");
}

#[test]
fn copies_must_be_aligned_and_inside() {
    let kind = fault("cp.async.ca.shared.global [t1+4], [in], 8;\ncp.async.wait_all;");
    assert!(matches!(kind, FaultKind::Misaligned { required: 8, .. }), "{kind:?}");
    let kind = fault("cp.async.cg.shared.global [t1], [in+232], 16;\ncp.async.wait_all;");
    assert!(matches!(kind, FaultKind::Misaligned { required: 16, .. }), "{kind:?}");
    let kind = fault("cp.async.cg.shared.global [t1], [in+256], 16;\ncp.async.wait_all;");
    assert!(matches!(kind, FaultKind::OutOfBounds { space: "global", .. }), "{kind:?}");
    let kind = fault("cp.async.cg.shared.global [t1+1024], [in], 16;\ncp.async.wait_all;");
    assert!(matches!(kind, FaultKind::OutOfBounds { space: "shared", .. }), "{kind:?}");
}

#[test]
fn a_constant_source_size_is_no_predicate() {
    // The pipeline helpers of CUDA give both sizes as constants.
    let body = |bytes: u32| {
        format!(
            "shl.b32 t3, t0, 4;\nadd.u32 t3, t1, t3;\ncp.async.cg.shared.global [t3], [in], 16, {bytes};\ncp.async.wait_all;\n\
             ld.shared.v4.u32 {{a, b, c, e}}, [t3];\nmul.wide.u32 T0, t0, 16;\nadd.u64 out, out, T0;\nst.global.v4.u32 [out], {{a, b, c, e}};"
        )
    };
    for (bytes, expected) in [(16, [5, 6, 7, 8]), (8, [5, 6, 0, 0]), (0, [0; 4])] {
        for output in everywhere(&body(bytes), &[5, 6, 7, 8], 128) {
            assert!(output.chunks_exact(4).all(|words| words == expected), "{bytes}: {output:?}");
        }
    }
}

#[test]
fn a_generic_destination_is_out_of_bounds() {
    let start = "cvt.u64.u32 T0, t1;\ncvta.shared.u64 T1, T0;\ncvt.u32.u64 t3, T1;\n";
    for to in ["T1", "t3"] {
        let kind = fault(&format!("{start}cp.async.ca.shared.global [{to}], [in], 4;\ncp.async.wait_all;"));
        assert!(matches!(kind, FaultKind::OutOfBounds { .. }), "{to}: {kind:?}");
    }
}
