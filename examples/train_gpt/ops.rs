//! What the model computes with, as one trait: the crate's launchers on a device implement it, and so do the crate's references on
//! the CPU. The model is written once over it, so a test can hold one against the other.

use warpsmith::ops::adamw8bit::{self, Checkpoint};

use crate::Outcome;

/// Elements of an attention head.
pub const HEAD: usize = 64;

/// Added to the variance by every norm.
pub const EPSILON: f32 = 1e-5;

/// A matrix product `C[m, n] = A B` of matrices without gaps, row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product {
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// The dimension that is summed over.
    pub k: usize,
    /// A is stored as `[k, m]`, not as `[m, k]`.
    pub a_transposed: bool,
    /// B is stored as `[n, k]`, not as `[k, n]`.
    pub b_transposed: bool,
}

impl Product {
    /// `y[rows, out] = x[rows, in] W[in, out]`.
    pub fn forward(rows: usize, [inside, out]: [usize; 2]) -> Self {
        Self { m: rows, n: out, k: inside, a_transposed: false, b_transposed: false }
    }

    /// `dx[rows, in] = dy[rows, out] W^T`.
    pub fn input_gradient(rows: usize, [inside, out]: [usize; 2]) -> Self {
        Self { m: rows, n: inside, k: out, a_transposed: false, b_transposed: true }
    }

    /// `dW[in, out] = x^T dy`.
    pub fn weight_gradient(rows: usize, [inside, out]: [usize; 2]) -> Self {
        Self { m: inside, n: out, k: rows, a_transposed: true, b_transposed: false }
    }

    /// Distances between neighbours in A, B: down a column, along a row.
    pub fn strides(&self) -> [[usize; 2]; 2] {
        let of = |columns, rows, transposed| if transposed { [1, rows] } else { [columns, 1] };
        [of(self.k, self.m, self.a_transposed), of(self.n, self.k, self.b_transposed)]
    }
}

/// The sizes of a causal self-attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heads {
    /// Texts.
    pub batch: usize,
    /// Positions of each.
    pub length: usize,
    /// Heads of [`HEAD`] elements.
    pub heads: usize,
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

/// The weight and bias of a layer norm, or their gradients.
#[derive(Clone, Debug)]
pub struct Norm<T> {
    /// `[width]`.
    pub weight: T,
    /// `[width]`.
    pub bias: T,
}

/// The mean and the reciprocal deviation of each row that a norm has seen.
pub struct Statistics<F> {
    /// `[rows]`.
    pub mean: F,
    /// `[rows]`.
    pub rstd: F,
}

/// The tensors of a layer norm, `[rows, width]`.
pub struct NormForward<'a, F> {
    /// What is normalised, or the new branch where there is a residual.
    pub input: &'a F,
    /// The stream so far, and where its sum with `input` goes, which is then what is normalised.
    pub residual: Option<(&'a F, &'a mut F)>,
    /// Weight and bias.
    pub norm: &'a Norm<F>,
    /// Written.
    pub output: &'a mut F,
    /// Written.
    pub statistics: &'a mut Statistics<F>,
}

/// The tensors of a layer norm's gradients.
pub struct NormBackward<'a, F> {
    /// The gradient of the output.
    pub grad_output: &'a F,
    /// What was normalised.
    pub input: &'a F,
    /// Weight and bias.
    pub norm: &'a Norm<F>,
    /// What the forward pass wrote.
    pub statistics: &'a Statistics<F>,
    /// The gradient that reaches the stream past the norm.
    pub grad_stream: Option<&'a F>,
    /// The gradient of the stream, written.
    pub grad_input: &'a mut F,
    /// Written.
    pub grad_norm: &'a mut Norm<F>,
}

/// Parameters that an optimizer updates.
pub struct List<'a, F> {
    /// Updated.
    pub parameters: Vec<&'a mut F>,
    /// The gradient of each.
    pub gradients: Vec<&'a F>,
    /// The weight decay of each.
    pub decays: &'a [f32],
}

/// The computations of a GPT over memory of one kind. Every tensor is without gaps and in f32; attention rounds to bf16 inside.
pub trait Ops {
    /// Numbers in memory.
    type Floats;
    /// What an attention keeps from forward to backward.
    type Attention;
    /// An 8-bit AdamW over a list of parameters.
    type AdamW8bit;

    /// Memory with unspecified contents.
    fn alloc(&self, len: usize) -> Outcome<Self::Floats>;
    /// Memory with a copy of `values`.
    fn upload(&self, values: &[f32]) -> Outcome<Self::Floats>;
    /// Overwrites memory of the same length.
    fn write(&self, to: &mut Self::Floats, values: &[f32]) -> Outcome;
    /// The contents.
    fn read(&self, from: &Self::Floats) -> Outcome<Vec<f32>>;

    /// `c = a b`.
    fn product(&self, product: Product, a: &Self::Floats, b: &Self::Floats, c: &mut Self::Floats) -> Outcome;

    /// Normalises each row.
    fn norm(&self, shape: [usize; 2], tensors: NormForward<'_, Self::Floats>) -> Outcome;
    /// Its gradients.
    fn norm_backward(&self, shape: [usize; 2], tensors: NormBackward<'_, Self::Floats>) -> Outcome;

    /// `output = gelu(input + bias)`.
    fn gelu(&self, shape: [usize; 2], input: &Self::Floats, bias: &Self::Floats, output: &mut Self::Floats) -> Outcome;
    /// The gradients of `(input, bias)` from those of the output.
    fn gelu_backward(
        &self,
        shape: [usize; 2],
        grad_output: &Self::Floats,
        of: (&Self::Floats, &Self::Floats),
        grads: (&mut Self::Floats, &mut Self::Floats),
    ) -> Outcome;

    /// What an attention of these sizes keeps.
    fn attention_memory(&self, heads: Heads) -> Outcome<Self::Attention>;
    /// Causal self-attention: `qkv` is `[rows, 3, heads, HEAD]`, `output` is `[rows, heads, HEAD]`.
    fn attention(
        &self,
        heads: Heads,
        qkv: &Self::Floats,
        memory: &mut Self::Attention,
        output: &mut Self::Floats,
    ) -> Outcome;
    /// The gradient of `qkv` from that of the output.
    fn attention_backward(
        &self,
        heads: Heads,
        grad_output: &Self::Floats,
        memory: &mut Self::Attention,
        grad_qkv: &mut Self::Floats,
    ) -> Outcome;

    /// An 8-bit AdamW that goes on where `checkpoint` stood.
    fn adamw8bit(
        &self,
        list: &mut List<'_, Self::Floats>,
        options: adamw8bit::Options,
        checkpoint: &Checkpoint,
    ) -> Outcome<Self::AdamW8bit>;
    /// Makes a step with the list that it was made for.
    fn adamw8bit_step(
        &self,
        optimizer: &mut Self::AdamW8bit,
        list: &mut List<'_, Self::Floats>,
        learning_rate: f32,
    ) -> Outcome;
    /// Steps and states.
    fn adamw8bit_checkpoint(&self, optimizer: &Self::AdamW8bit) -> Outcome<Checkpoint>;
}
