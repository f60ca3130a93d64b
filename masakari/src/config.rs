//! Reads the configuration and fills each room's `Config`.
//!
//! The files are those of Python Masakari in oslo.config's dialect. Everything that is wrong is told
//! at once, and nothing is opened or bound before it is right; an option that nobody knows is a
//! warning, because deployment tools write such options.

mod options;
mod rooms;

pub(crate) use rooms::Database;

use anyhow::Context;
use std::path::PathBuf;

use oslo::config::{Finding, Location, Search, Severity, Source, Values, gather};

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct Configuration {
    values: Values,
    /// Where files lie that the configuration names without a path.
    directories: Vec<PathBuf>,
    pub(crate) warnings: Vec<Finding>,
}

impl Configuration {
    /// Reads the files that were named, or those that oslo.config searches for, and the environment.
    pub(crate) fn read(named: &[Location], program: &str) -> anyhow::Result<Self> {
        let environment: Vec<(String, String)> = std::env::vars().collect();
        let home = environment.iter().find(|(name, _)| name == "HOME").map(|(_, v)| v.into());
        let search = Search {
            project: "masakari".into(),
            program: program.into(),
            home,
            etc: "/etc".into(),
        };
        let mut sources = gather(named, &search).context("the configuration cannot be read")?;
        sources.push(Source::Environment(environment));
        Self::from_sources(&sources)
    }

    pub(crate) fn from_sources(sources: &[Source]) -> anyhow::Result<Self> {
        let (values, findings) = Values::load(sources, options::TABLES);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|f| f.severity() == Severity::Error);
        if errors.is_empty() {
            return Ok(Self { values, directories: directories(sources), warnings });
        }
        let lines: Vec<String> = errors.iter().map(|f| format!("  {f}")).collect();
        anyhow::bail!("the configuration has {} mistakes:\n{}", errors.len(), lines.join("\n"))
    }
}

fn directories(sources: &[Source]) -> Vec<PathBuf> {
    let beside = sources.iter().filter_map(|source| match source {
        Source::File { path, .. } => path.parent().map(PathBuf::from),
        Source::Environment(_) | Source::CommandLine(_) => None,
    });
    beside.chain([PathBuf::from("/etc/masakari")]).collect()
}
