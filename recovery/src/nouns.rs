//! Masakari's four nouns, as they stand in its tables and its API (api-ref, "Instance HA").

use crate::{HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A closed list of words of Masakari's API and database.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the API and the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that `word` stands for, exactly; `None` for any other text.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// How the VMs of a segment's failed host find a new one.
    RecoveryMethod {
        /// Nova's scheduler chooses.
        Auto = "auto",
        /// A reserved host of the segment takes them.
        ReservedHost = "reserved_host",
        /// First `auto`, then `reserved_host`.
        AutoPriority = "auto_priority",
        /// First `reserved_host`, then `auto`.
        RhPriority = "rh_priority",
    }
}

words! {
    /// What failed.
    NotificationType {
        ComputeHost = "COMPUTE_HOST",
        Process = "PROCESS",
        Vm = "VM",
    }
}

words! {
    /// Where a notification stands.
    NotificationStatus {
        /// Accepted; not begun, or held until what is missing comes.
        New = "new",
        Running = "running",
        /// Failed once and will be tried again.
        Error = "error",
        Failed = "failed",
        Ignored = "ignored",
        Finished = "finished",
    }
}

impl NotificationStatus {
    /// Whether nothing will happen to it any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::New | Self::Running | Self::Error => false,
            Self::Failed | Self::Ignored | Self::Finished => true,
        }
    }
}

words! {
    /// Where the move of one VM stands.
    VMoveStatus {
        Pending = "pending",
        Ongoing = "ongoing",
        Ignored = "ignored",
        Failed = "failed",
        Succeeded = "succeeded",
    }
}

words! {
    /// How a VM moves. Only evacuations are made.
    VMoveType {
        Evacuation = "evacuation",
        Migration = "migration",
        LiveMigration = "live_migration",
    }
}

/// A failover segment: hosts that stand in for each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The number in the database; pages are marked by it.
    pub id: i64,
    pub uuid: SegmentId,
    pub name: String,
    pub service_type: String,
    pub description: Option<String>,
    pub recovery_method: RecoveryMethod,
    /// Reports for a disabled segment are refused or ignored.
    pub enabled: bool,
    pub created_at: Option<Millis>,
    pub updated_at: Option<Millis>,
}

/// A host of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    pub id: i64,
    pub uuid: HostId,
    pub name: HostName,
    pub segment: SegmentId,
    /// `type` in the API: free text, `COMPUTE` by custom.
    pub kind: String,
    pub control_attributes: String,
    pub reserved: bool,
    pub on_maintenance: bool,
    pub created_at: Option<Millis>,
    pub updated_at: Option<Millis>,
}

/// A report of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    pub id: i64,
    pub uuid: NotificationId,
    pub kind: NotificationType,
    /// When the monitor made it, by the monitor's clock.
    pub generated_time: Millis,
    /// The payload as it came: JSON text of an object.
    pub payload: String,
    pub status: NotificationStatus,
    pub source_host: HostId,
    pub segment: SegmentId,
    pub message: Option<String>,
    pub created_at: Option<Millis>,
    pub updated_at: Option<Millis>,
}

/// The move of one VM in one recovery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VMove {
    pub id: i64,
    pub uuid: VMoveId,
    pub notification: NotificationId,
    pub server: ServerId,
    pub server_name: String,
    pub source_host: HostName,
    pub dest_host: Option<HostName>,
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
    pub kind: VMoveType,
    pub status: VMoveStatus,
    pub message: Option<String>,
    pub created_at: Option<Millis>,
    pub updated_at: Option<Millis>,
}

/// What a monitor says of a host (`payload` of a `COMPUTE_HOST` report), parsed once at the door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostReport {
    /// `STOPPED` with `host_status: NORMAL`: the monitor says that the host is down for certain.
    Died,
    /// `STOPPED` with any other `host_status`, or none: the monitor does not know.
    Uncertain,
    /// `STARTED`: the host is there again.
    Started,
}

impl HostReport {
    /// Reads the words as Masakari's engine does: the case does not matter, and anything but
    /// `NORMAL` is no ground to evacuate. `None` for an event that is neither word.
    #[must_use]
    pub fn read(event: &str, host_status: Option<&str>) -> Option<Self> {
        let normal = host_status.is_some_and(|s| s.eq_ignore_ascii_case("NORMAL"));
        if !normal {
            return Some(Self::Uncertain);
        }
        if event.eq_ignore_ascii_case("STOPPED") {
            Some(Self::Died)
        } else if event.eq_ignore_ascii_case("STARTED") {
            Some(Self::Started)
        } else {
            None
        }
    }
}
