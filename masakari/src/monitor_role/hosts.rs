//! `masakari-hostmonitor`: the other hosts, by the drivers of `[host] monitoring_driver`.

mod consul;
mod kubernetes;
mod lease;
mod pacemaker;

pub(crate) use pacemaker::PacemakerAlert;

use super::{Node, Role};
use crate::config::Configuration;
use futures::FutureExt;
use monitor::{
    Mark, Watched,
    hosts::{Driven, Hosts, TURN_MOST, WatchHosts},
};
use std::sync::Arc;

pub(super) const ROLE: Role = Role {
    name: "hosts",
    program: "masakari-hostmonitor",
    watched: Some(Watched::Hosts),
    turn_most: TURN_MOST,
    sending: Configuration::host_reports,
    run: |node, mark| run(node, mark).boxed_local(),
    at_stop: None,
};

/// One who knows which hosts are dead.
pub(crate) struct Driver {
    /// As `monitoring_driver` names it; Python's name first.
    pub(crate) names: &'static [&'static str],
    /// Begins it. The error says why not, and what to do about it.
    begin: fn(&Node) -> anyhow::Result<Driven>,
}

/// Every driver that there is.
pub(crate) const DRIVERS: &[Driver] =
    &[pacemaker::DRIVER, kubernetes::DRIVER, consul::DRIVER, lease::DRIVER];

async fn run(node: Arc<Node>, mark: Mark) -> anyhow::Result<()> {
    let config = node.configuration.hosts(node.hostname.clone())?;
    let drivers = node.configuration.drivers(DRIVERS)?;
    let names: Vec<&str> = drivers.iter().map(|driver| driver.names[0]).collect();
    tracing::info!("Hosts are watched by {} from {}", names.join(", "), node.hostname);
    let sources: anyhow::Result<Vec<Driven>> =
        drivers.iter().map(|driver| (driver.begin)(&node)).collect();
    let hosts = Hosts::default();
    node.sources.set(Watched::Hosts, Arc::new(hosts.clone()));
    let watch = WatchHosts {
        config,
        sources: sources?,
        hosts,
        reporter: node.reporter.clone(),
        client: node.client.clone(),
        mark,
        clock: node.machine.clock.clone(),
        entropy: node.machine.entropy.clone(),
    };
    watch.run().await;
    Ok(())
}
