//! Traffic to global memory, counted exactly; executed instructions against the issue slots.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::rotary::Pairing;

use crate::problem::{Given, Layout, Problem, Real};

/// Executed thread-instructions of the PTX for each byte that has to move: what was reached, and a little.
const LIMIT: f64 = 3.0;

/// One read and one write of every element in whole sectors, and the positions; in place nothing for elements that are not rotated.
fn traffic_of<T: Real>(pairing: Pairing) {
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let problem = Problem::<T>::new([2, 50, 8, 2], 128, pairing);
    let bytes = (2 * 50 * 10 * 128 * size_of::<T>()) as u64;
    problem.rotate(&device, false);
    let counters = device.take_counters();
    let loads = (counters.global_load_bytes, 32 * counters.global_load_sectors);
    let stores = (counters.global_store_bytes, 32 * counters.global_store_sectors);
    assert_eq!((loads.0, stores), (bytes, (bytes, bytes)), "{pairing:?}: {counters:?}");
    assert_eq!(loads.1, bytes, "{pairing:?}: {counters:?}");

    let part = problem.rotating(64).at(Given::Narrow, |place| place as i64);
    let layout = Layout { in_place: true, ..part.layout };
    Problem { layout, ..part }.rotate(&device, false);
    let counters = device.take_counters();
    assert_eq!(counters.global_store_bytes, bytes / 2, "{pairing:?}: {counters:?}");
    // Each lane of each warp that a token has asks for its position, of which memory gives one sector.
    let positions = counters.global_load_bytes - bytes / 2;
    assert_eq!(positions % (2 * 50 * 32 * 4), 0, "{pairing:?}: {counters:?}");
}

#[test]
fn each_element_is_read_once_and_written_once() {
    for pairing in Pairing::ALL {
        traffic_of::<f32>(pairing);
        traffic_of::<bf16>(pairing);
    }
}

/// 32 heads of queries and 8 of keys, 128 elements each, as models have them, by a warp for each token.
#[test]
fn instructions_for_each_byte() {
    let device = EmulatedDevice::new(DeviceModel::Sm86);
    for pairing in Pairing::ALL {
        let problem = Problem::<bf16>::new([1, 1400, 1, 0], 128, pairing);
        let many = Problem {
            heads: [32, 8],
            tensors: [problem.tensors[0].repeat(32), problem.tensors[0].repeat(8)],
            ..problem
        };
        many.rotate(&device, false);
        let executed = device.take_counters().total_warp_instructions();
        let each = executed as f64 * 32.0 / (2 * 1400 * 40 * 128 * 2) as f64;
        println!("{pairing:?}: {each:.2} thread-instructions per byte");
        assert!(each < LIMIT, "{pairing:?}: {each}");
    }
}
