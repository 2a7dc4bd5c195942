//! Bad input to the clipping of gradients.

use warpsmith::ops::grad_clip::{Desc, GradClip, LossScaleDesc, Norm, NormDesc, Rule, plan, table, workspace_bytes};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, at, device, kind, normals, shaped, strided};

type Bytes = Guarded<EmulatedDevice, u8>;

/// Two gradients as a host would describe them.
struct List {
    gradients: [Tensor; 2],
    table: Bytes,
    workspace: Bytes,
    scalars: [Tensor; 5],
}

/// A description that can be spoiled.
struct Spoilt {
    gradients: Vec<TensorDesc>,
    table: TensorDesc,
    workspace: TensorDesc,
    norm: NormDesc,
    scale: LossScaleDesc,
}

impl List {
    fn new(device: &EmulatedDevice) -> Self {
        let gradients = [300, 40].map(|count| normals(device, Place::vector(count), count));
        let descs = gradients.each_ref().map(Guarded::desc);
        let bytes = table(&descs).expect("a table");
        Self {
            table: Guarded::input(device, Place::vector(bytes.len()), &bytes),
            workspace: Guarded::output(device, Place::vector(workspace_bytes(&descs).expect("a size"))),
            scalars: std::array::from_fn(|_| Guarded::output(device, Place::vector(1))),
            gradients,
        }
    }

    fn desc(&self) -> Spoilt {
        let [norm, factor, found_inf, scale, good_steps] = self.scalars.each_ref().map(Guarded::desc);
        Spoilt {
            gradients: self.gradients.iter().map(Guarded::desc).collect(),
            table: self.table.desc(),
            workspace: self.workspace.desc(),
            norm: NormDesc { norm, factor, found_inf, loss_scale: None, max_norm: 1.0 },
            scale: LossScaleDesc { scale, good_steps, rule: Rule::default() },
        }
    }
}

fn run(device: &EmulatedDevice, spoilt: &Spoilt) -> Result<()> {
    let Spoilt { gradients, table, workspace, norm, scale } = spoilt;
    let plan = plan(&Desc { gradients, table: *table, workspace: *workspace }, device.caps())?;
    let norm = plan.norm(&NormDesc { loss_scale: Some(*scale), ..*norm })?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launches.
    unsafe { norm.launch(device) }
}

type Case = (&'static str, (&'static str, &'static str), fn(&mut Spoilt));

#[test]
fn the_argument_is_named_and_nothing_written() {
    let cases: &[Case] = &[
        ("no elements", ("shape", "gradient"), |d| d.gradients[1] = shaped(d.gradients[1], [0])),
        ("gaps", ("stride", "gradient"), |d| d.gradients[1] = strided(d.gradients[1], [2])),
        ("another type", ("dtype", "gradient"), |d| d.gradients[1].dtype = DType::Bf16),
        ("no address", ("null", "gradient"), |d| d.gradients[1] = at(d.gradients[1], 0)),
        ("an odd address", ("misaligned", "gradient"), |d| {
            d.gradients[1] = at(d.gradients[1], d.gradients[1].address + 2)
        }),
        ("shared memory", ("aliasing", "gradient"), |d| {
            d.gradients[1] = at(d.gradients[1], d.gradients[0].address + 1000)
        }),
        ("a small table", ("size", "workspace"), |d| d.table = shaped(d.table, [d.table.shape[0] - 1])),
        ("a small workspace", ("size", "workspace"), |d| d.workspace = shaped(d.workspace, [1])),
        ("a workspace in a gradient", ("aliasing", "workspace"), |d| {
            d.workspace = shaped(at(d.workspace, d.gradients[0].address), [d.workspace.shape[0]])
        }),
        ("two norms", ("shape", "norm"), |d| d.norm.norm = shaped(d.norm.norm, [2])),
        ("one place for both", ("aliasing", "factor"), |d| d.norm.factor = d.norm.norm),
        ("a flag of another type", ("dtype", "found_inf"), |d| d.norm.found_inf.dtype = DType::F16),
        ("no loss scale", ("null", "loss_scale"), |d| d.scale.scale = at(d.scale.scale, 0)),
        ("a count in the norm", ("aliasing", "good_steps"), |d| d.scale.good_steps = d.norm.norm),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let list = List::new(&device);
        let mut spoilt = list.desc();
        spoil(&mut spoilt);
        let error = match run(&device, &spoilt).expect_err(case) {
            Error::Entry { index: 1, error } => *error,
            error => error,
        };
        assert_eq!(kind(&error), *expected, "{case}: {error}");
        assert!(error.to_string().contains("grad_clip"), "{case}: {error}");
        list.workspace.assert_untouched(&device);
        list.scalars.iter().for_each(|scalar| scalar.assert_untouched(&device));
    }
}

#[test]
fn numbers_out_of_their_range_are_refused() {
    type Spoil = (&'static str, fn(&mut Spoilt));
    let cases: &[Spoil] = &[
        ("an empty list", |d| d.gradients.clear()),
        ("a tensor of u8", |d| d.gradients[0].dtype = DType::U8),
        ("max_norm -1", |d| d.norm.max_norm = -1.0),
        ("max_norm NaN", |d| d.norm.max_norm = f32::NAN),
        ("growth: 0.5", |d| d.scale.rule.growth = 0.5),
        ("backoff: 0.0", |d| d.scale.rule.backoff = 0.0),
        ("interval: 0", |d| d.scale.rule.interval = 0),
    ];
    let device = device();
    let list = List::new(&device);
    for (expected, spoil) in cases {
        let mut spoilt = list.desc();
        spoil(&mut spoilt);
        let error = run(&device, &spoilt).unwrap_err();
        assert!(error.to_string().contains(*expected), "{expected}: {error}");
    }
}

/// What the typed front adds: lists of the right length, gradients in their places.
#[test]
fn the_object_takes_what_it_was_made_for() {
    let device = device();
    let [mut a, mut b] = [0, 1].map(|_| device.upload(&[1.0_f32; 8]).unwrap());
    let mut clip = GradClip::new(&device, &mut [a.view_mut([8]).unwrap()]).unwrap();
    let mut scalars = [0, 1, 2].map(|_| device.upload(&[7.0_f32]).unwrap());
    let mut norm = |views: &[warpsmith::View<'_, EmulatedDevice, f32>]| {
        let [norm, factor, found_inf] = scalars.each_mut().map(|scalar| scalar.view_mut([1]).unwrap());
        clip.norm(&device, views, Norm { norm, factor, found_inf, loss_scale: None }, 1.0)
    };
    let count = Error::Count { op: "grad_clip", argument: "gradients", expected: 1, got: 0 };
    assert_eq!(norm(&[]), Err(count));
    let moved = norm(&[b.view([8]).unwrap()]);
    assert!(matches!(moved, Err(Error::Entry { index: 0, error }) if matches!(*error, Error::Moved { .. })));
    norm(&[a.view([8]).unwrap()]).unwrap();
    assert_eq!(device.download(&scalars[0]).unwrap(), [8.0_f32.sqrt()]);
    let error = clip.value(&device, &mut [a.view_mut([8]).unwrap()], f32::NAN).unwrap_err();
    assert!(error.to_string().contains("limit NaN"), "{error}");
    assert!(clip.value(&device, &mut [b.view_mut([8]).unwrap()], 0.5).is_err());
    assert_eq!(device.download(&b).unwrap(), [1.0; 8]);
}
