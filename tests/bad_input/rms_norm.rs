//! Bad input to RMS norm.

use warpsmith::ops::rms_norm::{
    self, Backward, BackwardDesc, Casting, Forward, ForwardDesc, MAX_WIDTH, Residual, ResidualDesc,
    backward_workspace_bytes, plan_backward, plan_forward,
};
use warpsmith::{DType, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const ROWS: usize = 6;
const WIDTH: usize = 20;

/// The tensors of a forward pass that would succeed.
struct ForwardTensors {
    input: Tensor,
    residual: Tensor,
    weight: Tensor,
    output: Tensor,
    sum: Tensor,
    rstd: Tensor,
}

impl ForwardTensors {
    fn new(device: &EmulatedDevice) -> Self {
        let (matrix, columns, rows) = (Place::matrix(ROWS, WIDTH), Place::vector(WIDTH), Place::vector(ROWS));
        Self {
            input: normals(device, matrix, ROWS * WIDTH),
            residual: normals(device, matrix, ROWS * WIDTH),
            weight: normals(device, columns, WIDTH),
            output: Guarded::output(device, matrix),
            sum: Guarded::output(device, matrix),
            rstd: Guarded::output(device, rows),
        }
    }

    fn outputs(&self) -> [&Tensor; 3] {
        [&self.output, &self.sum, &self.rstd]
    }

    fn desc(&self) -> ForwardDesc {
        ForwardDesc {
            input: self.input.desc(),
            residual: Some(ResidualDesc { residual: self.residual.desc(), sum: self.sum.desc() }),
            weight: Some(self.weight.desc()),
            output: self.output.desc(),
            rstd: Some(self.rstd.desc()),
            epsilon: 1e-5,
            casting: Casting::Gemma,
        }
    }
}

fn run_forward(device: &EmulatedDevice, desc: &ForwardDesc) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

/// The residual's two tensors, which these tests have.
fn residual(desc: &mut ForwardDesc) -> &mut ResidualDesc {
    desc.residual.as_mut().expect("these tests have a residual")
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = ForwardTensors::new(&device);
    run_forward(&device, &tensors.desc()).unwrap();
    assert!(tensors.outputs().iter().all(|output| output.read(&device).iter().all(|y| !y.is_nan())));
    let tensors = BackwardTensors::new(&device);
    run_backward(&device, &tensors.desc()).unwrap();
    assert!(tensors.outputs().iter().all(|output| output.read(&device).iter().all(|dx| !dx.is_nan())));
}

type SpoilForward = fn(&mut ForwardDesc);

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilForward)] = &[
        ("no rows", ("shape", "input"), |d| d.input = shaped(d.input, [0, WIDTH])),
        ("no columns", ("shape", "input"), |d| d.input = shaped(d.input, [ROWS, 0])),
        ("another residual", ("shape", "residual"), |d| {
            residual(d).residual = shaped(residual(d).residual, [WIDTH, ROWS]);
        }),
        ("another sum", ("shape", "sum"), |d| residual(d).sum = shaped(residual(d).sum, [ROWS, WIDTH - 1])),
        ("a short weight", ("shape", "weight"), |d| d.weight = d.weight.map(|w| shaped(w, [WIDTH - 1]))),
        ("an output of fewer rows", ("shape", "output"), |d| d.output = shaped(d.output, [ROWS - 1, WIDTH])),
        ("an rstd of two dimensions", ("shape", "rstd"), |d| d.rstd = d.rstd.map(|r| shaped(r, [ROWS, 1]))),
        ("an input column by column", ("stride", "input"), |d| d.input = strided(d.input, [1, ROWS as i64])),
        ("an output with gaps in its rows", ("stride", "output"), |d| d.output = strided(d.output, [40, 2])),
        ("rows backwards", ("stride", "input"), |d| d.input = strided(d.input, [-(WIDTH as i64), 1])),
        ("a weight with gaps", ("stride", "weight"), |d| d.weight = d.weight.map(|w| strided(w, [3]))),
        ("an rstd with gaps", ("stride", "rstd"), |d| d.rstd = d.rstd.map(|r| strided(r, [2]))),
        ("a residual of another type", ("dtype", "residual"), |d| residual(d).residual.dtype = DType::F16),
        ("a weight of another type", ("dtype", "weight"), |d| {
            d.weight = d.weight.map(|w| TensorDesc { dtype: DType::Bf16, ..w });
        }),
        ("an output of another type", ("dtype", "output"), |d| d.output.dtype = DType::Bf16),
        ("an rstd that is not f32", ("dtype", "rstd"), |d| {
            d.rstd = d.rstd.map(|r| TensorDesc { dtype: DType::Bf16, ..r })
        }),
        ("an input off its elements", ("misaligned", "input"), |d| d.input.address += 2),
        ("an rstd off its elements", ("misaligned", "rstd"), |d| d.rstd = d.rstd.map(|r| at(r, r.address + 1))),
        ("no output", ("null", "output"), |d| d.output.address = 0),
        ("a weight at null", ("null", "weight"), |d| d.weight = d.weight.map(|w| at(w, 0))),
        ("rstd on the weight", ("aliasing", "rstd"), |d| d.rstd = d.rstd.map(|r| at(r, d.weight.unwrap().address))),
        ("in place", ("aliasing", "output"), |d| d.output = d.input),
        ("the sum in the residual", ("aliasing", "sum"), |d| residual(d).sum = residual(d).residual),
        ("the sum in the output", ("aliasing", "sum"), |d| residual(d).sum = d.output),
        ("output rows over one another", ("aliasing", "output"), |d| d.output = strided(d.output, [1, 1])),
        ("a row too wide", ("range", "input"), |d| d.input = shaped(d.input, [1, MAX_WIDTH + 1])),
        ("too many rows", ("range", "input"), |d| d.input = shaped(d.input, [1 << 32, WIDTH])),
        ("rows beyond the address space", ("range", "input"), |d| d.input = strided(d.input, [1 << 61, 1])),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = ForwardTensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "rms_norm::forward", *expected, run_forward(&device, &desc));
        tensors.outputs().iter().for_each(|output| output.assert_untouched(&device));
    }
}

#[test]
fn an_epsilon_that_is_no_small_number_is_unsupported() {
    let device = device();
    let tensors = ForwardTensors::new(&device);
    for epsilon in [-1e-5, f32::NAN, f32::INFINITY] {
        let error = run_forward(&device, &ForwardDesc { epsilon, ..tensors.desc() }).unwrap_err();
        assert!(matches!(&error, Error::Unsupported { what, .. } if what.contains("epsilon")), "{error}");
        tensors.outputs().iter().for_each(|output| output.assert_untouched(&device));
    }
}

/// The tensors of a backward pass that would succeed.
struct BackwardTensors {
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    rstd: Tensor,
    grad_sum: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    workspace: Guarded<EmulatedDevice, u8>,
}

impl BackwardTensors {
    fn new(device: &EmulatedDevice) -> Self {
        let (matrix, columns, rows) = (Place::matrix(ROWS, WIDTH), Place::vector(WIDTH), Place::vector(ROWS));
        Self {
            grad_output: normals(device, matrix, ROWS * WIDTH),
            input: normals(device, matrix, ROWS * WIDTH),
            weight: normals(device, columns, WIDTH),
            rstd: normals(device, rows, ROWS),
            grad_sum: normals(device, matrix, ROWS * WIDTH),
            grad_input: Guarded::output(device, matrix),
            grad_weight: Guarded::output(device, columns),
            workspace: Guarded::output(device, Place::vector(backward_workspace_bytes([ROWS, WIDTH]))),
        }
    }

    fn outputs(&self) -> [&Tensor; 2] {
        [&self.grad_input, &self.grad_weight]
    }

    fn desc(&self) -> BackwardDesc {
        BackwardDesc {
            grad_output: self.grad_output.desc(),
            input: self.input.desc(),
            weight: Some(self.weight.desc()),
            rstd: self.rstd.desc(),
            grad_sum: Some(self.grad_sum.desc()),
            grad_input: self.grad_input.desc(),
            grad_weight: Some(self.grad_weight.desc()),
            workspace: Some(self.workspace.desc()),
            casting: Casting::Llama,
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
        ("an empty input", ("shape", "input"), |d| d.input = shaped(d.input, [ROWS, 0])),
        ("another grad_output", ("shape", "grad_output"), |d| d.grad_output = shaped(d.grad_output, [WIDTH, ROWS])),
        ("another grad_sum", ("shape", "grad_sum"), |d| d.grad_sum = d.grad_sum.map(|g| shaped(g, [1, WIDTH]))),
        ("another grad_input", ("shape", "grad_input"), |d| d.grad_input = shaped(d.grad_input, [ROWS * WIDTH])),
        ("a long grad_weight", ("shape", "grad_weight"), |d| {
            d.grad_weight = d.grad_weight.map(|g| shaped(g, [WIDTH + 1]));
        }),
        ("one rstd", ("shape", "rstd"), |d| d.rstd = shaped(d.rstd, [1])),
        ("a turned grad_output", ("stride", "grad_output"), |d| d.grad_output = strided(d.grad_output, [1, 6])),
        ("a grad_input of another type", ("dtype", "grad_input"), |d| d.grad_input.dtype = DType::F16),
        ("an rstd that is not f32", ("dtype", "rstd"), |d| d.rstd.dtype = DType::F16),
        ("a workspace of floats", ("dtype", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| TensorDesc { dtype: DType::F32, ..w });
        }),
        ("a grad_weight off its elements", ("misaligned", "grad_weight"), |d| {
            d.grad_weight = d.grad_weight.map(|g| at(g, g.address + 2));
        }),
        ("a workspace off 16 bytes", ("misaligned", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| at(w, w.address + 4));
        }),
        ("no rstd", ("null", "rstd"), |d| d.rstd.address = 0),
        ("in place", ("aliasing", "grad_input"), |d| d.grad_input = d.grad_output),
        ("over grad_sum", ("aliasing", "grad_input"), |d| d.grad_input = d.grad_sum.unwrap()),
        ("grad_weight on the weight", ("aliasing", "grad_weight"), |d| d.grad_weight = d.weight),
        ("the workspace in grad_input", ("aliasing", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| at(w, d.grad_input.address));
        }),
        ("a workspace a byte too small", ("size", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| shaped(w, [w.shape[0] - 1]));
        }),
        ("no workspace", ("size", "workspace"), |d| d.workspace = None),
        ("a row too wide", ("range", "input"), |d| d.input = shaped(d.input, [1, MAX_WIDTH + 1])),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = BackwardTensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "rms_norm::backward", *expected, run_backward(&device, &desc));
        tensors.outputs().iter().for_each(|output| output.assert_untouched(&device));
        tensors.workspace.assert_untouched(&device);
    }
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    for argument in ["input", "residual", "sum", "weight", "output"] {
        let mut tensors = ForwardTensors::new(&here);
        let mut others = ForwardTensors::new(&there);
        let pair = match argument {
            "input" => (&mut tensors.input, &mut others.input),
            "residual" => (&mut tensors.residual, &mut others.residual),
            "sum" => (&mut tensors.sum, &mut others.sum),
            "weight" => (&mut tensors.weight, &mut others.weight),
            _ => (&mut tensors.output, &mut others.output),
        };
        std::mem::swap(pair.0, pair.1);
        let ForwardTensors { input, residual, weight, output, sum, rstd } = &mut tensors;
        let io = Forward {
            input: input.view(),
            residual: Some(Residual { residual: residual.view(), sum: sum.view_mut() }),
            weight: Some(weight.view()),
            output: output.view_mut(),
            rstd: Some(rstd.view_mut()),
        };
        assert_error(
            argument,
            "rms_norm::forward",
            ("device", argument),
            rms_norm::forward(&here, io, 1e-5, Casting::None),
        );
        tensors.rstd.assert_untouched(&here);
    }
    let mut tensors = BackwardTensors::new(&here);
    tensors.workspace = BackwardTensors::new(&there).workspace;
    let BackwardTensors { grad_output, input, weight, rstd, grad_sum, grad_input, grad_weight, workspace } =
        &mut tensors;
    let io = Backward {
        grad_output: grad_output.view(),
        input: input.view(),
        weight: Some(weight.view()),
        rstd: rstd.view(),
        grad_sum: Some(grad_sum.view()),
        grad_input: grad_input.view_mut(),
        grad_weight: Some(grad_weight.view_mut()),
        workspace: Some(workspace.view_mut()),
    };
    assert_error(
        "workspace",
        "rms_norm::backward",
        ("device", "workspace"),
        rms_norm::backward(&here, io, Casting::None),
    );
    tensors.outputs().iter().for_each(|output| output.assert_untouched(&here));
}
