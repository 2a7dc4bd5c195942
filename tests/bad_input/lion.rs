//! Bad input to Lion: its options, and states of the wrong kind. What lists of all optimizers refuse, `adamw.rs` tries.

use warpsmith::device::EmulatedBuffer;
use warpsmith::ops::lion::{
    Checkpoint, Desc, Lion, Moment, MomentDesc, Options, ParameterDesc, Scalars, State, States, Tensors, plan,
    progress_bytes, table,
};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::{device, kind};

const COUNT: usize = 300;

fn tensor(place: u64, len: usize, dtype: DType) -> TensorDesc {
    TensorDesc::contiguous(place << 20, [len], dtype)
}

/// A parameter with codes, as a host would describe it.
fn parameter() -> ParameterDesc {
    let first = MomentDesc::Codes { codes: tensor(3, COUNT, DType::U8), absmax: tensor(4, 2, DType::F32) };
    ParameterDesc {
        parameter: tensor(1, COUNT, DType::F32),
        gradient: tensor(2, COUNT, DType::F32),
        master: None,
        first,
        second: None,
        weight_decay: 0.1,
    }
}

fn plan_of(parameter: ParameterDesc, options: Options) -> Result<()> {
    let parameters = [parameter];
    let size = table(&parameters, &options).map_or(1 << 20, |table| table.len());
    let (table, progress) = (tensor(8, size, DType::U8), tensor(9, progress_bytes(), DType::U8));
    let desc = Desc { parameters: &parameters, table, progress, options };
    plan(&desc, device().caps()).map(drop)
}

type Case = (&'static str, fn(&mut ParameterDesc, &mut Options));

#[test]
fn what_cannot_be_is_named() {
    let codes = Options { states: States::Codes, ..Options::default() };
    assert_eq!(plan_of(parameter(), codes), Ok(()));
    let cases: &[Case] = &[
        ("beta1 1", |_, o| o.beta1 = 1.0),
        ("beta2 -0.5", |_, o| o.beta2 = -0.5),
        ("moments that are not as the options say", |_, o| o.states = States::Floats),
        ("another number of moments", |p, _| p.second = Some(p.first)),
        ("a master", |p, _| p.master = Some(tensor(5, COUNT, DType::F32))),
        ("absmax1", |p, _| {
            p.first = MomentDesc::Codes { codes: tensor(3, COUNT, DType::U8), absmax: tensor(4, 3, DType::F32) }
        }),
        ("state1", |p, _| {
            p.first = MomentDesc::Codes { codes: tensor(3, COUNT - 1, DType::U8), absmax: tensor(4, 2, DType::F32) }
        }),
        ("gradient", |p, _| p.gradient.dtype = DType::Bf16),
    ];
    for (expected, spoil) in cases {
        let (mut parameter, mut options) = (parameter(), codes);
        spoil(&mut parameter, &mut options);
        let error = plan_of(parameter, options).expect_err(expected).to_string();
        assert!(error.contains("lion") && error.contains(expected), "{expected}: {error}");
    }
}

type Floats = EmulatedBuffer<f32>;

fn one<'a>(parameter: &'a mut Floats, gradient: &'a Floats) -> [Tensors<'a, EmulatedDevice, f32>; 1] {
    let (parameter, gradient) = (parameter.view_mut([8]), gradient.view([gradient.len()]));
    [Tensors { parameter: parameter.expect("a view"), gradient: gradient.expect("a view"), master: None }]
}

#[test]
fn the_object_takes_states_of_its_kind() {
    let device = device();
    let upload = |count: usize| device.upload(&vec![1.0_f32; count]).unwrap();
    let (mut a, gradient, rate) = (upload(8), upload(8), upload(1));
    let options = Options { states: States::Codes, ..Options::default() };
    let restore = |a: &mut Floats, state| {
        let checkpoint = Checkpoint { steps: 1, states: vec![state] };
        Lion::restore(&device, &mut one(a, &gradient), &[0.0], options, &checkpoint).err()
    };
    let floats = State { first: Moment::new(8, States::Floats), second: None };
    assert!(matches!(restore(&mut a, floats), Some(Error::Entry { error, .. }) if kind(&error) == ("other", "")));
    let short = State { first: Moment::Codes { codes: vec![0; 8], absmax: vec![] }, second: None };
    let count = Error::Count { op: "lion", argument: "absmax1", expected: 1, got: 0 };
    assert_eq!(restore(&mut a, short), Some(Error::Entry { index: 0, error: Box::new(count) }));
    let mut optimizer = Lion::new(&device, &mut one(&mut a, &gradient), &[0.0], options).unwrap();
    assert_eq!(optimizer.state_bytes(), 256 + 4);
    let scalars = Scalars { learning_rate: rate.view([1]).unwrap(), gradient_scale: None, found_inf: None };
    optimizer.step(&device, &mut one(&mut a, &gradient), scalars).unwrap();
    assert_eq!(device.download(&a).unwrap(), [0.0; 8]);
}
