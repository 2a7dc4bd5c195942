//! From the syntax tree to [`Program`]s: one function a family of instructions, one closure a lane operation.
//!
//! Decoding goes by the type of the instruction, never by the declared type of a register: compilers write narrow results to
//! wide registers.

mod atomic;
mod bits;
mod bulk;
mod call;
mod cluster;
mod compare;
mod control;
mod convert;
mod copy;
mod decoder;
mod float;
mod flow;
mod half;
mod integer;
mod link;
mod mbarrier;
mod memory;
mod moves;
mod pool;
mod special;
mod tensor;
mod types;
mod warp;
mod wgmma;
mod wmma;
mod work;

use crate::ast::Instruction;
use decoder::Decoder;
use types::Modifiers;

pub(crate) use call::code_address;
pub(crate) use link::{Linker, variables};
pub(crate) use memory::Address;

/// Decodes one instruction. The error names what is unknown.
fn instruction(decoder: &mut Decoder<'_>, instruction: &Instruction) -> Result<(), String> {
    let mut modifiers = Modifiers::new(&instruction.modifiers);
    let m = &mut modifiers;
    match instruction.opcode.as_str() {
        "mov" => moves::mov(decoder, instruction, m),
        "cvta" => moves::cvta(decoder, instruction, m),
        "isspacep" => moves::isspacep(decoder, instruction, m),
        "ld" | "ldu" => memory::load(decoder, instruction, m),
        "st" if m.has("async") => bulk::store_async(decoder, instruction, m),
        "st" => memory::store(decoder, instruction, m),
        "prefetch" if m.has("tensormap") => bulk::prefetch_map(decoder, instruction, m),
        "mbarrier" => mbarrier::mbarrier(decoder, instruction, m),
        "mapa" => cluster::mapa(decoder, instruction, m),
        "getctarank" => cluster::getctarank(decoder, instruction, m),
        "griddepcontrol" => cluster::griddepcontrol(decoder, instruction, m),
        "createpolicy" => cluster::createpolicy(decoder, instruction, m),
        "prefetch" | "prefetchu" | "discard" | "applypriority" => memory::hint(decoder, instruction, m),
        "atom" | "red" => atomic::atomic(decoder, instruction, m),
        "cp" => copy::copy(decoder, instruction, m),
        "cvt" => convert::cvt(decoder, instruction, m),
        "mma" => tensor::mma(decoder, instruction, m),
        "ldmatrix" => tensor::ldmatrix(decoder, instruction, m),
        "stmatrix" => tensor::stmatrix(decoder, instruction, m),
        "movmatrix" => tensor::movmatrix(decoder, instruction, m),
        "wmma" => wmma::wmma(decoder, instruction, m),
        "wgmma" => wgmma::wgmma(decoder, instruction, m),
        "setmaxnreg" => wgmma::set_registers(decoder, instruction, m),
        "ex2" | "lg2" | "rcp" | "rsqrt" | "sqrt" | "sin" | "cos" | "tanh" => special::special(decoder, instruction, m),
        "div" if m.has("approx") || m.has("full") => special::special(decoder, instruction, m),
        "copysign" | "testp" => float::sign(decoder, instruction, m),
        "add" | "sub" | "mul" | "fma" | "div" | "min" | "max" | "abs" | "neg" | "mad" if float::is_float(m) => {
            float::arithmetic(decoder, instruction, m)
        }
        "add" | "sub" | "mul" | "mad" | "addc" | "subc" | "madc" | "mul24" | "mad24" | "sad" | "div" | "rem"
        | "abs" | "neg" | "min" | "max" | "and" | "or" | "xor" | "not" | "cnot" | "shl" | "shr" | "shf" | "bfe"
        | "bfi" | "bfind" | "brev" | "popc" | "clz" | "prmt" | "lop3" | "dp4a" | "dp2a" | "szext" | "bmsk" | "fns" => {
            integer::integer(decoder, instruction, m)
        }
        "vadd2" | "vadd4" | "vsub2" | "vsub4" | "vavrg2" | "vavrg4" | "vabsdiff2" | "vabsdiff4" | "vmin2" | "vmin4"
        | "vmax2" | "vmax4" => bits::video(decoder, instruction, m),
        "setp" | "set" | "selp" | "slct" => compare::compare(decoder, instruction, m),
        "bra" | "brx" | "ret" | "exit" | "trap" | "brkpt" | "bar" | "barrier" | "membar" | "fence" | "nanosleep"
        | "pmevent" => control::control(decoder, instruction, m),
        "shfl" | "vote" | "match" | "redux" | "activemask" | "elect" => warp::warp(decoder, instruction, m),
        other => Err(format!("unknown instruction `{other}`")),
    }
    .and_then(|()| modifiers.finish())
}
