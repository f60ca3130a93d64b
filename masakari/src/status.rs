//! `masakari-status upgrade check`: oslo.upgradecheck's table, with what we have to say in it.

use crate::{cli::ConfigArgs, config::Configuration, output, ports_of::Machine};
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;
use store::Store;

const TITLE: &str = "Upgrade Check Results";
/// Details are wrapped at so many characters.
const WIDTH: usize = 60;

#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    what: Upgrade,
}

#[derive(Subcommand, Debug)]
enum Upgrade {
    /// Look for what would stop an upgrade
    Upgrade {
        #[command(subcommand)]
        verb: Check,
    },
}

#[derive(Subcommand, Debug)]
enum Check {
    /// Read the configuration and ask the database. The exit code is 0: fine, 1: look at it, 2: it
    /// will not work
    Check {
        /// Output the results in JSON format
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Code {
    Success = 0,
    Warning = 1,
    Failure = 2,
}

struct Checked {
    name: &'static str,
    code: Code,
    details: Option<String>,
}

impl Checked {
    fn fine(name: &'static str) -> Self {
        Self { name, code: Code::Success, details: None }
    }

    fn new(name: &'static str, code: Code, details: String) -> Self {
        Self { name, code, details: Some(details) }
    }
}

impl Status {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let Upgrade::Upgrade { verb: Check::Check { json } } = self.what;
        let configuration = Configuration::read(&self.config.0, "masakari-status")?;
        let checked = [policy(&configuration), options(&configuration), database(&configuration)?];
        match json {
            true => output::say(&as_json(&checked)),
            false => table(&checked).iter().for_each(|line| output::say(line)),
        }
        let worst = checked.iter().map(|checked| checked.code).max().unwrap_or(Code::Success);
        Ok(ExitCode::from(worst as u8))
    }
}

/// Python's one check, by its name.
fn policy(configuration: &Configuration) -> Checked {
    const NAME: &str = "Policy File JSON to YAML Migration";
    let text =
        configuration.policy_files().file().and_then(|path| std::fs::read_to_string(path).ok());
    match text.map(|text| serde_json::from_str::<serde_json::Value>(&text)) {
        Some(Ok(_)) => Checked::new(
            NAME,
            Code::Failure,
            "Your policy file is JSON-formatted which is deprecated. You need to switch to \
             YAML-formatted file. Use the ``oslopolicy-convert-json-to-yaml`` tool to convert it."
                .into(),
        ),
        Some(Err(_)) | None => Checked::fine(NAME),
    }
}

fn options(configuration: &Configuration) -> Checked {
    const NAME: &str = "Configuration";
    match configuration.warnings.as_slice() {
        [] => Checked::fine(NAME),
        warnings => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            Checked::new(NAME, Code::Warning, warnings.join("; "))
        }
    }
}

fn database(configuration: &Configuration) -> anyhow::Result<Checked> {
    const NAME: &str = "Database Schema";
    let machine = Machine::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(async {
        machine.open(&configuration.database()?).await?.check().await?;
        anyhow::Ok(())
    });
    Ok(match checked {
        Ok(()) => Checked::fine(NAME),
        Err(error) => {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            Checked::new(NAME, Code::Failure, causes.join(": "))
        }
    })
}

fn as_json(checked: &[Checked]) -> String {
    let checks = checked
        .iter()
        .map(|one| json!({ "check": one.name, "result": one.code as u8, "details": one.details }));
    json!({ "name": TITLE, "checks": checks.collect::<Vec<_>>() }).to_string()
}

fn table(checked: &[Checked]) -> Vec<String> {
    let mut cells = vec![vec![TITLE.to_owned()]];
    for one in checked {
        let result = match one.code {
            Code::Success => "Success",
            Code::Warning => "Warning",
            Code::Failure => "Failure",
        };
        let mut cell = vec![format!("Check: {}", one.name), format!("Result: {result}")];
        let details = wrapped(one.details.as_deref().unwrap_or("None"));
        cell.extend(details.into_iter().enumerate().map(|(n, line)| match n {
            0 => format!("Details: {line}"),
            _ => format!("  {line}"),
        }));
        cells.push(cell);
    }
    let width = cells.iter().flatten().map(|line| line.chars().count()).max().unwrap_or(0);
    let rule = format!("+{}+", "-".repeat(width + 2));
    let mut lines = vec![rule.clone()];
    for cell in cells {
        lines.extend(cell.iter().map(|line| format!("| {line:width$} |")));
        lines.push(rule.clone());
    }
    lines
}

/// Words in lines of at most `WIDTH` characters, or of one word.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_oslo_upgradechecks() {
        let checked = [
            Checked::fine("Cells v2"),
            Checked::new(
                "Placement API",
                Code::Failure,
                "There is no placement-api endpoint in the service catalog, wherever it is.".into(),
            ),
        ];
        let expected = [
            "+----------------------------------------------------------------------+",
            "| Upgrade Check Results                                                |",
            "+----------------------------------------------------------------------+",
            "| Check: Cells v2                                                      |",
            "| Result: Success                                                      |",
            "| Details: None                                                        |",
            "+----------------------------------------------------------------------+",
            "| Check: Placement API                                                 |",
            "| Result: Failure                                                      |",
            "| Details: There is no placement-api endpoint in the service catalog,  |",
            "|   wherever it is.                                                    |",
            "+----------------------------------------------------------------------+",
        ];
        let lines = table(&checked);
        let trimmed = |line: &str| line.replace(" ", "").replace('-', "");
        for (line, expected) in lines.iter().zip(expected) {
            assert_eq!(trimmed(line), trimmed(expected));
        }
        assert_eq!(lines.len(), expected.len());
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width), "{lines:#?}");
    }
}
