//! The rule for gradients catches bugs: each of these is planted into an exact computation, and nothing but the bug is wrong.

use half::{bf16, f16};
use warpsmith::DType;
use warpsmith::reference::attention::{self as reference, Backward};

use crate::common::compare::tiny;
use crate::common::data::widen;
use crate::gradients::Gradients;
use crate::problem::{Real, Sizes, sizes};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    None,
    /// dQ without the scale.
    NoScaleInDq,
    /// dK without the scale.
    NoScaleInDk,
    /// dS = P * dP.
    NoDelta,
    /// The delta of the query before.
    DeltaOfNeighbour,
    /// Delta over all but the last eight elements of a head.
    DeltaCutShort,
    /// The last 16 keys add nothing to dQ.
    KeysMissing,
    /// Queries 32 to 39 add nothing to dK and dV.
    QueriesMissing,
    /// P is not normalised: the log-sum-exp is off by 2 %.
    LseOff,
}

/// The gradients of one head, in f64 with a bug.
fn gradients(sizes: &Sizes, q: &[f64], k: &[f64], v: &[f64], grad_o: &[f64], bug: Bug) -> Backward<f64> {
    let d = sizes.head_dim;
    let reference::Forward { o, lse } = reference::forward(sizes, q, k, v);
    let row = |of: &[f64], i: usize| of[i * d..][..d].to_vec();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let deltas: Vec<f64> = (0..sizes.queries)
        .map(|query| {
            let used = if bug == Bug::DeltaCutShort { d - 8 } else { d };
            dot(&row(grad_o, query)[..used], &row(&o, query)[..used])
        })
        .collect();
    let add = |to: &mut [f64], i: usize, factor: f64, of: &[f64]| {
        to[i * d..][..d].iter_mut().zip(of).for_each(|(to, x)| *to += factor * x);
    };
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    let [of_dq, of_dk] =
        [Bug::NoScaleInDq, Bug::NoScaleInDk].map(|left_out| if bug == left_out { 1.0 } else { sizes.scale });
    for query in 0..sizes.queries {
        let delta = match bug {
            Bug::NoDelta => 0.0,
            Bug::DeltaOfNeighbour => deltas[query.saturating_sub(1)],
            _ => deltas[query],
        };
        let lse = lse[query] + if bug == Bug::LseOff { 0.02 } else { 0.0 };
        for key in 0..sizes.keys_of(query) {
            let p = (sizes.scale * dot(&row(q, query), &row(k, key)) - lse).exp();
            let ds = p * (dot(&row(grad_o, query), &row(v, key)) - delta);
            if bug != Bug::KeysMissing || key + 16 < sizes.keys {
                add(&mut dq, query, of_dq * ds, &row(k, key));
            }
            if bug != Bug::QueriesMissing || !(32..40).contains(&query) {
                add(&mut dk, key, of_dk * ds, &row(q, query));
                add(&mut dv, key, p, &row(grad_o, query));
            }
        }
    }
    Backward { dq, dk, dv }
}

fn every_bug<T: Real>(sizes: Sizes) {
    let problem = Gradients::<T>::new(sizes, 5);
    let (q, k, v, grad_o) =
        (widen(&problem.problem.q), widen(&problem.problem.k), widen(&problem.problem.v), widen(&problem.grad_o));
    let judge = problem.judge();
    let bugs = [
        Bug::None,
        Bug::NoScaleInDq,
        Bug::NoScaleInDk,
        Bug::NoDelta,
        Bug::DeltaOfNeighbour,
        Bug::DeltaCutShort,
        Bug::KeysMissing,
        Bug::QueriesMissing,
        Bug::LseOff,
    ];
    for bug in bugs {
        let Backward { dq, dk, dv } = gradients(&sizes, &q, &k, &v, &grad_o, bug);
        let [dq, dk, dv] = [dq, dk, dv].map(|gradient| gradient.into_iter().map(T::from_f64).collect());
        let verdict = judge.check("planted", &Backward { dq, dk, dv });
        println!("{} {sizes:?} {bug:?}: {verdict:?}", T::DTYPE);
        assert_eq!(verdict.is_ok(), bug == Bug::None, "{} {sizes:?} {bug:?}: {verdict:?}", T::DTYPE);
    }
}

#[test]
fn the_rule_for_gradients_catches_bugs() {
    for (queries, keys, head_dim, causal) in [(50, 130, 64, false), (80, 80, 128, true)] {
        let sizes = Sizes { causal, ..sizes(queries, keys, head_dim) };
        every_bug::<bf16>(sizes);
        every_bug::<f16>(sizes);
    }
}

/// Where gradients do not cancel, what is granted beside the rule is small next to the last places that any result is granted.
#[test]
fn what_is_granted_does_not_rule() {
    for (queries, keys) in [(64, 64), (40, 200)] {
        let problem = Gradients::<bf16>::new(sizes(queries, keys, 64), 6);
        let judge = problem.judge();
        for (what, gradient, granted) in judge.granted() {
            let largest = gradient.chunks(64).map(|row| row.iter().fold(0.0_f64, |most, x| most.max(x.abs())));
            let places: f64 = largest.map(|largest| tiny(DType::Bf16, largest)).sum();
            let share = granted.iter().sum::<f64>() / places;
            println!("{queries} queries, {keys} keys, {what}: {share:.3} of the last places");
            assert!(share < 1.0, "{share} of {what}");
        }
    }
}
