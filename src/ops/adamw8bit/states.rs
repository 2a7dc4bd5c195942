//! States as a checkpoint has them.

use super::{BLOCK, optimizer};
use crate::ops::optimizer::Moment;

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

/// All that an optimizer knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Steps made.
    pub steps: u64,
    /// One for each parameter.
    pub states: Vec<State>,
}

impl State {
    /// The states before the first step.
    pub fn new(elements: usize) -> Self {
        let blocks = elements.div_ceil(BLOCK);
        let (codes, absmax) = (vec![0; elements], vec![0.0; blocks]);
        Self { state1: codes.clone(), state2: codes, absmax1: absmax.clone(), absmax2: absmax }
    }

    fn shared(&self) -> optimizer::State {
        let moment = |codes: &[u8], absmax: &[f32]| Moment::Codes { codes: codes.to_vec(), absmax: absmax.to_vec() };
        optimizer::State {
            first: moment(&self.state1, &self.absmax1),
            second: Some(moment(&self.state2, &self.absmax2)),
        }
    }

    fn from_shared(state: optimizer::State) -> Self {
        let parts = |moment| match moment {
            Moment::Codes { codes, absmax } => (codes, absmax),
            // The form of this optimizer has none.
            Moment::Floats(_) => Default::default(),
        };
        let ((state1, absmax1), (state2, absmax2)) = (parts(state.first), state.second.map(parts).unwrap_or_default());
        Self { state1, state2, absmax1, absmax2 }
    }
}

impl Checkpoint {
    pub(super) fn shared(&self) -> optimizer::Checkpoint {
        optimizer::Checkpoint { steps: self.steps, states: self.states.iter().map(State::shared).collect() }
    }

    pub(super) fn from_shared(checkpoint: optimizer::Checkpoint) -> Self {
        let states = checkpoint.states.into_iter().map(State::from_shared).collect();
        Self { steps: checkpoint.steps, states }
    }
}
