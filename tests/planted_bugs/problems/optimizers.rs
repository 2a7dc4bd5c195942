//! The problems of optimizers.

use half::{bf16, f16};

use super::Problem;
use crate::adamw8bit::{self, Parameter};
use crate::common::data::Rng;

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    adamw8bit::<f32>(all);
    adamw8bit::<f16>(all);
    adamw8bit::<bf16>(all);
}

/// Every part of a block's hold: whole blocks, ends of every length, either side off its boundary; and every way to a code: ordinary blocks,
/// blocks of zeros, gradients that are not finite, squares that overflow.
fn adamw8bit<T: adamw8bit::Real>(all: &mut Vec<Problem>) {
    let mut add = |parameters: Vec<Parameter<T>>, spoil: fn(&mut adamw8bit::Problem<T>)| {
        let mut problem = adamw8bit::Problem::new(parameters);
        spoil(&mut problem);
        all.push(Box::new(move |device| problem.check(device, "planted")));
    };
    let wide = |rng: &mut Rng, _, _| rng.normal() * 10f64.powf(rng.uniform(-5.0, 1.0));
    let corners = |rng: &mut Rng, step: usize, element: usize| match (element / 256, element % 16) {
        (0, _) => 0.0,
        (1, 3) if step == 1 => f64::NAN,
        (1, 8) => f64::INFINITY,
        (2, 0) if step == 1 => 1e25,
        (3, _) => 1e-24 * rng.normal(),
        (4, _) if step > 0 => -0.0,
        _ => rng.normal(),
    };
    add(vec![Parameter::new(1, 9000, 2, wide), Parameter::new(2, 300, 2, wide).without_decay()], |_| ());
    add(vec![Parameter::new(3, 5 * 256 + 9, 3, corners)], |problem| problem.scalars[2].1 = 1e30);
    let off = |seed, count, shifts| Parameter::new(seed, count, 2, wide).shifted(shifts);
    add(vec![off(4, 256, [1, 0]), off(5, 250, [0, 1]), off(6, 7, [0, 0]), off(7, 700, [3, 3])], |_| ());
    add(vec![Parameter::new(8, 300, 3, wide)], |problem| problem.scalars[1].2 = true);
}
