//! The crate's own kernels as the build script leaves them.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::{Package, copy, workspace};

/// The PTX of every kernel file, built in a folder of its own, by file name.
static BUILT: LazyLock<Package> = LazyLock::new(|| build("kernels"));

fn build(name: &str) -> Package {
    let package = Package::new(name);
    copy(&workspace().join("kernels"), &package.folder.join("kernels"));
    package.built();
    package
}

/// The files of an op's folder that end like this.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|e| e.expect("an entry").path());
    entries.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

/// The folders of `kernels/` that hold an op, by name.
fn ops() -> Vec<String> {
    let folders = files(&workspace().join("kernels"), "").into_iter().filter(|path| !files(path, ".cu").is_empty());
    folders.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

/// The text of each image of an op, with the image's name.
fn images(op: &str) -> Vec<(String, String)> {
    let sources = files(&workspace().join("kernels").join(op), ".cu");
    let names = sources.iter().map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    let arch = |name: &str| if name.ends_with("_sm90") { "sm_90a" } else { "sm_80" };
    names
        .map(|name| (BUILT.image(&format!("{name}/{}.ptx", arch(&name))), name))
        .map(|(text, name)| (name, text))
        .collect()
}

/// The kernels of a PTX text: name, and how many parameters it has.
fn entries(ptx: &str) -> Vec<(&str, usize)> {
    let parts = ptx.split("\n.visible .entry ").skip(1);
    let heads = parts.map(|rest| rest.split_once(')').map_or(rest, |(head, _)| head));
    heads.filter_map(|head| head.split_once('(')).map(|(name, list)| (name, list.matches(".param").count())).collect()
}

#[test]
fn two_checkouts_give_the_same_bytes() {
    let other = build("kernels_in/a/much/deeper/folder");
    let mut compared = 0;
    for (name, text) in ops().iter().flat_map(|op| images(op)) {
        let file = if name.ends_with("_sm90") { "sm_90a.ptx" } else { "sm_80.ptx" };
        assert_eq!(text, other.image(&format!("{name}/{file}")), "{name}");
        compared += 1;
    }
    assert!(compared >= 2, "only {compared} files");
    let probe = BUILT.image("probe/sm_80.ptx");
    assert_eq!(probe, other.image("probe/sm_80.ptx"));
    assert!(probe.contains("\"kernels/probe/probe.cu\"") && probe.contains("\"include/cuda_bf16.hpp\""), "{probe}");
    assert!(!probe.contains(&*BUILT.folder.to_string_lossy()), "{probe}");
}

#[test]
fn every_exported_kernel_has_its_rust_kernel_and_back() {
    for op in ops() {
        let texts = images(&op);
        let exported: BTreeSet<&str> = texts.iter().flat_map(|(_, text)| entries(text)).map(|(name, _)| name).collect();
        let mut named = BTreeSet::new();
        let sources = files(&workspace().join("src/ops").join(&op), ".rs");
        for path in sources.into_iter().chain([workspace().join(format!("src/ops/{op}.rs"))]) {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let strings = text.split('"').skip(1).step_by(2);
            let kernel = |name: &&str| name.starts_with(&format!("{op}_"));
            named.extend(strings.filter(kernel).map(str::to_owned));
        }
        assert!(!exported.is_empty(), "{op} exports nothing");
        assert_eq!(named.iter().map(String::as_str).collect::<BTreeSet<_>>(), exported, "left: src/ops, right: PTX");
    }
}

/// `<op>_...`, a data type among the words of all kernels of a file, or of none where they work on one type alone, and one argument.
#[test]
fn kernels_are_named_after_their_op_and_take_one_argument() {
    for op in ops() {
        for (image, text) in images(&op) {
            let found = entries(&text);
            assert!(!found.is_empty(), "{image} exports nothing");
            let is_typed = |name: &str| name.split('_').any(|word| ["f32", "f16", "bf16", "f64"].contains(&word));
            let typed = found.iter().filter(|(name, _)| is_typed(name)).count();
            assert!(typed == 0 || typed == found.len(), "some kernels of {image} name no data type: {found:?}");
            for (name, parameters) in found {
                assert!(name.starts_with(&format!("{op}_")), "{name} in {image}.cu");
                assert_eq!(parameters, 1, "{name}");
            }
        }
    }
}
