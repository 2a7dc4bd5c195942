//! SoftmaxCrossEntropyLoss. Its classes are dimension 1; the kernels have them last, as language models do, so the host moves them there.
//! The optional `log_prob` is the logarithm of the softmax.

use warpsmith::ops::cross_entropy::{self, Logits, Options, Reduction, workspace_bytes};
use warpsmith::ops::softmax::{self, Io};
use warpsmith::reference::{cross_entropy as reference, softmax as softmax_reference};
use warpsmith::{Buffer, Device};

use crate::cases::{Case, Operator, blank, every_test, read};

struct SoftmaxCrossEntropyLoss;

/// The place in `[rows, classes]` of each element of `[batch, classes, ..]`.
fn rows_first(shape: &[usize]) -> Vec<usize> {
    let (classes, inner) = (shape[1], shape[2..].iter().product::<usize>());
    let place = |index: usize| {
        let (batch, class, rest) = (index / inner / classes, index / inner % classes, index % inner);
        (batch * inner + rest) * classes + class
    };
    (0..shape.iter().product()).map(place).collect()
}

impl Operator for SoftmaxCrossEntropyLoss {
    const NAME: &'static str = "SoftmaxCrossEntropyLoss";
    const TESTS: usize = 34;

    fn run<D: Device>(case: &Case, device: &D, name: &str) {
        let (x, targets) = (&case.inputs[0], case.inputs[1].i64());
        let (width, rows, places) = (x.shape[1], targets.len(), rows_first(&x.shape));
        let mut values = vec![f32::NAN; x.f32().len()];
        places.iter().zip(x.f32()).for_each(|(&place, &value)| values[place] = value);
        let weight = case.inputs.get(2);
        let options = Options {
            reduction: match case.text("reduction", "mean") {
                "none" => Reduction::None,
                "sum" => Reduction::Sum,
                "mean" => Reduction::Mean,
                other => panic!("{other}"),
            },
            ignore_index: case.integer("ignore_index", Options::default().ignore_index),
            ..Options::default()
        };

        let logits = device.upload(&values).unwrap();
        let ids = device.upload(targets).unwrap();
        let weights = weight.map(|weight| weight.upload(device));
        let losses = if options.reduction == Reduction::None { rows } else { 1 };
        let mut loss = blank(device, losses);
        let bytes = workspace_bytes([rows, width], options.reduction);
        let mut workspace = device.alloc::<u8>(bytes).unwrap();
        let tensors = cross_entropy::Forward {
            logits: Logits::Apart { logits: logits.view([rows, width]).unwrap(), gradient: None },
            targets: ids.view([rows]).unwrap(),
            weight: weights.as_ref().map(|weights| weights.view([width]).unwrap()),
            loss: Some(loss.view_mut([losses]).unwrap()),
            lse: None,
            totals: None,
            grad_loss: None,
            workspace: Some(workspace.view_mut([bytes]).unwrap()),
        };
        cross_entropy::forward(device, tensors, &options).expect("cross_entropy::forward");
        let wide: Vec<f64> = values.iter().copied().map(f64::from).collect();
        let labels =
            reference::Labels { targets, weight: weight.map(|weight| weight.f32()), grad_loss: &vec![1.0; losses] };
        let oracle = reference::forward(&wide, &labels, &options, width);
        case.judge(name, &case.outputs[0].0, &read(device, &loss), &oracle.loss);

        if case.outputs.len() == 2 {
            let mut logarithms = blank(device, values.len());
            let io = Io::Apart {
                from: logits.view([rows, width]).unwrap(),
                to: logarithms.view_mut([rows, width]).unwrap(),
            };
            let options = softmax::Options { logarithm: true, ..softmax::Options::default() };
            softmax::forward(device, softmax::Forward { io, mask: None }, &options).expect("softmax::forward");
            let (got, oracle) = (read(device, &logarithms), softmax_reference::log_forward(&wide, width));
            let got: Vec<f32> = places.iter().map(|&place| got[place]).collect();
            let oracle: Vec<f64> = places.iter().map(|&place| oracle[place]).collect();
            case.judge(name, "log_prob", &got, &oracle);
        }
    }
}

#[test]
fn losses_and_logarithms_of_probabilities() {
    every_test::<SoftmaxCrossEntropyLoss>();
}
