//! Calls: arguments and results are `.param` variables, which are copied within the thread's frame.

use super::decoder::{Decoder, Symbol};
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::access::word;
use crate::exec::{Warp, print};
use crate::lanes::{R64, Slot, lanes_of};
use crate::program::Op;

type Result<T = ()> = std::result::Result<T, String>;

/// What a call needs to know of a function.
#[derive(Clone)]
pub(crate) struct Callee {
    /// Its first instruction.
    pub entry: u32,
    /// Frame offsets and sizes of its parameters and its return parameters.
    pub params: Vec<(u64, u64)>,
    pub returns: Vec<(u64, u64)>,
}

/// The address of a function, by its number in the module: below all memory.
pub(crate) fn code_address(function: usize) -> u64 {
    0x10_0000 + 16 * function as u64
}

/// Whom a call names.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    Name(&'a str),
    /// An address in a register.
    Pointer(&'a Operand),
}

/// A `call` taken apart: `(returns), target, (arguments), list or prototype`, of which the target alone has to be there.
pub(crate) struct Call<'a> {
    pub target: Target<'a>,
    pub returns: &'a [Operand],
    pub arguments: &'a [Operand],
    /// The functions that a `.calltargets` names. A `.callprototype` allows every function.
    pub targets: Option<&'a [Operand]>,
}

impl<'a> Call<'a> {
    pub fn new(instruction: &'a Instruction) -> Result<Self> {
        let (returns, rest) = match instruction.operands.as_slice() {
            [Operand::List(returns), rest @ ..] => (returns.as_slice(), rest),
            rest => (&[][..], rest),
        };
        let (target, rest) = match rest {
            [Operand::Symbol(name), rest @ ..] => (Target::Name(name), rest),
            [pointer @ Operand::Register(_), rest @ ..] => (Target::Pointer(pointer), rest),
            _ => return Err("a call of nothing".to_owned()),
        };
        let is_pointer = matches!(target, Target::Pointer(_));
        let (arguments, targets) = match rest {
            [] => (&[][..], None),
            [Operand::List(targets)] if is_pointer => (&[][..], Some(targets.as_slice())),
            [Operand::Symbol(_)] if is_pointer => (&[][..], None),
            [Operand::List(arguments)] => (arguments.as_slice(), None),
            [Operand::List(arguments), Operand::List(targets)] => (arguments.as_slice(), Some(targets.as_slice())),
            [Operand::List(arguments), Operand::Symbol(_)] => (arguments.as_slice(), None),
            _ => return Err("a call of an unknown form".to_owned()),
        };
        Ok(Self { target, returns, arguments, targets })
    }

    /// Whether a function takes and returns as many parameters.
    pub fn fits(&self, params: usize, returns: usize) -> bool {
        (self.arguments.len(), self.returns.len()) == (params, returns)
    }
}

/// A call of one function: copies arguments within the frame, goes, and copies back what comes.
pub(crate) fn direct(decoder: &mut Decoder<'_>, call: &Call<'_>, m: &mut Modifiers<'_>, callee: &Callee) -> Result {
    m.take("uni");
    decoder.class = Class::Control;
    if !call.fits(callee.params.len(), callee.returns.len()) {
        return Err("a call with another number of parameters than the function has".to_owned());
    }
    for (argument, (to, bytes)) in call.arguments.iter().zip(&callee.params) {
        let from = frame_offset(decoder, argument)?;
        copy(decoder, *to, from, *bytes);
    }
    decoder.push(Op::Call(callee.entry));
    for (result, (from, bytes)) in call.returns.iter().zip(&callee.returns) {
        let to = frame_offset(decoder, result)?;
        copy(decoder, to, *from, *bytes);
    }
    Ok(())
}

/// A call of `vprintf(format, arguments)`, which gives a number of arguments.
pub(crate) fn print(decoder: &mut Decoder<'_>, call: &Call<'_>, m: &mut Modifiers<'_>) -> Result {
    m.take("uni");
    decoder.class = Class::Control;
    let ([format, arguments], [result]) = (call.arguments, call.returns) else {
        return Err("a call of `vprintf` with other parameters than two, or another result".to_owned());
    };
    let (format, arguments) = (frame_offset(decoder, format)?, frame_offset(decoder, arguments)?);
    let result = frame_offset(decoder, result)?;
    decoder.simple(move |warp, env, mask| {
        for lane in lanes_of(mask) {
            let [format, arguments] = [format, arguments].map(|at| word::<8>(warp.local.bytes(lane, at, 8)));
            let count = print::print(warp, env, lane, format, arguments);
            warp.local.write(lane, result, 4).copy_from_slice(&count.to_le_bytes());
        }
    });
    Ok(())
}

/// A call of the function whose address is in a register, which may be another one in each lane.
pub(crate) fn indirect(
    decoder: &mut Decoder<'_>,
    call: &Call<'_>,
    m: &mut Modifiers<'_>,
    callees: Vec<(u64, Callee)>,
) -> Result {
    m.take("uni");
    decoder.class = Class::Control;
    let Target::Pointer(pointer) = call.target else { return Err("a call by name".to_owned()) };
    let pointer = decoder.source64(pointer, Type::Bits(64))?;
    let spots = |operands: &[Operand]| {
        operands.iter().map(|operand| frame_offset(decoder, operand)).collect::<Result<Vec<_>>>()
    };
    let (arguments, returns) = (spots(call.arguments)?, spots(call.returns)?);
    let entries = callees.iter().map(|(address, callee)| (*address, callee.entry)).collect();
    let into = callees.clone();
    decoder.simple(move |warp, _, mask| {
        each_callee(warp, pointer, mask, &into, |warp, lane, callee| {
            for (from, (to, bytes)) in arguments.iter().zip(&callee.params) {
                warp.local.copy(lane, *to, *from, *bytes as usize);
            }
        });
    });
    decoder.push(Op::CallIndirect(pointer, entries));
    decoder.simple(move |warp, _, mask| {
        each_callee(warp, pointer, mask, &callees, |warp, lane, callee| {
            for (to, (from, bytes)) in returns.iter().zip(&callee.returns) {
                warp.local.copy(lane, *to, *from, *bytes as usize);
            }
        });
    });
    Ok(())
}

fn each_callee(
    warp: &mut Warp,
    pointer: R64,
    mask: u32,
    callees: &[(u64, Callee)],
    f: impl Fn(&mut Warp, usize, &Callee),
) {
    for lane in lanes_of(mask) {
        let address = pointer.lane(warp, lane);
        if let Some((_, callee)) = callees.iter().find(|(known, _)| *known == address) {
            f(warp, lane, callee);
        }
    }
}

fn frame_offset(decoder: &Decoder<'_>, operand: &Operand) -> Result<u64> {
    match operand {
        Operand::Symbol(name) => match decoder.symbol(name)? {
            Symbol::Local(offset) => Ok(offset),
            _ => Err(format!("`{name}` is no .param variable")),
        },
        _ => Err("an argument that is no .param variable".to_owned()),
    }
}

fn copy(decoder: &mut Decoder<'_>, to: u64, from: u64, bytes: u64) {
    decoder.simple(move |warp, _, mask| {
        for lane in lanes_of(mask) {
            warp.local.copy(lane, to, from, bytes as usize);
        }
    });
}
