//! What would become of a host's servers if it died now.
//!
//! Who would move, and in which order, is [`crate::plan`]'s answer, which a recovery gets too: the forecast and
//! the deed cannot differ in that. Here it is said of each where it could go, or why it could not: by the rules
//! of Nova's API (what it refuses to evacuate at all), and those of its scheduler that can be seen from outside
//! (room, pinned zones, server groups). What cannot be seen makes a [`Doubt`], which is said and changes nothing.
//!
//! Room is given out as a recovery would: the highest rank chooses first, and what it takes is gone. Nova spreads
//! by free memory, so each takes the host that has most of it.

mod needs;
mod text;

use crate::log::{Planned, Skipped};
use crate::nouns::RecoveryMethod;
use crate::seen::Server;
use crate::shortage::{Free, Needs, Resource};
use crate::{HostName, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};
use serde::{Deserialize, Serialize};

pub use needs::needs;

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
    /// It was on hosts that died one after the other.
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
    pub fn of(asked: &Asked<'_>, mut around: Surroundings) -> Self {
        let servers: BTreeMap<&ServerId, &Server> =
            asked.servers.iter().map(|server| (&server.id, server)).collect();
        let mut all: Vec<Foreseen> = Vec::new();
        for m in asked.moves {
            let fate = match servers.get(&m.server) {
                _ if m.under_way => Fate::UnderWay,
                Some(server) => around.fate(server, m, asked.host),
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
            unknown: around.unknown,
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

impl Surroundings {
    fn fate(&mut self, server: &Server, planned: &Planned, dead: &HostName) -> Fate {
        match self.destinations(server, planned, dead) {
            Ok((to, doubts)) => {
                let more = to.len().saturating_sub(HOSTS_NAMED);
                Fate::Moves { to: to.into_iter().take(HOSTS_NAMED).collect(), more, doubts }
            }
            Err(why) => Fate::Stays { why },
        }
    }

    /// The hosts that it could go to, the likeliest first; that one has less room then.
    fn destinations(
        &mut self,
        server: &Server,
        planned: &Planned,
        dead: &HostName,
    ) -> Result<(Vec<HostName>, Vec<Doubt>), Obstacle> {
        if let Some(why) = &planned.quarantine {
            return Err(Obstacle::Quarantine { why: why.clone() });
        }
        let specs = &server.hints.flavor;
        if specs.get("hw:tpm_version").is_some_and(|version| !version.is_empty()) {
            return Err(Obstacle::Vtpm);
        }
        if self.shares.contains(&server.id) {
            return Err(Obstacle::Share);
        }
        let (needs, doubts) = needs(server);
        let mut open: Vec<usize> =
            (0..self.places.len()).filter(|at| self.host(*at) != Some(dead)).collect();
        if open.is_empty() {
            return Err(Obstacle::NoHost);
        }
        if let Some(zone) = self.pinned.get(&server.id) {
            open.retain(|at| self.places.get(*at).is_some_and(|place| place.zone == *zone));
            if open.is_empty() {
                return Err(Obstacle::PinnedZone { zone: zone.clone() });
            }
        }
        self.in_its_group(&server.id, &mut open)?;
        let all = open.clone();
        open.retain(|at| self.places.get(*at).is_some_and(|place| place.free.has(&needs)));
        open.sort_by_key(|at| core::cmp::Reverse(self.left(*at, Resource::Ram)));
        let Some(first) = open.first().copied() else {
            return Err(Obstacle::Capacity { short: self.short(&needs, &all) });
        };
        let to: Vec<HostName> = open.iter().filter_map(|at| self.host(*at).cloned()).collect();
        self.takes(&server.id, first, &needs);
        Ok((to, doubts))
    }

    fn host(&self, at: usize) -> Option<&HostName> {
        self.places.get(at).map(|place| &place.free.host)
    }

    /// What is not limited is as good as without end.
    fn left(&self, at: usize, resource: Resource) -> u64 {
        let left = self.places.get(at).and_then(|place| place.free.left.get(&resource));
        left.copied().unwrap_or(u64::MAX)
    }

    /// Keeps those places that its group allows.
    fn in_its_group(&self, server: &ServerId, open: &mut Vec<usize>) -> Result<(), Obstacle> {
        for group in self.groups.iter().filter(|group| group.members.contains_key(server)) {
            let there = |at: usize| {
                let others = group.members.iter().filter(|(id, _)| *id != server);
                others.filter(|(_, host)| self.host(at) == Some(*host)).count()
            };
            let name = || group.name.clone();
            match group.policy {
                Policy::Apart { most } => {
                    open.retain(|at| there(*at) < most);
                    if open.is_empty() {
                        return Err(Obstacle::AntiAffinity { group: name() });
                    }
                }
                // Nova counts the dead host as one on which the group is, and no other.
                Policy::Together => {
                    open.retain(|at| there(*at) > 0);
                    if open.is_empty() {
                        return Err(Obstacle::Affinity { group: name() });
                    }
                }
            }
        }
        Ok(())
    }

    fn takes(&mut self, server: &ServerId, at: usize, needs: &Needs) {
        let Some(place) = self.places.get_mut(at) else { return };
        place.free.give(needs);
        let host = place.free.host.clone();
        for group in &mut self.groups {
            if let Some(on) = group.members.get_mut(server) {
                *on = host.clone();
            }
        }
    }

    /// Of what even the best of these places has too little; all that is asked for, where each lacks another thing.
    fn short(&self, needs: &Needs, of: &[usize]) -> Vec<String> {
        let lacks = |r: &Resource| of.iter().all(|at| self.left(*at, *r) < r.of(needs));
        let mut short: Vec<Resource> = Resource::ALL.into_iter().filter(lacks).collect();
        if short.is_empty() {
            short = Resource::ALL.into_iter().filter(|r| r.of(needs) > 0).collect();
        }
        short.into_iter().map(|r| r.asked(needs)).map(|s| s.to_string()).collect()
    }
}
