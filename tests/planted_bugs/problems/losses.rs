//! The problems of losses.

use half::{bf16, f16};
use warpsmith::ops::cross_entropy::Reduction;

use super::Problem;
use crate::common::guard::Place;
use crate::cross_entropy;

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    cross_entropy::<f32>(all);
    cross_entropy::<f16>(all);
    cross_entropy::<bf16>(all);
}

fn cross_entropy<T: cross_entropy::Real>(all: &mut Vec<Problem>) {
    let lanes = 16 / size_of::<T>();
    let mut add =
        |problem: cross_entropy::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    // Rows of part of a warp, a warp, several warps, in shared memory, streamed; whole vectors and not.
    for (rows, width) in [
        (37, 7),
        (33, 40 * lanes),
        (9, 100 * lanes + 3),
        (5, 300 * lanes),
        (3, 1000 * lanes + 1),
        (2, 5000 * lanes),
        (1, 16_384 * lanes - 1),
    ] {
        add(cross_entropy::Problem::new(rows, width, width as u64));
        let mut with_all = cross_entropy::Problem::new(rows, width, !(width as u64)).with_all();
        with_all.in_place = width % 2 == 1;
        add(with_all);
    }
    let place = Place::matrix(6, 333);
    for (logits_place, gradient_place) in
        [(place.with_gap(3), place.shifted(1)), (place.shifted(1), place.with_gap(lanes))]
    {
        let problem = cross_entropy::Problem { logits_place, gradient_place, ..cross_entropy::Problem::new(6, 333, 8) };
        add(problem.clone().with_all().reduced(Reduction::None));
        add(problem.reduced(Reduction::Sum));
    }
    // The sums over rows: more rows than threads, with and without a rest.
    add(cross_entropy::Problem::new(9001, 5, 1));
    add(cross_entropy::Problem::new(5120, 2, 1).with_all());
}
