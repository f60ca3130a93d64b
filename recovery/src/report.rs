//! The whole cloud at once: what a plan of each host says in sum, and how many hosts each segment may lose.
//!
//! A segment is **N+k** when k of its hosts may be lost together, and everything that would move still finds room: one
//! server after the other, on a host, as in the plan of one ([`crate::forecast`]). Room in sum is not enough: ten
//! times one gigabyte on ten hosts is none for a server of two.
//!
//! What would not move if its host were lost alone is counted by its reason and asks for no room: an owner's rule
//! is no lack of hosts. For k of 1 every host is tried. Beyond that the worst ones are lost first: to those that are lost is
//! added the one with which most find no room, of the [`TRIED`] heaviest. Not every combination is tried, and so
//! a larger k is an estimate.
//!
//! The work comes in pieces, of one host each, between which others have their turn.

mod text;

use crate::forecast::{Asked, Fate, Fitting, Forecast, Obstacle, Surroundings, needs};
use crate::log::{Planned, Skipped};
use crate::nouns::RecoveryMethod;
use crate::seen::Server;
use crate::shortage::Resource;
use crate::{HostName, SegmentId, ServerId};
use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::cmp::Reverse;
use serde::{Deserialize, Serialize};

/// Of the hosts that are left so many are tried as the next to be lost.
pub const TRIED: usize = 8;
/// More hosts than these are not lost at once.
pub const LOST_MOST: usize = 16;

/// A host, and the plan of a recovery of it.
#[derive(Debug)]
pub struct Load {
    pub host: HostName,
    pub reserved: bool,
    pub on_maintenance: bool,
    pub servers: Vec<Server>,
    /// In their order.
    pub moves: Vec<Planned>,
    pub skipped: Vec<Skipped>,
}

/// A plan of one host in sum.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostReport {
    pub host: HostName,
    pub reserved: bool,
    pub on_maintenance: bool,
    /// So many move for certain.
    pub moves: usize,
    /// So many move if nothing keeps them that cannot be seen.
    pub doubtful: usize,
    /// Nothing has room for so many.
    pub no_room: usize,
    /// So many cannot move, by the reasons of a plan.
    pub stays: BTreeMap<String, usize>,
}

/// The hosts that are too many.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Short {
    pub lost: Vec<HostName>,
    /// So many servers find no room then.
    pub servers: usize,
}

/// How many hosts may be lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Spare {
    pub k: usize,
    /// No more were looked at.
    #[serde(default)]
    pub or_more: bool,
    /// Nothing: all of its hosts may be lost.
    pub short: Option<Short>,
}

/// A segment in sum.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentReport {
    pub id: SegmentId,
    pub name: String,
    pub recovery_method: RecoveryMethod,
    pub enabled: bool,
    pub hosts: usize,
    pub servers: usize,
    /// Nothing: it is too large to be looked at.
    pub spare: Option<Spare>,
    /// The worst come first.
    pub each: Vec<HostReport>,
    /// Hosts that are counted and not listed: the answer would be too long.
    #[serde(default)]
    pub left_off: usize,
}

/// The cloud, or a page of its segments.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Report {
    pub segments: Vec<SegmentReport>,
    /// What Nova or Placement did not tell.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// There are more segments after the one of this number.
    pub next: Option<i64>,
}

/// What a report calls the segment that it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    pub id: SegmentId,
    pub name: String,
    pub method: RecoveryMethod,
    pub enabled: bool,
}

/// A segment while it is looked at.
#[derive(Debug)]
pub struct Measure<'a> {
    around: &'a Surroundings,
    segment: Named,
    hosts: Vec<Weighed>,
    servers: usize,
    /// By their places in `hosts`.
    lost: Vec<usize>,
    short: Option<Short>,
}

/// A host while its segment is looked at.
#[derive(Debug)]
struct Weighed {
    sum: HostReport,
    /// Those that would move, or would if there were room.
    wanted: Vec<(Server, Planned)>,
    /// The memory that is lost with it: what these need, and what is free.
    ram_mb: u64,
}

impl<'a> Measure<'a> {
    #[must_use]
    pub fn of(segment: Named, around: &'a Surroundings) -> Self {
        let (hosts, lost) = (Vec::new(), Vec::new());
        Self { around, segment, hosts, servers: 0, lost, short: None }
    }

    /// Looks at one host alone.
    pub fn weigh(&mut self, load: Load) {
        let Load { host, reserved, on_maintenance, servers, moves, skipped } = load;
        let asked = Asked {
            host: &host,
            method: self.segment.method,
            servers: &servers,
            moves: &moves,
            skipped: &skipped,
        };
        let forecast = Forecast::of(&asked, self.around);
        self.servers += forecast.servers.len();
        let mut sum = HostReport {
            host,
            reserved,
            on_maintenance,
            moves: 0,
            doubtful: 0,
            no_room: 0,
            stays: BTreeMap::new(),
        };
        let wants = forecast.servers.into_iter().filter(|s| sum.count(&s.fate));
        let wants: BTreeSet<ServerId> = wants.map(|s| s.id).collect();
        let mut by_id: BTreeMap<_, Server> =
            servers.into_iter().map(|server| (server.id.clone(), server)).collect();
        let wanted = moves.into_iter().filter(|m| wants.contains(&m.server));
        let wanted: Vec<(Server, Planned)> =
            wanted.filter_map(|m| Some((by_id.remove(&m.server)?, m))).collect();
        let places = self.around.places.iter().filter(|place| place.free.host == sum.host);
        let free: u64 = places.filter_map(|place| place.free.left.get(&Resource::Ram)).sum();
        let taken: u64 = wanted.iter().map(|(server, _)| needs(server).0.ram_mb).sum();
        self.hosts.push(Weighed { sum, wanted, ram_mb: free.saturating_add(taken) });
    }

    /// Loses one host more, after all were weighed; `false`: the figure is there.
    pub fn lose_another(&mut self) -> bool {
        if self.lost.is_empty() {
            self.hosts.sort_by_key(|host| Reverse((host.sum.no_room, host.ram_mb)));
        }
        if self.short.is_some() || self.lost.len() >= LOST_MOST {
            return false;
        }
        let left = (0..self.hosts.len()).filter(|at| !self.lost.contains(at));
        let tried = left.take(TRIED).map(|at| (self.without_room(at), Reverse(at)));
        let Some((servers, Reverse(worst))) = tried.max() else { return false };
        self.lost.push(worst);
        if servers > 0 {
            self.short = Some(Short { lost: self.names(), servers });
        }
        servers == 0
    }

    /// How many find no room when this one is lost, too.
    fn without_room(&self, at: usize) -> usize {
        let lost: Vec<&Weighed> =
            self.lost.iter().chain([&at]).filter_map(|at| self.hosts.get(*at)).collect();
        if let [alone] = lost.as_slice() {
            return alone.sum.no_room;
        }
        let names: Vec<&HostName> = lost.iter().map(|host| &host.sum.host).collect();
        let mut wanted: Vec<&(Server, Planned)> = lost.iter().flat_map(|h| &h.wanted).collect();
        wanted.sort_by_key(|(_, planned)| Reverse(planned.rank()));
        let mut left = Fitting::without(self.around, &names);
        wanted.into_iter().filter(|(server, planned)| !left.takes_in(server, planned)).count()
    }

    fn names(&self) -> Vec<HostName> {
        let lost = self.lost.iter().filter_map(|at| self.hosts.get(*at));
        lost.map(|host| host.sum.host.clone()).collect()
    }

    #[must_use]
    pub fn told(self) -> SegmentReport {
        let k = self.lost.len() - usize::from(self.short.is_some());
        let or_more = self.short.is_none() && k < self.hosts.len();
        let each: Vec<HostReport> = self.hosts.into_iter().map(|host| host.sum).collect();
        let spare = Some(Spare { k, or_more, short: self.short });
        SegmentReport { spare, servers: self.servers, ..self.segment.with(each) }
    }
}

impl Named {
    /// A segment of which nothing is known but that it has so many hosts.
    #[must_use]
    pub fn too_large(self, hosts: usize) -> SegmentReport {
        SegmentReport { hosts, ..self.with(Vec::new()) }
    }

    fn with(self, each: Vec<HostReport>) -> SegmentReport {
        let Self { id, name, method: recovery_method, enabled } = self;
        let (hosts, servers) = (each.len(), 0);
        let (spare, left_off) = (None, 0);
        SegmentReport { id, name, recovery_method, enabled, hosts, servers, spare, each, left_off }
    }
}

impl HostReport {
    /// Counts a server; whether it would move if there were room.
    fn count(&mut self, fate: &Fate) -> bool {
        match fate {
            Fate::UnderWay => {
                self.moves += 1;
                false
            }
            Fate::Moves { doubts, .. } => {
                let certain = doubts.is_empty();
                *(if certain { &mut self.moves } else { &mut self.doubtful }) += 1;
                true
            }
            Fate::Stays { why: Obstacle::Capacity { .. } | Obstacle::NoHost } => {
                self.no_room += 1;
                true
            }
            Fate::Stays { why } => {
                *self.stays.entry(why.word().to_owned()).or_default() += 1;
                false
            }
        }
    }
}

impl SegmentReport {
    /// Whether any one of its hosts may be lost.
    #[must_use]
    pub fn is_spare(&self) -> bool {
        self.hosts == 0 || self.spare.as_ref().is_some_and(|spare| spare.k > 0)
    }
}

impl Report {
    /// Whether each segment may lose any one of its hosts.
    #[must_use]
    pub fn is_spare(&self) -> bool {
        self.segments.iter().all(SegmentReport::is_spare)
    }

    /// Adds the next page.
    pub fn extend(&mut self, page: Self) {
        self.segments.extend(page.segments);
        let new: Vec<String> =
            page.unknown.into_iter().filter(|what| !self.unknown.contains(what)).collect();
        self.unknown.extend(new);
        self.next = page.next;
    }

    /// Lists half as many hosts, at least of the longest segments; `false`: none is listed any more.
    pub fn shorten(&mut self) -> bool {
        let most = self.segments.iter().map(|segment| segment.each.len()).max().unwrap_or(0);
        for segment in &mut self.segments {
            let over = segment.each.len().saturating_sub(most / 2);
            segment.each.truncate(most / 2);
            segment.left_off += over;
        }
        most > 0
    }
}
