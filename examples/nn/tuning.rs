//! Ways to fine-tune a trained model: what is added to it, and what of it is trained. All else stays as it is, bit for bit, and has no gradient.

use super::Outcome;
use super::data::Rng;
use super::model::Transformer;
use super::ops::Ops;
use super::parameters::{Maker, Parameter, Values};

/// A way to fine-tune.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Way {
    /// Every weight.
    All,
    /// The maps and biases of the feed-forward parts.
    FeedForward,
    /// Keys and values before those of the text, in every layer. (Li and Liang, "Prefix-Tuning", 2021.)
    Prefix,
    /// Embeddings before those of the text. (Lester et al., "The Power of Scale for Parameter-Efficient Prompt Tuning", 2021.)
    Prompt,
    /// A change of low rank to the maps of queries and values. (Hu et al., "LoRA", 2021.)
    LoraQv,
    /// A change of low rank to every map of the blocks.
    LoraAll,
}

/// How much is added.
#[derive(Clone, Copy, Debug, PartialEq, clap::Args)]
pub struct Amounts {
    /// Keys and values of a prefix
    #[arg(long, default_value_t = 16, value_parser = super::config::positive)]
    pub prefix: usize,

    /// Embeddings of a prompt
    #[arg(long, default_value_t = 16, value_parser = super::config::positive)]
    pub prompt: usize,

    /// Rank of a LoRA
    #[arg(long, default_value_t = 8, value_parser = super::config::positive)]
    pub rank: usize,

    /// What a LoRA's product is multiplied by is this over its rank
    #[arg(long, default_value_t = 16.0)]
    pub alpha: f32,
}

impl Way {
    /// All of them.
    pub const EVERY: [Self; 6] =
        [Self::All, Self::FeedForward, Self::Prefix, Self::Prompt, Self::LoraQv, Self::LoraAll];

    /// What a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all weights",
            Self::FeedForward => "feed-forward only",
            Self::Prefix => "prefix tuning",
            Self::Prompt => "prompt tuning",
            Self::LoraQv => "LoRA on q and v",
            Self::LoraAll => "LoRA on all maps",
        }
    }

    /// A learning rate that suits it: the less is trained, the larger.
    pub fn learning_rate(self) -> f32 {
        match self {
            Self::All | Self::FeedForward => 2e-3,
            Self::LoraQv | Self::LoraAll => 1e-2,
            Self::Prefix => 3e-2,
            Self::Prompt => 1e-1,
        }
    }

    /// Whether a tensor of this name is trained.
    pub fn trains(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::FeedForward => name.starts_with("layer") && (name.contains(".up") || name.contains(".down")),
            Self::Prefix => name.ends_with(".prefix"),
            Self::Prompt => name == "prompt",
            Self::LoraQv | Self::LoraAll => name.contains(".lora_"),
        }
    }

    /// Adds what the way adds, and chooses what is trained. A prompt starts as the embeddings of `start`, a LoRA as nothing.
    pub fn prepare<O: Ops>(
        self,
        ops: &O,
        model: &mut Transformer<O::Floats>,
        amounts: &Amounts,
        (seed, start): (u64, &[u8]),
    ) -> Outcome {
        let width = model.architecture.width();
        let mut maker = Maker { ops, values: Values::Drawn(Rng::new(seed)) };
        match self {
            Self::All | Self::FeedForward => {}
            Self::Prefix => {
                for (index, block) in model.blocks.iter_mut().enumerate() {
                    let name = format!("layer{index}.prefix");
                    block.prefix = Some(maker.matrix(&name, [amounts.prefix, 2 * width], 0.3)?);
                }
            }
            Self::Prompt => {
                let table = model.tensors(ops)?.remove("tokens").ok_or("a model without tokens")?.values;
                let bytes = start.iter().cycle().take(amounts.prompt);
                let rows: Vec<f32> =
                    bytes.flat_map(|&byte| &table[usize::from(byte) * width..][..width]).copied().collect();
                let (name, shape) = ("prompt".to_owned(), vec![amounts.prompt, width]);
                model.prompt = Some(Parameter { name, shape, value: ops.upload(&rows)?, gradient: None });
            }
            Self::LoraQv | Self::LoraAll => {
                let (rank, scale) = (amounts.rank, amounts.alpha / amounts.rank as f32);
                for block in &mut model.blocks {
                    let parts: &[usize] = if self == Self::LoraQv { &[0, 2] } else { &[0, 1, 2] };
                    for part in parts {
                        block.qkv.adapt(&mut maker, [part * width, width], rank, scale)?;
                    }
                    if self == Self::LoraAll {
                        for map in [&mut block.out, &mut block.up, &mut block.down] {
                            let columns = map.shape[1];
                            map.adapt(&mut maker, [0, columns], rank, scale)?;
                        }
                    }
                }
            }
        }
        model.train(ops, |name| self.trains(name))
    }
}
