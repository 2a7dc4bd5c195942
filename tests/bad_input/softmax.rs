//! Bad input to softmax.

use warpsmith::ops::softmax::{
    self, Backward, BackwardDesc, ForwardDesc, Io, MAX_WIDTH, MaskDesc, Options, plan_backward, plan_forward,
};
use warpsmith::{DType, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const ROWS: usize = 6;
const WIDTH: usize = 20;

/// The tensors of both passes, which would succeed.
struct Tensors {
    input: Tensor,
    mask: Tensor,
    grad_output: Tensor,
    output: Tensor,
}

impl Tensors {
    fn new(device: &EmulatedDevice) -> Self {
        let matrix = Place::matrix(ROWS, WIDTH);
        let random = || normals(device, matrix, ROWS * WIDTH);
        Self { input: random(), mask: random(), grad_output: random(), output: Guarded::output(device, matrix) }
    }

    fn forward(&self) -> ForwardDesc {
        ForwardDesc {
            input: self.input.desc(),
            mask: Some(MaskDesc::Add(self.mask.desc())),
            output: self.output.desc(),
            options: Options::default(),
        }
    }

    fn backward(&self) -> BackwardDesc {
        let (output, grad_output, grad_input) = (self.input.desc(), self.grad_output.desc(), self.output.desc());
        BackwardDesc { output, grad_output, grad_input, options: Options::default() }
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        self.output.assert_untouched(device);
        // An output that was put over an input would have been written there.
        [&self.input, &self.mask, &self.grad_output].into_iter().for_each(|input| drop(input.read(device)));
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

/// The mask with something changed.
fn mask(desc: &mut ForwardDesc, change: impl Fn(TensorDesc) -> TensorDesc) {
    if let Some(MaskDesc::Add(mask)) = &mut desc.mask {
        *mask = change(*mask);
    }
}

type SpoilForward = fn(&mut ForwardDesc);

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilForward)] = &[
        ("no rows", ("shape", "input"), |d| d.input = shaped(d.input, [0, WIDTH])),
        ("no columns", ("shape", "input"), |d| d.input = shaped(d.input, [ROWS, 0])),
        ("another output", ("shape", "output"), |d| d.output = shaped(d.output, [WIDTH, ROWS])),
        ("a mask of two rows", ("shape", "mask"), |d| mask(d, |m| shaped(m, [2, WIDTH]))),
        ("a mask of one column", ("shape", "mask"), |d| mask(d, |m| shaped(m, [ROWS, 1]))),
        ("a mask of another rank", ("shape", "mask"), |d| mask(d, |m| shaped(m, [WIDTH]))),
        ("an input column by column", ("stride", "input"), |d| d.input = strided(d.input, [1, 6])),
        ("a mask column by column", ("stride", "mask"), |d| mask(d, |m| strided(m, [1, 6]))),
        ("rows backwards", ("stride", "output"), |d| d.output = strided(d.output, [-20, 1])),
        ("an output of another type", ("dtype", "output"), |d| d.output.dtype = DType::Bf16),
        ("numbers of another type", ("dtype", "mask"), |d| mask(d, |m| TensorDesc { dtype: DType::F16, ..m })),
        ("floats for bytes", ("dtype", "mask"), |d| d.mask = Some(MaskDesc::Keep(d.input))),
        ("an input off its elements", ("misaligned", "input"), |d| d.input.address += 2),
        ("a mask off its elements", ("misaligned", "mask"), |d| mask(d, |m| at(m, m.address + 1))),
        ("no input", ("null", "input"), |d| d.input.address = 0),
        ("no mask", ("null", "mask"), |d| mask(d, |m| at(m, 0))),
        ("a row further on", ("aliasing", "output"), |d| d.output.address = d.input.address + 80),
        ("over the mask", ("aliasing", "output"), |d| {
            let Some(MaskDesc::Add(mask)) = d.mask else { return };
            d.output.address = mask.address;
        }),
        ("in place, over the mask", ("aliasing", "output"), |d| {
            d.output = d.input;
            mask(d, |m| m);
            d.mask = Some(MaskDesc::Add(d.input));
        }),
        ("too wide rows", ("range", "input"), |d| d.input = shaped(d.input, [ROWS, MAX_WIDTH + 1])),
        ("too many rows", ("range", "input"), |d| d.input = shaped(d.input, [1 << 31, WIDTH])),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.forward();
        spoil(&mut desc);
        assert_error(case, "softmax::forward", *expected, run_forward(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

type SpoilBackward = fn(&mut BackwardDesc);

#[test]
fn backward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilBackward)] = &[
        ("no rows", ("shape", "output"), |d| d.output = shaped(d.output, [0, WIDTH])),
        ("another grad_output", ("shape", "grad_output"), |d| d.grad_output = shaped(d.grad_output, [ROWS - 1, WIDTH])),
        ("another grad_input", ("shape", "grad_input"), |d| d.grad_input = shaped(d.grad_input, [WIDTH, ROWS])),
        ("rows backwards", ("stride", "grad_output"), |d| d.grad_output = strided(d.grad_output, [-20, 1])),
        ("a gradient of another type", ("dtype", "grad_output"), |d| d.grad_output.dtype = DType::F16),
        ("an output off its elements", ("misaligned", "output"), |d| d.output.address += 1),
        ("no gradient", ("null", "grad_output"), |d| d.grad_output.address = 0),
        ("over the output", ("aliasing", "grad_input"), |d| d.grad_input = d.output),
        ("a row further on", ("aliasing", "grad_input"), |d| d.grad_input.address = d.grad_output.address + 80),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.backward();
        spoil(&mut desc);
        assert_error(case, "softmax::backward", *expected, run_backward(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

#[test]
fn what_there_is_no_kernel_for_is_unsupported() {
    let device = device();
    let tensors = Tensors::new(&device);
    let mut desc = tensors.forward();
    desc.options.scale = f32::NAN;
    let error = run_forward(&device, &desc).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what, .. } if what == "a scale of NaN"), "{error}");
    let mut desc = tensors.backward();
    desc.output.dtype = DType::U8;
    let error = run_backward(&device, &desc).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what, .. } if what == "a tensor of u8"), "{error}");
    tensors.assert_untouched(&device);
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    for argument in ["output", "grad_output", "grad_input"] {
        let (mut tensors, mut others) = (Tensors::new(&here), Tensors::new(&there));
        match argument {
            "output" => std::mem::swap(&mut tensors.input, &mut others.input),
            "grad_output" => std::mem::swap(&mut tensors.grad_output, &mut others.grad_output),
            _ => std::mem::swap(&mut tensors.output, &mut others.output),
        }
        let Tensors { input, grad_output, output, .. } = &mut tensors;
        let io = Io::Apart { from: grad_output.view(), to: output.view_mut() };
        let result = softmax::backward(&here, Backward { output: input.view(), io }, &Options::default());
        assert_error(argument, "softmax::backward", ("device", argument), result);
        tensors.output.assert_untouched(if argument == "grad_input" { &there } else { &here });
    }
}
