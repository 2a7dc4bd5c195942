//! One attention problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::attention::{self, Options};
use warpsmith::reference::attention::{self as reference, Forward};
use warpsmith::{Device, Float};

pub use warpsmith::reference::attention::Problem as Sizes;

use super::tensor::{Layout, Place, Placed, RowValues};
use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::Sample;

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// One head of one entry, every key, the usual scale.
pub fn sizes(queries: usize, keys: usize, head_dim: usize) -> Sizes {
    let scale = f64::from(1.0 / (head_dim as f32).sqrt());
    Sizes { batch: 1, queries, keys, heads: 1, kv_heads: 1, head_dim, scale, causal: false }
}

/// Attention of some sizes with its data, contiguous, and the layout that all tensors are given.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub sizes: Sizes,
    pub q: Vec<T>,
    pub k: Vec<T>,
    pub v: Vec<T>,
    pub layout: Layout,
    pub wants_lse: bool,
}

impl<T: Real> Problem<T> {
    /// Normal data without gaps.
    pub fn new(sizes: Sizes, seed: u64) -> Self {
        let Sizes { batch, queries, keys, heads, kv_heads, head_dim, .. } = sizes;
        let mut rng = Rng::new(seed);
        let q = rng.normals(batch * queries * heads * head_dim, 0.0, 1.0);
        let mut of_keys = || rng.normals(batch * keys * kv_heads * head_dim, 0.0, 1.0);
        Self { sizes, q, k: of_keys(), v: of_keys(), layout: Layout::Contiguous, wants_lse: true }
    }

    /// Scores given exactly, by key, the same for every query: the first element of a query is 1 and the others are 0, so the score is
    /// the first element of the key. Values are random.
    pub fn with_scores(queries: usize, head_dim: usize, causal: bool, scores: &[f64]) -> Self {
        let sizes = Sizes { causal, scale: 1.0, ..sizes(queries, scores.len(), head_dim) };
        let mut problem = Self::new(sizes, scores.len() as u64);
        for row in problem.q.chunks_mut(head_dim) {
            row.fill(T::from_f64(0.0));
            row[0] = T::from_f64(1.0);
        }
        for (row, &score) in problem.k.chunks_mut(head_dim).zip(scores) {
            row[0] = T::from_f64(score);
            assert_eq!(row[0].to_f64(), score, "{} cannot hold the score", T::DTYPE);
        }
        problem
    }

    /// The same in another layout.
    pub fn placed(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    pub fn options(&self) -> Options {
        Options { causal: self.sizes.causal, scale: Some(self.sizes.scale as f32) }
    }

    /// Where `q` and `o` lie.
    pub fn query_place(&self) -> Place {
        let Sizes { batch, queries, heads, head_dim, .. } = self.sizes;
        Place::new(self.layout, [batch, queries, heads, head_dim])
    }

    /// Where `k` and `v` lie.
    pub fn key_place(&self) -> Place {
        let Sizes { batch, keys, kv_heads, head_dim, .. } = self.sizes;
        Place::new(self.layout, [batch, keys, kv_heads, head_dim])
    }

    /// Runs the forward pass between guards. Without `wants_lse` the log-sum-exp is empty.
    pub fn forward<D: Device>(&self, device: &D) -> Forward<T, f32> {
        let Sizes { batch, queries, heads, .. } = self.sizes;
        let q = Placed::input(device, self.query_place(), &self.q);
        let [k, v] = [&self.k, &self.v].map(|values| Placed::input(device, self.key_place(), values));
        let mut o = Placed::output(device, self.query_place());
        let mut lse = self.wants_lse.then(|| RowValues::output(device, [batch, heads, queries]));
        let tensors = attention::Forward {
            q: q.view(),
            k: k.view(),
            v: v.view(),
            o: o.view_mut(),
            lse: lse.as_mut().map(RowValues::view_mut),
        };
        attention::forward(device, tensors, self.options()).expect("attention::forward");
        let inputs = [(q, &self.q), (k, &self.k), (v, &self.v)];
        for (tensor, values) in inputs {
            assert_eq!(bits(&tensor.read(device)), bits(values), "an input was overwritten");
        }
        Forward { o: o.read(device), lse: lse.map(|lse| lse.read(device)).unwrap_or_default() }
    }

    /// The truth.
    pub fn oracle(&self) -> Forward<f64, f64> {
        reference::forward(&self.sizes, &widen(&self.q), &widen(&self.k), &widen(&self.v))
    }

    /// Judges a result: `o` by heads of positions, `lse` by heads.
    pub fn judge(&self, name: &str, got: &Forward<T, f32>) {
        let oracle = self.oracle();
        let naive = reference::naive::forward(&self.sizes, &self.q, &self.k, &self.v);
        let name = format!("{name}: {} {:?} {:?}", T::DTYPE, self.sizes, self.layout);
        let (of_o, of_lse) = (format!("{name}, o"), format!("{name}, lse"));
        let cols = self.sizes.head_dim;
        Comparison { name: &of_o, cols, got: &got.o, oracle: &oracle.o, naive: &naive.o }.assert();
        if self.wants_lse {
            let cols = self.sizes.queries;
            Comparison { name: &of_lse, cols, got: &got.lse, oracle: &oracle.lse, naive: &naive.lse }.assert();
        }
    }

    /// Runs the forward pass and judges it.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        self.judge(name, &self.forward(device));
    }
}

/// The bits of every element.
pub fn bits<T: Sample>(values: &[T]) -> Vec<u32> {
    values.iter().map(|value| value.bits()).collect()
}

/// A test that is written once for all devices and element types.
pub trait Case {
    /// Runs on one of each.
    fn run<D: Device, T: Real>(&self, device: &D, name: &str);
}

/// A case as one test body for a device.
pub struct Every<C>(pub C);

impl<C: Case> Body for Every<C> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        self.0.run::<D, f16>(device, name);
        self.0.run::<D, bf16>(device, name);
    }
}

/// Checks a problem in one of the two types: of two neighbouring indices each has the other one.
pub fn check_one<D: Device>(device: &D, name: &str, sizes: Sizes, index: usize) {
    if index.is_multiple_of(2) {
        Problem::<bf16>::new(sizes, index as u64).check(device, name);
    } else {
        Problem::<f16>::new(sizes, index as u64).check(device, name);
    }
}
