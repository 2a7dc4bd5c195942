//! `vprintf`: what a kernel prints goes to the standard output.

use super::{Env, Warp};
use crate::memory::Space;

/// The longest string that is followed to its end.
const LONGEST: u64 = 1 << 16;

/// Prints for one lane: the addresses of the format and of the arguments. Returns how many arguments were printed, or -1.
pub(crate) fn print(warp: &Warp, env: &mut Env<'_>, lane: usize, format: u64, arguments: u64) -> i32 {
    let Some(template) = string(warp, env, lane, format) else { return -1 };
    let mut at = arguments;
    let mut count = 0;
    let text = formatted(&template, |kind| {
        let size = kind.size();
        at = at.next_multiple_of(size);
        let read = (0..size).try_fold(0, |bits, i| Some(bits | u64::from(byte(warp, env, lane, at + i)?) << (8 * i)));
        at += size;
        count += 1;
        match (kind, read?) {
            (Kind::Text, address) => string(warp, env, lane, address).map(Argument::Text),
            (_, bits) => Some(Argument::Bits(bits)),
        }
    });
    print!("{}", String::from_utf8_lossy(&text));
    count
}

/// A byte at a generic address.
fn byte(warp: &Warp, env: &mut Env<'_>, lane: usize, address: u64) -> Option<u8> {
    let space = Space::of(address);
    let offset = address.wrapping_sub(space.window());
    match space {
        Space::Local if warp.local.holds(offset, 1) => Some(warp.local.bytes(lane, offset, 1)[0]),
        Space::Shared => env.shared.get(offset as usize).copied(),
        Space::Param => env.context.params.get(offset as usize).copied(),
        Space::Global => {
            let region = env.region(address, 1)?;
            // SAFETY: the region holds the byte.
            Some(unsafe { region.place().load::<1>((address - region.base) as usize) } as u8)
        }
        _ => None,
    }
}

fn string(warp: &Warp, env: &mut Env<'_>, lane: usize, address: u64) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for at in address..address.checked_add(LONGEST)? {
        match byte(warp, env, lane, at)? {
            0 => return Some(text),
            other => text.push(other),
        }
    }
    None
}

/// How an argument lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Wide,
    Text,
}

impl Kind {
    fn size(self) -> u64 {
        if self == Self::Word { 4 } else { 8 }
    }
}

enum Argument {
    Bits(u64),
    Text(Vec<u8>),
}

/// One conversion of a format.
#[derive(Default)]
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    wide: bool,
    letter: u8,
}

/// Text for a format of C, whose arguments `next` gives. A conversion that is unknown, or whose argument is missing, stands as it is.
fn formatted(template: &[u8], mut next: impl FnMut(Kind) -> Option<Argument>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.iter().position(|c| *c == b'%') {
        out.extend(&rest[..start]);
        let (conversion, length) = parse(&rest[start..]);
        let kind = match conversion.letter {
            b's' => Some(Kind::Text),
            b'p' | b'f' | b'F' | b'e' | b'E' | b'g' | b'G' => Some(Kind::Wide),
            b'd' | b'i' | b'u' | b'x' | b'X' | b'o' | b'c' if conversion.wide => Some(Kind::Wide),
            b'd' | b'i' | b'u' | b'x' | b'X' | b'o' | b'c' => Some(Kind::Word),
            _ => None,
        };
        match (conversion.letter, kind.and_then(&mut next)) {
            (b'%', _) => out.push(b'%'),
            (_, Some(argument)) => out.extend(converted(&conversion, argument)),
            _ => out.extend(&rest[start..start + length]),
        }
        rest = &rest[start + length..];
    }
    out.extend(rest);
    out
}

/// A conversion and its length.
fn parse(text: &[u8]) -> (Conversion, usize) {
    let mut conversion = Conversion::default();
    let mut at = 1;
    let peek = |at: usize| text.get(at).copied().unwrap_or(0);
    loop {
        match peek(at) {
            b'-' => conversion.left = true,
            b'+' => conversion.plus = true,
            b' ' => conversion.space = true,
            b'0' => conversion.zero = true,
            b'#' => conversion.alternate = true,
            _ => break,
        }
        at += 1;
    }
    let number = |at: &mut usize| {
        let mut value = 0usize;
        while peek(*at).is_ascii_digit() {
            value = (10 * value + usize::from(peek(*at) - b'0')).min(1000);
            *at += 1;
        }
        value
    };
    conversion.width = number(&mut at);
    if peek(at) == b'.' {
        at += 1;
        conversion.precision = Some(number(&mut at));
    }
    while matches!(peek(at), b'l' | b'h' | b'j' | b'z' | b't') {
        conversion.wide |= peek(at) != b'h';
        at += 1;
    }
    conversion.letter = peek(at);
    (conversion, (at + 1).min(text.len()))
}

fn converted(how: &Conversion, argument: Argument) -> Vec<u8> {
    let (prefix, body) = match argument {
        Argument::Text(text) => {
            let length = how.precision.map_or(text.len(), |limit| limit.min(text.len()));
            (String::new(), text[..length].to_vec())
        }
        Argument::Bits(bits) => number(how, bits),
    };
    let missing = how.width.saturating_sub(prefix.len() + body.len());
    let is_number = !matches!(how.letter, b's' | b'c');
    let pad = |with: u8| std::iter::repeat_n(with, missing);
    let mut out = Vec::new();
    if how.left {
        out.extend(prefix.bytes().chain(body));
        out.extend(pad(b' '));
    } else if how.zero && is_number {
        out.extend(prefix.bytes().chain(pad(b'0')).chain(body));
    } else {
        out.extend(pad(b' ').chain(prefix.bytes()).chain(body));
    }
    out
}

/// Sign or base, and digits.
fn number(how: &Conversion, bits: u64) -> (String, Vec<u8>) {
    let sign = |negative: bool| match (negative, how.plus, how.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let digits = |text: String| format!("{text:0>width$}", width = how.precision.unwrap_or(1));
    let unsigned = if how.wide { bits } else { bits & 0xffff_ffff };
    let base = |prefix: &str| if how.alternate && unsigned != 0 { prefix.to_owned() } else { String::new() };
    let (prefix, body) = match how.letter {
        b'c' => return (String::new(), vec![bits as u8]),
        b'd' | b'i' => {
            let value = if how.wide { bits as i64 } else { i64::from(bits as i32) };
            (sign(value < 0).to_owned(), digits(value.unsigned_abs().to_string()))
        }
        b'u' => (String::new(), digits(unsigned.to_string())),
        b'x' => (base("0x"), digits(format!("{unsigned:x}"))),
        b'X' => (base("0X"), digits(format!("{unsigned:X}"))),
        b'o' => (base("0"), digits(format!("{unsigned:o}"))),
        b'p' => ("0x".to_owned(), format!("{bits:x}")),
        letter => {
            let value = f64::from_bits(bits);
            let text = float(letter.to_ascii_lowercase(), value.abs(), how);
            let text = if letter.is_ascii_uppercase() { text.to_uppercase() } else { text };
            (sign(value.is_sign_negative()).to_owned(), text)
        }
    };
    (prefix, body.into_bytes())
}

/// A magnitude as `%f`, `%e` or `%g` writes it.
fn float(letter: u8, value: f64, how: &Conversion) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "nan" } else { "inf" }.to_owned();
    }
    let precision = how.precision.unwrap_or(6);
    let exponential = |precision: usize| {
        let text = format!("{value:.precision$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        (mantissa.to_owned(), exponent)
    };
    let written = |mantissa: &str, exponent: i32| {
        format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
    };
    match letter {
        b'f' => format!("{value:.precision$}"),
        b'e' => {
            let (mantissa, exponent) = exponential(precision);
            written(&mantissa, exponent)
        }
        _ => {
            let precision = precision.max(1);
            let (mantissa, exponent) = exponential(precision - 1);
            let trim = |text: &str| match text.contains('.') && !how.alternate {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text.to_owned(),
            };
            if (-4..precision as i32).contains(&exponent) {
                trim(&format!("{value:.width$}", width = (precision as i32 - 1 - exponent) as usize))
            } else {
                written(&trim(&mantissa), exponent)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As C's `printf` writes the arguments.
    fn check(template: &str, arguments: &[u64], expected: &str) {
        let mut arguments = arguments.iter();
        let next = |kind| match kind {
            Kind::Text => Some(Argument::Text(b"text".to_vec())),
            _ => arguments.next().map(|bits| Argument::Bits(*bits)),
        };
        assert_eq!(String::from_utf8(formatted(template.as_bytes(), next)).unwrap(), expected, "{template}");
    }

    #[test]
    fn integers_and_text() {
        check("plain 100%%\n", &[], "plain 100%\n");
        check(
            "%d %i|%5d|%-5d|%05d|%+d",
            &[-7i32 as u32 as u64, 8, 9, 10, -11i32 as u32 as u64, 12],
            "-7 8|    9|10   |-0011|+12",
        );
        check("%u %x %#X %o %.3d", &[u32::MAX.into(), 255, 255, 8, 5], "4294967295 ff 0XFF 10 005");
        check("%lld %llu %zx", &[u64::MAX, u64::MAX, 1 << 40], "-1 18446744073709551615 10000000000");
        check("%c%c %s|%6s|%-6s|%.2s %p", &[104, 105, 0x1000], "hi text|  text|text  |te 0x1000");
        check("%d %y %", &[], "%d %y %");
    }

    #[test]
    fn floats() {
        let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        check("%f %.2f %8.1f|%-8.1f|", &bits(&[1.5, -2.345678, 3.25, 4.0]), "1.500000 -2.35      3.2|4.0     |");
        check("%e %.1E", &bits(&[12345.678, 0.00025]), "1.234568e+04 2.5E-04");
        check("%g %g %g %g", &bits(&[0.0001, 1e-5, 123456.0, 1234567.0]), "0.0001 1e-05 123456 1.23457e+06");
        check("%f %g", &bits(&[f64::INFINITY, f64::NAN]), "inf nan");
    }
}
