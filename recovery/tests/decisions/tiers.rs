//! Ordered restart: when it is whose turn, what a look means, and what is told.

use crate::tier_rules::{rules, says};
use crate::tier_words::{
    Arrived, ONE, TWO, active, checked, dead, four, ordered, powering_on, service, stopped, tier,
};
use crate::words::{At, Log, arrived, host, id, not_moved, planned, shown};
use recovery::{
    HostName, Millis, NotificationId, VMoveId,
    capacity::CapacityEntry,
    details,
    due::Scene,
    log::{Act, Arrival, Entry, Planned, Reset},
    nouns::NotificationStatus,
    permit::SKEW_MS,
    seen::{Evacuation, EvacuationStatus, Server, Task, VmState},
    tiers::{self, Check, GuestHeard, HostSeen, Inside, Limits, Ordered, Stage, Tier, TierEntry},
};
use std::collections::BTreeSet;

#[test]
fn a_tier_starts_when_the_one_before_it_is_up() {
    let (dead, all) = (dead(), ["a", "b", "c", "d"]);
    let seen = |began| Arrived::at(began, &all.map(stopped));
    let log = all.iter().fold(four(), |log, server| log.lands(1, server));
    assert_eq!(log.due_now(2, Some(&dead), None), ["Tier 1 begins"]);
    let log = log.tier(2, TierEntry::Began { tier: ONE });
    assert_eq!(log.due_now(3, Some(&dead), None), ["look at the starts"]);
    assert_eq!(log.due_now(4, Some(&dead), Some(&seen(3))), ["start a on new", "start b on new"]);
    let log = log.runs(5, "a").runs(5, "b");
    assert_eq!(log.due_now(6, Some(&dead), Some(&seen(5))), ["check b, port 5432"]);
    let log = log.tier(7, TierEntry::Answers { server: id("b") });
    assert_eq!(log.due_now(8, Some(&dead), None), ["Tier 1 is over"]);
    let log = log.tier(8, TierEntry::Over { tier: ONE }).tier(8, TierEntry::Began { tier: TWO });
    assert_eq!(log.due_now(9, Some(&dead), Some(&seen(8))), ["start c on new"]);
    let log = log.runs(9, "c").tier(9, TierEntry::Over { tier: TWO });
    assert_eq!(log.due_now(10, Some(&dead), None), ["Those without a tier begins"]);
}

#[test]
fn the_time_of_a_tier_runs_from_when_none_of_it_is_on_its_way() {
    let dead = dead();
    let log = four().lands(1, "b").lands(1, "c");
    // `a` is still to come: the others of its tier start, the next tier does not, and no time runs.
    let seen = Arrived::at(5, &[stopped("b"), stopped("c")]);
    let late = Limits::default().tier_ms + 10;
    assert_eq!(log.due_now(late, Some(&dead), Some(&seen)), ["start b on new"]);
    // Left behind once, it may have to wait for room: nobody waits for it longer than the tier's time.
    let asked = log.intends(6, Act::Evacuate, "a");
    assert!(asked.due_now(7, Some(&dead), Some(&Arrived::at(6, &[]))).is_empty());
    let waits = asked.says(7, not_moved("a", Some(99)));
    assert_eq!(waits.due_now(8, Some(&dead), None), ["Tier 1 begins"]);
    let log = waits.tier(8, TierEntry::Began { tier: ONE }).runs(9, "b");
    assert_eq!(
        log.due_now(late + 8, Some(&dead), None),
        ["b is checked no more", "Tier 1 is over"]
    );
    let almost = Limits::default().tier_ms + 7;
    assert_eq!(log.due_now(almost, Some(&dead), Some(&seen)), ["check b, port 5432"]);
    let log = log
        .tier(late, TierEntry::Unanswered { server: id("b") })
        .tier(late, TierEntry::Over { tier: ONE });
    // It comes after its tier was over: it starts at once.
    let log = log.tier(late, TierEntry::Began { tier: TWO }).lands(late + 1, "a");
    let seen = Arrived::at(late + 2, &[stopped("a"), stopped("c")]);
    let due = log.due_now(late + 3, Some(&dead), Some(&seen));
    assert_eq!(due, ["start a on new", "start c on new"]);
}

/// A cut host may be heard again with its copies running: what was not started yet is not.
#[test]
fn nothing_is_started_while_the_old_host_may_live_unless_it_has_cleaned_up() {
    let log = four().lands(1, "a").lands(1, "b").tier(2, TierEntry::Began { tier: ONE });
    let mut seen = Arrived::at(3, &[stopped("a"), stopped("b")]);
    assert_eq!(log.due_now(4, None, Some(&seen)), ["look at the host"]);
    let record = |number, server: &str, status| Evacuation {
        id: number,
        server: id(server),
        source: host("dead"),
        dest: Some(host("new")),
        status,
        created: None,
    };
    seen.evacuations = vec![
        record(1, "a", EvacuationStatus::Completed),
        record(2, "b", EvacuationStatus::Completed),
        record(3, "b", EvacuationStatus::Done),
    ];
    assert_eq!(log.due_now(4, None, Some(&seen)), ["start a on new"]);
    // One from before this recovery tells nothing.
    let mut before = planned("a");
    before.last_evacuation = 1;
    let servers = vec![ordered("a", ONE)];
    let log = Log::planned(&[before])
        .tier(0, TierEntry::Ordered { servers })
        .lands(1, "a")
        .tier(2, TierEntry::Began { tier: ONE });
    assert_eq!(log.due_now(4, None, Some(&seen)), ["look at the host"]);
}

#[test]
fn nothing_is_started_where_it_may_not_be_heard() {
    let dead = dead();
    let log = four().lands(1, "a").tier(2, TierEntry::Began { tier: ONE });
    let look = |seen: HostSeen| Arrived::at(60_000, &[stopped("a")]).host("new", seen);
    let with = |service| HostSeen { service, ..HostSeen::default() };
    let up = || service(true, 59_000);
    let recovery = Some(NotificationId::new("n1"));
    let evacuating = BTreeSet::from([id("a")]);
    let cases = [
        (with(service(false, 59_000)), "nova-compute of its host 'new' is down"),
        (with(None), "nova-compute of its host 'new' is down"),
        (with(service(true, 44_999)), "nova-compute of its host 'new' was not heard for a while"),
        (HostSeen { recovery, ..with(up()) }, "host 'new' is being recovered by notification n1"),
        (HostSeen { evacuating, ..with(up()) }, "Nova is evacuating it from host 'new'"),
    ];
    for (seen, why) in cases {
        let look = look(seen);
        assert!(log.due_now(60_001, Some(&dead), Some(&look)).is_empty(), "{why}");
        let blocked = TierEntry::Blocked { server: id("a"), why: why.into() };
        assert_eq!(log.sees(60_001, &look), std::slice::from_ref(&blocked));
        // Once.
        assert_eq!(log.clone().tier(60_002, blocked).sees(60_003, &look), []);
    }
    assert_eq!(log.due_now(60_001, Some(&dead), Some(&look(with(up())))), ["start a on new"]);
    let mut busy = look(with(up()));
    busy.busy.insert(id("a"));
    assert!(log.due_now(60_001, Some(&dead), Some(&busy)).is_empty());
    // A look that is older than the arrival tells nothing of it.
    assert!(log.due_now(2, Some(&dead), Some(&Arrived::at(1, &[stopped("a")]))).is_empty());
    for task in [Task::Rebuilding, Task::Other("deleting".into())] {
        let seen = Arrived::at(60_000, &[shown("a", "new", VmState::Stopped, task)]);
        assert!(log.due_now(60_001, Some(&dead), Some(&seen)).is_empty());
    }
}

#[test]
fn what_keeps_a_start_is_waited_for_so_long_and_a_recovery_of_its_host_to_its_end() {
    let down = HostSeen { service: service(false, 0), ..HostSeen::default() };
    let recovered = HostSeen { recovery: Some(NotificationId::new("n1")), ..HostSeen::default() };
    let look = |at, seen: &HostSeen| Arrived::at(at, &[stopped("a")]).host("new", seen.clone());
    let log = four().lands(1, "a");
    let blocked = log.sees(10, &look(10, &down)).remove(0);
    let log = log.tier(10, blocked);
    let limit = Limits::default().blocked_ms;
    assert_eq!(log.sees(limit + 9, &look(limit + 9, &down)), []);
    let why = "nova-compute of its host 'new' is down".into();
    let ended = [TierEntry::NotStarted { server: id("a"), why }];
    assert_eq!(log.sees(limit + 10, &look(limit + 10, &down)), ended);
    assert!(matches!(
        log.sees(limit + 10, &look(limit + 10, &recovered)).as_slice(),
        [TierEntry::Blocked { .. }]
    ));
}

/// Its new host died too, and that host's recovery brought it on, stopped as it found it.
#[test]
fn a_server_that_was_moved_on_is_started_where_it_is() {
    let dead = dead();
    let elsewhere = shown("a", "other", VmState::Stopped, Task::None);
    let log = four().lands(1, "a").tier(2, TierEntry::Began { tier: ONE });
    let at_work = HostSeen { recovery: Some(NotificationId::new("n1")), ..HostSeen::default() };
    let seen = Arrived::at(3, std::slice::from_ref(&elsewhere)).host("new", at_work);
    assert!(matches!(log.sees(4, &seen).as_slice(), [TierEntry::Blocked { .. }]));
    let seen = Arrived::at(3, &[elsewhere]);
    assert!(log.due_now(4, Some(&dead), Some(&seen)).is_empty(), "first it is written where it is");
    let moved = TierEntry::Elsewhere { server: id("a"), host: host("other") };
    assert_eq!(log.sees(4, &seen), std::slice::from_ref(&moved));
    let log = log.tier(5, moved);
    assert_eq!(log.due_now(6, Some(&dead), Some(&seen)), ["start a on other"]);
}

#[test]
fn what_became_of_a_start_is_seen() {
    let to_start = four().lands(1, "a");
    let asking = to_start.clone().tier(10, TierEntry::StartIntended { servers: vec![id("a")] });
    let starting = asking.clone().tier(11, TierEntry::StartTaken { servers: vec![id("a")] });
    let servers = || vec![id("a")];
    let sees = |log: &Log, now: i64, server: Server| log.sees(now, &Arrived::at(now, &[server]));
    for log in [&to_start, &asking, &starting] {
        assert_eq!(sees(log, 20, active("a")), [TierEntry::Active { servers: servers() }]);
        let gone = [TierEntry::Gone { server: id("a") }];
        assert_eq!(log.sees(20, &Arrived::at(20, &[])), gone);
    }
    assert_eq!(sees(&asking, 20, powering_on("a")), [TierEntry::StartTaken { servers: servers() }]);
    // After a crash, or an answer that was lost: a second start would be refused if the first lands.
    let again = [TierEntry::NotAsked { server: id("a"), until: Millis(1_020) }];
    assert_eq!(sees(&asking, 20, stopped("a")), again);
    assert_eq!(asking.sees(20, &Arrived::at(9, &[stopped("a")])), [], "the look is older");
    let why = "Nova took the start and did not do it".into();
    let refused = TierEntry::StartRefused { server: id("a"), why, again_at: Millis(5_020) };
    assert_eq!(sees(&starting, 20, stopped("a")), std::slice::from_ref(&refused));
    assert_eq!(sees(&starting, 20, powering_on("a")), []);
    let late = Limits::default().start_ms + 11;
    let why = not_started(sees(&starting, late, powering_on("a")));
    assert_eq!(why, "it did not run within 60 s after Nova took the start");
    let in_error = shown("a", "new", VmState::Error, Task::None);
    let why = not_started(sees(&to_start, 20, in_error));
    assert_eq!(why, "it is in 'error' state");
    let mut log = starting.tier(20, refused);
    for _ in 1..Limits::default().attempts {
        log = log.starts(30, "a").tier(
            31,
            TierEntry::StartRefused { server: id("a"), why: "no".into(), again_at: Millis(31) },
        );
    }
    let why = not_started(sees(&log, 40, stopped("a")));
    assert_eq!(why, "no; it was asked 4 times");
}

fn not_started(entries: Vec<TierEntry>) -> String {
    match entries.as_slice() {
        [TierEntry::NotStarted { why, .. }] => why.clone(),
        other => panic!("{other:?}"),
    }
}

/// It arrived while the look was on its way: that it is not there tells nothing.
#[test]
fn who_was_not_looked_at_is_not_gone() {
    let log = four().lands(1, "a");
    let mut seen = Arrived::at(20, &[]);
    assert_eq!(log.sees(21, &seen), [TierEntry::Gone { server: id("a") }]);
    seen.watched.remove(&id("a"));
    assert_eq!(log.sees(21, &seen), []);
}

#[test]
fn a_server_that_arrived_running_is_not_started_and_counts() {
    let log = four().moves(1, "a").moves(1, "b");
    assert_eq!((log.stage("a"), log.stage("b")), (&Stage::Up, &Stage::Checking));
    assert_eq!(log.stage("c"), &Stage::Away);
}

#[test]
fn who_runs_after_its_tier_is_over_is_not_checked() {
    let log = four().lands(1, "b").tier(2, TierEntry::Over { tier: ONE }).runs(3, "b");
    assert_eq!(log.stage("b"), &Stage::Up);
}

#[test]
fn what_does_not_follow_is_illegal() {
    let refused = |log: &Log, entry: TierEntry| log.clone().try_to_say(9, tier(entry)).is_err();
    let servers = || vec![id("a")];
    let away = four();
    assert!(refused(&away, TierEntry::StartIntended { servers: servers() }));
    assert!(refused(&away, TierEntry::Active { servers: servers() }));
    let landed = away.lands(1, "a");
    assert!(refused(&landed, TierEntry::StartTaken { servers: servers() }));
    assert!(refused(&landed, TierEntry::Answers { server: id("a") }));
    assert!(refused(&landed, TierEntry::StartIntended { servers: vec![id("z")] }));
    let up = landed.runs(2, "a");
    assert!(refused(&up, TierEntry::StartIntended { servers: servers() }));
    assert!(refused(&up, TierEntry::NotStarted { server: id("a"), why: "no".into() }));
}

#[test]
fn a_recovery_ends_when_the_last_tier_is_over_and_names_who_does_not_run() {
    let servers = vec![ordered("a", ONE), ordered("b", TWO)];
    let log = Log::planned(&[planned("a"), planned("b")])
        .tier(0, TierEntry::Ordered { servers })
        .lands(1, "a")
        .lands(1, "b")
        .says(2, Entry::Confirmed { on_host: 0 });
    assert!(log.due(&At::without_permit(3)).is_empty(), "two servers wait for their start");
    let log = log.runs(3, "a").tier(3, TierEntry::Over { tier: ONE });
    let why = "it is in 'error' state".to_owned();
    let lost = log.clone().tier(4, TierEntry::NotStarted { server: id("b"), why });
    assert!(lost.due(&At::without_permit(5)).is_empty(), "the tier is not told to be over");
    let lost = lost.tier(5, TierEntry::Over { tier: TWO });
    assert_eq!(lost.due(&At::without_permit(6)), ["note ended failed"]);
    let step = recovery::due::due(
        &lost.state,
        &recovery::due::Limits::default(),
        &Scene {
            now: Millis(6),
            permit: None,
            unproven: None,
            service: None,
            busy: &BTreeSet::new(),
            room: 1,
            look: false,
        },
    );
    let [recovery::due::Step::Note(Entry::Ended { message: Some(message), .. })] = step.as_slice()
    else {
        panic!("{step:?}")
    };
    let told = "1 of 2 servers were evacuated and not started: b: it is in 'error' state";
    assert_eq!(message, told);
    let good = log.runs(4, "b").tier(5, TierEntry::Over { tier: TWO });
    assert_eq!(good.due(&At::without_permit(6)), ["note ended finished"]);
}

#[test]
fn a_server_in_error_is_reset_to_active_where_it_shall_arrive_stopped() {
    let reset = |vm_state, task| tiers::reset_for(&shown("a", "dead", vm_state, task));
    assert_eq!(reset(VmState::Active, Task::None), Reset::NotNeeded);
    assert_eq!(reset(VmState::Error, Task::None), Reset::ToActive);
    assert_eq!(reset(VmState::Active, Task::Other("rebooting".into())), Reset::ToActive);
    // The second attempt too: Nova set it to error when it found no host.
    let log = four()
        .intends(1, Act::Evacuate, "a")
        .says(2, Entry::Refused { act: Act::Evacuate, server: id("a"), why: "no".into() });
    let in_error = shown("a", "dead", VmState::Error, Task::None);
    let seen = crate::words::Seen::whole(3, vec![in_error]);
    assert_eq!(reset_of(&log.looks(4, &seen)), Reset::ToActive);
    let disorder = log.tier(3, TierEntry::Impossible { why: "old".into() });
    assert!(!disorder.state.starts.arrives_stopped(&id("a")));
    assert_eq!(reset_of(&disorder.looks(4, &seen)), Reset::NotNeeded);
}

fn reset_of(entries: &[Entry]) -> Reset {
    match entries {
        [Entry::NotMoved { reset, .. }] => *reset,
        other => panic!("{other:?}"),
    }
}

fn cancelled() -> Entry {
    let (request, by) = ("r1".into(), "bob".into());
    Entry::Hand(recovery::hand::HandEntry::Cancelled { request, by, why: None })
}

fn retried() -> Entry {
    let (request, by) = ("r2".into(), "bob".into());
    Entry::Hand(recovery::hand::HandEntry::Retried { request, by, why: None })
}

#[test]
fn a_cancelled_recovery_starts_nothing_more_and_a_retry_does() {
    let dead = dead();
    let servers = vec![ordered("a", ONE), ordered("b", TWO)];
    let log = Log::planned(&[planned("a"), planned("b")])
        .tier(0, TierEntry::Ordered { servers })
        .lands(1, "a")
        .lands(1, "b")
        .tier(2, TierEntry::Began { tier: ONE })
        .starts(3, "a")
        .says(4, cancelled());
    assert_eq!(log.due_now(5, Some(&dead), None), ["look at the starts"]);
    assert!(log.due(&At::without_permit(5)).is_empty(), "Nova is starting a server");
    let log = log.tier(6, TierEntry::Active { servers: vec![id("a")] });
    let seen = Arrived::at(7, &[active("a"), stopped("b")]);
    assert!(log.due_now(8, Some(&dead), Some(&seen)).is_empty());
    assert_eq!(log.due(&At::without_permit(8)), ["note ended failed"]);
    let why =
        "cancelled by bob; 2 of 2 servers are on new hosts, 1 of them stopped that ran before";
    let (status, message) = (NotificationStatus::Failed, Some(why.into()));
    let log = log.says(9, Entry::Ended { status, message }).says(10, retried());
    assert_eq!(log.due_now(11, Some(&dead), None), ["Tier 1 is over"]);
    let log = log.tier(11, TierEntry::Over { tier: ONE }).tier(11, TierEntry::Began { tier: TWO });
    let seen = Arrived::at(12, &[active("a"), stopped("b")]);
    assert_eq!(log.due_now(13, Some(&dead), Some(&seen)), ["start b on new"]);
    // What could not be started is tried again too.
    let lost = log.tier(14, TierEntry::NotStarted { server: id("b"), why: "no".into() });
    let (status, message) = (NotificationStatus::Failed, None);
    let again = lost.says(15, Entry::Ended { status, message }).says(16, retried());
    assert_eq!(again.stage("b"), &Stage::ToStart { not_before: Millis(16) });
}

/// By the clock of the API, which may be some seconds behind.
#[test]
fn a_guest_is_up_when_its_agent_was_heard_on_its_new_host_since_it_was_started() {
    let check = Some(Check::Of(Inside::GuestAgent));
    let servers = vec![Ordered { check, ..ordered("a", ONE) }];
    let log = Log::planned(&["a"].map(planned))
        .tier(0, TierEntry::Ordered { servers })
        .lands(1, "a")
        .runs(20, "a");
    assert_eq!(log.stage("a"), &Stage::Checking);
    let known = &log.state.starts.servers[&id("a")];
    let (host, started) = (known.host.clone().unwrap(), known.started.unwrap());
    let up = |host: &str, after_ms: i64| {
        let heard = GuestHeard { host: HostName::new(host), at: started.plus(after_ms) };
        tiers::is_up(known, Some(&heard), log.state.began).is_ok()
    };
    let host = host.as_str();
    assert!(up(host, 60_000) && up(host, 0) && up(host, -5_000), "the clocks may differ");
    assert!(!up(host, -5_001), "Nova had it run for a moment, then");
    assert!(!up("dead", 9_000) && !up("other", 9_000));
    let never = tiers::is_up(&log.state.starts.servers[&id("a")], None, None).unwrap_err();
    assert_eq!(
        never,
        format!(
            "its guest agent has not answered: no introspectiveinstancemonitor of host '{host}' has said so"
        )
    );
}

#[test]
fn a_guest_that_somebody_else_started_is_up_by_what_was_heard_since_the_recovery_began() {
    let check = Some(Check::Of(Inside::GuestAgent));
    let servers = vec![Ordered { check, ..ordered("a", ONE) }];
    let moving = Log::planned(&["a"].map(planned))
        .tier(0, TierEntry::Ordered { servers })
        .intends(1, Act::Evacuate, "a")
        .did(1, Act::Evacuate, "a");
    let log = moving.says(1, arrived("a", VmState::Active)).did(1, Act::Settle, "a");
    let known = &log.state.starts.servers[&id("a")];
    assert_eq!((&known.stage, known.started), (&Stage::Checking, None));
    let heard =
        |at_s: i64| GuestHeard { host: known.host.clone().unwrap(), at: Millis(at_s * 1000) };
    let up = |at_s: i64| tiers::is_up(known, Some(&heard(at_s)), Some(Millis(60_000))).is_ok();
    assert!(up(55) && !up(54));
}

/// The messages that tell of tiers.
fn told(log: &Log) -> Vec<String> {
    let tasks = details::details(&log.lines, &host("dead"));
    let messages = tasks.into_iter().flat_map(|task| task.messages).map(|m| m.text);
    messages.filter(|m| m.contains("tier") || m.contains("Tier") || m.contains("Check")).collect()
}

#[test]
fn the_details_tell_whose_turn_it_is_and_whom_it_waits_for() {
    let mut guest = ordered("d", Tier::Last);
    guest.not_checked = rules().of(&says(&[("HA_Check", "udp:53")], &[]), None).not_checked;
    let servers = vec![ordered("a", ONE), checked("b", ONE), ordered("c", TWO), guest];
    let why = "port 5432 refused the connection".to_owned();
    let log = Log::planned(&["a", "b", "c", "d"].map(planned))
        .tier(0, TierEntry::Ordered { servers })
        .lands(1, "a")
        .lands(1, "b")
        .tier(2, TierEntry::Began { tier: ONE })
        .runs(3, "a")
        .runs(3, "b")
        .tier(4, TierEntry::NoAnswer { server: id("b"), why })
        .tier(5, TierEntry::Unanswered { server: id("b") })
        .tier(5, TierEntry::Over { tier: ONE })
        .lands(6, "c")
        .tier(7, TierEntry::NotStarted { server: id("c"), why: "no".into() })
        .tier(8, TierEntry::Over { tier: TWO });
    assert_eq!(
        told(&log),
        [
            "Tier 1, started in order: 'a,b'",
            "Tier 2, started in order: 'c'",
            "Those without a tier, started in order: 'd'",
            "Check of instance 'vm-d': 'udp:53' is not understood: it is no guest, tcp:PORT or \
             http:PORT/PATH; it is up when active",
            "Tier 1: 0 of 2 up, waits for vm-a; vm-b",
            "Tier 1: 1 of 2 up, waits for vm-b",
            "Tier 1: 1 of 2 up, waits for vm-b: port 5432 refused the connection",
            "Tier 1: 1 of 2 up, goes on without vm-b: port 5432 refused the connection",
            "Tier 2: 0 of 1 up, goes on without vm-c: no",
        ]
    );
}

#[test]
fn many_who_are_waited_for_are_not_all_named() {
    let names: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    let moves: Vec<_> = names.iter().map(|n| planned(n)).collect();
    let servers = names.iter().map(|n| ordered(n, ONE)).collect();
    let log = Log::planned(&moves)
        .tier(0, TierEntry::Ordered { servers })
        .tier(1, TierEntry::Began { tier: ONE });
    let last = told(&log).pop().unwrap();
    assert!(last.ends_with("vm-4: it has not arrived; and 4 more"), "{last}");
}

#[test]
fn a_nova_that_cannot_is_told() {
    let why = "Nova is too old".to_owned();
    let log = Log::planned(&[planned("a")]).tier(1, TierEntry::Impossible { why });
    let tasks = details::details(&log.lines, &host("dead"));
    let last = &tasks.last().unwrap().messages.last().unwrap().text;
    let told = "Ordered restart is not possible, instances start as they arrive: Nova is too old";
    assert_eq!(last, told);
    let settled = log.moves(2, "a").says(3, Entry::Confirmed { on_host: 0 });
    assert_eq!(settled.due(&At::without_permit(4)), ["note ended finished"]);
}

/// `a` has arrived; for `b` there is no room, by any way: it is planned again, and waits.
fn b_waits_for_room() -> Log {
    let (why, reset) = ("No valid host was found".to_owned(), Reset::ToActive);
    let waits = CapacityEntry::Waits {
        server: id("b"),
        why: why.clone(),
        since: Millis(20),
        again_at: Millis(15_020),
        until: Millis(600_020),
        reset,
    };
    let failed = Entry::NotMoved { server: id("b"), why, again_at: None, reset };
    let again = Planned { vmove: VMoveId::new("again"), ..planned("b") };
    four()
        .lands(10, "a")
        .intends(10, Act::Evacuate, "b")
        .says(11, failed)
        .did(12, Act::Settle, "b")
        .plans(20, &[again])
        .says(20, Entry::Capacity(waits))
}

#[test]
fn who_waits_for_room_keeps_the_next_tier_waiting_only_so_long() {
    let log = b_waits_for_room().runs(30, "a");
    assert_eq!(log.due_now(30, None, None), ["Tier 1 begins"]);
    let begun = log.tier(30, TierEntry::Began { tier: ONE });
    assert_eq!(begun.due_now(300_029, None, None), [""; 0]);
    assert_eq!(begun.due_now(300_030, None, None), ["Tier 1 is over"]);
}

#[test]
fn a_recovery_rests_when_nobody_is_left_to_start_and_the_others_wait_for_room() {
    let log = b_waits_for_room().lands(21, "c").lands(21, "d");
    assert!(!log.state.rests(), "three are to be started");
    let up = log.tier(30, TierEntry::Active { servers: ["a", "c", "d"].map(id).to_vec() });
    assert!(up.state.rests());
}

#[test]
fn who_is_deleted_while_it_waits_for_room_is_missed_by_no_tier() {
    let deleted = CapacityEntry::Left { server: id("b"), to: None };
    let log = b_waits_for_room().says(40, Entry::Capacity(deleted)).runs(50, "a");
    assert_eq!(log.stage("b"), &Stage::Gone);
    assert_eq!(told(&log).last().unwrap(), "Tier 1: 1 of 2 up");
    assert_eq!(log.due_now(60, None, None), ["Tier 1 is over"]);
}

#[test]
fn the_lines_of_the_log_read_back() {
    let entries = [
        TierEntry::Ordered { servers: vec![checked("a", ONE), ordered("b", Tier::Last)] },
        TierEntry::Over { tier: ONE },
        TierEntry::NotAsked { server: id("a"), until: Millis(SKEW_MS) },
    ];
    for entry in entries.map(Entry::Tier) {
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
    }
    let arrival = Arrival { server: id("a"), host: host("new"), vm_state: VmState::Error };
    let log =
        four().intends(1, Act::Evacuate, "a").says(2, Entry::Arrived { servers: vec![arrival] });
    assert_eq!(log.stage("a"), &Stage::ToStart { not_before: Millis(2) });
    assert_eq!(log.state.status(), NotificationStatus::Running);
}
