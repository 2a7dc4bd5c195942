//! The layers of a block: linear maps, with low-rank adapters where they are fine-tuned so, norms, activations.

use warpsmith::ops::activation::Function;

use super::Outcome;
use super::ops::{NormBackward, NormForward, NormWeights, Ops, Statistics};
use super::parameters::{Maker, Parameter};
use super::product::Product;

/// `y = x W`, and with adapters `y[.., first..] += scale (x A) B`. (Hu et al., "LoRA", 2021.)
pub struct Linear<F> {
    /// Elements of an input and of an output.
    pub shape: [usize; 2],
    /// `W: [in, out]`.
    pub weight: Parameter<F>,
    /// One for each part of the output that has one.
    pub adapters: Vec<Adapter<F>>,
}

/// A change of low rank to some columns of a linear map.
pub struct Adapter<F> {
    /// The first column.
    pub first: usize,
    /// `A: [in, rank]`.
    pub down: Parameter<F>,
    /// `B: [rank, columns]`, zero at the start.
    pub up: Parameter<F>,
    /// The factor of the product.
    pub scale: f32,
}

impl<F> Linear<F> {
    /// Without adapters.
    pub fn new<O: Ops<Floats = F>>(
        maker: &mut Maker<'_, O>,
        name: &str,
        shape: [usize; 2],
        deviation: f64,
    ) -> Outcome<Self> {
        Ok(Self { shape, weight: maker.matrix(name, shape, deviation)?, adapters: Vec::new() })
    }

    /// Adds an adapter to `columns` of the output, from `first` on. It changes nothing before it is trained.
    pub fn adapt<O: Ops<Floats = F>>(
        &mut self,
        maker: &mut Maker<'_, O>,
        [first, columns]: [usize; 2],
        rank: usize,
        scale: f32,
    ) -> Outcome {
        let inside = self.shape[0];
        let name = |part| format!("{}.{first}.lora_{part}", self.weight.name);
        let down = maker.matrix(&name("a"), [inside, rank], (inside as f64).powf(-0.5))?;
        let up = maker.matrix(&name("b"), [rank, columns], 0.0)?;
        self.adapters.push(Adapter { first, down, up, scale });
        Ok(())
    }

    /// Adds the adapters to the weight and leaves them away: the same map, at the cost of the plain one.
    pub fn merge<O: Ops<Floats = F>>(&mut self, ops: &O) -> Outcome {
        for adapter in std::mem::take(&mut self.adapters) {
            let [rank, columns] = adapter.shape();
            let mut product = Product::forward(self.shape[0], [rank, columns]).times(adapter.scale).added();
            (product.c.first, product.c.stride) = (adapter.first, self.shape[1]);
            ops.product(&product, &adapter.down.value, &adapter.up.value, &mut self.weight.value)?;
        }
        Ok(())
    }

    /// Every tensor, in an order that never changes.
    pub fn parameters(&mut self) -> Vec<&mut Parameter<F>> {
        let adapters = self.adapters.iter_mut().flat_map(|adapter| [&mut adapter.down, &mut adapter.up]);
        std::iter::once(&mut self.weight).chain(adapters).collect()
    }

    /// Whether any of them is trained.
    pub fn trained(&self) -> bool {
        self.weight.trained() || self.adapters.iter().any(Adapter::trained)
    }

    /// `low` has room for `rows` of any adapter's rank.
    pub fn forward<O: Ops<Floats = F>>(&self, ops: &O, rows: usize, x: &F, y: &mut F, low: &mut F) -> Outcome {
        ops.product(&Product::forward(rows, self.shape), x, &self.weight.value, y)?;
        for adapter in &self.adapters {
            let [rank, columns] = adapter.shape();
            ops.product(&Product::forward(rows, [self.shape[0], rank]), x, &adapter.down.value, low)?;
            let mut product = Product::forward(rows, [rank, columns]).times(adapter.scale).added();
            (product.c.first, product.c.stride) = (adapter.first, self.shape[1]);
            ops.product(&product, low, &adapter.up.value, y)?;
        }
        Ok(())
    }

    /// The gradients of what is trained, and of the input where that is asked for.
    pub fn backward<O: Ops<Floats = F>>(
        &mut self,
        ops: &O,
        rows: usize,
        x: &F,
        grad_y: &F,
        mut grad_x: Option<&mut F>,
        low: &mut [F; 2],
    ) -> Outcome {
        let shape = self.shape;
        if let Some(gradient) = &mut self.weight.gradient {
            ops.product(&Product::weight_gradient(rows, shape), x, grad_y, gradient)?;
        }
        if let Some(grad_x) = &mut grad_x {
            ops.product(&Product::input_gradient(rows, shape), grad_y, &self.weight.value, grad_x)?;
        }
        for adapter in &mut self.adapters {
            let ([rank, columns], [low, grad_low]) = (adapter.shape(), &mut *low);
            if let Some(gradient) = &mut adapter.up.gradient {
                ops.product(&Product::forward(rows, [shape[0], rank]), x, &adapter.down.value, low)?;
                let mut product = Product::weight_gradient(rows, [rank, columns]).times(adapter.scale);
                (product.b.first, product.b.stride) = (adapter.first, shape[1]);
                ops.product(&product, low, grad_y, gradient)?;
            }
            let mut product = Product::input_gradient(rows, [rank, columns]).times(adapter.scale);
            (product.a.first, product.a.stride) = (adapter.first, shape[1]);
            ops.product(&product, grad_y, &adapter.up.value, grad_low)?;
            if let Some(gradient) = &mut adapter.down.gradient {
                ops.product(&Product::weight_gradient(rows, [shape[0], rank]), x, grad_low, gradient)?;
            }
            if let Some(grad_x) = &mut grad_x {
                let product = Product::input_gradient(rows, [shape[0], rank]).added();
                ops.product(&product, grad_low, &adapter.down.value, grad_x)?;
            }
        }
        Ok(())
    }
}

impl<F> Adapter<F> {
    /// Rank and columns.
    fn shape(&self) -> [usize; 2] {
        [self.up.shape[0], self.up.shape[1]]
    }

    fn trained(&self) -> bool {
        self.down.trained() || self.up.trained()
    }
}

/// What normalises the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NormKind {
    /// RMS norm: no mean, no bias.
    Rms,
    /// Layer norm.
    Layer,
}

/// A norm: with a bias a layer norm, without one an RMS norm.
pub struct Norm<F> {
    /// `[width]`.
    pub weight: Parameter<F>,
    /// `[width]`.
    pub bias: Option<Parameter<F>>,
}

impl<F> Norm<F> {
    /// The identity on rows that are normal already.
    pub fn new<O: Ops<Floats = F>>(
        maker: &mut Maker<'_, O>,
        kind: NormKind,
        name: &str,
        width: usize,
    ) -> Outcome<Self> {
        let weight = maker.vector(&format!("{name}.weight"), width, 1.0)?;
        let bias = match kind {
            NormKind::Rms => None,
            NormKind::Layer => Some(maker.vector(&format!("{name}.bias"), width, 0.0)?),
        };
        Ok(Self { weight, bias })
    }

    /// Every tensor, in an order that never changes.
    pub fn parameters(&mut self) -> Vec<&mut Parameter<F>> {
        std::iter::once(&mut self.weight).chain(&mut self.bias).collect()
    }

    /// Whether any of them is trained.
    pub fn trained(&self) -> bool {
        self.weight.trained() || self.bias.as_ref().is_some_and(Parameter::trained)
    }

    /// Normalises `input`, or its sum with a residual.
    pub fn forward<O: Ops<Floats = F>>(
        &self,
        ops: &O,
        shape: [usize; 2],
        (input, residual): (&F, Option<(&F, &mut F)>),
        (output, statistics): (&mut F, &mut Statistics<F>),
    ) -> Outcome {
        let weights = NormWeights { weight: &self.weight.value, bias: self.bias.as_ref().map(|bias| &bias.value) };
        ops.norm(shape, NormForward { input, residual, weights, output, statistics })
    }

    /// The gradient of the stream, and those of what is trained.
    pub fn backward<O: Ops<Floats = F>>(
        &mut self,
        ops: &O,
        shape: [usize; 2],
        (input, statistics): (&F, &Statistics<F>),
        (grad_output, grad_stream): (&F, Option<&F>),
        grad_input: &mut F,
    ) -> Outcome {
        let Self { weight, bias } = self;
        let (bias, grad_bias) = match bias {
            Some(bias) => (Some(&bias.value), bias.gradient.as_mut()),
            None => (None, None),
        };
        let weights = NormWeights { weight: &weight.value, bias };
        let grad_weight = weight.gradient.as_mut();
        let tensors =
            NormBackward { grad_output, input, weights, statistics, grad_stream, grad_input, grad_weight, grad_bias };
        ops.norm_backward(shape, tensors)
    }
}

/// What stands between the two maps of a feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Activation {
    /// `up * silu(gate)`.
    Swiglu,
    /// `up * gelu(gate)`.
    Geglu,
    /// `up * relu(gate)`.
    Reglu,
    /// GELU by tanh, with a bias before it.
    Gelu,
    /// `x sigmoid(x)`.
    Silu,
    /// `x sigmoid(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// Its square.
    ReluSquared,
}

impl Activation {
    /// Whether gate and up come from one map of twice the columns, side by side.
    pub fn gated(self) -> bool {
        matches!(self, Self::Swiglu | Self::Geglu | Self::Reglu)
    }

    /// The function of the crate's `activation`; none for the one that its `gelu` computes, which has a bias.
    pub fn function(self) -> Option<Function> {
        match self {
            Self::Gelu => None,
            Self::Swiglu | Self::Silu => Some(Function::Silu),
            Self::Geglu => Some(Function::GeluTanh),
            Self::Reglu | Self::Relu => Some(Function::Relu),
            Self::QuickGelu => Some(Function::QuickGelu),
            Self::ReluSquared => Some(Function::ReluSquared),
        }
    }

    /// Elements between the maps: four times the width, and about as many parameters for a gated one.
    pub fn hidden(self, width: usize) -> usize {
        if self.gated() { (8 * width / 3).next_multiple_of(32) } else { 4 * width }
    }

    /// Columns of the first map.
    pub fn raised(self, width: usize) -> usize {
        if self.gated() { 2 * self.hidden(width) } else { self.hidden(width) }
    }
}
