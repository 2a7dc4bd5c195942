//! Bad input to the chunked linear layer and cross-entropy.

use warpsmith::ops::cross_entropy::{self, Reduction};
use warpsmith::ops::linear_cross_entropy::{
    self, Bias, BiasDesc, Forward, ForwardDesc, Options, plan_forward, workspace_bytes,
};
use warpsmith::{DType, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, normals, shaped, strided};

const OP: &str = "linear_cross_entropy::forward";
const ROWS: usize = 6;
const DEPTH: usize = 5;
const CLASSES: usize = 9;
const CHUNK: usize = 4;
const OPTIONS: Options = Options {
    loss: cross_entropy::Options {
        reduction: Reduction::Mean,
        ignore_index: -100,
        label_smoothing: 0.0,
        z_loss: 0.0,
        softcap: None,
    },
    chunk_rows: Some(CHUNK),
    accumulate: false,
};

/// Tensors that would succeed.
struct All {
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    targets: Guarded<EmulatedDevice, i32>,
    class_weight: Tensor,
    grad_loss: Tensor,
    /// Of hidden, weight and bias.
    gradients: [Tensor; 3],
    loss: Tensor,
    lse: Tensor,
    totals: Tensor,
    workspace: Guarded<EmulatedDevice, u8>,
}

impl All {
    fn new(device: &EmulatedDevice) -> Self {
        let places = [Place::matrix(ROWS, DEPTH), Place::matrix(CLASSES, DEPTH), Place::vector(CLASSES)];
        let bytes = workspace_bytes([ROWS, DEPTH], CLASSES, DType::F32, &OPTIONS);
        Self {
            hidden: normals(device, places[0], ROWS * DEPTH),
            weight: normals(device, places[1], CLASSES * DEPTH),
            bias: normals(device, places[2], CLASSES),
            ones: Guarded::input(device, Place::vector(CHUNK), &[1.0; CHUNK]),
            targets: Guarded::input(device, Place::vector(ROWS), &[1; ROWS]),
            class_weight: Guarded::input(device, places[2], &[1.0; CLASSES]),
            grad_loss: normals(device, Place::vector(1), 1),
            gradients: places.map(|place| Guarded::output(device, place)),
            loss: Guarded::output(device, Place::vector(1)),
            lse: Guarded::output(device, Place::vector(ROWS)),
            totals: Guarded::output(device, Place::vector(2)),
            workspace: Guarded::output(device, Place::vector(bytes)),
        }
    }

    fn desc(&self) -> ForwardDesc {
        let [grad_hidden, grad_weight, grad_bias] = self.gradients.each_ref().map(|gradient| Some(gradient.desc()));
        ForwardDesc {
            hidden: self.hidden.desc(),
            weight: self.weight.desc(),
            bias: Some(BiasDesc { bias: self.bias.desc(), ones: self.ones.desc(), grad_bias }),
            targets: self.targets.desc(),
            class_weight: Some(self.class_weight.desc()),
            grad_loss: Some(self.grad_loss.desc()),
            grad_hidden,
            grad_weight,
            loss: Some(self.loss.desc()),
            lse: Some(self.lse.desc()),
            totals: Some(self.totals.desc()),
            workspace: self.workspace.desc(),
            options: OPTIONS,
        }
    }

    fn floats(&mut self, argument: &str) -> Option<&mut Tensor> {
        Some(match argument {
            "hidden" => &mut self.hidden,
            "weight" => &mut self.weight,
            "bias" => &mut self.bias,
            "ones" => &mut self.ones,
            "class_weight" => &mut self.class_weight,
            "grad_loss" => &mut self.grad_loss,
            "grad_hidden" => &mut self.gradients[0],
            "grad_weight" => &mut self.gradients[1],
            "grad_bias" => &mut self.gradients[2],
            "loss" => &mut self.loss,
            "lse" => &mut self.lse,
            "totals" => &mut self.totals,
            _ => return None,
        })
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        let outputs = self.gradients.iter().chain([&self.loss, &self.lse, &self.totals]);
        outputs.for_each(|output| output.assert_untouched(device));
        self.workspace.assert_untouched(device);
    }
}

fn run(device: &EmulatedDevice, desc: &ForwardDesc) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device, |product| product.on_emulator(device)) }
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

fn bias(desc: &mut ForwardDesc, change: impl Fn(&mut BiasDesc)) {
    desc.bias.iter_mut().for_each(change);
}

#[test]
fn every_argument_is_named_and_nothing_written() {
    let cases: &[(&str, (&str, &str), Spoil)] = &[
        ("no rows", ("shape", "hidden"), |d| d.hidden = shaped(d.hidden, [0, DEPTH])),
        ("hidden of one dimension", ("shape", "hidden"), |d| d.hidden = shaped(d.hidden, [ROWS])),
        ("hidden by columns", ("stride", "hidden"), |d| d.hidden = strided(d.hidden, [1, ROWS as i64])),
        ("too many rows", ("range", "hidden"), |d| d.hidden = shaped(d.hidden, [1 << 31, DEPTH])),
        ("a weight of another depth", ("shape", "weight"), |d| d.weight = shaped(d.weight, [CLASSES, DEPTH - 1])),
        ("a weight of another type", ("dtype", "weight"), |d| d.weight.dtype = DType::Bf16),
        ("a weight backwards", ("stride", "weight"), |d| d.weight = strided(d.weight, [-(DEPTH as i64), 1])),
        ("too many classes", ("range", "weight"), |d| d.weight = shaped(d.weight, [(1 << 24) + 1, DEPTH])),
        ("no weight at all", ("null", "weight"), |d| d.weight.address = 0),
        ("another bias", ("shape", "bias"), |d| bias(d, |b| b.bias = shaped(b.bias, [CLASSES - 1]))),
        ("a bias of another type", ("dtype", "bias"), |d| bias(d, |b| b.bias.dtype = DType::F16)),
        ("too few ones", ("shape", "ones"), |d| bias(d, |b| b.ones = shaped(b.ones, [CHUNK - 1]))),
        ("ones for another chunk", ("shape", "ones"), |d| d.options.chunk_rows = Some(CHUNK - 1)),
        ("another gradient of the bias", ("dtype", "grad_bias"), |d| {
            bias(d, |b| change(&mut b.grad_bias, |t| TensorDesc { dtype: DType::Bf16, ..t }));
        }),
        ("other targets", ("shape", "targets"), |d| d.targets = shaped(d.targets, [ROWS - 1])),
        ("targets off their elements", ("misaligned", "targets"), |d| d.targets.address += 2),
        ("other class weights", ("shape", "class_weight"), |d| change(&mut d.class_weight, |t| shaped(t, [ROWS]))),
        ("a gradient for each row", ("shape", "grad_loss"), |d| change(&mut d.grad_loss, |t| shaped(t, [ROWS]))),
        ("a loss for each row", ("shape", "loss"), |d| change(&mut d.loss, |t| shaped(t, [ROWS]))),
        ("one loss for all", ("shape", "loss"), |d| {
            (d.options.loss.reduction, d.grad_loss) = (Reduction::None, None);
        }),
        ("another lse", ("shape", "lse"), |d| change(&mut d.lse, |t| shaped(t, [CHUNK]))),
        ("one total", ("shape", "totals"), |d| change(&mut d.totals, |t| shaped(t, [1]))),
        ("a gradient of another shape", ("shape", "grad_hidden"), |d| {
            change(&mut d.grad_hidden, |t| shaped(t, [DEPTH, ROWS]));
        }),
        ("a gradient of the weights' type", ("dtype", "grad_weight"), |d| {
            change(&mut d.grad_weight, |t| TensorDesc { dtype: DType::Bf16, ..t });
        }),
        ("a gradient over hidden", ("aliasing", "grad_hidden"), |d| {
            let address = d.hidden.address;
            change(&mut d.grad_hidden, |t| at(t, address));
        }),
        ("a gradient over the weight", ("aliasing", "grad_weight"), |d| {
            let address = d.weight.address;
            change(&mut d.grad_weight, |t| at(t, address));
        }),
        ("rows of a gradient that overlap", ("aliasing", "grad_weight"), |d| {
            change(&mut d.grad_weight, |t| strided(t, [DEPTH as i64 - 1, 1]));
        }),
        ("a workspace over a gradient", ("aliasing", "workspace"), |d| {
            d.workspace.address = d.grad_weight.map_or(0, |gradient| gradient.address);
        }),
        ("a small workspace", ("size", "workspace"), |d| {
            d.workspace = shaped(d.workspace, [d.workspace.shape[0] - 1]);
        }),
        ("a workspace off its alignment", ("misaligned", "workspace"), |d| d.workspace.address += 8),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = All::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, OP, *expected, run(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

#[test]
fn options_and_types_that_make_no_sense() {
    let device = device();
    let tensors = All::new(&device);
    let refused = |word: &str, spoil: Spoil| {
        let mut desc = tensors.desc();
        spoil(&mut desc);
        let result = run(&device, &desc);
        assert!(matches!(&result, Err(Error::Unsupported { op: OP, what, .. }) if what.contains(word)), "{result:?}");
    };
    refused("chunks of 0", |d| d.options.chunk_rows = Some(0));
    refused("smoothing", |d| d.options.loss.label_smoothing = -0.5);
    refused("z-loss", |d| d.options.loss.z_loss = f32::NAN);
    refused("softcap", |d| d.options.loss.softcap = Some(0.0));
    refused("i32", |d| d.hidden.dtype = DType::I32);
    refused("`targets` of f32", |d| d.targets.dtype = DType::F32);
    refused("result", |d| {
        (d.loss, d.lse, d.grad_hidden, d.grad_weight) = (None, None, None, None);
        bias(d, |b| b.grad_bias = None);
    });
    tensors.assert_untouched(&device);
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    let arguments = [
        "hidden",
        "weight",
        "bias",
        "ones",
        "class_weight",
        "grad_loss",
        "grad_hidden",
        "grad_weight",
        "grad_bias",
        "loss",
        "lse",
        "totals",
        "targets",
        "workspace",
    ];
    for argument in arguments {
        let (mut tensors, mut others) = (All::new(&here), All::new(&there));
        match (tensors.floats(argument), others.floats(argument)) {
            (Some(one), Some(other)) => std::mem::swap(one, other),
            _ if argument == "targets" => std::mem::swap(&mut tensors.targets, &mut others.targets),
            _ => std::mem::swap(&mut tensors.workspace, &mut others.workspace),
        }
        let [grad_hidden, grad_weight, grad_bias] = &mut tensors.gradients;
        let io = Forward {
            hidden: tensors.hidden.view(),
            weight: tensors.weight.view(),
            bias: Some(Bias {
                bias: tensors.bias.view(),
                ones: tensors.ones.view(),
                grad_bias: Some(grad_bias.view_mut()),
            }),
            targets: tensors.targets.view(),
            class_weight: Some(tensors.class_weight.view()),
            grad_loss: Some(tensors.grad_loss.view()),
            grad_hidden: Some(grad_hidden.view_mut()),
            grad_weight: Some(grad_weight.view_mut()),
            loss: Some(tensors.loss.view_mut()),
            lse: Some(tensors.lse.view_mut()),
            totals: Some(tensors.totals.view_mut()),
            workspace: tensors.workspace.view_mut(),
        };
        let result = linear_cross_entropy::forward(&here, io, &OPTIONS, |product| product.on_emulator(&here));
        assert_error(argument, OP, ("device", argument), result);
    }
}
