//! Matrix instructions (PTX ISA, "Warp-Level Matrix Instructions": `ldmatrix`, `stmatrix`, `movmatrix`, `mma`). Fragments are placed and read by the
//! index formulas of that section, and one-hot matrices tell every element of a fragment from every other.

mod common;
use common::*;
use ptx_emulator::{FaultKind, LaunchError};

/// Runs a body in one warp; lane `l` finds its `per` input words at `in` and stores `per_out` words at `out`.
fn in_warp(body: &str, input: &[u32], per: usize, per_out: usize) -> Vec<u32> {
    let body = format!(
        ".shared .align 16 .b8 s[1024];\nmov.u32 t0, %tid.x;\nmov.u32 t1, s;\nmul.wide.u32 T0, t0, {};\nadd.u64 in, in, T0;\n\
         mul.wide.u32 T0, t0, {};\nadd.u64 out, out, T0;\n{body}",
        4 * per,
        4 * per_out
    );
    run(&body, &Setup::block(32), input, 32 * per_out)
}

/// Four 8x8 matrices of 16-bit numbers in shared memory, written by lanes of 32 bytes: matrix m, row r is row 8m + r of 16 bytes, and its
/// column c holds 64m + 8r + c.
const FILL: &str = "shl.b32 t2, t0, 4;\nadd.u32 t3, t1, t2;\nld.global.v4.u32 {a, b, c, e}, [in];\nst.shared.v4.u32 [t3], {a, b, c, e};\nbar.sync 0;\n";

fn numbered() -> Vec<u32> {
    (0..128).map(|word| (2 * word) | ((2 * word + 1) << 16)).collect()
}

#[test]
fn ldmatrix_gives_each_lane_a_pair_of_each_matrix() {
    let element = |matrix: u32, row: u32, column: u32| 64 * matrix + 8 * row + column;
    for (count, list) in [(1, "{a}"), (2, "{a, b}"), (4, "{a, b, c, e}")] {
        for trans in [false, true] {
            // Lane l holds the address of row l.
            let modifier = if trans { ".trans" } else { "" };
            let body = format!(
                "{FILL}mov.u32 a, 0;\nmov.u32 b, 0;\nmov.u32 c, 0;\nmov.u32 e, 0;\nldmatrix.sync.aligned.m8n8.x{count}{modifier}.shared.b16 {list}, [t3];\n\
                 st.global.v4.u32 [out], {{a, b, c, e}};"
            );
            let output = in_warp(&body, &numbered(), 4, 4);
            for lane in 0..32u32 {
                for matrix in 0..4u32 {
                    let (row, column) = (lane / 4, 2 * (lane % 4));
                    let (low, high) = if trans {
                        (element(matrix, column, row), element(matrix, column + 1, row))
                    } else {
                        (element(matrix, row, column), element(matrix, row, column + 1))
                    };
                    let expected = if matrix < count { low | high << 16 } else { 0 };
                    assert_eq!(
                        output[(4 * lane + matrix) as usize],
                        expected,
                        "x{count}{modifier} lane {lane} matrix {matrix}"
                    );
                }
            }
        }
    }
}

#[test]
fn ldmatrix_takes_any_rows_in_any_order() {
    // Lane l gives the address of row 31 - l: matrices and rows come in reverse.
    let body = format!(
        "{FILL}sub.u32 t4, 31, t0;\nshl.b32 t4, t4, 4;\nadd.u32 t4, t1, t4;\nldmatrix.sync.aligned.m8n8.x4.shared.b16 {{a, b, c, e}}, [t4];\n\
         st.global.v4.u32 [out], {{a, b, c, e}};"
    );
    let output = in_warp(&body, &numbered(), 4, 4);
    for lane in 0..32u32 {
        for matrix in 0..4u32 {
            let low = 64 * (3 - matrix) + 8 * (7 - lane / 4) + 2 * (lane % 4);
            assert_eq!(output[(4 * lane + matrix) as usize], low | (low + 1) << 16);
        }
    }
}

#[test]
fn stmatrix_undoes_ldmatrix() {
    for trans in ["", ".trans"] {
        let body = format!(
            "{FILL}ldmatrix.sync.aligned.m8n8.x4{trans}.shared.b16 {{a, b, c, e}}, [t3];\nbar.sync 0;\nadd.u32 t4, t3, 512;\n\
             stmatrix.sync.aligned.m8n8.x4{trans}.shared.b16 [t4], {{a, b, c, e}};\nbar.sync 0;\nld.shared.v4.u32 {{a, b, c, e}}, [t4];\n\
             st.global.v4.u32 [out], {{a, b, c, e}};"
        );
        assert_eq!(in_warp(&body, &numbered(), 4, 4), numbered(), "{trans}");
    }
}

#[test]
fn stmatrix_of_one_and_two_matrices() {
    // Lane l's register of matrix m is 2 * (32m + l) in its low half and the next number in its high half.
    for (count, list) in [(1u32, "{a}"), (2, "{a, b}")] {
        for trans in ["", ".trans"] {
            let body = format!(
                "{FILL}shl.b32 a, t0, 1;\nadd.u32 b, a, 1;\nprmt.b32 a, a, b, 0x5410;\nadd.u32 b, a, 0x00400040;\nadd.u32 t4, t3, 512;\n\
                 stmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 [t4], {list};\nbar.sync 0;\nmov.u32 c, 0;\nsetp.lt.u32 p, t0, {};\n\
                 @p ld.shared.v4.u32 {{a, b, c, e}}, [t4];\n@p st.global.v4.u32 [out], {{a, b, c, e}};",
                8 * count
            );
            let output = in_warp(&body, &numbered(), 4, 4);
            for line in 0..8 * count {
                for column in 0..8 {
                    let (row, matrix) = (line % 8, line / 8);
                    let (row, column_of) = if trans.is_empty() { (row, column) } else { (column, row) };
                    let expected = 64 * matrix + 2 * (4 * row + column_of / 2) + column_of % 2;
                    let word = output[(4 * line + column / 2) as usize];
                    assert_eq!(word >> (16 * (column % 2)) & 0xffff, expected, "x{count}{trans} {line} {column}");
                }
            }
        }
    }
}

#[test]
fn movmatrix_transposes() {
    let body = "ld.global.u32 a, [in];\nmovmatrix.sync.aligned.m8n8.trans.b16 d, a;\nst.global.u32 [out], d;";
    let input: Vec<u32> = (0..32).map(|word| (2 * word) | ((2 * word + 1) << 16)).collect();
    let output = in_warp(body, &input, 1, 1);
    for lane in 0..32u32 {
        let (row, column) = (lane / 4, 2 * (lane % 4));
        assert_eq!(output[lane as usize], (8 * column + row) | (8 * (column + 1) + row) << 16);
    }
}

/// Where element `i` of a lane's fragment stands in its matrix.
type Place = fn(usize, usize) -> (usize, usize);

/// A shape and type of `mma`: its modifiers, bits of an operand, K, registers of a, b and c, the bits of a one and of small integers.
struct Form {
    modifiers: &'static str,
    bits: usize,
    k: usize,
    registers: [usize; 3],
    a: Place,
    b: Place,
    encode: fn(u32) -> u32,
    /// Bits of an accumulator element, and its encoding.
    accumulator: (usize, fn(u32) -> u32),
}

fn group(lane: usize) -> (usize, usize) {
    (lane >> 2, lane % 4)
}

/// "mma.m16n8k16 with floating point type", `a`: groupID for i < 2 and 4 <= i < 6, else groupID + 8.
fn a_16(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = group(lane);
    (if i < 2 || (4..6).contains(&i) { group } else { group + 8 }, 2 * thread + (i & 1) + if i >= 4 { 8 } else { 0 })
}

fn b_16(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = group(lane);
    (2 * thread + (i & 1) + if i >= 2 { 8 } else { 0 }, group)
}

fn a_tf32(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = group(lane);
    (if i == 0 || i == 2 { group } else { group + 8 }, if i < 2 { thread } else { thread + 4 })
}

fn b_tf32(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = group(lane);
    (if i == 0 { thread } else { thread + 4 }, group)
}

fn a_8(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = group(lane);
    (if i < 4 || (8..12).contains(&i) { group } else { group + 8 }, 4 * thread + (i & 3) + if i >= 8 { 16 } else { 0 })
}

fn b_8(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = group(lane);
    (4 * thread + (i & 3) + if i >= 4 { 16 } else { 0 }, group)
}

fn c(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = group(lane);
    (if i < 2 { group } else { group + 8 }, 2 * thread + (i & 1))
}

fn f32_bits(x: u32) -> u32 {
    (x as f32).to_bits()
}

/// Exact for integers below 256.
fn bf16_bits(x: u32) -> u32 {
    (x as f32).to_bits() >> 16
}

/// Exact for integers below 2048.
fn f16_bits(x: u32) -> u32 {
    let bits = (x as f32).to_bits();
    if x == 0 { 0 } else { (bits >> 13) - (112 << 10) }
}

const FORMS: [Form; 10] = [
    Form {
        modifiers: "m16n8k16.row.col.f32.bf16.bf16.f32",
        bits: 16,
        k: 16,
        registers: [4, 2, 4],
        a: a_16,
        b: b_16,
        encode: bf16_bits,
        accumulator: (32, f32_bits),
    },
    Form {
        modifiers: "m16n8k16.row.col.f32.f16.f16.f32",
        bits: 16,
        k: 16,
        registers: [4, 2, 4],
        a: a_16,
        b: b_16,
        encode: f16_bits,
        accumulator: (32, f32_bits),
    },
    Form {
        modifiers: "m16n8k16.row.col.f16.f16.f16.f16",
        bits: 16,
        k: 16,
        registers: [4, 2, 2],
        a: a_16,
        b: b_16,
        encode: f16_bits,
        accumulator: (16, f16_bits),
    },
    Form {
        modifiers: "m16n8k8.row.col.f32.bf16.bf16.f32",
        bits: 16,
        k: 8,
        registers: [2, 1, 4],
        a: a_16,
        b: b_16,
        encode: bf16_bits,
        accumulator: (32, f32_bits),
    },
    Form {
        modifiers: "m16n8k8.row.col.f32.f16.f16.f32",
        bits: 16,
        k: 8,
        registers: [2, 1, 4],
        a: a_16,
        b: b_16,
        encode: f16_bits,
        accumulator: (32, f32_bits),
    },
    Form {
        modifiers: "m16n8k8.row.col.f16.f16.f16.f16",
        bits: 16,
        k: 8,
        registers: [2, 1, 2],
        a: a_16,
        b: b_16,
        encode: f16_bits,
        accumulator: (16, f16_bits),
    },
    Form {
        modifiers: "m16n8k8.row.col.f32.tf32.tf32.f32",
        bits: 32,
        k: 8,
        registers: [4, 2, 4],
        a: a_tf32,
        b: b_tf32,
        encode: f32_bits,
        accumulator: (32, f32_bits),
    },
    Form {
        modifiers: "m16n8k4.row.col.f32.tf32.tf32.f32",
        bits: 32,
        k: 4,
        registers: [2, 1, 4],
        a: a_tf32,
        b: b_tf32,
        encode: f32_bits,
        accumulator: (32, f32_bits),
    },
    Form {
        modifiers: "m16n8k32.row.col.s32.s8.s8.s32",
        bits: 8,
        k: 32,
        registers: [4, 2, 4],
        a: a_8,
        b: b_8,
        encode: |x| x,
        accumulator: (32, |x| x),
    },
    Form {
        modifiers: "m16n8k16.row.col.satfinite.s32.u8.s8.s32",
        bits: 8,
        k: 16,
        registers: [2, 1, 4],
        a: a_8,
        b: b_8,
        encode: |x| x,
        accumulator: (32, |x| x),
    },
];

/// The registers of a lane, from the value of each element of the matrix.
fn pack(
    lane: usize,
    registers: usize,
    bits: usize,
    place: Place,
    encode: fn(u32) -> u32,
    value: impl Fn(usize, usize) -> u32,
) -> Vec<u32> {
    let per = 32 / bits;
    let register = |r: usize| {
        (0..per).fold(0, |word, i| {
            let (row, column) = place(lane, r * per + i);
            word | encode(value(row, column)) << (bits * i)
        })
    };
    (0..registers).map(register).collect()
}

fn names(first: usize, count: usize) -> String {
    let list: Vec<String> = (first..first + count).map(|i| format!("m{i}")).collect();
    format!("{{{}}}", list.join(", "))
}

/// An element of a matrix, by row and column.
type Element<'a> = &'a dyn Fn(usize, usize) -> u32;

/// Runs a form on matrices, and checks every element of the result against `expected`.
fn check_product(
    form: &Form,
    (a, b, start): (Element<'_>, Element<'_>, Element<'_>),
    expected: impl Fn(usize, usize) -> u32,
) {
    let [ra, rb, rc] = form.registers;
    let (bits, encode) = form.accumulator;
    let mut input = Vec::new();
    for lane in 0..32 {
        input.extend(pack(lane, ra, form.bits, form.a, form.encode, a));
        input.extend(pack(lane, rb, form.bits, form.b, form.encode, b));
        input.extend(pack(lane, rc, bits, c, encode, start));
    }
    let mut body = String::from(".reg .b32 m<16>;\n");
    for i in 0..ra + rb + rc {
        body += &format!("ld.global.u32 m{i}, [in+{}];\n", 4 * i);
    }
    let accumulators = names(ra + rb, rc);
    body += &format!(
        "mma.sync.aligned.{} {accumulators}, {}, {}, {accumulators};\n",
        form.modifiers,
        names(0, ra),
        names(ra, rb)
    );
    for i in 0..rc {
        body += &format!("st.global.u32 [out+{}], m{};\n", 4 * i, ra + rb + i);
    }
    let output = in_warp(&body, &input, ra + rb + rc, rc);
    for lane in 0..32 {
        let lane_expected = pack(lane, rc, bits, c, encode, &expected);
        assert_eq!(output[rc * lane..rc * (lane + 1)], lane_expected, "{} lane {lane}", form.modifiers);
    }
}

#[test]
fn mma_of_small_integers_is_exact() {
    for form in &FORMS {
        let a = |row: usize, k: usize| ((3 * row + 5 * k) % 7) as u32;
        let b = |k: usize, column: usize| ((2 * k + 3 * column) % 5) as u32;
        let start = |row: usize, column: usize| (8 * row + column) as u32;
        check_product(form, (&a, &b, &start), |row, column| {
            (0..form.k).map(|k| a(row, k) * b(k, column)).sum::<u32>() + start(row, column)
        });
    }
}

#[test]
fn mma_of_one_hot_matrices_selects_one_element() {
    for form in &FORMS {
        // A one at (row, k) of a picks row k of b, whose elements all differ.
        for (hot_row, hot_k) in [(0, 0), (3, 1), (7, form.k - 1), (8, form.k / 2), (13, 2), (15, form.k - 2)] {
            let a = |row: usize, k: usize| u32::from((row, k) == (hot_row, hot_k));
            let b = |k: usize, column: usize| (8 * k + column) as u32 % 127;
            check_product(form, (&a, &b, &|_, _| 1), |row, column| {
                1 + if row == hot_row { b(hot_k, column) } else { 0 }
            });
        }
        // And a one at (k, column) of b picks column k of a.
        for (hot_k, hot_column) in [(0, 0), (1, 5), (form.k - 1, 7), (form.k / 2, 2)] {
            let a = |row: usize, k: usize| (16 * k + row) as u32 % 125;
            let b = |k: usize, column: usize| u32::from((k, column) == (hot_k, hot_column));
            check_product(
                form,
                (&a, &b, &|_, _| 0),
                |row, column| if column == hot_column { a(row, hot_k) } else { 0 },
            );
        }
    }
}

#[test]
fn a_warp_that_is_not_whole_is_reported() {
    let mma = "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {a, b, c, e}, {t2, t2, t2, t2}, {t2, t2}, {t2, t2, t2, t2};";
    let memory = ".shared .align 16 .b8 s[1024];\nshl.b32 t3, t0, 4;\nmov.u32 t1, s;\nadd.u32 t3, t1, t3;\n";
    let ldmatrix = format!(
        "{memory}st.shared.v4.u32 [t3], {{t2, t2, t2, t2}};\nbar.warp.sync -1;\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {{a}}, [s];"
    );
    let stmatrix = format!("{memory}stmatrix.sync.aligned.m8n8.x1.shared.b16 [t3], {{t2}};");
    let movmatrix = "movmatrix.sync.aligned.m8n8.trans.b16 d, t2;";
    for instruction in [mma, &ldmatrix, &stmatrix, movmatrix] {
        let start = "mov.u32 t0, %tid.x;\nmov.u32 t2, 0;\n";
        let exits = format!("{start}setp.eq.u32 p, t0, 31;\n@p exit;\n{instruction}");
        let whole = format!("{start}{instruction}");
        for (body, threads, sound) in [(&whole, 32, true), (&whole, 48, false), (&exits, 32, false)] {
            match launch(&module("", body), &Setup::block(threads), &[0], 1) {
                Ok(_) => assert!(sound, "{threads}: {body}"),
                Err(LaunchError::Faults(faults)) => {
                    let divergent = matches!(faults.faults[0].kind, FaultKind::Divergence { .. });
                    assert!(!sound && divergent, "{threads}: {body}: {faults:?}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// An 8-bit float with so many bits of mantissa and this bias; exact for integers below 8.
fn float8(x: u32, mantissa: u32, bias: u32) -> u32 {
    x.checked_ilog2()
        .map_or(0, |exponent| (exponent + bias) << mantissa | (x << mantissa >> exponent) & ((1 << mantissa) - 1))
}

#[test]
fn mma_of_8_bit_floats() {
    let e4m3 = |x| float8(x, 3, 7);
    let e5m2 = |x| float8(x, 2, 15);
    let form = |modifiers, encode, rc, accumulator| Form {
        modifiers,
        bits: 8,
        k: 32,
        registers: [4, 2, rc],
        a: a_8,
        b: b_8,
        encode,
        accumulator,
    };
    let forms = [
        form("m16n8k32.row.col.f32.e4m3.e4m3.f32", e4m3 as fn(u32) -> u32, 4, (32, f32_bits as fn(u32) -> u32)),
        form("m16n8k32.row.col.f32.e5m2.e5m2.f32", e5m2, 4, (32, f32_bits)),
        form("m16n8k32.row.col.f16.e4m3.e4m3.f16", e4m3, 2, (16, f16_bits)),
    ];
    for form in &forms {
        let a = |row: usize, k: usize| ((3 * row + 5 * k + k / 7) % 8) as u32;
        let b = |k: usize, column: usize| ((2 * k + 3 * column + k / 5) % 7) as u32;
        check_product(form, (&a, &b, &|row, column| (row + column) as u32), |row, column| {
            (0..32).map(|k| a(row, k) * b(k, column)).sum::<u32>() + (row + column) as u32
        });
        for (hot_row, hot_k) in [(0, 0), (9, 31), (4, 17), (15, 6)] {
            let a = |row: usize, k: usize| u32::from((row, k) == (hot_row, hot_k));
            check_product(form, (&a, &b, &|_, _| 1), |row, column| {
                1 + if row == hot_row { b(hot_k, column) } else { 0 }
            });
        }
    }
    // Operands of different types: a one of either is a one.
    let mixed = form("m16n8k32.row.col.f32.e4m3.e5m2.f32", e4m3, 4, (32, f32_bits));
    let b = |k: usize, column: usize| u32::from(k % 8 == column);
    // In e5m2 the bits of e4m3's 1 (0x38) are 0.5.
    let a = |row: usize, k: usize| 2 * u32::from((row + k).is_multiple_of(3));
    check_product(&mixed, (&a, &b, &|_, _| 0), |row, column| {
        (0..32).map(|k| a(row, k) * b(k, column)).sum::<u32>() / 2
    });
}

#[test]
fn mma_of_doubles() {
    for (shape, rows, depth) in [("m8n8k4", 8, 4), ("m16n8k4", 16, 4), ("m16n8k8", 16, 8), ("m16n8k16", 16, 16)] {
        // "Matrix Fragments for mma with .f64": numbers that differ in every element.
        let a = |row: usize, k: usize| (17 * row + 3 * k + 1) as f64 / 8.0;
        let b = |k: usize, column: usize| (5 * k) as f64 - (11 * column) as f64;
        let start = |row: usize, column: usize| (100 * row + column) as f64;
        let (ra, rb, rc) = (rows / 8 * depth / 4, depth / 4, rows / 4);
        let mut input = Vec::new();
        for lane in 0..32 {
            let (group, thread) = group(lane);
            // Registers of a go down the rows first, then along the depth.
            input.extend((0..ra).map(|i| a(group + 8 * (i % (rows / 8)), thread + 4 * (i / (rows / 8)))));
            input.extend((0..rb).map(|i| b(thread + 4 * i, group)));
            input.extend((0..rc).map(|i| start(group + 8 * (i / 2), 2 * thread + i % 2)));
        }
        let words: Vec<u32> = input.iter().flat_map(|x| [x.to_bits() as u32, (x.to_bits() >> 32) as u32]).collect();
        let list = |first: usize, count: usize| {
            let list: Vec<String> = (first..first + count).map(|i| format!("m{i}")).collect();
            format!("{{{}}}", list.join(", "))
        };
        let mut body = ".reg .f64 m<24>;\n".to_owned();
        (0..ra + rb + rc).for_each(|i| body += &format!("ld.global.f64 m{i}, [in+{}];\n", 8 * i));
        let c = list(ra + rb, rc);
        body +=
            &format!("mma.sync.aligned.{shape}.row.col.f64.f64.f64.f64 {c}, {}, {}, {c};\n", list(0, ra), list(ra, rb));
        (0..rc).for_each(|i| body += &format!("st.global.f64 [out+{}], m{};\n", 8 * i, ra + rb + i));
        let output = in_warp(&body, &words, 2 * (ra + rb + rc), 2 * rc);
        for lane in 0..32 {
            let (group, thread) = group(lane);
            for i in 0..rc {
                let (row, column) = (group + 8 * (i / 2), 2 * thread + i % 2);
                let at = 2 * (rc * lane + i);
                let got = f64::from_bits(u64::from(output[at]) | u64::from(output[at + 1]) << 32);
                let expected = (0..depth).map(|k| a(row, k) * b(k, column)).sum::<f64>() + start(row, column);
                assert_eq!(got, expected, "{shape} {row} {column}");
            }
        }
    }
}
