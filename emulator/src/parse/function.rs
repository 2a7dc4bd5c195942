//! Entries and functions: head, scopes and instructions.

use std::collections::{HashMap, HashSet};

use super::constant;
use super::lex::Cursor;
use super::operand::operand;
use super::scope::Scopes;
use super::variable::{declarator, qualifiers};
use crate::ast::{Function, Guard, Instruction, Operand, SourceRef, Variable};
use crate::error::LoadError;

/// Calls inside one another that `.loc` lines may tell of.
const INLINE_LIMIT: usize = 64;

/// A place of a `.loc` line: file, line and column.
type Place = (u32, u32, u32);

/// What the body of a function grows into.
pub(super) struct Body<'m, 'a> {
    pub(super) scopes: Scopes<'a>,
    /// Names of the module's variables and functions.
    symbols: &'m HashSet<&'a str>,
    instructions: Vec<Instruction>,
    /// Instructions with a name that no declaration stood for yet, and the scope they are in: labels, most of them.
    pending: Vec<(usize, usize)>,
    /// The source lines in force.
    source: Vec<SourceRef>,
    /// Where the function around a place was called, for places of inlined code.
    callers: HashMap<Place, Place>,
}

/// Reads a function behind `.entry` or `.func`. `None` for a declaration without a body.
pub(super) fn function<'a>(
    cursor: &mut Cursor<'a>,
    is_entry: bool,
    symbols: &mut HashSet<&'a str>,
) -> Result<Option<Function>, LoadError> {
    let mut scopes = Scopes::new();
    cursor.peek();
    while cursor.eat_directive("attribute") {
        cursor.skip_balanced(b'(', b')')?;
    }
    let returns = if cursor.peek() == Some(b'(') { parameters(cursor, &mut scopes)? } else { Vec::new() };
    let name = cursor.name("the name of a function")?;
    let line = cursor.line();
    symbols.insert(name);
    let params = if cursor.peek() == Some(b'(') { parameters(cursor, &mut scopes)? } else { Vec::new() };
    let mut head = Function { name: name.to_owned(), is_entry, returns, params, line, ..Function::default() };
    directives(cursor, &mut head)?;
    if cursor.eat(b';') {
        return Ok(None);
    }
    cursor.expect(b'{')?;
    let mut body = Body {
        scopes,
        symbols,
        instructions: Vec::new(),
        pending: Vec::new(),
        source: Vec::new(),
        callers: HashMap::new(),
    };
    while body.statement(cursor)? {}
    body.resolve_labels()?;
    head.registers = body.scopes.registers;
    head.variables = body.scopes.variables;
    head.body = body.instructions;
    Ok(Some(head))
}

/// `(.param .u64 a, .param .align 8 .b8 b[48])`.
fn parameters<'a>(cursor: &mut Cursor<'a>, scopes: &mut Scopes<'a>) -> Result<Vec<Variable>, LoadError> {
    cursor.expect(b'(')?;
    let mut found = Vec::new();
    if cursor.eat(b')') {
        return Ok(found);
    }
    loop {
        match cursor.directive()? {
            "param" => {}
            other => return Err(cursor.error(format!("a parameter in '.{other}' is not supported, only '.param'"))),
        }
        let qualifiers = qualifiers(cursor)?;
        let (name, variable) = declarator(cursor, "param", qualifiers)?;
        scopes.known(name, cursor.line())?;
        found.push(variable);
        if !cursor.eat(b',') {
            cursor.expect(b')')?;
            return Ok(found);
        }
    }
}

/// The performance-tuning directives between the head and the body.
fn directives(cursor: &mut Cursor<'_>, function: &mut Function) -> Result<(), LoadError> {
    while let Some(word) = cursor.dotted() {
        match word {
            "maxntid" => function.max_threads = Some(dimensions(cursor)?),
            "reqntid" => function.required_threads = Some(dimensions(cursor)?),
            "reqnctapercluster" => function.required_cluster = Some(dimensions(cursor)?),
            "maxnreg" => function.max_registers = Some(cursor.small::<u32>("a count")?),
            "minnctapersm" => function.min_blocks = cursor.small::<u32>("a count")?,
            "maxnctapersm" | "maxclusterrank" | "abi_preserve" | "abi_preserve_control" => {
                cursor.small::<u32>("a count")?;
            }
            "noreturn" | "explicitcluster" | "blocksareclusters" => {}
            "pragma" => pragma(cursor)?,
            "attribute" => cursor.skip_balanced(b'(', b')')?,
            other => return Err(cursor.error(format!("unknown directive '.{other}' of a function"))),
        }
    }
    Ok(())
}

/// `.pragma "nounroll";`: hints, all of them.
pub(super) fn pragma(cursor: &mut Cursor<'_>) -> Result<(), LoadError> {
    cursor.string()?;
    while cursor.eat(b',') {
        cursor.string()?;
    }
    cursor.expect(b';')
}

/// One to three numbers; missing ones are 1.
fn dimensions(cursor: &mut Cursor<'_>) -> Result<[u32; 3], LoadError> {
    let mut found = [cursor.small("a dimension")?, 1, 1];
    for dimension in &mut found[1..] {
        if !cursor.eat(b',') {
            break;
        }
        *dimension = cursor.small("a dimension")?;
    }
    Ok(found)
}

impl<'a> Body<'_, 'a> {
    /// Reads up to the end of one statement. False behind the function's closing brace.
    fn statement(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, LoadError> {
        match cursor.peek() {
            Some(b'{') => {
                cursor.eat(b'{');
                self.scopes.enter();
            }
            Some(b'}') => {
                cursor.eat(b'}');
                return Ok(self.scopes.leave());
            }
            Some(b';') => {
                cursor.eat(b';');
            }
            Some(b'.') => self.directive(cursor)?,
            Some(b'@') => self.instruction(cursor)?,
            _ => {
                let mut ahead = *cursor;
                let name = ahead.name("an instruction")?;
                if ahead.eat(b':') {
                    *cursor = ahead;
                    self.label(cursor, name)?;
                } else {
                    self.instruction(cursor)?;
                }
            }
        }
        Ok(true)
    }

    /// What follows `name:`.
    fn label(&mut self, cursor: &mut Cursor<'a>, name: &'a str) -> Result<(), LoadError> {
        let line = cursor.line();
        if cursor.eat_directive("branchtargets") || cursor.eat_directive("calltargets") {
            let mut targets = vec![cursor.name("a target")?];
            while cursor.eat(b',') {
                targets.push(cursor.name("a target")?);
            }
            cursor.expect(b';')?;
            return self.scopes.targets(name, targets, line);
        }
        if cursor.eat_directive("callprototype") {
            // The caller's own `.param` variables say all that a call needs.
            if cursor.peek() == Some(b'(') {
                cursor.skip_balanced(b'(', b')')?;
            }
            cursor.name("'_'")?;
            if cursor.peek() == Some(b'(') {
                cursor.skip_balanced(b'(', b')')?;
            }
            directives(cursor, &mut Function::default())?;
            cursor.expect(b';')?;
            return self.scopes.known(name, line);
        }
        self.scopes.label(name, self.instructions.len(), line)
    }

    fn directive(&mut self, cursor: &mut Cursor<'a>) -> Result<(), LoadError> {
        match cursor.directive()? {
            "reg" => self.registers(cursor),
            space @ ("local" | "shared" | "param" | "global" | "const") => {
                let qualifiers = qualifiers(cursor)?;
                loop {
                    let (name, variable) = declarator(cursor, space, qualifiers)?;
                    self.scopes.variable(name, variable, cursor.line())?;
                    if !cursor.eat(b',') {
                        return cursor.expect(b';');
                    }
                }
            }
            "loc" => self.location(cursor),
            "pragma" => pragma(cursor),
            other => Err(cursor.error(format!("unknown directive '.{other}' in a function"))),
        }
    }

    /// `.reg .b32 %r<12>, %x;`
    fn registers(&mut self, cursor: &mut Cursor<'a>) -> Result<(), LoadError> {
        let qualifiers = qualifiers(cursor)?;
        loop {
            let name = cursor.name("the name of a register")?;
            let line = cursor.line();
            if cursor.eat(b'<') {
                let count = cursor.small("a number of registers")?;
                cursor.expect(b'>')?;
                self.scopes.register_range(name, count, qualifiers.ty, line)?;
            } else {
                self.scopes.register(name, qualifiers.components, qualifiers.ty, line)?;
            }
            if !cursor.eat(b',') {
                return cursor.expect(b';');
            }
        }
    }

    /// `.loc 1 12 73, function_name $L__info_string0, inlined_at 1 18 3`. A line names one caller; that caller's own comes
    /// from the `.loc` line of its place, which stands before.
    fn location(&mut self, cursor: &mut Cursor<'a>) -> Result<(), LoadError> {
        let place = place(cursor)?;
        let mut caller = None;
        while cursor.eat(b',') {
            match cursor.name("'function_name' or 'inlined_at'")? {
                "function_name" => {
                    cursor.name("a label")?;
                    constant::offset(cursor)?;
                }
                "inlined_at" => caller = Some(self::place(cursor)?),
                other => return Err(cursor.error(format!("unknown attribute '{other}' of .loc"))),
            }
        }
        match caller {
            Some(caller) => self.callers.insert(place, caller),
            None => self.callers.remove(&place),
        };
        self.source.clear();
        let mut next = Some(&place);
        while let Some(&(file, line, _)) = next
            && self.source.len() < INLINE_LIMIT
        {
            self.source.push(SourceRef { file, line });
            next = next.and_then(|place| self.callers.get(place));
        }
        Ok(())
    }

    fn instruction(&mut self, cursor: &mut Cursor<'a>) -> Result<(), LoadError> {
        cursor.peek();
        let (line, start) = (cursor.line(), cursor.mark());
        let guard = if cursor.eat(b'@') { Some(self.guard(cursor)?) } else { None };
        let opcode = cursor.name("an instruction")?.to_owned();
        let mut modifiers = Vec::new();
        while let Some(modifier) = cursor.dotted() {
            modifiers.push(modifier.to_owned());
        }
        let is_call = opcode == "call";
        let mut operands = Vec::new();
        let mut is_pending = false;
        if cursor.peek() != Some(b';') {
            loop {
                let operand = operand(cursor, self, is_call)?;
                is_pending |= self.is_open(&operand);
                operands.push(operand);
                if !cursor.eat(b',') {
                    break;
                }
            }
        }
        if cursor.peek() != Some(b';') {
            return Err(cursor.unexpected("',' or ';'"));
        }
        let (text, span) = (fold(cursor.since(start)), start..cursor.mark());
        cursor.eat(b';');
        if is_pending {
            self.pending.push((self.instructions.len(), self.scopes.current()));
        }
        let source = self.source.clone();
        self.instructions.push(Instruction { guard, opcode, modifiers, operands, line, source, text, span });
        Ok(())
    }

    fn guard(&mut self, cursor: &mut Cursor<'a>) -> Result<Guard, LoadError> {
        let negated = cursor.eat(b'!');
        let name = cursor.name("a predicate")?;
        match self.scopes.find(name) {
            Some(Operand::Register(register)) => Ok(Guard { register, negated }),
            _ => Err(cursor.error(format!("the guard '{name}' is not a register"))),
        }
    }

    /// A symbol that no variable of this function stands for: a label, or a name of the module.
    fn is_open(&self, operand: &Operand) -> bool {
        match operand {
            Operand::Symbol(name) => !self.scopes.is_variable(name),
            Operand::List(operands) => operands.iter().any(|operand| self.is_open(operand)),
            _ => false,
        }
    }

    /// Refuses an unknown symbol where no label can stand.
    pub(super) fn check_symbol(&self, operand: &Operand, line: u32) -> Result<(), LoadError> {
        match operand {
            Operand::Symbol(name) if self.is_open(operand) && !self.symbols.contains(name.as_str()) => {
                Err(unknown(name, line))
            }
            _ => Ok(()),
        }
    }

    /// Turns the names that were left over into labels, or leaves them to the module.
    fn resolve_labels(&mut self) -> Result<(), LoadError> {
        for (index, scope) in std::mem::take(&mut self.pending) {
            let mut operands = std::mem::take(&mut self.instructions[index].operands);
            for operand in &mut operands {
                self.resolve(operand, scope, self.instructions[index].line)?;
            }
            self.instructions[index].operands = operands;
        }
        Ok(())
    }

    fn resolve(&self, operand: &mut Operand, scope: usize, line: u32) -> Result<(), LoadError> {
        match operand {
            Operand::Symbol(name) if !self.scopes.is_variable(name) => match self.scopes.find_label(scope, name) {
                Some(label) => {
                    *operand = Operand::Label(label);
                    Ok(())
                }
                None if self.symbols.contains(name.as_str()) => Ok(()),
                None => Err(unknown(name, line)),
            },
            Operand::List(operands) => operands.iter_mut().try_for_each(|operand| self.resolve(operand, scope, line)),
            _ => Ok(()),
        }
    }
}

fn unknown(name: &str, line: u32) -> LoadError {
    LoadError::new(line, format!("unknown name '{name}'"))
}

fn place(cursor: &mut Cursor<'_>) -> Result<Place, LoadError> {
    Ok((cursor.small("a file number")?, cursor.small("a line")?, cursor.small("a column")?))
}

/// The text with each run of white space as one space, comments left out.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut cursor = Cursor::new(text);
    while cursor.peek().is_some() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(cursor.solid());
    }
    folded
}
