//! Where tensors may lie: strides of every kind, one buffer for Q, K and V, keys that a batch shares, offsets beyond 32 bits.

use half::bf16;
use warpsmith::ops::attention::{self, Options};
use warpsmith::reference::attention::Forward;
use warpsmith::{Buffer, Device};

use crate::common::compare::assert_bits_equal;
use crate::common::data::Rng;
use crate::common::devices::{Body, on_one_model};
use crate::problem::{Case, Every, Problem, Real, Sizes, sizes};
use crate::tensor::Layout;

/// The same bits in every layout, and right ones.
struct Layouts;

impl Case for Layouts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (head_dim, causal) in [(64, true), (128, false)] {
            let sizes = Sizes { batch: 2, heads: 2, causal, ..sizes(37, 70, head_dim) };
            let problem = Problem::<T>::new(sizes, 3);
            let expected = problem.forward(device);
            problem.judge(name, &expected);
            for layout in Layout::ALL {
                let got = problem.clone().placed(layout).forward(device);
                let name = format!("{name}: {} {layout:?}", T::DTYPE);
                assert_bits_equal(&name, head_dim, &got.o, &expected.o);
                assert_bits_equal(&name, sizes.queries, &got.lse, &expected.lse);
            }
        }
    }
}

#[test]
fn every_layout_gives_the_same_bits() {
    on_one_model(&Every(Layouts));
}

/// Q, K and V are parts of what one matrix product wrote, `[batch, length, 3, heads, head_dim]`; no log-sum-exp is asked for.
struct OneBuffer;

impl Body for OneBuffer {
    fn run<D: Device>(&self, device: &D, name: &str) {
        const D: usize = 64;
        let sizes = Sizes { batch: 2, heads: 2, kv_heads: 2, causal: true, ..sizes(70, 70, D) };
        let problem = Problem::<bf16>::new(sizes, 4);
        let (positions, width) = (2 * 70, 2 * D);
        let parts = |i: usize| [&problem.q, &problem.k, &problem.v].map(|part| &part[i * width..][..width]);
        let data: Vec<bf16> = (0..positions).flat_map(|i| parts(i).concat()).collect();
        let qkv = device.upload(&data).unwrap();
        let mut o = device.alloc::<bf16>(positions * width).unwrap();
        let shape = [2, 70, 2, D];
        let stride = 3 * width as i64;
        let part = |i: usize| qkv.strided(i * width, shape, [70 * stride, stride, D as i64, 1]).unwrap();
        let tensors =
            attention::Forward { q: part(0), k: part(1), v: part(2), o: o.view_mut(shape).unwrap(), lse: None };
        attention::forward(device, tensors, Options { causal: true, scale: None }).unwrap();
        let problem = Problem { wants_lse: false, ..problem };
        problem.judge(name, &Forward { o: device.download(&o).unwrap(), lse: Vec::new() });
    }
}

#[test]
fn parts_of_one_buffer() {
    on_one_model(&OneBuffer);
}

/// Keys and values with a stride of 0 along the batch are those of every entry.
struct Shared;

impl Body for Shared {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let sizes = Sizes { batch: 3, ..sizes(5, 40, 64) };
        let mut problem = Problem::<bf16>::new(sizes, 5);
        let of_one = 40 * 64;
        for tensor in [&mut problem.k, &mut problem.v] {
            *tensor = tensor[..of_one].repeat(3);
        }
        let expected = problem.forward(device);
        let upload = |values: &[bf16]| device.upload(values).unwrap();
        let (q, k, v) = (upload(&problem.q), upload(&problem.k[..of_one]), upload(&problem.v[..of_one]));
        let (mut o, mut lse) = (upload(&problem.q), device.alloc::<f32>(3 * 5).unwrap());
        let of_all = |one| Buffer::strided(one, 0, [3, 40, 1, 64], [0, 64, 64, 1]).unwrap();
        let tensors = attention::Forward {
            q: q.view([3, 5, 1, 64]).unwrap(),
            k: of_all(&k),
            v: of_all(&v),
            o: o.view_mut([3, 5, 1, 64]).unwrap(),
            lse: Some(lse.view_mut([3, 1, 5]).unwrap()),
        };
        attention::forward(device, tensors, problem.options()).unwrap();
        assert_bits_equal(name, 64, &device.download(&o).unwrap(), &expected.o);
        assert_bits_equal(name, 5, &device.download(&lse).unwrap(), &expected.lse);
    }
}

#[test]
fn keys_that_a_batch_shares() {
    on_one_model(&Shared);
}

/// Two entries of the batch, two heads or two positions more than 4 GiB apart. Each tensor is far along one dimension in turn, written as
/// the output of a first call and read as the input of a second one.
struct Far;

impl Body for Far {
    fn run<D: Device>(&self, device: &D, name: &str) {
        const FAR: i64 = (1 << 31) + 8;
        const D: i64 = 64;
        let shape = [2, 2, 2, D as usize];
        let near = [4 * D, 2 * D, D, 1];
        let sizes = Sizes { batch: 2, heads: 2, kv_heads: 2, ..sizes(2, 2, D as usize) };
        let count = 8 * D as usize;
        let random = |seed| Rng::new(seed).normals::<bf16>(count, 0.0, 1.0);
        let options = Options { causal: true, scale: None };
        type Tensors<'a, D> = [&'a <D as Device>::Buffer<bf16>; 3];
        let run = |[q, k, v]: Tensors<'_, D>, strides: [[i64; 4]; 4], o: &mut D::Buffer<bf16>| {
            let view = |tensor, strides: [i64; 4]| Buffer::strided(tensor, 0, shape, strides).unwrap();
            let o = o.strided_mut(0, shape, strides[3]).unwrap();
            let tensors = attention::Forward {
                q: view(q, strides[0]),
                k: view(k, strides[1]),
                v: view(v, strides[2]),
                o,
                lse: None,
            };
            attention::forward(device, tensors, options).unwrap();
        };
        let upload = |values: &[bf16]| device.upload(values).unwrap();
        let (q, k, v) = (upload(&random(1)), upload(&random(2)), upload(&random(3)));
        for dimension in 0..3 {
            let mut far = near;
            far[dimension] = FAR;
            let mut apart = device.alloc::<bf16>(FAR as usize + count).unwrap();
            let mut once = device.alloc::<bf16>(count).unwrap();
            run([&q, &k, &v], [near; 4], &mut once);
            run([&q, &k, &v], [near, near, near, far], &mut apart);
            for tensor in 0..3 {
                let mut strides = [near; 4];
                strides[tensor] = far;
                let with = |other| [0, 1, 2].map(|i| if i == tensor { other } else { [&q, &k, &v][i] });
                let mut expected = device.alloc::<bf16>(count).unwrap();
                let mut got = device.alloc::<bf16>(count).unwrap();
                run(with(&once), [near; 4], &mut expected);
                run(with(&apart), strides, &mut got);
                let (expected, got) = (device.download(&expected).unwrap(), device.download(&got).unwrap());
                let name = format!("{name}: tensor {tensor} far along dimension {dimension} of {sizes:?}");
                assert_bits_equal(&name, D as usize, &got, &expected);
            }
        }
    }
}

#[test]
fn more_than_four_gibibytes_apart() {
    on_one_model(&Far);
}
