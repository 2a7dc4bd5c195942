//! The two maps from codes of 8 bits to values, for states of optimizers and for quantised tensors (Dettmers et al., "8-bit Optimizers via Block-wise
//! Quantization", 2021; the values are those of bitsandbytes' `create_dynamic_map`, bit for bit).

mod tables;

pub(super) use tables::tables;

/// Codes of a map.
pub const CODES: usize = 256;

/// The values of all codes, in rising order.
pub type Map = [f32; CODES];

/// Decades below 1.0 that have codes: one code a sign in the lowest of the signed map, twice as many in each that follows.
const DECADES: u32 = 7;

/// Each decade, in f32 as a double's power of ten rounds.
const POWERS: [f32; DECADES as usize] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// The map of numbers of both signs, such as first moments: seven decades of both signs, 0 and 1.0.
pub fn signed_map() -> Map {
    let magnitudes = (0..DECADES).flat_map(|decade| decade_values(decade, 1 << decade));
    sorted(magnitudes.flat_map(|value| [value, -value]))
}

/// The map of numbers that are not negative, such as second moments: seven decades, 0 and 1.0.
pub fn unsigned_map() -> Map {
    sorted((0..DECADES).flat_map(|decade| decade_values(decade, 2 << decade)))
}

/// Values in the middle of `count` equal parts of [0.1, 1], times a power of ten.
fn decade_values(decade: u32, count: usize) -> impl Iterator<Item = f32> {
    let power = POWERS[decade as usize];
    (0..count).map(move |i| power * ((linspace(i, count) + linspace(i + 1, count)) / 2.0))
}

/// Point `i` of `parts` equal parts of [0.1, 1], as PyTorch's vectorised `linspace` computes it: from the nearer end, by one fused
/// multiply-add.
fn linspace(i: usize, parts: usize) -> f32 {
    let step = (1.0 - 0.1) / parts as f32;
    if i < parts.div_ceil(2) { step.mul_add(i as f32, 0.1) } else { (-step).mul_add((parts - i) as f32, 1.0) }
}

/// 0, 1.0 and these 254, in rising order.
fn sorted(values: impl Iterator<Item = f32>) -> Map {
    let mut map = [0.0; CODES];
    map[1] = 1.0;
    map[2..].iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
    map.sort_unstable_by(f32::total_cmp);
    map
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn bits(map: &Map, code: usize) -> u32 {
        map[code].to_bits()
    }

    /// Values that bitsandbytes' builder gives on x86-64 with AVX2.
    #[test]
    fn values_are_those_of_bitsandbytes() {
        let (signed, unsigned) = (signed_map(), unsigned_map());
        assert_eq!([0, 126, 127, 255].map(|code| bits(&signed, code)), [0xbf7e_3333, 0xb513_a3b7, 0, 0x3f80_0000]);
        assert_eq!([0, 1, 254, 255].map(|code| bits(&unsigned, code)), [0, 0x34ae_7baa, 0x3f7f_199a, 0x3f80_0000]);
        // SHA-256 of the little-endian bytes, as far as it was written down.
        let digest = |map: &Map| {
            let bytes: Vec<u8> = map.iter().flat_map(|value| value.to_le_bytes()).collect();
            Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!((digest(&signed), digest(&unsigned)), ("e732639a65f497b4".into(), "305f002cc11278fb".into()));
    }

    /// `10^(i-6) (0.1 + 0.9 (f + 1/2) / n)` in f64, to the last place of a f32.
    #[test]
    fn values_follow_the_closed_form() {
        let near = |value: f32, decade: u32, part: u32, parts: u32| {
            let exact = 10f64.powi(decade as i32 - 6) * (0.1 + 0.9 * (f64::from(part) + 0.5) / f64::from(parts));
            assert!((f64::from(value) / exact - 1.0).abs() < 1.5e-7, "{value:e} for {exact:e}");
        };
        let (signed, unsigned) = (signed_map(), unsigned_map());
        for k in 1..=127_u32 {
            let decade = k.ilog2();
            near(signed[127 + k as usize], decade, k - (1 << decade), 1 << decade);
            assert_eq!(signed[127 - k as usize], -signed[127 + k as usize]);
        }
        for code in 1..=254_u32 {
            let decade = (code + 1).ilog2() - 1;
            near(unsigned[code as usize], decade, code + 1 - (2 << decade), 2 << decade);
        }
        assert!([signed, unsigned].iter().all(|map| map.is_sorted() && map[255] == 1.0));
    }
}
