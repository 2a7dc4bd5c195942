//! Injected failures: the nth call of a function gives a code of the test's choice and does nothing.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::abi::CuResult;

/// An armed failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The function, by its exported name.
    pub function: String,
    /// How many more calls until it fails: 1 is the next one. `None`: every call fails.
    pub remaining: Option<u32>,
    /// What it gives.
    pub code: CuResult,
}

thread_local! {
    static ARMED_HERE: Cell<bool> = const { Cell::new(false) };
    static HERE: RefCell<Vec<Failure>> = const { RefCell::new(Vec::new()) };
}

/// Failures of the whole process, from the environment.
pub struct Failures {
    armed: AtomicBool,
    list: Mutex<Vec<Failure>>,
}

impl Failures {
    /// Arms these.
    pub fn new(list: Vec<Failure>) -> Self {
        Self { armed: AtomicBool::new(!list.is_empty()), list: Mutex::new(list) }
    }

    /// Counts this call, and gives the code with which it has to fail.
    pub fn due(&self, function: &str) -> Option<CuResult> {
        let here = ARMED_HERE.get().then(|| HERE.with_borrow_mut(|list| count(list, function))).flatten();
        if here.is_some() || !self.armed.load(Ordering::Relaxed) {
            return here;
        }
        count(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner), function)
    }
}

/// Arms a failure for this thread.
pub fn arm_here(failure: Failure) {
    HERE.with_borrow_mut(|list| list.push(failure));
    ARMED_HERE.set(true);
}

/// Takes back this thread's failures of a function.
pub fn disarm_here(function: &str) {
    HERE.with_borrow_mut(|list| {
        list.retain(|failure| failure.function != function);
        ARMED_HERE.set(!list.is_empty());
    });
}

fn count(list: &mut Vec<Failure>, function: &str) -> Option<CuResult> {
    let mut due = None;
    list.retain_mut(|failure| {
        if failure.function != function {
            return true;
        }
        match &mut failure.remaining {
            None => due = due.or(Some(failure.code)),
            Some(1) => {
                due = due.or(Some(failure.code));
                return false;
            }
            Some(remaining) => *remaining -= 1,
        }
        true
    });
    due
}

/// Reads `cuLibraryLoadData:1=209,cuStreamWaitEvent:*=999`.
pub fn parse(text: &str) -> Result<Vec<Failure>, String> {
    text.split(',').filter(|part| !part.trim().is_empty()).map(parse_one).collect()
}

fn parse_one(part: &str) -> Result<Failure, String> {
    let wrong = || format!("{part:?} is not FUNCTION:CALL=CODE, where CALL counts from 1 or is *");
    let (function, rest) = part.trim().split_once(':').ok_or_else(wrong)?;
    let (call, code) = rest.split_once('=').ok_or_else(wrong)?;
    let remaining = match call.trim() {
        "*" => None,
        call => Some(call.parse().ok().filter(|call| *call > 0).ok_or_else(wrong)?),
    };
    let code = code.trim().parse().ok().filter(|code| *code > 0).ok_or_else(wrong)?;
    Ok(Failure { function: function.trim().to_owned(), remaining, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_call_fails_and_no_other() {
        let failures = Failures::new(parse("cuA:2=209, cuB:*=999").unwrap());
        assert_eq!([(); 3].map(|()| failures.due("cuA")), [None, Some(209), None]);
        assert_eq!([(); 2].map(|()| failures.due("cuB")), [Some(999), Some(999)]);
        assert_eq!(failures.due("cuC"), None);
    }

    #[test]
    fn a_failure_of_one_thread_spares_the_others() {
        let failures = Failures::new(Vec::new());
        arm_here(Failure { function: "cuA".to_owned(), remaining: Some(1), code: 2 });
        std::thread::scope(|scope| scope.spawn(|| assert_eq!(failures.due("cuA"), None)).join().unwrap());
        assert_eq!(failures.due("cuA"), Some(2));
        arm_here(Failure { function: "cuA".to_owned(), remaining: None, code: 2 });
        disarm_here("cuA");
        assert_eq!(failures.due("cuA"), None);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for text in ["cuA", "cuA:1", "cuA:0=1", "cuA:1=0", "cuA:x=1"] {
            assert!(parse(text).unwrap_err().contains(text), "{text}");
        }
    }
}
