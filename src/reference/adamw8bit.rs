//! A step of 8-bit AdamW, operation by operation as the kernel makes it: the bits agree.
//!
//! There is no `naive` here. Arithmetic is pinned: what rounds in f32, what is fused, in which order; states of the kernel, of the
//! emulator and of this are equal, not near. What it computes is judged by a transcription in f64 (`tests/adamw8bit/formula.rs`).

use crate::element::Float;
use crate::ops::adamw8bit::{BLOCK, Map, Options, State, signed_map, unsigned_map};

/// The code of the value that is nearest to x; of two that are equally near, by the f32 midpoint, the even code. NaN has code 0.
pub fn nearest(map: &Map, x: f32) -> u8 {
    // The first midpoint that x is not above; NaN is above none.
    let midpoint = |code: usize| (map[code] + map[code + 1]) * 0.5;
    let (mut low, mut high) = (0, map.len() - 1);
    while low < high {
        let middle = (low + high) / 2;
        if x > midpoint(middle) { low = middle + 1 } else { high = middle }
    }
    let on_midpoint = low + 1 < map.len() && x == midpoint(low);
    (low + usize::from(on_midpoint && low % 2 == 1)) as u8
}

/// Where an optimizer stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps made.
    pub steps: u64,
    /// `beta1^steps`, by one multiplication a step.
    pub power1: f64,
    /// `beta2^steps`.
    pub power2: f64,
}

/// What all elements of a step share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalars {
    /// `-lr sqrt(1 - beta2^t) / (1 - beta1^t)`.
    pub step_size: f32,
    /// `epsilon sqrt(1 - beta2^t)`.
    pub epsilon: f32,
    /// The learning rate.
    pub learning_rate: f32,
    /// What gradients are multiplied by.
    pub gradient_scale: f32,
}

impl Default for Progress {
    fn default() -> Self {
        Self { steps: 0, power1: 1.0, power2: 1.0 }
    }
}

impl Progress {
    /// Counts a step and derives its scalars: in f64, each rounded once.
    pub fn advance(&mut self, options: &Options, learning_rate: f32, gradient_scale: f32) -> Scalars {
        self.steps += 1;
        self.power1 *= f64::from(options.beta1);
        self.power2 *= f64::from(options.beta2);
        let correction1 = 1.0 - self.power1;
        let correction2 = (1.0 - self.power2).sqrt();
        Scalars {
            step_size: (-f64::from(learning_rate) * correction2 / correction1) as f32,
            epsilon: (f64::from(options.epsilon) * correction2) as f32,
            learning_rate,
            gradient_scale,
        }
    }
}

/// One step of one parameter. A step that is skipped does nothing, so there is no function for it.
pub fn step<T: Float>(
    parameter: &mut [T],
    gradient: &[T],
    state: &mut State,
    weight_decay: f32,
    options: &Options,
    scalars: &Scalars,
) {
    let maps = (signed_map(), unsigned_map());
    let keep = (-scalars.learning_rate).mul_add(weight_decay, 1.0);
    for (block, (parameter, gradient)) in parameter.chunks_mut(BLOCK).zip(gradient.chunks(BLOCK)).enumerate() {
        let codes = block * BLOCK..block * BLOCK + parameter.len();
        let (codes1, codes2) = (&mut state.state1[codes.clone()], &mut state.state2[codes]);
        let (absmax1, absmax2) = (&mut state.absmax1[block], &mut state.absmax2[block]);
        let (kept1, kept2) = (*absmax1 * options.beta1, *absmax2 * options.beta2);
        let moments = |gradient: f32, code1: u8, code2: u8| {
            if !gradient.is_finite() {
                return (0.0, 0.0);
            }
            let g = gradient * scalars.gradient_scale;
            let first = (1.0 - options.beta1).mul_add(g, maps.0[usize::from(code1)] * kept1);
            let second = ((1.0 - options.beta2) * g).mul_add(g, maps.1[usize::from(code2)] * kept2);
            (first, second)
        };
        // Behind the end of a parameter a block is filled up with gradients of zero and codes of 128 and 0.
        let pads = (BLOCK - gradient.len()).min(1);
        let held = gradient.iter().zip(codes1.iter().zip(&*codes2)).map(|(g, (c1, c2))| moments(g.to_f32(), *c1, *c2));
        let held: Vec<(f32, f32)> = held.chain(std::iter::repeat_n(moments(0.0, 128, 0), pads)).collect();
        // `f32::max` passes NaN by.
        *absmax1 = held.iter().fold(0.0, |largest, (first, _)| first.abs().max(largest));
        *absmax2 = held.iter().fold(0.0, |largest, (_, second)| second.max(largest));
        let (inverse1, inverse2) = (1.0 / *absmax1, 1.0 / *absmax2);
        for (i, &(first, second)) in held[..parameter.len()].iter().enumerate() {
            if gradient[i].to_f32().is_finite() {
                let denominator = second.sqrt() + scalars.epsilon;
                let moved = T::from_f32(scalars.step_size.mul_add(first / denominator, parameter[i].to_f32()));
                parameter[i] = if weight_decay > 0.0 { T::from_f32(moved.to_f32() * keep) } else { moved };
            }
            codes1[i] = with_sign_of(first, nearest(&maps.0, first * inverse1), &maps.0);
            codes2[i] = nearest(&maps.1, second * inverse2);
        }
    }
}

/// The code, or its neighbour towards the sign of the moment where the code's value has the other sign. NaN counts as positive here, as
/// the one NaN is that a GPU makes.
pub fn with_sign_of(moment: f32, code: u8, map: &Map) -> u8 {
    let negative = moment.is_sign_negative() && !moment.is_nan();
    if map[usize::from(code)].is_sign_negative() == negative {
        code
    } else if moment > 0.0 {
        code.wrapping_add(1)
    } else {
        code.wrapping_sub(1)
    }
}
