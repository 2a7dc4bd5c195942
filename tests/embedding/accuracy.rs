//! Sums of rows and gradients of tables within the rule.

use warpsmith::Device;
use warpsmith::ops::embedding::Options;

use crate::common::devices::on_one_model;
use crate::problem::{Case, Every, Problem, Real};

/// Whole vectors and not, rows of part of a warp and of several warps' vectors; words of which most are rare and some are not.
struct Widths;

impl Case for Widths {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for (batch, length, vocabulary, width) in [
            (1, 1, 1, 1),
            (3, 11, 20, lanes),
            (2, 100, 37, 7),
            (4, 60, 300, 12 * lanes),
            (2, 21, 9, 70 * lanes),
            (2, 30, 50, 259),
        ] {
            let problem = Problem::<T>::new(batch, length, vocabulary, width, width as u64);
            problem.check(device, name);
            problem.clone().counted(2).check(device, name);
            problem.with_all().check(device, name);
        }
    }
}

#[test]
fn every_width() {
    on_one_model(&Every(Widths));
}

/// Rows at distances and off boundaries: by vectors where they are whole ones, by elements where not.
struct Layouts;

impl Case for Layouts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for (gap, shift) in [(lanes, 0), (1, 0), (0, 1), (lanes, lanes), (3, 2)] {
            let problem = Problem::<T> { gap, shift, ..Problem::new(2, 35, 40, 6 * lanes, 5) };
            problem.clone().counted(0).check(device, name);
            problem.with_all().check(device, name);
        }
    }
}

#[test]
fn every_layout() {
    on_one_model(&Every(Layouts));
}

/// A padding index, and gradients on top of others; ids that repeat up to the bound of a warp's bucket and beyond.
struct EachOption;

impl Case for EachOption {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for accumulate in [false, true] {
            for padding_index in [None, Some(0), Some(3)] {
                let options = Options { padding_index, accumulate };
                let mut problem = Problem::<T> { options, ..Problem::new(3, 50, 11, 24, 6) }.with_all();
                // 31, 32, 33 and 54 times.
                let counts = [(1, 31), (3, 32), (5, 33), (0, 54)];
                let ids = counts.iter().flat_map(|&(id, count)| std::iter::repeat_n(id, count));
                problem.token.ids = ids.collect();
                problem.check(device, name);
                Problem { position: None, ..problem }.counted(1).check(device, name);
            }
        }
    }
}

#[test]
fn every_option() {
    on_one_model(&Every(EachOption));
}

/// An id that thousands of rows name, so that they are split; more rows than a window holds.
struct Splits;

impl Case for Splits {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let mut problem = Problem::<T>::new(1, 70_000, 5, 3, 7);
        problem.token.ids.iter_mut().enumerate().for_each(|(row, id)| *id = [0, 0, 1, 0, 0][row % 5]);
        // A few thousand: one block, two windows.
        (0..70_000).step_by(17).for_each(|row| problem.token.ids[row] = 2);
        problem.options.accumulate = true;
        problem.check(device, name);
    }
}

#[test]
fn ids_of_thousands_of_rows() {
    struct OfF32;
    impl crate::common::devices::Body for OfF32 {
        fn run<D: Device>(&self, device: &D, name: &str) {
            Splits.run::<D, f32>(device, name);
            Splits.run::<D, half::bf16>(device, name);
        }
    }
    on_one_model(&OfF32);
}

/// Ids outside of the table give NaN and no gradient, and nothing outside is touched; padding and other rows are as ever.
struct NoRow;

impl Case for NoRow {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for wide_ids in [false, true] {
            let mut problem = Problem::<T> { wide_ids, ..Problem::new(2, 20, 10, 16, 8) };
            let far =
                if wide_ids { [i64::MAX, i64::MIN, 1 << 32] } else { [i32::MAX.into(), i32::MIN.into(), 1 << 20] };
            for (row, id) in [(0, -1), (7, 10), (11, far[0]), (12, far[1]), (39, far[2])] {
                problem.token.ids[row] = id;
            }
            problem.check(device, name);
            let output = problem.forward(device);
            assert!(output[7 * 16..8 * 16].iter().all(|value| value.to_f64().is_nan()), "{name}");
        }
        // Counted positions beyond their table, at either end.
        let mut problem = Problem::<T>::new(2, 20, 10, 16, 9).counted(0);
        for offset in [-3, 8] {
            let position = problem.position.as_mut().expect("counted");
            position.ids = (0..40).map(|row| offset + row % 20).collect();
            problem.counted_from = Some(offset);
            problem.check(device, name);
        }
    }
}

#[test]
fn ids_that_are_no_row() {
    on_one_model(&Every(NoRow));
}
