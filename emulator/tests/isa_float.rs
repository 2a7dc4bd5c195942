//! Floating-point arithmetic (PTX ISA, "Floating-Point Instructions", "Half Precision Floating-Point Instructions").

mod common;
use common::*;

const INF: f32 = f32::INFINITY;
const TINY: f32 = f32::from_bits(1);
const MIN_NORMAL: f32 = f32::MIN_POSITIVE;
/// Half a unit in the last place of 1.
const HALF_ULP: f32 = 5.960_464_5e-8;
const NAN64: f64 = f64::from_bits(0xfff8_0000_0000_0000);

#[test]
fn add_rounds_as_told() {
    // 1 + 2^-24 is a tie: even is 1. A little more goes up.
    let (one, up) = (1.0, 1.0 + f32::EPSILON);
    checkf("add.f32 d, a, b;", &[([one, HALF_ULP], one), ([up, HALF_ULP], up + f32::EPSILON), ([INF, -INF], NAN)]);
    checkf("add.rz.f32 d, a, b;", &[([one, HALF_ULP], one), ([-up, HALF_ULP * 0.5], -one)]);
    checkf("add.rm.f32 d, a, b;", &[([-one, -HALF_ULP * 0.5], -up), ([one, HALF_ULP], one), ([one, -one], -0.0)]);
    checkf("add.rp.f32 d, a, b;", &[([one, TINY], up), ([-one, -TINY], -one), ([one, -one], 0.0)]);
    checkf("sub.rn.f32 d, a, b;", &[([3.0, 5.5], -2.5), ([0.0, 0.0], 0.0), ([-0.0, 0.0], -0.0)]);
    checkf("sub.rp.f32 d, a, b;", &[([one, -TINY], up)]);
}

#[test]
fn flush_and_saturate() {
    let half = f32::from_bits(0x0040_0000);
    checkf("add.ftz.f32 d, a, b;", &[([half, half], 0.0), ([-half, -0.0], -0.0), ([MIN_NORMAL, -half], MIN_NORMAL)]);
    checkf("add.f32 d, a, b;", &[([half, half], MIN_NORMAL)]);
    // The result is flushed as well: 1.5 * 2^-126 - 2^-126.
    checkf("sub.ftz.f32 d, a, b;", &[([MIN_NORMAL * 1.5, MIN_NORMAL], 0.0), ([MIN_NORMAL, MIN_NORMAL * 1.5], -0.0)]);
    checkf("add.sat.f32 d, a, b;", &[([0.75, 0.5], 1.0), ([-3.0, 1.0], 0.0), ([NAN, 1.0], 0.0), ([0.25, 0.5], 0.75)]);
    checkf("mul.ftz.sat.f32 d, a, b;", &[([half, 4.0], 0.0), ([INF, 2.0], 1.0), ([INF, 0.0], 0.0)]);
    checkf("fma.rn.sat.f32 d, a, b, c;", &[([2.0, 3.0, -5.5], 0.5), ([2.0, 3.0, 1.0], 1.0)]);
    checkf("fma.rn.ftz.f32 d, a, b, c;", &[([half, 1.0, 0.0], 0.0), ([1.0, 1.0, half], 1.0)]);
}

#[test]
fn mul_and_fma() {
    let up = 1.0 + f32::EPSILON;
    // (1 + e)^2 = 1 + 2e + e^2 with e = 2^-23.
    checkf(
        "mul.f32 d, a, b;",
        &[([up, up], up + f32::EPSILON), ([0.0, -1.0], -0.0), ([1e30, 1e30], INF), ([0.0, INF], NAN)],
    );
    checkf(
        "mul.rp.f32 d, a, b;",
        &[([up, up], up + 2.0 * f32::EPSILON), ([TINY, TINY], TINY), ([1e30, -1e30], f32::MIN)],
    );
    checkf("mul.rz.f32 d, a, b;", &[([1e30, 1e30], f32::MAX), ([TINY, TINY], 0.0)]);
    checkf("mul.rm.f32 d, a, b;", &[([TINY, -TINY], -TINY)]);
    // The product is not rounded: (1 + e)^2 - (1 + 2e) = e^2.
    checkf(
        "fma.rn.f32 d, a, b, c;",
        &[([up, up, -(up + f32::EPSILON)], f32::EPSILON * f32::EPSILON), ([INF, 0.0, 1.0], NAN)],
    );
    checkf("fma.rz.f32 d, a, b, c;", &[([up, up, 0.0], up + f32::EPSILON), ([1.0, 1.0, -TINY], 1.0 - HALF_ULP)]);
    checkf("fma.rm.f32 d, a, b, c;", &[([1.0, -1.0, -TINY], -up), ([2.0, 3.0, -6.0], -0.0)]);
    checkf("fma.rp.f32 d, a, b, c;", &[([1.0, 1.0, TINY], up), ([2.0, 3.0, -6.0], 0.0)]);
    checkf("mad.rn.f32 d, a, b, c;", &[([up, up, -(up + f32::EPSILON)], f32::EPSILON * f32::EPSILON)]);
}

#[test]
fn quotients_and_roots() {
    // 1/3 lies between 0x3eaaaaaa and 0x3eaaaaab, nearer the second.
    let (low, high) = (f32::from_bits(0x3eaa_aaaa), f32::from_bits(0x3eaa_aaab));
    checkf("div.rn.f32 d, a, b;", &[([1.0, 3.0], high), ([1.0, -0.0], -INF), ([0.0, 0.0], NAN), ([6.0, 1.5], 4.0)]);
    checkf("div.rz.f32 d, a, b;", &[([1.0, 3.0], low), ([-1.0, 3.0], -low)]);
    checkf("div.rm.f32 d, a, b;", &[([1.0, 3.0], low), ([-1.0, 3.0], -high), ([6.0, 1.5], 4.0)]);
    checkf("div.rp.f32 d, a, b;", &[([1.0, 3.0], high), ([-1.0, 3.0], -low)]);
    checkf("rcp.rn.f32 d, a;", &[([3.0], high), ([-0.0], -INF), ([-INF], -0.0)]);
    checkf("rcp.rm.f32 d, a;", &[([3.0], low)]);
    checkf("rcp.rn.ftz.f32 d, a;", &[([1.5e38], 0.0), ([TINY], INF)]);
    // sqrt(2) lies between 0x3fb504f3 and 0x3fb504f4, nearer the first.
    let (low, high) = (f32::from_bits(0x3fb5_04f3), f32::from_bits(0x3fb5_04f4));
    checkf("sqrt.rn.f32 d, a;", &[([2.0], low), ([9.0], 3.0), ([-0.0], -0.0), ([-1.0], NAN)]);
    checkf("sqrt.rp.f32 d, a;", &[([2.0], high), ([9.0], 3.0)]);
    checkf("sqrt.rz.f32 d, a;", &[([2.0], low)]);
    checkf("sqrt.rn.ftz.f32 d, a;", &[([-TINY], -0.0)]);
}

#[test]
fn minimum_maximum() {
    checkf(
        "min.f32 d, a, b;",
        &[([1.0, -2.0], -2.0), ([NAN, 3.0], 3.0), ([3.0, NAN], 3.0), ([NAN, NAN], NAN), ([0.0, -0.0], -0.0)],
    );
    checkf("max.f32 d, a, b;", &[([1.0, -2.0], 1.0), ([-0.0, 0.0], 0.0), ([NAN, -INF], -INF)]);
    checkf("min.NaN.f32 d, a, b;", &[([NAN, 3.0], NAN), ([3.0, 2.0], 2.0)]);
    checkf("max.ftz.NaN.f32 d, a, b;", &[([TINY, 0.0], 0.0), ([1.0, f32::from_bits(0xffc0_0000)], NAN)]);
    checkf("max.ftz.f32 d, a, b;", &[([TINY, -1.0], 0.0)]);
    checkf("min.xorsign.abs.f32 d, a, b;", &[([-3.0, 2.0], -2.0), ([-3.0, -4.0], 3.0)]);
    checkf("max.NaN.xorsign.abs.f32 d, a, b;", &[([-3.0, 2.0], -3.0)]);
    checkd("min.f64 D, A, B;", &[([1.0, -2.0], -2.0), ([f64::NAN, 3.0], 3.0), ([0.0, -0.0], -0.0)]);
    checkd("max.f64 D, A, B;", &[([-0.0, 0.0], 0.0), ([f64::INFINITY, 3.0], f64::INFINITY)]);
}

#[test]
fn signs() {
    checkf("abs.f32 d, a;", &[([-2.5], 2.5), ([-0.0], 0.0), ([-TINY], TINY)]);
    checkf("abs.ftz.f32 d, a;", &[([-TINY], 0.0)]);
    checkf("neg.f32 d, a;", &[([2.5], -2.5), ([0.0], -0.0)]);
    checkf("neg.ftz.f32 d, a;", &[([TINY], -0.0)]);
    checkd("abs.f64 D, A;", &[([-2.5], 2.5)]);
    checkd("neg.f64 D, A;", &[([0.0], -0.0)]);
    // The sign of a, the magnitude of b.
    checkf("copysign.f32 d, a, b;", &[([-1.0, 3.0], -3.0), ([1.0, -3.0], 3.0)]);
    checkd("copysign.f64 D, A, B;", &[([-1.0, 3.0], -3.0)]);
    for (test, expected) in [
        ("finite", [true, true, true, false, false]),
        ("infinite", [false, false, false, true, false]),
        ("number", [true, true, true, true, false]),
        ("notanumber", [false, false, false, false, true]),
        ("normal", [true, true, false, false, false]),
        ("subnormal", [false, false, true, false, false]),
    ] {
        let inputs = [1.0, -0.0, TINY, INF, NAN].map(|x| [u64::from(x.to_bits())]);
        let cases: Vec<_> = inputs.into_iter().zip(expected).collect();
        check_predicate(&format!("testp.{test}.f32 p, a;"), &cases);
    }
    check_predicate("testp.infinite.f64 p, A;", &[([f64::NEG_INFINITY.to_bits()], true), ([0], false)]);
}

#[test]
fn double_precision() {
    let up = 1.0 + f64::EPSILON;
    let tiny = f64::from_bits(1);
    checkd("add.f64 D, A, B;", &[([1.0, f64::EPSILON / 2.0], 1.0), ([f64::INFINITY, f64::NEG_INFINITY], NAN64)]);
    checkd("add.rp.f64 D, A, B;", &[([1.0, tiny], up), ([-1.0, -tiny], -1.0)]);
    checkd("add.rm.f64 D, A, B;", &[([1.0, -1.0], -0.0), ([-1.0, -tiny], -up)]);
    checkd("sub.rn.f64 D, A, B;", &[([3.0, 5.5], -2.5), ([up, tiny], up), ([0.0, 0.0], 0.0), ([-0.0, 0.0], -0.0)]);
    checkd("sub.rz.f64 D, A, B;", &[([up, tiny], 1.0)]);
    checkd("mul.rn.f64 D, A, B;", &[([1e200, 1e200], f64::INFINITY), ([1.5, 2.5], 3.75)]);
    checkd("mul.rz.f64 D, A, B;", &[([1e200, 1e200], f64::MAX)]);
    checkd("fma.rn.f64 D, A, B, C;", &[([up, up, -(up + f64::EPSILON)], f64::EPSILON * f64::EPSILON)]);
    checkd("fma.rp.f64 D, A, B, C;", &[([1.0, 1.0, tiny], up)]);
    let third = f64::from_bits(0x3fd5_5555_5555_5555);
    checkd("div.rn.f64 D, A, B;", &[([1.0, 3.0], third)]);
    checkd("div.rp.f64 D, A, B;", &[([1.0, 3.0], third.next_up())]);
    checkd("rcp.rn.f64 D, A;", &[([3.0], third), ([0.0], f64::INFINITY)]);
    checkd("sqrt.rn.f64 D, A;", &[([2.25], 1.5), ([-4.0], NAN64)]);
    // sqrt(2) is 1.41421356237309504880...; the f64 below it ends in ...bcc, the one above in ...bcd, which is nearer.
    checkd("sqrt.rm.f64 D, A;", &[([2.0], f64::from_bits(0x3ff6_a09e_667f_3bcc))]);
}

// f16: 0x3c00 is 1, 0x0001 is 2^-24, a unit of 1 is 2^-10. bf16: 0x3f80 is 1, a unit of 1 is 2^-7.

#[test]
fn half_precision() {
    check16(
        "add.f16 hd, ha, hb;",
        &[([0x3c00, 0x4000], 0x4200), ([0x7bff, 0x7bff], 0x7c00), ([0x7c00, 0xfc00], 0x7fff)],
    );
    // 1 + 2^-11 is a tie; the even neighbour is 1.
    check16("add.rn.f16 hd, ha, hb;", &[([0x3c00, 0x1000], 0x3c00), ([0x3c01, 0x1000], 0x3c02), ([1, 1], 2)]);
    check16("add.ftz.f16 hd, ha, hb;", &[([1, 1], 0), ([0x8001, 0x8000], 0x8000)]);
    check16("add.sat.f16 hd, ha, hb;", &[([0x3c00, 0x3c00], 0x3c00), ([0xbc00, 0], 0), ([0x7fff, 0], 0)]);
    check16("sub.f16 hd, ha, hb;", &[([0x3c00, 0x4000], 0xbc00)]);
    check16("mul.f16 hd, ha, hb;", &[([0x4200, 0x4200], 0x4880), ([0x0001, 0x3800], 0)]);
    check16("fma.rn.f16 hd, ha, hb, hc;", &[([0x4000, 0x4200, 0x3c00], 0x4700), ([0x3c01, 0x3c01, 0xbc02], 0x0010)]);
    check16(
        "fma.rn.relu.f16 hd, ha, hb, hc;",
        &[([0x4000, 0xc200, 0x3c00], 0), ([0x4000, 0x4200, 0x3c00], 0x4700), ([0x7c00, 0, 0], 0x7fff)],
    );
    check16("neg.f16 hd, ha;", &[([0x3c00], 0xbc00)]);
    check16("abs.f16 hd, ha;", &[([0xbc00], 0x3c00)]);
    check16("min.f16 hd, ha, hb;", &[([0x3c00, 0xbc00], 0xbc00), ([0x7e00, 0x3c00], 0x3c00), ([0, 0x8000], 0x8000)]);
    check16("max.NaN.f16 hd, ha, hb;", &[([0x7e00, 0x3c00], 0x7fff), ([0x3c00, 0x4000], 0x4000)]);
}

#[test]
fn packed_half_precision() {
    check32("add.f16x2 d, a, b;", &[([0x3c00_4000, 0x4000_4200], 0x4200_4500)]);
    check32("sub.f16x2 d, a, b;", &[([0x3c00_4000, 0x4000_4000], 0xbc00_0000)]);
    check32("mul.rn.f16x2 d, a, b;", &[([0x4200_4000, 0x4200_3800], 0x4880_3c00)]);
    check32("fma.rn.f16x2 d, a, b, c;", &[([0x4000_3c00, 0x4200_3c00, 0x3c00_bc00], 0x4700_0000)]);
    check32("fma.rn.ftz.sat.f16x2 d, a, b, c;", &[([0x4000_3c00, 0x4200_3800, 0x3c00_0001], 0x3c00_3800)]);
    check32("min.f16x2 d, a, b;", &[([0x3c00_4000, 0x4000_3c00], 0x3c00_3c00)]);
    check32("max.bf16x2 d, a, b;", &[([0x3f80_4000, 0x4000_3f80], 0x4000_4000)]);
    check32("neg.f16x2 d, a;", &[([0x3c00_bc00], 0xbc00_3c00)]);
    check32("abs.bf16x2 d, a;", &[([0xbf80_3f80], 0x3f80_3f80)]);
    check32("fma.rn.bf16x2 d, a, b, c;", &[([0x4000_3f80, 0x4040_4000, 0x3f80_bf80], 0x40e0_3f80)]);
    check32("fma.rn.relu.bf16x2 d, a, b, c;", &[([0x4000_3f80, 0xc040_4000, 0x3f80_bf80], 0x0000_3f80)]);
}

#[test]
fn brain_float() {
    // 1 + 2^-8 is a tie; 3 * 3 = 9; (1 + 2^-7)^2 - (1 + 2^-6) = 2^-14.
    check16("fma.rn.bf16 hd, ha, hb, hc;", &[([0x3f80, 0x3f80, 0x3b80], 0x3f80), ([0x3f81, 0x3f80, 0x3b80], 0x3f82)]);
    check16("fma.rn.bf16 hd, ha, hb, hc;", &[([0x4040, 0x4040, 0], 0x4110), ([0x3f81, 0x3f81, 0xbf82], 0x3880)]);
    check16("add.bf16 hd, ha, hb;", &[([0x3f80, 0x4000], 0x4040), ([0x7f80, 0xff80], 0x7fff)]);
    check16("sub.rn.bf16 hd, ha, hb;", &[([0x3f80, 0x4000], 0xbf80)]);
    check16("mul.bf16 hd, ha, hb;", &[([0x4040, 0x4040], 0x4110)]);
    check16("neg.bf16 hd, ha;", &[([0x3f80], 0xbf80)]);
    check16("abs.bf16 hd, ha;", &[([0xbf80], 0x3f80)]);
    check16("min.bf16 hd, ha, hb;", &[([0x3f80, 0xbf80], 0xbf80)]);
    check16("max.NaN.bf16 hd, ha, hb;", &[([0x7fc0, 0x3f80], 0x7fff)]);
}
