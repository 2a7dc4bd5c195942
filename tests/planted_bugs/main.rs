//! Bugs planted in our kernels, one at a time, and how many of them the checks of the suite catch.
//!
//! Every place of the kernels' PTX that decides about synchronisation, shuffles, predicates or addresses is a site
//! (`warpsmith::emulator::mutate`). A seeded sample of the sites, drawn evenly from their kinds and kernels, is changed one at a time; then
//! the problems that launch the kernel run under several schedules. A bug is caught if any of them fails: a wrong result, a damaged
//! guard, a fault, a launch that does not end. What does not load is no bug to find and leaves the count.
//!
//! `WARPSMITH_PLANTED_BUGS=n` draws n sites instead of the default, `all` takes every one; `WARPSMITH_PLANTED_BUGS_SEED` draws others;
//! `WARPSMITH_PLANTED_BUGS_IN=gelu,attention_fwd` draws from the kernels alone whose names begin so.

#[path = "../activation/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod activation;
#[path = "../adamw/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod adamw;
#[path = "../adamw8bit/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod adamw8bit;
#[path = "../bce_with_logits/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod bce_with_logits;
#[path = "../common/mod.rs"]
mod common;
#[path = "../attention"]
#[allow(dead_code)] // They serve the operation's own tests.
mod attention {
    pub mod gradients;
    pub mod problem;
    pub mod tensor;
}
#[path = "../cross_entropy/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod cross_entropy;
#[path = "../dropout/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod dropout;
#[path = "../embedding/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod embedding;
#[path = "../gelu/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod gelu;
#[path = "../grad_clip/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod grad_clip;
#[path = "../lamb/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod lamb;
#[path = "../layer_norm/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod layer_norm;
#[path = "../lion/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod lion;
#[path = "../mask_tokens/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod mask_tokens;
#[path = "../quantize/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod quantize;
#[path = "../rms_norm/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod rms_norm;
#[path = "../rotary/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod rotary;
#[path = "../softmax/problem.rs"]
#[allow(dead_code)] // It serves the operation's own tests.
mod softmax;

mod problems;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use warpsmith::EmulatedDevice;
use warpsmith::emulator::Module;
use warpsmith::emulator::mutate::{self, Site, SiteKind};
use warpsmith::emulator::{Asynchrony, DeviceModel, Schedule};

use common::data::Rng;
use problems::Problem;

/// Sites that are tried by default.
const SAMPLE: usize = 100;
/// Warp-instructions after which a launch counts as hung: a hundred times what the largest problem needs.
const LIMIT: u64 = 20_000_000;

/// What a bug is planted in: an image, and the problems that launch one of its kernels on a model.
struct Kernel {
    name: &'static str,
    model: DeviceModel,
    image: &'static str,
    ptx: &'static str,
    problems: Vec<usize>,
}

/// One bug.
struct Bug<'a> {
    site: &'a Site,
    change: usize,
    kernel: &'a Kernel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Caught,
    /// With the reason.
    Survived(&'static str),
    DoesNotLoad,
}

/// The devices that every problem runs on: orders that are fair, unfair and random.
fn devices(model: DeviceModel, image: &str, ptx: &str) -> impl Iterator<Item = EmulatedDevice> {
    let orders = [
        (Schedule::RoundRobin, Asynchrony::Late, 0),
        (Schedule::Greedy, Asynchrony::Eager, 1),
        (Schedule::Random, Asynchrony::Random, 2),
    ];
    orders.into_iter().map(move |(schedule, asynchrony, seed)| {
        let builder = EmulatedDevice::builder(model).schedule(schedule).asynchrony(asynchrony).seed(seed);
        builder.workers(1).instruction_limit(LIMIT).substitute_ptx(image, ptx).build()
    })
}

/// Runs every problem as it is, and notes which kernels it launches.
fn kernels(problems: &[(DeviceModel, Problem)]) -> Vec<Kernel> {
    let mut found: BTreeMap<&str, Kernel> = BTreeMap::new();
    for (index, (model, problem)) in problems.iter().enumerate() {
        let device = EmulatedDevice::new(*model);
        problem(&device);
        for loaded in device.loaded_kernels() {
            let new = Kernel {
                name: loaded.kernel,
                model: *model,
                image: loaded.image,
                ptx: loaded.ptx,
                problems: Vec::new(),
            };
            let kernel = found.entry(loaded.kernel).or_insert(new);
            if kernel.model == *model {
                kernel.problems.push(index);
            }
        }
    }
    found.into_values().collect()
}

/// Draws `count` bugs: of each kind as many as of the others, and of each kernel as many as of the others, while there are some.
fn draw<'a>(sites: &[(&'a Kernel, &'a Site)], count: usize, rng: &mut Rng) -> Vec<Bug<'a>> {
    let mut groups: BTreeMap<(SiteKind, &str), Vec<Bug<'a>>> = BTreeMap::new();
    for &(kernel, site) in sites {
        let change = rng.next_u64() as usize % site.changes().len();
        groups.entry((site.kind(), kernel.name)).or_default().push(Bug { site, change, kernel });
    }
    // Every kind as a queue in which the kernels take turns.
    let mut kinds: BTreeMap<SiteKind, Vec<Vec<Bug<'a>>>> = BTreeMap::new();
    for ((kind, _), mut group) in groups {
        shuffle(&mut group, rng);
        kinds.entry(kind).or_default().push(group);
    }
    let mut queues: Vec<VecDeque<Bug<'a>>> = Vec::new();
    for mut kernels in kinds.into_values() {
        shuffle(&mut kernels, rng);
        let mut queue = VecDeque::new();
        while !kernels.is_empty() {
            queue.extend(kernels.iter_mut().filter_map(Vec::pop));
            kernels.retain(|group| !group.is_empty());
        }
        queues.push(queue);
    }
    let mut drawn = Vec::new();
    while drawn.len() < count && !queues.is_empty() {
        drawn.extend(queues.iter_mut().filter_map(VecDeque::pop_front));
        queues.retain(|queue| !queue.is_empty());
    }
    drawn.truncate(count);
    drawn
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.next_u64() as usize % (last + 1));
    }
}

/// Whether any problem fails when a kernel's image is replaced by this text.
fn is_caught(kernel: &Kernel, ptx: &str, problems: &[(DeviceModel, Problem)]) -> bool {
    devices(kernel.model, kernel.image, ptx).any(|device| {
        let fails = |index: &usize| catch_unwind(AssertUnwindSafe(|| problems[*index].1(&device))).is_err();
        kernel.problems.iter().any(fails)
    })
}

fn try_bug(bug: &Bug<'_>, problems: &[(DeviceModel, Problem)]) -> Verdict {
    let ptx = bug.site.apply(bug.kernel.ptx, bug.change);
    if Module::load(&ptx).is_err() {
        Verdict::DoesNotLoad
    } else if is_caught(bug.kernel, &ptx, problems) {
        Verdict::Caught
    } else if is_caught(bug.kernel, &bug.site.trap(bug.kernel.ptx), problems) {
        Verdict::Survived("it is reached, and nothing that is checked depends on it")
    } else {
        Verdict::Survived("no problem here reaches it")
    }
}

/// Tries all bugs on as many threads as there are cores.
fn try_all(bugs: &[Bug<'_>], problems: &[(DeviceModel, Problem)]) -> Vec<Verdict> {
    let verdicts = Mutex::new(vec![Verdict::DoesNotLoad; bugs.len()]);
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = bugs.iter().position(|other| std::ptr::eq(other, bug)).expect("one of them");
                    let verdict = try_bug(bug, problems);
                    verdicts.lock().expect("no thread panics with the lock")[at] = verdict;
                }
            });
        }
    });
    verdicts.into_inner().expect("no thread panics with the lock")
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[test]
fn nine_of_ten_planted_bugs_are_caught() {
    if setting("WARPSMITH_DEVICE").as_deref() == Some("cuda") {
        return eprintln!("not run: bugs are planted on the emulated device, and WARPSMITH_DEVICE asks for CUDA alone");
    }
    let on_model = |model, problems: Vec<Problem>| problems.into_iter().map(move |problem| (model, problem));
    let all = on_model(DeviceModel::Sm80, problems::all());
    let problems: Vec<_> = all.chain(on_model(DeviceModel::Sm86, problems::compact())).collect();
    let kernels = kernels(&problems);
    let texts: BTreeSet<(&str, &str)> = kernels.iter().map(|kernel| (kernel.image, kernel.ptx)).collect();
    let sites: Vec<Site> = texts.iter().flat_map(|(_, ptx)| mutate::sites(ptx).expect("our own PTX")).collect();
    let of_kernel = |site| kernels.iter().find(|kernel| kernel.name == Site::kernel(site)).map(|kernel| (kernel, site));
    let reached: Vec<_> = sites.iter().filter_map(of_kernel).collect();
    assert_eq!(sites.len(), reached.len(), "left: sites, right: those in kernels that some problem launches");
    let wanted = setting("WARPSMITH_PLANTED_BUGS_IN").unwrap_or_default();
    let is_wanted = |(kernel, _): &(&Kernel, &Site)| wanted.split(',').any(|start| kernel.name.starts_with(start));
    let reached: Vec<_> = reached.into_iter().filter(is_wanted).collect();

    let seed = setting("WARPSMITH_PLANTED_BUGS_SEED").map_or(1, |seed| seed.parse().expect("a seed"));
    let count = match setting("WARPSMITH_PLANTED_BUGS").as_deref() {
        None => SAMPLE,
        Some("all") => usize::MAX,
        Some(count) => count.parse().expect("a number of bugs, or `all`"),
    };
    let bugs = draw(&reached, count, &mut Rng::new(seed));

    // Hundreds of panics are wanted here, and their messages are not.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let verdicts = try_all(&bugs, &problems);
    std::panic::set_hook(hook);

    println!("{} sites, {} of them wanted, in {} kernels; seed {seed}", sites.len(), reached.len(), kernels.len());
    println!("{:<16} {:>7} {:>6} {:>7} {:>7} {:>8}", "kind", "sites", "drawn", "loaded", "caught", "survived");
    let row = |name: &str, kind: Option<SiteKind>| {
        let is_kind = |site: &Site| kind.is_none_or(|kind| site.kind() == kind);
        let drawn: Vec<_> =
            bugs.iter().zip(&verdicts).filter(|(bug, _)| is_kind(bug.site)).map(|(_, verdict)| verdict).collect();
        let loaded = drawn.iter().filter(|verdict| ***verdict != Verdict::DoesNotLoad).count();
        let caught = drawn.iter().filter(|verdict| ***verdict == Verdict::Caught).count();
        let total = reached.iter().filter(|(_, site)| is_kind(site)).count();
        println!("{name:<16} {total:>7} {:>6} {loaded:>7} {caught:>7} {:>8}", drawn.len(), loaded - caught);
        (caught, loaded)
    };
    for kind in SiteKind::ALL {
        row(kind.name(), Some(kind));
    }
    let (caught, loaded) = row("all", None);
    for (bug, verdict) in bugs.iter().zip(&verdicts) {
        if let Verdict::Survived(reason) = verdict {
            let change = &bug.site.changes()[bug.change];
            let change = if change.is_empty() { "removed" } else { change };
            println!("survived: {}\n    planted: {change}\n    reason: {reason}", bug.site);
        }
    }
    println!("caught {caught} of {loaded}: {:.1} %", 100.0 * caught as f64 / loaded as f64);
    assert!(loaded > 0 && caught * 10 >= loaded * 9, "only {caught} of {loaded} planted bugs were caught");
}
