//! bindgen over `kernels/abi.h`, and the promise that every struct of it is a kernel's argument.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use quote::ToTokens;

use crate::setup;
use crate::shell::{Outcome, at, remove, root};

const HEADER: &str =
    "//! The arguments of the kernels. Written by `cargo xtask bindings` from `kernels/abi.h`; never edited.\n\n";

/// The text of `src/abi.rs`.
pub fn text() -> Outcome<String> {
    let kernels = root().join("kernels");
    let libclang = libclang()?;
    // SAFETY: this program has one thread, and bindgen looks for libclang only below.
    unsafe { std::env::set_var("LIBCLANG_PATH", libclang) };
    let bindings = bindgen::builder()
        .header(kernels.join("abi.h").display().to_string())
        .clang_args(["-x", "c++", "-std=c++17", "-I"])
        .clang_arg(kernels.display().to_string())
        .allowlist_file(".*_params\\.h")
        .use_core()
        .derive_default(true)
        .derive_partialeq(true)
        .prepend_enum_name(false)
        .disable_header_comment()
        .formatter(bindgen::Formatter::None)
        .generate()
        .map_err(|e| format!("kernels/abi.h: {e}"))?
        .to_string();
    let text = format(&[HEADER, &bindings, &params(&bindings)?].concat())?;
    Ok(text.lines().filter_map(in_rust).collect())
}

/// A formatted line as one writes it in Rust: doc comments for `doc` attributes, `u32` for the unnamed enums of constants.
fn in_rust(line: &str) -> Option<String> {
    if line.starts_with("pub type _bindgen_ty_") {
        return None;
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    if let Some(doc) = line.trim_start().strip_prefix("#[doc = \"").and_then(|rest| rest.strip_suffix("\"]")) {
        return Some(format!("{indent}///{}\n", doc.replace("\\\"", "\"").replace("\\\\", "\\")));
    }
    // The default of a struct with a long array.
    if line.trim() == "unsafe {" {
        return Some(format!(
            "{indent}// SAFETY: every field is made of numbers, and all bits zero is the number zero.\n{line}\n"
        ));
    }
    match line.split_once(": _bindgen_ty_") {
        Some((head, rest)) => Some(format!("{head}: u32{}\n", rest.trim_start_matches(|c: char| c.is_ascii_digit()))),
        None => Some(format!("{line}\n")),
    }
}

/// The libclang that bindgen loads, installed beside nvcc on first use.
fn libclang() -> Outcome<PathBuf> {
    setup::prerequisites()?;
    let root = root();
    let (place, partial) = (root.join(".cuda").join("libclang"), root.join(".cuda").join("libclang.partial"));
    if !place.is_dir() {
        remove(&partial)?;
        setup::pip_install(&root.join("xtask").join("libclang.txt"), &partial)?;
        at(&place, std::fs::rename(&partial, &place))?;
    }
    Ok(place.join("clang").join("native"))
}

/// What makes a struct a kernel's argument: the promise that none of its bytes is padding, which the compiler checks.
fn params(bindings: &str) -> Outcome<String> {
    let file = syn::parse_file(bindings).map_err(|e| format!("bindgen's output: {e}"))?;
    let structs =
        file.items.iter().filter_map(|item| if let syn::Item::Struct(item) = item { Some(item) } else { None });
    let promise = |item: &syn::ItemStruct| {
        let name = &item.ident;
        let fields = item.fields.iter().map(|field| format!("size_of::<{}>()", field.ty.to_token_stream()));
        let sum = fields.collect::<Vec<_>>().join(" + ");
        format!(
            "\nconst _: () = assert!(size_of::<{name}>() == {sum}, \"{name} has padding\");\n\
             // SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.\n\
             unsafe impl crate::device::Params for {name} {{}}\n"
        )
    };
    Ok(structs.map(promise).collect())
}

/// The text as `cargo fmt` leaves it.
fn format(text: &str) -> Outcome<String> {
    let mut command = Command::new("rustfmt");
    command.args(["--edition", "2024", "--config-path"]).arg(root()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("rustfmt: {e}"))?;
    child
        .stdin
        .take()
        .ok_or("rustfmt has no input")?
        .write_all(text.as_bytes())
        .map_err(|e| format!("rustfmt: {e}"))?;
    let output = child.wait_with_output().map_err(|e| format!("rustfmt: {e}"))?;
    if !output.status.success() {
        return Err(format!("rustfmt refused the bindings:\n{text}"));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("rustfmt: {e}"))
}
