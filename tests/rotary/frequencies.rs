//! Frequencies against the published formulas, evaluated to 50 digits elsewhere, and against their own limits.

use warpsmith::Error;
use warpsmith::ops::rotary::{Frequencies, Scaling};

/// In radians for each position.
fn radians(frequencies: &Frequencies) -> Vec<f64> {
    frequencies.turns().iter().map(|&turns| turns as f64 * (std::f64::consts::TAU / 2_f64.powi(64))).collect()
}

fn assert_close(rotated: usize, base: f64, scaling: Scaling, expected: &[(usize, f64)]) -> Frequencies {
    let frequencies = Frequencies::new(rotated, base, scaling).unwrap();
    assert_eq!(frequencies.pairs(), rotated / 2);
    let got = radians(&frequencies);
    for &(pair, expected) in expected {
        assert!(
            (got[pair] / expected - 1.0).abs() < 1e-12,
            "{scaling:?}, pair {pair}: {} is not {expected}",
            got[pair]
        );
    }
    frequencies
}

#[test]
fn plain_and_interpolated() {
    let plain = assert_close(4, 10_000.0, Scaling::None, &[(0, 1.0), (1, 0.01)]);
    assert_eq!(plain.attention_factor(), 1.0);
    assert_close(4, 10_000.0, Scaling::Linear { factor: 4.0 }, &[(0, 0.25), (1, 0.0025)]);
}

#[test]
fn ntk() {
    let expected =
        [(0, 1.0), (1, 0.847_117_185_151_206_8), (32, 0.004_945_289_840_680_367), (63, 2.886_954_961_723_645_5e-5)];
    assert_close(128, 10_000.0, Scaling::Ntk { factor: 4.0 }, &expected);
    // The slowest pair is slowed by the factor exactly.
    let slowest = 10_000_f64.powf(-126.0 / 128.0);
    assert_close(128, 10_000.0, Scaling::Ntk { factor: 4.0 }, &[(63, slowest / 4.0)]);
    let dynamic = |length| Scaling::DynamicNtk { factor: 4.0, trained: 4096, length };
    let expected =
        [(0, 1.0), (1, 0.831_415_964_685_270_9), (32, 0.002_717_612_325_612_542_5), (63, 8.882_938_343_765_062e-6)];
    assert_close(128, 10_000.0, dynamic(16_384), &expected);
    // Up to the trained length nothing changes.
    assert_close(128, 10_000.0, dynamic(100), &[(63, slowest)]);
}

#[test]
fn yarn() {
    // The ramp goes from pair 20 to pair 46.
    let expected = [
        (0, 1.0),
        (20, 0.056_234_132_519_034_91),
        (30, 0.008_847_401_809_545_13),
        (40, 0.001_033_821_542_747_354_7),
        (45, 0.000_244_315_266_153_669_4),
        (63, 1.443_477_480_861_822_8e-5),
    ];
    let scaling = Scaling::Yarn { factor: 8.0, trained: 4096, fast: 32.0, slow: 1.0 };
    let frequencies = assert_close(128, 10_000.0, scaling, &expected);
    assert!((f64::from(frequencies.attention_factor()) - 1.207_944_154_167_983_6).abs() < 1e-7);
    // A ramp without a length, between two pairs: no division by zero.
    let scaling = Scaling::Yarn { factor: 8.0, trained: 8, fast: 2.0, slow: 1.5 };
    assert!(radians(&Frequencies::new(8, 10_000.0, scaling).unwrap()).iter().all(|f| f.is_finite()));
}

#[test]
fn llama3() {
    let expected = [
        (0, 1.0),
        (10, 0.128_687_373_432_650_52),
        (28, 0.003_211_445_994_752_591),
        (30, 0.001_371_893_567_761_138_1),
        (33, 0.000_312_693_750_384_065_1),
        (63, 3.068_925_988_914_511e-7),
    ];
    assert_close(128, 500_000.0, Scaling::Llama3 { factor: 8.0, trained: 8192, low: 1.0, high: 4.0 }, &expected);
}

/// Turns are right to the last of 64 bits, beyond what a product in f64 has.
#[test]
fn turns_are_exact() {
    let of = |radians: &[f64]| Frequencies::from_inverse(radians, 1.0).unwrap().turns().to_vec();
    let expected = [2_935_890_503_282_001_226, 293_589_050_328_200_139, 1_072_111_252_251_771_079, 0];
    let got = of(&[1.0, 0.1, 0.365_174_127_254_837_7, 0.0]);
    for (got, expected) in got.iter().zip(expected) {
        assert!(got.abs_diff(expected) <= 1, "{got} is not {expected}");
    }
    // Half a turn, as far as a f64 can say it: pi in f64 is 1.2246e-16 below pi, so this is 360 units short.
    assert!(of(&[std::f64::consts::PI])[0].abs_diff((1 << 63) - 360) <= 1);
}

#[test]
fn nonsense_is_refused() {
    let refused =
        |result: Result<Frequencies, Error>| assert!(matches!(result, Err(Error::Unsupported { .. })), "{result:?}");
    for rotated in [0, 1, 63, 258] {
        refused(Frequencies::new(rotated, 10_000.0, Scaling::None));
    }
    for base in [1.0, 0.0, -3.0, f64::NAN, f64::INFINITY] {
        refused(Frequencies::new(64, base, Scaling::None));
    }
    for scaling in [
        Scaling::Linear { factor: 0.5 },
        Scaling::Ntk { factor: f64::NAN },
        Scaling::DynamicNtk { factor: 2.0, trained: 0, length: 5 },
        Scaling::Yarn { factor: 2.0, trained: 10, fast: 1.0, slow: 1.0 },
        Scaling::Llama3 { factor: 2.0, trained: 10, low: 4.0, high: 1.0 },
    ] {
        refused(Frequencies::new(64, 10_000.0, scaling));
    }
    refused(Frequencies::new(2, 10_000.0, Scaling::Ntk { factor: 2.0 }));
    refused(Frequencies::from_inverse(&[], 1.0));
    refused(Frequencies::from_inverse(&[0.1; 129], 1.0));
    refused(Frequencies::from_inverse(&[0.1], f64::INFINITY));
    for frequency in [-0.1, 6.3, f64::NAN] {
        refused(Frequencies::from_inverse(&[0.1, frequency], 1.0));
    }
}
