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
    // More sequences than are added up at once, tables longer and shorter than the ids, ids that are no row.
    for (batch, length, vocabulary, width) in
        [(41, 3, 200, 2 * lanes), (6, 9, 4, 33 * lanes + 5), (9, 2, 30, 70 * lanes)]
    {
        let mut problem = embedding::Problem::new(batch, length, vocabulary, width, 3);
        add(problem.clone().counted(0));
        let beyond = [-1, vocabulary as i64, vocabulary as i64 + 1];
        problem.token.ids.iter_mut().step_by(4).zip(beyond.into_iter().cycle()).for_each(|(id, beyond)| *id = beyond);
        add(problem.clone());
        let mut given = problem.with_all();
        given.options = Options { padding_index: Some(0), accumulate: true };
        let segment = given.segment.as_mut().expect("segments");
        segment.ids.iter_mut().step_by(5).for_each(|id| *id = 2);
        add(given);
    }
    // Rows of several vectors for each lane, and a rest.
    for width in [130 * lanes, 130 * lanes + 3] {
        add(embedding::Problem::new(3, 2, 5, width, 4).with_all());
    }
    // Table rows that many rows name, and some that are split: by vectors and by elements, with and without what was there.
    for (width, accumulate) in [(3, false), (lanes, true), (lanes, false), (2 * lanes + 1, true)] {
        let mut long = embedding::Problem::new(1, 17_000, 3, width, 7);
        long.token.ids.iter_mut().enumerate().for_each(|(row, id)| *id = if row % 9 == 0 { 2 } else { 0 });
        long.options.accumulate = accumulate;
        add(long);
    }
    // More rows than a window holds.
    let mut window = embedding::Problem::new(1, 70_000, 3, 3, 7);
    window.token.ids.iter_mut().enumerate().for_each(|(row, id)| *id = if row % 9 == 0 { 2 } else { 0 });
    add(window);
}
