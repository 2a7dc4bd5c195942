//! `wmma`: loads, stores and products of whole matrices.

use super::decoder::Decoder;
use super::memory::{Address, address};
use super::moves::{operands, space};
use super::tensor::product_f64;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::access::{self, Element, Elements, Shape as Access};
use crate::exec::{Env, Warp};
use crate::fault::FaultKind;
use crate::isa::Action;
use crate::lanes::{FULL, LANES, R32, R64, Slot};
use crate::memory::Space;
use crate::numeric::mma::IntegerMode;
use crate::numeric::wmma::{self, Kind, Part, Shape};
use crate::program::{Members, Op};

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn wmma(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let what = m.take_any(&["load", "store", "mma"]).ok_or("one of .load, .store, .mma is missing")?;
    let part = m.take_any(&["a", "b", "c", "d"]);
    if !(m.take("sync") && m.take("aligned")) {
        return Err(format!("`wmma.{what}` needs .sync.aligned"));
    }
    let part = match (what, part) {
        ("mma", None) => return multiply(decoder, instruction, m),
        ("load", Some("a")) => Part::A,
        ("load", Some("b")) => Part::B,
        ("load", Some("c")) | ("store", Some("d")) => Part::Accumulators,
        _ => return Err("this matrix".to_owned()),
    };
    let by_rows = m.take_any(&["row", "col"]).ok_or("one of .row, .col is missing")? == "row";
    let shape = shape(m)?;
    let space = m.take_map(space).unwrap_or(Space::Generic);
    if !matches!(space, Space::Global | Space::Shared | Space::Generic) {
        return Err("a space other than .global and .shared".to_owned());
    }
    let ty = m.ty()?;
    let form = Form::new(shape, part, ty)?;
    let [first, second, rest @ ..] = instruction.operands.as_slice() else {
        return Err(format!("{} operands", instruction.operands.len()));
    };
    let (at, fragment) = if what == "load" { (second, first) } else { (first, second) };
    let (address, space) = address(decoder, at, space)?;
    let stride = match rest {
        [] => None,
        [stride] => Some(decoder.source32(stride, Type::Unsigned(32))?),
        _ => return Err(format!("{} operands", instruction.operands.len())),
    };
    let memory = Memory { form, by_rows, space, address, stride };
    decoder.class = match (what, space) {
        ("load", Space::Shared) => Class::SharedLoad,
        ("load", _) => Class::GlobalLoad,
        (_, Space::Shared) => Class::SharedStore,
        _ => Class::GlobalStore,
    };
    let loads = what == "load";
    let action = if ty == Type::F64 {
        let parts = parts(fragment, form.registers)?.iter();
        let registers = parts.map(|part| if loads { decoder.dest64(part) } else { decoder.source64(part, ty) });
        memory.action(registers.collect::<Result<Vec<R64>>>()?, loads)
    } else {
        memory.action(registers(decoder, fragment, form.registers, loads)?, loads)
    };
    decoder.push(Op::Collective(Members::Whole, action, None));
    Ok(())
}

fn shape(m: &mut Modifiers<'_>) -> Result<Shape> {
    let shape = |m, n, k| Shape { m, n, k };
    match m
        .take_any(&["m16n16k16", "m8n32k16", "m32n8k16", "m16n16k8", "m8n8k4"])
        .ok_or("the shape is missing or unknown")?
    {
        "m16n16k16" => Ok(shape(16, 16, 16)),
        "m8n32k16" => Ok(shape(8, 32, 16)),
        "m32n8k16" => Ok(shape(32, 8, 16)),
        "m16n16k8" => Ok(shape(16, 16, 8)),
        _ => Ok(shape(8, 8, 4)),
    }
}

/// The registers of a fragment.
fn parts(operand: &Operand, count: usize) -> Result<&[Operand]> {
    match operand {
        Operand::Vector(parts) if parts.len() == count => Ok(parts),
        _ => Err(format!("a fragment of {count} registers is needed")),
    }
}

fn registers(decoder: &mut Decoder<'_>, operand: &Operand, count: usize, writes: bool) -> Result<Vec<R32>> {
    let ty = Type::Bits(32);
    parts(operand, count)?
        .iter()
        .map(|part| if writes { decoder.dest32(part, ty) } else { decoder.source32(part, ty) })
        .collect()
}

/// A fragment: of which matrix, and of what type.
#[derive(Clone, Copy)]
struct Form {
    shape: Shape,
    part: Part,
    bits: usize,
    /// Registers of the fragment. Those of f16 operands are always eight, which repeat what the first ones hold.
    registers: usize,
}

impl Form {
    fn new(shape: Shape, part: Part, ty: Type) -> Result<Self> {
        let is_deep = shape.k == 16;
        let fits = match (part, ty) {
            (_, Type::F64) => shape.k == 4,
            (Part::Accumulators, Type::F32) => shape.k != 4,
            (Part::Accumulators, Type::F16 | Type::Signed(32)) => is_deep,
            (Part::A | Part::B, Type::F16 | Type::Bf16 | Type::Signed(8) | Type::Unsigned(8)) => is_deep,
            (Part::A | Part::B, Type::Tf32) => shape.k == 8,
            _ => false,
        };
        if !fits {
            return Err("this type".to_owned());
        }
        let bits = ty.bits() as usize;
        let form = Self { shape, part, bits, registers: shape.elements(part) / 32 * bits / bits.max(32) };
        let repeats = part != Part::Accumulators && ty == Type::F16;
        Ok(if repeats { Self { registers: 8, ..form } } else { form })
    }

    fn pack(&self) -> usize {
        (32 / self.bits).max(1)
    }

    /// Registers that hold different elements.
    fn distinct(&self) -> usize {
        self.shape.elements(self.part) / 32 / self.pack()
    }
}

/// A matrix in memory.
struct Memory {
    form: Form,
    by_rows: bool,
    space: Space,
    address: Address,
    /// Elements from row to row, or from column to column.
    stride: Option<R32>,
}

impl Memory {
    /// Addresses of the elements of a register, and how many of them lie side by side from the first one on.
    fn addresses(&self, warp: &Warp, env: &mut Env<'_>, register: usize) -> (Vec<[u64; LANES]>, usize) {
        let Form { shape, part, bits, .. } = self.form;
        let base = self.address.lanes(warp);
        let (rows, columns) = match part {
            Part::A => (shape.m, shape.k),
            Part::B => (shape.k, shape.n),
            Part::Accumulators => (shape.m, shape.n),
        };
        let least = if self.by_rows { columns } else { rows } as u32;
        let stride = self.stride.map_or([least; LANES], |stride| stride.load(warp));
        if register == 0 {
            if base.iter().any(|at| *at != base[0]) || stride.iter().any(|other| *other != stride[0]) {
                let what = "lanes give different addresses or strides of a matrix".to_owned();
                env.fault(warp, 0, FaultKind::Divergence { what });
            } else if stride[0] < least {
                let what = format!("a stride of {} where a line has {least} elements", stride[0]);
                env.fault(warp, 0, FaultKind::Invalid { what });
            }
        }
        let pack = self.form.pack();
        let of = |i: usize| {
            std::array::from_fn(|lane| {
                let (row, column) = shape.place(part, pack, lane, register * pack + i);
                let (line, inside) = if self.by_rows { (row, column) } else { (column, row) };
                let elements = line as u64 * u64::from(stride[0]) + inside as u64;
                base[lane].wrapping_add(elements * bits as u64 / 8)
            })
        };
        // Elements of a register follow one another along a row of `a` and of the accumulators, along a column of `b`.
        let is_row = self.by_rows == (part != Part::B);
        if is_row { (vec![of(0)], pack) } else { ((0..pack).map(of).collect(), 1) }
    }

    fn action<S: Element>(self, registers: Vec<S>, loads: bool) -> Action {
        if loads {
            Box::new(move |warp, env, _| self.load(warp, env, &registers))
        } else {
            Box::new(move |warp, env, _| self.store(warp, env, &registers))
        }
    }

    fn load<S: Element>(&self, warp: &mut Warp, env: &mut Env<'_>, registers: &[S]) {
        let (bits, distinct) = (self.form.bits, self.form.distinct());
        for register in 0..distinct {
            let (addresses, count) = self.addresses(warp, env, register);
            let access = Access { count, bytes: bits / 8, strong: None };
            let mut values = [0u64; LANES];
            for (first, addresses) in addresses.iter().enumerate() {
                let elements = access::load(warp, env, FULL, self.space, addresses, access);
                for (i, element) in elements[..count].iter().enumerate() {
                    let shift = (first + i) * bits;
                    for lane in 0..LANES {
                        values[lane] |= (element[lane] & (u64::MAX >> (64 - bits))) << shift;
                    }
                }
            }
            for to in registers.iter().skip(register).step_by(distinct) {
                to.store(warp, FULL, values.map(S::from_bits));
            }
        }
    }

    fn store<S: Element>(&self, warp: &mut Warp, env: &mut Env<'_>, registers: &[S]) {
        let bits = self.form.bits;
        for (register, from) in registers.iter().enumerate() {
            let (addresses, count) = self.addresses(warp, env, register);
            let values = from.load(warp).map(S::to_bits);
            for (first, addresses) in addresses.iter().enumerate() {
                let mut elements: Elements = [[0; LANES]; 8];
                for (i, element) in elements[..count].iter_mut().enumerate() {
                    *element = values.map(|value| value >> ((first + i) * bits) & (u64::MAX >> (64 - bits)));
                }
                let access = Access { count, bytes: bits / 8, strong: None };
                access::store(warp, env, FULL, self.space, addresses, (access, &elements));
            }
        }
    }
}

/// `wmma.mma`: `d, a, b, c`.
fn multiply(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Tensor;
    // Fragments are the same whatever the order in memory was.
    for _ in 0..2 {
        m.take_any(&["row", "col"]).ok_or("one of .row, .col is missing")?;
    }
    let shape = shape(m)?;
    let satfinite = m.take("satfinite");
    let mut types = Vec::new();
    while let Ok(ty) = m.ty() {
        types.push(ty);
    }
    // Of f16 operands only the types of the accumulators are named.
    let (to, a, b, from) = match *types.as_slice() {
        [to, from] => (to, Type::F16, Type::F16, from),
        [to, a, b, from] => (to, a, b, from),
        _ => return Err(format!("{} types", types.len())),
    };
    if types.as_slice() == [Type::F64; 4] && shape.k == 4 {
        m.take("rn");
        return product_f64(decoder, operands(instruction)?, (8, 4));
    }
    let kind = match (a, b) {
        (Type::F16, Type::F16) => Kind::F16,
        (Type::Bf16, Type::Bf16) => Kind::Bf16,
        (Type::Tf32, Type::Tf32) => Kind::Tf32,
        (Type::Signed(8) | Type::Unsigned(8), Type::Signed(8) | Type::Unsigned(8)) if a == b => {
            Kind::Integer(IntegerMode { a_signed: a.is_signed(), b_signed: b.is_signed(), satfinite })
        }
        _ => return Err("these types".to_owned()),
    };
    let accumulators = match kind {
        Kind::Integer(_) => [Type::Signed(32)].as_slice(),
        Kind::F16 => &[Type::F32, Type::F16],
        _ => &[Type::F32],
    };
    let is_integer = matches!(kind, Kind::Integer(_));
    if !accumulators.contains(&to) || !accumulators.contains(&from) || satfinite && !is_integer {
        return Err("these types".to_owned());
    }
    let [d, fa, fb, fc] = operands(instruction)?;
    let form = |part, ty| Form::new(shape, part, ty);
    let (form_a, form_b) = (form(Part::A, a)?, form(Part::B, b)?);
    let (form_c, form_d) = (form(Part::Accumulators, from)?, form(Part::Accumulators, to)?);
    let mut a = registers(decoder, fa, form_a.registers, false)?;
    let mut b = registers(decoder, fb, form_b.registers, false)?;
    a.truncate(form_a.distinct());
    b.truncate(form_b.distinct());
    let c = registers(decoder, fc, form_c.registers, false)?;
    let d = registers(decoder, d, form_d.registers, true)?;
    decoder.flops = (2 * shape.m * shape.n * shape.k) as u32;
    let (widens, narrows) = (from == Type::F16, to == Type::F16);
    let action = decoder.isa.compile(
        #[inline(always)]
        move |warp: &mut Warp, env: &mut Env<'_>, mask: u32| {
            let load = |registers: &[R32]| registers.iter().map(|register| register.load(warp)).collect::<Vec<_>>();
            let (a, b, c) = (load(&a), load(&b), load(&c));
            let c = if widens { wmma::widen(&c) } else { c };
            let out = wmma::multiply(shape, kind, &a, &b, &c, env.context.perturbation);
            let out = if narrows { wmma::narrow(&out) } else { out };
            for (register, values) in d.iter().zip(out) {
                register.store(warp, mask, values);
            }
        },
    );
    decoder.push(Op::Collective(Members::Whole, action, None));
    Ok(())
}
