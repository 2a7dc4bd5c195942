//! A list of gradients, how it is clipped and how the result is judged.

use half::{bf16, f16};
use warpsmith::ops::grad_clip::{GradClip, LossScale, Norm, Rule};
use warpsmith::reference::grad_clip as reference;
use warpsmith::{Device, Float, View, ViewMut};

use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub gradients: Vec<Vec<T>>,
    pub max_norm: f32,
    /// Scale, good steps and rule.
    pub loss_scale: Option<(f32, f32, Rule)>,
    /// Elements after a 256-byte boundary at which gradients lie.
    pub shift: usize,
}

impl<T: Real> Problem<T> {
    /// Normal gradients of these lengths and this deviation.
    pub fn new(lengths: &[usize], deviation: f64) -> Self {
        let mut rng = Rng::new(lengths.len() as u64);
        let gradients = lengths.iter().map(|length| rng.normals(*length, 0.0, deviation)).collect();
        Self { gradients, max_norm: 1.0, loss_scale: None, shift: 0 }
    }

    /// With every gradient off its boundary.
    pub fn shifted(self, shift: usize) -> Self {
        Self { shift, ..self }
    }

    /// With every so many elements not finite.
    pub fn spoilt(mut self, every: usize) -> Self {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(T::from_f64);
        for gradient in &mut self.gradients {
            gradient.iter_mut().step_by(every).enumerate().for_each(|(i, element)| *element = bad[i % 3]);
        }
        self
    }

    fn upload<D: Device>(&self, device: &D) -> Vec<Guarded<D, T>> {
        let place = |gradient: &Vec<T>| Place::vector(gradient.len()).shifted(self.shift);
        self.gradients.iter().map(|gradient| Guarded::input(device, place(gradient), gradient)).collect()
    }

    /// Norm, factor, `found_inf`, and what becomes of the loss scale and its count.
    pub fn norm<D: Device>(&self, device: &D) -> [f32; 5] {
        let mut held = self.upload(device);
        let mut clip = GradClip::new(device, &mut views_mut(&mut held)).expect("a list");
        let (scale, good_steps, rule) = self.loss_scale.unwrap_or((0.0, 0.0, Rule::default()));
        let scalar = |value: f32| Guarded::<D, f32>::input(device, Place::vector(1), &[value]);
        let mut scalars = [f32::NAN, f32::NAN, f32::NAN, scale, good_steps].map(scalar);
        let [norm, factor, found_inf, scale, good_steps] = scalars.each_mut().map(Guarded::view_mut);
        let loss_scale = self.loss_scale.is_some().then_some(LossScale { scale, good_steps, rule });
        let views: Vec<View<'_, D, T>> = held.iter().map(Guarded::view).collect();
        clip.norm(device, &views, Norm { norm, factor, found_inf, loss_scale }, self.max_norm).expect("a norm");
        for (held, gradient) in held.iter().zip(&self.gradients) {
            assert_eq!(bits(&held.read(device)), bits(gradient), "a gradient was overwritten");
        }
        scalars.map(|scalar| scalar.read(device)[0])
    }

    /// Runs the norm and judges it: squares are added with at most eight roundings of 2^-24 each, all of one sign, so that the root errs
    /// by four, and one more rounds it to f32; the factor has what the norm has and one more.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let [norm, factor, found_inf, scale, good_steps] = self.norm(device);
        let widened: Vec<Vec<f64>> = self.gradients.iter().map(|gradient| widen(gradient)).collect();
        let old_scale = self.loss_scale.map_or(1.0, |(scale, ..)| scale);
        let expected = reference::norm(&widened, old_scale.into(), self.max_norm.into());
        let name = format!("{name}, {}: {:?}, {expected:?}", T::DTYPE, [norm, factor, found_inf]);
        // A square that overflows in f32 makes the norm infinite before it is.
        let overflows = widened.iter().flatten().any(|g| ((g * g) as f32).is_infinite());
        let count = expected.found_inf.max(usize::from(overflows));
        let found = count > 0;
        assert_eq!(found_inf, count as f32, "{name}");
        let near = |got: f32, expected: f64, units: f64| {
            (f64::from(got) - expected).abs() <= units * 2f64.powi(-24) * expected.abs() + 1e-45
        };
        match found {
            true => assert!(!norm.is_finite() && factor == 0.0, "{name}"),
            false => assert!(near(norm, expected.norm, 5.0) && near(factor, expected.factor, 6.0), "{name}"),
        }
        if let Some((scale_before, steps_before, rule)) = self.loss_scale {
            let next = reference::next_scale((scale_before, steps_before), found, &rule);
            assert_eq!((scale, good_steps), next, "{name}");
        }
    }

    /// The gradients clamped in place.
    pub fn value<D: Device>(&self, device: &D, limit: f32) -> Vec<Vec<T>> {
        let mut held = self.upload(device);
        let mut clip = GradClip::new(device, &mut views_mut(&mut held)).expect("a list");
        clip.value(device, &mut views_mut(&mut held), limit).expect("clamped");
        held.iter().map(|held| held.read(device)).collect()
    }

    /// Clamps and compares bits; NaN may have any.
    pub fn check_value<D: Device>(&self, device: &D, limit: f32) {
        for (got, given) in self.value(device, limit).iter().flatten().zip(self.gradients.iter().flatten()) {
            let (got, given) = (got.to_f32(), given.to_f32());
            let expected = if given.is_nan() { given } else { given.clamp(-limit, limit) };
            let same =
                got.to_bits() == expected.to_bits() || got.is_nan() && given.is_nan() || got == 0.0 && limit == 0.0;
            assert!(same, "{given} became {got}");
        }
    }
}

fn views_mut<D: Device, T: Real>(held: &mut [Guarded<D, T>]) -> Vec<ViewMut<'_, D, T>> {
    held.iter_mut().map(Guarded::view_mut).collect()
}

/// The bits of every element.
fn bits<T: Sample>(values: &[T]) -> Vec<u32> {
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
