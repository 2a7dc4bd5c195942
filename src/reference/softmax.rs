//! Softmax and its logarithm on the CPU.

/// `exp(l) / sum of exp(l)` of each row of `l: [rows, width]`, the scaled and masked input; zeros where all of a row is minus infinity.
pub fn forward(l: &[f64], width: usize) -> Vec<f64> {
    let mut output = Vec::with_capacity(l.len());
    for row in l.chunks_exact(width) {
        // A finite floor, so that minus infinity is an exponential of zero.
        let max = row.iter().copied().fold(f64::MIN, f64::max);
        let exponentials: Vec<f64> = row.iter().map(|l| (l - max).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        output.extend(exponentials.iter().map(|e| if sum == 0.0 { 0.0 } else { e / sum }));
    }
    output
}

/// `scale * y * (g - sum of g y)` for each row, with the forward's output `y` and its gradient `g`.
pub fn backward(output: &[f64], grad_output: &[f64], width: usize, scale: f64) -> Vec<f64> {
    let mut gradient = Vec::with_capacity(output.len());
    for (y, g) in output.chunks_exact(width).zip(grad_output.chunks_exact(width)) {
        let sum: f64 = y.iter().zip(g).map(|(y, g)| y * g).sum();
        gradient.extend(y.iter().zip(g).map(|(y, g)| scale * y * (g - sum)));
    }
    gradient
}

/// `l - log(sum of exp(l))` of each row; minus infinity where all of a row is.
pub fn log_forward(l: &[f64], width: usize) -> Vec<f64> {
    let mut output = Vec::with_capacity(l.len());
    for row in l.chunks_exact(width) {
        let max = row.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = row.iter().map(|l| (l - max).exp()).sum();
        output.extend(row.iter().map(|&l| if sum == 0.0 { f64::NEG_INFINITY } else { l - max - sum.ln() }));
    }
    output
}

/// `scale * (g - exp(y) * sum of g)` for each row, with the output `y` of [`log_forward`] and its gradient `g`; zero where `y` is minus
/// infinity.
pub fn log_backward(output: &[f64], grad_output: &[f64], width: usize, scale: f64) -> Vec<f64> {
    let mut gradient = Vec::with_capacity(output.len());
    for (y, g) in output.chunks_exact(width).zip(grad_output.chunks_exact(width)) {
        let sum: f64 = g.iter().sum();
        gradient.extend(y.iter().zip(g).map(|(&y, g)| match y == f64::NEG_INFINITY {
            true => 0.0,
            false => scale * (g - y.exp() * sum),
        }));
    }
    gradient
}

/// As an unfused framework computes: f32 arithmetic with pairwise sums, the scaled and masked input kept in f32 (so that the bound is the
/// stricter one), results stored in the element type.
pub mod naive {
    use crate::element::Float;
    use crate::reference::{pairwise_sum, single, stored};

    /// The softmax of each row.
    pub fn forward<T: Float>(l: &[f32], width: usize) -> Vec<T> {
        let mut output = Vec::with_capacity(l.len());
        for row in l.chunks_exact(width) {
            let max = row.iter().copied().fold(f32::MIN, f32::max);
            let exponentials: Vec<f32> = row.iter().map(|l| (l - max).exp()).collect();
            let sum = pairwise_sum(&exponentials);
            output.extend(exponentials.iter().map(|e| stored::<T>(if sum == 0.0 { 0.0 } else { e / sum })));
        }
        output
    }

    /// The gradient of the input.
    pub fn backward<T: Float>(output: &[T], grad_output: &[T], width: usize, scale: f32) -> Vec<T> {
        let mut gradient = Vec::with_capacity(output.len());
        for (y, g) in output.chunks_exact(width).zip(grad_output.chunks_exact(width)) {
            let products: Vec<f32> = y.iter().zip(g).map(|(&y, &g)| single(y) * single(g)).collect();
            let sum = pairwise_sum(&products);
            gradient.extend(y.iter().zip(g).map(|(&y, &g)| stored::<T>(scale * single(y) * (single(g) - sum))));
        }
        gradient
    }

    /// The logarithm of the softmax of each row.
    pub fn log_forward<T: Float>(l: &[f32], width: usize) -> Vec<T> {
        let mut output = Vec::with_capacity(l.len());
        for row in l.chunks_exact(width) {
            let max = row.iter().copied().fold(f32::MIN, f32::max);
            let exponentials: Vec<f32> = row.iter().map(|l| (l - max).exp()).collect();
            let sum = pairwise_sum(&exponentials);
            let log_sum = if sum == 0.0 { 0.0 } else { sum.ln() };
            output.extend(row.iter().map(|l| stored::<T>((l - max) - log_sum)));
        }
        output
    }

    /// The gradient of the input, from the logarithm.
    pub fn log_backward<T: Float>(output: &[T], grad_output: &[T], width: usize, scale: f32) -> Vec<T> {
        let mut gradient = Vec::with_capacity(output.len());
        for (y, g) in output.chunks_exact(width).zip(grad_output.chunks_exact(width)) {
            let sum = pairwise_sum(&g.iter().map(|&g| single(g)).collect::<Vec<_>>());
            gradient.extend(y.iter().zip(g).map(|(&y, &g)| match single(y) == f32::NEG_INFINITY {
                true => stored::<T>(0.0),
                false => stored::<T>(scale * (single(g) - single(y).exp() * sum)),
            }));
        }
        gradient
    }
}
