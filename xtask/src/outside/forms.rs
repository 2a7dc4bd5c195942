//! The forms of instruction (opcode and modifiers) of our kernels that no kernel of others executed, each of which has to be tested from the
//! text of the PTX ISA.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::table::Notes;
use crate::setup::cargo_with_nvcc;
use crate::shell::{Outcome, at, cargo, remove, root, run, target};

/// Prints the list, and fails if one of its forms has no test.
pub fn report(notes: &Notes) -> Outcome {
    let ours = forms_in(&images()?)?;
    let tested = forms_in(&snippets()?)?;
    // What depends on data, such as a descriptor's swizzle, stands behind the opcode.
    let opcode = |form: &String| form.split(' ').next().unwrap_or_default().to_owned();
    let outside: BTreeSet<String> = notes.0.values().flatten().map(opcode).collect();
    let layouts: BTreeSet<&String> = notes.0.values().flatten().filter(|form| form.contains(' ')).collect();
    println!("layouts in shared memory that kernels of others executed:");
    layouts.iter().for_each(|form| println!("  {form}"));
    let alone: Vec<&String> = ours.difference(&outside).collect();
    println!(
        "{} forms in our kernels' PTX; {} in what kernels of others executed; {} of ours not among them:",
        ours.len(),
        outside.len(),
        alone.len()
    );
    let mut untested = Vec::new();
    for form in alone {
        let is_tested = tested.contains(form);
        println!("  {form}  {}", if is_tested { "tested from the ISA's text" } else { "NO TEST" });
        if !is_tested {
            untested.push(form.as_str());
        }
    }
    if untested.is_empty() { Ok(()) } else { Err(format!("no test of {}", untested.join(", "))) }
}

/// Builds the crate's images, of every architecture, and gives their folder.
fn images() -> Outcome<PathBuf> {
    let arguments = ["build", "--package", "warpsmith", "--message-format=json"];
    let mut command = cargo_with_nvcc(&arguments)?;
    let output = command.stderr(Stdio::inherit()).output().map_err(|e| format!("cargo build: {e}"))?;
    if !output.status.success() {
        return Err("cargo build --package warpsmith failed".into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let out = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let is_ours = message["reason"] == "build-script-executed"
            && message["package_id"].as_str().is_some_and(|id| id.contains("warpsmith#") || id.contains("warpsmith@"));
        is_ours.then(|| message["out_dir"].as_str().map(PathBuf::from)).flatten()
    });
    // A package in the workspace's root is named by its path alone where folder and package have one name.
    let out = out.ok_or("cargo did not say where the build script of warpsmith wrote")?;
    Ok(out.join("images"))
}

/// Runs the emulator's tests of single instructions, and gives the folder with the PTX that they loaded.
fn snippets() -> Outcome<PathBuf> {
    let folder = target().join("outside-snippets");
    remove(&folder)?;
    at(&folder, std::fs::create_dir_all(&folder))?;
    let mut command: Command =
        cargo(&["test", "--quiet", "--package", "ptx-emulator", "--test", "isa_*", "--test", "hopper"]);
    run(command.env("PTX_EMULATOR_DUMP", &folder).current_dir(root()).stdout(Stdio::null()))?;
    Ok(folder)
}

/// The forms in all PTX files below a folder.
fn forms_in(folder: &Path) -> Outcome<BTreeSet<String>> {
    let mut forms = BTreeSet::new();
    for entry in at(folder, std::fs::read_dir(folder))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            forms.extend(forms_in(&path)?);
        } else if path.extension().is_some_and(|e| e == "ptx") {
            forms.extend(of_text(&at(&path, std::fs::read_to_string(&path))?));
        }
    }
    Ok(forms)
}

/// The forms of the instructions of a PTX text.
pub fn of_text(text: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    // An instruction may go on over several lines, up to its semicolon.
    let mut is_inside = false;
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let mut pieces = line.split(';').peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            let mut words = piece
                .split_whitespace()
                .skip_while(|word| matches!(*word, "{" | "}") || word.starts_with('@') || word.ends_with(':'));
            if let (false, Some(first)) = (is_inside, words.next()) {
                let first = first.trim_start_matches('{');
                let is_opcode = first.starts_with(|c: char| c.is_ascii_lowercase())
                    && first.chars().all(|c| c.is_ascii_alphanumeric() || "._:".contains(c));
                if is_opcode {
                    forms.insert(first.to_owned());
                }
                is_inside = is_last && is_opcode;
            } else if !is_last {
                is_inside = false;
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_opcodes_with_their_modifiers() {
        let text = "
            .version 8.0
            .visible .entry k(.param .u64 p) {
                .reg .b32 %r<3>;
                ld.param.u64 %rd0, [p];  // add.u32
                @%p1 ld.global.v2.u32 {%r0, %r1}, [%rd0];
            $L__BB0_1: add.f32 %f0, %f1, %f2;
                { .reg .pred q; setp.ne.b32 q, %r0, 0; @q cp.async.cg.shared.global [%r1], [%rd1], 16; }
                { // callseq 0, 0
                .param .b32 param0;
                st.param.b32 [param0+0], %r1;
                call.uni (retval0),
                function,
                (
                param0
                );
                ld.param.b32 %r2, [retval0+0];
                }
                @!%p2 bra.uni $L__BB0_1;
                ret;
            }";
        let forms: Vec<String> = of_text(text).into_iter().collect();
        let expected = [
            "add.f32",
            "bra.uni",
            "call.uni",
            "cp.async.cg.shared.global",
            "ld.global.v2.u32",
            "ld.param.b32",
            "ld.param.u64",
            "ret",
            "setp.ne.b32",
            "st.param.b32",
        ];
        assert_eq!(forms, expected);
    }
}
