//! What a step costs, by the emulator's counts.

use half::{bf16, f16};
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::adamw::{AdamW, Rounding};

use crate::problem::{Parameter, Problem, Real};

const COUNT: usize = 1 << 17;

/// Every tensor is read and written once in whole sectors; for each chunk of 32 blocks the records of step, parameter and chunk come from L2, once
/// for each of its warps.
fn cost_of<T: Real, G: Real>(master: bool, rounding: Rounding) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let parameter = Parameter::<T, G>::new(1, COUNT, 1, |rng, _, _| rng.normal());
    let mut problem = Problem::new(vec![if master { parameter.with_master() } else { parameter }]);
    problem.options.rounding = rounding;
    let mut held = problem.hold(&device);
    let gradients = problem.gradients(&device, 0);
    let mut tensors = held.tensors(&gradients);
    let mut optimizer = AdamW::new(&device, &mut tensors, &[0.1], problem.options).expect("an optimizer");
    problem.make_step(&device, &mut optimizer, &mut tensors, 0);
    let counters = device.take_counters();
    let each = |counted: u64| counted as f64 / COUNT as f64;
    let instructions = each(counters.thread_instructions.iter().sum());
    let bytes = 32.0 * each(counters.global_load_sectors + counters.global_store_sectors);
    let (t, g) = (size_of::<T>() as f64, size_of::<G>() as f64);
    let floor = 16.0 + g + if master { 8.0 + t } else { 2.0 * t };
    println!(
        "{} with {} gradients{}{}: {instructions:.1} thread-instructions, {bytes:.2} B of sectors ({:+.1} %) a parameter",
        T::DTYPE,
        G::DTYPE,
        if master { ", master" } else { "" },
        if rounding == Rounding::Nearest { "" } else { ", by chance" },
        100.0 * (bytes / floor - 1.0)
    );
    assert!((floor..1.03 * floor).contains(&bytes), "{bytes} for {floor}");
    let most = if rounding == Rounding::Nearest { 45.0 } else { 65.0 };
    assert!(instructions < most, "{instructions} instructions a parameter");
}

#[test]
fn traffic_is_at_its_floor() {
    cost_of::<f32, f32>(false, Rounding::Nearest);
    cost_of::<bf16, bf16>(false, Rounding::Nearest);
    cost_of::<bf16, bf16>(false, Rounding::Stochastic { seed: 1 });
    cost_of::<f16, f16>(true, Rounding::Nearest);
    cost_of::<bf16, f32>(true, Rounding::Nearest);
}
