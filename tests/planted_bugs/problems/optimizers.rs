//! The problems of optimizers, and of what goes with them.

use half::{bf16, f16};

use warpsmith::ops::adamw::{Decay, Rounding};
use warpsmith::ops::grad_clip::Rule;
use warpsmith::ops::lion::States;

use super::Problem;
use crate::adamw;
use crate::adamw8bit::{self, Parameter};
use crate::common::data::Rng;
use crate::grad_clip;
use crate::lamb;
use crate::lion;
use crate::quantize;

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    adamw::<f32, f32>(all);
    adamw::<f16, f16>(all);
    adamw::<bf16, bf16>(all);
    adamw::<f16, f32>(all);
    adamw::<bf16, f32>(all);
    lamb::<f32>(all);
    lamb::<f16>(all);
    lamb::<bf16>(all);
    lion::<f32>(all);
    lion::<f16>(all);
    lion::<bf16>(all);
    quantize::<f32>(all);
    quantize::<f16>(all);
    quantize::<bf16>(all);
    adamw8bit::<f32>(all);
    adamw8bit::<f16>(all);
    adamw8bit::<bf16>(all);
    grad_clip::<f32>(all);
    grad_clip::<f16>(all);
    grad_clip::<bf16>(all);
}

/// Whole blocks, and ends of every length in either half; every tensor off its boundary; masters, every decay, rounding by chance, and a step that is
/// skipped.
fn adamw<T: adamw::Real, G: adamw::Real>(all: &mut Vec<Problem>) {
    let mut add = |parameters: Vec<adamw::Parameter<T, G>>, spoil: fn(&mut adamw::Problem<T, G>)| {
        let mut problem = adamw::Problem::new(parameters);
        spoil(&mut problem);
        all.push(Box::new(move |device| problem.check(device, "planted")));
    };
    let normal = |count: usize| adamw::Parameter::new(count as u64, count, 2, |rng, _, _| rng.normal());
    add(vec![normal(9000), normal(300).with_master(), normal(8193).without_decay()], |_| ());
    add(vec![normal(1), normal(6).with_master(), normal(131), normal(255).with_master()], |problem| {
        problem.options.decay = Decay::After;
    });
    let off = |count, shifts| normal(count).with_master().shifted(shifts);
    add(vec![off(513, [1, 0, 0]), off(514, [0, 1, 0]), off(515, [0, 0, 1]), off(700, [3, 3, 3])], |problem| {
        (problem.options.decay, problem.options.bias_correction) = (Decay::Gradient, false);
    });
    add(vec![normal(300)], |problem| problem.scalars[1] = (1e-3, 0.5, true));
    if T::DTYPE == warpsmith::DType::Bf16 {
        add(vec![normal(700), normal(301).shifted([1, 1, 0])], |problem| {
            problem.options.rounding = Rounding::Stochastic { seed: 3 << 33 | 1 };
        });
    }
}

/// As for Lion, with more chunks than one, clamps of the trust ratio, parameters without decay, and an epsilon of zero.
fn lamb<T: lamb::Real>(all: &mut Vec<Problem>) {
    for states in [States::Floats, States::Codes] {
        let mut add = |parameters: Vec<lamb::Parameter<T, T>>, spoil: fn(&mut lamb::Problem<T, T>)| {
            let mut problem = lamb::problem(states, parameters);
            spoil(&mut problem);
            all.push(Box::new(move |device| problem.check(device, "planted")));
        };
        let wide = |rng: &mut Rng, _, _| rng.normal() * 10f64.powf(rng.uniform(-5.0, 1.0));
        let corners = |rng: &mut Rng, step: usize, element: usize| match (element / 256, element % 16) {
            (0, _) => 0.0,
            (3, _) => 1e-24 * rng.normal(),
            (4, _) if step > 0 => -0.0,
            _ => rng.normal(),
        };
        let spoilt = |rng: &mut Rng, step: usize, element: usize| match element % 64 {
            3 if step == 1 => f64::NAN,
            8 if element < 256 => f64::INFINITY,
            _ => rng.normal(),
        };
        let normal = |count: usize| {
            let parameter = lamb::Parameter::new(count as u64, count, 2, wide);
            if states == States::Floats && count % 2 == 1 { parameter.with_master() } else { parameter }
        };
        add(vec![normal(20_000), normal(301), normal(300).without_decay()], |_| ());
        add(vec![lamb::Parameter::new(3, 5 * 256 + 9, 3, corners)], |problem| problem.options.epsilon = 0.0);
        add(vec![lamb::Parameter::new(4, 700, 3, spoilt), normal(65)], |problem| problem.options.trust.always = true);
        let off = |count, shifts| normal(count).shifted(shifts);
        add(
            vec![off(513, [1, 0, 0]), off(514, [0, 1, 0]), off(515, [0, 0, 1]), off(700, [3, 3, 3]), normal(7)],
            |problem| {
                problem.options.trust = warpsmith::ops::lamb::Trust { always: true, least: 0.9, most: 1.1 };
                problem.options.decay = warpsmith::ops::lamb::Decay::Gradient;
            },
        );
        add(vec![normal(300)], |problem| problem.scalars[1] = (1e-3, 0.5, true));
        // Second moments that are no normal numbers, and first ones that are zero where the second are not.
        add(vec![normal(600)], |problem| problem.scalars.iter_mut().for_each(|scalars| scalars.1 = 1e-20));
        add(vec![lamb::Parameter::new(5, 300, 2, cancelling), normal(70)], |problem| problem.options.beta1 = 0.5);
    }
}

/// Gradients of two steps whose mean with halves is zero.
fn cancelling(_: &mut Rng, step: usize, _: usize) -> f64 {
    [1.0, -0.5][step]
}

/// Teams of part of a warp, a warp and several; both maps; ends of every length, either tensor off its boundary; several tiles.
fn quantize<T: quantize::Real>(all: &mut Vec<Problem>) {
    use warpsmith::ops::quantize::{Kind, Options};
    let mut add = |problem: quantize::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    for (i, block) in [64, 256, 512, 4096].into_iter().enumerate() {
        let mut rng = Rng::new(block as u64);
        let mut values: Vec<T> = rng.normals(9000 + 77 * i, 0.0, 1.0);
        values.iter_mut().step_by(700).for_each(|x| *x = T::from_f32(0.0));
        values[5] = T::from_f32(f32::NAN);
        values[6] = T::from_f64(1e-9);
        values[802] = T::from_f32(f32::NAN);
        values[8200] = T::from_f32(f32::INFINITY);
        for map in [Kind::Signed, Kind::Unsigned] {
            let problem = quantize::Problem::new(values.clone(), Options { block, map });
            add(quantize::Problem { shifts: [[0, 0], [1, 0], [0, 1], [0, 0]][i], ..problem });
        }
    }
}

/// Both kinds of states: whole blocks, ends of every length, either side off its boundary, masters; and with codes blocks of zeros, gradients that are
/// not finite, moments that overflow.
fn lion<T: lion::Real>(all: &mut Vec<Problem>) {
    for states in [States::Floats, States::Codes] {
        let mut add = |parameters: Vec<lion::Parameter<T, T>>, spoil: fn(&mut lion::Problem<T, T>)| {
            let mut problem = lion::problem(states, parameters);
            spoil(&mut problem);
            all.push(Box::new(move |device| problem.check(device, "planted")));
        };
        let wide = |rng: &mut Rng, _, _| rng.normal() * 10f64.powf(rng.uniform(-5.0, 1.0));
        let corners = |rng: &mut Rng, step: usize, element: usize| match (element / 256, element % 16) {
            (0, _) => 0.0,
            (1, 3) if step == 1 => f64::NAN,
            (1, 8) => f64::INFINITY,
            (3, _) => 1e-24 * rng.normal(),
            (4, _) if step > 0 => -0.0,
            _ => rng.normal(),
        };
        let normal = |count: usize| {
            let parameter = lion::Parameter::new(count as u64, count, 2, wide);
            if states == States::Floats && count % 2 == 1 { parameter.with_master() } else { parameter }
        };
        add(vec![normal(9000), normal(301), normal(300).without_decay()], |_| ());
        add(vec![lion::Parameter::new(3, 5 * 256 + 9, 3, corners)], |problem| problem.scalars[2].1 = 1e30);
        let off = |count, shifts| normal(count).shifted(shifts);
        add(
            vec![off(513, [1, 0, 0]), off(514, [0, 1, 0]), off(515, [0, 0, 1]), off(700, [3, 3, 3]), normal(7)],
            |_| (),
        );
        add(vec![normal(300)], |problem| problem.scalars[1] = (1e-3, 0.5, true));
        // Moments that are no normal numbers.
        add(vec![normal(600)], |problem| problem.scalars.iter_mut().for_each(|scalars| scalars.1 = 1e-38));
    }
}

/// Whole vectors and ends, one chunk and several, more chunks than the last kernel has threads; what is not finite in either part; the loss scale.
fn grad_clip<T: grad_clip::Real>(all: &mut Vec<Problem>) {
    let mut add = |problem: grad_clip::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    add(grad_clip::Problem::new(&[9000, 20_003, 300], 1.0));
    add(grad_clip::Problem::new(&[1000, 17_000], 0.01).shifted(1));
    add(grad_clip::Problem::new(&[3; 300], 1.0));
    // Elements that are not finite in every place of a thread's turns, whole vectors and ends.
    add(grad_clip::Problem::new(&[17, 33_001], 1.0).spoilt(7));
    add(grad_clip::Problem::new(&[17, 9000], 1.0).shifted(1).spoilt(5));
    for place in [4, 2046] {
        let mut problem = grad_clip::Problem::<T>::new(&[100, 2049], 1.0);
        problem.gradients[1][place] = T::from_f64(f64::NAN);
        problem.loss_scale = Some((8.0, 1.0, Rule { interval: 2, ..Rule::default() }));
        add(problem);
    }
    for good_steps in [0.0, 1.0] {
        let loss_scale = Some((8.0, good_steps, Rule { interval: 2, ..Rule::default() }));
        add(grad_clip::Problem { loss_scale, ..grad_clip::Problem::new(&[700], 1.0) });
    }
    for (length, shift) in [(9001, 0), (17_000, 1)] {
        let problem = grad_clip::Problem::<T>::new(&[length, 40], 1.0).shifted(shift);
        all.push(Box::new(move |device| problem.check_value(device, 0.5)));
    }
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
    // Second moments that are no normal numbers, and first ones that are zero where the second are not.
    add(vec![Parameter::new(9, 600, 2, wide)], |problem| {
        problem.scalars.iter_mut().for_each(|scalars| scalars.1 = 1e-20)
    });
    add(vec![Parameter::new(5, 300, 2, cancelling)], |problem| problem.options.beta1 = 0.5);
}
