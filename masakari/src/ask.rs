//! Commands that ask a running masakari, by way of Keystone's catalogue.

use crate::{output, ports_of::Machine};
use anyhow::{Context, anyhow};
use clap::Args;
use openstack::{
    AuthConfig, Interface, Session,
    instance_ha::{Client, RequestState},
};
use oslo::Secret;
use ports::{HttpClient, HttpClientConfig};
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
        })?;
        let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
        Ok(Client::new(Session::new(auth, Arc::new(http), clock, entropy)))
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
        let machine = Machine::new()?;
        let client = self.cloud.client(&machine)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let request = runtime
            .block_on(client.confirm_dead(&recovery::HostName::new(&self.host), &self.reason))
            .with_context(|| format!("host {} was not confirmed dead", self.host))?;
        let answer = request.answer.unwrap_or_default();
        Ok(match request.state {
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
        })
    }
}
