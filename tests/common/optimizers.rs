//! A list of parameters with gradients for some steps, run by the kernels of an optimizer and by its reference.

use std::fmt::Debug;

use half::{bf16, f16};
use warpsmith::ops::optimizer::{BLOCK, Checkpoint, Moment, Optimizer, Rule, Scalars, State, States, Tensors};
use warpsmith::reference::optimizer::{Progress, Scalars as StepScalars};
use warpsmith::{Buffer, Device, Float};

use super::compare::assert_bits_equal;
use super::data::Rng;
use super::devices::Body;
use super::guard::{Guarded, Place, Sample};

/// An optimizer with its reference.
pub trait Subject: Rule<Options: Debug> {
    /// Of most problems.
    fn options() -> Self::Options;
    /// How many moments, and how they are kept.
    fn states(options: &Self::Options) -> (usize, States);
    /// Counts a step.
    fn advance(progress: &mut Progress, options: &Self::Options, learning_rate: f32, scale: f32) -> StepScalars;
    /// Makes a step of one parameter.
    fn step<T: Real, G: Real>(values: Values<'_, T, G>, options: &Self::Options, scalars: &StepScalars);
}

/// A parameter, and what belongs to it, before a step.
pub struct Values<'a, T, G> {
    pub parameter: &'a mut [T],
    pub master: Option<&'a mut [f32]>,
    pub gradient: &'a [G],
    pub state: &'a mut State,
    pub weight_decay: f32,
    /// Blocks of the parameters before this one, and of the list.
    pub blocks: [u64; 2],
    pub steps: u64,
}

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// One parameter and its gradients, one for each step.
#[derive(Clone, Debug)]
pub struct Parameter<T, G> {
    pub values: Vec<T>,
    /// The same before they were rounded.
    pub master: Option<Vec<f32>>,
    pub gradients: Vec<Vec<G>>,
    pub weight_decay: f32,
    /// Elements after a 256-byte boundary at which parameter, gradient and master lie.
    pub shifts: [usize; 3],
}

impl<T: Real, G: Real> Parameter<T, G> {
    /// Normal values, and gradients that `gradient(rng, step, element)` gives.
    pub fn new(seed: u64, count: usize, steps: usize, gradient: impl Fn(&mut Rng, usize, usize) -> f64) -> Self {
        let mut rng = Rng::new(seed);
        let values = rng.normals(count, 0.0, 0.5);
        let of_step = |step| (0..count).map(|element| G::from_f64(gradient(&mut rng, step, element))).collect();
        let gradients = (0..steps).map(of_step).collect();
        Self { values, master: None, gradients, weight_decay: 0.1, shifts: [0; 3] }
    }

    /// With parameter, gradient and master off their boundaries.
    pub fn shifted(self, shifts: [usize; 3]) -> Self {
        Self { shifts, ..self }
    }

    /// Without weight decay.
    pub fn without_decay(self) -> Self {
        Self { weight_decay: 0.0, ..self }
    }

    /// With a master whose values round to the parameter's, where the type can have one.
    pub fn with_master(self) -> Self {
        let mut rng = Rng::new(self.values.len() as u64);
        let near = |value: &T| {
            let moved = value.to_f32() * (1.0 + rng.uniform(-1e-3, 1e-3)) as f32;
            if T::from_f32(moved) == *value { moved } else { value.to_f32() }
        };
        let master = (size_of::<T>() == 2).then(|| self.values.iter().map(near).collect());
        Self { master, ..self }
    }

    fn place(&self, which: usize) -> Place {
        Place::vector(self.values.len()).shifted(self.shifts[which])
    }
}

/// A list of parameters, and the scalars of each step.
#[derive(Clone, Debug)]
pub struct Problem<R: Rule, T, G> {
    pub parameters: Vec<Parameter<T, G>>,
    pub options: R::Options,
    /// Learning rate, gradient scale and whether an infinity was found.
    pub scalars: Vec<(f32, f32, bool)>,
}

/// All values after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<T> {
    pub values: Vec<Vec<T>>,
    pub masters: Vec<Option<Vec<f32>>>,
    pub checkpoint: Checkpoint,
}

/// Parameters and masters between guards.
pub struct Held<D: Device, T: Sample> {
    values: Vec<Guarded<D, T>>,
    masters: Vec<Option<Guarded<D, f32>>>,
}

impl<R: Subject, T: Real, G: Real> Problem<R, T, G> {
    /// With a learning rate that changes from step to step.
    pub fn new(parameters: Vec<Parameter<T, G>>) -> Self {
        let steps = parameters.iter().map(|parameter| parameter.gradients.len()).min().expect("a parameter");
        let scalars = (0..steps).map(|step| (1e-3 * (1.0 + step as f32 / 8.0), 1.0, false)).collect();
        Self { parameters, options: R::options(), scalars }
    }

    /// Before the first step.
    pub fn start(&self) -> Outcome<T> {
        let (moments, states) = R::states(&self.options);
        let state = |parameter: &Parameter<T, G>| {
            let moment = || Moment::new(parameter.values.len(), states);
            State { first: moment(), second: (moments == 2).then(moment) }
        };
        Outcome {
            values: self.parameters.iter().map(|parameter| parameter.values.clone()).collect(),
            masters: self.parameters.iter().map(|parameter| parameter.master.clone()).collect(),
            checkpoint: Checkpoint { steps: 0, states: self.parameters.iter().map(state).collect() },
        }
    }

    /// What the reference gives after each step.
    pub fn expected(&self) -> Vec<Outcome<T>> {
        let mut outcome = self.start();
        let mut progress = Progress::default();
        let blocks: Vec<u64> = self.parameters.iter().map(|p| p.values.len().div_ceil(BLOCK) as u64).collect();
        let mut outcomes = Vec::new();
        for (step, &(learning_rate, scale, found)) in self.scalars.iter().enumerate() {
            if !found {
                let scalars = R::advance(&mut progress, &self.options, learning_rate, scale);
                let Outcome { values, masters, checkpoint } = &mut outcome;
                let held = values.iter_mut().zip(masters).zip(&mut checkpoint.states);
                for (i, ((values, master), state)) in held.enumerate() {
                    let parameter = &self.parameters[i];
                    let values = Values {
                        parameter: values,
                        master: master.as_deref_mut(),
                        gradient: &parameter.gradients[step],
                        state,
                        weight_decay: parameter.weight_decay,
                        blocks: [blocks[..i].iter().sum(), blocks.iter().sum()],
                        steps: progress.steps,
                    };
                    R::step(values, &self.options, &scalars);
                }
            }
            outcome.checkpoint.steps = progress.steps;
            outcomes.push(outcome.clone());
        }
        outcomes
    }

    /// Parameters and masters on a device.
    pub fn hold<D: Device>(&self, device: &D) -> Held<D, T> {
        let master = |p: &Parameter<T, G>| Some(Guarded::input(device, p.place(2), p.master.as_deref()?));
        Held {
            values: self.parameters.iter().map(|p| Guarded::input(device, p.place(0), &p.values)).collect(),
            masters: self.parameters.iter().map(master).collect(),
        }
    }

    /// The gradients of a step.
    pub fn gradients<D: Device>(&self, device: &D, step: usize) -> Vec<Guarded<D, G>> {
        self.parameters.iter().map(|p| Guarded::input(device, p.place(1), &p.gradients[step])).collect()
    }

    /// Runs all steps on a device, between guards, and holds what is there after each against the reference. Each step has other
    /// gradients, so that the optimizer is made anew for it from the last one's checkpoint.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let mut held = self.hold(device);
        let mut checkpoint: Option<Checkpoint> = None;
        let decays: Vec<f32> = self.parameters.iter().map(|parameter| parameter.weight_decay).collect();
        for (step, expected) in self.expected().iter().enumerate() {
            let gradients = self.gradients(device, step);
            let mut tensors = held.tensors(&gradients);
            let mut optimizer = match &checkpoint {
                None => Optimizer::<D, R>::new(device, &mut tensors, &decays, self.options),
                Some(checkpoint) => Optimizer::restore(device, &mut tensors, &decays, self.options, checkpoint),
            }
            .expect("an optimizer");
            self.make_step(device, &mut optimizer, &mut tensors, step);
            let got = optimizer.checkpoint(device).expect("checkpoint");
            let name = format!("{name}, {} with {} gradients, step {step}", T::DTYPE, G::DTYPE);
            assert_same(&name, &held.outcome(device, got.clone()), expected);
            for (gradient, parameter) in gradients.iter().zip(&self.parameters) {
                let read = gradient.read(device);
                assert_bits_equal(&name, read.len(), &read, &parameter.gradients[step]);
            }
            checkpoint = Some(got);
        }
    }

    /// One step with its scalars.
    pub fn make_step<D: Device>(
        &self,
        device: &D,
        optimizer: &mut Optimizer<D, R>,
        tensors: &mut [Tensors<'_, D, T, G>],
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

impl<D: Device, T: Real> Held<D, T> {
    /// The list as the optimizer takes it.
    pub fn tensors<'a, G: Real>(&'a mut self, gradients: &'a [Guarded<D, G>]) -> Vec<Tensors<'a, D, T, G>> {
        let each = self.values.iter_mut().zip(&mut self.masters).zip(gradients);
        each.map(|((values, master), gradient)| Tensors {
            parameter: values.view_mut(),
            gradient: gradient.view(),
            master: master.as_mut().map(Guarded::view_mut),
        })
        .collect()
    }

    /// What is on a device after a step.
    pub fn outcome(&self, device: &D, checkpoint: Checkpoint) -> Outcome<T> {
        Outcome {
            values: self.values.iter().map(|values| values.read(device)).collect(),
            masters: self.masters.iter().map(|master| Some(master.as_ref()?.read(device))).collect(),
            checkpoint,
        }
    }
}

/// Both moments in f32.
pub fn floats(state: &mut State) -> [&mut [f32]; 2] {
    match state {
        State { first: Moment::Floats(first), second: Some(Moment::Floats(second)) } => [first, second],
        other => panic!("not two moments in f32: {other:?}"),
    }
}

/// Panics with the first element that differs in any bit. NaN is compared as NaN.
pub fn assert_same<T: Real>(name: &str, got: &Outcome<T>, expected: &Outcome<T>) {
    assert_eq!(got.checkpoint.steps, expected.checkpoint.steps, "{name}: steps");
    for (i, (got, expected)) in got.values.iter().zip(&expected.values).enumerate() {
        assert_bits_equal(&format!("{name}: parameter {i}"), got.len(), got, expected);
    }
    for (i, (got, expected)) in got.masters.iter().zip(&expected.masters).enumerate() {
        let [got, expected] = [got, expected].map(|master| master.as_deref().unwrap_or_default());
        assert_bits_equal(&format!("{name}: master {i}"), got.len().max(1), got, expected);
    }
    for (i, (got, expected)) in got.checkpoint.states.iter().zip(&expected.checkpoint.states).enumerate() {
        assert_eq!(got.second.is_some(), expected.second.is_some(), "{name}: moments of parameter {i}");
        let pairs = std::iter::once((&got.first, &expected.first)).chain(got.second.iter().zip(&expected.second));
        for (which, (got, expected)) in pairs.enumerate() {
            assert_same_moment(&format!("{name}: moment {which} of parameter {i}"), got, expected);
        }
    }
}

fn assert_same_moment(name: &str, got: &Moment, expected: &Moment) {
    match (got, expected) {
        (Moment::Floats(got), Moment::Floats(expected)) => assert_bits_equal(name, got.len(), got, expected),
        (Moment::Codes { codes, absmax }, Moment::Codes { codes: expected, absmax: of_blocks }) => {
            assert_bits_equal(&format!("{name}: absmax"), absmax.len(), absmax, of_blocks);
            let place = codes.iter().zip(expected).position(|(got, expected)| got != expected);
            assert_eq!(place.map(|at| (at, codes[at], expected[at])), None, "{name}: codes");
        }
        (got, expected) => panic!("{name}: {got:?} for {expected:?}"),
    }
}

/// A test that is written once for all devices and element types.
pub trait Case {
    /// Runs on one of each.
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str);
}

/// A case as one test body for a device.
pub struct Every<C>(pub C);

/// The same with gradients of the parameters' type alone.
pub struct EveryNarrow<C>(pub C);

impl<C: Case> Body for EveryNarrow<C> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        self.0.run::<D, f32, f32>(device, name);
        self.0.run::<D, f16, f16>(device, name);
        self.0.run::<D, bf16, bf16>(device, name);
    }
}

impl<C: Case> Body for Every<C> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        self.0.run::<D, f32, f32>(device, name);
        self.0.run::<D, f16, f16>(device, name);
        self.0.run::<D, bf16, bf16>(device, name);
        self.0.run::<D, f16, f32>(device, name);
        self.0.run::<D, bf16, f32>(device, name);
    }
}
