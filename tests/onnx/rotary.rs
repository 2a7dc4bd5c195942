//! RotaryEmbedding. Its caches of cosines and sines are random, and the kernels' tables. A tensor of four dimensions is
//! `[batch, heads, length, head_dim]`, taken by its strides; one of three has the heads of a token side by side.

use warpsmith::ops::rotary::{self, Operand, Pairing, Positions, Rotate, Tables};
use warpsmith::reference::rotary::{Angles, Rotation};
use warpsmith::{Buffer, Device};

use crate::cases::{Case, Operator, blank, every_test, read};

struct RotaryEmbedding;

/// `[batch, length, heads, head_dim]` and its strides.
fn layout(case: &Case) -> ([usize; 4], [usize; 4]) {
    match case.inputs[0].shape[..] {
        [batch, heads, length, dim] => ([batch, length, heads, dim], [heads * length * dim, dim, length * dim, 1]),
        [batch, length, hidden] => {
            let heads = case.integer("num_heads", 0) as usize;
            let dim = hidden / heads;
            ([batch, length, heads, dim], [length * hidden, hidden, dim, 1])
        }
        _ => panic!("{}: {:?}", case.name, case.inputs[0].shape),
    }
}

impl Operator for RotaryEmbedding {
    const NAME: &'static str = "RotaryEmbedding";
    const TESTS: usize = 8;

    fn run<D: Device>(case: &Case, device: &D, name: &str) {
        let (shape, strides) = layout(case);
        let [batch, length, heads, head_dim] = shape;
        let (x, caches) = (&case.inputs[0], [&case.inputs[1], &case.inputs[2]]);
        let pairs = *caches[0].shape.last().expect("caches have pairs");
        let rotated = case.integer("rotary_embedding_dim", 0) as usize;
        assert_eq!(2 * pairs, if rotated == 0 { head_dim } else { rotated }, "{}", case.name);
        let pairing = if case.integer("interleaved", 0) == 1 { Pairing::Interleaved } else { Pairing::Half };

        let (input, mut output) = (x.upload(device), blank(device, x.f32().len()));
        let tables = caches.map(|cache| cache.upload(device));
        let tables = match caches[0].shape[..] {
            [positions, _] => tables.each_ref().map(|table| table.view([positions, pairs]).unwrap()),
            _ => tables.each_ref().map(|table| table.view([batch, length, pairs]).unwrap()),
        };
        let ids = case.inputs.get(3).map(|ids| device.upload(ids.i64()).unwrap());
        let positions = match &ids {
            Some(ids) => Positions::I64(ids.view([batch, length]).unwrap()),
            None => Positions::From(0),
        };
        let signed = strides.map(|stride| stride as i64);
        let queries = Operand::Into {
            input: input.strided(0, shape, signed).unwrap(),
            output: output.strided_mut(0, shape, signed).unwrap(),
        };
        let [cosines, sines] = tables;
        rotary::forward(device, Rotate { queries, keys: None, positions }, &Tables { cosines, sines }, pairing)
            .expect("rotary::forward");

        // The reference takes [tokens, heads, head_dim], and tables by token.
        let memory = |index: usize| {
            let (token, rest) = (index / (heads * head_dim), index % (heads * head_dim));
            let at = [token / length, token % length, rest / head_dim, rest % head_dim];
            at.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>()
        };
        let wide = x.wide();
        let tensor: Vec<f64> = (0..wide.len()).map(|index| wide[memory(index)]).collect();
        let of_tokens = caches.map(|cache| {
            let cache = cache.wide();
            let row = |token: usize| case.inputs.get(3).map_or(token, |ids| ids.i64()[token] as usize);
            (0..batch * length).flat_map(|token| cache[row(token) * pairs..][..pairs].to_vec()).collect::<Vec<f64>>()
        });
        let rotation = Rotation {
            head_dim,
            heads,
            angles: Angles::Tables { cosines: &of_tokens[0], sines: &of_tokens[1], pairs },
            interleaved: pairing == Pairing::Interleaved,
            inverse: false,
        };
        let mut oracle = vec![f64::NAN; wide.len()];
        rotation.apply(&tensor).into_iter().enumerate().for_each(|(index, value)| oracle[memory(index)] = value);
        case.judge(name, "output", &read(device, &output), &oracle);
    }
}

#[test]
fn rotary_embedding_in_every_layout() {
    every_test::<RotaryEmbedding>();
}
