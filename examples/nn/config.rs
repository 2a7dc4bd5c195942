//! What a run depends on, as the command line and checkpoints have it.

use std::collections::HashMap;

use clap::{Args, FromArgMatches, ValueEnum};
use warpsmith::schedules::{Decay, Ramp, Schedule, Warmup};

use super::Outcome;
use super::model::Architecture;
use super::optimizer::{Kind, Recipe};

/// Learning rates of the optimizers that want another one than AdamW: [`Kind::pace`] times its.
const RATES: [(&str, &str, &str); 4] = [
    ("optimizer", "lamb", "1e-2"),
    ("optimizer", "lamb8bit", "1e-2"),
    ("optimizer", "lion", "1e-3"),
    ("optimizer", "lion8bit", "1e-3"),
];

/// Everything that a run's results depend on, besides text, device and number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Args)]
pub struct Config {
    /// The model.
    #[command(flatten)]
    pub architecture: Architecture,

    /// Windows of text in a step
    #[arg(long, default_value_t = 8, value_parser = positive)]
    pub batch: usize,

    /// Steps
    #[arg(long, default_value_t = 600, value_parser = positive)]
    pub steps: usize,

    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Highest learning rate; without it one that suits the optimizer
    #[arg(long, default_value_t = 3e-3, default_value_ifs = RATES)]
    pub learning_rate: f32,

    /// How the learning rate goes on after its rise in the first twentieth of the steps
    #[arg(long, value_enum, default_value_t = Course::Cosine)]
    pub schedule: Course,

    /// What makes the steps
    #[arg(long, value_enum, default_value_t = Kind::AdamW8bit)]
    pub optimizer: Kind,

    /// Gradients are scaled down to this norm where theirs is larger
    #[arg(long, default_value_t = 1.0)]
    pub max_norm: f32,

    /// Probability of dropping an element that attention or feed-forward part adds to the stream
    #[arg(long, default_value_t = 0.0)]
    pub dropout: f32,

    /// Probability that a byte is masked and to be guessed; at 0 each position predicts the next byte instead
    #[arg(long, default_value_t = 0.0, hide = true)]
    pub mask: f32,
}

/// A course of the learning rate, by the crate's `schedules`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Course {
    /// As it is.
    Constant,
    /// A straight line down to a twentieth.
    Linear,
    /// Half a cosine down to a twentieth.
    Cosine,
    /// Three half cosines, each from the top to zero.
    CosineRestarts,
    /// A square down to a twentieth.
    Polynomial,
    /// One over the square root of the steps.
    InverseSqrt,
    /// As it is until four fifths of the steps, then down to a twentieth.
    WarmupStableDecay,
    /// A tenth from half of the steps on, a hundredth from three quarters.
    Stairs,
}

impl Config {
    /// The learning rate of every step.
    pub fn rates(&self) -> Outcome<Schedule> {
        let until = self.steps as u64;
        let warm_up = (until / 20).max(1);
        let floor = 0.05;
        let decay = match self.schedule {
            Course::Constant => Decay::Constant,
            Course::Linear => Decay::Linear { until, floor },
            Course::Cosine => Decay::Cosine { until, cycles: 0.5, floor },
            Course::CosineRestarts => Decay::CosineRestarts { until, cycles: 3 },
            Course::Polynomial => Decay::Polynomial { until, power: 2.0, floor },
            Course::InverseSqrt => Decay::InverseSqrt { timescale: warm_up },
            Course::WarmupStableDecay => {
                let from = (until * 4 / 5).max(warm_up);
                Decay::WarmupStableDecay { from, until, ramp: Ramp::Linear, floor }
            }
            Course::Stairs => {
                // Boundaries ascend, so that a run of few steps has none at all.
                let boundaries = if until < 4 { Vec::new() } else { vec![until / 2, until * 3 / 4] };
                Decay::PiecewiseConstant { factors: vec![1.0, 0.1, 0.01][..=boundaries.len()].to_vec(), boundaries }
            }
        };
        Ok(Schedule::new(self.learning_rate.into(), Warmup::FromOne { steps: warm_up }, decay)?)
    }

    /// What the optimizer does.
    pub fn recipe(&self) -> Recipe {
        Recipe { kind: self.optimizer, max_norm: self.max_norm }
    }

    /// All options and their values, as the command line takes them.
    pub fn words(&self) -> Vec<(String, String)> {
        fn name(value: &impl ValueEnum) -> String {
            value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
        }
        let Architecture { layers, heads, context, positions, norm, activation, attention, causal } = self.architecture;
        let pairs = [
            ("layers", layers.to_string()),
            ("heads", heads.to_string()),
            ("context", context.to_string()),
            ("positions", name(&positions)),
            ("norm", name(&norm)),
            ("activation", name(&activation)),
            ("attention", attention.to_string()),
            ("causal", causal.to_string()),
            ("batch", self.batch.to_string()),
            ("steps", self.steps.to_string()),
            ("seed", self.seed.to_string()),
            ("learning-rate", self.learning_rate.to_string()),
            ("schedule", name(&self.schedule)),
            ("optimizer", name(&self.optimizer)),
            ("max-norm", self.max_norm.to_string()),
            ("dropout", self.dropout.to_string()),
            ("mask", self.mask.to_string()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What [`Config::words`] wrote.
    pub fn read(words: &HashMap<String, String>) -> Outcome<Self> {
        let command = Self::augment_args(clap::Command::new("checkpoint").no_binary_name(true));
        let names = command.get_arguments().filter_map(clap::Arg::get_long).collect::<Vec<_>>();
        let mut line = Vec::new();
        for name in names {
            let value = words.get(name).ok_or_else(|| format!("its metadata has no {name}"))?;
            line.push(format!("--{name}={value}"));
        }
        Ok(Self::from_arg_matches(&command.try_get_matches_from(line)?)?)
    }
}

impl Default for Config {
    /// What the command line has where nothing is given.
    fn default() -> Self {
        let command = Self::augment_args(clap::Command::new("defaults").no_binary_name(true));
        let parsed = command.try_get_matches_from([""; 0]).and_then(|matches| Self::from_arg_matches(&matches));
        parsed.expect("every option has a default")
    }
}

/// A number of the command line that is above zero.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it is not a whole number above zero".to_owned()),
    }
}
