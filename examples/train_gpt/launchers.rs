//! The model's computations by the crate's launchers, on any device.

use std::cell::RefCell;

use half::bf16;
use warpsmith::ops::adamw8bit::{self, AdamW8bit, Checkpoint, Options, Scalars, Tensors};
use warpsmith::ops::{attention, gelu, layer_norm};
use warpsmith::{Buffer, Device, Shape, View};

use crate::Outcome;
use crate::kernels;
use crate::ops::{EPSILON, HEAD, Heads, List, NormBackward, NormForward, Ops, Product};
use crate::product::Products;

/// The form of GELU that the model has.
const FORM: gelu::Form = gelu::Form::Tanh;

/// Queues everything on one device.
pub struct Launchers<D: Device> {
    device: D,
    products: Box<dyn Products<D>>,
    /// Scratch memory for the operations that need some, one after the other: as large as the largest of them has asked for.
    workspace: RefCell<Option<D::Buffer<u8>>>,
}

/// What an attention keeps, and room for its gradients.
pub struct Attention<D: Device> {
    /// `[rows, 3 width]`: queries, keys and values side by side.
    qkv: D::Buffer<bf16>,
    /// `[rows, width]`.
    output: D::Buffer<bf16>,
    log_sums: D::Buffer<f32>,
    grad_output: D::Buffer<bf16>,
    /// Of queries, keys and values.
    grads: [D::Buffer<bf16>; 3],
}

/// An optimizer and the learning rate that it reads.
pub struct Optimizer<D: Device> {
    states: AdamW8bit<D>,
    learning_rate: D::Buffer<f32>,
}

impl<D: Device> Launchers<D> {
    /// On this device, with matrix products from elsewhere.
    pub fn new(device: D, products: Box<dyn Products<D>>) -> Self {
        Self { device, products, workspace: RefCell::new(None) }
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

/// Queries, keys or values out of all three.
fn part<D: Device>(qkv: &D::Buffer<bf16>, heads: Heads, index: usize) -> warpsmith::Result<View<'_, D, bf16>> {
    let width = heads.width();
    let row = 3 * width as i64;
    qkv.strided(index * width, shape(heads), [row * heads.length as i64, row, HEAD as i64, 1])
}

/// `[batch, length, heads, HEAD]`.
fn shape(heads: Heads) -> [usize; 4] {
    [heads.batch, heads.length, heads.heads, HEAD]
}

const CAUSAL: attention::Options = attention::Options { causal: true, scale: None };

impl<D: Device> Ops for Launchers<D> {
    type Floats = D::Buffer<f32>;
    type Attention = Attention<D>;
    type AdamW8bit = Optimizer<D>;

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

    fn product(&self, product: Product, a: &D::Buffer<f32>, b: &D::Buffer<f32>, c: &mut D::Buffer<f32>) -> Outcome {
        self.products.product(&self.device, product, a, b, c)
    }

    fn norm(&self, shape: [usize; 2], tensors: NormForward<'_, D::Buffer<f32>>) -> Outcome {
        let residual = match tensors.residual {
            Some((residual, sum)) => {
                Some(layer_norm::Residual { residual: residual.view(shape)?, sum: sum.view_mut(shape)? })
            }
            None => None,
        };
        let rows = [shape[0]];
        let statistics = layer_norm::Statistics {
            mean: tensors.statistics.mean.view_mut(rows)?,
            rstd: tensors.statistics.rstd.view_mut(rows)?,
        };
        let tensors = layer_norm::Forward {
            input: tensors.input.view(shape)?,
            residual,
            weight: Some(vector::<D>(&tensors.norm.weight)?),
            bias: Some(vector::<D>(&tensors.norm.bias)?),
            output: tensors.output.view_mut(shape)?,
            statistics: Some(statistics),
        };
        Ok(layer_norm::forward(&self.device, tensors, EPSILON)?)
    }

    fn norm_backward(&self, shape: [usize; 2], tensors: NormBackward<'_, D::Buffer<f32>>) -> Outcome {
        let rows = [shape[0]];
        let bytes = layer_norm::backward_workspace_bytes(shape);
        self.with_workspace(bytes, |workspace| {
            let (len, width) = (workspace.len(), [shape[1]]);
            let statistics = layer_norm::Statistics {
                mean: tensors.statistics.mean.view(rows)?,
                rstd: tensors.statistics.rstd.view(rows)?,
            };
            let tensors = layer_norm::Backward {
                grad_output: tensors.grad_output.view(shape)?,
                input: tensors.input.view(shape)?,
                weight: Some(vector::<D>(&tensors.norm.weight)?),
                statistics,
                grad_sum: tensors.grad_stream.map(|grad| grad.view(shape)).transpose()?,
                grad_input: tensors.grad_input.view_mut(shape)?,
                grad_weight: Some(tensors.grad_norm.weight.view_mut(width)?),
                grad_bias: Some(tensors.grad_norm.bias.view_mut(width)?),
                workspace: Some(workspace.view_mut([len])?),
            };
            Ok(layer_norm::backward(&self.device, tensors)?)
        })
    }

    fn gelu(
        &self,
        shape: [usize; 2],
        input: &D::Buffer<f32>,
        bias: &D::Buffer<f32>,
        output: &mut D::Buffer<f32>,
    ) -> Outcome {
        let bias = Some(vector::<D>(bias)?);
        let tensors = gelu::Forward { input: input.view(shape)?, bias, output: output.view_mut(shape)? };
        Ok(gelu::forward(&self.device, tensors, FORM)?)
    }

    fn gelu_backward(
        &self,
        shape: [usize; 2],
        grad_output: &D::Buffer<f32>,
        (input, bias): (&D::Buffer<f32>, &D::Buffer<f32>),
        (grad_input, grad_bias): (&mut D::Buffer<f32>, &mut D::Buffer<f32>),
    ) -> Outcome {
        let bytes = gelu::backward_workspace_bytes(shape, warpsmith::DType::F32);
        self.with_workspace(bytes, |workspace| {
            let len = workspace.len();
            let tensors = gelu::Backward {
                grad_output: grad_output.view(shape)?,
                input: input.view(shape)?,
                bias: Some(vector::<D>(bias)?),
                grad_input: grad_input.view_mut(shape)?,
                grad_bias: Some(grad_bias.view_mut([shape[1]])?),
                workspace: Some(workspace.view_mut([len])?),
            };
            Ok(gelu::backward(&self.device, tensors, FORM)?)
        })
    }

    fn attention_memory(&self, heads: Heads) -> Outcome<Attention<D>> {
        let len = heads.rows() * heads.width();
        let halves = || self.device.alloc::<bf16>(len);
        Ok(Attention {
            qkv: self.device.alloc(3 * len)?,
            output: halves()?,
            log_sums: self.device.alloc(heads.rows() * heads.heads)?,
            grad_output: halves()?,
            grads: [halves()?, halves()?, halves()?],
        })
    }

    fn attention(
        &self,
        heads: Heads,
        qkv: &D::Buffer<f32>,
        memory: &mut Attention<D>,
        output: &mut D::Buffer<f32>,
    ) -> Outcome {
        let (rows, width) = (heads.rows(), heads.width());
        let Attention { qkv: halves, output: attended, log_sums, .. } = memory;
        kernels::to_bf16(&self.device, qkv.view([rows, 3 * width])?, halves.view_mut([rows, 3 * width])?)?;
        let tensors = attention::Forward {
            q: part::<D>(halves, heads, 0)?,
            k: part::<D>(halves, heads, 1)?,
            v: part::<D>(halves, heads, 2)?,
            o: attended.view_mut(shape(heads))?,
            lse: Some(log_sums.view_mut([heads.batch, heads.heads, heads.length])?),
        };
        attention::forward(&self.device, tensors, CAUSAL)?;
        kernels::to_f32(&self.device, attended.view([rows, width])?, output.view_mut([rows, width])?)
    }

    fn attention_backward(
        &self,
        heads: Heads,
        grad_output: &D::Buffer<f32>,
        memory: &mut Attention<D>,
        grad_qkv: &mut D::Buffer<f32>,
    ) -> Outcome {
        let (rows, width) = (heads.rows(), heads.width());
        let Attention { qkv, output, log_sums, grad_output: grad_attended, grads } = memory;
        kernels::to_bf16(&self.device, grad_output.view([rows, width])?, grad_attended.view_mut([rows, width])?)?;
        let whole = Shape::from(shape(heads));
        self.with_workspace(attention::backward_workspace_bytes(whole), |workspace| {
            let len = workspace.len();
            let [grad_q, grad_k, grad_v] = &mut *grads;
            let tensors = attention::Backward {
                q: part::<D>(qkv, heads, 0)?,
                k: part::<D>(qkv, heads, 1)?,
                v: part::<D>(qkv, heads, 2)?,
                o: output.view(whole)?,
                lse: log_sums.view([heads.batch, heads.heads, heads.length])?,
                grad_o: grad_attended.view(whole)?,
                grad_q: grad_q.view_mut(whole)?,
                grad_k: grad_k.view_mut(whole)?,
                grad_v: grad_v.view_mut(whole)?,
                workspace: workspace.view_mut([len])?,
            };
            Ok(attention::backward(&self.device, tensors, CAUSAL)?)
        })?;
        for (index, grad) in grads.iter().enumerate() {
            let side_by_side = grad_qkv.strided_mut(index * width, [rows, width], [3 * width as i64, 1])?;
            kernels::to_f32(&self.device, grad.view([rows, width])?, side_by_side)?;
        }
        Ok(())
    }

    fn adamw8bit(
        &self,
        list: &mut List<'_, D::Buffer<f32>>,
        options: Options,
        checkpoint: &Checkpoint,
    ) -> Outcome<Optimizer<D>> {
        let decays = list.decays;
        let states = AdamW8bit::restore(&self.device, &mut tensors::<D>(list)?, decays, options, checkpoint)?;
        Ok(Optimizer { states, learning_rate: self.device.alloc(1)? })
    }

    fn adamw8bit_step(
        &self,
        optimizer: &mut Optimizer<D>,
        list: &mut List<'_, D::Buffer<f32>>,
        learning_rate: f32,
    ) -> Outcome {
        self.device.write(&mut optimizer.learning_rate, &[learning_rate])?;
        let learning_rate = vector::<D>(&optimizer.learning_rate)?;
        let scalars = Scalars { learning_rate, gradient_scale: None, found_inf: None };
        Ok(optimizer.states.step(&self.device, &mut tensors::<D>(list)?, scalars)?)
    }

    fn adamw8bit_checkpoint(&self, optimizer: &Optimizer<D>) -> Outcome<Checkpoint> {
        Ok(optimizer.states.checkpoint(&self.device)?)
    }
}

/// The list as the optimizer takes it.
fn tensors<'a, D: Device>(list: &'a mut List<'_, D::Buffer<f32>>) -> Outcome<Vec<adamw8bit::Tensors<'a, D, f32>>> {
    let tensors = list.parameters.iter_mut().zip(&list.gradients).map(|(parameter, gradient)| {
        let len = [parameter.len()];
        Ok(Tensors { parameter: parameter.view_mut(len)?, gradient: gradient.view(len)? })
    });
    tensors.collect()
}
