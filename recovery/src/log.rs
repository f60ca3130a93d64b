//! Everything that happened in one recovery. The log is the truth; what the API shows is a
//! summary of it.
//!
//! Intent is written before a dangerous act and the outcome after it, so that whoever reads the log
//! after a crash knows what may have been done. An observation that decided something is an
//! entry too. Entries name many servers at once, because hundreds move at once.

use crate::capacity::CapacityEntry;
use crate::evidence::{Evidence, Kind, Sighting};
use crate::hand::HandEntry;
use crate::nouns::{NotificationStatus, VMove};
use crate::permit::Lack;
use crate::rules::Left;
use crate::seen::{Power, VmState};
use crate::way::WayEntry;
use crate::{HostId, HostName, Millis, NotificationId, ServerId, VMoveId};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// One line of the log of one recovery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// 1, 2, 3, … without a gap.
    pub seq: u64,
    pub at: Millis,
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// An engine took the recovery, for the first time or over from another.
    Claimed {
        owner: String,
        generation: u64,
    },
    /// The host was judged dead: the death certificate.
    Proven {
        kind: Kind,
        at: Millis,
        evidence: Vec<Evidence>,
    },
    /// There is no permit now: nothing more is done to the host until there is one.
    Held {
        why: String,
        sighting: Option<Sighting>,
        /// Nothing in the log of an older program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lack: Option<Lack>,
    },
    /// Something outside does not answer; the recovery goes on when it does.
    Waiting {
        why: String,
    },
    /// Whether it may begin to act, when many hosts are lost at once.
    Guard(crate::guard::GuardEntry),
    /// In shadow mode: what would be done.
    Shadow(crate::shadow::ShadowEntry),
    /// In the fencing of the host.
    Fence(crate::fencing::FenceEntry),
    /// We are about to tell Nova that the host is down.
    ForceDownIntended,
    ForcedDown,
    /// We are about to disable the host's compute service.
    DisableIntended,
    Disabled,
    /// The servers that were found on the host, and what shall become of them.
    Planned {
        on_host: u32,
        moves: Vec<Planned>,
        skipped: Vec<Skipped>,
    },
    /// We are about to do `act` to `servers`.
    Intended {
        act: Act,
        servers: Vec<ServerId>,
    },
    /// Nova accepted `act` for `servers`.
    Did {
        act: Act,
        servers: Vec<ServerId>,
    },
    /// Nova refused, or cannot be understood: we look at the server before anything else.
    Refused {
        act: Act,
        server: ServerId,
        why: String,
    },
    /// Nova cannot be asked now, and has certainly not begun: tried again at `until`.
    Postponed {
        act: Act,
        servers: Vec<ServerId>,
        until: Millis,
    },
    /// The servers are on their new hosts.
    Arrived {
        servers: Vec<Arrival>,
    },
    /// The server is still where it was: asked again at `again_at`, given up without it.
    NotMoved {
        server: ServerId,
        why: String,
        again_at: Option<Millis>,
        reset: Reset,
    },
    /// The servers are stopped on their new hosts, as they were before.
    Stopped {
        servers: Vec<ServerId>,
    },
    /// The server could not be brought to the state it was in: it stays as it is.
    NotRestored {
        server: ServerId,
        why: String,
    },
    /// The server was deleted meanwhile.
    Gone {
        server: ServerId,
    },
    /// How the servers find a new host, and what became of reserved hosts.
    Way(WayEntry),
    /// Servers for which there is no room.
    Capacity(CapacityEntry),
    /// A fresh list from Nova has nothing left to move.
    Confirmed {
        on_host: u32,
    },
    /// What a person asked of the recovery.
    Hand(HandEntry),
    /// Steps of the operator's own.
    Step(crate::steps::StepEntry),
    /// In the restart of one server.
    Restart(crate::restart::Event),
    /// After a process of a host failed.
    Process(crate::process::Event),
    /// On the way back of a host; its log is the host's own.
    Return(crate::returns::Event),
    /// In a test of a host's fence devices; its log is the request's own.
    Drill(crate::drill::Event),
    /// In the drain of a host that lives; its log is the drain's own.
    Drain(crate::drain::Event),
    /// In the ordered start of servers that have arrived.
    Tier(crate::tiers::TierEntry),
    /// The end.
    Ended {
        status: NotificationStatus,
        message: Option<String>,
    },
}

impl Entry {
    /// Whether nothing can follow but a word to try it again.
    #[must_use]
    pub const fn is_the_end(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }

    /// Whether more was done by then than looking: what has begun is brought to its end even if it would
    /// not be begun any more.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        match self {
            Self::Planned { moves, .. } => !moves.is_empty(),
            Self::Restart(crate::restart::Event::Chosen { .. }) => true,
            Self::Process(crate::process::Event::Stopped { .. })
            // A host that we switched off is not left like that.
            | Self::Fence(crate::fencing::FenceEntry::Proven { .. })
            | Self::Step(crate::steps::StepEntry::Begun { .. }) => true,
            Self::Step(_)
            | Self::Restart(_)
            | Self::Process(_)
            | Self::Return(_)
            | Self::Drill(_) | Self::Drain(_)
            | Self::Claimed { .. }
            | Self::Proven { .. }
            | Self::Held { .. }
            | Self::Guard(_)
            | Self::Shadow(_)
            | Self::Fence(_)
            | Self::Waiting { .. }
            | Self::ForceDownIntended
            | Self::ForcedDown
            | Self::DisableIntended
            | Self::Disabled
            | Self::Intended { .. }
            | Self::Did { .. }
            | Self::Refused { .. }
            | Self::Postponed { .. }
            | Self::Arrived { .. }
            | Self::NotMoved { .. }
            | Self::Stopped { .. }
            | Self::NotRestored { .. }
            | Self::Gone { .. }
            | Self::Confirmed { .. }
            | Self::Way(_)
            | Self::Hand(_)
            | Self::Capacity(_)
            | Self::Tier(_)
            | Self::Ended { .. } => false,
        }
    }
}

/// What is done to a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Lock it (unless its owner has), reset its state if Nova would refuse it, evacuate it.
    Evacuate,
    /// Stop it on its new host.
    Stop,
    /// Set it back to error if it was, and unlock it if we locked it.
    Settle,
}

/// Whether the server's state must be reset first, or Nova would refuse to evacuate it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    NotNeeded,
    ToError,
    /// To active: Nova starts what was in error, and this one is to arrive stopped.
    ToActive,
}

/// The state in which a server is left on its new host: the one it was in, as near as can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aftermath {
    Running,
    Stopped,
    /// Stopped, and its state set to error again.
    StoppedInError,
}

/// One server that shall move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Planned {
    pub server: ServerId,
    pub vmove: VMoveId,
    pub name: String,
    pub vm_state: VmState,
    pub power: Power,
    pub reset: Reset,
    pub aftermath: Aftermath,
    /// Locked before we came: stays locked.
    pub locked: bool,
    pub ha_enabled: bool,
    /// A larger one goes earlier.
    #[serde(default)]
    pub priority: i64,
    /// Nova was already evacuating it when it was planned.
    pub under_way: bool,
    /// The number of its last evacuation that was over by then; only later ones are ours to judge.
    pub last_evacuation: i64,
    /// Why it is not evacuated before a person says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
}

impl Planned {
    /// Who has the higher one goes first.
    #[must_use]
    pub fn rank(&self) -> (bool, i64) {
        (self.ha_enabled, self.priority)
    }
}

/// One server that stays, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Skipped {
    pub server: ServerId,
    pub why: String,
    /// An owner's rule wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
}

/// One server on its new host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Arrival {
    pub server: ServerId,
    pub host: HostName,
    pub vm_state: VmState,
}

/// A change of Masakari's own tables, written together with the entries it follows from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Summary {
    /// The notification's status. A terminal one closes the recovery for good.
    Status { status: NotificationStatus, message: Option<String> },
    /// A VM move, new or changed; its `uuid` tells which (its `id` and times of writing are the store's).
    VMove(alloc::boxed::Box<VMove>),
    /// The host goes on maintenance and is no reserved host any more.
    OnMaintenance(HostId),
    /// A reserved host is one no more. Refused, and the lines with it, when it was none already.
    Taken(HostId),
    /// A host is a reserved one again.
    HandedBack(HostId),
    /// A process of the host failed: it goes on maintenance, unless a person has put it there; the report
    /// of its death is still accepted.
    OnMaintenanceForProcess(HostId),
    /// The recovery of this host has ended, and left it out of service.
    Away(HostId),
    /// A host is in service again, or in reserve, after these recoveries: off maintenance.
    Returned { host: HostId, reserved: bool, recoveries: Vec<NotificationId> },
    /// The recovery is tried again: it is open, whatever closed it.
    Reopened,
    /// The request of a person is granted. Refused, and the lines with it, when it was answered before.
    Answered { request: String, answer: String },
    /// A fence device has proven that a host is dead.
    Evidence(alloc::boxed::Box<Evidence>),
    /// The recovery begins to act. Refused, and the lines with it, when the guard's number is not the one that was read,
    /// where one was.
    Passed { beat: Option<u64> },
    /// The cloud is in a storm at this moment.
    Storm,
    /// The server of this recovery is being restarted, which counts.
    Restarted { server: ServerId },
}
