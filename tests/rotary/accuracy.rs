//! Positions where angles in f32 have no digit left, every part of a turn, NaN and infinities.

use warpsmith::Device;
use warpsmith::ops::rotary::Pairing;

use crate::common::compare::assert_bits_equal;
use crate::common::devices::{Body, on_one_model};
use crate::problem::{Case, Every, Given, Problem, Real};

/// Positions up to the ends of i32 and beyond: frequencies are exact multiples of 2^-20, so that the f64 oracle's angles are good there, too.
struct Large;

impl Case for Large {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let problem = Problem::<T>::new([1, 8, 1, 0], 32, Pairing::Half);
        let frequencies: Vec<f64> =
            problem.frequencies.iter().map(|f| (f * 1_048_576.0).round() / 1_048_576.0).collect();
        let problem = Problem { frequencies, ..problem };
        let positions = [4099, 127_069, 16_777_217, 123_456_789, 2_147_483_647, -2_147_483_648, -5, 1_000_000_007];
        problem.clone().at(Given::Narrow, |place| positions[place]).check(device, name);
        let positions = [1 << 31, 1 << 33, -(1 << 32), 9_999_999_999, 0, -1, 77, 4_294_967_295];
        problem.at(Given::Wide, |token| positions[token]).check(device, name);
    }
}

#[test]
fn large_positions_cost_no_digits() {
    on_one_model(&Every(Large));
}

/// An angle in f32 would be off by 2e-3 at position 127,069; ours is off by less than 3e-7.
struct Fine;

impl Body for Fine {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let mut problem = Problem::<f32>::new([1, 1, 1, 0], 64, Pairing::Half).at(Given::From(127_069), |_| 127_069);
        problem.tensors[0] = (0..64).map(|i| if i < 32 { 1.0 } else { 0.0 }).collect();
        let got = &problem.rotate(device, false)[0];
        let mut naive_worst = 0.0_f64;
        for (i, frequency) in problem.frequencies.iter().enumerate() {
            let angle = 127_069.0 * frequency;
            let error = (f64::from(got[i]) - angle.cos()).abs().max((f64::from(got[32 + i]) - angle.sin()).abs());
            assert!(error < 3e-7, "{name}: pair {i} is off by {error:e}");
            let single = f64::from(127_069.0_f32 * *frequency as f32);
            naive_worst = naive_worst.max((single.cos() - angle.cos()).abs());
        }
        assert!(naive_worst > 1e-3, "{name}: the angle in f32 does well here: {naive_worst:e}");
    }
}

#[test]
fn sines_and_cosines_are_good_to_f32() {
    on_one_model(&Fine);
}

/// Every eighth of a turn and both sides of its borders: one position is 1/1024 of a turn, so each result is known.
struct Circle;

impl Case for Circle {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let problem = Problem::<T>::new([1, 1030, 1, 0], 2, Pairing::Interleaved);
        let problem = Problem { frequencies: vec![std::f64::consts::TAU / 1024.0], ..problem };
        let mut problem = problem.at(Given::From(-3), |place| place as i64 - 3);
        problem.tensors[0] = [1.0, 0.0].map(T::from_f64).repeat(1030);
        problem.check(device, name);
        let got = &problem.rotate(device, false)[0];
        // Quarters are exact: one of the two is one.
        for quarter in 0..4 {
            let at = 2 * (256 * quarter + 3);
            let expected = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]][quarter];
            let got = [got[at].to_f64(), got[at + 1].to_f64()];
            assert!((0..2).all(|i| (got[i] - expected[i]).abs() < 1e-6), "{name}: quarter {quarter}: {got:?}");
        }
    }
}

#[test]
fn every_part_of_a_turn() {
    on_one_model(&Every(Circle));
}

/// Position zero and a frequency of zero change no bit, and elements that are not rotated are copied bit for bit.
struct Still;

impl Case for Still {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for pairing in Pairing::ALL {
            for head_dim in [64, 33] {
                let mut problem = Problem::<T>::new([1, 1, 4, 2], head_dim, pairing).rotating(16);
                problem.tensors[0][17] = T::from_f64(f64::NAN);
                problem.tensors[0][20] = T::from_f64(f64::INFINITY);
                let still = problem.clone().at(Given::From(0), |_| 0);
                let got = still.rotate(device, false);
                (0..2).for_each(|i| assert_bits_equal(name, head_dim, &got[i], &still.tensors[i]));
                let still = Problem { frequencies: vec![0.0; 8], ..problem };
                let got = still.rotate(device, true);
                (0..2).for_each(|i| assert_bits_equal(name, head_dim, &got[i], &still.tensors[i]));
            }
        }
    }
}

#[test]
fn no_turn_changes_nothing() {
    on_one_model(&Every(Still));
}

/// A NaN makes NaN of its pair and of nothing else.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (pairing, partner) in [(Pairing::Half, 16 + 3), (Pairing::Interleaved, 2)] {
            let mut problem = Problem::<T>::new([1, 2, 2, 0], 32, pairing);
            problem.tensors[0][3] = T::from_f64(f64::NAN);
            let got = &problem.rotate(device, false)[0];
            let bad: Vec<usize> = (0..got.len()).filter(|&i| got[i].to_f64().is_nan()).collect();
            let mut expected = vec![3, partner];
            expected.sort_unstable();
            assert_eq!(bad, expected, "{name}, {pairing:?}");
        }
    }
}

#[test]
fn nan_stays_in_its_pair() {
    on_one_model(&Every(Special));
}
