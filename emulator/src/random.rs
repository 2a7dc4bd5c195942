//! The seeded generator behind every random choice of a run.

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and one finaliser a draw, any seed is good.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A stream for a seed and a stream number.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed ^ 0x6a09_e667_f3bc_c908);
        let first = mixed.next();
        Self(first ^ stream.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, which is not 0. The bias of the multiplication method is below 2^-32 for small bounds.
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// True once in `n` draws.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}
