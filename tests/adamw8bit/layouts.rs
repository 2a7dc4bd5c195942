//! Lists of any length, parameters of any size and at any address; the same bits under any schedule; PTX whose arithmetic is laid down.

use half::bf16;
use warpsmith::Device;
use warpsmith::emulator::DeviceModel;

use crate::common::devices::{on_every_device, on_one_model, regimes};
use crate::common::ptx::assert_arithmetic_is_laid_down;
use crate::problem::{Case, Every, Parameter, Problem, Real};

const STEPS: usize = 2;

fn parameter<T: Real>(count: usize) -> Parameter<T> {
    Parameter::new(count as u64, count, STEPS, |rng, _, _| rng.normal())
}

/// Around a block, a warp's share, a thread block's turn, a chunk of 32 blocks and two.
struct Sizes;

impl Case for Sizes {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let sizes = [1, 2, 7, 8, 9, 255, 256, 257, 511, 2047, 2049, 8191, 8192, 8193, 20_000];
        let list = sizes.map(|count| Parameter { weight_decay: 0.01 * count as f32, ..parameter(count) });
        Problem::<T>::new(list.to_vec()).check(device, name);
    }
}

#[test]
fn a_list_of_every_size() {
    on_every_device(&Every(Sizes));
}

/// Parameter and gradient off 16-byte boundaries, together and apart.
struct Addresses;

impl Case for Addresses {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let shifts = [[0, 0], [1, 0], [0, 1], [1, 1], [2, 2], [16 / size_of::<T>(), 3]];
        let list = shifts.map(|shifts| parameter(600).shifted(shifts));
        Problem::<T>::new(list.to_vec()).check(device, name);
    }
}

#[test]
fn parameters_at_any_address() {
    on_one_model(&Every(Addresses));
}

#[test]
fn every_regime_gives_the_same_bits() {
    let problem = Problem::<bf16>::new(vec![parameter(3000), parameter(77).shifted([1, 0])]);
    regimes(DeviceModel::Sm80).for_each(|(name, device)| problem.check(&device, &name));
}

#[test]
fn arithmetic_is_laid_down() {
    let device = warpsmith::EmulatedDevice::new(DeviceModel::Sm80);
    Addresses.run::<_, f32>(&device, "laid down");
    assert_arithmetic_is_laid_down(&device, "adamw8bit_step");
}
