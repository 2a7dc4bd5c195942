//! One cross-entropy problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::cross_entropy::{self, Logits, Options, Reduction, workspace_bytes};
use warpsmith::reference::cross_entropy::{self as reference, Labels};
use warpsmith::{Device, Float, Index};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// Elements from which on a row is judged alone.
const SHORT: usize = 32;

/// A loss and the gradient of its logits.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub rows: usize,
    pub width: usize,
    pub logits: Vec<T>,
    pub targets: Vec<i64>,
    pub weight: Option<Vec<f32>>,
    pub grad_loss: Option<Vec<f32>>,
    pub options: Options,
    /// Targets as i64 instead of i32.
    pub wide_targets: bool,
    pub in_place: bool,
    pub wants_loss: bool,
    pub wants_gradient: bool,
    pub logits_place: Place,
    pub gradient_place: Place,
}

/// What a pass wrote; empty where nothing was asked for.
#[derive(Debug)]
pub struct Written<T> {
    pub loss: Vec<f32>,
    pub lse: Vec<f32>,
    pub totals: Vec<f32>,
    pub gradient: Vec<T>,
}

impl<T: Real> Problem<T> {
    /// Normal logits, targets anywhere, every fifth row ignored; no gaps.
    pub fn new(rows: usize, width: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let place = Place::matrix(rows, width);
        let logits = rng.normals(rows * width, 1.0, 2.0);
        let draw = |row| if row % 5 == 3 { -100 } else { (rng.next_u64() % width as u64) as i64 };
        Self {
            rows,
            width,
            logits,
            targets: (0..rows).map(draw).collect(),
            weight: None,
            grad_loss: None,
            options: Options::default(),
            wide_targets: false,
            in_place: false,
            wants_loss: true,
            wants_gradient: true,
            logits_place: place,
            gradient_place: place,
        }
    }

    /// With everything that is optional.
    pub fn with_all(self) -> Self {
        let mut rng = Rng::new(self.width as u64);
        let weight = Some(rng.uniforms(self.width, 0.25, 2.0));
        let options = Options { label_smoothing: 0.125, z_loss: 1e-3, softcap: Some(5.0), ..self.options };
        Self { weight, grad_loss: Some(vec![1.75]), options, wide_targets: true, ..self }
    }

    /// With another reduction, and a gradient of the loss of its shape.
    pub fn reduced(self, reduction: Reduction) -> Self {
        let count = if reduction == Reduction::None { self.rows } else { 1 };
        let grad_loss = Some(Rng::new(!(count as u64)).uniforms(count, 0.5, 2.0));
        Self { grad_loss, options: Options { reduction, ..self.options }, ..self }
    }

    fn is_reduced(&self) -> bool {
        self.options.reduction != Reduction::None
    }

    fn of_loss(&self) -> Place {
        Place::vector(if self.is_reduced() { 1 } else { self.rows })
    }

    /// Runs a pass between guards.
    pub fn run<D: Device>(&self, device: &D) -> Written<T> {
        if self.wide_targets {
            self.run_with(device, &self.targets)
        } else {
            let narrow: Vec<i32> = self.targets.iter().map(|&target| target as i32).collect();
            self.run_with(device, &narrow)
        }
    }

    fn run_with<D: Device, I: Index + Sample>(&self, device: &D, targets: &[I]) -> Written<T> {
        let targets = Guarded::input(device, Place::vector(self.rows), targets);
        let vector = |values: &Vec<f32>| Guarded::input(device, Place::vector(values.len()).shifted(1), values);
        let (weight, grad_loss) = (self.weight.as_ref().map(vector), self.grad_loss.as_ref().map(vector));
        let mut logits = Guarded::input(device, self.logits_place, &self.logits);
        let mut gradient = Guarded::<D, T>::output(device, self.gradient_place);
        let mut loss = Guarded::<D, f32>::output(device, self.of_loss());
        let mut lse = Guarded::<D, f32>::output(device, Place::vector(self.rows));
        let mut totals = Guarded::<D, f32>::output(device, Place::vector(2));
        let bytes = workspace_bytes([self.rows, self.width], self.options.reduction);
        let mut workspace = Guarded::<D, u8>::output(device, Place::vector(bytes));
        let in_place = self.in_place && self.wants_gradient;
        let tensors = cross_entropy::Forward {
            logits: match in_place {
                true => Logits::InPlace(logits.view_mut()),
                false => {
                    Logits::Apart { logits: logits.view(), gradient: self.wants_gradient.then(|| gradient.view_mut()) }
                }
            },
            targets: targets.view(),
            weight: weight.as_ref().map(Guarded::view),
            loss: self.wants_loss.then(|| loss.view_mut()),
            lse: Some(lse.view_mut()),
            totals: Some(totals.view_mut()),
            grad_loss: grad_loss.as_ref().map(Guarded::view),
            workspace: Some(workspace.view_mut()),
        };
        cross_entropy::forward(device, tensors, &self.options).expect("cross_entropy::forward");
        workspace.read(device);
        let logits = logits.read(device);
        let mut written =
            Written { loss: Vec::new(), lse: lse.read(device), totals: totals.read(device), gradient: Vec::new() };
        if in_place {
            written.gradient = logits;
        } else {
            assert_eq!(bits(&logits), bits(&self.logits), "the logits were overwritten");
            match self.wants_gradient {
                true => written.gradient = gradient.read(device),
                false => gradient.assert_untouched(device),
            }
        }
        match self.wants_loss {
            true => written.loss = loss.read(device),
            false => loss.assert_untouched(device),
        }
        written
    }

    /// The name of a comparison.
    fn name(&self, device: &str, what: &str) -> String {
        let Self { rows, width, in_place, wide_targets, options, .. } = self;
        let weighted = self.weight.is_some();
        format!(
            "{device}: cross_entropy {} of [{rows}, {width}], in place {in_place}, i64 {wide_targets}, weights {weighted}, \
             {options:?}: {what}",
            T::DTYPE
        )
    }

    fn judge<U: Real>(&self, device: &str, what: &str, cols: usize, got: &[U], oracle: &[f64], naive: &[U]) {
        Comparison { name: &self.name(device, what), cols, got, oracle, naive }.assert();
    }

    /// Runs a pass and judges it: gradients row by row, losses and `lse` as one row.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let written = self.run(device);
        let grad_loss = self.grad_loss.as_deref().unwrap_or(&[1.0]);
        let labels = Labels { targets: &self.targets, weight: self.weight.as_deref(), grad_loss };
        let oracle = reference::forward(&widen(&self.logits), &labels, &self.options, self.width);
        let naive = reference::naive::forward(&self.logits, &labels, &self.options, self.width);
        self.judge(name, "lse", self.rows, &written.lse, &oracle.lse, &naive.lse);
        if self.wants_loss {
            self.judge(name, "loss", oracle.loss.len(), &written.loss, &oracle.loss, &naive.loss);
        }
        if self.wants_gradient {
            // Short rows together: with two elements, naive is often right by chance.
            let cols = if self.width < SHORT { self.logits.len() } else { self.width };
            self.judge(name, "gradient", cols, &written.gradient, &oracle.gradient, &naive.gradient);
            let rows = written.gradient.chunks_exact(self.width).zip(&self.targets);
            for (row, _) in rows.filter(|&(_, &target)| target == self.options.ignore_index) {
                assert!(row.iter().all(|g| g.to_f64() == 0.0), "{}", self.name(name, "an ignored row"));
            }
        }
        let kept: Vec<i64> = self.targets.iter().copied().filter(|&t| t != self.options.ignore_index).collect();
        let weight = |target: &i64| self.weight.as_ref().map_or(1.0, |weight| f64::from(weight[*target as usize]));
        assert_eq!(written.totals[0], kept.len() as f32, "{}", self.name(name, "kept rows"));
        let (got, sum) = (f64::from(written.totals[1]), kept.iter().map(weight).sum::<f64>());
        assert!((got - sum).abs() <= 1e-6 * sum, "{}: {got}, not {sum}", self.name(name, "kept weights"));
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
