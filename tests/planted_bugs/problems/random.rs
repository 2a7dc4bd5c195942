//! The problems of what draws random numbers.

use half::{bf16, f16};

use super::Problem;
use crate::dropout::{self, Target};
use crate::mask_tokens;

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    dropout::<f32>(all);
    dropout::<f16>(all);
    dropout::<bf16>(all);
    mask_tokens(all);
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
        add(dropout::Problem { probability: 1.0, ..dropout::Problem::new(9, 5 * lanes + 1, target) });
    }
    // Rows on boundaries that do not begin with a block of words.
    let problem = dropout::Problem::new(9, 8 * lanes + 1, Target::Sum);
    add(dropout::Problem { gaps: [lanes - 1; 2], ..problem });
}

fn mask_tokens(all: &mut Vec<Problem>) {
    use mask_tokens::Problem as Masking;
    let mut add = |problem: Masking| all.push(Box::new(move |device| problem.check(device, "planted")));
    // Groups that are whole and not, on boundaries and off them, several blocks, with bytes and without, in place and not.
    for count in [1, 3, 1027, 2047, 4096, 5002] {
        add(Masking::new(count));
        add(Masking { in_place: true, ..Masking::new(count) }.with_special());
    }
    let eight = warpsmith::ops::mask_tokens::Options {
        special_tokens: &[0, 100, 101, 102, 103, 5, 6, 7],
        ..Masking::new(1).options
    };
    let tokens = (0..1500).map(|i| i % 9).collect();
    add(Masking { tokens, options: eight, ..Masking::new(1500) });
    let apart = Masking { shifts: [1, 2, 3, 2], offsets: [u64::MAX - 40, 3], ..Masking::new(601) };
    add(apart.clone());
    add(apart.with_special());
    // Redraws, of which several follow one another.
    let problem = Masking { shifts: [0, 0, 0, 1], ..Masking::new(2000) }.with_special();
    let options = warpsmith::ops::mask_tokens::Options {
        probability: 0.9,
        mask_share: 0.1,
        random_share: 0.8,
        vocabulary: 3 << 29,
        ..problem.options
    };
    add(Masking { options, ..problem });
}
