//! How long we may act: the leases of this engine and their renewal.
//!
//! An act starts only while its lease has time left, counted from *sending* the last good renewal
//! ([`recovery::lease::Tenure`]). A stopped process that wakes up finds no time left and starts
//! nothing; what it had sent before is covered by each act's own reason in `acts.rs`.

use crate::Engine;
use ports::Boot;
use recovery::lease::{Lease, LeaseKey, Tenure};
use std::{cell::RefCell, collections::BTreeMap, time::Duration};

/// A call is sent only with this much of the lease left: more than it takes to connect and write.
const SEND_MARGIN_MS: u64 = 1_000;

/// The leases that this engine holds.
#[derive(Debug)]
pub(crate) struct Tenures {
    term_ms: u64,
    held: RefCell<BTreeMap<LeaseKey, (Lease, Tenure)>>,
}

impl Tenures {
    pub(crate) fn new(term: Duration) -> Self {
        let term_ms = u64::try_from(term.as_millis()).unwrap_or(u64::MAX);
        Self { term_ms, held: RefCell::default() }
    }

    pub(crate) fn term_ms(&self) -> u64 {
        self.term_ms
    }

    /// Leases that were taken, or renewed, by a statement sent at `sent`.
    pub(crate) fn extend(&self, leases: Vec<Lease>, sent: Boot) {
        let tenure = Tenure::from_sending(sent.0, self.term_ms);
        let mut held = self.held.borrow_mut();
        held.extend(leases.into_iter().map(|lease| (lease.key.clone(), (lease, tenure))));
    }

    pub(crate) fn drop_lost(&self, asked: &[Lease], still: &[Lease]) {
        let mut held = self.held.borrow_mut();
        for lost in asked.iter().filter(|l| !still.contains(l)) {
            tracing::warn!(lease = %lost.key, "another engine took this lease");
            if held.get(&lost.key).is_some_and(|(lease, _)| lease == lost) {
                held.remove(&lost.key);
            }
        }
    }

    pub(crate) fn forget(&self, leases: &[Lease]) {
        let mut held = self.held.borrow_mut();
        for lease in leases {
            if held.get(&lease.key).is_some_and(|(mine, _)| mine == lease) {
                held.remove(&lease.key);
            }
        }
    }

    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.held.borrow().values().map(|(lease, _)| lease.clone()).collect()
    }

    /// Whether this engine has a lease of that key.
    pub(crate) fn has(&self, key: &LeaseKey) -> bool {
        self.held.borrow().contains_key(key)
    }

    /// Whether an act under `lease` may be sent now.
    pub(crate) fn allows(&self, lease: &Lease, now: Boot) -> bool {
        let held = self.held.borrow();
        held.get(&lease.key)
            .is_some_and(|(mine, tenure)| mine == lease && tenure.left_ms(now.0) > SEND_MARGIN_MS)
    }

    /// Whether nothing of it is left.
    pub(crate) fn is_over(&self, lease: &Lease, now: Boot) -> bool {
        let held = self.held.borrow();
        !held
            .get(&lease.key)
            .is_some_and(|(mine, tenure)| mine == lease && tenure.left_ms(now.0) > 0)
    }
}

impl Engine {
    /// Renews every lease each third of the term, for ever.
    pub(crate) async fn keep_tenures(&self) {
        let every = self.config().lease_term / 3;
        loop {
            self.ports.clock.sleep(every).await;
            let leases = self.tenures.leases();
            if leases.is_empty() {
                continue;
            }
            let sent = self.ports.clock.boot();
            let renewal = self.ports.store.renew(&leases);
            match ports::within(&*self.ports.clock, self.config().lease_term, renewal).await {
                Some(Ok(still)) => {
                    self.tenures.drop_lost(&leases, &still);
                    // Given back while we renewed: must not come back to life.
                    let held = self.tenures.leases();
                    let still = still.into_iter().filter(|l| held.contains(l)).collect();
                    self.tenures.extend(still, sent);
                }
                Some(Err(e)) => tracing::warn!(error = %e, "leases were not renewed"),
                None => tracing::warn!("renewing the leases took longer than they last"),
            }
        }
    }
}
