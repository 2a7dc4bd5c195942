//! Compiled kernels as they are embedded in the binary, and which of them runs on which device.

use std::fmt;

/// A device's compute capability, such as 9.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComputeCapability {
    /// Before the point.
    pub major: u32,
    /// After the point.
    pub minor: u32,
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The architecture that an image was compiled for, such as sm_80 or sm_90a. Later ones compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageArch {
    /// Major compute capability.
    pub major: u32,
    /// Minor compute capability.
    pub minor: u32,
    /// The `a` of sm_90a: runs on this compute capability alone.
    pub specific: bool,
}

impl ImageArch {
    /// Whether PTX for this architecture runs on a device: on the same or a later one, or, where it is
    /// architecture-specific, on exactly this one.
    pub const fn ptx_runs_on(self, device: ComputeCapability) -> bool {
        let same = self.major == device.major && self.minor == device.minor;
        let later = device.major > self.major || (device.major == self.major && device.minor > self.minor);
        same || (later && !self.specific)
    }

    /// Whether machine code for this architecture runs on a device: on the same major capability with the same or a
    /// later minor one, or, where it is architecture-specific, on exactly this one.
    pub const fn cubin_runs_on(self, device: ComputeCapability) -> bool {
        self.major == device.major && self.ptx_runs_on(device)
    }
}

impl fmt::Display for ImageArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}{}{}", self.major, self.minor, if self.specific { "a" } else { "" })
    }
}

/// PTX of one `.cu` file for one architecture.
#[derive(Clone, Copy, Debug)]
pub struct PtxImage {
    /// The architecture it was compiled for.
    pub arch: ImageArch,
    /// The text, without a closing NUL.
    pub text: &'static str,
}

/// Machine code of one `.cu` file for one architecture, assembled from the PTX beside it.
#[derive(Clone, Copy, Debug)]
pub struct CubinImage {
    /// The architecture it was assembled for.
    pub arch: ImageArch,
    /// The ELF file.
    pub bytes: &'static [u8],
}

/// Everything that was compiled from one `.cu` file. Without nvcc both lists are empty.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// The file's name without `.cu`.
    pub name: &'static str,
    /// PTX, one for each architecture.
    pub ptx: &'static [PtxImage],
    /// Machine code, one for each architecture that was asked for.
    pub cubins: &'static [CubinImage],
}

impl Image {
    /// Whether this is the stub of a build without kernels.
    pub const fn is_stub(&self) -> bool {
        self.ptx.is_empty() && self.cubins.is_empty()
    }

    /// Every architecture in the image: machine code first, then PTX.
    pub(crate) fn architectures(&self) -> Vec<ImageArch> {
        self.cubins.iter().map(|cubin| cubin.arch).chain(self.ptx.iter().map(|ptx| ptx.arch)).collect()
    }

    /// The PTX that runs on a device, latest architecture first.
    pub(crate) fn ptx_for(&self, device: ComputeCapability) -> Vec<&'static PtxImage> {
        let mut fitting: Vec<_> = self.ptx.iter().filter(|ptx| ptx.arch.ptx_runs_on(device)).collect();
        fitting.sort_by_key(|ptx| std::cmp::Reverse(ptx.arch));
        fitting
    }

    /// The machine code that runs on a device, latest architecture first.
    pub(crate) fn cubins_for(&self, device: ComputeCapability) -> Vec<&'static CubinImage> {
        let mut fitting: Vec<_> = self.cubins.iter().filter(|cubin| cubin.arch.cubin_runs_on(device)).collect();
        fitting.sort_by_key(|cubin| std::cmp::Reverse(cubin.arch));
        fitting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SM_80: ImageArch = ImageArch { major: 8, minor: 0, specific: false };
    const SM_86: ImageArch = ImageArch { major: 8, minor: 6, specific: false };
    const SM_90A: ImageArch = ImageArch { major: 9, minor: 0, specific: true };

    const fn device(major: u32, minor: u32) -> ComputeCapability {
        ComputeCapability { major, minor }
    }

    /// The compatibility rules of the CUDA C++ Programming Guide, section "Compute capability and application compatibility".
    #[test]
    fn architectures_run_where_cuda_says() {
        for (arch, cc, ptx, cubin) in [
            (SM_80, device(8, 0), true, true),
            (SM_80, device(8, 9), true, true),
            (SM_80, device(9, 0), true, false),
            (SM_80, device(12, 0), true, false),
            (SM_80, device(7, 5), false, false),
            (SM_86, device(8, 0), false, false),
            (SM_86, device(8, 9), true, true),
            (SM_90A, device(9, 0), true, true),
            (SM_90A, device(10, 0), false, false),
            (SM_90A, device(8, 9), false, false),
        ] {
            assert_eq!((arch.ptx_runs_on(cc), arch.cubin_runs_on(cc)), (ptx, cubin), "{arch} on {cc}");
        }
    }

    #[test]
    fn the_latest_fitting_image_comes_first() {
        static IMAGE: Image = Image {
            name: "test",
            ptx: &[PtxImage { arch: SM_80, text: "" }, PtxImage { arch: SM_90A, text: "" }],
            cubins: &[
                CubinImage { arch: SM_80, bytes: &[] },
                CubinImage { arch: SM_86, bytes: &[] },
                CubinImage { arch: SM_90A, bytes: &[] },
            ],
        };
        let ptx = |cc| IMAGE.ptx_for(cc).iter().map(|ptx| ptx.arch).collect::<Vec<_>>();
        let cubins = |cc| IMAGE.cubins_for(cc).iter().map(|cubin| cubin.arch).collect::<Vec<_>>();
        assert_eq!(ptx(device(9, 0)), [SM_90A, SM_80]);
        assert_eq!(ptx(device(12, 0)), [SM_80]);
        assert_eq!(cubins(device(8, 9)), [SM_86, SM_80]);
        assert_eq!(cubins(device(8, 0)), [SM_80]);
        assert_eq!(cubins(device(9, 0)), [SM_90A]);
        assert_eq!(cubins(device(12, 0)), []);
    }
}
