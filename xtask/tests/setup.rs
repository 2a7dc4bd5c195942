//! `cargo xtask setup` with pretended tools: what happens when it stops half-way, and what it asks for first.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{fresh, script, workspace};

/// A workspace that has nothing but the package list, and the tools that the set-up sees.
struct Machine {
    root: PathBuf,
    tools: PathBuf,
}

impl Machine {
    fn new(name: &str) -> Self {
        let root = fresh(name);
        fs::create_dir_all(root.join("xtask")).expect("a folder");
        for list in ["nvcc.txt", "libclang.txt"] {
            fs::copy(workspace().join("xtask").join(list), root.join("xtask").join(list)).expect("a copy");
        }
        let tools = root.join("tools");
        script(&tools.join("g++"), "exit 0");
        Self { tools, root }
    }

    /// A Python whose `pip install` puts the files of a compiler that does `compile` into its target, then does `last`.
    fn python(&self, compile: &str, last: &str) {
        let pip = format!(
            "case \"$*\" in *--version*) exit 0;; esac\n\
             test \"$PIP_USER$PIP_REQUIRE_VIRTUALENV\" = 00 || exit 3\n\
             while test \"$1\" != --target; do shift; done\n\
             bin=\"$2/nvidia/cu13/bin\"; /bin/mkdir -p \"$bin\"\n\
             printf '#!/bin/sh\\n{compile}\\n' > \"$bin/nvcc\"; /bin/chmod +x \"$bin/nvcc\"\n{last}"
        );
        script(&self.tools.join("python3"), &pip);
    }

    fn setup(&self) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("setup").env("CARGO_MANIFEST_DIR", self.root.join("xtask")).env("PATH", &self.tools);
        let output = command.output().expect("xtask starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    fn has(&self, path: &str) -> bool {
        Path::new(&self.root).join(path).exists()
    }
}

#[test]
fn a_set_up_that_was_interrupted_starts_over() {
    let machine = Machine::new("setup_interrupted");
    machine.python("exit 0", "> \"$2/left-over\"; kill -9 $PPID; exit 1");
    assert!(machine.setup().is_err());
    assert!(machine.has(".cuda.partial/left-over"), "killed while pip was running");
    assert!(!machine.has(".cuda"), "nothing that a build could find");

    machine.python("exit 0", "");
    machine.setup().expect("the second time it works");
    assert!(machine.has(".cuda/nvidia/cu13/bin/nvcc") && machine.has(".cuda/stamp"));
    assert!(!machine.has(".cuda/left-over") && !machine.has(".cuda.partial"), "nothing is left of the first time");
}

#[test]
fn a_compiler_that_does_not_compile_is_not_installed() {
    let machine = Machine::new("setup_broken_nvcc");
    machine.python("exit 7", "");
    let said = machine.setup().expect_err("nvcc fails");
    assert!(said.contains("exit status: 7") && said.contains("nvcc -cubin"), "{said}");
    assert!(!machine.has(".cuda"));
}

#[test]
fn a_finished_set_up_is_left_alone_until_the_list_changes() {
    let machine = Machine::new("setup_twice");
    machine.python("exit 0", "");
    machine.setup().expect("the first time");
    machine.python("exit 0", "exit 9");
    assert_eq!(machine.setup().expect("nothing to do"), ".cuda/ is complete\n");
    fs::write(machine.root.join(".cuda/stamp"), "an older list").expect("a file");
    let said = machine.setup().expect_err("it installs again, and pip fails");
    assert!(said.contains("exit status: 9"), "{said}");
    assert!(machine.has(".cuda/nvidia/cu13/bin/nvcc"), "the old one stays until the new one works");
}

#[test]
fn what_is_missing_is_named_in_one_line() {
    let machine = Machine::new("setup_bare");
    fs::remove_file(machine.tools.join("g++")).expect("removed");
    let said = machine.setup().expect_err("neither is there");
    assert!(said.contains("\n    sudo apt-get install -y g++ python3-pip\n"), "{said}");
    machine.python("exit 0", "");
    let said = machine.setup().expect_err("g++ is not there");
    assert!(said.contains("\n    sudo apt-get install -y g++\n"), "{said}");
    assert!(!machine.has(".cuda.partial"), "nothing was downloaded");
}
