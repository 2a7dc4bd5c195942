//! Products of a warpgroup as nvcc 13 compiles them for sm_90a: descriptors of swizzled tiles, both operands in shared memory, then one in registers.

use crate::common::{Params, download_f32, upload_bf16};
use ptx_emulator::{Asynchrony, Config, DeviceModel, Emulator, Launch, Module, Schedule};

const PTX: &str = include_str!("../ptx/wgmma.ptx");
const DIM: usize = 64;

#[test]
fn two_products() {
    let keys = 256;
    // -1, 0 and 1: inner products are at most 64, which bf16 holds.
    let numbers = |seed: u32, rows: usize| -> Vec<f32> {
        let number = |i: u32| ((i ^ seed << 20).wrapping_mul(2_654_435_761) >> 13) as i32 % 3 - 1;
        (0..(rows * DIM) as u32).map(|i| number(i) as f32).collect()
    };
    let (q, k, v) = (numbers(1, 64), numbers(2, keys), numbers(3, keys));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let expected: Vec<f32> = (0..64 * DIM)
        .map(|at| {
            let row = &q[at / DIM * DIM..][..DIM];
            (0..keys).map(|key| dot(row, &k[key * DIM..][..DIM]) * v[key * DIM + at % DIM]).sum()
        })
        .collect();
    let kernel = Module::load(PTX).unwrap().kernel("two_products").unwrap();
    for asynchrony in [Asynchrony::Eager, Asynchrony::Late, Asynchrony::Random] {
        for (seed, schedule) in [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy].into_iter().enumerate() {
            let config = Config { asynchrony, schedule, seed: seed as u64, ..Config::new(DeviceModel::Sm90) };
            let device = Emulator::new(config);
            let params = [(&q, "q"), (&k, "k"), (&v, "v")]
                .into_iter()
                .fold(Params::default(), |params, (x, name)| params.address(upload_bf16(&device, x, name)));
            let o = device.alloc((64 * DIM * 4) as u64, "o").unwrap();
            let params = params.address(o).int(keys as i32);
            let launch = Launch {
                kernel: &kernel,
                grid: [1; 3],
                block: [128, 1, 1],
                dynamic_shared: 0,
                params: &params.0,
                config: None,
            };
            let counters = device.launch(&launch).unwrap();
            assert_eq!(counters.tensor_flops, (2 * 2 * 64 * keys * DIM) as u64);
            assert_eq!(download_f32(&device, o, 64 * DIM), expected, "{asynchrony:?} {schedule:?}");
        }
    }
}
