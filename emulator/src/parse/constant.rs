//! Constants and constant expressions.

use super::lex::Cursor;
use crate::error::LoadError;

/// A literal, or the value of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Constant {
    /// An integer; unsigned 64-bit values keep their bits.
    Integer(i64),
    /// Bits of an f32.
    Float32(u32),
    /// Bits of an f64.
    Float64(u64),
}

/// Brackets and conditional operators inside one another that an expression may have.
const DEPTH_LIMIT: u32 = 64;

/// Binary operators by precedence, loosest first; a longer one stands before its own prefix.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

/// One number: decimal, `0x`, `0b` or octal integer with an optional `U`, `0f`, `0d`, or a decimal with a point or exponent.
pub(super) fn literal(cursor: &mut Cursor<'_>) -> Result<Constant, LoadError> {
    let text = cursor.number()?;
    let bad = |what: &str| cursor.error(format!("'{text}' {what}"));
    let bytes = text.as_bytes();
    if let (Some(b'0'), Some(kind @ (b'f' | b'F' | b'd' | b'D'))) = (bytes.first(), bytes.get(1)) {
        let digits = &text[2..];
        let width = if kind.eq_ignore_ascii_case(&b'f') { 8 } else { 16 };
        if digits.len() != width {
            return Err(bad("has the wrong number of hexadecimal digits"));
        }
        let bits = u64::from_str_radix(digits, 16).map_err(|_| bad("is not a number"))?;
        return Ok(if width == 8 { Constant::Float32(bits as u32) } else { Constant::Float64(bits) });
    }
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    if text.contains('.') || (!hexadecimal && text.contains(['e', 'E'])) {
        return text.parse::<f64>().map(|value| Constant::Float64(value.to_bits())).map_err(|_| bad("is not a number"));
    }
    let digits = text.strip_suffix(['U', 'u']).unwrap_or(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    u64::from_str_radix(digits, radix)
        .map(|value| Constant::Integer(value as i64))
        .map_err(|_| bad("is not a number, or does not fit in 64 bits"))
}

/// A constant expression. Floating constants stand alone or behind a sign; operators work on 64-bit integers.
pub(super) fn expression(cursor: &mut Cursor<'_>) -> Result<Constant, LoadError> {
    conditional(cursor, 0)
}

/// A constant expression that is an integer.
pub(super) fn integer(cursor: &mut Cursor<'_>) -> Result<i64, LoadError> {
    let value = expression(cursor)?;
    as_integer(cursor, value)
}

/// `+4`, `-4`, `+-4`, `+4+8`, `+ 2*4` behind a base: the sum of what follows, 0 if nothing does.
pub(super) fn offset(cursor: &mut Cursor<'_>) -> Result<i64, LoadError> {
    match cursor.peek() {
        // The sum starts with a zero of its own, so that `-8` and `+-8` are its first terms.
        Some(b'+' | b'-') => {
            let value = binary_from(cursor, Constant::Integer(0), LEVELS.len() - 2, 0)?;
            as_integer(cursor, value)
        }
        _ => Ok(0),
    }
}

fn as_integer(cursor: &Cursor<'_>, value: Constant) -> Result<i64, LoadError> {
    match value {
        Constant::Integer(value) => Ok(value),
        _ => Err(cursor.error("expected an integer constant, found a floating one")),
    }
}

fn conditional(cursor: &mut Cursor<'_>, depth: u32) -> Result<Constant, LoadError> {
    if depth > DEPTH_LIMIT {
        return Err(cursor.error("the constant expression is nested too deeply"));
    }
    let condition = binary(cursor, 0, depth)?;
    if !cursor.eat(b'?') {
        return Ok(condition);
    }
    let yes = conditional(cursor, depth + 1)?;
    cursor.expect(b':')?;
    let no = conditional(cursor, depth + 1)?;
    Ok(if as_integer(cursor, condition)? != 0 { yes } else { no })
}

fn binary(cursor: &mut Cursor<'_>, level: usize, depth: u32) -> Result<Constant, LoadError> {
    if level == LEVELS.len() {
        return unary(cursor, depth);
    }
    let first = binary(cursor, level + 1, depth)?;
    binary_from(cursor, first, level, depth)
}

/// The operators of one level, from the left, behind an operand that was read.
fn binary_from(cursor: &mut Cursor<'_>, first: Constant, level: usize, depth: u32) -> Result<Constant, LoadError> {
    let mut left = first;
    while let Some(operator) = operator(cursor, level) {
        let right = binary(cursor, level + 1, depth)?;
        let (a, b) = (as_integer(cursor, left)?, as_integer(cursor, right)?);
        let value = apply(operator, a, b).ok_or_else(|| cursor.error(format!("cannot compute {a} {operator} {b}")))?;
        left = Constant::Integer(value);
    }
    Ok(left)
}

/// Takes an operator of this level, but not the first half of a longer one.
fn operator(cursor: &mut Cursor<'_>, level: usize) -> Option<&'static str> {
    let first = cursor.peek()?;
    if !matches!(first, b'|' | b'&' | b'^' | b'=' | b'!' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%') {
        return None;
    }
    let doubled = matches!(first, b'|' | b'&' | b'<' | b'>') && cursor.peek_second() == Some(first);
    LEVELS[level].iter().find(|operator| (!doubled || operator.len() == 2) && cursor.eat_text(operator)).copied()
}

fn apply(operator: &str, a: i64, b: i64) -> Option<i64> {
    Some(match operator {
        "||" => i64::from(a != 0 || b != 0),
        "&&" => i64::from(a != 0 && b != 0),
        "|" => a | b,
        "^" => a ^ b,
        "&" => a & b,
        "==" => i64::from(a == b),
        "!=" => i64::from(a != b),
        "<=" => i64::from(a <= b),
        ">=" => i64::from(a >= b),
        "<" => i64::from(a < b),
        ">" => i64::from(a > b),
        "<<" => a.checked_shl(u32::try_from(b).ok()?)?,
        ">>" => a.checked_shr(u32::try_from(b).ok()?)?,
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        "/" => a.checked_div(b)?,
        _ => a.checked_rem(b)?,
    })
}

fn unary(cursor: &mut Cursor<'_>, depth: u32) -> Result<Constant, LoadError> {
    if depth > DEPTH_LIMIT {
        return Err(cursor.error("the constant expression is nested too deeply"));
    }
    match cursor.peek() {
        Some(b'-') => {
            cursor.eat(b'-');
            Ok(match unary(cursor, depth + 1)? {
                Constant::Integer(value) => Constant::Integer(value.wrapping_neg()),
                Constant::Float32(bits) => Constant::Float32(bits ^ 1 << 31),
                Constant::Float64(bits) => Constant::Float64(bits ^ 1 << 63),
            })
        }
        Some(b'+') => {
            cursor.eat(b'+');
            unary(cursor, depth + 1)
        }
        Some(operator @ (b'~' | b'!')) => {
            cursor.eat(operator);
            let operand = unary(cursor, depth + 1)?;
            let value = as_integer(cursor, operand)?;
            Ok(Constant::Integer(if operator == b'~' { !value } else { i64::from(value == 0) }))
        }
        Some(b'(') => {
            cursor.eat(b'(');
            // A cast: all arithmetic here is on 64 bits already.
            if cursor.eat_directive("s64") || cursor.eat_directive("u64") {
                cursor.expect(b')')?;
                return unary(cursor, depth + 1);
            }
            let value = conditional(cursor, depth + 1)?;
            cursor.expect(b')')?;
            Ok(value)
        }
        _ if cursor.at_number() => literal(cursor),
        _ if cursor.at_name() => match cursor.name("a constant")? {
            "WARP_SZ" => Ok(Constant::Integer(32)),
            name => Err(cursor.error(format!("'{name}' is not a constant"))),
        },
        _ => Err(cursor.unexpected("a constant")),
    }
}
