//! The log of the recovery of one server or one service, and the waits of its loop.
//!
//! Such a recovery does one thing at a time. What became of the last one stands in the log before the
//! next begins, so nothing is in flight that the state does not know of.

use crate::{
    Engine,
    error::{ActFailed, Stop},
    guard::Armed,
    tell,
    turn::{OUTAGE_WAIT, WIND_UP, chain},
};
use openstack::{AskError, Disposition};
use recovery::{
    Millis,
    fold::Fold,
    lease::Lease,
    log::{Entry, Line},
    nouns::NotificationStatus,
    state::Subject,
};
use std::{pin::Pin, time::Duration};

/// How often it is asked whether anything may be begun again, and whether it may at all.
const DISARMED_WAIT: Duration = Duration::from_secs(1);
const UNKNOWN_WAIT: Duration = Duration::from_millis(100);

/// What an act came to.
pub(crate) enum Outcome {
    Taken,
    /// Nova did not take it.
    Refused {
        why: String,
    },
    /// Nova was certainly not asked: ask at that moment.
    NotAsked {
        until: Millis,
    },
    /// Nova may have taken it, or not.
    Unknown,
}

/// The shutdown of the engine, as its loops wait for it.
pub(crate) type Stopping<'s> = Pin<&'s mut (dyn Future<Output = ()> + 's)>;

/// One recovery in this process.
pub(crate) struct Journal<'e, S> {
    pub(crate) engine: &'e Engine,
    pub(crate) lease: Lease,
    pub(crate) subject: Subject,
    pub(crate) state: S,
    outages: u32,
}

impl<'e, S: Fold> Journal<'e, S> {
    /// The log as it was found.
    pub(crate) fn open(
        engine: &'e Engine,
        lease: &Lease,
        subject: Subject,
        lines: &[Line],
    ) -> Result<Self, Stop> {
        Ok(Self { engine, lease: lease.clone(), subject, state: S::fold(lines)?, outages: 0 })
    }

    /// The status at the end; nothing before.
    pub(crate) fn ended(&self) -> Option<NotificationStatus> {
        self.state.common().ended.as_ref().map(|(status, _)| *status)
    }

    /// Writes `entries` and what follows from them, then believes them.
    pub(crate) async fn record(&mut self, entries: Vec<Entry>) -> Result<(), Stop> {
        let at = self.engine.now();
        let mut next = self.state.clone();
        let mut lines = Vec::with_capacity(entries.len());
        for entry in entries {
            let line = Line { seq: next.common().last_seq + 1, at, entry };
            next.apply(&line)?;
            lines.push(line);
        }
        let summaries = next.summaries(&self.state, &lines, &self.subject);
        let id = &self.subject.notification;
        self.engine.write(&self.lease, id, &lines, &summaries).await?;
        self.state = next;
        for line in &lines {
            if let Entry::Ended { status, message } = &line.entry {
                tell::ended(S::WHAT, *status, message.as_deref());
            }
        }
        Ok(())
    }

    /// What a person's wish to cancel it asks to write now: the wish, or the end when Nova has nothing to
    /// do for it any more.
    pub(crate) fn heed(&self, end: impl FnOnce(&S) -> Option<Entry>) -> Option<Vec<Entry>> {
        let asked = self.engine.word_of(&self.subject.notification, &self.state.common().hand);
        asked.or_else(|| end(&self.state)).map(|entry| vec![entry])
    }

    /// While a person has disarmed nothing is begun. `true`: that was waited for a while.
    pub(crate) async fn disarmed(&mut self, stopping: Stopping<'_>) -> Result<bool, Stop> {
        let (wait, why) = match self.engine.armed() {
            Armed::Yes => return Ok(false),
            Armed::No(hold) => (DISARMED_WAIT, Some(hold.why)),
            Armed::Unknown => (UNKNOWN_WAIT, None),
        };
        if let Some(why) = why.filter(|why| self.state.common().waiting.as_ref() != Some(why)) {
            self.record(vec![Entry::Waiting { why }]).await?;
        }
        self.sleep(wait, stopping).await?;
        Ok(true)
    }

    /// An error when the lease is over.
    pub(crate) fn still_ours(&self) -> Result<(), Stop> {
        let now = self.engine.ports.clock.boot();
        if self.engine.tenures.is_over(&self.lease, now) {
            return Err(Stop::LeaseLost { key: self.lease.key.clone() });
        }
        Ok(())
    }

    /// Sleeps until then; an error when the engine shuts down.
    pub(crate) async fn wait(&self, until: Millis, stopping: Stopping<'_>) -> Result<(), Stop> {
        let ms = u64::try_from(until.since(self.engine.now())).unwrap_or(0).max(5);
        self.sleep(Duration::from_millis(ms), stopping).await
    }

    async fn sleep(&self, wait: Duration, stopping: Stopping<'_>) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = stopping => Err(Stop::Shutdown),
            () = self.engine.ports.clock.sleep(wait) => Ok(()),
        }
    }

    /// The world does not answer: that is written once, and waited out for a while.
    pub(crate) async fn outage(
        &mut self,
        failed: &(dyn std::error::Error + 'static),
        stopping: Stopping<'_>,
    ) -> Result<(), Stop> {
        let wait = self.outage_wait();
        self.note_outage(failed).await?;
        self.sleep(wait, stopping).await
    }

    async fn note_outage(
        &mut self,
        failed: &(dyn std::error::Error + 'static),
    ) -> Result<(), Stop> {
        let why = chain(failed);
        tell::trouble(failed, &why);
        if self.state.common().waiting.is_none() {
            self.record(vec![Entry::Waiting { why }]).await?;
        }
        Ok(())
    }

    /// The world has answered.
    pub(crate) fn heard(&mut self) {
        tell::answers_again(self.outages);
        self.outages = 0;
    }

    fn outage_wait(&mut self) -> Duration {
        let wait = OUTAGE_WAIT.0.saturating_mul(1 << self.outages.min(6));
        self.outages = self.outages.saturating_add(1);
        self.engine.ports.entropy.jitter(wait.min(OUTAGE_WAIT.1))
    }

    /// Does `act`; at a shutdown it has a while to end.
    pub(crate) async fn act(
        &mut self,
        act: impl Future<Output = Result<(), ActFailed>>,
        stopping: Stopping<'_>,
    ) -> Result<Outcome, Stop> {
        let engine = self.engine;
        let too_long = async {
            stopping.await;
            engine.ports.clock.sleep(WIND_UP).await;
        };
        let done = tokio::select! {
            biased;
            done = engine.paced(act) => done,
            () = too_long => return Err(Stop::Shutdown),
        };
        let (error, sent) = match done {
            Ok(()) => return Ok(Outcome::Taken),
            Err(
                ActFailed::NoTenure { .. }
                | ActFailed::Late { .. }
                | ActFailed::Withheld { .. }
                | ActFailed::MayRun { .. },
            ) => {
                return Ok(Outcome::NotAsked { until: engine.now().plus(1_000) });
            }
            Err(ActFailed::Before(error)) => (error, false),
            Err(ActFailed::Itself(error)) => {
                let sent = error.may_have_arrived();
                (error, sent)
            }
        };
        self.not_done(&error, sent).await
    }

    async fn not_done(&mut self, error: &AskError, sent: bool) -> Result<Outcome, Stop> {
        match error.disposition() {
            Disposition::Refused => {
                let why = chain(error);
                tracing::warn!(why, "refused");
                Ok(Outcome::Refused { why })
            }
            Disposition::Transient => {
                self.note_outage(error).await?;
                if sent {
                    return Ok(Outcome::Unknown);
                }
                let ms = i64::try_from(self.outage_wait().as_millis()).unwrap_or(i64::MAX);
                Ok(Outcome::NotAsked { until: self.engine.now().plus(ms) })
            }
        }
    }
}
