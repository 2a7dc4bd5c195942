//! A run as a person sees it: what is printed, the progress bar, the files, and how it stops.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::Outcome;
use super::ops::Ops;
use super::plot;
use super::run::Run;
use super::text::{Batch, Text};

/// Set by Ctrl-C: the step that runs is finished, and the run saved.
static STOP: AtomicBool = AtomicBool::new(false);

/// How often a run is measured on the held-out text, and on how many batches of it.
const MEASURES: usize = 10;
const BATCHES: usize = 8;

/// The first Ctrl-C asks for a stop, the second one ends the program.
pub fn stop_at_ctrl_c() -> Outcome {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    Ok(ctrlc::set_handler(handler)?)
}

/// Whether there was a Ctrl-C.
pub fn asked_to_stop() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Makes the steps that are left, with a bar. Gives whether they were all made.
pub fn steps<O: Ops>(run: &mut Run<O>, text: &Text, held_out: &[Batch], stop: impl Fn() -> bool) -> Outcome<bool> {
    let config = run.config;
    let context = config.architecture.context;
    let bar = ProgressBar::new(config.steps as u64).with_position(run.steps() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {eta} left")?);
    bar.reset_eta();
    let (every, some) = ((config.steps / MEASURES).max(1), held_out.len().div_ceil(BATCHES).max(1));
    let (mut stepping, first) = (Duration::ZERO, run.steps());
    while run.steps() < config.steps {
        if stop() {
            bar.abandon();
            return Ok(false);
        }
        let start = Instant::now();
        let loss = run.step(text)?;
        stepping += start.elapsed();
        let made = run.steps() - first;
        let speed = (made * config.batch * context) as f64 / stepping.as_secs_f64();
        bar.set_message(format!("loss {loss:.3}  {speed:.0} bytes/s"));
        bar.inc(1);
        if run.steps().is_multiple_of(every) && run.steps() < config.steps {
            let loss = run.measure(held_out.iter().step_by(some))?;
            run.held_out.push((run.steps(), loss));
            let left = stepping.mul_f64((config.steps - run.steps()) as f64 / made as f64).as_secs();
            let recent = &run.losses[run.steps() - every.min(run.steps())..];
            let mean = recent.iter().sum::<f32>() / recent.len() as f32;
            // A bar is drawn on a terminal alone; these lines stand in a log, too.
            bar.suspend(|| {
                println!(
                    "step {:5}  loss {mean:.4}  held out {loss:.4}  {speed:6.0} bytes/s  {left} s left",
                    run.steps()
                );
            });
        }
    }
    bar.finish_and_clear();
    Ok(true)
}

/// The size of the model and of the optimizer's states.
pub fn describe<O: Ops>(run: &mut Run<O>) -> Outcome {
    let checkpoint = run.checkpoint()?;
    let config = checkpoint.config;
    let parameters: usize = checkpoint.parameters.values().map(|tensor| tensor.values.len()).sum();
    let words = config.words();
    let word = |name: &str| words.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value);
    println!(
        "model:      {parameters} parameters: {} layers, {} heads, width {}, context {}; {} positions, {} norm, {}",
        config.architecture.layers,
        config.architecture.heads,
        config.architecture.width(),
        config.architecture.context,
        word("positions"),
        word("norm"),
        word("activation"),
    );
    let bytes = checkpoint.optimizer.map_or(0, |(_, saved)| saved.bytes());
    let (name, plain) = (config.optimizer.describe(), 8 * parameters);
    println!("optimizer:  {name}, {bytes} bytes of states, where 32-bit AdamW takes {plain}");
    Ok(())
}

/// Draws the curve of a run into a folder.
pub fn draw<O: Ops>(folder: &Path, run: &Run<O>, baseline: (&str, f64)) -> Outcome {
    let picture = folder.join("loss.svg");
    plot::losses(&picture, &run.losses, &run.held_out, baseline)?;
    println!("curve:      {}", picture.display());
    Ok(())
}

/// A text between others.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
