//! Traffic to global memory against the floor of the formula, bank conflicts, and executed instructions for each unit of tensor work.

use half::{bf16, f16};
use warpsmith::EmulatedDevice;
use warpsmith::emulator::{Class, Counters, DeviceModel};

use crate::problem::{Problem, Real, Sizes, sizes};

/// Counts of one forward pass.
fn count<T: Real>(device: &EmulatedDevice, sizes: Sizes) -> Counters {
    device.take_counters();
    Problem::<T>::new(sizes, 1).forward(device);
    device.take_counters()
}

/// Q is read once, O and the log-sum-exp are written once. K and V are read once for each tile of 128 queries, as far as a query of the
/// tile attends.
#[test]
fn every_tile_reads_the_keys_that_it_needs_once() {
    for (model, head_dim) in [(DeviceModel::Sm80, 64), (DeviceModel::Sm80, 128), (DeviceModel::Sm86, 128)] {
        let device = EmulatedDevice::new(model);
        let row = 2 * head_dim as u64;
        let lse = 4;
        for (queries, keys, causal, keys_read) in [
            (128, 128, false, 128),
            (300, 200, false, 3 * 200),
            (384, 384, true, 128 + 256 + 384),
            // Bottom right: the second tile's 72 queries end at key 300, the first one's 128 at 228, in blocks of 64 or 32 keys.
            (200, 300, true, 256 + 300),
            // The first 128 queries attend to nothing.
            (256, 128, true, 128),
        ] {
            let counters = count::<bf16>(&device, Sizes { causal, heads: 2, ..sizes(queries, keys, head_dim) });
            let name = format!("{model:?}, {queries} queries, {keys} keys of {head_dim}, causal {causal}");
            let queries_read = if (queries, keys) == (256, 128) { 128 } else { queries as u64 };
            assert_eq!(counters.global_load_bytes, 2 * row * (queries_read + 2 * keys_read), "{name}");
            assert_eq!(counters.global_store_bytes, 2 * queries as u64 * (row + lse), "{name}");
            assert_eq!(counters.global_load_sectors, counters.global_load_bytes / 32, "{name}");
            assert_eq!(counters.shared_conflicts, 0, "{name}");
        }
    }
}

/// What one more block of keys costs, the costs of a tile's start and end apart: tensor work, and all other executed
/// instructions for a thousand of its operations, as the PTX has them. kernels/attention/NOTES.md has what ptxas makes of them.
#[test]
fn instructions_for_each_unit_of_tensor_work() {
    let per_kflop = |model, head_dim, keys: usize, limit: f64| {
        let device = EmulatedDevice::new(model);
        let [fewer, more] = [2, 4].map(|blocks| count::<f16>(&device, sizes(128, blocks * keys, head_dim)));
        let flops = more.tensor_flops - fewer.tensor_flops;
        assert_eq!(flops as usize, 2 * 4 * 128 * keys * head_dim, "two products of {keys} keys, twice");
        let others = |counters: &Counters| {
            counters.total_warp_instructions() - counters.warp_instructions[Class::Tensor as usize]
        };
        let got = 1e3 * (others(&more) - others(&fewer)) as f64 / flops as f64;
        println!("{model:?}, head dimension {head_dim}: {got:.3} other instructions per 1000 operations");
        assert!(got < limit, "{model:?}, head dimension {head_dim}: {got}");
    };
    per_kflop(DeviceModel::Sm80, 64, 64, 0.85);
    per_kflop(DeviceModel::Sm80, 128, 64, 0.5);
    per_kflop(DeviceModel::Sm86, 128, 32, 0.54);
}
