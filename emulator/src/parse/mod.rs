//! PTX text to [`ast::Module`].

use crate::ast;
use crate::error::LoadError;

/// Reads PTX text. Never panics: whatever is not PTX gives an error that names its line.
pub(crate) fn parse(text: &str) -> Result<ast::Module, LoadError> {
    let _ = text;
    Err(LoadError::new(1, "the parser is not there yet"))
}
