//! The problems that planted bugs are judged by: those of the operations' own tests, as small as they can be and still enter every
//! part of every kernel.

mod attention;
mod embedding;
mod losses;
mod optimizers;
mod random;
mod softmax;

use half::{bf16, f16};
use warpsmith::EmulatedDevice;
use warpsmith::ops::activation::Function;
use warpsmith::ops::gelu::Form;
use warpsmith::ops::rotary::Pairing;

use crate::common::data::Rng;
use crate::common::guard::Place;
use crate::{activation, gelu, layer_norm, rms_norm, rotary};

/// Runs on a device and panics if anything is wrong.
pub type Problem = Box<dyn Fn(&EmulatedDevice) + Sync>;

/// Those for a device with 99 KB of shared memory, where other kernels serve them.
pub fn compact() -> Vec<Problem> {
    let mut all = Vec::new();
    attention::add(&mut all, 128);
    all
}

/// All others.
pub fn all() -> Vec<Problem> {
    let mut all: Vec<Problem> = Vec::new();
    for form in Form::ALL {
        gelu::<f32>(&mut all, form);
        gelu::<f16>(&mut all, form);
        gelu::<bf16>(&mut all, form);
    }
    layer_norm::<f32>(&mut all);
    layer_norm::<f16>(&mut all);
    layer_norm::<bf16>(&mut all);
    rms_norm::<f32>(&mut all);
    rms_norm::<f16>(&mut all);
    rms_norm::<bf16>(&mut all);
    losses::add(&mut all);
    rotary::<f32>(&mut all);
    rotary::<f16>(&mut all);
    rotary::<bf16>(&mut all);
    optimizers::add(&mut all);
    attention::add(&mut all, 64);
    attention::add(&mut all, 128);
    embedding::add(&mut all);
    activation::<f32>(&mut all);
    activation::<f16>(&mut all);
    activation::<bf16>(&mut all);
    softmax::add(&mut all);
    random::add(&mut all);
    all
}

/// Values of one size, as in the operation's own test of every exponent.
const SAMPLES: usize = 11;

/// Values of both signs, from `size` to twice that.
fn by_size<T: gelu::Real>(rng: &mut Rng, size: f64) -> Vec<T> {
    let signed = |value: f64, index: usize| if index.is_multiple_of(2) { value } else { -value };
    (0..SAMPLES).map(|index| T::from_f64(signed(rng.uniform(size, 2.0 * size), index))).collect()
}

fn gelu<T: gelu::Real>(all: &mut Vec<Problem>, form: Form) {
    let lanes = 16 / size_of::<T>();
    let mut add = |problem: gelu::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    // One block whose last vector is each of a thread's, with a tail; more than one block.
    for count in [1, 5 * lanes + 3, 300 * lanes, 600 * lanes + 1, 900 * lanes, 1025 * lanes + 1] {
        add(gelu::Problem::new(form, 1, count, 1));
    }
    // Inputs of every size, each row of one, so that no large value hides the error of a small one.
    let mut rng = Rng::new(7);
    let exponents = (0..30).flat_map(|_| -12..3);
    let sizes: Vec<T> = exponents.flat_map(|exponent| by_size(&mut rng, 2f64.powi(exponent))).collect();
    let (rows, width) = (sizes.len() / SAMPLES, SAMPLES);
    let gapped = Place::matrix(rows, width).with_gap(lanes);
    add(gelu::Problem::with_input(form, width, sizes.clone(), 7));
    add(gelu::Problem::with_input(form, width, sizes, 7).placed(gapped, gapped, gapped));
    // Rows at a distance, off a boundary, with a bias: whole vectors, and single elements.
    for (rows, width) in [(3, 8 * lanes), (37, 5), (9, 40 * lanes + 1)] {
        let place = Place::matrix(rows, width);
        add(gelu::Problem::new(form, rows, width, 2).with_bias());
        add(gelu::Problem::new(form, rows, width, 3).placed(place.with_gap(lanes), place, place.with_gap(1)));
        add(gelu::Problem::new(form, rows, width, 4).placed(place, place.shifted(1), place).with_bias());
    }
    // Several passes over rows at a distance, by whole vectors.
    let place = Place::matrix(291, 8 * lanes);
    add(gelu::Problem::new(form, 291, 8 * lanes, 5).placed(place.with_gap(lanes), place, place.with_gap(2 * lanes)));
    // The last row is each of a thread's batch.
    for rows in [40, 168, 296, 424, 552] {
        add(gelu::Problem::new(form, rows, 2 * lanes, 5).with_bias());
        add(gelu::Problem::new(form, rows, 2 * lanes - 1, 6).with_bias());
    }
    // Several blocks of rows for each tile of columns.
    add(gelu::Problem::new(form, 2111, 9, 2).with_bias());
}

fn layer_norm<T: layer_norm::Real>(all: &mut Vec<Problem>) {
    let lanes = 16 / size_of::<T>();
    let mut add = |problem: layer_norm::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    // Whole vectors: rows of part of a warp, a warp, several warps, a block.
    for (rows, vectors) in
        [(33, 1), (17, 3), (129, 32), (7, 40), (5, 100), (9, 128), (5, 200), (3, 512), (3, 1000), (2, 1024), (2, 3000)]
    {
        add(layer_norm::Problem::new(rows, vectors * lanes, vectors as u64).with_residual());
    }
    // The same by elements, with ends of every length.
    for (rows, width) in
        [(37, 7), (129, 13), (5, 40 * lanes + 1), (5, 257), (2, 900 * lanes + 3), (1, 3000 * lanes - 1)]
    {
        add(layer_norm::Problem::new(rows, width, width as u64).with_residual());
    }
    for width in [64 * lanes, 250, 1000 * lanes] {
        let place = Place::matrix(3, width);
        add(layer_norm::Problem::new(3, width, 4).with_residual().placed(place.with_gap(3).shifted(1)));
        add(layer_norm::Problem::new(3, width, 5).placed(place.with_gap(2 * lanes).shifted(lanes - 1)));
    }
    // Warps of a team that are no multiple of four, and a mean that is far away, so that the pivot counts: by vectors and by elements.
    for (vectors, cut) in [(384, 0), (640, 1), (896, 0), (384, 1)] {
        add(layer_norm::Problem::new(2, vectors * lanes - cut, 9).about(200.0, 1.0).with_residual());
    }
    let mut bare = layer_norm::Problem::new(4, 40 * lanes, 4);
    (bare.weight, bare.bias) = (None, None);
    (bare.wants_statistics, bare.wants_grad_weight, bare.wants_grad_bias) = (false, false, false);
    add(bare);
    // Teams with several rows each, through all stages of their copies; groups that end at different turns; all columns of a tile.
    add(layer_norm::Problem::new(320, 514 * lanes, 1).with_residual());
    add(layer_norm::Problem::new(400, 250 * lanes + 1, 2));
    // Wider than registers with tensors that lie differently, and wider than the chip.
    let mut apart = layer_norm::Problem::new(1, 3000 * lanes - 1, 6).with_residual();
    apart.places.other = Place::matrix(1, 3000 * lanes - 1).shifted(1);
    apart.places.sum = Place::matrix(1, 3000 * lanes - 1).shifted(2);
    add(apart);
    for width in [3000 * lanes - 1, 65_533] {
        // All tensors off the boundary alike, and each in its own way.
        let [input, other, sum] = [1, 2, 3].map(|shift| Place::matrix(1, width).shifted(shift));
        let mut alike = layer_norm::Problem::new(1, width, 7).with_residual().placed(input);
        alike.places.vector_shift = 1;
        let mut apart = layer_norm::Problem::new(1, width, 8).with_residual();
        apart.places = layer_norm::Places { input, other, sum, ..apart.places };
        add(alike);
        add(apart);
    }
    // The same with only one tensor off the boundary: sums of columns go by vectors, rows do not.
    let mut apart = layer_norm::Problem::new(400, 130 * lanes, 3);
    apart.places.output = Place::matrix(400, 130 * lanes).shifted(1);
    add(apart);
}

fn rms_norm<T: rms_norm::Real>(all: &mut Vec<Problem>) {
    let lanes = 16 / size_of::<T>();
    let mut add = |problem: rms_norm::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    // Whole vectors: rows of part of a warp, a warp, several warps, a block, and the larger block of the backward pass.
    for (rows, vectors) in
        [(33, 1), (17, 3), (129, 32), (7, 40), (5, 100), (9, 128), (5, 200), (3, 512), (2, 1024), (2, 1500), (2, 3000)]
    {
        add(rms_norm::Problem::new(rows, vectors * lanes, vectors as u64).with_residual());
    }
    // The same by elements, with ends of every length, off a boundary.
    for (rows, width) in [(37, 7), (129, 13), (5, 257), (2, 900 * lanes + 3), (1, 3000 * lanes - 1)] {
        add(rms_norm::Problem::new(rows, width, width as u64).with_residual());
    }
    for width in [64 * lanes, 250, 1000 * lanes] {
        let place = Place::matrix(3, width);
        add(rms_norm::Problem::new(3, width, 4).with_residual().placed(place.with_gap(3).shifted(1)));
        add(rms_norm::Problem::new(3, width, 5).placed(place.with_gap(2 * lanes).shifted(lanes - 1)));
    }
    // Warps of a team that are no multiple of four.
    for (vectors, cut) in [(384, 0), (640, 1), (896, 0), (384, 1)] {
        add(rms_norm::Problem::new(2, vectors * lanes - cut, 9).with_residual());
    }
    let bare = rms_norm::Problem::new(4, 40 * lanes, 4);
    add(rms_norm::Problem { weight: None, wants_rstd: false, wants_grad_weight: false, ..bare });
    // Teams with several rows each, through all stages of their copies; groups that end at different turns; all columns of a tile.
    add(rms_norm::Problem::new(500, 514 * lanes, 1).with_residual());
    add(rms_norm::Problem::new(1700, 128 * lanes, 3));
    add(rms_norm::Problem::new(400, 250 * lanes + 1, 2));
    // Wider than registers with tensors that lie differently, and wider than the chip.
    let apart = rms_norm::Problem::new(1, 3000 * lanes - 1, 6).with_residual();
    let [other, sum] = [1, 2].map(|shift| Place::matrix(1, 3000 * lanes - 1).shifted(shift));
    add(rms_norm::Problem { places: rms_norm::Places { other, sum, ..apart.places }, ..apart });
    for width in [3000 * lanes - 1, 65_533] {
        // All tensors off the boundary alike, and each in its own way.
        let [input, other, sum] = [1, 2, 3].map(|shift| Place::matrix(1, width).shifted(shift));
        let mut alike = rms_norm::Problem::new(1, width, 7).with_residual().placed(input);
        alike.places.vector_shift = 1;
        let mut apart = rms_norm::Problem::new(1, width, 8).with_residual();
        apart.places = rms_norm::Places { input, other, sum, ..apart.places };
        add(alike);
        add(apart);
    }
    let apart = rms_norm::Problem::new(400, 130 * lanes, 3);
    let output = Place::matrix(400, 130 * lanes).shifted(1);
    add(rms_norm::Problem { places: rms_norm::Places { output, ..apart.places }, ..apart });
}

fn rotary<T: rotary::Real>(all: &mut Vec<Problem>) {
    let mut add = |problem: rotary::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    for pairing in Pairing::ALL {
        // Whole vectors, single pairs, more pairs than lanes; all elements and a part; several warps for a token, and one for each.
        for (sizes, head_dim, rotated) in [
            ([2, 3, 9, 5], 64, 64),
            ([2, 3, 5, 1], 48, 32),
            ([1, 5, 3, 0], 11, 6),
            ([1, 2, 2, 1], 140, 128),
            ([2, 900, 9, 2], 16, 16),
            ([1, 1800, 20, 3], 6, 4),
        ] {
            add(rotary::Problem::new(sizes, head_dim, pairing).rotating(rotated));
        }
        let layout = rotary::Layout { gap: 16, input_shift: 0, output_shift: 8, heads_first: true, in_place: false };
        let scaled = rotary::Problem::new([3, 4, 5, 2], 32, pairing);
        let scaled = rotary::Problem { layout, factor: 1.5, ..scaled };
        add(scaled.clone().at(rotary::Given::Narrow, |place| 3 - 1000 * place as i64));
        let layout = rotary::Layout { gap: 1, input_shift: 1, in_place: true, ..layout };
        let large = |token: usize| ((token as i64) << 34) + 77;
        add(rotary::Problem { layout, ..scaled.clone() }.at(rotary::Given::Wide, large));
        // Tables by position, some beyond them, and by token, in either type.
        let tables = rotary::Tables { pitch: 20, ..rotary::Tables::new(&[30], 12) };
        let by_position = rotary::Problem { tables: Some(tables), ..scaled.clone() };
        add(by_position.at(rotary::Given::Narrow, |place| [29, 3, 30, 0][place]));
        let tables = rotary::Tables { single: true, ..rotary::Tables::new(&[3, 4], 16) };
        add(rotary::Problem { tables: Some(tables), ..scaled });
    }
}

fn activation<T: activation::Real>(all: &mut Vec<Problem>) {
    use activation::Kind;
    let lanes = 16 / size_of::<T>();
    let mut add = |problem: activation::Problem<T>| all.push(Box::new(move |device| problem.check(device, "planted")));
    for (i, function) in Function::ALL.into_iter().enumerate() {
        // Values of every size, each in rows of its own, so that no large one hides the error of a small one.
        let mut rng = Rng::new(9);
        let sizes: Vec<T> = (-12..5).flat_map(|exponent| by_size(&mut rng, 2f64.powi(exponent))).collect();
        let wide: Vec<T> = sizes.iter().flat_map(|&value| [value; 8]).collect();
        for (input, width) in [(sizes, SAMPLES), (wide, 8 * SAMPLES)] {
            let (rows, kind) = (input.len() / width, Kind::ALL[i % 3]);
            let problem = activation::Problem { input, ..activation::Problem::new(function, kind, rows, width) };
            add(activation::Problem { grad_output: vec![T::from_f64(1.0); rows * width], ..problem });
        }
        // Where functions that are alike are furthest apart, below zero, by vectors and by elements.
        for width in [5 * lanes, 5 * lanes + 1] {
            let input: Vec<T> = (0..2 * width).map(|_| T::from_f64(rng.uniform(-4.0, -2.5))).collect();
            let problem = activation::Problem { input, ..activation::Problem::new(function, Kind::Plain, 2, width) };
            add(activation::Problem { grad_output: vec![T::from_f64(1.0); 2 * width], ..problem });
        }
        // Whole vectors, single elements, a vector that is cut; several tiles, and more than one block of rows.
        for (rows, width) in [(3, 41 * lanes), (2, 37 * lanes + 3), (131, 16 * lanes), (2, 2048)] {
            add(activation::Problem::new(function, Kind::ALL[(i + rows) % 3], rows, width));
        }
        let place = |gaps, shifts, in_place, kind| {
            // Rows at a distance, so many that a thread has several.
            let problem = activation::Problem::new(function, kind, 107, 8 * lanes);
            activation::Problem { gaps, shifts, in_place, ..problem }
        };
        add(place([lanes, 2 * lanes], [0, lanes], false, Kind::Packed));
        add(place([1, 2], [1, 0], true, Kind::ALL[i % 2]));
    }
}
