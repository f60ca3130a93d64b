//! `monitoring_driver = default`: Pacemaker; and the agent that it calls when something happens.

use super::{Driver, Node};
use crate::{config::environment, output};
use clap::Args;
use monitor::hosts::{
    Driven, Power,
    pacemaker::{Alerts, Ipmi, Pacemaker, Tools, alert},
};
use ports::SystemExec;
use std::{path::PathBuf, process::ExitCode, sync::Arc};

pub(super) const DRIVER: Driver =
    Driver { names: &["default", "pacemaker"], begin: |node| Ok(begin(node)) };

/// Where the monitor listens, unless its option or the alert's recipient says otherwise.
const SOCKET: &str = "/run/masakari/pacemaker-alert.sock";
/// What Pacemaker gives its agents.
const RECIPIENT: &str = "CRM_alert_recipient";
const TOLD: &[&str] = &["CRM_alert_kind", "CRM_alert_node", "CRM_alert_desc"];

fn begin(node: &Node) -> Driven {
    let (configuration, clock) = (&node.configuration, node.machine.clock.clone());
    let exec = Arc::new(SystemExec);
    let tools = Tools { exec: exec.clone(), deadline: configuration.host_timeout() };
    let alerts = configuration.alert_socket().and_then(|path| {
        let heard = Alerts::listen(&path);
        heard
            .inspect_err(|error| {
                tracing::warn!(
                    "Pacemaker's alert agent cannot wake this monitor: {}: {error}. The cluster is asked every \
                     monitoring_interval",
                    path.display()
                );
            })
            .ok()
    });
    let power = configuration.ipmi().map(|config| {
        let ipmi = Ipmi::new(tools.clone(), exec.clone(), clock.clone(), config);
        Arc::new(ipmi) as Arc<dyn Power>
    });
    let config = configuration.pacemaker(&node.hostname);
    Driven { source: Box::new(Pacemaker::new(config, tools, alerts, clock)), power }
}

/// `masakari pacemaker-alert`, as Pacemaker runs it.
#[derive(Args, Debug)]
pub(crate) struct PacemakerAlert {
    /// The monitor's socket; the alert's recipient without it
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl PacemakerAlert {
    /// A monitor that is away is no failure of the cluster's: it is said, and that is all.
    pub(crate) fn run(&self) -> ExitCode {
        let environment = environment();
        let variable = |wanted: &str| {
            let found = environment.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let recipient = variable(RECIPIENT).filter(|path| path.starts_with('/'));
        let path = self.socket.clone().or_else(|| recipient.map(PathBuf::from));
        let path = path.unwrap_or_else(|| PathBuf::from(SOCKET));
        let told: Vec<&str> = TOLD.iter().filter_map(|name| variable(name)).collect();
        if let Err(error) = alert::tell(&path, &told.join(" ")) {
            output::note(&format!("no monitor listens at {}: {error}", path.display()));
        }
        ExitCode::SUCCESS
    }
}
