//! What the environment decides: the devices that are played, the driver's version, the record, the failures.

use std::path::PathBuf;

use ptx_emulator::{Approximation, Asynchrony, Checks, Config, DeviceModel, Schedule};

use crate::inject::{self, Failure};

/// The settings of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// One configuration for each device.
    pub devices: Vec<Config>,
    /// `cuDriverGetVersion`: 1000 * major + 10 * minor.
    pub version: i32,
    /// Whether launches run; otherwise they are checked alone.
    pub execute: bool,
    /// Where calls are recorded.
    pub record: Option<PathBuf>,
    /// Where executed forms of instruction are noted.
    pub forms: Option<PathBuf>,
    /// Where the counts of each launch are appended.
    pub profile: Option<PathBuf>,
    /// Armed failures.
    pub failures: Vec<Failure>,
}

impl Default for Settings {
    fn default() -> Self {
        let devices = vec![Config::new(DeviceModel::Sm80)];
        Self { devices, version: 12080, execute: true, record: None, forms: None, profile: None, failures: Vec::new() }
    }
}

impl Settings {
    /// Reads the variables that `get` finds, all named `PTX_EMULATOR_...`; the error names the variable that is wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut settings = Self::default();
        let get = |name: &str| get(&format!("PTX_EMULATOR_{name}"));
        if let Some(models) = get("MODEL") {
            settings.devices =
                models.split(',').map(|model| model_named(model).map(Config::new)).collect::<Result<_, _>>()?;
        }
        if let Some(count) = number(&get, "DEVICES")? {
            let given = settings.devices.clone();
            settings.devices = given.iter().cycle().take(count as usize).cloned().collect();
        }
        for config in &mut settings.devices {
            configure(config, &get)?;
        }
        if let Some(version) = number(&get, "DRIVER_VERSION")? {
            settings.version =
                i32::try_from(version).map_err(|_| format!("PTX_EMULATOR_DRIVER_VERSION={version} is too large"))?;
        }
        settings.execute = flag(&get, "EXECUTE")?.unwrap_or(true);
        settings.record = get("RECORD").map(PathBuf::from);
        settings.forms = get("FORMS").map(PathBuf::from);
        settings.profile = get("PROFILE").map(PathBuf::from);
        if let Some(failures) = get("FAIL") {
            settings.failures = inject::parse(&failures).map_err(|wrong| format!("PTX_EMULATOR_FAIL: {wrong}"))?;
        }
        Ok(settings)
    }
}

/// Every check but that for equal stores: other compilers' code has them.
const LENIENT: Checks = Checks { equal_stores: false, ..Checks::ALL };

fn configure(config: &mut Config, get: &impl Fn(&str) -> Option<String>) -> Result<(), String> {
    let schedules = [("round-robin", Schedule::RoundRobin), ("random", Schedule::Random), ("greedy", Schedule::Greedy)];
    let asynchronies = [("eager", Asynchrony::Eager), ("late", Asynchrony::Late), ("random", Asynchrony::Random)];
    let approximations = [("exact", Approximation::Exact), ("perturbed", Approximation::Perturbed)];
    let checks = [
        ("all", LENIENT),
        ("strict", Checks::ALL),
        ("none", Checks::NONE),
        ("races", Checks { races: true, ..Checks::NONE }),
        ("uninitialised", Checks { races: false, ..LENIENT }),
    ];
    config.schedule = choice(get, "SCHEDULE", &schedules)?.unwrap_or(config.schedule);
    config.asynchrony = choice(get, "ASYNCHRONY", &asynchronies)?.unwrap_or(config.asynchrony);
    config.approximation = choice(get, "APPROXIMATION", &approximations)?.unwrap_or(config.approximation);
    config.checks = choice(get, "CHECKS", &checks)?.unwrap_or(LENIENT);
    config.seed = number(get, "SEED")?.unwrap_or(config.seed);
    config.workers = number(get, "WORKERS")?.map_or(config.workers, |workers| workers as usize);
    config.residency.reversed = flag(get, "REVERSED")?.unwrap_or(config.residency.reversed);
    if let Some(blocks) = number(get, "RESIDENT_BLOCKS")? {
        config.residency.resident_blocks = blocks as usize;
    }
    Ok(())
}

fn model_named(name: &str) -> Result<DeviceModel, String> {
    let of_model = |model: &DeviceModel| {
        let (major, minor) = model.compute_capability();
        format!("sm_{major}{minor}")
    };
    DeviceModel::ALL.into_iter().find(|model| of_model(model) == name.trim()).ok_or_else(|| {
        let known = DeviceModel::ALL.iter().map(of_model).collect::<Vec<_>>().join(", ");
        format!("PTX_EMULATOR_MODEL: {name:?} is none of {known}")
    })
}

fn choice<T: Copy>(
    get: &impl Fn(&str) -> Option<String>,
    name: &str,
    known: &[(&str, T)],
) -> Result<Option<T>, String> {
    let Some(value) = get(name) else { return Ok(None) };
    let found = known.iter().find(|(word, _)| *word == value);
    let words = || known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    found
        .map(|(_, choice)| Some(*choice))
        .ok_or_else(|| format!("PTX_EMULATOR_{name}: {value:?} is none of {}", words()))
}

fn number(get: &impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<u64>, String> {
    let Some(value) = get(name) else { return Ok(None) };
    value.trim().parse().map(Some).map_err(|_| format!("PTX_EMULATOR_{name}: {value:?} is not a number"))
}

fn flag(get: &impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<bool>, String> {
    choice(get, name, &[("0", false), ("1", true)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let find = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
        Settings::read(find)
    }

    #[test]
    fn devices_repeat_the_models_that_are_named() {
        let models = |settings: Settings| settings.devices.iter().map(|config| config.model).collect::<Vec<_>>();
        assert_eq!(models(read(&[]).unwrap()), [DeviceModel::Sm80]);
        let two = read(&[("PTX_EMULATOR_MODEL", "sm_86"), ("PTX_EMULATOR_DEVICES", "2")]).unwrap();
        assert_eq!(models(two), [DeviceModel::Sm86, DeviceModel::Sm86]);
        let mixed = read(&[("PTX_EMULATOR_MODEL", "sm_90,sm_120")]).unwrap();
        assert_eq!(models(mixed), [DeviceModel::Sm90, DeviceModel::Sm120]);
        let none = read(&[("PTX_EMULATOR_DEVICES", "0")]).unwrap();
        assert_eq!(models(none), []);
    }

    #[test]
    fn every_choice_reaches_every_device() {
        let settings = read(&[
            ("PTX_EMULATOR_DEVICES", "2"),
            ("PTX_EMULATOR_SCHEDULE", "greedy"),
            ("PTX_EMULATOR_ASYNCHRONY", "random"),
            ("PTX_EMULATOR_APPROXIMATION", "perturbed"),
            ("PTX_EMULATOR_CHECKS", "none"),
            ("PTX_EMULATOR_SEED", "7"),
            ("PTX_EMULATOR_RESIDENT_BLOCKS", "1"),
            ("PTX_EMULATOR_REVERSED", "1"),
        ])
        .unwrap();
        for config in &settings.devices {
            assert_eq!((config.schedule, config.asynchrony), (Schedule::Greedy, Asynchrony::Random));
            assert_eq!((config.approximation, config.checks, config.seed), (Approximation::Perturbed, Checks::NONE, 7));
            assert_eq!((config.residency.resident_blocks, config.residency.reversed), (1, true));
        }
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (name, value) in
            [("MODEL", "sm_75"), ("SCHEDULE", "fair"), ("SEED", "x"), ("EXECUTE", "yes"), ("FAIL", "cuInit")]
        {
            let wrong = read(&[(&format!("PTX_EMULATOR_{name}"), value)]).unwrap_err();
            assert!(wrong.contains(name) && wrong.contains(value), "{wrong}");
        }
    }
}
