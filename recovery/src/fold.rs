//! What the logs of the small recoveries (one server, one service) have in common, and how they are
//! folded. The log of a host's recovery has a state of its own ([`crate::state`]).

use crate::Millis;
use crate::log::{Entry, Line, Summary};
use crate::nouns::NotificationStatus;
use crate::state::{Illegal, Subject};
use alloc::{string::String, vec::Vec};

/// A log folded up.
pub trait Fold: Clone + Default {
    /// What every log has.
    fn common(&self) -> &Common;

    /// Folds one more line; at start-up as in the normal run.
    ///
    /// # Errors
    /// [`Illegal`] when it does not follow from the lines before it; the state is not to be used then.
    fn apply(&mut self, line: &Line) -> Result<(), Illegal>;

    /// What Masakari's own tables show after `lines`, which this state has folded last.
    fn summaries(&self, before: &Self, lines: &[Line], of: &Subject) -> Vec<Summary>;

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

/// What every log has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Common {
    /// The number of the last line.
    pub last_seq: u64,
    /// When it was claimed first.
    pub began: Option<Millis>,
    /// What outside did not answer, when that was written last.
    pub waiting: Option<String>,
    pub ended: Option<(NotificationStatus, Option<String>)>,
}

impl Common {
    /// Folds what is the same in every log; `false`: the entry is of another kind.
    pub(crate) fn apply(&mut self, line: &Line) -> Result<bool, Illegal> {
        let illegal = |what| Err(Illegal { seq: line.seq, what });
        if line.seq != self.last_seq + 1 {
            return illegal("its number is not the next one");
        }
        if self.ended.is_some() {
            return illegal("the recovery had ended");
        }
        let common = match &line.entry {
            Entry::Claimed { .. } => {
                self.began = self.began.or(Some(line.at));
                true
            }
            Entry::Waiting { why } => {
                self.waiting = Some(why.clone());
                true
            }
            Entry::Ended { status, message } => {
                self.ended = Some((*status, message.clone()));
                true
            }
            Entry::Restart(_) | Entry::Process(_) => {
                self.waiting = None;
                false
            }
            Entry::Proven { .. }
            | Entry::Held { .. }
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
            | Entry::Confirmed { .. }
            | Entry::Way(_) => return illegal("it belongs to the recovery of a host"),
        };
        self.last_seq = line.seq;
        Ok(common)
    }

    /// The status of the notification, as the API shows it.
    pub(crate) fn status(&self, begun: bool) -> NotificationStatus {
        match &self.ended {
            Some((status, _)) => *status,
            None if begun => NotificationStatus::Running,
            None => NotificationStatus::New,
        }
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
        self.began.is_some_and(|began| now.since(began) >= expiry_ms)
    }

    /// The end of a recovery that is too old.
    #[must_use]
    pub fn given_up(&self, expiry_ms: i64) -> Entry {
        let why = self.waiting.as_deref().unwrap_or("the recovery took too long");
        let message = Some(alloc::format!("given up after {} s: {why}", expiry_ms / 1000));
        Entry::Ended { status: NotificationStatus::Failed, message }
    }
}
