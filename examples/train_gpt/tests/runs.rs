//! Runs as a whole.

use std::path::PathBuf;

use warpsmith::emulator::{Checks, DeviceModel};
use warpsmith::{Device, EmulatedDevice};

use super::devices::{Body, on_one_model};
use crate::nn::checkpoint::Checkpoint;
use crate::nn::config::{Config, Course};
use crate::nn::data::Rng;
use crate::nn::launchers::Launchers;
use crate::nn::layers::{Activation, NormKind};
use crate::nn::model::{Architecture, Positions};
use crate::nn::optimizer::Kind;
use crate::nn::product::{Mma, OnCpu, Products};
use crate::nn::reference::Reference;
use crate::nn::run::Run;
use crate::nn::text::{Text, bigram_loss};
use crate::nn::{Outcome, console};

/// A small model of the default kind.
fn small() -> Config {
    let config = Config::default();
    let architecture = Architecture { layers: 2, heads: 1, context: 32, ..config.architecture };
    Config { architecture, batch: 2, steps: 20, seed: 7, ..config }
}

/// The same size, made of everything that the default is not.
fn other() -> Config {
    let config = small();
    let (positions, norm, activation) = (Positions::Learned, NormKind::Layer, Activation::Gelu);
    let architecture = Architecture { positions, norm, activation, ..config.architecture };
    Config { architecture, optimizer: Kind::AdamW, schedule: Course::Linear, dropout: 0.1, ..config }
}

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
pub fn launchers<D: Device>(device: &D, name: &str) -> Outcome<Launchers<D>> {
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
        let mut run = Run::resume(launchers(self.device, self.name)?, from)?;
        (0..steps).try_for_each(|_| run.step(text).map(drop))?;
        run.checkpoint()
    }

    fn by_console(&self, text: &Text, from: Checkpoint, stop: bool) -> Outcome<(bool, Checkpoint)> {
        let mut run = Run::resume(launchers(self.device, self.name)?, from)?;
        let held_out = text.held_out_batches(run.config.batch, run.config.architecture.context);
        let finished = console::steps(&mut run, text, &held_out[..2], || stop)?;
        Ok((finished, run.checkpoint()?))
    }

    fn held_out(&self, text: &Text, config: Config) -> Outcome<f64> {
        let mut run = Run::new(launchers(self.device, self.name)?, config)?;
        (0..config.steps).try_for_each(|_| run.step(text).map(drop))?;
        let batches = text.held_out_batches(config.batch, config.architecture.context);
        Ok(run.measure(&batches)?.into())
    }
}

/// A run before its first step.
fn fresh(config: Config) -> Outcome<Checkpoint> {
    Run::new(Reference { rounded: true }, config)?.checkpoint()
}

/// The path of a file that this process alone uses.
pub fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("train_gpt-{}-{name}", std::process::id()))
}

#[test]
fn the_first_losses_are_those_of_the_references() {
    let text = echoes();
    // With few positions in a step Adam follows rounding errors where gradients are small: a change of 1e-7 in the parameters then moves the
    // references' own losses by 7e-4.
    for config in [small(), other()].map(|config| Config { batch: 8, steps: 20, ..config }) {
        let mut reference = Run::new(Reference { rounded: true }, config).expect("a run");
        (0..config.steps).try_for_each(|_| reference.step(&text).map(drop)).expect("steps");
        on_devices(|device, name| {
            let losses = device.after(&text, fresh(config)?, config.steps)?.losses;
            assert_eq!(losses.len(), 20);
            for (step, (loss, expected)) in losses.iter().zip(&reference.losses).enumerate() {
                assert!((loss - expected).abs() < 1e-3, "{name}, step {step}: {loss}, by the references {expected}");
            }
            // The comparison sees steps that matter.
            assert!(losses[11] < losses[0] - 1.0, "{name}: {losses:?}");
            Ok(())
        });
    }
}

#[test]
fn a_run_repeats_and_goes_on_bit_for_bit() {
    let text = echoes();
    for config in [small(), other()].map(|config| Config { steps: 6, ..config }) {
        on_devices(|device, name| {
            // The second run is stopped, and goes on from a file.
            let whole = device.after(&text, fresh(config)?, 6)?;
            let half = device.after(&text, fresh(config)?, 3)?;
            let (finished, stopped) = device.by_console(&text, half.clone(), true)?;
            assert!(!finished && stopped == half, "{name}: a stop makes no more steps");
            let file = scratch(&format!("{name}.safetensors"));
            stopped.save(&file)?;
            let loaded = Checkpoint::load(&file);
            std::fs::remove_file(&file)?;
            let (finished, mut resumed) = device.by_console(&text, loaded?, false)?;
            assert!(finished, "{name}");
            // The loop measures on the way, which changes nothing.
            assert_eq!(resumed.held_out.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [4, 5], "{name}");
            resumed.held_out.clear();
            assert_eq!(resumed, whole, "{name}: {config:?}");
            Ok(())
        });
    }
}

#[test]
fn without_attention_it_does_not_beat_the_bigram_model() {
    let text = echoes();
    let config = small();
    let architecture = Architecture { layers: 1, ..config.architecture };
    let config = Config { architecture, batch: 8, steps: 50, learning_rate: 1e-2, ..config };
    let bigram = bigram_loss(&text.train, &text.held_out_batches(config.batch, config.architecture.context));
    // A GPU is fast, the drop-in driver is not, and what is shown here is the model's: the emulated device alone, and quickly.
    on_devices(|_, name| {
        if name == "CUDA" {
            return Ok(());
        }
        let device = On { device: &EmulatedDevice::builder(DeviceModel::Sm80).checks(Checks::NONE).build(), name };
        let with = device.held_out(&text, config)?;
        let without = {
            let architecture = Architecture { attention: false, ..architecture };
            device.held_out(&text, Config { architecture, ..config })?
        };
        println!("bigram model {bigram:.4}, with attention {with:.4}, without {without:.4}");
        assert!(with < bigram - 0.15, "{with} with attention, {bigram} by the bigram model");
        assert!(without > bigram - 0.15, "{without} without attention, {bigram} by the bigram model");
        Ok(())
    });
}
