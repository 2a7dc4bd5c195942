//! The record of calls: one line each, in the order in which they end.
//!
//! `cuStreamWaitEvent(stream=0x7e0000000040, event=0x7e0000000050, flags=0) = 0`; a created handle or address follows as `-> 0x7e...`, an injected
//! failure is marked `injected`, and the text of a fault stands on lines of its own that begin with `!`.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::abi::CuResult;

/// A call's arguments by name.
pub type Arguments<'a> = &'a [(&'static str, u64)];

thread_local! {
    /// The calls of this thread, while `ptx_emulator_driver_record_begin` is in force.
    static HERE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The record in a file, of every thread.
pub struct Record {
    file: Option<Mutex<File>>,
}

impl Record {
    /// Appends to the file, or records for single threads alone.
    pub fn new(path: Option<&Path>) -> std::io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path).map(Mutex::new);
        Ok(Self { file: path.map(open).transpose()? })
    }

    /// Records for single threads alone.
    pub fn in_memory() -> Self {
        Self { file: None }
    }

    /// Whether anybody would read a line of this thread.
    pub fn wanted(&self) -> bool {
        self.file.is_some() || HERE.try_with(|here| here.borrow().is_some()).unwrap_or(false)
    }

    /// One call that has ended.
    pub fn call(&self, name: &str, arguments: Arguments, code: CuResult, result: Option<u64>, injected: bool) {
        if !self.wanted() {
            return;
        }
        let mut line = format!("{name}(");
        for (index, (argument, value)) in arguments.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(line, "{separator}{argument}={}", Value(*value));
        }
        let _ = write!(line, ") = {code}");
        if let Some(result) = result {
            let _ = write!(line, " -> {}", Value(result));
        }
        if injected {
            line.push_str(" injected");
        }
        self.line(&line);
    }

    /// A remark, such as the text of a fault, on standard error and in the record.
    pub fn remark(&self, text: &str) {
        eprintln!("ptx-emulator driver: {text}");
        self.note(text);
    }

    /// A remark on what programs meet and cope with, in the record alone: each of its lines is marked with `!`.
    pub fn note(&self, text: &str) {
        if self.wanted() {
            text.lines().for_each(|line| self.line(&format!("! {line}")));
        }
    }

    fn line(&self, line: &str) {
        // A call from a thread that is ending finds nothing here, and is in the file alone.
        let _ = HERE.try_with(|here| {
            if let Some(text) = here.borrow_mut().as_mut() {
                text.push_str(line);
                text.push('\n');
            }
        });
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // One write call a line, so that lines of several processes do not mix. A full disk must not fail the caller's call.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// Starts an empty record of this thread's calls.
pub fn begin_here() {
    HERE.set(Some(String::new()));
}

/// Reads this thread's record, and ends it when `read` says so.
pub fn take_here(read: impl FnOnce(&str) -> bool) {
    HERE.with_borrow_mut(|here| {
        if read(here.as_deref().unwrap_or_default()) {
            *here = None;
        }
    });
}

/// Small numbers in decimal, handles and addresses in hexadecimal.
struct Value(u64);

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 1 << 40 { write!(f, "{}", self.0) } else { write!(f, "{:#x}", self.0) }
    }
}
