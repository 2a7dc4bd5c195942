//! The backward pass of an attention problem: how it is run and how it is judged.

use warpsmith::Device;
use warpsmith::ops::attention::{self, backward_workspace_bytes};
use warpsmith::reference::attention::{self as reference, Backward, Forward};

use super::problem::{Problem, Real, Sizes, bits};
use super::tensor::{Placed, RowValues};
use crate::common::compare::{Comparison, Margin, Mismatch, ulp};
use crate::common::data::{Rng, widen};
use crate::common::guard::{Guarded, Place, Sample};

/// How many times the error of the naive computation gradients may have.
const FACTOR: f64 = 3.0;

/// A problem with the gradient of its output.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    pub problem: Problem<T>,
    pub grad_o: Vec<T>,
    /// What the words of the workspace hold before.
    pub workspace: [u8; 4],
}

impl<T: Real> Gradients<T> {
    /// Normal data.
    pub fn new(sizes: Sizes, seed: u64) -> Self {
        let problem = Problem::new(sizes, seed);
        let grad_o = Rng::new(!seed).normals(problem.q.len(), 0.0, 1.0);
        Self { problem, grad_o, workspace: [u8::BLANK; 4] }
    }

    /// Runs the backward pass between guards, for what a forward pass wrote.
    pub fn backward<D: Device>(&self, device: &D, forward: &Forward<T, f32>) -> Backward<T> {
        let Self { problem, grad_o, .. } = self;
        let Sizes { batch, queries, heads, head_dim, .. } = problem.sizes;
        let of_queries = [&problem.q, &forward.o, grad_o];
        let [q, o, grad_o] = of_queries.map(|values| Placed::input(device, problem.query_place(), values));
        let [k, v] = [&problem.k, &problem.v].map(|values| Placed::input(device, problem.key_place(), values));
        let lse = RowValues::input(device, [batch, heads, queries], &forward.lse);
        let mut grad_q = Placed::output(device, problem.query_place());
        let [mut grad_k, mut grad_v] = [0, 1].map(|_| Placed::output(device, problem.key_place()));
        let bytes = backward_workspace_bytes([batch, queries, heads, head_dim]);
        let before: Vec<u8> = self.workspace.into_iter().cycle().take(bytes).collect();
        let mut workspace = Guarded::input(device, Place::vector(bytes), &before);
        let tensors = attention::Backward {
            q: q.view(),
            k: k.view(),
            v: v.view(),
            o: o.view(),
            lse: lse.view(),
            grad_o: grad_o.view(),
            grad_q: grad_q.view_mut(),
            grad_k: grad_k.view_mut(),
            grad_v: grad_v.view_mut(),
            workspace: workspace.view_mut(),
        };
        attention::backward(device, tensors, problem.options()).expect("attention::backward");
        workspace.read(device);
        let inputs = [(q, &problem.q), (o, &forward.o), (grad_o, &self.grad_o), (k, &problem.k), (v, &problem.v)];
        for (tensor, values) in inputs {
            assert_eq!(bits(&tensor.read(device)), bits(values), "an input was overwritten");
        }
        assert_eq!(bits(&lse.read(device)), bits(&forward.lse), "an input was overwritten");
        Backward { dq: grad_q.read(device), dk: grad_k.read(device), dv: grad_v.read(device) }
    }

    /// Runs the forward pass, then the backward pass.
    pub fn run<D: Device>(&self, device: &D) -> Backward<T> {
        self.backward(device, &self.problem.forward(device))
    }

    /// Runs both passes and judges the gradients.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        self.judge().check(name, &self.run(device)).unwrap_or_else(|mismatch| panic!("{mismatch}"));
    }

    /// What gradients are judged by.
    pub fn judge(&self) -> Judge<'_, T> {
        let Problem { sizes, q, k, v, .. } = &self.problem;
        let naive = reference::naive::backward(sizes, q, k, v, &self.grad_o);
        let [q, k, v, grad_o] = [q, k, v, &self.grad_o].map(|values| widen(values));
        let oracle = reference::backward(sizes, &q, &k, &v, &grad_o);
        let granted = Granted::of::<T>(sizes, &q, &k, &v, &grad_o);
        Judge { gradients: self, oracle, naive, granted }
    }
}

/// What gradients are judged by.
pub struct Judge<'a, T> {
    gradients: &'a Gradients<T>,
    oracle: Backward<f64>,
    naive: Backward<T>,
    granted: Granted,
}

impl<T: Real> Judge<'_, T> {
    /// What rows of dQ and dK are granted beside the rule, with the true gradients.
    pub fn granted(&self) -> [(&'static str, &[f64], &[f64]); 2] {
        [("dQ", &self.oracle.dq, &self.granted.dq), ("dK", &self.oracle.dk, &self.granted.dk)]
    }

    /// Judges dQ, dK and dV, by heads of positions.
    pub fn check(&self, name: &str, got: &Backward<T>) -> Result<[Margin; 3], Mismatch> {
        let Self { oracle, naive, granted, .. } = self;
        let Problem { sizes, layout, .. } = &self.gradients.problem;
        let one = |what: &str, got: &[T], oracle: &[f64], naive: &[T], granted: &dyn Fn(usize) -> f64| {
            let name = format!("{name}: {what} of {} {sizes:?} {layout:?}", T::DTYPE);
            let comparison = Comparison { name: &name, cols: sizes.head_dim, got, oracle, naive };
            comparison.check_granting(FACTOR, granted)
        };
        Ok([
            one("dQ", &got.dq, &oracle.dq, &naive.dq, &|row| granted.dq[row])?,
            one("dK", &got.dk, &oracle.dk, &naive.dk, &|row| granted.dk[row])?,
            one("dV", &got.dv, &oracle.dv, &naive.dv, &|_| 0.0)?,
        ])
    }
}

/// What each row of dQ and of dK is granted beside the rule (docs/numerics.md, "Gradients of attention"): how far they move when each element
/// of the stored output moves by half a unit in its last place.
struct Granted {
    dq: Vec<f64>,
    dk: Vec<f64>,
}

impl Granted {
    fn of<T: Real>(sizes: &Sizes, q: &[f64], k: &[f64], v: &[f64], grad_o: &[f64]) -> Self {
        let d = sizes.head_dim;
        let o = reference::forward(sizes, q, k, v).o;
        let terms = o.iter().zip(grad_o).map(|(o, grad)| grad.abs() * ulp(T::DTYPE, *o) / 2.0);
        let delta_moves: Vec<f64> = terms.collect::<Vec<_>>().chunks_exact(d).map(|row| row.iter().sum()).collect();
        let largest = |row: &[f64]| sizes.scale * row.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        // P K is an attention whose values are K; P^T (h |Q|) is the gradient of the values for a gradient h |Q| of the output.
        let of_keys = reference::forward(sizes, q, k, k).o;
        let moved_queries: Vec<f64> = q.iter().enumerate().map(|(i, q)| delta_moves[i / d] * q.abs()).collect();
        let of_queries = reference::backward(sizes, q, k, v, &moved_queries).dv;
        Self {
            dq: of_keys.chunks_exact(d).zip(&delta_moves).map(|(row, moves)| largest(row) * moves).collect(),
            dk: of_queries.chunks_exact(d).map(largest).collect(),
        }
    }
}
