//! What a recovery did to the host itself: read from its log when it has ended.

use crate::HostName;
use crate::evidence::Kind;
use crate::fencing::FenceEntry;
use crate::log::{Entry, Line};
use crate::nouns::NotificationStatus;
use crate::state::State;
use crate::way::Standing;
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What recoveries did to a host, and what was used up for it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Did {
    /// Told Nova that it is down, or may have.
    pub forced_down: bool,
    /// Disabled its service, or may have, for one of these reasons.
    pub reasons: Vec<String>,
    /// Shut its way to the storage: it must be let in again.
    pub storage_shut: bool,
    /// Switched it off, and left nothing on it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub switched_off: bool,
    /// The reserved host that took its servers.
    pub spare: Option<Spare>,
}

/// A reserved host that is in use now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Spare {
    pub host: HostName,
    /// While it was in reserve its service was disabled.
    pub was_disabled: bool,
    /// For this reason.
    pub reason: Option<String>,
}

impl Did {
    /// What the log of an ended recovery says. `reason`: for which services are disabled when their host fails;
    /// `of_process`: when nova-compute fails.
    #[must_use]
    pub fn of(lines: &[Line], reason: &str, of_process: &str) -> Self {
        let has = |wanted: fn(&Entry) -> bool| lines.iter().any(|line| wanted(&line.entry));
        let mut reasons = Vec::new();
        if has(|entry| matches!(entry, Entry::DisableIntended)) {
            reasons.push(reason.into());
        } else if has(|entry| matches!(entry, Entry::Disabled)) {
            // It was disabled before: by us, if for that.
            reasons.push(of_process.into());
        }
        let storage = |entry: &Entry| {
            let Entry::Proven { evidence, .. } = entry else { return false };
            evidence.iter().any(|e| e.kind == Kind::StorageFenced)
        };
        let by_power = |entry: &Entry| {
            let Entry::Fence(FenceEntry::Proven { evidence }) = entry else { return false };
            evidence.kind == Kind::PoweredOff
        };
        let well = |entry: &Entry| {
            matches!(entry, Entry::Ended { status: NotificationStatus::Finished, .. })
        };
        Self {
            forced_down: has(|entry| matches!(entry, Entry::ForceDownIntended)),
            reasons,
            storage_shut: has(storage),
            switched_off: has(by_power) && has(well),
            spare: State::fold(lines).ok().and_then(|state| spare(&state)),
        }
    }

    /// What a further recovery did besides.
    pub(super) fn add(&mut self, more: &Self) {
        self.forced_down |= more.forced_down;
        self.storage_shut |= more.storage_shut;
        // How it was left last.
        self.switched_off = more.switched_off;
        for reason in &more.reasons {
            if !self.reasons.contains(reason) {
                self.reasons.push(reason.clone());
            }
        }
        self.spare = more.spare.clone().or_else(|| self.spare.take());
    }
}

/// The last reserved host on which something landed, or may have.
fn spare(state: &State) -> Option<Spare> {
    let kept = state.ways.reserves.iter().rev().find(|(_, at)| *at == Standing::Kept);
    kept.map(|(reserve, _)| Spare {
        host: reserve.host.clone(),
        was_disabled: reserve.enable,
        reason: reserve.disabled_reason.clone(),
    })
}
