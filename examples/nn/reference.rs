//! The model's computations by the references of `warpsmith::reference`, in f64 and rounded where the kernels store.

use half::bf16;
use warpsmith::ops::cross_entropy::Options;
use warpsmith::ops::gelu::Form;
use warpsmith::reference::cross_entropy::Labels;
use warpsmith::reference::embedding::Lookup;
use warpsmith::reference::rotary::{Angles, Rotation};
use warpsmith::reference::{
    activation, attention, cross_entropy, dropout, embedding, gelu, layer_norm, mask_tokens, rms_norm, widen,
};

use self::optimizer::Optimizer;
use super::Outcome;
use super::launchers::masking;
use super::layers::Activation;
use super::ops::{Draw, EPSILON, HEAD, Heads, IGNORED, NormBackward, NormForward, Ops, ROTARY_BASE, Rows};
use super::optimizer::{List, Recipe, Saved};
use super::product::{self, Product};

mod optimizer;

/// Computes on the CPU, by the formulas.
#[derive(Clone, Copy)]
pub struct Reference {
    /// Rounds to bf16 where attention on a device does. Without it the loss is smooth, and finite differences mean something.
    pub rounded: bool,
}

/// What the attention got, as bf16 has it.
#[derive(Default)]
pub struct Attention {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
}

impl Ops for Reference {
    type Floats = Vec<f32>;
    type Ids = Vec<i32>;
    type Random = [u64; 2];
    type Attention = Attention;
    type Optimizer = Optimizer;

    fn alloc(&self, len: usize) -> Outcome<Vec<f32>> {
        Ok(vec![f32::NAN; len])
    }

    fn upload(&self, values: &[f32]) -> Outcome<Vec<f32>> {
        Ok(values.to_vec())
    }

    fn write(&self, to: &mut Vec<f32>, values: &[f32]) -> Outcome {
        to.copy_from_slice(values);
        Ok(())
    }

    fn read(&self, from: &Vec<f32>) -> Outcome<Vec<f32>> {
        Ok(from.clone())
    }

    fn upload_ids(&self, ids: &[i32]) -> Outcome<Vec<i32>> {
        Ok(ids.to_vec())
    }

    fn write_ids(&self, to: &mut Vec<i32>, ids: &[i32]) -> Outcome {
        to.copy_from_slice(ids);
        Ok(())
    }

    fn read_ids(&self, from: &Vec<i32>) -> Outcome<Vec<i32>> {
        Ok(from.clone())
    }

    fn random(&self, seed: u64, offset: u64) -> Outcome<[u64; 2]> {
        Ok([seed, offset])
    }

    fn reseed(&self, random: &mut [u64; 2], seed: u64, offset: u64) -> Outcome {
        *random = [seed, offset];
        Ok(())
    }

    fn product(&self, product: &Product, a: &Vec<f32>, b: &Vec<f32>, c: &mut Vec<f32>) -> Outcome {
        product::on_cpu(product, a, b, c)
    }

    fn copy(
        &self,
        [groups, rows, width]: [usize; 3],
        (source, from): (&Vec<f32>, Rows),
        (target, to): (&mut Vec<f32>, Rows),
    ) -> Outcome {
        for (group, row) in (0..groups).flat_map(|group| (0..rows).map(move |row| (group, row))) {
            let place = |rows: Rows| rows.first + group * rows.group + row * rows.row;
            target[place(to)..][..width].copy_from_slice(&source[place(from)..][..width]);
        }
        Ok(())
    }

    fn sum_over_batch(&self, [batch, rows, width]: [usize; 3], of: &Vec<f32>, sum: &mut Vec<f32>) -> Outcome {
        let ids: Vec<i64> = (0..batch).flat_map(|_| 0..rows as i64).collect();
        let of = widen(&of[..batch * rows * width]);
        *sum = narrow(&embedding::backward(&of, &ids, &vec![0.0; sum.len()], width, None));
        Ok(())
    }

    fn embed(
        &self,
        [batch, length, width]: [usize; 3],
        ids: &Vec<i32>,
        (tokens, positions): (&Vec<f32>, Option<&Vec<f32>>),
        output: &mut Vec<f32>,
    ) -> Outcome {
        let (ids, counted) = (wide(ids), (0..batch).flat_map(|_| 0..length as i64).collect::<Vec<_>>());
        let (tokens, positions) = (widen(tokens), positions.map(|positions| widen(positions)));
        let mut lookups = vec![Lookup { table: &tokens, ids: &ids }];
        lookups.extend(positions.iter().map(|table| Lookup { table, ids: &counted }));
        let rows = narrow(&embedding::forward(&lookups, width));
        output[..rows.len()].copy_from_slice(&rows);
        Ok(())
    }

    fn embed_backward(
        &self,
        [batch, length, width]: [usize; 3],
        ids: &Vec<i32>,
        grad_output: &Vec<f32>,
        grad_tokens: &mut Vec<f32>,
    ) -> Outcome {
        let grad_output = widen(&grad_output[..batch * length * width]);
        let zeros = vec![0.0; grad_tokens.len()];
        *grad_tokens = narrow(&embedding::backward(&grad_output, &wide(ids), &zeros, width, None));
        Ok(())
    }

    fn norm(&self, [_, width]: [usize; 2], tensors: NormForward<'_, Vec<f32>>) -> Outcome {
        let NormForward { input, residual, weights, output, statistics } = tensors;
        let x = match residual {
            Some((residual, sum)) => {
                *sum = input.iter().zip(residual).map(|(a, b)| a + b).collect();
                widen(sum)
            }
            None => widen(input),
        };
        let weight = widen(weights.weight);
        match weights.bias {
            Some(bias) => {
                let result = layer_norm::forward(&x, Some(&weight), Some(&widen(bias)), width, EPSILON.into());
                *output = narrow(&result.output);
                (statistics.mean, statistics.rstd) = (narrow(&result.mean), narrow(&result.rstd));
            }
            None => {
                let result = rms_norm::forward(&x, Some(&weight), 0.0, width, EPSILON.into());
                (*output, statistics.rstd) = (narrow(&result.output), narrow(&result.rstd));
            }
        }
        Ok(())
    }

    fn norm_backward(&self, [_, width]: [usize; 2], tensors: NormBackward<'_, Vec<f32>>) -> Outcome {
        let (grad_output, input, weight) =
            (widen(tensors.grad_output), widen(tensors.input), widen(tensors.weights.weight));
        let grad_stream = tensors.grad_stream.map(|grad| widen(grad));
        let grad_stream = grad_stream.as_deref();
        let (grad_input, grad_weight, grad_bias) = match tensors.weights.bias {
            Some(_) => {
                let epsilon = EPSILON.into();
                let result = layer_norm::backward(&grad_output, &input, Some(&weight), grad_stream, width, epsilon);
                (result.input, result.weight, result.bias)
            }
            None => {
                let sizes = (width, EPSILON.into());
                let result = rms_norm::backward(&grad_output, &input, Some(&weight), 0.0, grad_stream, sizes);
                (result.input, result.weight, Vec::new())
            }
        };
        *tensors.grad_input = narrow(&grad_input);
        if let Some(gradient) = tensors.grad_weight {
            *gradient = narrow(&grad_weight);
        }
        if let Some(gradient) = tensors.grad_bias {
            *gradient = narrow(&grad_bias);
        }
        Ok(())
    }

    fn activation(
        &self,
        activation: Activation,
        [_, hidden]: [usize; 2],
        (raised, bias): (&Vec<f32>, Option<&Vec<f32>>),
        output: &mut Vec<f32>,
    ) -> Outcome {
        let [gate, up] = halves(&widen(raised), hidden, activation.gated());
        *output = narrow(&match activation.function() {
            Some(function) => activation::forward(function, &gate, activation.gated().then_some(&*up)),
            None => gelu::forward(Form::Tanh, &gate, bias.map(|bias| widen(bias)).as_deref()),
        });
        Ok(())
    }

    fn activation_backward(
        &self,
        activation: Activation,
        [_, hidden]: [usize; 2],
        grad_output: &Vec<f32>,
        (raised, bias): (&Vec<f32>, Option<&Vec<f32>>),
        (grad_raised, grad_bias): (&mut Vec<f32>, Option<&mut Vec<f32>>),
    ) -> Outcome {
        let (grad_output, [gate, up]) = (widen(grad_output), halves(&widen(raised), hidden, activation.gated()));
        let Some(function) = activation.function() else {
            let result =
                gelu::backward(Form::Tanh, &grad_output, &gate, bias.map(|bias| widen(bias)).as_deref(), hidden);
            *grad_raised = narrow(&result.input);
            if let Some(gradient) = grad_bias {
                *gradient = narrow(&result.bias);
            }
            return Ok(());
        };
        let result = activation::backward(function, &grad_output, &gate, activation.gated().then_some(&*up));
        *grad_raised = match activation.gated() {
            true => {
                let rows = result.input.chunks(hidden).zip(result.up.chunks(hidden));
                rows.flat_map(|(gate, up)| narrow(&[gate, up].concat())).collect()
            }
            false => narrow(&result.input),
        };
        Ok(())
    }

    fn dropout(
        &self,
        _shape: [usize; 2],
        draw: Draw<'_, [u64; 2]>,
        (input, residual): (&Vec<f32>, &Vec<f32>),
        sum: &mut Vec<f32>,
    ) -> Outcome {
        let mask = mask(&draw, input.len());
        *sum = narrow(&dropout::forward(&mask, draw.probability, &widen(input), Some(&widen(residual))));
        Ok(())
    }

    fn dropout_backward(
        &self,
        [rows, width]: [usize; 2],
        draw: Draw<'_, [u64; 2]>,
        grad_sum: &Vec<f32>,
        grad_input: &mut Vec<f32>,
    ) -> Outcome {
        let mask = mask(&draw, rows * width);
        let gradient = narrow(&dropout::forward(&mask, draw.probability, &widen(grad_sum), None));
        grad_input[..gradient.len()].copy_from_slice(&gradient);
        Ok(())
    }

    fn attention_memory(&self, _heads: Heads) -> Outcome<Attention> {
        Ok(Attention::default())
    }

    fn attention(
        &self,
        heads: Heads,
        qkv: &mut Vec<f32>,
        prefix: Option<&Vec<f32>>,
        memory: &mut Attention,
        output: &mut Vec<f32>,
    ) -> Outcome {
        turn(heads, qkv, false);
        let width = heads.width();
        let columns = |rows: &[f32], row: usize, i: usize| -> Vec<f64> {
            let rows = rows.chunks_exact(row * width);
            rows.flat_map(|row| &row[i * width..][..width]).map(|&x| self.half(x)).collect()
        };
        // Keys or values of the prefix, then those of the text, for each text.
        let keys = |i: usize| {
            let before = prefix.map_or(Vec::new(), |prefix| columns(prefix, 2, i - 1));
            qkv.chunks_exact(heads.length * 3 * width)
                .flat_map(|text| [&*before, &columns(text, 3, i)].concat())
                .collect()
        };
        *memory = Attention { q: columns(qkv, 3, 0), k: keys(1), v: keys(2) };
        let result = attention::forward(&problem(heads), &memory.q, &memory.k, &memory.v);
        *output = result.o.iter().map(|&x| self.half(x as f32) as f32).collect();
        Ok(())
    }

    fn attention_backward(
        &self,
        heads: Heads,
        grad_output: &Vec<f32>,
        memory: &mut Attention,
        grad_qkv: &mut Vec<f32>,
        grad_prefix: Option<&mut Vec<f32>>,
    ) -> Outcome {
        let grad_output: Vec<f64> = grad_output.iter().map(|&x| self.half(x)).collect();
        let result = attention::backward(&problem(heads), &memory.q, &memory.k, &memory.v, &grad_output);
        let (width, prefix) = (heads.width(), heads.prefix);
        let all = prefix + heads.length;
        // A row of a text, counted with the prefix, of queries, keys or values.
        let row = |part: usize, text: usize, row: usize| -> Vec<f32> {
            let (gradients, at) = match part {
                0 => (&result.dq, text * heads.length + row - prefix),
                1 => (&result.dk, text * all + row),
                _ => (&result.dv, text * all + row),
            };
            gradients[at * width..][..width].iter().map(|&x| self.half(x as f32) as f32).collect()
        };
        let places = (0..heads.batch).flat_map(|text| (prefix..all).map(move |place| (text, place)));
        *grad_qkv = places.flat_map(|(text, place)| [0, 1, 2].map(|part| row(part, text, place)).concat()).collect();
        turn(heads, grad_qkv, true);
        if let Some(gradient) = grad_prefix {
            let places = (0..heads.batch).flat_map(|text| (0..prefix).map(move |place| (text, place)));
            let each: Vec<f32> =
                places.flat_map(|(text, place)| [1, 2].map(|part| row(part, text, place)).concat()).collect();
            self.sum_over_batch([heads.batch, prefix, 2 * width], &each, gradient)?;
        }
        Ok(())
    }

    fn mask_tokens(&self, draw: Draw<'_, [u64; 2]>, ids: &mut Vec<i32>, targets: &mut Vec<i32>) -> Outcome {
        let ([seed, offset], options) = (*draw.state, masking(draw.probability));
        let result = mask_tokens::forward(seed, offset.wrapping_add(draw.offset), &wide(ids), None, &options)?;
        let narrow = |ids: Vec<i64>| ids.into_iter().map(|id| id as i32).collect();
        (*ids, *targets) = (narrow(result.output), narrow(result.labels));
        Ok(())
    }

    fn cross_entropy(
        &self,
        [_, classes]: [usize; 2],
        logits: &mut Vec<f32>,
        targets: &Vec<i32>,
        loss: &mut Vec<f32>,
        gradient: bool,
    ) -> Outcome {
        let options = Options { ignore_index: IGNORED.into(), ..Options::default() };
        let labels = Labels { targets: &wide(targets), weight: None, grad_loss: &[1.0] };
        let result = cross_entropy::forward(&widen(logits), &labels, &options, classes);
        *loss = narrow(&result.loss);
        if gradient {
            *logits = narrow(&result.gradient);
        }
        Ok(())
    }

    fn optimizer(&self, recipe: &Recipe, list: &mut List<'_, Vec<f32>>, saved: Option<&Saved>) -> Outcome<Optimizer> {
        Optimizer::new(recipe, list, saved)
    }

    fn optimizer_step(&self, optimizer: &mut Optimizer, list: &mut List<'_, Vec<f32>>, rate: f32) -> Outcome {
        optimizer.step(list, rate);
        Ok(())
    }

    fn optimizer_saved(&self, optimizer: &Optimizer) -> Outcome<Saved> {
        Ok(optimizer.saved())
    }
}

/// What dropout keeps of so many elements.
fn mask(draw: &Draw<'_, [u64; 2]>, len: usize) -> Vec<bool> {
    let [seed, offset] = *draw.state;
    dropout::mask(seed, offset.wrapping_add(draw.offset), draw.probability, len)
}

fn problem(heads: Heads) -> attention::Problem {
    attention::Problem {
        batch: heads.batch,
        queries: heads.length,
        keys: heads.prefix + heads.length,
        heads: heads.heads,
        kv_heads: heads.heads,
        head_dim: HEAD,
        scale: (HEAD as f64).powf(-0.5),
        causal: heads.causal,
    }
}

/// Turns queries and keys by their positions, or gradients back.
fn turn(heads: Heads, qkv: &mut [f32], inverse: bool) {
    if !heads.rotary {
        return;
    }
    let positions: Vec<i64> = (0..heads.batch).flat_map(|_| 0..heads.length as i64).collect();
    let frequencies: Vec<f64> = (0..HEAD / 2).map(|i| ROTARY_BASE.powf(-2.0 * i as f64 / HEAD as f64)).collect();
    let angles = Angles::Turning { positions: &positions, frequencies: &frequencies, factor: 1.0 };
    let rotation = Rotation { head_dim: HEAD, heads: 2 * heads.heads, angles, interleaved: false, inverse };
    let width = heads.width();
    let both: Vec<f64> = qkv.chunks_exact(3 * width).flat_map(|row| widen(&row[..2 * width])).collect();
    for (row, turned) in qkv.chunks_exact_mut(3 * width).zip(rotation.apply(&both).chunks_exact(2 * width)) {
        row[..2 * width].copy_from_slice(&narrow(turned));
    }
}

/// The two halves of each row of `2 hidden`, or the rows and nothing.
fn halves(raised: &[f64], hidden: usize, gated: bool) -> [Vec<f64>; 2] {
    if !gated {
        return [raised.to_vec(), Vec::new()];
    }
    [0, 1]
        .map(|half| raised.chunks_exact(2 * hidden).flat_map(|row| &row[half * hidden..][..hidden]).copied().collect())
}

impl Reference {
    /// The nearest bf16, where this rounds.
    fn half(&self, x: f32) -> f64 {
        if self.rounded { bf16::from_f32(x).to_f64() } else { f64::from(x) }
    }
}

fn wide(ids: &[i32]) -> Vec<i64> {
    ids.iter().map(|&id| id.into()).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}
