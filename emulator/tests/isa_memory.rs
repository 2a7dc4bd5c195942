//! Loads, stores and addresses (PTX ISA, `ld`, `st`, `mov`, `cvta`, `isspacep`, "State Spaces").

mod common;
use common::*;
use ptx_emulator::{Checks, FaultKind, LaunchError};

/// Runs a body in one lane on words.
fn one(body: &str, input: &[u32], words: usize) -> Vec<u32> {
    run(body, &Setup::block(1), input, words)
}

/// The kinds of the faults of a body in one lane.
fn faults(outside: &str, body: &str) -> Vec<FaultKind> {
    match launch(&module(outside, body), &Setup::block(1), &[0; 4], 4) {
        Err(LaunchError::Faults(faults)) => faults.faults.into_iter().map(|fault| fault.kind).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn narrow_loads_extend_and_narrow_stores_truncate() {
    let body = "ld.global.s8 a, [in];\nld.global.u8 b, [in];\nld.global.s16 c, [in+2];\nld.global.u16 e, [in+2];\n\
                st.global.v4.u32 [out], {a, b, c, e};\nld.global.s8 A, [in];\nst.global.u64 [out+16], A;\n\
                mov.u32 d, 0x12345678;\nst.global.u8 [out+24], d;\nst.global.u16 [out+26], d;\nst.global.b8 [out+25], 0;";
    let output = one(body, &[0x8001_11fe], 7);
    assert_eq!(output, [0xffff_fffe, 0xfe, 0xffff_8001, 0x8001, 0xffff_fffe, u32::MAX, 0x5678_0078]);
}

#[test]
fn vectors() {
    let body = "ld.global.v2.u32 {a, b}, [in];\nld.global.v4.f32 {c, d, e, f}, [in+16];\nld.global.v2.u64 {A, B}, [in+16];\n\
                st.global.v2.u32 [out], {b, a};\nst.global.v4.b32 [out+16], {f, e, d, c};\nst.global.v2.b64 [out+32], {B, A};\n\
                ld.global.v4.u8 {ha, hb, hc, he}, [in];\nst.global.v2.u16 [out+8], {hb, he};\n\
                ld.global.v4.u16 {ha, hb, hc, he}, [in];\nst.global.v4.u16 [out+48], {he, hc, hb, ha};\nst.global.u32 [out+12], 0;";
    let output = one(body, &[0x0403_0201, 0x0807_0605, 3, 4, 5, 6, 7, 8], 14);
    assert_eq!(output[..4], [0x0807_0605, 0x0403_0201, 0x0004_0002, 0]);
    assert_eq!(output[4..12], [8, 7, 6, 5, 7, 8, 5, 6]);
    assert_eq!(output[12..], [0x0605_0807, 0x0201_0403]);
}

#[test]
fn qualifiers_do_not_change_values() {
    let body = "ld.global.nc.u32 a, [in];\nld.volatile.global.u32 b, [in+4];\nld.relaxed.gpu.global.u32 c, [in+8];\nld.acquire.sys.global.u32 e, [in+12];\n\
                ld.global.ca.u32 t0, [in];\nld.global.cg.u32 t1, [in+4];\nld.global.nc.L1::no_allocate.L2::128B.v2.u32 {t2, t3}, [in+8];\n\
                st.global.wb.u32 [out], a;\nst.volatile.global.u32 [out+4], b;\nst.relaxed.gpu.global.u32 [out+8], c;\nst.release.cta.global.u32 [out+12], e;\n\
                st.global.cs.v4.u32 [out+16], {t0, t1, t2, t3};\nprefetch.global.L2 [in];\nld.weak.global.u32 d, [in];\nst.weak.global.u32 [out+32], d;";
    assert_eq!(one(body, &[1, 2, 3, 4], 9), [1, 2, 3, 4, 1, 2, 3, 4, 1]);
}

/// Without a register's type, with the cache operators that may stand there: the same bytes.
#[test]
fn untyped_loads_from_global_memory() {
    let input = [0x0403_0281, 0x0807_0605, 0x0c0b_0a09, 0x100f_0e0d];
    for path in ["global.nc", "global.L1::no_allocate", "global.nc.L1::no_allocate"] {
        let body = format!(
            "ld.{path}.v4.b32 {{a, b, c, e}}, [in];\nst.global.v4.b32 [out], {{e, c, b, a}};\nld.{path}.b32 a, [in+4];\n\
             ld.{path}.v2.b32 {{b, c}}, [in+8];\nld.{path}.b16 ha, [in+2];\ncvt.u32.u16 e, ha;\nld.{path}.u8 d, [in];\n\
             ld.{path}.b64 A, [in+8];\nst.global.v4.f32 [out+16], {{a, b, c, e}};\nst.global.v2.f32 [out+32], {{d, d}};\n\
             st.global.b64 [out+40], A;"
        );
        let output = one(&body, &input, 12);
        assert_eq!(output[..4], [input[3], input[2], input[1], input[0]], "{path}");
        assert_eq!(output[4..8], [input[1], input[2], input[3], 0x0403], "{path}");
        assert_eq!(output[8..], [0x81, 0x81, input[2], input[3]], "{path}");
    }
}

#[test]
fn wide_words_in_shared_memory() {
    let body = ".shared .align 16 .b8 s[32];\nld.global.u64 A, [in];\nst.shared.u64 [s+8], A;\nld.shared.f64 B, [s+8];\nst.shared.f64 [s], B;\n\
                ld.shared.v4.f32 {a, b, c, e}, [s];\nst.global.v4.b32 [out], {a, b, c, e};\nld.shared.u64 D, [s];\nst.global.u64 [out+16], D;\n\
                ld.shared.s32 d, [s+4];\nst.global.u32 [out+24], d;";
    assert_eq!(one(body, &[1, 0x8000_0002], 7), [1, 0x8000_0002, 1, 0x8000_0002, 1, 0x8000_0002, 0x8000_0002]);
}

/// A value handed over between threads of the device, as the two halves of the pattern read it.
#[test]
fn release_and_acquire_of_the_device() {
    let body = "ld.acquire.gpu.global.u32 a, [in];\nadd.u32 a, a, 1;\nst.release.gpu.global.u32 [out], a;";
    assert_eq!(one(body, &[41], 1), [42]);
}

#[test]
fn parameters_by_type_and_offset() {
    // The low and high words of the first parameter are the address of the input.
    let body = "ld.param.u32 a, [input];\nld.param.u32 b, [input+4];\nmov.b64 A, {a, b};\nld.param.v2.u32 {c, e}, [output];\nmov.b64 B, {c, e};\n\
                ld.param.v2.f32 {a, b}, [input];\nmov.b64 A, {a, b};\nld.global.u32 d, [A];\nst.global.u32 [B], d;";
    assert_eq!(one(body, &[77], 1), [77]);
}

#[test]
fn moves_pack_and_unpack() {
    let body = "ld.global.u32 a, [in];\nld.global.u64 A, [in];\nmov.b32 {ha, hb}, a;\nmov.b32 d, {hb, ha};\nst.global.u32 [out], d;\n\
                mov.b64 {b, c}, A;\nmov.b64 D, {c, b};\nst.global.u64 [out+8], D;\nmov.b64 {ha, hb, hc, he}, A;\nmov.b64 D, {he, hc, hb, ha};\n\
                st.global.u64 [out+16], D;\nmov.b64 {_, e}, A;\nst.global.u32 [out+4], e;";
    assert_eq!(
        one(body, &[0x0002_0001, 0x0004_0003], 6),
        [0x0001_0002, 0x0004_0003, 0x0004_0003, 0x0002_0001, 0x0003_0004, 0x0001_0002]
    );
}

#[test]
fn module_variables_and_their_initial_values() {
    let outside = ".const .align 4 .u32 table[4] = {10, 20, 30, 40};\n.global .align 4 .f32 scale = 0f40000000;\n\
                   .global .align 8 .u64 pointer = generic(table)+8;\n.global .align 1 .b8 text[4] = {1, 2, 255, 4};";
    let body = "ld.const.u32 a, [table+4];\nst.global.u32 [out], a;\nld.global.f32 b, [scale];\nst.global.u32 [out+4], b;\n\
                ld.global.u64 A, [pointer];\nld.u32 c, [A];\nst.global.u32 [out+8], c;\nld.global.u32 e, [text];\nst.global.u32 [out+12], e;\n\
                mov.u64 B, table;\nld.const.u32 d, [B+12];\nst.global.u32 [out+16], d;";
    let ptx = module(outside, body);
    let output = launch(&ptx, &Setup::block(1), &[0], 5).unwrap();
    assert_eq!(output, [20, bits(2.0), 30, 0x04ff_0201, 40]);
}

#[test]
fn shared_memory_static_dynamic_and_generic() {
    let outside = ".extern .shared .align 16 .b8 dynamic[];\n";
    let body = ".shared .align 8 .b32 fixed[8];\nst.shared.u32 [fixed+4], 5;\nst.shared.v2.u32 [fixed+8], {6, 7};\nst.shared.u32 [dynamic+60], 9;\n\
                mov.u32 t0, fixed;\nld.shared.u32 a, [t0+4];\nmov.u64 A, fixed;\ncvta.shared.u64 B, A;\nld.u32 b, [B+8];\nst.u32 [B+12], 8;\n\
                ld.shared.u32 c, [fixed+12];\nld.shared.u32 e, [dynamic+60];\nst.global.v4.u32 [out], {a, b, c, e};\n\
                cvta.to.shared.u64 C, B;\nld.shared.u32 d, [C+4];\nst.global.u32 [out+16], d;";
    let mut setup = Setup::block(1);
    setup.dynamic_shared = 64;
    assert_eq!(launch(&module(outside, body), &setup, &[0], 5).unwrap(), [5, 6, 8, 9, 5]);
}

#[test]
fn local_memory_belongs_to_a_thread() {
    let body = ".local .align 16 .b8 frame[32];\nmov.u32 t0, %tid.x;\nmul.wide.u32 T0, t0, 4;\nadd.u64 out, out, T0;\n\
                mov.u64 A, frame;\ncvta.local.u64 B, A;\nst.local.u32 [frame+8], t0;\nst.u32 [B+12], 100;\nbar.sync 0;\n\
                ld.local.v2.u32 {a, b}, [frame+8];\nadd.u32 d, a, b;\nst.global.u32 [out], d;";
    let output = run(body, &Setup::block(64), &[0], 64);
    assert_eq!(output, (100..164).collect::<Vec<u32>>());
}

#[test]
fn generic_addresses_know_their_space() {
    let body = ".shared .b32 s;\n.local .b32 l;\nmov.u64 A, s;\ncvta.shared.u64 A, A;\nmov.u64 B, l;\ncvta.local.u64 B, B;\ncvta.global.u64 C, in;\n\
                isspacep.shared p, A;\nisspacep.local q, A;\nisspacep.global r, A;\nselp.u32 a, 4, 0, p;\nselp.u32 b, 2, 0, q;\nselp.u32 c, 1, 0, r;\n\
                or.b32 d, a, b;\nor.b32 d, d, c;\nst.global.u32 [out], d;\n\
                isspacep.shared p, B;\nisspacep.local q, B;\nisspacep.global r, C;\nselp.u32 a, 4, 0, p;\nselp.u32 b, 2, 0, q;\nselp.u32 c, 1, 0, r;\n\
                or.b32 d, a, b;\nor.b32 d, d, c;\nst.global.u32 [out+4], d;";
    assert_eq!(one(body, &[0], 2), [4, 3]);
}

#[test]
fn faults_of_address_and_alignment() {
    let kinds = faults("", "ld.global.u32 a, [in+16];");
    assert!(matches!(kinds[0], FaultKind::OutOfBounds { space: "global", bytes: 4, .. }), "{kinds:?}");
    let kinds = faults("", "st.global.u32 [out+-4], 1;");
    assert!(matches!(kinds[0], FaultKind::OutOfBounds { space: "global", .. }), "{kinds:?}");
    let kinds = faults("", "ld.global.v2.u32 {a, b}, [in+4];");
    assert!(matches!(kinds[0], FaultKind::Misaligned { required: 8, .. }), "{kinds:?}");
    let kinds = faults("", ".shared .b32 s[2];\nst.shared.u32 [s+8], 1;");
    assert!(matches!(kinds[0], FaultKind::OutOfBounds { space: "shared", .. }), "{kinds:?}");
    let kinds = faults("", ".shared .b32 s[2];\nld.shared.u32 a, [s];\nst.global.u32 [out], a;");
    assert!(matches!(kinds[0], FaultKind::Uninitialised { .. }), "{kinds:?}");
}

#[test]
fn a_generic_address_is_no_shared_address() {
    let body = |address: &str| {
        format!(
            ".shared .b32 s[2];\nmov.u64 T0, s;\ncvta.shared.u64 T1, T0;\ncvta.to.shared.u64 T2, T1;\ncvt.u32.u64 t0, T1;\ncvt.u32.u64 t1, T2;\n\
             st.shared.u32 [{address}], 7;\nld.u32 a, [T1];\nst.global.u32 [out], a;"
        )
    };
    assert_eq!(one(&body("t1"), &[0], 1), [7]);
    let kinds = faults("", &body("t0"));
    assert!(matches!(kinds[0], FaultKind::OutOfBounds { space: "shared", .. }), "{kinds:?}");
}

#[test]
fn a_symbol_of_another_space_is_refused() {
    for (access, space) in [
        ("ld.global.u32 a, [s];", ".shared"),
        ("ld.shared.u32 a, [g];", ".global"),
        ("ld.shared.u32 a, [l+4];", ".local"),
    ] {
        let body = format!(".shared .b32 s[2];\n.local .b32 l[2];\n{access}");
        let error = ptx_emulator::Module::load(&module(".global .b32 g[2];", &body)).unwrap_err();
        assert!(error.what.contains(&format!("lies in {space}")), "{error}");
    }
}

#[test]
fn static_shared_memory_is_limited() {
    let text = |bytes: u32| module("", &format!(".shared .b8 s[{bytes}];\nst.shared.u8 [s], 0;"));
    let kernel = ptx_emulator::Module::load(&text(49_152)).unwrap().kernel("test").unwrap();
    assert_eq!(kernel.static_shared(), 49_152);
    let error = ptx_emulator::Module::load(&text(49_153)).unwrap_err();
    assert!(error.what.contains("49153") && error.what.contains("49152"), "{error}");
}

#[test]
fn narrow_addresses_beyond_a_symbol() {
    let body = ".shared .b32 s[8];\nmov.u32 t0, s;\nmov.u32 t1, s+16;\nsub.u32 d, t1, t0;\nst.global.u32 [out], d;";
    assert_eq!(one(body, &[0], 1), [16]);
}

#[test]
fn polling_past_the_caches_sees_other_blocks() {
    // Block 0 waits for what block 1 stores.
    let body = "mov.u32 t0, %ctaid.x;\nsetp.eq.u32 p, t0, 1;\n@p bra other;\nwait:\nld.global.cv.u32 a, [in];\nsetp.eq.u32 q, a, 0;\n@q bra wait;\n\
                st.global.u32 [out], a;\nbra done;\nother:\nst.global.u32 [in], 9;\ndone:";
    let mut setup = Setup::block(1);
    // One worker: the blocks have to take turns.
    (setup.grid, setup.config.workers, setup.config.instruction_limit) = (2, 1, 100_000);
    setup.config.checks = Checks { races: false, ..Checks::ALL };
    assert_eq!(run(body, &setup, &[0], 1), [9]);
    // It works, and is a race none the less: neither side is strong.
    setup.config.checks = Checks::ALL;
    let Err(LaunchError::Faults(faults)) = launch(&module("", body), &setup, &[0], 1) else { panic!("no fault") };
    assert!(matches!(faults.faults[0].kind, FaultKind::Race { space: "global", .. }), "{faults}");
}
