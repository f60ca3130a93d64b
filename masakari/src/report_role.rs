//! `masakari report`: how many hosts each segment may lose, page by page.

use crate::{output, told::Shown};
use anyhow::{Context, bail};
use clap::Args;
use openstack::{
    AskError,
    instance_ha::{Client, Reported},
};
use recovery::{SegmentId, report};
use std::process::ExitCode;

/// A page takes an engine four minutes at most, and it is asked for every ten seconds; one may be made before.
const ASKED_MOST: usize = 60;
/// No cloud has more.
const PAGES_MOST: usize = 1000;

#[derive(Args, Debug)]
pub(crate) struct Report {
    /// Of this segment alone, by its name or id
    #[arg(long)]
    segment: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

impl Report {
    /// Exit code 1: a segment may not lose a host.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let report = self.shown.cloud.ask(async |client| self.gather(&client).await)??;
        self.shown.show_as(&report.to_string(), &serde_json::to_value(&report)?)?;
        Ok(if report.is_spare() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn gather(&self, client: &Client) -> anyhow::Result<report::Report> {
        let segment = match &self.segment {
            Some(name) => Some(find(client, name).await?),
            None => None,
        };
        let mut whole = report::Report::default();
        for _ in 0..PAGES_MOST {
            let page = page(client, segment.as_ref(), whole.next).await?;
            whole.extend(page);
            if whole.next.is_none() {
                return Ok(whole);
            }
            output::note(&format!("{} segments are looked at; going on", whole.segments.len()));
        }
        bail!("the list of segments has no end")
    }
}

async fn find(client: &Client, name: &str) -> anyhow::Result<SegmentId> {
    let all = client.segments().await.context("segments cannot be listed")?;
    let found = all.into_iter().find(|segment| segment.name == name || segment.uuid == name);
    let found = found.with_context(|| format!("there is no segment {name}"))?;
    Ok(SegmentId::new(found.uuid))
}

async fn page(
    client: &Client,
    segment: Option<&SegmentId>,
    after: Option<i64>,
) -> anyhow::Result<report::Report> {
    let mut asked: Result<Reported, AskError> = client.report(segment, after).await;
    for n in 1..=ASKED_MOST {
        let id = match asked.context("there is no report")? {
            Reported { report: Some(report), .. } => return Ok(report),
            Reported { request: Some(request), .. } => request.id,
            Reported { .. } => bail!("the answer has neither a report nor a request"),
        };
        let s = 10 * n;
        output::note(&format!("no engine has the report ready after {s} s; waiting for it"));
        asked = client.report_again(&id).await;
    }
    bail!("no engine has answered: is one running?")
}
