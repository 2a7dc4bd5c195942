//! One layer norm problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::layer_norm;
use warpsmith::reference::layer_norm::{self as reference, Forward, Gradients};
use warpsmith::{Device, Float};

use crate::common::compare::{Comparison, assert_bits_equal};
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// Where the tensors of a problem lie.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// `input` of both passes.
    pub input: Place,
    /// `residual`, `grad_output` and `grad_sum`.
    pub other: Place,
    /// `output` and `grad_input`.
    pub output: Place,
    /// `sum`.
    pub sum: Place,
    /// Elements by which weight and bias are off a 16-byte boundary.
    pub vector_shift: usize,
}

/// A forward and a backward pass.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub rows: usize,
    pub width: usize,
    pub epsilon: f32,
    pub input: Vec<T>,
    pub residual: Option<Vec<T>>,
    pub weight: Option<Vec<T>>,
    pub bias: Option<Vec<T>>,
    pub grad_output: Vec<T>,
    pub grad_sum: Option<Vec<T>>,
    pub wants_statistics: bool,
    pub wants_grad_weight: bool,
    pub wants_grad_bias: bool,
    pub places: Places,
}

/// What a forward pass wrote; empty where nothing was asked for.
pub struct Written<T> {
    pub output: Vec<T>,
    pub sum: Vec<T>,
    pub mean: Vec<f32>,
    pub rstd: Vec<f32>,
}

impl<T: Real> Problem<T> {
    /// Normal data with weight and bias and their gradients, without residual, all tensors without gaps.
    pub fn new(rows: usize, width: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let place = Place::matrix(rows, width);
        Self {
            rows,
            width,
            epsilon: 1e-5,
            input: rng.normals(rows * width, 0.5, 2.0),
            residual: None,
            weight: Some(rng.normals(width, 1.0, 0.5)),
            bias: Some(rng.normals(width, 0.0, 1.0)),
            grad_output: rng.normals(rows * width, 0.0, 1.0),
            grad_sum: None,
            wants_statistics: true,
            wants_grad_weight: true,
            wants_grad_bias: true,
            places: Places { input: place, other: place, output: place, sum: place, vector_shift: 0 },
        }
    }

    /// With other input, normal about a mean.
    pub fn about(self, mean: f64, deviation: f64) -> Self {
        let input = Rng::new(self.width as u64 ^ mean.to_bits()).normals(self.input.len(), mean, deviation);
        Self { input, ..self }
    }

    /// With a residual, and in the backward pass a gradient past the norm.
    pub fn with_residual(self) -> Self {
        let mut rng = Rng::new(!(self.width as u64));
        let residual = Some(rng.normals(self.input.len(), -0.3, 1.5));
        let grad_sum = Some(rng.normals(self.input.len(), 0.0, 1.0));
        Self { residual, grad_sum, ..self }
    }

    /// With all tensors of rows at the same kind of place.
    pub fn placed(self, place: Place) -> Self {
        Self { places: Places { input: place, other: place, output: place, sum: place, ..self.places }, ..self }
    }

    fn vector(&self) -> Place {
        Place::vector(self.width).shifted(self.places.vector_shift)
    }

    /// Runs the forward pass between guards.
    pub fn forward<D: Device>(&self, device: &D) -> Written<T> {
        let vector = |values: &Vec<T>| Guarded::input(device, self.vector(), values);
        let input = Guarded::input(device, self.places.input, &self.input);
        let residual = self.residual.as_ref().map(|values| Guarded::input(device, self.places.other, values));
        let (weight, bias) = (self.weight.as_ref().map(vector), self.bias.as_ref().map(vector));
        let mut output = Guarded::<D, T>::output(device, self.places.output);
        let mut sum = Guarded::<D, T>::output(device, self.places.sum);
        let mut mean = Guarded::<D, f32>::output(device, Place::vector(self.rows));
        let mut rstd = Guarded::<D, f32>::output(device, Place::vector(self.rows));
        let tensors = layer_norm::Forward {
            input: input.view(),
            residual: residual
                .as_ref()
                .map(|residual| layer_norm::Residual { residual: residual.view(), sum: sum.view_mut() }),
            weight: weight.as_ref().map(Guarded::view),
            bias: bias.as_ref().map(Guarded::view),
            output: output.view_mut(),
            statistics: self
                .wants_statistics
                .then(|| layer_norm::Statistics { mean: mean.view_mut(), rstd: rstd.view_mut() }),
        };
        layer_norm::forward(device, tensors, self.epsilon).expect("layer_norm::forward");
        assert_eq!(bits(&input.read(device)), bits(&self.input), "the input was overwritten");
        let mut written = Written {
            output: output.read(device),
            sum: sum.read(device),
            mean: mean.read(device),
            rstd: rstd.read(device),
        };
        if self.residual.is_none() {
            sum.assert_untouched(device);
            written.sum.clear();
        }
        if !self.wants_statistics {
            mean.assert_untouched(device);
            rstd.assert_untouched(device);
            written.mean.clear();
            written.rstd.clear();
        }
        written
    }

    /// Runs the backward pass between guards, for a forward pass that normalised `x`. Gradients that are not wanted are empty.
    pub fn backward<D: Device>(&self, device: &D, x: &[T], mean: &[f32], rstd: &[f32]) -> Gradients<T> {
        let grad_output = Guarded::input(device, self.places.other, &self.grad_output);
        let input = Guarded::input(device, self.places.input, x);
        let weight = self.weight.as_ref().map(|weight| Guarded::input(device, self.vector(), weight));
        let mean = Guarded::input(device, Place::vector(self.rows), mean);
        let rstd = Guarded::input(device, Place::vector(self.rows), rstd);
        let grad_sum = self.grad_sum.as_ref().map(|values| Guarded::input(device, self.places.other, values));
        let mut grad_input = Guarded::output(device, self.places.output);
        let mut grad_weight = self.wants_grad_weight.then(|| Guarded::output(device, self.vector()));
        let mut grad_bias = self.wants_grad_bias.then(|| Guarded::output(device, self.vector()));
        let bytes = layer_norm::backward_workspace_bytes([self.rows, self.width]);
        let mut workspace = (self.wants_grad_weight || self.wants_grad_bias)
            .then(|| Guarded::<D, u8>::output(device, Place::vector(bytes)));
        let tensors = layer_norm::Backward {
            grad_output: grad_output.view(),
            input: input.view(),
            weight: weight.as_ref().map(Guarded::view),
            statistics: layer_norm::Statistics { mean: mean.view(), rstd: rstd.view() },
            grad_sum: grad_sum.as_ref().map(Guarded::view),
            grad_input: grad_input.view_mut(),
            grad_weight: grad_weight.as_mut().map(Guarded::view_mut),
            grad_bias: grad_bias.as_mut().map(Guarded::view_mut),
            workspace: workspace.as_mut().map(Guarded::view_mut),
        };
        layer_norm::backward(device, tensors).expect("layer_norm::backward");
        if let Some(workspace) = workspace {
            workspace.read(device);
        }
        let read = |gradient: Option<Guarded<D, T>>| gradient.map(|gradient| gradient.read(device)).unwrap_or_default();
        Gradients { input: grad_input.read(device), weight: read(grad_weight), bias: read(grad_bias) }
    }

    /// What the forward pass has to normalise.
    pub fn x(&self) -> Vec<T> {
        match &self.residual {
            Some(residual) => reference::naive::add(&self.input, residual),
            None => self.input.clone(),
        }
    }

    /// The name of a comparison.
    fn name(&self, device: &str, what: &str) -> String {
        format!("{device}: layer_norm {} of [{}, {}], {what}", T::DTYPE, self.rows, self.width)
    }

    fn judge<U: Real>(&self, device: &str, what: &str, cols: usize, got: &[U], oracle: &[f64], naive: &[U]) {
        Comparison { name: &self.name(device, what), cols, got, oracle, naive }.assert();
    }

    /// Judges the mean of each row. A mean near zero is what large sums leave over, so its last place is that of the row's elements: their
    /// root mean square stands beside it in its row of the comparison.
    fn judge_mean(&self, device: &str, x: &[f64], got: &[f32], oracle: &[f64], naive: &[f32]) {
        let scales: Vec<f64> = x
            .chunks_exact(self.width)
            .map(|row| (row.iter().map(|x| x * x).sum::<f64>() / self.width as f64).sqrt())
            .collect();
        let pairs =
            |means: &[f32]| means.iter().zip(&scales).flat_map(|(&mean, &scale)| [mean, scale as f32]).collect();
        let (got, naive): (Vec<f32>, Vec<f32>) = (pairs(got), pairs(naive));
        let oracle: Vec<f64> =
            oracle.iter().zip(&scales).flat_map(|(&mean, &scale)| [mean, f64::from(scale as f32)]).collect();
        self.judge(device, "mean", 2, &got, &oracle, &naive);
    }

    /// Runs both passes and judges them: the output and the input's gradient row by row, statistics and the other gradients as a
    /// whole.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let x = self.x();
        let wide = |values: &Option<Vec<T>>| values.as_deref().map(widen);
        let (wide_x, weight, bias) = (widen(&x), wide(&self.weight), wide(&self.bias));
        let (width, epsilon) = (self.width, f64::from(self.epsilon));

        let written = self.forward(device);
        let oracle = reference::forward(&wide_x, weight.as_deref(), bias.as_deref(), width, epsilon);
        let naive: Forward<T, f32> =
            reference::naive::forward(&x, self.weight.as_deref(), self.bias.as_deref(), width, self.epsilon);
        self.judge(name, "output", width, &written.output, &oracle.output, &naive.output);
        if self.residual.is_some() {
            assert_bits_equal(&self.name(name, "sum"), width, &written.sum, &x);
        }
        let (mut mean, mut rstd) = (written.mean, written.rstd);
        if self.wants_statistics {
            self.judge_mean(name, &wide_x, &mean, &oracle.mean, &naive.mean);
            self.judge(name, "rstd", self.rows, &rstd, &oracle.rstd, &naive.rstd);
        } else {
            (mean, rstd) = (naive.mean.clone(), naive.rstd.clone());
        }

        let gradients = self.backward(device, &x, &mean, &rstd);
        let (grad_output, grad_sum) = (widen(&self.grad_output), wide(&self.grad_sum));
        let oracle = reference::backward(&grad_output, &wide_x, weight.as_deref(), grad_sum.as_deref(), width, epsilon);
        let naive = reference::naive::backward(
            &self.grad_output,
            &x,
            self.weight.as_deref(),
            (&naive.mean, &naive.rstd),
            self.grad_sum.as_deref(),
            width,
        );
        self.judge(name, "grad_input", width, &gradients.input, &oracle.input, &naive.input);
        if self.wants_grad_weight {
            self.judge(name, "grad_weight", width, &gradients.weight, &oracle.weight, &naive.weight);
        }
        if self.wants_grad_bias {
            self.judge(name, "grad_bias", width, &gradients.bias, &oracle.bias, &naive.bias);
        }
    }
}

/// The bits of every element.
pub fn bits<T: Sample>(values: &[T]) -> Vec<u32> {
    values.iter().map(|value| value.bits()).collect()
}

/// A test that is written once for all devices and element types.
pub trait Case {
    /// Runs on one of each.
    fn run<D: Device, T: Real>(&self, device: &D, name: &str);
}

/// A case as one test body for a device.
pub struct Every<C>(pub C);

impl<C: Case> Body for Every<C> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        self.0.run::<D, f32>(device, name);
        self.0.run::<D, f16>(device, name);
        self.0.run::<D, bf16>(device, name);
    }
}
