//! What stands in the log before anything of it is done: intents, and observations that need no act.

use recovery::{
    due::Step,
    log::{Act, Entry},
    tiers::TierEntry,
};

/// What is written before the steps start. Unlocking may be done twice and needs no intent.
pub(super) fn of(steps: &[Step]) -> Vec<Entry> {
    let (mut evacuate, mut stop, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let mut start = Vec::new();
    for step in steps {
        match step {
            Step::Evacuate { order, .. } => evacuate.push(order.server().clone()),
            Step::Stop(server) => stop.push(server.clone()),
            Step::Start(order) => start.push(order.server().clone()),
            Step::ForceDown(_) => entries.push(Entry::ForceDownIntended),
            Step::Disable(_) => entries.push(Entry::DisableIntended),
            Step::RunStep(run) => entries.push(crate::steps::begun(run)),
            // Its line names the ladder: see `Turns::climb_intended`.
            Step::Fence { .. }
            | Step::LookAtHost
            | Step::Plan
            | Step::LookAtServers
            | Step::LookAtStarts
            | Step::Check(..)
            | Step::Settle { .. }
            // What is meant with a reserved host is in the line that took it, or left it.
            | Step::TakeReserve
            | Step::ReadyReserve(_)
            | Step::HandBack(_)
            | Step::LookForRoom(_)
            | Step::Note(_)
            | Step::Confirm => {}
        }
    }
    for (act, servers) in [(Act::Evacuate, evacuate), (Act::Stop, stop)] {
        if !servers.is_empty() {
            entries.push(Entry::Intended { act, servers });
        }
    }
    if !start.is_empty() {
        entries.push(Entry::Tier(TierEntry::StartIntended { servers: start }));
    }
    entries
}

/// The line of an observation.
pub(super) fn note(step: &Step) -> Option<Entry> {
    match step {
        Step::Note(entry) => Some(entry.clone()),
        Step::LookAtHost
        | Step::Fence { .. }
        | Step::ForceDown(_)
        | Step::Disable(_)
        | Step::Plan
        | Step::Evacuate { .. }
        | Step::LookAtServers
        | Step::Stop(_)
        | Step::Settle { .. }
        | Step::TakeReserve
        | Step::ReadyReserve(_)
        | Step::HandBack(_)
        | Step::LookForRoom(_)
        | Step::LookAtStarts
        | Step::Start(_)
        | Step::Check(..)
        | Step::RunStep(_)
        | Step::Confirm => None,
    }
}
