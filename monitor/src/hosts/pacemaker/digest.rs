//! What the cluster's answers mean for each host. Pure.
//!
//! | the node | seen as |
//! |---|---|
//! | online; standby too | online |
//! | not online, unclean or not | offline |
//! | online and unclean, joining, or in maintenance and not online | uncertain |
//! | a remote that `crm_mon` shows online and the CIB does not have | uncertain: Pacemaker tries to reach one that it has fenced |
//! | a remote that `crm_mon` shows offline, and the CIB has | uncertain: a new coordinator writes the history of its connection anew, or its connection was lost with a member |
//!
//! Nobody is seen without quorum, without a coordinator, or while the coordinator is lost itself.
//!
//! **"Offline and clean" proves nothing**: a remote that was cut while its connection started is shown so, and both remotes are to the
//! smaller part of a split cluster. Proof is that Pacemaker fenced it: `node_fenced` in the CIB, which Pacemaker takes back when the
//! node is there again, or a successful fencing since we saw the node online last.

use super::{
    cib::{Cib, State},
    crm_mon::{Cluster, Fencing, Node, NodeKind},
};
use recovery::{
    HostName, Millis,
    evidence::Kind,
    verdict::{Proof, Quorum, Round, Seen, Sight, names::same_host},
};
use std::collections::BTreeMap;

/// Who `stonith_admin --confirm` says has fenced.
const HUMAN: &str = "a human";
/// `node_fenced` is written when the fencer has told of its success.
const TOLD_WITHIN_MS: i64 = 30_000;

/// What of it is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// This host.
    pub own: HostName,
    /// `restrict_to_remotes`
    pub remotes_only: bool,
    /// `pacemaker_node_type = remote`, or found to be so: this host has no vote, and is not asked whether it is well.
    pub is_remote: bool,
    /// When this monitor looked first.
    pub began: Millis,
}

/// When each node was seen online last, by our clock, or may have been there.
pub type LastSeen = BTreeMap<String, Millis>;

/// Who counts as seen.
///
/// Pacemaker 2.1.5 may have a remote that is back, and that it does not hold for fenced any more, as not there until its
/// connection is made anew (seen after two changes of the coordinator): whatever that is, an older fencing proves
/// nothing of it.
pub fn online<'c>(
    cluster: &'c Cluster,
    cib: Option<&'c Cib>,
    round: &'c Round,
) -> impl Iterator<Item = &'c str> {
    let is_back = move |node: &&Node| {
        let state = cib.and_then(|cib| cib.states.get(&node.name));
        let is_released = state.is_some_and(|state| !state.is_there && state.fenced.is_none());
        is_released && sight(node, cluster.is_maintained) == Sight::Online
    };
    let back = cluster.nodes.iter().filter(|node| node.kind == NodeKind::Remote).filter(is_back);
    let seen = round.hosts.iter().filter(|seen| seen.sight == Sight::Online);
    seen.map(|seen| seen.host.as_str()).chain(back.map(|node| node.name.as_str()))
}

/// What a source says of the hosts, given what Pacemaker says.
#[must_use]
pub fn round(cluster: &Cluster, cib: Option<&Cib>, seen: &LastSeen, wanted: &Wanted) -> Round {
    if let Some(quorum) = unfit(cluster, wanted) {
        return Round::silent(quorum);
    }
    let nodes = cluster.nodes.iter().filter(|node| match node.kind {
        NodeKind::Member => !wanted.remotes_only,
        NodeKind::Remote => true,
        NodeKind::Guest | NodeKind::Other => false,
    });
    let hosts = nodes.map(|node| {
        let state = cib.and_then(|cib| cib.states.get(&node.name));
        let sight = match node.kind {
            NodeKind::Remote => {
                let since = seen.get(&node.name).copied().unwrap_or(wanted.began);
                remote(node, cluster, state, since)
            }
            NodeKind::Member | NodeKind::Guest | NodeKind::Other => {
                sight(node, cluster.is_maintained)
            }
        };
        let fenced = state.and_then(|state| state.fenced);
        let proof = (sight == Sight::Offline).then(|| proof(node, cluster, fenced, seen)).flatten();
        Seen { host: HostName::new(&node.name), sight, proof }
    });
    Round::quorate(hosts.collect())
}

/// The node of this host among the cluster's.
pub(super) fn own<'c>(cluster: &'c Cluster, own: &HostName) -> Option<&'c Node> {
    cluster.nodes.iter().find(|node| same_host(&HostName::new(&node.name), own))
}

/// As Python's monitor says it.
pub(super) fn no_quorum() -> Quorum {
    Quorum::NotQuorate { why: "Pacemaker cluster doesn't have quorum.".into() }
}

/// Quorum and coordinator are written together, by the coordinator: the quorum of one that is lost is of before, and another may have
/// none.
fn unfit(cluster: &Cluster, wanted: &Wanted) -> Option<Quorum> {
    if !cluster.has_quorum {
        return Some(no_quorum());
    }
    let Some(coordinator) = &cluster.coordinator else {
        return Some(Quorum::CutOff { why: "Pacemaker cluster has no coordinator (DC)".into() });
    };
    if cluster.nodes.iter().any(|node| node.name == *coordinator && !node.is_online) {
        let why =
            format!("{coordinator}, Pacemaker's coordinator (DC), is lost; another is awaited");
        return Some(Quorum::CutOff { why });
    }
    let own = own(cluster, &wanted.own).filter(|_| !wanted.is_remote)?;
    (!own.is_online || own.is_unclean || own.is_pending)
        .then(|| Quorum::CutOff { why: format!("'{}' is unstable state on cluster.", wanted.own) })
}

fn sight(node: &Node, is_maintained: bool) -> Sight {
    match (node.is_online, node.is_unclean, node.is_pending) {
        (true, false, false) => Sight::Online,
        (true, _, _) | (false, _, true) => Sight::Uncertain,
        // A person is at work, and Pacemaker fences nobody.
        (false, _, false) if node.is_maintained || is_maintained => Sight::Uncertain,
        (false, _, false) => Sight::Offline,
    }
}

/// A remote is what the member sees that has the connection to it, and what the CIB has. Where these differ, or that member is lost,
/// nobody sees it; and when it is fenced in vain since it was seen last, Pacemaker holds it for lost, whatever it shows.
fn remote(node: &Node, cluster: &Cluster, state: Option<&State>, since: Millis) -> Sight {
    let shown = sight(node, cluster.is_maintained);
    let is_there = state.map(|state| state.is_there);
    let is_unseen = match (shown, is_there) {
        // It is only tried again. Who was fenced and is not there since is dead: between two looks it may have been offline for a moment only.
        (Sight::Online, Some(false)) => {
            let is_fenced = state.is_some_and(|state| state.fenced.is_some());
            return if is_fenced { Sight::Offline } else { Sight::Uncertain };
        }
        (Sight::Online, _) => has_lost_its_member(node, cluster),
        (Sight::Offline, _) => is_there == Some(true),
        (Sight::Uncertain, _) => false,
    };
    match (is_unseen, is_fenced_in_vain(node, cluster, since)) {
        (false, _) => shown,
        (true, false) => Sight::Uncertain,
        (true, true) => Sight::Offline,
    }
}

fn has_lost_its_member(node: &Node, cluster: &Cluster) -> bool {
    let is_lost = |name: &String| !cluster.nodes.iter().any(|of| of.name == *name && of.is_online);
    let members = cluster.connections.get(&node.name);
    members.is_some_and(|members| !members.is_empty() && members.iter().all(is_lost))
}

/// Whether the newest fencing of it has failed, since then.
fn is_fenced_in_vain(node: &Node, cluster: &Cluster, since: Millis) -> bool {
    let of_it = cluster.fencings.iter().filter(|fencing| fencing.target == node.name);
    let newest = of_it.filter(|of| of.completed.is_some()).max_by_key(|of| of.completed);
    newest.is_some_and(|of| of.status == "failed" && of.completed >= Some(since))
}

fn proof(node: &Node, cluster: &Cluster, fenced: Option<Millis>, seen: &LastSeen) -> Option<Proof> {
    // Who is still to be fenced was not.
    if node.is_unclean {
        return None;
    }
    let done = cluster.fencings.iter().filter(|fencing| {
        fencing.target == node.name
            && fencing.status == "success"
            && matches!(fencing.action.as_str(), "off" | "reboot")
    });
    let newest = done.max_by_key(|fencing| fencing.completed);
    match (newest, fenced) {
        (Some(fencing), fenced) => {
            let at = fencing.completed?;
            let is_newer = match (fenced, seen.get(&node.name)) {
                (Some(fenced), _) => at.since(fenced).abs() <= TOLD_WITHIN_MS,
                (None, Some(seen)) => at >= *seen,
                // It may have been back since, and left in peace.
                (None, None) => false,
            };
            is_newer.then(|| by(fencing, at))
        }
        (None, Some(at)) => Some(Proof {
            kind: Kind::ClusterFenced,
            at,
            detail: format!("Pacemaker: node_fenced of {} is {}", node.name, at.utc()),
        }),
        (None, None) => None,
    }
}

fn by(fencing: &Fencing, at: Millis) -> Proof {
    let Fencing { target, action, delegate, client, .. } = fencing;
    if delegate == HUMAN {
        let detail = format!("stonith_admin --confirm {target} at {}, by {client}", at.utc());
        return Proof { kind: Kind::OperatorConfirmed, at, detail };
    }
    let detail = format!(
        "Pacemaker: {action} of {target} by {delegate} for {client}: success, completed {}",
        at.utc()
    );
    Proof { kind: Kind::ClusterFenced, at, detail }
}
