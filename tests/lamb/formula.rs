//! The reference against the peers' formulas in f64, which share nothing with it: trajectories of twenty steps.

use warpsmith::ops::lamb::{BiasCorrection, Decay, Options};
use warpsmith::reference::lamb::peers::{self, Hyper, Tensor};

use crate::common::data::Rng;
use crate::problem::{Parameter, Problem};

const STEPS: usize = 20;
const COUNT: usize = 500;

/// Twenty steps of both. Updates err by a dozen roundings, norms by less; a parameter moves by `lr ratio u`, whose errors add up, and has a
/// rounding of its own in each step. Where signs of the gradients change, a moment may cancel: its error is relative to the gradients, not to it.
fn follows(name: &str, options: Options, decay: f32, peer: fn(&mut Tensor, &[f64], i32, &Hyper)) {
    let wide = |rng: &mut Rng, _: usize, _: usize| rng.normal() * 10f64.powf(rng.uniform(-3.0, 1.0));
    let parameter = Parameter { weight_decay: decay, ..Parameter::new(1, COUNT, STEPS, wide) };
    let mut problem = Problem::<f32, f32>::new(vec![parameter]);
    problem.options = options;
    let p: Vec<f64> = problem.parameters[0].values.iter().map(|&p| p.into()).collect();
    let mut exact = Tensor { m: vec![0.0; COUNT], v: vec![0.0; COUNT], p };
    let eps = 2f64.powi(-24);
    let (mut moved, mut worst) = (vec![0.0; COUNT], 0.0_f64);
    for (step, outcome) in problem.expected().iter().enumerate() {
        let g: Vec<f64> = problem.parameters[0].gradients[step].iter().map(|&g| g.into()).collect();
        let h = Hyper {
            lr: problem.scalars[step].0.into(),
            betas: [options.beta1.into(), options.beta2.into()],
            eps: options.epsilon.into(),
            decay: decay.into(),
        };
        let before = exact.p.clone();
        peer(&mut exact, &g, step as i32 + 1, &h);
        // The update that a moment without cancellation would make bounds what a cancelled one errs by.
        let largest = exact.p.iter().zip(&before).map(|(new, old)| (new - old).abs()).fold(0.0, f64::max);
        for i in 0..COUNT {
            moved[i] += largest;
            let bound = eps * (32.0 * moved[i] + 2.0 * (step + 1) as f64 * (before[i].abs() + exact.p[i].abs()));
            let error = (f64::from(outcome.values[0][i]) - exact.p[i]).abs();
            worst = worst.max(error / bound);
            assert!(error <= bound, "{name}, step {step}, element {i}: {} for {}", outcome.values[0][i], exact.p[i]);
        }
    }
    println!("{name}: at most {worst:.2} of the bound");
    assert!(worst > 0.02, "{name}: the bound is loose, {worst}");
}

#[test]
fn each_convention_is_its_peers_formula() {
    let apex = Options::apex();
    follows("apex", apex, 0.01, |x, g, t, h| peers::apex(x, g, t, h, 0.0, f64::INFINITY, false));
    follows("apex without decay", apex, 0.0, |x, g, t, h| peers::apex(x, g, t, h, 0.0, f64::INFINITY, false));
    let mut nvlamb = apex;
    nvlamb.trust.always = true;
    follows("NVLAMB", nvlamb, 0.0, |x, g, t, h| peers::apex(x, g, t, h, 0.0, f64::INFINITY, true));
    let without = Options { decay: Decay::Gradient, ..apex };
    follows("apex without adam_w_mode", without, 0.01, peers::apex_without_adam_w);
    follows("DeepSpeed", Options::deepspeed(), 0.01, peers::deepspeed);
    assert_eq!(Options::deepspeed().bias_correction, BiasCorrection::Rate);
}

/// By hand: one element, first step. apex: u = 1 + 0.1 * 2 = 1.2, ratio 2 / 1.2, so that p moves by lr * 2. DeepSpeed: m / sqrt(v) is
/// 0.1 / sqrt(0.001) = 3.1623, u = 3.3623, ratio 0.59483; lr sqrt(0.001) / 0.1 = 0.31623 lr; p moves by 0.63246 lr.
#[test]
fn one_element_by_hand() {
    let h = Hyper { lr: 0.1, betas: [0.9, 0.999], eps: 0.0, decay: 0.1 };
    let start = Tensor { p: vec![2.0], m: vec![0.0], v: vec![0.0] };
    let mut apex = start.clone();
    peers::apex(&mut apex, &[0.5], 1, &h, 0.5, 10.0, false);
    assert!((apex.p[0] - 1.8).abs() < 1e-12, "{}", apex.p[0]);
    let mut deepspeed = start;
    peers::deepspeed(&mut deepspeed, &[0.5], 1, &h);
    assert!((deepspeed.p[0] - (2.0 - 0.1 * 0.632_455_532)).abs() < 1e-9, "{}", deepspeed.p[0]);
}
