//! The restart of one server: what a look means, and what is due.

use recovery::{
    HostId, HostName, Millis, NotificationId, ServerId, ServiceId,
    fold::Fold,
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
    restart::{Due, Event, Limits, Look, Rules, Stage, State, details, is_failure, judge},
    rules::Owners,
    seen::{ComputeService, Power, Server, Task, VmState},
    state::Subject,
};

const NOW: Millis = Millis(1_000_000);

fn at(seconds: i64) -> Millis {
    NOW.plus(seconds * 1000)
}

fn server(vm_state: VmState, task: Option<&str>) -> Server {
    Server {
        id: ServerId::new("s1"),
        name: "web".into(),
        host: Some(HostName::new("compute01")),
        vm_state,
        task: Task::from_word(task),
        power: Power::Other,
        locked: false,
        metadata: [("HA_Enabled".to_owned(), "True".to_owned())].into(),
        hints: recovery::seen::Hints::default(),
    }
}

fn service(up: bool) -> ComputeService {
    ComputeService {
        id: ServiceId::new("svc"),
        host: HostName::new("compute01"),
        enabled: true,
        disabled_reason: None,
        up,
        forced_down: false,
        heartbeat_at: None,
    }
}

/// What a look shows; everything is well but what a test says.
struct Seen {
    server: Option<Server>,
    service: ComputeService,
    /// Somebody has just written to it.
    heartbeat_is_hidden: bool,
    evacuating: bool,
    host_recovery: bool,
    restarts: u32,
}

impl Seen {
    fn of(vm_state: VmState, task: Option<&str>) -> Self {
        Self {
            server: Some(server(vm_state, task)),
            service: service(true),
            heartbeat_is_hidden: false,
            evacuating: false,
            host_recovery: false,
            restarts: 0,
        }
    }

    fn judged(&self, state: &State, now: Millis) -> Due {
        self.judged_by(&Rules::default(), state, now)
    }

    fn judged_by(&self, rules: &Rules, state: &State, now: Millis) -> Due {
        let (id, host) = (ServerId::new("s1"), HostName::new("compute01"));
        let recovery = NotificationId::new("n9");
        let heard = self.service.heartbeat_at.or(Some(now)).filter(|_| !self.heartbeat_is_hidden);
        let service = ComputeService { heartbeat_at: heard, ..self.service.clone() };
        let look = Look {
            id: &id,
            reported_by: &host,
            began: now,
            server: self.server.as_ref(),
            service: Some(&service),
            evacuating: self.evacuating,
            host_recovery: self.host_recovery.then_some((&host, &recovery)),
            restarts: self.restarts,
            facts: &recovery::rules::Facts::default(),
        };
        judge(state, rules, &Limits::default(), &look, now)
    }
}

fn chosen(vm_state: VmState) -> Event {
    let (server, host) = (ServerId::new("s1"), HostName::new("compute01"));
    Event::Chosen { server, name: "web".into(), host, vm_state }
}

fn lines(events: &[Event]) -> Vec<Line> {
    let claimed = Entry::Claimed { owner: "e".into(), generation: 1 };
    let entries = [claimed].into_iter().chain(events.iter().cloned().map(Entry::Restart));
    (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry }).collect()
}

/// The state after these events, all of them at `NOW`.
fn after(events: &[Event]) -> State {
    State::fold(&lines(events)).unwrap()
}

fn stopping() -> Vec<Event> {
    vec![chosen(VmState::Active), Event::StopIntended { reset: false }, Event::StopTaken]
}

fn stopped() -> Vec<Event> {
    [stopping(), vec![Event::Stopped]].concat()
}

fn starting() -> Vec<Event> {
    [stopped(), vec![Event::StartIntended, Event::StartTaken]].concat()
}

fn noted(due: Due) -> Event {
    match due {
        Due::Note(entries) => match entries.as_slice() {
            [Entry::Restart(event)] => event.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn ended(due: Due) -> (NotificationStatus, String) {
    match due {
        Due::Note(entries) => match entries.as_slice() {
            [Entry::Ended { status, message }] => (*status, message.clone().unwrap_or_default()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn blocked(due: Due) -> String {
    match noted(due) {
        Event::Blocked { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_failures_are_grounds_to_restart() {
    assert!(is_failure("LIFECYCLE", "STOPPED_FAILED"));
    assert!(is_failure("QEMU_GUEST_AGENT_ERROR", "STOPPED_FAILED"));
    assert!(is_failure("IO_ERROR", "IO_ERROR_REPORT"));
    assert!(!is_failure("LIFECYCLE", "STOPPED_DESTROYED"));
    assert!(!is_failure("IO_ERROR", "STOPPED_FAILED"));
    assert!(!is_failure("REBOOT", ""));
}

#[test]
fn a_running_server_is_stopped_started_and_confirmed() {
    let first = Seen::of(VmState::Active, None);
    assert_eq!(noted(first.judged(&after(&[]), NOW)), chosen(VmState::Active));
    let state = after(&[chosen(VmState::Active)]);
    assert_eq!(first.judged(&state, NOW), Due::Stop { reset: false });
    let off = Seen::of(VmState::Stopped, None);
    assert_eq!(noted(off.judged(&after(&stopping()), at(1))), Event::Stopped);
    assert_eq!(off.judged(&after(&stopped()), at(1)), Due::Start);
    assert_eq!(noted(first.judged(&after(&starting()), at(1))), Event::Active);
    let state = after(&[starting(), vec![Event::Active]].concat());
    assert_eq!(ended(first.judged(&state, at(1))), (NotificationStatus::Finished, "".into()));
}

#[test]
fn a_server_that_is_stopped_already_is_only_started() {
    let off = Seen::of(VmState::Stopped, None);
    assert_eq!(noted(off.judged(&after(&[]), NOW)), chosen(VmState::Stopped));
    assert_eq!(off.judged(&after(&[chosen(VmState::Stopped)]), NOW), Due::Start);
}

#[test]
fn a_resized_server_is_reset_before_it_is_stopped() {
    let state = after(&[chosen(VmState::Resized)]);
    assert_eq!(Seen::of(VmState::Resized, None).judged(&state, NOW), Due::Stop { reset: true });
}

#[test]
fn what_is_not_ha_enabled_is_skipped_unless_all_are_wanted() {
    let mut seen = Seen::of(VmState::Active, None);
    seen.server.as_mut().unwrap().metadata.clear();
    let (status, message) = ended(seen.judged(&after(&[]), NOW));
    assert_eq!(status, NotificationStatus::Finished);
    assert_eq!(message, "Skipping recovery for instance: s1 as it is not Ha_Enabled");
    let all = Rules { all: true, ..Rules::default() };
    assert_eq!(noted(seen.judged_by(&all, &after(&[]), NOW)), chosen(VmState::Active));
}

#[test]
fn paused_and_rescued_servers_are_left_as_they_are() {
    for (vm_state, word) in [(VmState::Paused, "paused"), (VmState::Rescued, "rescued")] {
        let (status, message) = ended(Seen::of(vm_state, None).judged(&after(&[]), NOW));
        assert_eq!(status, NotificationStatus::Ignored);
        let text = format!("Recovery of instance 's1' is ignored as it is in '{word}' state.");
        assert_eq!(message, text);
    }
}

#[test]
fn a_server_that_was_deleted_is_named() {
    let mut seen = Seen::of(VmState::Active, None);
    for gone in
        [None, Some(server(VmState::Deleted, None)), Some(server(VmState::SoftDeleted, None))]
    {
        seen.server = gone;
        for state in [after(&[]), after(&stopping()), after(&starting())] {
            let end = ended(seen.judged(&state, at(1)));
            assert_eq!(end, (NotificationStatus::Ignored, "instance 's1' was deleted".into()));
        }
    }
}

#[test]
fn nothing_is_done_while_the_host_is_down_or_being_recovered() {
    let undone = [after(&[]), after(&[chosen(VmState::Active)]), after(&stopped())];
    for (state, vm_state) in undone.iter().zip([VmState::Active, VmState::Active, VmState::Stopped])
    {
        let mut seen = Seen::of(vm_state, None);
        seen.service.up = false;
        assert!(blocked(seen.judged(state, NOW)).contains("'compute01' is down"));
        seen.service.up = true;
        seen.service.forced_down = true;
        assert!(blocked(seen.judged(state, NOW)).contains("'compute01' is down"));
        seen.service.forced_down = false;
        seen.service.heartbeat_at = Some(at(-20));
        assert!(blocked(seen.judged(state, NOW)).contains("not heard"));
        seen.heartbeat_is_hidden = true;
        assert!(blocked(seen.judged(state, NOW)).contains("not heard"), "it may be dead");
        seen.heartbeat_is_hidden = false;
        seen.service.heartbeat_at = Some(at(-5));
        seen.evacuating = true;
        assert_eq!(blocked(seen.judged(state, NOW)), "Nova is evacuating it");
        seen.host_recovery = true;
        assert!(blocked(seen.judged(state, NOW)).contains("by notification n9"));
    }
}

#[test]
fn what_blocks_for_too_long_is_given_up_unless_the_host_is_being_recovered() {
    let why = "nova-compute of its host 'compute01' is down".to_owned();
    let state = after(&[chosen(VmState::Active), Event::Blocked { why }]);
    let mut seen = Seen::of(VmState::Active, None);
    seen.service.up = false;
    assert!(matches!(seen.judged(&state, at(599)), Due::Wait { .. }));
    let (status, message) = ended(seen.judged(&state, at(600)));
    assert_eq!(status, NotificationStatus::Failed);
    assert!(message.contains("is down"), "{message}");
    seen.host_recovery = true;
    assert!(blocked(seen.judged(&state, at(600))).contains("recovered"));
    seen = Seen::of(VmState::Active, None);
    assert_eq!(noted(seen.judged(&state, at(600))), Event::Freed);
}

#[test]
fn the_time_for_which_the_host_was_away_does_not_count() {
    let away = Event::Blocked { why: "away".into() };
    let mut state = after(&[stopping(), vec![away]].concat());
    let busy = Seen::of(VmState::Active, Some("powering-off"));
    let freed =
        Line { seq: state.common.last_seq + 1, at: at(400), entry: Entry::Restart(Event::Freed) };
    state.apply(&freed).unwrap();
    assert!(matches!(busy.judged(&state, at(500)), Due::Wait { .. }));
    let end = ended(busy.judged(&state, at(580)));
    assert_eq!(end, (NotificationStatus::Failed, "Failed to stop instance s1".into()));
}

#[test]
fn a_stop_of_which_nothing_is_known_is_not_asked_for_again_before_it_cannot_land_any_more() {
    let state = after(&[chosen(VmState::Active), Event::StopIntended { reset: false }]);
    let runs = Seen::of(VmState::Active, None);
    assert!(matches!(runs.judged(&state, at(89)), Due::Wait { .. }));
    assert!(matches!(noted(runs.judged(&state, at(90))), Event::NotAsked { .. }));
    let busy = Seen::of(VmState::Active, Some("powering-off"));
    assert_eq!(noted(busy.judged(&state, at(1))), Event::StopTaken);
    assert_eq!(noted(Seen::of(VmState::Stopped, None).judged(&state, at(1))), Event::Stopped);
}

#[test]
fn a_stop_or_start_that_nova_gave_up_is_asked_for_again_later_and_not_for_ever() {
    let runs = Seen::of(VmState::Active, None);
    let again_at = at(6);
    let why = "Nova took the stop and did not do it".into();
    let refused = Event::StopRefused { why, again_at };
    assert_eq!(noted(runs.judged(&after(&stopping()), at(1))), refused);
    let state = after(&[stopping(), vec![refused]].concat());
    assert!(matches!(runs.judged(&state, at(5)), Due::Wait { .. }));
    assert_eq!(runs.judged(&state, at(6)), Due::Stop { reset: false });
    let attempt = |why: &str| {
        let refused = Event::StartRefused { why: why.into(), again_at: NOW };
        vec![Event::StartIntended, Event::StartTaken, refused]
    };
    let four: Vec<Event> = (0..4).flat_map(|_| attempt("no")).collect();
    let state = after(&[stopped(), four].concat());
    let end = ended(Seen::of(VmState::Stopped, None).judged(&state, at(1)));
    assert_eq!(end, (NotificationStatus::Failed, "Failed to start instance s1".into()));
}

#[test]
fn a_server_that_does_not_stop_or_start_in_time_is_named() {
    let busy = Seen::of(VmState::Active, Some("powering-off"));
    assert!(matches!(busy.judged(&after(&stopping()), at(179)), Due::Wait { .. }));
    let end = ended(busy.judged(&after(&stopping()), at(180)));
    assert_eq!(end, (NotificationStatus::Failed, "Failed to stop instance s1".into()));
    let busy = Seen::of(VmState::Stopped, Some("powering-on"));
    assert!(matches!(busy.judged(&after(&starting()), at(59)), Due::Wait { .. }));
    let end = ended(busy.judged(&after(&starting()), at(60)));
    assert_eq!(end, (NotificationStatus::Failed, "Failed to start instance s1".into()));
}

/// Nova may need no more than a fraction of a second: what waits a whole one each time doubles that.
#[test]
fn nova_is_looked_at_after_half_as_long_again_as_it_has_taken_and_once_a_second_at_last() {
    let off = Seen::of(VmState::Active, Some("powering-off"));
    let on = Seen::of(VmState::Stopped, Some("powering-on"));
    for (busy, state) in [(off, after(&stopping())), (on, after(&starting()))] {
        for (taken_ms, wait_ms) in [(10, 100), (400, 200), (1_000, 500), (30_000, 1_000)] {
            let now = NOW.plus(taken_ms);
            let until = now.plus(wait_ms);
            assert_eq!(busy.judged(&state, now), Due::Wait { until }, "{taken_ms}");
        }
    }
}

#[test]
fn only_a_stopped_server_is_started() {
    let end = ended(Seen::of(VmState::Error, None).judged(&after(&stopped()), at(1)));
    let text = "Invalid state for Instance s1. Expected state: 'STOPPED', Actual state: 'error'";
    assert_eq!(end, (NotificationStatus::Failed, text.into()));
}

#[test]
fn what_was_evacuated_meanwhile_is_left_alone_when_it_runs_and_started_when_we_had_stopped_it() {
    let mut there = Seen::of(VmState::Active, None);
    there.server.as_mut().unwrap().host = Some(HostName::new("compute02"));
    for state in [after(&[]), after(&stopping())] {
        let (status, message) = ended(there.judged(&state, at(1)));
        assert_eq!(status, NotificationStatus::Ignored);
        assert!(message.contains("on host 'compute02' now"), "{message}");
    }
    there.server.as_mut().unwrap().vm_state = VmState::Stopped;
    assert_eq!(there.judged(&after(&stopped()), at(1)), Due::Start);
}

/// A report may name another host than the one that has the server, or the server may move while it starts.
#[test]
fn what_we_have_started_elsewhere_is_confirmed_there() {
    let mut there = Seen::of(VmState::Active, None);
    there.server.as_mut().unwrap().host = Some(HostName::new("compute02"));
    assert_eq!(noted(there.judged(&after(&starting()), at(1))), Event::Active);
    let state = after(&[starting(), vec![Event::Active]].concat());
    assert_eq!(ended(there.judged(&state, at(1))), (NotificationStatus::Finished, "".into()));
}

#[test]
fn a_server_that_fails_again_and_again_is_named_and_left() {
    let mut seen = Seen::of(VmState::Active, None);
    seen.restarts = 4;
    assert_eq!(noted(seen.judged(&after(&[]), NOW)), chosen(VmState::Active));
    seen.restarts = 5;
    let (status, message) = ended(seen.judged(&after(&[]), NOW));
    assert_eq!(status, NotificationStatus::Failed);
    assert!(message.contains("'s1' (web) was restarted 5 times within 3600 s"), "{message}");
    let unlimited = Rules { restarts_most: 0, ..Rules::default() };
    assert_eq!(noted(seen.judged_by(&unlimited, &after(&[]), NOW)), chosen(VmState::Active));
}

#[test]
fn a_restart_that_takes_a_day_is_given_up() {
    let (status, message) = ended(Seen::of(VmState::Active, None).judged(&after(&[]), at(86_400)));
    assert_eq!(status, NotificationStatus::Failed);
    assert!(message.starts_with("given up after 86400 s"), "{message}");
}

#[test]
fn events_out_of_order_are_refused() {
    let wrong = [
        vec![Event::StopTaken],
        vec![Event::StartIntended],
        vec![chosen(VmState::Active), Event::StartIntended],
        vec![chosen(VmState::Stopped), Event::StopIntended { reset: false }],
        [stopped(), vec![Event::Stopped]].concat(),
        vec![chosen(VmState::Active), chosen(VmState::Active)],
    ];
    for events in wrong {
        assert!(State::fold(&lines(&events)).is_err(), "{events:?}");
    }
    let mut hosts = lines(&[]);
    hosts.push(Line { seq: 2, at: NOW, entry: Entry::DisableIntended });
    assert!(State::fold(&hosts).is_err(), "a line of a host's recovery");
}

#[test]
fn a_restart_counts_once_and_runs_until_it_has_ended() {
    let subject = Subject {
        notification: NotificationId::new("n1"),
        host_id: HostId::new("h1"),
        host: HostName::new("compute01"),
    };
    let (before, now) = (after(&[]), after(&[chosen(VmState::Active)]));
    assert_eq!(
        now.summaries(&before, &[], &subject),
        [
            Summary::Restarted { server: ServerId::new("s1") },
            Summary::Status { status: NotificationStatus::Running, message: None },
        ]
    );
    assert_eq!(after(&stopping()).summaries(&now, &[], &subject), []);
    assert_eq!(now.stage, Stage::ToStop { not_before: NOW });
}

#[test]
fn the_details_are_those_that_clients_know() {
    let mut log = lines(&[starting(), vec![Event::Active]].concat());
    let end = Entry::Ended { status: NotificationStatus::Finished, message: None };
    log.push(Line { seq: log.len() as u64 + 1, at: NOW, entry: end });
    let tasks = details(&log, &ServerId::new("s1"));
    let shown: Vec<_> = tasks
        .iter()
        .map(|t| {
            let messages: Vec<_> =
                t.messages.iter().map(|m| (m.progress, m.text.as_str())).collect();
            (t.name.as_ref(), t.state, t.progress, messages)
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "StopInstanceTask",
                "SUCCESS",
                1.0,
                vec![(0.0, "Stopping instance: s1"), (1.0, "Stopped instance: 's1'")]
            ),
            (
                "StartInstanceTask",
                "SUCCESS",
                1.0,
                vec![(0.0, "Starting instance: 's1'"), (1.0, "Instance started: 's1'")]
            ),
            (
                "ConfirmInstanceActiveTask",
                "SUCCESS",
                1.0,
                vec![
                    (0.0, "Confirming instance 's1' vm_state is ACTIVE"),
                    (1.0, "Confirmed instance 's1' vm_state is ACTIVE")
                ]
            ),
        ]
    );
}

#[test]
fn what_an_owners_rule_leaves_alone_is_not_restarted_and_what_it_wants_is() {
    let rules = |rule: &str| {
        let rules = vec![recovery::rules::read(rule).unwrap()];
        Rules { owners: Owners { rules, ..Owners::default() }, ..Rules::default() }
    };
    let fresh = after(&[]);
    let seen = Seen::of(VmState::Active, None);
    for action in ["skip", "tell"] {
        let rules = rules(&format!("db {action} name=we?"));
        let (status, message) = ended(seen.judged_by(&rules, &fresh, NOW));
        assert_eq!(status, NotificationStatus::Ignored);
        let said = "instance 's1' is left alone by rule db: name=we?";
        assert_eq!(message, said);
    }
    let mut unmarked = Seen::of(VmState::Active, None);
    unmarked.server.as_mut().unwrap().metadata.clear();
    let wanted = unmarked.judged_by(&rules("db evacuate name=web"), &fresh, NOW);
    assert_eq!(noted(wanted), chosen(VmState::Active));
    // What has begun is brought to its end.
    let off = Seen::of(VmState::Stopped, None);
    let begun = off.judged_by(&rules("db skip name=web"), &after(&stopped()), NOW);
    assert_eq!(begun, Due::Start);
}
