//! Comparison and selection (PTX ISA, "Comparison and Selection Instructions").

mod common;
use common::*;

const ONES: u64 = 0xffff_ffff;

/// Every relation on (1, 2), (2, 2), (2, 1).
fn relations(ty: &str, pairs: [[u64; 2]; 3], table: &[(&str, [bool; 3])]) {
    let (x, y) = match ty {
        "u64" | "s64" | "f64" | "b64" => ("A", "B"),
        "u16" | "s16" | "f16" | "bf16" | "b16" => ("ha", "hb"),
        _ => ("a", "b"),
    };
    for (relation, expected) in table {
        let cases: Vec<_> = pairs.into_iter().zip(*expected).collect();
        check_predicate(&format!("setp.{relation}.{ty} p, {x}, {y};"), &cases);
    }
}

const ORDER: [(&str, [bool; 3]); 6] = [
    ("eq", [false, true, false]),
    ("ne", [true, false, true]),
    ("lt", [true, false, false]),
    ("le", [true, true, false]),
    ("gt", [false, false, true]),
    ("ge", [false, true, true]),
];

#[test]
fn integer_relations() {
    for ty in ["u32", "s32", "u64", "s64", "u16", "s16"] {
        relations(ty, [[1, 2], [2, 2], [2, 1]], &ORDER);
    }
    // -1 and 1: less when signed, greater when not.
    relations("s32", [[ONES, 1], [ONES, ONES], [1, ONES]], &ORDER);
    relations("u32", [[1, ONES], [ONES, ONES], [ONES, 1]], &ORDER);
    relations("s64", [[u64::MAX, 1], [1, 1], [1, u64::MAX]], &ORDER);
    relations("s16", [[0xffff, 1], [1, 1], [1, 0xffff]], &ORDER);
    let unsigned = [
        ("lo", [true, false, false]),
        ("ls", [true, true, false]),
        ("hi", [false, false, true]),
        ("hs", [false, true, true]),
    ];
    relations("u32", [[1, ONES], [2, 2], [ONES, 1]], &unsigned);
    relations("b32", [[1, 2], [2, 2], [2, 1]], &ORDER[..2]);
    relations("b64", [[1, 2], [2, 2], [2, 1]], &ORDER[..2]);
}

#[test]
fn float_relations_with_and_without_nan() {
    let number = |x: f32| u64::from(x.to_bits());
    relations("f32", [[number(-1.0), number(2.0)], [number(0.0), number(-0.0)], [number(2.0), number(1.0)]], &ORDER);
    relations("f64", [[1f64.to_bits(), 2f64.to_bits()], [0, 1 << 63], [2f64.to_bits(), (-1f64).to_bits()]], &ORDER);
    relations("f16", [[0xbc00, 0x3c00], [0, 0x8000], [0x3c00, 0xbc00]], &ORDER);
    relations("bf16", [[0xbf80, 0x3f80], [0, 0x8000], [0x3f80, 0xbf80]], &ORDER);
    // Ordered relations are false of a NaN, ne included; those with u are true of it.
    let nan = [[number(NAN), number(1.0)], [number(1.0), number(NAN)], [number(NAN), number(NAN)]];
    for relation in ["eq", "ne", "lt", "le", "gt", "ge", "num"] {
        relations("f32", nan, &[(relation, [false; 3])]);
    }
    for relation in ["equ", "neu", "ltu", "leu", "gtu", "geu", "nan"] {
        relations("f32", nan, &[(relation, [true; 3])]);
    }
    let unordered = [
        ("equ", [false, true, false]),
        ("neu", [true, false, true]),
        ("ltu", [true, false, false]),
        ("leu", [true, true, false]),
        ("gtu", [false, false, true]),
        ("geu", [false, true, true]),
        ("num", [true; 3]),
        ("nan", [false; 3]),
    ];
    relations("f32", [[number(1.0), number(2.0)], [number(2.0), number(2.0)], [number(2.0), number(1.0)]], &unordered);
    let wide = |x: f64, y: f64| [x.to_bits(), y.to_bits()];
    relations("f64", [wide(1.0, 2.0), wide(2.0, 2.0), wide(2.0, 1.0)], &unordered);
    let nan = [wide(f64::NAN, 1.0), wide(1.0, f64::NAN), wide(f64::NAN, f64::NAN)];
    for relation in ["equ", "neu", "ltu", "leu", "gtu", "geu", "nan"] {
        relations("f64", nan, &[(relation, [true; 3])]);
    }
    // Flushed, two subnormals are equal.
    check_predicate("setp.eq.ftz.f32 p, a, b;", &[([1, 2], true), ([1, 0x8000_0000], true)]);
    check_predicate("setp.eq.f32 p, a, b;", &[([1, 2], false)]);
}

#[test]
fn combined_and_double_results() {
    // p = (a < b) and C, q = (a >= b) and C.
    let set = "setp.ne.u64 r, C, 0;\nsetp.lt.and.u32 p|q, a, b, r;\n";
    check_predicate(set, &[([1, 2, 1], true), ([1, 2, 0], false), ([2, 1, 1], false)]);
    let second = format!("{set}selp.u32 d, 1, 0, q;\nsetp.ne.u32 p, d, 0;");
    check_predicate(&second, &[([1, 2, 1], false), ([2, 1, 1], true), ([2, 1, 0], false)]);
    check_predicate("setp.ne.u64 r, C, 0;\nsetp.lt.or.u32 p, a, b, !r;", &[([2, 1, 0], true), ([2, 1, 1], false)]);
    check_predicate("setp.ne.u64 r, C, 0;\nsetp.lt.xor.u32 p, a, b, r;", &[([1, 2, 1], false), ([2, 1, 1], true)]);
    check_predicate("setp.lt.u32 p|q, a, b;\n", &[([1, 2], true)]);
    // The combined predicate, or the guard, is also the first destination.
    check32(
        "setp.ne.u32 p, c, 0;\nsetp.lt.and.u32 p|q, a, b, p;\nselp.u32 d, 1, 0, q;",
        &[([2, 1, 1], 1), ([1, 2, 1], 0), ([2, 1, 0], 0)],
    );
    let guarded = "setp.eq.u32 q, a, 77;\nsetp.ne.u32 p, c, 0;\n@p setp.lt.u32 p|q, a, b;\nselp.u32 d, 1, 0, q;";
    check32(guarded, &[([2, 1, 1], 1), ([1, 2, 1], 0), ([2, 1, 0], 0)]);
    let packed = "setp.ne.u32 p, c, 0;\n@p setp.lt.and.f16x2 p|q, a, b, p;\nselp.u32 d, 1, 0, q;";
    check32(packed, &[([0x3c00_4000, 0x4000_3c00, 1], 1), ([0x4000_3c00, 0x3c00_4000, 1], 0)]);
    // Both halves of packed halves.
    let packed = "setp.lt.f16x2 q|r, a, b;\nselp.u32 t0, 1, 0, q;\nselp.u32 t1, 2, 0, r;\nor.b32 d, t0, t1;";
    check32(packed, &[([0x3c00_3c00, 0x4000_3800], 2), ([0x3c00_3c00, 0x3c00_4000], 1)]);
}

#[test]
fn set_and_select() {
    check32("set.lt.u32.s32 d, a, b;", &[([1, 2], u32::MAX), ([2, 1], 0)]);
    check32("set.lt.f32.s32 d, a, b;", &[([1, 2], bits(1.0)), ([2, 1], 0)]);
    check32("set.gt.u32.f32 d, a, b;", &[([bits(2.0), bits(1.0)], u32::MAX), ([bits(NAN), bits(1.0)], 0)]);
    check32("set.neu.f32.f32 d, a, b;", &[([bits(NAN), bits(1.0)], bits(1.0))]);
    check32("setp.ne.u32 p, c, 0;\nset.lt.and.u32.s32 d, a, b, p;", &[([1, 2, 1], u32::MAX), ([1, 2, 0], 0)]);
    check16("set.eq.f16.f16 hd, ha, hb;", &[([0, 0x8000], 0x3c00), ([0, 0x3c00], 0)]);
    check32("setp.ne.u32 p, c, 0;\nselp.b32 d, a, b, p;", &[([7, 8, 1], 7), ([7, 8, 0], 8)]);
    check64("setp.ne.u64 p, C, 0;\nselp.f64 D, A, B, p;", &[([7, 8, 1], 7), ([7, 8, 0], 8)]);
    check16("setp.ne.u16 p, hc, 0;\nselp.b16 hd, ha, hb, p;", &[([7, 8, 1], 7), ([7, 8, 0], 8)]);
    // slct: the first operand where c is not negative.
    check32("slct.u32.s32 d, a, b, c;", &[([7, 8, 0], 7), ([7, 8, 0x8000_0000], 8)]);
    check32("slct.b32.f32 d, a, b, c;", &[([7, 8, bits(-0.0)], 7), ([7, 8, bits(-1.0)], 8), ([7, 8, bits(NAN)], 8)]);
    check32("slct.ftz.f32.f32 d, a, b, c;", &[([7, 8, 0x8000_0001], 7)]);
}
