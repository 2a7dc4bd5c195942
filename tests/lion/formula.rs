//! The reference against the paper's formula in f64, which shares nothing with it.

use warpsmith::ops::lion::{Moment, States};
use warpsmith::reference::lion::paper;

use crate::problem::{Parameter, problem};

const STEPS: usize = 20;
/// A relative rounding error of f32.
const EPS: f64 = 1.0 / (1u64 << 24) as f64;

/// Twenty steps of both with f32 states: moments within three roundings a step, parameters within three. (No direction is so near to zero
/// that f32 could take the other sign: the test says so.)
#[test]
fn twenty_steps_follow_the_paper() {
    let problem = problem::<f32, f32>(States::Floats, vec![Parameter::new(1, 500, STEPS, |rng, _, _| rng.normal())]);
    let [beta1, beta2] = [problem.options.beta1, problem.options.beta2].map(f64::from);
    let mut exact: Vec<[f64; 2]> = problem.parameters[0].values.iter().map(|&p| [p.into(), 0.0]).collect();
    for (step, outcome) in problem.expected().iter().enumerate() {
        let Moment::Floats(moments) = &outcome.checkpoint.states[0].first else { panic!("moments in f32") };
        for (i, exact) in exact.iter_mut().enumerate() {
            let (g, lr) = (f64::from(problem.parameters[0].gradients[step][i]), f64::from(problem.scalars[step].0));
            let direction = beta1 * exact[1] + (1.0 - beta1) * g;
            assert!(direction.abs() > 1e-6, "element {i} is no test");
            *exact = paper(*exact, g, lr, [beta1, beta2], problem.parameters[0].weight_decay.into());
            let bound = 3.0 * (step + 1) as f64 * EPS;
            let errors = [f64::from(outcome.values[0][i]) - exact[0], f64::from(moments[i]) - exact[1]];
            assert!(errors[0].abs() <= bound * (exact[0].abs() + 0.1), "step {step}, element {i}: p {:e}", errors[0]);
            assert!(errors[1].abs() <= bound * 4.0, "step {step}, element {i}: m {:e}", errors[1]);
        }
    }
}

/// With states of 8 bits each step is the paper's from the moment before it as its code has it, and the code is one whose value is as near as any.
#[test]
fn each_step_with_codes_follows_the_paper() {
    let map = warpsmith::ops::adamw8bit::signed_map();
    let problem = problem::<f32, f32>(States::Codes, vec![Parameter::new(2, 512, STEPS, |rng, _, _| rng.normal())]);
    let [beta1, beta2] = [problem.options.beta1, problem.options.beta2].map(f64::from);
    let mut before = problem.start();
    for (step, after) in problem.expected().into_iter().enumerate() {
        let parts = |moment: &Moment| match moment {
            Moment::Codes { codes, absmax } => (codes.clone(), absmax.clone()),
            Moment::Floats(_) => panic!("codes"),
        };
        let ((codes, absmax), (new, new_absmax)) =
            (parts(&before.checkpoint.states[0].first), parts(&after.checkpoint.states[0].first));
        let moments = |i: usize| f64::from(map[usize::from(codes[i])]) * f64::from(absmax[i / 256]);
        for i in 0..512 {
            let (g, lr) = (f64::from(problem.parameters[0].gradients[step][i]), f64::from(problem.scalars[step].0));
            let [p, m] = paper([before.values[0][i].into(), moments(i)], g, lr, [beta1, beta2], 0.1_f32.into());
            assert!((f64::from(after.values[0][i]) - p).abs() <= 3.0 * EPS * (p.abs() + 0.1), "step {step}, {i}");
            let x = m / f64::from(new_absmax[i / 256]);
            let distance = |code: u8| (x - f64::from(map[usize::from(code)])).abs();
            let same_sign = |code: &u8| f64::from(map[usize::from(*code)]) * x > 0.0;
            let nearest = (0..=255).filter(same_sign).map(distance).fold(f64::INFINITY, f64::min);
            assert!(distance(new[i]) <= nearest + 16.0 * EPS, "step {step}, element {i}: code {} for {x}", new[i]);
        }
        before = after;
    }
}
