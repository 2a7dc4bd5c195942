//! Running nvcc and ptxas: one `.cu` to PTX, and that PTX to machine code.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::env;
use crate::ptx;

/// sm_90a, tensor maps and `wgmma` came with 12.0; so did the driver's context-independent loading, which the crate uses.
pub const OLDEST: (u32, u32) = (12, 0);

/// The flags of every compilation. No `--use_fast_math`: each approximation is written where it is meant.
const FLAGS: &[&str] = &["-ptx", "-std=c++17", "-O3", "-lineinfo", "-Werror", "all-warnings"];

/// The line tables stay in the PTX: in the machine code they would weigh three times what the instructions do. The first flag is
/// there for the second, which is ignored without it.
const ASSEMBLER_FLAGS: &[&str] = &["-O3", "--generate-line-info", "--suppress-debug-info"];

/// A compiler that answers and is new enough.
pub struct Nvcc {
    pub path: PathBuf,
    /// As nvcc prints it, such as `13.0, V13.0.88`.
    pub version: String,
    host: OnceLock<Result<cc::Tool, String>>,
}

impl Nvcc {
    /// Asks the executable for its version.
    pub fn probe(path: &Path) -> Result<Self, String> {
        let output = Command::new(path).arg("--version").output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_once("release ").and_then(|(_, rest)| rest.lines().next());
        let version = version.ok_or("it does not answer --version as an nvcc does")?.trim().to_owned();
        let number = version.split(',').next().and_then(|v| v.split_once('.'));
        let number = number.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let number: (u32, u32) = number.ok_or_else(|| format!("its version '{version}' is not a number"))?;
        if number < OLDEST {
            return Err(format!(
                "it is {}.{}, and the oldest that serves is {}.{}",
                number.0, number.1, OLDEST.0, OLDEST.1
            ));
        }
        Ok(Self { path: path.to_owned(), version, host: OnceLock::new() })
    }

    /// A program that comes with this nvcc: beside it, beside what it links to, or else on PATH.
    fn tool(&self, name: &str) -> PathBuf {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let real = self.path.canonicalize().unwrap_or_default();
        let beside = [&self.path, &real].map(|nvcc| nvcc.with_file_name(&name));
        beside.into_iter().find(|path| path.is_file()).unwrap_or_else(|| name.into())
    }

    /// The real architectures that this toolkit assembles for, such as `sm_80`.
    pub fn architectures(&self) -> Result<Vec<String>, String> {
        let (list, _) = run(Command::new(&self.path).arg("--list-gpu-code"))?;
        Ok(list.lines().map(|line| line.trim().to_owned()).collect())
    }

    /// Compiles `source` (relative to `package`) for one virtual architecture and returns the PTX as it ships, but for its
    /// `.version`: free of this folder's path, so that two checkouts give the same bytes.
    pub fn compile(&self, package: &Path, source: &str, arch: &str, out: &Path) -> Result<String, String> {
        let mut command = Command::new(&self.path);
        command.current_dir(package).args(FLAGS).arg(format!("-arch=compute_{arch}")).args(["-I", "kernels"]);
        // nvcc reads NVCC_CCBIN itself; else it is given the host compiler that Rust would use, not the first on PATH.
        if env::var("NVCC_CCBIN").is_none() {
            let host = self.host.get_or_init(host_compiler).as_ref().map_err(Clone::clone)?;
            command.arg("-ccbin").arg(host.path()).envs(host.get_envs());
            if host.is_like_msvc() {
                command.args(["-Xcompiler", "/Zc:preprocessor"]);
            }
        }
        let (_, said) = run(command.arg(source).arg("-o").arg(out))?;
        if said.contains("warning") {
            return Err(said);
        }
        let text = std::fs::read_to_string(out).map_err(|e| format!("{}: {e}", out.display()))?;
        Ok(ptx::portable(&text, package))
    }

    /// Assembles PTX for one real architecture. Runs in the folder of both files, so that no path gets into the machine code.
    /// Silence is the only success: ptxas calls a `wgmma` that it serialises or a `setmaxnreg` that it ignores a mere "info", and
    /// either is a kernel that does not do what its source says.
    pub fn assemble(&self, folder: &Path, ptx: &str, arch: &str, cubin: &str) -> Result<(), String> {
        let mut command = Command::new(self.tool("ptxas"));
        command.current_dir(folder).args(ASSEMBLER_FLAGS).arg(format!("-arch=sm_{arch}")).arg(ptx).arg("-o").arg(cubin);
        let (text, said) = run(&mut command)?;
        if text.is_empty() && said.is_empty() { Ok(()) } else { Err(format!("{command:?}\n{text}{said}")) }
    }
}

fn host_compiler() -> Result<cc::Tool, String> {
    let host = env::cargo("HOST")?;
    let tool =
        cc::Build::new().cpp(true).target(&host).host(&host).opt_level(2).cargo_metadata(false).try_get_compiler();
    tool.map_err(|e| format!("nvcc needs the host's C++ compiler: {e}"))
}

/// Runs a tool and gives back its standard output and what it said besides.
fn run(command: &mut Command) -> Result<(String, String), String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|e| format!("{shown}\n{e}"))?;
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok((text.into_owned(), said.into_owned()));
    }
    Err(format!("{shown}\n{text}{said}{}", output.status))
}
