//! What a look at Nova means, as sentences.

use crate::words::{
    Log, Seen, id, not_moved, planned, planned_busy, planned_stopped, shown, still_there, words,
};
use recovery::{
    Millis,
    due::Limits,
    log::{Act, Entry, Reset},
    seen::{EvacuationStatus, Task, VmState},
    state::{Outcome, Stage},
};

fn linger_ms() -> i64 {
    Limits::default().linger_ms
}

fn nothing() -> [&'static str; 0] {
    []
}

/// Asked at 1 s, and Nova's answer never came: a later look shows the server as it was.
fn looks_after_a_lost_answer(now: i64) -> Vec<String> {
    words(&Log::asked(1_000).looks(now, &Seen::whole(now - 100, vec![still_there("a")])))
}

#[test]
fn while_a_lost_call_may_still_land_nothing_is_asked_again() {
    assert_eq!(looks_after_a_lost_answer(2_000), nothing());
    assert_eq!(looks_after_a_lost_answer(1_000 + linger_ms() - 1), nothing());
}

#[test]
fn once_a_lost_call_cannot_land_any_more_it_is_asked_again() {
    let now = 1_000 + linger_ms();
    assert_eq!(looks_after_a_lost_answer(now), [format!("not moved a, at {}", now + 5_000)]);
}

#[test]
fn a_call_that_nova_refused_need_not_be_waited_for() {
    let refused = Entry::Refused { act: Act::Evacuate, server: id("a"), why: "409".into() };
    let log = Log::asked(1_000).says(1_100, refused);
    let entries = log.looks(2_000, &Seen::whole(1_500, vec![still_there("a")]));
    assert_eq!(words(&entries), ["not moved a, at 7000"]);
}

#[test]
fn a_call_whose_evacuation_failed_need_not_be_waited_for() {
    let seen = Seen::whole(1_500, vec![still_there("a")]);
    let seen = seen.record(7, "a", EvacuationStatus::Failed);
    assert_eq!(words(&Log::asked(1_000).looks(2_000, &seen)), ["not moved a, at 7000"]);
}

#[test]
fn an_evacuation_that_was_over_before_says_nothing_of_ours() {
    let mut planned = planned("a");
    planned.last_evacuation = 7;
    let log = Log::planned(&[planned]).intends(1_000, Act::Evacuate, "a");
    let seen = Seen::whole(1_500, vec![still_there("a")]);
    let old = seen.clone().record(7, "a", EvacuationStatus::Failed);
    assert_eq!(words(&log.looks(2_000, &old)), nothing());
    let later = 1_000 + linger_ms();
    let lost = Seen::whole(later - 100, vec![still_there("a")]);
    let entries = log.looks(later, &lost.record(7, "a", EvacuationStatus::Failed));
    let [Entry::NotMoved { why, .. }] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(why, "Nova has no evacuation of it under way", "not what became of the old one");
    let ours = seen.record(8, "a", EvacuationStatus::Failed);
    assert_eq!(words(&log.looks(2_000, &ours)), ["not moved a, at 7000"]);
}

#[test]
fn a_look_says_nothing_of_what_was_asked_after_it_began_or_is_in_flight() {
    let log = Log::asked(1_000);
    let elsewhere = || vec![shown("a", "new", VmState::Active, Task::None)];
    assert_eq!(words(&log.looks(2_000, &Seen::whole(1_000, elsewhere()))), nothing());
    assert_eq!(words(&log.looks(2_000, &Seen::whole(1_001, elsewhere()))), ["arrived a"]);
    let mut in_flight = Seen::whole(1_001, elsewhere());
    in_flight.busy.insert(id("a"));
    assert_eq!(words(&log.looks(2_000, &in_flight)), nothing());
}

#[test]
fn it_is_asked_four_times_and_waits_longer_each_time() {
    let mut log = Log::planned(&[planned("a")]);
    let mut waits = Vec::new();
    let mut now = 0;
    for _ in 0..4 {
        log = log.intends(now, Act::Evacuate, "a");
        now += linger_ms();
        let entries = log.looks(now, &Seen::whole(now - 1, vec![still_there("a")]));
        let [Entry::NotMoved { again_at, .. }] = entries.as_slice() else { panic!("{entries:?}") };
        waits.push(again_at.map(|at| at.0 - now));
        log = log.all(entries, now);
    }
    assert_eq!(waits, [Some(5_000), Some(10_000), Some(20_000), None]);
}

#[test]
fn as_long_as_nova_is_at_work_the_server_is_followed_whatever_it_shows() {
    use EvacuationStatus::Running;
    let asked = Log::asked(1_000);
    let rebuilding = vec![shown("a", "dead", VmState::Active, Task::Rebuilding)];
    assert_eq!(words(&asked.looks(2_000, &Seen::whole(1_500, rebuilding))), ["Nova has begun [a]"]);
    let recorded = Seen::whole(1_500, vec![still_there("a")]).record(7, "a", Running);
    assert_eq!(words(&asked.looks(2_000, &recorded)), ["Nova has begun [a]"]);
    // Between its new host and the end of the record it has not arrived yet.
    let moving = asked.did(1_100, Act::Evacuate, "a");
    let elsewhere = vec![shown("a", "new", VmState::Active, Task::None)];
    let moved = Seen::whole(1_500, elsewhere).record(7, "a", Running);
    assert_eq!(words(&moving.looks(2_000, &moved)), nothing());
}

#[test]
fn a_record_that_says_done_before_the_host_is_written_is_looked_at_again() {
    let moving = Log::asked(1_000).did(1_100, Act::Evacuate, "a");
    let done = Seen::whole(1_500, vec![still_there("a")]).record(7, "a", EvacuationStatus::Done);
    assert_eq!(words(&moving.looks(2_000, &done)), nothing());
}

#[test]
fn a_server_that_nova_does_not_finish_in_time_is_given_up_and_not_asked_for_again() {
    let moving = Log::asked(1_000).did(2_000, Act::Evacuate, "a");
    let at_work = |now| {
        let seen =
            Seen::whole(now - 1, vec![shown("a", "dead", VmState::Active, Task::Rebuilding)]);
        words(&moving.looks(now, &seen))
    };
    assert_eq!(at_work(91_999), nothing());
    assert_eq!(at_work(92_000), ["not moved a, no more"]);
}

#[test]
fn what_nova_had_no_time_for_while_it_did_not_answer_is_not_overdue() {
    let moving = Log::asked(1_000).did(2_000, Act::Evacuate, "a");
    let at_work = |now| {
        let rebuilding = vec![shown("a", "dead", VmState::Active, Task::Rebuilding)];
        let seen = Seen::whole(now - 1, rebuilding).answered_since(600_000);
        words(&moving.looks(now, &seen))
    };
    assert_eq!(at_work(689_999), nothing());
    assert_eq!(at_work(690_000), ["not moved a, no more"]);
}

#[test]
fn while_others_come_further_nobody_is_overdue() {
    let log = Log::planned(&[planned("a"), planned("b")])
        .intends(0, Act::Evacuate, "a")
        .intends(0, Act::Evacuate, "b")
        .did(0, Act::Evacuate, "a")
        .did(0, Act::Evacuate, "b")
        .arrives(80_000, "b");
    let rebuilding = || vec![shown("a", "dead", VmState::Active, Task::Rebuilding)];
    let looks = |now| words(&log.looks(now, &Seen::whole(now - 1, rebuilding())));
    assert_eq!(looks(169_999), nothing());
    assert_eq!(looks(170_000), ["not moved a, no more"]);
}

#[test]
fn a_server_in_error_on_its_new_host_did_not_come_back_whatever_the_record_says() {
    let moving = Log::asked(1_000).did(1_100, Act::Evacuate, "a");
    let seen = Seen::whole(1_500, vec![shown("a", "new", VmState::Error, Task::None)]);
    for status in [EvacuationStatus::Failed, EvacuationStatus::Done, EvacuationStatus::Completed] {
        let recorded = seen.clone().record(7, "a", status);
        assert_eq!(words(&moving.looks(2_000, &recorded)), ["not moved a, no more"], "{status:?}");
    }
    assert_eq!(words(&moving.looks(2_000, &seen)), ["not moved a, no more"]);
    // Nova is at it yet: a server that was in error before is so until it is rebuilt.
    let running = seen.record(7, "a", EvacuationStatus::Running);
    assert_eq!(words(&moving.looks(2_000, &running)), nothing());
}

#[test]
fn a_server_that_stayed_is_reset_before_the_next_attempt_when_nova_would_refuse_it() {
    let now = 1_000 + linger_ms();
    let reset = |vm_state, task| {
        let seen = Seen::whole(now - 1, vec![shown("a", "dead", vm_state, task)]);
        match Log::asked(1_000).looks(now, &seen).as_slice() {
            [Entry::NotMoved { reset, .. }] => *reset,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reset(VmState::Active, Task::None), Reset::NotNeeded);
    assert_eq!(reset(VmState::Error, Task::None), Reset::NotNeeded);
    assert_eq!(reset(VmState::Paused, Task::None), Reset::ToError);
    assert_eq!(reset(VmState::Active, Task::Other("powering-off".into())), Reset::ToError);
}

#[test]
fn only_a_whole_list_or_a_deleted_state_says_that_a_server_is_gone() {
    let moving = Log::asked(1_000).did(1_100, Act::Evacuate, "a");
    assert_eq!(words(&moving.looks(2_000, &Seen::changed(1_500, vec![]))), nothing());
    assert_eq!(words(&moving.looks(2_000, &Seen::whole(1_500, vec![]))), ["gone a"]);
    let deleted = vec![shown("a", "dead", VmState::Deleted, Task::None)];
    assert_eq!(words(&moving.looks(2_000, &Seen::changed(1_500, deleted))), ["gone a"]);
}

#[test]
fn a_server_that_nova_does_not_know_is_doubted_until_a_whole_list_tells() {
    let refused = |act| Entry::Refused { act, server: id("a"), why: "404".into() };
    let settling = Log::asked(1_000).arrives(1_100, "a").says(1_200, refused(Act::Settle));
    assert!(settling.state.moves[&id("a")].doubted);
    let there = vec![shown("a", "new", VmState::Active, Task::None)];
    assert_eq!(words(&settling.looks(2_000, &Seen::whole(1_500, there))), nothing());
    assert_eq!(words(&settling.looks(2_000, &Seen::changed(1_500, vec![]))), nothing());
    assert_eq!(words(&settling.looks(2_000, &Seen::whole(1_500, vec![]))), ["gone a"]);
    let settled = settling.did(2_000, Act::Settle, "a");
    assert!(!settled.state.moves[&id("a")].doubted, "Nova knows it after all");
}

#[test]
fn a_server_is_stopped_when_it_is_and_nova_is_done_with_it() {
    let stopping = Log::planned(&[planned_stopped("a")])
        .intends(1_000, Act::Evacuate, "a")
        .arrives(1_100, "a")
        .intends(1_200, Act::Stop, "a")
        .did(1_300, Act::Stop, "a");
    let looks = |began, vm_state, task| {
        words(
            &stopping.looks(3_000, &Seen::changed(began, vec![shown("a", "new", vm_state, task)])),
        )
    };
    assert_eq!(looks(2_000, VmState::Stopped, Task::None), ["stopped [a]"]);
    assert_eq!(looks(1_300, VmState::Stopped, Task::None), nothing(), "seen before it was asked");
    let powering_off = Task::Other("powering-off".into());
    assert_eq!(looks(2_000, VmState::Active, powering_off), nothing());
}

#[test]
fn a_stop_that_was_lost_with_its_engine_is_asked_for_again() {
    let mut log = Log::planned(&[planned_stopped("a")])
        .intends(1_000, Act::Evacuate, "a")
        .arrives(1_100, "a")
        .intends(1_200, Act::Stop, "a");
    // Nova says 202 to a stop only after it has shown the task: without one it was never asked.
    for now in [10_000, 30_000] {
        let runs = vec![shown("a", "new", VmState::Active, Task::None)];
        let entries = log.looks(now, &Seen::whole(now - 1, runs));
        log = log.all(entries, now);
    }
    let at = crate::words::At::without_permit(60_000);
    assert!(log.due(&at).contains(&"stop a".to_owned()), "due: {:?}", log.due(&at));
}

/// Its record is written when the call reaches Nova, which may be later than the look.
#[test]
fn the_record_of_an_earlier_attempt_does_not_tell_what_became_of_a_lost_call() {
    let second = Log::asked(0).did(1, Act::Evacuate, "a").says(2, not_moved("a", Some(10)));
    let second = second.intends(10, Act::Evacuate, "a");
    let seen = |at| Seen::whole(at, vec![still_there("a")]);
    let one = |at| seen(at).record(1, "a", EvacuationStatus::Failed);
    assert_eq!(words(&second.looks(20_000, &one(20_000))), nothing());
    let both = one(20_000).record(2, "a", EvacuationStatus::Failed);
    assert_eq!(words(&second.looks(20_000, &both)), ["not moved a, at 30000"], "it has arrived");
    assert_eq!(
        words(&second.looks(90_010, &one(90_010))),
        ["not moved a, at 100010"],
        "it never will"
    );
}

#[test]
fn a_server_that_somebody_else_moved_before_its_turn_is_where_it_is_and_is_not_asked_for() {
    let log = Log::planned(&[planned_stopped("a")]);
    let elsewhere = || vec![shown("a", "new", VmState::Active, Task::None)];
    let entries = log.looks(2_000, &Seen::whole(1_500, elsewhere()));
    assert_eq!(words(&entries), ["a left"]);
    let after = log.clone().all(entries, 2_000);
    let Stage::Ended { outcome } = &after.state.moves[&id("a")].stage else {
        panic!("it is not over")
    };
    let why = "somebody brought it to new meanwhile".into();
    assert_eq!(*outcome, Outcome::Ignored { why });
    let in_error = vec![shown("a", "new", VmState::Error, Task::None)];
    let entries = log.looks(2_000, &Seen::whole(1_500, in_error));
    assert_eq!(words(&entries), ["not moved a, no more"]);
    assert_eq!(words(&log.looks(2_000, &Seen::whole(1_500, vec![still_there("a")]))), nothing());
    assert_eq!(words(&log.looks(2_000, &Seen::whole(0, elsewhere()))), nothing(), "an old look");
}

#[test]
fn an_evacuation_that_somebody_else_asked_for_is_followed_and_no_second_one_sent() {
    let log = Log::planned(&[planned("a")]);
    let rebuilding = || vec![shown("a", "dead", VmState::Active, Task::Rebuilding)];
    let entries = log.looks(2_000, &Seen::whole(1_500, rebuilding()));
    assert_eq!(words(&entries), ["Nova has begun [a]"]);
    let followed = log.clone().all(entries, 2_000);
    assert!(followed.state.moves[&id("a")].is_on_its_way());
    let arrived = vec![shown("a", "new", VmState::Active, Task::None)];
    assert_eq!(words(&followed.looks(3_000, &Seen::whole(2_500, arrived))), ["arrived a"]);
    // Nova clears the task before it changes the host; the record runs on.
    let between = Seen::whole(1_500, vec![still_there("a")]);
    let between = between.record(7, "a", EvacuationStatus::Running);
    assert_eq!(words(&log.looks(2_000, &between)), ["Nova has begun [a]"]);
    // What was busy already when it was planned is reset first, and nobody is at work on it.
    let log = Log::planned(&[planned_busy("a")]);
    assert_eq!(words(&log.looks(2_000, &Seen::whole(1_500, rebuilding()))), nothing());
}

/// Its record is there, and says nothing of the call that we have sent since.
#[test]
fn when_somebody_elses_evacuation_has_failed_our_own_may_land_as_long_as_any() {
    let rebuilding = vec![shown("a", "dead", VmState::Active, Task::Rebuilding)];
    let log = Log::planned(&[planned("a")]);
    let log = log.clone().all(log.looks(1_000, &Seen::whole(500, rebuilding)), 1_000);
    let failed = |began| {
        let seen = Seen::whole(began, vec![still_there("a")]);
        seen.record(7, "a", EvacuationStatus::Failed)
    };
    let entries = log.looks(2_000, &failed(1_500));
    assert_eq!(words(&entries), ["not moved a, at 7000"]);
    let asked = log.all(entries, 2_000).intends(7_000, Act::Evacuate, "a");
    assert_eq!(words(&asked.looks(8_000, &failed(7_500))), nothing());
    let over = 7_000 + linger_ms();
    assert_ne!(words(&asked.looks(over, &failed(over - 1))), nothing());
}

/// Our own call may be what is seen: it was meant, whatever became of it.
#[test]
fn what_was_meant_once_is_nobody_elses() {
    let asked = Log::asked(0);
    let away = Entry::Postponed { act: Act::Evacuate, servers: vec![id("a")], until: Millis(10) };
    let failed = not_moved("a", None);
    let left_behind = asked.clone().says(10, failed).did(11, Act::Settle, "a");
    for log in [
        asked.clone().says(10, away),
        asked.says(10, not_moved("a", Some(10))),
        left_behind.plans(12, &[planned("a")]),
    ] {
        let elsewhere = shown("a", "new", VmState::Active, Task::None);
        let rebuilding = shown("a", "dead", VmState::Active, Task::Rebuilding);
        for server in [elsewhere, rebuilding] {
            assert_eq!(words(&log.looks(2_000, &Seen::whole(1_500, vec![server]))), nothing());
        }
        assert!(log.clone().try_to_say(2_000, did_evacuate()).is_err());
    }
}

fn did_evacuate() -> Entry {
    Entry::Did { act: Act::Evacuate, servers: vec![id("a")] }
}
