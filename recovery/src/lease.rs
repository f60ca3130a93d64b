//! Who may act: leases that never compare two machines' clocks.
//!
//! A lease is a row `(key, owner, generation, beat)`. Its owner bumps `beat` every third of the term.
//! Whoever wants to take it over must have seen one and the same `(generation, beat)` for a whole
//! term *on its own clock* ([`Watch`]) and then compares-and-sets both. The owner counts its
//! term from the moment it *sent* its last good renewal ([`Tenure`]), which is earlier than the
//! moment any other could have seen the new beat: so the owner's term ends first.
//!
//! All times here are milliseconds of the machine's own boot clock.

use crate::{HostName, NotificationId, ServerId};
use alloc::{borrow::ToOwned, collections::BTreeMap, format, string::String, vec::Vec};
use core::fmt;

/// What a lease is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseKey(String);

impl LeaseKey {
    /// The right to act in one recovery.
    #[must_use]
    pub fn recovery(of: &NotificationId) -> Self {
        Self(format!("recovery:{of}"))
    }

    /// The notification in whose recovery it is the right to act; `None` of other keys.
    #[must_use]
    pub fn notification(&self) -> Option<&str> {
        self.0.strip_prefix("recovery:")
    }

    /// The right to recover one failed host; two reports of one host wait for each other.
    #[must_use]
    pub fn host(name: &HostName) -> Self {
        Self(format!("host:{name}"))
    }

    /// The right to send servers to a reserved host.
    #[must_use]
    pub fn reserved(name: &HostName) -> Self {
        Self(format!("reserved:{name}"))
    }

    /// How each key of [`Self::server`] begins.
    pub const OF_SERVERS: &str = "server:";

    /// The right to restart one server.
    #[must_use]
    pub fn server(id: &ServerId) -> Self {
        Self(format!("{}{id}", Self::OF_SERVERS))
    }

    /// The right to answer to the failure of a process of the host.
    #[must_use]
    pub fn process(host: &HostName) -> Self {
        Self(format!("process:{host}"))
    }

    /// The right to look at all hosts' fence devices.
    #[must_use]
    pub fn fence_checks() -> Self {
        Self("fence-checks".into())
    }

    /// The right to look at the whole cloud: one engine at a time does, once.
    #[must_use]
    pub fn report() -> Self {
        Self("report".to_owned())
    }

    /// The key as it stands in the database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a key of the database.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run of one engine: `host:pid:random`. A restarted engine is another owner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A lease that we hold, or held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    pub key: LeaseKey,
    pub owner: Owner,
    /// Goes up by one each time it changes hands: what a former owner writes is refused.
    pub generation: u64,
}

/// A lease as the database has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseRow {
    pub key: LeaseKey,
    /// Nobody after it was given back.
    pub owner: Option<Owner>,
    pub generation: u64,
    pub beat: u64,
}

/// What may be done about a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nobody holds it: take it.
    Free,
    /// Somebody holds it and may be alive.
    Held,
    /// Its owner did not renew it for a whole term: take it.
    Expired,
}

/// The leases of others, as we saw them.
#[derive(Default, Debug)]
pub struct Watch {
    /// The last `(generation, beat)` and when it was first seen.
    seen: BTreeMap<LeaseKey, (u64, u64, u64)>,
}

impl Watch {
    /// Notes what the database shows now and judges it.
    pub fn observe(&mut self, row: &LeaseRow, now_ms: u64, term_ms: u64) -> Standing {
        if row.owner.is_none() {
            self.seen.remove(&row.key);
            return Standing::Free;
        }
        let fresh = (row.generation, row.beat, now_ms);
        let (generation, beat, since_ms) = *self.seen.entry(row.key.clone()).or_insert(fresh);
        if (generation, beat) != (row.generation, row.beat) {
            self.seen.insert(row.key.clone(), fresh);
            return Standing::Held;
        }
        if now_ms.saturating_sub(since_ms) >= term_ms { Standing::Expired } else { Standing::Held }
    }

    /// Forgets every lease but those of `rows`, so that this does not grow for ever.
    pub fn keep_only(&mut self, rows: &[LeaseRow]) {
        let keys: Vec<&LeaseKey> = rows.iter().map(|row| &row.key).collect();
        self.seen.retain(|key, _| keys.contains(&key));
    }
}

/// How long the owner of a lease may still act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tenure {
    renewal_sent_ms: u64,
    term_ms: u64,
}

impl Tenure {
    /// A tenure whose last good renewal (or taking) was *sent* at `sent_ms`.
    #[must_use]
    pub fn from_sending(sent_ms: u64, term_ms: u64) -> Self {
        Self { renewal_sent_ms: sent_ms, term_ms }
    }

    /// What is left of it; zero means: no act may start.
    #[must_use]
    pub fn left_ms(self, now_ms: u64) -> u64 {
        self.term_ms.saturating_sub(now_ms.saturating_sub(self.renewal_sent_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: u64 = 10_000;

    fn row(owner: Option<&str>, generation: u64, beat: u64) -> LeaseRow {
        let key = LeaseKey::host(&HostName::new("compute01"));
        LeaseRow { key, owner: owner.map(|o| Owner(o.into())), generation, beat }
    }

    #[test]
    fn a_recoverys_own_key_names_its_notification_and_no_other_does() {
        let id = NotificationId::new("8470e120");
        assert_eq!(LeaseKey::recovery(&id).notification(), Some("8470e120"));
        assert_eq!(LeaseKey::host(&HostName::new("recovery")).notification(), None);
    }

    #[test]
    fn a_lease_that_was_given_back_is_free_at_once() {
        assert_eq!(Watch::default().observe(&row(None, 4, 9), 0, TERM), Standing::Free);
    }

    #[test]
    fn a_silent_owner_loses_it_after_a_whole_term_of_our_own_clock() {
        let mut watch = Watch::default();
        assert_eq!(watch.observe(&row(Some("a"), 1, 5), 1_000, TERM), Standing::Held);
        assert_eq!(watch.observe(&row(Some("a"), 1, 5), 10_999, TERM), Standing::Held);
        assert_eq!(watch.observe(&row(Some("a"), 1, 5), 11_000, TERM), Standing::Expired);
    }

    #[test]
    fn every_beat_and_every_change_of_hands_starts_the_term_anew() {
        let mut watch = Watch::default();
        watch.observe(&row(Some("a"), 1, 5), 0, TERM);
        assert_eq!(watch.observe(&row(Some("a"), 1, 6), 9_999, TERM), Standing::Held);
        assert_eq!(watch.observe(&row(Some("b"), 2, 6), 19_000, TERM), Standing::Held);
        assert_eq!(watch.observe(&row(Some("b"), 2, 6), 28_999, TERM), Standing::Held);
        assert_eq!(watch.observe(&row(Some("b"), 2, 6), 29_000, TERM), Standing::Expired);
    }

    #[test]
    fn the_owners_term_ends_before_any_other_may_take_over() {
        // It sent a renewal at 1 000 of which another saw the beat at 1 000 at the earliest.
        let mine = Tenure::from_sending(1_000, TERM);
        assert_eq!(mine.left_ms(10_999), 1);
        assert_eq!(mine.left_ms(11_000), 0);
        assert_eq!(mine.left_ms(500), TERM, "a clock that seems to go back is not believed");
    }
}
