//! Drains hosts: has Nova move the servers of a host that lives to others, before somebody works on it.
//!
//! What is due is judged by `recovery::drain`. Here is who looks and acts: one engine at a time (the lease of the drain's
//! log, taken for one walk and given back), every few seconds, from the log and a list of the host made anew. So whoever
//! is killed is followed by another, who looks before it asks.

use crate::{
    Engine,
    error::Stop,
    guard::Armed,
    journal::{Journal, Outcome},
    look::{Hides, LookFailed},
    turn::chain,
};
use openstack::AskError;
use recovery::{
    HostId, ServerId, ServiceId,
    drain::{Due, End, Event, Look, State, Way, judge, log_of},
    forecast::{Fate, Forecast, Obstacle},
    lease::{Lease, LeaseKey},
    log::Entry,
    seen::Server,
    state::Subject,
    stops::{Kind, Stop as Planned},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    pin::pin,
    time::Duration,
};

/// How often the host is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Steps of one host in one go; then others have their turn.
const STEPS_MOST: usize = 64;
/// By whom a drain is ended that is over.
const BY: &str = "the drain";

/// A host at which is worked.
struct Walk<'e> {
    engine: &'e Engine,
    planned: &'e Planned,
    cold: bool,
    journal: Journal<'e, State>,
    /// Why its servers could not move, by the plan; made once if it is needed.
    plan: Option<Option<Forecast>>,
    /// What Nova was asked to confirm in this walk.
    confirming: BTreeSet<ServerId>,
}

impl Engine {
    /// Looks after the drains that are planned, for ever.
    pub(crate) async fn drain_hosts(&self) {
        loop {
            for (planned, cold) in self.drains() {
                if let Err(stop) = self.drain(&planned, cold).await {
                    let host = &planned.host;
                    tracing::warn!(%host, why = chain(&stop), "its drain is left for the next look");
                }
            }
            self.ports.clock.sleep(EVERY).await;
        }
    }

    async fn drain(&self, planned: &Planned, cold: bool) -> Result<(), Stop> {
        let id = log_of(&planned.id);
        let Some((_taking, lease)) = self.take_free(LeaseKey::recovery(&id)).await? else {
            return Ok(());
        };
        let result = self.walk_through(planned, cold, &lease).await;
        let leases = [lease];
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        result
    }

    async fn walk_through(&self, planned: &Planned, cold: bool, lease: &Lease) -> Result<(), Stop> {
        let id = log_of(&planned.id);
        let lines = self.ports.store.log(&id).await?;
        let row = self.ports.store.host_named(&planned.host).await?;
        let host_id = row.map_or_else(|| HostId::new(""), |row| row.uuid);
        let subject = Subject { notification: id, host_id, host: planned.host.clone() };
        let journal = Journal::open(self, lease, subject, &lines)?;
        let mut walk =
            Walk { engine: self, planned, cold, journal, plan: None, confirming: BTreeSet::new() };
        if walk.journal.state.host.is_none() {
            walk.note(Event::Began { host: planned.host.clone() }).await?;
        }
        for _ in 0..STEPS_MOST {
            walk.journal.still_ours()?;
            // A person may have ended it, or planned something else, since the last step.
            if !self.stands(planned).await? {
                return Ok(());
            }
            if let Some(end) = walk.journal.state.over {
                return self.close_drain(planned, end).await;
            }
            if !matches!(self.armed(), Armed::Yes) || !walk.step().await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn stands(&self, planned: &Planned) -> Result<bool, Stop> {
        let stops = self.ports.store.stops(self.ports.clock.wall(), u32::MAX).await?;
        Ok(stops.iter().any(|stop| stop.id == planned.id))
    }

    /// The stop that was wanted begins when nothing is left on the host; else nothing is planned any more.
    async fn close_drain(&self, planned: &Planned, end: End) -> Result<(), Stop> {
        let now = self.ports.clock.wall();
        match end {
            End::Empty => {
                let id = self.ports.entropy.uuid().to_string();
                let stop = Planned { id, kind: Kind::Maintenance, at: now, ..planned.clone() };
                self.ports.store.plan_stop(&stop).await?;
            }
            End::Left | End::Lost => {
                self.ports.store.end_stop(&planned.host, BY, now).await?;
            }
        }
        tracing::warn!(host = %planned.host, ?end, "the drain is over");
        Ok(())
    }
}

impl Walk<'_> {
    /// Looks, and does what is due; `false`: there is something to wait for.
    async fn step(&mut self) -> Result<bool, Stop> {
        let (engine, host) = (self.engine, &self.planned.host);
        let seen = match self.look().await {
            Ok(seen) => seen,
            Err(failed) => {
                let why = chain(&failed);
                tracing::warn!(%host, why, "Nova does not answer");
                return self.wait(why).await;
            }
        };
        let lost = self.is_lost().await?;
        let look = Look {
            service: seen.service.as_ref(),
            servers: &seen.servers,
            elsewhere: &seen.elsewhere,
            coming: seen.coming,
            lost,
            confirming: &self.confirming,
            cold: self.cold,
            now: engine.now(),
        };
        match judge(&self.journal.state, &look) {
            Due::Wait if seen.coming > 0 => {
                let why = format!("servers that Nova is moving to it: {}", seen.coming);
                return self.wait(why).await;
            }
            Due::Wait if !self.confirming.is_empty() => {
                return self.wait("Nova has not confirmed yet what it has moved".into()).await;
            }
            // What it waited for before is over.
            Due::Wait if self.journal.state.common.waiting.is_some() => {
                return self.wait("what Nova was asked for has not ended".into()).await;
            }
            Due::Wait => return Ok(false),
            Due::Note(event) => self.note(event).await?,
            Due::Disable(service) => {
                let hides = Hides { service: seen.service, own_write: None };
                return self.disable(&service, &hides).await;
            }
            Due::Move { server, name, way } => return self.send(server, name, way).await,
            Due::Confirm(server) => return self.confirm(server).await,
            Due::Explain { server, name } => {
                let why = self.why_not(&server).await;
                self.note(Event::Left { server, name, why }).await?;
            }
        }
        Ok(true)
    }

    /// What it waits for stands in its log, once.
    async fn wait(&mut self, why: String) -> Result<bool, Stop> {
        if self.journal.state.common.waiting.as_ref() != Some(&why) {
            self.journal.record(vec![Entry::Waiting { why }]).await?;
        }
        Ok(false)
    }

    /// A recovery of it is open, or began since the drain was planned: one may be over before the next look.
    async fn is_lost(&self) -> Result<bool, Stop> {
        let (store, host, since) = (&self.engine.ports.store, &self.planned.host, self.planned.at);
        if store.open_host_recovery(host).await?.is_some() {
            return Ok(true);
        }
        let losses = store.guard(since).await?.losses;
        Ok(losses.iter().any(|loss| loss.host == *host && loss.passed >= Some(since)))
    }

    async fn look(&self) -> Result<Seen, LookFailed> {
        let (nova, host) = (&self.engine.ports.nova, &self.planned.host);
        let service = nova.compute_service(host).await?;
        let mut servers = nova.servers_on(host).await?;
        let mut coming = 0;
        if servers.is_empty() && self.journal.state.under_way().next().is_none() {
            coming = self.engine.coming_to(host).await?;
            // What has arrived meanwhile is on it by the second list.
            servers = nova.servers_on(host).await?;
        }
        let mut elsewhere = BTreeMap::new();
        let here = |id: &ServerId| servers.iter().any(|server| server.id == *id);
        for id in self.journal.state.under_way().filter(|id| !here(id)) {
            elsewhere.insert(id.clone(), nova.server(id).await?);
        }
        Ok(Seen { service, servers, elsewhere, coming })
    }

    async fn note(&mut self, event: Event) -> Result<(), Stop> {
        let host = &self.planned.host;
        match &event {
            Event::Left { server, why, .. } => {
                tracing::warn!(%host, %server, why, "it stays on the host that is drained");
            }
            Event::Moved { server } => tracing::info!(%host, %server, "moved away"),
            Event::Began { .. }
            | Event::Over { .. }
            | Event::DisableIntended
            | Event::Disabled
            | Event::NotDisabled { .. }
            | Event::Intended { .. }
            | Event::Asked { .. }
            | Event::NotAsked { .. } => {}
        }
        self.journal.record(vec![Entry::Drain(event)]).await
    }

    /// `false`: a later look tells; it may be done twice.
    async fn disable(&mut self, service: &ServiceId, hides: &Hides) -> Result<bool, Stop> {
        self.note(Event::DisableIntended).await?;
        let Planned { by, why, .. } = self.planned;
        let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let reason = format!("masakari: drained by {by}{why}");
        let lease = self.journal.lease.clone();
        let call = self.engine.disable(&lease, service, hides, &reason);
        let event = match self.journal.act(call, pin!(pending())).await? {
            Outcome::Taken => Event::Disabled,
            Outcome::Refused { why } => Event::NotDisabled { why },
            Outcome::NotAsked { .. } | Outcome::Unknown => return Ok(false),
        };
        self.note(event).await?;
        Ok(true)
    }

    /// `false`: Nova has no time for us now.
    async fn send(&mut self, server: ServerId, name: String, way: Way) -> Result<bool, Stop> {
        self.note(Event::Intended { server: server.clone(), name: name.clone(), way }).await?;
        let lease = self.journal.lease.clone();
        let call = self.engine.send_away(&lease, &server, way);
        match self.journal.act(call, pin!(pending())).await? {
            Outcome::Taken => self.note(Event::Asked { server }).await?,
            Outcome::Refused { why } => {
                let why = self.by_the_plan(&server, why).await;
                self.note(Event::Left { server, name, why }).await?;
            }
            Outcome::NotAsked { .. } => {
                self.note(Event::NotAsked { server }).await?;
                return Ok(false);
            }
            // A look tells, after a while.
            Outcome::Unknown => return Ok(false),
        }
        Ok(true)
    }

    /// `false`: a later look tells; it may be done twice. Nova confirms on the host that is drained, after it has answered:
    /// that host may not be switched off before, so the server has moved when Nova shows it confirmed. While Nova is at it
    /// it refuses to be asked again.
    async fn confirm(&mut self, server: ServerId) -> Result<bool, Stop> {
        let lease = self.journal.lease.clone();
        let call = self.engine.confirm_move(&lease, &server);
        match self.journal.act(call, pin!(pending())).await? {
            Outcome::Taken | Outcome::Refused { .. } => {
                self.confirming.insert(server);
                Ok(true)
            }
            Outcome::NotAsked { .. } | Outcome::Unknown => Ok(false),
        }
    }

    /// Why Nova took it and did not do it.
    async fn why_not(&mut self, server: &ServerId) -> String {
        let told: Result<Option<String>, AskError> =
            self.engine.ports.nova.move_failure(server).await;
        match told {
            Ok(Some(why)) => self.by_the_plan(server, why).await,
            Ok(None) => "Nova did not move it, and does not say why".into(),
            Err(error) => format!("Nova did not move it, and does not say why: {}", chain(&error)),
        }
    }

    /// Nova's `No valid host` says little; the plan says what there is none with.
    async fn by_the_plan(&mut self, server: &ServerId, why: String) -> String {
        if !why.to_lowercase().contains("no valid host") {
            return why;
        }
        let (engine, host) = (self.engine, self.planned.host.clone());
        if self.plan.is_none() {
            self.plan = Some(engine.foresee(&host).await.ok().flatten());
        }
        let plan = self.plan.as_ref().and_then(Option::as_ref);
        let fate = plan.and_then(|plan| plan.servers.iter().find(|of| of.id == *server));
        match fate.map(|of| &of.fate) {
            Some(Fate::Stays { why: obstacle }) if is_of_places(obstacle) => obstacle.to_string(),
            Some(Fate::Stays { .. } | Fate::Moves { .. } | Fate::UnderWay) | None => why,
        }
    }
}

/// Whether what keeps it from being evacuated keeps it from being migrated, too.
fn is_of_places(obstacle: &Obstacle) -> bool {
    match obstacle {
        Obstacle::PinnedZone { .. }
        | Obstacle::AntiAffinity { .. }
        | Obstacle::Affinity { .. }
        | Obstacle::Capacity { .. }
        | Obstacle::NoHost => true,
        Obstacle::Rule { .. }
        | Obstacle::State { .. }
        | Obstacle::Quarantine { .. }
        | Obstacle::Vtpm
        | Obstacle::Share => false,
    }
}

/// What a look has shown.
struct Seen {
    service: Option<recovery::seen::ComputeService>,
    servers: Vec<Server>,
    elsewhere: BTreeMap<ServerId, Option<Server>>,
    coming: usize,
}
