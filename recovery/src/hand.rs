//! What persons ask of a recovery: that it is made, that it is tried again, that it stops.
//!
//! Each is a line of its log, so it counts once whoever crashes, and the details tell who asked and why. A
//! retry opens a recovery that has ended: each server that failed is looked at, and brought back if it
//! still is to be. One that is cancelled begins nothing more, follows what Nova was asked for to its end,
//! unlocks, and ends. Neither is a permit: the host must be proven dead as ever.

use crate::details::Task;
use crate::due::{self, Limits, Scene, Step};
use crate::fold::{Fold, Of};
use crate::guard::{Cause, GuardEntry};
use crate::log::{Entry, Line, Summary};
use crate::nouns::{NotificationStatus, NotificationType};
use crate::state::{Illegal, Outcome, Stage, State, Subject};
use crate::way::WayEntry;
use crate::{Millis, process, restart};
use alloc::{collections::BTreeSet, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What somebody asked for, and who it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum HandEntry {
    /// The failure was reported by a person.
    Asked { by: String, why: Option<String> },
    /// What failed is tried again. `request`: the row that this answers.
    Retried { request: String, by: String, why: Option<String> },
    /// Nothing more is begun.
    Cancelled { request: String, by: String, why: Option<String> },
    /// It may begin, whatever the guard and `[approval]` say.
    Approved { request: String, by: String, why: Option<String> },
    /// It is not to begin.
    Rejected { request: String, by: String, why: Option<String> },
}

/// In the payload of a report: by whom it was made, when that was a person.
pub const ASKED_BY: &str = "asked_by";
/// In the same: why.
pub const REASON: &str = "reason";

/// What persons asked of a recovery that counts now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hand {
    /// "cancelled by …: …", "rejected by …: …"
    pub cancelled: Option<String>,
    /// A person has approved it.
    pub approved: bool,
    /// When it was last tried again: its time begins anew.
    pub retried_at: Option<Millis>,
}

impl Hand {
    pub(crate) fn apply(&mut self, entry: &HandEntry, at: Millis) -> Result<(), &'static str> {
        match entry {
            HandEntry::Asked { .. } => {}
            HandEntry::Retried { .. } => {
                // Its time begins anew, and so does who is asked.
                *self = Self { retried_at: Some(at), ..Self::default() };
            }
            HandEntry::Approved { .. } => self.approved = true,
            HandEntry::Cancelled { .. } | HandEntry::Rejected { .. }
                if self.cancelled.is_some() =>
            {
                return Err("it was cancelled twice");
            }
            HandEntry::Rejected { by, why, .. } => {
                self.cancelled = Some(format!("{REJECTED}{}", who(by, why.as_deref())));
            }
            HandEntry::Cancelled { by, why, .. } => {
                self.cancelled = Some(format!("{CANCELLED}{}", who(by, why.as_deref())));
            }
        }
        Ok(())
    }
}

const CANCELLED: &str = "cancelled by ";
const REJECTED: &str = "rejected by ";

/// Whether a recovery that ended with this message was cancelled, or rejected.
pub(crate) fn was_cancelled(message: &str) -> bool {
    message.starts_with(CANCELLED) || message.starts_with(REJECTED)
}

fn who(by: &str, why: Option<&str>) -> String {
    match why {
        Some(why) => format!("{by}: {why}"),
        None => by.into(),
    }
}

impl Entry {
    /// Whether it opens a recovery that had ended.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        matches!(self, Self::Hand(HandEntry::Retried { .. }))
    }
}

impl HandEntry {
    /// What Masakari's tables, and whoever asked, see of it.
    pub(crate) fn summaries(&self) -> Vec<Summary> {
        let answered = |request: &String, answer: &str| Summary::Answered {
            request: request.clone(),
            answer: answer.into(),
        };
        match self {
            Self::Asked { .. } => Vec::new(),
            Self::Retried { request, .. } => {
                let answer =
                    "what failed is tried again; the notification's details tell how far it is";
                Vec::from([answered(request, answer), Summary::Reopened])
            }
            Self::Approved { request, .. } => {
                let answer =
                    "approved: it begins once its host is proven dead and nobody has disarmed";
                Vec::from([answered(request, answer)])
            }
            Self::Rejected { request, .. } => {
                Vec::from([answered(request, "rejected: it does not begin, and ends")])
            }
            Self::Cancelled { request, .. } => {
                let answer =
                    "nothing more is begun; what Nova was asked for is followed to its end";
                Vec::from([answered(request, answer)])
            }
        }
    }

    /// A message of the task that stands last.
    pub(crate) fn tell(&self, task: &mut Task, at: Millis) {
        let text = match self {
            Self::Asked { by, why } => {
                format!("Recovery was asked for by {}", who(by, why.as_deref()))
            }
            Self::Retried { by, why, .. } => {
                task.state = "RUNNING";
                let who = who(by, why.as_deref());
                format!("What failed is tried again; asked for by {who}")
            }
            Self::Approved { by, why, .. } => format!("Approved by {}", who(by, why.as_deref())),
            Self::Rejected { by, why, .. } => format!("Rejected by {}", who(by, why.as_deref())),
            Self::Cancelled { by, why, .. } => {
                let who = who(by, why.as_deref());
                format!("Cancelled; nothing more is begun; asked for by {who}")
            }
        };
        task.say(at, task.progress, text);
    }
}

/// Why a recovery cannot be tried again, or cancelled.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Unfit {
    #[error("its recovery has not ended: it is {0}; only what has failed can be tried again")]
    NotEnded(NotificationStatus),
    #[error("nothing of it failed: it is {0}")]
    NothingFailed(NotificationStatus),
    #[error(
        "there is no log of its recovery, which alone tells what failed: report the failure again \
         (`masakari recover HOST`)"
    )]
    NoLog,
    #[error("its recovery has ended: it is {0}; nothing of it is left to begin or to stop")]
    Ended(NotificationStatus),
    #[error("it is cancelled already, and ends when what Nova was asked for has ended")]
    Cancelled,
    #[error("it is approved already")]
    Approved,
    #[error("its recovery has begun; `masakari cancel` stops it")]
    Begun,
    #[error(
        "no person is asked about the recovery of a VM or a process; `masakari cancel` stops it"
    )]
    NotOfAHost,
}

/// Whether it can be approved.
///
/// # Errors
/// What speaks against it, for the person who asked.
pub fn may_approve(status: NotificationStatus, log: &[Line]) -> Result<(), Unfit> {
    match may_be_asked(status, log) {
        Err(Unfit::Begun) if is_asked_again(log) => {}
        asked => asked?,
    }
    let word = log.iter().rev().find(|line| line.entry.is_retry() || approves(line));
    if word.is_some_and(approves) { Err(Unfit::Approved) } else { Ok(()) }
}

/// Whether it can be rejected: what has begun is cancelled.
///
/// # Errors
/// What speaks against it, for the person who asked.
pub fn may_reject(status: NotificationStatus, log: &[Line]) -> Result<(), Unfit> {
    may_be_asked(status, log)
}

/// Whether a person is still to be asked about it.
fn may_be_asked(status: NotificationStatus, log: &[Line]) -> Result<(), Unfit> {
    may_cancel(status, log)?;
    let of_host = |line: &Line| matches!(line.entry.of(), Of::Host | Of::Every(_));
    if !log.iter().all(of_host) {
        return Err(Unfit::NotOfAHost);
    }
    let so_far = log.iter().rev().take_while(|line| !line.entry.is_retry());
    let begun = |line: &Line| matches!(line.entry, Entry::Proven { .. });
    if so_far.into_iter().any(begun) { Err(Unfit::Begun) } else { Ok(()) }
}

/// Whether a person is asked about it once more, because its proof has become too weak.
fn is_asked_again(log: &[Line]) -> bool {
    let stands = log.iter().rev().find_map(|line| match &line.entry {
        Entry::Guard(GuardEntry::Held { cause, .. }) => Some(*cause == Cause::Approval),
        Entry::Guard(GuardEntry::Passed { .. } | GuardEntry::Stopped { .. })
        | Entry::Proven { .. }
        | Entry::Held { .. } => Some(false),
        Entry::Claimed { .. }
        | Entry::Waiting { .. }
        | Entry::Shadow(_)
        | Entry::Fence(_)
        | Entry::ForceDownIntended
        | Entry::ForcedDown
        | Entry::DisableIntended
        | Entry::Disabled
        | Entry::Planned { .. }
        | Entry::Intended { .. }
        | Entry::Did { .. }
        | Entry::Refused { .. }
        | Entry::Postponed { .. }
        | Entry::Arrived { .. }
        | Entry::NotMoved { .. }
        | Entry::Stopped { .. }
        | Entry::NotRestored { .. }
        | Entry::Gone { .. }
        | Entry::Way(_)
        | Entry::Capacity(_)
        | Entry::Confirmed { .. }
        | Entry::Hand(_)
        | Entry::Step(_)
        | Entry::Restart(_)
        | Entry::Process(_)
        | Entry::Return(_)
        | Entry::Drill(_)
        | Entry::Drain(_)
        | Entry::Tier(_)
        | Entry::Ended { .. } => None,
    });
    stands == Some(true)
}

fn approves(line: &Line) -> bool {
    matches!(line.entry, Entry::Hand(HandEntry::Approved { .. }))
}

/// Whether what failed can be tried again.
///
/// # Errors
/// What speaks against it, for the person who asked.
pub fn may_retry(status: NotificationStatus, log: &[Line]) -> Result<(), Unfit> {
    if !status.is_terminal() {
        Err(Unfit::NotEnded(status))
    } else if log.is_empty() {
        Err(Unfit::NoLog)
    } else if status == NotificationStatus::Failed || is_cancelled(log) {
        Ok(())
    } else {
        Err(Unfit::NothingFailed(status))
    }
}

/// Whether it can be cancelled.
///
/// # Errors
/// What speaks against it, for the person who asked.
pub fn may_cancel(status: NotificationStatus, log: &[Line]) -> Result<(), Unfit> {
    if status.is_terminal() {
        Err(Unfit::Ended(status))
    } else if is_cancelled(log) {
        Err(Unfit::Cancelled)
    } else {
        Ok(())
    }
}

fn is_cancelled(log: &[Line]) -> bool {
    log.iter().rev().find_map(cancels).unwrap_or(false)
}

/// Whether the line cancels (`true`), or ends that by trying again.
fn cancels(line: &Line) -> Option<bool> {
    let Entry::Hand(entry) = &line.entry else { return None };
    match entry {
        HandEntry::Asked { .. } | HandEntry::Approved { .. } => None,
        HandEntry::Retried { .. } => Some(false),
        HandEntry::Cancelled { .. } | HandEntry::Rejected { .. } => Some(true),
    }
}

/// What is written when a person's word reaches a recovery that nobody works on: the word, the end
/// when it has nothing to follow, and what Masakari's tables show.
///
/// # Errors
/// [`Illegal`] when it cannot follow the log.
pub fn written(
    kind: NotificationType,
    log: &[Line],
    entry: HandEntry,
    at: Millis,
    of: &Subject,
) -> Result<(Vec<Line>, Vec<Summary>), Illegal> {
    match kind {
        NotificationType::ComputeHost => {
            let rules: Rules<State> = (State::apply, end_of_host, State::summaries);
            grow(&State::fold(log)?, rules, log, entry, at, of)
        }
        NotificationType::Process => {
            let rules: Rules<process::State> =
                (Fold::apply, |state, _| end_of_process(state), Fold::summaries);
            grow(&Fold::fold(log)?, rules, log, entry, at, of)
        }
        NotificationType::Vm => {
            let rules: Rules<restart::State> =
                (Fold::apply, |state, _| end_of_restart(state), Fold::summaries);
            grow(&Fold::fold(log)?, rules, log, entry, at, of)
        }
    }
}

/// How a log of one kind is folded, when it ends without more ado, and what is shown of it.
type Rules<S> = (
    fn(&mut S, &Line) -> Result<(), Illegal>,
    fn(&S, Millis) -> Option<Entry>,
    fn(&S, &S, &[Line], &Subject) -> Vec<Summary>,
);

fn grow<S: Clone>(
    before: &S,
    (apply, end, summaries): Rules<S>,
    log: &[Line],
    entry: HandEntry,
    at: Millis,
    of: &Subject,
) -> Result<(Vec<Line>, Vec<Summary>), Illegal> {
    let last = log.last().map_or(0, |line| line.seq);
    let mut lines = Vec::from([Line { seq: last + 1, at, entry: Entry::Hand(entry) }]);
    let mut after = before.clone();
    for line in &lines {
        apply(&mut after, line)?;
    }
    if let Some(entry) = end(&after, at) {
        let line = Line { seq: last + 2, at, entry };
        apply(&mut after, &line)?;
        lines.push(line);
    }
    let summaries = summaries(&after, before, &lines, of);
    Ok((lines, summaries))
}

/// The end of a cancelled recovery that has nothing in flight and nothing to undo.
fn end_of_host(state: &State, now: Millis) -> Option<Entry> {
    let busy = BTreeSet::new();
    let scene = Scene {
        now,
        permit: None,
        unproven: None,
        service: None,
        busy: &busy,
        room: 0,
        look: false,
    };
    match due::due(state, &Limits::default(), &scene).as_slice() {
        [Step::Note(end @ Entry::Ended { .. })] if state.hand.cancelled.is_some() => {
            Some(end.clone())
        }
        _ => None,
    }
}

/// What ends a cancelled recovery of a host of which every move is over. `None`: a call is in flight, or
/// a reserved host is still to be handed back.
pub(crate) fn last_of_host(
    state: &State,
    why: &str,
    scene: &Scene<'_>,
    expired: bool,
) -> Option<Step> {
    if !scene.busy.is_empty() || state.starts.is_asked() {
        return None;
    }
    if let Some((reserve, _)) = state.ways.reserve() {
        if !expired {
            // Nova's records tell whether it was used.
            return Some(Step::Confirm);
        }
        let (host, used) = (reserve.host.clone(), due::may_have_been_used(state));
        return Some(Step::Note(Entry::Way(WayEntry::Left { host, used })));
    }
    // A recovery that is too old leaves it to a person.
    if state.ways.unused().is_some() && !expired {
        return None;
    }
    let outcomes = state.moves.values().filter_map(|m| match &m.stage {
        Stage::Ended { outcome } => Some(outcome),
        Stage::Waiting { .. }
        | Stage::Asking { .. }
        | Stage::Moving { .. }
        | Stage::Arrived { .. }
        | Stage::Stopping { .. }
        | Stage::Settling { .. } => None,
    });
    let (mut untouched, mut moved) = (true, 0);
    for outcome in outcomes {
        match outcome {
            Outcome::Ignored { .. } => {}
            Outcome::Failed { host: None, why: how } => untouched &= how == why,
            Outcome::Succeeded { .. } | Outcome::Failed { host: Some(_), .. } => moved += 1,
        }
    }
    let (status, message) = if untouched && moved == 0 {
        (NotificationStatus::Ignored, why.into())
    } else {
        let all = state.moves.len();
        let off = match state.starts.to_be_started() {
            0 => String::new(),
            off => format!(", {off} of them stopped that ran before"),
        };
        let message = format!("{why}; {moved} of {all} servers are on new hosts{off}");
        (NotificationStatus::Failed, message)
    };
    Some(Step::Note(Entry::Ended { status, message: Some(message) }))
}

/// The end of a restart that was cancelled, once Nova has nothing to do for it.
#[must_use]
pub fn end_of_restart(state: &restart::State) -> Option<Entry> {
    use restart::Stage;
    let why = state.common.hand.cancelled.as_ref()?;
    let id = state.chosen.as_ref().map_or("", |(id, _)| id.as_str());
    let (status, message) = match state.stage {
        Stage::AskingStop { .. }
        | Stage::Stopping { .. }
        | Stage::AskingStart { .. }
        | Stage::Starting { .. } => return None,
        Stage::ToStart { .. } if state.acted => {
            let message = format!("{why}; instance '{id}' was stopped and is not started");
            (NotificationStatus::Failed, message)
        }
        Stage::Choosing | Stage::ToStop { .. } | Stage::ToStart { .. } => {
            (NotificationStatus::Ignored, why.clone())
        }
        Stage::Active => {
            let message = format!("{why}; instance '{id}' had been started by then");
            (NotificationStatus::Finished, message)
        }
    };
    Some(Entry::Ended { status, message: Some(message) })
}

/// The same of the answer to a process that failed.
#[must_use]
pub fn end_of_process(state: &process::State) -> Option<Entry> {
    use process::Stage;
    let why = state.common.hand.cancelled.as_ref()?;
    let (status, message) = match state.stage {
        Stage::Asking | Stage::Disabling { .. } => return None,
        Stage::Reported => (NotificationStatus::Ignored, why.clone()),
        Stage::ToDisable { .. } => {
            (NotificationStatus::Ignored, format!("{why}; the host stays on maintenance"))
        }
        Stage::Confirmed => {
            let message = format!("{why}; the service had been disabled by then");
            (NotificationStatus::Finished, message)
        }
    };
    Some(Entry::Ended { status, message: Some(message) })
}
