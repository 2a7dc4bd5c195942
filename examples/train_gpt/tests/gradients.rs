//! Gradients against finite differences, of every kind of model and of every way to train a part of it.

use crate::nn::Outcome;
use crate::nn::config::Config;
use crate::nn::data::Rng;
use crate::nn::layers::{Activation, NormKind};
use crate::nn::model::{Architecture, Memory, Positions, Transformer};
use crate::nn::parameters::{Tensors, Values};
use crate::nn::reference::Reference;
use crate::nn::text::Batch;

const OPS: Reference = Reference { rounded: false };

/// Two texts of nine bytes.
fn batch() -> Batch {
    Batch { inputs: b"hello world how ar".to_vec(), targets: b"ello world how are".to_vec() }
}

/// The loss of a model with these tensors.
fn loss(architecture: Architecture, tensors: &Tensors) -> Outcome<f64> {
    let model = Transformer::new(&OPS, architecture, Values::Saved(tensors))?;
    let mut memory = Memory::new(&OPS, &model, [2, 9])?;
    memory.load(&OPS, &batch())?;
    Ok(model.loss(&OPS, &mut memory)?.into())
}

fn gradients_are_those_of_finite_differences(architecture: Architecture) -> Outcome {
    // The loss is a f32: it is known to 3e-7, and the quotient to 1e-4.
    const STEP: f64 = 4e-3;
    let mut rng = Rng::new(5);
    let mut tensors = Transformer::new(&OPS, architecture, Values::Drawn(Rng::new(1)))?.tensors(&OPS)?;
    for tensor in tensors.values_mut() {
        tensor.values = rng.normals(tensor.values.len(), 0.1, 0.1);
    }
    let mut model = Transformer::new(&OPS, architecture, Values::Saved(&tensors))?;
    model.train(&OPS, |_| true)?;
    let mut memory = Memory::new(&OPS, &model, [2, 9])?;
    memory.load(&OPS, &batch())?;
    model.gradient(&OPS, &mut memory)?;
    for parameter in model.parameters() {
        let (name, gradient) = (&parameter.name, parameter.gradient.as_ref().ok_or("it is trained")?);
        let direction: Vec<f64> = rng.normals::<f32>(gradient.len(), 0.0, 1.0).into_iter().map(f64::from).collect();
        let moved = |sign: f64| {
            let mut tensors = tensors.clone();
            let values = &mut tensors.get_mut(name).ok_or("it was there")?.values;
            values.iter_mut().zip(&direction).for_each(|(value, d)| *value += (sign * STEP * d) as f32);
            loss(architecture, &tensors)
        };
        let difference = (moved(1.0)? - moved(-1.0)?) / (2.0 * STEP);
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
        let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!((slope - difference).abs() < 2e-2 * length + 1e-4, "{name}: {slope}, by differences {difference}");
    }
    Ok(())
}

#[test]
fn gradients_are_right_in_models_of_every_kind() -> Outcome {
    let architecture = Architecture { layers: 2, heads: 2, context: 9, ..Config::default().architecture };
    gradients_are_those_of_finite_differences(architecture)?;
    let (positions, norm, activation) = (Positions::Learned, NormKind::Layer, Activation::Gelu);
    let other = Architecture { positions, norm, activation, causal: false, ..architecture };
    gradients_are_those_of_finite_differences(other)?;
    for activation in [Activation::Geglu, Activation::Silu, Activation::QuickGelu] {
        gradients_are_those_of_finite_differences(Architecture { layers: 1, heads: 1, activation, ..architecture })?;
    }
    Ok(())
}
