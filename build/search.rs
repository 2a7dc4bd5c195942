//! Where an nvcc is looked for, in which order, and what to say when there is none.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env;
use crate::nvcc::{Nvcc, OLDEST};

/// What the search found: the first usable nvcc, and a sentence for each one that was passed over.
pub struct Search {
    pub nvcc: Option<Nvcc>,
    pub skipped: Vec<String>,
}

/// Looks in `NVCC`, `.cuda/`, `CUDA_HOME` and `CUDA_PATH`, `PATH`, the active Python's wheels and the usual system folders.
/// Later places are looked at (and their variables watched) only if the earlier ones had nothing usable.
pub fn search(package: &Path) -> Search {
    let places: [&dyn Fn() -> Vec<PathBuf>; 6] = [
        &|| env::var("NVCC").map(PathBuf::from).into_iter().collect(),
        &|| wheels(&package.join(".cuda")),
        &|| {
            ["CUDA_HOME", "CUDA_PATH"]
                .iter()
                .filter_map(|v| env::var(v))
                .map(|home| in_toolkit(home.as_ref()))
                .collect()
        },
        &on_path,
        &python_wheels,
        &system,
    ];
    let mut skipped = Vec::new();
    for (index, place) in places.iter().enumerate() {
        for path in place() {
            // Only what a person named is worth a word when it is not there at all.
            if index != 0 && !path.is_file() {
                continue;
            }
            match Nvcc::probe(&path) {
                Ok(nvcc) => return Search { nvcc: Some(nvcc), skipped },
                Err(why) => skipped.push(format!("skipped {}: {why}", path.display())),
            }
        }
    }
    Search { nvcc: None, skipped }
}

fn executable(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

fn in_toolkit(toolkit: &Path) -> PathBuf {
    toolkit.join("bin").join(executable("nvcc"))
}

/// The compilers that NVIDIA's wheels put into a site-packages folder (`nvidia/cu13/bin`, earlier `nvidia/cuda_nvcc/bin`).
fn wheels(site: &Path) -> Vec<PathBuf> {
    subfolders(&site.join("nvidia"), "cu").iter().map(|toolkit| in_toolkit(toolkit)).collect()
}

/// The subfolders with this prefix, newest name first.
fn subfolders(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix)).map(|e| e.path()).collect();
    found.sort();
    found.reverse();
    found
}

fn on_path() -> Vec<PathBuf> {
    let path = env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(executable("nvcc"))).collect()
}

fn python_wheels() -> Vec<PathBuf> {
    const SITES: &str =
        "import site, sysconfig; print(sysconfig.get_path('purelib')); print(site.getusersitepackages())";
    env::var("VIRTUAL_ENV");
    let python = if cfg!(windows) { "python" } else { "python3" };
    let Ok(output) = Command::new(python).args(["-c", SITES]).output() else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout).lines().flat_map(|site| wheels(site.as_ref())).collect()
}

fn system() -> Vec<PathBuf> {
    let mut toolkits: Vec<PathBuf> = Vec::new();
    if cfg!(windows) {
        let programs = env::var("ProgramFiles").unwrap_or_default();
        toolkits.extend(subfolders(&Path::new(&programs).join("NVIDIA GPU Computing Toolkit").join("CUDA"), "v"));
    } else {
        toolkits.push("/usr/local/cuda".into());
        toolkits.extend(subfolders("/usr/local".as_ref(), "cuda-"));
        toolkits.extend(["/opt/cuda", "/usr/lib/cuda", "/usr/lib/nvidia-cuda-toolkit"].map(PathBuf::from));
    }
    toolkits.iter().map(|toolkit| in_toolkit(toolkit)).collect()
}

/// The message of a build that has neither a compiler nor prebuilt images.
pub fn no_nvcc(skipped: &[String]) -> String {
    let (major, minor) = OLDEST;
    let mut text = format!(
        "warpsmith compiles CUDA kernels, and found no nvcc {major}.{minor} or newer (neither a GPU nor a driver is needed).\n\
         Looked in NVCC, .cuda/, CUDA_HOME, CUDA_PATH, PATH, the wheels of the active Python, and the usual system folders.\n"
    );
    for line in skipped {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(CURES);
    text
}

const CURES: &str = r#"
In warpsmith's own workspace:

    cargo xtask setup

In a project that depends on warpsmith, one of:

    python3 -m pip install --target .cuda --no-deps 'nvidia-cuda-nvcc==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*'
    export NVCC="$PWD/.cuda/nvidia/cu13/bin/nvcc"

or, with a CUDA toolkit that is installed elsewhere:

    export NVCC=/usr/local/cuda/bin/nvcc

An IDE does not see your shell's variables; this in the project's .cargo/config.toml serves both:

    [env]
    NVCC = { value = ".cuda/nvidia/cu13/bin/nvcc", relative = true }

WARPSMITH_PTX_DIR=folder takes images that were built elsewhere. WARPSMITH_SKIP_NVCC=1 builds without kernels: every launch
then returns Error::KernelsNotBuilt.
"#;
