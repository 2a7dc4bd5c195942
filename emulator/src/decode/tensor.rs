//! `mma`, `ldmatrix`, `stmatrix`, `movmatrix`.

use super::decoder::Decoder;
use super::memory::address;
use super::moves::{operands, space};
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::{Env, Warp, access, observe};
use crate::isa::Action;
use crate::lanes::{FULL, LANES, R32, R64, Slot};
use crate::memory::{SHARED_WINDOW, Space};
use crate::numeric::mma::{self, IntegerMode};
use crate::numeric::{Perturbation, ldmatrix, mma_f64};
use crate::program::{Members, Op};

type Result<T = ()> = std::result::Result<T, String>;
type Values = [u32; LANES];

/// The registers of a fragment.
fn fragment<const N: usize>(decoder: &mut Decoder<'_>, operand: &Operand, writes: bool) -> Result<[R32; N]> {
    let parts = match operand {
        Operand::Vector(parts) => parts.as_slice(),
        operand => std::slice::from_ref(operand),
    };
    let ty = Type::Bits(32);
    let registers = parts.iter().map(|part| if writes { decoder.dest32(part, ty) } else { decoder.source32(part, ty) });
    let registers = registers.collect::<Result<Vec<_>>>()?;
    registers
        .try_into()
        .map_err(|found: Vec<_>| format!("a fragment of {} registers where {N} are needed", found.len()))
}

/// A product whose fragments have `D`, `A`, `B` registers.
fn product<const D: usize, const A: usize, const B: usize>(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    flops: u32,
    f: impl Fn(&mut [Values; D], [&Values; A], [&Values; B], [&Values; D], Perturbation) + Send + Sync + 'static,
) -> Result {
    let [to, a, b, c] = operands(instruction)?;
    let a: [R32; A] = fragment(decoder, a, false)?;
    let b: [R32; B] = fragment(decoder, b, false)?;
    let c: [R32; D] = fragment(decoder, c, false)?;
    let d: [R32; D] = fragment(decoder, to, true)?;
    decoder.flops = flops;
    let action = decoder.isa.compile(
        #[inline(always)]
        move |warp: &mut Warp, env: &mut Env<'_>, mask: u32| {
            let of = |register: R32| &warp.r32[register.0 as usize].0;
            let mut out = [[0; LANES]; D];
            f(&mut out, a.map(of), b.map(of), c.map(of), env.context.perturbation);
            for (register, values) in d.into_iter().zip(out) {
                register.store(warp, mask, values);
            }
        },
    );
    aligned(decoder, action);
    Ok(())
}

fn aligned(decoder: &mut Decoder<'_>, action: Action) {
    decoder.push(Op::Collective(Members::Whole, action, None));
}

// A function passed by its name would be compiled for the baseline, behind a call: ten times slower.
#[allow(clippy::redundant_closure)]
pub(crate) fn mma(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Tensor;
    if !(m.take("sync") && m.take("aligned")) {
        return Err("`mma` needs .sync.aligned".to_owned());
    }
    let shape = m.take_prefix("m").ok_or("the shape is missing or unknown")?;
    if !(m.take("row") && m.take("col")) {
        return Err("only .row.col is supported".to_owned());
    }
    let satfinite = m.take("satfinite");
    let types = (m.ty()?, m.ty()?, m.ty()?, m.ty()?);
    let flops = |k: u32| 2 * 16 * 8 * k;
    match (shape, types) {
        ("m16n8k16", (Type::F32, Type::Bf16, Type::Bf16, Type::F32)) => product(
            decoder,
            instruction,
            flops(16),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k16_bf16(d, a, b, c, p),
        ),
        ("m16n8k16", (Type::F32, Type::F16, Type::F16, Type::F32)) => product(
            decoder,
            instruction,
            flops(16),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k16_f16(d, a, b, c, p),
        ),
        ("m16n8k16", (Type::F16, Type::F16, Type::F16, Type::F16)) => product(
            decoder,
            instruction,
            flops(16),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k16_f16_f16(d, a, b, c, p),
        ),
        ("m16n8k8", (Type::F32, Type::Bf16, Type::Bf16, Type::F32)) => product(
            decoder,
            instruction,
            flops(8),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k8_bf16(d, a, b, c, p),
        ),
        ("m16n8k8", (Type::F32, Type::F16, Type::F16, Type::F32)) => product(
            decoder,
            instruction,
            flops(8),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k8_f16(d, a, b, c, p),
        ),
        ("m16n8k8", (Type::F16, Type::F16, Type::F16, Type::F16)) => product(
            decoder,
            instruction,
            flops(8),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k8_f16_f16(d, a, b, c, p),
        ),
        ("m16n8k8", (Type::F32, Type::Tf32, Type::Tf32, Type::F32)) => product(
            decoder,
            instruction,
            flops(8),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k8_tf32(d, a, b, c, p),
        ),
        ("m16n8k4", (Type::F32, Type::Tf32, Type::Tf32, Type::F32)) => product(
            decoder,
            instruction,
            flops(4),
            #[inline(always)]
            |d, a, b, c, p| mma::m16n8k4_tf32(d, a, b, c, p),
        ),
        (_, (Type::Signed(32), Type::Signed(8) | Type::Unsigned(8), Type::Signed(8) | Type::Unsigned(8), _)) => {
            let mode = IntegerMode { a_signed: types.1.is_signed(), b_signed: types.2.is_signed(), satfinite };
            match shape {
                "m16n8k32" => product(
                    decoder,
                    instruction,
                    flops(32),
                    #[inline(always)]
                    move |d, a, b, c, _| mma::m16n8k32_i8(d, a, b, c, mode),
                ),
                "m16n8k16" => product(
                    decoder,
                    instruction,
                    flops(16),
                    #[inline(always)]
                    move |d, a, b, c, _| mma::m16n8k16_i8(d, a, b, c, mode),
                ),
                shape => Err(format!("`.{shape}` with these types")),
            }
        }
        ("m16n8k32", (to, a, b, from)) if is_float8(a) && is_float8(b) && to == from => {
            let e4m3 = [a == Type::E4m3, b == Type::E4m3];
            match to {
                Type::F32 => product(
                    decoder,
                    instruction,
                    flops(32),
                    #[inline(always)]
                    move |d, a, b, c, p| mma::m16n8k32_f8(d, a, b, c, e4m3, p),
                ),
                Type::F16 => product(
                    decoder,
                    instruction,
                    flops(32),
                    #[inline(always)]
                    move |d, a, b, c, p| mma::m16n8k32_f8_f16(d, a, b, c, e4m3, p),
                ),
                _ => Err(format!("`.{shape}` with these types")),
            }
        }
        (shape, (Type::F64, Type::F64, Type::F64, Type::F64)) => {
            // Rounding is to nearest whether it is said or not.
            m.take("rn");
            let size = match shape {
                "m8n8k4" => (8, 4),
                "m16n8k4" => (16, 4),
                "m16n8k8" => (16, 8),
                "m16n8k16" => (16, 16),
                _ => return Err(format!("`.{shape}` with these types")),
            };
            product_f64(decoder, operands(instruction)?, size)
        }
        (shape, _) => Err(format!("`.{shape}` with these types")),
    }
}

fn is_float8(ty: Type) -> bool {
    matches!(ty, Type::E4m3 | Type::E5m2)
}

/// `d = a * b + c` on f64, with 8 columns and these rows and depth.
pub(crate) fn product_f64(
    decoder: &mut Decoder<'_>,
    [to, a, b, c]: &[Operand; 4],
    (rows, depth): (usize, usize),
) -> Result {
    let mut fragment = |operand: &Operand, count: usize, writes: bool| -> Result<Vec<R64>> {
        let parts = match operand {
            Operand::Vector(parts) => parts.as_slice(),
            operand => std::slice::from_ref(operand),
        };
        if parts.len() != count {
            return Err(format!("a fragment of {} registers where {count} are needed", parts.len()));
        }
        parts.iter().map(|part| if writes { decoder.dest64(part) } else { decoder.source64(part, Type::F64) }).collect()
    };
    let a = fragment(a, rows / 8 * depth / 4, false)?;
    let b = fragment(b, depth / 4, false)?;
    let c = fragment(c, rows / 4, false)?;
    let d = fragment(to, rows / 4, true)?;
    decoder.flops = (2 * rows * 8 * depth) as u32;
    let action = decoder.isa.compile(
        #[inline(always)]
        move |warp: &mut Warp, _: &mut Env<'_>, mask: u32| {
            let load = |registers: &[R64]| {
                registers.iter().map(|register| register.load(warp).map(f64::from_bits)).collect::<Vec<_>>()
            };
            let out = mma_f64::multiply((rows, depth), &load(&a), &load(&b), &load(&c));
            for (register, values) in d.iter().zip(out) {
                register.store(warp, mask, values.map(f64::to_bits));
            }
        },
    );
    aligned(decoder, action);
    Ok(())
}

/// The row addresses of a matrix instruction as offsets in shared memory.
#[inline(always)]
fn rows(warp: &Warp, address: super::memory::Address, space: Space) -> Values64 {
    let rows = address.lanes(warp);
    match space {
        Space::Generic => rows.map(|row| row.wrapping_sub(SHARED_WINDOW)),
        _ => rows,
    }
}

type Values64 = [u64; LANES];

/// The form that `ldmatrix` and `stmatrix` share.
fn matrices(m: &mut Modifiers<'_>) -> Result<(usize, bool, Space)> {
    if !(m.take("sync") && m.take("aligned") && m.take("m8n8")) {
        return Err("only .sync.aligned.m8n8 is supported".to_owned());
    }
    let count = match m.take_any(&["x1", "x2", "x4"]).ok_or("one of .x1, .x2, .x4 is missing")? {
        "x1" => 1,
        "x2" => 2,
        _ => 4,
    };
    let trans = m.take("trans");
    let space = m.take_map(space).unwrap_or(Space::Generic);
    if !matches!(space, Space::Shared | Space::Generic) {
        return Err("a space other than .shared".to_owned());
    }
    if !m.take("b16") {
        return Err("only .b16 is supported".to_owned());
    }
    Ok((count, trans, space))
}

pub(crate) fn ldmatrix(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::SharedLoad;
    let (count, trans, space) = matrices(m)?;
    match count {
        1 => load_matrices::<1>(decoder, instruction, trans, space),
        2 => load_matrices::<2>(decoder, instruction, trans, space),
        _ => load_matrices::<4>(decoder, instruction, trans, space),
    }
}

fn load_matrices<const N: usize>(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    trans: bool,
    space: Space,
) -> Result {
    let [to, from] = operands(instruction)?;
    let (address, space) = address(decoder, from, space)?;
    let d: [R32; N] = fragment(decoder, to, true)?;
    let action: Action = Box::new(move |warp, env, mask| {
        let rows = rows(warp, address, space);
        let out = read_matrices::<N>(warp, env, &rows, trans);
        for (register, values) in d.into_iter().zip(out) {
            register.store(warp, mask, values);
        }
    });
    aligned(decoder, action);
    Ok(())
}

/// The lanes whose addresses `N` matrices take.
const fn row_lanes(matrices: usize) -> u32 {
    FULL >> (32 - 8 * matrices)
}

#[inline(always)]
fn read_matrices<const N: usize>(warp: &Warp, env: &mut Env<'_>, rows: &Values64, trans: bool) -> [Values; N] {
    let wanted = row_lanes(N);
    let lanes = access::shared_lanes(warp, env, wanted, rows, 16);
    observe::shared_rows_load(warp, env, lanes, rows);
    std::array::from_fn(|matrix| {
        let elements: [[u16; 8]; 8] = std::array::from_fn(|row| {
            let lane = ldmatrix::row_lane(matrix, row);
            if lanes >> lane & 1 == 0 {
                return [u16::MAX; 8];
            }
            let bytes = &env.shared[rows[lane] as usize..][..16];
            std::array::from_fn(|n| u16::from_le_bytes([bytes[2 * n], bytes[2 * n + 1]]))
        });
        ldmatrix::distribute(&elements, trans)
    })
}

pub(crate) fn stmatrix(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::SharedStore;
    let (count, trans, space) = matrices(m)?;
    match count {
        1 => store_matrices::<1>(decoder, instruction, trans, space),
        2 => store_matrices::<2>(decoder, instruction, trans, space),
        _ => store_matrices::<4>(decoder, instruction, trans, space),
    }
}

fn store_matrices<const N: usize>(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    trans: bool,
    space: Space,
) -> Result {
    let [to, from] = operands(instruction)?;
    let (address, space) = address(decoder, to, space)?;
    let sources: [R32; N] = fragment(decoder, from, false)?;
    let action: Action = Box::new(move |warp, env, _| {
        let rows = rows(warp, address, space);
        let lanes = access::shared_lanes(warp, env, row_lanes(N), &rows, 16);
        let elements = sources.map(|register| ldmatrix::collect(&register.load(warp), trans));
        let row = |lane: usize| elements[lane / 8][lane % 8];
        observe::shared_rows_store(warp, env, lanes, &rows);
        for lane in crate::lanes::lanes_of(lanes) {
            for (n, element) in row(lane).into_iter().enumerate() {
                env.shared[rows[lane] as usize + 2 * n..][..2].copy_from_slice(&element.to_le_bytes());
            }
        }
    });
    aligned(decoder, action);
    Ok(())
}

/// `movmatrix.sync.aligned.m8n8.trans.b16`.
pub(crate) fn movmatrix(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Shuffle;
    if !(m.take("sync") && m.take("aligned") && m.take("m8n8") && m.take("trans") && m.take("b16")) {
        return Err("only .sync.aligned.m8n8.trans.b16 is supported".to_owned());
    }
    let [to, from] = operands(instruction)?;
    let (d, a) = (decoder.dest32(to, Type::Bits(32))?, decoder.source32(from, Type::Bits(32))?);
    let action: Action = Box::new(move |warp, _, mask| {
        let out = ldmatrix::transpose(&a.load(warp));
        d.store(warp, mask, out);
    });
    aligned(decoder, action);
    Ok(())
}
