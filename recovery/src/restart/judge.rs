//! What one look at the server means, and what may be done to it now.

use super::{Event, Limits, Rules, Stage, State};
use crate::fold::{Fold, again_at};
use crate::log::Entry;
use crate::nouns::NotificationStatus;
use crate::plan::means_true;
use crate::rules::{Facts, Verdict};
use crate::seen::{ComputeService, Server, Task, VmState};
use crate::steps::{self, Failure, Next, Place};
use crate::{HostName, Millis, NotificationId, ServerId};
use alloc::{format, string::String, vec::Vec};

/// How often something is looked at that only the world can change: at first soon, because Nova may need no more than a
/// fraction of a second, then after half as long again as it has taken, and once a second at last.
const LOOK_FIRST_MS: i64 = 100;
const LOOK_EVERY_MS: i64 = 1_000;
/// The same for what may take long.
const BLOCKED_EVERY_MS: i64 = 5_000;
/// nova-compute reports every 10 s unless an operator said otherwise; with a longer interval a moment
/// just after a report is waited for.
const HEARTBEAT_FRESH_MS: i64 = 15_000;

/// What one look showed.
#[derive(Debug)]
pub struct Look<'a> {
    /// The server that was reported, and the host that reported it.
    pub id: &'a ServerId,
    pub reported_by: &'a HostName,
    /// When it began: what was asked later is not judged by it.
    pub began: Millis,
    /// `None`: Nova has no such server.
    pub server: Option<&'a Server>,
    /// The compute service of the host on which Nova has it now.
    pub service: Option<&'a ComputeService>,
    /// Nova's records say that it is being evacuated. Looked at *after* the server.
    pub evacuating: bool,
    /// A recovery of that host, or of the one that reported it, that is open.
    pub host_recovery: Option<(&'a HostName, &'a NotificationId)>,
    /// How often the server was restarted within the window, by other recoveries than this one.
    pub restarts: u32,
    /// What owners' rules speak of.
    pub facts: &'a Facts,
}

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    /// Write that, and ask again.
    Note(Vec<Entry>),
    /// Stop it, after resetting its state to active.
    Stop {
        reset: bool,
    },
    Start,
    /// A step of the operator's own.
    RunStep(steps::Run),
    /// Look again then.
    Wait {
        until: Millis,
    },
}

/// What the look means. Pure; asked again after every line of the log.
#[must_use]
pub fn judge(state: &State, rules: &Rules, limits: &Limits, look: &Look<'_>, now: Millis) -> Due {
    if state.common().expired(limits.expiry_ms, now) {
        return Due::Note(Vec::from([state.common().given_up(limits.expiry_ms)]));
    }
    if let Some(why) = state.common.steps.failed() {
        return failed(why.into());
    }
    let Some(server) = look.server.filter(|s| !is_deleted(s)) else {
        return ignored(format!("instance '{}' was deleted", look.id));
    };
    if let Some(end) = moved(state, server, look) {
        return end;
    }
    if state.stage == Stage::Choosing
        && let Some(end) = not_wanted(state, server, rules, look)
    {
        return end;
    }
    if let Some(due) = held_up(state, server, limits, look, now) {
        return due;
    }
    by_stage(state, server, limits, look, now)
}

fn by_stage(state: &State, server: &Server, limits: &Limits, look: &Look<'_>, now: Millis) -> Due {
    let sees = Sees { state, server, limits, look, now };
    if let Some(due) = sees.before(state.stage) {
        return due;
    }
    match state.stage {
        Stage::Choosing => note(Event::Chosen {
            server: server.id.clone(),
            name: server.name.clone(),
            host: look.reported_by.clone(),
            vm_state: server.vm_state,
        }),
        Stage::ToStop { not_before } => sees.to_stop(not_before),
        Stage::AskingStop { since } => sees.asking_stop(since),
        Stage::Stopping { since } => sees.stopping(since),
        Stage::ToStart { not_before } => sees.to_start(not_before),
        Stage::AskingStart { since } => sees.asking_start(since),
        Stage::Starting { since } => sees.starting(since),
        Stage::Active => sees.at_the_end(),
    }
}

/// All that a stage is judged by.
struct Sees<'a> {
    state: &'a State,
    server: &'a Server,
    limits: &'a Limits,
    look: &'a Look<'a>,
    now: Millis,
}

impl Sees<'_> {
    fn is_stopped(&self) -> bool {
        self.server.vm_state == VmState::Stopped && self.server.task == Task::None
    }

    fn is_active(&self) -> bool {
        self.server.vm_state == VmState::Active && self.server.task == Task::None
    }

    fn overdue(&self, limit_ms: i64) -> bool {
        self.state.stage_since.is_some_and(|since| self.now.since(since) >= limit_ms)
    }

    fn again_at(&self) -> Millis {
        again_at(self.limits.retry_ms, self.state.attempts, self.now)
    }

    /// The next look at what was asked of Nova then.
    fn soon(&self, asked: Millis) -> Due {
        let wait_ms = (self.now.since(asked) / 2).clamp(LOOK_FIRST_MS, LOOK_EVERY_MS);
        Due::Wait { until: self.now.plus(wait_ms) }
    }

    /// The operator's steps that come before what a stage is about.
    fn before(&self, stage: Stage) -> Option<Due> {
        let upto = match stage {
            Stage::ToStop { .. } => Place::First,
            Stage::ToStart { .. } => Place::Second,
            Stage::Starting { .. } => Place::Third,
            Stage::Choosing
            | Stage::AskingStop { .. }
            | Stage::Stopping { .. }
            | Stage::AskingStart { .. }
            | Stage::Active => return None,
        };
        self.own_step(upto)
    }

    fn own_step(&self, upto: Place) -> Option<Due> {
        self.state.common.steps.next(upto, self.now).map(|next| match next {
            Next::Run(run) => Due::RunStep(run),
            Next::Note(entry) => Due::Note(Vec::from([entry])),
            Next::Wait { until } => Due::Wait { until: until.min(self.now.plus(LOOK_EVERY_MS)) },
        })
    }

    fn left_out(&self, task: &str) -> bool {
        self.state.common.steps.leave_out(task)
    }

    fn at_the_end(&self) -> Due {
        let end = || ended(NotificationStatus::Finished, None);
        self.own_step(Place::End).unwrap_or_else(end)
    }

    fn to_stop(&self, not_before: Millis) -> Due {
        if self.is_stopped() {
            return note(Event::Stopped);
        }
        if self.left_out(steps::STOP) {
            return self.not_to_be_started();
        }
        if self.state.attempts >= self.limits.attempts || self.overdue(self.limits.stop_ms) {
            return self.not_stopped();
        }
        if not_before > self.now {
            return Due::Wait { until: not_before.min(self.now.plus(LOOK_EVERY_MS)) };
        }
        Due::Stop { reset: self.server.vm_state == VmState::Resized }
    }

    fn asking_stop(&self, since: Millis) -> Due {
        if since >= self.look.began {
            return self.soon(since);
        }
        if self.is_stopped() {
            return note(Event::Stopped);
        }
        match &self.server.task {
            Task::Other(word) if word == "powering-off" => note(Event::StopTaken),
            Task::Other(_) | Task::Rebuilding if self.overdue(self.limits.stop_ms) => {
                self.not_stopped()
            }
            Task::Other(_) | Task::Rebuilding => self.soon(since),
            Task::None if self.now.since(since) < self.limits.linger_ms => self.soon(since),
            Task::None => note(Event::NotAsked { until: self.now }),
        }
    }

    fn stopping(&self, since: Millis) -> Due {
        if since >= self.look.began {
            return self.soon(since);
        }
        if self.is_stopped() {
            return note(Event::Stopped);
        }
        if self.overdue(self.limits.stop_ms) {
            return self.not_stopped();
        }
        match self.server.task {
            Task::None => note(Event::StopRefused {
                why: "Nova took the stop and did not do it".into(),
                again_at: self.again_at(),
            }),
            Task::Other(_) | Task::Rebuilding => self.soon(since),
        }
    }

    fn not_stopped(&self) -> Due {
        failed(format!("Failed to stop instance {}", self.server.id))
    }

    fn to_start(&self, not_before: Millis) -> Due {
        if self.is_active() {
            return note(Event::Active);
        }
        if self.server.vm_state != VmState::Stopped {
            return self.not_to_be_started();
        }
        if self.left_out(steps::START) {
            return self.until_somebody_starts_it(not_before);
        }
        if self.state.attempts >= self.limits.attempts {
            return self.not_started();
        }
        if not_before > self.now {
            return Due::Wait { until: not_before.min(self.now.plus(LOOK_EVERY_MS)) };
        }
        Due::Start
    }

    fn not_to_be_started(&self) -> Due {
        failed(format!(
            "Invalid state for Instance {}. Expected state: 'STOPPED', Actual state: '{}'",
            self.server.id, self.server.vm_state
        ))
    }

    /// The operator leaves it to others to start it.
    fn until_somebody_starts_it(&self, stopped_at: Millis) -> Due {
        if self.left_out(steps::CONFIRM_ACTIVE) {
            return self.at_the_end();
        }
        if let Some(due) = self.own_step(Place::Third) {
            return due;
        }
        let since = self.state.common.steps.over_at.map_or(stopped_at, |at| at.max(stopped_at));
        if self.now.since(since) >= self.limits.start_ms {
            return self.not_started();
        }
        Due::Wait { until: self.now.plus(LOOK_EVERY_MS) }
    }

    fn asking_start(&self, since: Millis) -> Due {
        if since >= self.look.began {
            return self.soon(since);
        }
        if self.is_active() {
            return note(Event::Active);
        }
        match &self.server.task {
            Task::Other(word) if word == "powering-on" => note(Event::StartTaken),
            Task::Other(_) | Task::Rebuilding if self.overdue(self.limits.start_ms) => {
                self.not_started()
            }
            Task::Other(_) | Task::Rebuilding => self.soon(since),
            Task::None => note(Event::NotAsked { until: self.now.plus(LOOK_EVERY_MS) }),
        }
    }

    fn starting(&self, since: Millis) -> Due {
        if since >= self.look.began {
            return self.soon(since);
        }
        if self.is_active() {
            return note(Event::Active);
        }
        if self.left_out(steps::CONFIRM_ACTIVE) {
            return self.at_the_end();
        }
        match self.server.task {
            Task::Other(_) | Task::Rebuilding if !self.overdue(self.limits.start_ms) => {
                self.soon(since)
            }
            Task::None if self.is_stopped() => note(Event::StartRefused {
                why: "Nova took the start and did not do it".into(),
                again_at: self.again_at(),
            }),
            Task::Other(_) | Task::Rebuilding | Task::None => self.not_started(),
        }
    }

    fn not_started(&self) -> Due {
        failed(format!("Failed to start instance {}", self.server.id))
    }
}

/// It is not where it failed. What runs elsewhere did not fail; what does not run is started there.
fn moved(state: &State, server: &Server, look: &Look<'_>) -> Option<Due> {
    let id = &server.id;
    let Some(host) = &server.host else {
        return Some(ignored(format!("instance '{id}' has no host: it is {}", server.vm_state)));
    };
    if host == look.reported_by || look.evacuating {
        return None;
    }
    let runs = server.vm_state == VmState::Active && server.task == Task::None;
    (runs && !may_be_our_doing(state)).then(|| {
        ignored(format!("instance '{id}' is on host '{host}' now, not on '{}'", look.reported_by))
    })
}

/// Whether it may be we that started it, or our own stop may be on its way to it.
fn may_be_our_doing(state: &State) -> bool {
    match state.stage {
        Stage::AskingStop { .. }
        | Stage::AskingStart { .. }
        | Stage::Starting { .. }
        | Stage::Active => true,
        Stage::Choosing | Stage::ToStop { .. } | Stage::Stopping { .. } | Stage::ToStart { .. } => {
            false
        }
    }
}

/// Whether it is not to be restarted, and how that ends.
fn not_wanted(state: &State, server: &Server, rules: &Rules, look: &Look<'_>) -> Option<Due> {
    let id = &server.id;
    let ha_enabled = server.metadata.get(&rules.ha_key).is_some_and(|v| means_true(v));
    let wanted = match rules.owners.judge(server, Failure::Server, look.facts) {
        Verdict::Left(left) => return Some(ignored(format!("instance '{id}' is {}", left.why))),
        Verdict::Evacuate => true,
        Verdict::Usual => rules.all || ha_enabled,
    };
    if !wanted {
        let why = format!("Skipping recovery for instance: {id} as it is not Ha_Enabled");
        return Some(ended(NotificationStatus::Finished, Some(why)));
    }
    if let VmState::Paused | VmState::Rescued = server.vm_state {
        let state = server.vm_state;
        return Some(ignored(format!(
            "Recovery of instance '{id}' is ignored as it is in '{state}' state."
        )));
    }
    // A person who has it tried again knows of the others.
    let by_hand = state.common().hand.retried_at.is_some();
    if rules.restarts_most > 0 && look.restarts >= rules.restarts_most && !by_hand {
        return Some(failed(format!(
            "instance '{id}' ({}) was restarted {} times within {} s and fails again: it is not \
             restarted any more until some of that time has passed",
            server.name,
            look.restarts,
            rules.window_ms / 1000
        )));
    }
    None
}

/// Whether it may not be touched now; and the end when that lasts too long.
fn held_up(
    state: &State,
    server: &Server,
    limits: &Limits,
    look: &Look<'_>,
    now: Millis,
) -> Option<Due> {
    let why = obstacle(state, server, look);
    let Some(why) = why else {
        return state.blocked.is_some().then(|| note(Event::Freed));
    };
    let bounded = look.host_recovery.is_none() && !look.evacuating;
    if let Some((since, known)) = &state.blocked {
        if bounded && now.since(*since) >= limits.blocked_ms {
            return Some(failed(format!("instance '{}' was not restarted: {why}", server.id)));
        }
        if *known == why {
            return Some(Due::Wait { until: now.plus(BLOCKED_EVERY_MS) });
        }
    }
    Some(note(Event::Blocked { why }))
}

/// Why it may not be touched now. A start for a host that does not hear is kept in its queue, and the
/// host starts the server when it comes back, wherever the server is by then.
fn obstacle(state: &State, server: &Server, look: &Look<'_>) -> Option<String> {
    let host = server.host.as_ref().unwrap_or(look.reported_by);
    if let Some((host, recovery)) = look.host_recovery {
        return Some(format!("host '{host}' is being recovered by notification {recovery}"));
    }
    if look.evacuating {
        return Some("Nova is evacuating it".into());
    }
    let up = look.service.is_some_and(|s| s.up && !s.forced_down);
    // What Nova has taken already is not undone by a silence.
    if (!up || changes_nothing_yet(state))
        && let Some(why) = deaf(host, look.service, look.began)
    {
        return Some(why);
    }
    match &server.task {
        Task::Rebuilding => Some("Nova is rebuilding it".into()),
        Task::Other(word) if changes_nothing_yet(state) => {
            Some(format!("Nova is busy with it ({word})"))
        }
        Task::Other(_) | Task::None => None,
    }
}

/// Why `host` may not hear what it is told to start: a look that began at `began` showed it so.
pub(crate) fn deaf(
    host: &HostName,
    service: Option<&ComputeService>,
    began: Millis,
) -> Option<String> {
    let Some(up) = service.filter(|s| s.up && !s.forced_down) else {
        return Some(format!("nova-compute of its host '{host}' is down"));
    };
    // Nova takes a host for alive up to a minute after its death; its last heartbeat tells earlier. One that is hidden by a
    // write to the service tells nothing.
    let heard = up.heartbeat_at.is_some_and(|at| began.since(at) <= HEARTBEAT_FRESH_MS);
    (!heard).then(|| format!("nova-compute of its host '{host}' was not heard for a while"))
}

/// Whether the next step would be ours, and not Nova's.
fn changes_nothing_yet(state: &State) -> bool {
    match state.stage {
        Stage::Choosing | Stage::ToStop { .. } | Stage::ToStart { .. } => true,
        Stage::AskingStop { .. }
        | Stage::Stopping { .. }
        | Stage::AskingStart { .. }
        | Stage::Starting { .. }
        | Stage::Active => false,
    }
}

fn is_deleted(server: &Server) -> bool {
    matches!(server.vm_state, VmState::Deleted | VmState::SoftDeleted)
}

fn note(event: Event) -> Due {
    Due::Note(Vec::from([Entry::Restart(event)]))
}

fn ended(status: NotificationStatus, message: Option<String>) -> Due {
    Due::Note(Vec::from([Entry::Ended { status, message }]))
}

fn ignored(why: String) -> Due {
    ended(NotificationStatus::Ignored, Some(why))
}

fn failed(why: String) -> Due {
    ended(NotificationStatus::Failed, Some(why))
}
