//! Bad input to binary cross-entropy with logits.

use warpsmith::ops::bce_with_logits::{self, Forward, ForwardDesc, Logits, Options, Reduction, plan_forward};
use warpsmith::{DType, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const COUNT: usize = 60;
const BYTES: usize = 8;

/// Tensors that would succeed.
struct All {
    logits: Tensor,
    targets: Guarded<EmulatedDevice, i32>,
    mask: Guarded<EmulatedDevice, u8>,
    grad_loss: Tensor,
    gradient: Tensor,
    loss: Tensor,
    workspace: Guarded<EmulatedDevice, u8>,
}

impl All {
    fn new(device: &EmulatedDevice) -> Self {
        let place = Place::vector(COUNT);
        Self {
            logits: normals(device, place, COUNT),
            targets: Guarded::input(device, place, &[1; COUNT]),
            mask: Guarded::input(device, place, &[1; COUNT]),
            grad_loss: normals(device, Place::vector(1), 1),
            gradient: Guarded::output(device, place),
            loss: Guarded::output(device, Place::vector(1)),
            workspace: Guarded::output(device, Place::vector(BYTES)),
        }
    }

    fn desc(&self) -> ForwardDesc {
        ForwardDesc {
            logits: self.logits.desc(),
            targets: self.targets.desc(),
            mask: Some(self.mask.desc()),
            grad_loss: Some(self.grad_loss.desc()),
            grad_logits: Some(self.gradient.desc()),
            loss: Some(self.loss.desc()),
            workspace: Some(self.workspace.desc()),
            options: Options::default(),
        }
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        self.gradient.assert_untouched(device);
        self.loss.assert_untouched(device);
        self.workspace.assert_untouched(device);
    }
}

fn run(device: &EmulatedDevice, desc: &ForwardDesc) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = All::new(&device);
    run(&device, &tensors.desc()).unwrap();
    assert!(tensors.loss.read(&device)[0].is_finite());
}

type Spoil = fn(&mut ForwardDesc);

fn change(tensor: &mut Option<TensorDesc>, change: impl Fn(TensorDesc) -> TensorDesc) {
    *tensor = tensor.map(change);
}

#[test]
fn every_argument_is_named_and_nothing_written() {
    let cases: &[(&str, (&str, &str), Spoil)] = &[
        ("no logits", ("shape", "logits"), |d| d.logits = shaped(d.logits, [0])),
        ("gaps in the logits", ("stride", "logits"), |d| d.logits = strided(d.logits, [2])),
        ("too many logits", ("range", "logits"), |d| d.logits = shaped(d.logits, [1 << 31])),
        ("other targets", ("shape", "targets"), |d| d.targets = shaped(d.targets, [COUNT - 1])),
        ("probabilities of another type", ("dtype", "targets"), |d| d.targets.dtype = DType::Bf16),
        ("targets of bytes", ("dtype", "targets"), |d| d.targets.dtype = DType::U8),
        ("targets off their elements", ("misaligned", "targets"), |d| d.targets.address += 2),
        ("a mask of numbers", ("dtype", "mask"), |d| change(&mut d.mask, |t| TensorDesc { dtype: DType::F32, ..t })),
        ("another mask", ("shape", "mask"), |d| change(&mut d.mask, |t| shaped(t, [COUNT + 1]))),
        ("a loss for each", ("shape", "loss"), |d| change(&mut d.loss, |t| shaped(t, [COUNT]))),
        ("one loss for all", ("shape", "loss"), |d| {
            (d.options.reduction, d.grad_loss) = (Reduction::None, None);
        }),
        ("no loss at all", ("null", "loss"), |d| change(&mut d.loss, |t| at(t, 0))),
        ("a gradient for each", ("shape", "grad_loss"), |d| change(&mut d.grad_loss, |t| shaped(t, [COUNT]))),
        ("another gradient", ("shape", "grad_logits"), |d| change(&mut d.grad_logits, |t| shaped(t, [1]))),
        ("a gradient across the logits", ("aliasing", "grad_logits"), |d| {
            d.grad_logits = Some(at(d.logits, d.logits.address + 4));
        }),
        ("a loss over the targets", ("aliasing", "loss"), |d| {
            let address = d.targets.address;
            change(&mut d.loss, |t| at(t, address));
        }),
        ("a workspace over the gradient", ("aliasing", "workspace"), |d| {
            let address = d.grad_logits.map_or(0, |gradient| gradient.address);
            change(&mut d.workspace, |t| at(t, address));
        }),
        ("no workspace", ("size", "workspace"), |d| d.workspace = None),
        ("a small workspace", ("size", "workspace"), |d| change(&mut d.workspace, |t| shaped(t, [BYTES - 1]))),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = All::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "bce_with_logits::forward", *expected, run(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

#[test]
fn options_and_types_that_make_no_sense() {
    let device = device();
    let tensors = All::new(&device);
    let good = tensors.desc();
    for pos_weight in [-1.0, f32::NAN, f32::INFINITY] {
        let options = Options { pos_weight, ..good.options };
        let result = run(&device, &ForwardDesc { options, ..good });
        assert!(matches!(&result, Err(Error::Unsupported { what, .. }) if what.contains("weight")), "{result:?}");
    }
    let result = run(&device, &ForwardDesc { loss: None, grad_logits: None, ..good });
    assert!(matches!(&result, Err(Error::Unsupported { what, .. }) if what.contains("result")), "{result:?}");
    let logits = TensorDesc { dtype: DType::I32, ..good.logits };
    let result = run(&device, &ForwardDesc { logits, ..good });
    assert!(matches!(&result, Err(Error::Unsupported { what, .. }) if what.contains("i32")), "{result:?}");
    tensors.assert_untouched(&device);
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    for argument in ["logits", "targets", "mask", "grad_loss", "grad_logits", "loss", "workspace"] {
        let (mut tensors, mut others) = (All::new(&here), All::new(&there));
        match argument {
            "logits" => std::mem::swap(&mut tensors.logits, &mut others.logits),
            "targets" => std::mem::swap(&mut tensors.targets, &mut others.targets),
            "mask" => std::mem::swap(&mut tensors.mask, &mut others.mask),
            "grad_loss" => std::mem::swap(&mut tensors.grad_loss, &mut others.grad_loss),
            "grad_logits" => std::mem::swap(&mut tensors.gradient, &mut others.gradient),
            "loss" => std::mem::swap(&mut tensors.loss, &mut others.loss),
            _ => std::mem::swap(&mut tensors.workspace, &mut others.workspace),
        }
        let io = Forward {
            logits: Logits::Apart { logits: tensors.logits.view(), gradient: Some(tensors.gradient.view_mut()) },
            targets: tensors.targets.view(),
            mask: Some(tensors.mask.view()),
            loss: Some(tensors.loss.view_mut()),
            grad_loss: Some(tensors.grad_loss.view()),
            workspace: Some(tensors.workspace.view_mut()),
        };
        let result = bce_with_logits::forward(&here, io, &Options::default());
        assert_error(argument, "bce_with_logits::forward", ("device", argument), result);
    }
}
