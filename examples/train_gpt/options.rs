//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::model::Size;
use crate::optimizer::States;
use crate::train::Config;

/// Trains a small GPT on text, byte by byte: every attention, layer norm, GELU and optimizer step by warpsmith's CUDA kernels, on an
/// NVIDIA GPU or, where there is none, on the emulator that the kernels are tested with.
#[derive(Debug, Parser)]
#[command(name = "train_gpt")]
pub struct Options {
    /// Files to learn from, instead of the repository's own sources and documents
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub text: Vec<PathBuf>,

    /// Where the kernels run; without it, on a GPU if there is one, and the program says what it took
    #[arg(long)]
    pub device: Option<Choice>,

    /// Layers of the model
    #[arg(long, default_value_t = 3, value_parser = positive())]
    pub layers: u64,

    /// Attention heads of 64 elements; the width of the model is 64 times that
    #[arg(long, default_value_t = 2, value_parser = positive())]
    pub heads: u64,

    /// Bytes that the model can look back on
    #[arg(long, default_value_t = 128, value_parser = positive())]
    pub context: u64,

    /// Windows of text in a step
    #[arg(long, default_value_t = 8, value_parser = positive())]
    pub batch: u64,

    /// Steps
    #[arg(long, default_value_t = 600, value_parser = positive())]
    pub steps: u64,

    /// Highest learning rate
    #[arg(long, default_value_t = 3e-3)]
    pub learning_rate: f32,

    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Bits of the optimizer's states
    #[arg(long, value_enum, default_value_t = States::Eight)]
    pub states: States,

    /// Set the output of attention to zero, to see what it is good for
    #[arg(long)]
    pub no_attention: bool,

    /// Where checkpoint.safetensors and loss.svg go
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/train_gpt"))]
    pub out: PathBuf,

    /// Go on from the checkpoint in that folder, with the options of the run that wrote it
    #[arg(long, conflicts_with_all = ["layers", "heads", "context", "batch", "steps", "learning_rate", "seed", "states", "no_attention"])]
    pub resume: bool,
}

/// Where the kernels run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// An NVIDIA GPU.
    Cuda,
    /// The emulator, on the CPU.
    Emulated,
}

fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

impl Options {
    /// What a new run depends on.
    pub fn config(&self) -> Config {
        let [layers, heads, context] = [self.layers, self.heads, self.context].map(|n| n as usize);
        Config {
            size: Size { layers, heads, context },
            batch: self.batch as usize,
            steps: self.steps as usize,
            seed: self.seed,
            learning_rate: self.learning_rate,
            states: self.states,
            attention: !self.no_attention,
        }
    }
}
