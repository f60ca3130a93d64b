//! What a retry makes of a recovery that has ended.

use super::{Move, Once, Outcome, Stage, State};
use crate::Millis;
use crate::fencing::Fencing;
use crate::log::Aftermath;
use crate::way::Ways;

impl State {
    /// Nothing that ended it counts any more. The host is judged, taken out of service and listed anew:
    /// it may have been repaired, and have died again.
    pub(super) fn retry(&mut self, at: Millis) {
        (self.ended, self.proven, self.held, self.waiting) = (None, None, None, None);
        self.fencing = Fencing::default();
        self.guard = crate::guard::Standing::default();
        for once in [&mut self.forced_down, &mut self.disabled] {
            // What was only meant may have been done: that stays in doubt.
            if *once == Once::Done {
                *once = Once::NotYet;
            }
        }
        (self.plans, self.confirmed, self.progress_at) = (0, false, Some(at));
        // What became of reserved hosts was left to a person; the method is the segment's of now.
        self.ways = Ways::default();
        self.steps.retry(at);
        for m in self.moves.values_mut() {
            m.retry(at);
        }
        self.starts.retry(at);
    }
}

impl Move {
    /// Where it failed: on its new host that is made up for there; else a look tells where it is, and
    /// whether Nova is at work on it.
    fn retry(&mut self, at: Millis) {
        let Stage::Ended { outcome: Outcome::Failed { host, .. } } = &self.stage else { return };
        self.stage = match (host, self.planned.aftermath) {
            (None, _) => Stage::Asking { since: at, refused: true },
            (Some(host), Aftermath::Running) => {
                let outcome = Outcome::Succeeded { host: host.clone() };
                Stage::Settling { outcome, not_before: at }
            }
            (Some(host), Aftermath::Stopped | Aftermath::StoppedInError) => {
                Stage::Arrived { host: host.clone(), not_before: at }
            }
        };
        (self.attempts, self.refusal, self.doubted) = (0, None, false);
        (self.stop_since, self.ended_at) = (None, None);
        // Whoever asks for it has looked into it, and it may wait for room once more.
        (self.planned.quarantine, self.wait) = (None, None);
    }
}
