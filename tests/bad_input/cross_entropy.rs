//! Bad input to cross-entropy.

use warpsmith::ops::cross_entropy::{
    self, Forward, ForwardDesc, Logits, MAX_WIDTH, Options, Reduction, plan_forward, workspace_bytes,
};
use warpsmith::{DType, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const ROWS: usize = 6;
const WIDTH: usize = 20;

/// The tensors of a call that would succeed.
struct Tensors {
    logits: Tensor,
    targets: Guarded<EmulatedDevice, i32>,
    weight: Tensor,
    grad_loss: Tensor,
    grad_logits: Tensor,
    loss: Tensor,
    lse: Tensor,
    totals: Tensor,
    workspace: Guarded<EmulatedDevice, u8>,
}

impl Tensors {
    fn new(device: &EmulatedDevice) -> Self {
        let (matrix, rows) = (Place::matrix(ROWS, WIDTH), Place::vector(ROWS));
        Self {
            logits: normals(device, matrix, ROWS * WIDTH),
            targets: Guarded::input(device, rows, &[0, 1, 2, 3, 4, 5]),
            weight: normals(device, Place::vector(WIDTH), WIDTH),
            grad_loss: normals(device, Place::vector(1), 1),
            grad_logits: Guarded::output(device, matrix),
            loss: Guarded::output(device, Place::vector(1)),
            lse: Guarded::output(device, rows),
            totals: Guarded::output(device, Place::vector(2)),
            workspace: Guarded::output(device, Place::vector(workspace_bytes([ROWS, WIDTH], Reduction::Mean))),
        }
    }

    fn desc(&self) -> ForwardDesc {
        ForwardDesc {
            logits: self.logits.desc(),
            targets: self.targets.desc(),
            weight: Some(self.weight.desc()),
            grad_loss: Some(self.grad_loss.desc()),
            grad_logits: Some(self.grad_logits.desc()),
            loss: Some(self.loss.desc()),
            lse: Some(self.lse.desc()),
            totals: Some(self.totals.desc()),
            workspace: Some(self.workspace.desc()),
            options: Options::default(),
        }
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        for output in [&self.grad_logits, &self.loss, &self.lse, &self.totals] {
            output.assert_untouched(device);
        }
        self.workspace.assert_untouched(device);
        // An output that was put over an input would have been written there.
        for input in [&self.logits, &self.weight, &self.grad_loss] {
            input.read(device);
        }
        self.targets.read(device);
    }
}

fn run(device: &EmulatedDevice, desc: &ForwardDesc) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launches.
    unsafe { plan.launch(device) }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = Tensors::new(&device);
    run(&device, &tensors.desc()).unwrap();
    for output in [&tensors.grad_logits, &tensors.loss, &tensors.lse, &tensors.totals] {
        assert!(output.read(&device).iter().all(|value| !value.is_nan()));
    }
}

type Spoil = fn(&mut ForwardDesc);

/// An optional tensor with something changed.
fn changed(tensor: &mut Option<TensorDesc>, change: impl Fn(TensorDesc) -> TensorDesc) {
    *tensor = tensor.map(change);
}

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), Spoil)] = &[
        ("no rows", ("shape", "logits"), |d| d.logits = shaped(d.logits, [0, WIDTH])),
        ("no classes", ("shape", "logits"), |d| d.logits = shaped(d.logits, [ROWS, 0])),
        ("a target too few", ("shape", "targets"), |d| d.targets = shaped(d.targets, [ROWS - 1])),
        ("a column of targets", ("shape", "targets"), |d| d.targets = shaped(d.targets, [ROWS, 1])),
        ("a short weight", ("shape", "weight"), |d| changed(&mut d.weight, |t| shaped(t, [WIDTH - 1]))),
        ("a gradient for each row of a mean", ("shape", "grad_loss"), |d| {
            changed(&mut d.grad_loss, |t| shaped(t, [ROWS]));
        }),
        ("one gradient without a reduction", ("shape", "grad_loss"), |d| d.options.reduction = Reduction::None),
        ("a loss for each row of a sum", ("shape", "loss"), |d| {
            d.options.reduction = Reduction::Sum;
            changed(&mut d.loss, |t| shaped(t, [ROWS]));
        }),
        ("one loss without a reduction", ("shape", "loss"), |d| {
            d.options.reduction = Reduction::None;
            d.grad_loss = None;
        }),
        ("lse for each logit", ("shape", "lse"), |d| d.lse = Some(shaped(d.logits, [ROWS, WIDTH]))),
        ("three totals", ("shape", "totals"), |d| changed(&mut d.totals, |t| shaped(t, [3]))),
        ("another gradient", ("shape", "grad_logits"), |d| changed(&mut d.grad_logits, |t| shaped(t, [WIDTH, ROWS]))),
        ("too few strides", ("stride", "logits"), |d| d.logits = strided(d.logits, [1])),
        ("logits column by column", ("stride", "logits"), |d| d.logits = strided(d.logits, [1, ROWS as i64])),
        ("rows backwards", ("stride", "grad_logits"), |d| {
            changed(&mut d.grad_logits, |t| strided(t, [-(WIDTH as i64), 1]));
        }),
        ("targets with gaps", ("stride", "targets"), |d| d.targets = strided(d.targets, [2])),
        ("weights with gaps", ("stride", "weight"), |d| changed(&mut d.weight, |t| strided(t, [2]))),
        ("a gradient of another type", ("dtype", "grad_logits"), |d| {
            changed(&mut d.grad_logits, |t| TensorDesc { dtype: DType::Bf16, ..t });
        }),
        ("a weight of another type", ("dtype", "weight"), |d| {
            changed(&mut d.weight, |t| TensorDesc { dtype: DType::F16, ..t });
        }),
        ("a loss of another type", ("dtype", "loss"), |d| {
            changed(&mut d.loss, |t| TensorDesc { dtype: DType::F16, ..t })
        }),
        ("a workspace of floats", ("dtype", "workspace"), |d| {
            changed(&mut d.workspace, |t| TensorDesc { dtype: DType::F32, ..t });
        }),
        ("logits off their elements", ("misaligned", "logits"), |d| d.logits.address += 2),
        ("targets off their elements", ("misaligned", "targets"), |d| d.targets.address += 2),
        ("a workspace off 16 bytes", ("misaligned", "workspace"), |d| {
            changed(&mut d.workspace, |t| at(t, t.address + 8));
        }),
        ("no logits", ("null", "logits"), |d| d.logits.address = 0),
        ("no targets", ("null", "targets"), |d| d.targets.address = 0),
        ("lse at null", ("null", "lse"), |d| changed(&mut d.lse, |t| at(t, 0))),
        ("the gradient a row into the logits", ("aliasing", "grad_logits"), |d| {
            let address = d.logits.address + 4 * WIDTH as u64;
            changed(&mut d.grad_logits, |t| at(t, address));
        }),
        ("the gradient over the logits at another distance", ("aliasing", "grad_logits"), |d| {
            d.grad_logits = Some(strided(d.logits, [WIDTH as i64 + 1, 1]));
        }),
        ("the loss on its gradient", ("aliasing", "loss"), |d| d.loss = d.grad_loss),
        ("lse on the loss", ("aliasing", "lse"), |d| {
            let address = d.loss.unwrap().address;
            changed(&mut d.lse, |t| at(t, address));
        }),
        ("totals in the gradient", ("aliasing", "totals"), |d| {
            let address = d.grad_logits.unwrap().address;
            changed(&mut d.totals, |t| at(t, address));
        }),
        ("the workspace on the weight", ("aliasing", "workspace"), |d| {
            let address = d.weight.unwrap().address / 16 * 16;
            changed(&mut d.workspace, |t| at(t, address));
        }),
        ("a workspace a byte too small", ("size", "workspace"), |d| {
            changed(&mut d.workspace, |t| shaped(t, [t.shape[0] - 1]));
        }),
        ("no workspace", ("size", "workspace"), |d| d.workspace = None),
        ("no workspace for totals", ("size", "workspace"), |d| {
            (d.options.reduction, d.grad_loss, d.loss, d.weight, d.workspace) =
                (Reduction::None, None, None, None, None);
        }),
        ("too many classes", ("range", "logits"), |d| d.logits = shaped(d.logits, [ROWS, MAX_WIDTH + 1])),
        ("too many rows", ("range", "logits"), |d| d.logits = shaped(d.logits, [1 << 31, WIDTH])),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "cross_entropy::forward", *expected, run(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

#[test]
fn what_there_is_no_kernel_for_is_unsupported() {
    let cases: &[(&str, Spoil)] = &[
        ("a tensor of u8", |d| d.logits.dtype = DType::U8),
        ("`targets` of f32", |d| d.targets.dtype = DType::F32),
        ("a label smoothing of -0.5", |d| d.options.label_smoothing = -0.5),
        ("a label smoothing of 1.5", |d| d.options.label_smoothing = 1.5),
        ("a label smoothing of NaN", |d| d.options.label_smoothing = f32::NAN),
        ("a z-loss factor of -1", |d| d.options.z_loss = -1.0),
        ("a z-loss factor of inf", |d| d.options.z_loss = f32::INFINITY),
        ("a softcap of 0", |d| d.options.softcap = Some(0.0)),
        ("a softcap of -30", |d| d.options.softcap = Some(-30.0)),
        ("a softcap of NaN", |d| d.options.softcap = Some(f32::NAN)),
        ("a call without any result", |d| (d.loss, d.lse, d.grad_logits) = (None, None, None)),
    ];
    for (expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        let error = run(&device, &desc).unwrap_err();
        assert!(matches!(&error, Error::Unsupported { what, .. } if what == expected), "{expected}: {error}");
        tensors.assert_untouched(&device);
    }
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    for argument in ["logits", "targets", "grad_logits", "workspace"] {
        let (mut tensors, mut others) = (Tensors::new(&here), Tensors::new(&there));
        match argument {
            "logits" => std::mem::swap(&mut tensors.logits, &mut others.logits),
            "targets" => std::mem::swap(&mut tensors.targets, &mut others.targets),
            "grad_logits" => std::mem::swap(&mut tensors.grad_logits, &mut others.grad_logits),
            _ => std::mem::swap(&mut tensors.workspace, &mut others.workspace),
        }
        let Tensors { logits, targets, weight, grad_loss, grad_logits, loss, lse, totals, workspace } = &mut tensors;
        let call = Forward {
            logits: Logits::Apart { logits: logits.view(), gradient: Some(grad_logits.view_mut()) },
            targets: targets.view(),
            weight: Some(weight.view()),
            loss: Some(loss.view_mut()),
            lse: Some(lse.view_mut()),
            totals: Some(totals.view_mut()),
            grad_loss: Some(grad_loss.view()),
            workspace: Some(workspace.view_mut()),
        };
        let result = cross_entropy::forward(&here, call, &Options::default());
        assert_error(argument, "cross_entropy::forward", ("device", argument), result);
        tensors.loss.assert_untouched(&here);
    }
}
