//! What the soak on the real cloud does, in the simulated world: a host with thirty servers dies, and at a
//! random moment of its recovery one thing fails, hard and for long.
//!
//! The end is always the same: the report is finished, each server was moved once and is as it was, none is
//! locked, each row tells it; and whoever takes over does so soon.

pub(crate) use histories::soak::*;

use crate::{
    all_end_well,
    crash_points::{as_it_was, vmove_tells},
    setting,
    tale::Stage,
};
use recovery::{
    Millis,
    log::{Entry, Line},
    nouns::NotificationStatus,
};
use sim::Verdict;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

/// From the blow until another engine, or the next life of the same one, has the recovery.
const TAKEN_OVER_WITHIN_MS: i64 = 15_000;

/// What the blow hit, and what came of it.
#[derive(Default)]
struct Tally {
    /// The recovery was being worked on.
    at_work: AtomicU64,
    took_over_ms: AtomicI64,
}

impl Tally {
    fn judge(&self, stage: &Stage) -> Result<(), String> {
        let hit = stage.scene.hit.as_ref().unwrap();
        let hit_at = stage.began.plus(hit.at_ms.cast_signed());
        let lines = stage.memory.lines(&report(stage));
        let (before, after) = lines.split_at(lines.partition_point(|line| line.at <= hit_at));
        let ended = before.iter().any(|line| matches!(line.entry, Entry::Ended { .. }));
        if !before.is_empty() && !ended {
            self.at_work.fetch_add(1, Ordering::Relaxed);
            self.taken_over(hit, hit_at, after)?;
        }
        all_as_always(stage)
    }

    /// An engine that cannot act is made up for soon.
    fn taken_over(&self, hit: &Hit, hit_at: Millis, after: &[Line]) -> Result<(), String> {
        if !matches!(hit.blow, Blow::Killed | Blow::Restarted | Blow::Asleep) {
            return Ok(());
        }
        let claimed = |line: &&Line| matches!(line.entry, Entry::Claimed { .. });
        let next = after.iter().find(claimed).ok_or("nobody took it over")?;
        let took_ms = next.at.since(hit_at);
        self.took_over_ms.fetch_max(took_ms, Ordering::Relaxed);
        let soon = took_ms <= TAKEN_OVER_WITHIN_MS;
        if soon { Ok(()) } else { Err(format!("taken over after {took_ms} ms")) }
    }
}

/// How often the world tells this of each server.
pub(crate) fn times(stage: &Stage, what: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for line in stage.world.story() {
        let told = line.split_once(' ').map_or("", |(_, told)| told);
        if let Some((id, rest)) = told.split_once([' ', ':'])
            && rest.starts_with(what)
        {
            *times.entry(id.to_owned()).or_default() += 1;
        }
    }
    times
}

/// Finished; each server of the dead host moved once and is as it was, and its row tells that.
pub(crate) fn all_as_always(stage: &Stage) -> Result<(), String> {
    let dead = stage.host(0);
    let accepted = |id| {
        let calls = stage.world.evacuate_calls();
        calls.iter().filter(|c| c.server == id && c.verdict == Verdict::Accepted).count()
    };
    let landed = times(stage, "is evacuated to ");
    let failed = times(stage, "ends in error: No valid host was found");
    let given_up = times(stage, "is given up by the conductor");
    let after = stage.world.servers();
    if (after.len(), stage.at_first.len()) != (SERVERS, SERVERS) {
        return Err(format!("{} servers of {SERVERS} are there", after.len()));
    }
    for (before, after) in stage.at_first.iter().zip(&after) {
        let id = &before.id;
        let of = |times: &BTreeMap<String, usize>| times.get(id.as_str()).copied().unwrap_or(0);
        let (asked, moved) = (accepted(id.clone()), of(&landed));
        // What the bus gave out twice was given up and then failed, or moved.
        let (failed, given_up) = (of(&failed), of(&given_up));
        let fails = failed + given_up > 0 && !nova_fails_at_some(stage);
        let too_often = asked > 1 + failed + given_up || asked < 1 + failed;
        if moved != 1 || too_often || fails || before.host.as_ref() != Some(&dead) {
            return Err(format!(
                "{id} was asked for {asked} times, moved {moved} times, not {failed} times, and given up {given_up} times"
            ));
        }
        as_it_was(before, after, true)?;
        vmove_tells(stage, after)?;
    }
    match stage.memory.all_notifications().as_slice() {
        [only] if only.status == NotificationStatus::Finished => Ok(()),
        other => Err(format!("not one finished report: {other:?}")),
    }
}

#[test]
fn every_history_of_a_soak_ends_as_always() {
    let tally = Tally::default();
    all_end_well(SEEDS, scene, |stage| tally.judge(stage));
    let (at_work, count) = (tally.at_work.into_inner(), setting("SIM_SEEDS", SEEDS));
    let took_over_ms = tally.took_over_ms.into_inner();
    println!("{at_work} of {count} hit a recovery; taken over after {took_over_ms} ms at most");
    assert!(count < SEEDS || at_work > count * 3 / 4, "only {at_work} of {count} hit a recovery");
}

/// In `cargo test`; the suite `seeds` has more.
const SEEDS: u64 = 60;
