//! Bad input to attention.

use half::bf16;
use warpsmith::ops::attention::{self, Forward, ForwardDesc, Options, plan_forward};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::data::Rng;
use crate::common::guard::{Guarded, Place, Sample};
use crate::{assert_error, at, device, shaped, strided};

pub const BATCH: usize = 2;
pub const QUERIES: usize = 5;
pub const KEYS: usize = 7;
pub const HEADS: usize = 4;
pub const KV_HEADS: usize = 2;
pub const DIM: usize = 64;
pub const Q: [usize; 4] = [BATCH, QUERIES, HEADS, DIM];
pub const KV: [usize; 4] = [BATCH, KEYS, KV_HEADS, DIM];
pub const ROWS: [usize; 3] = [BATCH, HEADS, QUERIES];

pub type Tensor<T = bf16> = Guarded<EmulatedDevice, T>;

pub fn input(device: &EmulatedDevice, shape: [usize; 4]) -> Tensor {
    let count = shape.iter().product();
    Guarded::input(device, Place::vector(count), &Rng::new(count as u64).normals(count, 0.0, 1.0))
}

pub fn output<T: Sample, const RANK: usize>(device: &EmulatedDevice, shape: [usize; RANK]) -> Tensor<T> {
    Guarded::output(device, Place::vector(shape.iter().product()))
}

/// The tensors of a forward pass that would succeed.
struct ForwardTensors {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    lse: Tensor<f32>,
}

impl ForwardTensors {
    fn new(device: &EmulatedDevice) -> Self {
        Self {
            q: input(device, Q),
            k: input(device, KV),
            v: input(device, KV),
            o: output(device, Q),
            lse: output(device, ROWS),
        }
    }

    fn desc(&self) -> ForwardDesc {
        ForwardDesc {
            q: shaped(self.q.desc(), Q),
            k: shaped(self.k.desc(), KV),
            v: shaped(self.v.desc(), KV),
            o: shaped(self.o.desc(), Q),
            lse: Some(shaped(self.lse.desc(), ROWS)),
            options: Options::default(),
        }
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        self.o.assert_untouched(device);
        self.lse.assert_untouched(device);
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
    assert!(tensors.o.read(&device).iter().all(|o| !o.is_nan()));
    assert!(tensors.lse.read(&device).iter().all(|lse| !lse.is_nan()));
}

pub type Spoil<Desc> = fn(&mut Desc);

fn lse(desc: &mut ForwardDesc, spoil: fn(TensorDesc) -> TensorDesc) {
    desc.lse = desc.lse.map(spoil);
}

#[test]
fn forward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), Spoil<ForwardDesc>)] = &[
        ("no queries", ("shape", "q"), |d| d.q = shaped(d.q, [BATCH, 0, HEADS, DIM])),
        ("no keys", ("shape", "k"), |d| d.k = shaped(d.k, [BATCH, 0, KV_HEADS, DIM])),
        ("three dimensions", ("shape", "q"), |d| d.q = shaped(d.q, [BATCH * QUERIES, HEADS, DIM])),
        ("keys without a batch", ("shape", "k"), |d| d.k = shaped(d.k, [KEYS, KV_HEADS, DIM])),
        ("another batch of keys", ("shape", "k"), |d| d.k = shaped(d.k, [1, KEYS, KV_HEADS, DIM])),
        ("keys of half the dimension", ("shape", "k"), |d| d.k = shaped(d.k, [BATCH, KEYS, 2 * KV_HEADS, DIM / 2])),
        ("heads that do not divide", ("shape", "k"), |d| d.k = shaped(d.k, [BATCH, 2, 3, DIM])),
        ("more heads of keys than of queries", ("shape", "k"), |d| d.k = shaped(d.k, [BATCH, 1, 2 * HEADS, DIM])),
        ("a value for fewer keys", ("shape", "v"), |d| d.v = shaped(d.v, [BATCH, KEYS - 1, KV_HEADS, DIM])),
        ("an output like the keys", ("shape", "o"), |d| d.o = shaped(d.o, KV)),
        ("heads and queries of lse exchanged", ("shape", "lse"), |d| lse(d, |l| shaped(l, [BATCH, QUERIES, HEADS]))),
        ("an lse for each element", ("shape", "lse"), |d| lse(d, |l| shaped(l, [BATCH, HEADS, QUERIES, 1]))),
        ("too few strides", ("stride", "q"), |d| d.q = strided(d.q, [1, 1, 1])),
        ("a head with gaps", ("stride", "q"), |d| d.q = strided(d.q, [16, 16, 16, 2])),
        ("keys with the dimension outside", ("stride", "k"), |d| d.k = strided(d.k, [896, 128, 1, 8])),
        ("values backwards in a head", ("stride", "v"), |d| d.v = strided(d.v, [896, 128, 64, -1])),
        ("an output with gaps in its heads", ("stride", "o"), |d| d.o = strided(d.o, [0, 0, 0, 3])),
        ("an lse with gaps", ("stride", "lse"), |d| lse(d, |l| strided(l, [40, 10, 2]))),
        ("keys of another type", ("dtype", "k"), |d| d.k.dtype = DType::F16),
        ("values of another type", ("dtype", "v"), |d| d.v.dtype = DType::F16),
        ("an output of another type", ("dtype", "o"), |d| d.o.dtype = DType::F16),
        ("an lse of the tensors' type", ("dtype", "lse"), |d| lse(d, |l| TensorDesc { dtype: DType::Bf16, ..l })),
        ("queries off 16 bytes", ("misaligned", "q"), |d| d.q.address += 8),
        ("keys off 16 bytes", ("misaligned", "k"), |d| d.k.address += 2),
        ("values off their elements", ("misaligned", "v"), |d| d.v.address += 1),
        ("an output off 16 bytes", ("misaligned", "o"), |d| d.o.address += 4),
        ("an lse off its elements", ("misaligned", "lse"), |d| lse(d, |l| at(l, l.address + 2))),
        ("heads off 16 bytes", ("misaligned", "q"), |d| d.q = strided(d.q, [1280, 256, 68, 1])),
        ("positions off 16 bytes", ("misaligned", "k"), |d| d.k = strided(d.k, [896, 132, 64, 1])),
        ("entries off 16 bytes", ("misaligned", "v"), |d| d.v = strided(d.v, [897, 128, 64, 1])),
        ("an output backwards off 16 bytes", ("misaligned", "o"), |d| d.o = strided(d.o, [1280, 256, -68, 1])),
        ("no queries' memory", ("null", "q"), |d| d.q.address = 0),
        ("no keys' memory", ("null", "k"), |d| d.k.address = 0),
        ("no output", ("null", "o"), |d| d.o.address = 0),
        ("an lse at null", ("null", "lse"), |d| lse(d, |l| at(l, 0))),
        ("in place", ("aliasing", "o"), |d| d.o = d.q),
        ("an output on the values", ("aliasing", "o"), |d| d.o.address = d.v.address),
        ("an lse in the keys", ("aliasing", "lse"), |d| d.lse = d.lse.map(|l| at(l, d.k.address))),
        ("an lse in the output", ("aliasing", "lse"), |d| d.lse = d.lse.map(|l| at(l, d.o.address + 16))),
        ("output heads over one another", ("aliasing", "o"), |d| d.o = strided(d.o, [1280, 256, 56, 1])),
        ("one output for the batch", ("aliasing", "o"), |d| d.o = strided(d.o, [0, 256, 64, 1])),
        ("too many queries", ("range", "q"), |d| {
            d.q = strided(shaped(d.q, [BATCH, (1 << 29) + 1, HEADS, DIM]), [8, 8, 8, 1]);
        }),
        ("too many keys", ("range", "k"), |d| {
            d.k = strided(shaped(d.k, [BATCH, (1 << 29) + 1, KV_HEADS, DIM]), [8, 8, 8, 1]);
        }),
        ("too many heads", ("range", "q"), |d| {
            d.q = strided(shaped(d.q, [BATCH, QUERIES, 1 << 16, DIM]), [8, 8, 8, 1]);
        }),
        ("too large a batch", ("range", "q"), |d| {
            d.q = strided(shaped(d.q, [1 << 16, QUERIES, HEADS, DIM]), [8, 8, 8, 1]);
            d.k = strided(shaped(d.k, [1 << 16, KEYS, KV_HEADS, DIM]), [8, 8, 8, 1]);
        }),
        ("positions beyond the address space", ("range", "k"), |d| d.k = strided(d.k, [896, 1 << 60, 64, 1])),
        ("the same backwards", ("range", "v"), |d| d.v = strided(d.v, [896, -(1 << 60), 64, 1])),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = ForwardTensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "attention::forward", *expected, run_forward(&device, &desc));
        tensors.assert_untouched(&device);
        // An output that was put over an input would have been written there.
        for tensor in [&tensors.q, &tensors.k, &tensors.v] {
            tensor.read(&device);
        }
    }
}

/// Calls that no kernel serves: the error says what was asked for, and what could have been.
#[test]
fn what_has_no_kernel_is_unsupported() {
    let cases: &[(&str, &str, Spoil<ForwardDesc>)] = &[
        ("f32 with a head dimension of 64", "bf16 and f16 with head dimensions 64 and 128", |d| {
            d.q.dtype = DType::F32;
        }),
        ("bf16 with a head dimension of 32", "bf16 and f16 with head dimensions 64 and 128", |d| {
            d.q = shaped(d.q, [BATCH, QUERIES, 2 * HEADS, DIM / 2]);
        }),
        ("bf16 with a head dimension of 256", "bf16 and f16 with head dimensions 64 and 128", |d| {
            d.q = shaped(d.q, [BATCH, QUERIES, 1, HEADS * DIM]);
        }),
        ("a scale of 0", "positive finite scales", |d| d.options.scale = Some(0.0)),
        ("a scale of -0.125", "positive finite scales", |d| d.options.scale = Some(-0.125)),
        ("a scale of inf", "positive finite scales", |d| d.options.scale = Some(f32::INFINITY)),
        ("a scale of NaN", "positive finite scales", |d| d.options.scale = Some(f32::NAN)),
        ("a scale of 340", "positive finite scales", |d| d.options.scale = Some(f32::MAX)),
    ];
    for (asked, offered, spoil) in cases {
        let device = device();
        let tensors = ForwardTensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        match run_forward(&device, &desc).unwrap_err() {
            Error::Unsupported { op: "attention::forward", what, supported } => {
                assert!(what.starts_with(asked) && supported == *offered, "{asked}: {what}, {supported}");
            }
            error => panic!("{asked}: {error}"),
        }
        tensors.assert_untouched(&device);
    }
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    let count = |shape: [usize; 4]| shape.iter().product();
    for argument in ["q", "k", "v", "o", "lse"] {
        let place = |name| if name == argument { &there } else { &here };
        let input = |name, shape| place(name).upload(&vec![bf16::ONE; count(shape)]).unwrap();
        let (q, k, v) = (input("q", Q), input("k", KV), input("v", KV));
        let mut o = place("o").alloc::<bf16>(count(Q)).unwrap();
        let mut lse = place("lse").alloc::<f32>(BATCH * HEADS * QUERIES).unwrap();
        let tensors = Forward {
            q: q.view(Q).unwrap(),
            k: k.view(KV).unwrap(),
            v: v.view(KV).unwrap(),
            o: o.view_mut(Q).unwrap(),
            lse: Some(lse.view_mut(ROWS).unwrap()),
        };
        let result = attention::forward(&here, tensors, Options::default());
        assert_error(argument, "attention::forward", ("device", argument), result);
    }
}
