//! The problems of losses.

use half::{bf16, f16};
use warpsmith::ops::cross_entropy::Reduction;

use super::Problem;
use crate::common::guard::Place;
use crate::{bce_with_logits, cross_entropy};

/// All of them.
pub fn add(all: &mut Vec<Problem>) {
    cross_entropy::<f32>(all);
    cross_entropy::<f16>(all);
    cross_entropy::<bf16>(all);
    bce_with_logits::<f32>(all);
    bce_with_logits::<f16>(all);
    bce_with_logits::<bf16>(all);
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
    // The loss alone.
    for (rows, width) in [(17, 7), (5, 100 * lanes + 3), (2, 1000 * lanes + 1), (2, 5000 * lanes)] {
        let problem = cross_entropy::Problem { wants_gradient: false, ..cross_entropy::Problem::new(rows, width, 3) };
        add(problem.clone());
        add(problem.with_all());
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

fn bce_with_logits<T: bce_with_logits::Real>(all: &mut Vec<Problem>) {
    use bce_with_logits::{Kind, Problem as Bce};
    use warpsmith::ops::bce_with_logits::Reduction as Of;
    let mut add = |problem: Bce<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    for kind in [Kind::I32, Kind::I64, Kind::Soft] {
        // Vectors that are whole and not, several blocks, every kind of loss; on boundaries and off them.
        for (count, reduction) in [(1, Of::Mean), (77, Of::None), (2048, Of::None), (4099, Of::Sum), (9005, Of::Mean)] {
            let problem = Bce::new(count, kind).reduced(reduction);
            add(problem.clone());
            add(Bce { shifts: [1, 1, 1, 1], ..problem.with_all() });
        }
        // Logits of every size, so that no large value hides the error of a small one.
        for size in [0.01, 0.3, 1.5, 6.0, 20.0] {
            let problem = Bce::<T>::new(40, kind).reduced(Of::None);
            let logits = problem.logits.iter().map(|x| T::from_f64(size * (1.0 + x.to_f64() / 10.0))).collect();
            add(Bce { logits, grad_loss: None, ..problem });
        }
    }
    // More vectors than threads, and more blocks than threads of the last sum.
    if size_of::<T>() == 4 {
        add(Bce::new((1 << 20) + 4099, Kind::I32));
    } else {
        // Of which each counts more elements than the one before.
        let mut many = Bce::new(240 * 2048 - 5, Kind::I64);
        let kept = |place: usize| place % 240 < place / 2048;
        many.targets.iter_mut().enumerate().filter(|&(place, _)| !kept(place)).for_each(|(_, target)| *target = -100.0);
        add(many);
    }
}
