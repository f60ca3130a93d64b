//! Servers that wait for room: how much they need, and who has it.
//!
//! All recoveries of this engine share what Placement shows: one question for all who wait, kept for a few
//! seconds. Who of them goes is decided among all, so that what becomes free goes to the highest rank,
//! whichever host it was on.

use crate::{Engine, look::LookFailed, records::Quiet, subject::Mission, turn::chain};
use futures::StreamExt;
use openstack::AskError;
use ports::Boot;
use recovery::{
    HostName, NotificationId, ServerId,
    capacity::RoomSeen,
    log::Planned,
    plan,
    seen::{Evacuation, Server, VmState},
    shortage::{self, Free, Needs, Wanted},
    way::{Way, Ways},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The least and the most time between two looks of one recovery; doubled as long as there is no room.
pub(crate) const LOOK_EVERY: (Duration, Duration) =
    (Duration::from_secs(15), Duration::from_secs(60));
/// After somebody has news it is looked sooner, but not more often than this.
pub(crate) const LOOK_LEAST: Duration = Duration::from_secs(5);
/// What Placement showed is believed so long.
const SHARED: Duration = Duration::from_secs(5);
/// Questions in flight.
const AT_ONCE: usize = 8;

/// What this engine knows of servers that wait for room.
#[derive(Default, Debug)]
pub(crate) struct Rooms {
    /// Who wants room, by recovery.
    wanted: BTreeMap<NotificationId, Vec<Wanted>>,
    /// What each needs; it does not change while it waits.
    needs: BTreeMap<NotificationId, BTreeMap<ServerId, Option<Needs>>>,
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    at: Boot,
    /// Asked for those who need at least so much.
    least: Needs,
    free: Vec<Free>,
}

impl Rooms {
    /// The recovery does not wait any more.
    pub(crate) fn forget(&mut self, of: &NotificationId) {
        self.wanted.remove(of);
        self.needs.remove(of);
    }

    /// Of this recovery only these wait still: what the others wanted is for whoever comes next.
    pub(crate) fn keep(&mut self, of: &NotificationId, waits: impl Fn(&ServerId) -> bool) {
        if let Some(wanted) = self.wanted.get_mut(of) {
            wanted.retain(|w| waits(&w.server));
        }
    }

    /// Whom of this recovery's the room that was shown is for, among all who want it; what they get is not
    /// shown again.
    fn grant(&mut self, of: &NotificationId) -> Granted {
        let all: Vec<Wanted> = self.wanted.values().flatten().cloned().collect();
        let (Some(shown), Some(ours)) = (&mut self.shown, self.wanted.get_mut(of)) else {
            return Granted::default();
        };
        let all_that_fit = shortage::fitting(all, shown.free.clone());
        let (fit, left): (Vec<Wanted>, Vec<Wanted>) =
            std::mem::take(ours).into_iter().partition(|w| all_that_fit.contains(&w.server));
        *ours = left;
        let others_fit = fit.len() < all_that_fit.len();
        Granted { fits: shortage::take(fit, &mut shown.free), others_fit }
    }
}

/// Who may go.
#[derive(Default, Debug)]
struct Granted {
    fits: BTreeSet<ServerId>,
    /// There is room for servers of other recoveries, too.
    others_fit: bool,
}

/// What one look for room showed.
#[derive(Debug)]
pub(crate) struct RoomView {
    pub(crate) asked_for: Vec<ServerId>,
    pub(crate) seen: RoomSeen,
    /// Only reserved hosts may be used and there is one that was not tried: the evacuations that Nova has on
    /// record, which tell whether the one before was used.
    pub(crate) reserved: Option<Vec<Evacuation>>,
}

impl Engine {
    /// Looks who of `waiting` is still on the dead host, and for whom there is room now.
    pub(crate) async fn look_for_room(
        &self,
        mission: &Mission,
        ways: &Ways,
        waiting: Vec<Planned>,
    ) -> Result<RoomView, LookFailed> {
        let (of, dead) = (&mission.subject.notification, &mission.subject.host);
        let mut servers = self.ports.nova.servers_on(dead).await?;
        servers.retain(|server| !is_deleted(server));
        // The records last, as everywhere.
        let mut records = self.ports.nova.evacuations_from(dead).await?;
        let asked = self.mark_void(dead, servers.iter(), &mut records, &Quiet::default()).await;
        asked.renew_on(dead, &mut servers);
        let here: BTreeSet<ServerId> = servers.iter().map(|server| server.id.clone()).collect();
        let mut seen = RoomSeen::default();
        for m in waiting.iter().filter(|m| !here.contains(&m.server)) {
            let server = self.ports.nova.server(&m.server).await?;
            let to = server.filter(|server| !is_deleted(server)).and_then(|server| server.host);
            // A host that is written this moment is seen by the next look.
            if to.as_ref() != Some(dead) {
                seen.left.insert(m.server.clone(), to);
            }
        }
        // What a person has evacuated is not asked for a second time while that is under way.
        let under_way = plan::under_way(&servers, &records);
        let free = |m: &Planned| here.contains(&m.server) && !under_way.contains(&m.server);
        let waiting: Vec<Planned> = waiting.into_iter().filter(free).collect();
        let mut asked_for: Vec<ServerId> = waiting.iter().map(|m| m.server.clone()).collect();
        asked_for.extend(seen.left.keys().cloned());
        let (within, reserved) = match ways.now() {
            Ok(Way::Reserved) => {
                let to = ways.reserve().map(|(reserve, _)| reserve.host.clone());
                let untried = !self.reserved_hosts(mission, ways).await?.is_empty();
                (Some(to.into_iter().collect()), untried.then_some(records))
            }
            Ok(Way::Scheduler) | Err(_) => (ways.within.clone(), None),
        };
        seen.fits = match reserved.is_some() {
            // It is a whole host: whom it has no room for is told by trying.
            true => waiting.iter().map(|m| m.server.clone()).collect(),
            false => self.fitting(of, dead, &waiting, within).await,
        };
        Ok(RoomView { asked_for, seen, reserved })
    }

    /// Those of `waiting` for which there is room; where nobody can tell, all.
    async fn fitting(
        &self,
        of: &NotificationId,
        dead: &HostName,
        waiting: &[Planned],
        within: Option<Vec<HostName>>,
    ) -> BTreeSet<ServerId> {
        self.learn_needs(of, waiting).await;
        let ours: BTreeSet<ServerId> = waiting.iter().map(|m| m.server.clone()).collect();
        let wanted = |m: &Planned, known: &BTreeMap<ServerId, Option<Needs>>| Wanted {
            server: m.server.clone(),
            rank: m.rank(),
            needs: known.get(&m.server).copied().flatten(),
            dead: dead.clone(),
            within: within.clone(),
        };
        let least = {
            let mut rooms = self.rooms.borrow_mut();
            let known = rooms.needs.get(of).cloned().unwrap_or_default();
            let wanted = waiting.iter().map(|m| wanted(m, &known)).collect();
            rooms.wanted.insert(of.clone(), wanted);
            let all = rooms.wanted.values().flatten().filter_map(|w| w.needs.as_ref());
            shortage::least(all).unwrap_or(Needs { vcpus: 1, ram_mb: 1, disk_gb: 0 })
        };
        match self.shown(least).await {
            Ok(()) => {
                let granted = self.rooms.borrow_mut().grant(of);
                if granted.others_fit {
                    // They look soon.
                    self.wake.nudge();
                }
                granted.fits
            }
            Err(error) if cannot_tell(&error) => {
                tracing::debug!(error = chain(&error), "Placement does not tell who has room");
                ours
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "who has room is not known; looking again");
                BTreeSet::new()
            }
        }
    }

    /// Sees to it that what Placement shows is fresh and includes all who need `least`.
    async fn shown(&self, least: Needs) -> Result<(), AskError> {
        let now = self.ports.clock.boot();
        let enough = |shown: &Shown| {
            let smaller = shown.least.vcpus <= least.vcpus
                && shown.least.ram_mb <= least.ram_mb
                && shown.least.disk_gb <= least.disk_gb;
            smaller && now.since(shown.at) <= SHARED
        };
        if self.rooms.borrow().shown.as_ref().is_some_and(enough) {
            return Ok(());
        }
        let free = self.ports.nova.with_free_room(&least).await?;
        self.rooms.borrow_mut().shown = Some(Shown { at: now, least, free });
        Ok(())
    }

    /// Asks once what each needs.
    async fn learn_needs(&self, of: &NotificationId, waiting: &[Planned]) {
        let unknown: Vec<ServerId> = {
            let rooms = self.rooms.borrow();
            let known = rooms.needs.get(of);
            let new = |m: &&Planned| !known.is_some_and(|known| known.contains_key(&m.server));
            waiting.iter().filter(new).map(|m| m.server.clone()).collect()
        };
        let asked = futures::stream::iter(unknown)
            .map(|server| async move {
                let needs = self.ports.nova.needs(&server).await;
                (server, needs)
            })
            .buffer_unordered(AT_ONCE);
        let answers: Vec<_> = asked.collect().await;
        let mut rooms = self.rooms.borrow_mut();
        let known = rooms.needs.entry(of.clone()).or_default();
        for (server, answer) in answers {
            match answer {
                Ok((needs, _)) => {
                    known.insert(server, Some(needs));
                }
                Err(error) => {
                    tracing::debug!(%server, error = chain(&error), "its needs are not known yet");
                }
            }
        }
    }
}

fn is_deleted(server: &Server) -> bool {
    matches!(server.vm_state, VmState::Deleted | VmState::SoftDeleted)
}

/// The service is not there, not for us or too old: it will not tell next time either.
pub(crate) fn cannot_tell(error: &AskError) -> bool {
    match error {
        AskError::NoEndpoint { .. }
        | AskError::Forbidden { .. }
        | AskError::NotFound { .. }
        | AskError::Conflict { .. }
        | AskError::BadRequest { .. }
        | AskError::TooLarge { .. }
        | AskError::TooOld { .. }
        | AskError::Rubbish { .. }
        | AskError::Misconfigured { .. } => true,
        AskError::Unreachable { .. }
        | AskError::NoAnswer { .. }
        | AskError::Unauthorized { .. }
        | AskError::NoLogin { .. }
        | AskError::NotAtOnce { .. }
        | AskError::OverLimit { .. }
        | AskError::ServerFault { .. }
        | AskError::PartialAnswer { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs { vcpus: 1, ram_mb: 512, disk_gb: 0 };

    fn wanted(server: &str, priority: i64) -> Wanted {
        Wanted {
            server: ServerId::new(server),
            rank: (false, priority),
            needs: Some(NEEDS),
            dead: HostName::new("dead"),
            within: None,
        }
    }

    fn recovery(id: &str) -> NotificationId {
        NotificationId::new(id)
    }

    /// Two recoveries, and room for one server.
    fn rooms() -> Rooms {
        let free = Free {
            host: HostName::new("x"),
            left: [(shortage::Resource::Ram, NEEDS.ram_mb)].into(),
        };
        let wanted = [
            (recovery("r1"), vec![wanted("a", 1), wanted("b", 9)]),
            (recovery("r2"), vec![wanted("c", 5)]),
        ];
        let shown = Some(Shown { at: Boot(0), least: NEEDS, free: vec![free] });
        Rooms { wanted: wanted.into(), shown, ..Rooms::default() }
    }

    fn fits(granted: &Granted) -> Vec<&str> {
        granted.fits.iter().map(ServerId::as_str).collect()
    }

    #[test]
    fn room_goes_to_the_one_that_goes_first_whichever_host_it_was_on_and_once() {
        let mut rooms = rooms();
        let of_other = rooms.grant(&recovery("r2"));
        assert_eq!((fits(&of_other), of_other.others_fit), (vec![], true));
        assert_eq!(fits(&rooms.grant(&recovery("r1"))), ["b"]);
        assert_eq!(fits(&rooms.grant(&recovery("r2"))), [""; 0], "it is taken");
    }

    #[test]
    fn who_waits_no_more_keeps_no_room() {
        let mut rooms = rooms();
        rooms.keep(&recovery("r1"), |server| server.as_str() != "b");
        assert_eq!(fits(&rooms.grant(&recovery("r2"))), ["c"]);
        let mut rooms = self::rooms();
        rooms.forget(&recovery("r1"));
        let granted = rooms.grant(&recovery("r2"));
        assert_eq!((fits(&granted), granted.others_fit), (vec!["c"], false));
    }
}
