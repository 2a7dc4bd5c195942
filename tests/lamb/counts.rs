//! What a step costs, by the emulator's counts.

use half::{bf16, f16};
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::lamb::{Lamb, States};

use crate::problem::{Parameter, Real, problem};

const COUNT: usize = 1 << 17;

/// Two passes: with f32 states everything is read, states written, and then parameters and states read and parameters written; with codes everything is
/// read twice and parameters and codes written. For each chunk of 32 blocks the code tables (24,848 bytes, from L2) twice, and for each of its warps
/// the records of step, parameter and chunk; each absmax is read twice and written in a sector that eight blocks share in L2.
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
        Lamb::restore(&device, &mut tensors, &[0.1], problem.options, &checkpoint).expect("an optimizer");
    problem.make_step(&device, &mut optimizer, &mut tensors, 0);
    let counters = device.take_counters();
    let each = |counted: u64| counted as f64 / COUNT as f64;
    let instructions = each(counters.thread_instructions.iter().sum());
    let bytes = 32.0 * each(counters.global_load_sectors + counters.global_store_sectors);
    let t = size_of::<T>() as f64;
    let (floor, shared) = match states {
        States::Floats => (4.0 * t + 24.0, 0.0),
        States::Codes => (5.0 * t + 6.0, 6.0 * 32.0 / 256.0 + 2.0 * 24_848.0 / 8192.0),
    };
    println!(
        "{} {states:?}: {instructions:.1} thread-instructions, {bytes:.2} B of sectors, of which {shared:.2} of tables and absmax from L2, a parameter",
        T::DTYPE
    );
    assert!((floor + shared..1.03 * floor + shared + 0.5).contains(&bytes), "{bytes} for {floor}");
    assert!(instructions < most, "{instructions} instructions a parameter");
}

#[test]
fn traffic_is_at_its_floor() {
    cost_of::<f32>(States::Floats, 90.0);
    cost_of::<bf16>(States::Floats, 90.0);
    cost_of::<f16>(States::Floats, 90.0);
    cost_of::<f32>(States::Codes, 160.0);
    cost_of::<bf16>(States::Codes, 160.0);
    cost_of::<f16>(States::Codes, 160.0);
}
