//! Bad input to activations.

use warpsmith::ops::activation::{
    self, Backward, BackwardDesc, Forward, ForwardDesc, Function, GateDesc, Input, InputMut, plan_backward,
    plan_forward,
};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const ROWS: usize = 5;
const WIDTH: usize = 12;

/// Tensors of both passes of a gated unit that would succeed.
struct Tensors {
    grad_output: Tensor,
    gate: Tensor,
    up: Tensor,
    output: Tensor,
    grad_gate: Tensor,
    grad_up: Tensor,
}

impl Tensors {
    fn new(device: &EmulatedDevice) -> Self {
        let place = Place::matrix(ROWS, WIDTH);
        let (input, output) = (|| normals(device, place, ROWS * WIDTH), || Guarded::output(device, place));
        Self {
            grad_output: input(),
            gate: input(),
            up: input(),
            output: output(),
            grad_gate: output(),
            grad_up: output(),
        }
    }

    fn outputs(&self) -> [&Tensor; 3] {
        [&self.output, &self.grad_gate, &self.grad_up]
    }

    fn forward(&self) -> ForwardDesc {
        let (input, up, output) = (self.gate.desc(), Some(self.up.desc()), self.output.desc());
        ForwardDesc { function: Function::Silu, input, up, output }
    }

    fn backward(&self) -> BackwardDesc {
        BackwardDesc {
            function: Function::Silu,
            grad_output: self.grad_output.desc(),
            input: self.gate.desc(),
            grad_input: self.grad_gate.desc(),
            gate: Some(GateDesc { up: self.up.desc(), grad_up: self.grad_up.desc() }),
        }
    }
}

fn run_forward(device: &EmulatedDevice, desc: &ForwardDesc) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

fn run_backward(device: &EmulatedDevice, desc: &BackwardDesc) -> Result<()> {
    let plan = plan_backward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

fn gate(desc: &mut BackwardDesc) -> &mut GateDesc {
    desc.gate.as_mut().expect("these tests are gated")
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = Tensors::new(&device);
    run_forward(&device, &tensors.forward()).unwrap();
    run_backward(&device, &tensors.backward()).unwrap();
    assert!(tensors.outputs().iter().all(|output| output.read(&device).iter().all(|y| !y.is_nan())));
}

type SpoilForward = fn(&mut ForwardDesc);

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilForward)] = &[
        ("an empty gate", ("shape", "gate"), |d| d.input = shaped(d.input, [0, WIDTH])),
        ("another up", ("shape", "up"), |d| d.up = d.up.map(|up| shaped(up, [WIDTH, ROWS]))),
        ("a flat output", ("shape", "output"), |d| d.output = shaped(d.output, [ROWS * WIDTH])),
        ("a gate column by column", ("stride", "gate"), |d| d.input = strided(d.input, [1, 5])),
        ("an up of another type", ("dtype", "up"), |d| {
            d.up = d.up.map(|up| warpsmith::TensorDesc { dtype: DType::F16, ..up });
        }),
        ("a gate off its elements", ("misaligned", "gate"), |d| d.input.address += 2),
        ("no output", ("null", "output"), |d| d.output.address = 0),
        ("an output that begins in the gate", ("aliasing", "output"), |d| d.output = at(d.output, d.input.address + 4)),
        ("the gate's memory in other rows", ("aliasing", "output"), |d| {
            d.output = strided(at(d.output, d.input.address), [WIDTH as i64 + 1, 1]);
        }),
        ("output rows over one another", ("aliasing", "output"), |d| d.output = strided(d.output, [3, 1])),
        ("a plain input", ("shape", "input"), |d| {
            d.up = None;
            d.input = shaped(d.input, [0]);
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.forward();
        spoil(&mut desc);
        assert_error(case, "activation::forward", *expected, run_forward(&device, &desc));
        tensors.output.assert_untouched(&device);
    }
}

type SpoilBackward = fn(&mut BackwardDesc);

#[test]
fn backward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilBackward)] = &[
        ("another grad_output", ("shape", "grad_output"), |d| d.grad_output = shaped(d.grad_output, [ROWS, 1])),
        ("another grad_gate", ("shape", "grad_gate"), |d| d.grad_input = shaped(d.grad_input, [ROWS, WIDTH - 1])),
        ("another grad_up", ("shape", "grad_up"), |d| gate(d).grad_up = shaped(gate(d).grad_up, [1, WIDTH])),
        ("gaps in an up", ("stride", "up"), |d| gate(d).up = strided(gate(d).up, [24, 2])),
        ("a grad_up of another type", ("dtype", "grad_up"), |d| gate(d).grad_up.dtype = DType::Bf16),
        ("a grad_gate off its elements", ("misaligned", "grad_gate"), |d| d.grad_input.address += 1),
        ("no up", ("null", "up"), |d| gate(d).up.address = 0),
        ("both gradients in one place", ("aliasing", "grad_up"), |d| gate(d).grad_up = d.grad_input),
        ("grad_gate across the up", ("aliasing", "grad_gate"), |d| {
            d.grad_input = at(d.grad_input, gate(d).up.address + 8);
        }),
        ("a plain gradient across its input", ("aliasing", "grad_input"), |d| {
            d.gate = None;
            d.grad_input = at(d.grad_input, d.input.address + 8);
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.backward();
        spoil(&mut desc);
        assert_error(case, "activation::backward", *expected, run_backward(&device, &desc));
        tensors.grad_gate.assert_untouched(&device);
        tensors.grad_up.assert_untouched(&device);
    }
}

/// A packed tensor has to have two halves, and a gradient has to be gated where the input is.
#[test]
fn halves_that_do_not_fit() -> Result<()> {
    let device = device();
    let (odd, mut out) = (device.upload(&[1.0_f32; 15])?, device.upload(&[f32::NAN; 15])?);
    let tensors = Forward { input: Input::Packed(odd.view([3, 5])?), output: out.view_mut([15])? };
    let result = activation::forward(&device, tensors, Function::Silu);
    assert_error("an odd width", "activation::forward", ("shape", "input"), result);

    let (even, dy) = (device.upload(&[1.0_f32; 16])?, device.upload(&[1.0_f32; 8])?);
    let tensors = Backward {
        grad_output: dy.view([2, 4])?,
        input: Input::Packed(even.view([2, 8])?),
        grad_input: InputMut::Plain(out.strided_mut(0, [2, 4], [4, 1])?),
    };
    let result = activation::backward(&device, tensors, Function::Silu);
    assert!(matches!(result, Err(Error::Unsupported { op: "activation::backward", .. })), "{result:?}");
    assert!(device.download(&out)?.iter().all(|value| value.is_nan()));
    Ok(())
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    for argument in ["gate", "up", "output"] {
        let (mut tensors, mut others) = (Tensors::new(&here), Tensors::new(&there));
        match argument {
            "gate" => std::mem::swap(&mut tensors.gate, &mut others.gate),
            "up" => std::mem::swap(&mut tensors.up, &mut others.up),
            _ => std::mem::swap(&mut tensors.output, &mut others.output),
        }
        let input = Input::Gated { gate: tensors.gate.view(), up: tensors.up.view() };
        let io = Forward { input, output: tensors.output.view_mut() };
        let result = activation::forward(&here, io, Function::Silu);
        assert_error(argument, "activation::forward", ("device", argument), result);
        let device = if argument == "output" { &there } else { &here };
        tensors.output.assert_untouched(device);
    }
    let mut tensors = Tensors::new(&here);
    let mut others = Tensors::new(&there);
    let input = InputMut::Gated { gate: tensors.gate.view_mut(), up: others.up.view_mut() };
    let result = activation::backward_in_place(&here, tensors.grad_output.view(), input, Function::Silu);
    assert_error("up", "activation::backward", ("device", "up"), result);
}
