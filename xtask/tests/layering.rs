//! The order of the source tree: where `asm` stands, what includes what, how long a file may be.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::workspace;

/// Every file under a folder of the workspace that git would carry, with its text, by its path from the root.
fn files(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let (root, mut found, mut folders) = (workspace(), Vec::new(), vec![workspace().join(folder)]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path()) {
            let hidden =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.') || name == "target");
            if path.is_dir() && !hidden {
                folders.push(path);
            } else if path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)) {
                let inside = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
                found.push((inside, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no files");
    found
}

fn kernels() -> Vec<(String, String)> {
    files("kernels", &["cu", "cuh", "h"])
}

/// The code of a line, without what follows `//`.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

#[test]
fn asm_stands_in_kernels_ptx_alone() {
    let says_asm = |text: &str| {
        let words = text.lines().flat_map(|line| code(line).split(|c: char| !c.is_alphanumeric() && c != '_'));
        words.into_iter().any(|word| ["asm", "__asm__", "__asm"].contains(&word))
    };
    let places: Vec<String> = kernels().into_iter().filter(|(_, text)| says_asm(text)).map(|(path, _)| path).collect();
    assert!(places.iter().any(|path| path.starts_with("kernels/ptx/")), "the search finds none at all: {places:?}");
    let wrong: Vec<_> = places.iter().filter(|path| !path.starts_with("kernels/ptx/")).collect();
    assert!(wrong.is_empty(), "asm outside kernels/ptx/: {wrong:?}");
}

/// What a file includes in quotes, from `kernels/`.
fn included(path: &str, text: &str) -> Vec<PathBuf> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("#include \"")?.strip_suffix('"'));
    let beside = |name: &str| Path::new(path).parent().expect("a folder").join(name);
    let from_root = |path: PathBuf| path.strip_prefix("kernels").expect("in kernels/").to_owned();
    names
        .map(|name| if workspace().join(beside(name)).is_file() { from_root(beside(name)) } else { name.into() })
        .collect()
}

#[test]
fn includes_go_from_an_op_to_common_to_ptx() {
    for (path, text) in kernels().iter().filter(|(path, _)| path != "kernels/abi.h") {
        let folder = path.split('/').nth(1).expect("a folder");
        let allowed: &[&str] = match folder {
            "ptx" => &["ptx"],
            "common" => &["common", "ptx"],
            op => &[op, "common", "ptx"],
        };
        for header in included(path, text) {
            let place = header.iter().next().expect("a folder").to_string_lossy().into_owned();
            assert!(allowed.contains(&place.as_ref()), "{path} includes {}", header.display());
        }
    }
}

#[test]
fn abi_h_includes_every_parameter_header() {
    let headers = kernels().into_iter().map(|(path, _)| path).filter(|path| path.ends_with("_params.h"));
    let headers: BTreeSet<_> = headers.map(|path| PathBuf::from(path.trim_start_matches("kernels/"))).collect();
    let abi = fs::read_to_string(workspace().join("kernels/abi.h")).expect("kernels/abi.h");
    assert_eq!(included("kernels/abi.h", &abi).into_iter().collect::<BTreeSet<_>>(), headers);
}

#[test]
fn no_file_is_longer_than_600_lines() {
    let long = |(path, text): (String, String)| (path != "src/abi.rs" && text.lines().count() > 600).then_some(path);
    let long: Vec<_> = files(".", &["rs", "cu", "cuh", "h", "sh", "py"]).into_iter().filter_map(long).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn an_op_stands_in_its_five_places() {
    let kernels = kernels();
    let ops = kernels.iter().filter(|(path, _)| path.ends_with(".cu")).filter_map(|(path, _)| path.split('/').nth(1));
    let profiled = fs::read_to_string(workspace().join("examples/profile/ops.rs")).expect("examples/profile/ops.rs");
    for op in ops.collect::<BTreeSet<_>>() {
        let one_of = |places: &[String]| {
            assert!(places.iter().any(|place| workspace().join(place).is_file()), "{op} has none of {places:?}");
        };
        one_of(&[format!("kernels/{op}/NOTES.md")]);
        one_of(&[format!("src/ops/{op}.rs")]);
        one_of(&[format!("src/reference/{op}.rs")]);
        one_of(&[format!("tests/{op}.rs"), format!("tests/{op}/main.rs")]);
        one_of(&[format!("benches/{op}.rs")]);
        let names = [format!("mod {op};"), format!("ops::{op}::")];
        assert!(names.iter().any(|name| profiled.contains(name)), "examples/profile/ops.rs has no {op}");
    }
}
