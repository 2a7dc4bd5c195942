//! Parts by themselves.

use clap::Parser;
use half::bf16;
use warpsmith::{Buffer, Device};

use super::devices::{Body, on_one_model};
use crate::Outcome;
use crate::console;
use crate::data::Rng;
use crate::kernels;
use crate::ops::Product;
use crate::options::Options;
use crate::plot;
use crate::product::{Mma, OnCpu, Products};
use crate::text::{Text, bigram_loss};

/// Small whole numbers are exact in tf32, and so are the sums of their products in f32, in any order.
fn products_are_exact<D: Device>(device: &D) -> Outcome {
    let mut rng = Rng::new(11);
    let mut whole = |len: usize| -> Vec<f32> { (0..len).map(|_| (rng.next_u64() % 17) as f32 - 8.0).collect() };
    for [m, n, k] in [[64, 64, 32], [1, 1, 1], [65, 7, 33], [3, 130, 100], [128, 200, 64]] {
        for (a_transposed, b_transposed) in [(false, false), (false, true), (true, false), (true, true)] {
            let product = Product { m, n, k, a_transposed, b_transposed };
            let (a, b) = (whole(m * k), whole(k * n));
            let [[a_row, a_column], [b_row, b_column]] = product.strides();
            let element = |i: usize| {
                let (row, column) = (i / n, i % n);
                (0..k).map(|l| a[row * a_row + l * a_column] * b[l * b_row + column * b_column]).sum::<f32>()
            };
            let expected: Vec<f32> = (0..m * n).map(element).collect();
            let (a, b) = (device.upload(&a)?, device.upload(&b)?);
            for products in [&Mma as &dyn Products<D>, &OnCpu] {
                let mut c = device.upload(&vec![f32::NAN; m * n])?;
                products.product(device, product, &a, &b, &mut c)?;
                assert_eq!(device.download(&c)?, expected, "{product:?}");
            }
        }
    }
    Ok(())
}

fn conversions_round_to_nearest<D: Device>(device: &D) -> Outcome {
    let (rows, width, stride) = (7, 132, 140);
    let values = Rng::new(2).normals::<f32>(rows * width, 0.0, 3.0);
    let halves: Vec<bf16> = values.iter().map(|&x| bf16::from_f32(x)).collect();
    let (source, mut target) = (device.upload(&values)?, device.alloc::<bf16>(rows * width)?);
    kernels::to_bf16(device, source.view([rows, width])?, target.view_mut([rows, width])?)?;
    assert_eq!(device.download(&target)?, halves);

    // Rows at a distance: what lies between stays.
    let mut wide = device.upload(&vec![-1.0_f32; rows * stride])?;
    kernels::to_f32(device, target.view([rows, width])?, wide.strided_mut(4, [rows, width], [stride as i64, 1])?)?;
    for (i, value) in device.download(&wide)?.into_iter().enumerate() {
        let inside = (i % stride).checked_sub(4).filter(|column| *column < width);
        assert_eq!(value, inside.map_or(-1.0, |column| halves[i / stride * width + column].to_f32()), "at {i}");
    }
    let odd = kernels::to_bf16(device, source.strided(1, [1, 4], [4, 1])?, target.strided_mut(0, [1, 4], [4, 1])?);
    assert!(odd.is_err(), "a row at 4 bytes");
    Ok(())
}

#[test]
fn own_kernels_compute_what_they_say() {
    struct Kernels;

    impl Body for Kernels {
        fn run<D: Device>(&self, device: &D, name: &str) {
            products_are_exact(device).unwrap_or_else(|error| panic!("{name}: {error}"));
            conversions_round_to_nearest(device).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    on_one_model(&Kernels);
}

#[test]
fn the_bigram_model_knows_pairs_and_nothing_else() {
    let text = |bytes: Vec<u8>| Text { held_out: bytes[..8000].to_vec(), train: bytes };
    let loss = |text: &Text| bigram_loss(&text.train, &text.held_out_batches(2, 100));
    let pairs = text(b"abc".iter().copied().cycle().take(60_000).collect());
    assert!(loss(&pairs) < 1e-3, "{}", loss(&pairs));
    // Eight bytes, each as likely after any other.
    let mut rng = Rng::new(1);
    let even = text((0..60_000).map(|_| b'a' + (rng.next_u64() % 8) as u8).collect());
    assert!((loss(&even) - 8_f64.ln()).abs() < 5e-3, "{}", loss(&even));
    // `aab` over and over: after `a` come `a` and `b` alike, after `b` comes `a`.
    let triples = text(b"aab".iter().copied().cycle().take(60_000).collect());
    assert!((loss(&triples) - 2.0 / 3.0 * 2_f64.ln()).abs() < 5e-3, "{}", loss(&triples));
}

#[test]
fn a_text_is_split_and_drawn_from_by_seed_and_step() -> Outcome {
    let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i / 8192) as u8).collect();
    let text = Text::split(&bytes)?;
    assert_eq!((text.train.len(), text.held_out.len()), (200_000 - 2 * 8192, 2 * 8192));
    assert!(text.held_out.iter().all(|piece| [9, 19].contains(piece)));
    assert!(Text::split(&bytes[..9 * 8192]).is_err());
    let batch = |seed, step| text.batch(seed, step, 3, 50);
    assert_eq!(batch(1, 2), batch(1, 2));
    assert!(batch(1, 2) != batch(1, 3) && batch(1, 2) != batch(2, 2));
    for batch in text.held_out_batches(3, 50) {
        assert_eq!((batch.inputs.len(), batch.targets.len()), (150, 150));
        assert_eq!(batch.inputs[1..50], batch.targets[..49]);
    }
    assert!(text.check(16_000).is_ok() && text.check(20_000).is_err());
    Ok(())
}

#[test]
fn the_curve_is_drawn_with_the_bigram_line() -> Outcome {
    let path = std::env::temp_dir().join(format!("train_gpt-{}.svg", std::process::id()));
    let losses: Vec<f32> = (0..100).map(|i| 5.0 - 0.02 * i as f32).collect();
    plot::losses(&path, &losses, &[(50, 4.1), (100, 3.2)], 2.66)?;
    let picture = std::fs::read_to_string(&path)?;
    std::fs::remove_file(&path)?;
    assert!(picture.starts_with("<svg") && picture.contains("bigram") && picture.contains("held-out"));
    // Four series.
    assert!(picture.matches("<polyline").count() >= 4, "{picture}");
    Ok(())
}

#[test]
fn a_resumed_run_takes_no_other_size() {
    let parse = |line: &str| Options::try_parse_from(line.split(' '));
    assert_eq!(parse("train_gpt").map(|options| options.config().size.layers).ok(), Some(3));
    assert!(parse("train_gpt --resume --device emulated --out folder").is_ok());
    assert!(parse("train_gpt --resume --layers 2").is_err());
    assert!(parse("train_gpt --states 16").is_err());
    assert!(parse("train_gpt --batch 0").is_err());
}

#[cfg(unix)]
#[test]
fn ctrl_c_asks_for_a_stop() -> Outcome {
    unsafe extern "C" {
        fn raise(signal: std::ffi::c_int) -> std::ffi::c_int;
    }
    const SIGINT: std::ffi::c_int = 2;
    console::stop_at_ctrl_c()?;
    assert!(!console::asked_to_stop());
    // SAFETY: C's `raise`, of a signal that is handled.
    assert_eq!(unsafe { raise(SIGINT) }, 0);
    let start = std::time::Instant::now();
    while !console::asked_to_stop() {
        assert!(start.elapsed().as_secs() < 60, "no stop a minute after the signal");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Ok(())
}
