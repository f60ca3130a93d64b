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

    /// Of `asked` the database has renewed `still`, by a statement sent at `sent`.
    fn renewed(&self, asked: &[Lease], still: Vec<Lease>, sent: Boot) {
        self.drop_lost(asked, &still);
        // Given back while we renewed: must not come back to life.
        let held = self.leases();
        let still = still.into_iter().filter(|l| held.contains(l)).collect();
        self.extend(still, sent);
    }

    fn drop_lost(&self, asked: &[Lease], still: &[Lease]) {
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
                Some(Ok(still)) => self.tenures.renewed(&leases, still, sent),
                Some(Err(e)) => tracing::warn!(error = %e, "leases were not renewed"),
                None => tracing::warn!("renewing the leases took longer than they last"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recovery::{NotificationId, lease::Owner};

    const TERM: Duration = Duration::from_secs(10);

    fn lease(of: &str, generation: u64) -> Lease {
        let key = LeaseKey::recovery(&NotificationId::new(of));
        Lease { key, owner: Owner("one:1:abc".into()), generation }
    }

    /// Holds these, taken at 5 s.
    fn holding(leases: &[Lease]) -> Tenures {
        let tenures = Tenures::new(TERM);
        tenures.extend(leases.to_vec(), Boot(5_000));
        tenures
    }

    #[test]
    fn nothing_is_sent_in_the_last_second_of_a_lease_and_then_it_is_over() {
        let lease = lease("a", 1);
        let tenures = holding(std::slice::from_ref(&lease));
        assert!(tenures.allows(&lease, Boot(13_999)));
        assert!(!tenures.allows(&lease, Boot(14_000)));
        assert!(!tenures.is_over(&lease, Boot(14_999)));
        assert!(tenures.is_over(&lease, Boot(15_000)));
        tenures.renewed(std::slice::from_ref(&lease), vec![lease.clone()], Boot(8_000));
        assert!(tenures.allows(&lease, Boot(16_999)) && !tenures.allows(&lease, Boot(17_000)));
    }

    #[test]
    fn a_lease_of_another_generation_allows_nothing() {
        let tenures = holding(&[lease("a", 2)]);
        for other in [1, 3] {
            assert!(!tenures.allows(&lease("a", other), Boot(6_000)), "{other}");
            assert!(tenures.is_over(&lease("a", other), Boot(6_000)), "{other}");
        }
    }

    #[test]
    fn what_another_engine_took_is_not_held_any_more() {
        let [ours, lost] = [lease("a", 1), lease("b", 1)];
        let both = [ours.clone(), lost.clone()];
        let tenures = holding(&both);
        tenures.renewed(&both, vec![ours.clone()], Boot(6_000));
        assert_eq!(tenures.leases(), [ours]);
        assert!(!tenures.allows(&lost, Boot(6_001)));
    }

    #[test]
    fn a_renewal_neither_brings_back_what_was_given_back_nor_drops_what_was_taken_since() {
        let before = lease("a", 1);
        let tenures = holding(std::slice::from_ref(&before));
        tenures.forget(std::slice::from_ref(&before));
        tenures.renewed(std::slice::from_ref(&before), vec![before.clone()], Boot(6_000));
        assert_eq!(tenures.leases(), []);
        let since = lease("a", 2);
        tenures.extend(vec![since.clone()], Boot(7_000));
        tenures.forget(std::slice::from_ref(&before));
        tenures.renewed(std::slice::from_ref(&before), Vec::new(), Boot(6_000));
        assert_eq!(tenures.leases(), [since]);
    }
}
