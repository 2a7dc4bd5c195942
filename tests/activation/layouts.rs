//! Every shape, layout and kind of input gives the right result and touches nothing else.

use half::bf16;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::activation::{BackwardDesc, Function, GateDesc, InputMut, backward_in_place, plan_backward};
use warpsmith::reference::activation as reference;
use warpsmith::{Buffer, Device, EmulatedDevice, Queue, TensorDesc};

use crate::common::compare::assert_bits_equal;
use crate::common::data::{Rng, widen};
use crate::common::devices::{Body, on_every_device, on_one_model, regimes};
use crate::common::guard::{Guarded, Place};
use crate::problem::{Case, Every, Kind, Problem, Real};

/// Shapes of one element up to several tiles and blocks; whole vectors and not; rows that are folded and rows that are not. (Not many rows of few
/// f32: in one of them naive is exact by chance where a derivative is next to zero.)
struct Shapes;

impl Case for Shapes {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let shapes = [
            (1, 1),
            (1, 7),
            (1, 515),
            (3, 24),
            (4, 13),
            (8, 33),
            (5, 264),
            (1, 4096),
            (2, 20_000),
            (64, 300),
            (131, 64),
        ];
        for (i, (rows, width)) in shapes.into_iter().enumerate() {
            for (j, kind) in Kind::ALL.into_iter().enumerate() {
                Problem::<T>::new(Function::ALL[(i + j) % 6], kind, rows, width).check(device, name);
            }
        }
    }
}

#[test]
fn any_shape() {
    on_one_model(&Every(Shapes));
}

/// All functions in all kinds of inputs, on every model.
struct Functions;

impl Case for Functions {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for function in Function::ALL {
            for kind in Kind::ALL {
                Problem::<T>::new(function, kind, 9, 136).check(device, name);
            }
        }
    }
}

#[test]
fn any_function() {
    on_every_device(&Every(Functions));
}

/// Rows at a distance and off boundaries, in place and not.
struct Layouts;

impl Case for Layouts {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let lanes = 16 / size_of::<T>();
        for (gaps, shifts) in [
            ([lanes, 0], [0, 0]),
            ([0, 2 * lanes], [0, lanes]),
            ([1, 0], [0, 0]),
            ([0, 0], [1, 0]),
            ([0, 0], [0, lanes - 1]),
            ([3, 1], [1, 1]),
        ] {
            for kind in Kind::ALL {
                for in_place in [false, true] {
                    for (rows, width) in [(5, 40), (19, 3)] {
                        let problem = Problem::<T>::new(Function::Silu, kind, rows, width);
                        Problem { gaps, shifts, in_place, ..problem }.check(device, name);
                    }
                }
            }
        }
    }
}

#[test]
fn any_layout() {
    on_one_model(&Every(Layouts));
}

/// A gradient in the memory of another input than its own, which only a description can say: both of a gated unit, turned round, and one in that of
/// the output's gradient.
#[test]
fn gradients_in_any_input() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let problem = Problem::<f32>::new(Function::GeluTanh, Kind::Gated, 7, 24);
    let expected = problem.backward(&device);
    for choice in 0..2 {
        let place = Place::matrix(7, 24);
        let [gate, up, grad_output] =
            [&problem.input, &problem.up, &problem.grad_output].map(|values| Guarded::input(&device, place, values));
        let (grad_input, grad_up) = if choice == 0 { (&up, &gate) } else { (&grad_output, &up) };
        let desc = BackwardDesc {
            function: problem.function,
            grad_output: grad_output.desc(),
            input: gate.desc(),
            grad_input: grad_input.desc(),
            gate: Some(GateDesc { up: up.desc(), grad_up: grad_up.desc() }),
        };
        let plan = plan_backward(&desc, device.caps()).unwrap();
        // SAFETY: the tensors of this test outlive the launch.
        unsafe { plan.launch(&device) }.unwrap();
        assert_bits_equal("grad_input", 24, &grad_input.read(&device), &expected.input);
        assert_bits_equal("grad_up", 24, &grad_up.read(&device), &expected.up);
    }
}

/// A packed tensor of four dimensions, a part of each row of a larger one.
struct Ranks;

impl Body for Ranks {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let values: Vec<f32> = Rng::new(5).normals(2 * 3 * 2 * 20, 0.0, 1.0);
        let ones = device.upload(&[1.0_f32; 96]).unwrap();
        let mut tensor = device.upload(&values).unwrap();
        let packed = InputMut::Packed(tensor.strided_mut(4, [2, 3, 2, 16], [120, 40, 20, 1]).unwrap());
        backward_in_place(device, ones.view([2, 3, 2, 8]).unwrap(), packed, Function::Silu).unwrap();
        let got = widen(&device.download(&tensor).unwrap());
        for (i, (got, value)) in got.iter().zip(widen(&values)).enumerate() {
            let row = i / 20 * 20;
            let other = |column: usize| f64::from(values[row + column]);
            let expected = match i % 20 {
                column @ 4..12 => other(column + 8) * reference::derivative(Function::Silu, value),
                column @ 12.. => reference::value(Function::Silu, other(column - 8)),
                _ => value,
            };
            assert!((got - expected).abs() < 1e-5, "{name}: [{i}] is {got}, not {expected}");
        }
    }
}

#[test]
fn packed_parts_of_four_dimensions() {
    on_one_model(&Ranks);
}

/// Two rows more than 4 GiB apart.
struct Far;

impl Body for Far {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (width, stride) in [(64, 1_usize << 31), (5, (1 << 31) + 1)] {
            let input: Vec<bf16> = Rng::new(7).normals(2 * width, 0.0, 1.0);
            let near = device.upload(&input).unwrap();
            let mut far = device.alloc::<bf16>(stride + width).unwrap();
            let mut back = device.alloc::<bf16>(2 * width).unwrap();
            let strides = [stride as i64, 1];
            use warpsmith::ops::activation::{Forward, Input, forward};
            let output = far.strided_mut(0, [2, width], strides).unwrap();
            let tensors = Forward { input: Input::Plain(near.view([2, width]).unwrap()), output };
            forward(device, tensors, Function::Relu).unwrap();
            let gate = far.strided(0, [2, width], strides).unwrap();
            let tensors = Forward {
                input: Input::Gated { gate, up: near.view([2, width]).unwrap() },
                output: back.view_mut([2, width]).unwrap(),
            };
            forward(device, tensors, Function::Relu).unwrap();
            for (i, (got, x)) in device.download(&back).unwrap().iter().zip(&input).enumerate() {
                let x = x.to_f32();
                let expected = bf16::from_f32(if x > 0.0 { x * x } else { 0.0 });
                assert!(got.to_f32() == expected.to_f32(), "{name}: [{i}] is {got}, not {expected}");
            }
        }
    }
}

#[test]
fn rows_more_than_four_gibibytes_apart() {
    on_one_model(&Far);
}

#[test]
fn every_regime_gives_the_same_bits() {
    let model = DeviceModel::Sm80;
    for (kind, rows, width) in [(Kind::Packed, 150, 72), (Kind::Gated, 21, 37)] {
        let problem = Problem::<bf16>::new(Function::Silu, kind, rows, width);
        let problem = Problem { in_place: true, ..problem };
        let expected = problem.backward(&EmulatedDevice::new(model));
        for (regime, device) in regimes(model) {
            let got = problem.backward(&device);
            assert_bits_equal(&regime, width, &got.input, &expected.input);
            assert_bits_equal(&regime, width, &got.up, &expected.up);
        }
    }
}

/// Tensors whose sizes no memory has plan all the same, and a row that 32 bits cannot count is refused.
#[test]
fn sizes_beyond_memory() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let tensor = |place: u64, shape: [usize; 2], pitch: i64| TensorDesc {
        strides: [pitch, 1].into(),
        ..TensorDesc::contiguous(place << 50, shape, warpsmith::DType::Bf16)
    };
    let plan = |shape: [usize; 2], pitch: i64| {
        let desc = BackwardDesc {
            function: Function::Silu,
            grad_output: tensor(1, shape, pitch),
            input: tensor(2, shape, pitch),
            grad_input: tensor(3, shape, pitch),
            gate: None,
        };
        plan_backward(&desc, device.caps()).map(|_| ())
    };
    assert_eq!(plan([1 << 30, 1 << 12], 1 << 12), Ok(()));
    assert_eq!(plan([1, 1 << 40], 1 << 40), Ok(()));
    assert!(matches!(plan([3, (1 << 31) + 1], 1 << 32), Err(warpsmith::Error::IndexRange { argument: "input", .. })));
}
