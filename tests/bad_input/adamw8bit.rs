//! Bad input to 8-bit AdamW.

use warpsmith::device::EmulatedBuffer;
use warpsmith::ops::adamw8bit::{
    AdamW8bit, Checkpoint, Desc, Options, ParameterDesc, Scalars, ScalarsDesc, State, Tensors, plan, progress,
    progress_bytes, table,
};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, kind, normals, shaped, strided};

const COUNT: usize = 300;
const BLOCKS: usize = 2;

type Bytes = Guarded<EmulatedDevice, u8>;

/// Two parameters as a host would describe them.
struct List {
    tensors: Vec<(Tensor, Tensor, [Bytes; 2], [Tensor; 2])>,
    table: Bytes,
    progress: Bytes,
    learning_rate: Tensor,
}

/// A description that can be spoiled.
struct Spoilt {
    parameters: Vec<ParameterDesc>,
    table: TensorDesc,
    progress: TensorDesc,
    options: Options,
    scalars: ScalarsDesc,
}

impl List {
    fn new(device: &EmulatedDevice) -> Self {
        let vector = Place::vector(COUNT);
        let parameter = || {
            let codes = || Guarded::input(device, vector, &[0; COUNT]);
            let absmax = || Guarded::input(device, Place::vector(BLOCKS), &[0.0; BLOCKS]);
            (normals(device, vector, COUNT), normals(device, vector, COUNT), [codes(), codes()], [absmax(), absmax()])
        };
        let tensors = vec![parameter(), parameter()];
        let bytes = table(&descs(&tensors)).expect("a table");
        Self {
            tensors,
            table: Guarded::input(device, Place::vector(bytes.len()), &bytes),
            progress: Guarded::input(device, Place::vector(progress_bytes()), &progress(0, &Options::default())),
            learning_rate: Guarded::input(device, Place::vector(1), &[0.1]),
        }
    }

    fn desc(&self) -> Spoilt {
        let learning_rate = self.learning_rate.desc();
        Spoilt {
            parameters: descs(&self.tensors),
            table: self.table.desc(),
            progress: self.progress.desc(),
            options: Options::default(),
            scalars: ScalarsDesc { learning_rate, gradient_scale: None, found_inf: None },
        }
    }

    /// All that a step may write.
    fn contents(&self, device: &EmulatedDevice) -> Vec<Vec<u8>> {
        let of_parameter = |(parameter, gradient, codes, absmax): &(Tensor, Tensor, [Bytes; 2], [Tensor; 2])| {
            let floats = [parameter, gradient, &absmax[0], &absmax[1]].map(|tensor| tensor.read(device));
            let mut bytes: Vec<u8> = floats.concat().iter().flat_map(|value| value.to_le_bytes()).collect();
            codes.iter().for_each(|codes| bytes.extend(codes.read(device)));
            bytes
        };
        let mut contents: Vec<_> = self.tensors.iter().map(of_parameter).collect();
        contents.extend([self.table.read(device), self.progress.read(device)]);
        contents
    }
}

fn descs(tensors: &[(Tensor, Tensor, [Bytes; 2], [Tensor; 2])]) -> Vec<ParameterDesc> {
    let desc = |(parameter, gradient, codes, absmax): &(Tensor, Tensor, [Bytes; 2], [Tensor; 2])| ParameterDesc {
        parameter: parameter.desc(),
        gradient: gradient.desc(),
        state1: codes[0].desc(),
        state2: codes[1].desc(),
        absmax1: absmax[0].desc(),
        absmax2: absmax[1].desc(),
        weight_decay: 0.1,
    };
    tensors.iter().map(desc).collect()
}

fn run(device: &EmulatedDevice, spoilt: &Spoilt) -> Result<()> {
    let Spoilt { parameters, table, progress, options, scalars } = spoilt;
    let desc = Desc { parameters, table: *table, progress: *progress, options: *options };
    let step = plan(&desc, device.caps())?.step(scalars)?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { step.launch(device) }
}

/// The error of an entry, if it is one of the last parameter.
fn of_last(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Entry { index: 1, error }) => Err(*error),
        other => panic!("not an error of the last parameter: {other:?}"),
    }
}

#[test]
fn a_list_that_is_right_is_updated() {
    let device = device();
    let list = List::new(&device);
    let before = list.contents(&device);
    run(&device, &list.desc()).unwrap();
    let after = list.contents(&device);
    assert!(before[0] != after[0] && before[1] != after[1] && before[2] == after[2] && before[3] != after[3]);
}

type Case = (&'static str, (&'static str, &'static str), fn(&mut ParameterDesc));

#[test]
fn a_bad_parameter_is_named_and_nothing_written() {
    let cases: &[Case] = &[
        ("no elements", ("shape", "parameter"), |p| p.parameter = shaped(p.parameter, [0])),
        ("a shorter gradient", ("shape", "gradient"), |p| p.gradient = shaped(p.gradient, [COUNT - 1])),
        ("fewer codes", ("shape", "state1"), |p| p.state1 = shaped(p.state1, [COUNT - 1])),
        ("more codes", ("shape", "state2"), |p| p.state2 = shaped(p.state2, [COUNT + 1])),
        ("too few absmax", ("shape", "absmax1"), |p| p.absmax1 = shaped(p.absmax1, [BLOCKS - 1])),
        ("an absmax for each element", ("shape", "absmax2"), |p| p.absmax2 = shaped(p.absmax2, [COUNT])),
        ("gaps", ("stride", "parameter"), |p| p.parameter = strided(p.parameter, [2])),
        ("a gradient upside down", ("stride", "gradient"), |p| p.gradient = strided(p.gradient, [-1])),
        ("another type than the list's", ("dtype", "parameter"), |p| p.parameter.dtype = DType::Bf16),
        ("a gradient of another type", ("dtype", "gradient"), |p| p.gradient.dtype = DType::F16),
        ("codes that are floats", ("dtype", "state1"), |p| p.state1.dtype = DType::F32),
        ("absmax that are bytes", ("dtype", "absmax2"), |p| p.absmax2.dtype = DType::U8),
        ("no address", ("null", "parameter"), |p| p.parameter = at(p.parameter, 0)),
        ("no states", ("null", "state2"), |p| p.state2 = at(p.state2, 0)),
        ("an odd address", ("misaligned", "gradient"), |p| p.gradient = at(p.gradient, p.gradient.address + 2)),
        ("absmax at an odd address", ("misaligned", "absmax1"), |p| p.absmax1 = at(p.absmax1, p.absmax1.address + 1)),
        ("a gradient in the parameter", ("aliasing", "parameter"), |p| {
            p.gradient = at(p.gradient, p.parameter.address + 4)
        }),
        ("one state for both", ("aliasing", "state2"), |p| p.state2 = p.state1),
        ("absmax inside the codes", ("aliasing", "absmax1"), |p| {
            p.absmax1 = at(p.absmax1, p.state1.address.next_multiple_of(4))
        }),
        ("more elements than blocks can count", ("range", "parameter"), |p| {
            let count = (1 << 40) + 1;
            (p.parameter, p.gradient) = (shaped(p.parameter, [count]), shaped(p.gradient, [count]));
            (p.state1, p.state2) = (shaped(p.state1, [count]), shaped(p.state2, [count]));
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let list = List::new(&device);
        let before = list.contents(&device);
        let mut spoilt = list.desc();
        spoil(&mut spoilt.parameters[1]);
        assert_error(case, "adamw8bit", *expected, of_last(run(&device, &spoilt)));
        assert!(before == list.contents(&device), "{case}: something was written");
    }
}

type Whole = (&'static str, (&'static str, &'static str), fn(&mut Spoilt));

#[test]
fn a_bad_list_is_an_error_and_nothing_written() {
    let cases: &[Whole] = &[
        ("a small table", ("size", "workspace"), |d| d.table = shaped(d.table, [d.table.shape[0] - 1])),
        ("a table off its boundary", ("misaligned", "table"), |d| {
            d.table = shaped(at(d.table, d.table.address + 8), [d.table.shape[0]])
        }),
        ("no table", ("null", "table"), |d| d.table = at(d.table, 0)),
        ("a small progress record", ("size", "workspace"), |d| d.progress = shaped(d.progress, [progress_bytes() - 1])),
        ("no learning rate", ("null", "learning_rate"), |d| d.scalars.learning_rate.address = 0),
        ("two learning rates", ("shape", "learning_rate"), |d| {
            d.scalars.learning_rate = shaped(d.scalars.learning_rate, [2])
        }),
        ("a scale of another type", ("dtype", "gradient_scale"), |d| {
            d.scalars.gradient_scale = Some(TensorDesc { dtype: DType::Bf16, ..d.scalars.learning_rate })
        }),
        ("found_inf at an odd address", ("misaligned", "found_inf"), |d| {
            d.scalars.found_inf = Some(at(d.scalars.learning_rate, d.scalars.learning_rate.address + 1))
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let list = List::new(&device);
        let before = list.contents(&device);
        let mut spoilt = list.desc();
        spoil(&mut spoilt);
        // The text names the table or the record where the kind of error has no argument.
        let result = run(&device, &spoilt);
        let error = result.clone().expect_err(case);
        assert_eq!(kind(&error), *expected, "{case}: {error}");
        assert!(error.to_string().contains("adamw8bit"), "{case}: {error}");
        assert!(before == list.contents(&device), "{case}: something was written");
    }
}

/// Memory that two parameters share is named once, for the parameter whose output it is.
#[test]
fn parameters_that_share_memory_are_refused() {
    let device = device();
    let list = List::new(&device);
    let aliasing = |argument, other| Error::Aliasing { op: "adamw8bit", argument, other };
    let mut spoilt = list.desc();
    spoilt.parameters[1].state1 = spoilt.parameters[0].state1;
    assert_eq!(of_last(run(&device, &spoilt)), Err(aliasing("state1", "state1")));
    let mut spoilt = list.desc();
    spoilt.table = shaped(at(spoilt.table, spoilt.parameters[1].parameter.address), [spoilt.table.shape[0]]);
    assert_eq!(of_last(run(&device, &spoilt)), Err(aliasing("parameter", "table")));
    // Two parameters may have one gradient: it is read.
    let mut shared = list.desc();
    shared.parameters[1].gradient = shared.parameters[0].gradient;
    let desc = Desc {
        parameters: &shared.parameters,
        table: shared.table,
        progress: shared.progress,
        options: shared.options,
    };
    assert!(plan(&desc, device.caps()).is_ok());
}

type OutOfRange = (&'static str, fn(&mut Spoilt));

#[test]
fn options_out_of_their_range_are_refused() {
    let device = device();
    let list = List::new(&device);
    let cases: &[OutOfRange] = &[
        ("beta1 1", |d| d.options.beta1 = 1.0),
        ("beta1 -0.5", |d| d.options.beta1 = -0.5),
        ("beta2 NaN", |d| d.options.beta2 = f32::NAN),
        ("epsilon -1", |d| d.options.epsilon = -1.0),
        ("epsilon inf", |d| d.options.epsilon = f32::INFINITY),
        ("weight decay -0.1", |d| d.parameters[0].weight_decay = -0.1),
        ("an empty list", |d| d.parameters.clear()),
        ("a tensor of u8", |d| d.parameters[0].parameter.dtype = DType::U8),
    ];
    for (expected, spoil) in cases {
        let mut spoilt = list.desc();
        spoil(&mut spoilt);
        let error = run(&device, &spoilt).unwrap_err();
        assert!(error.to_string().contains(*expected), "{expected}: {error}");
    }
}

type Floats = EmulatedBuffer<f32>;

/// A list of one parameter.
fn one<'a>(parameter: &'a mut Floats, gradient: &'a Floats) -> [Tensors<'a, EmulatedDevice, f32>; 1] {
    let (parameter, gradient) = (parameter.view_mut([8]), gradient.view([gradient.len()]));
    [Tensors { parameter: parameter.expect("a view"), gradient: gradient.expect("a view") }]
}

/// What the typed front adds: lists of the right length, tensors in their places, devices that agree.
#[test]
fn the_object_takes_what_it_was_made_for() {
    let (here, there) = (device(), device());
    let upload =
        |device: &EmulatedDevice, count: usize| warpsmith::Device::upload(device, &vec![1.0_f32; count]).unwrap();
    let (mut a, mut b, gradient, rate) = (upload(&here, 8), upload(&here, 8), upload(&here, 8), upload(&here, 1));
    let (mut far, long) = (upload(&there, 8), upload(&here, 9));
    let scalars = Scalars { learning_rate: rate.view([1]).unwrap(), gradient_scale: None, found_inf: None };
    let options = Options::default();
    let count = |argument, expected, got| Error::Count { op: "adamw8bit", argument, expected, got };
    let entry = |error| Error::Entry { index: 0, error: Box::new(error) };
    assert_eq!(
        AdamW8bit::new(&here, &mut one(&mut a, &gradient), &[], options).err(),
        Some(count("weight_decays", 1, 0))
    );
    let checkpoint = |states| Checkpoint { steps: 1, states };
    let restore = |parameter: &mut Floats, states| {
        AdamW8bit::restore(&here, &mut one(parameter, &gradient), &[0.0], options, &checkpoint(states)).err()
    };
    assert_eq!(restore(&mut a, vec![]), Some(count("checkpoint.states", 1, 0)));
    let short = State { absmax2: vec![], ..State::new(8) };
    assert_eq!(restore(&mut a, vec![short]), Some(entry(count("absmax2", 1, 0))));
    let mismatch = Error::DeviceMismatch { op: "adamw8bit", argument: "parameter" };
    assert_eq!(AdamW8bit::new(&here, &mut one(&mut far, &gradient), &[0.0], options).err(), Some(entry(mismatch)));
    let none: &mut [Tensors<'_, EmulatedDevice, f32>] = &mut [];
    assert!(AdamW8bit::new(&here, none, &[], options).is_err_and(|error| error.to_string().contains("an empty list")));

    let mut optimizer = AdamW8bit::new(&here, &mut one(&mut a, &gradient), &[0.0], options).unwrap();
    assert_eq!(optimizer.step(&here, none, scalars), Err(count("tensors", 1, 0)));
    let moved = optimizer.step(&here, &mut one(&mut b, &gradient), scalars);
    assert!(
        matches!(moved, Err(Error::Entry { error, .. }) if matches!(*error, Error::Moved { argument: "parameter", .. }))
    );
    let longer = optimizer.step(&here, &mut one(&mut a, &long), scalars);
    assert!(matches!(longer, Err(Error::Entry { error, .. }) if kind(&error) == ("shape", "gradient")));
    assert_eq!(here.download(&a).unwrap(), [1.0; 8]);
    optimizer.step(&here, &mut one(&mut a, &gradient), scalars).unwrap();
}
