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
//!
//! Pacemaker's controller writes a loss into the CIB first and that the quorum went with it second (`peer_update_callback`, then
//! `crm_update_quorum`). So in the smaller part of a split cluster there is a moment in which the others are lost and there is quorum. Who
//! tells of a loss that is new has asked Corosync after it saw it, or, where there is none (on a remote), has looked again.

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
    HostName, Millis,
    verdict::{HOSTS_MOST, Quorum, Round, Seen, Sight},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Each member tells of a loss, and only the coordinator writes it down, which may take it seconds: after an alert it is looked again every
/// so often, and after [`RESTLESS_FOR`] after twice as long, and so on up to the interval. Of a loss that is not written down, because
/// it is the coordinator that is lost, nothing else tells when it is: it is looked for [`ELECTION_MOST`].
const AGAIN_AFTER: Duration = Duration::from_millis(300);
const RESTLESS_FOR: Duration = Duration::from_secs(3);
const ELECTION_MOST: Duration = Duration::from_secs(30);

/// Where Corosync does not say whether there is quorum, a loss is looked at again after this: the CIB has both by then.
const SETTLED_AFTER: Duration = Duration::from_millis(500);

/// While somebody is to be fenced it is looked so often whether he was; while this host is cut off, whether it is back; and so soon
/// after a tool that failed.
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
    /// From this look to the next.
    pause: Duration,
    /// Until then the next pause is no longer than this one.
    restless_until: Boot,
    seen: LastSeen,
    /// Who was lost in the last round: of those no quorum is asked for.
    lost: BTreeSet<HostName>,
    /// Since when no link of Corosync is up.
    alone_since: Option<Boot>,
    is_remote: Option<bool>,
    began: Option<Millis>,
    /// Since when there is nobody who may speak.
    awaited_since: Option<Boot>,
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
        let (next, pause) = (clock.boot(), config.interval);
        Self {
            config,
            tools,
            alerts,
            clock,
            next,
            pause,
            restless_until: next,
            seen: LastSeen::new(),
            lost: BTreeSet::new(),
            alone_since: None,
            is_remote: None,
            began: None,
            awaited_since: None,
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
                self.pause = AGAIN_AFTER.min(self.config.interval);
                let restless_for = if is_of_a_loss(&what) { ELECTION_MOST } else { RESTLESS_FOR };
                let until = self.clock.boot().plus(restless_for);
                self.restless_until = self.restless_until.max(until);
            }
            () = self.clock.sleep(self.next.since(now)) => {
                if self.clock.boot() >= self.restless_until {
                    self.pause = (self.pause * 2).min(self.config.interval);
                }
            }
        }
        self.next = self.clock.boot().plus(self.pause);
    }

    /// What is so, and has quorum after it was seen.
    async fn look(&mut self) -> Result<Round, SourceFault> {
        let mut round = self.ask().await?;
        if round.hosts.iter().any(|seen| is_lost(seen) && !self.lost.contains(&seen.host)) {
            let quorate = match self.is_remote {
                Some(true) => None,
                Some(false) | None => self.tools.is_quorate().await,
            };
            match quorate {
                Some(true) => {}
                Some(false) => round = Round::silent(digest::no_quorum()),
                None => {
                    self.clock.sleep(SETTLED_AFTER).await;
                    round = self.ask().await?;
                }
            }
        }
        let lost = round.hosts.iter().filter(|seen| is_lost(seen));
        let before = std::mem::replace(
            &mut self.lost,
            lost.map(|seen| seen.host.clone()).take(HOSTS_MOST).collect(),
        );
        if !self.lost.is_subset(&before) {
            let until = self.clock.boot().plus(RESTLESS_FOR);
            self.restless_until = self.restless_until.min(until);
        }
        Ok(round)
    }

    async fn ask(&mut self) -> Result<Round, SourceFault> {
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
            began: *self.began.get_or_insert(asked),
        };
        let round = digest::round(&cluster, cib.as_ref(), &self.seen, &wanted);
        if round.quorum == Quorum::Quorate {
            for host in digest::online(&cluster, cib.as_ref(), &round).take(HOSTS_MOST) {
                self.seen.insert(host.to_owned(), asked);
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

fn is_lost(seen: &Seen) -> bool {
    seen.sight == Sight::Offline
}

/// As our agent tells it: `node ctl2 lost`. It is believed as far as to look more often.
fn is_of_a_loss(alert: &str) -> bool {
    alert.starts_with("node ") && alert.ends_with(" lost")
}

#[async_trait]
impl Source for Pacemaker {
    fn name(&self) -> &'static str {
        "pacemaker"
    }

    async fn next(&mut self) -> Result<Round, SourceFault> {
        self.wait().await;
        let round = self.look().await;
        let is_awaited = match &round {
            Ok(round) => matches!(round.quorum, Quorum::CutOff { .. }),
            Err(_) => true,
        };
        let now = self.clock.boot();
        self.awaited_since = is_awaited.then(|| self.awaited_since.unwrap_or(now));
        if let Some(since) = self.awaited_since {
            let soon = if now.since(since) < ELECTION_MOST { AGAIN_AFTER } else { SOON };
            self.next = self.next.min(now.plus(soon));
        } else if self.is_fencing {
            self.next = self.next.min(now.plus(SOON));
        }
        round
    }
}
