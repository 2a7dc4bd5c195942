//! From the functions of a module to whole programs: names, frames, calls, branch targets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::call::{self, Call, Callee, Target, code_address};
use super::decoder::{Decoder, Symbol};
use super::flow::{self, Layout};
use super::pool::{File, Pool};
use super::types::Modifiers;
use crate::ast::{Function, Instruction, Module, Operand, Variable};
use crate::error::LoadError;
use crate::executed::Executed;
use crate::isa::Isa;
use crate::program::{Inst, Op, Param, Program, Register, Site, Tracked, Warpgroup};

/// The most static shared memory of a kernel, whatever the device; what is beyond has to be dynamic.
const STATIC_SHARED_LIMIT: u64 = 48 << 10;

/// The most bytes of a kernel's parameters (PTX ISA, "Kernel Function Parameters").
const PARAMETER_LIMIT: u64 = 32_764;

/// The most local memory of a thread (CUDA C++ Programming Guide, "Technical Specifications per Compute Capability").
const LOCAL_LIMIT: u64 = 512 << 10;

/// Calls inside one another, which no stack of a device holds and which would exhaust this program's.
const CALL_LIMIT: usize = 256;

/// What a failed `assert` calls.
const ASSERT: &str = "__assertfail";
/// What `printf` calls.
const PRINT: &str = "vprintf";

/// Makes programs of the kernels of a module.
pub(crate) struct Linker<'a> {
    module: &'a Module,
    isa: Isa,
    /// The names of the functions whose address is taken somewhere.
    pointed: HashSet<&'a str>,
}

/// The module's variables in global memory: those at module scope, then those of functions.
pub(crate) fn variables(module: &Module) -> impl Iterator<Item = &Variable> {
    let inner = module.functions.iter().flat_map(|function| &function.variables);
    module.variables.iter().chain(inner).filter(|variable| matches!(variable.space.as_str(), "global" | "const"))
}

/// Gives a variable its place behind others, whose end moves. What does not fit in 64 bits ends at their end, beyond every limit.
fn place(end: &mut u64, variable: &Variable) -> u64 {
    let at = end.checked_next_multiple_of(variable.align.max(1)).unwrap_or(u64::MAX);
    *end = at.saturating_add(variable.size);
    at
}

/// One program while it is put together.
struct Build<'a> {
    pool: Pool,
    insts: Vec<Inst>,
    sites: Vec<Site>,
    /// Bytes of the thread's frame.
    frame: u64,
    shared: HashMap<&'a str, u64>,
    callees: HashMap<&'a str, Callee>,
    tracked: Vec<Register>,
    guarded: Vec<Box<str>>,
    communicates: bool,
}

impl<'a> Linker<'a> {
    pub fn new(module: &'a Module, isa: Isa) -> Self {
        Self { module, isa, pointed: pointed(module) }
    }

    /// The program of an entry.
    pub fn program(&self, entry: &'a Function) -> Result<Program, LoadError> {
        let functions = self.order(entry)?;
        let (shared, static_shared) = self.shared(&functions);
        let within = |bytes: u64, limit: u64, what: &str| {
            let much =
                || format!("`{}` has {bytes} bytes of {what}, more than the {limit} that are allowed", entry.name);
            if bytes > limit { Err(LoadError::new(entry.line, much())) } else { Ok(()) }
        };
        within(static_shared, STATIC_SHARED_LIMIT, "static shared memory")?;
        let mut param_bytes = 0;
        let param = |param| (place(&mut param_bytes, param), param);
        let params: Vec<(u64, &Variable)> = entry.params.iter().map(param).collect();
        within(param_bytes, PARAMETER_LIMIT, "parameters")?;
        let mut build = Build {
            pool: Pool::default(),
            insts: Vec::new(),
            sites: Vec::new(),
            frame: 0,
            shared,
            callees: HashMap::new(),
            tracked: Vec::new(),
            guarded: Vec::new(),
            communicates: false,
        };
        let mut start = 0;
        for function in functions {
            start = build.insts.len() as u32;
            self.function(&mut build, function, start)?;
        }
        within(build.frame, LOCAL_LIMIT, "local memory")?;
        let param =
            |(at, of): (u64, &Variable)| Param { offset: at as u32, size: of.size as u32, align: of.align as u32 };
        Ok(Program {
            name: entry.name.clone(),
            params: params.into_iter().map(param).collect(),
            param_bytes: param_bytes as u32,
            max_threads: entry.max_threads,
            required_threads: entry.required_threads,
            max_registers: entry.max_registers,
            min_blocks: entry.min_blocks,
            required_cluster: entry.required_cluster,
            static_shared: static_shared as u32,
            local_bytes: build.frame.next_multiple_of(16) as u32,
            executed: Executed::new(build.insts.len()),
            insts: build.insts,
            sites: build.sites,
            entry: start,
            r32: build.pool.size(File::R32),
            r64: build.pool.size(File::R64),
            preds: build.pool.size(File::Pred),
            constants: build.pool.constants(),
            tracked: build.tracked,
            guarded: build.guarded,
            communicates: build.communicates,
            files: Arc::from(self.module.files.clone()),
        })
    }

    /// The functions that an entry calls, callees before callers, itself last.
    fn order(&self, entry: &'a Function) -> Result<Vec<&'a Function>, LoadError> {
        let mut order = Vec::new();
        let mut open = Vec::new();
        self.visit(entry, &mut open, &mut order)?;
        Ok(order)
    }

    fn visit(
        &self,
        function: &'a Function,
        open: &mut Vec<&'a str>,
        order: &mut Vec<&'a Function>,
    ) -> Result<(), LoadError> {
        if open.contains(&function.name.as_str()) {
            return Err(LoadError::new(
                function.line,
                format!("`{}` calls itself, which is not supported", function.name),
            ));
        }
        if order.iter().any(|done| done.name == function.name) {
            return Ok(());
        }
        if open.len() == CALL_LIMIT {
            return Err(LoadError::new(function.line, format!("more than {CALL_LIMIT} calls inside one another")));
        }
        open.push(&function.name);
        for instruction in function.body.iter().filter(|instruction| instruction.opcode == "call") {
            let fails = |what| LoadError::new(instruction.line, what);
            let call = Call::new(instruction).map_err(fails)?;
            for callee in self.callees(&call, open).map_err(fails)? {
                self.visit(&self.module.functions[callee], open, order)?;
            }
        }
        open.pop();
        order.push(function);
        Ok(())
    }

    /// The functions that a call may reach, by number. With a pointer these are none that are being called already: such a call would be
    /// recursive.
    fn callees(&self, call: &Call<'_>, open: &[&str]) -> Result<Vec<usize>, String> {
        let number = |name: &str| self.module.functions.iter().position(|function| function.name == name);
        let name = match (call.target, call.targets) {
            (Target::Name(ASSERT | PRINT), _) => return Ok(Vec::new()),
            (Target::Name(name), _) => name,
            (Target::Pointer(_), targets) => {
                let named = |function: &Function| match targets {
                    Some(targets) => targets.contains(&Operand::Symbol(function.name.clone())),
                    None => self.pointed.contains(function.name.as_str()),
                };
                let fits = |function: &&Function| {
                    let is_open = open.contains(&function.name.as_str());
                    !function.is_entry && !is_open && call.fits(function.params.len(), function.returns.len())
                };
                let functions = self.module.functions.iter().filter(fits).filter(|function| named(function));
                return Ok(functions.filter_map(|function| number(&function.name)).collect());
            }
        };
        let what = "which the module does not define";
        number(name).map(|callee| vec![callee]).ok_or_else(|| format!("a call of `{name}`, {what}"))
    }

    /// Offsets of the shared variables that the functions name, and the bytes of those whose size is known. Dynamic shared
    /// memory begins behind them.
    fn shared(&self, functions: &[&'a Function]) -> (HashMap<&'a str, u64>, u64) {
        let mut named = HashSet::new();
        for function in functions {
            for instruction in &function.body {
                instruction.operands.iter().for_each(|operand| symbols(operand, &mut named));
            }
        }
        let inner = functions.iter().flat_map(|function| &function.variables);
        let used = |variable: &&Variable| variable.space == "shared" && named.contains(variable.name.as_str());
        let used: Vec<&Variable> = self.module.variables.iter().chain(inner).filter(used).collect();
        let mut offsets = HashMap::new();
        let mut end = 0u64;
        for variable in used.iter().filter(|variable| variable.size != 0) {
            offsets.insert(variable.name.as_str(), place(&mut end, variable));
        }
        let dynamic = used.iter().filter(|variable| variable.size == 0);
        let align = dynamic.clone().map(|variable| variable.align).max().unwrap_or(1).max(1);
        let size = if dynamic.clone().next().is_some() {
            end.checked_next_multiple_of(align).unwrap_or(u64::MAX)
        } else {
            end
        };
        offsets.extend(dynamic.map(|variable| (variable.name.as_str(), size)));
        (offsets, size)
    }

    fn function(&self, build: &mut Build<'a>, function: &'a Function, start: u32) -> Result<(), LoadError> {
        let symbols = self.symbols(build, function);
        let layout = flow::layout(function, &mut build.pool).map_err(|(line, what)| LoadError::new(line, what))?;
        let mut decoder = Decoder::new(
            self.isa,
            function,
            &symbols,
            &mut build.pool,
            layout.registers.clone(),
            &mut build.insts,
            &mut build.sites,
        );
        let mut places = Vec::with_capacity(function.body.len() + 1);
        for instruction in &function.body {
            let first = decoder.insts.len();
            places.push(first as u32);
            let mut modifiers = Modifiers::new(&instruction.modifiers);
            decoder.begin(instruction);
            let decoded = if instruction.opcode == "call" {
                self.call(&mut decoder, instruction, &mut modifiers, &build.callees).and_then(|()| modifiers.finish())
            } else {
                super::instruction(&mut decoder, instruction)
            };
            decoded.map_err(|what| LoadError::new(instruction.line, format!("{what} in `{}`", instruction.text)))?;
            decoder.end(instruction);
        }
        places.push(decoder.insts.len() as u32);
        // The end of the text is a return of all lanes, whatever the guard of the instruction before it.
        decoder.begin_end();
        decoder.push(if function.is_entry { Op::Exit } else { Op::Return });
        let communicates = decoder.communicates;
        build.communicates |= communicates;
        for inst in &mut build.insts[start as usize..] {
            match &mut inst.op {
                Op::Branch(label) => *label = places[*label as usize],
                Op::BranchIndexed(_, labels) => labels.iter_mut().for_each(|label| *label = places[*label as usize]),
                _ => {}
            }
        }
        track(build, function, &layout, &places);
        if !function.is_entry {
            let spot = |variable: &Variable| match symbols[variable.name.as_str()] {
                Symbol::Local(offset) => (offset, variable.size),
                _ => (0, 0),
            };
            let params = function.params.iter().map(spot).collect();
            let returns = function.returns.iter().map(spot).collect();
            build.callees.insert(&function.name, Callee { entry: start, params, returns });
        }
        Ok(())
    }

    fn call(
        &self,
        decoder: &mut Decoder<'_>,
        instruction: &Instruction,
        m: &mut Modifiers<'_>,
        known: &HashMap<&str, Callee>,
    ) -> Result<(), String> {
        let call = Call::new(instruction)?;
        match call.target {
            Target::Name(ASSERT) => {
                m.take("uni");
                decoder.push(Op::Trap);
                Ok(())
            }
            Target::Name(PRINT) => call::print(decoder, &call, m),
            Target::Name(name) => call::direct(decoder, &call, m, &known[name]),
            Target::Pointer(_) => {
                let callees = self.callees(&call, &[])?.into_iter();
                let of = |number: usize| known.get(self.module.functions[number].name.as_str());
                let callees = callees.filter_map(|number| Some((code_address(number), of(number)?.clone())));
                call::indirect(decoder, &call, m, callees.collect())
            }
        }
    }

    /// What the names in a function stand for. Local variables get their place in the frame.
    fn symbols(&self, build: &mut Build<'a>, function: &'a Function) -> HashMap<&'a str, Symbol> {
        let mut symbols: HashMap<&str, Symbol> = HashMap::new();
        for (number, variable) in variables(self.module).enumerate() {
            symbols.insert(&variable.name, Symbol::Variable(number));
        }
        let functions = self.module.functions.iter().enumerate().filter(|(_, function)| !function.is_entry);
        symbols.extend(functions.map(|(number, function)| (function.name.as_str(), Symbol::Function(number))));
        symbols.extend(build.shared.iter().map(|(name, offset)| (*name, Symbol::Shared(*offset))));
        let mut offset = 0;
        let mut local =
            |variable: &'a Variable| (variable.name.as_str(), Symbol::Local(place(&mut build.frame, variable)));
        symbols.extend(function.returns.iter().map(&mut local));
        let inner = function.variables.iter().filter(|variable| matches!(variable.space.as_str(), "local" | "param"));
        symbols.extend(inner.map(&mut local));
        if function.is_entry {
            symbols.extend(
                function.params.iter().map(|param| (param.name.as_str(), Symbol::Param(place(&mut offset, param)))),
            );
        } else {
            symbols.extend(function.params.iter().map(&mut local));
        }
        symbols
    }
}

/// The names of the functions whose address is taken somewhere.
fn pointed(module: &Module) -> HashSet<&str> {
    let mut named = HashSet::new();
    let inner = module.functions.iter().flat_map(|function| &function.variables);
    for variable in module.variables.iter().chain(inner) {
        named.extend(variable.references.iter().map(|reference| reference.symbol.as_str()));
    }
    let instructions = module.functions.iter().flat_map(|function| &function.body);
    for instruction in instructions.filter(|instruction| instruction.opcode != "call") {
        instruction.operands.iter().for_each(|operand| symbols(operand, &mut named));
    }
    named
}

fn symbols<'a>(operand: &'a Operand, named: &mut HashSet<&'a str>) {
    match operand {
        Operand::Symbol(name) => {
            named.insert(name);
        }
        Operand::Address { base, .. } | Operand::Tensor { base, .. } => symbols(base, named),
        Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| symbols(part, named)),
        _ => {}
    }
}

/// Notes at each instruction which registers it touches that may be uninitialised.
fn track(build: &mut Build<'_>, function: &Function, layout: &Layout, places: &[u32]) {
    let Layout { registers, unsure, asynchronous } = layout;
    let (first, first_guard) = (build.tracked.len() as u32, build.guarded.len() as u32);
    build.tracked.extend(unsure.iter().map(|id| registers[*id as usize]));
    build.guarded.extend(asynchronous.iter().map(|id| function.registers[*id as usize].name.as_str().into()));
    let guard = |id| asynchronous.binary_search(&id).ok().map(|number| first_guard + number as u32);
    for (at, instruction) in function.body.iter().enumerate() {
        let (begin, end) = (places[at] as usize, places[at + 1] as usize);
        if begin == end {
            continue;
        }
        let mut tracked = Tracked { copies: instruction.opcode == "mov", ..Tracked::default() };
        let product = build.insts[begin..end].iter_mut().find_map(|inst| match &mut inst.op {
            Op::Warpgroup(op) => match op.as_mut() {
                Warpgroup::Multiply(wgmma) => Some(wgmma),
                _ => None,
            },
            _ => None,
        });
        if let Some(wgmma) = product {
            flow::visit_asynchronous(instruction, |id, is_accumulator| {
                let unsure = unsure.binary_search(&id).ok().map(|number| first + number as u32);
                if is_accumulator {
                    wgmma.accumulators.extend(guard(id));
                    wgmma.uninitialised.extend(unsure);
                    tracked.writes.extend(unsure);
                } else {
                    wgmma.fragments.extend(guard(id));
                    tracked.reads.extend(unsure);
                }
            });
        } else {
            flow::visit_operands(instruction, |id, _| tracked.touches.extend(guard(id)));
            flow::visit_operands(instruction, |id, writes| {
                if let Ok(number) = unsure.binary_search(&id) {
                    let list = if writes { &mut tracked.writes } else { &mut tracked.reads };
                    list.push(first + number as u32);
                }
            });
        }
        let predicate = instruction.guard.map(|guard| guard.register);
        tracked.guard = predicate.and_then(|id| unsure.binary_search(&id).ok()).map(|number| first + number as u32);
        let is_tracked = !tracked.reads.is_empty() || !tracked.writes.is_empty() || !tracked.touches.is_empty();
        if tracked.guard.is_some() || is_tracked {
            // Operands are read by the first of the operations that the instruction became.
            build.insts[begin].tracked = Some(Box::new(tracked));
        }
    }
}
