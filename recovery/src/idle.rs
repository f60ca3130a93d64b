//! Why a report asks for nothing: the sentences with which such a recovery ends, and what they are read as.

use crate::stops;
use alloc::{format, string::String};

pub const HOST_DELETED: &str = "the host was deleted from its segment";
pub const SEGMENT_DELETED: &str = "the segment was deleted";
pub const UNCERTAIN: &str =
    "the monitor is not certain that the host is down (host_status is not NORMAL)";
pub const NEITHER: &str = "the event is neither STOPPED nor STARTED";
pub const NO_FAILURE: &str = "the event is no failure of an instance";
pub const NO_INSTANCE: &str = "the report names no instance";
const DISABLED: (&str, &str) = ("the segment '", "' is disabled");
const TOO_OLD: &str = "nothing was done: it was reported ";
const GIVEN_UP: &str = "given up after ";

/// What such a sentence means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    SegmentDisabled,
    HostDeleted,
    SegmentDeleted,
    Uncertain,
    NoFailure,
    TooOld,
    /// A planned stop that is over.
    AsPlanned,
}

/// The segment is switched off.
#[must_use]
pub fn disabled(segment: &str) -> String {
    format!("{}{segment}{}", DISABLED.0, DISABLED.1)
}

/// Nobody took it up in time.
#[must_use]
pub fn too_old(age_s: i64, most_s: i64) -> String {
    format!("{TOO_OLD}{age_s} s ago, and nobody took it up within {most_s} s")
}

/// The recovery is older than it may become.
#[must_use]
pub fn given_up(expiry_ms: i64, why: &str) -> String {
    format!("{GIVEN_UP}{} s: {why}", expiry_ms / 1000)
}

/// Whether a recovery that ended with this message was given up for its age.
#[must_use]
pub fn is_given_up(message: &str) -> bool {
    message.starts_with(GIVEN_UP)
}

/// What the message of a recovery that had nothing to do means.
#[must_use]
pub fn read(message: &str) -> Option<Idle> {
    let known = [
        (HOST_DELETED, Idle::HostDeleted),
        (SEGMENT_DELETED, Idle::SegmentDeleted),
        (UNCERTAIN, Idle::Uncertain),
        (NEITHER, Idle::NoFailure),
        (NO_FAILURE, Idle::NoFailure),
        (NO_INSTANCE, Idle::NoFailure),
        (stops::BACK, Idle::AsPlanned),
    ];
    if let Some((_, idle)) = known.into_iter().find(|(sentence, _)| *sentence == message) {
        return Some(idle);
    }
    if message.starts_with(DISABLED.0) && message.ends_with(DISABLED.1) {
        return Some(Idle::SegmentDisabled);
    }
    message.starts_with(TOO_OLD).then_some(Idle::TooOld)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_is_read_as_what_it_was_written_for() {
        assert_eq!(read(&disabled("rack 1")), Some(Idle::SegmentDisabled));
        assert_eq!(read(&too_old(90_000, 86_400)), Some(Idle::TooOld));
        assert_eq!(read(HOST_DELETED), Some(Idle::HostDeleted));
        assert_eq!(read(UNCERTAIN), Some(Idle::Uncertain));
        assert_eq!(read(NEITHER), Some(Idle::NoFailure));
        assert_eq!(read("the segment's disk is full"), None);
        let given_up = given_up(86_400_000, "no room");
        assert_eq!(given_up, "given up after 86400 s: no room");
        assert!(is_given_up(&given_up) && !is_given_up("no room"));
    }
}
