//! Self-attention with rotary positions and a prefix of keys and values, between tensors in f32.

use half::bf16;
use warpsmith::ops::attention::{self, Backward, Forward, Options};
use warpsmith::ops::rotary::{self, Operand, Pairing, Positions, Rotate};
use warpsmith::{Buffer, Device, Shape, View};

use super::Launchers;
use crate::nn::ops::{HEAD, Heads, Ops, Rows};
use crate::nn::{Outcome, kernels};

/// What an attention keeps, and room for its gradients. Rows of queries, keys and values side by side are
/// `[batch, prefix + length, 3, heads, HEAD]`: the queries of the prefix are nothing.
pub struct Memory<D: Device> {
    qkv: D::Buffer<bf16>,
    /// `[rows, width]`.
    output: D::Buffer<bf16>,
    log_sums: D::Buffer<f32>,
    grad_output: D::Buffer<bf16>,
    /// Of queries, and of keys and values with those of the prefix.
    grads: [D::Buffer<bf16>; 3],
    /// The gradients of the prefix of each text.
    grad_prefixes: Option<D::Buffer<f32>>,
}

impl<D: Device> Memory<D> {
    /// For an attention of these sizes.
    pub fn new(device: &D, heads: Heads) -> Outcome<Self> {
        let (rows, width) = (heads.rows(), heads.width());
        let all = heads.batch * keys(heads) * width;
        let grad_prefixes = match heads.prefix {
            0 => None,
            prefix => Some(device.alloc(heads.batch * prefix * 2 * width)?),
        };
        Ok(Self {
            qkv: device.alloc(3 * all)?,
            output: device.alloc(rows * width)?,
            log_sums: device.alloc(rows * heads.heads)?,
            grad_output: device.alloc(rows * width)?,
            grads: [device.alloc(rows * width)?, device.alloc(all)?, device.alloc(all)?],
            grad_prefixes,
        })
    }
}

/// Keys of a text.
fn keys(heads: Heads) -> usize {
    heads.prefix + heads.length
}

/// Rows without gaps.
fn whole(rows: usize, width: usize) -> Rows {
    Rows { first: 0, group: rows * width, row: width }
}

/// The rows of the text in `[batch, prefix + length, 3 width]`.
fn text(heads: Heads) -> Rows {
    let row = 3 * heads.width();
    Rows { first: heads.prefix * row, group: keys(heads) * row, row }
}

/// The keys and values of the prefix there.
fn prefix(heads: Heads) -> Rows {
    Rows { first: heads.width(), ..text(heads) }
}

/// `[batch, rows, heads, HEAD]` and the strides of queries, keys or values.
fn part(heads: Heads, rows: usize, batch_rows: usize) -> ([usize; 4], [i64; 4]) {
    let row = 3 * heads.width() as i64;
    ([heads.batch, rows, heads.heads, HEAD], [row * batch_rows as i64, row, HEAD as i64, 1])
}

/// Queries, keys and values of an attention, or their gradients, out of one buffer: where each starts.
fn parts(heads: Heads) -> [(usize, [usize; 4], [i64; 4]); 3] {
    let (all, width) = (keys(heads), heads.width());
    let (shape, strides) = part(heads, heads.length, all);
    let (key_shape, key_strides) = part(heads, all, all);
    [(text(heads).first, shape, strides), (width, key_shape, key_strides), (2 * width, key_shape, key_strides)]
}

fn options(heads: Heads) -> Options {
    Options { causal: heads.causal, scale: None }
}

/// Turns the queries and keys of `qkv: [rows, 3, heads, HEAD]`, or their gradients back. A prefix is not turned: it has no position.
fn turn<D: Device>(launchers: &Launchers<D>, heads: Heads, qkv: &mut D::Buffer<f32>, back: bool) -> Outcome {
    if !heads.rotary {
        return Ok(());
    }
    // Queries and keys side by side are twice as many heads, which turn alike.
    let row = 3 * heads.width() as i64;
    let shape = [heads.batch, heads.length, 2 * heads.heads, HEAD];
    let both = qkv.strided_mut(0, shape, [row * heads.length as i64, row, HEAD as i64, 1])?;
    let tensors = Rotate { queries: Operand::InPlace(both), keys: None, positions: Positions::From(0) };
    let (device, frequencies) = (&launchers.device, &launchers.frequencies);
    match back {
        false => rotary::forward(device, tensors, frequencies, Pairing::Half)?,
        true => rotary::backward(device, tensors, frequencies, Pairing::Half)?,
    }
    Ok(())
}

/// See [`Ops::attention`].
pub fn forward<D: Device>(
    launchers: &Launchers<D>,
    heads: Heads,
    qkv: &mut D::Buffer<f32>,
    before: Option<&D::Buffer<f32>>,
    memory: &mut Memory<D>,
    output: &mut D::Buffer<f32>,
) -> Outcome {
    let (device, width) = (&launchers.device, heads.width());
    turn(launchers, heads, qkv, false)?;
    let Memory { qkv: halves, output: attended, log_sums, .. } = memory;
    let shape = [heads.batch, heads.length, 3 * width];
    kernels::to_bf16(device, shape, (qkv, whole(heads.length, 3 * width)), (halves, text(heads)))?;
    if let Some(before) = before {
        // The same for every text.
        let again = Rows { group: 0, ..whole(heads.prefix, 2 * width) };
        let shape = [heads.batch, heads.prefix, 2 * width];
        kernels::to_bf16(device, shape, (before, again), (halves, prefix(heads)))?;
    }
    let view =
        |(first, shape, strides)| -> warpsmith::Result<View<'_, D, bf16>> { halves.strided(first, shape, strides) };
    let [q, k, v] = parts(heads);
    let tensors = Forward {
        q: view(q)?,
        k: view(k)?,
        v: view(v)?,
        o: attended.view_mut(q.1)?,
        lse: Some(log_sums.view_mut([heads.batch, heads.heads, heads.length])?),
    };
    attention::forward(device, tensors, options(heads))?;
    let rows = whole(heads.rows(), width);
    kernels::to_f32(device, [1, heads.rows(), width], (attended, rows), (output, rows))
}

/// The gradient of `qkv`; that of the prefix is left in the memory.
pub fn backward<D: Device>(
    launchers: &Launchers<D>,
    heads: Heads,
    grad_output: &D::Buffer<f32>,
    memory: &mut Memory<D>,
    grad_qkv: &mut D::Buffer<f32>,
) -> Outcome {
    let (device, width) = (&launchers.device, heads.width());
    let Memory { qkv, output, log_sums, grad_output: grad_attended, grads, .. } = memory;
    let rows = whole(heads.rows(), width);
    kernels::to_bf16(device, [1, heads.rows(), width], (grad_output, rows), (grad_attended, rows))?;
    let [q, k, v] = parts(heads);
    launchers.with_workspace(attention::backward_workspace_bytes(Shape::from(q.1)), |workspace| {
        let len = workspace.len();
        let view =
            |(first, shape, strides)| -> warpsmith::Result<View<'_, D, bf16>> { qkv.strided(first, shape, strides) };
        let [grad_q, grad_k, grad_v] = &mut *grads;
        let tensors = Backward {
            q: view(q)?,
            k: view(k)?,
            v: view(v)?,
            o: output.view(q.1)?,
            lse: log_sums.view([heads.batch, heads.heads, heads.length])?,
            grad_o: grad_attended.view(q.1)?,
            grad_q: grad_q.view_mut(q.1)?,
            grad_k: grad_k.view_mut(k.1)?,
            grad_v: grad_v.view_mut(v.1)?,
            workspace: workspace.view_mut([len])?,
        };
        Ok(attention::backward(device, tensors, options(heads))?)
    })?;
    let row = 3 * width;
    for (index, (grad, before)) in grads.iter().zip([0, heads.prefix, heads.prefix]).enumerate() {
        let from = Rows { first: before * width, ..whole(before + heads.length, width) };
        let side_by_side = Rows { first: index * width, group: heads.length * row, row };
        kernels::to_f32(device, [heads.batch, heads.length, width], (grad, from), (grad_qkv, side_by_side))?;
    }
    turn(launchers, heads, grad_qkv, true)
}

/// The gradient of the prefix, after [`backward`]: added up over the texts.
pub fn prefix_backward<D: Device>(
    launchers: &Launchers<D>,
    heads: Heads,
    memory: &mut Memory<D>,
    grad_prefix: &mut D::Buffer<f32>,
) -> Outcome {
    let (width, shape) = (heads.width(), [heads.batch, heads.prefix, 2 * heads.width()]);
    let each = memory.grad_prefixes.as_mut().ok_or("an attention without a prefix")?;
    for (index, grad) in memory.grads[1..].iter().enumerate() {
        let side_by_side = Rows { first: index * width, ..whole(heads.prefix, 2 * width) };
        let from = whole(keys(heads), width);
        kernels::to_f32(&launchers.device, [heads.batch, heads.prefix, width], (grad, from), (each, side_by_side))?;
    }
    launchers.sum_over_batch(shape, each, grad_prefix)
}
