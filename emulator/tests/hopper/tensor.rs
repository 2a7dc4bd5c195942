//! Copies of boxes of tensors.

use crate::common::{Case, case, init, orders, wait};
use ptx_emulator::{FaultKind, OutOfBoundsFill, Swizzle, TensorElement, TensorMap};

/// Loads the box at these coordinates into `s` and stores its words, and what follows it, as they lie there.
fn load(rank: usize, coordinates: &str, bytes: u32, words: u32) -> String {
    format!(
        "shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nmov.u32 d, -1;\n\
         FILL: st.shared.u32 [a], d;\nadd.u32 a, a, 128;\nsetp.lt.u32 q, a, 16384;\n@q bra FILL;\nfence.proxy.async;\n{}@!p bra ON;\n\
         prefetch.tensormap [M];\ncp.async.bulk.prefetch.tensor.{rank}d.L2.global.tile [M, {{{coordinates}}}];\n\
         mbarrier.arrive.expect_tx.shared.b64 _, [bars], {bytes};\n\
         cp.async.bulk.tensor.{rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [s], [M, {{{coordinates}}}], [bars];\nON:\n{}\
         shl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nmul.wide.u32 A, t, 4;\nadd.u64 A, A, out;\nadd.u32 e1, b, {};\n\
         COPY: ld.shared.u32 d, [a];\nst.global.u32 [A], d;\nadd.u32 a, a, 128;\nadd.u64 A, A, 128;\nsetp.lt.u32 q, a, e1;\n@q bra COPY;",
        init("bars", 1),
        wait("bars", "0"),
        4 * words
    )
}

fn words(rank: usize, coordinates: &str, map: &dyn Fn(u64, u64) -> TensorMap, bytes: u32, expected: &[u32]) {
    assert_eq!(expected.len() % 32, 0);
    let body = load(rank, coordinates, bytes, expected.len() as u32);
    Case { output: expected.len(), map: Some(map), ..case(32, &body) }.gives(expected);
}

/// What a word of the input is: its index. Outside a tensor there are zeros.
fn element(at: [i64; 5], dims: [i64; 5]) -> u32 {
    let inside = at.iter().zip(dims).all(|(at, dim)| (0..dim).contains(at));
    let index = at.iter().zip(dims).rev().fold(0, |index, (at, dim)| index * dim + at);
    if inside { index as u32 } else { 0 }
}

/// The box in the order of shared memory, the innermost dimension first.
fn walk(origin: [i64; 5], sides: [i64; 5], steps: [i64; 5], dims: [i64; 5]) -> Vec<u32> {
    let mut found = Vec::new();
    let [a, b, c, d, e] = sides;
    for at in 0..a * b * c * d * e {
        let place = [at % a, at / a % b, at / a / b % c, at / a / b / c % d, at / a / b / c / d];
        found.push(element(std::array::from_fn(|axis| origin[axis] + place[axis] * steps[axis]), dims));
    }
    found
}

#[test]
fn boxes_of_every_rank() {
    let dims: [i64; 5] = [8, 4, 4, 4, 2];
    let sides: [i64; 5] = [8, 2, 2, 2, 2];
    // Inside, across the upper ends, across the lower ends.
    for origin in [[0, 1, 2, 1, 0], [4, 3, 3, 3, 1], [-4, -1, -1, -1, -1]] {
        for rank in 1..=5 {
            let cut =
                |list: [i64; 5], rest: i64| std::array::from_fn(|axis| if axis < rank { list[axis] } else { rest });
            // A box of one dimension is padded to what a warp copies.
            let (dims, mut sides) = (cut(dims, 1), cut(sides, 1));
            if rank < 3 {
                sides[0] = if rank == 1 { 32 } else { 16 };
            }
            let origin = cut(origin, 0);
            let expected = walk(origin, sides, [1; 5], dims);
            let list = |list: [i64; 5]| list[..rank].iter().map(|x| *x as u64).collect::<Vec<_>>();
            let map = |from, _| {
                let sides: Vec<u32> = list(sides).iter().map(|side| *side as u32).collect();
                TensorMap::dense(TensorElement::U32, from, &list(dims), &sides)
            };
            let coordinates = origin[..rank].iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            words(rank, &coordinates, &map, 4 * expected.len() as u32, &expected);
        }
    }
}

#[test]
fn element_strides_skip() {
    // Every third of 8 rows from row 1: rows 1, 4 and 7.
    let map = |from, _| TensorMap {
        element_strides: vec![1, 3],
        ..TensorMap::dense(TensorElement::I32, from, &[32, 20], &[32, 8])
    };
    let expected = walk([0, 1, 0, 0, 0], [32, 3, 1, 1, 1], [1, 3, 1, 1, 1], [32, 20, 1, 1, 1]);
    words(2, "0, 1", &map, 3 * 128, &expected);
}

#[test]
fn strides_of_rows_are_bytes() {
    // A transposed view: rows 16 words apart, planes 4.
    let map = |from, _| TensorMap {
        strides: vec![64, 16],
        ..TensorMap::dense(TensorElement::F32, from, &[4, 8, 4], &[4, 4, 2])
    };
    let expected: Vec<u32> = (0..32).map(|at| (at / 16 + 1) * 4 + (at / 4 % 4 + 2) * 16 + at % 4).collect();
    words(3, "0, 2, 1", &map, 128, &expected);
}

#[test]
fn swizzled_boxes() {
    // 16 rows, whose words are exchanged by chunks of four.
    for (swizzle, row) in [(Swizzle::B32, 8), (Swizzle::B64, 16), (Swizzle::B128, 32)] {
        let map = |from, _| TensorMap::dense(TensorElement::F32, from, &[64, 32], &[row, 16]).swizzled(swizzle);
        let mut expected = vec![0; 16 * row as usize];
        for (at, value) in
            walk([0, 2, 0, 0, 0], [row.into(), 16, 1, 1, 1], [1; 5], [64, 32, 1, 1, 1]).iter().enumerate()
        {
            let (byte, chunks) = (4 * at, row as usize / 4);
            // The 128-byte line that the byte is in says which chunks of a row change places.
            expected[(byte ^ (byte / 128 % chunks) << 4) / 4] = *value;
        }
        words(2, "0, 2", &map, 4 * expected.len() as u32, &expected);
    }
}

#[test]
fn rows_shorter_than_the_swizzle() {
    // Rows of 16 bytes, one in each 128-byte line, at the chunk that the line's number says.
    let map = |from, _| TensorMap::dense(TensorElement::F32, from, &[4, 16], &[4, 8]).swizzled(Swizzle::B128);
    let mut expected = vec![u32::MAX; 256];
    for row in 0..8 {
        for word in 0..4 {
            expected[32 * row + 4 * row + word] = (4 * row + word) as u32;
        }
    }
    words(2, "0, 0", &map, 128, &expected);
}

#[test]
fn narrow_elements_and_fills() {
    // bf16: words are pairs. From column 3 of 10, boxes of 32: the last columns are NaN.
    let map = |fill| {
        move |from, _| TensorMap {
            fill,
            strides: vec![32],
            ..TensorMap::dense(TensorElement::Bf16, from, &[10, 4], &[32, 2])
        }
    };
    let half = |row: usize, column: usize, fill: u16| {
        // Element e of a row of 16 is the low or high half of word 8 row + e / 2, which is its index.
        let word = (8 * row + column / 2) as u32;
        if column < 10 { (word >> (16 * (column % 2))) as u16 } else { fill }
    };
    for (fill, bits) in [(OutOfBoundsFill::Zero, 0), (OutOfBoundsFill::NaN, 0x7fff)] {
        let expected: Vec<u32> = (0..32)
            .map(|at| {
                let at_half = |n: usize| u32::from(half(1 + at / 16, 3 + (2 * at + n) % 32, bits));
                at_half(0) | at_half(1) << 16
            })
            .collect();
        words(2, "3, 1", &map(fill), 128, &expected);
    }
}

/// Fills 64 words of shared memory with 7, 8, 9... and hands them to a copy.
fn store(copy: &str) -> String {
    format!(
        "setp.eq.u32 p, t, 0;\nshl.b32 a, t, 2;\nmov.u32 b, s;\nadd.u32 a, a, b;\nadd.u32 d, t, 7;\nst.shared.u32 [a], d;\n\
         fence.proxy.async.shared::cta;\nbar.sync 0;\n@!p bra END;\n{copy}cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\nEND:"
    )
}

#[test]
fn stores_leave_out_what_is_outside() {
    // A box of 8 by 8 at column 4, row -2 of an 8 by 8 tensor.
    let map = |_, to| TensorMap::dense(TensorElement::U32, to, &[8, 8], &[8, 8]);
    let body = store("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [M, {4, -2}], [s];\n");
    let mut expected = vec![u32::MAX; 64];
    for row in 0..6 {
        for column in 4..8 {
            expected[8 * row + column] = (7 + 8 * (row + 2) + column - 4) as u32;
        }
    }
    Case { output: 64, map: Some(&map), ..case(64, &body) }.gives(&expected);
    // Through a swizzle the words come from where it put them.
    let map = |_, to| TensorMap::dense(TensorElement::U32, to, &[32, 2], &[32, 2]).swizzled(Swizzle::B128);
    let body = store("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [M, {0, 0}], [s];\n");
    let expected: Vec<u32> = (0..64).map(|at| 7 + (at ^ (at / 32 % 8) << 2)).collect();
    Case { output: 64, map: Some(&map), ..case(64, &body) }.gives(&expected);
}

#[test]
fn reductions_of_boxes() {
    let reduce = "cp.reduce.async.bulk.tensor.1d.global.shared::cta.add.tile.bulk_group [M, {0}], [s];\n";
    let twice = store(&format!("{reduce}{reduce}"));
    let start = |value: u32| {
        format!("mul.wide.u32 E, t, 4;\nadd.u64 E, E, out;\nmov.u32 e0, {value};\nst.global.u32 [E], e0;\n")
    };
    let run = |body: String, element: TensorElement, expected: Vec<u32>| {
        let map = |_, to| TensorMap::dense(element, to, &[256 / u64::from(element.bytes())], &[256 / element.bytes()]);
        Case { output: 64, map: Some(&map), ..case(64, &body) }.gives(&expected);
    };
    run(start(100) + &twice, TensorElement::U32, (0..64).map(|x| 100 + 2 * (x + 7)).collect());
    let float = twice.replace("st.shared.u32 [a], d;", "cvt.rn.f32.u32 d, d;\nst.shared.u32 [a], d;");
    let sums = (7..71u8).map(|x| (2.0 * f32::from(x) + 0.25).to_bits()).collect();
    run(start(0.25f32.to_bits()) + &float, TensorElement::F32, sums);
    // 0x3f80 is 1.0 in bf16, in both halves; twice 2.0 on top makes 5.0, and the sums of 0 below stay.
    let bf16 = twice.replace("st.shared.u32 [a], d;", "mov.u32 d, 0x40000000;\nst.shared.u32 [a], d;");
    run(start(0x3f80_3f80) + &bf16, TensorElement::Bf16, vec![0x40a0_3f80; 64]);
    // Rounding to nearest even: 256 + 1 = 256 in bf16, whose next number is 258.
    let bf16 = store(reduce).replace("st.shared.u32 [a], d;", "mov.u32 d, 0x3f804040;\nst.shared.u32 [a], d;");
    run(start(0x4380_4380) + &bf16, TensorElement::Bf16, vec![0x4380_4382; 64]);
}

#[test]
fn mistakes_with_maps() {
    let map = |from, _| TensorMap::dense(TensorElement::U32, from, &[32, 8], &[32, 1]);
    let copy = |to: &str, map: &str, coordinates: &str| {
        let rank = coordinates.split(',').count();
        format!(
            "{}mov.u32 b, s;\n@p mbarrier.arrive.expect_tx.shared.b64 _, [bars], 128;\n\
             @p cp.async.bulk.tensor.{rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [{to}], [{map}, {{{coordinates}}}], [bars];\n{}",
            init("bars", 1),
            wait("bars", "0")
        )
    };
    let of = |body: &str| case(32, body);
    Case { map: Some(&map), ..of(&copy("b", "M", "0, 0")) }.gives(&[]);
    Case { map: Some(&map), ..of(&copy("b", "M", "0, 0, 0")) }.says("a tensor map of 2 dimensions for a copy of 3");
    Case {
        map: Some(&map),
        ..of(&copy("b", "A", "0, 0").replacen("mov.u32 b, s;", "mov.u32 b, s;\nadd.u64 A, M, 32;", 1))
    }
    .says("not a multiple of 64");
    Case { map: Some(&map), ..of(&copy("b+64", "M", "0, 0")) }
        .faults(|kind| matches!(kind, FaultKind::Misaligned { space: "shared", required: 128, .. }));
    of(&copy("b", "M", "0, 0")).says("no tensor map at param address");
    // Where there is one, but in the thread's own or in shared memory.
    for (space, setup) in [
        ("local", ".local .align 64 .b8 l[128];\nmov.u64 A, l;\ncvta.local.u64 A, A;\n"),
        ("shared", "mov.u64 A, s;\ncvta.shared.u64 A, A;\n"),
    ] {
        of(&(setup.to_owned() + &copy("b", "A", "0, 0"))).says(&format!("a tensor map in {space} memory"));
    }
    // A map that promises more than its buffer has.
    let wide = |from, _| TensorMap::dense(TensorElement::U32, from, &[32, 1 << 20], &[32, 1]);
    Case { map: Some(&wide), ..of(&copy("b", "M", "0, 127")) }.gives(&[]);
    Case { map: Some(&wide), ..of(&copy("b", "M", "0, 128")) }
        .faults(|kind| matches!(kind, FaultKind::OutOfBounds { space: "global", .. }));
    // All bytes of a box count, those outside too.
    Case { map: Some(&map), ..of(&copy("b", "M", "16, 7").replace("[bars], 128", "[bars], 64")) }
        .faults(|kind| matches!(kind, FaultKind::Deadlock { .. }));
}

#[test]
fn bytes_outside_a_tensor_arrive_and_are_not_read() {
    // Rows of 32 words, of which a box of 16 by 4 has the last 8 of the last 2.
    let map = |from, _| TensorMap::dense(TensorElement::U32, from, &[32, 4], &[16, 4]);
    let body = load(2, "24, 2", 256, 64);
    for config in orders() {
        let case = Case { output: 64, map: Some(&map), ..case(32, &body) };
        let (_, counters) = case.run(&config).unwrap();
        assert_eq!((counters.async_bytes, counters.in_flight.peak), (256, 256));
        assert_eq!((counters.global_load_bytes, counters.global_load_sectors), (2 * 32, 2));
    }
}
