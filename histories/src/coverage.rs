//! What a history has met: faults, transitions, refusals and crash edges, counted, so that a table of many tells what is
//! tested and what is only meant to be.

use crate::{gates::CALL_THAT_WRITES, own_steps::RUNNING, tale::Stage};
use recovery::log::Entry;
use serde_json::Value;
use sim::{Verdict, When};
use std::{collections::BTreeMap, fmt};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Group {
    /// What went wrong outside.
    Fault,
    /// Lines of recoveries' logs.
    Transition,
    /// What was not done, and by whose word.
    Refusal,
    /// Where a process died, and on which side of the effect.
    Crash,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fault => "fault",
            Self::Transition => "transition",
            Self::Refusal => "refusal",
            Self::Crash => "crash",
        })
    }
}

/// How often each was met.
#[derive(Clone, Default, Debug)]
pub struct Coverage(BTreeMap<(Group, String), u64>);

impl Coverage {
    /// Of one history.
    #[must_use]
    pub fn of(stage: &Stage) -> Self {
        let mut coverage = Self::default();
        coverage.outside(stage);
        coverage.logs(stage);
        for life in stage.lives.lock().unwrap().iter() {
            if let Some((place, when)) = life.died_at() {
                coverage.count(Group::Crash, edge(place, when), 1);
            }
        }
        coverage
    }

    fn count(&mut self, group: Group, what: String, times: u64) {
        *self.0.entry((group, what)).or_default() += times;
    }

    fn outside(&mut self, stage: &Stage) {
        for (fault, times) in stage.world.hits() {
            self.count(Group::Fault, fault, times);
        }
        for (_, trouble) in stage.scene.whole.iter().flat_map(|whole| &whole.troubles) {
            self.count(Group::Fault, trouble.name().to_owned(), 1);
        }
        if let Some(fence) = &stage.scene.fence {
            let bmc = format!("BMC {:?}", fence.bmc);
            let bmc = bmc.split(' ').take(2).collect::<Vec<_>>().join(" ");
            self.count(Group::Fault, bmc, 1);
            if fence.identified == Some(crate::fences::Cabled::ToAnother) {
                self.count(Group::Fault, "BMC of another machine".into(), 1);
            }
        }
        for line in stage.world.story() {
            for (ending, what) in [
                ("loses its power", "host loses its power"),
                ("is cut off", "host cut off"),
                ("is reached again", "host reached again"),
                ("boots", "host boots"),
            ] {
                if line.ends_with(ending) {
                    self.count(Group::Fault, what.into(), 1);
                }
            }
        }
        for call in stage.world.evacuate_calls() {
            if let Verdict::Refused { status } = call.verdict {
                self.count(Group::Refusal, format!("Nova refuses to evacuate: {status}"), 1);
            }
        }
    }

    fn logs(&mut self, stage: &Stage) {
        for (_, lines) in stage.logs() {
            for line in lines {
                let (group, what) = named(&line.entry);
                self.count(group, what, 1);
            }
        }
    }

    /// Adds what another has met.
    pub fn add(&mut self, other: &Self) {
        for ((group, what), times) in &other.0 {
            self.count(*group, what.clone(), *times);
        }
    }

    /// Everything that was met, and how often.
    pub fn rows(&self) -> impl Iterator<Item = (Group, &str, u64)> {
        self.0.iter().map(|((group, what), times)| (*group, what.as_str(), *times))
    }
}

/// A transaction is crossed before it and after it, and nothing happens inside either crossing: there is no side to tell.
fn edge(place: &str, when: When) -> String {
    match when {
        _ if place != CALL_THAT_WRITES && place != RUNNING => place.to_owned(),
        When::Before => format!("{place}, before it is done"),
        When::After => format!("{place}, after it is done"),
    }
}

/// What a line is called: its kind and the words of its inner kinds.
#[must_use]
pub fn named(entry: &Entry) -> (Group, String) {
    let value = serde_json::to_value(entry).unwrap_or_default();
    let mut words = vec![value["entry"].as_str().unwrap_or("?").to_owned()];
    let is_word =
        |text: &str| text.len() < 30 && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    for (key, inner) in value.as_object().into_iter().flatten() {
        let said_by = ["entry", "by", "who", "owner", "why", "message", "source"];
        match inner {
            Value::String(text) if !said_by.contains(&key.as_str()) && is_word(text) => {
                words.push(text.clone());
            }
            Value::Object(lack) if key == "lack" => {
                words.extend(lack.values().filter_map(Value::as_str).map(ToOwned::to_owned));
            }
            Value::String(_)
            | Value::Object(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_) => {}
        }
    }
    let refuses = ["held", "waiting", "refused", "postponed", "not_moved", "not_restored"];
    let group = match words.iter().any(|word| refuses.contains(&word.as_str())) {
        true => Group::Refusal,
        false => Group::Transition,
    };
    (group, words.join(" "))
}

/// How many things happened: what the world and the logs tell, each fault that hit a request, and each death.
#[must_use]
pub fn events(stage: &Stage) -> usize {
    let logs: usize = stage.logs().iter().map(|(_, lines)| lines.len()).sum();
    let hits: u64 = stage.world.hits().values().sum();
    let deaths = stage.lives.lock().unwrap().iter().filter(|life| life.died_at().is_some()).count();
    let notes = stage.notes.lock().unwrap().len();
    stage.world.story().len() + logs + usize::try_from(hits).unwrap_or(usize::MAX) + deaths + notes
}
