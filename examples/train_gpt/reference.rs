//! The model's computations by the references of `warpsmith::reference`, in f64 and rounded where the kernels store.

use half::bf16;
use warpsmith::ops::adamw8bit::{Checkpoint, Options, State};
use warpsmith::ops::gelu::Form;
use warpsmith::reference::adamw8bit::{self, Progress};
use warpsmith::reference::{attention, gelu, layer_norm, widen};

use crate::Outcome;
use crate::ops::{EPSILON, HEAD, Heads, List, NormBackward, NormForward, Ops, Product};
use crate::product;

/// Computes on the CPU, by the formulas.
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

/// 8-bit AdamW, whose arithmetic the crate's reference has bit for bit.
pub struct AdamW8bit {
    options: Options,
    progress: Progress,
    states: Vec<State>,
}

impl Ops for Reference {
    type Floats = Vec<f32>;
    type Attention = Attention;
    type AdamW8bit = AdamW8bit;

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

    fn product(&self, product: Product, a: &Vec<f32>, b: &Vec<f32>, c: &mut Vec<f32>) -> Outcome {
        product::on_cpu(product, a, b, c);
        Ok(())
    }

    fn norm(&self, [_, width]: [usize; 2], tensors: NormForward<'_, Vec<f32>>) -> Outcome {
        let NormForward { input, residual, norm, output, statistics } = tensors;
        let x = match residual {
            Some((residual, sum)) => {
                *sum = input.iter().zip(residual).map(|(a, b)| a + b).collect();
                widen(sum)
            }
            None => widen(input),
        };
        let (weight, bias) = (widen(&norm.weight), widen(&norm.bias));
        let result = layer_norm::forward(&x, Some(&weight), Some(&bias), width, EPSILON.into());
        *output = narrow(&result.output);
        (statistics.mean, statistics.rstd) = (narrow(&result.mean), narrow(&result.rstd));
        Ok(())
    }

    fn norm_backward(&self, [_, width]: [usize; 2], tensors: NormBackward<'_, Vec<f32>>) -> Outcome {
        let (grad_output, input) = (widen(tensors.grad_output), widen(tensors.input));
        let (weight, grad_stream) = (widen(&tensors.norm.weight), tensors.grad_stream.map(|grad| widen(grad)));
        let grad_stream = grad_stream.as_deref();
        let result = layer_norm::backward(&grad_output, &input, Some(&weight), grad_stream, width, EPSILON.into());
        *tensors.grad_input = narrow(&result.input);
        (tensors.grad_norm.weight, tensors.grad_norm.bias) = (narrow(&result.weight), narrow(&result.bias));
        Ok(())
    }

    fn gelu(&self, _shape: [usize; 2], input: &Vec<f32>, bias: &Vec<f32>, output: &mut Vec<f32>) -> Outcome {
        *output = narrow(&gelu::forward(Form::Tanh, &widen(input), Some(&widen(bias))));
        Ok(())
    }

    fn gelu_backward(
        &self,
        [_, width]: [usize; 2],
        grad_output: &Vec<f32>,
        (input, bias): (&Vec<f32>, &Vec<f32>),
        (grad_input, grad_bias): (&mut Vec<f32>, &mut Vec<f32>),
    ) -> Outcome {
        let (grad_output, input, bias) = (widen(grad_output), widen(input), widen(bias));
        let result = gelu::backward(Form::Tanh, &grad_output, &input, Some(&bias), width);
        (*grad_input, *grad_bias) = (narrow(&result.input), narrow(&result.bias));
        Ok(())
    }

    fn attention_memory(&self, _heads: Heads) -> Outcome<Attention> {
        Ok(Attention::default())
    }

    fn attention(&self, heads: Heads, qkv: &Vec<f32>, memory: &mut Attention, output: &mut Vec<f32>) -> Outcome {
        let width = heads.width();
        let part = |i: usize| {
            qkv.chunks_exact(3 * width).flat_map(|row| &row[i * width..][..width]).map(|&x| self.half(x)).collect()
        };
        *memory = Attention { q: part(0), k: part(1), v: part(2) };
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
    ) -> Outcome {
        let grad_output: Vec<f64> = grad_output.iter().map(|&x| self.half(x)).collect();
        let result = attention::backward(&problem(heads), &memory.q, &memory.k, &memory.v, &grad_output);
        let width = heads.width();
        let parts = [result.dq, result.dk, result.dv];
        let row = |row: usize| parts.iter().flat_map(move |part| &part[row * width..][..width]);
        *grad_qkv = (0..heads.rows()).flat_map(row).map(|&x| self.half(x as f32) as f32).collect();
        Ok(())
    }

    fn adamw8bit(
        &self,
        _list: &mut List<'_, Vec<f32>>,
        options: Options,
        Checkpoint { steps, states }: &Checkpoint,
    ) -> Outcome<AdamW8bit> {
        let mut progress = Progress::default();
        while progress.steps < *steps {
            progress.advance(&options, 0.0, 1.0);
        }
        Ok(AdamW8bit { options, progress, states: states.clone() })
    }

    fn adamw8bit_step(&self, optimizer: &mut AdamW8bit, list: &mut List<'_, Vec<f32>>, learning_rate: f32) -> Outcome {
        let AdamW8bit { options, progress, states } = optimizer;
        let scalars = progress.advance(options, learning_rate, 1.0);
        let tensors = list.parameters.iter_mut().zip(&list.gradients).zip(list.decays).zip(states);
        for (((parameter, gradient), &decay), state) in tensors {
            adamw8bit::step(parameter.as_mut_slice(), gradient.as_slice(), state, decay, options, &scalars);
        }
        Ok(())
    }

    fn adamw8bit_checkpoint(&self, optimizer: &AdamW8bit) -> Outcome<Checkpoint> {
        Ok(Checkpoint { steps: optimizer.progress.steps, states: optimizer.states.clone() })
    }
}

fn problem(heads: Heads) -> attention::Problem {
    attention::Problem {
        batch: heads.batch,
        queries: heads.length,
        keys: heads.length,
        heads: heads.heads,
        kv_heads: heads.heads,
        head_dim: HEAD,
        scale: (HEAD as f64).powf(-0.5),
        causal: true,
    }
}

impl Reference {
    /// The nearest bf16, where this rounds.
    fn half(&self, x: f32) -> f64 {
        if self.rounded { bf16::from_f32(x).to_f64() } else { f64::from(x) }
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}
