//! The table: one row for each check and device, over all schedules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::shell::{Outcome, root};

/// The forms that kernels executed: by model and kernel name.
pub struct Notes(pub BTreeMap<(String, String), BTreeSet<String>>);

/// What Python says of one check under one schedule, or of a package that it did not find.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A check that ran.
    Ran(Box<Ran>),
    /// A module of checks that could not be imported, and why.
    Missing(String, String),
}

/// A check that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    pub check: String,
    /// Name and version.
    pub package: String,
    /// "sm_80" or "sm_90".
    pub model: String,
    pub shape: String,
    pub kernels: BTreeSet<String>,
    pub launches: u64,
    /// The output that came closest to its bound, its error and the bound.
    pub what: String,
    pub error: f64,
    pub bound: f64,
    pub failed: Option<String>,
    /// A fault that the kernel really has, and that was found.
    pub found: Option<String>,
}

impl Ran {
    /// The error in units of its bound.
    fn ratio(&self) -> f64 {
        match self.error {
            0.0 => 0.0,
            error => error / self.bound,
        }
    }
}

impl Line {
    /// From a line of JSON.
    pub fn parse(text: &str) -> Outcome<Self> {
        let wrong = |e: &dyn std::fmt::Display| format!("not a result: {text}: {e}");
        let json: Value = serde_json::from_str(text).map_err(|e| wrong(&e))?;
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let needed = |name: &str| text(name).ok_or_else(|| wrong(&name));
        if let Some(why) = text("missing") {
            return Ok(Self::Missing(needed("check")?, why));
        }
        let kernels = json["kernels"].as_array().ok_or_else(|| wrong(&"kernels"))?;
        Ok(Self::Ran(Box::new(Ran {
            check: needed("check")?,
            package: needed("package")?,
            model: format!("sm_{}", json["arch"]),
            shape: needed("shape")?,
            kernels: kernels.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            launches: json["launches"].as_u64().ok_or_else(|| wrong(&"launches"))?,
            what: needed("what")?,
            // Infinity is no JSON: Python writes it all the same, and then the check has failed.
            error: json["error"].as_f64().unwrap_or(f64::INFINITY),
            bound: json["bound"].as_f64().ok_or_else(|| wrong(&"bound"))?,
            failed: text("failed"),
            found: text("found"),
        })))
    }
}

/// Families of instruction worth a note, and how many words of the form say enough.
const NOTED: [(&str, usize); 14] = [
    ("wgmma.mma_async", 7),
    ("cp.async.bulk.tensor", 6),
    ("cp.async.bulk.shared", 5),
    ("mma.sync", 9),
    ("wmma.mma", 9),
    ("mbarrier.try_wait", 2),
    ("ldmatrix", 6),
    ("stmatrix", 6),
    ("cp.async.c", 3),
    ("atom", 9),
    ("red.", 9),
    ("redux", 3),
    ("dp4a", 3),
    ("shfl", 3),
];

/// The instructions of note among forms, shortened.
pub fn noted(forms: &BTreeSet<String>) -> String {
    let mut found = Vec::new();
    for (family, words) in NOTED {
        for form in forms.iter().filter(|form| form.starts_with(family)) {
            let (opcode, layout) = form.split_once(' ').map_or((form.as_str(), ""), |(a, b)| (a, b));
            let kept =
                opcode.split('.').filter(|word| !matches!(*word, "sync" | "aligned" | "shared::cluster")).take(words);
            let short = kept.collect::<Vec<_>>().join(".");
            let short = if layout.is_empty() { short } else { format!("{short} [{layout}]") };
            if !found.contains(&short) {
                found.push(short);
            }
        }
    }
    found.join(", ")
}

/// One check on one model, over its schedules: the worst.
struct Row<'a> {
    worst: &'a Ran,
    runs: usize,
    launches: u64,
    failed: Option<&'a str>,
}

fn rows(lines: &[Line]) -> Vec<Row<'_>> {
    let mut rows: BTreeMap<(&str, &str, &str), Row<'_>> = BTreeMap::new();
    for line in lines {
        let Line::Ran(ran) = line else { continue };
        let key = (ran.package.as_str(), ran.check.as_str(), ran.model.as_str());
        let row = rows.entry(key).or_insert(Row { worst: ran, runs: 0, launches: 0, failed: None });
        row.runs += 1;
        row.launches += ran.launches;
        row.failed = row.failed.or(ran.failed.as_deref());
        if ran.ratio() > row.worst.ratio() {
            row.worst = ran;
        }
    }
    rows.into_values().collect()
}

/// Prints the table, the sums and the failures; gives the number of rows that failed.
pub fn print(lines: &[Line], notes: &Notes, schedules: usize) -> usize {
    let rows = rows(lines);
    let widest = |text: fn(&Ran) -> &str| rows.iter().map(|row| text(row.worst).chars().count()).max().unwrap_or(0);
    let (check, package, shape) = (widest(|r| &r.check), widest(|r| &r.package), widest(|r| &r.shape));
    println!(
        "{:<check$} {:<package$} device {:<shape$}   error   bound  {:<20} instructions of note",
        "check", "package", "shape", "detector"
    );
    for Row { worst: ran, runs, launches, failed } in &rows {
        let verdict = match (failed, &ran.found) {
            (Some(_), _) => "FAILED".to_owned(),
            (None, Some(_)) => "a fault of its own".to_owned(),
            (None, None) => format!("0 in {launches} launches"),
        };
        // A process that ended early has left checks out.
        let mark = if *runs == schedules { ' ' } else { '*' };
        println!(
            "{:<check$} {:<package$} {:<6} {:<shape$} {:>7.1e}{mark}{:>7.1e}  {verdict:<20} {}",
            ran.check,
            ran.package,
            ran.model,
            ran.shape,
            ran.error,
            ran.bound,
            noted(&forms_of(notes, ran))
        );
    }
    let right = || rows.iter().filter(|row| row.failed.is_none());
    let kernels: BTreeSet<&String> = right().flat_map(|row| &row.worst.kernels).collect();
    let tensor = |ran: &Ran| {
        let is_tensor =
            |form: &String| ["mma.", "wgmma.mma", "wmma.mma", "cp.async.bulk"].iter().any(|w| form.starts_with(w));
        let of = |kernel: &&String| {
            notes.0.get(&(ran.model.clone(), (*kernel).clone())).is_some_and(|f| f.iter().any(is_tensor))
        };
        ran.kernels.iter().filter(of).cloned().collect::<BTreeSet<_>>()
    };
    let tensors: BTreeSet<String> = right().flat_map(|row| tensor(row.worst)).collect();
    let launches: u64 = rows.iter().map(|row| row.launches).sum();
    println!(
        "{} kernels, {} of them with mma, wmma, wgmma or TMA; {} checks on their devices under {schedules} schedules, {launches} launches",
        kernels.len(),
        tensors.len(),
        rows.len()
    );
    println!("kernels: {}", kernels.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "));
    for row in &rows {
        if let Some(found) = &row.worst.found {
            let found = found.replace(&format!("{}/", root().display()), "");
            println!("{} on {}: a fault that the kernel has: {found}", row.worst.check, row.worst.model);
        }
    }
    let mut missing = BTreeSet::new();
    for line in lines {
        if let Line::Missing(module, why) = line
            && missing.insert(module)
        {
            println!("not checked: {module}: {why}");
        }
    }
    let mut failures = missing.len();
    for Row { worst: ran, failed, .. } in &rows {
        if let Some(why) = failed {
            println!("FAILED: {} on {}: {why}", ran.check, ran.model);
            failures += 1;
        }
    }
    failures
}

fn forms_of(notes: &Notes, ran: &Ran) -> BTreeSet<String> {
    let of = |kernel: &String| notes.0.get(&(ran.model.clone(), kernel.clone()));
    ran.kernels.iter().filter_map(of).flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAN: &str = r#"{"check": "c", "package": "p 1.0", "arch": 90, "shape": "f32 [4]", "kernels": ["k"], "launches": 2,
        "outputs": 1, "seconds": 0.1, "failed": null, "found": null, "what": "y", "error": 1e-7, "bound": 4e-6}"#;

    #[test]
    fn a_result_is_read() {
        let Ok(Line::Ran(ran)) = Line::parse(RAN) else { panic!("it is one") };
        assert_eq!(
            (ran.check.as_str(), ran.package.as_str(), ran.model.as_str(), ran.launches),
            ("c", "p 1.0", "sm_90", 2)
        );
        assert_eq!((ran.error, ran.bound, ran.failed), (1e-7, 4e-6, None));
        let missing = Line::parse(r#"{"check": "liger", "missing": "no package"}"#);
        assert_eq!(missing, Ok(Line::Missing("liger".into(), "no package".into())));
        assert!(Line::parse(r#"{"check": "c"}"#).is_err_and(|why| why.contains("kernels")));
        assert!(Line::parse("Traceback").is_err());
    }

    #[test]
    fn a_row_is_the_worst_of_its_schedules_and_fails_if_one_does() {
        let Ok(Line::Ran(first)) = Line::parse(RAN) else { panic!("it is one") };
        let worse = Ran { error: 3e-6, ..(*first).clone() };
        let wrong = Ran { error: 2e-7, failed: Some("a race".into()), ..(*first).clone() };
        let lines: Vec<Line> = [*first, worse, wrong].into_iter().map(|ran| Line::Ran(Box::new(ran))).collect();
        let rows = rows(&lines);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].runs, rows[0].launches, rows[0].worst.error, rows[0].failed), (3, 6, 3e-6, Some("a race")));
    }

    #[test]
    fn notes_are_short_and_unique() {
        let forms = [
            "add.f32",
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
            "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 a=registers b=mn/128B",
            "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 a=registers b=k/128B",
            "shfl.sync.bfly.b32",
        ];
        let forms = forms.into_iter().map(str::to_owned).collect();
        assert_eq!(
            noted(&forms),
            "wgmma.mma_async.m64n64k16.f32.bf16.bf16 [a=registers b=k/128B], wgmma.mma_async.m64n64k16.f32.bf16.bf16 [a=registers b=mn/128B], \
             mma.m16n8k16.row.col.f32.bf16.bf16.f32, shfl.bfly.b32"
        );
    }
}
