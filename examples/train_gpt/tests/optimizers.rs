//! Every optimizer by itself, over a list of a matrix and a vector: its first step is known by hand, and its steps on a device are those of the
//! references, bit for bit.

use clap::ValueEnum;
use warpsmith::Device;

use super::devices::{Body, on_one_model};
use super::runs::{launchers, scratch};
use crate::nn::Outcome;
use crate::nn::checkpoint::Checkpoint;
use crate::nn::config::Config;
use crate::nn::data::Rng;
use crate::nn::ops::Ops;
use crate::nn::optimizer::{Kind, List, Recipe, Saved};
use crate::nn::parameters::{Tensor, Tensors};
use crate::nn::reference::Reference;

/// Neither a whole number of blocks.
const SHAPES: [&[usize]; 2] = [&[23, 40], &[300]];
const DECAYS: [f32; 2] = [0.1, 0.0];
const RATE: f32 = 0.01;

/// Numbers for the whole list.
fn drawn(seed: u64, deviation: f64) -> [Vec<f32>; 2] {
    let mut rng = Rng::new(seed);
    SHAPES.map(|shape| rng.normals(shape.iter().product(), 0.0, deviation))
}

/// The parameters after steps with these gradients, and what the optimizer knows then; from nothing or from where another one stood.
fn after<O: Ops>(
    ops: &O,
    recipe: Recipe,
    (parameters, saved): (&[Vec<f32>; 2], Option<&Saved>),
    steps: &[[Vec<f32>; 2]],
) -> Outcome<([Vec<f32>; 2], Saved)> {
    let [mut matrix, mut vector] = [ops.upload(&parameters[0])?, ops.upload(&parameters[1])?];
    let [mut of_matrix, mut of_vector] = [ops.alloc(parameters[0].len())?, ops.alloc(parameters[1].len())?];
    let mut list = List {
        parameters: vec![&mut matrix, &mut vector],
        gradients: vec![&mut of_matrix, &mut of_vector],
        decays: DECAYS.to_vec(),
    };
    let mut optimizer = ops.optimizer(&recipe, &mut list, saved)?;
    for gradients in steps {
        for (to, gradient) in list.gradients.iter_mut().zip(gradients) {
            ops.write(to, gradient)?;
        }
        ops.optimizer_step(&mut optimizer, &mut list, RATE)?;
    }
    let saved = ops.optimizer_saved(&optimizer)?;
    Ok(([ops.read(&matrix)?, ops.read(&vector)?], saved))
}

/// What a file of a run with this list holds.
fn through_a_file(parameters: &[Vec<f32>; 2], saved: Saved, name: &str) -> Outcome<Saved> {
    let names = ["matrix", "vector"].map(str::to_owned);
    let tensor = |i: usize| Tensor { shape: SHAPES[i].to_vec(), values: parameters[i].clone() };
    let checkpoint = Checkpoint {
        config: Config::default(),
        parameters: (0..2).map(|i| (names[i].clone(), tensor(i))).collect::<Tensors>(),
        optimizer: Some((names.to_vec(), saved)),
        losses: vec![5.0, 4.0],
        held_out: vec![(1, 4.5)],
    };
    let file = scratch(&format!("{name}.optimizer.safetensors"));
    checkpoint.save(&file)?;
    let loaded = Checkpoint::load(&file);
    std::fs::remove_file(&file)?;
    let loaded = loaded?;
    assert_eq!(loaded, checkpoint, "{name}");
    Ok(loaded.optimizer.ok_or("it had states")?.1)
}

fn steps_are_those_of_the_references<D: Device>(device: &D, name: &str, kind: Kind) -> Outcome {
    let (ops, reference) = (launchers(device, name)?, Reference { rounded: true });
    // Gradients of a norm of about 35: the first limit makes them smaller.
    let steps: Vec<_> = (0..5).map(|step| drawn(10 + step, 1.0)).collect();
    for max_norm in [1.0, 1e3] {
        let recipe = Recipe { kind, max_norm };
        let start = (&drawn(1, 0.05), None);
        let whole = after(&ops, recipe, start, &steps)?;
        assert_eq!(whole, after(&reference, recipe, start, &steps)?, "{name}, norm {max_norm}");
        let (parameters, saved) = after(&ops, recipe, start, &steps[..2])?;
        let saved = through_a_file(&parameters, saved, &format!("{name}-{kind:?}"))?;
        assert_eq!((saved.steps, whole.1.steps), (2, 5));
        let rest = after(&ops, recipe, (&parameters, Some(&saved)), &steps[2..])?;
        assert_eq!(rest, whole, "{name}, norm {max_norm}: from a file");
        let rest = after(&reference, recipe, (&parameters, Some(&saved)), &steps[2..])?;
        assert_eq!(rest, whole, "{name}, norm {max_norm}: the references from a file");
    }
    // A step whose gradients are not finite does nothing.
    let mut bad = drawn(2, 1.0);
    bad[1][7] = f32::NAN;
    let recipe = Recipe { kind, max_norm: 1.0 };
    let skipped = [steps[0].clone(), bad, steps[1].clone()];
    let expected = after(&ops, recipe, (&drawn(1, 0.05), None), &steps[..2])?;
    assert_eq!(after(&ops, recipe, (&drawn(1, 0.05), None), &skipped)?, expected, "{name}: skipped");
    assert_eq!(after(&reference, recipe, (&drawn(1, 0.05), None), &skipped)?, expected, "the references: skipped");
    Ok(())
}

/// The first update is the sign of the gradient and, of the matrix, its decay; LAMB makes it as long as the matrix, and bitsandbytes' AdamW
/// lets parameters decay last.
fn the_first_step_is_known<D: Device>(device: &D, name: &str, kind: Kind) -> Outcome {
    // No gradient is so small that an epsilon is seen.
    let gradients = drawn(2, 1.0).map(|gradient| gradient.into_iter().map(|g| g + g.signum()).collect());
    let (parameters, recipe) = (drawn(1, 0.05), Recipe { kind, max_norm: 1e3 });
    let (moved, saved) =
        after(&launchers(device, name)?, recipe, (&parameters, None), std::slice::from_ref(&gradients))?;
    let length = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    for i in 0..2 {
        let (rate, decay): (f64, f64) = (RATE.into(), DECAYS[i].into());
        let old: Vec<f64> = parameters[i].iter().map(|&p| p.into()).collect();
        let signs = gradients[i].iter().map(|&g| f64::from(g.signum()));
        let updates: Vec<f64> = signs.clone().zip(&old).map(|(sign, p)| sign + decay * p).collect();
        let expected: Vec<f64> = match kind {
            Kind::AdamW8bit => signs.zip(&old).map(|(sign, p)| (p - rate * sign) * (1.0 - rate * decay)).collect(),
            _ => {
                let lamb = matches!(kind, Kind::Lamb | Kind::Lamb8bit) && decay > 0.0;
                let ratio = if lamb { length(&old) / length(&updates) } else { 1.0 };
                updates.iter().zip(&old).map(|(update, p)| p - rate * ratio * update).collect()
            }
        };
        for (new, expected) in moved[i].iter().zip(expected) {
            assert!((f64::from(*new) - expected).abs() < 1e-6, "{name}, tensor {i}: {new}, {expected} expected");
        }
    }
    // Two moments, of Lion one; of 4 bytes or of one, and 4 for each 256 of an element's.
    let elements: usize = parameters.iter().map(Vec::len).sum();
    let blocks: usize = parameters.iter().map(|values| values.len().div_ceil(256)).sum();
    let (floats, codes) = (4 * elements, elements + 4 * blocks);
    let bytes = match kind {
        Kind::AdamW | Kind::Lamb => 2 * floats,
        Kind::AdamW8bit | Kind::Lamb8bit => 2 * codes,
        Kind::Lion => floats,
        Kind::Lion8bit => codes,
    };
    assert_eq!(saved.bytes(), bytes);
    Ok(())
}

#[test]
fn optimizers_make_the_steps_that_they_should() {
    struct Steps(Kind);

    impl Body for Steps {
        fn run<D: Device>(&self, device: &D, name: &str) {
            let (kind, tests) = (self.0, [the_first_step_is_known, steps_are_those_of_the_references]);
            for test in tests {
                test(device, name, kind).unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
            }
        }
    }

    Kind::value_variants().iter().for_each(|&kind| on_one_model(&Steps(kind)));
}
