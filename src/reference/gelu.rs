//! GELU on the CPU: `y = gelu(x + bias)`, and its gradients.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use crate::ops::gelu::Form;

/// The coefficient of `x^3` in the tanh form.
const CUBIC: f64 = 0.044715;

/// The gradients of a loss with respect to the inputs of [`forward`].
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T> {
    /// With respect to the input, `[rows, width]`.
    pub input: Vec<T>,
    /// With respect to the bias, `[width]`.
    pub bias: Vec<T>,
}

/// `gelu(input + bias)`, with `input: [rows, width]` and `bias: [width]`.
pub fn forward(form: Form, input: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    biased(input, bias).map(|x| value(form, x)).collect()
}

/// `grad_output * gelu'(input + bias)` and its sum over the rows, with `grad_output, input: [rows, width]`.
pub fn backward(form: Form, grad_output: &[f64], input: &[f64], bias: Option<&[f64]>, width: usize) -> Gradients<f64> {
    let grad_input: Vec<f64> =
        grad_output.iter().zip(biased(input, bias)).map(|(gradient, x)| gradient * derivative(form, x)).collect();
    let grad_bias = (0..width).map(|column| grad_input.iter().skip(column).step_by(width).sum()).collect();
    Gradients { input: grad_input, bias: grad_bias }
}

/// `gelu(x)`: `x Phi(x)`, or `x/2 (1 + tanh u)` with `u = sqrt(2/pi) (x + 0.044715 x^3)`, in forms that keep their digits where the
/// factor is small: `Phi(x) = erfc(-x / sqrt 2) / 2` and `(1 + tanh u) / 2 = sigmoid(2u)`.
pub fn value(form: Form, x: f64) -> f64 {
    match form {
        Form::Erf => x * normal_distribution(x),
        Form::Tanh => x * sigmoid(twice_u(x)),
    }
}

/// `gelu'(x)`: `Phi(x) + x phi(x)`, or `s + x s (1 - s) (2u)'` with `s = sigmoid(2u)` and `1 - s = sigmoid(-2u)`.
pub fn derivative(form: Form, x: f64) -> f64 {
    match form {
        Form::Erf => {
            let density = (-0.5 * x * x).exp() * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 / 2.0;
            normal_distribution(x) + x * density
        }
        Form::Tanh => {
            let (rising, falling) = (sigmoid(twice_u(x)), sigmoid(-twice_u(x)));
            rising + x * (rising * falling) * twice_u_derivative(x)
        }
    }
}

fn normal_distribution(x: f64) -> f64 {
    libm::erfc(-x * FRAC_1_SQRT_2) / 2.0
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn twice_u(x: f64) -> f64 {
    2.0 * (2.0 / PI).sqrt() * (x + CUBIC * x * x * x)
}

fn twice_u_derivative(x: f64) -> f64 {
    2.0 * (2.0 / PI).sqrt() * (1.0 + 3.0 * CUBIC * x * x)
}

fn biased(input: &[f64], bias: Option<&[f64]>) -> impl Iterator<Item = f64> {
    input.iter().enumerate().map(move |(i, x)| bias.map_or(*x, |bias| x + bias[i % bias.len()]))
}

/// As an unfused framework computes: f32 arithmetic in the textbook's formula, every tensor stored in the element type.
pub mod naive {
    use super::{CUBIC, Form, Gradients};
    use crate::element::Float;
    use crate::reference::{pairwise_sum, single, stored};

    const FRAC_1_SQRT_2: f32 = std::f32::consts::FRAC_1_SQRT_2;
    /// `sqrt(2 / pi)`.
    const FRAC_SQRT_2_PI: f32 = std::f32::consts::FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

    /// `gelu(input + bias)`: the sum is stored, then the result.
    pub fn forward<T: Float>(form: Form, input: &[T], bias: Option<&[T]>) -> Vec<T> {
        biased(input, bias).map(|x| stored(value(form, x))).collect()
    }

    /// The gradients: that of the input is stored, and the bias's summed from what was stored.
    pub fn backward<T: Float>(
        form: Form,
        grad_output: &[T],
        input: &[T],
        bias: Option<&[T]>,
        width: usize,
    ) -> Gradients<T> {
        let grad_input: Vec<T> = grad_output
            .iter()
            .zip(biased(input, bias))
            .map(|(gradient, x)| stored(single(*gradient) * derivative(form, x)))
            .collect();
        let column_sum = |column| {
            let column: Vec<f32> = grad_input.iter().skip(column).step_by(width).copied().map(single).collect();
            stored(pairwise_sum(&column))
        };
        Gradients { bias: (0..width).map(column_sum).collect(), input: grad_input }
    }

    fn value(form: Form, x: f32) -> f32 {
        match form {
            Form::Erf => 0.5 * x * (1.0 + libm::erff(x * FRAC_1_SQRT_2)),
            Form::Tanh => 0.5 * x * (1.0 + libm::tanhf(u(x))),
        }
    }

    fn derivative(form: Form, x: f32) -> f32 {
        match form {
            Form::Erf => {
                let distribution = 0.5 * (1.0 + libm::erff(x * FRAC_1_SQRT_2));
                let density = libm::expf(-0.5 * x * x) * (0.5 * FRAC_SQRT_2_PI);
                distribution + x * density
            }
            Form::Tanh => {
                let tanh = libm::tanhf(u(x));
                let inner = FRAC_SQRT_2_PI * (1.0 + 3.0 * CUBIC as f32 * x * x);
                0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner
            }
        }
    }

    fn u(x: f32) -> f32 {
        FRAC_SQRT_2_PI * (x + CUBIC as f32 * x * x * x)
    }

    fn biased<T: Float>(input: &[T], bias: Option<&[T]>) -> impl Iterator<Item = f32> {
        input.iter().enumerate().map(move |(i, &x)| match bias {
            None => single(x),
            Some(bias) => single(stored::<T>(single(x) + single(bias[i % bias.len()]))),
        })
    }
}
