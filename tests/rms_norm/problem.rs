//! One RMS norm problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::rms_norm::{self, Casting};
use warpsmith::reference::rms_norm::{self as reference, Forward, Gradients};
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
    /// Elements by which the weight is off a 16-byte boundary.
    pub vector_shift: usize,
}

/// A forward and a backward pass.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub rows: usize,
    pub width: usize,
    pub epsilon: f32,
    pub casting: Casting,
    pub input: Vec<T>,
    pub residual: Option<Vec<T>>,
    pub weight: Option<Vec<T>>,
    pub grad_output: Vec<T>,
    pub grad_sum: Option<Vec<T>>,
    pub wants_rstd: bool,
    pub wants_grad_weight: bool,
    pub places: Places,
}

/// What a forward pass wrote; empty where nothing was asked for.
pub struct Written<T> {
    pub output: Vec<T>,
    pub sum: Vec<T>,
    pub rstd: Vec<f32>,
}

impl<T: Real> Problem<T> {
    /// Normal data with a weight and its gradient, without residual, all tensors without gaps. The seed chooses the casting, too.
    pub fn new(rows: usize, width: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let place = Place::matrix(rows, width);
        Self {
            rows,
            width,
            epsilon: 1e-5,
            casting: Casting::ALL[seed as usize % 3],
            input: rng.normals(rows * width, 0.5, 2.0),
            residual: None,
            weight: Some(rng.normals(width, 1.0, 0.5)),
            grad_output: rng.normals(rows * width, 0.0, 1.0),
            grad_sum: None,
            wants_rstd: true,
            wants_grad_weight: true,
            places: Places { input: place, other: place, output: place, sum: place, vector_shift: 0 },
        }
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

    /// What the casting adds to the weight.
    pub fn offset(&self) -> f32 {
        if self.casting == Casting::Gemma { 1.0 } else { 0.0 }
    }

    /// Runs the forward pass between guards.
    pub fn forward<D: Device>(&self, device: &D) -> Written<T> {
        let input = Guarded::input(device, self.places.input, &self.input);
        let residual = self.residual.as_ref().map(|values| Guarded::input(device, self.places.other, values));
        let weight = self.weight.as_ref().map(|values| Guarded::input(device, self.vector(), values));
        let mut output = Guarded::<D, T>::output(device, self.places.output);
        let mut sum = Guarded::<D, T>::output(device, self.places.sum);
        let mut rstd = Guarded::<D, f32>::output(device, Place::vector(self.rows));
        let tensors = rms_norm::Forward {
            input: input.view(),
            residual: residual
                .as_ref()
                .map(|residual| rms_norm::Residual { residual: residual.view(), sum: sum.view_mut() }),
            weight: weight.as_ref().map(Guarded::view),
            output: output.view_mut(),
            rstd: self.wants_rstd.then(|| rstd.view_mut()),
        };
        rms_norm::forward(device, tensors, self.epsilon, self.casting).expect("rms_norm::forward");
        assert_eq!(bits(&input.read(device)), bits(&self.input), "the input was overwritten");
        let mut written = Written { output: output.read(device), sum: sum.read(device), rstd: rstd.read(device) };
        if self.residual.is_none() {
            sum.assert_untouched(device);
            written.sum.clear();
        }
        if !self.wants_rstd {
            rstd.assert_untouched(device);
            written.rstd.clear();
        }
        written
    }

    /// Runs the backward pass between guards, for a forward pass that normalised `x`. A gradient that is not wanted is empty.
    pub fn backward<D: Device>(&self, device: &D, x: &[T], rstd: &[f32]) -> Gradients<T> {
        let grad_output = Guarded::input(device, self.places.other, &self.grad_output);
        let input = Guarded::input(device, self.places.input, x);
        let weight = self.weight.as_ref().map(|weight| Guarded::input(device, self.vector(), weight));
        let rstd = Guarded::input(device, Place::vector(self.rows), rstd);
        let grad_sum = self.grad_sum.as_ref().map(|values| Guarded::input(device, self.places.other, values));
        let mut grad_input = Guarded::output(device, self.places.output);
        let mut grad_weight = self.wants_grad_weight.then(|| Guarded::output(device, self.vector()));
        let bytes = rms_norm::backward_workspace_bytes([self.rows, self.width]);
        let mut workspace = self.wants_grad_weight.then(|| Guarded::<D, u8>::output(device, Place::vector(bytes)));
        let tensors = rms_norm::Backward {
            grad_output: grad_output.view(),
            input: input.view(),
            weight: weight.as_ref().map(Guarded::view),
            rstd: rstd.view(),
            grad_sum: grad_sum.as_ref().map(Guarded::view),
            grad_input: grad_input.view_mut(),
            grad_weight: grad_weight.as_mut().map(Guarded::view_mut),
            workspace: workspace.as_mut().map(Guarded::view_mut),
        };
        rms_norm::backward(device, tensors, self.casting).expect("rms_norm::backward");
        if let Some(workspace) = workspace {
            workspace.read(device);
        }
        let weight = grad_weight.map(|gradient| gradient.read(device)).unwrap_or_default();
        Gradients { input: grad_input.read(device), weight }
    }

    /// What the forward pass has to normalise.
    pub fn x(&self) -> Vec<T> {
        match &self.residual {
            Some(residual) => reference::naive::add(&self.input, residual),
            None => self.input.clone(),
        }
    }

    /// What an unfused framework would write.
    pub fn naive(&self, x: &[T]) -> Forward<T, f32> {
        let casting = (self.offset(), self.casting == Casting::Llama);
        reference::naive::forward(x, self.weight.as_deref(), casting, self.width, self.epsilon)
    }

    fn judge<U: Real>(&self, device: &str, what: &str, cols: usize, got: &[U], oracle: &[f64], naive: &[U]) {
        let name =
            format!("{device}: rms_norm {} of [{}, {}], {:?}, {what}", T::DTYPE, self.rows, self.width, self.casting);
        Comparison { name: &name, cols, got, oracle, naive }.assert();
    }

    /// Runs both passes and judges them: the output and the input's gradient row by row, rstd and the weight's gradient as a whole.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let x = self.x();
        let wide = |values: &Option<Vec<T>>| values.as_deref().map(widen);
        let (wide_x, weight) = (widen(&x), wide(&self.weight));
        let (width, epsilon, offset) = (self.width, f64::from(self.epsilon), f64::from(self.offset()));

        let written = self.forward(device);
        let oracle = reference::forward(&wide_x, weight.as_deref(), offset, width, epsilon);
        let naive = self.naive(&x);
        self.judge(name, "output", width, &written.output, &oracle.output, &naive.output);
        // The rule grants as much as a rounding too many or too few. But naive rounds where the casting says, so in 16 bits it has the same
        // bits but for a few that f32 rounds to the neighbour.
        let unlike = written.output.iter().zip(&naive.output).filter(|(a, b)| a.to_f64() != b.to_f64()).count();
        let few = if size_of::<T>() == 2 { 2 + written.output.len() / 50 } else { written.output.len() };
        assert!(unlike <= few, "{name}: {:?} of {} has {unlike} bits wrong", self.casting, T::DTYPE);
        if self.residual.is_some() {
            assert_bits_equal(&format!("{name}: sum"), width, &written.sum, &x);
        }
        let rstd = if self.wants_rstd { written.rstd } else { naive.rstd.clone() };
        self.judge(name, "rstd", self.rows, &rstd, &oracle.rstd, &naive.rstd);

        let gradients = self.backward(device, &x, &rstd);
        let (grad_output, grad_sum) = (widen(&self.grad_output), wide(&self.grad_sum));
        let past = grad_sum.as_deref();
        let oracle = reference::backward(&grad_output, &wide_x, weight.as_deref(), offset, past, (width, epsilon));
        let naive = reference::naive::backward(
            &self.grad_output,
            &x,
            (self.weight.as_deref(), self.offset()),
            &naive.rstd,
            self.grad_sum.as_deref(),
            width,
        );
        self.judge(name, "grad_input", width, &gradients.input, &oracle.input, &naive.input);
        if self.wants_grad_weight {
            self.judge(name, "grad_weight", width, &gradients.weight, &oracle.weight, &naive.weight);
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
