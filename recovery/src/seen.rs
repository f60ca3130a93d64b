//! What Nova shows of servers and of compute services (compute API reference), parsed once.

use crate::evidence::{Sighting, Sign};
use crate::permit::NovaSays;
use crate::returns::HEARD_MS;
use crate::{HostName, Millis, ServerId, ServiceId};
use alloc::{collections::BTreeMap, string::String};
use core::fmt;
use serde::{Deserialize, Serialize};

/// `OS-EXT-STS:vm_state`: the states that recovery treats each in its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VmState {
    Active,
    Stopped,
    Error,
    Paused,
    Suspended,
    Resized,
    Rescued,
    Building,
    Shelved,
    /// Has no host and is not recovered.
    ShelvedOffloaded,
    SoftDeleted,
    Deleted,
    /// A state that this version does not know; treated like `Paused`.
    Unknown,
}

impl VmState {
    /// The state that Nova calls `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "active" => Self::Active,
            "stopped" => Self::Stopped,
            "error" => Self::Error,
            "paused" => Self::Paused,
            "suspended" => Self::Suspended,
            "resized" => Self::Resized,
            "rescued" => Self::Rescued,
            "building" => Self::Building,
            "shelved" => Self::Shelved,
            "shelved_offloaded" => Self::ShelvedOffloaded,
            "soft-delete" => Self::SoftDeleted,
            "deleted" => Self::Deleted,
            _ => Self::Unknown,
        }
    }

    /// Nova's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Error => "error",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::Resized => "resized",
            Self::Rescued => "rescued",
            Self::Building => "building",
            Self::Shelved => "shelved",
            Self::ShelvedOffloaded => "shelved_offloaded",
            Self::SoftDeleted => "soft-delete",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for VmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `OS-EXT-STS:power_state`, as far as recovery cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// 4.
    Shutdown,
    /// Any other number.
    Other,
}

/// `OS-EXT-STS:task_state`: whether Nova is busy with the server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    None,
    /// `rebuilding`, `rebuild_block_device_mapping`, `rebuild_spawning`: an evacuation (or a rebuild
    /// that its owner asked for) is on its way.
    Rebuilding,
    /// Anything else, by Nova's word.
    Other(String),
}

impl Task {
    /// The task that Nova calls `word`; `None` and empty are no task.
    #[must_use]
    pub fn from_word(word: Option<&str>) -> Self {
        match word {
            None | Some("") => Self::None,
            Some("rebuilding" | "rebuild_block_device_mapping" | "rebuild_spawning") => {
                Self::Rebuilding
            }
            Some(other) => Self::Other(other.into()),
        }
    }

    /// `migrating`: it is being moved to another host while it runs. (A resize and a cold migration have other words.)
    #[must_use]
    pub fn is_live_migration(&self) -> bool {
        matches!(self, Self::Other(word) if word == "migrating")
    }

    /// `deleting`, `soft-deleting`: its owner wants it gone, and its host has not said that it is.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        matches!(self, Self::Other(word) if word == "deleting" || word == "soft-deleting")
    }
}

/// How far the newest live migration of a server is, as `os-migrations` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departure {
    /// `None` while none is chosen.
    pub dest: Option<HostName>,
    /// Whether its host had begun with it. `accepted` and `queued` are written before that; each later word is written by the
    /// host before it does what the word says.
    pub begun: bool,
}

/// A server as a detailed list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    pub id: ServerId,
    pub name: String,
    /// `OS-EXT-SRV-ATTR:host`.
    pub host: Option<HostName>,
    pub vm_state: VmState,
    pub task: Task,
    pub power: Power,
    pub locked: bool,
    pub metadata: BTreeMap<String, String>,
    pub hints: Hints,
}

/// What else decides over a server: whose it is, how early it moves, where it can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    /// The id of its project.
    pub project: String,
    pub tags: alloc::vec::Vec<String>,
    pub flavor_name: String,
    /// The extra specs of its flavor.
    pub flavor: BTreeMap<String, String>,
    pub size: Size,
    /// Its image; `None` where it boots from a volume.
    pub image: Option<String>,
    /// Its fixed addresses, network by network.
    pub addresses: alloc::vec::Vec<core::net::IpAddr>,
}

/// What its flavor gives a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    pub vcpus: u64,
    pub ram_mb: u64,
    /// Not used where it boots from a volume.
    pub root_gb: u64,
    pub ephemeral_gb: u64,
    pub swap_mb: u64,
}

/// One evacuation as `os-migrations` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evacuation {
    /// The number of the migration: a later one has a greater number.
    pub id: i64,
    pub server: ServerId,
    pub source: HostName,
    pub dest: Option<HostName>,
    pub status: EvacuationStatus,
    /// When it was asked for, by our own clock.
    pub created: Option<Millis>,
}

/// The status of an evacuation's migration record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EvacuationStatus {
    /// `accepted`: asked for, and no host has begun.
    Accepted,
    /// `accepted`, and no request is left that could do it (see [`crate::requests`]).
    Void,
    /// `pre-migrating`, …: on its way.
    Running,
    Done,
    /// `completed`: done, and the source host is back and has destroyed its copy.
    Completed,
    /// `failed`, `error`, `cancelled`.
    Failed,
}

impl EvacuationStatus {
    /// Whether Nova may be at work on it.
    #[must_use]
    pub fn may_run(self) -> bool {
        match self {
            Self::Accepted | Self::Running => true,
            Self::Void | Self::Done | Self::Completed | Self::Failed => false,
        }
    }
}

/// How far off the time of a write of ours to a service may look: Nova's times are whole seconds, and so is our reading
/// of its clock.
pub const OWN_WRITE_MS: i64 = 2_500;

/// A `nova-compute` service as `os-services` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComputeService {
    pub id: ServiceId,
    pub host: HostName,
    pub enabled: bool,
    pub disabled_reason: Option<String>,
    /// `state: up`.
    pub up: bool,
    pub forced_down: bool,
    /// Its last heartbeat, by our own clock (its age by Nova's clock, taken off our now).
    pub heartbeat_at: Option<Millis>,
}

impl ComputeService {
    /// What Nova says of the host.
    #[must_use]
    pub fn says(&self) -> NovaSays {
        if self.forced_down {
            NovaSays::ForcedDown
        } else if self.up {
            NovaSays::Up
        } else {
            NovaSays::Down
        }
    }

    /// The same, where it matters whether Nova would take a host that is forced down for alive: that somebody forced it,
    /// we as a rule, is no word of Nova's. `heard`: its last heartbeat that is none of our own writes.
    #[must_use]
    pub fn says_by(&self, heard: Option<Millis>, now: Millis) -> NovaSays {
        match self.says() {
            NovaSays::ForcedDown if heard.is_some_and(|at| now.since(at) <= HEARD_MS) => {
                NovaSays::Up
            }
            says @ (NovaSays::ForcedDown | NovaSays::Up | NovaSays::Down | NovaSays::Absent) => {
                says
            }
        }
    }

    /// Its last heartbeat as a sign of life.
    #[must_use]
    pub fn sighting(&self) -> Option<Sighting> {
        let sighting = |at| Sighting { host: self.host.clone(), at, what: Sign::Heartbeat };
        self.heartbeat_at.map(sighting)
    }
}
