//! `masakari-processmonitor`: the processes and units of this host.

use super::{Node, Role};
use crate::config::Configuration;
use anyhow::Context;
use futures::FutureExt;
use monitor::{
    Mark, Watched,
    processes::{ProcessList, Processes, Standing, TURN_MOST, Units, WatchProcesses},
};
use ports::SystemExec;
use std::sync::Arc;

pub(super) const ROLE: Role = Role {
    name: "processes",
    program: "masakari-processmonitor",
    watched: Some(Watched::Processes),
    turn_most: TURN_MOST,
    sending: Configuration::process_reports,
    run: |node, mark| run(node, mark).boxed_local(),
    at_stop: None,
};

async fn run(node: Arc<Node>, mark: Mark) -> anyhow::Result<()> {
    let config = node.configuration.processes(node.hostname.clone(), as_root());
    let (path, systemctl) = (config.list_path.clone(), config.systemctl.clone());
    let read = move || ProcessList::read(&path, &systemctl);
    let list = tokio::task::spawn_blocking(read).await.context("the process list")??;
    tracing::info!("{} entries of {} are watched", list.entries.len(), config.list_path.display());
    let standing = Standing::default();
    node.sources.set(Watched::Processes, Arc::new(standing.clone()));
    let clock = node.machine.clock.clone();
    let watch = WatchProcesses {
        config,
        list,
        processes: Arc::new(Processes::new(clock.clone())),
        units: Arc::new(Units::new(node.configuration.units_bus(), clock.clone())),
        exec: Arc::new(SystemExec),
        standing,
        reporter: node.reporter.clone(),
        mark,
        reread: Arc::clone(&node.reread),
        clock,
    };
    watch.run().await;
    Ok(())
}

/// The words before a command that is to be run as root, which we may be. Nobody is here to type a password.
fn as_root() -> Vec<String> {
    match rustix::process::geteuid().is_root() {
        true => Vec::new(),
        false => vec!["sudo".into(), "-n".into()],
    }
}
