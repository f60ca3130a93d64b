//! Asks every guest again and again, some at a time.

use super::{Asker, Found, Machine, Patience, State, Waiting, ask::Heard};
use crate::{
    Care, Claim, Mark, Report, Reporter, Watched,
    instances::{
        Connected, Domain, Event, Heard as Said, Hypervisor, HypervisorError, Link,
        event::{Turn, What, subject},
        hypervisor::connected,
    },
};
use futures::{
    StreamExt,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};
use ports::{Boot, Clock, Entropy};
use recovery::{ServerId, nouns::NotificationType, restart};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// As Python's monitor says it.
const EVENT: &str = "QEMU_GUEST_AGENT_ERROR";
const DETAIL: &str = "STOPPED_FAILED";
/// Guests that are asked at once, of those that answered last and of those that did not.
const LANE: usize = 2;
/// How often a VM without an agent's channel is looked at: one can be plugged in, though hardly anybody does.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The loop turns this often however long a round is.
const TURN_EVERY: Duration = Duration::from_secs(30);
/// The longest that the loop needs to turn: that, and a list by libvirt.
pub const TURN_MOST: Duration = Duration::from_secs(180);
/// `VIR_DOMAIN_EVENT_SUSPENDED`, `VIR_DOMAIN_EVENT_RESUMED`
const SUSPENDED: i32 = 3;
const RESUMED: i32 = 4;

/// What watching guests takes.
#[derive(Clone, Debug)]
pub struct GuestsConfig {
    /// This host, as Nova calls it.
    pub hostname: String,
    /// From the beginning of a round to that of the next.
    pub interval: Duration,
    pub patience: Patience,
}

/// Watches the guests of this host.
#[derive(Debug)]
pub struct Rounds {
    pub config: GuestsConfig,
    pub hypervisor: Arc<dyn Hypervisor>,
    pub asker: Asker,
    pub reporter: Reporter,
    /// Who has answered for the first time.
    pub answer: Waiting,
    pub mark: Mark,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// A guest in one run of its VM.
#[derive(Debug)]
struct Member {
    name: String,
    run: u32,
    machine: Machine,
    /// The number of the question that is under way.
    asked: Option<u64>,
    /// What that finds is not so any more.
    is_stale: bool,
    /// It hung last time.
    is_slow: bool,
    /// It has no agent, and is not looked at before.
    rests_until: Boot,
}

type Answers = FuturesUnordered<BoxFuture<'static, (ServerId, u64, Heard)>>;

/// What is known while a connection stands.
struct Round {
    began: Boot,
    next: Boot,
    /// It took longer than it may, and that was said.
    is_late: bool,
    is_done: bool,
}

/// Places for those that answered last, and for those that did not.
#[derive(Debug)]
struct Lanes {
    quick: Semaphore,
    slow: Semaphore,
}

/// Those that are asked, and what they were asked.
#[derive(Default)]
struct Members {
    guests: BTreeMap<ServerId, Member>,
    questions: u64,
}

impl Rounds {
    /// Watches for ever.
    pub async fn run(self) {
        let mut members = Members::default();
        loop {
            let connected =
                connected(&*self.hypervisor, &self.mark, &*self.clock, &*self.entropy).await;
            self.asker.set(Some(Arc::clone(&connected.link)));
            let why = self.listen(connected, &mut members).await;
            self.asker.set(None);
            self.mark.troubled(&why);
            tracing::warn!("Libvirt Connection Closed Unexpectedly. ({why})");
            // What was silent may have been libvirt.
            for member in members.guests.values_mut() {
                member.excuse(&self.config, self.clock.boot());
                (member.asked, member.is_stale) = (None, false);
            }
        }
    }

    /// Asks until the connection is over, and tells why.
    async fn listen(&self, mut connected: Connected, members: &mut Members) -> String {
        let link = Arc::clone(&connected.link);
        let lanes = Arc::new(Lanes::default());
        let mut answers = Answers::new();
        let now = self.clock.boot();
        let mut round = Round { began: now, next: now, is_late: false, is_done: true };
        self.mark.well();
        loop {
            self.mark.turned();
            tokio::select! {
                biased;
                said = connected.heard.recv() => match said {
                    Some(Said::Event(event)) => self.event(&event, members).await,
                    Some(Said::Closed(why)) => return why,
                    None => return "nobody listens to it any more".into(),
                },
                Some((server, question, heard)) = answers.next(), if !answers.is_empty() => {
                    self.heard(&server, question, heard, members).await;
                    if answers.is_empty() {
                        round.ends(self.clock.boot(), members.guests.len());
                    }
                }
                () = self.clock.sleep(round.next.since(self.clock.boot()).min(TURN_EVERY)) => {
                    let now = self.clock.boot();
                    if now < round.next {
                        continue;
                    }
                    if let Err(error) = self.begin(&link, &lanes, members, &answers).await {
                        return error.to_string();
                    }
                    let hangs = members.guests.values().any(|member| member.is_slow);
                    round.begins(now, self.config.interval, hangs);
                    // Nobody is here to be asked.
                    round.is_done = answers.is_empty();
                }
            }
        }
    }

    /// A round: who runs is asked, if no question to him is under way.
    async fn begin(
        &self,
        link: &Arc<dyn Link>,
        lanes: &Arc<Lanes>,
        members: &mut Members,
        answers: &Answers,
    ) -> Result<(), HypervisorError> {
        // What was not heard begins with another run, or is asked anew.
        link.missed_something();
        members.take_over(&link.domains().await?);
        for (server, question, member) in members.idle(self.clock.boot()) {
            let (link, asking) = (Arc::clone(link), self.asker.asking().clone());
            let (run, able, is_slow) = (member.run, member.machine.able().clone(), member.is_slow);
            let (lanes, clock) = (lanes.clone(), Arc::clone(&self.clock));
            answers.push(Box::pin(async move {
                let ask = asking.ask(&*link, &server, run, |command| able.contains(command));
                let heard = match is_slow {
                    true => lanes.slow(ask).await,
                    false => lanes.quick(ask, clock.sleep(asking.patience)).await,
                };
                (server, question, heard)
            }));
        }
        Ok(())
    }

    async fn event(&self, event: &Event, members: &mut Members) {
        let now = self.clock.boot();
        match (event.what.turn(), event.what) {
            (Turn::Stopped, _) => {
                self.answer.remove(&event.server);
                members.guests.remove(&event.server);
            }
            (Turn::Started, _) | (Turn::None, What::Reboot) => {
                self.answer.remove(&event.server);
                self.reporter.begins_anew(Watched::Guests, &subject(&event.server)).await;
                if let Some(member) = members.guests.get_mut(&event.server) {
                    member.begins_anew();
                }
            }
            (Turn::None, What::Lifecycle { kind: SUSPENDED | RESUMED, .. }) => {
                if let Some(member) = members.guests.get_mut(&event.server) {
                    member.excuse(&self.config, now);
                }
            }
            (
                Turn::None,
                What::Lifecycle { .. }
                | What::Watchdog { .. }
                | What::IoError { .. }
                | What::IoErrorReason
                | What::ControlError,
            ) => {}
        }
    }

    async fn heard(&self, server: &ServerId, question: u64, heard: Heard, members: &mut Members) {
        let Some(member) = members.guests.get_mut(server) else { return };
        if member.asked != Some(question) {
            return;
        }
        member.asked = None;
        if std::mem::take(&mut member.is_stale) {
            return;
        }
        member.is_slow = matches!(heard.found, Found::Silent | Found::Unknown);
        let now = self.clock.boot();
        if !heard.has_channel {
            member.rests_until = now.plus(LOOK_EVERY);
        }
        for command in heard.able {
            member.machine.can(command);
        }
        let Heard { found, why, .. } = heard;
        match found {
            Found::Alive | Found::Excused => {}
            // Python's own words.
            Found::Silent | Found::Closed => {
                tracing::debug!("{server}\tqemu-ga_guest-ping is not responding. ({why})");
            }
            Found::Unknown => tracing::debug!("{server}: its agent cannot be asked ({why})"),
        }
        let is_new = member.machine.state() == State::Discovery;
        let is_reported = member.machine.find(found, now, self.config.patience);
        if is_new && member.machine.state() == State::Healthy {
            self.answer.add(server.clone());
        }
        if is_reported {
            let times = member.machine.failures() + 1;
            let (name, run) = (member.name.clone(), member.run);
            tracing::warn!(
                "The guest agent of VM {server} ({name}) does not answer, {times} times in a row ({why})"
            );
            self.mark.saw(format!("{EVENT} {server}"));
            self.reporter.report(self.report(server, run)).await;
        }
    }

    fn report(&self, server: &ServerId, run: u32) -> Report {
        let mut payload = Map::new();
        for (name, value) in
            [("event", EVENT), ("instance_uuid", server.as_str()), ("vir_domain_event", DETAIL)]
        {
            payload.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        Report {
            kind: NotificationType::Vm,
            subject: subject(server),
            hostname: self.config.hostname.clone(),
            generated_at: self.clock.wall(),
            payload,
            claim: Claim::GuestSilent { run },
            care: match restart::is_failure(EVENT, DETAIL) {
                true => Care::UntilAnswered,
                false => Care::AsPython,
            },
        }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self { quick: Semaphore::new(LANE), slow: Semaphore::new(LANE) }
    }
}

impl Lanes {
    async fn slow<T>(&self, ask: impl Future<Output = T>) -> T {
        let _place = self.slow.acquire().await;
        ask.await
    }

    /// Who is not done in `patience` takes a place among the slow, when there is one: libvirt bears an agent that hangs
    /// for longer than we.
    async fn quick<T>(
        &self,
        ask: impl Future<Output = T>,
        patience: impl Future<Output = ()>,
    ) -> T {
        let place = self.quick.acquire().await;
        let (mut ask, patience) = (pin!(ask), pin!(patience));
        if let Either::Left((done, _)) = select(ask.as_mut(), patience).await {
            return done;
        }
        match select(ask, pin!(self.slow.acquire())).await {
            Either::Left((done, _)) => done,
            Either::Right((_place, ask)) => {
                drop(place);
                ask.await
            }
        }
    }
}

impl Round {
    fn begins(&mut self, now: Boot, interval: Duration, hangs: bool) {
        match (self.is_done, self.is_late) {
            (false, false) => {
                let s = interval.as_secs();
                tracing::warn!(
                    "Some guests have not been asked within {s} s: those that do not answer are asked less often"
                );
                self.is_late = true;
            }
            // As long as one hangs, some rounds are done in time and some are not.
            (true, true) if !hangs => {
                tracing::info!("All guests are asked in time again");
                self.is_late = false;
            }
            (false, true) | (true, true | false) => {}
        }
        if self.is_done {
            self.began = now;
        }
        self.is_done = false;
        self.next = now.plus(interval);
    }

    fn ends(&mut self, now: Boot, guests: usize) {
        self.is_done = true;
        let took_ms = now.since(self.began).as_millis();
        tracing::debug!(guests, "A round took {took_ms} ms");
    }
}

impl Members {
    /// Takes over who runs.
    fn take_over(&mut self, domains: &[Domain]) {
        let mut before = std::mem::take(&mut self.guests);
        for domain in domains {
            let Some(run) = domain.run else { continue };
            let member = before.remove(&domain.server).filter(|member| member.run == run);
            let member = member.unwrap_or_else(|| Member::new(domain.name.clone(), run));
            self.guests.insert(domain.server.clone(), member);
        }
    }

    /// Those to whom no question is under way, each with its next one.
    fn idle(&mut self, now: Boot) -> impl Iterator<Item = (ServerId, u64, &Member)> {
        let questions = &mut self.questions;
        let is_idle = move |member: &Member| member.asked.is_none() && member.rests_until <= now;
        let idle = self.guests.iter_mut().filter(move |(_, member)| is_idle(member));
        idle.map(|(server, member)| {
            *questions += 1;
            member.asked = Some(*questions);
            (server.clone(), *questions, &*member)
        })
    }
}

impl Member {
    fn new(name: String, run: u32) -> Self {
        Self {
            name,
            run,
            machine: Machine::default(),
            asked: None,
            is_stale: false,
            is_slow: false,
            rests_until: Boot(0),
        }
    }

    /// Its system boots: what it answered before is not expected of it.
    fn begins_anew(&mut self) {
        (self.machine, self.is_stale) = (Machine::default(), self.asked.is_some());
    }

    fn excuse(&mut self, config: &GuestsConfig, now: Boot) {
        self.machine.find(Found::Excused, now, config.patience);
        self.is_stale = self.asked.is_some();
    }
}
