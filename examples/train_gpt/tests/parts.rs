//! Parts by themselves.

use clap::{Parser, ValueEnum};
use half::bf16;
use warpsmith::Device;

use super::devices::{Body, on_one_model};
use crate::Options;
use crate::nn::config::{Config, Course};
use crate::nn::data::Rng;
use crate::nn::ops::Rows;
use crate::nn::optimizer::Kind;
use crate::nn::product::{Matrix, Mma, OnCpu, Product, Products};
use crate::nn::text::{Text, bigram_loss};
use crate::nn::{Outcome, console, kernels, plot};

/// Small whole numbers are exact in tf32, and so are the sums of their products in f32, in any order. The matrices are columns of wider
/// ones, and what lies beside the result stays.
fn products_are_exact<D: Device>(device: &D) -> Outcome {
    let mut rng = Rng::new(11);
    let mut whole = |len: usize| -> Vec<f32> { (0..len).map(|_| (rng.next_u64() % 17) as f32 - 8.0).collect() };
    for ([m, n, k], gap) in
        [([64, 64, 32], 0), ([1, 1, 1], 3), ([65, 7, 33], 0), ([3, 130, 100], 5), ([128, 200, 64], 0)]
    {
        for i in 0..8 {
            let [a_transposed, b_transposed, add] = [1, 2, 4].map(|bit| i & bit > 0);
            let matrix = |columns: usize, transposed| Matrix { first: gap, stride: columns + 2 * gap, transposed };
            let (a_columns, b_columns) = (if a_transposed { m } else { k }, if b_transposed { k } else { n });
            let (a, b) = (matrix(a_columns, a_transposed), matrix(b_columns, b_transposed));
            let product = Product { m, n, k, a, b, c: matrix(n, false), scale: if add { -2.0 } else { 1.0 }, add };
            let len = |matrix: Matrix, rows: usize| matrix.first + rows * matrix.stride;
            let a = whole(len(product.a, if a_transposed { k } else { m }));
            let (b, before) = (whole(len(product.b, if b_transposed { n } else { k })), whole(len(product.c, m)));
            let at = |matrix: Matrix, row: usize, column: usize| {
                let [down, along] = matrix.strides();
                matrix.first + row * down + column * along
            };
            let mut expected = before.clone();
            for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
                let sum: f32 = (0..k).map(|l| a[at(product.a, row, l)] * b[at(product.b, l, column)]).sum();
                let place = at(product.c, row, column);
                expected[place] = product.scale * sum + if add { before[place] } else { 0.0 };
            }
            let (a, b) = (device.upload(&a)?, device.upload(&b)?);
            for products in [&Mma as &dyn Products<D>, &OnCpu] {
                let mut c = device.upload(&before)?;
                products.product(device, &product, &a, &b, &mut c)?;
                assert_eq!(device.download(&c)?, expected, "{product:?}");
            }
        }
    }
    Ok(())
}

/// Two groups of rows at a distance, taken from one place to another, and what lies between stays.
fn rows_are_converted_and_copied<D: Device>(device: &D) -> Outcome {
    let shape @ [groups, rows, width] = [2, 7, 132];
    let from = Rows { first: 8, group: 1200, row: 144 };
    let to = Rows { first: 4, group: 1100, row: 140 };
    let values = Rng::new(2).normals::<f32>(3000, 0.0, 3.0);
    let place = |rows: Rows, i: usize| {
        let (group, row, column) = (i / (rows_of(shape) * width), i / width % rows_of(shape), i % width);
        rows.first + group * rows.group + row * rows.row + column
    };
    let moved = |source: &[f32]| {
        let mut target = vec![-1.0; 3000];
        (0..groups * rows * width).for_each(|i| target[place(to, i)] = source[place(from, i)]);
        target
    };
    let halves: Vec<bf16> = values.iter().map(|&x| bf16::from_f32(x)).collect();
    let rounded: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
    let source = device.upload(&values)?;

    let mut target = device.upload(&vec![-1.0_f32; 3000])?;
    kernels::copy(device, shape, (&source, from), (&mut target, to))?;
    assert_eq!(device.download(&target)?, moved(&values));

    let mut target = device.upload(&vec![bf16::NEG_ONE; 3000])?;
    kernels::to_bf16(device, shape, (&source, from), (&mut target, to))?;
    let got: Vec<f32> = device.download(&target)?.into_iter().map(bf16::to_f32).collect();
    assert_eq!(got, moved(&rounded), "to the nearest");

    let (source, mut target) = (device.upload(&halves)?, device.upload(&vec![-1.0_f32; 3000])?);
    kernels::to_f32(device, shape, (&source, from), (&mut target, to))?;
    assert_eq!(device.download(&target)?, moved(&rounded));

    let odd = Rows { first: 1, ..from };
    assert!(kernels::to_f32(device, shape, (&source, odd), (&mut target, to)).is_err(), "a row at 2 bytes");
    let tight = Rows { group: 400, ..to };
    assert!(kernels::to_f32(device, shape, (&source, from), (&mut target, tight)).is_err(), "groups in one another");
    Ok(())
}

fn rows_of([_, rows, _]: [usize; 3]) -> usize {
    rows
}

#[test]
fn own_kernels_compute_what_they_say() {
    struct Kernels;

    impl Body for Kernels {
        fn run<D: Device>(&self, device: &D, name: &str) {
            products_are_exact(device).unwrap_or_else(|error| panic!("{name}: {error}"));
            rows_are_converted_and_copied(device).unwrap_or_else(|error| panic!("{name}: {error}"));
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
    plot::losses(&path, &losses, &[(50, 4.1), (100, 3.2)], ("bigram model", 2.66))?;
    let picture = std::fs::read_to_string(&path)?;
    std::fs::remove_file(&path)?;
    assert!(picture.starts_with("<svg") && picture.contains("bigram") && picture.contains("held-out"));
    // Four series.
    assert!(picture.matches("<polyline").count() >= 4, "{picture}");
    Ok(())
}

#[test]
fn a_resumed_run_takes_no_other_options() {
    let parse = |line: &str| Options::try_parse_from(line.split(' '));
    assert_eq!(parse("train_gpt").map(|options| options.config).ok(), Some(Config::default()));
    assert!(parse("train_gpt --resume --device emulated --out folder").is_ok());
    for (name, value) in Config::default().words().iter() {
        assert!(parse(&format!("train_gpt --{name} {value}")).is_ok(), "{name}");
        assert!(parse(&format!("train_gpt --resume --{name} {value}")).is_err(), "{name}");
    }
    assert!(parse("train_gpt --optimizer sgd").is_err());
    assert!(parse("train_gpt --batch 0").is_err());
}

#[test]
fn a_configuration_is_what_its_words_say() -> Outcome {
    let parse = |line: &str| Options::try_parse_from(line.split(' ')).map(|options| options.config);
    let line = "x --positions learned --norm layer --activation relu-squared --schedule stairs --attention false \
                --learning-rate 0.00123 --max-norm 0.7 --layers 5";
    let config = parse(&line.split_whitespace().collect::<Vec<_>>().join(" "))?;
    assert!(config != Config::default());
    let words: std::collections::HashMap<_, _> = config.words().into_iter().collect();
    assert_eq!(Config::read(&words)?, config);
    for name in words.keys() {
        let mut fewer = words.clone();
        fewer.remove(name);
        assert!(Config::read(&fewer).is_err(), "without {name}");
    }
    Ok(())
}

#[test]
fn each_optimizer_has_a_learning_rate() -> Outcome {
    let rate = |line: &str| Outcome::Ok(Options::try_parse_from(line.split(' '))?.config.learning_rate);
    let usual = rate("x")?;
    for kind in Kind::value_variants() {
        let name = kind.to_possible_value().ok_or("a kind without a name")?;
        let line = format!("x --optimizer {}", name.get_name());
        let (got, expected) = (rate(&line)?, kind.pace() * usual);
        assert!((got / expected - 1.0).abs() < 1e-6, "{kind:?}: {got}, {expected} expected");
        assert_eq!(rate(&format!("{line} --learning-rate 0.25"))?, 0.25, "{kind:?}");
    }
    Ok(())
}

/// Every course rises through the first twentieth, has the highest rate there, and then the share that its name says.
#[test]
fn the_learning_rate_takes_its_course() -> Outcome {
    let courses = [
        (Course::Constant, 1.0, 1.0),
        (Course::Linear, 1.0 - 0.95 / 2.0, 0.05),
        (Course::Cosine, 0.05 + 0.95 / 2.0, 0.05),
        (Course::CosineRestarts, 0.5, 0.0),
        (Course::Polynomial, 0.05 + 0.95 / 4.0, 0.05),
        (Course::InverseSqrt, (5.0_f64 / 52.5).sqrt(), (5.0_f64 / 100.0).sqrt()),
        (Course::WarmupStableDecay, 1.0, 0.05),
        (Course::Stairs, 0.1, 0.01),
    ];
    for (schedule, middle, end) in courses {
        let rates = Config { schedule, steps: 100, learning_rate: 0.5, ..Config::default() }.rates()?;
        let factor = |step: u64| rates.rate(step) / 0.5;
        assert!((factor(0) - 0.2).abs() < 1e-9 && (factor(4) - 1.0).abs() < 1e-9, "{schedule:?}");
        // Half of the way from 5 to 100 lies between two steps.
        let between = (factor(52) + factor(53)) / 2.0;
        assert!((between - middle).abs() < 1e-3, "{schedule:?}: {between} in the middle, {middle} expected");
        assert!((factor(100) - end).abs() < 1e-9, "{schedule:?}: {} at the end", factor(100));
        for steps in 1..8 {
            Config { schedule, steps, ..Config::default() }.rates()?;
        }
    }
    Ok(())
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
