//! The model: a decoder-only GPT over bytes, pre-norm, with its backward pass written out.
//!
//! ```text
//! x = tokens[byte] + positions[i]
//! per layer:  x = x + out(attention(qkv(norm1(x))));  x = x + down(gelu(up(norm2(x)) + up_bias))
//! logits = head(norm(x))
//! ```
//! The sum with `x` happens inside the norm that comes next, as the crate's layer norm does it.

use crate::Outcome;
use crate::ops::{HEAD, Heads, Norm, NormBackward, NormForward, Ops, Product, Statistics};
use crate::plain;
use crate::text::Batch;

/// Values of a byte.
pub const VOCABULARY: usize = 256;

/// How large the model is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Blocks of attention and feed-forward.
    pub layers: usize,
    /// Heads of 64 elements; the width is 64 times that.
    pub heads: usize,
    /// Positions that the model can see.
    pub context: usize,
}

impl Size {
    /// Elements of the stream.
    pub fn width(&self) -> usize {
        self.heads * HEAD
    }
}

/// One value for each parameter tensor of a layer.
pub struct Layer<T> {
    norm1: Norm<T>,
    qkv: T,
    out: T,
    norm2: Norm<T>,
    up: T,
    up_bias: T,
    down: T,
}

/// One value for each parameter tensor: the tensors, their gradients, their shapes.
pub struct Parameters<T> {
    tokens: T,
    positions: T,
    layers: Vec<Layer<T>>,
    norm: Norm<T>,
    head: T,
}

/// What a parameter tensor is called, its shape, and how it starts: normal values of a deviation, or one value.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Such as `layer0.up`.
    pub name: String,
    /// One or two dimensions.
    pub shape: Vec<usize>,
    /// How it starts.
    pub start: Start,
}

/// How a parameter tensor starts.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// Normal values of this deviation.
    Normal(f64),
    /// The same value everywhere.
    Constant(f32),
}

impl Spec {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Parameters<Spec> {
    /// The parameter tensors of a model.
    pub fn specs(size: Size) -> Self {
        let width = size.width();
        let matrix = |name: String, shape: [usize; 2], deviation: f64| Spec {
            name,
            shape: shape.to_vec(),
            start: Start::Normal(deviation),
        };
        let vector =
            |name: String, len: usize, value: f32| Spec { name, shape: vec![len], start: Start::Constant(value) };
        let norm = |name: &str| Norm {
            weight: vector(format!("{name}.weight"), width, 1.0),
            bias: vector(format!("{name}.bias"), width, 0.0),
        };
        let inside = (width as f64).powf(-0.5);
        // Each of the branches that add to the stream starts smaller, the more of them there are.
        let branch = inside * (2.0 * size.layers as f64).powf(-0.5);
        let layer = |i: usize| Layer {
            norm1: norm(&format!("layer{i}.norm1")),
            qkv: matrix(format!("layer{i}.qkv"), [width, 3 * width], inside),
            out: matrix(format!("layer{i}.out"), [width, width], branch),
            norm2: norm(&format!("layer{i}.norm2")),
            up: matrix(format!("layer{i}.up"), [width, 4 * width], inside),
            up_bias: vector(format!("layer{i}.up_bias"), 4 * width, 0.0),
            down: matrix(format!("layer{i}.down"), [4 * width, width], 0.5 * branch),
        };
        Self {
            tokens: matrix("tokens".into(), [VOCABULARY, width], 1.0),
            positions: matrix("positions".into(), [size.context, width], 0.1),
            layers: (0..size.layers).map(layer).collect(),
            norm: norm("norm"),
            head: matrix("head".into(), [width, VOCABULARY], 0.05),
        }
    }
}

impl<T> Parameters<T> {
    /// Every tensor, in an order that never changes.
    pub fn list(&self) -> Vec<&T> {
        let mut list = vec![&self.tokens, &self.positions];
        for Layer { norm1, qkv, out, norm2, up, up_bias, down } in &self.layers {
            let tensors = [&norm1.weight, &norm1.bias, qkv, out, &norm2.weight, &norm2.bias, up, up_bias, down];
            list.extend(tensors);
        }
        list.extend([&self.norm.weight, &self.norm.bias, &self.head]);
        list
    }

    /// The same, to be written.
    pub fn list_mut(&mut self) -> Vec<&mut T> {
        let mut list = vec![&mut self.tokens, &mut self.positions];
        for Layer { norm1, qkv, out, norm2, up, up_bias, down } in &mut self.layers {
            let (norm1, norm2) = ([&mut norm1.weight, &mut norm1.bias], [&mut norm2.weight, &mut norm2.bias]);
            list.extend(norm1);
            list.extend([qkv, out]);
            list.extend(norm2);
            list.extend([up, up_bias, down]);
        }
        list.extend([&mut self.norm.weight, &mut self.norm.bias, &mut self.head]);
        list
    }

    /// Another value for each.
    pub fn map<U>(&self, mut f: impl FnMut(&T) -> Outcome<U>) -> Outcome<Parameters<U>> {
        let norm = |of: &Norm<T>, f: &mut dyn FnMut(&T) -> Outcome<U>| {
            Outcome::Ok(Norm { weight: f(&of.weight)?, bias: f(&of.bias)? })
        };
        let (tokens, positions) = (f(&self.tokens)?, f(&self.positions)?);
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            layers.push(Layer {
                norm1: norm(&layer.norm1, &mut f)?,
                qkv: f(&layer.qkv)?,
                out: f(&layer.out)?,
                norm2: norm(&layer.norm2, &mut f)?,
                up: f(&layer.up)?,
                up_bias: f(&layer.up_bias)?,
                down: f(&layer.down)?,
            });
        }
        Ok(Parameters { tokens, positions, layers, norm: norm(&self.norm, &mut f)?, head: f(&self.head)? })
    }
}

/// What a layer keeps from forward to backward.
struct LayerMemory<O: Ops> {
    /// The stream that enters.
    stream: O::Floats,
    normed1: O::Floats,
    statistics1: Statistics<O::Floats>,
    attention: O::Attention,
    attended: O::Floats,
    /// The stream between attention and feed-forward.
    middle: O::Floats,
    normed2: O::Floats,
    statistics2: Statistics<O::Floats>,
    raised: O::Floats,
    gated: O::Floats,
}

/// The memory of passes over a batch of one size.
pub struct Memory<O: Ops> {
    heads: Heads,
    layers: Vec<LayerMemory<O>>,
    last: O::Floats,
    normed: O::Floats,
    statistics: Statistics<O::Floats>,
    /// Logits, and after the loss their gradients.
    logits: O::Floats,
    /// What a branch adds to the stream; later the gradients of norms' outputs.
    branch: O::Floats,
    /// Queries, keys and values, and their gradients.
    qkv: O::Floats,
    /// The gradient of `gated`, and the gradient of `raised`.
    grad_gated: O::Floats,
    grad_raised: O::Floats,
    /// The gradient of the stream, in turn.
    grad_stream: [O::Floats; 2],
}

impl<O: Ops> Memory<O> {
    /// For `batch` texts of `length` positions.
    pub fn new(ops: &O, size: Size, batch: usize, length: usize) -> Outcome<Self> {
        let heads = Heads { batch, length, heads: size.heads };
        let (rows, width) = (heads.rows(), size.width());
        let floats = |columns: usize| ops.alloc(rows * columns);
        let statistics = || Outcome::Ok(Statistics { mean: floats(1)?, rstd: floats(1)? });
        let layer = |_| {
            Ok(LayerMemory {
                stream: floats(width)?,
                normed1: floats(width)?,
                statistics1: statistics()?,
                attention: ops.attention_memory(heads)?,
                attended: floats(width)?,
                middle: floats(width)?,
                normed2: floats(width)?,
                statistics2: statistics()?,
                raised: floats(4 * width)?,
                gated: floats(4 * width)?,
            })
        };
        Ok(Self {
            heads,
            layers: (0..size.layers).map(layer).collect::<Outcome<_>>()?,
            last: floats(width)?,
            normed: floats(width)?,
            statistics: statistics()?,
            logits: floats(VOCABULARY)?,
            branch: floats(width)?,
            qkv: floats(3 * width)?,
            grad_gated: floats(4 * width)?,
            grad_raised: floats(4 * width)?,
            grad_stream: [floats(width)?, floats(width)?],
        })
    }
}

/// The model's parameters on a device.
pub struct Gpt<O: Ops> {
    /// What it computes with.
    pub ops: O,
    /// How large it is.
    pub size: Size,
    /// The parameters.
    pub parameters: Parameters<O::Floats>,
    /// Without attention, its output is zero: a position then sees nothing but its own byte.
    pub with_attention: bool,
}

impl<O: Ops> Gpt<O> {
    /// A model with these values, one vector for each tensor of [`Parameters::list`].
    pub fn new(ops: O, size: Size, values: &[Vec<f32>]) -> Outcome<Self> {
        let mut values = values.iter();
        let parameters = Parameters::specs(size).map(|spec| match values.next() {
            Some(values) if values.len() == spec.len() => ops.upload(values),
            _ => Err(format!("{} does not have {:?} values", spec.name, spec.shape).into()),
        })?;
        Ok(Self { ops, size, parameters, with_attention: true })
    }

    /// Memory for the gradients of all parameters.
    pub fn gradients(&self) -> Outcome<Parameters<O::Floats>> {
        Parameters::specs(self.size).map(|spec| self.ops.alloc(spec.len()))
    }

    /// Predicts what follows each of `inputs: [batch, length]`; the logits are left in the memory.
    fn forward(&self, memory: &mut Memory<O>, inputs: &[u8]) -> Outcome {
        let (ops, parameters, heads) = (&self.ops, &self.parameters, memory.heads);
        let (rows, width) = (heads.rows(), self.size.width());
        let Memory { layers, last, normed, statistics, logits, branch, qkv, .. } = memory;
        let mut middle: Option<&O::Floats> = None;
        for (layer, kept) in parameters.layers.iter().zip(layers) {
            let (input, residual) = match middle {
                None => {
                    let embeddings = (&parameters.tokens, &parameters.positions);
                    plain::embed(ops, heads, inputs, embeddings, &mut kept.stream)?;
                    (&kept.stream, None)
                }
                Some(middle) => (&*branch, Some((middle, &mut kept.stream))),
            };
            let norm = &layer.norm1;
            let (output, statistics) = (&mut kept.normed1, &mut kept.statistics1);
            ops.norm([rows, width], NormForward { input, residual, norm, output, statistics })?;
            if self.with_attention {
                ops.product(Product::forward(rows, [width, 3 * width]), &kept.normed1, &layer.qkv, qkv)?;
                ops.attention(heads, qkv, &mut kept.attention, &mut kept.attended)?;
            } else {
                ops.write(&mut kept.attended, &vec![0.0; rows * width])?;
            }
            ops.product(Product::forward(rows, [width, width]), &kept.attended, &layer.out, branch)?;

            let residual = Some((&kept.stream, &mut kept.middle));
            let (output, statistics) = (&mut kept.normed2, &mut kept.statistics2);
            let norm = &layer.norm2;
            ops.norm([rows, width], NormForward { input: branch, residual, norm, output, statistics })?;
            ops.product(Product::forward(rows, [width, 4 * width]), &kept.normed2, &layer.up, &mut kept.raised)?;
            ops.gelu([rows, 4 * width], &kept.raised, &layer.up_bias, &mut kept.gated)?;
            ops.product(Product::forward(rows, [4 * width, width]), &kept.gated, &layer.down, branch)?;
            middle = Some(&kept.middle);
        }
        let residual = middle.map(|middle| (middle, last));
        ops.norm(
            [rows, width],
            NormForward { input: branch, residual, norm: &parameters.norm, output: normed, statistics },
        )?;
        ops.product(Product::forward(rows, [width, VOCABULARY]), normed, &parameters.head, logits)
    }

    /// The mean loss of predicting each target, in nats per byte.
    pub fn loss(&self, memory: &mut Memory<O>, batch: &Batch) -> Outcome<f64> {
        self.forward(memory, &batch.inputs)?;
        Ok(plain::loss(&self.ops.read(&memory.logits)?, &batch.targets))
    }

    /// The logits of the byte after the last of one text, `[VOCABULARY]`.
    pub fn next(&self, memory: &mut Memory<O>, text: &[u8]) -> Outcome<Vec<f32>> {
        let length = memory.heads.length;
        let mut inputs = text[text.len().saturating_sub(length)..].to_vec();
        let last = inputs.len().saturating_sub(1);
        inputs.resize(length, 0);
        self.forward(memory, &inputs)?;
        Ok(self.ops.read(&memory.logits)?[last * VOCABULARY..][..VOCABULARY].to_vec())
    }

    /// The mean loss, and the gradients of all parameters.
    pub fn gradient(
        &self,
        memory: &mut Memory<O>,
        batch: &Batch,
        gradients: &mut Parameters<O::Floats>,
    ) -> Outcome<f64> {
        self.forward(memory, &batch.inputs)?;
        let ops = &self.ops;
        let mut logits = ops.read(&memory.logits)?;
        let loss = plain::loss_gradient(&mut logits, &batch.targets);
        ops.write(&mut memory.logits, &logits)?;
        self.backward(memory, &batch.inputs, gradients)?;
        Ok(loss)
    }

    /// From the gradients of the logits to those of all parameters.
    fn backward(&self, memory: &mut Memory<O>, inputs: &[u8], gradients: &mut Parameters<O::Floats>) -> Outcome {
        let (ops, parameters, heads) = (&self.ops, &self.parameters, memory.heads);
        let (rows, width) = (heads.rows(), self.size.width());
        let Memory { layers, last, normed, statistics, logits, branch, qkv, grad_gated, grad_raised, .. } = memory;
        let [grad_stream, grad_next] = &mut memory.grad_stream;

        // `dy W^T` and `x^T dy`.
        let linear = |shape, x: &_, weight: &_, grad_y: &_, grad_x: &mut _, grad_weight: &mut _| {
            ops.product(Product::weight_gradient(rows, shape), x, grad_y, grad_weight)?;
            ops.product(Product::input_gradient(rows, shape), grad_y, weight, grad_x)
        };
        let shape = [width, VOCABULARY];
        linear(shape, normed, &parameters.head, logits, branch, &mut gradients.head)?;
        ops.norm_backward(
            [rows, width],
            NormBackward {
                grad_output: branch,
                input: last,
                norm: &parameters.norm,
                statistics,
                grad_stream: None,
                grad_input: grad_stream,
                grad_norm: &mut gradients.norm,
            },
        )?;
        for ((layer, kept), grads) in parameters.layers.iter().zip(layers).zip(&mut gradients.layers).rev() {
            let wide = [rows, 4 * width];
            linear([4 * width, width], &kept.gated, &layer.down, grad_stream, grad_gated, &mut grads.down)?;
            let of = (&kept.raised, &layer.up_bias);
            ops.gelu_backward(wide, grad_gated, of, (grad_raised, &mut grads.up_bias))?;
            linear([width, 4 * width], &kept.normed2, &layer.up, grad_raised, branch, &mut grads.up)?;
            ops.norm_backward(
                [rows, width],
                NormBackward {
                    grad_output: branch,
                    input: &kept.middle,
                    norm: &layer.norm2,
                    statistics: &kept.statistics2,
                    grad_stream: Some(grad_stream),
                    grad_input: grad_next,
                    grad_norm: &mut grads.norm2,
                },
            )?;

            linear([width, width], &kept.attended, &layer.out, grad_next, branch, &mut grads.out)?;
            if self.with_attention {
                ops.attention_backward(heads, branch, &mut kept.attention, qkv)?;
            } else {
                ops.write(qkv, &vec![0.0; rows * 3 * width])?;
            }
            linear([width, 3 * width], &kept.normed1, &layer.qkv, qkv, branch, &mut grads.qkv)?;
            ops.norm_backward(
                [rows, width],
                NormBackward {
                    grad_output: branch,
                    input: &kept.stream,
                    norm: &layer.norm1,
                    statistics: &kept.statistics1,
                    grad_stream: Some(grad_next),
                    grad_input: grad_stream,
                    grad_norm: &mut grads.norm1,
                },
            )?;
        }
        let tables = (&mut gradients.tokens, &mut gradients.positions);
        plain::embed_backward(ops, heads, inputs, self.size.context, grad_stream, tables)
    }
}
