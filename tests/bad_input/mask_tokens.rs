//! Bad input to token masking.

use warpsmith::ops::mask_tokens::{self, Forward, ForwardDesc, Options, Tokens, plan_forward};
use warpsmith::random::{self, Random, RandomDesc};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error, Queue, Result, TensorDesc};

use crate::common::guard::{Guarded, Place};
use crate::{assert_error, at, device, shaped, strided};

const COUNT: usize = 60;
const OPTIONS: Options<'static> = Options { special_tokens: &[101, 102], ..Options::new(103, 30_522) };

/// Tensors that would succeed.
struct All {
    input: Guarded<EmulatedDevice, i32>,
    special: Guarded<EmulatedDevice, u8>,
    output: Guarded<EmulatedDevice, i32>,
    labels: Guarded<EmulatedDevice, i32>,
    state: Guarded<EmulatedDevice, i64>,
}

impl All {
    fn new(device: &EmulatedDevice) -> Self {
        let place = Place::vector(COUNT);
        Self {
            input: Guarded::input(device, place, &[7; COUNT]),
            special: Guarded::input(device, place, &[0; COUNT]),
            output: Guarded::output(device, place),
            labels: Guarded::output(device, place),
            state: Guarded::input(device, Place::vector(2), &random::state(1, 2)),
        }
    }

    fn desc<'a>(&self, options: &'a Options<'a>) -> ForwardDesc<'a> {
        ForwardDesc {
            input: self.input.desc(),
            special: Some(self.special.desc()),
            output: self.output.desc(),
            labels: self.labels.desc(),
            random: RandomDesc { state: self.state.desc(), offset: 3 },
            options,
        }
    }

    fn assert_untouched(&self, device: &EmulatedDevice) {
        self.output.assert_untouched(device);
        self.labels.assert_untouched(device);
        assert_eq!(self.input.read(device), [7; COUNT]);
    }
}

fn run(device: &EmulatedDevice, desc: &ForwardDesc<'_>) -> Result<()> {
    let plan = plan_forward(desc, device.caps())?;
    // SAFETY: a plan that passes describes the tensors of this test, which outlive the launch.
    unsafe { plan.launch(device) }
}

#[test]
fn the_tensors_of_these_tests_are_right_until_they_are_spoiled() {
    let device = device();
    let tensors = All::new(&device);
    run(&device, &tensors.desc(&OPTIONS)).unwrap();
    assert!(tensors.labels.read(&device).iter().all(|label| [7, -100].contains(label)));
}

type Spoil = fn(&mut ForwardDesc<'_>);

#[test]
fn every_argument_is_named_and_nothing_written() {
    let cases: &[(&str, (&str, &str), Spoil)] = &[
        ("no tokens", ("shape", "input"), |d| d.input = shaped(d.input, [0])),
        ("gaps in the input", ("stride", "input"), |d| d.input = strided(d.input, [2])),
        ("another output", ("shape", "output"), |d| d.output = shaped(d.output, [COUNT - 1])),
        ("labels of another type", ("dtype", "labels"), |d| d.labels.dtype = DType::F32),
        ("an output of another type", ("dtype", "output"), |d| d.output.dtype = DType::F32),
        ("labels off their elements", ("misaligned", "labels"), |d| d.labels.address += 2),
        ("no labels", ("null", "labels"), |d| d.labels.address = 0),
        ("a special of another type", ("dtype", "special"), |d| {
            d.special = d.special.map(|special| TensorDesc { dtype: DType::I32, ..special });
        }),
        ("a special of another shape", ("shape", "special"), |d| d.special = d.special.map(|s| shaped(s, [COUNT + 1]))),
        ("an output across the input", ("aliasing", "output"), |d| d.output = at(d.output, d.input.address + 4)),
        ("labels over the input", ("aliasing", "labels"), |d| d.labels = at(d.labels, d.input.address)),
        ("labels over the output", ("aliasing", "labels"), |d| d.labels = at(d.labels, d.output.address)),
        ("labels over the state", ("aliasing", "labels"), |d| d.labels = at(d.labels, d.random.state.address)),
        ("an output over special", ("aliasing", "output"), |d| {
            d.output = at(d.output, d.special.map_or(0, |special| special.address));
        }),
        ("no state", ("null", "state"), |d| d.random.state.address = 0),
        ("a state of one", ("shape", "state"), |d| d.random.state = shaped(d.random.state, [1])),
        ("more tokens than a grid holds", ("range", "input"), |d| {
            let tokens = shaped(d.input, [1 << 43]);
            (d.input, d.output, d.special) = (tokens, tokens, None);
            d.labels = at(tokens, 1 << 60);
        }),
    ];
    for (case, expected, spoil) in cases {
        let device = device();
        let tensors = All::new(&device);
        let mut desc = tensors.desc(&OPTIONS);
        spoil(&mut desc);
        assert_error(case, "mask_tokens::forward", *expected, run(&device, &desc));
        tensors.assert_untouched(&device);
    }
}

#[test]
fn options_that_make_no_sense() {
    let device = device();
    let tensors = All::new(&device);
    let cases = [
        ("probability", Options { probability: -0.1, ..OPTIONS }),
        ("probability", Options { probability: f32::NAN, ..OPTIONS }),
        ("share of masks", Options { mask_share: 1.5, random_share: -0.5, ..OPTIONS }),
        ("share of random tokens", Options { random_share: -0.5, ..OPTIONS }),
        ("together", Options { mask_share: 0.8, random_share: 0.3, ..OPTIONS }),
        ("vocabulary", Options { vocabulary: 0, ..OPTIONS }),
        ("vocabulary", Options { vocabulary: 1 << 31, ..OPTIONS }),
        ("special tokens", Options { special_tokens: &[1; 9], ..OPTIONS }),
        ("i32", Options { special_tokens: &[1 << 40], ..OPTIONS }),
        ("i32", Options { mask_token: 1 << 40, ..OPTIONS }),
        ("i32", Options { ignore_index: i64::MIN, ..OPTIONS }),
    ];
    for (word, options) in cases {
        let result = run(&device, &tensors.desc(&options));
        let named =
            matches!(&result, Err(Error::Unsupported { op: "mask_tokens::forward", what, .. }) if what.contains(word));
        assert!(named, "{word}: {result:?}");
    }
    let mut desc = tensors.desc(&OPTIONS);
    desc.input.dtype = DType::F32;
    assert!(matches!(run(&device, &desc), Err(Error::Unsupported { op: "mask_tokens::forward", .. })));
    tensors.assert_untouched(&device);
}

#[test]
fn tensors_of_another_device_are_refused() -> Result<()> {
    let (here, there) = (device(), device());
    for argument in ["input", "special", "output", "labels", "state"] {
        let (mut tensors, mut others) = (All::new(&here), All::new(&there));
        match argument {
            "input" => std::mem::swap(&mut tensors.input, &mut others.input),
            "special" => std::mem::swap(&mut tensors.special, &mut others.special),
            "output" => std::mem::swap(&mut tensors.output, &mut others.output),
            "labels" => std::mem::swap(&mut tensors.labels, &mut others.labels),
            _ => {}
        }
        let state = if argument == "state" { &there } else { &here }.upload(&random::state(0, 0))?;
        let io = Forward {
            tokens: Tokens::Apart { input: tensors.input.view(), output: tensors.output.view_mut() },
            special: Some(tensors.special.view()),
            labels: tensors.labels.view_mut(),
            random: Random { state: state.view([2])?, offset: 0 },
        };
        let result = mask_tokens::forward(&here, io, &OPTIONS);
        assert_error(argument, "mask_tokens::forward", ("device", argument), result);
        tensors.output.assert_untouched(if argument == "output" { &there } else { &here });
    }
    Ok(())
}
