//! The problems of softmax.

use half::{bf16, f16};

use super::Problem;
use crate::softmax::{self, Mask};

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    of_type::<f32>(all);
    of_type::<f16>(all);
    of_type::<bf16>(all);
}

fn of_type<T: softmax::Real>(all: &mut Vec<Problem>) {
    let lanes = 16 / size_of::<T>();
    let mut add = |problem: softmax::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    // Rows of part of a warp, a warp, several warps, in shared memory, streamed; whole vectors and not, with every kind of mask.
    for (matrices, queries, width) in [
        (3, 11, 7),
        (3, 11, 64 * lanes),
        (2, 4, 100 * lanes + 3),
        (2, 4, 128 * lanes + 3),
        (1, 2, 1000 * lanes + 1),
        (1, 1, 16_384 * lanes - 1),
    ] {
        let problem = softmax::Problem::new(matrices, queries, width);
        let apart = [lanes, 3 * lanes, 2 * lanes];
        add(softmax::Problem { gaps: apart, ..problem.clone() });
        add(softmax::Problem { in_place: true, ..problem.clone() }.kept([1, queries]));
        add(problem.clone().kept([1, queries]).logarithm());
        let added = softmax::Problem { shifts: [1, 2, 3], ..problem.clone() }.added([matrices, 1]);
        let kept = problem.kept([matrices, queries]);
        if queries == 1 {
            add(alternating(added));
            add(alternating(kept));
        } else {
            add(added);
            add(kept);
        }
    }
}

/// With a mask that takes every other element out: in a long row, where few random ones more or less do not count, the wrong ones do.
fn alternating<T: softmax::Real>(mut problem: softmax::Problem<T>) -> softmax::Problem<T> {
    match &mut problem.mask {
        Some(Mask::Keep(_, bytes)) => bytes.iter_mut().enumerate().for_each(|(index, byte)| *byte = (index % 2) as u8),
        Some(Mask::Add(_, numbers)) => {
            numbers.iter_mut().step_by(2).for_each(|number| *number = T::from_f64(f64::NEG_INFINITY));
        }
        None => {}
    }
    problem
}
