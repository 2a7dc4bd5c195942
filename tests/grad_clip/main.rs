//! Clipping of gradients against its reference, on every device.

#[path = "../common/mod.rs"]
mod common;

mod problem;

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::grad_clip::Rule;
use warpsmith::{Device, EmulatedDevice};

use common::data::Rng;
use common::devices::{on_every_device, on_one_model, regimes};
use problem::{Case, Every, Problem, Real};

/// Around a vector, a block's turn, a chunk of 16,384 elements and two; off 16-byte boundaries.
struct Sizes;

impl Case for Sizes {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let sizes = [1, 7, 8, 9, 255, 2048, 16_383, 16_384, 16_385, 40_001];
        Problem::<T>::new(&sizes, 1.0).check(device, name);
        Problem::<T>::new(&[1000, 17, 16_390], 0.01).shifted(1).check(device, name);
    }
}

#[test]
fn lists_of_every_size() {
    on_every_device(&Every(Sizes));
}

/// Above the limit, below it, none; gradients of zero.
struct Limits;

impl Case for Limits {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for max_norm in [0.0, 0.5, 1e6, f32::INFINITY] {
            Problem { max_norm, ..Problem::<T>::new(&[300, 40], 1.0) }.check(device, name);
            Problem { max_norm, ..Problem::<T>::new(&[300, 40], 0.0) }.check(device, name);
        }
    }
}

#[test]
fn limits_on_either_side() {
    on_one_model(&Every(Limits));
}

/// Elements that are not finite in vectors, behind them and off boundaries; a square, and a norm, that overflows.
struct NotFinite;

impl Case for NotFinite {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (place, value) in
            [(0, f64::NAN), (5, f64::INFINITY), (16_399, f64::NEG_INFINITY), (16_400, f64::NAN), (9, 1e30)]
        {
            for shift in [0, 1] {
                let mut problem = Problem::<T>::new(&[17, 16_401], 1.0).shifted(shift);
                problem.gradients[1][place] = T::from_f64(value);
                problem.check(device, name);
            }
        }
        // Many, in every place of a thread's turns.
        for shift in [0, 1] {
            Problem::<T>::new(&[17, 40_001], 1.0).shifted(shift).spoilt(7).check(device, name);
        }
    }
}

#[test]
fn what_is_not_finite_is_found() {
    on_one_model(&Every(NotFinite));
}

/// The loss scale over good and bad steps, up to where it would overflow.
struct LossScales;

impl Case for LossScales {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let rule = Rule { growth: 2.0, backoff: 0.25, interval: 3 };
        for start in [(1024.0, 0.0), (1024.0, 1.0), (3.0, 2.0), (3e38, 2.0)] {
            for bad in [false, true] {
                let mut problem = Problem::<T>::new(&[100], 1.0);
                problem.loss_scale = Some((start.0, start.1, rule));
                if bad {
                    problem.gradients[0][3] = T::from_f64(f64::NAN);
                }
                problem.check(device, name);
            }
        }
    }
}

#[test]
fn the_loss_scale_follows_its_rule() {
    on_one_model(&Every(LossScales));
}

#[test]
fn every_regime_gives_the_same_bits() {
    fn same<T: Real>() {
        let problem = Problem::<T>::new(&[20_000, 333, 50_000], 1.0);
        let expected = problem.norm(&EmulatedDevice::new(DeviceModel::Sm80)).map(f32::to_bits);
        for (name, device) in regimes(DeviceModel::Sm80) {
            assert_eq!(problem.norm(&device).map(f32::to_bits), expected, "{name}");
        }
    }
    same::<f32>();
    same::<f16>();
    same::<bf16>();
}

/// What PyTorch's `clip_grad_norm_` gives: gradients of 3 and 4 with a limit of 1 are multiplied by 1 / (5 + 1e-6).
#[test]
fn the_formula_by_hand() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let mut problem = Problem::<f32>::new(&[1, 1], 1.0);
    problem.gradients = vec![vec![3.0], vec![4.0]];
    let [norm, factor, found, ..] = problem.norm(&device);
    assert_eq!((norm, found), (5.0, 0.0));
    assert_eq!(factor, (1.0 / 5.000_001_f64) as f32);
    problem.loss_scale = Some((2.0, 0.0, Rule::default()));
    let [norm, factor, _, scale, good_steps] = problem.norm(&device);
    assert_eq!((norm, scale, good_steps), (2.5, 2.0, 1.0));
    assert_eq!(factor, (0.5 / 2.500_001_f64) as f32);
}

/// Every gradient is read once, in whole sectors; by value written once, too. The table is 8 bytes a chunk and 16 a gradient.
#[test]
fn traffic_is_at_its_floor() {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<bf16>::new(&[1 << 18], 1.0);
    let sectors = |passes: f64| {
        let counters = device.take_counters();
        let bytes = 32.0 * (counters.global_load_sectors + counters.global_store_sectors) as f64;
        let floor = passes * 2.0 * f64::from(1 << 18);
        println!("{:+.2} % over the floor", 100.0 * (bytes / floor - 1.0));
        assert!((floor..1.03 * floor).contains(&bytes), "{bytes} for {floor}");
    };
    problem.norm(&device);
    sectors(1.0);
    problem.value(&device, 0.5);
    sectors(2.0);
}

/// By value: every bit pattern of the 16-bit types, with NaN and infinities.
#[test]
fn every_value_is_clamped() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let mut rng = Rng::new(3);
    let mut problem = Problem::<f32>::new(&[1], 1.0);
    problem.gradients = vec![rng.normals(5000, 0.0, 1.0), vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.7]];
    problem.check_value(&device, 0.7);
    let mut problem = Problem::<bf16>::new(&[1], 1.0).shifted(1);
    problem.gradients = vec![(0..=u16::MAX).map(bf16::from_bits).collect()];
    problem.check_value(&device, 0.5);
    let mut problem = Problem::<f16>::new(&[1], 1.0);
    problem.gradients = vec![(0..=u16::MAX).map(f16::from_bits).collect()];
    problem.check_value(&device, 1.5);
    problem.check_value(&device, 0.0);
}
