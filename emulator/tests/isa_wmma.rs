//! `wmma` (PTX ISA, "Warp-level matrix load, store, multiply-accumulate"). Which lane holds which element is left open, so everything is loaded,
//! multiplied and stored; numbers are small integers, so every sum is exact.

mod common;
use common::*;
use ptx_emulator::{FaultKind, LaunchError};

#[derive(Clone, Copy)]
struct Type {
    name: &'static str,
    bits: usize,
    encode: fn(i32) -> u32,
    /// Registers of a fragment of so many elements.
    registers: fn(usize) -> usize,
}

/// An f16 of at most 11 bits.
fn half(x: i32) -> u32 {
    let size = x.unsigned_abs();
    let Some(exponent) = size.checked_ilog2() else { return 0 };
    u32::from(x < 0) << 15 | (exponent + 15) << 10 | (size << 10 >> exponent) & 0x3ff
}

const F16: Type = Type { name: "f16", bits: 16, encode: half, registers: |_| 8 };
const BF16: Type =
    Type { name: "bf16", bits: 16, encode: |x| (x as f32).to_bits() >> 16, registers: |count| count / 64 };
const TF32: Type = Type { name: "tf32", bits: 32, encode: |x| (x as f32).to_bits(), registers: |count| count / 32 };
const S8: Type = Type { name: "s8", bits: 8, encode: |x| x as u8 as u32, registers: |count| count / 128 };
const U8: Type = Type { name: "u8", bits: 8, encode: |x| x.unsigned_abs(), registers: |count| count / 128 };
const F32: Type = TF32;
const S32: Type = Type { name: "s32", bits: 32, encode: |x| x as u32, registers: |count| count / 32 };

fn numbers(seed: u32, count: usize) -> Vec<i32> {
    (0..count as u32).map(|i| ((i ^ seed << 16).wrapping_mul(2_654_435_761) >> 11) as i32 % 7 - 3).collect()
}

/// A matrix in memory: by rows or columns, with a distance from line to line, as bytes.
fn bytes(values: &[i32], (rows, columns): (usize, usize), ty: Type, by_rows: bool, stride: usize) -> Vec<u8> {
    let lines = if by_rows { rows } else { columns };
    let mut bytes = vec![0xee; lines * stride * ty.bits / 8];
    for row in 0..rows {
        for column in 0..columns {
            let (line, inside) = if by_rows { (row, column) } else { (column, row) };
            let at = (line * stride + inside) * ty.bits / 8;
            let encoded = (ty.encode)(values[row * columns + column]).to_le_bytes();
            bytes[at..at + ty.bits / 8].copy_from_slice(&encoded[..ty.bits / 8]);
        }
    }
    bytes
}

fn list(name: &str, count: usize) -> String {
    let names: Vec<String> = (0..count).map(|i| format!("{name}{i}")).collect();
    format!("{{{}}}", names.join(", "))
}

/// `d = a * b + c` with matrices by rows or by columns, in global or in shared memory.
#[track_caller]
fn check((m, n, k): (usize, usize, usize), ty: Type, from: Type, to: Type, by_rows: [bool; 3], shared: bool) {
    let values = [numbers(1, m * k), numbers(2, k * n), numbers(3, m * n)];
    let sizes = [(m, k), (k, n), (m, n)];
    let held = |x: i32| if ty.name == "u8" { x.abs() } else { x };
    let dot = |row: usize, column: usize| -> i32 {
        (0..k).map(|i| held(values[0][row * k + i]) * held(values[1][i * n + column])).sum()
    };
    let (mut input, mut offsets, mut strides) = (Vec::new(), Vec::new(), Vec::new());
    for ((values, size), (ty, by_rows)) in values.iter().zip(sizes).zip([ty, ty, from].into_iter().zip(by_rows)) {
        // Sixteen bytes between the lines.
        let stride = (if by_rows { size.1 } else { size.0 }) + 128 / ty.bits;
        offsets.push(input.len());
        strides.push(stride);
        input.extend(bytes(values, size, ty, by_rows, stride));
        input.resize(input.len().next_multiple_of(32), 0);
    }
    let order = |by_rows: bool| if by_rows { "row" } else { "col" };
    let shape = format!("m{m}n{n}k{k}");
    let counts = [(ty.registers)(m * k), (ty.registers)(k * n), 256 * from.bits / 1024, 256 * to.bits / 1024];
    let (space, base) = if shared { (".shared", "t1") } else { (".global", "in") };
    let size = input.len().next_multiple_of(512);
    let mut body = format!(
        ".reg .b32 fa<8>, fb<8>, fc<8>, fd<8>;\n.shared .align 32 .b8 s[{size}];\nmov.u32 t0, %tid.x;\nmov.u32 t1, s;\nshl.b32 t2, t0, 4;\n\
         add.u32 t3, t1, t2;\ncvt.u64.u32 T0, t2;\nadd.u64 T0, T0, in;\n"
    );
    for at in (0..size).step_by(512) {
        body += &format!("ld.global.v4.u32 {{a, b, c, d}}, [T0+{at}];\nst.shared.v4.u32 [t3+{at}], {{a, b, c, d}};\n");
    }
    body += "bar.sync 0;\n";
    for (i, matrix) in ["a", "b", "c"].into_iter().enumerate() {
        body += &format!(
            "wmma.load.{matrix}.sync.aligned.{}.{shape}{space}.{} {}, [{base}+{}], {};\n",
            order(by_rows[i]),
            if i == 2 { from.name } else { ty.name }.replace("tf32", if i == 2 { "f32" } else { "tf32" }),
            list(&format!("f{matrix}"), counts[i]),
            offsets[i],
            strides[i]
        );
    }
    let accumulators = [to, from].map(|ty| ty.name.replace("tf32", "f32"));
    let types = if ty.name == "f16" {
        accumulators.join(".")
    } else {
        format!("{}.{}.{}.{}", accumulators[0], ty.name, ty.name, accumulators[1])
    };
    body += &format!(
        "wmma.mma.sync.aligned.{}.{}.{shape}.{types} {}, {}, {}, {};\nwmma.store.d.sync.aligned.{}.{shape}.global.{} [out], {}, {};",
        order(by_rows[0]),
        order(by_rows[1]),
        list("fd", counts[3]),
        list("fa", counts[0]),
        list("fb", counts[1]),
        list("fc", counts[2]),
        order(by_rows[2]),
        accumulators[0],
        list("fd", counts[3]),
        if by_rows[2] { n } else { m },
    );
    input.resize(size, 0);
    let words: Vec<u32> = input.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    let output = run(&body, &Setup::block(32), &words, m * n * to.bits / 32);
    let expected: Vec<i32> = (0..m * n).map(|at| dot(at / n, at % n) + values[2][at]).collect();
    let lines = if by_rows[2] { n } else { m };
    let got: Vec<u8> = output.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(got, bytes(&expected, (m, n), to, by_rows[2], lines), "{shape} {types} {by_rows:?} {shared}");
}

const SHAPES: [(usize, usize, usize); 3] = [(16, 16, 16), (8, 32, 16), (32, 8, 16)];

#[test]
fn floating_point_products() {
    for (at, shape) in SHAPES.into_iter().enumerate() {
        for case in 0..8 {
            let by_rows = [case & 1 != 0, case & 2 != 0, case & 4 != 0];
            let shared = (case + at) % 2 == 0;
            check(shape, F16, F32, F32, by_rows, shared);
            check(shape, BF16, F32, F32, by_rows, !shared);
        }
        for (from, to) in [(F16, F16), (F16, F32), (F32, F16)] {
            check(shape, F16, from, to, [true, false, true], true);
            check(shape, F16, from, to, [false, true, false], false);
        }
    }
    for case in 0..8 {
        check((16, 16, 8), TF32, F32, F32, [case & 1 != 0, case & 2 != 0, case & 4 != 0], case % 3 == 0);
    }
}

#[test]
fn integer_products() {
    for shape in SHAPES {
        for (case, ty) in [S8, U8, S8, U8].into_iter().enumerate() {
            check(shape, ty, S32, S32, [case & 1 == 0, case & 2 == 0, case != 3], case % 2 == 0);
        }
    }
}

#[test]
fn a_matrix_has_one_address_and_lines_that_do_not_overlap() {
    let kind = |address: &str, stride: u32| {
        let body = format!(
            ".reg .b32 f<8>;\nmov.u32 t0, %laneid;\n{address}\nwmma.load.a.sync.aligned.row.m16n16k16.global.f16 {{f0, f1, f2, f3, f4, f5, f6, f7}}, [T0], {stride};"
        );
        match launch(&module("", &body), &Setup::block(32), &[0; 512], 1) {
            Err(LaunchError::Faults(faults)) => faults.faults[0].kind.clone(),
            other => panic!("{other:?}"),
        }
    };
    let apart = "mul.wide.u32 T0, t0, 2;\nadd.u64 T0, T0, in;";
    assert!(matches!(kind(apart, 16), FaultKind::Divergence { .. }));
    assert!(matches!(kind("mov.u64 T0, in;", 8), FaultKind::Invalid { .. }));
    assert!(matches!(kind("add.u64 T0, in, 1600;", 16), FaultKind::OutOfBounds { .. }));
}

#[test]
fn products_of_doubles() {
    let number = |x: f64| [x.to_bits() as u32, (x.to_bits() >> 32) as u32];
    let (a, b, c) = (
        |i: usize, k: usize| (i + 10 * k) as f64,
        |k: usize, j: usize| k as f64 - j as f64,
        |i: usize, j: usize| (i * j) as f64,
    );
    for (order, by_rows) in [("row", true), ("col", false)] {
        // Lines of a are 4 or 8 elements long, those of the others 8 or 4 and 8; one more lies between them.
        let matrix = |rows: usize, columns: usize, value: &dyn Fn(usize, usize) -> f64| -> Vec<u32> {
            let (lines, length) = if by_rows { (rows, columns) } else { (columns, rows) };
            let of = |line: usize, i: usize| if by_rows { value(line, i) } else { value(i, line) };
            (0..lines)
                .flat_map(|line| (0..=length).map(move |i| (line, i)))
                .flat_map(|(line, i)| number(if i < length { of(line, i) } else { 0.0 }))
                .collect()
        };
        let parts = [matrix(8, 4, &a), matrix(4, 8, &b), matrix(8, 8, &c)];
        let (of_b, of_c) = (4 * parts[0].len(), 4 * (parts[0].len() + parts[1].len()));
        let (sa, sb) = if by_rows { (5, 9) } else { (9, 5) };
        let body = format!(
            ".reg .f64 x<6>;\nwmma.load.a.sync.aligned.{order}.m8n8k4.global.f64 {{x0}}, [in], {sa};\n\
             wmma.load.b.sync.aligned.{order}.m8n8k4.global.f64 {{x1}}, [in+{of_b}], {sb};\n\
             wmma.load.c.sync.aligned.{order}.m8n8k4.global.f64 {{x2, x3}}, [in+{of_c}], 9;\n\
             wmma.mma.sync.aligned.{order}.{order}.m8n8k4.rn.f64.f64.f64.f64 {{x4, x5}}, {{x0}}, {{x1}}, {{x2, x3}};\n\
             wmma.store.d.sync.aligned.row.m8n8k4.global.f64 [out], {{x4, x5}}, 8;"
        );
        let output = run(&body, &Setup::block(32), &parts.concat(), 128);
        for at in 0..64 {
            let (i, j) = (at / 8, at % 8);
            let got = f64::from_bits(u64::from(output[2 * at]) | u64::from(output[2 * at + 1]) << 32);
            assert_eq!(got, (0..4).map(|k| a(i, k) * b(k, j)).sum::<f64>() + c(i, j), "{order} {i} {j}");
        }
    }
}
