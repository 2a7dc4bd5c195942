//! The model's computations by the crate's launchers, on any device.

mod attention;
pub mod optimizer;

use std::cell::RefCell;

use warpsmith::ops::cross_entropy::{self, Logits, Reduction};
use warpsmith::ops::embedding::{self, Lookup, Positions};
use warpsmith::ops::mask_tokens::{self, Tokens};
use warpsmith::ops::rms_norm::{self, Casting};
use warpsmith::ops::rotary::{Frequencies, Scaling};
use warpsmith::ops::{activation, dropout, gelu, layer_norm};
use warpsmith::random::{self, Random};
use warpsmith::{Buffer, DType, Device, View};

use super::layers::Activation;
use super::model::{MASK, VOCABULARY};
use super::ops::{Draw, EPSILON, HEAD, Heads, IGNORED, NormBackward, NormForward, Ops, ROTARY_BASE, Rows, Statistics};
use super::optimizer::{List, Recipe, Saved};
use super::product::{Product, Products};
use super::{Outcome, kernels};

/// Queues everything on one device.
pub struct Launchers<D: Device> {
    device: D,
    products: Box<dyn Products<D>>,
    frequencies: Frequencies,
    /// Scratch memory for the operations that need some, one after the other: as large as the largest of them has asked for.
    workspace: RefCell<Option<D::Buffer<u8>>>,
}

impl<D: Device> Launchers<D> {
    /// On this device, with matrix products from elsewhere.
    pub fn new(device: D, products: Box<dyn Products<D>>) -> Outcome<Self> {
        let frequencies = Frequencies::new(HEAD, ROTARY_BASE, Scaling::None)?;
        Ok(Self { device, products, frequencies, workspace: RefCell::new(None) })
    }

    /// Runs an operation that needs so many bytes of scratch memory.
    fn with_workspace(&self, bytes: usize, run: impl FnOnce(&mut D::Buffer<u8>) -> Outcome) -> Outcome {
        let mut workspace = self.workspace.borrow_mut();
        let workspace = match workspace.take() {
            Some(held) if held.len() >= bytes => workspace.insert(held),
            _ => workspace.insert(self.device.alloc(bytes.max(1))?),
        };
        run(workspace)
    }
}

/// The whole buffer as a vector.
fn vector<D: Device>(buffer: &D::Buffer<f32>) -> warpsmith::Result<View<'_, D, f32>> {
    buffer.view([buffer.len()])
}

/// BERT's masking of bytes.
pub fn masking(probability: f32) -> mask_tokens::Options<'static> {
    mask_tokens::Options { probability, ..mask_tokens::Options::new(MASK.into(), VOCABULARY) }
}

impl<D: Device> Ops for Launchers<D> {
    type Floats = D::Buffer<f32>;
    type Ids = D::Buffer<i32>;
    type Random = D::Buffer<i64>;
    type Attention = attention::Memory<D>;
    type Optimizer = optimizer::Optimizer<D>;

    fn alloc(&self, len: usize) -> Outcome<D::Buffer<f32>> {
        Ok(self.device.alloc(len)?)
    }

    fn upload(&self, values: &[f32]) -> Outcome<D::Buffer<f32>> {
        Ok(self.device.upload(values)?)
    }

    fn write(&self, to: &mut D::Buffer<f32>, values: &[f32]) -> Outcome {
        Ok(self.device.write(to, values)?)
    }

    fn read(&self, from: &D::Buffer<f32>) -> Outcome<Vec<f32>> {
        Ok(self.device.download(from)?)
    }

    fn upload_ids(&self, ids: &[i32]) -> Outcome<D::Buffer<i32>> {
        Ok(self.device.upload(ids)?)
    }

    fn write_ids(&self, to: &mut D::Buffer<i32>, ids: &[i32]) -> Outcome {
        Ok(self.device.write(to, ids)?)
    }

    fn read_ids(&self, from: &D::Buffer<i32>) -> Outcome<Vec<i32>> {
        Ok(self.device.download(from)?)
    }

    fn random(&self, seed: u64, offset: u64) -> Outcome<D::Buffer<i64>> {
        Ok(self.device.upload(&random::state(seed, offset))?)
    }

    fn reseed(&self, random: &mut D::Buffer<i64>, seed: u64, offset: u64) -> Outcome {
        Ok(self.device.write(random, &random::state(seed, offset))?)
    }

    fn product(&self, product: &Product, a: &D::Buffer<f32>, b: &D::Buffer<f32>, c: &mut D::Buffer<f32>) -> Outcome {
        self.products.product(&self.device, product, a, b, c)
    }

    fn copy(&self, shape: [usize; 3], from: (&D::Buffer<f32>, Rows), to: (&mut D::Buffer<f32>, Rows)) -> Outcome {
        kernels::copy(&self.device, shape, from, to)
    }

    fn sum_over_batch(&self, shape: [usize; 3], of: &D::Buffer<f32>, sum: &mut D::Buffer<f32>) -> Outcome {
        let [_, rows, width] = shape;
        let table = [sum.len() / width, width];
        let grad_output = of.strided(0, shape, [(rows * width) as i64, width as i64, 1])?;
        let tensors = embedding::PositionsBackward { grad_output, grad_table: sum.view_mut(table)? };
        Ok(embedding::backward_positions(&self.device, tensors, 0, false)?)
    }

    fn embed(
        &self,
        shape: [usize; 3],
        ids: &D::Buffer<i32>,
        (tokens, positions): (&D::Buffer<f32>, Option<&D::Buffer<f32>>),
        output: &mut D::Buffer<f32>,
    ) -> Outcome {
        let [batch, length, width] = shape;
        let position = match positions {
            Some(table) => Some(Positions::Counted { table: table.view([table.len() / width, width])?, offset: 0 }),
            None => None,
        };
        let token = Lookup { table: tokens.view([tokens.len() / width, width])?, ids: ids.view([batch, length])? };
        let output = output.strided_mut(0, shape, [(length * width) as i64, width as i64, 1])?;
        Ok(embedding::forward(&self.device, embedding::Forward { token, position, segment: None, output })?)
    }

    fn embed_backward(
        &self,
        shape: [usize; 3],
        ids: &D::Buffer<i32>,
        grad_output: &D::Buffer<f32>,
        grad_tokens: &mut D::Buffer<f32>,
    ) -> Outcome {
        let [batch, length, width] = shape;
        let table = [grad_tokens.len() / width, width];
        let bytes = embedding::backward_workspace_bytes([batch, length], table);
        self.with_workspace(bytes, |workspace| {
            let len = workspace.len();
            let tensors = embedding::Backward {
                grad_output: grad_output.strided(0, shape, [(length * width) as i64, width as i64, 1])?,
                ids: ids.view([batch, length])?,
                grad_table: grad_tokens.view_mut(table)?,
                workspace: workspace.view_mut([len])?,
            };
            Ok(embedding::backward(&self.device, tensors, &embedding::Options::default())?)
        })
    }

    fn norm(&self, shape: [usize; 2], tensors: NormForward<'_, D::Buffer<f32>>) -> Outcome {
        let NormForward { input, residual, weights, output, statistics: Statistics { mean, rstd } } = tensors;
        let (input, weight) = (input.view(shape)?, Some(vector::<D>(weights.weight)?));
        let (output, rows) = (output.view_mut(shape)?, [shape[0]]);
        let Some(bias) = weights.bias else {
            let residual = match residual {
                Some((residual, sum)) => {
                    Some(rms_norm::Residual { residual: residual.view(shape)?, sum: sum.view_mut(shape)? })
                }
                None => None,
            };
            let tensors = rms_norm::Forward { input, residual, weight, output, rstd: Some(rstd.view_mut(rows)?) };
            return Ok(rms_norm::forward(&self.device, tensors, EPSILON, Casting::None)?);
        };
        let residual = match residual {
            Some((residual, sum)) => {
                Some(layer_norm::Residual { residual: residual.view(shape)?, sum: sum.view_mut(shape)? })
            }
            None => None,
        };
        let statistics = layer_norm::Statistics { mean: mean.view_mut(rows)?, rstd: rstd.view_mut(rows)? };
        let bias = Some(vector::<D>(bias)?);
        let tensors = layer_norm::Forward { input, residual, weight, bias, output, statistics: Some(statistics) };
        Ok(layer_norm::forward(&self.device, tensors, EPSILON)?)
    }

    fn norm_backward(&self, shape: [usize; 2], tensors: NormBackward<'_, D::Buffer<f32>>) -> Outcome {
        let bytes = match tensors.weights.bias {
            Some(_) => layer_norm::backward_workspace_bytes(shape),
            None => rms_norm::backward_workspace_bytes(shape),
        };
        self.with_workspace(bytes, |workspace| {
            let (len, width, rows) = (workspace.len(), [shape[1]], [shape[0]]);
            let (grad_output, input) = (tensors.grad_output.view(shape)?, tensors.input.view(shape)?);
            let weight = Some(vector::<D>(tensors.weights.weight)?);
            let grad_sum = tensors.grad_stream.map(|grad| grad.view(shape)).transpose()?;
            let grad_input = tensors.grad_input.view_mut(shape)?;
            let grad_weight = tensors.grad_weight.map(|grad| grad.view_mut(width)).transpose()?;
            let grad_bias = tensors.grad_bias.map(|grad| grad.view_mut(width)).transpose()?;
            let rstd = tensors.statistics.rstd.view(rows)?;
            let workspace = Some(workspace.view_mut([len])?);
            if tensors.weights.bias.is_none() {
                let tensors = rms_norm::Backward {
                    grad_output,
                    input,
                    weight,
                    rstd,
                    grad_sum,
                    grad_input,
                    grad_weight,
                    workspace,
                };
                return Ok(rms_norm::backward(&self.device, tensors, Casting::None)?);
            }
            let statistics = layer_norm::Statistics { mean: tensors.statistics.mean.view(rows)?, rstd };
            let tensors = layer_norm::Backward {
                grad_output,
                input,
                weight,
                statistics,
                grad_sum,
                grad_input,
                grad_weight,
                grad_bias,
                workspace,
            };
            Ok(layer_norm::backward(&self.device, tensors)?)
        })
    }

    fn activation(
        &self,
        activation: Activation,
        shape: [usize; 2],
        (raised, bias): (&D::Buffer<f32>, Option<&D::Buffer<f32>>),
        output: &mut D::Buffer<f32>,
    ) -> Outcome {
        let [rows, hidden] = shape;
        let output = output.view_mut(shape)?;
        let Some(function) = activation.function() else {
            let bias = bias.map(vector::<D>).transpose()?;
            let tensors = gelu::Forward { input: raised.view(shape)?, bias, output };
            return Ok(gelu::forward(&self.device, tensors, gelu::Form::Tanh)?);
        };
        let input = match activation.gated() {
            true => activation::Input::Packed(raised.view([rows, 2 * hidden])?),
            false => activation::Input::Plain(raised.view(shape)?),
        };
        Ok(activation::forward(&self.device, activation::Forward { input, output }, function)?)
    }

    fn activation_backward(
        &self,
        activation: Activation,
        shape: [usize; 2],
        grad_output: &D::Buffer<f32>,
        (raised, bias): (&D::Buffer<f32>, Option<&D::Buffer<f32>>),
        (grad_raised, grad_bias): (&mut D::Buffer<f32>, Option<&mut D::Buffer<f32>>),
    ) -> Outcome {
        let [rows, hidden] = shape;
        let grad_output = grad_output.view(shape)?;
        if let Some(function) = activation.function() {
            let (input, grad_input) = match activation.gated() {
                true => {
                    let packed = [rows, 2 * hidden];
                    let grad_input = activation::InputMut::Packed(grad_raised.view_mut(packed)?);
                    (activation::Input::Packed(raised.view(packed)?), grad_input)
                }
                false => {
                    let grad_input = activation::InputMut::Plain(grad_raised.view_mut(shape)?);
                    (activation::Input::Plain(raised.view(shape)?), grad_input)
                }
            };
            let tensors = activation::Backward { grad_output, input, grad_input };
            return Ok(activation::backward(&self.device, tensors, function)?);
        }
        let bytes = gelu::backward_workspace_bytes(shape, DType::F32);
        self.with_workspace(bytes, |workspace| {
            let len = workspace.len();
            let tensors = gelu::Backward {
                grad_output,
                input: raised.view(shape)?,
                bias: bias.map(vector::<D>).transpose()?,
                grad_input: grad_raised.view_mut(shape)?,
                grad_bias: grad_bias.map(|grad| grad.view_mut([hidden])).transpose()?,
                workspace: Some(workspace.view_mut([len])?),
            };
            Ok(gelu::backward(&self.device, tensors, gelu::Form::Tanh)?)
        })
    }

    fn dropout(
        &self,
        shape: [usize; 2],
        draw: Draw<'_, D::Buffer<i64>>,
        (input, residual): (&D::Buffer<f32>, &D::Buffer<f32>),
        sum: &mut D::Buffer<f32>,
    ) -> Outcome {
        let (input, residual) = (input.view(shape)?, Some(residual.view(shape)?));
        let tensors = dropout::Forward { input, residual, output: sum.view_mut(shape)? };
        let random = Random { state: draw.state.view([2])?, offset: draw.offset };
        Ok(dropout::forward(&self.device, tensors, random, draw.probability)?)
    }

    fn dropout_backward(
        &self,
        shape: [usize; 2],
        draw: Draw<'_, D::Buffer<i64>>,
        grad_sum: &D::Buffer<f32>,
        grad_input: &mut D::Buffer<f32>,
    ) -> Outcome {
        let grad_input = grad_input.strided_mut(0, shape, [shape[1] as i64, 1])?;
        let random = Random { state: draw.state.view([2])?, offset: draw.offset };
        Ok(dropout::backward(&self.device, grad_sum.view(shape)?, grad_input, random, draw.probability)?)
    }

    fn attention_memory(&self, heads: Heads) -> Outcome<attention::Memory<D>> {
        attention::Memory::new(&self.device, heads)
    }

    fn attention(
        &self,
        heads: Heads,
        qkv: &mut D::Buffer<f32>,
        prefix: Option<&D::Buffer<f32>>,
        memory: &mut attention::Memory<D>,
        output: &mut D::Buffer<f32>,
    ) -> Outcome {
        attention::forward(self, heads, qkv, prefix, memory, output)
    }

    fn attention_backward(
        &self,
        heads: Heads,
        grad_output: &D::Buffer<f32>,
        memory: &mut attention::Memory<D>,
        grad_qkv: &mut D::Buffer<f32>,
        grad_prefix: Option<&mut D::Buffer<f32>>,
    ) -> Outcome {
        attention::backward(self, heads, grad_output, memory, grad_qkv)?;
        match grad_prefix {
            Some(grad_prefix) => attention::prefix_backward(self, heads, memory, grad_prefix),
            None => Ok(()),
        }
    }

    fn mask_tokens(
        &self,
        draw: Draw<'_, D::Buffer<i64>>,
        ids: &mut D::Buffer<i32>,
        targets: &mut D::Buffer<i32>,
    ) -> Outcome {
        let len = [ids.len()];
        let tensors = mask_tokens::Forward {
            tokens: Tokens::InPlace(ids.view_mut(len)?),
            special: None,
            labels: targets.view_mut(len)?,
            random: Random { state: draw.state.view([2])?, offset: draw.offset },
        };
        Ok(mask_tokens::forward(&self.device, tensors, &masking(draw.probability))?)
    }

    fn cross_entropy(
        &self,
        shape: [usize; 2],
        logits: &mut D::Buffer<f32>,
        targets: &D::Buffer<i32>,
        loss: &mut D::Buffer<f32>,
        gradient: bool,
    ) -> Outcome {
        let options = cross_entropy::Options { ignore_index: IGNORED.into(), ..Default::default() };
        self.with_workspace(cross_entropy::workspace_bytes(shape, Reduction::Mean), |workspace| {
            let len = workspace.len();
            let logits = match gradient {
                true => Logits::InPlace(logits.view_mut(shape)?),
                false => Logits::Apart { logits: logits.view(shape)?, gradient: None },
            };
            let tensors = cross_entropy::Forward {
                logits,
                targets: targets.view([shape[0]])?,
                weight: None,
                loss: Some(loss.view_mut([1])?),
                lse: None,
                totals: None,
                grad_loss: None,
                workspace: Some(workspace.view_mut([len])?),
            };
            Ok(cross_entropy::forward(&self.device, tensors, &options)?)
        })
    }

    fn optimizer(
        &self,
        recipe: &Recipe,
        list: &mut List<'_, D::Buffer<f32>>,
        saved: Option<&Saved>,
    ) -> Outcome<optimizer::Optimizer<D>> {
        optimizer::Optimizer::new(&self.device, recipe, list, saved)
    }

    fn optimizer_step(
        &self,
        optimizer: &mut optimizer::Optimizer<D>,
        list: &mut List<'_, D::Buffer<f32>>,
        learning_rate: f32,
    ) -> Outcome {
        optimizer.step(&self.device, list, learning_rate)
    }

    fn optimizer_saved(&self, optimizer: &optimizer::Optimizer<D>) -> Outcome<Saved> {
        optimizer.saved(&self.device)
    }
}
