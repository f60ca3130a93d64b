//! Commands that ask a running masakari, by way of Keystone's catalogue.

use crate::{output, ports_of::Machine};
use anyhow::{Context, anyhow};
use clap::Args;
use openstack::{
    AuthConfig, Interface, Session,
    instance_ha::{Client, PlannedStop, Recovered, RequestAnswer, RequestState},
};
use oslo::Secret;
use ports::{HttpClient, HttpClientConfig};
use recovery::{HostName, NotificationId};
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

/// Who asks, in the words of every OpenStack client.
#[derive(Args, Debug)]
pub(crate) struct Cloud {
    #[arg(long, env = "OS_AUTH_URL")]
    os_auth_url: Option<String>,
    #[arg(long, env = "OS_USERNAME")]
    os_username: Option<String>,
    // By environment only: an argument is seen by every user of the machine.
    #[arg(long, env = "OS_PASSWORD", hide = true, hide_env_values = true)]
    os_password: Option<String>,
    #[arg(long, env = "OS_PROJECT_NAME")]
    os_project_name: Option<String>,
    #[arg(long, env = "OS_USER_DOMAIN_NAME", default_value = "Default")]
    os_user_domain_name: String,
    #[arg(long, env = "OS_PROJECT_DOMAIN_NAME", default_value = "Default")]
    os_project_domain_name: String,
    #[arg(long, env = "OS_REGION_NAME")]
    os_region_name: Option<String>,
    #[arg(long, env = "OS_INTERFACE", default_value = "public")]
    os_interface: String,
    #[arg(long, env = "OS_CACERT")]
    os_cacert: Option<PathBuf>,
    /// Trust anybody
    #[arg(long)]
    insecure: bool,
}

impl Cloud {
    fn client(&self, machine: &Machine) -> anyhow::Result<Client> {
        let need = |value: &Option<String>, name: &str| {
            value.clone().ok_or_else(|| anyhow!("{name} is not set; source your openrc file first"))
        };
        let interface = Interface::from_word(&self.os_interface)
            .ok_or_else(|| anyhow!("OS_INTERFACE is not public, internal or admin"))?;
        let auth = AuthConfig {
            auth_url: need(&self.os_auth_url, "OS_AUTH_URL")?,
            username: Some(need(&self.os_username, "OS_USERNAME")?),
            password: Secret::new(need(&self.os_password, "OS_PASSWORD")?),
            project_name: Some(need(&self.os_project_name, "OS_PROJECT_NAME")?),
            user_domain_name: Some(self.os_user_domain_name.clone()),
            project_domain_name: Some(self.os_project_domain_name.clone()),
            region_name: self.os_region_name.clone(),
            interface,
            ..AuthConfig::default()
        };
        let http = HttpClient::new(&HttpClientConfig {
            ca_file: self.os_cacert.clone(),
            insecure: self.insecure,
            connect_timeout: Duration::from_secs(5),
            ..HttpClientConfig::default()
        })?;
        let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
        Ok(Client::new(Session::new(auth, Arc::new(http), clock, entropy)))
    }

    /// What that Masakari says to one question.
    pub(crate) fn ask<T>(&self, question: impl AsyncFnOnce(Client) -> T) -> anyhow::Result<T> {
        let machine = Machine::new()?;
        let client = self.client(&machine)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(question(client)))
    }
}

#[derive(Args, Debug)]
pub(crate) struct ConfirmDead {
    /// The host, as Nova's compute service is called
    host: String,
    /// How you know; it is kept with your name
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    cloud: Cloud,
}

impl ConfirmDead {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let host = HostName::new(&self.host);
        let answer =
            self.cloud.ask(async |client| client.confirm_dead(&host, &self.reason, None).await)?;
        let answer = answer.with_context(|| format!("host {host} was not confirmed dead"))?;
        Ok(told(answer))
    }
}

#[derive(Args, Debug)]
pub(crate) struct Recover {
    /// The host, as Nova's compute service is called
    host: String,
    #[command(flatten)]
    word: Word,
}

impl Recover {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let host = HostName::new(&self.host);
        let reason = self.word.reason.as_deref();
        let accepted = self.word.cloud.ask(async |client| client.recover(&host, reason).await)?;
        let accepted = accepted.with_context(|| format!("host {host} is not recovered"))?;
        reported(&host, &accepted).iter().for_each(|line| output::say(line));
        Ok(ExitCode::SUCCESS)
    }
}

fn reported(host: &HostName, accepted: &Recovered) -> Vec<String> {
    let id = &accepted.notification.notification_uuid;
    let ended = accepted.ended_stop.as_ref().map(|PlannedStop { kind, by, until, .. }| {
        format!("the planned stop of host {host} ({kind} by {by} until {until}) is ended by that")
    });
    let told = format!(
        "the failure of host {host} is reported; notification {id} tells how far its recovery is"
    );
    [told].into_iter().chain(ended).collect()
}

#[derive(Args, Debug)]
pub(crate) struct Return {
    /// The host, as Nova's compute service is called
    #[arg(required_unless_present = "list")]
    host: Option<String>,
    /// Which hosts are away, and what each waits for
    #[arg(long, conflicts_with_all = ["host", "reason", "power_on"])]
    list: bool,
    /// Have its fence device switch it on
    #[arg(long)]
    power_on: bool,
    #[command(flatten)]
    word: Word,
}

impl Return {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let Some(host) = self.host.as_ref().map(HostName::new) else { return self.list() };
        let reason = self.word.reason.as_deref();
        let bring_back =
            async |client: Client| client.bring_back(&host, reason, self.power_on).await;
        let answer = self.word.cloud.ask(bring_back)?;
        Ok(told(answer.with_context(|| format!("host {host} does not return"))?))
    }

    fn list(&self) -> anyhow::Result<ExitCode> {
        let away = self.word.cloud.ask(async |client| client.returns().await)?;
        let away = away.context("nobody tells which hosts are away")?;
        if away.is_empty() {
            output::say("no recovery has left a host out of service");
        }
        for host in away {
            let asked = host.asked_by.map_or(String::new(), |by| format!(" (wanted by {by})"));
            output::say(&format!(
                "{}: {} since {}, lost at {}: {}{asked}",
                host.host, host.state, host.since, host.lost_at, host.why
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// The notification whose recovery failed
    notification: String,
    #[command(flatten)]
    word: Word,
}

impl Retry {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (id, reason) = (NotificationId::new(&self.notification), self.word.reason.as_deref());
        let answer = self.word.cloud.ask(async |client| client.retry(&id, reason).await)?;
        Ok(told(answer.with_context(|| format!("notification {id} is not tried again"))?))
    }
}

#[derive(Args, Debug)]
pub(crate) struct Cancel {
    /// The notification whose recovery shall stop
    notification: String,
    #[command(flatten)]
    word: Word,
}

impl Cancel {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (id, reason) = (NotificationId::new(&self.notification), self.word.reason.as_deref());
        let answer = self.word.cloud.ask(async |client| client.cancel(&id, reason).await)?;
        Ok(told(answer.with_context(|| format!("notification {id} is not cancelled"))?))
    }
}

/// What every request by hand is made with.
#[derive(Args, Debug)]
pub(crate) struct Word {
    /// Why; it is kept with your name, and stands in the notification's details
    #[arg(long)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) cloud: Cloud,
}

/// Says what the engine said.
pub(crate) fn told(request: RequestAnswer) -> ExitCode {
    let answer = request.answer.unwrap_or_default();
    match request.state {
        RequestState::Done => {
            output::say(&answer);
            ExitCode::SUCCESS
        }
        RequestState::Refused => {
            output::say(&format!("refused: {answer}"));
            ExitCode::FAILURE
        }
        RequestState::Pending => {
            let id = request.id;
            output::say(&format!(
                "no engine has answered yet (is one running?); request {id} is kept for a minute"
            ));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_reports_a_host_is_told_what_else_that_has_ended() {
        let notification = json!({
            "id": 1, "notification_uuid": "n1", "generated_time": "", "source_host_uuid": "h",
            "type": "COMPUTE_HOST", "payload": {}, "status": "new", "created_at": null,
            "updated_at": null,
        });
        let host = HostName::new("compute01");
        let said = |body| reported(&host, &serde_json::from_value(body).unwrap());
        let plain = said(json!({ "notification": notification }));
        assert_eq!(
            plain,
            [
                "the failure of host compute01 is reported; notification n1 tells how far its recovery is"
            ]
        );
        let stop = json!({
            "id": "s1", "host": "compute01", "kind": "maintenance", "by": "ann (a1)", "reason": null,
            "at": "2026-11-22T10:00:00Z", "until": "2026-11-22T12:00:00Z", "notification": null,
            "notification_status": null,
        });
        let ended = said(json!({ "notification": notification, "ended_stop": stop }));
        assert_eq!(
            ended[1],
            "the planned stop of host compute01 (maintenance by ann (a1) until 2026-11-22T12:00:00Z) is ended by that"
        );
    }
}
