//! What an answer means for the log: of a look, of an act, and of none at all.

use super::{Came, OUTAGE_WAIT, Single, Turns, chain};
use crate::{
    error::ActFailed,
    look::{HostList, LookFailed, ServersView},
    reserve::Found,
    tell,
};
use openstack::{AskError, Disposition};
use ports::Boot;
use recovery::{
    Millis, ServerId, VMoveId,
    due::{self, Look},
    explain::words::{NO_RESERVED, RESERVED_BUSY},
    log::{Act, Entry, Planned, Reset, Skipped},
    plan,
    seen::{Evacuation, Server},
    state::{Move, Outcome, Stage},
    steps::EVACUATE,
    way::{Standing, Way, WayEntry, Ways},
};
use std::time::Duration;

/// Nova evacuates no server sooner, so what it shows of them until then is not worth its time.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// Why a server stays where the operator wants no evacuation.
const LEFT_OUT: &str = "the operator's list of tasks has no evacuate_instances_task";

impl<'e> Turns<'e> {
    /// What an answer means for the log.
    pub(super) fn digest(&mut self, came: Came<'e>) -> Vec<Entry> {
        match came {
            Came::Host(result) => self.heard(Single::Host, result, |this, view| {
                this.seen(view);
                Vec::new()
            }),
            Came::Unchanged => self.heard(Single::Host, Ok(()), |this, ()| this.unchanged()),
            Came::Guarded(result) => self.heard(Single::Guard, result, |this, view| {
                this.guard = Some(view);
                Vec::new()
            }),
            Came::Fenced(ended) => self.fenced(ended),
            Came::Listed(result) => self.heard(Single::List, result, |this, list| this.plan(&list)),
            Came::Looked(result) => self.heard(Single::Servers, result, Self::looked),
            Came::Glanced(records) => self.glanced(records),
            Came::Found(result) => self.heard(Single::Reserve, result, Self::found),
            Came::Room(result) => self.heard(Single::Room, result, |this, view| this.room(&view)),
            Came::Switched(done, result) => {
                let single =
                    if let Entry::Way(_) = done { Single::Reserve } else { Single::Switch };
                self.singles.remove(&single);
                if matches!(done, Entry::Way(WayEntry::Ready { .. })) && !self.makes_ready() {
                    return Vec::new();
                }
                match result {
                    Ok(()) => vec![done],
                    Err(
                        ActFailed::NoTenure { .. }
                        | ActFailed::Late { .. }
                        | ActFailed::Withheld { .. }
                        | ActFailed::MayRun { .. },
                    ) => Vec::new(),
                    Err(ActFailed::Before(e) | ActFailed::Itself(e)) => self.not_switched(done, &e),
                }
            }
            Came::Stepped(run, ended) => {
                self.singles.remove(&Single::Step);
                self.engine.step_ended(&run, ended).into_iter().collect()
            }
            Came::Acted { act, server, result } => {
                self.busy.remove(&server);
                self.engine.fair.borrow_mut().ended(&self.mission.subject.notification);
                self.acted(act, server, result)
            }
            Came::Arrived(result) => self.heard(Single::Starts, result, Self::saw_starts),
            Came::Started(server, result) => self.started(server, result),
            Came::Checked(server, result) => self.checked(server, result),
        }
    }

    fn acted(&mut self, act: Act, server: ServerId, result: Result<(), ActFailed>) -> Vec<Entry> {
        let servers = vec![server.clone()];
        let (error, sent) = match result {
            Ok(()) => return vec![Entry::Did { act, servers }],
            // The next look tells; nothing more is written under a lease that is over.
            Err(ActFailed::NoTenure { .. }) => return Vec::new(),
            Err(ActFailed::Late { ms }) => {
                tracing::warn!(%server, act = tell::word(act), ms, "not asked for: the calls before it took too long");
                return vec![Entry::Postponed { act, servers, until: self.later() }];
            }
            Err(ActFailed::Withheld { why }) => {
                tracing::warn!(%server, act = tell::word(act), why, "not asked for");
                return vec![Entry::Postponed { act, servers, until: self.later() }];
            }
            Err(may_run @ ActFailed::MayRun { .. }) => {
                let why = chain(&may_run);
                return vec![Entry::NotMoved {
                    server,
                    why,
                    again_at: None,
                    reset: Reset::NotNeeded,
                }];
            }
            Err(ActFailed::Before(error)) => (error, false),
            Err(ActFailed::Itself(error)) => {
                let sent = error.may_have_arrived();
                (error, sent)
            }
        };
        let why = chain(&error);
        tell::not_done(&server, act, &why, sent);
        let mut entries: Vec<Entry> = self.disorder(act, &error).into_iter().collect();
        match (act, error.disposition()) {
            (Act::Evacuate, Disposition::Transient) if !sent => {
                entries.extend(self.waiting(&why));
                entries.push(Entry::Postponed { act, servers, until: self.later() });
            }
            (Act::Evacuate, Disposition::Transient) => {
                entries.extend(self.waiting(&why));
                self.list_now();
            }
            (Act::Evacuate, Disposition::Refused) => {
                entries.push(Entry::Refused { act, server, why });
                self.list_now();
            }
            (Act::Stop | Act::Settle, Disposition::Refused)
                if matches!(error, openstack::AskError::NotFound { .. }) =>
            {
                // Something between us and Nova may have said that: a list tells.
                entries.push(Entry::Refused { act, server, why });
                entries.push(Entry::Postponed { act, servers, until: self.later() });
                self.list_now();
            }
            // Refused because Nova is just stopping it, or for a passing reason: stop_ms bounds it.
            (Act::Stop, Disposition::Refused) => {}
            (Act::Stop | Act::Settle, Disposition::Transient | Disposition::Refused) => {
                entries.extend(self.waiting(&why));
                entries.push(Entry::Postponed { act, servers, until: self.later() });
            }
        }
        entries
    }

    /// A reserved host that Nova refuses is left for the next one; anything else is tried again.
    fn not_switched(&mut self, wanted: Entry, error: &AskError) -> Vec<Entry> {
        match (wanted, error.disposition()) {
            (Entry::Way(WayEntry::Ready { host }), Disposition::Refused) => {
                tracing::warn!(%host, why = chain(error), "reserved host: it cannot be used");
                vec![Entry::Way(WayEntry::Left { host, used: false })]
            }
            (_, Disposition::Refused | Disposition::Transient) => self.outage(error),
        }
    }

    /// Whether the reserved host of this moment is still to be made ready: a recovery that is cancelled
    /// leaves it meanwhile.
    fn makes_ready(&self) -> bool {
        matches!(self.state.ways.reserve(), Some((_, Standing::Taken)))
    }

    fn found(&mut self, found: Found<'e>) -> Vec<Entry> {
        if self.state.hand.cancelled.is_some() {
            if let Found::Free(_, hold) = found {
                self.holds.push(hold);
            }
            return Vec::new();
        }
        let entry = match found {
            Found::Free(reserve, hold) => {
                tracing::info!(host = %reserve.host, "reserved host: taken");
                self.holds.push(hold);
                WayEntry::Taken { reserve }
            }
            Found::Unfit { host, why } => WayEntry::Passed { host, why: why.into() },
            Found::Busy if self.state.ways.next().is_none() => {
                self.after_outage = self.boot().plus(OUTAGE_WAIT.0);
                return self.waiting(RESERVED_BUSY).into_iter().collect();
            }
            Found::Busy => WayEntry::Over { why: RESERVED_BUSY.into() },
            Found::Nothing => WayEntry::Over { why: NO_RESERVED.into() },
        };
        vec![Entry::Way(entry)]
    }

    fn plan(&mut self, list: &HostList) -> Vec<Entry> {
        let engine = self.engine;
        let HostList { servers, evacuations, .. } = list;
        if self.state.hand.cancelled.is_some() {
            let over = |m: &Move| matches!(m.stage, Stage::Ended { .. });
            let all_over = self.busy.is_empty() && self.state.moves.values().all(over);
            return self.leaves_reserve(evacuations).filter(|_| all_over).into_iter().collect();
        }
        let first = self.state.plans == 0;
        let mut entries = Vec::new();
        // Nothing was asked of Nova before this list: what it does not show has yet to change.
        if first {
            self.cursor = Some(list.cursor);
            self.look_after = self.boot().plus(FIRST_LOOK);
            self.glance.listed(self.boot(), engine.now());
            let within = list.within.clone().map(|hosts| WayEntry::Within { hosts });
            entries.extend(within.map(Entry::Way));
        }
        let fresh_id = || VMoveId::new(engine.ports.entropy.uuid().to_string());
        let (mut moves, mut skipped) =
            plan::select(servers, evacuations, &engine.config().selection, &list.facts, fresh_id);
        self.state.keep_rows(&mut moves, &mut skipped);
        if self.state.steps.leave_out(EVACUATE) {
            let stays = |m: Planned| Skipped { server: m.server, why: LEFT_OUT.into(), left: None };
            skipped.extend(moves.drain(..).map(stays));
        }
        let on_host = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let mut fresh: Vec<_> =
            moves.into_iter().filter(|m| !self.state.moves.contains_key(&m.server)).collect();
        for m in &mut fresh {
            m.priority = list.priorities.get(&m.server).copied().unwrap_or(0);
            self.quarantine(m, list);
        }
        let left = self.left_behind(servers);
        let goes_on = self.state.steps.failed().is_none();
        if goes_on && !left.is_empty() && self.state.ways.goes_on(list.more_reserved) {
            fresh.extend(plan::again(&left, evacuations, fresh_id));
            entries.extend(self.leaves_reserve(evacuations));
            if self.state.ways.now() == Ok(Way::Scheduler) {
                let why = format!("Nova found no host for {} servers", left.len());
                entries.push(Entry::Way(WayEntry::Over { why }));
            }
        }
        let short = self.short_of_room(&left, list);
        if fresh.is_empty() && !short.is_empty() {
            return self.wait_for_room(&left, short, list);
        }
        if !first && fresh.is_empty() {
            entries.extend(self.leaves_reserve(evacuations));
            entries.push(Entry::Confirmed { on_host });
            return entries;
        }
        let order = self.order_of(&mut fresh, list);
        plan::in_order(&mut fresh);
        let host = &self.mission.subject.host;
        tracing::info!(%host, on_host, moves = fresh.len(), "planned");
        entries.push(Entry::Planned { on_host, moves: fresh, skipped });
        entries.extend(order);
        entries
    }

    /// The servers that are on the dead host still although their moves are over.
    fn left_behind<'l>(&'l self, servers: &'l [Server]) -> Vec<(&'l Server, &'l Planned)> {
        let failed = |server: &'l Server| {
            let m = self.state.moves.get(&server.id)?;
            let failed = matches!(&m.stage, Stage::Ended { outcome: Outcome::Failed { .. } });
            (failed && m.planned.quarantine.is_none()).then_some((server, &m.planned))
        };
        servers.iter().filter_map(failed).collect()
    }

    /// A server that may be what kills hosts is named, and stays. What Nova moves already is followed.
    fn quarantine(&self, m: &mut Planned, list: &HostList) {
        let subject = &self.mission.subject;
        let rule = self.engine.config().quarantine;
        let why = rule.judge(&m.server, &list.deaths, &subject.host, &subject.notification);
        if let Some(why) = why.filter(|_| !m.under_way) {
            tracing::warn!(server = %m.server, why, "quarantined");
            m.quarantine = Some(why);
        }
    }

    /// Nothing more is sent to the reserved host of this moment; was it used?
    pub(super) fn leaves_reserve(&self, evacuations: &[Evacuation]) -> Option<Entry> {
        let (reserve, _) = self.state.ways.reserve()?;
        let host = reserve.host.clone();
        let used = Ways::used(&host, &self.state.moves, evacuations);
        Some(Entry::Way(WayEntry::Left { host, used }))
    }

    fn looked(&mut self, view: ServersView) -> Vec<Entry> {
        let engine = self.engine;
        let look = Look {
            source: &self.mission.subject.host,
            began: view.began,
            answered_since: self.answered_since,
            servers: &view.servers,
            evacuations: &view.evacuations,
            reasons: &view.reasons,
            whole: view.whole,
            busy: &view.busy,
        };
        let mut entries = due::judge(&self.state, &engine.config().limits, &look, engine.now());
        self.look_after = self.next_look(view.alone_ms).max(engine.servers.rests_until());
        self.glance.listed(self.boot(), view.began);
        self.queues(&view.evacuations);
        self.cursor = Some(view.cursor);
        entries.extend(self.asked(view.asked));
        entries
    }

    /// When to look again, after a look that took so long besides what it shares with others.
    pub(super) fn next_look(&self, took_ms: u64) -> Boot {
        let who = self.mission.subject.notification.clone();
        let now = self.engine.now();
        let wait_ms = self.engine.looks.borrow_mut().next(who, took_ms, now);
        self.boot().plus(Duration::from_millis(wait_ms))
    }

    /// What an answer means, or the line that says that there was none.
    pub(super) fn heard<T>(
        &mut self,
        single: Single,
        result: Result<T, LookFailed>,
        means: impl FnOnce(&mut Self, T) -> Vec<Entry>,
    ) -> Vec<Entry> {
        self.singles.remove(&single);
        match result {
            Ok(answer) => {
                tell::answers_again(self.outages);
                self.outages = 0;
                means(self, answer)
            }
            Err(failed) => self.outage(&failed),
        }
    }

    fn outage(&mut self, failed: &(dyn std::error::Error + 'static)) -> Vec<Entry> {
        self.after_outage = self.boot().plus(self.outage_wait());
        self.outages = self.outages.saturating_add(1);
        // The next answer is at this time at the earliest, and each that does not come moves it on.
        self.answered_since = self.engine.now();
        let why = chain(failed);
        tell::trouble(failed, &why);
        self.waiting(&why).into_iter().collect()
    }

    /// One line an outage: it is written once until something comes further.
    pub(super) fn waiting(&self, why: &str) -> Option<Entry> {
        self.state.waiting.is_none().then(|| Entry::Waiting { why: why.to_owned() })
    }

    fn outage_wait(&self) -> Duration {
        let wait = OUTAGE_WAIT.0.saturating_mul(1 << self.outages.min(6));
        self.engine.ports.entropy.jitter(wait.min(OUTAGE_WAIT.1))
    }

    pub(super) fn later(&mut self) -> Millis {
        let wait = self.outage_wait();
        self.outages = self.outages.saturating_add(1).min(6);
        self.engine.now().plus(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }
}
