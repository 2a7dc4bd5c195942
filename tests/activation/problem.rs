//! One activation problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::activation::{self, Backward, Forward, Function, Input, InputMut};
use warpsmith::reference::activation::{self as reference, Gradients};
use warpsmith::{Device, Float};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// How the inputs are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One tensor.
    Plain,
    /// A gate and an up.
    Gated,
    /// The two as halves of one.
    Packed,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Gated, Self::Packed];
}

/// A forward and a backward pass.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub function: Function,
    pub kind: Kind,
    pub rows: usize,
    pub width: usize,
    pub input: Vec<T>,
    pub up: Vec<T>,
    pub grad_output: Vec<T>,
    /// Elements between rows, and before the first, of inputs; and of outputs.
    pub gaps: [usize; 2],
    pub shifts: [usize; 2],
    pub in_place: bool,
}

impl<T: Real> Problem<T> {
    /// Normal data, without gaps, not in place.
    pub fn new(function: Function, kind: Kind, rows: usize, width: usize) -> Self {
        let mut rng = Rng::new((rows * 31 + width) as u64);
        let mut normal = |deviation| rng.normals(rows * width, 0.0, deviation);
        Self {
            function,
            kind,
            rows,
            width,
            input: normal(2.0),
            up: normal(1.0),
            grad_output: normal(1.0),
            gaps: [0, 0],
            shifts: [0, 0],
            in_place: false,
        }
    }

    /// With other inputs, in one row.
    pub fn with_input(function: Function, kind: Kind, input: Vec<T>) -> Self {
        Self { input: input.clone(), ..Self::new(function, kind, 1, input.len()) }
    }

    fn place(&self, wide: usize, which: usize) -> Place {
        Place::matrix(self.rows, wide).with_gap(self.gaps[which]).shifted(self.shifts[which])
    }

    fn gated(&self) -> bool {
        self.kind != Kind::Plain
    }

    /// Gate and up side by side in each row.
    fn packed(&self, first: &[T], second: &[T]) -> Vec<T> {
        let rows = first.chunks_exact(self.width).zip(second.chunks_exact(self.width));
        rows.flat_map(|(a, b)| a.iter().chain(b).copied().collect::<Vec<_>>()).collect()
    }

    /// The inputs between guards: one tensor, or two.
    fn upload<D: Device>(&self, device: &D) -> Vec<Guarded<D, T>> {
        match self.kind {
            Kind::Plain => vec![Guarded::input(device, self.place(self.width, 0), &self.input)],
            Kind::Gated => [&self.input, &self.up].map(|v| Guarded::input(device, self.place(self.width, 0), v)).into(),
            Kind::Packed => {
                let values = self.packed(&self.input, &self.up);
                vec![Guarded::input(device, self.place(2 * self.width, 0), &values)]
            }
        }
    }

    fn view<'a, D: Device>(&self, tensors: &'a [Guarded<D, T>]) -> Input<'a, D, T> {
        match self.kind {
            Kind::Plain => Input::Plain(tensors[0].view()),
            Kind::Gated => Input::Gated { gate: tensors[0].view(), up: tensors[1].view() },
            Kind::Packed => Input::Packed(tensors[0].view()),
        }
    }

    fn view_mut<'a, D: Device>(&self, tensors: &'a mut [Guarded<D, T>]) -> InputMut<'a, D, T> {
        match (self.kind, tensors) {
            (Kind::Plain, [tensor]) => InputMut::Plain(tensor.view_mut()),
            (Kind::Gated, [gate, up]) => InputMut::Gated { gate: gate.view_mut(), up: up.view_mut() },
            (Kind::Packed, [tensor]) => InputMut::Packed(tensor.view_mut()),
            _ => panic!("a kind has its number of tensors"),
        }
    }

    /// Runs the forward pass between guards. Only a plain one can be in place.
    pub fn forward<D: Device>(&self, device: &D) -> Vec<T> {
        let mut inputs = self.upload(device);
        if self.in_place && self.kind == Kind::Plain {
            activation::forward_in_place(device, inputs[0].view_mut(), self.function).expect("forward_in_place");
            return inputs[0].read(device);
        }
        let before = inputs[0].read(device);
        let mut output = Guarded::<D, T>::output(device, self.place(self.width, 1));
        let tensors = Forward { input: self.view(&inputs), output: output.view_mut() };
        activation::forward(device, tensors, self.function).expect("activation::forward");
        assert!(bits(&inputs[0].read(device)) == bits(&before), "the input was overwritten");
        output.read(device)
    }

    /// Runs the backward pass between guards, in the memory of the inputs where it is in place.
    pub fn backward<D: Device>(&self, device: &D) -> Gradients<T> {
        let mut inputs = self.upload(device);
        let grad_output = Guarded::input(device, self.place(self.width, 1), &self.grad_output);
        let gradients = if self.in_place {
            activation::backward_in_place(device, grad_output.view(), self.view_mut(&mut inputs), self.function)
                .expect("backward_in_place");
            inputs
        } else {
            let wide = if self.kind == Kind::Packed { 2 * self.width } else { self.width };
            let mut gradients: Vec<_> =
                inputs.iter().map(|_| Guarded::<D, T>::output(device, self.place(wide, 1))).collect();
            let tensors = Backward {
                grad_output: grad_output.view(),
                input: self.view(&inputs),
                grad_input: self.view_mut(&mut gradients),
            };
            activation::backward(device, tensors, self.function).expect("activation::backward");
            gradients
        };
        let read: Vec<Vec<T>> = gradients.iter().map(|gradient| gradient.read(device)).collect();
        match self.kind {
            Kind::Packed => {
                let half = |which: usize| {
                    let rows = read[0].chunks_exact(2 * self.width);
                    rows.flat_map(|row| row[which * self.width..][..self.width].to_vec()).collect()
                };
                Gradients { input: half(0), up: half(1) }
            }
            _ => Gradients { input: read[0].clone(), up: read.get(1).cloned().unwrap_or_default() },
        }
    }

    /// Runs both passes and judges them row by row.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let up = self.gated().then_some(&self.up[..]);
        let (input, wide_up, grad_output) = (widen(&self.input), up.map(widen), widen(&self.grad_output));
        let judge = |what: &str, got: &[T], oracle: &[f64], naive: &[T]| {
            let name = format!(
                "{name}: activation {:?} {:?} {} of [{}, {}], {what}",
                self.function,
                self.kind,
                T::DTYPE,
                self.rows,
                self.width
            );
            Comparison { name: &name, cols: self.width, got, oracle, naive }.assert();
        };
        let oracle = reference::forward(self.function, &input, wide_up.as_deref());
        let naive = reference::naive::forward(self.function, &self.input, up);
        judge("output", &self.forward(device), &oracle, &naive);
        let gradients = self.backward(device);
        let oracle = reference::backward(self.function, &grad_output, &input, wide_up.as_deref());
        let naive = reference::naive::backward(self.function, &self.grad_output, &self.input, up);
        judge("grad_input", &gradients.input, &oracle.input, &naive.input);
        if self.gated() {
            judge("grad_up", &gradients.up, &oracle.up, &naive.up);
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
