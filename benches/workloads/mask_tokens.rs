//! What there is to time of token masking.

use std::marker::PhantomData;

use warpsmith::ops::mask_tokens::{self, Forward, Options, Tokens};
use warpsmith::random::{self, Random};
use warpsmith::{Buffer, Device, Index};

use crate::Workload;

/// BERT's masking, apart from the tokens.
pub struct MaskTokens<I> {
    pub ids: PhantomData<I>,
}

impl<I: Index + From<i32>> Workload for MaskTokens<I> {
    fn name(&self) -> String {
        format!("mask_tokens/forward/{}", I::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        3 * rows * width * size_of::<I>()
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let count = shape[0] * shape[1];
        let tokens: Vec<I> = (0..count).map(|i| I::from((i % 30_522) as i32)).collect();
        let tokens = device.upload(&tokens).expect("upload");
        let mut output = device.alloc::<I>(count).expect("alloc");
        let mut labels = device.alloc::<I>(count).expect("alloc");
        let state = device.upload(&random::state(1, 0)).expect("upload");
        let options = Options { special_tokens: &[0, 100, 101, 102, 103], ..Options::new(103, 30_522) };
        move || {
            let (input, output) = (tokens.view(shape).expect("a view"), output.view_mut(shape).expect("a view"));
            let tensors = Forward {
                tokens: Tokens::Apart { input, output },
                special: None,
                labels: labels.view_mut(shape).expect("a view"),
                random: Random { state: state.view([2]).expect("a view"), offset: 0 },
            };
            mask_tokens::forward(device, tensors, &options).expect("mask_tokens::forward");
        }
    }
}
