//! `cargo xtask soak NAME`: a suite at its full length, in pieces.
//!
//! After each piece the state is written to `docs/results/`, one file for each commit, so that a run that was
//! stopped goes on where it was; on another machine, too, where that file was copied to a clone at that commit.
//! The first piece that fails ends the run, and the next run begins with that piece; of a piece that tells its
//! runs, with the first of them that failed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cases::{Cases, CountedBy};
use crate::program::{Ended, Program};
use crate::{cloud, mutants, places};

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
    /// Recoveries of 30 servers on the test cloud: the engine is killed at a random moment, another goes on
    Kills,
    /// The same without another: it is started again
    Restarts,
    /// The same with, in turn: the engine asleep for 60 s, its database restarted, a node of Galera
    /// killed, RabbitMQ stopped for up to 30 s, Nova's API answering 503 for 60 s
    Faults,
    /// A host with 50 servers dies on the test cloud, and one with 100
    Host,
    /// End-to-end cases that take too long for the suite: each cause that `explain` knows, ways back, RabbitMQ
    /// away for three minutes, what `plan` says of more than a hundred VMs, owners' rules, stops, drains, fence tests, and a
    /// real VM that dies before its monitor, with Python's Masakari, too
    Cases,
    /// A node of each kind that a hostmonitor watches dies, on the test cloud: until its VMs are back, with the certificate
    Drivers,
    /// Servers in every state on a host that dies, by each method, with Python Masakari and with ours
    States,
    /// The monitors on a real libvirtd with guests, a real systemd and processes, Python's beside them; and their units
    Monitors,
    /// A real Kubernetes control plane that loses nodes, three networks of Consul's members, and an etcd of three that is killed,
    /// stands still or begins anew, with a host that holds its lease there
    Clusters,
    /// A real Pacemaker cluster that fails in every way, in a row with our alert agent and without, Python's hostmonitor beside ours
    Pacemaker,
    /// Hosts that lose their lease: a guest of QEMU with a watchdog, three members of etcd; reset before they are said to be dead
    Lease,
    /// Everything that reads input, fed by libFuzzer: an hour of each group of readers, ten minutes in a piece
    Fuzz,
    /// Twenty identical reports at once to two API processes, on every database: one is accepted
    ExactlyOnce,
    /// Deliberate faults of what decides and acts: each is caught by a history of the simulated world
    Mutants,
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

const HISTORIES: &str = "cargo test --release -p histories --test histories";

fn soak(name: Name) -> Soak {
    match name {
        Name::Seeds => Soak {
            total: 1_000_000,
            piece: 10_000,
            piece_budget: Duration::from_secs(30 * 60),
            before: vec![Program::new(HISTORIES).and(["--no-run"])],
            program: |from, count| {
                let all = Program::new(HISTORIES).and(["every_history"]);
                all.with("SIM_FROM", from).with("SIM_SEEDS", count)
            },
            counted_by: CountedBy::CargoTest,
        },
        Name::Kills => on_the_cloud(50, 5, |from, count| runs("EngineKilled", from, count)),
        Name::Restarts => on_the_cloud(20, 5, |from, count| runs("EngineRestarted", from, count)),
        Name::Faults => on_the_cloud(25, 1, |from, _| {
            // The first round falls into the middle of the recoveries.
            let mut in_turn = (3..).flat_map(|seed| FAULTS.map(|name| (name, seed)));
            let (name, seed) = in_turn.nth(usize::try_from(from).unwrap_or(0)).unwrap_or_default();
            runs(name, seed, 1)
        }),
        Name::Host => on_the_cloud(2, 1, |from, _| {
            let servers = if from % 2 == 0 { 50 } else { 100 };
            cloud::script("e2e/run ManyServers").with("HOST_SERVERS", servers)
        }),
        Name::Cases => each_of(&CASES, |from, _| case(&CASES, from)),
        Name::Drivers => each_of(&DRIVERS, |from, _| case(&DRIVERS, from)),
        Name::States => on_the_cloud(2, 1, |from, _| {
            let against = if from % 2 == 0 { "ours" } else { "python" };
            let methods = "auto,reserved_host,auto_priority,rh_priority";
            let all = cloud::script("e2e/run States").with("STATES_METHODS", methods);
            all.with("E2E_AGAINST", against)
        }),
        Name::Monitors => Soak {
            before: vec![Program::new("cargo build --release -p masakari")],
            ..on_a_node(u64::try_from(MONITORS.len()).unwrap_or(0), |from, _| monitors(from))
        },
        Name::Clusters => on_a_node(u64::try_from(CLUSTERS.len()).unwrap_or(0), |from, _| {
            let suite = usize::try_from(from).ok().and_then(|from| CLUSTERS.get(from));
            watches(suite.copied().unwrap_or_default())
        }),
        Name::Pacemaker => on_a_node(2, |from, _| {
            watches("pacemaker").with("ALERT", if from % 2 == 0 { "yes" } else { "no" })
        }),
        Name::Lease => Soak { piece: 10, ..on_a_node(50, leases) },
        Name::Fuzz => Soak {
            total: 6 * u64::try_from(FUZZED.len()).unwrap_or(0),
            piece: 1,
            piece_budget: Duration::from_secs(40 * 60),
            before: Vec::new(),
            program: |from, _| {
                let two = usize::try_from(from).ok().and_then(|n| FUZZED.get(n % FUZZED.len()));
                let run = Program::new("fuzz/run").with("SECONDS_EACH", 600);
                two.into_iter().flatten().fold(run, |run, group| run.and([group]))
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
        Name::Mutants => of_mutants(),
    }
}

fn of_mutants() -> Soak {
    Soak {
        total: mutants::how_many(),
        piece: 1,
        piece_budget: Duration::from_secs(60 * 60),
        before: Vec::new(),
        program: |from, count| {
            let some = Program::new("cargo xtask mutants --from").and([from]);
            some.and(["--count"]).and([count])
        },
        counted_by: CountedBy::ClosingLine,
    }
}

/// The groups of readers that are fed side by side.
const FUZZED: [[&str; 2]; 3] =
    [["texts", "requests"], ["cluster", "files"], ["devices", "answers"]];

/// What `monitors` runs, one after the other.
const MONITORS: [&str; 4] = [
    "monitor/tests/libvirt/run",
    "monitor/tests/processes/run",
    "monitor/tests/footprint",
    "packaging/systemd/check",
];

/// What `clusters` runs. The suite of leases has each of its scenes once there; `lease` has only those in which the host dies.
const CLUSTERS: [&str; 3] = ["kubernetes", "consul", "lease"];

fn monitors(from: u64) -> Program {
    let suite = usize::try_from(from).ok().and_then(|from| MONITORS.get(from));
    // What is shipped is what is measured. Of the suite of libvirt: so many domains without agent, and so long idle.
    let shipped = places::root().join("target/release/masakari");
    let suite = Program::new(suite.copied().unwrap_or_default());
    let suite = suite.with("MASAKARI", shipped.display()).with("SMALL", 96).with("IDLE_S", 30);
    suite.with("TIMES", "judged")
}

/// So many hosts that lose their leases, five at once: most of a death is waiting.
fn leases(from: u64, count: u64) -> Program {
    watches("lease").with("FROM", from).with("SCENES", count).with("WORLDS", 5)
}

/// A suite of the hostmonitor, whole, with how soon each report has to come.
fn watches(suite: &str) -> Program {
    let program = places::target().join("debug/masakari");
    let run = Program::new(&format!("monitor/tests/{suite}/run"));
    run.with("MASAKARI", program.display()).with("TIMES", "judged")
}

/// Monitors beside the real parts that they watch.
fn on_a_node(total: u64, program: fn(u64, u64) -> Program) -> Soak {
    Soak {
        total,
        piece: 1,
        piece_budget: Duration::from_secs(45 * 60),
        before: vec![Program::new("cargo build -p masakari")],
        program,
        counted_by: CountedBy::ClosingLine,
    }
}

/// Cases of the end-to-end suite.
fn on_the_cloud(total: u64, piece: u64, program: fn(u64, u64) -> Program) -> Soak {
    Soak {
        total,
        piece,
        piece_budget: Duration::from_secs(60 * 60),
        before: vec![Program::new("cargo build -p masakari"), cloud::script("up")],
        program,
        counted_by: CountedBy::ClosingLine,
    }
}

/// The cases of `cloud/e2e/test_faults.py` that `faults` takes in turn.
const FAULTS: [&str; 5] = [
    "EngineAsleep",
    "DatabaseRestarted",
    "GaleraNodeKilled",
    "MessageBusStopped",
    "NovaUnavailable",
];

/// Parts of the names of the cases that `cases` takes in turn.
const CASES: [&str; 11] = [
    "Explain",
    "Return: ",
    "MassSilence",
    "Plan: ",
    "Owners",
    "Stops",
    "Drains",
    "Report: ",
    "FenceWords",
    "Monitor: ",
    "MonitorAndPython",
];

/// The same that `drivers` takes.
const DRIVERS: [&str; 4] = ["HostsKubernetes", "HostsConsul", "HostsLease", "HostsPacemaker"];

/// Each by itself.
fn each_of(cases: &[&str], program: fn(u64, u64) -> Program) -> Soak {
    on_the_cloud(u64::try_from(cases.len()).unwrap_or(0), 1, program)
}

/// The case of that number, which the suite leaves out otherwise.
fn case(cases: &[&str], number: u64) -> Program {
    let case = usize::try_from(number).ok().and_then(|number| cases.get(number));
    cloud::script("e2e/run").and(case).with("SOAK_COUNT", 1)
}

/// One of the cases whose seeds choose a moment in a recovery.
fn runs(case: &str, from: u64, count: u64) -> Program {
    let run = cloud::script("e2e/run").and([format!("{case}:")]);
    run.with("SOAK_FROM", from).with("SOAK_COUNT", count)
}

/// What the cases told of their runs, one line of JSON each.
fn told(output: &str) -> Vec<Value> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("RUN "));
    lines.filter_map(|run| serde_json::from_str(run).ok()).collect()
}

fn went_well(run: &Value) -> bool {
    run["outcome"] == "finished"
}

/// How many of a piece that failed need not be done again. A piece of one may tell many things, and has failed with any of them.
fn done_before_it_failed(count: u64, runs: &[Value]) -> u64 {
    let told = runs.iter().take_while(|run| went_well(run)).map(|_| 1).sum();
    if count == 1 { 0 } else { count.min(told) }
}

/// What is kept between pieces.
struct Progress {
    commit: String,
    done: u64,
    seconds: u64,
    cases: Cases,
    runs: Vec<Value>,
}

impl Progress {
    fn read(file: &PathBuf, commit: String) -> Result<Self> {
        let mut progress =
            Self { commit, done: 0, seconds: 0, cases: Cases::default(), runs: vec![] };
        if let Ok(text) = std::fs::read_to_string(file) {
            let kept: Value = serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged; remove it", file.display()))?;
            let number = |key: &str| kept[key].as_u64().unwrap_or(0);
            progress.done = number("done");
            progress.seconds = number("seconds");
            progress.cases = Cases { passed: number("passed"), failed: number("failed") };
            progress.runs = kept["runs"].as_array().cloned().unwrap_or_default();
        }
        Ok(progress)
    }

    /// How many runs show nothing, because their moment came after the end. Others are made in their place.
    fn over_before(&self) -> u64 {
        self.runs.iter().filter(|run| run["over"] == true).map(|_| 1).sum()
    }

    fn to_json(&self, soak: &str) -> Value {
        let mut json = json!({
            "soak": soak,
            "commit": self.commit,
            "done": self.done,
            "passed": self.cases.passed,
            "failed": self.cases.failed,
            "seconds": self.seconds,
        });
        if !self.runs.is_empty() {
            let takeovers = self.runs.iter().filter_map(|run| run["takeover_s"].as_f64());
            if let Some(most) = takeovers.reduce(f64::max) {
                json["takeover_s_most"] = most.into();
                json["over_before"] = self.over_before().into();
            }
            let mut ended: Vec<f64> =
                self.runs.iter().filter_map(|run| run["ended_s"].as_f64()).collect();
            ended.sort_by(f64::total_cmp);
            if let (Some(median), Some(most)) = (ended.get(ended.len() / 2), ended.last()) {
                json["ended_s_median"] = (*median).into();
                json["ended_s_most"] = (*most).into();
            }
            json["runs"] = self.runs.clone().into();
        }
        json
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let name = arguments.name.to_possible_value().map_or_else(String::new, |v| v.get_name().into());
    let soak = soak(arguments.name);
    let total = arguments.total.unwrap_or(soak.total);
    let commit = places::commit()?;
    let results = places::results()?.join(format!("soak-{name}-{commit}.json"));
    let mut progress = Progress::read(&results, commit)?;
    if soak.before.iter().map(Program::show).collect::<Result<Vec<_>>>()?.contains(&Ended::Badly) {
        return Ok(ExitCode::FAILURE);
    }
    let stop_at = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    let to_do =
        |progress: &Progress| (total + progress.over_before()).saturating_sub(progress.done);
    while to_do(&progress) > 0 && Instant::now() < stop_at {
        let count = soak.piece.min(to_do(&progress));
        let from = progress.done;
        let well = one_piece(&soak, &name, from, count, &mut progress)?;
        let text = format!("{:#}\n", progress.to_json(&name));
        std::fs::write(&results, &text)
            .with_context(|| format!("cannot write {}", results.display()))?;
        if !well {
            return Ok(ExitCode::FAILURE);
        }
    }
    let shown = progress.done - progress.over_before();
    println!("{shown} of {total} done; {}", results.display());
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
    let output = String::from_utf8_lossy(&output);
    let cases = soak.counted_by.count(&output, ended == Ended::Well);
    let runs = told(&output);
    // Nothing that failed is not enough: a filter that fits no test runs none.
    let well = cases.passed > 0 && cases.failed == 0;
    progress.cases += cases;
    progress.seconds += start.elapsed().as_secs();
    progress.done += if well { count } else { done_before_it_failed(count, &runs) };
    progress.runs.extend(runs);
    let how = if well { "ok" } else { "FAILED" };
    println!("{name} {from}..{} {how} in {} s", from + count, start.elapsed().as_secs());
    if !well {
        // The next piece has the same log.
        let kept = log.with_extension(format!("{from}.failed.log"));
        std::fs::copy(&log, &kept)?;
        println!("    repeat: {}\n    output: {}", program.line(), kept.display());
    }
    Ok(well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_that_a_case_tells_are_kept_and_a_failed_one_is_known() {
        let output = "EngineKilled: and the other goes on 003 ... after 2 s ... \n\
            RUN {\"seed\": 3, \"takeover_s\": 10.5, \"outcome\": \"finished\"}\nok (40 s)\n\
            RUN {\"seed\": 4, \"takeover_s\": 9.5, \"ended_s\": 97.2, \"outcome\": \"FAILED: twice\"}\n\
            RUN {\"seed\": 5, \"ended_s\": 17.8, \"over\": true, \"outcome\": \"finished\"}\n\
            RUN {\"seed\": 6, \"ended_s\": 18.4, \"over\": false, \"outcome\": \"finished\"}\n";
        let runs = told(output);
        assert_eq!(runs.iter().map(went_well).collect::<Vec<_>>(), [true, false, true, true]);
        let (commit, cases) = (String::new(), Cases::default());
        let progress = Progress { commit, done: 3, seconds: 60, cases, runs };
        assert_eq!(progress.over_before(), 1, "one more is made for it");
        let json = progress.to_json("kills");
        assert_eq!(json["takeover_s_most"], 10.5);
        assert_eq!((&json["ended_s_median"], &json["ended_s_most"]), (&18.4.into(), &97.2.into()));
        assert_eq!(json["runs"][1]["seed"], 4);
    }

    #[test]
    fn a_piece_that_failed_begins_again_with_the_first_run_that_did() {
        let run = |well| json!({"outcome": if well { "finished" } else { "FAILED" }});
        let runs: Vec<Value> = [true, true, false, true].map(run).into();
        assert_eq!(done_before_it_failed(5, &runs), 2);
        assert_eq!(done_before_it_failed(1, &runs), 0);
        assert_eq!(done_before_it_failed(5, &[]), 0);
    }

    #[test]
    fn what_takes_too_long_for_the_suite_is_there() {
        let folder = places::root().join("cloud/e2e");
        let files = ["test_explain.py", "test_return.py", "test_guard.py", "test_plan.py"];
        for (case, file) in CASES.into_iter().zip(files) {
            let class = format!("class {}", case.trim_end_matches(": "));
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            assert!(text.contains(&class) && text.contains("@soak_only"), "{class}");
        }
    }

    #[test]
    fn the_faults_are_cases_of_the_suite() {
        let path = places::root().join("cloud/e2e/test_faults.py");
        let cases = std::fs::read_to_string(path).unwrap();
        for case in FAULTS.into_iter().chain(["EngineKilled", "EngineRestarted"]) {
            assert!(cases.contains(&format!("class {case}(")), "{case}");
        }
    }
}
