//! The states of all parameters: on the host as a checkpoint has them, on the device in one buffer or two.

use super::list::blocks;
use super::{BLOCK, Form, MomentDesc, States};
use crate::device::{Args, Buffer, Device};
use crate::element::{DType, Element};
use crate::error::{Error, Result};
use crate::view::{TensorDesc, ViewMut};

/// A moment of one parameter, on the host.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// One f32 an element.
    Floats(Vec<f32>),
    /// In bitsandbytes' layout.
    Codes {
        /// One code an element.
        codes: Vec<u8>,
        /// One for each [`BLOCK`] of elements.
        absmax: Vec<f32>,
    },
}

impl Moment {
    /// Before the first step.
    pub fn new(elements: usize, states: States) -> Self {
        match states {
            States::Floats => Self::Floats(vec![0.0; elements]),
            States::Codes => Self::Codes { codes: vec![0; elements], absmax: vec![0.0; elements.div_ceil(BLOCK)] },
        }
    }
}

/// The states of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The first moment.
    pub first: Moment,
    /// The second moment, where the optimizer has one.
    pub second: Option<Moment>,
}

impl State {
    fn moments(&self) -> impl Iterator<Item = &Moment> {
        std::iter::once(&self.first).chain(self.second.as_ref())
    }
}

/// All that an optimizer knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Steps made.
    pub steps: u64,
    /// One for each parameter.
    pub states: Vec<State>,
}

/// Where each parameter's states lie: values or codes of all first moments and then of all second ones, each parameter's from a whole
/// block on; absmax in another buffer in the same way.
pub(super) struct Arena {
    form: Form,
    slots: Vec<Slot>,
    blocks: usize,
}

struct Slot {
    elements: usize,
    first_block: usize,
}

/// Reads a moment of a slot, whose first block is given, from downloaded buffers.
type ReadMoment = Box<dyn Fn(&Slot, usize) -> Moment>;

/// The buffers.
pub(super) enum Memory<D: Device> {
    Floats(D::Buffer<f32>),
    Codes { codes: D::Buffer<u8>, absmax: D::Buffer<f32> },
}

/// Their addresses.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    values: u64,
    absmax: u64,
}

impl Slot {
    fn blocks(&self) -> usize {
        blocks(self.elements) as usize
    }
}

impl Arena {
    pub(super) fn of(form: Form, elements: impl Iterator<Item = usize>) -> Self {
        let mut total = 0;
        let slot = |elements| {
            let first_block = total;
            total += blocks(elements) as usize;
            Slot { elements, first_block }
        };
        Self { form, slots: elements.map(slot).collect(), blocks: total }
    }

    /// The states of all parameters before the first step.
    pub(super) fn fresh(&self) -> Vec<State> {
        let moment = |slot: &Slot| Moment::new(slot.elements, self.form.states);
        let state = |slot| State { first: moment(slot), second: (self.form.moments == 2).then(|| moment(slot)) };
        self.slots.iter().map(state).collect()
    }

    /// Both buffers with these states, never empty.
    pub(super) fn upload<D: Device>(&self, device: &D, states: &[State]) -> Result<Memory<D>> {
        let room = self.form.moments * self.blocks.max(1);
        let (mut floats, mut codes, mut absmax) = (Vec::new(), Vec::new(), Vec::new());
        match self.form.states {
            States::Floats => floats.resize(room * BLOCK, 0.0),
            States::Codes => {
                codes.resize(room * BLOCK, 0);
                absmax.resize(room, 0.0);
            }
        }
        for (index, (slot, state)) in self.slots.iter().zip(states).enumerate() {
            self.check(state, slot).map_err(|error| error.of_entry(index))?;
            for (which, moment) in state.moments().enumerate() {
                let place = which * self.blocks + slot.first_block;
                match moment {
                    Moment::Floats(values) => floats[place * BLOCK..][..slot.elements].copy_from_slice(values),
                    Moment::Codes { codes: of_moment, absmax: of_blocks } => {
                        codes[place * BLOCK..][..slot.elements].copy_from_slice(of_moment);
                        absmax[place..][..slot.blocks()].copy_from_slice(of_blocks);
                    }
                }
            }
        }
        Ok(match self.form.states {
            States::Floats => Memory::Floats(device.upload(&floats)?),
            States::Codes => Memory::Codes { codes: device.upload(&codes)?, absmax: device.upload(&absmax)? },
        })
    }

    /// The states in the buffers.
    pub(super) fn download<D: Device>(&self, device: &D, memory: &Memory<D>) -> Result<Vec<State>> {
        fn part<T: Copy>(values: &[T], from: usize, len: usize) -> Vec<T> {
            values[from..from + len].to_vec()
        }
        let moment: ReadMoment = match memory {
            Memory::Floats(floats) => {
                let floats = device.download(floats)?;
                Box::new(move |slot, place| Moment::Floats(part(&floats, place * BLOCK, slot.elements)))
            }
            Memory::Codes { codes, absmax } => {
                let (codes, absmax) = (device.download(codes)?, device.download(absmax)?);
                Box::new(move |slot, place| Moment::Codes {
                    codes: part(&codes, place * BLOCK, slot.elements),
                    absmax: part(&absmax, place, slot.blocks()),
                })
            }
        };
        let state = |slot: &Slot| State {
            first: moment(slot, slot.first_block),
            second: (self.form.moments == 2).then(|| moment(slot, self.blocks + slot.first_block)),
        };
        Ok(self.slots.iter().map(state).collect())
    }

    /// The moments of one parameter.
    pub(super) fn describe(&self, index: usize, at: Addresses) -> (MomentDesc, Option<MomentDesc>) {
        let slot = &self.slots[index];
        let moment = |place: usize| {
            let elements = place * BLOCK;
            let floats = at.values + (elements * size_of::<f32>()) as u64;
            let absmax = at.absmax + (place * size_of::<f32>()) as u64;
            match self.form.states {
                States::Floats => MomentDesc::Floats(TensorDesc::contiguous(floats, [slot.elements], DType::F32)),
                States::Codes => MomentDesc::Codes {
                    codes: TensorDesc::contiguous(at.values + elements as u64, [slot.elements], DType::U8),
                    absmax: TensorDesc::contiguous(absmax, [slot.blocks()], DType::F32),
                },
            }
        };
        let second = (self.form.moments == 2).then(|| moment(self.blocks + slot.first_block));
        (moment(slot.first_block), second)
    }

    /// Whether a state fits its parameter and the optimizer.
    fn check(&self, state: &State, slot: &Slot) -> Result<()> {
        let op = self.form.op;
        let count = |argument, got, expected| match got == expected {
            true => Ok(()),
            false => Err(Error::Count { op, argument, expected, got }),
        };
        count("moments", state.moments().count(), self.form.moments)?;
        let names = [("state1", "absmax1"), ("state2", "absmax2")];
        for (moment, (values, blocks)) in state.moments().zip(names) {
            match (moment, self.form.states) {
                (Moment::Floats(floats), States::Floats) => count(values, floats.len(), slot.elements)?,
                (Moment::Codes { codes, absmax }, States::Codes) => {
                    count(values, codes.len(), slot.elements)?;
                    count(blocks, absmax.len(), slot.blocks())?;
                }
                _ => {
                    let what = format!("{values} that is not as the options say");
                    return Err(Error::Unsupported { op, what, supported: "all f32, or all codes" });
                }
            }
        }
        Ok(())
    }
}

/// The buffers as views, which are written.
pub(super) enum Views<'a, D: Device> {
    Floats(ViewMut<'a, D, f32>),
    Codes { codes: ViewMut<'a, D, u8>, absmax: ViewMut<'a, D, f32> },
}

impl<D: Device> Views<'_, D> {
    /// Registers them.
    pub(super) fn register<'a>(&'a mut self, args: &mut Args<'a, D>) -> Result<Addresses> {
        Ok(match self {
            Self::Floats(floats) => Addresses { values: args.write("states", floats)?.address, absmax: 0 },
            Self::Codes { codes, absmax } => Addresses {
                values: args.write("states", codes)?.address,
                absmax: args.write("absmax", absmax)?.address,
            },
        })
    }
}

impl<D: Device> Memory<D> {
    pub(super) fn views(&mut self) -> Result<Views<'_, D>> {
        Ok(match self {
            Self::Floats(floats) => Views::Floats(whole(floats)?),
            Self::Codes { codes, absmax } => Views::Codes { codes: whole(codes)?, absmax: whole(absmax)? },
        })
    }

    /// Bytes of device memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Floats(floats) => size_of_all(floats),
            Self::Codes { codes, absmax } => size_of_all(codes) + size_of_all(absmax),
        }
    }
}

/// A buffer as a vector.
pub(super) fn whole<D: Device, T: Element>(buffer: &mut D::Buffer<T>) -> Result<ViewMut<'_, D, T>> {
    let len = buffer.len();
    buffer.view_mut([len])
}

fn size_of_all<T: Element>(buffer: &impl Buffer<T>) -> usize {
    buffer.len() * size_of::<T>()
}
