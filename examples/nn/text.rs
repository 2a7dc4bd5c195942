//! The text: what is read, which part of it is held out, and a bigram model of it to measure the GPT against.

use std::path::{Path, PathBuf};

use super::Outcome;
use super::data::Rng;

/// Every tenth piece of this many bytes is held out.
const PIECE: usize = 8192;

/// Files of the repository that count as text.
pub struct Sources {
    /// How their names end.
    pub extensions: &'static [&'static str],
    /// What a person calls them.
    pub what: &'static str,
}

/// What people have written.
pub const WRITTEN: Sources = Sources {
    extensions: &["cu", "cuh", "h", "md", "py", "rs", "sh", "toml", "yml"],
    what: "the repository's own sources and documents",
};

/// What a compiler has written.
pub const COMPILED: Sources = Sources { extensions: &["ptx"], what: "the repository's PTX" };

/// Windows of a text: bytes, and the byte after each.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[batch, length]`.
    pub inputs: Vec<u8>,
    /// `[batch, length]`.
    pub targets: Vec<u8>,
}

/// A text in two parts.
pub struct Text {
    /// What the model learns from.
    pub train: Vec<u8>,
    /// What it never sees.
    pub held_out: Vec<u8>,
}

impl Text {
    /// Splits a text.
    pub fn split(text: &[u8]) -> Outcome<Self> {
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for (i, piece) in text.chunks(PIECE).enumerate() {
            if i % 10 == 9 { &mut held_out } else { &mut train }.extend_from_slice(piece);
        }
        if held_out.is_empty() {
            return Err(format!("the text has {} bytes, and {} are needed", text.len(), 9 * PIECE + 1).into());
        }
        Ok(Self { train, held_out })
    }

    /// Reads these files, or those of the repository where there are none.
    pub fn read(files: &[PathBuf], otherwise: &Sources) -> Outcome<(Self, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (files, what) = match files {
            [] => (sources(root, otherwise.extensions)?, otherwise.what),
            files => (files.to_vec(), "--text"),
        };
        let mut text = Vec::new();
        for file in &files {
            text.extend(std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?);
        }
        let split = Self::split(&text)?;
        let Self { train, held_out } = &split;
        let what = format!(
            "{what}: {} files, {} bytes to learn from, {} bytes held out",
            files.len(),
            train.len(),
            held_out.len()
        );
        Ok((split, what))
    }

    /// Whether both parts have a window of this length.
    pub fn check(&self, length: usize) -> Outcome {
        let shorter = self.train.len().min(self.held_out.len());
        if shorter > length {
            Ok(())
        } else {
            Err(format!("{shorter} bytes of text are too few for a context of {length}").into())
        }
    }

    /// The batch of a step: windows of the train part, drawn by seed and step alone, so that a run that was interrupted goes on with
    /// the same ones.
    pub fn batch(&self, seed: u64, step: usize, batch: usize, length: usize) -> Batch {
        let mut rng = Rng::new(seed ^ (step as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95));
        let starts = (self.train.len() - length) as u64;
        let windows: Vec<usize> = (0..batch).map(|_| (rng.next_u64() % starts) as usize).collect();
        windowed(&self.train, &windows, length)
    }

    /// The windows of the held-out part side by side, in whole batches.
    pub fn held_out_batches(&self, batch: usize, length: usize) -> Vec<Batch> {
        let starts: Vec<usize> = (0..(self.held_out.len() - 1) / length).map(|i| i * length).collect();
        starts.chunks_exact(batch).map(|starts| windowed(&self.held_out, starts, length)).collect()
    }
}

/// Bytes from each start on, and the bytes one further.
fn windowed(text: &[u8], starts: &[usize], length: usize) -> Batch {
    let from = |offset| starts.iter().flat_map(|start| &text[start + offset..][..length]).copied().collect();
    Batch { inputs: from(0), targets: from(1) }
}

/// All text files under a folder, hidden ones and cargo's output left out, in the order of their paths.
fn sources(folder: &Path, extensions: &[&str]) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path, extensions)?);
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
            files.push(path);
        }
    }
    Ok(files)
}

/// The loss in nats per byte of a bigram model that counts in `train`, on the predictions that the GPT is measured on: every byte of `targets` after the
/// one before it in `inputs`. Counts are interpolated:
/// `p(b | a) = (n(a, b) + k p(b)) / (n(a) + k)`, and `p(b) = (n(b) + j / 256) / (n + j)` in the same way. `k` and `j` are the best for these very
/// targets, which no model of the train part alone could know: the baseline is rather too good.
pub fn bigram_loss(train: &[u8], held_out: &[Batch]) -> f64 {
    let mut pairs = vec![0_u32; 1 << 16];
    let (mut firsts, mut bytes) = ([0_u32; 256], [0_u32; 256]);
    let pair = |a: u8, b: u8| usize::from(a) << 8 | usize::from(b);
    for window in train.windows(2) {
        pairs[pair(window[0], window[1])] += 1;
        firsts[usize::from(window[0])] += 1;
        bytes[usize::from(window[1])] += 1;
    }
    let mut wanted = vec![0_u32; 1 << 16];
    for Batch { inputs, targets } in held_out {
        inputs.iter().zip(targets).for_each(|(&a, &b)| wanted[pair(a, b)] += 1);
    }
    let total = f64::from(bytes.iter().sum::<u32>());
    let loss = |k: f64, j: f64| {
        let mut sum = 0.0;
        for (i, &count) in wanted.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (a, b) = (i >> 8, i & 255);
            let unigram = (f64::from(bytes[b]) + j / 256.0) / (total + j);
            let probability = (f64::from(pairs[i]) + k * unigram) / (f64::from(firsts[a]) + k);
            sum -= f64::from(count) * probability.ln();
        }
        sum / f64::from(wanted.iter().sum::<u32>())
    };
    let grid = |from: i32, to: i32| (from..=to).map(|i| 2_f64.powf(f64::from(i) / 2.0));
    let all = grid(-10, 24).flat_map(|k| grid(-10, 24).map(move |j| (k, j)));
    all.map(|(k, j)| loss(k, j)).fold(f64::INFINITY, f64::min)
}

/// The loss in nats of always guessing by how often each byte stands in `train`: `p(b) = (n(b) + j / 256) / (n + j)`, with the best `j` for
/// these very targets.
pub fn unigram_loss(train: &[u8], targets: &[u8]) -> f64 {
    let count = |text: &[u8]| {
        let mut counts = [0_u32; 256];
        text.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        counts.map(f64::from)
    };
    let (known, wanted) = (count(train), count(targets));
    let total: f64 = known.iter().sum();
    let loss = |j: f64| {
        let bytes = wanted.iter().zip(&known).filter(|(wanted, _)| **wanted > 0.0);
        -bytes.map(|(wanted, known)| wanted * ((known + j / 256.0) / (total + j)).ln()).sum::<f64>()
    };
    let best = (-10..=24).map(|i| loss(2_f64.powf(f64::from(i) / 2.0))).fold(f64::INFINITY, f64::min);
    best / targets.len() as f64
}
