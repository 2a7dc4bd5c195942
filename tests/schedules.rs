//! Schedules against the numbers that Hugging Face's functions give (transformers 5.2.0, computed once), and PyTorch's closed forms by hand.

use warpsmith::Error;
use warpsmith::schedules::{Decay, Ramp, Schedule, Warmup};

const STEPS: [u64; 8] = [0, 3, 10, 33, 55, 83, 95, 100];

fn schedule(warmup: Warmup, decay: Decay) -> Schedule {
    Schedule::new(0.002, warmup, decay).expect("a sound schedule")
}

fn assert_close(name: &str, step: u64, got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-12, "{name} at {step}: {got}, not {expected}");
}

/// Ten steps of warm-up, a hundred steps in all.
#[test]
fn values_of_hugging_face() {
    let zero = Warmup::FromZero { steps: 10 };
    let cosine = |cycles, floor| Decay::Cosine { until: 100, cycles, floor };
    let stable = |ramp, floor| Decay::WarmupStableDecay { from: 80, until: 100, ramp, floor };
    let ramp = |ramp, floor| Warmup::Ramp { steps: 10, ramp, floor };
    let cases: [(&str, Schedule, [f64; 8]); 12] = [
        (
            "linear",
            schedule(zero, Decay::Linear { until: 100, floor: 0.0 }),
            [0.0, 0.3, 1.0, 0.7444444444444445, 0.5, 0.18888888888888888, 0.05555555555555555, 0.0],
        ),
        (
            "cosine",
            schedule(zero, cosine(0.5, 0.0)),
            [0.0, 0.3, 1.0, 0.8473291852294986, 0.5, 0.08548121372247919, 0.00759612349389599, 0.0],
        ),
        (
            "cosine, 1.5 cycles",
            schedule(zero, cosine(1.5, 0.0)),
            [0.0, 0.3, 1.0, 0.128427587261303, 0.4999999999999999, 0.6039558454088799, 0.06698729810778059, 0.0],
        ),
        (
            "cosine with a floor",
            schedule(zero, cosine(0.5, 0.1)),
            [0.0, 0.3, 1.0, 0.8625962667065488, 0.55, 0.17693309235023127, 0.1068365111445064, 0.1],
        ),
        (
            "cosine with three restarts",
            schedule(zero, Decay::CosineRestarts { until: 100, cycles: 3 }),
            [0.0, 0.3, 1.0, 0.128427587261303, 0.5, 0.6039558454088793, 0.06698729810778087, 0.0],
        ),
        (
            "a square",
            schedule(zero, Decay::Polynomial { until: 100, power: 2.0, floor: 0.1 }),
            [0.0, 0.3, 1.0, 0.5987777777777779, 0.32499999999999996, 0.1321111111111111, 0.10277777777777777, 0.1],
        ),
        (
            "inverse square root",
            schedule(zero, Decay::InverseSqrt { timescale: 10 }),
            [
                0.0,
                0.3,
                1.0,
                0.5504818825631803,
                0.42640143271122083,
                0.34710506725031165,
                0.3244428422615251,
                0.31622776601683794,
            ],
        ),
        (
            "inverse square root, timescale 50",
            schedule(zero, Decay::InverseSqrt { timescale: 50 }),
            [
                0.0,
                0.3,
                1.0,
                0.827605888602368,
                0.7254762501100117,
                0.6375767130633383,
                0.6085806194501845,
                0.5976143046671968,
            ],
        ),
        (
            "stable, cosine, with a floor",
            schedule(ramp(Ramp::Linear, 0.1), stable(Ramp::Cosine, 0.1)),
            [0.1, 0.37, 1.0, 1.0, 1.0, 0.9509529358847655, 0.23180194846605365, 0.1],
        ),
        ("stable, linear", schedule(zero, stable(Ramp::Linear, 0.0)), [0.0, 0.3, 1.0, 1.0, 1.0, 0.85, 0.25, 0.0]),
        (
            "stable, from a cosine to a root",
            schedule(ramp(Ramp::Cosine, 0.0), stable(Ramp::OneMinusSqrt, 0.0)),
            [0.0, 0.20610737385376343, 1.0, 1.0, 1.0, 0.6127016653792583, 0.1339745962155614, 0.0],
        ),
        (
            "stable, from a root to a root",
            schedule(ramp(Ramp::OneMinusSqrt, 0.0), stable(Ramp::OneMinusSqrt, 0.0)),
            [0.0, 0.16333997346592444, 1.0, 1.0, 1.0, 0.6127016653792583, 0.1339745962155614, 0.0],
        ),
    ];
    for (name, schedule, expected) in cases {
        for (step, expected) in STEPS.into_iter().zip(expected) {
            assert_close(name, step, schedule.factor(step), expected);
            assert_close(name, step, schedule.rate(step), 0.002 * expected);
        }
    }
}

/// `eta_min + (base - eta_min) (1 + cos(pi t / T)) / 2` with T = 3, 6, 12: restarts at 3, 9 and 21; a third of a half wave down it is 3/4.
#[test]
fn warm_restarts_of_pytorch() {
    let growing = schedule(Warmup::None, Decay::WarmRestarts { first: 3, growth: 2, floor: 0.2 });
    for (step, share) in
        [(0, 1.0), (1, 0.75), (2, 0.25), (3, 1.0), (5, 0.75), (7, 0.25), (9, 1.0), (13, 0.75), (21, 1.0)]
    {
        assert_close("growing", step, growing.factor(step), 0.2 + 0.8 * share);
    }
    let equal = schedule(Warmup::None, Decay::WarmRestarts { first: 3, growth: 1, floor: 0.0 });
    for (step, share) in [(0, 1.0), (2, 0.25), (3, 1.0), (3_000_000_001, 0.75)] {
        assert_close("equal", step, equal.factor(step), share);
    }
}

/// `MultiStepLR(milestones = [30, 80], gamma = 0.1)` has 0.1 from step 30 on.
#[test]
fn stairs_of_pytorch() {
    let decay = Decay::PiecewiseConstant { boundaries: vec![30, 80], factors: vec![1.0, 0.1, 0.01] };
    let stairs = schedule(Warmup::None, decay);
    for (step, expected) in [(0, 1.0), (29, 1.0), (30, 0.1), (79, 0.1), (80, 0.01), (u64::MAX, 0.01)] {
        assert_close("stairs", step, stairs.factor(step), expected);
    }
}

/// llm.c's warm-up ends one step earlier than Hugging Face's, and does not begin with nothing.
#[test]
fn the_first_step_of_a_warmup() {
    let decay = || Decay::Linear { until: 8, floor: 0.0 };
    let (zero, one) =
        (schedule(Warmup::FromZero { steps: 4 }, decay()), schedule(Warmup::FromOne { steps: 4 }, decay()));
    let of = |schedule: &Schedule| [0, 1, 3, 4, 6, 8].map(|step| schedule.factor(step));
    assert_eq!(of(&zero), [0.0, 0.25, 0.75, 1.0, 0.5, 0.0]);
    assert_eq!(of(&one), [0.25, 0.5, 1.0, 1.0, 0.5, 0.0]);
    assert_eq!(schedule(Warmup::FromZero { steps: 4 }, Decay::Constant).factor(1 << 40), 1.0);
}

/// Beyond the end every schedule keeps its last value.
#[test]
fn the_end_stays() {
    for decay in [
        Decay::Linear { until: 50, floor: 0.25 },
        Decay::Cosine { until: 50, cycles: 0.5, floor: 0.25 },
        Decay::Polynomial { until: 50, power: 3.0, floor: 0.25 },
        Decay::WarmupStableDecay { from: 40, until: 50, ramp: Ramp::OneMinusSqrt, floor: 0.25 },
        // An end with the warm-up: nothing between them.
        Decay::Linear { until: 5, floor: 0.25 },
    ] {
        let schedule = schedule(Warmup::FromZero { steps: 5 }, decay);
        for step in [50, 51, 80, u64::MAX] {
            assert_close("the end", step, schedule.factor(step), 0.25);
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let warmup = Warmup::FromZero { steps: 10 };
    let stairs = |boundaries: &[u64], factors: &[f64]| Decay::PiecewiseConstant {
        boundaries: boundaries.to_vec(),
        factors: factors.to_vec(),
    };
    let cases = [
        (f64::NAN, warmup, Decay::Constant, "a peak of NaN"),
        (1.0, Warmup::Ramp { steps: 1, ramp: Ramp::Linear, floor: -0.5 }, Decay::Constant, "a floor of -0.5"),
        (1.0, warmup, Decay::Linear { until: 9, floor: 0.0 }, "an end at 9, before that of the warm-up"),
        (1.0, warmup, Decay::Linear { until: 20, floor: 1.5 }, "a floor of 1.5"),
        (1.0, warmup, Decay::Cosine { until: 20, cycles: f64::INFINITY, floor: 0.0 }, "a number of cycles of inf"),
        (1.0, warmup, Decay::CosineRestarts { until: 20, cycles: 0 }, "a number of cycles of 0"),
        (1.0, warmup, Decay::WarmRestarts { first: 0, growth: 1, floor: 0.0 }, "a first restart of 0"),
        (1.0, warmup, Decay::WarmRestarts { first: 5, growth: 0, floor: 0.0 }, "a growth of 0"),
        (1.0, warmup, Decay::Polynomial { until: 20, power: f64::NAN, floor: 0.0 }, "a power of NaN"),
        (1.0, warmup, Decay::Polynomial { until: 20, power: -1.0, floor: 0.0 }, "a power of -1"),
        (1.0, warmup, Decay::InverseSqrt { timescale: 0 }, "a timescale of 0"),
        (1.0, warmup, stairs(&[5], &[1.0]), "1 factors for 1 boundaries"),
        (1.0, warmup, stairs(&[5, 5], &[1.0, 0.5, 0.1]), "boundaries that do not ascend"),
        (
            1.0,
            warmup,
            Decay::WarmupStableDecay { from: 30, until: 20, ramp: Ramp::Linear, floor: 0.0 },
            "an end at 20, before 30",
        ),
    ];
    for (peak, warmup, decay, expected) in cases {
        let error = Schedule::new(peak, warmup, decay).expect_err(expected);
        assert!(matches!(&error, Error::Unsupported { what, .. } if what == expected), "{expected}: {error}");
    }
}
