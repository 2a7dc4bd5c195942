//! Every head size, layout and choice of tensors gives the right result and touches nothing else.

use half::bf16;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::rotary::{Frequencies, Operand, Pairing, Positions, Rotate, Scaling, forward};
use warpsmith::reference::rotary::{Angles, Rotation};
use warpsmith::{Buffer, Device, EmulatedDevice};

use crate::common::compare::assert_bits_equal;
use crate::common::data::{Rng, widen};
use crate::common::devices::{Body, on_every_device, on_one_model, regimes};
use crate::problem::{Case, Every, Given, Layout, Problem, Real};

/// Heads of one pair up to the most; whole vectors and not; all elements rotated or a part.
struct Heads;

impl Case for Heads {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let sizes = [
            (2, 2),
            (3, 2),
            (16, 16),
            (18, 18),
            (64, 64),
            (96, 96),
            (128, 128),
            (256, 256),
            (80, 32),
            (96, 22),
            (300, 256),
        ];
        for (head_dim, rotated) in sizes {
            for pairing in Pairing::ALL {
                Problem::<T>::new([2, 3, 3, 2], head_dim, pairing).rotating(rotated).check(device, name);
            }
        }
    }
}

#[test]
fn any_head() {
    on_every_device(&Every(Heads));
}

/// Numbers of tokens and heads around those of a block and of a thread; without keys.
struct Counts;

impl Case for Counts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for sizes in [[1, 1, 1, 0], [1, 4, 7, 1], [3, 5, 1, 8], [2, 9, 40, 8], [1, 1, 70, 3]] {
            for (head_dim, pairing) in [(32, Pairing::Half), (32, Pairing::Interleaved), (10, Pairing::Half)] {
                Problem::<T>::new(sizes, head_dim, pairing).check(device, name);
            }
        }
    }
}

#[test]
fn any_number_of_tokens_and_heads() {
    on_one_model(&Every(Counts));
}

/// So many tokens that a warp has all heads of one.
struct Many;

impl Body for Many {
    fn run<D: Device>(&self, device: &D, name: &str) {
        Problem::<bf16>::new([3, 700, 9, 2], 32, Pairing::Half).check(device, name);
        Problem::<f32>::new([1, 2000, 5, 0], 6, Pairing::Interleaved).check(device, name);
    }
}

#[test]
fn many_tokens() {
    on_one_model(&Many);
}

/// Heads at a distance, off boundaries, in the other order, in place.
struct Layouts;

impl Case for Layouts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for bits in 0..4_u32 {
            let (heads_first, in_place) = (bits & 1 == 1, bits & 2 == 2);
            for (gap, input_shift, output_shift) in
                [(0, 0, 0), (lanes, 0, lanes), (1, 0, 0), (0, 1, 1), (0, 0, 1), (3, lanes - 1, 0)]
            {
                let layout = Layout { gap, input_shift, output_shift, heads_first, in_place };
                for (rotated, pairing) in [(48, Pairing::Half), (32, Pairing::Interleaved), (30, Pairing::Half)] {
                    let problem = Problem::<T>::new([2, 3, 3, 2], 48, pairing).rotating(rotated);
                    Problem { layout, factor: 1.25, ..problem }.check(device, name);
                }
            }
        }
    }
}

#[test]
fn any_layout() {
    on_one_model(&Every(Layouts));
}

/// All ways to give positions.
struct Ways;

impl Case for Ways {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let problem = Problem::<T>::new([3, 5, 2, 1], 64, Pairing::Half);
        problem.clone().at(Given::From(-3), |place| place as i64 - 3).check(device, name);
        problem.clone().at(Given::Narrow, |place| 1000 - 7 * place as i64).check(device, name);
        problem.at(Given::Wide, |token| (token * token) as i64 - 40).check(device, name);
    }
}

#[test]
fn any_positions() {
    on_one_model(&Every(Ways));
}

/// Queries and keys of one packed `[batch, length, 3, heads, head_dim]` tensor, in place: the values are not touched.
struct Packed;

impl Body for Packed {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let values: Vec<f32> = Rng::new(3).normals(2 * 5 * 3 * 2 * 8, 0.0, 1.0);
        let mut packed = device.upload(&values).unwrap();
        // Two views of one buffer that are written: raw addresses, as a host would have them.
        let part = |buffer: &mut D::Buffer<f32>, i: usize| {
            let frequencies = Frequencies::new(8, 100.0, Scaling::None).unwrap();
            let view = buffer.strided_mut(i * 16, [2, 5, 2, 8], [5 * 48, 48, 8, 1]).unwrap();
            let tensors = Rotate { queries: Operand::InPlace(view), keys: None, positions: Positions::From(2) };
            forward(device, tensors, &frequencies, Pairing::Half).unwrap();
        };
        part(&mut packed, 0);
        part(&mut packed, 1);
        let frequencies: Vec<f64> = (0..4).map(|i| 100_f64.powf(-0.25 * f64::from(i))).collect();
        let positions: Vec<i64> = (0..10).map(|token| 2 + token % 5).collect();
        let rotation = Rotation {
            head_dim: 8,
            heads: 6,
            angles: Angles::Turning { positions: &positions, frequencies: &frequencies, factor: 1.0 },
            interleaved: false,
            inverse: false,
        };
        let rotated = rotation.apply(&widen(&values));
        let got: Vec<f32> = device.download(&packed).unwrap();
        for (i, got) in got.iter().enumerate() {
            let expected = if i % 48 < 32 { rotated[i] } else { f64::from(values[i]) };
            assert!((f64::from(*got) - expected).abs() < 1e-6, "{name}: [{i}] is {got}, not {expected}");
        }
    }
}

#[test]
fn parts_of_a_packed_tensor() {
    on_one_model(&Packed);
}

/// Two tokens more than 4 GiB apart, in place.
struct Far;

impl Body for Far {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (dim, stride) in [(16, 1_usize << 31), (10, (1 << 31) + 1)] {
            let mut far = device.alloc::<bf16>(stride + dim).unwrap();
            let near = device.upload(&vec![bf16::ONE; 2 * dim]).unwrap();
            let frequencies = Frequencies::new(dim, 100.0, Scaling::None).unwrap();
            let mut back = device.alloc::<bf16>(2 * dim).unwrap();
            let strides = [0, stride as i64, 0, 1];
            let tensors = Rotate {
                queries: Operand::Into {
                    input: near.view([1, 2, 1, dim]).unwrap(),
                    output: far.strided_mut(0, [1, 2, 1, dim], strides).unwrap(),
                },
                keys: None,
                positions: Positions::From(3),
            };
            forward(device, tensors, &frequencies, Pairing::Half).unwrap();
            let tensors = Rotate {
                queries: Operand::Into {
                    input: far.strided(0, [1, 2, 1, dim], strides).unwrap(),
                    output: back.view_mut([1, 2, 1, dim]).unwrap(),
                },
                keys: None,
                positions: Positions::From(-4),
            };
            forward(device, tensors, &frequencies, Pairing::Half).unwrap();
            // Three on and four back is one back; four on and three back is one on.
            for (i, got) in widen(&device.download(&back).unwrap()).iter().enumerate() {
                let (pair, first) = (i % dim % (dim / 2), i % dim < dim / 2);
                let angle = 100_f64.powf(-2.0 * pair as f64 / dim as f64) * if i < dim { -1.0 } else { 1.0 };
                let expected = if first { angle.cos() - angle.sin() } else { angle.sin() + angle.cos() };
                assert!((got - expected).abs() < 0.03, "{name}: [{i}] is {got}, not {expected}");
            }
        }
    }
}

#[test]
fn tokens_more_than_four_gibibytes_apart() {
    on_one_model(&Far);
}

#[test]
fn every_regime_gives_the_same_bits() {
    let model = DeviceModel::Sm80;
    let layout = Layout { gap: 0, input_shift: 0, output_shift: 0, heads_first: false, in_place: true };
    for (head_dim, rotated) in [(64, 64), (40, 10)] {
        let problem = Problem::<bf16>::new([2, 17, 5, 2], head_dim, Pairing::Half).rotating(rotated);
        let problem = Problem { layout, ..problem };
        let expected = problem.rotate(&EmulatedDevice::new(model), false);
        for (regime, device) in regimes(model) {
            let got = problem.rotate(&device, false);
            (0..2).for_each(|i| assert_bits_equal(&regime, head_dim, &got[i], &expected[i]));
        }
    }
}
