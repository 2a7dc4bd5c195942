//! The emulator against what GPUs gave (`vectors/`), and what has to be true of the forms themselves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ptx_emulator_golden::{Device, Emulated, File, Form, Job, Shape, all, compare, record};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_emulator_does_what_gpus_did() {
    let folder = std::fs::read_dir(here("vectors")).expect("the folder of vectors");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "golden")).collect();
    for path in &files {
        let file = File::from_bytes(&std::fs::read(path).expect("a file")).expect("a golden file");
        let found = compare(&file, &all()).expect("a model of the card");
        println!("{}: {} the same, {} within their bounds", path.display(), found.same, found.near.len());
        assert!(found.wrong.is_empty(), "{}: {:#?}", path.display(), found.wrong);
        assert!(!file.entries.is_empty());
    }
    // What the documents say about it changes with the first file.
    let readme = std::fs::read_to_string(here("README.md")).expect("README.md");
    let counts = format!("\n{} forms:", all().len());
    assert!(readme.contains(&counts), "README.md has another number of {}", counts.trim());
    let says_none = readme.contains("**No GPU has been recorded yet.**");
    assert_eq!(says_none, files.is_empty(), "README.md says whether there are vectors, and there are {}", files.len());
}

#[test]
fn every_form_has_a_name_of_its_own() {
    let forms = all();
    let names: BTreeSet<String> = forms.iter().map(Form::name).collect();
    assert_eq!(names.len(), forms.len());
    assert!(names.iter().all(|name| !name.contains('\n')));
    assert!(forms.iter().all(|form| !matches!(form.shape, Shape::Lanes(_, cases, _) if cases % 128 != 0)));
}

#[test]
fn a_form_that_fails_is_named_and_left_out() {
    struct Broken;
    impl Device for Broken {
        fn capability(&self) -> (u32, u32) {
            (8, 0)
        }
        fn run(&self, job: &Job<'_>) -> Result<Vec<u8>, String> {
            if job.ptx.contains("popc.b32") {
                Err("no".to_owned())
            } else {
                Emulated::new((8, 0)).expect("a model").run(job)
            }
        }
    }
    let forms: Vec<Form> =
        all().into_iter().filter(|form| form.code.contains("popc.b") || form.code.contains("clz")).collect();
    let (file, failures) = record(&Broken, &forms, Vec::new());
    assert_eq!((file.entries.len(), failures.len()), (3, 1));
    assert!(failures[0].0.starts_with("popc.b32"), "{failures:?}");
}

#[test]
fn a_file_that_is_cut_or_changed_is_no_golden_file() {
    let forms: Vec<Form> = all().into_iter().filter(|form| form.code.contains("clz")).collect();
    let (file, _) =
        record(&Emulated::new((8, 0)).expect("a model"), &forms, vec![("card".to_owned(), "none".to_owned())]);
    let bytes = file.to_bytes();
    assert_eq!(File::from_bytes(&bytes), Ok(file));
    // Cut behind the empty line or between two forms it is a shorter file, and elsewhere none.
    let whole = (0..bytes.len()).filter(|end| File::from_bytes(&bytes[..*end]).is_ok()).count();
    assert_eq!(whole, forms.len());
    let mut other = bytes.clone();
    other[20] ^= 1;
    assert!(File::from_bytes(&other).unwrap_err().to_string().starts_with("byte 0"));
    // Other inputs are noticed, and so is a form that is not there any more.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find("raw ").expect("a form");
    let digest = at + text[at..].match_indices(' ').nth(1).expect("a digest").0 + 1;
    let mut other = bytes.clone();
    other[digest] = if other[digest] == b'0' { b'1' } else { b'0' };
    let found = compare(&File::from_bytes(&other).expect("a file"), &forms).expect("a model");
    assert!(found.wrong.len() == 1 && found.wrong[0].contains("other inputs"), "{found:?}");
    let found = compare(&File::from_bytes(&bytes).expect("a file"), &forms[1..]).expect("a model");
    assert!(found.wrong.len() == 1 && found.wrong[0].contains("not among the forms"), "{found:?}");
}

/// A tool of the CUDA toolkit that this workspace builds with, `None` where there is none of release 13.0.
fn tool(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("NVCC").filter(|nvcc| !nvcc.is_empty()).map(PathBuf::from);
    let nvcc = named.unwrap_or_else(|| here("../../.cuda/nvidia/cu13/bin/nvcc"));
    let output = Command::new(&nvcc).arg("--version").output().ok()?;
    let is_known = String::from_utf8_lossy(&output.stdout).contains("release 13.0,");
    is_known.then(|| nvcc.with_file_name(name))
}

#[test]
fn the_kernels_are_what_nvcc_makes_of_them() {
    let Some(nvcc) = tool("nvcc") else { return eprintln!("not run: no nvcc 13.0") };
    for (name, arch) in [("lanes", "sm_80"), ("warp", "sm_80"), ("group", "sm_90a"), ("tile", "sm_90a")] {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.ptx"));
        let mut command = Command::new(&nvcc);
        command.args(["-std=c++17", "-ptx", "-arch", arch, "-o"]).arg(&to);
        let output = command.arg(here("kernels").join(format!("{name}.cu"))).output().expect("nvcc starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(&to).expect("PTX");
        let made: Vec<&str> =
            text.lines().filter(|line| !line.starts_with("//")).skip_while(|line| line.is_empty()).collect();
        let kept = std::fs::read_to_string(here("kernels").join(format!("{name}.ptx"))).expect("the PTX");
        assert!(
            made.iter().copied().eq(kept.lines()),
            "kernels/{name}.ptx is not what nvcc makes of kernels/{name}.cu"
        );
    }
}

#[test]
fn ptxas_takes_every_form() {
    let Some(ptxas) = tool("ptxas") else { return eprintln!("not run: no ptxas 13.0") };
    let forms = all();
    let needs: BTreeSet<u32> = forms.iter().map(|form| form.needs).collect();
    for needs in needs {
        // All of one target in one module, whose kernels have a number more in their names.
        let mut module = String::new();
        for (number, form) in forms.iter().enumerate().filter(|(_, form)| form.needs == needs) {
            let text = form.ptx();
            let (head, kernel) = text.split_once(".visible").expect("a kernel");
            if module.is_empty() {
                module += head;
            }
            module += &format!(".visible{}", kernel.replacen("golden(", &format!("golden_{number}("), 1));
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("forms-{needs}.ptx"));
        std::fs::write(&path, module).expect("a file");
        let target = if needs == 900 { "sm_90a".to_owned() } else { format!("sm_{needs}") };
        let output = Command::new(&ptxas)
            .args(["-arch", &target, "-O0", "-o", "/dev/null"])
            .arg(&path)
            .output()
            .expect("ptxas starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
