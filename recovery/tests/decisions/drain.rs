//! A drain: what is asked of Nova, in which order, and what becomes of what nobody knows.

use crate::words::{host, id, shown};
use recovery::{
    Millis, ServerId, ServiceId,
    drain::{AT_ONCE, Due, End, Event, LINGER_MS, Look, State, Told, Way, judge},
    fold::Fold,
    log::{Entry, Line},
    seen::{ComputeService, Server, Task, VmState},
    state::Once,
};
use std::collections::{BTreeMap, BTreeSet};

const NOW: Millis = Millis(1_000_000);

fn folded(events: &[Event]) -> State {
    let lines = (1..).zip(events).map(|(seq, event)| Line {
        seq,
        at: NOW,
        entry: Entry::Drain(event.clone()),
    });
    State::fold(&lines.collect::<Vec<_>>()).unwrap()
}

/// The host is out of service, and these happened.
fn after(events: &[Event]) -> State {
    let first = [Event::Began { host: host("one") }, Event::DisableIntended, Event::Disabled];
    folded(&[&first, events].concat())
}

fn service() -> ComputeService {
    ComputeService {
        id: ServiceId::new("service"),
        host: host("one"),
        up: true,
        forced_down: false,
        enabled: false,
        disabled_reason: None,
        heartbeat_at: Some(NOW),
    }
}

fn server(name: &str, state: VmState) -> Server {
    shown(name, "one", state, Task::None)
}

fn moving(name: &str) -> Server {
    shown(name, "one", VmState::Active, Task::Other("migrating".into()))
}

struct Scene {
    service: Option<ComputeService>,
    servers: Vec<Server>,
    elsewhere: BTreeMap<ServerId, Option<Server>>,
    coming: usize,
    lost: bool,
    confirming: BTreeSet<ServerId>,
    cold: bool,
    later_ms: i64,
}

fn scene(servers: Vec<Server>) -> Scene {
    let (service, elsewhere) = (Some(service()), BTreeMap::new());
    let confirming = BTreeSet::new();
    Scene {
        service,
        servers,
        elsewhere,
        coming: 0,
        lost: false,
        confirming,
        cold: false,
        later_ms: 0,
    }
}

fn due(state: &State, scene: &Scene) -> Due {
    let Scene { service, servers, elsewhere, coming, lost, confirming, cold, later_ms } = scene;
    let (service, now) = (service.as_ref(), NOW.plus(*later_ms));
    let (coming, lost, cold) = (*coming, *lost, *cold);
    judge(state, &Look { service, servers, elsewhere, coming, lost, confirming, cold, now })
}

#[test]
fn an_empty_host_to_which_a_server_is_on_its_way_is_not_drained_yet() {
    let (drained, empty) = (after(&[]), scene(Vec::new()));
    assert_eq!(due(&drained, &Scene { coming: 1, ..scene(Vec::new()) }), Due::Wait);
    assert_eq!(due(&drained, &empty), Due::Note(Event::Over { end: End::Empty }));
}

/// What `words::shown` calls it.
fn name(of: &str) -> String {
    format!("vm-{of}")
}

fn intended(of: &str, way: Way) -> Event {
    Event::Intended { server: id(of), name: name(of), way }
}

fn asked(name: &str) -> [Event; 2] {
    [intended(name, Way::Live), Event::Asked { server: id(name) }]
}

fn left(of: &str, why: &str) -> Event {
    Event::Left { server: id(of), name: name(of), why: why.into() }
}

fn moves(of: &str, way: Way) -> Due {
    Due::Move { server: id(of), name: name(of), way }
}

#[test]
fn the_host_is_taken_out_of_service_first() {
    let mut busy = scene(vec![server("a", VmState::Active)]);
    busy.service = Some(ComputeService { enabled: true, ..service() });
    let disable = Due::Disable(ServiceId::new("service"));
    let began = folded(&[Event::Began { host: host("one") }]);
    assert_eq!(due(&began, &busy), disable);
    let intended = folded(&[Event::DisableIntended]);
    assert_eq!(intended.disabled, Once::Intended);
    assert_eq!(due(&intended, &busy), disable, "nobody knows what became of it");
    // Once: who puts it back into service meanwhile has reasons.
    assert_eq!(due(&after(&[]), &busy), moves("a", Way::Live));
    let refused = folded(&[Event::NotDisabled { why: "403".into() }]);
    assert_eq!(due(&refused, &busy), moves("a", Way::Live));
}

#[test]
fn who_runs_moves_alive_and_who_is_off_only_if_that_was_asked_for() {
    for state in [VmState::Active, VmState::Paused] {
        assert_eq!(due(&after(&[]), &scene(vec![server("a", state)])), moves("a", Way::Live));
    }
    let mut off = scene(vec![server("a", VmState::Stopped)]);
    let why = "it is off, and `--cold` was not asked for";
    assert_eq!(due(&after(&[]), &off), Due::Note(left("a", why)));
    off.cold = true;
    assert_eq!(due(&after(&[]), &off), moves("a", Way::Cold));
    let broken = scene(vec![server("a", VmState::Error)]);
    let why = "it is error, and Nova moves none of these";
    assert_eq!(due(&after(&[]), &broken), Due::Note(left("a", why)));
}

#[test]
fn so_many_are_on_their_way_and_the_next_waits_for_one() {
    let names: Vec<String> = (0..=AT_ONCE).map(|n| format!("s{n}")).collect();
    let begun: Vec<Event> = names[..AT_ONCE].iter().flat_map(|name| asked(name)).collect();
    let mut servers: Vec<Server> = names[..AT_ONCE].iter().map(|name| moving(name)).collect();
    servers.push(server(&names[AT_ONCE], VmState::Active));
    assert_eq!(due(&after(&begun), &scene(servers.clone())), Due::Wait);
    let gone = ServerId::new(servers.remove(0).id.as_str());
    let mut fewer = scene(servers);
    fewer.elsewhere = [(gone.clone(), None)].into();
    assert_eq!(due(&after(&begun), &fewer), Due::Note(Event::Moved { server: gone.clone() }));
    let moved = [begun, vec![Event::Moved { server: gone }]].concat();
    assert_eq!(due(&after(&moved), &fewer), moves(&names[AT_ONCE], Way::Live));
}

#[test]
fn an_intent_of_which_nobody_knows_is_looked_after_before_it_is_meant_anew() {
    let unknown = after(&[intended("a", Way::Live)]);
    let idle = |later_ms| Scene { later_ms, ..scene(vec![server("a", VmState::Active)]) };
    assert_eq!(due(&unknown, &idle(LINGER_MS - 1)), Due::Wait);
    assert_eq!(due(&unknown, &idle(LINGER_MS)), moves("a", Way::Live));
    let begun = Due::Note(Event::Asked { server: id("a") });
    assert_eq!(due(&unknown, &scene(vec![moving("a")])), begun);
    let mut gone = scene(vec![]);
    assert_eq!(due(&unknown, &gone), Due::Wait, "where it is was not asked");
    gone.elsewhere = [(id("a"), Some(shown("a", "two", VmState::Active, Task::None)))].into();
    assert_eq!(due(&unknown, &gone), Due::Note(Event::Moved { server: id("a") }));
}

#[test]
fn what_nova_took_and_did_not_do_is_asked_for_its_reason() {
    let sent = after(&asked("a"));
    let idle = |later_ms| Scene { later_ms, ..scene(vec![server("a", VmState::Active)]) };
    assert_eq!(due(&sent, &idle(14_999)), Due::Wait, "it may not have begun");
    let explain = Due::Explain { server: id("a"), name: name("a") };
    assert_eq!(due(&sent, &idle(15_000)), explain);
    let long = Scene { later_ms: 3_600_000, ..scene(vec![moving("a")]) };
    assert_eq!(due(&sent, &long), Due::Wait, "as long as it moves");
}

#[test]
fn one_that_was_off_is_confirmed_where_it_arrived() {
    let sent = after(&[intended("a", Way::Cold), Event::Asked { server: id("a") }]);
    let at = |state, task| {
        let mut scene = scene(vec![]);
        scene.elsewhere = [(id("a"), Some(shown("a", "two", state, task)))].into();
        due(&sent, &scene)
    };
    let finishing = Task::Other("resize_finish".into());
    assert_eq!(at(VmState::Stopped, finishing), Due::Wait);
    assert_eq!(at(VmState::Resized, Task::None), Due::Confirm(id("a")));
    // Nova has taken that, and does it on the host that is drained: it is not over before.
    let mut asked = scene(vec![]);
    asked.elsewhere = [(id("a"), Some(shown("a", "two", VmState::Resized, Task::None)))].into();
    asked.confirming = [id("a")].into();
    assert_eq!(due(&sent, &asked), Due::Wait);
    assert_eq!(at(VmState::Stopped, Task::None), Due::Note(Event::Moved { server: id("a") }));
}

#[test]
fn it_is_over_when_nothing_is_left_that_could_move() {
    let over = |end| Due::Note(Event::Over { end });
    assert_eq!(due(&after(&[]), &scene(vec![])), over(End::Empty));
    let stays = after(&[left("a", "no room")]);
    let mut here = scene(vec![server("a", VmState::Active)]);
    assert_eq!(due(&stays, &here), over(End::Left));
    here.servers.push(shown("b", "one", VmState::Active, Task::Other("powering-off".into())));
    assert_eq!(due(&stays, &here), Due::Wait, "b can be asked for in a moment");
    assert_eq!(due(&after(&[Event::Over { end: End::Left }]), &here), Due::Wait);
    // One that came back.
    let returned = after(&[&asked("a")[..], &[Event::Moved { server: id("a") }]].concat());
    let again = scene(vec![server("a", VmState::Active)]);
    assert_eq!(due(&returned, &again), moves("a", Way::Live));
}

#[test]
fn a_host_that_is_lost_is_left_to_its_recovery_and_one_that_is_away_is_asked_nothing() {
    let mut scene = scene(vec![server("a", VmState::Active)]);
    scene.service = Some(ComputeService { up: false, ..service() });
    assert_eq!(due(&after(&[]), &scene), Due::Wait);
    scene.service = Some(ComputeService { forced_down: true, ..service() });
    assert_eq!(due(&after(&[]), &scene), Due::Wait, "what it last said is no sign of life");
    scene.service = None;
    assert_eq!(due(&after(&[]), &scene), Due::Wait);
    scene.lost = true;
    assert_eq!(due(&after(&[]), &scene), Due::Note(Event::Over { end: End::Lost }));
}

#[test]
fn a_log_that_makes_no_sense_is_refused() {
    let lines = |events: &[Event]| -> Vec<Line> {
        let line = |(n, event): (usize, &Event)| Line {
            seq: n as u64 + 1,
            at: NOW,
            entry: Entry::Drain(event.clone()),
        };
        events.iter().enumerate().map(line).collect()
    };
    let over = Event::Over { end: End::Empty };
    for wrong in [
        vec![Event::Asked { server: id("a") }],
        vec![Event::Moved { server: id("a") }],
        vec![over.clone(), over],
    ] {
        assert!(State::fold(&lines(&wrong)).is_err(), "{wrong:?}");
    }
    let text = serde_json::to_string(&Entry::Drain(intended("a", Way::Cold))).unwrap();
    assert_eq!(
        serde_json::from_str::<Entry>(&text).unwrap(),
        Entry::Drain(intended("a", Way::Cold))
    );
}

#[test]
fn how_far_it_is_reads_as_a_person_wants_it() {
    let moved = [&asked("a")[..], &[Event::Moved { server: id("a") }]].concat();
    let events = [&moved[..], &asked("b"), &[left("c", "no\nroom")]].concat();
    let told = |events: &[Event], stands| Told::of(&after(events), stands).unwrap().to_string();
    assert_eq!(
        told(&events, true),
        format!(
            "drain of host one: going on; 1 moved, 1 on their way, 1 stay\n  vm-c ({}) stays: no\u{fffd}room\n",
            id("c")
        )
    );
    assert!(told(&events, false).starts_with("drain of host one: ended before all were moved"));
    let end = |end| told(&[Event::Over { end }], true);
    assert!(end(End::Empty).contains("the planned stop has begun"));
    assert!(end(End::Left).contains("not all could be moved, and no stop is planned"));
    assert!(end(End::Lost).contains("was reported lost"));
    assert_eq!(Told::of(&State::default(), true), None);
}

#[test]
fn what_it_waited_for_is_told_until_something_happens() {
    let first = [Event::Began { host: host("one") }, Event::DisableIntended].map(Entry::Drain);
    let waits = Entry::Waiting { why: "Nova does not answer".into() };
    let told = |entries: Vec<Entry>| {
        let lines = (1..).zip(entries).map(|(seq, entry)| Line { seq, at: NOW, entry });
        let state = State::fold(&lines.collect::<Vec<_>>()).unwrap();
        Told::of(&state, true).unwrap().waits
    };
    let so_far = [first.to_vec(), vec![waits]].concat();
    assert_eq!(told(so_far.clone()).as_deref(), Some("Nova does not answer"));
    assert_eq!(told([so_far, vec![Entry::Drain(Event::Disabled)]].concat()), None);
}
