//! Traffic of the backward pass to global memory, byte by byte; bank conflicts; executed instructions for each unit of tensor work.

use half::{bf16, f16};
use warpsmith::EmulatedDevice;
use warpsmith::emulator::{Class, Counters, DeviceModel, Residency};

use crate::gradients::Gradients;
use crate::problem::{Real, Sizes, sizes};

/// A model, a head dimension, and the form that serves it: queries of a step, warps.
const FORMS: [(DeviceModel, usize, usize, usize); 3] =
    [(DeviceModel::Sm80, 64, 32, 4), (DeviceModel::Sm90, 128, 64, 8), (DeviceModel::Sm86, 128, 32, 8)];
const KEYS: usize = 128;

/// Counts of one backward pass whose blocks run one after another, so that no turn is waited for.
fn count<T: Real>(model: DeviceModel, sizes: Sizes) -> Counters {
    let device =
        EmulatedDevice::builder(model).workers(1).residency(Residency { resident_blocks: 1, reversed: false }).build();
    let gradients = Gradients::<T>::new(sizes, 1);
    let forward = gradients.problem.forward(&device);
    device.take_counters();
    gradients.backward(&device, &forward);
    device.take_counters()
}

/// Bytes that a pass over one head has to load and to store.
fn traffic(sizes: &Sizes, step: usize, warps: usize) -> (usize, usize) {
    let Sizes { queries, keys, head_dim, .. } = *sizes;
    let (row, sums) = (2 * head_dim, step * head_dim * 4);
    let blocks = queries.div_ceil(step);
    let without_keys = (0..queries).filter(|&query| sizes.keys_of(query) == 0).count();
    // The first kernel: O, dO and LSE of queries with keys; three statistics of each query; the ticket and the turns; zeros.
    let mut loads = (queries - without_keys) * (2 * row + 4);
    let mut stores = blocks * step * 12 + (1 + blocks * warps) * 4 + without_keys * row;
    // K and V, dK and dV, and the ticket of each block of keys: an atomic operation counts as a store.
    loads += 2 * keys * row;
    stores += 2 * keys * row + 4 * keys.div_ceil(KEYS);
    for block in 0..blocks {
        let rows = step.min(queries - block * step);
        let turns = sizes.keys_of(block * step + rows - 1).div_ceil(KEYS);
        for turn in 0..turns {
            loads += 2 * rows * row + step * 12;
            if turn > 0 {
                // Every lane asks for the turn.
                loads += sums + warps * 32 * 4;
            }
            stores += if turn + 1 < turns { sums + warps * 4 } else { rows * row };
        }
    }
    (loads, stores)
}

/// Q and dO are read once for each 128 keys that a step's queries attend to, sums of dQ are read and written between; everything
/// else moves once.
#[test]
fn backward_moves_what_it_has_to() {
    for (model, head_dim, step, warps) in FORMS {
        for (queries, keys, causal) in
            [(64, 128, false), (300, 290, false), (290, 290, true), (100, 300, true), (256, 130, true)]
        {
            let sizes = Sizes { causal, ..sizes(queries, keys, head_dim) };
            let counters = count::<bf16>(model, sizes);
            let (loads, stores) = traffic(&sizes, step, warps);
            let name =
                format!("{model:?}, {queries} queries, {keys} keys of {head_dim}, causal {causal}: {counters:?}");
            assert_eq!(counters.global_load_bytes, loads as u64, "loads of {name}");
            assert_eq!(counters.global_store_bytes, stores as u64, "stores of {name}");
            assert_eq!(counters.shared_conflicts, 0, "{name}");
        }
    }
}

/// What one more block of queries costs for keys of the second block, whose sums are neither first nor last: tensor work, and all
/// other executed instructions for a thousand of its operations, as the PTX has them. kernels/attention/NOTES.md has what ptxas makes
/// of them.
#[test]
fn backward_instructions_for_each_unit_of_tensor_work() {
    for ((model, head_dim, step, _), limit) in FORMS.into_iter().zip([0.93, 0.75, 0.94]) {
        let [fewer, more] = [4, 8].map(|steps| count::<f16>(model, sizes(steps * step, 3 * KEYS, head_dim)));
        let flops = more.tensor_flops - fewer.tensor_flops;
        assert_eq!(flops as usize, 4 * 2 * 5 * step * 3 * KEYS * head_dim, "five products for each step");
        let others = |counters: &Counters| {
            counters.total_warp_instructions() - counters.warp_instructions[Class::Tensor as usize]
        };
        let got = 1e3 * (others(&more) - others(&fewer)) as f64 / flops as f64;
        let wavefronts = (more.shared_wavefronts - fewer.shared_wavefronts) as f64 / flops as f64;
        println!(
            "{model:?}, head dimension {head_dim}: {got:.3} other instructions and {:.3} wavefronts per 1000 operations",
            1e3 * wavefronts
        );
        assert!(got < limit, "{model:?}, head dimension {head_dim}: {got}");
    }
}
