//! A host that is switched off and on to see whether its fence devices work.

use recovery::{
    HostId, HostName, Millis, NotificationId, ServiceId,
    drill::{Due, Event, FAILED, Look, PASSED, Rescue, Row, State, judge, withheld},
    fold::Fold,
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
    seen::ComputeService,
    state::Subject,
    stops::{Kind, Stop},
};

const NOW: Millis = Millis(10_000_000_000);

fn begun() -> Event {
    Event::Begun { by: "ann".into(), why: None }
}

fn announced() -> Event {
    Event::Announced { until: NOW.plus(1_800_000) }
}

fn off() -> Event {
    Event::Off { path: vec!["bmc: off".into()], took_ms: 18_400 }
}

fn not_off() -> Event {
    Event::NotOff { why: "nobody did".into(), path: vec!["bmc: silent".into()], took_ms: 1_000 }
}

fn on() -> Event {
    Event::On { path: vec!["bmc: on".into()], took_ms: 2_100 }
}

fn not_on() -> Event {
    Event::NotOn { path: vec!["bmc: silent".into()], again_at: NOW }
}

fn taken_over() -> Event {
    Event::TakenOver { engine: "two".into() }
}

const SWITCHING: Event = Event::OffIntended;

fn after(events: &[Event]) -> State {
    let entries = events.iter().cloned().map(Entry::Drill);
    let lines: Vec<Line> =
        (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry }).collect();
    State::fold(&lines).unwrap()
}

struct Seen {
    row: Option<Row>,
    recovery: Option<Rescue>,
    stop: Option<Stop>,
    service: Option<ComputeService>,
    servers: usize,
    coming: usize,
    disarmed: Option<&'static str>,
    no_ladder: Option<&'static str>,
    late_ms: i64,
}

/// A reserved host that runs and on which nothing does.
fn well() -> Seen {
    Seen {
        row: Some(Row { reserved: true, on_maintenance: false }),
        recovery: None,
        stop: None,
        service: Some(ComputeService {
            id: ServiceId::new("svc"),
            host: HostName::new("compute09"),
            enabled: false,
            disabled_reason: None,
            up: true,
            forced_down: false,
            heartbeat_at: Some(NOW),
        }),
        servers: 0,
        coming: 0,
        disarmed: None,
        no_ladder: None,
        late_ms: 0,
    }
}

fn look<T>(seen: &Seen, ask: impl FnOnce(&Look<'_>) -> T) -> T {
    let (host, recovery) = (HostName::new("compute09"), NotificationId::new("n1"));
    ask(&Look {
        host: &host,
        row: seen.row,
        recovery: seen.recovery.map(|how| (&recovery, how)),
        stop: seen.stop.as_ref(),
        service: seen.service.as_ref(),
        servers: seen.servers,
        coming: seen.coming,
        disarmed: seen.disarmed,
        no_ladder: seen.no_ladder,
        now: NOW.plus(seen.late_ms),
    })
}

fn due(state: &State, seen: &Seen) -> Due {
    look(seen, |look| judge(state, look))
}

fn service(change: impl FnOnce(&mut ComputeService)) -> Option<ComputeService> {
    let mut service = well().service.unwrap();
    change(&mut service);
    Some(service)
}

/// Each by the words that tell it.
fn unfit() -> Vec<(Seen, &'static str)> {
    let stop = Stop {
        id: "s1".into(),
        host: HostName::new("compute09"),
        kind: Kind::Maintenance,
        by: "bob".into(),
        why: None,
        at: NOW,
        until: NOW.plus(60_000),
    };
    vec![
        (Seen { row: None, ..well() }, "deleted from its segment"),
        (
            Seen { row: Some(Row { reserved: false, on_maintenance: false }), ..well() },
            "neither reserved nor on maintenance",
        ),
        (Seen { recovery: Some(Rescue::Waits), ..well() }, "its recovery n1 has not ended"),
        (Seen { recovery: Some(Rescue::Begun), ..well() }, "its recovery n1 has not ended"),
        (Seen { stop: Some(stop), ..well() }, "(maintenance by bob)"),
        (Seen { service: None, ..well() }, "no compute service"),
        (
            Seen { service: service(|s| s.enabled = true), ..well() },
            "its compute service is enabled",
        ),
        (Seen { servers: 1, ..well() }, "servers that Nova shows on it: 1"),
        (Seen { coming: 2, ..well() }, "servers that Nova is moving to it: 2"),
        (Seen { disarmed: Some("disarmed by bob"), ..well() }, "disarmed by bob"),
        (Seen { no_ladder: Some("no BMC"), ..well() }, "no BMC"),
    ]
}

fn silent() -> Vec<(Seen, &'static str)> {
    [service(|s| s.up = false), service(|s| s.forced_down = true)]
        .into_iter()
        .map(|service| (Seen { service, ..well() }, "Nova does not hear it"))
        .collect()
}

#[test]
fn only_a_host_on_which_nothing_runs_and_that_runs_itself_is_tested() {
    assert_eq!(due(&State::default(), &well()), Due::Begin);
    let on_maintenance = Some(Row { reserved: false, on_maintenance: true });
    assert_eq!(due(&State::default(), &Seen { row: on_maintenance, ..well() }), Due::Begin);
    for (seen, words) in unfit().into_iter().chain(silent()) {
        match due(&State::default(), &seen) {
            Due::Refuse(why) => {
                assert!(why.starts_with("it is not switched off: "), "{why}");
                assert!(why.contains(words), "{words}: {why}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn a_host_that_is_not_fit_any_more_is_not_switched_off() {
    let late = |seen| Seen { late_ms: 15_000, ..seen };
    for stage in [vec![begun()], vec![begun(), announced()]] {
        for (seen, words) in unfit().into_iter().chain(silent()) {
            match due(&after(&stage), &late(seen)) {
                Due::Note(Entry::Drill(Event::Unfit { why })) => {
                    assert!(why.contains(words), "{words}: {why}")
                }
                other => panic!("{words}: {other:?}"),
            }
        }
    }
    // While it is being switched off it falls silent; all else still counts.
    for (seen, words) in unfit() {
        assert!(look(&seen, withheld).is_some(), "{words}");
    }
    for (seen, _) in silent() {
        assert_eq!(look(&seen, withheld), None);
    }
}

#[test]
fn it_is_announced_and_looked_at_again_before_it_is_switched_off() {
    assert_eq!(due(&after(&[begun()]), &well()), Due::Announce);
    let state = after(&[begun(), announced()]);
    let soon = Seen { late_ms: 14_999, ..well() };
    assert_eq!(due(&state, &soon), Due::Wait { until: NOW.plus(15_000) });
    assert_eq!(due(&state, &Seen { late_ms: 15_000, ..well() }), Due::SwitchOff);
}

/// The end, and what it says.
fn end(events: &[Event]) -> (NotificationStatus, String) {
    match due(&after(events), &well()) {
        Due::Note(Entry::Ended { status, message }) => (status, message.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_host_that_went_off_and_on_has_passed_and_each_rung_is_told() {
    let all = [begun(), announced(), SWITCHING, off(), Event::OnIntended, on()];
    assert_eq!(due(&after(&all[..4]), &well()), Due::SwitchOn);
    let (status, said) = end(&all);
    assert_eq!(status, NotificationStatus::Finished);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..5],
        [
            &format!("{PASSED}host compute09 was switched off and has its power back")[..],
            "off 1. bmc: off",
            "off after 18.4 s",
            "on 1. bmc: on",
            "on after 2.1 s",
        ]
    );
    assert!(lines[5].starts_with("until "), "{said}");
}

/// An order that nobody has seen arrive may arrive yet.
#[test]
fn whatever_came_of_switching_it_off_it_is_switched_on_a_while_later() {
    let state = after(&[begun(), announced(), SWITCHING, not_off()]);
    assert_eq!(due(&state, &well()), Due::Wait { until: NOW.plus(30_000) });
    assert_eq!(due(&state, &Seen { late_ms: 30_000, ..well() }), Due::SwitchOn);
    let (status, said) = end(&[begun(), announced(), SWITCHING, not_off(), on()]);
    assert_eq!(status, NotificationStatus::Failed);
    assert!(said.starts_with(&format!("{FAILED}nobody did\noff 1. bmc: silent\n")), "{said}");
}

#[test]
fn who_takes_over_while_it_is_switched_off_switches_it_on_and_says_so() {
    let state = after(&[begun(), announced(), SWITCHING, taken_over()]);
    assert_eq!(due(&state, &well()), Due::Wait { until: NOW.plus(30_000) });
    assert_eq!(due(&state, &Seen { late_ms: 30_000, ..well() }), Due::SwitchOn);
    let (status, said) = end(&[begun(), announced(), SWITCHING, taken_over(), on()]);
    assert_eq!(status, NotificationStatus::Failed);
    assert!(said.contains("stopped in the middle") && said.contains("two went on"), "{said}");
    // What had been proven by then holds.
    let off_before = [begun(), announced(), SWITCHING, off(), taken_over()];
    assert_eq!(due(&after(&off_before), &well()), Due::Wait { until: NOW.plus(30_000) });
    assert!(end(&[&off_before[..], &[on()]].concat()).1.starts_with(PASSED));
    // Nothing was done yet.
    assert_eq!(due(&after(&[begun(), taken_over()]), &well()), Due::Announce);
}

#[test]
fn it_is_tried_five_times_to_give_it_its_power_back_later_each_time() {
    let mut events = vec![begun(), announced(), SWITCHING, off()];
    for n in 0..4 {
        let state = after(&events);
        assert_eq!(due(&state, &well()), Due::SwitchOn);
        assert_eq!(state.again_at(NOW), NOW.plus(10_000 << n));
        events.push(not_on());
    }
    events.push(not_on());
    let (_, said) = end(&events);
    let left = format!("{FAILED}the host is OFF: no device could give it its power back\n");
    assert!(said.starts_with(&left), "{said}");
    assert!(said.contains("\non 1. bmc: silent"), "{said}");
    let unknown = [&[begun(), announced(), SWITCHING, not_off()][..], &vec![not_on(); 5]].concat();
    assert!(end(&unknown).1.contains("; the host may be OFF: no device"), "it may be on");
    let waits = Event::NotOn { path: Vec::new(), again_at: NOW.plus(10_000) };
    let state = after(&[begun(), announced(), SWITCHING, off(), waits]);
    assert_eq!(due(&state, &well()), Due::Wait { until: NOW.plus(10_000) });
}

#[test]
fn a_recovery_that_has_begun_keeps_it_off_and_one_that_waits_does_not() {
    let state = after(&[begun(), announced(), SWITCHING, off()]);
    let waits = Seen { recovery: Some(Rescue::Waits), ..well() };
    assert_eq!(due(&state, &waits), Due::SwitchOn);
    let Due::Note(Entry::Drill(left)) =
        due(&state, &Seen { recovery: Some(Rescue::Begun), ..well() })
    else {
        panic!("it was switched on under a recovery")
    };
    let (_, said) = end(&[begun(), announced(), SWITCHING, off(), left]);
    assert!(
        said.starts_with(&format!("{FAILED}the host is OFF: its recovery n1 has begun")),
        "{said}"
    );
}

#[test]
fn a_test_that_came_to_nothing_says_why() {
    let (_, said) = end(&[begun(), Event::Unfit { why: "it has servers".into() }]);
    assert_eq!(said, format!("{FAILED}it has servers"));
}

#[test]
fn its_end_answers_the_request() {
    let ended = Entry::Ended { status: NotificationStatus::Failed, message: Some("so".into()) };
    let subject = Subject {
        notification: NotificationId::new("r1"),
        host_id: HostId::new("h1"),
        host: HostName::new("compute09"),
    };
    let lines = [Line { seq: 2, at: NOW, entry: ended }];
    let state = after(&[begun()]);
    let answered = Summary::Answered { request: "r1".into(), answer: "so".into() };
    assert_eq!(state.summaries(&state, &lines, &subject), [answered]);
}

#[test]
fn lines_that_do_not_follow_are_refused() {
    for events in [
        vec![announced()],
        vec![begun(), begun()],
        vec![begun(), SWITCHING],
        vec![begun(), announced(), off()],
        vec![begun(), announced(), on()],
        vec![begun(), announced(), SWITCHING, SWITCHING],
        vec![begun(), announced(), SWITCHING, off(), off()],
    ] {
        let entries = events.iter().cloned().map(Entry::Drill);
        let lines: Vec<Line> =
            (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry }).collect();
        assert!(State::fold(&lines).is_err(), "{events:?}");
    }
}
