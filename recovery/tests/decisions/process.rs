//! After a process of a host failed.

use recovery::{
    HostId, HostName, Millis, NotificationId, ServiceId,
    fold::Fold,
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
    process::{Due, Event, Limits, Report, State, at_first, details, judge},
    seen::ComputeService,
    state::Subject,
};

const NOW: Millis = Millis(1_000_000);

fn at(seconds: i64) -> Millis {
    NOW.plus(seconds * 1000)
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

fn lines(events: &[Event]) -> Vec<Line> {
    let claimed = Entry::Claimed { owner: "e".into(), generation: 1 };
    let entries = [claimed].into_iter().chain(events.iter().cloned().map(Entry::Process));
    (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry }).collect()
}

fn after(events: &[Event]) -> State {
    State::fold(&lines(events)).unwrap()
}

fn reported() -> Event {
    Event::Stopped { process: "nova-compute".into() }
}

fn judged(state: &State, service: Option<&ComputeService>, now: Millis) -> Due {
    judge(state, &Limits::default(), &HostName::new("compute01"), service, now)
}

fn note(event: Event) -> Due {
    Due::Note(vec![Entry::Process(event)])
}

fn end(status: NotificationStatus, message: Option<&str>) -> Due {
    Due::Note(vec![Entry::Ended { status, message: message.map(Into::into) }])
}

#[test]
fn the_words_of_a_report_are_read_in_any_case() {
    assert_eq!(Report::read("started", "libvirtd"), Some(Report::Started));
    let stopped = Report::Stopped { process: "libvirtd".into() };
    assert_eq!(Report::read("STOPPED", "libvirtd"), Some(stopped));
    assert_eq!(Report::read("PAUSED", "libvirtd"), None);
}

#[test]
fn any_process_puts_the_host_on_maintenance_and_only_nova_compute_disables_it() {
    let limits = Limits::default();
    let first = at_first(&after(&[]), "libvirtd", &limits, NOW);
    assert_eq!(first, Some(note(Event::Stopped { process: "libvirtd".into() })));
    let begun = after(&[Event::Stopped { process: "libvirtd".into() }]);
    let skipped =
        end(NotificationStatus::Finished, Some("Skipping recovery for process: libvirtd."));
    assert_eq!(at_first(&begun, "libvirtd", &limits, NOW), Some(skipped));
    assert_eq!(at_first(&after(&[reported()]), "nova-compute", &limits, NOW), None);
}

#[test]
fn the_service_is_disabled_and_confirmed() {
    let enabled = service(true);
    let state = after(&[reported()]);
    assert_eq!(judged(&state, Some(&enabled), NOW), Due::Disable(ServiceId::new("svc")));
    let taken = after(&[reported(), Event::DisableIntended, Event::DisableTaken]);
    assert!(matches!(judged(&taken, Some(&enabled), at(1)), Due::Wait { .. }));
    assert_eq!(judged(&taken, Some(&service(false)), at(1)), note(Event::Confirmed));
    let failed = end(NotificationStatus::Failed, Some("Failed to disable service nova-compute"));
    assert_eq!(judged(&taken, Some(&enabled), at(180)), failed);
    let events = [reported(), Event::DisableIntended, Event::DisableTaken, Event::Confirmed];
    let done = end(NotificationStatus::Finished, None);
    assert_eq!(judged(&after(&events), Some(&service(false)), NOW), done);
}

#[test]
fn one_that_is_disabled_already_is_left_and_one_of_which_nothing_is_known_is_asked_for_again() {
    let state = after(&[reported()]);
    assert_eq!(judged(&state, Some(&service(false)), NOW), note(Event::AlreadyDisabled));
    let asking = after(&[reported(), Event::DisableIntended]);
    assert_eq!(judged(&asking, Some(&service(false)), NOW), note(Event::Confirmed));
    assert_eq!(judged(&asking, Some(&service(true)), NOW), note(Event::NotAsked { until: at(1) }));
    let refused = Event::DisableRefused { why: "no".into(), again_at: NOW };
    let four: Vec<Event> = (0..4).flat_map(|_| [Event::DisableIntended, refused.clone()]).collect();
    let state = after(&[vec![reported()], four].concat());
    let failed = end(NotificationStatus::Failed, Some("Failed to disable service nova-compute"));
    assert_eq!(judged(&state, Some(&service(true)), NOW), failed);
}

#[test]
fn a_host_without_the_service_is_named() {
    let why = Some("Nova has no nova-compute on host 'compute01'");
    assert_eq!(judged(&after(&[reported()]), None, NOW), end(NotificationStatus::Failed, why));
}

#[test]
fn the_host_goes_on_maintenance_with_the_first_line() {
    let subject = Subject {
        notification: NotificationId::new("n1"),
        host_id: HostId::new("h1"),
        host: HostName::new("compute01"),
    };
    assert_eq!(
        after(&[reported()]).summaries(&after(&[]), &[], &subject),
        [
            Summary::OnMaintenanceForProcess(HostId::new("h1")),
            Summary::Status { status: NotificationStatus::Running, message: None },
        ]
    );
}

#[test]
fn the_details_are_those_that_clients_know() {
    let events = [reported(), Event::DisableIntended, Event::DisableTaken, Event::Confirmed];
    let tasks = details(&lines(&events), &HostName::new("compute01"));
    let shown: Vec<_> = tasks
        .iter()
        .flat_map(|t| {
            t.messages.iter().map(|m| (t.name.as_ref(), t.state, m.progress, m.text.as_str()))
        })
        .collect();
    let host = "compute service on host: 'compute01'";
    let is = "compute service is disabled on host: 'compute01'";
    assert_eq!(
        shown,
        [
            ("DisableComputeNodeTask", "SUCCESS", 0.0, format!("Disabling {host}").as_str()),
            ("DisableComputeNodeTask", "SUCCESS", 1.0, format!("Disabled {host}").as_str()),
            ("ConfirmComputeNodeDisabledTask", "SUCCESS", 0.0, format!("Confirming {is}").as_str()),
            ("ConfirmComputeNodeDisabledTask", "SUCCESS", 1.0, format!("Confirmed {is}").as_str()),
        ]
    );
    let skipped = [Event::Stopped { process: "libvirtd".into() }];
    assert!(details(&lines(&skipped), &HostName::new("compute01")).is_empty());
}
