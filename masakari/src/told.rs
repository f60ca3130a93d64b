//! Commands that show what the log of a recovery tells.

use crate::{ask::Cloud, output};
use anyhow::Context;
use clap::{Args, ValueEnum};
use openstack::instance_ha::Told;
use recovery::{HostName, NotificationId};
use serde_json::Value;
use std::process::ExitCode;

/// For whom it is shown.
#[derive(Args, Debug)]
pub(crate) struct Shown {
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    pub(crate) cloud: Cloud,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Format {
    /// For people
    Text,
    /// For machines
    Json,
}

impl Shown {
    fn show(&self, told: &Told) -> anyhow::Result<()> {
        self.show_as(&told.text, &Value::Object(told.facts.clone()))
    }

    /// The text for people, or the facts for machines.
    pub(crate) fn show_as(&self, text: &str, facts: &Value) -> anyhow::Result<()> {
        let text = match (self.format, self.json) {
            (Format::Text, false) => text.to_owned(),
            (Format::Json, _) | (Format::Text, true) => serde_json::to_string_pretty(facts)?,
        };
        output::say(text.trim_end());
        Ok(())
    }
}

#[derive(Args, Debug)]
pub(crate) struct Certificate {
    /// The notification whose host was judged
    notification: String,
    #[command(flatten)]
    shown: Shown,
}

impl Certificate {
    /// Exit code 1: no certificate is in force.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let id = NotificationId::new(&self.notification);
        let told = self.shown.cloud.ask(async |client| client.certificate(&id).await)?;
        let told = told.with_context(|| format!("there is no certificate to show of {id}"))?;
        self.shown.show(&told)?;
        let in_force = told.facts.get("missing").is_none_or(Value::is_null);
        Ok(if in_force { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The notification whose recovery failed or stands still
    notification: String,
    #[command(flatten)]
    shown: Shown,
}

impl Explain {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let id = NotificationId::new(&self.notification);
        let told = self.shown.cloud.ask(async |client| client.explain(&id).await)?;
        self.shown.show(&told.with_context(|| format!("{id} cannot be explained"))?)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Plan {
    /// The host, as Nova's compute service is called
    host: String,
    #[command(flatten)]
    shown: Shown,
}

impl Plan {
    /// Exit code 1: something would stay.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let host = HostName::new(&self.host);
        let told = self.shown.cloud.ask(async |client| client.plan(&host).await)?;
        let told = told.with_context(|| format!("there is no plan of host {host}"))?;
        self.shown.show(&told)?;
        let all_move = told.facts.get("stays").is_some_and(|stays| stays == 0);
        Ok(if all_move { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
