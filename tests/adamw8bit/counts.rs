//! What a step costs on states from a trained run, by the emulator's counts.

use half::{bf16, f16};
use warpsmith::emulator::{Counters, DeviceModel};
use warpsmith::ops::adamw8bit::{AdamW8bit, BLOCK, Checkpoint, Options, Scalars, State, Tensors};
use warpsmith::reference::adamw8bit as reference;
use warpsmith::{Buffer, Device, EmulatedDevice};

use crate::common::data::Rng;
use crate::problem::Real;

/// A model of two layers that learns a teacher of its own form: `[WIDTH, INPUTS]` and `[OUTPUTS, WIDTH]`.
const INPUTS: usize = 128;
const WIDTH: usize = 256;
const OUTPUTS: usize = 128;
const BATCH: usize = 16;
const STEPS: usize = 30;

struct Trained<T> {
    values: [Vec<T>; 2],
    gradients: [Vec<T>; 2],
    checkpoint: Checkpoint,
}

/// `rows x inner` times `inner` values.
fn product(matrix: &[f32], vector: &[f32]) -> Vec<f32> {
    matrix.chunks(vector.len()).map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
}

fn outer(sum: &mut [f32], left: &[f32], right: &[f32]) {
    for (row, left) in sum.chunks_mut(right.len()).zip(left) {
        row.iter_mut().zip(right).for_each(|(sum, right)| *sum += left * right);
    }
}

/// Gradients of the mean squared error over a batch of fresh inputs.
fn gradients(weights: [&[f32]; 2], teacher: [&[f32]; 2], rng: &mut Rng) -> [Vec<f32>; 2] {
    let mut sums = [vec![0.0; WIDTH * INPUTS], vec![0.0; OUTPUTS * WIDTH]];
    let forward = |weights: [&[f32]; 2], input: &[f32]| {
        let hidden: Vec<f32> = product(weights[0], input).into_iter().map(f32::tanh).collect();
        let output = product(weights[1], &hidden);
        (hidden, output)
    };
    for _ in 0..BATCH {
        let input: Vec<f32> = rng.normals(INPUTS, 0.0, 1.0);
        let ((hidden, output), (_, wanted)) = (forward(weights, &input), forward(teacher, &input));
        let error: Vec<f32> = output.iter().zip(&wanted).map(|(a, b)| (a - b) / BATCH as f32).collect();
        outer(&mut sums[1], &error, &hidden);
        let mut back = vec![0.0; WIDTH];
        for (row, error) in weights[1].chunks(WIDTH).zip(&error) {
            back.iter_mut().zip(row).for_each(|(back, weight)| *back += error * weight);
        }
        let back: Vec<f32> = back.iter().zip(&hidden).map(|(back, hidden)| back * (1.0 - hidden * hidden)).collect();
        outer(&mut sums[0], &back, &input);
    }
    sums
}

fn trained<T: Real>() -> Trained<T> {
    let mut rng = Rng::new(1);
    let mut layers = || {
        let deviation = |inputs: usize| 1.0 / (inputs as f64).sqrt();
        [
            rng.normals::<f32>(WIDTH * INPUTS, 0.0, deviation(INPUTS)),
            rng.normals(OUTPUTS * WIDTH, 0.0, deviation(WIDTH)),
        ]
    };
    let (teacher, start) = (layers(), layers());
    let narrow = |values: &[f32]| values.iter().map(|value| T::from_f32(*value)).collect::<Vec<T>>();
    let widen = |values: &[T]| values.iter().map(|value| value.to_f32()).collect::<Vec<f32>>();
    let mut values = start.each_ref().map(|values| narrow(values));
    let mut states = values.each_ref().map(|values| State::new(values.len()));
    let (options, mut progress) = (Options::default(), reference::Progress::default());
    let teacher = teacher.each_ref().map(Vec::as_slice);
    let mut next = |values: &[Vec<T>; 2]| {
        let weights = values.each_ref().map(|values| widen(values));
        gradients(weights.each_ref().map(Vec::as_slice), teacher, &mut rng).map(|gradient| narrow(&gradient))
    };
    for _ in 0..STEPS {
        let gradients = next(&values);
        let scalars = progress.advance(&options, 3e-3, 1.0);
        for ((values, gradient), state) in values.iter_mut().zip(&gradients).zip(&mut states) {
            reference::step(values, gradient, state, 0.1, &options, &scalars);
        }
    }
    let gradients = next(&values);
    Trained { values, gradients, checkpoint: Checkpoint { steps: progress.steps, states: states.into() } }
}

/// What the next step costs.
fn count<T: Real>() -> (Counters, usize) {
    let Trained { values, gradients, checkpoint } = trained::<T>();
    let device = EmulatedDevice::new(DeviceModel::Sm90);
    let upload = |values: &Vec<T>| device.upload(values).expect("upload");
    let (mut held, gradients) = (values.each_ref().map(upload), gradients.each_ref().map(upload));
    let learning_rate = device.upload(&[3e-3_f32]).expect("upload");
    let mut tensors: Vec<_> = held
        .iter_mut()
        .zip(&gradients)
        .map(|(held, gradient)| {
            let len = gradient.len();
            let (parameter, gradient) = (held.view_mut([len]), gradient.view([len]));
            Tensors { parameter: parameter.expect("a view"), gradient: gradient.expect("a view") }
        })
        .collect();
    let mut optimizer =
        AdamW8bit::restore(&device, &mut tensors, &[0.1; 2], Options::default(), &checkpoint).expect("an optimizer");
    let learning_rate = learning_rate.view([1]).expect("a view");
    let scalars = Scalars { learning_rate, gradient_scale: None, found_inf: None };
    optimizer.step(&device, &mut tensors, scalars).expect("a step");
    (device.take_counters(), values.iter().map(Vec::len).sum())
}

fn cost_of<T: Real>() {
    let (counters, count) = count::<T>();
    let each = |counted: u64| counted as f64 / count as f64;
    let instructions = each(counters.thread_instructions.iter().sum());
    let wavefronts = 32.0 * each(counters.shared_wavefronts);
    let sectors = 32.0 * each(counters.global_load_sectors + counters.global_store_sectors);
    println!(
        "{}: {instructions:.1} thread-instructions, {wavefronts:.1} wavefronts for 32, {sectors:.2} B of sectors for each of {count} parameters",
        T::DTYPE
    );
    assert!(instructions <= 75.0, "{instructions} instructions a parameter");
    assert!(wavefronts <= 23.0, "{wavefronts} wavefronts for 32 parameters");
    // Parameter read and written, gradient read, two codes read and written: once each, in whole sectors. For each block two absmax read and
    // written, each in a sector of its own that the warps of a thread block share in L2. For each chunk, from L2, the tables, and for each of its
    // warps the records of step, parameter and chunk.
    let elements = 3.0 * size_of::<T>() as f64 + 4.0;
    let absmax = 4.0 * 32.0 / BLOCK as f64;
    let chunk = (24_848.0 + 8.0 * (128.0 + 192.0 + 32.0)) / (32 * BLOCK) as f64;
    assert!((sectors - elements - absmax - chunk).abs() < 0.01 * sectors, "{sectors} B of sectors");
}

#[test]
fn a_step_on_trained_states() {
    cost_of::<bf16>();
    cost_of::<f16>();
    cost_of::<f32>();
}
