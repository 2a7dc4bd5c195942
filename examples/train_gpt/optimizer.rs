//! AdamW over all parameters: with 8-bit states by the crate's launcher, or, to compare, with 32-bit states in plain code.

use warpsmith::ops::adamw8bit::{Checkpoint, Options, State};

use crate::Outcome;
use crate::model::{Gpt, Parameters, Spec};
use crate::ops::{List, Ops};

/// Decay of matrices; vectors have none.
const WEIGHT_DECAY: f32 = 0.1;

/// Shared by both kinds of states.
const OPTIONS: Options = Options { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };

/// How the moments are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum States {
    /// Codes of 8 bits in blocks of 256, by the crate's kernel.
    #[value(name = "8")]
    Eight,
    /// In f32, by plain code on the CPU.
    #[value(name = "32")]
    ThirtyTwo,
}

/// An optimizer's states on the host.
#[derive(Clone, Debug, PartialEq)]
pub enum Saved {
    /// Of the 8-bit optimizer.
    Eight(Checkpoint),
    /// Of the plain one.
    ThirtyTwo(Moments),
}

/// First and second moments in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Steps made.
    pub steps: u64,
    /// The first moment of each parameter.
    pub first: Vec<Vec<f32>>,
    /// The second.
    pub second: Vec<Vec<f32>>,
}

impl Saved {
    /// Before the first step.
    pub fn new(states: States, specs: &Parameters<Spec>) -> Self {
        let lengths = specs.list().into_iter().map(Spec::len);
        match states {
            States::Eight => Self::Eight(Checkpoint { steps: 0, states: lengths.map(State::new).collect() }),
            States::ThirtyTwo => {
                let zeros: Vec<_> = lengths.map(|len| vec![0.0; len]).collect();
                Self::ThirtyTwo(Moments { steps: 0, first: zeros.clone(), second: zeros })
            }
        }
    }

    /// Bytes that the states take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Eight(checkpoint) => checkpoint.states.iter().map(|s| 2 * s.state1.len() + 8 * s.absmax1.len()).sum(),
            Self::ThirtyTwo(moments) => moments.first.iter().map(|first| 8 * first.len()).sum(),
        }
    }
}

/// The optimizer of a model.
pub struct Optimizer<O: Ops> {
    kind: Kind<O>,
    decays: Vec<f32>,
}

enum Kind<O: Ops> {
    Eight(O::AdamW8bit),
    ThirtyTwo(Moments),
}

impl<O: Ops> Optimizer<O> {
    /// Goes on where `saved` stood. Later steps take the same model and the same gradients.
    pub fn restore(gpt: &mut Gpt<O>, gradients: &Parameters<O::Floats>, saved: &Saved) -> Outcome<Self> {
        let specs = Parameters::specs(gpt.size);
        let decay = |spec: &Spec| if spec.shape.len() > 1 { WEIGHT_DECAY } else { 0.0 };
        let decays: Vec<f32> = specs.list().into_iter().map(decay).collect();
        let kind = match saved {
            Saved::Eight(checkpoint) => {
                let (parameters, gradients) = (gpt.parameters.list_mut(), gradients.list());
                let mut list = List { parameters, gradients, decays: &decays };
                Kind::Eight(gpt.ops.adamw8bit(&mut list, OPTIONS, checkpoint)?)
            }
            Saved::ThirtyTwo(moments) => Kind::ThirtyTwo(moments.clone()),
        };
        Ok(Self { kind, decays })
    }

    /// Updates the parameters.
    pub fn step(&mut self, gpt: &mut Gpt<O>, gradients: &Parameters<O::Floats>, learning_rate: f32) -> Outcome {
        let (parameters, gradients) = (gpt.parameters.list_mut(), gradients.list());
        let mut list = List { parameters, gradients, decays: &self.decays };
        match &mut self.kind {
            Kind::Eight(optimizer) => gpt.ops.adamw8bit_step(optimizer, &mut list, learning_rate),
            Kind::ThirtyTwo(moments) => step_plainly(&gpt.ops, moments, list, learning_rate),
        }
    }

    /// The states on the host.
    pub fn save(&self, ops: &O) -> Outcome<Saved> {
        Ok(match &self.kind {
            Kind::Eight(optimizer) => Saved::Eight(ops.adamw8bit_checkpoint(optimizer)?),
            Kind::ThirtyTwo(moments) => Saved::ThirtyTwo(moments.clone()),
        })
    }
}

/// A step with states in f32: the same formula, decay after the update.
fn step_plainly<O: Ops>(ops: &O, moments: &mut Moments, list: List<'_, O::Floats>, learning_rate: f32) -> Outcome {
    moments.steps += 1;
    let steps = moments.steps as f64;
    let correction1 = 1.0 - f64::from(OPTIONS.beta1).powf(steps);
    let correction2 = (1.0 - f64::from(OPTIONS.beta2).powf(steps)).sqrt();
    let step_size = (f64::from(learning_rate) * correction2 / correction1) as f32;
    let epsilon = (f64::from(OPTIONS.epsilon) * correction2) as f32;
    let states = moments.first.iter_mut().zip(&mut moments.second);
    for (((parameter, gradient), decay), (first, second)) in
        list.parameters.into_iter().zip(list.gradients).zip(list.decays).zip(states)
    {
        let mut values = ops.read(parameter)?;
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((value, gradient), (first, second)) in values.iter_mut().zip(ops.read(gradient)?).zip(moments) {
            *first = OPTIONS.beta1 * *first + (1.0 - OPTIONS.beta1) * gradient;
            *second = OPTIONS.beta2 * *second + (1.0 - OPTIONS.beta2) * gradient * gradient;
            *value -= step_size * *first / (second.sqrt() + epsilon);
            *value *= 1.0 - learning_rate * decay;
        }
        ops.write(parameter, &values)?;
    }
    Ok(())
}
