//! Training: the state of a run, one step of it, its measure on the held-out text.

use crate::Outcome;
use crate::checkpoint::Checkpoint;
use crate::data::Rng;
use crate::model::{Gpt, Memory, Parameters, Size, Spec, Start, VOCABULARY};
use crate::ops::Ops;
use crate::optimizer::{Optimizer, Saved, States};
use crate::text::{Batch, Text};

/// Everything that a run's results depend on, besides text, device and number of threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The model.
    pub size: Size,
    /// Windows of a step.
    pub batch: usize,
    /// Steps in all.
    pub steps: usize,
    /// Of the first parameters, of the windows and of the samples.
    pub seed: u64,
    /// At its highest.
    pub learning_rate: f32,
    /// The optimizer's states.
    pub states: States,
    /// Without attention, its output is zero.
    pub attention: bool,
}

impl Config {
    /// The learning rate of a step: a straight line up over the first twentieth of the steps, then a cosine down to a twentieth of the highest.
    pub fn rate(&self, step: usize) -> f32 {
        let warm_up = (self.steps / 20).max(1);
        if step < warm_up {
            return self.learning_rate * (step + 1) as f32 / warm_up as f32;
        }
        let progress = (step - warm_up) as f32 / (self.steps - warm_up).max(1) as f32;
        let cosine = 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
        self.learning_rate * (0.05 + 0.95 * cosine)
    }
}

/// A run: model, optimizer, and how it went so far.
pub struct Run<O: Ops> {
    /// What it depends on.
    pub config: Config,
    gpt: Gpt<O>,
    optimizer: Optimizer<O>,
    gradients: Parameters<O::Floats>,
    memory: Memory<O>,
    /// The loss of each step so far.
    pub losses: Vec<f32>,
    /// The held-out loss after so many steps.
    pub held_out: Vec<(usize, f32)>,
}

impl<O: Ops> Run<O> {
    /// A new run.
    pub fn new(ops: O, config: Config) -> Outcome<Self> {
        let specs = Parameters::specs(config.size);
        let mut rng = Rng::new(config.seed);
        let mut values = |spec: &Spec| match spec.start {
            Start::Normal(deviation) => rng.normals(spec.len(), 0.0, deviation),
            Start::Constant(value) => vec![value; spec.len()],
        };
        let parameters = specs.list().into_iter().map(&mut values).collect();
        let states = Saved::new(config.states, &specs);
        Self::resume(ops, Checkpoint { config, parameters, states, losses: Vec::new(), held_out: Vec::new() })
    }

    /// Goes on where another run stood, with the same results as if that had gone on.
    pub fn resume(ops: O, checkpoint: Checkpoint) -> Outcome<Self> {
        let Checkpoint { config, parameters, states, losses, held_out } = checkpoint;
        let mut gpt = Gpt::new(ops, config.size, &parameters)?;
        gpt.with_attention = config.attention;
        let gradients = gpt.gradients()?;
        let optimizer = Optimizer::restore(&mut gpt, &gradients, &states)?;
        let memory = Memory::new(&gpt.ops, config.size, config.batch, config.size.context)?;
        Ok(Self { config, gpt, optimizer, gradients, memory, losses, held_out })
    }

    /// Everything that a later run needs to go on.
    pub fn checkpoint(&self) -> Outcome<Checkpoint> {
        let parameters = self.gpt.parameters.list().into_iter().map(|tensor| self.gpt.ops.read(tensor));
        Ok(Checkpoint {
            config: self.config,
            parameters: parameters.collect::<Outcome<_>>()?,
            states: self.optimizer.save(&self.gpt.ops)?,
            losses: self.losses.clone(),
            held_out: self.held_out.clone(),
        })
    }

    /// Steps made so far.
    pub fn steps(&self) -> usize {
        self.losses.len()
    }

    /// Makes a step and gives its loss, that before the update.
    pub fn step(&mut self, text: &Text) -> Outcome<f32> {
        let (config, step) = (&self.config, self.steps());
        let batch = text.batch(config.seed, step, config.batch, config.size.context);
        let loss = self.gpt.gradient(&mut self.memory, &batch, &mut self.gradients)? as f32;
        if !loss.is_finite() {
            return Err(format!("the loss of step {step} is {loss}").into());
        }
        self.optimizer.step(&mut self.gpt, &self.gradients, config.rate(step))?;
        self.losses.push(loss);
        Ok(loss)
    }

    /// The mean loss over these batches.
    pub fn measure<'a>(&mut self, batches: impl IntoIterator<Item = &'a Batch>) -> Outcome<f32> {
        let (mut sum, mut count) = (0.0, 0);
        for batch in batches {
            sum += self.gpt.loss(&mut self.memory, batch)?;
            count += 1;
        }
        Ok((sum / f64::from(count.max(1))) as f32)
    }

    /// Text that the model writes after `prompt`, byte by byte, drawn with a temperature of 0.8.
    pub fn sample(&self, prompt: &str, bytes: usize) -> Outcome<String> {
        const TEMPERATURE: f32 = 0.8;
        let mut memory = Memory::new(&self.gpt.ops, self.config.size, 1, self.config.size.context)?;
        let mut rng = Rng::new(self.config.seed);
        let mut text = prompt.as_bytes().to_vec();
        for _ in 0..bytes {
            let logits = self.gpt.next(&mut memory, &text)?;
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = logits.iter().map(|logit| ((logit - largest) / TEMPERATURE).exp()).collect();
            let mut left = rng.unit() as f32 * weights.iter().sum::<f32>();
            let drawn = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            text.push(drawn.unwrap_or(VOCABULARY - 1) as u8);
        }
        Ok(printable(&text))
    }
}

/// The text as a terminal can show it: what is no text stands as a dot.
fn printable(text: &[u8]) -> String {
    let shown = |c: char| if c == '\n' || !(c.is_control() || c == char::REPLACEMENT_CHARACTER) { c } else { '·' };
    String::from_utf8_lossy(text).chars().map(shown).collect()
}
