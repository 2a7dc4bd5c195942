//! Every width, row count, alignment, stride and choice of optional tensors gives the right result and touches nothing else.

use half::bf16;
use warpsmith::ops::rms_norm::{self, Casting};
use warpsmith::reference::rms_norm as reference;
use warpsmith::{Buffer, Device};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::{Body, on_every_device, on_one_model};
use crate::common::guard::Place;
use crate::problem::{Case, Every, Places, Problem, Real};

/// Widths of one thread and of parts of one, of a warp and of several, of a block; whole vectors and not.
struct Widths;

impl Case for Widths {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (rows, width) in [(3, 1), (37, 7), (5, 255), (13, 256), (5, 257), (9, 768), (7, 1024), (2, 5000)] {
            Problem::<T>::new(rows, width, width as u64).check(device, name);
        }
    }
}

#[test]
fn any_width() {
    on_one_model(&Every(Widths));
}

/// Widths at the limits of registers and of shared memory, which differ from model to model: the backward pass has blocks of 512
/// threads, where they fit; the widest row, and a residual where no address is a multiple of 16.
struct Wide;

impl Case for Wide {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        Problem::<T>::new(3, 1500 * 16 / size_of::<T>(), 1).with_residual().check(device, name);
    }
}

struct Widest;

impl Body for Widest {
    fn run<D: Device>(&self, device: &D, name: &str) {
        Problem::<bf16>::new(1, 65_536, 2).check(device, name);
        let place = Place::matrix(1, 65_535).shifted(1);
        Problem::<f32>::new(1, 65_535, 3).with_residual().placed(place).check(device, name);
    }
}

#[test]
fn wide_rows_on_every_model() {
    on_every_device(&Every(Wide));
    on_every_device(&Widest);
}

/// Row counts around the rows of a block: teams without a row, groups without a full turn.
struct RowCounts;

impl Case for RowCounts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for rows in [1, 2, 3, 15, 16, 17, 33, 129] {
            for width in [13, 64] {
                Problem::<T>::new(rows, width, rows as u64).check(device, name);
            }
        }
    }
}

#[test]
fn any_row_count() {
    on_one_model(&Every(RowCounts));
}

/// So many rows that a team walks over several, through all stages of the ring, and that groups end at different turns.
struct Tall;

impl Body for Tall {
    fn run<D: Device>(&self, device: &D, name: &str) {
        // One team of 256 threads a block, and 208 groups of three rows.
        Problem::<f32>::new(555, 2056, 1).check(device, name);
        // Four teams of two warps, and more than one row for each.
        Problem::<bf16>::new(208 * 4 * 2 - 3, 1032, 2).with_residual().check(device, name);
        // Without whole vectors: the same in the kernel of columns.
        Problem::<bf16>::new(2500, 129, 3).check(device, name);
    }
}

#[test]
fn many_rows() {
    on_one_model(&Tall);
}

/// All choices of what is given and what is wanted.
struct Choices;

impl Case for Choices {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for width in [40, 13] {
            for choice in 0..32_u32 {
                let has = |bit: u32| choice >> bit & 1 == 1;
                let full = Problem::<T>::new(5, width, choice.into()).with_residual();
                let problem = Problem {
                    residual: full.residual.filter(|_| has(0)),
                    grad_sum: full.grad_sum.filter(|_| has(1)),
                    weight: full.weight.filter(|_| has(2)),
                    wants_rstd: has(3),
                    wants_grad_weight: has(4),
                    ..full
                };
                problem.check(device, &format!("{name}, choice {choice:#b}"));
            }
        }
    }
}

#[test]
fn any_choice_of_optional_tensors() {
    on_one_model(&Every(Choices));
}

/// Rows at a distance: whole vectors (a gap of 16 bytes), none (a gap of one element); all tensors alike, or only one of them.
struct Gaps;

impl Case for Gaps {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for (rows, width, gap) in [(21, 264, lanes), (21, 264, 1), (9, 7, 9)] {
            let problem = Problem::<T>::new(rows, width, gap as u64).with_residual();
            let (dense, gapped) = (problem.places, Place::matrix(rows, width).with_gap(gap));
            problem.clone().placed(gapped).check(device, name);
            for places in [
                Places { input: gapped, ..dense },
                Places { other: gapped, ..dense },
                Places { output: gapped, ..dense },
                Places { sum: gapped, ..dense },
            ] {
                Problem { places, ..problem.clone() }.check(device, name);
            }
        }
    }
}

#[test]
fn rows_at_a_distance() {
    on_one_model(&Every(Gaps));
}

/// Bases off 16-byte boundaries: all tensors alike (head, vectors and tail), and each at another one.
struct Bases;

impl Case for Bases {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for shift in [1, lanes / 2, lanes - 1] {
            for width in [5, 96, 131] {
                let problem = Problem::<T>::new(3, width, shift as u64).with_residual();
                let (even, odd) = (problem.places, Place::matrix(3, width).shifted(shift));
                problem.clone().placed(odd).check(device, name);
                for places in [
                    Places { input: odd, ..even },
                    Places { other: odd, ..even },
                    Places { output: odd, ..even },
                    Places { sum: odd, ..even },
                    Places { vector_shift: shift, ..even },
                ] {
                    Problem { places, ..problem.clone() }.check(device, name);
                }
            }
        }
    }
}

#[test]
fn any_base_address() {
    on_one_model(&Every(Bases));
}

/// Leading dimensions are rows, those of a part of a tensor too; rstd has their shape.
struct Ranks;

impl Body for Ranks {
    fn run<D: Device>(&self, device: &D, name: &str) {
        // The upper half of the columns of [2, 3, 2, 16].
        let values: Vec<f32> = Rng::new(5).normals(2 * 3 * 2 * 16, 1.0, 1.0);
        let input = device.upload(&values).unwrap();
        let (mut output, mut rstd) = (device.alloc(96).unwrap(), device.alloc(12).unwrap());
        let tensors = rms_norm::Forward {
            input: input.strided(8, [2, 3, 2, 8], [96, 32, 16, 1]).unwrap(),
            residual: None,
            weight: None,
            output: output.view_mut([2, 3, 2, 8]).unwrap(),
            rstd: Some(rstd.view_mut([2, 3, 2]).unwrap()),
        };
        rms_norm::forward(device, tensors, 1e-5, Casting::Gemma).unwrap();
        let x: Vec<f32> = values.chunks_exact(16).flat_map(|row| &row[8..]).copied().collect();
        let oracle = reference::forward(&widen(&x), None, 1.0, 8, f64::from(1e-5_f32));
        let naive = reference::naive::forward(&x, None, (1.0, false), 8, 1e-5);
        let got: Vec<f32> = device.download(&output).unwrap();
        Comparison { name, cols: 8, got: &got, oracle: &oracle.output, naive: &naive.output }.assert();
        let got: Vec<f32> = device.download(&rstd).unwrap();
        Comparison { name, cols: 12, got: &got, oracle: &oracle.rstd, naive: &naive.rstd }.assert();
    }
}

#[test]
fn tensors_of_four_dimensions() {
    on_one_model(&Ranks);
}

/// Two rows more than 4 GiB apart: the second is written there and read from there, with rows on 16-byte boundaries and off them.
struct Far;

impl Body for Far {
    fn run<D: Device>(&self, device: &D, name: &str) {
        const WIDTH: usize = 64;
        for (shift, stride) in [(0, (1 << 31) + 8), (1, (1 << 31) + 9)] {
            let input: Vec<bf16> = Rng::new(7).normals(2 * WIDTH, 0.0, 1.0);
            let near = device.upload(&input).unwrap();
            let mut far = device.alloc::<bf16>(shift + stride + WIDTH).unwrap();
            let mut rstd = device.alloc(2).unwrap();
            let tensors = rms_norm::Forward {
                input: near.view([2, WIDTH]).unwrap(),
                residual: None,
                weight: None,
                output: far.strided_mut(shift, [2, WIDTH], [stride as i64, 1]).unwrap(),
                rstd: Some(rstd.view_mut([2]).unwrap()),
            };
            rms_norm::forward(device, tensors, 1e-5, Casting::None).unwrap();
            let written = far.strided(shift, [2, WIDTH], [stride as i64, 1]).unwrap();

            // As input and gradient of a backward pass: of two rows that are alike but for a factor, the gradient is next to nothing, so what
            // flows past the norm is all that is left.
            let mut grad_input = device.alloc::<bf16>(2 * WIDTH).unwrap();
            let tensors = rms_norm::Backward {
                grad_output: written,
                input: near.view([2, WIDTH]).unwrap(),
                weight: None,
                rstd: rstd.view([2]).unwrap(),
                grad_sum: Some(written),
                grad_input: grad_input.view_mut([2, WIDTH]).unwrap(),
                grad_weight: None,
                workspace: None,
            };
            rms_norm::backward(device, tensors, Casting::None).unwrap();
            let oracle = reference::forward(&widen(&input), None, 0.0, WIDTH, f64::from(1e-5_f32)).output;
            for (i, (got, expected)) in widen(&device.download(&grad_input).unwrap()).iter().zip(&oracle).enumerate() {
                assert!((got - expected).abs() < 0.03, "{name}: grad_input[{i}] is {got}, not {expected}");
            }
        }
    }
}

#[test]
fn rows_more_than_four_gibibytes_apart() {
    on_one_model(&Far);
}
