//! LayerNormalization and RMSNormalization. They normalise over all dimensions from `axis` on: a view with these as one is what the kernels take.

use warpsmith::ops::layer_norm::{self, Statistics};
use warpsmith::ops::rms_norm::{self, Casting};
use warpsmith::reference::{layer_norm as layer_norm_reference, rms_norm as rms_norm_reference};
use warpsmith::{Buffer, Device};

use crate::cases::{Case, Operator, blank, every_test, read};

/// `[rows, width]` of what is normalised, and epsilon.
fn problem(case: &Case) -> ([usize; 2], f32) {
    let shape = &case.inputs[0].shape;
    let axis = case.integer("axis", -1);
    let axis = if axis < 0 { shape.len() as i64 + axis } else { axis } as usize;
    let epsilon = case.attribute("epsilon").map_or(1e-5, |epsilon| epsilon.as_f64().expect("a number") as f32);
    let extents = [shape[..axis].iter().product(), shape[axis..].iter().product()];
    assert!(case.inputs[1..].iter().all(|tensor| tensor.shape == shape[axis..]), "{}: another weight", case.name);
    (extents, epsilon)
}

struct LayerNormalization;

impl Operator for LayerNormalization {
    const NAME: &'static str = "LayerNormalization";
    const TESTS: usize = 19;

    fn run<D: Device>(case: &Case, device: &D, name: &str) {
        let ([rows, width], epsilon) = problem(case);
        let [x, weight, bias] = case.inputs();
        let (input, w, b) = (x.upload(device), weight.upload(device), bias.upload(device));
        let (mut output, mut mean, mut rstd) = (blank(device, rows * width), blank(device, rows), blank(device, rows));
        let tensors = layer_norm::Forward {
            input: input.view([rows, width]).unwrap(),
            residual: None,
            weight: Some(w.view([width]).unwrap()),
            bias: Some(b.view([width]).unwrap()),
            output: output.view_mut([rows, width]).unwrap(),
            statistics: Some(Statistics { mean: mean.view_mut([rows]).unwrap(), rstd: rstd.view_mut([rows]).unwrap() }),
        };
        layer_norm::forward(device, tensors, epsilon).expect("layer_norm::forward");
        let (weight, bias) = (weight.wide(), bias.wide());
        let oracle = layer_norm_reference::forward(&x.wide(), Some(&weight), Some(&bias), width, epsilon.into());
        case.judge(name, "Y", &read(device, &output), &oracle.output);
        case.judge(name, "Mean", &read(device, &mean), &oracle.mean);
        case.judge(name, "InvStdDev", &read(device, &rstd), &oracle.rstd);
    }
}

#[test]
fn layer_normalization_from_every_axis() {
    every_test::<LayerNormalization>();
}

struct RmsNormalization;

impl Operator for RmsNormalization {
    const NAME: &'static str = "RMSNormalization";
    const TESTS: usize = 19;

    fn run<D: Device>(case: &Case, device: &D, name: &str) {
        let ([rows, width], epsilon) = problem(case);
        let [x, weight] = case.inputs();
        let (input, w, mut output) = (x.upload(device), weight.upload(device), blank(device, rows * width));
        let tensors = rms_norm::Forward {
            input: input.view([rows, width]).unwrap(),
            residual: None,
            weight: Some(w.view([width]).unwrap()),
            output: output.view_mut([rows, width]).unwrap(),
            rstd: None,
        };
        rms_norm::forward(device, tensors, epsilon, Casting::None).expect("rms_norm::forward");
        let oracle = rms_norm_reference::forward(&x.wide(), Some(&weight.wide()), 0.0, width, epsilon.into());
        case.judge(name, "Y", &read(device, &output), &oracle.output);
    }
}

#[test]
fn rms_normalization_from_every_axis() {
    every_test::<RmsNormalization>();
}
