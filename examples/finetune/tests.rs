//! What each way promises: it trains what it says and nothing else, by gradients that are right, on a device as by the references.

#[path = "../../tests/common/devices.rs"]
#[allow(dead_code)] // Shared with the crate's tests, which use all of it.
mod devices;

use std::collections::BTreeSet;

use clap::Parser;
use warpsmith::Device;

use self::devices::{Body, on_one_model};
use crate::nn::data::Rng;
use crate::nn::launchers::Launchers;
use crate::nn::layers::{Activation, NormKind};
use crate::nn::model::{Memory, Positions};
use crate::nn::ops::{HEAD, Heads};
use crate::nn::product::{Mma, OnCpu, Products};
use crate::nn::reference::Reference;
use crate::*;

const ROUNDED: Reference = Reference { rounded: true };
const SMOOTH: Reference = Reference { rounded: false };

/// The options of short tests.
fn options() -> Options {
    let line = "finetune --steps 4 --learning-rate 0.01 --batch 4 --prefix 3 --prompt 5 --rank 4 --alpha 8";
    Options::try_parse_from(line.split(' ')).expect("options")
}

/// A small model that nobody has trained, of either kind.
fn base(learned: bool) -> Outcome<Checkpoint> {
    let config = Config::default();
    let mut architecture = Architecture { layers: 2, heads: 1, context: 32, ..config.architecture };
    if learned {
        let (positions, norm, activation) = (Positions::Learned, NormKind::Layer, Activation::Gelu);
        architecture = Architecture { positions, norm, activation, ..architecture };
    }
    Run::new(SMOOTH, Config { architecture, batch: 4, ..config })?.checkpoint()
}

/// The letters over and over, which any of the ways learns something of.
fn text() -> Text {
    let letters = |count: usize| (b'a'..=b'z').cycle().take(count).collect();
    Text { train: letters(4000), held_out: letters(600) }
}

/// The tensors that a way trains.
fn trained<O: Ops>(run: &mut Run<O>) -> BTreeSet<String> {
    run.model.parameters().into_iter().filter(|p| p.trained()).map(|p| p.name.clone()).collect()
}

#[test]
fn each_way_trains_what_it_says() -> Outcome {
    let names = |way: Way| Outcome::Ok(trained(&mut options().prepared(SMOOTH, &base(true)?, way, &text())?));
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let of_layers = |parts: &[&str]| {
        let layers = [0, 1].into_iter().flat_map(|layer| parts.iter().map(move |part| format!("layer{layer}.{part}")));
        layers.collect::<BTreeSet<_>>()
    };
    assert_eq!(names(Way::All)?, base(true)?.parameters.into_keys().collect());
    assert_eq!(names(Way::FeedForward)?, of_layers(&["up", "up_bias", "down"]));
    assert_eq!(names(Way::Prefix)?, of_layers(&["prefix"]));
    assert_eq!(names(Way::Prompt)?, set(&["prompt"]));
    let qv = ["qkv.0.lora_a", "qkv.0.lora_b", "qkv.128.lora_a", "qkv.128.lora_b"];
    assert_eq!(names(Way::LoraQv)?, of_layers(&qv));
    let others = ["qkv.64", "out.0", "up.0", "down.0"].map(|map| ["a", "b"].map(|part| format!("{map}.lora_{part}")));
    let all: Vec<&str> = qv.into_iter().chain(others.iter().flatten().map(String::as_str)).collect();
    assert_eq!(names(Way::LoraAll)?, of_layers(&all));
    Ok(())
}

#[test]
fn gradients_are_those_of_finite_differences() -> Outcome {
    // The loss is a f32: it is known to 3e-7, and the quotient to 1e-4.
    const STEP: f64 = 4e-3;
    let (batch, mut rng) = (text().batch(1, 0, 2, 9), Rng::new(4));
    for (way, learned) in Way::EVERY.into_iter().zip([false, true].into_iter().cycle()) {
        let base = base(learned)?;
        let run = Options { batch: 2, ..options() }.prepared(SMOOTH, &base, way, &text())?;
        let mut model = run.model;
        // Somewhere where nothing is zero.
        for parameter in model.parameters() {
            parameter.value = rng.normals(parameter.len(), 0.1, 0.1);
        }
        let mut memory = Memory::new(&SMOOTH, &model, [2, 9])?;
        memory.load(&SMOOTH, &batch)?;
        model.gradient(&SMOOTH, &mut memory)?;
        for index in 0..model.parameters().len() {
            let parameter = model.parameters().swap_remove(index);
            let Some(gradient) = parameter.gradient.clone() else { continue };
            let (name, start) = (parameter.name.clone(), parameter.value.clone());
            let direction: Vec<f64> = (0..start.len()).map(|_| rng.normal()).collect();
            let mut moved = |sign: f64| {
                let values = start.iter().zip(&direction).map(|(value, d)| value + (sign * STEP * d) as f32);
                model.parameters().swap_remove(index).value = values.collect();
                Outcome::Ok(f64::from(model.loss(&SMOOTH, &mut memory)?))
            };
            let difference = (moved(1.0)? - moved(-1.0)?) / (2.0 * STEP);
            moved(0.0)?;
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
            let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let error = (slope - difference).abs();
            assert!(error < 2e-2 * length + 1.5e-4, "{way:?}, {name}: {slope}, by differences {difference}");
        }
    }
    Ok(())
}

fn launchers<D: Device>(device: &D, name: &str) -> Outcome<Launchers<D>> {
    let products: Box<dyn Products<D>> = if name == "CUDA" { Box::new(Mma) } else { Box::new(OnCpu) };
    Launchers::new(device.clone(), products)
}

/// Steps on a device have the references' losses, change all that is trained, and leave everything else.
fn steps_are_those_of_the_references<D: Device>(device: &D, name: &str) -> Outcome {
    let text = text();
    for (way, learned) in Way::EVERY.into_iter().zip([false, true, true, false].into_iter().cycle()) {
        let base = base(learned)?;
        let mut reference = options().prepared(ROUNDED, &base, way, &text)?;
        let mut run = options().prepared(launchers(device, name)?, &base, way, &text)?;
        let start = run.checkpoint()?;
        for step in 0..4 {
            let (loss, expected) = (run.step(&text)?, reference.step(&text)?);
            assert!(
                (loss - expected).abs() < 1e-3,
                "{name}, {way:?}, step {step}: {loss}, by the references {expected}"
            );
        }
        // A model that nobody has trained hears little of a prompt.
        assert!(way == Way::Prompt || run.losses[3] < run.losses[0], "{name}, {way:?}: {:?}", run.losses);
        let trained = trained(&mut run);
        for (name, tensor) in run.checkpoint()?.parameters {
            let same = tensor == start.parameters[&name];
            assert_eq!(same, !trained.contains(&name), "{way:?}: {name} {}", if same { "stayed" } else { "moved" });
        }
    }
    Ok(())
}

/// A prefix of the keys and values of earlier positions is as good as these positions: every query sees all of it, and the mask of the
/// rest is as before.
fn a_prefix_is_what_came_before<D: Device>(device: &D, name: &str) -> Outcome {
    let ops = launchers(device, name)?;
    let (prefix, length, width) = (5, 40, HEAD);
    let all = prefix + length;
    let whole = Heads { batch: 1, length: all, heads: 1, prefix: 0, causal: true, rotary: false };
    let part = Heads { length, prefix, ..whole };
    let mut rng = Rng::new(9);
    let rows: Vec<f32> = rng.normals(all * 3 * width, 0.0, 1.0);
    let (before, text) = rows.split_at(prefix * 3 * width);
    let keys: Vec<f32> = before.chunks_exact(3 * width).flat_map(|row| &row[width..]).copied().collect();
    // Nothing comes back from the queries of the first positions.
    let mut grad: Vec<f32> = rng.normals(all * width, 0.0, 1.0);
    grad[..prefix * width].fill(0.0);

    let run = |heads: Heads, qkv: &[f32], keys: Option<&[f32]>, grad: &[f32]| {
        let (mut qkv, mut memory) = (ops.upload(qkv)?, ops.attention_memory(heads)?);
        let keys = keys.map(|keys| ops.upload(keys)).transpose()?;
        let (mut output, mut grad_qkv) = (ops.alloc(heads.rows() * width)?, ops.alloc(heads.rows() * 3 * width)?);
        ops.attention(heads, &mut qkv, keys.as_ref(), &mut memory, &mut output)?;
        let mut grad_prefix = keys.as_ref().map(|_| ops.alloc(prefix * 2 * width)).transpose()?;
        ops.attention_backward(heads, &ops.upload(grad)?, &mut memory, &mut grad_qkv, grad_prefix.as_mut())?;
        let grad_prefix = grad_prefix.map(|grad| ops.read(&grad)).transpose()?;
        Outcome::Ok((ops.read(&output)?, ops.read(&grad_qkv)?, grad_prefix.unwrap_or_default()))
    };
    let (output, grads, _) = run(whole, &rows, None, &grad)?;
    let (text_output, text_grads, prefix_grads) = run(part, text, Some(&keys), &grad[prefix * width..])?;
    let near = |what: &str, got: &[f32], expected: &[f32]| {
        assert_eq!(got.len(), expected.len());
        // Tiles begin elsewhere, so a bf16 may round the other way.
        let far = got.iter().zip(expected).find(|(a, b)| (**a - **b).abs() > 0.01 * b.abs() + 0.01);
        assert!(far.is_none(), "{name}, {what}: {far:?}");
    };
    near("output", &text_output, &output[prefix * width..]);
    near("gradients", &text_grads, &grads[prefix * 3 * width..]);
    let of_keys: Vec<f32> =
        grads[..prefix * 3 * width].chunks_exact(3 * width).flat_map(|row| &row[width..]).copied().collect();
    near("gradients of the prefix", &prefix_grads, &of_keys);
    assert!(prefix_grads.iter().any(|grad| grad.abs() > 0.1), "they say something");
    Ok(())
}

/// A LoRA that is merged is the same model without one.
fn a_merged_lora_is_the_same_model<D: Device>(device: &D, name: &str) -> Outcome {
    let text = text();
    let held_out = text.held_out_batches(4, 32);
    let mut run = options().prepared(launchers(device, name)?, &base(false)?, Way::LoraAll, &text)?;
    let before = run.measure(&held_out[..1])?;
    (0..4).try_for_each(|_| run.step(&text).map(drop))?;
    let after = run.measure(&held_out[..1])?;
    let Run { ops, model, .. } = &mut run;
    for block in &mut model.blocks {
        for map in [&mut block.qkv, &mut block.out, &mut block.up, &mut block.down] {
            map.merge(ops)?;
            assert!(map.adapters.is_empty());
        }
    }
    let merged = run.measure(&held_out[..1])?;
    assert!((merged - after).abs() < 1e-3, "{name}: {merged} merged, {after} before that");
    assert!((before - after).abs() > 2e-2, "{name}: {before} and {after} are all but the same");
    Ok(())
}

#[test]
fn ways_on_devices() {
    struct Ways;

    impl Body for Ways {
        fn run<D: Device>(&self, device: &D, name: &str) {
            let tests =
                [steps_are_those_of_the_references, a_prefix_is_what_came_before, a_merged_lora_is_the_same_model];
            tests.into_iter().for_each(|test| test(device, name).unwrap_or_else(|error| panic!("{name}: {error}")));
        }
    }

    on_one_model(&Ways);
}

/// Everything as a person has it, with little text and few steps.
#[test]
fn the_program_runs_from_start_to_end() -> Outcome {
    let folder = std::env::temp_dir().join(format!("finetune-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (from, words) = (folder.join("base.safetensors"), folder.join("text"));
    base(false)?.save(&from)?;
    std::fs::write(&words, (b'a'..=b'z').cycle().take(90_000).collect::<Vec<u8>>())?;
    let options = Options {
        from: Some(from),
        text: vec![words],
        ways: vec![Way::Prompt, Way::LoraQv],
        steps: 2,
        batch: 1,
        ..options()
    };
    let outcome = options.run(|| Ok(SMOOTH));
    std::fs::remove_dir_all(&folder)?;
    outcome
}
