//! Arithmetic of `.f16` and `.bf16`, single and packed.

use super::decoder::Decoder;
use super::float::Mode;
use super::types::Type;
use crate::ast::{Instruction, Operand};
use crate::lanes::R32;
use crate::numeric::Rounding;
use crate::numeric::half16::{self, Bf16, F16, Half, ftz_f16, packed, packed3};

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn arithmetic(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    opcode: &str,
    ty: Type,
    mode: Mode,
) -> Result {
    if mode.rounding != Rounding::NearestEven {
        return Err("a rounding other than .rn".to_owned());
    }
    let [to, from @ ..] = instruction.operands.as_slice() else { return Err("a destination is missing".to_owned()) };
    let d = decoder.dest32(to, ty)?;
    match ty {
        Type::F16 | Type::F16x2 => operate::<F16>(decoder, opcode, ty, mode, d, from),
        _ => operate::<Bf16>(decoder, opcode, ty, mode, d, from),
    }
}

fn operate<H: Half + 'static>(
    decoder: &mut Decoder<'_>,
    opcode: &str,
    ty: Type,
    mode: Mode,
    d: R32,
    from: &[Operand],
) -> Result {
    let sources = from.iter().map(|operand| decoder.source32(operand, ty)).collect::<Result<Vec<_>>>()?;
    let minmax = mode.minmax;
    match (opcode, sources.as_slice()) {
        ("fma", &[a, b, c]) => {
            decoder.map3(
                d,
                (a, b, c),
                #[inline(always)]
                move |a, b, c| {
                    packed3(a, b, c, |a, b, c| {
                        finish::<H>(half16::fma::<H>(flush(a, mode), flush(b, mode), flush(c, mode)), mode)
                    })
                },
            );
        }
        ("add", &[a, b]) => binary::<H>(decoder, d, a, b, mode, half16::add::<H>),
        ("sub", &[a, b]) => binary_rare::<H>(decoder, d, a, b, mode, half16::sub::<H>),
        ("mul", &[a, b]) => binary::<H>(decoder, d, a, b, mode, half16::mul::<H>),
        ("min", &[a, b]) => binary_rare::<H>(decoder, d, a, b, mode, move |a, b| half16::min::<H>(a, b, minmax)),
        ("max", &[a, b]) => binary_rare::<H>(decoder, d, a, b, mode, move |a, b| half16::max::<H>(a, b, minmax)),
        ("abs", &[a]) => decoder.rare1(
            d,
            a,
            #[inline(always)]
            move |a| packed(a, 0, |a, _| flush(a & 0x7fff, mode)),
        ),
        ("neg", &[a]) => decoder.rare1(
            d,
            a,
            #[inline(always)]
            move |a| packed(a, 0, |a, _| flush(a ^ 0x8000, mode)),
        ),
        (_, found) => return Err(format!("this type, with {} operands", found.len() + 1)),
    }
    Ok(())
}

fn binary<H: Half + 'static>(
    decoder: &mut Decoder<'_>,
    d: R32,
    a: R32,
    b: R32,
    mode: Mode,
    f: impl Fn(u16, u16) -> u16 + Send + Sync + 'static,
) {
    decoder.map2(
        d,
        a,
        b,
        #[inline(always)]
        move |a, b| packed(a, b, |a, b| finish::<H>(f(flush(a, mode), flush(b, mode)), mode)),
    );
}

fn binary_rare<H: Half + 'static>(
    decoder: &mut Decoder<'_>,
    d: R32,
    a: R32,
    b: R32,
    mode: Mode,
    f: impl Fn(u16, u16) -> u16 + Send + Sync + 'static,
) {
    decoder.rare2(d, a, b, move |a, b| packed(a, b, |a, b| finish::<H>(f(flush(a, mode), flush(b, mode)), mode)));
}

/// `.ftz`, which only `.f16` has.
#[inline(always)]
fn flush(x: u16, mode: Mode) -> u16 {
    if mode.flush { ftz_f16(x) } else { x }
}

#[inline(always)]
fn finish<H: Half>(x: u16, mode: Mode) -> u16 {
    let x = flush(x, mode);
    let x = if mode.saturate { half16::saturate::<H>(x) } else { x };
    if mode.relu { half16::relu(x) } else { x }
}
