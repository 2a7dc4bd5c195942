//! Every token and label is that of the reference.

use warpsmith::emulator::DeviceModel;
use warpsmith::ops::mask_tokens::Options;
use warpsmith::random::blocks;
use warpsmith::{Device, EmulatedDevice};

use crate::common::devices::{Body, on_every_device, on_one_model, regimes};
use crate::problem::Problem;

/// One token up to several blocks, whole groups and not, on boundaries and off them, with bytes and without, in place and not.
struct Layouts;

impl Body for Layouts {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for count in [1, 2, 3, 4, 5, 127, 1023, 2048, 2049, 5000] {
            Problem::new(count).check(device, name);
            Problem { in_place: true, ..Problem::new(count) }.with_special().check(device, name);
        }
        for shifts in [[1, 0, 0, 0], [0, 1, 0, 4], [0, 0, 1, 1], [2, 2, 2, 2], [3, 1, 2, 3]] {
            let problem = Problem { shifts, ..Problem::new(600) };
            Problem { in_place: true, ..problem.clone() }.check(device, name);
            problem.with_special().check(device, name);
        }
    }
}

#[test]
fn any_layout() {
    on_every_device(&Layouts);
}

/// All, none and parts: of choosing, of masks, of random tokens; vocabularies of one token, of a power of two, and those that have to redraw often.
struct EveryOption;

impl Body for EveryOption {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (probability, mask_share, random_share) in [
            (0.0, 0.8, 0.1),
            (1.0, 1.0, 0.0),
            (1.0, 0.0, 1.0),
            (1.0, 0.0, 0.0),
            (0.5, 0.8, 0.2),
            (0.3, 0.5, 0.3),
            (1e-12, 1.0, 0.0),
        ] {
            for vocabulary in [1, 1 << 16, 50_257, 3 << 29, i32::MAX as usize] {
                let problem = Problem::new(3000);
                let options = Options { probability, mask_share, random_share, vocabulary, ..problem.options };
                Problem { options, ..problem }.check(device, name);
            }
        }
        let problem = Problem::new(3000);
        let options = Options { special_tokens: &[], mask_token: -7, ignore_index: -1, ..problem.options };
        Problem { options, ..problem }.check(device, name);
    }
}

#[test]
fn every_option() {
    on_one_model(&EveryOption);
}

/// Seeds and offsets of 64 bits, with carries and round the end; a second call goes on where the first ended.
struct Offsets;

impl Body for Offsets {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (seed, offsets) in
            [(0, [0, 0]), (u64::MAX, [u32::MAX as u64 - 5, 0]), (1 << 63, [1 << 63, 1 << 40]), (7, [u64::MAX - 9, 3])]
        {
            Problem { seed, offsets, ..Problem::new(100) }.check(device, name);
        }
        let whole = Problem::new(400);
        let part = |range: std::ops::Range<usize>, later: u64| {
            let offsets = [whole.offsets[0], whole.offsets[1] + later];
            let tokens = whole.tokens[range].to_vec();
            Problem { tokens, offsets, ..whole.clone() }.run::<D, i64>(device).output
        };
        let parts = [part(0..150, 0), part(150..400, blocks(2 * 150))].concat();
        assert_eq!(parts, whole.run::<D, i64>(device).output, "{name}");
    }
}

#[test]
fn seeds_and_offsets() {
    on_one_model(&Offsets);
}

#[test]
fn every_regime_gives_the_same_tokens() {
    let problem = Problem { in_place: true, ..Problem::new(5000) }.with_special();
    let expected = problem.run::<_, i32>(&EmulatedDevice::new(DeviceModel::Sm80));
    for (regime, device) in regimes(DeviceModel::Sm80) {
        assert_eq!(problem.run::<_, i32>(&device), expected, "{regime}");
    }
}
