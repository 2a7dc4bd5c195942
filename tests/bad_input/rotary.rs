//! Bad input to rotary embedding.

use warpsmith::ops::rotary::{
    self, AnglesDesc, Direction, Frequencies, Operand, OperandDesc, Pairing, Positions, PositionsDesc, Rotate,
    RotateDesc, Scaling, plan,
};
use warpsmith::{DType, EmulatedDevice, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const BATCH: usize = 2;
const LENGTH: usize = 3;
const DIM: usize = 8;

/// Tensors of a rotation that would succeed: queries of two heads, keys of one.
struct Tensors {
    queries: Tensor,
    keys: Tensor,
    queries_out: Tensor,
    keys_out: Tensor,
    positions: Guarded<EmulatedDevice, i32>,
}

impl Tensors {
    fn new(device: &EmulatedDevice) -> Self {
        let place = |heads: usize| Place::matrix(BATCH * LENGTH * heads, DIM);
        Self {
            queries: normals(device, place(2), BATCH * LENGTH * 2 * DIM),
            keys: normals(device, place(1), BATCH * LENGTH * DIM),
            queries_out: Guarded::output(device, place(2)),
            keys_out: Guarded::output(device, place(1)),
            positions: Guarded::input(device, Place::matrix(BATCH, LENGTH), &[1, 2, 3, 4, 5, 6]),
        }
    }

    fn desc<'a>(&self, frequencies: &'a Frequencies) -> RotateDesc<'a> {
        let heads = |tensor: &Tensor, heads| shaped(tensor.desc(), [BATCH, LENGTH, heads, DIM]);
        RotateDesc {
            queries: OperandDesc { input: heads(&self.queries, 2), output: heads(&self.queries_out, 2) },
            keys: Some(OperandDesc { input: heads(&self.keys, 1), output: heads(&self.keys_out, 1) }),
            positions: PositionsDesc::Each(self.positions.desc()),
            angles: AnglesDesc::Frequencies(frequencies),
            pairing: Pairing::Half,
        }
    }
}

fn frequencies(rotated: usize) -> Frequencies {
    Frequencies::new(rotated, 10_000.0, Scaling::None).expect("frequencies")
}

fn run(device: &EmulatedDevice, desc: &RotateDesc<'_>, direction: Direction) -> Result<()> {
    let plan = plan(desc, direction, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

fn keys<'a>(desc: &'a mut RotateDesc<'_>) -> &'a mut OperandDesc {
    desc.keys.as_mut().expect("these tests have keys")
}

fn positions(desc: &mut RotateDesc<'_>, spoil: impl Fn(TensorDesc) -> TensorDesc) {
    if let PositionsDesc::Each(tensor) = desc.positions {
        desc.positions = PositionsDesc::Each(spoil(tensor));
    }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = Tensors::new(&device);
    run(&device, &tensors.desc(&frequencies(DIM)), Direction::Forward).unwrap();
    for output in [&tensors.queries_out, &tensors.keys_out] {
        assert!(output.read(&device).iter().all(|y| !y.is_nan()));
    }
}

type Spoil = fn(&mut RotateDesc<'_>);

#[test]
fn the_argument_is_named_and_nothing_is_written() {
    let cases: &[(&str, (&str, &str), Spoil)] = &[
        ("three dimensions", ("shape", "queries"), |d| {
            d.queries.input = shaped(d.queries.input, [BATCH * LENGTH, 2, DIM])
        }),
        ("no heads", ("shape", "keys"), |d| keys(d).input = shaped(keys(d).input, [BATCH, LENGTH, 0, DIM])),
        ("another queries_out", ("shape", "queries_out"), |d| {
            d.queries.output = shaped(d.queries.output, [BATCH, LENGTH, 1, DIM]);
        }),
        ("keys of more tokens", ("shape", "keys"), |d| {
            let more = [BATCH, LENGTH + 1, 1, DIM];
            *keys(d) = OperandDesc { input: shaped(keys(d).input, more), output: shaped(keys(d).output, more) };
        }),
        ("keys of shorter heads", ("shape", "keys"), |d| {
            let short = [BATCH, LENGTH, 1, DIM - 1];
            *keys(d) = OperandDesc { input: shaped(keys(d).input, short), output: shaped(keys(d).output, short) };
        }),
        ("positions for each head", ("shape", "positions"), |d| positions(d, |p| shaped(p, [BATCH * LENGTH * 2]))),
        ("gaps in a head", ("stride", "queries"), |d| d.queries.input = strided(d.queries.input, [96, 32, 16, 2])),
        ("keys of another type", ("dtype", "keys"), |d| {
            keys(d).input.dtype = DType::Bf16;
            keys(d).output.dtype = DType::Bf16;
        }),
        ("an output of another type", ("dtype", "keys_out"), |d| keys(d).output.dtype = DType::F16),
        ("positions in f32", ("dtype", "positions"), |d| positions(d, |p| TensorDesc { dtype: DType::F32, ..p })),
        ("queries off their elements", ("misaligned", "queries"), |d| d.queries.input.address += 2),
        ("no keys_out", ("null", "keys_out"), |d| keys(d).output.address = 0),
        ("the output in the keys", ("aliasing", "queries_out"), |d| {
            d.queries.output = at(d.queries.output, keys(d).input.address);
        }),
        ("an output beside its input", ("aliasing", "queries_out"), |d| {
            d.queries.output = at(d.queries.output, d.queries.input.address + 4);
        }),
        ("both outputs in one place", ("aliasing", "keys_out"), |d| {
            keys(d).output = at(keys(d).output, d.queries.output.address);
        }),
        ("an output in the positions", ("aliasing", "keys_out"), |d| {
            if let PositionsDesc::Each(tensor) = d.positions {
                keys(d).output = at(keys(d).output, tensor.address);
            }
        }),
        ("heads over one another", ("aliasing", "queries_out"), |d| {
            d.queries.output = strided(d.queries.output, [48, 16, 4, 1]);
        }),
        ("too many tokens", ("range", "queries"), |d| {
            let many = |tensor| strided(shaped(tensor, [1 << 20, 1 << 12, 2, DIM]), [0, 0, 8, 1]);
            d.queries = OperandDesc { input: many(d.queries.input), output: many(d.queries.output) };
            d.keys = None;
            d.positions = PositionsDesc::From(0);
        }),
        ("heads beyond the address space", ("range", "queries"), |d| {
            d.queries.input = strided(d.queries.input, [1 << 62, 16, 8, 1]);
        }),
    ];
    for (case, expected, spoil) in cases {
        for (direction, op) in [(Direction::Forward, "rotary::forward"), (Direction::Backward, "rotary::backward")] {
            let device = device();
            let (tensors, frequencies) = (Tensors::new(&device), frequencies(DIM));
            let mut desc = tensors.desc(&frequencies);
            spoil(&mut desc);
            assert_error(case, op, *expected, run(&device, &desc, direction));
            tensors.queries_out.assert_untouched(&device);
            tensors.keys_out.assert_untouched(&device);
        }
    }
    // More rotated elements than a head has.
    let device = device();
    let (tensors, long) = (Tensors::new(&device), frequencies(DIM + 2));
    let result = run(&device, &tensors.desc(&long), Direction::Forward);
    assert_error("long frequencies", "rotary::forward", ("shape", "queries"), result);
    tensors.queries_out.assert_untouched(&device);
}

fn tables(desc: &mut RotateDesc<'_>, spoil: impl Fn(&mut TensorDesc, &mut TensorDesc)) {
    if let AnglesDesc::Tables { cosines, sines } = &mut desc.angles {
        spoil(cosines, sines);
    }
}

#[test]
fn tables_that_do_not_fit_are_named() {
    let cases: &[(&str, (&str, &str), Spoil)] = &[
        ("one dimension", ("shape", "cosines"), |d| {
            tables(d, |cosines, _| *cosines = shaped(*cosines, [10 * DIM / 2]))
        }),
        ("tokens of another length", ("shape", "cosines"), |d| {
            tables(d, |cosines, _| *cosines = shaped(*cosines, [BATCH, LENGTH + 1, DIM / 2]));
        }),
        ("too few batches", ("shape", "cosines"), |d| {
            d.positions = PositionsDesc::From(0);
            tables(d, |cosines, _| *cosines = shaped(*cosines, [BATCH + 1, LENGTH, DIM / 2]));
        }),
        ("fewer sines", ("shape", "sines"), |d| tables(d, |_, sines| *sines = shaped(*sines, [9, DIM / 2]))),
        ("more pairs than a head has", ("shape", "queries"), |d| {
            tables(d, |cosines, sines| {
                *cosines = shaped(*cosines, [5, DIM]);
                *sines = shaped(*sines, [5, DIM]);
            });
        }),
        ("gaps between sines", ("stride", "sines"), |d| {
            tables(d, |_, sines| *sines = strided(*sines, [DIM as i64, 2]))
        }),
        ("cosines in bf16", ("dtype", "cosines"), |d| tables(d, |cosines, _| cosines.dtype = DType::Bf16)),
        ("sines in f16", ("dtype", "sines"), |d| tables(d, |_, sines| sines.dtype = DType::F16)),
        ("no sines", ("null", "sines"), |d| tables(d, |_, sines| sines.address = 0)),
        ("cosines off their elements", ("misaligned", "cosines"), |d| tables(d, |cosines, _| cosines.address += 2)),
        ("an output in the sines", ("aliasing", "queries_out"), |d| {
            let address = d.queries.output.address;
            tables(d, |_, sines| sines.address = address);
        }),
        ("cosines beyond the address space", ("range", "cosines"), |d| {
            tables(d, |cosines, _| *cosines = strided(*cosines, [1 << 61, 1]));
        }),
    ];
    let device = device();
    let values = normals(&device, Place::matrix(20, DIM / 2), 20 * DIM / 2);
    for (case, expected, spoil) in std::iter::once(&("right", ("", ""), (|_| {}) as Spoil)).chain(cases) {
        for (direction, op) in [(Direction::Forward, "rotary::forward"), (Direction::Backward, "rotary::backward")] {
            let (tensors, frequencies) = (Tensors::new(&device), frequencies(DIM));
            let cosines = shaped(values.desc(), [10, DIM / 2]);
            let sines = at(cosines, cosines.address + 10 * (DIM / 2 * size_of::<f32>()) as u64);
            let mut desc = RotateDesc { angles: AnglesDesc::Tables { cosines, sines }, ..tensors.desc(&frequencies) };
            spoil(&mut desc);
            let result = run(&device, &desc, direction);
            if *case == "right" {
                result.expect("tables that fit");
                continue;
            }
            assert_error(case, op, *expected, result);
            tensors.queries_out.assert_untouched(&device);
            tensors.keys_out.assert_untouched(&device);
        }
    }
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    let frequencies = frequencies(DIM);
    for argument in ["queries", "keys", "keys_out", "positions"] {
        let (mut tensors, mut others) = (Tensors::new(&here), Tensors::new(&there));
        match argument {
            "queries" => std::mem::swap(&mut tensors.queries, &mut others.queries),
            "keys" => std::mem::swap(&mut tensors.keys, &mut others.keys),
            "keys_out" => std::mem::swap(&mut tensors.keys_out, &mut others.keys_out),
            _ => std::mem::swap(&mut tensors.positions, &mut others.positions),
        }
        let Tensors { queries, keys, queries_out, keys_out, positions } = &mut tensors;
        let (rows, one, two) = ([BATCH, LENGTH, 1], [LENGTH, 1, 1], [LENGTH * 2, 2, 1]);
        let io = Rotate {
            queries: Operand::Into {
                input: queries.heads([BATCH, LENGTH, 2], two),
                output: queries_out.heads_mut([BATCH, LENGTH, 2], two),
            },
            keys: Some(Operand::Into { input: keys.heads(rows, one), output: keys_out.heads_mut(rows, one) }),
            positions: Positions::I32(positions.view()),
        };
        let result = rotary::forward(&here, io, &frequencies, Pairing::Half);
        assert_error(argument, "rotary::forward", ("device", argument), result);
        tensors.queries_out.assert_untouched(&here);
    }
}
