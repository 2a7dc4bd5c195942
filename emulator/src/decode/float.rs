//! Floating-point arithmetic.

use super::decoder::Decoder;
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::Instruction;

type Result<T = ()> = std::result::Result<T, String>;

/// Whether the type of an instruction is a floating-point one.
pub(crate) fn is_float(m: &Modifiers<'_>) -> bool {
    m.has_type(|ty| !ty.is_integer() && ty != Type::Pred)
}

pub(crate) fn arithmetic(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let _ = (decoder, operands::<3>(instruction)?, m.ty()?);
    Err("float".into())
}
