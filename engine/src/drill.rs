//! `masakari fence test`: switches a host on which nothing runs off by its own fence devices, and on again.
//!
//! What is due is said by `recovery::drill`, from the log under the request's own id and a look at the host. Here it is
//! done, under three leases: of that log, of the host, so that no recovery of it runs meanwhile, and of its place among
//! the reserved hosts, so that none sends servers to it. Whoever takes it over after a crash goes on from the log.
//! Nothing of it is evidence.

use crate::{
    Engine, error::Stop, fencing::Brake, journal::Journal, look::LookFailed, power::of_power,
    turn::chain,
};
use fence::{Climber, RungEnd, Verdict, climb::Climbed, power_on::seconds};
use futures::future::{Either, select};
use openstack::AskError;
use ports::Boot;
use recovery::{
    HostId, HostName, Millis, NotificationId,
    drill::{Due, Event, Look, Rescue, Row, STOP_MS, State, judge, withheld},
    lease::{Lease, LeaseKey},
    log::Entry,
    nouns::Host,
    request::{Asked, Request},
    seen::ComputeService,
    state::{self, Subject},
    stops::{self, Kind},
};
use std::{collections::BTreeSet, future::pending, pin::pin, sync::Arc, time::Duration};

/// A test that cannot go on now is looked at again so soon.
const REST: Duration = Duration::from_secs(1);
/// While it is switched off the host is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(4);
/// A migration to which Nova has not written for so long moves nothing.
const AT_WORK_MS: i64 = 86_400_000;
/// Longer than that no test keeps a report of its host waiting.
const HELD_MOST_MS: i64 = STOP_MS;

/// One test in this process.
struct Drill<'e, 'r> {
    engine: &'e Engine,
    request: &'r Request,
    host: &'r HostName,
    leases: Vec<Lease>,
    journal: Journal<'e, State>,
}

/// What a look is made of.
struct Seen {
    asked_at: Boot,
    row: Option<Host>,
    recovery: Option<(NotificationId, Rescue)>,
    stop: Option<stops::Stop>,
    service: Option<ComputeService>,
    servers: usize,
    coming: usize,
    disarmed: Option<String>,
    no_ladder: Option<String>,
}

impl Engine {
    /// Notes which hosts are tested: a report of their silence waits until they have their power back.
    pub(crate) fn note_tests(&self, open: &[Request]) {
        let since = self.ports.clock.wall().plus(-HELD_MOST_MS);
        let young = open.iter().filter(|request| request.created_at > since);
        let hosts = young.filter_map(|request| match &request.asked {
            Asked::FenceTest { host, .. } => Some(host.clone()),
            Asked::ConfirmDead { .. }
            | Asked::Attest { .. }
            | Asked::Retry { .. }
            | Asked::Cancel { .. }
            | Asked::Approve { .. }
            | Asked::Reject { .. }
            | Asked::Return { .. }
            | Asked::Plan { .. }
            | Asked::Report { .. } => None,
        });
        self.tested.replace(hosts.collect::<BTreeSet<_>>());
    }

    /// How many servers Nova is moving to a host.
    pub(crate) async fn coming_to(&self, host: &HostName) -> Result<usize, AskError> {
        let since = self.now().plus(-AT_WORK_MS);
        Ok(self.ports.nova.on_their_way_to(host, since).await?.len())
    }

    /// Goes on with a test that was asked for; gives back the request's id.
    pub(crate) async fn test_fence(&self, request: Request, host: HostName) -> String {
        if let Err(stop) = self.try_fence_test(&request, &host).await {
            tracing::warn!(request = %request.id, %host, why = chain(&stop), "the fence test waits");
        }
        // One that is not answered yet is among the open ones at once.
        self.ports.clock.sleep(REST).await;
        request.id
    }

    async fn try_fence_test(&self, request: &Request, host: &HostName) -> Result<(), Stop> {
        let log = LeaseKey::recovery(&NotificationId::new(&request.id));
        let all = [log.clone(), LeaseKey::host(host), LeaseKey::reserved(host)];
        if let Some((_taking, leases)) = self.take_all_free(&all).await? {
            return self.under(request, host, leases).await;
        }
        // Its host is somebody else's: the one who has its log may still say why nothing comes of it.
        match self.take_free(log).await? {
            Some((_taking, lease)) => self.under(request, host, vec![lease]).await,
            None => Ok(()),
        }
    }

    async fn under(
        &self,
        request: &Request,
        host: &HostName,
        leases: Vec<Lease>,
    ) -> Result<(), Stop> {
        let done = self.run_fence_test(request, host, &leases).await;
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        done
    }

    async fn run_fence_test(
        &self,
        request: &Request,
        host: &HostName,
        leases: &[Lease],
    ) -> Result<(), Stop> {
        let (store, id) = (&self.ports.store, NotificationId::new(&request.id));
        let Some(lease) = leases.first() else { return Ok(()) };
        let lines = store.log(&id).await?;
        let row = store.host_named(host).await?;
        let host_id = row.map_or_else(|| HostId::new(""), |row| row.uuid);
        let subject = Subject { notification: id, host_id, host: host.clone() };
        let mut journal: Journal<'_, State> = Journal::open(self, lease, subject, &lines)?;
        if journal.state.has_begun() && leases.len() > 1 {
            let engine = lease.owner.0.clone();
            journal.record(vec![Entry::Drill(Event::TakenOver { engine })]).await?;
        }
        Drill { engine: self, request, host, leases: leases.to_vec(), journal }.go_on().await
    }
}

impl Drill<'_, '_> {
    async fn go_on(&mut self) -> Result<(), Stop> {
        while self.journal.ended().is_none() {
            self.journal.still_ours()?;
            let seen = match self.look().await {
                Ok(seen) => seen,
                Err(failed) if self.journal.state.has_begun() => {
                    self.journal.outage(&failed, pin!(pending())).await?;
                    continue;
                }
                Err(failed) => return self.not_begun(&chain(&failed)).await,
            };
            self.journal.heard();
            let has_all = self.leases.len() > 1;
            match judge(&self.journal.state, &seen.look(self.host, self.engine.now())) {
                Due::Refuse(why) => return self.refuse(&why).await,
                Due::Begin if has_all && !self.is_late() => self.begin().await?,
                Due::Begin => return self.not_begun("somebody is at work on the host").await,
                // Whoever has the host goes on.
                Due::Announce
                | Due::Note(_)
                | Due::Wait { .. }
                | Due::SwitchOff
                | Due::SwitchOn
                    if !has_all =>
                {
                    return Ok(());
                }
                Due::Announce => self.announce().await?,
                Due::Note(entry) => self.journal.record(vec![entry]).await?,
                Due::Wait { until } => self.journal.wait(until, pin!(pending())).await?,
                Due::SwitchOff => self.switch_off(&seen).await?,
                Due::SwitchOn => self.switch_on().await?,
            }
        }
        self.engine.wake.nudge();
        Ok(())
    }

    fn is_late(&self) -> bool {
        self.request.deadline < self.engine.ports.clock.wall()
    }

    /// It is refused once nobody may begin it any more.
    async fn not_begun(&self, why: &str) -> Result<(), Stop> {
        if !self.is_late() {
            return Ok(());
        }
        self.refuse(&format!("it is not switched off, in time: {why}; ask again")).await
    }

    /// Whoever has begun it meanwhile must find it open.
    async fn refuse(&self, why: &str) -> Result<(), Stop> {
        self.journal.still_ours()?;
        Ok(self.engine.refuse(self.request, why).await?)
    }

    async fn look(&self) -> Result<Seen, LookFailed> {
        let (engine, host) = (self.engine, self.host);
        let store = &engine.ports.store;
        let asked_at = engine.ports.clock.boot();
        let row = store.host_named(host).await?;
        let recovery = match store.open_host_recovery(host).await? {
            Some(id) => {
                // What cannot be read may have begun.
                let waits = state::State::fold(&store.log(&id).await?)
                    .is_ok_and(|state| !state.has_passed());
                Some((id, if waits { Rescue::Waits } else { Rescue::Begun }))
            }
            None => None,
        };
        let mut stops = store.stops(engine.ports.clock.wall(), u32::MAX).await?;
        stops.retain(|stop| stop.id != self.request.id);
        let stop = stops::of(&stops, host, engine.ports.clock.wall()).cloned();
        let no_ladder = engine.power_of(host).await?.err();
        // What has arrived meanwhile is on it by the second list.
        let coming = engine.coming_to(host).await?;
        let servers = engine.ports.nova.servers_on(host).await?.len();
        let service = engine.ports.nova.compute_service(host).await?;
        let disarmed = engine.disarmed();
        Ok(Seen { asked_at, row, recovery, stop, service, servers, coming, disarmed, no_ladder })
    }

    async fn note(&mut self, event: Event) -> Result<(), Stop> {
        tracing::info!(host = %self.host, request = %self.request.id, ?event, "fence test");
        self.journal.record(vec![Entry::Drill(event)]).await
    }

    async fn begin(&mut self) -> Result<(), Stop> {
        let (host, who) = (self.host, &self.request.who);
        tracing::warn!(%host, %who, request = %self.request.id, "a fence test begins: the host is switched off and on");
        let why = match &self.request.asked {
            Asked::FenceTest { reason, .. } => reason.clone(),
            Asked::ConfirmDead { .. }
            | Asked::Attest { .. }
            | Asked::Retry { .. }
            | Asked::Cancel { .. }
            | Asked::Approve { .. }
            | Asked::Reject { .. }
            | Asked::Return { .. }
            | Asked::Plan { .. }
            | Asked::Report { .. } => None,
        };
        self.note(Event::Begun { by: who.clone(), why }).await
    }

    /// A stop under the request's id: planned twice it is one.
    async fn announce(&mut self) -> Result<(), Stop> {
        let (store, now) = (&self.engine.ports.store, self.engine.ports.clock.wall());
        let stop = stops::Stop {
            id: self.request.id.clone(),
            host: self.host.clone(),
            kind: Kind::StopAnnounced,
            by: self.request.who.clone(),
            why: Some("masakari fence test".into()),
            at: now,
            until: now.plus(STOP_MS),
        };
        store.plan_stop(&stop).await?;
        self.note(Event::Announced { until: stop.until }).await
    }

    /// Climbs the ladder, and looks at the host beside it: what a look shows pulls the brake.
    async fn switch_off(&mut self, seen: &Seen) -> Result<(), Stop> {
        let config = self.engine.config();
        let Some(fencing) = &config.fencing else { return Ok(()) };
        let Ok(mut ladder) = of_power(fencing, self.host, seen.row.as_ref()) else {
            return Ok(());
        };
        ladder.machine = self.engine.machine_of(self.host, ladder.machine).await?;
        self.note(Event::OffIntended).await?;
        let clock = &*self.engine.ports.clock;
        let brake = Brake::default();
        let looked = |seen: &Seen| {
            let why = withheld(&seen.look(self.host, self.engine.now()));
            brake.looked(seen.asked_at, why);
        };
        looked(seen);
        let watch = async {
            loop {
                clock.sleep(LOOK_EVERY).await;
                // One that fails is no look: the last one grows old.
                if let Ok(seen) = self.look().await {
                    looked(&seen);
                }
            }
        };
        let witness = self.engine.witness(fencing, None);
        let climber = Climber { tools: fencing.tools.clone(), witness: Arc::new(witness) };
        let may = || {
            self.leased()?;
            self.engine.disarmed().map_or(Ok(()), Err)?;
            brake.may(clock.boot())
        };
        let began = clock.boot();
        let climb = climber.climb_while(self.host, &ladder, may);
        let climbed = match select(pin!(climb), pin!(watch)).await {
            Either::Left((climbed, _)) => climbed,
            Either::Right((never, _)) => never,
        };
        let took_ms = ms_since(clock.boot(), began);
        self.note(came_to(&climbed, took_ms)).await
    }

    async fn switch_on(&mut self) -> Result<(), Stop> {
        self.note(Event::OnIntended).await?;
        let began = self.engine.ports.clock.boot();
        let on = self.engine.switch_on(self.host, || self.leased()).await?;
        let took_ms = ms_since(self.engine.ports.clock.boot(), began);
        let again_at = self.journal.state.again_at(self.engine.now());
        self.note(match on {
            Ok(path) => Event::On { path, took_ms },
            Err(path) => Event::NotOn { path, again_at },
        })
        .await
    }

    /// Asked before each order.
    fn leased(&self) -> Result<(), String> {
        let allowed = self.leases.iter().try_for_each(|lease| self.engine.allowed(lease));
        allowed.map_err(|_| "the lease on this test ran out".to_owned())
    }
}

fn ms_since(now: Boot, then: Boot) -> i64 {
    i64::try_from(now.since(then).as_millis()).unwrap_or(i64::MAX)
}

fn came_to(climbed: &Climbed, took_ms: i64) -> Event {
    let rungs = climbed.path.iter().zip(&climbed.took);
    let line = |(rung, took): (&fence::Ended, &Duration)| {
        format!("{}: {} ({})", rung.device, rung.end, seconds(*took))
    };
    let path = rungs.map(line).collect();
    let not = |why: &str, path| Event::NotOff { why: why.to_owned(), path, took_ms };
    let already = RungEnd::Proven { already: true };
    match &climbed.verdict {
        Verdict::Proven { .. } if climbed.path.last().is_some_and(|rung| rung.end == already) => {
            not("the device that says off was never told to switch it off: it was off before", path)
        }
        Verdict::Proven { unseen: None, .. } => Event::Off { path, took_ms },
        Verdict::Proven { unseen: Some(why), .. } => {
            not(&format!("a device says off, and nobody else could be asked: {why}"), path)
        }
        Verdict::NotFenced => not("no device proved that the host was off", path),
    }
}

impl Seen {
    fn look<'a>(&'a self, host: &'a HostName, now: Millis) -> Look<'a> {
        let row = |row: &Host| Row { reserved: row.reserved, on_maintenance: row.on_maintenance };
        Look {
            host,
            row: self.row.as_ref().map(row),
            recovery: self.recovery.as_ref().map(|(id, how)| (id, *how)),
            stop: self.stop.as_ref(),
            service: self.service.as_ref(),
            servers: self.servers,
            coming: self.coming,
            disarmed: self.disarmed.as_deref(),
            no_ladder: self.no_ladder.as_deref(),
            now,
        }
    }
}
