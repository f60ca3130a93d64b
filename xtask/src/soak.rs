//! `cargo xtask soak NAME`: a suite at its full length, in pieces.
//!
//! After each piece the state is written to the cache, one file for each commit, so that a run that was
//! stopped goes on where it was. The sum is kept under `docs/results/`. The first piece that fails
//! ends the run, and the next run begins with that piece.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cases::{Cases, CountedBy};
use crate::program::{Ended, Program};
use crate::{cloud, places};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    name: Name,
    /// How many in all
    #[arg(long)]
    total: Option<u64>,
    /// Stop after so many minutes, to go on another time
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// Histories of the simulated world, one for each seed
    Seeds,
    /// Recoveries on the test cloud with the engine killed at a random moment, again and again
    Kills,
    /// A host with 50 servers dies on the test cloud, and one with 100
    Host,
    /// Servers in every state on a host that dies, by each method, with Python Masakari and with ours
    States,
    /// Twenty identical reports at once to two API processes, on every database: one is accepted
    ExactlyOnce,
}

/// What one soak is made of.
struct Soak {
    total: u64,
    piece: u64,
    piece_budget: Duration,
    before: Vec<Program>,
    /// The program for so many, beginning with that one.
    program: fn(from: u64, count: u64) -> Program,
    counted_by: CountedBy,
}

fn soak(name: Name) -> Soak {
    match name {
        Name::Seeds => Soak {
            total: 1_000_000,
            piece: 10_000,
            piece_budget: Duration::from_secs(30 * 60),
            before: vec![Program::new("cargo test --release -p sim --test histories --no-run")],
            program: |from, count| {
                let all = "cargo test --release -p sim --test histories every_history";
                Program::new(all).with("SIM_FROM", from).with("SIM_SEEDS", count)
            },
            counted_by: CountedBy::CargoTest,
        },
        Name::Kills => Soak {
            total: 50,
            piece: 1,
            piece_budget: Duration::from_secs(15 * 60),
            before: vec![Program::new("cargo build -p masakari"), cloud::script("up")],
            program: |from, _| cloud::script("e2e/run Kill").with("KILL_SEED", from),
            counted_by: CountedBy::ClosingLine,
        },
        Name::Host => Soak {
            total: 2,
            piece: 1,
            piece_budget: Duration::from_secs(20 * 60),
            before: vec![Program::new("cargo build -p masakari"), cloud::script("up")],
            program: |from, _| {
                let servers = if from % 2 == 0 { 50 } else { 100 };
                cloud::script("e2e/run ManyServers").with("HOST_SERVERS", servers)
            },
            counted_by: CountedBy::ClosingLine,
        },
        Name::States => Soak {
            total: 2,
            piece: 1,
            piece_budget: Duration::from_secs(60 * 60),
            before: vec![Program::new("cargo build -p masakari"), cloud::script("up")],
            program: |from, _| {
                let against = if from % 2 == 0 { "ours" } else { "python" };
                let methods = "auto,reserved_host,auto_priority,rh_priority";
                let all = cloud::script("e2e/run States").with("STATES_METHODS", methods);
                all.with("E2E_AGAINST", against)
            },
            counted_by: CountedBy::ClosingLine,
        },
        Name::ExactlyOnce => Soak {
            total: 50,
            piece: 50,
            piece_budget: Duration::from_secs(20 * 60),
            before: vec![Program::new("cargo test -p masakari --test databases --no-run")],
            program: |_, count| {
                let all = "store/tests/on-databases.sh -- cargo test -p masakari --test databases";
                Program::new(all)
                    .and(["exactly_once", "--", "--nocapture", "--test-threads=1"])
                    .with("EXACTLY_ONCE_ROUNDS", count)
            },
            counted_by: CountedBy::CargoTest,
        },
    }
}

/// What is kept between pieces.
struct Progress {
    commit: String,
    done: u64,
    seconds: u64,
    cases: Cases,
}

impl Progress {
    fn read(file: &PathBuf, commit: String) -> Result<Self> {
        let mut progress = Self { commit, done: 0, seconds: 0, cases: Cases::default() };
        if let Ok(text) = std::fs::read_to_string(file) {
            let kept: Value = serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged; remove it", file.display()))?;
            let number = |key: &str| kept[key].as_u64().unwrap_or(0);
            progress.done = number("done");
            progress.seconds = number("seconds");
            progress.cases = Cases { passed: number("passed"), failed: number("failed") };
        }
        Ok(progress)
    }

    fn to_json(&self, soak: &str) -> Value {
        json!({
            "soak": soak,
            "commit": self.commit,
            "done": self.done,
            "passed": self.cases.passed,
            "failed": self.cases.failed,
            "seconds": self.seconds,
        })
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let name = arguments.name.to_possible_value().map_or_else(String::new, |v| v.get_name().into());
    let soak = soak(arguments.name);
    let total = arguments.total.unwrap_or(soak.total);
    let commit = places::commit()?;
    let kept = places::made(places::cache()?.join("soak"))?.join(format!("{name}-{commit}.json"));
    let results = places::results()?.join(format!("soak-{name}-{commit}.json"));
    let mut progress = Progress::read(&kept, commit)?;
    if soak.before.iter().map(Program::show).collect::<Result<Vec<_>>>()?.contains(&Ended::Badly) {
        return Ok(ExitCode::FAILURE);
    }
    let stop_at = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    while progress.done < total && Instant::now() < stop_at {
        let count = soak.piece.min(total - progress.done);
        let from = progress.done;
        let well = one_piece(&soak, &name, from, count, &mut progress)?;
        let text = format!("{:#}\n", progress.to_json(&name));
        std::fs::write(&kept, &text).with_context(|| format!("cannot write {}", kept.display()))?;
        std::fs::write(&results, &text)?;
        if !well {
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("{} of {total} done; {}", progress.done, results.display());
    Ok(ExitCode::SUCCESS)
}

fn one_piece(
    soak: &Soak,
    name: &str,
    from: u64,
    count: u64,
    progress: &mut Progress,
) -> Result<bool> {
    let log = places::logs()?.join(format!("soak-{name}.log"));
    std::fs::write(&log, "")?;
    let start = Instant::now();
    let program = (soak.program)(from, count);
    let ended = program.run_into(&log, start + soak.piece_budget)?;
    let output = std::fs::read(&log)?;
    let cases = soak.counted_by.count(&String::from_utf8_lossy(&output), ended == Ended::Well);
    // Nothing that failed is not enough: a filter that fits no test runs none.
    let well = cases.passed > 0 && cases.failed == 0;
    progress.cases += cases;
    progress.seconds += start.elapsed().as_secs();
    progress.done += if well { count } else { 0 };
    let how = if well { "ok" } else { "FAILED" };
    println!("{name} {from}..{} {how} in {} s", from + count, start.elapsed().as_secs());
    if !well {
        println!("    repeat: {}\n    output: {}", program.line(), log.display());
    }
    Ok(well)
}
