//! What can go wrong before a kernel runs.

/// PTX text that cannot be loaded: it is malformed, or it uses something that the emulator does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("PTX line {line}: {what}")]
pub struct LoadError {
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// What is wrong there, naming the offending word.
    pub what: String,
}

impl LoadError {
    /// An error at a line.
    pub(crate) fn new(line: u32, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}
