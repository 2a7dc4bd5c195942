//! Optimizers as data: which one, over which list, and what it knows. The crate's launchers do the rest.

use std::collections::BTreeMap;

use super::Outcome;
use super::model::Transformer;
use super::parameters::Parameter;

/// Decay of matrices; vectors have none.
const WEIGHT_DECAY: f32 = 0.1;

/// Which optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// AdamW with 8-bit states.
    #[value(name = "adamw8bit")]
    AdamW8bit,
    /// AdamW with states in f32.
    #[value(name = "adamw")]
    AdamW,
    /// LAMB with states in f32.
    Lamb,
    /// LAMB with 8-bit states.
    #[value(name = "lamb8bit")]
    Lamb8bit,
    /// Lion with states in f32.
    Lion,
    /// Lion with 8-bit states.
    #[value(name = "lion8bit")]
    Lion8bit,
}

impl Kind {
    /// What a person calls it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::AdamW8bit => "AdamW with 8-bit states",
            Self::AdamW => "AdamW",
            Self::Lamb => "LAMB",
            Self::Lamb8bit => "LAMB with 8-bit states",
            Self::Lion => "Lion",
            Self::Lion8bit => "Lion with 8-bit states",
        }
    }

    /// How large its learning rate is beside AdamW's. LAMB multiplies a matrix's by the ratio of two norms, which is well below 1 at the start.
    /// Every step of Lion is as large as one of AdamW with gradients that all agree.
    pub fn pace(self) -> f32 {
        match self {
            Self::AdamW8bit | Self::AdamW => 1.0,
            Self::Lamb | Self::Lamb8bit => 10.0 / 3.0,
            Self::Lion | Self::Lion8bit => 1.0 / 3.0,
        }
    }
}

/// What an optimizer does, besides its learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Which optimizer.
    pub kind: Kind,
    /// Gradients are scaled down to this norm where theirs is larger.
    pub max_norm: f32,
}

/// The decay rates of the moments, for language models.
pub const BETAS: [f32; 2] = [0.9, 0.95];

/// Parameters that an optimizer updates.
pub struct List<'a, F> {
    /// Updated.
    pub parameters: Vec<&'a mut F>,
    /// The gradient of each.
    pub gradients: Vec<&'a mut F>,
    /// The weight decay of each.
    pub decays: Vec<f32>,
}

impl<'a, F> List<'a, F> {
    /// All of a model that is trained.
    pub fn of(model: &'a mut Transformer<F>) -> Self {
        let mut list = List { parameters: Vec::new(), gradients: Vec::new(), decays: Vec::new() };
        for Parameter { value, gradient, shape, .. } in model.parameters() {
            if let Some(gradient) = gradient {
                list.parameters.push(value);
                list.gradients.push(gradient);
                list.decays.push(if shape.len() > 1 { WEIGHT_DECAY } else { 0.0 });
            }
        }
        list
    }
}

/// What an optimizer knows, on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Steps made.
    pub steps: u64,
    /// The states of each parameter, by name.
    pub states: Vec<BTreeMap<String, Data>>,
}

/// Some state of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Codes of 8 bits.
    Codes(Vec<u8>),
    /// Numbers.
    Floats(Vec<f32>),
}

impl Saved {
    /// Bytes that the states take.
    pub fn bytes(&self) -> usize {
        let bytes = |data: &Data| match data {
            Data::Codes(codes) => codes.len(),
            Data::Floats(values) => size_of_val(&values[..]),
        };
        self.states.iter().flat_map(BTreeMap::values).map(bytes).sum()
    }

    /// A state of one parameter.
    pub fn state(&self, index: usize, name: &str) -> Outcome<&Data> {
        let state = self.states.get(index).and_then(|states| states.get(name));
        state.ok_or_else(|| format!("parameter {index} has no state {name}").into())
    }

    /// A state that is numbers.
    pub fn floats(&self, index: usize, name: &str) -> Outcome<Vec<f32>> {
        match self.state(index, name)? {
            Data::Floats(values) => Ok(values.clone()),
            Data::Codes(_) => Err(format!("{name} of parameter {index} is codes").into()),
        }
    }

    /// A state that is codes.
    pub fn codes(&self, index: usize, name: &str) -> Outcome<Vec<u8>> {
        match self.state(index, name)? {
            Data::Codes(codes) => Ok(codes.clone()),
            Data::Floats(_) => Err(format!("{name} of parameter {index} is numbers").into()),
        }
    }
}
