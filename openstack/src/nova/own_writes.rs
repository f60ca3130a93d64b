//! What we wrote to Nova's services ourselves, by Nova's clock: a time of change that is one of these is no heartbeat.
//!
//! More than the last write of each: while Nova works on the second, a list may show what the first left, and be read
//! when the second is answered. And the one that is under way: a list may show it before its own answer is here. A
//! heartbeat that falls into a write is not lost: either the write came to nothing and the next list shows it again, or
//! it stands where the heartbeat stood, and a host that lives reports anew.

use recovery::{Millis, ServiceId};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Nova's databases keep whole seconds, rounded or cut; its answer to a write has fractions.
const ROUNDING_MS: i64 = 1_000;
/// Our time, brought to Nova's clock by a `Date` header, is off by as much.
pub(super) const OUR_CLOCK_MS: i64 = 2_000;
/// Of each service. A recovery makes two close together, and the way back three.
const REMEMBERED: usize = 4;

#[derive(Default, Debug)]
pub(super) struct OwnWrites(Mutex<BTreeMap<ServiceId, Writes>>);

#[derive(Default, Debug)]
struct Writes {
    /// When Nova said that it made them, the newest last.
    done: VecDeque<Millis>,
    /// When they were sent.
    under_way: Vec<Millis>,
}

impl OwnWrites {
    /// A write is sent at `at`. It is under way until what is returned is dropped.
    pub(super) fn begin(&self, id: &ServiceId, at: Millis) -> UnderWay<'_> {
        self.all().entry(id.clone()).or_default().under_way.push(at);
        UnderWay { all: self, id: id.clone(), at }
    }

    /// Whether a service's time of change may be a write of ours.
    pub(super) fn may_be(&self, id: &ServiceId, changed: Millis) -> bool {
        self.all().get(id).is_some_and(|writes| {
            writes.done.iter().any(|at| changed.since(*at).abs() <= ROUNDING_MS)
                || writes.under_way.iter().any(|at| changed.since(*at) >= -OUR_CLOCK_MS)
        })
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<ServiceId, Writes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write that is under way.
#[derive(Debug)]
pub(super) struct UnderWay<'a> {
    all: &'a OwnWrites,
    id: ServiceId,
    at: Millis,
}

impl UnderWay<'_> {
    /// Nova says that it wrote at `at`.
    pub(super) fn done(self, at: Millis) {
        let mut all = self.all.all();
        let done = &mut all.entry(self.id.clone()).or_default().done;
        done.push_back(at);
        if done.len() > REMEMBERED {
            done.pop_front();
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut all = self.all.all();
        let Some(writes) = all.get_mut(&self.id) else { return };
        if let Some(place) = writes.under_way.iter().position(|at| *at == self.at) {
            writes.under_way.swap_remove(place);
        }
        if writes.under_way.is_empty() && writes.done.is_empty() {
            all.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_known_while_it_is_under_way_and_when_it_is_done() {
        let (writes, id) = (OwnWrites::default(), ServiceId::new("a"));
        let under_way = writes.begin(&id, Millis(60_000));
        assert!(writes.may_be(&id, Millis(58_000)) && writes.may_be(&id, Millis(90_000)));
        assert!(!writes.may_be(&id, Millis(57_999)), "what was before it");
        assert!(!writes.may_be(&ServiceId::new("b"), Millis(60_000)));
        under_way.done(Millis(60_500));
        assert!(writes.may_be(&id, Millis(60_000)) && writes.may_be(&id, Millis(61_500)));
        assert!(!writes.may_be(&id, Millis(62_000)));
    }

    #[test]
    fn a_write_that_came_to_nothing_hides_nothing() {
        let (writes, id) = (OwnWrites::default(), ServiceId::new("a"));
        drop(writes.begin(&id, Millis(60_000)));
        assert!(!writes.may_be(&id, Millis(60_000)));
        assert!(writes.all().is_empty());
    }

    #[test]
    fn the_last_four_writes_of_a_service_are_known() {
        let (writes, id) = (OwnWrites::default(), ServiceId::new("a"));
        for at in 1..=5 {
            let at = Millis(at * 10_000);
            writes.begin(&id, at).done(at);
        }
        assert!(!writes.may_be(&id, Millis(10_000)));
        assert!((2..=5).all(|at| writes.may_be(&id, Millis(at * 10_000))));
    }
}
