//! `monitoring_driver = default`: what Pacemaker knows of its nodes, members and remotes.
//!
//! ```text
//!  alert agent ──► socket (alert) ──┐                  crm_mon ──► Cluster ┐
//!  monitoring_interval ─────────────┴──► tools, with ──►               digest ──► Round
//!                                        a deadline   cibadmin ──► Cib ────┘
//! ```
//!
//! `cibadmin` alone shows no remotes (they have no `crmd`), and `crm_mon` alone neither shows `node_fenced` nor that a remote which it
//! calls online is only tried: so both are asked. `crmadmin` is not: on a remote it never returns, and it says nothing that `crm_mon` does not.

pub mod alert;
pub mod cib;
pub mod crm_mon;
pub mod digest;
pub mod ipmi;
pub mod tools;

pub use alert::Alerts;
pub use ipmi::{Ipmi, IpmiConfig};
pub use tools::Tools;

use super::{Source, SourceFault};
use async_trait::async_trait;
use crm_mon::{Cluster, NodeKind};
use digest::{LastSeen, Wanted};
use ports::{Boot, Clock};
use recovery::{
    HostName,
    verdict::{HOSTS_MOST, Quorum, Round, Sight},
};
use std::{sync::Arc, time::Duration};

/// Pacemaker tells of a loss before it has written down all of it: it is looked once more, so long after an alert.
const AGAIN_AFTER: Duration = Duration::from_millis(700);

/// While somebody is to be fenced it is looked so often whether he was; and so soon after a tool that failed.
const SOON: Duration = Duration::from_secs(3);

/// `pacemaker_node_type`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeType {
    Autodetect,
    Cluster,
    Remote,
}

/// What the driver takes.
#[derive(Clone, Debug)]
pub struct PacemakerConfig {
    /// This host.
    pub own: HostName,
    pub interval: Duration,
    pub node_type: NodeType,
    pub remotes_only: bool,
    /// `stonith_wait`: how long we may be the one that is cut off, and about to be fenced, when no link of Corosync is up.
    pub stonith_wait: Duration,
}

/// The driver.
#[derive(Debug)]
pub struct Pacemaker {
    config: PacemakerConfig,
    tools: Tools,
    alerts: Option<Alerts>,
    clock: Arc<dyn Clock>,
    next: Boot,
    seen: LastSeen,
    /// Since when no link of Corosync is up.
    alone_since: Option<Boot>,
    is_remote: Option<bool>,
    /// Somebody is lost, and not fenced yet.
    is_fencing: bool,
}

impl Pacemaker {
    /// The driver, which is woken by `alerts`, if there are any.
    #[must_use]
    pub fn new(
        config: PacemakerConfig,
        tools: Tools,
        alerts: Option<Alerts>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let next = clock.boot();
        Self {
            config,
            tools,
            alerts,
            clock,
            next,
            seen: LastSeen::new(),
            alone_since: None,
            is_remote: None,
            is_fencing: false,
        }
    }

    /// Until the interval is over, or Pacemaker says something.
    async fn wait(&mut self) {
        let now = self.clock.boot();
        let alerted = async {
            match &self.alerts {
                Some(alerts) => alerts.heard().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            what = alerted => {
                tracing::debug!("Pacemaker alerts: {what}");
                self.next = self.clock.boot().plus(AGAIN_AFTER.min(self.config.interval));
            }
            () = self.clock.sleep(self.next.since(now)) => {
                self.next = self.clock.boot().plus(self.config.interval);
            }
        }
    }

    async fn look(&mut self) -> Result<Round, SourceFault> {
        let asked = self.clock.wall();
        let cluster = self.tools.cluster().await.map_err(|error| SourceFault(error.to_string()))?;
        let is_remote = self.is_remote(&cluster);
        if let Some(cut_off) = self.alone(is_remote).await {
            return Ok(Round::silent(cut_off));
        }
        self.is_fencing = cluster.nodes.iter().any(|node| !node.is_online && node.is_unclean);
        // Without it nothing is proven, and a remote that is tried again looks as if it were there.
        let cib = match cluster.has_quorum {
            true => self.tools.states().await.inspect_err(|error| tracing::warn!("{error}")).ok(),
            false => None,
        };
        let wanted = Wanted {
            own: self.config.own.clone(),
            remotes_only: self.config.remotes_only,
            is_remote,
        };
        let round = digest::round(&cluster, cib.as_ref(), &self.seen, &wanted);
        if round.quorum == Quorum::Quorate {
            let online = round.hosts.iter().filter(|seen| seen.sight == Sight::Online);
            for seen in online.take(HOSTS_MOST) {
                self.seen.insert(seen.host.as_str().to_owned(), asked);
            }
            self.seen.retain(|name, _| cluster.nodes.iter().any(|node| node.name == *name));
        }
        Ok(round)
    }

    /// Whether this host has no vote.
    fn is_remote(&mut self, cluster: &Cluster) -> bool {
        let is_remote = match self.config.node_type {
            NodeType::Cluster => false,
            NodeType::Remote => true,
            NodeType::Autodetect => digest::own(cluster, &self.config.own)
                .is_some_and(|node| node.kind == NodeKind::Remote),
        };
        if self.is_remote.replace(is_remote) != Some(is_remote) && is_remote {
            tracing::info!("Works on pacemaker-remote.");
        }
        is_remote
    }

    /// With no link up, and quorum all the same (two nodes), one of the two is cut off, and it may be us.
    async fn alone(&mut self, is_remote: bool) -> Option<Quorum> {
        let is_alone = !is_remote && self.tools.all_links_are_down().await == Some(true);
        if !is_alone {
            self.alone_since = None;
            return None;
        }
        let now = self.clock.boot();
        let since = *self.alone_since.get_or_insert(now);
        (now.since(since) < self.config.stonith_wait)
            .then(|| Quorum::CutOff { why: "Corosync communication is failed.".into() })
    }
}

#[async_trait]
impl Source for Pacemaker {
    fn name(&self) -> &'static str {
        "pacemaker"
    }

    async fn next(&mut self) -> Result<Round, SourceFault> {
        self.wait().await;
        let round = self.look().await;
        if self.is_fencing || round.is_err() {
            self.next = self.next.min(self.clock.boot().plus(SOON));
        }
        if self.alone_since.is_some() {
            // It is known after `stonith_wait`, and not an interval later.
            self.next = self.next.min(self.clock.boot().plus(self.config.stonith_wait));
        }
        round
    }
}
