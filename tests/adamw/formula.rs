//! The reference against the peers' formulas in f64, which share nothing with it: trajectories of twenty steps.

use warpsmith::ops::adamw::{Decay, Options};
use warpsmith::reference::adamw::peers::{self, Element, Hyper};

use crate::common::data::Rng;
use crate::problem::{Parameter, Problem, floats};

const STEPS: usize = 20;

type Peer = fn(&mut Element, f64, i32, &Hyper);

fn hyper(problem: &Problem<f32, f32>, step: usize) -> Hyper {
    let Options { beta1, beta2, epsilon, .. } = problem.options;
    Hyper {
        lr: problem.scalars[step].0.into(),
        betas: [beta1.into(), beta2.into()],
        eps: epsilon.into(),
        decay: problem.parameters[0].weight_decay.into(),
    }
}

/// Twenty steps of both. A moment errs by four roundings a step, of sums whose parts the old moments and the gradients bound; a parameter's step by
/// a dozen roundings of the step and by what its moments err, and its own roundings add up.
fn follows(name: &str, decay: Decay, bias_correction: bool, peer: Peer) {
    let wide = |rng: &mut Rng, _: usize, _: usize| rng.normal() * 10f64.powf(rng.uniform(-3.0, 1.0));
    let mut problem = Problem::<f32, f32>::new(vec![Parameter::new(1, 500, STEPS, wide)]);
    (problem.options.decay, problem.options.bias_correction) = (decay, bias_correction);
    let eps = 2f64.powi(-24);
    let expected = problem.expected();
    let mut worst = 0.0_f64;
    for i in 0..500 {
        let start = f64::from(problem.parameters[0].values[i]);
        let (mut exact, mut size, mut moved) = (Element { p: start, ..Element::default() }, 0.0_f64, 0.0_f64);
        for (step, outcome) in expected.iter().enumerate() {
            let (g, h) = (f64::from(problem.parameters[0].gradients[step][i]), hyper(&problem, step));
            let before = exact.p;
            peer(&mut exact, g, step as i32 + 1, &h);
            size = size.max(g.abs() + h.decay * before.abs());
            // The first moment may cancel: its part of a move is bounded by gradients over the root.
            let rate = h.lr * size / (exact.v.sqrt() + h.eps) / if bias_correction { 0.1 } else { 1.0 };
            moved += rate;
            let mut state = outcome.checkpoint.states[0].clone();
            let [first, second] = floats(&mut state);
            let near = |what: &str, got: f32, expected: f64, bound: f64| {
                let error = (f64::from(got) - expected).abs();
                assert!(
                    error <= bound,
                    "{name}, step {step}, element {i}: {what} {got:e}, {expected:e} by the formula"
                );
                error / bound
            };
            let steps = (step + 1) as f64;
            worst = worst.max(near("m", first[i], exact.m, 4.0 * steps * eps * size));
            worst = worst.max(near("v", second[i], exact.v, 4.0 * steps * eps * size * size));
            let bound = eps * (16.0 * moved + 4.0 * steps * (before.abs() + exact.p.abs()));
            worst = worst.max(near("p", outcome.values[0][i], exact.p, bound));
        }
    }
    println!("{name}: at most {worst:.2} of the bound");
    // A bound that is far off would hide a wrong formula.
    assert!(worst > 0.02, "{name}: the bound is loose, {worst}");
}

#[test]
fn each_convention_is_its_peers_formula() {
    follows("PyTorch", Decay::Before, true, peers::pytorch);
    follows("PyTorch's Adam", Decay::Gradient, true, peers::pytorch_adam);
    follows("apex", Decay::Before, true, peers::apex);
    follows("bitsandbytes", Decay::After, true, peers::bitsandbytes);
    follows("BERT", Decay::Before, false, |element, g, _, h| peers::bert(element, g, h));
}

/// The conventions differ by more than the bound: bitsandbytes' decay shrinks the update, too, and a decay in the gradient goes through the moments.
#[test]
fn conventions_can_be_told_apart() {
    let h = Hyper { lr: 0.1, betas: [0.9, 0.999], eps: 1e-8, decay: 0.1 };
    let after = |peer: Peer| {
        let mut element = Element { p: 2.0, ..Element::default() };
        peer(&mut element, 0.5, 1, &h);
        element.p
    };
    // By hand: the first step of Adam moves by lr. 2 (1 - 0.01) - 0.1; (2 - 0.1) (1 - 0.01); 2 - 0.1.
    for (peer, expected) in
        [(peers::pytorch as Peer, 1.88), (peers::apex, 1.88), (peers::bitsandbytes, 1.881), (peers::pytorch_adam, 1.9)]
    {
        assert!((after(peer) - expected).abs() < 1e-8, "{} for {expected}", after(peer));
    }
}
