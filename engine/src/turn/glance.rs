//! When a list of the servers is worth what it costs Nova.
//!
//! A list shows each server that has changed, at some 4 ms of Nova's time a server, and while a host is evacuated all of
//! them change all the time. Nova's records of evacuations are cheap, and name those that are over. So, where many are to
//! move, the records are read first, and the servers are listed when most of those are over, when one has failed, or
//! when the last list is old. What became of a server is told by the list alone.

use super::{Came, Single, Turns};
use crate::Engine;
use crate::look::{From, LookFailed};
use futures::{FutureExt, future::LocalBoxFuture};
use openstack::{AskError, Cursor};
use ports::Boot;
use recovery::{
    HostName, Millis, ServerId,
    log::Entry,
    seen::{Evacuation, EvacuationStatus},
    state::Stage,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Fewer than these are listed at once.
const WORTH_IT: usize = 16;
/// The servers are listed this often all the same: not everything that happens to one is in the records.
const LIST_EVERY: Duration = Duration::from_secs(20);
/// So many of so many on their way are over when it is time for a list: each list shows those that go on, too.
const PART_OVER: (usize, usize) = (3, 4);
/// The least time between two readings of the records.
const READ_EVERY: Duration = Duration::from_secs(3);

#[derive(Default, Debug)]
pub(super) struct Desk {
    /// When the servers were listed last.
    listed: Option<(Boot, Millis)>,
    /// The records are known from here on.
    read_from: Option<Cursor>,
    /// Those whose evacuation is over, by the records since that list.
    over: BTreeSet<ServerId>,
    /// Those that Nova has taken and no host has begun, and since when.
    queued: BTreeMap<ServerId, Millis>,
    /// The servers are listed now, whatever the records say.
    list: bool,
    /// This Nova cannot tell which records changed (before 2.59).
    unable: bool,
}

impl Desk {
    /// The servers were listed, in a look that began then.
    pub(super) fn listed(&mut self, at: Boot, began: Millis) {
        *self = Self { listed: Some((at, began)), unable: self.unable, ..Self::default() };
    }

    /// Whether something has come to its end since the last list.
    pub(super) fn has_news(&self) -> bool {
        !self.over.is_empty()
    }

    /// Whether the records are enough, as far as this knows.
    fn is_enough(&self, now: Boot) -> bool {
        let young = self.listed.is_some_and(|(at, _)| now.since(at) < LIST_EVERY);
        young && !self.list && !self.unable
    }

    /// Whose evacuations wait in Nova, as the records say.
    fn queue(&mut self, on_their_way: &BTreeMap<ServerId, i64>, records: &[Evacuation]) {
        let ours =
            |r: &&Evacuation| on_their_way.get(&r.server).is_some_and(|before| r.id > *before);
        for record in records.iter().filter(ours) {
            match (record.status, record.created) {
                (EvacuationStatus::Accepted, Some(at)) => {
                    self.queued.insert(record.server.clone(), at);
                }
                (EvacuationStatus::Accepted, None)
                | (
                    EvacuationStatus::Void
                    | EvacuationStatus::Running
                    | EvacuationStatus::Done
                    | EvacuationStatus::Completed
                    | EvacuationStatus::Failed,
                    _,
                ) => {
                    self.queued.remove(&record.server);
                }
            }
        }
    }

    /// What the records say; whether it is worth a list.
    fn weigh(&mut self, on_their_way: &BTreeMap<ServerId, i64>, records: &[Evacuation]) -> bool {
        let ours =
            |r: &&Evacuation| on_their_way.get(&r.server).is_some_and(|before| r.id > *before);
        let mut failed = false;
        for record in records.iter().filter(ours) {
            match record.status {
                EvacuationStatus::Failed => failed = true,
                EvacuationStatus::Done | EvacuationStatus::Completed => {
                    self.over.insert(record.server.clone());
                }
                EvacuationStatus::Accepted | EvacuationStatus::Void | EvacuationStatus::Running => {
                }
            }
        }
        let (over, all) = PART_OVER;
        failed || self.has_news() && self.over.len() * all >= on_their_way.len() * over
    }
}

impl Engine {
    /// The records of evacuations away from `host` that changed since then, and from where to go on.
    async fn evacuations_of(
        &self,
        host: &HostName,
        since: Cursor,
    ) -> Result<(Vec<Evacuation>, Cursor), AskError> {
        let list = async |since| {
            let (records, upto) = self.ports.nova.evacuations_changed_since(&since).await?;
            Ok((records.into_iter().map(|r| ((r.source.clone(), r.id), r)).collect(), upto))
        };
        let of_host = (host.clone(), i64::MIN)..=(host.clone(), i64::MAX);
        let fresh =
            self.evacuations.since(&*self.ports.clock, since, list, |fresh| fresh.within(of_host));
        fresh.await
    }
}

impl<'e> Turns<'e> {
    /// Something happened of which only a list tells more.
    pub(super) fn list_now(&mut self) {
        self.glance.list = true;
        self.look_after = Boot(0);
    }

    /// Reads the records in place of a list of servers, where that is enough.
    pub(super) fn glance(&self, from: &From) -> Option<LocalBoxFuture<'e, Came<'e>>> {
        let desk = &self.glance;
        let (_, listed) = desk.listed?;
        // Where only so many may be on their way, the next ones wait for the end of these, and are told of it soon.
        let is_unbounded = self.engine.config().limits.on_their_way.is_none();
        let enough = matches!(from, From::Last(_))
            && is_unbounded
            && desk.is_enough(self.boot())
            && !self.state.starts.are_ordered()
            && self.open() >= WORTH_IT;
        if !enough {
            return None;
        }
        let (engine, host) = (self.engine, self.mission.subject.host.clone());
        let since = desk.read_from.unwrap_or_else(|| engine.ports.nova.cursor_at(listed));
        Some(async move { Came::Glanced(engine.evacuations_of(&host, since).await) }.boxed_local())
    }

    /// Servers that are to move or on their way. In the first second of many few are on their way: nothing has happened
    /// to them yet that a list would tell.
    fn open(&self) -> usize {
        self.state.moves.values().filter(|m| !matches!(m.stage, Stage::Ended { .. })).count()
    }

    /// What the records say of when to list the servers; of the servers it says nothing.
    pub(super) fn glanced(
        &mut self,
        records: Result<(Vec<Evacuation>, Cursor), AskError>,
    ) -> Vec<Entry> {
        let told = match records {
            Err(AskError::TooOld { .. }) => Ok(None),
            records => records.map(Some).map_err(LookFailed::from),
        };
        self.heard(Single::Servers, told, |this, told| match told {
            Some((records, upto)) => this.weigh(&records, upto),
            None => {
                this.glance.unable = true;
                this.list_now();
                Vec::new()
            }
        })
    }

    /// Teaches the pace how long what Nova has taken waits there.
    pub(super) fn queues(&mut self, records: &[Evacuation]) {
        self.glance.queue(&self.state.on_their_way(), records);
        let since = self.glance.queued.values().min().copied();
        let who = self.mission.subject.notification.clone();
        self.engine.queue.borrow_mut().saw(who, since);
    }

    fn weigh(&mut self, records: &[Evacuation], upto: Cursor) -> Vec<Entry> {
        self.glance.read_from = Some(upto);
        self.queues(records);
        if self.glance.weigh(&self.state.on_their_way(), records) {
            self.list_now();
        } else {
            let least = self.boot().plus(READ_EVERY).max(self.engine.evacuations.rests_until());
            self.look_after = self.next_look(0).max(least);
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: i64, server: &str, status: EvacuationStatus) -> Evacuation {
        let (server, source) = (ServerId::new(server), HostName::new("dead"));
        Evacuation { id, server, source, dest: None, status, created: None }
    }

    /// Four are on their way, and each was evacuated once before.
    fn is_worth_a_list(desk: &mut Desk, records: &[Evacuation]) -> bool {
        let four = ["a", "b", "c", "d"].map(|server| (ServerId::new(server), 4));
        desk.weigh(&four.into(), records)
    }

    #[test]
    fn three_of_four_on_their_way_have_to_be_over_by_records_of_their_own() {
        let done = |id, server| record(id, server, EvacuationStatus::Done);
        let under_way = [
            record(5, "a", EvacuationStatus::Running),
            record(6, "b", EvacuationStatus::Accepted),
            record(7, "c", EvacuationStatus::Void),
        ];
        let mut desk = Desk::default();
        assert!(!is_worth_a_list(&mut desk, &under_way), "nothing is over");
        assert!(!desk.has_news());
        assert!(!is_worth_a_list(&mut desk, &[done(5, "a"), done(5, "a")]), "one is");
        assert!(desk.has_news());
        assert!(!is_worth_a_list(&mut desk, &[done(4, "b"), done(3, "c")]), "they were before");
        assert!(!is_worth_a_list(&mut desk, &[done(8, "stranger")]));
        let completed = record(8, "d", EvacuationStatus::Completed);
        assert!(!is_worth_a_list(&mut desk, &[completed]), "two are");
        assert!(is_worth_a_list(&mut desk, &[done(8, "c")]), "three of four, in three readings");
        desk.listed(Boot(0), Millis(9_000));
        assert!(!desk.has_news(), "the list has told of them");
        assert!(!is_worth_a_list(&mut desk, &[done(6, "b")]));
    }

    #[test]
    fn while_none_is_on_its_way_no_list_tells_more() {
        assert!(!Desk::default().weigh(&BTreeMap::new(), &[]));
    }

    #[test]
    fn those_wait_that_nova_has_taken_and_no_host_has_begun() {
        let four = ["a", "b", "c", "d"].map(|server| (ServerId::new(server), 4));
        let at = |id, server, status| Evacuation {
            created: Some(Millis(id * 1_000)),
            ..record(id, server, status)
        };
        let accepted = EvacuationStatus::Accepted;
        let mut desk = Desk::default();
        let first = [
            at(5, "a", accepted),
            at(6, "b", accepted),
            at(4, "c", accepted),
            at(7, "x", accepted),
        ];
        desk.queue(&four.clone().into(), &first);
        let waits = |desk: &Desk| desk.queued.values().map(|at| at.0).collect::<Vec<_>>();
        assert_eq!(waits(&desk), [5_000, 6_000], "c was before, x is a stranger");
        desk.queue(&four.clone().into(), &[at(5, "a", EvacuationStatus::Running)]);
        assert_eq!(waits(&desk), [6_000]);
        desk.queue(&four.into(), &[at(6, "b", EvacuationStatus::Failed)]);
        assert_eq!(waits(&desk), [0i64; 0]);
    }

    #[test]
    fn one_that_failed_is_worth_a_list_at_once_and_one_that_failed_before_is_not() {
        let mut desk = Desk::default();
        assert!(!is_worth_a_list(&mut desk, &[record(4, "a", EvacuationStatus::Failed)]));
        assert!(is_worth_a_list(&mut desk, &[record(5, "a", EvacuationStatus::Failed)]));
    }

    #[test]
    fn the_records_are_enough_until_the_list_is_old_or_wanted() {
        let enough = |desk: &Desk, s: u64| desk.is_enough(Boot(s * 1_000));
        let mut desk = Desk::default();
        assert!(!enough(&desk, 0), "nothing was listed");
        desk.listed(Boot(60_000), Millis(50_000));
        assert!(enough(&desk, 61) && enough(&desk, 79));
        assert!(!enough(&desk, 80), "the list is old");
        desk.list = true;
        assert!(!enough(&desk, 61), "a list is wanted");
        desk.unable = true;
        desk.listed(Boot(90_000), Millis(80_000));
        assert!(!desk.list && !enough(&desk, 91), "this Nova cannot tell");
    }
}
