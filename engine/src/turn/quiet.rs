//! Who has been on the way for so long that Nova is asked what became of the request.
//!
//! As long as anything of the recovery comes further, Nova works through its queue and nobody is asked about.

use super::Turns;
use crate::records::{Asked, Quiet};
use ports::Boot;
use recovery::{Millis, ServerId, explain::words::BUS_SILENT, log::Entry, state::Stage};
use std::{collections::BTreeSet, time::Duration};

/// So long Nova's conductor waits for the scheduler (`rpc_response_timeout`): before that it cannot have given up.
const ASK_AFTER_MS: i64 = 60_000;
/// Nothing of the recovery has come further for so long.
const STILL_MS: i64 = 15_000;
/// The least time between two such questions.
const ASK_EVERY: Duration = Duration::from_secs(5);

#[derive(Default, Debug)]
pub(super) struct Desk {
    /// Up to whom the last questions came: they are few at a time, and go on behind it.
    after: Option<ServerId>,
    /// Not before this.
    next: Option<Boot>,
}

impl Desk {
    fn may_ask(&self, now: Boot) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    fn asks(&mut self, servers: BTreeSet<ServerId>, now: Boot) -> Quiet {
        if !servers.is_empty() {
            self.next = Some(now.plus(ASK_EVERY));
        }
        Quiet { servers, after: self.after.clone() }
    }

    fn came(&mut self, upto: Option<ServerId>) {
        if upto.is_some() {
            self.after = upto;
        }
    }
}

/// Whether Nova may have given up what it was asked for so long ago; and who ends sooner than that is asked about sooner.
fn is_long(waited_ms: i64, arrival_ms: i64) -> bool {
    waited_ms >= ASK_AFTER_MS.min(arrival_ms * 2 / 3)
}

impl Turns<'_> {
    /// Whom the look that begins now asks about; the next one does so some time later.
    pub(super) fn quiet(&mut self) -> Quiet {
        let now = self.engine.now();
        let limits = &self.engine.config().limits;
        let still = self.state.progress_at.is_some_and(|p| now.since(p) >= STILL_MS)
            && !self.glance.has_news();
        if !still || !self.quiet.may_ask(self.boot()) {
            return Quiet::default();
        }
        let long = |since: Millis| is_long(now.since(since), limits.arrival_ms);
        let quiet = self.state.moves.values().filter(|m| match m.stage {
            Stage::Asking { since, .. } | Stage::Moving { since } => long(since),
            Stage::Waiting { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. }
            | Stage::Ended { .. } => false,
        });
        let servers = quiet.map(|m| m.planned.server.clone());
        let servers: BTreeSet<ServerId> = servers.filter(|id| !self.busy.contains(id)).collect();
        let now = self.boot();
        self.quiet.asks(servers, now)
    }

    /// What the answers say besides the records; while Nova's bus is away nobody is late.
    pub(super) fn asked(&mut self, asked: Asked) -> Option<Entry> {
        self.quiet.came(asked.upto);
        if !asked.bus_is_silent {
            return None;
        }
        self.answered_since = self.engine.now();
        let entry = self.waiting(BUS_SILENT);
        if entry.is_some() {
            tracing::warn!(why = BUS_SILENT, "Nova's message bus seems to be away; waiting for it");
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> BTreeSet<ServerId> {
        ids.iter().map(|id| ServerId::new(*id)).collect()
    }

    #[test]
    fn questions_are_five_seconds_apart_and_none_is_none() {
        let mut desk = Desk::default();
        desk.asks(ids(&[]), Boot(1_000));
        assert!(desk.may_ask(Boot(1_000)));
        assert_eq!(desk.asks(ids(&["a", "b"]), Boot(1_000)).servers, ids(&["a", "b"]));
        assert!(!desk.may_ask(Boot(5_999)) && desk.may_ask(Boot(6_000)));
    }

    #[test]
    fn who_was_not_asked_about_yet_is_asked_about_next() {
        let mut desk = Desk::default();
        let after = |desk: &mut Desk| desk.asks(ids(&["a", "b", "c"]), Boot(0)).after;
        assert_eq!(after(&mut desk), None);
        desk.came(Some(ServerId::new("b")));
        assert_eq!(after(&mut desk), Some(ServerId::new("b")));
        desk.came(None);
        assert_eq!(after(&mut desk), Some(ServerId::new("b")), "that look asked about nobody");
    }

    #[test]
    fn nobody_is_asked_about_before_novas_conductor_has_given_up_unless_his_time_ends_before() {
        assert!(!is_long(59_999, 90_000) && is_long(60_000, 90_000));
        assert!(!is_long(59_999, 600_000) && is_long(60_000, 600_000));
        assert!(!is_long(19_999, 30_000) && is_long(20_000, 30_000));
    }
}
