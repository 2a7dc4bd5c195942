//! Cross-entropy's speed: `cargo bench --bench cross_entropy`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use data::Rng;
use half::{bf16, f16};
use warpsmith::ops::cross_entropy::{self, Logits, Options, Reduction, workspace_bytes};
use warpsmith::{Buffer, Device, Float};

/// The vocabularies of Llama 2, GPT-2 (padded to 64 and not), Llama 3 and Gemma.
const SHAPES: [[usize; 2]; 5] = [[8192, 32_000], [8192, 50_304], [8192, 50_257], [4096, 128_256], [2048, 262_144]];

/// The mean and the gradient over the logits.
struct Fused<T> {
    options: Options,
    name: &'static str,
    element: PhantomData<T>,
}

impl<T: Float> Workload for Fused<T> {
    fn name(&self) -> String {
        format!("cross_entropy/{}/{}", self.name, T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        2 * rows * width * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let [rows, width] = shape;
        let mut rng = Rng::new(1);
        let mut logits = device.upload(&rng.normals::<T>(rows * width, 0.0, 1.0)).expect("upload");
        let targets: Vec<i32> = (0..rows).map(|_| (rng.next_u64() % width as u64) as i32).collect();
        let targets = device.upload(&targets).expect("upload");
        let mut loss = device.alloc::<f32>(1).expect("alloc");
        let bytes = workspace_bytes(shape, Reduction::Mean);
        let mut workspace = device.alloc::<u8>(bytes).expect("alloc");
        move || {
            let tensors = cross_entropy::Forward {
                logits: Logits::InPlace(logits.view_mut(shape).expect("a view")),
                targets: targets.view([rows]).expect("a view"),
                weight: None,
                loss: Some(loss.view_mut([1]).expect("a view")),
                lse: None,
                totals: None,
                grad_loss: None,
                workspace: Some(workspace.view_mut([bytes]).expect("a view")),
            };
            cross_entropy::forward(device, tensors, &self.options).expect("cross_entropy::forward");
        }
    }
}

fn of_element<T: Float>(criterion: &mut Criterion) {
    let plain = Options::default();
    for (name, options) in
        [("fused", plain), ("fused_softcap_smoothing", Options { label_smoothing: 0.1, softcap: Some(30.0), ..plain })]
    {
        common::run(criterion, &Fused::<T> { options, name, element: PhantomData }, &SHAPES);
    }
}

fn every_element(criterion: &mut Criterion) {
    of_element::<bf16>(criterion);
    of_element::<f16>(criterion);
    of_element::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
