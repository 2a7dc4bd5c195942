//! The problems of attention. The backward pass follows a forward pass that the reference computed.

use half::{bf16, f16};
use warpsmith::reference::attention::Forward;

use super::Problem;
use crate::attention::gradients::Gradients;
use crate::attention::problem::{self, Real, Sizes, sizes};
use crate::attention::tensor::Layout;

/// All of one head dimension.
pub fn add(all: &mut Vec<Problem>, head_dim: usize) {
    of_type::<bf16>(all, head_dim);
    of_type::<f16>(all, head_dim);
}

fn of_type<T: Real>(all: &mut Vec<Problem>, head_dim: usize) {
    // Every stride and every kind of head; queries without keys, in tiles with others and alone; several tiles of queries, with whole
    // blocks of keys and a cut one, with masks and without.
    let causal = |queries, keys| Sizes { causal: true, ..sizes(queries, keys, head_dim) };
    for (sizes, layout) in [
        (Sizes { batch: 2, heads: 4, kv_heads: 2, ..causal(9, 5) }, Layout::Gaps),
        (causal(140, 5), Layout::HeadsFirst),
        (causal(150, 170), Layout::Packed),
        (sizes(140, 200, head_dim), Layout::Contiguous),
    ] {
        let mut gradients = Gradients::<T>::new(sizes, 1);
        gradients.problem.layout = layout;
        if sizes.causal {
            // As an earlier call may have left it: turns that look as if they had come.
            gradients.workspace = [1, 0, 0, 0];
        }
        let (problem, forward) = (gradients.problem.clone(), exact_forward(&gradients.problem));
        all.push(Box::new(move |device| problem.check(device, "planted")));
        all.push(Box::new(move |device| {
            gradients.judge().check("planted", &gradients.backward(device, &forward)).expect("right gradients");
        }));
    }
    // Scores that rise as they are met, so that the reference moves at every block: for one query of each warp, another one of its four rows
    // in a lane each time, where no other query asks for it.
    let rising: Vec<f64> = (0..140).map(|key| 300.0 - 2.0 * f64::from(key)).collect();
    let mut alone = problem::Problem::<T>::with_scores(128, head_dim, false, &rising);
    for (query, row) in alone.q.chunks_mut(head_dim).enumerate() {
        row[0] = T::from_f64(if [3, 43, 83, 123].contains(&query) { 1.0 } else { 0.0 });
    }
    let mut add = |problem: problem::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    add(alone);
    // No log-sum-exp asked for.
    add(problem::Problem { wants_lse: false, ..problem::Problem::new(sizes(3, 3, head_dim), 2) });
}

/// What a forward pass without errors writes.
fn exact_forward<T: Real>(problem: &problem::Problem<T>) -> Forward<T, f32> {
    let Forward { o, lse } = problem.oracle();
    Forward { o: o.into_iter().map(T::from_f64).collect(), lse: lse.into_iter().map(|lse| lse as f32).collect() }
}
