//! The names of a function body: nested scopes, flattened.

use std::collections::{HashMap, HashSet};

use crate::ast::{Operand, Register, RegisterId, Variable};
use crate::error::LoadError;

/// Registers that one function may declare: far more than any compiler writes, few enough that a mistyped range cannot
/// exhaust memory.
const REGISTER_LIMIT: usize = 1 << 20;

/// What a declared name stands for.
pub(super) enum Binding<'a> {
    Register(RegisterId),
    /// A register of vector type: its first component and their number.
    Vector(RegisterId, u32),
    /// A variable, by its flattened name.
    Variable(String),
    /// `.branchtargets` and `.calltargets`: the names.
    Targets(Vec<&'a str>),
}

#[derive(Default)]
struct Scope<'a> {
    /// Counts scopes from 0, the function's own.
    number: usize,
    names: HashMap<&'a str, Binding<'a>>,
    /// `%r<12>` by its prefix: the first register and their number.
    ranges: HashMap<&'a str, (RegisterId, u32)>,
}

/// The scopes of one function.
pub(super) struct Scopes<'a> {
    open: Vec<Scope<'a>>,
    /// The enclosing scope of each scope.
    parents: Vec<usize>,
    labels: HashMap<(usize, &'a str), usize>,
    /// Flattened names of variables and parameters.
    known: HashSet<String>,
    pub(super) registers: Vec<Register>,
    pub(super) variables: Vec<Variable>,
}

impl<'a> Scopes<'a> {
    pub(super) fn new() -> Self {
        Self {
            open: vec![Scope::default()],
            parents: vec![0],
            labels: HashMap::new(),
            known: HashSet::new(),
            registers: Vec::new(),
            variables: Vec::new(),
        }
    }

    pub(super) fn enter(&mut self) {
        let number = self.parents.len();
        self.parents.push(self.current());
        self.open.push(Scope { number, ..Scope::default() });
    }

    /// Leaves a scope. False if it is the function's own, which is left by dropping this.
    pub(super) fn leave(&mut self) -> bool {
        let inner = self.open.len() > 1;
        if inner {
            self.open.pop();
        }
        inner
    }

    /// The number of the innermost scope.
    pub(super) fn current(&self) -> usize {
        self.open.last().map_or(0, |scope| scope.number)
    }

    /// The name with the scope's number behind it, except in the function's own scope: '@' is in no PTX name.
    fn flattened(&self, name: &str) -> String {
        match self.current() {
            0 => name.to_owned(),
            number => format!("{name}@{number}"),
        }
    }

    fn bind(&mut self, name: &'a str, binding: Binding<'a>, line: u32) -> Result<(), LoadError> {
        let scope = self.open.last_mut().ok_or_else(|| LoadError::new(line, "no scope is open"))?;
        match scope.names.insert(name, binding) {
            None => Ok(()),
            Some(_) => Err(LoadError::new(line, format!("'{name}' is declared twice"))),
        }
    }

    fn add_registers(
        &mut self,
        names: impl Iterator<Item = String>,
        count: u32,
        ty: &str,
        line: u32,
    ) -> Result<RegisterId, LoadError> {
        let first = self.registers.len();
        if first + count as usize > REGISTER_LIMIT {
            return Err(LoadError::new(line, format!("more than {REGISTER_LIMIT} registers in one function")));
        }
        self.registers.extend(names.map(|name| Register { name, ty: ty.to_owned() }));
        Ok(first as RegisterId)
    }

    /// Declares `name` of 1 component, or of several: `name.x`, `name.y`...
    pub(super) fn register(&mut self, name: &'a str, components: u32, ty: &str, line: u32) -> Result<(), LoadError> {
        let flattened = self.flattened(name);
        if components == 1 {
            let id = self.add_registers(std::iter::once(flattened), 1, ty, line)?;
            return self.bind(name, Binding::Register(id), line);
        }
        let names =
            (0..components).map(|component| format!("{flattened}.{}", ["x", "y", "z", "w"][component as usize % 4]));
        let first = self.add_registers(names, components, ty, line)?;
        self.bind(name, Binding::Vector(first, components), line)
    }

    /// Declares `prefix0` to `prefix{count - 1}`.
    pub(super) fn register_range(&mut self, prefix: &'a str, count: u32, ty: &str, line: u32) -> Result<(), LoadError> {
        let suffix = self.flattened("");
        let names = (0..count).map(|number| format!("{prefix}{number}{suffix}"));
        let first = self.add_registers(names, count, ty, line)?;
        let scope = self.open.last_mut().ok_or_else(|| LoadError::new(line, "no scope is open"))?;
        match scope.ranges.insert(prefix, (first, count)) {
            None => Ok(()),
            Some(_) => Err(LoadError::new(line, format!("'{prefix}<..>' is declared twice"))),
        }
    }

    /// Declares a variable, whose name becomes the flattened one.
    pub(super) fn variable(&mut self, name: &'a str, mut variable: Variable, line: u32) -> Result<(), LoadError> {
        variable.name = self.flattened(name);
        self.known(name, line)?;
        self.variables.push(variable);
        Ok(())
    }

    /// Makes the name of a parameter or of a `.callprototype` known; neither is a variable of the body.
    pub(super) fn known(&mut self, name: &'a str, line: u32) -> Result<(), LoadError> {
        let flattened = self.flattened(name);
        self.known.insert(flattened.clone());
        self.bind(name, Binding::Variable(flattened), line)
    }

    /// True for the flattened name of something that is known here.
    pub(super) fn is_variable(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// Makes `.branchtargets` and `.calltargets` known.
    pub(super) fn targets(&mut self, name: &'a str, targets: Vec<&'a str>, line: u32) -> Result<(), LoadError> {
        self.bind(name, Binding::Targets(targets), line)
    }

    pub(super) fn label(&mut self, name: &'a str, instruction: usize, line: u32) -> Result<(), LoadError> {
        match self.labels.insert((self.current(), name), instruction) {
            None => Ok(()),
            Some(_) => Err(LoadError::new(line, format!("label '{name}' stands twice in one scope"))),
        }
    }

    /// What a name stands for where it is used.
    pub(super) fn find(&self, name: &'a str) -> Option<Operand> {
        let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &name[prefix.len()..];
        let number: Option<u32> = if digits.len() > 1 && digits.starts_with('0') { None } else { digits.parse().ok() };
        self.open.iter().rev().find_map(|scope| {
            if let (Some(number), Some(&(first, count))) = (number, scope.ranges.get(prefix))
                && number < count
            {
                return Some(Operand::Register(first + number));
            }
            scope.names.get(name).map(|binding| match binding {
                Binding::Register(id) => Operand::Register(*id),
                Binding::Vector(first, count) => {
                    Operand::Vector((*first..first + count).map(Operand::Register).collect())
                }
                Binding::Variable(name) => Operand::Symbol(name.clone()),
                Binding::Targets(names) => {
                    Operand::List(names.iter().map(|name| Operand::Symbol((*name).to_owned())).collect())
                }
            })
        })
    }

    /// The label that is visible under this name in a scope, by its number.
    pub(super) fn find_label(&self, mut scope: usize, name: &str) -> Option<usize> {
        loop {
            if let Some(&instruction) = self.labels.get(&(scope, name)) {
                return Some(instruction);
            }
            if scope == 0 {
                return None;
            }
            scope = self.parents[scope];
        }
    }
}
