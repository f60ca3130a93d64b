//! What would become of a host's servers if it died now.
//!
//! Who would move, and in which order, is [`crate::plan`]'s answer, which a recovery gets too: the forecast and
//! the deed cannot differ in that. Here it is said of each where it could go, or why it could not: by the rules
//! of Nova's API (what it refuses to evacuate at all), and those of its scheduler that can be seen from outside
//! (room, pinned zones, server groups). What cannot be seen makes a [`Doubt`], which is said and changes nothing.
//!
//! Room is given out as a recovery would: the highest rank chooses first, and what it takes is gone. Nova spreads
//! by free memory, so each takes the host that has most of it.

mod fitting;
mod needs;
mod text;

use crate::log::{Planned, Skipped};
use crate::nouns::RecoveryMethod;
use crate::seen::Server;
use crate::shortage::Free;
use crate::{HostName, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

pub(crate) use fitting::Fitting;
pub use needs::needs;
pub(crate) use text::printable;

/// So many hosts are named for one server.
const HOSTS_NAMED: usize = 5;

/// Where servers could go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub free: Free,
    pub zone: String,
}

/// A server group whose policy is a must.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub name: String,
    pub policy: Policy,
    /// Where each member is.
    pub members: BTreeMap<ServerId, HostName>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// At most so many on one host.
    Apart { most: usize },
    /// Where the others are.
    Together,
}

/// All that the forecast looks at besides the plan.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Surroundings {
    pub places: Vec<Place>,
    pub groups: Vec<Group>,
    /// The zones to which owners have pinned servers.
    pub pinned: BTreeMap<ServerId, String>,
    /// Servers that have a share mounted by Nova.
    pub shares: BTreeSet<ServerId>,
    /// What Nova or Placement did not tell, in words.
    pub unknown: Vec<String>,
}

/// Why a server would stay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Obstacle {
    /// An owner's rule; those of local disks are `rule: local_disk`.
    Rule { rule: String, why: String },
    /// It is in a state in which nothing moves it, or is not HA_Enabled.
    State { why: String },
    /// It was on hosts that died one after the other, or may run elsewhere: it is left to a person.
    Quarantine { why: String },
    /// Nova evacuates none that has an emulated TPM.
    Vtpm,
    /// Nova evacuates none that has a share.
    Share,
    /// No host in service is in its zone.
    PinnedZone { zone: String },
    /// Every host that has room has as many of its group as may be there.
    AntiAffinity { group: String },
    /// Its group is where it is, on the dead host.
    Affinity { group: String },
    /// No host in service has enough of all of it.
    Capacity { short: Vec<String> },
    /// No other host is in service.
    NoHost,
}

impl Obstacle {
    /// As it is called in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Rule { .. } => "rule",
            Self::State { .. } => "state",
            Self::Quarantine { .. } => "quarantine",
            Self::Vtpm => "vtpm",
            Self::Share => "share",
            Self::PinnedZone { .. } => "pinned_zone",
            Self::AntiAffinity { .. } => "anti_affinity",
            Self::Affinity { .. } => "affinity",
            Self::Capacity { .. } => "capacity",
            Self::NoHost => "no_host",
        }
    }
}

/// What may keep a server from going where there is room, and cannot be seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// It needs a PCI device of the host's.
    Passthrough,
    /// It needs CPUs or memory of its own.
    Pinning,
    /// It needs a device profile.
    Accelerator,
    /// It asks for traits, or for resources of other classes.
    Traits,
    /// Nova did not say what it needs.
    Size,
}

/// What would become of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// To one of these; `more` further ones are not named.
    Moves { to: Vec<HostName>, more: usize, doubts: Vec<Doubt> },
    Stays {
        #[serde(flatten)]
        why: Obstacle,
    },
    /// Nova is evacuating it already.
    UnderWay,
}

/// One server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Foreseen {
    pub id: ServerId,
    pub name: String,
    pub ha_enabled: bool,
    pub priority: i64,
    #[serde(flatten)]
    pub fate: Fate,
}

/// What would become of a host's servers, in the order in which they would move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Forecast {
    pub host: HostName,
    pub method: RecoveryMethod,
    pub moves: usize,
    pub stays: usize,
    pub servers: Vec<Foreseen>,
    /// Servers that are counted and not listed: the answer would be too long.
    #[serde(default)]
    pub left_off: usize,
    /// What Nova or Placement did not tell.
    #[serde(default)]
    pub unknown: Vec<String>,
}

/// A plan, and what is known around it.
#[derive(Debug)]
pub struct Asked<'a> {
    pub host: &'a HostName,
    pub method: RecoveryMethod,
    pub servers: &'a [Server],
    /// In their order.
    pub moves: &'a [Planned],
    pub skipped: &'a [Skipped],
}

impl Forecast {
    /// What would become of them.
    #[must_use]
    pub fn of(asked: &Asked<'_>, around: &Surroundings) -> Self {
        let servers: BTreeMap<&ServerId, &Server> =
            asked.servers.iter().map(|server| (&server.id, server)).collect();
        let mut left = Fitting::without(around, &[asked.host]);
        let mut all: Vec<Foreseen> = Vec::new();
        for m in asked.moves {
            let fate = match servers.get(&m.server) {
                _ if m.under_way => Fate::UnderWay,
                Some(server) => fate(&mut left, server, m),
                None => continue,
            };
            let (id, name) = (m.server.clone(), m.name.clone());
            let (ha_enabled, priority) = (m.ha_enabled, m.priority);
            all.push(Foreseen { id, name, ha_enabled, priority, fate });
        }
        all.extend(asked.skipped.iter().map(|s| skipped(s, servers.get(&s.server).copied())));
        let stays = all.iter().filter(|s| matches!(s.fate, Fate::Stays { .. })).count();
        Self {
            host: asked.host.clone(),
            method: asked.method,
            moves: all.len() - stays,
            stays,
            servers: all,
            left_off: 0,
            unknown: around.unknown.clone(),
        }
    }

    /// Lists so many at most; those that stay are the last to be left off.
    pub fn shorten(&mut self, most: usize) {
        let mut over = self.servers.len().saturating_sub(most);
        self.left_off += over;
        let mut kept = Vec::with_capacity(self.servers.len() - over);
        for server in core::mem::take(&mut self.servers).into_iter().rev() {
            let moves = !matches!(server.fate, Fate::Stays { .. });
            if over > 0 && moves {
                over -= 1;
            } else {
                kept.push(server);
            }
        }
        kept.reverse();
        kept.truncate(most);
        self.servers = kept;
    }
}

fn fate(left: &mut Fitting<'_>, server: &Server, planned: &Planned) -> Fate {
    match left.place(server, planned) {
        Ok(open) => {
            let (to, more) = left.named(&open, HOSTS_NAMED);
            Fate::Moves { to, more, doubts: open.doubts }
        }
        Err(why) => Fate::Stays { why },
    }
}

fn skipped(skipped: &Skipped, server: Option<&Server>) -> Foreseen {
    let why = match &skipped.left {
        Some(left) => Obstacle::Rule { rule: left.rule.clone(), why: skipped.why.clone() },
        None => Obstacle::State { why: skipped.why.clone() },
    };
    Foreseen {
        id: skipped.server.clone(),
        name: server.map(|server| server.name.clone()).unwrap_or_default(),
        ha_enabled: false,
        priority: 0,
        fate: Fate::Stays { why },
    }
}
