//! One GELU problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::gelu::{self, Form};
use warpsmith::reference::gelu::{self as reference, Gradients};
use warpsmith::{Device, Float};

use crate::common::compare::{Comparison, Margin};
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// `output = gelu(input + bias)` and its gradients.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub form: Form,
    pub rows: usize,
    pub width: usize,
    pub input: Vec<T>,
    pub grad_output: Vec<T>,
    pub bias: Option<Vec<T>>,
    pub wants_grad_bias: bool,
    pub input_place: Place,
    pub grad_output_place: Place,
    /// Of `output`, and of `grad_input`.
    pub output_place: Place,
}

impl<T: Real> Problem<T> {
    /// Normal data as a feed-forward layer sees it, no bias, no gaps.
    pub fn new(form: Form, rows: usize, width: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let input = rng.normals(rows * width, 0.0, 2.0);
        Self::with_input(form, width, input, seed)
    }

    /// With an input of its own, `[rows, width]`.
    pub fn with_input(form: Form, width: usize, input: Vec<T>, seed: u64) -> Self {
        let rows = input.len() / width;
        let place = Place::matrix(rows, width);
        Self {
            form,
            rows,
            width,
            grad_output: Rng::new(!seed).normals(rows * width, 0.0, 1.0),
            input,
            bias: None,
            wants_grad_bias: false,
            input_place: place,
            grad_output_place: place,
            output_place: place,
        }
    }

    /// With a bias and its gradient.
    pub fn with_bias(self) -> Self {
        let bias = Rng::new(self.width as u64).normals(self.width, 0.5, 1.0);
        Self { bias: Some(bias), wants_grad_bias: true, ..self }
    }

    /// With the tensors at these places.
    pub fn placed(self, input_place: Place, grad_output_place: Place, output_place: Place) -> Self {
        Self { input_place, grad_output_place, output_place, ..self }
    }

    /// Runs the forward pass between guards.
    pub fn forward<D: Device>(&self, device: &D) -> Vec<T> {
        let input = Guarded::input(device, self.input_place, &self.input);
        let bias = self.bias.as_ref().map(|bias| Guarded::input(device, Place::vector(self.width).shifted(1), bias));
        let mut output = Guarded::output(device, self.output_place);
        let tensors =
            gelu::Forward { input: input.view(), bias: bias.as_ref().map(Guarded::view), output: output.view_mut() };
        gelu::forward(device, tensors, self.form).expect("gelu::forward");
        assert_eq!(bits(&input.read(device)), bits(&self.input), "the input was overwritten");
        output.read(device)
    }

    /// Runs the backward pass between guards. Without `wants_grad_bias` the bias's gradient is empty.
    pub fn backward<D: Device>(&self, device: &D) -> Gradients<T> {
        let grad_output = Guarded::input(device, self.grad_output_place, &self.grad_output);
        let input = Guarded::input(device, self.input_place, &self.input);
        let bias = self.bias.as_ref().map(|bias| Guarded::input(device, Place::vector(self.width).shifted(1), bias));
        let mut grad_input = Guarded::output(device, self.output_place);
        let mut grad_bias = self.wants_grad_bias.then(|| Guarded::output(device, Place::vector(self.width).shifted(1)));
        let bytes = gelu::backward_workspace_bytes([self.rows, self.width], T::DTYPE);
        let mut workspace = self.wants_grad_bias.then(|| Guarded::<D, u8>::output(device, Place::vector(bytes)));
        let tensors = gelu::Backward {
            grad_output: grad_output.view(),
            input: input.view(),
            bias: bias.as_ref().map(Guarded::view),
            grad_input: grad_input.view_mut(),
            grad_bias: grad_bias.as_mut().map(Guarded::view_mut),
            workspace: workspace.as_mut().map(Guarded::view_mut),
        };
        gelu::backward(device, tensors, self.form).expect("gelu::backward");
        if let Some(workspace) = workspace {
            workspace.read(device);
        }
        Gradients {
            input: grad_input.read(device),
            bias: grad_bias.map(|grad_bias| grad_bias.read(device)).unwrap_or_default(),
        }
    }

    /// Judges an output, in rows of `cols` elements.
    pub fn judge_output(&self, name: &str, cols: usize, output: &[T]) -> Margin {
        let bias = self.bias.as_deref().map(widen);
        let oracle = reference::forward(self.form, &widen(&self.input), bias.as_deref());
        let naive = reference::naive::forward(self.form, &self.input, self.bias.as_deref());
        let name = format!("{name}: gelu {} {} of [{}, {}]", self.form.name(), T::DTYPE, self.rows, self.width);
        Comparison { name: &name, cols, got: output, oracle: &oracle, naive: &naive }.assert()
    }

    /// Judges gradients, that of the input in rows of `cols` elements.
    pub fn judge_gradients(&self, name: &str, cols: usize, gradients: &Gradients<T>) {
        let bias = self.bias.as_deref().map(widen);
        let (grad_output, input) = (widen(&self.grad_output), widen(&self.input));
        let oracle = reference::backward(self.form, &grad_output, &input, bias.as_deref(), self.width);
        let naive =
            reference::naive::backward(self.form, &self.grad_output, &self.input, self.bias.as_deref(), self.width);
        let name = format!("{name}: gelu {} {} of [{}, {}]", self.form.name(), T::DTYPE, self.rows, self.width);
        let (of_input, of_bias) = (format!("{name}, grad_input"), format!("{name}, grad_bias"));
        Comparison { name: &of_input, cols, got: &gradients.input, oracle: &oracle.input, naive: &naive.input }
            .assert();
        if self.wants_grad_bias {
            let cols = self.width;
            Comparison { name: &of_bias, cols, got: &gradients.bias, oracle: &oracle.bias, naive: &naive.bias }
                .assert();
        }
    }

    /// Runs both passes and judges them row by row. Rows of less than 32 elements are judged together: the largest of so few naive
    /// errors may be next to nothing by chance. (Of random rows of 9 elements, 7 in 84,440 then break the rule, by up to 1.4 times,
    /// where the two terms of gelu' nearly cancel; of 24 elements none does.)
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let cols = if self.width < 32 { self.input.len() } else { self.width };
        self.judge_output(name, cols, &self.forward(device));
        self.judge_gradients(name, cols, &self.backward(device));
    }
}

/// The bits of every element.
pub fn bits<T: Sample>(values: &[T]) -> Vec<u32> {
    values.iter().map(|value| value.bits()).collect()
}

/// A test that is written once for all devices and element types, and both forms.
pub trait Case {
    /// Runs on one of each.
    fn run<D: Device, T: Real>(&self, device: &D, name: &str, form: Form);
}

/// A case as one test body for a device.
pub struct Every<C>(pub C);

impl<C: Case> Body for Every<C> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for form in Form::ALL {
            self.0.run::<D, f32>(device, name, form);
            self.0.run::<D, f16>(device, name, form);
            self.0.run::<D, bf16>(device, name, form);
        }
    }
}
