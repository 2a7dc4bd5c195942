//! Gradients against their references.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::{Device, EmulatedDevice};

use crate::common::devices::{Body, on_every_device, on_one_model, perturbed};
use crate::gradients::Gradients;
use crate::problem::{Case, Every, Real, Sizes, sizes};
use crate::tensor::Layout;

/// Checks a problem in one of the two types: of two neighbouring indices each has the other one.
fn check_one<D: Device>(device: &D, name: &str, sizes: Sizes, index: usize) {
    if index.is_multiple_of(2) {
        Gradients::<bf16>::new(sizes, index as u64).check(device, name);
    } else {
        Gradients::<f16>::new(sizes, index as u64).check(device, name);
    }
}

/// Around the tiles of 32 and 64 queries and the blocks of 128 keys; with one key dS is what rounding leaves of 0.
struct Lengths;

impl Body for Lengths {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (i, length) in [1, 2, 63, 64, 65, 113, 128, 200, 257, 384].into_iter().enumerate() {
            for causal in [false, true] {
                for head_dim in [64, 128] {
                    let index = i + usize::from(causal) + head_dim / 64;
                    check_one(device, name, Sizes { causal, ..sizes(length, length, head_dim) }, index);
                }
            }
        }
    }
}

#[test]
fn gradients_of_all_lengths() {
    on_one_model(&Lengths);
}

/// Fewer queries than keys and more. With a mask the first of many queries have no key, and are whole blocks of their own.
struct Unequal;

impl Body for Unequal {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let lengths = [(1, 200), (2, 65), (63, 257), (113, 203), (257, 384), (65, 2), (200, 65), (257, 1), (300, 129)];
        for (i, (queries, keys)) in lengths.into_iter().enumerate() {
            for causal in [false, true] {
                for head_dim in [64, 128] {
                    let index = i + usize::from(causal) + head_dim / 64;
                    check_one(device, name, Sizes { causal, ..sizes(queries, keys, head_dim) }, index);
                }
            }
        }
    }
}

#[test]
fn gradients_of_unequal_lengths() {
    on_one_model(&Unequal);
}

/// Groups of 1, 2, 3 and 6 query heads that add to one gradient of keys and values, in 1 to 3 entries.
struct Heads;

impl Body for Heads {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let counts = [(2, 3, 3), (3, 4, 2), (1, 3, 1), (2, 6, 1), (1, 6, 2)];
        for (i, (batch, heads, kv_heads)) in counts.into_iter().enumerate() {
            for head_dim in [64, 128] {
                let index = i + head_dim / 64;
                let (queries, keys) = if i % 2 == 0 { (70, 140) } else { (100, 33) };
                let sizes = Sizes { batch, heads, kv_heads, causal: index % 2 == 0, ..sizes(queries, keys, head_dim) };
                check_one(device, name, sizes, index);
            }
        }
    }
}

#[test]
fn gradients_of_heads_and_groups() {
    on_one_model(&Heads);
}

/// Every form of the kernel, as the shared memory of the models allows.
struct Forms;

impl Case for Forms {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (queries, keys, causal) in [(33, 33, true), (130, 200, false), (200, 130, true)] {
            for head_dim in [64, 128] {
                let sizes = Sizes { heads: 2, kv_heads: 1, causal, ..sizes(queries, keys, head_dim) };
                Gradients::<T>::new(sizes, queries as u64).check(device, name);
            }
        }
    }
}

#[test]
fn gradients_on_every_model() {
    on_every_device(&Every(Forms));
}

struct Layouts;

impl Body for Layouts {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (i, layout) in Layout::ALL.into_iter().enumerate() {
            let head_dim = [64, 128][i % 2];
            let sizes = Sizes { batch: 2, heads: 2, kv_heads: 2, causal: true, ..sizes(70, 131, head_dim) };
            let mut gradients = Gradients::<bf16>::new(sizes, 3);
            gradients.problem.layout = layout;
            gradients.check(device, name);
        }
    }
}

#[test]
fn gradients_in_any_layout() {
    on_one_model(&Layouts);
}

/// Scores whose exponentials overflow, and softmaxes of almost one key: then dS is small beside dP and delta.
struct Extremes;

impl Case for Extremes {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (length, of_q, of_kv) in
            [(1, 5.0, 3.0), (2, 5.0, 3.0), (5, 5.0, 3.0), (17, 5.0, 3.0), (128, 5.0, 3.0), (40, 30.0, 30.0)]
        {
            let mut gradients = Gradients::<T>::new(Sizes { causal: length > 2, ..sizes(length, length, 64) }, 7);
            let times = |values: &mut [T], factor: f64| {
                values.iter_mut().for_each(|value| *value = T::from_f64(value.to_f64() * factor));
            };
            times(&mut gradients.problem.q, of_q);
            times(&mut gradients.problem.k, of_kv);
            times(&mut gradients.problem.v, of_kv);
            gradients.check(device, &format!("{name}, times {of_q} and {of_kv}"));
        }
    }
}

#[test]
fn gradients_of_extreme_values() {
    on_one_model(&Every(Extremes));
}

struct Scales;

impl Body for Scales {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (scale, head_dim) in [(0.02, 64), (1.0, 64), (0.3, 128)] {
            Gradients::<bf16>::new(Sizes { scale, ..sizes(65, 130, head_dim) }, 9).check(device, name);
        }
    }
}

#[test]
fn gradients_with_a_scale() {
    on_one_model(&Scales);
}

/// What has no key moves nothing: the gradient of its query is exactly 0, whatever its output's gradient is.
#[test]
fn queries_without_keys_have_no_gradient() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    for (queries, keys, head_dim) in [(200, 65, 64), (200, 100, 128)] {
        let gradients = Gradients::<bf16>::new(Sizes { causal: true, ..sizes(queries, keys, head_dim) }, 4);
        let got = gradients.run(&device);
        let without = (queries - keys) * head_dim;
        assert!(got.dq[..without].iter().all(|dq| dq.to_f32() == 0.0));
        assert!(got.dq[without + head_dim..].chunks(head_dim).all(|row| row.iter().any(|dq| dq.to_f32() != 0.0)));

        let mut other = gradients.clone();
        other.grad_o[..without].fill(bf16::from_f32(100.0));
        let other = other.run(&device);
        assert!(got == other, "a query without keys moved a gradient");
    }
}

#[test]
fn gradients_pass_with_functions_as_bad_as_they_may_be() {
    for (name, device) in perturbed(DeviceModel::Sm80) {
        for (i, head_dim) in [64, 128, 64].into_iter().enumerate() {
            check_one(&device, &name, Sizes { causal: i == 1, ..sizes(97, 130, head_dim) }, i);
        }
    }
}
