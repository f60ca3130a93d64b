//! Shadow mode: when there is a verdict, and where it differs from what Python did.

use crate::words::{Log, host, id};
use recovery::{
    Millis,
    evidence::Kind,
    forecast::{Fate, Forecast, Foreseen, Obstacle},
    guard::GuardEntry,
    log::{Entry, Summary},
    nouns::{NotificationStatus, RecoveryMethod},
    shadow::{
        JUDGED_WITHIN_MS, SHADOW, ShadowEntry,
        compare::{Difference, Moved, Theirs, differences},
        end,
    },
    state::Subject,
};

fn foreseen(name: &str, fate: Fate) -> Foreseen {
    Foreseen { id: id(name), name: name.into(), ha_enabled: false, priority: 0, fate }
}

/// `a` would move, `b` would stay.
fn planned() -> Log {
    let to = Fate::Moves { to: vec![host("two")], more: 0, doubts: vec![] };
    let forecast = Forecast {
        host: host("one"),
        method: RecoveryMethod::Auto,
        moves: 1,
        stays: 1,
        servers: vec![foreseen("a", to), foreseen("b", Fate::Stays { why: Obstacle::Vtpm })],
        left_off: 0,
        unknown: vec![],
    };
    let claimed = Entry::Claimed { owner: "engine".into(), generation: 1 };
    let would = ShadowEntry::Would { forecast: Box::new(forecast) };
    Log::default().says(0, claimed).says(1, Entry::Shadow(would))
}

fn proven() -> Entry {
    Entry::Proven { kind: Kind::MonitorSaid, at: Millis(5), evidence: vec![] }
}

fn passed() -> Entry {
    Entry::Guard(GuardEntry::Passed { beat: None })
}

fn held() -> Entry {
    Entry::Held { why: "it lives".into(), sighting: None, lack: None }
}

fn message(log: &Log, now: i64) -> Option<String> {
    match end(&log.state, &host("one"), Millis(now))? {
        Entry::Ended { status, message } => {
            assert_eq!(status, NotificationStatus::Ignored);
            message
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_verdict_ends_it_and_says_what_would_have_been_done() {
    assert_eq!(message(&planned(), 10), None);
    let log = planned().says(2, passed()).says(3, proven());
    let told = "host one was proven dead (monitor_said), 1 servers would be evacuated and 1 stay";
    assert_eq!(message(&log, 10), Some(format!("{SHADOW}{told}")));
    let fenced = planned().says(2, passed());
    let told = "host one would be fenced; then 1 servers would be evacuated and 1 stay";
    assert_eq!(message(&fenced, 10), Some(format!("{SHADOW}{told}")));
}

#[test]
fn one_that_is_held_ends_held_and_does_not_wait_for_ever() {
    let log = planned().says(2, held());
    assert_eq!(message(&log, JUDGED_WITHIN_MS - 1), None);
    let told = "the recovery of host one would still be held: it lives";
    assert_eq!(message(&log, JUDGED_WITHIN_MS), Some(format!("{SHADOW}{told}")));
}

#[test]
fn masakaris_tables_learn_nothing_but_the_status() {
    let before = planned();
    let log = before.clone().says(2, proven());
    let of = Subject {
        notification: recovery::NotificationId::new("n"),
        host_id: recovery::HostId::new("h"),
        host: host("one"),
    };
    let summaries = log.state.summaries(&before.state, &log.lines[2..], &of);
    assert!(matches!(summaries[..], [Summary::Status { .. }]), "{summaries:?}");
    let ended = end(&log.state, &host("one"), Millis(10)).unwrap();
    let over = log.clone().says(10, ended);
    let summaries = over.state.summaries(&log.state, &over.lines[3..], &of);
    assert!(matches!(summaries[..], [Summary::Status { .. }]), "no host is away: {summaries:?}");
}

fn over(log: Log) -> Log {
    let end = end(&log.state, &host("one"), Millis(JUDGED_WITHIN_MS)).unwrap();
    log.says(JUDGED_WITHIN_MS, end)
}

fn theirs(status: NotificationStatus, servers: &[(&str, Moved)]) -> Theirs {
    let servers = servers.iter().map(|(name, moved)| (id(name), moved.clone()));
    Theirs { status, servers: Some(servers.collect()) }
}

fn finished(servers: &[(&str, Moved)]) -> Theirs {
    theirs(NotificationStatus::Finished, servers)
}

fn proven_dead() -> Log {
    over(planned().says(2, passed()).says(3, proven()))
}

#[test]
fn who_did_the_same_does_not_differ() {
    let ours = proven_dead();
    assert_eq!(differences(&finished(&[("a", Moved::Yes)]), &ours.state), []);
    let refused = Moved::No { why: Some("vTPM".into()) };
    assert_eq!(differences(&finished(&[("a", Moved::Yes), ("b", refused)]), &ours.state), []);
    let gone = finished(&[("a", Moved::Yes), ("c", Moved::Yes)]);
    assert_eq!(differences(&gone, &ours.state), [], "c had gone when the plan was made");
}

#[test]
fn each_server_that_differs_is_named() {
    let ours = proven_dead();
    let failed = Moved::No { why: Some("time\u{7}out".into()) };
    let found = differences(&finished(&[("a", failed), ("b", Moved::Yes)]), &ours.state);
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            format!("Python moved {}, which would stay: {}", id("b"), Obstacle::Vtpm),
            format!("{} would be evacuated, and Python did not move it: time\u{fffd}out", id("a")),
        ]
    );
    let unnamed = differences(&finished(&[("b", Moved::No { why: None })]), &ours.state);
    assert_eq!(unnamed, [Difference::OnlyHere { server: id("a"), why: None }]);
}

#[test]
fn what_python_is_still_at_does_not_differ_yet() {
    let ours = proven_dead();
    for status in [NotificationStatus::New, NotificationStatus::Running, NotificationStatus::Error]
    {
        assert_eq!(differences(&theirs(status, &[]), &ours.state), []);
        let begun = theirs(status, &[("a", Moved::No { why: None })]);
        assert_eq!(differences(&begun, &ours.state), []);
    }
    let running = finished(&[("a", Moved::Running)]);
    assert_eq!(differences(&running, &ours.state), []);
    let unjudged = planned().says(2, passed());
    assert_eq!(differences(&finished(&[("b", Moved::Yes)]), &unjudged.state), [], "nor ours");
}

#[test]
fn servers_that_python_moved_of_a_host_that_is_not_proven_dead_are_told_first_of_all() {
    let ours = over(planned().says(2, held()));
    let found = differences(&finished(&[("a", Moved::Yes), ("b", Moved::Yes)]), &ours.state);
    assert_eq!(found, [Difference::NotProven { moved: Some(2), why: "it lives".into() }]);
    assert_eq!(differences(&finished(&[]), &ours.state), []);
    let none = finished(&[("a", Moved::No { why: None })]);
    assert_eq!(differences(&none, &ours.state), [], "neither moved one");
}

#[test]
fn a_host_that_python_gave_up_is_told_in_one_line() {
    let ours = proven_dead();
    let found = differences(&theirs(NotificationStatus::Failed, &[]), &ours.state);
    assert_eq!(found, [Difference::NotRecovered { status: NotificationStatus::Failed, would: 1 }]);
    assert_eq!(found[0].to_string(), "Python ended it failed and moved none; 1 would be evacuated");
}

#[test]
fn one_that_would_be_fenced_first_would_have_moved_them_too() {
    let ours = over(planned().says(2, passed()));
    assert_eq!(differences(&finished(&[("a", Moved::Yes)]), &ours.state), []);
}

#[test]
fn a_host_from_which_nothing_would_move_does_not_differ_where_nothing_was_moved() {
    let none = Forecast {
        host: host("one"),
        method: RecoveryMethod::Auto,
        moves: 0,
        stays: 0,
        servers: vec![],
        left_off: 0,
        unknown: vec![],
    };
    let claimed = Entry::Claimed { owner: "engine".into(), generation: 1 };
    let would = Entry::Shadow(ShadowEntry::Would { forecast: Box::new(none) });
    let ours = over(Log::default().says(0, claimed).says(1, would).says(2, passed()));
    assert_eq!(differences(&theirs(NotificationStatus::Failed, &[]), &ours.state), []);
}

#[test]
fn of_a_python_that_does_not_tell_of_servers_only_the_verdicts_are_compared() {
    let untold = |status| Theirs { status, servers: None };
    let ours = proven_dead();
    assert_eq!(differences(&untold(NotificationStatus::Finished), &ours.state), []);
    let failed = differences(&untold(NotificationStatus::Failed), &ours.state);
    assert_eq!(failed.len(), 1, "{failed:?}");
    let lives = over(planned().says(2, held()));
    let found = differences(&untold(NotificationStatus::Finished), &lives.state);
    assert_eq!(found, [Difference::NotProven { moved: None, why: "it lives".into() }]);
    assert_eq!(differences(&untold(NotificationStatus::Failed), &lives.state), []);
}
