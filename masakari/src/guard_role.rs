//! `masakari approve` and `reject`: a person's verdict on what is held. `guard`, `disarm` and `arm`: the switch by which a person stops everything, and what the storm
//! guard sees.

use crate::{
    ask::{Word, told},
    output,
};
use anyhow::Context;
use clap::Args;
use openstack::instance_ha::Guard;
use recovery::NotificationId;
use std::process::ExitCode;

#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    cloud: crate::ask::Cloud,
}

impl Show {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let guard = self.cloud.ask(async |client| client.guard().await)?;
        tell(&guard.context("the guard is not known")?);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Disarm {
    #[command(flatten)]
    word: Word,
}

impl Disarm {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let reason = self.word.reason.as_deref();
        let guard = self.word.cloud.ask(async |client| client.disarm(reason).await)?;
        tell(&guard.context("it is not disarmed")?);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Arm {
    #[command(flatten)]
    word: Word,
}

impl Arm {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let reason = self.word.reason.as_deref();
        let guard = self.word.cloud.ask(async |client| client.arm(reason).await)?;
        tell(&guard.context("it is not armed")?);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Verdict {
    /// The notification whose recovery is held
    notification: String,
    /// Why; it is kept with your name, and stands in the notification's details
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    cloud: crate::ask::Cloud,
}

impl Verdict {
    pub(crate) fn approve(&self) -> anyhow::Result<ExitCode> {
        let id = NotificationId::new(&self.notification);
        let answer = self.cloud.ask(async |client| client.approve(&id, &self.reason).await)?;
        Ok(told(answer.with_context(|| format!("notification {id} is not approved"))?))
    }

    pub(crate) fn reject(&self) -> anyhow::Result<ExitCode> {
        let id = NotificationId::new(&self.notification);
        let answer = self.cloud.ask(async |client| client.reject(&id, &self.reason).await)?;
        Ok(told(answer.with_context(|| format!("notification {id} is not rejected"))?))
    }
}

fn tell(guard: &Guard) {
    output::say(match guard.armed {
        true => "armed: recoveries begin and go on",
        false => "DISARMED: nothing is begun; what Nova was asked for is followed to its end",
    });
    for turn in &guard.history {
        let what = if turn.armed { "armed" } else { "disarmed" };
        let why = turn.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        output::say(&format!("  {} {what} by {}{why}", turn.at, turn.by));
    }
    if let Some(at) = &guard.storm_at {
        output::say(&format!("the last storm was seen at {at}"));
    }
    if guard.lost.is_empty() {
        output::say("no host was lost within the last hour");
    }
    for lost in &guard.lost {
        let state = match (&lost.begun_at, lost.open) {
            (None, true) => "waits",
            (Some(_), true) => "is being recovered",
            (_, false) => "its recovery has ended",
        };
        let segment = lost.segment.as_deref().unwrap_or("?");
        output::say(&format!(
            "host {} of segment {segment}, reported at {}: {state} (notification {})",
            lost.host, lost.reported_at, lost.notification
        ));
    }
}
