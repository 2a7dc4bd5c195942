//! Approximate functions (PTX ISA, `ex2`, `lg2`, `rcp`, `rsqrt`, `sqrt`, `sin`, `cos`, `tanh`, `div.approx`, `div.full`): the tables of special
//! values, exact results, and errors within the documented bounds under perturbation.

mod common;
use common::*;
use ptx_emulator::Approximation;

const INF: f32 = f32::INFINITY;
const SUBNORMAL: f32 = f32::from_bits(0x0040_0000);

#[test]
fn tables_of_special_values() {
    checkf(
        "ex2.approx.f32 d, a;",
        &[([-INF], 0.0), ([-SUBNORMAL], 1.0), ([0.0], 1.0), ([INF], INF), ([NAN], NAN), ([-126.5], 2f32.powf(-126.5))],
    );
    checkf("ex2.approx.ftz.f32 d, a;", &[([-INF], 0.0), ([-0.0], 1.0), ([-126.5], 0.0), ([10.0], 1024.0)]);
    checkf(
        "lg2.approx.f32 d, a;",
        &[([-INF], NAN), ([-1.0], NAN), ([-0.0], -INF), ([0.0], -INF), ([INF], INF), ([SUBNORMAL], -127.0)],
    );
    checkf("lg2.approx.ftz.f32 d, a;", &[([SUBNORMAL], -INF), ([-SUBNORMAL], -INF), ([8.0], 3.0)]);
    checkf(
        "rcp.approx.f32 d, a;",
        &[([-INF], -0.0), ([-0.0], -INF), ([0.0], INF), ([INF], 0.0), ([NAN], NAN), ([4.0], 0.25)],
    );
    checkf("rcp.approx.ftz.f32 d, a;", &[([-SUBNORMAL], -INF), ([1.5e38], 0.0)]);
    checkf(
        "rsqrt.approx.f32 d, a;",
        &[([-INF], NAN), ([-1.0], NAN), ([-0.0], -INF), ([0.0], INF), ([INF], 0.0), ([4.0], 0.5)],
    );
    checkf("rsqrt.approx.ftz.f32 d, a;", &[([-SUBNORMAL], -INF), ([SUBNORMAL], INF)]);
    checkf("sqrt.approx.f32 d, a;", &[([-INF], NAN), ([-0.0], -0.0), ([INF], INF), ([9.0], 3.0)]);
    checkf("sqrt.approx.ftz.f32 d, a;", &[([-SUBNORMAL], -0.0), ([SUBNORMAL], 0.0)]);
    checkf("sin.approx.f32 d, a;", &[([-INF], NAN), ([-0.0], -0.0), ([0.0], 0.0), ([INF], NAN)]);
    checkf("sin.approx.ftz.f32 d, a;", &[([-SUBNORMAL], -0.0)]);
    checkf("cos.approx.f32 d, a;", &[([-INF], NAN), ([-0.0], 1.0), ([INF], NAN)]);
    checkf("cos.approx.ftz.f32 d, a;", &[([SUBNORMAL], 1.0)]);
    checkf("tanh.approx.f32 d, a;", &[([-INF], -1.0), ([-0.0], -0.0), ([INF], 1.0), ([NAN], NAN)]);
    checkf(
        "div.approx.f32 d, a, b;",
        &[
            ([6.0, 3.0], 2.0),
            ([1.0, 1.5 * 2f32.powi(126)], 0.0),
            ([INF, 1.5 * 2f32.powi(126)], NAN),
            ([1.0, -0.0], -INF),
        ],
    );
    checkf("div.approx.ftz.f32 d, a, b;", &[([SUBNORMAL, 1.0], 0.0), ([1.0, SUBNORMAL], INF)]);
    checkf("div.full.f32 d, a, b;", &[([1.0, 2f32.powi(127)], 2f32.powi(-127)), ([0.0, 0.0], NAN)]);
    checkf("div.full.ftz.f32 d, a, b;", &[([1.0, 2f32.powi(127)], 0.0)]);
    check16("ex2.approx.f16 hd, ha;", &[([0x4200], 0x4800), ([0xfc00], 0), ([0x0001], 0x3c00)]);
    check16("ex2.approx.ftz.bf16 hd, ha;", &[([0x4040], 0x4100), ([0x8001], 0x3f80)]);
    check16("tanh.approx.f16 hd, ha;", &[([0x7c00], 0x3c00), ([0x8000], 0x8000)]);
    check16("tanh.approx.bf16 hd, ha;", &[([0xff80], 0xbf80)]);
    check32("ex2.approx.f16x2 d, a;", &[([0x4200_bc00], 0x4800_3800)]);
    check32("tanh.approx.bf16x2 d, a;", &[([0x7f80_ff80], 0x3f80_bf80)]);
    checkd("rcp.approx.ftz.f64 D, A;", &[([4.0], 0.25), ([-0.0], f64::NEG_INFINITY), ([f64::INFINITY], 0.0)]);
    checkd("rsqrt.approx.ftz.f64 D, A;", &[([4.0], 0.5)]);
    checkd("rsqrt.approx.f64 D, A;", &[([4.0], 0.5), ([-0.0], f64::NEG_INFINITY), ([f64::INFINITY], 0.0)]);
}

/// Exact results are the nearest to `truth`; perturbed ones lie within `bound` of it, use a good part of it, repeat, and depend
/// on the seed.
fn check_errors(code: &str, inputs: &[f32], truth: impl Fn(f64) -> f64, bound: impl Fn(f64) -> f64) {
    let inputs: Vec<[f32; 1]> = inputs.iter().map(|x| [*x]).collect();
    let exact = values(code, &inputs, Approximation::Exact, 1);
    let one = values(code, &inputs, Approximation::Perturbed, 1);
    let two = values(code, &inputs, Approximation::Perturbed, 2);
    assert_eq!(one, values(code, &inputs, Approximation::Perturbed, 1), "{code}");
    assert_ne!(one, two, "{code}");
    let mut worst = 0.0f64;
    for (i, [x]) in inputs.iter().enumerate() {
        let expected = truth(f64::from(*x));
        assert_eq!(exact[i], expected as f32, "{code} of {x}");
        for got in [one[i], two[i]] {
            let error = (f64::from(got) - expected).abs() / bound(expected);
            assert!(error <= 1.0, "{code} of {x} gave {got}: {error} bounds off");
            worst = worst.max(error);
        }
    }
    assert!(worst > 0.5, "{code} errs by at most {worst} of its bound");
}

/// Not of the ISA's text: what CUDA's own library of `double` functions relies on.
#[test]
fn powers_of_two_are_exact_under_perturbation_too() {
    let inputs: Vec<[f32; 1]> = (-126..=127).map(|n| [n as f32]).collect();
    for seed in 1..4 {
        let powers = values("ex2.approx.ftz.f32 d, a;", &inputs, Approximation::Perturbed, seed);
        assert!(powers.iter().zip(-126..).all(|(got, n)| *got == 2f32.powi(n)));
    }
}

#[test]
fn errors_stay_within_their_bounds() {
    let spread: Vec<f32> = (0..512).map(|i| (1.0 + i as f32 / 300.0) * 2f32.powi(i % 40 - 20)).collect();
    let moderate: Vec<f32> = (0..512).map(|i| (i as f32 - 256.0) / 41.3 + 0.001).collect();
    let unit = |y: f64| 2f64.powi(y.abs().log2().floor() as i32 - 23);
    check_errors("ex2.approx.ftz.f32 d, a;", &moderate, f64::exp2, |y| y * 2f64.powi(-22));
    check_errors("lg2.approx.f32 d, a;", &spread, f64::log2, |y| 2f64.powi(-22) * y.abs().max(1.0));
    check_errors("rcp.approx.ftz.f32 d, a;", &spread, f64::recip, unit);
    check_errors("rsqrt.approx.f32 d, a;", &spread, |x| x.sqrt().recip(), |y| y * 2f64.powf(-22.9));
    check_errors("sqrt.approx.f32 d, a;", &spread, f64::sqrt, |y| y * 2f64.powi(-23));
    check_errors("sin.approx.f32 d, a;", &moderate, f64::sin, |_| 2f64.powf(-20.5));
    check_errors("cos.approx.f32 d, a;", &moderate, f64::cos, |_| 2f64.powf(-20.5));
    check_errors("tanh.approx.f32 d, a;", &moderate, f64::tanh, |y| y.abs() * 2f64.powi(-11));
    check_errors("div.approx.f32 d, a, 0f40400000;", &spread, |x| x / 3.0, |y| 2.0 * unit(y));
    check_errors("mov.b32 t0, 0f40400000;\ndiv.full.f32 d, a, t0;", &spread, |x| x / 3.0, |y| 2.0 * unit(y));
}
