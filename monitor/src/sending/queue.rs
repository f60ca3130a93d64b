//! What waits to be sent, and what of it is due. Pure: time and chance come in as arguments.
//!
//! ```text
//!             fresh                         202, 400, 409
//!  accept ──► idle ───────────────► sending ─────────────► gone
//!              ▲ │                   ▲   │ anything else
//!              │ └─ late ─► looking ─┘   │
//!              │               │ holds   │
//!              └── unknown ────┴─────────┘   (not before a pause that grows)
//! ```
//!
//! Of one subject at most one report is under way, the eldest. While the API fails, one report at a time asks whether it
//! is back, each time another one, and a new one at once: so a report that it chokes on is in nobody's way.

use super::Look;
use crate::{Care, Report, Watched};
use ports::Boot;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// A report's place in the order in which they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Number(pub u64);

/// How much, how often, how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Reports that wait.
    pub waiting_most: usize,
    /// Reports under way at once.
    pub flights_most: usize,
    /// The first pause after a failure; it doubles.
    pub pause: Duration,
    /// The longest pause.
    pub pause_most: Duration,
    /// For how long a report is sent without a second look.
    pub fresh: Duration,
    /// For how long what Masakari only notes is tried.
    pub patience: Duration,
    /// What says the same within this time is one report.
    pub burst: Duration,
}

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Send(Number),
    /// Ask the source whether it still holds.
    Look(Number),
    /// It was tried for as long as Python's monitors do; it is no more.
    GiveUp(Number),
}

/// What became of a new report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    Waits(Number),
    /// The same waits already, or was said a moment ago.
    Same,
    /// It waits in the place of one that says the same. That one was tried, and so the API may have taken it, for what was
    /// before.
    Anew {
        dropped: Number,
        number: Number,
    },
    /// It waits in the place of one that Masakari only notes.
    InsteadOf {
        dropped: Number,
        number: Number,
    },
    /// There is no room.
    Full,
}

/// What the API said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// 2xx, 400 or 409.
    Final,
    /// Anything else, nothing included.
    Failed,
}

/// What an answer changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answered {
    /// The report is done.
    Done,
    /// It is, and the API had failed since then.
    ApiIsBack {
        since: Boot,
    },
    /// The API begins to fail.
    ApiFails,
    ApiStillFails,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Idle,
    Looking,
    Sending,
}

#[derive(Clone, Debug)]
struct Waiting {
    report: Report,
    stage: Stage,
    tries: u32,
    not_before: Boot,
    /// Sent without a second look until then.
    fresh_until: Boot,
    give_up_at: Option<Boot>,
    /// Its subject began anew while this was under way: the API may take it for what was before.
    is_past: bool,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Boot,
    failures: u32,
    not_before: Boot,
}

/// All that waits.
#[derive(Clone, Debug)]
pub struct Queue {
    limits: Limits,
    waiting: BTreeMap<Number, Waiting>,
    /// What was said a moment ago.
    said: VecDeque<(Boot, Report)>,
    next: u64,
    outage: Option<Outage>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (waiting, said) = (BTreeMap::new(), VecDeque::new());
        Self { limits, waiting, said, next: 1, outage: None }
    }

    /// What waited when the process before us ended, in its order; `age` is how old it is.
    pub fn restore(&mut self, number: Number, report: Report, now: Boot, age: Duration) {
        self.next = self.next.max(number.0 + 1);
        let left = self.limits.patience.saturating_sub(age);
        // Never fresh: nobody watched while we were away.
        let waiting = Waiting { tries: 1, ..self.waiting(report, now, left) };
        self.waiting.insert(number, waiting);
    }

    /// Takes a new report.
    pub fn accept(&mut self, report: Report, now: Boot) -> Accepted {
        if self.was_said(&report, now) {
            return Accepted::Same;
        }
        let stale = self.stale(&report);
        let mut dropped = stale;
        if stale.is_none() && self.waiting.len() >= self.limits.waiting_most {
            dropped = self.least();
            if dropped.is_none() {
                return Accepted::Full;
            }
        }
        let number = Number(self.next);
        self.next += 1;
        self.said.push_back((now, report.clone()));
        let waiting = self.waiting(report, now, self.limits.patience);
        self.waiting.insert(number, waiting);
        let Some(dropped) = dropped else { return Accepted::Waits(number) };
        self.waiting.remove(&dropped);
        match stale {
            Some(_) => Accepted::Anew { dropped, number },
            None => Accepted::InsteadOf { dropped, number },
        }
    }

    /// What is said of `subject` by this monitor from now on is new, even if it sounds the same. What was never tried says
    /// it, too.
    pub fn begins_anew(&mut self, monitor: Watched, subject: &str) {
        let is_of_it =
            |report: &Report| report.subject == subject && report.claim.watched() == monitor;
        self.said.retain(|(_, report)| !is_of_it(report));
        for waiting in self.waiting.values_mut().filter(|waiting| is_of_it(&waiting.report)) {
            waiting.is_past |= waiting.stage != Stage::Idle;
        }
    }

    /// Everything that is due; what is to be done is under way from then on.
    pub fn due(&mut self, now: Boot) -> Vec<Step> {
        let mut steps = self.given_up(now);
        let under_way = self.waiting.values().filter(|w| w.stage != Stage::Idle).count();
        let most = if self.outage.is_some() { 1 } else { self.limits.flights_most };
        for number in self.heads(now).into_iter().take(most.saturating_sub(under_way)) {
            let Some(waiting) = self.waiting.get_mut(&number) else { continue };
            if waiting.tries == 0 && now <= waiting.fresh_until {
                waiting.stage = Stage::Sending;
                steps.push(Step::Send(number));
            } else {
                waiting.stage = Stage::Looking;
                steps.push(Step::Look(number));
            }
        }
        steps
    }

    /// When something may be due next; `None`: not before something happens.
    #[must_use]
    pub fn due_at(&self, now: Boot) -> Option<Boot> {
        let idle = self.waiting.values().filter(|w| w.stage == Stage::Idle);
        let at = idle.map(|w| {
            let next = self.not_before(w);
            // What was never tried is not given up.
            w.give_up_at.filter(|_| w.tries > 0).map_or(next, |end| next.min(end))
        });
        // What is due already waits for a place, or for the one before it, and so for an event.
        at.filter(|at| *at > now).min()
    }

    /// What the source said of a report that is looked at; a step to do at once, if there is one.
    pub fn looked(&mut self, number: Number, look: &Look, now: Boot, chance: u64) -> Option<Step> {
        let pause = self.limits.pause_most;
        let waiting = self.waiting.get_mut(&number)?;
        match look {
            Look::Holds => {
                waiting.stage = Stage::Sending;
                Some(Step::Send(number))
            }
            Look::Gone(_) => {
                self.waiting.remove(&number);
                None
            }
            Look::Unknown(_) => {
                waiting.stage = Stage::Idle;
                waiting.tries += 1;
                waiting.not_before = now.plus(jittered(pause, chance));
                None
            }
        }
    }

    /// What the API said to a report that was sent.
    pub fn answered(&mut self, number: Number, answer: Answer, now: Boot, chance: u64) -> Answered {
        match answer {
            Answer::Final => {
                self.waiting.remove(&number);
                let outage = self.outage.take();
                outage.map_or(Answered::Done, |o| Answered::ApiIsBack { since: o.since })
            }
            Answer::Failed => {
                let limits = self.limits;
                if let Some(waiting) = self.waiting.get_mut(&number) {
                    waiting.stage = Stage::Idle;
                    waiting.tries += 1;
                    waiting.not_before = now.plus(jittered(limits.pause(waiting.tries), chance));
                }
                let begun = Outage { since: now, failures: 0, not_before: now };
                let outage = self.outage.get_or_insert(begun);
                outage.failures += 1;
                outage.not_before = now.plus(jittered(limits.pause(outage.failures), chance));
                let first = outage.failures == 1;
                if first { Answered::ApiFails } else { Answered::ApiStillFails }
            }
        }
    }

    /// A report that waits.
    #[must_use]
    pub fn report(&self, number: Number) -> Option<&Report> {
        self.waiting.get(&number).map(|waiting| &waiting.report)
    }

    /// All that wait.
    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.waiting.values().map(|waiting| &waiting.report)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn waiting(&self, report: Report, now: Boot, patience: Duration) -> Waiting {
        let give_up_at = match report.care {
            Care::UntilAnswered => None,
            Care::AsPython => Some(now.plus(patience)),
        };
        let (stage, tries) = (Stage::Idle, 0);
        let fresh_until = now.plus(self.limits.fresh);
        let (not_before, is_past) = (now, false);
        Waiting { report, stage, tries, not_before, fresh_until, give_up_at, is_past }
    }

    fn was_said(&mut self, report: &Report, now: Boot) -> bool {
        let burst = self.limits.burst;
        self.said.retain(|(at, _)| now.since(*at) < burst);
        // As long as the queue, should so much ever be said in a moment.
        let beyond = self.said.len().saturating_sub(self.limits.waiting_most);
        self.said.drain(..beyond);
        self.said.iter().any(|(_, said)| said.says_the_same(report))
            || self.waiting.values().any(|w| w.says_now(report))
    }

    /// One that says the same, was tried, and is not under way.
    fn stale(&self, report: &Report) -> Option<Number> {
        let mut idle = self.waiting.iter().filter(|(_, w)| w.stage == Stage::Idle);
        idle.find(|(_, w)| w.report.says_the_same(report)).map(|(number, _)| *number)
    }

    /// The eldest of those that Masakari only notes and that is not under way.
    fn least(&self) -> Option<Number> {
        let mut idle = self.waiting.iter().filter(|(_, w)| w.stage == Stage::Idle);
        idle.find(|(_, w)| w.report.care == Care::AsPython).map(|(number, _)| *number)
    }

    fn given_up(&self, now: Boot) -> Vec<Step> {
        let over = self.waiting.iter().filter(|(_, w)| w.stage == Stage::Idle && w.is_over(now));
        over.map(|(number, _)| Step::GiveUp(*number)).collect()
    }

    /// Takes out what was given up, and what must not wait for another reason.
    pub fn remove(&mut self, number: Number) -> Option<Report> {
        self.waiting.remove(&number).map(|waiting| waiting.report)
    }

    /// When it may be tried: in an outage what was tried before waits for its next moment, too.
    fn not_before(&self, waiting: &Waiting) -> Boot {
        let gate = self.outage.filter(|_| waiting.tries > 0).map(|outage| outage.not_before);
        gate.map_or(waiting.not_before, |gate| gate.max(waiting.not_before))
    }

    /// The eldest report of each subject, if it is due; those that were tried least first.
    fn heads(&self, now: Boot) -> Vec<Number> {
        let mut seen = BTreeSet::new();
        let heads = self.waiting.iter().filter(|(_, w)| seen.insert(w.report.subject.as_str()));
        let is_due =
            |w: &Waiting| w.stage == Stage::Idle && self.not_before(w) <= now && !w.is_over(now);
        let due = heads.filter(|(_, w)| is_due(w));
        let mut due: Vec<_> = due.map(|(number, w)| (w.tries, *number)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, number)| number).collect()
    }
}

impl Waiting {
    /// It stands for `report`: it says the same, and nobody has taken it for what was before.
    fn says_now(&self, report: &Report) -> bool {
        self.tries == 0 && !self.is_past && self.report.says_the_same(report)
    }

    /// It was tried once at least, however late we came to it, and its time is over.
    fn is_over(&self, now: Boot) -> bool {
        self.tries > 0 && self.give_up_at.is_some_and(|end| end <= now)
    }
}

impl Limits {
    /// Before the next try, after `failures` in a row.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.pause_most)
    }
}

/// Between half of `around` and all of it, so that the monitors of a thousand hosts do not come at once.
fn jittered(around: Duration, chance: u64) -> Duration {
    let around_ms = u64::try_from(around.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(around_ms - chance % (around_ms / 2 + 1))
}
