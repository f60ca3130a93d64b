//! Reads the configuration and fills each room's `Config`.
//!
//! The files are those of Python Masakari in oslo.config's dialect. Everything that is wrong is told
//! at once, and nothing is opened or bound before it is right; an option that nobody knows is a
//! warning, because deployment tools write such options.

mod approval;
mod contradictions;
mod database;
mod guard;
mod host_drivers;
mod hosts;
mod http;
mod lease;
mod logs;
mod monitors;
mod monitors_check;
mod options;
mod policy_files;
mod rooms;
mod rules;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use database::{Database, Pool};
pub(crate) use monitors::{Access, STATUS_SOCKET};
pub(crate) use policy_files::PolicyFiles;

use anyhow::Context;
use std::{fmt, path::PathBuf};

use oslo::config::{
    Finding, Location, Place, Search, Severity, Source, Values, gather, read_source,
};

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct Configuration {
    values: Values,
    /// Where files lie that the configuration names without a path.
    directories: Vec<PathBuf>,
    pub(crate) warnings: Vec<Finding>,
}

/// What the command line says of the configuration: where it is, and options of the log.
#[derive(Clone, Default, Debug)]
pub(crate) struct Asked {
    pub(crate) named: Vec<Location>,
    /// Group, name, value.
    pub(crate) settings: Vec<(String, String, String)>,
}

/// Who reads a configuration: Python Masakari's file, or that of its monitors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reader {
    /// `masakari.conf`
    Services,
    /// `masakarimonitors.conf`
    Monitors,
}

impl Reader {
    /// Who would read these files, or, without any, whom `monitors` means.
    pub(crate) fn of(files: &[PathBuf], monitors: bool) -> Self {
        let names = files.iter().filter_map(|path| path.file_name()?.to_str());
        match monitors || names.into_iter().any(|name| name.starts_with("masakarimonitors")) {
            true => Self::Monitors,
            false => Self::Services,
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Services => "masakari-api",
            Self::Monitors => "masakari-monitor",
        }
    }
}

/// One line of `masakari config check`.
#[derive(Debug)]
pub(crate) struct Told {
    /// Nowhere: something is missing.
    pub(crate) place: Option<Place>,
    pub(crate) severity: Severity,
    pub(crate) what: String,
}

impl Configuration {
    /// Reads the files that were named, or those that oslo.config searches for, the environment, and
    /// what the command line says.
    pub(crate) fn read(asked: &Asked, program: &str) -> anyhow::Result<Self> {
        let (sources, directories) = gathered(asked, program)?;
        let (configuration, errors) = Self::load(&sources, directories);
        if errors.is_empty() {
            return Ok(configuration);
        }
        let lines: Vec<String> = errors.iter().map(|f| format!("  {f}")).collect();
        let mistakes = if errors.len() == 1 { "a mistake" } else { "mistakes" };
        anyhow::bail!("the configuration has {mistakes}:\n{}", lines.join("\n"))
    }

    /// All that there is to tell of the configuration that `reader` would read.
    pub(crate) fn examine(asked: &Asked, reader: Reader) -> anyhow::Result<Vec<Told>> {
        let (sources, directories) = gathered(asked, reader.program())?;
        Ok(Self::examine_sources(&sources, directories, reader))
    }

    /// The same of these files alone.
    pub(crate) fn examine_files(files: &[PathBuf], reader: Reader) -> anyhow::Result<Vec<Told>> {
        let sources: Result<Vec<_>, _> = files.iter().map(|path| read_source(path)).collect();
        let sources = sources.context("the configuration cannot be read")?;
        let directories = search(reader.program(), &[]).beside(&[], &sources);
        Ok(Self::examine_sources(&sources, directories, reader))
    }

    fn examine_sources(sources: &[Source], directories: Vec<PathBuf>, reader: Reader) -> Vec<Told> {
        let (configuration, errors) = Self::load(sources, directories);
        let mut told = match reader {
            Reader::Services => configuration.contradictions(),
            Reader::Monitors => configuration.contradictions_of_monitors(),
        };
        told.extend(errors.iter().chain(&configuration.warnings).map(|finding| Told {
            place: Some(finding.place.clone()),
            severity: finding.severity(),
            what: finding.problem.to_string(),
        }));
        told.sort_by(|a, b| (&a.place, a.severity, &a.what).cmp(&(&b.place, b.severity, &b.what)));
        told
    }

    /// What a test writes into a file.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        let file = Source::File { path: "x.conf".into(), text: text.to_owned() };
        let (configuration, errors) = Self::load(&[file], Vec::new());
        assert!(errors.is_empty(), "{errors:?}");
        configuration
    }

    fn load(sources: &[Source], directories: Vec<PathBuf>) -> (Self, Vec<Finding>) {
        let (values, findings) = Values::load(sources, options::TABLES);
        let (errors, warnings) =
            findings.into_iter().partition(|f| f.severity() == Severity::Error);
        (Self { values, directories, warnings }, errors)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.what)
    }
}

/// Every option with its meaning and default, as a file.
pub(crate) fn sample() -> String {
    oslo::config::sample(options::TABLES)
}

/// The same as Markdown: `docs/options.md`.
pub(crate) fn reference() -> String {
    let head = "# Every option\n\nMade by `masakari config reference`. How the files are found and what \
                wins is in [configure.md](configure.md).\n";
    format!("{head}{}", oslo::config::reference(options::TABLES))
}

/// The environment of this process.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars().collect()
}

/// The sources, and where the files lie that they name without a folder.
fn gathered(asked: &Asked, program: &str) -> anyhow::Result<(Vec<Source>, Vec<PathBuf>)> {
    let environment = environment();
    let search = search(program, &environment);
    let mut sources = gather(&asked.named, &search).context("the configuration cannot be read")?;
    let directories = search.beside(&asked.named, &sources);
    sources.push(Source::Environment(environment));
    sources.push(Source::CommandLine(asked.settings.clone()));
    Ok((sources, directories))
}

fn search(program: &str, environment: &[(String, String)]) -> Search {
    let variable = |wanted: &str| {
        environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.into())
    };
    // Python's monitors have a project of their own.
    let is_monitor =
        program.ends_with("monitor") || ["masakari-agent", "masakari-lease"].contains(&program);
    Search {
        project: if is_monitor { "masakarimonitors" } else { "masakari" }.into(),
        program: program.into(),
        home: variable("HOME"),
        etc: "/etc".into(),
        snaps: ["SNAP_COMMON", "SNAP"].iter().filter_map(|name| variable(name)).collect(),
    }
}
