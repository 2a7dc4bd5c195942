//! Lists of any length, parameters of any size and at any address; the same bits under any schedule; PTX whose arithmetic is laid down.

use half::bf16;
use warpsmith::Device;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::lamb::States;

use crate::common::devices::{on_every_device, on_one_model, regimes};
use crate::common::optimizers::{Case, Every, EveryNarrow};
use crate::common::ptx::assert_arithmetic_is_laid_down;
use crate::problem::{Parameter, Real, problem};

const STEPS: usize = 2;

fn parameter<T: Real, G: Real>(count: usize) -> Parameter<T, G> {
    Parameter::new(count as u64, count, STEPS, |rng, _, _| rng.normal())
}

/// Around a thread's share, half a block, a block, a thread block's turn, a chunk of 32 blocks and two.
struct Sizes(States);

impl Case for Sizes {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let sizes = [1, 3, 4, 7, 9, 127, 128, 130, 255, 256, 257, 2049, 8191, 8193];
        let list = sizes.map(|count| Parameter { weight_decay: 0.01 * count as f32, ..parameter(count) });
        let with_masters = |(i, p): (usize, Parameter<T, G>)| match (self.0, i % 2) {
            (States::Floats, 0) => p.with_master(),
            _ => p,
        };
        problem(self.0, list.into_iter().enumerate().map(with_masters).collect()).check(device, name);
    }
}

#[test]
fn a_list_of_every_size() {
    on_every_device(&Every(Sizes(States::Floats)));
    on_every_device(&EveryNarrow(Sizes(States::Codes)));
}

/// Parameter, gradient and master off 16-byte boundaries, together and apart.
struct Addresses(States);

impl Case for Addresses {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let shifts = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 2, 2], [16 / size_of::<T>(), 4, 4]];
        let with_master = |p: Parameter<T, G>| if self.0 == States::Floats { p.with_master() } else { p };
        let list = shifts.map(|shifts| with_master(parameter(600)).shifted(shifts));
        problem(self.0, list.to_vec()).check(device, name);
    }
}

#[test]
fn parameters_at_any_address() {
    on_one_model(&Every(Addresses(States::Floats)));
    on_one_model(&EveryNarrow(Addresses(States::Codes)));
}

#[test]
fn every_regime_gives_the_same_bits() {
    for states in [States::Floats, States::Codes] {
        let problem = problem::<bf16, bf16>(states, vec![parameter(3000), parameter(77).shifted([1, 0, 0])]);
        regimes(DeviceModel::Sm80).for_each(|(name, device)| problem.check(&device, &name));
    }
}

/// More chunks than the thread block that adds them has threads, each of a block or two.
#[test]
fn sums_of_many_chunks() {
    let device = warpsmith::EmulatedDevice::new(DeviceModel::Sm80);
    let many = parameter::<bf16, bf16>(300 * 8192 + 77);
    let mut problem = problem(States::Floats, vec![Parameter { gradients: many.gradients[..1].to_vec(), ..many }]);
    problem.scalars.truncate(1);
    problem.check(&device, "many chunks");
}

#[test]
fn arithmetic_is_laid_down() {
    let device = warpsmith::EmulatedDevice::new(DeviceModel::Sm80);
    Addresses(States::Floats).run::<_, f32, f32>(&device, "laid down");
    Addresses(States::Codes).run::<_, f32, f32>(&device, "laid down");
    assert_arithmetic_is_laid_down(&device, "lamb_step");
    assert_arithmetic_is_laid_down(&device, "lamb_step8");
}
