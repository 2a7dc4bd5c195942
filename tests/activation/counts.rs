//! Traffic to global memory, counted exactly; executed instructions against the issue slots.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::{Counters, DeviceModel};
use warpsmith::ops::activation::Function;

use crate::problem::{Kind, Problem, Real};

fn traffic(counters: &Counters) -> [u64; 4] {
    let sectors = [counters.global_load_sectors, counters.global_store_sectors].map(|sectors| 32 * sectors);
    [counters.global_load_bytes, counters.global_store_bytes, sectors[0], sectors[1]]
}

/// One read of each input and one write of each output, in whole sectors.
fn traffic_of<T: Real>(kind: Kind) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<T>::new(Function::Silu, kind, 40, 768);
    let bytes = (40 * 768 * size_of::<T>()) as u64;
    let inputs = if kind == Kind::Plain { 1 } else { 2 };
    problem.forward(&device);
    let [load, store] = [inputs * bytes, bytes];
    assert_eq!(traffic(&device.take_counters()), [load, store, load, store], "{kind:?} forward");
    problem.backward(&device);
    let [load, store] = [(inputs + 1) * bytes, inputs * bytes];
    assert_eq!(traffic(&device.take_counters()), [load, store, load, store], "{kind:?} backward");
}

#[test]
fn each_tensor_is_read_or_written_once() {
    for kind in Kind::ALL {
        traffic_of::<f32>(kind);
        traffic_of::<bf16>(kind);
    }
}

/// Executed thread-instructions of the PTX for each byte that has to move. ptxas leaves about 0.7 of them; 9.2 a byte would fill the
/// issue slots of a H100 at 3.35 TB/s. These are what was reached, and a little.
fn limit(function: Function) -> f64 {
    match function {
        Function::Relu | Function::ReluSquared => 3.0,
        Function::Silu | Function::QuickGelu => 4.6,
        Function::GeluTanh => 6.0,
        Function::GeluErf => 7.0,
    }
}

#[test]
fn instructions_for_each_byte() {
    let device = EmulatedDevice::new(DeviceModel::Sm86);
    for function in Function::ALL {
        for kind in [Kind::Plain, Kind::Packed] {
            let problem = Problem::<bf16>::new(function, kind, 256, 512);
            let inputs = if kind == Kind::Plain { 1 } else { 2 };
            let each = |tensors: usize, run: &dyn Fn()| {
                run();
                let executed = device.take_counters().total_warp_instructions() as f64;
                executed * 32.0 / (tensors * 256 * 512 * 2) as f64
            };
            let forward = each(inputs + 1, &|| drop(problem.forward(&device)));
            let backward = each(2 * inputs + 1, &|| drop(problem.backward(&device)));
            println!(
                "{function:?} {kind:?}: {forward:.2} thread-instructions per byte forward, {backward:.2} backward"
            );
            assert!(forward < limit(function) && backward < limit(function), "{function:?}: {forward}, {backward}");
        }
    }
}
