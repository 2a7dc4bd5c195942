//! The operations that can be profiled: the workloads of their benches. A new one is a function here and a line in [`OPS`].

#[path = "../../benches/workloads/activation.rs"]
mod activation;
#[path = "../../benches/workloads/adamw8bit.rs"]
mod adamw8bit;
#[path = "../../benches/workloads/attention.rs"]
mod attention;
#[path = "../../benches/workloads/bce_with_logits.rs"]
mod bce_with_logits;
#[path = "../../benches/workloads/cross_entropy.rs"]
mod cross_entropy;
#[path = "../../benches/workloads/dropout.rs"]
mod dropout;
#[path = "../../benches/workloads/embedding.rs"]
mod embedding;
#[path = "../../benches/workloads/gelu.rs"]
mod gelu;
#[path = "../../benches/workloads/grad_clip.rs"]
mod grad_clip;
#[path = "../../benches/workloads/layer_norm.rs"]
mod layer_norm;
#[path = "../../benches/workloads/linear_cross_entropy.rs"]
mod linear_cross_entropy;
#[path = "../../benches/workloads/mask_tokens.rs"]
mod mask_tokens;
#[path = "../../benches/workloads/optimizers.rs"]
mod optimizers;
#[path = "../../benches/workloads/quantize.rs"]
mod quantize;
#[path = "../../benches/workloads/rms_norm.rs"]
mod rms_norm;
#[path = "../../benches/workloads/rotary.rs"]
mod rotary;
#[path = "../../benches/workloads/softmax.rs"]
mod softmax;

use std::fmt;
use std::marker::PhantomData;

use half::{bf16, f16};
use warpsmith::emulator::Profile;
use warpsmith::ops::activation::Function;
use warpsmith::ops::cross_entropy::Options;
use warpsmith::ops::gelu::Form;
use warpsmith::ops::lion::States;
use warpsmith::ops::rotary::Pairing;
use warpsmith::{EmulatedDevice, Float, Index};

use crate::Workload;
use optimizers::Step;

/// An operation.
pub struct Op {
    pub name: &'static str,
    /// Its sizes with what they are if they are not given.
    pub sizes: &'static [(&'static str, usize)],
    /// Runs it in f32, f16 and bf16, where there are kernels.
    pub types: [Option<Run>; 3],
}

type Run = fn(&EmulatedDevice, &Sizes) -> Measured;

/// The sizes of a run, by name.
pub struct Sizes(pub Vec<(&'static str, usize)>);

/// One call of an operation.
pub struct Measured {
    /// As its bench calls it.
    pub name: String,
    /// The bytes that have to move.
    pub bytes: usize,
    /// The flops of its products, if it has some.
    pub flops: Option<f64>,
    /// Its launches.
    pub profiles: Vec<Profile>,
}

impl Sizes {
    fn of<const N: usize>(&self, names: [&str; N]) -> [usize; N] {
        names.map(|name| self.0.iter().find(|(known, _)| *known == name).map_or(1, |(_, value)| *value))
    }

    /// Rows by width.
    fn matrix(&self) -> [usize; 2] {
        self.of(["rows", "width"])
    }

    /// Tensors by elements.
    fn list(&self) -> [usize; 2] {
        self.of(["tensors", "elements"])
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(&words.join(", "))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28}", self.name)?;
        for (name, default) in self.sizes {
            write!(f, " --{name} {default}")?;
        }
        let types = ["f32", "f16", "bf16"].into_iter().zip(&self.types).filter(|(_, run)| run.is_some());
        write!(f, " --dtype {}", types.map(|(name, _)| name).collect::<Vec<_>>().join("|"))
    }
}

/// Every operation, forward and backward.
pub const OPS: &[Op] = &[
    Op::new("activation_fwd", MATRIX, [activation::<f32, false>, activation::<f16, false>, activation::<bf16, false>]),
    Op::new("activation_bwd", MATRIX, [activation::<f32, true>, activation::<f16, true>, activation::<bf16, true>]),
    Op::new("adamw", LIST, [adamw::<f32, false>, adamw::<f16, false>, adamw::<bf16, false>]),
    Op::of_half("adamw_master", LIST, [adamw::<f16, true>, adamw::<bf16, true>]),
    Op::new("adamw8bit", LIST, [adamw8bit::<f32>, adamw8bit::<f16>, adamw8bit::<bf16>]),
    Op::of_half("attention_fwd", HEADS, [attention_fwd::<f16, false>, attention_fwd::<bf16, false>]),
    Op::of_half("attention_fwd_causal", HEADS, [attention_fwd::<f16, true>, attention_fwd::<bf16, true>]),
    Op::of_half("attention_bwd", HEADS, [attention_bwd::<f16, false>, attention_bwd::<bf16, false>]),
    Op::of_half("attention_bwd_causal", HEADS, [attention_bwd::<f16, true>, attention_bwd::<bf16, true>]),
    Op::new("bce_with_logits", MATRIX, [bce_with_logits::<f32>, bce_with_logits::<f16>, bce_with_logits::<bf16>]),
    Op::new("cross_entropy", LOGITS, [cross_entropy::<f32>, cross_entropy::<f16>, cross_entropy::<bf16>]),
    Op::new("dequantize", MATRIX, [quantize::<f32, true>, quantize::<f16, true>, quantize::<bf16, true>]),
    Op::new("dropout", MATRIX, [dropout::<f32, false>, dropout::<f16, false>, dropout::<bf16, false>]),
    Op::new("dropout_residual", MATRIX, [dropout::<f32, true>, dropout::<f16, true>, dropout::<bf16, true>]),
    Op::new("embedding_fwd", WORDS, [embedding_fwd::<f32>, embedding_fwd::<f16>, embedding_fwd::<bf16>]),
    Op::new("embedding_bwd", WORDS, [embedding_bwd::<f32>, embedding_bwd::<f16>, embedding_bwd::<bf16>]),
    Op::new("gelu_fwd", MATRIX, [gelu_fwd::<f32, false>, gelu_fwd::<f16, false>, gelu_fwd::<bf16, false>]),
    Op::new("gelu_fwd_bias", MATRIX, [gelu_fwd::<f32, true>, gelu_fwd::<f16, true>, gelu_fwd::<bf16, true>]),
    Op::new("gelu_bwd", MATRIX, [gelu_bwd::<f32, false>, gelu_bwd::<f16, false>, gelu_bwd::<bf16, false>]),
    Op::new("gelu_bwd_bias", MATRIX, [gelu_bwd::<f32, true>, gelu_bwd::<f16, true>, gelu_bwd::<bf16, true>]),
    Op::new("grad_clip_norm", LIST, [clip::<f32, false>, clip::<f16, false>, clip::<bf16, false>]),
    Op::new("grad_clip_value", LIST, [clip::<f32, true>, clip::<f16, true>, clip::<bf16, true>]),
    Op::new("lamb", LIST, [lamb::<f32, false>, lamb::<f16, false>, lamb::<bf16, false>]),
    Op::new("lamb8", LIST, [lamb::<f32, true>, lamb::<f16, true>, lamb::<bf16, true>]),
    Op::new("layer_norm_fwd", MATRIX, [layer_fwd::<f32, false>, layer_fwd::<f16, false>, layer_fwd::<bf16, false>]),
    Op::new(
        "layer_norm_fwd_residual",
        MATRIX,
        [layer_fwd::<f32, true>, layer_fwd::<f16, true>, layer_fwd::<bf16, true>],
    ),
    Op::new("layer_norm_bwd", MATRIX, [layer_bwd::<f32, false>, layer_bwd::<f16, false>, layer_bwd::<bf16, false>]),
    Op::new(
        "layer_norm_bwd_residual",
        MATRIX,
        [layer_bwd::<f32, true>, layer_bwd::<f16, true>, layer_bwd::<bf16, true>],
    ),
    Op::new("linear_cross_entropy", LOGITS, [linear::<f32>, linear::<f16>, linear::<bf16>]),
    Op::new("lion", LIST, [lion::<f32, false>, lion::<f16, false>, lion::<bf16, false>]),
    Op::new("lion8", LIST, [lion::<f32, true>, lion::<f16, true>, lion::<bf16, true>]),
    Op::of_ids("mask_tokens_i32", MATRIX, mask_tokens::<i32>),
    Op::of_ids("mask_tokens_i64", MATRIX, mask_tokens::<i64>),
    Op::new("quantize", MATRIX, [quantize::<f32, false>, quantize::<f16, false>, quantize::<bf16, false>]),
    Op::new("rms_norm_fwd", MATRIX, [rms_fwd::<f32, false>, rms_fwd::<f16, false>, rms_fwd::<bf16, false>]),
    Op::new("rms_norm_fwd_residual", MATRIX, [rms_fwd::<f32, true>, rms_fwd::<f16, true>, rms_fwd::<bf16, true>]),
    Op::new("rms_norm_bwd", MATRIX, [rms_bwd::<f32, false>, rms_bwd::<f16, false>, rms_bwd::<bf16, false>]),
    Op::new("rms_norm_bwd_residual", MATRIX, [rms_bwd::<f32, true>, rms_bwd::<f16, true>, rms_bwd::<bf16, true>]),
    Op::new("rotary", ROTARY, [rotary::<f32>, rotary::<f16>, rotary::<bf16>]),
    Op::new("softmax_fwd", MATRIX, [softmax_fwd::<f32>, softmax_fwd::<f16>, softmax_fwd::<bf16>]),
    Op::new("softmax_bwd", MATRIX, [softmax_bwd::<f32>, softmax_bwd::<f16>, softmax_bwd::<bf16>]),
];

const MATRIX: &[(&str, usize)] = &[("rows", 256), ("width", 1024)];
const LOGITS: &[(&str, usize)] = &[("rows", 16), ("width", 32_000)];
const WORDS: &[(&str, usize)] = &[("rows", 256), ("width", 768), ("vocabulary", 1024)];
const ROTARY: &[(&str, usize)] = &[("rows", 256), ("width", 1280)];
const LIST: &[(&str, usize)] = &[("tensors", 4), ("elements", 65_536)];
const HEADS: &[(&str, usize)] = &[("batch", 1), ("heads", 2), ("length", 256), ("dim", 64)];

impl Op {
    const fn new(name: &'static str, sizes: &'static [(&'static str, usize)], [f32, f16, bf16]: [Run; 3]) -> Self {
        Self { name, sizes, types: [Some(f32), Some(f16), Some(bf16)] }
    }

    const fn of_half(name: &'static str, sizes: &'static [(&'static str, usize)], [f16, bf16]: [Run; 2]) -> Self {
        Self { name, sizes, types: [None, Some(f16), Some(bf16)] }
    }

    /// Its tensors are no floats, so the type that is asked for does not matter.
    const fn of_ids(name: &'static str, sizes: &'static [(&'static str, usize)], run: Run) -> Self {
        Self { name, sizes, types: [Some(run); 3] }
    }
}

fn measure<W: Workload>(device: &EmulatedDevice, workload: &W, shape: [usize; 2]) -> Measured {
    let (bytes, flops) = (workload.bytes(shape), workload.flops(shape));
    let launch = workload.prepare(device, shape);
    let ((), profiles) = device.profile(launch);
    Measured { name: workload.name(), bytes, flops, profiles }
}

fn activation<T: Float, const BACKWARD: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let gated = activation::Gated::<T> { function: Function::Silu, backward: BACKWARD, element: PhantomData };
    measure(device, &gated, sizes.matrix())
}

fn adamw<T: Float, const MASTER: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let bytes = if MASTER { 24 + 2 * size_of::<T>() } else { 16 + 3 * size_of::<T>() };
    let (variant, options) = (if MASTER { "step_master" } else { "step" }, warpsmith::ops::adamw::Options::default());
    let step = Step::<warpsmith::ops::adamw::Rule, T> { variant, options, master: MASTER, bytes, element: PhantomData };
    measure(device, &step, sizes.list())
}

fn lion<T: Float, const CODES: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let bytes = if CODES { 2 } else { 8 } + 3 * size_of::<T>();
    let (variant, states) = if CODES { ("step8", States::Codes) } else { ("step", States::Floats) };
    let options = warpsmith::ops::lion::Options { states, ..Default::default() };
    let step = Step::<warpsmith::ops::lion::Rule, T> { variant, options, master: false, bytes, element: PhantomData };
    measure(device, &step, sizes.list())
}

fn adamw8bit<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &adamw8bit::Step::<T>(PhantomData), sizes.list())
}

fn attention_fwd<T: Float, const CAUSAL: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let [batch, heads] = sizes.of(["batch", "heads"]);
    let forward =
        attention::Forward::<T> { causal: CAUSAL, batch_and_heads: Some((batch, heads)), element: PhantomData };
    measure(device, &forward, sizes.of(["length", "dim"]))
}

fn attention_bwd<T: Float, const CAUSAL: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let [batch, heads] = sizes.of(["batch", "heads"]);
    let backward =
        attention::Backward::<T> { causal: CAUSAL, batch_and_heads: Some((batch, heads)), element: PhantomData };
    measure(device, &backward, sizes.of(["length", "dim"]))
}

fn bce_with_logits<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &bce_with_logits::Replaced::<T> { element: PhantomData }, sizes.matrix())
}

fn cross_entropy<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let fused = cross_entropy::Fused::<T> { options: Options::default(), name: "fused", element: PhantomData };
    measure(device, &fused, sizes.matrix())
}

/// The kernels alone: the products are the caller's.
fn linear<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &linear_cross_entropy::Chunks::<T> { element: PhantomData }, sizes.matrix())
}

fn dropout<T: Float, const RESIDUAL: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &dropout::Dropout::<T> { residual: RESIDUAL, element: PhantomData }, sizes.matrix())
}

fn embedding_fwd<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let [vocabulary] = sizes.of(["vocabulary"]);
    measure(device, &embedding::Forward::<T> { vocabulary, element: PhantomData }, sizes.matrix())
}

fn embedding_bwd<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let [vocabulary] = sizes.of(["vocabulary"]);
    measure(device, &embedding::Backward::<T> { vocabulary, element: PhantomData }, sizes.matrix())
}

fn gelu_fwd<T: Float, const BIAS: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &gelu::Forward::<T> { form: Form::Tanh, bias: BIAS, element: PhantomData }, sizes.matrix())
}

fn gelu_bwd<T: Float, const BIAS: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &gelu::Backward::<T> { form: Form::Tanh, bias: BIAS, element: PhantomData }, sizes.matrix())
}

fn clip<T: Float, const BY_VALUE: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &grad_clip::Clip::<T> { by_value: BY_VALUE, element: PhantomData }, sizes.list())
}

fn lamb<T: Float, const CODES: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    let bytes = if CODES { 8 } else { 24 } + 4 * size_of::<T>();
    let (variant, states) = if CODES { ("step8", States::Codes) } else { ("step", States::Floats) };
    let options = warpsmith::ops::lamb::Options { states, ..Default::default() };
    let step = Step::<warpsmith::ops::lamb::Rule, T> { variant, options, master: false, bytes, element: PhantomData };
    measure(device, &step, sizes.list())
}

fn layer_fwd<T: Float, const RESIDUAL: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &layer_norm::Forward::<T> { residual: RESIDUAL, element: PhantomData }, sizes.matrix())
}

fn layer_bwd<T: Float, const RESIDUAL: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &layer_norm::Backward::<T> { residual: RESIDUAL, element: PhantomData }, sizes.matrix())
}

fn mask_tokens<I: Index + From<i32>>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &mask_tokens::MaskTokens::<I> { ids: PhantomData }, sizes.matrix())
}

fn quantize<T: Float, const BACK: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &quantize::Way::<T> { back: BACK, element: PhantomData }, sizes.matrix())
}

fn rms_fwd<T: Float, const RESIDUAL: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &rms_norm::Forward::<T> { residual: RESIDUAL, element: PhantomData }, sizes.matrix())
}

fn rms_bwd<T: Float, const RESIDUAL: bool>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &rms_norm::Backward::<T> { residual: RESIDUAL, element: PhantomData }, sizes.matrix())
}

fn rotary<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &rotary::Rotary::<T> { pairing: Pairing::Half, element: PhantomData }, sizes.matrix())
}

fn softmax_fwd<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &softmax::Forward::<T>(PhantomData), sizes.matrix())
}

fn softmax_bwd<T: Float>(device: &EmulatedDevice, sizes: &Sizes) -> Measured {
    measure(device, &softmax::Backward::<T>(PhantomData), sizes.matrix())
}

#[cfg(test)]
mod tests {
    use warpsmith::emulator::{Attribution, Counters, DeviceModel};

    use super::*;

    /// The smallest sizes that every operation takes.
    fn small(op: &Op) -> Sizes {
        let least = |name: &str| match name {
            "batch" | "heads" | "tensors" => 1,
            "dim" => 64,
            "width" => 640,
            "elements" => 300,
            _ => 33,
        };
        Sizes(op.sizes.iter().map(|(name, _)| (*name, least(name))).collect())
    }

    #[test]
    fn every_operation_is_profiled_and_its_lines_are_found() {
        let device = EmulatedDevice::new(DeviceModel::Sm80);
        let mut wrong = Vec::new();
        for op in OPS {
            let run = op.types[2].unwrap();
            let measured = run(&device, &small(op));
            let (mut all, mut found) = (Counters::default(), Counters::default());
            measured.profiles.iter().for_each(|profile| all += &profile.counters());
            for line in measured.profiles.iter().flat_map(|profile| profile.lines(Attribution::Outermost)) {
                // nvcc gives line 0 to what no line asked for.
                if line.line.as_ref().and_then(crate::text).is_some() {
                    found += &line.counters;
                }
            }
            // Each tensor is read or written at least once, in whole.
            let moved = all.global_load_bytes + all.global_store_bytes;
            let [all, found] = [all, found].map(|counters| counters.total_warp_instructions());
            if (moved as usize) < measured.bytes || all == 0 || 10 * found < 9 * all {
                wrong.push(format!("{}: {moved} of {} bytes, lines of {found} of {all}", op.name, measured.bytes));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn names_are_unique() {
        for (at, op) in OPS.iter().enumerate() {
            assert!(OPS[..at].iter().all(|other| other.name != op.name), "{}", op.name);
        }
    }
}
