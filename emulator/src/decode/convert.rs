//! `cvt`.

use super::decoder::Decoder;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::lanes::{R32, R64};
use crate::numeric::Rounding::{self, Down, NearestEven, Up, Zero};
use crate::numeric::convert::{self, Clamp, ftz, saturate};
use crate::numeric::half16::{self, F16};

type Result<T = ()> = std::result::Result<T, String>;

/// A source register of either width.
#[derive(Clone, Copy)]
enum Source {
    Narrow(R32),
    Wide(R64),
}

/// The modifiers of a conversion.
#[derive(Clone, Copy)]
struct Mode {
    rounding: Option<Rounding>,
    /// `.rni`, `.rzi`, `.rmi`, `.rpi`.
    integral: Option<Rounding>,
    flush: bool,
    saturate: bool,
    clamp: Clamp,
}

pub(crate) fn cvt(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Conversion;
    if m.take("pack") {
        return pack_integers(decoder, instruction, m);
    }
    let integral = m.take_map(|name| match name {
        "rni" => Some(NearestEven),
        "rzi" => Some(Zero),
        "rmi" => Some(Down),
        "rpi" => Some(Up),
        _ => None,
    });
    let rounding = m.rounding();
    let flush = m.take("ftz");
    let saturate = m.take("sat");
    let clamp = Clamp { relu: m.take("relu"), satfinite: m.take("satfinite") };
    let (to_ty, ty) = (m.ty()?, m.ty()?);
    let mode = Mode { rounding, integral, flush, saturate, clamp };
    let saturates = to_ty.is_integer() || matches!(to_ty, Type::F16 | Type::F32 | Type::F64);
    if saturate && !saturates {
        return Err("`.sat` with this destination type".to_owned());
    }
    match instruction.operands.as_slice() {
        [to, high, low] => pair(decoder, to, (high, low), to_ty, ty, mode),
        [to, from] => one(decoder, to, from, to_ty, ty, mode),
        found => Err(format!("{} operands", found.len())),
    }
}

fn one(decoder: &mut Decoder<'_>, to: &Operand, from: &Operand, to_ty: Type, ty: Type, mode: Mode) -> Result {
    match (to_ty, ty) {
        (Type::E4m3x2 | Type::E5m2x2, _) | (Type::F16x2, _) => return packed(decoder, to, from, to_ty, ty, mode),
        _ if to_ty.is_integer() && ty.is_integer() => return integers(decoder, to, from, to_ty, ty, mode.saturate),
        _ => {}
    }
    let source = match ty.is_wide() {
        true => Source::Wide(decoder.source64(from, ty)?),
        false => Source::Narrow(decoder.source32(from, ty)?),
    };
    match (to_ty.is_integer(), ty.is_integer()) {
        (true, false) => float_to_integer(decoder, to, source, to_ty, ty, mode),
        (false, true) => integer_to_float(decoder, to, source, to_ty, ty, mode),
        _ => floats(decoder, to, source, to_ty, ty, mode),
    }
}

/// `.sat` on an f16.
fn clip16(x: u16, saturate: bool) -> u32 {
    (if saturate { half16::saturate::<F16>(x) } else { x }).into()
}

/// The low `bits` bits of a number, extended.
#[inline(always)]
fn extend32(x: u32, bits: u32, signed: bool) -> u32 {
    let shift = 32 - bits;
    if signed { ((x << shift) as i32 >> shift) as u32 } else { x << shift >> shift }
}

fn integers(decoder: &mut Decoder<'_>, to: &Operand, from: &Operand, to_ty: Type, ty: Type, saturate: bool) -> Result {
    let (bits, signed) = (ty.bits(), ty.is_signed());
    let (to_bits, to_signed) = (to_ty.bits(), to_ty.is_signed());
    // The source as 64 bits, clamped to the range of the destination.
    let clamp = move |x: u64| match (signed, to_signed) {
        (true, true) => convert::clamp_to_signed(x as i64, to_bits) as u64,
        (true, false) => convert::clamp_to_unsigned(x as i64, to_bits),
        (false, true) => convert::clamp_unsigned_to_signed(x, to_bits) as u64,
        (false, false) => convert::clamp_unsigned_to_unsigned(x, to_bits),
    };
    let widen = move |x: u32| {
        let x = extend32(x, bits, signed);
        if signed { x as i32 as u64 } else { u64::from(x) }
    };
    match (ty.is_wide(), to_ty.is_wide()) {
        (false, false) => {
            let (a, d) = (decoder.source32(from, ty)?, decoder.dest32(to, to_ty)?);
            if saturate {
                decoder.rare1(
                    d,
                    a,
                    #[inline(always)]
                    move |x| clamp(widen(x)) as u32,
                );
            } else {
                decoder.map1(
                    d,
                    a,
                    #[inline(always)]
                    move |x| extend32(extend32(x, bits, signed), to_bits, to_signed),
                );
            }
        }
        (false, true) => {
            let (a, d) = (decoder.source32(from, ty)?, decoder.dest64(to)?);
            match (bits, signed, saturate) {
                (32, true, false) => decoder.map1(d, a, |x: u32| x as i32 as u64),
                (32, false, false) => decoder.map1(d, a, |x: u32| u64::from(x)),
                (_, _, false) => decoder.rare1(d, a, widen),
                (_, _, true) => decoder.rare1(
                    d,
                    a,
                    #[inline(always)]
                    move |x| clamp(widen(x)),
                ),
            }
        }
        (true, false) => {
            let (a, d) = (decoder.source64(from, ty)?, decoder.dest32(to, to_ty)?);
            if saturate {
                decoder.rare1(
                    d,
                    a,
                    #[inline(always)]
                    move |x| clamp(x) as u32,
                );
            } else {
                decoder.map1(
                    d,
                    a,
                    #[inline(always)]
                    move |x: u64| extend32(x as u32, to_bits, to_signed),
                );
            }
        }
        (true, true) => {
            let (a, d) = (decoder.source64(from, ty)?, decoder.dest64(to)?);
            decoder.rare1(
                d,
                a,
                #[inline(always)]
                move |x| if saturate { clamp(x) } else { x },
            );
        }
    }
    Ok(())
}

/// A half as its exact `f32`.
#[inline(always)]
fn half_to_f32(x: u32, ty: Type) -> f32 {
    if ty == Type::Bf16 { convert::bf16_to_f32(x as u16) } else { convert::f16_to_f32(x as u16) }
}

/// A narrow floating-point source as `f32`.
#[inline(always)]
fn single(x: u32, ty: Type, flush: bool) -> f32 {
    let x = if ty == Type::F32 { f32::from_bits(x) } else { half_to_f32(x, ty) };
    if flush { ftz(x) } else { x }
}

fn float_to_integer(
    decoder: &mut Decoder<'_>,
    to: &Operand,
    source: Source,
    to_ty: Type,
    ty: Type,
    mode: Mode,
) -> Result {
    let rounding = mode.integral.or(mode.rounding).ok_or("an integer rounding is missing")?;
    let flush = mode.flush;
    let (bits, signed) = (to_ty.bits(), to_ty.is_signed());
    match source {
        Source::Narrow(a) if to_ty.is_wide() => {
            let d = decoder.dest64(to)?;
            match signed {
                true => decoder.rare1(d, a, move |x| convert::f32_to_i64(single(x, ty, flush), rounding) as u64),
                false => decoder.rare1(d, a, move |x| convert::f32_to_u64(single(x, ty, flush), rounding)),
            }
        }
        Source::Narrow(a) => {
            let d = decoder.dest32(to, to_ty)?;
            match (bits, signed, rounding) {
                (32, true, Zero) if ty == Type::F32 && !flush => {
                    decoder.map1(d, a, |x| convert::f32_to_i32(f32::from_bits(x), Zero) as u32);
                }
                (32, true, NearestEven) if ty == Type::F32 && !flush => {
                    decoder.map1(d, a, |x| convert::f32_to_i32(f32::from_bits(x), NearestEven) as u32);
                }
                (32, true, _) => {
                    decoder.rare1(d, a, move |x| convert::f32_to_i32(single(x, ty, flush), rounding) as u32)
                }
                (32, false, _) => decoder.rare1(d, a, move |x| convert::f32_to_u32(single(x, ty, flush), rounding)),
                (_, true, _) => decoder.rare1(d, a, move |x| {
                    convert::clamp_to_signed(convert::f32_to_i32(single(x, ty, flush), rounding).into(), bits) as u32
                }),
                (_, false, _) => decoder.rare1(d, a, move |x| {
                    convert::clamp_to_unsigned(convert::f32_to_i32(single(x, ty, flush), rounding).into(), bits) as u32
                }),
            }
        }
        Source::Wide(a) if to_ty.is_wide() => {
            let d = decoder.dest64(to)?;
            match signed {
                true => decoder.rare1(d, a, move |x| convert::f64_to_i64(f64::from_bits(x), rounding) as u64),
                false => decoder.rare1(d, a, move |x| convert::f64_to_u64(f64::from_bits(x), rounding)),
            }
        }
        Source::Wide(a) => {
            let d = decoder.dest32(to, to_ty)?;
            // The NaN of a narrow destination is its top bit alone.
            let narrow = move |x: f64, y: u64| if x.is_nan() { 1 << (bits - 1) } else { y as u32 };
            match (bits, signed) {
                (32, true) => decoder.rare1(d, a, move |x| convert::f64_to_i32(f64::from_bits(x), rounding) as u32),
                (32, false) => decoder.rare1(d, a, move |x| convert::f64_to_u32(f64::from_bits(x), rounding)),
                (_, true) => decoder.rare1(d, a, move |x| {
                    let x = f64::from_bits(x);
                    narrow(x, convert::clamp_to_signed(convert::f64_to_i32(x, rounding).into(), bits) as u64)
                }),
                (_, false) => decoder.rare1(d, a, move |x| {
                    let x = f64::from_bits(x);
                    narrow(x, convert::clamp_to_unsigned(convert::f64_to_i32(x, rounding).into(), bits))
                }),
            }
        }
    }
    Ok(())
}

fn integer_to_float(
    decoder: &mut Decoder<'_>,
    to: &Operand,
    source: Source,
    to_ty: Type,
    ty: Type,
    mode: Mode,
) -> Result {
    let rounding = mode.rounding.ok_or("a rounding is missing")?;
    let (bits, signed, sat) = (ty.bits(), ty.is_signed(), mode.saturate);
    let clip = move |x: f32| if sat { saturate(x) } else { x };
    if let (Source::Narrow(a), Type::F32, 32, NearestEven, false) = (source, to_ty, bits, rounding, sat) {
        let d = decoder.dest32(to, to_ty)?;
        match signed {
            true => decoder.map1(d, a, |x| convert::i32_to_f32(x as i32, NearestEven).to_bits()),
            false => decoder.map1(d, a, |x| convert::u32_to_f32(x, NearestEven).to_bits()),
        }
        return Ok(());
    }
    // Every other source as 64 bits first.
    let a = match source {
        Source::Wide(a) => a,
        Source::Narrow(a) => {
            let wide = decoder.temporary64();
            decoder.rare1(wide, a, move |x| {
                let x = extend32(x, bits, signed);
                if signed { x as i32 as u64 } else { u64::from(x) }
            });
            wide
        }
    };
    if to_ty == Type::F64 {
        let d = decoder.dest64(to)?;
        let clip = move |x: f64| if sat { convert::saturate_f64(x) } else { x };
        match signed {
            true => decoder.rare1(d, a, move |x| clip(convert::i64_to_f64(x as i64, rounding)).to_bits()),
            false => decoder.rare1(d, a, move |x| clip(convert::u64_to_f64(x, rounding)).to_bits()),
        }
        return Ok(());
    }
    let d = decoder.dest32(to, to_ty)?;
    match (to_ty, signed) {
        (Type::F32, true) => decoder.rare1(d, a, move |x| clip(convert::i64_to_f32(x as i64, rounding)).to_bits()),
        (Type::F32, false) => decoder.rare1(d, a, move |x| clip(convert::u64_to_f32(x, rounding)).to_bits()),
        (Type::F16, true) => decoder.rare1(d, a, move |x| clip16(convert::i64_to_f16(x as i64, rounding), sat)),
        (Type::F16, false) => decoder.rare1(d, a, move |x| clip16(convert::u64_to_f16(x, rounding), sat)),
        (Type::Bf16, true) => decoder.rare1(d, a, move |x| convert::i64_to_bf16(x as i64, rounding).into()),
        (Type::Bf16, false) => decoder.rare1(d, a, move |x| convert::u64_to_bf16(x, rounding).into()),
        _ => return Err("this destination type".to_owned()),
    }
    Ok(())
}

/// Between floating-point types. A rounding to an integer stays in the type.
fn floats(decoder: &mut Decoder<'_>, to: &Operand, source: Source, to_ty: Type, ty: Type, mode: Mode) -> Result {
    let Mode { integral, flush, saturate: sat, clamp, .. } = mode;
    let rounding = mode.rounding.unwrap_or(NearestEven);
    let clip = move |x: f32| if sat { saturate(x) } else { x };
    match (source, to_ty) {
        (Source::Wide(a), Type::F64) => {
            let d = decoder.dest64(to)?;
            decoder.rare1(d, a, move |x| {
                let x = f64::from_bits(x);
                let x = integral.map_or(x, |rounding| convert::round_f64(x, rounding));
                convert::canonical_f64(if sat { convert::saturate_f64(x) } else { x }).to_bits()
            });
        }
        (Source::Narrow(a), Type::F64) => {
            let d = decoder.dest64(to)?;
            decoder.rare1(d, a, move |x| convert::f32_to_f64(clip(single(x, ty, flush))).to_bits());
        }
        (Source::Wide(a), _) => {
            let d = decoder.dest32(to, to_ty)?;
            match to_ty {
                Type::F32 => decoder.rare1(d, a, move |x| {
                    let y = convert::f64_to_f32(f64::from_bits(x), rounding);
                    clip(if flush { ftz(y) } else { y }).to_bits()
                }),
                Type::F16 => {
                    decoder.rare1(d, a, move |x| clip16(convert::f64_to_f16(f64::from_bits(x), rounding), sat));
                }
                Type::Bf16 => decoder.rare1(d, a, move |x| convert::f64_to_bf16(f64::from_bits(x), rounding).into()),
                _ => return Err("this destination type".to_owned()),
            }
        }
        (Source::Narrow(a), _) => {
            let d = decoder.dest32(to, to_ty)?;
            let value = move |x: u32| {
                let x = single(x, ty, flush);
                clip(integral.map_or(x, |rounding| convert::round_f32(x, rounding)))
            };
            let plain = !sat && integral.is_none() && !flush;
            match to_ty {
                Type::F32 if plain && ty == Type::F16 => {
                    decoder.map1(d, a, |x| convert::f16_to_f32(x as u16).to_bits());
                }
                Type::F32 if plain && ty == Type::Bf16 => {
                    decoder.map1(d, a, |x| convert::bf16_to_f32(x as u16).to_bits());
                }
                Type::F32 => decoder.map1(d, a, move |x| {
                    let y = convert::canonical(value(x));
                    (if flush { ftz(y) } else { y }).to_bits()
                }),
                Type::F16 if plain && rounding == NearestEven && clamp == Clamp::NONE => {
                    decoder.map1(d, a, move |x| convert::f32_to_f16(single(x, ty, false), NearestEven).into());
                }
                Type::Bf16 if plain && rounding == NearestEven && clamp == Clamp::NONE => {
                    decoder.map1(d, a, move |x| convert::f32_to_bf16(single(x, ty, false), NearestEven).into());
                }
                Type::F16 => {
                    decoder.rare1(d, a, move |x| convert::f32_to_f16_clamped(value(x), rounding, clamp).into())
                }
                Type::Bf16 => {
                    decoder.rare1(d, a, move |x| convert::f32_to_bf16_clamped(value(x), rounding, clamp).into())
                }
                Type::Tf32 => decoder.rare1(d, a, move |x| convert::f32_to_tf32(value(x), rounding, clamp).to_bits()),
                _ => return Err("this destination type".to_owned()),
            }
        }
    }
    Ok(())
}

/// Two `.f32` values into one packed register: the first operand becomes the high half.
fn pair(
    decoder: &mut Decoder<'_>,
    to: &Operand,
    (high, low): (&Operand, &Operand),
    to_ty: Type,
    ty: Type,
    mode: Mode,
) -> Result {
    if ty != Type::F32 {
        return Err("two operands of this type".to_owned());
    }
    let rounding = mode.rounding.ok_or("a rounding is missing")?;
    let (high, low) = (decoder.source32(high, ty)?, decoder.source32(low, ty)?);
    let d = decoder.dest32(to, to_ty)?;
    let clamp = mode.clamp;
    let plain = clamp == Clamp::NONE && rounding == NearestEven;
    match to_ty {
        Type::F16x2 if plain => {
            decoder.map2(d, high, low, |high, low| join(high, low, |x| convert::f32_to_f16(x, NearestEven)))
        }
        Type::Bf16x2 if plain => {
            decoder.map2(d, high, low, |high, low| join(high, low, |x| convert::f32_to_bf16(x, NearestEven)))
        }
        Type::F16x2 => decoder
            .map2(d, high, low, move |high, low| join(high, low, |x| convert::f32_to_f16_clamped(x, rounding, clamp))),
        Type::Bf16x2 => decoder
            .map2(d, high, low, move |high, low| join(high, low, |x| convert::f32_to_bf16_clamped(x, rounding, clamp))),
        Type::E4m3x2 | Type::E5m2x2 => {
            let narrow = eight_bits(to_ty);
            let relu = clamp.relu;
            decoder.rare2(d, high, low, move |high, low| {
                u32::from(narrow(f32::from_bits(low), relu)) | u32::from(narrow(f32::from_bits(high), relu)) << 8
            });
        }
        _ => return Err("this destination type".to_owned()),
    }
    Ok(())
}

#[inline(always)]
fn join(high: u32, low: u32, f: impl Fn(f32) -> u16) -> u32 {
    u32::from(f(f32::from_bits(low))) | u32::from(f(f32::from_bits(high))) << 16
}

fn eight_bits(ty: Type) -> fn(f32, bool) -> u8 {
    if ty == Type::E4m3x2 { convert::f32_to_e4m3 } else { convert::f32_to_e5m2 }
}

/// Between packed halves and packed 8-bit numbers.
fn packed(decoder: &mut Decoder<'_>, to: &Operand, from: &Operand, to_ty: Type, ty: Type, mode: Mode) -> Result {
    let (d, a) = (decoder.dest32(to, to_ty)?, decoder.source32(from, ty)?);
    let relu = mode.clamp.relu;
    match (to_ty, ty) {
        (Type::E4m3x2 | Type::E5m2x2, Type::F16x2) => {
            let narrow = eight_bits(to_ty);
            decoder.rare1(d, a, move |x: u32| {
                let byte = |x: u32| u32::from(narrow(convert::f16_to_f32(x as u16), relu));
                byte(x) | byte(x >> 16) << 8
            });
        }
        (Type::F16x2, Type::E4m3x2 | Type::E5m2x2) => {
            let widen: fn(u8) -> u16 = if ty == Type::E4m3x2 { convert::e4m3_to_f16 } else { convert::e5m2_to_f16 };
            decoder.rare1(d, a, move |x: u32| {
                let half = |x: u32| {
                    let bits = u32::from(widen(x as u8));
                    if relu && bits & 0x8000 != 0 { 0 } else { bits }
                };
                half(x) | half(x >> 8) << 16
            });
        }
        _ => return Err("these types".to_owned()),
    }
    Ok(())
}

/// `cvt.pack.sat.{u16,s16,u8,s8,...}.s32`: two integers clamped and packed, for 8 bits in front of the low half of a third.
fn pack_integers(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    if !m.take("sat") {
        return Err("`.sat` is missing".to_owned());
    }
    let (to_ty, ty) = (m.ty()?, m.ty()?);
    let (bits, signed) = (to_ty.bits(), to_ty.is_signed());
    let narrow = move |x: u32| {
        let x = i64::from(x as i32);
        let y = if signed { convert::clamp_to_signed(x, bits) as u64 } else { convert::clamp_to_unsigned(x, bits) };
        y as u32 & (u32::MAX >> (32 - bits))
    };
    match instruction.operands.as_slice() {
        [to, a, b] if bits == 16 => {
            let d = decoder.dest32(to, Type::Bits(32))?;
            let (a, b) = (decoder.source32(a, ty)?, decoder.source32(b, ty)?);
            decoder.rare2(d, a, b, move |a, b| narrow(a) << 16 | narrow(b));
        }
        [to, a, b, c] if bits == 8 => {
            m.take("b32");
            let d = decoder.dest32(to, Type::Bits(32))?;
            let abc = (decoder.source32(a, ty)?, decoder.source32(b, ty)?, decoder.source32(c, ty)?);
            decoder.rare3(d, abc, move |a, b, c: u32| c << 16 | narrow(a) << 8 | narrow(b));
        }
        found => return Err(format!("{} operands", found.len())),
    }
    Ok(())
}
