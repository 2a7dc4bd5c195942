//! A block of a transformer, pre-norm, with its backward pass written out.
//!
//! ```text
//! x = x + out(attention(qkv(norm1(x))));  x = x + down(activation(up(norm2(x))))
//! ```
//! The sum with `x` happens inside the norm that comes next, as the crate's norms do it.

use warpsmith::random;

use super::Outcome;
use super::layers::{Activation, Linear, Norm};
use super::model::Architecture;
use super::ops::{Draw, Heads, Ops, Statistics};
use super::parameters::{Maker, Parameter};

/// The parameters of a block.
pub struct Block<F> {
    /// Before attention.
    pub norm1: Norm<F>,
    /// Queries, keys and values side by side.
    pub qkv: Linear<F>,
    /// Keys and values before all others, `[prefix, 2 width]`. (Li and Liang, "Prefix-Tuning", 2021.)
    pub prefix: Option<Parameter<F>>,
    /// Out of attention.
    pub out: Linear<F>,
    /// Before the feed-forward part.
    pub norm2: Norm<F>,
    /// Into it.
    pub up: Linear<F>,
    /// Of GELU alone.
    pub up_bias: Option<Parameter<F>>,
    /// Out of it.
    pub down: Linear<F>,
    index: usize,
    activation: Activation,
    /// Without attention, its output is zero.
    attention: bool,
}

/// Dropout of what the branches add to the stream. Each of them draws numbers of its own, one behind the other.
pub struct Noise<'a, R> {
    /// Seed and offset.
    pub state: &'a R,
    /// Of dropping an element.
    pub probability: f32,
}

impl<R> Clone for Noise<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Noise<'_, R> {}

impl<R> Noise<'_, R> {
    /// The draw of the addition number `place`, of `rows` of `width` elements.
    fn draw(&self, place: usize, [rows, width]: [usize; 2]) -> Draw<'_, R> {
        let offset = place as u64 * blocks_of_place([rows, width]);
        Draw { state: self.state, offset, probability: self.probability }
    }
}

/// Blocks of random numbers that each place has.
pub fn blocks_of_place([rows, width]: [usize; 2]) -> u64 {
    random::blocks((rows * width) as u64)
}

/// Adds a branch to the stream and normalises the sum: in one pass, or after a dropout that adds.
pub fn add_and_norm<O: Ops>(
    ops: &O,
    norm: &Norm<O::Floats>,
    shape: [usize; 2],
    (noise, place): (Option<Noise<'_, O::Random>>, usize),
    (branch, stream, sum): (&O::Floats, &O::Floats, &mut O::Floats),
    normed: (&mut O::Floats, &mut Statistics<O::Floats>),
) -> Outcome {
    match noise {
        None => norm.forward(ops, shape, (branch, Some((stream, sum))), normed),
        Some(noise) => {
            ops.dropout(shape, noise.draw(place, shape), (branch, stream), sum)?;
            norm.forward(ops, shape, (sum, None), normed)
        }
    }
}

/// What a block keeps from forward to backward.
pub struct Kept<O: Ops> {
    /// The stream that enters.
    pub stream: O::Floats,
    normed1: O::Floats,
    statistics1: Statistics<O::Floats>,
    attention: O::Attention,
    attended: O::Floats,
    /// The stream between attention and feed-forward part.
    pub middle: O::Floats,
    normed2: O::Floats,
    statistics2: Statistics<O::Floats>,
    raised: O::Floats,
    gated: O::Floats,
}

/// Memory that all blocks use in turn.
pub struct Scratch<F> {
    /// What a branch adds to the stream; later the gradients of norms' outputs.
    pub branch: F,
    /// Queries, keys and values, and their gradients.
    qkv: F,
    grad_gated: F,
    grad_raised: F,
    /// The gradient of the stream, in turn: the first has it between blocks.
    pub grad_stream: [F; 2],
    /// Of low-rank adapters.
    pub low: [F; 2],
}

/// The most columns of a low-rank adapter.
pub const MAX_RANK: usize = 64;

impl<O: Ops> Kept<O> {
    /// For positions of these sizes.
    pub fn new(ops: &O, architecture: &Architecture, heads: Heads) -> Outcome<Self> {
        let (width, floats) = (heads.width(), |columns: usize| ops.alloc(heads.rows() * columns));
        Ok(Self {
            stream: floats(width)?,
            normed1: floats(width)?,
            statistics1: statistics(ops, heads.rows())?,
            attention: ops.attention_memory(heads)?,
            attended: floats(width)?,
            middle: floats(width)?,
            normed2: floats(width)?,
            statistics2: statistics(ops, heads.rows())?,
            raised: floats(architecture.activation.raised(width))?,
            gated: floats(architecture.activation.hidden(width))?,
        })
    }
}

impl<F> Scratch<F> {
    /// For positions of these sizes.
    pub fn new<O: Ops<Floats = F>>(ops: &O, architecture: &Architecture, heads: Heads) -> Outcome<Self> {
        let (width, floats) = (heads.width(), |columns: usize| ops.alloc(heads.rows() * columns));
        Ok(Self {
            branch: floats(width)?,
            qkv: floats(3 * width)?,
            grad_gated: floats(architecture.activation.hidden(width))?,
            grad_raised: floats(architecture.activation.raised(width))?,
            grad_stream: [floats(width)?, floats(width)?],
            low: [floats(MAX_RANK)?, floats(MAX_RANK)?],
        })
    }
}

/// Memory for what a norm keeps.
pub fn statistics<O: Ops>(ops: &O, rows: usize) -> Outcome<Statistics<O::Floats>> {
    Ok(Statistics { mean: ops.alloc(rows)?, rstd: ops.alloc(rows)? })
}

impl<F> Block<F> {
    /// The block `index` of a model. Branches are added at the places `2 index + 1` and `2 index + 2`.
    pub fn new<O: Ops<Floats = F>>(
        maker: &mut Maker<'_, O>,
        architecture: &Architecture,
        index: usize,
    ) -> Outcome<Self> {
        let Architecture { layers, norm, activation, attention, .. } = *architecture;
        let width = architecture.width();
        let (hidden, raised) = (activation.hidden(width), activation.raised(width));
        let inside = (width as f64).powf(-0.5);
        // Each of the branches that add to the stream starts smaller, the more of them there are.
        let branch = (2.0 * layers as f64).powf(-0.5);
        let name = |part: &str| format!("layer{index}.{part}");
        let norm1 = Norm::new(maker, norm, &name("norm1"), width)?;
        let qkv = Linear::new(maker, &name("qkv"), [width, 3 * width], inside)?;
        let out = Linear::new(maker, &name("out"), [width, width], branch * inside)?;
        let norm2 = Norm::new(maker, norm, &name("norm2"), width)?;
        let up = Linear::new(maker, &name("up"), [width, raised], inside)?;
        let up_bias = match activation {
            Activation::Gelu => Some(maker.vector(&name("up_bias"), raised, 0.0)?),
            _ => None,
        };
        let down = Linear::new(maker, &name("down"), [hidden, width], branch * (hidden as f64).powf(-0.5))?;
        Ok(Self { norm1, qkv, prefix: None, out, norm2, up, up_bias, down, index, activation, attention })
    }

    /// Every tensor, in an order that never changes.
    pub fn parameters(&mut self) -> Vec<&mut Parameter<F>> {
        let mut list = self.norm1.parameters();
        list.extend(self.qkv.parameters());
        list.extend(&mut self.prefix);
        list.extend(self.out.parameters());
        list.extend(self.norm2.parameters());
        list.extend(self.up.parameters());
        list.extend(&mut self.up_bias);
        list.extend(self.down.parameters());
        list
    }

    /// Takes the stream: `middle` of the block before, to which `scratch.branch` is still to be added, or `kept.stream` where there is none.
    /// Leaves its own in the same way.
    pub fn forward<O: Ops<Floats = F>>(
        &self,
        ops: &O,
        (heads, noise): (Heads, Option<Noise<'_, O::Random>>),
        middle: Option<&F>,
        kept: &mut Kept<O>,
        scratch: &mut Scratch<F>,
    ) -> Outcome {
        let (rows, width) = (heads.rows(), heads.width());
        let Scratch { branch, qkv, low: [low, _], .. } = scratch;
        let normed = (&mut kept.normed1, &mut kept.statistics1);
        let (shape, place) = ([rows, width], 2 * self.index);
        match middle {
            None => self.norm1.forward(ops, shape, (&kept.stream, None), normed)?,
            Some(middle) => {
                let sum = (&*branch, middle, &mut kept.stream);
                add_and_norm(ops, &self.norm1, shape, (noise, place), sum, normed)?;
            }
        }
        if self.attention {
            self.qkv.forward(ops, rows, &kept.normed1, qkv, low)?;
            let prefix = self.prefix.as_ref().map(|prefix| &prefix.value);
            ops.attention(heads, qkv, prefix, &mut kept.attention, &mut kept.attended)?;
        } else {
            ops.write(&mut kept.attended, &vec![0.0; rows * width])?;
        }
        self.out.forward(ops, rows, &kept.attended, branch, low)?;

        let normed = (&mut kept.normed2, &mut kept.statistics2);
        let sum = (&*branch, &kept.stream, &mut kept.middle);
        add_and_norm(ops, &self.norm2, shape, (noise, place + 1), sum, normed)?;
        self.up.forward(ops, rows, &kept.normed2, &mut kept.raised, low)?;
        let raised = (&kept.raised, self.up_bias.as_ref().map(|bias| &bias.value));
        ops.activation(self.activation, [rows, self.activation.hidden(width)], raised, &mut kept.gated)?;
        self.down.forward(ops, rows, &kept.gated, branch, low)
    }

    /// Whether anything is trained up to attention, and whether anything is up to the feed-forward part.
    fn trained(&self) -> [bool; 2] {
        let before = self.norm1.trained() || self.qkv.trained() || self.prefix.as_ref().is_some_and(Parameter::trained);
        [before, before || self.out.trained()]
    }

    /// Whether anything of the block is trained.
    pub fn any_trained(&mut self) -> bool {
        self.parameters().iter().any(|parameter| parameter.trained())
    }

    /// From the gradient of the stream that leaves to that of the stream that enters, both in `scratch.grad_stream[0]`. `below` says
    /// whether that is needed; where nothing further down is trained, nothing is computed for it.
    pub fn backward<O: Ops<Floats = F>>(
        &mut self,
        ops: &O,
        (heads, noise): (Heads, Option<Noise<'_, O::Random>>),
        below: bool,
        kept: &mut Kept<O>,
        scratch: &mut Scratch<F>,
    ) -> Outcome {
        let (rows, width) = (heads.rows(), heads.width());
        let Scratch { branch, qkv, grad_gated, grad_raised, grad_stream: [grad_stream, grad_middle], low } = scratch;
        let [attended, stream] = self.trained().map(|trained| trained || below);
        let normed2 = stream || self.norm2.trained();
        let raised = normed2 || self.up.trained() || self.up_bias.as_ref().is_some_and(Parameter::trained);

        let (shape, place) = ([rows, width], 2 * self.index);
        let grad_input = raised.then_some(&mut *grad_gated);
        let grad_branch = match noise {
            None => &*grad_stream,
            Some(noise) => {
                ops.dropout_backward(shape, noise.draw(place + 2, shape), grad_stream, branch)?;
                &*branch
            }
        };
        self.down.backward(ops, rows, &kept.gated, grad_branch, grad_input, low)?;
        if raised {
            let (bias, grad_bias) = match &mut self.up_bias {
                Some(bias) => (Some(&bias.value), bias.gradient.as_mut()),
                None => (None, None),
            };
            let wide = [rows, self.activation.hidden(width)];
            let of = (&kept.raised, bias);
            ops.activation_backward(self.activation, wide, grad_gated, of, (grad_raised, grad_bias))?;
            let grad_input = normed2.then_some(&mut *branch);
            self.up.backward(ops, rows, &kept.normed2, grad_raised, grad_input, low)?;
        }
        if normed2 {
            let of = (&kept.middle, &kept.statistics2);
            self.norm2.backward(ops, [rows, width], of, (branch, Some(grad_stream)), grad_middle)?;
        }
        if stream {
            let grad_input = attended.then_some(&mut *branch);
            let grad_branch = match noise {
                None => &*grad_middle,
                Some(noise) => {
                    ops.dropout_backward(shape, noise.draw(place + 1, shape), grad_middle, qkv)?;
                    &*qkv
                }
            };
            self.out.backward(ops, rows, &kept.attended, grad_branch, grad_input, low)?;
        }
        if attended {
            let normed1 = below || self.norm1.trained();
            if self.attention {
                let grad_prefix = self.prefix.as_mut().and_then(|prefix| prefix.gradient.as_mut());
                ops.attention_backward(heads, branch, &mut kept.attention, qkv, grad_prefix)?;
            } else {
                ops.write(qkv, &vec![0.0; rows * 3 * width])?;
            }
            let grad_input = normed1.then_some(&mut *branch);
            self.qkv.backward(ops, rows, &kept.normed1, qkv, grad_input, low)?;
            if normed1 {
                let of = (&kept.stream, &kept.statistics1);
                self.norm1.backward(ops, [rows, width], of, (branch, Some(grad_middle)), grad_stream)?;
            }
        }
        Ok(())
    }
}
