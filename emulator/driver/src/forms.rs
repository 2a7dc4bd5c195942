//! The forms of instruction that launches have executed, one line each time that a kernel executes a new one.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ptx_emulator::Kernel;

/// The lines of this process, in a file if the environment names one.
pub struct Forms {
    file: Option<Mutex<(File, BTreeSet<String>)>>,
}

impl Forms {
    /// Appends to the file.
    pub fn new(path: Option<&Path>) -> std::io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: path.map(open).transpose()?.map(|file| Mutex::new((file, BTreeSet::new()))) })
    }

    /// Notes nothing.
    pub fn nowhere() -> Self {
        Self { file: None }
    }

    /// A launch of this kernel has ended well.
    pub fn note(&self, kernel: &Kernel) {
        let Some(file) = &self.file else { return };
        let (file, known) = &mut *file.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = kernel.executed().into_iter().map(|form| format!("{}\t{form}\n", kernel.name()));
        let new: String = lines.filter(|line| known.insert(line.clone())).collect();
        // A full disk must not fail the launch.
        let _ = file.write_all(new.as_bytes());
    }
}
