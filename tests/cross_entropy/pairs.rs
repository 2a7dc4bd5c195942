//! Two classes: the loss of sentence pairs (BERT's next sentence, ALBERT's sentence order), which is this operation with `[batch, 2]` logits, and the same
//! as binary cross-entropy of their difference.

use warpsmith::Device;
use warpsmith::ops::cross_entropy::Reduction;

use crate::common::devices::on_one_model;
use crate::problem::{Case, Every, Problem, Real};

struct Pairs;

impl Case for Pairs {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for rows in [1, 32, 257] {
            let problem = Problem::<T>::new(rows, 2, rows as u64).reduced(Reduction::None);
            problem.check(device, name);
            let loss = problem.run(device).loss;
            for (row, (x, &target)) in problem.logits.chunks_exact(2).zip(&problem.targets).enumerate() {
                if target == -100 {
                    assert_eq!(loss[row], 0.0, "{name}: {row}");
                    continue;
                }
                // log(1 + exp(d)), d by how much the wrong class is ahead.
                let ahead = x[1 - target as usize].to_f64() - x[target as usize].to_f64();
                let softplus = ahead.max(0.0) + (-ahead.abs()).exp().ln_1p();
                let error = (f64::from(loss[row]) - softplus).abs();
                // The exponential's argument is rounded, which costs the more digits the larger it is.
                let share = 4e-7 + 1.2e-7 * ahead.abs();
                assert!(error <= share * softplus, "{name}: {row}: {} is not {softplus}", loss[row]);
            }
        }
    }
}

#[test]
fn two_classes_are_binary_cross_entropy_of_the_difference() {
    on_one_model(&Every(Pairs));
}
