//! Every operation on the CPU, twice, as plain loops over slices: what kernels are judged by.
//!
//! The functions of a module compute in f64 and in the words of the formula: the truth. Those of its `naive` compute as
//! an unfused framework does: in f32, rounded to the element type wherever it would store a tensor. A kernel may err at most twice
//! as much as `naive` does (docs/numerics.md).

pub mod activation;
pub mod adamw;
pub mod adamw8bit;
pub mod attention;
pub mod bce_with_logits;
pub mod cross_entropy;
pub mod dropout;
pub mod embedding;
pub mod gelu;
pub mod grad_clip;
pub mod lamb;
pub mod layer_norm;
pub mod linear_cross_entropy;
pub mod lion;
pub mod mask_tokens;
pub mod optimizer;
pub mod philox;
pub mod quantize;
pub mod rms_norm;
pub mod rotary;
pub mod softmax;

use crate::element::Float;

/// Every value in f64, which holds each of ours exactly.
pub fn widen<T: Float>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

/// The value in f32, which holds each of ours exactly.
pub fn single<T: Float>(value: T) -> f32 {
    value.to_f64() as f32
}

/// A f32 rounded to an element, as a framework does when it stores one.
pub fn stored<T: Float>(value: f32) -> T {
    T::from_f64(f64::from(value))
}

/// The sum in f32 by halves, whose error grows with the logarithm of the count.
pub fn pairwise_sum(values: &[f32]) -> f32 {
    match values {
        [] => 0.0,
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(values.len() / 2);
            pairwise_sum(left) + pairwise_sum(right)
        }
    }
}
