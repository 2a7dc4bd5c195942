//! Integer arithmetic, logic and shifts (PTX ISA, "Integer Arithmetic Instructions", "Extended-Precision Integer Arithmetic",
//! "Logic and Shift Instructions").

mod common;
use common::*;

const MIN: u32 = 0x8000_0000;
const MAX: u32 = 0x7fff_ffff;
const ONES: u32 = u32::MAX;

#[test]
fn add_and_sub() {
    check32("add.u32 d, a, b;", &[([1, 2], 3), ([ONES, 1], 0), ([MAX, 1], MIN)]);
    check32("add.sat.s32 d, a, b;", &[([MAX, 1], MAX), ([MIN, ONES], MIN), ([5, ONES], 4)]);
    check32("sub.s32 d, a, b;", &[([1, 2], ONES), ([MIN, 1], MAX)]);
    check32("sub.sat.s32 d, a, b;", &[([MIN, 1], MIN), ([MAX, ONES], MAX), ([1, 2], ONES)]);
    check64("add.s64 D, A, B;", &[([u64::MAX, 1], 0), ([1 << 40, 1 << 40], 1 << 41)]);
    check64("sub.u64 D, A, B;", &[([0, 1], u64::MAX)]);
    check16("add.u16 hd, ha, hb;", &[([0xffff, 2], 1)]);
    check16("sub.s16 hd, ha, hb;", &[([0x8000, 1], 0x7fff)]);
}

#[test]
fn carries() {
    let add = "add.cc.u32 t0, a, c;\naddc.u32 d, b, e;";
    check32(add, &[([ONES, 1, 1, 2], 4), ([ONES - 1, 1, 1, 2], 3), ([ONES, ONES, ONES, ONES], ONES)]);
    let sub = "sub.cc.u32 t0, a, c;\nsubc.u32 d, b, e;";
    check32(sub, &[([0, 5, 1, 2], 2), ([1, 5, 1, 2], 3)]);
    // Through a middle word: 2^64 - 1 plus 1 carries twice.
    check32("add.cc.u32 t0, a, b;\naddc.cc.u32 t1, a, 0;\naddc.u32 d, c, 0;", &[([ONES, 1, 7], 8), ([ONES, 0, 7], 7)]);
    // The high half of a 64-bit product plus a 64-bit number, as compilers build it.
    check32(
        "mad.lo.cc.u32 t0, a, b, c;\nmadc.hi.u32 d, a, b, e;",
        &[([ONES, ONES, ONES, 0], ONES), ([ONES, ONES, 0, 0], ONES - 1)],
    );
    check64("add.cc.u64 T0, A, B;\naddc.u64 D, C, 0;", &[([u64::MAX, 1, 41], 42), ([u64::MAX, 0, 41], 41)]);
}

#[test]
fn products() {
    check32("mul.lo.s32 d, a, b;", &[([ONES, ONES], 1), ([0x1_0001, 0x1_0001], 0x2_0001)]);
    check32("mul.hi.s32 d, a, b;", &[([ONES, 2], ONES), ([MIN, MIN], 0x4000_0000)]);
    check32("mul.hi.u32 d, a, b;", &[([ONES, 2], 1), ([ONES, ONES], ONES - 1)]);
    check32to64("mul.wide.s32 D, a, b;", &[([ONES, 3], 3u64.wrapping_neg()), ([MIN, MIN], 1 << 62)]);
    check32to64("mul.wide.u32 D, a, b;", &[([ONES, 3], 3 * 0xffff_ffff)]);
    check16("mul.lo.u16 hd, ha, hb;", &[([0x101, 0x101], 0x0201)]);
    check16("mul.hi.s16 hd, ha, hb;", &[([0xffff, 2], 0xffff)]);
    check16("mul.hi.u16 hd, ha, hb;", &[([0xffff, 2], 1)]);
    check32("mul.wide.s16 d, ha, hb;", &[([0xffff, 3], 3u32.wrapping_neg()), ([0x8000, 0x8000], 0x4000_0000)]);
    check32("mul.wide.u16 d, ha, hb;", &[([0xffff, 0xffff], 0xfffe_0001)]);
    check64("mul.lo.u64 D, A, B;", &[([u64::MAX, u64::MAX], 1)]);
    check64("mul.hi.u64 D, A, B;", &[([u64::MAX, u64::MAX], u64::MAX - 1), ([1 << 32, 1 << 33], 2)]);
    check64("mul.hi.s64 D, A, B;", &[([u64::MAX, u64::MAX], 0), ([u64::MAX, 5], u64::MAX)]);
}

#[test]
fn products_with_addend() {
    check32("mad.lo.s32 d, a, b, c;", &[([3, 4, 5], 17), ([MIN, 2, 1], 1)]);
    check32("mad.hi.u32 d, a, b, c;", &[([ONES, ONES, 1], ONES)]);
    check32("mad.hi.sat.s32 d, a, b, c;", &[([MIN, MIN, MAX], MAX), ([MAX, MAX, 1], 0x4000_0000)]);
    check64("mad.wide.s32 D, a, b, C;", &[([0xffff_ffff, 2, 10], 8)]);
    check64("mad.wide.u32 D, a, b, C;", &[([0xffff_ffff, 2, 10], 0x2_0000_0008)]);
    check64("mad.lo.s64 D, A, B, C;", &[([1 << 32, 1 << 32, 9], 9), ([7, 6, u64::MAX], 41)]);
    check16("mad.lo.u16 hd, ha, hb, hc;", &[([300, 300, 1], 24465)]);
    check32("mul24.lo.u32 d, a, b;", &[([0xff00_0010, 0xab00_0003], 0x30), ([0xff_ffff, 0xff_ffff], 0xfe00_0001)]);
    check32("mul24.hi.u32 d, a, b;", &[([0xff_ffff, 0xff_ffff], 0xffff_fe00)]);
    check32("mul24.lo.s32 d, a, b;", &[([0xff_ffff, 5], 5u32.wrapping_neg())]);
    check32("mad24.lo.s32 d, a, b, c;", &[([0xff_ffff, 5, 7], 2)]);
    check32("sad.u32 d, a, b, c;", &[([1, ONES, 3], 1), ([9, 4, 3], 8)]);
    check32("sad.s32 d, a, b, c;", &[([1, ONES, 3], 5)]);
}

#[test]
fn quotients_and_remainders() {
    check32("div.u32 d, a, b;", &[([ONES, 16], 0x0fff_ffff), ([7, 9], 0)]);
    check32(
        "div.s32 d, a, b;",
        &[([7u32.wrapping_neg(), 2], 3u32.wrapping_neg()), ([7, 2u32.wrapping_neg()], 3u32.wrapping_neg())],
    );
    check32("rem.u32 d, a, b;", &[([ONES, 16], 15)]);
    // The remainder has the sign of the dividend.
    check32("rem.s32 d, a, b;", &[([7u32.wrapping_neg(), 2], ONES), ([7, 2u32.wrapping_neg()], 1)]);
    check64("div.s64 D, A, B;", &[([(1u64 << 40).wrapping_neg(), 1 << 20], (1u64 << 20).wrapping_neg())]);
    check64("rem.u64 D, A, B;", &[([(1 << 40) + 5, 1 << 20], 5)]);
    check16("div.u16 hd, ha, hb;", &[([0xffff, 2], 0x7fff)]);
    check16("div.s16 hd, ha, hb;", &[([0xffff, 2], 0), ([0x8001, 2], 0xc001)]);
    check64("rem.s64 D, A, B;", &[([7u64.wrapping_neg(), 2], u64::MAX), ([7, 2u64.wrapping_neg()], 1)]);
    check16("rem.s16 hd, ha, hb;", &[([0xfff9, 2], 0xffff)]);
}

#[test]
fn signs_and_extremes() {
    check32("abs.s32 d, a;", &[([ONES], 1), ([MIN], MIN), ([5], 5)]);
    check32("neg.s32 d, a;", &[([1], ONES), ([MIN], MIN)]);
    check64("abs.s64 D, A;", &[([u64::MAX], 1)]);
    check64("neg.s64 D, A;", &[([3], 3u64.wrapping_neg())]);
    check16("abs.s16 hd, ha;", &[([0xfffe], 2)]);
    check32("min.s32 d, a, b;", &[([ONES, 1], ONES), ([MIN, MAX], MIN)]);
    check32("min.u32 d, a, b;", &[([ONES, 1], 1)]);
    check32("max.s32 d, a, b;", &[([ONES, 1], 1)]);
    check32("max.u32 d, a, b;", &[([ONES, 1], ONES)]);
    check64("min.s64 D, A, B;", &[([u64::MAX, 1], u64::MAX)]);
    check64("max.u64 D, A, B;", &[([u64::MAX, 1], u64::MAX)]);
    check16("min.s16 hd, ha, hb;", &[([0xffff, 1], 0xffff)]);
    check16("max.u16 hd, ha, hb;", &[([0xffff, 1], 0xffff)]);
}

#[test]
fn counts() {
    check32("popc.b32 d, a;", &[([0xf0f0_0001], 9), ([0], 0)]);
    check64to32("popc.b64 d, A;", &[([u64::MAX], 64)]);
    check32("clz.b32 d, a;", &[([1], 31), ([0], 32)]);
    check64to32("clz.b64 d, A;", &[([1], 63), ([0], 64)]);
    check32("bfind.u32 d, a;", &[([0x10], 4), ([0], ONES)]);
    check32("bfind.s32 d, a;", &[([ONES], ONES), ([0xffff_fff0], 3), ([0x10], 4)]);
    check32("bfind.shiftamt.u32 d, a;", &[([0x10], 27), ([0], ONES)]);
    check64to32("bfind.u64 d, A;", &[([1 << 40], 40)]);
    check64to32("bfind.shiftamt.s64 d, A;", &[([u64::MAX << 40], 24)]);
    check32("brev.b32 d, a;", &[([1], MIN), ([0x0000_00f8], 0x1f00_0000)]);
    check64("brev.b64 D, A;", &[([1], 1 << 63)]);
}

#[test]
fn bit_fields() {
    let cases = [
        ([0x1234_5678, 8, 8], 0x56),
        ([ONES, 28, 8], 0xf),
        ([ONES, 40, 8], 0),
        ([ONES, 4, 0], 0),
        ([ONES, 0, 32], ONES),
    ];
    check32("bfe.u32 d, a, b, c;", &cases);
    // The sign is bit pos + len - 1, or the top bit beyond it; position and length are their low 8 bits.
    let cases = [
        ([0x0000_0f00, 8, 4], ONES),
        ([0x0000_0700, 8, 4], 7),
        ([0x8000_0000, 28, 8], 0xffff_fff8),
        ([0x8000_0000, 40, 8], ONES),
        ([ONES, 4, 0], 0),
        ([0x0000_0f00, 0x108, 0x104], ONES),
    ];
    check32("bfe.s32 d, a, b, c;", &cases);
    check64("bfe.u64 D, A, b, c;", &[([u64::MAX, 60, 8], 0xf), ([0xab << 40, 40, 8], 0xab)]);
    check64("bfe.s64 D, A, b, c;", &[([0x8b << 40, 40, 8], 0x8bu64 | u64::MAX << 8)]);
    let cases =
        [([0xab, 0, 8, 8], 0xab00), ([0xab, ONES, 28, 8], 0xbfff_ffff), ([0xab, 5, 32, 8], 5), ([0xab, 5, 0, 0], 5)];
    check32("bfi.b32 d, a, b, c, e;", &cases);
    check64("bfi.b64 D, A, B, c, e;", &[([0xff, 0, 60, 8], 0xf << 60), ([3, u64::MAX, 32, 4], 0xffff_fff3_ffff_ffff)]);
    check32("bmsk.clamp.b32 d, a, b;", &[([4, 8], 0xff0), ([28, 9], 0xf000_0000), ([0, 40], ONES), ([33, 1], 0)]);
    check32("bmsk.wrap.b32 d, a, b;", &[([36, 40], 0xff0), ([1, 32], 0)]);
    check32(
        "szext.clamp.s32 d, a, b;",
        &[([0xff, 8], ONES), ([0x7f, 8], 0x7f), ([0x8000_0001, 40], 0x8000_0001), ([5, 0], 0)],
    );
    check32("szext.wrap.u32 d, a, b;", &[([0xabcd, 36], 0xd), ([0xabcd, 32], 0)]);
    check32(
        "fns.b32 d, a, b, c;",
        &[([0b1011_0010, 0, 2], 4), ([0b1011_0010, 4, 0], 4), ([0b1011_0010, 3, ONES], 1), ([2, 3, 1], ONES)],
    );
}

#[test]
fn bytes() {
    let (x, y) = (0x3322_1100, 0x7766_55c4);
    // Bytes 0 to 3 are those of a, 4 to 7 those of b; bit 3 of a selector spreads the byte's sign.
    check32(
        "prmt.b32 d, a, b, c;",
        &[([x, y, 0x5410], 0x55c4_1100), ([x, y, 0x4c00], 0xc4ff_0000), ([x, y, 0x8888], 0)],
    );
    check32("prmt.b32.f4e d, a, b, c;", &[([x, y, 3], 0x6655_c433)]);
    check32("prmt.b32.b4e d, a, b, c;", &[([x, y, 1], 0x6677_0011)]);
    check32("prmt.b32.rc8 d, a, b, c;", &[([x, y, 2], 0x2222_2222)]);
    check32("prmt.b32.ecl d, a, b, c;", &[([x, y, 2], 0x3322_2222)]);
    check32("prmt.b32.ecr d, a, b, c;", &[([x, y, 2], 0x2222_1100)]);
    check32("prmt.b32.rc16 d, a, b, c;", &[([x, y, 1], 0x3322_3322)]);
    check32("dp4a.s32.s32 d, a, b, c;", &[([0xff01_0203, 0x0101_0101, 10], 15)]);
    check32("dp4a.u32.u32 d, a, b, c;", &[([0xff01_0203, 0x0101_0101, 10], 271)]);
    check32("dp4a.s32.u32 d, a, b, c;", &[([0x0000_00ff, 0x0000_00ff, 0], 255u32.wrapping_neg())]);
    check32("dp2a.lo.s32.s32 d, a, b, c;", &[([0xffff_0002, 0x0000_0305, 1], 8)]);
    check32("dp2a.hi.u32.u32 d, a, b, c;", &[([0xffff_0002, 0x0305_0000, 1], 1 + 10 + 3 * 0xffff)]);
}

#[test]
fn logic() {
    check32("and.b32 d, a, b;", &[([0b1100, 0b1010], 0b1000)]);
    check32("or.b32 d, a, b;", &[([0b1100, 0b1010], 0b1110)]);
    check32("xor.b32 d, a, b;", &[([0b1100, 0b1010], 0b0110)]);
    check32("not.b32 d, a;", &[([5], !5)]);
    check32("cnot.b32 d, a;", &[([5], 0), ([0], 1)]);
    check64("xor.b64 D, A, B;", &[([u64::MAX, 1], u64::MAX - 1)]);
    check64("not.b64 D, A;", &[([0], u64::MAX)]);
    check16("and.b16 hd, ha, hb;", &[([0xff0f, 0x0ff1], 0x0f01)]);
    check16("not.b16 hd, ha;", &[([0x0ff0], 0xf00f)]);
    // Tables: 0x80 is a & b & c, 0x96 parity, 0xca chooses b or c by a.
    check32("lop3.b32 d, a, b, c, 0x80;", &[([0b1110, 0b0111, 0b1111], 0b0110)]);
    check32("lop3.b32 d, a, b, c, 0x96;", &[([0b1110, 0b0111, 0b1111], 0b0110)]);
    check32("lop3.b32 d, a, b, c, 0xca;", &[([0xffff_0000, 0x1111_1111, 0x2222_2222], 0x1111_2222)]);
    check_predicate(
        "setp.ne.u64 q, A, 0;\nsetp.ne.u64 r, B, 0;\nxor.pred p, q, r;",
        &[([1, 0], true), ([1, 1], false)],
    );
    check_predicate("setp.ne.u64 q, A, 0;\nnot.pred p, q;", &[([1], false), ([0], true)]);
}

#[test]
fn shifts_clamp_their_amounts() {
    check32("shl.b32 d, a, b;", &[([3, 31], MIN), ([3, 32], 0), ([3, ONES], 0), ([3, 0], 3)]);
    check32("shr.u32 d, a, b;", &[([MIN, 31], 1), ([MIN, 32], 0), ([MIN, 100], 0)]);
    check32("shr.s32 d, a, b;", &[([MIN, 31], ONES), ([MIN, 32], ONES), ([MAX, ONES], 0)]);
    check32("shr.b32 d, a, b;", &[([MIN, 4], 0x0800_0000)]);
    check64("shl.b64 D, A, b;", &[([1, 63], 1 << 63), ([1, 64], 0)]);
    check64("shr.u64 D, A, b;", &[([1 << 63, 63], 1), ([1 << 63, 64], 0)]);
    check64("shr.s64 D, A, b;", &[([1 << 63, 64], u64::MAX), ([1 << 62, 62], 1)]);
    // Only the low half of the register counts as 16-bit operand, and amounts are 32-bit numbers.
    check32to16("shl.b16 hd, ha, b;", &[([0x1_8001, 1], 2), ([1, 15], 0x8000), ([1, 16], 0), ([1, 0x1_0000], 0)]);
    check32to16("shr.u16 hd, ha, b;", &[([0x1_8000, 15], 1), ([0x8000, 16], 0)]);
    check32to16("shr.s16 hd, ha, b;", &[([0x8000, 3], 0xf000), ([0x8000, 40], 0xffff)]);
}

#[test]
fn funnel_shifts() {
    let (low, high) = (0x8000_0001, 0x4000_0002);
    check32(
        "shf.l.clamp.b32 d, a, b, c;",
        &[([low, high, 1], 0x8000_0005), ([low, high, 32], low), ([low, high, 99], low)],
    );
    check32("shf.l.wrap.b32 d, a, b, c;", &[([low, high, 33], 0x8000_0005), ([low, high, 32], high)]);
    check32(
        "shf.r.clamp.b32 d, a, b, c;",
        &[([low, high, 1], 0x4000_0000), ([low, high, 32], high), ([low, high, 99], high)],
    );
    check32("shf.r.wrap.b32 d, a, b, c;", &[([low, high, 33], 0x4000_0000), ([low, high, 32], low)]);
}

#[test]
fn video_instructions_on_bytes_and_half_words() {
    check32("vabsdiff4.u32.u32.u32 d, a, b, c;", &[([0x10ff_0503, 0x20fe_0805, 9], 0x1001_0302)]);
    check32("vabsdiff4.u32.u32.u32.add d, a, b, c;", &[([0x10ff_0503, 0x20fe_0805, 100], 100 + 16 + 1 + 3 + 2)]);
    // -1 and 1, 127 and 1, -128 and -1, 5 and -5.
    let bytes = [0xff7f_8005, 0x0101_fffb, 0];
    check32("vadd4.s32.s32.s32 d, a, b, c;", &[(bytes, 0x0080_7f00)]);
    check32("vadd4.s32.s32.s32.sat d, a, b, c;", &[(bytes, 0x007f_8000)]);
    check32("vsub4.u32.u32.u32.sat d, a, b, c;", &[([0x0510_ff00, 0x0620_0101, 0], 0x0000_fe00)]);
    check32("vavrg4.u32.u32.u32 d, a, b, c;", &[([0x0001_0203, 0x0102_02ff, 0], 0x0102_0281)]);
    check32("vavrg2.s32.s32.s32 d, a, b, c;", &[([0xffff_0001, 0xfffe_0002, 0], 0xfffe_0002)]);
    check32("vmin2.s32.s32.s32 d, a, b, c;", &[([0xffff_0003, 0x0001_0002, 0], 0xffff_0002)]);
    check32("vmax4.u32.u32.s32.add d, a, b, c;", &[([0x0102_0304, 0xff00_0400, 7], 7 + 1 + 2 + 4 + 4)]);
}

#[test]
fn pairs_of_half_words() {
    check32("add.u16x2 d, a, b;", &[([0xffff_0001, 0x0002_0003], 0x0001_0004)]);
    check32("add.s16x2 d, a, b;", &[([0x7fff_8000, 0x0001_ffff], 0x8000_7fff)]);
    check32("min.u16x2 d, a, b;", &[([0xffff_0001, 0x0002_0003], 0x0002_0001)]);
    check32("max.s16x2 d, a, b;", &[([0xffff_0001, 0x0002_8003], 0x0002_0001)]);
    check32("min.s16x2.relu d, a, b;", &[([0xffff_0005, 0x0002_0007], 0x0000_0005)]);
    check32("max.s16x2.relu d, a, b;", &[([0xffff_0005, 0xfffe_0007], 0x0000_0007)]);
    check32("min.relu.s32 d, a, b;", &[([0xffff_ffff, 5], 0), ([9, 5], 5)]);
    check32("max.relu.s32 d, a, b;", &[([0xffff_ffff, 0xffff_fff0], 0), ([9, 5], 9)]);
}
