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
    after: Option<ServerId>,
    /// Not before this.
    next: Option<Boot>,
}

impl Turns<'_> {
    /// Whom the look that begins now asks about; the next one does so some time later.
    pub(super) fn quiet(&mut self) -> Quiet {
        let now = self.engine.now();
        let limits = &self.engine.config().limits;
        let still = self.state.progress_at.is_some_and(|p| now.since(p) >= STILL_MS)
            && !self.glance.has_news();
        if !still || self.quiet.next.is_some_and(|next| next > self.boot()) {
            return Quiet::default();
        }
        let long = |since: Millis| now.since(since) >= ASK_AFTER_MS.min(limits.arrival_ms * 2 / 3);
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
        if !servers.is_empty() {
            self.quiet.next = Some(self.boot().plus(ASK_EVERY));
        }
        Quiet { servers, after: self.quiet.after.clone() }
    }

    /// What the answers say besides the records; while Nova's bus is away nobody is late.
    pub(super) fn asked(&mut self, asked: Asked) -> Option<Entry> {
        if asked.upto.is_some() {
            self.quiet.after = asked.upto;
        }
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
