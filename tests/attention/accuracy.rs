//! Scores beyond what exp can take, references that move, NaN and infinities, functions as bad as they may be.

use half::{bf16, f16};
use warpsmith::Device;
use warpsmith::emulator::DeviceModel;

use crate::common::data::Rng;
use crate::common::devices::{Body, on_every_device, on_one_model, perturbed};
use crate::problem::{Case, Every, Problem, Real, Sizes, sizes};

/// Scores near 256, whose exponential no f32 holds, in the orders that matter: keys are met from the last to the first. Even
/// integers up to 512 are exact in every type.
struct LargeScores;

impl Case for LargeScores {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let mut rng = Rng::new(11);
        let patterns: [(&str, Vec<f64>); 6] = [
            ("within a few units", (0..200).map(|_| 240.0 + 2.0 * (rng.next_u64() % 6) as f64).collect()),
            ("rising as they are met", (0..200).map(|key| 400.0 - 2.0 * f64::from(key)).collect()),
            ("falling as they are met", (0..200).map(|key| 2.0 * f64::from(key)).collect()),
            // 2^8 is exp(5.5): steps of 4 move the reference at every other block, and leave probabilities above 1 between.
            ("steps below the slack", (0..200).map(|key| 300.0 - 4.0 * f64::from(key / 32)).collect()),
            ("far below zero", (0..130).map(|_| -250.0 + 2.0 * (rng.next_u64() % 6) as f64).collect()),
            ("one that stands out, met last", (0..130).map(|key| if key == 0 { 512.0 } else { -512.0 }).collect()),
        ];
        for (what, scores) in patterns {
            for (head_dim, causal) in [(64, false), (128, true)] {
                let problem = Problem::<T>::with_scores(66, head_dim, causal, &scores);
                problem.check(device, &format!("{name}, scores {what}"));
            }
        }
    }
}

#[test]
fn scores_beyond_the_range_of_exp() {
    on_one_model(&Every(LargeScores));
}

/// Random scores with a deviation of hundreds: nearly every query picks one key, and the reference moves again and again.
struct Sharp;

impl Case for Sharp {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (head_dim, causal) in [(64, true), (128, false)] {
            let mut problem = Problem::<T>::new(Sizes { causal, ..sizes(70, 200, head_dim) }, 12);
            for value in problem.q.iter_mut().chain(&mut problem.k) {
                *value = T::from_f64(value.to_f64() * 20.0);
            }
            problem.check(device, name);
        }
    }
}

#[test]
fn queries_that_pick_one_key() {
    on_every_device(&Every(Sharp));
}

/// Which rows of `o` and `lse` hold a NaN, by query; a row of `o` is one wholly or not at all.
fn nan_rows<T: Real>(name: &str, problem: &Problem<T>, device: &impl Device) -> Vec<usize> {
    let got = problem.forward(device);
    problem.judge(name, &got);
    let is_nan = |query: &usize| {
        let row = &got.o[query * problem.sizes.head_dim..][..problem.sizes.head_dim];
        let count = row.iter().filter(|value| value.to_f64().is_nan()).count();
        assert!(count == 0 || count == row.len(), "{name}: {count} NaN in row {query}");
        assert_eq!(count > 0, got.lse[*query].is_nan(), "{name}: o and lse of row {query}");
        count > 0
    };
    (0..problem.sizes.queries).filter(is_nan).collect()
}

/// A NaN or an infinity among queries and keys makes NaN where it is part of a score, and nowhere else.
struct Special;

impl Case for Special {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let sizes = Sizes { causal: true, ..sizes(100, 100, 64) };
        let at = |row: usize| row * 64 + 5;
        let clean = Problem::<T>::new(sizes, 13);
        let nan = T::from_f64(f64::NAN);

        let mut problem = clean.clone();
        problem.q[at(40)] = nan;
        assert_eq!(nan_rows(&format!("{name}, NaN in q"), &problem, device), [40]);

        let mut problem = clean.clone();
        problem.k[at(70)] = nan;
        assert_eq!(nan_rows(&format!("{name}, NaN in k"), &problem, device), (70..100).collect::<Vec<_>>());

        // A score of +infinity makes NaN, one of -infinity a probability of 0.
        let mut problem = clean.clone();
        problem.k[at(30)] = T::from_f64(f64::INFINITY);
        let positive = |&query: &usize| problem.q[at(query)].to_f64() > 0.0;
        let expected: Vec<usize> = (30..100).filter(positive).collect();
        assert_eq!(nan_rows(&format!("{name}, infinity in k"), &problem, device), expected);

        // Without a mask: an infinity among values reaches its column, a NaN too.
        for special in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut problem = Problem::<T>::new(Sizes { causal: false, ..sizes }, 14);
            problem.v[at(10)] = T::from_f64(special);
            let got = problem.forward(device);
            problem.judge(&format!("{name}, {special} in v"), &got);
            assert!(got.o.iter().enumerate().all(|(i, value)| value.to_f64().is_finite() == (i % 64 != 5)));
        }
    }
}

#[test]
fn nan_and_infinities() {
    on_one_model(&Every(Special));
}

/// A query without keys gives 0 and -infinity, in tiles where all are such and where some are.
struct NoKeys;

impl Case for NoKeys {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let problem = Problem::<T>::new(Sizes { causal: true, ..sizes(300, 70, 64) }, 15);
        let got = problem.forward(device);
        let (without, with) = got.o.split_at(230 * 64);
        assert!(without.iter().all(|value| value.bits() == 0), "{name}: not all zero");
        assert!(got.lse[..230].iter().all(|value| *value == f32::NEG_INFINITY), "{name}: {:?}", &got.lse[..230]);
        // The first query with a key has that alone: its output is the value.
        assert!(with[..64] == problem.v[..64], "{name}");
        problem.judge(name, &got);
    }
}

#[test]
fn queries_without_keys() {
    on_one_model(&Every(NoKeys));
}

#[test]
fn functions_as_bad_as_they_may_be_pass_the_rule() {
    struct Some;
    impl Body for Some {
        fn run<D: Device>(&self, device: &D, name: &str) {
            for causal in [false, true] {
                Problem::<bf16>::new(Sizes { causal, ..sizes(70, 150, 64) }, 16).check(device, name);
                Problem::<f16>::new(Sizes { causal, ..sizes(70, 150, 128) }, 17).check(device, name);
            }
            let scores: Vec<f64> = (0..140).map(|key| 300.0 - 4.0 * f64::from(key / 32)).collect();
            Problem::<f16>::with_scores(40, 64, false, &scores).check(device, name);
        }
    }
    perturbed(DeviceModel::Sm80).for_each(|(name, device)| Some.run(&device, &name));
}
