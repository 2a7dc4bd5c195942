//! The whole way on the drop-in driver: the program records through cudarc, and the file holds the emulator to itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use ptx_emulator_driver_harness::folder;
use ptx_emulator_golden::{Check, Entry, File, Results, all, compare};

/// Runs the program's `record` on the drop-in driver; `None` where there is no such driver.
fn recorded(name: &str, environment: &[(&str, &str)]) -> Option<File> {
    let Some(driver) = folder() else {
        eprintln!("not run: no emulated driver");
        return None;
    };
    let file: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_golden"));
    command.arg("record").arg(&file).env("LD_LIBRARY_PATH", driver).env_remove("CUDA_VISIBLE_DEVICES");
    let output = command.envs(environment.iter().copied()).output().expect("the program starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    let bytes = std::fs::read(&file).expect("the file is there");
    let read = File::from_bytes(&bytes).expect("a golden file");
    assert_eq!(read.to_bytes(), bytes);
    Some(read)
}

#[test]
fn every_form_comes_back_as_it_was_recorded() {
    let Some(file) = recorded("exact.golden", &[("PTX_EMULATOR_MODEL", "sm_90")]) else { return };
    let forms = all();
    assert_eq!(file.entries.len(), forms.len());
    assert!(file.about.iter().any(|(name, value)| name == "card" && value.contains("emulator")), "{:?}", file.about);
    let found = compare(&file, &forms).expect("a model");
    assert_eq!((found.same, found.near.len(), found.wrong.len()), (forms.len(), 0, 0), "{:#?}", found.wrong);

    // A file of digests is a tenth, and says the same.
    let is_exact = |name: &str| forms.iter().any(|form| form.name() == name && form.check == Check::Exact);
    let mut packed = file.clone().packed(is_exact);
    assert!(packed.to_bytes().len() * 8 < file.to_bytes().len());
    assert_eq!(compare(&packed, &forms).expect("a model").same, forms.len());

    // One wrong bit in any form is noticed, whether its bytes or its digests are kept, but for what a bound allows.
    let flip = |entry: &mut Entry| match &mut entry.results {
        Results::Raw(bytes) => bytes[0] ^= 1,
        Results::Digests(digests) => digests[0] ^= 1,
    };
    packed.entries.iter_mut().for_each(flip);
    let found = compare(&packed, &forms).expect("a model");
    let exact = forms.iter().filter(|form| form.check == Check::Exact).count();
    assert_eq!(found.same, 0);
    assert!(found.wrong.len() >= exact, "{} of {exact}", found.wrong.len());
    assert!(found.near.iter().all(|(name, _)| !is_exact(name)));
}

#[test]
fn what_hardware_may_err_by_is_within_the_bounds() {
    let setting =
        [("PTX_EMULATOR_MODEL", "sm_90"), ("PTX_EMULATOR_APPROXIMATION", "perturbed"), ("PTX_EMULATOR_SEED", "3")];
    let Some(file) = recorded("perturbed.golden", &setting) else { return };
    let forms = all();
    let found = compare(&file, &forms).expect("a model");
    assert!(found.wrong.is_empty(), "{:#?}", found.wrong);
    let approximate = forms.iter().filter(|form| form.check != Check::Exact).count();
    assert!(2 * found.near.len() > approximate, "{} of {approximate} differ at all", found.near.len());
    // The bounds are no wider than they have to be: some function uses nearly all of its own.
    assert!(found.near.iter().any(|(_, used)| *used > 0.9));
}

#[test]
fn an_older_card_leaves_out_what_it_has_not() {
    let Some(file) = recorded("old.golden", &[("PTX_EMULATOR_MODEL", "sm_80")]) else { return };
    let forms = all();
    assert_eq!(file.capability, (8, 0));
    assert_eq!(file.entries.len(), forms.iter().filter(|form| form.needs == 80).count());
    assert_eq!(compare(&file, &forms).expect("a model").same, file.entries.len());
}
