//! Which recoveries are ours: free ones, and those whose engine has been silent for a whole term.

use crate::Engine;
use futures::channel::mpsc::UnboundedSender;
use recovery::{
    NotificationId,
    lease::{Lease, LeaseKey, LeaseRow, Standing, Watch},
    nouns::NotificationType,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};
use store::{Claim, OpenRecovery, StoreError};

/// How many open recoveries are looked at in one poll; the oldest come first.
const OPEN_MOST: u32 = 1_000;

/// A recovery that this engine has just taken.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) notification: NotificationId,
    /// The first is the recovery's own, under which its log is written.
    pub(crate) leases: Vec<Lease>,
    pub(crate) mark: Mark,
}

/// While it lives nobody else in this engine takes that lease.
#[derive(Debug)]
pub(crate) struct Taking<'e> {
    engine: &'e Engine,
    key: LeaseKey,
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.engine.taking.borrow_mut().remove(&self.key);
    }
}

/// While it lives the recovery counts as running here.
#[derive(Debug)]
pub(crate) struct Mark(NotificationId, Rc<RefCell<BTreeMap<NotificationId, NotificationType>>>);

impl Drop for Mark {
    fn drop(&mut self) {
        self.1.borrow_mut().remove(&self.0);
    }
}

impl Engine {
    /// Polls for work until `stopping`, and sends what it takes to `found`.
    pub(crate) async fn claim(
        &self,
        found: UnboundedSender<Claimed>,
        stopping: impl Future<Output = ()>,
    ) {
        let here = Rc::new(RefCell::new(BTreeMap::new()));
        let mut watch = Watch::default();
        let mut outage = false;
        let polling = async {
            loop {
                match self.poll(&mut watch, &here, &found).await {
                    Ok(()) if outage => {
                        outage = false;
                        tracing::info!("the database answers again");
                    }
                    Ok(()) => {}
                    Err(e) if !outage => {
                        outage = true;
                        tracing::error!(error = %e, "no work can be found; trying again");
                    }
                    Err(_) => {}
                }
                self.wake.wait(&*self.ports.clock, self.config().poll).await;
            }
        };
        futures::future::select(std::pin::pin!(polling), std::pin::pin!(stopping)).await;
        // The renewals and requests beside us go on while the recoveries wind up.
        futures::future::pending::<()>().await;
    }

    async fn poll(
        &self,
        watch: &mut Watch,
        here: &Rc<RefCell<BTreeMap<NotificationId, NotificationType>>>,
        found: &UnboundedSender<Claimed>,
    ) -> Result<(), StoreError> {
        let mut open = self.ports.store.open_recoveries(OPEN_MOST).await?;
        open.retain(|o| !here.borrow().contains_key(&o.notification) && !self.is_tested(o));
        if open.is_empty() {
            return Ok(());
        }
        let others = self.other_rows(&open).await?;
        let mut free = Vec::new();
        let now_ms = self.ports.clock.boot().0;
        let rows = open.iter().filter_map(|o| o.lease.as_ref()).chain(others.values());
        let mut taken: BTreeSet<LeaseKey> = BTreeSet::new();
        for row in rows.clone() {
            if watch.observe(row, now_ms, self.tenures.term_ms()) == Standing::Held {
                taken.insert(row.key.clone());
            }
        }
        watch.keep_only(&rows.cloned().collect::<Vec<_>>());
        for recovery in open {
            let claims = claims_of(&recovery, &others);
            if claims.iter().any(|c| taken.contains(&c.key)) {
                continue;
            }
            taken.extend(claims.iter().map(|c| c.key.clone()));
            free.push((recovery, claims));
        }
        for (recovery, claims) in free {
            if self.is_full(&here.borrow(), recovery.kind) {
                continue;
            }
            self.take(recovery, &claims, here, found).await?;
        }
        Ok(())
    }

    /// To the database two of one engine that take a lease as they both saw it are one that asks twice: both
    /// would have it, and write one log. `None`: another one in this engine is at it.
    pub(crate) fn taking(&self, key: &LeaseKey) -> Option<Taking<'_>> {
        let first = self.taking.borrow_mut().insert(key.clone());
        first.then(|| Taking { engine: self, key: key.clone() })
    }

    /// The lease of a recovery on which nobody works: nobody holds it, or its holder is silent. The first is to
    /// be kept until the lease is given back.
    pub(crate) async fn take_free(
        &self,
        key: LeaseKey,
    ) -> Result<Option<(Taking<'_>, Lease)>, StoreError> {
        let taken = self.take_all_free(&[key]).await?;
        Ok(taken.and_then(|(taking, mut leases)| Some((taking, leases.pop()?))))
    }

    /// The same of several that belong together: all or none. Within this engine the first stands for them.
    pub(crate) async fn take_all_free(
        &self,
        keys: &[LeaseKey],
    ) -> Result<Option<(Taking<'_>, Vec<Lease>)>, StoreError> {
        let runs_here = keys.iter().any(|key| self.tenures.has(key));
        let Some(first) = keys.first().filter(|_| !runs_here) else { return Ok(None) };
        let Some(taking) = self.taking(first) else { return Ok(None) };
        let rows = self.ports.store.leases(keys).await?;
        for row in &rows {
            let now_ms = self.ports.clock.boot().0;
            let term_ms = self.tenures.term_ms();
            let standing = self.recoveries_seen.borrow_mut().observe(row, now_ms, term_ms);
            if standing == Standing::Held {
                return Ok(None);
            }
        }
        let seen = |key: &LeaseKey| {
            let row = rows.iter().find(|row| row.key == *key);
            row.map(|row| (row.generation, row.beat))
        };
        let claims: Vec<Claim> =
            keys.iter().map(|key| Claim { key: key.clone(), seen: seen(key) }).collect();
        let sent = self.ports.clock.boot();
        let taken = self.ports.store.take(&claims, &self.owner).await?;
        self.tenures.extend(taken.clone().unwrap_or_default(), sent);
        Ok(taken.map(|leases| (taking, leases)))
    }

    async fn take(
        &self,
        recovery: OpenRecovery,
        claims: &[Claim],
        here: &Rc<RefCell<BTreeMap<NotificationId, NotificationType>>>,
        found: &UnboundedSender<Claimed>,
    ) -> Result<(), StoreError> {
        let key = LeaseKey::recovery(&recovery.notification);
        let Some(_taking) = self.taking(&key) else { return Ok(()) };
        let sent = self.ports.clock.boot();
        let Some(leases) = self.ports.store.take(claims, &self.owner).await? else {
            return Ok(());
        };
        self.tenures.extend(leases.clone(), sent);
        here.borrow_mut().insert(recovery.notification.clone(), recovery.kind);
        let mark = Mark(recovery.notification.clone(), here.clone());
        let claimed = Claimed { notification: recovery.notification, leases, mark };
        if found.unbounded_send(claimed).is_err() {
            tracing::debug!("taken while shutting down");
        }
        Ok(())
    }

    /// Whether its host is switched off and on at this moment: it gets its power back before it is judged.
    fn is_tested(&self, recovery: &OpenRecovery) -> bool {
        let tested = self.tested.borrow();
        recovery.host_name.as_ref().is_some_and(|host| tested.contains(host))
    }

    /// Whether as many of its kind run here as may.
    fn is_full(
        &self,
        here: &BTreeMap<NotificationId, NotificationType>,
        kind: NotificationType,
    ) -> bool {
        let of_hosts = here.values().filter(|k| **k == NotificationType::ComputeHost).count();
        let resting = self.resting.borrow().len();
        match kind {
            NotificationType::ComputeHost => {
                of_hosts.saturating_sub(resting) >= self.config().recoveries_most
            }
            NotificationType::Process | NotificationType::Vm => {
                here.len() - of_hosts >= self.config().restarts_most
            }
        }
    }

    /// The rows of the leases that recoveries need besides their own.
    async fn other_rows(
        &self,
        open: &[OpenRecovery],
    ) -> Result<BTreeMap<LeaseKey, LeaseRow>, StoreError> {
        let keys: BTreeSet<LeaseKey> = open.iter().filter_map(other_key).collect();
        let rows = self.ports.store.leases(&keys.into_iter().collect::<Vec<_>>()).await?;
        Ok(rows.into_iter().map(|row| (row.key.clone(), row)).collect())
    }
}

/// What two reports about the same thing wait for each other by.
fn other_key(recovery: &OpenRecovery) -> Option<LeaseKey> {
    match recovery.kind {
        NotificationType::ComputeHost => recovery.host_name.as_ref().map(LeaseKey::host),
        NotificationType::Process => recovery.host_name.as_ref().map(LeaseKey::process),
        NotificationType::Vm => recovery.server.as_ref().map(LeaseKey::server),
    }
}

fn claims_of(recovery: &OpenRecovery, others: &BTreeMap<LeaseKey, LeaseRow>) -> Vec<Claim> {
    let seen = |row: &LeaseRow| (row.generation, row.beat);
    let mut claims = vec![Claim {
        key: LeaseKey::recovery(&recovery.notification),
        seen: recovery.lease.as_ref().map(seen),
    }];
    if let Some(key) = other_key(recovery) {
        claims.push(Claim { seen: others.get(&key).map(seen), key });
    }
    claims
}
