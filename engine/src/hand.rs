//! What persons ask of a recovery by hand: it becomes a line of the recovery's log, in the transaction
//! that answers the request.
//!
//! Only who holds the recovery's lease writes its log. So a recovery that runs is cancelled by the engine
//! that runs it; where nobody works on it, whoever takes its lease first writes the line, and gives the
//! lease back. Everybody else leaves the request open.

use crate::{Engine, error::Stop, turn::chain};
use recovery::{
    NotificationId,
    hand::{self, HandEntry, Unfit},
    lease::{Lease, LeaseKey},
    log::Entry,
    nouns::Notification,
    request::{Asked, Request, RequestState},
    state::Subject,
};
use std::collections::BTreeMap;
use store::StoreError;

impl Engine {
    /// Notes which recoveries shall be cancelled, for the loops that run them.
    pub(crate) fn note_cancels(&self, open: &[Request]) {
        let cancels: BTreeMap<NotificationId, Request> = open
            .iter()
            .filter_map(|request| match &request.asked {
                Asked::Cancel { notification, .. } => Some((notification.clone(), request.clone())),
                Asked::Retry { .. } | Asked::ConfirmDead { .. } | Asked::Attest { .. } => None,
            })
            .collect();
        let news = cancels.keys().any(|id| !self.cancels.borrow().contains_key(id));
        self.cancels.replace(cancels);
        if news {
            self.wake.nudge();
        }
    }

    /// The line that cancels this recovery, once, if somebody asked for that.
    pub(crate) fn cancel_of(&self, id: &NotificationId) -> Option<Entry> {
        let request = self.cancels.borrow_mut().remove(id)?;
        entry_of(&request).map(Entry::Hand)
    }

    /// Answers what is asked of a recovery that nobody works on.
    pub(crate) async fn answer_by_hand(
        &self,
        request: &Request,
        id: &NotificationId,
    ) -> Result<(), StoreError> {
        let Some(notification) = self.ports.store.notification(id).await? else {
            return self.refuse(request, "there is no such notification any more").await;
        };
        let log = self.ports.store.log(id).await?;
        if let Err(unfit) = fits(request, &notification, &log) {
            return self.refuse(request, &unfit.to_string()).await;
        }
        let Some((_taking, lease)) = self.take_free(LeaseKey::recovery(id)).await? else {
            return Ok(());
        };
        let written = self.write_by_hand(request, &lease, notification).await;
        let leases = [lease];
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        match written {
            Ok(()) => self.wake.nudge(),
            Err(stop) => {
                tracing::warn!(request = %request.id, why = chain(&stop), "not answered yet");
            }
        }
        Ok(())
    }

    /// Under the lease nobody else writes the log: it is read anew.
    async fn write_by_hand(
        &self,
        request: &Request,
        lease: &Lease,
        seen: Notification,
    ) -> Result<(), Stop> {
        let store = &self.ports.store;
        let id = seen.uuid;
        let Some(notification) = store.notification(&id).await? else { return Ok(()) };
        let log = store.log(&id).await?;
        let (Ok(()), Some(entry)) = (fits(request, &notification, &log), entry_of(request)) else {
            return Ok(());
        };
        let Some(host) = store.host(&notification.source_host).await? else {
            self.refuse(request, "its host was deleted from its segment").await?;
            return Ok(());
        };
        let subject = Subject { notification: id.clone(), host_id: host.uuid, host: host.name };
        let kind = notification.kind;
        let (lines, summaries) = hand::written(kind, &log, entry, self.now(), &subject)?;
        self.write(lease, &id, &lines, &summaries).await?;
        let who = &request.who;
        match &request.asked {
            Asked::Retry { reason, .. } => {
                tracing::warn!(notification = %id, request = %request.id, %who, reason, "tried again, by hand");
            }
            Asked::Cancel { reason, .. } => {
                tracing::warn!(notification = %id, request = %request.id, %who, reason, "cancelled, by hand");
            }
            Asked::ConfirmDead { .. } | Asked::Attest { .. } => {}
        }
        Ok(())
    }

    async fn refuse(&self, request: &Request, why: &str) -> Result<(), StoreError> {
        self.answered(request, RequestState::Refused, why, None).await
    }
}

/// Whether it can be done now.
fn fits(
    request: &Request,
    notification: &Notification,
    log: &[recovery::log::Line],
) -> Result<(), Unfit> {
    match &request.asked {
        Asked::Retry { .. } => hand::may_retry(notification.status, log),
        Asked::Cancel { .. } => hand::may_cancel(notification.status, log),
        Asked::ConfirmDead { .. } | Asked::Attest { .. } => Ok(()),
    }
}

fn entry_of(request: &Request) -> Option<HandEntry> {
    let (id, by) = (request.id.clone(), request.who.clone());
    match &request.asked {
        Asked::Retry { reason, .. } => {
            Some(HandEntry::Retried { request: id, by, why: reason.clone() })
        }
        Asked::Cancel { reason, .. } => {
            Some(HandEntry::Cancelled { request: id, by, why: reason.clone() })
        }
        Asked::ConfirmDead { .. } | Asked::Attest { .. } => None,
    }
}
