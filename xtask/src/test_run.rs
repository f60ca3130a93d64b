//! `cargo xtask test`: run suites, tell how each went, and end with the one line that counts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::cases::{self, Cases};
use crate::places;
use crate::program::{Ended, Program};
use crate::suites::{SUITES, Suite};

const TAIL_LINES: usize = 60;
/// For what a suite does at its end, after its budget.
const AFTERWARDS: Duration = Duration::from_secs(120);

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Suites to run; without a name all
    names: Vec<String>,
    /// List the suites and run nothing
    #[arg(long)]
    list: bool,
    /// When all passed, write down how many cases there were
    #[arg(long)]
    record: bool,
}

/// How one suite went.
#[derive(Debug)]
struct Report {
    suite: &'static Suite,
    cases: Cases,
    took: Duration,
    /// Why it failed; empty if it did not.
    trouble: Vec<String>,
    log: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let least = cases::recorded()?;
    let mut reports = Vec::new();
    for together in in_turn(&chosen(&arguments.names)?) {
        reports.extend(run_together(&together, &least, arguments.record)?);
    }
    let all_well = reports.iter().all(|r| r.trouble.is_empty());
    if arguments.record && all_well {
        record(least, &reports)?;
    }
    close(&reports);
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list() {
    for suite in SUITES {
        println!("{:8} {:3} min  {}", suite.name, suite.budget_min, suite.does);
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    if let Some(unknown) = names.iter().find(|n| SUITES.iter().all(|s| s.name != n.as_str())) {
        let known: Vec<&str> = SUITES.iter().map(|s| s.name).collect();
        bail!("there is no suite {unknown}; there are {}", known.join(", "));
    }
    let is_chosen = |suite: &&Suite| names.is_empty() || names.iter().any(|n| n == suite.name);
    Ok(SUITES.iter().filter(is_chosen).collect())
}

/// Each with those that run along it.
fn in_turn(suites: &[&'static Suite]) -> Vec<Vec<&'static Suite>> {
    let waits_for = |suite: &Suite| suites.iter().find(|other| suite.along == Some(other.name));
    let leads = suites.iter().filter(|suite| waits_for(suite).is_none());
    let with_its_own = |lead: &&'static Suite| {
        let along = suites.iter().filter(|suite| suite.along == Some(lead.name));
        std::iter::once(*lead).chain(along.copied()).collect()
    };
    leads.map(with_its_own).collect()
}

/// Runs suites at once; of each it is told how it went when all have ended.
fn run_together(
    suites: &[&'static Suite],
    least: &BTreeMap<String, u64>,
    recording: bool,
) -> Result<Vec<Report>> {
    let least_of = |suite: &Suite| least.get(suite.name).copied().unwrap_or(0);
    for suite in suites {
        print!("{:8} {} ... ", suite.name, suite.does);
        if suites.len() > 1 {
            println!("at once with the next");
        }
    }
    std::io::stdout().flush()?;
    let reports = std::thread::scope(|scope| {
        let run = |suite| scope.spawn(move || run_suite(suite, least_of(suite), recording));
        let running: Vec<_> = suites.iter().copied().map(run).collect();
        let ended = running.into_iter().map(|one| match one.join() {
            Ok(report) => report,
            Err(_) => Err(anyhow!("who ran a suite panicked")),
        });
        ended.collect::<Result<Vec<Report>>>()
    })?;
    for report in &reports {
        if suites.len() > 1 {
            print!("{:8} ", report.suite.name);
        }
        tell(report);
    }
    Ok(reports)
}

fn run_suite(suite: &'static Suite, least: u64, recording: bool) -> Result<Report> {
    let log = places::logs()?.join(format!("{}.log", suite.name));
    std::fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
    let start = Instant::now();
    let deadline = start + Duration::from_secs(60 * suite.budget_min);
    let mut trouble = Vec::new();
    for program in (suite.programs)() {
        let ended = program.run_into(&log, deadline);
        trouble.extend(trouble_of(&program, ended, suite.budget_min));
        if !trouble.is_empty() {
            break;
        }
    }
    if trouble.is_empty() {
        trouble = run_beside(&(suite.beside)(), &log, deadline, suite.budget_min)?;
    }
    let output = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let mut cases = suite.counted_by.count(&output, trouble.is_empty());
    for program in (suite.afterwards)() {
        if program.run_into(&log, Instant::now() + AFTERWARDS)? != Ended::Well {
            trouble.push(format!("`{}` failed", program.line()));
        }
    }
    let ran = cases.passed + cases.failed;
    if trouble.is_empty() && ran < least && !recording {
        trouble.push(format!("only {ran} cases of {least} ran"));
    }
    if !trouble.is_empty() {
        cases.failed = cases.failed.max(1);
    } else if cases.failed > 0 {
        trouble.push("cases failed".to_owned());
    }
    Ok(Report { suite, cases, took: start.elapsed(), trouble, log })
}

/// Runs all at once. What each says comes into the log when all have ended, one after the other.
fn run_beside(
    programs: &[Program],
    log: &Path,
    deadline: Instant,
    budget_min: u64,
) -> Result<Vec<String>> {
    let logs: Vec<PathBuf> =
        (1..=programs.len()).map(|nth| log.with_extension(format!("{nth}.log"))).collect();
    let ended: Vec<Result<Ended>> = std::thread::scope(|scope| {
        let run = |(program, log): (&'_ Program, &'_ PathBuf)| {
            let (program, log) = (program.clone(), log.clone());
            scope.spawn(move || {
                std::fs::write(&log, "")?;
                program.run_into(&log, deadline)
            })
        };
        let running: Vec<_> = programs.iter().zip(&logs).map(run).collect();
        let panicked = |_| Err(anyhow!("who ran it panicked"));
        running.into_iter().map(|one| one.join().unwrap_or_else(panicked)).collect()
    });
    let mut all = std::fs::File::options().append(true).open(log)?;
    let mut trouble = Vec::new();
    for ((program, log), ended) in programs.iter().zip(&logs).zip(ended) {
        writeln!(all, "--- {}", program.line())?;
        all.write_all(&std::fs::read(log)?)?;
        trouble.extend(trouble_of(program, ended, budget_min));
    }
    Ok(trouble)
}

fn trouble_of(program: &Program, ended: Result<Ended>, budget_min: u64) -> Option<String> {
    match ended {
        Ok(Ended::Well) => None,
        Ok(Ended::Badly) => Some(format!("`{}` failed", program.line())),
        Ok(Ended::AtTheDeadline) => {
            Some(format!("`{}` was ended at {budget_min} min", program.line()))
        }
        Err(error) => Some(format!("{error:#}")),
    }
}

fn tell(report: &Report) {
    println!("{}", outcome(report));
    if report.trouble.is_empty() {
        return;
    }
    let output = std::fs::read(&report.log).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let lines: Vec<&str> = output.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        println!("    | {line}");
    }
    println!("    {}; all of it: {}", report.trouble.join("; "), report.log.display());
}

fn outcome(report: &Report) -> String {
    format!(
        "{} in {} s, {} passed, {} failed",
        if report.trouble.is_empty() { "ok" } else { "FAILED" },
        report.took.as_secs(),
        report.cases.passed,
        report.cases.failed
    )
}

fn record(mut counts: BTreeMap<String, u64>, reports: &[Report]) -> Result<()> {
    for report in reports {
        counts.insert(report.suite.name.to_owned(), report.cases.passed);
    }
    cases::record_these(&counts)
}

/// A table of all suites, and the last line.
fn close(reports: &[Report]) {
    println!();
    let mut total = Cases::default();
    for report in reports {
        println!("{:8} {}", report.suite.name, outcome(report));
        total += report.cases;
    }
    println!("{} passed, {} failed", total.passed, total.failed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::CountedBy;

    /// A suite that a test makes up; leaked, since suites are constants.
    fn suite(
        name: &'static str,
        counted_by: CountedBy,
        programs: fn() -> Vec<Program>,
    ) -> &'static Suite {
        let does = "a test of the tests";
        let none = Vec::new;
        let (budget_min, beside, afterwards, along) = (1, none, none, None);
        Box::leak(Box::new(Suite {
            name,
            does,
            budget_min,
            counted_by,
            programs,
            beside,
            afterwards,
            along,
        }))
    }

    /// Each waits for the other, as only two can that run at once.
    #[test]
    fn what_runs_beside_is_all_run_and_counted_and_each_that_failed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let meets = |me: &str, other: &str, ends: &str| {
            let folder = folder.path().display();
            let meet =
                format!("touch {folder}/{me}; until [ -e {folder}/{other} ]; do sleep 0.01; done");
            Program::new("bash -c").and([format!("{meet}; {ends}")])
        };
        let programs = [
            meets("a", "b", "printf '2 passed, 1 failed\\n'; exit 1"),
            meets("b", "a", "printf '3 passed, 0 failed\\n'"),
            Program::new("no-such-program-anywhere"),
        ];
        let log = folder.path().join("all.log");
        std::fs::write(&log, "before\n").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let trouble = run_beside(&programs, &log, deadline, 1).unwrap();
        assert!(
            trouble[0].ends_with("failed") && trouble[1].contains("cannot start"),
            "{trouble:?}"
        );
        assert_eq!(trouble.len(), 2);
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(said.starts_with("before\n--- bash -c"), "{said}");
        let cases = CountedBy::ClosingLine.count(&said, false);
        assert_eq!(cases, Cases { passed: 5, failed: 1 });
    }

    /// Each waits for the other here, too.
    #[test]
    fn two_suites_of_which_one_runs_along_the_other_run_at_once() {
        fn meet(me: &str, other: &str) -> Vec<Program> {
            let at = std::env::temp_dir().join(format!("xtask-along-{}", std::process::id()));
            let at = at.display();
            let line = format!("touch {at}-{me}; until [ -e {at}-{other} ]; do sleep 0.01; done");
            vec![Program::new("bash -c").and([format!("{line}; rm {at}-{other}")])]
        }
        let lead = suite("test-lead", CountedBy::ExitCode, || meet("a", "b"));
        let along = suite("test-along", CountedBy::ExitCode, || meet("b", "a"));
        let least = BTreeMap::new();
        let reports = run_together(&[lead, along], &least, false).unwrap();
        assert!(reports.iter().all(|report| report.trouble.is_empty()), "{reports:?}");
        assert_eq!(reports.len(), 2);
    }

    #[test]
    fn who_runs_along_a_suite_that_is_not_run_runs_alone() {
        let names = |suites: Vec<Vec<&'static Suite>>| -> Vec<String> {
            let one =
                |suites: Vec<&Suite>| suites.iter().map(|s| s.name).collect::<Vec<_>>().join("+");
            suites.into_iter().map(one).collect()
        };
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            names(in_turn(&chosen(&words).unwrap()))
        };
        assert_eq!(of(&["monitors", "fmt"]), ["fmt", "monitors"]);
        assert_eq!(of(&["monitors", "cloud"]), ["cloud+monitors"]);
    }

    #[test]
    fn fewer_cases_than_recorded_is_a_failure_though_all_passed() {
        let programs = || vec![Program::new("echo").and(["3 passed, 0 failed"])];
        let lost = suite("test-lost", CountedBy::ClosingLine, programs);
        assert!(run_suite(lost, 3, false).unwrap().trouble.is_empty());
        let report = run_suite(lost, 4, false).unwrap();
        assert_eq!(report.trouble, ["only 3 cases of 4 ran"]);
        assert_eq!(report.cases, Cases { passed: 3, failed: 1 });
    }

    #[test]
    fn a_suite_that_cannot_start_fails() {
        let programs = || vec![Program::new("no-such-program-anywhere")];
        let report = run_suite(suite("test-none", CountedBy::ClosingLine, programs), 0, false);
        let report = report.unwrap();
        assert_eq!(report.cases.failed, 1);
        assert!(report.trouble[0].contains("cannot start"), "{:?}", report.trouble);
    }

    #[test]
    fn the_first_program_that_fails_ends_the_suite() {
        let programs = || vec![Program::new("false"), Program::new("echo later")];
        let report =
            run_suite(suite("test-first", CountedBy::ExitCode, programs), 1, false).unwrap();
        assert_eq!(report.trouble, ["`false` failed"]);
        assert_eq!(std::fs::read_to_string(report.log).unwrap(), "");
    }

    #[test]
    fn an_unknown_suite_is_named_with_those_there_are() {
        let error = chosen(&["unti".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("there is no suite unti; there are fmt, "), "{error}");
    }
}
