//! One masking problem: its tokens, where they lie, how it is run and how it is judged.

use warpsmith::ops::mask_tokens::{self, Forward, Options, Tokens};
use warpsmith::random::{self, Random};
use warpsmith::reference::mask_tokens as reference;
use warpsmith::{Buffer, Device, Index};

use crate::common::data::Rng;
use crate::common::guard::{Guarded, Place, Sample};

/// A type of ids that tests can make.
pub trait Id: Index + Sample + TryFrom<i64> + Into<i64> {}
impl Id for i32 {}
impl Id for i64 {}

/// A masking.
#[derive(Clone, Debug)]
pub struct Problem {
    pub tokens: Vec<i64>,
    pub special: Option<Vec<u8>>,
    pub options: Options<'static>,
    pub seed: u64,
    /// In the state, and of the call.
    pub offsets: [u64; 2],
    pub in_place: bool,
    /// Elements after a boundary at which input, output, labels and special begin.
    pub shifts: [usize; 4],
}

/// What tokenizers of the BERT family add.
pub const SPECIAL: &[i64] = &[0, 100, 101, 102, 103];

impl Problem {
    /// Random tokens of BERT's vocabulary, one in eight special.
    pub fn new(count: usize) -> Self {
        let mut rng = Rng::new(count as u64);
        let mut token = || match rng.next_u64() {
            word if word % 8 == 0 => SPECIAL[(word >> 8) as usize % SPECIAL.len()],
            word => (word >> 8) as i64 % 30_522,
        };
        let tokens = (0..count).map(|_| token()).collect();
        let options = Options { special_tokens: SPECIAL, ..Options::new(103, 30_522) };
        let (seed, offsets) = (rng.next_u64(), [rng.next_u64() >> 20, 1000]);
        Self { tokens, special: None, options, seed, offsets, in_place: false, shifts: [0; 4] }
    }

    /// Every third token special by its byte.
    pub fn with_special(self) -> Self {
        let special = (0..self.tokens.len()).map(|i| [0, 1, 0, 0, 255, 0][i % 6]).collect();
        Self { special: Some(special), ..self }
    }

    /// What is right.
    pub fn expected(&self) -> reference::Forward {
        let offset = self.offsets[0].wrapping_add(self.offsets[1]);
        reference::forward(self.seed, offset, &self.tokens, self.special.as_deref(), &self.options).expect("options")
    }

    /// Runs between guards.
    pub fn run<D: Device, I: Id>(&self, device: &D) -> reference::Forward {
        let count = self.tokens.len();
        let place = |which: usize| Place::vector(count).shifted(self.shifts[which]);
        let ids: Vec<I> = self.tokens.iter().map(|&id| I::try_from(id).ok().expect("an id of the type")).collect();
        let mut input = Guarded::input(device, place(0), &ids);
        let mut output = Guarded::<D, I>::output(device, place(1));
        let mut labels = Guarded::<D, I>::output(device, place(2));
        let special = self.special.as_ref().map(|special| Guarded::input(device, place(3), special));
        let state = device.upload(&random::state(self.seed, self.offsets[0])).expect("upload");
        let tokens = match self.in_place {
            true => Tokens::InPlace(input.view_mut()),
            false => Tokens::Apart { input: input.view(), output: output.view_mut() },
        };
        let tensors = Forward {
            tokens,
            special: special.as_ref().map(|special| special.view()),
            labels: labels.view_mut(),
            random: Random { state: state.view([2]).expect("two"), offset: self.offsets[1] },
        };
        mask_tokens::forward(device, tensors, &self.options).expect("mask_tokens::forward");
        let read = |tensor: &Guarded<D, I>| tensor.read(device).into_iter().map(Into::into).collect();
        if !self.in_place {
            assert_eq!(read(&input), self.tokens, "the input was overwritten");
        }
        reference::Forward { output: read(if self.in_place { &input } else { &output }), labels: read(&labels) }
    }

    /// Runs with ids of both types; every one has to be right.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let expected = self.expected();
        let judge = |what: &str, got: &[i64], expected: &[i64]| {
            let wrong = (0..got.len()).find(|&i| got[i] != expected[i]);
            let report = wrong.map(|i| (i, self.tokens[i], got[i], expected[i]));
            assert_eq!(report, None, "{name}: {what} of {}: place, token, got, expected", got.len());
        };
        for (width, got) in [("i32", self.run::<D, i32>(device)), ("i64", self.run::<D, i64>(device))] {
            judge(&format!("{width} output"), &got.output, &expected.output);
            judge(&format!("{width} labels"), &got.labels, &expected.labels);
        }
    }
}
