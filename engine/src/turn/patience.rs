//! What the guard holds before it has begun asks Nova seldom.
//!
//! What lets it go stands in the database, or in Nova's list of services, which is asked for once for all: these are
//! looked at as often as ever, so that many that are held together are no load for a Nova in trouble, and none of
//! them waits longer. It proves nothing: what is new is only a reason to look at the host.

use super::{Came, Turns, guard::Says};
use crate::guard::GuardView;
use futures::{FutureExt, future::LocalBoxFuture};
use ports::Boot;
use recovery::{
    HostName,
    evidence::{Evidence, Sighting},
    guard::Cause,
    log::Entry,
    seen::ComputeService,
    stops::Verdict,
};
use std::time::Duration;

/// How often a recovery that the guard holds looks what lets it go.
pub(super) const NAP: Duration = Duration::from_secs(5);
/// Where nothing is new, Nova is asked for the host itself after so long.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Nova's times are whole seconds, and our reading of them is off by as much.
const SAME_MS: i64 = 2_500;

/// Until when nothing is looked at.
#[derive(Default, Debug)]
pub(super) struct Desk {
    rests_until: Option<Boot>,
}

impl<'e> Turns<'e> {
    /// Looks at the host, or first only whether the database knows more of it.
    pub(super) fn look(&self, host: HostName) -> LocalBoxFuture<'e, Came<'e>> {
        let engine = self.engine;
        let known = self.is_patient().then(|| self.known());
        async move {
            if let Some(known) = known {
                let store = &engine.ports.store;
                match futures::try_join!(store.evidence(&host), store.sightings(&host)) {
                    Ok(now) if now == known => return Came::Unchanged,
                    Ok(_) => {}
                    Err(error) => return Came::Host(Err(error.into())),
                }
            }
            Came::Host(engine.look_at_host(&host).await)
        }
        .boxed_local()
    }

    pub(super) fn unchanged(&mut self) -> Vec<Entry> {
        self.patience.rests_until = Some(self.boot().plus(NAP));
        Vec::new()
    }

    /// Whether its host may be looked at.
    pub(super) fn is_rested(&self) -> bool {
        self.patience.rests_until.is_none_or(|until| until <= self.boot()) || !self.is_patient()
    }

    fn is_patient(&self) -> bool {
        let Some((cause, _)) = self.state.guard.held.filter(|_| !self.state.has_passed()) else {
            return false;
        };
        let seen = self.view.as_ref().map(|view| view.answered_at);
        let lately = seen.is_some_and(|at| self.boot().since(at) < LOOK_EVERY);
        lately && !self.has_news(cause)
    }

    /// Whether it would be let go, or Nova says something else of its host.
    fn has_news(&self, held_by: Cause) -> bool {
        if held_by == Cause::PlannedStop {
            return !matches!(self.planned_stop(), Verdict::Held(_));
        }
        // A better proof than the one that is not enough is in the database.
        let asks_a_person = held_by == Cause::Approval && !self.state.hand.approved;
        let held = asks_a_person || matches!(self.guard_says(None), Says::Hold(_) | Says::Ask);
        !held || self.fresh_guard().is_some_and(|view| self.says_otherwise(view))
    }

    fn says_otherwise(&self, guard: &GuardView) -> bool {
        let Ok((services, _)) = &*guard.services else { return false };
        let before = self.view.as_ref().and_then(|view| view.service.as_ref());
        let host = &self.mission.subject.host;
        match (before, services.iter().find(|service| service.host == *host)) {
            (Some(before), Some(now)) => !is_same(before, now),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        }
    }

    /// What the database had of the host.
    fn known(&self) -> (Vec<Evidence>, Vec<Sighting>) {
        let known = self.view.as_ref().map(|view| (view.evidence.clone(), view.told.clone()));
        known.unwrap_or_default()
    }
}

fn is_same(before: &ComputeService, now: &ComputeService) -> bool {
    let beat = match (before.heartbeat_at, now.heartbeat_at) {
        (Some(before), Some(now)) => now.since(before).abs() <= SAME_MS,
        (before, now) => before == now,
    };
    beat && before.says() == now.says()
}
