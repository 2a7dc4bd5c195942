//! Lists of any length, parameters of any size and at any address; the same bits under any schedule; PTX whose arithmetic is laid down.

use half::bf16;
use warpsmith::Device;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::adamw::Rounding;

use crate::common::devices::{on_every_device, on_one_model, regimes};
use crate::common::optimizers::{Case, Every};
use crate::common::ptx::assert_arithmetic_is_laid_down;
use crate::problem::{Parameter, Problem, Real};

const STEPS: usize = 2;

fn parameter<T: Real, G: Real>(count: usize) -> Parameter<T, G> {
    Parameter::new(count as u64, count, STEPS, |rng, _, _| rng.normal())
}

/// Around a quad, half a block, a block, a thread block's turn, a chunk of 32 blocks and two; every other one has a master.
struct Sizes;

impl Case for Sizes {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let sizes = [1, 3, 4, 5, 127, 128, 130, 255, 256, 257, 2049, 8191, 8192, 8193, 17_000];
        let list = sizes.map(|count| Parameter { weight_decay: 0.01 * count as f32, ..parameter(count) });
        let with_masters = |(i, p): (usize, Parameter<T, G>)| if i % 2 == 0 { p.with_master() } else { p };
        Problem::<T, G>::new(list.into_iter().enumerate().map(with_masters).collect()).check(device, name);
    }
}

#[test]
fn a_list_of_every_size() {
    on_every_device(&Every(Sizes));
}

/// Parameter, gradient and master off 16-byte boundaries, together and apart.
struct Addresses;

impl Case for Addresses {
    fn run<D: Device, T: Real, G: Real>(&self, device: &D, name: &str) {
        let shifts = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [2, 2, 2], [16 / size_of::<T>(), 4, 4]];
        let list = shifts.map(|shifts| parameter(600).with_master().shifted(shifts));
        Problem::<T, G>::new(list.to_vec()).check(device, name);
    }
}

#[test]
fn parameters_at_any_address() {
    on_one_model(&Every(Addresses));
}

#[test]
fn every_regime_gives_the_same_bits() {
    let list = vec![parameter(3000), parameter(77).shifted([1, 0, 0])];
    let mut problem = Problem::<bf16, bf16>::new(list);
    problem.options.rounding = Rounding::Stochastic { seed: 3 };
    regimes(DeviceModel::Sm80).for_each(|(name, device)| problem.check(&device, &name));
}

#[test]
fn arithmetic_is_laid_down() {
    let device = warpsmith::EmulatedDevice::new(DeviceModel::Sm80);
    Addresses.run::<_, f32, f32>(&device, "laid down");
    assert_arithmetic_is_laid_down(&device, "adamw_step");
}
