//! Bad input to attention's backward pass.

use half::bf16;
use warpsmith::ops::attention::{self, Backward, BackwardDesc, Options, backward_workspace_bytes, plan_backward};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::attention::{BATCH, DIM, HEADS, KEYS, KV, KV_HEADS, Q, QUERIES, ROWS, Spoil, Tensor, input, output};
use crate::common::guard::{Guarded, Place};
use crate::{assert_error, at, device, shaped, strided};

/// The tensors of a backward pass that would succeed: q, k, v, o and grad_o; lse; what is written.
struct Tensors {
    inputs: [Tensor; 5],
    lse: Tensor<f32>,
    grad_q: Tensor,
    grad_k: Tensor,
    grad_v: Tensor,
    workspace: Tensor<u8>,
}

impl Tensors {
    fn new(device: &EmulatedDevice) -> Self {
        let rows: usize = ROWS.iter().product();
        Self {
            inputs: [Q, KV, KV, Q, Q].map(|shape| input(device, shape)),
            lse: Guarded::input(device, Place::vector(rows), &vec![3.0; rows]),
            grad_q: output(device, Q),
            grad_k: output(device, KV),
            grad_v: output(device, KV),
            workspace: output(device, [backward_workspace_bytes(Q)]),
        }
    }

    fn desc(&self) -> BackwardDesc {
        let [q, k, v, o, grad_o] = [0, 1, 2, 3, 4].map(|i| self.inputs[i].desc());
        BackwardDesc {
            q: shaped(q, Q),
            k: shaped(k, KV),
            v: shaped(v, KV),
            o: shaped(o, Q),
            lse: shaped(self.lse.desc(), ROWS),
            grad_o: shaped(grad_o, Q),
            grad_q: shaped(self.grad_q.desc(), Q),
            grad_k: shaped(self.grad_k.desc(), KV),
            grad_v: shaped(self.grad_v.desc(), KV),
            workspace: self.workspace.desc(),
            options: Options::default(),
        }
    }

    fn gradients(&self) -> [&Tensor; 3] {
        [&self.grad_q, &self.grad_k, &self.grad_v]
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        self.gradients().iter().for_each(|gradient| gradient.assert_untouched(device));
        self.workspace.assert_untouched(device);
        // An output that was put over an input would have been written there.
        self.inputs.iter().for_each(|tensor| drop(tensor.read(device)));
    }
}

fn run(device: &EmulatedDevice, desc: &BackwardDesc) -> Result<()> {
    let plan = plan_backward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launches.
    unsafe { plan.launch(device) }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = Tensors::new(&device);
    run(&device, &tensors.desc()).unwrap();
    assert!(tensors.gradients().iter().all(|gradient| gradient.read(&device).iter().all(|x| !x.is_nan())));
    tensors.workspace.read(&device);
}

#[test]
fn backward_names_the_argument_and_writes_nothing() {
    let cases: &[(&str, (&str, &str), Spoil<BackwardDesc>)] = &[
        ("no queries", ("shape", "q"), |d| d.q = shaped(d.q, [BATCH, 0, HEADS, DIM])),
        ("three dimensions of keys", ("shape", "k"), |d| d.k = shaped(d.k, [KEYS, KV_HEADS, DIM])),
        ("heads that do not divide", ("shape", "k"), |d| d.k = shaped(d.k, [BATCH, 2, 3, DIM])),
        ("values for fewer keys", ("shape", "v"), |d| d.v = shaped(d.v, [BATCH, KEYS - 1, KV_HEADS, DIM])),
        ("an output like the keys", ("shape", "o"), |d| d.o = shaped(d.o, KV)),
        ("heads and queries of lse exchanged", ("shape", "lse"), |d| d.lse = shaped(d.lse, [BATCH, QUERIES, HEADS])),
        ("another grad_o", ("shape", "grad_o"), |d| d.grad_o = shaped(d.grad_o, [QUERIES, BATCH, HEADS, DIM])),
        ("a grad_q like the keys", ("shape", "grad_q"), |d| d.grad_q = shaped(d.grad_q, KV)),
        ("a grad_k for every query head", ("shape", "grad_k"), |d| {
            d.grad_k = shaped(d.grad_k, [BATCH, KEYS, HEADS, DIM]);
        }),
        ("a grad_v like the queries", ("shape", "grad_v"), |d| d.grad_v = shaped(d.grad_v, Q)),
        ("an output with gaps in its heads", ("stride", "o"), |d| d.o = strided(d.o, [0, 0, 0, 3])),
        ("an lse with gaps", ("stride", "lse"), |d| d.lse = strided(d.lse, [40, 10, 2])),
        ("a grad_o backwards in a head", ("stride", "grad_o"), |d| d.grad_o = strided(d.grad_o, [1280, 256, 64, -1])),
        ("a grad_q with gaps in its heads", ("stride", "grad_q"), |d| d.grad_q = strided(d.grad_q, [1280, 256, 64, 2])),
        ("values of another type", ("dtype", "v"), |d| d.v.dtype = DType::F16),
        ("an lse of the tensors' type", ("dtype", "lse"), |d| d.lse.dtype = DType::Bf16),
        ("a grad_o of another type", ("dtype", "grad_o"), |d| d.grad_o.dtype = DType::F16),
        ("a grad_k of another type", ("dtype", "grad_k"), |d| d.grad_k.dtype = DType::F16),
        ("a workspace of floats", ("dtype", "workspace"), |d| d.workspace.dtype = DType::F32),
        ("an output off 16 bytes", ("misaligned", "o"), |d| d.o.address += 8),
        ("an lse off its elements", ("misaligned", "lse"), |d| d.lse = at(d.lse, d.lse.address + 2)),
        ("a grad_q off 16 bytes", ("misaligned", "grad_q"), |d| d.grad_q.address += 4),
        ("heads of grad_k off 16 bytes", ("misaligned", "grad_k"), |d| d.grad_k = strided(d.grad_k, [896, 128, 68, 1])),
        ("positions of grad_v off 16 bytes", ("misaligned", "grad_v"), |d| {
            d.grad_v = strided(d.grad_v, [924, 132, 64, 1]);
        }),
        ("a workspace off 16 bytes", ("misaligned", "workspace"), |d| {
            d.workspace = at(d.workspace, d.workspace.address + 4);
        }),
        ("no grad_o", ("null", "grad_o"), |d| d.grad_o.address = 0),
        ("no grad_v", ("null", "grad_v"), |d| d.grad_v.address = 0),
        ("a workspace at null", ("null", "workspace"), |d| d.workspace.address = 0),
        ("grad_q in place of q", ("aliasing", "grad_q"), |d| d.grad_q = d.q),
        ("grad_q over grad_o", ("aliasing", "grad_q"), |d| d.grad_q = d.grad_o),
        ("grad_k over the values", ("aliasing", "grad_k"), |d| d.grad_k.address = d.v.address),
        ("grad_v over grad_k", ("aliasing", "grad_v"), |d| d.grad_v = d.grad_k),
        ("keys' gradients over one another", ("aliasing", "grad_k"), |d| {
            d.grad_k = strided(d.grad_k, [896, 128, 0, 1]);
        }),
        ("the workspace in the output", ("aliasing", "workspace"), |d| d.workspace = at(d.workspace, d.o.address)),
        ("the workspace in grad_q", ("aliasing", "workspace"), |d| d.workspace = at(d.workspace, d.grad_q.address)),
        ("a workspace a byte too small", ("size", "workspace"), |d| {
            d.workspace = shaped(d.workspace, [d.workspace.shape[0] - 1]);
        }),
        ("too many queries", ("range", "q"), |d| {
            d.q = strided(shaped(d.q, [BATCH, (1 << 29) + 1, HEADS, DIM]), [8, 8, 8, 1]);
        }),
        ("positions of grad_k beyond the address space", ("range", "grad_k"), |d| {
            d.grad_k = strided(d.grad_k, [896, 1 << 60, 64, 1]);
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = Tensors::new(&device);
        let mut desc = tensors.desc();
        spoil(&mut desc);
        assert_error(case, "attention::backward", *expected, run(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

/// Problems whose counters would not fit 32 bits, or whose key blocks no grid: no device has the memory, but a description may say so.
#[test]
fn more_rows_than_can_be_counted_are_out_of_range() {
    let device = device();
    let desc = Tensors::new(&device).desc();
    let huge = |tensor: TensorDesc, shape: [usize; 4]| strided(shaped(tensor, shape), [8, 8, 8, 1]);
    let with = |q: [usize; 4], k: [usize; 4]| BackwardDesc {
        q: huge(desc.q, q),
        o: huge(desc.o, q),
        grad_o: huge(desc.grad_o, q),
        grad_q: huge(desc.grad_q, q),
        k: huge(desc.k, k),
        v: huge(desc.v, k),
        grad_k: huge(desc.grad_k, k),
        grad_v: huge(desc.grad_v, k),
        lse: shaped(desc.lse, [q[0], q[2], q[1]]),
        ..desc
    };
    let rows = with([16, 1 << 20, 1024, DIM], [16, 1, 1, DIM]);
    assert_error("rows", "attention::backward", ("range", "q"), run(&device, &rows));
    let blocks = with([1024, 1, 1024, DIM], [1024, 1 << 18, 1024, DIM]);
    assert_error("blocks", "attention::backward", ("range", "k"), run(&device, &blocks));
}

#[test]
fn what_has_no_kernel_is_unsupported() {
    let device = device();
    let tensors = Tensors::new(&device);
    let desc = tensors.desc();
    let f32s = BackwardDesc { q: TensorDesc { dtype: DType::F32, ..desc.q }, ..desc };
    let scaled = BackwardDesc { options: Options { scale: Some(-1.0), ..desc.options }, ..desc };
    for (desc, asked) in [(f32s, "f32 with a head dimension of 64"), (scaled, "a scale of -1")] {
        match run(&device, &desc).unwrap_err() {
            Error::Unsupported { op: "attention::backward", what, .. } => assert_eq!(what, asked),
            error => panic!("{asked}: {error}"),
        }
    }
    // A device with less shared memory than any model has.
    let caps = warpsmith::device::Caps { shared_memory_per_block: 48 << 10, ..*device.caps() };
    assert!(matches!(plan_backward(&desc, &caps), Err(Error::Unsupported { .. })));
    tensors.assert_untouched(&device);
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (here, there) = (device(), device());
    let bytes = backward_workspace_bytes(Q);
    for argument in ["q", "k", "v", "o", "lse", "grad_o", "grad_q", "grad_k", "grad_v", "workspace"] {
        let place = |name| if name == argument { &there } else { &here };
        let tensor = |name, shape: [usize; 4]| place(name).upload(&vec![bf16::ONE; shape.iter().product()]).unwrap();
        let (q, k, v, o) = (tensor("q", Q), tensor("k", KV), tensor("v", KV), tensor("o", Q));
        let lse = place("lse").upload(&[1.0_f32; BATCH * HEADS * QUERIES]).unwrap();
        let (grad_o, mut grad_q) = (tensor("grad_o", Q), tensor("grad_q", Q));
        let (mut grad_k, mut grad_v) = (tensor("grad_k", KV), tensor("grad_v", KV));
        let mut workspace = place("workspace").alloc::<u8>(bytes).unwrap();
        let tensors = Backward {
            q: q.view(Q).unwrap(),
            k: k.view(KV).unwrap(),
            v: v.view(KV).unwrap(),
            o: o.view(Q).unwrap(),
            lse: lse.view(ROWS).unwrap(),
            grad_o: grad_o.view(Q).unwrap(),
            grad_q: grad_q.view_mut(Q).unwrap(),
            grad_k: grad_k.view_mut(KV).unwrap(),
            grad_v: grad_v.view_mut(KV).unwrap(),
            workspace: workspace.view_mut([bytes]).unwrap(),
        };
        let result = attention::backward(&here, tensors, Options::default());
        assert_error(argument, "attention::backward", ("device", argument), result);
    }
}
