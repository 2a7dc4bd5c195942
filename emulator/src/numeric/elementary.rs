//! 2^x and log2 in f64, to about one unit in its last place: enough to round to `f32` correctly in all but a few inputs of a
//! hundred million. Straight lines of additions and multiplications, so that a lane loop over them becomes vector code.
//!
//! The polynomials are Chebyshev fits, made with 50 digits and rounded to f64.

/// 2^x for |x| up to 1000.
#[inline(always)]
pub(super) fn exp2(x: f64) -> f64 {
    // Adding this number rounds x to an integer and leaves the integer in the low bits.
    const TO_INTEGER: f64 = (3u64 << 51) as f64;
    let shifted = x + TO_INTEGER;
    let t = x - (shifted - TO_INTEGER);
    // (2^t - 1) / t on [-1/2, 1/2], relative error 2e-17.
    const P: [f64; 11] = [
        std::f64::consts::LN_2,
        0.24022650695910097,
        0.0555041086648216,
        0.009618129107606888,
        0.0013333558146416936,
        0.0001540353044173605,
        1.525273382983612e-05,
        1.321544258792169e-06,
        1.0178062445845774e-07,
        7.072585949269223e-09,
        4.4549605981865186e-10,
    ];
    let fraction = 1.0 + t * horner(t, &P);
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    fraction * scale
}

/// log2 of a positive normal number.
#[inline(always)]
pub(super) fn log2(x: f64) -> f64 {
    // Splits x into 2^exponent and a mantissa between sqrt(1/2) and sqrt(2).
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let offset = x.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = offset as i64 >> 52;
    let m = f64::from_bits(x.to_bits().wrapping_sub((exponent as u64) << 52));
    let s = (m - 1.0) / (m + 1.0);
    // log2((1 + s) / (1 - s)) / s as a polynomial in s * s, relative error 1e-20.
    const P: [f64; 9] = [
        2.8853900817779268,
        0.9617966939259754,
        0.5770780163556936,
        0.412198583073463,
        0.32059890453872275,
        0.26230754780023596,
        0.22198981902561918,
        0.1911389922870324,
        0.191334029264787,
    ];
    exponent as i32 as f64 + s * horner(s * s, &P)
}

#[inline(always)]
fn horner<const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + coefficients[i];
    }
    sum
}
