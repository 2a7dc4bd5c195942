//! The model: a transformer over bytes with its backward pass, decoder or encoder.
//!
//! ```text
//! x = tokens[byte] (+ positions[i]);  the blocks;  logits = head(norm(x))
//! ```

use super::Outcome;
use super::block::{Block, Kept, Noise, Scratch, add_and_norm, blocks_of_place, statistics};
use super::layers::{Activation, Linear, Norm, NormKind};
use super::ops::{Draw, HEAD, Heads, IGNORED, Ops, Rows, Statistics};
use super::parameters::{Maker, Parameter, Tensor, Tensors, Values};
use super::text::Batch;

/// Values of a byte: the classes that are predicted.
pub const VOCABULARY: usize = 256;

/// The id that stands in the place of a byte that is to be guessed.
pub const MASK: i32 = 256;

/// Rows of the table of tokens: the bytes, [`MASK`], and some to spare.
const TOKENS: usize = 264;

/// How a model knows where a byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Positions {
    /// Queries and keys are turned.
    Rotary,
    /// A table of vectors is added to the bytes'.
    Learned,
}

/// What a model is made of.
#[derive(Clone, Copy, Debug, PartialEq, clap::Args)]
pub struct Architecture {
    /// Layers of the model
    #[arg(long, default_value_t = 3, value_parser = super::config::positive)]
    pub layers: usize,

    /// Attention heads of 64 elements; the width of the model is 64 times that
    #[arg(long, default_value_t = 2, value_parser = super::config::positive)]
    pub heads: usize,

    /// Bytes that the model sees at a time
    #[arg(long, default_value_t = 128, value_parser = super::config::positive)]
    pub context: usize,

    /// How it knows where a byte stands
    #[arg(long, value_enum, default_value_t = Positions::Rotary)]
    pub positions: Positions,

    /// What normalises the stream
    #[arg(long, value_enum, default_value_t = NormKind::Rms)]
    pub norm: NormKind,

    /// What stands between the two maps of a feed-forward part
    #[arg(long, value_enum, default_value_t = Activation::Swiglu)]
    pub activation: Activation,

    /// Without attention its output is zero, to see what it is good for
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub attention: bool,

    /// Whether a position looks at those before it alone; the program sets it
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, hide = true)]
    pub causal: bool,
}

impl Architecture {
    /// Elements of the stream.
    pub fn width(&self) -> usize {
        self.heads * HEAD
    }
}

/// The memory of passes over a batch of one size.
pub struct Memory<O: Ops> {
    heads: Heads,
    /// The bytes, `[batch, length]` without the prompt.
    pub ids: O::Ids,
    /// What is to be predicted, `[batch, length]` with the prompt, whose positions do not count.
    pub targets: O::Ids,
    blocks: Vec<Kept<O>>,
    last: O::Floats,
    normed: O::Floats,
    statistics: Statistics<O::Floats>,
    /// Logits, and after the loss their gradients.
    logits: O::Floats,
    loss: O::Floats,
    random: O::Random,
    scratch: Scratch<O::Floats>,
}

/// A model on a device.
pub struct Transformer<F> {
    /// What it is made of.
    pub architecture: Architecture,
    tokens: Parameter<F>,
    positions: Option<Parameter<F>>,
    /// Rows of the stream before those of the text, `[prompt, width]`. (Lester et al., "Prompt Tuning", 2021.)
    pub prompt: Option<Parameter<F>>,
    /// In the order in which the stream passes them.
    pub blocks: Vec<Block<F>>,
    norm: Norm<F>,
    head: Linear<F>,
    /// Of dropping an element that a branch adds to the stream, while it is trained.
    pub dropout: f32,
}

impl<F> Transformer<F> {
    /// A model of which nothing is trained yet.
    pub fn new<O: Ops<Floats = F>>(ops: &O, architecture: Architecture, values: Values<'_>) -> Outcome<Self> {
        let width = architecture.width();
        let mut maker = Maker { ops, values };
        let tokens = maker.matrix("tokens", [TOKENS, width], 1.0)?;
        let positions = match architecture.positions {
            Positions::Rotary => None,
            Positions::Learned => Some(maker.matrix("positions", [architecture.context, width], 0.1)?),
        };
        let block = |index| Block::new(&mut maker, &architecture, index);
        let blocks = (0..architecture.layers).map(block).collect::<Outcome<_>>()?;
        let norm = Norm::new(&mut maker, architecture.norm, "norm", width)?;
        let head = Linear::new(&mut maker, "head", [width, VOCABULARY], 0.05)?;
        Ok(Self { architecture, tokens, positions, prompt: None, blocks, norm, head, dropout: 0.0 })
    }

    /// Every tensor, in an order that never changes.
    pub fn parameters(&mut self) -> Vec<&mut Parameter<F>> {
        let mut list = vec![&mut self.tokens];
        list.extend(&mut self.positions);
        list.extend(&mut self.prompt);
        list.extend(self.blocks.iter_mut().flat_map(Block::parameters));
        list.extend(self.norm.parameters());
        list.extend(self.head.parameters());
        list
    }

    /// Chooses what is trained, by name: gradients are computed of these tensors alone.
    pub fn train<O: Ops<Floats = F>>(&mut self, ops: &O, which: impl Fn(&str) -> bool) -> Outcome {
        for parameter in self.parameters() {
            parameter.gradient = if which(&parameter.name) { Some(ops.alloc(parameter.len())?) } else { None };
        }
        Ok(())
    }

    /// The tensors on the host.
    pub fn tensors<O: Ops<Floats = F>>(&mut self, ops: &O) -> Outcome<Tensors> {
        let tensor = |parameter: &mut Parameter<F>| {
            let tensor = Tensor { shape: parameter.shape.clone(), values: ops.read(&parameter.value)? };
            Ok((parameter.name.clone(), tensor))
        };
        self.parameters().into_iter().map(tensor).collect()
    }

    /// Rows of the prompt.
    fn prompt_rows(&self) -> usize {
        self.prompt.as_ref().map_or(0, |prompt| prompt.shape[0])
    }

    /// Writes the first stream.
    fn embed<O: Ops<Floats = F>>(&self, ops: &O, memory: &mut Memory<O>) -> Outcome {
        let Memory { heads, ids, blocks, scratch, .. } = memory;
        let (batch, width, prompt_rows) = (heads.batch, heads.width(), self.prompt_rows());
        let shape = [batch, heads.length - prompt_rows, width];
        let tables = (&self.tokens.value, self.positions.as_ref().map(|table| &table.value));
        let stream = &mut blocks.first_mut().ok_or("a model without layers")?.stream;
        let Some(prompt) = &self.prompt else {
            return ops.embed(shape, ids, tables, stream);
        };
        ops.embed(shape, ids, tables, &mut scratch.branch)?;
        let again = Rows { first: 0, group: 0, row: width };
        let [start, text] = self.places(*heads);
        ops.copy([batch, prompt_rows, width], (&prompt.value, again), (stream, start))?;
        ops.copy(shape, (&scratch.branch, whole(shape)), (stream, text))
    }

    /// Where prompt and text stand in the stream.
    fn places(&self, heads: Heads) -> [Rows; 2] {
        let (width, group) = (heads.width(), heads.length * heads.width());
        [0, self.prompt_rows() * width].map(|first| Rows { first, group, row: width })
    }

    /// The gradients of tokens, positions and prompt from that of the first stream.
    fn embed_backward<O: Ops<Floats = F>>(&mut self, ops: &O, memory: &mut Memory<O>) -> Outcome {
        let Memory { heads, ids, scratch, .. } = memory;
        let (batch, width, prompt_rows) = (heads.batch, heads.width(), self.prompt_rows());
        let [start, text] = self.places(*heads);
        let [grad_stream, grad_text] = &mut scratch.grad_stream;
        if let Some(gradient) = self.prompt.as_mut().and_then(|prompt| prompt.gradient.as_mut()) {
            let shape = [batch, prompt_rows, width];
            ops.copy(shape, (grad_stream, start), (&mut scratch.branch, whole(shape)))?;
            ops.sum_over_batch(shape, &scratch.branch, gradient)?;
        }
        let shape = [batch, heads.length - prompt_rows, width];
        let tables = self.positions.as_mut().and_then(|table| table.gradient.as_mut());
        if prompt_rows > 0 && (self.tokens.trained() || tables.is_some()) {
            ops.copy(shape, (grad_stream, text), (grad_text, whole(shape)))?;
        }
        let grad_text = if prompt_rows > 0 { grad_text } else { grad_stream };
        if let Some(gradient) = &mut self.tokens.gradient {
            ops.embed_backward(shape, ids, grad_text, gradient)?;
        }
        match tables {
            Some(gradient) => ops.sum_over_batch(shape, grad_text, gradient),
            None => Ok(()),
        }
    }

    /// Predicts what `memory.targets` asks for; the logits are left in the memory.
    pub fn forward<O: Ops<Floats = F>>(&self, ops: &O, memory: &mut Memory<O>) -> Outcome {
        self.forward_with(ops, memory, 0.0)
    }

    fn forward_with<O: Ops<Floats = F>>(&self, ops: &O, memory: &mut Memory<O>, dropout: f32) -> Outcome {
        self.embed(ops, memory)?;
        let Memory { heads, blocks, last, normed, statistics, logits, scratch, random, .. } = memory;
        let noise = noise(random, dropout);
        let mut middle: Option<&F> = None;
        for (block, kept) in self.blocks.iter().zip(blocks) {
            block.forward(ops, (*heads, noise), middle, kept, scratch)?;
            middle = Some(&kept.middle);
        }
        let middle = middle.ok_or("a model without layers")?;
        let (shape, place) = ([heads.rows(), heads.width()], 2 * self.blocks.len());
        let sum = (&scratch.branch, middle, last);
        add_and_norm(ops, &self.norm, shape, (noise, place), sum, (normed, statistics))?;
        self.head.forward(ops, heads.rows(), normed, logits, &mut scratch.low[0])
    }

    /// The mean loss over the positions that count, in nats.
    pub fn loss<O: Ops<Floats = F>>(&self, ops: &O, memory: &mut Memory<O>) -> Outcome<f32> {
        self.forward(ops, memory)?;
        memory.loss(ops, false)
    }

    /// The mean loss, with dropout, and the gradients of all that is trained.
    pub fn gradient<O: Ops<Floats = F>>(&mut self, ops: &O, memory: &mut Memory<O>) -> Outcome<f32> {
        self.forward_with(ops, memory, self.dropout)?;
        let loss = memory.loss(ops, true)?;
        self.backward(ops, memory)?;
        Ok(loss)
    }

    /// From the gradients of the logits to those of all that is trained.
    fn backward<O: Ops<Floats = F>>(&mut self, ops: &O, memory: &mut Memory<O>) -> Outcome {
        let embedded = [Some(&self.tokens), self.positions.as_ref(), self.prompt.as_ref()];
        let embedded = embedded.into_iter().flatten().any(Parameter::trained);
        // Whether anything is trained below each block, and below the last norm.
        let mut below = vec![embedded];
        for block in &mut self.blocks {
            below.push(below[below.len() - 1] || block.any_trained());
        }
        let Memory { heads, blocks, last, normed, statistics, logits, scratch, random, .. } = &mut *memory;
        let noise = noise(random, self.dropout);
        let (rows, width) = (heads.rows(), heads.width());
        let in_blocks = below[self.blocks.len()];
        let grad_input = (in_blocks || self.norm.trained()).then_some(&mut scratch.branch);
        self.head.backward(ops, rows, normed, logits, grad_input, &mut scratch.low)?;
        if in_blocks || self.norm.trained() {
            let of = (&*last, &*statistics);
            self.norm.backward(ops, [rows, width], of, (&scratch.branch, None), &mut scratch.grad_stream[0])?;
        }
        for ((block, kept), below) in self.blocks.iter_mut().zip(blocks).zip(below.windows(2)).rev() {
            if below[1] {
                block.backward(ops, (*heads, noise), below[0], kept, scratch)?;
            }
        }
        if embedded { self.embed_backward(ops, memory) } else { Ok(()) }
    }
}

impl<O: Ops> Memory<O> {
    /// For `batch` texts of `length` bytes, which a prompt comes before if the model has one.
    pub fn new(ops: &O, model: &Transformer<O::Floats>, [batch, length]: [usize; 2]) -> Outcome<Self> {
        let architecture = &model.architecture;
        let heads = Heads {
            batch,
            length: length + model.prompt_rows(),
            heads: architecture.heads,
            prefix: model
                .blocks
                .iter()
                .filter_map(|block| block.prefix.as_ref())
                .map(|p| p.shape[0])
                .next()
                .unwrap_or(0),
            causal: architecture.causal,
            rotary: architecture.positions == Positions::Rotary,
        };
        let (rows, width) = (heads.rows(), heads.width());
        Ok(Self {
            heads,
            ids: ops.upload_ids(&vec![0; batch * length])?,
            targets: ops.upload_ids(&vec![IGNORED; rows])?,
            blocks: (0..architecture.layers).map(|_| Kept::new(ops, architecture, heads)).collect::<Outcome<_>>()?,
            last: ops.alloc(rows * width)?,
            normed: ops.alloc(rows * width)?,
            statistics: statistics(ops, rows)?,
            logits: ops.alloc(rows * VOCABULARY)?,
            loss: ops.alloc(1)?,
            random: ops.random(0, 0)?,
            scratch: Scratch::new(ops, architecture, heads)?,
        })
    }

    /// Takes a batch: its inputs, and its targets behind the prompt.
    pub fn load(&mut self, ops: &O, batch: &Batch) -> Outcome {
        let Heads { batch: texts, length, .. } = self.heads;
        let ids: Vec<i32> = batch.inputs.iter().map(|&byte| byte.into()).collect();
        ops.write_ids(&mut self.ids, &ids)?;
        let prompt = length - ids.len() / texts;
        let ignored = std::iter::repeat_n(IGNORED, prompt);
        let text = |bytes: &[u8]| ignored.clone().chain(bytes.iter().map(|&byte| byte.into())).collect::<Vec<i32>>();
        let targets: Vec<i32> = batch.targets.chunks(length - prompt).flat_map(text).collect();
        ops.write_ids(&mut self.targets, &targets)
    }

    /// Sets where the random numbers of a step begin: behind those of all steps before.
    pub fn reseed(&mut self, ops: &O, seed: u64, step: usize) -> Outcome {
        // The first place is for masks of tokens, the others for what is added to the stream.
        let places = 1 + 2 * self.blocks.len() as u64;
        let blocks = blocks_of_place([self.heads.rows(), self.heads.width()]);
        ops.reseed(&mut self.random, seed, (step as u64).wrapping_mul(places * blocks))
    }

    /// Masks the bytes of the batch that was loaded, by the numbers of [`Memory::reseed`]: those are what is predicted.
    pub fn mask(&mut self, ops: &O, probability: f32) -> Outcome {
        let draw = Draw { state: &self.random, offset: 0, probability };
        ops.mask_tokens(draw, &mut self.ids, &mut self.targets)
    }

    /// The logits of a position of the first text, after [`Transformer::forward`].
    pub fn logits(&self, ops: &O, position: usize) -> Outcome<Vec<f32>> {
        Ok(ops.read(&self.logits)?[position * VOCABULARY..][..VOCABULARY].to_vec())
    }

    /// Positions of a text.
    pub fn length(&self) -> usize {
        self.heads.length
    }

    fn loss(&mut self, ops: &O, gradient: bool) -> Outcome<f32> {
        let shape = [self.heads.rows(), VOCABULARY];
        ops.cross_entropy(shape, &mut self.logits, &self.targets, &mut self.loss, gradient)?;
        Ok(ops.read(&self.loss)?[0])
    }
}

/// Dropout of this probability, where there is any.
fn noise<R>(state: &R, probability: f32) -> Option<Noise<'_, R>> {
    (probability > 0.0).then_some(Noise { state, probability })
}

/// `[groups, rows, width]` without gaps.
fn whole([_, rows, width]: [usize; 3]) -> Rows {
    Rows { first: 0, group: rows * width, row: width }
}
