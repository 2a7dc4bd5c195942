//! `cvt` (PTX ISA, "Data Movement and Conversion Instructions: cvt") and `cvt.pack`-free packed forms.

mod common;
use common::*;

const INF: f32 = f32::INFINITY;
const ONES: u32 = u32::MAX;

#[test]
fn integers_extend_and_truncate() {
    check32to64("cvt.s64.s32 D, a;", &[([ONES], u64::MAX), ([5], 5)]);
    check32to64("cvt.u64.u32 D, a;", &[([ONES], 0xffff_ffff)]);
    check64to32("cvt.u32.u64 d, A;", &[([0x1_2345_6789], 0x2345_6789)]);
    check32("cvt.s32.s16 d, ha;", &[([0xffff_8000], 0xffff_8000), ([0xffff_7fff], 0x7fff)]);
    check32("cvt.u32.u16 d, ha;", &[([0xffff_8000], 0x8000)]);
    check32("cvt.s32.s8 d, a;", &[([0x1280], 0xffff_ff80)]);
    check32("cvt.u32.u8 d, a;", &[([0x1280], 0x80)]);
    check32to16("cvt.u16.u32 hd, a;", &[([0x1234_5678], 0x5678)]);
    check16("cvt.s16.s8 hd, ha;", &[([0x12ff], 0xffff)]);
    check16("cvt.u16.u8 hd, ha;", &[([0x12ff], 0x00ff)]);
    // A destination register wider than the type is extended by the sign of the type.
    check32("cvt.s8.s32 d, a;", &[([0x80], 0xffff_ff80), ([0x17f], 0x7f)]);
    check32("cvt.u8.u32 d, a;", &[([0x1ff], 0xff)]);
}

#[test]
fn integers_saturate() {
    check32("cvt.sat.s8.s32 d, a;", &[([300], 127), ([300u32.wrapping_neg()], 0xffff_ff80), ([5], 5)]);
    check32("cvt.sat.u8.s32 d, a;", &[([300], 255), ([ONES], 0)]);
    check32("cvt.sat.s8.u32 d, a;", &[([ONES], 127)]);
    check32to16("cvt.sat.s16.s32 hd, a;", &[([0x1_0000], 0x7fff), ([0x8000_0000], 0x8000)]);
    check32to16("cvt.sat.u16.u32 hd, a;", &[([0x1_0000], 0xffff)]);
    check64to32("cvt.sat.s32.s64 d, A;", &[([1 << 40], 0x7fff_ffff), ([u64::MAX], ONES)]);
    check64to32("cvt.sat.u32.s64 d, A;", &[([u64::MAX], 0), ([1 << 40], ONES)]);
    check64to32("cvt.sat.s32.u64 d, A;", &[([u64::MAX], 0x7fff_ffff)]);
    check32("cvt.sat.u32.s32 d, a;", &[([ONES], 0), ([7], 7)]);
}

#[test]
fn floats_to_integers() {
    let cases = |results: [i32; 6]| -> Vec<([u32; 1], u32)> {
        let inputs = [2.5, 3.5, -2.5, -0.5, 1e20, f32::NAN];
        inputs.iter().zip(results).map(|(x, d)| ([bits(*x)], d as u32)).collect()
    };
    check32("cvt.rni.s32.f32 d, a;", &cases([2, 4, -2, 0, i32::MAX, 0]));
    check32("cvt.rzi.s32.f32 d, a;", &cases([2, 3, -2, 0, i32::MAX, 0]));
    check32("cvt.rmi.s32.f32 d, a;", &cases([2, 3, -3, -1, i32::MAX, 0]));
    check32("cvt.rpi.s32.f32 d, a;", &cases([3, 4, -2, 0, i32::MAX, 0]));
    check32(
        "cvt.rzi.u32.f32 d, a;",
        &[([bits(-1.5)], 0), ([bits(4e9)], 4_000_000_000), ([bits(5e9)], ONES), ([bits(NAN)], 0)],
    );
    check32("cvt.rni.ftz.s32.f32 d, a;", &[([bits(1.5)], 2), ([1], 0)]);
    check32("cvt.rpi.ftz.s32.f32 d, a;", &[([1], 0)]);
    check32("cvt.rpi.s32.f32 d, a;", &[([1], 1)]);
    // Clamping to narrow types needs no .sat.
    check32("cvt.rzi.s8.f32 d, a;", &[([bits(1000.0)], 127), ([bits(-1000.0)], 0xffff_ff80)]);
    check32to16("cvt.rzi.u16.f32 hd, a;", &[([bits(70000.0)], 0xffff), ([bits(-3.0)], 0)]);
    check32to64(
        "cvt.rzi.s64.f32 D, a;",
        &[([bits(-1e10)], 10_000_000_000u64.wrapping_neg()), ([bits(1e30)], i64::MAX as u64)],
    );
    // NaN: zero up to 32 bits from f32, else the top bit of the destination.
    check32to64("cvt.rzi.s64.f32 D, a;", &[([bits(NAN)], 1 << 63)]);
    check32to64("cvt.rzi.u64.f32 D, a;", &[([bits(NAN)], 1 << 63), ([bits(2e19)], u64::MAX), ([bits(-2.0)], 0)]);
    let nan = f64::NAN.to_bits();
    check64to32("cvt.rzi.s32.f64 d, A;", &[([nan], 1 << 31), ([(-7.9f64).to_bits()], 7u32.wrapping_neg())]);
    check64to32("cvt.rni.u32.f64 d, A;", &[([nan], 1 << 31), ([4.5f64.to_bits()], 4), ([5.5f64.to_bits()], 6)]);
    check64("cvt.rmi.s64.f64 D, A;", &[([nan], 1 << 63), ([(-7.1f64).to_bits()], 8u64.wrapping_neg())]);
    check64("cvt.rpi.u64.f64 D, A;", &[([1e19f64.to_bits()], 10_000_000_000_000_000_000), ([0.1f64.to_bits()], 1)]);
    check32("cvt.rzi.s32.f16 d, ha;", &[([0xc500], 5u32.wrapping_neg()), ([0x7c00], 0x7fff_ffff), ([0x7e00], 0)]);
    check16("cvt.rni.s16.f16 hd, ha;", &[([0x4100], 2), ([0x7bff], 0x7fff)]);
}

#[test]
fn integers_to_floats() {
    // 2^24 + 1 and 2^24 + 3 are ties.
    let odd = [0x100_0001, 0x100_0003, (0x100_0001u32).wrapping_neg()];
    let cases =
        |results: [f32; 3]| -> Vec<([u32; 1], u32)> { odd.iter().zip(results).map(|(x, d)| ([*x], bits(d))).collect() };
    check32("cvt.rn.f32.s32 d, a;", &cases([16777216.0, 16777220.0, -16777216.0]));
    check32("cvt.rz.f32.s32 d, a;", &cases([16777216.0, 16777218.0, -16777216.0]));
    check32("cvt.rm.f32.s32 d, a;", &cases([16777216.0, 16777218.0, -16777218.0]));
    check32("cvt.rp.f32.s32 d, a;", &cases([16777218.0, 16777220.0, -16777216.0]));
    check32("cvt.rn.f32.u32 d, a;", &[([ONES], bits(4294967296.0)), ([0], 0)]);
    check32("cvt.rz.f32.u32 d, a;", &[([ONES], bits(4294967040.0))]);
    check32("cvt.rn.f32.s16 d, ha;", &[([0xffff], bits(-1.0))]);
    check32("cvt.rn.f32.u8 d, a;", &[([0x1ff], bits(255.0))]);
    check32("cvt.rn.f32.s8 d, a;", &[([0x1ff], bits(-1.0))]);
    // The nearest of two f32, and of a tie the even one.
    check64to32(
        "cvt.rn.f32.u64 d, A;",
        &[([u64::MAX], bits(2f32.powi(64))), ([(1 << 40) + (1 << 16)], bits(2f32.powi(40)))],
    );
    check64to32("cvt.rn.f32.s64 d, A;", &[([u64::MAX], bits(-1.0)), ([(1 << 40) + (1 << 16)], bits(1099511627776.0))]);
    check64to32(
        "cvt.rp.f32.u64 d, A;",
        &[([u64::MAX], bits(18446744073709551616.0)), ([(1 << 40) + 1], bits(1099511758848.0))],
    );
    check32to64("cvt.rn.f64.s32 D, a;", &[([ONES], (-1f64).to_bits())]);
    check32to64("cvt.rn.f64.u32 D, a;", &[([ONES], 4294967295f64.to_bits())]);
    check64("cvt.rn.f64.s64 D, A;", &[([(1 << 53) + 1], 9007199254740992f64.to_bits())]);
    check64("cvt.rp.f64.u64 D, A;", &[([(1 << 53) + 1], 9007199254740994f64.to_bits())]);
    check32to16("cvt.rn.f16.s32 hd, a;", &[([2049], 0x6800), ([2051], 0x6802), ([100_000], 0x7c00), ([ONES], 0xbc00)]);
    check32to16("cvt.rz.f16.u32 hd, a;", &[([2051], 0x6801), ([100_000], 0x7bff)]);
    check32to16("cvt.rn.bf16.s32 hd, a;", &[([257], 0x4380), ([259], 0x4382)]);
    check16("cvt.rn.f16.u16 hd, ha;", &[([3], 0x4200)]);
}

#[test]
fn floats_to_wider_floats() {
    check32(
        "cvt.f32.f16 d, ha;",
        &[([0x3c00], bits(1.0)), ([0x8001], bits(-5.960_464_5e-8)), ([0xfc00], bits(-INF)), ([0xfe01], bits(NAN))],
    );
    check32("cvt.f32.bf16 d, ha;", &[([0x3f80], bits(1.0)), ([0x0001], 0x0001_0000), ([0xffc1], bits(NAN))]);
    check32to64("cvt.f64.f32 D, a;", &[([bits(0.1)], f64::from(0.1f32).to_bits()), ([1], 2f64.powi(-149).to_bits())]);
    check32to64("cvt.ftz.f64.f32 D, a;", &[([0x8000_0001], (-0f64).to_bits())]);
    check32to64("cvt.f64.f16 D, ha;", &[([0xc000], (-2f64).to_bits())]);
    check32("cvt.sat.f32.f16 d, ha;", &[([0x4000], bits(1.0)), ([0xbc00], 0)]);
}

#[test]
fn f32_to_narrower_floats() {
    // 1 + 2^-11 is a tie of f16, 1 + 2^-11 + 2^-23 is above it.
    let (tie, above) = (bits(1.0 + 1.0 / 2048.0), bits(1.0 + 1.0 / 2048.0) + 1);
    check32to16(
        "cvt.rn.f16.f32 hd, a;",
        &[([tie], 0x3c00), ([above], 0x3c01), ([bits(65520.0)], 0x7c00), ([bits(NAN)], 0x7fff)],
    );
    check32to16("cvt.rz.f16.f32 hd, a;", &[([above], 0x3c00), ([bits(1e9)], 0x7bff), ([bits(-1e-9)], 0x8000)]);
    check32to16("cvt.rm.f16.f32 hd, a;", &[([above], 0x3c00), ([bits(-1e-9)], 0x8001)]);
    check32to16("cvt.rp.f16.f32 hd, a;", &[([tie], 0x3c01), ([bits(1e-9)], 0x0001)]);
    check32to16("cvt.rn.relu.f16.f32 hd, a;", &[([bits(-1.0)], 0), ([bits(2.0)], 0x4000), ([bits(NAN)], 0x7fff)]);
    check32to16("cvt.rn.satfinite.f16.f32 hd, a;", &[([bits(1e9)], 0x7bff), ([bits(-INF)], 0xfbff)]);
    check32to16("cvt.rn.sat.f16.f32 hd, a;", &[([bits(2.0)], 0x3c00), ([bits(-2.0)], 0)]);
    // 1 + 2^-8 is a tie of bf16.
    let (tie, above) = (bits(1.0 + 1.0 / 256.0), bits(1.0 + 1.0 / 256.0) + 1);
    check32to16(
        "cvt.rn.bf16.f32 hd, a;",
        &[([tie], 0x3f80), ([above], 0x3f81), ([bits(f32::MAX)], 0x7f80), ([bits(NAN)], 0x7fff)],
    );
    check32to16("cvt.rz.bf16.f32 hd, a;", &[([above], 0x3f80), ([bits(-f32::MAX)], 0xff7f)]);
    check32to16("cvt.rn.relu.bf16.f32 hd, a;", &[([bits(-1.0)], 0)]);
    // The first source goes to the upper half.
    check32("cvt.rn.f16x2.f32 d, a, b;", &[([bits(1.0), bits(2.0)], 0x3c00_4000)]);
    check32("cvt.rz.bf16x2.f32 d, a, b;", &[([above, bits(-2.0)], 0x3f80_c000)]);
    check32("cvt.rn.relu.bf16x2.f32 d, a, b;", &[([bits(-1.0), bits(2.0)], 0x0000_4000)]);
    check32("cvt.rn.satfinite.f16x2.f32 d, a, b;", &[([bits(1e9), bits(-1e9)], 0x7bff_fbff)]);
}

#[test]
fn tensor_float() {
    // A unit of 1 is 2^-10: 1 + 2^-11 is a tie, away from zero under .rna and to even under .rn.
    let (tie, below) = (bits(1.0 + 1.0 / 2048.0), bits(1.0 + 1.0 / 2048.0) - 1);
    check32(
        "cvt.rna.tf32.f32 d, a;",
        &[([tie], 0x3f80_2000), ([below], 0x3f80_0000), ([tie | 1 << 31], 0xbf80_2000), ([bits(NAN)], bits(NAN))],
    );
    check32("cvt.rn.tf32.f32 d, a;", &[([tie], 0x3f80_0000), ([tie + 1], 0x3f80_2000)]);
    check32("cvt.rz.relu.tf32.f32 d, a;", &[([tie + 1], 0x3f80_0000), ([bits(-1.0)], 0)]);
}

#[test]
fn eight_bit_floats() {
    // e4m3: 0x38 is 1, 0x7e is 448. e5m2: 0x3c is 1, 0x7b is 57344. The first source goes to the upper byte.
    check32to16(
        "cvt.rn.satfinite.e4m3x2.f32 hd, a, b;",
        &[([bits(1.0), bits(1000.0)], 0x387e), ([bits(-0.5), bits(NAN)], 0xb07f)],
    );
    check32to16("cvt.rn.satfinite.e5m2x2.f32 hd, a, b;", &[([bits(1.0), bits(-1e9)], 0x3cfb)]);
    // 1.0625 is a tie of e4m3 and goes to the even 1.
    check32to16("cvt.rn.satfinite.relu.e4m3x2.f32 hd, a, b;", &[([bits(-1.0), bits(1.0625)], 0x0038)]);
    check32to16("cvt.rn.satfinite.e4m3x2.f16x2 hd, a;", &[([0x3c00_7c00], 0x387e)]);
    check32to16("cvt.rn.satfinite.e5m2x2.f16x2 hd, a;", &[([0x3c00_c000], 0x3cc0)]);
    check32("cvt.rn.f16x2.e4m3x2 d, ha;", &[([0x387e], 0x3c00_5f00), ([0xff01], 0x7fff_1800)]);
    check32("cvt.rn.f16x2.e5m2x2 d, ha;", &[([0x3cfc], 0x3c00_fc00)]);
    check32("cvt.rn.relu.f16x2.e4m3x2 d, ha;", &[([0xb838], 0x0000_3c00)]);
}

#[test]
fn f64_to_narrower_floats() {
    let third = 1.0f64 / 3.0;
    check64to32("cvt.rn.f32.f64 d, A;", &[([third.to_bits()], 0x3eaa_aaab), ([1e300f64.to_bits()], bits(INF))]);
    check64to32("cvt.rz.f32.f64 d, A;", &[([third.to_bits()], 0x3eaa_aaaa), ([1e300f64.to_bits()], bits(f32::MAX))]);
    check64to32("cvt.rm.f32.f64 d, A;", &[([(-third).to_bits()], 0xbeaa_aaab)]);
    check64to32("cvt.rp.f32.f64 d, A;", &[([1e-300f64.to_bits()], 1)]);
    check64to32("cvt.rn.ftz.f32.f64 d, A;", &[([1e-40f64.to_bits()], 0)]);
    // Once: by way of f32 this would become the tie 1 + 2^-11 and then 1.
    let above = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
    check(&[
        ("cvt.rn.f16.f64 hd, A;", above, 0x3c01),
        ("cvt.rz.f16.f64 hd, A;", above, 0x3c00),
        ("cvt.rn.bf16.f64 hd, A;", 1.5, 0x3fc0),
    ]);
}

#[test]
fn saturation_to_the_unit_interval_from_every_source() {
    check32to16("cvt.rn.sat.f16.s32 hd, a;", &[([7], 0x3c00), ([ONES], 0), ([1], 0x3c00)]);
    check32to16("cvt.rn.sat.f16.u32 hd, a;", &[([ONES], 0x3c00), ([0], 0)]);
    check32to64("cvt.rn.sat.f64.s32 D, a;", &[([7], 1f64.to_bits()), ([ONES], 0)]);
    check32("cvt.rn.sat.f32.s32 d, a;", &[([7], bits(1.0)), ([ONES], 0)]);
    check(&[
        ("cvt.rn.sat.f16.f64 hd, A;", 2.5, 0x3c00),
        ("cvt.rn.sat.f16.f64 hd, A;", -2.5, 0),
        ("cvt.rn.sat.f16.f64 hd, A;", 0.5, 0x3800),
    ]);
    check64to32("cvt.rn.sat.f32.f64 d, A;", &[([2.5f64.to_bits()], bits(1.0)), ([f64::NAN.to_bits()], 0)]);
    let error = ptx_emulator::Module::load(&module("", "cvt.rn.sat.bf16.s32 hd, a;")).unwrap_err();
    assert!(error.what.contains(".sat"), "{error}");
}

fn check(cases: &[(&str, f64, u32)]) {
    for (code, input, expected) in cases {
        check64to32(&format!("{code}\ncvt.u32.u16 d, hd;"), &[([input.to_bits()], *expected)]);
    }
}

#[test]
fn floats_to_integral_floats() {
    checkf("cvt.rni.f32.f32 d, a;", &[([2.5], 2.0), ([-3.5], -4.0), ([-0.25], -0.0), ([INF], INF), ([NAN], NAN)]);
    checkf("cvt.rzi.f32.f32 d, a;", &[([2.9], 2.0), ([-2.9], -2.0)]);
    checkf("cvt.rmi.f32.f32 d, a;", &[([-2.1], -3.0), ([1e30], 1e30)]);
    checkf("cvt.rpi.f32.f32 d, a;", &[([2.1], 3.0), ([-0.5], -0.0)]);
    checkf("cvt.rpi.ftz.f32.f32 d, a;", &[([f32::from_bits(1)], 0.0)]);
    checkf("cvt.sat.f32.f32 d, a;", &[([2.0], 1.0), ([-2.0], 0.0), ([NAN], 0.0), ([0.5], 0.5)]);
    checkf("cvt.ftz.f32.f32 d, a;", &[([f32::from_bits(0x8000_0001)], -0.0)]);
    checkd("cvt.rni.f64.f64 D, A;", &[([0.5], 0.0), ([1.5], 2.0)]);
    checkd("cvt.rmi.f64.f64 D, A;", &[([-0.5], -1.0)]);
    checkd("cvt.sat.f64.f64 D, A;", &[([7.0], 1.0)]);
    check16("cvt.rni.f16.f16 hd, ha;", &[([0x4100], 0x4000)]);
    check16("cvt.rpi.f16.f16 hd, ha;", &[([0x4100], 0x4200)]);
}
