//! What the example promises: masks and losses are those of the references, and an encoder learns what both sides tell.

#[path = "../../tests/common/devices.rs"]
#[allow(dead_code)] // Shared with the crate's tests, which use all of it.
mod devices;

use warpsmith::emulator::{Checks, DeviceModel};
use warpsmith::{Device, EmulatedDevice};

use self::devices::{Body, on_one_model};
use crate::nn::data::Rng;
use crate::nn::launchers::Launchers;
use crate::nn::model::Architecture;
use crate::nn::product::{Mma, OnCpu, Products};
use crate::nn::reference::Reference;
use crate::*;

/// A small run of the default kind.
fn small() -> Outcome<Config> {
    let line = "train_mlm --layers 1 --heads 1 --context 32 --batch 8 --seed 3";
    let matches = command().try_get_matches_from(line.split(' '))?;
    Ok(Options::from_arg_matches(&matches)?.config)
}

/// A letter and a vowel, a dash, the same pair the other way round, a space: a byte follows from those on both sides.
fn mirrors() -> Text {
    let mut rng = Rng::new(3);
    let mut write = |count: usize| {
        let mut mirror = |_| {
            let (a, b) = (b'a' + (rng.next_u64() % 6) as u8, b'p' + (rng.next_u64() % 6) as u8);
            [a, b, b'-', b, a, b' ']
        };
        (0..count).flat_map(&mut mirror).collect()
    };
    Text { train: write(4000), held_out: write(400) }
}

#[test]
fn the_command_line_is_an_encoders() -> Outcome {
    let config = small()?;
    assert!(!config.architecture.causal && config.mask == 0.15);
    assert!(Config::default().architecture.causal && Config::default().mask == 0.0);
    let words = config.words().into_iter().collect();
    assert_eq!(Config::read(&words)?, config);
    Ok(())
}

fn losses_are_those_of_the_references<D: Device>(device: &D, name: &str) -> Outcome {
    let (text, config) = (mirrors(), small()?);
    let products: Box<dyn Products<D>> = if name == "CUDA" { Box::new(Mma) } else { Box::new(OnCpu) };
    let mut run = Run::new(Launchers::new(device.clone(), products)?, config)?;
    let mut reference = Run::new(Reference { rounded: true }, config)?;
    let held_out = &text.held_out_batches(8, 32)[..1];
    assert_eq!(run.pose(&held_out[0])?, reference.pose(&held_out[0])?, "{name}: the same masks");
    for step in 0..8 {
        let (loss, expected) = (run.step(&text)?, reference.step(&text)?);
        assert!((loss - expected).abs() < 1e-3, "{name}, step {step}: {loss}, by the references {expected}");
    }
    // The comparison sees steps that matter.
    assert!(run.losses[7] < run.losses[0] - 0.3, "{name}: {:?}", run.losses);
    let (loss, expected) = (run.measure(held_out)?, reference.measure(held_out)?);
    assert!((loss - expected).abs() < 1e-3, "{name}: {loss} held out, by the references {expected}");
    Ok(())
}

#[test]
fn losses_on_devices() {
    struct Losses;

    impl Body for Losses {
        fn run<D: Device>(&self, device: &D, name: &str) {
            losses_are_those_of_the_references(device, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    on_one_model(&Losses);
}

#[test]
fn masks_stay_the_same_and_fall_as_often_as_they_should() -> Outcome {
    let (text, config) = (mirrors(), small()?);
    let mut run = Run::new(Reference { rounded: false }, config)?;
    let batches = text.held_out_batches(8, 32);
    let asked = run.pose(&batches[0])?;
    assert_eq!(asked, run.pose(&batches[0])?);
    assert!(asked != run.pose(&batches[1])?);
    let all: usize = batches.iter().map(|batch| run.pose(batch).map(|asked| asked.len())).sum::<Outcome<usize>>()?;
    let bytes = batches.len() * 8 * 32;
    // Five deviations of a binomial.
    let spread = 5.0 * (bytes as f64 * 0.15 * 0.85).sqrt();
    assert!((all as f64 - 0.15 * bytes as f64).abs() < spread, "{all} of {bytes}");
    Ok(())
}

#[test]
fn the_unigram_model_knows_how_often_and_nothing_else() {
    let text: Vec<u8> = b"aaab".iter().copied().cycle().take(80_000).collect();
    let expected = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
    assert!((unigram_loss(&text, &text[..4000]) - expected).abs() < 1e-3);
    assert!((unigram_loss(&text, b"b") - 4_f64.ln()).abs() < 1e-3);
    assert!(unigram_loss(&text, b"c") > 8.0, "never seen");
}

#[test]
fn an_encoder_that_sees_both_sides_beats_one_that_does_not() -> Outcome {
    // Many masks and a high rate, so that few steps will do.
    let (text, config) = (mirrors(), Config { steps: 45, mask: 0.3, learning_rate: 6e-3, ..small()? });
    let held_out = text.held_out_batches(8, 32);
    let device = EmulatedDevice::builder(DeviceModel::Sm80).checks(Checks::NONE).build();
    let loss = |causal| {
        let architecture = Architecture { causal, ..config.architecture };
        let mut run = Run::new(Launchers::new(device.clone(), Box::new(OnCpu))?, Config { architecture, ..config })?;
        (0..config.steps).try_for_each(|_| run.step(&text).map(drop))?;
        run.measure(&held_out)
    };
    let (both, before) = (loss(false)?, loss(true)?);
    println!("both sides {both:.4}, those before alone {before:.4}");
    assert!(both < before - 0.1, "{both} with both sides, {before} with those before alone");
    Ok(())
}
