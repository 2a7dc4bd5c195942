//! Seeded random data. A small generator of our own, so that a seed means the same numbers for ever.

use warpsmith::Float;

/// SplitMix64: the state walks by the golden ratio, the output is the state well mixed.
pub struct Rng(u64);

impl Rng {
    /// The same seed gives the same numbers on every machine.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Standard normal, by Box and Muller's transform.
    pub fn normal(&mut self) -> f64 {
        // 1 - u lies in (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// `count` normal values with a mean and a deviation, rounded to T.
    pub fn normals<T: Float>(&mut self, count: usize, mean: f64, deviation: f64) -> Vec<T> {
        (0..count).map(|_| T::from_f64(mean + deviation * self.normal())).collect()
    }

    /// `count` values in [low, high], rounded to T.
    pub fn uniforms<T: Float>(&mut self, count: usize, low: f64, high: f64) -> Vec<T> {
        (0..count).map(|_| T::from_f64(self.uniform(low, high))).collect()
    }
}

/// Every value in f64, which holds each of ours exactly.
pub fn widen<T: Float>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}
