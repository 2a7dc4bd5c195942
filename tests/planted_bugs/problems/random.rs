//! The problems of what draws random numbers.

use half::{bf16, f16};

use super::Problem;
use crate::dropout::{self, Target};

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    dropout::<f32>(all);
    dropout::<f16>(all);
    dropout::<bf16>(all);
}

fn dropout<T: dropout::Real>(all: &mut Vec<Problem>) {
    let lanes = 16 / size_of::<T>();
    let mut add = |problem: dropout::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    for (i, target) in Target::ALL.into_iter().enumerate() {
        // Whole vectors, single elements, a vector that is cut; several tiles, and more than one block of rows.
        for (rows, width) in [(3, 41 * lanes), (2, 37 * lanes + 3), (131, 16 * lanes), (2, 2048)] {
            add(dropout::Problem::new(rows + i, width, target));
        }
        // Rows at a distance, so many that a thread has several; carries through all bits of the counter.
        let problem = dropout::Problem::new(107, 8 * lanes, target);
        let (gaps, shifts) = ([lanes, 2 * lanes], [0, lanes]);
        add(dropout::Problem { gaps, shifts, offsets: [u64::from(u32::MAX), 5], ..problem.clone() });
        add(dropout::Problem { gaps: [1, 2], shifts: [1, 0], offsets: [u64::MAX - 7, 3], ..problem.clone() });
        add(dropout::Problem { probability: [0.0, 1.0][i % 2], ..problem });
    }
    // Rows on boundaries that do not begin with a block of words.
    let problem = dropout::Problem::new(9, 8 * lanes + 1, Target::Sum);
    add(dropout::Problem { gaps: [lanes - 1; 2], ..problem });
}
