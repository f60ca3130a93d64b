//! Records of evacuations that nobody is behind any more, as sentences.

use crate::words::{Log, Seen, host, id, planned, shown, still_there, words};
use EvacuationStatus::{Accepted, Done, Failed, Running, Void};
use recovery::{
    Millis, ServerId, VMoveId,
    due::Limits,
    log::{Act, Entry, Reset},
    plan,
    requests::{
        Fate, HEARD_AFTER_MS, Requested, are_void, mark_void, to_be_asked_since, waits_for_the_bus,
    },
    seen::{Evacuation, EvacuationStatus, Server, Task, VmState},
};

const LATER: Option<Millis> = Some(Millis(1_000_000));

fn record(number: i64, of: &str, status: EvacuationStatus) -> Evacuation {
    let created = Some(Millis(number * 1_000));
    Evacuation { id: number, server: id(of), source: host("dead"), dest: None, status, created }
}

fn request(at: i64, fate: Fate) -> Requested {
    Requested { at: Millis(at), fate }
}

fn given_up(at: i64) -> Fate {
    Fate::GivenUp { at: Millis(at) }
}

fn marked(records: &[(i64, EvacuationStatus)], requests: &[Fate]) -> Vec<EvacuationStatus> {
    let mut records: Vec<Evacuation> = records.iter().map(|(n, s)| record(*n, "a", *s)).collect();
    let requests: Vec<Requested> = (1..).zip(requests).map(|(at, f)| request(at, *f)).collect();
    if are_void(&id("a"), &records, &requests, LATER) {
        mark_void(&id("a"), &mut records);
    }
    records.into_iter().map(|e| e.status).collect()
}

#[test]
fn a_record_is_void_only_when_every_request_is_over() {
    let one = [(7, Accepted)];
    assert_eq!(marked(&one, &[given_up(60_000)]), [Void]);
    assert_eq!(marked(&one, &[Fate::Over]), [Void]);
    assert_eq!(marked(&one, &[Fate::Open]), [Accepted]);
    // One for two: which of the records it was done on is not known, and the other is open.
    let both = [(7, Accepted), (8, Accepted)];
    assert_eq!(marked(&both, &[given_up(60_000), Fate::Open]), [Accepted, Accepted]);
    assert_eq!(marked(&both, &[given_up(60_000), Fate::Over]), [Void, Void]);
    assert_eq!(marked(&[(7, Done), (8, Accepted)], &[given_up(60_000), Fate::Over]), [Done, Void]);
}

#[test]
fn a_record_whose_request_nobody_tells_of_is_believed() {
    assert_eq!(marked(&[(7, Accepted)], &[]), [Accepted]);
    assert_eq!(marked(&[(7, Accepted), (8, Accepted)], &[Fate::Over]), [Accepted, Accepted]);
}

#[test]
fn what_a_host_has_begun_is_never_void() {
    assert_eq!(marked(&[(7, Running), (8, Failed)], &[Fate::Over, Fate::Over]), [Running, Failed]);
}

#[test]
fn what_was_given_up_may_be_given_out_again_until_a_host_was_heard() {
    let requests = [request(1, given_up(60_000))];
    let is_void = |heard: Option<i64>| {
        let void = are_void(&id("a"), &[record(7, "a", Accepted)], &requests, heard.map(Millis));
        assert_ne!(waits_for_the_bus(&requests, heard.map(Millis)), void);
        void
    };
    assert!(!is_void(None));
    assert!(!is_void(Some(60_000 + HEARD_AFTER_MS - 1)));
    assert!(is_void(Some(60_000 + HEARD_AFTER_MS)));
}

#[test]
fn another_servers_record_is_left_alone() {
    let mut records = [record(7, "a", Accepted), record(8, "b", Accepted)];
    mark_void(&id("a"), &mut records);
    assert_eq!([records[0].status, records[1].status], [Void, Accepted]);
}

#[test]
fn requests_matter_since_the_oldest_record_that_nobody_has_begun() {
    let records = [record(100, "a", Done), record(200, "a", Accepted), record(300, "a", Accepted)];
    let since = |of: &str, records: &[Evacuation]| to_be_asked_since(&id(of), records);
    assert_eq!(since("a", &records), Some(Millis(200_000 - 60_000)));
    assert_eq!(since("a", &records[..1]), None);
    assert_eq!(since("b", &records), None);
    let ageless = Evacuation { created: None, ..record(400, "a", Accepted) };
    assert_eq!(since("a", &[ageless]), None);
}

fn rebuilding() -> Server {
    shown("a", "dead", VmState::Active, Task::Rebuilding)
}

/// Nova took it at 1 s; given up since.
fn moving() -> Log {
    Log::asked(1_000).did(1_100, Act::Evacuate, "a")
}

#[test]
fn what_the_conductor_gave_up_is_reset_and_asked_for_again_at_once() {
    let seen = |status| Seen::whole(70_000, vec![rebuilding()]).record(7, "a", status);
    assert_eq!(words(&moving().looks(70_001, &seen(Accepted))), [""; 0]);
    let entries = moving().looks(70_001, &seen(Void));
    let [Entry::NotMoved { why, again_at, reset, .. }] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    assert_eq!((*again_at, *reset), (Some(Millis(70_001)), Reset::ToError));
    assert!(why.starts_with("Nova's conductor gave the evacuation up"), "{why}");
}

#[test]
fn it_is_asked_for_so_often_and_no_more() {
    let mut log = Log::planned(&[planned("a")]);
    let (mut now, mut records) = (1_000, Vec::new());
    for attempt in 1..=i64::from(Limits::default().attempts) {
        log = log.intends(now, Act::Evacuate, "a").did(now + 100, Act::Evacuate, "a");
        now += 70_000;
        records.push(attempt);
        let seen = Seen::whole(now - 1, vec![rebuilding()]);
        let seen = records.iter().fold(seen, |seen, n| seen.record(*n, "a", Void));
        let entries = log.looks(now, &seen);
        let [Entry::NotMoved { again_at, .. }] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(again_at.is_none(), attempt == 4, "attempt {attempt}");
        log = log.all(entries, now);
    }
}

#[test]
fn a_second_call_that_may_still_land_keeps_it_from_being_asked_for_a_third_time() {
    let void = Seen::whole(70_000, vec![rebuilding()]).record(7, "a", Void);
    let log = moving();
    let entries = log.looks(70_001, &void);
    // Its answer was lost, and what the first one left was taken for it.
    let log = log.all(entries, 70_001).intends(70_100, Act::Evacuate, "a");
    let log = log.did(70_200, Act::Evacuate, "a");
    let again = |at| void.clone().begun(at);
    assert_eq!(words(&log.looks(80_001, &again(80_000))), [""; 0]);
    let late = 70_200 + Limits::default().linger_ms;
    assert_eq!(log.looks(late, &again(late - 1)).len(), 1);
    // With a record of its own it has landed.
    let both = again(80_000).record(8, "a", Void);
    assert_eq!(log.looks(80_001, &both).len(), 1);
}

#[test]
fn the_second_evacuation_may_be_done_on_the_first_ones_record() {
    let there = || vec![shown("a", "new", VmState::Active, Task::None)];
    let void = Seen::whole(70_000, vec![rebuilding()]).record(7, "a", Void);
    let entries = moving().looks(70_001, &void);
    let log = moving().all(entries, 70_001).intends(70_100, Act::Evacuate, "a");
    let log = log.did(70_200, Act::Evacuate, "a");
    let seen =
        |first, second| Seen::whole(90_000, there()).record(7, "a", first).record(8, "a", second);
    // Somebody may be behind the second one.
    assert_eq!(words(&log.looks(90_001, &seen(Done, Accepted))), [""; 0]);
    assert_eq!(words(&log.looks(90_001, &seen(Running, Accepted))), [""; 0]);
    assert_eq!(words(&log.looks(90_001, &seen(Done, Void))), ["arrived a"]);
}

#[test]
fn a_record_of_before_that_nobody_is_behind_is_no_evacuation_under_way() {
    let plan = |server: Server, records: &[Evacuation]| {
        let chosen = plan::select(
            &[server],
            records,
            &plan::Selection::default(),
            &recovery::rules::Facts::default(),
            || VMoveId::new("v"),
        );
        chosen.0.into_iter().next().unwrap()
    };
    let believed = plan(still_there("a"), &[record(7, "a", Accepted)]);
    assert_eq!((believed.under_way, believed.last_evacuation), (true, 0));
    let stale = plan(still_there("a"), &[record(6, "a", Done), record(7, "a", Void)]);
    assert_eq!((stale.under_way, stale.last_evacuation), (false, 7));
    assert_eq!(stale.reset, Reset::NotNeeded);
    let left = plan(rebuilding(), &[record(7, "a", Void)]);
    assert_eq!((left.under_way, left.reset), (false, Reset::ToError));
    let both = [record(7, "a", Running), record(8, "a", Void)];
    assert!(plan(still_there("a"), &both).under_way);
    let under_way = |records: &[Evacuation]| {
        let ids = plan::under_way(&[still_there("a")], records);
        ids.into_iter().collect::<Vec<ServerId>>()
    };
    assert_eq!(under_way(&[record(7, "a", Void)]), []);
    assert_eq!(under_way(&[record(7, "a", Accepted)]), [id("a")]);
}
