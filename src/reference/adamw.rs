//! A step of AdamW, operation by operation as the kernel makes it, so that the bits agree; and in f64 as the peers write it.
//!
//! There is no `naive` here: arithmetic is pinned. What it computes is judged by [`peers`], which share nothing with it.

pub use super::optimizer::{Progress, Scalars};

use super::philox;
use crate::element::Float;
use crate::ops::adamw::{Decay, Options, Rounding};
use crate::ops::optimizer::{BLOCK, Correction};

/// One parameter and what belongs to it.
#[derive(Debug)]
pub struct Values<'a, T> {
    /// Updated.
    pub parameter: &'a mut [T],
    /// The parameter before it is rounded.
    pub master: Option<&'a mut [f32]>,
    /// First moments.
    pub first: &'a mut [f32],
    /// Second moments.
    pub second: &'a mut [f32],
    /// Blocks of 256 elements of the parameters before this one.
    pub blocks_before: u64,
    /// The first block of random numbers of this step: the steps made, this one included, times 32 for each block of the list.
    pub random_offset: u64,
}

/// Counts a step and derives its scalars.
pub fn advance(progress: &mut Progress, options: &Options, learning_rate: f32, gradient_scale: f32) -> Scalars {
    let correction = if options.bias_correction { Correction::Moments } else { Correction::Nothing };
    progress.advance([options.beta1, options.beta2], options.epsilon, correction, learning_rate, gradient_scale)
}

/// One step of one parameter. A step that is skipped does nothing, so there is no function for it.
pub fn step<T: Float, G: Float>(
    values: Values<'_, T>,
    gradient: &[G],
    weight_decay: f32,
    options: &Options,
    with: &Scalars,
) {
    let Values { parameter, mut master, first, second, blocks_before, random_offset } = values;
    let keep = (-with.learning_rate).mul_add(weight_decay, 1.0);
    for i in 0..parameter.len() {
        let old = master.as_ref().map_or(parameter[i].to_f32(), |master| master[i]);
        let g = gradient[i].to_f32() * with.gradient_scale;
        let g = if options.decay == Decay::Gradient { weight_decay.mul_add(old, g) } else { g };
        first[i] = (1.0 - options.beta1).mul_add(g, options.beta1 * first[i]);
        second[i] = ((1.0 - options.beta2) * g).mul_add(g, options.beta2 * second[i]);
        let quotient = first[i] / (second[i].sqrt() + with.epsilon);
        let new = match options.decay {
            Decay::Before => with.step_size.mul_add(quotient, old * keep),
            Decay::After => with.step_size.mul_add(quotient, old) * keep,
            Decay::Gradient => with.step_size.mul_add(quotient, old),
        };
        if let Some(master) = &mut master {
            master[i] = new;
        }
        parameter[i] = match options.rounding {
            Rounding::Nearest => T::from_f32(new),
            Rounding::Stochastic { seed } => by_chance(new, chance(seed, random_offset, blocks_before, i)),
        };
    }
}

/// The 16 random bits of an element.
pub fn chance(seed: u64, offset: u64, blocks_before: u64, element: usize) -> u32 {
    let (block, inside) = ((element / BLOCK) as u64, element % BLOCK);
    let (half, lane, place) = (inside / 128, inside % 128 / 4, inside % 4);
    let counter = offset.wrapping_add(32 * (blocks_before + block) + lane as u64);
    let word = philox::block(seed, counter, 0)[2 * half + place / 2];
    word >> (16 * (place % 2)) & 0xffff
}

/// Up where what bf16 has no place for, in units of its last place, and the chance, in units of 2^-16, are 1 together.
pub fn by_chance<T: Float>(value: f32, chance: u32) -> T {
    if !value.is_finite() {
        return T::from_f32(value);
    }
    T::from_f32(f32::from_bits((value.to_bits() + chance) & 0xffff_0000))
}

/// One element's step as the peers write it, in f64.
pub mod peers {
    /// A parameter and its moments.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub struct Element {
        /// The parameter.
        pub p: f64,
        /// The first moment.
        pub m: f64,
        /// The second moment.
        pub v: f64,
    }

    /// What a step is made with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Hyper {
        /// The learning rate.
        pub lr: f64,
        /// Decay rates.
        pub betas: [f64; 2],
        /// Added to the root.
        pub eps: f64,
        /// Weight decay.
        pub decay: f64,
    }

    /// `torch.optim.AdamW` (`_single_tensor_adam`): decay, `lerp`, `addcmul`, `step_size = lr / bias_correction1`,
    /// `denom = sqrt(v) / sqrt(bias_correction2) + eps`.
    pub fn pytorch(e: &mut Element, g: f64, t: i32, h: &Hyper) {
        e.p *= 1.0 - h.lr * h.decay;
        e.m += (g - e.m) * (1.0 - h.betas[0]);
        e.v = e.v * h.betas[1] + (1.0 - h.betas[1]) * g * g;
        let correction = h.betas.map(|beta| 1.0 - beta.powi(t));
        let denom = e.v.sqrt() / correction[1].sqrt() + h.eps;
        e.p -= h.lr / correction[0] * (e.m / denom);
    }

    /// `torch.optim.Adam` with `weight_decay`: the decay is part of the gradient.
    pub fn pytorch_adam(e: &mut Element, g: f64, t: i32, h: &Hyper) {
        let g = g + h.decay * e.p;
        pytorch(e, g, t, &Hyper { decay: 0.0, ..*h });
    }

    /// apex's `FusedAdam` with `adam_w_mode` (`multi_tensor_adam.cu`, `ADAM_MODE_1`): the decay is part of the update.
    pub fn apex(e: &mut Element, g: f64, t: i32, h: &Hyper) {
        e.m = h.betas[0] * e.m + (1.0 - h.betas[0]) * g;
        e.v = h.betas[1] * e.v + (1.0 - h.betas[1]) * g * g;
        let (unbiased_m, unbiased_v) = (e.m / (1.0 - h.betas[0].powi(t)), e.v / (1.0 - h.betas[1].powi(t)));
        let update = unbiased_m / (unbiased_v.sqrt() + h.eps) + h.decay * e.p;
        e.p -= h.lr * update;
    }

    /// bitsandbytes' `kOptimizer32bit2State`: epsilon is scaled, and the decay comes last.
    pub fn bitsandbytes(e: &mut Element, g: f64, t: i32, h: &Hyper) {
        e.m = e.m * h.betas[0] + (1.0 - h.betas[0]) * g;
        e.v = e.v * h.betas[1] + (1.0 - h.betas[1]) * g * g;
        let (correction1, correction2) = (1.0 - h.betas[0].powi(t), (1.0 - h.betas[1].powi(t)).sqrt());
        let step_size = -h.lr * correction2 / correction1;
        e.p += step_size * (e.m / (e.v.sqrt() + h.eps * correction2));
        if h.decay > 0.0 {
            e.p *= 1.0 - h.lr * h.decay;
        }
    }

    /// The original BERT code's `AdamWeightDecayOptimizer`: no bias correction.
    pub fn bert(e: &mut Element, g: f64, h: &Hyper) {
        e.m = h.betas[0] * e.m + (1.0 - h.betas[0]) * g;
        e.v = h.betas[1] * e.v + (1.0 - h.betas[1]) * g * g;
        let update = e.m / (e.v.sqrt() + h.eps) + h.decay * e.p;
        e.p -= h.lr * update;
    }
}
