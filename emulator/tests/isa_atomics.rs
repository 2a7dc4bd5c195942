//! Atomic operations (PTX ISA, `atom`, `red`).

mod common;
use common::*;
use ptx_emulator::{FaultKind, LaunchError, Residency, Schedule};

/// One lane: `atom` on the word at `out`, which starts as `start`; returns the old value and what stands there then.
fn atom32(operation: &str, start: u32, operands: &str) -> (u32, u32) {
    let body = format!(
        "mov.u32 t0, {start};\nst.global.u32 [out], t0;\natom.{operation} d, [out], {operands};\nst.global.u32 [out+4], d;"
    );
    let output = run(&body, &Setup::block(1), &[0], 2);
    (output[1], output[0])
}

fn atom64(operation: &str, start: u64, operands: &str) -> (u64, u64) {
    let body = format!(
        "mov.u64 T0, {start};\nst.global.u64 [out], T0;\natom.{operation} D, [out], {operands};\nst.global.u64 [out+8], D;"
    );
    let output = run(&body, &Setup::block(1), &[0], 4);
    let word = |at: usize| u64::from(output[at]) | u64::from(output[at + 1]) << 32;
    (word(2), word(0))
}

#[test]
fn integer_operations() {
    const ONES: u32 = u32::MAX;
    assert_eq!(atom32("global.add.u32", 5, "7"), (5, 12));
    assert_eq!(atom32("global.add.s32", 5, "-7"), (5, 2u32.wrapping_neg()));
    assert_eq!(atom32("global.exch.b32", 5, "7"), (5, 7));
    assert_eq!(atom32("global.cas.b32", 5, "5, 9"), (5, 9));
    assert_eq!(atom32("global.cas.b32", 5, "6, 9"), (5, 5));
    assert_eq!(atom32("global.and.b32", 0b1100, "10"), (0b1100, 0b1000));
    assert_eq!(atom32("global.or.b32", 0b1100, "10"), (0b1100, 0b1110));
    assert_eq!(atom32("global.xor.b32", 0b1100, "10"), (0b1100, 0b0110));
    assert_eq!(atom32("global.min.s32", ONES, "1"), (ONES, ONES));
    assert_eq!(atom32("global.min.u32", ONES, "1"), (ONES, 1));
    assert_eq!(atom32("global.max.s32", ONES, "1"), (ONES, 1));
    assert_eq!(atom32("global.max.u32", ONES, "1"), (ONES, ONES));
    // inc wraps to 0 at the operand, dec to the operand at 0 and beyond it.
    assert_eq!(
        (atom32("global.inc.u32", 3, "4").1, atom32("global.inc.u32", 4, "4").1, atom32("global.inc.u32", 9, "4").1),
        (4, 0, 0)
    );
    assert_eq!(
        (atom32("global.dec.u32", 3, "4").1, atom32("global.dec.u32", 0, "4").1, atom32("global.dec.u32", 9, "4").1),
        (2, 4, 4)
    );
    assert_eq!(atom64("global.add.u64", 1 << 40, "1"), (1 << 40, (1 << 40) + 1));
    assert_eq!(atom64("global.cas.b64", 5, "5, 9"), (5, 9));
    assert_eq!(atom64("global.exch.b64", 5, "9"), (5, 9));
    assert_eq!(atom64("global.min.s64", u64::MAX, "1"), (u64::MAX, u64::MAX));
    assert_eq!(atom64("global.max.u64", 3, "4"), (3, 4));
    assert_eq!(atom64("global.or.b64", 1 << 40, "1"), (1 << 40, (1 << 40) | 1));
}

#[test]
fn qualifiers_and_generic_addresses() {
    for operation in [
        "add.u32",
        "relaxed.gpu.global.add.u32",
        "acq_rel.sys.global.add.u32",
        "acquire.cta.global.add.u32",
        "release.gpu.add.u32",
        "global.gpu.add.u32",
    ] {
        assert_eq!(atom32(operation, 5, "7"), (5, 12), "{operation}");
    }
}

#[test]
fn bits_in_shared_memory() {
    let body = ".shared .b32 s;\nst.shared.b32 [s], 0x0f0f0000;\natom.shared.or.b32 a, [s], 0x00ff0001;\nst.global.u32 [out], a;\n\
                ld.shared.s32 b, [s];\nst.global.u32 [out+4], b;";
    assert_eq!(run(body, &Setup::block(1), &[0], 2), [0x0f0f_0000, 0x0fff_0001]);
}

#[test]
fn float_operations() {
    assert_eq!(atom32("global.add.f32", bits(1.5), "0f40000000"), (bits(1.5), bits(3.5)));
    let result = atom64("global.add.f64", 1.5f64.to_bits(), "0d4000000000000000");
    assert_eq!(result, (1.5f64.to_bits(), 3.5f64.to_bits()));
    // Subnormals are flushed in global memory, by any kind of address, and kept in shared memory.
    assert_eq!(atom32("global.add.f32", 3, "0f00000005"), (3, 0));
    assert_eq!(atom32("add.f32", 0x8000_0003, "0f80000005"), (0x8000_0003, 0x8000_0000));
    let body = ".shared .b32 s;\nst.shared.u32 [s], 3;\natom.shared.add.f32 d, [s], 0f00000005;\nmov.u64 A, s;\ncvta.shared.u64 A, A;\n\
                red.add.f32 [A], 0f00000001;\nld.shared.u32 d, [s];\nst.global.u32 [out], d;";
    assert_eq!(run(body, &Setup::block(1), &[0], 1), [9]);
    // Packed: 1 + 2 and 2 + 3 in f16, 1 + 1 and 2 + 1 in bf16.
    let packed = |ty: &str, start: u32, operand: u32| {
        let body = format!(
            "mov.b32 t0, {start};\nst.global.b32 [out], t0;\nmov.b32 t1, {operand};\natom.global.add.noftz.{ty} d, [out], t1;\nst.global.b32 [out+4], d;"
        );
        run(&body, &Setup::block(1), &[0], 2)
    };
    assert_eq!(packed("f16x2", 0x3c00_4000, 0x4000_4200), [0x4200_4500, 0x3c00_4000]);
    assert_eq!(packed("bf16x2", 0x3f80_4000, 0x3f80_3f80), [0x4000_4040, 0x3f80_4000]);
    // One half of a word: its neighbour stays.
    let body = "mov.b32 t0, 0x3c007777;\nst.global.b32 [out], t0;\nmov.b16 ha, 0x4000;\natom.global.add.noftz.f16 hd, [out+2], ha;\n\
                cvt.u32.u16 d, hd;\nst.global.b32 [out+4], d;";
    assert_eq!(run(body, &Setup::block(1), &[0], 2), [0x4200_7777, 0x3c00]);
    let body = "mov.b32 t0, 0x12347777;\nst.global.b32 [out], t0;\nmov.b16 ha, 0x1234;\nmov.b16 hb, 9;\natom.global.cas.b16 hd, [out+2], ha, hb;\n\
                cvt.u32.u16 d, hd;\nst.global.b32 [out+4], d;";
    assert_eq!(run(body, &Setup::block(1), &[0], 2), [0x0009_7777, 0x1234]);
}

#[test]
fn reductions_without_a_result() {
    let body = "mov.u32 t0, 5;\nst.global.u32 [out], t0;\nred.global.add.u32 [out], 7;\nred.relaxed.gpu.global.max.s32 [out], -3;\nred.global.xor.b32 [out], 1;\n\
                mov.f32 t1, 0f3f800000;\nst.global.f32 [out+4], t1;\nred.global.add.f32 [out+4], 0f3f800000;";
    assert_eq!(run(body, &Setup::block(1), &[0], 2), [13, bits(2.0)]);
}

#[test]
fn every_thread_of_every_block_counts_once() {
    // Each thread draws a ticket and marks it; all tickets are drawn, none twice.
    let body = "atom.global.add.u32 d, [in], 1;\nmul.wide.u32 T0, d, 4;\nadd.u64 out, out, T0;\natom.global.add.u32 e, [out], 1;";
    let mut setup = Setup::block(96);
    setup.grid = 5;
    assert_eq!(run(body, &setup, &[0], 480), vec![0; 480]);
}

#[test]
fn shared_counters_under_contention() {
    let body = ".shared .b32 s[2];\nmov.u32 t0, %tid.x;\nsetp.eq.u32 p, t0, 0;\n@p st.shared.v2.u32 [s], {0, 0};\nbar.sync 0;\n\
                atom.shared.add.u32 a, [s], t0;\nred.shared.max.u32 [s+4], t0;\nbar.sync 0;\nld.shared.u32 d, [s];\nld.shared.u32 e, [s+4];\n\
                @p st.global.v2.u32 [out], {d, e};";
    assert_eq!(run(body, &Setup::block(256), &[0], 2), [255 * 128, 255]);
}

#[test]
fn a_lock_by_compare_and_swap() {
    // Lane 0 of each of 8 warps adds to a plain word under a lock.
    let body = ".shared .b32 s[2];\nmov.u32 t0, %tid.x;\nsetp.eq.u32 p, t0, 0;\n@p st.shared.v2.u32 [s], {0, 0};\nbar.sync 0;\n\
                and.b32 t1, t0, 31;\nsetp.ne.u32 q, t1, 0;\n@q bra done;\nspin:\natom.acquire.cta.shared.cas.b32 a, [s], 0, 1;\nsetp.ne.u32 r, a, 0;\n@r bra spin;\n\
                ld.shared.u32 b, [s+4];\nadd.u32 b, b, 1;\nst.shared.u32 [s+4], b;\natom.release.cta.shared.exch.b32 a, [s], 0;\ndone:\nbar.sync 0;\n\
                ld.shared.u32 d, [s+4];\n@p st.global.u32 [out], d;";
    assert_eq!(run(body, &Setup::block(256), &[0], 1), [8]);
}

/// One lane: a vector operation on the four words at `out`, which start as `start`; returns the old words and those that stand there then.
fn vector(operation: &str, start: [u32; 4], operand: [u32; 4], halves: usize, words: usize) -> ([u32; 4], [u32; 4]) {
    let names = |prefix: &str, count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("{prefix}{i}")).collect();
        format!("{{{}}}", names.join(", "))
    };
    let mut body = ".reg .b16 xh<8>, yh<8>;\n.reg .b32 x<4>, y<4>;\n".to_owned();
    for i in 0..4 {
        body += &format!(
            "mov.u32 t0, {};\nst.global.u32 [out+{}], t0;\nmov.u32 x{i}, {};\nmov.u32 y{i}, 0;\n",
            start[i],
            4 * i,
            operand[i]
        );
        body += &format!(
            "mov.b32 {{xh{}, xh{}}}, x{i};\nmov.b32 {{yh{}, yh{}}}, y{i};\n",
            2 * i,
            2 * i + 1,
            2 * i,
            2 * i + 1
        );
    }
    let (x, y) =
        if halves != 0 { (names("xh", halves), names("yh", halves)) } else { (names("x", words), names("y", words)) };
    body += &format!("atom.global.{operation} {y}, [out], {x};\n");
    for i in 0..4 {
        if halves != 0 {
            body += &format!("mov.b32 y{i}, {{yh{}, yh{}}};\n", 2 * i, 2 * i + 1);
        }
        body += &format!("st.global.u32 [out+{}], y{i};\n", 16 + 4 * i);
    }
    let output = run(&body, &Setup::block(1), &[0], 8);
    (std::array::from_fn(|i| output[4 + i]), std::array::from_fn(|i| output[i]))
}

#[test]
fn vectors_of_floats() {
    let floats = |values: [f32; 4]| values.map(f32::to_bits);
    let (start, operand) = (floats([1.0, 2.0, 3.0, 4.0]), floats([0.5, -2.0, 1.5, 100.0]));
    assert_eq!(vector("v4.f32.add", start, operand, 0, 4), (start, floats([1.5, 0.0, 4.5, 104.0])));
    let pair = ([start[0], start[1], 0, 0], floats([1.5, 0.0, 3.0, 4.0]));
    assert_eq!(vector("add.v2.f32", start, operand, 0, 2), pair);
    // f16: 1 and 2, 3 and 4 beside 2 and 1, -1 and 8.
    let (start, operand) = ([0x4000_3c00, 0x4400_4200, 7, 7], [0x3c00_4000, 0x4800_bc00, 0, 0]);
    let old = [start[0], start[1], 0, 0];
    assert_eq!(vector("add.noftz.v4.f16", start, operand, 4, 0), (old, [0x4200_4200, 0x4a00_4000, 7, 7]));
    assert_eq!(vector("v2.f16x2.min.noftz", start, operand, 0, 2), (old, [0x3c00_3c00, 0x4400_bc00, 7, 7]));
    assert_eq!(vector("v4.f16.max.noftz", start, operand, 4, 0), (old, [0x4000_4000, 0x4800_4200, 7, 7]));
    // bf16: eight times 1 and 3.
    let all = vector("v8.bf16.add.noftz", [0x3f80_3f80; 4], [0x4040_4040; 4], 8, 0);
    assert_eq!(all, ([0x3f80_3f80; 4], [0x4080_4080; 4]));
    let all = vector("v4.bf16x2.max.noftz", [0x3f80_c040; 4], [0xbf80_4040; 4], 0, 4);
    assert_eq!(all, ([0x3f80_c040; 4], [0x3f80_4040; 4]));
    // `red`, with a policy, and an address that is a multiple of an element alone.
    let body = "mov.u32 t0, 0;\nst.global.v2.u32 [out], {t0, t0};\nmov.f32 t1, 0f3f800000;\nmov.u64 T2, 0;\n\
                red.global.add.L2::cache_hint.v2.f32 [out], {t1, t1}, T2;\nred.global.add.L2::cache_hint.u32 [out+4], 1, T2;";
    assert_eq!(run(body, &Setup::block(1), &[0], 2), [bits(1.0), bits(1.0) + 1]);
    let body = "mov.f32 t1, 0f3f800000;\nred.global.add.v2.f32 [out+4], {t1, t1};";
    match launch(&module("", body), &Setup::block(1), &[0], 4) {
        Err(LaunchError::Faults(faults)) => {
            assert!(matches!(faults.faults[0].kind, FaultKind::Misaligned { required: 8, .. }), "{faults}")
        }
        other => panic!("{other:?}"),
    }
}

/// Every thread adds 1 to a plain word under a lock, each in its own time.
const LOCK: &str = "spin:\natom.acquire.SCOPE.cas.b32 a, [LOCK], 0, 1;\nsetp.ne.u32 r, a, 0;\n@r bra spin;\n\
                    ld.SPACE.u32 b, [WORD];\nadd.u32 b, b, 1;\nst.SPACE.u32 [WORD], b;\natom.release.SCOPE.exch.b32 a, [LOCK], 0;\n";

#[test]
fn locks_progress_among_lanes_and_warps_under_every_schedule() {
    // Lanes of a warp contend: the one that holds the lock must get its turn while its sisters spin.
    let lock =
        LOCK.replace("SCOPE", "cta.shared").replace("SPACE", "shared").replace("LOCK", "s").replace("WORD", "s+4");
    let body = format!(
        ".shared .b32 s[2];\nmov.u32 t0, %tid.x;\nsetp.eq.u32 p, t0, 0;\n@p st.shared.v2.u32 [s], {{0, 0}};\nbar.sync 0;\n{lock}bar.sync 0;\n\
         ld.shared.u32 d, [s+4];\n@p st.global.u32 [out], d;"
    );
    for (seed, schedule) in [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy].into_iter().enumerate() {
        let mut setup = Setup::block(96);
        (setup.config.schedule, setup.config.seed) = (schedule, seed as u64);
        assert_eq!(run(&body, &setup, &[0], 1), [96], "{schedule:?}");
    }
}

#[test]
fn locks_progress_among_blocks() {
    let lock =
        LOCK.replace("SCOPE", "gpu.global").replace("SPACE", "global").replace("LOCK", "in").replace("WORD", "in+4");
    let body = format!("{lock}setp.eq.u32 p, b, 80;\n@p st.global.u32 [out], b;");
    for (seed, schedule) in [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy].into_iter().enumerate() {
        for residency in
            [Residency { resident_blocks: 1, reversed: true }, Residency { resident_blocks: 3, reversed: false }]
        {
            let mut setup = Setup { grid: 5, ..Setup::block(16) };
            (setup.config.schedule, setup.config.seed, setup.config.residency) = (schedule, seed as u64, residency);
            assert_eq!(run(&body, &setup, &[0, 0], 1), [80], "{schedule:?} {residency:?}");
        }
    }
}
