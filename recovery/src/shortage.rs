//! What no host had enough of: the words behind Nova's "No valid host was found".

mod ties;

pub use ties::{Tie, Wish, tie_of, wishes_of_flavor, with_wishes};

use crate::{HostName, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};
use serde::Serialize;

/// How much room a server needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Needs {
    pub vcpus: u64,
    pub ram_mb: u64,
    pub disk_gb: u64,
}

/// What can be short, in the order in which it is said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Ram,
    Vcpus,
    Disk,
}

impl Resource {
    pub const ALL: [Self; 3] = [Self::Ram, Self::Vcpus, Self::Disk];

    /// Placement's word.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Ram => "MEMORY_MB",
            Self::Vcpus => "VCPU",
            Self::Disk => "DISK_GB",
        }
    }

    /// How much of it is needed.
    #[must_use]
    pub fn of(self, needs: &Needs) -> u64 {
        match self {
            Self::Ram => needs.ram_mb,
            Self::Vcpus => needs.vcpus,
            Self::Disk => needs.disk_gb,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ram => "RAM",
            Self::Vcpus => "vCPUs",
            Self::Disk => "disk",
        }
    }

    pub(crate) fn asked(self, needs: &Needs) -> String {
        let amount = self.of(needs);
        match self {
            Self::Ram => format!("{amount} MB RAM"),
            Self::Vcpus => format!("{amount} vCPUs"),
            Self::Disk => format!("{amount} GB disk"),
        }
    }
}

/// A hypervisor that is up and in service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub host: HostName,
    /// Its name in Placement.
    pub name: String,
    /// Its id there.
    pub provider: String,
}

/// Those that have enough of each resource, by Placement's names.
pub type Room = BTreeMap<Resource, BTreeSet<String>>;

/// What kept the server from each host that it could have gone to: all but the dead one, or only `target`.
#[must_use]
pub fn told(
    needs: &Needs,
    room: &Room,
    nodes: &[Node],
    dead: &HostName,
    target: Option<&HostName>,
) -> String {
    let open = |node: &&Node| node.host != *dead && target.is_none_or(|t| node.host == *t);
    let mut short: BTreeMap<Option<Resource>, Vec<&str>> = BTreeMap::new();
    for node in nodes.iter().filter(open) {
        let lacks = |r: &Resource| room.get(r).is_some_and(|has| !has.contains(node.name.as_str()));
        let first = Resource::ALL.into_iter().find(lacks);
        short.entry(first).or_default().push(node.host.as_str());
    }
    short.values_mut().for_each(|hosts| hosts.sort_unstable());
    if short.is_empty() {
        return match target {
            Some(host) => format!("{host} is not in service"),
            None => "no other host is in service".to_string(),
        };
    }
    let mut parts: Vec<String> = Vec::new();
    for resource in Resource::ALL {
        if let Some(hosts) = short.get(&Some(resource)) {
            let asked = resource.asked(needs);
            let what = resource.name();
            parts.push(format!("{NOT_ENOUGH}{what} on {} ({asked} needed)", listed(hosts)));
        }
    }
    if let Some(hosts) = short.get(&None) {
        let has = if hosts.len() == 1 { "has" } else { "have" };
        let them = if hosts.len() == 1 { "it" } else { "them" };
        parts.push(format!("{} {has} {EXCLUDED} {them}", listed(hosts)));
    }
    parts.join("; ")
}

const NOT_ENOUGH: &str = "not enough ";
const EXCLUDED: &str = "room, but the scheduler's rules (zones, traits, groups, filters) exclude";

/// Whether, by such a reason, hosts had room that rules exclude.
#[must_use]
pub fn are_excluded(why: &str) -> bool {
    why.contains(EXCLUDED)
}

/// The resource that such a reason names first.
#[must_use]
pub fn short_of(why: &str) -> Option<Resource> {
    Resource::ALL.into_iter().find(|r| why.contains(&format!("{NOT_ENOUGH}{} on ", r.name())))
}

fn listed(hosts: &[&str]) -> String {
    let shown = hosts.iter().take(HOSTS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match hosts.len().saturating_sub(HOSTS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A vmove's message has room for a few names.
const HOSTS_SHOWN: usize = 5;

/// A host in service and what is left on it, as far as Placement knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Free {
    pub host: HostName,
    /// What is not here is not limited.
    pub left: BTreeMap<Resource, u64>,
}

impl Free {
    pub(crate) fn has(&self, needs: &Needs) -> bool {
        Resource::ALL.into_iter().all(|r| self.left.get(&r).is_none_or(|left| *left >= r.of(needs)))
    }

    pub(crate) fn give(&mut self, needs: &Needs) {
        for (resource, left) in &mut self.left {
            *left = left.saturating_sub(resource.of(needs));
        }
    }
}

/// A server that wants room, and where it may be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub server: ServerId,
    /// A larger one chooses earlier.
    pub rank: (bool, i64),
    /// Nothing where Nova did not say.
    pub needs: Option<Needs>,
    pub dead: HostName,
    /// Only these; nothing: any.
    pub within: Option<Vec<HostName>>,
}

/// For whom there is room, the highest rank first: each takes what it needs from what is left for the others.
/// One that does not fit keeps nobody of a lower rank from going.
#[must_use]
pub fn fitting(wanted: Vec<Wanted>, mut free: Vec<Free>) -> BTreeSet<ServerId> {
    take(wanted, &mut free)
}

/// The same; what they get is taken from `free`.
pub fn take(mut wanted: Vec<Wanted>, free: &mut [Free]) -> BTreeSet<ServerId> {
    wanted.sort_by_key(|w| core::cmp::Reverse(w.rank));
    let mut fits = BTreeSet::new();
    for w in wanted {
        let allowed = |host: &HostName| w.within.as_ref().is_none_or(|hosts| hosts.contains(host));
        let needs = w.needs.unwrap_or(Needs { vcpus: 0, ram_mb: 0, disk_gb: 0 });
        let mut open = free.iter_mut().filter(|f| f.host != w.dead && allowed(&f.host));
        if let Some(host) = open.find(|f| f.has(&needs)) {
            host.give(&needs);
            fits.insert(w.server);
        }
    }
    fits
}

/// The least of each that one of them needs: who lacks this has room for none.
#[must_use]
pub fn least<'n>(needs: impl Iterator<Item = &'n Needs>) -> Option<Needs> {
    needs.copied().reduce(|a, b| Needs {
        vcpus: a.vcpus.min(b.vcpus),
        ram_mb: a.ram_mb.min(b.ram_mb),
        disk_gb: a.disk_gb.min(b.disk_gb),
    })
}
