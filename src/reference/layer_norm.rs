//! Layer norm on the CPU: each row of `x` shifted and scaled to mean 0 and variance 1, and its gradients.

/// A forward pass: what an element type `T` stores, and the statistics in `S`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward<T, S> {
    /// `(x - mean) * rstd * weight + bias`, `[rows, width]`.
    pub output: Vec<T>,
    /// The mean of each row, `[rows]`.
    pub mean: Vec<S>,
    /// `1 / sqrt(variance + epsilon)` of each row, `[rows]`.
    pub rstd: Vec<S>,
}

/// The gradients of a loss with respect to the inputs of [`forward`].
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T> {
    /// With respect to `x`, `[rows, width]`.
    pub input: Vec<T>,
    /// With respect to the weight, `[width]`.
    pub weight: Vec<T>,
    /// With respect to the bias, `[width]`.
    pub bias: Vec<T>,
}

/// `(x - mean) * rstd * weight + bias` for each row of `x: [rows, width]`, with `rstd = 1 / sqrt(variance + epsilon)` and the
/// variance of the row taken as a whole population. Where the operation adds a residual, `x` is that sum.
pub fn forward(
    x: &[f64],
    weight: Option<&[f64]>,
    bias: Option<&[f64]>,
    width: usize,
    epsilon: f64,
) -> Forward<f64, f64> {
    let mut result = Forward { output: Vec::with_capacity(x.len()), mean: Vec::new(), rstd: Vec::new() };
    for row in x.chunks_exact(width) {
        let (mean, rstd) = statistics(row, epsilon);
        let scaled = row.iter().enumerate().map(|(column, x)| {
            let xhat = (x - mean) * rstd;
            xhat * weight.map_or(1.0, |weight| weight[column]) + bias.map_or(0.0, |bias| bias[column])
        });
        result.output.extend(scaled);
        result.mean.push(mean);
        result.rstd.push(rstd);
    }
    result
}

/// The gradients, with `g = grad_output * weight` and `xhat = (x - mean) * rstd`: of each row
/// `rstd * (g - mean(g) - xhat * mean(g * xhat))`, to which `grad_sum: [rows, width]` is added, a gradient that reaches `x` past the
/// norm; of the weight the sum of `grad_output * xhat` over the rows, of the bias that of `grad_output`.
pub fn backward(
    grad_output: &[f64],
    x: &[f64],
    weight: Option<&[f64]>,
    grad_sum: Option<&[f64]>,
    width: usize,
    epsilon: f64,
) -> Gradients<f64> {
    let mut gradients =
        Gradients { input: Vec::with_capacity(x.len()), weight: vec![0.0; width], bias: vec![0.0; width] };
    for (row, (dy, x)) in grad_output.chunks_exact(width).zip(x.chunks_exact(width)).enumerate() {
        let (mean, rstd) = statistics(x, epsilon);
        let xhat: Vec<f64> = x.iter().map(|x| (x - mean) * rstd).collect();
        let g: Vec<f64> = dy.iter().enumerate().map(|(i, dy)| dy * weight.map_or(1.0, |weight| weight[i])).collect();
        let mean_g = g.iter().sum::<f64>() / width as f64;
        let mean_g_xhat = g.iter().zip(&xhat).map(|(g, xhat)| g * xhat).sum::<f64>() / width as f64;
        for column in 0..width {
            let past = grad_sum.map_or(0.0, |grad_sum| grad_sum[row * width + column]);
            gradients.input.push(rstd * (g[column] - mean_g - xhat[column] * mean_g_xhat) + past);
            gradients.weight[column] += dy[column] * xhat[column];
            gradients.bias[column] += dy[column];
        }
    }
    gradients
}

/// Mean and `1 / sqrt(variance + epsilon)` of a row.
fn statistics(row: &[f64], epsilon: f64) -> (f64, f64) {
    let width = row.len() as f64;
    let mean = row.iter().sum::<f64>() / width;
    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// As an unfused framework computes: f32 arithmetic with pairwise sums, every tensor stored in the element type, statistics in
/// f32.
pub mod naive {
    use super::{Forward, Gradients};
    use crate::element::Float;
    use crate::reference::{pairwise_sum, single, stored};

    /// The sum of input and residual, as it is stored.
    pub fn add<T: Float>(input: &[T], residual: &[T]) -> Vec<T> {
        input.iter().zip(residual).map(|(&a, &b)| stored(single(a) + single(b))).collect()
    }

    /// The normalised rows and their statistics.
    pub fn forward<T: Float>(
        x: &[T],
        weight: Option<&[T]>,
        bias: Option<&[T]>,
        width: usize,
        epsilon: f32,
    ) -> Forward<T, f32> {
        let mut result = Forward { output: Vec::with_capacity(x.len()), mean: Vec::new(), rstd: Vec::new() };
        for row in x.chunks_exact(width) {
            let row: Vec<f32> = row.iter().copied().map(single).collect();
            let mean = mean(&row);
            let squares: Vec<f32> = row.iter().map(|x| (x - mean) * (x - mean)).collect();
            let rstd = 1.0 / (self::mean(&squares) + epsilon).sqrt();
            let scaled = row.iter().enumerate().map(|(column, x)| {
                let xhat = (x - mean) * rstd;
                let scaled = weight.map_or(xhat, |weight| xhat * single(weight[column]));
                stored::<T>(bias.map_or(scaled, |bias| scaled + single(bias[column])))
            });
            result.output.extend(scaled);
            result.mean.push(mean);
            result.rstd.push(rstd);
        }
        result
    }

    /// The gradients from saved statistics. The gradient of the input is stored before `grad_sum` is added to it.
    pub fn backward<T: Float>(
        grad_output: &[T],
        x: &[T],
        weight: Option<&[T]>,
        (mean, rstd): (&[f32], &[f32]),
        grad_sum: Option<&[T]>,
        width: usize,
    ) -> Gradients<T> {
        let xhat: Vec<f32> =
            x.iter().enumerate().map(|(i, &x)| (single(x) - mean[i / width]) * rstd[i / width]).collect();
        let dy: Vec<f32> = grad_output.iter().copied().map(single).collect();
        let g: Vec<f32> =
            dy.iter().enumerate().map(|(i, dy)| weight.map_or(*dy, |weight| dy * single(weight[i % width]))).collect();
        let mut input = Vec::with_capacity(x.len());
        for (row, rstd) in rstd.iter().enumerate() {
            let range = row * width..(row + 1) * width;
            let (g, xhat) = (&g[range.clone()], &xhat[range]);
            let products: Vec<f32> = g.iter().zip(xhat).map(|(g, xhat)| g * xhat).collect();
            let (mean_g, mean_g_xhat) = (self::mean(g), self::mean(&products));
            input.extend(g.iter().zip(xhat).map(|(g, xhat)| stored::<T>(rstd * (g - mean_g - xhat * mean_g_xhat))));
        }
        if let Some(grad_sum) = grad_sum {
            input = add(&input, grad_sum);
        }
        let column_sum = |column, value: &dyn Fn(usize) -> f32| {
            let terms: Vec<f32> = (column..x.len()).step_by(width).map(value).collect();
            stored(pairwise_sum(&terms))
        };
        Gradients {
            input,
            weight: (0..width).map(|column| column_sum(column, &|i| dy[i] * xhat[i])).collect(),
            bias: (0..width).map(|column| column_sum(column, &|i| dy[i])).collect(),
        }
    }

    fn mean(values: &[f32]) -> f32 {
        pairwise_sum(values) / values.len() as f32
    }
}
