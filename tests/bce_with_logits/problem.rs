//! One problem of binary cross-entropy: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::bce_with_logits::{self, Forward, Logits, Options, Reduction, workspace_bytes};
use warpsmith::reference::bce_with_logits::{self as reference, Labels};
use warpsmith::{Device, Element, Float};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// How targets are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    I32,
    I64,
    Soft,
}

/// A pass.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub logits: Vec<T>,
    /// As integers, or as probabilities where they are soft.
    pub targets: Vec<f32>,
    pub kind: Kind,
    pub mask: Option<Vec<u8>>,
    pub grad_loss: Option<Vec<f32>>,
    pub options: Options,
    pub in_place: bool,
    pub wants_gradient: bool,
    pub wants_loss: bool,
    /// Elements after a boundary at which logits, targets, gradient and loss begin.
    pub shifts: [usize; 4],
}

impl<T: Real> Problem<T> {
    /// Normal logits; one hard target in eight does not count.
    pub fn new(count: usize, kind: Kind) -> Self {
        let mut rng = Rng::new(count as u64);
        let logits = rng.normals(count, 0.0, 3.0);
        let mut target = |_| match kind {
            Kind::Soft => T::from_f64(rng.unit()).to_f32(),
            _ => [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, -100.0][rng.next_u64() as usize % 8],
        };
        let targets = (0..count).map(&mut target).collect();
        Self {
            logits,
            targets,
            kind,
            mask: None,
            grad_loss: None,
            options: Options::default(),
            in_place: false,
            wants_gradient: true,
            wants_loss: true,
            shifts: [0; 4],
        }
    }

    /// With a reduction, and a gradient of the loss for it.
    pub fn reduced(mut self, reduction: Reduction) -> Self {
        self.options.reduction = reduction;
        let count = if reduction == Reduction::None { self.logits.len() } else { 1 };
        self.grad_loss = Some(Rng::new(9).normals(count, 2.0, 0.5));
        self
    }

    /// With a mask, and a weight of positive targets.
    pub fn with_all(mut self) -> Self {
        self.mask = Some((0..self.logits.len()).map(|i| [1, 255, 1, 0, 1][i % 5]).collect());
        self.options.pos_weight = 2.5;
        self
    }

    /// What counts, as the reference takes it.
    fn labels(&self) -> Vec<Option<f32>> {
        let label = |(i, &y): (usize, &f32)| {
            let ignored = self.kind != Kind::Soft && y as i64 == self.options.ignore_index;
            let masked = self.mask.as_ref().is_some_and(|mask| mask[i] == 0);
            let hard = if y == 0.0 || y == 1.0 { y } else { f32::NAN };
            (!ignored && !masked).then_some(if self.kind == Kind::Soft { y } else { hard })
        };
        self.targets.iter().enumerate().map(label).collect()
    }

    /// Loss and gradient, each between guards.
    pub fn run<D: Device>(&self, device: &D) -> (Vec<f32>, Vec<T>) {
        match self.kind {
            Kind::I32 => self.run_with(device, self.targets.iter().map(|&y| y as i32).collect::<Vec<_>>()),
            Kind::I64 => self.run_with(device, self.targets.iter().map(|&y| y as i64).collect::<Vec<_>>()),
            Kind::Soft => self.run_with(device, self.targets.iter().map(|&y| T::from_f32(y)).collect::<Vec<_>>()),
        }
    }

    fn run_with<D: Device, Y: Element + Sample>(&self, device: &D, targets: Vec<Y>) -> (Vec<f32>, Vec<T>) {
        let count = self.logits.len();
        let place = |which: usize| Place::vector(count).shifted(self.shifts[which]);
        let mut logits = Guarded::input(device, place(0), &self.logits);
        let targets = Guarded::input(device, place(1), &targets);
        let mut gradient = Guarded::<D, T>::output(device, place(2));
        let losses = if self.options.reduction == Reduction::None { count } else { 1 };
        let mut loss = Guarded::<D, f32>::output(device, Place::vector(losses).shifted(self.shifts[3]));
        let mask = self.mask.as_ref().map(|mask| Guarded::input(device, Place::vector(count), mask));
        let grad_loss = self.grad_loss.as_ref().map(|g| Guarded::input(device, Place::vector(g.len()), g));
        let bytes = workspace_bytes(count, T::DTYPE, self.options.reduction);
        let mut workspace = (bytes > 0).then(|| Guarded::<D, u8>::output(device, Place::vector(bytes)));
        let apart = match self.in_place {
            true => Logits::InPlace(logits.view_mut()),
            false => {
                Logits::Apart { logits: logits.view(), gradient: self.wants_gradient.then(|| gradient.view_mut()) }
            }
        };
        let tensors = Forward {
            logits: apart,
            targets: targets.view(),
            mask: mask.as_ref().map(|mask| mask.view()),
            loss: self.wants_loss.then(|| loss.view_mut()),
            grad_loss: grad_loss.as_ref().map(|grad_loss| grad_loss.view()),
            workspace: workspace.as_mut().map(|workspace| workspace.view_mut()),
        };
        bce_with_logits::forward(device, tensors, &self.options).expect("bce_with_logits::forward");
        if let Some(workspace) = workspace {
            workspace.read(device);
        }
        let loss = if self.wants_loss { loss.read(device) } else { Vec::new() };
        let gradient = if self.in_place {
            logits.read(device)
        } else if self.wants_gradient {
            gradient.read(device)
        } else {
            Vec::new()
        };
        (loss, gradient)
    }

    /// Runs and judges.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let targets = self.labels();
        let one = [1.0];
        let labels = Labels { targets: &targets, grad_loss: self.grad_loss.as_deref().unwrap_or(&one) };
        let oracle = reference::forward(&widen(&self.logits), &labels, &self.options);
        let naive = reference::naive::forward(&self.logits, &labels, &self.options);
        let (loss, gradient) = self.run(device);
        let Self { kind, options, .. } = self;
        let name = format!("{name}: {kind:?} {} of {}, {options:?}", T::DTYPE, self.logits.len());
        if self.wants_loss {
            let (oracle, naive, name) = (&oracle.loss[..], &naive.loss[..], format!("{name}, loss"));
            Comparison { name: &name, cols: loss.len(), got: &loss, oracle, naive }.assert();
        }
        if self.wants_gradient || self.in_place {
            let (oracle, naive, name) = (&oracle.gradient[..], &naive.gradient[..], format!("{name}, gradient"));
            Comparison { name: &name, cols: gradient.len(), got: &gradient, oracle, naive }.assert();
        }
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
