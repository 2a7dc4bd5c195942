//! Kernel images: PTX text is read, everything else is refused as a real driver would refuse it on a device that it has no code for.

use std::ffi::{CStr, c_char, c_void};

use ptx_emulator::DeviceModel;

use crate::error::{CudaError, Outcome};
use crate::state::Driver;

/// An image that was read: the emulator's module, and for what devices it is.
pub struct Image {
    pub module: ptx_emulator::Module,
    target: Target,
    /// `.version`: 10 * major + minor.
    pub version: i32,
}

/// A `.target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    /// 10 * major + minor.
    capability: u32,
    /// `a`: this capability alone. `f`: this family alone.
    suffix: Option<char>,
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sm_")?;
        let suffix = digits.chars().last().filter(|last| matches!(last, 'a' | 'f'));
        let capability = digits.trim_end_matches(['a', 'f']).parse().ok()?;
        Some(Self { capability, suffix })
    }

    fn runs_on(self, model: DeviceModel) -> bool {
        let (major, minor) = model.compute_capability();
        let device = 10 * major + minor;
        match self.suffix {
            Some('a') => device == self.capability,
            Some(_) => device >= self.capability && major == self.capability / 10,
            None => device >= self.capability,
        }
    }
}

impl Image {
    /// Whether the device can run it.
    pub fn runs_on(&self, model: DeviceModel) -> bool {
        self.target.runs_on(model)
    }

    /// Reads an image. The error's text is for people.
    ///
    /// # Safety
    /// `data` is null or an image as the driver API takes it: text with a closing NUL, or a binary that begins with its magic number.
    pub unsafe fn read(driver: &Driver, data: *const c_void) -> Result<Self, (CudaError, String)> {
        if data.is_null() {
            return Err((CudaError::INVALID_VALUE, "the image is a null pointer".to_owned()));
        }
        // SAFETY: an image is not empty by this function's contract; a byte is read only after the one before it was not the closing NUL.
        let starts_with =
            |magic: [u8; 4]| unsafe { (0..4).all(|index| data.cast::<u8>().add(index).read() == magic[index]) };
        for (magic, kind) in BINARIES {
            if starts_with(magic) {
                let text = format!("the image is {kind}, and the emulator runs PTX text alone");
                return Err((CudaError::NO_BINARY_FOR_GPU, text));
            }
        }
        // SAFETY: not a binary, so it is text with a closing NUL by this function's contract.
        let text = unsafe { CStr::from_ptr(data.cast::<c_char>()) };
        let text = text
            .to_str()
            .map_err(|_| (CudaError::INVALID_IMAGE, "the image is neither PTX text nor a known binary".to_owned()))?;
        Self::parse(driver.settings.version, text)
    }

    fn parse(driver_version: i32, text: &str) -> Result<Self, (CudaError, String)> {
        let invalid = |what: &str| (CudaError::INVALID_PTX, what.to_owned());
        let version =
            directive(text, ".version").and_then(version_number).ok_or_else(|| invalid("no .version directive"))?;
        let newest = newest_ptx(driver_version);
        if version > newest {
            let (version, newest) = (Dotted(version), Dotted(newest));
            let text = format!("the text is PTX {version}, and driver version {driver_version} knows PTX {newest}");
            return Err((CudaError::UNSUPPORTED_PTX_VERSION, text));
        }
        let target = directive(text, ".target").and_then(|target| Target::parse(target.split(',').next()?.trim()));
        let target = target.ok_or_else(|| invalid("no .target directive that names an sm_NN"))?;
        let module = ptx_emulator::Module::load(text).map_err(|error| invalid(&error.to_string()))?;
        Ok(Self { module, target, version })
    }
}

/// First bytes of what is refused.
const BINARIES: [([u8; 4], &str); 3] = [
    (*b"\x7fELF", "machine code (a cubin)"),
    (0xba55_ed50_u32.to_le_bytes(), "a fat binary"),
    (0x4662_43b1_u32.to_le_bytes(), "a wrapped fat binary"),
];

/// The rest of the line that begins with a directive.
fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        line.trim_start().strip_prefix(name).filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim)
    })
}

fn version_number(text: &str) -> Option<i32> {
    let (major, minor) = text.split_once('.')?;
    let minor = minor.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(10 * major.parse::<i32>().ok()? + minor.parse::<i32>().ok()?)
}

/// The newest PTX version of a driver version (PTX ISA, "Release Notes"): 10 * major + minor.
fn newest_ptx(driver_version: i32) -> i32 {
    match driver_version {
        ..12000 => 70 + (driver_version - 11000).max(0) / 10,
        12000..12060 => 80 + (driver_version - 12000) / 10,
        12060..12070 => 85,
        12070..13000 => 86 + (driver_version - 12070) / 10,
        _ => 90 + (driver_version - 13000) / 10,
    }
}

/// A PTX version for messages.
struct Dotted(i32);

impl std::fmt::Display for Dotted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// The caller's error log among the options of a just-in-time compilation.
pub struct ErrorLog {
    buffer: *mut c_char,
    capacity: usize,
}

/// `CU_JIT_ERROR_LOG_BUFFER`.
const ERROR_LOG_BUFFER: u32 = 5;
/// `CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES`.
const ERROR_LOG_BUFFER_SIZE: u32 = 6;

impl ErrorLog {
    /// Finds the log among the options.
    ///
    /// # Safety
    /// `options` and `values` are null or hold `count` elements.
    pub unsafe fn find(options: *const u32, values: *const *mut c_void, count: u32) -> Self {
        let mut log = Self { buffer: std::ptr::null_mut(), capacity: 0 };
        if options.is_null() || values.is_null() {
            return log;
        }
        for index in 0..count as usize {
            // SAFETY: both arrays hold `count` elements by this function's contract.
            let (option, value) = unsafe { (options.add(index).read(), values.add(index).read()) };
            match option {
                ERROR_LOG_BUFFER => log.buffer = value.cast(),
                // The size is the value itself, not behind a pointer.
                ERROR_LOG_BUFFER_SIZE => log.capacity = value as usize,
                _ => {}
            }
        }
        log
    }

    /// Writes as much of the text as there is room for, and a closing NUL.
    ///
    /// # Safety
    /// The buffer that was given among the options is null or as large as its option says.
    pub unsafe fn write(&self, text: &str) {
        if self.buffer.is_null() || self.capacity == 0 {
            return;
        }
        let kept = text.len().min(self.capacity - 1);
        // SAFETY: the buffer is not null and holds `capacity` bytes, more than `kept`; `kept` is at most the text's length.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), self.buffer, kept);
            self.buffer.add(kept).write(0);
        }
    }
}

/// Reads an image and reports an error to the record and to the caller's log.
///
/// # Safety
/// As [`Image::read`] and [`ErrorLog::write`].
pub unsafe fn load(driver: &Driver, data: *const c_void, log: &ErrorLog) -> Outcome<Image> {
    // SAFETY: as in this function's contract.
    unsafe { Image::read(driver, data) }.map_err(|(error, text)| {
        let text = format!("image refused: {text}");
        // Programs offer one image after another until one is taken; text that cannot be read is worth a look.
        if error == CudaError::INVALID_PTX {
            driver.record.remark(&text)
        } else {
            driver.record.note(&text)
        }
        // SAFETY: as in this function's contract.
        unsafe { log.write(&text) };
        error
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_run_where_nvidia_says() {
        let runs = |target| DeviceModel::ALL.map(|model| Target::parse(target).unwrap().runs_on(model));
        assert_eq!(runs("sm_80"), [true; 5]);
        assert_eq!(runs("sm_86"), [false, true, true, true, true]);
        assert_eq!(runs("sm_90a"), [false, false, false, true, false]);
        assert_eq!(runs("sm_100f"), [false; 5]);
        assert_eq!(runs("sm_120f"), [false, false, false, false, true]);
        assert_eq!(Target::parse("compute_80"), None);
    }

    #[test]
    fn the_newest_ptx_of_each_driver() {
        // CUDA 11.8, 12.0, 12.4, 12.5, 12.6, 12.8, 12.9, 13.0, 13.1 came with these.
        let drivers = [11080, 12000, 12040, 12050, 12060, 12080, 12090, 13000, 13010];
        assert_eq!(drivers.map(newest_ptx), [78, 80, 84, 85, 85, 87, 88, 90, 91]);
    }

    #[test]
    fn the_header_is_read_past_comments() {
        let text = "//\n// made by hand\n.version 8.0\n.target sm_80, debug\n";
        assert_eq!(directive(text, ".version").and_then(version_number), Some(80));
        assert_eq!(directive(text, ".target"), Some("sm_80, debug"));
    }
}
