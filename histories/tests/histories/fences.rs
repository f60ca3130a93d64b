//! Hosts with BMCs, and `[fencing] require = proven`: nothing is moved before a device has proven the host dead,
//! hosts that only hang are switched off first, and none is that Nova hears. The BMCs behave in every way in
//! which one can, the engine dies and stands still around the climb, and a host comes back in the middle.

pub(crate) use histories::fences::*;

use crate::{
    by_hand::{Ask, ByHand, What},
    crash_points::{ALL, Which, Word, dies_everywhere, pauses_everywhere, scene},
    scene::{EngineScript, Scene, undisturbed},
    soak,
    tale::{self, Told},
};
use recovery::{
    details,
    fencing::FenceEntry,
    log::{Act, Entry, Line},
    nouns::NotificationStatus,
};
use sim::{Bmc, Condition};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A host hangs, is reported 14 s later, and has such a BMC.
pub(crate) fn hanging(fence: Fence, engines: Vec<EngineScript>) -> Scene {
    Scene { fence: Some(fence), ..scene(Word::Monitor, engines) }
}

fn honest(engines: Vec<EngineScript>) -> Scene {
    hanging(Fence::default(), engines)
}

/// What each climb came to, and how often a server was asked for.
fn told(fence: Fence) -> (String, usize, Told) {
    let told = tale::tell(hanging(fence, vec![undisturbed()]));
    let mut words = Vec::new();
    for line in logs(&told.stage).iter().flatten() {
        match &line.entry {
            Entry::Fence(FenceEntry::Begun { attempt, .. }) => {
                words.push(format!("climb {attempt}"))
            }
            Entry::Fence(FenceEntry::Proven { evidence }) => words.push(evidence.raw.clone()),
            Entry::Fence(FenceEntry::Failed { path, .. }) => words.push(path.join("; ")),
            Entry::Proven { kind, .. } => words.push(kind.to_string()),
            Entry::ForcedDown => words.push("forced down".to_owned()),
            _ => {}
        }
    }
    let calls = told.stage.world.evacuate_calls().len();
    (words.join(" | "), calls, told)
}

#[test]
fn a_host_that_hangs_is_switched_off_and_then_recovered() {
    for bmc in [Bmc::Honest, Bmc::Slow { ms: 8_000 }] {
        let (words, calls, told) = told(Fence { bmc, ..Fence::default() });
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{bmc:?}: {e}\n{}", told.stage.story()));
        let proof = "1. bmc (redfish): off, asked again after it was ordered";
        assert_eq!(words, format!("climb 1 | {proof} | powered_off | forced down"), "{bmc:?}");
        assert_eq!(calls, 4, "{bmc:?}");
        assert_eq!(told.stage.bmcs.orders().len(), 1, "{bmc:?}");
    }
}

#[test]
fn a_host_that_is_off_already_is_proven_dead_without_an_order() {
    let (words, calls, told) = told(Fence { hangs: false, ..Fence::default() });
    let proof = "1. bmc (redfish): was off already, asked twice";
    assert_eq!(words, format!("climb 1 | {proof} | powered_off | forced down"));
    assert_eq!((calls, told.stage.bmcs.orders().len()), (4, 0));
}

/// Held to its end, with what the rung said and what to type, and nothing is moved.
#[test]
fn a_host_that_no_device_proves_dead_stays_as_it_is_and_says_why() {
    for (bmc, said) in [
        (Bmc::Dead, "no answer: "),
        (Bmc::WrongPassword, "it does not take our credentials: HTTP 401"),
        (Bmc::Flapping, "1. bmc (redfish): "),
    ] {
        let (words, calls, told) = told(Fence { bmc, ..Fence::default() });
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{bmc:?}: {e}\n{}", told.stage.story()));
        assert_eq!(calls, 0, "{bmc:?}");
        assert!(words.contains("climb 2") && !words.contains("forced down"), "{bmc:?}: {words}");
        let host = told.stage.host(0);
        let report = &told.stage.memory.all_notifications()[0];
        assert_eq!(report.status, NotificationStatus::Failed, "{bmc:?}");
        let message = report.message.as_deref().unwrap();
        let hint = format!("`masakari confirm-dead {host} --reason ...`");
        assert!(message.contains(said) && message.contains(&hint), "{bmc:?}: {message}");
        let shown = details::details(&told.stage.memory.lines(&report.uuid), &host);
        let texts: Vec<&str> = shown[0].messages.iter().map(|m| m.text.as_str()).collect();
        let begins = format!("Fencing host '{host}' (attempt 1): bmc (redfish)");
        assert!(texts.contains(&begins.as_str()), "{texts:?}");
        let again = format!("Host '{host}' could not be fenced; tried again in 15 s");
        assert!(texts.contains(&again.as_str()), "{texts:?}");
    }
}

#[test]
fn a_host_that_nova_hears_is_never_switched_off_whatever_a_monitor_says() {
    let scene = Scene { false_alarm: true, ..honest(vec![undisturbed()]) };
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
    assert_eq!(told.stage.bmcs.asked(), 0, "the device was asked");
    let report = &told.stage.memory.all_notifications()[0];
    let message = report.message.as_deref().unwrap();
    let contradiction = "it shows a sign of life, newer than the monitor_said";
    assert!(message.contains(contradiction), "{message}");
}

/// It hangs, is reported, its BMC takes the order, says "off" and does nothing; and it is heard again.
#[test]
fn a_bmc_that_lies_about_a_host_that_is_heard_again_is_not_believed() {
    let healed_after_ms = Some(30_000);
    let lying = Fence { bmc: Bmc::Lying { ms: 8_000 }, healed_after_ms, ..Fence::default() };
    let (words, calls, told) = told(lying);
    told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
    let caught =
        "bmc (redfish): says off, but its nova-compute reported to Nova after that: not believed";
    assert_eq!((words.as_str(), calls), (format!("climb 1 | {caught}").as_str(), 0));
    assert_eq!(told.stage.world.condition(&told.stage.host(0)), Condition::Alive);
}

/// The device answers so late that the host is heard again before it could be ordered off.
#[test]
fn a_host_that_is_heard_while_its_device_is_asked_is_not_switched_off() {
    let healed_after_ms = Some(16_000);
    let slow = Fence { bmc: Bmc::Slow { ms: 14_000 }, healed_after_ms, ..Fence::default() };
    let (words, calls, told) = told(slow);
    told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
    assert!(words.contains("not asked to switch it off: it shows a sign of life"), "{words}");
    assert_eq!((calls, told.stage.bmcs.orders().len()), (0, 0));
}

/// When its ladder is climbed first, after the beginning, where nothing happens to anybody.
fn climbed_after_ms(fence: &Fence, seed: u64) -> u64 {
    let scene = Scene { seed, ..hanging(fence.clone(), vec![undisturbed()]) };
    let stage = tale::tell(scene).stage;
    let begun = |line: &&Line| matches!(line.entry, Entry::Fence(FenceEntry::Begun { .. }));
    let lines = logs(&stage).concat();
    lines.iter().find(begun).unwrap().at.since(stage.began).unsigned_abs()
}

/// The database goes while the device is asked what it controls, and the lease is over before it has answered: another
/// engine may have the recovery.
#[test]
fn who_has_lost_the_lease_meanwhile_orders_nothing() {
    let slow = Fence { bmc: Bmc::Slow { ms: 12_000 }, ..Fence::default() };
    let mut scene = hanging(slow.clone(), vec![undisturbed()]);
    let at_ms = climbed_after_ms(&slow, scene.seed) + 500;
    scene.hit = Some(soak::database_is_away(at_ms, 20_000));
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
    let back = told.stage.began.plus((at_ms + 20_000).cast_signed());
    let orders = told.stage.bmcs.orders();
    assert_eq!(orders.len(), 1, "{}", told.stage.story());
    assert!(orders[0].at > back, "{}", told.stage.story());
}

#[test]
fn a_recovery_that_is_cancelled_while_its_ladder_is_climbed_orders_nothing() {
    let slow = Fence { bmc: Bmc::Slow { ms: 12_000 }, ..Fence::default() };
    let mut scene = hanging(slow.clone(), vec![undisturbed()]);
    let at_ms = climbed_after_ms(&slow, scene.seed) + 1_000;
    let words = vec![Ask { at_ms, what: What::Cancel, twice: false }];
    scene.by_hand = ByHand { words, insists: false };
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
    assert!(told.stage.bmcs.asked() > 0 && told.stage.bmcs.orders().is_empty());
    assert!(told.stage.world.evacuate_calls().is_empty(), "{}", told.stage.story());
}

/// The device lies, and the host was heard between the order and the first "off": it is given the time in which it would
/// be heard again.
#[test]
fn a_host_that_was_heard_a_moment_ago_is_waited_for_before_off_is_believed() {
    let quick = Fence { bmc: Bmc::Lying { ms: 3_000 }, ..Fence::default() };
    for seed in 0..12 {
        let climbed_ms = climbed_after_ms(&quick, seed);
        let mut scene = hanging(quick.clone(), vec![undisturbed()]);
        scene.seed = seed;
        let healed = climbed_ms - scene.dies_at_ms - 4_000;
        scene.fence = Some(Fence { healed_after_ms: Some(healed), ..quick.clone() });
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
        let lines = logs(&told.stage).concat();
        let proven = |line: &Line| matches!(line.entry, Entry::Fence(FenceEntry::Proven { .. }));
        assert!(!lines.iter().any(proven), "{seed}: {}", told.stage.story());
    }
}

#[test]
fn a_host_that_boots_in_the_middle_of_its_recovery_is_left_alone_and_held() {
    let mut scene = honest(vec![undisturbed()]);
    // Evacuations are slow, and the host is back before most of them were asked for.
    scene.revived_after_ms = Some(22_000);
    scene.slow_locks_ms = 15_000;
    let told = tale::tell(scene);
    told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
    assert_eq!(told.stage.bmcs.orders().len(), 1, "it was switched off again");
    let host = told.stage.host(0);
    let revived = told.stage.began.plus(23_000);
    let heard = revived.plus(5_000 + 10_000);
    let late = |lines: &[Line]| {
        lines.iter().any(|line| {
            matches!(line.entry, Entry::Intended { act: Act::Evacuate, .. }) && line.at > heard
        })
    };
    assert!(!logs(&told.stage).iter().any(|lines| late(lines)), "{}", told.stage.story());
    assert_eq!(told.stage.world.condition(&host), Condition::Alive);
    let held = |line: &Line| matches!(&line.entry, Entry::Held { sighting: Some(_), .. });
    assert!(logs(&told.stage).concat().iter().any(held), "{}", told.stage.story());
}

/// The host is looked at while its ladder is climbed: such a look knows nothing of what the climb proved.
#[test]
fn a_host_that_was_fenced_is_not_held_for_want_of_proof_by_a_look_that_was_under_way() {
    for seed in 0..10 {
        let mut scene = honest(vec![undisturbed()]);
        scene.seed = seed;
        scene.shape.pace.latency_ms = 300..=900;
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{seed}: {e}\n{}", told.stage.story()));
        let lines = logs(&told.stage).concat();
        let held = lines.iter().any(|line| matches!(line.entry, Entry::Held { .. }));
        assert!(!held, "{seed}: {lines:#?}");
    }
}

#[test]
fn control_attributes_that_mean_nothing_are_said_to_mean_nothing() {
    let (words, calls, told) = told(Fence { control_attributes: "ssg", ..Fence::default() });
    assert_eq!((words.as_str(), calls), ("", 0));
    let report = &told.stage.memory.all_notifications()[0];
    let message = report.message.as_deref().unwrap();
    assert!(message.contains("it cannot be fenced: its control_attributes \"ssg\""), "{message}");
    assert!(message.contains("did you mean `ssh`?"), "{message}");
}

/// The BMC is cabled to the neighbour, and no operator has written down which machine the host is.
#[test]
fn a_device_of_another_machine_than_the_hosts_agent_told_is_ordered_nothing() {
    let (words, calls, other) =
        told(Fence { identified: Some(Cabled::ToAnother), ..Fence::default() });
    assert_eq!(calls, 0, "{words}");
    assert!(other.stage.bmcs.orders().is_empty(), "{words}");
    let report = &other.stage.memory.all_notifications()[0];
    let message = report.message.as_deref().unwrap();
    assert!(message.contains("CZ-other (by the word of its agent)"), "{message}");
    let (words, calls, same) = told(Fence { identified: Some(Cabled::Right), ..Fence::default() });
    assert!(calls > 0, "{words}");
    assert_eq!(same.stage.bmcs.orders().len(), 1, "{words}");
}

#[test]
fn so_many_hosts_are_fenced_side_by_side_as_the_file_allows() {
    for (side_by_side, most) in [(1, 1), (16, 2)] {
        let bmc = Bmc::Slow { ms: 4_000 };
        let fence = Fence { bmc, side_by_side, ..Fence::default() };
        let mut scene = hanging(fence, vec![undisturbed()]);
        scene.shape.hosts = 4;
        scene.second_after_ms = Some(0);
        let told = tale::tell(scene);
        told.outcome.as_ref().unwrap_or_else(|e| panic!("{e}\n{}", told.stage.story()));
        assert_eq!((told.stage.bmcs.most_at_once(), told.stage.bmcs.orders().len()), (most, 2));
    }
}

#[test]
fn an_engine_that_dies_at_any_point_of_a_recovery_with_fencing_is_made_up_for() {
    dies_everywhere(honest, ALL, 150);
}

#[test]
fn an_engine_that_stands_still_around_the_climb_is_made_up_for() {
    pauses_everywhere(honest, Which { since: ALL.since, every: 2 }, 70);
}

#[test]
fn every_history_of_hosts_with_fence_devices_ends_well() {
    let (proven, orders) = (AtomicUsize::new(0), AtomicUsize::new(0));
    crate::all_end_well(SEEDS, Scene::fenced_from_seed, |stage| {
        let fenced = |line: &&Line| matches!(line.entry, Entry::Fence(FenceEntry::Proven { .. }));
        proven.fetch_add(logs(stage).iter().flatten().filter(fenced).count(), Ordering::Relaxed);
        orders.fetch_add(stage.bmcs.orders().len(), Ordering::Relaxed);
        Ok(())
    });
    let (proven, orders) = (proven.into_inner(), orders.into_inner());
    println!("{orders} orders, {proven} proofs");
    let few = crate::setting("SIM_SEEDS", SEEDS) < SEEDS;
    assert!(few || proven > 15 && orders > 5, "hardly a host was fenced");
}

const SEEDS: u64 = 40;
