//! The parts of the model that no kernel does: embeddings, the loss and its gradient, in plain code on the CPU.

use crate::Outcome;
use crate::model::VOCABULARY;
use crate::ops::{Heads, Ops};

/// `stream[row] = tokens[inputs[row]] + positions[row % length]`.
pub fn embed<O: Ops>(
    ops: &O,
    heads: Heads,
    inputs: &[u8],
    (tokens, positions): (&O::Floats, &O::Floats),
    stream: &mut O::Floats,
) -> Outcome {
    let width = heads.width();
    let (tokens, positions) = (ops.read(tokens)?, ops.read(positions)?);
    let mut sums = Vec::with_capacity(inputs.len() * width);
    for (row, &byte) in inputs.iter().enumerate() {
        let token = &tokens[usize::from(byte) * width..][..width];
        let position = &positions[row % heads.length * width..][..width];
        sums.extend(token.iter().zip(position).map(|(token, position)| token + position));
    }
    ops.write(stream, &sums)
}

/// The gradients of both tables: rows of the stream's gradient, added up in order.
pub fn embed_backward<O: Ops>(
    ops: &O,
    heads: Heads,
    inputs: &[u8],
    context: usize,
    grad_stream: &O::Floats,
    (grad_tokens, grad_positions): (&mut O::Floats, &mut O::Floats),
) -> Outcome {
    let width = heads.width();
    let (mut tokens, mut positions) = (vec![0.0; VOCABULARY * width], vec![0.0; context * width]);
    for (row, (&byte, gradient)) in inputs.iter().zip(ops.read(grad_stream)?.chunks_exact(width)).enumerate() {
        let token = &mut tokens[usize::from(byte) * width..][..width];
        let position = &mut positions[row % heads.length * width..][..width];
        for ((token, position), gradient) in token.iter_mut().zip(position).zip(gradient) {
            *token += gradient;
            *position += gradient;
        }
    }
    ops.write(grad_tokens, &tokens)?;
    ops.write(grad_positions, &positions)
}

/// The mean of `-log softmax(logits)[target]` over the rows of `logits: [rows, VOCABULARY]`, in nats.
pub fn loss(logits: &[f32], targets: &[u8]) -> f64 {
    let rows = logits.chunks_exact(VOCABULARY).zip(targets);
    let sum: f64 = rows.map(|(row, &target)| log_sum(row) - f64::from(row[usize::from(target)])).sum();
    sum / targets.len() as f64
}

/// The same, and its gradient in the place of the logits: `(softmax(logits) - onehot(target)) / rows`.
pub fn loss_gradient(logits: &mut [f32], targets: &[u8]) -> f64 {
    let loss = loss(logits, targets);
    let share = 1.0 / targets.len() as f32;
    for (row, &target) in logits.chunks_exact_mut(VOCABULARY).zip(targets) {
        let log_sum = log_sum(row) as f32;
        row.iter_mut().for_each(|logit| *logit = (*logit - log_sum).exp() * share);
        row[usize::from(target)] -= share;
    }
    loss
}

/// `log(sum(exp(row)))`.
fn log_sum(row: &[f32]) -> f64 {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = row.iter().map(|logit| (logit - largest).exp()).sum();
    f64::from(largest) + f64::from(sum).ln()
}
