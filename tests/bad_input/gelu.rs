//! Bad input to GELU.

use warpsmith::ops::gelu::{
    self, Backward, BackwardDesc, Form, Forward, ForwardDesc, backward_workspace_bytes, plan_backward, plan_forward,
};
use warpsmith::{DType, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const ROWS: usize = 4;
const WIDTH: usize = 24;

/// The tensors of a forward pass that would succeed.
struct ForwardTensors {
    input: Tensor,
    bias: Tensor,
    output: Tensor,
}

impl ForwardTensors {
    fn new(device: &EmulatedDevice) -> Self {
        Self {
            input: normals(device, Place::matrix(ROWS, WIDTH), ROWS * WIDTH),
            bias: normals(device, Place::vector(WIDTH), WIDTH),
            output: Guarded::output(device, Place::matrix(ROWS, WIDTH)),
        }
    }

    fn desc(&self) -> ForwardDesc {
        let (input, bias, output) = (self.input.desc(), Some(self.bias.desc()), self.output.desc());
        ForwardDesc { form: Form::Erf, input, bias, output }
    }
}

fn run_forward(device: &EmulatedDevice, desc: &ForwardDesc) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = ForwardTensors::new(&device);
    run_forward(&device, &tensors.desc()).unwrap();
    assert!(tensors.output.read(&device).iter().all(|y| !y.is_nan()));
    let tensors = BackwardTensors::new(&device);
    run_backward(&device, &tensors.desc()).unwrap();
    assert!(tensors.grad_input.read(&device).iter().all(|dx| !dx.is_nan()));
    assert!(tensors.grad_bias.read(&device).iter().all(|db| !db.is_nan()));
}

type SpoilForward = fn(&mut ForwardDesc);

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilForward)] = &[
        ("no rows", ("shape", "input"), |d| d.input = shaped(d.input, [0, WIDTH])),
        ("no columns", ("shape", "input"), |d| d.input = shaped(d.input, [ROWS, 0])),
        ("an output of fewer rows", ("shape", "output"), |d| d.output = shaped(d.output, [ROWS - 1, WIDTH])),
        ("an output of as many elements", ("shape", "output"), |d| d.output = shaped(d.output, [WIDTH, ROWS])),
        ("an output of another rank", ("shape", "output"), |d| d.output = shaped(d.output, [ROWS * WIDTH])),
        ("an empty output", ("shape", "output"), |d| d.output = shaped(d.output, [ROWS, 0])),
        ("a short bias", ("shape", "bias"), |d| d.bias = d.bias.map(|bias| shaped(bias, [WIDTH - 1]))),
        ("a bias for each element", ("shape", "bias"), |d| d.bias = Some(shaped(d.input, [ROWS, WIDTH]))),
        ("an empty bias", ("shape", "bias"), |d| d.bias = d.bias.map(|bias| shaped(bias, [0]))),
        ("too few strides", ("stride", "input"), |d| d.input = strided(d.input, [1])),
        ("an input column by column", ("stride", "input"), |d| d.input = strided(d.input, [1, ROWS as i64])),
        ("an output column by column", ("stride", "output"), |d| d.output = strided(d.output, [1, ROWS as i64])),
        ("a bias with gaps", ("stride", "bias"), |d| d.bias = d.bias.map(|bias| strided(bias, [2]))),
        ("rows backwards", ("stride", "input"), |d| d.input = strided(d.input, [-(WIDTH as i64), 1])),
        ("rows at two distances", ("stride", "input"), |d| {
            d.input = strided(shaped(d.input, [2, 2, WIDTH]), [3 * WIDTH as i64, WIDTH as i64, 1]);
            d.output = shaped(d.output, [2, 2, WIDTH]);
        }),
        ("an output of another type", ("dtype", "output"), |d| d.output.dtype = DType::Bf16),
        ("a bias of another type", ("dtype", "bias"), |d| {
            d.bias = d.bias.map(|b| TensorDesc { dtype: DType::F16, ..b })
        }),
        ("an input off its elements", ("misaligned", "input"), |d| d.input.address += 2),
        ("an output off its elements", ("misaligned", "output"), |d| d.output.address += 1),
        ("a bias off its elements", ("misaligned", "bias"), |d| d.bias = d.bias.map(|b| at(b, b.address + 3))),
        ("no input", ("null", "input"), |d| d.input.address = 0),
        ("no output", ("null", "output"), |d| d.output.address = 0),
        ("a bias at null", ("null", "bias"), |d| d.bias = d.bias.map(|bias| at(bias, 0))),
        ("in place", ("aliasing", "output"), |d| d.output = d.input),
        ("the output's end in the input", ("aliasing", "output"), |d| {
            d.output.address = d.input.address - 4 * (ROWS * WIDTH - 1) as u64;
        }),
        ("the output on the bias", ("aliasing", "output"), |d| d.output.address = d.bias.unwrap().address),
        ("output rows over one another", ("aliasing", "output"), |d| {
            d.output = strided(d.output, [WIDTH as i64 - 1, 1]);
        }),
        ("all output rows in one place", ("aliasing", "output"), |d| d.output = strided(d.output, [0, 1])),
        ("rows too wide to be counted", ("range", "input"), |d| {
            let width = (1 << 31) + 1;
            d.input = shaped(d.input, [1, width]);
            d.output = at(shaped(d.output, [1, width]), 1 << 60);
            d.bias = Some(at(shaped(d.input, [width]), 1 << 61));
        }),
        ("more elements than an i64 counts", ("range", "input"), |d| {
            d.input = strided(shaped(d.input, [1 << 40, 1 << 40]), [1 << 40, 1]);
        }),
        ("rows beyond the address space", ("range", "input"), |d| d.input = strided(d.input, [1 << 61, 1])),
        ("more vectors than a grid has threads", ("range", "input"), |d| {
            d.bias = None;
            d.input = shaped(d.input, [1 << 44]);
            d.output = at(shaped(d.output, [1 << 44]), 1 << 60);
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = ForwardTensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "gelu::forward", *expected, run_forward(&device, &desc));
        tensors.output.assert_untouched(&device);
        // An output that was put over an input would have been written there.
        tensors.input.read(&device);
        tensors.bias.read(&device);
    }
}

#[test]
fn an_element_type_without_a_kernel_is_unsupported() {
    let device = device();
    let tensors = ForwardTensors::new(&device);
    let mut desc = tensors.desc();
    desc.input.dtype = DType::U8;
    desc.output.dtype = DType::U8;
    let error = run_forward(&device, &desc).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what, .. } if what == "a tensor of u8"), "{error}");
    tensors.output.assert_untouched(&device);
}

/// The tensors of a backward pass that would succeed.
struct BackwardTensors {
    grad_output: Tensor,
    input: Tensor,
    bias: Tensor,
    grad_input: Tensor,
    grad_bias: Tensor,
    workspace: Guarded<EmulatedDevice, u8>,
}

impl BackwardTensors {
    fn new(device: &EmulatedDevice) -> Self {
        let matrix = Place::matrix(ROWS, WIDTH);
        let bytes = backward_workspace_bytes([ROWS, WIDTH], DType::F32);
        Self {
            grad_output: normals(device, matrix, ROWS * WIDTH),
            input: normals(device, matrix, ROWS * WIDTH),
            bias: normals(device, Place::vector(WIDTH), WIDTH),
            grad_input: Guarded::output(device, matrix),
            grad_bias: Guarded::output(device, Place::vector(WIDTH)),
            workspace: Guarded::output(device, Place::vector(bytes)),
        }
    }

    fn desc(&self) -> BackwardDesc {
        BackwardDesc {
            form: Form::Tanh,
            grad_output: self.grad_output.desc(),
            input: self.input.desc(),
            bias: Some(self.bias.desc()),
            grad_input: self.grad_input.desc(),
            grad_bias: Some(self.grad_bias.desc()),
            workspace: Some(self.workspace.desc()),
        }
    }
}

fn run_backward(device: &EmulatedDevice, desc: &BackwardDesc) -> Result<()> {
    let plan = plan_backward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launches.
    unsafe { plan.launch(device) }
}

type SpoilBackward = fn(&mut BackwardDesc);

#[test]
fn backward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilBackward)] = &[
        ("an empty input", ("shape", "input"), |d| d.input = shaped(d.input, [0, WIDTH])),
        ("another grad_output", ("shape", "grad_output"), |d| d.grad_output = shaped(d.grad_output, [ROWS, WIDTH - 1])),
        ("another grad_input", ("shape", "grad_input"), |d| d.grad_input = shaped(d.grad_input, [ROWS + 1, WIDTH])),
        ("a long bias", ("shape", "bias"), |d| d.bias = d.bias.map(|bias| shaped(bias, [WIDTH + 1]))),
        ("a short grad_bias", ("shape", "grad_bias"), |d| d.grad_bias = d.grad_bias.map(|g| shaped(g, [WIDTH - 1]))),
        ("a turned grad_output", ("stride", "grad_output"), |d| d.grad_output = strided(d.grad_output, [1, 4])),
        ("a grad_bias with gaps", ("stride", "grad_bias"), |d| d.grad_bias = d.grad_bias.map(|g| strided(g, [2]))),
        ("a grad_output of another type", ("dtype", "grad_output"), |d| d.grad_output.dtype = DType::F16),
        ("a grad_input of another type", ("dtype", "grad_input"), |d| d.grad_input.dtype = DType::Bf16),
        ("a grad_bias of another type", ("dtype", "grad_bias"), |d| {
            d.grad_bias = d.grad_bias.map(|g| TensorDesc { dtype: DType::F16, ..g });
        }),
        ("a workspace of floats", ("dtype", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| TensorDesc { dtype: DType::F32, ..w });
        }),
        ("a grad_input off its elements", ("misaligned", "grad_input"), |d| d.grad_input.address += 2),
        ("a workspace off 16 bytes", ("misaligned", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| at(w, w.address + 8))
        }),
        ("no grad_output", ("null", "grad_output"), |d| d.grad_output.address = 0),
        ("in place", ("aliasing", "grad_input"), |d| d.grad_input = d.grad_output),
        ("over the input", ("aliasing", "grad_input"), |d| d.grad_input = d.input),
        ("grad_bias on the bias", ("aliasing", "grad_bias"), |d| d.grad_bias = d.bias),
        ("grad_bias in grad_input", ("aliasing", "grad_bias"), |d| d.grad_bias = Some(shaped(d.grad_input, [WIDTH]))),
        ("the workspace on grad_bias", ("aliasing", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| at(w, d.grad_bias.unwrap().address));
        }),
        ("a workspace a byte too small", ("size", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| shaped(w, [w.shape[0] - 1]));
        }),
        ("no workspace", ("size", "workspace"), |d| d.workspace = None),
        ("rows beyond the address space", ("range", "grad_output"), |d| {
            d.grad_output = strided(d.grad_output, [1 << 61, 1])
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = BackwardTensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "gelu::backward", *expected, run_backward(&device, &desc));
        tensors.grad_input.assert_untouched(&device);
        tensors.grad_bias.assert_untouched(&device);
        tensors.workspace.assert_untouched(&device);
        tensors.grad_output.read(&device);
        tensors.input.read(&device);
    }
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    for argument in ["input", "bias", "output"] {
        let mut tensors = ForwardTensors::new(&here);
        let mut others = ForwardTensors::new(&there);
        match argument {
            "input" => std::mem::swap(&mut tensors.input, &mut others.input),
            "bias" => std::mem::swap(&mut tensors.bias, &mut others.bias),
            _ => std::mem::swap(&mut tensors.output, &mut others.output),
        }
        let ForwardTensors { input, bias, output } = &mut tensors;
        let io = Forward { input: input.view(), bias: Some(bias.view()), output: output.view_mut() };
        assert_error(argument, "gelu::forward", ("device", argument), gelu::forward(&here, io, Form::Erf));
        let owner = if argument == "output" { &there } else { &here };
        tensors.output.assert_untouched(owner);
    }
    for argument in ["grad_output", "workspace", "grad_bias"] {
        let mut tensors = BackwardTensors::new(&here);
        let mut others = BackwardTensors::new(&there);
        match argument {
            "grad_output" => std::mem::swap(&mut tensors.grad_output, &mut others.grad_output),
            "workspace" => std::mem::swap(&mut tensors.workspace, &mut others.workspace),
            _ => std::mem::swap(&mut tensors.grad_bias, &mut others.grad_bias),
        }
        let BackwardTensors { grad_output, input, bias, grad_input, grad_bias, workspace } = &mut tensors;
        let io = Backward {
            grad_output: grad_output.view(),
            input: input.view(),
            bias: Some(bias.view()),
            grad_input: grad_input.view_mut(),
            grad_bias: Some(grad_bias.view_mut()),
            workspace: Some(workspace.view_mut()),
        };
        assert_error(argument, "gelu::backward", ("device", argument), gelu::backward(&here, io, Form::Erf));
        tensors.grad_input.assert_untouched(&here);
    }
}
