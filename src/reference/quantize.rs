//! Blockwise quantisation, as plain loops. Both ways are exact but for one rounding each of `1 / absmax`, of the product with it, and of the product on the
//! way back, so kernels give the same bits.

use super::adamw8bit::nearest;
use crate::element::Float;
use crate::ops::quantize::{Kind, Map, Options, signed_map, unsigned_map};

/// The map of these options.
pub fn map(options: &Options) -> Map {
    match options.map {
        Kind::Signed => signed_map(),
        Kind::Unsigned => unsigned_map(),
    }
}

/// Codes, and the absmax of each block. NaN counts as nothing in an absmax, and has code 0.
pub fn quantize<T: Float>(values: &[T], options: &Options) -> (Vec<u8>, Vec<f32>) {
    let map = map(options);
    let absmax = |block: &[T]| block.iter().fold(0.0, |largest: f32, x| x.to_f32().abs().max(largest));
    let absmax: Vec<f32> = values.chunks(options.block).map(absmax).collect();
    let codes = values.chunks(options.block).zip(&absmax).flat_map(|(block, &absmax)| {
        let (inverse, map) = (1.0 / absmax, &map);
        block.iter().map(move |x| nearest(map, x.to_f32() * inverse))
    });
    (codes.collect(), absmax)
}

/// The values of codes.
pub fn dequantize<T: Float>(codes: &[u8], absmax: &[f32], options: &Options) -> Vec<T> {
    let map = map(options);
    let blocks = codes.chunks(options.block).zip(absmax);
    let block = |(codes, absmax): (&[u8], &f32)| {
        codes.iter().map(|&code| T::from_f32(map[usize::from(code)] * absmax)).collect::<Vec<_>>()
    };
    blocks.flat_map(block).collect()
}
