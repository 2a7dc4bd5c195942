//! Learning-rate schedules: the factor of the peak rate at each step. Pure numbers in f64; no device.
//!
//! # Which step is which
//! A step counts from 0: `factor(0)` is for the first update. That is the argument of Hugging Face's schedules and of PyTorch's
//! `LambdaLR`. With [`Warmup::FromZero`], Hugging Face's convention, the first update of a warm-up has a rate of 0, and the peak comes
//! with step `steps`; with [`Warmup::FromOne`], that of llm.c, it has `1 / steps`, and the last step of the warm-up has the peak.
//!
//! `until` counts from the first step of all, the warm-up included, as Hugging Face's `num_training_steps` does. Between the end of the
//! warm-up and `until` the progress is `p = (step - warmup) / (until - warmup)`. From `until` on a schedule keeps its last value
//! (Hugging Face's cosine rises again there).
//!
//! | [`Decay`] | factor after the warm-up | the same as |
//! |---|---|---|
//! | `Constant` | 1 | `get_constant_schedule_with_warmup` |
//! | `Linear` | `1 - (1 - floor) p` | `get_linear_schedule_with_warmup` with floor 0; `LinearLR` |
//! | `Cosine` | `floor + (1 - floor) (1 + cos(2 pi cycles p)) / 2` | `get_cosine_schedule_with_warmup`, `get_cosine_with_min_lr_..`; `CosineAnnealingLR` with half a cycle |
//! | `CosineRestarts` | `(1 + cos(pi frac(cycles p))) / 2`, 0 at the end | `get_cosine_with_hard_restarts_schedule_with_warmup` |
//! | `WarmRestarts` | `floor + (1 - floor) (1 + cos(pi t / T)) / 2`, T growing | `CosineAnnealingWarmRestarts` (Loshchilov and Hutter, "SGDR", 2017) |
//! | `Polynomial` | `floor + (1 - floor) (1 - p)^power` | `get_polynomial_decay_schedule_with_warmup`; `PolynomialLR` |
//! | `InverseSqrt` | `sqrt(timescale / (step - warmup + timescale))` | `get_inverse_sqrt_schedule` |
//! | `PiecewiseConstant` | `factors[boundaries that are <= step]` | `MultiStepLR`, which changes at the milestone |
//! | `WarmupStableDecay` | 1 until `from`, then down to `floor` along a [`Ramp`] | `get_wsd_schedule` |
//!
//! The values are equal to those of Hugging Face and of PyTorch's closed forms to 1e-12 (`tests/schedules.rs`). PyTorch computes
//! `CosineAnnealingLR` from the rate before, so its last digits wander.
//!
//! # Example
//! ```
//! use warpsmith::schedules::{Decay, Schedule, Warmup};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let decay = Decay::Cosine { until: 1000, cycles: 0.5, floor: 0.1 };
//! let schedule = Schedule::new(3e-4, Warmup::FromZero { steps: 100 }, decay)?;
//! assert_eq!(schedule.rate(50), 1.5e-4);
//! assert_eq!(schedule.rate(100), 3e-4);
//! assert!((schedule.factor(550) - 0.55).abs() < 1e-12);
//! assert_eq!(schedule.factor(5000), 0.1);
//! # Ok(())
//! # }
//! ```

use std::f64::consts::PI;

use crate::error::{Error, Result};

/// How the rate rises at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warmup {
    /// No warm-up.
    None,
    /// `step / steps` while `step < steps`.
    FromZero {
        /// Steps below the peak.
        steps: u64,
    },
    /// `(step + 1) / steps` while `step < steps`.
    FromOne {
        /// Steps up to the peak.
        steps: u64,
    },
    /// From `floor` along a ramp of `step / steps`, as in Hugging Face's `get_wsd_schedule`.
    Ramp {
        /// Steps below the peak.
        steps: u64,
        /// The form.
        ramp: Ramp,
        /// The factor at step 0.
        floor: f64,
    },
}

/// The form of a rise from 0 to 1; a fall is 1 minus it for all but [`Ramp::OneMinusSqrt`], see there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ramp {
    /// `p`.
    Linear,
    /// `(1 - cos(pi p)) / 2`.
    Cosine,
    /// Rising `1 - sqrt(1 - p)`, falling `1 - sqrt(p)`.
    OneMinusSqrt,
}

/// How the rate goes on after the warm-up. The formulas are in the [module](self).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Decay {
    /// The peak.
    Constant,
    /// A straight line.
    Linear {
        /// Where it ends.
        until: u64,
        /// The factor there.
        floor: f64,
    },
    /// Waves of a cosine; half a cycle falls once.
    Cosine {
        /// Where they end.
        until: u64,
        /// How many.
        cycles: f64,
        /// The least factor.
        floor: f64,
    },
    /// Half cosines of equal length, each from the peak to 0.
    CosineRestarts {
        /// Where the last one ends.
        until: u64,
        /// How many.
        cycles: u32,
    },
    /// Half cosines without end, each `growth` times as long as the one before.
    WarmRestarts {
        /// Steps of the first one.
        first: u64,
        /// At least 1.
        growth: u32,
        /// The factor that they fall to.
        floor: f64,
    },
    /// A power of what remains.
    Polynomial {
        /// Where it ends.
        until: u64,
        /// The power, above zero.
        power: f64,
        /// The factor there.
        floor: f64,
    },
    /// One over a square root, without end.
    InverseSqrt {
        /// Steps after the warm-up in which the square falls to a half; Hugging Face takes those of the warm-up.
        timescale: u64,
    },
    /// Steps of a stair.
    PiecewiseConstant {
        /// Where the factor changes, ascending.
        boundaries: Vec<u64>,
        /// One more than there are boundaries.
        factors: Vec<f64>,
    },
    /// The peak for long, then a fall.
    WarmupStableDecay {
        /// Where it starts to fall.
        from: u64,
        /// Where it ends.
        until: u64,
        /// The form of the fall.
        ramp: Ramp,
        /// The factor at the end.
        floor: f64,
    },
}

/// A rate for every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    peak: f64,
    warmup: Warmup,
    decay: Decay,
}

impl Schedule {
    /// A schedule whose factor 1 is the rate `peak`.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: a number that is not finite, a floor outside of 0 to 1, an end before the end of the warm-up, no steps in a
    /// restart, a power that is not above zero, boundaries that do not ascend, or not one factor more than boundaries.
    pub fn new(peak: f64, warmup: Warmup, decay: Decay) -> Result<Self> {
        let schedule = Self { peak, warmup, decay };
        match schedule.mistake() {
            Some(what) => Err(Error::Unsupported {
                op: "schedules",
                what,
                supported: "finite numbers, floors from 0 to 1, and phases that follow one another",
            }),
            None => Ok(schedule),
        }
    }

    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        self.peak * self.factor(step)
    }

    /// The share of the peak that step `step` has, counted from 0.
    pub fn factor(&self, step: u64) -> f64 {
        let rising = match self.warmup {
            Warmup::FromZero { steps } if step < steps => Some(step as f64 / steps as f64),
            Warmup::FromOne { steps } if step < steps => Some((step + 1) as f64 / steps as f64),
            Warmup::Ramp { steps, ramp, floor } if step < steps => {
                Some(above(floor, ramp.rise(step as f64 / steps as f64)))
            }
            _ => None,
        };
        rising.unwrap_or_else(|| self.decayed(step))
    }

    fn warmup_steps(&self) -> u64 {
        match self.warmup {
            Warmup::None => 0,
            Warmup::FromZero { steps } | Warmup::FromOne { steps } | Warmup::Ramp { steps, .. } => steps,
        }
    }

    fn decayed(&self, step: u64) -> f64 {
        let start = self.warmup_steps();
        let progress = |from: u64, until: u64| {
            let (done, all) = (step.min(until).saturating_sub(from), until.saturating_sub(from));
            if all == 0 { 1.0 } else { done as f64 / all as f64 }
        };
        match &self.decay {
            Decay::Constant => 1.0,
            &Decay::Linear { until, floor } => above(floor, 1.0 - progress(start, until)),
            &Decay::Cosine { until, cycles, floor } => {
                above(floor, 0.5 * (1.0 + (PI * cycles * 2.0 * progress(start, until)).cos()))
            }
            &Decay::CosineRestarts { until, cycles } => {
                let progress = progress(start, until);
                if progress >= 1.0 { 0.0 } else { 0.5 * (1.0 + (PI * (f64::from(cycles) * progress).fract()).cos()) }
            }
            &Decay::WarmRestarts { first, growth, floor } => {
                let (mut at, mut length) = (step.saturating_sub(start), first);
                if growth == 1 {
                    at %= length;
                }
                while at >= length {
                    at -= length;
                    length = length.saturating_mul(growth.into());
                }
                above(floor, 0.5 * (1.0 + (PI * at as f64 / length as f64).cos()))
            }
            &Decay::Polynomial { until, power, floor } => above(floor, (1.0 - progress(start, until)).powf(power)),
            &Decay::InverseSqrt { timescale } => {
                1.0 / (((step.saturating_sub(start)) as f64 + timescale as f64) / timescale as f64).sqrt()
            }
            Decay::PiecewiseConstant { boundaries, factors } => {
                let passed = boundaries.partition_point(|&boundary| boundary <= step);
                factors.get(passed).copied().unwrap_or(1.0)
            }
            &Decay::WarmupStableDecay { from, until, ramp, floor } => {
                if step < from {
                    1.0
                } else {
                    above(floor, ramp.fall(progress(from, until)))
                }
            }
        }
    }

    /// What is wrong with it, if anything.
    fn mistake(&self) -> Option<String> {
        let start = self.warmup_steps();
        let floor_of = |floor: f64| (!(0.0..=1.0).contains(&floor)).then(|| format!("a floor of {floor}"));
        let end = |until: u64| (until < start).then(|| format!("an end at {until}, before that of the warm-up"));
        let number = |name: &str, value: f64| (!value.is_finite()).then(|| format!("a {name} of {value}"));
        let nothing = |name: &str, value: u64| (value == 0).then(|| format!("a {name} of 0"));
        let of_warmup = match self.warmup {
            Warmup::Ramp { floor, .. } => floor_of(floor),
            _ => None,
        };
        let of_decay = match &self.decay {
            Decay::Constant => None,
            &Decay::Linear { until, floor } => end(until).or_else(|| floor_of(floor)),
            &Decay::Cosine { until, cycles, floor } => {
                end(until).or_else(|| number("number of cycles", cycles)).or_else(|| floor_of(floor))
            }
            &Decay::CosineRestarts { until, cycles } => {
                end(until).or_else(|| nothing("number of cycles", cycles.into()))
            }
            &Decay::WarmRestarts { first, growth, floor } => {
                nothing("first restart", first).or_else(|| nothing("growth", growth.into())).or_else(|| floor_of(floor))
            }
            &Decay::Polynomial { until, power, floor } => {
                let of_power = (!(power.is_finite() && power > 0.0)).then(|| format!("a power of {power}"));
                end(until).or(of_power).or_else(|| floor_of(floor))
            }
            &Decay::InverseSqrt { timescale } => nothing("timescale", timescale),
            Decay::PiecewiseConstant { boundaries, factors } => {
                let counts = (boundaries.len() + 1 != factors.len())
                    .then(|| format!("{} factors for {} boundaries", factors.len(), boundaries.len()));
                counts
                    .or_else(|| {
                        (!boundaries.is_sorted_by(|a, b| a < b)).then(|| "boundaries that do not ascend".to_owned())
                    })
                    .or_else(|| factors.iter().find_map(|&factor| number("factor", factor)))
            }
            &Decay::WarmupStableDecay { from, until, floor, .. } => end(from)
                .or_else(|| (until < from).then(|| format!("an end at {until}, before {from}")))
                .or_else(|| floor_of(floor)),
        };
        number("peak", self.peak).or(of_warmup).or(of_decay)
    }
}

impl Ramp {
    fn rise(self, p: f64) -> f64 {
        match self {
            Self::Linear => p,
            Self::Cosine => 0.5 * (1.0 - (PI * p).cos()),
            Self::OneMinusSqrt => 1.0 - (1.0 - p).sqrt(),
        }
    }

    fn fall(self, p: f64) -> f64 {
        match self {
            Self::Linear => 1.0 - p,
            Self::Cosine => 0.5 * (1.0 + (PI * p).cos()),
            Self::OneMinusSqrt => 1.0 - p.sqrt(),
        }
    }
}

/// A share of the way from a floor to 1.
fn above(floor: f64, share: f64) -> f64 {
    share * (1.0 - floor) + floor
}
