//! Trains a small GPT on text, byte by byte: `cargo xtask demo`, or `cargo run --release --example train_gpt -- --help`.
//!
//! From the embedding to the optimizer every step runs in the crate's kernels, on a GPU or on the emulator; matrix products are not the
//! crate's job. The model and all that goes with it are in `nn/`, which the other examples share.

#[allow(dead_code)] // Each example uses a part of it.
#[path = "nn/mod.rs"]
mod nn;
#[cfg(test)]
#[path = "train_gpt/tests.rs"]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use nn::Outcome;
use nn::checkpoint::Checkpoint;
use nn::config::Config;
use nn::console::{self, indented};
use nn::ops::Ops;
use nn::run::Run;
use nn::start::{Choice, Program, start};
use nn::text::{Text, WRITTEN, bigram_loss};

/// Trains a small GPT on text, byte by byte: every step but the matrix products by warpsmith's CUDA kernels, on an NVIDIA GPU or, where
/// there is none, on the emulator that the kernels are tested with.
#[derive(Debug, Parser)]
#[command(name = "train_gpt")]
struct Options {
    /// Files to learn from, instead of the repository's own sources and documents
    #[arg(long, num_args = 1.., value_name = "FILE")]
    text: Vec<PathBuf>,

    /// Where the kernels run; without it, on a GPU if there is one, and the program says what it took
    #[arg(long)]
    device: Option<Choice>,

    /// Where checkpoint.safetensors and loss.svg go
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/train_gpt"))]
    out: PathBuf,

    /// Go on from the checkpoint in that folder, with the options of the run that wrote it
    #[arg(long, conflicts_with_all = ["Architecture", "batch", "steps", "seed", "learning_rate", "schedule", "optimizer", "max_norm", "dropout", "mask"])]
    resume: bool,

    #[command(flatten)]
    config: Config,
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
    /// Trains from the start or from a checkpoint, and tells how it goes.
    fn run<O: Ops>(&self, ops: impl Fn() -> Outcome<O>) -> Outcome {
        let (text, what) = Text::read(&self.text, &WRITTEN)?;
        println!("text:       {what}");
        std::fs::create_dir_all(&self.out).map_err(|error| format!("{}: {error}", self.out.display()))?;
        let file = self.out.join("checkpoint.safetensors");
        let mut run = match self.resume {
            true => Run::resume(ops()?, Checkpoint::load(&file)?)?,
            false => Run::new(ops()?, self.config)?,
        };
        let config = run.config;
        text.check(config.architecture.context)?;
        let held_out = text.held_out_batches(config.batch, config.architecture.context);
        let bigram = bigram_loss(&text.train, &held_out);
        let to_beat = ("interpolated bigram model", bigram);
        console::describe(&mut run)?;
        println!("to beat:    {bigram:.4} nats per byte, an interpolated bigram model on the same held-out text");
        if !self.resume {
            println!("\nBefore training it writes:\n{}\n", indented(&run.sample("\n", 60)?));
        }

        let start = Instant::now();
        let finished = console::steps(&mut run, &text, &held_out, console::asked_to_stop)?;
        let spent = start.elapsed();
        run.checkpoint()?.save(&file)?;
        if !finished {
            let (made, all) = (run.steps(), config.steps);
            println!("\nstopped after {made} of {all} steps; {} has it all, and --resume goes on", file.display());
            return console::draw(&self.out, &run, to_beat);
        }
        let loss = run.measure(&held_out)?;
        run.held_out.push((run.steps(), loss));
        console::draw(&self.out, &run, to_beat)?;
        println!("\nAfter training it writes:\n{}\n", indented(&run.sample("\n", 300)?));
        let gain = bigram - f64::from(loss);
        println!("held out:   {loss:.4} nats per byte, {gain:.4} below the bigram model's {bigram:.4}");
        println!("time:       {:.0} s of training", spent.as_secs_f64());
        println!("saved:      {}", file.display());
        Ok(())
    }
}
