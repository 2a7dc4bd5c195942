//! `kernels/*/*.cu` to `$OUT_DIR/images/NAME.rs`: which files, for which architectures, from which place. An example may have kernels
//! of its own, in `examples/*/kernels`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::env;
use crate::nvcc::Nvcc;
use crate::ptx;
use crate::search::{no_nvcc, search};

/// The machine code that is embedded by default. Each serves its own compute capability and the later ones of its major number (80
/// serves 8.6 and 8.9, too); the PTX serves the rest.
const DEFAULT_ARCHS: &[&str] = &["80", "90", "100", "120"];

/// Flags and rewriting, as far as the cache is concerned.
const PROGRAM: [&str; 2] = [include_str!("nvcc.rs"), include_str!("ptx.rs")];

/// The oldest compute capability that the kernels run on.
const LEAST_ARCH: u32 = 80;

/// One `.cu` file.
struct Source {
    /// Of the image, unique over all ops: the file's stem.
    name: String,
    /// Relative to the package, with forward slashes.
    path: String,
    /// A file named `*_sm90.cu` uses what sm_90a alone has.
    sm90: bool,
    /// Over the file and every header that it includes.
    hash: String,
}

impl Source {
    /// The architecture of its PTX.
    fn ptx_arch(&self) -> &'static str {
        if self.sm90 { "90a" } else { "80" }
    }

    /// The architectures of its machine code, out of those that were asked for.
    fn cubin_archs(&self, archs: &BTreeSet<u32>) -> Vec<String> {
        match self.sm90 {
            true => archs.iter().filter(|arch| **arch == 90).map(|_| "90a".to_owned()).collect(),
            false => archs.iter().map(u32::to_string).collect(),
        }
    }
}

/// Writes every image, or says why it cannot.
pub fn build() -> Result<(), String> {
    let package = env::package_dir()?;
    let images = PathBuf::from(env::cargo("OUT_DIR")?).join("images");
    std::fs::create_dir_all(&images).map_err(|e| format!("{}: {e}", images.display()))?;
    for watched in ["build.rs", "build", "kernels"] {
        env::watch(&package.join(watched));
    }
    examples(&package).iter().for_each(|folder| env::watch(folder));
    let sources = sources(&package)?;

    if is_stub_build()? {
        return sources.iter().try_for_each(|source| write_static(&images, source, &[]));
    }
    if let Some(folder) = env::var("WARPSMITH_PTX_DIR") {
        return prebuilt(&images, &sources, folder.as_ref());
    }
    let found = search(&package);
    found.skipped.iter().for_each(|line| env::warn(line));
    let archive = package.join("kernels").join("prebuilt");
    match found.nvcc {
        Some(nvcc) => compile(&package, &images, &sources, &nvcc),
        None if archive.is_dir() => prebuilt(&images, &sources, &archive),
        None => Err(no_nvcc(&found.skipped)),
    }
}

/// Whether this build has no kernels. Only where that was asked for, or, aloud, where there is no CUDA.
fn is_stub_build() -> Result<bool, String> {
    if env::var("DOCS_RS").is_some() {
        return Ok(true);
    }
    match env::var("WARPSMITH_SKIP_NVCC").as_deref() {
        None | Some("0") => {}
        Some("1") => return Ok(true),
        Some(other) => return Err(format!("WARPSMITH_SKIP_NVCC is 0 or 1, not '{other}'")),
    }
    let target = env::cargo("CARGO_CFG_TARGET_OS")?;
    let has_cuda = ["linux", "windows"].contains(&target.as_str());
    if !has_cuda {
        env::warn(&format!(
            "warpsmith has no kernels on {target}, which has no CUDA: launches return Error::KernelsNotBuilt"
        ));
    }
    Ok(!has_cuda)
}

/// All `.cu` files, in the order of their paths.
fn sources(package: &Path) -> Result<Vec<Source>, String> {
    let mut found = BTreeMap::new();
    let folders = entries(&package.join("kernels")).into_iter().chain(examples(package));
    for folder in folders.filter(|path| path.is_dir()) {
        for file in entries(&folder).iter().filter(|path| path.extension().is_some_and(|e| e == "cu")) {
            let path = relative(package, file)?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut files = BTreeMap::new();
            read_with_includes(package, &path, &mut files)?;
            let hash = hash(files.iter().flat_map(|(path, text)| [path.as_str(), text.as_str()]));
            let source = Source { sm90: name.ends_with("_sm90"), name: name.clone(), path, hash };
            if let Some(other) = found.insert(name, source) {
                return Err(format!("{} and {} have the same name", file.display(), other.path));
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The folders of examples' own kernels.
fn examples(package: &Path) -> Vec<PathBuf> {
    let folders = entries(&package.join("examples")).into_iter().map(|example| example.join("kernels"));
    folders.filter(|folder| folder.is_dir()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}

fn relative(package: &Path, path: &Path) -> Result<String, String> {
    let inside = path.strip_prefix(package).map_err(|_| format!("{} is outside the package", path.display()))?;
    Ok(inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

/// Reads a file and all that it includes in quotes. Those are ours and must be in `kernels/`; the toolkit's stand in angle brackets
/// and change with nvcc's version.
fn read_with_includes(package: &Path, path: &str, files: &mut BTreeMap<String, String>) -> Result<(), String> {
    if files.contains_key(path) {
        return Ok(());
    }
    let text = std::fs::read_to_string(package.join(path)).map_err(|e| format!("{path}: {e}"))?;
    files.insert(path.to_owned(), text.clone());
    let included = text.lines().filter_map(|line| {
        line.trim_start()
            .strip_prefix('#')?
            .trim_start()
            .strip_prefix("include")?
            .trim_start()
            .strip_prefix('"')?
            .split('"')
            .next()
    });
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for name in included {
        let beside = [folder, "kernels"].map(|from| format!("{from}/{name}"));
        let header = beside.iter().find(|candidate| package.join(candidate).is_file());
        let header = header.ok_or_else(|| format!("{path} includes \"{name}\", which is not in kernels/"))?;
        read_with_includes(package, header, files)?;
    }
    Ok(())
}

fn hash<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The real architectures to assemble for: `WARPSMITH_CUDA_ARCHS`, else `CUDA_COMPUTE_CAP`, else the default list as far as the
/// toolkit knows it. Never the card that happens to be in the machine.
fn architectures(nvcc: &Nvcc) -> Result<BTreeSet<u32>, String> {
    let known = nvcc.architectures()?;
    let knows = |arch: &str| known.contains(&format!("sm_{arch}"));
    for variable in ["WARPSMITH_CUDA_ARCHS", "CUDA_COMPUTE_CAP"] {
        let Some(list) = env::var(variable) else { continue };
        let items = list.split([',', ';', ' ']).filter(|item| !item.is_empty() && *item != "none");
        return items
            .map(|item| {
                let plain = item.trim_start_matches("sm_").trim_end_matches(['a', 'f']).replace('.', "");
                match plain.parse::<u32>() {
                    Ok(arch) if arch < LEAST_ARCH => {
                        Err(format!("{variable}={list}: the kernels need compute capability 8.0 or newer, not {item}"))
                    }
                    Ok(arch) if knows(&plain) => Ok(arch),
                    _ => Err(format!(
                        "{variable}={list}: {} does not know {item}; it knows {}",
                        nvcc.path.display(),
                        known.join(" ")
                    )),
                }
            })
            .collect();
    }
    let (known, unknown): (Vec<&str>, Vec<&str>) = DEFAULT_ARCHS.iter().partition(|arch| knows(arch));
    if !unknown.is_empty() {
        env::warn(&format!(
            "nvcc {} makes no machine code for sm_{}: PTX serves them",
            nvcc.version,
            unknown.join(", sm_")
        ));
    }
    Ok(known.iter().filter_map(|arch| arch.parse().ok()).collect())
}

/// Compiles what changed, several files at once: `NUM_JOBS` is cargo's own limit.
fn compile(package: &Path, images: &Path, sources: &[Source], nvcc: &Nvcc) -> Result<(), String> {
    env::watch(&nvcc.path);
    let archs = architectures(nvcc)?;
    let jobs = env::cargo("NUM_JOBS")?.parse().unwrap_or(1).clamp(1, sources.len().max(1));
    let (queue, failures) = (Mutex::new(sources.iter()), Mutex::new(Vec::new()));
    let next = || queue.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(source) = next() {
                    let built = compile_one(package, images, source, nvcc, &source.cubin_archs(&archs));
                    if let (Err(what), Ok(mut failures)) = (built, failures.lock()) {
                        failures.push(format!("{} does not compile\n{what}", source.path));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().map_err(|e| e.to_string())?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n\n")) }
}

fn compile_one(package: &Path, images: &Path, source: &Source, nvcc: &Nvcc, archs: &[String]) -> Result<(), String> {
    let folder = images.join(&source.name);
    let stamp = folder.join("built");
    let key = [source.hash.as_str(), &nvcc.version].into_iter().chain(PROGRAM).chain(archs.iter().map(String::as_str));
    let key = hash(key);
    if std::fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
        return write_static(images, source, &files_of(&folder));
    }
    // The stamp goes first and comes last: a build that is interrupted in between starts over.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;

    let arch = source.ptx_arch();
    let file = format!("sm_{arch}.ptx");
    let text = nvcc.compile(package, &source.path, arch, &folder.join(&file))?;
    let cubin = |arch: &str| format!("sm_{arch}.cubin");
    // The first version that ptxas takes is the least that the instructions need: older drivers take it too. The machine code is
    // made from that text, which is also what the emulator runs.
    let mut refused = String::new();
    for candidate in ptx::from_oldest(&text)? {
        write(&folder.join(&file), &candidate)?;
        match nvcc.assemble(&folder, &file, arch, &cubin(arch)) {
            Ok(()) => {
                refused.clear();
                break;
            }
            Err(what) => refused = what,
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    for other in archs.iter().filter(|other| *other != arch) {
        nvcc.assemble(&folder, &file, other, &cubin(other))?;
    }
    if !archs.iter().any(|wanted| wanted == arch) {
        std::fs::remove_file(folder.join(cubin(arch))).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    write(&folder.join("sources"), &source.hash)?;
    write_static(images, source, &files_of(&folder))?;
    write(&stamp, &key)
}

/// Takes images that were built elsewhere: a copy of an `images` folder that this script wrote, from the same sources.
fn prebuilt(images: &Path, sources: &[Source], from: &Path) -> Result<(), String> {
    if !from.is_dir() {
        return Err(format!("WARPSMITH_PTX_DIR={}: no such folder", from.display()));
    }
    env::watch(from);
    for source in sources {
        let (theirs, ours) = (from.join(&source.name), images.join(&source.name));
        let hash = std::fs::read_to_string(theirs.join("sources"));
        let hash = hash.map_err(|e| format!("{} has no image of {}: {e}", from.display(), source.path))?;
        if hash != source.hash {
            return Err(format!("{} was not built from this {} and its headers", theirs.display(), source.path));
        }
        let _ = std::fs::remove_dir_all(&ours);
        std::fs::create_dir_all(&ours).map_err(|e| format!("{}: {e}", ours.display()))?;
        let files = files_of(&theirs);
        for file in &files {
            std::fs::copy(theirs.join(file), ours.join(file))
                .map_err(|e| format!("{}/{file}: {e}", theirs.display()))?;
        }
        write_static(images, source, &files)?;
    }
    Ok(())
}

/// The `.ptx` and `.cubin` files of an image's folder, sorted.
fn files_of(folder: &Path) -> Vec<String> {
    let names = entries(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "ptx" || e == "cubin"));
    names.filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned())).collect()
}

/// The static that embeds an image; without files it is a stub.
fn write_static(images: &Path, source: &Source, files: &[String]) -> Result<(), String> {
    let Source { name, path, .. } = source;
    let (mut texts, mut codes) = (String::new(), String::new());
    for file in files {
        let (arch, kind) = file.trim_start_matches("sm_").split_once('.').unwrap_or_default();
        let specific = arch.ends_with('a');
        let number: u32 =
            arch.trim_end_matches('a').parse().map_err(|_| format!("{name}/{file} is named after no architecture"))?;
        let (major, minor) = (number / 10, number % 10);
        let arch = format!("arch: ImageArch {{ major: {major}, minor: {minor}, specific: {specific} }}");
        match kind {
            "ptx" => {
                texts.push_str(&format!("        PtxImage {{ {arch}, text: include_str!(\"{name}/{file}\") }},\n"))
            }
            _ => {
                codes.push_str(&format!("        CubinImage {{ {arch}, bytes: include_bytes!(\"{name}/{file}\") }},\n"))
            }
        }
    }
    let constant = name.to_uppercase();
    let text = format!(
        "/// `{path}`, compiled.\npub static {constant}: Image = Image {{\n    name: \"{name}\",\n    ptx: &[\n{texts}    ],\n    cubins: &[\n{codes}    ],\n}};\n"
    );
    write(&images.join(format!("{name}.rs")), &text)
}

/// Writes a file unless it holds the same already: its time is a reason to compile.
fn write(path: &Path, text: &str) -> Result<(), String> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
