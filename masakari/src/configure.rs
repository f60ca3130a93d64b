//! `masakari config`: a sample, a check, and the reference of the configuration.

use crate::{
    config,
    config::{Asked, Configuration, Reader},
    output,
};
use clap::{Args, Subcommand};
use oslo::config::Severity;
use std::{path::PathBuf, process::ExitCode};

#[derive(Args, Debug)]
pub(crate) struct Configure {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Every option with its meaning and default, commented out
    Sample,
    /// Everything that is wrong, old, unknown or without effect, each with its file and line
    Check {
        /// The files, the later wins; without any, those that masakari-api would read, and the
        /// environment
        files: Vec<PathBuf>,
        /// As a monitor reads them; so it is of a file whose name begins with `masakarimonitors`
        #[arg(long)]
        monitors: bool,
        /// Fail for warnings too
        #[arg(long)]
        strict: bool,
    },
    /// The options as Markdown
    #[command(hide = true)]
    Reference,
}

impl Configure {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.what {
            What::Sample => output::say(config::sample().trim_end()),
            What::Reference => output::say(config::reference().trim_end()),
            What::Check { files, monitors, strict } => {
                let reader = Reader::of(files, *monitors);
                return check(files, reader, *strict);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Exit code 0: it can be used; 1: it cannot.
fn check(files: &[PathBuf], reader: Reader, strict: bool) -> anyhow::Result<ExitCode> {
    let findings = if files.is_empty() {
        Configuration::examine(&Asked::default(), reader)?
    } else {
        Configuration::examine_files(files, reader)?
    };
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    for finding in &findings {
        output::say(&finding.to_string());
    }
    output::say(&format!("{errors} errors, {} warnings", findings.len() - errors));
    let fails = errors > 0 || strict && !findings.is_empty();
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
