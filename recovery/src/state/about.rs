//! What the log's lines are about.

use crate::ServerId;
use crate::log::Entry;
use alloc::vec::Vec;

/// The servers that an entry names.
pub(super) fn servers_of(entry: &Entry) -> Vec<&ServerId> {
    match entry {
        Entry::Claimed { .. }
        | Entry::Proven { .. }
        | Entry::Held { .. }
        | Entry::Guard(_)
        | Entry::Shadow(_)
        | Entry::Fence(_)
        | Entry::Waiting { .. }
        | Entry::ForceDownIntended
        | Entry::ForcedDown
        | Entry::DisableIntended
        | Entry::Disabled
        | Entry::Way(_)
        | Entry::Hand(_)
        | Entry::Step(_)
        | Entry::Confirmed { .. }
        | Entry::Restart(_)
        | Entry::Process(_)
        | Entry::Return(_)
        | Entry::Drill(_)
        | Entry::Drain(_)
        | Entry::Tier(_)
        | Entry::Ended { .. } => Vec::new(),
        Entry::Planned { moves, .. } => moves.iter().map(|m| &m.server).collect(),
        Entry::Intended { servers, .. }
        | Entry::Did { servers, .. }
        | Entry::Postponed { servers, .. }
        | Entry::Stopped { servers } => servers.iter().collect(),
        Entry::Arrived { servers } => servers.iter().map(|a| &a.server).collect(),
        Entry::Capacity(entry) => entry.servers(),
        Entry::Refused { server, .. }
        | Entry::NotMoved { server, .. }
        | Entry::NotRestored { server, .. }
        | Entry::Gone { server } => Vec::from([server]),
    }
}

/// Whether the entry shows that Nova works for us.
pub(super) fn matters_to_nova(entry: &Entry) -> bool {
    match entry {
        Entry::Planned { .. }
        | Entry::Did { .. }
        | Entry::Arrived { .. }
        | Entry::NotMoved { .. }
        | Entry::Capacity(_)
        | Entry::Stopped { .. }
        | Entry::Gone { .. }
        | Entry::Disabled
        | Entry::ForcedDown
        | Entry::Way(_)
        | Entry::Confirmed { .. } => true,
        Entry::Tier(entry) => entry.is_progress(),
        Entry::Claimed { .. }
        | Entry::Proven { .. }
        | Entry::Held { .. }
        | Entry::Guard(_)
        | Entry::Shadow(_)
        | Entry::Fence(_)
        | Entry::Waiting { .. }
        | Entry::ForceDownIntended
        | Entry::DisableIntended
        | Entry::Intended { .. }
        | Entry::Refused { .. }
        | Entry::Postponed { .. }
        | Entry::NotRestored { .. }
        | Entry::Hand(_)
        | Entry::Step(_)
        | Entry::Restart(_)
        | Entry::Process(_)
        | Entry::Return(_)
        | Entry::Drill(_)
        | Entry::Drain(_)
        | Entry::Ended { .. } => false,
    }
}
