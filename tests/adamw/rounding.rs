//! Rounding by chance: exactly the bits that the random numbers say, and on the mean exactly the value.

use half::bf16;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::adamw::{AdamW, Options, Rounding};
use warpsmith::reference::adamw::{by_chance, chance};
use warpsmith::{Device, EmulatedDevice};

use crate::common::data::Rng;
use crate::common::devices::{Body, on_every_device};
use crate::problem::{Parameter, Problem};

/// Every bit of twenty steps of a list, with ends and at odd addresses, under seeds that fill both words.
struct EveryBit;

impl Body for EveryBit {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let normal = |rng: &mut Rng, _: usize, _: usize| rng.normal();
        for seed in [0, 1, u64::MAX - 12] {
            let list = vec![Parameter::new(1, 900, 20, normal), Parameter::new(2, 700, 20, normal).shifted([1, 2, 0])];
            let mut problem = Problem::<bf16, f32>::new(list);
            problem.options.rounding = Rounding::Stochastic { seed };
            problem.check(device, name);
        }
    }
}

#[test]
fn every_bit_is_what_the_random_numbers_say() {
    on_every_device(&EveryBit);
}

/// A large list moved by less than a hundredth of a last place: to nearest nothing moves, by chance one in a hundred or so does, and the mean over all
/// elements is the exact one. Each element is a trial of its own, so the mean lies within five deviations but once in a million runs.
#[test]
fn the_mean_is_exact() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let count = 100_000;
    let mut parameter = Parameter::<bf16, f32>::new(1, count, 1, |_, _, _| 1.0).without_decay();
    // In [1, 2) a last place is 2^-7; the first step moves by the learning rate.
    let mut rng = Rng::new(5);
    parameter.values = rng.uniforms(count, 1.1, 1.9);
    let move_of = |rounding: Rounding| {
        let mut problem = Problem::new(vec![parameter.clone()]);
        problem.options = Options { epsilon: 0.0, rounding, ..Options::default() };
        problem.scalars = vec![(9e-5, 1.0, false)];
        let mut held = problem.hold(&device);
        let gradients = problem.gradients(&device, 0);
        let mut tensors = held.tensors(&gradients);
        let mut optimizer = AdamW::new(&device, &mut tensors, &[0.0], problem.options).expect("an optimizer");
        problem.make_step(&device, &mut optimizer, &mut tensors, 0);
        let checkpoint = optimizer.checkpoint(&device).expect("checkpoint");
        let new = &held.outcome(&device, checkpoint).values[0];
        let moves = new.iter().zip(&parameter.values).map(|(new, old)| f64::from(old.to_f32() - new.to_f32()));
        moves.sum::<f64>() / count as f64
    };
    assert_eq!(move_of(Rounding::Nearest), 0.0);
    let place = 2f64.powi(-7);
    let share = 9e-5 / place;
    let deviation = place * (share * (1.0 - share) / count as f64).sqrt();
    for seed in 0..3 {
        let mean = move_of(Rounding::Stochastic { seed });
        println!("seed {seed}: the mean move is {mean:.4e}, {:+.2} deviations off", (mean - 9e-5) / deviation);
        assert!((mean - 9e-5).abs() < 5.0 * deviation, "{mean} for 9e-5, deviation {deviation}");
    }
}

/// All 2^16 chances of a value: as many go up as the value lies above the lower neighbour, exactly.
#[test]
fn chances_are_counted_exactly() {
    for low in [0x0000_u32, 0x0001, 0x1234, 0x8000, 0xffff] {
        for sign in [0, 0x8000_0000] {
            let value = f32::from_bits(0x3f81_0000 | low | sign);
            let down: bf16 = by_chance(value, 0);
            let up = (0..1 << 16).filter(|&c| by_chance::<bf16>(value, c) != down).count();
            assert_eq!(up, low as usize, "{value}");
        }
    }
    // The largest magnitude may become infinite; what is not finite stays what it is.
    assert_eq!(by_chance::<bf16>(f32::MAX, 0xffff), bf16::INFINITY);
    assert_eq!(by_chance::<bf16>(f32::NEG_INFINITY, 0xffff), bf16::NEG_INFINITY);
    assert!(by_chance::<bf16>(f32::from_bits(0x7f80_0001), 0).is_nan());
}

/// The chances of neighbouring elements, blocks, parameters and steps are those of other words: uniform, and no two places share one.
#[test]
fn no_two_elements_share_their_bits() {
    let draws: Vec<u32> = (0..512).map(|element| chance(7, 0, 0, element)).collect();
    let mean = draws.iter().map(|&c| f64::from(c)).sum::<f64>() / draws.len() as f64;
    // The deviation of a mean of 512 uniform numbers below 2^16 is 836.
    assert!((mean - 32767.5).abs() < 5.0 * 836.0, "{mean}");
    let places = |element: usize| {
        let (block, inside) = (element / 256, element % 256);
        (32 * block + inside % 128 / 4, inside / 128 * 4 + inside % 4)
    };
    let distinct: std::collections::BTreeSet<_> = (0..512).map(places).collect();
    assert_eq!(distinct.len(), 512);
    for (element, draw) in draws.iter().enumerate() {
        let (counter, place) = places(element);
        let word = warpsmith::reference::philox::block(7, counter as u64, 0)[place / 2];
        assert_eq!(*draw, word >> (16 * (place % 2)) & 0xffff, "{element}");
    }
}
