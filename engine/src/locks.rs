//! Locks that an engine has left: found by the recovery that they name, and undone.
//!
//! An engine that stops dead may have sent one more lock, which lands after another engine has brought the
//! recovery to its end and unlocked the server. Nothing in a log tells of it. But each of our locks says
//! which recovery it is for, so what is locked for one that has ended a while ago is unlocked.

use crate::{Engine, acts::LOCK_REASON, turn::chain};
use recovery::{
    NotificationId, ServerId,
    lease::{Lease, LeaseKey},
    nouns::NotificationStatus,
};
use std::{collections::BTreeMap, time::Duration};
use store::StoreError;

/// How often Nova is asked for what is locked.
const EVERY: Duration = Duration::from_secs(300);
/// For so long after its end a recovery's locks may still be on their way, or its unlocks.
const ENDED_FOR_MS: i64 = 120_000;

impl Engine {
    /// Undoes locks that were left, from time to time, for ever.
    pub(crate) async fn undo_left_locks(&self) {
        loop {
            self.ports.clock.sleep(EVERY).await;
            let locked = match self.ports.nova.locked().await {
                Ok(locked) => locked,
                Err(e) => {
                    tracing::debug!(error = chain(&e), "what is locked cannot be listed");
                    continue;
                }
            };
            for (recovery, servers) in by_recovery(locked) {
                if let Err(e) = self.undo_locks_of(&recovery, &servers).await {
                    tracing::debug!(error = chain(&e), "locks that were left cannot be undone");
                }
            }
        }
    }

    async fn undo_locks_of(
        &self,
        recovery: &NotificationId,
        servers: &[ServerId],
    ) -> Result<(), StoreError> {
        if !self.ended_a_while_ago(recovery).await? {
            return Ok(());
        }
        let Some((_taking, lease)) = self.take_free(LeaseKey::recovery(recovery)).await? else {
            return Ok(());
        };
        // A person may have had it tried again since we asked; from here on nobody can.
        let still = self.ended_a_while_ago(recovery).await;
        if let Ok(true) = still {
            self.undo_locks(&lease, recovery, servers).await;
        }
        let leases = [lease];
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        still.map(|_| ())
    }

    async fn undo_locks(&self, lease: &Lease, recovery: &NotificationId, servers: &[ServerId]) {
        for server in servers {
            match self.settle(lease, server, false, true).await {
                Ok(()) => {
                    tracing::warn!(%server, notification = %recovery, "a lock that was left is undone");
                }
                Err(e) => {
                    tracing::warn!(%server, why = chain(&e), "a lock that was left is not undone");
                }
            }
        }
    }

    async fn ended_a_while_ago(&self, id: &NotificationId) -> Result<bool, StoreError> {
        let Some(notification) = self.ports.store.notification(id).await? else {
            return Ok(false);
        };
        match notification.status {
            NotificationStatus::Finished
            | NotificationStatus::Failed
            | NotificationStatus::Ignored => {}
            NotificationStatus::New | NotificationStatus::Running | NotificationStatus::Error => {
                return Ok(false);
            }
        }
        let ended = notification.updated_at.or(notification.created_at).unwrap_or_default();
        Ok(self.ports.clock.wall().since(ended) >= ENDED_FOR_MS)
    }
}

/// Which servers are locked for which recovery; other locks are not ours.
fn by_recovery(locked: Vec<(ServerId, String)>) -> BTreeMap<NotificationId, Vec<ServerId>> {
    let mut found: BTreeMap<NotificationId, Vec<ServerId>> = BTreeMap::new();
    for (server, reason) in locked {
        if let Some(id) = reason.strip_prefix(LOCK_REASON) {
            found.entry(NotificationId::new(id)).or_default().push(server);
        }
    }
    found
}
