//! What a monitor has to say: a failure in the words of Masakari's API, and what it takes to look at it again.

use chrono::{DateTime, SecondsFormat};
use openstack::instance_ha::NewNotification;
use recovery::{Millis, nouns::NotificationType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One failure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// `VM`, `PROCESS` or `COMPUTE_HOST`.
    pub kind: NotificationType,
    /// Of whom it is: reports about one subject keep their order.
    pub subject: String,
    /// The host, as Nova calls it.
    pub hostname: String,
    pub generated_at: Millis,
    pub payload: Map<String, Value>,
    pub claim: Claim,
    pub care: Care,
}

/// What must still be so when the report is delivered late.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// The VM does not run, and is still here: one whose definition outlives its run is defined.
    InstanceStopped { is_persistent: bool },
    /// The VM was halted and not let go on.
    InstancePaused,
    /// Something happened to the VM, in this run of it (libvirt's number; none if it was not known).
    InstanceRan { run: Option<u32> },
    /// The VM runs, in this run of it, and its agent does not answer.
    GuestSilent { run: u32 },
    /// The process is missing, and could not be restarted.
    ProcessMissing,
    /// The host is dead, as all who watch it for us say.
    HostDead,
    /// It is there again.
    HostBack,
}

/// What is watched: by whose source a report is looked at again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Watched {
    Instances,
    Guests,
    Processes,
    Hosts,
}

/// How long it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Care {
    /// Masakari acts on it: until it is answered.
    UntilAnswered,
    /// Masakari only notes it: for as long as Python's monitors try.
    AsPython,
}

impl Watched {
    /// As people name it, and `[monitor] watch`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Guests => "guests",
            Self::Processes => "processes",
            Self::Hosts => "hosts",
        }
    }
}

impl Claim {
    /// Of what it is.
    #[must_use]
    pub fn watched(self) -> Watched {
        match self {
            Self::InstanceStopped { .. } | Self::InstancePaused | Self::InstanceRan { .. } => {
                Watched::Instances
            }
            Self::GuestSilent { .. } => Watched::Guests,
            Self::ProcessMissing => Watched::Processes,
            Self::HostDead | Self::HostBack => Watched::Hosts,
        }
    }

    /// Whether it ends with this run of this host's kernel: what was started anew has not failed any more, or is
    /// somebody else's matter.
    #[must_use]
    pub fn ends_with_boot(self) -> bool {
        match self {
            Self::InstanceStopped { .. }
            | Self::InstancePaused
            | Self::InstanceRan { .. }
            | Self::GuestSilent { .. }
            | Self::ProcessMissing => true,
            // It is another host's.
            Self::HostDead | Self::HostBack => false,
        }
    }
}

impl Report {
    /// Whether `other` says the same.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.subject == other.subject
            && self.claim == other.claim
            && self.payload == other.payload
            && self.hostname == other.hostname
    }

    /// As the API takes it.
    #[must_use]
    pub fn notification(&self) -> NewNotification {
        NewNotification {
            kind: self.kind.as_str().to_owned(),
            hostname: self.hostname.clone(),
            generated_time: self.generated_time(),
            payload: self.payload.clone(),
        }
    }

    /// As Python's monitors write it: naive, in UTC, with microseconds.
    #[must_use]
    pub fn generated_time(&self) -> String {
        let text = DateTime::from_timestamp_millis(self.generated_at.0)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Micros, true);
        text.trim_end_matches('Z').to_owned()
    }
}
