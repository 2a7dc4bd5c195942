//! What can go wrong, as values that name the operation, the argument, what was expected and what came.

use crate::device::{ComputeCapability, ImageArch};
use crate::element::DType;
use crate::view::{Shape, Strides};

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Formatting an error never calls the driver, so it is safe where there is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This machine has no CUDA driver that can be loaded.
    #[error("no CUDA driver: none of {tried:?} can be loaded")]
    DriverUnavailable {
        /// The names under which the driver's library was looked for.
        tried: &'static [&'static str],
    },

    /// The CUDA driver lacks functions that are needed here. A newer driver cures it; the toolkit does not matter.
    #[error(
        "the CUDA driver supports CUDA {}.{}, and {}.{} is needed: install a newer driver",
        version / 1000, version % 1000 / 10, required / 1000, required % 1000 / 10
    )]
    DriverTooOld {
        /// What `cuDriverGetVersion` answered: 1000 times the major version plus 10 times the minor.
        version: i32,
        /// The least that will do, in the same form.
        required: i32,
    },

    /// No embedded image of a kernel runs on the device.
    #[error(
        "kernel `{kernel}` was built for {}, and none of these runs on compute capability {device}{}",
        list(built), refusal(*refused)
    )]
    NoKernelImage {
        /// The kernel.
        kernel: &'static str,
        /// The device's compute capability.
        device: ComputeCapability,
        /// Everything that was built: machine code first, then PTX.
        built: Vec<ImageArch>,
        /// The `CUresult` with which the driver refused the last image that should have run; 222 means that the driver is
        /// older than the PTX.
        refused: Option<i32>,
    },

    /// The crate was built without nvcc and without prebuilt images, so it has no kernels.
    #[error(
        "kernel `{kernel}` was not built: this build had no nvcc and was told to go on without (WARPSMITH_SKIP_NVCC or DOCS_RS)"
    )]
    KernelsNotBuilt {
        /// The kernel.
        kernel: &'static str,
    },

    /// An embedded image could not be read.
    #[error("image `{image}` cannot be loaded: {what}")]
    ImageRefused {
        /// The image: the name of its `.cu` file.
        image: &'static str,
        /// What is wrong with it, and where.
        what: String,
    },

    /// A kernel was to be loaded while its stream was being captured.
    #[error(
        "kernel `{kernel}` is not loaded yet, and nothing can be loaded during a capture: call `preload` before it"
    )]
    NotPreloaded {
        /// The kernel.
        kernel: &'static str,
    },

    /// There is no kernel for this combination.
    #[error("{op}: {what} is not supported; supported: {supported}")]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// What was asked for.
        what: String,
        /// What could have been asked for.
        supported: &'static str,
    },

    /// An argument has a wrong shape.
    #[error("{op}: the shape of `{argument}` is {got:?}, expected {expected}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// The shape that it should have.
        expected: String,
        /// The shape that it has.
        got: Shape,
    },

    /// An argument has strides that the operation cannot take.
    #[error("{op}: the strides of `{argument}` are {got:?}, expected {expected}")]
    Stride {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// What is required of them.
        expected: String,
        /// The strides, in elements.
        got: Strides,
    },

    /// An argument has a wrong element type.
    #[error("{op}: `{argument}` holds {got}, expected {expected}")]
    DType {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// The element type that it should have.
        expected: DType,
        /// The element type that it has.
        got: DType,
    },

    /// An argument's address, or that of its next element along some dimension, is not a multiple of what the operation needs.
    #[error("{op}: the address {address:#x} of `{argument}` is not a multiple of {required}")]
    Misaligned {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// The address: that of the first element, or of the second along a dimension whose stride is at fault.
        address: u64,
        /// What it has to be a multiple of, in bytes.
        required: u64,
    },

    /// An argument has a null address, though it has elements.
    #[error("{op}: `{argument}` has elements but a null address")]
    Null {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
    },

    /// An output shares memory with another argument, or with itself.
    #[error("{op}: the output `{argument}` overlaps `{other}`")]
    Aliasing {
        /// The operation.
        op: &'static str,
        /// The output.
        argument: &'static str,
        /// What it overlaps.
        other: &'static str,
    },

    /// A list has the wrong number of entries.
    #[error("{op}: {got} of `{argument}`, expected {expected}")]
    Count {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },

    /// A tensor is not where it was when the table of addresses was made that kernels read.
    #[error("{op}: `{argument}` lies at {got:#x} and was at {expected:#x} when the table was made")]
    Moved {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// Its address in the table.
        expected: u64,
        /// Its address now.
        got: u64,
    },

    /// Something is wrong with one entry of a list.
    #[error("entry {index} of the list: {error}")]
    Entry {
        /// Which entry, from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },

    /// An argument lies on another device, or in another context of the same device.
    #[error("{op}: `{argument}` belongs to another device or context")]
    DeviceMismatch {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
    },

    /// The workspace is smaller than the operation's `workspace_bytes`.
    #[error("{op}: the workspace has {got} bytes and {required} are needed")]
    WorkspaceTooSmall {
        /// The operation.
        op: &'static str,
        /// Bytes needed.
        required: u64,
        /// Bytes given.
        got: u64,
    },

    /// An argument is larger than the kernel can index.
    #[error("{op}: {what} of `{argument}` is {got}, and at most {limit} can be indexed")]
    IndexRange {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// What is too large, such as "the number of elements".
        what: &'static str,
        /// How large it may be.
        limit: u64,
        /// How large it is.
        got: u64,
    },

    /// A launch asks for more than the device has.
    #[error("kernel `{kernel}`: {what} is {got}, and this device allows {limit}")]
    LaunchLimit {
        /// The kernel.
        kernel: &'static str,
        /// What is over the limit, such as "dynamic shared memory in bytes".
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What was asked for.
        got: u64,
    },

    /// The stream is being captured while cudarc tracks buffers by events, which a capture cannot hold. Turn tracking off
    /// (`CudaContext::disable_event_tracking`) before the buffers are made, or launch through [`crate::raw`].
    #[error(
        "{op}: the stream is being captured while event tracking is on; disable event tracking or use the raw launches"
    )]
    CaptureNeedsUntracked {
        /// The operation.
        op: &'static str,
    },

    /// The emulator refused an access to its memory, or has none left.
    #[cfg(feature = "emulator")]
    #[error("{op}: {what}")]
    Memory {
        /// What was being done.
        op: &'static str,
        /// What is wrong.
        what: String,
    },

    /// The emulator refused a launch for a reason that no other variant names.
    #[cfg(feature = "emulator")]
    #[error("kernel `{kernel}` cannot be launched: {what}")]
    LaunchRefused {
        /// The kernel.
        kernel: &'static str,
        /// What is wrong.
        what: String,
    },

    /// The emulator found a fault in a kernel: a race, an access out of bounds, a deadlock.
    #[cfg(feature = "emulator")]
    #[error(transparent)]
    Fault(Box<ptx_emulator::Faults>),

    /// A driver function failed.
    #[error("{op} failed with CUresult {code}{}", name(*code))]
    Driver {
        /// The driver function, or what it was called for.
        op: &'static str,
        /// The `CUresult`.
        code: i32,
    },
}

impl Error {
    /// The error as one of entry `index` of a list.
    pub(crate) fn of_entry(self, index: usize) -> Self {
        Self::Entry { index, error: Box::new(self) }
    }
}

/// "sm_80, sm_90a".
fn list(architectures: &[ImageArch]) -> String {
    architectures.iter().map(ImageArch::to_string).collect::<Vec<_>>().join(", ")
}

/// What the driver said about the last image that should have run.
fn refusal(code: Option<i32>) -> String {
    code.map_or_else(String::new, |code| format!(" (the driver refused the last one with CUresult {code})"))
}

/// The name of a `CUresult` that a user is likely to meet. The driver knows them all, but must not be asked here.
fn name(code: i32) -> &'static str {
    match code {
        1 => " (CUDA_ERROR_INVALID_VALUE)",
        2 => " (CUDA_ERROR_OUT_OF_MEMORY)",
        100 => " (CUDA_ERROR_NO_DEVICE)",
        101 => " (CUDA_ERROR_INVALID_DEVICE)",
        201 => " (CUDA_ERROR_INVALID_CONTEXT)",
        500 => " (CUDA_ERROR_NOT_FOUND)",
        700 => " (CUDA_ERROR_ILLEGAL_ADDRESS)",
        701 => " (CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES)",
        716 => " (CUDA_ERROR_MISALIGNED_ADDRESS)",
        719 => " (CUDA_ERROR_LAUNCH_FAILED)",
        720 => " (CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE)",
        803 => " (CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)",
        900 => " (CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)",
        901 => " (CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)",
        905 => " (CUDA_ERROR_STREAM_CAPTURE_ISOLATION)",
        906 => " (CUDA_ERROR_STREAM_CAPTURE_IMPLICIT)",
        _ => "",
    }
}
