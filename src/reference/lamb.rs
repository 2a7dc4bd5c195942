//! A step of LAMB, operation by operation as the kernels make it, so that the bits agree; and in f64 as the peers write it.
//!
//! There is no `naive` here: arithmetic is pinned, the order of the sums of squares, too. What it computes is judged by [`peers`], which share nothing
//! with it.

pub use super::optimizer::{Progress, Scalars};

use super::adamw8bit::{nearest, with_sign_of};
use crate::element::Float;
use crate::ops::adamw8bit::{signed_map, unsigned_map};
use crate::ops::lamb::{BiasCorrection, Decay, Moment, Options, State};
use crate::ops::optimizer::{BLOCK, Correction};

/// Counts a step and derives its scalars; `gradient_norm` is that of all gradients after `gradient_scale`.
pub fn advance(
    progress: &mut Progress,
    options: &Options,
    learning_rate: f32,
    gradient_scale: f32,
    gradient_norm: f32,
) -> Scalars {
    let correction = match options.bias_correction {
        BiasCorrection::Moments => Correction::Moments,
        BiasCorrection::Rate => Correction::Rate,
        BiasCorrection::Off => Correction::Nothing,
    };
    let scale = match options.max_grad_norm {
        Some(most) if gradient_norm > most => gradient_scale * (most / gradient_norm),
        _ => gradient_scale,
    };
    progress.advance([options.beta1, options.beta2], options.epsilon, correction, learning_rate, scale)
}

/// One step of one parameter, whose values are its master's where it has one; the caller rounds those. `blocks` are those of the whole list, which say how
/// it is cut. A step that is skipped does nothing, so there is no function for it.
pub fn step<T: Float, G: Float>(
    values: &mut [T],
    gradient: &[G],
    state: &mut State,
    weight_decay: f32,
    options: &Options,
    with: &Scalars,
    blocks: u64,
) {
    let rest1 = if options.grad_averaging { 1.0 - options.beta1 } else { 1.0 };
    // What the moments take of each gradient.
    let scaled = |p: T, g: G| {
        let g = g.to_f32() * with.gradient_scale;
        if options.decay == Decay::Gradient { weight_decay.mul_add(p.to_f32(), g) } else { g }
    };
    let moments =
        |g: f32, kept1: f32, kept2: f32| [rest1.mul_add(g, kept1), ((1.0 - options.beta2) * g).mul_add(g, kept2)];
    let update = |p: T, [first, second]: [f32; 2]| {
        let moved = with.moment_scale * (first / (second.sqrt() + with.epsilon));
        if options.decay == Decay::Gradient { moved } else { weight_decay.mul_add(p.to_f32(), moved) }
    };
    let (mut updates, mut moves) = (vec![0.0; values.len()], vec![true; values.len()]);
    let mut neighbours = 4;
    match state {
        State { first: Moment::Floats(first), second: Some(Moment::Floats(second)) } => {
            for i in 0..values.len() {
                let kept = (options.beta1 * first[i], options.beta2 * second[i]);
                [first[i], second[i]] = moments(scaled(values[i], gradient[i]), kept.0, kept.1);
                updates[i] = update(values[i], [first[i], second[i]]);
            }
        }
        State {
            first: Moment::Codes { codes: codes1, absmax: absmax1 },
            second: Some(Moment::Codes { codes: codes2, absmax: absmax2 }),
        } => {
            neighbours = 16 / size_of::<T>();
            let maps = (signed_map(), unsigned_map());
            for block in 0..absmax1.len() {
                let elements = block * BLOCK..values.len().min((block + 1) * BLOCK);
                let (kept1, kept2) = (absmax1[block] * options.beta1, absmax2[block] * options.beta2);
                let new = |p: T, g: G, code1: u8, code2: u8| {
                    let kept = (maps.0[usize::from(code1)] * kept1, maps.1[usize::from(code2)] * kept2);
                    moments(scaled(p, g), kept.0, kept.1)
                };
                let mut held = Vec::with_capacity(BLOCK);
                for i in elements.clone() {
                    moves[i] = gradient[i].to_f32().is_finite();
                    held.push(if moves[i] { new(values[i], gradient[i], codes1[i], codes2[i]) } else { [0.0; 2] });
                    updates[i] = if moves[i] { update(values[i], held[i - elements.start]) } else { 0.0 };
                }
                // Behind the end of a parameter a block is filled up with zeros and codes of 128 and 0.
                let pads = (BLOCK - elements.len()).min(1);
                let pad = new(T::from_f32(0.0), G::from_f32(0.0), 128, 0);
                held.extend(std::iter::repeat_n(pad, pads));
                // `f32::max` passes NaN by.
                let largest = |which: usize| held.iter().fold(0.0, |largest: f32, m| m[which].abs().max(largest));
                (absmax1[block], absmax2[block]) = (largest(0), largest(1));
                let (inverse1, inverse2) = (1.0 / absmax1[block], 1.0 / absmax2[block]);
                for i in elements.clone() {
                    let [first, second] = held[i - elements.start];
                    codes1[i] = with_sign_of(first, nearest(&maps.0, first * inverse1), &maps.0);
                    codes2[i] = nearest(&maps.1, second * inverse2);
                }
            }
        }
        // Two moments of one kind are what LAMB has.
        _ => return,
    }
    let parameters: Vec<f32> = values.iter().map(|p| p.to_f32()).collect();
    let squares = [&parameters, &updates].map(|values| sum_of_squares(values, blocks, neighbours));
    let rate = (f64::from(with.learning_rate) * ratio(squares, weight_decay, options)) as f32;
    for ((p, u), _) in values.iter_mut().zip(&updates).zip(&moves).filter(|(_, moves)| **moves) {
        *p = T::from_f32((-rate).mul_add(*u, p.to_f32()));
    }
}

fn ratio([parameters, updates]: [f64; 2], weight_decay: f32, options: &Options) -> f64 {
    if !(options.trust.always || weight_decay != 0.0) || parameters == 0.0 || updates == 0.0 {
        return 1.0;
    }
    let (ratio, least, most) =
        (parameters.sqrt() / updates.sqrt(), f64::from(options.trust.least), f64::from(options.trust.most));
    if ratio < least {
        least
    } else if ratio > most {
        most
    } else {
        ratio
    }
}

/// Threads and warps of a thread block, elements of a thread in a block of elements.
const THREADS: usize = 256;
const WARPS: usize = 8;
const PER_THREAD: usize = 8;

/// As the kernels add: 8 elements of a thread in f32, a thread's blocks in f64, threads by halves; and so again over the chunks.
fn sum_of_squares(values: &[f32], blocks: u64, neighbours: usize) -> f64 {
    let chunk = (blocks / 4096).clamp(32, 512).next_multiple_of(WARPS as u64) as usize;
    let mut of_chunks = vec![0.0; THREADS];
    for (chunk, values) in values.chunks(chunk * BLOCK).enumerate() {
        let mut of_threads = vec![0.0; THREADS];
        for (index, block) in values.chunks(BLOCK).enumerate() {
            for lane in 0..32 {
                let run = |v: usize| v * 32 * neighbours + lane * neighbours;
                let places = (0..PER_THREAD / neighbours).flat_map(|v| run(v)..run(v) + neighbours);
                let mut elements = places.map(|place| block.get(place).copied().unwrap_or(0.0));
                let first = elements.next().unwrap_or(0.0);
                let sum = elements.fold(first * first, |sum, value| value.mul_add(value, sum));
                of_threads[index % WARPS * 32 + lane] += f64::from(sum);
            }
        }
        of_chunks[chunk % THREADS] += by_halves(of_threads);
    }
    by_halves(of_chunks)
}

fn by_halves(mut sums: Vec<f64>) -> f64 {
    let mut half = THREADS / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

/// A step of one parameter as the peers write it, in f64.
pub mod peers {
    /// A parameter, and its moments.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Tensor {
        /// The parameter.
        pub p: Vec<f64>,
        /// The first moment.
        pub m: Vec<f64>,
        /// The second moment.
        pub v: Vec<f64>,
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

    fn norm(values: &[f64]) -> f64 {
        values.iter().map(|value| value * value).sum::<f64>().sqrt()
    }

    /// apex's `FusedLAMB` (`multi_tensor_lamb.cu`): `LAMBStage1Functor` in mode 1, `LAMBStage2Functor`. `global_norm` is of all gradients.
    pub fn apex(x: &mut Tensor, g: &[f64], t: i32, h: &Hyper, global_norm: f64, max_global_norm: f64, nvlamb: bool) {
        let clip = if global_norm > max_global_norm { global_norm / max_global_norm } else { 1.0 };
        let correction = h.betas.map(|beta| 1.0 - beta.powi(t));
        let mut update = Vec::new();
        for (i, g) in g.iter().enumerate() {
            let scaled = g / clip;
            x.m[i] = x.m[i] * h.betas[0] + (1.0 - h.betas[0]) * scaled;
            x.v[i] = x.v[i] * h.betas[1] + (1.0 - h.betas[1]) * scaled * scaled;
            let denom = (x.v[i] / correction[1]).sqrt() + h.eps;
            update.push(x.m[i] / correction[0] / denom + h.decay * x.p[i]);
        }
        let (param_norm, update_norm) = (norm(&x.p), norm(&update));
        let adapts = (nvlamb || h.decay != 0.0) && update_norm != 0.0 && param_norm != 0.0;
        let ratio = if adapts { h.lr * (param_norm / update_norm) } else { h.lr };
        x.p.iter_mut().zip(&update).for_each(|(p, u)| *p -= ratio * u);
    }

    /// The same in mode 0, `adam_w_mode=False`: the decay is part of the gradient.
    pub fn apex_without_adam_w(x: &mut Tensor, g: &[f64], t: i32, h: &Hyper) {
        let with_decay: Vec<f64> = g.iter().zip(&x.p).map(|(g, p)| g + h.decay * p).collect();
        apex(x, &with_decay, t, &Hyper { decay: 0.0, ..*h }, 0.0, f64::INFINITY, h.decay != 0.0);
    }

    /// DeepSpeed's `FusedLamb` (`fused_lamb_cuda_kernel.cu`): the bias correction scales the step, the coefficient is clamped.
    pub fn deepspeed(x: &mut Tensor, g: &[f64], t: i32, h: &Hyper) {
        let (mut update, lr) = (Vec::new(), h.lr * (1.0 - h.betas[1].powi(t)).sqrt() / (1.0 - h.betas[0].powi(t)));
        for (i, g) in g.iter().enumerate() {
            x.m[i] = h.betas[0] * x.m[i] + (1.0 - h.betas[0]) * g;
            x.v[i] = h.betas[1] * x.v[i] + (1.0 - h.betas[1]) * g * g;
            update.push(x.m[i] / (x.v[i].sqrt() + h.eps) + h.decay * x.p[i]);
        }
        let (w_l2, u_l2) = (norm(&x.p), norm(&update));
        let coefficient = if w_l2 != 0.0 && u_l2 != 0.0 { (w_l2 / u_l2).clamp(0.01, 10.0) } else { 1.0 };
        x.p.iter_mut().zip(&update).for_each(|(p, u)| *p -= lr * coefficient * u);
    }
}
