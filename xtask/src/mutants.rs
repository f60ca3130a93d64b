//! `cargo xtask mutants`: deliberate faults of what decides and acts, and which history of the simulated world catches each.
//!
//! The list is `sim/mutants/*.toml`. An entry names an expression of the program and a wrong one for its place. All are compiled
//! into one copy of the tree, outside of it, each behind a switch of its own, so that the whole list costs one build:
//! `(if recovery::mutant("its name") { wrong } else { right })`. The switch is the environment variable `MUTANT`.
//!
//! A mutant that no history catches is a hole in the histories: what is wanted then is a history, not another mutant.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use toml::Table;

use crate::places;
use crate::program::{Ended, Program};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only these; all if none is named
    names: Vec<String>,
    /// From this place of the list on; at 0 is the program without any of them, in which every history must end well
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// So many of the list
    #[arg(long)]
    count: Option<usize>,
}

/// One deliberate fault.
#[derive(Debug)]
struct Mutant {
    name: String,
    /// What it breaks, in a sentence.
    breaks: String,
    file: PathBuf,
    /// An expression that stands once in the file, and the wrong one for it.
    old: String,
    new: String,
    /// Filters of histories one of which should catch it.
    caught_by: Vec<String>,
}

/// The program as it is.
const NONE: &str = "none";
/// A history that does not end is caught by that.
const BUDGET: Duration = Duration::from_secs(45 * 60);
/// What stands at the end of the crate that all others know.
const SWITCH: &str = r#"
extern crate std;
#[must_use]
pub fn mutant(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<std::string::String> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("MUTANT").unwrap_or_default()) == name
}
"#;

/// All that are listed, in the order of their files.
fn list() -> Result<Vec<Mutant>> {
    let folder = places::root().join("sim/mutants");
    let entries = std::fs::read_dir(&folder).context("cannot list sim/mutants")?;
    let mut files: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let table: Table =
            text.parse().with_context(|| format!("cannot read {}", file.display()))?;
        let listed = table.get("mutant").and_then(toml::Value::as_array);
        for entry in listed.with_context(|| format!("{} lists none", file.display()))? {
            let read = read(entry);
            all.push(read.with_context(|| format!("{}: {entry:?}", file.display()))?);
        }
    }
    Ok(all)
}

fn read(entry: &toml::Value) -> Result<Mutant> {
    let text = |key: &str| {
        let text = entry.get(key).and_then(toml::Value::as_str);
        text.map(str::to_owned).with_context(|| format!("`{key}` is missing"))
    };
    let filters = entry.get("caught_by").and_then(toml::Value::as_array);
    let filters = filters.context("`caught_by` is missing")?;
    Ok(Mutant {
        name: text("name")?,
        breaks: text("breaks")?,
        file: text("file")?.into(),
        old: text("old")?,
        new: text("new")?,
        caught_by: filters.iter().filter_map(|f| f.as_str().map(str::to_owned)).collect(),
    })
}

/// How many pieces a run of all has.
pub(crate) fn how_many() -> u64 {
    // One that cannot be read is told of by the first piece.
    list().map_or(1, |all| u64::try_from(all.len()).unwrap_or(0) + 1)
}

/// The file with all its mutants in it, each behind its switch.
fn switched(file: &Path, text: &str, of: &[&Mutant]) -> Result<String> {
    let mut places: Vec<(Range<usize>, &Mutant)> = Vec::new();
    for &mutant in of {
        let found: Vec<usize> = text.match_indices(&mutant.old).map(|(at, _)| at).collect();
        let [at] = found[..] else {
            let (name, times) = (&mutant.name, found.len());
            bail!("mutant {name}: its text stands {times} times in {}, not once", file.display());
        };
        places.push((at..at + mutant.old.len(), mutant));
    }
    places.sort_by_key(|(range, _)| range.start);
    let krate = if file.starts_with("recovery") { "crate" } else { "recovery" };
    let (mut out, mut upto) = (String::new(), 0);
    for (range, Mutant { name, old, new, .. }) in places {
        ensure!(upto <= range.start, "mutant {name}: its text is part of another's");
        out.push_str(&text[upto..range.start]);
        out.push_str(&format!("(if {krate}::mutant(\"{name}\") {{ {new} }} else {{ {old} }})"));
        upto = range.end;
    }
    out.push_str(&text[upto..]);
    if file == Path::new("recovery/src/lib.rs") {
        out.push_str(SWITCH);
    }
    Ok(out)
}

/// Brings the copy to what the tree is now. What has not changed keeps its time, so that it is not built anew.
fn copy(all: &[Mutant]) -> Result<PathBuf> {
    let tree = places::made(places::cache()?.join("mutants/tree"))?;
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(places::root())
        .output()
        .context("cannot run git")?;
    ensure!(listed.status.success(), "git cannot list the files of the tree");
    let mut mutants: BTreeMap<&Path, Vec<&Mutant>> = BTreeMap::new();
    for mutant in all {
        mutants.entry(&mutant.file).or_default().push(mutant);
    }
    for file in String::from_utf8_lossy(&listed.stdout).split_terminator('\0').map(Path::new) {
        let Ok(mut bytes) = std::fs::read(places::root().join(file)) else { continue };
        let of = mutants.remove(file).unwrap_or_default();
        if !of.is_empty() || file == Path::new("recovery/src/lib.rs") {
            bytes = switched(file, &String::from_utf8(bytes)?, &of)?.into_bytes();
        }
        let to = tree.join(file);
        if std::fs::read(&to).ok().as_ref() != Some(&bytes) {
            places::made(to.parent().unwrap_or(&tree).to_owned())?;
            std::fs::write(&to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    match mutants.pop_first() {
        None => Ok(tree),
        Some((file, of)) => bail!("mutant {}: there is no file {}", of[0].name, file.display()),
    }
}

fn histories(tree: &Path) -> Program {
    let manifest = tree.join("Cargo.toml");
    Program::new("cargo test -p histories --test histories --manifest-path")
        .and([manifest.display()])
        .with("CARGO_TARGET_DIR", tree.with_file_name("target").display())
}

/// What came of one.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The histories that failed.
    by: Vec<String>,
    /// The first seed that failed, and its number among those that were told; scenes that are written out have none.
    seed: Option<(u64, u64)>,
    /// What was broken.
    why: Option<String>,
}

impl Outcome {
    fn read(output: &str) -> Self {
        let failed =
            |line: &str| line.strip_prefix("test ")?.strip_suffix(" ... FAILED").map(str::to_owned);
        let seed = |line: &str| {
            let rest = line.strip_prefix("the first that failed: seed ")?;
            let (seed, number) = rest.split_once(", number ")?;
            Some((seed.parse().ok()?, number.parse().ok()?))
        };
        let seed = output.lines().filter_map(seed).min_by_key(|(_, number)| *number);
        let begins = seed.map(|(seed, _)| format!("seed {seed}: "));
        let said = |line: &&str| match &begins {
            Some(begins) => line.starts_with(begins),
            None => !line.is_empty(),
        };
        let after = output.split(" stdout ----\n").skip(1);
        let why = after.filter_map(|part| part.lines().find(said)).next();
        let why = why.map(|why| why.chars().take(200).collect());
        Self { by: output.lines().filter_map(failed).collect(), seed, why }
    }

    fn told(&self) -> String {
        let by = self.by.join(", ");
        match (self.seed, self.by.is_empty()) {
            (_, true) => "by no history".to_owned(),
            (Some((seed, number)), false) => format!("by {by}: seed {seed}, number {number}"),
            (None, false) => format!("by {by}"),
        }
    }
}

/// Runs the histories with one fault, or none. Whether it went as it should.
fn one(tree: &Path, name: &str, filters: &[&str]) -> Result<bool> {
    let log = places::made(places::logs()?.join("mutants"))?.join(format!("{name}.log"));
    std::fs::write(&log, "")?;
    let start = Instant::now();
    let program = histories(tree).and(["--"]).and(filters).with("MUTANT", name);
    let program = program.with("SIM_UNTIL_ONE_FAILS", 1);
    let ended = program.run_into(&log, start + BUDGET)?;
    let output = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    ensure!(output.contains("\nrunning "), "it does not build, see {}", log.display());
    let outcome = Outcome::read(&output);
    // One that makes a history stand still for ever is caught by that.
    let is_caught = ended != Ended::Well;
    let well = is_caught != (name == NONE);
    let seconds = start.elapsed().as_secs();
    let Outcome { by, seed, why } = &outcome;
    let (seed, seeds) = (seed.map(|(seed, _)| seed), seed.map(|(_, number)| number));
    let run: Value = json!({
        "mutant": name, "outcome": if well { "finished" } else { "NOT CAUGHT" },
        "by": by, "seed": seed, "seeds": seeds, "why": why, "seconds": seconds,
    });
    println!("RUN {run}");
    let verdict = match (name == NONE, is_caught) {
        (true, false) => "every history ends well".to_owned(),
        (true, true) => format!("FAILED without any fault, {}", outcome.told()),
        (false, true) => format!("caught {}", outcome.told()),
        (false, false) => "NOT CAUGHT".to_owned(),
    };
    println!("{name}: {verdict} ({seconds} s)");
    Ok(well)
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let all = list()?;
    let every: Vec<&str> = all.iter().flat_map(|m| &m.caught_by).map(String::as_str).collect();
    let mut chosen = vec![(NONE, every)];
    chosen.extend(
        all.iter().map(|m| (m.name.as_str(), m.caught_by.iter().map(String::as_str).collect())),
    );
    let named =
        |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|n| n == name);
    if let Some(unknown) = arguments.names.iter().find(|n| !chosen.iter().any(|(m, _)| m == n)) {
        bail!("there is no mutant {unknown} in sim/mutants");
    }
    let tree = copy(&all)?;
    let build = histories(&tree).and(["--no-run", "--quiet"]);
    if build.show()? != Ended::Well {
        bail!("the copy with all mutants does not build: {}", build.line());
    }
    let count = arguments.count.unwrap_or(chosen.len());
    let (mut passed, mut failed) = (0, 0);
    for (name, filters) in chosen.iter().skip(arguments.from).take(count) {
        if named(name) {
            let breaks = all.iter().find(|m| m.name == *name).map(|m| m.breaks.as_str());
            println!("{name}: {}", breaks.unwrap_or("nothing is broken"));
            match one(&tree, name, filters)? {
                true => passed += 1,
                false => failed += 1,
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What is listed would not be tried any more if its text were gone.
    #[test]
    fn every_mutant_of_the_list_applies() {
        let all = list().unwrap();
        assert!(all.len() >= 25, "only {}", all.len());
        let names: BTreeSet<&str> = all.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names.len(), all.len(), "two have one name");
        let files: BTreeSet<&Path> = all.iter().map(|m| m.file.as_path()).collect();
        for file in files {
            let text = std::fs::read_to_string(places::root().join(file)).unwrap();
            let of: Vec<&Mutant> = all.iter().filter(|m| m.file == file).collect();
            switched(file, &text, &of).unwrap();
        }
    }

    #[test]
    fn every_mutant_says_what_it_breaks_and_names_histories_that_exist() {
        let folder = places::root().join("histories/tests/histories");
        let mut histories = std::fs::read_to_string(folder.with_extension("rs")).unwrap();
        for entry in std::fs::read_dir(folder).unwrap() {
            histories += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
        }
        for Mutant { name, breaks, old, new, caught_by, .. } in list().unwrap() {
            assert!(breaks.ends_with('.') && old != new, "{name}");
            assert!(!caught_by.is_empty(), "{name}");
            for filter in caught_by {
                let (module, history) = filter.split_once("::").unwrap_or(("", filter.as_str()));
                let there = histories.contains(&format!("mod {module};")) || module.is_empty();
                assert!(there && histories.contains(&format!("fn {history}")), "{name}: {filter}");
            }
        }
    }

    #[test]
    fn a_mutant_stands_behind_its_switch_and_its_text_must_be_there_once() {
        let mutant = |name: &str, old: &str| Mutant {
            name: name.into(),
            breaks: "Nothing.".into(),
            file: "engine/src/a.rs".into(),
            old: old.into(),
            new: "false".into(),
            caught_by: Vec::new(),
        };
        let switched = |text: &str, of: &[&Mutant]| switched(Path::new("engine/a.rs"), text, of);
        let (a, b) = (mutant("a", "x > 1"), mutant("b", "x > 1 && y"));
        let expected = "if (if recovery::mutant(\"a\") { false } else { x > 1 }) && y {";
        assert_eq!(switched("if x > 1 && y {", &[&a]).unwrap(), expected);
        assert!(switched("if x > 2 {", &[&a]).is_err());
        assert!(switched("x > 1 || x > 1", &[&a]).is_err());
        assert!(switched("if x > 1 && y {", &[&a, &b]).is_err(), "one is part of the other");
    }

    #[test]
    fn what_caught_it_is_read_from_what_the_histories_print() {
        let output = "\nrunning 3 tests\ntest a::b ... FAILED\ntest c ... ok\ntest d ... FAILED\n\
            ---- a::b stdout ----\nseed 9: ran twice\n  0 story\nthe first that failed: seed 9, number 10\n\n\
            ---- d stdout ----\ndeath Before 3: left locked\n";
        let by = vec!["a::b".to_owned(), "d".to_owned()];
        let why = Some("seed 9: ran twice".to_owned());
        assert_eq!(Outcome::read(output), Outcome { by, seed: Some((9, 10)), why });
        let (scene, _) = output.split_once("---- a::b").unwrap();
        let scene = format!("{scene}---- d stdout ----\n\nleft locked\n");
        assert_eq!(Outcome::read(&scene).seed, None);
        assert_eq!(Outcome::read(&scene).why.as_deref(), Some("left locked"));
    }
}
