//! Servers for which there is no room.

use crate::words::{At, Log, Seen, host, id, permitted_by, planned, planned_busy, shown, words};
use recovery::{
    HostId, Millis, NotificationId,
    capacity::{self, CapacityEntry, RoomSeen},
    details::details,
    due::{Limits, wake_at},
    evidence::Kind,
    hand::HandEntry,
    log::{Act, Entry, Planned, Summary},
    nouns::{RecoveryMethod, VMove, VMoveStatus},
    seen::{EvacuationStatus, Task, VmState},
    shortage::{Free, Needs, Resource, Wanted, fitting, least},
    state::{Stage, State, Subject},
    way::{Way, WayEntry},
};
use std::collections::BTreeMap;

const SHORT: &str = "No valid host was found: not enough RAM on x (512 MB RAM needed)";
const WAIT_MS: i64 = 600_000;
/// When Nova found no room for the fourth time.
const FAILED_AT: i64 = 301_000;

/// Nova was asked for `a`, and says `why` not.
fn fails(log: Log, at: i64, why: &str) -> (Log, Vec<Entry>) {
    let log = log.intends(at, Act::Evacuate, "a");
    let entries = log.looks(at + 1_000, &failed(&log, at + 500).noted("a", why));
    (log, entries)
}

/// Each call for `a` has left a record of Nova's, and all have failed.
fn failed(log: &Log, began: i64) -> Seen {
    let seen = Seen::whole(began, vec![shown("a", "dead", VmState::Error, Task::None)]);
    let sent = i64::from(log.state.moves[&id("a")].sent);
    (1..=sent).fold(seen, |seen, number| seen.record(number, "a", EvacuationStatus::Failed))
}

/// Nova was asked four times.
fn fails_four_times(mut log: Log, why: &str) -> (Log, Vec<Entry>) {
    for at in [1, 100_000, 200_000] {
        let (asked, entries) = fails(log, at, why);
        log = asked.all(entries, at + 1_000);
    }
    fails(log, FAILED_AT - 1_000, why)
}

fn waiting() -> Log {
    let (log, entries) = fails_four_times(Log::planned(&[planned("a")]), SHORT);
    log.all(entries, FAILED_AT)
}

fn room(log: Log, at: i64) -> Log {
    log.says(at, Entry::Capacity(CapacityEntry::Room { servers: vec![id("a")] }))
}

fn subject() -> Subject {
    let (notification, host_id) = (NotificationId::new("report"), HostId::new("id-dead"));
    Subject { notification, host_id, host: host("dead") }
}

/// The vmove after the last `lines` lines.
fn row(log: &Log, lines: usize) -> VMove {
    let (before, last) = log.lines.split_at(log.lines.len() - lines);
    let before = State::fold(before).unwrap();
    let mut rows = log.state.summaries(&before, last, &subject()).into_iter();
    let row = rows.find_map(|s| match s {
        Summary::VMove(row) => Some(*row),
        _ => None,
    });
    row.unwrap()
}

#[test]
fn a_server_for_which_no_host_has_room_waits_instead_of_failing() {
    let (_, entries) = fails_four_times(Log::planned(&[planned("a")]), SHORT);
    let until = FAILED_AT + WAIT_MS;
    let again = FAILED_AT + 15_000;
    assert_eq!(words(&entries), [format!("a waits for room, again at {again}, until {until}")]);
    let log = waiting();
    assert!(log.state.rests());
    let row = row(&log, 1);
    assert_eq!((row.status, row.ended_at), (VMoveStatus::Ongoing, None));
    assert_eq!(
        row.message.unwrap(),
        "waits for capacity: not enough RAM on x (512 MB RAM needed); \
         since 1970-01-01T00:05:01Z, until 1970-01-01T00:15:01Z"
    );
}

#[test]
fn what_fails_for_another_reason_or_may_not_wait_fails() {
    for why in ["Build of instance aborted", "Nova gave the evacuation up"] {
        let (_, entries) = fails_four_times(Log::planned(&[planned("a")]), why);
        assert_eq!(words(&entries), ["not moved a, no more"]);
    }
    let (log, _) = fails_four_times(Log::planned(&[planned("a")]), SHORT);
    let limits = Limits { capacity_wait_ms: 0, ..Limits::default() };
    let seen = failed(&log, FAILED_AT - 1).noted("a", SHORT);
    let entries = recovery::due::judge(&log.state, &limits, &seen.as_look(), Millis(FAILED_AT));
    assert_eq!(words(&entries), ["not moved a, no more"]);
    // Nova's record has no destination, and the reason could not be asked for.
    let waits = words(&log.looks(FAILED_AT, &failed(&log, FAILED_AT - 1)));
    assert!(waits[0].starts_with("a waits for room"), "{waits:?}");
    // A destination that has less than the scheduler believed has no room either.
    let there = "on x: Insufficient compute resources: Free memory 1.00 MB < requested 512 MB.";
    assert!(capacity::is_short(there));
}

#[test]
fn the_other_ways_of_the_method_are_tried_before_it_waits() {
    let method = WayEntry::Method { method: RecoveryMethod::AutoPriority };
    let log = Log::default()
        .says(0, Entry::Claimed { owner: "engine".into(), generation: 1 })
        .says(0, Entry::Way(method))
        .plans(0, &[planned("a")]);
    let (log, entries) = fails(log, 1, SHORT);
    let (_, entries) = fails(log.all(entries, 1_001), 100_000, SHORT);
    assert_eq!(words(&entries), ["not moved a, no more"]);
}

#[test]
fn while_it_waits_it_is_only_looked_who_has_room() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = waiting();
    let until = Millis(FAILED_AT + WAIT_MS);
    assert_eq!(wake_at(&log.state, &Limits::default()), Some(until));
    assert!(log.due(&At::with(&permit, FAILED_AT + 14_999)).is_empty());
    let later = FAILED_AT + 15_000;
    assert_eq!(log.due(&At::with(&permit, later)), ["look for room for a"]);
    assert_eq!(log.due(&At::without_permit(later)), ["look for room for a"], "no permit is asked");
}

#[test]
fn with_room_it_is_asked_for_again_and_only_with_a_permit() {
    let permit = permitted_by(Kind::MonitorSaid);
    let log = room(waiting(), 400_000);
    assert!(!log.state.rests());
    assert_eq!(row(&log, 1).message, None);
    assert_eq!(log.due(&At::without_permit(400_000)), ["look at the host"]);
    assert_eq!(log.due(&At::with(&permit, 400_000)), ["evacuate a"]);
    let moved = log.moves(400_001, "a");
    assert_eq!(row(&moved, 1).status, VMoveStatus::Succeeded);
    assert_eq!(moved.due(&At::without_permit(400_002)), ["confirm"]);
}

#[test]
fn each_time_that_there_was_no_room_after_all_the_next_is_later_and_the_end_stays() {
    let mut log = waiting();
    let mut waits = Vec::new();
    for at in [400_000, 500_000, 600_000, 700_000] {
        let (asked, entries) = fails(room(log, at), at, SHORT);
        let [Entry::Capacity(CapacityEntry::Waits { again_at, until, since, .. })] =
            entries.as_slice()
        else {
            panic!("{entries:?}")
        };
        assert_eq!((since.0, until.0), (FAILED_AT, FAILED_AT + WAIT_MS));
        waits.push(again_at.0 - at - 1_000);
        log = asked.all(entries, at + 1_000);
    }
    assert_eq!(waits, [30_000, 60_000, 60_000, 60_000]);
}

#[test]
fn what_fails_for_another_reason_after_its_wait_is_tried_as_often_as_at_first() {
    let mut log = room(waiting(), 400_000);
    let mut told = Vec::new();
    for at in [400_000, 500_000, 600_000, 700_000] {
        let (asked, entries) = fails(log, at, "Build of instance aborted");
        told.extend(words(&entries));
        log = asked.all(entries, at + 1_000);
    }
    let again = |at: i64| format!("not moved a, at {at}");
    let wanted = [again(406_000), again(511_000), again(621_000), "not moved a, no more".into()];
    assert_eq!(told, wanted);
}

#[test]
fn who_waits_keeps_its_time_when_the_setting_changes() {
    let log = room(waiting(), 400_000).intends(400_000, Act::Evacuate, "a");
    let seen = failed(&log, 400_500).noted("a", SHORT);
    for capacity_wait_ms in [0, 1_000, 6_000_000] {
        let limits = Limits { capacity_wait_ms, ..Limits::default() };
        let entries = recovery::due::judge(&log.state, &limits, &seen.as_look(), Millis(401_000));
        let until = FAILED_AT + WAIT_MS;
        assert_eq!(words(&entries), [format!("a waits for room, again at 431000, until {until}")]);
    }
}

#[test]
fn a_recovery_that_is_cancelled_while_it_waits_ends_without_asking_again() {
    let word = HandEntry::Cancelled { request: "r".into(), by: "eva".into(), why: None };
    let log = waiting().says(400_000, Entry::Hand(word));
    assert_eq!(log.due(&At::without_permit(400_000)), ["note not moved a, no more"]);
    let not_moved = Entry::NotMoved {
        server: id("a"),
        why: "cancelled by eva".into(),
        again_at: None,
        reset: recovery::log::Reset::NotNeeded,
    };
    let log = log.says(400_001, not_moved).did(400_002, Act::Settle, "a");
    assert_eq!(log.due(&At::without_permit(400_003)), ["note ended ignored"]);
    assert_eq!(row(&log, 1).message.unwrap(), "cancelled by eva");
}

#[test]
fn when_its_time_is_over_it_fails_with_the_reason() {
    let log = waiting();
    let end = FAILED_AT + WAIT_MS;
    assert!(!log.due(&At::without_permit(end - 1)).contains(&"note not moved a, no more".into()));
    let held = Entry::Held { why: "host 'dead' is back".into(), sighting: None, lack: None };
    let due = |log: &Log| log.due(&At::without_permit(end));
    assert_eq!(due(&log), ["note not moved a, no more"]);
    let held = room(log.clone(), end - 10_000).says(end - 9_000, held);
    assert_eq!(due(&held)[0], "note not moved a, no more");
    let scene_end = log.all(
        vec![Entry::NotMoved {
            server: id("a"),
            why: format!("{SHORT}; it waited 600 s for capacity"),
            again_at: None,
            reset: recovery::log::Reset::NotNeeded,
        }],
        end,
    );
    let over = scene_end.did(end, Act::Settle, "a");
    let row = row(&over, 1);
    assert_eq!(row.status, VMoveStatus::Failed);
    assert_eq!(row.message.unwrap(), format!("{SHORT}; it waited 600 s for capacity"));
    // It is not waited for a second time.
    assert!(capacity::left_short(&over.state, &Limits::default(), Millis(end)).is_empty());
}

#[test]
fn it_is_not_locked_while_it_waits() {
    let permit = permitted_by(Kind::MonitorSaid);
    let (log, entries) = fails_four_times(Log::planned(&[planned_busy("a")]), SHORT);
    let log = log.all(entries, FAILED_AT);
    assert!(!log.state.rests(), "it is to be unlocked");
    assert_eq!(log.due(&At::without_permit(FAILED_AT)), ["settle a, unlock"]);
    let log = log.did(FAILED_AT + 1, Act::Settle, "a");
    assert!(log.state.rests());
    assert!(matches!(log.state.moves[&id("a")].stage, Stage::Waiting { .. }));
    let log = room(log, 400_000);
    assert_eq!(log.due(&At::with(&permit, 400_000)), ["evacuate a"], "Nova has set it to error");
}

#[test]
fn only_what_is_still_on_the_dead_host_is_asked_for_again() {
    let log = waiting();
    let seen =
        |seen: &RoomSeen, now| words(&capacity::seen(&log.state, &[id("a")], seen, Millis(now)));
    assert_eq!(seen(&RoomSeen::default(), 400_000), [""; 0]);
    let fits = RoomSeen { fits: [id("a")].into(), ..RoomSeen::default() };
    assert_eq!(seen(&fits, 400_000), ["room for [a]"]);
    let elsewhere = RoomSeen { left: [(id("a"), Some(host("x")))].into(), ..fits };
    assert_eq!(seen(&elsewhere, 400_000), ["a left"]);
    // What Placement cannot know of keeps nobody from being asked for, now and then.
    assert_eq!(seen(&RoomSeen::default(), FAILED_AT + 299_999), [""; 0]);
    assert_eq!(seen(&RoomSeen::default(), FAILED_AT + 300_000), ["room for [a]"]);
    let deleted = CapacityEntry::Left { server: id("a"), to: None };
    let gone = log.says(400_000, Entry::Capacity(deleted));
    assert_eq!(row(&gone, 1).message.unwrap(), "it was deleted meanwhile");
    assert_eq!(row(&gone, 1).status, VMoveStatus::Ignored);
}

#[test]
fn what_all_ways_left_behind_waits_for_where_it_may_go() {
    let after = |method| {
        Log::default()
            .says(0, Entry::Claimed { owner: "engine".into(), generation: 1 })
            .says(0, Entry::Way(WayEntry::Method { method }))
            .says(0, Entry::Disabled)
            .plans(0, &[planned("a")])
            .intends(1, Act::Evacuate, "a")
            .says(
                2,
                Entry::NotMoved {
                    server: id("a"),
                    why: SHORT.into(),
                    again_at: None,
                    reset: recovery::log::Reset::NotNeeded,
                },
            )
            .did(3, Act::Settle, "a")
    };
    for (method, way) in [
        (RecoveryMethod::AutoPriority, Way::Scheduler),
        (RecoveryMethod::RhPriority, Way::Scheduler),
        (RecoveryMethod::ReservedHost, Way::Reserved),
    ] {
        let log = after(method);
        let short = capacity::left_short(&log.state, &Limits::default(), Millis(4));
        let waits: Vec<Entry> = short.into_iter().map(Entry::Capacity).collect();
        let again = Planned { vmove: recovery::VMoveId::new("again"), ..planned("a") };
        let log = log.says(4, Entry::Way(WayEntry::Waits)).plans(4, &[again]).all(waits, 4);
        assert_eq!(log.state.ways.now(), Ok(way), "{method:?}");
        assert_eq!(log.state.ways.next(), None);
        assert!(log.state.rests());
        let row = row(&log, 2);
        assert_eq!((row.status, row.uuid.as_str()), (VMoveStatus::Pending, "again"));
        assert!(row.message.unwrap().starts_with("waits for capacity: not enough RAM"));
    }
}

#[test]
fn the_details_say_once_who_waits_for_what_and_until_when() {
    let (log, entries) = fails(room(waiting(), 400_000), 400_000, SHORT);
    let log = log.all(entries, 401_000);
    let tasks = details(&log.lines, &host("dead"));
    let messages = tasks.iter().flat_map(|task| &task.messages);
    let told: Vec<&str> =
        messages.map(|m| m.text.as_str()).filter(|text| text.contains("capacity")).collect();
    let wanted = "Instance 'a' waits for capacity: not enough RAM on x (512 MB RAM needed); \
                  since 1970-01-01T00:05:01Z, until 1970-01-01T00:15:01Z";
    assert_eq!(told, [wanted]);
}

const SMALL: Needs = Needs { vcpus: 1, ram_mb: 512, disk_gb: 0 };
const LARGE: Needs = Needs { vcpus: 4, ram_mb: 4_096, disk_gb: 10 };

fn wants(server: &str, priority: i64, needs: Needs) -> Wanted {
    let (needs, dead) = (Some(needs), host("dead"));
    Wanted { server: id(server), rank: (false, priority), needs, dead, within: None }
}

fn free(name: &str, vcpus: u64, ram_mb: u64) -> Free {
    let left = BTreeMap::from([(Resource::Vcpus, vcpus), (Resource::Ram, ram_mb)]);
    Free { host: host(name), left }
}

fn fit(wanted: Vec<Wanted>, free: Vec<Free>) -> String {
    let fits = fitting(wanted, free);
    fits.iter().map(|server| server.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_becomes_free_goes_to_the_highest_rank_that_fits() {
    let all = || vec![wants("a", 1, SMALL), wants("b", 9, LARGE), wants("c", 5, SMALL)];
    assert_eq!(fit(all(), vec![free("x", 1, 512)]), "c");
    assert_eq!(fit(all(), vec![free("x", 4, 4_096)]), "b");
    assert_eq!(fit(all(), vec![free("x", 8, 4_608)]), "b c");
    assert_eq!(fit(all(), vec![free("x", 1, 512), free("y", 4, 512)]), "a c");
    assert_eq!(fit(all(), vec![free("dead", 99, 99_999)]), "");
    assert_eq!(fit(all(), vec![free("x", 0, 99_999), free("y", 99, 0)]), "");
    let within = Wanted { within: Some(vec![host("y")]), ..wants("a", 1, SMALL) };
    assert_eq!(fit(vec![within.clone()], vec![free("x", 9, 9_999)]), "");
    assert_eq!(fit(vec![within], vec![free("y", 9, 9_999)]), "a");
    let unknown = Wanted { needs: None, ..wants("a", 1, SMALL) };
    assert_eq!(fit(vec![unknown.clone()], vec![free("x", 1, 1)]), "a");
    assert_eq!(fit(vec![unknown], vec![]), "");
}

#[test]
fn placement_is_asked_for_the_least_of_each() {
    let odd = Needs { vcpus: 8, ram_mb: 256, disk_gb: 1 };
    let wanted = Needs { vcpus: 1, ram_mb: 256, disk_gb: 0 };
    assert_eq!(least([LARGE, SMALL, odd].iter()), Some(wanted));
    assert_eq!(least([].iter()), None);
}
