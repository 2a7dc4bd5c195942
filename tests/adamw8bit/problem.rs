//! A list of parameters with gradients for some steps, run by the kernels and by the reference.

use half::{bf16, f16};
use warpsmith::ops::adamw8bit::{AdamW8bit, Checkpoint, Options, Scalars, State, Tensors};
use warpsmith::reference::adamw8bit as reference;
use warpsmith::{Buffer, Device, Float};

use crate::common::compare::assert_bits_equal;
use crate::common::data::Rng;
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// One parameter and its gradients, one for each step.
#[derive(Clone, Debug)]
pub struct Parameter<T> {
    pub values: Vec<T>,
    pub gradients: Vec<Vec<T>>,
    pub weight_decay: f32,
    /// Elements after a 256-byte boundary at which parameter and gradient lie.
    pub shifts: [usize; 2],
}

impl<T: Real> Parameter<T> {
    /// Normal values, and gradients that `gradient(rng, step, element)` gives.
    pub fn new(seed: u64, count: usize, steps: usize, gradient: impl Fn(&mut Rng, usize, usize) -> f64) -> Self {
        let mut rng = Rng::new(seed);
        let values = rng.normals(count, 0.0, 0.5);
        let of_step = |step| (0..count).map(|element| T::from_f64(gradient(&mut rng, step, element))).collect();
        Self { values, gradients: (0..steps).map(of_step).collect(), weight_decay: 0.1, shifts: [0, 0] }
    }

    /// With parameter and gradient off their boundaries.
    pub fn shifted(self, shifts: [usize; 2]) -> Self {
        Self { shifts, ..self }
    }

    fn place(&self, which: usize) -> Place {
        Place::vector(self.values.len()).shifted(self.shifts[which])
    }

    /// Without weight decay.
    pub fn without_decay(self) -> Self {
        Self { weight_decay: 0.0, ..self }
    }
}

/// A list of parameters, and the scalars of each step.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub parameters: Vec<Parameter<T>>,
    pub options: Options,
    /// Learning rate, gradient scale and whether an infinity was found.
    pub scalars: Vec<(f32, f32, bool)>,
}

/// All values after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<T> {
    pub values: Vec<Vec<T>>,
    pub checkpoint: Checkpoint,
}

impl<T: Real> Problem<T> {
    /// With a learning rate that changes from step to step.
    pub fn new(parameters: Vec<Parameter<T>>) -> Self {
        let steps = parameters.iter().map(|parameter| parameter.gradients.len()).min().expect("a parameter");
        let scalars = (0..steps).map(|step| (1e-3 * (1.0 + step as f32 / 8.0), 1.0, false)).collect();
        Self { parameters, options: Options::default(), scalars }
    }

    /// What the reference gives after each step.
    pub fn expected(&self) -> Vec<Outcome<T>> {
        let states = self.parameters.iter().map(|parameter| State::new(parameter.values.len())).collect();
        let mut outcome = Outcome {
            values: self.parameters.iter().map(|parameter| parameter.values.clone()).collect(),
            checkpoint: Checkpoint { steps: 0, states },
        };
        let mut progress = reference::Progress::default();
        let mut outcomes = Vec::new();
        for (step, &(learning_rate, scale, found)) in self.scalars.iter().enumerate() {
            if !found {
                let scalars = progress.advance(&self.options, learning_rate, scale);
                let held = outcome.values.iter_mut().zip(&mut outcome.checkpoint.states);
                for (parameter, (values, state)) in self.parameters.iter().zip(held) {
                    let gradient = &parameter.gradients[step];
                    reference::step(values, gradient, state, parameter.weight_decay, &self.options, &scalars);
                }
            }
            outcome.checkpoint.steps = progress.steps;
            outcomes.push(outcome.clone());
        }
        outcomes
    }

    /// Runs all steps on a device, between guards, and holds what is there after each against the reference. Each step has other
    /// gradients, so that the optimizer is made anew for it from the last one's checkpoint.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let mut held: Vec<_> = self.parameters.iter().map(|p| Guarded::input(device, p.place(0), &p.values)).collect();
        let mut checkpoint: Option<Checkpoint> = None;
        for (step, expected) in self.expected().iter().enumerate() {
            let gradients: Vec<_> =
                self.parameters.iter().map(|p| Guarded::input(device, p.place(1), &p.gradients[step])).collect();
            let mut tensors = tensors(&mut held, &gradients);
            let decays: Vec<f32> = self.parameters.iter().map(|parameter| parameter.weight_decay).collect();
            let mut optimizer = match &checkpoint {
                None => AdamW8bit::new(device, &mut tensors, &decays, self.options),
                Some(checkpoint) => AdamW8bit::restore(device, &mut tensors, &decays, self.options, checkpoint),
            }
            .expect("an optimizer");
            self.make_step(device, &mut optimizer, &mut tensors, step);
            let got = optimizer.checkpoint(device).expect("checkpoint");
            assert_same(&format!("{name}, {} step {step}", T::DTYPE), &outcome(device, &held, got.clone()), expected);
            for (gradient, parameter) in gradients.iter().zip(&self.parameters) {
                assert_eq!(
                    bits(&gradient.read(device)),
                    bits(&parameter.gradients[step]),
                    "a gradient was overwritten"
                );
            }
            checkpoint = Some(got);
        }
    }

    /// One step with its scalars.
    pub fn make_step<D: Device>(
        &self,
        device: &D,
        optimizer: &mut AdamW8bit<D>,
        tensors: &mut [Tensors<'_, D, T>],
        step: usize,
    ) {
        let (learning_rate, scale, found) = self.scalars[step];
        let [learning_rate, gradient_scale, found_inf] =
            [learning_rate, scale, found.into()].map(|value: f32| device.upload(&[value]).expect("upload"));
        let scalars = Scalars {
            learning_rate: learning_rate.view([1]).expect("a view"),
            gradient_scale: (scale != 1.0).then(|| gradient_scale.view([1]).expect("a view")),
            found_inf: found.then(|| found_inf.view([1]).expect("a view")),
        };
        optimizer.step(device, tensors, scalars).expect("step");
    }
}

/// The list as the optimizer takes it.
pub fn tensors<'a, D: Device, T: Real>(
    held: &'a mut [Guarded<D, T>],
    gradients: &'a [Guarded<D, T>],
) -> Vec<Tensors<'a, D, T>> {
    let pairs = held.iter_mut().zip(gradients);
    pairs.map(|(held, gradient)| Tensors { parameter: held.view_mut(), gradient: gradient.view() }).collect()
}

/// What is on a device after a step.
pub fn outcome<D: Device, T: Real>(device: &D, held: &[Guarded<D, T>], checkpoint: Checkpoint) -> Outcome<T> {
    Outcome { values: held.iter().map(|held| held.read(device)).collect(), checkpoint }
}

/// Panics with the first element that differs in any bit. NaN is compared as NaN.
pub fn assert_same<T: Real>(name: &str, got: &Outcome<T>, expected: &Outcome<T>) {
    assert_eq!(got.checkpoint.steps, expected.checkpoint.steps, "{name}: steps");
    for (i, (got, expected)) in got.values.iter().zip(&expected.values).enumerate() {
        assert_bits_equal(&format!("{name}: parameter {i}"), got.len(), got, expected);
    }
    for (i, (got, expected)) in got.checkpoint.states.iter().zip(&expected.checkpoint.states).enumerate() {
        let name = |what: &str| format!("{name}: {what} of parameter {i}");
        assert_bits_equal(&name("absmax1"), got.absmax1.len(), &got.absmax1, &expected.absmax1);
        assert_bits_equal(&name("absmax2"), got.absmax2.len(), &got.absmax2, &expected.absmax2);
        for (what, got, expected) in
            [("state1", &got.state1, &expected.state1), ("state2", &got.state2, &expected.state2)]
        {
            let place = got.iter().zip(expected).position(|(got, expected)| got != expected);
            assert_eq!(place.map(|at| (at, got[at], expected[at])), None, "{}", name(what));
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
