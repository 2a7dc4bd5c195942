//! Runs as a whole.

use std::path::PathBuf;

use warpsmith::emulator::{Checks, DeviceModel};
use warpsmith::{Device, EmulatedDevice};

use super::devices::{Body, on_one_model};
use crate::Outcome;
use crate::checkpoint::Checkpoint;
use crate::console;
use crate::data::Rng;
use crate::launchers::Launchers;
use crate::model::{Gpt, Memory, Parameters, Size};
use crate::optimizer::States;
use crate::product::{Mma, OnCpu, Products};
use crate::reference::Reference;
use crate::text::{Batch, Text, bigram_loss};
use crate::train::{Config, Run};

const SMALL: Config = Config {
    size: Size { layers: 2, heads: 1, context: 32 },
    batch: 2,
    steps: 20,
    seed: 7,
    learning_rate: 3e-3,
    states: States::Eight,
    attention: true,
};

/// A letter, a point, the same letter again and a space, over and over. What a space or a point is followed by, and which of the two
/// follows a letter, is told by the bytes before, and by the last byte alone it is not.
fn echoes() -> Text {
    let mut rng = Rng::new(3);
    let mut write = |count: usize| {
        let mut echo = |_| {
            let letter = b'a' + (rng.next_u64() % 8) as u8;
            [letter, b'.', letter, b' ']
        };
        (0..count).flat_map(&mut echo).collect()
    };
    Text { train: write(5000), held_out: write(500) }
}

/// On a GPU by the example's own products, which need nothing but the GPU; on the emulated device by the `gemm` crate.
fn launchers<D: Device>(device: &D, name: &str) -> Launchers<D> {
    let products: Box<dyn Products<D>> = if name == "CUDA" { Box::new(Mma) } else { Box::new(OnCpu) };
    Launchers::new(device.clone(), products)
}

/// A test of runs on the emulated device, and on a GPU where there is one.
fn on_devices(test: impl Fn(&dyn Starter, &str) -> Outcome) {
    struct Each<F>(F);

    impl<F: Fn(&dyn Starter, &str) -> Outcome> Body for Each<F> {
        fn run<D: Device>(&self, device: &D, name: &str) {
            let starter = On { device, name };
            (self.0)(&starter, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    on_one_model(&Each(test));
}

/// Makes runs on one device, whatever its type.
trait Starter {
    /// The checkpoint after `steps` more steps from this one.
    fn after(&self, text: &Text, from: Checkpoint, steps: usize) -> Outcome<Checkpoint>;
    /// The same by the loop that a person sees, until it is stopped or done.
    fn by_console(&self, text: &Text, from: Checkpoint, stop: bool) -> Outcome<(bool, Checkpoint)>;
    /// The held-out loss at the end of a whole run.
    fn held_out(&self, text: &Text, config: Config) -> Outcome<f64>;
}

struct On<'a, D> {
    device: &'a D,
    name: &'a str,
}

impl<D: Device> Starter for On<'_, D> {
    fn after(&self, text: &Text, from: Checkpoint, steps: usize) -> Outcome<Checkpoint> {
        let mut run = Run::resume(launchers(self.device, self.name), from)?;
        (0..steps).try_for_each(|_| run.step(text).map(drop))?;
        run.checkpoint()
    }

    fn by_console(&self, text: &Text, from: Checkpoint, stop: bool) -> Outcome<(bool, Checkpoint)> {
        let mut run = Run::resume(launchers(self.device, self.name), from)?;
        let held_out = text.held_out_batches(SMALL.batch, SMALL.size.context);
        let finished = console::steps(&mut run, text, &held_out[..2], || stop)?;
        Ok((finished, run.checkpoint()?))
    }

    fn held_out(&self, text: &Text, config: Config) -> Outcome<f64> {
        let mut run = Run::new(launchers(self.device, self.name), config)?;
        (0..config.steps).try_for_each(|_| run.step(text).map(drop))?;
        let batches = text.held_out_batches(config.batch, config.size.context);
        Ok(run.measure(&batches)?.into())
    }
}

/// A run before its first step.
fn fresh(config: Config) -> Outcome<Checkpoint> {
    Run::new(Reference { rounded: true }, config)?.checkpoint()
}

/// The path of a file that this process alone uses.
fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("train_gpt-{}-{name}", std::process::id()))
}

#[test]
fn the_first_losses_are_those_of_the_references() {
    let text = echoes();
    let mut reference = Run::new(Reference { rounded: true }, SMALL).expect("a run");
    (0..SMALL.steps).try_for_each(|_| reference.step(&text).map(drop)).expect("steps");
    on_devices(|device, name| {
        let losses = device.after(&text, fresh(SMALL)?, SMALL.steps)?.losses;
        assert_eq!(losses.len(), 20);
        for (step, (loss, expected)) in losses.iter().zip(&reference.losses).enumerate() {
            assert!((loss - expected).abs() < 1e-3, "{name}, step {step}: {loss}, by the references {expected}");
        }
        // The comparison sees steps that matter.
        assert!(losses[19] < losses[0] - 1.0, "{name}: {losses:?}");
        Ok(())
    });
}

#[test]
fn a_run_repeats_and_goes_on_bit_for_bit() {
    let text = echoes();
    for states in [States::Eight, States::ThirtyTwo] {
        let config = Config { states, steps: 6, ..SMALL };
        on_devices(|device, name| {
            let whole = device.after(&text, fresh(config)?, 6)?;
            assert_eq!(whole, device.after(&text, fresh(config)?, 6)?, "{name}: again");

            let half = device.after(&text, fresh(config)?, 3)?;
            let (finished, stopped) = device.by_console(&text, half.clone(), true)?;
            assert!(!finished && stopped == half, "{name}: a stop makes no more steps");
            let file = scratch(&format!("{states:?}-{name}.safetensors"));
            stopped.save(&file)?;
            let loaded = Checkpoint::load(&file);
            std::fs::remove_file(&file)?;
            let (finished, mut resumed) = device.by_console(&text, loaded?, false)?;
            assert!(finished, "{name}");
            // The loop measures on the way, which changes nothing.
            assert_eq!(resumed.held_out.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [4, 5], "{name}");
            resumed.held_out.clear();
            assert_eq!(resumed, whole, "{name}: {states:?} states");
            Ok(())
        });
    }
}

#[test]
fn without_attention_it_does_not_beat_the_bigram_model() {
    let text = echoes();
    let size = Size { layers: 1, ..SMALL.size };
    let config = Config { size, batch: 8, steps: 220, ..SMALL };
    let bigram = bigram_loss(&text.train, &text.held_out_batches(config.batch, config.size.context));
    // A GPU is fast, the drop-in driver is not, and what is shown here is the model's: the emulated device alone, and quickly.
    on_devices(|_, name| {
        if name == "CUDA" {
            return Ok(());
        }
        let device = On { device: &EmulatedDevice::builder(DeviceModel::Sm80).checks(Checks::NONE).build(), name };
        let with = device.held_out(&text, config)?;
        let without = device.held_out(&text, Config { attention: false, ..config })?;
        println!("bigram model {bigram:.4}, with attention {with:.4}, without {without:.4}");
        assert!(with < bigram - 0.15, "{with} with attention, {bigram} by the bigram model");
        assert!(without > bigram - 0.15, "{without} without attention, {bigram} by the bigram model");
        Ok(())
    });
}

#[test]
fn gradients_are_those_of_finite_differences() -> Outcome {
    const STEP: f64 = 1e-3;
    let size = Size { layers: 2, heads: 2, context: 9 };
    let specs = Parameters::specs(size);
    let mut rng = Rng::new(5);
    let values: Vec<Vec<f32>> = specs.list().iter().map(|spec| rng.normals(spec.len(), 0.1, 0.1)).collect();
    let batch = Batch { inputs: b"hello world how ar".to_vec(), targets: b"ello world how are".to_vec() };
    let model = |values: &[Vec<f32>]| {
        let gpt = Gpt::new(Reference { rounded: false }, size, values)?;
        let memory = Memory::new(&gpt.ops, size, 2, 9)?;
        Outcome::Ok((gpt, memory))
    };
    let (gpt, mut memory) = model(&values)?;
    let mut gradients = gpt.gradients()?;
    gpt.gradient(&mut memory, &batch, &mut gradients)?;
    for (i, (spec, gradient)) in specs.list().into_iter().zip(gradients.list()).enumerate() {
        let direction: Vec<f64> = rng.normals::<f32>(spec.len(), 0.0, 1.0).into_iter().map(f64::from).collect();
        let loss = |sign: f64| {
            let mut moved = values.clone();
            moved[i].iter_mut().zip(&direction).for_each(|(value, d)| *value += (sign * STEP * d) as f32);
            let (gpt, mut memory) = model(&moved)?;
            gpt.loss(&mut memory, &batch)
        };
        let difference = (loss(1.0)? - loss(-1.0)?) / (2.0 * STEP);
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
        let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!(
            (slope - difference).abs() < 2e-2 * length + 1e-4,
            "{}: {slope}, by differences {difference}",
            spec.name
        );
    }
    Ok(())
}
