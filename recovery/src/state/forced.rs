//! What Nova shows of a service that was meant to be forced down, where it is not known whether that was done.

use super::{Once, State};
use crate::{Millis, seen::OWN_WRITE_MS};

/// An order to force a service down has landed so soon after it was meant.
const FORCED_WITHIN_MS: i64 = 30_000;

impl State {
    /// Whether a change of the service at that time may be the forcing down of which only the intent is written. What is
    /// later is taken for a heartbeat: it must not be hidden for good by a line that nobody completed.
    #[must_use]
    pub fn may_have_forced_down_at(&self, at: Millis) -> bool {
        let after = self.force_down_meant_at.map(|meant| at.since(meant));
        self.forced_down == Once::Intended
            && after.is_some_and(|ms| (-OWN_WRITE_MS..=FORCED_WITHIN_MS).contains(&ms))
    }
}
