//! Brings lost hosts back to service: listens for those that are away, and undoes what their recoveries did to them.
//!
//! What is due is judged by `recovery::returns`. Here is who listens, and when: one list of Nova's services for
//! all hosts that are away, each minute, or more often where the probation is short. Where something is to be written
//! or done, the host's own lease is taken beside the one of its log, so that no recovery of it runs meanwhile, and given
//! back after that: a few seconds. Before each act it is looked anew whether it was reported lost.

use crate::{
    Engine,
    error::Stop,
    journal::{Journal, Outcome},
    look::LookFailed,
    records::Quiet,
    turn::chain,
};
use recovery::{
    HostId, HostName, Millis, NotificationId, ServerId, ServiceId,
    fold::Fold,
    lease::{Lease, LeaseKey},
    log::Entry,
    plan::newest_evacuations,
    request::Request,
    returns::{Act, Did, Due, Event, Heard, Look, Rules, Stage, State, Word, judge, log_of},
    seen::{ComputeService, Evacuation, EvacuationStatus},
    state::Subject,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    pin::pin,
    time::Duration,
};
use store::{Away, StoreError};

/// How many are looked after at once; the oldest come first.
const AWAY_MOST: u32 = 1_000;
/// How often Nova is asked for its services, by the probation.
const EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
const LOOKS_IN_PROBATION: u32 = 5;
/// Nobody looks after lost hosts: how soon that is looked up again.
const NOT_CONFIGURED: Duration = Duration::from_secs(60);
/// Steps of one host in one go; there are never so many.
const STEPS_MOST: usize = 32;

/// What one engine hears of the hosts that are away.
type Ears = BTreeMap<HostName, Heard>;

/// What a person says with it.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'r> {
    pub(crate) reason: Option<&'r str>,
    pub(crate) power_on: bool,
}

/// One host that is away.
struct Lost {
    id: HostId,
    name: HostName,
    recoveries: Vec<NotificationId>,
    word: Option<Word>,
}

/// What is said of a host besides Nova's word.
struct Beside<'a> {
    recovery: Option<&'a NotificationId>,
    hands_off: Option<&'a str>,
}

/// A host on which something is written or done.
struct Walk<'e, 'w> {
    engine: &'e Engine,
    rules: &'w Rules,
    lost: &'w Lost,
    /// Of its log, and its own.
    leases: Vec<Lease>,
    journal: Journal<'e, State>,
    gap_ms: i64,
    heard: Option<Heard>,
    records: Option<Vec<Evacuation>>,
}

impl Engine {
    /// Looks after the hosts that are away, for ever.
    pub(crate) async fn bring_hosts_back(&self) {
        let mut ears = Ears::new();
        loop {
            let Some(rules) = self.config().returns else {
                self.ports.clock.sleep(NOT_CONFIGURED).await;
                continue;
            };
            let every = every(&rules);
            if let Err(error) = self.look_after_lost(&rules, every, &mut ears).await {
                tracing::debug!(
                    error = chain(&error),
                    "hosts that are away cannot be looked after"
                );
            }
            self.wanted.wait(&*self.ports.clock, every).await;
        }
    }

    async fn look_after_lost(
        &self,
        rules: &Rules,
        every: Duration,
        ears: &mut Ears,
    ) -> Result<(), LookFailed> {
        let lost = by_host(self.ports.store.away(AWAY_MOST).await?);
        ears.retain(|name, _| lost.iter().any(|lost| lost.name == *name));
        if lost.is_empty() {
            return Ok(());
        }
        let services = self.ports.nova.compute_services().await?;
        let gap_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).saturating_mul(2);
        for host in lost {
            let service = services.iter().find(|service| service.host == host.name);
            let known = ears.remove(&host.name);
            let heard = Heard::after(known, service, gap_ms, self.ports.clock.wall());
            let kept = match self.look_after(rules, &host, service, gap_ms, heard).await {
                Ok(heard) => heard,
                Err(stop) => {
                    tracing::warn!(host = %host.name, why = chain(&stop), "left for the next look");
                    heard
                }
            };
            ears.extend(kept.map(|heard| (host.name, heard)));
        }
        Ok(())
    }

    /// One host: nothing is taken where nothing is to be written.
    async fn look_after(
        &self,
        rules: &Rules,
        lost: &Lost,
        service: Option<&ComputeService>,
        gap_ms: i64,
        heard: Option<Heard>,
    ) -> Result<Option<Heard>, Stop> {
        let store = &self.ports.store;
        let state = State::fold(&store.log(&log_of(&lost.id)).await?)?;
        let known = lost.is_known_to(&state);
        let recovery = store.open_host_recovery(&lost.name).await?;
        let hands_off = self.hands_off(&lost.name);
        let with = Beside { recovery: recovery.as_ref(), hands_off: hands_off.as_deref() };
        let look = lost.look(service, heard, with, None, self.now());
        if known && judge(&state, rules, &look) == Due::Wait {
            return Ok(heard);
        }
        let keys = [LeaseKey::recovery(&log_of(&lost.id)), LeaseKey::host(&lost.name)];
        let Some((_taking, leases)) = self.take_all_free(&keys).await? else { return Ok(heard) };
        let result = self.walk(rules, lost, &leases, gap_ms, heard).await;
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        result
    }

    async fn walk(
        &self,
        rules: &Rules,
        lost: &Lost,
        leases: &[Lease],
        gap_ms: i64,
        heard: Option<Heard>,
    ) -> Result<Option<Heard>, Stop> {
        let mut walk = Walk {
            engine: self,
            rules,
            lost,
            leases: leases.to_vec(),
            journal: self.journal_of(lost, leases).await?,
            gap_ms,
            heard,
            records: None,
        };
        self.note_losses(&mut walk.journal, lost).await?;
        walk.heed_client().await?;
        walk.go_on().await?;
        Ok(walk.heard)
    }

    /// Its log, read under its lease.
    async fn journal_of(&self, lost: &Lost, leases: &[Lease]) -> Result<Journal<'_, State>, Stop> {
        let log = log_of(&lost.id);
        let key = LeaseKey::recovery(&log);
        let Some(lease) = leases.iter().find(|lease| lease.key == key) else {
            return Err(Stop::LeaseLost { key });
        };
        let lines = self.ports.store.log(&log).await?;
        let subject =
            Subject { notification: log, host_id: lost.id.clone(), host: lost.name.clone() };
        Journal::open(self, lease, subject, &lines)
    }

    /// Each recovery that left it out of service has its line, before anything else.
    async fn note_losses(&self, journal: &mut Journal<'_, State>, lost: &Lost) -> Result<(), Stop> {
        let config = self.config();
        for recovery in lost.new_to(&journal.state) {
            let lines = self.ports.store.log(&recovery).await?;
            let did = Did::of(&lines, &config.disable_reason, &config.process_disable_reason);
            note(journal, Event::Lost { recovery, did }).await?;
        }
        Ok(())
    }

    /// A person wants a host back.
    pub(crate) async fn answer_return(
        &self,
        request: &Request,
        host: &HostName,
        wish: Wish<'_>,
    ) -> Result<(), StoreError> {
        if self.config().returns.is_none() {
            return self.refuse(request, "this engine does not look after lost hosts").await;
        }
        let lost = by_host(self.ports.store.away(AWAY_MOST).await?);
        let Some(lost) = lost.into_iter().find(|lost| lost.name == *host) else {
            let why = format!("no recovery of ours has left host {host} out of service");
            return self.refuse(request, &why).await;
        };
        if wish.power_on
            && let Err(why) = self.power_of(host).await?
        {
            let why = format!("host {host} cannot be switched on: {why}");
            return self.refuse(request, &why).await;
        }
        let key = LeaseKey::recovery(&log_of(&lost.id));
        let Some((_taking, lease)) = self.take_free(key).await? else { return Ok(()) };
        let leases = [lease];
        let written = self.write_wish(request, &lost, &leases, wish).await;
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        match written {
            Ok(()) => {
                let Wish { reason, power_on } = wish;
                tracing::warn!(%host, request = %request.id, who = %request.who, reason, power_on, "asked for, by hand");
                self.wanted.nudge();
            }
            Err(stop) => {
                tracing::warn!(request = %request.id, why = chain(&stop), "not answered yet");
            }
        }
        Ok(())
    }

    async fn write_wish(
        &self,
        request: &Request,
        lost: &Lost,
        leases: &[Lease],
        Wish { reason, power_on }: Wish<'_>,
    ) -> Result<(), Stop> {
        let mut journal = self.journal_of(lost, leases).await?;
        self.note_losses(&mut journal, lost).await?;
        let (by, why) = (request.who.clone(), reason.map(ToOwned::to_owned));
        let request = Some(request.id.clone());
        note(&mut journal, Event::Asked { request, by, why, power_on }).await
    }
}

impl Walk<'_, '_> {
    /// Who takes it off maintenance wants it back.
    async fn heed_client(&mut self) -> Result<(), Stop> {
        let away = self.journal.state.stage != Stage::InService;
        if away && self.lost.word == Some(Word::Return) && self.journal.state.asked.is_none() {
            let by = "a client of the API, which took it off maintenance".to_owned();
            let asked = Event::Asked { request: None, by, why: None, power_on: false };
            note(&mut self.journal, asked).await?;
        }
        Ok(())
    }

    /// Looks and does what is due, until there is something to wait for.
    async fn go_on(&mut self) -> Result<(), Stop> {
        for _ in 0..STEPS_MOST {
            self.journal.still_ours()?;
            let (engine, lost) = (self.engine, self.lost);
            let service = match engine.ports.nova.compute_service(&lost.name).await {
                Ok(service) => service,
                Err(error) => return self.outage(&error),
            };
            let wall = engine.ports.clock.wall();
            self.heard = Heard::after(self.heard, service.as_ref(), self.gap_ms, wall);
            let recovery = engine.ports.store.open_host_recovery(&lost.name).await?;
            let records = self.records.as_deref();
            let hands_off = engine.hands_off(&lost.name);
            let with = Beside { recovery: recovery.as_ref(), hands_off: hands_off.as_deref() };
            let look = lost.look(service.as_ref(), self.heard, with, records, engine.now());
            match judge(&self.journal.state, self.rules, &look) {
                Due::Wait => return Ok(()),
                Due::Note(event) => note(&mut self.journal, event).await?,
                Due::Records => match engine.records_of(&lost.name).await {
                    Ok(records) => self.records = Some(records),
                    Err(error) => return self.outage(&error),
                },
                Due::Do(act, service) => self.undo(act, &service).await?,
                Due::SwitchOn => self.switch_on().await?,
            }
        }
        Ok(())
    }

    /// Nova does not answer: at the next look.
    #[expect(clippy::unnecessary_wraps, reason = "what the loop ends with")]
    fn outage(&self, error: &openstack::AskError) -> Result<(), Stop> {
        tracing::warn!(host = %self.lost.name, why = chain(error), "Nova does not answer");
        Ok(())
    }

    /// Under the host's own lease: no recovery of it has begun, and none begins.
    async fn switch_on(&mut self) -> Result<(), Stop> {
        note(&mut self.journal, Event::OnIntended).await?;
        let (engine, leases) = (self.engine, &self.leases);
        let may = || {
            let allowed = leases.iter().try_for_each(|lease| engine.allowed(lease));
            allowed.map_err(|_| "the lease on the host ran out".to_owned())
        };
        let on = engine.switch_on(&self.lost.name, may).await?;
        let again_at = self.journal.state.power.again_at(engine.now());
        let event = match on {
            Ok(path) => Event::On { path },
            Err(path) => Event::NotOn { path, again_at },
        };
        note(&mut self.journal, event).await
    }

    async fn undo(&mut self, act: Act, service: &ServiceId) -> Result<(), Stop> {
        note(&mut self.journal, Event::Intended { act }).await?;
        let engine = self.engine;
        let spare = self.journal.state.did.spare.clone();
        let reason = spare.as_ref().map_or("", |spare| spare.told());
        let call = engine.undo(&self.leases, act, service, reason);
        let event = match self.journal.act(call, pin!(pending())).await? {
            Outcome::Taken => Event::Done { act },
            Outcome::Refused { why } => {
                let again_at = self.journal.state.again_at(engine.now());
                Event::Refused { act, why, again_at }
            }
            Outcome::NotAsked { until } => Event::NotAsked { act, until },
            // A look tells; it may be done twice.
            Outcome::Unknown => return Ok(()),
        };
        note(&mut self.journal, event).await
    }
}

impl Engine {
    /// When we last changed the service of a host on its way back: Nova shows that as a heartbeat.
    pub(crate) async fn brought_back_at(&self, host: &HostId) -> Result<Option<Millis>, Stop> {
        if self.config().returns.is_none() {
            return Ok(None);
        }
        Ok(State::fold(&self.ports.store.log(&log_of(host)).await?)?.wrote_at)
    }

    /// Nova's records of evacuations away from the host; those that nobody is behind say so.
    async fn records_of(&self, host: &HostName) -> Result<Vec<Evacuation>, openstack::AskError> {
        let mut records = self.ports.nova.evacuations_from(host).await?;
        let accepted = |record: &&Evacuation| record.status == EvacuationStatus::Accepted;
        let newest = newest_evacuations(&records);
        let servers: BTreeSet<ServerId> =
            newest.into_values().filter(accepted).map(|record| record.server.clone()).collect();
        let quiet = Quiet { servers, after: None };
        self.mark_void(host, std::iter::empty(), &mut records, &quiet).await;
        Ok(records)
    }
}

/// Writes what happened, and tells it.
async fn note(journal: &mut Journal<'_, State>, event: Event) -> Result<(), Stop> {
    let told = event.clone();
    journal.record(vec![Entry::Return(event)]).await?;
    crate::tell::returned(&journal.subject.host, &told);
    Ok(())
}

impl Lost {
    /// Those of its recoveries that its log does not know since it was last back.
    fn new_to(&self, state: &State) -> Vec<NotificationId> {
        let known = |id: &&NotificationId| state.stage != Stage::InService && state.by.contains(id);
        self.recoveries.iter().filter(|id| !known(id)).cloned().collect()
    }

    fn is_known_to(&self, state: &State) -> bool {
        let said = self.word == Some(Word::Return) && state.asked.is_none();
        self.new_to(state).is_empty() && !said
    }

    fn look<'a>(
        &'a self,
        service: Option<&'a ComputeService>,
        heard: Option<Heard>,
        Beside { recovery, hands_off }: Beside<'a>,
        records: Option<&'a [Evacuation]>,
        now: Millis,
    ) -> Look<'a> {
        let (host, word) = (&self.name, self.word);
        Look { host, service, heard, recovery, word, hands_off, records, now }
    }
}

fn by_host(away: Vec<Away>) -> Vec<Lost> {
    let mut lost: Vec<Lost> = Vec::new();
    for Away { host, recovery, word, since: _ } in away {
        match lost.iter_mut().find(|lost| lost.id == host.uuid) {
            Some(there) => {
                there.recoveries.push(recovery);
                // Said of the host, whatever is newer.
                there.word = word;
            }
            None => {
                let (id, name) = (host.uuid, host.name);
                lost.push(Lost { id, name, recoveries: vec![recovery], word });
            }
        }
    }
    lost
}

fn every(rules: &Rules) -> Duration {
    let probation = Duration::from_millis(u64::try_from(rules.probation_ms).unwrap_or(0));
    (probation / LOOKS_IN_PROBATION).clamp(EVERY.0, EVERY.1)
}
