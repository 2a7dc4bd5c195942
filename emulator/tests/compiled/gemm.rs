//! A tensor-core product as nvcc 13 compiles it for sm_80: asynchronous copies, `ldmatrix`, `mma`.

use crate::common::{Params, config, cut, download_f32, upload_bf16, values};
use ptx_emulator::{Approximation, Asynchrony, Config, Emulator, Launch, Module, Schedule};

const PTX: &str = include_str!("../ptx/gemm.ptx");

#[test]
fn product_of_bf16_matrices() {
    let (m, n, k) = (100, 80, 96);
    let numbers: Vec<f32> = values((m + n) * k).into_iter().map(cut).collect();
    let (a, b) = numbers.split_at(m * k);
    let kernel = Module::load(PTX).unwrap().kernel("gemm_bf16").unwrap();
    assert_eq!(kernel.max_threads(), Some([128, 1, 1]));
    // Two operands, two stages, 64 rows of 40 elements of 2 bytes.
    assert_eq!(kernel.static_shared(), 2 * 2 * 64 * 40 * 2);
    for asynchrony in [Asynchrony::Eager, Asynchrony::Late, Asynchrony::Random] {
        for (seed, schedule) in [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy].into_iter().enumerate() {
            for approximation in [Approximation::Exact, Approximation::Perturbed] {
                let device =
                    Emulator::new(Config { asynchrony, schedule, approximation, seed: seed as u64, ..config() });
                let (from_a, from_b) = (upload_bf16(&device, a, "a"), upload_bf16(&device, b, "b"));
                let to = device.alloc((m * n * 4) as u64, "c").unwrap();
                let sizes = [m, n, k].map(|size| size as i32);
                let params = Params::default().address(from_a).address(from_b).address(to);
                let params = sizes.into_iter().fold(params, Params::int);
                let launch = Launch {
                    kernel: &kernel,
                    grid: [(n as u32).div_ceil(64), (m as u32).div_ceil(64), 1],
                    block: [128, 1, 1],
                    dynamic_shared: 0,
                    params: &params.0,
                    config: None,
                };
                let counters = device.launch(&launch).unwrap();
                // Four blocks of 64 x 64, three steps of 32.
                assert_eq!(counters.tensor_flops, 4 * 3 * 2 * 64 * 64 * 32);
                let c = download_f32(&device, to, m * n);
                for row in 0..m {
                    for column in 0..n {
                        let terms = (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b[column * k + i]));
                        let exact: f64 = terms.clone().sum();
                        let size: f64 = terms.map(f64::abs).sum();
                        let error = (f64::from(c[row * n + column]) - exact).abs();
                        assert!(error <= size * 1e-5, "({row}, {column}): {} for {exact}", c[row * n + column]);
                    }
                }
            }
        }
    }
}
