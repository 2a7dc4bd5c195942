//! The states of all parameters: on the host as a checkpoint has them, on the device in two buffers.

use super::plan::blocks;
use super::{BLOCK, OP};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::TensorDesc;

/// The states of one parameter, in bitsandbytes' layout.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// One code of [`signed_map`](super::signed_map) an element.
    pub state1: Vec<u8>,
    /// One code of [`unsigned_map`](super::unsigned_map) an element.
    pub state2: Vec<u8>,
    /// One for each [`BLOCK`] of elements.
    pub absmax1: Vec<f32>,
    /// One for each [`BLOCK`] of elements.
    pub absmax2: Vec<f32>,
}

impl State {
    /// The states before the first step.
    pub fn new(elements: usize) -> Self {
        let blocks = elements.div_ceil(BLOCK);
        let (codes, absmax) = (vec![0; elements], vec![0.0; blocks]);
        Self { state1: codes.clone(), state2: codes, absmax1: absmax.clone(), absmax2: absmax }
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

/// Where each parameter's states lie: codes in one buffer, `state1` of all parameters and then `state2`, each parameter's from a whole
/// block on; absmax in another buffer in the same way.
pub(super) struct Arena {
    parameters: Vec<Slot>,
    blocks: usize,
}

struct Slot {
    elements: usize,
    first_block: usize,
}

impl Slot {
    fn blocks(&self) -> usize {
        blocks(self.elements) as usize
    }
}

impl Arena {
    pub(super) fn of(elements: impl Iterator<Item = usize>) -> Self {
        let mut total = 0;
        let slot = |elements| {
            let first_block = total;
            total += blocks(elements) as usize;
            Slot { elements, first_block }
        };
        Self { parameters: elements.map(slot).collect(), blocks: total }
    }

    /// The contents of both buffers, never empty.
    pub(super) fn fill(&self, states: &[State]) -> Result<(Vec<u8>, Vec<f32>)> {
        let (mut codes, mut absmax) = (vec![0; 2 * BLOCK * self.blocks.max(1)], vec![0.0; 2 * self.blocks.max(1)]);
        for (index, (slot, state)) in self.parameters.iter().zip(states).enumerate() {
            check(state, slot).map_err(|error| error.of_entry(index))?;
            for (place, values) in [(0, &state.state1), (self.blocks, &state.state2)] {
                codes[(place + slot.first_block) * BLOCK..][..slot.elements].copy_from_slice(values);
            }
            for (place, values) in [(0, &state.absmax1), (self.blocks, &state.absmax2)] {
                absmax[place + slot.first_block..][..slot.blocks()].copy_from_slice(values);
            }
        }
        Ok((codes, absmax))
    }

    /// The states in both buffers' contents.
    pub(super) fn split(&self, codes: &[u8], absmax: &[f32]) -> Vec<State> {
        let state = |slot: &Slot| {
            let codes_at = |place: usize| codes[(place + slot.first_block) * BLOCK..][..slot.elements].to_vec();
            let absmax_at = |place: usize| absmax[place + slot.first_block..][..slot.blocks()].to_vec();
            State {
                state1: codes_at(0),
                state2: codes_at(self.blocks),
                absmax1: absmax_at(0),
                absmax2: absmax_at(self.blocks),
            }
        };
        self.parameters.iter().map(state).collect()
    }

    /// `state1`, `state2`, `absmax1` and `absmax2` of one parameter, in buffers at these addresses.
    pub(super) fn states(&self, index: usize, codes: u64, absmax: u64) -> [TensorDesc; 4] {
        let slot = &self.parameters[index];
        let codes_at = |place: usize| {
            let address = codes + ((place + slot.first_block) * BLOCK) as u64;
            TensorDesc::contiguous(address, [slot.elements], DType::U8)
        };
        let absmax_at = |place: usize| {
            let address = absmax + ((place + slot.first_block) * size_of::<f32>()) as u64;
            TensorDesc::contiguous(address, [slot.blocks()], DType::F32)
        };
        [codes_at(0), codes_at(self.blocks), absmax_at(0), absmax_at(self.blocks)]
    }
}

fn check(state: &State, slot: &Slot) -> Result<()> {
    let lengths = [
        ("state1", state.state1.len(), slot.elements),
        ("state2", state.state2.len(), slot.elements),
        ("absmax1", state.absmax1.len(), slot.blocks()),
        ("absmax2", state.absmax2.len(), slot.blocks()),
    ];
    match lengths.into_iter().find(|(_, got, expected)| got != expected) {
        Some((argument, got, expected)) => Err(Error::Count { op: OP, argument, expected, got }),
        None => Ok(()),
    }
}
