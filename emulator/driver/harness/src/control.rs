//! The emulated driver's own functions, of the library that this process has loaded as its CUDA driver.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use libloading::Library;

/// A recorded call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub name: String,
    /// Its arguments by name.
    pub arguments: Vec<(String, u64)>,
    /// What it gave: a `CUresult`.
    pub code: i32,
    /// A handle, an address or a number that it gave, where there was one.
    pub result: Option<u64>,
    /// Whether the failure was injected.
    pub injected: bool,
}

impl Call {
    /// An argument's value.
    ///
    /// # Panics
    /// When the function has no such argument.
    pub fn argument(&self, name: &str) -> u64 {
        let found = self.arguments.iter().find(|(argument, _)| argument == name);
        found.unwrap_or_else(|| panic!("{} has no argument {name}: {:?}", self.name, self.arguments)).1
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, rest) = rest.split_once(") = ")?;
        let arguments = arguments.split(", ").filter_map(|argument| argument.split_once('='));
        let arguments =
            arguments.map(|(name, value)| Some((name.to_owned(), number(value)?))).collect::<Option<_>>()?;
        let mut words = rest.split(' ');
        let code = words.next()?.parse().ok()?;
        let words: Vec<_> = words.collect();
        let result = words.iter().position(|word| *word == "->").and_then(|at| number(words.get(at + 1)?));
        Some(Self { name: name.to_owned(), arguments, code, result, injected: words.contains(&"injected") })
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Runs `f` and gives its result with the driver calls that this thread made meanwhile, in order.
///
/// # Panics
/// Without the emulated driver.
pub fn record<R>(f: impl FnOnce() -> R) -> (R, Vec<Call>) {
    let functions = functions();
    (functions.record_begin)();
    let result = f();
    // SAFETY: a null buffer with no room is allowed, and asks for the length.
    let length = unsafe { (functions.record_take)(std::ptr::null_mut(), 0) };
    let mut text = vec![0; length.max(1)];
    // SAFETY: the buffer holds this many bytes.
    unsafe { (functions.record_take)(text.as_mut_ptr(), text.len()) };
    text.truncate(length);
    let text = String::from_utf8(text).expect("the record is text");
    let calls = text.lines().filter(|line| !line.starts_with('!'));
    (result, calls.map(|line| Call::parse(line).unwrap_or_else(|| panic!("not a call: {line}"))).collect())
}

/// Makes this thread's `call`th next call of a driver function (counted from 1; 0: every one) fail with a `CUresult`, without effect.
///
/// # Panics
/// Without the emulated driver, or when the name cannot be one or the code is no failure.
pub fn fail(function: &str, call: u32, code: i32) {
    let name = CString::new(function).expect("a function name has no NUL");
    // SAFETY: the name ends with a NUL.
    let wrong = unsafe { (functions().fail)(name.as_ptr(), call, code) };
    assert_eq!(wrong, 0, "{function} cannot fail with {code}");
}

/// Takes back what [`fail`] has armed for a function in this thread.
///
/// # Panics
/// Without the emulated driver, or when the name cannot be one.
pub fn forgive(function: &str) {
    let name = CString::new(function).expect("a function name has no NUL");
    // SAFETY: the name ends with a NUL.
    unsafe { (functions().fail)(name.as_ptr(), 0, 0) };
}

/// Whether this thread's launches run, or are checked alone.
///
/// # Panics
/// Without the emulated driver.
pub fn execute_launches(on: bool) {
    (functions().execute)(on.into());
}

struct Functions {
    record_begin: extern "C" fn(),
    record_take: unsafe extern "C" fn(*mut u8, usize) -> usize,
    fail: unsafe extern "C" fn(*const c_char, u32, i32) -> i32,
    execute: extern "C" fn(i32) -> i32,
    /// Keeps the functions where they are.
    _library: Library,
}

fn functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(|| load().expect("this process runs under the emulated driver"))
}

fn load() -> Result<Functions, libloading::Error> {
    // SAFETY: the emulated driver's initialisers do nothing, and neither do a real driver's before `cuInit`.
    let library = unsafe { Library::new("libcuda.so.1")? };
    // SAFETY: the emulated driver exports these under these types, and nothing else exports them.
    unsafe {
        Ok(Functions {
            record_begin: *library.get(b"ptx_emulator_driver_record_begin")?,
            record_take: *library.get(b"ptx_emulator_driver_record_take")?,
            fail: *library.get(b"ptx_emulator_driver_fail")?,
            execute: *library.get(b"ptx_emulator_driver_execute")?,
            _library: library,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back() {
        let call = Call::parse("cuEventRecord(event=0x7e00000000000010, stream=0) = 0").unwrap();
        assert_eq!((call.name.as_str(), call.code, call.result, call.injected), ("cuEventRecord", 0, None, false));
        assert_eq!((call.argument("event"), call.argument("stream")), (0x7e00_0000_0000_0010, 0));
        let call = Call::parse("cuInit(flags=0) = 999 injected").unwrap();
        assert!(call.injected);
        let call = Call::parse("cuCtxGetCurrent() = 0 -> 0x7e00000000000020").unwrap();
        assert_eq!((call.arguments.len(), call.result), (0, Some(0x7e00_0000_0000_0020)));
        assert_eq!(Call::parse("nonsense"), None);
    }
}
