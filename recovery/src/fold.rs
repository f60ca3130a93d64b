//! What the logs of the small recoveries (one server, one service) have in common, and how they are
//! folded. The log of a host's recovery has a state of its own ([`crate::state`]).

use crate::Millis;
use crate::hand::{Hand, HandEntry};
use crate::log::{Entry, Line, Summary};
use crate::nouns::NotificationStatus;
use crate::state::{Illegal, Subject};
use crate::steps::{StepEntry, Steps};
use crate::{drain, drill, process, restart, returns};
use alloc::{string::String, vec::Vec};

/// To whose log a line belongs.
#[derive(Clone, Copy, Debug)]
pub enum Of<'e> {
    /// Every recovery has such lines.
    Every(Every<'e>),
    /// The recovery of a host, whose state is [`crate::state`]'s.
    Host,
    Restart(&'e restart::Event),
    Process(&'e process::Event),
    Return(&'e returns::Event),
    Drill(&'e drill::Event),
    Drain(&'e drain::Event),
}

/// What happens in every recovery.
#[derive(Clone, Copy, Debug)]
pub enum Every<'e> {
    Claimed { owner: &'e str, generation: u64 },
    Waiting { why: &'e str },
    Hand(&'e HandEntry),
    Step(&'e StepEntry),
    Ended { status: NotificationStatus, message: Option<&'e String> },
}

impl Entry {
    /// To whose log it belongs.
    #[must_use]
    pub fn of(&self) -> Of<'_> {
        match self {
            Self::Claimed { owner, generation } => {
                Of::Every(Every::Claimed { owner, generation: *generation })
            }
            Self::Waiting { why } => Of::Every(Every::Waiting { why }),
            Self::Hand(word) => Of::Every(Every::Hand(word)),
            Self::Step(entry) => Of::Every(Every::Step(entry)),
            Self::Ended { status, message } => {
                Of::Every(Every::Ended { status: *status, message: message.as_ref() })
            }
            Self::Restart(event) => Of::Restart(event),
            Self::Process(event) => Of::Process(event),
            Self::Return(event) => Of::Return(event),
            Self::Drill(event) => Of::Drill(event),
            Self::Drain(event) => Of::Drain(event),
            Self::Proven { .. }
            | Self::Held { .. }
            | Self::Guard(_)
            | Self::Shadow(_)
            | Self::Fence(_)
            | Self::ForceDownIntended
            | Self::ForcedDown
            | Self::DisableIntended
            | Self::Disabled
            | Self::Planned { .. }
            | Self::Intended { .. }
            | Self::Did { .. }
            | Self::Refused { .. }
            | Self::Postponed { .. }
            | Self::Arrived { .. }
            | Self::NotMoved { .. }
            | Self::Stopped { .. }
            | Self::NotRestored { .. }
            | Self::Gone { .. }
            | Self::Confirmed { .. }
            | Self::Tier(_)
            | Self::Way(_)
            | Self::Capacity(_) => Of::Host,
        }
    }
}

/// A log folded up.
pub trait Fold: Clone + Default {
    /// What happens in this kind of recovery only.
    type Event;

    /// What it is a log of, for people.
    const WHAT: &'static str = "recovery";

    /// What every log has.
    fn common(&self) -> &Common;

    fn common_mut(&mut self) -> &mut Common;

    /// The event of this kind that a line tells; `None`: it is another kind's.
    fn own(of: Of<'_>) -> Option<&Self::Event>;

    /// Folds what happened.
    ///
    /// # Errors
    /// Why it does not follow from what happened before.
    fn happen(&mut self, event: &Self::Event, at: Millis) -> Result<(), &'static str>;

    /// What Masakari's own tables show after `lines`, which this state has folded last.
    fn summaries(&self, before: &Self, lines: &[Line], of: &Subject) -> Vec<Summary>;

    /// Folds one more line; at start-up as in the normal run.
    ///
    /// # Errors
    /// [`Illegal`] when it does not follow from the lines before it; the state is not to be used then.
    fn apply(&mut self, line: &Line) -> Result<(), Illegal> {
        let illegal = |what| Err(Illegal { seq: line.seq, what });
        let every = self.common_mut().apply(line)?;
        if line.entry.is_retry() {
            // From the beginning: a look tells how far it is.
            let common = core::mem::take(self.common_mut());
            *self = Self::default();
            *self.common_mut() = common;
        }
        if every {
            return Ok(());
        }
        let Some(event) = Self::own(line.entry.of()) else {
            return illegal("it belongs to another kind of recovery");
        };
        self.happen(event, line.at).or_else(illegal)
    }

    /// Folds a whole log.
    ///
    /// # Errors
    /// [`Illegal`] when a line does not follow from those before it.
    fn fold(lines: &[Line]) -> Result<Self, Illegal> {
        let mut state = Self::default();
        for line in lines {
            state.apply(line)?;
        }
        Ok(state)
    }
}

/// What is the same in each [`Fold`] for a `State` with a field `common` and an `Event` of its own: `$kind` is what [`Of`]
/// calls that.
macro_rules! frame {
    ($kind:ident) => {
        type Event = Event;

        fn common(&self) -> &$crate::fold::Common {
            &self.common
        }

        fn common_mut(&mut self) -> &mut $crate::fold::Common {
            &mut self.common
        }

        fn own(of: $crate::fold::Of<'_>) -> Option<&Event> {
            if let $crate::fold::Of::$kind(event) = of { Some(event) } else { None }
        }
    };
}
pub(crate) use frame;

/// When something that was tried `attempts` times is tried again: after `retry_ms`, doubled for each
/// further attempt.
#[must_use]
pub fn again_at(retry_ms: i64, attempts: u32, now: Millis) -> Millis {
    now.plus(retry_ms << attempts.saturating_sub(1).min(10))
}

/// What every log has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Common {
    /// The number of the last line.
    pub last_seq: u64,
    /// When it was claimed first.
    pub began: Option<Millis>,
    /// What outside did not answer, when that was written last.
    pub waiting: Option<String>,
    pub hand: Hand,
    pub steps: Steps,
    pub ended: Option<(NotificationStatus, Option<String>)>,
}

impl Common {
    /// Folds what is the same in every log; `false`: the entry is of another kind.
    pub(crate) fn apply(&mut self, line: &Line) -> Result<bool, Illegal> {
        let illegal = |what| Err(Illegal { seq: line.seq, what });
        if line.seq != self.last_seq + 1 {
            return illegal("its number is not the next one");
        }
        match (&self.ended, line.entry.is_retry()) {
            (Some(_), false) => return illegal("the recovery had ended"),
            (None, true) => return illegal("it was tried again before it had ended"),
            (Some(_), true) | (None, false) => {}
        }
        let common = match line.entry.of() {
            Of::Every(entry) => {
                let illegal = |what| Illegal { seq: line.seq, what };
                self.happen(&entry, line.at).map_err(illegal)?;
                true
            }
            Of::Restart(_) | Of::Process(_) | Of::Return(_) | Of::Drill(_) | Of::Drain(_) => {
                self.waiting = None;
                false
            }
            Of::Host => return illegal("it belongs to the recovery of a host"),
        };
        self.last_seq = line.seq;
        Ok(common)
    }

    fn happen(&mut self, entry: &Every<'_>, at: Millis) -> Result<(), &'static str> {
        match entry {
            Every::Claimed { .. } => self.began = self.began.or(Some(at)),
            Every::Waiting { why } => self.waiting = Some((*why).into()),
            Every::Step(entry) => {
                self.steps.apply(entry, at)?;
                self.waiting = None;
            }
            Every::Ended { status, message } => self.ended = Some((*status, message.cloned())),
            Every::Hand(word) => {
                self.hand.apply(word, at)?;
                if let HandEntry::Retried { .. } = word {
                    (self.ended, self.waiting) = (None, None);
                    self.steps.retry(at);
                }
            }
        }
        Ok(())
    }

    /// The status of the notification, as the API shows it.
    pub(crate) fn status(&self, begun: bool) -> NotificationStatus {
        match &self.ended {
            Some((status, _)) => *status,
            None if begun => NotificationStatus::Running,
            None => NotificationStatus::New,
        }
    }

    /// What a person's word comes to in Masakari's tables.
    pub(crate) fn hand_summaries(lines: &[Line]) -> impl Iterator<Item = Summary> {
        let words = lines
            .iter()
            .filter_map(|line| if let Entry::Hand(word) = &line.entry { Some(word) } else { None });
        words.flat_map(HandEntry::summaries)
    }

    /// The line for Masakari's table when the status has changed.
    pub(crate) fn status_summary(
        &self,
        now: NotificationStatus,
        before: NotificationStatus,
    ) -> Option<Summary> {
        let message = self.ended.as_ref().and_then(|(_, message)| message.clone());
        (now != before).then_some(Summary::Status { status: now, message })
    }

    /// Whether it is so old that it is given up.
    #[must_use]
    pub fn expired(&self, expiry_ms: i64, now: Millis) -> bool {
        let since = self.hand.retried_at.or(self.began);
        since.is_some_and(|since| now.since(since) >= expiry_ms)
    }

    /// The end of a recovery that is too old.
    #[must_use]
    pub fn given_up(&self, expiry_ms: i64) -> Entry {
        let why = self.waiting.as_deref().unwrap_or("the recovery took too long");
        let message = Some(crate::idle::given_up(expiry_ms, why));
        Entry::Ended { status: NotificationStatus::Failed, message }
    }
}
