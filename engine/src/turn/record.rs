//! Writes the log: first the database, then what we believe.

use super::{OUTAGE_WAIT, Turns, chain};
use crate::{Engine, error::Stop, tell};
use recovery::{
    NotificationId,
    lease::Lease,
    log::{Entry, Line, Summary},
};

impl Turns<'_> {
    /// Writes `entries` and what follows from them, then believes them.
    pub(super) async fn record(&mut self, entries: Vec<Entry>) -> Result<(), Stop> {
        let engine = self.engine;
        let mut entries = entries;
        // Two notes of one outage may come back at once.
        entries.dedup_by(|a, b| matches!((a, b), (Entry::Waiting { .. }, Entry::Waiting { .. })));
        if entries.is_empty() {
            return Ok(());
        }
        let at = engine.now();
        let mut next = self.state.clone();
        let mut lines = Vec::with_capacity(entries.len());
        for entry in merged(entries) {
            let line = Line { seq: next.last_seq + 1, at, entry };
            next.apply(&line)?;
            lines.push(line);
        }
        let summaries = next.summaries(&self.state, &lines, &self.mission.subject);
        let id = &self.mission.subject.notification;
        engine.write(&self.lease, id, &lines, &summaries).await?;
        self.state = next;
        tell::written(lines.iter().map(|line| &line.entry), &self.state, at);
        self.note_rest();
        Ok(())
    }
}

impl Engine {
    /// Writes lines and what follows from them. While the database is away it is tried again, as long as
    /// the lease lasts.
    pub(crate) async fn write(
        &self,
        lease: &Lease,
        id: &NotificationId,
        lines: &[Line],
        summaries: &[Summary],
    ) -> Result<(), Stop> {
        loop {
            match self.ports.store.append(lease, id, lines, summaries).await {
                Ok(()) => return Ok(()),
                Err(store::StoreError::LeaseLost { key }) => return Err(Stop::LeaseLost { key }),
                // Another recovery was quicker with a reserved host: from the log as it is, anew.
                Err(e @ store::StoreError::InUse { .. }) => return Err(e.into()),
                Err(e) if self.tenures.is_over(lease, self.ports.clock.boot()) => {
                    return Err(e.into());
                }
                Err(store::StoreError::Unreadable { .. }) if self.is_longer(id, lines).await => {
                    return Err(Stop::Overtaken);
                }
                Err(e) => {
                    tracing::warn!(error = chain(&e), "the log cannot be written; trying again");
                    let wait = self.ports.entropy.jitter(OUTAGE_WAIT.0);
                    self.ports.clock.sleep(wait).await;
                }
            }
        }
    }

    /// Whether somebody has written where `lines` should stand. A log with a gap, or one that cannot be read,
    /// is another matter.
    async fn is_longer(&self, id: &NotificationId, lines: &[Line]) -> bool {
        let log = self.ports.store.log(id).await;
        let last = log.ok().and_then(|log| log.last().map(|line| line.seq));
        lines.first().is_some_and(|line| last >= Some(line.seq))
    }
}

/// Neighbours that say the same of several servers become one line.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    for entry in entries {
        match (out.last_mut(), entry) {
            (Some(Entry::Did { act, servers }), Entry::Did { act: same, servers: more })
                if *act == same =>
            {
                servers.extend(more)
            }
            (_, entry) => out.push(entry),
        }
    }
    out
}
