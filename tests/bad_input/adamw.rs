//! Bad input to AdamW, and so to all optimizers of the same shape: what they do not share stands in their own files.

use half::bf16;
use warpsmith::device::EmulatedBuffer;
use warpsmith::ops::adamw::{
    AdamW, Checkpoint, Desc, Moment, MomentDesc, Options, ParameterDesc, Rounding, Scalars, ScalarsDesc, State, States,
    Tensors, plan, progress, progress_bytes, table,
};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{Tensor, assert_error, at, device, kind, normals, shaped, strided};

const COUNT: usize = 300;

type Bytes = Guarded<EmulatedDevice, u8>;
type Half = Guarded<EmulatedDevice, bf16>;

/// A parameter in bf16, its gradient, master and moments.
struct Parameter {
    parameter: Half,
    gradient: Half,
    floats: [Tensor; 3],
}

/// Two parameters as a host would describe them.
struct List {
    parameters: Vec<Parameter>,
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
        let place = Place::vector(COUNT);
        let half = || Guarded::input(device, place, &[bf16::ONE; COUNT]);
        let float = || normals(device, place, COUNT);
        let parameter = || Parameter { parameter: half(), gradient: half(), floats: [float(), float(), float()] };
        let parameters = vec![parameter(), parameter()];
        let descs: Vec<_> = parameters.iter().map(Parameter::desc).collect();
        let table = table(&descs).expect("a table");
        let progress = progress(0, &descs, &Options::default());
        Self {
            parameters,
            table: Guarded::input(device, Place::vector(table.len()), &table),
            progress: Guarded::input(device, Place::vector(progress_bytes()), &progress),
            learning_rate: Guarded::input(device, Place::vector(1), &[0.1]),
        }
    }

    fn desc(&self) -> Spoilt {
        let learning_rate = self.learning_rate.desc();
        Spoilt {
            parameters: self.parameters.iter().map(Parameter::desc).collect(),
            table: self.table.desc(),
            progress: self.progress.desc(),
            options: Options::default(),
            scalars: ScalarsDesc { learning_rate, gradient_scale: None, found_inf: None },
        }
    }

    /// All that a step may write.
    fn contents(&self, device: &EmulatedDevice) -> Vec<Vec<u8>> {
        let of_parameter = |p: &Parameter| {
            let halves = [&p.parameter, &p.gradient].into_iter().flat_map(|half| half.read(device));
            let mut bytes: Vec<u8> = halves.flat_map(bf16::to_le_bytes).collect();
            bytes.extend(p.floats.iter().flat_map(|floats| floats.read(device)).flat_map(f32::to_le_bytes));
            bytes
        };
        let mut contents: Vec<_> = self.parameters.iter().map(of_parameter).collect();
        contents.extend([self.table.read(device), self.progress.read(device)]);
        contents
    }
}

impl Parameter {
    fn desc(&self) -> ParameterDesc {
        let [master, first, second] = self.floats.each_ref().map(Guarded::desc);
        ParameterDesc {
            parameter: self.parameter.desc(),
            gradient: self.gradient.desc(),
            master: Some(master),
            first: MomentDesc::Floats(first),
            second: Some(MomentDesc::Floats(second)),
            weight_decay: 0.1,
        }
    }
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

fn master(p: &mut ParameterDesc) -> &mut TensorDesc {
    p.master.as_mut().expect("a master")
}

fn first(p: &mut ParameterDesc) -> &mut TensorDesc {
    match &mut p.first {
        MomentDesc::Floats(values) => values,
        other => panic!("{other:?}"),
    }
}

type Case = (&'static str, (&'static str, &'static str), fn(&mut ParameterDesc));

#[test]
fn a_bad_parameter_is_named_and_nothing_written() {
    let cases: &[Case] = &[
        ("no elements", ("shape", "parameter"), |p| p.parameter = shaped(p.parameter, [0])),
        ("a shorter gradient", ("shape", "gradient"), |p| p.gradient = shaped(p.gradient, [COUNT - 1])),
        ("a longer master", ("shape", "master"), |p| *master(p) = shaped(*master(p), [COUNT + 1])),
        ("a shorter moment", ("shape", "state1"), |p| *first(p) = shaped(*first(p), [COUNT - 1])),
        ("gaps", ("stride", "parameter"), |p| p.parameter = strided(p.parameter, [2])),
        ("a master upside down", ("stride", "master"), |p| *master(p) = strided(*master(p), [-1])),
        ("another type than the list's", ("dtype", "parameter"), |p| p.parameter.dtype = DType::F16),
        ("a gradient of another type than the list's", ("dtype", "gradient"), |p| p.gradient.dtype = DType::F32),
        ("a master in bf16", ("dtype", "master"), |p| master(p).dtype = DType::Bf16),
        ("a moment in bytes", ("dtype", "state1"), |p| first(p).dtype = DType::U8),
        ("no address", ("null", "parameter"), |p| p.parameter = at(p.parameter, 0)),
        ("a master that is null", ("null", "master"), |p| *master(p) = at(*master(p), 0)),
        ("an odd address", ("misaligned", "gradient"), |p| p.gradient = at(p.gradient, p.gradient.address + 1)),
        ("a master at half a float", ("misaligned", "master"), |p| *master(p) = at(*master(p), master(p).address + 2)),
        ("a master in the moment", ("aliasing", "state1"), |p| *master(p) = at(*first(p), first(p).address - 8)),
        ("one moment for both", ("aliasing", "state2"), |p| p.second = Some(p.first)),
        ("more elements than blocks can count", ("range", "parameter"), |p| {
            let count = (1 << 40) + 1;
            (p.parameter, p.gradient) = (shaped(p.parameter, [count]), shaped(p.gradient, [count]));
            (*master(p), *first(p)) = (shaped(*master(p), [count]), shaped(*first(p), [count]));
        }),
        ("codes", ("other", ""), |p| p.first = MomentDesc::Codes { codes: p.parameter, absmax: p.parameter }),
        ("one moment", ("other", ""), |p| p.second = None),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let list = List::new(&device);
        let before = list.contents(&device);
        let mut spoilt = list.desc();
        spoil(&mut spoilt.parameters[1]);
        assert_error(case, "adamw", *expected, of_last(run(&device, &spoilt)));
        assert!(before == list.contents(&device), "{case}: something was written");
    }
}

type Whole = (&'static str, &'static str, fn(&mut Spoilt));

#[test]
fn a_bad_list_is_an_error_and_nothing_written() {
    let cases: &[Whole] = &[
        ("a small table", "workspace", |d| d.table = shaped(d.table, [d.table.shape[0] - 1])),
        ("no table", "table", |d| d.table = at(d.table, 0)),
        ("a table off its boundary", "table", |d| d.table = at(d.table, d.table.address + 8)),
        ("a small progress record", "workspace", |d| d.progress = shaped(d.progress, [progress_bytes() - 1])),
        ("two learning rates", "learning_rate", |d| d.scalars.learning_rate = shaped(d.scalars.learning_rate, [2])),
        ("a scale in bf16", "gradient_scale", |d| {
            d.scalars.gradient_scale = Some(TensorDesc { dtype: DType::Bf16, ..d.scalars.learning_rate })
        }),
        ("found_inf at no address", "found_inf", |d| d.scalars.found_inf = Some(at(d.scalars.learning_rate, 0))),
        ("beta1 1", "beta1 1", |d| d.options.beta1 = 1.0),
        ("beta2 NaN", "beta2 NaN", |d| d.options.beta2 = f32::NAN),
        ("epsilon below zero", "epsilon -1", |d| d.options.epsilon = -1.0),
        ("weight decay below zero", "weight decay -0.1", |d| d.parameters[0].weight_decay = -0.1),
        ("no parameters", "an empty list", |d| d.parameters.clear()),
        ("bytes", "a tensor of u8", |d| d.parameters[0].parameter.dtype = DType::U8),
        ("masters that are rounded by chance", "stochastic rounding", |d| {
            d.options.rounding = Rounding::Stochastic { seed: 1 }
        }),
        ("a table over a parameter", "table", |d| {
            d.table = shaped(at(d.table, d.parameters[1].parameter.address), [d.table.shape[0]])
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let list = List::new(&device);
        let before = list.contents(&device);
        let mut spoilt = list.desc();
        spoil(&mut spoilt);
        let error = run(&device, &spoilt).expect_err(case).to_string();
        assert!(error.contains("adamw") && (error.contains(expected)), "{case}: {error}");
        assert!(before == list.contents(&device), "{case}: something was written");
    }
}

type Floats = EmulatedBuffer<f32>;

/// A list of one parameter.
fn one<'a>(parameter: &'a mut Floats, gradient: &'a Floats) -> [Tensors<'a, EmulatedDevice, f32>; 1] {
    let (parameter, gradient) = (parameter.view_mut([8]), gradient.view([gradient.len()]));
    [Tensors { parameter: parameter.expect("a view"), gradient: gradient.expect("a view"), master: None }]
}

/// What the object adds: lists of the right length, tensors in their places, devices that agree, states of the right kind.
#[test]
fn the_object_takes_what_it_was_made_for() {
    let (here, there) = (device(), device());
    let upload = |device: &EmulatedDevice, count: usize| device.upload(&vec![1.0_f32; count]).unwrap();
    let (mut a, mut b, gradient, rate) = (upload(&here, 8), upload(&here, 8), upload(&here, 8), upload(&here, 1));
    let (mut far, long) = (upload(&there, 8), upload(&here, 9));
    let scalars = Scalars { learning_rate: rate.view([1]).unwrap(), gradient_scale: None, found_inf: None };
    let options = Options::default();
    let count = |argument, expected, got| Error::Count { op: "adamw", argument, expected, got };
    let entry = |error| Error::Entry { index: 0, error: Box::new(error) };
    assert_eq!(AdamW::new(&here, &mut one(&mut a, &gradient), &[], options).err(), Some(count("weight_decays", 1, 0)));
    let restore = |parameter: &mut Floats, states| {
        let checkpoint = Checkpoint { steps: 1, states };
        AdamW::restore(&here, &mut one(parameter, &gradient), &[0.0], options, &checkpoint).err()
    };
    assert_eq!(restore(&mut a, vec![]), Some(count("checkpoint.states", 1, 0)));
    let moment = |len| Moment::new(len, States::Floats);
    let short = State { first: moment(8), second: Some(moment(7)) };
    assert_eq!(restore(&mut a, vec![short]), Some(entry(count("state2", 8, 7))));
    let single = State { first: moment(8), second: None };
    assert_eq!(restore(&mut a, vec![single]), Some(entry(count("moments", 2, 1))));
    let codes = State { first: Moment::new(8, States::Codes), second: Some(moment(8)) };
    assert!(matches!(restore(&mut a, vec![codes]), Some(Error::Entry { error, .. }) if kind(&error) == ("other", "")));
    let mismatch = Error::DeviceMismatch { op: "adamw", argument: "parameter" };
    assert_eq!(AdamW::new(&here, &mut one(&mut far, &gradient), &[0.0], options).err(), Some(entry(mismatch)));
    let none: &mut [Tensors<'_, EmulatedDevice, f32>] = &mut [];
    assert!(AdamW::new(&here, none, &[], options).is_err_and(|error| error.to_string().contains("an empty list")));

    let mut optimizer = AdamW::new(&here, &mut one(&mut a, &gradient), &[0.0], options).unwrap();
    assert_eq!(optimizer.step(&here, none, scalars), Err(count("tensors", 1, 0)));
    let moved = |result: Result<()>, name: &str| match result {
        Err(Error::Entry { error, .. }) => matches!(*error, Error::Moved { argument, .. } if argument == name),
        _ => false,
    };
    assert!(moved(optimizer.step(&here, &mut one(&mut b, &gradient), scalars), "parameter"));
    let longer = optimizer.step(&here, &mut one(&mut a, &long), scalars);
    assert!(matches!(longer, Err(Error::Entry { error, .. }) if kind(&error) == ("shape", "gradient")));
    let [mut with_master] = one(&mut a, &gradient);
    with_master.master = Some(b.view_mut([8]).unwrap());
    assert!(moved(optimizer.step(&here, &mut [with_master], scalars), "master"));
    assert_eq!(here.download(&a).unwrap(), [1.0; 8]);
    optimizer.step(&here, &mut one(&mut a, &gradient), scalars).unwrap();
}
