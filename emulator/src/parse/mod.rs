//! PTX text to [`ast::Module`].
//!
//! One pass with one reading head. Scopes of inline asm are flattened here, so the rest of the emulator sees one list of
//! registers and one list of variables for a function.

mod constant;
mod function;
mod lex;
#[cfg(test)]
mod nvcc_tests;
mod operand;
mod scope;
#[cfg(test)]
mod tests;
mod variable;

use std::collections::HashSet;

use crate::ast::Module;
use crate::error::LoadError;
use lex::Cursor;

/// Reads PTX text. Never panics: whatever is not PTX gives an error that names its line.
pub(crate) fn parse(text: &str) -> Result<Module, LoadError> {
    let mut cursor = Cursor::new(text);
    let mut module = Module::default();
    let mut symbols = HashSet::new();
    while cursor.peek().is_some() {
        item(&mut cursor, &mut module, &mut symbols)?;
    }
    if module.version == (0, 0) {
        return Err(cursor.error("the text has no .version, so it is not PTX"));
    }
    Ok(module)
}

/// One directive at module scope.
fn item<'a>(cursor: &mut Cursor<'a>, module: &mut Module, symbols: &mut HashSet<&'a str>) -> Result<(), LoadError> {
    let mut is_extern = false;
    loop {
        match cursor.directive()? {
            "version" => {
                let major = cursor.small("a version")?;
                cursor.expect(b'.')?;
                module.version = (major, cursor.small("a version")?);
            }
            "target" => {
                module.target = cursor.name("a target")?.to_owned();
                while cursor.eat(b',') {
                    cursor.name("a target option")?;
                }
            }
            "address_size" => {
                let bits: u32 = cursor.small("an address size")?;
                if bits != 64 {
                    return Err(cursor.error(format!("{bits}-bit addresses are not supported")));
                }
            }
            "file" => {
                let number = cursor.small("a file number")?;
                let name = cursor.string()?;
                // A time stamp and a size may follow.
                while cursor.eat(b',') {
                    cursor.small::<u64>("a time stamp or size")?;
                }
                module.files.push((number, name));
            }
            "section" => {
                cursor.dotted().map_or_else(|| cursor.name("the name of a section"), Ok)?;
                cursor.skip_block()?;
            }
            "pragma" => function::pragma(cursor)?,
            "extern" => {
                is_extern = true;
                continue;
            }
            "visible" | "weak" | "common" => continue,
            kind @ ("entry" | "func") => {
                module.functions.extend(function::function(cursor, kind == "entry", symbols)?);
            }
            space @ ("global" | "const" | "shared") => {
                let qualifiers = variable::qualifiers(cursor)?;
                loop {
                    let (name, mut variable) = variable::declarator(cursor, space, qualifiers)?;
                    variable.is_extern = is_extern;
                    symbols.insert(name);
                    module.variables.push(variable);
                    if !cursor.eat(b',') {
                        cursor.expect(b';')?;
                        break;
                    }
                }
            }
            other => return Err(cursor.error(format!("unknown directive '.{other}'"))),
        }
        return Ok(());
    }
}
