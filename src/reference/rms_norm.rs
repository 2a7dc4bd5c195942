//! RMS norm on the CPU: each row of `x` scaled to a mean square of 1, and its gradients.

/// A forward pass: what an element type `T` stores, and the statistic in `S`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward<T, S> {
    /// `x * rstd * weight`, `[rows, width]`.
    pub output: Vec<T>,
    /// `1 / sqrt(mean(x^2) + epsilon)` of each row, `[rows]`.
    pub rstd: Vec<S>,
}

/// The gradients of a loss with respect to the inputs of [`forward`].
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T> {
    /// With respect to `x`, `[rows, width]`.
    pub input: Vec<T>,
    /// With respect to the weight, `[width]`.
    pub weight: Vec<T>,
}

/// `x * rstd * (weight + offset)` for each row of `x: [rows, width]`, with `rstd = 1 / sqrt(mean(x^2) + epsilon)`. The offset is 0, or 1
/// where a stored weight is a difference from one; it is left out without a weight. Where the operation adds a residual, `x` is that sum.
pub fn forward(x: &[f64], weight: Option<&[f64]>, offset: f64, width: usize, epsilon: f64) -> Forward<f64, f64> {
    let mut result = Forward { output: Vec::with_capacity(x.len()), rstd: Vec::new() };
    for row in x.chunks_exact(width) {
        let rstd = rstd(row, epsilon);
        let scaled = row.iter().enumerate().map(|(column, x)| x * rstd * weight.map_or(1.0, |w| w[column] + offset));
        result.output.extend(scaled);
        result.rstd.push(rstd);
    }
    result
}

/// The gradients, with `g = grad_output * (weight + offset)` and `xhat = x * rstd`: of each row `rstd * (g - xhat * mean(g * xhat))`, to
/// which `grad_sum: [rows, width]` is added, a gradient that reaches `x` past the norm; of the weight the sum of `grad_output * xhat`
/// over the rows.
pub fn backward(
    grad_output: &[f64],
    x: &[f64],
    weight: Option<&[f64]>,
    offset: f64,
    grad_sum: Option<&[f64]>,
    (width, epsilon): (usize, f64),
) -> Gradients<f64> {
    let mut gradients = Gradients { input: Vec::with_capacity(x.len()), weight: vec![0.0; width] };
    for (row, (dy, x)) in grad_output.chunks_exact(width).zip(x.chunks_exact(width)).enumerate() {
        let rstd = rstd(x, epsilon);
        let xhat: Vec<f64> = x.iter().map(|x| x * rstd).collect();
        let g: Vec<f64> = dy.iter().enumerate().map(|(i, dy)| dy * weight.map_or(1.0, |w| w[i] + offset)).collect();
        let mean = g.iter().zip(&xhat).map(|(g, xhat)| g * xhat).sum::<f64>() / width as f64;
        for column in 0..width {
            let past = grad_sum.map_or(0.0, |grad_sum| grad_sum[row * width + column]);
            gradients.input.push(rstd * (g[column] - xhat[column] * mean) + past);
            gradients.weight[column] += dy[column] * xhat[column];
        }
    }
    gradients
}

fn rstd(row: &[f64], epsilon: f64) -> f64 {
    1.0 / (row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64 + epsilon).sqrt()
}

/// As an unfused framework computes: f32 arithmetic with pairwise sums, every tensor stored in the element type, the statistic in f32.
pub mod naive {
    use super::{Forward, Gradients};
    use crate::element::Float;
    use crate::reference::{pairwise_sum, single, stored};

    /// The sum of input and residual, as it is stored.
    pub fn add<T: Float>(input: &[T], residual: &[T]) -> Vec<T> {
        input.iter().zip(residual).map(|(&a, &b)| stored(single(a) + single(b))).collect()
    }

    /// The normalised rows and their statistic. `rounds` says whether `x * rstd` is stored before the weight.
    pub fn forward<T: Float>(
        x: &[T],
        weight: Option<&[T]>,
        (offset, rounds): (f32, bool),
        width: usize,
        epsilon: f32,
    ) -> Forward<T, f32> {
        let mut result = Forward { output: Vec::with_capacity(x.len()), rstd: Vec::new() };
        for row in x.chunks_exact(width) {
            let row: Vec<f32> = row.iter().copied().map(single).collect();
            let squares: Vec<f32> = row.iter().map(|x| x * x).collect();
            let rstd = 1.0 / (mean(&squares) + epsilon).sqrt();
            let scaled = row.iter().enumerate().map(|(column, x)| {
                let xhat = if rounds { single(stored::<T>(x * rstd)) } else { x * rstd };
                stored::<T>(weight.map_or(xhat, |weight| xhat * (single(weight[column]) + offset)))
            });
            result.output.extend(scaled);
            result.rstd.push(rstd);
        }
        result
    }

    /// The gradients from a saved statistic. The gradient of the input is stored before `grad_sum` is added to it.
    pub fn backward<T: Float>(
        grad_output: &[T],
        x: &[T],
        (weight, offset): (Option<&[T]>, f32),
        rstd: &[f32],
        grad_sum: Option<&[T]>,
        width: usize,
    ) -> Gradients<T> {
        let xhat: Vec<f32> = x.iter().enumerate().map(|(i, &x)| single(x) * rstd[i / width]).collect();
        let dy: Vec<f32> = grad_output.iter().copied().map(single).collect();
        let weighted = |(i, dy): (usize, &f32)| weight.map_or(*dy, |weight| dy * (single(weight[i % width]) + offset));
        let g: Vec<f32> = dy.iter().enumerate().map(weighted).collect();
        let mut input = Vec::with_capacity(x.len());
        for (row, rstd) in rstd.iter().enumerate() {
            let range = row * width..(row + 1) * width;
            let (g, xhat) = (&g[range.clone()], &xhat[range]);
            let products: Vec<f32> = g.iter().zip(xhat).map(|(g, xhat)| g * xhat).collect();
            let mean = mean(&products);
            input.extend(g.iter().zip(xhat).map(|(g, xhat)| stored::<T>(rstd * (g - xhat * mean))));
        }
        if let Some(grad_sum) = grad_sum {
            input = add(&input, grad_sum);
        }
        let column_sum = |column| {
            let terms: Vec<f32> = (column..x.len()).step_by(width).map(|i| dy[i] * xhat[i]).collect();
            stored(pairwise_sum(&terms))
        };
        Gradients { input, weight: (0..width).map(column_sum).collect() }
    }

    fn mean(values: &[f32]) -> f32 {
        pairwise_sum(values) / values.len() as f32
    }
}
