//! What a model computes with, as one trait: the crate's launchers on a device implement it, and so do the crate's references on
//! the CPU. Models are written once over it, so a test can hold one against the other.

use super::Outcome;
use super::layers::Activation;
use super::optimizer::{List, Recipe, Saved};
use super::product::Product;

/// Elements of an attention head.
pub const HEAD: usize = 64;

/// Added to the variance, or to the mean square, by every norm.
pub const EPSILON: f32 = 1e-5;

/// The base of rotary positions.
pub const ROTARY_BASE: f64 = 10_000.0;

/// The target of a position that does not count.
pub const IGNORED: i32 = -100;

/// The sizes of a self-attention, and how it looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heads {
    /// Texts.
    pub batch: usize,
    /// Positions of each.
    pub length: usize,
    /// Heads of [`HEAD`] elements.
    pub heads: usize,
    /// Keys and values before those of the positions, the same for every text and seen from everywhere.
    pub prefix: usize,
    /// A position looks at those before it alone.
    pub causal: bool,
    /// Queries and keys are turned by their positions.
    pub rotary: bool,
}

impl Heads {
    /// Positions of all texts.
    pub fn rows(&self) -> usize {
        self.batch * self.length
    }

    /// Elements of a position.
    pub fn width(&self) -> usize {
        self.heads * HEAD
    }
}

/// The weight of a norm and its bias: a layer norm has one, an RMS norm has none.
pub struct NormWeights<'a, F> {
    /// `[width]`.
    pub weight: &'a F,
    /// `[width]`.
    pub bias: Option<&'a F>,
}

/// What a norm keeps of each row.
pub struct Statistics<F> {
    /// `[rows]`: of a layer norm alone.
    pub mean: F,
    /// `[rows]`: one over the deviation, or over the root of the mean square.
    pub rstd: F,
}

/// The tensors of a norm, `[rows, width]`.
pub struct NormForward<'a, F> {
    /// What is normalised, or the new branch where there is a residual.
    pub input: &'a F,
    /// The stream so far, and where its sum with `input` goes, which is then what is normalised.
    pub residual: Option<(&'a F, &'a mut F)>,
    /// Weight and bias.
    pub weights: NormWeights<'a, F>,
    /// Written.
    pub output: &'a mut F,
    /// Written.
    pub statistics: &'a mut Statistics<F>,
}

/// The tensors of a norm's gradients.
pub struct NormBackward<'a, F> {
    /// The gradient of the output.
    pub grad_output: &'a F,
    /// What was normalised.
    pub input: &'a F,
    /// Weight and bias.
    pub weights: NormWeights<'a, F>,
    /// What the forward pass wrote.
    pub statistics: &'a Statistics<F>,
    /// The gradient that reaches the stream past the norm.
    pub grad_stream: Option<&'a F>,
    /// The gradient of the stream, written.
    pub grad_input: &'a mut F,
    /// Written, where it is trained.
    pub grad_weight: Option<&'a mut F>,
    /// Written, where it is trained.
    pub grad_bias: Option<&'a mut F>,
}

/// Rows in memory: `groups` of `rows` of `width` neighbouring elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rows {
    /// The first element.
    pub first: usize,
    /// From a group to the next; 0 for the same rows again.
    pub group: usize,
    /// From a row to the next.
    pub row: usize,
}

/// Where the random numbers of a call begin: so many blocks behind a state on the device.
pub struct Draw<'a, R> {
    /// Seed and offset.
    pub state: &'a R,
    /// Added to the offset.
    pub offset: u64,
    /// The probability of what may happen to an element.
    pub probability: f32,
}

/// The computations of a transformer over memory of one kind. Every tensor is without gaps and in f32; attention rounds to bf16 inside.
pub trait Ops {
    /// Numbers in memory.
    type Floats;
    /// Token ids in memory.
    type Ids;
    /// Seed and offset of random numbers in memory.
    type Random;
    /// What an attention keeps from forward to backward.
    type Attention;
    /// The clipping of a list of gradients, and an optimizer over the same list.
    type Optimizer;

    /// Memory with unspecified contents.
    fn alloc(&self, len: usize) -> Outcome<Self::Floats>;
    /// Memory with a copy of `values`.
    fn upload(&self, values: &[f32]) -> Outcome<Self::Floats>;
    /// Overwrites memory of the same length.
    fn write(&self, to: &mut Self::Floats, values: &[f32]) -> Outcome;
    /// The contents.
    fn read(&self, from: &Self::Floats) -> Outcome<Vec<f32>>;
    /// Memory with a copy of `ids`.
    fn upload_ids(&self, ids: &[i32]) -> Outcome<Self::Ids>;
    /// Overwrites memory of the same length.
    fn write_ids(&self, to: &mut Self::Ids, ids: &[i32]) -> Outcome;
    /// The contents.
    fn read_ids(&self, from: &Self::Ids) -> Outcome<Vec<i32>>;

    /// Memory with a seed and an offset.
    fn random(&self, seed: u64, offset: u64) -> Outcome<Self::Random>;
    /// Overwrites both.
    fn reseed(&self, random: &mut Self::Random, seed: u64, offset: u64) -> Outcome;

    /// `c = scale a b`, or `c += scale a b`.
    fn product(&self, product: &Product, a: &Self::Floats, b: &Self::Floats, c: &mut Self::Floats) -> Outcome;

    /// Copies `[groups, rows, width]` from one place to another.
    fn copy(&self, shape: [usize; 3], from: (&Self::Floats, Rows), to: (&mut Self::Floats, Rows)) -> Outcome;
    /// Adds up `[batch, rows, width]` over the batch. `sum` may have more rows, which become zero.
    fn sum_over_batch(&self, shape: [usize; 3], of: &Self::Floats, sum: &mut Self::Floats) -> Outcome;

    /// Looks up `ids: [batch, length]` in `tokens`, and adds the first rows of `positions`: `[batch, length, width]`.
    fn embed(
        &self,
        shape: [usize; 3],
        ids: &Self::Ids,
        tables: (&Self::Floats, Option<&Self::Floats>),
        output: &mut Self::Floats,
    ) -> Outcome;
    /// The gradient of the table `tokens`.
    fn embed_backward(
        &self,
        shape: [usize; 3],
        ids: &Self::Ids,
        grad_output: &Self::Floats,
        grad_tokens: &mut Self::Floats,
    ) -> Outcome;

    /// Normalises each row.
    fn norm(&self, shape: [usize; 2], tensors: NormForward<'_, Self::Floats>) -> Outcome;
    /// Its gradients.
    fn norm_backward(&self, shape: [usize; 2], tensors: NormBackward<'_, Self::Floats>) -> Outcome;

    /// `output: [rows, hidden]` of what was raised and its bias, if it has one.
    fn activation(
        &self,
        activation: Activation,
        shape: [usize; 2],
        raised: (&Self::Floats, Option<&Self::Floats>),
        output: &mut Self::Floats,
    ) -> Outcome;
    /// The gradients of what was raised, and of its bias where that is trained.
    fn activation_backward(
        &self,
        activation: Activation,
        shape: [usize; 2],
        grad_output: &Self::Floats,
        raised: (&Self::Floats, Option<&Self::Floats>),
        grads: (&mut Self::Floats, Option<&mut Self::Floats>),
    ) -> Outcome;

    /// `sum = residual + input` without the elements that are dropped, and the others scaled up.
    fn dropout(
        &self,
        shape: [usize; 2],
        draw: Draw<'_, Self::Random>,
        of: (&Self::Floats, &Self::Floats),
        sum: &mut Self::Floats,
    ) -> Outcome;
    /// The gradient of its input, with the same draw.
    fn dropout_backward(
        &self,
        shape: [usize; 2],
        draw: Draw<'_, Self::Random>,
        grad_sum: &Self::Floats,
        grad_input: &mut Self::Floats,
    ) -> Outcome;

    /// What an attention of these sizes keeps.
    fn attention_memory(&self, heads: Heads) -> Outcome<Self::Attention>;
    /// Self-attention: `qkv` is `[rows, 3, heads, HEAD]` and is turned in place, `prefix` is `[heads.prefix, 2, heads, HEAD]`, `output`
    /// is `[rows, heads, HEAD]`.
    fn attention(
        &self,
        heads: Heads,
        qkv: &mut Self::Floats,
        prefix: Option<&Self::Floats>,
        memory: &mut Self::Attention,
        output: &mut Self::Floats,
    ) -> Outcome;
    /// The gradients of `qkv` and of the prefix from that of the output.
    fn attention_backward(
        &self,
        heads: Heads,
        grad_output: &Self::Floats,
        memory: &mut Self::Attention,
        grad_qkv: &mut Self::Floats,
        grad_prefix: Option<&mut Self::Floats>,
    ) -> Outcome;

    /// Chooses ids: a chosen one becomes the target, and in its place stands the mask, another id or the same; the targets of all others are
    /// [`IGNORED`].
    fn mask_tokens(&self, draw: Draw<'_, Self::Random>, ids: &mut Self::Ids, targets: &mut Self::Ids) -> Outcome;

    /// The mean of the cross-entropy over the rows of `logits: [rows, classes]` whose target is not [`IGNORED`], left in `loss: [1]`. The
    /// gradient takes the place of the logits where it is asked for.
    fn cross_entropy(
        &self,
        shape: [usize; 2],
        logits: &mut Self::Floats,
        targets: &Self::Ids,
        loss: &mut Self::Floats,
        gradient: bool,
    ) -> Outcome;

    /// An optimizer that goes on where `saved` stood, or starts.
    fn optimizer(
        &self,
        recipe: &Recipe,
        list: &mut List<'_, Self::Floats>,
        saved: Option<&Saved>,
    ) -> Outcome<Self::Optimizer>;
    /// Clips the gradients by their common norm and makes a step, with the list that the optimizer was made for.
    fn optimizer_step(
        &self,
        optimizer: &mut Self::Optimizer,
        list: &mut List<'_, Self::Floats>,
        learning_rate: f32,
    ) -> Outcome;
    /// Steps and states.
    fn optimizer_saved(&self, optimizer: &Self::Optimizer) -> Outcome<Saved>;
}
