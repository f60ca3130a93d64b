//! The loop after a process of a host failed: maintenance, and the service out of service.

use crate::{
    Engine,
    error::Stop,
    journal::{Journal, Outcome, Stopping},
    look::Hides,
};
use recovery::{
    ServiceId,
    fold::again_at,
    hand,
    log::Entry,
    nouns::NotificationStatus,
    process::{self, Due, Event, State},
};
use serde_json::json;
use std::pin::pin;

impl Engine {
    /// Runs it to its end, or until the lease is lost.
    pub(crate) async fn answer_to_process(
        &self,
        mut journal: Journal<'_, State>,
        process: &str,
        stopping: impl Future<Output = ()>,
    ) -> Result<NotificationStatus, Stop> {
        let mut stopping = pin!(stopping);
        loop {
            if let Some(status) = journal.ended() {
                return Ok(status);
            }
            journal.still_ours()?;
            if let Some(end) = journal.heed(hand::end_of_process) {
                journal.record(end).await?;
                continue;
            }
            let Some((due, hides)) =
                self.due_after(&mut journal, process, stopping.as_mut()).await?
            else {
                continue;
            };
            let acts = match due {
                Due::Note(_) | Due::Wait { .. } => false,
                Due::RunStep(_) | Due::Disable(_) => true,
            };
            if acts && journal.disarmed(stopping.as_mut()).await? {
                continue;
            }
            match due {
                Due::Note(entries) => journal.record(entries).await?,
                Due::Wait { until } => journal.wait(until, stopping.as_mut()).await?,
                Due::RunStep(run) => {
                    let more = json!({ "failure": "process", "process": process });
                    journal.run_step(&run, more, stopping.as_mut()).await?;
                }
                Due::Disable(service) => {
                    self.disable_it(&mut journal, &service, &hides, stopping.as_mut()).await?;
                }
            }
        }
    }

    /// What is due, and what a write to the service would hide; nothing when Nova does not answer.
    async fn due_after(
        &self,
        journal: &mut Journal<'_, State>,
        process: &str,
        stopping: Stopping<'_>,
    ) -> Result<Option<(Due, Hides)>, Stop> {
        let limits = &self.config().process_limits;
        if let Some(due) = process::at_first(&journal.state, process, limits, self.now()) {
            return Ok(Some((due, Hides { service: None, own_write: None })));
        }
        let host = journal.subject.host.clone();
        match self.ports.nova.compute_service(&host).await {
            Ok(service) => {
                journal.heard();
                let now = self.now();
                let due = process::judge(&journal.state, limits, &host, service.as_ref(), now);
                Ok(Some((due, Hides { service, own_write: None })))
            }
            Err(failed) => {
                journal.outage(&failed, stopping).await?;
                Ok(None)
            }
        }
    }

    async fn disable_it(
        &self,
        journal: &mut Journal<'_, State>,
        service: &ServiceId,
        hides: &Hides,
        stopping: Stopping<'_>,
    ) -> Result<(), Stop> {
        journal.record(vec![Entry::Process(Event::DisableIntended)]).await?;
        let lease = journal.lease.clone();
        let config = self.config();
        let act = self.disable(&lease, service, hides, &config.process_disable_reason);
        let event = match journal.act(act, stopping).await? {
            Outcome::Taken => Event::DisableTaken,
            Outcome::Refused { why } => {
                let retry_ms = self.config().process_limits.retry_ms;
                let again_at = again_at(retry_ms, journal.state.attempts, self.now());
                Event::DisableRefused { why, again_at }
            }
            Outcome::NotAsked { until } => Event::NotAsked { until },
            Outcome::Unknown => return Ok(()),
        };
        journal.record(vec![Entry::Process(event)]).await
    }
}
