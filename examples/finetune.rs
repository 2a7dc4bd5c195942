//! Continues a trained model on other text, in the ways that people do it: `cargo xtask demo finetune`, or
//! `cargo run --release --example finetune -- --help`.
//!
//! Each way trains a part of the model, or something that is added to it (`nn/tuning.rs`); of nothing else is a gradient computed, and
//! nothing else changes. A table at the end compares them.

#[allow(dead_code)] // Each example uses a part of it.
#[path = "nn/mod.rs"]
mod nn;
#[cfg(test)]
#[path = "finetune/tests.rs"]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use nn::Outcome;
use nn::checkpoint::Checkpoint;
use nn::config::{Config, positive};
use nn::console;
use nn::model::{Architecture, Transformer};
use nn::ops::Ops;
use nn::optimizer::Kind;
use nn::parameters::Values;
use nn::run::Run;
use nn::start::{Choice, Program, start};
use nn::text::{Batch, COMPILED, Text, WRITTEN};
use nn::tuning::{Amounts, Way};

/// Continues a trained model on other text: all weights, feed-forward parts only, prefix tuning, prompt tuning, LoRA. Every step but the
/// matrix products by warpsmith's CUDA kernels, on an NVIDIA GPU or, where there is none, on the emulator.
#[derive(Debug, Parser)]
#[command(name = "finetune")]
struct Options {
    /// A checkpoint that train_gpt saved; without it the one that `cargo xtask demo` leaves, and where there is none a small model is
    /// trained first
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// Files to go on with, instead of the repository's PTX, which train_gpt does not read
    #[arg(long, num_args = 1.., value_name = "FILE")]
    text: Vec<PathBuf>,

    /// Ways to try; all without it
    #[arg(long, value_enum, num_args = 1..)]
    ways: Vec<Way>,

    /// Steps of each way
    #[arg(long, default_value_t = 60, value_parser = positive)]
    steps: usize,

    /// Windows of text in a step
    #[arg(long, default_value_t = 8, value_parser = positive)]
    batch: usize,

    /// What makes the steps; without it the optimizer that trained the model
    #[arg(long, value_enum)]
    optimizer: Option<Kind>,

    /// Highest learning rate, instead of one that suits the way and the optimizer
    #[arg(long)]
    learning_rate: Option<f32>,

    /// Steps of the small model that is trained where there is no checkpoint
    #[arg(long, default_value_t = 150, value_parser = positive)]
    base_steps: usize,

    #[command(flatten)]
    amounts: Amounts,

    /// Where the kernels run; without it, on a GPU if there is one, and the program says what it took
    #[arg(long)]
    device: Option<Choice>,
}

/// Where train_gpt leaves its checkpoint.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/train_gpt/checkpoint.safetensors");

/// Batches of the held-out text that a way is measured on.
const BATCHES: usize = 12;

/// What a way came to.
struct Row {
    way: Way,
    after: f32,
    trained: usize,
    optimizer_bytes: usize,
    seconds: f64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match console::stop_at_ctrl_c().and_then(|()| start(options.device, &options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Program for Options {
    fn run<O: Ops>(&self, ops: impl Fn() -> Outcome<O>) -> Outcome {
        let base = self.base(&ops)?;
        let (text, what) = Text::read(&self.text, &COMPILED)?;
        println!("text:       {what}");
        let context = base.config.architecture.context;
        text.check(context)?;
        let held_out = text.held_out_batches(self.batch, context);
        let every = held_out.len().div_ceil(BATCHES).max(1);
        let held_out: Vec<Batch> = held_out.into_iter().step_by(every).collect();
        let before = untouched(ops()?, &base, self.batch)?.measure(&held_out)?;
        println!("before:     {before:.4} nats per byte of its held-out part\n");

        let mut rows = Vec::new();
        let ways = if self.ways.is_empty() { &Way::EVERY[..] } else { &self.ways };
        for &way in ways {
            let start = Instant::now();
            let mut run = self.prepared(ops()?, &base, way, &text)?;
            println!("{}:", way.name());
            if !console::steps(&mut run, &text, &held_out[..held_out.len().min(2)], console::asked_to_stop)? {
                break;
            }
            let seconds = start.elapsed().as_secs_f64();
            let after = run.measure(&held_out)?;
            let trained = run.model.parameters().iter().filter(|p| p.trained()).map(|p| p.len()).sum();
            let optimizer_bytes = run.checkpoint()?.optimizer.map_or(0, |(_, saved)| saved.bytes());
            rows.push(Row { way, after, trained, optimizer_bytes, seconds });
        }
        report(before, &base, self.optimizer.unwrap_or(base.config.optimizer), &rows);
        Ok(())
    }
}

impl Options {
    /// The model to start from.
    fn base<O: Ops>(&self, ops: impl Fn() -> Outcome<O>) -> Outcome<Checkpoint> {
        let file = self.from.as_deref().or_else(|| Some(Path::new(DEMO)).filter(|file| file.is_file()));
        if let Some(file) = file {
            let base = Checkpoint::load(file)?;
            println!("model:      {}, trained for {} steps", file.display(), base.losses.len());
            return Ok(base);
        }
        println!("model:      a small one, trained here for {} steps; --from takes a checkpoint", self.base_steps);
        let config = Config::default();
        let architecture = Architecture { layers: 2, ..config.architecture };
        let (text, _) = Text::read(&[], &WRITTEN)?;
        let mut run = Run::new(ops()?, Config { architecture, steps: self.base_steps, ..config })?;
        let held_out = text.held_out_batches(config.batch, architecture.context);
        if !console::steps(&mut run, &text, &held_out[..held_out.len().min(4)], console::asked_to_stop)? {
            return Err("stopped before there was a model".into());
        }
        run.checkpoint()
    }

    /// A run that trains a model in one of the ways.
    fn prepared<O: Ops>(&self, ops: O, base: &Checkpoint, way: Way, text: &Text) -> Outcome<Run<O>> {
        let optimizer = self.optimizer.unwrap_or(base.config.optimizer);
        let learning_rate = self.learning_rate.unwrap_or(optimizer.pace() * way.learning_rate());
        let config = Config { batch: self.batch, steps: self.steps, optimizer, learning_rate, ..base.config };
        let mut model = Transformer::new(&ops, config.architecture, Values::Saved(&base.parameters))?;
        way.prepare(&ops, &mut model, &self.amounts, (config.seed, &text.train))?;
        Run::of(ops, model, config, None)
    }
}

/// The model as it is, to be measured.
fn untouched<O: Ops>(ops: O, base: &Checkpoint, batch: usize) -> Outcome<Run<O>> {
    let mut model = Transformer::new(&ops, base.config.architecture, Values::Saved(&base.parameters))?;
    model.train(&ops, |_| true)?;
    Run::of(ops, model, Config { batch, ..base.config }, None)
}

/// The table.
fn report(before: f32, base: &Checkpoint, optimizer: Kind, rows: &[Row]) {
    let all: usize = base.parameters.values().map(|tensor| tensor.values.len()).sum();
    println!("\nOf a model of {all} parameters; held-out loss in nats per byte; {}:\n", optimizer.describe());
    println!("way                   before    after    trained   share   optimizer bytes   seconds");
    for Row { way, after, trained, optimizer_bytes, seconds } in rows {
        let share = 100.0 * *trained as f64 / all as f64;
        println!(
            "{:20} {before:7.4}  {after:7.4}  {trained:9}  {share:5.2} %  {optimizer_bytes:16}  {seconds:8.0}",
            way.name()
        );
    }
    println!();
}
