//! Every suite there is, in the order in which they run: what is quick to fail comes first.

use crate::cases::CountedBy;
use crate::program::Program;
use crate::{cloud, places};

/// One suite of `cargo xtask test`.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) does: &'static str,
    pub(crate) budget_min: u64,
    pub(crate) counted_by: CountedBy,
    /// Run one after the other; the first that fails ends the suite.
    pub(crate) programs: fn() -> Vec<Program>,
    /// Run after those, all at once and each to its end: programs that mostly wait.
    pub(crate) beside: fn() -> Vec<Program>,
    /// Run at the end however it went.
    pub(crate) afterwards: fn() -> Vec<Program>,
    /// The suite while which it runs, if both do: two that mostly wait, and take nothing from each other.
    pub(crate) along: Option<&'static str>,
}

pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        does: "formatting",
        budget_min: 1,
        counted_by: CountedBy::ExitCode,
        programs: || cargo(&["fmt --all --check"]),
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "arrows",
        does: "which crate may use which, file names and sizes; xtask's own tests",
        budget_min: 2,
        counted_by: CountedBy::CargoTest,
        programs: || cargo(&["test -p xtask"]),
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "clippy",
        does: "lints, warnings denied",
        budget_min: 4,
        counted_by: CountedBy::ExitCode,
        programs: || cargo(&["clippy --workspace --all-targets -- -D warnings"]),
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "doc",
        does: "rustdoc, warnings denied",
        budget_min: 2,
        counted_by: CountedBy::ExitCode,
        programs: || {
            // Private items too: most of our documentation is for those who change the code.
            let doc = Program::new("cargo doc --workspace --no-deps --document-private-items");
            vec![doc.with("RUSTDOCFLAGS", "-D warnings")]
        },
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "deny",
        does: "banned crates, licences, sources",
        budget_min: 3,
        counted_by: CountedBy::ExitCode,
        programs: deny,
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "unit",
        does: "every hermetic test of the workspace",
        budget_min: 20,
        counted_by: CountedBy::CargoTest,
        programs: || cargo(&["test --workspace --exclude xtask --no-fail-fast"]),
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "seeds",
        does: "histories of the simulated world: a recovery of 30 servers, and one thing that fails hard",
        budget_min: 2,
        counted_by: CountedBy::ClosingLine,
        programs: || {
            // All packages, as in `unit`: what that has built is what this runs.
            let all =
                "cargo test --workspace --exclude xtask --test histories soak:: -- --nocapture";
            vec![Program::new(all).with("SIM_SEEDS", 2_000)]
        },
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "databases",
        does: "store, API and program on real MariaDB, PostgreSQL and Galera; databases of Python's",
        budget_min: 6,
        counted_by: CountedBy::CargoTest,
        programs: || vec![Program::new("store/tests/on-databases.sh suite")],
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "fence",
        does: "fencing ladders against real BMC simulators, ipmitool and a fence agent",
        budget_min: 3,
        counted_by: CountedBy::CargoTest,
        programs: || vec![Program::new("fence/tests/bmc/run")],
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "oslo",
        does: "files and rules made by chance, to ours and to Python's oslo",
        budget_min: 2,
        counted_by: CountedBy::CargoTest,
        programs: || vec![cloud::script("install"), Program::new("oslo/tests/with-python.sh")],
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "demo",
        does: "the README's first command, until the VMs are back",
        budget_min: 4,
        counted_by: CountedBy::ExitCode,
        programs: || cargo(&["demo --once --port 0 --cloud-port 0"]),
        beside: Vec::new,
        afterwards: Vec::new,
        along: None,
    },
    Suite {
        name: "cloud",
        does: "end to end against real Keystone and Nova",
        budget_min: 40,
        counted_by: CountedBy::ClosingLine,
        programs: || {
            let mut all = cargo(&["build -p masakari"]);
            all.extend([
                cloud::script("up"),
                cloud::script("recorder/replay"),
                cloud::script("e2e/run"),
            ]);
            all
        },
        beside: Vec::new,
        afterwards: || vec![cloud::script("down")],
        along: None,
    },
    Suite {
        name: "monitors",
        does: "the monitors on a real libvirtd with QEMU, a real systemd and processes, Pacemaker, Consul's members, and etcd with watchdogs",
        budget_min: 20,
        counted_by: CountedBy::ClosingLine,
        programs: || {
            // What `cloud` builds and runs meanwhile: another one of other features would take its place.
            let mut all = cargo(&["build -p masakari"]);
            let install = |name| Program::new(&format!("monitor/tests/{name}/install"));
            let all_of = ["libvirt", "processes", "pacemaker", "consul", "lease"].map(install);
            all.extend(all_of.map(|install| install.with("BESIDE_PYTHON", "no")));
            all
        },
        beside: monitors,
        afterwards: Vec::new,
        along: Some("cloud"),
    },
];

/// All of them, at their full length and with how soon each report has to come, are in `soak monitors`, `clusters`, `pacemaker` and `lease`; Kubernetes', which takes
/// its build, is only there.
fn monitors() -> Vec<Program> {
    let suite = |line: &str| {
        let program = places::target().join("debug/masakari");
        Program::new(&format!("monitor/tests/{line}")).with("MASAKARI", program.display())
    };
    vec![
        suite("libvirt/run kill-9 died-while-libvirtd-was-away"),
        suite("processes/run restarts stopped").with("KILLS", "30 1"),
        // Of a member that waits for a processor for a second the others believe that it is lost.
        suite("pacemaker/run remote-cut rejoin").with("BESIDE_PYTHON", "no").with("TOKEN", 5000),
        suite("consul/run start matrix paused"),
        suite("lease/run").with("SCENES", 3).with("WORLDS", 3),
    ]
}

fn cargo(lines: &[&str]) -> Vec<Program> {
    lines.iter().map(|line| Program::new(&format!("cargo {line}"))).collect()
}

const CARGO_DENY: &str = "0.20.2";

/// cargo-deny, built once into the cache. A debug build: it takes a third of the time of a release
/// build, and its one run here is short.
fn deny() -> Vec<Program> {
    let Ok(cache) = places::cache() else { return Vec::new() };
    let tools = cache.join(format!("tools/cargo-deny-{CARGO_DENY}"));
    let binary = tools.join("bin/cargo-deny");
    let mut programs = Vec::new();
    if !binary.exists() {
        let install = Program::new("cargo install --quiet --locked --debug --root")
            .and([tools.display()])
            .and([format!("cargo-deny@{CARGO_DENY}")]);
        programs.push(install.with("CARGO_PROFILE_DEV_DEBUG", "false"));
    }
    // The database of advisories is a git repository that not every machine reaches: not checked.
    let check = Program::default().and([binary.display()]);
    programs.push(check.and(["--workspace", "check", "bans", "licenses", "sources"]));
    programs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cases;

    #[test]
    fn each_suite_has_a_recorded_number_of_cases_and_nothing_else_has() {
        let named: BTreeSet<String> = SUITES.iter().map(|s| s.name.to_owned()).collect();
        assert_eq!(named.len(), SUITES.len(), "two suites of one name");
        assert_eq!(named, cases::recorded().unwrap().into_keys().collect());
    }

    #[test]
    fn all_suites_together_fit_into_ninety_minutes() {
        let in_turn = SUITES.iter().filter(|s| s.along.is_none());
        assert!(in_turn.map(|s| s.budget_min).sum::<u64>() <= 90);
    }

    #[test]
    fn what_runs_along_another_is_over_before_it() {
        for (suite, other) in SUITES.iter().filter_map(|suite| Some((suite, suite.along?))) {
            let other = SUITES.iter().find(|s| s.name == other).unwrap();
            assert!(other.along.is_none() && suite.budget_min <= other.budget_min);
        }
    }
}
