//! The problems of embedding.

use half::{bf16, f16};
use warpsmith::ops::embedding::Options;

use super::Problem;
use crate::embedding;

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    of_type::<f32>(all);
    of_type::<f16>(all);
    of_type::<bf16>(all);
}

fn of_type<T: embedding::Real>(all: &mut Vec<Problem>) {
    let lanes = 16 / size_of::<T>();
    let mut add = |problem: embedding::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    // Rows of part of a warp and of several warps' vectors, whole ones and not; rare words and common ones.
    for (batch, length, vocabulary, width) in [(3, 11, 20, lanes), (2, 100, 37, 7), (4, 60, 300, 40 * lanes)] {
        let problem = embedding::Problem::new(batch, length, vocabulary, width, width as u64);
        add(problem.clone().counted(2));
        let options = Options { padding_index: Some(1), accumulate: true };
        add(embedding::Problem { options, ..problem.clone().counted(1) });
        add(embedding::Problem { options, ..problem.clone().with_all() });
        add(embedding::Problem { gap: 3, shift: 1, ..problem.with_all() });
    }
    // A table row that is split, and one that fills more than a window.
    let mut long = embedding::Problem::new(1, 70_000, 3, 3, 7);
    long.token.ids.iter_mut().enumerate().for_each(|(row, id)| *id = if row % 9 == 0 { 2 } else { 0 });
    add(long);
}
