//! What is due, as sentences.

use crate::words::{
    At, Log, id, not_moved, permitted_by, planned, planned_busy, planned_stopped, proven,
};
use recovery::{
    Millis,
    due::{Limits, wake_at},
    evidence::Kind,
    log::{Act, Aftermath, Entry, Planned, Reset},
    nouns::NotificationStatus,
};

const DAY_MS: i64 = 86_400_000;

fn claimed() -> Log {
    Log::default().says(0, Entry::Claimed { owner: "engine".into(), generation: 1 })
}

fn held() -> Entry {
    Entry::Held { why: "it shows a sign of life".into(), sighting: None, lack: None }
}

#[test]
fn first_the_host_is_looked_at_and_nothing_is_done_without_a_permit() {
    assert_eq!(claimed().due(&At::without_permit(0)), ["look at the host"]);
    assert_eq!(Log::planned(&[planned("a")]).due(&At::without_permit(0)), ["look at the host"]);
}

#[test]
fn a_monitors_word_disables_and_proof_forces_down_before() {
    let (word, proof) = (permitted_by(Kind::MonitorSaid), permitted_by(Kind::PoweredOff));
    let log = claimed().says(0, proven());
    assert_eq!(log.due(&At::with(&word, 0)), ["disable", "plan"]);
    assert_eq!(log.due(&At::with(&proof, 0)), ["force down"]);
    let meant = log.says(0, Entry::ForceDownIntended);
    assert_eq!(meant.due(&At::with(&proof, 0)), ["force down"], "nobody knows whether it was done");
    let forced = meant.says(0, Entry::ForcedDown);
    assert_eq!(forced.due(&At::with(&proof, 0)), ["disable", "plan"]);
}

#[test]
fn nothing_is_evacuated_before_the_host_is_out_of_service() {
    let permit = permitted_by(Kind::MonitorSaid);
    let planned = claimed().says(0, proven()).plans(0, &[planned("a")]);
    assert_eq!(planned.due(&At::with(&permit, 0)), ["disable"]);
    let meant = planned.says(0, Entry::DisableIntended);
    assert_eq!(meant.due(&At::with(&permit, 0)), ["disable"], "nobody knows whether it was done");
    let disabled = meant.says(0, Entry::Disabled);
    assert_eq!(disabled.due(&At::with(&permit, 0)), ["evacuate a"]);
}

#[test]
fn servers_without_the_key_wait_until_those_with_it_were_asked_for() {
    let permit = permitted_by(Kind::MonitorSaid);
    let mut important = planned("z");
    important.ha_enabled = true;
    let log = Log::planned(&[important, planned("a"), planned("b")]);
    let at = At { room: 2, ..At::with(&permit, 0) };
    assert_eq!(log.due(&at), ["evacuate z"]);
    assert!(log.due(&At { room: 0, ..at }).is_empty());
    let asking = log.intends(1, Act::Evacuate, "z");
    let at = At { busy: &["z"], ..At { room: 2, ..At::with(&permit, 2) } };
    assert!(asking.due(&at).is_empty(), "its call may be overtaken");
    let asked = asking.did(3, Act::Evacuate, "z");
    let at = At { room: 2, look: false, ..At::with(&permit, 4) };
    assert_eq!(asked.due(&at), ["evacuate a", "evacuate b"]);
}

#[test]
fn only_what_takes_more_calls_than_one_is_locked_for_them() {
    let permit = permitted_by(Kind::MonitorSaid);
    let in_error = Planned { aftermath: Aftermath::StoppedInError, ..planned("c") };
    let busy = Planned { reset: Reset::ToError, ..planned("d") };
    let log = Log::planned(&[planned("a"), planned_stopped("b"), in_error, busy]);
    let wanted = ["evacuate a", "evacuate b, lock", "evacuate c, lock", "evacuate d, lock, reset"];
    assert_eq!(log.due(&At { room: 9, ..At::with(&permit, 0) }), wanted);
}

#[test]
fn a_server_that_was_locked_for_its_reset_stays_locked_until_the_end() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = Log::asked(0).says(1, not_moved("a", Some(2))).intends(2, Act::Evacuate, "a");
    let ready = Entry::NotMoved {
        server: id("a"),
        why: "no host had room".into(),
        again_at: Some(Millis(4)),
        reset: Reset::NotNeeded,
    };
    let log = log.says(3, ready);
    assert_eq!(log.due(&At::with(&permit, 4)), ["evacuate a, lock"]);
    let arrived = log.intends(4, Act::Evacuate, "a").arrives(5, "a");
    assert_eq!(arrived.due(&At::without_permit(5)), ["settle a, unlock"]);
}

#[test]
fn a_server_in_the_way_is_reset_and_one_that_its_owner_locked_is_not_locked() {
    let permit = permitted_by(Kind::MonitorSaid);
    let mut paused = planned_stopped("a");
    (paused.reset, paused.locked) = (Reset::ToError, true);
    assert_eq!(Log::planned(&[paused]).due(&At::with(&permit, 0)), ["evacuate a, reset"]);
}

#[test]
fn a_server_that_was_asked_for_is_looked_at_and_not_asked_for_again() {
    let permit = permitted_by(Kind::MonitorSaid);
    let asked = Log::asked(0);
    assert_eq!(asked.due(&At::with(&permit, 1)), ["look at the servers"]);
    assert!(asked.due(&At { look: false, ..At::with(&permit, 1) }).is_empty());
    assert!(asked.due(&At { busy: &["a"], ..At::with(&permit, 1) }).is_empty());
    let moving = asked.did(1, Act::Evacuate, "a");
    assert_eq!(moving.due(&At::with(&permit, 2)), ["look at the servers"]);
}

#[test]
fn a_retry_waits_for_its_time() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = Log::asked(0).says(10, not_moved("a", Some(5_010)));
    assert!(log.due(&At::with(&permit, 5_009)).is_empty());
    assert_eq!(wake_at(&log.state, &Limits::default()), Some(Millis(5_010)));
    assert_eq!(log.due(&At::with(&permit, 5_010)), ["evacuate a, lock, reset"]);
}

#[test]
fn while_it_is_held_nothing_new_is_asked_and_what_is_on_its_way_is_followed() {
    let servers = [planned("a"), planned_stopped("b"), planned_busy("c"), planned("d")];
    let log = Log::planned(&servers)
        .intends(1, Act::Evacuate, "a")
        .intends(1, Act::Evacuate, "b")
        .intends(1, Act::Evacuate, "c")
        .arrives(2, "b")
        .arrives(2, "c")
        .says(3, held());
    let wanted = ["stop b", "look at the servers", "look at the host"];
    assert_eq!(log.due(&At::without_permit(4)), wanted);
    let wanted = ["stop b", "settle c, unlock", "look at the servers", "look at the host"];
    assert_eq!(log.due(&At::without_permit(15_002)), wanted);
}

#[test]
fn a_server_that_has_arrived_is_unlocked_when_none_is_moved_any_more_or_after_a_while() {
    let log = Log::planned(&[planned_busy("a"), planned_busy("b")])
        .intends(1, Act::Evacuate, "a")
        .intends(1, Act::Evacuate, "b")
        .arrives(2, "a");
    assert_eq!(log.due(&At::without_permit(15_001)), ["look at the servers"]);
    let wanted = ["settle a, unlock", "look at the servers"];
    assert_eq!(log.due(&At::without_permit(15_002)), wanted);
    let both = log.arrives(3, "b");
    assert_eq!(both.due(&At::without_permit(3)), ["settle a, unlock", "settle b, unlock"]);
}

#[test]
fn servers_with_nothing_to_undo_are_over_when_they_arrive() {
    let log = Log::planned(&[planned("a"), planned("b"), planned("c")])
        .intends(1, Act::Evacuate, "a")
        .intends(1, Act::Evacuate, "b")
        .intends(1, Act::Evacuate, "c")
        .arrives(2, "a")
        .arrives(2, "b");
    let wanted = ["note done settle a b", "look at the servers"];
    assert_eq!(log.due(&At::without_permit(2)), wanted);
}

#[test]
fn a_server_that_does_not_stop_in_time_is_left_running_and_told() {
    let log = Log::planned(&[planned_stopped("a")])
        .intends(1, Act::Evacuate, "a")
        .arrives(2, "a")
        .intends(1_000, Act::Stop, "a");
    assert_eq!(log.due(&At::without_permit(180_999)), ["look at the servers"]);
    assert_eq!(log.due(&At::without_permit(181_000)), ["note not restored a"]);
}

#[test]
fn at_the_end_a_fresh_list_is_asked_for_what_is_left() {
    let moved = Log::planned(&[planned("a")]).moves(1, "a");
    assert_eq!(moved.due(&At::without_permit(2)), ["confirm"]);
    let confirmed = moved.says(2, Entry::Confirmed { on_host: 0 });
    assert_eq!(confirmed.due(&At::without_permit(3)), ["note ended finished"]);
}

#[test]
fn what_the_fresh_list_shows_is_planned_and_moved_too() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = Log::planned(&[planned("a")]).moves(1, "a").plans(2, &[planned("b")]);
    assert_eq!(log.state.plans, 2);
    assert_eq!(log.due(&At::without_permit(3)), ["look at the host"]);
    assert_eq!(log.due(&At::with(&permit, 3)), ["evacuate b"]);
    assert_eq!(log.moves(4, "b").due(&At::without_permit(5)), ["confirm"]);
}

#[test]
fn a_host_on_which_servers_appear_for_ever_is_given_up() {
    let limits = Limits { plans: 2, ..Limits::default() };
    let log = Log::planned(&[planned("a")]).moves(1, "a").plans(2, &[planned("b")]).moves(3, "b");
    assert_eq!(log.due_within(&limits, &At::without_permit(4)), ["note ended failed"]);
}

#[test]
fn one_server_that_was_not_moved_fails_the_recovery() {
    let log = Log::planned(&[planned("a"), planned_busy("b")])
        .moves(1, "a")
        .intends(1, Act::Evacuate, "b")
        .says(2, not_moved("b", None));
    assert_eq!(log.due(&At::without_permit(3)), ["settle b, unlock"]);
    let settled = log.did(3, Act::Settle, "b").says(4, Entry::Confirmed { on_host: 1 });
    assert_eq!(settled.due(&At::without_permit(5)), ["note ended failed"]);
}

#[test]
fn a_server_that_was_never_asked_for_is_not_unlocked() {
    let log = Log::planned(&[planned_stopped("a")]).says(1, not_moved("a", None));
    assert_eq!(log.due(&At::without_permit(2)), ["note done settle a"]);
}

#[test]
fn a_recovery_that_is_too_old_asks_for_nothing_more_and_unlocks() {
    let permit = permitted_by(Kind::MonitorSaid);
    let tried = Log::planned(&[planned_stopped("a"), planned("b")])
        .intends(1, Act::Evacuate, "a")
        .says(2, not_moved("a", Some(3)));
    let wanted = ["evacuate a, lock, reset", "evacuate b"];
    assert_eq!(tried.due(&At::with(&permit, DAY_MS - 1)), wanted);
    let wanted = ["note not moved a, no more", "note not moved b, no more"];
    assert_eq!(tried.due(&At::with(&permit, DAY_MS)), wanted);
    let given_up = tried.says(DAY_MS, not_moved("a", None)).says(DAY_MS, not_moved("b", None));
    let at = At::with(&permit, DAY_MS);
    assert_eq!(given_up.due(&at), ["settle a, unlock", "note done settle b"]);
    let settled = given_up.did(DAY_MS, Act::Settle, "a").did(DAY_MS, Act::Settle, "b");
    assert_eq!(settled.due(&at), ["note ended failed"]);
}

#[test]
fn a_recovery_that_was_held_until_it_was_too_old_fails_and_nothing_was_touched() {
    let log = claimed().says(1, held());
    assert_eq!(log.due(&At::without_permit(DAY_MS - 1)), ["look at the host"]);
    assert_eq!(log.due(&At::without_permit(DAY_MS)), ["note ended failed"]);
}

#[test]
fn what_is_doubted_is_looked_at_whatever_its_stage() {
    let refused = Entry::Refused { act: Act::Settle, server: id("a"), why: "404".into() };
    let (act, servers) = (Act::Settle, vec![id("a")]);
    let log = Log::planned(&[planned_busy("a")])
        .intends(0, Act::Evacuate, "a")
        .arrives(1, "a")
        .says(2, refused)
        .says(2, Entry::Postponed { act, servers, until: Millis(60_000) });
    assert_eq!(log.due(&At::without_permit(3)), ["look at the servers"]);
}

#[test]
fn nothing_is_due_after_the_end() {
    let permit = permitted_by(Kind::MonitorSaid);
    let end = Entry::Ended { status: NotificationStatus::Failed, message: None };
    let log = Log::planned(&[planned("a")]).says(1, end);
    assert!(log.due(&At::with(&permit, 2)).is_empty());
}
