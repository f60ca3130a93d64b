//! A person has an empty host switched off and on again by its fence devices. Whatever dies or stands still, it is
//! ordered off once at most, it has its power at the end, and its silence is nobody's failure.

pub(crate) use histories::drill::*;

use crate::{
    crash_points::{PAUSE_MS, Word, scene},
    fences::Fence,
    scene::{EngineScript, Faults, Scene, undisturbed},
    tale::{self, Stage, Told},
};
use futures::FutureExt;
use recovery::{
    drill::{FAILED, PASSED},
    nouns::{NotificationStatus, RecoveryMethod},
    request::RequestState,
};
use sim::{Bmc, Condition, Fault, Kind, Service, Shape, When};
use store::Store;

/// One host is reported that lives, so that the history lasts; the last one is tested.
fn tested(bmc: Bmc, engines: Vec<EngineScript>) -> Scene {
    let drill = Drilled {
        at_ms: 2_000,
        reserved: true,
        reported_after_ms: None,
        brought_before_ms: None,
        patience_ms: 60_000,
    };
    let fence = Fence { bmc, hangs: false, drill: Some(drill), ..Fence::default() };
    let shape = Shape { hosts: 4, reserved: 1, vms_per_host: 1, ..Shape::default() };
    let plain = scene(Word::Monitor, engines);
    Scene { shape, fence: Some(fence), false_alarm: true, watched_on_ms: PAUSE_MS, ..plain }
}

fn told(scene: Scene) -> Stage {
    let Told { stage, outcome } = tale::tell(scene);
    assert_eq!(outcome, Ok(()), "{}", stage.story());
    stage
}

fn answer(stage: &Stage) -> (RequestState, String) {
    let asked = stage.memory.request(TEST).now_or_never().unwrap().unwrap().unwrap();
    (asked.state, asked.answer.unwrap_or_default())
}

/// It was ordered off so often, and lives; nobody was moved, and no service was touched.
fn is_well(stage: &Stage, orders: std::ops::RangeInclusive<usize>) {
    let host = host(stage).unwrap();
    let off = stage.bmcs.orders();
    assert!(orders.contains(&off.len()), "{} orders\n{}", off.len(), stage.story());
    assert!(off.iter().all(|order| order.host == host), "{}", stage.story());
    assert_eq!(stage.world.condition(&host), Condition::Alive, "{}", stage.story());
    assert!(stage.world.evacuate_calls().is_empty(), "{}", stage.story());
    assert!(stage.world.forced_downs().is_empty(), "{}", stage.story());
    assert!(!stage.world.service(&host).unwrap().enabled);
}

#[test]
fn an_empty_host_goes_off_and_on_and_each_rung_is_told() {
    for bmc in [Bmc::Honest, Bmc::Slow { ms: 4_000 }] {
        let stage = told(tested(bmc, vec![undisturbed(), undisturbed()]));
        is_well(&stage, 1..=1);
        let (state, said) = answer(&stage);
        assert_eq!(state, RequestState::Done);
        assert!(said.starts_with(PASSED), "{said}");
        for part in [
            "\noff 1. bmc (redfish): off, asked again after it was ordered (",
            "\non 1. bmc (redfish): on, asked again after it was ordered (",
            "\nuntil ",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert_eq!(stage.bmcs.woken().len(), 1);
    }
}

#[test]
fn devices_that_do_not_do_it_fail_the_test_and_nothing_is_taken_for_off() {
    for (bmc, orders, why) in [
        (Bmc::Dead, 0, "no device proved that the host was off"),
        (Bmc::WrongPassword, 0, "no device proved that the host was off"),
        // Nova goes on hearing it.
        (Bmc::Lying { ms: 1_000 }, 1, "no device proved that the host was off"),
    ] {
        let stage = told(tested(bmc, vec![undisturbed()]));
        is_well(&stage, orders..=orders);
        let (state, said) = answer(&stage);
        assert_eq!(state, RequestState::Done, "{bmc:?}");
        assert!(said.starts_with(FAILED) && said.contains(why), "{bmc:?}: {said}");
    }
}

#[test]
fn a_host_that_serves_is_not_touched() {
    let mut scene = tested(Bmc::Honest, vec![undisturbed()]);
    let fence = scene.fence.as_mut().unwrap();
    fence.drill = fence.drill.map(|drill| Drilled { reserved: false, ..drill });
    let stage = told(scene);
    is_well(&stage, 0..=0);
    let (state, said) = answer(&stage);
    assert_eq!(state, RequestState::Refused);
    assert!(said.contains("it is neither reserved nor on maintenance"), "{said}");
    assert!(stage.memory.lines(&recovery::NotificationId::new(TEST)).is_empty());
}

/// Nova shows it on its old host until it is there.
#[test]
fn a_host_that_has_a_server_or_is_about_to_get_one_is_not_touched() {
    for (before_ms, why) in [
        (10_000, "servers that Nova is moving to it: 1"),
        (150_000, "servers that Nova shows on it: 1"),
    ] {
        let mut scene = tested(Bmc::Honest, vec![undisturbed()]);
        scene.shape.pace.build_ms = 60_000..=60_000;
        let drill = scene.fence.as_mut().unwrap().drill.as_mut().unwrap();
        (drill.at_ms, drill.brought_before_ms) = (300_000, Some(before_ms));
        let stage = tale::tell_for(scene, 400_000);
        let (state, said) = answer(&stage);
        assert_eq!(state, RequestState::Refused, "{said}\n{}", stage.story());
        assert!(said.contains(why), "{said}\n{}", stage.story());
        assert!(stage.bmcs.orders().is_empty(), "{}", stage.story());
    }
}

#[test]
fn a_test_that_nobody_began_in_time_is_not_begun() {
    let mut scene = tested(Bmc::Honest, vec![undisturbed()]);
    scene.fence.as_mut().unwrap().drill.as_mut().unwrap().patience_ms = -1;
    let stage = told(scene);
    is_well(&stage, 0..=0);
    let (state, said) = answer(&stage);
    assert_eq!(state, RequestState::Refused, "{said}");
    assert!(said.starts_with("it is not switched off, in time: "), "{said}");
    assert!(stage.memory.lines(&recovery::NotificationId::new(TEST)).is_empty());
}

/// When it is ordered off, after the beginning, where nothing happens to anybody.
fn ordered_off_ms(bmc: Bmc) -> u64 {
    let stage = told(tested(bmc, vec![undisturbed()]));
    stage.bmcs.orders()[0].at.since(stage.began).unsigned_abs()
}

/// The device may lie, and there is nobody to contradict it.
#[test]
fn off_is_no_pass_where_nova_cannot_be_asked() {
    let at_ms = ordered_off_ms(Bmc::Honest);
    let mut scene = tested(Bmc::Honest, vec![undisturbed()]);
    scene.faults = Some(Faults {
        rules: vec![(Service::Compute, Kind::Any, Fault::Status(503), 1_000)],
        from_ms: at_ms + 100,
        until_ms: at_ms + 120_000,
        store_permille: 0,
        build_fails_permille: 0,
        loses_touch_permille: 0,
    });
    let stage = told(scene);
    is_well(&stage, 1..=1);
    let (_, said) = answer(&stage);
    let why = "a device says off, and nobody else could be asked: ";
    assert!(said.starts_with(FAILED) && said.contains(why), "{said}");
}

/// As a monitor would report it, that sees it go.
#[test]
fn its_silence_is_reported_and_nobody_recovers_it() {
    for after_ms in [17_000, 19_000, 25_000] {
        let mut scene = tested(Bmc::Slow { ms: 4_000 }, vec![undisturbed(), undisturbed()]);
        let fence = scene.fence.as_mut().unwrap();
        fence.drill =
            fence.drill.map(|drill| Drilled { reported_after_ms: Some(after_ms), ..drill });
        let stage = told(scene);
        is_well(&stage, 1..=1);
        assert!(answer(&stage).1.starts_with(PASSED), "{}", stage.story());
        let all = stage.memory.all_notifications();
        let of_it = all
            .iter()
            .find(|n| n.uuid.as_str().ends_with("host-4"))
            .or_else(|| all.last())
            .unwrap();
        assert_eq!(of_it.status, NotificationStatus::Ignored, "{}", stage.story());
    }
}

/// A host dies, and would be evacuated to the one that is tested.
#[test]
fn a_recovery_that_comes_meanwhile_sends_no_servers_to_it() {
    let mut scene = tested(Bmc::Honest, vec![undisturbed(), undisturbed()]);
    (scene.false_alarm, scene.method) = (false, RecoveryMethod::ReservedHost);
    // The recovery looks for a reserved host when the test has begun and nothing is off yet.
    let fence = scene.fence.as_mut().unwrap();
    fence.drill = fence.drill.map(|drill| Drilled { at_ms: 14_000, ..drill });
    scene.shape.service_down_time_ms = 20_000;
    let Told { stage, .. } = tale::tell(scene);
    let (_, said) = answer(&stage);
    assert!(said.starts_with(PASSED), "{said}\n{}", stage.story());
    let host = host(&stage).unwrap();
    let off_at = stage.bmcs.orders().iter().find(|order| order.host == host).unwrap().at;
    let to_it = stage.world.evacuate_calls();
    let to_it = to_it.iter().filter(|call| call.target.as_ref() == Some(&host));
    assert!(to_it.clone().all(|call| call.at > off_at), "{}", stage.story());
}

/// Every so many of the crossings from the first look of the test to its last.
fn crossings(every: usize) -> Vec<usize> {
    let clean = told(tested(Bmc::Honest, vec![undisturbed()]));
    let places = clean.lives.lock().unwrap()[0].places();
    let is_look = |place: &&str| *place == "listing planned stops";
    let first = places.iter().position(&is_look).unwrap();
    let last = places.iter().rposition(is_look).unwrap();
    (first + 1..last + 20).step_by(every).collect()
}

fn is_answered(stage: &Stage, point: &str) -> bool {
    let (_, said) = answer(stage);
    assert!(said.starts_with(PASSED) || said.starts_with(FAILED), "{point}: {said}");
    said.contains("went on with it")
}

#[test]
fn an_engine_that_dies_at_any_point_of_a_test_leaves_a_host_that_gets_its_power_back() {
    let (mut tried, mut in_the_middle) = (0, 0);
    for crossing in crossings(5) {
        for when in [When::Before, When::After] {
            let script = EngineScript { deaths: vec![(crossing, when)], ..undisturbed() };
            let stage = told(tested(Bmc::Honest, vec![script]));
            is_well(&stage, 0..=1);
            in_the_middle += usize::from(is_answered(&stage, &format!("{when:?} {crossing}")));
            tried += 1;
        }
    }
    println!("{tried} points, {in_the_middle} in the middle");
    assert!(tried >= 20 && in_the_middle >= 10, "{tried} points, {in_the_middle} in the middle");
}

#[test]
fn an_engine_that_stands_still_at_any_point_of_a_test_switches_nothing_off_after_that() {
    let points = crossings(9);
    for crossing in &points {
        let script = EngineScript { pause: Some((*crossing, PAUSE_MS)), ..undisturbed() };
        let stage = told(tested(Bmc::Honest, vec![script, undisturbed()]));
        is_well(&stage, 0..=1);
        is_answered(&stage, &format!("pause at {crossing}"));
    }
    println!("{} points", points.len());
    assert!(points.len() >= 10);
}
