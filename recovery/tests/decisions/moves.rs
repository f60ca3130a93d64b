//! One server's machine: every entry in every stage.

use crate::words::{Log, arrived, id, not_moved, planned_stopped, word};
use recovery::{
    Millis,
    log::{Act, Entry},
    seen::VmState,
    state::{Outcome, Stage},
};

/// `-`: cannot follow. The server is one that shall be stopped again.
const TABLE: &str = "
    entry                 waiting   asking    moving    arrived   stopping  settling  ended
    intended evacuate     asking    -         -         -         -         -         -
    intended stop         -         -         -         stopping  -         -         -
    intended settle       -         -         -         -         -         settling  -
    did evacuate          moving    moving    -         -         -         -         -
    did stop              -         -         -         -         stopping  -         -
    did settle            -         -         -         -         -         ended     -
    refused               -         asking    -         -         stopping  settling  -
    postponed evacuate    -         waiting   -         -         -         -         -
    postponed stop        -         -         -         -         arrived   -         -
    postponed settle      -         -         -         -         -         settling  -
    arrived running       -         arrived   arrived   -         -         -         -
    arrived stopped       -         settling  settling  -         -         -         -
    not moved, again      waiting   waiting   waiting   -         -         -         -
    not moved, no more    settling  settling  settling  -         -         -         -
    stopped               -         -         -         settling  settling  -         -
    not restored          -         -         -         settling  settling  ended     -
    gone                  ended     ended     ended     ended     ended     ended     -
";

fn entry(name: &str) -> Entry {
    let servers = vec![id("a")];
    let act = |name: &str| match name.rsplit(' ').next() {
        Some("evacuate") => Act::Evacuate,
        Some("stop") => Act::Stop,
        _ => Act::Settle,
    };
    match name {
        "refused" => Entry::Refused { act: Act::Evacuate, server: id("a"), why: "no".into() },
        "arrived running" => arrived("a", VmState::Active),
        "arrived stopped" => arrived("a", VmState::Stopped),
        "not moved, again" => not_moved("a", Some(99)),
        "not moved, no more" => not_moved("a", None),
        "stopped" => Entry::Stopped { servers },
        "not restored" => Entry::NotRestored { server: id("a"), why: "it did not stop".into() },
        "gone" => Entry::Gone { server: id("a") },
        name if name.starts_with("intended") => Entry::Intended { act: act(name), servers },
        name if name.starts_with("did") => Entry::Did { act: act(name), servers },
        name => Entry::Postponed { act: act(name), servers, until: Millis(99) },
    }
}

/// A log at whose end the server is in `stage`.
fn log_in(stage: &str) -> Log {
    let waiting = Log::planned(&[planned_stopped("a")]);
    let asking = waiting.clone().intends(1, Act::Evacuate, "a");
    let moving = asking.clone().did(2, Act::Evacuate, "a");
    let arrived = moving.clone().arrives(3, "a");
    let stopping = arrived.clone().intends(4, Act::Stop, "a");
    let settling = stopping.clone().says(5, entry("stopped"));
    let ended = settling.clone().did(6, Act::Settle, "a");
    match stage {
        "waiting" => waiting,
        "asking" => asking,
        "moving" => moving,
        "arrived" => arrived,
        "stopping" => stopping,
        "settling" => settling,
        _ => ended,
    }
}

fn stage_of(log: &Log) -> &'static str {
    match &log.state.moves[&id("a")].stage {
        Stage::Waiting { .. } => "waiting",
        Stage::Asking { .. } => "asking",
        Stage::Moving { .. } => "moving",
        Stage::Arrived { .. } => "arrived",
        Stage::Stopping { .. } => "stopping",
        Stage::Settling { .. } => "settling",
        Stage::Ended { .. } => "ended",
    }
}

#[test]
fn every_entry_in_every_stage_leads_where_the_table_says() {
    let mut rows = TABLE.trim().lines();
    let stages: Vec<&str> = rows.next().unwrap().split_whitespace().skip(1).collect();
    let mut cells = 0;
    for row in rows {
        // The names of the entries have spaces; the words of the stages have none.
        let words: Vec<&str> = row.split_whitespace().collect();
        let (name, wanted) = words.split_at(words.len() - stages.len());
        let name = name.join(" ");
        for (stage, wanted) in stages.iter().zip(wanted) {
            let mut log = log_in(stage);
            assert_eq!(stage_of(&log), *stage);
            let before = log.state.clone();
            let became = match log.try_to_say(9, entry(&name)) {
                Ok(()) => stage_of(&log),
                Err(_) => {
                    assert_eq!(log.state, before, "{name} is illegal and changes {stage}");
                    "-"
                }
            };
            assert_eq!(became, *wanted, "{name} in {stage}");
            cells += 1;
        }
    }
    assert_eq!(cells, 17 * 7);
}

#[test]
fn nothing_is_said_of_a_server_that_was_never_planned() {
    let mut log = Log::planned(&[]);
    for name in ["intended evacuate", "did stop", "refused", "arrived running", "gone"] {
        let illegal = log.try_to_say(1, entry(name)).unwrap_err();
        assert_eq!(illegal.what, "the server was never planned", "{name}");
    }
}

#[test]
fn a_server_is_not_planned_twice() {
    let mut log = Log::planned(&[planned_stopped("a")]);
    let again =
        Entry::Planned { on_host: 1, moves: vec![planned_stopped("a")], skipped: Vec::new() };
    assert_eq!(log.try_to_say(1, again).unwrap_err().what, "the server was planned before");
}

#[test]
fn a_server_that_was_evacuated_already_when_it_was_planned_is_moving() {
    let mut moving = planned_stopped("a");
    moving.under_way = true;
    assert_eq!(stage_of(&Log::planned(&[moving])), "moving");
}

#[test]
fn an_attempt_counts_unless_nova_was_away() {
    let attempts = |log: &Log| log.state.moves[&id("a")].attempts;
    let asked = log_in("asking");
    assert_eq!(attempts(&asked), 1);
    assert_eq!(attempts(&asked.clone().says(9, entry("postponed evacuate"))), 0);
    let again = asked.says(9, entry("not moved, again"));
    assert_eq!(attempts(&again.intends(10, Act::Evacuate, "a")), 2);
}

#[test]
fn a_server_that_its_owner_locked_is_not_ours_to_unlock() {
    let locked_by_us = |owners: bool| {
        let mut planned = planned_stopped("a");
        planned.locked = owners;
        let log = Log::planned(&[planned]);
        assert!(!log.state.moves[&id("a")].locked_by_us, "before it is asked for");
        log.intends(1, Act::Evacuate, "a").state.moves[&id("a")].locked_by_us
    };
    assert!(locked_by_us(false));
    assert!(!locked_by_us(true));
}

#[test]
fn a_server_that_was_deleted_is_ignored_and_one_that_does_not_stop_has_failed_on_its_new_host() {
    let outcome = |log: &Log| match &log.state.moves[&id("a")].stage {
        Stage::Settling { outcome, .. } | Stage::Ended { outcome } => outcome.clone(),
        other => panic!("{other:?}"),
    };
    let gone = log_in("moving").says(9, entry("gone"));
    assert!(matches!(outcome(&gone), Outcome::Ignored { .. }));
    let running = log_in("stopping").says(9, entry("not restored"));
    assert!(matches!(outcome(&running), Outcome::Failed { host: Some(_), .. }));
    assert_eq!(word(&entry("not restored")), "not restored a");
}

#[test]
fn a_line_with_a_gap_before_it_or_after_the_end_does_not_follow() {
    let log = log_in("ended");
    let mut gap = log.lines.last().unwrap().clone();
    gap.seq += 2;
    assert!(log.state.clone().apply(&gap).is_err());
    let end = Entry::Ended { status: recovery::nouns::NotificationStatus::Finished, message: None };
    let mut ended = log.says(7, end);
    assert!(ended.try_to_say(8, Entry::Disabled).is_err());
}
