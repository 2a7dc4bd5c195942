//! What there is to time of attention.

use std::marker::PhantomData;

use warpsmith::ops::attention::{self, Options};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// Batch and heads that make 16,384 positions of 2,048 elements; shorter sequences are the emulator's, one head of one entry.
fn batch_and_heads([length, head_dim]: [usize; 2]) -> (usize, usize) {
    if length < 512 { (1, 1) } else { (16_384 / length, 2048 / head_dim) }
}

/// A forward pass with its log-sum-exp.
pub struct Forward<T> {
    pub causal: bool,
    /// By the shape, unless they are given.
    pub batch_and_heads: Option<(usize, usize)>,
    pub element: PhantomData<T>,
}

/// A backward pass.
pub struct Backward<T> {
    pub causal: bool,
    /// By the shape, unless they are given.
    pub batch_and_heads: Option<(usize, usize)>,
    pub element: PhantomData<T>,
}

fn name<T: Float>(pass: &str, causal: bool) -> String {
    format!("attention/{pass}{}/{}", if causal { "_causal" } else { "" }, T::DTYPE)
}

/// Operations of one product of all queries with all keys; with a causal mask half of them count.
fn product_flops(causal: bool, [length, head_dim]: [usize; 2], (batch, heads): (usize, usize)) -> f64 {
    let all = 2.0 * (batch * heads * head_dim) as f64 * (length as f64).powi(2);
    if causal { all / 2.0 } else { all }
}

impl<T: Float> Workload for Forward<T> {
    const EMULATED_SHAPE: [usize; 2] = [128, 64];

    fn name(&self) -> String {
        name::<T>("forward", self.causal)
    }

    fn bytes(&self, shape: [usize; 2]) -> usize {
        let ([length, head_dim], (batch, heads)) =
            (shape, self.batch_and_heads.unwrap_or_else(|| batch_and_heads(shape)));
        batch * heads * length * (4 * head_dim * size_of::<T>() + size_of::<f32>())
    }

    fn flops(&self, shape: [usize; 2]) -> Option<f64> {
        Some(2.0 * product_flops(self.causal, shape, self.batch_and_heads.unwrap_or_else(|| batch_and_heads(shape))))
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let ([length, head_dim], (batch, heads)) =
            (shape, self.batch_and_heads.unwrap_or_else(|| batch_and_heads(shape)));
        let (shape, rows) = ([batch, length, heads, head_dim], [batch, heads, length]);
        let count: usize = shape.iter().product();
        let mut rng = Rng::new(1);
        let mut random = || device.upload(&rng.normals::<T>(count, 0.0, 1.0)).expect("upload");
        let (q, k, v) = (random(), random(), random());
        let mut o = device.alloc::<T>(count).expect("alloc");
        let mut lse = device.alloc::<f32>(rows.iter().product()).expect("alloc");
        let options = Options { causal: self.causal, scale: None };
        move || {
            let tensors = attention::Forward {
                q: q.view(shape).expect("a view"),
                k: k.view(shape).expect("a view"),
                v: v.view(shape).expect("a view"),
                o: o.view_mut(shape).expect("a view"),
                lse: Some(lse.view_mut(rows).expect("a view")),
            };
            attention::forward(device, tensors, options).expect("attention::forward");
        }
    }
}

impl<T: Float> Workload for Backward<T> {
    const EMULATED_SHAPE: [usize; 2] = [128, 64];

    fn name(&self) -> String {
        name::<T>("backward", self.causal)
    }

    fn bytes(&self, shape: [usize; 2]) -> usize {
        let ([length, head_dim], (batch, heads)) =
            (shape, self.batch_and_heads.unwrap_or_else(|| batch_and_heads(shape)));
        batch * heads * length * (8 * head_dim * size_of::<T>() + size_of::<f32>())
    }

    fn flops(&self, shape: [usize; 2]) -> Option<f64> {
        Some(5.0 * product_flops(self.causal, shape, self.batch_and_heads.unwrap_or_else(|| batch_and_heads(shape))))
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let ([length, head_dim], (batch, heads)) =
            (shape, self.batch_and_heads.unwrap_or_else(|| batch_and_heads(shape)));
        let (shape, rows) = ([batch, length, heads, head_dim], [batch, heads, length]);
        let count: usize = shape.iter().product();
        let mut rng = Rng::new(1);
        let mut random = || device.upload(&rng.normals::<T>(count, 0.0, 1.0)).expect("upload");
        let (q, k, v, grad_o) = (random(), random(), random(), random());
        let empty = || device.alloc::<T>(count).expect("alloc");
        let (mut o, mut grad_q, mut grad_k, mut grad_v) = (empty(), empty(), empty(), empty());
        let mut lse = device.alloc::<f32>(rows.iter().product()).expect("alloc");
        let bytes = attention::backward_workspace_bytes(shape);
        let mut workspace = device.alloc::<u8>(bytes).expect("alloc");
        let options = Options { causal: self.causal, scale: None };
        let forward = attention::Forward {
            q: q.view(shape).expect("a view"),
            k: k.view(shape).expect("a view"),
            v: v.view(shape).expect("a view"),
            o: o.view_mut(shape).expect("a view"),
            lse: Some(lse.view_mut(rows).expect("a view")),
        };
        attention::forward(device, forward, options).expect("attention::forward");
        move || {
            let tensors = attention::Backward {
                q: q.view(shape).expect("a view"),
                k: k.view(shape).expect("a view"),
                v: v.view(shape).expect("a view"),
                o: o.view(shape).expect("a view"),
                lse: lse.view(rows).expect("a view"),
                grad_o: grad_o.view(shape).expect("a view"),
                grad_q: grad_q.view_mut(shape).expect("a view"),
                grad_k: grad_k.view_mut(shape).expect("a view"),
                grad_v: grad_v.view_mut(shape).expect("a view"),
                workspace: workspace.view_mut([bytes]).expect("a view"),
            };
            attention::backward(device, tensors, options).expect("attention::backward");
        }
    }
}
