//! The emulator against a file.

use std::collections::BTreeMap;

use crate::emulated::Emulated;
use crate::file::{File, Results};
use crate::form::{Bound, Check, Form, Format};
use crate::input::{digest, input};

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Forms whose results are bit for bit the same.
    pub same: usize,
    /// Forms whose results differ within their bound, with the largest part of the bound that was used.
    pub near: Vec<(String, f64)>,
    /// Forms that differ by more, or cannot be compared, each with the first case that does.
    pub wrong: Vec<String>,
}

/// Runs what the file holds on the emulator's model of the same compute capability, with exact results.
///
/// # Errors
/// There is no such model.
pub fn compare(file: &File, forms: &[Form]) -> Result<Comparison, String> {
    let (major, minor) = file.capability;
    let device = Emulated::new(file.capability).ok_or(format!("the emulator has no model of {major}.{minor}"))?;
    let forms: BTreeMap<String, &Form> = forms.iter().map(|form| (form.name(), form)).collect();
    let mut found = Comparison::default();
    for entry in &file.entries {
        let outcome = match forms.get(&entry.name) {
            None => Err("is not among the forms".to_owned()),
            Some(form) if digest(&input(form)) != entry.inputs => Err("was recorded with other inputs".to_owned()),
            Some(form) => form.run(&device, None).and_then(|own| judge(form, &device, &own, &entry.results)),
        };
        match outcome {
            Ok(0.0) => found.same += 1,
            Ok(used) => found.near.push((entry.name.clone(), used)),
            Err(why) => found.wrong.push(format!("{}: {why}", entry.name)),
        }
    }
    Ok(found)
}

/// The largest part of the bound that any result uses.
fn judge(form: &Form, device: &Emulated, own: &[u8], results: &Results) -> Result<f64, String> {
    let given = match results {
        Results::Raw(given) if given.len() == own.len() => given,
        Results::Digests(digests) => {
            let ours = Results::Raw(own.to_vec()).digests();
            let wrong = ours.iter().zip(digests).position(|(own, given)| own != given);
            return match wrong {
                None if ours.len() == digests.len() => Ok(0.0),
                None => Err("has another number of results".to_owned()),
                Some(chunk) => {
                    let per = 512 / form.result_bytes().min(512);
                    Err(format!("the results of cases {} to {} differ", chunk * per, (chunk + 1) * per - 1))
                }
            };
        }
        Results::Raw(_) => return Err("has another number of results".to_owned()),
    };
    if own == given.as_slice() {
        return Ok(0.0);
    }
    let (format, magnitudes) = match &form.check {
        Check::Exact => return Err(first_difference(form, own, given)),
        Check::Near(format, _) => (*format, None),
        Check::Sum(format, _, masks) => {
            let mut positive = input(form);
            let masks: Vec<u32> = masks.iter().flat_map(|(count, mask)| vec![*mask; *count]).collect();
            // A lane of a warp has 16 words, of which those behind the last mask are nothing.
            let per = masks.len().max(16);
            for (at, word) in positive.chunks_exact_mut(4).enumerate() {
                let mask = masks.get(at % per).copied().unwrap_or(0);
                word.iter_mut().zip(mask.to_le_bytes()).for_each(|(byte, mask)| *byte &= !mask);
            }
            (*format, Some(form.run(device, Some(positive))?))
        }
    };
    let mut most = 0.0f64;
    let per_result = form.result_bytes();
    for at in (0..own.len()).step_by(format.bytes()) {
        let value = |bytes: &[u8]| {
            let bits = bytes[at..at + format.bytes()].iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            (bits, format.value(bits))
        };
        let ((own_bits, own_value), (given_bits, given_value)) = (value(own), value(given));
        if own_bits == given_bits {
            continue;
        }
        let bound = match (&form.check, &magnitudes) {
            (Check::Sum(_, part, _), Some(magnitudes)) => {
                Bound { relative: 0.0, absolute: part * value(magnitudes).1.abs() }
            }
            (Check::Near(_, bound), _) => *bound,
            _ => Bound { relative: 0.0, absolute: 0.0 },
        };
        let used = distance(format, bound, own_value, given_value);
        if used > 1.0 || used.is_nan() {
            let values =
                format!("{given_value:e} ({given_bits:#x}) where the emulator has {own_value:e} ({own_bits:#x})");
            return Err(format!("case {} gave {values}{}", at / per_result, inputs(form, at / per_result)));
        }
        most = most.max(used);
    }
    // What differs in nothing but bits that no value owns would be a difference all the same.
    if most == 0.0 { Err(first_difference(form, own, given)) } else { Ok(most) }
}

/// How much of the bound lies between two values. The bound is that of the given one, its rounding included; the emulator's own is rounded on top.
fn distance(format: Format, bound: Bound, own: f64, given: f64) -> f64 {
    let least = format.least_normal();
    let tiny = |x: f64| x.abs() <= least * (1.0 + 2f64.powi(-6));
    if own.is_nan() || given.is_nan() || own.is_infinite() || given.is_infinite() {
        // Of these the bits have to be the same, and they are not.
        return f64::INFINITY;
    }
    if tiny(own) && tiny(given) {
        // About the least normal number one may flush what the other does not.
        return f64::MIN_POSITIVE;
    }
    let allowed = bound.relative * own.abs() + bound.absolute + format.unit(own) / 2.0;
    (own - given).abs() / allowed
}

fn first_difference(form: &Form, own: &[u8], given: &[u8]) -> String {
    let per = form.result_bytes();
    let at = own.iter().zip(given).position(|(own, given)| own != given).unwrap_or(0) / per;
    let hex = |bytes: &[u8]| {
        bytes[at * per..(at + 1) * per].iter().rev().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    if per <= 32 {
        format!("case {at} gave {} where the emulator has {}{}", hex(given), hex(own), inputs(form, at))
    } else {
        let byte = own.iter().zip(given).position(|(own, given)| own != given).unwrap_or(0) % per;
        format!("case {at} differs from byte {byte} on")
    }
}

/// The words that a case was given.
fn inputs(form: &Form, case: usize) -> String {
    let bytes = input(form);
    let per = bytes.len() / form.cases();
    if per > 64 {
        return String::new();
    }
    let word = |bytes: &[u8]| format!("{:x}", bytes.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte)));
    let width = if per == 24 { 8 } else { 4 };
    let words: Vec<String> = bytes[case * per..(case + 1) * per].chunks_exact(width).map(word).collect();
    format!(", of {}", words.join(" "))
}
