//! Conversions against tables of all values of the narrow formats, and against integer arithmetic.

use super::Random;
use crate::numeric::Rounding::{self, Down, NearestAway, NearestEven, Up, Zero};
use crate::numeric::convert::*;

const ALL: [Rounding; 5] = [NearestEven, NearestAway, Zero, Down, Up];

/// What bits mean, from the definition of IEEE formats; the top exponent field is decoded as one more binade.
fn decode(bits: u32, exponent_bits: u32, mantissa_bits: u32) -> f64 {
    let bias = (1 << (exponent_bits - 1)) - 1;
    let field = (bits >> mantissa_bits) as i32;
    let mantissa = f64::from(bits & ((1 << mantissa_bits) - 1)) / f64::from(1 << mantissa_bits);
    if field == 0 { mantissa * 2f64.powi(1 - bias) } else { (1.0 + mantissa) * 2f64.powi(field - bias) }
}

/// Which of two neighbours, `low` with bits `bits` and `high` with the next, a value of their sign rounds to.
fn choose(x: f64, low: f64, high: f64, bits: u32, negative: bool, rounding: Rounding) -> u32 {
    // Distances of values this close are exact.
    let (below, above) = (x - low, high - x);
    let up = match rounding {
        NearestEven => below > above || below == above && bits % 2 == 1,
        NearestAway => below >= above,
        Zero => false,
        Down => negative && below > 0.0,
        Up => !negative && below > 0.0,
    };
    bits + u32::from(up)
}

/// Every gap between neighbours of a format, the one below infinity included: its ends, its middle, and what lies just beside
/// them, against `convert`, which returns bits with the sign.
fn check_gaps(exponent_bits: u32, mantissa_bits: u32, stride: usize, convert: impl Fn(f32, Rounding) -> u32) {
    let infinity = ((1 << exponent_bits) - 1) << mantissa_bits;
    let sign = 1 << (exponent_bits + mantissa_bits);
    for bits in (0..infinity).step_by(stride) {
        let (low, high) = (decode(bits, exponent_bits, mantissa_bits), decode(bits + 1, exponent_bits, mantissa_bits));
        let (low32, mid32) = (low as f32, ((low + high) / 2.0) as f32);
        assert!(f64::from(low32) == low && f64::from(mid32) == (low + high) / 2.0);
        for x in [low32, low32.next_up(), mid32.next_down(), mid32, mid32.next_up()] {
            for rounding in ALL {
                for negative in [false, true] {
                    let expected = choose(x.into(), low, high, bits, negative, rounding);
                    let signed = if negative { expected | sign } else { expected };
                    let got = convert(if negative { -x } else { x }, rounding);
                    assert_eq!(got, signed, "{x:e} negative {negative} {rounding:?}");
                }
            }
        }
    }
}

#[test]
fn f32_to_f16_rounds_at_every_gap() {
    check_gaps(5, 10, 1, |x, r| f32_to_f16(x, r).into());
}

#[test]
fn f32_to_bf16_rounds_at_every_gap() {
    check_gaps(8, 7, 1, |x, r| f32_to_bf16(x, r).into());
}

#[test]
fn f32_to_tf32_rounds_at_every_seventh_gap() {
    check_gaps(8, 10, 7, |x, r| f32_to_tf32(x, r, Clamp::NONE).to_bits() >> 13);
}

#[test]
fn f64_rounds_once_to_16_bits() {
    // The middle of two f16 or bf16 values, and the f64 beside it, which an f32 on the way would take for the middle.
    for (exponent_bits, mantissa_bits) in [(5, 10), (8, 7)] {
        let infinity = ((1u32 << exponent_bits) - 1) << mantissa_bits;
        for bits in 0..infinity {
            let (low, high) =
                (decode(bits, exponent_bits, mantissa_bits), decode(bits + 1, exponent_bits, mantissa_bits));
            let mid = (low + high) / 2.0;
            for x in [low, low.next_up(), mid.next_down(), mid, mid.next_up()] {
                for rounding in ALL {
                    let expected = choose(x, low, high, bits, false, rounding);
                    let got = if mantissa_bits == 10 { f64_to_f16(x, rounding) } else { f64_to_bf16(x, rounding) };
                    assert_eq!(u32::from(got), expected, "{x:e} {rounding:?}");
                }
            }
        }
    }
}

#[test]
fn sixteen_bits_to_f32_is_exact_for_all_values() {
    for bits in 0..=u16::MAX {
        let magnitude = u32::from(bits & 0x7fff);
        let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
        for (got, exponent_bits, mantissa_bits) in [(f16_to_f32(bits), 5, 10), (bf16_to_f32(bits), 8, 7)] {
            let infinity = ((1 << exponent_bits) - 1) << mantissa_bits;
            if magnitude > infinity {
                assert_eq!(got.to_bits(), 0x7fff_ffff);
            } else if magnitude == infinity {
                assert_eq!(got, f32::INFINITY * sign);
            } else {
                assert_eq!(f64::from(got), decode(magnitude, exponent_bits, mantissa_bits) * f64::from(sign));
                assert_eq!(got.is_sign_negative(), sign < 0.0);
            }
        }
        // There and back is the identity, but for NaN, which becomes canonical.
        let back = |nan: bool| if nan { 0x7fff } else { bits };
        assert_eq!(f32_to_f16(f16_to_f32(bits), NearestEven), back(magnitude > 0x7c00));
        assert_eq!(f32_to_bf16(bf16_to_f32(bits), NearestEven), back(magnitude > 0x7f80));
    }
}

#[test]
fn overflow_nan_and_clamps() {
    assert_eq!(f32_to_f16(65519.996, NearestEven), 0x7bff);
    assert_eq!(f32_to_f16(65520.0, NearestEven), 0x7c00);
    assert_eq!(f32_to_f16(1e30, Zero), 0x7bff);
    assert_eq!(f32_to_f16(-1e30, Up), 0xfbff);
    assert_eq!(f32_to_f16(-1e30, Down), 0xfc00);
    assert_eq!(f32_to_f16(f32::NEG_INFINITY, Zero), 0xfc00);
    assert_eq!(f32_to_f16(-f32::NAN, NearestEven), 0x7fff);
    assert_eq!(f32_to_bf16(f32::MAX, NearestEven), 0x7f80);
    assert_eq!(f32_to_bf16(f32::MAX, Zero), 0x7f7f);
    assert_eq!(f32_to_tf32(f32::NAN, NearestAway, Clamp::NONE).to_bits(), 0x7fff_ffff);
    let satfinite = Clamp { relu: false, satfinite: true };
    assert_eq!(f32_to_f16_clamped(f32::NEG_INFINITY, NearestEven, satfinite), 0xfbff);
    assert_eq!(f32_to_f16_clamped(f32::NAN, NearestEven, satfinite), 0x7fff);
    assert_eq!(f32_to_bf16_clamped(f32::MAX, NearestEven, satfinite), 0x7f7f);
    assert_eq!(f32_to_tf32(f32::MAX, NearestAway, satfinite).to_bits(), 0x7f7f_e000);
    let relu = Clamp { relu: true, satfinite: false };
    assert_eq!(f32_to_bf16_clamped(-1.0, NearestEven, relu), 0);
    assert_eq!(f32_to_f16_clamped(-0.0, NearestEven, relu), 0);
    assert_eq!(f32_to_f16_clamped(2.0, NearestEven, relu), 0x4000);
    assert_eq!(f32_to_f16_clamped(-f32::NAN, NearestEven, relu), 0x7fff);
}

/// The finite magnitudes of an 8-bit format in order, their bits being their positions.
fn eight_bit(last: u32, exponent_bits: u32, mantissa_bits: u32) -> Vec<f64> {
    (0..=last).map(|bits| decode(bits, exponent_bits, mantissa_bits)).collect()
}

#[test]
fn eight_bit_formats_round_at_every_gap_and_saturate() {
    for (values, convert) in [
        (eight_bit(0x7e, 4, 3), f32_to_e4m3 as fn(f32, bool) -> u8),
        (eight_bit(0x7b, 5, 2), f32_to_e5m2 as fn(f32, bool) -> u8),
    ] {
        for (bits, pair) in values.windows(2).enumerate() {
            let mid = ((pair[0] + pair[1]) / 2.0) as f32;
            let even = bits as u8 + (bits % 2) as u8;
            assert_eq!(convert(pair[0] as f32, false), bits as u8);
            assert_eq!(convert(mid.next_down(), false), bits as u8);
            assert_eq!(convert(mid, false), even);
            assert_eq!(convert(-mid.next_up(), false), 0x81 + bits as u8);
            assert_eq!(convert(-mid, true), 0);
        }
        let largest = values.len() as u8 - 1;
        assert_eq!(convert(1e9, false), largest);
        assert_eq!(convert(f32::NEG_INFINITY, false), largest | 0x80);
        assert_eq!(convert(-f32::NAN, true), 0x7f);
    }
    assert_eq!(f32_to_e4m3(448.0, false), 0x7e);
    assert_eq!(f32_to_e5m2(57344.0, false), 0x7b);
}

#[test]
fn eight_bit_formats_to_f16_are_exact_for_all_values() {
    for bits in 0..=u8::MAX {
        let sign = if bits & 0x80 == 0 { 1.0 } else { -1.0 };
        let magnitude = u32::from(bits & 0x7f);
        let value = f16_to_f32(e4m3_to_f16(bits));
        if magnitude == 0x7f {
            assert_eq!(e4m3_to_f16(bits), 0x7fff);
        } else {
            assert_eq!(f64::from(value), sign * decode(magnitude, 4, 3));
            assert_eq!(f32_to_e4m3(value, false), bits);
        }
        let value = f16_to_f32(e5m2_to_f16(bits));
        if magnitude > 0x7c {
            assert_eq!(e5m2_to_f16(bits), 0x7fff);
        } else if magnitude == 0x7c {
            assert_eq!(f64::from(value), sign * f64::INFINITY);
        } else {
            assert_eq!(f64::from(value), sign * decode(magnitude, 5, 2));
            assert_eq!(f32_to_e5m2(value, false), bits);
        }
    }
}

#[test]
fn f64_to_f32_picks_the_right_neighbour() {
    let mut random = Random(5);
    let mut ties = 0;
    for _ in 0..300_000 {
        // An f32 and a fraction of the gap above it, ties among them.
        let low = random.float().abs();
        if !low.is_finite() || low == f32::MAX {
            continue;
        }
        let high = f64::from(low.next_up());
        let fraction = [0.0, 0.5, 0.5 + 1e-7, 0.5 - 1e-7, 0.25][random.word() as usize % 5];
        let x = f64::from(low) + (high - f64::from(low)) * fraction;
        ties += u32::from(fraction == 0.5);
        for rounding in ALL {
            for negative in [false, true] {
                let expected = choose(x, low.into(), high, low.to_bits(), negative, rounding);
                let got = f64_to_f32(if negative { -x } else { x }, rounding).to_bits();
                assert_eq!(got, expected | u32::from(negative) << 31, "{x:e} {negative} {rounding:?}");
            }
        }
    }
    assert!(ties > 10_000);
    assert_eq!(f64_to_f32(1e300, Zero), f32::MAX);
    assert_eq!(f64_to_f32(-1e300, Down), f32::NEG_INFINITY);
    assert_eq!(f64_to_f32(1e-300, Up).to_bits(), 1);
    assert_eq!(f64_to_f32(-1e-300, Up).to_bits(), 0x8000_0000);
    assert_eq!(f64_to_f32(f64::NAN, Zero).to_bits(), 0x7fff_ffff);
}

/// A finite value times 2^32, rounded down with a sticky bit: enough to round to an integer in any way.
fn to_integer(x: f64, rounding: Rounding) -> i128 {
    if x.abs() >= 2f64.powi(90) {
        return if x > 0.0 { i128::MAX } else { i128::MIN };
    }
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32 - 1075;
    let magnitude = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
    // The part before the point, and the part after it as a comparison with one half: -1 none, 0 below, 1 equal, 2 above.
    let (whole, half) = if exponent >= 0 {
        (magnitude << exponent, -1)
    } else if exponent < -60 {
        (0, if x == 0.0 { -1 } else { 0 })
    } else {
        let rest = magnitude & ((1 << -exponent) - 1);
        let half = 1 << (-exponent - 1);
        let place = if rest == 0 { -1 } else { 1 + i32::from(rest > half) - i32::from(rest < half) };
        (magnitude >> -exponent, place)
    };
    let negative = x < 0.0;
    let up = match rounding {
        NearestEven => half == 2 || half == 1 && whole % 2 == 1,
        NearestAway => half >= 1,
        Zero => false,
        Down => negative && half >= 0,
        Up => !negative && half >= 0,
    };
    let rounded = whole + i128::from(up);
    if negative { -rounded } else { rounded }
}

#[test]
fn floats_to_integers_round_and_clamp() {
    let mut random = Random(6);
    for i in 0..200_000 {
        let x = if i % 2 == 0 { random.moderate_double(70) } else { f64::from(random.word() as i32) / 2.0 };
        for rounding in [NearestEven, Zero, Down, Up] {
            let exact = to_integer(x, rounding);
            assert_eq!(i128::from(f64_to_i32(x, rounding)), exact.clamp(i32::MIN.into(), i32::MAX.into()), "{x}");
            assert_eq!(i128::from(f64_to_u32(x, rounding)), exact.clamp(0, u32::MAX.into()), "{x}");
            assert_eq!(i128::from(f64_to_i64(x, rounding)), exact.clamp(i64::MIN.into(), i64::MAX.into()), "{x}");
            assert_eq!(i128::from(f64_to_u64(x, rounding)), exact.clamp(0, u64::MAX.into()), "{x}");
            let single = x as f32;
            let exact = to_integer(single.into(), rounding);
            assert_eq!(i128::from(f32_to_i32(single, rounding)), exact.clamp(i32::MIN.into(), i32::MAX.into()));
            assert_eq!(i128::from(f32_to_u32(single, rounding)), exact.clamp(0, u32::MAX.into()));
            assert_eq!(i128::from(f32_to_i64(single, rounding)), exact.clamp(i64::MIN.into(), i64::MAX.into()));
            assert_eq!(i128::from(f32_to_u64(single, rounding)), exact.clamp(0, u64::MAX.into()));
            if exact.abs() < 1 << 24 {
                assert_eq!(round_f32(single, rounding), exact as f32);
                assert_eq!(round_f32(single, rounding).is_sign_negative(), single.is_sign_negative());
            }
        }
    }
}

#[test]
fn nan_to_integers() {
    // PTX ISA, "cvt": 0 from f32 to 32 bits and below, else the top bit of the destination.
    assert_eq!((f32_to_i32(f32::NAN, Zero), f32_to_u32(-f32::NAN, Zero)), (0, 0));
    assert_eq!((f32_to_i64(f32::NAN, Zero), f32_to_u64(f32::NAN, Zero)), (i64::MIN, 1 << 63));
    assert_eq!((f64_to_i32(f64::NAN, Zero), f64_to_u32(f64::NAN, Zero)), (i32::MIN, 1 << 31));
    assert_eq!((f64_to_i64(f64::NAN, Zero), f64_to_u64(f64::NAN, Zero)), (i64::MIN, 1 << 63));
}

/// Checks that `got(rounding)` brackets an integer as the roundings say; `exact` gives a result's value and neighbours theirs.
fn check_bracket(x: i128, got: impl Fn(Rounding) -> f64, next: impl Fn(f64) -> f64) {
    let (down, up) = (got(Down), got(Up));
    let (low, high) = (down as i128, up as i128);
    assert!(low <= x && x <= high, "{x} {down} {up}");
    assert!(if low == x { down == up } else { next(down) == up }, "{x} {down} {up}");
    assert_eq!(got(Zero), if x > 0 { down } else { up }, "{x}");
    let nearest = match (x - low).cmp(&(high - x)) {
        std::cmp::Ordering::Less => down,
        std::cmp::Ordering::Greater => up,
        // Among two neighbours the even one is the multiple of twice their distance.
        std::cmp::Ordering::Equal if low == high || low % (2 * (high - low)) == 0 => down,
        std::cmp::Ordering::Equal => up,
    };
    assert_eq!(got(NearestEven), nearest, "{x}");
}

#[test]
fn integers_to_floats_round_every_way() {
    let mut random = Random(7);
    let next32 = |x: f64| f64::from((x as f32).next_up());
    for i in 0..200_000 {
        let raw = random.bits() >> (random.word() % 63);
        // Half of the numbers lie in the middle between two floats.
        let zeros = raw.leading_zeros().min(62);
        let x = if i % 2 == 0 || zeros > 39 { raw } else { raw >> (39 - zeros) << (39 - zeros) };
        let signed = x as i64;
        check_bracket(signed.into(), |r| i64_to_f32(signed, r).into(), next32);
        check_bracket(x.into(), |r| u64_to_f32(x, r).into(), next32);
        check_bracket(signed.into(), |r| i64_to_f64(signed, r), f64::next_up);
        check_bracket(x.into(), |r| u64_to_f64(x, r), f64::next_up);
        let (signed, x) = (x as i32, x as u32);
        check_bracket(signed.into(), |r| i32_to_f32(signed, r).into(), next32);
        check_bracket(x.into(), |r| u32_to_f32(x, r).into(), next32);
        let small = signed % 70_000;
        if small.abs() < 65_504 {
            let next = |x: f64| {
                let bits = f32_to_f16(x as f32, Zero);
                f16_to_f32(if x < 0.0 { bits - 1 } else { bits + 1 }).into()
            };
            check_bracket(small.into(), |r| f16_to_f32(i64_to_f16(small.into(), r)).into(), next);
            let next = |x: f64| {
                let bits = f32_to_bf16(x as f32, Zero);
                bf16_to_f32(if x < 0.0 { bits - 1 } else { bits + 1 }).into()
            };
            check_bracket(small.into(), |r| bf16_to_f32(i64_to_bf16(small.into(), r)).into(), next);
        }
    }
    assert_eq!(u64_to_f16(65_520, NearestEven), 0x7c00);
    assert_eq!(i64_to_f16(i64::MIN, Up), 0xfbff);
    assert_eq!(u64_to_bf16(u64::MAX, NearestEven), 0x5f80);
    assert_eq!(u64_to_bf16(u64::MAX, Zero), 0x5f7f);
}

#[test]
fn integers_clamp_to_narrower_ones() {
    assert_eq!([-129, -128, 127, 128].map(|x| clamp_to_signed(x, 8)), [-128, -128, 127, 127]);
    assert_eq!([-1, 0, 255, 256].map(|x| clamp_to_unsigned(x, 8)), [0, 0, 255, 255]);
    assert_eq!([127, 128, u64::MAX].map(|x| clamp_unsigned_to_signed(x, 8)), [127, 127, 127]);
    assert_eq!([255, 256, u64::MAX].map(|x| clamp_unsigned_to_unsigned(x, 8)), [255, 255, 255]);
    assert_eq!(clamp_to_signed(i64::MIN, 64), i64::MIN);
    assert_eq!(clamp_unsigned_to_signed(u64::MAX, 64), i64::MAX);
}

#[test]
fn flushes_and_saturates() {
    assert_eq!(ftz(f32::from_bits(0x807f_ffff)).to_bits(), 0x8000_0000);
    assert_eq!(ftz(f32::MIN_POSITIVE), f32::MIN_POSITIVE);
    assert_eq!([-1.0, 0.25, 2.0, f32::INFINITY].map(saturate), [0.0, 0.25, 1.0, 1.0]);
    assert_eq!([f32::NAN, -0.0].map(|x| saturate(x).to_bits()), [0, 0]);
    assert_eq!(saturate_f64(f64::NAN).to_bits(), 0);
}
