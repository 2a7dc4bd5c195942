//! What a step costs, by the emulator's counts.

use half::{bf16, f16};
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::lion::{Lion, States};

use crate::problem::{Parameter, Real, problem};

const COUNT: usize = 1 << 17;

/// Every tensor is read and written once in whole sectors. For each chunk of 32 blocks the code tables (24,848 bytes, from L2), and for each of its
/// warps the records of step, parameter and chunk; with codes each absmax is read and written in a sector that eight blocks share in L2.
fn cost_of<T: Real>(states: States, most: f64) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let mut problem = problem::<T, T>(states, vec![Parameter::new(1, COUNT, 3, |rng, _, _| rng.normal())]);
    problem.scalars.truncate(1);
    let (mut held, gradients) = (problem.hold(&device), problem.gradients(&device, 0));
    // From states of two steps.
    let mut expected = problem.clone();
    expected.scalars = vec![(1e-3, 1.0, false); 2];
    let checkpoint = expected.expected()[1].checkpoint.clone();
    let mut tensors = held.tensors(&gradients);
    let mut optimizer =
        Lion::restore(&device, &mut tensors, &[0.1], problem.options, &checkpoint).expect("an optimizer");
    problem.make_step(&device, &mut optimizer, &mut tensors, 0);
    let counters = device.take_counters();
    let each = |counted: u64| counted as f64 / COUNT as f64;
    let instructions = each(counters.thread_instructions.iter().sum());
    let bytes = 32.0 * each(counters.global_load_sectors + counters.global_store_sectors);
    let (state, shared) = match states {
        States::Floats => (8.0, 0.0),
        States::Codes => (2.0, 2.0 * 32.0 / 256.0 + 24_848.0 / 8192.0),
    };
    let floor = 3.0 * size_of::<T>() as f64 + state;
    println!(
        "{} {states:?}: {instructions:.1} thread-instructions, {bytes:.2} B of sectors, of which {shared:.2} of tables and absmax from L2, a parameter",
        T::DTYPE
    );
    assert!((floor + shared..1.03 * floor + shared + 0.2).contains(&bytes), "{bytes} for {floor}");
    assert!(instructions < most, "{instructions} instructions a parameter");
}

#[test]
fn traffic_is_at_its_floor() {
    cost_of::<f32>(States::Floats, 36.0);
    cost_of::<bf16>(States::Floats, 36.0);
    cost_of::<f16>(States::Floats, 36.0);
    cost_of::<f32>(States::Codes, 60.0);
    cost_of::<bf16>(States::Codes, 60.0);
    cost_of::<f16>(States::Codes, 60.0);
}
