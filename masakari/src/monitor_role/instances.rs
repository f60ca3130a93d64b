//! `masakari-instancemonitor`: the VMs of this host.

use super::{Node, Role};
use crate::config::Configuration;
use futures::FutureExt;
use monitor::{
    Mark, Watched,
    instances::{InstancesConfig, TURN_MOST, Watch, Watcher},
    libvirt::Libvirt,
};
use std::sync::Arc;

pub(super) const ROLE: Role = Role {
    name: "instances",
    program: "masakari-instancemonitor",
    watched: Some(Watched::Instances),
    turn_most: TURN_MOST,
    sending: Configuration::callback,
    run: |node, mark| run(node, mark).boxed_local(),
    at_stop: None,
};

async fn run(node: Arc<Node>, mark: Mark) -> anyhow::Result<()> {
    let (clock, entropy) = (node.machine.clock.clone(), node.machine.entropy.clone());
    let watcher = Watcher::default();
    node.sources.set(Watched::Instances, Arc::new(watcher.clone()));
    let uri = node.configuration.libvirt_uri();
    tracing::info!("VMs of {} are watched at {uri}", node.hostname);
    let watch = Watch {
        config: InstancesConfig { hostname: node.hostname.clone(), boot_id: node.boot_id.clone() },
        hypervisor: Arc::new(Libvirt::new(uri, clock.clone())),
        watcher,
        reporter: node.reporter.clone(),
        mark,
        folder: node.folder.clone(),
        clock,
        entropy,
    };
    watch.run().await;
    Ok(())
}
