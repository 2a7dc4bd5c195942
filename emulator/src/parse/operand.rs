//! Operands of an instruction.

use super::constant::{self, Constant};
use super::function::Body;
use super::lex::Cursor;
use crate::ast::Operand;
use crate::error::LoadError;

/// Braces and brackets inside one another that an operand may have.
const DEPTH_LIMIT: u32 = 8;

/// Special registers that are vectors with components `.x`, `.y`, `.z` (PTX ISA, "Special Registers").
const SPECIAL_VECTORS: [&str; 8] =
    ["tid", "ntid", "ctaid", "nctaid", "clusterid", "nclusterid", "cluster_ctaid", "cluster_nctaid"];

/// Special registers without components; those that are numbered (`%pm0`, `%envreg0`) by their prefix.
const SPECIAL_SCALARS: [&str; 27] = [
    "laneid",
    "warpid",
    "nwarpid",
    "smid",
    "nsmid",
    "gridid",
    "is_explicit_cluster",
    "cluster_ctarank",
    "cluster_nctarank",
    "lanemask_eq",
    "lanemask_le",
    "lanemask_lt",
    "lanemask_ge",
    "lanemask_gt",
    "clock",
    "clock_hi",
    "clock64",
    "globaltimer",
    "globaltimer_lo",
    "globaltimer_hi",
    "total_smem_size",
    "aggr_smem_size",
    "dynamic_smem_size",
    "reserved_smem_offset_begin",
    "reserved_smem_offset_end",
    "reserved_smem_offset_cap",
    "current_graph_exec",
];

fn is_special_scalar(name: &str) -> bool {
    let numbered = |prefix: &str, rest: &str| {
        rest.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    };
    SPECIAL_SCALARS.contains(&name)
        || numbered("envreg", name)
        || numbered("pm", name.trim_end_matches("_64"))
        || numbered("reserved_smem_offset_", name)
}

/// One operand. `list` says that parentheses hold a list, as those of `call` do; elsewhere they group a constant.
pub(super) fn operand<'a>(cursor: &mut Cursor<'a>, body: &Body<'_, 'a>, list: bool) -> Result<Operand, LoadError> {
    nested(cursor, body, list, 0)
}

fn nested<'a>(cursor: &mut Cursor<'a>, body: &Body<'_, 'a>, list: bool, depth: u32) -> Result<Operand, LoadError> {
    if depth > DEPTH_LIMIT {
        return Err(cursor.error("an operand is nested too deeply"));
    }
    match cursor.peek() {
        Some(b'[') => address(cursor, body, depth),
        Some(b'{') => Ok(Operand::Vector(sequence(cursor, body, (b'{', b'}'), depth)?)),
        Some(b'(') if list => Ok(Operand::List(sequence(cursor, body, (b'(', b')'), depth)?)),
        Some(b'!') if !cursor.peek_second().is_some_and(|byte| byte.is_ascii_digit() || byte == b'(') => {
            cursor.eat(b'!');
            match named(cursor, body)? {
                Operand::Register(id) => Ok(Operand::NotRegister(id)),
                _ => Err(cursor.error("only a predicate register can follow '!'")),
            }
        }
        _ if cursor.at_name() => {
            let first = named(cursor, body)?;
            if matches!(first, Operand::Register(_) | Operand::Sink) && cursor.eat(b'|') {
                return Ok(Operand::Pair(Box::new(first), Box::new(named(cursor, body)?)));
            }
            let symbol_with_offset = matches!(first, Operand::Symbol(_)) && matches!(cursor.peek(), Some(b'+' | b'-'));
            if symbol_with_offset {
                let offset = constant::offset(cursor)?;
                return Ok(Operand::Address { base: Box::new(first), offset });
            }
            Ok(first)
        }
        _ => Ok(match constant::expression(cursor)? {
            Constant::Integer(value) => Operand::Integer(value),
            Constant::Float32(bits) => Operand::Float32(bits),
            Constant::Float64(bits) => Operand::Float64(bits),
        }),
    }
}

/// A register, a special register, a symbol, a label that is not known yet (which stays a symbol), `_` or `WARP_SZ`.
fn named<'a>(cursor: &mut Cursor<'a>, body: &Body<'_, 'a>) -> Result<Operand, LoadError> {
    let name = cursor.name("an operand")?;
    let component = match cursor.peek() {
        Some(b'.') => cursor.dotted(),
        _ => None,
    };
    match (body.scopes.find(name), component) {
        (Some(found), None) => return Ok(found),
        (Some(Operand::Vector(registers)), Some(component)) => {
            let index = match component {
                "x" | "r" => 0,
                "y" | "g" => 1,
                "z" | "b" => 2,
                "w" | "a" => 3,
                _ => usize::MAX,
            };
            let register = registers.into_iter().nth(index);
            return register.ok_or_else(|| cursor.error(format!("'{name}' has no component '.{component}'")));
        }
        (Some(_), Some(component)) => return Err(cursor.error(format!("'{name}' has no component '.{component}'"))),
        (None, _) => {}
    }
    if let Some(special) = name.strip_prefix('%') {
        return match component {
            Some(c @ ("x" | "y" | "z" | "w")) if SPECIAL_VECTORS.contains(&special) => {
                Ok(Operand::Special(format!("{special}.{c}")))
            }
            None if is_special_scalar(special) => Ok(Operand::Special(special.to_owned())),
            _ => Err(cursor.error(format!("unknown register '{name}'"))),
        };
    }
    match (name, component) {
        (_, Some(component)) => Err(cursor.error(format!("'{name}' has no component '.{component}'"))),
        ("_", None) => Ok(Operand::Sink),
        ("WARP_SZ", None) => Ok(Operand::Integer(32)),
        _ => Ok(Operand::Symbol(name.to_owned())),
    }
}

/// Operands between a pair of brackets.
fn sequence<'a>(
    cursor: &mut Cursor<'a>,
    body: &Body<'_, 'a>,
    (open, close): (u8, u8),
    depth: u32,
) -> Result<Vec<Operand>, LoadError> {
    cursor.expect(open)?;
    let mut operands = Vec::new();
    if cursor.eat(close) {
        return Ok(operands);
    }
    loop {
        let operand = nested(cursor, body, false, depth + 1)?;
        body.check_symbol(&operand, cursor.line())?;
        operands.push(operand);
        if !cursor.eat(b',') {
            cursor.expect(close)?;
            return Ok(operands);
        }
    }
}

/// `[base]`, `[base+offset]`, `[base, {coordinates}]`.
fn address<'a>(cursor: &mut Cursor<'a>, body: &Body<'_, 'a>, depth: u32) -> Result<Operand, LoadError> {
    cursor.expect(b'[')?;
    let (base, offset) = if cursor.at_name() {
        let base = named(cursor, body)?;
        body.check_symbol(&base, cursor.line())?;
        match base {
            Operand::Register(_) | Operand::Symbol(_) | Operand::Integer(_) => {}
            _ => return Err(cursor.error("an address starts with a register, a symbol or a constant")),
        }
        (base, constant::offset(cursor)?)
    } else {
        (Operand::Integer(constant::integer(cursor)?), 0)
    };
    let base = Box::new(base);
    let operand = if cursor.eat(b',') {
        let base = if offset == 0 { base } else { Box::new(Operand::Address { base, offset }) };
        // Most coordinates are a vector; `[a, b]` of the tensor-memory instructions are a scalar.
        let coordinates = match nested(cursor, body, false, depth + 1)? {
            Operand::Vector(coordinates) => coordinates,
            coordinate => vec![coordinate],
        };
        Operand::Tensor { base, coordinates }
    } else {
        Operand::Address { base, offset }
    };
    cursor.expect(b']')?;
    Ok(operand)
}
