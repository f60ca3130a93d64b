//! The loop of the recovery of one server: look, judge, act, write, until it runs again.

use crate::{
    Engine,
    error::Stop,
    journal::{Journal, Outcome, Stopping},
    look::LookFailed,
    records::Quiet,
    turn::VIEW_FRESH,
};
use ports::Boot;
use recovery::{
    HostName, Millis, NotificationId, ServerId,
    fold::{Fold, again_at},
    hand,
    log::Entry,
    nouns::NotificationStatus,
    restart::{self, Due, Event, Look, Stage, State},
    rules::Facts,
    seen::{ComputeService, Server},
};
use serde_json::json;
use std::{collections::BTreeSet, pin::pin};

/// How often a server is looked for whose host is being recovered.
const HOST_RECOVERED_EVERY_MS: i64 = 5_000;

/// The server and its host as they were a moment ago.
struct View {
    looked_at: Boot,
    began: Millis,
    server: Option<Server>,
    service: Option<ComputeService>,
    evacuating: bool,
    host_recovery: Option<(HostName, NotificationId)>,
    restarts: u32,
    facts: Facts,
}

impl Engine {
    /// Runs the restart of `server` to its end, or until the lease is lost.
    pub(crate) async fn restart(
        &self,
        mut journal: Journal<'_, State>,
        server: &ServerId,
        stopping: impl Future<Output = ()>,
    ) -> Result<NotificationStatus, Stop> {
        let mut stopping = pin!(stopping);
        let mut view: Option<View> = None;
        loop {
            if let Some(status) = journal.ended() {
                return Ok(status);
            }
            journal.still_ours()?;
            if let Some(end) = journal.heed(hand::end_of_restart) {
                journal.record(end).await?;
                continue;
            }
            let looked_at = self.ports.clock.boot();
            if view.as_ref().is_none_or(|v| looked_at.since(v.looked_at) > VIEW_FRESH) {
                view = self.fresh_view(&mut journal, server, stopping.as_mut()).await?;
            }
            if let Some(seen) = &view
                && self.go_on(&mut journal, server, seen, stopping.as_mut()).await?
            {
                view = None;
            }
        }
    }

    /// A new look; nothing when the world does not answer, or need not be asked.
    async fn fresh_view(
        &self,
        journal: &mut Journal<'_, State>,
        server: &ServerId,
        stopping: Stopping<'_>,
    ) -> Result<Option<View>, Stop> {
        let limits = &self.config().restart_limits;
        let common = journal.state.common();
        if common.expired(limits.expiry_ms, self.now()) {
            let end = common.given_up(limits.expiry_ms);
            journal.record(vec![end]).await?;
            return Ok(None);
        }
        match self.look_at_server(journal, server).await {
            // It was blocked by that before: Nova is not asked each time.
            Ok(None) => {
                let until = self.now().plus(HOST_RECOVERED_EVERY_MS);
                journal.wait(until, stopping).await?;
                Ok(None)
            }
            Ok(view) => {
                journal.heard();
                Ok(view)
            }
            Err(failed) => {
                journal.outage(&failed, stopping).await?;
                Ok(None)
            }
        }
    }

    async fn look_at_server(
        &self,
        journal: &Journal<'_, State>,
        id: &ServerId,
    ) -> Result<Option<View>, LookFailed> {
        let (looked_at, began) = (self.ports.clock.boot(), self.now());
        let (store, nova) = (&self.ports.store, &self.ports.nova);
        let reporter = &journal.subject.host;
        if journal.state.blocked.is_some() && store.open_host_recovery(reporter).await?.is_some() {
            return Ok(None);
        }
        let mut server = nova.server(id).await?;
        let mut hosts = BTreeSet::from([reporter.clone()]);
        hosts.extend(server.as_ref().and_then(|s| s.host.clone()));
        let mut evacuating = false;
        // After the server: Nova marks the record when it has moved the server.
        for host in &hosts {
            let mut records = nova.evacuations_from(host).await?;
            records.retain(|e| e.server == *id);
            let asked = self.mark_void(host, server.iter(), &mut records, &Quiet::default()).await;
            let mut shown = server.take().map(|s| (s.id.clone(), s)).into_iter().collect();
            asked.renew(&mut shown);
            server = shown.remove(id);
            evacuating |= records.iter().any(|e| e.status.may_run());
        }
        // It has moved meanwhile: its new host's records are for the next look.
        let there = server.as_ref().and_then(|s| s.host.as_ref());
        evacuating |= there.is_some_and(|host| !hosts.contains(host));
        let service = match server.as_ref().and_then(|s| s.host.as_ref()) {
            Some(host) => nova.compute_service(host).await?,
            None => None,
        };
        let mut host_recovery = None;
        for host in hosts {
            let open = store.open_host_recovery(&host).await?;
            if let (None, Some(recovery)) = (&host_recovery, open) {
                host_recovery = Some((host, recovery));
            }
        }
        let restarts = self.restarts(journal, id).await?;
        let facts = self.facts_of(journal, server.as_ref()).await?;
        Ok(Some(View {
            looked_at,
            began,
            server,
            service,
            evacuating,
            host_recovery,
            restarts,
            facts,
        }))
    }

    async fn restarts(
        &self,
        journal: &Journal<'_, State>,
        id: &ServerId,
    ) -> Result<u32, LookFailed> {
        if journal.state.stage != Stage::Choosing {
            return Ok(0);
        }
        let since = self.now().plus(-self.config().restart.window_ms);
        Ok(self.ports.store.restarts(id, since, &journal.subject.notification).await?)
    }

    /// What owners' rules speak of, as long as it is not chosen.
    async fn facts_of(
        &self,
        journal: &Journal<'_, State>,
        server: Option<&Server>,
    ) -> Result<Facts, LookFailed> {
        match server {
            Some(server) if journal.state.stage == Stage::Choosing => {
                let owners = &self.config().restart.owners;
                self.facts(owners, server.host.as_ref(), core::slice::from_ref(server)).await
            }
            Some(_) | None => Ok(Facts::default()),
        }
    }

    /// Does what the view asks for; `true`: the view is used up.
    async fn go_on(
        &self,
        journal: &mut Journal<'_, State>,
        server: &ServerId,
        view: &View,
        mut stopping: Stopping<'_>,
    ) -> Result<bool, Stop> {
        let host = journal.subject.host.clone();
        let look = Look {
            id: server,
            reported_by: &host,
            began: view.began,
            server: view.server.as_ref(),
            service: view.service.as_ref(),
            evacuating: view.evacuating,
            host_recovery: view.host_recovery.as_ref().map(|(host, recovery)| (host, recovery)),
            restarts: view.restarts,
            facts: &view.facts,
        };
        let (rules, limits) = (&self.config().restart, &self.config().restart_limits);
        let due = restart::judge(&journal.state, rules, limits, &look, self.now());
        let acts = match due {
            Due::Note(_) | Due::Wait { .. } => false,
            Due::RunStep(_) | Due::Stop { .. } | Due::Start => true,
        };
        if acts && journal.disarmed(stopping.as_mut()).await? {
            return Ok(true);
        }
        match due {
            Due::Note(entries) => {
                journal.record(entries).await?;
                return Ok(false);
            }
            Due::Wait { until } => journal.wait(until, stopping).await?,
            Due::RunStep(run) => {
                let name = view.server.as_ref().map(|s| s.name.as_str());
                let server = json!({ "id": server.as_str(), "name": name });
                let more = json!({ "failure": "server", "server": server });
                journal.run_step(&run, more, stopping).await?;
            }
            Due::Stop { reset } => self.stop_it(journal, server, reset, stopping).await?,
            Due::Start => self.start_it(journal, server, view.looked_at, stopping).await?,
        }
        Ok(true)
    }

    async fn stop_it(
        &self,
        journal: &mut Journal<'_, State>,
        server: &ServerId,
        reset: bool,
        stopping: Stopping<'_>,
    ) -> Result<(), Stop> {
        let intended = self.ports.clock.boot();
        journal.record(vec![Entry::Restart(Event::StopIntended { reset })]).await?;
        let lease = journal.lease.clone();
        let act = self.stop_failed(&lease, server, intended, reset);
        let event = match journal.act(act, stopping).await? {
            Outcome::Taken => Event::StopTaken,
            Outcome::Refused { why } => {
                Event::StopRefused { why, again_at: self.again_at(&journal.state) }
            }
            Outcome::NotAsked { until } => Event::NotAsked { until },
            Outcome::Unknown => return Ok(()),
        };
        journal.record(vec![Entry::Restart(event)]).await
    }

    async fn start_it(
        &self,
        journal: &mut Journal<'_, State>,
        server: &ServerId,
        looked_at: Boot,
        stopping: Stopping<'_>,
    ) -> Result<(), Stop> {
        journal.record(vec![Entry::Restart(Event::StartIntended)]).await?;
        let lease = journal.lease.clone();
        let act = self.start_here(&lease, server, None, looked_at);
        let event = match journal.act(act, stopping).await? {
            Outcome::Taken => Event::StartTaken,
            Outcome::Refused { why } => {
                Event::StartRefused { why, again_at: self.again_at(&journal.state) }
            }
            Outcome::NotAsked { until } => Event::NotAsked { until },
            Outcome::Unknown => return Ok(()),
        };
        journal.record(vec![Entry::Restart(event)]).await
    }

    fn again_at(&self, state: &State) -> Millis {
        again_at(self.config().restart_limits.retry_ms, state.attempts, self.now())
    }
}
