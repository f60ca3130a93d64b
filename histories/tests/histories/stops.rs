//! Planned stops: a host that is away as planned is left alone, and recovered when it is away for longer.

use crate::{
    crash_points::{Which, Word, dies_everywhere, scene},
    guard::Storm,
    scene::{EngineScript, Scene, undisturbed},
    tale::{self, Stage, Told},
};
use recovery::{Millis, guard::GuardEntry, log::Entry, nouns::NotificationStatus};

fn told(scene: Scene) -> Stage {
    let Told { stage, outcome } = tale::tell(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    stage
}

/// A host whose stop is announced just before it dies.
fn announced(planned: &[(u64, Option<u64>)], engines: Vec<EngineScript>) -> Scene {
    let storm = Storm { planned: planned.to_vec(), ..Storm::default() };
    Scene { storm, ..scene(Word::Monitor, engines) }
}

const HALF_AN_HOUR_MS: u64 = 1_800_000;

fn was_held(stage: &Stage) -> bool {
    let report = &stage.memory.all_notifications()[0];
    let lines = stage.memory.lines(&report.uuid);
    lines.iter().any(|line| matches!(line.entry, Entry::Guard(GuardEntry::Stopped { .. })))
}

fn moment(stage: &Stage, ms: u64) -> Millis {
    stage.began.plus(ms.cast_signed())
}

/// For longer than a recovery may last.
fn for_half_an_hour(engines: Vec<EngineScript>) -> Scene {
    announced(&[(500, Some(HALF_AN_HOUR_MS))], engines)
}

#[test]
fn a_host_that_is_still_away_at_the_end_of_its_stop_is_recovered_and_not_before() {
    let stage = told(for_half_an_hour(vec![undisturbed(), undisturbed()]));
    assert!(was_held(&stage), "{}", stage.story());
    let calls = stage.world.evacuate_calls();
    let over = moment(&stage, 500 + HALF_AN_HOUR_MS);
    assert!(!calls.is_empty() && calls.iter().all(|call| call.at >= over), "{}", stage.story());
    assert!(calls[0].at.since(over) < 15_000, "soon after it\n{}", stage.story());
    let [only] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
    assert_eq!(only.status, NotificationStatus::Finished);
}

/// Whatever dies while it is held, or when it goes on, loses nothing and does nothing twice.
#[test]
fn an_engine_that_dies_while_a_stop_holds_its_recovery_loses_nothing() {
    let scene = |engines| announced(&[(500, Some(100_000))], engines);
    dies_everywhere(scene, Which { since: "taking leases", every: 5 }, 20);
}

#[test]
fn a_host_that_comes_back_before_the_end_of_its_stop_is_left_alone() {
    let plain = for_half_an_hour(vec![undisturbed(), undisturbed()]);
    let stage = told(Scene { revived_after_ms: Some(120_000), ..plain });
    assert!(was_held(&stage), "{}", stage.story());
    assert!(stage.world.evacuate_calls().is_empty(), "{}", stage.story());
    assert!(stage.world.forced_downs().is_empty(), "{}", stage.story());
    let [only] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
    assert_eq!(only.status, NotificationStatus::Ignored, "{}", stage.story());
    assert!(only.message.unwrap().starts_with("the host was away as planned, and is back"));
}

#[test]
fn who_ends_a_stop_lets_the_recovery_that_it_holds_begin() {
    let planned = [(500, Some(HALF_AN_HOUR_MS)), (150_000, None)];
    let stage = told(announced(&planned, vec![undisturbed()]));
    assert!(was_held(&stage), "{}", stage.story());
    let calls = stage.world.evacuate_calls();
    let ended = moment(&stage, 150_000);
    assert!(!calls.is_empty() && calls.iter().all(|call| call.at >= ended), "{}", stage.story());
    assert!(calls[0].at.since(ended) < 10_000, "{}", stage.story());
}

/// The recovery has begun: a stop that is announced then comes too late for it.
#[test]
fn a_stop_that_is_announced_too_late_holds_nothing_back() {
    let late = scene(Word::Monitor, vec![undisturbed()]);
    let at_ms = late.dies_at_ms + late.reported_after_ms + 75_000;
    let stage = told(announced(&[(at_ms, Some(HALF_AN_HOUR_MS))], vec![undisturbed()]));
    let planned = moment(&stage, at_ms);
    assert!(stage.world.evacuate_calls().iter().any(|c| c.at < planned), "{}", stage.story());
    assert!(!was_held(&stage), "{}", stage.story());
    let [only] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
    assert_eq!(only.status, NotificationStatus::Finished);
}
