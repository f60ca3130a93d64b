//! What is due to a host that is away: from its log, and from a look at it.

use super::{Act, Event, Heard, Rules, Stage, State, Word, is_reason, power};
use crate::plan::newest_evacuations;
use crate::seen::{ComputeService, Evacuation, EvacuationStatus};
use crate::{HostName, Millis, NotificationId, ServiceId};
use alloc::{
    format,
    string::{String, ToString},
};

/// A host as it was a moment ago.
#[derive(Debug)]
pub struct Look<'a> {
    pub host: &'a HostName,
    pub service: Option<&'a ComputeService>,
    /// What this engine hears of it.
    pub heard: Option<Heard>,
    /// A recovery of it that has not ended.
    pub recovery: Option<&'a NotificationId>,
    /// What a client has said of its maintenance.
    pub word: Option<Word>,
    /// Why nothing is done to it that nobody asked for.
    pub hands_off: Option<&'a str>,
    /// Every evacuation away from it that Nova remembers, if that was asked.
    pub records: Option<&'a [Evacuation]>,
    pub now: Millis,
}

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    Note(Event),
    /// Ask Nova for its records of evacuations, and judge again.
    Records,
    Do(Act, ServiceId),
    /// Give it its power back.
    SwitchOn,
    /// Look again later.
    Wait,
}

/// What is due.
#[must_use]
pub fn judge(state: &State, rules: &Rules, look: &Look<'_>) -> Due {
    let there = look.heard.zip(look.service);
    match (state.stage, there) {
        (Stage::InService, _) => Due::Wait,
        (Stage::Away, None) if power::is_due(state, rules, look) => Due::SwitchOn,
        (Stage::Away, None) => match not_heard(look) {
            Some(why) => waits(state, why),
            None => Due::Wait,
        },
        // A recovery that still runs decides what a sign of life means.
        (Stage::Away, Some(_)) if look.recovery.is_some() => Due::Wait,
        (Stage::Away, Some((heard, _))) => Due::Note(Event::Seen { heartbeat: heard.last }),
        (Stage::Heard, None) => Due::Note(Event::Silent),
        (Stage::Heard, Some((heard, service))) => go_on(state, rules, look, heard, service),
    }
}

fn go_on(
    state: &State,
    rules: &Rules,
    look: &Look<'_>,
    heard: Heard,
    service: &ComputeService,
) -> Due {
    if let Some(why) = forbidden(state, rules, look) {
        return waits(state, why);
    }
    let Some(records) = look.records else { return Due::Records };
    if let Some(why) = stale(records).or_else(|| too_early(state, rules, heard, look.now)) {
        return waits(state, why);
    }
    if state.not_before.is_some_and(|at| at > look.now) {
        return Due::Wait;
    }
    if service.forced_down && !state.did.forced_down {
        let why = "Nova has it forced down, and no recovery of ours did that: `openstack compute service set --up` \
                   ends it";
        return waits(state, why.into());
    }
    match next(state, rules, service) {
        Some(act) => Due::Do(act, service.id.clone()),
        None => Due::Note(Event::Back { reserved: is_spare(state, rules, service) }),
    }
}

/// What is left to undo, by what Nova shows.
fn next(state: &State, rules: &Rules, service: &ComputeService) -> Option<Act> {
    if service.forced_down {
        return Some(Act::ForceUp);
    }
    let reason = service.disabled_reason.as_deref();
    let ours = !service.enabled && state.did.reasons.iter().any(|ours| is_reason(reason, ours));
    let spare = state.did.spare.as_ref().filter(|spare| rules.refill && spare.was_disabled);
    match spare {
        Some(spare) if ours && !is_reason(reason, spare.told()) => Some(Act::Reserve),
        Some(_) => None,
        None => ours.then_some(Act::Enable),
    }
}

/// Whether it takes the place of a reserved host. Not where a person wants its service to be otherwise.
fn is_spare(state: &State, rules: &Rules, service: &ComputeService) -> bool {
    let spare = state.did.spare.as_ref().filter(|_| rules.refill);
    spare.is_some_and(|spare| match spare.was_disabled {
        true => !service.enabled && is_reason(service.disabled_reason.as_deref(), spare.told()),
        false => service.enabled,
    })
}

fn waits(state: &State, why: String) -> Due {
    match state.why.as_ref() == Some(&why) {
        true => Due::Wait,
        false => Due::Note(Event::Waits { why }),
    }
}

fn not_heard(look: &Look<'_>) -> Option<String> {
    look.service.is_none().then(|| "Nova has no compute service of it".to_string())
}

/// Why it may not come back now, however well it is.
fn forbidden(state: &State, rules: &Rules, look: &Look<'_>) -> Option<String> {
    if let Some(recovery) = look.recovery {
        return Some(format!(
            "its recovery {recovery} has not ended; what is held ends by itself, or by `masakari cancel {recovery}`"
        ));
    }
    if state.asked.is_some() || look.word == Some(Word::Return) {
        return None;
    }
    let by_hand = format!("`masakari return {}` brings it back", look.host);
    if look.word == Some(Word::Stay) {
        return Some(format!("a person has put it on maintenance since: {by_hand}"));
    }
    if !rules.automatic {
        return Some(format!("no host returns by itself ([return] automatic): {by_hand}"));
    }
    if state.did.storage_shut {
        return Some(format!(
            "its way to the storage was shut: let it in again (`masakari fence let-in {}`), then {by_hand}",
            look.host
        ));
    }
    let losses = state.losses_within(rules.flap_window_ms, look.now);
    (rules.flap_limit > 0 && losses >= rules.flap_limit).then(|| {
        let window = match (rules.flap_window_ms / 1000, rules.flap_window_ms % 3_600_000) {
            (s, 0) => format!("{} h", s / 3_600),
            (s, _) => format!("{s} s"),
        };
        format!(
            "it was lost {losses} times within {window} and stays away until a person has looked at it: {by_hand}"
        )
    })
}

/// Copies of servers that live elsewhere may be on it, or an evacuation from it may still begin. Of several
/// records of a server nova-compute completes the last.
fn stale(records: &[Evacuation]) -> Option<String> {
    let (mut done, mut running) = (0_u32, 0_u32);
    for record in newest_evacuations(records).values() {
        match record.status {
            EvacuationStatus::Done => done += 1,
            EvacuationStatus::Accepted | EvacuationStatus::Running => running += 1,
            EvacuationStatus::Void | EvacuationStatus::Completed | EvacuationStatus::Failed => {}
        }
    }
    if running > 0 {
        return Some(format!("Nova is at work on {running} evacuations away from it"));
    }
    (done > 0).then(|| {
        format!(
            "the copies of {done} servers that were evacuated from it may still be there (Nova's records say done and \
             not completed): its nova-compute destroys them when it is started"
        )
    })
}

/// It was not heard for long enough.
fn too_early(state: &State, rules: &Rules, heard: Heard, now: Millis) -> Option<String> {
    if state.asked.is_some() {
        // One could be somebody's write.
        return (heard.ms() <= 0).then(|| "it is to be heard twice".to_string());
    }
    let probation_ms = state.probation_ms(rules, now);
    (heard.ms() < probation_ms.max(1)).then(|| {
        let s = probation_ms / 1000;
        format!("on probation: it is to be heard for {s} s without a gap")
    })
}

impl State {
    /// How often it was lost within that time.
    #[must_use]
    pub fn losses_within(&self, window_ms: i64, now: Millis) -> u32 {
        let recent = self.losses.values().filter(|at| now.since(**at) < window_ms).count();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }

    /// How long it is to be heard without a gap.
    #[must_use]
    pub fn probation_ms(&self, rules: &Rules, now: Millis) -> i64 {
        let again = self.losses_within(rules.flap_window_ms, now).saturating_sub(1).min(20);
        let most = super::PROBATION_MOST_MS.max(rules.probation_ms);
        (rules.probation_ms << again).min(most)
    }
}
