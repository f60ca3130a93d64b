//! `masakari lease`: holds this host's lease in etcd, and feeds its watchdog while it does.
//!
//! It runs on a thread of its own: what else this process watches keeps nobody from feeding.

use super::{Node, Role, run};
use crate::{cli::ConfigArgs, config::Configuration};
use anyhow::Context;
use futures::FutureExt;
use monitor::{
    Mark,
    lease::{
        Holder, HolderConfig,
        holder::{Fault, TURN_MOST},
    },
};
use recovery::HostName;
use std::{process::ExitCode, sync::Arc};
use tokio::sync::oneshot;

pub(super) const ROLE: Role = Role {
    name: "lease",
    program: "masakari-lease",
    watched: None,
    turn_most: TURN_MOST,
    sending: Configuration::callback,
    run: |node, mark| hold(node, mark).boxed_local(),
    at_stop: Some(|node, _| async move { node.lease.ask().await }.boxed_local()),
};

/// `masakari lease`
pub(crate) fn run_lease(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    run(args, ROLE.program, |_| Ok(vec![&ROLE]))
}

async fn hold(node: Arc<Node>, mark: Mark) -> anyhow::Result<()> {
    let configuration = &node.configuration;
    let holder = Holder {
        config: HolderConfig {
            host: HostName::new(&node.hostname),
            prefix: configuration.lease_prefix(),
            times: configuration.lease_times()?,
            boot: node.boot_id.clone(),
            agent: node.machine.entropy.uuid().to_string(),
        },
        etcd: configuration.lease_etcd()?,
        watchdog: Box::new(configuration.lease_watchdog()),
        mark,
        clock: node.machine.clock.clone(),
    };
    let stop = node.lease.clone();
    let (ended, end) = oneshot::channel::<anyhow::Result<Result<(), Fault>>>();
    let alone = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = runtime.map(|runtime| runtime.block_on(holder.run(&stop)));
        drop(ended.send(outcome.context("no runtime")));
    };
    std::thread::Builder::new().name("lease".into()).spawn(alone)?;
    Ok(end.await.context("it broke, which is a mistake of ours")???)
}
