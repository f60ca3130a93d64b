//! The nodes as they are known, from lists and events: what each comes to, and whether Kubernetes may be believed at all.
//!
//! `Ready` is `Unknown` when the node's kubelet has been silent, as the controllers of the control plane see it. Two things make all
//! kubelets look silent at once, and neither is a death:
//!
//! * The control plane lost its network to them. When nobody is heard who is watched, of two or more, nothing is said, nor of who is
//!   silent for [`SETTLES_AFTER`] after the first is heard again. That costs nothing: were all of them dead there would be nowhere to go.
//! * The API server was away, and nobody could report to it. For [`SETTLES_AFTER`] after its return, who fell silent in that time is
//!   uncertain: each kubelet that lives has reported by then (they do so every 10 s).
//!
//! The taint [`OUT_OF_SERVICE`] is a person's word that the host is down, *at the time when it was added*: left behind, it says nothing
//! of the host's next death. That time is the author's (`timeAdded`), or when we saw it appear; of one that we found and that has no
//! time nobody knows, and it proves nothing. It counts when it was added after the node had fallen silent: before that its kubelet was
//! heard, for as long as the controller waits.

use super::node::{Event, NODES_MOST, Node, OUT_OF_SERVICE, Ready};
use ports::Boot;
use recovery::{
    HostName, Millis,
    evidence::Kind,
    verdict::{Proof, Quorum, Round, Seen, Sight},
};
use std::{collections::BTreeMap, time::Duration};

/// A shorter absence of the API server makes nobody look silent.
pub const OUTAGE_LEAST: Duration = Duration::from_secs(5);
/// A kubelet reports every 10 s, and the controller looks every 5 s.
pub const SETTLES_AFTER: Duration = Duration::from_secs(30);

/// What a node says of itself (`Ready` is `False`) comes to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum NotReady {
    /// Its kubelet spoke: whatever ails it, the host is not dead.
    #[default]
    Uncertain,
    /// As Python's driver has it.
    Offline,
}

/// When something was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    pub wall: Millis,
    pub boot: Boot,
}

/// Whether there is something to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    None,
    Seen,
    /// List again.
    Gone,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    node: Node,
    /// Since when its taint is known to be there; none: it has none, or nobody knows, or the node was heard since.
    tainted_at: Option<Millis>,
    /// It fell silent while the API server was away, or just after.
    is_doubted: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Nodes {
    not_ready: NotReady,
    known: BTreeMap<String, Known>,
    /// Where a watch goes on.
    version: String,
    /// The last time that the API server told us something.
    told_at: Option<Millis>,
    away_since: Option<Boot>,
    /// Nobody was heard when that was last looked at.
    is_nobody_heard: bool,
    settles_at: Option<Boot>,
}

impl Nodes {
    #[must_use]
    pub fn new(not_ready: NotReady) -> Self {
        Self {
            not_ready,
            known: BTreeMap::new(),
            version: String::new(),
            told_at: None,
            away_since: None,
            is_nobody_heard: false,
            settles_at: None,
        }
    }

    /// Where a watch goes on.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// When those who are doubted are not any more.
    #[must_use]
    pub fn settles_at(&self) -> Option<Boot> {
        self.settles_at
    }

    /// The API server cannot be asked.
    pub fn lost(&mut self, now: Now) {
        self.away_since.get_or_insert(now.boot);
    }

    /// The whole list, as of `version`.
    pub fn list(&mut self, nodes: Vec<Node>, version: String, now: Now) {
        self.answered(now);
        // A taint that is new came after we last looked; just when is not known.
        let since = self.told_at;
        let mut before = std::mem::take(&mut self.known);
        for node in nodes {
            let was = before.remove(&node.name);
            let known = self.digested(node, was.as_ref(), since, now.wall);
            self.known.insert(known.node.name.clone(), known);
        }
        self.version = version;
        self.told_at = Some(now.wall);
    }

    /// One event of the watch.
    pub fn event(&mut self, event: Event, now: Now) -> Change {
        self.answered(now);
        self.told_at = Some(now.wall);
        match event {
            Event::Is { node, version } => {
                self.version = version;
                let was = self.known.remove(&node.name);
                if was.is_none() && self.known.len() >= NODES_MOST {
                    return Change::Gone;
                }
                let known = self.digested(node, was.as_ref(), Some(now.wall), now.wall);
                let is_news = was.is_none_or(|was| self.seen(&was) != self.seen(&known));
                self.known.insert(known.node.name.clone(), known);
                if is_news { Change::Seen } else { Change::None }
            }
            Event::Left { name, version } => {
                self.version = version;
                if self.known.remove(&name).is_some() { Change::Seen } else { Change::None }
            }
            Event::Bookmark { version } => {
                self.version = version;
                Change::None
            }
            Event::Gone | Event::Ended { .. } => Change::Gone,
        }
    }

    /// What all of them come to now.
    pub fn round(&mut self, now: Now) -> Round {
        self.settle(now);
        let silent = self.known.values().filter(|known| known.node.ready == Ready::Silent).count();
        let heard = self.known.values().filter(|known| known.node.ready.is_heard()).count();
        if std::mem::replace(&mut self.is_nobody_heard, heard == 0 && silent > 1) && heard > 0 {
            self.doubt(now);
        }
        if self.is_nobody_heard {
            let why = format!(
                "of {silent} nodes none is heard by Kubernetes: it has lost them rather than they have died"
            );
            return Round::silent(Quorum::NotQuorate { why });
        }
        Round::quorate(self.known.values().map(|known| self.seen(known)).collect())
    }

    /// The API server told something: it is there.
    fn answered(&mut self, now: Now) {
        if let Some(since) = self.away_since.take()
            && now.boot.since(since) >= OUTAGE_LEAST
        {
            self.settles_at = Some(now.boot.plus(SETTLES_AFTER));
        }
        self.settle(now);
    }

    /// The first of all is heard again: the others that live are, too, before long.
    fn doubt(&mut self, now: Now) {
        self.settles_at = Some(now.boot.plus(SETTLES_AFTER));
        let silent = |known: &&mut Known| known.node.ready == Ready::Silent;
        self.known.values_mut().filter(silent).for_each(|known| known.is_doubted = true);
    }

    fn settle(&mut self, now: Now) {
        if self.settles_at.is_some_and(|at| now.boot >= at) {
            self.settles_at = None;
            self.known.values_mut().for_each(|known| known.is_doubted = false);
        }
    }

    fn digested(
        &self,
        node: Node,
        was: Option<&Known>,
        since: Option<Millis>,
        now: Millis,
    ) -> Known {
        let fell_silent = node.ready == Ready::Silent
            && was.is_none_or(|was| was.node.ready != Ready::Silent || was.is_doubted);
        let tainted_at = node.taint.as_ref().and_then(|taint| {
            let same = was.filter(|was| was.node.taint.as_ref() == Some(taint));
            let appeared = was.filter(|was| was.node.taint.is_none()).and(since);
            // Its author's clock may be ahead of ours: it was there when we saw it.
            let added_at = taint.added_at.map(|at| at.min(now));
            same.map_or_else(|| added_at.or(appeared), |same| same.tainted_at)
        });
        Known {
            tainted_at: tainted_at.filter(|at| node.is_silent_since(*at)),
            is_doubted: fell_silent && self.settles_at.is_some(),
            node,
        }
    }

    fn seen(&self, known: &Known) -> Seen {
        let sight = match (known.node.ready, self.not_ready) {
            (Ready::Yes, _) => Sight::Online,
            (Ready::Silent, _) if known.is_doubted => Sight::Uncertain,
            (Ready::Silent, _) | (Ready::No, NotReady::Offline) => Sight::Offline,
            (Ready::No, NotReady::Uncertain) | (Ready::Never, _) => Sight::Uncertain,
        };
        let words = known.node.taint.as_ref().map_or(OUT_OF_SERVICE, |taint| &taint.words);
        let proof = known.tainted_at.map(|at| Proof {
            kind: Kind::OperatorConfirmed,
            at,
            detail: format!(
                "its node has the taint {words}, by which a person says that it is down"
            ),
        });
        Seen { host: HostName::new(&known.node.name), sight, proof }
    }
}

impl Ready {
    /// Whether the kubelet speaks.
    fn is_heard(self) -> bool {
        match self {
            Self::Yes | Self::No => true,
            Self::Silent | Self::Never => false,
        }
    }
}

impl Node {
    /// It had fallen silent by then, and has not spoken again.
    fn is_silent_since(&self, at: Millis) -> bool {
        let fell = self.changed_at.is_some_and(|changed| changed <= at);
        self.ready == Ready::Silent && fell && self.heard_at.is_none_or(|heard| heard <= at)
    }
}
