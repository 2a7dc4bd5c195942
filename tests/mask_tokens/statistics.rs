//! Shares of what is chosen and of what becomes of it, and that random tokens are even.

use warpsmith::ops::mask_tokens::Options;
use warpsmith::reference::mask_tokens::forward;

const COUNT: usize = 400_000;

/// Within five deviations of a fair count.
fn assert_fair(what: &str, hits: usize, of: usize, share: f64) {
    let deviation = (of as f64 * share * (1.0 - share)).sqrt();
    let off = (hits as f64 - of as f64 * share) / deviation;
    assert!(off.abs() < 5.0, "{what}: {hits} of {of} are off by {off:.1} deviations");
}

/// BERT's shares, of tokens that are neither the mask nor in the vocabulary, so that it shows what became of each; special ones stay.
#[test]
fn eighty_ten_ten() {
    let tokens: Vec<i64> = (0..COUNT as i64).map(|i| if i % 10 == 0 { 101 } else { 1_000_000 + i }).collect();
    let options = Options { special_tokens: &[101], ..Options::new(103, 1000) };
    let result = forward(5, 9, &tokens, None, &options).expect("options");
    let (mut chosen, mut masked, mut random, mut kept) = (0, 0, 0, 0);
    for (i, (&token, (&output, &label))) in tokens.iter().zip(result.output.iter().zip(&result.labels)).enumerate() {
        if label == -100 {
            assert_eq!(output, token, "{i} was not chosen");
            continue;
        }
        assert!(label == token && token != 101, "{i}: label {label} of {token}");
        chosen += 1;
        match output {
            output if output == token => kept += 1,
            103 => masked += 1,
            0..1000 => random += 1,
            other => panic!("{i}: {token} became {other}"),
        }
    }
    assert_fair("chosen", chosen, COUNT / 10 * 9, 0.15);
    // One in a thousand random tokens is the mask itself.
    assert_fair("masked", masked, chosen, 0.8 + 0.1 / 1000.0);
    assert_fair("random", random, chosen, 0.1 * 0.999);
    assert_fair("kept", kept, chosen, 0.1);
}

/// Every token of a small vocabulary comes up as often as any other: the sum over tokens of squared deviations is that of chance.
#[test]
fn random_tokens_are_even() {
    const VOCABULARY: usize = 997;
    let options = Options { probability: 1.0, mask_share: 0.0, random_share: 1.0, ..Options::new(0, VOCABULARY) };
    let drawn = forward(6, 0, &vec![-1; COUNT], None, &options).expect("options").output;
    let mut counts = [0.0; VOCABULARY];
    drawn.iter().for_each(|&token| counts[token as usize] += 1.0);
    let fair = COUNT as f64 / VOCABULARY as f64;
    let chi_squared: f64 = counts.iter().map(|count| (count - fair) * (count - fair) / fair).sum();
    // Mean 996, variance 2 * 996.
    assert!((chi_squared - 996.0).abs() < 5.0 * (2.0 * 996.0_f64).sqrt(), "{chi_squared}");
}

/// A vocabulary of 3 * 2^29 tokens has 8 words for 3 tokens: without redraws every third token would have two words and the others three, a share of 1/4
/// in place of 1/3.
#[test]
fn random_tokens_are_not_biased() {
    let options = Options { probability: 1.0, mask_share: 0.0, random_share: 1.0, ..Options::new(0, 3 << 29) };
    let drawn = forward(7, 0, &vec![-1; COUNT], None, &options).expect("options").output;
    for rest in 0..3 {
        assert_fair("a third", drawn.iter().filter(|&token| token % 3 == rest).count(), COUNT, 1.0 / 3.0);
    }
    let biased =
        (0..COUNT as u64).map(|i| ((i * 10_737 % (1 << 32)) * (3 << 29)) >> 32).filter(|token| token % 3 == 2).count();
    assert!((biased as f64 / COUNT as f64 - 0.25).abs() < 0.01, "the test would not see it: {biased}");
}
