//! Attention on the CPU.
//!
//! ```text
//! S = scale * Q K^T    P = softmax(S) over the keys that a query attends to    O = P V    LSE = log(sum(exp(S)))
//! dV = P^T dO    dP = dO V^T    dS = P * (dP - rowsum(dO * O))    dQ = scale * dS K    dK = scale * dS^T Q
//! ```
//! Sources: Vaswani et al. 2017, equation 1; the backward by the chain rule, in the form of Dao et al. 2022, appendix B.2.

/// The sizes of an attention problem. Tensors are contiguous: q, o `[batch, queries, heads, head_dim]`, k, v
/// `[batch, keys, kv_heads, head_dim]`, lse `[batch, heads, queries]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Problem {
    /// Independent problems.
    pub batch: usize,
    /// Positions that ask.
    pub queries: usize,
    /// Positions that are asked.
    pub keys: usize,
    /// Query heads, a multiple of `kv_heads`: head h uses key-value head h / (heads / kv_heads).
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Factor of the scores.
    pub scale: f64,
    /// Whether query i attends to keys 0 to i + keys - queries alone, aligned at the bottom right.
    pub causal: bool,
}

impl Problem {
    /// How many keys, from the first on, a query attends to.
    pub fn keys_of(&self, query: usize) -> usize {
        if self.causal { (query + self.keys + 1).saturating_sub(self.queries).min(self.keys) } else { self.keys }
    }

    /// Index of the first element of a head of q or o.
    fn query_row(&self, batch: usize, query: usize, head: usize) -> usize {
        ((batch * self.queries + query) * self.heads + head) * self.head_dim
    }

    /// Index of the first element of a head of k or v, for a query head.
    fn key_row(&self, batch: usize, key: usize, head: usize) -> usize {
        ((batch * self.keys + key) * self.kv_heads + head * self.kv_heads / self.heads) * self.head_dim
    }

    /// Calls `f` with the batch entry, the head and the query of every row of scores.
    fn for_each_row(&self, mut f: impl FnMut(usize, usize, usize)) {
        for batch in 0..self.batch {
            for head in 0..self.heads {
                for query in 0..self.queries {
                    f(batch, head, query);
                }
            }
        }
    }
}

/// Output and log-sum-exp.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward<T, L> {
    /// `[batch, queries, heads, head_dim]`.
    pub o: Vec<T>,
    /// `[batch, heads, queries]`.
    pub lse: Vec<L>,
}

/// Gradients of the inputs, in their shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Backward<T> {
    /// Of the queries.
    pub dq: Vec<T>,
    /// Of the keys.
    pub dk: Vec<T>,
    /// Of the values.
    pub dv: Vec<T>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// target += factor * row
fn accumulate(target: &mut [f64], factor: f64, row: &[f64]) {
    for (t, r) in target.iter_mut().zip(row) {
        *t += factor * r;
    }
}

/// One row of P and its log-sum-exp.
fn probabilities(problem: &Problem, q: &[f64], k: &[f64], batch: usize, head: usize, query: usize) -> (Vec<f64>, f64) {
    let d = problem.head_dim;
    let row = &q[problem.query_row(batch, query, head)..][..d];
    let scores: Vec<f64> = (0..problem.keys_of(query))
        .map(|key| problem.scale * dot(row, &k[problem.key_row(batch, key, head)..][..d]))
        .collect();
    let maximum = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|s| (s - maximum).exp()).sum();
    let lse = if scores.is_empty() { f64::NEG_INFINITY } else { maximum + sum.ln() };
    (scores.iter().map(|s| (s - lse).exp()).collect(), lse)
}

/// The truth, in f64. A query without keys gives 0 and a log-sum-exp of -infinity.
pub fn forward(problem: &Problem, q: &[f64], k: &[f64], v: &[f64]) -> Forward<f64, f64> {
    let d = problem.head_dim;
    let mut o = vec![0.0; q.len()];
    let mut lse = Vec::with_capacity(problem.batch * problem.heads * problem.queries);
    problem.for_each_row(|batch, head, query| {
        let (p, row_lse) = probabilities(problem, q, k, batch, head, query);
        lse.push(row_lse);
        let target = problem.query_row(batch, query, head);
        for (key, p) in p.iter().enumerate() {
            accumulate(&mut o[target..][..d], *p, &v[problem.key_row(batch, key, head)..][..d]);
        }
    });
    Forward { o, lse }
}

/// The true gradients, in f64.
pub fn backward(problem: &Problem, q: &[f64], k: &[f64], v: &[f64], grad_o: &[f64]) -> Backward<f64> {
    let d = problem.head_dim;
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    problem.for_each_row(|batch, head, query| {
        let (p, _) = probabilities(problem, q, k, batch, head, query);
        let q_row = problem.query_row(batch, query, head);
        let grad = &grad_o[q_row..][..d];
        let dp: Vec<f64> = (0..p.len()).map(|key| dot(grad, &v[problem.key_row(batch, key, head)..][..d])).collect();
        let delta = dot(&p, &dp); // rowsum(dO * O), since O = P V
        for (key, (p, dp)) in p.iter().zip(&dp).enumerate() {
            let k_row = problem.key_row(batch, key, head);
            let ds = p * (dp - delta) * problem.scale;
            accumulate(&mut dv[k_row..][..d], *p, grad);
            accumulate(&mut dq[q_row..][..d], ds, &k[k_row..][..d]);
            accumulate(&mut dk[k_row..][..d], ds, &q[q_row..][..d]);
        }
    });
    Backward { dq, dk, dv }
}

/// As an unfused framework computes: f32 arithmetic with pairwise sums; S, P, O, dP, dS and the gradients are stored in the element type.
pub mod naive {
    use super::{Backward, Forward, Problem};
    use crate::Float;
    use crate::reference::{pairwise_sum, single, stored};

    /// Values as f32, which hold every element exactly.
    fn singles<T: Float>(values: &[T]) -> Vec<f32> {
        values.iter().map(|value| single(*value)).collect()
    }

    /// A f32 as it comes back from a tensor.
    fn rounded<T: Float>(value: f32) -> f32 {
        single(stored::<T>(value))
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let products: Vec<f32> = a.iter().zip(b).map(|(x, y)| x * y).collect();
        pairwise_sum(&products)
    }

    /// The sum over rows of factor * row, column by column.
    fn weighted_sum(factors: &[f32], row: &impl Fn(usize) -> usize, rows: &[f32], width: usize) -> Vec<f32> {
        fn halves<'a>(factors: &[f32], first: usize, row: &impl Fn(usize) -> &'a [f32], width: usize) -> Vec<f32> {
            match factors {
                [] => vec![0.0; width],
                [factor] => row(first).iter().map(|x| factor * x).collect(),
                _ => {
                    let (left, right) = factors.split_at(factors.len() / 2);
                    let mut sums = halves(left, first, row, width);
                    for (sum, x) in sums.iter_mut().zip(halves(right, first + left.len(), row, width)) {
                        *sum += x;
                    }
                    sums
                }
            }
        }
        halves(factors, 0, &|i| &rows[row(i)..][..width], width)
    }

    /// The exponentials relative to the largest, their sum, and its log with the largest added again.
    fn softmax(scores: &[f32]) -> (Vec<f32>, f32, f32) {
        let maximum = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = scores.iter().map(|s| (s - maximum).exp()).collect();
        let sum = pairwise_sum(&weights);
        let lse = if scores.is_empty() { f32::NEG_INFINITY } else { maximum + sum.ln() };
        (weights, sum, lse)
    }

    /// One row of P as it is stored, after scores that were stored, and the log-sum-exp of the scores as they were before.
    fn probabilities<T: Float>(
        problem: &Problem,
        q: &[f32],
        k: &[f32],
        batch: usize,
        head: usize,
        query: usize,
    ) -> (Vec<f32>, f32) {
        let d = problem.head_dim;
        let row = &q[problem.query_row(batch, query, head)..][..d];
        let score = |key| dot(row, &k[problem.key_row(batch, key, head)..][..d]) * problem.scale as f32;
        let scores: Vec<f32> = (0..problem.keys_of(query)).map(score).collect();
        let stored: Vec<f32> = scores.iter().map(|s| rounded::<T>(*s)).collect();
        let (weights, sum, _) = softmax(&stored);
        (weights.iter().map(|w| rounded::<T>(w / sum)).collect(), softmax(&scores).2)
    }

    /// The output and the log-sum-exp.
    pub fn forward<T: Float>(problem: &Problem, q: &[T], k: &[T], v: &[T]) -> Forward<T, f32> {
        let (q, k, v) = (singles(q), singles(k), singles(v));
        let mut o = vec![T::from_f64(0.0); q.len()];
        let mut lse = Vec::with_capacity(problem.batch * problem.heads * problem.queries);
        problem.for_each_row(|batch, head, query| {
            let (p, row_lse) = probabilities::<T>(problem, &q, &k, batch, head, query);
            lse.push(row_lse);
            let sums = weighted_sum(&p, &|key| problem.key_row(batch, key, head), &v, problem.head_dim);
            for (target, sum) in o[problem.query_row(batch, query, head)..].iter_mut().zip(sums) {
                *target = stored(sum);
            }
        });
        Forward { o, lse }
    }

    /// The gradients. Those of keys and values that several heads share are summed in f32 over the heads' stored gradients.
    pub fn backward<T: Float>(problem: &Problem, q: &[T], k: &[T], v: &[T], grad_o: &[T]) -> Backward<T> {
        let Problem { batch, queries, keys, heads, kv_heads, head_dim: d, .. } = *problem;
        let (q, k, v, grad_o) = (singles(q), singles(k), singles(v), singles(grad_o));
        let scale = problem.scale as f32;
        let mut dq = vec![T::from_f64(0.0); q.len()];
        let (mut dk, mut dv) = (vec![0.0; k.len()], vec![0.0; v.len()]);
        for (b, head) in (0..batch).flat_map(|b| (0..heads).map(move |head| (b, head))) {
            let key_row = |key| problem.key_row(b, key, head);
            let query_row = |query| problem.query_row(b, query, head);
            // P and dS, queries by keys.
            let (mut p, mut ds) = (vec![0.0; queries * keys], vec![0.0; queries * keys]);
            for query in 0..queries {
                let (row, _) = probabilities::<T>(problem, &q, &k, b, head, query);
                let grad = &grad_o[query_row(query)..][..d];
                let dp: Vec<f32> = (0..row.len()).map(|key| rounded::<T>(dot(grad, &v[key_row(key)..][..d]))).collect();
                let delta = dot(&row, &dp);
                let ds_row = &mut ds[query * keys..][..keys];
                for (key, (p, dp)) in row.iter().zip(&dp).enumerate() {
                    ds_row[key] = rounded::<T>(p * (dp - delta));
                }
                for (target, sum) in dq[query_row(query)..].iter_mut().zip(weighted_sum(ds_row, &key_row, &k, d)) {
                    *target = stored(sum * scale);
                }
                p[query * keys..][..row.len()].copy_from_slice(&row);
            }
            for key in 0..keys {
                let column = |of: &[f32]| of.iter().skip(key).step_by(keys).copied().collect::<Vec<f32>>();
                let value_sums = weighted_sum(&column(&p), &query_row, &grad_o, d);
                let key_sums = weighted_sum(&column(&ds), &query_row, &q, d);
                let share = |sum: f32| if heads == kv_heads { sum } else { rounded::<T>(sum) };
                for i in 0..d {
                    dv[key_row(key) + i] += share(value_sums[i]);
                    dk[key_row(key) + i] += share(key_sums[i] * scale);
                }
            }
        }
        Backward { dq, dk: dk.into_iter().map(stored).collect(), dv: dv.into_iter().map(stored).collect() }
    }
}
