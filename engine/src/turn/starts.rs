//! The ordered starts of a host's recovery: what is due of them, and what an answer means for the log.

use super::{Came, Turns, chain};
use crate::{
    acts::Arrives,
    error::ActFailed,
    look::HostList,
    tiers::{Arrivals, Order, StartsView},
};
use futures::{FutureExt, future::LocalBoxFuture};
use openstack::{AskError, Disposition};
use ports::Boot;
use recovery::{
    Millis, ServerId,
    due::{Scene, Step},
    log::{Act, Aftermath, Entry, Planned},
    tiers::{self, Check, Copy, Ordered, Start, Tier, TierEntry, Wanted},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What is acted upon was seen so lately; the act itself has a little longer.
const VIEW_LASTS: Duration = Duration::from_secs(4);
/// The least time between two checks of one server.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How many servers are asked at once whether they are up.
const CHECKS_MOST: usize = 16;

/// What is known of the starts besides the log.
#[derive(Default, Debug)]
pub(super) struct Desk {
    view: Option<StartsView>,
    look_after: Option<Boot>,
    checking: BTreeSet<ServerId>,
    checked: BTreeMap<ServerId, Boot>,
}

impl<'e> Turns<'e> {
    /// What is due of the starts, to what else is due.
    pub(super) fn add_starts(&self, scene: &Scene<'_>, steps: &mut Vec<Step>) {
        if steps.iter().any(|step| matches!(step, Step::Note(Entry::Ended { .. }))) {
            return;
        }
        let (now, desk) = (self.boot(), &self.starts);
        let fresh = |view: &&StartsView| now.since(view.answered_at) <= VIEW_LASTS;
        let look = desk.view.as_ref().filter(fresh).map(StartsView::look);
        let lately = desk.checked.iter().filter(|(_, at)| now.since(**at) < CHECK_EVERY);
        let resting = desk.checking.iter().chain(lately.map(|(server, _)| server));
        let resting: BTreeSet<ServerId> = resting.cloned().collect();
        let look_wanted = desk.look_after.is_none_or(|after| after <= now);
        let wanted = Wanted { look: look_wanted, resting: &resting };
        let limits = &self.engine.config().limits.tiers;
        let mut checks = CHECKS_MOST.saturating_sub(desk.checking.len());
        for step in tiers::due(&self.state, limits, scene, look.as_ref(), wanted) {
            let twice = matches!(step, Step::LookAtHost)
                && steps.iter().any(|known| matches!(known, Step::LookAtHost));
            let one_more = matches!(step, Step::Check(..));
            if twice || (one_more && checks == 0) {
                continue;
            }
            checks -= usize::from(one_more);
            steps.push(step);
        }
    }

    /// How Nova is to leave a server on its new host.
    pub(super) fn arrives(&self, server: &ServerId) -> Arrives {
        if self.state.starts.arrives_stopped(server) { Arrives::Stopped } else { Arrives::AsItWas }
    }

    pub(super) fn look_at_starts(&self) -> LocalBoxFuture<'e, Came<'e>> {
        let engine = self.engine;
        let of = Arrivals::of(&self.state, &self.mission.subject.host, &self.busy);
        async move { Came::Arrived(engine.look_at_starts(of).await) }.boxed_local()
    }

    pub(super) fn start_one(&mut self, start: &Start) -> LocalBoxFuture<'e, Came<'e>> {
        let (engine, lease, server) = (self.engine, self.lease.clone(), start.server().clone());
        // Not known: too long ago to be sent.
        let looked_at = self.starts.view.as_ref().map_or(Boot(0), |view| view.answered_at);
        self.busy.insert(server.clone());
        engine.fair.borrow_mut().begins(&self.mission.subject.notification);
        let host = start.host().clone();
        let sight = match start.copy() {
            Copy::Gone => None,
            Copy::OfTheDead => Some(self.sight.clone()),
        };
        async move {
            tracing::info!(%server, %host, "in its turn");
            let act = engine.start_here(&lease, &server, sight.as_ref(), looked_at);
            let result = engine.paced(act).await;
            Came::Started(server, result)
        }
        .boxed_local()
    }

    pub(super) fn check_one(
        &mut self,
        server: ServerId,
        check: Check,
    ) -> LocalBoxFuture<'e, Came<'e>> {
        self.starts.checking.insert(server.clone());
        let (engine, began) = (self.engine, self.state.began);
        let known = self.state.starts.servers.get(&server).cloned();
        async move {
            let result = match &known {
                Some(known) => engine.check(&check, known, began).await,
                None => Ok(()),
            };
            Came::Checked(server, result)
        }
        .boxed_local()
    }

    pub(super) fn saw_starts(&mut self, view: StartsView) -> Vec<Entry> {
        let engine = self.engine;
        let took_ms = engine.now().since(view.began).unsigned_abs();
        self.starts.look_after = Some(self.next_look(took_ms));
        let limits = &engine.config().limits.tiers;
        let entries = tiers::judge(&self.state, limits, &view.look(), engine.now());
        self.starts.view = Some(view);
        entries
    }

    pub(super) fn started(
        &mut self,
        server: ServerId,
        result: Result<(), ActFailed>,
    ) -> Vec<Entry> {
        self.busy.remove(&server);
        self.engine.fair.borrow_mut().ended(&self.mission.subject.notification);
        let not_asked = |server, until: Millis| TierEntry::NotAsked { server, until };
        let (error, sent) = match result {
            Ok(()) => {
                return vec![Entry::Tier(TierEntry::StartTaken { servers: vec![server] })];
            }
            Err(ActFailed::NoTenure { .. }) => return Vec::new(),
            Err(ActFailed::Late { .. } | ActFailed::Withheld { .. } | ActFailed::MayRun { .. }) => {
                return vec![Entry::Tier(not_asked(server, self.engine.now()))];
            }
            Err(ActFailed::Before(error)) => (error, false),
            Err(ActFailed::Itself(error)) => {
                let sent = error.may_have_arrived();
                (error, sent)
            }
        };
        let why = chain(&error);
        if sent {
            tracing::warn!(%server, why, "Nova's answer to the start is not known");
        } else {
            tracing::warn!(%server, why, "Nova did not start it");
        }
        match error.disposition() {
            Disposition::Refused => {
                let known = self.state.starts.servers.get(&server);
                let limits = &self.engine.config().limits.tiers;
                let now = self.engine.now();
                let again_at = known.map_or(now, |s| s.again_at(limits, now));
                vec![Entry::Tier(TierEntry::StartRefused { server, why, again_at })]
            }
            Disposition::Transient => {
                let mut entries: Vec<Entry> = self.waiting(&why).into_iter().collect();
                // What may have been sent is looked for.
                if !sent {
                    entries.push(Entry::Tier(not_asked(server, self.later())));
                }
                entries
            }
        }
    }

    pub(super) fn checked(&mut self, server: ServerId, result: Result<(), String>) -> Vec<Entry> {
        self.starts.checking.remove(&server);
        self.starts.checked.insert(server.clone(), self.boot());
        let Some(known) = self.state.starts.servers.get(&server) else { return Vec::new() };
        // Its tier may be over meanwhile.
        if known.stage != tiers::Stage::Checking {
            return Vec::new();
        }
        let entry = match result {
            Ok(()) => TierEntry::Answers { server },
            Err(why) if known.trouble.as_ref() == Some(&why) => return Vec::new(),
            Err(why) => TierEntry::NoAnswer { server, why },
        };
        vec![Entry::Tier(entry)]
    }

    /// How the servers of a plan are started: written behind the plan. Those of an early tier are asked for
    /// early, and arrive so that they can be stopped.
    pub(super) fn order_of(&self, fresh: &mut [Planned], list: &HostList) -> Option<Entry> {
        let starts = &self.state.starts;
        let first = self.state.plans == 0;
        let tiers = match &list.order {
            Order::ByTier(tiers) if first || starts.are_ordered() => tiers,
            Order::Impossible { why } if first && !fresh.is_empty() => {
                tracing::warn!("{why}");
                return Some(Entry::Tier(TierEntry::Impossible { why: why.clone() }));
            }
            Order::None | Order::ByTier(_) | Order::Impossible { .. } => return None,
        };
        let mut servers: Vec<Ordered> = Vec::new();
        for m in fresh.iter_mut().filter(|m| m.aftermath == Aftermath::Running) {
            servers.extend(tiers.get(&m.server).cloned());
            let server = list.servers.iter().find(|s| s.id == m.server);
            if let Some(server) = server.filter(|_| !m.under_way) {
                m.reset = tiers::reset_for(server);
            }
        }
        fresh.sort_by_key(|m| tiers.get(&m.server).map_or(Tier::Last, |ordered| ordered.tier));
        let entry = Entry::Tier(TierEntry::Ordered { servers });
        (!fresh.is_empty()).then_some(entry)
    }

    /// Nova's refusal to leave servers stopped ends the order.
    pub(super) fn disorder(&self, act: Act, error: &AskError) -> Option<Entry> {
        let ordered = act == Act::Evacuate && self.state.starts.are_ordered();
        (ordered && error.cannot_stop_evacuated()).then(|| {
            let why = format!(
                "Nova, or one of its nova-compute services, is too old to stop evacuated servers: {}",
                chain(error)
            );
            tracing::warn!("{why}");
            Entry::Tier(TierEntry::Impossible { why })
        })
    }
}
