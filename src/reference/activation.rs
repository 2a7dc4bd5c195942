//! Activations and gated linear units on the CPU, and their gradients.

use crate::ops::activation::Function;
use crate::ops::gelu::Form;
use crate::reference::gelu;

/// The gradients of a loss with respect to the inputs of [`forward`].
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T> {
    /// With respect to the input, or to the gate.
    pub input: Vec<T>,
    /// With respect to up; empty without one.
    pub up: Vec<T>,
}

/// `f(input)`, times `up` where there is one.
pub fn forward(function: Function, input: &[f64], up: Option<&[f64]>) -> Vec<f64> {
    input.iter().enumerate().map(|(i, &x)| value(function, x) * up.map_or(1.0, |up| up[i])).collect()
}

/// `grad_output * up * f'(input)` and `grad_output * f(input)`.
pub fn backward(function: Function, grad_output: &[f64], input: &[f64], up: Option<&[f64]>) -> Gradients<f64> {
    let places = || grad_output.iter().zip(input).enumerate();
    Gradients {
        input: places().map(|(i, (dy, &x))| dy * up.map_or(1.0, |up| up[i]) * derivative(function, x)).collect(),
        up: up.map_or(Vec::new(), |_| places().map(|(_, (dy, &x))| dy * value(function, x)).collect()),
    }
}

/// `f(x)`.
pub fn value(function: Function, x: f64) -> f64 {
    match function {
        Function::Silu => x * sigmoid(x),
        Function::QuickGelu => x * sigmoid(QUICK * x),
        Function::Relu => relu(x),
        Function::ReluSquared => relu(x) * relu(x),
        Function::GeluErf => gelu::value(Form::Erf, x),
        Function::GeluTanh => gelu::value(Form::Tanh, x),
    }
}

/// `f'(x)`; that of `x sigmoid(z)`, `z = slope x`, is `s + z s (1 - s)` with `1 - s = sigmoid(-z)`.
pub fn derivative(function: Function, x: f64) -> f64 {
    let of_sigmoid = |z: f64| sigmoid(z) + z * (sigmoid(z) * sigmoid(-z));
    match function {
        Function::Silu => of_sigmoid(x),
        Function::QuickGelu => of_sigmoid(QUICK * x),
        Function::Relu => {
            if x <= 0.0 {
                0.0
            } else {
                1.0
            }
        }
        Function::ReluSquared => 2.0 * relu(x),
        Function::GeluErf => gelu::derivative(Form::Erf, x),
        Function::GeluTanh => gelu::derivative(Form::Tanh, x),
    }
}

/// What quick-GELU multiplies its argument by.
const QUICK: f64 = 1.702;

/// `max(x, 0)`, which keeps NaN.
fn relu(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// As an unfused framework computes: f32 arithmetic in the textbook's formula, every tensor stored in the element type.
pub mod naive {
    use super::{Function, Gradients, QUICK};
    use crate::element::Float;
    use crate::ops::gelu::Form;
    use crate::reference::{gelu, single, stored};

    /// `f(input)`, stored; then times `up`, stored.
    pub fn forward<T: Float>(function: Function, input: &[T], up: Option<&[T]>) -> Vec<T> {
        let applied = apply(function, input);
        match up {
            Some(up) => product(&applied, up),
            None => applied,
        }
    }

    /// The gradients, each product stored.
    pub fn backward<T: Float>(function: Function, grad_output: &[T], input: &[T], up: Option<&[T]>) -> Gradients<T> {
        let into_function = match up {
            Some(up) => product(grad_output, up),
            None => grad_output.to_vec(),
        };
        Gradients {
            input: derivative(function, &into_function, input),
            up: up.map_or(Vec::new(), |_| product(grad_output, &apply(function, input))),
        }
    }

    fn product<T: Float>(a: &[T], b: &[T]) -> Vec<T> {
        a.iter().zip(b).map(|(&a, &b)| stored(single(a) * single(b))).collect()
    }

    fn apply<T: Float>(function: Function, input: &[T]) -> Vec<T> {
        let each = |value: fn(f32) -> f32| input.iter().map(|&x| stored(value(single(x)))).collect();
        match function {
            Function::Silu => each(|x| x * sigmoid(x)),
            Function::QuickGelu => each(|x| x * sigmoid(QUICK as f32 * x)),
            Function::Relu => each(relu),
            Function::ReluSquared => each(|x| relu(x) * relu(x)),
            Function::GeluErf => gelu::naive::forward(Form::Erf, input, None),
            Function::GeluTanh => gelu::naive::forward(Form::Tanh, input, None),
        }
    }

    fn derivative<T: Float>(function: Function, gradient: &[T], input: &[T]) -> Vec<T> {
        let places = || gradient.iter().zip(input);
        let each = |slope: fn(f32) -> f32| places().map(|(&dy, &x)| stored(single(dy) * slope(single(x)))).collect();
        let gelu = |form| gelu::naive::backward(form, gradient, input, None, input.len()).input;
        match function {
            Function::Silu => each(|x| sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))),
            Function::QuickGelu => each(|x| {
                let z = QUICK as f32 * x;
                sigmoid(z) * (1.0 + z * (1.0 - sigmoid(z)))
            }),
            Function::Relu => each(|x| if x <= 0.0 { 0.0 } else { 1.0 }),
            Function::ReluSquared => each(|x| 2.0 * relu(x)),
            Function::GeluErf => gelu(Form::Erf),
            Function::GeluTanh => gelu(Form::Tanh),
        }
    }

    fn relu(x: f32) -> f32 {
        if x < 0.0 { 0.0 } else { x }
    }

    fn sigmoid(z: f32) -> f32 {
        1.0 / (1.0 + (-z).exp())
    }
}
