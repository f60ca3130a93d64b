//! Steps of the operator's own between the tasks that a recovery always has:
//! `[taskflow_driver_recovery_flows]`.
//!
//! ```text
//!          Begun             Succeeded
//!  to run ───────► Running ──────────────────────────► Over
//!    ▲                │ Failed: again    │ Failed, and the recovery goes on without it ▲
//!    └────────────────┘                  └─────────────────────────────────────────────┘
//!                     Failed, and that ends the recovery
//! ```
//!
//! What runs and where is in the log from the beginning, so that a recovery is not changed half-way by
//! another configuration. A step runs at least once: `Running` without one in flight means that nobody
//! knows how it ended, and it is run again as the same attempt, by which whoever is asked knows it.
//!
//! What this is not: it knows neither programs nor webhooks. What a step does is the engine's matter.

mod read;
mod shown;

pub use read::{Failure, Mistake};
pub(crate) use shown::shown;

use crate::Millis;
use crate::log::Entry;
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// The names of built-in tasks that can be left out, as operators write them.
pub const DISABLE_SERVICE: &str = "disable_compute_service_task";
pub const PREPARE: &str = "prepare_HA_enabled_instances_task";
pub const EVACUATE: &str = "evacuate_instances_task";
pub const STOP: &str = "stop_instance_task";
pub const START: &str = "start_instance_task";
pub const CONFIRM_ACTIVE: &str = "confirm_instance_active_task";
pub const DISABLE_NODE: &str = "disable_compute_node_task";
pub const CONFIRM_DISABLED: &str = "confirm_compute_node_disabled_task";

/// How often one step is begun without anybody learning how it ended: it may be what kills engines.
const BEGUN_MOST: u32 = 10;

/// Where a step runs: before the first, the second or the third task that a recovery always has, or
/// after all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    First,
    Second,
    Third,
    End,
}

/// What of an operator's list differs from the usual one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Flow {
    /// In the order in which they run.
    pub steps: Vec<Listed>,
    /// The built-in tasks that are not in the list.
    pub left_out: Vec<String>,
}

/// One step of the operator's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listed {
    pub step: String,
    pub place: Place,
}

impl Flow {
    /// Whether it is the usual one.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.steps.is_empty() && self.left_out.is_empty()
    }

    /// Whether the built-in task is left out.
    #[must_use]
    pub fn leaves_out(&self, task: &str) -> bool {
        self.left_out.iter().any(|left| left == task)
    }
}

/// What the log says of steps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum StepEntry {
    /// The operator's list when the recovery began; it stays. Not written for the usual one.
    Flow { flow: Flow },
    /// We are about to run it.
    Begun { step: String, attempt: u32 },
    /// It is done; `said` is the beginning of what it answered.
    Succeeded { step: String, said: String },
    /// It was not done, as far as is known.
    Failed { step: String, why: String, then: Then },
}

/// What follows from the failure of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "then", rename_all = "snake_case")]
pub enum Then {
    /// It is run again.
    Again { at: Millis },
    /// It may fail: the recovery goes on.
    GoesOn,
    /// The recovery ends with it.
    Ends,
}

/// A step that is to be run now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    pub step: String,
    pub place: Place,
    /// 1 and, after each one whose end is known, one more.
    pub attempt: u32,
}

/// What is next among the steps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    Run(Run),
    /// One failed and is run again then.
    Wait {
        until: Millis,
    },
    /// An observation that needs no act.
    Note(Entry),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Running,
    Again { at: Millis },
    Over,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Progress {
    stage: Stage,
    /// How many attempts are over.
    attempts: u32,
    /// How often it was begun since it failed last.
    begun: u32,
}

/// The steps of one recovery, folded from its log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Steps {
    flow: Flow,
    known: BTreeMap<String, Progress>,
    failed: Option<String>,
    /// When a step was over last.
    pub over_at: Option<Millis>,
}

impl Steps {
    /// Why a step has ended the recovery.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whether the built-in task is left out.
    #[must_use]
    pub fn leave_out(&self, task: &str) -> bool {
        self.flow.leaves_out(task)
    }

    /// The next of those that run at `upto` or before it; `None`: all of them are over.
    #[must_use]
    pub fn next(&self, upto: Place, now: Millis) -> Option<Next> {
        let listed = self.flow.steps.iter().filter(|listed| listed.place <= upto);
        let (listed, known) = listed
            .map(|listed| (listed, self.known.get(&listed.step)))
            .find(|(_, known)| known.is_none_or(|k| k.stage != Stage::Over))?;
        let step = listed.step.clone();
        if known.is_some_and(|k| k.stage == Stage::Running && k.begun >= BEGUN_MOST) {
            let why = format!("it was begun {BEGUN_MOST} times, and nobody learnt how it ended");
            return Some(Next::Note(Entry::Step(StepEntry::Failed {
                step,
                why,
                then: Then::Ends,
            })));
        }
        if let Some(Progress { stage: Stage::Again { at }, .. }) = known
            && *at > now
        {
            return Some(Next::Wait { until: *at });
        }
        let attempt = known.map_or(0, |k| k.attempts).saturating_add(1);
        Some(Next::Run(Run { step, place: listed.place, attempt }))
    }

    /// Whether one of those that run at `upto` or before it is not over.
    #[must_use]
    pub fn are_left(&self, upto: Place) -> bool {
        // The moment does not matter to whether there is one.
        self.next(upto, Millis(0)).is_some()
    }

    /// When a step that failed is run again.
    #[must_use]
    pub fn again_at(&self) -> Option<Millis> {
        self.known.values().find_map(|known| match known.stage {
            Stage::Again { at } => Some(at),
            Stage::Running | Stage::Over => None,
        })
    }

    /// Whether the recovery has nothing of the operator's own.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        self.flow.is_usual()
    }

    /// The recovery is tried again: each step is run again, as another attempt.
    pub(crate) fn retry(&mut self, at: Millis) {
        (self.failed, self.over_at) = (None, None);
        for known in self.known.values_mut() {
            (known.stage, known.begun) = (Stage::Again { at }, 0);
        }
    }

    pub(crate) fn apply(&mut self, entry: &StepEntry, at: Millis) -> Result<(), &'static str> {
        match entry {
            StepEntry::Flow { flow } => {
                if !self.flow.is_usual() {
                    return Err("the list of steps was known before");
                }
                self.flow = flow.clone();
            }
            StepEntry::Begun { step, .. } => {
                if !self.flow.steps.iter().any(|listed| listed.step == *step) {
                    return Err("a step that is not in the list was begun");
                }
                let first = Progress { stage: Stage::Running, attempts: 0, begun: 0 };
                let known = self.known.entry(step.clone()).or_insert(first);
                if known.stage == Stage::Over {
                    return Err("a step that was over was begun");
                }
                known.stage = Stage::Running;
                known.begun = known.begun.saturating_add(1);
            }
            StepEntry::Succeeded { step, .. } => {
                let known = self.running(step)?;
                known.attempts = known.attempts.saturating_add(1);
                known.stage = Stage::Over;
                self.over_at = Some(at);
            }
            StepEntry::Failed { step, why, then } => {
                let known = self.running(step)?;
                known.attempts = known.attempts.saturating_add(1);
                known.begun = 0;
                known.stage = match then {
                    Then::Again { at } => Stage::Again { at: *at },
                    Then::GoesOn | Then::Ends => Stage::Over,
                };
                match then {
                    Then::Again { .. } => {}
                    Then::GoesOn => self.over_at = Some(at),
                    Then::Ends => self.failed = Some(format!("step '{step}' failed: {why}")),
                }
            }
        }
        Ok(())
    }

    fn running(&mut self, step: &str) -> Result<&mut Progress, &'static str> {
        let known = self.known.get_mut(step).filter(|known| known.stage == Stage::Running);
        known.ok_or("a step ended that was not running")
    }
}
