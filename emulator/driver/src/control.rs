//! What a test may ask of the driver that it runs on, by exported functions of its own. All of it concerns the calling thread alone, so tests of one
//! process do not disturb each other.

use std::cell::Cell;
use std::ffi::{CStr, c_char};

use crate::inject::{self, Failure};
use crate::record;

thread_local! {
    static EXECUTING: Cell<bool> = const { Cell::new(true) };
}

/// Whether launches of this thread run.
pub fn executing() -> bool {
    EXECUTING.get()
}

/// Starts an empty record of the calling thread's calls.
#[unsafe(no_mangle)]
pub extern "C" fn ptx_emulator_driver_record_begin() {
    record::begin_here();
}

/// Copies the calling thread's record to a buffer and gives its length in bytes; ends the record if it fitted.
///
/// # Safety
/// `buffer` is null, if `capacity` is 0, or valid for `capacity` writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptx_emulator_driver_record_take(buffer: *mut u8, capacity: usize) -> usize {
    let mut length = 0;
    record::take_here(|text| {
        length = text.len();
        let fits = length <= capacity && !buffer.is_null();
        if fits {
            // SAFETY: the buffer is not null and holds `capacity` bytes, at least the text's length.
            unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer, length) };
        }
        fits
    });
    length
}

/// Makes the calling thread's `call`th next call of a function (counted from 1; 0 means every one) fail with a code, without effect; the code 0
/// takes back what was armed for the function. Gives 0, or 1 when an argument is wrong.
///
/// # Safety
/// `function` is null or text with a closing NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptx_emulator_driver_fail(function: *const c_char, call: u32, code: i32) -> i32 {
    if function.is_null() || code < 0 {
        return 1;
    }
    // SAFETY: not null, and so text with a closing NUL by this function's contract.
    let Ok(function) = unsafe { CStr::from_ptr(function) }.to_str() else { return 1 };
    if code == 0 {
        inject::disarm_here(function);
        return 0;
    }
    inject::arm_here(Failure { function: function.to_owned(), remaining: (call > 0).then_some(call), code });
    0
}

/// Switches the execution of the calling thread's launches off (0) or on: they are checked all the same. For measurements of what a launch costs the
/// host. Gives the old setting.
#[unsafe(no_mangle)]
pub extern "C" fn ptx_emulator_driver_execute(on: i32) -> i32 {
    EXECUTING.replace(on != 0).into()
}
