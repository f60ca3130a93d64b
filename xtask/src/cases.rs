//! How many test cases a suite ran: read from what it printed, and compared with the recorded least,
//! so that tests that silently stopped to run are a failure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::places;

/// Passed and failed cases.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cases {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl std::ops::AddAssign for Cases {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Where in a suite's output its cases are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountedBy {
    /// The whole suite is one case.
    ExitCode,
    /// `test result: ok. 12 passed; 1 failed; ...`, once for each test binary.
    CargoTest,
    /// `12 passed, 1 failed` alone on a line.
    ClosingLine,
}

impl CountedBy {
    pub(crate) fn count(self, output: &str, ended_well: bool) -> Cases {
        let mut cases = Cases::default();
        match self {
            Self::ExitCode => cases.passed = u64::from(ended_well),
            Self::CargoTest => output
                .lines()
                .filter(|line| line.starts_with("test result:"))
                .for_each(|line| cases += before_words(line)),
            Self::ClosingLine => output
                .lines()
                .filter(|line| line.ends_with(" failed") && line.contains(" passed, "))
                .for_each(|line| cases += before_words(line)),
        }
        // A suite that did not end well failed, even if it could not say so.
        if !ended_well && cases.failed == 0 {
            cases.failed = 1;
        }
        cases
    }
}

/// The numbers before the words `passed` and `failed`.
fn before_words(line: &str) -> Cases {
    let words: Vec<&str> = line.split([' ', ',', ';']).filter(|w| !w.is_empty()).collect();
    let before = |word: &str| {
        let number = words.windows(2).find(|pair| pair[1] == word).map(|pair| pair[0]);
        number.and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Cases { passed: before("passed"), failed: before("failed") }
}

/// The least number of cases of each suite, from `xtask/case-counts.toml`.
pub(crate) fn recorded() -> Result<BTreeMap<String, u64>> {
    let path = record();
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a table of numbers", path.display()))
}

pub(crate) fn record_these(counts: &BTreeMap<String, u64>) -> Result<()> {
    let mut text = String::from(
        "# The number of cases of each suite; fewer is a failure. Written by `cargo xtask test --record`.\n",
    );
    for (suite, count) in counts {
        writeln!(text, "{suite} = {count}")?;
    }
    std::fs::write(record(), text).context("cannot write the case counts")
}

fn record() -> PathBuf {
    places::root().join("xtask/case-counts.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARGO: &str = "running 3 tests\n\
        test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
        test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n";

    #[test]
    fn the_cases_of_all_test_binaries_are_added_up() {
        assert_eq!(CountedBy::CargoTest.count(CARGO, false), Cases { passed: 42, failed: 1 });
    }

    #[test]
    fn a_closing_line_counts() {
        let output = "confirm-dead ... ok\n11 passed, 2 failed\n";
        assert_eq!(CountedBy::ClosingLine.count(output, false), Cases { passed: 11, failed: 2 });
    }

    #[test]
    fn a_suite_that_ends_badly_without_a_word_has_one_failure() {
        for counted_by in [CountedBy::ExitCode, CountedBy::CargoTest, CountedBy::ClosingLine] {
            assert_eq!(counted_by.count("boom", false).failed, 1, "{counted_by:?}");
        }
    }

    #[test]
    fn a_check_that_ends_well_is_one_case() {
        assert_eq!(CountedBy::ExitCode.count("", true), Cases { passed: 1, failed: 0 });
    }
}
