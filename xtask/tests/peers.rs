//! `benches/peers/compare.py` where something is missing: it says so in plain words, and compares what is there.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{fresh, script, workspace};

/// Runs the script with these tools and the system's; of a Python there is no more than itself.
fn compare(tools: &Path, path: &str, arguments: &[&Path]) -> (Output, String) {
    // What `python3` starts may be a script that needs its own PATH.
    let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().expect("python3");
    let mut command = Command::new(String::from_utf8_lossy(&python.stdout).trim());
    command.arg(workspace().join("benches/peers/compare.py")).args(arguments);
    let output = command.env("PATH", path).env("PYTHONPATH", tools).output().expect("python3 starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

#[test]
fn without_a_gpu_there_is_nothing_to_compare() {
    let folder = fresh("peers-no-gpu");
    let (output, text) = compare(&folder, &folder.to_string_lossy(), &[]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("no NVIDIA GPU answers nvidia-smi here") && text.lines().count() == 1, "{text}");
}

/// With a pretended GPU, benches that print what ours print on one, and modules that cannot be imported.
#[test]
fn without_peers_our_own_times_are_shown() {
    let folder = fresh("peers-alone");
    let (tools, bundle, programs) = (folder.join("tools"), folder.join("bundle"), folder.join("programs/benches"));
    script(&tools.join("nvidia-smi"), "echo 'NVIDIA Pretended, 580.00, 700.00 W, 1980 MHz, 2619 MHz'");
    for bench in ["attention", "gelu", "adamw8bit"] {
        let id = format!("{bench}/forward/bf16/512x64");
        script(&programs.join(bench), &format!("echo '{id}: median 12.5 us, 1.000 TB/s, NVIDIA Pretended'"));
    }
    script(&programs.join("layer_norm"), "echo 'it broke' >&2; exit 101");
    fs::create_dir_all(&bundle).expect("a folder");
    let packed = bundle.join("programs.tar.gz");
    let tar = Command::new("tar").arg("-czf").arg(&packed).arg("-C").arg(folder.join("programs")).arg(".").status();
    assert!(tar.expect("tar").success());
    fs::write(tools.join("torch.py"), "raise ImportError('libcudart.so.13')").expect("a file");

    let (output, text) =
        compare(&tools, &format!("{}:/usr/bin:/bin", tools.display()), &[Path::new("--bundle"), &bundle]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("card: NVIDIA Pretended"), "{text}");
    assert!(text.contains("torch cannot be imported (ImportError: libcudart.so.13): its column stays empty"), "{text}");
    assert!(
        text.contains("our bench layer_norm printed no times (exit status 101)") && text.contains("it broke"),
        "{text}"
    );
    for bench in ["attention", "gelu", "adamw8bit"] {
        let shown = |line: &str| line.starts_with(&format!("{bench}/forward/bf16/512x64 ")) && line.contains("12.5");
        assert!(text.lines().any(shown), "{text}");
    }
}
