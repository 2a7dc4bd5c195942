//! The errors that hardware may make, drawn from a seed.

/// Whether approximate operations err, and from which seed.
///
/// An error is a pure function of the seed, the operation and its inputs, as it is in hardware: the same operation on the same
/// inputs gives the same bits in every thread, under every schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Perturbation {
    seed: Option<u64>,
}

impl Perturbation {
    /// Correctly rounded results.
    pub(crate) const EXACT: Self = Self { seed: None };

    /// Results that err by up to their documented bounds.
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self { seed: Some(seed) }
    }

    /// Whether results do not err.
    #[inline(always)]
    pub(crate) fn is_exact(self) -> bool {
        self.seed.is_none()
    }

    /// A number from -1 to 1 for an operation on `input`, 0 where results do not err. `operation` tells operations apart.
    #[inline(always)]
    pub(crate) fn draw(self, operation: u32, input: u64) -> f64 {
        match self.seed {
            None => 0.0,
            // The 53 top bits of the hash, centred; the divisor makes both ends reachable.
            Some(seed) => {
                let bits = (hash(seed ^ (u64::from(operation) << 32), input) >> 11) as i64;
                (bits - (1 << 52)) as f64 / (1i64 << 52) as f64
            }
        }
    }

    /// Random bits for an operation as a whole, 0 where results do not err.
    #[inline(always)]
    pub(crate) fn bits(self, operation: u32) -> u64 {
        self.seed.map_or(0, |seed| hash(seed, u64::from(operation)))
    }
}

/// A mixture of two words in which each bit of either moves half the bits of the result (the finaliser of SplitMix64, twice).
#[inline(always)]
fn hash(seed: u64, input: u64) -> u64 {
    mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ input)
}

#[inline(always)]
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_never_errs() {
        assert_eq!(Perturbation::EXACT.draw(1, 2), 0.0);
        assert!(Perturbation::EXACT.is_exact());
    }

    #[test]
    fn draws_fill_the_interval_evenly_and_repeat() {
        let p = Perturbation::seeded(7);
        let draws: Vec<f64> = (0..100_000).map(|i| p.draw(3, i)).collect();
        assert!(draws.iter().all(|d| (-1.0..=1.0).contains(d)));
        // Mean and variance of the uniform distribution on [-1, 1] are 0 and 1/3; five standard errors of each are allowed.
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|d| d * d).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 5.0 * (1.0f64 / 3.0 / 1e5).sqrt(), "{mean}");
        assert!((variance - 1.0 / 3.0).abs() < 5.0 * (4.0f64 / 45.0 / 1e5).sqrt(), "{variance}");
        assert_eq!(p.draw(3, 5), draws[5]);
        assert_ne!(p.draw(4, 5), draws[5]);
        assert_ne!(Perturbation::seeded(8).draw(3, 5), draws[5]);
    }
}
