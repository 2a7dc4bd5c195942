//! Philox4x32-10 on the CPU: the random words that kernels make, bit for bit.

/// Four words from a counter and a key: ten rounds, in each of which two words are multiplied, and the halves of the products are mixed
/// with the other two and the key. (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.)
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let halves = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        [(product >> 32) as u32, product as u32]
    };
    let (mut words, mut key) = (counter, key);
    for _ in 0..10 {
        let [a_high, a_low] = halves(0xd251_1f53, words[0]);
        let [b_high, b_low] = halves(0xcd9e_8d57, words[2]);
        words = [b_high ^ words[1] ^ key[0], b_low, a_high ^ words[3] ^ key[1], a_low];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    words
}

/// Block `counter` of a seed, as [`random`](crate::random) defines it; `redraw` is 0 but where an operation says otherwise.
pub fn block(seed: u64, counter: u64, redraw: u32) -> [u32; 4] {
    philox4x32_10([counter as u32, (counter >> 32) as u32, redraw, 0], [seed as u32, (seed >> 32) as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors that Random123 publishes for philox4x32 with ten rounds (`kat_vectors`): all zeros, all ones, digits of pi.
    #[test]
    fn known_answers() {
        let pi = ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        for ((counter, key), expected) in [
            (([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ] {
            assert_eq!(philox4x32_10(counter, key), expected, "{counter:x?} {key:x?}");
        }
    }

    #[test]
    fn a_block_has_the_counter_low_word_first() {
        assert_eq!(
            block(0x299f_31d0_a409_3822, 7 << 32 | 5, 3),
            philox4x32_10([5, 7, 3, 0], [0xa409_3822, 0x299f_31d0])
        );
    }
}
