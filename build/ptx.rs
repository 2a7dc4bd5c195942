//! PTX as text: free of the folder's path, and with the least `.version`.

use std::path::Path;

/// Every PTX ISA version from the first that knows sm_80.
const VERSIONS: &[&str] = &[
    "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "7.8", "8.0", "8.1", "8.2", "8.3", "8.4", "8.5", "8.6",
    "8.7", "8.8", "9.0", "9.1", "9.2", "9.3",
];

/// Takes out of a PTX text what depends on the folder that it was compiled in.
pub fn portable(text: &str, package: &Path) -> String {
    let text = relative_files(text, package);
    match internal_id(&text) {
        Some(id) => without_id(&text, &id),
        None => text,
    }
}

/// Rewrites the paths of `.file` lines: those of the package become relative to it, other headers `include/NAME`.
fn relative_files(text: &str, package: &Path) -> String {
    let package = format!("{}/", package.to_string_lossy().replace('\\', "/"));
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.split_once('"') {
            Some((head, path)) if head.trim_start().starts_with(".file") => {
                let path = path.replace("\\\\", "/").replace('\\', "/");
                let header = path.rsplit_once("/include/").map(|(_, name)| format!("include/{name}"));
                // The workspace's own toolkit lies inside the package, and must not differ from one that lies elsewhere.
                let inside = path.strip_prefix(&package).filter(|inside| !inside.starts_with(".cuda/"));
                let short = inside.map(str::to_owned).or(header).unwrap_or(path);
                out.push_str(&format!("{head}\"{short}"));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// The eight digits that nvcc makes from the source's absolute path and puts into the name of everything with internal linkage,
/// such as the conversions of `cuda_bf16.hpp`. The names stand in the text and, as numbers, in the debugging strings.
fn internal_id(text: &str) -> Option<String> {
    const MARK: &str = "_INTERNAL_";
    let strings =
        String::from_utf8_lossy(&text.lines().filter_map(bytes_of).flatten().collect::<Vec<u8>>()).into_owned();
    [text, &strings].iter().find_map(|t| t.split_once(MARK)?.1.get(..8).map(str::to_owned))
}

/// Replaces that id by one of the same length, in names and in lines of bytes.
fn without_id(text: &str, id: &str) -> String {
    let (old, new) = (format!("_{id}_"), "_warpsmit_");
    let mut bytes: Vec<u8> = text.lines().filter_map(bytes_of).flatten().collect();
    let at: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(old.as_bytes())).collect();
    for at in at {
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
    let mut bytes = bytes.into_iter();
    let lines = text.lines().map(|line| match bytes_of(line) {
        Some(old) => {
            format!(".b8 {}\n", bytes.by_ref().take(old.len()).map(|b| b.to_string()).collect::<Vec<_>>().join(","))
        }
        None => format!("{}\n", line.replace(&old, new)),
    });
    lines.collect()
}

/// The bytes of a line of a debugging section, which is `.b8` and decimal numbers.
fn bytes_of(line: &str) -> Option<Vec<u8>> {
    line.strip_prefix(".b8 ")?.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// The `.version` of a PTX text.
pub fn version(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix(".version ")).map(str::trim)
}

/// The same text with each older version in turn, oldest first, and last with its own.
pub fn from_oldest(text: &str) -> Result<impl Iterator<Item = String>, String> {
    let own = version(text).ok_or("nvcc wrote PTX without a .version")?;
    let older = VERSIONS.iter().copied().take_while(move |v| *v != own);
    let (head, tail) = text.split_once(&format!(".version {own}")).ok_or("nvcc wrote PTX without a .version")?;
    Ok(older.chain([own]).map(move |v| format!("{head}.version {v}{tail}")))
}
