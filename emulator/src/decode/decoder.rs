//! The state of decoding one function, and how operands become registers.

use std::collections::HashMap;

use super::call::code_address;
use super::pool::{File, Pool};
use super::types::Type;
use super::work;
use crate::ast::{Function, Instruction, Operand};
use crate::counters::{Class, Pipe, TensorType, WaitKind};
use crate::exec::{Env, Warp};
use crate::isa::{Action, Isa};
use crate::lanes::{FULL, LANES, Pred, R32, R64, Slot, lanes_of};
use crate::program::{Inst, LaneMask, Op, Register, Site, Special, Value, Work};

/// Where a name lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    /// Offset in shared memory.
    Shared(u64),
    /// Offset in the thread's frame: local variables and the `.param` variables of functions.
    Local(u64),
    /// Offset in the kernel's parameters.
    Param(u64),
    /// A module variable in global memory, by number.
    Variable(usize),
    /// A function, by number.
    Function(usize),
}

/// What a decoder adds to.
pub(crate) struct Decoder<'a> {
    pub isa: Isa,
    pub function: &'a Function,
    pub symbols: &'a HashMap<&'a str, Symbol>,
    pub pool: &'a mut Pool,
    /// The register of each [`crate::ast::RegisterId`].
    pub registers: Vec<Register>,
    pub insts: &'a mut Vec<Inst>,
    pub sites: &'a mut Vec<Site>,
    /// Blocks can influence each other by an instruction seen so far.
    pub communicates: bool,
    /// The class and guard of the instruction being decoded, and the flops of one warp if it is a product.
    pub class: Class,
    pub flops: u32,
    guard: (Pred, u32),
    site: Option<Site>,
    /// Its first operation.
    first: usize,
    /// What to do after the instruction: widening of results.
    after: Vec<Action>,
}

/// The work of an operation that is a part of an instruction, or of none.
const NOTHING: Work = Work {
    class: Class::Control,
    pipe: Pipe::Cbu,
    special_functions: 0,
    flops: 0,
    tensor_type: TensorType::F16,
    wait: WaitKind::Barrier,
    counts: false,
};

/// The lanes of a value.
#[inline(always)]
pub(crate) fn lanes<T: Copy + Default>(mut f: impl FnMut(usize) -> T) -> [T; LANES] {
    let mut out = [T::default(); LANES];
    for (lane, value) in out.iter_mut().enumerate() {
        *value = f(lane);
    }
    out
}

/// `d = f` in every lane of the mask, with a call for each.
fn rare<D: Slot>(d: D, f: impl Fn(&Warp, usize) -> D::Value + Send + Sync + 'static) -> Action {
    call_lanes(d, Box::new(f))
}

/// An operation of one lane, behind a pointer.
type LaneFn<T> = Box<dyn Fn(&Warp, usize) -> T + Send + Sync>;

fn call_lanes<D: Slot>(d: D, f: LaneFn<D::Value>) -> Action {
    Box::new(move |warp, _, mask| {
        let mut out = [D::Value::default(); LANES];
        for lane in lanes_of(mask) {
            out[lane] = f(warp, lane);
        }
        d.store(warp, mask, out);
    })
}

impl<'a> Decoder<'a> {
    pub fn new(
        isa: Isa,
        function: &'a Function,
        symbols: &'a HashMap<&'a str, Symbol>,
        pool: &'a mut Pool,
        registers: Vec<Register>,
        insts: &'a mut Vec<Inst>,
        sites: &'a mut Vec<Site>,
    ) -> Self {
        Self {
            isa,
            function,
            symbols,
            pool,
            registers,
            insts,
            sites,
            communicates: false,
            class: Class::Integer,
            flops: 0,
            guard: (Pred(0), 0),
            site: None,
            first: 0,
            after: Vec::new(),
        }
    }

    /// Begins an instruction.
    pub fn begin(&mut self, instruction: &Instruction) {
        self.pool.next_instruction();
        (self.class, self.flops) = (Class::Integer, 0);
        self.first = self.insts.len();
        self.guard = match instruction.guard {
            None => (self.constant_pred(true), 0),
            Some(guard) => match self.registers[guard.register as usize] {
                Register::Pred(pred) => (pred, if guard.negated { FULL } else { 0 }),
                _ => (self.constant_pred(true), 0),
            },
        };
        self.site = Some(Site {
            line: instruction.line,
            text: instruction.text.as_str().into(),
            source: instruction.source.as_slice().into(),
            work: NOTHING,
        });
    }

    /// Begins what follows the last instruction of the function.
    pub fn begin_end(&mut self) {
        self.pool.next_instruction();
        self.guard = (self.constant_pred(true), 0);
        let line = self.function.body.last().map_or(self.function.line, |instruction| instruction.line);
        self.site = Some(Site { line, text: "}".into(), source: Box::default(), work: NOTHING });
    }

    /// Ends an instruction: what has to follow it does. The last operation before that is the one that counts.
    pub fn end(&mut self, instruction: &Instruction) {
        if let Some(site) = self.sites[self.first..].last_mut() {
            site.work = work::of(instruction, self.class, self.flops);
        }
        for action in std::mem::take(&mut self.after) {
            self.push(Op::Plain(action));
        }
    }

    /// Adds an operation with the guard of the instruction.
    pub fn push(&mut self, op: Op) {
        let (guard, flip) = self.guard;
        self.insts.push(Inst { op, guard, flip, tracked: None });
        self.sites.extend(self.site.clone());
    }

    /// Adds an operation without control flow, compiled for the host's instruction set.
    pub fn plain(&mut self, f: impl Fn(&mut Warp, &mut Env<'_>, u32) + Send + Sync + 'static) {
        self.push(Op::Plain(self.isa.compile(f)));
    }

    /// The same for operations that gain nothing from wide vectors.
    pub fn simple(&mut self, f: impl Fn(&mut Warp, &mut Env<'_>, u32) + Send + Sync + 'static) {
        self.push(Op::Plain(Box::new(f)));
    }

    /// `d = f(a)` in every lane.
    pub fn map1<D: Slot, A: Slot>(&mut self, d: D, a: A, f: impl Fn(A::Value) -> D::Value + Send + Sync + 'static) {
        self.plain(
            #[inline(always)]
            move |warp, _, mask| {
                let a = a.load(warp);
                d.store(warp, mask, lanes(|lane| f(a[lane])));
            },
        );
    }

    /// `d = f(a, b)` in every lane.
    pub fn map2<D: Slot, A: Slot, B: Slot>(
        &mut self,
        d: D,
        a: A,
        b: B,
        f: impl Fn(A::Value, B::Value) -> D::Value + Send + Sync + 'static,
    ) {
        self.plain(
            #[inline(always)]
            move |warp, _, mask| {
                let (a, b) = (a.load(warp), b.load(warp));
                d.store(warp, mask, lanes(|lane| f(a[lane], b[lane])));
            },
        );
    }

    /// `d = f(a, b, c)` in every lane.
    pub fn map3<D: Slot, A: Slot, B: Slot, C: Slot>(
        &mut self,
        d: D,
        (a, b, c): (A, B, C),
        f: impl Fn(A::Value, B::Value, C::Value) -> D::Value + Send + Sync + 'static,
    ) {
        self.plain(
            #[inline(always)]
            move |warp, _, mask| {
                let (a, b, c) = (a.load(warp), b.load(warp), c.load(warp));
                d.store(warp, mask, lanes(|lane| f(a[lane], b[lane], c[lane])));
            },
        );
    }

    /// `d = f(a, b, c, e)` in every lane.
    pub fn map4<D: Slot, A: Slot, B: Slot, C: Slot, E: Slot>(
        &mut self,
        d: D,
        (a, b, c, e): (A, B, C, E),
        f: impl Fn(A::Value, B::Value, C::Value, E::Value) -> D::Value + Send + Sync + 'static,
    ) {
        self.plain(
            #[inline(always)]
            move |warp, _, mask| {
                let (a, b, c, e) = (a.load(warp), b.load(warp), c.load(warp), e.load(warp));
                d.store(warp, mask, lanes(|lane| f(a[lane], b[lane], c[lane], e[lane])));
            },
        );
    }

    /// [`Decoder::map1`] for instructions that are rare: one loop for all of them, with a call for each lane.
    pub fn rare1<D: Slot, A: Slot>(&mut self, d: D, a: A, f: impl Fn(A::Value) -> D::Value + Send + Sync + 'static) {
        self.push(Op::Plain(rare(d, move |warp, lane| f(a.lane(warp, lane)))));
    }

    /// [`Decoder::map2`] for instructions that are rare.
    pub fn rare2<D: Slot, A: Slot, B: Slot>(
        &mut self,
        d: D,
        a: A,
        b: B,
        f: impl Fn(A::Value, B::Value) -> D::Value + Send + Sync + 'static,
    ) {
        self.push(Op::Plain(rare(d, move |warp, lane| f(a.lane(warp, lane), b.lane(warp, lane)))));
    }

    /// [`Decoder::map3`] for instructions that are rare.
    pub fn rare3<D: Slot, A: Slot, B: Slot, C: Slot>(
        &mut self,
        d: D,
        (a, b, c): (A, B, C),
        f: impl Fn(A::Value, B::Value, C::Value) -> D::Value + Send + Sync + 'static,
    ) {
        let f = move |warp: &Warp, lane: usize| f(a.lane(warp, lane), b.lane(warp, lane), c.lane(warp, lane));
        self.push(Op::Plain(rare(d, f)));
    }

    /// A 32-bit constant.
    pub fn constant32(&mut self, bits: u32) -> R32 {
        self.value32(Value::Bits(u64::from(bits)))
    }

    /// A 64-bit constant.
    pub fn constant64(&mut self, bits: u64) -> R64 {
        self.value64(Value::Bits(bits))
    }

    fn constant_pred(&mut self, value: bool) -> Pred {
        match self.pool.constant(File::Pred, Value::Bits(u64::from(value))) {
            Register::Pred(pred) => pred,
            _ => unreachable!("the pool gives a register of the file that was asked for"),
        }
    }

    fn value32(&mut self, value: Value) -> R32 {
        match self.pool.constant(File::R32, value) {
            Register::R32(slot) => slot,
            _ => unreachable!("the pool gives a register of the file that was asked for"),
        }
    }

    fn value64(&mut self, value: Value) -> R64 {
        match self.pool.constant(File::R64, value) {
            Register::R64(slot) => slot,
            _ => unreachable!("the pool gives a register of the file that was asked for"),
        }
    }

    /// A 32-bit register for use within the instruction.
    pub fn temporary32(&mut self) -> R32 {
        match self.pool.temporary(File::R32) {
            Register::R32(slot) => slot,
            _ => unreachable!("the pool gives a register of the file that was asked for"),
        }
    }

    /// A 64-bit register for use within the instruction.
    pub fn temporary64(&mut self) -> R64 {
        match self.pool.temporary(File::R64) {
            Register::R64(slot) => slot,
            _ => unreachable!("the pool gives a register of the file that was asked for"),
        }
    }

    /// A predicate for use within the instruction.
    pub fn temporary_pred(&mut self) -> Pred {
        match self.pool.temporary(File::Pred) {
            Register::Pred(slot) => slot,
            _ => unreachable!("the pool gives a register of the file that was asked for"),
        }
    }

    /// The carry flag of the extended-precision instructions.
    pub fn carry(&mut self) -> Pred {
        match self.pool.carry() {
            Register::Pred(slot) => slot,
            _ => unreachable!("the carry flag is a predicate"),
        }
    }

    /// A source of at most 32 bits. A wider register gives its low half.
    pub fn source32(&mut self, operand: &Operand, ty: Type) -> Result<R32, String> {
        match operand {
            Operand::Register(id) => match self.registers[*id as usize] {
                Register::R32(slot) => Ok(slot),
                Register::R64(wide) => {
                    let slot = self.temporary32();
                    self.map1(slot, wide, |x| x as u32);
                    Ok(slot)
                }
                Register::Pred(_) => Err("a predicate where a number is needed".to_owned()),
            },
            Operand::Integer(value) if matches!(ty, Type::F32) => Ok(self.constant32((*value as f32).to_bits())),
            Operand::Integer(value) => Ok(self.constant32(*value as u32)),
            Operand::Float32(bits) => Ok(self.constant32(*bits)),
            Operand::Float64(bits) => Ok(self.constant32((f64::from_bits(*bits) as f32).to_bits())),
            Operand::Special(name) => self.special32(name),
            Operand::Symbol(name) => match self.symbol(name)? {
                Symbol::Shared(offset) | Symbol::Local(offset) | Symbol::Param(offset) => {
                    Ok(self.constant32(offset as u32))
                }
                Symbol::Variable(number) => Ok(self.value32(Value::Variable(number, 0))),
                Symbol::Function(number) => Ok(self.constant32(code_address(number) as u32)),
            },
            Operand::Address { .. } => {
                let wide = self.source64(operand, Type::Unsigned(64))?;
                let slot = self.temporary32();
                self.map1(slot, wide, |x| x as u32);
                Ok(slot)
            }
            _ => Err(format!("`{operand:?}` where a number is needed")),
        }
    }

    /// A 64-bit source.
    pub fn source64(&mut self, operand: &Operand, ty: Type) -> Result<R64, String> {
        match operand {
            Operand::Register(id) => match self.registers[*id as usize] {
                Register::R64(slot) => Ok(slot),
                Register::R32(_) => Err(format!("a register narrower than {} bits", ty.bits())),
                Register::Pred(_) => Err("a predicate where a number is needed".to_owned()),
            },
            Operand::Integer(value) if matches!(ty, Type::F64) => Ok(self.constant64((*value as f64).to_bits())),
            Operand::Integer(value) => Ok(self.constant64(*value as u64)),
            Operand::Float32(bits) => Ok(self.constant64(f64::from(f32::from_bits(*bits)).to_bits())),
            Operand::Float64(bits) => Ok(self.constant64(*bits)),
            Operand::Special(name) => self.special64(name),
            Operand::Symbol(name) => match self.symbol(name)? {
                Symbol::Shared(offset) | Symbol::Local(offset) | Symbol::Param(offset) => Ok(self.constant64(offset)),
                Symbol::Variable(number) => Ok(self.value64(Value::Variable(number, 0))),
                Symbol::Function(number) => Ok(self.constant64(code_address(number))),
            },
            // `symbol+8` as a value.
            Operand::Address { base, offset } => match base.as_ref() {
                Operand::Symbol(name) => match self.symbol(name)? {
                    Symbol::Variable(number) => Ok(self.value64(Value::Variable(number, *offset))),
                    Symbol::Shared(at) | Symbol::Local(at) | Symbol::Param(at) => {
                        Ok(self.constant64(at.wrapping_add_signed(*offset)))
                    }
                    Symbol::Function(_) => Err(format!("an offset from the function `{name}`")),
                },
                _ => Err("an address where a number is needed".to_owned()),
            },
            _ => Err(format!("`{operand:?}` where a number is needed")),
        }
    }

    /// A predicate source.
    pub fn source_pred(&mut self, operand: &Operand) -> Result<Pred, String> {
        match operand {
            Operand::Register(id) => match self.registers[*id as usize] {
                Register::Pred(pred) => Ok(pred),
                _ => Err("a number where a predicate is needed".to_owned()),
            },
            Operand::NotRegister(id) => match self.registers[*id as usize] {
                Register::Pred(pred) => {
                    let inverse = self.temporary_pred();
                    self.simple(move |warp, _, mask| {
                        let value = !warp.preds[pred.0 as usize] & mask;
                        let lanes = &mut warp.preds[inverse.0 as usize];
                        *lanes = *lanes & !mask | value;
                    });
                    Ok(inverse)
                }
                _ => Err("a number where a predicate is needed".to_owned()),
            },
            Operand::Integer(value) => Ok(self.constant_pred(*value != 0)),
            Operand::Special(name) if name == "is_explicit_cluster" => {
                match self.pool.constant(File::Pred, Value::Special(Special::IsCluster)) {
                    Register::Pred(pred) => Ok(pred),
                    _ => unreachable!("the pool gives a register of the file that was asked for"),
                }
            }
            _ => Err(format!("`{operand:?}` where a predicate is needed")),
        }
    }

    /// A destination of at most 32 bits. Into a wider register the result is extended, by sign if the type has one.
    pub fn dest32(&mut self, operand: &Operand, ty: Type) -> Result<R32, String> {
        match operand {
            Operand::Register(id) => match self.registers[*id as usize] {
                Register::R32(slot) => Ok(slot),
                Register::R64(wide) => {
                    let slot = self.temporary32();
                    let (bits, signed) = (ty.bits(), ty.is_signed());
                    self.widen_after(slot, wide, bits, signed);
                    Ok(slot)
                }
                Register::Pred(_) => Err("a predicate as the destination of a number".to_owned()),
            },
            Operand::Sink => Ok(self.temporary32()),
            _ => Err(format!("`{operand:?}` as a destination")),
        }
    }

    /// A 64-bit destination.
    pub fn dest64(&mut self, operand: &Operand) -> Result<R64, String> {
        match operand {
            Operand::Register(id) => match self.registers[*id as usize] {
                Register::R64(slot) => Ok(slot),
                _ => Err("a destination narrower than 64 bits".to_owned()),
            },
            Operand::Sink => Ok(self.temporary64()),
            _ => Err(format!("`{operand:?}` as a destination")),
        }
    }

    /// A predicate destination.
    pub fn dest_pred(&mut self, operand: &Operand) -> Result<Pred, String> {
        match operand {
            Operand::Register(id) => match self.registers[*id as usize] {
                Register::Pred(pred) => Ok(pred),
                _ => Err("a number as the destination of a predicate".to_owned()),
            },
            Operand::Sink => Ok(self.temporary_pred()),
            _ => Err(format!("`{operand:?}` as a destination")),
        }
    }

    fn widen_after(&mut self, from: R32, to: R64, bits: u32, signed: bool) {
        let shift = 64 - bits;
        let action = self.isa.compile(
            #[inline(always)]
            move |warp, _, mask| {
                let x = from.load(warp);
                let wide = |x: u32| {
                    if signed {
                        ((u64::from(x) << shift) as i64 >> shift) as u64
                    } else {
                        u64::from(x) << shift >> shift
                    }
                };
                to.store(warp, mask, lanes(|lane| wide(x[lane])));
            },
        );
        self.after.push(action);
    }

    /// Where a name lies.
    pub fn symbol(&self, name: &str) -> Result<Symbol, String> {
        self.symbols.get(name).copied().ok_or_else(|| format!("unknown name `{name}`"))
    }

    fn special32(&mut self, name: &str) -> Result<R32, String> {
        if let Some(value) = special(name) {
            return Ok(self.value32(value));
        }
        let shift = match name {
            "clock" | "globaltimer_lo" => 0,
            "clock_hi" | "globaltimer_hi" => 32,
            _ => return Err(format!("unknown special register `%{name}`")),
        };
        let slot = self.temporary32();
        self.simple(move |warp, env, mask| slot.store(warp, mask, [(env.clock >> shift) as u32; LANES]));
        Ok(slot)
    }

    fn special64(&mut self, name: &str) -> Result<R64, String> {
        if !matches!(name, "clock64" | "globaltimer") {
            let value = special(name).ok_or_else(|| format!("unknown special register `%{name}`"))?;
            return Ok(self.value64(value));
        }
        let slot = self.temporary64();
        self.simple(move |warp, env, mask| slot.store(warp, mask, [env.clock; LANES]));
        Ok(slot)
    }
}

/// A special register that is constant for a block.
fn special(name: &str) -> Option<Value> {
    let axis = |name: &str| match name {
        "x" => Some(0),
        "y" => Some(1),
        "z" => Some(2),
        _ => None,
    };
    if let Some((register, component)) = name.split_once('.') {
        let axis = axis(component)?;
        return Some(match register {
            "tid" => Value::Special(Special::Tid(axis)),
            "ntid" => Value::Special(Special::Ntid(axis)),
            "ctaid" => Value::Special(Special::Ctaid(axis)),
            "nctaid" => Value::Special(Special::Nctaid(axis)),
            "clusterid" => Value::Special(Special::ClusterId(axis)),
            "nclusterid" => Value::Special(Special::Clusters(axis)),
            "cluster_ctaid" => Value::Special(Special::ClusterCtaid(axis)),
            "cluster_nctaid" => Value::Special(Special::ClusterBlocks(axis)),
            _ => return None,
        });
    }
    Some(match name {
        "laneid" => Value::Special(Special::Lane),
        "warpid" => Value::Special(Special::Warp),
        "nwarpid" => Value::Special(Special::Warps),
        "smid" => Value::Special(Special::Multiprocessor),
        "nsmid" => Value::Special(Special::Multiprocessors),
        "gridid" => Value::Bits(0),
        "cluster_ctarank" => Value::Special(Special::ClusterRank),
        "cluster_nctarank" => Value::Special(Special::ClusterSize),
        "WARP_SZ" => Value::Bits(32),
        "lanemask_eq" => Value::Special(Special::LaneMask(LaneMask::Equal)),
        "lanemask_le" => Value::Special(Special::LaneMask(LaneMask::LessEqual)),
        "lanemask_lt" => Value::Special(Special::LaneMask(LaneMask::Less)),
        "lanemask_ge" => Value::Special(Special::LaneMask(LaneMask::GreaterEqual)),
        "lanemask_gt" => Value::Special(Special::LaneMask(LaneMask::Greater)),
        "dynamic_smem_size" => Value::Special(Special::DynamicShared),
        "total_smem_size" | "aggr_smem_size" => Value::Special(Special::TotalShared),
        _ => return None,
    })
}
