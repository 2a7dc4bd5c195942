//! What chunks change, and what they do not: the memory, not the result.

use half::bf16;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::cross_entropy::{self, Reduction};
use warpsmith::ops::linear_cross_entropy::{self, Forward, Options, chunk_rows, workspace_bytes};
use warpsmith::{Buffer, DType, Device, EmulatedDevice, Error};

use crate::common::compare::assert_bits_equal;
use crate::common::devices::regimes;
use crate::problem::{Problem, Written, logits_of};

const SHAPE: [usize; 3] = [21, 40, 101];

fn device() -> EmulatedDevice {
    EmulatedDevice::new(DeviceModel::Sm80)
}

fn same_rows(name: &str, got: &Written<bf16>, expected: &Written<bf16>) {
    assert_bits_equal(&format!("{name}: loss"), 1, &got.loss, &expected.loss);
    assert_bits_equal(&format!("{name}: lse"), 1, &got.lse, &expected.lse);
    assert_bits_equal(&format!("{name}: totals"), 1, &got.totals, &expected.totals);
    assert_bits_equal(&format!("{name}: grad_hidden"), SHAPE[1], &got.grad_hidden, &expected.grad_hidden);
}

/// What rows share, the sums over them, is counted over all chunks.
#[test]
fn a_row_has_the_same_bits_whatever_chunk_it_is_in() {
    for reduction in Reduction::ALL {
        let problem = |chunk| Problem::<bf16>::new(SHAPE, chunk).with_all().reduced(reduction);
        let whole = problem(SHAPE[0]).run(&device());
        for chunk in [1, 4, 7, 20, 500] {
            same_rows(&format!("{reduction:?}, chunks of {chunk}"), &problem(chunk).run(&device()), &whole);
        }
    }
}

#[test]
fn every_regime_gives_the_same_bits() {
    let problem = Problem::<bf16>::new(SHAPE, 8).with_all();
    let expected = problem.run(&EmulatedDevice::new(DeviceModel::Sm86));
    for (regime, device) in regimes(DeviceModel::Sm86) {
        let got = problem.run(&device);
        same_rows(&regime, &got, &expected);
        assert_bits_equal(&format!("{regime}: grad_weight"), SHAPE[1], &got.grad_weight, &expected.grad_weight);
        assert_bits_equal(&format!("{regime}: grad_bias"), SHAPE[2], &got.grad_bias, &expected.grad_bias);
    }
}

/// Liger's rule by hand: `N / ceil(V / D)` rounded up, as a power of two.
#[test]
fn a_chunk_has_as_many_rows_as_liger_gives_it() {
    for (hidden, classes, expected) in [
        ([8192, 4096], 128_256, 256), // Llama 3: 32 shares
        ([4096, 768], 50_257, 64),    // GPT-2: 66 shares, 62.06 rows
        ([1000, 64], 64, 1000),       // one share; 1,024 are more than there are
        ([1000, 64], 10, 1000),
        ([3, 1], 1000, 1),
    ] {
        assert_eq!(chunk_rows(hidden, classes), expected, "{hidden:?}, {classes}");
    }
}

#[test]
fn a_workspace_holds_one_chunk_of_logits() {
    let options = |chunk_rows, reduction| Options {
        chunk_rows,
        loss: cross_entropy::Options { reduction, ..Default::default() },
        accumulate: false,
    };
    let bytes = |rows, classes, dtype, options| workspace_bytes([rows, 40], classes, dtype, &options);
    // 16 + 4 * 21 = 100, of which the next multiple of 16 is 112; 101 bf16 take 13 vectors of 16 bytes.
    assert_eq!(bytes(21, 101, DType::Bf16, options(Some(8), Reduction::Mean)), 112 + 8 * 13 * 16);
    assert_eq!(bytes(21, 101, DType::Bf16, options(Some(8), Reduction::None)), 16 + 8 * 13 * 16);
    assert_eq!(bytes(21, 101, DType::F32, options(Some(500), Reduction::Sum)), 112 + 21 * 26 * 16);
    assert_eq!(bytes(21, 101, DType::F32, options(None, Reduction::Sum)), 112 + 8 * 26 * 16);
    assert_eq!(bytes(usize::MAX, usize::MAX, DType::F32, options(None, Reduction::Mean)), usize::MAX);
    // What the documentation says of Llama 3.
    let llama = workspace_bytes([8192, 4096], 128_256, DType::Bf16, &Options::default());
    assert_eq!(llama, 16 + 4 * 8192 + 256 * 128_256 * 2);
}

/// Everything that the products write lies in the caller's tensors or in the workspace, and logits in the latter only.
#[test]
fn no_more_logits_than_a_chunk_are_ever_held() {
    let [rows, depth, classes] = SHAPE;
    for (chunk, last) in [(8, 5), (7, 7), (1, 1), (21, 21)] {
        let problem = Problem::<bf16>::new(SHAPE, chunk).with_all();
        let written = problem.run(&device());
        let chunks = rows.div_ceil(chunk);
        assert_eq!(written.products.len(), 5 * chunks);
        let first = logits_of(&written.products);
        for (i, products) in written.products.chunks_exact(5).enumerate() {
            let here = if i + 1 == chunks { last } else { chunk };
            let logits = &products[..2];
            assert!(logits.iter().all(|product| product.output.address == first.address), "one place for all chunks");
            assert!(logits.iter().all(|product| *product.output.shape == [here, classes]));
            assert_eq!(products[1].extents(), [here, classes, depth]);
            assert_eq!(products[2].extents(), [here, depth, classes]);
            assert_eq!(products[3].extents(), [classes, depth, here]);
            assert_eq!(products[4].extents(), [1, classes, here]);
            assert_eq!(
                products.iter().map(|product| product.accumulate).collect::<Vec<_>>(),
                [false, true, false, i > 0, i > 0]
            );
        }
        // The workspace, less sums of 112 bytes, is that chunk and nothing else.
        let (start, bytes) = written.workspace;
        assert_eq!((first.address - start, bytes - 112), (112, chunk * first.strides[0] as usize * 2));
    }
}

#[test]
fn without_gradients_there_is_one_product_a_chunk() {
    let problem = Problem { wants_gradients: false, ..Problem::<bf16>::new(SHAPE, 8) };
    assert_eq!(problem.run(&device()).products.len(), 3);
}

#[test]
fn an_error_of_a_product_ends_the_call() -> warpsmith::Result<()> {
    let device = device();
    let (hidden, weight, targets) =
        (device.upload(&[1.0_f32; 8])?, device.upload(&[1.0_f32; 6])?, device.upload(&[0_i32; 4])?);
    let options = Options { chunk_rows: Some(1), ..Options::default() };
    let bytes = workspace_bytes([4, 2], 3, DType::F32, &options);
    let (mut loss, mut grad_weight, mut workspace) =
        (device.upload(&[7.0_f32])?, device.alloc::<f32>(6)?, device.alloc::<u8>(bytes)?);
    let tensors = Forward {
        hidden: hidden.view([4, 2])?,
        weight: weight.view([3, 2])?,
        bias: None,
        targets: targets.view([4])?,
        class_weight: None,
        grad_loss: None,
        grad_hidden: None,
        grad_weight: Some(grad_weight.view_mut([3, 2])?),
        loss: Some(loss.view_mut([1])?),
        lse: None,
        totals: None,
        workspace: workspace.view_mut([bytes])?,
    };
    let (mut calls, failure) = (0, Error::Driver { op: "cublasLtMatmul", code: 14 });
    let result = linear_cross_entropy::forward(&device, tensors, &options, |product| {
        calls += 1;
        if calls == 4 { Err(failure.clone()) } else { product.on_emulator(&device) }
    });
    assert_eq!((result, calls), (Err(failure), 4));
    assert_eq!(device.download(&loss)?, [7.0], "the loss of a pass that was not finished");
    Ok(())
}
