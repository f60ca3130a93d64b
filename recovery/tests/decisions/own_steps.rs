//! The operator's own steps: what their lists mean, when each is due, and what is left out.

use crate::words::{At, Log, permitted_by, planned, proven};
use recovery::{
    HostName, Millis, ServerId, ServiceId, details,
    evidence::Kind,
    fold::Fold,
    log::{Entry, Line},
    nouns::NotificationStatus,
    process, restart,
    seen::{ComputeService, VmState},
    steps::{
        CONFIRM_ACTIVE, CONFIRM_DISABLED, DISABLE_NODE, DISABLE_SERVICE, EVACUATE, Failure, Flow,
        Mistake, PREPARE, Place, START, STOP, StepEntry, Then,
    },
};

fn flow(failure: Failure, names: &[&str]) -> Flow {
    failure.flow(names.iter().copied(), |name| name.starts_with("my_")).unwrap()
}

fn wants(flow: Flow) -> Entry {
    Entry::Step(StepEntry::Flow { flow })
}

fn begun(step: &str, attempt: u32) -> Entry {
    Entry::Step(StepEntry::Begun { step: step.into(), attempt })
}

fn done(step: &str) -> Entry {
    Entry::Step(StepEntry::Succeeded { step: step.into(), said: "yes".into() })
}

fn failed(step: &str, then: Then) -> Entry {
    Entry::Step(StepEntry::Failed { step: step.into(), why: "no".into(), then })
}

/// A host's recovery with these tasks, proven.
fn host(names: &[&str]) -> Log {
    Log::default()
        .says(0, Entry::Claimed { owner: "engine".into(), generation: 1 })
        .says(0, wants(flow(Failure::Host, names)))
        .says(0, proven())
}

fn through(log: Log, step: &str) -> Log {
    log.says(1, begun(step, 1)).says(1, done(step))
}

const AROUND: [&str; 7] =
    ["my_fence", DISABLE_SERVICE, "my_note", PREPARE, "my_check", EVACUATE, "my_report"];

fn due(log: &Log) -> Vec<String> {
    let permit = permitted_by(Kind::MonitorSaid);
    log.due(&At { room: 9, ..At::with(&permit, 5) })
}

#[test]
fn a_step_stands_after_the_task_that_it_follows_in_the_list() {
    let places = |failure, names: &[&str]| {
        flow(failure, names).steps.into_iter().map(|listed| listed.place).collect::<Vec<_>>()
    };
    use Place::{End, First, Second, Third};
    assert_eq!(places(Failure::Host, &AROUND), [First, Second, Third, End]);
    let server = ["my_a", STOP, "my_b", START, "my_c", CONFIRM_ACTIVE, "my_d"];
    assert_eq!(places(Failure::Server, &server), [First, Second, Third, End]);
    let process = ["my_a", DISABLE_NODE, "my_b", CONFIRM_DISABLED, "my_c", "my_d"];
    assert_eq!(places(Failure::Process, &process), [First, Second, End, End]);
    assert_eq!(places(Failure::Server, &[STOP, "my_start", CONFIRM_ACTIVE]), [Second]);
    assert!(flow(Failure::Host, &[DISABLE_SERVICE, PREPARE, EVACUATE]).is_usual());
}

#[test]
fn a_list_that_cannot_be_done_is_refused() {
    let wrong = |failure: Failure, names: &[&str]| {
        failure.flow(names.iter().copied(), |name| name.starts_with("my_")).unwrap_err()
    };
    let host = |names: &[&str]| wrong(Failure::Host, names);
    assert_eq!(host(&["x"]), Mistake::Unknown { name: "x".into() });
    assert_eq!(host(&[STOP]), Mistake::Unknown { name: STOP.into() });
    assert_eq!(host(&["my_a", "my_a"]), Mistake::Twice { name: "my_a".into() });
    let order = Mistake::Order { name: DISABLE_SERVICE.into(), later: EVACUATE.into() };
    assert_eq!(host(&[PREPARE, EVACUATE, DISABLE_SERVICE]), order);
    assert_eq!(host(&[EVACUATE]), Mistake::Needs { name: EVACUATE.into(), needs: PREPARE });
}

#[test]
fn nothing_is_run_before_the_host_is_proven_dead() {
    assert_eq!(host(&AROUND).due(&At::without_permit(0)), ["look at the host"]);
}

#[test]
fn each_step_is_run_at_its_place_and_what_follows_waits_for_it() {
    let log = host(&AROUND);
    assert_eq!(due(&log), ["run my_fence, attempt 1"]);
    let log = through(log, "my_fence");
    assert_eq!(due(&log), ["disable"], "nothing is planned before the step in front of it");
    let log = log.says(2, Entry::DisableIntended).says(2, Entry::Disabled);
    assert_eq!(due(&log), ["run my_note, attempt 1"]);
    let log = through(log, "my_note");
    assert_eq!(due(&log), ["plan"]);
    let log = log.plans(3, &[planned("a")]);
    assert_eq!(due(&log), ["run my_check, attempt 1"]);
    let log = through(log, "my_check");
    assert_eq!(due(&log), ["evacuate a"]);
    let log = log.moves(4, "a").says(5, Entry::Confirmed { on_host: 0 });
    assert_eq!(log.due(&At::without_permit(5)), ["run my_report, attempt 1"]);
    assert_eq!(due(&through(log, "my_report")), ["note ended finished"]);
}

#[test]
fn with_proof_nova_is_blinded_before_the_first_step() {
    let proof = permitted_by(Kind::PoweredOff);
    let log = host(&AROUND);
    assert_eq!(log.due(&At::with(&proof, 0)), ["force down"]);
    let forced = log.says(0, Entry::ForcedDown);
    assert_eq!(forced.due(&At::with(&proof, 0)), ["run my_fence, attempt 1"]);
}

#[test]
fn a_step_of_which_nobody_knows_the_end_is_run_again_as_the_same_attempt() {
    let log = host(&AROUND).says(1, begun("my_fence", 1));
    assert_eq!(due(&log), ["run my_fence, attempt 1"]);
    let mut often = log;
    for _ in 0..9 {
        often = often.says(1, begun("my_fence", 1));
    }
    assert_eq!(due(&often), ["note step"], "it is begun for ever");
}

#[test]
fn a_step_that_failed_is_run_again_later_as_the_next_attempt() {
    let again = Then::Again { at: Millis(900) };
    let log = host(&AROUND).says(1, begun("my_fence", 1)).says(1, failed("my_fence", again));
    assert!(due(&log).is_empty());
    assert_eq!(recovery::due::wake_at(&log.state, &Default::default()), Some(Millis(900)));
    let permit = permitted_by(Kind::MonitorSaid);
    assert_eq!(log.due(&At::with(&permit, 900)), ["run my_fence, attempt 2"]);
}

#[test]
fn a_failure_that_counts_ends_the_recovery_and_one_that_does_not_is_passed() {
    let log = host(&AROUND).says(1, begun("my_fence", 1));
    let on = log.clone().says(1, failed("my_fence", Then::GoesOn));
    assert_eq!(due(&on), ["disable"]);
    let over = log.says(1, failed("my_fence", Then::Ends));
    assert_eq!(due(&over), ["note ended failed"]);
}

#[test]
fn after_a_failure_nothing_is_evacuated_and_what_is_on_its_way_is_followed() {
    let log = host(&[PREPARE, "my_check", EVACUATE]);
    let mut moving = planned("b");
    moving.under_way = true;
    let log = log.plans(3, &[planned("a"), moving]).says(4, begun("my_check", 1));
    let log = log.says(4, failed("my_check", Then::Ends));
    assert_eq!(due(&log), ["look at the servers", "note not moved a, no more"]);
}

#[test]
fn when_nothing_is_to_be_moved_the_steps_behind_the_plan_are_not_run() {
    let log = through(through(host(&AROUND), "my_fence").says(1, Entry::Disabled), "my_note");
    let log = log.plans(3, &[]).says(4, Entry::Confirmed { on_host: 0 });
    assert_eq!(due(&log), ["note ended finished"]);
}

#[test]
fn what_the_operator_leaves_out_is_left_out() {
    let log = host(&[PREPARE, EVACUATE]);
    assert_eq!(due(&log), ["plan"]);
    assert_eq!(due(&log.plans(1, &[planned("a")])), ["evacuate a"]);
    let mine = host(&[DISABLE_SERVICE, PREPARE, "my_move"]).says(1, Entry::Disabled);
    let mine = mine.plans(2, &[]);
    assert_eq!(mine.due(&At::without_permit(3)), ["look at the host"], "it needs a dead host");
    assert_eq!(due(&mine), ["run my_move, attempt 1"]);
    assert_eq!(due(&through(mine, "my_move")), ["confirm"]);
}

/// Without one that was written there are no illegal lines to fold.
#[test]
fn a_log_in_which_a_step_ends_that_did_not_begin_is_illegal() {
    let mut log = host(&AROUND);
    for entry in [done("my_fence"), failed("my_note", Then::GoesOn), begun("my_other", 1)] {
        assert!(log.try_to_say(1, entry).is_err());
    }
    let mut over = through(log, "my_fence");
    assert!(over.try_to_say(1, begun("my_fence", 1)).is_err());
}

#[test]
fn clients_see_each_step_at_its_place() {
    let log =
        through(host(&AROUND), "my_fence").says(2, Entry::Disabled).says(2, begun("my_note", 1));
    let shown = |log: &Log| {
        let tasks = details::details(&log.lines, &HostName::new("compute01")).into_iter();
        tasks.map(|t| format!("{} {} {:.1}", t.name, t.state, t.progress)).collect::<Vec<_>>()
    };
    let first = ["my_fence SUCCESS 1.0", "DisableComputeServiceTask SUCCESS 1.0"];
    assert_eq!(shown(&log), [first[0], first[1], "my_note RUNNING 0.0"]);
    let log = log.says(3, failed("my_note", Then::Ends));
    let message = Some("step 'my_note' failed: no".into());
    let log = log.says(4, Entry::Ended { status: NotificationStatus::Failed, message });
    assert_eq!(shown(&log), [first[0], first[1], "my_note FAILURE 0.0"]);
}

fn service(enabled: bool) -> ComputeService {
    ComputeService {
        id: ServiceId::new("svc"),
        host: HostName::new("compute01"),
        enabled,
        disabled_reason: None,
        up: true,
        forced_down: false,
        heartbeat_at: None,
    }
}

fn of_process(names: &[&str], events: &[process::Event]) -> process::State {
    let first = [
        Entry::Claimed { owner: "e".into(), generation: 1 },
        wants(flow(Failure::Process, names)),
        Entry::Process(process::Event::Stopped { process: "nova-compute".into() }),
    ];
    let entries = first.into_iter().chain(events.iter().cloned().map(Entry::Process));
    let lines: Vec<Line> =
        (1..).zip(entries).map(|(seq, entry)| Line { seq, at: Millis(0), entry }).collect();
    process::State::fold(&lines).unwrap()
}

fn process_due(state: &process::State, enabled: bool, now: i64) -> process::Due {
    let host = HostName::new("compute01");
    let service = service(enabled);
    process::judge(state, &process::Limits::default(), &host, Some(&service), Millis(now))
}

fn ended(status: NotificationStatus) -> process::Due {
    process::Due::Note(vec![Entry::Ended { status, message: None }])
}

#[test]
fn a_service_that_others_shall_disable_is_waited_for() {
    let state = of_process(&[CONFIRM_DISABLED], &[]);
    assert_eq!(process_due(&state, true, 5), process::Due::Wait { until: Millis(1_005) });
    let process::Due::Note(seen) = process_due(&state, false, 5) else {
        panic!("nothing is noted")
    };
    assert_eq!(seen, [Entry::Process(process::Event::AlreadyDisabled)]);
    let process::Due::Note(end) = process_due(&state, true, 180_000) else { panic!("no end") };
    assert!(matches!(end[..], [Entry::Ended { status: NotificationStatus::Failed, .. }]));
    assert_eq!(process_due(&of_process(&[], &[]), true, 5), ended(NotificationStatus::Finished));
}

#[test]
fn a_service_need_not_be_confirmed() {
    use process::Event::{DisableIntended, DisableTaken};
    let state = of_process(&[DISABLE_NODE], &[DisableIntended, DisableTaken]);
    assert_eq!(process_due(&state, true, 5), ended(NotificationStatus::Finished));
}

/// A server that failed and stands so, with these events.
fn of_server(names: &[&str], events: &[restart::Event]) -> restart::State {
    let first = [
        Entry::Claimed { owner: "e".into(), generation: 1 },
        wants(flow(Failure::Server, names)),
        Entry::Restart(restart::Event::Chosen {
            server: ServerId::new("s1"),
            name: "s1".into(),
            host: HostName::new("compute01"),
            vm_state: VmState::Active,
        }),
    ];
    let entries = first.into_iter().chain(events.iter().cloned().map(Entry::Restart));
    let lines: Vec<Line> =
        (1..).zip(entries).map(|(seq, entry)| Line { seq, at: Millis(0), entry }).collect();
    restart::State::fold(&lines).unwrap()
}

fn server_due(state: &restart::State, vm_state: VmState, now: i64) -> restart::Due {
    let server = crate::words::shown("s1", "compute01", vm_state, recovery::seen::Task::None);
    let host = HostName::new("compute01");
    let up = ComputeService { heartbeat_at: Some(Millis(now)), ..service(true) };
    let look = restart::Look {
        id: &server.id,
        reported_by: &host,
        began: Millis(now),
        server: Some(&server),
        service: Some(&up),
        evacuating: false,
        host_recovery: None,
        restarts: 0,
        facts: &recovery::rules::Facts::default(),
    };
    let rules = restart::Rules { all: true, ..Default::default() };
    restart::judge(state, &rules, &restart::Limits::default(), &look, Millis(now))
}

fn ends(due: restart::Due) -> (NotificationStatus, String) {
    let restart::Due::Note(entries) = due else { panic!("{due:?}") };
    let [Entry::Ended { status, message }] = entries.as_slice() else { panic!("{entries:?}") };
    (*status, message.clone().unwrap_or_default())
}

#[test]
fn what_is_left_out_of_a_restart_is_left_to_others() {
    use restart::Event::{StartIntended, StartTaken, Stopped};
    let unstopped = of_server(&[START, CONFIRM_ACTIVE], &[]);
    let (status, why) = ends(server_due(&unstopped, VmState::Active, 5));
    assert_eq!(status, NotificationStatus::Failed);
    assert!(why.starts_with("Invalid state for Instance s1. Expected state: 'STOPPED'"), "{why}");
    let unstarted = of_server(&[STOP, CONFIRM_ACTIVE], &[Stopped]);
    let soon = restart::Due::Wait { until: Millis(1_005) };
    assert_eq!(server_due(&unstarted, VmState::Stopped, 5), soon);
    let late = server_due(&unstarted, VmState::Stopped, 60_000);
    assert_eq!(ends(late), (NotificationStatus::Failed, "Failed to start instance s1".into()));
    let stopped = of_server(&[STOP], &[Stopped]);
    let end = server_due(&stopped, VmState::Stopped, 5);
    assert_eq!(ends(end), (NotificationStatus::Finished, String::new()));
    let unconfirmed = of_server(&[STOP, START], &[Stopped, StartIntended, StartTaken]);
    let end = server_due(&unconfirmed, VmState::Stopped, 5);
    assert_eq!(ends(end), (NotificationStatus::Finished, String::new()));
}

#[test]
fn the_steps_of_a_restart_are_run_at_their_places() {
    use restart::Event::{Active, StartIntended, StartTaken, Stopped};
    let names = ["my_a", STOP, "my_b", START, "my_c", CONFIRM_ACTIVE, "my_d"];
    let runs = |state: &restart::State, vm_state| match server_due(state, vm_state, 5) {
        restart::Due::RunStep(run) => run.step,
        other => format!("{other:?}"),
    };
    assert_eq!(runs(&of_server(&names, &[]), VmState::Active), "my_a");
    let without_a = &names[1..];
    let stopped = of_server(without_a, &[Stopped]);
    assert_eq!(runs(&stopped, VmState::Stopped), "my_b");
    let without_b = [STOP, START, "my_c", CONFIRM_ACTIVE, "my_d"];
    let started = of_server(&without_b, &[Stopped, StartIntended, StartTaken]);
    assert_eq!(runs(&started, VmState::Active), "my_c");
    let without_c = [STOP, START, CONFIRM_ACTIVE, "my_d"];
    let active = of_server(&without_c, &[Stopped, StartIntended, Active]);
    assert_eq!(runs(&active, VmState::Active), "my_d");
}
