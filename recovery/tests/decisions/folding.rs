//! Folding the log: at start-up as in the normal run, and what no log can do.

use crate::words::{Log, arrived, id, not_moved, planned, planned_stopped, proven};
use proptest::prelude::*;
use recovery::{
    Millis,
    log::{Act, Entry, Line},
    nouns::NotificationStatus,
    seen::VmState,
    state::{Outcome, Stage, State},
};

const SERVERS: [&str; 3] = ["a", "b", "c"];

/// Any entry about any of three servers; most do not follow from what was before.
fn any_entry() -> impl Strategy<Value = Entry> {
    let server = prop::sample::select(&SERVERS[..]);
    let act = prop::sample::select(&[Act::Evacuate, Act::Stop, Act::Settle][..]);
    (0..16_u8, server, act, 0..1_000_i64).prop_map(|(which, server, act, until)| {
        let servers = vec![id(server)];
        match which {
            0 => Entry::Claimed { owner: "another".into(), generation: 2 },
            1 => proven(),
            2 => Entry::Held { why: "it lives".into(), sighting: None, lack: None },
            3 => Entry::Waiting { why: "Nova is away".into() },
            4 => Entry::Planned { on_host: 1, moves: vec![planned_stopped("c")], skipped: vec![] },
            5 | 6 => Entry::Intended { act, servers },
            7 | 8 => Entry::Did { act, servers },
            9 => Entry::Refused { act, server: id(server), why: "no".into() },
            10 => Entry::Postponed { act, servers, until: Millis(until) },
            11 => arrived(server, VmState::Active),
            12 => not_moved(server, (until > 300).then_some(until)),
            13 => Entry::Stopped { servers },
            14 => Entry::NotRestored { server: id(server), why: "it did not stop".into() },
            _ => Entry::Gone { server: id(server) },
        }
    })
}

fn any_end() -> impl Strategy<Value = Entry> {
    let terminal = [NotificationStatus::Finished, NotificationStatus::Failed];
    prop::sample::select(terminal.to_vec())
        .prop_map(|status| Entry::Ended { status, message: None })
}

proptest! {
    #[test]
    fn a_log_folds_as_it_grew(entries in prop::collection::vec(any_entry(), 0..120)) {
        let mut log = Log::planned(&[planned("a"), planned_stopped("b")]);
        for (at, entry) in (0..).zip(entries) {
            // As the engine does: on a copy, because what does not follow leaves no state behind.
            let mut next = log.clone();
            if next.try_to_say(at, entry).is_ok() {
                log = next;
            }
        }
        prop_assert_eq!(State::fold(&log.lines), Ok(log.state.clone()));
        let stored: Vec<Line> = log.lines.iter().map(stored).collect();
        prop_assert_eq!(stored, log.lines);
    }

    #[test]
    fn what_has_ended_stays_ended(
        before in prop::collection::vec(any_entry(), 0..60),
        end in any_end(),
        after in prop::collection::vec(any_entry(), 1..20),
    ) {
        let mut log = Log::planned(&[planned("a"), planned_stopped("b")]);
        let mut ended = Vec::new();
        for entry in before.into_iter().chain([end]) {
            let again = matches!(entry, Entry::Planned { .. });
            let mut next = log.clone();
            if next.try_to_say(1, entry).is_ok() {
                // The move of a server that has ended never goes on; after one that failed there may
                // be another.
                for server in &ended {
                    let stage = |log: &Log| log.state.moves[server].stage.clone();
                    let failed = matches!(stage(&log), Stage::Ended { outcome: Outcome::Failed { .. } });
                    prop_assert!((again && failed) || stage(&next) == stage(&log));
                }
                log = next;
            }
            let over = log.state.moves.iter().filter(|(_, m)| m.ended_at.is_some());
            ended = over.map(|(server, _)| server.clone()).collect();
        }
        let status = log.state.status();
        prop_assert!(status.is_terminal());
        for entry in after {
            prop_assert!(log.try_to_say(2, entry).is_err());
            prop_assert_eq!(log.state.status(), status);
        }
    }
}

/// As it comes back from the database.
fn stored(line: &Line) -> Line {
    let text = serde_json::to_string(&line.entry).unwrap();
    Line { entry: serde_json::from_str(&text).unwrap(), ..line.clone() }
}

#[test]
fn the_status_is_new_until_proven_and_while_held() {
    let held = || Entry::Held { why: "it lives".into(), sighting: None, lack: None };
    let claimed = Log::default().says(0, Entry::Claimed { owner: "e".into(), generation: 1 });
    assert_eq!(claimed.state.status(), NotificationStatus::New);
    let running = claimed.says(1, proven());
    assert_eq!(running.state.status(), NotificationStatus::Running);
    let held = running.says(2, held());
    assert_eq!(held.state.status(), NotificationStatus::New);
    assert_eq!(held.says(3, proven()).state.status(), NotificationStatus::Running);
}

/// A heartbeat that were hidden as a write of ours would be a sign of life that nobody sees.
#[test]
fn only_what_changed_soon_after_it_was_meant_may_be_our_forcing_down_of_which_the_end_is_not_known()
{
    let mut log = Log::planned(&[planned("a")]);
    assert!(!log.state.may_have_forced_down_at(Millis(60_000)), "it was not meant");
    log = log.says(60_000, Entry::ForceDownIntended);
    for (at, may) in [(57_499, false), (57_500, true), (90_000, true), (90_001, false)] {
        assert_eq!(log.state.may_have_forced_down_at(Millis(at)), may, "{at}");
    }
    log = log.says(61_000, Entry::ForcedDown);
    assert!(!log.state.may_have_forced_down_at(Millis(61_000)), "what is done is known");
}
