//! Declarations of variables and parameters, with their initialisers.

use super::constant::{self, Constant};
use super::lex::Cursor;
use crate::ast::{Reference, Variable};
use crate::error::LoadError;

/// Braces inside one another that an initialiser may have: one for each dimension of an array.
const DEPTH_LIMIT: usize = 16;

/// Bytes that one initialiser may write.
const INITIAL_LIMIT: u64 = 1 << 28;

/// Bytes of a fundamental type; 0 for a predicate, which has no place in memory.
pub(super) fn type_size(ty: &str) -> Option<u64> {
    Some(match ty {
        "pred" => 0,
        "b8" | "u8" | "s8" | "e4m3" | "e5m2" => 1,
        "b16" | "u16" | "s16" | "f16" | "bf16" | "e4m3x2" | "e5m2x2" => 2,
        "b32" | "u32" | "s32" | "f32" | "f16x2" | "bf16x2" | "tf32" => 4,
        "b64" | "u64" | "s64" | "f64" | "texref" | "samplerref" | "surfref" => 8,
        "b128" => 16,
        _ => return None,
    })
}

/// Qualifiers between a state space and the names that it declares.
#[derive(Clone, Copy)]
pub(super) struct Qualifiers<'a> {
    pub(super) ty: &'a str,
    /// 1, 2 or 4.
    pub(super) components: u32,
    pub(super) align: Option<u64>,
}

/// `.align 16 .v4 .f32`, `.u64 .ptr .global .align 16`: everything up to the name.
pub(super) fn qualifiers<'a>(cursor: &mut Cursor<'a>) -> Result<Qualifiers<'a>, LoadError> {
    let mut found = Qualifiers { ty: "", components: 1, align: None };
    let mut is_pointee = false;
    while let Some(word) = cursor.dotted() {
        match word {
            "align" => {
                let align: u64 = cursor.small("an alignment")?;
                if !align.is_power_of_two() {
                    return Err(cursor.error(format!("alignment {align} is not a power of two")));
                }
                // Behind `.ptr` it is the alignment of what the pointer points to.
                if !is_pointee {
                    found.align = Some(align);
                }
            }
            "ptr" => is_pointee = true,
            "global" | "shared" | "local" | "const" if is_pointee => {}
            "attribute" => cursor.skip_balanced(b'(', b')')?,
            "v2" => found.components = 2,
            "v4" => found.components = 4,
            ty if type_size(ty).is_some() => found.ty = ty,
            other => return Err(cursor.error(format!("unknown type or qualifier '.{other}'"))),
        }
    }
    if found.ty.is_empty() { Err(cursor.unexpected("a type")) } else { Ok(found) }
}

/// One name behind the qualifiers: `a`, `b[4][8]`, `c[] = {1, 2}`.
pub(super) fn declarator<'a>(
    cursor: &mut Cursor<'a>,
    space: &str,
    qualifiers: Qualifiers<'_>,
) -> Result<(&'a str, Variable), LoadError> {
    let name = cursor.name("the name of a variable")?;
    let too_large = |cursor: &Cursor<'_>| cursor.error(format!("'{name}' is too large"));
    let element = type_size(qualifiers.ty).unwrap_or(0) * u64::from(qualifiers.components);
    if element == 0 {
        return Err(cursor.error(format!("'{name}' cannot have type '.{}' in memory", qualifiers.ty)));
    }
    // Bytes of one item of the first dimension, and the length of that dimension where it is given.
    let (mut stride, mut length) = (element, Some(1));
    let mut dimensions = Vec::new();
    while cursor.eat(b'[') {
        if cursor.eat(b']') {
            dimensions.push(None);
            continue;
        }
        let size = u64::try_from(constant::integer(cursor)?).map_err(|_| cursor.error("an array size is negative"))?;
        dimensions.push(Some(size));
        cursor.expect(b']')?;
    }
    if let Some((first, rest)) = dimensions.split_first() {
        length = *first;
        for size in rest {
            let size = size.ok_or_else(|| cursor.error("only the first array size may be left out"))?;
            stride = stride.checked_mul(size).ok_or_else(|| too_large(cursor))?;
        }
    }
    let mut variable = Variable {
        name: name.to_owned(),
        space: space.to_owned(),
        ty: qualifiers.ty.to_owned(),
        align: qualifiers.align.unwrap_or(element),
        ..Variable::default()
    };
    let mut end = 0;
    if cursor.eat(b'=') {
        let scalar = type_size(qualifiers.ty).unwrap_or(1);
        // Strides of the dimensions within this one, for nested braces; a vector's braces hold its components.
        let mut strides: Vec<u64> = Vec::new();
        let mut inner = scalar;
        if qualifiers.components > 1 {
            strides.push(inner);
            inner = element;
        }
        for size in dimensions.iter().rev() {
            strides.push(inner);
            inner = inner.saturating_mul(size.unwrap_or(1));
        }
        strides.reverse();
        end = initialiser(cursor, scalar, &strides, &mut variable)?;
    }
    let length = length.unwrap_or(end.div_ceil(stride.max(1)));
    variable.size =
        stride.checked_mul(length).filter(|&size| size <= i64::MAX as u64).ok_or_else(|| too_large(cursor))?;
    if end > variable.size {
        return Err(cursor.error(format!("the initialiser of '{name}' is longer than its {} bytes", variable.size)));
    }
    Ok((name, variable))
}

/// Fills in the bytes; gives the end of the last element.
fn initialiser(
    cursor: &mut Cursor<'_>,
    scalar: u64,
    strides: &[u64],
    variable: &mut Variable,
) -> Result<u64, LoadError> {
    // Where each open brace starts.
    let mut open: Vec<u64> = Vec::new();
    let (mut at, mut end) = (0u64, 0u64);
    loop {
        if cursor.eat(b'{') {
            if open.len() == DEPTH_LIMIT || open.len() == strides.len() {
                return Err(cursor.error("braces are nested deeper than the array has dimensions"));
            }
            open.push(at);
            if !cursor.eat(b'}') {
                continue;
            }
        } else {
            element(cursor, scalar, at, variable)?;
            at = at.saturating_add(scalar);
            end = end.max(at);
            if open.is_empty() {
                return Ok(end);
            }
            if cursor.eat(b',') {
                continue;
            }
            cursor.expect(b'}')?;
        }
        // One or more closing braces: the next item of the enclosing ones starts a stride further.
        loop {
            let start = open.pop().unwrap_or(0);
            if open.is_empty() {
                return Ok(end);
            }
            at = start.saturating_add(strides[open.len() - 1]);
            end = end.max(at);
            if cursor.eat(b',') {
                break;
            }
            cursor.expect(b'}')?;
        }
    }
}

/// One element: a number, or the address of a symbol.
fn element(cursor: &mut Cursor<'_>, size: u64, offset: u64, variable: &mut Variable) -> Result<(), LoadError> {
    let end = offset.saturating_add(size);
    if end > INITIAL_LIMIT {
        return Err(cursor.error(format!("an initialiser is longer than {INITIAL_LIMIT} bytes")));
    }
    let bytes = if cursor.at_name() {
        let (generic, symbol) = match cursor.name("a symbol")? {
            "generic" if cursor.eat(b'(') => {
                let symbol = cursor.name("a symbol")?;
                cursor.expect(b')')?;
                (true, symbol)
            }
            symbol => (false, symbol),
        };
        let addend = constant::offset(cursor)?;
        variable.references.push(Reference { offset, size, symbol: symbol.to_owned(), addend, generic });
        [0; 16]
    } else {
        element_bytes(constant::expression(cursor)?, &variable.ty, cursor)?
    };
    if variable.initial.len() < end as usize {
        variable.initial.resize(end as usize, 0);
    }
    variable.initial[offset as usize..end as usize].copy_from_slice(&bytes[..size as usize]);
    Ok(())
}

/// Little-endian bytes of a constant in a type, of which the type's size counts.
fn element_bytes(value: Constant, ty: &str, cursor: &Cursor<'_>) -> Result<[u8; 16], LoadError> {
    let wide: i128 = match (ty, value) {
        ("f32", Constant::Float32(bits)) => bits.into(),
        ("f32", Constant::Float64(bits)) => (f64::from_bits(bits) as f32).to_bits().into(),
        ("f32", Constant::Integer(value)) => (value as f32).to_bits().into(),
        ("f64", Constant::Float32(bits)) => f64::from(f32::from_bits(bits)).to_bits().into(),
        ("f64", Constant::Float64(bits)) => bits.into(),
        ("f64", Constant::Integer(value)) => (value as f64).to_bits().into(),
        (_, Constant::Integer(value)) => value.into(),
        (_, Constant::Float32(bits)) if ty == "b32" => bits.into(),
        (_, Constant::Float64(bits)) if ty == "b64" => bits.into(),
        _ => return Err(cursor.error(format!("a floating constant cannot initialise '.{ty}'"))),
    };
    Ok(wide.to_le_bytes())
}
