//! What persons ask of a recovery by hand: it becomes a line of the recovery's log, in the transaction
//! that answers the request.
//!
//! Only who holds the recovery's lease writes its log. So a recovery that runs is cancelled by the engine
//! that runs it; where nobody works on it, whoever takes its lease first writes the line, and gives the
//! lease back. Everybody else leaves the request open.

use crate::{Engine, error::Stop, turn::chain};
use recovery::{
    NotificationId,
    hand::{self, Hand, HandEntry, Unfit},
    lease::{Lease, LeaseKey},
    log::Entry,
    nouns::Notification,
    request::{Asked, Request, RequestState},
    state::Subject,
};
use std::collections::BTreeMap;
use store::StoreError;

impl Engine {
    /// Notes which recoveries shall be cancelled, approved or rejected, for the loops that run them.
    pub(crate) fn note_words(&self, open: &[Request]) {
        let mut words: BTreeMap<NotificationId, Vec<Request>> = BTreeMap::new();
        for request in open {
            match &request.asked {
                Asked::Cancel { notification, .. }
                | Asked::Approve { notification, .. }
                | Asked::Reject { notification, .. } => {
                    words.entry(notification.clone()).or_default().push(request.clone());
                }
                Asked::Retry { .. }
                | Asked::ConfirmDead { .. }
                | Asked::Attest { .. }
                | Asked::Return { .. }
                | Asked::FenceTest { .. }
                | Asked::Plan { .. }
                | Asked::Report { .. } => {}
            }
        }
        let known = |request: &Request| {
            let before = self.words.borrow();
            before.values().flatten().any(|other| other.id == request.id)
        };
        let news = !words.values().flatten().all(known);
        self.words.replace(words);
        if news {
            self.wake.nudge();
        }
    }

    /// The next line that a person has asked for in this recovery, once, of those that fit it.
    pub(crate) fn word_of(&self, id: &NotificationId, now: &Hand) -> Option<Entry> {
        let asked = self.words.borrow_mut().remove(id)?;
        // The others are read again.
        asked.iter().filter_map(entry_of).find(|entry| goes_with(entry, now)).map(Entry::Hand)
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
            Asked::Approve { reason, .. } => {
                tracing::warn!(notification = %id, request = %request.id, %who, reason, "approved");
            }
            Asked::Reject { reason, .. } => {
                tracing::warn!(notification = %id, request = %request.id, %who, reason, "rejected");
            }
            Asked::ConfirmDead { .. }
            | Asked::Attest { .. }
            | Asked::Return { .. }
            | Asked::FenceTest { .. }
            | Asked::Plan { .. }
            | Asked::Report { .. } => {}
        }
        Ok(())
    }

    pub(crate) async fn refuse(&self, request: &Request, why: &str) -> Result<(), StoreError> {
        self.answered(request, RequestState::Refused, why, None).await
    }
}

/// Whether it is of use to a recovery that runs.
fn goes_with(entry: &HandEntry, now: &Hand) -> bool {
    match entry {
        HandEntry::Cancelled { .. } | HandEntry::Rejected { .. } => now.cancelled.is_none(),
        HandEntry::Approved { .. } => !now.approved && now.cancelled.is_none(),
        HandEntry::Asked { .. } | HandEntry::Retried { .. } => false,
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
        Asked::Approve { .. } => hand::may_approve(notification.status, log),
        Asked::Reject { .. } => hand::may_reject(notification.status, log),
        Asked::ConfirmDead { .. }
        | Asked::Attest { .. }
        | Asked::Return { .. }
        | Asked::FenceTest { .. }
        | Asked::Plan { .. }
        | Asked::Report { .. } => Ok(()),
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
        Asked::Approve { reason, .. } => {
            Some(HandEntry::Approved { request: id, by, why: reason.clone() })
        }
        Asked::Reject { reason, .. } => {
            Some(HandEntry::Rejected { request: id, by, why: reason.clone() })
        }
        Asked::ConfirmDead { .. }
        | Asked::Attest { .. }
        | Asked::Return { .. }
        | Asked::FenceTest { .. }
        | Asked::Plan { .. }
        | Asked::Report { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_is_approved_once_and_cancelled_once_and_not_approved_after_that() {
        let (request, by) = ("1".to_owned(), "ann".to_owned());
        let approved = HandEntry::Approved { request: request.clone(), by: by.clone(), why: None };
        let cancelled =
            HandEntry::Cancelled { request: request.clone(), by: by.clone(), why: None };
        let rejected = HandEntry::Rejected { request, by, why: None };
        let asked = |now: &Hand| [&approved, &cancelled, &rejected].map(|e| goes_with(e, now));
        let untouched = Hand::default();
        assert_eq!(asked(&untouched), [true, true, true]);
        let is_approved = Hand { approved: true, ..Hand::default() };
        assert_eq!(asked(&is_approved), [false, true, true]);
        let is_cancelled = Hand { cancelled: Some("cancelled by ann".into()), ..Hand::default() };
        assert_eq!(asked(&is_cancelled), [false, false, false]);
    }
}
