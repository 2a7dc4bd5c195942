//! One dropout problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::dropout::{self, Forward};
use warpsmith::random::{self, Random};
use warpsmith::reference::dropout as reference;
use warpsmith::{Buffer, Device, Float};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// Where the output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Memory apart, without a residual.
    Apart,
    /// The input's memory, without a residual.
    InPlace,
    /// Memory apart, with a residual.
    Sum,
    /// The residual's memory.
    Onto,
}

impl Target {
    pub const ALL: [Self; 4] = [Self::Apart, Self::InPlace, Self::Sum, Self::Onto];

    fn has_residual(self) -> bool {
        matches!(self, Self::Sum | Self::Onto)
    }
}

/// A forward and a backward pass.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub rows: usize,
    pub width: usize,
    pub input: Vec<T>,
    pub residual: Vec<T>,
    pub probability: f32,
    pub seed: u64,
    /// In the state, and of the call.
    pub offsets: [u64; 2],
    pub target: Target,
    /// Elements between rows, and before the first: of the input, and of everything else.
    pub gaps: [usize; 2],
    pub shifts: [usize; 2],
}

impl<T: Real> Problem<T> {
    /// Normal data without gaps, every third element dropped.
    pub fn new(rows: usize, width: usize, target: Target) -> Self {
        let mut rng = Rng::new((rows * 37 + width) as u64);
        let mut normals = || rng.normals(rows * width, 0.0, 1.0);
        let (input, residual) = (normals(), normals());
        let (seed, offsets) = (rng.next_u64(), [rng.next_u64() >> 20, 1000]);
        let (gaps, shifts) = ([0, 0], [0, 0]);
        Self { rows, width, input, residual, probability: 0.3, seed, offsets, target, gaps, shifts }
    }

    fn place(&self, which: usize) -> Place {
        Place::matrix(self.rows, self.width).with_gap(self.gaps[which]).shifted(self.shifts[which])
    }

    /// What the reference keeps.
    pub fn mask(&self) -> Vec<bool> {
        let offset = self.offsets[0].wrapping_add(self.offsets[1]);
        reference::mask(self.seed, offset, self.probability, self.input.len())
    }

    fn state<D: Device>(&self, device: &D) -> D::Buffer<i64> {
        device.upload(&random::state(self.seed, self.offsets[0])).expect("upload")
    }

    /// Runs the forward pass between guards.
    pub fn forward<D: Device>(&self, device: &D) -> Vec<T> {
        let state = self.state(device);
        let random = Random { state: state.view([2]).expect("two"), offset: self.offsets[1] };
        let mut input = Guarded::input(device, self.place(0), &self.input);
        let mut residual = Guarded::input(device, self.place(1), &self.residual);
        let mut output = Guarded::<D, T>::output(device, self.place(1));
        let p = self.probability;
        match self.target {
            Target::Apart | Target::Sum => {
                let residual = self.target.has_residual().then(|| residual.view());
                let tensors = Forward { input: input.view(), residual, output: output.view_mut() };
                dropout::forward(device, tensors, random, p).expect("forward");
                output.read(device)
            }
            Target::InPlace => {
                dropout::forward_in_place(device, input.view_mut(), random, p).expect("forward_in_place");
                input.read(device)
            }
            Target::Onto => {
                dropout::forward_onto(device, input.view(), residual.view_mut(), random, p).expect("forward_onto");
                residual.read(device)
            }
        }
    }

    /// Runs the backward pass between guards, in the memory of the gradient where the forward is in some memory, too. The gradient is `input`.
    pub fn backward<D: Device>(&self, device: &D) -> Vec<T> {
        let state = self.state(device);
        let random = Random { state: state.view([2]).expect("two"), offset: self.offsets[1] };
        let mut gradient = Guarded::input(device, self.place(0), &self.input);
        if matches!(self.target, Target::InPlace | Target::Onto) {
            dropout::backward_in_place(device, gradient.view_mut(), random, self.probability).expect("in place");
            return gradient.read(device);
        }
        let mut output = Guarded::<D, T>::output(device, self.place(1));
        dropout::backward(device, gradient.view(), output.view_mut(), random, self.probability).expect("backward");
        output.read(device)
    }

    /// The bits that the documents promise.
    fn promised(&self, mask: &[bool], has_residual: bool) -> Vec<T> {
        let scale = (1.0 / (1.0 - f64::from(self.probability))) as f32;
        let element = |i: usize| {
            let (x, r) = (self.input[i].to_f32(), self.residual[i].to_f32());
            T::from_f32(match (has_residual, mask[i]) {
                (true, true) => x.mul_add(scale, r),
                (true, false) => r,
                (false, true) => x * scale,
                (false, false) => 0.0,
            })
        };
        (0..mask.len()).map(element).collect()
    }

    /// Runs both passes, and judges them by the rule and by the promised bits.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let mask = self.mask();
        let judge = |what: &str, got: &[T], has_residual: bool| {
            let Self { target, rows, width, probability, .. } = self;
            let name = format!("{name}: dropout {probability} {target:?} {} of [{rows}, {width}], {what}", T::DTYPE);
            let residual = has_residual.then_some(&self.residual[..]);
            let wide = residual.map(widen);
            let oracle = reference::forward(&mask, self.probability, &widen(&self.input), wide.as_deref());
            let naive = reference::naive::forward(&mask, self.probability, &self.input, residual);
            Comparison { name: &name, cols: self.width, got, oracle: &oracle, naive: &naive }.assert();
            let bits = |values: &[T]| values.iter().map(|value| value.bits()).collect::<Vec<_>>();
            assert!(bits(got) == bits(&self.promised(&mask, has_residual)), "{name}: other bits than promised");
        };
        judge("output", &self.forward(device), self.target.has_residual());
        judge("grad_input", &self.backward(device), false);
    }
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
