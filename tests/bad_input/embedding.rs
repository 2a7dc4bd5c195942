//! Bad input to embedding.

use warpsmith::ops::embedding::{
    self, Backward, BackwardDesc, ForwardDesc, LookupDesc, Options, PositionsBackwardDesc, PositionsDesc,
    backward_workspace_bytes, plan_backward, plan_backward_positions, plan_forward,
};
use warpsmith::{DType, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const ROWS: usize = 6;
const VOCABULARY: usize = 9;
const WIDTH: usize = 20;

type Ids = Guarded<EmulatedDevice, i32>;

/// The tensors of all calls, which would succeed.
struct Tensors {
    table: Tensor,
    positions: Tensor,
    ids: Ids,
    output: Tensor,
    grad_output: Tensor,
    grad_table: Tensor,
    workspace: Guarded<EmulatedDevice, u8>,
}

impl Tensors {
    fn new(device: &EmulatedDevice) -> Self {
        let (table, rows) = (Place::matrix(VOCABULARY, WIDTH), Place::matrix(ROWS, WIDTH));
        let bytes = backward_workspace_bytes([ROWS], [VOCABULARY, WIDTH]);
        Self {
            table: normals(device, table, VOCABULARY * WIDTH),
            positions: normals(device, table, VOCABULARY * WIDTH),
            ids: Guarded::input(device, Place::vector(ROWS), &[0, 8, 1, 1, 0, 2]),
            output: Guarded::output(device, rows),
            grad_output: normals(device, rows, ROWS * WIDTH),
            grad_table: Guarded::output(device, table),
            workspace: Guarded::output(device, Place::vector(bytes)),
        }
    }

    fn forward(&self) -> ForwardDesc {
        let token = LookupDesc { table: self.table.desc(), ids: self.ids.desc() };
        let position = Some(PositionsDesc::Given(LookupDesc { table: self.positions.desc(), ..token }));
        ForwardDesc { token, position, segment: Some(token), output: self.output.desc() }
    }

    fn backward(&self) -> BackwardDesc {
        BackwardDesc {
            grad_output: self.grad_output.desc(),
            ids: self.ids.desc(),
            grad_table: self.grad_table.desc(),
            workspace: Some(self.workspace.desc()),
            options: Options::default(),
        }
    }

    fn positions(&self) -> PositionsBackwardDesc {
        let (grad_output, grad_table) = (self.grad_output.desc(), self.grad_table.desc());
        PositionsBackwardDesc { grad_output, grad_table, offset: 0, accumulate: false }
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        self.output.assert_untouched(device);
        self.grad_table.assert_untouched(device);
        self.workspace.assert_untouched(device);
        // An output that was put over an input would have been written there.
        [&self.table, &self.positions, &self.grad_output].into_iter().for_each(|input| drop(input.read(device)));
        self.ids.read(device);
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

fn run_positions(device: &EmulatedDevice, desc: &PositionsBackwardDesc) -> Result<()> {
    let plan = plan_backward_positions(desc, device.caps())?;
    // SAFETY: as above.
    unsafe { plan.launch(device) }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = Tensors::new(&device);
    run_forward(&device, &tensors.forward()).unwrap();
    assert!(tensors.output.read(&device).iter().all(|value| !value.is_nan()));
    run_backward(&device, &tensors.backward()).unwrap();
    assert!(tensors.grad_table.read(&device).iter().all(|value| !value.is_nan()));
    let tensors = Tensors::new(&device);
    run_positions(&device, &tensors.positions()).unwrap();
    assert!(tensors.grad_table.read(&device).iter().all(|value| !value.is_nan()));
}

/// The positions' lookup with something changed.
fn position(desc: &mut ForwardDesc, change: impl Fn(&mut LookupDesc)) {
    if let Some(PositionsDesc::Given(lookup)) = &mut desc.position {
        change(lookup);
    }
}

type SpoilForward = fn(&mut ForwardDesc);

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilForward)] = &[
        ("no rows", ("shape", "output"), |d| d.output = shaped(d.output, [0, WIDTH])),
        ("no columns", ("shape", "output"), |d| d.output = shaped(d.output, [ROWS, 0])),
        ("a narrower table", ("shape", "token"), |d| d.token.table = shaped(d.token.table, [VOCABULARY, WIDTH - 1])),
        ("a table of three dimensions", ("shape", "position"), |d| {
            position(d, |l| l.table = shaped(l.table, [VOCABULARY, 1, WIDTH]));
        }),
        ("an id too few", ("shape", "token_ids"), |d| d.token.ids = shaped(d.token.ids, [ROWS - 1])),
        ("another rank of ids", ("shape", "position_ids"), |d| position(d, |l| l.ids = shaped(l.ids, [1, ROWS]))),
        ("an empty table", ("shape", "segment"), |d| {
            d.segment.as_mut().unwrap().table = shaped(d.token.table, [0, WIDTH]);
        }),
        ("a table column by column", ("stride", "token"), |d| d.token.table = strided(d.token.table, [1, 9])),
        ("rows backwards", ("stride", "token"), |d| d.token.table = strided(d.token.table, [-20, 1])),
        ("ids with gaps", ("stride", "token_ids"), |d| d.token.ids = strided(d.token.ids, [2])),
        ("a table of another type", ("dtype", "token"), |d| d.token.table.dtype = DType::Bf16),
        ("ids of two types", ("dtype", "position_ids"), |d| position(d, |l| l.ids.dtype = DType::I64)),
        ("an output off its elements", ("misaligned", "output"), |d| d.output.address += 2),
        ("ids off their elements", ("misaligned", "token_ids"), |d| d.token.ids.address += 2),
        ("no table", ("null", "token"), |d| d.token.table.address = 0),
        ("no ids", ("null", "token_ids"), |d| d.token.ids.address = 0),
        ("the output in the table", ("aliasing", "output"), |d| d.output.address = d.token.table.address + 80),
        ("the output on the ids", ("aliasing", "output"), |d| d.output.address = d.token.ids.address),
        ("the output on the positions", ("aliasing", "output"), |d| {
            let Some(PositionsDesc::Given(lookup)) = d.position else { return };
            d.output.address = lookup.table.address;
        }),
        ("all output rows in one place", ("aliasing", "output"), |d| d.output = strided(d.output, [0, 1])),
        ("too many rows", ("range", "output"), |d| d.output = shaped(d.output, [1 << 31, WIDTH])),
        ("too wide rows", ("range", "output"), |d| d.output = shaped(d.output, [ROWS, (1 << 24) + 1])),
        ("too large a table", ("range", "token"), |d| d.token.table = shaped(d.token.table, [1 << 31, WIDTH])),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.forward();
        spoil(&mut desc);
        assert_error(case, "embedding::forward", *expected, run_forward(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

type SpoilBackward = fn(&mut BackwardDesc);

#[test]
fn backward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilBackward)] = &[
        ("no rows", ("shape", "grad_output"), |d| d.grad_output = shaped(d.grad_output, [0, WIDTH])),
        ("a wider table", ("shape", "grad_table"), |d| {
            d.grad_table = shaped(d.grad_table, [VOCABULARY - 1, WIDTH + 1])
        }),
        ("an id too many", ("shape", "ids"), |d| d.ids = shaped(d.ids, [ROWS + 1])),
        ("a gradient column by column", ("stride", "grad_output"), |d| d.grad_output = strided(d.grad_output, [1, 6])),
        ("a table of another type", ("dtype", "grad_table"), |d| d.grad_table.dtype = DType::F16),
        ("a workspace of floats", ("dtype", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| TensorDesc { dtype: DType::F32, ..w });
        }),
        ("a table off its elements", ("misaligned", "grad_table"), |d| d.grad_table.address += 1),
        ("a workspace off 16 bytes", ("misaligned", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| at(w, w.address + 4));
        }),
        ("no ids", ("null", "ids"), |d| d.ids.address = 0),
        ("over the gradient", ("aliasing", "grad_table"), |d| d.grad_table.address = d.grad_output.address),
        ("the workspace on the ids", ("aliasing", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| at(w, d.ids.address));
        }),
        ("the workspace in the table", ("aliasing", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| at(w, d.grad_table.address));
        }),
        ("a workspace a byte too small", ("size", "workspace"), |d| {
            d.workspace = d.workspace.map(|w| shaped(w, [w.shape[0] - 1]));
        }),
        ("no workspace", ("size", "workspace"), |d| d.workspace = None),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.backward();
        spoil(&mut desc);
        assert_error(case, "embedding::backward", *expected, run_backward(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

type SpoilPositions = fn(&mut PositionsBackwardDesc);

#[test]
fn backward_of_positions_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), SpoilPositions)] = &[
        ("a narrower table", ("shape", "grad_table"), |d| d.grad_table = shaped(d.grad_table, [VOCABULARY, WIDTH - 1])),
        ("a gradient with gaps", ("stride", "grad_output"), |d| d.grad_output = strided(d.grad_output, [20, 2])),
        ("a table of another type", ("dtype", "grad_table"), |d| d.grad_table.dtype = DType::Bf16),
        ("no gradient", ("null", "grad_output"), |d| d.grad_output.address = 0),
        ("in place", ("aliasing", "grad_table"), |d| d.grad_table.address = d.grad_output.address),
        ("more positions than a grid has rows", ("range", "grad_table"), |d| {
            d.grad_table = at(shaped(d.grad_table, [8 * 65_535 + 1, WIDTH]), 1 << 60);
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.positions();
        spoil(&mut desc);
        assert_error(case, "embedding::backward_positions", *expected, run_positions(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

#[test]
fn types_without_a_kernel_are_unsupported() {
    let device = device();
    let tensors = Tensors::new(&device);
    let mut desc = tensors.backward();
    desc.ids.dtype = DType::F32;
    let error = run_backward(&device, &desc).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what, .. } if what == "`ids` of f32"), "{error}");
    let mut desc = tensors.forward();
    desc.output.dtype = DType::U8;
    let error = run_forward(&device, &desc).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what, .. } if what == "a tensor of u8"), "{error}");
    tensors.assert_untouched(&device);
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    for argument in ["grad_output", "ids", "workspace"] {
        let (mut tensors, mut others) = (Tensors::new(&here), Tensors::new(&there));
        match argument {
            "grad_output" => std::mem::swap(&mut tensors.grad_output, &mut others.grad_output),
            "ids" => std::mem::swap(&mut tensors.ids, &mut others.ids),
            _ => std::mem::swap(&mut tensors.workspace, &mut others.workspace),
        }
        let Tensors { grad_output, ids, grad_table, workspace, .. } = &mut tensors;
        let call = Backward {
            grad_output: grad_output.view(),
            ids: ids.view(),
            grad_table: grad_table.view_mut(),
            workspace: workspace.view_mut(),
        };
        let result = embedding::backward(&here, call, &Options::default());
        assert_error(argument, "embedding::backward", ("device", argument), result);
        tensors.grad_table.assert_untouched(&here);
    }
}
