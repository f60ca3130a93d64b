//! Servers of a host's recovery that wait for room: who they are, when it is looked for room, and what the
//! look means for the log.

use super::{Came, Turns};
use crate::{
    Engine,
    look::HostList,
    room::{self, RoomView},
};
use futures::{FutureExt, future::LocalBoxFuture};
use ports::Boot;
use recovery::{
    NotificationId, ServerId, VMoveId,
    capacity::{self, CapacityEntry},
    log::{Entry, Planned},
    plan,
    seen::Server,
    way::WayEntry,
};
use std::time::Duration;

/// When it is looked for room next.
#[derive(Debug)]
pub(super) struct Lookout {
    after: Boot,
    /// How long it is waited after the next look.
    wait: Duration,
}

impl Default for Lookout {
    fn default() -> Self {
        Self { after: Boot(0), wait: room::LOOK_EVERY.0 }
    }
}

impl Lookout {
    pub(super) fn may_look(&self, now: Boot) -> bool {
        self.after <= now
    }

    pub(super) fn next(&self) -> Boot {
        self.after
    }

    /// Somebody has news.
    pub(super) fn soon(&mut self, now: Boot) {
        self.after = self.after.min(now.plus(room::LOOK_LEAST));
    }

    /// As long as there is no room the next look is later.
    fn looked(&mut self, any: bool, now: Boot) {
        self.after = now.plus(self.wait);
        self.wait = match any {
            true => room::LOOK_EVERY.0,
            false => (self.wait * 2).min(room::LOOK_EVERY.1),
        };
    }
}

impl Engine {
    /// Nothing of the recovery is at work here any more.
    pub(super) fn waits_no_more(&self, id: &NotificationId) {
        self.rooms.borrow_mut().forget(id);
        self.resting.borrow_mut().remove(id);
    }
}

impl<'e> Turns<'e> {
    /// A recovery that only waits, for room or for the guard, leaves its place to others; who waits no more keeps no
    /// room.
    pub(super) fn note_rest(&self) {
        let id = &self.mission.subject.notification;
        let waits = |server: &ServerId| {
            self.state.moves.get(server).is_some_and(recovery::state::Move::waits_for_room)
        };
        self.engine.rooms.borrow_mut().keep(id, waits);
        let mut resting = self.engine.resting.borrow_mut();
        if self.state.rests() || self.state.guard.held.is_some() {
            resting.insert(id.clone());
        } else {
            resting.remove(id);
        }
    }

    pub(super) fn look_for_room(&self, servers: &[ServerId]) -> LocalBoxFuture<'e, Came<'e>> {
        let engine = self.engine;
        let (mission, ways) = (self.mission.clone(), self.state.ways.clone());
        let planned = |id| self.state.moves.get(id).map(|m| m.planned.clone());
        let waiting = servers.iter().filter_map(planned).collect();
        async move { Came::Room(engine.look_for_room(&mission, &ways, waiting).await) }
            .boxed_local()
    }

    /// What a look for room means.
    pub(super) fn room(&mut self, view: &RoomView) -> Vec<Entry> {
        let now = self.engine.now();
        let mut entries = capacity::seen(&self.state, &view.asked_for, &view.seen, now);
        let any = entries.iter().any(|e| matches!(e, Entry::Capacity(CapacityEntry::Room { .. })));
        if let Some(evacuations) = view.reserved.as_ref().filter(|_| any) {
            // The next reserved host is taken for them.
            entries.splice(0..0, self.leaves_reserve(evacuations));
        }
        self.lookout.looked(any, self.boot());
        entries
    }

    /// Of those that are left when all ways were tried, who waits for room. After a step of the operator's own
    /// that ends the recovery nobody does.
    pub(super) fn short_of_room(
        &self,
        left: &[(&Server, &Planned)],
        list: &HostList,
    ) -> Vec<CapacityEntry> {
        if self.state.steps.failed().is_some() || self.state.ways.goes_on(list.more_reserved) {
            return Vec::new();
        }
        let limits = &self.engine.config().limits;
        let mut short = capacity::left_short(&self.state, limits, self.engine.now());
        short.retain(|entry| {
            entry.servers().into_iter().all(|id| left.iter().any(|(server, _)| server.id == *id))
        });
        short
    }

    /// They are planned once more, as they were found first, and wait; where they are started in order they
    /// arrive stopped then, too.
    pub(super) fn wait_for_room(
        &self,
        left: &[(&Server, &Planned)],
        short: Vec<CapacityEntry>,
        list: &HostList,
    ) -> Vec<Entry> {
        let engine = self.engine;
        let waits = |(server, _): &&(&Server, &Planned)| {
            short.iter().any(|entry| entry.servers().contains(&&server.id))
        };
        let left: Vec<(&Server, &Planned)> = left.iter().filter(waits).copied().collect();
        let fresh_id = || VMoveId::new(engine.ports.entropy.uuid().to_string());
        let mut moves = plan::again(&left, &list.evacuations, fresh_id);
        let order = self.order_of(&mut moves, list);
        plan::in_order(&mut moves);
        // What a person has evacuated meanwhile is followed.
        let followed = |id: &ServerId| moves.iter().any(|m| m.server == *id && m.under_way);
        let waits = |entry: &CapacityEntry| !entry.servers().into_iter().any(followed);
        let short: Vec<CapacityEntry> = short.into_iter().filter(waits).collect();
        let mut entries = Vec::new();
        if self.state.ways.waits_without_reserve() {
            entries.extend(self.leaves_reserve(&list.evacuations));
        }
        if !self.state.ways.waits() {
            entries.push(Entry::Way(WayEntry::Waits));
        }
        tracing::warn!(host = %self.mission.subject.host, servers = moves.len(), "waiting for room");
        let on_host = u32::try_from(list.servers.len()).unwrap_or(u32::MAX);
        entries.push(Entry::Planned { on_host, moves, skipped: self.state.skipped.clone() });
        entries.extend(order);
        entries.extend(short.into_iter().map(Entry::Capacity));
        entries
    }
}
