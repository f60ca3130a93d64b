//! `masakari-introspectiveinstancemonitor`: the agents within the VMs of this host.

use super::{Node, Role};
use crate::config::Configuration;
use futures::FutureExt;
use monitor::{
    Mark, Watched,
    guests::{Asker, Rounds, TURN_MOST, Tell, Waiting},
    libvirt::Libvirt,
};
use recovery::HostName;
use std::sync::Arc;

pub(super) const ROLE: Role = Role {
    name: "guests",
    program: "masakari-introspectiveinstancemonitor",
    watched: Some(Watched::Guests),
    turn_most: TURN_MOST,
    sending: Configuration::callback,
    run: |node, mark| run(node, mark).boxed_local(),
    at_stop: None,
};

async fn run(node: Arc<Node>, mark: Mark) -> anyhow::Result<()> {
    let (config, asking) = node.configuration.guests(node.hostname.clone())?;
    let asker = Asker::new(asking);
    node.sources.set(Watched::Guests, Arc::new(asker.clone()));
    let uri = node.configuration.libvirt_uri();
    tracing::info!("Guests of {} are watched at {uri}", node.hostname);
    let (clock, entropy) = (node.machine.clock.clone(), node.machine.entropy.clone());
    let hypervisor = Arc::new(Libvirt::for_guests(uri, clock.clone()));
    let reporter = node.reporter.clone();
    let answer = Waiting::default();
    let tell = Tell {
        client: node.client.clone(),
        host: HostName::new(&node.hostname),
        clock: clock.clone(),
        entropy: entropy.clone(),
        waiting: answer.clone(),
    };
    let rounds = Rounds { config, hypervisor, asker, reporter, answer, mark, clock, entropy };
    futures::future::join(rounds.run(), tell.run()).await;
    Ok(())
}
