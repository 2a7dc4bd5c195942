//! The file: lines of text that say where it comes from, then for each form a line and its bytes.
//!
//! ```text
//! ptx-emulator golden 1
//! capability 9.0
//! card NVIDIA H100 80GB HBM3
//! ...
//! (an empty line)
//! raw 8192 8f3a... cvt.rn.f16.f32 hd, a; ...
//! (8192 bytes and a line's end; or `digests`, and a digest of 8 bytes of each 512 bytes of results)
//! ```

use std::fmt;

use crate::input::digest;

const HEAD: &str = "ptx-emulator golden 1";

/// Bytes of results for each digest.
const CHUNK: usize = 512;

/// Results of no more bytes are kept whole.
const KEPT: usize = 1024;

/// What a device gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Major and minor compute capability.
    pub capability: (u32, u32),
    /// What else is known of its origin, by name.
    pub about: Vec<(String, String)>,
    /// The forms.
    pub entries: Vec<Entry>,
}

/// What one form gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The form's name.
    pub name: String,
    /// The digest of its inputs.
    pub inputs: u64,
    /// What came out.
    pub results: Results,
}

/// Results of all cases of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Results {
    /// Their bytes.
    Raw(Vec<u8>),
    /// A digest of each 512 bytes: enough to hold exact instructions to.
    Digests(Vec<u64>),
}

impl Results {
    /// The digests of the results; those of these bytes where there are bytes.
    pub fn digests(&self) -> Vec<u64> {
        match self {
            Self::Raw(bytes) => bytes.chunks(CHUNK).map(digest).collect(),
            Self::Digests(digests) => digests.clone(),
        }
    }
}

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The first byte that is not understood.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of a golden file is not {}", self.at, self.expected)
    }
}

impl std::error::Error for FileError {}

impl File {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (major, minor) = self.capability;
        let mut bytes = format!("{HEAD}\ncapability {major}.{minor}\n").into_bytes();
        for (name, value) in &self.about {
            bytes.extend(format!("{name} {}\n", value.replace('\n', " ")).bytes());
        }
        bytes.push(b'\n');
        for Entry { name, inputs, results } in &self.entries {
            let (kind, data) = match results {
                Results::Raw(bytes) => ("raw", bytes.clone()),
                Results::Digests(digests) => ("digests", digests.iter().flat_map(|d| d.to_le_bytes()).collect()),
            };
            bytes.extend(format!("{kind} {} {inputs:016x} {name}\n", data.len()).bytes());
            bytes.extend(data);
            bytes.push(b'\n');
        }
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Where it is not one, or not whole.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let mut reader = Reader { bytes, at: 0 };
        reader.expect(reader.at, reader.peek() == Some(HEAD), HEAD)?;
        reader.line()?;
        let (mut capability, mut about) = (None, Vec::new());
        loop {
            let start = reader.at;
            let line = reader.line()?;
            let Some((name, value)) = line.split_once(' ') else {
                reader.expect(start, line.is_empty(), "a name and a value, or an empty line")?;
                break;
            };
            match name {
                "capability" => {
                    capability = value
                        .split_once('.')
                        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
                }
                _ => about.push((name.to_owned(), value.to_owned())),
            }
        }
        let capability =
            capability.ok_or(FileError { at: reader.at, expected: "after a line `capability MAJOR.MINOR`" })?;
        let mut entries = Vec::new();
        while reader.at < bytes.len() {
            entries.push(reader.entry()?);
        }
        Ok(Self { capability, about, entries })
    }

    /// The same file with digests in place of the results of `exact` forms that have many.
    #[must_use]
    pub fn packed(mut self, exact: impl Fn(&str) -> bool) -> Self {
        for entry in &mut self.entries {
            if matches!(&entry.results, Results::Raw(bytes) if bytes.len() > KEPT) && exact(&entry.name) {
                entry.results = Results::Digests(entry.results.digests());
            }
        }
        self
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn expect(&self, at: usize, is_so: bool, expected: &'static str) -> Result<(), FileError> {
        if is_so { Ok(()) } else { Err(FileError { at, expected }) }
    }

    fn peek(&self) -> Option<&'a str> {
        let rest = self.bytes.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    fn line(&mut self) -> Result<&'a str, FileError> {
        let line = self.peek().ok_or(FileError { at: self.at, expected: "a line of text" })?;
        self.at += line.len() + 1;
        Ok(line)
    }

    fn entry(&mut self) -> Result<Entry, FileError> {
        let start = self.at;
        let wrong = FileError { at: start, expected: "`raw` or `digests`, bytes, a digest and a name" };
        let line = self.line()?;
        let mut words = line.splitn(4, ' ');
        let (Some(kind), Some(count), Some(inputs), Some(name)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong);
        };
        let (Ok(count), Ok(inputs)) = (count.parse::<usize>(), u64::from_str_radix(inputs, 16)) else {
            return Err(wrong);
        };
        let end = self.at.checked_add(count).filter(|end| self.bytes.get(*end) == Some(&b'\n'));
        let end = end.ok_or(FileError { at: self.at, expected: "so many bytes of results and a line's end" })?;
        let data = &self.bytes[self.at..end];
        self.at = end + 1;
        let results = match kind {
            "raw" => Results::Raw(data.to_vec()),
            "digests" if count % 8 == 0 => {
                let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
                Results::Digests(data.chunks_exact(8).map(number).collect())
            }
            _ => return Err(wrong),
        };
        Ok(Entry { name: name.to_owned(), inputs, results })
    }
}
