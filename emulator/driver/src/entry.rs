//! The frame around every exported function: initialisation, injected failures, panics, the record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::abi::CuResult;
use crate::error::{CudaError, Outcome};
use crate::record::Arguments;
use crate::state::Driver;

/// A result that the record may show.
pub trait Recorded {
    /// The handle, address or number, if there is one.
    fn recorded(&self) -> Option<u64>;
}

impl Recorded for () {
    fn recorded(&self) -> Option<u64> {
        None
    }
}

impl Recorded for usize {
    fn recorded(&self) -> Option<u64> {
        Some(*self as u64)
    }
}

impl Recorded for u64 {
    fn recorded(&self) -> Option<u64> {
        Some(*self)
    }
}

impl Recorded for u32 {
    fn recorded(&self) -> Option<u64> {
        Some(u64::from(*self))
    }
}

impl Recorded for i32 {
    fn recorded(&self) -> Option<u64> {
        Some(*self as u64)
    }
}

/// A function that needs `cuInit` to have been called.
pub fn entry<T: Recorded>(
    name: &'static str,
    arguments: Arguments,
    body: impl FnOnce(&'static Driver) -> Outcome<T>,
) -> CuResult {
    anytime(name, arguments, |driver| {
        driver.require_init()?;
        body(driver)
    })
}

/// A function that works before `cuInit` too.
pub fn anytime<T: Recorded>(
    name: &'static str,
    arguments: Arguments,
    body: impl FnOnce(&'static Driver) -> Outcome<T>,
) -> CuResult {
    let framed = || {
        let driver = Driver::get();
        let injected = driver.failures.due(name);
        let outcome = match injected {
            Some(code) => Err(CudaError(code)),
            None => catch_unwind(AssertUnwindSafe(|| body(driver))).unwrap_or_else(|panic| {
                driver.record.remark(&format!("{name} panicked: {}", message_of(panic.as_ref())));
                Err(CudaError::UNKNOWN)
            }),
        };
        let code = outcome.as_ref().map_or_else(|error| error.0, |_| 0);
        driver.record.call(name, arguments, code, outcome.ok().and_then(|value| value.recorded()), injected.is_some());
        code
    };
    // The inner catch serves the record; this one covers the frame itself.
    catch_unwind(AssertUnwindSafe(framed)).unwrap_or(CudaError::UNKNOWN.0)
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_inside() {
        let fails = |message: &'static str| anytime("cuTest", &[], |_| -> Outcome { panic!("{message}") });
        assert_eq!(fails("on purpose"), CudaError::UNKNOWN.0);
        assert_eq!(anytime("cuTest", &[], |_| Ok(())), 0);
    }
}
