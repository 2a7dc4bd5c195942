//! A run as a person sees it: what is printed, the progress bar, the files, and how it stops.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Outcome;
use crate::checkpoint::Checkpoint;
use crate::ops::Ops;
use crate::optimizer::Saved;
use crate::options::Options;
use crate::plot;
use crate::text::{Batch, Text, bigram_loss};
use crate::train::Run;

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

/// Trains from the start or from a checkpoint, and tells how it goes.
pub fn train<O: Ops>(options: &Options, ops: O) -> Outcome {
    let (text, what) = Text::read(&options.text)?;
    println!("text:       {what}");
    std::fs::create_dir_all(&options.out).map_err(|error| format!("{}: {error}", options.out.display()))?;
    let file = options.out.join("checkpoint.safetensors");
    let mut run =
        if options.resume { Run::resume(ops, Checkpoint::load(&file)?)? } else { Run::new(ops, options.config())? };
    let config = run.config;
    text.check(config.size.context)?;
    let held_out = text.held_out_batches(config.batch, config.size.context);
    let bigram = bigram_loss(&text.train, &held_out);
    describe(&run.checkpoint()?);
    println!("to beat:    {bigram:.4} nats per byte, an interpolated bigram model on the same held-out text");
    if !options.resume {
        println!("\nBefore training it writes:\n{}\n", indented(&run.sample("\n", 120)?));
    }

    let start = Instant::now();
    let finished = steps(&mut run, &text, &held_out, asked_to_stop)?;
    let spent = start.elapsed();
    run.checkpoint()?.save(&file)?;
    if !finished {
        println!(
            "\nstopped after {} of {} steps; {} has it all, and --resume goes on",
            run.steps(),
            config.steps,
            file.display()
        );
        return draw(&options.out, &run, bigram);
    }
    let loss = run.measure(&held_out)?;
    run.held_out.push((run.steps(), loss));
    draw(&options.out, &run, bigram)?;
    println!("\nAfter training it writes:\n{}\n", indented(&run.sample("\n", 400)?));
    println!(
        "held out:   {loss:.4} nats per byte, {:.4} below the bigram model's {bigram:.4}",
        bigram - f64::from(loss)
    );
    println!("time:       {:.0} s of training", spent.as_secs_f64());
    println!("saved:      {}", file.display());
    Ok(())
}

/// Makes the steps that are left, with a bar. Gives whether they were all made.
pub fn steps<O: Ops>(run: &mut Run<O>, text: &Text, held_out: &[Batch], stop: impl Fn() -> bool) -> Outcome<bool> {
    let config = run.config;
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
        let speed = (made * config.batch * config.size.context) as f64 / stepping.as_secs_f64();
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
fn describe(checkpoint: &Checkpoint) {
    let parameters: usize = checkpoint.parameters.iter().map(Vec::len).sum();
    let size = checkpoint.config.size;
    println!(
        "model:      {parameters} parameters: {} layers, {} heads, width {}, context {}",
        size.layers,
        size.heads,
        size.width(),
        size.context
    );
    let (bytes, plain) = (checkpoint.states.bytes(), 8 * parameters);
    match checkpoint.states {
        Saved::Eight(_) => println!(
            "optimizer:  8-bit AdamW, {bytes} bytes of states where 32-bit states take {plain}: {} saved ({:.0} %)",
            plain - bytes,
            100.0 * (plain - bytes) as f64 / plain as f64
        ),
        Saved::ThirtyTwo(_) => {
            println!("optimizer:  AdamW with 32-bit states in plain code on the CPU, {bytes} bytes of states")
        }
    }
}

fn draw<O: Ops>(folder: &Path, run: &Run<O>, bigram: f64) -> Outcome {
    let picture = folder.join("loss.svg");
    plot::losses(&picture, &run.losses, &run.held_out, bigram)?;
    println!("curve:      {}", picture.display());
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
