//! An attention forward as nvcc 13 compiles it for sm_80: swizzled tiles, asynchronous copies, `ldmatrix`, `mma`, `ex2.approx`.

use crate::common::{Params, config, cut, download_u32, upload_bf16, values};
use ptx_emulator::{Approximation, Asynchrony, Config, Emulator, Launch, Module, Schedule};

const PTX: &str = include_str!("../ptx/attention.ptx");
const DIM: usize = 64;

/// Softmax of `scale` times the products of a row of `q` with those of `k`, times `v`, for one head.
fn exact(q: &[f32], k: &[f32], v: &[f32], scale: f64) -> Vec<f64> {
    let row = |q: &[f32]| {
        let dot = |k: &[f32]| q.iter().zip(k).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let weights: Vec<f64> = k.chunks(DIM).map(|k| (dot(k) * scale).exp()).collect();
        let total: f64 = weights.iter().sum();
        let column = |d: usize| v.chunks(DIM).zip(&weights).map(|(v, w)| f64::from(v[d]) * w).sum::<f64>() / total;
        (0..DIM).map(column).collect::<Vec<f64>>()
    };
    q.chunks(DIM).flat_map(row).collect()
}

#[test]
fn attention_of_two_heads() {
    let (heads, queries, keys, scale) = (2, 128, 192, 0.5);
    let numbers: Vec<f32> = values(heads * (queries + 2 * keys) * DIM).into_iter().map(cut).collect();
    let (q, rest) = numbers.split_at(heads * queries * DIM);
    let (k, v) = rest.split_at(heads * keys * DIM);
    let kernel = Module::load(PTX).unwrap().kernel("attention").unwrap();
    let expected: Vec<f64> = (0..heads)
        .flat_map(|head| {
            let of = |x: &[f32], rows: usize| x[head * rows * DIM..(head + 1) * rows * DIM].to_vec();
            exact(&of(q, queries), &of(k, keys), &of(v, keys), scale)
        })
        .collect();
    let orders = [
        (Asynchrony::Eager, Schedule::Random, Approximation::Exact),
        (Asynchrony::Late, Schedule::RoundRobin, Approximation::Perturbed),
        (Asynchrony::Random, Schedule::Greedy, Approximation::Perturbed),
    ];
    for (asynchrony, schedule, approximation) in orders {
        let device = Emulator::new(Config { asynchrony, schedule, approximation, ..config() });
        let params = [(q, "q"), (k, "k"), (v, "v")]
            .into_iter()
            .fold(Params::default(), |params, (x, name)| params.address(upload_bf16(&device, x, name)));
        let o = device.alloc((heads * queries * DIM * 2) as u64, "o").unwrap();
        let scale_log2 = (scale * std::f64::consts::LOG2_E) as f32;
        let params = params.address(o).int(queries as i32).int(keys as i32).float(scale_log2);
        let launch = Launch {
            kernel: &kernel,
            grid: [1, heads as u32, 1],
            block: [128, 1, 1],
            dynamic_shared: 0,
            params: &params.0,
            config: None,
        };
        let counters = device.launch(&launch).unwrap();
        // Two products of 2 * queries * keys * 64 for each head.
        assert_eq!(counters.tensor_flops, (4 * heads * queries * keys * DIM) as u64);
        let words = download_u32(&device, o, heads * queries * DIM / 2);
        let got = words.iter().flat_map(|word| [f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000)]);
        for (at, (got, expected)) in got.zip(&expected).enumerate() {
            // Probabilities and the result are rounded to 8 bits; |v| is at most 1.
            assert!((f64::from(got) - expected).abs() <= 1.0 / 256.0, "{at}: {got} for {expected}");
        }
    }
}
