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
    /// Run at the end however it went.
    pub(crate) afterwards: fn() -> Vec<Program>,
}

pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        does: "formatting",
        budget_min: 1,
        counted_by: CountedBy::ExitCode,
        programs: || cargo(&["fmt --all --check"]),
        afterwards: Vec::new,
    },
    Suite {
        name: "arrows",
        does: "which crate may use which, file names and sizes; xtask's own tests",
        budget_min: 2,
        counted_by: CountedBy::CargoTest,
        programs: || cargo(&["test -p xtask"]),
        afterwards: Vec::new,
    },
    Suite {
        name: "clippy",
        does: "lints, warnings denied",
        budget_min: 4,
        counted_by: CountedBy::ExitCode,
        programs: || cargo(&["clippy --workspace --all-targets -- -D warnings"]),
        afterwards: Vec::new,
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
        afterwards: Vec::new,
    },
    Suite {
        name: "deny",
        does: "banned crates, licences, sources",
        budget_min: 4,
        counted_by: CountedBy::ExitCode,
        programs: deny,
        afterwards: Vec::new,
    },
    Suite {
        name: "unit",
        does: "every hermetic test of the workspace",
        budget_min: 17,
        counted_by: CountedBy::CargoTest,
        programs: || cargo(&["test --workspace --exclude xtask --no-fail-fast"]),
        afterwards: Vec::new,
    },
    Suite {
        name: "seeds",
        does: "histories of the simulated world: a recovery of 30 servers, and one thing that fails hard",
        budget_min: 4,
        counted_by: CountedBy::ClosingLine,
        programs: || {
            // All packages, as in `unit`: what that has built is what this runs.
            let all =
                "cargo test --workspace --exclude xtask --test histories soak:: -- --nocapture";
            vec![Program::new(all).with("SIM_SEEDS", 2_000)]
        },
        afterwards: Vec::new,
    },
    Suite {
        name: "databases",
        does: "store, API and program on real MariaDB, PostgreSQL and Galera; databases of Python's",
        budget_min: 7,
        counted_by: CountedBy::CargoTest,
        programs: || vec![Program::new("store/tests/on-databases.sh suite")],
        afterwards: Vec::new,
    },
    Suite {
        name: "fence",
        does: "fencing ladders against real BMC simulators, ipmitool and a fence agent",
        budget_min: 4,
        counted_by: CountedBy::CargoTest,
        programs: || vec![Program::new("fence/tests/bmc/run")],
        afterwards: Vec::new,
    },
    Suite {
        name: "oslo",
        does: "files and rules made by chance, to ours and to Python's oslo",
        budget_min: 3,
        counted_by: CountedBy::CargoTest,
        programs: || vec![cloud::script("install"), Program::new("oslo/tests/with-python.sh")],
        afterwards: Vec::new,
    },
    Suite {
        name: "demo",
        does: "the README's first command, until the VMs are back",
        // Most of it is a build with the features of the program alone, which `cloud` runs, too.
        budget_min: 5,
        counted_by: CountedBy::ExitCode,
        programs: || cargo(&["demo --once --port 0 --cloud-port 0"]),
        afterwards: Vec::new,
    },
    Suite {
        name: "cloud",
        does: "end to end against real Keystone and Nova",
        budget_min: 37,
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
        afterwards: || vec![cloud::script("down")],
    },
];

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
        assert!(SUITES.iter().map(|s| s.budget_min).sum::<u64>() <= 90);
    }
}
