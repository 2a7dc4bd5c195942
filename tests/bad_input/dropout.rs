//! Bad input to dropout.

use warpsmith::ops::dropout::{self, BackwardDesc, Forward, ForwardDesc, plan_backward, plan_forward};
use warpsmith::random::{self, Random, RandomDesc};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const ROWS: usize = 5;
const WIDTH: usize = 12;

/// Tensors of both passes that would succeed.
struct Tensors {
    input: Tensor,
    residual: Tensor,
    output: Tensor,
    state: Guarded<EmulatedDevice, i64>,
}

impl Tensors {
    fn new(device: &EmulatedDevice) -> Self {
        let place = Place::matrix(ROWS, WIDTH);
        let (input, residual) = (normals(device, place, ROWS * WIDTH), normals(device, place, ROWS * WIDTH));
        let state = Guarded::input(device, Place::vector(2), &random::state(1, 2));
        Self { input, residual, output: Guarded::output(device, place), state }
    }

    fn random(&self) -> RandomDesc {
        RandomDesc { state: self.state.desc(), offset: 3 }
    }

    fn forward(&self) -> ForwardDesc {
        let (input, residual, output) = (self.input.desc(), Some(self.residual.desc()), self.output.desc());
        ForwardDesc { input, residual, output, random: self.random(), probability: 0.5 }
    }

    fn backward(&self) -> BackwardDesc {
        let (grad_output, grad_input) = (self.input.desc(), self.output.desc());
        BackwardDesc { grad_output, grad_input, random: self.random(), probability: 0.5 }
    }
}

fn run_forward(device: &EmulatedDevice, desc: &ForwardDesc) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

fn run_backward(device: &EmulatedDevice, desc: &BackwardDesc) -> Result<()> {
    let plan = plan_backward(desc, device.caps())?;
    // SAFETY: as above.
    unsafe { plan.launch(device) }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    for backward in [false, true] {
        let tensors = Tensors::new(&device);
        match backward {
            false => run_forward(&device, &tensors.forward()).unwrap(),
            true => run_backward(&device, &tensors.backward()).unwrap(),
        }
        assert!(tensors.output.read(&device).iter().all(|value| !value.is_nan()));
    }
}

type SpoilForward = fn(&mut ForwardDesc);

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilForward)] = &[
        ("an empty input", ("shape", "input"), |d| d.input = shaped(d.input, [0, WIDTH])),
        ("another residual", ("shape", "residual"), |d| d.residual = d.residual.map(|r| shaped(r, [WIDTH, ROWS]))),
        ("a flat output", ("shape", "output"), |d| d.output = shaped(d.output, [ROWS * WIDTH])),
        ("an input column by column", ("stride", "input"), |d| d.input = strided(d.input, [1, 5])),
        ("a residual of another type", ("dtype", "residual"), |d| {
            d.residual = d.residual.map(|r| TensorDesc { dtype: DType::F16, ..r });
        }),
        ("an input off its elements", ("misaligned", "input"), |d| d.input.address += 2),
        ("no output", ("null", "output"), |d| d.output.address = 0),
        ("an output that begins in the input", ("aliasing", "output"), |d| {
            d.output = at(d.output, d.input.address + 4)
        }),
        ("output rows over one another", ("aliasing", "output"), |d| d.output = strided(d.output, [3, 1])),
        ("the residual's memory in other rows", ("aliasing", "output"), |d| {
            let residual = d.residual.expect("these tests have one");
            d.output = strided(at(d.output, residual.address), [WIDTH as i64 + 1, 1]);
        }),
        ("an output over the state", ("aliasing", "output"), |d| d.output = at(d.output, d.random.state.address - 8)),
        ("a state of three", ("shape", "state"), |d| d.random.state = shaped(d.random.state, [3])),
        ("a state with gaps", ("stride", "state"), |d| d.random.state = strided(d.random.state, [2])),
        ("a state of i32", ("dtype", "state"), |d| d.random.state.dtype = DType::I32),
        ("a state off its elements", ("misaligned", "state"), |d| d.random.state.address += 4),
        ("no state", ("null", "state"), |d| d.random.state.address = 0),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.forward();
        spoil(&mut desc);
        assert_error(case, "dropout::forward", *expected, run_forward(&device, &desc));
        tensors.output.assert_untouched(&device);
    }
}

type SpoilBackward = fn(&mut BackwardDesc);

#[test]
fn backward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilBackward)] = &[
        ("an empty gradient", ("shape", "grad_output"), |d| d.grad_output = shaped(d.grad_output, [ROWS, 0])),
        ("another grad_input", ("shape", "grad_input"), |d| d.grad_input = shaped(d.grad_input, [ROWS, WIDTH - 1])),
        ("a grad_input across the gradient", ("aliasing", "grad_input"), |d| {
            d.grad_input = at(d.grad_input, d.grad_output.address + 8);
        }),
        ("no state", ("null", "state"), |d| d.random.state.address = 0),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.backward();
        spoil(&mut desc);
        assert_error(case, "dropout::backward", *expected, run_backward(&device, &desc));
        tensors.output.assert_untouched(&device);
    }
}

#[test]
fn probabilities_and_element_types_that_are_none() {
    let device = device();
    let tensors = Tensors::new(&device);
    for probability in [-0.1, 1.001, f32::NAN, f32::INFINITY] {
        let result = run_forward(&device, &ForwardDesc { probability, ..tensors.forward() });
        assert!(
            matches!(&result, Err(Error::Unsupported { op: "dropout::forward", what, .. }) if what.contains("probability"))
        );
        let result = run_backward(&device, &BackwardDesc { probability, ..tensors.backward() });
        assert!(matches!(result, Err(Error::Unsupported { op: "dropout::backward", .. })));
    }
    let mut desc = tensors.forward();
    desc.input.dtype = DType::I32;
    let result = run_forward(&device, &desc);
    assert!(matches!(&result, Err(Error::Unsupported { what, .. }) if what.contains("i32")), "{result:?}");
    tensors.output.assert_untouched(&device);
}

#[test]
fn tensors_of_another_device_are_refused() -> Result<()> {
    let (here, there) = (device(), device());
    for argument in ["input", "residual", "output", "state"] {
        let (mut tensors, mut others) = (Tensors::new(&here), Tensors::new(&there));
        match argument {
            "input" => std::mem::swap(&mut tensors.input, &mut others.input),
            "residual" => std::mem::swap(&mut tensors.residual, &mut others.residual),
            "output" => std::mem::swap(&mut tensors.output, &mut others.output),
            _ => {}
        }
        let state = if argument == "state" { &there } else { &here }.upload(&random::state(0, 0))?;
        let random = Random { state: state.view([2])?, offset: 0 };
        let (input, residual) = (tensors.input.view(), Some(tensors.residual.view()));
        let io = Forward { input, residual, output: tensors.output.view_mut() };
        let result = dropout::forward(&here, io, random, 0.5);
        assert_error(argument, "dropout::forward", ("device", argument), result);
        tensors.output.assert_untouched(if argument == "output" { &there } else { &here });
    }
    Ok(())
}
