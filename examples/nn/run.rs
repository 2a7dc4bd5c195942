//! A run: its state, one step of it, its measure on the held-out text.

use warpsmith::schedules::Schedule;

use super::Outcome;
use super::checkpoint::Checkpoint;
use super::config::Config;
use super::data::Rng;
use super::model::{Memory, Transformer, VOCABULARY};
use super::ops::{IGNORED, Ops};
use super::optimizer::{List, Saved};
use super::parameters::Values;
use super::text::{Batch, Text};

/// A run: model, optimizer, and how it went so far.
pub struct Run<O: Ops> {
    /// What it depends on.
    pub config: Config,
    /// What it computes with.
    pub ops: O,
    /// What is trained.
    pub model: Transformer<O::Floats>,
    optimizer: O::Optimizer,
    memory: Memory<O>,
    rates: Schedule,
    /// The loss of each step so far.
    pub losses: Vec<f32>,
    /// The held-out loss after so many steps.
    pub held_out: Vec<(usize, f32)>,
}

impl<O: Ops> Run<O> {
    /// A new run of a new model.
    pub fn new(ops: O, config: Config) -> Outcome<Self> {
        let mut model = Transformer::new(&ops, config.architecture, Values::Drawn(Rng::new(config.seed)))?;
        model.train(&ops, |_| true)?;
        Self::of(ops, model, config, None)
    }

    /// A run of this model, of which some tensors are trained.
    pub fn of(ops: O, mut model: Transformer<O::Floats>, config: Config, saved: Option<&Saved>) -> Outcome<Self> {
        model.dropout = config.dropout;
        let memory = Memory::new(&ops, &model, [config.batch, config.architecture.context])?;
        let optimizer = ops.optimizer(&config.recipe(), &mut List::of(&mut model), saved)?;
        let rates = config.rates()?;
        Ok(Self { config, ops, model, optimizer, memory, rates, losses: Vec::new(), held_out: Vec::new() })
    }

    /// Goes on where another run stood, with the same results as if that had gone on.
    pub fn resume(ops: O, checkpoint: Checkpoint) -> Outcome<Self> {
        let Checkpoint { config, parameters, optimizer, losses, held_out } = checkpoint;
        let mut model = Transformer::new(&ops, config.architecture, Values::Saved(&parameters))?;
        let (names, saved) = optimizer.ok_or("the checkpoint has no optimizer states")?;
        model.train(&ops, |name| names.iter().any(|trained| trained == name))?;
        let run = Self::of(ops, model, config, Some(&saved))?;
        Ok(Self { losses, held_out, ..run })
    }

    /// Everything that a later run needs to go on.
    pub fn checkpoint(&mut self) -> Outcome<Checkpoint> {
        let trained = self.model.parameters().into_iter().filter(|parameter| parameter.trained());
        let names = trained.map(|parameter| parameter.name.clone()).collect();
        Ok(Checkpoint {
            config: self.config,
            parameters: self.model.tensors(&self.ops)?,
            optimizer: Some((names, self.ops.optimizer_saved(&self.optimizer)?)),
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
        let batch = text.batch(config.seed, step, config.batch, config.architecture.context);
        self.memory.load(&self.ops, &batch)?;
        self.memory.reseed(&self.ops, config.seed, step)?;
        if config.mask > 0.0 {
            self.memory.mask(&self.ops, config.mask)?;
        }
        let loss = self.model.gradient(&self.ops, &mut self.memory)?;
        if !loss.is_finite() {
            return Err(format!("the loss of step {step} is {loss}").into());
        }
        let rate = self.rates.rate(step as u64) as f32;
        self.ops.optimizer_step(&mut self.optimizer, &mut List::of(&mut self.model), rate)?;
        self.losses.push(loss);
        Ok(loss)
    }

    /// The mean loss over all that these batches ask for. Where bytes are masked, a batch has a mask of its own, always the same one.
    pub fn measure<'a>(&mut self, batches: impl IntoIterator<Item = &'a Batch>) -> Outcome<f32> {
        let (mut sum, mut count) = (0.0, 0);
        for batch in batches {
            let asked = self.pose(batch)?.len();
            sum += f64::from(self.model.loss(&self.ops, &mut self.memory)?) * asked as f64;
            count += asked;
        }
        Ok((sum / count.max(1) as f64) as f32)
    }

    /// Loads a batch of held-out text, masked if need be, and gives the bytes that it asks for.
    pub fn pose(&mut self, batch: &Batch) -> Outcome<Vec<u8>> {
        let Self { config, ops, memory, .. } = self;
        memory.load(ops, batch)?;
        if config.mask == 0.0 {
            return Ok(batch.targets.clone());
        }
        // The mask goes by the text (hashed as FNV-1a does), not by the place in a list.
        let hash = |seed: u64, &byte: &u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        memory.reseed(ops, batch.inputs.iter().fold(!config.seed, hash), 0)?;
        memory.mask(ops, config.mask)?;
        Ok(ops.read_ids(&memory.targets)?.into_iter().filter_map(|target| u8::try_from(target).ok()).collect())
    }

    /// A text, the same with points where it is masked, and the same as the model fills it in.
    pub fn fill_in(&mut self, text: &[u8]) -> Outcome<[String; 3]> {
        let (config, mut memory) = (self.config, Memory::new(&self.ops, &self.model, [1, text.len()])?);
        memory.load(&self.ops, &Batch { inputs: text.to_vec(), targets: text.to_vec() })?;
        memory.reseed(&self.ops, config.seed, 0)?;
        memory.mask(&self.ops, config.mask)?;
        let targets = self.ops.read_ids(&memory.targets)?;
        self.model.forward(&self.ops, &mut memory)?;
        let (mut masked, mut filled) = (text.to_vec(), text.to_vec());
        for (place, _) in targets.iter().enumerate().filter(|&(_, &target)| target != IGNORED) {
            let logits = memory.logits(&self.ops, place)?;
            let best = (0..=255_u8).max_by(|&a, &b| logits[usize::from(a)].total_cmp(&logits[usize::from(b)]));
            (masked[place], filled[place]) = (0, best.unwrap_or(0));
        }
        Ok([text, &masked, &filled].map(|text| printable(text).replace('\n', " ")))
    }

    /// Text that the model writes after `prompt`, byte by byte, drawn with a temperature of 0.8.
    pub fn sample(&self, prompt: &str, bytes: usize) -> Outcome<String> {
        const TEMPERATURE: f32 = 0.8;
        let context = self.config.architecture.context;
        let mut memory = Memory::new(&self.ops, &self.model, [1, context])?;
        let mut rng = Rng::new(self.config.seed);
        let mut text = prompt.as_bytes().to_vec();
        for _ in 0..bytes {
            let mut inputs = text[text.len().saturating_sub(context)..].to_vec();
            let last = inputs.len().saturating_sub(1);
            inputs.resize(context, 0);
            memory.load(&self.ops, &Batch { targets: inputs.clone(), inputs })?;
            self.model.forward(&self.ops, &mut memory)?;
            let logits = memory.logits(&self.ops, memory.length() - context + last)?;
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
pub fn printable(text: &[u8]) -> String {
    let shown = |c: char| if c == '\n' || !(c.is_control() || c == char::REPLACEMENT_CHARACTER) { c } else { '·' };
    String::from_utf8_lossy(text).chars().map(shown).collect()
}
