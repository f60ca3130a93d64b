//! The guard of one recovery: whether it may begin, or go on, and the line that says so.

use super::{Came, Single, Turns};
use crate::{
    error::Stop,
    guard::{Armed, GUARD_FRESH, GuardView},
};
use futures::FutureExt;
use recovery::{
    Missing, Permit, approval,
    due::Step,
    evidence::Kind,
    guard::{self, GuardEntry, Hold, Of},
    log::Entry,
    nouns::NotificationStatus,
    stops,
};
use store::StoreError;

/// What the guard says now.
pub(super) enum Says {
    /// It has passed, and the switch is on.
    Go,
    /// It may begin, as things were read.
    Pass {
        beat: Option<u64>,
    },
    Hold(Hold),
    /// It is not known yet.
    Ask,
}

impl Turns<'_> {
    /// Writes what the judgement of the host, and of the guard, has changed. `true`: something was written.
    pub(super) async fn note_judgement(
        &mut self,
        judged: Option<&Result<Permit, Missing>>,
    ) -> Result<bool, Stop> {
        let Some(judged) = judged else { return Ok(false) };
        match self.planned_stop() {
            stops::Verdict::Nothing => {}
            stops::Verdict::Held(hold) => return self.hold(&hold).await,
            stops::Verdict::Back(message) => {
                let status = NotificationStatus::Ignored;
                return self.note(Some(Entry::Ended { status, message: Some(message) })).await;
            }
        }
        if !self.would_act(judged) {
            return self.note(self.judgement(judged)).await;
        }
        match self.guard_says(judged.as_ref().ok().map(Permit::kind)) {
            Says::Ask => Ok(false),
            Says::Go => {
                let entry = self.judgement(judged).or_else(|| self.let_go());
                self.note(entry).await
            }
            Says::Pass { beat } => self.pass(beat, judged).await,
            Says::Hold(hold) => self.hold(&hold).await,
        }
    }

    /// What was held in the middle, and has no permit that would say so, goes on: to be fenced.
    fn let_go(&self) -> Option<Entry> {
        self.state.guard.held?;
        Some(Entry::Guard(GuardEntry::Passed { beat: None }))
    }

    async fn hold(&mut self, hold: &Hold) -> Result<bool, Stop> {
        let before = self.state.guard.held.map(|(cause, _)| cause);
        let noted = self.note(self.state.held_by(hold, self.engine.now())).await?;
        if noted {
            // What was read before does not know of the storm that this line may have told of.
            self.guard = None;
        }
        // Other numbers for the same cause stand in the recovery's log.
        if noted && before != Some(hold.cause) {
            let host = &self.mission.subject.host;
            tracing::warn!(%host, why = hold.why, "the recovery is held");
        }
        Ok(noted)
    }

    /// What is planned of its host, by what was read last: in front of the guard, which is not asked meanwhile.
    pub(super) fn planned_stop(&self) -> stops::Verdict {
        let stop = self.engine.planned_stop(&self.mission.subject.host);
        let service = self.view.as_ref().and_then(|view| view.service.as_ref());
        // Reports, and Nova's heartbeats, bear the time of the wall clock.
        let now = self.engine.ports.clock.wall();
        stops::judge(&self.state, stop.as_ref(), service, self.mission.reported, now)
    }

    async fn note(&mut self, entry: Option<Entry>) -> Result<bool, Stop> {
        let any = entry.is_some();
        self.record(entry.into_iter().collect()).await?;
        Ok(any)
    }

    /// Whether the next thing would change the cloud.
    fn would_act(&self, judged: &Result<Permit, Missing>) -> bool {
        match judged {
            Ok(_) => true,
            Err(missing) => self.is_to_be_fenced(missing),
        }
    }

    /// `proof`: by what the host is proven dead; none: it is to be fenced.
    pub(super) fn guard_says(&self, proof: Option<Kind>) -> Says {
        match self.engine.armed() {
            Armed::Yes => {}
            Armed::No(hold) => return Says::Hold(hold),
            Armed::Unknown => return Says::Ask,
        }
        if let Some(began_by) = self.state.proven {
            return self.unapproved_again(began_by, proof).map_or(Says::Go, Says::Hold);
        }
        let passes = match self.fresh_guard() {
            _ if self.state.has_passed() => Says::Go,
            _ if self.state.hand.approved || !self.engine.config().guard.is_on() => {
                Says::Pass { beat: None }
            }
            Some(view) => self.verdict(view),
            None => Says::Ask,
        };
        match passes {
            Says::Go | Says::Pass { .. } => self.unapproved(proof).map_or(passes, Says::Hold),
            Says::Hold(_) | Says::Ask => passes,
        }
    }

    /// Why a person must say yes first, and has not.
    fn unapproved(&self, proof: Option<Kind>) -> Option<Hold> {
        let policy = self.engine.config().approval.of(&self.mission.segment_name);
        let asks = approval::hold(policy, proof, &self.mission.subject.notification);
        asks.filter(|_| !self.state.hand.approved)
    }

    /// The same of what has begun by a stronger proof.
    fn unapproved_again(&self, began_by: Kind, proof: Option<Kind>) -> Option<Hold> {
        let policy = self.engine.config().approval.of(&self.mission.segment_name);
        let of = &self.mission.subject.notification;
        let asks = approval::hold_again(policy, began_by, proof, of);
        asks.filter(|_| !self.state.hand.approved)
    }

    fn verdict(&self, view: &GuardView) -> Says {
        let (services, untold) = match &*view.services {
            Ok((services, untold)) => (Ok(services.as_slice()), *untold),
            Err(why) => (Err(why.as_str()), 0),
        };
        let subject = &self.mission.subject;
        let of = Of {
            notification: &subject.notification,
            host: &subject.host,
            segment: &self.mission.segment,
            held: self.state.guard.held.map(|(cause, _)| cause),
            storm_ago_ms: self.engine.storm_ago_ms(),
            untold,
            // Reports, and Nova's heartbeats, bear the time of the wall clock.
            now: self.engine.ports.clock.wall(),
        };
        match guard::judge(&self.engine.config().guard, &view.record, services, of) {
            Ok(()) => Says::Pass { beat: Some(view.record.beat) },
            Err(hold) => Says::Hold(hold),
        }
    }

    /// Begins, with the line that the host is dead: one transaction, refused when somebody else has begun since the
    /// guard was read.
    async fn pass(
        &mut self,
        beat: Option<u64>,
        judged: &Result<Permit, Missing>,
    ) -> Result<bool, Stop> {
        let engine = self.engine;
        let turn = engine.guard.turn.lock().await;
        if beat.is_some_and(|beat| beat < engine.guard.beat.get()) {
            return self.read_again().await;
        }
        let passed = Entry::Guard(GuardEntry::Passed { beat });
        let entries = [passed].into_iter().chain(self.judgement(judged)).collect();
        match self.record(entries).await {
            Ok(()) => {
                engine.guard.beat.set(beat.map_or(0, |beat| beat + 1).max(engine.guard.beat.get()));
            }
            Err(Stop::Store(StoreError::InUse { noun: store::GUARD, .. })) => {
                drop(turn);
                return self.read_again().await;
            }
            Err(stop) => return Err(stop),
        }
        Ok(true)
    }

    /// Only the database: Nova has nothing new.
    async fn read_again(&mut self) -> Result<bool, Stop> {
        let record = self.engine.guard_record().await;
        self.guard = match (record, self.guard.take()) {
            (Ok(record), Some(view)) => Some(GuardView { record, ..view }),
            _ => None,
        };
        Ok(true)
    }

    pub(super) fn fresh_guard(&self) -> Option<&GuardView> {
        let now = self.boot();
        self.guard.as_ref().filter(|view| now.since(view.answered_at) <= GUARD_FRESH)
    }

    /// Whether anything may be begun.
    pub(super) fn is_let(&self) -> bool {
        let armed = matches!(self.engine.armed(), Armed::Yes);
        armed && self.state.has_passed() && self.state.guard.held.is_none()
    }

    /// Looks at what the guard must know, when that is asked next: beside the first look at the host, so that it costs
    /// no time, and when the host is dead.
    pub(super) fn look_at_guard(
        &mut self,
        judged: Option<&Result<Permit, Missing>>,
        steps: &[Step],
    ) {
        let rules = self.engine.config().guard;
        let looks = steps.iter().any(|step| matches!(step, Step::LookAtHost));
        let soon = looks && (self.view.is_none() || self.state.guard.held.is_some());
        let wanted = soon || judged.is_some_and(|judged| self.would_act(judged));
        let quiet = self.after_outage <= self.boot();
        let approved = self.state.has_passed() || self.state.hand.approved;
        let planned = self.planned_stop() != stops::Verdict::Nothing;
        let known = approved || planned || self.fresh_guard().is_some();
        if wanted && quiet && rules.is_on() && !known && self.singles.insert(Single::Guard) {
            let engine = self.engine;
            let look = async move { Came::Guarded(engine.look_at_guard().await) };
            self.in_flight.push(look.boxed_local());
        }
    }
}
