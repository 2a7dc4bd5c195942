//! A step of Lion, operation by operation as the kernel makes it, so that the bits agree; and in f64 as the paper writes it.
//!
//! There is no `naive` here: arithmetic is pinned. What it computes is judged by [`paper`], which shares nothing with it.

pub use super::optimizer::{Progress, Scalars};

use super::adamw8bit::{nearest, with_sign_of};
use crate::element::Float;
use crate::ops::adamw8bit::signed_map;
use crate::ops::lion::{Moment, Options};
use crate::ops::optimizer::{BLOCK, Correction};

/// Counts a step and takes its scalars.
pub fn advance(progress: &mut Progress, options: &Options, learning_rate: f32, gradient_scale: f32) -> Scalars {
    progress.advance([options.beta1, options.beta2], 0.0, Correction::Nothing, learning_rate, gradient_scale)
}

/// One step of one parameter, whose values are its master's where it has one; the caller rounds those. A step that is skipped does
/// nothing, so there is no function for it.
pub fn step<T: Float, G: Float>(
    values: &mut [T],
    gradient: &[G],
    moment: &mut Moment,
    weight_decay: f32,
    options: &Options,
    with: &Scalars,
) {
    let keep = (-with.learning_rate).mul_add(weight_decay, 1.0);
    // The new parameter and the new moment.
    let update = |p: T, g: G, s: f32| {
        let g = g.to_f32() * with.gradient_scale;
        let direction = (1.0 - options.beta1).mul_add(g, options.beta1 * s);
        let sign = if direction > 0.0 {
            1.0
        } else if direction < 0.0 {
            -1.0
        } else {
            0.0
        };
        let moved = p.to_f32() * keep + sign * -with.learning_rate;
        (T::from_f32(moved), (1.0 - options.beta2).mul_add(g, options.beta2 * s))
    };
    match moment {
        Moment::Floats(moments) => {
            for ((p, &g), s) in values.iter_mut().zip(gradient).zip(moments) {
                (*p, *s) = update(*p, g, *s);
            }
        }
        Moment::Codes { codes, absmax } => {
            let map = signed_map();
            let blocks = values.chunks_mut(BLOCK).zip(gradient.chunks(BLOCK)).zip(codes.chunks_mut(BLOCK)).zip(absmax);
            for (((values, gradient), codes), absmax) in blocks {
                // Behind the end of a parameter a block is filled up with gradients of zero and codes of 128.
                let pad = options.beta2 * (map[128] * *absmax);
                let pads = std::iter::repeat_n(
                    (1.0 - options.beta2).mul_add(0.0 * with.gradient_scale, pad),
                    (BLOCK - values.len()).min(1),
                );
                let each = values.iter_mut().zip(gradient).zip(&*codes);
                let moments: Vec<f32> = each
                    .map(|((p, &g), &code)| {
                        let (moved, s) = update(*p, g, map[usize::from(code)] * *absmax);
                        if !g.to_f32().is_finite() {
                            return 0.0;
                        }
                        *p = moved;
                        s
                    })
                    .chain(pads)
                    .collect();
                // `f32::max` passes NaN by.
                *absmax = moments.iter().fold(0.0, |largest, s| s.abs().max(largest));
                let inverse = 1.0 / *absmax;
                for (code, &s) in codes.iter_mut().zip(&moments) {
                    *code = with_sign_of(s, nearest(&map, s * inverse), &map);
                }
            }
        }
    }
}

/// Parameter and moment of one element after a step, in f64, as the paper's Program 1 and Algorithm 2 have it: the decay is part of the
/// update, `p - lr (sign(c) + decay p)`.
pub fn paper([p, m]: [f64; 2], g: f64, lr: f64, betas: [f64; 2], decay: f64) -> [f64; 2] {
    let c = betas[0] * m + (1.0 - betas[0]) * g;
    let sign = if c == 0.0 { 0.0 } else { c.signum() };
    [p - lr * (sign + decay * p), betas[1] * m + (1.0 - betas[1]) * g]
}
