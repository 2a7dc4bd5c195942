//! Seeds and offsets of 64 bits, and the statistics of what they give.

use half::bf16;
use warpsmith::Device;
use warpsmith::random::blocks;
use warpsmith::reference::dropout::mask;

use crate::common::devices::{Body, on_one_model};
use crate::problem::{Problem, Target};

/// Every bit of seed and offsets counts, carries go through all 64 bits, and the end is followed by the beginning.
struct Offsets;

impl Body for Offsets {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let problem = Problem::<f32>::new(3, 100, Target::Apart);
        for (seed, offsets) in [
            (0, [0, 0]),
            (u64::MAX, [u32::MAX as u64 - 5, 0]),
            (1 << 32, [0, u64::from(u32::MAX) - 3]),
            (0x8000_0000_8000_0000, [1 << 63, 1 << 40]),
            (7, [u64::MAX, 0]),
            (7, [u64::MAX - 10, u64::MAX - 10]),
        ] {
            Problem { seed, offsets, ..problem.clone() }.check(device, name);
        }
    }
}

#[test]
fn seeds_and_offsets_of_64_bits() {
    on_one_model(&Offsets);
}

/// A call that begins where another one ended goes on with its words, so two calls are one call over both.
struct Continued;

impl Body for Continued {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let whole = Problem::<bf16>::new(16, 40, Target::Apart);
        let (top, bottom) = (whole.input[..320].to_vec(), whole.input[320..].to_vec());
        let start = whole.offsets[1];
        let half = |input: Vec<bf16>, offset| {
            let offsets = [whole.offsets[0], offset];
            Problem { rows: 8, residual: input.clone(), input, offsets, ..whole.clone() }.forward(device)
        };
        let halves = [half(top, start), half(bottom, start + blocks(320))].concat();
        assert_eq!(halves, whole.forward(device), "{name}");
    }
}

#[test]
fn a_call_uses_the_blocks_that_are_documented() {
    on_one_model(&Continued);
}

/// The share of kept elements is 1 - p, alone and given the element before, the one four before, the same of the next call, and that of the
/// next seed: each count within five deviations of a fair one.
#[test]
fn kept_elements_are_fair_and_independent() {
    const COUNT: usize = 1 << 18;
    for p in [0.1_f32, 0.5, 0.75] {
        let first = mask(11, 500, p, COUNT);
        let next_call = mask(11, 500 + blocks(COUNT as u64), p, COUNT);
        let next_seed = mask(12, 500, p, COUNT);
        let keep = 1.0 - f64::from(p);
        let fair = |what: &str, hits: usize, of: usize, share: f64| {
            let deviation = (of as f64 * share * (1.0 - share)).sqrt();
            let off = (hits as f64 - of as f64 * share) / deviation;
            assert!(off.abs() < 5.0, "p = {p}: {what} is off by {off:.1} deviations");
        };
        let count = |hit: &dyn Fn(usize) -> bool| (4..COUNT).filter(|&i| hit(i)).count();
        fair("the share", count(&|i| first[i]), COUNT - 4, keep);
        for word in 0..4 {
            fair("one word's share", (0..COUNT / 4).filter(|i| first[4 * i + word]).count(), COUNT / 4, keep);
        }
        let both = keep * keep;
        fair("the pair with the one before", count(&|i| first[i] && first[i - 1]), COUNT - 4, both);
        fair("the pair with the one four before", count(&|i| first[i] && first[i - 4]), COUNT - 4, both);
        fair("the pair with the next call", count(&|i| first[i] && next_call[i]), COUNT - 4, both);
        fair("the pair with the next seed", count(&|i| first[i] && next_seed[i]), COUNT - 4, both);
    }
}
