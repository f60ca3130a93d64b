//! A host that lives is emptied before somebody works on it: each server that can moves once, and those that cannot are
//! named. Engines die over it, and the host dies amidst.

use crate::{
    crash_points::{Word, scene},
    guard::{Storm, Unseen},
    scene::{EngineScript, Scene, undisturbed},
    tale::{self, Stage, Told},
};
use futures::FutureExt;
use recovery::{
    NotificationId,
    drain::{AT_ONCE, End, Event, State, Told as Drained, log_of},
    fold::Fold,
    log::{Entry, Line},
    nouns::NotificationStatus,
    stops::Kind,
};
use sim::{Shape, When};
use std::pin::pin;
use store::Store;

const AN_HOUR_MS: u64 = 3_600_000;

/// The first host is drained soon after the beginning; nothing else happens.
fn drained(engines: Vec<EngineScript>, shape: Shape) -> Scene {
    let storm = Storm { planned: vec![(500, Some(AN_HOUR_MS))], drained: true, ..Storm::default() };
    // Nobody dies while that is looked at.
    Scene { storm, engines, shape, dies_at_ms: 10 * AN_HOUR_MS, ..Scene::plain() }
}

fn all_run() -> Shape {
    Shape { stopped_every: 0, vms_per_host: 9, ..Shape::default() }
}

fn told(scene: Scene) -> (Stage, State) {
    let stage = tale::tell_for(scene, 400_000);
    stage.world.check().unwrap_or_else(|broken| panic!("{broken}\n{}", stage.story()));
    let state = State::fold(&stage.memory.lines(&log_of("stop-0"))).unwrap();
    (stage, state)
}

fn planned(stage: &Stage) -> Vec<Kind> {
    let now = stage.clock.wall();
    let stops = pin!(stage.memory.stops(now, 9)).now_or_never().unwrap().unwrap();
    stops.iter().map(|stop| stop.kind).collect()
}

/// How often each of those that were on the first host was asked to move.
fn asked(stage: &Stage) -> Vec<usize> {
    let host = Some(stage.host(0));
    let there = stage.at_first.iter().filter(|server| server.host == host);
    there.map(|server| stage.world.actions(&server.id).len()).collect()
}

#[test]
fn every_server_moves_once_and_then_the_stop_begins() {
    let (stage, state) = told(drained(vec![undisturbed(), undisturbed()], all_run()));
    let host = stage.host(0);
    assert_eq!(state.over, Some(End::Empty), "{}", stage.story());
    assert_eq!(asked(&stage), [1; 9], "{}", stage.story());
    assert!(stage.world.servers().iter().all(|server| server.host.as_ref() != Some(&host)));
    assert!(!stage.world.service(&host).unwrap().enabled, "nothing new is placed there");
    assert_eq!(planned(&stage), [Kind::Maintenance]);
    assert!(
        stage.world.most_moving() <= AT_ONCE && stage.world.most_moving() > 1,
        "{}",
        stage.world.most_moving()
    );
    let drained = Drained::of(&state, false).unwrap();
    assert_eq!((drained.moved, drained.moving, drained.left.len()), (9, 0, 0));
    assert!(stage.world.evacuate_calls().is_empty());
}

#[test]
fn who_is_off_stays_and_is_named_and_then_no_stop_begins() {
    let shape = Shape { stopped_every: 3, ..all_run() };
    let (stage, state) = told(drained(vec![undisturbed()], shape));
    assert_eq!(state.over, Some(End::Left), "{}", stage.story());
    assert_eq!(planned(&stage), [], "it is no empty host");
    let drained = Drained::of(&state, false).unwrap();
    assert_eq!((drained.moved, drained.left.len()), (6, 3));
    assert!(drained.left.iter().all(|left| left.why.contains("it is off")), "{drained}");
}

#[test]
fn who_finds_no_room_stays_with_the_words_of_the_plan() {
    // Two places on each of the two others.
    let shape = Shape { vms_per_host_max: 11, ..all_run() };
    let (stage, state) = told(drained(vec![undisturbed()], shape));
    assert_eq!(state.over, Some(End::Left), "{}", stage.story());
    let drained = Drained::of(&state, false).unwrap();
    assert_eq!((drained.moved, drained.left.len()), (4, 5), "{}", stage.story());
    // Nova says no more than `No valid host`.
    // They are full, and in service.
    let words = "no host has room for it: 512 MB RAM, 1 vCPUs needed";
    assert!(drained.left.iter().all(|left| left.why == words), "{drained}");
}

/// Whoever takes over looks before it asks: nothing is asked for twice, and nothing is forgotten.
#[test]
fn an_engine_that_dies_anywhere_asks_for_nothing_twice() {
    for when in [When::Before, When::After] {
        for crossing in (10..150).step_by(7) {
            let dies =
                EngineScript { deaths: vec![(crossing, when)], rest_ms: 3_000, ..undisturbed() };
            let (stage, state) = told(drained(vec![dies], all_run()));
            assert_eq!(state.over, Some(End::Empty), "{crossing} {when:?}\n{}", stage.story());
            assert_eq!(asked(&stage), [1; 9], "{crossing} {when:?}\n{}", stage.story());
        }
    }
}

/// Its death is a failure like any other while servers are on it.
#[test]
fn a_host_that_dies_while_it_is_drained_is_recovered() {
    let plain = scene(Word::Monitor, vec![undisturbed()]);
    let storm = Storm { planned: vec![(500, Some(AN_HOUR_MS))], drained: true, ..Storm::default() };
    let shape =
        Shape { pace: sim::Pace { build_ms: 20_000..=30_000, ..Default::default() }, ..all_run() };
    let scene = Scene { storm, shape, dies_at_ms: 12_000, ..plain };
    let Told { stage, .. } = tale::tell(Scene { watched_on_ms: 5_000, ..scene });
    stage.world.check().unwrap_or_else(|broken| panic!("{broken}\n{}", stage.story()));
    let [only] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
    assert_ne!(only.status, NotificationStatus::New, "{}", stage.story());
    assert!(!stage.world.evacuate_calls().is_empty(), "{}", stage.story());
    let state = State::fold(&stage.memory.lines(&NotificationId::new("stop-0"))).unwrap();
    assert_eq!(state.over, Some(End::Lost), "{}", stage.story());
    assert_eq!(planned(&stage), []);
}

#[test]
fn a_person_ends_it_and_nothing_more_is_asked() {
    let mut scene = drained(vec![undisturbed()], all_run());
    scene.storm.planned.push((4_000, None));
    let (stage, state) = told(scene);
    assert_eq!((state.over, planned(&stage)), (None, vec![]), "{}", stage.story());
    let sent: usize = asked(&stage).iter().sum();
    assert!((1..9).contains(&sent), "{sent}\n{}", stage.story());
}

/// Each step takes Nova seconds: what a person has ended meanwhile is over at the next one.
fn ended_amid_a_slow_walk(vms: usize, at_ms: u64) -> (Stage, State) {
    let shape = Shape { vms_per_host: vms, ..all_run() };
    let mut scene = drained(vec![undisturbed()], shape);
    scene.shape.pace.latency_ms = 1_000..=1_500;
    scene.storm.planned.push((at_ms, None));
    told(scene)
}

#[test]
fn a_person_ends_it_amid_a_walk_and_only_what_is_being_asked_for_is_asked() {
    let full: usize = asked(&ended_amid_a_slow_walk(9, 390_000).0).iter().sum();
    assert_eq!(full, 9);
    let early = (10_000..60_000).step_by(5_000).map(|at_ms| {
        let (stage, _) = ended_amid_a_slow_walk(9, at_ms);
        let ended = stage.began.plus(at_ms.cast_signed());
        let late = |line: &&Line| {
            let begins = matches!(line.entry, Entry::Drain(Event::Intended { .. }));
            begins && line.at > ended
        };
        let lines = stage.memory.lines(&log_of("stop-0"));
        assert!(lines.iter().filter(late).count() <= 1, "{at_ms}\n{lines:#?}");
        asked(&stage).iter().sum::<usize>()
    });
    let early: Vec<usize> = early.collect();
    assert!(early.iter().any(|sent| (1..9).contains(sent)), "{early:?}");
}

/// A stop would keep the host's death waiting, and the person was told that none stands.
#[test]
fn a_person_ends_it_while_the_host_is_found_empty_and_no_stop_begins() {
    for at_ms in (1_000..60_000).step_by(1_500) {
        let (stage, state) = ended_amid_a_slow_walk(1, at_ms);
        assert_eq!(planned(&stage), [], "{at_ms}: {:?}\n{}", state.over, stage.story());
    }
}

/// Between two looks at the host: no recovery of it is open at either.
#[test]
fn a_host_whose_recovery_nobody_saw_is_lost_all_the_same_and_no_other_is() {
    for (host, begins, end, stop) in [
        (0, true, End::Lost, vec![]),
        (0, false, End::Empty, vec![Kind::Maintenance]),
        (1, true, End::Empty, vec![Kind::Maintenance]),
    ] {
        let mut scene = drained(vec![undisturbed()], all_run());
        scene.storm.recovered_ms = Some((4_000, Unseen { host, begins }));
        let (stage, state) = told(scene);
        let what = format!("{host} {begins}\n{}", stage.story());
        assert_eq!((state.over, planned(&stage)), (Some(end), stop), "{what}");
    }
}

/// It was sent to the host before that was out of service, and is moved away again.
#[test]
fn a_server_that_is_on_its_way_to_the_host_is_waited_for() {
    let shape = Shape { vms_per_host: 1, ..all_run() };
    let mut scene = drained(vec![undisturbed()], shape);
    scene.shape.pace.build_ms = 60_000..=60_000;
    scene.storm.planned = vec![(102_000, Some(AN_HOUR_MS))];
    scene.storm.brought_ms = Some(100_000);
    let (stage, state) = told(scene);
    let host = stage.host(0);
    assert_eq!((state.over, planned(&stage)), (Some(End::Empty), vec![Kind::Maintenance]));
    let there = stage.world.servers();
    assert!(there.iter().all(|server| server.host.as_ref() != Some(&host)), "{}", stage.story());
    let drained = Drained::of(&state, false).unwrap();
    assert_eq!((drained.moved, drained.left.len()), (2, 0), "{}", stage.story());
}

#[test]
fn nothing_is_asked_while_a_person_has_disarmed() {
    let mut scene = drained(vec![undisturbed()], all_run());
    scene.storm.switch = vec![(100, false)];
    let (stage, state) = told(scene);
    assert_eq!(asked(&stage), [0; 9], "{}", stage.story());
    assert_eq!(state.over, None);
}
