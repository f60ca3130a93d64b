//! `masakari agent`: the host's own word to Masakari; and what the unit of nova-compute asks before it starts.

use super::{Node, Role, client, identity, run_agent};
use crate::{
    cli::ConfigArgs,
    config::Configuration,
    output,
    ports_of::{Machine, machine_name},
};
use clap::{Args, Subcommand};
use futures::FutureExt;
use monitor::{
    Mark,
    agent::{self, AgentConfig, Patience, Started, TURN_MOST, may_start},
};
use ports::SystemExec;
use recovery::HostName;
use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

pub(super) const ROLE: Role = Role {
    name: "agent",
    program: "masakari-agent",
    watched: None,
    turn_most: TURN_MOST,
    sending: Configuration::callback,
    run: |node, mark| {
        async move {
            let agent = of(&node, mark);
            futures::join!(agent.run(), identify(&node));
            Ok(())
        }
        .boxed_local()
    },
    at_stop: Some(|node, mark| async move { drop(of(&node, mark).announce().await) }.boxed_local()),
};

const ASK_EVERY: Duration = Duration::from_secs(5);

fn of(node: &Node, mark: Mark) -> agent::Agent {
    let (announce_for, back_after) = node.configuration.announcing();
    agent::Agent {
        config: AgentConfig { host: HostName::new(&node.hostname), announce_for, back_after },
        client: node.client.clone(),
        exec: Arc::new(SystemExec),
        folder: node.folder.clone(),
        mark,
        clock: node.machine.clock.clone(),
    }
}

async fn identify(node: &Node) {
    let identity = match identity::told() {
        Ok(identity) => identity,
        Err(why) => return tracing::warn!("which machine this host is, is not told: {why:#}"),
    };
    let (client, host) = (node.client.clone(), HostName::new(&node.hostname));
    let (clock, entropy) = (node.machine.clock.clone(), node.machine.entropy.clone());
    agent::Identify { client, host, identity, clock, entropy }.run().await;
}

#[derive(Args, Debug)]
pub(crate) struct Agent {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Wait until this host's nova-compute may start: not while a recovery of the host is under way
    MayStart {
        /// Say it, and wait for nothing. Exit code 1: it may not
        #[arg(long)]
        no_wait: bool,
    },
    /// Which machine this host is, as fencing.yaml records it: a device that controls another one does nothing then
    Identity,
}

impl Agent {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match self.what {
            None => run_agent(&self.config),
            Some(What::MayStart { no_wait }) => self.may_start(no_wait),
            Some(What::Identity) => self.identity(),
        }
    }

    fn identity(&self) -> anyhow::Result<ExitCode> {
        let configuration = Configuration::read(&self.config.0, ROLE.program)?;
        let host = HostName::new(configuration.monitored_host(&machine_name()));
        output::say(&identity::of(&host, Path::new(identity::DMI))?);
        Ok(ExitCode::SUCCESS)
    }

    fn may_start(&self, no_wait: bool) -> anyhow::Result<ExitCode> {
        let machine = Machine::new()?;
        let configuration = Configuration::read(&self.config.0, ROLE.program)?;
        let host = HostName::new(configuration.monitored_host(&machine_name()));
        let patience = Patience {
            ask_every: ASK_EVERY,
            answer_most: if no_wait { Duration::ZERO } else { configuration.answer_wait() },
            no_most: no_wait.then_some(Duration::ZERO),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let started = runtime.block_on(async {
            let client = client(&configuration, &machine)?;
            let tell = |why: &str| output::note(&format!("{host} waits: {why}"));
            anyhow::Ok(may_start(&client, &host, patience, &*machine.clock, tell).await)
        })?;
        output::note(&match &started {
            Started::Allowed(why) => format!("nova-compute of {host} may start: {why}"),
            Started::Unknown => {
                format!(
                    "nova-compute of {host} may start: Masakari does not know this host, or has no such question"
                )
            }
            Started::Unanswered(why) => {
                format!(
                    "nova-compute of {host} may start: Masakari does not answer, and is not waited for: {why}"
                )
            }
            Started::Refused(why) => format!("nova-compute of {host} may not start: {why}"),
        });
        Ok(if started.is_allowed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
