//! Why we believe that a host is dead, and signs that it is not.
//!
//! Evidence is append-only and speaks of one host at one moment. It is never taken back: a later
//! [`Sighting`] makes it void.

use crate::{HostName, Millis};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What was learnt, weakest first: the order is the order of strength.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A monitor sent `host_status: NORMAL`, as Python Masakari's do.
    MonitorSaid,
    /// A person said so, by name.
    OperatorConfirmed,
    /// The host feeds a watchdog only while it holds a lease, and lost it long enough ago.
    LeaseExpired,
    /// Pacemaker reports a successful fencing newer than the loss.
    ClusterFenced,
    /// The storage refuses all of the host's addresses, listed back.
    StorageFenced,
    /// A fence device answered "off" after we asked.
    PoweredOff,
}

impl Kind {
    /// The word in the database, the log and our API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MonitorSaid => "monitor_said",
            Self::OperatorConfirmed => "operator_confirmed",
            Self::LeaseExpired => "lease_expired",
            Self::ClusterFenced => "cluster_fenced",
            Self::StorageFenced => "storage_fenced",
            Self::PoweredOff => "powered_off",
        }
    }

    /// The kind that `word` stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::MonitorSaid,
            Self::OperatorConfirmed,
            Self::LeaseExpired,
            Self::ClusterFenced,
            Self::StorageFenced,
            Self::PoweredOff,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One piece of evidence that a host is dead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    pub host: HostName,
    pub kind: Kind,
    /// When it was true. A sign of life after this moment voids it.
    pub at: Millis,
    /// Who vouches for it: a monitor's report, a person, a device.
    pub source: String,
    /// What was said, as it was said.
    pub raw: String,
}

/// A storage's block is believed for so long: when it was listed it had half of its time left, which is an hour at least,
/// and what Nova was asked for last may take some minutes to land.
const STORAGE_HOLDS_MS: i64 = 1_500_000;

impl Evidence {
    /// Whether it proves anything still. A block of the storage ends by itself; who relies on it longer has it listed anew.
    #[must_use]
    pub(crate) fn holds_at(&self, now: Millis) -> bool {
        match self.kind {
            Kind::StorageFenced => now.since(self.at) < STORAGE_HOLDS_MS,
            Kind::MonitorSaid
            | Kind::OperatorConfirmed
            | Kind::LeaseExpired
            | Kind::ClusterFenced
            | Kind::PoweredOff => true,
        }
    }
}

/// A sign of life.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sighting {
    pub host: HostName,
    /// When the host showed it, by our clock.
    pub at: Millis,
    pub what: Sign,
}

/// What kind of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Its nova-compute reported to Nova.
    Heartbeat,
    /// A fence device says that it has power.
    PowerOn,
    /// A monitor reported that it is there, or that a process on it was started.
    MonitorSaw,
    /// Its monitor said that the guest agent of a VM on it answers.
    GuestAnswers,
    /// It asked whether its nova-compute may start, and was told yes: that resumes VMs before Nova hears from it.
    LetStart,
}

impl Sign {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::PowerOn => "power_on",
            Self::MonitorSaw => "monitor_saw",
            Self::GuestAnswers => "guest_answers",
            Self::LetStart => "let_start",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Heartbeat, Self::PowerOn, Self::MonitorSaw, Self::GuestAnswers, Self::LetStart]
            .into_iter()
            .find(|sign| sign.as_str() == word)
    }

    /// Whether it speaks against that evidence, where it is newer.
    ///
    /// A cluster and a watchdog reset the host: that proves that its VMs have ended, and not that it stays off. So that the
    /// machine is there again is what is to be expected; that its nova-compute works, or a VM on it, is not.
    #[must_use]
    pub const fn speaks_against(self, kind: Kind) -> bool {
        match (self, kind) {
            (Self::PowerOn | Self::MonitorSaw, Kind::ClusterFenced | Kind::LeaseExpired) => false,
            (
                Self::PowerOn | Self::MonitorSaw,
                Kind::MonitorSaid
                | Kind::OperatorConfirmed
                | Kind::StorageFenced
                | Kind::PoweredOff,
            )
            | (
                Self::Heartbeat | Self::GuestAnswers | Self::LetStart,
                Kind::MonitorSaid
                | Kind::OperatorConfirmed
                | Kind::LeaseExpired
                | Kind::ClusterFenced
                | Kind::StorageFenced
                | Kind::PoweredOff,
            ) => true,
        }
    }

    /// Whether it holds until something newer is said: who said it watches the host and would say if it were gone. The
    /// others tell of one moment.
    #[must_use]
    pub const fn lasts(self) -> bool {
        match self {
            Self::PowerOn | Self::MonitorSaw => true,
            Self::Heartbeat | Self::GuestAnswers | Self::LetStart => false,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heartbeat => "its nova-compute reported to Nova",
            Self::PowerOn => "it has power",
            Self::MonitorSaw => "a monitor says that it is there",
            Self::GuestAnswers => "the guest agent of a VM on it answers",
            Self::LetStart => "it asked whether its nova-compute may start, and was told yes",
        })
    }
}

/// The least that is accepted as proof: `[fencing] require`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// A monitor's word is enough, as for Python Masakari.
    #[default]
    Monitor,
    /// Only what is stronger than a monitor's word.
    Proven,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_the_storage_proves_less_long_than_it_lasts_and_all_else_until_a_sign_of_life() {
        let holds = |kind, ms: i64| {
            let host = HostName::new("a");
            let (source, raw) = (String::new(), String::new());
            Evidence { host, kind, at: Millis(60_000), source, raw }.holds_at(Millis(60_000 + ms))
        };
        assert!(holds(Kind::StorageFenced, 0) && holds(Kind::StorageFenced, 1_499_999));
        // Half of an hour, which is the least that may be set, is 1,800 s.
        assert!(!holds(Kind::StorageFenced, 1_500_000));
        for kind in [Kind::MonitorSaid, Kind::OperatorConfirmed, Kind::LeaseExpired] {
            assert!(holds(kind, 100_000_000), "{kind}");
        }
        assert!(holds(Kind::ClusterFenced, 100_000_000) && holds(Kind::PoweredOff, 100_000_000));
    }
}
