//! The ways on which the servers of a dead host find a new one: the segment's recovery method.
//!
//! ```text
//!  auto           Scheduler
//!  reserved_host  Reserved (each reserved host of the segment in turn)
//!  auto_priority  Scheduler ──► Reserved
//!  rh_priority    Reserved  ──► Scheduler
//! ```
//!
//! What a way leaves behind on the dead host is planned again for the next one. A reserved host is
//! taken before anything is done to it, in one transaction with the log; it is *kept* when a server
//! landed on it, or may still, and otherwise handed back as it was found:
//!
//! ```text
//!  Taken ──► Ready ──► Kept
//!    │         │
//!    └─────────┴─────► Unused ──► HandedBack
//! ```

use crate::capacity;
use crate::log::Summary;
use crate::nouns::RecoveryMethod;
use crate::seen::{Evacuation, EvacuationStatus};
use crate::state::Move;
use crate::{HostId, HostName, ServerId, ServiceId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// Who chooses the new host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Nova's scheduler.
    Scheduler,
    /// We do: one reserved host after the other.
    Reserved,
}

/// What the log says of ways and of reserved hosts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum WayEntry {
    /// The segment's method when the recovery began; it stays.
    Method { method: RecoveryMethod },
    /// `auto` keeps to these hosts of the segment.
    Within { hosts: Vec<HostName> },
    /// The host is ours from here on, and no reserved host any more; we are about to make it ready.
    Taken { reserve: Reserve },
    /// It is in its aggregates and in service.
    Ready { host: HostName },
    /// It was not taken, and will not be in this recovery.
    Passed { host: HostName, why: String },
    /// Nothing more is sent to it. Not `used`: we are about to hand it back.
    Left { host: HostName, used: bool },
    /// It is as it was found, and reserved.
    HandedBack { host: HostName },
    /// This way ends; the next one begins, if there is one.
    Over { why: String },
    /// All ways were tried: what waits for room goes wherever the method lets it go.
    Waits,
}

/// A reserved host, as it was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reserve {
    pub host: HostName,
    pub host_id: HostId,
    pub service: ServiceId,
    /// Its service is disabled: it is enabled, and disabled again when it is handed back.
    pub enable: bool,
    /// Why it was disabled.
    pub disabled_reason: Option<String>,
    /// The dead host's aggregates in which it is not: it is added, and removed when it is handed back.
    pub aggregates: Vec<Aggregate>,
}

/// A host aggregate of Nova.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Aggregate {
    pub id: i64,
    pub name: String,
}

/// Where a reserved host stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Taken,
    Ready,
    /// Something landed on it, or may still.
    Kept,
    /// To be handed back.
    Unused,
    HandedBack,
}

/// The ways of one recovery, and the reserved hosts that it took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ways {
    pub method: Option<RecoveryMethod>,
    at: usize,
    /// Why the last way is over.
    over: Option<String>,
    /// All were tried, and what is short of room waits for it.
    waits: bool,
    /// The hosts to which `auto` keeps; `None`: Nova chooses freely.
    pub within: Option<Vec<HostName>>,
    /// In the order in which they were taken.
    pub reserves: Vec<(Reserve, Standing)>,
    passed: BTreeSet<HostName>,
}

fn ways_of(method: RecoveryMethod) -> &'static [Way] {
    match method {
        RecoveryMethod::Auto => &[Way::Scheduler],
        RecoveryMethod::ReservedHost => &[Way::Reserved],
        RecoveryMethod::AutoPriority => &[Way::Scheduler, Way::Reserved],
        RecoveryMethod::RhPriority => &[Way::Reserved, Way::Scheduler],
    }
}

impl Ways {
    fn all(&self) -> &'static [Way] {
        // A log from before there were methods.
        ways_of(self.method.unwrap_or(RecoveryMethod::Auto))
    }

    /// The way of this moment; `Err`: why there is none any more.
    ///
    /// # Errors
    /// The reason why the last way is over.
    pub fn now(&self) -> Result<Way, &str> {
        match &self.over {
            Some(why) => Err(why),
            None if self.waits && self.nova_may_choose() => Ok(Way::Scheduler),
            None => Ok(self.all().get(self.at).copied().unwrap_or(Way::Scheduler)),
        }
    }

    /// The way after this one.
    #[must_use]
    pub fn next(&self) -> Option<Way> {
        if self.waits {
            return None;
        }
        self.now().ok().and_then(|_| self.all().get(self.at + 1)).copied()
    }

    /// Whether what this way left behind may be tried again on another one, or on another reserved host
    /// (`more_reserved`: there is one that was not tried).
    #[must_use]
    pub fn goes_on(&self, more_reserved: bool) -> bool {
        let fits = |way: Way| match way {
            Way::Scheduler => true,
            Way::Reserved => more_reserved,
        };
        let here = self.now() == Ok(Way::Reserved) && more_reserved;
        here || self.next().is_some_and(fits)
    }

    /// The reserved host to which servers are sent now.
    #[must_use]
    pub fn reserve(&self) -> Option<&(Reserve, Standing)> {
        self.reserves.last().filter(|(_, standing)| standing.is_ours())
    }

    /// The reserved host that is to be handed back.
    #[must_use]
    pub fn unused(&self) -> Option<&Reserve> {
        let unused = self.reserves.iter().find(|(_, s)| *s == Standing::Unused);
        unused.map(|(reserve, _)| reserve)
    }

    /// Those that are ours, or still to be handed back.
    pub fn held(&self) -> impl Iterator<Item = &HostName> {
        let held = |s: Standing| s.is_ours() || s == Standing::Unused;
        self.reserves.iter().filter(move |(_, s)| held(*s)).map(|(reserve, _)| &reserve.host)
    }

    /// Whether this recovery had that reserved host already, or passed it over.
    #[must_use]
    pub fn knows(&self, host: &HostName) -> bool {
        self.passed.contains(host) || self.reserves.iter().any(|(r, _)| r.host == *host)
    }

    /// How many plans were made only because a way, or a reserved host, left servers behind.
    #[must_use]
    pub fn detours(&self) -> usize {
        self.at + self.reserves.len() + usize::from(self.waits)
    }

    fn nova_may_choose(&self) -> bool {
        capacity::nova_may_choose(self.method.unwrap_or(RecoveryMethod::Auto))
    }

    /// Whether the reserved host of this moment is left before servers wait for room: where Nova chooses.
    #[must_use]
    pub fn waits_without_reserve(&self) -> bool {
        self.nova_may_choose()
    }

    /// Whether it is known that all ways were tried.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Whether something landed on `host`, or may still: by Nova's records of what `moves` asked for.
    #[must_use]
    pub fn used(
        host: &HostName,
        moves: &BTreeMap<ServerId, Move>,
        evacuations: &[Evacuation],
    ) -> bool {
        evacuations.iter().any(|e| {
            let ours = moves.get(&e.server).is_some_and(|m| e.id > m.planned.last_evacuation);
            let landed = match e.status {
                EvacuationStatus::Accepted
                | EvacuationStatus::Running
                | EvacuationStatus::Done
                | EvacuationStatus::Completed => true,
                EvacuationStatus::Void | EvacuationStatus::Failed => false,
            };
            ours && landed && e.dest.as_ref() == Some(host)
        })
    }

    pub(crate) fn apply(&mut self, entry: &WayEntry) -> Result<(), &'static str> {
        match entry {
            WayEntry::Method { .. } if self.method.is_some() => {
                return Err("the method was known before");
            }
            WayEntry::Method { method } => self.method = Some(*method),
            WayEntry::Within { hosts } => self.within = Some(hosts.clone()),
            WayEntry::Taken { reserve } => {
                if self.reserve().is_some() || self.knows(&reserve.host) {
                    return Err("a reserved host was taken beside another, or twice");
                }
                self.reserves.push((reserve.clone(), Standing::Taken));
            }
            WayEntry::Ready { host } => self.turn(host, &[Standing::Taken], Standing::Ready)?,
            WayEntry::Passed { host, .. } => {
                self.passed.insert(host.clone());
            }
            WayEntry::Left { host, used } => {
                let to = if *used { Standing::Kept } else { Standing::Unused };
                self.turn(host, &[Standing::Taken, Standing::Ready], to)?;
            }
            WayEntry::HandedBack { host } => {
                self.turn(host, &[Standing::Unused], Standing::HandedBack)?;
            }
            WayEntry::Over { why } => {
                if self.next().is_some() {
                    self.at += 1;
                } else {
                    self.over = Some(why.clone());
                }
            }
            WayEntry::Waits => self.waits = true,
        }
        Ok(())
    }

    fn turn(
        &mut self,
        host: &HostName,
        from: &[Standing],
        to: Standing,
    ) -> Result<(), &'static str> {
        let reserve = self.reserves.iter_mut().find(|(r, _)| r.host == *host);
        match reserve.filter(|(_, standing)| from.contains(standing)) {
            Some((_, standing)) => *standing = to,
            None => return Err("a reserved host that does not stand there"),
        }
        Ok(())
    }

    /// What Masakari's table of hosts shows after `entry`.
    pub(crate) fn summary(&self, entry: &WayEntry) -> Option<Summary> {
        match entry {
            WayEntry::Taken { reserve } => Some(Summary::Taken(reserve.host_id.clone())),
            WayEntry::HandedBack { host } => {
                let back = self.reserves.iter().find(|(r, _)| r.host == *host);
                back.map(|(r, _)| Summary::HandedBack(r.host_id.clone()))
            }
            WayEntry::Method { .. }
            | WayEntry::Within { .. }
            | WayEntry::Ready { .. }
            | WayEntry::Passed { .. }
            | WayEntry::Left { .. }
            | WayEntry::Waits
            | WayEntry::Over { .. } => None,
        }
    }
}

impl Standing {
    fn is_ours(self) -> bool {
        match self {
            Self::Taken | Self::Ready => true,
            Self::Kept | Self::Unused | Self::HandedBack => false,
        }
    }
}
