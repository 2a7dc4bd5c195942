//! Pre-trains a small encoder on text by masked language modelling, byte by byte: `cargo xtask demo mlm`, or
//! `cargo run --release --example train_mlm -- --help`.
//!
//! Attention looks both ways; some bytes are masked on the device, as BERT does it (Devlin et al., 2019): 80 of 100 become the mask, 10
//! another byte, 10 stay. The fused cross-entropy ignores all other positions.

#[allow(dead_code)] // Each example uses a part of it.
#[path = "nn/mod.rs"]
mod nn;
#[cfg(test)]
#[path = "train_mlm/tests.rs"]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Command, CommandFactory, FromArgMatches, Parser};

use nn::Outcome;
use nn::checkpoint::Checkpoint;
use nn::config::Config;
use nn::console;
use nn::ops::Ops;
use nn::run::Run;
use nn::start::{Choice, Program, start};
use nn::text::{Text, WRITTEN, unigram_loss};

/// Pre-trains a small encoder by masked language modelling: every step but the matrix products by warpsmith's CUDA kernels, on an NVIDIA
/// GPU or, where there is none, on the emulator that the kernels are tested with.
#[derive(Debug, Parser)]
#[command(name = "train_mlm")]
struct Options {
    /// Files to learn from, instead of the repository's own sources and documents
    #[arg(long, num_args = 1.., value_name = "FILE")]
    text: Vec<PathBuf>,

    /// Where the kernels run; without it, on a GPU if there is one, and the program says what it took
    #[arg(long)]
    device: Option<Choice>,

    /// Where checkpoint.safetensors and loss.svg go
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/train_mlm"))]
    out: PathBuf,

    #[command(flatten)]
    config: Config,
}

/// The command line: an encoder where the others are decoders.
fn command() -> Command {
    let defaults =
        [("causal", "false"), ("mask", "0.15"), ("norm", "layer"), ("activation", "geglu"), ("steps", "500")];
    defaults.into_iter().fold(Options::command(), |command, (name, value)| {
        command.mut_arg(name, |argument| argument.default_value(value).hide(name == "causal"))
    })
}

fn main() -> ExitCode {
    let options = Options::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
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
        let (text, what) = Text::read(&self.text, &WRITTEN)?;
        println!("text:       {what}");
        std::fs::create_dir_all(&self.out).map_err(|error| format!("{}: {error}", self.out.display()))?;
        let file = self.out.join("checkpoint.safetensors");
        let config = self.config;
        let context = config.architecture.context;
        text.check(context)?;
        let mut run = Run::new(ops()?, config)?;
        console::describe(&mut run)?;
        let held_out = text.held_out_batches(config.batch, context);
        let mut asked = Vec::new();
        for batch in &held_out {
            asked.extend(run.pose(batch)?);
        }
        let unigram = unigram_loss(&text.train, &asked);
        let to_beat = ("unigram model", unigram);
        println!("to beat:    {unigram:.4} nats per masked byte, a unigram model on the same held-out bytes\n");

        let start = Instant::now();
        let finished = console::steps(&mut run, &text, &held_out, console::asked_to_stop)?;
        let spent = start.elapsed();
        let checkpoint: Checkpoint = run.checkpoint()?;
        checkpoint.save(&file)?;
        if !finished {
            println!("\nstopped after {} of {} steps", run.steps(), config.steps);
            return console::draw(&self.out, &run, to_beat);
        }
        let loss = run.measure(&held_out)?;
        run.held_out.push((run.steps(), loss));
        console::draw(&self.out, &run, to_beat)?;
        let [whole, masked, filled] = run.fill_in(&text.held_out[..context])?;
        println!("\nA held-out text, what the model sees of it, and what it makes of that:");
        println!("    {whole}\n    {masked}\n    {filled}\n");
        let gain = unigram - f64::from(loss);
        println!("held out:   {loss:.4} nats per masked byte, {gain:.4} below the unigram model's {unigram:.4}");
        println!("time:       {:.0} s of training", spent.as_secs_f64());
        println!("saved:      {}", file.display());
        Ok(())
    }
}
