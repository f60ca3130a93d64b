//! What became of each request to evacuate a server, and which records nobody is behind any more.
//!
//! Nova's API writes a record, `accepted`, for each request. The conductor that takes the request up uses *any* `accepted` record of
//! that server (`migration_get_by_instance_and_status(…, 'accepted')`: the first that the database gives), and writes nothing
//! to it when its call to the scheduler is not answered. So once RabbitMQ was away, a record may say `accepted` for
//! ever: that of a request that came to nothing, or that of one that was done on an older record. The record does not tell; the
//! instance actions do, of which each request has its own.
//!
//! [`are_void`] believes that nobody is behind a record only when *every* request that could be is over. What the server shows must be read again after that: by then the last of
//! them may have moved it.

use crate::seen::{Evacuation, EvacuationStatus};
use crate::{Millis, ServerId};

/// One request to evacuate a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Requested {
    /// When Nova's API took it, by our own clock.
    pub at: Millis,
    pub fate: Fate,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Somebody may be at work on it, or may still begin.
    Open,
    /// Nova's conductor gave it up at `at`, before any host was told.
    GivenUp { at: Millis },
    /// It was done, or failed for good.
    Over,
}

/// How much later than the conductor gave up a nova-compute must have been heard.
///
/// What the conductor had taken from RabbitMQ just when that stopped is in the queue again when it is back, in front of
/// the heartbeats: by then its second life would show.
pub const HEARD_AFTER_MS: i64 = 5_000;

/// A request is written down before its record, by so much at most.
pub const RECORD_LAG_MS: i64 = 60_000;

/// Whether one of the requests was given up and it is not yet certain that Nova's bus works again.
#[must_use]
pub fn waits_for_the_bus(requests: &[Requested], heard: Option<Millis>) -> bool {
    let unsure = |r: &Requested| match r.fate {
        Fate::GivenUp { at } => !is_heard(at, heard),
        Fate::Open | Fate::Over => false,
    };
    requests.iter().any(unsure)
}

fn is_heard(after: Millis, heard: Option<Millis>) -> bool {
    heard.is_some_and(|heard| heard.since(after) >= HEARD_AFTER_MS)
}

/// Since when requests matter to the records of `server` that nobody has begun; `None`: it has none, or one of
/// an unknown age.
#[must_use]
pub fn to_be_asked_since(server: &ServerId, records: &[Evacuation]) -> Option<Millis> {
    let mut oldest: Option<Millis> = None;
    for record in records.iter().filter(|e| is_accepted(server, e)) {
        let at = record.created?.plus(-RECORD_LAG_MS);
        oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
    }
    oldest
}

/// Whether nobody is behind any of the `accepted` records of `server`.
///
/// `requests` are all that Nova took since [`to_be_asked_since`], asked for *after* the records were listed; `heard` is the last
/// heartbeat of another host's nova-compute, asked for before the requests.
#[must_use]
pub fn are_void(
    server: &ServerId,
    records: &[Evacuation],
    requests: &[Requested],
    heard: Option<Millis>,
) -> bool {
    let over = |r: &Requested| match r.fate {
        Fate::Open => false,
        Fate::GivenUp { at } => is_heard(at, heard),
        Fate::Over => true,
    };
    // Each record has its request: with fewer, something is not told.
    let accepted = records.iter().filter(|e| is_accepted(server, e)).count();
    accepted <= requests.len() && requests.iter().all(over)
}

/// Marks the `accepted` records of `server`, which [are void](are_void).
pub fn mark_void(server: &ServerId, records: &mut [Evacuation]) {
    let accepted = records.iter_mut().filter(|e| is_accepted(server, e));
    accepted.for_each(|e| e.status = EvacuationStatus::Void);
}

fn is_accepted(server: &ServerId, record: &Evacuation) -> bool {
    record.server == *server && record.status == EvacuationStatus::Accepted
}
