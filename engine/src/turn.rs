//! The loop of one recovery: what is due, do it, write it, until nothing is left.
//!
//! One turn: fold what came in, ask `recovery::due` what may start, write the intents, start the
//! acts, wait for the next answer. All outcomes that are ready go into one transaction.

mod capacity;
mod digest;
mod fencing;
mod glance;
mod guard;
mod intents;
mod judged;
mod patience;
mod quiet;
mod record;
mod shadow;
mod single;
mod starts;
mod waiting;

use crate::{
    Engine,
    acts::Manner,
    claim,
    error::{ActFailed, Stop},
    fencing::Ended as FenceEnded,
    guard::GuardView,
    journal::Journal,
    look::{From, HostList, HostView, LookFailed, ServersView},
    records::Quiet,
    reserve::{Found, Hold},
    room::RoomView,
    sight::Sight,
    steps,
    subject::{Mission, Task},
    tell,
    tiers::StartsView,
};
use capacity::Lookout;
use futures::{FutureExt, future::LocalBoxFuture, stream::FuturesUnordered};
use openstack::{AskError, Cursor};
use ports::Boot;
use recovery::{
    HostName, Millis, ServerId,
    due::{self, Scene, Step},
    lease::{Lease, LeaseKey},
    log::{Act, Entry, Line, Reset},
    permit::Loss,
    seen::Evacuation,
    state::{Move, Stage, State},
    way::WayEntry,
};
use single::{Single, single};
use starts::Desk;
use std::{collections::BTreeSet, time::Duration};

/// A permit is computed from a look at the host whose answer came at most so long ago.
pub(crate) const VIEW_FRESH: Duration = Duration::from_millis(1_000);
/// The least and the most wait after Nova or the database did not answer.
pub(crate) const OUTAGE_WAIT: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(15));
/// How often something is looked at that only the world can change.
const NAP_MOST: Duration = Duration::from_secs(1);
/// How often it is asked whether it is our turn, where other recoveries have all of Nova's calls.
const NAP_HUNGRY: Duration = Duration::from_millis(100);
/// How long a recovery that had to be left rests before it is taken up again.
const LEFT_WAIT: Duration = Duration::from_secs(2);
/// How long acts in flight may take to end at a shutdown.
pub(crate) const WIND_UP: Duration = Duration::from_secs(8);

/// What came back.
enum Came<'e> {
    Host(Result<HostView, LookFailed>),
    /// The database knows no more of the host than before.
    Unchanged,
    Guarded(Result<GuardView, LookFailed>),
    Listed(Result<HostList, LookFailed>),
    Looked(Result<ServersView, LookFailed>),
    Glanced(Result<(Vec<Evacuation>, Cursor), AskError>),
    Found(Result<Found<'e>, LookFailed>),
    Room(Result<RoomView, LookFailed>),
    Fenced(FenceEnded),
    Switched(Entry, Result<(), ActFailed>),
    Stepped(recovery::steps::Run, steps::Ended),
    Acted {
        act: Act,
        server: ServerId,
        result: Result<(), ActFailed>,
    },
    Arrived(Result<StartsView, LookFailed>),
    Started(ServerId, Result<(), ActFailed>),
    Checked(ServerId, Result<(), String>),
}

/// One recovery in this process.
struct Turns<'e> {
    engine: &'e Engine,
    lease: Lease,
    mission: Mission,
    state: State,
    /// The reserved hosts of this recovery.
    holds: Vec<Hold<'e>>,
    in_flight: FuturesUnordered<LocalBoxFuture<'e, Came<'e>>>,
    busy: BTreeSet<ServerId>,
    singles: BTreeSet<Single>,
    view: Option<HostView>,
    guard: Option<GuardView>,
    cursor: Option<Cursor>,
    look_after: Boot,
    /// Before the intents of this turn were written.
    intended_at: Boot,
    /// A heartbeat up to this moment may be our own write, from before a crash.
    own_write: Option<Millis>,
    /// Which evidence may be of it.
    loss: Loss,
    /// The newest heartbeat that is kept in the database.
    kept: Option<Millis>,
    /// For the acts under way: whether the host has shown a sign of life since they began.
    sight: Sight,
    outages: u32,
    after_outage: Boot,
    /// Since when each look was answered; it begins anew with each engine.
    answered_since: Millis,
    /// Servers wait for others' calls to end.
    hungry: bool,
    starts: Desk,
    lookout: Lookout,
    fence: fencing::Desk,
    quiet: quiet::Desk,
    glance: glance::Desk,
    patience: patience::Desk,
}

impl Engine {
    /// Runs a recovery that was just taken to its end, or until the lease is lost.
    pub(crate) async fn recover(
        &self,
        claimed: claim::Claimed,
        stopping: impl Future<Output = ()>,
    ) {
        self.fair.borrow_mut().join(claimed.notification.clone());
        let result = self.recover_claimed(&claimed, stopping).await;
        self.leave(claimed, result).await;
    }

    /// Gives back what was claimed.
    async fn leave(&self, claimed: claim::Claimed, result: Result<(), Stop>) {
        self.fair.borrow_mut().leave(&claimed.notification);
        self.looks.borrow_mut().leave(&claimed.notification);
        self.queue.borrow_mut().leave(&claimed.notification);
        self.waits_no_more(&claimed.notification);
        match result {
            // Its end was told when it was written.
            Ok(()) => {}
            Err(Stop::Shutdown) => tracing::info!("recovery left for others"),
            Err(stop @ Stop::Overtaken) => tracing::info!("{stop}"),
            Err(stop @ Stop::Ended) => tracing::debug!("{stop}"),
            Err(stop) => {
                let why = chain(&stop);
                tracing::warn!(why, "recovery left; it goes on from its log");
                // Whatever it is, it will not be better at once.
                self.ports.clock.sleep(self.ports.entropy.jitter(LEFT_WAIT)).await;
            }
        }
        if let Err(e) = self.ports.store.release(&claimed.leases).await {
            tracing::debug!(error = %e, "leases were not given back; they end by themselves");
        }
        self.tenures.forget(&claimed.leases);
        drop(claimed.mark);
        self.wake.nudge();
    }

    /// Reads what was claimed.
    async fn open<'c>(&self, claimed: &'c claim::Claimed) -> Result<Opened<'c>, Stop> {
        let id = &claimed.notification;
        let key = LeaseKey::recovery(id);
        let Some(lease) = claimed.leases.iter().find(|l| l.key == key) else {
            return Err(Stop::LeaseLost { key });
        };
        let lines = self.ports.store.log(id).await?;
        if lines.last().is_some_and(|line| line.entry.is_the_end()) {
            return Err(Stop::Ended);
        }
        let generation = lease.generation;
        let claim = Entry::Claimed { owner: self.owner.0.clone(), generation };
        let task = self.task(id, &lines).await?;
        tell::claimed(&task, generation);
        Ok(Opened { lease, lines, claim, task })
    }

    async fn recover_claimed(
        &self,
        claimed: &claim::Claimed,
        stopping: impl Future<Output = ()>,
    ) -> Result<(), Stop> {
        let id = &claimed.notification;
        let Opened { lease, lines, claim, task } = self.open(claimed).await?;
        let mission = match task {
            Task::RecoverHost(mission) => mission,
            Task::Restart { subject, server } => {
                let mut journal = Journal::open(self, lease, subject, &lines)?;
                journal.record(Self::opening(claim, &lines, &self.config().steps.server)).await?;
                return self.restart(journal, &server, stopping).await.map(drop);
            }
            Task::Process { subject, process } => {
                let mut journal = Journal::open(self, lease, subject, &lines)?;
                journal.record(Self::opening(claim, &lines, &self.config().steps.process)).await?;
                return self.answer_to_process(journal, &process, stopping).await.map(drop);
            }
            Task::Nothing { status, message } => {
                return self.close(lease, id, &lines, claim, (status, message)).await;
            }
        };
        let asked = mission.asked.clone().filter(|_| lines.is_empty()).map(Entry::Hand);
        let mut turns = Turns::new(self, lease.clone(), mission, State::fold(&lines)?);
        turns.record([claim].into_iter().chain(asked).collect()).await?;
        let result = turns.run(stopping).await;
        // What is in flight ends here; a reserved host that it was about to take is free.
        turns.in_flight.clear();
        self.give_back(std::mem::take(&mut turns.holds)).await;
        result
    }
}

/// A recovery that was just taken: its log as it is, and what it is about.
struct Opened<'c> {
    lease: &'c Lease,
    lines: Vec<Line>,
    /// The line that says who has it now; it is still to be written.
    claim: Entry,
    task: Task,
}

impl<'e> Turns<'e> {
    fn new(engine: &'e Engine, lease: Lease, mission: Mission, state: State) -> Self {
        let retried = state.hand.retried_at;
        let loss = Loss { reported: mission.reported, retried, returned: None };
        let host = mission.subject.host.clone();
        let sight = Sight::new(host, state.forced_down_at, loss);
        Self {
            engine,
            lease,
            mission,
            holds: Vec::new(),
            in_flight: FuturesUnordered::new(),
            busy: BTreeSet::new(),
            singles: BTreeSet::new(),
            view: None,
            guard: None,
            cursor: None,
            look_after: Boot(0),
            intended_at: Boot(0),
            // Of whoever was at it before; our own ones are known.
            own_write: state.forced_down_at,
            loss,
            kept: None,
            sight,
            state,
            outages: 0,
            after_outage: Boot(0),
            answered_since: engine.now(),
            hungry: false,
            starts: Desk::default(),
            lookout: Lookout::default(),
            fence: fencing::Desk::default(),
            quiet: quiet::Desk::default(),
            glance: glance::Desk::default(),
            patience: patience::Desk::default(),
        }
    }

    async fn run(&mut self, stopping: impl Future<Output = ()>) -> Result<(), Stop> {
        let mut stopping = std::pin::pin!(stopping);
        self.begin().await?;
        while self.state.ended.is_none() {
            if stopping.as_mut().now_or_never().is_some() {
                return self.wind_up().await;
            }
            if self.engine.tenures.is_over(&self.lease, self.boot()) {
                return Err(Stop::LeaseLost { key: self.lease.key.clone() });
            }
            if let Some(word) = self.word_asked() {
                self.record(vec![word]).await?;
            }
            if self.start_what_is_due().await? {
                continue;
            }
            let came = self.wait(stopping.as_mut()).await;
            let entries = came.into_iter().flat_map(|c| self.digest(c)).collect();
            self.record(entries).await?;
        }
        Ok(())
    }

    /// What a person has just said of it.
    fn word_asked(&self) -> Option<Entry> {
        self.engine.word_of(&self.mission.subject.notification, &self.state.hand)
    }

    /// What was written on its way back is no sign of life; the method goes into the log, and the reserved hosts that the log has are held again.
    async fn begin(&mut self) -> Result<(), Stop> {
        let before = self.engine.brought_back_at(&self.mission.subject.host_id).await?;
        self.own_write = self.own_write.max(before);
        self.loss.returned = before;
        if self.state.ways.method.is_none() {
            let method = self.mission.method;
            let mut entries = vec![Entry::Way(WayEntry::Method { method })];
            // What is tried again keeps its list.
            let fresh = self.state.steps.are_usual();
            entries.extend(self.engine.flow_of_host(method).filter(|_| fresh));
            self.record(entries).await?;
        }
        for host in self.state.ways.held() {
            match self.engine.hold_again(host).await? {
                Some(hold) => self.holds.push(hold),
                None => return Err(Stop::LeaseLost { key: LeaseKey::reserved(host) }),
            }
        }
        Ok(())
    }

    /// Asks what is due and starts it. `true`: something was written, ask again.
    async fn start_what_is_due(&mut self) -> Result<bool, Stop> {
        let engine = self.engine;
        let judged = self
            .fresh_view()
            .map(|view| view.permit(engine, &self.mission.subject.host, self.own_write, self.loss));
        self.keep_sign(judged.as_ref()).await?;
        if self.note_judgement(judged.as_ref()).await? {
            return Ok(true);
        }
        // Who may not begin has no permit.
        let lets = self.is_let();
        let scene = Scene {
            now: engine.now(),
            permit: judged.as_ref().and_then(|j| j.as_ref().ok()).filter(|_| lets),
            unproven: self.unproven(judged.as_ref()).filter(|_| lets),
            service: self.view.as_ref().and_then(|v| v.service.as_ref()),
            busy: &self.busy,
            room: engine.config().calls_most,
            look: self.look_after <= self.boot(),
        };
        // While the host is held there is nothing to look at more often than once a nap.
        let held = matches!((&judged, lets), (Some(Err(_)), _) | (Some(_), false));
        let mut steps = due::due(&self.state, &engine.config().limits, &scene);
        self.add_starts(&scene, &mut steps);
        let mut notes: Vec<Entry> = steps.iter().filter_map(intents::note).collect();
        // What was sent before it was cancelled is followed to its end.
        if self.state.hand.cancelled.is_some() && !self.in_flight.is_empty() {
            notes.retain(|entry| !matches!(entry, Entry::Ended { .. }));
        }
        if !notes.is_empty() {
            self.record(notes).await?;
            return Ok(true);
        }
        let steps: Vec<Step> = steps.into_iter().filter(|s| self.may_start(s, held)).collect();
        self.look_at_guard(judged.as_ref(), &steps);
        let steps = self.our_share(steps);
        let steps = self.with_a_place(steps);
        self.intended_at = self.boot();
        let climb = self.climb_intended(&steps);
        self.record(climb.into_iter().chain(intents::of(&steps)).collect()).await?;
        for step in steps {
            self.start(step);
        }
        Ok(false)
    }

    /// Of the evacuations that are due as many as it is this recovery's turn for; the others stay due.
    fn our_share(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        let moves = |step: &Step| matches!(step, Step::Evacuate { .. } | Step::Start(_));
        let wanted = steps.iter().filter(|step| moves(step)).count();
        // While it looks whether the host is still dead it wants what it wanted before: else whatever others'
        // calls give back in that moment would all be theirs.
        let looks = steps.iter().any(|step| matches!(step, Step::LookAtHost));
        if wanted == 0 && (looks || self.singles.contains(&Single::Host)) {
            return steps;
        }
        let mut left = self.engine.share(&self.mission.subject.notification, wanted);
        self.hungry = wanted > left;
        steps.retain(|step| {
            let goes = !moves(step) || left > 0;
            left = left.saturating_sub(usize::from(moves(step)));
            goes
        });
        steps
    }

    fn may_start(&self, step: &Step, held: bool) -> bool {
        let quiet = self.after_outage <= self.boot();
        // In the last second of a lease nothing that changes the cloud is begun: it would not be
        // sent, and be due again at once.
        let may_act = self.engine.tenures.allows(&self.lease, self.boot());
        match single(step) {
            Some(Single::Host) => {
                // What comes after a step is looked at when it has ended.
                let no_need = held || self.singles.contains(&Single::Step);
                quiet && !no_need && !self.singles.contains(&Single::Host) && self.is_rested()
            }
            Some(single @ Single::Room) => {
                quiet && self.lookout.may_look(self.boot()) && !self.singles.contains(&single)
            }
            Some(single @ (Single::Switch | Single::Reserve | Single::Step)) => {
                quiet && may_act && !self.singles.contains(&single)
            }
            Some(single) => quiet && !self.singles.contains(&single),
            // Where its old host is back, a server may be started without a permit.
            None if matches!(step, Step::Start(_)) => may_act && self.is_let(),
            None => may_act,
        }
    }

    fn start(&mut self, step: Step) {
        if let Some(single) = single(&step) {
            self.singles.insert(single);
        }
        let (engine, lease, sight) = (self.engine, self.lease.clone(), self.sight.clone());
        let host = self.mission.subject.host.clone();
        let act: LocalBoxFuture<'e, Came<'e>> = match step {
            Step::LookAtHost => self.look(host),
            Step::Fence { .. } => self.climb(),
            Step::Plan | Step::Confirm => {
                let (mission, ways) = (self.mission.clone(), self.state.ways.clone());
                async move { Came::Listed(engine.list_host(&mission, &ways).await) }.boxed_local()
            }
            Step::TakeReserve => {
                let (mission, ways) = (self.mission.clone(), self.state.ways.clone());
                async move { Came::Found(engine.find_reserve(&mission, &ways).await) }.boxed_local()
            }
            Step::LookForRoom(servers) => self.look_for_room(&servers),
            Step::ReadyReserve(reserve) => async move {
                let ready = Entry::Way(WayEntry::Ready { host: reserve.host.clone() });
                Came::Switched(ready, engine.ready(&lease, &reserve).await)
            }
            .boxed_local(),
            Step::HandBack(reserve) => async move {
                let back = Entry::Way(WayEntry::HandedBack { host: reserve.host.clone() });
                Came::Switched(back, engine.hand_back(&lease, &reserve).await)
            }
            .boxed_local(),
            Step::LookAtServers => self.look_at_servers(host),
            Step::ForceDown(order) => async move {
                Came::Switched(Entry::ForcedDown, engine.force_down(&lease, &order, &sight).await)
            }
            .boxed_local(),
            Step::Disable(service) => async move {
                let config = engine.config();
                let done = async {
                    engine.still_dead(&sight).await?;
                    let hides = sight.hidden_by_a_write();
                    engine.disable(&lease, &service, &hides, &config.disable_reason).await
                };
                Came::Switched(Entry::Disabled, done.await)
            }
            .boxed_local(),
            Step::Evacuate { order, lock, reset } => {
                let (server, intended) = (order.server().clone(), self.intended_at);
                let manner = self.manner(&server, lock, reset);
                self.act(Act::Evacuate, server, async move {
                    engine.evacuate(&lease, &order, &sight, intended, manner).await
                })
            }
            Step::LookAtStarts => self.look_at_starts(),
            Step::Start(start) => self.start_one(&start),
            Step::Check(server, check) => self.check_one(server, check),
            Step::Stop(server) => {
                let id = server.clone();
                self.act(Act::Stop, server, async move { engine.stop(&lease, &id).await })
            }
            Step::Settle { server, to_error, unlock } => {
                let id = server.clone();
                self.act(Act::Settle, server, async move {
                    engine.settle(&lease, &id, to_error, unlock).await
                })
            }
            Step::RunStep(run) => self.own_step(run),
            Step::Note(_) => return,
        };
        self.in_flight.push(act);
    }

    fn manner(&self, server: &ServerId, lock: bool, reset: Reset) -> Manner {
        let before = |m: &Move| m.sent > 1 || m.planned.last_evacuation > 0;
        let again = self.state.moves.get(server).is_some_and(before);
        Manner { lock, reset, arrives: self.arrives(server), again }
    }

    fn own_step(&self, run: recovery::steps::Run) -> LocalBoxFuture<'e, Came<'e>> {
        let (engine, lease, sight) = (self.engine, self.lease.clone(), self.sight.clone());
        let more = steps::facts_of_host(&self.state);
        let facts = steps::facts(&self.mission.subject, &run, more);
        async move {
            let ended = engine.run_step(&lease, &run, Some(&sight), facts).await;
            Came::Stepped(run, ended)
        }
        .boxed_local()
    }

    fn act(
        &mut self,
        act: Act,
        server: ServerId,
        call: impl Future<Output = Result<(), ActFailed>> + 'e,
    ) -> LocalBoxFuture<'e, Came<'e>> {
        self.busy.insert(server.clone());
        self.engine.fair.borrow_mut().begins(&self.mission.subject.notification);
        let engine = self.engine;
        async move { Came::Acted { act, server, result: engine.paced(call).await } }.boxed_local()
    }

    fn look_at_servers(&mut self, host: HostName) -> LocalBoxFuture<'e, Came<'e>> {
        let (engine, quiet, busy) = (self.engine, self.quiet(), self.busy.clone());
        let (from, watched) = (self.look_from(&quiet), self.state.on_their_way());
        if let Some(glance) = self.glance(&from) {
            return glance;
        }
        let open = self.state.moves.values().filter(|m| !matches!(m.stage, Stage::Ended { .. }));
        let ids = open.map(|m| m.planned.server.clone()).collect();
        async move {
            let looked = engine.look_at_servers(&host, from, &ids, busy, watched, quiet).await;
            Came::Looked(looked)
        }
        .boxed_local()
    }

    /// After a restart or an answer that was lost everything is looked at; else what has changed.
    fn look_from(&self, quiet: &Quiet) -> From {
        let unsure = !quiet.servers.is_empty()
            || self.state.moves.values().any(|m| {
                let asking = matches!(m.stage, Stage::Asking { .. });
                (asking || m.doubted) && !self.busy.contains(&m.planned.server)
            });
        let limits = &self.engine.config().limits;
        let idle_ms = self.state.progress_at.map_or(0, |p| self.engine.now().since(p));
        match &self.cursor {
            Some(cursor) if !unsure && idle_ms < limits.arrival_ms / 2 => From::Last(*cursor),
            Some(_) | None => From::Beginning(self.state.began.unwrap_or_default()),
        }
    }

    fn boot(&self) -> Boot {
        self.engine.ports.clock.boot()
    }
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
